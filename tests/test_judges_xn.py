"""The judges of TC_BIDDING_DOWN_XN_AMF on facts made by hand."""

from dataclasses import replace
from typing import Any

import pytest

from assay.case import Control, Event, Watch, from_json, to_json
from assay.verdict import Verdict
from drivers.interfaces import Logged, LogMatch
from testsuites.ts_33_512 import test_bidding_down_xn as xn

GOOD = Control("a control", True, "it worked", 0.01, ("capture.pcapng#1",))
BAD = Control("a control", False, "it did not")
OWN = xn.OFFER.bitmaps
REDUCED = xn.REDUCED.bitmaps


def n2(name: str, capabilities: dict[str, int] | None = None, **more: Any) -> Event:
    facts = {} if capabilities is None else {"security_capabilities": capabilities}
    return Event(1.0, True, "n2", name, "capture.pcapng#7", "ue1", {**facts, **more})


def switch(answer: Event | None, *, seconds: float = 15.0, whole: bool = True) -> Watch:
    return Watch("a path switch", seconds, (answer,) if answer else (), whole)


def acknowledge(capabilities: dict[str, int] | None = None) -> Watch:
    return switch(n2(xn.ACKNOWLEDGE, capabilities), seconds=0.01)


SLOW = switch(n2(xn.ACKNOWLEDGE), seconds=10.0)
FAILURE = switch(n2(xn.FAILURE), seconds=0.01)
HERE = LogMatch("product.log#3", True)
MISMATCH = Logged("the path switches", True, "", 0.2, 9, (HERE,), 0, 0, 0.01)
EMPTY = replace(MISMATCH, matches=())
UNNAMED = replace(MISMATCH, matches=(LogMatch("product.log#3", None),))
SEEN = xn.Seen(
    offered=xn.OFFER,
    before=(GOOD, GOOD),
    right=(acknowledge(), acknowledge()),
    wrong=(acknowledge(OWN), acknowledge(OWN)),
    awake=(GOOD,),
    logged=MISMATCH,
    setups=(),
    later=(),
    after=(GOOD,),
)
LASTING = replace(SEEN, logged=EMPTY, setups=(n2(xn.SETUP, OWN),), later=(n2(xn.SETUP, OWN),))


def first(**more: Any) -> Verdict:
    return xn.judge(from_json(xn.Seen, to_json(replace(SEEN, **more))))


def second(**more: Any) -> Verdict:
    return xn.judge_lasting(from_json(xn.Seen, to_json(replace(LASTING, **more))))


def test_the_reports_are_those_of_the_catalogue() -> None:
    assert dict.fromkeys(("nea", "nia", "eea", "eia"), 0xE000) == OWN
    assert REDUCED == {"nea": 0x8000, "nia": 0x8000, "eea": 0xE000, "eia": 0xE000}
    assert set(xn.NOTHING.bitmaps.values()) == {0}


def test_both_variants_pass_for_what_they_ask() -> None:
    assert first().outcome == second().outcome == "PASS"
    assert "product.log#3" in first().refs
    assert second(right=(acknowledge(OWN), acknowledge())).outcome == "PASS"  # it may say them anyway


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((acknowledge(), acknowledge(OWN)), "no UE Security Capabilities"),
        ((acknowledge(OWN), acknowledge()), "no UE Security Capabilities"),
        ((acknowledge(OWN), acknowledge(dict.fromkeys(OWN, 0))), "NEA 0x0000 instead of 0xE000"),
        ((acknowledge(REDUCED), acknowledge(OWN)), "NIA 0x8000 instead of 0xE000"),
        ((acknowledge(OWN | {"eia": 0}), acknowledge(OWN)), "EIA 0x0000 instead of 0xE000"),
        ((FAILURE, acknowledge(OWN)), "answered by PATH SWITCH REQUEST FAILURE"),
        ((acknowledge(OWN), switch(None)), "not answered in 15 s"),
    ],
)
def test_a_wrong_answer_fails_a(answers: tuple[Watch, ...], reason: str) -> None:
    verdict = first(wrong=answers)
    assert (verdict.outcome, reason in verdict.reason) == ("FAIL", True), verdict


def test_capabilities_that_are_wrong_fail_whatever_the_log_and_the_rest_say() -> None:
    wrong = (acknowledge(REDUCED), switch(None))
    assert first(wrong=wrong, awake=(BAD,), logged=None, after=(BAD,)).outcome == "FAIL"


