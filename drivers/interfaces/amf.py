"""What suites and drivers agree on: subscribers, replies of a product, and the bench around an AMF."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from assay.case import Control, Event, Watch

# --- what a product does is a value, never an exception -------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """An HTTP answer: status, header fields in lower case, and a body of bounded size."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Refused:
    """The product refused the connection or reset the stream; `how` names the code it gave."""

    how: str


@dataclass(frozen=True)
class Closed:
    """The product closed the connection before it answered."""


@dataclass(frozen=True)
class Silence:
    """The product gave no answer within `seconds`."""

    seconds: float


Answer = Reply | Refused | Closed | Silence


# --- subscribers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Subscriber:
    """A subscription of the lab: IMSI digits, K and OPc (16 octets each), and the AMF field of AUTN."""

    imsi: str
    k: bytes = field(repr=False)
    opc: bytes = field(repr=False)
    amf: bytes = b"\x80\x00"

    @property
    def supi(self) -> str:
        """The SUPI as the service-based interfaces spell it (TS 23.003 clause 2.2A)."""
        return f"imsi-{self.imsi}"


@dataclass(frozen=True)
class Concealment:
    """How the SUCI is concealed (TS 33.501 annex C): scheme 0 null, 1 profile A, 2 profile B."""

    scheme: int = 0
    key_id: int = 0
    home_public_key: bytes = b""


@dataclass(frozen=True)
class Capability:
    """UE security capability octets (TS 24.501 clause 9.11.3.54); None leaves the EPS octets out."""

    ea: int = 0xF0
    ia: int = 0xF0
    eea: int | None = None
    eia: int | None = None

    @property
    def bitmaps(self) -> dict[str, int]:
        """The NGAP bitmaps with the same content: one position to the left (TS 38.413 clause 9.3.1.86)."""
        octets = {"nea": self.ea, "nia": self.ia, "eea": self.eea, "eia": self.eia}
        return {name: ((octet or 0) << 1 & 0xFF) << 8 for name, octet in octets.items()}


CIOT: Mapping[str, bytes] = {
    "mm_capability": b"\x11",  # 5G-CP CIoT and S1 mode
    "update_type": b"\x14",  # control plane CIoT preferred, in EPS and in 5GS
    "s1_ue_network_capability": bytes.fromhex("f0f00000000420"),  # CP CIoT and N1 mode
}
"""What a CIoT UE announces that may also use EPC (TS 24.501 clauses 9.11.3.1, 9.11.3.9A and 9.11.3.48)."""


UP_CIOT: Mapping[str, bytes] = {
    "mm_capability": b"\x00\x02",  # 5G-UP CIoT
    "update_type": b"\x08",  # user plane CIoT preferred in 5GS
}
"""What a UE announces that uses the user plane CIoT 5GS optimisation (TS 24.501 clause 4.8.4)."""


# --- network slices ---------------------------------------------------------------------------------------

Snssai = tuple[int, int | None]
"""SST and SD of an S-NSSAI; SD is None where there is none (TS 23.003 clause 28.4.2)."""

NO_SD = 0xFFFFFF


def slice_name(snssai: Any) -> str:
    """An S-NSSAI as facts tell it, "1" or "1-0000a2", from SST and SD or from JSON ("": it is neither)."""
    if isinstance(snssai, Mapping):
        sst, text = snssai.get("sst"), snssai.get("sd")
        if not isinstance(text, str | None) or not re.fullmatch("[0-9A-Fa-f]{6}|", text or ""):
            return ""
        sd = int(text, 16) if text else None
    else:
        sst, sd = snssai
    if not isinstance(sst, int) or isinstance(sst, bool) or not 0 <= sst <= 255:
        return ""
    return str(sst) if sd in (None, NO_SD) else f"{sst}-{sd:06x}"


@dataclass(frozen=True)
class Slices:
    """The slices of the lab: `usual` is what everybody is subscribed to, `nssaa` the one that needs NSSAA."""

    usual: tuple[Snssai, ...]
    nssaa: Snssai | None = None

    @property
    def all(self) -> tuple[Snssai, ...]:
        """What gNB and AMF support."""
        return tuple(dict.fromkeys((*self.usual, *([self.nssaa] if self.nssaa else []))))

    @property
    def foreign(self) -> Snssai:
        """A slice that nobody is subscribed to, nor asks for in a registration."""
        sst = self.usual[0][0]
        return next((sst, sd) for sd in range(0xF00D01, NO_SD) if (sst, sd) not in self.all)


