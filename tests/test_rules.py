"""The rules digest is what anybody computes from the files."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay import rules
from assay.files import digest


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small installation of the project."""
    for name in (
        "assay/case.py",
        "assay/cli.py",
        "assay/reports/html.py",
        "drivers/n2.py",
        "testsuites/criteria/tls.yaml",
        "testsuites/ts_1/catalogue.yaml",
        "testsuites/ts_1/test_x.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(rules, "HERE", tmp_path)
    rules.current.cache_clear()
    yield tmp_path
    rules.current.cache_clear()


def test_digests_are_those_of_sha256sum(elsewhere: Path) -> None:
    names = ("assay/case.py", "drivers/n2.py")
    listing = "".join(f"{digest(elsewhere / name)}  {name}\n" for name in names)
    found = rules.current()
    assert found["harness"] == hashlib.sha256(listing.encode()).hexdigest()
    four = "".join(f"{name} {found[name]}\n" for name in ("catalogue", "criteria", "harness", "suite"))
    assert found["digest"] == hashlib.sha256(four.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("assay/case.py", "harness"),
        ("drivers/n2.py", "harness"),
        ("testsuites/criteria/tls.yaml", "criteria"),
        ("testsuites/ts_1/catalogue.yaml", "catalogue"),
        ("testsuites/ts_1/test_x.py", "suite"),
        ("testsuites/ts_1/test_new.py", "suite"),
        ("assay/cli.py", ""),
        ("assay/reports/html.py", ""),
    ],
)
def test_what_a_verdict_depends_on_changes_its_part_alone(elsewhere: Path, name: str, part: str) -> None:
    before = rules.current()
    (elsewhere / name).write_text("changed")
    rules.current.cache_clear()
    changed = {key for key, value in rules.current().items() if value != before[key]}
    assert changed == ({part, "digest"} if part else set())
