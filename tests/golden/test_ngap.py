"""NGAP: octets of public captures, round trips of every builder, misbehaviour, threads and garbage."""

import dataclasses
import gc
import random
import threading
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codecs import nas, ngap
from drivers.codecs.nas import Plmn
from drivers.codecs.ngap import Ie, IeId, Malformed, Pdu, Session, decode, encode, raw

H = bytes.fromhex
PLMN = Plmn("001", "01")
GUAMI = ngap.Guami(PLMN, 2, 1, 0)
SECURITY = (0xE000, 0xE000, 0x8000, 0x0001)
KEY = bytes(range(32))
NAS = H("7e0043")

# octets that other programs sent
UERANSIM_NG_SETUP = H(
    "0015003e000004001b00090000f1105000000001005240140880554552414e53494d2d676e622d312d312d31"
    "0066000d00000000010000f110000000080015400140"
)
UERANSIM_INITIAL = H(
    "000f40480000050055000200010026001a197e004179000d0100f1100000000000000000102e04f0f0f0f0007900135000f1"
    "10000000010000f110000001eb617019005a4001180070400100"
)
FREE5GC_NG_SETUP = H(
    "00150035000004001b00080002f83910000102005240090300667265653567630066001000000000010002f8390000100801"
    "02030015400140"
)
EXTENDED_NAME_NG_SETUP = H(
    "00150042000005001b00090009f10728000800000052400b04003547 20674e422d43550066000d00000000010009f1070000"
    "0008001540010001114009403035484c41423032"
)
SRSRAN_NG_SETUP = H(
    "00150033000004001b00080000f1100000066c0052400a0380747374676e6230310066000d00000000070000f11000000008"
    "0015400160"
)
# a gNB that counts a UTF8String as if its length were constrained: no valid PER
BROKEN_NAME_NG_SETUP = H(
    "0015003f000005001b00080045f010000000400052400903003548 4c414230320066000d00000062280045f0100000000800"
    "154001400111400920 3035484c41423032"
)


def test_ng_setup_request_of_ueransim() -> None:
    built = ngap.ng_setup_request(1, "UERANSIM-gnb-1-1-1", PLMN, 1, [(1, None)])
    assert encode(built).hex() == UERANSIM_NG_SETUP.hex()
    read = decode(UERANSIM_NG_SETUP)
    assert read == built
    assert (read.kind, read.procedure, read.criticality) == ("initiatingMessage", 21, "reject")
    assert (read.name, read.title) == ("NGSetupRequest", "NG SETUP REQUEST")
    assert [ie.id for ie in read.ies] == [27, 82, 102, 21]


def test_ng_setup_request_of_free5gc() -> None:
    built = ngap.ng_setup_request(0x000102, "free5gc", Plmn("208", "93"), 1, [(1, 0x010203)], gnb_id_bits=24)
    assert encode(built).hex() == FREE5GC_NG_SETUP.hex()


@pytest.mark.parametrize(
    "octets", [UERANSIM_NG_SETUP, UERANSIM_INITIAL, FREE5GC_NG_SETUP, EXTENDED_NAME_NG_SETUP, SRSRAN_NG_SETUP]
)
def test_captures_survive_a_round_trip(octets: bytes) -> None:
    assert encode(decode(octets)).hex() == octets.hex()


def test_initial_ue_message_of_ueransim() -> None:
    read = decode(UERANSIM_INITIAL)
    assert read.title == "INITIAL UE MESSAGE"
    assert ngap.ran_ue_ngap_id(read) == 1
    assert ngap.amf_ue_ngap_id(read) is None
    octets = ngap.nas_pdu(read)
    assert octets is not None
    assert nas.decode(octets).name == "REGISTRATION REQUEST"
    built = ngap.initial_ue_message(1, octets, PLMN, 1, 0x10)
    location = read.get(IeId.USER_LOCATION_INFORMATION)
    assert location is not None
    del location[1]["timeStamp"]  # ours has none
    assert location == built.get(IeId.USER_LOCATION_INFORMATION)
    assert [ie.id for ie in built.ies] == [ie.id for ie in read.ies]
    assert (
        read.get(IeId.RRC_ESTABLISHMENT_CAUSE) == built.get(IeId.RRC_ESTABLISHMENT_CAUSE) == "mo-Signalling"
    )


