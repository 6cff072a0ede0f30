"""A product under test as its profile declares it: what it is, where it is, how it is held."""

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from assay import yamlfile
from assay.declaration import Declaration
from assay.declaration.shapes import Address, Expression, Port, reference
from assay.errors import ProfileError
from drivers.interfaces import LogKind

Seconds = Annotated[float, Field(gt=0, le=3600)]
SecretRef = Annotated[
    str,
    AfterValidator(reference),
    Field(description="env:NAME or file:PATH (beside the profile), hexadecimal"),
]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Words = Annotated[tuple[str, ...], Field(min_length=1, description="a command and its arguments, no shell")]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Identity(Model):
    """Who the product is: for the report, never for a judge."""

    name: str
    vendor: str = ""
    version: str = ""
    build: str = ""
    contact: str = ""


class Socket(Model):
    """An address and a port."""

    address: Address
    port: Port

    @property
    def pair(self) -> tuple[str, int]:
        return self.address, self.port


class Encapsulation(Model):
    """UDP ports of SCTP in UDP (RFC 6951); without it SCTP runs on raw IP."""

    product: Port = 9899
    bench: Port


class N2(Socket):
    """Where the AMF listens for NGAP (TS 38.412), and from where the bench's gNB comes."""

    port: Port = 38412
    udp: Encapsulation | None = None
    gnb_address: Address | None = Field(None, description="the bench's own address; default: the product's")


class Function(Model):
    """One network function of the product that can be a target."""

    kind: Literal["AMF"] = Field(alias="class")
    n2: N2
    sbi: Socket | None = Field(
        None, description="where it offers its services, for callers that the bench plays"
    )


class Plmn(Model):
    """A PLMN identity (TS 23.003 clause 2.2)."""

    mcc: Annotated[str, Field(pattern=r"^\d{3}$", description='three digits in quotes, "999"')]
    mnc: Annotated[str, Field(pattern=r"^\d{2,3}$", description='two or three digits in quotes, "70"')]


class Slice(Model):
    """An S-NSSAI (TS 23.003 clause 28.4)."""

    sst: Annotated[int, Field(ge=0, le=255)]
    sd: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{6}$")] | None = None

    @property
    def pair(self) -> tuple[int, int | None]:
        return self.sst, int(self.sd, 16) if self.sd is not None else None


class Network(Model):
    """What gNB, UE and product must agree on."""

    plmn: Plmn
    tac: Annotated[int, Field(ge=0, le=0xFFFFFF)]
    nb_iot_tac: Annotated[int, Field(ge=0, le=0xFFFFFF)] | None = Field(
        None, description="of the NB-IoT cells, which share no tracking area with others; default: tac"
    )
    slices: Annotated[tuple[Slice, ...], Field(min_length=1, description="what every subscriber may use")]
    nssaa_slice: Slice | None = Field(
        None,
        description="one more slice of the product, for subscribers who need NSSAA for it; none of `slices`",
    )
    dnn: str = "internet"

    @field_validator("nssaa_slice")
    @classmethod
    def _apart(cls, value: Slice | None, info: ValidationInfo) -> Slice | None:
        if value is not None and value.pair in {one.pair for one in info.data.get("slices", ())}:
            raise ValueError("nssaa_slice is one of slices")
        return value


class Suci(Model):
    """Concealment of the SUPI with ECIES (TS 33.501 annex C): profile A is X25519, B is secp256r1."""

    profile: Literal["A", "B"]
    key_id: Annotated[int, Field(ge=1, le=255)]
    public_key: Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{64}|0[23][0-9A-Fa-f]{64})$")]
    private_key: SecretRef | None = Field(
        default=None, description="env:NAME or file:PATH, for the AUSF that the bench plays"
    )


class Subscribers(Model):
    """A range of lab subscribers with one key; the bench takes a fresh one whenever a case asks for it."""

    first_imsi: Annotated[str, Field(pattern=r"^\d{14,15}$")]
    count: Annotated[int, Field(ge=50, le=1_000_000)]
    k: SecretRef
    opc: SecretRef
    suci: Suci | None = Field(default=None, description="left out: the null scheme")
    publish_keys: bool = Field(False, description="true for lab keys: NAS keys go beside the captures")


class Feature(Model):
    """A declared capability that decides whether a test case applies, with its justification."""

    supported: bool
    why: Annotated[
        str, Field(min_length=10, description="the justification a tester reads, 10 characters or more")
    ]


class Timers(Model):
    """Upper bounds of the bench in seconds, where the product needs other ones than the catalogue's."""

    answer_s: Seconds = 15.0
    watch_s: Seconds = 10.0
    after_replay_s: Seconds = 5.0
    outcome_s: Seconds = 30.0
    refusal_s: Seconds = 15.0
    sbi_wait_s: Seconds = 60.0
    repeats_s: Seconds = 40.0
    hold_s: Seconds = 0.5
    quiet_s: Seconds = 2.0
    sbi_timeout_s: Seconds | None = Field(
        None, description="SBI response time-out of the product, as declared"
    )


