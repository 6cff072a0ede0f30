"""HTTP/2 for the service-based interfaces: a client and a server that see every frame (RFC 9113)."""

import asyncio
import json
import re
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes, Settings
from hpack import Decoder, Encoder, HPACKError
from hpack.hpack import encode_integer
from hpack.table import HeaderTable

from assay.errors import LabError
from assay.evidence import PREFACE, Flow, Trace
from drivers import reach
from drivers.interfaces import Answer, Closed, Refused, Reply, Silence

MAGIC = PREFACE[:24]
MAX_FRAME = 16_384  # octets of payload; what RFC 9113 lets a peer send unless it is told otherwise
MAX_PARTS = 8

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 32

_BLOCKS = {HEADERS, PUSH_PROMISE, CONTINUATION}
_QUIET = {PRIORITY, PING, WINDOW_UPDATE}  # not evidence of anything, and many
_READ = 65_536
_CLOSE_S = 0.3
_UNSETTLED = 100  # streams that every peer should take (RFC 9113 clause 6.5.2)

Address = tuple[str, int]
Field = tuple[bytes, bytes]
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


# --- messages ---------------------------------------------------------------------------------------------


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
    params: Mapping[str, str] = field(default_factory=dict)
    content: Any = None  # the decoded JSON
    parts: Sequence[Part] = ()
    _channel: "_Inbound | None" = field(default=None, repr=False)


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


Outcome = Response | Hold | Later


def answer(
    status: int, content: Any = None, *, location: str = "", kind: str = "application/json"
) -> Response:
    """A response with a JSON body, or with none when `content` is None."""
    headers = {"location": location} if location else {}
    if content is None:
        return Response(status, headers)
    return Response(status, {**headers, "content-type": kind}, json.dumps(content).encode())


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


# --- frames -----------------------------------------------------------------------------------------------

_STATIC = {pair: 1 + i for i, pair in reversed(list(enumerate(HeaderTable.STATIC_TABLE)))}
_STATIC_NAME = {name: index for (name, _), index in sorted(_STATIC.items(), key=lambda item: -item[1])}


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One HTTP/2 frame, valid or not (RFC 9113 clause 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def header_block(fields: Iterable[Field]) -> bytes:
    """Header fields, valid or not, with reference to the static table only (RFC 7541 clause 6.2.2)."""
    out = bytearray()
    for name, value in fields:
        if index := _STATIC.get((name, value)):
            out.append(0x80 | index)
            continue
        if index := _STATIC_NAME.get(name, 0):
            out += encode_integer(index, 4)
        else:
            out += b"\0" + encode_integer(len(name), 7) + name
        out += encode_integer(len(value), 7) + value
    return bytes(out)


class _Encoder(Encoder):
    """HPACK without a dynamic table: what we send decodes without the past of its connection."""

    def encode(self, headers: Any, huffman: bool = True) -> bytes:
        # A peer that changed the size of the table wants to hear one: ours is 0 (RFC 7541 clause 4.2).
        resized, self.header_table.resized = self.header_table.resized, False
        return (b"\x20" if resized else b"") + header_block((bytes(n), bytes(v)) for n, v in headers)


def _code(number: int) -> str:
    try:
        return ErrorCodes(number).name
    except ValueError:
        return f"error {number}"


def _fields(headers: Iterable[Any]) -> list[Field]:
    return [(bytes(name), bytes(value)) for name, value in headers]


def _join(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _text(fields: Iterable[Field]) -> dict[str, str]:
    return _join((n.decode("latin-1"), v.decode("latin-1")) for n, v in fields if not n.startswith(b":"))


def _address(name: Any) -> Address:
    return (str(name[0]), int(name[1])) if name else ("0.0.0.0", 0)  # noqa: S104


# --- one connection ---------------------------------------------------------------------------------------


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T], within: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within)

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(2)


