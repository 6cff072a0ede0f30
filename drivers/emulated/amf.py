"""The N2 side of the emulated AMF: SCTP associations, NG Setup, and a connection for each UE (TS 38.413)."""

import asyncio
import itertools
import os
import queue
import random
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping

from assay.errors import LabError
from drivers import sctp
from drivers.codecs import nas, ngap
from drivers.codecs.nas import Snssai
from drivers.codecs.ngap import IeId
from drivers.emulated import amf_ciot
from drivers.emulated.amf_config import Config
from drivers.emulated.amf_context import Core
from drivers.emulated.amf_mobility import Chain, path_switch
from drivers.emulated.amf_n14 import Handover
from drivers.emulated.amf_nas import N1
from drivers.emulated.amf_sbi import Sbi
from drivers.emulated.amf_server import SbiServer

MAX_LINKS = 8192
FLOOD = 2000
SETTLING_S = 0.03  # until a UE is idle, with late-release
LINGER_S = 10.0  # how long a gNB may take for UE CONTEXT RELEASE COMPLETE
MAX_QUEUE = 100_000
END_S = 1.5
NG_RESET, RESET_TYPE, RESET_CONNECTIONS = 20, 88, 111  # TS 38.413 clauses 9.4.3 and 9.4.7


class Link:
    """A UE-associated logical NG connection (TS 38.413 clause 3.1); see `amf_signalling.Link`."""

    def __init__(self, gnb: "Gnb", amf_id: int, ran_id: int, context_requested: bool) -> None:
        self.gnb, self.amf_id, self.ran_id = gnb, amf_id, ran_id
        self.context_requested = context_requested
        self.set_up = False
        self.chain: Chain | None = None  # of the keys of the gNB, once it has one
        self.handover: Handover | None = None  # until the UE has arrived in it
        self._released = False
        self.n1 = N1(gnb.amf.core, self)

    @property
    def tac(self) -> int:
        """The tracking area of the UE: that of the node."""
        return self.gnb.tac

    def downlink(self, pdu: bytes) -> None:
        """DOWNLINK NAS TRANSPORT (TS 38.413 clause 8.6.2)."""
        self._send(ngap.downlink_nas_transport(self.amf_id, self.ran_id, pdu))

    def setup(
        self,
        pdu: bytes,
        kgnb: bytes,
        security: ngap.Bitmaps,
        allowed: Iterable[Snssai],
        resources: Iterable[ngap.Resources] = (),
        *,
        up_ciot: bool = False,
    ) -> None:
        """INITIAL CONTEXT SETUP REQUEST (TS 38.413 clause 8.3.1)."""
        self.set_up = True
        ids, guami = (self.amf_id, self.ran_id), self.gnb.amf.core.guami
        self._send(
            ngap.initial_context_setup_request(
                *ids, guami, allowed, security, kgnb, pdu, resources, up_ciot=up_ciot
            )
        )
        if self.n1.context is not None:
            self.chain = Chain(kgnb)
            self.chain.step(self.n1.context.security.kamf)

    def request(self, pdu: ngap.Pdu) -> None:
        """HANDOVER REQUEST (TS 38.413 clause 8.4.2)."""
        self._send(pdu)

    def indicate(self, dl_nas_mac: int | None) -> None:
        """CONNECTION ESTABLISHMENT INDICATION (TS 38.413 clause 8.3.6)."""
        self._send(ngap.connection_establishment_indication(self.amf_id, self.ran_id, dl_nas_mac))

    def give(self, new: "Link") -> None:
        """Let another connection carry on the conversation of this one, which is let go."""
        self.n1, new.n1 = new.n1, self.n1
        self.n1.link, new.n1.link = self, new
        self.release(("nas", "normal-release"))

    def resources(self, resources: Iterable[ngap.Resources]) -> None:
        """PDU SESSION RESOURCE SETUP REQUEST (TS 38.413 clause 8.2.1)."""
        self._send(ngap.pdu_session_resource_setup_request(self.amf_id, self.ran_id, resources))

    def path_switched(
        self,
        security: ngap.Bitmaps | None,
        allowed: Iterable[Snssai],
        chain: Chain,
        switched: Mapping[int, bytes],
        released: Mapping[int, bytes],
    ) -> None:
        """PATH SWITCH REQUEST ACKNOWLEDGE (TS 38.413 clause 8.4.4)."""
        self._send(
            ngap.path_switch_request_acknowledge(
                self.amf_id, self.ran_id, security, allowed, chain.nh, chain.count, switched, released
            )
        )

    def let_go(self, cause: ngap.Cause) -> None:
        """Do what UE CONTEXT RELEASE REQUEST asks for (TS 38.413 clause 8.3.2)."""
        if "late-release" not in self.gnb.faults:
            self.n1.close()
        self.release(cause)

    def suspend(self) -> None:
        """Answer UE CONTEXT SUSPEND REQUEST: with UP CIoT the UE is idle and its connection kept."""
        context = self.n1.context
        if context is None or not context.up_ciot or self.n1.suspended:
            cause = ("protocol", "message-not-compatible-with-receiver-state")
            self._send(ngap.ue_context_suspend_failure(self.amf_id, self.ran_id, cause))
            return
        self.n1.suspended = True
        self._send(ngap.ue_context_suspend_response(self.amf_id, self.ran_id))

    def resume(self) -> None:
        """Answer UE CONTEXT RESUME REQUEST."""
        if not self.n1.suspended:
            cause = ("protocol", "message-not-compatible-with-receiver-state")
            self._send(ngap.ue_context_resume_failure(self.amf_id, self.ran_id, cause))
            return
        self._send(ngap.ue_context_resume_response(self.amf_id, self.ran_id))
        self.n1.resumed()

    def release(self, cause: ngap.Cause) -> None:
        """UE CONTEXT RELEASE COMMAND (TS 38.413 clause 8.3.3)."""
        if self._released:
            return
        self._released = True
        self._send(ngap.ue_context_release_command(self.amf_id, self.ran_id, cause))
        asyncio.get_running_loop().call_later(LINGER_S, self.gnb.drop, self)

    def crash(self) -> None:
        """Close the association under all UEs of the gNB."""
        self.gnb.close()

    def flood(self) -> None:
        """Many DOWNLINK NAS TRANSPORT at once."""
        status = nas.encode("5GMM STATUS", {"mm_cause": bytes((nas.Cause.PROTOCOL_ERROR_UNSPECIFIED,))})
        data = ngap.encode(ngap.downlink_nas_transport(self.amf_id, self.ran_id, status))
        for _ in range(FLOOD):
            self.gnb.put(data, self._stream)

    @property
    def _stream(self) -> int:
        streams = self.gnb.association.streams
        return 1 + self.amf_id % (streams - 1) if streams > 1 else 0

    def _send(self, pdu: ngap.Pdu) -> None:
        self.gnb.send(pdu, self._stream)


