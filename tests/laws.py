"""What the laws over several products have in common: a whole run of each, judged again without the lab."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from products import Verdicts

Pair = tuple[str, str]


@dataclass(frozen=True)
class Run:
    """One whole run of the command line."""

    campaign: Path
    verdicts: Verdicts
    exit_code: int
    output: str


Runs = Callable[[str], Run]


@contextmanager
def all_of(names: Iterable[str], one: Callable[[str], Run], *, at_a_time: int) -> Iterator[Runs]:
    """These products once each, some at a time, and any other when a test asks for it."""
    with ThreadPoolExecutor(at_a_time) as pool:
        futures: dict[str, Future[Run]] = {name: pool.submit(one, name) for name in names}

        def found(name: str) -> Run:
            if name not in futures:
                futures[name] = pool.submit(one, name)
            return futures[name].result()

        yield found
        pool.shutdown(wait=True, cancel_futures=True)


def text(pair: Pair) -> str:
    return f"{pair[0]}/{pair[1]}"


ISOLATED = """
import sys, json
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {banned}:
            raise ImportError('not here: ' + name)
sys.meta_path.insert(0, Refuse())
from pathlib import Path
from assay.campaign import Campaign
for folder in sys.argv[1:]:
    campaign = Campaign.open(Path(folder))
    for r in campaign.results():
        print(json.dumps([folder, r.planned.slug, r.planned.variant, r.verdict.outcome, r.verdict.reason]))
"""
PROTOCOL_LIBRARIES = {
    "pycrate_asn1dir", "pycrate_asn1rt", "pycrate_core", "pycrate_mobile", "scapy", "cryptography", "cffi",
    "h2", "hpack", "hyperframe", "paramiko", "pysnmp", "ncclient", "pytest", "pydantic", "yaml", "click",
    "jinja2", "allure",
}  # fmt: skip


def judged_again(runs: Iterable[Run]) -> int:
    """Judge campaigns where no protocol library is: every verdict is that of the time. How many there are."""
    done = subprocess.run(
        [sys.executable, "-c", ISOLATED.replace("{banned}", repr(PROTOCOL_LIBRARIES))]
        + [str(run.campaign) for run in runs],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for folder, slug, variant, outcome, reason in lines:
        for path in Path(folder).glob(f"records/*/{slug}/{variant}/verdict.json"):
            at_the_time = json.loads(path.read_bytes())
            assert (outcome, reason) == (at_the_time["outcome"], at_the_time["reason"]), path
    return len(lines)


def reasons(run: Run) -> dict[str, tuple[str, str]]:
    """Outcome and reason of every variant, by the place of its verdict in the campaign."""
    told = {
        path: json.loads(path.read_bytes()) for path in sorted(run.campaign.glob("records/**/verdict.json"))
    }
    return {str(p.relative_to(run.campaign)): (one["outcome"], one["reason"]) for p, one in told.items()}
