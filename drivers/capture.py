"""The raw evidence as pcapng: the frames of a trace, and where privileges allow the wire itself beside them."""

# The blocks and headers are packed here and not by scapy: its pcapng writer cannot put options into a section
# header, and its layers cost 0.5 ms (SCTP) to 0.8 ms (TCP) a packet and half a second to import.

import ipaddress
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from assay.evidence import PREFACE, Flow, Frame

MAX_DATA = 65_000  # what fits into one IP packet below all headers

ETHERNET, UPPER_PDU = 1, 252  # link types of the registry behind pcapng
MAGIC = PREFACE[:24]

_BENCH, _PRODUCT = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")  # locally administered
_IP, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP, _SCTP = 6, 17, 132

# --- the trace --------------------------------------------------------------------------------------------


def write(
    path: Path, frames: Sequence[Frame], *, started: float, comment: str = "", transport: str = ""
) -> None:
    """Write a trace as pcapng with one packet per frame, so that `capture.pcapng#42` is `frame.number` 42.

    User messages of SCTP (RFC 9260) and HTTP/2 frames over TCP (RFC 9293) get lower layers that are rebuilt:
    addresses and ports are the flow's, the rest is consistent within the file and the same for the same
    frames. A deciphered NAS message is a packet of link type WIRESHARK_UPPER_PDU for the dissector nas-5gs.
    Times are microseconds and directions the bench's (draft-ietf-opsawg-pcapng); a frame's comment becomes
    its packet's. The file appears complete or not at all.

    Args:
        path: where the file goes; one that exists is replaced.
        frames: the frames in the order of the trace.
        started: when `at` was 0, in seconds of the Unix epoch.
        comment: what the file is, at most 65,535 octets; it goes into the section header.
        transport: how the frames really travelled where the rebuilt layers differ ("SCTP in UDP, port 9899");
            it goes into the description of the interface.

    Raises:
        ValueError: a frame that no packet can hold: above 65,000 octets, an empty SCTP message, an end that
            is no IP address, a number out of range.
        OSError: the file cannot be written.
    """
    about = "rebuilt from the user messages the bench saw"
    blocks = [
        _section(comment),
        _interface(ETHERNET, "transport", f"{about}; {transport}" if transport else about),
        _interface(UPPER_PDU, "deciphered", "NAS messages the bench deciphered"),
    ]
    rebuild = _Rebuild()
    for number, frame in enumerate(frames, 1):
        try:
            data = _upper(frame.data) if frame.flow is None else rebuild.packet(frame, frame.flow)
            options = [(1, _text(frame.comment))] if frame.comment else []
            options.append((2, struct.pack("<I", 1 if frame.received else 2)))
            blocks.append(_enhanced(int(frame.flow is None), started + frame.at, data, options))
        except (struct.error, ValueError) as error:
            raise ValueError(f"frame {number}: {error}") from error
    _replace(path, blocks)


class _Rebuild:
    """The lower layers of every flow of one file: sequence numbers run per flow and direction."""

    def __init__(self) -> None:
        self._next: dict[tuple[Flow, bool], int] = {}  # TSN of SCTP, octet of TCP
        self._ssn: Counter[tuple[Flow, bool, int]] = Counter()

    def packet(self, frame: Frame, flow: Flow) -> bytes:
        """One Ethernet frame with right lengths and checksums."""
        if len(frame.data) > MAX_DATA:
            raise ValueError(f"{len(frame.data)} octets do not fit into one packet, at most {MAX_DATA} do")
        one, other = (flow.product, flow.bench) if frame.received else (flow.bench, flow.product)
        source, target = _address(one[0]), _address(other[0])
        if len(source) != len(target):
            raise ValueError(f"{one[0]} and {other[0]} are of different IP versions")
        ports = struct.pack(">HH", one[1], other[1])
        if flow.transport == "sctp":
            protocol, payload = _SCTP, self._sctp(frame, flow, ports)
        else:
            protocol, payload = _TCP, self._tcp(frame, flow, ports, source + target)
        if len(source) == 4:
            kind = _IP
            header = struct.pack(">BxHHHBBxx", 0x45, 20 + len(payload), 0, 0x4000, 64, protocol)
            header = _checked(header + source + target, 10, header + source + target)
        else:
            kind = _IPV6
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
        chunk = struct.pack(
            ">BBHIHHI", 0, 3, 16 + len(frame.data), tsn, frame.stream, ssn, frame.ppid
        ) + _padded(frame.data)
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
        return _checked(segment, 16, addresses + struct.pack(">HH", _TCP, len(segment)) + segment)


def _upper(nas: bytes) -> bytes:
    """A NAS message behind the tags of an exported PDU (Wireshark's epan/exported_pdu.h)."""
    return struct.pack(">HH8sHH", 12, 8, b"nas-5gs", 0, 0) + nas


def _address(text: str) -> bytes:
    address = ipaddress.ip_address(text.partition("%")[0])
    return (getattr(address, "ipv4_mapped", None) or address).packed


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


# --- pcapng -----------------------------------------------------------------------------------------------


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _text(text: str) -> bytes:
    return text.encode(errors="replace")


def _block(kind: int, body: bytes, options: Iterable[tuple[int, bytes]]) -> bytes:
    for code, value in options:
        if len(value) > 0xFFFF:
            raise ValueError(f"{len(value)} octets do not fit into an option of pcapng, at most 65535 do")
        body += struct.pack("<HH", code, len(value)) + _padded(value)
    size = struct.pack("<I", len(body) + 16)
    return struct.pack("<I", kind) + size + body + bytes(4) + size


def _section(comment: str) -> bytes:
    options = [(1, _text(comment))] if comment else []
    return _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), [*options, (4, b"assay")])


def _interface(link: int, name: str, description: str) -> bytes:
    options = [(2, _text(name)), (3, _text(description)), (9, b"\x06")]
    return _block(1, struct.pack("<HHI", link, 0, 0), options)


def _enhanced(interface: int, at: float, data: bytes, options: Iterable[tuple[int, bytes]]) -> bytes:
    high, low = divmod(round(at * 1_000_000), 1 << 32)
    body = struct.pack("<IIIII", interface, high, low, len(data), len(data)) + _padded(data)
    return _block(6, body, options)


def _replace(path: Path, blocks: Iterable[bytes]) -> None:
    """Write a file that is there whole or not at all, whatever happens in between."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
