"""The laws of test_laws.py over the test cases of a host, on a real Debian userland that each fault changes.

A whole run waits for lock-outs and time-outs, so a fault is proven on its own test case and on every variant
that changes nothing; with ASSAY_WHOLE set, on all of them.
"""

import os
from collections.abc import Iterator

import pytest
from daemons import need
from laws import Run, Runs, all_of, judged_again, reasons, text
from products import assay, emulated_host, verdicts

from assay import catalogue, suites
from assay.attach import answer_all
from drivers.emulated.host.faults import HOST

pytestmark = [pytest.mark.root, pytest.mark.timeout(3600)]

SPEC = "ts_33_117"
BOUND = {pair: bound for pair, bound in suites.bindings(SPEC).items() if bound.bench == "host"}
VARIANTS = list(BOUND)
CASES = {case for case, _ in VARIANTS}
HARMLESS = [
    pair for pair in VARIANTS if not catalogue.find(pair[0], SPEC)[1].variant(pair[1]).disruptive
]  # they change nothing
SEEDED = {name: fault.case for name, fault in HOST.items() if fault.case in CASES}
GENERIC = [name for name, fault in HOST.items() if not fault.case and not fault.awkward]
AWKWARD = [name for name, fault in HOST.items() if fault.awkward]
CONFORMING, IN_A_ROW, RENAMED = "conforming", "in-a-row", "renamed"
WHOLE = bool(os.environ.get("ASSAY_WHOLE"))

NOT_LISTED = {"TC_NO_UNUSED_SOFTWARE/A"}  # what a fault puts there is in no package, or in no list
CROSS_KILLS: dict[str, set[str]] = {
    "suid-shell": NOT_LISTED,
    "cap-setuid-python": NOT_LISTED,
    "docker-group": NOT_LISTED,
    "func-debug-on": NOT_LISTED,
    "func-undeclared-unit": NOT_LISTED,
    "eol-library": NOT_LISTED,
}
"""Fault -> variants of other test cases that it fails as well, and why that is right."""


def selected(fault: str) -> list[str]:
    """What is run on a product with a fault, as words of the command line."""
    if fault not in SEEDED or WHOLE:
        return ["--spec", SPEC]
    own = [pair for pair in VARIANTS if pair[0] == SEEDED[fault]]
    return [word for pair in dict.fromkeys([*own, *HARMLESS]) for word in ("--case", text(pair))]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    need("unshare", "ip", "nmap", "mmdebstrap", root=True)
    folder = tmp_path_factory.mktemp("laws-host")

    def one(name: str) -> Run:
        identity = {"name": "Another host", "vendor": "Someone Else"} if name == RENAMED else None
        path = emulated_host(folder / name, identity=identity)
        out = folder / name / "campaign"
        extra = ("--fault", name) if name in HOST else ("--overlap", "1") if name == IN_A_ROW else ()
        done = assay(
            *("run", path, *selected(name), "--allow", "disruptive", "--out", out, *extra), timeout=3000
        )
        assert (out / "campaign.json").exists(), done.stdout + done.stderr
        answer_all(out, "yes", by="the laws")
        return Run(out, verdicts(out), done.returncode, done.stdout + done.stderr)

    names = [CONFORMING, IN_A_ROW, RENAMED, *GENERIC, *AWKWARD, *SEEDED]
    with all_of(names, one, at_a_time=3) as found:
        yield found


@pytest.mark.parametrize("pair", VARIANTS, ids=text)
def test_the_conforming_product_passes(runs: Runs, pair: tuple[str, str]) -> None:
    run = runs(CONFORMING)
    assert run.verdicts[pair] in ("PASS", "NOT_APPLICABLE"), run.output


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_fails_its_case(runs: Runs, fault: str) -> None:
    run = runs(fault)
    failed = {text(pair) for pair, verdict in run.verdicts.items() if verdict == "FAIL"}
    own = {name for name in failed if name.partition("/")[0] == SEEDED[fault]}
    assert own, run.output
    explained = CROSS_KILLS.get(fault, set())
    assert failed - own == explained if WHOLE else failed - own <= explained, run.output


@pytest.mark.parametrize("fault", GENERIC)
@pytest.mark.parametrize("pair", VARIANTS, ids=text)
def test_a_broken_product_never_passes(runs: Runs, fault: str, pair: tuple[str, str]) -> None:
    run = runs(fault)
    # NOT_RUN where nobody gets in at all, ERROR where the product died before it could be put back
    assert run.verdicts[pair] != "PASS", run.output
    assert run.exit_code in (1, 2), run.output
    assert "the harness broke" not in run.output


@pytest.mark.parametrize("fault", AWKWARD)
def test_an_awkward_product_never_fails(runs: Runs, fault: str) -> None:
    run = runs(fault)
    assert set(run.verdicts.values()) <= {"PASS", "INCONCLUSIVE", "NOT_APPLICABLE"}, run.output
    assert "PASS" in run.verdicts.values()


def test_a_record_judged_again_gives_the_same_verdict(runs: Runs) -> None:
    names = [CONFORMING, *SEEDED, *GENERIC]
    assert judged_again(map(runs, names)) >= len(VARIANTS) + len(SEEDED) + len(GENERIC)


def test_another_vendors_name_changes_nothing(runs: Runs) -> None:
    ours, theirs = runs(CONFORMING), runs(RENAMED)
    assert ours.verdicts == theirs.verdicts
    records = [path.read_text() for path in theirs.campaign.glob("records/**/record.json")]
    assert records
    assert not any("Someone Else" in record or "Another host" in record for record in records)


def test_neither_company_nor_order_changes_a_verdict(runs: Runs) -> None:
    outcomes = [{path: one for path, (one, _) in reasons(runs(n)).items()} for n in (CONFORMING, IN_A_ROW)]
    assert outcomes[0] == outcomes[1]


def test_no_secret_is_in_any_file_of_a_campaign(runs: Runs) -> None:
    from products import PROFILES

    secrets = [path.read_text().strip() for path in (PROFILES / "emulated-host").glob("*.secret")]
    assert secrets
    for name in (CONFORMING, *SEEDED, *GENERIC):
        for path in filter(lambda one: one.is_file(), runs(name).campaign.rglob("*")):
            octets = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in octets], path
            assert b"PRIVATE KEY-----\n" not in octets, path
