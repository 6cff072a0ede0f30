"""NGAP messages of a UE by hand: those of the ASN.1 codec octet for octet, and read as it reads them."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codecs import ngap, ngap_bytes
from drivers.codecs.nas import Plmn
from drivers.codecs.ngap import Ie, IeId, Pdu, raw
from drivers.codecs.ngap_bytes import Downlink, Template

PLACE = (Plmn("999", "70"), 1, 0x123456789)
GUAMI = ngap.Guami(PLACE[0], 2, 1, 0)
SLICES = ((1, None), (2, 0xABCDEF))

AMF_IDS = st.one_of(st.integers(0, 2**40 - 1), st.integers(0, 39).map(lambda bits: 1 << bits))
RAN_IDS = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 31).map(lambda bits: 1 << bits))
NAS = st.one_of(st.binary(min_size=1, max_size=300), st.integers(1, 16_000).map(bytes))

SETUP = ngap.initial_context_setup_request
DOWNLINKS: dict[str, Callable[[int, int, bytes], Pdu]] = {
    "DOWNLINK NAS TRANSPORT": ngap.downlink_nas_transport,
    "INITIAL CONTEXT SETUP REQUEST": lambda amf, ran, nas: SETUP(
        amf, ran, GUAMI, SLICES, (0xE000,) * 4, bytes(32), nas
    ),
    "UE CONTEXT RELEASE COMMAND": lambda amf, ran, _: ngap.ue_context_release_command(amf, ran),
}
INITIAL = Template(ngap.initial_ue_message(0, b"", *PLACE))
TRANSPORT = Template(ngap.uplink_nas_transport(0, 0, b"", *PLACE))
SET_UP = Template(ngap.initial_context_setup_response(0, 0))
RELEASED = Template(ngap.ue_context_release_complete(0, 0))


@given(amf=AMF_IDS, ran=RAN_IDS, nas=NAS)
@settings(max_examples=300, deadline=None)
def test_a_template_filled_is_the_message_encoded(amf: int, ran: int, nas: bytes) -> None:
    a, r, n = ngap_bytes.amf_ue_ngap_id(amf), ngap_bytes.ran_ue_ngap_id(ran), ngap_bytes.nas_pdu(nas)
    assert INITIAL.fill(r, n) == ngap.encode(ngap.initial_ue_message(ran, nas, *PLACE))
    assert TRANSPORT.fill(a, r, n) == ngap.encode(ngap.uplink_nas_transport(amf, ran, nas, *PLACE))
    assert SET_UP.fill(a, r) == ngap.encode(ngap.initial_context_setup_response(amf, ran))
    assert RELEASED.fill(a, r) == ngap.encode(ngap.ue_context_release_complete(amf, ran))


@given(amf=AMF_IDS, ran=RAN_IDS, nas=NAS)
@settings(max_examples=300, deadline=None)
def test_a_downlink_message_is_read_without_the_codec(amf: int, ran: int, nas: bytes) -> None:
    for title, build in DOWNLINKS.items():
        octets = ngap.encode(build(amf, ran, nas))
        expected = Downlink(title, amf, ran, None if title.startswith("UE") else nas)
        assert ngap_bytes.read(octets) == expected
        assert ngap_bytes._read(octets) == expected, "by hand"


def decoded(data: bytes) -> Downlink | None:
    try:
        return ngap_bytes._decoded(data)
    except ngap.Malformed:
        return None


def test_what_is_damaged_is_never_read_otherwise_than_by_the_codec() -> None:
    """Where both can read a damaged message they agree; the codec looks into the other IEs as well."""
    dice = random.Random(38413)
    agreed = refused = 0
    for round_ in range(3000):
        build = list(DOWNLINKS.values())[round_ % 3]
        amf, ran = dice.getrandbits(dice.randint(1, 40)), dice.getrandbits(dice.randint(1, 32))
        octets = bytearray(ngap.encode(build(amf, ran, dice.randbytes(dice.randint(1, 200)))))
        for _ in range(dice.randint(1, 3)):
            place = dice.randrange(min(len(octets), 40))
            match dice.randrange(3):
                case 0:
                    octets[place] ^= 1 << dice.randrange(8)
                case 1:
                    octets[place:place] = dice.randbytes(dice.randint(1, 3))
                case _:
                    del octets[place : place + dice.randint(1, 3)]
        ours, theirs = ngap_bytes._read(bytes(octets)), decoded(bytes(octets))
        refused += ours is None
        if ours is not None and theirs is not None:
            agreed += 1
            assert ours == theirs, octets.hex()
    assert agreed > 100
    assert refused > 1000


def ies(*found: Ie) -> bytes:
    return ngap.encode(Pdu("initiatingMessage", 4, "ignore", "DownlinkNASTransport", found))


IDS = (Ie(IeId.AMF_UE_NGAP_ID, "reject", 300), Ie(IeId.RAN_UE_NGAP_ID, "reject", 7))
CAUSE = Ie(IeId.CAUSE, "ignore", ("nas", "unspecified"))
ODD = {
    "the NAS-PDU twice": ies(*IDS, Ie(IeId.NAS_PDU, "reject", b"1"), Ie(IeId.NAS_PDU, "reject", b"2")),
    "no identity of the gNB": ies(IDS[0], Ie(IeId.NAS_PDU, "reject", b"1")),
    "identities that belong to another message": ies(*IDS, Ie(IeId.UE_NGAP_IDS, "reject", raw(b"\x08" * 8))),
    "an octet more than needed": ies(Ie(IeId.AMF_UE_NGAP_ID, "reject", raw(b"\x20\0\5")), IDS[1]),
    "another message": ngap.encode(ngap.error_indication(300, 7)),
    "an answer": ngap.encode(ngap.ng_setup_failure()),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_left_to_the_codec(what: str) -> None:
    assert ngap_bytes._read(ODD[what]) is None
    assert ngap_bytes.read(ODD[what]) == decoded(ODD[what])


def test_garbage_is_malformed_at_every_length() -> None:
    whole = ngap.encode(ngap.downlink_nas_transport(300, 7, b"\x7e\0\x42"))
    for size in range(len(whole)):
        with pytest.raises(ngap.Malformed):
            ngap_bytes.read(whole[:size])
    with pytest.raises(ngap.Malformed):
        ngap_bytes.read(whole + b"\0")


def test_values_that_do_not_fit_are_refused() -> None:
    for value in (-1, 1 << 40):
        with pytest.raises(ValueError, match="does not fit"):
            ngap_bytes.amf_ue_ngap_id(value)
    with pytest.raises(ValueError, match="does not fit"):
        ngap_bytes.ran_ue_ngap_id(1 << 32)
    with pytest.raises(ValueError, match="fragmented"):
        ngap_bytes.nas_pdu(bytes(16384))
    with pytest.raises(ValueError, match="come first"):
        Template(Pdu("initiatingMessage", 9, "ignore", "ErrorIndication", (CAUSE, *IDS)))
    with pytest.raises(ValueError, match="zip"):
        TRANSPORT.fill(b"\2\0\1")
