"""NGAP of UEs that are reached: PAGING, suspension and resumption, PDU sessions and their transfers.

The octets were made by the builders and read back, field by field, with tshark 4.0.17.
"""

import logging
import warnings

import pytest

from drivers import transfer
from drivers.codecs import ngap
from drivers.codecs.nas import Plmn, STmsi
from drivers.codecs.ngap import Pdu, Resources, Session, decode, encode

H = bytes.fromhex
PLMN = Plmn("999", "70")
S_TMSI = STmsi(1, 2, 0xDEADBEEF)
TRANSFER = H("0000040082000a0c3b9aca00303b9aca00008b000a01f00a0000010000000700860001000088000700010000091c00")
RESOURCES = (Resources(1, (1, None), TRANSFER, H("7e0043")), Resources(2, (1, 5), TRANSFER))
CAUSE = ("radioNetwork", "unspecified")

GOLDEN: list[tuple[str, Pdu, str]] = [
    (
        "PAGING",
        ngap.paging(S_TMSI, PLMN, [1]),
        "0018401900000200734007000840deadbeef006740070099f907000001",
    ),
    (
        "UE CONTEXT SUSPEND REQUEST",
        ngap.ue_context_suspend_request(1, 2),
        "003b000f000002000a00020001005500020002",
    ),
    (
        "UE CONTEXT SUSPEND RESPONSE",
        ngap.ue_context_suspend_response(1, 2),
        "203b000f000002000a40020001005540020002",
    ),
    (
        "UE CONTEXT SUSPEND FAILURE",
        ngap.ue_context_suspend_failure(1, 2, CAUSE),
        "403b0015000003000a40020001005540020002000f40020000",
    ),
    (
        "UE CONTEXT RESUME REQUEST",
        ngap.ue_context_resume_request(1, 2, "mt-Access"),
        "003a0014000003000a0002000100550002000200ed400110",
    ),
    (
        "UE CONTEXT RESUME RESPONSE",
        ngap.ue_context_resume_response(1, 2),
        "203a000f000002000a40020001005540020002",
    ),
    (
        "UE CONTEXT RESUME FAILURE",
        ngap.ue_context_resume_failure(1, 2, CAUSE),
        "403a0015000003000a40020001005540020002000f40020000",
    ),
]
SETUP = ngap.pdu_session_resource_setup_request(1, 2, RESOURCES)
GUAMI = ngap.Guami(PLMN, 1, 1, 1)
CONTEXT = ngap.initial_context_setup_request(
    1, 2, GUAMI, [(1, None)], (0, 0, 0, 0), bytes(32), H("7e004e"), RESOURCES, up_ciot=True
)


@pytest.mark.parametrize(("title", "pdu", "octets"), GOLDEN, ids=[title for title, _, _ in GOLDEN])
def test_builders(title: str, pdu: Pdu, octets: str) -> None:
    assert encode(pdu).hex() == octets
    assert decode(H(octets)) == pdu
    assert pdu.title == title


def test_paging_names_the_ue() -> None:
    assert ngap.paging_identity(decode(encode(ngap.paging(S_TMSI, PLMN, [1, 2])))) == S_TMSI
    assert ngap.paging_identity(decode(encode(ngap.ue_context_resume_response(1, 2)))) is None


def test_the_transfer_of_an_smf() -> None:
    assert ngap.setup_request_transfer(Session(1, "10.0.0.1", 7)).hex() == TRANSFER.hex()


@pytest.mark.parametrize("pdu", [SETUP, CONTEXT], ids=lambda pdu: pdu.title)
def test_sessions_to_be_set_up_survive_as_the_smf_sent_them(pdu: Pdu) -> None:
    octets = encode(pdu)
    read = decode(octets)
    assert encode(read) == octets
    assert octets.count(TRANSFER) == 2
    assert ngap.session_ids(read) == (1, 2)
    assert ngap.session_nas_pdus(read) == (H("7e0043"),)


def test_what_the_gnb_answers_is_what_the_smf_gets() -> None:
    for answer in (
        ngap.initial_context_setup_response(1, 2, [5]),
        ngap.pdu_session_resource_setup_response(1, 2, [5]),
    ):
        octets = encode(answer)
        ((session, answered),) = ngap.set_up(decode(octets))
        assert session == 5
        assert answered.hex() == "0003e07f000001000000010001"
        assert answered in octets
    assert ngap.set_up(decode(encode(ngap.initial_context_setup_response(1, 2)))) == ()


def test_the_session_is_accepted_as_pycrate_reads_it() -> None:
    logging.disable(logging.WARNING)  # "CryptoMobile not found": we bring our own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes that Python warns about when it compiles pycrate
        from pycrate_mobile.NAS5G import parse_NAS5G
    logging.disable(logging.NOTSET)
    message, error = parse_NAS5G(transfer.establishment_accept(5, (1, 7), "internet"), inner=True)
    assert error == 0
    assert message._name == "5GSMPDUSessionEstabAccept"
    shown = "".join(message.show().split())
    for value in (
        "<PDUSessID:5><PTI:5>",
        "<OpCode:1(CreatenewQoSrule)><DQR:1(defaultrule)><NumPktFilters:1>",
        "<Dir:3(bidirectional)><Id:1><Len:1>",
        "<Type:1(Match-alltype)>",
        "<QFI:1>",
        "<DLUnit:6(1Mbps)><DL:1000><ULUnit:6(1Mbps)><UL:1000>",
        "<IPv4:0x0a2d0002>",
        "<SST:1(eMBB)><SD:0x000007>",
        "<DNN:internet>",
    ):
        assert value in shown, shown