SESSIONS = (Session(5, "10.0.0.1", 7, 9), Session(6, "2001:db8::1", 8))
BUILT: list[tuple[str, Pdu]] = [
    ("NG SETUP REQUEST", ngap.ng_setup_request(0xABCDE, "gnb", PLMN, 7, [(1, None), (2, 3)], gnb_id_bits=22)),
    ("INITIAL UE MESSAGE", ngap.initial_ue_message(1, NAS, PLMN, 1, 16)),
    (
        "INITIAL UE MESSAGE",
        ngap.initial_ue_message(2**32 - 1, NAS, PLMN, 1, 16, "emergency", nas.STmsi(1, 2, 3), False),
    ),
    ("UPLINK NAS TRANSPORT", ngap.uplink_nas_transport(2**40 - 1, 2, NAS, PLMN, 1, 2**36 - 1)),
    ("INITIAL CONTEXT SETUP RESPONSE", ngap.initial_context_setup_response(1, 2)),
    ("INITIAL CONTEXT SETUP RESPONSE", ngap.initial_context_setup_response(1, 2, [5])),
    ("INITIAL CONTEXT SETUP FAILURE", ngap.initial_context_setup_failure(1, 2)),
    ("UE CONTEXT RELEASE REQUEST", ngap.ue_context_release_request(1, 2)),
    ("UE CONTEXT RELEASE COMPLETE", ngap.ue_context_release_complete(1, 2)),
    ("PDU SESSION RESOURCE SETUP RESPONSE", ngap.pdu_session_resource_setup_response(1, 2, SESSIONS)),
    ("PDU SESSION RESOURCE SETUP RESPONSE", ngap.pdu_session_resource_setup_response(1, 2, [])),
    ("PDU SESSION RESOURCE RELEASE RESPONSE", ngap.pdu_session_resource_release_response(1, 2, [5, 6])),
    ("PATH SWITCH REQUEST", ngap.path_switch_request(1, 2, PLMN, 1, 16, SECURITY)),
    ("PATH SWITCH REQUEST", ngap.path_switch_request(1, 2, PLMN, 1, 16, SECURITY, ())),
    ("ERROR INDICATION", ngap.error_indication(1, 2)),
    ("ERROR INDICATION", ngap.error_indication(cause=None)),
    ("NG SETUP RESPONSE", ngap.ng_setup_response("amf", GUAMI, PLMN, [(1, None), (1, 2)], 7)),
    ("NG SETUP FAILURE", ngap.ng_setup_failure(time_to_wait="v5s")),
    ("DOWNLINK NAS TRANSPORT", ngap.downlink_nas_transport(1, 2, NAS)),
    (
        "INITIAL CONTEXT SETUP REQUEST",
        ngap.initial_context_setup_request(1, 2, GUAMI, [(1, 2)], SECURITY, KEY, NAS),
    ),
    (
        "INITIAL CONTEXT SETUP REQUEST",
        ngap.initial_context_setup_request(1, 2, GUAMI, [(1, None)], SECURITY, KEY),
    ),
    ("UE CONTEXT RELEASE COMMAND", ngap.ue_context_release_command(1, 2)),
    ("NG SETUP REQUEST", ngap.ng_enb_setup_request(0xFFFFF, "enb", PLMN, 2, [(1, None), (2, 3)])),
    ("INITIAL UE MESSAGE", ngap.initial_ue_message(1, NAS, PLMN, 2, 2**28 - 1, eutra=True)),
    ("UPLINK NAS TRANSPORT", ngap.uplink_nas_transport(1, 2, NAS, PLMN, 2, 0x301, eutra=True)),
    (
        "RAN CP RELOCATION INDICATION",
        ngap.ran_cp_relocation_indication(7, nas.STmsi(1, 2, 3), PLMN, 2, 0x301, 0xABCD, 17),
    ),
    ("CONNECTION ESTABLISHMENT INDICATION", ngap.connection_establishment_indication(5, 7)),
    ("CONNECTION ESTABLISHMENT INDICATION", ngap.connection_establishment_indication(5, 7, 0xFFFF)),
]


