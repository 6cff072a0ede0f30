"""What suites and drivers agree on: the bench around an operating system, and what it tells."""

import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from assay.case import Control, from_json
from assay.verdict import Verdict, inconclusive
from drivers.interfaces.replies import (
    Exchange,
    Fact,
    LogCaller,
    Login,
    Ran,
    Said,
    Scan,
    SnmpReply,
    SshAlgorithms,
    SshOffer,
    SyslogRecord,
    TlsAnswer,
    Transport,
    Typed,
    Upload,
    WebLoad,
    WebReply,
)

Row = TypeVar("Row")

# --- who and where: from the declaration -------------------------------------------------------------------


class Secret:
    """A password, key or community that is in use: no record takes it, and its text is masked everywhere."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


@dataclass(frozen=True)
class Endpoint:
    """A management service of the product, as declared; `more` has what else stands there."""

    name: str
    via: str  # ssh, https, http, netconf, snmp, console, telnet, ...
    address: str = ""
    port: int = 0
    interface: str = ""  # of network.interfaces
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class User:
    """An account of the product that the harness may use; its secret stays with the bench."""

    name: str
    role: str = ""
    database: str = ""
    interfaces: tuple[str, ...] = ()  # names of endpoints; empty: all
    privileged: bool = False
    aside: bool = False  # set aside for tests that lock it or change its password


# --- what was seen -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A line of one of the product's logs, masked and bounded, with the named groups of the pattern."""

    text: str
    ref: str
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LogLines:
    """What a log has since a mark that matches a pattern; `seconds` is how long was waited for it."""

    log: str
    pattern: str
    lines: tuple[Line, ...]
    seconds: float
    ref: str
    problem: str = ""  # why it proves nothing that nothing is there


@dataclass(frozen=True)
class Restart:
    """A restart that was ordered: whether another start is really seen, and whether the product came back."""

    ran: Ran
    happened: bool
    back: bool
    saw: str
    seconds: float
    ref: str


@dataclass(frozen=True)
class Packet:
    """An IP packet as a host might send it; what is left out is what a correct one would put there.

    Octets are lower-case hexadecimal. Lengths and the checksums of IPv4, ICMP, TCP, UDP and ICMPv6 are right
    unless `bad_checksum`. The version follows from `destination`.
    """

    destination: str
    protocol: int  # of the payload; 1, 6, 17, 58, 132, ...
    payload: str  # with its own header, checksum 0
    source: str = ""  # default: the harness's address on the link
    hop_limit: int = 64
    identification: int | None = None
    options: str = ""  # IPv4, padded to whole words by the bench
    headers: tuple[tuple[int, str], ...] = ()  # IPv6 extension headers: number, octets after Hdr Ext Len
    fragment: tuple[int, bool] | None = None  # offset in octets, whether more follow
    dscp: int = 0
    link_destination: str = ""  # MAC; default: the product's on this link (or of a multicast group)
    link_source: str = ""  # MAC; default: the harness's
    vlan: int | None = None
    bad_checksum: bool = False


@dataclass(frozen=True)
class Arp:
    """An ARP packet (RFC 826) to everybody on a link: a question, or an unasked answer.

    Where sender and target are the same it is gratuitous: it tells where an address is.
    """

    sender: str
    target: str
    reply: bool = False
    hardware: str = ""  # MAC of the sender; default: the harness's


@dataclass(frozen=True)
class Document:
    """A document of the vendor as it was opened; `problem` says why it proves nothing."""

    file: str
    sha256: str
    size: int
    problem: str = ""


# --- what suites do with a product --------------------------------------------------------------------