class Configure(Model):
    """How one setting of the product is changed: a command with {value}, and the values it may take."""

    run: Words
    values: Annotated[tuple[str, ...], Field(min_length=1)]
    read: Words | None = Field(None, description="prints the setting as it is, to see it put back")
    restart: bool = Field(False, description="true: the setting takes effect when the product starts again")


SettingName = Literal["nas_integrity_order", "nas_ciphering_order", "epc_redirection"]


class Manual(Model):
    """A product that somebody else starts and stops."""

    via: Literal["manual"] = "manual"


class Service(Model):
    """A product that runs as a service, here or behind ssh: one command for each thing the bench may do."""

    via: Literal["service"]
    start: Words
    stop: Words
    health: Words = Field(description="ends with 0 while the product is up")
    log: Words | None = Field(default=None, description="prints what the product says until it is stopped")
    vitals: Words | None = Field(
        default=None,
        description="prints the PID of the main process and, where known, its resident memory in KiB",
    )
    ready_s: Seconds = 60.0
    configure: dict[SettingName, Configure] = {}


class Command(Model):
    """A product that the bench starts as a process of its own and stops again."""

    via: Literal["command"]
    start: Words
    ready: str | None = Field(None, description="a line of its output with this text says that it is up")
    ready_s: Seconds = 30.0
    faults: bool = Field(False, description="true: `--fault NAME` is understood by the start command")
    declares: dict[Name, dict[str, Any]] = Field(
        {}, description="seeded faults of the declaration: other values of its keys, null for none"
    )
    prepare: Words | None = Field(
        None, description="run before that, outside of the namespace: what the product is made of, once"
    )
    network: Literal["shared", "own"] = Field(
        "shared", description="own: harness and product get a network namespace to themselves (needs root)"
    )
    configure: dict[SettingName, Configure] = {}


NAMED = ("supi", "amf_ue_ngap_id", "ran_ue_ngap_id", "tmsi")


class LogTime(Model):
    """Where a line of the log shows its time, so that records are dated by the log's own clock."""

    pattern: Expression = Field(description="a regular expression; its first group is the time")
    format: str = Field(
        "iso", description="iso (ISO 8601), epoch (seconds), or as for strptime: %m/%d %H:%M:%S.%f"
    )

    @field_validator("pattern")
    @classmethod
    def _grouped(cls, value: str) -> str:
        if not re.compile(value).groups:
            raise ValueError("the time stands in a group: put it in parentheses")
        return value


class Log(Model):
    """The product's log, for cases that ask for a record in it; by default what the product prints."""

    file: str | None = Field(None, description="a file here that it is written to")
    command: Words | None = Field(None, description="prints it until stopped: [ssh, amf, journalctl, -f]")
    time: LogTime | None = Field(None, description="left out: a record is dated by when it was read")
    records: dict[LogKind, Expression] = Field(
        {},
        description="a regular expression for each kind of record; a record that names its UE has it in the "
        "groups " + ", ".join(f"(?P<{name}>...)" for name in NAMED),
    )

    @field_validator("records")
    @classmethod
    def _known(cls, value: dict[LogKind, str]) -> dict[LogKind, str]:
        for pattern in value.values():
            if odd := sorted(set(re.compile(pattern).groupindex) - set(NAMED)):
                raise ValueError(f"unknown group {', '.join(odd)}; known are {', '.join(NAMED)}")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> "Log":
        if self.file is not None and self.command is not None:
            raise ValueError("a log is read from a file or by a command, not both")
        return self


Lifecycle = Annotated[Manual | Command | Service, Field(discriminator="via")]
PeerName = Literal[
    "nrf", "ausf", "ausf2", "ausf3", "ausf4", "udm", "pcf", "nssf", "smf", "nssaaf", "amf2", "scp"
]


class Producer(Socket):
    """A function of the product's own core, behind the SCP that the bench plays."""

    fqdn: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,253}$")] | None = Field(
        None, description="the host name in its URIs, where they have no address"
    )


