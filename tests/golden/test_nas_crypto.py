"""128-NEA/NIA 0 to 3: AES against TS 33.401 Annex C and RFC 4493, the others against one set each."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codecs import nas_crypto
from drivers.codecs.nas_crypto import DOWNLINK, THREE_GPP_ACCESS, UPLINK, encrypt, mac

HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "nas_crypto.json").read_text())
SNOW = json.loads((HERE / "snow3g.json").read_text())
ZUC = json.loads((HERE / "zuc.json").read_text())
H = bytes.fromhex


@pytest.mark.parametrize("v", VECTORS["eea2"], ids=lambda v: f"set{v['set']}")
def test_eea2(v: dict[str, Any]) -> None:
    out = encrypt(2, H(v["key"]), v["count"], v["bearer"], v["direction"], H(v["data"]))
    size, unused = (v["bits"] + 7) // 8, -v["bits"] % 8
    assert (
        int.from_bytes(out[:size], "big") >> unused == int.from_bytes(H(v["output"])[:size], "big") >> unused
    )


@pytest.mark.parametrize("v", VECTORS["eia2"], ids=lambda v: f"set{v['set']}")
def test_eia2(v: dict[str, Any]) -> None:
    assert v["bits"] == 4 * len(v["data"])
    out = mac(2, H(v["key"]), v["count"], v["bearer"], v["direction"], H(v["data"]))
    assert out.hex() == v["output"]


def test_macs_over_bits() -> None:
    # EIA2 set 1 of TS 33.401 clause C.2, and a set of EIA1 and of EIA3 each
    data = H("3332346263393840")
    assert (
        mac(2, H("2bd6459f82c5b300952c49104881ff48"), 0x38A6F056, 0x18, UPLINK, data, 58).hex() == "118c6eb8"
    )
    for number, v in ((1, SNOW["eia1"][1]), (3, ZUC["eia3"][1])):
        assert v["bits"] % 8
        args = H(v["key"]), v["count"], v["bearer"], v["direction"]
        assert mac(number, *args, H(v["data"]), v["bits"]).hex() == v["output"]


@pytest.mark.parametrize("bits", [8, 64, 128, 192])
def test_bits_that_are_whole_octets_are_octets(bits: int) -> None:
    data = bytes(range(40))
    for number in (1, 2, 3):
        cut = mac(number, bytes(16), 1, 1, UPLINK, data[: bits // 8])
        assert mac(number, bytes(16), 1, 1, UPLINK, data, bits) == cut


# RFC 4493 clause 4: more than the header of EIA2 lets through `mac`, and the cached object is used twice.
@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_cmac_of_rfc_4493(length: int, expected: str) -> None:
    message = H(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    for _ in range(2):
        cmac = nas_crypto._cmac(H("2b7e151628aed2a6abf7158809cf4f3c")).copy()
        cmac.update(message[:length])
        assert cmac.finalize().hex() == expected


def test_which_algorithm_is_which() -> None:
    for number, v in ((1, SNOW["uea2"][2]), (3, ZUC["eea3"][1])):
        assert v["bits"] % 8 == 0
        args = H(v["key"]), v["count"], v["bearer"], v["direction"]
        size = v["bits"] // 8
        assert encrypt(number, *args, H(v["data"])[:size]) == H(v["output"])
    v = SNOW["eia1"][3]
    assert mac(1, H(v["key"]), v["count"], v["bearer"], v["direction"], H(v["data"])).hex() == v["output"]
    # TS 35.223 has no EIA3 set in whole octets: set 3 cut to 584 bits, from security_test8 of Open5GS.
    message = H(ZUC["eia3"][2]["data"])[:73]
    key = H("c9e6cec4607c72db000aefa88385ab0a")
    assert mac(3, key, 0xA94059DA, 0xA, DOWNLINK, message).hex() == "24a842b3"


def test_null_algorithms() -> None:
    assert encrypt(0, bytes(16), 7, THREE_GPP_ACCESS, UPLINK, b"plain") == b"plain"
    assert mac(0, bytes(16), 7, THREE_GPP_ACCESS, UPLINK, b"plain") == bytes(4)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([1, 2, 3]),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1),
    st.sampled_from([UPLINK, DOWNLINK]),
    st.binary(min_size=1, max_size=80),
    st.integers(0, 2**16),
)
def test_inverse_and_flipped_bit(
    algorithm: int, key: bytes, count: int, direction: int, data: bytes, bit: int
) -> None:
    context = algorithm, key, count, THREE_GPP_ACCESS, direction
    assert encrypt(*context, encrypt(*context, data)) == data
    tag = mac(*context, data)
    assert len(tag) == 4
    flipped = (int.from_bytes(data, "big") ^ 1 << bit % (8 * len(data))).to_bytes(len(data), "big")
    assert mac(*context, flipped) != tag
    assert mac(algorithm, key, count, THREE_GPP_ACCESS, 1 - direction, data) != tag
    assert mac(algorithm, key, count ^ 1, THREE_GPP_ACCESS, direction, data) != tag
    assert mac(algorithm, key, count, THREE_GPP_ACCESS + 1, direction, data) != tag


@pytest.mark.parametrize("function", [encrypt, mac])
def test_what_is_refused(function: Any) -> None:
    for algorithm in (-1, 4, 7, 8):
        with pytest.raises(ValueError, match="0 to 3"):
            function(algorithm, bytes(16), 0, 1, 0, b"x")
    for algorithm in (0, 1, 2, 3):
        for key, count, bearer, direction in (
            (bytes(32), 0, 1, 0),
            (bytes(16), 1 << 32, 1, 0),
            (bytes(16), 0, 32, 0),
            (bytes(16), 0, 1, 2),
        ):
            with pytest.raises(ValueError, match=r"16 octets|range"):
                function(algorithm, key, count, bearer, direction, b"x")