class _Tls:
    """TLS over octets in memory: asyncio's own sends no alert when a handshake fails."""

    def __init__(self, context: ssl.SSLContext, hostname: str | None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = hostname is None
        self._link = context.wrap_bio(self._in, self._out, server_side=server, server_hostname=hostname)
        self.ready = False

    def open(self, data: bytes) -> bytes:
        """What was enciphered; raises SSLError."""
        self._in.write(data)
        plain = bytearray()
        try:
            if not self.ready:
                self._link.do_handshake()
                self.ready = True
                if self._link.selected_alpn_protocol() != "h2":
                    raise ssl.SSLError(0, "the peer did not negotiate h2")
            while chunk := self._link.read(_READ):
                plain += chunk
        except ssl.SSLWantReadError:
            pass
        return bytes(plain)

    def seal(self, data: bytes) -> bytes:
        """What goes on the wire now, with `data` enciphered when there is some."""
        if data:
            self._link.write(data)
        return self._out.read()


def _reason(error: ssl.SSLError) -> str:
    return error.reason or error.strerror or type(error).__name__


class _Connection(asyncio.Protocol):
    """What both sides share: framing, trace, flow control, limits; it lives in the loop's thread alone."""

    client = False
    transport: asyncio.Transport
    flow: Flow

    def __init__(self, trace: Trace, limits: Limits, interface: str, tls: _Tls | None) -> None:
        self.trace, self.limits, self.interface, self._tls = trace, limits, interface, tls
        self.tls_failure = ""
        self.loop = asyncio.get_running_loop()
        config = H2Configuration(
            client_side=self.client,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = H2Connection(config)
        self.h2.encoder = _Encoder()
        self.h2.decoder.max_header_list_size = limits.headers
        settings = {
            SettingCodes.MAX_CONCURRENT_STREAMS: limits.streams,
            SettingCodes.MAX_HEADER_LIST_SIZE: limits.headers,
        }
        if self.client:
            settings[SettingCodes.ENABLE_PUSH] = 0
        self.h2.local_settings = Settings(client=self.client, initial_values=settings)
        self.done = False
        self.last = 0  # number of the last frame received
        self.heard = self.loop.time()
        self.unsent: dict[int, bytes] = {}  # bodies that wait for flow control, by stream
        self.paused = 0.0  # since when the peer does not read
        self._buffer = bytearray()
        self._incomplete = (
            self.loop.time()
        )  # since when a frame or header block lacks its rest; 0 when none does
        self._in_block = False
        self._magic = b"" if self.client else MAGIC
        self._lead = b""  # the magic, kept back so that it shares a frame of the capture with what follows it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        here = _address(transport.get_extra_info("sockname"))
        there = _address(transport.get_extra_info("peername"))
        self.flow = Flow("tcp", here, there, bench_opened=self.client)
        self.transport.set_write_buffer_limits(high=self.limits.backlog)
        self.h2.initiate_connection()
        if self.client:
            self._incomplete = 0.0
            if self._tls:
                self._open(self._tls, b"")
            self.flush()

    def data_received(self, data: bytes) -> None:
        if self.done:
            return
        self.heard = self.loop.time()
        self._buffer += self._open(self._tls, data) if self._tls else data
        self._parse()

    def _open(self, tls: _Tls, data: bytes) -> bytes:
        try:
            plain = tls.open(data)
        except ssl.SSLError as error:
            self.tls_failure = printable(_reason(error), 200)
            self._record(True, data[:MAX_FRAME])
            facts = {"error": self.tls_failure}
            self.trace.event(self.last, True, self.interface, "TLS FAILED", facts=facts)
            self._write(b"")
            self._hang_up()
            return b""
        self._write(b"")
        return plain

    def _write(self, data: bytes) -> None:
        if self._tls:
            data = self._tls.seal(data)
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def _parse(self) -> None:
        try:
            if self._magic:
                self._parse_magic()
            while not self.done and not self.paused and not self._magic and len(self._buffer) >= 9:
                end = 9 + int.from_bytes(self._buffer[:3], "big")
                if end > 9 + MAX_FRAME:
                    self._record(True, bytes(self._buffer[:MAX_FRAME]))
                    self.fail(f"a frame of {end - 9} octets", ErrorCodes.FRAME_SIZE_ERROR)
                    return
                if len(self._buffer) < end:
                    break
                one = bytes(self._buffer[:end])
                del self._buffer[:end]
                self._incomplete = 0.0
                self._receive(one)
        except ProtocolError as error:
            self.fail(str(error) or type(error).__name__, None)
        except Exception as error:  # whatever a hostile octet may find in a library ends its connection only
            self.fail(f"{type(error).__name__}: {error}", ErrorCodes.INTERNAL_ERROR)
        if (self._buffer or self._in_block or self._magic) and not self._incomplete:
            self._incomplete = self.loop.time()
        if not self.done:
            self.flush()

    def _parse_magic(self) -> None:
        head = bytes(self._buffer[:24])
        if not MAGIC.startswith(head):
            self._record(True, bytes(self._buffer[:MAX_FRAME]))
            self.fail("no HTTP/2 connection preface")
        elif len(head) == 24:
            del self._buffer[:24]
            self._magic, self._lead = b"", MAGIC
            self.h2.receive_data(MAGIC)

    def _record(self, received: bool, data: bytes) -> int:
        if received:
            data, self._lead = self._lead + data, b""
            self.last = self.trace.frame(self.flow, True, data)
            return self.last
        return self.trace.frame(self.flow, False, data)

    def _receive(self, one: bytes) -> None:
        kind, flags = one[3], one[4]
        block = kind in _BLOCKS
        self._in_block = block and not flags & END_HEADERS
        if not block and kind not in _QUIET and not (kind == SETTINGS and flags & ACK):
            self._record(True, one)
        if kind == GOAWAY and len(one) >= 17 and not any(one[5:9]):
            # For h2 a GOAWAY ends everything; streams up to its last one go on (RFC 9113 clause 6.8).
            self.goaway(int.from_bytes(one[9:13], "big") & 0x7FFFFFFF, int.from_bytes(one[13:17], "big"))
            return
        try:
            events = self.h2.receive_data(one)
        except Exception:
            if block:
                self._record(True, one)
            raise
        for event in events:
            headers = getattr(event, "headers", None)
            if headers is not None:
                ended = END_STREAM if getattr(event, "stream_ended", None) else 0
                stream: int = event.stream_id  # type: ignore[attr-defined]
                self._record(
                    True, frame(HEADERS, END_HEADERS | ended, stream, header_block(_fields(headers)))
                )
            if isinstance(event, h2.events.DataReceived):
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
                for waiting in list(self.unsent):
                    self.pump(waiting)
            self.handle(event)
            if self.done:
                return

    def pump(self, stream: int) -> None:
        """Send as much of a body as flow control lets us."""
        rest = self.unsent.pop(stream, b"")
        while rest:
            window = self.h2.local_flow_control_window(stream)
            size = min(window, self.h2.max_outbound_frame_size, MAX_FRAME)
            if size <= 0:
                self.unsent[stream] = rest
                return
            chunk, rest = rest[:size], rest[size:]
            self.h2.send_data(stream, chunk, end_stream=not rest)

    def flush(self, before: Callable[[int], None] | None = None) -> None:
        """Trace and write what h2 wants to send; `before` gets the number of the last HEADERS frame first.

        An event that `before` adds is thus older than any reaction to what is sent.
        """
        if self._lead or (self._magic and not self.done) or (self._tls and not self._tls.ready):
            return  # the peer speaks first
        data, at, shown = self.h2.data_to_send(), 0, 0
        if self.client and data.startswith(MAGIC):
            at = 24 + 9 + int.from_bytes(data[24:27], "big")
            self._record(False, data[:at])
        while at < len(data):
            end = at + 9 + int.from_bytes(data[at : at + 3], "big")
            kind = data[at + 3]
            if kind not in _QUIET and not (kind == SETTINGS and data[at + 4] & ACK):
                number = self._record(False, data[at:end])
                shown = number if kind in _BLOCKS else shown
            at = end
        if before:
            before(shown)
        self._write(data)

    def fail(self, why: str, code: ErrorCodes | None = ErrorCodes.PROTOCOL_ERROR) -> None:
        """End a connection whose peer broke HTTP/2 or a limit; code None when h2 has its GOAWAY ready."""
        if self.done:
            return
        if self._lead:
            self._record(True, b"")
        if self.last:  # who never said anything broke no protocol
            facts = {"error": printable(why, 200)}
            self.trace.event(self.last, True, self.interface, "HTTP/2 PROTOCOL ERROR", facts=facts)
        self.shut(code)

    def shut(self, code: ErrorCodes | None = ErrorCodes.NO_ERROR) -> None:
        """Say GOAWAY and close, soon even when the peer does not read."""
        if self.done:
            return
        self.done, self._lead = True, b""
        if code is not None:
            self.h2.close_connection(code)
        self.flush()
        self._hang_up()

    def _hang_up(self) -> None:
        self.done = True
        if self.client:
            self.transport.close()
        elif not self.transport.is_closing():
            # Closing at once, with octets unread, would reset the connection under our last words.
            with suppress(OSError):  # the peer was faster
                self.transport.write_eof()
        self.loop.call_later(_CLOSE_S, self.transport.abort)

    def pause_writing(self) -> None:
        self.paused = self.loop.time()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.paused = 0.0
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self._parse()

    def sweep(self, now: float) -> None:
        """Enforce the time-outs."""
        if self.done:
            return
        if self.paused:
            if now - self.paused > self.limits.partial_s:
                self.fail("the peer does not read")
                self.transport.abort()
        elif self._incomplete and now - self._incomplete > self.limits.partial_s:
            if self._buffer:
                self._record(True, bytes(self._buffer[:MAX_FRAME]))
            self.fail(f"the rest of a frame did not come within {self.limits.partial_s:g} s")
        elif now - self.heard > self.limits.idle_s:
            self.shut()

    def handle(self, event: h2.events.Event) -> None:
        raise NotImplementedError

    def goaway(self, last: int, code: int) -> None:
        raise NotImplementedError


# --- server -----------------------------------------------------------------------------------------------


@dataclass
class _Stream:
    fields: list[Field]
    since: float
    body: bytearray = field(default_factory=bytearray)
    request: Request | None = None
    answered: bool = False
    timer: asyncio.TimerHandle | None = None


def _size(stream: _Stream) -> int:
    return len(stream.request.body if stream.request else stream.body)


class _Inbound(_Connection):
    """A connection that the peer opened."""

    def __init__(self, server: "Server", number: int) -> None:
        tls = _Tls(server.tls, None) if server.tls else None
        super().__init__(server.trace, server.limits, server.interface, tls)
        self.server, self.number = server, number
        self.streams: dict[int, _Stream] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self.server.connections) >= self.limits.connections:
            self.done = True
            cast(asyncio.Transport, transport).abort()
            return
        self.server.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self not in self.server.connections:
            return
        self.server.connections.discard(self)
        by = "bench" if self.done else "product"
        self.done = True
        for stream in list(self.streams):
            self._drop(stream, "CONNECTION CLOSED", by)

    def goaway(self, last: int, code: int) -> None:
        """The peer opens no more streams; those that are open go on."""

    def handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self.streams[event.stream_id] = _Stream(_fields(event.headers), self.loop.time())
        elif isinstance(event, h2.events.DataReceived) and (stream := self.streams.get(event.stream_id)):
            stream.body += event.data
            if len(stream.body) > self.limits.body:
                self._refuse(event.stream_id, 413, f"a body of more than {self.limits.body} octets")
            elif sum(map(_size, self.streams.values())) > self.limits.kept:
                self._refuse(event.stream_id, 503, f"bodies of more than {self.limits.kept} octets wait")
        elif isinstance(event, h2.events.StreamReset):
            self._drop(event.stream_id, "STREAM RESET", "product" if event.remote_reset else "bench")
        elif isinstance(event, h2.events.StreamEnded) and event.stream_id in self.streams:
            self._serve(event.stream_id)

    def _request(self, number: int) -> Request:
        stream = self.streams[number]
        pseudo = {name: value.decode("latin-1") for name, value in stream.fields if name.startswith(b":")}
        method, target = pseudo.get(b":method", ""), pseudo.get(b":path", "")
        path, _, query = target.partition("?")
        try:
            parameters = _join(parse_qsl(query, keep_blank_values=True, max_num_fields=100))
        except ValueError:
            parameters = {}
        host, port = self.flow.bench
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return Request(
            method,
            path,
            parameters,
            _text(stream.fields),
            bytes(stream.body),
            number,
            self.number,
            self.flow,
            f"{self.server.scheme}://{authority}",
            self.last,
            self.interface,
            printable(f"{method} {path}", 200),
            _channel=self,
        )

    def _serve(self, number: int) -> None:
        stream = self.streams[number]
        stream.request = request = self._request(number)
        stream.body = bytearray()
        try:
            outcome = self.server.handler(request)
        except Exception as error:
            self._ours(request, error)
            outcome = problem(500, "SYSTEM_FAILURE")
        if isinstance(outcome, Later):
            stream.timer = self.loop.call_later(outcome.seconds, self.answer, request, outcome.response)
        elif isinstance(outcome, Response):
            self.answer(request, outcome)

    def answer(self, request: Request, response: Response) -> None:
        """Answer a request that is still open; nothing happens when it no longer is."""
        stream = self.streams.get(request.stream)
        if self.done or stream is None or stream.request is not request or stream.answered:
            return
        stream.answered, stream.since = True, self.loop.time()
        if stream.timer:
            stream.timer.cancel()
        try:
            self._send(request.stream, response)
            self.flush(lambda number: self.server.on_answer(request, response, number))
        except Exception as error:
            self._ours(request, error)
            self.shut(ErrorCodes.INTERNAL_ERROR)

    def _ours(self, request: Request, error: Exception) -> None:
        """Keep what went wrong on our side for whoever runs the server, and survive it."""
        self.server.failure = self.server.failure or f"{request.name}: {type(error).__name__}: {error}"

    def _send(self, number: int, response: Response) -> None:
        fields = [(b":status", str(response.status).encode())]
        fields += [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in response.headers.items()]
        self.h2.send_headers(number, fields, end_stream=not response.body)
        if response.body:
            self.unsent[number] = response.body
            self.pump(number)
        if number not in self.unsent:
            self.streams.pop(number, None)

    def pump(self, stream: int) -> None:
        super().pump(stream)
        if stream not in self.unsent:
            self.streams.pop(stream, None)

    def _refuse(self, number: int, status: int, why: str) -> None:
        name = self._request(number).name
        facts = {"request": name, "why": why}
        self.trace.event(self.last, True, self.interface, "REQUEST REFUSED", facts=facts)
        self._send(number, Response(status))
        self._abandon(number, ErrorCodes.NO_ERROR)  # RFC 9113 clause 8.1: answered early, send no more

    def _abandon(self, number: int, code: ErrorCodes) -> None:
        self.streams.pop(number, None)
        self.unsent.pop(number, None)
        self.h2.reset_stream(number, code)

    def _drop(self, number: int, how: str, by: str) -> None:
        self.unsent.pop(number, None)
        stream = self.streams.pop(number, None)
        if stream is None:
            return
        if stream.timer:
            stream.timer.cancel()
        request = stream.request
        if request and not stream.answered and not self.server.closing:
            frame_number = self.last if how == "STREAM RESET" else request.frame
            facts = {"request": request.name, "by": by}
            self.trace.event(frame_number, True, request.interface, how, request.ue, facts)
            self.server.on_end(request, how)

    def sweep(self, now: float) -> None:
        if self.streams:
            self.heard = now  # a held stream is not idleness
        super().sweep(now)
        late = now - self.limits.partial_s
        for number, stream in list(self.streams.items()):
            if self.done or stream.since > late:
                continue
            if stream.answered:
                self._abandon(number, ErrorCodes.CANCEL)
            elif stream.request is None:
                self._refuse(number, 408, f"not complete within {self.limits.partial_s:g} s")
        if not self.done:
            self.flush()


class Server:
    """An HTTP/2 server in a thread of its own, cleartext or TLS, that listens until `close` (RFC 9113).

    Args:
        address: where to listen; port 0 takes a free one, see `address` then.
        handler: answers a request, in the server's thread: it must not block. What it raises is answered with
            500 and kept in `failure`.
        trace: gets every frame except PING, PRIORITY, WINDOW_UPDATE and acknowledgements, and the events
            "STREAM RESET" and "CONNECTION CLOSED" (the peer gave up a request), "HTTP/2 PROTOCOL ERROR", "TLS
            FAILED" and "REQUEST REFUSED" (a limit).
        tls: from `tls_context`; None for cleartext with prior knowledge.
        on_answer: called with request, response and frame number right before an answer leaves.
        on_end: called with the request and "STREAM RESET" or "CONNECTION CLOSED" when it ends unanswered.
        interface: the reference point of events that have no request of their own.

    Raises:
        LabError: the address cannot be listened on.
    """

    def __init__(
        self,
        address: Address,
        *,
        handler: Callable[[Request], Outcome],
        trace: Trace,
        tls: ssl.SSLContext | None = None,
        on_answer: Callable[[Request, Response, int], None] = lambda request, response, frame: None,
        on_end: Callable[[Request, str], None] = lambda request, how: None,
        interface: str = "sbi",
        limits: Limits | None = None,
    ) -> None:
        self.handler, self.trace, self.on_answer, self.on_end = handler, trace, on_answer, on_end
        self.interface, self.limits = interface, limits or Limits()
        self.tls, self.scheme = tls, "https" if tls else "http"
        self.connections: set[_Inbound] = set()
        self.closing = False
        self.failure = ""
        self._count = 0
        try:
            if not 0 <= address[1] <= 0xFFFF:
                raise OSError("there is no such port")
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            listener = socket.create_server(address, family=family, backlog=128)
        except OSError as error:
            why = error.strerror or str(error)
            raise LabError(
                f"cannot listen on {address[0]}:{address[1]}: {why}. Is the address one of this machine, and "
                "does no other program listen there?"
            ) from error
        self.address = _address(listener.getsockname())
        self._loop = _Loop(f"sbi {self.address[0]}:{self.address[1]}")
        self._loop.run(self._listen(listener), 5)

    async def _listen(self, listener: socket.socket) -> None:
        self._listener = await asyncio.get_running_loop().create_server(self._accept, sock=listener)
        self._sweep()

    def _accept(self) -> _Inbound:
        self._count += 1
        return _Inbound(self, self._count)

    def _sweep(self) -> None:
        loop = self._loop.loop
        for connection in list(self.connections):
            try:
                connection.sweep(loop.time())
            except Exception as error:
                connection.fail(f"{type(error).__name__}: {error}", ErrorCodes.INTERNAL_ERROR)
        self._timer = loop.call_later(min(1.0, self.limits.partial_s / 4), self._sweep)

    @property
    def uri(self) -> str:
        """Scheme and authority, without a path."""
        host, port = self.address
        return f"{self.scheme}://[{host}]:{port}" if ":" in host else f"{self.scheme}://{host}:{port}"

    def release(self, request: Request, response: Response) -> None:
        """Answer a request on hold, from any thread; without effect when its stream has ended."""
        if request._channel and not self.closing:
            request._channel.loop.call_soon_threadsafe(request._channel.answer, request, response)

    def close(self) -> None:
        """Say GOAWAY on every connection and end, within about a second; a second call does nothing."""
        if not self.closing:
            self.closing = True
            try:
                self._loop.run(self._close(), 5)
            finally:
                self._loop.stop()

    async def _close(self) -> None:
        self._listener.close()
        self._timer.cancel()
        await _end(self.connections)


async def _end(connections: "set[_Inbound] | set[_Outbound]") -> None:
    for connection in list(connections):
        connection.shut()
    until = time.monotonic() + 2 * _CLOSE_S
    while connections and time.monotonic() < until:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0)  # the transports close their sockets in the turn after


