"""A UE on N1 that behaves by default, answers what it is asked, and misbehaves on command (TS 24.501)."""

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from assay.errors import LabError
from assay.evidence import Trace
from drivers import handover, nssaa
from drivers.codecs import cp_ciot, kdf, nas, nas_crypto, ngap, suci
from drivers.codecs.milenage import Milenage
from drivers.interfaces import Capability, Concealment, Sent, Snssai, Subscriber, slice_name
from drivers.n2 import Cell, Gnb

NULL_SCHEME = Concealment()
KINDS = {"initial": 1, "mobility": 2, "emergency": 4}
FOLLOW_ON = 8
NO_KEY = 7
N1_SM = b"\x01"  # payload container type, TS 24.501 clause 9.11.3.40
AHEAD = 1 << 20  # in SQN, below the jump that a USIM may refuse (TS 33.102 clause C.2.1)
INITIAL_REQUEST = b"\x01"  # request type, clause 9.11.3.47


@dataclass
class Context:
    """A 5G NAS security context (TS 33.501 clause 6.3.2.2); counts are the next ones to be used.

    `first` is the COUNT of the uplink message that takes it into use: 0 unless K_AMF was in use before.
    """

    kamf: bytes = field(repr=False)
    ksi: int
    ea: int = 0
    ia: int = 0
    uplink: int = 0
    downlink: int = 0
    first: int = 0

    def under(self, ea: int, ia: int) -> "Context":
        """The same context under other algorithms: its K_AMF stays, and its counts go on."""
        return Context(self.kamf, self.ksi, ea, ia, self.uplink, self.downlink, self.uplink)

    @cached_property
    def keys(self) -> kdf.NasKeys:
        """K_NASenc and K_NASint of the algorithms in force."""
        return kdf.nas_keys(self.kamf, self.ea, self.ia)

    def cipher(self, count: int, direction: int, octets: bytes) -> bytes:
        """Cipher or decipher: the one is the other."""
        return nas_crypto.encrypt(self.ea, self.keys.enc, count, 1, direction, octets)

    def seal(self, header: int, count: int, plain: bytes, *, ia: int | None = None) -> bytes:
        """A protected uplink PDU; `ia` makes the MAC with another algorithm than the one in force."""
        payload = plain
        if header in (nas.Header.CIPHERED, nas.Header.CIPHERED_NEW_CONTEXT):
            payload = self.cipher(count, nas_crypto.UPLINK, plain)
        sequence = count & 0xFF
        key, algorithm = self.keys.int_, self.ia
        if ia is not None:
            key, algorithm = kdf.nas_keys(self.kamf, self.ea, ia).int_, ia
        mac = nas_crypto.mac(algorithm, key, count, 1, nas_crypto.UPLINK, bytes([sequence]) + payload)
        return nas.wrap(header, mac, sequence, payload)

    def open(self, secured: nas.Secured) -> tuple[bytes, int, bool]:
        """Cleartext, NAS COUNT and whether the MAC verifies, of a protected downlink PDU."""
        overflow = self.downlink >> 8
        if secured.sequence < self.downlink & 0xFF:
            overflow += 1
        count = overflow << 8 | secured.sequence
        body = bytes([secured.sequence]) + secured.payload
        good = nas_crypto.mac(self.ia, self.keys.int_, count, 1, nas_crypto.DOWNLINK, body) == secured.mac
        plain = secured.payload
        if secured.header in (nas.Header.CIPHERED, nas.Header.CIPHERED_NEW_CONTEXT):
            plain = self.cipher(count, nas_crypto.DOWNLINK, plain)
        return plain, count, good


