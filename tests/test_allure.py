"""Allure results of every outcome, made by allure-pytest from a campaign that was run before."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from products import ROOT, emulated
from test_exports import spoken
from test_reports import CASE, EXPECTED, HOSTILE, SPEC

from assay import catalogue
from assay.files import digest
from assay.reports.export import VERDICTS
from assay.verdict import Outcome

FILE = ROOT / "testsuites/ts_33_512/test_ue_sec_cap_handling.py"


def replayed(folder: Path, text: str = "") -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    """What pytest and Allure make of a recorded campaign: all is judged again, nothing is sent."""
    profile = emulated(folder / "product")
    campaign = spoken(folder / "c", text)
    path = campaign.path / "campaign.json"
    header = json.loads(path.read_bytes())
    path.write_text(json.dumps(header | {"profile_sha256": digest(profile)}))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={ROOT}", "-p", "assay.plugin"),
            *("-p", "no:cacheprovider", f"--profile={profile}", f"--campaign={campaign.path}", "--resume"),
            *(f"--alluredir={folder / 'allure'}", "-k", " or ".join(f"[{v}]" for v in EXPECTED), str(FILE)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    results = [json.loads(p.read_bytes()) for p in sorted((folder / "allure").glob("*-result.json"))]
    return done, sorted(results, key=lambda r: labels(r).get("variant", [""]))


def labels(result: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for label in result["labels"]:
        found.setdefault(label["name"], []).append(label["value"])
    return found


def plain(result: Any) -> Any:
    """A result without times, and without names that Allure draws by chance."""
    if isinstance(result, list):
        return [plain(one) for one in result]
    if not isinstance(result, dict):
        return result
    chance = ("uuid", "start", "stop", "source")
    kept = {key: plain(value) for key, value in result.items() if key not in chance}
    if "labels" in kept:
        kept["labels"] = [one for one in kept["labels"] if one["name"] not in ("host", "thread")]
    return kept


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("allure")
    done, results = replayed(folder)
    assert done.returncode == 1, done.stdout + done.stderr
    return folder, done.stdout, results


def test_read_back_to_the_same_verdicts(run: tuple[Path, str, list[dict[str, Any]]]) -> None:
    _, _, results = run
    told = {(k["spec"][0], k["case"][0], k["variant"][0], k["target"][0], k["verdict"][0]): r["status"]
            for r in results for k in [labels(r)]}  # fmt: skip
    ran = {v: outcome for v, outcome in EXPECTED.items() if outcome is not Outcome.NOT_RUN}
    assert told == {
        (SPEC, CASE, v, "amf", outcome.value): VERDICTS[outcome].allure for v, outcome in ran.items()
    }
    assert {labels(r)["verdict"][0] for r in results if r["status"] == "passed"} == {"PASS"}


def test_what_was_not_run_is_counted(run: tuple[Path, str, list[dict[str, Any]]]) -> None:
    folder, _, _ = run
    lines = (folder / "allure/environment.properties").read_text("ascii").splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    assert environment["verdicts.NOT_RUN"] == "1"
    assert environment["verdicts.PASS"] == "1"
    rules = json.loads((folder / "c/campaign.json").read_bytes()).get("rules", {}).get("digest", "unknown")
    assert environment["rules"] == rules
    categories = json.loads((folder / "allure/categories.json").read_bytes())
    assert [c["matchedStatuses"] for c in categories] == [["failed"], ["broken"], ["broken"], ["skipped"]]


def test_titles_steps_labels_and_evidence(run: tuple[Path, str, list[dict[str, Any]]]) -> None:
    folder, _, results = run
    by_variant = {labels(r)["variant"][0]: r for r in results}
    passed, failed, odd = (by_variant[v] for v in "ABC")
    assert passed["name"].startswith(f"{CASE}/A: ")
    assert labels(passed)["suite"] == ["TS 33.512"]
    assert labels(passed)["clause"] == [catalogue.find(CASE)[1].clause]
    assert {"n1", "n2"} <= set(labels(passed)["interface"])
    names = {a["name"]: folder / "allure" / a["source"] for a in passed["attachments"]}
    assert set(names) == {"capture.pcapng", "record.json"}
    assert names["capture.pcapng"].read_bytes() == b"evidence of A"
    assert {s["status"] for s in passed["steps"]} == {"passed"}
    assert [s["status"] for s in failed["steps"][-1:]] == ["failed"]
    assert failed["steps"][-1]["name"].startswith("Judged: FAIL: ")
    controls = [s["status"] for s in odd["steps"] if s["name"].startswith("Control: ")]
    assert controls == ["broken"] * len(controls)
    assert controls
    assert "passed" not in {s["status"] for s in odd["steps"]}
    assert not by_variant["E"].get("steps") or by_variant["E"]["steps"][-1]["status"] == "skipped"


def test_pytest_tells_a_verdict_without_our_call_stack(run: tuple[Path, str, list[dict[str, Any]]]) -> None:
    _, output, _ = run
    assert "INCONCLUSIVE: control failed" in output
    assert "ERROR: the harness broke" in output
    assert "plugin.py" not in output
    assert "Traceback" not in output


def test_two_replays_differ_in_times_and_chance_alone(
    run: tuple[Path, str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    _, _, results = run
    _, again = replayed(tmp_path)
    assert plain(again) == plain(results)


@pytest.mark.parametrize("text", [HOSTILE[n] for n in (6, 9)], ids=lambda t: repr(t[:16]))
def test_hostile_text_changes_no_status(tmp_path: Path, text: str) -> None:
    done, results = replayed(tmp_path, text)
    assert done.returncode == 1, done.stdout
    assert len(results) == len(EXPECTED) - 1
    for result in results:
        assert result["status"] == VERDICTS[Outcome(labels(result)["verdict"][0])].allure
        assert len(json.dumps(result)) < 100_000
    assert "\x1b" not in json.dumps(results, ensure_ascii=False)
