"""Judges of stored, shown and transferred data on facts made by hand: no PASS without controls."""

from dataclasses import replace
from typing import Any

import pytest
from test_judges_host_system import GOOD, unsure

from assay.verdict import Outcome
from drivers.interfaces.host import Line, LogLines
from drivers.interfaces.replies import Ran
from testsuites.ts_33_117 import test_logging_access_to_personal_data as personal
from testsuites.ts_33_117.records import Clock, Wanted


def ran(status: int | None = 0, out: str = "", problem: str = "") -> Ran:
    return Ran(status, out, "", False, 0.1, problem, "r", "it")


# --- TC_LOGGING_ACCESS_TO_PERSONAL_DATA --------------------------------------------------------------------


def record(kind: str, user: str, groups: dict[str, str], problem: str = "") -> Wanted:
    line = Line("a record", "l", {"time": "2026-03-01T10:00:01+00:00", "host": "np", **groups})
    lines = LogLines("auth", "p", (line,), 0.1, "l", problem)
    at = 1772359200.0
    return Wanted(kind, f"show by {user}", {"user": user}, at, at + 3, lines)


SHOWN = personal.Access(
    "show",
    "oper1",
    ran(),
    True,
    "sub-1",
    record(personal.READ, "oper1", {"user": "oper1", "object": "sub-1"}),
)
DENIED = personal.Access(
    "show",
    "view1",
    ran(1),
    False,
    "sub-1",
    record(personal.REFUSED, "view1", {"user": "view1", "action": "subscriber-show"}),
)
QUIET = LogLines("auth", "p", (), 0.0, "l")
PERSONAL = personal.Seen(
    GOOD, ("show",), (SHOWN, DENIED), Clock(0.0, 0.1, "", "c", "np"), GOOD, (QUIET,), GOOD
)


def other(one: personal.Access, **groups: str) -> personal.Access:
    return replace(one, record=record(one.record.event, one.user, groups))


def test_accesses_that_are_recorded_pass() -> None:
    unsure(personal.judge, PERSONAL)
    unrecorded = replace(SHOWN.record, lines=replace(SHOWN.record.lines, lines=()))
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.FAIL: [
            {"accesses": (replace(SHOWN, record=unrecorded), DENIED)},
            {"accesses": (SHOWN, other(DENIED, user="other", object="sub-1"))},
            {"accesses": (other(SHOWN, user="service", object="sub-1"), DENIED)},
            {"accesses": (other(SHOWN, user="oper1", object="sub-2"), DENIED)},
            {"accesses": (other(SHOWN, user="oper1"), DENIED)},
            {"accesses": (other(SHOWN, user="oper1", object="sub-1", time="2026-03-01T11:00:01Z"), DENIED)},
            {"accesses": (other(SHOWN, user="oper1", object="sub-1", time="10:00"), DENIED)},
            {"told": (replace(QUIET, lines=(Line("imsi-001", "l"),)),)},
        ],
        Outcome.INCONCLUSIVE: [
            {"functions": ()},
            {"functions": ("show", "page")},
            {"accesses": ()},
            {"accesses": (SHOWN,)},
            {"accesses": (DENIED,)},
            {"accesses": (SHOWN, replace(DENIED, ran=ran(None, problem="silence")))},
            {"accesses": (SHOWN, replace(DENIED, ran=ran(0, "nothing")))},
            {"accesses": (replace(SHOWN, record=record(personal.READ, "oper1", {}, "cut")), DENIED)},
            {"clock": Clock(float("nan"), 0.1, "", "c", "")},
            {"told": ()},
            {"told": (replace(QUIET, problem="it could not be read"),)},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            assert personal.judge(replace(PERSONAL, **change)).outcome is outcome, change


@pytest.mark.parametrize(
    ("subscriber", "values"),
    [
        ({"ref": "s", "supi": "imsi-0010112345"}, ("imsi-0010112345", "0010112345")),
        ({"ref": "subscriber-1", "name": "Al"}, ()),
        ({"msisdn": 491700012345}, ("491700012345",)),
    ],
)
def test_what_is_planted_is_searched_with_and_without_its_prefix(
    subscriber: dict[str, object], values: tuple[str, ...]
) -> None:
    assert personal.planted(subscriber) == values
