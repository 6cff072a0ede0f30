"""How the emulated AMF carries 5GSM messages between UE and SMF (TS 24.501 clause 5.4.5, TS 29.502)."""

import asyncio
from collections.abc import Callable, Mapping

from drivers.codecs import nas
from drivers.emulated.amf_context import Context, Core

N1_SM = b"\x01"  # payload container type, clause 9.11.3.40
INITIAL_REQUEST, INITIAL_EMERGENCY_REQUEST = 1, 3  # request type, clause 9.11.3.47
LAST_SESSION = 15
LATE_S = 1.2  # above the watch and below the answer of the bench's test profile
DEFAULT_DNN = "internet"

NOWHERE: nas.Snssai = (-1, None)  # no slice that anybody is allowed

Send = Callable[[str, Mapping[str, bytes]], None]


async def transport(core: Core, context: Context, message: nas.Message, send: Send) -> None:
    """Serve one UL NAS TRANSPORT with a 5GSM message; other payloads have no consumer here."""
    ies = message.ies
    session = ies.get("pdu_session_id", b"\0")[0]
    if ies["payload_container_type"] != N1_SM or not 1 <= session <= LAST_SESSION:
        return
    container = ies["payload_container"]
    request = ies.get("request_type", b"\0")[0] & 7
    reference = context.sessions.get(session)
    down = {"payload_container_type": N1_SM, "pdu_session_id": bytes((session,))}
    not_forwarded = down | {
        "payload_container": container,
        "mm_cause": bytes((nas.Cause.PAYLOAD_WAS_NOT_FORWARDED,)),
    }
    if request in (INITIAL_REQUEST, INITIAL_EMERGENCY_REQUEST):
        snssai = _slice(context, ies)
        faults = core.config.faults
        if snssai not in context.allowed and "snssai-unchecked" not in faults:
            if "silent-drop" not in faults:
                send("DL NAS TRANSPORT", not_forwarded)
            return
        dnn = _dnn(ies.get("dnn", b"")) or DEFAULT_DNN
        emergency = request == INITIAL_EMERGENCY_REQUEST
        if "late-session" in faults and session == 2 and core.once("late-session"):
            await asyncio.sleep(LATE_S)
        context.creating[session] = asyncio.current_task()
        try:
            answer = await core.sbi.create_session(context.supi, session, snssai, dnn, emergency, container)
        finally:
            context.creating.pop(session, None)
        if answer.status == 201:
            context.sessions[session] = answer.location
            context.session_slices[session] = snssai
    elif reference is not None and not request:
        answer = await core.sbi.update_session(reference, container)
    else:
        send("DL NAS TRANSPORT", not_forwarded)
        return
    if answer.n1:
        send("DL NAS TRANSPORT", down | {"payload_container": answer.n1})
    elif not 200 <= answer.status < 300:
        send("DL NAS TRANSPORT", not_forwarded)


def _slice(context: Context, ies: Mapping[str, bytes]) -> nas.Snssai:
    if "s_nssai" not in ies:
        return context.allowed[0] if context.allowed else NOWHERE
    try:
        return nas.decode_s_nssai(ies["s_nssai"])
    except nas.Malformed:
        return NOWHERE


def _dnn(octets: bytes) -> str:
    """A DNN from its labels (TS 23.003 clause 9.1)."""
    labels, at = [], 0
    while at < len(octets):
        labels.append(octets[at + 1 : at + 1 + octets[at]].decode("ascii", "replace"))
        at += 1 + octets[at]
    return ".".join(labels)
