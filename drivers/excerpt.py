"""The frames of a capture that decided, with what a decoder needs to read them, as a capture of its own."""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assay.evidence import PREFACE
from drivers.capture import UPPER_PDU
from drivers.pcapng import COMMENT, INTERFACE, PACKET, blocks, commented, packet

DECIPHERED = re.compile(r"deciphered from frame (\d{1,9})")
HEADERS, SETTINGS, CONTINUATION = 1, 4, 9  # types of an HTTP/2 frame, RFC 9113 clause 6
MAGIC = PREFACE[:24]
End = tuple[bytes, bytes]  # address and port


@dataclass(frozen=True)
class Excerpt:
    """A capture cut out of another one."""

    data: bytes
    numbers: dict[int, int]  # frame number there -> frame number here


@dataclass(frozen=True)
class _Http:
    """What a packet holds of HTTP/2: its connection, and the frames in it by type and stream."""

    source: End
    target: End
    frames: tuple[tuple[int, int], ...]


def excerpt(capture: bytes, deciding: Iterable[int]) -> Excerpt:
    """Cut the deciding frames out of a capture of ours, with what they cannot be read without.

    A deciphered NAS message and the frame that it came in go together. An HTTP/2 frame needs the preface and
    settings of its connection, every header block before it in its direction, for they build one table
    (RFC 7541 clause 2.2), and what its own stream carried. Each packet says in a comment which frame it was.
    Raises ValueError for what is no capture of ours; numbers that it does not hold are left out.
    """
    head: list[bytes] = []
    links: list[int] = []
    packets: list[bytes] = []
    for kind, whole in blocks(capture):
        if kind == PACKET:
            packets.append(whole)
            continue
        head.append(whole)
        if kind == INTERFACE:
            links.append(struct.unpack_from("<H", whole, 8)[0])
    wanted = {number for number in deciding if 1 <= number <= len(packets)}
    kept = set(wanted)
    https: dict[int, _Http] = {}
    for number, whole in enumerate(packets, 1):
        interface, data, options = packet(whole)
        if found := DECIPHERED.search(_comment(options)):
            if (origin := int(found[1])) in wanted or number in wanted:
                kept |= {origin, number} if 1 <= origin <= len(packets) else {number}
        elif interface < len(links) and links[interface] == UPPER_PDU and (http := _http(data)):
            https[number] = http
    for number in wanted & https.keys():
        kept |= set(_needed(https, number))
    numbers = {old: new for new, old in enumerate(sorted(kept), 1)}
    cut = [
        commented(packets[old - 1], f"frame {old} of the whole capture{', decides' if old in wanted else ''}")
        for old in numbers
    ]
    return Excerpt(b"".join([*head, *cut]), numbers)


def _comment(options: list[tuple[int, bytes]]) -> str:
    return "; ".join(value.decode(errors="replace") for code, value in options if code == COMMENT)


def _needed(https: dict[int, _Http], number: int) -> Iterator[int]:
    mine = https[number]
    streams = {stream for _, stream in mine.frames if stream}
    for earlier, http in https.items():
        if earlier >= number or {http.source, http.target} != {mine.source, mine.target}:
            continue
        table = {HEADERS, CONTINUATION} if http.source == mine.source else set()
        if any(stream in streams or kind in {SETTINGS, *table} for kind, stream in http.frames):
            yield earlier


def _http(data: bytes) -> _Http | None:
    """An exported PDU of HTTP/2 (Wireshark's wsutil/exported_pdu_tlvs.h), None for any other."""
    tags: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        tag, length = struct.unpack_from(">HH", data, at)
        at += 4 + length
        if tag == 0:
            break
        tags[tag] = data[at - length : at]
    if tags.get(12, b"").rstrip(b"\0") != b"http2":
        return None
    source = tags.get(20) or tags.get(22, b""), tags.get(25, b"")
    target = tags.get(21) or tags.get(23, b""), tags.get(26, b"")
    body = data[at:].removeprefix(MAGIC)
    frames = []
    while len(body) >= 9:
        length = int.from_bytes(body[:3], "big")
        frames.append((body[3], int.from_bytes(body[5:9], "big") & 0x7FFFFFFF))
        body = body[9 + length :]
    return _Http(source, target, tuple(frames))