@pytest.mark.parametrize(("title", "pdu"), BUILT, ids=[f"{i}-{t}" for i, (t, _) in enumerate(BUILT)])
def test_builders(title: str, pdu: Pdu) -> None:
    octets = encode(pdu)
    assert decode(octets) == pdu
    assert pdu.title == title
    assert encode(pdu) == octets


@pytest.mark.parametrize(("title", "pdu"), BUILT, ids=[f"{i}-{t}" for i, (t, _) in enumerate(BUILT)])
def test_builders_follow_the_tables(title: str, pdu: Pdu) -> None:
    """The IEs are those of the procedure, with its criticalities; the mandatory ones are there, in order."""
    encode(pdu)
    assert ngap._loaded is not None
    contents = ngap._loaded.contents
    rows = (getattr(contents, f"{pdu.name}IEs", None) or getattr(contents, f"{pdu.name}_IEs"))().root
    table = {row["id"]: row for row in rows}
    assert [ie.criticality for ie in pdu.ies] == [table[ie.id]["criticality"] for ie in pdu.ies]
    mandatory = [row["id"] for row in rows if row["presence"] == "mandatory"]
    left_out = {IeId.PDU_SESSION_RESOURCE_TO_BE_SWITCHED_DL_LIST} if title == "PATH SWITCH REQUEST" else set()
    assert set(mandatory) - {ie.id for ie in pdu.ies} <= left_out
    order = [row["id"] for row in rows]
    assert [ie.id for ie in pdu.ies] == sorted((ie.id for ie in pdu.ies), key=order.index)


@pytest.mark.parametrize(
    ("pdu", "octets"),
    [
        # SEQUENCE headers, IE counts and open type lengths spelled by hand
        (ngap.error_indication(cause=None), "0009 40 03 000000"),
        (ngap.error_indication(None, None), "0009 40 08 000001 000f 40 01 6c"),
        (
            ngap.downlink_nas_transport(1, 2, H("aa")),
            "0004 40 15 000003 000a00020001 005500020002 0026000201aa",
        ),
        (ngap.initial_context_setup_response(1, 2), "200e 00 0f 000002 000a40020001 005540020002"),
        (ngap.ue_context_release_command(1, 2), "0029 00 10 000002 0072 00 04 00010002 000f 40 01 40"),
        (ngap.ng_setup_failure(time_to_wait="v5s"), "4015 00 0d 000002 000f 40 01 88 006b 40 01 20"),
        # what tshark 4 dissects as macroNgENB-ID 3, TAC 2, id-RAT-Information (179) nb-IoT
        (
            ngap.ng_enb_setup_request(3, "e", PLMN, 2, [(1, None)]),
            "0015 00 33 000004 001b0008 4000f11000000030 00524003000065"
            "00660014 00 40 000002 00 00f110 0000 0008 0000 00b3 00 01 40 0015400140",
        ),
        # ... ul-NAS-MAC abcd, ul-NAS-Count 17 of 5 bits, E-UTRA cell identity 0x301 of 28
        (
            ngap.ran_cp_relocation_indication(7, nas.STmsi(1, 2, 3), PLMN, 2, 0x301, 0xABCD, 17),
            "0039 00 32 000005 005500020007 001a0007 0010800000 0003 00194008 0000f11000003010"
            "00d54007 0000f110000002 00d30003 2af362",
        ),
        # ... dl-NAS-MAC 1234
        (
            ngap.connection_establishment_indication(5, 7, 0x1234),
            "0041 00 16 000003 000a00020005 005500020007 00d44003 048d00",
        ),
    ],
)
def test_golden(pdu: Pdu, octets: str) -> None:
    assert encode(pdu).hex() == H(octets).hex()
    assert decode(H(octets)) == pdu


# --- readers ------------------------------------------------------------------------------------------------


