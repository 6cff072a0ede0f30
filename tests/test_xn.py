"""Xn handover on the emulated AMF over real SCTP: who is served where, with which keys; and the log."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from products import assay, emulated, verdicts
from test_ue import opened

from assay.case import Event, Watch, named
from drivers.bench import AmfBench
from drivers.codecs import kdf, ngap
from drivers.interfaces import Capability
from drivers.redact import masked
from drivers.sbi import Request, problem
from drivers.ue import Ue

SM_UPDATE = "POST /nsmf-pdusession/v1/sm-contexts/{smContextRef}/modify"
ACKNOWLEDGE, FAILURE = "PATH SWITCH REQUEST ACKNOWLEDGE", "PATH SWITCH REQUEST FAILURE"
OFFER = Capability(0xF0, 0xF0, 0xF0, 0xE0)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmfBench]:
    with opened(emulated(tmp_path_factory.mktemp("xn"))) as one:
        yield one
        assert one.end() is None


def ready(bench: AmfBench) -> Ue:
    ue = bench.ue(OFFER)
    assert bench.connects(ue, "registration").worked
    control = bench.activates(ue, 5, "user plane")
    assert control.worked, control.saw
    return ue


def pdu(bench: AmfBench, event: Event) -> ngap.Pdu:
    return ngap.decode(bench.trace.frames[int(event.ref.partition("#")[2]) - 1].data)


def answered(watch: Watch) -> Event:
    (event,) = named(watch.events, ACKNOWLEDGE, FAILURE)
    return event


def test_the_user_plane_is_set_up_by_both_ends(bench: AmfBench) -> None:
    ue = ready(bench)
    events = bench.since(ue)
    (request,) = named(events, "PDU SESSION RESOURCE SETUP REQUEST")
    assert list(ngap.transfers(pdu(bench, request), ngap.IeId.PDU_SESSION_RESOURCE_SETUP_LIST_SU_REQ)) == [5]
    (accept,) = named(events, "DL NAS TRANSPORT")
    assert (accept.facts["mac_ok"], accept.facts["pdu_session_id"]) == (True, 5)
    (told,) = named(events, SM_UPDATE)
    assert told.facts["body"]["n2SmInfoType"] == "PDU_RES_SETUP_RSP"
    (octets,) = told.facts["parts"].values()
    assert ngap.transfer_value("PDUSessionResourceSetupResponseTransfer", bytes.fromhex(octets))


def test_a_ue_that_moved_is_served_through_its_new_gnb_alone(bench: AmfBench) -> None:
    ue = ready(bench)
    (setup,) = named(bench.since(ue), "INITIAL CONTEXT SETUP REQUEST")
    source = ue.ran_id
    watch = bench.path_switch(ue, 5, "out", OFFER)
    assert answered(watch).name == ACKNOWLEDGE
    assert "security_capabilities" not in answered(watch).facts
    assert ue.gnb is bench.target
    mark = bench.mark()
    assert bench.alive(ue).worked
    ue.session_request(200)  # no PDU session identity, so the AMF sends it back
    assert bench.idles(ue, "release").worked
    sent = [e for e in bench.trace.since(mark) if e.interface == "n2" and e.ue.startswith(ue.label)]
    assert {e.facts["ran_ue_ngap_id"] for e in sent} == {ue.ran_id} != {source}
    ue.service_request()
    accept = bench.wait(ue, "SERVICE ACCEPT", within=3)
    assert accept is not None
    assert accept.facts["mac_ok"] is True
    key, bits = pdu(bench, setup).get(ngap.IeId.SECURITY_KEY) or (0, 0)
    assert bits == 256
    assert ue.context is not None
    hop = kdf.nh(ue.context.kamf, kdf.nh(ue.context.kamf, key.to_bytes(32)))  # of the counts 1 and 2
    context = pdu(bench, answered(watch)).get(ngap.IeId.SECURITY_CONTEXT)
    assert context == {"nextHopChainingCount": 2, "nextHopNH": (int.from_bytes(hop), 256)}


def test_a_mismatch_is_answered_by_what_the_ue_had_said(bench: AmfBench) -> None:
    ue = ready(bench)
    for _ in range(7):
        event = answered(bench.path_switch(ue, 5, "to and fro", Capability(0x40, 0xF0, 0xF0, 0xE0)))
        assert event.facts["security_capabilities"] == OFFER.bitmaps
    assert pdu(bench, event).get(ngap.IeId.SECURITY_CONTEXT)["nextHopChainingCount"] == 0  # type: ignore[index]


def test_the_keys_of_a_handover_are_masked_where_they_must_be(bench: AmfBench) -> None:
    bench.fresh()
    ue = ready(bench)
    event = answered(bench.path_switch(ue, 5, "out", OFFER))
    (setup,) = named(bench.since(ue), "INITIAL CONTEXT SETUP REQUEST")
    hop, kgnb = ngap.next_hop(pdu(bench, event)), pdu(bench, setup).get(ngap.IeId.SECURITY_KEY)
    assert hop is not None
    assert kgnb is not None
    keys = [hop[0].to_bytes(32), kgnb[0].to_bytes(32)]
    shown = b"".join(frame.data for frame in bench.trace.frames)
    hidden = b"".join(frame.data for frame in masked(bench.trace.frames))
    assert [key in shown for key in keys] == [True, True]
    assert [key in hidden for key in keys] == [False, False]
    assert len(hidden) == len(shown)


def test_a_ue_stays_where_it_was_when_its_smf_refuses(bench: AmfBench) -> None:
    ue = ready(bench)
    assert bench.peers is not None
    source = ue.ran_id

    def refuse(request: Request) -> object:
        return problem(403, "N2_SM_ERROR")

    bench.peers.script(ue.subscriber.supi, SM_UPDATE, refuse)  # type: ignore[arg-type]
    failure = answered(bench.path_switch(ue, 5, "out", OFFER))
    assert failure.name == FAILURE
    released = ngap.transfers(pdu(bench, failure), ngap.IeId.PDU_SESSION_RESOURCE_RELEASED_LIST_PS_FAIL)
    assert list(released) == [5]
    assert ngap.transfer_value("PathSwitchRequestUnsuccessfulTransfer", released[5])
    assert (ue.gnb, ue.ran_id) == (bench.gnb, source)
    assert bench.alive(ue).worked


def test_a_ue_that_nobody_knows_is_not_moved(bench: AmfBench) -> None:
    assert bench.target.up
    mark, cell = bench.mark(), bench.target.cell
    bench.target.send(ngap.path_switch_request(77, 2**39, cell.plmn, cell.tac, cell.nr_cell, (0, 0, 0, 0)))
    event = bench.trace.wait(lambda e: e.name == "ERROR INDICATION", mark=mark, within=3)
    assert event is not None
    assert event.facts["cause"] == ["radioNetwork", "unknown-local-UE-NGAP-ID"]


def test_the_log_is_awake_and_dated(bench: AmfBench, tmp_path: Path) -> None:
    bench.fresh()
    ue = ready(bench)
    mark = bench.mark_log()
    control = bench.logs("a registration")
    assert control.worked, control.saw
    nothing = bench.logged("capability_mismatch", ue, "no path switch", mark)
    assert (nothing.doubt, nothing.matches, nothing.earlier) == ("", (), 0)
    bench.path_switch(ue, 5, "out", Capability(0x40, 0xF0, 0xF0, 0xE0))
    found = bench.logged("capability_mismatch", ue, "a path switch", mark)
    (match,) = found.matches
    assert match.names is True
    assert found.clock_offset is not None
    assert abs(found.clock_offset) < 1
    assert bench.log is not None
    line = bench.log.texts()[int(match.ref.partition("#")[2]) - 1]
    assert f"{ue.subscriber.supi}" in line
    assert "differ" in line
    another = bench.ue()
    assert bench.connects(another, "registration").worked
    theirs = bench.logged("capability_mismatch", another, "somebody else's", mark)
    assert (theirs.matches, theirs.others) == ((), 1)


CASE = "TC_BIDDING_DOWN_XN_AMF"


@pytest.mark.parametrize(
    "log", [{"file": "{state}/amf.log"}, {"command": ["tail", "-F", "-n", "+1", "{state}/amf.log"]}], ids=str
)
def test_the_log_may_be_a_file_or_what_a_command_prints(tmp_path: Path, log: dict[str, object]) -> None:
    path = emulated(tmp_path)
    data = yaml.safe_load(path.read_text())
    words = " ".join(shlex.quote(word) for word in data["lifecycle"]["start"])
    data["lifecycle"]["start"] = ["sh", "-c", f"{words} | tee {{state}}/amf.log"]
    data["log"] |= log
    path.write_text(yaml.safe_dump(data))
    out = tmp_path / "campaign"
    done = assay("run", path, "--case", CASE, "--out", out, timeout=120)
    assert set(verdicts(out).values()) == {"PASS"}, done.stdout + done.stderr
    folder = out / "records" / "ts_33_512" / CASE / "A"
    record = json.loads((folder / "record.json").read_text())
    assert "product.log" in record["evidence"]
    lines = (folder / "product.log").read_text().splitlines()
    found = record["attempts"][0]["seen"]["logged"]["matches"]
    assert len(found) == 2
    assert all("differ from the stored ones" in lines[int(m["ref"].partition("#")[2]) - 1] for m in found)


def test_a_product_whose_log_nobody_reads_is_not_judged_by_it(tmp_path: Path) -> None:
    path = emulated(tmp_path)
    data = yaml.safe_load(path.read_text())
    del data["log"]
    path.write_text(yaml.safe_dump(data))
    done = assay("run", path, "--case", CASE, "--out", tmp_path / "blind", timeout=120)
    assert set(verdicts(tmp_path / "blind").values()) == {"INCONCLUSIVE"}, done.stdout
    assert "the profile declares no log" in done.stdout
    done = assay(
        *("run", path, "--case", CASE, "--out", tmp_path / "wrong", "--fault", "path-switch-adopts"),
        timeout=120,
    )
    assert set(verdicts(tmp_path / "wrong").values()) == {"FAIL"}, done.stdout
