"""An AMF with its own core around it, and the bench as their SCP: the verdicts are the same."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from laws import Run, Runs, text
from products import assay, emulated, verdicts
from test_laws import PATIENCE, SEEDED, VARIANTS

from assay import catalogue
from assay.campaign import Campaign

pytestmark = pytest.mark.timeout(1500)

CONFORMING, PAST_THE_SCP, UNSEEN = "conforming", "past the SCP", "unseen"
RES_STAR = "TC_RES_STAR_VERIFICATION_FAILURE"
SBI = ("n8", "n11", "n12", "n58")

UNDECIDED: dict[str, str] = {
    "TC_NAS_ALG_AMF_CHANGE _AMF/A": "the bench does not play amf2",
    "TC_NAS_ALG_AMF_CHANGE _AMF/B": "the bench does not play nrf, amf2",
}
"""Variants that cannot be decided in a whole core, and what of the reason."""


def crosses(fault: str) -> bool:
    """Whether the test case of a fault looks at what crosses the SCP."""
    return bool({*SBI} & {*catalogue.find(SEEDED[fault], "ts_33_512")[1].interfaces})


DECIDED = {case for case, variant in VARIANTS if f"{case}/{variant}" not in UNDECIDED}
FAULTS = [name for name in SEEDED if crosses(name) and SEEDED[name] in DECIDED]


def past_the_scp(path: Path, *, declared: bool) -> None:
    """Let the product ask its core directly; not `declared`: and let the bench know nothing of a core."""
    profile = yaml.safe_load(path.read_text())
    start, core = profile["lifecycle"]["start"], profile["core"]
    start[:] = [word for word in start if not word.startswith("--scp=")]
    start += [f"--{name}=http://127.0.0.1:{core[name]['port']}" for name in ("nrf", "ausf", "udm", "smf")]
    if not declared:
        del profile["core"], profile["peers"]
    path.write_text(yaml.safe_dump(profile))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Every product once, some at a time; those with a fault in its own test case only."""
    folder = tmp_path_factory.mktemp("whole-core")

    def one(name: str) -> Run:
        path = emulated(folder / name, name="emulated-core.yaml", timers=PATIENCE)
        out = folder / name / "campaign"
        extra: tuple[str, ...] = ()
        if name in SEEDED:
            extra = ("--case", SEEDED[name], "--fault", name)
        if name in (PAST_THE_SCP, UNSEEN):
            past_the_scp(path, declared=name == PAST_THE_SCP)
        if name == UNSEEN:
            extra = ("--case", RES_STAR)
        done = assay("run", path, "--spec", "ts_33_512", "--out", out, *extra, timeout=1200)
        assert (out / "campaign.json").exists(), done.stdout + done.stderr
        return Run(out, verdicts(out), done.returncode, done.stdout + done.stderr)

    with ThreadPoolExecutor(4) as pool:
        names = [CONFORMING, PAST_THE_SCP, UNSEEN, *FAULTS]
        futures: dict[str, Future[Run]] = {name: pool.submit(one, name) for name in names}
        yield lambda name: futures[name].result()
        pool.shutdown(wait=True, cancel_futures=True)


@pytest.mark.parametrize("pair", VARIANTS, ids=text)
def test_the_conforming_product_passes(runs: Runs, pair: tuple[str, str]) -> None:
    run = runs(CONFORMING)
    if text(pair) not in UNDECIDED:
        assert run.verdicts[pair] == "PASS", run.output
        return
    assert run.verdicts[pair] == "INCONCLUSIVE", run.output
    (result,) = [
        r for r in Campaign.open(run.campaign).results() if (r.planned.case, r.planned.variant) == pair
    ]
    assert UNDECIDED[text(pair)] in result.verdict.reason


@pytest.mark.parametrize("fault", FAULTS)
def test_a_seeded_fault_fails_its_case(runs: Runs, fault: str) -> None:
    run = runs(fault)
    assert {case for case, _ in run.verdicts} == {SEEDED[fault]}
    assert "FAIL" in run.verdicts.values(), run.output


@pytest.mark.parametrize(
    ("name", "why"),
    [(PAST_THE_SCP, "N12 did not cross the bench: declare"), (UNSEEN, "the profile declares no AUSF")],
)
def test_nothing_is_concluded_from_a_hop_that_is_not_seen(runs: Runs, name: str, why: str) -> None:
    run = runs(name)
    assert "FAIL" not in run.verdicts.values(), run.output
    assert {run.verdicts[pair] for pair in VARIANTS if pair[0] == RES_STAR} == {"INCONCLUSIVE"}, run.output
    reasons = [r.verdict.reason for r in Campaign.open(run.campaign).results() if r.planned.case == RES_STAR]
    assert len(reasons) == 6, run.output
    assert any(why in reason for reason in reasons), run.output
