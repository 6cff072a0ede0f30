"""5GS NAS: messages spelled by hand from TS 24.501, pycrate as a second opinion, and hostile octets."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codecs import nas
from drivers.codecs.nas import MESSAGES, Malformed, Message, Plmn, decode, encode

H = bytes.fromhex
TEN = bytes(range(0x10, 0x20))  # sixteen octets, all different
GUTI = "f2 00f110 02 0040 c0000001"
SUCI = "01 00f110 f0ff 00 00 0000000010"

# name, octets, IEs, PDU session identity and PTI
GOLDEN: list[tuple[str, str, dict[str, str], int, int]] = [
    (
        "REGISTRATION REQUEST",  # as UERANSIM 3 sends it
        "7e 00 41 79 000d 01 00f110 0000 00 00 0000000010 2e04 f0f0f0f0",
        {
            "registration_type": "09",
            "ng_ksi": "07",
            "mobile_identity": "0100f110000000000000000010",
            "ue_security_capability": "f0f0f0f0",
        },
        0,
        0,
    ),
    (
        "REGISTRATION REQUEST",  # every format: half octets, LV-E, TV of six, type 1, TLV, TLV-E
        f"7e 00 41 13 000b {GUTI} c2 1001 03 2e02 e0e0 2f02 01 01 52 00f110 000001 5002 2000 b1"
        f"7700 0b {GUTI} 53 01 01 7100 04 7e00 41 11",
        {
            "registration_type": "03",
            "ng_ksi": "01",
            "mobile_identity": GUTI,
            "non_current_native_ksi": "02",
            "mm_capability": "03",
            "ue_security_capability": "e0e0",
            "requested_nssai": "0101",
            "last_visited_tai": "00f110000001",
            "pdu_session_status": "2000",
            "mico_indication": "01",
            "additional_guti": GUTI,
            "update_type": "01",
            "nas_message_container": "7e004111",
        },
        0,
        0,
    ),
    (
        "REGISTRATION ACCEPT",
        f"7e 00 42 01 01 7700 0b {GUTI} 5407 00 00f110 000001 1502 0101 2102 0000 5e01 06",
        {
            "registration_result": "01",
            "guti": GUTI,
            "tai_list": "0000f110000001",
            "allowed_nssai": "0101",
            "network_feature_support": "0000",
            "t3512": "06",
        },
        0,
        0,
    ),
    ("REGISTRATION COMPLETE", "7e 00 43", {}, 0, 0),
    ("REGISTRATION REJECT", "7e 00 44 16 5f01 21", {"mm_cause": "16", "t3346": "21"}, 0, 0),
    (
        "DEREGISTRATION REQUEST (UE ORIGINATING)",
        f"7e 00 45 29 000b {GUTI}",
        {"deregistration_type": "09", "ng_ksi": "02", "mobile_identity": GUTI},
        0,
        0,
    ),
    ("DEREGISTRATION ACCEPT (UE ORIGINATING)", "7e 00 46", {}, 0, 0),
    (
        "DEREGISTRATION REQUEST (UE TERMINATED)",
        "7e 00 47 05 58 0a",
        {"deregistration_type": "05", "mm_cause": "0a"},
        0,
        0,
    ),
    ("DEREGISTRATION ACCEPT (UE TERMINATED)", "7e 00 48", {}, 0, 0),
    (
        "SERVICE REQUEST",
        "7e 00 4c 12 0007 f4 0040 c0000001 4002 2000",
        {
            "ng_ksi": "02",
            "service_type": "01",
            "mobile_identity": "f40040c0000001",
            "uplink_data_status": "2000",
        },
        0,
        0,
    ),
    ("SERVICE REJECT", "7e 00 4d 0a 5002 2000", {"mm_cause": "0a", "pdu_session_status": "2000"}, 0, 0),
    (
        "SERVICE ACCEPT",
        "7e 00 4e 5002 2000 2602 0000",
        {"pdu_session_status": "2000", "pdu_session_reactivation_result": "0000"},
        0,
        0,
    ),
    (
        "CONTROL PLANE SERVICE REQUEST",
        "7e 00 4f 20 6f02 2001 12 05 f1",
        {
            "control_plane_service_type": "00",
            "ng_ksi": "02",
            "ciot_small_data_container": "2001",
            "pdu_session_id": "05",
            "release_assistance_indication": "01",
        },
        0,
        0,
    ),
    *(
        (
            f"NETWORK SLICE-SPECIFIC AUTHENTICATION {kind}",
            f"7e 00 {number} 04 01010203 0004 0{number[1]}010004",
            {"s_nssai": "01010203", "eap_message": f"0{number[1]}010004"},
            0,
            0,
        )
        for kind, number in (("COMMAND", "50"), ("COMPLETE", "51"), ("RESULT", "52"))
    ),
    (
        "CONFIGURATION UPDATE COMMAND",
        f"7e 00 54 d1 7700 0b {GUTI} 4303 83c1e1 46 40 47 62112332540040 4901 00",
        {
            "configuration_update_indication": "01",
            "guti": GUTI,
            "full_name_for_network": "83c1e1",
            "local_time_zone": "40",
            "universal_time_and_local_time_zone": "62112332540040",
            "network_daylight_saving_time": "00",
        },
        0,
        0,
    ),
    ("CONFIGURATION UPDATE COMPLETE", "7e 00 55", {}, 0, 0),
    (
        "AUTHENTICATION REQUEST",
        f"7e 00 56 02 02 0000 21 {TEN.hex()} 2010 {TEN[::-1].hex()}",
        {"ng_ksi": "02", "abba": "0000", "rand": TEN.hex(), "autn": TEN[::-1].hex()},
        0,
        0,
    ),
    (
        "AUTHENTICATION RESPONSE",
        f"7e 00 57 2d10 {TEN.hex()}",
        {"authentication_response_parameter": TEN.hex()},
        0,
        0,
    ),
    ("AUTHENTICATION REJECT", "7e 00 58", {}, 0, 0),
    (
        "AUTHENTICATION FAILURE",
        f"7e 00 59 15 300e {TEN[:14].hex()}",
        {"mm_cause": "15", "authentication_failure_parameter": TEN[:14].hex()},
        0,
        0,
    ),
    (
        "AUTHENTICATION RESULT",
        "7e 00 5a 01 0004 03010004 3802 0000",
        {"ng_ksi": "01", "eap_message": "03010004", "abba": "0000"},
        0,
        0,
    ),
    ("IDENTITY REQUEST", "7e 00 5b 01", {"identity_type": "01"}, 0, 0),
    ("IDENTITY RESPONSE", f"7e 00 5c 000d {SUCI}", {"mobile_identity": SUCI}, 0, 0),
    (
        "SECURITY MODE COMMAND",
        "7e 00 5d 02 03 04 f0f0f0f0 e1 57 12 3601 02 3802 0000 1904 f0f0c0c0",
        {
            "selected_nas_security_algorithms": "02",
            "ng_ksi": "03",
            "replayed_ue_security_capabilities": "f0f0f0f0",
            "imeisv_request": "01",
            "selected_eps_nas_security_algorithms": "12",
            "additional_security_information": "02",
            "abba": "0000",
            "replayed_s1_ue_security_capabilities": "f0f0c0c0",
        },
        0,
        0,
    ),
    (
        "SECURITY MODE COMPLETE",
        "7e 00 5e 7700 09 4573806121856151f1 7100 03 7e0043",
        {"imeisv": "4573806121856151f1", "nas_message_container": "7e0043"},
        0,
        0,
    ),
    ("SECURITY MODE REJECT", "7e 00 5f 17", {"mm_cause": "17"}, 0, 0),
    ("5GMM STATUS", "7e 00 64 61", {"mm_cause": "61"}, 0, 0),
    ("NOTIFICATION", "7e 00 65 01", {"access_type": "01"}, 0, 0),
    ("NOTIFICATION RESPONSE", "7e 00 66 5002 2000", {"pdu_session_status": "2000"}, 0, 0),
    (
        "UL NAS TRANSPORT",
        "7e 00 67 01 0007 2e0101c1ffff91 12 01 81 2201 01 2509 08696e7465726e6574",
        {
            "payload_container_type": "01",
            "payload_container": "2e0101c1ffff91",
            "pdu_session_id": "01",
            "request_type": "01",
            "s_nssai": "01",
            "dnn": "08696e7465726e6574",
        },
        0,
        0,
    ),
    (
        "DL NAS TRANSPORT",
        "7e 00 68 01 0005 2e0101d624 12 01 58 5a",
        {
            "payload_container_type": "01",
            "payload_container": "2e0101d624",
            "pdu_session_id": "01",
            "mm_cause": "5a",
        },
        0,
        0,
    ),
    (
        "PDU SESSION ESTABLISHMENT REQUEST",
        "2e 05 07 c1 ffff 91 a1 2801 00 55 0400 7b00 07 80000a00000d00",
        {
            "integrity_protection_maximum_data_rate": "ffff",
            "pdu_session_type": "01",
            "ssc_mode": "01",
            "sm_capability": "00",
            "maximum_number_of_packet_filters": "0400",
            "extended_protocol_configuration_options": "80000a00000d00",
        },
        5,
        7,
    ),
    (
        "PDU SESSION ESTABLISHMENT ACCEPT",
        "2e 05 07 c2 11 0009 010006313101 01ff01 06 0603e80603e8 59 32 2905 010a2d0002 2201 01"
        "7900 06 012041010109 2509 08696e7465726e6574",
        {
            "selected_pdu_session_type": "01",
            "selected_ssc_mode": "01",
            "authorized_qos_rules": "01000631310101ff01",
            "session_ambr": "0603e80603e8",
            "sm_cause": "32",
            "pdu_address": "010a2d0002",
            "s_nssai": "01",
            "authorized_qos_flow_descriptions": "012041010109",
            "dnn": "08696e7465726e6574",
        },
        5,
        7,
    ),
    (
        "PDU SESSION ESTABLISHMENT REJECT",
        "2e 05 07 c3 1a 3701 21 f1 1d01 00",
        {"sm_cause": "1a", "back_off_timer": "21", "allowed_ssc_mode": "01", "re_attempt_indicator": "00"},
        5,
        7,
    ),
    ("PDU SESSION AUTHENTICATION COMMAND", "2e 05 00 c5 0004 01010004", {"eap_message": "01010004"}, 5, 0),
    ("PDU SESSION AUTHENTICATION COMPLETE", "2e 05 00 c6 0004 02010004", {"eap_message": "02010004"}, 5, 0),
    ("PDU SESSION AUTHENTICATION RESULT", "2e 05 00 c7 7800 04 03010004", {"eap_message": "03010004"}, 5, 0),
    (
        "PDU SESSION MODIFICATION REQUEST",
        "2e 05 08 c9 59 24 b1 13 ffff 7a00 04 01000100",
        {
            "sm_cause": "24",
            "always_on_pdu_session_requested": "01",
            "integrity_protection_maximum_data_rate": "ffff",
            "requested_qos_rules": "01000100",
        },
        5,
        8,
    ),
    ("PDU SESSION MODIFICATION REJECT", "2e 05 08 ca 1a", {"sm_cause": "1a"}, 5, 8),
    (
        "PDU SESSION MODIFICATION COMMAND",
        "2e 05 08 cb 2a06 0603e80603e8 56 20 81",
        {"session_ambr": "0603e80603e8", "rq_timer": "20", "always_on_pdu_session_indication": "01"},
        5,
        8,
    ),
    ("PDU SESSION MODIFICATION COMPLETE", "2e 05 08 cc", {}, 5, 8),
    ("PDU SESSION MODIFICATION COMMAND REJECT", "2e 05 08 cd 1a", {"sm_cause": "1a"}, 5, 8),
    ("PDU SESSION RELEASE REQUEST", "2e 05 09 d1 59 24", {"sm_cause": "24"}, 5, 9),
    ("PDU SESSION RELEASE REJECT", "2e 05 09 d2 2b", {"sm_cause": "2b"}, 5, 9),
    ("PDU SESSION RELEASE COMMAND", "2e 05 09 d3 24 d1", {"sm_cause": "24", "access_type": "01"}, 5, 9),
    ("PDU SESSION RELEASE COMPLETE", "2e 05 09 d4", {}, 5, 9),
    ("5GSM STATUS", "2e 05 09 d6 61", {"sm_cause": "61"}, 5, 9),
]


@pytest.mark.parametrize(("name", "octets", "ies", "psi", "pti"), GOLDEN, ids=[g[0] for g in GOLDEN])
def test_golden(name: str, octets: str, ies: dict[str, str], psi: int, pti: int) -> None:
    values = {key: H(value) for key, value in ies.items()}
    assert decode(H(octets)) == Message(name, values, pti, psi)
    assert encode(name, values, pti=pti, psi=psi).hex() == H(octets).hex()


def test_every_message_has_a_golden_one() -> None:
    assert {g[0] for g in GOLDEN} == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_no_message_names_an_ie_twice(name: str) -> None:
    layout = MESSAGES[name]
    elements = [e for e in layout.mandatory + layout.optional if e.name != "-"]
    assert len({e.name for e in elements}) == len(elements)
    assert len(layout.by_iei) == len(layout.optional)


# --- pycrate, a second opinion ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oracle() -> Iterator[dict[int, Any]]:
    """pycrate's message classes by type, with the values of IEs left as octets."""
    logging.disable(logging.WARNING)  # "CryptoMobile not found": we bring our own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes that Python warns about when it compiles pycrate
        from pycrate_mobile import TS24007
        from pycrate_mobile.TS24501_FGMM import FGMMTypeClasses
        from pycrate_mobile.TS24501_FGSM import FGSMTypeClasses

    TS24007.IE.DECODE_INNER = False
    yield FGMMTypeClasses | FGSMTypeClasses
    TS24007.IE.DECODE_INNER = True
    logging.disable(logging.NOTSET)


