"""The wire itself, recorded where privileges allow, and which packet of it carries which frame."""

import ctypes
import os
import select
import socket
import struct
import threading
import time
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Container, Hashable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from assay.evidence import PREFACE, Frame
from drivers.capture import ETHERNET, SCTP, TCP, UDP, as_octets, ends
from drivers.pcapng import interface_block, packet_block, replace_file, section

MAX_PACKETS = 50_000
LOOK_AGAIN_S = 0.05
MAX_OCTETS = 64 << 20

_ALL_PROTOCOLS = 3  # ETH_P_ALL
_PACKET, _STATISTICS = 263, 6  # SOL_PACKET, PACKET_STATISTICS
_OUTGOING, _LOOPBACK = 4, 772  # PACKET_OUTGOING, ARPHRD_LOOPBACK
_IGNORE_OUTGOING = 23  # PACKET_IGNORE_OUTGOING, since Linux 4.20
_STAMP = 35  # SO_TIMESTAMPNS
_FORCE = 33  # SO_RCVBUFFORCE
_ATTACH = 26  # SO_ATTACH_FILTER
_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # a socket filter: return 0
_BACKLOG = 32 << 20  # octets the kernel keeps for us while another thread runs

Way = tuple[bytes, int, bytes, int]  # source and target of one direction


class WirePacket(NamedTuple):
    """A packet as it was on the wire, from its Ethernet header on; `at` in seconds of the Unix epoch."""

    at: float
    data: bytes
    interface: str = ""


class _Segment(NamedTuple):
    """What one packet carries above IP; a later fragment has no ports (0)."""

    protocol: int
    way: Way
    body: bytes  # from the transport header on


def _segment(packet: bytes) -> _Segment | None:
    """Take an Ethernet frame apart; None for what is neither IPv4 nor IPv6 or is cut short."""
    kind = packet[12:14]
    if kind == b"\x08\x00" and len(packet) >= 34:
        start, end = 14 + 4 * (packet[14] & 15), 14 + int.from_bytes(packet[16:18], "big")
        protocol, source, target = packet[23], packet[26:30], packet[30:34]
        later = (packet[20] & 0x1F) or packet[21]
    elif kind == b"\x86\xdd" and len(packet) >= 54:
        start, end = 54, 54 + int.from_bytes(packet[18:20], "big")
        protocol, source, target = packet[20], packet[22:38], packet[38:54]
        later = 0
    else:
        return None
    if end <= start:  # a length of 0: longer than 65,535 octets, before segmentation offload
        end = len(packet)
    body = packet[start:end]
    if later or len(body) < 4:
        return _Segment(protocol, (source, 0, target, 0), body)
    return _Segment(protocol, (source, body[0] << 8 | body[1], target, body[2] << 8 | body[3]), body)


def _of_sctp(packet: bytes, ports: Container[int]) -> bool:
    """Whether a packet is no SCTP, or of an association with one of these ports (RFC 9260 clause 3.1)."""
    segment = _segment(packet)
    if segment is None or segment.protocol == TCP:
        return True
    head = segment.body[8:12] if segment.protocol == UDP else segment.body[:4]
    return int.from_bytes(head[:2], "big") in ports or int.from_bytes(head[2:], "big") in ports


