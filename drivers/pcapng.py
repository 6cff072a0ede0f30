"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng), and a file that appears whole or not at all."""

# The blocks and headers are packed here and not by scapy: its pcapng writer cannot put options into a section
# header, and its layers cost 0.5 ms (SCTP) to 0.8 ms (TCP) a packet and half a second to import.

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

COMMENT = 1  # code of an option
INTERFACE, PACKET = 1, 6  # types of a block: description of an interface, enhanced packet


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def text_octets(text: str) -> bytes:
    return text.encode(errors="replace")


def block(kind: int, body: bytes, options: Iterable[tuple[int, bytes]]) -> bytes:
    for code, value in options:
        if len(value) > 0xFFFF:
            raise ValueError(f"{len(value)} octets do not fit into an option of pcapng, at most 65535 do")
        body += struct.pack("<HH", code, len(value)) + pad(value)
    size = struct.pack("<I", len(body) + 16)
    return struct.pack("<I", kind) + size + body + bytes(4) + size


def section(comment: str) -> bytes:
    options = [(1, text_octets(comment))] if comment else []
    return block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), [*options, (4, b"assay")])


def interface_block(link: int, name: str, description: str) -> bytes:
    options = [(2, text_octets(name)), (3, text_octets(description)), (9, b"\x06")]
    return block(INTERFACE, struct.pack("<HHI", link, 0, 0), options)


def packet_block(interface: int, at: float, data: bytes, options: Iterable[tuple[int, bytes]]) -> bytes:
    high, low = divmod(round(at * 1_000_000), 1 << 32)
    body = struct.pack("<IIIII", interface, high, low, len(data), len(data)) + pad(data)
    return block(PACKET, body, options)


def replace_file(path: Path, blocks: Iterable[bytes]) -> None:
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


# --- reading what was written here ------------------------------------------------------------------------


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The blocks of a file of ours, each with its type and whole; ValueError for one that is cut short."""
    at = 0
    while at < len(data):
        if at + 12 > len(data):
            raise ValueError(f"half a block of a capture at octet {at}")
        kind, size = struct.unpack_from("<II", data, at)
        if size < 12 or size % 4 or at + size > len(data):
            raise ValueError(f"no block of a capture at octet {at}")
        yield kind, data[at : at + size]
        at += size


def packet(whole: bytes) -> tuple[int, bytes, list[tuple[int, bytes]]]:
    """The interface, the octets and the options of a packet block; ValueError for one that is cut short."""
    if len(whole) < 32:
        raise ValueError("a packet block is cut short")
    interface, size = struct.unpack_from("<I", whole, 8)[0], struct.unpack_from("<I", whole, 20)[0]
    at, end = 28 + size + -size % 4, len(whole) - 4
    if at > end:
        raise ValueError("a packet block is cut short")
    options = []
    while at + 4 <= end:
        code, length = struct.unpack_from("<HH", whole, at)
        if code == 0:
            break
        if at + 4 + length > end:
            raise ValueError("an option of a packet block is cut short")
        options.append((code, whole[at + 4 : at + 4 + length]))
        at += 4 + length + -length % 4
    return interface, whole[28 : 28 + size], options


def commented(whole: bytes, comment: str) -> bytes:
    """A packet block with a comment before its other options."""
    _, data, options = packet(whole)
    return block(PACKET, whole[8:28] + pad(data), [(COMMENT, text_octets(comment)), *options])
