"""What a report for people says, in whatever format: results, evidence, coverage, declarations, roles."""

import heapq
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay import catalogue, findings, waivers
from assay import mapping as mappings
from assay.campaign import Campaign, Planned, Record, Result
from assay.case import Control
from assay.catalogue import Specification, TestCase, Variant
from assay.reports import sequence
from assay.reports.common import (
    SPECS,
    Context,
    at,
    banner,
    counts,
    entry,
    faults,
    finite,
    href,
    identity,
    intact,
    value,
    words,
)
from assay.verdict import SEVERITY, Outcome, Verdict, worst

DETAILED = 2000  # variants with a section of their own, worst first
DRAWN = 300  # of these, the ones whose messages are drawn
READ = ("signs", "vitals", "faults")  # the conditions that findings and banners are made of

MEANS = {
    Outcome.PASS: "every criterion is met on complete evidence",
    Outcome.FAIL: "a criterion is violated on sound evidence",
    Outcome.INCONCLUSIVE: "evidence, a precondition or a control is missing: nothing can be said",
    Outcome.ERROR: "the harness or the lab went wrong, not the product",
    Outcome.NOT_APPLICABLE: "a declaration says so: listed below with its justification",
    Outcome.NOT_RUN: "the campaign ended before it was run",
}
DECISION_RULE = (
    "PASS if every criterion is met on complete evidence. FAIL if one criterion is violated on sound "
    "evidence. INCONCLUSIVE if evidence is missing, or a precondition or a control failed. NOT APPLICABLE "
    "only where the catalogue's rule and a feature declared with its justification say so. An error of the "
    "harness or the lab is never a PASS and never a FAIL. A test case over several variants has the verdict "
    f"of its worst one: {', '.join(o.replace('_', ' ') for o in SEVERITY)}, in this order. "
    "No score is computed."
)
LIMITS = (
    "These results relate only to the item tested, in the version and configuration named, at the time of "
    "the test. They say nothing about other versions, about test cases that were not run, or about security "
    "beyond what the test cases ask. The report may be reproduced only in full."
)
CHECKS = (
    {"what": "Judge every record again", "command": "assay judge CAMPAIGN"},
    {
        "what": "Check digests and signatures of a sealed bundle, and judge it again",
        "command": "assay verify BUNDLE --key PUBLIC_KEY --rejudge",
    },
    {
        "what": "The same without this program, by one readable file of its source",
        "command": "python tools/verify_bundle.py BUNDLE --key PUBLIC_KEY",
    },
)


@dataclass(frozen=True)
class Ref:
    """A frame that decided, with the link to the file it is in where that is evidence of the variant."""

    text: str
    href: str
    said: str


@dataclass(frozen=True)
class File:
    """An evidence file as the record knows it, and what is wrong with it now."""

    name: str
    sha256: str
    href: str
    problem: str


@dataclass(frozen=True)
class Line:
    """One variant in the list of results; the anchor is empty where it has no section of its own."""

    planned: Planned
    verdict: Verdict
    seconds: str
    waiver: str
    anchor: str = ""
    drawn: bool = False


@dataclass(frozen=True)
class Case:
    """One test case on one target."""

    anchor: str
    spec: str
    case: str
    target: str
    entry: TestCase | None
    outcome: Outcome
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Shown:
    """One variant with all that its section shows."""

    line: Line
    entry: Variant | None
    refs: tuple[Ref, ...]
    controls: tuple[Control, ...]
    sequence: sequence.Sequence | None
    files: tuple[File, ...]
    conditions: tuple[tuple[str, str], ...]
    banner: str
    losses: tuple[str, ...]


@dataclass(frozen=True)
class Covered:
    """A test case of the catalogue, and what came of it here."""

    case: TestCase
    here: tuple[Case, ...]
    outcome: Outcome | None


@dataclass(frozen=True)
class Part:
    """One specification of the catalogue with all its test cases."""

    spec: Specification
    rows: tuple[Covered, ...]
    statuses: Mapping[str, int]
    outcomes: Mapping[Outcome, int]


@dataclass(frozen=True)
class Evidence:
    """A row of the mapping, with the worst outcome here of each test case of it that was planned."""

    row: mappings.Row
    tested: tuple[tuple[str, Outcome], ...]

    @property
    def untested(self) -> int:
        """How many of its test cases are not in this campaign."""
        return len(self.row.cases) - len(self.tested)


