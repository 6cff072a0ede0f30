"""MILENAGE against the conformance test data of TS 35.208, RFC 5448 and one AUTS of free5GC."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codecs.milenage import Milenage

SETS = json.loads(Path(__file__).with_name("milenage.json").read_text())
H = bytes.fromhex
OCTETS = st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize("v", SETS, ids=lambda v: f"set{v['set']}")
def test_conformance(v: dict[str, str]) -> None:
    k, rand, sqn, amf = H(v["k"]), H(v["rand"]), H(v["sqn"]), H(v["amf"])
    opc = Milenage.opc(k, H(v["op"]))
    assert opc.hex() == v["opc"]
    m = Milenage(k, opc)
    out = m.f2345(rand)
    assert m.f1(rand, sqn, amf).hex() == v["f1"]
    assert m.f1_star(rand, sqn, amf).hex() == v["f1_star"]
    assert (out.res.hex(), out.ck.hex(), out.ik.hex()) == (v["f2"], v["f3"], v["f4"])
    assert out.ak.hex() == v["f5"]
    assert m.f5_star(rand).hex() == v["f5_star"]


def test_all_sets_are_there() -> None:
    assert [v["set"] for v in SETS] == [1, *range(3, 21)]


def test_autn_of_rfc_5448() -> None:
    m = Milenage(H("5122250214c33e723a5dd523fc145fc0"), H("981d464c7c52eb6e5036234984ad0bcf"))
    rand, autn = H("81e92b6c0ee0e12ebceba8d92a99dfa5"), H("bb52e91c747ac3ab2a5c23d15ee351d5")
    assert m.autn(rand, H("16f3b3f70fc2"), H("c3ab")) == autn
    assert m.open_autn(rand, autn) == (H("16f3b3f70fc2"), H("c3ab"), True)
    assert m.f2345(rand).ck.hex() == "5349fbe098649f948f5d2e973a81c00f"


def test_auts_of_free5gc() -> None:
    rand, auts = H("01000000000000002e6f0eb33b7ffde7"), H("797d7a19ca27f99f4363d3ca24be")
    opc = H("c8ffd2aa7a43c926bf2b2826205b9030")
    m = Milenage(bytes(16), opc)
    assert m.auts(rand, H("00052c8c338e")) == auts
    assert m.open_auts(rand, auts) == (H("00052c8c338e"), True)
    other = Milenage(H("00000000000000000012340000000000"), opc)
    assert other.open_auts(rand, auts)[1] is False


@settings(max_examples=30, deadline=None)
@given(OCTETS, OCTETS, OCTETS, st.binary(min_size=6, max_size=6), st.integers(0, 127))
def test_a_flipped_bit_is_noticed(k: bytes, opc: bytes, rand: bytes, sqn: bytes, bit: int) -> None:
    m = Milenage(k, opc)
    autn, auts = m.autn(rand, sqn, b"\x80\x00"), m.auts(rand, sqn)
    assert m.open_autn(rand, autn) == (sqn, b"\x80\x00", True)
    assert m.open_auts(rand, auts) == (sqn, True)
    assert m.open_autn(rand, _flip(autn, bit))[2] is False
    assert m.open_auts(rand, _flip(auts, bit % 112))[1] is False


def test_keys_stay_out_of_repr() -> None:
    v = SETS[0]
    m = Milenage(H(v["k"]), H(v["opc"]))
    text = repr(m) + repr(m.f2345(H(v["rand"])))
    for name in ("k", "opc", "f2", "f3", "f4", "f5"):
        assert v[name] not in text
        assert repr(H(v[name])) not in text


def test_wrong_lengths() -> None:
    m = Milenage(bytes(16), bytes(16))
    for call in (
        lambda: Milenage(bytes(15), bytes(16)),
        lambda: Milenage(bytes(16), bytes(17)),
        lambda: Milenage.opc(bytes(32), bytes(16)),
        lambda: m.f1(bytes(15), bytes(6), bytes(2)),
        lambda: m.autn(bytes(16), bytes(5), bytes(2)),
        lambda: m.auts(bytes(16), bytes(7)),
        lambda: m.open_autn(bytes(16), bytes(14)),
        lambda: m.open_auts(bytes(16), bytes(16)),
    ):
        with pytest.raises(ValueError, match="octets instead of"):
            call()


def _flip(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
