"""SNOW 3G (TS 35.216) and on it UEA2/UIA2 (TS 35.215), which are 128-EEA1/EIA1 and 128-NEA1/NIA1."""

from array import array
from collections.abc import Iterator
from functools import cache
from itertools import islice
from struct import pack, unpack
from typing import NamedTuple

_M32 = 0xFFFFFFFF


def keystream(key: bytes, iv: bytes, words: int) -> list[int]:
    """The first 32-bit keystream words for a key (K0 to K3) and an IV (IV0 to IV3) of 16 octets each, else
    ValueError; TS 35.216 clause 4.
    """
    if len(key) != 16 or len(iv) != 16:
        raise ValueError(f"SNOW 3G takes 16 octets of key and of IV, not {len(key)} and {len(iv)}")
    k0, k1, k2, k3 = unpack(">4I", key)
    iv0, iv1, iv2, iv3 = unpack(">4I", iv)
    inverted = [k0 ^ _M32, k1 ^ _M32, k2 ^ _M32, k3 ^ _M32]
    s = [*inverted, k0, k1, k2, k3, *inverted, k0 ^ iv1, k1, k2, k3 ^ iv0]
    s[9] ^= iv3
    s[10] ^= iv2

    t = _tables()
    mul, div = t.mul_alpha, t.div_alpha
    s1_high, s1_low, s2_high, s2_low = t.s1_high, t.s1_low, t.s2_high, t.s2_low
    m = _M32
    push = s.append
    r1 = r2 = r3 = 0
    # The list only grows, and live iterators over it at the taps s0, s2, s5, s11, s15 stand for the shift.
    for _, s0, s2, s5, s11, s15 in zip(range(32), s, *_at(s, 2, 5, 11, 15), strict=False):
        push((s0 << 8) ^ mul[s0 >> 24] ^ s2 ^ s11 >> 8 ^ div[s11 & 255] ^ (s15 + r1 & m) ^ r2)
        total = r2 + (r3 ^ s5) & m
        r3 = s2_high[r2 >> 16] ^ s2_low[r2 & 65535]
        r2 = s1_high[r1 >> 16] ^ s1_low[r1 & 65535]
        r1 = total

    del s[:32]
    push = s.append
    out: list[int] = []
    emit = out.append
    for _, s0, s2, s5, s11, s15 in zip(range(words + 1), s, *_at(s, 2, 5, 11, 15), strict=False):
        emit((s15 + r1 & m) ^ r2 ^ s0)
        push((s0 << 8) ^ mul[s0 >> 24] ^ s2 ^ s11 >> 8 ^ div[s11 & 255])
        total = r2 + (r3 ^ s5) & m
        r3 = s2_high[r2 >> 16] ^ s2_low[r2 & 65535]
        r2 = s1_high[r1 >> 16] ^ s1_low[r1 & 65535]
        r1 = total
    return out[1:]