class WireCapture:
    """Record what really crosses the wire between declared ends, beside the trace: from `start` to `stop`.

    Needs Linux and CAP_NET_RAW: ask `available` first. An end is (address, port); a packet is kept when it
    comes from or goes to an end of its transport. After 50,000 packets or 64 MiB, after a loss in the kernel,
    or when an interface fails, `overflow` says so: what was kept is then not all there was.
    """

    def __init__(
        self,
        interfaces: Sequence[str],
        *,
        tcp: Iterable[tuple[str, int]] = (),
        sctp: Iterable[tuple[str, int]] = (),
        udp: Iterable[tuple[str, int]] = (),
    ) -> None:
        """Name the interfaces and ends; `udp` are those of SCTP in UDP (RFC 6951).

        Raises:
            ValueError: an address is no IP address.
        """
        self.overflow = ""
        self._interfaces = tuple(interfaces)
        given = {TCP: tcp, SCTP: sctp, UDP: udp}
        self._ends = {key: {(as_octets(a), port) for a, port in ends} for key, ends in given.items()}
        self._hosts = {key: {address for address, _ in ends} for key, ends in self._ends.items()}
        self._changed = threading.Condition()
        self._packets: list[WirePacket] = []
        self._octets = 0
        self._taps: dict[socket.socket, str] = {}
        self._thread: threading.Thread | None = None
        self._resources = ExitStack()

    def available(self) -> str:
        """Why the wire cannot be recorded on this machine; empty when it can."""
        try:
            with ExitStack() as stack:
                for name in self._interfaces:
                    self._open(name, stack)
        except OSError as error:
            return str(error)
        return ""

    def start(self) -> None:
        """Record from now on: what is sent after the return of this call is seen.

        Raises:
            OSError: an interface cannot be recorded; `available` gives the same reason.
        """
        with ExitStack() as stack:
            self._taps = {self._open(name, stack): name for name in self._interfaces}
            self._wake = os.eventfd(0, os.EFD_NONBLOCK)
            stack.callback(os.close, self._wake)
            self._packets, self._octets, self.overflow = [], 0, ""
            self._thread = threading.Thread(target=self._read, name="wire", daemon=True)
            self._thread.start()
            self._resources = stack.pop_all()

    def mark(self) -> int:
        """A place in the recording, for `since`."""
        return len(self._packets)

    def since(
        self,
        mark: int,
        frames: Sequence[Frame] = (),
        *,
        sctp: Container[int] | None = None,
        within: float = 1.0,
    ) -> list[WirePacket]:
        """What was recorded after a mark; of SCTP only what has one of these ports, where they are given.

        Waits for the last messages of `frames` as `stop` does, and records on.
        """
        deadline = time.monotonic() + within
        last = {(f.flow, f.received): n for n, f in enumerate(frames, 1) if _tellable(f)}
        while True:
            seen = [p for p in self._packets[mark:] if sctp is None or _of_sctp(p.data, sctp)]
            found = align(frames, seen) if last else {}
            if self.overflow or found.keys() >= set(last.values()) or time.monotonic() >= deadline:
                return seen
            with self._changed:
                self._changed.wait(LOOK_AGAIN_S)

    def stop(self, frames: Sequence[Frame] = (), *, within: float = 1.0) -> list[WirePacket]:
        """End the recording and return it, the packets of each interface in their order on the wire.

        The kernel shows a packet to the recorder before the receiving program gets it, so all that was
        received is there. A packet that was sent may still wait in a queue: the call waits up to `within`
        seconds for the last message of each direction in `frames`. What does not come is no error here:
        `align` leaves it out.
        """
        if self._thread is None:
            return []
        self.since(0, frames, within=within)
        for tap in self._taps:  # nothing new comes in, what is there stays: the reader finds an end
            tap.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("HP", 1, ctypes.addressof(_NOTHING)))
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._thread = None
        self._resources.close()
        return self._packets

    def _open(self, name: str, stack: ExitStack) -> socket.socket:
        try:
            kind = Path("/sys/class/net", name, "type").read_text().strip()
            if kind not in ("1", str(_LOOPBACK)):
                raise OSError(f"its packets have no Ethernet header (type {kind})")
            # without a protocol until it is bound, or it would hear every interface in between
            tap = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            tap.setblocking(False)
            tap.setsockopt(socket.SOL_SOCKET, _STAMP, 1)
            tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BACKLOG)
            with suppress(PermissionError):  # beyond the limit of the system, with CAP_NET_ADMIN only
                tap.setsockopt(socket.SOL_SOCKET, _FORCE, _BACKLOG)
            if kind == str(_LOOPBACK):  # it shows each packet going out and coming in
                with suppress(OSError):
                    tap.setsockopt(_PACKET, _IGNORE_OUTGOING, 1)
            tap.bind((name, _ALL_PROTOCOLS))
        except OSError as error:
            raise OSError(f"cannot record the wire on {name}: {error}") from error
        return tap

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        taps = {tap.fileno(): tap for tap in self._taps}
        for number in taps:
            poll.register(number, select.POLLIN)
        ended = False
        while not ended:
            ready = {number for number, _ in poll.poll()}
            ended = self._wake in ready
            for number in ready - {self._wake}:
                try:
                    self._drain(taps[number], self._taps[taps[number]])
                except OSError as error:
                    self._lost(f"{self._taps[taps.pop(number)]}: {error.strerror}")
                    poll.unregister(number)
        for tap, name in self._taps.items():
            _, dropped = struct.unpack("II", tap.getsockopt(_PACKET, _STATISTICS, 8))
            if dropped:
                self._lost(f"{name}: the kernel dropped {dropped} packets")

    def _drain(self, tap: socket.socket, name: str) -> None:
        while True:
            try:
                data, extra, _, origin = tap.recvmsg(1 << 17, 64)
            except BlockingIOError:
                return
            seconds, nanoseconds = struct.unpack("ll", extra[0][2]) if extra else (time.time(), 0)
            if origin[2] == _OUTGOING and origin[3] == _LOOPBACK:
                continue  # an older kernel
            segment = _segment(data)
            if segment is not None and self._declared(segment):
                self._keep(WirePacket(seconds + nanoseconds / 1e9, data, name))

    def _declared(self, segment: _Segment) -> bool:
        source, sport, target, dport = segment.way
        if not sport and not dport:
            hosts = self._hosts.get(segment.protocol, ())
            return source in hosts or target in hosts
        ends = self._ends.get(segment.protocol, ())
        return (source, sport) in ends or (target, dport) in ends

    def _keep(self, packet: WirePacket) -> None:
        if len(self._packets) >= MAX_PACKETS or self._octets + len(packet.data) > MAX_OCTETS:
            self._lost(f"more than {MAX_PACKETS} packets or {MAX_OCTETS >> 20} MiB crossed the wire")
        elif not self.overflow:
            with self._changed:
                self._packets.append(packet)
                self._octets += len(packet.data)
                self._changed.notify_all()

    def _lost(self, why: str) -> None:
        with self._changed:
            self.overflow = self.overflow or why
            self._changed.notify_all()


