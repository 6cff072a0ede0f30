"""ECIES profiles A and B against the test data of TS 33.501 clause C.4."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codecs import suci

H = bytes.fromhex

HOME_A = H("c53c22208b61860b06c62e5406a7b330c2b577aa5558981510d128247d38bd1d")
PUBLIC_A = H("5a8d38864820197c3394b92613b20b91633cbd897119273bf8e4a6f4eec0a650")
HOME_B = H("f1ab1074477ebcc7f554ea1c5fc368b1616730155e0041ac447d6301975fecda")
PUBLIC_B = H("0272da71976234ce833a6907425867b82e074d44ef907dfb4b3e21c1c2256ebcd1")
UNCOMPRESSED_B = H(
    "0472da71976234ce833a6907425867b82e074d44ef907dfb4b3e21c1c2256ebcd1"
    "5a7ded52fcbb097a4ed250e036c7b9c8c7004c4eedc4f068cd7bf8d3f900e3b4"
)
IMSI, NAI = H("00012080f6"), b"verylongusername1"

# Clause C.4.3 (A) and C.4.4 (B), IMSI and NAI each: plaintext, ephemeral private key, then the three parts.
VECTORS = [
    pytest.param(
        suci.PROFILE_A,
        IMSI,
        "c80949f13ebe61af4ebdbd293ea4f942696b9e815d7e8f0096bbf6ed7de62256",
        "b2e92f836055a255837debf850b528997ce0201cb82adfe4be1f587d07d8457d",
        "cb02352410",
        "cddd9e730ef3fa87",
        id="A-imsi",
    ),
    pytest.param(
        suci.PROFILE_A,
        NAI,
        "be9eff3e9f22a4b42a3d236e7a6c500b3f2e7e0c7449988ba800d664bf4fcd97",
        "977d8b2fdaa7b64aa700d04227d5b440630ea4ec50f9082273a26bb678c92222",
        "8e358a1582adb15322c10e515141d2039a",
        "12e1d7783a97f1ac",
        id="A-nai",
    ),
    pytest.param(
        suci.PROFILE_B,
        IMSI,
        "99798858a1dc6a2c68637149a4b1dbfd1fdff5addd62a2142f06699ed7602529",
        "039aab8376597021e855679a9778ea0b67396e68c66df32c0f41e9acca2da9b9d1",
        "46a33fc271",
        "6ac7dae96aa30a4d",
        id="B-imsi",
    ),
    pytest.param(
        suci.PROFILE_B,
        NAI,
        "90a5898bd29ffa3f261e00e980067c70a2b1b992a21f5b4fef6d4df69fe804ad",
        "03759bb22c563d9f4a6b3c1419e543fc2f39d6823f02a9d71162b39399218b244b",
        "be22d8b9f856a52ed381cd7eaf4cf2d525",
        "3cddc61a0a7882eb",
        id="B-nai",
    ),
]
HOME = {suci.PROFILE_A: (HOME_A, PUBLIC_A), suci.PROFILE_B: (HOME_B, PUBLIC_B)}


@pytest.mark.parametrize(("scheme", "plain", "ephemeral", "point", "ciphertext", "tag"), VECTORS)
def test_clause_c4(scheme: int, plain: bytes, ephemeral: str, point: str, ciphertext: str, tag: str) -> None:
    private, public = HOME[scheme]
    output = suci.conceal(scheme, plain, public, H(ephemeral))
    assert output.hex() == point + ciphertext + tag
    assert suci.reveal(scheme, output, private) == plain


def test_null_scheme() -> None:
    assert suci.conceal(suci.NULL_SCHEME, IMSI, b"") == IMSI
    assert suci.reveal(suci.NULL_SCHEME, IMSI, b"") == IMSI


def test_an_uncompressed_home_key_is_the_same_key() -> None:
    ephemeral = bytes(31) + b"\5"
    assert suci.conceal(suci.PROFILE_B, IMSI, UNCOMPRESSED_B, ephemeral) == suci.conceal(
        suci.PROFILE_B, IMSI, PUBLIC_B, ephemeral
    )


@pytest.mark.parametrize("scheme", [suci.PROFILE_A, suci.PROFILE_B])
def test_each_concealment_is_fresh(scheme: int) -> None:
    private, public = HOME[scheme]
    one, two = (suci.conceal(scheme, IMSI, public) for _ in range(2))
    assert one != two
    assert suci.reveal(scheme, one, private) == suci.reveal(scheme, two, private) == IMSI


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([suci.PROFILE_A, suci.PROFILE_B]), st.binary(max_size=40), st.integers(0, 2**16))
def test_a_flipped_bit_is_refused(scheme: int, plain: bytes, bit: int) -> None:
    private, public = HOME[scheme]
    output = suci.conceal(scheme, plain, public)
    assert suci.reveal(scheme, output, private) == plain
    # Not in the point: X25519 ignores one bit of it, and P-256 knows other points.
    rest = len(output) - len(public)
    flipped = int.from_bytes(output, "big") ^ 1 << bit % (8 * rest)
    with pytest.raises(ValueError, match="MAC tag"):
        suci.reveal(scheme, flipped.to_bytes(len(output), "big"), private)


def test_what_is_refused() -> None:
    output_a = suci.conceal(suci.PROFILE_A, IMSI, PUBLIC_A)
    output_b = suci.conceal(suci.PROFILE_B, IMSI, PUBLIC_B)
    for message, call in (
        ("not one of", lambda: suci.conceal(3, IMSI, PUBLIC_A)),
        ("not one of", lambda: suci.reveal(15, output_a, HOME_A)),
        ("too short", lambda: suci.reveal(suci.PROFILE_A, output_a[:39], HOME_A)),
        ("too short", lambda: suci.reveal(suci.PROFILE_B, output_b[:40], HOME_B)),
        ("32 octets", lambda: suci.reveal(suci.PROFILE_A, output_a, HOME_A[1:])),
        ("32 octets", lambda: suci.conceal(suci.PROFILE_B, IMSI, PUBLIC_B, b"\1")),
        ("scalar", lambda: suci.conceal(suci.PROFILE_B, IMSI, PUBLIC_B, bytes(32))),
        ("scalar", lambda: suci.conceal(suci.PROFILE_B, IMSI, PUBLIC_B, b"\xff" * 32)),
        ("public key", lambda: suci.conceal(suci.PROFILE_A, IMSI, PUBLIC_A[1:])),
        ("public key", lambda: suci.conceal(suci.PROFILE_A, IMSI, bytes(32))),
        ("public key", lambda: suci.conceal(suci.PROFILE_B, IMSI, b"\2" + b"\xff" * 32)),
        ("public key", lambda: suci.reveal(suci.PROFILE_B, b"\5" + output_b[1:], HOME_B)),
        ("MAC tag", lambda: suci.reveal(suci.PROFILE_A, output_a, bytes(31) + b"\1")),
    ):
        with pytest.raises(ValueError, match=message):
            call()
