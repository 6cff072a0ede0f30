"""The laws that hold for every automated test case, over real sockets; this file is the project's conscience.

1. The conforming product passes every variant.
2. Each seeded fault fails its own test case; what else it fails is listed here, and nothing more.
3. A product that is mute, dies midway, answers garbage, floods or is slow never passes.
4. A record judged again, in a process that has no protocol library, gives the same verdict.
5. The same product under another vendor's name gets the same verdicts, in every export as well.
6. A product that is odd and not insecure (one lost association, a late answer, a chat) never fails.
7. Side by side or one after the other, forwards or backwards: the same verdicts for the same reasons.
"""

from collections.abc import Iterator

import pytest
from laws import Run, Runs, all_of, judged_again, reasons, text
from products import assay, backwards, emulated, verdicts
from readback import READERS

from assay import catalogue, suites
from assay.campaign import Campaign
from assay.reports import encoded
from drivers.emulated import faults

pytestmark = pytest.mark.timeout(1500)

VARIANTS = [
    pair for key in catalogue.keys() for pair, bound in suites.bindings(key).items() if bound.bench == "amf"
]
SEEDED = {name: fault.case for name, fault in faults.AMF.items() if fault.case}
GENERIC = [name for name, fault in faults.AMF.items() if not fault.case and not fault.awkward]
AWKWARD = [name for name, fault in faults.AMF.items() if fault.awkward]
CONFORMING = "conforming"
RENAMED = "renamed"
RENAMED_FAULT = "mac-not-verified"
IN_A_ROW, ALL_AT_ONCE = "in-a-row", "all-at-once"

PATIENCE = {"watch_s": 0.8, "after_replay_s": 0.8, "refusal_s": 0.8, "sbi_wait_s": 1.5, "quiet_s": 0.1}
"""Several products share two cores here, so their slowest answers need longer silences."""