def test_readers() -> None:
    request = decode(encode(ngap.initial_context_setup_request(7, 8, GUAMI, [(1, None)], SECURITY, KEY, NAS)))
    assert ngap.security_capabilities(request) == SECURITY
    assert ngap.nas_pdu(request) == NAS
    assert (ngap.amf_ue_ngap_id(request), ngap.ran_ue_ngap_id(request)) == (7, 8)
    assert ngap.cause(request) is None
    command = decode(encode(ngap.ue_context_release_command(9, 10, ("nas", "deregister"))))
    assert (ngap.amf_ue_ngap_id(command), ngap.ran_ue_ngap_id(command)) == (9, 10)
    assert ngap.cause(command) == ("nas", "deregister")
    alone = dataclasses.replace(command, ies=(Ie(IeId.UE_NGAP_IDS, "reject", ("aMF-UE-NGAP-ID", 9)),))
    assert (ngap.amf_ue_ngap_id(decode(encode(alone))), ngap.ran_ue_ngap_id(alone)) == (9, None)
    switch = ngap.path_switch_request(11, 12, PLMN, 1, 16, SECURITY)
    assert (ngap.amf_ue_ngap_id(switch), ngap.ran_ue_ngap_id(switch)) == (12, 11)
    setup = ngap.ng_setup_response("amf", GUAMI, PLMN, [(1, None)])
    for reader in (ngap.amf_ue_ngap_id, ngap.nas_pdu, ngap.security_capabilities, ngap.cause):
        assert reader(setup) is None
    assert setup.get(IeId.RELATIVE_AMF_CAPACITY) == 255


def test_readers_of_cp_relocation() -> None:
    asked = ngap.ran_cp_relocation_indication(7, nas.STmsi(1, 2, 3), PLMN, 2, 0x301, 0xABCD, 17)
    asked = decode(encode(asked))
    assert ngap.ul_cp_security(asked) == (0xABCD, 17)
    assert (ngap.s_tmsi(asked), ngap.eutra_cell(asked)) == (nas.STmsi(1, 2, 3), 0x301)
    assert ngap.dl_nas_mac(asked) is None
    assert ngap.dl_nas_mac(decode(encode(ngap.connection_establishment_indication(5, 7, 0x1234)))) == 0x1234
    answer = decode(encode(ngap.connection_establishment_indication(5, 7)))
    for reader in (ngap.dl_nas_mac, ngap.ul_cp_security, ngap.s_tmsi, ngap.eutra_cell):
        assert reader(answer) is None


@pytest.mark.parametrize("ie_id", [10, 15, 25, 26, 38, 71, 74, 79, 85, 100, 114, 119, 211, 212])
def test_readers_take_any_value(ie_id: int) -> None:
    pdu = Pdu("initiatingMessage", 0, "reject", "AMFConfigurationUpdate", (Ie(ie_id, "reject", raw(b"x")),))
    pdu = decode(encode(pdu))
    for reader in (
        ngap.amf_ue_ngap_id,
        ngap.ran_ue_ngap_id,
        ngap.nas_pdu,
        ngap.security_capabilities,
        ngap.cause,
        ngap.ul_cp_security,
        ngap.dl_nas_mac,
        ngap.s_tmsi,
        ngap.eutra_cell,
    ):
        assert reader(pdu) is None
    assert ngap.session_ids(pdu) == ()


# --- N2 SM information, which an AMF carries unread -------------------------------------------------------

# an AMF built on Open5GS 2.7.7 sent these octets, with UE security capabilities on a mismatch; 127.0.0.1
OPEN5GS_ACKNOWLEDGE = H(
    "2019005b000006000a400200020055400480300002007700091c000e000700038000005d00212045d9df97ea90cdfba0ab6ef2fa"
    "c3c8cb5d94544b13fa2fbbf74f55c9ce2fa018004d400e0000010a401f7f00000100000001000000020001"
)
OPEN5GS_SETUP = H(
    "001d008084000004000a00020001005500020001004a00630040012d7e02a0876f74037e006801001e2e0101c211000901000631"
    "310101ff01060b00010b00012905010a2d0002120100202f0000040082000a0c3b9aca00303b9aca00008b000a01f07f00000100"
    "00000100860001000088000700010000091c00006e400a0c3b9aca00303b9aca00"
)
ONE = Session(1)