class Shell(Protocol):
    """A session of one user on the product; it ends with its `with` block."""

    login: Login
    """How it was opened: nothing runs in it unless `login.identity` says that there is a session."""

    def run(self, command: str, *, input: str = "", within: float = 0) -> Ran:
        """Run one command and wait for its end; `within` seconds (default: the time for an answer)."""
        ...

    def type(self, text: str | Secret, *, enter: bool = True) -> bool:
        """Type on the session's terminal (`terminal=True`); False where it is gone."""
        ...

    def type_secret(self, secret: Secret) -> Typed | None:
        """Type a secret one character at a time, and tell what comes back before Enter."""
        ...

    def read(self, *patterns: str, within: float = 0) -> Said:
        """What came on the terminal until one of the expressions matches, it ends, or the time is over."""
        ...

    def sftp(self, path: str) -> Ran:
        """Read a file by SFTP in the same session."""
        ...

    def forward(self, address: str, port: int) -> Ran:
        """Have the product connect to an address of its own for this session; what comes first from it."""
        ...

    def ends(self, within: float) -> Said:
        """Send nothing and wait for the product to end the session: `ended` after `seconds`, or not."""
        ...


class Attempt(Protocol):
    """One more login on a connection that is already there."""

    def __call__(
        self, user: User | str, secret: Secret | str | None = None, *, method: str = ""
    ) -> Login: ...


class Web(Protocol):
    """A user agent with a cookie jar of its own, for one endpoint, with or without a session."""

    login: Login | None

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str | Secret] | None = None,
        body: bytes = b"",
        within: float = 0,
    ) -> WebReply:
        """One request; redirects are not followed."""
        ...

    def copy(self) -> "Web":
        """Another user agent, with a copy of the cookies."""
        ...


class Collector(Protocol):
    """A log collector of the harness; it ends with its `with` block."""

    address: str
    port: int

    def received(self, pattern: str, *, within: float = 0) -> tuple[SyslogRecord, ...]:
        """The records that match, when there is one or the time is over; all so far with `within=0`."""
        ...

    def say(self, text: str) -> None:
        """Send it a record from the harness itself, as a product would."""
        ...

    def refused(self, *, within: float = 0) -> tuple[LogCaller, ...]:
        """The connections that ended without a record, when there is one, a record came, or time is over."""
        ...


class FileServer(Protocol):
    """An SFTP server of the harness that lets everybody in; it ends with its `with` block."""

    address: str
    port: int
    key: str
    """Its host key, a line as in known_hosts without the names."""

    def uploads(self, *, within: float = 0) -> tuple[Upload, ...]:
        """The connections that have ended, when there is one or the time is over."""
        ...

    def leave(self, name: str, octets: bytes) -> None:
        """Leave a file there from the harness itself, as a product would."""
        ...

    def content(self, name: str) -> bytes:
        """What was left there under a name; empty where nothing was."""
        ...


class Reference(Protocol):
    """A Linux of the harness's own that has the product's addresses and refuses nothing."""

    def exchange(
        self, link: str, packets: Sequence[Packet | Arp] = (), *, seconds: float = 1.0, pace: float = 20.0
    ) -> Exchange: ...

    def watching(self, link: str) -> AbstractContextManager[Callable[[], Exchange]]: ...

    def flood(
        self, link: str, destination: str, port: int, *, sources: str, rate: int, seconds: float
    ) -> AbstractContextManager[Callable[[], Exchange]]: ...

    def connects(self, address: str, port: int, within: float) -> bool:
        """Whether it takes a TCP connection from the harness's own address."""
        ...


