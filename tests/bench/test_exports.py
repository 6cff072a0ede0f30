"""What exports cost: seconds for 1,000 records of the size of a registration, by format."""

from dataclasses import replace

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from readback import READERS
from test_reports import make

from assay.campaign import Campaign
from assay.reports import encoded

pytestmark = pytest.mark.timeout(600)
RECORDS = 1000


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    folder = tmp_path_factory.mktemp("exports")
    one = make(folder / "one")
    record = one.read(one.plan[0])
    assert record is not None
    plan = tuple(replace(one.plan[0], variant=f"V{number}") for number in range(RECORDS))
    many = Campaign.create(folder / "many", {k: v for k, v in one.header.items() if k != "plan"}, plan)
    for planned in plan:
        many.write(planned, replace(record, variant=planned.variant))
    return many


@pytest.mark.parametrize("name", READERS)
def test_export(benchmark: BenchmarkFixture, campaign: Campaign, name: str) -> None:
    text = benchmark.pedantic(encoded, args=(campaign, name), rounds=3, warmup_rounds=1)
    assert len(list(READERS[name](text.decode()))) == RECORDS
    benchmark.extra_info["MiB"] = round(len(text) / (1 << 20), 1)
