"""EAP packets: octets that tshark 4.0.17 read alike, MD5 as openssl computes it, and hostile octets."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import nssaa
from drivers.codecs.eap import Malformed, Packet, md5_data, md5_of, md5_value

H = bytes.fromhex
CHALLENGE = bytes(range(16))
VALUE = "b06f0e1aaa5b697e5e6fa781474b780d"  # of 07, "assay" and the challenge

GOLDEN = [
    ("01 00 0005 01", Packet(1, 0, 1)),
    ("02 00 000a 01 3030314078", Packet(2, 0, 1, b"001@x")),
    (f"01 07 0016 04 10 {CHALLENGE.hex()}", Packet(1, 7, 4, md5_data(CHALLENGE))),
    (f"02 07 0016 04 10 {VALUE}", Packet(2, 7, 4, md5_data(H(VALUE)))),
    ("03 07 0004", Packet(3, 7)),
    ("04 07 0004", Packet(4, 7)),
]


@pytest.mark.parametrize(("octets", "packet"), GOLDEN)
def test_packets(octets: str, packet: Packet) -> None:
    assert packet.encode() == H(octets)
    assert Packet.decode(H(octets)) == packet
    assert Packet.decode(H(octets) + b"\0\0") == packet  # padding of the layer below


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "0100",
        "01000003",
        "01 00 0006 01",
        "01 00 0004",
        "03 00 0005 01",
        "05 00 0005 01",
        "00 00 0005 01",
    ],
)
def test_what_is_no_packet(octets: str) -> None:
    with pytest.raises(Malformed):
        Packet.decode(H(octets))


def test_md5() -> None:
    assert md5_value(7, b"assay", CHALLENGE).hex() == VALUE
    assert md5_of(md5_data(CHALLENGE)) == CHALLENGE
    assert md5_of(md5_data(CHALLENGE) + b"a name") == CHALLENGE
    for bad in (b"", b"\0", b"\x02\x01"):
        with pytest.raises(Malformed):
            md5_of(bad)


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        ("01 00 0005 01", "02 00 000a 01 3030314078"),  # identity
        ("01 07 0016 04 10" + CHALLENGE.hex(), f"02 07 0016 04 10 {VALUE}"),
        ("01 09 0005 02", "02 09 0005 02"),  # notification
        ("01 05 0006 0d 20", "02 05 0006 03 04"),  # EAP-TLS: rather EAP-MD5
    ],
)
def test_what_the_ue_answers(request_: str, response: str) -> None:
    assert nssaa.answer(H(request_), "001@x") == H(response)


@pytest.mark.parametrize("octets", ["02 00 0005 01", "03 07 0004", "01 07 0006 04 10", "01"])
def test_what_the_ue_does_not_answer(octets: str) -> None:
    assert nssaa.answer(H(octets), "001@x") is None


@settings(max_examples=500, deadline=None)
@given(octets=st.binary(max_size=40))
def test_fuzz(octets: bytes) -> None:
    with contextlib.suppress(Malformed):
        packet = Packet.decode(octets)
        assert Packet.decode(packet.encode()) == packet
    nssaa.answer(octets, "001@x")
    nssaa.describe({"eap_message": octets, "allowed_nssai": octets, "extended_rejected_nssai": octets})