class Gnb:
    """One NG association and the UEs on it; all but reading and writing runs in the event loop."""

    def __init__(self, amf: "Amf", association: sctp.Association) -> None:
        self.amf, self.association = amf, association
        self.faults = amf.config.faults
        self.links: dict[int, Link] = {}
        self._queue: queue.Queue[tuple[bytes, int] | None] = queue.Queue(MAX_QUEUE)
        self.tac, self.number = amf.config.tac, 0
        self._ready = False
        self._closed = False

    # --- transport ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Serve the association on threads of its own, so that a gNB that takes no data delays no other."""
        for work in (self._read, self._write):
            threading.Thread(target=work, daemon=True).start()

    def _read(self) -> None:
        got: sctp.Datagram | sctp.Ended | None = None
        while not isinstance(got, sctp.Ended):
            try:
                got = self.association.receive(1.0)
            except LabError:
                got = sctp.Ended.LOST
            if isinstance(got, sctp.Datagram):
                asyncio.run_coroutine_threadsafe(self._receive(got.data), self.amf.loop).result()
        self.amf.loop.call_soon_threadsafe(self._lost)

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            data, stream = item
            try:
                self.association.send(data, stream=stream, ppid=ngap.PPID)
            except LabError:
                break
        self.association.close()

    def _lost(self) -> None:
        self._closed = True
        for link in list(self.links.values()):
            self.drop(link)
        self.amf.gnbs.discard(self)
        self.close()

    def close(self) -> None:
        """Shut the association down after what was sent before."""
        self._closed = True
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            self.association.abort()

    def send(self, pdu: ngap.Pdu, stream: int = 0) -> None:
        """Send one message; an association that is lost is noticed elsewhere."""
        data = ngap.encode(pdu)
        if self._ready:
            if "mute" in self.faults:
                return
            if "garbage" in self.faults:
                data = self.amf.random.randbytes(self.amf.random.randint(1, 200))
            if "slow" in self.faults:
                self.amf.loop.call_later(self.amf.config.slow_s, self.put, data, stream)
                return
        self.put(data, stream)

    def put(self, data: bytes, stream: int) -> None:
        """Hand octets to SCTP; what a gNB does not take is lost in the end."""
        if not self._closed and not self._queue.full():
            self._queue.put_nowait((data, stream))

    # --- procedures --------------------------------------------------------------------------------------

    async def _receive(self, data: bytes) -> None:
        try:
            pdu = ngap.decode(data)
        except ngap.Malformed:
            self._error(None, None, ("protocol", "transfer-syntax-error"))
            return
        try:
            self._dispatch(pdu)
        except Exception:
            traceback.print_exc()  # IEs of an unexpected form
            self._error(None, None, ("protocol", "semantic-error"))

    def _dispatch(self, pdu: ngap.Pdu) -> None:
        if pdu.name == "NGSetupRequest":
            self._setup(pdu)
        elif not self._ready:
            self._error(None, None, ("protocol", "message-not-compatible-with-receiver-state"))
        elif pdu.name == "InitialUEMessage":
            self._initial(pdu)
        elif pdu.name == "RANCPRelocationIndication":
            self._relocate(pdu)
        elif pdu.name == "PathSwitchRequest":
            self.amf.core.spawn(path_switch(self, pdu))
        elif pdu.name == "NGReset":
            self._reset(pdu)
        elif pdu.name != "ErrorIndication":
            self._associated(pdu)

    def _error(self, amf_id: int | None, ran_id: int | None, cause: ngap.Cause) -> None:
        self.send(ngap.error_indication(amf_id, ran_id, cause))

    def _setup(self, pdu: ngap.Pdu) -> None:
        """NG Setup (clause 8.7.1): a second one starts over."""
        config = self.amf.config
        for link in list(self.links.values()):
            self.drop(link)
        self._ready = False
        areas = pdu.get(IeId.SUPPORTED_TA_LIST)
        if pdu.get(IeId.GLOBAL_RAN_NODE_ID) is None or not isinstance(areas, list):
            self.send(ngap.ng_setup_failure(("protocol", "abstract-syntax-error-reject")))
            return
        broadcast = {
            int.from_bytes(area["tAC"], "big")
            for area in areas
            for plmn in area["broadcastPLMNList"]
            if plmn["pLMNIdentity"] == config.plmn.encode()
        }
        served = [tac for tac in (config.tac, config.nb_iot_tac) if tac in broadcast]
        if not served:
            self.send(ngap.ng_setup_failure())
            return
        self.tac, self.number = served[0], ngap.gnb_id(pdu)
        self.send(ngap.ng_setup_response("assay-amf", self.amf.core.guami, config.plmn, config.slices))
        self._ready = True

    def _initial(self, pdu: ngap.Pdu) -> None:
        """INITIAL UE MESSAGE (clause 8.6.1)."""
        ran_id, octets = ngap.ran_ue_ngap_id(pdu), ngap.nas_pdu(pdu)
        if ran_id is None or octets is None:
            self._error(None, ran_id, ("protocol", "abstract-syntax-error-reject"))
            return
        for old in [link for link in self.links.values() if link.ran_id == ran_id]:
            self.drop(old)
        if len(self.links) >= MAX_LINKS:
            self._error(None, ran_id, ("misc", "control-processing-overload"))
            return
        link = self.link(ran_id, pdu.get(IeId.UE_CONTEXT_REQUEST) is not None)
        link.n1.start()
        self._uplink(link, octets)

    def link(self, ran_id: int, context_requested: bool = True) -> Link:
        """A new connection of a UE."""
        link = Link(self, next(self.amf.ids), ran_id, context_requested)
        self.links[link.amf_id] = link
        return link

    def _uplink(self, link: Link, octets: bytes) -> None:
        link.n1.deliver(octets)
        if "flood" in self.faults:
            link.flood()

    def _relocate(self, pdu: ngap.Pdu) -> None:
        """RAN CP RELOCATION INDICATION (clause 8.3.8): a UE that is authenticated goes on here."""
        ran_id, s_tmsi = ngap.ran_ue_ngap_id(pdu), ngap.s_tmsi(pdu)
        if ran_id is None or s_tmsi is None:
            self._error(None, ran_id, ("protocol", "abstract-syntax-error-reject"))
            return
        context = self.amf.core.known(s_tmsi)
        n1 = context.connection if context is not None else None
        old = n1.link if isinstance(n1, N1) else None
        link = self.link(ran_id, False)
        mac = None
        if context is not None and isinstance(old, Link):
            mac = amf_ciot.authenticate(context, pdu, self.faults)
        link.indicate(None if "no-dl-mac" in self.faults else mac)
        if mac is not None and isinstance(old, Link):
            old.give(link)

    def _reset(self, pdu: ngap.Pdu) -> None:
        """NG Reset of the whole interface or of a part of it: its UEs go idle (clause 8.7.4)."""
        kind, what = pdu.get(RESET_TYPE) or ("", [])
        ies: tuple[ngap.Ie, ...] = ()
        lost = list(self.links.values())
        if kind == "partOfNG-Interface":
            named = [(item.get("aMF-UE-NGAP-ID"), item.get("rAN-UE-NGAP-ID")) for item in what]
            lost = [link for link in lost if any(link.amf_id == a or link.ran_id == r for a, r in named)]
            ies = (ngap.Ie(RESET_CONNECTIONS, "ignore", what),)
        for link in lost:
            self.drop(link)
        self.send(ngap.Pdu("successfulOutcome", NG_RESET, "reject", "NGResetAcknowledge", ies))

    def _associated(self, pdu: ngap.Pdu) -> None:
        """A message for a UE that has a connection here."""
        amf_id, ran_id = ngap.amf_ue_ngap_id(pdu), ngap.ran_ue_ngap_id(pdu)
        link = self.links.get(amf_id) if amf_id is not None else None
        if link is None:
            if pdu.kind == "initiatingMessage":
                self._error(amf_id, ran_id, ("radioNetwork", "unknown-local-UE-NGAP-ID"))
            return
        if link.handover is not None and link.handover.take(pdu):
            return
        if link.ran_id != ran_id:
            self._error(amf_id, ran_id, ("radioNetwork", "inconsistent-remote-UE-NGAP-ID"))
            return
        match pdu.name:
            case "UplinkNASTransport":
                octets = ngap.nas_pdu(pdu)
                if octets is None:
                    self._error(amf_id, ran_id, ("protocol", "abstract-syntax-error-reject"))
                else:
                    self._uplink(link, octets)
            case "UEContextReleaseRequest":
                cause = ngap.cause(pdu) or ("radioNetwork", "unspecified")
                link.n1.before_leaving(lambda: link.let_go(cause))
            case "UEContextSuspendRequest":
                link.n1.before_leaving(link.suspend)
            case "UEContextResumeRequest":
                link.resume()
            case "InitialContextSetupResponse" | "PDUSessionResourceSetupResponse":
                link.n1.set_up(ngap.set_up(pdu))
            case "UEContextReleaseComplete" if "late-release" in self.faults:
                asyncio.get_running_loop().call_later(SETTLING_S, self.drop, link)
            case "UEContextReleaseComplete":
                self.drop(link)
            case "InitialContextSetupFailure":
                link.set_up = False

    def broadcast(self, pdu: ngap.Pdu) -> None:
        """Send a message that belongs to no connection, once NG Setup is done."""
        if self._ready:
            self.send(pdu)

    def adopt(self, link: Link, ran_id: int) -> None:
        """Take over the connection of a UE that has come from another gNB."""
        for old in [one for one in self.links.values() if one.ran_id == ran_id and one is not link]:
            self.drop(old)
        link.gnb.links.pop(link.amf_id, None)
        link.gnb, link.ran_id = self, ran_id
        self.links[link.amf_id] = link

    def drop(self, link: Link) -> None:
        """Forget a connection: its UE is idle."""
        if self.links.get(link.amf_id) is link:
            del self.links[link.amf_id]
            link.n1.close()


