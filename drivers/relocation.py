"""A control-plane CIoT UE that asks a second ng-eNB for its connection back (TS 38.413 clause 8.3.8)."""

import threading

from drivers.codecs import nas, ngap
from drivers.codecs.cp_ciot import Reading
from drivers.n2 import Gnb
from drivers.ue import Ue

FAILED = ("radioNetwork", "failure-in-radio-interface-procedure")


class Relocation:
    """The new connection, as the second ng-eNB sees it: RAN CP RELOCATION INDICATION is sent at once.

    With the right DL NAS MAC the UE goes on here; otherwise its re-establishment fails, which the ng-eNB
    tells the AMF, and the UE stays where it was. `spoiled` inverts one bit of the UL NAS MAC.
    """

    def __init__(self, ue: Ue, node: Gnb, reading: Reading, *, spoiled: bool) -> None:
        s_tmsi, count, uplink, self.expected = ue.reestablish(reading, node.cell)
        self.label = ue.label
        self.amf_id: int | None = None
        self.guti: nas.Guti | None = None  # what is paged is the UE
        self.moved = False
        self.answered = threading.Event()
        self._ue, self._node = ue, node
        self.ran_id = node.attach(self)
        cell = node.cell
        mac = uplink ^ 1 if spoiled else uplink
        indication = ngap.ran_cp_relocation_indication(
            self.ran_id, s_tmsi, cell.plmn, cell.tac, cell.nr_cell, mac, count & 0x1F
        )
        node.send(indication, self)

    def downlink(self, pdu: ngap.Pdu, frame: int) -> None:
        """Take what the AMF sends on this connection; what comes after the move is for the UE."""
        amf_id = ngap.amf_ue_ngap_id(pdu)
        if self.moved:
            self._ue.downlink(pdu, frame)
        elif pdu.title == "CONNECTION ESTABLISHMENT INDICATION" and amf_id is not None:
            if ngap.dl_nas_mac(pdu) == self.expected:
                self._ue.move(self._node, self.ran_id, amf_id)
                self.moved = True
            else:
                self._node.send(ngap.ue_context_release_request(amf_id, self.ran_id, FAILED), self)
            self.answered.set()
        elif pdu.title == "UE CONTEXT RELEASE COMMAND" and amf_id is not None:
            self._node.send(ngap.ue_context_release_complete(amf_id, self.ran_id), self)
