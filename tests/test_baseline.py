"""A baseline holds for the very same verdicts; what is new and what is stale breaks the build."""

import re
from datetime import date
from pathlib import Path

import pytest
from campaigns import NULL, REPLAY, RULES, SYNC, campaign, command
from products import assay, emulated

from assay import baseline
from assay.errors import UsageError
from assay.reports import Context, markdown, render
from assay.waivers import Waiver

A, B, C = f"{REPLAY}/A", f"{NULL}/A", f"{SYNC}/A"
GOOD = f"""\
rules: {"di" * 32}
known:
- spec: ts_33_512
  case: {REPLAY}
  variant: A
  target: amf
  verdict: FAIL
  note: ours, ticket 7
"""


def written(folder: Path, text: str = GOOD) -> Path:
    path = folder / "known.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("verdicts", "found", "code"),
    [
        ({A: "FAIL", B: "PASS"}, (0, 1, 0), 0),
        ({A: "FAIL", B: "FAIL"}, (1, 1, 0), 1),
        ({A: "FAIL", B: "INCONCLUSIVE"}, (1, 1, 0), 2),
        ({A: "FAIL", B: "NOT_RUN"}, (1, 1, 0), 2),
        ({A: "FAIL", B: "ERROR", C: "FAIL"}, (2, 1, 0), 1),
        ({A: "PASS", B: "PASS"}, (0, 0, 1), 3),
        ({A: "NOT_APPLICABLE", B: "PASS"}, (0, 0, 1), 3),
        ({B: "PASS"}, (0, 0, 1), 3),
        ({A: "INCONCLUSIVE"}, (1, 0, 0), 2),
        ({A: "NOT_RUN"}, (1, 0, 0), 2),
        ({A: "PASS", B: "FAIL"}, (1, 0, 1), 1),
    ],
)
def test_check(tmp_path: Path, verdicts: dict[str, str], found: tuple[int, int, int], code: int) -> None:
    one = campaign(tmp_path / "c", verdicts)
    checked = baseline.check(one, one.results(), baseline.load(written(tmp_path)))
    assert (len(checked.new), len(checked.known), len(checked.stale)) == found
    assert checked.exit_code == code
    assert not checked.other_rules


def test_written_and_read_again(tmp_path: Path) -> None:
    one = campaign(tmp_path / "c", {A: "FAIL", B: "INCONCLUSIVE", C: "PASS", f"{SYNC}/B": "NOT_APPLICABLE"})
    path = tmp_path / "known.yaml"
    which = baseline.load(written(tmp_path)).known[0].key
    assert baseline.write(path, one, one.results(), {which: "ours, ticket 7"}) == 2
    loaded = baseline.load(path)
    assert [(k.case, k.verdict, k.note) for k in loaded.known] == [
        (REPLAY, "FAIL", "ours, ticket 7"),
        (NULL, "INCONCLUSIVE", None),
    ]
    assert baseline.check(one, one.results(), loaded).exit_code == 0
    other = campaign(tmp_path / "d", {A: "FAIL", B: "INCONCLUSIVE"}, rules={**RULES, "digest": "1" * 64})
    assert baseline.check(other, other.results(), loaded).other_rules