class Ue:
    """One subscriber's UE on a gNB; the gNB's thread serves it, probes call the rest.

    Whatever the AMF starts is answered at once unless its name is in `held`. `spoil_res_star` inverts one
    bit of RES*; every COUNT, MAC, header type and capability can be given to `send`.
    """

    def __init__(
        self,
        gnb: Gnb,
        subscriber: Subscriber,
        label: str,
        capability: Capability,
        *,
        dnn: str,
        concealment: Concealment = NULL_SCHEME,
    ) -> None:
        self.gnb, self.subscriber, self.label, self.capability = gnb, subscriber, label, capability
        self.trace: Trace = gnb.trace
        self.ran_id = 0
        self.amf_id: int | None = None
        self.context: Context | None = None
        self.guti: nas.Guti | None = None
        self.held: set[str] = set()
        self.spoil_res_star = False
        self.also: dict[str, bytes] = {}
        self.exposed = False
        self.slices = gnb.cell.slices  # the requested NSSAI
        self.tries_algorithms = False
        self.sent: dict[str, Sent] = {}
        self.mark = 0
        self.keys: list[dict[str, Any]] = []
        self._dnn, self.routing_indicator, self.concealment = dnn, "0", concealment
        self._lock = threading.RLock()
        self._milenage = Milenage(subscriber.k, subscriber.opc)
        self._sqn = 0
        self._ahead = 0  # how far the USIM is to be ahead of the next challenge
        self._fresh: Context | None = None  # made by an authentication, not yet taken into use
        self._kind: Literal["initial", "mobility", "emergency"] = "initial"
        self._identity: bytes = b""
        self._ksi = NO_KEY
        self._rrc: Literal["idle", "connected", "suspended"] = "idle"
        self._suspended: int | None = None  # the AMF UE NGAP ID of a suspended connection
        self._secure = False  # secure exchange is established on this connection (TS 24.501 clause 4.4.2.5)
        self._rand = self._res_star = b""
        self._slice_command: nas.Message | None = None
        self._answers: dict[str, Callable[[nas.Message], object]] = {
            "AUTHENTICATION REQUEST": self._authenticate,
            "SECURITY MODE COMMAND": lambda _: self.complete_security_mode(),
            "IDENTITY REQUEST": self._identify,
            "REGISTRATION ACCEPT": lambda _: self.send("REGISTRATION COMPLETE"),
            "CONFIGURATION UPDATE COMMAND": self._configured,
            nssaa.COMMAND: lambda _: self.complete_slice_authentication(),
            "DEREGISTRATION REQUEST (UE TERMINATED)": lambda _: self.send(
                "DEREGISTRATION ACCEPT (UE TERMINATED)"
            ),
        }

    # --- procedures --------------------------------------------------------------------------------------

    @property
    def suci(self) -> nas.Suci:
        """The subscription concealed as `concealment` says, afresh each time (TS 33.501 annex C)."""
        plmn, how = self.gnb.cell.plmn, self.concealment
        msin = self.subscriber.imsi[len(plmn.mcc + plmn.mnc) :]
        if how.scheme == suci.NULL_SCHEME:
            return nas.Suci.null(plmn, msin, self.routing_indicator)
        output = suci.conceal(how.scheme, nas.msin_bcd(msin), how.home_public_key)
        return nas.Suci(plmn, self.routing_indicator, how.scheme, how.key_id, output)

    def start(
        self,
        kind: Literal["initial", "mobility", "emergency"] = "initial",
        identity: Literal["suci", "guti"] = "suci",
    ) -> None:
        """Send a plain REGISTRATION REQUEST with cleartext IEs only and ngKSI 7, on a new RRC connection."""
        with self._lock:
            if identity == "guti" and self.guti is None:
                raise LabError(f"{self.label} has no 5G-GUTI to register with")
            guti = self.guti if identity == "guti" else None
            self._kind = kind
            self._identity = guti.encode() if guti else self.suci.encode()
            self._ksi = NO_KEY
            self._fresh = None
            self.context = None
            self.sent.clear()
            self.mark = self.trace.mark()
            more = self.also if self.exposed else {}
            plain = nas.encode("REGISTRATION REQUEST", {**self._request(), **more})
            cause = "emergency" if kind == "emergency" else "mo-Signalling"
            self._initial(plain, "REGISTRATION REQUEST", plain, cause, guti.s_tmsi if guti else None)

    def _request(self) -> dict[str, bytes]:
        return {
            "registration_type": bytes([FOLLOW_ON | KINDS[self._kind]]),
            "ng_ksi": bytes([self._ksi]),
            "mobile_identity": self._identity,
            "ue_security_capability": self._capability().encode(),
        }

    def _complete_request(self) -> bytes:
        """The whole REGISTRATION REQUEST for the NAS message container (TS 24.501 clause 4.4.6)."""
        usual = {"mm_capability": b"\x00", "requested_nssai": nas.encode_nssai(self.slices)}
        return nas.encode("REGISTRATION REQUEST", {**self._request(), **usual, **self.also})

    def _capability(self) -> nas.SecurityCapability:
        c = self.capability
        return nas.SecurityCapability(c.ea, c.ia, c.eea, c.eia)

    def update(self) -> None:
        """REGISTRATION REQUEST for mobility registration updating from CM-IDLE, integrity protected."""
        with self._lock:
            guti, context = self._kept()
            self._kind, self._identity, self._ksi, self._fresh = "mobility", guti.encode(), context.ksi, None
            self.sent.clear()
            self._resume("REGISTRATION REQUEST", self._request(), self._complete_request(), "mo-Signalling")

    def service_request(self, session: int | None = None, *, paged: bool = False) -> None:
        """SERVICE REQUEST from CM-IDLE, integrity protected, for signalling or data, or when paged
        (clause 5.6.1).
        """
        with self._lock:
            guti, context = self._kept()
            kind = b"\x02" if paged else b"\x00" if session is None else b"\x01"
            ies = {
                "ng_ksi": bytes([context.ksi]),
                "service_type": kind,
                "mobile_identity": guti.s_tmsi.encode(),
            }
            whole = b""
            if session is not None:
                status = (1 << session).to_bytes(2, "little")
                whole = nas.encode("SERVICE REQUEST", {**ies, "uplink_data_status": status})
            self._resume("SERVICE REQUEST", ies, whole, "mt-Access" if paged else "mo-Signalling")

    def _kept(self) -> tuple[nas.Guti, Context]:
        if self.guti is None or self.context is None:
            raise LabError(f"{self.label} has no 5G-GUTI or no security context: register it first")
        return self.guti, self.context

    def _resume(self, name: str, ies: Mapping[str, bytes], whole: bytes, cause: str) -> None:
        """An initial NAS message under the current context; what is no cleartext IE travels in the ciphered
        container with the `whole` message (clause 4.4.6).
        """
        guti, context = self._kept()
        self.mark = self.trace.mark()
        plain = nas.encode(name, ies)
        if whole:
            hidden = context.cipher(context.uplink, nas_crypto.UPLINK, whole)
            plain = nas.encode(name, {**ies, "nas_message_container": hidden})
        pdu = context.seal(nas.Header.INTEGRITY, context.uplink, plain)
        context.uplink += 1
        self._initial(pdu, name, plain, cause, guti.s_tmsi)

    def session_request(self, session: int, *, s_nssai: Snssai | None = None, **how: Any) -> Sent:
        """UL NAS TRANSPORT with PDU SESSION ESTABLISHMENT REQUEST for a new PDU session (clause 6.4.1.2)."""
        snssai = s_nssai or self.slices[0]
        request = nas.encode(
            "PDU SESSION ESTABLISHMENT REQUEST",
            {"integrity_protection_maximum_data_rate": b"\xff\xff", "pdu_session_type": b"\x01"},
            pti=session,
            psi=session,
        )
        dnn = bytes([len(self._dnn)]) + self._dnn.encode()
        ies = {
            "payload_container_type": N1_SM,
            "payload_container": request,
            "pdu_session_id": bytes([session]),
            "request_type": INITIAL_REQUEST,
            "s_nssai": nas.encode_s_nssai(*snssai),
            "dnn": dnn,
        }
        facts = {"pdu_session_id": session, "s_nssai": slice_name(snssai), "payload_container": request.hex()}
        return self.send("UL NAS TRANSPORT", ies, facts=facts, **how)

    def deregister(self) -> Sent:
        """DEREGISTRATION REQUEST, normal, 3GPP access (clause 5.5.2.2)."""
        with self._lock:
            context = self.context
            identity = self.guti.encode() if self.guti else self.suci.encode()
            ies = {
                "deregistration_type": b"\x01",
                "ng_ksi": bytes([context.ksi if context else NO_KEY]),
                "mobile_identity": identity,
            }
            return self.send("DEREGISTRATION REQUEST (UE ORIGINATING)", ies)

    def complete_security_mode(self, *, ia: int | None = None) -> Sent:
        """SECURITY MODE COMPLETE with its due COUNT; `ia` makes its MAC with another integrity algorithm."""
        with self._lock:
            return self.send(
                "SECURITY MODE COMPLETE",
                {"nas_message_container": self._complete_request()},
                header=nas.Header.CIPHERED_NEW_CONTEXT,
                count=self.context.first if self.context else 0,
                ia=ia,
            )

    # --- sending -----------------------------------------------------------------------------------------

    def send(
        self,
        name: str,
        ies: Mapping[str, bytes] | None = None,
        *,
        header: int | None = None,
        count: int | None = None,
        ia: int | None = None,
        mac: bytes | None = None,
        flip_mac: bool = False,
        facts: Mapping[str, Any] | None = None,
    ) -> Sent:
        """Send one uplink message, by default with the protection in force and the next COUNT.

        A `count` that is given does not use up the next one, unless it is the next one of a good message.
        """
        with self._lock:
            plain = nas.encode(name, ies or {})
            pdu, extra = self._protect(plain, header, count, ia, mac, flip_mac)
            return self._uplink(pdu, name, {**extra, **(facts or {})}, plain if len(extra) > 1 else None)

    def _protect(
        self,
        plain: bytes,
        header: int | None,
        count: int | None,
        ia: int | None,
        mac: bytes | None,
        flip_mac: bool,
    ) -> tuple[bytes, dict[str, Any]]:
        context = self.context
        if header is None:
            header = nas.Header.CIPHERED if context else nas.Header.PLAIN
        if context is None or header == nas.Header.PLAIN:
            return plain, {"header": 0}
        good = ia is None and mac is None and not flip_mac
        used = context.uplink if count is None else count
        pdu = context.seal(header, used, plain, ia=ia)
        if mac is not None:
            pdu = pdu[:2] + mac + pdu[6:]
        if flip_mac:
            pdu = pdu[:5] + bytes([pdu[5] ^ 1]) + pdu[6:]
        if good and used >= context.uplink:
            context.uplink = used + 1
        return pdu, {"header": int(header), "count": used, "mac_good": good}

    @property
    def uplink_count(self) -> int:
        """The next unused uplink NAS COUNT."""
        with self._lock:
            return self.context.uplink if self.context else 0

    def replay(self, sent: Sent) -> Sent:
        """Send a PDU again octet for octet, in a new UPLINK NAS TRANSPORT and so with a fresh TSN."""
        with self._lock:
            name = sent.event.name.removeprefix("REPLAY OF ")
            return self._uplink(sent.pdu, f"REPLAY OF {name}", sent.event.facts, None)

    def _uplink(self, pdu: bytes, name: str, facts: Mapping[str, Any], plain: bytes | None) -> Sent:
        frame = self.gnb.uplink(self, pdu)
        return self._sent(frame, pdu, name, facts, plain)

    def _sent(self, frame: int, pdu: bytes, name: str, facts: Mapping[str, Any], plain: bytes | None) -> Sent:
        ciphered = self.context is not None and self.context.ea != 0 and facts.get("header") in (2, 4)
        shown = dict(facts)
        if plain is not None and ciphered:
            shown["deciphered"] = self.trace.deciphered(frame, False, plain)
        sent = Sent(pdu, self.trace.event(frame, False, "n1", name, self.label, shown))
        self.sent[name] = sent
        return sent

    def _initial(self, pdu: bytes, name: str, plain: bytes, cause: str, s_tmsi: nas.STmsi | None) -> None:
        self.amf_id, self._secure = None, False
        self._rrc = "connected"
        self.ran_id = self.gnb.attach(self)
        frame = self.gnb.initial(self, pdu, cause=cause, s_tmsi=s_tmsi)
        self._sent(frame, pdu, name, {"header": int(pdu[1] & 0xF) if pdu[0] == 0x7E else 0}, plain)

    def reestablish(self, reading: cp_ciot.Reading, cell: Cell) -> tuple[nas.STmsi, int, int, int]:
        """Use up an uplink COUNT for a re-establishment in `cell`: 5G-S-TMSI, COUNT, UL and DL NAS MAC."""
        with self._lock:
            context = self.context
            if self.guti is None or context is None:
                raise LabError(f"{self.label} has no 5G-GUTI or no security context: register it first")
            count, context.uplink = context.uplink, context.uplink + 1
            key = context.keys.int_
            macs = cp_ciot.macs(reading, context.ia, key, count, cell.plmn, cell.nr_cell)
            return self.guti.s_tmsi, count, *macs

    def path_switch(self, gnb: Gnb, capability: Capability, session: int) -> None:
        """PATH SWITCH REQUEST by the gNB that this UE is on after an Xn handover (TS 38.413 clause 8.4.4)."""
        with self._lock:
            source = self.amf_id
            if source is None:
                self.trace.event(0, False, "n2", "NOT SENT: PATH SWITCH REQUEST", self.label)
                return
            self.gnb, self.ran_id = gnb, gnb.attach(self)
            cell, c = gnb.cell, capability
            bits = ngap.bitmaps(nas.SecurityCapability(c.ea, c.ia, c.eea, c.eia))
            place = (cell.plmn, cell.tac, cell.nr_cell)
            request = ngap.path_switch_request(self.ran_id, source, *place, bits, [ngap.Session(session)])
            gnb.send(request, self)

    def move(self, gnb: Gnb, ran_id: int, amf_id: int) -> None:
        """Go on over another node, on a connection that is there already."""
        with self._lock:
            self.gnb, self.ran_id, self.amf_id = gnb, ran_id, amf_id

    def announce(self) -> bytes:
        """Be about to come in a handover; the container of the source gNB that it goes with."""
        with self._lock:
            return handover.announce(self)

    def arrive(self) -> None:
        """HANDOVER NOTIFY by the gNB."""
        with self._lock:
            handover.arrive(self)

    def release(self) -> None:
        """UE CONTEXT RELEASE REQUEST by the gNB for user inactivity: the way to CM-IDLE."""
        with self._lock:  # not before an answer that is being sent
            if self.amf_id is not None:
                cause = ("radioNetwork", "user-inactivity")
                self.gnb.send(ngap.ue_context_release_request(self.amf_id, self.ran_id, cause), self)

    def suspend(self) -> None:
        """UE CONTEXT SUSPEND REQUEST by the gNB: the way to CM-IDLE with suspend (TS 23.502 clause 4.8.1)."""
        with self._lock:
            if self.amf_id is not None:
                self.gnb.send(ngap.ue_context_suspend_request(self.amf_id, self.ran_id), self)

    def _paged(self) -> None:
        """Answer PAGING: SERVICE REQUEST, or the resumption of a suspended connection."""
        if self._rrc == "suspended" and self._suspended is not None:
            self._rrc = "connected"
            message = ngap.ue_context_resume_request(self._suspended, self.ran_id, "mt-Access")
            self.gnb.send(message, self)
        elif self._rrc == "idle" and self.context is not None:
            self.service_request(paged=True)

    # --- receiving, on the gNB's thread --------------------------------------------------------------------

    def downlink(self, pdu: ngap.Pdu, frame: int) -> None:
        """Serve one UE-associated NGAP message and the NAS message in it."""
        with self._lock:
            amf_id, ran_id = ngap.amf_ue_ngap_id(pdu), ngap.ran_ue_ngap_id(pdu)
            if ran_id is not None and ran_id != self.ran_id:
                return  # a connection this UE has left just now
            if amf_id is not None:
                self.amf_id = amf_id
            octets = ngap.nas_pdu(pdu)
            if pdu.title == "HANDOVER REQUEST":
                handover.take(self, pdu, frame)
            if pdu.title not in self.held:
                self._serve_n2(pdu)
            for one in (octets, *ngap.session_nas_pdus(pdu)):
                if one is not None:
                    self._nas(one, frame)

    def _serve_n2(self, pdu: ngap.Pdu) -> None:
        if pdu.title == "PAGING":
            self._paged()
        if self.amf_id is None:
            return
        if pdu.title == "INITIAL CONTEXT SETUP REQUEST":
            sessions = ngap.session_ids(pdu)
            self.gnb.send(ngap.initial_context_setup_response(self.amf_id, self.ran_id, sessions), self)
        elif pdu.title == "HANDOVER REQUEST":
            handover.admit(self, pdu)
        elif pdu.title == "UE CONTEXT RELEASE COMMAND":
            self.gnb.send(ngap.ue_context_release_complete(self.amf_id, self.ran_id), self)
            self.amf_id = None  # CM-IDLE: nothing can be sent on this connection any more
            self._rrc = "idle"
        elif pdu.title == "UE CONTEXT SUSPEND RESPONSE":
            self._suspended, self.amf_id = self.amf_id, None
            self._rrc = "suspended"
        elif pdu.title == "PDU SESSION RESOURCE SETUP REQUEST":
            sessions = ngap.session_ids(pdu)
            self.gnb.send(ngap.pdu_session_resource_setup_response(self.amf_id, self.ran_id, sessions), self)
        elif pdu.title == "PDU SESSION RESOURCE RELEASE COMMAND":
            sessions = ngap.session_ids(pdu)
            self.gnb.send(
                ngap.pdu_session_resource_release_response(self.amf_id, self.ran_id, sessions), self
            )

    def _nas(self, octets: bytes, frame: int) -> None:
        facts: dict[str, Any] = {"header": 0}
        plain = octets
        context: Context | None = None
        try:
            secured = nas.unwrap(octets)
            if secured is not None:
                facts["header"] = secured.header
                context, plain = self._open(secured, frame, facts)
            message = self._guess(secured, plain, facts) or nas.decode(plain)
        except nas.Malformed as error:
            facts["why"] = str(error)[:200]
            self.trace.event(frame, True, "n1", "UNDECODABLE NAS", self.label, facts)
            return
        trusted = secured is None or facts.get("mac_ok") is True
        try:
            facts |= describe(message)
            if trusted:
                self._take(message, context)
        except (ValueError, LookupError) as error:  # decodable as a whole, and nonsense in one of its IEs
            facts["odd"] = str(error)[:200]
            trusted = False
        held = message.name in self.held
        self.trace.event(frame, True, "n1", message.name, self.label, facts)
        if held:
            return
        if trusted and message.name in self._answers:
            self._answers[message.name](message)
        elif message.name == "SECURITY MODE COMMAND":
            cause = bytes([nas.Cause.SECURITY_MODE_REJECTED_UNSPECIFIED])
            self.send("SECURITY MODE REJECT", {"mm_cause": cause}, header=nas.Header.PLAIN)

    def _open(self, secured: nas.Secured, frame: int, facts: dict[str, Any]) -> tuple[Context | None, bytes]:
        """Verify and decipher with the context in force, or with the new one that the message brings."""
        context = self.context
        if secured.header == nas.Header.NEW_CONTEXT:
            context = self._new_context(secured.payload)
        if context is None:
            facts["mac_ok"] = None
            return None, secured.payload
        try:
            plain, count, good = context.open(secured)
        except ValueError:  # an algorithm that nobody has
            plain, count, good = secured.payload, secured.sequence, False
        facts |= {"mac_ok": good, "count": count}
        if secured.header in (nas.Header.CIPHERED, nas.Header.CIPHERED_NEW_CONTEXT) and context.ea != 0:
            facts["deciphered"] = self.trace.deciphered(frame, True, plain)
        if good:
            context.downlink, self._secure = count + 1, True
        return context, plain

    def _guess(self, secured: nas.Secured | None, plain: bytes, facts: dict[str, Any]) -> nas.Message | None:
        """What a message says that was protected under algorithms of which the UE was not told: no UE would
        believe it, even if the MAC alone verifies.
        """
        context = self.context
        if secured is None or context is None or not self.tries_algorithms:
            return None
        if facts.get("mac_ok") is True and _decoded(plain) is not None:
            return None
        bases = [base for base in (context, self._fresh) if base is not None]
        starts = [replace(base, downlink=count) for base in bases for count in (base.downlink, 0)]
        for base, ea, ia in itertools.product(starts, range(4), (1, 2, 3)):
            octets, _, good = base.under(ea, ia).open(secured)
            if good and (message := _decoded(octets)) is not None:
                facts |= {"mac_ok": False, "algorithms_tried": {"ea": ea, "ia": ia}}
                return message
        return None

    def _new_context(self, payload: bytes) -> Context | None:
        message = nas.decode(payload)
        bases = [one for one in (self._fresh, self.context) if one is not None]
        meant = [one for one in bases if message.ies.get("ng_ksi") == bytes([one.ksi])]
        base = next(iter(meant or bases), None)
        if message.name != "SECURITY MODE COMMAND" or base is None:
            return None
        algorithms = message.ies["selected_nas_security_algorithms"][0]
        return self.known(base.under(algorithms >> 4, algorithms & 0xF))

    def known(self, context: Context) -> Context:
        """Keep the keys of a context for the evidence."""
        entry = {
            "ue": self.label,
            "ea": context.ea,
            "ia": context.ia,
            "k_nas_enc": context.keys.enc.hex(),
            "k_nas_int": context.keys.int_.hex(),
        }
        if entry not in self.keys:
            self.keys.append(entry)
        return context

    def _take(self, message: nas.Message, context: Context | None) -> None:
        """Keep what a trusted message changes in the UE."""
        if message.name == nssaa.COMMAND:
            self._slice_command = message
        if message.name == "SECURITY MODE COMMAND":
            self.context = context
        elif (
            message.name in ("REGISTRATION ACCEPT", "CONFIGURATION UPDATE COMMAND") and "guti" in message.ies
        ):
            identity = nas.mobile_identity(message.ies["guti"])
            if isinstance(identity, nas.Guti):
                self.guti = identity

    # --- answers -----------------------------------------------------------------------------------------

    def _reply(self, name: str, ies: Mapping[str, bytes], facts: Mapping[str, Any] | None = None) -> Sent:
        """An answer that the AMF may want before it uses a context that the UE still has."""
        return self.send(name, ies, header=None if self._secure else nas.Header.PLAIN, facts=facts)

    def _authenticate(self, message: nas.Message) -> None:
        rand, autn = message.ies.get("rand", b""), message.ies.get("autn", b"")
        if len(rand) != 16 or len(autn) != 16:
            return
        sqn, _, good = self._milenage.open_autn(rand, autn)
        if not good:
            self.send("AUTHENTICATION FAILURE", {"mm_cause": bytes([nas.Cause.MAC_FAILURE])}, header=0)
            return
        if rand == self._rand:  # a repeat on T3560: the same answer again
            ies = {"authentication_response_parameter": self._res_star}
            self._reply("AUTHENTICATION RESPONSE", ies, {"res_star": self._res_star.hex()})
            return
        if self._ahead:  # the home network may come from anywhere: it keeps its SQN from run to run
            self._sqn = max(self._sqn, int.from_bytes(sqn)) + self._ahead
            self._ahead = 0
        if int.from_bytes(sqn) <= self._sqn:
            self.synchronise(rand)
            return
        self._sqn, self._rand = int.from_bytes(sqn), rand
        vector = self._milenage.f2345(rand)
        plmn = self.gnb.cell.plmn
        snn = kdf.serving_network_name(plmn.mcc, plmn.mnc)
        res_star = kdf.res_star(vector.ck, vector.ik, snn, rand, vector.res)
        kausf = kdf.kausf(vector.ck, vector.ik, snn, autn[:6])
        kamf = kdf.kamf(kdf.kseaf(kausf, snn), self.subscriber.supi, message.ies["abba"])
        self._fresh = Context(kamf, message.ies["ng_ksi"][0])
        if self.spoil_res_star:
            self.spoil_res_star = False
            res_star = res_star[:-1] + bytes([res_star[-1] ^ 1])
        self._res_star = res_star
        facts = {"res_star": res_star.hex(), "rand": rand.hex()}
        self._reply("AUTHENTICATION RESPONSE", {"authentication_response_parameter": res_star}, facts)

    def outrun(self) -> None:
        """Let SQN_MS be far ahead of the next challenge, wherever that is (TS 33.102 clause 6.3.3)."""
        with self._lock:
            self._ahead = AHEAD

    def synchronise(self, rand: bytes = b"", *, header: int | None = None) -> Sent:
        """AUTHENTICATION FAILURE #21 with an AUTS that is valid for this RAND (clause 5.4.1.3.7).

        Without a RAND it is the one that was answered last.
        """
        rand = rand or self._rand
        if not rand:
            raise LabError(f"{self.label} has not answered a challenge yet")
        auts = self._milenage.auts(rand, self._sqn.to_bytes(6))
        ies = {
            "mm_cause": bytes([nas.Cause.SYNCH_FAILURE]),
            "authentication_failure_parameter": auts,
        }
        facts = {"auts": auts.hex(), "rand": rand.hex()}
        return self.send("AUTHENTICATION FAILURE", ies, header=header, facts=facts)

    def _identify(self, message: nas.Message) -> None:
        if message.ies["identity_type"][0] & 7 == 1:
            self._reply("IDENTITY RESPONSE", {"mobile_identity": self.suci.encode()})

    def complete_slice_authentication(self) -> None:
        """NETWORK SLICE-SPECIFIC AUTHENTICATION COMPLETE for the last command (clause 5.4.7.2.2)."""
        with self._lock:
            if self._slice_command is None:
                raise LabError(f"{self.label} was not asked for a network slice-specific authentication")
            ies = self._slice_command.ies
            octets = nssaa.answer(ies["eap_message"], f"{self.subscriber.imsi}@slice.assay")
            if octets is not None:
                facts = nssaa.describe({"s_nssai": ies["s_nssai"], "eap_message": octets})
                answer = {"s_nssai": ies["s_nssai"], "eap_message": octets}
                self.send(nssaa.COMPLETE, answer, facts=facts)

    def _configured(self, message: nas.Message) -> None:
        indication = message.ies.get("configuration_update_indication", b"\0")[0]
        if indication & 1:  # acknowledgement requested, clause 9.11.3.18
            self.send("CONFIGURATION UPDATE COMPLETE")


