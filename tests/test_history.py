"""The commands store and history, and the page of a product's verdicts over its releases."""

import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from campaigns import NULL, PRODUCT, REPLAY, SYNC, campaign, command
from products import ROOT
from test_reports import HOSTILE, Page

from assay.errors import UsageError
from assay.reports.history import render
from assay.store import Store

A, B, C, D = f"{REPLAY}/A", f"{REPLAY}/B", f"{NULL}/A", f"{SYNC}/A"
TODAY = date(2026, 3, 10)


def three_releases(folder: Path, text: str = "") -> Path:
    """4.2.0 with two repeats that disagree on B, 4.2.1, a demonstration, and 4.3.0 with a regression."""
    path, product = folder / "store.db", {"name": text or "Example AMF", "vendor": text or "Example Ltd"}
    runs: list[tuple[str, dict[str, str], tuple[str, ...]]] = [
        ("4.2.0", {A: "PASS", B: "PASS", C: "INCONCLUSIVE", D: "PASS"}, ()),
        ("4.2.0", {A: "PASS", B: f"FAIL: {text}", C: "INCONCLUSIVE", D: "PASS"}, ()),
        ("4.2.1", {A: "PASS", B: "FAIL", C: "NOT_APPLICABLE", D: "PASS"}, ()),
        ("4.2.1", {A: "FAIL", B: "ERROR", C: "NOT_RUN", D: "PASS"}, (text or "mute",)),
        ("4.3.0", {A: f"FAIL: accepted again {text}", B: "PASS", C: "NOT_RUN"}, ()),
    ]
    store = Store(f"sqlite:///{path}")
    for n, (version, verdicts, faults) in enumerate(runs):
        named = {**product, "version": f"{version}{text}"}
        made = campaign(
            folder / f"c{n}",
            verdicts,
            product=named,
            created=f"2026-02-0{n + 1}T00:00:00+00:00",
            faults=faults,
        )
        store.add(made)
    store.close()
    return path


def page_of(path: Path, max_age: int | None = None) -> str:
    store = Store(f"sqlite:///{path}")
    ((product, vendor),) = store.products()
    found = store.history(product, vendor)
    store.close()
    return render(found, today=TODAY, max_age=max_age)


def test_page(tmp_path: Path) -> None:
    path = three_releases(tmp_path)
    text = page_of(path, max_age=30)
    assert text == page_of(path, max_age=30)
    page = Page(text)
    assert "Example Ltd: SCAS verdicts over 4 releases, as of 2026-03-10." in page.text
    assert (
        "Current release 4.3.0: 1 regressed, 0 with runs that disagree, 2 without a verdict that had one"
        " before, 2 last run more than 30 days ago." in page.text
    )
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", text, re.S)
    assert len(rows) == 4
    cells = [[" ".join(Page(c).text.split()) for c in re.findall(r"<td.*?</td>", r, re.S)] for r in rows]
    assert cells == [
        ["?INCONCLUSIVE ×2", "–NOT APPLICABLE", "○NOT RUN", "○NOT RUN"],
        ["✓PASS ×2", "✓PASS", "✕FAIL", "✕FAIL regressed"],
        ["≠runs disagree: 1 FAIL, 1 PASS", "✕FAIL", "!ERROR", "✓PASS fixed"],
        ["✓PASS ×2", "✓PASS", "✓PASS", "not in these campaigns"],
    ]
    assert "seeded faults mute: a demonstration, no product result" in page.text
    assert "exclude a flake rate of 63 % and more" in " ".join(page.text.split())
    assert any("a flake rate of 78 % and more is excluded" in t for t in page.values("title"))


@pytest.mark.parametrize("text", [t for t in HOSTILE if "\ud800" not in t], ids=lambda t: repr(t[:24]))
def test_hostile_text_is_inert(tmp_path: Path, text: str) -> None:
    plain = Page(page_of(three_releases(tmp_path / "plain", "harmless")))
    whole = page_of(three_releases(tmp_path / "hostile", text))
    page = Page(whole)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert not [n for _, a in page.tags for n in a if n.startswith("on") or n in ("src", "href", "style")]
    style = whole.partition("<style>")[2].partition("</style>")[0]
    assert not re.search("url\\(|@import|http", style)
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    assert policy in page.values("content")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", whole)
    assert len(whole) < 100_000