def write_wire(path: Path, packets: Sequence[WirePacket], *, comment: str = "") -> None:
    """Write what `WireCapture.stop` returned as pcapng: a block for each packet, in order, all or nothing.

    Raises:
        ValueError: the comment is above 65,535 octets.
        OSError: the file cannot be written.
    """
    names = list(dict.fromkeys(packet.interface for packet in packets))
    blocks = [section(comment), *(interface_block(ETHERNET, name, "recorded on the wire") for name in names)]
    blocks += [packet_block(names.index(p.interface), p.at, p.data, ()) for p in packets]
    replace_file(path, blocks)


# --- which packet carried which frame ---------------------------------------------------------------------


def align(frames: Sequence[Frame], packets: Sequence[WirePacket]) -> dict[int, int]:
    """Which packet of the wire carries (the beginning of) which frame, both counted from 1.

    Every message of the wire serves one frame, in order within its direction: of two equal messages the first
    belongs to the first. SCTP user messages match by stream, PPID and all octets; HTTP/2 frames by stream
    and octets, but a header block only by its place in its stream, since the trace encodes it anew. Left out
    is what was not seen on the wire: deciphered messages, a repeated preface, a message the recording missed,
    and what TLS hides.
    """
    wire = _Messages(packets)
    found = {}
    for number, frame in enumerate(frames, 1):
        if frame.flow is not None:
            way = ends(frame.flow, frame.received)
            packet = wire.user(way, frame) if frame.flow.transport == "sctp" else wire.http2(way, frame.data)
            if packet:
                found[number] = packet
    return found


def _tellable(frame: Frame) -> bool:
    """Whether the wire must show this frame: not what the trace may have added, a preface or a setting."""
    if frame.flow is None or frame.flow.transport == "sctp":
        return frame.flow is not None
    return any(kind == 1 or (kind == 0 and body) for _, kind, _, _, body in _http2_frames(frame.data))