def _decoded(plain: bytes) -> nas.Message | None:
    try:
        return nas.decode(plain)
    except nas.Malformed:
        return None


def describe(message: nas.Message) -> dict[str, Any]:
    """The decoded values of a downlink message that judges look at; octets as hexadecimal."""
    ies = message.ies
    facts: dict[str, Any] = {}
    if "mm_cause" in ies:
        facts["cause"] = ies["mm_cause"][0]
    if "network_feature_support" in ies:
        facts["network_feature_support"] = ies["network_feature_support"][:3].hex()
    if message.name == "SECURITY MODE COMMAND":
        algorithms = ies["selected_nas_security_algorithms"][0]
        facts |= {
            "ea": algorithms >> 4,
            "ia": algorithms & 0xF,
            "replayed_capability": ies["replayed_ue_security_capabilities"].hex(),
        }
    elif message.name == "AUTHENTICATION REQUEST":
        facts |= {name: ies.get(name, b"").hex() for name in ("rand", "autn")}
    elif message.name in ("REGISTRATION ACCEPT", "CONFIGURATION UPDATE COMMAND") and "guti" in ies:
        identity = nas.mobile_identity(ies["guti"])
        if isinstance(identity, nas.Guti):
            facts |= {"guti": identity.encode().hex(), "tmsi": f"{identity.tmsi:08x}"}
    elif message.name == "IDENTITY REQUEST":
        facts["identity_type"] = ies["identity_type"][0] & 7
    elif message.name == "DL NAS TRANSPORT" and "pdu_session_id" in ies:
        facts["pdu_session_id"] = ies["pdu_session_id"][0]
        facts["payload_container"] = ies["payload_container"][:1_000].hex()
    elif message.name == "DEREGISTRATION REQUEST (UE TERMINATED)":
        facts["deregistration_type"] = ies["deregistration_type"][0]
    return facts | nssaa.describe(ies)
