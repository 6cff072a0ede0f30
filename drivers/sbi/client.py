"""The client: one connection that is renewed when the peer ends it, for many threads."""

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

import h2.events
from h2.errors import ErrorCodes
from h2.exceptions import H2Error
from hpack import Decoder, HPACKError

from assay.errors import LabError
from assay.evidence import PREFACE, Flow, Trace
from drivers import reach
from drivers.interfaces import Answer, Closed, Refused, Reply, Silence
from drivers.sbi.connection import READ, Connection, Loop, Tls, end, tls_reason
from drivers.sbi.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_FRAME,
    RST_STREAM,
    SETTINGS,
    Field,
    as_address,
    code_name,
    frame,
    header_block,
    header_fields,
    readable,
    unpadded,
)
from drivers.sbi.messages import Address, Limits

Tell = Callable[[int, Answer | None], None]
UNSETTLED = 100  # streams that every peer should take (RFC 9113 clause 6.5.2)


@dataclass(eq=False)
class _Call:
    fields: list[Field]
    body: bytes
    future: "asyncio.Future[Answer | None]"
    tell: "Tell"
    stream: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)

    def sent(self, number: int) -> None:
        """The request is about to leave as this frame."""
        self.tell(number, None)

    def end(self, result: Answer | None) -> None:
        """None: the peer promised that it did not look at the request."""
        if not self.future.done():
            self.future.set_result(result)


class _Outbound(Connection):
    """A connection that we opened."""

    client = True

    def __init__(self, owner: "Client") -> None:
        tls = Tls(owner.tls, owner.address[0]) if owner.tls else None
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

    async def ask(self, fields: list[Field], body: bytes, tell: Tell) -> Answer | None:
        call = _Call(fields, body, self.loop.create_future(), tell)
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
        allowed = self.h2.remote_settings.max_concurrent_streams if self.settled else UNSETTLED
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
            self.flush(call.sent)
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
            fields = header_fields(event.headers)
            status = dict(fields).get(b":status", b"")
            call.status = int(status) if status.isdigit() and len(status) == 3 else 0
            call.headers = readable(fields)
        elif isinstance(event, h2.events.DataReceived):
            call.content += event.data
            if len(call.content) > self.limits.body:
                call.end(Reply(call.status, call.headers, bytes(call.content[: self.limits.body])))
        elif isinstance(event, h2.events.StreamEnded):
            del self.calls[call.stream]
            reply = Reply(call.status, call.headers, bytes(call.content))
            call.tell(self.last, reply)
            call.end(reply)
            if self.unsent.pop(call.stream, None):  # answered before it had all of the request
                self.h2.reset_stream(call.stream, ErrorCodes.CANCEL)
        elif isinstance(event, h2.events.StreamReset):
            del self.calls[call.stream]
            self.unsent.pop(call.stream, None)
            call.end(Refused(f"RST_STREAM {code_name(event.error_code or 0)}"))

    def goaway(self, last: int, code: int) -> None:
        self.ended = f"GOAWAY {code_name(code)}"
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
        self._loop = Loop(f"sbi to {address[0]}:{address[1]}")
        self._opening = asyncio.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        timeout: float,
        tell: Tell = lambda frame, answer: None,
    ) -> Answer:
        """What the peer did within `timeout` seconds; a body beyond the limit is cut.

        `tell` is called in the client's thread with the number of the frame that carries the request and
        None, right before it leaves, and with that of the last frame of a whole answer and the answer.

        Nothing is checked before it is sent, so that an invalid request can be made. A request is repeated,
        once and on a new connection, only where GOAWAY says that it was not looked at.

        Raises:
            LabError: the network did not carry the connection, or this client is closed.
        """
        try:
            under_way = self.start(method, path, headers=headers, body=body, timeout=timeout, tell=tell)
            return under_way.result(timeout + 10)
        except CancelledError:
            raise LabError("this SBI client was closed under a request") from None

    def start(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        timeout: float,
        tell: Tell = lambda frame, answer: None,
        authority: str = "",
    ) -> "Future[Answer]":
        """What `request` does, without waiting for it; to cancel it resets its stream.

        `authority` is what the request says instead of the address it goes to.
        """
        if self._closed:
            raise LabError("this SBI client is closed")
        host, port = self.address
        authority = authority or (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        fields = [
            (b":method", method.encode("latin-1")),
            (b":scheme", b"https" if self.tls else b"http"),
            (b":authority", authority.encode()),
            (b":path", path.encode("latin-1")),
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers),
        ]
        if body and not any(name == b"content-length" for name, _ in fields):
            fields.append((b"content-length", str(len(body)).encode()))
        return self._loop.start(self._request(fields, body, timeout, tell))

    async def _request(self, fields: list[Field], body: bytes, timeout: float, tell: Tell) -> Answer:
        try:
            async with asyncio.timeout(timeout):
                for _ in range(2):
                    connection = await self._connected()
                    if not isinstance(connection, _Outbound):
                        return connection
                    result = await connection.ask(fields, body, tell)
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
                    flow = Flow("tcp", as_address(link.getsockname()), as_address(link.getpeername()))
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
            return Refused(f"TLS {tls_reason(error)}")
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
            received = link.recv(READ)
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
                    return Refused(f"RST_STREAM {code_name(int.from_bytes(payload[:4], 'big'))}")
                elif kind == GOAWAY:
                    self.trace.frame(flow, True, one)
                    return Refused(f"GOAWAY {code_name(int.from_bytes(payload[4:8], 'big'))}")
                elif kind in (HEADERS, CONTINUATION):
                    ending = bool(flags & END_STREAM) if kind == HEADERS else ending
                    block += unpadded(payload, flags, kind)
                    if flags & END_HEADERS:
                        try:
                            fields = fields or header_fields(decoder.decode(bytes(block), raw=True))
                        except HPACKError:
                            self.trace.frame(flow, True, one)
                            return Closed()
                        end_flag = END_STREAM if ending else 0
                        whole = frame(HEADERS, END_HEADERS | end_flag, stream, header_block(fields))
                        self.trace.frame(flow, True, whole)
                        block.clear()
                elif kind == DATA:
                    self.trace.frame(flow, True, one)
                    content += unpadded(payload, flags, kind)
                    ending = bool(flags & END_STREAM)
                if (ending and fields and not block) or len(content) > self.limits.body:
                    status = dict(fields).get(b":status", b"")
                    number = int(status) if status.isdigit() and len(status) == 3 else 0
                    return Reply(number, readable(fields), bytes(content[: self.limits.body]))
            if len(buffer) > (1 << 24) or len(block) > self.limits.body:
                return Closed()
        return None

    def close(self) -> None:
        """Close the connection, within about a second; a second call does nothing."""
        if not self._closed:
            self._closed = True
            try:
                self._loop.run(end(self.connections), 5)
            finally:
                self._loop.stop()
