"""A load generator: one gNB whose UEs register by the thousand, so that the AMF is what gives in first."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from assay.errors import LabError
from drivers import sctp
from drivers.codecs import kdf, nas, ngap, ngap_bytes
from drivers.codecs.milenage import Milenage
from drivers.interfaces import Subscriber
from drivers.n2 import Cell
from drivers.ue import FOLLOW_ON, KINDS, NO_KEY, Context

QUIET_S = 0.3  # silence after which the AMF has nothing more to say
# an AMF with more to do than it can is slow, not dead: some 20 s until it is given up
PATIENT = sctp.Timers(
    rto_initial=500, rto_max=2000, heartbeat=5000, path_retransmissions=5, association_retransmissions=10
)
CAPABILITY = nas.SecurityCapability(0xF0, 0xF0)


@dataclass(frozen=True)
class Load:
    """What came of many registrations; times in seconds.

    A registration is complete when REGISTRATION ACCEPT verified and REGISTRATION COMPLETE was sent. `failed`
    counts UEs by what went wrong, `ignored` messages by name that a UE or gNB does not act on. `cpu` is the
    processor time of the thread that was gNB and UEs, `latencies` lists in order how long each complete
    registration took from INITIAL UE MESSAGE to REGISTRATION ACCEPT.
    """

    completed: int = 0
    deregistered: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    ignored: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu: float = 0.0
    latencies: tuple[float, ...] = field(default=(), repr=False)

    @property
    def rate(self) -> float:
        """Complete registrations a second."""
        return self.completed / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """The latency that a share of 0..1 of the complete registrations did not exceed; 0 without any."""
        last = len(self.latencies) - 1
        return self.latencies[min(int(share * (last + 1)), last)] if self.latencies else 0.0


def register(
    amf: sctp.Address,
    cell: Cell,
    subscribers: Iterable[Subscriber],
    *,
    in_flight: int,
    each_s: float,
    within: float,
    deregister: bool = False,
    local: str | None = None,
    udp: sctp.Udp | None = None,
) -> Load:
    """Register each subscriber once, `in_flight` of them at a time, over an association of its own.

    A UE gives up `each_s` after its registration request, and after its deregistration request; `within`
    bounds it all, from when the association stands. What the AMF does is counted, never raised. The identity
    of the gNB (`cell.gnb_id`) must not be one that the AMF knows already.
    """
    waiting = list(subscribers)
    try:
        association = sctp.connect(
            amf, local=(local, 0) if local else None, udp=udp, timeout=each_s, timers=PATIENT
        )
    except sctp.Unreachable as error:
        return Load(failed={str(error): len(waiting)})
    with association:
        return _Gnb(association, cell, each_s, deregister).run(waiting, in_flight, within)


@lru_cache(maxsize=64)
def _milenage(k: bytes, opc: bytes) -> Milenage:
    return Milenage(k, opc)  # the subscribers of a lab share one key


class _Around:
    """A plain NAS message with room for a value of so many octets: what stands before it and after it."""

    def __init__(self, size: int, build: Callable[[bytes], bytes]) -> None:
        mark = b"\xaa" * size
        self._before, self._after = build(mark).split(mark)

    def fill(self, value: bytes) -> bytes:
        """The message with this value."""
        return self._before + value + self._after


class _Ue:
    """A UE that does what it is asked; `stage` is "registering", "leaving" or "over"."""

    __slots__ = (
        "amf", "amf_id", "began", "complete", "context", "deadline", "fresh", "last", "ran", "ran_id", "rand",
        "res_star", "stage", "stream", "subscriber", "suci",
    )  # fmt: skip

    def __init__(self, subscriber: Subscriber, ran_id: int, stream: int) -> None:
        self.subscriber, self.ran_id, self.stream = subscriber, ran_id, stream
        self.suci = self.complete = b""  # what is sent later of what is built at the beginning
        self.amf_id = -1  # until the AMF gives one
        self.amf, self.ran = b"", ngap_bytes.ran_ue_ngap_id(ran_id)  # the two identities encoded
        self.context: Context | None = None
        self.fresh: Context | None = None  # made by an authentication, not yet taken into use
        self.rand = self.res_star = b""
        self.stage = "registering"
        self.last = "REGISTRATION REQUEST"  # what it has sent last
        self.began = self.deadline = 0.0


class _Gnb:
    """The gNB and its UEs: one thread, which receives a message, answers it, and goes on."""

    def __init__(self, association: sctp.Association, cell: Cell, each_s: float, leave: bool) -> None:
        self._association, self._cell, self._each_s, self._leave = association, cell, each_s, leave
        self._plmn = cell.plmn
        self._network = kdf.serving_network_name(cell.plmn.mcc, cell.plmn.mnc)
        self._of_msin: dict[int, tuple[_Around, _Around, _Around]] = {}  # by its octets
        answer = "authentication_response_parameter"
        self._response = _Around(16, lambda mark: nas.encode("AUTHENTICATION RESPONSE", {answer: mark}))
        place = (cell.plmn, cell.tac, cell.nr_cell)
        self._initial = ngap_bytes.Template(ngap.initial_ue_message(0, b"", *place))
        self._transport = ngap_bytes.Template(ngap.uplink_nas_transport(0, 0, b"", *place))
        self._set_up = ngap_bytes.Template(ngap.initial_context_setup_response(0, 0))
        self._released = ngap_bytes.Template(ngap.ue_context_release_complete(0, 0))
        self._ids = itertools.count(1)
        self._ues: dict[int, _Ue] = {}
        self._busy: dict[int, _Ue] = {}  # by RAN UE NGAP ID, the next to give up first
        self._failed: Counter[str] = Counter()
        self._ignored: Counter[str] = Counter()
        self._latencies: list[float] = []
        self._deregistered = 0
        self._ended = 0.0

    def run(self, subscribers: list[Subscriber], in_flight: int, within: float) -> Load:
        """Set up the NG interface, register them all, and count."""
        end = time.monotonic() + within
        try:
            refused = self._ng_setup(min(end, time.monotonic() + self._each_s))
        except LabError as error:
            refused = str(error)
        if refused:
            return Load(failed={refused: len(subscribers)}, ignored=dict(self._ignored))
        left = iter(subscribers)
        self._ended = began = time.monotonic()
        cpu = time.thread_time()
        try:
            why = self._serve(left, in_flight, end)
        except LabError as error:
            why = str(error)
        for _ in self._busy:
            self._failed[why] += 1
        if never := sum(1 for _ in left):
            self._failed[f"not begun: {why}"] += never
        return Load(
            len(self._latencies),
            self._deregistered,
            dict(self._failed),
            dict(self._ignored),
            self._ended - began,
            time.thread_time() - cpu,
            tuple(sorted(self._latencies)),
        )

    def _ng_setup(self, end: float) -> str:
        cell = self._cell
        request = ngap.ng_setup_request(cell.gnb_id, "assay-load", cell.plmn, cell.tac, cell.slices)
        self._association.send(ngap.encode(request))
        while (rest := end - time.monotonic()) > 0:
            got = self._association.receive(rest)
            if isinstance(got, sctp.Ended):
                return f"the association ended: {got.value}"
            try:
                title = ngap_bytes.read(got.data).title if got is not None else ""
            except ngap.Malformed:
                title = "UNDECODABLE NGAP"
            if title == "NG SETUP RESPONSE":
                return ""
            if title == "NG SETUP FAILURE":
                return title
            if title:
                self._ignored[title] += 1
        return "no NG SETUP RESPONSE"

    def _serve(self, left: Iterator[Subscriber], in_flight: int, end: float) -> str:
        """Until all are done, and the AMF has nothing more to say to them; why it ended earlier."""
        more = True
        while (now := time.monotonic()) < end:
            self._give_up(now)
            while more and len(self._busy) < in_flight:
                subscriber = next(left, None)
                more = subscriber is not None
                if subscriber is not None:
                    self._begin(subscriber)
            got = self._association.receive(QUIET_S)
            if isinstance(got, sctp.Ended):
                return f"the association ended: {got.value}"
            if got is not None:
                self._receive(got.data)
            elif not self._busy:
                return ""
        return "the time was over"

    def _give_up(self, now: float) -> None:
        while self._busy:
            ue = next(iter(self._busy.values()))
            if ue.deadline > now:
                return
            self._fail(ue, f"nothing came of {ue.last} in {self._each_s:g} s")

    def _begin(self, subscriber: Subscriber) -> None:
        ran_id, streams = next(self._ids), self._association.streams
        msin = nas.msin_bcd(subscriber.imsi[len(self._plmn.mcc + self._plmn.mnc) :])
        suci, request, complete = self._built(len(msin))
        ue = _Ue(subscriber, ran_id, 1 + ran_id % (streams - 1) if streams > 1 else 0)
        ue.suci, ue.complete, plain = suci.fill(msin), complete.fill(msin), request.fill(msin)
        self._ues[ran_id] = self._busy[ran_id] = ue
        ue.began = time.monotonic()
        ue.deadline = ue.began + self._each_s
        self._send(ue, self._initial.fill(ue.ran, ngap_bytes.nas_pdu(plain)))

    def _built(self, size: int) -> tuple[_Around, _Around, _Around]:
        """SUCI, REGISTRATION REQUEST and SECURITY MODE COMPLETE around an MSIN of so many octets."""
        if size not in self._of_msin:
            cleartext = {
                "registration_type": bytes((FOLLOW_ON | KINDS["initial"],)),
                "ng_ksi": bytes((NO_KEY,)),
                "ue_security_capability": CAPABILITY.encode(),
            }
            others = {"mm_capability": b"\0", "requested_nssai": nas.encode_nssai(self._cell.slices)}

            def suci(msin: bytes) -> bytes:
                return nas.Suci(self._plmn, "0", 0, 0, msin).encode()

            def request(msin: bytes, **more: bytes) -> bytes:
                ies = {**cleartext, "mobile_identity": suci(msin), **more}
                return nas.encode("REGISTRATION REQUEST", ies)

            def complete(msin: bytes) -> bytes:
                container = {"nas_message_container": request(msin, **others)}
                return nas.encode("SECURITY MODE COMPLETE", container)

            self._of_msin[size] = (_Around(size, suci), _Around(size, request), _Around(size, complete))
        return self._of_msin[size]

    def _fail(self, ue: _Ue, how: str) -> None:
        if ue.stage in ("registering", "leaving"):
            self._failed[how] += 1
            self._over(ue)

    def _over(self, ue: _Ue) -> None:
        ue.stage, self._ended = "over", time.monotonic()
        self._busy.pop(ue.ran_id, None)

    # --- N2 ----------------------------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        try:
            message = ngap_bytes.read(data)
            ue = self._ues.get(message.ran_id) if message.ran_id is not None else None
            if ue is None:
                self._ignored[message.title] += 1
            else:
                self._associated(ue, message)
        except ngap.Malformed:
            self._ignored["UNDECODABLE NGAP"] += 1
        except nas.Malformed:
            self._ignored["UNDECODABLE NAS"] += 1
        except (ValueError, LookupError):  # decodable as a whole, and nonsense in one of its IEs
            self._ignored["NONSENSE"] += 1

    def _associated(self, ue: _Ue, message: ngap_bytes.Downlink) -> None:
        """Serve a message for a UE, and the NAS message in it."""
        title = message.title
        if message.amf_id is not None and message.amf_id != ue.amf_id:
            ue.amf_id, ue.amf = message.amf_id, ngap_bytes.amf_ue_ngap_id(message.amf_id)
        if title == "ERROR INDICATION" or not ue.amf:
            self._fail(ue, f"{title} after {ue.last}")
            return
        if title == "UE CONTEXT RELEASE COMMAND":
            self._send(ue, self._released.fill(ue.amf, ue.ran))
            del self._ues[ue.ran_id]
            self._fail(ue, f"{title} after {ue.last}")
            return
        if title == "INITIAL CONTEXT SETUP REQUEST":
            self._send(ue, self._set_up.fill(ue.amf, ue.ran))
        elif title != "DOWNLINK NAS TRANSPORT":
            self._ignored[title] += 1
        if message.nas is not None:
            self._nas(ue, message.nas)

    def _send(self, ue: _Ue, data: bytes) -> None:
        self._association.send(data, stream=ue.stream)

    def _uplink(self, ue: _Ue, name: str, plain: bytes, header: int = nas.Header.CIPHERED) -> None:
        """Send a NAS message, protected once there is a security context."""
        pdu = plain
        if ue.context is not None:
            pdu = ue.context.seal(header, ue.context.uplink, pdu)
            ue.context.uplink += 1
        ue.last = name
        self._send(ue, self._transport.fill(ue.amf, ue.ran, ngap_bytes.nas_pdu(pdu)))

    def _say(self, ue: _Ue, name: str, ies: Mapping[str, bytes] = MappingProxyType({})) -> None:
        self._uplink(ue, name, nas.encode(name, ies))

    # --- N1 ----------------------------------------------------------------------------------------------

    def _nas(self, ue: _Ue, octets: bytes) -> None:
        secured = nas.unwrap(octets)
        if secured is None:
            message = nas.decode(octets)
            if ue.context is not None:  # TS 24.501 clause 4.4.4.2
                self._ignored[f"{message.name}, plain"] += 1
            else:
                self._act(ue, message)
        elif secured.header == nas.Header.NEW_CONTEXT:
            self._take_into_use(ue, secured)
        elif ue.context is not None:
            plain, count, good = ue.context.open(secured)
            if good:
                ue.context.downlink = count + 1
                self._act(ue, nas.decode(plain))
            else:
                self._ignored["NAS message whose MAC does not verify"] += 1

    def _act(self, ue: _Ue, message: nas.Message) -> None:
        name, ies = message.name, message.ies
        match name:
            case "AUTHENTICATION REQUEST":
                self._authenticate(ue, ies)
            case "REGISTRATION ACCEPT" if ue.context is not None:
                self._accepted(ue, ies)
            case "REGISTRATION REJECT":
                self._fail(ue, f"{name}, cause {ies['mm_cause'][0]}")
            case "AUTHENTICATION REJECT":
                self._fail(ue, name)
            case "IDENTITY REQUEST":
                self._say(ue, "IDENTITY RESPONSE", {"mobile_identity": ue.suci})
            case "CONFIGURATION UPDATE COMMAND":
                # acknowledgement requested, TS 24.501 clause 9.11.3.18
                if ies.get("configuration_update_indication", b"\0")[0] & 1:
                    self._say(ue, "CONFIGURATION UPDATE COMPLETE")
            case "DEREGISTRATION ACCEPT (UE ORIGINATING)" if ue.stage == "leaving":
                self._deregistered += 1
                self._over(ue)
            case _:
                self._ignored[name] += 1

    def _authenticate(self, ue: _Ue, ies: Mapping[str, bytes]) -> None:
        """5G AKA (TS 33.501 clause 6.1.3.2); a repeated request gets the same answer."""
        rand, autn = ies["rand"], ies["autn"]
        if rand != ue.rand:
            milenage = _milenage(ue.subscriber.k, ue.subscriber.opc)
            _, _, good = milenage.open_autn(rand, autn)
            if not good:
                self._fail(ue, "AUTHENTICATION REQUEST with a wrong MAC in AUTN")
                return
            vector, network = milenage.f2345(rand), self._network
            kausf = kdf.kausf(vector.ck, vector.ik, network, autn[:6])
            kamf = kdf.kamf(kdf.kseaf(kausf, network), ue.subscriber.supi, ies["abba"])
            ue.fresh, ue.rand = Context(kamf, ies["ng_ksi"][0]), rand
            ue.res_star = kdf.res_star(vector.ck, vector.ik, network, rand, vector.res)
        self._uplink(ue, "AUTHENTICATION RESPONSE", self._response.fill(ue.res_star))

    def _take_into_use(self, ue: _Ue, secured: nas.Secured) -> None:
        """The security mode procedure (TS 24.501 clause 5.4.2), with the whole request in the answer."""
        ies = nas.decode(secured.payload).ies
        algorithms, base = ies["selected_nas_security_algorithms"][0], ue.fresh
        if base is None:
            self._ignored["SECURITY MODE COMMAND"] += 1
            return
        context = Context(base.kamf, base.ksi, algorithms >> 4, algorithms & 0xF)
        try:
            _, count, good = context.open(secured)
        except ValueError:  # an algorithm that nobody has
            good = False
        if not good or not context.ia:
            self._fail(ue, "SECURITY MODE COMMAND with a wrong MAC")
            return
        context.downlink = count + 1
        ue.context = context
        self._uplink(ue, "SECURITY MODE COMPLETE", ue.complete, nas.Header.CIPHERED_NEW_CONTEXT)

    def _accepted(self, ue: _Ue, ies: Mapping[str, bytes]) -> None:
        now = time.monotonic()
        ue.fresh = None
        self._say(ue, "REGISTRATION COMPLETE")
        if ue.stage != "registering":  # a repetition
            return
        self._latencies.append(now - ue.began)
        self._over(ue)
        if self._leave and ue.context is not None:
            ue.stage, ue.deadline = "leaving", now + self._each_s
            self._busy[ue.ran_id] = ue
            identity = ies.get("guti", ue.suci)
            ksi = bytes((ue.context.ksi,))
            leave = {"deregistration_type": b"\1", "ng_ksi": ksi, "mobile_identity": identity}
            self._say(ue, "DEREGISTRATION REQUEST (UE ORIGINATING)", leave)