# where pycrate 0.8.1 departs from the tables of TS 24.501: IEIs that it lacks, and others that it has instead
LACKS = {
    "REGISTRATION REQUEST": {0xA0},  # the N5GC indication, there an IE without value
    "REGISTRATION ACCEPT": {0x1C, 0x33, 0x35},
    "PDU SESSION ESTABLISHMENT REJECT": {0x1D},
    "PDU SESSION MODIFICATION REJECT": {0x1D},
}
INSTEAD = {
    "REGISTRATION REQUEST": {0x0A},
    "REGISTRATION ACCEPT": {0x1A, 0x2A, 0x34},
    "PDU SESSION ESTABLISHMENT REJECT": {0},
    "PDU SESSION MODIFICATION REJECT": {0},
}


def theirs(message: Any) -> tuple[list[str], dict[int, str]]:
    """Mandatory values in the order of the wire, and optional values by IEI, as pycrate sees them."""
    mandatory, optional = [], {}
    for ie in list(message)[1:]:
        if ie.get_trans():
            continue
        parts = {part._name: part for part in ie} if hasattr(ie, "_by_name") else {}
        if not parts:
            mandatory.append(f"{ie.get_val():02x}")  # a spare half octet
            continue
        value = parts["V"] if "V" in parts else list(ie)[-1]
        octets = bytes((value.get_val(),)) if type(ie).__name__ in ("Type1V", "Type1TV") else value.to_bytes()
        if "T" in parts:
            tag = parts["T"].get_val()
            optional[tag << 4 if type(ie).__name__ in ("Type1TV", "Type2") else tag] = octets.hex()
        else:
            mandatory.append(octets.hex())
    return mandatory, optional