def test_path_switch_request_acknowledge_of_open5gs() -> None:
    read = decode(OPEN5GS_ACKNOWLEDGE)
    hop, bits = ngap.next_hop(read) or (0, 0)
    switched = ngap.transfers(read, IeId.PDU_SESSION_RESOURCE_SWITCHED_LIST)
    assert (read.title, bits) == ("PATH SWITCH REQUEST ACKNOWLEDGE", 256)
    assert (ngap.amf_ue_ngap_id(read), ngap.ran_ue_ngap_id(read)) == (2, 0x300002)
    capabilities = (0xE000,) * 4
    assert ngap.security_capabilities(read) == capabilities
    assert switched == {1: ngap.path_switch_acknowledge_transfer(ONE)}
    built = ngap.path_switch_request_acknowledge(
        2, 0x300002, capabilities, [(1, None)], hop.to_bytes(32), 4, switched
    )
    assert encode(built).hex() == OPEN5GS_ACKNOWLEDGE.hex()


def test_pdu_session_resource_setup_request_of_open5gs() -> None:
    read = decode(OPEN5GS_SETUP)
    (octets,) = ngap.session_nas_pdus(read)
    secured = nas.unwrap(octets)
    assert secured is not None  # not ciphered: NEA0
    assert nas.decode(secured.payload).name == "DL NAS TRANSPORT"
    found = ngap.transfers(read, IeId.PDU_SESSION_RESOURCE_SETUP_LIST_SU_REQ)
    assert found == {1: ngap.setup_request_transfer(ONE)}  # the SMF of the bench had made it
    resources = ngap.Resources(1, (1, None), found[1], octets)
    built = ngap.pdu_session_resource_setup_request(1, 1, [resources])
    assert encode(built).hex() == OPEN5GS_SETUP.hex()


@pytest.mark.parametrize(
    ("name", "octets", "hexadecimal"),
    [
        # checked by hand: an extension bit, a bit map of optional fields, choice 0, 32 bits of address, TEID
        (
            "PathSwitchRequestAcknowledgeTransfer",
            ngap.path_switch_acknowledge_transfer(ONE),
            "401f7f00000100000001",
        ),
        # no optional field; cause: radioNetwork, 6 bits of an extensible enumeration
        ("PathSwitchRequestUnsuccessfulTransfer", ngap.path_switch_unsuccessful_transfer(), "0000"),
        # what Open5GS took, and sent on to the gNB; tshark 4.0 shows 1 Gbps, 5QI 9, ARP 8
        (
            "PDUSessionResourceSetupRequestTransfer",
            ngap.setup_request_transfer(ONE),
            "0000040082000a0c3b9aca00303b9aca00008b000a01f07f0000010000000100860001000088000700010000091c00",
        ),
    ],
)
def test_transfers(name: str, octets: bytes, hexadecimal: str) -> None:
    assert octets.hex() == hexadecimal
    assert ngap.transfer_octets(name, ngap.transfer_value(name, octets)) == octets
    for odd in (b"", octets[:-1], octets + b"\0"):
        with pytest.raises(Malformed):
            ngap.transfer_value(name, odd)


def test_path_switch_request_failure() -> None:
    unsuccessful = ngap.path_switch_unsuccessful_transfer()
    built = ngap.path_switch_request_failure(7, 8, {5: unsuccessful, 6: unsuccessful})
    read = decode(encode(built))
    assert (read.kind, read.title) == ("unsuccessfulOutcome", "PATH SWITCH REQUEST FAILURE")
    assert (ngap.amf_ue_ngap_id(read), ngap.ran_ue_ngap_id(read)) == (7, 8)
    released = ngap.transfers(read, IeId.PDU_SESSION_RESOURCE_RELEASED_LIST_PS_FAIL)
    assert released == {5: unsuccessful, 6: unsuccessful}
    both = ngap.path_switch_request_acknowledge(
        7, 8, None, [(1, 2)], KEY, 0, {5: ngap.path_switch_acknowledge_transfer(ONE)}, {6: unsuccessful}
    )
    read = decode(encode(both))
    assert ngap.transfers(read, IeId.PDU_SESSION_RESOURCE_RELEASED_LIST_PS_ACK) == {6: unsuccessful}
    assert [ie.id for ie in read.ies] == [10, 85, 93, 77, 68, 0]
    assert ngap.next_hop(read) == (int.from_bytes(KEY), 256)
    assert ngap.next_hop(built) is None


