"""The server: it routes whole requests to a handler, which may answer, answer later, or hold."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qsl

import h2.events
from h2.errors import ErrorCodes

from assay.errors import LabError
from assay.evidence import Trace
from drivers.sbi.connection import Connection, Loop, Tls, end
from drivers.sbi.frames import Field, as_address, header_fields, joined, readable
from drivers.sbi.messages import (
    Address,
    Later,
    Limits,
    Outcome,
    Request,
    Reset,
    Response,
    printable,
    problem,
)


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


class Inbound(Connection):
    """A connection that the peer opened."""

    def __init__(self, server: "Server", number: int) -> None:
        tls = Tls(server.tls, None) if server.tls else None
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
            self.streams[event.stream_id] = _Stream(header_fields(event.headers), self.loop.time())
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
            parameters = joined(parse_qsl(query, keep_blank_values=True, max_num_fields=100))
        except ValueError:
            parameters = {}
        host, port = self.flow.bench
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return Request(
            method,
            path,
            parameters,
            readable(stream.fields),
            bytes(stream.body),
            number,
            self.number,
            self.flow,
            f"{self.server.scheme}://{authority}",
            self.last,
            self.interface,
            printable(f"{method} {path}", 200),
            target=target,
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
        elif isinstance(outcome, Response | Reset):
            self.answer(request, outcome)

    def answer(self, request: Request, response: Response | Reset) -> None:
        """Answer a request that is still open, or reset it; nothing happens when it no longer is."""
        stream = self.streams.get(request.stream)
        if self.done or stream is None or stream.request is not request or stream.answered:
            return
        if isinstance(response, Reset):
            self._drop(request.stream, "STREAM RESET", "bench")
            self.h2.reset_stream(request.stream, response.code)
            self.flush()
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
        self.connections: set[Inbound] = set()
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
        self.address = as_address(listener.getsockname())
        self._loop = Loop(f"sbi {self.address[0]}:{self.address[1]}")
        self._loop.run(self._listen(listener), 5)

    async def _listen(self, listener: socket.socket) -> None:
        self._listener = await asyncio.get_running_loop().create_server(self._accept, sock=listener)
        self._sweep()

    def _accept(self) -> Inbound:
        self._count += 1
        return Inbound(self, self._count)

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

    def release(self, request: Request, response: Response | Reset) -> None:
        """Answer or reset a request on hold, from any thread; without effect when its stream has ended."""
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
        await end(self.connections)
