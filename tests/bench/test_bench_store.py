"""Figures of the store: adding verdicts campaign by campaign, each a transaction, and asking about them.

ASSAY_BENCH_RECORDS says how many there are (default: 40,000).
"""

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import postgresql
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from assay import catalogue
from assay.history import Variant
from assay.reports.history import render
from assay.store import Row, Store

pytestmark = pytest.mark.timeout(3600)

RECORDS = int(os.environ.get("ASSAY_BENCH_RECORDS", "40000"))
RELEASES = 20
VARIANTS = [Variant(s.key, c.id, v.name, "amf") for s, c in catalogue.everything() for v in c.variants]
CAMPAIGNS = -(-RECORDS // len(VARIANTS))
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.daemon)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        opened = Store(f"sqlite:///{tmp_path_factory.mktemp('store')}/store.db")
        yield opened
        opened.close()
        return
    with postgresql.server(fsync=True) as url:
        opened = Store(url)
        yield opened
        opened.close()


def rows(campaign: int) -> Iterator[Row]:
    """The verdicts of one campaign: nearly all pass, as they do; reasons as long as they are."""
    started = (BEGAN + timedelta(hours=campaign)).isoformat()
    for n, variant in enumerate(VARIANTS):
        failed = (campaign * 31 + n * 7) % 97 == 0
        outcome = "FAIL" if failed else "PASS"
        cause = f"with cause {n}, as the twin was at {n}.{campaign} s"
        reason = f"the request was {'served' if failed else 'refused'} {cause}"
        yield variant, {"outcome": outcome, "reason": reason, "started": started}


def test_add(benchmark: BenchmarkFixture, store: Store) -> None:
    """A round is a campaign: a transaction with all variants of the catalogue."""
    numbers = iter(range(CAMPAIGNS))

    def one() -> tuple[tuple[str, str, dict[str, str], list[Row]], dict[str, str]]:
        n = next(numbers)
        identity = {
            "product": "Example AMF",
            "vendor": "Example Ltd",
            "version": f"1.{n * RELEASES // CAMPAIGNS}",
            "build": "",
            "faults": "",
            **dict.fromkeys(("config", "rules", "judged"), "0" * 64),
        }
        created = (BEGAN + timedelta(hours=n)).isoformat()
        return (hashlib.sha256(str(n).encode()).hexdigest(), created, identity, list(rows(n))), {}

    benchmark.pedantic(store.keep, setup=one, rounds=CAMPAIGNS)
    benchmark.extra_info["records"] = CAMPAIGNS * len(VARIANTS)
    if benchmark.stats is not None:
        benchmark.extra_info["seconds for all"] = round(benchmark.stats.stats.total, 2)


def test_ask(benchmark: BenchmarkFixture, store: Store, tmp_path: Path) -> None:
    """The history of a product over its last 20 releases, and the page of it."""
    found = benchmark(lambda: store.history("Example AMF", "Example Ltd", RELEASES))
    assert sum(r.campaigns for r in found.releases) == CAMPAIGNS
    assert sum(c.runs for row in found.rows.values() for c in row if c) == CAMPAIGNS * len(VARIANTS)
    page = render(found, today=date(2026, 12, 31), max_age=90)
    benchmark.extra_info["page MiB"] = round(len(page) / (1 << 20), 2)
