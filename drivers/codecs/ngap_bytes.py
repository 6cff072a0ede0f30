"""NGAP messages of a UE put together and taken apart by hand, for whoever has thousands of them to handle."""

from typing import Final, NamedTuple

from drivers.codecs import ngap
from drivers.codecs.ngap import IeId

# Aligned PER (X.691, edition of 2015 or later) as far as UE NGAP IDs and NAS-PDU need it:
# - a PDU is the choice, the procedure code and the criticality, an octet each, and an open type; in that an
#   octet without extensions, the number of IEs in two octets, and each IE as two octets of id, one of
#   criticality and an open type (clauses 23, 14, 11.2, 19, 20);
# - the length of an open type or octet string takes one octet below 128, two below 16384 (clause 11.9);
# - an integer of more than 64K values is its number of octets less one in a bit field, then, aligned, the
#   octets (clause 11.5.7.4): AMF UE NGAP ID 1 to 5 of them, three bits; RAN UE NGAP ID 1 to 4, two bits.

AMF, RAN, NAS, PAIR = IeId.AMF_UE_NGAP_ID, IeId.RAN_UE_NGAP_ID, IeId.NAS_PDU, IeId.UE_NGAP_IDS
_VARYING: Final = frozenset({int(AMF), int(RAN), int(NAS)})
_WANTED: Final = _VARYING | {int(PAIR)}
_READ: Final = {
    4: ("DOWNLINK NAS TRANSPORT", _VARYING),
    14: ("INITIAL CONTEXT SETUP REQUEST", _VARYING),
    41: ("UE CONTEXT RELEASE COMMAND", frozenset({int(PAIR)})),
}
_INITIATING: Final = 0x00
_FRAGMENTED: Final = 16384


def _length(size: int) -> bytes:
    if size < 128:
        return bytes((size,))
    if size < _FRAGMENTED:
        return (size | 0x8000).to_bytes(2, "big")
    raise ValueError(f"{size} octets would have to be fragmented")


def _whole(value: int, most: int, bits: int) -> bytes:
    size = (value.bit_length() + 7) // 8 or 1
    if value < 0 or size > most:
        raise ValueError(f"{value} does not fit into {most} octets")
    return bytes((size + 1, (size - 1) << (8 - bits))) + value.to_bytes(size, "big")


def amf_ue_ngap_id(value: int) -> bytes:
    """An AMF UE NGAP ID of 0 to 2^40 - 1 as `Template.fill` takes it; else ValueError (clause 9.3.3.1)."""
    return _whole(value, 5, 3)


def ran_ue_ngap_id(value: int) -> bytes:
    """A RAN UE NGAP ID of 0 to 2^32 - 1 as `Template.fill` takes it; else ValueError (clause 9.3.3.2)."""
    return _whole(value, 4, 2)


def nas_pdu(octets: bytes) -> bytes:
    """A NAS-PDU as `Template.fill` takes it; ValueError from 16 KiB on (clause 9.3.3.4)."""
    inner = _length(len(octets)) + octets
    return _length(len(inner)) + inner


class Template:
    """An uplink message with room for UE NGAP IDs and NAS-PDU; all other octets are those of `ngap.encode`.

    What varies must come before all else, as the builders of `ngap` have it; ValueError otherwise.
    """

    __slots__ = ("_count", "_head", "_heads", "_rest")

    def __init__(self, pdu: ngap.Pdu) -> None:
        octets = ngap.encode(pdu)
        body = _body(octets)
        places = [n for n, ie in enumerate(pdu.ies) if ie.id in _VARYING]
        if body is None or places != list(range(len(places))):
            raise ValueError(f"{pdu.title}: what varies does not come first")
        at = body + 3
        heads = []
        for _ in places:
            heads.append(octets[at : at + 3])
            start, size = _open(octets, at + 3)
            at = start + size
        self._head, self._count, self._rest = octets[:3], octets[body : body + 3], octets[at:]
        self._heads = tuple(heads)

    def fill(self, *values: bytes) -> bytes:
        """The message with these values in the order of its IEs; ValueError unless there is one for each."""
        body = self._count
        for head, value in zip(self._heads, values, strict=True):
            body += head + value
        body += self._rest
        return self._head + _length(len(body)) + body