def ours(message: Message) -> tuple[list[str], dict[int, str]]:
    """The same of our own decoder; the upper half of an octet comes first on the wire."""
    layout = MESSAGES[message.name]
    mandatory = [message.ies.get(e.name, b"\0").hex() for e in layout.mandatory]
    halves = [i for i, e in enumerate(layout.mandatory) if e.format == "1/2"]
    for low, high in zip(halves[::2], halves[1::2], strict=True):
        mandatory[low], mandatory[high] = mandatory[high], mandatory[low]
    optional = {e.iei: message.ies[e.name].hex() for e in layout.optional if e.name in message.ies}
    return mandatory, optional | {iei: value.hex() for iei, value in message.extra}


@pytest.mark.parametrize("name", MESSAGES)
def test_pycrate_reads_what_we_write(name: str, oracle: dict[int, Any]) -> None:
    layout = MESSAGES[name]
    sizes = {"1/2": 1, "TV1": 1, "LV": 4, "LV-E": 300, "TLV": 5, "TLV-E": 260}
    ies = {}
    for number, e in enumerate(layout.mandatory + layout.optional, 1):
        if e.name != "-" and e.iei not in LACKS.get(name, ()):
            fill = number % 15 + 1 if e.format in ("1/2", "TV1") else number
            ies[e.name] = bytes((fill,)) * sizes.get(e.format, e.length)
    octets = encode(name, ies, psi=5 * layout.session, pti=9 * layout.session)
    message = oracle[layout.type]()
    message.from_bytes(octets)
    assert theirs(message) == ours(decode(octets))
    assert message.to_bytes() == octets
    if layout.session:
        assert (message[0][1].get_val(), message[0][2].get_val()) == (5, 9)