def test_a_message_with_a_transfer_that_cannot_be_read_is_malformed() -> None:
    built = ngap.path_switch_request_failure(7, 8, {5: b"\xff\xff\xff"})
    with pytest.raises(Malformed):
        decode(encode(built))


def test_session_ids() -> None:
    command = Pdu(
        "initiatingMessage",
        28,
        "reject",
        "PDUSessionResourceReleaseCommand",
        (
            Ie(10, "reject", 1),
            Ie(85, "reject", 2),
            Ie(
                79,
                "reject",
                [{"pDUSessionID": n, "pDUSessionResourceReleaseCommandTransfer": b"\0\0"} for n in (5, 9)],
            ),
        ),
    )
    assert ngap.session_ids(command) == ngap.session_ids(decode(encode(command))) == (5, 9)


def test_bitmaps_of_a_nas_capability() -> None:
    assert ngap.bitmaps(nas.SecurityCapability(0xF0, 0x70)) == (0xE000, 0xE000, 0, 0)
    assert ngap.bitmaps(nas.SecurityCapability(0x80, 0x20, 0x40, 0x01)) == (0, 0x4000, 0x8000, 0x0200)


def test_guami_makes_a_guti() -> None:
    assert GUAMI.guti(5) == nas.Guti(PLMN, 2, 1, 0, 5)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("InitialUEMessage", "INITIAL UE MESSAGE"),
        ("NGSetupResponse", "NG SETUP RESPONSE"),
        ("NGResetAcknowledge", "NG RESET ACKNOWLEDGE"),
        ("PathSwitchRequestAcknowledge", "PATH SWITCH REQUEST ACKNOWLEDGE"),
        ("PDUSessionResourceModifyConfirm", "PDU SESSION RESOURCE MODIFY CONFIRM"),
        ("UETNLABindingReleaseRequest", "UE TNLA BINDING RELEASE REQUEST"),
        ("AMFCPRelocationIndication", "AMF CP RELOCATION INDICATION"),
        ("RANCPRelocationIndication", "RAN CP RELOCATION INDICATION"),
        ("RRCInactiveTransitionReport", "RRC INACTIVE TRANSITION REPORT"),
        ("SecondaryRATDataUsageReport", "SECONDARY RAT DATA USAGE REPORT"),
        ("UERadioCapabilityIDMappingRequest", "UE RADIO CAPABILITY ID MAPPING REQUEST"),
        ("DownlinkNonUEAssociatedNRPPaTransport", "DOWNLINK NON UE ASSOCIATED NRPPA TRANSPORT"),
        ("WriteReplaceWarningRequest", "WRITE-REPLACE WARNING REQUEST"),
        ("NASNonDeliveryIndication", "NAS NON DELIVERY INDICATION"),
        ("Paging", "PAGING"),
    ],
)
def test_titles(name: str, title: str) -> None:
    assert Pdu("initiatingMessage", 0, "reject", name).title == title


# --- misbehaviour -------------------------------------------------------------------------------------------

INITIAL = ngap.initial_ue_message(1, NAS, PLMN, 1, 16)


def altered(pdu: Pdu, *ies: Ie) -> Pdu:
    return dataclasses.replace(pdu, ies=ies)


@pytest.mark.parametrize("left_out", [85, 38, 121, 90])
def test_ie_left_out(left_out: int) -> None:
    pdu = altered(INITIAL, *(ie for ie in INITIAL.ies if ie.id != left_out))
    assert decode(encode(pdu)) == pdu
    assert pdu.get(left_out) is None


def test_ies_repeated_reordered_and_none_at_all() -> None:
    for pdu in (
        altered(INITIAL, *INITIAL.ies, *INITIAL.ies),
        altered(INITIAL, *INITIAL.ies[::-1]),
        altered(INITIAL),
    ):
        assert decode(encode(pdu)) == pdu


