"""Cellular IoT end to end: the emulated AMF redirects to EPC by policy, and moves a UE to another ng-eNB."""

from collections.abc import Iterator

import pytest
from products import emulated
from test_ue import opened

from drivers.bench import AmfBench
from drivers.codecs import cp_ciot, nas, ngap
from drivers.codecs.nas import Plmn
from drivers.emulated import amf_ciot
from drivers.emulated.amf_context import Context
from drivers.emulated.amf_security import Security
from drivers.interfaces import CIOT

NONE: frozenset[str] = frozenset()
PLMN = Plmn("999", "70")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmfBench]:
    with opened(emulated(tmp_path_factory.mktemp("ciot"))) as one:
        yield one


def names(bench: AmfBench, label: str) -> list[str]:
    return [e.name for e in bench.trace.since(0, label)]


def test_a_ue_goes_on_through_the_second_ng_enb(bench: AmfBench) -> None:
    ue = bench.ciot_ue()
    assert bench.camps(ue, "camps").worked
    first, second = bench.ng_enbs
    assert ue.gnb is first
    setups = [e for e in bench.trace.since(0) if e.name == "INITIAL CONTEXT SETUP REQUEST"]
    assert not setups, "control-plane CIoT has no AS security"
    count, old = ue.uplink_count, ue.ran_id
    found = bench.relocate(ue, bench.readings[0])
    assert (ue.gnb, found.stays, ue.uplink_count) == (second, False, count + 1)
    asked = next(e for e in found.watch.events if e.name == "RAN CP RELOCATION INDICATION")
    assert asked.facts["ul_nas_count"] == count & 0x1F
    answer = next(e for e in found.watch.events if e.name == "CONNECTION ESTABLISHMENT INDICATION")
    assert answer.facts["dl_nas_mac"] == found.expected
    assert bench.establishes(ue, 2, "served there").worked
    # the connection that was left is released, and the first ng-eNB says so
    released = [e for e in bench.trace.since(0) if e.name.startswith("UE CONTEXT RELEASE CO")]
    assert [e.name.rpartition(" ")[2] for e in released] == ["COMMAND", "COMPLETE"]
    assert {e.facts["ran_ue_ngap_id"] for e in released} == {old}
    assert old != ue.ran_id
    assert bench.alive(ue).worked


@pytest.mark.parametrize("how", ["another reading", "a bit inverted"])
def test_a_wrong_mac_leaves_a_ue_where_it_is(bench: AmfBench, how: str) -> None:
    ue = bench.ciot_ue()
    assert bench.camps(ue, "camps").worked
    found = bench.relocate(ue, bench.readings[how == "another reading"], spoiled=how == "a bit inverted")
    (answer,) = [e for e in found.watch.events if e.name == "CONNECTION ESTABLISHMENT INDICATION"]
    assert "dl_nas_mac" not in answer.facts
    assert found.stays
    assert ue.gnb is bench.ng_enbs[0]
    # the second ng-eNB tells that the re-establishment failed, and has its connection released
    ends = names(bench, ue.label)
    assert ends.count("UE CONTEXT RELEASE REQUEST") == ends.count("UE CONTEXT RELEASE COMPLETE") == 1


def test_a_ue_that_did_not_ask_for_ciot_is_no_ciot_ue(bench: AmfBench) -> None:
    ue = bench.ciot_ue()
    ue.also.clear()
    control = bench.camps(ue, "camps")
    assert not control.worked
    assert "no CP CIoT accepted" in control.saw
    found = bench.relocate(ue, bench.readings[0])
    assert found.stays


def test_the_policy_redirects_a_ciot_ue_and_no_other(bench: AmfBench) -> None:
    assert bench.in_force("epc_redirection") == "off"
    assert bench.ensures("epc_redirection", "on").worked
    for announced, cause in ((CIOT, 31), ({}, None)):
        ue = bench.ue()
        ue.also |= announced
        ue.start()
        end = bench.outcome(ue)
        assert end is not None
        assert (end.facts.get("cause"), end.facts["mac_ok"]) == (cause, True)
        container = next(e for e in bench.since(ue) if e.name == "SECURITY MODE COMPLETE")
        assert container.facts["mac_good"]
    bench.end()
    assert bench.in_force("epc_redirection") == "off"
    ue = bench.ue()
    ue.also |= CIOT
    assert bench.registers(ue, "registers again").worked


def test_a_setting_that_nobody_declared_cannot_be_ensured(bench: AmfBench) -> None:
    control = bench.ensures("unheard_of", "on")
    assert not control.worked
    assert "in_force.unheard_of: on" in control.saw


# --- the AMF's part alone -----------------------------------------------------------------------------------


def context() -> Context:
    found = Context("imsi-999700000000001", "", Security(1, bytes(32), 0, 2, uplink=40), b"\xf0\xf0")
    found.guti, found.cp_ciot = nas.Guti(PLMN, 1, 1, 1, 7), True
    return found


def indication(mac: int, count: int, cell: int = 0x301) -> ngap.Pdu:
    return ngap.ran_cp_relocation_indication(1, nas.STmsi(1, 1, 7), PLMN, 2, cell, mac, count & 0x1F)


def test_the_amf_uses_up_a_count_for_a_mac_that_verifies_and_for_no_other() -> None:
    one = context()
    key = one.security.keys.int_
    up, down = cp_ciot.macs(cp_ciot.READINGS[0], 2, key, 43, PLMN, 0x301)
    assert amf_ciot.authenticate(one, indication(up ^ 1, 43), NONE) is None
    assert amf_ciot.authenticate(one, indication(up, 43, cell=0x302), NONE) is None
    assert one.security.uplink == 40
    assert amf_ciot.authenticate(one, indication(up, 43), NONE) == down
    assert one.security.uplink == 44
    assert amf_ciot.authenticate(one, indication(up, 43), NONE) is None, "a replay: the COUNT is behind"
    one.cp_ciot = False
    up, _ = cp_ciot.macs(cp_ciot.READINGS[0], 2, key, 44, PLMN, 0x301)
    assert amf_ciot.authenticate(one, indication(up, 44), NONE) is None


@pytest.mark.parametrize(
    ("kind", "ies", "steered"),
    [
        (1, CIOT, True),
        (2, CIOT, False),
        (4, CIOT, False),
        (1, {**CIOT, "mm_capability": b"\x10"}, False),
        (1, {**CIOT, "mm_capability": b"\x01"}, False),
        (1, {**CIOT, "update_type": b"\x03"}, False),
        (1, {}, False),
    ],
)
def test_who_is_steered_to_epc(kind: int, ies: dict[str, bytes], steered: bool) -> None:
    needed = {"registration_type": bytes([kind]), "ng_ksi": b"\x07", "mobile_identity": b"\0"}
    request = nas.decode(nas.encode("REGISTRATION REQUEST", {**needed, **ies}))
    assert amf_ciot.steered(request) is steered