@pytest.mark.parametrize("name", MESSAGES)
def test_we_read_what_pycrate_writes(name: str, oracle: dict[int, Any]) -> None:
    message = oracle[MESSAGES[name].type]()
    for ie in message._content[1:]:  # a loop over the message itself would pass by the optional ones
        tag = ie["T"].get_val() if "T" in getattr(ie, "_by_name", ()) else None
        ie.set_trans(tag in INSTEAD.get(name, ()) and tag is not None)
    read = decode(message.to_bytes())
    assert not read.extra
    assert ours(read) == theirs(message)
    assert len(read.ies) >= len(MESSAGES[name].names) - len(LACKS.get(name, ())) - len(INSTEAD.get(name, ()))


# --- more and less than a message ---------------------------------------------------------------------------


def test_what_the_table_does_not_know_is_kept_and_written_back() -> None:
    octets = H("7e0043 a5 3c020102 7d000103 7300 01 aa 7300 01 bb")
    read = decode(octets)
    assert read.ies == {"sor_transparent_container": b"\xaa"}
    assert read.extra == ((0xA0, b"\5"), (0x3C, b"\1\2"), (0x7D, b"\3"), (0x73, b"\xbb"))
    again = encode(read.name, read.ies, extra=read.extra)
    assert again.hex() == "7e0043730001aaa53c0201027d000103730001bb"
    assert decode(again) == read