CROSS_KILLS: dict[str, set[str]] = {
    # a MAC that is never compared also lets replays (a wrong overflow counter) and a wrong algorithm through,
    # and a UE is redirected after a SECURITY MODE COMPLETE that proves nothing
    "mac-not-verified": {
        "TC_NAS_REPLAY_AMF/A",
        "TC_NAS_REPLAY_AMF/B",
        "TC_NAS_INT_SELECTION_USE_AMF/B",
        "TC_AMF_REDIRECTION_5GS_EPS/B",
    },
    "smcomplete-mac-unchecked": {"TC_AMF_REDIRECTION_5GS_EPS/B"},
    # a replay is a message that is discarded, so it uses up the COUNT too: the UE is cut off, twice
    "count-consumed": {"TC_NAS_REPLAY_AMF/B"},
    # NIA0 checks nothing: whatever is faulty or repeated is accepted, and NIA0 is never the right choice
    "nia0-for-all": {
        "TC_AMF_NAS_INTEGRITY_FAILURE/A",
        "TC_NAS_REPLAY_AMF/A",
        "TC_NAS_REPLAY_AMF/B",
        "TC_NAS_INT_SELECTION_USE_AMF/A",
        "TC_NAS_ALG_AMF_CHANGE _AMF/A",
        "TC_NAS_ALG_AMF_CHANGE _AMF/B",
    },
    # both cases ask that the product's own order decides
    "ue-order-wins": {"TC_NAS_ALG_AMF_CHANGE _AMF/A", "TC_NAS_ALG_AMF_CHANGE _AMF/B"},
    # both cases ask that only what the UE offers is chosen
    "caps-ignored": {"TC_NAS_NULL_INT_AMF/C", "TC_NAS_INT_SELECTION_USE_AMF/A"},
    # the MAC of SECURITY MODE COMMAND is a criterion of both cases
    "smc-mac-zero": {"TC_NAS_INT_SELECTION_USE_AMF/A"},
}
"""Fault -> variants of other test cases that it fails as well, and why that is right."""


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Every product once, some at a time, whichever test asks first."""
    folder = tmp_path_factory.mktemp("laws")

    def one(name: str) -> Run:
        identity = (
            {"name": "Another AMF", "vendor": "Someone Else", "version": "9"} if RENAMED in name else None
        )
        path = emulated(folder / name, identity=identity, timers=PATIENCE)
        out = folder / name / "campaign"
        fault = name.removeprefix(RENAMED).removeprefix("-")
        extra: tuple[str, ...] = ("--fault", fault) if fault in faults.AMF else ()
        if name == IN_A_ROW:
            extra = ("--overlap", "1")
        if name == ALL_AT_ONCE:
            done = backwards("ts_33_512", path, out, overlap=len(VARIANTS))
        else:
            done = assay("run", path, "--spec", "ts_33_512", "--out", out, *extra, timeout=1200)
        assert (out / "campaign.json").exists(), done.stdout + done.stderr
        return Run(out, verdicts(out), done.returncode, done.stdout + done.stderr)

    names = [
        CONFORMING,
        IN_A_ROW,
        ALL_AT_ONCE,
        *GENERIC,
        RENAMED,
        f"{RENAMED}-{RENAMED_FAULT}",
        *AWKWARD,
        *SEEDED,
    ]
    with all_of(names, one, at_a_time=4) as found:
        yield found


@pytest.mark.parametrize("pair", VARIANTS, ids=text)
def test_the_conforming_product_passes(runs: Runs, pair: tuple[str, str]) -> None:
    run = runs(CONFORMING)
    assert run.verdicts[pair] == "PASS", run.output
    assert run.exit_code == 0


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_fails_its_case(runs: Runs, fault: str) -> None:
    run = runs(fault)
    failed = {text(pair) for pair, verdict in run.verdicts.items() if verdict == "FAIL"}
    own = {name for name in failed if name.partition("/")[0] == SEEDED[fault]}
    assert own, run.output
    assert failed - own == CROSS_KILLS.get(fault, set()), run.output
    assert run.exit_code == 1


@pytest.mark.parametrize("fault", GENERIC)
@pytest.mark.parametrize("pair", VARIANTS, ids=text)
def test_a_broken_product_never_passes(runs: Runs, fault: str, pair: tuple[str, str]) -> None:
    run = runs(fault)
    assert run.verdicts[pair] in ("FAIL", "INCONCLUSIVE"), run.output


@pytest.mark.parametrize("fault", AWKWARD)
def test_an_awkward_product_never_fails(runs: Runs, fault: str) -> None:
    run = runs(fault)
    assert set(run.verdicts.values()) <= {"PASS", "INCONCLUSIVE"}, run.output
    assert "PASS" in run.verdicts.values()


def test_a_ue_that_is_let_go_late_is_paged_all_the_same(runs: Runs) -> None:
    run = runs("late-release")
    assert {run.verdicts["TC_5G_GUTI_ALLOCATION_AMF", variant] for variant in "CD"} == {"PASS"}, run.output


def test_a_record_judged_again_gives_the_same_verdict(runs: Runs) -> None:
    names = [CONFORMING, *SEEDED, *GENERIC]
    for name in names:
        told = list(runs(name).campaign.glob("records/**/verdict.json"))
        assert len(told) == len(VARIANTS)
    assert judged_again(map(runs, names)) == len(names) * len(VARIANTS)


@pytest.mark.parametrize("fault", ["", RENAMED_FAULT])
def test_another_vendors_name_changes_nothing(runs: Runs, fault: str) -> None:
    ours, theirs = runs(fault or CONFORMING), runs(f"{RENAMED}-{fault}" if fault else RENAMED)
    assert ours.verdicts == theirs.verdicts
    records = [path.read_text() for path in theirs.campaign.glob("records/**/record.json")]
    assert len(records) == len(VARIANTS)
    assert not any("Someone Else" in record or "Another AMF" in record for record in records)


@pytest.mark.parametrize("fault", ["", RENAMED_FAULT])
@pytest.mark.parametrize("name", READERS)
def test_another_vendors_name_changes_nothing_in_an_export(runs: Runs, fault: str, name: str) -> None:
    both = runs(fault or CONFORMING), runs(f"{RENAMED}-{fault}" if fault else RENAMED)
    texts = [encoded(Campaign.open(run.campaign), name).decode() for run in both]
    ours, theirs = (set(READERS[name](text)) for text in texts)
    assert ours == theirs
    assert {(key[1:3], verdict) for key, verdict, _ in theirs} == set(both[1].verdicts.items())
    assert "Another AMF" in texts[1]
    assert "Another AMF" not in texts[0]


def test_neither_company_nor_order_changes_a_verdict(runs: Runs) -> None:
    alone = reasons(runs(IN_A_ROW))
    assert len(alone) == len(VARIANTS)
    assert alone == reasons(runs(CONFORMING)) == reasons(runs(ALL_AT_ONCE))
