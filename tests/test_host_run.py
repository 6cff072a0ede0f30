"""A host that is really run: what cannot be put back stops the run, and nobody is trusted by chance."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from daemons import need
from products import assay, emulated_host

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]

CASE = "TC_UNIQUE_SYSTEM_ACCOUNT_IDENTIFICATION"


def run(tmp_path: Path, change: Callable[[dict[str, Any]], None], *more: str) -> tuple[Path, str]:
    """Run the case on a product whose declaration was changed."""
    need("unshare", "ip", "mmdebstrap", root=True)
    path = emulated_host(tmp_path / "profile")
    profile = yaml.safe_load(path.read_text())
    change(profile["declaration"])
    path.write_text(yaml.safe_dump(profile))
    out = tmp_path / "campaign"
    done = assay("run", path, "--case", CASE, "--out", out, *more, timeout=280)
    return out, done.stdout + done.stderr


def record(out: Path) -> dict[str, Any]:
    (path,) = out.glob("records/*/*/A/record.json")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def test_what_cannot_be_put_back_is_an_error_that_says_what(tmp_path: Path) -> None:
    def broken(declaration: dict[str, Any]) -> None:
        declaration["accounts"]["delete_action"]["os"] = {"run": "echo {name} stays; false"}

    out, said = run(tmp_path, broken, "--allow", "disruptive")
    problem = record(out)["problem"]
    assert problem["outcome"] == "ERROR", said
    assert "the product is not as it was: accounts.create_action: echo scasuid" in problem["reason"]


def test_a_host_key_that_is_not_declared_is_not_trusted(tmp_path: Path) -> None:
    def another(declaration: dict[str, Any]) -> None:
        for one in declaration["oam"]["endpoints"]:
            if one["via"] == "ssh":
                one["host_key"] = "SHA256:" + 43 * "A"

    out, said = run(tmp_path, another, "--allow", "disruptive")
    assert "lab: " in said or "could not be reached" in said
    assert "is not declared" in said
    assert not list(out.glob("records/*/*/A/record.json"))


def test_what_it_is_about_to_do_is_said_before(tmp_path: Path) -> None:
    out, said = run(tmp_path, lambda declaration: None, "--allow", "disruptive")
    assert said.index(f"changes the product for a while, at the end: {CASE}/A") < said.index("PASS")
    assert record(out)["conditions"]["contacts"]["commands"] > 5
    assert json.loads((out / "campaign.json").read_bytes())["allowed"] == ["disruptive"]


def test_nothing_that_changes_the_product_runs_unasked(tmp_path: Path) -> None:
    out, said = run(tmp_path, lambda declaration: None)
    assert "run with --allow disruptive" in said
    assert not list(out.glob("records/*/*/A/record.json"))