class Amf:
    """The emulated AMF: a listener, its associations, and an event loop in which all UEs are served."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.loop = asyncio.new_event_loop()
        self.sbi = Sbi(config)
        self.core = Core(config, self.sbi)
        self.core.broadcast = self._broadcast
        self.random = random.Random(config.seed)  # noqa: S311 - reproducible garbage, no secret
        self.ids = itertools.count(1)
        self.gnbs: set[Gnb] = set()
        self.core.gnb = lambda number: next((one for one in self.gnbs if one.number == number), None)

    def _broadcast(self, pdu: ngap.Pdu) -> None:
        for gnb in list(self.gnbs):
            gnb.broadcast(pdu)

    def link(self, amf_id: int | None) -> Link | None:
        """The connection with this AMF UE NGAP ID, on whichever gNB it is."""
        links = (gnb.links.get(amf_id) for gnb in self.gnbs if amf_id is not None)
        return next((link for link in links if link is not None), None)

    def _accept(self, listener: sctp.Listener) -> None:
        while True:
            association = listener.accept(1.0)
            if association is not None:
                self.loop.call_soon_threadsafe(self._associated, association)

    def _associated(self, association: sctp.Association) -> None:
        gnb = Gnb(self, association)
        self.gnbs.add(gnb)
        gnb.start()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; says when N2 listens."""
        udp = sctp.Udp(local=self.config.udp_port) if self.config.udp_port is not None else None
        listener = sctp.listen(self.config.n2, udp=udp)
        ngap.encode(ngap.error_indication())  # loads the codec, before anyone waits for it
        if self.config.sbi is not None:
            SbiServer(self.core, self.config.sbi, self.loop)
        self.loop.call_soon(lambda: self.core.spawn(self.sbi.enrol()))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.loop.stop)
        print("AMF ready", flush=True)
        self.loop.run_forever()
        ends = [threading.Thread(target=gnb.association.close, daemon=True) for gnb in self.gnbs]
        for end in ends:
            end.start()
        for end in ends:
            end.join(END_S)
        listener.close()
        sys.stderr.flush()
        os._exit(0)  # calls to silent peers may still hold threads that an orderly exit would wait for
