"""The emulated AUSF, with the credential store behind it: Nausf_UEAuthentication with 5G-AKA (TS 29.509)."""

import hmac
import re
import secrets
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.codecs import kdf, suci
from drivers.codecs.milenage import Milenage
from drivers.interfaces import Subscriber
from drivers.sbi import Request, Response, answer, keep, problem

CONTEXTS = "/nausf-auth/v1/ue-authentications"
CONFIRMATION = CONTEXTS + "/{authCtxId}/5g-aka-confirmation"

_SUCI = re.compile(r"suci-0-(\d{3})-(\d{2,3})-(\d{1,4})-([0-2])-(\d{1,3})-([0-9A-Fa-f]+)", re.ASCII)
_STEP = 1 << 5  # SQN is SEQ and 5 bits of IND; IND stays, SEQ counts (TS 33.102 clause C.1.1)


@dataclass(frozen=True)
class Vector:
    """A vector of 5G-AKA with what the home network keeps of it (TS 33.501 clause 6.1.3.2)."""

    rand: bytes
    autn: bytes
    xres_star: bytes = field(repr=False)
    kseaf: bytes = field(repr=False)


class Arpf:
    """Keys and sequence numbers of the subscribers, for all AUSFs; safe to use from any thread.

    `home_keys` are the private keys of the home network (32 octets) by Home Network Public Key Identifier.
    """

    def __init__(
        self, subscribers: Mapping[str, Subscriber], home_keys: Mapping[int, bytes] | None = None
    ) -> None:
        self._subscribers, self._home_keys = subscribers, home_keys or {}
        self._lock = threading.Lock()
        self.sqn: dict[str, int] = {}
        self.routing: dict[str, str] = {}  # the routing indicator of the last SUCI, by SUPI

    def identify(self, supi_or_suci: object) -> str | None:
        """The SUPI of one of our subscribers, or None (TS 23.003 clauses 2.2A and 2.2B)."""
        if not isinstance(supi_or_suci, str) or len(supi_or_suci) > 1_000:
            return None
        found = _SUCI.fullmatch(supi_or_suci)
        if not found:
            return supi_or_suci if supi_or_suci in self._subscribers else None
        mcc, mnc, routing, scheme, key, output = found.groups()
        try:
            msin = output if scheme == "0" else self._reveal(int(scheme), int(key), bytes.fromhex(output))
        except ValueError:
            return None
        supi = f"imsi-{mcc}{mnc}{msin}"
        if supi not in self._subscribers:
            return None
        self.routing[supi] = routing
        return supi

    def _reveal(self, scheme: int, key: int, output: bytes) -> str:
        if key not in self._home_keys:
            raise ValueError(f"no private key {key}")
        bcd = suci.reveal(scheme, output, self._home_keys[key])
        return "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in bcd).removesuffix("f")

    def vector(self, supi: str, network: str) -> Vector:
        """A vector with the next SQN, for a serving network name."""
        subscriber = self._subscribers[supi]
        with self._lock:
            self.sqn[supi] = sqn = (self.sqn.get(supi, 0) + _STEP) % (1 << 48)
        milenage, rand = Milenage(subscriber.k, subscriber.opc), secrets.token_bytes(16)
        autn = milenage.autn(rand, sqn.to_bytes(6, "big"), subscriber.amf)
        out = milenage.f2345(rand)
        kausf = kdf.kausf(out.ck, out.ik, network, autn[:6])
        xres_star = kdf.res_star(out.ck, out.ik, network, rand, out.res)
        return Vector(rand, autn, xres_star, kdf.kseaf(kausf, network))

    def resynchronise(self, supi: str, rand: str, auts: str) -> bool:
        """Take over SQN_MS when MAC-S of AUTS is right (TS 33.102 clause 6.3.5)."""
        subscriber = self._subscribers[supi]
        try:
            milenage = Milenage(subscriber.k, subscriber.opc)
            sqn_ms, right = milenage.open_auts(bytes.fromhex(rand), bytes.fromhex(auts))
        except ValueError:
            return False
        if right:
            with self._lock:
                self.sqn[supi] = int.from_bytes(sqn_ms, "big")
        return right


class Ausf:
    """One AUSF instance of the network with this MCC and MNC."""

    interface = "n12"

    def __init__(self, arpf: Arpf, plmn: tuple[str, str]) -> None:
        self._arpf, self._network = arpf, kdf.serving_network_name(*plmn)
        self._contexts: dict[str, tuple[str, Vector]] = {}
        self.routes = {
            f"POST {CONTEXTS}": self._authenticate,
            f"PUT {CONFIRMATION}": self._confirm,
            f"DELETE {CONFIRMATION}": self._delete,
        }

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """The subscriber of a request."""
        if context := self._contexts.get(request.params.get("authCtxId", "")):
            return context[0], {}
        content = request.content
        return self._arpf.identify(content.get("supiOrSuci") if isinstance(content, dict) else None), {}

    def _authenticate(self, request: Request) -> Response:
        content = request.content
        if not isinstance(content, dict) or not {"supiOrSuci", "servingNetworkName"} <= content.keys():
            return problem(400, "MANDATORY_IE_MISSING", "supiOrSuci and servingNetworkName are needed")
        supi = self._arpf.identify(content["supiOrSuci"])
        if supi is None:
            return problem(404, "USER_NOT_FOUND")
        if content["servingNetworkName"] != self._network:
            return problem(403, "SERVING_NETWORK_NOT_AUTHORIZED")
        if (again := content.get("resynchronizationInfo")) is not None:
            if not isinstance(again, dict) or not {"rand", "auts"} <= again.keys():
                return problem(400, "MANDATORY_IE_INCORRECT", "resynchronizationInfo wants rand and auts")
            if not self._arpf.resynchronise(supi, str(again["rand"]), str(again["auts"])):
                return problem(403, "AUTHENTICATION_REJECTED", "AUTS is not of this subscriber and RAND")
        vector, identity = self._arpf.vector(supi, self._network), uuid.uuid4().hex
        keep(self._contexts, identity, (supi, vector))
        location = f"{request.base}{CONTEXTS}/{identity}"
        body = {
            "authType": "5G_AKA",
            "5gAuthData": {
                "rand": vector.rand.hex(),
                "autn": vector.autn.hex(),
                "hxresStar": kdf.hres_star(vector.rand, vector.xres_star).hex(),
            },
            "_links": {"5g-aka": {"href": f"{location}/5g-aka-confirmation"}},
            "servingNetworkName": self._network,
        }
        return answer(201, body, location=location, kind="application/3gppHal+json")

    def _confirm(self, request: Request) -> Response:
        context = self._contexts.get(request.params["authCtxId"])
        if context is None:
            return problem(404, "CONTEXT_NOT_FOUND")
        if not isinstance(request.content, dict) or "resStar" not in request.content:
            return problem(400, "MANDATORY_IE_MISSING", "resStar is needed, null when none came")
        supi, vector = context
        try:
            given = bytes.fromhex(request.content["resStar"] or "")
        except (ValueError, TypeError):
            return problem(400, "MANDATORY_IE_INCORRECT", "resStar is not hexadecimal")
        if not hmac.compare_digest(given, vector.xres_star):
            return answer(200, {"authResult": "AUTHENTICATION_FAILURE"})
        result = {"authResult": "AUTHENTICATION_SUCCESS", "supi": supi, "kseaf": vector.kseaf.hex()}
        return answer(200, result)

    def _delete(self, request: Request) -> Response:
        known = self._contexts.pop(request.params["authCtxId"], None)
        return answer(204) if known else problem(404, "CONTEXT_NOT_FOUND")
