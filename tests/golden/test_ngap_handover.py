"""Handover over N2: octets of pycrate that tshark 4.0.17 dissected as meant, and what is read from them."""

import dataclasses

import pytest

from drivers.codecs import ngap, ngap_handover
from drivers.codecs.nas import Plmn
from drivers.codecs.ngap import Ie, IeId, Pdu, Session, decode, encode, raw

H = bytes.fromhex
PLMN = Plmn("999", "70")
NH = bytes(range(32))
NASC = H("a1b2c3d422020c")
SETUP = H("0000040082000a0c3b9aca00303b9aca00008b000a01f07f0000010000000100860001000088000700010000091c00")
SOURCE = H("00037272630099f9070000000110000099f9070000000110800009")
SESSIONS = {1: ((1, None), SETUP)}
ALLOWED = [(1, None)]
SECURITY = (0xE000, 0xE000, 0, 0)
REQUEST = ngap_handover.handover_request(
    7, ngap.Guami(PLMN, 1, 1, 1), SECURITY, NH, 2, SESSIONS, ALLOWED, SOURCE, NASC
)
ACKNOWLEDGE = ngap_handover.handover_request_acknowledge(7, 8, [Session(1)], H("0003636d64"))
FAILURE = ngap_handover.handover_failure(7)
NOTIFY = ngap_handover.handover_notify(7, 8, PLMN, 1, 0x11)

OCTETS = {
    "HANDOVER REQUEST": H(
        "000d0080ca00000b000a00020007001d000100000f40020400006e000a0c3b9aca00303b9aca00007700091c000e00000000"
        "0000005d002110000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0025000807a1b2c3d42202"
        "0c0049003500000100202f" + SETUP.hex() + "000000020001"
        "0065001c1b" + SOURCE.hex() + "001c00070099f907010041"
    ),
    "HANDOVER REQUEST ACKNOWLEDGE": H(
        "200d002e000004000a40020007005540020008003540110000010d0007c07f000001000000010001006a0006050003636d64"
    ),
    "HANDOVER FAILURE": H("400d000f000002000a40020007000f400201c0"),
    "HANDOVER NOTIFY": H("000b4022000003000a000200070055000200080079400f4099f907000000011099f907000001"),
}
BUILT = (REQUEST, ACKNOWLEDGE, FAILURE, NOTIFY)


@pytest.mark.parametrize("pdu", BUILT, ids=lambda pdu: pdu.title)
def test_golden(pdu: Pdu) -> None:
    octets = OCTETS[pdu.title]
    assert encode(pdu).hex() == octets.hex()
    assert encode(decode(octets)).hex() == octets.hex()


@pytest.mark.parametrize("pdu", BUILT, ids=lambda pdu: pdu.title)
def test_builders_follow_the_tables(pdu: Pdu) -> None:
    """The IEs are those of the procedure, with its criticalities; the mandatory ones are there, in order."""
    encode(pdu)
    assert ngap._loaded is not None
    contents = ngap._loaded.contents
    rows = (getattr(contents, f"{pdu.name}IEs", None) or getattr(contents, f"{pdu.name}_IEs"))().root
    table = {row["id"]: row for row in rows}
    assert [ie.criticality for ie in pdu.ies] == [table[ie.id]["criticality"] for ie in pdu.ies]
    assert {row["id"] for row in rows if row["presence"] == "mandatory"} <= {ie.id for ie in pdu.ies}
    order = [row["id"] for row in rows]
    assert [ie.id for ie in pdu.ies] == sorted((ie.id for ie in pdu.ies), key=order.index)


def test_readers_of_a_request() -> None:
    request = decode(OCTETS["HANDOVER REQUEST"])
    assert ngap_handover.nasc(request) == NASC
    assert ngap_handover.source_container(request) == SOURCE
    assert ngap_handover.asked_sessions(request) == (1,)
    assert ngap.transfers(request, IeId.PDU_SESSION_RESOURCE_SETUP_LIST_HO_REQ) == {1: SETUP}
    assert ngap.next_hop(request) == (int.from_bytes(NH), 256)
    assert ngap.security_capabilities(request) == SECURITY
    assert (ngap.amf_ue_ngap_id(request), ngap.ran_ue_ngap_id(request)) == (7, None)
    without = ngap_handover.handover_request(
        7, ngap.Guami(PLMN, 1, 1, 1), SECURITY, NH, 2, SESSIONS, ALLOWED, SOURCE
    )
    assert ngap_handover.nasc(decode(encode(without))) is None


def test_readers_of_an_acknowledgement() -> None:
    acknowledge = decode(OCTETS["HANDOVER REQUEST ACKNOWLEDGE"])
    assert ngap_handover.target_container(acknowledge) == H("0003636d64")
    admitted = ngap.transfers(acknowledge, IeId.PDU_SESSION_RESOURCE_ADMITTED_LIST)
    assert admitted == {1: ngap_handover.acknowledge_transfer(Session(1))}


@pytest.mark.parametrize("ie_id", [37, 53, 73, 101, 106])
def test_readers_take_any_value(ie_id: int) -> None:
    pdu = decode(encode(dataclasses.replace(FAILURE, ies=(Ie(ie_id, "reject", raw(b"x")),))))
    assert ngap_handover.nasc(pdu) is None
    assert ngap_handover.asked_sessions(pdu) == ()
    assert ngap_handover.source_container(pdu) == ngap_handover.target_container(pdu) == b""


def test_containers_and_transfers() -> None:
    assert ngap_handover.source_to_target(b"rrc", PLMN, 0x11) == SOURCE
    assert ngap_handover.target_to_source(b"cmd") == H("0003636d64")
    assert ngap.setup_request_transfer(Session(1)) == SETUP
    assert ngap_handover.acknowledge_transfer(Session(1)) == H("0007c07f000001000000010001")
    assert (ngap_handover.required_transfer(), ngap_handover.command_transfer()) == (b"\0", b"\0")


def test_the_number_of_a_gnb() -> None:
    setup = ngap.ng_setup_request(0xABCDE, "gnb", PLMN, 7, [(1, None)], gnb_id_bits=22)
    assert ngap.gnb_id(decode(encode(setup))) == 0xABCDE
    assert ngap.gnb_id(NOTIFY) == 0
