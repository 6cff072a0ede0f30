"""MILENAGE, the example authentication and key agreement functions of TS 35.206, over AES-128."""

from dataclasses import dataclass, field
from hmac import compare_digest

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_MASK = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class Vector:
    """What f2 to f5 give for one RAND: RES (8 octets), CK and IK (16 each), AK (6); TS 35.206 clause 4.1."""

    res: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)
    ak: bytes = field(repr=False)


class Milenage:
    """f1 to f5* of one subscriber, from K and OPc (16 octets each, else ValueError); TS 35.206 clause 4."""

    __slots__ = ("_aes", "_opc")

    def __init__(self, k: bytes, opc: bytes) -> None:
        self._aes = Cipher(algorithms.AES128(_sized("K", k, 16)), modes.ECB()).encryptor()  # noqa: S305
        self._opc = int.from_bytes(_sized("OPc", opc, 16), "big")

    def __repr__(self) -> str:
        return "Milenage(k=..., opc=...)"

    @staticmethod
    def opc(k: bytes, op: bytes) -> bytes:
        """OPc (16 octets) from K and OP (16 octets each, else ValueError); TS 35.206 clause 4.1."""
        aes = Cipher(algorithms.AES128(_sized("K", k, 16)), modes.ECB()).encryptor()  # noqa: S305
        return _xor(aes.update(_sized("OP", op, 16)), op)

    def f1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-A, 8 octets, from RAND (16), SQN (6) and AMF (2); ValueError on other lengths; TS 35.206 clause
        4.1.
        """
        return self._out1(rand, sqn, amf)[:8]

    def f1_star(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """MAC-S, 8 octets, from RAND (16), SQN (6) and AMF (2); ValueError on other lengths; TS 35.206 clause
        4.1.
        """
        return self._out1(rand, sqn, amf)[8:]

    def f2345(self, rand: bytes) -> Vector:
        """RES, CK, IK and AK for RAND (16 octets, else ValueError); TS 35.206 clause 4.1."""
        base = self._temp(rand) ^ self._opc
        out = self._encrypt(base ^ 1, _rotate(base, 32) ^ 2, _rotate(base, 64) ^ 4)
        return Vector(res=out[8:16], ck=out[16:32], ik=out[32:48], ak=out[:6])

    def f5_star(self, rand: bytes) -> bytes:
        """AK of the resynchronisation, 6 octets, for RAND (16, else ValueError); TS 35.206 clause 4.1."""
        return self._encrypt(_rotate(self._temp(rand) ^ self._opc, 96) ^ 8)[:6]

    def autn(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        """AUTN, 16 octets: SQN xor AK, AMF, MAC-A; ValueError on wrong lengths; TS 33.102 clause 6.3.2."""
        mac, ak = self._mac_and_ak(self._temp(rand), sqn, amf)
        return _xor(sqn, ak) + amf + mac

    def auts(self, rand: bytes, sqn_ms: bytes) -> bytes:
        """AUTS, 14 octets: SQN_MS xor AK*, MAC-S over AMF 0000; ValueError on wrong lengths; TS 33.102 clause
        6.3.3.
        """
        concealed = _xor(_sized("SQN_MS", sqn_ms, 6), self.f5_star(rand))
        return concealed + self.f1_star(rand, sqn_ms, b"\0\0")

    def open_autn(self, rand: bytes, autn: bytes) -> tuple[bytes, bytes, bool]:
        """SQN (6 octets), AMF (2) and whether MAC-A is right; ValueError unless AUTN has 16 octets; TS 33.102
        clause 6.3.3.
        """
        _sized("AUTN", autn, 16)
        temp = self._temp(rand)
        ak = self._encrypt(temp ^ self._opc ^ 1)[:6]
        sqn, amf = _xor(autn[:6], ak), autn[6:8]
        return sqn, amf, compare_digest(self._encrypt(self._in1(temp, sqn, amf))[:8], autn[8:])

    def open_auts(self, rand: bytes, auts: bytes) -> tuple[bytes, bool]:
        """SQN_MS (6 octets) and whether MAC-S is right; ValueError unless AUTS has 14 octets; TS 33.102
        clause 6.3.5.
        """
        sqn_ms = _xor(_sized("AUTS", auts, 14)[:6], self.f5_star(rand))
        return sqn_ms, compare_digest(self.f1_star(rand, sqn_ms, b"\0\0"), auts[6:])

    def _temp(self, rand: bytes) -> int:
        block = int.from_bytes(_sized("RAND", rand, 16), "big") ^ self._opc
        return int.from_bytes(self._aes.update(block.to_bytes(16, "big")), "big")

    def _in1(self, temp: int, sqn: bytes, amf: bytes) -> int:
        half = _sized("SQN", sqn, 6) + _sized("AMF", amf, 2)
        return temp ^ _rotate(int.from_bytes(half + half, "big") ^ self._opc, 64)

    def _out1(self, rand: bytes, sqn: bytes, amf: bytes) -> bytes:
        return self._encrypt(self._in1(self._temp(rand), sqn, amf))

    def _mac_and_ak(self, temp: int, sqn: bytes, amf: bytes) -> tuple[bytes, bytes]:
        out = self._encrypt(self._in1(temp, sqn, amf), temp ^ self._opc ^ 1)
        return out[:8], out[16:22]

    def _encrypt(self, *blocks: int) -> bytes:
        # One call for all blocks: the calls into OpenSSL are what costs, not the AES rounds.
        opc = self._opc.to_bytes(16, "big") * len(blocks)
        return _xor(self._aes.update(b"".join([block.to_bytes(16, "big") for block in blocks])), opc)


def _rotate(block: int, bits: int) -> int:
    return (block << bits | block >> (128 - bits)) & _MASK


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def _sized(name: str, value: bytes, length: int) -> bytes:
    if len(value) != length:
        raise ValueError(f"{name} has {len(value)} octets instead of {length}")
    return value
