"""How many registrations a second, and who is the limit: `make bench`, or any product by `--profile PATH`.

With `--profile` the product may be an AMF whose neighbours the bench plays, or a whole core that somebody
started (`lifecycle: {via: manual}`, no `peers`) and that knows the profile's subscribers. Each figure is the
median of the rounds; processor times are for one registration, in milliseconds.
"""

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from products import emulated, opened
from pytest_benchmark.fixture import BenchmarkFixture

from assay import profile as profiles
from assay.lab import Lab
from drivers import load, sctp
from drivers.interfaces import Subscriber
from drivers.load import Load

pytestmark = pytest.mark.timeout(900)

ROUNDS = 5
PATIENT = ("--t3550=6", "--t3560=6", "--sbi-timeout=30")  # as in the field; it is short-tempered for tests


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    path: Path | None = request.config.getoption("--profile")
    if path is None:
        path = emulated(tmp_path_factory.mktemp("load"), start=PATIENT)
    with opened(path) as found:
        yield found


@pytest.fixture(scope="module")
def subscribers(lab: Lab) -> Iterator[Subscriber]:
    """The profile's first thousand subscribers, over and over: a core as it comes has room for few more."""
    _, given = lab.profile.surroundings
    k, opc = (profiles.secret(reference, lab.path.parent) for reference in (given.k, given.opc))
    first, digits = int(given.first_imsi), len(given.first_imsi)
    return itertools.cycle(
        Subscriber(str(first + n).zfill(digits), k, opc) for n in range(min(given.count, 1000))
    )


def peers_cpu() -> float:
    """Processor time so far of the threads that play the product's neighbours."""
    threads = [t for t in threading.enumerate() if t.name.startswith("sbi ") and t.ident is not None]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(t.ident)) for t in threads if t.ident)


def product_cpu(lab: Lab) -> float:
    """Processor time so far of the product's process and its children, where we started it."""
    vitals = lab.product.vitals() if lab.product is not None else None
    if vitals is None or vitals.pid is None:
        return 0.0
    fields = Path(f"/proc/{vitals.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(("in_flight", "number"), [(1, 100), (100, 500), (1000, 1000)])
def test_registrations(
    benchmark: BenchmarkFixture,
    capsys: pytest.CaptureFixture[str],
    lab: Lab,
    subscribers: Iterator[Subscriber],
    in_flight: int,
    number: int,
) -> None:
    """Registrations with so many UEs in flight; what fails is told."""
    assert lab.bench is not None
    n2 = next(iter(lab.profile.functions.values())).n2
    udp = sctp.Udp(local=n2.udp.bench, peer=n2.udp.product) if n2.udp else None
    cell = replace(lab.bench.gnb.cell, gnb_id=500 + in_flight)
    figures: list[dict[str, float]] = []
    how: Counter[str] = Counter()

    def one() -> None:
        mine = list(itertools.islice(subscribers, number))
        if lab.bench is not None and lab.bench.peers is not None:
            lab.bench.peers.labels |= {s.supi: "load:" for s in mine}  # a lane that is not there: no trace
        before = [time.process_time(), peers_cpu(), product_cpu(lab)]
        done: Load = load.register(
            n2.pair, cell, mine, in_flight=in_flight, each_s=60, within=240, local=n2.gnb_address, udp=udp
        )
        ours, peers, product = (
            (after - earlier) / number * 1e3
            for after, earlier in zip(
                [time.process_time(), peers_cpu(), product_cpu(lab)], before, strict=True
            )
        )
        how.update(done.failed)
        figures.append(
            {
                "failed": number - done.completed,
                "registrations a second": done.rate,
                "latency ms, median": done.percentile(0.5) * 1e3,
                "latency ms, 99 of 100": done.percentile(0.99) * 1e3,
                "CPU of UEs and gNB": done.cpu / number * 1e3,
                "CPU of SCTP's threads": ours - peers - done.cpu / number * 1e3,
                "CPU of the peers we play": peers,
                "CPU of the product": product,
            }
        )

    benchmark.pedantic(one, rounds=ROUNDS, warmup_rounds=1)
    medians = {name: round(median(figure[name] for figure in figures[1:]), 2) for name in figures[0]}
    benchmark.extra_info |= medians
    with capsys.disabled():
        print(f"\n{number} registrations, {in_flight} in flight: {medians} {dict(how) or ''}")