# --- client -----------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Call:
    fields: list[Field]
    body: bytes
    future: "asyncio.Future[Answer | None]"
    stream: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)

    def end(self, result: Answer | None) -> None:
        """None: the peer promised that it did not look at the request."""
        if not self.future.done():
            self.future.set_result(result)


class _Outbound(_Connection):
    """A connection that we opened."""

    client = True

    def __init__(self, owner: "Client") -> None:
        tls = _Tls(owner.tls, owner.address[0]) if owner.tls else None
        super().__init__(owner.trace, owner.limits, owner.interface, tls)
        self.owner = owner
        self.calls: dict[int, _Call] = {}
        self.queue: deque[_Call] = deque()
        self.ended = ""  # the code of the peer's GOAWAY
        self.settled = False  # whether the peer said how many streams it takes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.owner.connections.add(self)
        super().connection_made(transport)

    @property
    def usable(self) -> bool:
        return not (self.done or self.ended or self.transport.is_closing())

    async def ask(self, fields: list[Field], body: bytes) -> Answer | None:
        call = _Call(fields, body, self.loop.create_future())
        self.queue.append(call)
        self._start()
        try:
            return await call.future
        finally:
            if call in self.queue:
                self.queue.remove(call)
            if self.calls.pop(call.stream, None) and not self.done:
                self.unsent.pop(call.stream, None)
                self.h2.reset_stream(call.stream, ErrorCodes.CANCEL)
                self.flush()
            self._start()

    def _start(self) -> None:
        allowed = self.h2.remote_settings.max_concurrent_streams if self.settled else _UNSETTLED
        most = min(allowed, self.limits.streams)
        while self.queue and self.usable and len(self.calls) < most:
            call = self.queue.popleft()
            try:
                call.stream = self.h2.get_next_available_stream_id()
                self.h2.send_headers(call.stream, call.fields, end_stream=not call.body)
            except H2Error as error:
                call.end(None)
                self.fail(str(error))
                return
            self.calls[call.stream] = call
            if call.body:
                self.unsent[call.stream] = call.body
                self.pump(call.stream)
            self.flush()
        if self.ended and not self.calls:
            self.shut()

    def handle(self, event: h2.events.Event) -> None:
        call = self.calls.get(getattr(event, "stream_id", None) or 0)
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settled = True
            self._start()
        if call is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            fields = _fields(event.headers)
            status = dict(fields).get(b":status", b"")
            call.status = int(status) if status.isdigit() and len(status) == 3 else 0
            call.headers = _text(fields)
        elif isinstance(event, h2.events.DataReceived):
            call.content += event.data
            if len(call.content) > self.limits.body:
                call.end(Reply(call.status, call.headers, bytes(call.content[: self.limits.body])))
        elif isinstance(event, h2.events.StreamEnded):
            del self.calls[call.stream]
            call.end(Reply(call.status, call.headers, bytes(call.content)))
            if self.unsent.pop(call.stream, None):  # answered before it had all of the request
                self.h2.reset_stream(call.stream, ErrorCodes.CANCEL)
        elif isinstance(event, h2.events.StreamReset):
            del self.calls[call.stream]
            self.unsent.pop(call.stream, None)
            call.end(Refused(f"RST_STREAM {_code(event.error_code or 0)}"))

    def goaway(self, last: int, code: int) -> None:
        self.ended = f"GOAWAY {_code(code)}"
        for call in [call for stream, call in self.calls.items() if stream > last]:
            call.end(Refused(self.ended) if code else None)
        while self.queue:
            self.queue.popleft().end(None)
        if not self.calls:
            self.shut()

    def connection_lost(self, error: Exception | None) -> None:
        self.done = True
        self.owner.connections.discard(self)
        how: Answer = Closed()
        if self.tls_failure:
            how = Refused(f"TLS {self.tls_failure}")
        elif self.ended and self.ended != "GOAWAY NO_ERROR":
            how = Refused(self.ended)
        for call in list(self.calls.values()):
            call.end(how)
        self.calls.clear()
        while self.queue:
            self.queue.popleft().end(how if isinstance(how, Refused) else None)


