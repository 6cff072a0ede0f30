"""The emulated AMF as a consumer of AUSF, UDM and SMF: what it asks, and what it makes of the answers."""

import asyncio
import base64
import json
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from assay.errors import LabError
from drivers.codecs import kdf, nas
from drivers.codecs.nas import Snssai
from drivers.emulated.amf_config import Config
from drivers.emulated.nrf import SERVICES
from drivers.emulated.untraced import Untraced
from drivers.interfaces import Reply
from drivers.sbi import Client, Part, join_parts, split_parts

AUSF = "/nausf-auth/v1/ue-authentications"
SMF = "/nsmf-pdusession/v1/sm-contexts"
NSSAAF = "/nnssaaf-nssaa/v1/slice-authentications"
REVOKED = "/namf-callback/v1/slice-revocations"
JSON = "application/json"
ACCEPTED = f"{JSON}, application/3gppHal+json, application/problem+json, multipart/related"
N1_PART, N2_PART = "n1SmMsg", "n2SmInfo"
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
        return self._part("5gnas")

    @property
    def n2(self) -> bytes:
        """The N2 SM information of a multipart body."""
        return self._part("ngap")

    def _part(self, kind: str) -> bytes:
        kind = f"application/vnd.3gpp.{kind}"
        return next((p.body for p in self.parts if p.headers.get("content-type", "").lower() == kind), b"")

    def text(self, name: str) -> str:
        """A text member, empty if it is absent."""
        value = self.json.get(name)
        return value if isinstance(value, str) else ""

    def octets(self, name: str) -> bytes:
        """A hexadecimal member, empty if it is absent or wrong."""
        return _octets(self.text(name))


def _indirect(uri: SplitResult, factors: Mapping[str, str]) -> list[tuple[str, str]]:
    """What tells an SCP whom a request is for (TS 29.500 clauses 6.10.2.4 and 6.10.3.2)."""
    if uri.netloc:
        return [("3gpp-sbi-target-apiroot", f"{uri.scheme}://{uri.netloc}")]
    service = uri.path.split("/")[1]
    kind = next((kind for kind, offers in SERVICES.items() if service in dict(offers)), "")
    said = {"target-nf-type": kind, "requester-nf-type": "AMF", "service-names": service, **factors}
    return [(f"3gpp-sbi-discovery-{name}", value) for name, value in said.items()]


def _snssai(one: Mapping[str, Any]) -> Snssai:
    return int(one["sst"]), int(one["sd"], 16) if "sd" in one else None


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


@dataclass(frozen=True)
class Subscription:
    """The slices of a subscriber (none: all), the default ones among them, and those that need NSSAA."""

    slices: tuple[Snssai, ...] = ()
    default: tuple[Snssai, ...] = ()
    authenticated: tuple[Snssai, ...] = ()
    gpsi: str = ""