# --- names of events on the service-based interfaces that suites look for ------------------------------

SM_CONTEXTS = "POST /nsmf-pdusession/v1/sm-contexts"
AUTHENTICATION = "POST /nausf-auth/v1/ue-authentications"
CONFIRMATION = "PUT /nausf-auth/v1/ue-authentications/{authCtxId}/5g-aka-confirmation"
TRANSFER = "POST /namf-comm/v1/ue-contexts/{ueContextId}/n1-n2-messages"
AMF_REGISTRATION = "PUT /nudm-uecm/v1/{supi}/registrations/amf-3gpp-access"
SLICE_AUTHENTICATION = "POST /nnssaaf-nssaa/v1/slice-authentications"
SLICE_CONFIRMATION = "PUT /nnssaaf-nssaa/v1/slice-authentications/{authCtxId}"
REVOCATION = "POST {revocNotifUri}"
CREATE_UE_CONTEXT = "PUT /namf-comm/v1/ue-contexts/{ueContextId}"
UE_CONTEXT_TRANSFER = "POST /namf-comm/v1/ue-contexts/{ueContextId}/transfer"
NASC = "INTRA N1 MODE NAS TRANSPARENT CONTAINER"


# --- the bench around an AMF ------------------------------------------------------------------------------


class Timers(Protocol):
    """Upper bounds of the bench in seconds, from the catalogue or the profile."""

    @property
    def answer_s(self) -> float:
        """An answer that must come."""
        ...

    @property
    def watch_s(self) -> float:
        """How long to look for something that must not come."""
        ...

    @property
    def after_replay_s(self) -> float:
        """The same, below T3550 and T3560 (6 s, TS 24.501 table 10.2.1)."""
        ...

    @property
    def outcome_s(self) -> float:
        """A registration, from its request to accept or reject."""
        ...

    @property
    def refusal_s(self) -> float:
        """A refusal after a failed authentication, and nothing else in the same time."""
        ...

    @property
    def sbi_wait_s(self) -> float:
        """How long an AMF may wait for an SBI peer before it gives up."""
        ...

    @property
    def repeats_s(self) -> float:
        """Until the AMF gives up what it repeats: the fifth expiry of T3560 is after 30 s."""
        ...

    @property
    def hold_s(self) -> float:
        """How long a peer holds an answer back, well inside the time that an AMF waits for it."""
        ...

    @property
    def quiet_s(self) -> float:
        """Silence on N1 and N2 that ends a procedure."""
        ...

    @property
    def sbi_timeout_s(self) -> float | None:
        """The SBI response time-out that the vendor declares, if it does."""
        ...


@dataclass(frozen=True)
class Sent:
    """A NAS PDU that was sent, kept so that it can be sent again octet for octet."""

    pdu: bytes
    event: Event


