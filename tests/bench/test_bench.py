"""Figures, not tests: `make bench` measures what the project promises about speed."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from products import ROOT, assay, emulated, opened
from pytest_benchmark.fixture import BenchmarkFixture

from assay import suites
from assay.campaign import Campaign, judge
from assay.evidence import Flow, Frame
from assay.lab import Lab
from drivers import capture
from drivers.codecs import nas

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    path = emulated(tmp_path_factory.mktemp("bench"), timers={"quiet_s": 0.001})
    with opened(path) as found:
        yield found


def test_registration(benchmark: BenchmarkFixture, lab: Lab) -> None:
    """One 5G-AKA registration, sequential; the share of our own CPU is in `extra_info`."""
    bench = lab.bench
    assert bench is not None

    def one() -> None:
        bench.fresh()
        ue = bench.ue()
        ue.start()
        event = bench.outcome(ue)
        assert event is not None
        assert event.name == "REGISTRATION ACCEPT"

    began, ours = time.perf_counter(), time.process_time()
    benchmark.pedantic(one, rounds=200, warmup_rounds=10)
    wall = time.perf_counter() - began
    benchmark.extra_info["share of time in our process"] = round((time.process_time() - ours) / wall, 3)
    benchmark.extra_info["memory MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def test_judging_again(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """All verdicts of one suite from parsed records; divide by their number for one verdict."""
    path = emulated(tmp_path)
    done = assay("run", path, "--out", tmp_path / "c", "--spec", "ts_33_512")
    assert done.returncode == 0, done.stdout
    campaign = Campaign.open(tmp_path / "c")
    records = [r for p in campaign.plan if (r := campaign.read(p)) is not None]
    suites.bindings("ts_33_512")
    benchmark.extra_info["verdicts"] = len(records)
    benchmark(lambda: [judge(record) for record in records])


def test_writing_a_capture(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """A thousand frames of 150 octets over SCTP as pcapng."""
    flow = Flow("sctp", ("127.0.0.1", 40000), ("127.0.0.1", 38412))
    frames = [Frame(n, n % 2 == 0, flow, bytes(150), ppid=60) for n in range(1000)]
    benchmark(lambda: capture.write(tmp_path / "c.pcapng", frames, started=0.0))


def test_nas_codec(benchmark: BenchmarkFixture) -> None:
    """A REGISTRATION REQUEST, decoded and encoded again."""
    octets = bytes.fromhex("7e004179000d0100f110000000000000000010 2e04f0f0f0f0")

    def there_and_back() -> None:
        message = nas.decode(octets)
        nas.encode(message.name, message.ies)

    benchmark(there_and_back)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["-m", "pytest", "testsuites", "--collect-only", "-q"], id="collect-the-suite"),
        pytest.param(["-m", "assay", "--help"], id="help"),
        pytest.param(["-m", "assay", "list"], id="list"),
    ],
)
def test_start(benchmark: BenchmarkFixture, arguments: list[str]) -> None:
    """A command from the shell, with the start of Python."""
    command = [sys.executable, *arguments]
    benchmark.pedantic(
        lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True), rounds=5, warmup_rounds=1
    )