class HostBench(Protocol):
    """The harness around one operating system: what is declared of it, what it is, and what it does."""

    # what is declared

    def declared(self, key: str) -> Any:
        """A value of the declaration as plain JSON (`accounts.predefined`), None where it is not declared."""
        ...

    def endpoints(self, *via: str) -> tuple[Endpoint, ...]:
        """The management services (`oam.endpoints`), of these kinds or all."""
        ...

    def users(
        self,
        role: str = "",
        *,
        endpoint: Endpoint | None = None,
        privileged: bool | None = None,
        aside: bool | None = None,
    ) -> tuple[User, ...]:
        """The accounts that the harness may use (`accounts.test_users`) with these properties."""
        ...

    def secret(self, of: User | str = "", *, reference: str = "", text: str = "") -> Secret:
        """The password of a user, what env:NAME or file:PATH holds, or a text; else a fresh strong password.

        Whatever it is, it is masked from now on in everything that is kept.
        """
        ...

    def document(self, row: Mapping[str, Any]) -> tuple[Document, bytes]:
        """Open a declared document: its digest, compared with the declared one, and its octets."""
        ...

    def keypair(self) -> tuple[Secret, str]:
        """A fresh Ed25519 key to log in with: the private key, and the line for authorized_keys."""
        ...

    # what the product is

    def fact(self, name: str, *, fresh: bool = False) -> Fact:
        """State of the host (names in `drivers.interfaces.facts`); `fresh` where the case changed it."""
        ...

    def files(self, *paths: str) -> Fact:
        """Modes, owners and whether there is an ACL (rows `File`) of these paths, those that exist."""
        ...

    # what it does: sessions

    def login(
        self,
        endpoint: Endpoint,
        user: User | str,
        secret: Secret | str | None = None,
        *,
        method: str = "",
        source: str = "",
        new: Secret | None = None,
    ) -> Login:
        """Try to get in, do one harmless thing, and leave.

        `secret` defaults to the user's own; a plain text ("", a weak guess) is not masked. `method` is by
        default what the endpoint declares; `source` is another address of the harness; `new` answers where a
        new password is asked for during the login.
        """
        ...

    def attempts(self, endpoint: Endpoint, *, source: str = "") -> AbstractContextManager["Attempt"]:
        """One connection to an SSH server on which logins are tried one after the other."""
        ...

    def ssh_offer(self, endpoint: Endpoint, user: User | str = "") -> SshOffer:
        """What an SSH server shows before a login."""
        ...

    def ssh_algorithms(self, endpoint: Endpoint) -> SshAlgorithms:
        """What an SSH server offers to negotiate."""
        ...

    def negotiates(self, endpoint: Endpoint, offer: Mapping[str, str]) -> Login:
        """Offer an SSH server these algorithms alone ({"Ciphers": "..."}), old ones too; no secret is sent.

        "refused" where it took them and then wanted a login, "incompatible" where it took none.
        """
        ...

    def tls_offer(
        self,
        endpoint: Endpoint,
        version: str,
        suites: Sequence[str],
        *,
        groups: Sequence[str] = (),
        weak_signatures: bool = False,
    ) -> TlsAnswer:
        """Offer a TLS server one version ("SSL 3.0", "1.0", ... "1.3") and these suites alone.

        Suites have the names of IANA without TLS_; `groups` are all by default. No secret is sent.
        """
        ...

    def tls_request(self, endpoint: Endpoint, version: str, suite: str = "", group: str = "") -> WebReply:
        """Ask for the endpoint's page with this version, suite (OpenSSL's name) and group alone."""
        ...

    def plain(self, address: str, port: int, octets: bytes, *, within: float = 2.0) -> Said:
        """Send octets in clear to a port of a declared address; what came until it closed or time was over.

        `which` is 0 where a connection came about, None where none did.
        """
        ...

    def shell(
        self,
        user: User | str,
        secret: Secret | str | None = None,
        *,
        endpoint: Endpoint | None = None,
        terminal: bool = False,
    ) -> AbstractContextManager[Shell]:
        """A session of a user, by default at the first SSH service; with a `terminal` to be typed on."""
        ...

    def root(self, command: str, *, input: str = "", within: float = 0) -> Ran:
        """Run one command as root, over `platform.host_access`; what changes the product is an `act`."""
        ...

    def leave(self) -> None:
        """End the bench's own sessions: nobody of the harness is logged in until the next command."""
        ...

    def web(
        self,
        endpoint: Endpoint,
        user: User | str | None = None,
        secret: Secret | str | None = None,
        *,
        source: str = "",
        certificate: Literal["own", "none", "foreign", "expired"] = "own",
    ) -> AbstractContextManager[Web]:
        """A user agent; with a user it logs in first.

        By default it shows the certificate that the endpoint wants; `foreign` is one of an unknown issuer,
        `expired` the declared one of the right issuer.
        """
        ...

    def snmp(
        self,
        endpoint: Endpoint,
        oid: str = "1.3.6.1.2.1.1",
        *,
        user: User | str | None = None,
        secret: Secret | str | None = None,
        community: Secret | str | None = None,
        version: str = "v2c",
        walk: bool = False,
        exact: bool = False,
        value: str | None = None,
        source: str = "",
        each: float = 0,
    ) -> SnmpReply:
        """The object after this one (`exact`: this one; `walk`: all below it), or set it to `value`.

        With `each` the request is sent three times, so many seconds apart.

        With a `user` by SNMPv3, by default with the declared keys; else by `version` with a `community`.
        """
        ...

    def load(
        self, endpoint: Endpoint, path: str, *, rate: float, seconds: float, marker: str = ""
    ) -> WebLoad:
        """Ask a web service for a page without credentials, `rate` times a second within bounds."""
        ...

    # what it does: declared actions

    def act(self, key: str, which: str = "", **words: str | int | Secret) -> Ran:
        """Run a declared action (`act("accounts.create_action", "os", name="scas001")`).

        `which` names the data base, interface or type where the key holds an action for each. The words fill
        its {placeholders}. A word `user` also says who runs it, with `secret` or `old` where that user's
        password is not the declared one; else the declaration says it. Where the action declares an `undo`,
        it is run with the same words when the variant ends; `act` of that undo itself before then settles it.
        UnrestoredError stops the run where it fails.
        """
        ...

    def do(self, row: Mapping[str, Any], **words: str | int | Secret) -> Ran:
        """Do what a row of the declaration says (a function, a cell of the matrix, a trigger), as `act`."""
        ...

    def plant(self, path: str, text: str = "", *, mode: int = 0o600, owner: str = "root:root") -> Ran:
        """Put a file there as root, or a folder where the path ends with "/"; removed when the variant ends.

        A path that exists is refused.
        """
        ...

    def reboot(self, key: str = "platform.reboot_action") -> Restart:
        """Restart the product by this action and wait until it is back."""
        ...

    # what it says

    def log_mark(self, log: str) -> int:
        """A place in a log of `logs.locations`: where it ends now."""
        ...

    def logged(self, log: str, pattern: str, since: int, *, within: float = 0) -> LogLines:
        """What matches since a mark; polled until one does, or `within` (default: twice `logs.latency_s`)."""
        ...

    def collector(
        self,
        transport: Literal["udp", "tcp", "tls"] = "udp",
        *,
        address: str = "",
        port: int = 0,
        certificate: Literal["good", "foreign", "expired", "misnamed"] = "good",
    ) -> AbstractContextManager[Collector]:
        """A log collector at the harness's address.

        `foreign` shows a certificate of an unknown issuer, `expired` and `misnamed` the declared ones of the
        right issuer.
        """
        ...

    def file_server(self, *, port: int = 0) -> AbstractContextManager[FileServer]:
        """An SFTP server at the harness's address, with a host key of its own each time."""
        ...

    # what is seen from outside

    def scan(
        self,
        address: str,
        transport: Transport,
        ports: str = "1-65535",
        *,
        services: bool = False,
        source: str = "",
    ) -> Scan:
        """Scan a declared address at no more than `scan.rate_pps`; `services` also asks what is there."""
        ...

    def exchange(
        self, link: str, packets: Sequence[Packet | Arp] = (), *, seconds: float = 5.0, pace: float = 20.0
    ) -> Exchange:
        """Send packets on the harness's end of an interface, `pace` a second, and listen."""
        ...

    def watching(self, link: str) -> AbstractContextManager[Callable[[], Exchange]]:
        """Listen on a link meanwhile; what it gives tells what the product has sent there so far."""
        ...

    def carried(self, seen: Exchange, *texts: str) -> dict[str, int]:
        """How often each text is in the capture of what crossed a link, as it is and in clear.

        The exchange is one that `exchange` gave, or that `watching` gave and whose block has ended.
        """
        ...

    def flood(
        self, link: str, destination: str, port: int, *, sources: str, rate: int, seconds: float
    ) -> AbstractContextManager[Callable[[], Exchange]]:
        """Send SYN segments from the addresses of a prefix to a declared port while the block runs.

        Within the driver's bounds, and for `seconds` at most. What it gives tells how many were sent so far,
        and the first packets that the product sent.
        """
        ...

    def reference(self, *ports: int) -> AbstractContextManager[Reference]:
        """A Linux of the harness's own with the product's addresses, to try on what the product is to refuse.

        It answers, forwards and believes everything, listens at these TCP ports, and has no protection
        against floods. Nothing that is sent to it leaves the harness.
        """
        ...

    # what every case does

    def stimulus(self) -> None:
        """Say that the stimulus of the test case comes now: service lost from here on is put down to it."""
        ...

    def alive(self, what: str = "the management interface lets the administrator in") -> Control:
        """Control: a login on the management interface works."""
        ...

    def rest(self, seconds: float) -> None:
        """Let time pass that a case imposes: a lock-out, a time-out."""
        ...


