"""All that knows pytest: collecting variants, running them in a session, and projecting verdicts."""

from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assay.case import Case
from assay.errors import AssayError, LabError, UsageError
from assay.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from assay.campaign import Campaign, Planned
    from assay.session import Session

SESSION = pytest.StashKey["Session"]()
PLANNED = pytest.StashKey["Planned | None"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("assay", "3GPP SCAS test cases")
    group.addoption("--profile", type=Path, help="the product under test")
    group.addoption(
        "--campaign", type=Path, help="folder for records and evidence (default: campaigns/<time>)"
    )
    group.addoption("--fault", action="append", default=[], help="seeded fault of an emulated product")
    group.addoption(
        "--overlap", type=int, help="how many variants may run side by side (default: the profile's)"
    )
    group.addoption(
        "--allow", action="append", default=[], choices=["disruptive"], help="run these variants as well"
    )
    group.addoption("--resume", action="store_true", help="continue the campaign in --campaign")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scas(case, variant): a variant of a 3GPP SCAS test case")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    bound = getattr(metafunc.function, "scas", None)
    if isinstance(bound, Case):
        if "variant" not in metafunc.fixturenames:
            metafunc.fixturenames.append("variant")
        marked = [pytest.param(v, marks=pytest.mark.scas(bound.id, v)) for v in bound.variants]
        metafunc.parametrize("variant", marked)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (bound := _bound(item)) is not None:
            item.user_properties += [("scas_case", bound.id), ("scas_variant", _variant(item))]
    items.sort(key=_disruptive)


def _disruptive(item: pytest.Item) -> bool:
    """Whether a variant changes a host for a while: such variants come last, in whatever order others are."""
    bound = _bound(item)
    if bound is None or bound.bench != "host":
        return False
    from assay import catalogue

    return catalogue.find(bound.id)[1].variant(_variant(item)).disruptive


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the plan of what is left after deselection, when a profile is given."""
    config = session.config
    scas = [(item, bound) for item in session.items if (bound := _bound(item)) is not None]
    path: Path | None = config.getoption("profile")
    if not scas or path is None or config.option.collectonly:
        return
    selected = tuple(f"{bound.id}/{_variant(item)}" for item, bound in scas)
    try:
        ours = config.stash[SESSION] = _session(config, path, selected)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    plan = {(p.case, p.variant): p for p in ours.campaign.plan}
    for item, bound in scas:
        item.stash[PLANNED] = plan.get((bound.id, _variant(item)))


def _session(config: pytest.Config, path: Path, selected: tuple[str, ...]) -> "Session":
    from assay import profile as profiles
    from assay.campaign import fresh_folder
    from assay.session import Session

    out = config.getoption("campaign") or fresh_folder()
    faults, resume = tuple(config.getoption("fault")), config.getoption("resume")
    overlap = config.getoption("overlap")
    allowed, profile = frozenset(config.getoption("allow")), profiles.load(path)
    return Session(
        path,
        profile,
        out,
        selected=selected,
        allowed=allowed,
        faults=faults,
        resume=resume,
        overlap=overlap,
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Find whatever stands in the way before anything is sent."""
    ours = session.config.stash.get(SESSION, None)
    if ours is not None:
        items = [(item.stash.get(PLANNED, None), _bound(item)) for item in session.items]
        probes = {planned: bound for planned, bound in items if planned is not None and bound is not None}
        try:
            ours.open(probes)
        except AssayError as error:
            pytest.exit(str(error), returncode=2 if isinstance(error, LabError) else 4)


def _bound(item: pytest.Item) -> Case[Any] | None:
    bound = getattr(getattr(item, "function", None), "scas", None)
    return bound if isinstance(bound, Case) else None


def _variant(item: pytest.Item) -> str:
    mark = item.get_closest_marker("scas")
    return str(mark.args[1]) if mark else ""


@pytest.fixture
def amf() -> None:
    """The bench around the AMF under test; the session hands it to the probe."""


@pytest.fixture
def host() -> None:
    """The bench around an operating system; the session hands it to the probe."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a SCAS variant in the session and project its verdict on pytest's outcomes."""
    bound = _bound(pyfuncitem)
    if bound is None:
        return None
    session = pyfuncitem.config.stash.get(SESSION, None)
    planned = pyfuncitem.stash.get(PLANNED, None)
    if session is None:
        pytest.skip("no product: give --profile FILE")
    if planned is None:
        pytest.skip("not in the plan of this campaign")
    try:
        verdict = session.verdict(planned, bound)
    except AssayError as error:
        pytest.exit(str(error), returncode=4)
    pyfuncitem.user_properties += [("scas_verdict", verdict.outcome.value), ("scas_reason", verdict.reason)]
    if pyfuncitem.config.getoption("allure_report_dir", None):
        _tell_allure(session.campaign, planned, verdict)
    _project(verdict)
    return True


class Undecided(Exception):  # noqa: N818 - INCONCLUSIVE is no error, and ERROR is none of the product
    """What says nothing about the product; neither a failure nor a success to whoever reads outcomes."""


def _project(verdict: Verdict) -> None:
    from assay.reports.common import one_line

    text = one_line(f"{verdict.outcome}: {verdict.reason}", 2000)
    if verdict.refs:
        text += f" [{one_line(', '.join(verdict.refs[:50]))}]"
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        pytest.skip(text)
    if verdict.outcome is Outcome.FAIL:
        pytest.fail(text, pytrace=False)
    if verdict.outcome is not Outcome.PASS:
        raise Undecided(text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What was not decided is told in its own words, without our call stack."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, Undecided):
        report.longrepr = str(call.excinfo.value)
    return report


# --- Allure -------------------------------------------------------------------------------------------------

MEDIA = {".pcapng": "application/vnd.tcpdump.pcap", ".json": "application/json", ".log": "text/plain"}
CATEGORIES = [
    {"name": "FAIL: a criterion is violated", "matchedStatuses": ["failed"]},
    {
        "name": "INCONCLUSIVE: nothing can be said",
        "matchedStatuses": ["broken"],
        "messageRegex": "(?s).*INCONCLUSIVE.*",
    },
    {"name": "ERROR: the harness or the lab went wrong", "matchedStatuses": ["broken"]},
    {"name": "NOT_APPLICABLE: a declaration says so", "matchedStatuses": ["skipped"]},
]
"""How Allure groups what is not passed; the first that fits counts."""


def _tell_allure(campaign: "Campaign", planned: "Planned", verdict: Verdict) -> None:
    """Title, labels, steps and evidence of a variant; the last step is the verdict, which ends the test."""
    import allure

    from assay import catalogue
    from assay.reports.common import at, one_line
    from assay.reports.sequence import controls

    spec, case = catalogue.find(planned.case, planned.spec)
    variant = case.variant(planned.variant)
    record = campaign.read(planned) if planned.decided is None else None
    allure.dynamic.title(f"{case.id}/{variant.name}: {case.title}")
    allure.dynamic.description(case.requirement)
    allure.dynamic.severity(
        {"low": "minor", "medium": "normal", "high": "critical"}.get(case.severity, "blocker")
    )
    labels = {
        "parentSuite": "3GPP SCAS",
        "suite": spec.spec,
        "subSuite": case.id,
        "clause": case.clause,
        "spec": planned.spec,
        "case": planned.case,
        "variant": planned.variant,
        "target": planned.target,
        "verdict": verdict.outcome.value,
        "rules": at(campaign.header, "rules", "digest") or "unknown",
    }
    for name, value in labels.items():
        allure.dynamic.label(name, value)
    allure.dynamic.label("interface", *case.interfaces)
    for name in (*record.evidence, "record.json") if record else ():
        path = campaign.folder(planned) / Path(name).name
        if path.is_file():
            media = MEDIA.get(path.suffix, "application/octet-stream")
            allure.attach.file(path, path.name, media, extension=path.suffix[1:])
    for text in variant.steps if record else ():
        with suppress(pytest.skip.Exception), allure.step(text):
            if verdict.outcome not in (Outcome.PASS, Outcome.FAIL):
                pytest.skip("not known to have been done")
    for control in controls(record.attempts) if record else ():
        with suppress(Undecided), allure.step(f"Control: {one_line(control.what)}"):
            if not control.worked:
                raise Undecided(one_line(control.saw))
    with allure.step(one_line(f"Judged: {verdict.outcome}: {verdict.reason}")):
        _project(verdict)


def _close_allure(folder: Path, campaign: "Campaign") -> None:
    """Beside Allure's results: what the campaign is, and how many variants ended how, or were not run."""
    import json

    from assay.reports import Context, export

    facts = export.of(campaign, Context()).facts
    lines = [
        f"{name}={json.dumps(value)[1:-1]}\n" for name, value in facts.items()
    ]  # ASCII, as Java wants it
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "environment.properties").write_text("".join(lines), "ascii")
    (folder / "categories.json").write_text(json.dumps(CATEGORIES, indent=1), "utf-8")


def pytest_sessionfinish(session: pytest.Session) -> None:
    ours = session.config.stash.get(SESSION, None)
    if ours is not None:
        ours.close()
        if folder := session.config.getoption("allure_report_dir", None):
            _close_allure(Path(folder), ours.campaign)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    ours = config.stash.get(SESSION, None)
    if ours is not None:
        terminalreporter.write_line(f"campaign: {ours.campaign.path}")