def eea1(key: bytes, count: int, bearer: int, direction: int, data: bytes, bits: int | None = None) -> bytes:
    """Cipher or decipher `bits` bits of data (all when None), bits after them zero; count has 32 bits, bearer
    5, direction 1, key 16 octets, else ValueError; TS 33.401 clause B.1.2.
    """
    _check(count, bearer, direction)
    bits = _length(data, bits)
    size = (bits + 7) // 8
    if not size:
        return b""
    half = pack(">2I", bearer << 27 | direction << 26, count)
    words = keystream(_reversed(key), half + half, (bits + 31) // 32)
    stream = int.from_bytes(pack(f">{len(words)}I", *words)[:size], "big")
    padding = 8 * size - bits
    return ((int.from_bytes(data[:size], "big") ^ stream) >> padding << padding).to_bytes(size, "big")


def eia1(key: bytes, count: int, bearer: int, direction: int, data: bytes, bits: int | None = None) -> bytes:
    """The MAC, 4 octets, over `bits` bits of data (all when None); count has 32 bits, bearer 5, direction 1,
    key 16 octets, else ValueError; TS 33.401 clause B.2.2.
    """
    _check(count, bearer, direction)
    return uia2(key, count, bearer << 27, direction, data, bits)


def uia2(key: bytes, count: int, fresh: int, direction: int, data: bytes, bits: int | None = None) -> bytes:
    """The MAC of UMTS, 4 octets: as eia1, with a 32-bit FRESH for the bearer; TS 35.215 clause 4."""
    bits = _length(data, bits)
    iv = pack(">4I", fresh ^ direction << 15, count ^ direction << 31, fresh, count)
    z1, z2, z3, z4, z5 = keystream(_reversed(key), iv, 5)
    blocks = (bits + 63) // 64
    message = int.from_bytes(data, "big") >> 8 * len(data) - bits << 64 * blocks - bits
    spread = f"{message:0{64 * blocks}b}".encode()
    p = _spread(z1 << 32 | z2)
    value = 0
    for at in range(0, 64 * blocks, 64):
        value = _multiply(value ^ int.from_bytes(spread[at : at + 64], "big") & _SLOTS, p)
    value = _multiply(value ^ _spread(bits), _spread(z3 << 32 | z4))
    return (_gather(value) >> 32 ^ z5).to_bytes(4, "big")


# GF(2^64) with one octet to a coefficient: an integer product then is a carry-less product, as a
# coefficient adds up at most 64 ones and never reaches the next octet.
_SLOTS = int.from_bytes(b"\1" * 64, "big")
_SLOTS_WIDE = int.from_bytes(b"\1" * 127, "big")
_ELEMENT = (1 << 512) - 1
_REDUCTION = 0x0101000101  # x^4 + x^3 + x + 1, that is x^64


def _multiply(a: int, b: int) -> int:
    product = a * b & _SLOTS_WIDE
    product = (product & _ELEMENT) + (product >> 512) * _REDUCTION & _SLOTS_WIDE
    return (product & _ELEMENT) + (product >> 512) * _REDUCTION & _SLOTS


def _spread(value: int) -> int:
    return int.from_bytes(f"{value:064b}".encode(), "big") & _SLOTS


def _gather(value: int) -> int:
    return int((value | _SLOTS * 0x30).to_bytes(64, "big"), 2)


class _Tables(NamedTuple):
    mul_alpha: list[int]
    div_alpha: list[int]
    s1_high: "array[int]"
    s1_low: "array[int]"
    s2_high: "array[int]"
    s2_low: "array[int]"


@cache
def _tables() -> _Tables:
    s1_high, s1_low = _mixed(_rijndael_sbox(), 0x1B)
    s2_high, s2_low = _mixed(_dickson_sbox(), 0x69)
    # The entry also clears what a shift of s0 by 8 leaves above bit 31.
    mul = [c << 32 | _bytes_of_alpha(c, (23, 245, 48, 239)) for c in range(256)]
    return _Tables(
        mul, [_bytes_of_alpha(c, (16, 39, 6, 64)) for c in range(256)], s1_high, s1_low, s2_high, s2_low
    )


def _mixed(sbox: list[int], reduction: int) -> tuple["array[int]", "array[int]"]:
    """S-box and column mixing of TS 35.216 clause 3.3 as two tables, for the upper and the lower half of a
    word.
    """
    doubled = [_mulx(v, reduction) for v in sbox]
    w0 = [d << 24 | (v ^ d) << 16 | v << 8 | v for v, d in zip(sbox, doubled, strict=True)]
    w1 = [word >> 8 | (word & 255) << 24 for word in w0]
    w2 = [word >> 8 | (word & 255) << 24 for word in w1]
    w3 = [word >> 8 | (word & 255) << 24 for word in w2]
    return array("I", [a ^ b for a in w0 for b in w1]), array("I", [a ^ b for a in w2 for b in w3])


def _rijndael_sbox() -> list[int]:
    inverse = _powers(0x1B, 254)
    return [v ^ _rotl8(v, 1) ^ _rotl8(v, 2) ^ _rotl8(v, 3) ^ _rotl8(v, 4) ^ 0x63 for v in inverse]


def _dickson_sbox() -> list[int]:
    terms = [_powers(0x69, e) for e in (1, 9, 13, 15, 33, 41, 45, 47, 49)]
    sbox = [0x25] * 256
    for term in terms:
        sbox = [a ^ b for a, b in zip(sbox, term, strict=True)]
    return sbox


def _powers(reduction: int, exponent: int) -> list[int]:
    def power(x: int) -> int:
        result = 1
        for bit in f"{exponent:b}":
            result = _gf8(result, result, reduction)
            if bit == "1":
                result = _gf8(result, x, reduction)
        return result

    return [power(x) for x in range(256)]


def _gf8(a: int, b: int, reduction: int) -> int:
    result = 0
    while b:
        if b & 1:
            result ^= a
        a = _mulx(a, reduction)
        b >>= 1
    return result


def _mulx(v: int, reduction: int) -> int:
    return v << 1 & 255 ^ (reduction if v & 128 else 0)


def _rotl8(v: int, by: int) -> int:
    return (v << by | v >> 8 - by) & 255


def _bytes_of_alpha(c: int, exponents: tuple[int, ...]) -> int:
    word = 0
    for exponent in exponents:
        v = c
        for _ in range(exponent):
            v = _mulx(v, 0xA9)
        word = word << 8 | v
    return word


def _reversed(key: bytes) -> bytes:
    """K0 to K3 of the generator from the key of f8 and f9, which begins with K3 (TS 35.215 clause 3.4)."""
    return key[12:] + key[8:12] + key[4:8] + key[:4] if len(key) == 16 else key


def _at(values: list[int], *indices: int) -> list[Iterator[int]]:
    return [islice(values, index, None) for index in indices]


def _check(count: int, bearer: int, direction: int) -> None:
    if not (0 <= count <= _M32 and 0 <= bearer < 32 and direction in (0, 1)):
        raise ValueError(f"count {count}, bearer {bearer} or direction {direction} is out of range")


def _length(data: bytes, bits: int | None) -> int:
    if bits is None:
        return 8 * len(data)
    if not 0 <= bits <= 8 * len(data):
        raise ValueError(f"{bits} bits asked of {len(data)} octets")
    return bits
