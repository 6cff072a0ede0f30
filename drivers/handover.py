"""N2 handover as UE and target gNB live it (TS 23.502 clause 4.9.1.3, TS 38.413 clause 8.4)."""

import secrets
from typing import TYPE_CHECKING

from drivers.codecs import nas, nasc, ngap, ngap_handover
from drivers.interfaces import NASC

if TYPE_CHECKING:
    from drivers.ue import Ue


def announce(ue: "Ue") -> bytes:
    """Let the UE's gNB expect its handover; the container of its source gNB, which is like no other."""
    cell = ue.gnb.cell
    container = ngap_handover.source_to_target(secrets.token_bytes(16), cell.plmn, cell.nr_cell)
    ue.amf_id = None
    ue.ran_id = ue.gnb.expect(ue, container)
    return container


def take(ue: "Ue", pdu: ngap.Pdu, frame: int) -> None:
    """Give the UE the NAS container in HANDOVER REQUEST, which it takes if it would believe it."""
    octets = ngap_handover.nasc(pdu)
    if octets is None or ue.context is None:
        return
    context = ue.context
    try:
        told = nasc.decode(octets)
    except nas.Malformed as error:
        ue.trace.event(frame, True, "n1", f"UNDECODABLE {NASC}", ue.label, {"why": str(error)})
        return
    good = told.verifies(octets, context.kamf)
    facts = {
        "ea": told.ea,
        "ia": told.ia,
        "mac_ok": good,
        "kamf_changed": told.kamf_changed,
        "ng_ksi": told.mapped << 3 | told.ksi,
        "sequence": told.sequence,
    }
    ue.trace.event(frame, True, "n1", NASC, ue.label, facts)
    if good and not told.kamf_changed:
        ue.context = ue.known(context.under(told.ea, told.ia))
        ue.context.downlink += 1  # the container has used one (TS 33.501 clause 6.9.2.3.3)


def admit(ue: "Ue", pdu: ngap.Pdu) -> None:
    """HANDOVER REQUEST ACKNOWLEDGE of the target gNB, for every PDU session that was asked for."""
    if ue.amf_id is not None:
        sessions = [ngap.Session(number) for number in ngap_handover.asked_sessions(pdu)]
        command = ngap_handover.target_to_source(b"handover command")
        ue.gnb.send(ngap_handover.handover_request_acknowledge(ue.amf_id, ue.ran_id, sessions, command), ue)


def arrive(ue: "Ue") -> None:
    """HANDOVER NOTIFY: the UE is in the cell of the target gNB."""
    cell = ue.gnb.cell
    if ue.amf_id is not None:
        ue.gnb.send(
            ngap_handover.handover_notify(ue.amf_id, ue.ran_id, cell.plmn, cell.tac, cell.nr_cell), ue
        )
