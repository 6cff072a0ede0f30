"""How the emulated AMF reaches its UEs over real sockets: N1N2MessageTransfer, paging, a new 5G-GUTI."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml
from products import emulated

from assay import profile as profiles
from assay import suites
from assay.case import Event
from assay.lab import Lab
from drivers import transfer
from drivers.bench import AmfBench
from drivers.interfaces import SM_CONTEXTS, TRANSFER, UP_CIOT, Reply
from drivers.sbi import Later
from drivers.ue import Ue

MODIFY = f"{SM_CONTEXTS}/{{smContextRef}}/modify"
SNSSAI = (1, None)
SOON = 3.0
ORDER = "nas_ciphering_order"


@contextmanager
def opened(path: Path, *faults: str) -> Iterator[AmfBench]:
    lab = Lab(path, profiles.load(path), faults)
    lab.open()
    try:
        assert lab.bench is not None
        yield lab.bench
    finally:
        lab.close()


@pytest.fixture(scope="class")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmfBench]:
    folder = tmp_path_factory.mktemp("reaching")
    short = ("--t3513=0.2", "--t3555=0.2")
    with opened(emulated(folder, start=short)) as one:
        yield one


def came(bench: AmfBench, ue: Ue, name: str, mark: int) -> Event:
    event = bench.wait(ue, name, within=SOON, since=mark)
    assert event is not None, (name, [e.name for e in bench.since(ue, mark)])
    return event


def count(bench: AmfBench, ue: Ue, name: str, mark: int) -> int:
    return sum(e.name == name for e in bench.since(ue, mark))


def ask(bench: AmfBench, supi: str, session: int, label: str = "", n1: bytes = b"") -> Reply:
    assert bench.consumer is not None
    assert bench.peers is not None
    uri = f"{bench.peers.uri('smf')}/nsmf-callback/v1/n1n2-failures/{supi}"
    content, parts = transfer.set_up(session, SNSSAI, uri, n1)
    path = TRANSFER.partition(" ")[2].replace("{ueContextId}", supi)
    reply = bench.consumer.ask("n11", TRANSFER, path, content, ue=label, parts=parts)
    assert isinstance(reply, Reply)
    return reply


def idle(bench: AmfBench) -> Ue:
    """A UE with PDU session 1 that has gone idle."""
    ue = bench.ue()
    assert bench.connects(ue, "registration").worked
    assert bench.activates(ue, 1, "session").worked
    assert bench.idles(ue, "release").worked
    return ue


class TestOnOneProduct:
    """libusrsctp has one carrier a process, so there is one product for all."""

    def test_a_session_is_made_whole_and_put_to_rest(self, bench: AmfBench) -> None:
        ue = bench.ue()
        assert bench.connects(ue, "registration").worked
        mark = bench.mark()
        assert bench.activates(ue, 1, "session").worked
        answer = came(bench, ue, f"200 to {TRANSFER}", mark)
        assert answer.facts["body"] == {"cause": "N1_N2_TRANSFER_INITIATED"}
        down = came(bench, ue, "DL NAS TRANSPORT", mark)
        assert down.facts["mac_ok"] is True
        assert down.facts["pdu_session_id"] == 1
        told = came(bench, ue, MODIFY, mark)
        assert told.facts["body"]["n2SmInfoType"] == "PDU_RES_SETUP_RSP"
        assert told.facts["parts"] == {"n2SmInfo": "0003e07f000001000000010001"}
        mark = bench.mark()
        assert bench.idles(ue, "release").worked
        assert came(bench, ue, MODIFY, mark).facts["body"] == {"upCnxState": "DEACTIVATED"}

    def test_an_idle_ue_is_paged_served_and_renamed(self, bench: AmfBench) -> None:
        ue = idle(bench)
        before = ue.guti
        mark = bench.mark()
        assert bench.pages(ue, 1, "paging").worked
        answer = came(bench, ue, f"202 to {TRANSFER}", mark)
        assert answer.facts["body"] == {"cause": "ATTEMPTING_TO_REACH_UE"}
        assert before is not None
        assert came(bench, ue, "PAGING", mark).facts["s_tmsi"] == before.s_tmsi.encode()[1:].hex()
        assert came(bench, ue, "INITIAL CONTEXT SETUP REQUEST", mark).facts["sessions"] == [1]
        came(bench, ue, "CONFIGURATION UPDATE COMPLETE", mark)
        assert ue.guti not in (None, before)
        assert bench.idles(ue, "release").worked
        assert bench.pages(ue, 1, "paging by the new name").worked

    def test_the_old_name_is_good_until_the_new_one_is_acknowledged(self, bench: AmfBench) -> None:
        ue = idle(bench)
        before = ue.guti
        ue.held.add("CONFIGURATION UPDATE COMMAND")
        mark = bench.mark()
        assert bench.pages(ue, 1, "paging").worked
        assert bench.trace.wait(
            lambda e: count(bench, ue, "CONFIGURATION UPDATE COMMAND", mark) == 2, mark=mark, within=SOON
        ), "T3555 repeats it"
        ue.release()
        came(bench, ue, "UE CONTEXT RELEASE COMMAND", mark)
        assert count(bench, ue, "CONFIGURATION UPDATE COMMAND", mark) == 5, "and it comes before the release"
        after = ue.guti
        ue.held.clear()
        for name in (before, after):
            ue.guti = name
            assert bench.returns(ue, "service").worked
            assert bench.idles(ue, "release").worked

    def test_a_release_right_after_paging_waits_for_the_update(self, bench: AmfBench) -> None:
        ue = idle(bench)
        mark = bench.mark()
        ue.held.add("CONFIGURATION UPDATE COMMAND")
        assert bench.pages(ue, 1, "paging").worked
        ue.release()
        ue.send("CONFIGURATION UPDATE COMPLETE")
        came(bench, ue, "UE CONTEXT RELEASE COMMAND", mark)
        names = [e.name for e in bench.since(ue, mark)]
        assert names.index("CONFIGURATION UPDATE COMPLETE") < names.index("UE CONTEXT RELEASE COMMAND")

    def test_a_ue_that_does_not_answer_is_given_up(self, bench: AmfBench) -> None:
        ue = idle(bench)
        ue.held.add("PAGING")
        mark = bench.mark()
        assert ask(bench, ue.subscriber.supi, 1, ue.label).status == 202
        assert ask(bench, ue.subscriber.supi, 1, ue.label).status == 409
        failure = came(bench, ue, "POST /nsmf-callback/v1/n1n2-failures/{supi}", mark)
        assert failure.facts["body"]["cause"] == "UE_NOT_RESPONDING"
        assert count(bench, ue, "PAGING", mark) == 3
        ue.held.clear()
        assert bench.pages(ue, 1, "the next paging").worked

    def test_a_session_that_is_made_while_its_ue_leaves_is_kept(self, bench: AmfBench) -> None:
        ue = bench.ue()
        assert bench.connects(ue, "registration").worked
        assert bench.peers is not None
        bench.peers.script(ue.subscriber.supi, SM_CONTEXTS, lambda request: partial(Later, 0.2))
        mark = bench.mark()
        ue.session_request(1)
        came(bench, ue, SM_CONTEXTS, mark)
        assert bench.idles(ue, "release").worked
        assert count(bench, ue, f"201 to {SM_CONTEXTS}", mark) == 0, "the UE left before the answer"
        assert bench.pages(ue, 1, "paging").worked, "the transfer waits for the answer"
        assert count(bench, ue, f"201 to {SM_CONTEXTS}", mark) == 1

    def test_what_it_does_not_know_it_refuses(self, bench: AmfBench) -> None:
        ue = idle(bench)
        assert ask(bench, "imsi-999700000000000", 1).status == 404
        assert ask(bench, ue.subscriber.supi, 7).status == 404
        assert bench.consumer is not None
        path = TRANSFER.partition(" ")[2].replace("{ueContextId}", ue.subscriber.supi)
        wrong: list[object] = [{}, [], {"pduSessionId": "x"}, {"pduSessionId": 1, "n2InfoContainer": 3}]
        for content in wrong:
            reply = bench.consumer.ask("n11", TRANSFER, path, content)
            assert isinstance(reply, Reply)
            assert reply.status == 400, content

    def test_a_ue_is_suspended_only_where_that_was_agreed(self, bench: AmfBench) -> None:
        ue, plain = bench.ue(), bench.ue()
        ue.also |= UP_CIOT
        for one in (ue, plain):
            assert bench.connects(one, "registration").worked
        agreed = [came(bench, one, "REGISTRATION ACCEPT", 0).facts for one in (ue, plain)]
        assert [facts["network_feature_support"] for facts in agreed] == ["0480", "0400"]
        control = bench.suspends(plain, "suspension")
        assert not control.worked
        assert "UE CONTEXT SUSPEND FAILURE" in control.saw
        assert bench.suspends(ue, "suspension").worked


def test_ciphering_is_put_in_force_for_a_variant_that_is_alone(tmp_path: Path) -> None:
    path = emulated(tmp_path)
    data = yaml.safe_load(path.read_text())
    settings, orders = data["lifecycle"]["configure"], ["NEA0,NEA1,NEA2", "NEA2,NEA1,NEA0"]
    like = settings["epc_redirection"]
    command = [word.replace("epc_redirection", ORDER) for word in like["run"]]
    settings[ORDER] = {"values": orders, "run": command, "read": like["read"]}
    del data["in_force"]
    path.write_text(yaml.safe_dump(data))
    bound = suites.bindings("ts_33_512")["TC_5G_GUTI_ALLOCATION_AMF", "A"]
    lab = Lab(path, profiles.load(path))
    lab.open()
    try:
        lane, alone = lab.lane(1), lab.bench
        assert alone is not None
        assert lab.product is not None
        assert not lab.product.change(ORDER, orders[0])  # as this product would come
        verdicts = []
        for bench in (lane, alone):
            assert not bench.begin()
            verdicts.append(bound.judge(bound.probe(amf=bench, variant="A")))
            assert bench.end() is None
        assert [v.outcome for v in verdicts] == ["INCONCLUSIVE", "PASS"]
        assert "NEA0" in verdicts[0].reason
        assert "NEA2" in verdicts[1].reason
        assert f"{ORDER}={orders[0]}" in alone._read(ORDER), "it was put back"
    finally:
        lab.close()
