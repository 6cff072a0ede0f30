"""The shapes that a vendor's declaration is made of: actions, endpoints, documents, and rows of its lists."""

import re
from ipaddress import ip_address, ip_interface
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _address(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        raise ValueError("this is no IPv4 or IPv6 address, and no host name may stand here") from None
    return value


def _interface(value: str) -> str:
    try:
        ip_interface(value)
    except ValueError:
        raise ValueError("this is no address with its prefix length, like 192.0.2.10/24") from None
    return value


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return value


def reference(value: str) -> str:
    """A reference to a secret, or ValueError."""
    if not re.fullmatch(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)", value):
        raise ValueError("a secret never stands in a profile: write env:NAME or file:PATH")
    return value


Address = Annotated[str, AfterValidator(_address), Field(description="an IPv4 or IPv6 address, no host name")]
Network = Annotated[str, AfterValidator(_interface), Field(description="an address with its prefix length")]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Percent = Annotated[float, Field(gt=0, le=100)]
Count = Annotated[int, Field(ge=0)]
Expression = Annotated[str, AfterValidator(_expression), Field(max_length=500)]
TextRef = Annotated[
    str, AfterValidator(reference), Field(description="env:NAME or file:PATH (beside the profile), text")
]
Path = Annotated[str, Field(min_length=1, max_length=4096)]
Texts = tuple[str, ...]


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(Shape):
    """One turn of a dialogue: what the product asks, and what is answered."""

    expect: Expression
    send: str = Field(description="text with {placeholders}; secrets are given as {old}, {new}, {secret}")


class Action(Shape):
    """Something the harness may invoke; nothing else may change the product."""

    via: str = Field("ssh", description="ssh, https, netconf, snmp, console, redfish, qmp, harness, ...")
    endpoint: str | None = Field(None, description="name of an entry of oam.endpoints")
    run: str | None = Field(None, description="a command with {placeholders}")
    input: str | None = Field(None, description="what the command reads, with {placeholders}")
    request: str | None = Field(None, description="METHOD /path with {placeholders}")
    body: Any = None
    fields: dict[str, str] | None = None
    expect: str | int | None = Field(None, description="a text in its output, or an HTTP status")
    parse: str | None = Field(None, description="how its output is read: passwd, dpkg, a regular expression")
    format: str | None = None
    dialogue: tuple[Step, ...] = ()
    undo: str | None = Field(None, description="another action's key, or a command, that puts it back")
    user: str | None = Field(None, description="who runs it; default: the administrator")
    within_s: Seconds | None = None
    proof: str | None = Field(None, description="where a restart shows: boot_id, or a command")
    marker_field: str | None = None
    refused: str | None = Field(None, description="a text in its output that says that it was refused")


def _actions(value: Any) -> Any:
    """A single action, or a bare command, where there could be one for each data base or interface."""
    if isinstance(value, str):
        return {"": {"run": value}}
    if isinstance(value, dict) and ("run" in value or "request" in value or "dialogue" in value):
        return {"": value}
    if isinstance(value, dict):
        return {name: {"run": one} if isinstance(one, str) else one for name, one in value.items()}
    return value


Actions = Annotated[dict[str, Action], BeforeValidator(_actions), Field(description="an action, or one each")]


class NamedAction(Action):
    """A function of the product with the way to call it."""

    name: str
    log: str | None = None


class Endpoint(Shape):
    """A service of the product that the harness may contact."""

    name: str = ""
    via: str = Field("", description="ssh, https, http, netconf, snmp, console, serial, tcp, redfish, ...")
    address: Address | None = None
    port: Port | None = None
    interface: str | None = Field(None, description="name of an entry of network.interfaces")
    path: str | None = Field(None, description="a device")
    baud: int | None = None
    url: str | None = None
    login: dict[str, Any] | None = Field(None, description="how a session is opened: request, fields, marker")
    host_key: str | None = Field(None, description="SHA256:... or a known_hosts file beside the profile")
    ca: str | None = Field(None, description="a PEM file beside the profile")
    profile: str | None = Field(None, description="name of an entry of oam.security_profile")
    server_proof: str | None = None
    client_proof: Texts = ()
    users: str | None = None
    secret: TextRef | None = None
    communities: tuple[TextRef, ...] = Field((), description="of SNMPv1 and v2c, where there are any")
    prompt: Expression | None = Field(None, description="what its shell or console shows when it waits")
    peers: Texts = ()


class Entry(Shape):
    """A way in to a function, for persons or machines."""

    name: str
    via: str = ""
    endpoint: str | None = Field(None, description="name of an entry of oam.endpoints")
    users: str | None = Field(None, description="person or machine")
    method: str | None = Field(None, description="how who comes in proves who it is")
    peer: str | None = None


class Document(Shape):
    """A document of the vendor, found again by its digest."""

    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="left out only where the file is made anew with each product"
    )
    page: str | int | None = None
    items: dict[str, str | int] = {}
    topics: dict[str, str | int] = {}
    topic: str | None = None
    account: str | None = None
    component: str | None = None
    until: str | None = None
    format: str | None = None
    version: str | None = None
    signer: str | None = None
    former: str | None = Field(None, description="file of the release before, to go back to")


