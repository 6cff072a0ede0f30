"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng), and a file that appears whole or not at all."""

# The blocks and headers are packed here and not by scapy: its pcapng writer cannot put options into a section
# header, and its layers cost 0.5 ms (SCTP) to 0.8 ms (TCP) a packet and half a second to import.

import os
import struct
from collections.abc import Iterable
from pathlib import Path


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
    return block(1, struct.pack("<HHI", link, 0, 0), options)


def packet_block(interface: int, at: float, data: bytes, options: Iterable[tuple[int, bytes]]) -> bytes:
    high, low = divmod(round(at * 1_000_000), 1 << 32)
    body = struct.pack("<IIIII", interface, high, low, len(data), len(data)) + pad(data)
    return block(6, body, options)


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
