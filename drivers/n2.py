"""The gNB side of N2: one NG association over SCTP (TS 38.412, TS 38.413)."""

import itertools
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from assay.evidence import Flow, Trace
from drivers import sctp
from drivers.codecs import nas, ngap, ngap_handover

LOST = "ASSOCIATION LOST"  # the event of an association that went without our doing


@dataclass(frozen=True)
class Cell:
    """What the gNB broadcasts, and so what AMF and UE must share with it."""

    plmn: nas.Plmn
    tac: int
    slices: tuple[tuple[int, int | None], ...]
    gnb_id: int = 1
    nb_iot: bool = False  # of an ng-eNB, whose cell is one of E-UTRA

    @property
    def nr_cell(self) -> int:
        """The NR cell identity, 36 bits: a gNB ID of 32 bits and cell 1 (TS 38.413 clause 9.3.1.7).

        Of an ng-eNB the E-UTRA cell identity, 28 bits: an ng-eNB ID of 20 bits and cell 1 (clause 9.3.1.9).
        """
        return self.gnb_id << (8 if self.nb_iot else 4) | 1

    def setup_request(self, name: str) -> ngap.Pdu:
        """NG SETUP REQUEST of the node with this cell."""
        build = ngap.ng_enb_setup_request if self.nb_iot else ngap.ng_setup_request
        return build(self.gnb_id, name, self.plmn, self.tac, self.slices)


class Attached(Protocol):
    """A UE as the gNB sees it."""

    label: str
    ran_id: int
    amf_id: int | None
    guti: nas.Guti | None

    def downlink(self, pdu: ngap.Pdu, frame: int) -> None:
        """Take an NGAP message for this UE, PAGING among them, that frame number `frame` shows."""
        ...