def test_not_taken_from_half_a_run(tmp_path: Path) -> None:
    one = campaign(tmp_path / "c", {A: "FAIL", B: "NOT_RUN"})
    with pytest.raises(UsageError, match=f"{B} was not run"):
        baseline.write(tmp_path / "known.yaml", one, one.results(), {})
    assert not (tmp_path / "known.yaml").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace(REPLAY, "TC_NAS_REPLY"), ":3: no test case 'TC_NAS_REPLY'; did you mean"),
        (GOOD.replace("variant: A", "variant: Q"), f":3: {REPLAY} has no variant 'Q'"),
        (GOOD.replace("FAIL", "NOT_RUN"), ":7: known.0.verdict: Input should be 'FAIL', 'INCONC"),
        (GOOD + GOOD.partition("known:\n")[2], f":9: {REPLAY}/A on amf stands twice"),
        (GOOD.replace("ts_33_512", "ts_1"), ":3: no specification 'ts_1'"),
        (GOOD.replace(f"rules: {'di' * 32}\n", ""), ":1: rules: Field required"),
        ("known: [", ":2: did not find expected node content"),
    ],
)
def test_refused(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as error:
        baseline.load(path)
    assert str(error.value).startswith(f"{path}{said}")


def test_summary_is_bounded_and_inert(tmp_path: Path) -> None:
    hostile = "| PASS |\n# <script>alert(1)</script> @everyone [x](http://evil.example) "
    verdicts = {f"{REPLAY}/V{n}": f"FAIL: {hostile * 20}{n}" for n in range(300)}
    one = campaign(tmp_path / "c", {A: "FAIL", **verdicts}, product={"name": hostile})
    results = list(one.results())
    checked = baseline.check(one, results, baseline.load(written(tmp_path)))
    text = baseline.summary(one, results, checked)
    assert len(text.encode()) <= markdown.LIMIT
    assert "**Against the baseline: a FAIL is new.**" in text
    assert "ours, ticket 7" not in text
    assert re.search(r"Left out here, in the full report: \d+ FAIL\.", text)
    bare = re.sub(r"\\.", "", text.replace("<!-- -->", ""))
    assert "<" not in bare
    assert "://" not in bare


def test_report_is_bounded_too(tmp_path: Path) -> None:
    reasons = {f"{REPLAY}/V{n}": f"{'FAIL' if n % 50 == 0 else 'PASS'}: {'@' * 300}" for n in range(500)}
    text = str(render(campaign(tmp_path / "c", reasons, product={"name": "#" * 5000}), "md"))
    assert 40_000 < len(text.encode()) <= markdown.LIMIT
    assert text.count("\u274c FAIL") == 10  # the worst come first
    assert re.search(r"Left out here, in the full report: \d+ PASS\.", text)
    assert len(markdown.page(["x" * 20_000] * 5).encode()) <= markdown.LIMIT
    assert markdown.page(["a", "", ""]) == "a\n"


def test_waivers_are_shown_and_change_nothing(tmp_path: Path) -> None:
    one = campaign(tmp_path / "c", {A: "FAIL", f"{REPLAY}/B": "PASS"})
    waiver = Waiver(case=REPLAY, reason="IPsec | below", owner="operator", until=date(9999, 1, 1))
    text = str(render(one, "md", Context(waivers=(waiver,))))
    assert text.count("operator accepts it until 9999-01-01: IPsec &#124; below") == 1
    assert "1 FAIL, 1 PASS" in text


def test_command(tmp_path: Path) -> None:
    campaign(tmp_path / "c", {A: "FAIL: \x1b[2J", B: "FAIL", C: "PASS"})
    known, page = tmp_path / "known.yaml", tmp_path / "summary.md"
    assert command("check", tmp_path / "c", "--baseline", known).exit_code == 4  # no such file
    written(tmp_path)
    done = command("check", tmp_path / "c", "--baseline", known, "--summary", page)
    assert done.exit_code == 1, done.stderr
    assert done.stdout == (
        f"new    FAIL            {B}: because it is FAIL\n"
        f"known  FAIL            {A}: ?[2J\n"
        "1 new, 1 known, 0 stale\n"
    )
    assert "Known (1):" in page.read_text()
    assert command("check", tmp_path / "c", "--baseline", known, "--write").exit_code == 0
    assert "ticket 7" in known.read_text()
    assert command("check", tmp_path / "c", "--baseline", known).exit_code == 0
    campaign(tmp_path / "d", {A: "PASS", B: "FAIL", C: "PASS"})
    done = command("check", tmp_path / "d", "--baseline", known, "--summary", page)
    assert done.exit_code == 3
    assert f"stale  {A} on amf is PASS: remove it from the baseline" in done.stdout
    assert page.read_text().count("### SCAS results") == 2


def test_run_against_a_baseline(tmp_path: Path) -> None:
    """A known failure of a real run is no failure of the build, and the baseline is read before the run."""
    profile = emulated(tmp_path / "p")
    arguments = ("run", profile, "--case", f"{NULL}/A", "--fault", "smc-mac-zero")
    wrong = written(tmp_path, GOOD.replace("variant: A", "variant: Q"))
    done = assay(*arguments, "--out", tmp_path / "none", "--baseline", wrong)
    assert done.returncode == 4
    assert not (tmp_path / "none").exists()
    done = assay(*arguments, "--out", tmp_path / "a")
    assert done.returncode == 1, done.stdout
    known = tmp_path / "taken.yaml"
    assert assay("check", tmp_path / "a", "--baseline", known, "--write").returncode == 0
    done = assay(*arguments, "--out", tmp_path / "b", "--baseline", known)
    assert done.returncode == 0, done.stdout
    assert ", 0 stale" in done.stdout
    done = assay(*arguments[:-2], "--out", tmp_path / "c", "--baseline", known)
    assert done.returncode == 3, done.stdout