def test_ie_of_another_criticality_and_of_another_message() -> None:
    pdu = altered(INITIAL, Ie(IeId.RAN_UE_NGAP_ID, "notify", 1))
    assert decode(encode(pdu)) == pdu
    foreign = altered(INITIAL, Ie(IeId.RELATIVE_AMF_CAPACITY, "ignore", 9))
    assert decode(encode(foreign)).ies == (Ie(IeId.RELATIVE_AMF_CAPACITY, "ignore", raw(b"\x09")),)


def test_unknown_ie_and_raw_octets() -> None:
    pdu = altered(INITIAL, *INITIAL.ies, Ie(65535, "reject", raw(H("deadbeef"))))
    octets = encode(pdu)
    assert octets.endswith(H("ffff0004deadbeef"))
    assert decode(octets) == pdu
    instead = altered(INITIAL, Ie(IeId.RAN_UE_NGAP_ID, "reject", raw(H("c0ffeeff01"))))
    assert H("00550005c0ffeeff01") in encode(instead)
    right = altered(INITIAL, Ie(IeId.RAN_UE_NGAP_ID, "reject", raw(H("0001"))))
    assert decode(encode(right)).get(IeId.RAN_UE_NGAP_ID) == 1
    with pytest.raises(Malformed):
        decode(encode(altered(INITIAL, Ie(IeId.USER_LOCATION_INFORMATION, "reject", raw(b"\xff")))))


def test_unknown_procedure() -> None:
    pdu = Pdu("initiatingMessage", 200, "reject", "", (), H("0000"))
    assert encode(pdu) == H("00c800020000")
    assert decode(H("00c800020000")) == pdu
    assert pdu.title == "PROCEDURE 200"


def test_body_instead_of_ies() -> None:
    pdu = dataclasses.replace(INITIAL, body=H("000000"))
    assert decode(encode(pdu)) == altered(INITIAL)


def test_private_message_keeps_its_body() -> None:
    octets = H("001f40 09 00 0000 00 0001 40 01 aa")
    read = decode(octets)
    assert (read.title, read.ies, read.body) == ("PRIVATE MESSAGE", (), H("000000 00 0001 40 01 aa"))
    assert encode(read) == octets


def test_message_under_another_procedure_code() -> None:
    octets = encode(dataclasses.replace(INITIAL, procedure=46))
    assert octets[:2] == H("002e")
    assert octets[4:] == encode(INITIAL)[4:]


def test_values_out_of_range_where_per_has_room() -> None:
    wide = ngap.ng_setup_request(1, "g", PLMN, 1, [(1, None)], gnb_id_bits=36)
    narrow = ngap.ng_setup_request(1, "g", PLMN, 1, [(1, None)])
    assert len(encode(wide)) == len(encode(narrow)) + 1
    with pytest.raises(Malformed):
        decode(encode(wide))
    # 0..2^40-1: three bits of length, here 6 octets
    assert H("000a 00 07 a0 010000000000") in encode(ngap.downlink_nas_transport(2**40, 1, NAS))


def test_bounds_are_checked_again_after_an_encode() -> None:
    from pycrate_asn1rt.asnobj import ASN1Obj

    encode(INITIAL)
    assert ASN1Obj._SAFE_BND is True
    with pytest.raises(ValueError, match="cannot be encoded"):
        encode(ngap.downlink_nas_transport(-1, 1, NAS))
    assert ASN1Obj._SAFE_BND is True


@pytest.mark.parametrize(
    "pdu",
    [
        altered(INITIAL, Ie(85, "reject", "seven")),
        altered(INITIAL, Ie(85, "perhaps", 7)),
        altered(INITIAL, Ie(70000, "reject", raw(b""))),
        altered(INITIAL, Ie(9999, "reject", 7)),
        altered(INITIAL, Ie(121, "reject", ("userLocationInformationNR", {}))),
        altered(INITIAL, Ie(90, "ignore", "because")),
        dataclasses.replace(INITIAL, name="NoSuchMessage"),
        dataclasses.replace(INITIAL, kind=cast(ngap.Kind, "noMessage")),
        dataclasses.replace(INITIAL, procedure=256),
    ],
)
def test_what_no_per_can_say(pdu: Pdu) -> None:
    with pytest.raises(ValueError, match="cannot be encoded"):
        encode(pdu)
    assert decode(encode(INITIAL)) == INITIAL


