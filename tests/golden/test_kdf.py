"""The key hierarchy of TS 33.501 Annex A against values published by srsRAN and by hand-built KDF inputs."""

import hashlib
import hmac

import pytest

from drivers.codecs import kdf

H = bytes.fromhex
SNN_HEX = (
    "35473a6d6e633037302e6d63633939392e336770706e6574776f726b2e6f7267"  # 5G:mnc070.mcc999.3gppnetwork.org
)


def by_hand(key: str, s: str) -> bytes:
    return hmac.new(H(key), H(s), hashlib.sha256).digest()


def test_serving_network_name() -> None:
    assert kdf.serving_network_name("999", "70") == "5G:mnc070.mcc999.3gppnetwork.org"
    assert kdf.serving_network_name("310", "410") == "5G:mnc410.mcc310.3gppnetwork.org"
    assert kdf.serving_network_name("999", "70").encode() == H(SNN_HEX)
    for mcc, mnc in (("99", "70"), ("999", "7"), ("999", "0070"), ("99a", "70"), ("999", "٧٠")):
        with pytest.raises(ValueError, match="not an MCC"):
            kdf.serving_network_name(mcc, mnc)


# lib/test/common/test_security_kdf.cc of srsRAN 4G.
def test_res_star_of_srsran() -> None:
    res_star = kdf.res_star(
        H("3cba902575ed80cbfa3625aff09daffc"),
        H("ba902575ed80cbfa3625aff09daffc3c"),
        "5G:mnc001.mcc001.3gppnetwork.org",
        H("fc2d98a361208bf743639c9e632d7350"),
        H("fc3cba902575ed80"),
    )
    assert res_star.hex() == "b0e35b23dbd7a18c848bfad91135e3fd"


def test_kausf_of_srsran() -> None:
    ck, ik = H("561e05efbdf2efeb2d558f041c53c445"), H("01e0f2f5535431312d57279814cfcd89")
    snn = kdf.serving_network_name("901", "70")
    assert (
        kdf.kausf(ck, ik, snn, H("305eb06b7307")).hex()
        == "a2ceb20f7928bf154d4b548aee6d10a97601847fd72d2bc901982c086ea0f346"
    )


def test_kseaf_and_kamf_of_srsran() -> None:
    kausf = H("d9c8ff91b69e250e256e92466acf80a1d82b65f094b7c071199c0312e067ff3b")
    kseaf = kdf.kseaf(kausf, kdf.serving_network_name("901", "70"))
    assert kseaf.hex() == "6c50bfa5f32a89ade1ee6c707de6dcfea0790afb6d14f9e55943aeda58334548"
    kamf = "46237ef051d6a16a3927525fa65cc39544cdfd7990b946ad796530e6d787a0da"
    assert kdf.kamf(kseaf, "901700000021309", bytes(2)).hex() == kamf
    assert kdf.kamf(kseaf, "imsi-901700000021309", bytes(2)).hex() == kamf


def test_second_kamf_of_srsran() -> None:
    kseaf = H("302ab7c94fae97e043b370d3eb1f5468f6a1d455d656a4cab351eacfb9f7e136")
    assert (
        kdf.kamf(kseaf, "imsi-001010123456780", bytes(2)).hex()
        == "8f2a5d6c12608d8a0a8d330a719dee07226b47417b661af58490eab07aa437a4"
    )


def test_nas_keys_of_srsran() -> None:
    keys = kdf.nas_keys(H("7d861852b42a86b596fe22c8f50b9b895a1e21716b61b8d122785e25bafc0d07"), ea=0, ia=2)
    assert keys.enc.hex() == "fc7e99b98b8c04201f4f9d81433b6b38"
    assert keys.int_.hex() == "a53ee884b98d366b0289231ec4191ed3"


def test_kgnb_of_srsran() -> None:
    kamf = H("d655f16142035d4d72ca39583d228d2dd2ec0ca7929ad007f53b382d05544405")
    assert kdf.kgnb(kamf, 0).hex() == "493a16c58b77b627fa3f1ac6344c183039f01ba0cb7636bbccc4365b023bd562"