class Gnb:
    """An emulated gNB: it sets the association up, carries UEs, and records every message in the trace.

    Everything an AMF sends is a recorded value; LabError means that this machine cannot do its part.
    """

    def __init__(
        self,
        trace: Trace,
        amf: tuple[str, int],
        cell: Cell,
        *,
        local: str | None = None,
        udp: sctp.Udp | None = None,
    ) -> None:
        self.trace = trace
        self.cell = cell
        self._amf, self._local, self._udp = amf, local, udp
        self._ids = itertools.count(cell.gnb_id << 16 | 1)  # a UE that changes nodes has an ID once
        self._ues: dict[int, Attached] = {}
        self._expected: dict[bytes, Attached] = {}  # UEs in handover, by the container of their source gNB
        self._lock = threading.Lock()
        self._association: sctp.Association | None = None
        self.trouble = ""  # the first failure of ours on the reader's thread
        self._reader: threading.Thread | None = None
        self._closing = False

    def ng_enb(self, tac: int) -> "Gnb":
        """An NB-IoT ng-eNB in another tracking area: its own node beside this one, on the same trace."""
        cell = replace(self.cell, tac=tac, nb_iot=True)
        return Gnb(self.trace, self._amf, cell, local=self._local, udp=self._udp)

    # --- the association ---------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether the NG association stands."""
        return self._association is not None

    def connect(self, *, within: float) -> str:
        """Associate and do NG Setup (TS 38.413 clause 8.7.1); empty when it stands, else what the AMF did."""
        self.close()
        try:
            association = sctp.connect(
                self._amf, local=(self._local, 0) if self._local else None, udp=self._udp, timeout=within
            )
        except sctp.Unreachable as error:
            return str(error)
        self._association, self._closing = association, False
        self._flow = Flow("sctp", association.local, association.peer)
        self._reader = threading.Thread(
            target=self._read, args=(association,), name=f"gnb-{self.cell.gnb_id}", daemon=True
        )
        self._reader.start()
        mark = self.trace.mark()
        self.send(self.cell.setup_request("assay"))
        answers = ("NG SETUP RESPONSE", "NG SETUP FAILURE", LOST)
        event = self.trace.wait(lambda e: e.name in answers, mark=mark, within=within)
        if event is not None and event.name == "NG SETUP RESPONSE":
            return ""
        self.close()
        return (
            f"{event.name} instead of NG SETUP RESPONSE" if event else f"no NG SETUP RESPONSE in {within:g} s"
        )

    def close(self) -> None:
        """Shut the association down and forget its UEs."""
        with self._lock:
            association, self._association = self._association, None
            self._closing = True
            self._forget()
        if association is not None:
            association.close()
        if self._reader is not None:
            self._reader.join(5.0)
            self._reader = None

    def _drop(self, association: sctp.Association) -> None:
        with self._lock:
            if self._association is association:
                self._association = None
                self._forget()

    def _forget(self) -> None:
        for ran_id, ue in self._ues.items():
            if ue.ran_id == ran_id:  # it has not left for another connection
                ue.amf_id = None
        self._ues.clear()
        self._expected.clear()

    def _read(self, association: sctp.Association) -> None:
        try:
            self._serve(association)
        except Exception as error:
            # whatever breaks here is ours, and must not pass for the product's silence
            self.trouble = self.trouble or f"{type(error).__name__}: {error}"
            self._drop(association)
            self.trace.event(0, True, "n2", LOST, facts={"how": "the bench broke"})

    def _serve(self, association: sctp.Association) -> None:
        while True:
            got = association.receive(0.5)
            if got is None:
                if self._association is not association:
                    return
            elif isinstance(got, sctp.Datagram):
                self._receive(got)
            else:
                self._drop(association)
                if not self._closing:
                    self.trace.event(0, True, "n2", LOST, facts={"how": got.name.lower()})
                return

    def _receive(self, got: sctp.Datagram) -> None:
        frame = self.trace.frame(self._flow, True, got.data, stream=got.stream, ppid=got.ppid)
        try:
            pdu = ngap.decode(got.data)
        except ngap.Malformed as error:
            facts = {"why": str(error)[:200], "octets": len(got.data)}
            self.trace.event(frame, True, "n2", "UNDECODABLE NGAP", facts=facts)
            return
        ran_id, amf_id = ngap.ran_ue_ngap_id(pdu), ngap.amf_ue_ngap_id(pdu)
        paged = ngap.paging_identity(pdu)
        with self._lock:
            ue = self._ues.get(ran_id) if ran_id is not None else None
            if paged is not None:
                ue = next((u for u in self._ues.values() if u.guti and u.guti.s_tmsi == paged), None)
            if ran_id is None and amf_id is not None:
                ue = next((u for u in self._ues.values() if u.amf_id == amf_id), None)
            if pdu.title == "HANDOVER REQUEST":
                ue = self._expected.get(ngap_handover.source_container(pdu))
        facts = _facts(pdu)
        label = ue.label if ue else ""
        left = ue is not None and ran_id not in (None, ue.ran_id)
        if left:
            label = f"{label}, left"  # a connection that the UE has left decides nothing about the new one
        self.trace.event(frame, True, "n2", pdu.title, label, facts)
        if left and pdu.title == "UE CONTEXT RELEASE COMMAND" and amf_id is not None and ran_id is not None:
            self.send(ngap.ue_context_release_complete(amf_id, ran_id), ue)
        elif ue is not None and not left:
            ue.downlink(pdu, frame)
        elif pdu.title == "HANDOVER REQUEST" and amf_id is not None:
            self.send(ngap_handover.handover_failure(amf_id))

    # --- sending -----------------------------------------------------------------------------------------

    def send(self, pdu: ngap.Pdu | bytes, ue: Attached | None = None, name: str = "") -> int:
        """Send a message, changed or raw as the caller likes, and return its frame number.

        UE-associated signalling keeps to one stream of its own, everything else to stream 0 (TS 38.412).
        """
        association = self._association
        data = pdu if isinstance(pdu, bytes) else ngap.encode(pdu)
        title = name or ("RAW NGAP" if isinstance(pdu, bytes) else pdu.title)
        label = ue.label if ue else ""
        if association is None:
            self.trace.event(0, False, "n2", f"NOT SENT: {title}", label)
            return 0
        stream = 1 + ue.ran_id % max(association.streams - 1, 1) if ue and association.streams > 1 else 0
        frame = self.trace.frame(self._flow, False, data, stream=stream, ppid=ngap.PPID)
        facts = {} if isinstance(pdu, bytes) else _facts(pdu)
        self.trace.event(frame, False, "n2", title, label, facts)
        with suppress(sctp.AssociationLost):  # the reader thread records the loss itself
            association.send(data, stream=stream, ppid=ngap.PPID)
        return frame

    def attach(self, ue: Attached) -> int:
        """Give a UE a new RAN UE NGAP ID, as a new RRC connection does; the old one is still served."""
        with self._lock:
            ran_id = next(self._ids)
            self._ues[ran_id] = ue
            return ran_id

    def expect(self, ue: Attached, container: bytes) -> int:
        """Give a UE in handover a RAN UE NGAP ID; its HANDOVER REQUEST is the one with this container."""
        ran_id = self.attach(ue)
        with self._lock:
            self._expected[container] = ue
        return ran_id

    def initial(self, ue: Attached, pdu: bytes, *, cause: str, s_tmsi: nas.STmsi | None) -> int:
        """INITIAL UE MESSAGE with UE Context Request (TS 38.413 clause 8.6.1)."""
        cell = self.cell
        message = ngap.initial_ue_message(
            ue.ran_id,
            pdu,
            cell.plmn,
            cell.tac,
            cell.nr_cell,
            cause=cause,
            s_tmsi=s_tmsi,
            context_request=not cell.nb_iot,  # the control plane optimisation has no AS security
            eutra=cell.nb_iot,
        )
        return self.send(message, ue)

    def uplink(self, ue: Attached, pdu: bytes) -> int:
        """UPLINK NAS TRANSPORT (TS 38.413 clause 8.6.3)."""
        cell = self.cell
        if ue.amf_id is None:  # the AMF has never answered this UE
            self.trace.event(0, False, "n2", "NOT SENT: UPLINK NAS TRANSPORT", ue.label)
            return 0
        message = ngap.uplink_nas_transport(
            ue.amf_id, ue.ran_id, pdu, cell.plmn, cell.tac, cell.nr_cell, eutra=cell.nb_iot
        )
        return self.send(message, ue)


