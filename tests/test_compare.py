"""What became of a verdict between two campaigns, and what else changed."""

import json
from pathlib import Path

import pytest
from campaigns import NULL, REPLAY, RULES, SYNC, campaign, command

from assay.change import Change, change
from assay.compare import compare
from assay.errors import UsageError
from assay.verdict import Outcome, Verdict

A, B, C, D = f"{REPLAY}/A", f"{REPLAY}/B", f"{NULL}/A", f"{SYNC}/A"
ROUTED = {
    (Outcome.PASS, Outcome.FAIL): Change.REGRESSED,
    (Outcome.FAIL, Outcome.PASS): Change.FIXED,
}


@pytest.mark.parametrize("before", [None, *Outcome])
@pytest.mark.parametrize("after", [None, *Outcome])
def test_every_pair_has_one_word(before: Outcome | None, after: Outcome | None) -> None:
    old, new = (Verdict(o, "why") if o else None for o in (before, after))
    found = change(old, new)
    if before is None:
        assert found is Change.NEW
    elif after is None:
        assert found is Change.ABSENT
    else:
        same = Change.UNCHANGED if before is after else Change.UPDATED
        assert found is ROUTED.get((before, after), same)


def test_another_reason_is_an_update() -> None:
    assert change(Verdict(Outcome.FAIL, "a"), Verdict(Outcome.FAIL, "b")) is Change.UPDATED


def test_nothing_declared_differs(tmp_path: Path) -> None:
    before = campaign(tmp_path / "a", {A: "PASS", B: "FAIL", C: "PASS", D: "INCONCLUSIVE"})
    after = campaign(tmp_path / "b", {A: "FAIL", B: "PASS", C: "PASS", D: "PASS"})
    found = compare(before, after)
    assert {f"{d.case}/{d.variant}": (d.change.value, d.because) for d in found.differences} == {
        A: ("regressed", ("result",)),
        B: ("fixed", ("result",)),
        C: ("unchanged", ()),
        D: ("updated", ("result",)),
    }
    assert found.also == {}
    assert found.exit_code == 1
    assert sum(found.counts.values()) == 4


def test_why_it_changed(tmp_path: Path) -> None:
    before = campaign(tmp_path / "a", {A: "PASS"}, profile={"timers": {"answer_s": 3}})
    after = campaign(
        tmp_path / "b", {A: "FAIL"}, product={"version": "4.2.1"}, profile={"timers": {"answer_s": 9}}
    )
    found = compare(before, after)
    assert found.differences[0].because == ("product", "configuration")
    assert found.also == {
        "product": "Example AMF 4.2.0 -> Example AMF 4.2.1",
        "configuration": "the profiles differ in timers",
    }
    settings = [campaign(tmp_path / name, {A: v}, in_force={"order": v}) for name, v in CHANGED.items()]
    assert compare(*settings).differences[0].because == ("configuration",)


CHANGED = {"c": "PASS", "d": "FAIL"}


def test_other_rules_are_refused(tmp_path: Path) -> None:
    before = campaign(tmp_path / "a", {A: "PASS"})
    after = campaign(tmp_path / "b", {A: "FAIL"}, rules={**RULES, "suite": "1" * 64, "digest": "2" * 64})
    with pytest.raises(UsageError, match=r"different rules: .* \(differs: suite\).*--allow-different-rules"):
        compare(before, after)
    found = compare(before, after, any_rules=True)
    assert found.differences[0].because == ("suite",)
    assert found.rules == ("di" * 32, "2" * 64)
    unknown = [campaign(tmp_path / name, {A: "PASS"}, rules={}) for name in ("c", "d")]
    with pytest.raises(UsageError, match="no rules digest"):
        compare(*unknown)


def test_new_and_absent(tmp_path: Path) -> None:
    before = campaign(tmp_path / "a", {A: "PASS", B: "PASS"})
    after = campaign(tmp_path / "b", {A: "PASS", C: "PASS"})
    found = compare(before, after)
    assert [(f"{d.case}/{d.variant}", d.change.value) for d in found.differences] == [
        (A, "unchanged"),
        (C, "new"),
        (B, "absent"),
    ]
    assert found.exit_code == 2  # a PASS was lost
    assert compare(after, after).exit_code == 0


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("PASS", "INCONCLUSIVE", 2),
        ("PASS", "NOT_RUN", 2),
        ("PASS", "NOT_APPLICABLE", 2),  # somebody declares a feature away
        ("FAIL", "FAIL", 0),
        ("FAIL", "ERROR", 0),
        ("INCONCLUSIVE", "FAIL", 1),
        ("INCONCLUSIVE", "INCONCLUSIVE", 0),
    ],
)
def test_exit_code(tmp_path: Path, before: str, after: str, code: int) -> None:
    campaigns = [campaign(tmp_path / n, {A: o}) for n, o in (("a", before), ("b", after))]
    assert compare(*campaigns).exit_code == code


def test_command(tmp_path: Path) -> None:
    campaign(tmp_path / "a", {A: "PASS", B: "FAIL", C: "PASS"})
    campaign(tmp_path / "b", {A: "FAIL: \x1b[2Jowned", B: "FAIL", C: "PASS"})
    (tmp_path / "w.yaml").write_text(
        f"waivers: [{{case: {REPLAY}, reason: replaced soon, owner: operator, until: 9999-01-01}}]"
    )
    done = command("compare", tmp_path / "a", tmp_path / "b", "--agreement", "--waivers", tmp_path / "w.yaml")
    assert done.exit_code == 1, done.stderr
    assert done.stdout == (
        f"rules: {'di' * 32}\n\n"
        f"regressed  {A}\n"
        "  before  PASS            because it is PASS\n"
        "  after   FAIL            ?[2Jowned\n"
        "  nothing that is declared differs: the result itself\n"
        "  accepted by operator until 9999-01-01: replaced soon\n\n"
        "1 regressed, 2 unchanged\n"
        "Agreement: 2 of 3 variants alike (67 %), Cohen's kappa 0.40, Gwet's AC1 0.33.\n"
    )
    done = command("compare", tmp_path / "a", tmp_path / "b", "--agreement", "--json")
    assert done.exit_code == 1
    whole = json.loads(done.stdout)
    assert whole["counts"] == dict.fromkeys(Change, 0) | {"regressed": 1, "unchanged": 2}
    assert whole["agreement"]["kappa"] == pytest.approx(0.4)
    assert whole["differences"][0]["after"] == {"verdict": "FAIL", "reason": "\x1b[2Jowned"}


def test_command_says_what_is_wrong(tmp_path: Path) -> None:
    campaign(tmp_path / "a", {A: "PASS"})
    campaign(tmp_path / "b", {A: "PASS"}, rules={**RULES, "catalogue": "1" * 64, "digest": "2" * 64})
    done = command("compare", tmp_path / "a", tmp_path / "b")
    assert (done.exit_code, done.stdout) == (4, "")
    assert "(differs: catalogue)" in done.stderr
    expired = tmp_path / "w.yaml"
    expired.write_text(f"waivers: [{{case: {REPLAY}, reason: r, owner: o, until: 2020-01-01}}]")
    done = command("compare", tmp_path / "a", tmp_path / "a", "--waivers", expired)
    assert (done.exit_code, done.stdout) == (4, "")
    assert "expired on 2020-01-01" in done.stderr
