"""One HTTP/2 connection whose every frame is seen, with the loop it runs in (RFC 9113)."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, cast

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from assay.evidence import Flow, Trace
from drivers.sbi.frames import (
    ACK,
    BLOCKS,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAGIC,
    MAX_FRAME,
    QUIET,
    SETTINGS,
    StatelessEncoder,
    as_address,
    frame,
    header_block,
    header_fields,
)
from drivers.sbi.messages import Limits, T, printable

READ = 65_536


CLOSE_S = 0.3


class Loop:
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

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T], within: float) -> T:
        return self.start(work).result(within)

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(2)


class Tls:
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
            while chunk := self._link.read(READ):
                plain += chunk
        except ssl.SSLWantReadError:
            pass
        return bytes(plain)

    def seal(self, data: bytes) -> bytes:
        """What goes on the wire now, with `data` enciphered when there is some."""
        if data:
            self._link.write(data)
        return self._out.read()


def tls_reason(error: ssl.SSLError) -> str:
    return error.reason or error.strerror or type(error).__name__


class Connection(asyncio.Protocol):
    """What both sides share: framing, trace, flow control, limits; it lives in the loop's thread alone."""

    client = False
    transport: asyncio.Transport
    flow: Flow

    def __init__(self, trace: Trace, limits: Limits, interface: str, tls: Tls | None) -> None:
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
        self.h2.encoder = StatelessEncoder()
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
        here = as_address(transport.get_extra_info("sockname"))
        there = as_address(transport.get_extra_info("peername"))
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

    def _open(self, tls: Tls, data: bytes) -> bytes:
        try:
            plain = tls.open(data)
        except ssl.SSLError as error:
            self.tls_failure = printable(tls_reason(error), 200)
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
        block = kind in BLOCKS
        self._in_block = block and not flags & END_HEADERS
        if not block and kind not in QUIET and not (kind == SETTINGS and flags & ACK):
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
                    True, frame(HEADERS, END_HEADERS | ended, stream, header_block(header_fields(headers)))
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
            if kind not in QUIET and not (kind == SETTINGS and data[at + 4] & ACK):
                number = self._record(False, data[at:end])
                shown = number if kind in BLOCKS else shown
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
        self.loop.call_later(CLOSE_S, self.transport.abort)

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


async def end(connections: Collection[Connection]) -> None:
    """Shut connections, and wait a little for the peers to have taken notice."""
    for connection in list(connections):
        connection.shut()
    until = time.monotonic() + 2 * CLOSE_S
    while connections and time.monotonic() < until:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0)  # the transports close their sockets in the turn after