def test_optional_ies_in_any_order() -> None:
    read = decode(H("7e004e 2602 0000 5002 2000"))
    assert read.ies == {"pdu_session_status": H("2000"), "pdu_session_reactivation_result": H("0000")}
    assert not read.extra


def test_the_spare_half_octet_is_ignored() -> None:
    assert decode(H("7ef05bf1")) == decode(H("7e005b01"))


@pytest.mark.parametrize(
    ("octets", "where"),
    [
        ("", "0 octets"),
        ("7e", "cut off after 1"),
        ("7e00", "cut off after 2"),
        ("7e0143", "security header type 1"),
        ("7e0000", "0x00 at octet 3"),
        ("7e00c1", "0xc1 at octet 3"),
        ("2e0101", "cut off after 3"),
        ("2e010141", "0x41 at octet 4"),
        ("0741", "0x07 at octet 1"),
        ("7e0044", "mm_cause at octet 4"),
        ("7e0041", "registration_type at octet 4"),
        ("7e004179", "length of mobile_identity at octet 5"),
        ("7e00417900", "length of mobile_identity at octet 5"),
        ("7e004179000d01", "mobile_identity at octet 7 has 1 of 13 octets"),
        ("7e00560102000021", "rand at octet 8 is cut off"),
        ("7e004e50", "pdu_session_status at octet 4 is cut off"),
        ("7e004e500320", "pdu_session_status at octet 4 is cut off"),
        ("7e004e3c02ff", "IEI 0x3c at octet 4 is cut off"),
        ("7e00437300", "sor_transparent_container at octet 4 is cut off"),
        ("7e0043730002aa", "sor_transparent_container at octet 4 is cut off"),
    ],
)
def test_malformed_says_where(octets: str, where: str) -> None:
    with pytest.raises(Malformed, match=where):
        decode(H(octets))


