"""The MACs of a CP CIoT re-establishment: 3GPP has no test data for them, but for what they are made of."""

import pytest

from drivers.codecs import cp_ciot, nas_crypto
from drivers.codecs.nas import Plmn

PLMN = Plmn("999", "70")
KEY = bytes(range(16))
CELL = 0x1234567


def reading(coding: cp_ciot.Coding, bearer: int = 1, first: bool = True) -> cp_ciot.Reading:
    return cp_ciot.Reading(coding, bearer, first)


def test_an_independent_implementation_of_ts_33_401_clause_7_4_4_agrees() -> None:
    # the unit test of the Rust crate oxirush-security reads the clause so: 28 bits, in EPS with BEARER 0
    in_eps = reading("28 bits", bearer=0)
    assert cp_ciot.macs(in_eps, 2, b"\x33" * 16, 7, PLMN, CELL) == (0xE14E, 0xC9E7)


@pytest.mark.parametrize("ia", [1, 2, 3])
@pytest.mark.parametrize(
    ("coding", "octets"),
    [
        ("28 bits, then 4 zeros", "12345670"),
        ("4 zeros, then 28 bits", "01234567"),
        ("PLMN and cell, 7 octets", "99f90712345670"),
    ],
)
def test_whole_octets_are_protected_like_any_nas_message(
    ia: int, coding: cp_ciot.Coding, octets: str
) -> None:
    whole = nas_crypto.mac(ia, KEY, 9, 1, nas_crypto.UPLINK, bytes.fromhex(octets)).hex()
    up, down = cp_ciot.macs(reading(coding), ia, KEY, 9, PLMN, CELL)
    assert f"{up:04x}{down:04x}" == whole
    assert cp_ciot.macs(reading(coding, first=False), ia, KEY, 9, PLMN, CELL) == (down, up)


@pytest.mark.parametrize("ia", [1, 2, 3])
def test_readings_exclude_each_other(ia: int) -> None:
    up = [cp_ciot.macs(one, ia, KEY, 9, PLMN, CELL)[0] for one in cp_ciot.READINGS]
    assert len(set(up)) == len(up) == 16
    assert len(set(map(str, cp_ciot.READINGS))) == 16


@pytest.mark.parametrize(
    ("expected", "low", "count"),
    [(0, 0, 0), (5, 5, 5), (5, 9, 9), (5, 4, 36), (0x3E, 0x1F, 0x3F), (0x3E, 0, 0x40), (0x40, 0x1F, 0x5F)],
)
def test_the_count_is_estimated_upwards_from_five_bits(expected: int, low: int, count: int) -> None:
    assert cp_ciot.estimate(expected, low) == count
    assert count & 0x1F == low
