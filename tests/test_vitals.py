"""A product that dies of a test case does not pass it, and one that grows is noticed."""

import json
from pathlib import Path
from typing import Any

import pytest
from products import assay, emulated, verdicts

from assay import findings
from assay import profile as profiles
from assay.campaign import Attempt, Campaign, Planned, Record, Result, judge
from assay.case import Control, Event, Watch, to_json
from assay.lab import Lab
from assay.verdict import Outcome, Verdict
from drivers.interfaces import Capability, Loss
from testsuites.ts_33_512.test_ue_sec_cap_handling import Seen

SPEC, CASE = "ts_33_512", "TC_UE_SEC_CAP_HANDLING_AMF"


def test_a_product_that_dies_after_the_last_answer_passes_nothing(tmp_path: Path) -> None:
    path, out = emulated(tmp_path), tmp_path / "c"
    one = "TC_UE_SEC_CAPS_AS_CONTEXT_SETUP"
    done = assay("run", path, "--out", out, "--fault", "dies-after", "--case", one)
    assert verdicts(out) == {(one, "A"): "INCONCLUSIVE"}, done.stdout
    assert "all went well, but meanwhile the product's process ended by itself" in done.stdout
    told = "the product's process ended by itself, 1 in all: first seen after"
    assert f"note  {told}" in done.stdout
    report = json.loads(assay("report", out, "--format", "json").stdout)
    assert any(found.startswith(told) for found in report["findings"])
    (record,) = (json.loads(p.read_bytes()) for p in out.glob("records/*/*/*/record.json"))
    before, after = (record["conditions"]["vitals"][when] for when in ("before", "after"))
    assert (before["exits"], after["exits"], after["pid"]) == (0, 1, None)
    assert before["resident_kib"] > 10_000


def test_only_a_process_that_ends_after_the_stimulus_is_lost_to_it(tmp_path: Path) -> None:
    path = emulated(tmp_path)
    lab = Lab(path, profiles.load(path), ("dies-after",))
    lab.open()
    try:
        bench = lab.bench
        assert bench is not None
        for stimulated in (True, False):
            assert lab.revive() == ""
            assert bench.connects(bench.ue(), "a UE").worked
            if stimulated:
                bench.stimulus()
            assert bench.end() == (Loss("the product's process ended", "", wide=True) if stimulated else None)
    finally:
        lab.close()


# --- judging and findings, from records by hand -----------------------------------------------------------


def record(answer: str, vitals: Any, *, case: str = "A", at: int = 0, losses: int = 0) -> Record:
    """A UE with an unacceptable capability gets this answer; the service was lost so many times."""
    control = Control("a UE registered", True, "it registered", 0.1)
    event = Event(1.0, True, "n1", answer, "capture.pcapng#7", "ue1", {"header": 0, "cause": 23})
    seen = to_json(Seen(Capability(0, 0xF0), control, Watch("a registration", 5.0, (event,)), control))
    lost = [Attempt(seen, "the product's process ended", wide=True)] * losses
    return Record(
        spec=SPEC, case=CASE, variant=case, target="amf", started=f"2026-01-01T00:00:{at:02}+00:00",
        seconds=1.0, harness="0.1.0", attempts=(*lost, *([Attempt(seen)] if losses < 2 else [])),
        conditions={"vitals": vitals},
    )  # fmt: skip


def vitals(
    before: int, after: int, pid: int | None = 1, kib: tuple[int, int] | None = None
) -> dict[str, Any]:
    size = kib or (None, None)
    return {
        when: {"pid": pid, "exits": exits, "resident_kib": resident}
        for when, exits, resident in (("before", before, size[0]), ("after", after, size[1]))
    }


def test_a_pass_beside_which_the_process_ended_is_inconclusive_and_a_fail_stays() -> None:
    assert judge(record("REGISTRATION REJECT", vitals(3, 3))).outcome is Outcome.PASS
    verdict = judge(record("REGISTRATION REJECT", vitals(3, 4)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the product's process ended by itself" in verdict.reason
    assert judge(record("REGISTRATION ACCEPT", vitals(3, 4))).outcome is Outcome.FAIL


def test_a_process_that_ends_after_the_stimulus_is_a_loss() -> None:
    once, twice = (judge(record("REGISTRATION REJECT", vitals(0, n), losses=n)) for n in (1, 2))
    assert once.outcome is Outcome.INCONCLUSIVE
    assert once.reason == "the product's process ended after the stimulus, once; the repetition went well"
    assert twice.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "odd", [None, [], "x", {"before": None}, {"after": {"exits": "9"}}, {"after": {"exits": None}}]
)
def test_what_is_not_known_of_the_process_changes_nothing(odd: Any) -> None:
    one = record("REGISTRATION REJECT", odd)
    assert judge(one).outcome is Outcome.PASS
    assert findings.of(campaign(), [result(one)]) == ()


def campaign() -> Campaign:
    return Campaign(Path("nowhere"), {"plan": [], "profile": {"features": {}}})


def result(one: Record) -> Result:
    return Result(Planned(SPEC, CASE, CASE, one.variant, "amf"), Verdict(Outcome.PASS, ""), one)


def test_exits_and_growth_are_told_in_the_order_of_time() -> None:
    ran = [
        record("REGISTRATION REJECT", vitals(1, 1, 8, (50_000, 51_000)), case="C", at=3),
        record("REGISTRATION REJECT", vitals(0, 0, 7, (100_000, 103_000)), case="A", at=1),
        record("REGISTRATION REJECT", vitals(0, 1, 7, (103_000, 110_240)), case="B", at=2),
    ]
    assert findings.of(campaign(), [result(one) for one in ran]) == (
        f"the product's process ended by itself, 1 in all: first seen after {CASE}/B",
        "resident memory of the product grew by 10.0 MiB to 107.7 MiB in 2 variants",
    )
    between = [record("REGISTRATION REJECT", vitals(2, 2), case="D", at=4), *ran]
    assert findings.of(campaign(), [result(one) for one in between])[0] == (
        f"the product's process ended by itself, 2 in all: first seen after {CASE}/B"
    )
    assert findings.of(campaign(), [result(between[0])])[0].endswith(f"first seen before {CASE}/D")
