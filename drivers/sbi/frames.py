"""Frames and header blocks of HTTP/2 as they stand in a capture (RFC 9113, RFC 7541)."""

from collections.abc import Iterable
from typing import Any

from h2.errors import ErrorCodes
from hpack import Encoder
from hpack.hpack import encode_integer
from hpack.table import HeaderTable

from assay.evidence import PREFACE

MAGIC = PREFACE[:24]
MAX_FRAME = 16_384  # octets of payload; what RFC 9113 lets a peer send unless it is told otherwise

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 1, 1, 4, 8, 32

Field = tuple[bytes, bytes]
BLOCKS = {HEADERS, PUSH_PROMISE, CONTINUATION}
QUIET = {PRIORITY, PING, WINDOW_UPDATE}  # not evidence of anything, and many

Address = tuple[str, int]


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


class StatelessEncoder(Encoder):
    """HPACK without a dynamic table: what we send decodes without the past of its connection."""

    def encode(self, headers: Any, huffman: bool = True) -> bytes:
        # A peer that changed the size of the table wants to hear one: ours is 0 (RFC 7541 clause 4.2).
        resized, self.header_table.resized = self.header_table.resized, False
        return (b"\x20" if resized else b"") + header_block((bytes(n), bytes(v)) for n, v in headers)


def code_name(number: int) -> str:
    try:
        return ErrorCodes(number).name
    except ValueError:
        return f"error {number}"


def header_fields(headers: Iterable[Any]) -> list[Field]:
    return [(bytes(name), bytes(value)) for name, value in headers]


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def readable(fields: Iterable[Field]) -> dict[str, str]:
    return joined((n.decode("latin-1"), v.decode("latin-1")) for n, v in fields if not n.startswith(b":"))


def as_address(name: Any) -> Address:
    return (str(name[0]), int(name[1])) if name else ("0.0.0.0", 0)  # noqa: S104


def unpadded(payload: bytes, flags: int, kind: int) -> bytes:
    if kind != CONTINUATION and flags & PADDED and payload:
        payload = payload[1 : max(1, len(payload) - payload[0])]
    return payload[5:] if kind == HEADERS and flags & PRIORITISED else payload