# --- hostile octets -----------------------------------------------------------------------------------------


def check(octets: bytes) -> Pdu | None:
    try:
        return decode(octets)
    except Malformed:
        return None


def test_broken_gnb_of_a_public_capture() -> None:
    with pytest.raises(Malformed, match="no NGAP PDU"):
        decode(BROKEN_NAME_NG_SETUP)


@pytest.mark.parametrize(
    "octets", [b"", b"\0", b"\xff" * 40, UERANSIM_NG_SETUP[:-1], UERANSIM_NG_SETUP + b"\0", b"\x00\x15"]
)
def test_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        decode(octets)


def test_long_input_is_refused() -> None:
    with pytest.raises(Malformed, match="65537 octets, refused"):
        decode(bytes(65537))
    check(bytes(65536))
    longest = ngap.downlink_nas_transport(1, 2, bytes(60000))
    assert decode(encode(longest)) == longest


def test_mutated_messages() -> None:
    noise = random.Random(20)
    accepted = 0
    for _, pdu in BUILT:
        octets = encode(pdu)
        for _ in range(60):
            changed = bytearray(octets)
            for _ in range(noise.randint(1, 3)):
                changed[noise.randrange(len(changed))] = noise.randrange(256)
            accepted += check(bytes(changed)) is not None
        for end in range(len(octets)):
            assert check(octets[:end]) is None
    assert accepted
    for _, pdu in BUILT:  # nothing of the garbage is left in the singletons
        assert decode(encode(pdu)) == pdu


def test_failures_leave_nothing_behind() -> None:
    from pycrate_asn1rt.codecs import ASN1CodecPER

    depth = len(ASN1CodecPER._off)
    for _ in range(50):
        check(UERANSIM_NG_SETUP[:40])
        with pytest.raises(ValueError, match="cannot be encoded"):
            encode(altered(INITIAL, Ie(85, "reject", -1)))
    assert len(ASN1CodecPER._off) == depth


@settings(max_examples=400, deadline=None)
@given(octets=st.binary(max_size=200))
def test_fuzz_anything(octets: bytes) -> None:
    check(octets)


@settings(max_examples=400, deadline=None)
@given(
    procedure=st.integers(0, 90),
    kind=st.sampled_from([b"\x00", b"\x20", b"\x40"]),
    ids=st.lists(st.tuples(st.integers(0, 450), st.binary(max_size=12)), max_size=5),
)
def test_fuzz_ies(procedure: int, kind: bytes, ids: list[tuple[int, bytes]]) -> None:
    ies = b"".join(i.to_bytes(2, "big") + b"\0" + bytes((len(v),)) + v for i, v in ids)
    body = b"\0" + len(ids).to_bytes(2, "big") + ies
    read = check(kind + bytes((procedure,)) + b"\0" + bytes((len(body),)) + body)
    if read is not None and read.body is None:
        assert [ie.id for ie in read.ies] == [i for i, _ in ids]


# --- threads ------------------------------------------------------------------------------------------------


def test_four_threads_do_not_disturb_each_other() -> None:
    wrong: list[Any] = []
    start = threading.Barrier(4)

    def talk(number: int) -> None:
        start.wait()
        for turn in range(60):
            _, pdu = BUILT[(turn * 4 + number) % len(BUILT)]
            own = ngap.downlink_nas_transport(number, turn, bytes((number, turn)) * 20)
            try:
                check(UERANSIM_INITIAL[: turn + 1])
                if decode(encode(own)) != own or decode(encode(pdu)) != pdu:
                    wrong.append((number, turn))
            except Exception as error:
                wrong.append((number, turn, error))

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_decoded_values_do_not_change_afterwards() -> None:
    first = decode(UERANSIM_INITIAL)
    copy = decode(UERANSIM_INITIAL)
    for _, pdu in BUILT:
        decode(encode(pdu))
    assert first == copy
    assert encode(first) == UERANSIM_INITIAL


def test_the_tables_are_no_work_for_the_collector() -> None:
    ngap.warm()
    assert gc.get_freeze_count() > 50_000
