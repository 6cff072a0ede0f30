"""The Intra N1 mode NAS transparent container: its octets, and a NAS-MAC that others made."""

import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.cmac import CMAC

from drivers.codecs import nasc
from drivers.codecs.nas import Malformed
from drivers.codecs.nasc import Nasc

KAMF = bytes(range(32))
TOLD = Nasc(ea=2, ia=2, ksi=2, sequence=12)
CONTENT = bytes.fromhex("22020c")


def mac(message: bytes, *, count: int = 0xFFFFFFFF, bearer: int = 1) -> bytes:
    """128-NIA2 by hand: K_NASint from the KDF, then CMAC (TS 33.501 clauses A.8 and D.3.1.3)."""
    key = hmac.digest(KAMF, b"\x69\x02\0\x01\x02\0\x01", "sha256")[16:]
    cmac = CMAC(AES128(key))
    cmac.update(count.to_bytes(4) + bytes((bearer << 3 | 1 << 2, 0, 0, 0)) + message)
    return cmac.finalize()[:4]


def test_octets() -> None:
    octets = TOLD.encode(KAMF)
    assert octets == mac(CONTENT) + CONTENT
    assert octets.hex() == "3dc1d4e022020c"  # as openssl dgst and openssl mac make it
    assert nasc.decode(octets) == TOLD
    assert TOLD.verifies(octets, KAMF)


@pytest.mark.parametrize(
    "message", [CONTENT, bytes(4) + CONTENT, b"\7" + bytes(4) + CONTENT, b"\x0c\x22\x02"]
)
def test_every_reading_of_the_content_verifies(message: bytes) -> None:
    assert TOLD.verifies(mac(message) + CONTENT, KAMF)


@pytest.mark.parametrize(
    "wrong",
    [
        bytes(4),
        mac(CONTENT, count=12),
        mac(CONTENT, bearer=2),
        mac(b"\x22\x02\x0d"),
        mac(TOLD.encode(KAMF)),
    ],
)
def test_what_does_not_verify(wrong: bytes) -> None:
    assert not TOLD.verifies(wrong + CONTENT, KAMF)
    assert not TOLD.verifies(TOLD.encode(KAMF), bytes(32))


def test_flags_and_an_algorithm_that_nobody_has() -> None:
    told = nasc.decode(bytes(4) + bytes.fromhex("7f1eff"))
    assert told == Nasc(7, 15, 6, 255, mapped=True, kamf_changed=True)
    assert not told.verifies(bytes(4) + bytes.fromhex("7f1eff"), KAMF)


@pytest.mark.parametrize("size", [0, 6, 8, 9])
def test_another_length_is_no_container(size: int) -> None:
    with pytest.raises(Malformed):
        nasc.decode(bytes(size))