class Downlink(NamedTuple):
    """What a gNB needs of a UE-associated message; None for what the message does not carry."""

    title: str
    amf_id: int | None
    ran_id: int | None
    nas: bytes | None


def read(data: bytes) -> Downlink:
    """The message in `data`: three of them by hand, all others, and odd ones, by `ngap.decode`.

    Raises `ngap.Malformed` for what is no NGAP PDU. IEs that are not asked for here are not looked into.
    """
    return _read(data) or _decoded(data)


def _decoded(data: bytes) -> Downlink:
    pdu = ngap.decode(data)
    return Downlink(pdu.title, ngap.amf_ue_ngap_id(pdu), ngap.ran_ue_ngap_id(pdu), ngap.nas_pdu(pdu))


def _read(data: bytes) -> Downlink | None:
    """The message, None where it is none of the three or not in their plain form."""
    size = len(data)
    if size < 4 or data[0] != _INITIATING or data[1] not in _READ:
        return None
    title, known = _READ[data[1]]
    at = _body(data)
    if at is None:
        return None
    left, at = data[at + 1] << 8 | data[at + 2], at + 3
    amf_id: int | None = None
    ran_id: int | None = None
    nas: bytes | None = None
    seen = []
    while left:
        if at + 4 > size:
            return None
        number = data[at] << 8 | data[at + 1]
        start, length = _open(data, at + 3)
        at, left = start + length, left - 1
        if length < 0 or at > size:
            return None
        if number not in _WANTED:
            continue
        if number not in known or number in seen:
            return None
        seen.append(number)
        value = data[start:at]
        if number == AMF:
            amf_id = _number(value, 5, 3)
        elif number == RAN:
            ran_id = _number(value, 4, 2)
        elif number == PAIR:
            amf_id, ran_id = _pair(value)
        else:
            first, inside = _open(value, 0)
            if inside < 0 or first + inside != length:
                return None
            nas = value[first:]
    if at != size or amf_id is None or ran_id is None:
        return None
    return Downlink(title, amf_id, ran_id, nas)


def _body(data: bytes) -> int | None:
    """Where the message of a PDU begins, None unless it reaches to the end and is of the plain form."""
    start, length = _open(data, 3)
    if length < 3 or start + length != len(data) or data[start]:
        return None
    return start


def _open(data: bytes, at: int) -> tuple[int, int]:
    """Where an open type or octet string begins and how long it says it is; -1 for what is read elsewhere."""
    if at >= len(data):
        return at, -1
    first = data[at]
    if first < 0x80:
        return at + 1, first
    if first >= 0xC0 or at + 1 >= len(data):
        return at, -1
    return at + 2, (first & 0x3F) << 8 | data[at + 1]


def _number(value: bytes, most: int, bits: int) -> int | None:
    """A whole number in its fewest octets."""
    size = len(value) - 1
    if not 0 < size <= most or value[0] != size - 1 << 8 - bits or (size > 1 and not value[1]):
        return None
    return int.from_bytes(value[1:], "big")


def _pair(value: bytes) -> tuple[int | None, int | None]:
    """UE NGAP IDs as a pair (TS 38.413 clause 9.2.2.5): its choice, the head of the sequence and the length
    of the first number share an octet (X.691 clauses 23 and 19).
    """
    if len(value) < 4 or value[0] & 0xF1:
        return None, None
    cut = 2 + (value[0] >> 1)
    return _number(bytes((cut - 2 << 5,)) + value[1:cut], 5, 3), _number(value[cut:], 4, 2)