@pytest.mark.parametrize(
    ("name", "ies", "why"),
    [
        ("NO SUCH MESSAGE", {}, "no message"),
        ("5GMM STATUS", {}, "needs mm_cause"),
        ("5GMM STATUS", {"mm_cause": b""}, "0 octets instead of 1"),
        ("5GMM STATUS", {"mm_cause": b"\1", "t3346": b"\1"}, "has no t3346"),
        ("IDENTITY REQUEST", {"identity_type": b"\x10"}, "half octet"),
        ("IDENTITY REQUEST", {"identity_type": b""}, "half octet"),
        ("IDENTITY RESPONSE", {"mobile_identity": bytes(65536)}, "two octets"),
        ("NOTIFICATION RESPONSE", {"pdu_session_status": bytes(256)}, "one octet"),
        ("REGISTRATION COMPLETE", {"sor_transparent_container": bytes(65536)}, "two octets"),
        ("CONFIGURATION UPDATE COMMAND", {"local_time_zone": b"12"}, "2 octets instead of 1"),
        ("CONFIGURATION UPDATE COMMAND", {"mico_indication": b"\x7f"}, "half octet"),
    ],
)
def test_encode_refuses(name: str, ies: dict[str, bytes], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        encode(name, ies)


# --- hostile octets -----------------------------------------------------------------------------------------


def mandatory(name: str) -> list[str]:
    return [f"{e.name} {e.format}" for e in MESSAGES[name].mandatory]


def check(octets: bytes) -> Message | None:
    """Any octets give a message that survives a round trip, or Malformed: nothing else may come out."""
    try:
        read = decode(octets)
    except Malformed:
        return None
    again = encode(read.name, read.ies, pti=read.pti, psi=read.psi, extra=read.extra)
    assert decode(again) == read
    assert len(again) == len(octets)
    return read


@pytest.mark.parametrize(("name", "octets"), [g[:2] for g in GOLDEN], ids=[g[0] for g in GOLDEN])
def test_mutations_of_golden_messages(name: str, octets: str) -> None:
    whole = H(octets)
    for end in range(len(whole)):
        cut = check(whole[:end])
        if cut is not None:  # cut between two optional IEs
            assert encode(name, cut.ies, pti=cut.pti, psi=cut.psi) == whole[:end]
    half = (4 if name == "SECURITY MODE COMMAND" else 3) if "- 1/2" in mandatory(name) else None
    for at in range(len(whole)):
        for value in (0, 0x7F, 0x80, 0xFF, whole[at] ^ 1, whole[at] ^ 0x10):
            changed = check(whole[:at] + bytes((value,)) + whole[at + 1 :])
            spare = at == 1 or at == half
            if changed is not None and value != whole[at] and not spare:
                assert changed != decode(whole)


BODIES = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.one_of(
            st.builds(lambda t: bytes((0x80 | t,)), st.integers(0, 127)),
            st.builds(lambda t, v: bytes((t, len(v))) + v, st.integers(0, 0x6F), st.binary(max_size=20)),
            st.builds(
                lambda t, v: bytes((t, 0, len(v))) + v, st.integers(0x70, 0x7F), st.binary(max_size=20)
            ),
        ),
        max_size=12,
    ).map(b"".join),
)


@settings(max_examples=1500, deadline=None)
@given(octets=st.binary(max_size=64))
def test_fuzz_anything(octets: bytes) -> None:
    check(octets)
    for read in (
        nas.unwrap,
        nas.mobile_identity,
        nas.decode_nssai,
        nas.decode_rejected_nssai,
        nas.decode_extended_rejected_nssai,
        Plmn.decode,
        nas.SecurityCapability.decode,
    ):
        with contextlib.suppress(Malformed):
            read(octets)


@settings(max_examples=1500, deadline=None)
@given(golden=st.sampled_from(GOLDEN), body=BODIES)
def test_fuzz_ies_after_a_golden_message(golden: tuple[str, str, Any, int, int], body: bytes) -> None:
    check(H(golden[1]) + body)


@settings(max_examples=500, deadline=None)
@given(layout=st.sampled_from(sorted(MESSAGES)), body=BODIES)
def test_fuzz_body_of_each_type(layout: str, body: bytes) -> None:
    kind = MESSAGES[layout]
    check((b"\x2e\1\1" if kind.session else b"\x7e\0") + bytes((kind.type,)) + body)


