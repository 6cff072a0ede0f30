"""The emulated AMF as a consumer of AUSF, UDM and SMF: what it asks, and what it makes of the answers."""

import asyncio
import json
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from assay.case import Event
from assay.errors import LabError
from assay.evidence import Flow, Trace
from drivers.codecs import kdf
from drivers.codecs.nas import Snssai
from drivers.emulated.amf_config import Config
from drivers.interfaces import Reply
from drivers.sbi import Client, Part, join_parts, split_parts

AUSF = "/nausf-auth/v1/ue-authentications"
SMF = "/nsmf-pdusession/v1/sm-contexts"
JSON = "application/json"
ACCEPTED = f"{JSON}, application/3gppHal+json, application/problem+json, multipart/related"
N1_PART = "n1SmMsg"
MAX_CALLS = 64


@dataclass(frozen=True)
class Answer:
    """An answer of a peer; status 0 stands for none: refused, closed, or silent until the time-out."""

    status: int = 0
    location: str = ""
    content_type: str = ""
    body: bytes = b""

    @cached_property
    def json(self) -> dict[str, Any]:
        """The JSON object in the body, empty if there is none."""
        data = _json(self.parts[0].body if self.parts else self.body)
        return data if isinstance(data, dict) else {}

    @cached_property
    def parts(self) -> list[Part]:
        """The parts of a multipart body."""
        if not self.content_type.lower().startswith("multipart/"):
            return []
        try:
            return split_parts(self.content_type, self.body)
        except ValueError:
            return []

    @property
    def n1(self) -> bytes:
        """The N1 SM part of a multipart body (TS 29.502 clause 6.1.2.4)."""
        kind = "application/vnd.3gpp.5gnas"
        return next((p.body for p in self.parts if p.headers.get("content-type", "").lower() == kind), b"")

    def text(self, name: str) -> str:
        """A text member, empty if it is absent."""
        value = self.json.get(name)
        return value if isinstance(value, str) else ""

    def octets(self, name: str) -> bytes:
        """A hexadecimal member, empty if it is absent or wrong."""
        return _octets(self.text(name))


