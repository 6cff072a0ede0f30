"""A campaign survives what happens in a lab: kills, second runs, hostile products, prying eyes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from products import PROFILES, ROOT, assay, emulated, verdicts

from assay import catalogue, suites
from assay.campaign import Campaign

CASE = "TC_UE_SEC_CAP_HANDLING_AMF"


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A run of its own process group; whatever is left of it is killed."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "assay", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_verdicts(process: subprocess.Popen[str], number: int) -> None:
    """Until the run has told so many verdicts."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith((f"[{number:>2}/", f"[{number}/")):
            return
    pytest.fail("the run ended early")


@pytest.mark.parametrize("overlap", ["1", "3"])
def test_kill_and_resume_give_the_same_verdicts(tmp_path: Path, overlap: str) -> None:
    path = emulated(tmp_path)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert assay("run", path, "--case", CASE, "--out", whole).returncode == 0
    with started("run", path, "--case", CASE, "--out", cut, "--overlap", overlap) as process:
        wait_for_verdicts(process, 2)
        os.killpg(process.pid, signal.SIGKILL)
    finished = {p: p.read_bytes() for p in cut.glob("records/**/record.json")}
    assert 2 <= len(finished) < (5 if overlap == "1" else 6)
    for planned in Campaign.open(cut).plan:
        record = Campaign.open(cut).read(planned)
        assert record is None or Campaign.open(cut).intact(planned, record) == ""
    done = assay("run", path, "--out", cut, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(cut) == verdicts(whole)
    assert {p: p.read_bytes() for p in finished} == finished


@pytest.mark.parametrize("overlap", ["1", "8"])
def test_ctrl_c_leaves_a_campaign_that_can_be_resumed(tmp_path: Path, overlap: str) -> None:
    path, out = emulated(tmp_path, timers={"watch_s": 20}), tmp_path / "c"  # some variants outlast the others
    with started("run", path, "--out", out, "--overlap", overlap) as process:
        wait_for_verdicts(process, 1)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert "--resume" in said
    assert "NOT_RUN" in verdicts(out).values()


def test_a_product_that_is_not_put_back_is_left_alone(tmp_path: Path) -> None:
    path = emulated(tmp_path)
    profile = yaml.safe_load(path.read_text())
    profile["lifecycle"]["configure"]["nas_integrity_order"]["read"] = ["cat", "/proc/sys/kernel/random/uuid"]
    path.write_text(yaml.safe_dump(profile))
    setting, later = "TC_NAS_INT_SELECTION_USE_AMF/A", "TC_UE_SEC_CAPS_AS_CONTEXT_SETUP/A"
    out = tmp_path / "c"
    done = assay("run", path, "--case", setting, "--case", later, "--overlap", "1", "--out", out)
    assert done.returncode == 2
    first, second = list(Campaign.open(out).results())
    assert first.verdict.outcome == "ERROR"
    assert "nas_integrity_order could not be put back" in first.verdict.reason
    assert second.verdict.outcome == "INCONCLUSIVE"
    assert "the product is not as it was" in second.verdict.reason


def test_a_second_run_on_the_same_product_is_refused(tmp_path: Path) -> None:
    path = emulated(tmp_path)
    with started("run", path, "--out", tmp_path / "one") as first:
        wait_for_verdicts(first, 1)
        second = assay("run", path, "--case", CASE, "--out", tmp_path / "two")
    assert second.returncode == 4
    assert "another run holds the product" in second.stderr
    assert not list((tmp_path / "two").rglob("record.json"))


def test_no_secret_is_in_any_file_of_a_campaign(tmp_path: Path) -> None:
    path, out = emulated(tmp_path), tmp_path / "c"
    text = path.read_text().replace("publish_keys: true", "publish_keys: false")
    path.write_text(text)
    assert assay("run", path, "--case", f"{CASE}/E", "--out", out).returncode == 0
    secrets = [bytes.fromhex((PROFILES / name).read_text()) for name in ("emulated.k", "emulated.opc")]
    files = [p for p in out.rglob("*") if p.is_file()]
    assert any(p.suffix == ".pcapng" for p in files)
    assert not any(p.name == "nas-keys.json" for p in files)
    for file in files:
        data = file.read_bytes()
        for secret in secrets:
            assert secret not in data, file
            assert secret.hex().encode() not in data.lower(), file
        for kseaf in re.findall(rb'"kseaf"\s*:\s*"([^"]*)"', data):
            assert kseaf == b"0" * 64, file
    (capture,) = out.rglob("capture.pcapng")
    assert b"kseaf" in capture.read_bytes()


def test_keys_are_published_where_the_profile_says_so(tmp_path: Path) -> None:
    out = tmp_path / "c"
    assert assay("run", emulated(tmp_path), "--case", f"{CASE}/E", "--out", out).returncode == 0
    (keys,) = out.rglob("nas-keys.json")
    assert {"ue", "ea", "ia", "k_nas_enc", "k_nas_int"} == set(json.loads(keys.read_bytes())[0])


def test_a_changed_capture_is_found(tmp_path: Path) -> None:
    out = tmp_path / "c"
    assert assay("run", emulated(tmp_path), "--case", f"{CASE}/E", "--out", out).returncode == 0
    (capture,) = out.rglob("capture.pcapng")
    capture.write_bytes(capture.read_bytes() + b"\0")
    done = assay("judge", out)
    assert done.returncode == 2
    assert "capture.pcapng was changed" in done.stderr


def test_a_product_that_is_not_there_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    path, out = emulated(tmp_path), tmp_path / "c"
    text = path.read_text()
    lifecycle = text[text.index("lifecycle:") : text.index("network:")]
    path.write_text(text.replace(lifecycle, "lifecycle: {via: manual}\n"))
    done = assay("run", path, "--case", CASE, "--out", out)
    assert done.returncode == 2
    assert "could not be reached" in done.stderr
    assert not list(out.rglob("record.json"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["run", "profiles/emulated.yaml", "--case", "TC_NAS_REPLY_AMF"], "did you mean TC_NAS_REPLAY_AMF"),
        (["run", "profiles/emulated.yaml", "--case", "TC_RESYNC_MME"], "TC_RESYNC_MME is planned"),
        (["run", "profiles/emulated.yaml", "--case", "TC_NAS_REPLAY_AMF/Z"], "has no variant 'Z', but A, B"),
        (["run", "profiles/emulated.yaml", "--spec", "ts_33_999"], "no specification 'ts_33_999'"),
        (["run", "profiles/open5gs.yaml", "--fault", "mute"], "has no seeded faults"),
        (["run", "profiles/emulated.yaml", "--resume"], "--resume needs --out"),
        (["judge", "docs"], "holds no campaign.json"),
        (["show", "TC_NO_SUCH"], "no test case 'TC_NO_SUCH'"),
        (["run"], "Missing argument"),
    ],
)
def test_usage_is_answered_in_words_and_with_4(arguments: list[str], words: str) -> None:
    done = assay(*arguments)
    assert done.returncode == 4, done.stdout
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_list_is_the_whole_catalogue() -> None:
    objects = json.loads(assay("list", "--json").stdout)
    assert len(objects) == 211
    assert set(objects[0]) >= {"spec", "id", "slug", "clause", "status", "variants", "faults"}
    bound = {case for key in catalogue.keys() for case, _ in suites.bindings(key)}
    assert {o["id"] for o in objects if o["status"] == "automated"} == bound


def test_pytest_does_the_same_run(tmp_path: Path) -> None:
    path, out = emulated(tmp_path), tmp_path / "c"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "testsuites", "-k", "valid_capabilities", f"--profile={path}",
         f"--campaign={out}", f"--junitxml={tmp_path / 'junit.xml'}", f"--alluredir={tmp_path / 'allure'}"],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert set(verdicts(out).values()) == {"PASS"}
    assert 'name="scas_verdict" value="PASS"' in (tmp_path / "junit.xml").read_text()
    titles = [json.loads(p.read_text())["name"] for p in (tmp_path / "allure").glob("*-result.json")]
    assert any(title.startswith(f"{CASE}/A: ") for title in titles)
    assert list((tmp_path / "allure").glob("*.pcapng"))


def test_pytest_projects_a_fail(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "testsuites", "-k", "valid_capabilities and (C or E)", "--fault",
         "mandatory-not-required", f"--profile={emulated(tmp_path)}", f"--campaign={tmp_path / 'c'}"],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "FAIL: a UE that offers 5G-EA 0x10" in done.stdout