@dataclass(frozen=True)
class Measure:
    """A measure, requirement or weakness, and what here gives evidence for it."""

    id: str
    title: str
    rows: tuple[str, ...]  # of the mapping, the ones with a test case here
    confidence: tuple[str, ...]  # of these rows
    outcomes: Mapping[Outcome, int]  # of the test cases that are named for it, each counted once
    untested: int


@dataclass(frozen=True)
class Scheme:
    """A document that results give evidence for."""

    name: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Content:
    """All but the sections of the variants, which `sections` gives one by one."""

    id: str
    cases: tuple[Case, ...]
    total: int
    counts: Mapping[Outcome, int]
    banner: str
    findings: tuple[str, ...]
    inapplicable: tuple[Line, ...]
    began: str
    ended: str
    parts: tuple[Part, ...]
    statuses: Mapping[str, int]
    schemes: tuple[Scheme, ...]
    evidence: tuple[Evidence, ...]
    detailed: int
    drawn: int


class Anchors:
    """Fragment names that stay the same from report to report, and each is given once."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def __call__(self, *parts: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join(parts)[:200])
        self._given[name] += 1
        return name if self._given[name] == 1 else f"{name}--{self._given[name]}"


def of(campaign: Campaign, context: Context) -> Content:
    """Judge a campaign once and keep of each record only what lists and counts need."""
    results = [_slim(result) for result in campaign.results()]
    times = sorted(result.record.started for result in results if result.record)
    by_worst = heapq.nsmallest(
        DETAILED, range(len(results)), key=lambda n: (SEVERITY.index(results[n].verdict.outcome), n)
    )
    detailed = set(by_worst)
    drawn = set(by_worst[:DRAWN])
    anchors = Anchors()
    groups: dict[tuple[str, str, str], list[int]] = {}
    for number, result in enumerate(results):
        planned = result.planned
        groups.setdefault((planned.spec, planned.case, planned.target), []).append(number)
    cases = []
    for (spec, case, target), numbers in groups.items():
        first = results[numbers[0]].planned
        anchor = anchors(first.spec, first.slug) if detailed.intersection(numbers) else ""
        lines = tuple(
            _line(results[n], context, anchors if n in detailed else None, n in drawn) for n in numbers
        )
        outcome = worst(line.verdict.outcome for line in lines)
        cases.append(Case(anchor, spec, case, target, entry(first), outcome, lines))
    outcomes = _outcomes(cases)
    return Content(
        id=identity(campaign),
        cases=tuple(cases),
        total=len(results),
        counts=counts(results),
        banner=banner(faults(campaign, results)),
        findings=findings.of(campaign, results),
        inapplicable=tuple(
            line for c in cases for line in c.lines if line.verdict.outcome is Outcome.NOT_APPLICABLE
        ),
        began=times[0] if times else "",
        ended=times[-1] if times else "",
        parts=tuple(_parts(cases)),
        statuses=Counter(case.status for _, case in catalogue.everything()),
        schemes=_schemes(outcomes),
        evidence=tuple(_evidence(outcomes)),
        detailed=len(detailed),
        drawn=len(drawn),
    )


def sections(campaign: Campaign, content: Content) -> Iterator[tuple[Case, Iterator[Shown]]]:
    """The test cases that have a section, each with its variants; records are read as they are asked for."""
    for case in content.cases:
        if case.anchor:
            yield case, (_shown(campaign, case.entry, line) for line in case.lines if line.anchor)


def share(found: Content) -> str:
    """How much of the campaign does not apply by declaration, in percent."""
    return f"{100 * found.counts[Outcome.NOT_APPLICABLE] / max(found.total, 1):.1f} %"


def _slim(result: Result) -> Result:
    if result.record is None:
        return result
    conditions = {key: result.record.conditions[key] for key in READ if key in result.record.conditions}
    return replace(result, record=replace(result.record, attempts=(), evidence={}, conditions=conditions))


def _line(result: Result, context: Context, anchors: Anchors | None, drawn: bool) -> Line:
    planned = result.planned
    took = finite(result.record.seconds) if result.record else None
    waiver = waivers.of(context.waivers, planned.case, planned.variant)
    return Line(
        planned,
        result.verdict,
        "" if took is None else f"{took:.1f}",
        f"accepted by {waiver.owner} until {waiver.until}: {waiver.reason}" if waiver else "",
        anchors(planned.spec, planned.slug, planned.variant) if anchors else "",
        drawn,
    )


def _shown(campaign: Campaign, case: TestCase | None, line: Line) -> Shown:
    planned, refs = line.planned, line.verdict.refs
    known = next((v for v in case.variants if v.name == planned.variant), None) if case else None
    record: Record | None = None if planned.decided else campaign.read(planned)
    files: tuple[File, ...] = ()
    conditions: tuple[tuple[str, str], ...] = ()
    attempts = record.attempts if record else ()
    if record is not None:
        problems = intact(campaign, planned, record)
        files = tuple(File(n, d, href(planned, n), problems[n]) for n, d in sorted(record.evidence.items()))
        conditions = tuple((name, value(held, 500)) for name, held in record.conditions.items())
    links = {file.name: file.href for file in files}
    drawn = sequence.draw(attempts, refs)
    return Shown(
        line=line,
        entry=known,
        refs=tuple(
            Ref(ref, links.get(ref.partition("#")[0], ""), drawn.said(ref) if drawn else "")
            for ref in refs[:50]
        ),
        controls=sequence.controls(attempts),
        sequence=drawn if line.drawn else None,
        files=files,
        conditions=conditions,
        banner=banner(words(record.conditions.get("faults"))) if record else "",
        losses=tuple(a.loss for a in attempts if a.loss),
    )


def _outcomes(cases: list[Case]) -> dict[tuple[str, str], Outcome]:
    """The worst outcome of each test case, over all targets, by specification and id."""
    found: dict[tuple[str, str], Outcome] = {}
    for case in cases:
        if case.spec in SPECS:
            key = catalogue.load(case.spec).spec, case.case
            found[key] = worst((found.get(key, case.outcome), case.outcome))
    return found


def _parts(cases: list[Case]) -> Iterator[Part]:
    here: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        here.setdefault((case.spec, case.case), []).append(case)
    for key in SPECS:
        spec = catalogue.load(key)
        rows = tuple(
            Covered(case, mine, worst(c.outcome for c in mine) if mine else None)
            for case in spec.cases
            for mine in [tuple(here.get((key, case.id), ()))]
        )
        outcomes = Counter(row.outcome for row in rows if row.outcome)
        yield Part(spec, rows, Counter(case.status for case in spec.cases), outcomes)


def _evidence(outcomes: Mapping[tuple[str, str], Outcome]) -> Iterator[Evidence]:
    for row in mappings.load().rows:
        tested = tuple((c, outcomes[row.spec, c]) for c in row.cases if (row.spec, c) in outcomes)
        if tested:
            yield Evidence(row, tested)


def _schemes(outcomes: Mapping[tuple[str, str], Outcome]) -> tuple[Scheme, ...]:
    known = mappings.load()

    def scheme(name: str, titles: Mapping[str, str], field: str) -> Scheme:
        measures = []
        for id_, title in titles.items():
            rows = [row for row in known.rows if id_ in getattr(row, field)]
            named = {(row.spec, case) for row in rows for case in row.cases}
            here = [row for row in rows if any((row.spec, case) in outcomes for case in row.cases)]
            tested = Counter(outcomes[key] for key in named if key in outcomes)
            measures.append(
                Measure(
                    id_,
                    title,
                    tuple(row.id for row in here),
                    tuple(sorted({row.confidence for row in here})),
                    tested,
                    len(named) - tested.total(),
                )
            )
        return Scheme(name, tuple(measures))

    technical = {id_: title for id_, title in known.toolbox.items() if id_.startswith("TM")}
    return (
        scheme("EU Toolbox on 5G cybersecurity, technical measures", technical, "toolbox"),
        scheme("Cyber Resilience Act, Annex I", known.cra, "cra"),
        scheme("NIS2, Article 21(2)", known.nis2, "nis2"),
        scheme("CWE, weaknesses that the test cases look for", known.cwe, "cwe"),
    )


def mapping_of(found: Any) -> dict[str, Any]:
    """A mapping from a header, empty when it is something else."""
    return dict(found) if isinstance(found, Mapping) else {}


def functions(header: Mapping[str, Any]) -> list[str]:
    """The functions that a profile declares, in words."""
    listed = []
    for name, function in mapping_of(at(header, "profile", "functions")).items():
        n2 = at(function, "n2") if isinstance(function, Mapping) else None
        where = f", N2 at {at(n2, 'address')} port {at(n2, 'port')}" if isinstance(n2, Mapping) else ""
        listed.append(f"{name} ({at(function, 'class')}{where})" if isinstance(function, Mapping) else name)
    return listed


def digests(header: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Each catalogue of the campaign, its digest then, and whether today's is another one."""
    return [
        (key, str(then), key not in SPECS or catalogue.digest(key) != then)
        for key, then in mapping_of(header.get("catalogue")).items()
    ]
