"""What suites and drivers agree on: subscribers, replies of a product, and the bench around an AMF."""

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


# --- names of events on the service-based interfaces that suites look for ------------------------------

SM_CONTEXTS = "POST /nsmf-pdusession/v1/sm-contexts"
CONFIRMATION = "PUT /nausf-auth/v1/ue-authentications/{authCtxId}/5g-aka-confirmation"
AMF_REGISTRATION = "PUT /nudm-uecm/v1/{supi}/registrations/amf-3gpp-access"


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

    def service_request(self, session: int | None = None) -> None:
        """Send SERVICE REQUEST from CM-IDLE, for signalling or for the user plane of a PDU session."""
        ...

    def session_request(self, session: int, **how: Any) -> Sent:
        """Send UL NAS TRANSPORT with PDU SESSION ESTABLISHMENT REQUEST; `how` goes to `send`."""
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


@dataclass(frozen=True)
class Loss:
    """Service that was there before the stimulus and gone after it."""

    what: str
    ref: str


class AmfBench(Protocol):
    """The lab around one AMF: gNB, UEs and the peers it plays, with the conventions of the catalogue."""

    timers: Timers

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

    def connects(self, ue: Ue, what: str) -> Control:
        """Control: the UE completes a registration, stays connected, and N1 and N2 are quiet."""
        ...

    def idles(self, ue: Ue, what: str) -> Control:
        """Control: the UE is released to CM-IDLE and keeps its context."""
        ...

    def establishes(self, ue: Ue, session: int, what: str) -> Control:
        """Control: a PDU session request of the UE is served."""
        ...

    def served(self, ue: Ue, session: int, *, within: float, since: int) -> Event | None:
        """The event that shows a request for this PDU session served, at the SMF or on N1."""
        ...

    def alive(self, ue: Ue, twin: Ue | None = None) -> Control:
        """Control: the liveness exchange of the conventions, after the last step.

        Where it fails for the twin as well, the stimulus is not to blame.
        """
        ...

    def confirmation(self, ue: Ue, how: Confirmation) -> None:
        """How the AUSF answers the next confirmation of this UE; `never` holds until `normal`."""
        ...

    def settings(self, name: str) -> tuple[str, ...]:
        """The values that the profile can give a setting of the product; empty when it cannot be changed."""
        ...

    def configure(self, name: str, value: str) -> Control:
        """Control: change a setting of the product; it is put back after the test case."""
        ...