class Untraced(Trace):
    """No trace: the product keeps no evidence of what it does."""

    def frame(self, flow: Flow, received: bool, data: bytes, *, stream: int = 0, ppid: int = 0) -> int:
        return 0

    def event(
        self,
        frame: int,
        received: bool,
        interface: str,
        name: str,
        ue: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Event:
        return Event(0.0, received, interface, name, "")


def _json(octets: bytes) -> Any:
    try:
        return json.loads(octets)
    except ValueError:
        return None


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


class Vector(NamedTuple):
    """A 5G SE AV, and where it is confirmed (TS 29.509 clause 6.1.6.2.5)."""

    rand: bytes
    autn: bytes
    hxres_star: bytes
    confirmation: str


class Sbi:
    """The peers of one AMF; each call runs on a thread of its own, so that none waits for another UE's."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pool = ThreadPoolExecutor(MAX_CALLS, "sbi")
        self._clients: dict[tuple[str, int], Client] = {}
        self._lock = threading.Lock()
        self._instance = str(uuid.uuid4())
        plmn = config.plmn
        self._plmn = {"mcc": plmn.mcc, "mnc": plmn.mnc}
        self._network = kdf.serving_network_name(plmn.mcc, plmn.mnc)
        self._guami = {"plmnId": self._plmn, "amfId": "010041"}  # region 1, set 1, pointer 1
        self._own = f"http://{config.n2[0]}:7777"

    def close(self) -> None:
        """Let go of calls that are still running."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- Nausf_UEAuthentication, TS 29.509 ---------------------------------------------------------------

    async def authenticate(
        self, ausf: str, identity: str, resynchronisation: dict[str, str] | None
    ) -> Vector | Answer:
        """A vector for a SUPI or SUCI, or the answer that brought none."""
        body: dict[str, Any] = {"supiOrSuci": identity, "servingNetworkName": self._network}
        if resynchronisation is not None:
            body["resynchronizationInfo"] = resynchronisation
        answer = await self._call("POST", ausf + AUSF, body)
        data, links = answer.json.get("5gAuthData"), answer.json.get("_links")
        if answer.status != 201 or not isinstance(data, dict) or not isinstance(links, dict):
            return answer
        link = links.get("5g-aka")
        href = link.get("href") if isinstance(link, dict) else None
        rand, autn, hxres = (_octets(str(data.get(name))) for name in ("rand", "autn", "hxresStar"))
        if answer.text("authType") != "5G_AKA" or not isinstance(href, str):
            return Answer(500)
        if (len(rand), len(autn), len(hxres)) != (16, 16, 16):
            return Answer(500)
        return Vector(rand, autn, hxres, urljoin(ausf + AUSF, href))

    async def confirm(self, uri: str, res_star: str | None) -> Answer:
        """The AUSF's answer to RES*, or to null for a wrong one."""
        return await self._call("PUT", uri, {"resStar": res_star})

    # --- Nudm_UECM and Nudm_SDM, TS 29.503 ---------------------------------------------------------------

    async def register(self, supi: str, emergency: bool) -> list[Snssai] | Answer:
        """Register as the serving AMF; the subscribed slices (empty: all), or the answer that refused."""
        body = {
            "amfInstanceId": self._instance,
            "deregCallbackUri": f"{self._own}/namf-callback/v1/{supi}/dereg-notify",
            "guami": self._guami,
            "ratType": "NR",
            "initialRegistrationInd": True,
            "emergencyRegistrationInd": emergency,
        }
        uri = f"{self._config.udm}/nudm-uecm/v1/{supi}/registrations/amf-3gpp-access"
        answer = await self._call("PUT", uri, body)
        if answer.status not in (200, 201, 204):
            return answer
        answer = await self._call("GET", f"{self._config.udm}/nudm-sdm/v2/{supi}/am-data")
        if answer.status != 200:
            return answer
        try:
            nssai = answer.json.get("nssai") or {}
            items = [*nssai["defaultSingleNssais"], *nssai.get("singleNssais", [])] if nssai else []
            return [(one["sst"], int(one["sd"], 16) if "sd" in one else None) for one in items]
        except (KeyError, TypeError, ValueError):
            return Answer(500)

    async def leave(self, supi: str, sessions: list[str]) -> None:
        """Release PDU sessions and purge the registration of a UE that deregistered."""
        for reference in sessions:
            await self._call("POST", f"{reference}/release", {})
        uri = f"{self._config.udm}/nudm-uecm/v1/{supi}/registrations/amf-3gpp-access"
        await self._call("PATCH", uri, {"guami": self._guami, "purgeFlag": True})

    # --- Nsmf_PDUSession, TS 29.502 ----------------------------------------------------------------------

    async def create_session(
        self, supi: str, session: int, snssai: Snssai, dnn: str, emergency: bool, container: bytes
    ) -> Answer:
        """Create an SM context with the UE's 5GSM message."""
        sst, sd = snssai
        body = {
            "supi": supi,
            "pduSessionId": session,
            "dnn": dnn,
            "sNssai": {"sst": sst} | ({"sd": f"{sd:06x}"} if sd is not None else {}),
            "servingNfId": self._instance,
            "guami": self._guami,
            "servingNetwork": self._plmn,
            "requestType": "INITIAL_EMERGENCY_REQUEST" if emergency else "INITIAL_REQUEST",
            "anType": "3GPP_ACCESS",
            "ratType": "NR",
            "smContextStatusUri": f"{self._own}/namf-callback/v1/{supi}/sm-contexts/{session}",
            "n1SmMsg": {"contentId": N1_PART},
        }
        return await self._call("POST", self._config.smf + SMF, body, container)

    async def update_session(self, reference: str, container: bytes) -> Answer:
        """Give the SMF another 5GSM message of the UE."""
        return await self._call("POST", f"{reference}/modify", {"n1SmMsg": {"contentId": N1_PART}}, container)

    # --- HTTP --------------------------------------------------------------------------------------------

    async def _call(
        self, method: str, uri: str, body: dict[str, Any] | None = None, container: bytes = b""
    ) -> Answer:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._exchange, method, uri, body, container)

    def _exchange(self, method: str, uri: str, body: dict[str, Any] | None, container: bytes) -> Answer:
        parts = urlsplit(uri)
        address = parts.hostname or "", parts.port or 80
        headers = [("accept", ACCEPTED)]
        octets = b""
        if body is not None:
            kind, octets = JSON, json.dumps(body).encode()
            if container:
                n1 = {"content-type": "application/vnd.3gpp.5gnas", "content-id": N1_PART}
                kind, octets = join_parts([Part({"content-type": JSON}, octets), Part(n1, container)])
            headers.append(("content-type", kind))
        with self._lock:
            client = self._clients.get(address)
            if client is None:
                client = self._clients[address] = Client(address, Untraced())
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            reply = client.request(
                method, path, headers=headers, body=octets, timeout=self._config.sbi_timeout
            )
        except LabError:
            return Answer()
        if not isinstance(reply, Reply):
            return Answer()
        location = urljoin(uri, reply.headers.get("location", ""))
        return Answer(reply.status, location, reply.headers.get("content-type", ""), reply.body)
