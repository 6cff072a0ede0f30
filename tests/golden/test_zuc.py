"""ZUC and 128-EEA3/EIA3 against the implementers' test data of TS 35.223."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codecs import zuc

VECTORS = json.loads(Path(__file__).with_name("zuc.json").read_text())
H = bytes.fromhex


def sets(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("v", VECTORS[kind], ids=lambda v: f"set{v['set']}")


def test_number_of_vectors() -> None:
    assert {k: len(v) for k, v in VECTORS.items()} == {"keystream": 4, "eea3": 5, "eia3": 5}


@sets("keystream")
def test_keystream(v: dict[str, Any]) -> None:
    words = {int(at): int(word, 16) for at, word in v["words"].items()}
    stream = zuc.keystream(H(v["key"]), H(v["iv"]), max(words))
    assert {at: stream[at - 1] for at in words} == words


@sets("eea3")
def test_eea3(v: dict[str, Any]) -> None:
    size = (v["bits"] + 7) // 8
    args = H(v["key"]), v["count"], v["bearer"], v["direction"]
    assert zuc.eea3(*args, H(v["data"]), v["bits"]) == H(v["output"])[:size]
    assert zuc.eea3(*args, H(v["output"]), v["bits"]) == cut(H(v["data"]), v["bits"])


@sets("eia3")
def test_eia3(v: dict[str, Any]) -> None:
    mac = zuc.eia3(H(v["key"]), v["count"], v["bearer"], v["direction"], H(v["data"]), v["bits"])
    assert mac.hex() == v["output"]


@settings(max_examples=25, deadline=None)
@given(
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1),
    st.integers(0, 31),
    st.binary(min_size=1, max_size=80),
    st.integers(0, 2**16),
)
def test_inverse_and_flipped_bit(key: bytes, count: int, bearer: int, data: bytes, bit: int) -> None:
    assert zuc.eea3(key, count, bearer, 0, zuc.eea3(key, count, bearer, 0, data)) == data
    mac = zuc.eia3(key, count, bearer, 1, data)
    flipped = (int.from_bytes(data, "big") ^ 1 << bit % (8 * len(data))).to_bytes(len(data), "big")
    assert zuc.eia3(key, count, bearer, 1, flipped) != mac
    assert zuc.eia3(key, count, bearer, 1, data + b"\0") != mac
    assert zuc.eia3(key, count, bearer, 0, data) != mac


def test_bits_beyond_the_length_do_not_count() -> None:
    assert zuc.eia3(bytes(16), 1, 1, 0, b"\xff\xff", 9) == zuc.eia3(bytes(16), 1, 1, 0, b"\xff\x80\xff", 9)
    assert zuc.eea3(bytes(16), 1, 1, 0, b"") == b""
    assert zuc.eea3(bytes(16), 1, 1, 0, b"\1\2", 0) == b""
    assert len(zuc.eia3(bytes(16), 1, 1, 0, b"")) == 4


def test_what_is_refused() -> None:
    for args in (
        (bytes(15), 0, 0, 0, b"x", None),
        (bytes(16), -1, 0, 0, b"x", None),
        (bytes(16), 1 << 32, 0, 0, b"x", None),
        (bytes(16), 0, 32, 0, b"x", None),
        (bytes(16), 0, 0, 2, b"x", None),
        (bytes(16), 0, 0, 0, b"x", 9),
        (bytes(16), 0, 0, 0, b"x", -1),
    ):
        for function in (zuc.eea3, zuc.eia3):
            with pytest.raises(ValueError, match=r"octets|range"):
                function(*args)


def cut(data: bytes, bits: int) -> bytes:
    size = (bits + 7) // 8
    return (int.from_bytes(data[:size], "big") >> 8 * size - bits << 8 * size - bits).to_bytes(size, "big")