class SliceAnswer(NamedTuple):
    """What the NSSAAF said: an EAP packet for the UE, where its answer goes, and the result at the end."""

    packet: bytes
    uri: str
    result: str | None


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
        self._host, self._port = config.sbi or (config.n2[0], 7777)
        self._own = f"http://{self._host}:{self._port}"

    def close(self) -> None:
        """Let go of calls that are still running."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- Nnrf_NFManagement, TS 29.510 --------------------------------------------------------------------

    async def enrol(self) -> None:
        """Register at the NRF, again until it answers, and report to it from then on."""
        if not self._config.nrf and not self._config.scp:
            return
        uri = f"{self._config.nrf}/nnrf-nfm/v1/nf-instances/{self._instance}"
        endpoint = {"ipv4Address": self._host, "transport": "TCP", "port": self._port}
        profile: dict[str, Any] = {
            "nfInstanceId": self._instance,
            "nfType": "AMF",
            "nfStatus": "REGISTERED",
            "plmnList": [self._plmn],
            "ipv4Addresses": [self._host],
            "amfInfo": {"amfRegionId": "01", "amfSetId": "001", "guamiList": [self._guami]},
            "nfServices": [
                {
                    "serviceInstanceId": "namf-comm",
                    "serviceName": "namf-comm",
                    "versions": [{"apiVersionInUri": "v1", "apiFullVersion": "1.0.0"}],
                    "scheme": "http",
                    "nfServiceStatus": "REGISTERED",
                    "ipEndPoints": [endpoint],
                }
            ],
        }
        if self._config.sbi is not None:
            wants = {"notificationType": "NSSAA_REVOC_NOTIFICATION", "callbackUri": f"{self._own}{REVOKED}"}
            profile["defaultNotificationSubscriptions"] = [wants]
        while True:
            answer = await self._call("PUT", uri, profile)
            pause = 1.0
            while 200 <= answer.status < 300:
                beat = answer.json.get("heartBeatTimer")
                pause = float(beat) if isinstance(beat, int) and beat > 0 else pause
                await asyncio.sleep(pause)
                alive = [{"op": "replace", "path": "/nfStatus", "value": "REGISTERED"}]
                answer = await self._call("PATCH", uri, alive)
            await asyncio.sleep(1.0)

    # --- Nausf_UEAuthentication, TS 29.509 ---------------------------------------------------------------

    async def authenticate(
        self, ausf: str, identity: str, resynchronisation: dict[str, str] | None
    ) -> Vector | Answer:
        """A vector for a SUPI or SUCI, or the answer that brought none."""
        body: dict[str, Any] = {"supiOrSuci": identity, "servingNetworkName": self._network}
        if resynchronisation is not None:
            body["resynchronizationInfo"] = resynchronisation
        routing = identity.split("-")[4:5] if identity.startswith("suci-") else []
        factors = {"routing-indicator": routing[0]} if routing else {"supi": identity}
        answer = await self._call("POST", ausf + AUSF, body, factors=factors)
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

    async def register(self, supi: str, emergency: bool) -> Subscription | Answer:
        """Register as the serving AMF; the subscribed slices, or the answer that refused."""
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
            default = tuple(_snssai(one) for one in nssai.get("defaultSingleNssais", ()))
            more = tuple(_snssai(one) for one in nssai.get("singleNssais", ()))
            additional = nssai.get("additionalSnssaiData", {})
            needing = [key for key, one in additional.items() if one.get("requiredAuthnAuthz") is True]
            authenticated = tuple(
                _snssai(dict(zip(("sst", "sd"), k.split("-"), strict=False))) for k in needing
            )
            gpsi = next(iter(answer.json.get("gpsis", ())), "")
        except (AttributeError, KeyError, TypeError, ValueError):
            return Answer(500)
        return Subscription((*default, *more), default, authenticated, str(gpsi))

    async def release_sessions(self, sessions: list[str]) -> None:
        """Release PDU sessions at their SMF."""
        for reference in sessions:
            await self._call("POST", f"{reference}/release", {})

    async def leave(self, supi: str, sessions: list[str]) -> None:
        """Release PDU sessions and purge the registration of a UE that deregistered."""
        await self.release_sessions(sessions)
        uri = f"{self._config.udm}/nudm-uecm/v1/{supi}/registrations/amf-3gpp-access"
        await self._call("PATCH", uri, {"guami": self._guami, "purgeFlag": True})

    # --- Nnssaaf_NSSAA, TS 29.526 ------------------------------------------------------------------------

    async def authenticate_slice(self, uri: str, gpsi: str, snssai: Snssai, packet: bytes) -> SliceAnswer:
        """Give the NSSAAF an EAP packet of the UE, the first of a slice authentication without URI."""
        sst, sd = snssai
        whose = {"gpsi": gpsi, "snssai": {"sst": sst} | ({"sd": f"{sd:06X}"} if sd is not None else {})}
        text = base64.b64encode(packet).decode("ascii")
        if uri:
            answer = await self._call("PUT", uri, {**whose, "eapMessage": text})
        else:
            body = {**whose, "eapIdRsp": text, "amfInstanceId": self._instance}
            body |= {"revocNotifUri": f"{self._own}{REVOKED}"} if self._config.sbi is not None else {}
            answer = await self._call("POST", self._config.nssaaf + NSSAAF, body)
        try:
            told = base64.b64decode(answer.text("eapMessage"), validate=True)
        except ValueError:
            told = b""
        if answer.status not in (200, 201):
            return SliceAnswer(b"", "", "EAP_FAILURE")
        return SliceAnswer(told, uri or answer.location, answer.text("authResult") or None)

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

    async def set_up(self, reference: str, octets: bytes) -> None:
        """Give the SMF what the gNB says about the resources of a PDU session."""
        body = {"n2SmInfo": {"contentId": N2_PART}, "n2SmInfoType": "PDU_RES_SETUP_RSP"}
        await self._call("POST", f"{reference}/modify", body, n2=octets)

    async def switch(self, reference: str, octets: bytes) -> Answer:
        """Ask the SMF to follow a UE to another gNB (TS 29.502 clause 5.2.2.3.3)."""
        info = {"n2SmInfo": {"contentId": N2_PART}, "n2SmInfoType": "PATH_SWITCH_REQ", "toBeSwitched": True}
        return await self._call("POST", f"{reference}/modify", info, n2=octets)

    async def deactivate(self, reference: str) -> None:
        """Tell the SMF that a PDU session has no user plane any more (TS 29.502 clause 5.2.2.3.2)."""
        await self._call("POST", f"{reference}/modify", {"upCnxState": "DEACTIVATED"})

    async def unreachable(self, uri: str, messages: str) -> None:
        """Tell the SMF that the UE of these messages did not answer paging (TS 29.518 clause 5.2.2.3.2)."""
        await self._call("POST", uri, {"cause": "UE_NOT_RESPONDING", "n1n2MsgDataUri": messages})

    async def update_n2(self, reference: str, update: Mapping[str, Any], info: bytes) -> Answer:
        """Give the SMF N2 SM information of the gNB (clause 5.2.2.3)."""
        body = {**update, "n2SmInfo": {"contentId": N2_PART}}
        return await self._call("POST", f"{reference}/modify", body, n2=info)

    async def update(self, reference: str, update: Mapping[str, Any]) -> Answer:
        """Tell the SMF something of an SM context."""
        return await self._call("POST", f"{reference}/modify", update)

    # --- Namf_Communication of another AMF, TS 29.518 ----------------------------------------------------

    @property
    def served(self) -> dict[str, Any]:
        """What an SMF is told by the AMF that has become the serving one (TS 29.502 clause 5.2.2.3.1)."""
        return {"servingNfId": self._instance, "guami": self._guami}

    async def origin(self, guti: nas.Guti) -> str:
        """The URI of a UE's context at the AMF whose 5G-GUTI it has, empty where the NRF knows none."""
        if not self._config.nrf:
            return ""
        plmn, amf_id = guti.plmn, guti.encode()[4:7].hex()
        guami = {"plmnId": {"mcc": plmn.mcc, "mnc": plmn.mnc}, "amfId": amf_id}
        query = {
            "target-nf-type": "AMF",
            "requester-nf-type": "AMF",
            "service-names": "namf-comm",
            "guami": json.dumps(guami),
        }
        found = await self._call("GET", f"{self._config.nrf}/nnrf-disc/v1/nf-instances?{urlencode(query)}")
        try:
            service = found.json["nfInstances"][0]["nfServices"][0]
            end = service["ipEndPoints"][0]
            root = f"{service['scheme']}://{end['ipv4Address']}:{end['port']}"
        except (KeyError, IndexError, TypeError):
            return ""
        name = f"5g-guti-{plmn.mcc}{plmn.mnc}{amf_id}{guti.tmsi:08x}"
        return f"{root}/namf-comm/v1/ue-contexts/{name}"

    async def tell(self, uri: str, body: Mapping[str, Any], container: bytes = b"") -> Answer:
        """Ask another AMF something, with a NAS message of the UE where there is one."""
        return await self._call("POST", uri, body, container)

    # --- HTTP --------------------------------------------------------------------------------------------

    async def _call(
        self,
        method: str,
        uri: str,
        body: Any = None,
        container: bytes = b"",
        *,
        n2: bytes = b"",
        factors: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """An answer; `factors` are for the SCP that finds the producer of a URI without authority."""
        loop = asyncio.get_running_loop()
        binary = {"5gnas": (N1_PART, container), "ngap": (N2_PART, n2)}
        parts = [
            Part({"content-type": f"application/vnd.3gpp.{kind}", "content-id": name}, value)
            for kind, (name, value) in binary.items()
            if value
        ]
        return await loop.run_in_executor(self._pool, self._exchange, method, uri, body, parts, factors)

    def _exchange(
        self, method: str, uri: str, body: Any, parts: list[Part], factors: Mapping[str, str]
    ) -> Answer:
        split = urlsplit(uri)
        headers = [("accept", ACCEPTED), ("user-agent", "AMF")]
        if self._config.scp:
            headers += _indirect(split, factors)
        hop = urlsplit(self._config.scp) if self._config.scp else split
        address = hop.hostname or "", hop.port or 80
        octets = b""
        if body is not None:
            kind, octets = JSON, json.dumps(body).encode()
            if parts:
                kind, octets = join_parts([Part({"content-type": JSON}, octets), *parts])
            if method == "PATCH" and isinstance(body, list):
                kind = "application/json-patch+json"
            headers.append(("content-type", kind))
        with self._lock:
            client = self._clients.get(address)
            if client is None:
                client = self._clients[address] = Client(address, Untraced())
        path = split.path + (f"?{split.query}" if split.query else "")
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
