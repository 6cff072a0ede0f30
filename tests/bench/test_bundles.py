"""How long a bundle takes to verify, and every octet of a small one changed (Show: `make bench`)."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from bundles import key_pair, laboratory, second
from products import assay, emulated
from pytest_benchmark.fixture import BenchmarkFixture
from test_bundle_attacks import survivors

from assay.bundle import keys, seal, verify
from assay.campaign import Campaign
from assay.case import to_json
from assay.files import Bundle, write_atomic

pytestmark = pytest.mark.timeout(3000)
RECORDS = 1000


def test_every_octet_of_a_small_bundle(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    lab = laboratory(tmp_path)
    tried, unseen = benchmark.pedantic(survivors, (lab, lambda name: 1), rounds=1)
    benchmark.extra_info["tried"] = tried
    assert tried == sum(map(len, lab.members.values()))
    assert unseen == []


def test_many_values_of_every_octet_of_a_seal(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    lab = laboratory(tmp_path)
    tried, unseen = benchmark.pedantic(
        survivors, (lab, lambda name: 1 if name == lab.seal else 1 << 30, 16), rounds=1
    )
    benchmark.extra_info["tried"] = tried
    assert unseen == []


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle of a thousand records of a real run, and the public key of who sealed it."""
    folder = tmp_path_factory.mktemp("thousand")
    assert assay("run", emulated(folder), "--out", folder / "once", "--spec", "ts_33_512").returncode == 0
    once = Campaign.open(folder / "once")
    pairs = [
        (replace(planned, slug=f"{planned.slug}.{number}"), planned)
        for number in range(-(-RECORDS // len(once.plan)))
        for planned in once.plan
    ][:RECORDS]
    many = Campaign.create(folder / "many", once.header, ())
    whole = {**once.header, "plan": to_json(tuple(new for new, _ in pairs))}
    write_atomic(folder / "many" / "campaign.json", json.dumps(whole).encode())
    for new, old in pairs:
        shutil.copytree(once.folder(old), many.folder(new))
    private, public = key_pair(folder, "k")
    signer = keys.signer(str(private), lambda _: "")
    seal.create(Campaign.open(folder / "many"), folder / "b", signer, "tester", "")
    return folder / "b", public


@pytest.mark.parametrize("rejudge", [False, True])
def test_verify_a_thousand_records(
    benchmark: BenchmarkFixture, thousand: tuple[Path, Path], rejudge: bool
) -> None:
    bundle, public = thousand
    trusted = [keys.trusted(str(public))]
    found = benchmark.pedantic(lambda: verify.verify(Bundle(bundle), trusted, rejudge=rejudge), rounds=3)
    benchmark.extra_info["octets"] = found.octets
    assert found.problems == []
    assert found.rejudged == (RECORDS if rejudge else 0)


def test_the_second_verifier_on_a_thousand_records(
    benchmark: BenchmarkFixture, thousand: tuple[Path, Path]
) -> None:
    bundle, public = thousand
    loaded = [second.load_key(str(public))]
    assert benchmark.pedantic(lambda: second.check(second.open_box(bundle), loaded), rounds=3)