class _Messages:
    """The messages in packets of the wire, each to be taken once."""

    def __init__(self, packets: Sequence[WirePacket]) -> None:
        self._waiting: defaultdict[Hashable, deque[int]] = defaultdict(deque)
        self._body: defaultdict[tuple[Way, int], _Stream] = defaultdict(_Stream)
        self._taken: Counter[tuple[Way, int]] = Counter()
        chunks: dict[tuple[Way, bytes], dict[int, tuple[int, bytes]]] = {}
        streams: dict[Way, list[_Stream]] = {}
        for number, packet in enumerate(packets, 1):
            segment = _segment(packet.data)
            if segment is None:
                continue
            way, body = segment.way, segment.body
            if segment.protocol == TCP and len(body) >= 20:
                opened = streams.setdefault(way, [_Stream()])
                if body[13] & 2:  # SYN
                    opened.append(_Stream())
                opened[-1].segment(body, number)
            elif segment.protocol in (SCTP, UDP):
                if segment.protocol == UDP:
                    body = body[8:]
                    sport, dport = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
                    way = (way[0], sport, way[2], dport)
                known = chunks.setdefault((way, body[4:8]), {})
                for tsn, chunk in _data_chunks(body):
                    known.setdefault(tsn, (number, chunk))  # a second one is a retransmission
        for (way, _), known in chunks.items():
            self._add_users(way, known)
        for way, opened in streams.items():
            for stream in opened:
                self._add_http2(way, stream)

    def user(self, way: Way, frame: Frame) -> int:
        """The packet of an SCTP user message, 0 when there is none."""
        return self._take((way, frame.stream, frame.ppid, frame.data))

    def http2(self, way: Way, data: bytes) -> int:
        """The packet in which HTTP/2 frames begin, 0 unless all of them are there."""
        found = []
        frames = list(_http2_frames(data))
        messages = any(kind in (0, 1) for _, kind, _, _, _ in frames)
        if not messages and data.startswith(PREFACE[:24]):
            found.append(self._take((way, "preface")))
        for _, kind, flags, stream, body in frames:
            if kind == 1:
                found.append(self._take((way, "headers", stream)))
            elif kind == 0 and body:
                found.append(self._take_body((way, stream), body))
            elif kind not in (0, 9) and not messages:
                found.append(self._take((way, kind, flags, stream, body)))
        return found[0] if found and all(found) else 0

    def _take(self, key: Hashable) -> int:
        waiting = self._waiting.get(key)
        return waiting.popleft() if waiting else 0

    def _take_body(self, key: tuple[Way, int], body: bytes) -> int:
        stream, at = self._body[key], self._taken[key]
        if stream.octets[at : at + len(body)] != body:
            return 0
        self._taken[key] += len(body)
        return stream.packet(at)

    def _add_users(self, way: Way, known: dict[int, tuple[int, bytes]]) -> None:
        first, message, expected = 0, b"", None
        for tsn in _serial(known):
            number, chunk = known[tsn]
            flags = chunk[1]
            if flags & 2:  # a message begins
                first, message = number, b""
            elif tsn != expected:
                first = 0  # a fragment of it is missing
            message += chunk[16:]
            expected = (tsn + 1) & 0xFFFFFFFF
            if flags & 1 and first:  # and ends
                stream, ppid = struct.unpack_from(">H2xI", chunk, 8)
                self._waiting[way, stream, ppid, message].append(first)

    def _add_http2(self, way: Way, octets: "_Stream") -> None:
        octets.settle()
        data = bytes(octets.octets)
        if data.startswith(PREFACE[:24]):
            self._waiting[way, "preface"].append(octets.packet(0))
        for at, kind, flags, stream, body in _http2_frames(data):
            if kind == 0:
                if flags & 8 and body:
                    body = body[1 : len(body) - body[0]]  # padding, RFC 9113 clause 6.1
                self._body[way, stream].append(body, octets.packet(at))
            else:
                key = (way, "headers", stream) if kind == 1 else (way, kind, flags, stream, body)
                self._waiting[key].append(octets.packet(at))


class _Stream:
    """Octets in order, and which packet brought which."""

    def __init__(self) -> None:
        self.octets = bytearray()
        self._from: list[int] = []
        self._numbers: list[int] = []
        self._segments: defaultdict[int, list[tuple[bytes, int]]] = defaultdict(list)

    def append(self, data: bytes, number: int) -> None:
        """Octets that follow."""
        if data:
            self._from.append(len(self.octets))
            self._numbers.append(number)
            self.octets += data

    def packet(self, at: int) -> int:
        """Which packet brought the octet at this place."""
        return self._numbers[bisect_right(self._from, at) - 1]

    def segment(self, body: bytes, number: int) -> None:
        """A TCP segment, in whatever order they come."""
        seq = int.from_bytes(body[4:8], "big") + (body[13] >> 1 & 1)  # a SYN counts
        data = body[4 * (body[12] >> 4) :]
        self._segments[seq & 0xFFFFFFFF].append((data, number))

    def settle(self) -> None:
        """Put the segments in order, up to the first gap; what came twice counts once."""
        order = _serial(self._segments)
        for seq in order:
            for data, number in self._segments[seq]:
                known = len(self.octets) - ((seq - order[0]) & 0xFFFFFFFF)
                if known < 0:
                    return
                self.append(data[known:], number)


def _serial(numbers: Iterable[int]) -> list[int]:
    """Numbers of 32 bits in their order, also where they start again at 0 (RFC 1982)."""
    known = list(numbers)
    origin = known[0] if known else 0
    return sorted(known, key=lambda number: (number - origin + (1 << 31)) & 0xFFFFFFFF)


def _data_chunks(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """The DATA chunks of an SCTP packet with their TSNs, each from its header to the end of its data."""
    at = 12
    while at + 16 <= len(packet):
        length = int.from_bytes(packet[at + 2 : at + 4], "big")
        if length < 4:
            return
        if packet[at] == 0 and length > 16 and at + length <= len(packet):
            yield int.from_bytes(packet[at + 4 : at + 8], "big"), packet[at : at + length]
        at += length + -length % 4


def _http2_frames(data: bytes) -> Iterator[tuple[int, int, int, int, bytes]]:
    """Place, type, flags, stream and payload of each whole HTTP/2 frame (RFC 9113 clause 4.1)."""
    at = 24 if data.startswith(PREFACE[:24]) else 0
    while at + 9 <= len(data):
        end = at + 9 + int.from_bytes(data[at : at + 3], "big")
        if end > len(data):
            return
        stream = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
        yield at, data[at + 3], data[at + 4], stream, data[at + 9 : end]
        at = end