class Ue(Protocol):
    """A UE that behaves by default, answers whatever the AMF starts, and misbehaves where it is told to."""

    label: str
    capability: Capability
    routing_indicator: str
    held: set[str]
    """Names of downlink messages that are not answered."""
    spoil_res_star: bool
    """Invert one bit of the next RES*."""
    also: dict[str, bytes]
    """Non-cleartext IEs of the complete REGISTRATION REQUEST, over the usual ones."""
    exposed: bool
    """Whether the plain REGISTRATION REQUEST has them as well."""
    tries_algorithms: bool
    """Read what is protected under algorithms of which the UE was not told; `algorithms_tried` names them."""
    sent: dict[str, Sent]
    """The last PDU sent under each message name since `start`."""
    mark: int
    """The place in the trace of the last `start`."""

    @property
    def uplink_count(self) -> int:
        """The next unused uplink NAS COUNT."""
        ...

    def start(
        self,
        kind: Literal["initial", "mobility", "emergency"] = "initial",
        identity: Literal["suci", "guti"] = "suci",
    ) -> None:
        """Send a plain REGISTRATION REQUEST (cleartext IEs only, ngKSI 7) on a new RRC connection."""
        ...

    def update(self) -> None:
        """Send REGISTRATION REQUEST for mobility registration updating from CM-IDLE, integrity protected."""
        ...

    def service_request(self, session: int | None = None) -> None:
        """Send SERVICE REQUEST from CM-IDLE, for signalling or for the user plane of a PDU session."""
        ...

    def session_request(self, session: int, *, s_nssai: Snssai | None = None, **how: Any) -> Sent:
        """Send UL NAS TRANSPORT with PDU SESSION ESTABLISHMENT REQUEST; `how` goes to `send`.

        `s_nssai` is by default the first slice that the UE requests in registrations.
        """
        ...

    def complete_slice_authentication(self) -> None:
        """Answer the last NETWORK SLICE-SPECIFIC AUTHENTICATION COMMAND, which was held."""
        ...

    def outrun(self) -> None:
        """Let the USIM have seen newer challenges, so that the next one is a synchronisation failure."""
        ...

    def synchronise(self, *, header: int | None = None) -> Sent:
        """Send AUTHENTICATION FAILURE #21 with an AUTS that is valid for the RAND answered last."""
        ...

    def complete_security_mode(self, *, ia: int | None = None) -> Sent:
        """Answer SECURITY MODE COMMAND; `ia` makes the MAC with another integrity algorithm."""
        ...

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
    ) -> Sent:
        """Send one message, by default with the protection in force and the next uplink COUNT."""
        ...

    def replay(self, sent: Sent) -> Sent:
        """Send a PDU again octet for octet in a new UPLINK NAS TRANSPORT."""
        ...


Confirmation = Literal["normal", "failure", "failure-with-key", "never"]
Resynchronisation = Literal["normal", "late", "never"]
SliceResult = Literal["success", "failure", "held"]


@dataclass(frozen=True)
class Loss:
    """Service that was there before the stimulus and gone after it; `wide` where other UEs feel it too."""

    what: str
    ref: str
    wide: bool = False


@dataclass(frozen=True)
class Relocation:
    """One RAN CP RELOCATION INDICATION of a UE to the second ng-eNB, and what came of it."""

    reading: str  # how the NAS-MAC was computed
    spoiled: bool  # one bit of the UL NAS MAC was inverted
    expected: str  # the DL NAS MAC, hexadecimal
    watch: Watch
    stays: bool  # the UE was still served through the first ng-eNB


@dataclass(frozen=True)
class LogRecord:
    """A line of the product's log, bounded and harmless, and when it was read by our wall clock."""

    number: int  # from 1 on, as long as the log is read
    read: float  # seconds since the epoch
    text: str


class ProductLog(Protocol):
    """What the product says, line by line, while it is read."""

    def trouble(self, mark: int) -> str:
        """Why lines after a mark may be missing (the reader ended, too many came), or empty."""
        ...

    def mark(self) -> int:
        """A place in the log: the number of the last line."""
        ...

    def since(self, mark: int) -> tuple[LogRecord, ...]:
        """The lines after a mark."""
        ...


@dataclass(frozen=True)
class LogMark:
    """A place in the product's log, and the time (our wall clock) at which it was marked."""

    line: int
    at: float


@dataclass(frozen=True)
class LogMatch:
    """A record of the kind that was looked for; its text is in the evidence only.

    `names` is true where it names the UE, None where it names none; `older` where its own time stamp is
    before the mark.
    """

    ref: str
    names: bool | None
    older: bool = False


@dataclass(frozen=True)
class Logged:
    """What the product's log says since a mark, as far as it can be read."""

    what: str
    alone: bool  # no other variant ran beside: what names no UE is this one's doing
    doubt: str  # why it proves nothing, empty where it does
    seconds: float  # how long was waited for a record
    records: int  # all that were read since the mark
    matches: tuple[LogMatch, ...]
    others: int  # records of the same kind that name another UE
    earlier: int  # records of the same kind in this variant before the mark, not of another UE
    clock_offset: float | None  # seconds from the log's own clock to ours; None where lines show no time


LogKind = Literal["capability_mismatch"]


