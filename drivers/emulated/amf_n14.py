"""The emulated AMF on N14: UEs that come from another AMF, in handover or by registering (TS 29.518)."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drivers.codecs import nas, ngap, ngap_handover
from drivers.codecs.nas import Snssai
from drivers.codecs.nasc import Nasc
from drivers.codecs.ngap import IeId
from drivers.emulated.amf_context import Context, Core
from drivers.emulated.amf_mobility import Chain
from drivers.emulated.amf_sbi import JSON, N1_PART
from drivers.emulated.amf_security import Security, choose, for_gnb
from drivers.emulated.amf_signalling import Uplink
from drivers.sbi import Part, Request, Response, join_parts, problem
from drivers.sbi import answer as respond

if TYPE_CHECKING:
    from drivers.emulated.amf import Gnb, Link
    from drivers.emulated.amf_nas import N1

CREATE = "PUT /namf-comm/v1/ue-contexts/{ueContextId}"
NEEDED = {"ueContext", "targetId", "sourceToTargetData", "pduSessionList"}
NGAP = "application/vnd.3gpp.ngap"
REFUSED = {"group": 0, "value": 7}  # ho-failure-in-target-5GC-ngran-node-or-target-system
GNB_S = 2.0  # how long a target gNB may take


@dataclass
class Arriving:
    """A UE of another AMF: what becomes of its context here, and the key chain for the gNB."""

    context: Context
    nh: bytes = field(repr=False)
    ncc: int
    slices: Mapping[int, Snssai]


def received(model: Mapping[str, Any], config_ausf: str) -> Arriving:
    """What a UeContext says (TS 29.518 clause 6.1.6.2.25); KeyError, TypeError or ValueError for nonsense."""
    seaf = model["seafData"]
    (mm,) = [one for one in model["mmContextList"] if one["accessType"] == "3GPP_ACCESS"]
    ea, ia = (int(mm["nasSecurityMode"][f"{kind}Algorithm"][-1]) for kind in ("ciphering", "integrity"))
    security = Security(
        seaf["ngKsi"]["ksi"],
        bytes.fromhex(seaf["keyAmf"]["keyVal"]),
        ea,
        ia,
        mm["nasUplinkCount"],
        mm["nasDownlinkCount"],
    )
    capability = base64.b64decode(mm["ueSecurityCapability"], validate=True)[2:]  # behind IEI and length
    sessions = model.get("sessionContextList", [])
    context = Context(
        model["supi"],
        config_ausf,
        security,
        capability,
        allowed=tuple(_slice(one) for one in mm.get("allowedNssai", [])),
        sessions={one["pduSessionId"]: one["smContextRef"] for one in sessions},
    )
    slices = {one["pduSessionId"]: _slice(one["sNssai"]) for one in sessions}
    return Arriving(context, bytes.fromhex(seaf.get("nh", "")), seaf.get("ncc", 0), slices)


def _slice(one: Mapping[str, Any]) -> Snssai:
    return one["sst"], int(one["sd"], 16) if "sd" in one else None


# --- N2 handover, TS 23.502 clause 4.9.1.3 ----------------------------------------------------------------


class Handover:
    """A handover to a gNB of ours: what the gNB answers, and what follows when the UE has arrived."""

    def __init__(self, core: Core, link: "Link", arriving: Arriving, notify_uri: str, name: str) -> None:
        self._core, self._link, self._context = core, link, arriving.context
        self._notify_uri, self._name = notify_uri, name
        self.answered: asyncio.Future[ngap.Pdu] = asyncio.get_running_loop().create_future()

    def take(self, pdu: ngap.Pdu) -> bool:
        """Serve a message of the gNB that belongs to the handover."""
        if pdu.name in ("HandoverRequestAcknowledge", "HandoverFailure"):
            ran_id = ngap.ran_ue_ngap_id(pdu)
            self._link.ran_id = self._link.ran_id if ran_id is None else ran_id
            if not self.answered.done():
                self.answered.set_result(pdu)
            return True
        if pdu.name != "HandoverNotify":
            return False
        self._link.handover = None
        self._core.adopt(self._context, self._link.n1)
        self._core.spawn(self._arrived())
        return True

    async def _arrived(self) -> None:
        sbi = self._core.sbi
        if self._notify_uri:
            notified = {"n2NotifySubscriptionId": self._name, "notifyReason": "HANDOVER_COMPLETED"}
            await sbi.tell(self._notify_uri, notified)
        for reference in list(self._context.sessions.values()):
            await sbi.update(reference, {"hoState": "COMPLETED"})


async def create_ue_context(core: Core, request: Request) -> Response:
    """CreateUEContext: the handover of a UE to a gNB of ours is prepared (TS 29.518 clause 5.2.2.2.3)."""
    content = request.content
    if not isinstance(content, dict) or not content.keys() >= NEEDED:
        return problem(400, "MANDATORY_IE_MISSING", f"{', '.join(sorted(NEEDED))} are needed")
    parts = {part.id: part.body for part in request.parts[1:]}
    try:
        arriving = received(content["ueContext"], core.config.ausf)
        capability = nas.SecurityCapability.decode(arriving.context.capability)
        gnb = core.gnb(int(content["targetId"]["ranNodeId"]["gNbId"]["gNBValue"], 16))
        container = parts[content["sourceToTargetData"]["ngapData"]["contentId"]]
        asked = {
            one["pduSessionId"]: parts[one["n2InfoContent"]["ngapData"]["contentId"]]
            for one in content["pduSessionList"]
        }
    except (KeyError, TypeError, ValueError):
        return problem(400, "MANDATORY_IE_INCORRECT")
    chosen = choose(capability, core.config.oam.orders, False, core.config.faults)
    if gnb is None or chosen is None or not asked.keys() <= arriving.context.sessions.keys():
        return _refused()
    prepared = await _prepared(core, arriving, asked, content["targetId"])
    if not prepared:
        return _refused()
    nasc = _choose(arriving.context, chosen, core.config.faults)
    link = gnb.link(-1)
    link.handover = Handover(
        core, link, arriving, str(content.get("n2NotifyUri", "")), request.params["ueContextId"]
    )
    n1, context = link.n1, arriving.context
    n1.context, n1.security, n1.secure = context, context.security, True
    link.set_up = context.registered = True
    link.chain = Chain(arriving.nh, arriving.ncc)
    link.request(
        ngap_handover.handover_request(
            link.amf_id,
            core.guami,
            for_gnb(capability, core.config.faults),
            arriving.nh,
            arriving.ncc,
            {number: (arriving.slices[number], info) for number, info in prepared.items()},
            context.allowed or core.config.slices,
            container,
            nasc,
        )
    )
    answer = await _answer(link.handover)
    if answer is None or answer.name == "HandoverFailure":
        await _cancelled(core, gnb, link, context)
        return _refused()
    n1.start()
    return await _created(core, arriving, answer, request)


def _choose(context: Context, chosen: tuple[int, int], faults: frozenset[str]) -> bytes | None:
    """Go over to our own algorithms, and how the UE is told of it (TS 33.501 clause 6.9.2.3.3)."""
    old = context.security
    if chosen == (old.ea, old.ia) or "inherits-source-algs" in faults:
        return None
    nasc = Nasc(*chosen, old.ksi, old.downlink & 0xFF).encode(old.kamf)
    context.security = Security(old.ksi, old.kamf, *chosen, old.uplink, old.downlink + 1)
    return None if "nasc-missing" in faults else nasc


async def _prepared(
    core: Core, arriving: Arriving, asked: Mapping[int, bytes], target: Mapping[str, Any]
) -> dict[int, bytes]:
    """What each SMF wants of the target gNB for its PDU session."""
    update = {"hoState": "PREPARING", "targetId": target, "n2SmInfoType": "HANDOVER_REQUIRED"}
    sessions = arriving.context.sessions
    calls = [core.sbi.update_n2(sessions[number], update, info) for number, info in asked.items()]
    answers = dict(zip(asked, await asyncio.gather(*calls), strict=True))
    return {number: answer.n2 for number, answer in answers.items() if answer.status == 200 and answer.n2}


async def _answer(handover: Handover) -> ngap.Pdu | None:
    try:
        async with asyncio.timeout(GNB_S):
            return await handover.answered
    except TimeoutError:
        return None


async def _cancelled(core: Core, gnb: "Gnb", link: "Link", context: Context) -> None:
    gnb.drop(link)
    for reference in context.sessions.values():
        await core.sbi.update(reference, {"hoState": "CANCELLED"})


async def _created(core: Core, arriving: Arriving, answer: ngap.Pdu, request: Request) -> Response:
    """201 with what target gNB and SMFs have for the source gNB (TS 29.518 clause 6.1.6.2.24)."""
    admitted = ngap.transfers(answer, IeId.PDU_SESSION_RESOURCE_ADMITTED_LIST)
    update = {"hoState": "PREPARED", "n2SmInfoType": "HANDOVER_REQ_ACK"}
    sessions = arriving.context.sessions
    calls = [core.sbi.update_n2(sessions[number], update, info) for number, info in admitted.items()]
    commands = dict(zip(admitted, await asyncio.gather(*calls), strict=True))
    listed = [
        {
            "pduSessionId": number,
            "n2InfoContent": {"ngapIeType": "HANDOVER_CMD", "ngapData": {"contentId": f"command-{number}"}},
        }
        for number in commands
    ]
    content = {
        "ueContext": {"supi": arriving.context.supi},
        "targetToSourceData": {
            "ngapIeType": "TAR_TO_SRC_CONTAINER",
            "ngapData": {"contentId": "container"},
        },
        "pduSessionList": listed,
    }
    binary = {"container": ngap_handover.target_container(answer)}
    binary |= {f"command-{number}": command.n2 for number, command in commands.items()}
    parts = [Part({"content-type": JSON}, json.dumps(content).encode())]
    parts += [Part({"content-type": NGAP, "content-id": name}, octets) for name, octets in binary.items()]
    kind, body = join_parts(parts)
    return Response(201, {"content-type": kind, "location": request.base + request.path}, body)


def _refused() -> Response:
    error = {"status": 403, "cause": "HANDOVER_FAILURE"}
    return respond(403, {"error": error, "ngapCause": REFUSED})


# --- mobility registration, TS 23.502 clause 4.2.2.2.2 ----------------------------------------------------


async def arrive(n1: "N1", uplink: Uplink) -> Uplink:
    """A REGISTRATION REQUEST of a UE that another AMF knows, with its context taken over; else unchanged."""
    core, secured = n1.core, uplink.secured
    if secured is None:
        return uplink
    identity = nas.mobile_identity(uplink.message.ies["mobile_identity"])
    if not isinstance(identity, nas.Guti) or core.owns(identity):
        return uplink
    origin = await core.sbi.origin(identity)
    if not origin:
        return uplink
    pdu = nas.wrap(secured.header, secured.mac, secured.sequence, secured.payload)
    asked = {
        "reason": "MOBI_REG",
        "accessType": "3GPP_ACCESS",
        "regRequest": {"n1MessageClass": "5GMM", "n1MessageContent": {"contentId": N1_PART}},
    }
    answer = await core.sbi.tell(f"{origin}/transfer", asked, pdu)
    try:
        context = received(answer.json["ueContext"], core.config.ausf).context
    except (KeyError, TypeError, ValueError):
        return uplink
    opened = context.security.open(secured, core.config.faults) if answer.status == 200 else None
    if opened is None:
        return uplink
    context.origin, sessions = origin, context.sessions
    core.adopt(context, n1)
    context.sessions = sessions
    n1.context, n1.security, n1.secure = context, context.security, True
    return Uplink(uplink.message, uplink.header, True, opened[1])


async def settle(core: Core, context: Context, origin: str) -> None:
    """Tell the AMF that a UE came from, and the SMFs, that it is ours now (TS 29.518 clause 5.2.2.2.2)."""
    context.origin = ""
    await core.sbi.tell(f"{origin}/transfer-update", {"transferStatus": "TRANSFERRED"})
    for reference in context.sessions.values():
        await core.sbi.update(reference, core.sbi.served)
