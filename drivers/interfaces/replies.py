"""What the drivers of a host bring back: typed, frozen, bounded, and fit for a record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# `ref` names the evidence; the bench fills it, drivers leave it empty. Text is printable and bounded, and no
# secret that was sent is in it.

# --- ssh, console -------------------------------------------------------------------------------------------

Outcome = Literal["in", "refused", "closed", "silence", "untrusted", "incompatible"]
"""How a login ended: `untrusted` where the peer's key or certificate is not the declared one (no secret was
sent), `incompatible` where both have no algorithm in common."""


@dataclass(frozen=True)
class Prompt:
    """A question of the product, and whether it lets the answer be seen."""

    text: str
    echo: bool


@dataclass(frozen=True)
class HostKey:
    """The key by which a product proves itself; the fingerprint is OpenSSH's `SHA256:...`."""

    kind: str
    fingerprint: str


@dataclass(frozen=True)
class SshOffer:
    """What an SSH server shows before a login; `methods` are those it offers to this user name."""

    outcome: Outcome  # "refused" is the usual one: `none` was refused
    said: str
    version: str
    host_key: HostKey | None
    methods: tuple[str, ...]
    banner: str
    seconds: float
    ref: str = ""


@dataclass(frozen=True)
class SshAlgorithms:
    """The lists of a server's KEXINIT (RFC 4253 clause 7.1); `problem` says why there are none."""

    version: str
    kex: tuple[str, ...]
    host_keys: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]
    compression: tuple[str, ...]
    problem: str = ""
    ref: str = ""


@dataclass(frozen=True)
class Login:
    """One attempt to log in; `seconds` runs from the secret to the answer."""

    outcome: Outcome
    said: str = ""
    seconds: float = 0.0
    method: str = ""
    methods: tuple[str, ...] = ()  # still offered after a refusal
    prompts: tuple[Prompt, ...] = ()
    wants_new_password: bool = False
    banner: str = ""
    host_key: HostKey | None = None
    ref: str = ""
    endpoint: str = ""  # these are the bench's: where, who, from which address of the harness, and when
    user: str = ""
    source: str = ""
    at: float = 0.0  # when it was decided, in seconds since the variant began
    identity: str = ""  # as whom the session sees itself