def _facts(pdu: ngap.Pdu) -> dict[str, Any]:
    """What judges may want to know of an NGAP message."""
    facts: dict[str, Any] = {}
    if (cause := ngap.cause(pdu)) is not None:
        facts["cause"] = list(cause)
    if (bitmaps := ngap.security_capabilities(pdu)) is not None:
        facts["security_capabilities"] = dict(zip(("nea", "nia", "eea", "eia"), bitmaps, strict=True))
    if (amf_id := ngap.amf_ue_ngap_id(pdu)) is not None:
        facts["amf_ue_ngap_id"] = str(amf_id)
    if (ran_id := ngap.ran_ue_ngap_id(pdu)) is not None:
        facts["ran_ue_ngap_id"] = ran_id
    if (up := ngap.ul_cp_security(pdu)) is not None:
        facts |= {"ul_nas_mac": f"{up[0]:04x}", "ul_nas_count": up[1]}
    if (down := ngap.dl_nas_mac(pdu)) is not None:
        facts["dl_nas_mac"] = f"{down:04x}"
    if (paged := ngap.paging_identity(pdu)) is not None:
        facts["s_tmsi"] = paged.encode()[1:].hex()
    if sessions := ngap.session_ids(pdu):
        facts["sessions"] = list(sessions)
    if pdu.title == "HANDOVER REQUEST":
        container = ngap_handover.nasc(pdu)
        facts["nasc"] = None if container is None else container[:100].hex()
    return facts
