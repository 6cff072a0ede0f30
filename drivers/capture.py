"""The raw evidence as pcapng: one packet for each frame of a trace."""

import ipaddress
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from assay.evidence import Flow, Frame
from drivers.pcapng import interface_block, packet_block, pad, replace_file, section, text_octets

MAX_DATA = 65_000  # what fits into one IP packet below all headers

ETHERNET, UPPER_PDU = 1, 252  # link types of the registry behind pcapng

_BENCH, _PRODUCT = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")  # locally administered
IP, IPV6 = 0x0800, 0x86DD
TCP, UDP, SCTP = 6, 17, 132


def write(
    path: Path,
    frames: Sequence[Frame],
    *,
    started: float,
    comment: str = "",
    transport: str = "",
    http2: Literal["pdu", "tcp"] = "pdu",
) -> None:
    """Write a trace as pcapng with one packet per frame, so that `capture.pcapng#42` is `frame.number` 42.

    Lower layers are rebuilt, the same for the same frames: addresses, ports, streams and PPIDs are the
    trace's, tags and sequence numbers are consistent within the file. A user message of SCTP is a DATA chunk
    (RFC 9260) over IP and Ethernet. HTTP/2 frames and deciphered NAS messages are exported PDUs (link type
    WIRESHARK_UPPER_PDU), which name their dissector themselves. Times are in microseconds and directions are
    the bench's (draft-ietf-opsawg-pcapng); a frame's comment becomes its packet's. The file appears complete
    or not at all.

    Args:
        path: where the file goes; one that exists is replaced.
        frames: the frames in the order of the trace.
        started: when `at` was 0, in seconds of the Unix epoch.
        comment: what the file is, at most 65,535 octets of UTF-8; it goes into the section header.
        transport: how the frames travelled where that differs from the file ("SCTP in UDP, port 9899"); it
            goes into the description of the interface.
        http2: "tcp" puts HTTP/2 frames into TCP segments (RFC 9293) instead. Wireshark 4.0 then shows HTTP/2
            on the ports it has for HTTP (80, 8080, ...) only, and wants `-d tcp.port==7777,http2` for others.

    Raises:
        ValueError: a frame that no packet can hold: above 65,000 octets, an empty SCTP message, an end that
            is no IP address, a number out of range.
        OSError: the file cannot be written.
    """
    note = "rebuilt from the messages the bench saw"
    blocks = [
        section(comment),
        interface_block(ETHERNET, "transport", f"{note}; {transport}" if transport else note),
        interface_block(UPPER_PDU, "messages", "HTTP/2 frames, and NAS messages the bench deciphered"),
    ]
    rebuild = _Rebuild()
    for number, frame in enumerate(frames, 1):
        try:
            if len(frame.data) > MAX_DATA:
                raise ValueError(f"{len(frame.data)} octets do not fit into a packet, at most {MAX_DATA} do")
            flow = frame.flow
            if flow is None or (flow.transport == "tcp" and http2 == "pdu"):
                interface, data = 1, _exported(frame)
            else:
                interface, data = 0, rebuild.packet(frame, flow)
            options = [(1, text_octets(frame.comment))] if frame.comment else []
            options.append((2, struct.pack("<I", 1 if frame.received else 2)))
            blocks.append(packet_block(interface, started + frame.at, data, options))
        except (struct.error, ValueError) as error:
            raise ValueError(f"frame {number}: {error}") from error
    replace_file(path, blocks)


def ends(flow: Flow, received: bool) -> tuple[bytes, int, bytes, int]:
    """Source and target of one direction, addresses as octets."""
    one, other = (flow.product, flow.bench) if received else (flow.bench, flow.product)
    source, target = as_octets(one[0]), as_octets(other[0])
    if len(source) != len(target):
        raise ValueError(f"{one[0]} and {other[0]} are of different IP versions")
    return source, one[1], target, other[1]


@lru_cache(256)
def as_octets(text: str) -> bytes:
    address = ipaddress.ip_address(text.partition("%")[0])
    return (getattr(address, "ipv4_mapped", None) or address).packed


