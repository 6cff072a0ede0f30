"""Variants side by side: lanes, turns, and whose a frame on a shared connection is."""

import sys
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from assay.campaign import Attempt, Record
from assay.evidence import Flow, Stopped, Switchboard, Trace
from assay.pulse import Pulse
from assay.session import certain
from assay.together import Together
from assay.verdict import failed
from drivers.sbi import END_HEADERS, HEADERS, frame

FLOW = Flow("tcp", ("127.0.0.1", 7777), ("127.0.0.1", 40000), bench_opened=False)


def headers(stream: int) -> bytes:
    return frame(HEADERS, END_HEADERS, stream, b"\x82")


def test_work_runs_side_by_side_and_every_piece_once() -> None:
    met = threading.Barrier(3)  # three pieces wait for each other: they can only end together
    ran: list[str] = []

    def run(key: str, lane: int) -> str:
        ran.append(key)
        if key in "abc":
            met.wait(10)
        return f"{key} in a lane"

    together = Together([1, 2, 3], "abcdef", run, {}, {})
    assert [together.result(key) for key in "fedcba"] == [f"{key} in a lane" for key in "fedcba"]
    assert sorted(ran) == list("abcdef")
    assert "a" in together
    assert "z" not in together


def test_pieces_of_a_kind_take_turns() -> None:
    running: set[str] = set()
    crowded: list[str] = []

    def run(key: str, lane: int) -> None:
        if running & {"a", "b"} and key in "ab":
            crowded.append(key)
        running.add(key)
        if key == "c":
            other.wait(10)
        if key == "b":
            other.set()
        running.discard(key)

    other = threading.Event()  # c goes on while a and b take their turns
    together = Together([1, 2, 3], "abc", run, {"a": "ausf", "b": "ausf"}, {})
    assert len(together.results()) == 3
    assert crowded == []


def test_what_a_piece_raises_is_raised_for_who_asks_and_stops_no_other() -> None:
    def run(key: str, lane: int) -> str:
        if key == "bad":
            raise ValueError("broken")
        return key

    together = Together([1], ["bad", "good"], run, {}, {})
    with pytest.raises(ValueError, match="broken"):
        together.result("bad")
    assert together.results() == ["good"]


def test_a_stopped_trace_lets_go_of_who_waits() -> None:
    trace = Trace()
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            trace.wait(lambda e: False, within=60)
        except Stopped as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    trace.stop()
    thread.join(10)
    assert len(raised) == 1
    with pytest.raises(Stopped):
        trace.quiet(1.0, within=10)


def test_a_stream_goes_to_the_lane_of_its_ue_and_refers_to_its_capture() -> None:
    board, one, two = Switchboard(), Trace(), Trace()
    board.join("1", one)
    board.join("2", two)
    first, second = board.frame(FLOW, True, headers(1)), board.frame(FLOW, True, headers(3))
    board.event(second, True, "n12", "POST /b", "2:ue1")
    board.event(first, True, "n12", "POST /a", "1:ue1")
    answer = board.frame(FLOW, False, headers(3))
    board.event(answer, False, "n12", "201 to POST /b", "2:ue1")
    assert [(e.name, e.ue) for e in one.since()] == [("POST /a", "ue1")]
    assert [(e.name, e.ue) for e in two.since()] == [("POST /b", "ue1"), ("201 to POST /b", "ue1")]
    for trace, streams in ((one, [1]), (two, [3, 3])):
        for event, stream in zip(trace.since(), streams, strict=True):
            number = int(event.ref.rpartition("#")[2])
            assert trace.frames[number - 1].data == headers(stream)


def test_what_belongs_to_no_ue_is_seen_in_every_lane_and_a_lane_that_left_sees_nothing() -> None:
    board, one, two = Switchboard(), Trace(), Trace()
    board.join("1", one)
    board.join("2", two)
    number = board.frame(FLOW, True, headers(5))
    board.leave("2")
    board.event(number, True, "nnrf", "GET /c")
    board.event(number, True, "n12", "POST /d", "2:ue1")
    assert [e.name for e in one.since()] == ["GET /c"]
    assert two.since() == ()
    assert [f.data for f in one.frames][-1] == headers(5)


def record(**conditions: Any) -> Record:
    told = {"late_s": 0.0, "timers": {"answer_s": 3.0}, **conditions}
    return Record("ts_33_512", "C", "A", "amf", "", 1.0, "", (), conditions=told)


def test_a_fail_while_the_bench_was_late_is_not_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.session.judge", lambda record: failed("seen"))
    assert certain(record())
    assert certain(record(late_s=0.3))
    assert not certain(record(late_s=0.31))
    wide = Attempt({}, "the N2 association was lost", "capture.pcapng#1", wide=True)
    assert not certain(replace(record(), attempts=(wide,)))


def test_the_pulse_tells_when_the_bench_had_no_time() -> None:
    pulse, began = Pulse(), time.monotonic()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5.0)  # this thread keeps the interpreter for itself
    try:
        while time.monotonic() - began < 0.3:
            pass
    finally:
        sys.setswitchinterval(interval)
    met = threading.Event()
    while pulse.worst(began) == 0 and not met.wait(0.01) and time.monotonic() - began < 10:
        pass
    worst = pulse.worst(began)
    pulse.stop()
    assert worst > 0.1
    assert pulse.worst(time.monotonic()) == 0