class AmfBench(Protocol):
    """The lab around one AMF: gNB, UEs and the peers it plays, with the conventions of the catalogue."""

    timers: Timers
    slices: Slices

    def ue(self, capability: Capability = ..., *, own_ausf: bool = False) -> Ue:
        """A fresh subscriber with fresh identities; `own_ausf` routes it to the second AUSF."""
        ...

    def plays(self, *peers: str) -> bool:
        """Whether the bench plays these network functions for the product."""
        ...

    def stimulus(self) -> None:
        """Say that the stimulus of the test case comes now: service lost from here on is put down to it."""
        ...

    def wait(self, ue: Ue, *names: str, within: float, since: int | None = None) -> Event | None:
        """The first event of this UE with one of these names since a mark (default: its last `start`)."""
        ...

    def since(self, ue: Ue, mark: int | None = None) -> tuple[Event, ...]:
        """Everything of this UE since a mark (default: its last `start`)."""
        ...

    def mark(self) -> int:
        """A place in the order of events."""
        ...

    def watch(self, what: str, seconds: float, *ues: Ue, since: int) -> tuple[Watch, ...]:
        """Look at several UEs for the same `seconds` from now on; shorter only when the association is lost.

        It lasts longer where the product has needed a third of that time for an answer.

        What came `since` the mark that was taken before the stimulus belongs to it.
        """
        ...

    def outcome(self, ue: Ue) -> Event | None:
        """Wait for the end of a registration: accept, reject, release or nothing within its time."""
        ...

    def until_outcome(self, what: str, ue: Ue) -> Watch:
        """Look at a UE since its `start` until REGISTRATION ACCEPT or REJECT, or the time for it is over."""
        ...

    def until(self, what: str, ue: Ue, *names: str, within: float, since: int | None = None) -> Watch:
        """Look at a UE since a mark (default: its last `start`) until an event has one of these names."""
        ...

    def refusal(self, what: str, ue: Ue, refusals: tuple[str, ...], gave_up: tuple[str, ...]) -> Watch:
        """Look at a UE since its `start` for as long as a refusal, and anything else, may come.

        With `gave_up` (names of events) the AMF is first given the time it may wait for a silent peer.
        """
        ...

    def completes(self, ue: Ue, what: str) -> Control:
        """Control: a right SECURITY MODE COMPLETE, or where the AMF gave up a registration, is accepted."""
        ...

    def registers(self, ue: Ue, what: str) -> Control:
        """Control: the UE completes a registration and deregisters again."""
        ...

    def commanded(self, ue: Ue, what: str) -> Control:
        """Control: the UE starts a registration and gets a SECURITY MODE COMMAND whose MAC verifies."""
        ...

    def connects(self, ue: Ue, what: str) -> Control:
        """Control: the UE completes a registration, stays connected, and N1 and N2 are quiet."""
        ...

    def idles(self, ue: Ue, what: str) -> Control:
        """Control: the UE is released to CM-IDLE and keeps its context."""
        ...

    def establishes(self, ue: Ue, session: int, what: str, *, s_nssai: Snssai | None = None) -> Control:
        """Control: a PDU session request of the UE is served."""
        ...

    def returns(self, ue: Ue, what: str) -> Control:
        """Control: SERVICE REQUEST with the UE's 5G-S-TMSI from CM-IDLE is accepted."""
        ...

    def activates(self, ue: Ue, session: int, what: str) -> Control:
        """Control: a PDU session of the UE is established, with the SMF's answer and the user plane."""
        ...

    def pages(self, ue: Ue, session: int, what: str) -> Control:
        """Control: the SMF wants the user plane of an idle UE, PAGING names its 5G-S-TMSI, it comes back."""
        ...

    def suspends(self, ue: Ue, what: str) -> Control:
        """Control: the gNB suspends the UE's context: CM-IDLE with suspend (TS 23.502 clause 4.8.1)."""
        ...

    def renewal(self, ue: Ue, *, within: float, since: int) -> Event | None:
        """The first message that brings the UE a 5G-GUTI."""
        ...

    def served(self, ue: Ue, session: int, *, within: float, since: int) -> Event | None:
        """The event that shows a request for this PDU session served, at the SMF or on N1."""
        ...

    def path_switch(self, ue: Ue, session: int, what: str, capability: Capability) -> Watch:
        """Xn handover: PATH SWITCH REQUEST from the gNB that the UE is not on, until it is answered.

        `capability` is what that gNB reports. The UE stays there when the AMF acknowledges, else it returns.
        """
        ...

    def mark_log(self) -> LogMark:
        """A place in the product's log."""
        ...

    def logs(self, what: str) -> Control:
        """Control: a fresh UE registers, and the log shows a record of that time, so the reader is awake."""
        ...

    def logged(self, kind: LogKind, ue: Ue, what: str, since: LogMark) -> Logged:
        """What the log has of a kind since a mark; waits for a record of the UE as long as a watch lasts."""
        ...

    def elsewhere(self, ue: Ue, ea: int, ia: int) -> None:
        """Let a UE have been with the AMF that the bench plays on N14: fresh K_AMF, these algorithms, and one
        PDU session; it understands what comes under other ones.
        """
        ...

    def hands_over(self, ue: Ue, what: str) -> Control:
        """Control: N2 handover of such a UE, from CreateUEContext over HANDOVER REQUEST to 201."""
        ...

    def updates(self, ue: Ue, what: str) -> Control:
        """Control: mobility registration updating of such a UE from CM-IDLE, up to REGISTRATION ACCEPT."""
        ...

    def alive(self, ue: Ue, twin: Ue | None = None) -> Control:
        """Control: the liveness exchange of the conventions, after the last step.

        Where it fails for the twin as well, the stimulus is not to blame.
        """
        ...

    @property
    def readings(self) -> tuple[str, ...]:
        """Ways to read how a CP CIoT UE is authenticated (TS 33.501 clause 6.16), the likeliest first."""
        ...

    def ciot_ue(self) -> Ue:
        """A fresh CP CIoT subscriber behind the first of two NB-IoT ng-eNBs."""
        ...

    def camps(self, ue: Ue, what: str) -> Control:
        """Control: both ng-eNBs are set up, and the UE has CP CIoT accepted and is served through its own."""
        ...

    def relocate(self, ue: Ue, reading: str, *, spoiled: bool = False) -> Relocation:
        """Let the second ng-eNB ask for the UE; it goes on there when the right DL NAS MAC comes."""
        ...

    def confirmation(self, ue: Ue, how: Confirmation) -> None:
        """How the AUSF answers the next confirmation of this UE; `never` holds until `normal`."""
        ...

    def resynchronisation(self, ue: Ue, how: Resynchronisation) -> None:
        """How the AUSF answers a request to resynchronise this UE, and those for a vector that follow it.

        `late` is after `timers.hold_s`, `never` holds until `normal`.
        """
        ...

    def authenticates_slice(
        self, ue: Ue, what: str, result: SliceResult = "success", *, only: bool = False
    ) -> Control:
        """Control: the UE registers, `slices.nssaa` needs NSSAA, and this is how that ends.

        The UE is subscribed to that slice beside the usual ones, or `only` to it. With success the slice has
        come in an Allowed NSSAI; with failure EAP_FAILURE was told to the product; `held` leaves the slice
        pending and the UE's answer to the command unsent until `complete_slice_authentication`.
        """
        ...

    def allows(self, ue: Ue, what: str, *, since: int) -> Control:
        """Control: the UE is told that `slices.nssaa` is allowed."""
        ...

    def revoke(self, ue: Ue, what: str, s_nssai: Snssai, *, unknown: bool = False) -> Control:
        """Control: as NSSAAF, revoke a slice of the UE, or of an `unknown` one; the product answered at all.

        The answer is an event "<status> to `REVOCATION`". Nothing is sent to an address that is not declared.
        """
        ...

    def shares_revocation(self, ue: Ue, other: Ue) -> bool:
        """Whether the product wants revocations for both UEs at the same URI."""
        ...

    @property
    def alone(self) -> bool:
        """Whether no other variant runs beside, which a change of the product would disturb."""
        ...

    def in_force(self, name: str) -> str | None:
        """The value of a setting of the product, as declared or as last set; None when nobody knows."""
        ...

    def settings(self, name: str) -> tuple[str, ...]:
        """The values that the profile can give a setting of the product; empty when it cannot be changed."""
        ...

    def ensures(self, name: str, value: str) -> Control:
        """Control: a setting of the product has this value, as declared, or because it is set now."""
        ...

    def configure(self, name: str, value: str) -> Control:
        """Control: change a setting of the product; it is put back after the test case."""
        ...