class Client:
    """An HTTP/2 client for one address, for many threads, over one connection that is opened when needed.

    Args:
        address: the peer.
        trace: as for `Server`.
        tls: from `tls_context`; None for cleartext with prior knowledge.
        interface: the reference point of "HTTP/2 PROTOCOL ERROR" and "TLS FAILED".
    """

    def __init__(
        self,
        address: Address,
        trace: Trace,
        tls: ssl.SSLContext | None = None,
        *,
        interface: str = "sbi",
        limits: Limits | None = None,
    ) -> None:
        reach.check(address)
        self.address, self.trace, self.tls = address, trace, tls
        self.interface, self.limits = interface, limits or Limits()
        self.connections: set[_Outbound] = set()
        self._current: _Outbound | None = None
        self._closed = False
        self._loop = _Loop(f"sbi to {address[0]}:{address[1]}")
        self._opening = asyncio.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        timeout: float,
    ) -> Answer:
        """What the peer did within `timeout` seconds; a body beyond the limit is cut.

        Nothing is checked before it is sent, so that an invalid request can be made. A request is repeated,
        once and on a new connection, only where GOAWAY says that it was not looked at.

        Raises:
            LabError: the network did not carry the connection, or this client is closed.
        """
        if self._closed:
            raise LabError("this SBI client is closed")
        host, port = self.address
        fields = [
            (b":method", method.encode("latin-1")),
            (b":scheme", b"https" if self.tls else b"http"),
            (b":authority", f"{host}:{port}".encode()),
            (b":path", path.encode("latin-1")),
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers),
        ]
        if body and not any(name == b"content-length" for name, _ in fields):
            fields.append((b"content-length", str(len(body)).encode()))
        try:
            return self._loop.run(self._request(fields, body, timeout), timeout + 10)
        except CancelledError:
            raise LabError("this SBI client was closed under a request") from None

    async def _request(self, fields: list[Field], body: bytes, timeout: float) -> Answer:
        try:
            async with asyncio.timeout(timeout):
                for _ in range(2):
                    connection = await self._connected()
                    if not isinstance(connection, _Outbound):
                        return connection
                    result = await connection.ask(fields, body)
                    if result is not None:
                        return result
        except TimeoutError:
            return Silence(timeout)
        return Closed()

    async def _connected(self) -> "_Outbound | Refused | Closed":
        async with self._opening:
            if self._current and self._current.usable:
                return self._current
            host, port = self.address
            loop = asyncio.get_running_loop()
            try:
                _, self._current = await loop.create_connection(lambda: _Outbound(self), host, port)
            except ConnectionRefusedError:
                return Refused("connection refused")
            except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
                return Closed()
            except OSError as error:
                raise LabError(f"no connection to {host}:{port}: {error.strerror or error}") from error
            return self._current

    def raw(self, data: bytes, *, timeout: float, preface: bool = True) -> Answer:
        """Send octets of any kind on a connection of their own and return the first reaction to them.

        With `preface` the HTTP/2 preface goes first. Build `data` with `frame` and `header_block`. Reaction:
        a whole answer, a reset stream or GOAWAY (Refused names the code), the end, or nothing.

        Raises:
            LabError: the network did not carry the connection.
        """
        until = time.monotonic() + timeout
        try:
            with socket.create_connection(self.address, timeout) as plain:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                host = self.address[0]
                with self.tls.wrap_socket(plain, server_hostname=host) if self.tls else plain as link:
                    flow = Flow("tcp", _address(link.getsockname()), _address(link.getpeername()))
                    for piece in ([PREFACE] if preface else []) + [
                        data[at : at + MAX_FRAME] for at in range(0, len(data), MAX_FRAME)
                    ]:
                        self.trace.frame(flow, False, piece)
                        link.sendall(piece)
                    return self._reaction(link, flow, until) or Silence(timeout)
        except TimeoutError:
            return Silence(timeout)
        except ConnectionRefusedError:
            return Refused("connection refused")
        except ssl.SSLEOFError:
            return Closed()
        except ssl.SSLError as error:
            return Refused(f"TLS {_reason(error)}")
        except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
            return Closed()
        except OSError as error:
            raise LabError(
                f"no connection to {self.address[0]}:{self.address[1]}: {error.strerror or error}"
            ) from error

    def _reaction(self, link: socket.socket, flow: Flow, until: float) -> Answer | None:
        decoder = Decoder(self.limits.headers)
        buffer, content, block = bytearray(), bytearray(), bytearray()
        fields: list[Field] = []
        ending = False
        while (left := until - time.monotonic()) > 0:
            link.settimeout(left)
            received = link.recv(_READ)
            if not received:
                return Closed()
            buffer += received
            while len(buffer) >= 9 and len(buffer) >= (end := 9 + int.from_bytes(buffer[:3], "big")):
                one = bytes(buffer[:end])
                del buffer[:end]
                kind, flags, payload = one[3], one[4], one[9:]
                stream = int.from_bytes(one[5:9], "big")
                if kind == SETTINGS and not flags & ACK:
                    link.sendall(frame(SETTINGS, ACK, 0))
                elif kind == RST_STREAM:
                    self.trace.frame(flow, True, one)
                    return Refused(f"RST_STREAM {_code(int.from_bytes(payload[:4], 'big'))}")
                elif kind == GOAWAY:
                    self.trace.frame(flow, True, one)
                    return Refused(f"GOAWAY {_code(int.from_bytes(payload[4:8], 'big'))}")
                elif kind in (HEADERS, CONTINUATION):
                    ending = bool(flags & END_STREAM) if kind == HEADERS else ending
                    block += _unpadded(payload, flags, kind)
                    if flags & END_HEADERS:
                        try:
                            fields = fields or _fields(decoder.decode(bytes(block), raw=True))
                        except HPACKError:
                            self.trace.frame(flow, True, one)
                            return Closed()
                        end_flag = END_STREAM if ending else 0
                        whole = frame(HEADERS, END_HEADERS | end_flag, stream, header_block(fields))
                        self.trace.frame(flow, True, whole)
                        block.clear()
                elif kind == DATA:
                    self.trace.frame(flow, True, one)
                    content += _unpadded(payload, flags, kind)
                    ending = bool(flags & END_STREAM)
                if (ending and fields and not block) or len(content) > self.limits.body:
                    status = dict(fields).get(b":status", b"")
                    number = int(status) if status.isdigit() and len(status) == 3 else 0
                    return Reply(number, _text(fields), bytes(content[: self.limits.body]))
            if len(buffer) > (1 << 24) or len(block) > self.limits.body:
                return Closed()
        return None

    def close(self) -> None:
        """Close the connection, within about a second; a second call does nothing."""
        if not self._closed:
            self._closed = True
            try:
                self._loop.run(_end(self.connections), 5)
            finally:
                self._loop.stop()


def _unpadded(payload: bytes, flags: int, kind: int) -> bytes:
    if kind != CONTINUATION and flags & PADDED and payload:
        payload = payload[1 : max(1, len(payload) - payload[0])]
    return payload[5:] if kind == HEADERS and flags & PRIORITISED else payload
