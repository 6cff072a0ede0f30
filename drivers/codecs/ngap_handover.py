"""Handover over N2 (TS 38.413 clause 8.4): messages of AMF and target gNB, and what they carry."""

from collections.abc import Iterable, Mapping
from typing import Any

from drivers.codecs import ngap
from drivers.codecs.nas import Plmn, Snssai
from drivers.codecs.ngap import Bitmaps, Cause, Guami, Ie, IeId, Pdu, Session, _guami, _ids, _location
from drivers.codecs.ngap import _security as _capabilities
from drivers.codecs.ngap import _slices as _nssai

BIT_RATE = 10**9  # bit/s, of a UE
DESIRABLE: Cause = ("radioNetwork", "handover-desirable-for-radio-reason")
NOT_ADMITTED: Cause = ("radioNetwork", "ho-failure-in-target-5GC-ngran-node-or-target-system")


# --- what an AMF sends ------------------------------------------------------------------------------------


def handover_request(
    amf_id: int,
    guami: Guami,
    security: Bitmaps,
    next_hop: bytes,
    chaining_count: int,
    sessions: Mapping[int, tuple[Snssai, bytes]],
    allowed_nssai: Iterable[Snssai],
    container: bytes,
    nasc: bytes | None = None,
    cause: Cause = DESIRABLE,
) -> Pdu:
    """HANDOVER REQUEST within 5GS (TS 38.413 clause 9.2.3.4).

    `next_hop` is 32 octets, its count 0..7; `sessions` holds slice and transfer of each PDU session;
    `container` is the source gNB's, `nasc` the value part of TS 24.501 clause 9.11.2.6.
    """
    rates = {f"uEAggregateMaximumBitRate{way}": BIT_RATE for way in ("DL", "UL")}
    key = (int.from_bytes(next_hop, "big"), 8 * len(next_hop))
    items = [
        {"pDUSessionID": number, **_nssai([slice_])[0], "handoverRequestTransfer": transfer}
        for number, (slice_, transfer) in sessions.items()
    ]
    ies = [
        Ie(IeId.AMF_UE_NGAP_ID, "reject", amf_id),
        Ie(IeId.HANDOVER_TYPE, "reject", "intra5gs"),
        Ie(IeId.CAUSE, "ignore", cause),
        Ie(IeId.UE_AGGREGATE_MAXIMUM_BIT_RATE, "reject", rates),
        Ie(IeId.UE_SECURITY_CAPABILITIES, "reject", _capabilities(security)),
        Ie(IeId.SECURITY_CONTEXT, "reject", {"nextHopChainingCount": chaining_count, "nextHopNH": key}),
        *([] if nasc is None else [Ie(IeId.NASC, "reject", nasc)]),
        Ie(IeId.PDU_SESSION_RESOURCE_SETUP_LIST_HO_REQ, "reject", items),
        Ie(IeId.ALLOWED_NSSAI, "reject", _nssai(allowed_nssai)),
        Ie(IeId.SOURCE_TO_TARGET_TRANSPARENT_CONTAINER, "reject", container),
        Ie(IeId.GUAMI, "reject", _guami(guami)),
    ]
    return Pdu("initiatingMessage", 13, "reject", "HandoverRequest", tuple(ies))


# --- what the target gNB sends ----------------------------------------------------------------------------


def handover_request_acknowledge(
    amf_id: int, ran_id: int, sessions: Iterable[Session], container: bytes
) -> Pdu:
    """HANDOVER REQUEST ACKNOWLEDGE that admits these PDU sessions (TS 38.413 clause 9.2.3.5)."""
    items = [
        {"pDUSessionID": one.id, "handoverRequestAcknowledgeTransfer": acknowledge_transfer(one)}
        for one in sessions
    ]
    ies = (
        *_ids(amf_id, ran_id, "ignore"),
        Ie(IeId.PDU_SESSION_RESOURCE_ADMITTED_LIST, "ignore", items),
        Ie(IeId.TARGET_TO_SOURCE_TRANSPARENT_CONTAINER, "reject", container),
    )
    return Pdu("successfulOutcome", 13, "reject", "HandoverRequestAcknowledge", ies)


