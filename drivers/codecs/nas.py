"""5GS NAS messages (TS 24.501): a table-driven codec between octets and named information elements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple, Self

from drivers.codecs.nas_tables import TABLES

EPD_5GMM, EPD_5GSM = 0x7E, 0x2E
MAX_LENGTH = 65536


class Malformed(ValueError):  # noqa: N818 - what the product sent, not an error of ours
    """Octets that are no NAS message of TS 24.501; the text says which part and where."""


class Header(IntEnum):
    """Security header type, TS 24.501 clause 9.3.1."""

    PLAIN = 0
    INTEGRITY = 1
    CIPHERED = 2
    NEW_CONTEXT = 3
    CIPHERED_NEW_CONTEXT = 4


# --- message tables, TS 24.501 clauses 8.2 and 8.3 --------------------------------------------------------
Format = Literal["1/2", "V", "LV", "LV-E", "TV1", "TV", "TLV", "TLV-E"]


class Element(NamedTuple):
    """An IE of a message: its snake_case name ("-" is a spare half octet), format, IEI and fixed length."""

    name: str
    format: Format
    iei: int = 0  # type 1: the IEI in the upper half octet, 0x80..0xF0
    length: int = 0  # value octets of the formats V and TV


class Layout(NamedTuple):
    """The IEs of one message, TS 24.501 clauses 8.2 and 8.3."""

    type: int
    name: str
    mandatory: tuple[Element, ...]
    optional: tuple[Element, ...]
    by_iei: Mapping[int, Element]
    names: frozenset[str]

    @property
    def session(self) -> bool:
        """Whether this is a 5GSM message."""
        return self.type >= 0xC0


def _element(spec: str) -> Element:
    head, name = spec.split(":")
    if head == "1/2":
        return Element(name, "1/2")
    if head[0] == "V":
        return Element(name, "V", 0, int(head[1:]))
    if head[0] == "L":
        return Element(name, "LV" if head == "LV" else "LV-E")
    if len(head) == 1:
        return Element(name, "TV1", int(head, 16) << 4)
    iei, _, length = head.partition("/")
    if length:
        return Element(name, "TV", int(iei, 16), int(length))
    return Element(name, "TLV-E" if iei[0] == "7" else "TLV", int(iei, 16))


def _layouts() -> Iterable[Layout]:
    for entry in TABLES.strip().replace("\n ", " ").splitlines():
        head, _, body = entry.partition(" |")
        elements = [_element(spec) for spec in body.split()]
        mandatory = tuple(e for e in elements if not e.iei)
        optional = tuple(e for e in elements if e.iei)
        names = frozenset(e.name for e in elements if e.name != "-")
        yield Layout(int(head[:2], 16), head[3:], mandatory, optional, {e.iei: e for e in optional}, names)


MESSAGES: Mapping[str, Layout] = MappingProxyType({layout.name: layout for layout in _layouts()})
_BY_TYPE = {layout.type: layout for layout in MESSAGES.values()}


# --- the security protected message, clause 9.1.1 ---------------------------------------------------------


@dataclass(frozen=True)
class Secured:
    """A security protected 5GS NAS message: `payload` is the NAS message as it is on the wire."""

    header: int
    mac: bytes
    sequence: int
    payload: bytes


def unwrap(pdu: bytes) -> Secured | None:
    """The outer layer of a security protected message, None for a plain one (TS 24.501 clause 9.1.1).

    Raises Malformed for another protocol, a reserved security header type or fewer than 7 octets.
    """
    if not pdu:
        raise Malformed("empty message")
    if pdu[0] == EPD_5GSM:
        return None
    if pdu[0] != EPD_5GMM:
        raise Malformed(f"extended protocol discriminator {pdu[0]:#04x} at octet 1")
    if len(pdu) < 2:
        raise Malformed("no security header type at octet 2")
    header = pdu[1] & 0x0F
    if header == Header.PLAIN:
        return None
    if header > Header.CIPHERED_NEW_CONTEXT:
        raise Malformed(f"reserved security header type {header} at octet 2")
    if len(pdu) < 7:
        raise Malformed(f"security protected message of {len(pdu)} octets, needs 7")
    return Secured(header, bytes(pdu[2:6]), pdu[6], bytes(pdu[7:]))


def wrap(header: int, mac: bytes, sequence: int, payload: bytes) -> bytes:
    """A security protected message; `mac` 4 octets, `sequence` 0..255 (TS 24.501 clause 9.1.1).

    Any header of 0..15 is written, so that wrong ones can be sent. Raises ValueError out of these bounds.
    """
    if not 0 <= header <= 15 or len(mac) != 4 or not 0 <= sequence <= 255:
        raise ValueError(f"wrap: header {header}, mac of {len(mac)} octets, sequence {sequence}")
    return bytes((EPD_5GMM, header)) + mac + bytes((sequence,)) + payload


# --- plain messages ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    """A plain NAS message: the value octets of each IE by name, half octets as one octet 0..15.

    `extra` keeps, as (IEI, value octets) in the order received, the IEs the table does not know and the
    repetitions of known ones; `pti` and `psi` are zero in 5GMM messages.
    """

    name: str
    ies: Mapping[str, bytes]
    pti: int = 0
    psi: int = 0
    extra: tuple[tuple[int, bytes], ...] = ()


_NO_IES: Mapping[str, bytes] = MappingProxyType({})


def _half(name: str, value: bytes) -> int:
    if len(value) != 1 or value[0] > 15:
        raise ValueError(f"{name}: a half octet is one byte 0..15, not {value.hex()}")
    return value[0]


def _put(out: bytearray, name: str, format_: Format, length: int, value: bytes) -> None:
    size = len(value)
    if format_ in ("TLV", "LV"):
        if size > 255:
            raise ValueError(f"{name}: {size} octets do not fit a length of one octet")
        out.append(size)
    elif format_ in ("TLV-E", "LV-E"):
        if size > 65535:
            raise ValueError(f"{name}: {size} octets do not fit a length of two octets")
        out += size.to_bytes(2, "big")
    elif size != length:
        raise ValueError(f"{name}: {size} octets instead of {length}")
    out += value


def _optional(out: bytearray, name: str, format_: Format, iei: int, length: int, value: bytes) -> None:
    if format_ == "TV1":
        out.append(iei | _half(name, value))
    else:
        out.append(iei)
        _put(out, name, format_, length, value)


def encode(
    name: str,
    ies: Mapping[str, bytes] = _NO_IES,
    *,
    pti: int = 0,
    psi: int = 0,
    extra: Iterable[tuple[int, bytes]] = (),
) -> bytes:
    """The octets of a plain message with security header type 0 (TS 24.501 clauses 8 and 9).

    `ies` holds value octets by name, `extra` further (IEI, value octets) that follow in the format the IEI
    implies. Raises ValueError for a name the table lacks, a mandatory IE left out or a value that does not
    fit its format.
    """
    layout = MESSAGES.get(name)
    if layout is None:
        raise ValueError(f"no message {name!r}")
    if unknown := ies.keys() - layout.names:
        raise ValueError(f"{name} has no {', '.join(sorted(unknown))}")
    out = bytearray((EPD_5GSM, psi, pti, layout.type) if layout.session else (EPD_5GMM, 0, layout.type))
    low: int | None = None
    for element in layout.mandatory:
        value = b"\0" if element.name == "-" else ies.get(element.name)
        if value is None:
            raise ValueError(f"{name} needs {element.name}")
        if element.format != "1/2":
            _put(out, element.name, element.format, element.length, value)
        elif low is None:
            low = _half(element.name, value)
        else:
            out.append(_half(element.name, value) << 4 | low)
            low = None
    for element in layout.optional:
        value = ies.get(element.name)
        if value is not None:
            _optional(out, element.name, element.format, element.iei, element.length, value)
    for iei, value in extra:
        known = layout.by_iei.get(iei & 0xF0 if iei & 0x80 else iei)
        format_ = known.format if known else "TV1" if iei & 0x80 else "TLV-E" if iei >> 4 == 7 else "TLV"
        iei &= 0xF0 if format_ == "TV1" else 0xFF
        _optional(out, f"IEI {iei:#04x}", format_, iei, known.length if known else 0, value)
    return bytes(out)


def decode(pdu: bytes) -> Message:
    """The plain message in `pdu`, its IEs in any order (TS 24.501 clause 9, TS 24.007 clause 11.2.4).

    Values are not interpreted: contents of a right format and a wrong meaning are returned. Raises Malformed
    for all that is no plain message of the table: truncated, security protected, or of an unknown type.
    """
    size = len(pdu)
    if not size or size > MAX_LENGTH:
        raise Malformed(f"message of {size} octets")
    epd = pdu[0]
    pti = psi = 0
    if epd == EPD_5GMM:
        if size < 3:
            raise Malformed(f"5GMM header cut off after {size} octets")
        if pdu[1] & 0x0F:
            raise Malformed(f"security header type {pdu[1] & 0x0F} at octet 2: not plain")
        kind, at = pdu[2], 3
    elif epd == EPD_5GSM:
        if size < 4:
            raise Malformed(f"5GSM header cut off after {size} octets")
        psi, pti, kind, at = pdu[1], pdu[2], pdu[3], 4
    else:
        raise Malformed(f"extended protocol discriminator {epd:#04x} at octet 1")
    layout = _BY_TYPE.get(kind)
    if layout is None or layout.session != (epd == EPD_5GSM):
        raise Malformed(f"unknown message type {kind:#04x} at octet {at}")

    ies: dict[str, bytes] = {}
    extra: list[tuple[int, bytes]] = []
    upper = False
    for name, format_, _, length in layout.mandatory:
        if format_ == "1/2":
            if at >= size:
                raise Malformed(f"{layout.name}: no {name} at octet {at + 1}")
            if name != "-":
                ies[name] = bytes((pdu[at] >> 4 if upper else pdu[at] & 0x0F,))
            at += upper
            upper = not upper
            continue
        if format_ != "V":
            start = at + (1 if format_ == "LV" else 2)
            if start > size:
                raise Malformed(f"{layout.name}: no length of {name} at octet {at + 1}")
            length = int.from_bytes(pdu[at:start], "big")
            at = start
        end = at + length
        if end > size:
            raise Malformed(f"{layout.name}: {name} at octet {at + 1} has {size - at} of {length} octets")
        ies[name] = bytes(pdu[at:end])
        at = end

    by_iei = layout.by_iei
    while at < size:
        iei = pdu[at]
        if iei & 0x80:
            value = bytes((iei & 0x0F,))
            iei &= 0xF0
            element = by_iei.get(iei)
            at += 1
        else:
            element = by_iei.get(iei)
            start = at + 1
            if element is not None and element.format == "TV":
                end = start + element.length
            else:
                start += 2 if iei >= 0x70 else 1
                end = start + int.from_bytes(pdu[at + 1 : start], "big")
            if start > size or end > size:
                label = element.name if element is not None else f"IEI {iei:#04x}"
                raise Malformed(f"{layout.name}: {label} at octet {at + 1} is cut off")
            value = bytes(pdu[start:end])
            at = end
        if element is None or element.name in ies:
            extra.append((iei, value))
        else:
            ies[element.name] = value
    return Message(layout.name, ies, pti, psi, tuple(extra))


# --- structured information elements ----------------------------------------------------------------------


def _digits(octets: bytes, first: str = "") -> str:
    """Digits, the lower half octet first, up to the filler; Malformed for a half octet that is no digit."""
    text = first + "".join(f"{octet & 15:X}{octet >> 4:X}" for octet in octets).rstrip("F")
    if text and not text.isdecimal():
        raise Malformed(f"no decimal digits: {octets.hex()}")
    return text


def _bcd(digits: str) -> bytes:
    if digits.strip("0123456789"):
        raise ValueError(f"no decimal digits: {digits!r}")
    padded = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[i + 1] + padded[i] for i in range(0, len(padded), 2)))


def msin_bcd(msin: str) -> bytes:
    """MSIN digits as the scheme output of the null scheme (TS 24.501 clause 9.11.3.4)."""
    return _bcd(msin)


def msin_digits(output: bytes) -> str:
    """The MSIN in the scheme output of the null scheme; Malformed if it is not decimal."""
    return _digits(output)


@dataclass(frozen=True)
class Plmn:
    """A PLMN identity: three digits of MCC, two or three of MNC (TS 23.003 clause 12.1)."""

    mcc: str
    mnc: str

    def __post_init__(self) -> None:
        text = self.mcc + self.mnc
        if len(self.mcc) != 3 or len(self.mnc) not in (2, 3) or not (text.isascii() and text.isdecimal()):
            raise ValueError(f"PLMN {self.mcc!r} {self.mnc!r}")

    def encode(self) -> bytes:
        """The three octets of TS 24.501 clause 9.11.3.4."""
        mcc, mnc = self.mcc, self.mnc.ljust(3, "F")
        return bytes.fromhex(mcc[1] + mcc[0] + mnc[2] + mcc[2] + mnc[1] + mnc[0])

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """From three octets; Malformed if they hold no digits."""
        if len(octets) != 3:
            raise Malformed(f"PLMN of {len(octets)} octets")
        text = octets.hex()
        try:
            return cls(text[1] + text[0] + text[3], (text[5] + text[4] + text[2]).removesuffix("f"))
        except ValueError as error:
            raise Malformed(str(error)) from None


class IdentityType(IntEnum):
    """Type of identity, TS 24.501 clauses 9.11.3.3 and 9.11.3.4."""

    NO_IDENTITY = 0
    SUCI = 1
    GUTI = 2
    IMEI = 3
    S_TMSI = 4
    IMEISV = 5
    MAC_ADDRESS = 6
    EUI_64 = 7


@dataclass(frozen=True)
class Suci:
    """A SUCI of the SUPI format IMSI (TS 24.501 clause 9.11.3.4); scheme 0 is the null scheme."""

    plmn: Plmn
    routing_indicator: str
    scheme: int
    key_id: int
    output: bytes = field(repr=False)

    @classmethod
    def null(cls, plmn: Plmn, msin: str, routing_indicator: str = "0") -> Self:
        """The SUCI of the null scheme, which carries the MSIN in clear text (TS 33.501 annex C.2)."""
        return cls(plmn, routing_indicator, 0, 0, msin_bcd(msin))

    @property
    def msin(self) -> str | None:
        """The MSIN if the null scheme carries one."""
        return msin_digits(self.output) if self.scheme == 0 else None

    def encode(self) -> bytes:
        """The value octets of a 5GS mobile identity."""
        routing = self.routing_indicator
        if len(routing) > 4:
            raise ValueError(f"routing indicator {routing!r}")
        routed = _bcd(routing).ljust(2, b"\xff")
        return b"\x01" + self.plmn.encode() + routed + bytes((self.scheme, self.key_id)) + self.output


@dataclass(frozen=True)
class STmsi:
    """A 5G-S-TMSI: AMF set 10 bits, AMF pointer 6 bits, 5G-TMSI 32 bits (TS 23.003 clause 2.11)."""

    set: int
    pointer: int
    tmsi: int

    def encode(self) -> bytes:
        """The value octets of a 5GS mobile identity (TS 24.501 clause 9.11.3.4)."""
        return b"\xf4" + _set_pointer(self.set, self.pointer) + self.tmsi.to_bytes(4, "big")


@dataclass(frozen=True)
class Guti:
    """A 5G-GUTI: region 8 bits, set 10 bits, pointer 6 bits, 5G-TMSI 32 bits (TS 23.003 clause 2.10)."""

    plmn: Plmn
    region: int
    set: int
    pointer: int
    tmsi: int

    @property
    def s_tmsi(self) -> STmsi:
        """The 5G-S-TMSI in it."""
        return STmsi(self.set, self.pointer, self.tmsi)

    def encode(self) -> bytes:
        """The value octets of a 5GS mobile identity (TS 24.501 clause 9.11.3.4)."""
        amf = bytes((self.region,)) + _set_pointer(self.set, self.pointer)
        return b"\xf2" + self.plmn.encode() + amf + self.tmsi.to_bytes(4, "big")


def _set_pointer(set_: int, pointer: int) -> bytes:
    if not 0 <= set_ < 1024 or not 0 <= pointer < 64:
        raise ValueError(f"AMF set {set_}, pointer {pointer}")
    return (set_ << 6 | pointer).to_bytes(2, "big")


@dataclass(frozen=True)
class Imei:
    """An IMEI of 15 digits."""

    type: ClassVar[IdentityType] = IdentityType.IMEI
    digits: str

    def encode(self) -> bytes:
        """The value octets of a 5GS mobile identity (TS 24.501 clause 9.11.3.4)."""
        first = int(self.digits[:1]) << 4 | len(self.digits) % 2 << 3 | self.type
        return bytes((first,)) + _bcd(self.digits[1:])


@dataclass(frozen=True)
class Imeisv(Imei):
    """An IMEISV of 16 digits."""

    type: ClassVar[IdentityType] = IdentityType.IMEISV


@dataclass(frozen=True)
class NoIdentity:
    """The mobile identity of a UE that has none."""

    def encode(self) -> bytes:
        """The value octet of a 5GS mobile identity (TS 24.501 clause 9.11.3.4)."""
        return b"\0"


@dataclass(frozen=True)
class OtherIdentity:
    """A SUCI of another SUPI format than IMSI, a MAC address or an EUI-64; `octets` is the whole value."""

    type: IdentityType
    octets: bytes

    def encode(self) -> bytes:
        """The value octets of a 5GS mobile identity (TS 24.501 clause 9.11.3.4)."""
        return self.octets


Identity = Suci | Guti | STmsi | Imei | Imeisv | NoIdentity | OtherIdentity


def mobile_identity(octets: bytes) -> Identity:
    """The 5GS mobile identity in these value octets (TS 24.501 clause 9.11.3.4), or Malformed."""
    if not octets:
        raise Malformed("mobile identity of 0 octets")
    kind = IdentityType(octets[0] & 7)
    size = len(octets)
    if kind == IdentityType.SUCI and not octets[0] & 0x70:
        if size < 8:
            raise Malformed(f"SUCI of {size} octets")
        routing = _digits(octets[4:6])
        return Suci(Plmn.decode(octets[1:4]), routing, octets[6] & 15, octets[7], bytes(octets[8:]))
    if kind == IdentityType.GUTI:
        if size != 11:
            raise Malformed(f"5G-GUTI of {size} octets")
        amf = int.from_bytes(octets[5:7], "big")
        tmsi = int.from_bytes(octets[7:], "big")
        return Guti(Plmn.decode(octets[1:4]), octets[4], amf >> 6, amf & 63, tmsi)
    if kind == IdentityType.S_TMSI:
        if size != 7:
            raise Malformed(f"5G-S-TMSI of {size} octets")
        amf = int.from_bytes(octets[1:3], "big")
        return STmsi(amf >> 6, amf & 63, int.from_bytes(octets[3:], "big"))
    if kind in (IdentityType.IMEI, IdentityType.IMEISV):
        digits = _digits(octets[1:], f"{octets[0] >> 4:X}")
        return (Imei if kind == IdentityType.IMEI else Imeisv)(digits)
    return NoIdentity() if kind == IdentityType.NO_IDENTITY else OtherIdentity(kind, bytes(octets))


@dataclass(frozen=True)
class SecurityCapability:
    """UE security capability: a bit an algorithm, 0x80 for number 0 (TS 24.501 clause 9.11.3.54)."""

    ea: int
    ia: int
    eea: int | None = None
    eia: int | None = None

    def encode(self) -> bytes:
        """Two value octets, four if `eea` and `eia` are given; octets that are None are left out."""
        return bytes(octet for octet in (self.ea, self.ia, self.eea, self.eia) if octet is not None)

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """From 2..8 value octets, those after the fourth are spare; Malformed for fewer than two."""
        if not 2 <= len(octets) <= 8:
            raise Malformed(f"UE security capability of {len(octets)} octets")
        return cls(*octets[:4])


Snssai = tuple[int, int | None]


def encode_s_nssai(sst: int, sd: int | None = None) -> bytes:
    """The value octets of an S-NSSAI: SST 8 bits, SD 24 bits (TS 24.501 clause 9.11.2.8)."""
    return bytes((sst,)) + (sd.to_bytes(3, "big") if sd is not None else b"")


def decode_s_nssai(octets: bytes) -> Snssai:
    """SST and SD of an S-NSSAI; what it is mapped to is left out. Malformed for a wrong length."""
    if len(octets) not in (1, 2, 4, 5, 8):
        raise Malformed(f"S-NSSAI of {len(octets)} octets")
    return octets[0], int.from_bytes(octets[1:4], "big") if len(octets) >= 4 else None


def encode_nssai(slices: Iterable[Snssai]) -> bytes:
    """The value octets of an NSSAI (TS 24.501 clause 9.11.3.37)."""
    values = [encode_s_nssai(*item) for item in slices]
    return b"".join(bytes((len(value),)) + value for value in values)


def decode_nssai(octets: bytes) -> list[Snssai]:
    """The S-NSSAI of an NSSAI, in order; Malformed if one is cut off."""
    found, at = [], 0
    while at < len(octets):
        end = at + 1 + octets[at]
        if end > len(octets):
            raise Malformed(f"S-NSSAI at octet {at + 1} of the NSSAI is cut off")
        found.append(decode_s_nssai(octets[at + 1 : end]))
        at = end
    return found


Rejected = tuple[Snssai, int]
"""An S-NSSAI and why it is rejected: 0 not in the PLMN, 1 not in the registration area, 2 NSSAA failed or was
revoked, 3 (extended only) too many UEs (TS 24.501 clauses 9.11.3.46 and 9.11.3.75).
"""


def encode_rejected_nssai(rejected: Iterable[Rejected]) -> bytes:
    """The value octets of a Rejected NSSAI (TS 24.501 clause 9.11.3.46)."""
    values = [(encode_s_nssai(*snssai), cause) for snssai, cause in rejected]
    return b"".join(bytes((len(value) << 4 | cause,)) + value for value, cause in values)


def _rejected(octets: bytes, at: int) -> tuple[Rejected, int]:
    """The rejected S-NSSAI at an offset, and where the next one begins."""
    end = at + 1 + (octets[at] >> 4 if at < len(octets) else 0)
    if end > len(octets):
        raise Malformed(f"rejected S-NSSAI at octet {at + 1} is cut off")
    return (decode_s_nssai(octets[at + 1 : end]), octets[at] & 15), end


def decode_rejected_nssai(octets: bytes) -> list[Rejected]:
    """The rejected S-NSSAIs of a Rejected NSSAI, in order; Malformed if one is cut off."""
    found, at = [], 0
    while at < len(octets):
        one, at = _rejected(octets, at)
        found.append(one)
    return found


def encode_extended_rejected_nssai(rejected: Sequence[Rejected]) -> bytes:
    """The value octets of an Extended rejected NSSAI: one list of 1..8 without back-off timer
    (TS 24.501 clause 9.11.3.75).
    """
    if not 1 <= len(rejected) <= 8:
        raise ValueError(f"{len(rejected)} rejected S-NSSAIs")
    return bytes((len(rejected) - 1,)) + encode_rejected_nssai(rejected)


def decode_extended_rejected_nssai(octets: bytes) -> list[Rejected]:
    """The rejected S-NSSAIs in all partial lists of an Extended rejected NSSAI, back-off timers left out;
    Malformed if one is cut off or of a reserved type.
    """
    found, at = [], 0
    while at < len(octets):
        kind, number = octets[at] >> 4 & 7, min((octets[at] & 15) + 1, 8)
        if kind > 1:
            raise Malformed(f"partial extended rejected NSSAI list of type {kind} at octet {at + 1}")
        at += 1 + kind
        for _ in range(number):
            one, at = _rejected(octets, at)
            found.append(one)
    return found


def encode_tai_list(plmn: Plmn, tacs: Sequence[int]) -> bytes:
    """A 5GS tracking area identity list of one PLMN, 1..16 TACs of 24 bits (TS 24.501 clause 9.11.3.9)."""
    if not 1 <= len(tacs) <= 16:
        raise ValueError(f"{len(tacs)} TACs")
    return bytes((len(tacs) - 1,)) + plmn.encode() + b"".join(tac.to_bytes(3, "big") for tac in tacs)


class RegistrationType(IntEnum):
    """5GS registration type value, TS 24.501 clause 9.11.3.7; bit 4 of the half octet is `FOLLOW_ON`."""

    INITIAL = 1
    MOBILITY = 2
    PERIODIC = 3
    EMERGENCY = 4
    FOLLOW_ON = 8


class RegistrationResult(IntEnum):
    """5GS registration result bits, TS 24.501 clause 9.11.3.6."""

    ACCESS_3GPP = 1
    ACCESS_NON_3GPP = 2
    ACCESS_BOTH = 3
    SMS_ALLOWED = 8
    NSSAA_TO_BE_PERFORMED = 16
    REGISTERED_FOR_EMERGENCY_SERVICES = 32


class Cause(IntEnum):
    """5GMM cause, TS 24.501 clause 9.11.3.2."""

    ILLEGAL_UE = 3
    PEI_NOT_ACCEPTED = 5
    ILLEGAL_ME = 6
    SERVICES_NOT_ALLOWED = 7
    UE_IDENTITY_CANNOT_BE_DERIVED_BY_THE_NETWORK = 9
    IMPLICITLY_DEREGISTERED = 10
    PLMN_NOT_ALLOWED = 11
    TRACKING_AREA_NOT_ALLOWED = 12
    ROAMING_NOT_ALLOWED_IN_THIS_TRACKING_AREA = 13
    NO_SUITABLE_CELLS_IN_TRACKING_AREA = 15
    MAC_FAILURE = 20
    SYNCH_FAILURE = 21
    CONGESTION = 22
    UE_SECURITY_CAPABILITIES_MISMATCH = 23
    SECURITY_MODE_REJECTED_UNSPECIFIED = 24
    NON_5G_AUTHENTICATION_UNACCEPTABLE = 26
    N1_MODE_NOT_ALLOWED = 27
    RESTRICTED_SERVICE_AREA = 28
    REDIRECTION_TO_EPC_REQUIRED = 31
    LADN_NOT_AVAILABLE = 43
    NO_NETWORK_SLICES_AVAILABLE = 62
    MAXIMUM_NUMBER_OF_PDU_SESSIONS_REACHED = 65
    INSUFFICIENT_RESOURCES_FOR_SPECIFIC_SLICE_AND_DNN = 67
    INSUFFICIENT_RESOURCES_FOR_SPECIFIC_SLICE = 69
    NGKSI_ALREADY_IN_USE = 71
    NON_3GPP_ACCESS_TO_5GCN_NOT_ALLOWED = 72
    SERVING_NETWORK_NOT_AUTHORIZED = 73
    TEMPORARILY_NOT_AUTHORIZED_FOR_THIS_SNPN = 74
    PERMANENTLY_NOT_AUTHORIZED_FOR_THIS_SNPN = 75
    NOT_AUTHORIZED_FOR_THIS_CAG = 76
    WIRELINE_ACCESS_AREA_NOT_ALLOWED = 77
    PAYLOAD_WAS_NOT_FORWARDED = 90
    DNN_NOT_SUPPORTED_OR_NOT_SUBSCRIBED_IN_THE_SLICE = 91
    INSUFFICIENT_USER_PLANE_RESOURCES_FOR_THE_PDU_SESSION = 92
    SEMANTICALLY_INCORRECT_MESSAGE = 95
    INVALID_MANDATORY_INFORMATION = 96
    MESSAGE_TYPE_NON_EXISTENT = 97
    MESSAGE_TYPE_NOT_COMPATIBLE_WITH_THE_PROTOCOL_STATE = 98
    INFORMATION_ELEMENT_NON_EXISTENT = 99
    CONDITIONAL_IE_ERROR = 100
    MESSAGE_NOT_COMPATIBLE_WITH_THE_PROTOCOL_STATE = 101
    PROTOCOL_ERROR_UNSPECIFIED = 111