# --- what judges have in common ----------------------------------------------------------------------------


def undeclared(**values: Any) -> Verdict | None:
    """INCONCLUSIVE that names what the declaration lacks: `undeclared(accounts_predefined=seen.declared)`."""
    lacking = [name.replace("_", ".", 1) for name, value in values.items() if value is None]
    return inconclusive(f"not declared: {', '.join(lacking)}") if lacking else None


def unread(*facts: Fact) -> Verdict | None:
    """INCONCLUSIVE that names the first fact that could not be got, or that is suspiciously empty."""
    for fact in facts:
        if fact.problem or fact.value is None:
            return inconclusive(f"could not be read: {fact.name}: {fact.problem or 'no way to'}", fact.ref)
        if fact.value in ([], {}, ""):
            return inconclusive(f"could not be read: {fact.name}: {fact.how} gave nothing", fact.ref)
    return None


def rows(fact: Fact, kind: type[Row]) -> tuple[Row, ...]:
    """The value of a fact as rows of a dataclass; none where there is no value."""
    found: tuple[Row, ...] = from_json(types.GenericAlias(tuple, (kind, ...)), list(fact.value or ()))
    return found


def got_in(what: str, *logins: Login) -> Control:
    """Control: these logins work."""
    bad = next((one for one in logins if one.outcome != "in" or one.wants_new_password), None)
    slowest = max((one.seconds for one in logins), default=0.0)
    if bad is not None:
        saw = f"{bad.user} at {bad.endpoint}: {bad.outcome} {bad.said}".strip()
        return Control(what, False, saw, slowest, (bad.ref,))
    return Control(what, bool(logins), f"{len(logins)} logins", slowest, tuple(one.ref for one in logins))


def did(what: str, *runs: Ran) -> Control:
    """Control: these commands or actions ended well."""
    bad = next((one for one in runs if not one.ok), None)
    slowest = max((one.seconds for one in runs), default=0.0)
    if bad is not None:
        said = bad.problem or next(iter(reversed((bad.err or bad.out).strip().splitlines())), "")
        why = "did not end" if bad.status is None else f"ended with {bad.status}"
        return Control(what, False, f"{bad.command}: {why}: {said}", slowest, (bad.ref,))
    return Control(what, bool(runs), f"{len(runs)} actions", slowest, tuple(one.ref for one in runs))