def test_chain_of_the_test_usim() -> None:
    """The worked example (XOR test algorithm) in 5g/keys/ReadMe.txt of github frankurcrazy/helloworld."""
    ck, ik = H("0102030405060708090a0b0c0d0e0f00"), H("02030405060708090a0b0c0d0e0f0001")
    snn = kdf.serving_network_name("001", "01")
    kausf = kdf.kausf(ck, ik, snn, H("0304050607f7"))
    assert kausf.hex() == "20de4eb2b75c8dac301ad52773e2e37bd7b4b0c2fdb1c3751b98dd0df846aed5"
    kseaf = kdf.kseaf(kausf, snn)
    assert kseaf.hex() == "d2bbc63b0c141247341c0fca3dc3bffdc6bfc1813489342de8487e7e4dc3728b"
    kamf = kdf.kamf(kseaf, "imsi-001010123456789", bytes(2))
    assert kamf.hex() == "7e9f97707cef48318df182a7f9e7ba838a6fb36ab83a7d1baf2610b97a5b9dcf"
    assert kdf.kgnb(kamf, 0).hex() == "617c2f3db714a5a10597591a25feb21a159ea7796109292b0b2ca579d9002b0c"


KEY = "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f"
SYNC = "f0e1d2c3b4a5968778695a4b3c2d1e0ff1e2d3c4b5a69788796a5b4c3d2e1f10"
SNN = "5G:mnc070.mcc999.3gppnetwork.org"


def test_by_hand() -> None:
    """FC, parameters and their lengths spelled out as in Annex A."""
    ck, ik = H(KEY[:32]), H(KEY[32:])
    key = H(KEY)
    assert kdf.kausf(ck, ik, SNN, H("a1a2a3a4a5a6")) == by_hand(KEY, f"6a {SNN_HEX} 0020 a1a2a3a4a5a6 0006")
    rand, res = SYNC[:32], "0123456789abcdef"
    expected = by_hand(KEY, f"6b {SNN_HEX} 0020 {rand} 0010 {res} 0008")[-16:]
    assert kdf.res_star(ck, ik, SNN, H(rand), H(res)) == expected
    assert kdf.hres_star(H(rand), expected) == hashlib.sha256(H(rand) + expected).digest()[-16:]
    assert kdf.kseaf(key, SNN) == by_hand(KEY, f"6c {SNN_HEX} 0020")
    assert kdf.kamf(key, "imsi-999700000000001", bytes(2)) == by_hand(
        KEY, "6d 393939373030303030303030303031 000f 0000 0002"
    )
    assert kdf.kamf(key, "nai-u@x.org", b"\1") == by_hand(KEY, "6d 7540782e6f7267 0007 01 0001")
    assert kdf.nas_keys(key, ea=3, ia=1).enc == by_hand(KEY, "69 01 0001 03 0001")[-16:]
    assert kdf.nas_keys(key, ea=3, ia=1).int_ == by_hand(KEY, "69 02 0001 01 0001")[-16:]
    assert kdf.kgnb(key, 0x00ABCDEF) == by_hand(KEY, "6e 00abcdef 0004 01 0001")
    assert kdf.kgnb(key, 1, access=2) == by_hand(KEY, "6e 00000001 0004 02 0001")
    assert kdf.nh(key, H(SYNC)) == by_hand(KEY, f"6f {SYNC} 0020")
    assert kdf.kamf_prime(key, 1, 0x01020304) == by_hand(KEY, "72 01 0001 01020304 0004")


def test_keys_stay_out_of_repr() -> None:
    keys = kdf.nas_keys(H(KEY), 2, 2)
    assert repr(keys.enc) not in repr(keys)
    assert repr(keys.int_) not in repr(keys)


def test_what_is_refused() -> None:
    key = H(KEY)
    for call in (
        lambda: kdf.kausf(bytes(15), bytes(16), SNN, bytes(6)),
        lambda: kdf.kausf(bytes(16), bytes(16), SNN, bytes(5)),
        lambda: kdf.res_star(bytes(16), bytes(16), SNN, bytes(16), bytes(3)),
        lambda: kdf.res_star(bytes(16), bytes(16), SNN, bytes(16), bytes(17)),
        lambda: kdf.hres_star(bytes(16), bytes(8)),
        lambda: kdf.kseaf(bytes(16), SNN),
        lambda: kdf.kamf(key, "imsi-99970x", bytes(2)),
        lambda: kdf.kamf(key, "msisdn-4712345", bytes(2)),
        lambda: kdf.kamf(key, "", bytes(2)),
        lambda: kdf.nas_keys(key, 16, 0),
        lambda: kdf.nas_keys(key, 0, -1),
        lambda: kdf.kgnb(key, 1 << 32),
        lambda: kdf.nh(key, bytes(16)),
        lambda: kdf.kamf_prime(key, 1, -1),
    ):
        with pytest.raises(ValueError, match=r"octets|identity|SUPI|IMSI"):
            call()