def test_commands(tmp_path: Path) -> None:
    three_releases(tmp_path)
    url, page = f"sqlite:///{tmp_path}/by-command.db", tmp_path / "history.html"
    campaigns = sorted(tmp_path.glob("c?"))
    done = command("store", "add", *campaigns, "--store", url)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{path}: added" for path in campaigns]
    done = command("store", "add", campaigns[0], ASSAY_STORE=url)
    assert done.stdout == f"{campaigns[0]}: there already\n"
    done = command("history", "--store", url, "--html", page, "--max-age", "0")
    assert done.exit_code == 1, done.stderr
    assert f"regressed  {A} on amf: FAIL, last run 2026-02-05: accepted again" in done.stdout
    assert f"missing    {D} on amf" in done.stdout
    assert f"expired    {A} on amf" in done.stdout
    assert "2 with 1 run: a flake rate of 95 % and more is excluded, at 95 % confidence" in done.stdout
    assert "4.2.1: 1 campaign" in done.stdout
    assert "seeded faults mute: a demonstration" in done.stdout
    assert "<title>SCAS verdicts over releases · Example AMF</title>" in page.read_text()
    done = command("history", "--store", url, "--json", "--releases", "1")
    whole = json.loads(done.stdout)
    assert done.exit_code == 0  # one release alone regresses from nothing
    assert [r["version"] for r in whole["releases"]] == ["4.3.0"]
    assert whole["variants"][1]["cells"][0]["flake_bound"] == pytest.approx(0.95)


def test_exit_codes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    done = command("history", "--store", url)
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr == f"there is no store at {url}: assay store add makes one\n"
    assert not (tmp_path / "s.db").exists()
    campaign(tmp_path / "a", {A: "PASS"}, created="2026-02-01T00:00:00+00:00")
    campaign(tmp_path / "b", {A: "INCONCLUSIVE"}, created="2026-02-02T00:00:00+00:00")
    assert command("store", "add", tmp_path / "a", "--store", url).exit_code == 0
    assert command("history", "--store", url).exit_code == 0
    assert command("history", "--store", url, "--max-age", "1").exit_code == 2
    assert command("store", "add", tmp_path / "b", "--store", url).exit_code == 0
    done = command("history", "--store", url)
    assert done.exit_code == 2
    assert f"disagree   {A} on amf: 1 INCONCLUSIVE, 1 PASS" in done.stdout
    campaign(tmp_path / "c", {A: "PASS"}, product={"vendor": "Another"})
    assert command("store", "add", tmp_path / "c", "--store", url).exit_code == 0
    done = command("history", "--store", url, "--product", PRODUCT["name"])
    assert done.exit_code == 4
    assert "--product 'Example AMF' --vendor 'Another'" in done.stderr
    assert command("history", "--store", url, "--vendor", "Another").exit_code == 0
    assert "there is no such product" in command("history", "--store", url, "--product", "x").stderr


def test_nothing_but_demonstrations(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/s.db")
    store.add(campaign(tmp_path / "a", {A: "FAIL"}, faults=("mute",)))
    found = store.history(PRODUCT["name"], PRODUCT["vendor"])
    store.close()
    assert (found.current, found.regressed(), found.missing()) == (None, [], [])
    assert "Nothing here is a product's own result." in render(found, today=TODAY)


def test_a_store_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "assay.store")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(UsageError, match=r"pip install 'assay\[store\]'"):
        import assay.store  # noqa: F401


def test_other_commands_start_without_a_database() -> None:
    heavy = "{'sqlalchemy', 'yaml', 'jinja2', 'pydantic'}"
    script = f"import sys, assay.cli; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT, check=True
    )
    assert done.stdout == "[]\n"