class Reasoned(BaseModel):
    """An exception with its reason, which a tester accepts once, when the profile is accepted."""

    model_config = ConfigDict(frozen=True, extra="allow")
    reason: Annotated[str, Field(min_length=3)]


Row = Annotated[dict[str, Any], Field(min_length=1)]


class Database(Shape):
    """A data base of users."""

    name: str
    kind: str = ""
    serves: Texts = Field((), description="names of endpoints")
    local: bool = True
    store: tuple[Path, ...] = ()
    scheme: str | None = None


class Predefined(Shape):
    """An account that is there on delivery."""

    name: str
    database: str = "os"
    state: Literal["active", "disabled", "locked", "no-credential", "absent"]
    holder: str | None = Field(None, description="one person, application or system")
    shared: bool = False
    reason: str | None = None
    secret: TextRef | None = None
    methods: Texts = ()
    interfaces: Texts = ()
    role: str | None = None


class TestUser(Shape):
    """An account for the harness."""

    __test__ = False

    name: str
    role: str = "operator"
    database: str = "os"
    interfaces: Texts = Field((), description="names of endpoints; left out: all")
    secret: TextRef | None = None
    key: TextRef | None = Field(None, description="a private key in OpenSSH's format")
    privileged: bool = Field(False, description="true for an administrator")
    aside: bool = Field(False, description="true: may be locked out, and its password changed")

    @model_validator(mode="after")
    def _can_log_in(self) -> "TestUser":
        if self.secret is None and self.key is None:
            raise ValueError(f"{self.name}: give a secret or a key")
        return self


class HostAccess(Shape):
    """What the harness can read inside the product."""

    kind: Literal["root-shell", "show-commands", "none"]
    via: str = "ssh"
    endpoint: str | None = None
    user: str | None = Field(None, description="name of an entry of accounts.test_users")
    become: str | None = Field(None, description="how that user runs a command as root: sudo -n")
    become_password: bool = Field(False, description="true: it reads that user's password (sudo -S -p '')")
    init: str | None = None
    commands: dict[str, Action] = Field({}, description="how a fact is got where the usual ways do not do")


class Interface(Shape):
    """An IP interface of the product, and the harness's end of it."""

    name: str
    device: str | None = Field(None, description="its name on the product")
    addresses: Annotated[tuple[Network, ...], Field(min_length=1)]
    mac: str | None = None
    points: Texts = ()
    harness: str | None = Field(None, description="the harness's network device on this link")
    harness_addresses: tuple[Network, ...] = ()
    other_addresses: tuple[Network, ...] = Field((), description="the harness's addresses that are no peers")
    gateway: Address | None = None
    beyond: Address | None = Field(None, description="an address behind the gateway")
    reassembly_s: Seconds | None = Field(None, description="how long it waits for all of a fragmented packet")


class Listener(Shape):
    """A port at which the product listens."""

    name: str
    interface: str | None = None
    address: str | None = None
    protocol: Literal["tcp", "udp", "sctp", "ip"]
    port: Annotated[int, Field(ge=0, le=65535)]
    process: str = ""
    purpose: str = ""
    peers: Texts = ()
    when: Literal["always", "on-demand"] = "always"
    internal: bool = False


class LogLocation(Shape):
    """A log of the product."""

    name: str
    path: Path | None = None
    read: Action | None = None
    security: bool = False
    flush_s: Seconds | None = None


class LogEvent(Shape):
    """How one type of security event is provoked, and the record of it."""

    log: str
    regex: Expression = Field(description="its named groups are user, source, time, host, action, ...")
    enable: Action | None = None
    trigger: Action | None = None
    read: str | None = Field(None, description="a command of root that prints what the trigger sets")
    interfaces: Texts = ()
    endpoint: str | None = None


class Measure(Shape):
    """Measures against guessing passwords at one interface."""

    interface: str
    measures: tuple[Literal["delay", "lockout", "captcha", "forbidden-list", "source-block", "other"], ...]
    max_guesses_per_min: float | None = None
    lists: Texts = ()


class Domain(Shape):
    """A network domain."""

    name: str
    interfaces: Texts
    vlans: tuple[int, ...] = ()
    vrf: str | None = None
    services: Texts = ()


class Cell(Shape):
    """One cell of the matrix of roles, with a harmless sample."""

    role: str
    operation: str
    via: str = "ssh"
    endpoint: str | None = None
    allow: bool
    run: str | None = None
    request: str | None = None
    body: Any = None
    fields: dict[str, str] | None = None
    expect: str | int | None = None
    refused: str | None = None
    read: str | None = None
    undo: str | None = None
