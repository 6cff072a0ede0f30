"""What travels on the service-based interfaces: requests, answers, parts, and the bounds of each."""

import json
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

from h2.errors import ErrorCodes

from assay.errors import LabError
from assay.evidence import Flow

if TYPE_CHECKING:
    from drivers.sbi.server import Inbound

MAX_PARTS = 8
MAX_CONTENT = 64 << 10  # octets of JSON, parts included
Address = tuple[str, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What a peer may make us keep, in octets, pieces and seconds; beyond it is refused."""

    headers: int = 32 << 10  # RFC 9113 clause 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE
    body: int = 1 << 20
    kept: int = 4 << 20  # bodies of one connection that are not answered yet
    streams: int = 256  # at a time on one connection
    connections: int = 64
    backlog: int = 256 << 10  # octets that the peer has not read yet, before we stop listening to it
    partial_s: float = 10.0  # for a frame, a message or a pause in reading
    idle_s: float = 3600.0


@dataclass(frozen=True)
class Part:
    """One body part of a multipart message; header names in lower case."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The Content-ID without angle brackets, "" when there is none."""
        return self.headers.get("content-id", "").strip("<>")


@dataclass(eq=False)
class Request:
    """A request that arrived whole; header names in lower case, what is repeated joined by commas.

    `frame` is the capture's number of its last frame. The handler may fill the fields from `interface` on:
    they name the request in the events that follow.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    stream: int
    connection: int
    flow: Flow
    base: str  # scheme and authority of the server, for URIs in answers
    frame: int
    interface: str
    name: str
    ue: str = ""
    supi: str = ""  # of the subscriber it is about
    params: Mapping[str, str] = field(default_factory=dict)
    content: Any = None  # the decoded JSON
    parts: Sequence[Part] = ()
    target: str = ""  # path and query as they came
    _channel: "Inbound | None" = field(default=None, repr=False)


@dataclass(frozen=True)
class Response:
    """An answer; header names are sent in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Hold:
    """No answer: the stream stays open until the peer ends it or `Server.release` answers."""


@dataclass(frozen=True)
class Later:
    """An answer after `seconds`; nothing else waits for it."""

    seconds: float
    response: Response


@dataclass(frozen=True)
class Reset:
    """No answer: the stream is ended at once with an error code (RST_STREAM, RFC 9113 clause 5.4.2)."""

    code: ErrorCodes = ErrorCodes.INTERNAL_ERROR


Outcome = Response | Hold | Later | Reset


def answer(
    status: int, content: Any = None, *, location: str = "", kind: str = "application/json"
) -> Response:
    """A response with a JSON body, or with none when `content` is None."""
    headers = {"location": location} if location else {}
    if content is None:
        return Response(status, headers)
    return Response(status, {**headers, "content-type": kind}, json.dumps(content).encode())


def content_of(response: Response) -> dict[str, Any]:
    """The JSON object in an answer, empty where there is none."""
    try:
        content = json.loads(response.body) if len(response.body) <= MAX_CONTENT else None
    except (ValueError, RecursionError):
        content = None
    return content if isinstance(content, dict) else {}


def problem(status: int, cause: str, detail: str = "") -> Response:
    """An error response with ProblemDetails (TS 29.571 clause 5.2.4.1; causes: TS 29.500 clause 5.2.7.2)."""
    content = {"status": status, "cause": cause} | ({"detail": detail} if detail else {})
    return answer(status, content, kind="application/problem+json")


def printable(text: str, limit: int = 2_000) -> str:
    """Text of a peer made safe for names, facts and terminals: cut, and what does not print escaped."""
    cut = text[:limit]
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def keep(store: dict[str, T], key: str, value: T, most: int = 10_000) -> None:
    """Put a value into what a peer can make grow; the oldest goes when it holds `most`."""
    while len(store) >= most:
        del store[next(iter(store))]
    store[key] = value


def split_parts(content_type: str, body: bytes) -> list[Part]:
    """The parts of a multipart body (RFC 2046 clause 5.1.1); ValueError when it is not one."""
    found = re.search(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))', content_type, re.IGNORECASE)
    if not found:
        raise ValueError("multipart without a boundary")
    boundary = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    _, *chunks = (b"\r\n" + body).split(boundary, MAX_PARTS + 1)
    if len(chunks) < 2 or not chunks[-1].startswith(b"--"):
        raise ValueError(f"multipart without an end, without parts or with more than {MAX_PARTS}")
    return [_part(chunk) for chunk in chunks[:-1]]


def _part(chunk: bytes) -> Part:
    head, empty_line, content = chunk.lstrip(b" \t").partition(b"\r\n\r\n")
    if not empty_line or (not head.startswith(b"\r\n") and head):
        raise ValueError("a part without an empty line after its header")
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n") if line)
    return Part({name.strip().lower(): value.strip() for name, _, value in lines}, content)


def join_parts(parts: Sequence[Part], boundary: str = "assay-part") -> tuple[str, bytes]:
    """The Content-Type and the body of multipart/related (RFC 2387; TS 29.500 clause 6.3)."""
    out = []
    for part in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in part.headers.items())
        out.append(f"--{boundary}\r\n{head}\r\n".encode("latin-1") + part.body + b"\r\n")
    return f"multipart/related; boundary={boundary}", b"".join(out) + f"--{boundary}--\r\n".encode()


def decode(request: Request) -> Response | None:
    """Fill in `content` and `parts`; the refusal when that cannot be done."""
    if not request.body:
        return None
    if len(request.body) > MAX_CONTENT:
        return problem(413, "INVALID_MSG_FORMAT", f"more than {MAX_CONTENT} octets")
    kind = request.headers.get("content-type", "")
    try:
        text = request.body
        if kind.lower().startswith("multipart/"):
            request.parts = split_parts(kind, request.body)
            text = request.parts[0].body
        if kind.lower().startswith("application/x-www-form-urlencoded"):  # of an access token request only
            request.content = dict(parse_qsl(text.decode(), max_num_fields=100))
            return None
        request.content = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return problem(400, "INVALID_MSG_FORMAT", printable(str(error), 200))
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def tls_context(
    certificate: str, key: str, authority: str, *, server: bool, check_hostname: bool = True
) -> ssl.SSLContext:
    """TLS with certificates on both sides, ALPN h2 (TS 33.210 clause 6.2, TS 29.500 clause 5.2.2).

    The arguments are PEM files: our chain, its key, and whom we trust. LabError when one is unusable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname and not server
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)
    except OSError as error:
        names = f"{certificate}, {key} or {authority}"
        raise LabError(f"TLS cannot use {names}: {error.strerror or error}") from error
    return context