def lines(pdu: bytes) -> int:
    """How many lines of Python the decoder runs for a PDU."""
    count = 0

    def line(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        with contextlib.suppress(Malformed):
            decode(pdu)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("unit", ["80", "0100", "700000", "b0", "5000", "ff", "00"])
def test_64_kib_take_linear_time(unit: str) -> None:
    head, body = b"\x7e\0\x42\x01\x01", (H(unit) * 65536)[: nas.MAX_LENGTH - 5]
    check(head + body)
    once, twice = (lines(head + body[:size]) for size in (12_000, 24_000))
    assert twice < 2.5 * once
    with pytest.raises(Malformed, match="65537 octets"):
        decode(b"\x7e\0\x43" + H("80") * 65534)


# --- the outer layer and the structured IEs -----------------------------------------------------------------


def test_security_protected_message() -> None:
    octets = H("7e02 89abcdef 05 7e0043")
    secured = nas.Secured(nas.Header.CIPHERED, H("89abcdef"), 5, H("7e0043"))
    assert nas.unwrap(octets) == secured
    assert nas.wrap(secured.header, secured.mac, secured.sequence, secured.payload) == octets
    assert nas.unwrap(H("7e04 89abcdef 05")) == nas.Secured(4, H("89abcdef"), 5, b"")
    assert nas.unwrap(H("7e0043")) is None
    assert nas.unwrap(H("2e0101d661")) is None
    for bad in ("", "7e", "0702", "7e0289abcdef", "7e0589abcdef057e0043", "7e0f89abcdef057e0043"):
        with pytest.raises(Malformed):
            nas.unwrap(H(bad))
    assert nas.wrap(15, bytes(4), 255, b"")[1] == 15
    for header, mac, sequence in ((16, bytes(4), 0), (1, bytes(3), 0), (1, bytes(4), 256)):
        with pytest.raises(ValueError, match="wrap"):
            nas.wrap(header, mac, sequence, b"")


PLMN = Plmn("001", "01")


@pytest.mark.parametrize(
    ("octets", "identity"),
    [
        (SUCI, nas.Suci(PLMN, "0", 0, 0, H("0000000010"))),
        ("01 130014 2143 01 1b aabb", nas.Suci(Plmn("310", "410"), "1234", 1, 27, H("aabb"))),
        ("01 00f110 ffff 00 00", nas.Suci(PLMN, "", 0, 0, b"")),
        (GUTI, nas.Guti(PLMN, 2, 1, 0, 0xC0000001)),
        ("f2 99f907 ff ffff ffffffff", nas.Guti(Plmn("999", "70"), 255, 1023, 63, 0xFFFFFFFF)),
        ("f4 0041 00000102", nas.STmsi(1, 1, 0x102)),
        ("4b 09512430325781", nas.Imei("490154203237518")),
        ("45 73806121856151f1", nas.Imeisv("4370816125816151")),
        ("00", nas.NoIdentity()),
        ("11 757365724061", nas.OtherIdentity(nas.IdentityType.SUCI, H("11757365724061"))),
        ("06 020304050607", nas.OtherIdentity(nas.IdentityType.MAC_ADDRESS, H("06020304050607"))),
    ],
)
def test_mobile_identity(octets: str, identity: nas.Identity) -> None:
    assert nas.mobile_identity(H(octets)) == identity
    assert identity.encode() == H(octets)


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "01",
        "0100f110f0ff00",
        "f200f11002",
        GUTI + "00",
        "f40041",
        "01 00a110 f0ff 0000 00",
        "01 00f110 0af0 0000",
    ],
)
def test_no_mobile_identity(octets: str) -> None:
    with pytest.raises(Malformed):
        nas.mobile_identity(H(octets))


def test_suci_of_the_null_scheme() -> None:
    suci = nas.Suci.null(PLMN, "0000000001")
    assert suci.encode() == H(SUCI)
    assert suci.msin == "0000000001"
    assert nas.Suci.null(Plmn("310", "410"), "123456789", "17").encode() == H(
        "01 130014 71ff 00 00 21436587f9"
    )
    assert nas.msin_digits(nas.msin_bcd("123456789")) == "123456789"
    assert nas.Suci(PLMN, "0", 1, 1, b"\xff").msin is None
    assert "0000000010" not in repr(suci)
    with pytest.raises(ValueError, match="12x"):
        nas.msin_bcd("12x")
    with pytest.raises(ValueError, match="routing indicator"):
        nas.Suci.null(PLMN, "1", "12345").encode()