def handover_failure(amf_id: int, cause: Cause = NOT_ADMITTED) -> Pdu:
    """HANDOVER FAILURE (TS 38.413 clause 9.2.3.6)."""
    ies = (Ie(IeId.AMF_UE_NGAP_ID, "ignore", amf_id), Ie(IeId.CAUSE, "ignore", cause))
    return Pdu("unsuccessfulOutcome", 13, "reject", "HandoverFailure", ies)


def handover_notify(amf_id: int, ran_id: int, plmn: Plmn, tac: int, nr_cell: int) -> Pdu:
    """HANDOVER NOTIFY: the UE has arrived (TS 38.413 clause 9.2.3.7)."""
    ies = (*_ids(amf_id, ran_id, "reject"), _location(plmn, tac, nr_cell, "ignore"))
    return Pdu("initiatingMessage", 11, "ignore", "HandoverNotify", ies)


# --- readers ----------------------------------------------------------------------------------------------


def nasc(pdu: Pdu) -> bytes | None:
    """The NAS container for the UE in HANDOVER REQUEST."""
    value = pdu.get(IeId.NASC)
    return value if isinstance(value, bytes) else None


def source_container(pdu: Pdu) -> bytes:
    """The container of the source gNB in HANDOVER REQUEST, which no AMF changes; empty without one."""
    value = pdu.get(IeId.SOURCE_TO_TARGET_TRANSPARENT_CONTAINER)
    return value if isinstance(value, bytes) else b""


def target_container(pdu: Pdu) -> bytes:
    """The container of the target gNB in HANDOVER REQUEST ACKNOWLEDGE; empty without one."""
    value = pdu.get(IeId.TARGET_TO_SOURCE_TRANSPARENT_CONTAINER)
    return value if isinstance(value, bytes) else b""


def asked_sessions(pdu: Pdu) -> tuple[int, ...]:
    """The identities of the PDU sessions in HANDOVER REQUEST."""
    items = pdu.get(IeId.PDU_SESSION_RESOURCE_SETUP_LIST_HO_REQ)
    return tuple(item["pDUSessionID"] for item in items) if isinstance(items, list) else ()


# --- what source and target gNB, and gNB and SMF, say to each other through AMFs ---------------------------


def source_to_target(rrc: bytes, plmn: Plmn, nr_cell: int) -> bytes:
    """Source NG-RAN Node to Target NG-RAN Node Transparent Container (TS 38.413 clause 9.3.1.29).

    `rrc` stands for HandoverPreparationInformation; the UE history is the target cell itself.
    """
    cell = {"pLMNIdentity": plmn.encode(), "nRCellIdentity": (nr_cell, 36)}
    visited = {"globalCellID": ("nR-CGI", cell), "cellType": {"cellSize": "small"}, "timeUEStayedInCell": 9}
    value: dict[str, Any] = {
        "rRCContainer": rrc,
        "targetCell-ID": ("nR-CGI", cell),
        "uEHistoryInformation": [{"lastVisitedCellInformation": ("nGRANCell", visited)}],
    }
    return ngap.transfer_octets("SourceNGRANNode_ToTargetNGRANNode_TransparentContainer", value)


def target_to_source(rrc: bytes) -> bytes:
    """Target NG-RAN Node to Source NG-RAN Node Transparent Container (TS 38.413 clause 9.3.1.30)."""
    return ngap.transfer_octets(
        "TargetNGRANNode_ToSourceNGRANNode_TransparentContainer", {"rRCContainer": rrc}
    )


def required_transfer() -> bytes:
    """Handover Required Transfer of the source gNB, without direct forwarding (TS 38.413 clause 9.3.4.14)."""
    return ngap.transfer_octets("HandoverRequiredTransfer", {})


def acknowledge_transfer(session: Session) -> bytes:
    """Handover Request Acknowledge Transfer with the downlink tunnel (TS 38.413 clause 9.3.4.11)."""
    value = {
        "dL-NGU-UP-TNLInformation": ngap._tunnel(session),
        "qosFlowSetupResponseList": [{"qosFlowIdentifier": session.qfi}],
    }
    return ngap.transfer_octets("HandoverRequestAcknowledgeTransfer", value)


def command_transfer() -> bytes:
    """Handover Command Transfer of an SMF that forwards no data (TS 38.413 clause 9.3.4.10)."""
    return ngap.transfer_octets("HandoverCommandTransfer", {})
