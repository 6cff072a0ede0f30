"""What an SMF gives an AMF for a UE and its gNB: Namf_Communication_N1N2MessageTransfer (TS 29.518)."""

from typing import Any

from drivers.codecs import nas, ngap
from drivers.codecs.nas import Snssai
from drivers.sbi import Part

N1_PART, N2_PART = "n1msg", "n2msg"
DEFAULT_RULE = bytes.fromhex("01000631310101ff01")  # all packets to QoS flow 1, TS 24.501 clause 9.11.4.13
GIGABIT = bytes.fromhex("0603e8")  # 1000 times 1 Mbps, clause 9.11.4.14
ADDRESS = bytes.fromhex("010a2d0002")  # IPv4 10.45.0.2, clause 9.11.4.10


def establishment_accept(session: int, snssai: Snssai, dnn: str) -> bytes:
    """PDU SESSION ESTABLISHMENT ACCEPT: IPv4, SSC mode 1, one QoS flow (TS 24.501 clause 8.3.2).

    It answers a request whose procedure transaction identity is the PDU session identity.
    """
    ies = {
        "selected_pdu_session_type": b"\x01",
        "selected_ssc_mode": b"\x01",
        "authorized_qos_rules": DEFAULT_RULE,
        "session_ambr": 2 * GIGABIT,
        "pdu_address": ADDRESS,
        "s_nssai": nas.encode_s_nssai(*snssai),
        "dnn": bytes([len(dnn)]) + dnn.encode(),
    }
    return nas.encode("PDU SESSION ESTABLISHMENT ACCEPT", ies, pti=session, psi=session)


def set_up(
    session: int, snssai: Snssai, failure_uri: str, n1: bytes = b""
) -> tuple[dict[str, Any], list[Part]]:
    """The request that wants the user plane of a PDU session, and its parts (clause 6.1.6.2.18).

    Without N1 message it is that of TS 23.502 clause 4.2.3.3, which has an idle UE paged.
    """
    sst, sd = snssai
    info = {
        "pduSessionId": session,
        "n2InfoContent": {"ngapIeType": "PDU_RES_SETUP_REQ", "ngapData": {"contentId": N2_PART}},
        "sNssai": {"sst": sst} | ({} if sd is None else {"sd": f"{sd:06x}"}),
    }
    content: dict[str, Any] = {
        "n2InfoContainer": {"n2InformationClass": "SM", "smInfo": info},
        "pduSessionId": session,
        "arp": {"priorityLevel": 8, "preemptCap": "NOT_PREEMPT", "preemptVuln": "NOT_PREEMPTABLE"},
        "5qi": 9,
        "n1n2FailureTxfNotifURI": failure_uri,
    }
    octets = ngap.setup_request_transfer(ngap.Session(session))
    parts = [Part({"content-type": "application/vnd.3gpp.ngap", "content-id": N2_PART}, octets)]
    if n1:
        content["n1MessageContainer"] = {"n1MessageClass": "SM", "n1MessageContent": {"contentId": N1_PART}}
        parts.insert(0, Part({"content-type": "application/vnd.3gpp.5gnas", "content-id": N1_PART}, n1))
    return content, parts