@pytest.mark.parametrize(
    "more",
    [
        {"before": (BAD,)},
        {"before": ()},
        {"right": ()},
        {"right": (acknowledge(), switch(None))},
        {"right": (FAILURE, acknowledge())},
        {"after": (BAD,)},
        {"wrong": ()},
        {"wrong": (FAILURE, acknowledge(OWN)), "after": (BAD,)},
        {"wrong": (switch(None), acknowledge(OWN)), "after": (BAD,)},
        {"wrong": (switch(None, whole=False), acknowledge(OWN))},
        {"wrong": (switch(None), acknowledge(OWN)), "before": (replace(GOOD, slowest=10.0),)},
        {"wrong": (switch(None), acknowledge(OWN)), "right": (acknowledge(), SLOW)},
        {"wrong": (switch(n2("UNDECODABLE NGAP")), acknowledge(OWN))},
        {"wrong": (Watch("w", 1, (Event(1, False, "n2", "NOT SENT: PATH SWITCH REQUEST", ""),)), FAILURE)},
    ],
)
def test_doubt_is_inconclusive_in_a(more: dict[str, Any]) -> None:
    assert first(**more).outcome == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("logged", "outcome", "reason"),
    [
        (EMPTY, "FAIL", "9 records of the time, none of the mismatch"),
        (UNNAMED, "PASS", "the log has the mismatch"),
        (None, "INCONCLUSIVE", "it was not read"),
        (replace(EMPTY, doubt="the profile does not say"), "INCONCLUSIVE", "the profile does not say"),
        (replace(MISMATCH, doubt="the reader has ended"), "INCONCLUSIVE", "has ended"),
        (replace(MISMATCH, earlier=1), "INCONCLUSIVE", "came before"),
        (replace(EMPTY, earlier=1), "INCONCLUSIVE", "came before"),
        (replace(MISMATCH, matches=(replace(HERE, older=True),)), "INCONCLUSIVE", "is older"),
        (replace(MISMATCH, matches=(replace(HERE, older=True), HERE)), "PASS", "the log has the mismatch"),
        (replace(EMPTY, others=2), "INCONCLUSIVE", "name another UE"),
        (replace(EMPTY, alone=False), "INCONCLUSIVE", "other variants filled the log"),
        (replace(MISMATCH, alone=False), "PASS", "the log has the mismatch"),
        (replace(UNNAMED, alone=False), "INCONCLUSIVE", "may be of a variant that ran beside"),
        (replace(MISMATCH, others=2), "PASS", "the log has the mismatch"),
    ],
)
def test_the_log_decides_last_in_a(logged: Logged | None, outcome: str, reason: str) -> None:
    verdict = first(logged=logged)
    assert (verdict.outcome, reason in verdict.reason) == (outcome, True), verdict


def test_a_log_that_nobody_reads_proves_nothing() -> None:
    assert first(logged=EMPTY, awake=(BAD,)).outcome == "INCONCLUSIVE"
    assert first(logged=EMPTY, awake=()).outcome == "INCONCLUSIVE"
    assert second(awake=(BAD,)).outcome == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({"right": (acknowledge(REDUCED), acknowledge())}, "FAIL"),
        ({"later": (n2(xn.SETUP, REDUCED),)}, "FAIL"),
        ({"later": (n2(xn.SETUP),)}, "FAIL"),
        ({"later": (n2(xn.SETUP, REDUCED),), "setups": ()}, "FAIL"),
        ({"later": (n2(xn.SETUP, REDUCED),), "setups": (n2(xn.SETUP, REDUCED),)}, "INCONCLUSIVE"),
        ({"logged": MISMATCH}, "FAIL"),
        ({"logged": UNNAMED}, "FAIL"),
        ({"logged": replace(UNNAMED, alone=False)}, "INCONCLUSIVE"),
        ({"logged": replace(MISMATCH, alone=False)}, "FAIL"),
        ({"logged": replace(EMPTY, alone=False)}, "PASS"),
        ({"logged": replace(MISMATCH, earlier=1)}, "INCONCLUSIVE"),
        ({"logged": replace(MISMATCH, matches=(replace(HERE, older=True),))}, "INCONCLUSIVE"),
        ({"logged": replace(EMPTY, others=1)}, "PASS"),  # a variant beside this one moves a UE of its own
        ({"logged": None}, "INCONCLUSIVE"),
        ({"logged": replace(EMPTY, doubt="too many lines")}, "INCONCLUSIVE"),
        ({"later": ()}, "INCONCLUSIVE"),
        ({"wrong": (FAILURE, acknowledge(OWN))}, "INCONCLUSIVE"),
        ({"after": (BAD,)}, "INCONCLUSIVE"),
        ({"before": (BAD,)}, "INCONCLUSIVE"),
        ({"right": (acknowledge(), FAILURE)}, "INCONCLUSIVE"),
        ({"wrong": (acknowledge(), acknowledge())}, "PASS"),  # A asks for the IE, B for what lasts
    ],
)
def test_what_decides_b(more: dict[str, Any], outcome: str) -> None:
    verdict = second(**more)
    assert verdict.outcome == outcome, verdict
