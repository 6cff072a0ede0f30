"""The rules digest: SHA-256 of all that a verdict depends on besides the product."""

import hashlib
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent.parent  # of the packages assay, drivers and testsuites
READERS = (
    *("assay/reports/", "assay/commands/", "assay/bundle/"),
    *("assay/cli.py", "assay/terminal.py", "assay/progress.py", "assay/doctor.py", "assay/show.py"),
    *("assay/agreement.py", "assay/baseline.py", "assay/change.py", "assay/compare.py", "assay/history.py"),
    *("assay/issue.py", "assay/mapping.py", "assay/store.py", "assay/waivers.py", "drivers/excerpt.py"),
)
"""What only reads records, and so touches no verdict."""


@cache
def current() -> dict[str, str]:
    """The digests of this installation: catalogue, criteria, suite, harness, and of the four together.

    Each of the four is the SHA-256 of what `sha256sum` prints for its files, sorted by name; `digest` is that
    of the four lines "<name> <digest>" in the order of the alphabet.
    """
    suite = _below("testsuites", "*.py")
    harness = [name for part in ("assay", "drivers") for name in _below(part, "*.py")]
    found = {
        "catalogue": _listing(_below("testsuites", "catalogue.yaml")),
        "criteria": _listing(_below("testsuites/criteria", "*.yaml")),
        "harness": _listing([name for name in harness if not name.startswith(READERS)]),
        "suite": _listing(suite),
    }
    lines = "".join(f"{name} {found[name]}\n" for name in sorted(found))
    return {**found, "digest": hashlib.sha256(lines.encode()).hexdigest()}


def _below(part: str, pattern: str) -> list[str]:
    return [path.relative_to(HERE).as_posix() for path in (HERE / part).rglob(pattern)]


def _listing(names: list[str]) -> str:
    whole = hashlib.sha256()
    for name in sorted(names):
        whole.update(f"{hashlib.sha256((HERE / name).read_bytes()).hexdigest()}  {name}\n".encode())
    return whole.hexdigest()