def _exported(frame: Frame) -> bytes:
    """A message behind the tags of an exported PDU (Wireshark's wsutil/exported_pdu_tlvs.h)."""
    if frame.flow is None:
        tags = [(12, b"nas-5gs")]
    else:
        source, sport, target, dport = ends(frame.flow, frame.received)
        address = 20 if len(source) == 4 else 22
        numbers = [(24, 2), (25, sport), (26, dport)]  # port type TCP
        tags = [(12, b"http2"), (address, source), (address + 1, target)]
        tags += [(tag, struct.pack(">HH", 0, value)) for tag, value in numbers]
    padded = [(tag, pad(value)) for tag, value in tags]
    header = b"".join(struct.pack(">HH", tag, len(value)) + value for tag, value in padded)
    return header + bytes(4) + frame.data


class _Rebuild:
    """The lower layers of every flow of one file: sequence numbers run per flow and direction."""

    def __init__(self) -> None:
        self._next: dict[tuple[Flow, bool], int] = {}  # TSN of SCTP, octet of TCP
        self._ssn: Counter[tuple[Flow, bool, int]] = Counter()

    def packet(self, frame: Frame, flow: Flow) -> bytes:
        """One Ethernet frame with right lengths and checksums."""
        source, sport, target, dport = ends(flow, frame.received)
        ports = struct.pack(">HH", sport, dport)
        if flow.transport == "sctp":
            protocol, payload = SCTP, self._sctp(frame, flow, ports)
        else:
            protocol, payload = TCP, self._tcp(frame, flow, ports, source + target)
        if len(source) == 4:
            kind = IP
            header = struct.pack(">BxHHHBBxx", 0x45, 20 + len(payload), 0, 0x4000, 64, protocol)
            header = _checked(header + source + target, 10, header + source + target)
        else:
            kind = IPV6
            header = struct.pack(">IHBB", 0x60000000, len(payload), protocol, 64) + source + target
        ethernet = (_BENCH + _PRODUCT) if frame.received else (_PRODUCT + _BENCH)
        return ethernet + struct.pack(">H", kind) + header + payload

    def _sctp(self, frame: Frame, flow: Flow, ports: bytes) -> bytes:
        if not frame.data:
            raise ValueError("an SCTP user message has at least one octet (RFC 9260 clause 3.3.1)")
        way = (flow, frame.received)
        tsn = self._next.get(way, _seed("tsn", *way))
        self._next[way] = (tsn + 1) & 0xFFFFFFFF
        ssn = self._ssn[*way, frame.stream] & 0xFFFF
        self._ssn[*way, frame.stream] += 1
        chunk = struct.pack(">BBHIHHI", 0, 3, 16 + len(frame.data), tsn, frame.stream, ssn, frame.ppid) + pad(
            frame.data
        )
        tag = struct.pack(">I", _seed("tag", *way))
        crc = crc32c(ports + tag + bytes(4) + chunk)
        return ports + tag + struct.pack("<I", crc) + chunk

    def _tcp(self, frame: Frame, flow: Flow, ports: bytes, addresses: bytes) -> bytes:
        way, back = (flow, frame.received), (flow, not frame.received)
        seq = self._next.get(way, _seed("seq", *way))
        ack = self._next.get(back, _seed("seq", *back))
        self._next[way] = (seq + len(frame.data)) & 0xFFFFFFFF
        segment = ports + struct.pack(">IIBBHHH", seq, ack, 0x50, 0x18, 0xFFFF, 0, 0) + frame.data
        # the one's complement sum of the pseudo header is the same for IPv4 and IPv6 (RFC 8200 clause 8.1)
        return _checked(segment, 16, addresses + struct.pack(">HH", TCP, len(segment)) + segment)


def _seed(what: str, flow: Flow, received: bool) -> int:
    """Where a number of one direction starts: any value but 0, the same in every file."""
    return zlib.crc32(repr((what, flow, received)).encode()) or 1


def _checked(header: bytes, at: int, covered: bytes) -> bytes:
    """The header with the internet checksum (RFC 1071) of what it covers; 2^16 is 1 modulo 65,535."""
    total = int.from_bytes(covered + bytes(len(covered) % 2), "big")
    return header[:at] + struct.pack(">H", 65_535 - (total % 65_535 or 65_535)) + header[at + 2 :]


def _crc_table() -> Iterator[int]:
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        yield value


_CRC = tuple(_crc_table())


def crc32c(data: bytes) -> int:
    """The checksum of SCTP (RFC 9260 appendix A); it stands in the packet with the least octet first."""
    crc, table = 0xFFFFFFFF, _CRC
    for octet in data:
        crc = crc >> 8 ^ table[(crc ^ octet) & 0xFF]
    return crc ^ 0xFFFFFFFF