class Profile(Model):
    """A product, its surroundings and how the bench may handle it."""

    product: Identity
    functions: dict[Name, Function] = Field(
        {}, description="its network functions; with network, subscribers"
    )
    network: Network | None = None
    subscribers: Subscribers | None = None
    declaration: Declaration | None = Field(
        None,
        description="what the vendor declares of its operating system and management: docs/declaration.md",
    )
    peers: dict[PeerName, Socket] = Field({}, description="network functions that the bench plays, and where")
    core: dict[Name, Producer] = Field(
        {},
        description="functions that the product brings, by the names of peers; the bench is then their SCP",
        validate_default=True,
    )
    features: dict[Name, Feature] = {}
    in_force: dict[Name, str] = Field(
        {}, description="settings that the product already has, by the names of lifecycle.configure"
    )
    timers: Timers = Timers()
    overlap: Annotated[int, Field(ge=1, le=256)] = Field(
        8, description="how many variants may run side by side on the product; 1: one after the other"
    )
    lifecycle: Lifecycle = Manual()
    log: Log | None = None

    @property
    def surroundings(self) -> tuple[Network, Subscribers]:
        """Network and subscribers, which go with functions; ProfileError without them."""
        if self.network is None or self.subscribers is None:
            raise ProfileError("this profile has no network function: network and subscribers are missing")
        return self.network, self.subscribers

    def with_faults(self, faults: Iterable[str]) -> "Profile":
        """The profile as it is with these seeded faults, of which some are in what is declared."""
        given = self.lifecycle.declares if isinstance(self.lifecycle, Command) else {}
        declaration = self.declaration
        for fault in faults:
            if declaration is not None and fault in given:
                declaration = declaration.amended(given[fault])
        return self.model_copy(update={"declaration": declaration})

    @property
    def publishes_keys(self) -> bool:
        """Whether NAS keys may go beside the captures."""
        return self.subscribers is not None and self.subscribers.publish_keys

    @field_validator("functions")
    @classmethod
    def _one(cls, value: dict[str, Function]) -> dict[str, Function]:
        if len(value) > 1:
            raise ValueError("one function of class AMF is what this version can hold")
        return value

    @field_validator("core")
    @classmethod
    def _behind_scp(cls, value: dict[str, Producer], info: ValidationInfo) -> dict[str, Producer]:
        peers = set(info.data.get("peers", ()))
        if (value or "scp" in peers) and not (value and peers <= {"scp"}):
            raise ValueError("peers.scp, and no other peer, goes with the functions of the product's core")
        return value

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Profile":
        if not self.functions and self.declaration is None:
            raise ValueError("give functions, a declaration, or both: there is nothing to test")
        for name in ("network", "subscribers"):
            if self.functions and getattr(self, name) is None:
                raise ValueError(f"the key {name!r} is missing: it goes with functions")
        return self

    @model_validator(mode="after")
    def _log_can_be_read(self) -> "Profile":
        silent = isinstance(self.lifecycle, Manual) or (
            isinstance(self.lifecycle, Service) and self.lifecycle.log is None
        )
        if silent and self.log is not None and self.log.file is None and self.log.command is None:
            raise ValueError("log: give a file or a command: what this product prints is not read")
        return self


LIFECYCLES: dict[Any, type[BaseModel]] = {"manual": Manual, "command": Command, "service": Service}


def _model_at(loc: tuple[Any, ...]) -> type[BaseModel]:
    """The model whose field an error location names, as deep as it can be followed."""
    model: type[BaseModel] = Profile
    for part in loc[:-1]:
        if part in LIFECYCLES:
            model = LIFECYCLES[part]
            continue
        field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        nested = _models(field.annotation) if field else []
        if nested:
            model = nested[0]
    return model


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models(part)]


def _explain(error: ErrorDetails) -> str:
    """What is wrong and what would be right, for one error of the model."""
    loc, given = error["loc"], error.get("input")
    model = _model_at(loc)
    fields = [f.alias or n for n, f in model.model_fields.items()]
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(loc[-1]), fields, 1)
        right = f"did you mean {close[0]!r}?" if close else f"known here are {', '.join(fields)}"
        return f"unknown key {loc[-1]!r}; {right}"
    if error["type"] == "missing":
        return f"the key {loc[-1]!r} is missing"
    text = error["msg"].removeprefix("Value error, ")
    field = next((f for n, f in model.model_fields.items() if loc and loc[-1] in (n, f.alias)), None)
    right = f"; right would be: {field.description}" if field and field.description else ""
    shown = "" if isinstance(given, (dict, list)) else f" (it is {str(given)[:80]!r})"
    return f"{text}{shown}{right}"


def load(path: Path) -> Profile:
    """Read a profile; raises ProfileError that names file, line, what is wrong and what would be right."""
    data, lines = yamlfile.parse(path, "profile", ProfileError)
    if not isinstance(data, dict):
        raise ProfileError(f"{path}:1: a profile is a mapping: product, functions, ...")
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        found = []
        for detail in error.errors():
            loc = tuple(p for p in detail["loc"] if p not in (*LIFECYCLES, "[key]"))
            where = ".".join(str(p) for p in loc)
            found.append(f"{path}:{yamlfile.line(lines, loc)}: {where}: {_explain(detail)}")
        raise ProfileError("\n".join(found)) from error


def secret_text(reference: str, beside: Path) -> str:
    """The text that a reference names, without the line end of a file; ProfileError never shows it."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        text = os.environ.get(name)
        if text is None:
            raise ProfileError(f"the environment variable {name} is not set (the profile refers to it)")
        return text
    try:
        return (beside / name).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"the file {name} cannot be read (the profile refers to it): {error}") from error


def secret(reference: str, beside: Path) -> bytes:
    """The octets a reference names in hexadecimal digits; ProfileError never shows them."""
    try:
        return bytes.fromhex(secret_text(reference, beside).strip())
    except ValueError:
        raise ProfileError(f"{reference} holds no hexadecimal digits") from None


def schema() -> dict[str, Any]:
    """The JSON Schema of a profile, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Profile.model_json_schema()}
