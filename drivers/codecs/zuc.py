"""ZUC (TS 35.222) and on it 128-EEA3/EIA3 (TS 35.221), which are 128-NEA3/NIA3."""

from array import array
from collections.abc import Iterator
from functools import cache
from itertools import islice
from struct import pack
from typing import NamedTuple

_P = (1 << 31) - 1
_M32 = 0xFFFFFFFF

_D = (
    0x44D7, 0x26BC, 0x626B, 0x135E, 0x5789, 0x35E2, 0x7135, 0x09AF,
    0x4D78, 0x2F13, 0x6BC4, 0x1AF1, 0x5E26, 0x3C4D, 0x789A, 0x47AC,
)  # fmt: skip

_S0 = bytes.fromhex(
    "3e725b47cae0003304d1549809b96dcb7b1bf932af9d6aa5b82dfc1d08530390"
    "4d4e8499e4ced991ddb685488b296eaccdc1f81e734369c6b5bdfd396320d438"
    "767db2a7cfed57c5f32cbb142106559be3ef5e314f7f5aa40d8251495fba581c"
    "4a16d517a892241f8cffd8ae2e01d3ad3b4bda46ebc9de9a8f87d73a806f2fc8"
    "b1b437f70a2213287ccc3c89c7c3965607bf7ef00b2b975235417961a64c10fe"
    "bc2695888ab0a3fbc01894f2e1e5e95dd0dc1166645cec59427512f5749caa23"
    "0e86abbe2a02e767e644a26cc2939ff1f6fa36d250689e6271153dd640c4e20f"
    "8e83776b25053f0c30ea70b7a1e8a9658d271adb81b3a0f4457a19dfee783460"
)
_S1 = bytes.fromhex(
    "55c263713bc847869f3cda5b29aafd778cc5940ca61a1300e3a8167240f9f842"
    "4426689681d9453e1076c6a78b3943e13ab5562ac06db3052266bfdc0bfa6248"
    "dd20110636c9c1cff62752bb69f5d4877f844cd29c57a4bc4f9adffed68d7aeb"
    "2b53d85ca11417fb23d57d3067730809eeb7703f61b2198e4ee54b938f5ddba9"
    "adf1ae2ecb0dfcf42d466e1d97e8d1e94d37a5755e839eab829db91ce0cd4989"
    "01b6bd5824a25f387899159050b895e4d091c7ceed0fb46fa0ccf0024a79c3de"
    "a3efea51e66b18ec1b2c80f774e7ff215a6a541e41319235c433070aba7e0e34"
    "88b1987cf33d606c7bcad31f3265042864be859b2f598ad7b025acaf1203e2f2"
)


def keystream(key: bytes, iv: bytes, words: int) -> list[int]:
    """The first 32-bit keystream words for a key and an IV of 16 octets each (else ValueError); TS 35.222
    clause 3.6.
    """
    if len(key) != 16 or len(iv) != 16:
        raise ValueError(f"ZUC takes 16 octets of key and of IV, not {len(key)} and {len(iv)}")
    s = [k << 23 | d << 8 | v for k, d, v in zip(key, _D, iv, strict=True)]
    t = _tables()
    s_high, s_low = t.s_high, t.s_low
    l1_high, l1_low, l2_high, l2_low = t.l1_high, t.l1_low, t.l2_high, t.l2_low
    p, m = _P, _M32
    r1 = r2 = 0
    # X1, X2 and X3 are the same function of the register 9, 5 and 0 steps on: g holds it once a step.
    # Both lists only grow, and live iterators over them at the taps stand for the shift of the register.
    g = [(high & 65535) << 16 | low >> 15 for low, high in zip(s, s[2:-1], strict=False)]
    push, keep = s.append, g.append
    for _, s0, s4, s10, s13, s14, s15, x1, x2 in zip(
        range(32), s, *_at(s, 4, 10, 13, 14, 15), *_at(g, 9, 5), strict=False
    ):
        keep((s15 & 65535) << 16 | s13 >> 15)
        w = ((s15 << 1 & 0xFFFF0000 | s14 & 65535) ^ r1) + r2 & m
        w1 = r1 + x1 & m
        w2 = r2 ^ x2
        u = l1_high[w1 & 65535] ^ l1_low[w2 >> 16]
        v = l2_high[w2 & 65535] ^ l2_low[w1 >> 16]
        r1 = s_high[u >> 16] | s_low[u & 65535]
        r2 = s_high[v >> 16] | s_low[v & 65535]
        push(((s15 + (s13 << 2) + (s4 << 5) + (s10 << 6) << 15) + s0 * 257 + (w >> 1)) % p or p)

    del s[:32], g[:32]
    push, keep = s.append, g.append
    out: list[int] = []
    emit = out.append
    for _, s0, s4, s10, s13, s14, s15, x1, x2, x3 in zip(
        range(words + 1), s, *_at(s, 4, 10, 13, 14, 15), *_at(g, 9, 5, 0), strict=False
    ):
        keep((s15 & 65535) << 16 | s13 >> 15)
        emit(((s15 << 1 & 0xFFFF0000 | s14 & 65535) ^ r1) + r2 & m ^ x3)
        w1 = r1 + x1 & m
        w2 = r2 ^ x2
        u = l1_high[w1 & 65535] ^ l1_low[w2 >> 16]
        v = l2_high[w2 & 65535] ^ l2_low[w1 >> 16]
        r1 = s_high[u >> 16] | s_low[u & 65535]
        r2 = s_high[v >> 16] | s_low[v & 65535]
        push(((s15 + (s13 << 2) + (s4 << 5) + (s10 << 6) << 15) + s0 * 257) % p or p)
    return out[1:]