@dataclass(frozen=True)
class Ran:
    """A command that ran; `status` is None where none came, and `problem` says why."""

    status: int | None
    out: str
    err: str
    cut: bool  # there was more output than is kept
    seconds: float
    problem: str = ""
    ref: str = ""
    command: str = ""  # these are the bench's
    at: float = 0.0  # when it ended, in seconds since the variant began

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0, its output is whole, and its action found no fault with it."""
        return self.status == 0 and not self.cut and not self.problem


@dataclass(frozen=True)
class Said:
    """What came on a terminal: which of the expected patterns, and all text up to its end.

    `which` is None where none came: then `ended` says whether the terminal closed or time ran out.
    """

    which: int | None
    text: str
    ended: bool
    seconds: float
    ref: str = ""


@dataclass(frozen=True)
class Typed:
    """A secret typed one character at a time: how many characters, and how many of them came back in order.

    `other` is what else came back ("********"); `echo` is the terminal's flag where it can be seen.
    """

    length: int
    shown: int
    other: str
    echo: bool | None = None
    ref: str = ""


# --- snmp ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SnmpReply:
    """An answer to one SNMP request or walk: object identifiers and values as text."""

    outcome: Literal["answered", "refused", "silence"]
    said: str  # error status or report ("noAccess", "unknownUserName", ...)
    values: tuple[tuple[str, str], ...]
    whole: bool  # a walk reached its end
    seconds: float
    ref: str = ""


# --- web ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WebReply:
    """An answer over HTTP or HTTPS; header names are in lower case, the body is bounded."""

    outcome: Literal["answered", "refused", "closed", "silence", "untrusted"]
    said: str
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    cut: bool = False
    cookies: tuple[tuple[str, str], ...] = ()  # name and attributes; values are secrets
    tls: str = ""  # version and cipher suite
    certificate: str = ""  # SHA-256 of the peer's certificate, hexadecimal
    seconds: float = 0.0
    ref: str = ""
    public_key: str = ""  # SHA-256 of its SubjectPublicKeyInfo


@dataclass(frozen=True)
class WebLoad:
    """Requests at a steady rate: how many were sent, and came to what.

    `told` counts answers by status, and what had none as "lost"; `served` are those with the marker.
    """

    sent: int
    told: Mapping[str, int]
    served: int
    seconds: float
    rate: float  # requests a second that were sent
    ref: str = ""


@dataclass(frozen=True)
class TlsAnswer:
    """What a server makes of one offer of TLS.

    `chosen` where it sent a ServerHello, with the version, the suite (as IANA names it, without TLS_), the
    hash of its signature (TLS 1.2) and the size of its finite-field group; empty or 0 where it did not tell.
    """

    outcome: Literal["chosen", "alert", "closed", "silence", "nonsense"]
    said: str
    version: str = ""
    suite: str = ""
    signature: str = ""
    dh_bits: int = 0
    seconds: float = 0.0
    ref: str = ""


# --- syslog -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SyslogRecord:
    """A record that a product sent (RFC 5424, RFC 3164), and when it came by our wall clock."""

    number: int
    at: float
    transport: Literal["udp", "tcp", "tls"]
    peer: str
    subject: str  # of the client's certificate
    priority: int | None
    text: str


@dataclass(frozen=True)
class LogCaller:
    """A connection to a log collector that has ended: how far the handshake came, and what was sent on it."""

    peer: str
    tls: str  # the version that was agreed; empty where the handshake did not come to its end
    octets: int  # of records
    ended: str  # why


@dataclass(frozen=True)
class Upload:
    """A connection of a product to a file server of the harness.

    `tried` names the ways in which it proved itself, `files` what it left there with size and SHA-256.
    """

    peer: str
    version: str  # its identification string
    tried: tuple[str, ...]
    files: tuple[tuple[str, int, str], ...]
    ended: str = ""  # why it could not be served


# --- port scan ----------------------------------------------------------------------------------------------

Transport = Literal["tcp", "udp", "sctp", "ip"]


@dataclass(frozen=True)
class Port:
    """A port (or IP protocol) that is not closed, and what answers there as far as it says."""

    transport: Transport
    number: int
    state: str  # "open", "filtered", "open|filtered"
    reason: str
    service: str = ""
    product: str = ""
    probe: str = ""  # the protocol probe that was answered, where one was needed


@dataclass(frozen=True)
class Scan:
    """A finished scan of one address; `problem` says why it proves nothing.

    `others` counts, for each state, the ports that are not closed and that the scanner does not list;
    `silent` those of all ports from which nothing came, not even a refusal.
    """

    address: str
    transport: Transport
    scanned: int
    ports: tuple[Port, ...]
    closed: int
    seconds: float
    problem: str = ""
    others: Mapping[str, int] = field(default_factory=dict)
    silent: int = 0
    ref: str = ""


# --- raw packets --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """A packet that answers one of ours, or that matched what was watched for."""

    at: float  # seconds since the first packet was sent
    source: str
    kind: str  # "echo-reply", "icmp 3/13", "tcp SA", ...
    summary: str
    frame: int  # its number in the capture
    facts: Mapping[str, Any] = field(default_factory=dict)  # addresses, ports, MACs, what an error quotes


@dataclass(frozen=True)
class Exchange:
    """Packets that were sent, and the packets of the product that came."""

    what: str
    sent: int
    heard: tuple[Heard, ...]
    seconds: float
    cut: bool = False  # more came than was kept
    problem: str = ""
    ref: str = ""


# --- facts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """A piece of the host's state: how it was read, and its value; None where it cannot be had.

    `how` names the way that worked; `problem` tells each way that did not.
    """

    name: str
    how: str
    value: Any
    problem: str = ""
    ref: str = ""


@dataclass(frozen=True)
class Evidence:
    """A command that was run for facts, with what it said; secrets are taken out."""

    command: str
    status: int | None
    output: str
    cut: bool
    seconds: float
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """All facts of one bounded pass, and the commands behind them."""

    facts: Mapping[str, Fact] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    connections: int = 0
    seconds: float = 0.0
