"""Ciphering and integrity of NAS messages: 128-NEA0 to 3 and 128-NIA0 to 3 of TS 33.501 Annex D."""

from functools import lru_cache
from struct import pack

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from drivers.codecs.snow3g import eea1, eia1
from drivers.codecs.zuc import eea3, eia3

UPLINK = 0
DOWNLINK = 1
THREE_GPP_ACCESS = 1


def encrypt(algorithm: int, key: bytes, count: int, bearer: int, direction: int, data: bytes) -> bytes:
    """Cipher or decipher with 5G-EA `algorithm` (0 to 3): key 16 octets, NAS COUNT 32 bits, bearer 5,
    direction 1; another algorithm or a value out of range is a ValueError; TS 33.501 clause D.2.1.
    """
    _check(key, count, bearer, direction)
    match algorithm:
        case 0:
            return data
        case 1:
            return eea1(key, count, bearer, direction, data)
        case 2:
            counter = pack(">IB11x", count, bearer << 3 | direction << 2)
            return Cipher(_aes(key), modes.CTR(counter)).encryptor().update(data)
        case 3:
            return eea3(key, count, bearer, direction, data)
    raise ValueError(f"5G-EA{algorithm} is not one of 0 to 3")


def mac(
    algorithm: int,
    key: bytes,
    count: int,
    bearer: int,
    direction: int,
    data: bytes,
    bits: int | None = None,
) -> bytes:
    """The NAS-MAC, 4 octets, with 5G-IA `algorithm` (0 to 3; 0 gives zeros) over `bits` bits of data (all if
    None): key 16 octets, NAS COUNT 32 bits, bearer 5, direction 1; another algorithm or a value out of range
    is a ValueError; TS 33.501 clause D.3.1.
    """
    _check(key, count, bearer, direction)
    match algorithm:
        case 0:
            return bytes(4)
        case 1:
            return eia1(key, count, bearer, direction, data, bits)
        case 2:
            message = pack(">IB3x", count, bearer << 3 | direction << 2) + data
            if bits is not None and bits % 8:
                return _cmac_of_bits(key, message, 64 + bits)[:4]
            cmac = _cmac(key).copy()
            cmac.update(message if bits is None else message[: 8 + bits // 8])
            return cmac.finalize()[:4]
        case 3:
            return eia3(key, count, bearer, direction, data, bits)
    raise ValueError(f"5G-IA{algorithm} is not one of 0 to 3")


# A cipher set up once and copied saves most of what a short message costs.
@lru_cache(maxsize=1024)
def _cmac(key: bytes) -> CMAC:
    return CMAC(algorithms.AES128(key))


def _cmac_of_bits(key: bytes, message: bytes, bits: int) -> bytes:
    """CMAC over a message that ends within an octet, as the library takes none (RFC 4493 clause 2.4)."""
    subkey = int.from_bytes(Cipher(_aes(key), modes.ECB()).encryptor().update(bytes(16)))  # noqa: S305
    for _ in range(2):
        subkey = subkey << 1 ^ (0x87 | 1 << 128) * (subkey >> 127)
    blocks = bits // 128 + 1
    padded = (int.from_bytes(message) >> 8 * len(message) - bits << 1 | 1) << 128 * blocks - bits - 1
    last = (padded ^ subkey).to_bytes(16 * blocks)
    return Cipher(_aes(key), modes.CBC(bytes(16))).encryptor().update(last)[-16:]


@lru_cache(maxsize=1024)
def _aes(key: bytes) -> algorithms.AES128:
    return algorithms.AES128(key)


def _check(key: bytes, count: int, bearer: int, direction: int) -> None:
    if len(key) != 16:
        raise ValueError(f"a NAS key has 16 octets, not {len(key)}")
    if not (0 <= count < 1 << 32 and 0 <= bearer < 32 and direction in (UPLINK, DOWNLINK)):
        raise ValueError(f"count {count}, bearer {bearer} or direction {direction} is out of range")