def eea3(key: bytes, count: int, bearer: int, direction: int, data: bytes, bits: int | None = None) -> bytes:
    """Cipher or decipher `bits` bits of data (all when None), bits after them zero; count has 32 bits, bearer
    5, direction 1, key 16 octets, else ValueError; TS 35.221 clause 3.
    """
    _check(count, bearer, direction)
    bits = _length(data, bits)
    size = (bits + 7) // 8
    if not size:
        return b""
    half = pack(">IB3x", count, bearer << 3 | direction << 2)
    words = keystream(key, half + half, (bits + 31) // 32)
    stream = int.from_bytes(pack(f">{len(words)}I", *words)[:size], "big")
    padding = 8 * size - bits
    return ((int.from_bytes(data[:size], "big") ^ stream) >> padding << padding).to_bytes(size, "big")


def eia3(key: bytes, count: int, bearer: int, direction: int, data: bytes, bits: int | None = None) -> bytes:
    """The MAC, 4 octets, over `bits` bits of data (all when None); count has 32 bits, bearer 5, direction 1,
    key 16 octets, else ValueError; TS 35.221 clause 4.
    """
    _check(count, bearer, direction)
    bits = _length(data, bits)
    iv = pack(">IB3xIBxBx", count, bearer << 3, count ^ direction << 31, bearer << 3, direction << 7)
    size = (bits + 31) // 32 + 2
    stream = int.from_bytes(pack(f">{size}I", *keystream(key, iv, size)), "big")
    message = int.from_bytes(data, "big") >> 8 * len(data) - bits
    # The sum of one 32-bit window of the keystream per set bit: its bit j is the parity of the message
    # against the keystream shifted by j.
    aligned = stream >> 32 * size - 32 - bits
    total = 0
    for shift in range(32, 0, -1):
        total = total << 1 | (message & aligned >> shift).bit_count() & 1
    return (total ^ (aligned ^ stream) & _M32).to_bytes(4, "big")


class _Tables(NamedTuple):
    s_high: "array[int]"
    s_low: "array[int]"
    l1_high: "array[int]"
    l1_low: "array[int]"
    l2_high: "array[int]"
    l2_low: "array[int]"


@cache
def _tables() -> _Tables:
    s = [a << 8 | b for a in _S0 for b in _S1]
    high = array("I", [v << 16 for v in s])
    return _Tables(high, array("I", s), *_linear(2, 10, 18, 24), *_linear(8, 14, 22, 30))


def _linear(*rotations: int) -> tuple["array[int]", "array[int]"]:
    """x ^ (x <<< r) ^ ... of TS 35.222 clause 3.4.2 as two tables, for the upper and the lower half of a
    word.
    """
    columns = [[_linear_octet(octet << shift, rotations) for octet in range(256)] for shift in (24, 16, 8, 0)]
    b3, b2, b1, b0 = columns
    return array("I", [x ^ y for x in b3 for y in b2]), array("I", [x ^ y for x in b1 for y in b0])


def _linear_octet(x: int, rotations: tuple[int, ...]) -> int:
    result = x
    for rotation in rotations:
        result ^= (x << rotation | x >> 32 - rotation) & _M32
    return result


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