def test_guti_holds_the_s_tmsi() -> None:
    assert nas.Guti(PLMN, 2, 1, 3, 4).s_tmsi == nas.STmsi(1, 3, 4)
    with pytest.raises(ValueError, match="AMF set"):
        nas.STmsi(1024, 0, 0).encode()


@pytest.mark.parametrize(
    ("mcc", "mnc"), [("01", "01"), ("001", "1"), ("001", "0101"), ("00a", "01"), ("٠٠١", "01")]
)
def test_no_plmn(mcc: str, mnc: str) -> None:
    with pytest.raises(ValueError, match="PLMN"):
        Plmn(mcc, mnc)


def test_security_capability() -> None:
    two, four = nas.SecurityCapability(0xF0, 0x70), nas.SecurityCapability(0xF0, 0x70, 0x80, 0x40)
    assert (two.encode(), four.encode()) == (H("f070"), H("f0708040"))
    assert nas.SecurityCapability.decode(H("f070")) == two
    assert nas.SecurityCapability.decode(H("f07080400000")) == four
    for bad in ("", "f0", "f0" * 9):
        with pytest.raises(Malformed):
            nas.SecurityCapability.decode(H(bad))


def test_nssai() -> None:
    slices = [(1, None), (2, 0x010203)]
    assert nas.encode_nssai(slices) == H("0101 0402010203")
    assert nas.decode_nssai(H("0101 0402010203")) == slices
    assert nas.decode_nssai(H("0201 02 0501 010203 07 0801 010203 02 040506")) == [
        (1, None),
        (1, 66051),
        (1, 66051),
    ]
    for bad in ("02", "00", "03010203", "0101 04"):
        with pytest.raises(Malformed):
            nas.decode_nssai(H(bad))


REJECTED = [((1, 0xA2), 2), ((3, None), 0)]


def test_rejected_nssai() -> None:
    """The octets were read by tshark 4.0.17 and pycrate 0.8.1 as this list."""
    assert nas.encode_rejected_nssai(REJECTED) == H("42 010000a2 10 03")
    assert nas.decode_rejected_nssai(H("42 010000a2 10 03")) == REJECTED
    assert nas.decode_rejected_nssai(b"") == []
    for bad in ("42 0100", "02", "31 010203", "10 03 10"):
        with pytest.raises(Malformed):
            nas.decode_rejected_nssai(H(bad))


def test_extended_rejected_nssai() -> None:
    """The first list was read by tshark and pycrate, the second, with a back-off timer, by tshark alone."""
    assert nas.encode_extended_rejected_nssai(REJECTED) == H("01 42 010000a2 10 03")
    both = H("01 42 010000a2 10 03  10 21 11 05")
    assert nas.decode_extended_rejected_nssai(both) == [*REJECTED, ((5, None), 1)]
    assert nas.decode_extended_rejected_nssai(H("00 82 010000a2 02 0000b3")) == [((1, 0xA2), 2)]
    eight = H("0f" + "12 01" * 8)  # a number above 8 counts as 8
    assert nas.decode_extended_rejected_nssai(eight) == [((1, None), 2)] * 8
    for bad in ("01 42 010000a2", "20 12 01", "00", "10", "10 21"):
        with pytest.raises(Malformed):
            nas.decode_extended_rejected_nssai(H(bad))
    with pytest.raises(ValueError, match="0 rejected"):
        nas.encode_extended_rejected_nssai([])


def test_tai_list() -> None:
    assert nas.encode_tai_list(PLMN, [1, 0x020304]) == H("01 00f110 000001 020304")
    with pytest.raises(ValueError, match="0 TACs"):
        nas.encode_tai_list(PLMN, [])


def test_numbers_of_the_specification() -> None:
    assert (nas.Cause.ILLEGAL_UE, nas.Cause.MAC_FAILURE, nas.Cause.SYNCH_FAILURE) == (3, 20, 21)
    assert (nas.Cause.UE_SECURITY_CAPABILITIES_MISMATCH, nas.Cause.PROTOCOL_ERROR_UNSPECIFIED) == (23, 111)
    assert int(nas.RegistrationType.EMERGENCY) == 4
    assert int(nas.RegistrationResult.REGISTERED_FOR_EMERGENCY_SERVICES) == 0x20
