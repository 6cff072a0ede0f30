"""The campaign as one HTML file that asks nobody for anything: no script, font or image from elsewhere."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assay import catalogue, findings
from assay.campaign import Campaign, Result
from assay.case import Control
from assay.catalogue import TestCase, Variant
from assay.reports import sequence
from assay.reports.common import (
    JUDGE,
    SPECS,
    at,
    banner,
    counts,
    entry,
    faults,
    finite,
    href,
    identity,
    intact,
    one_line,
    product,
    shown,
    spec_name,
    value,
    words,
)
from assay.verdict import Outcome, worst

SIGNS = {
    Outcome.PASS: "\u2713",
    Outcome.FAIL: "\u2715",
    Outcome.INCONCLUSIVE: "?",
    Outcome.ERROR: "!",
    Outcome.NOT_APPLICABLE: "\u2013",
    Outcome.NOT_RUN: "\u25cb",
}
MEANS = {
    Outcome.PASS: "every criterion is met on complete evidence",
    Outcome.FAIL: "a criterion is violated on sound evidence",
    Outcome.INCONCLUSIVE: "evidence, a precondition or a control is missing: nothing can be said",
    Outcome.ERROR: "the harness or the lab went wrong, not the product",
    Outcome.NOT_APPLICABLE: "a declaration says so: listed below with its justification",
    Outcome.NOT_RUN: "the campaign ended before it was run",
}


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
class Shown:
    """One variant with all that its part of the report shows."""

    anchor: str
    result: Result
    entry: Variant | None
    refs: tuple[Ref, ...]
    controls: tuple[Control, ...]
    sequence: sequence.Sequence | None
    files: tuple[File, ...]
    conditions: tuple[tuple[str, str], ...]
    banner: str
    losses: tuple[str, ...]
    seconds: str


@dataclass(frozen=True)
class Card:
    """One test case on one target with its variants."""

    anchor: str
    spec: str
    case: str
    target: str
    entry: TestCase | None
    outcome: Outcome
    variants: tuple[Shown, ...]


class Anchors:
    """Fragment names that stay the same from report to report, and each is given once."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def __call__(self, *parts: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join(parts)[:200])
        self._given[name] += 1
        return name if self._given[name] == 1 else f"{name}--{self._given[name]}"


def render(campaign: Campaign) -> str:
    """The report; its links to evidence are relative to the campaign folder."""
    results = list(campaign.results())
    anchors = Anchors()
    cases: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        planned = result.planned
        cases.setdefault((planned.spec, planned.case, planned.target), []).append(result)
    cards = tuple(_card(campaign, anchors, group) for group in cases.values())
    header = campaign.header
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {"line": one_line, "value": value, "spec": spec_name, "when": _when}
    return environment.get_template("report.html.jinja").render(
        id=identity(campaign),
        judge=JUDGE,
        header=header,
        at=at,
        product=product(campaign),
        functions=_functions(header),
        banner=banner(faults(campaign, results)),
        counts=counts(results),
        total=len(results),
        signs=SIGNS,
        means=MEANS,
        cards=cards,
        findings=findings.of(campaign, results),
        inapplicable=[r for r in results if r.verdict.outcome is Outcome.NOT_APPLICABLE],
        declared=_mapping(at(header, "profile", "features")),
        ended=max((r.record.started for r in results if r.record), default=""),
        digests=_digests(header),
        packages=_mapping(at(header, "environment", "packages")),
        specifications=_specifications(cards),
        statuses=Counter(case.status for _, case in catalogue.everything()),
    )


def _visible(found: Any) -> Any:
    """Applied to whatever the template puts out, before it is escaped."""
    return found if isinstance(found, (Markup, int, float)) else shown(found)


def _when(stamp: object) -> str:
    """An ISO 8601 time of the records as people read it."""
    return re.sub(r"(?<=\d)T(?=\d\d:\d\d:\d\d)", " ", str(stamp)[:60]).replace("+00:00", " UTC")


def _mapping(found: Any) -> dict[str, Any]:
    return dict(found) if isinstance(found, Mapping) else {}


def _functions(header: Mapping[str, Any]) -> list[str]:
    listed = []
    for name, function in _mapping(at(header, "profile", "functions")).items():
        n2 = at(function, "n2") if isinstance(function, Mapping) else None
        where = f", N2 at {at(n2, 'address')} port {at(n2, 'port')}" if isinstance(n2, Mapping) else ""
        listed.append(f"{name} ({at(function, 'class')}{where})" if isinstance(function, Mapping) else name)
    return listed


def _digests(header: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Each catalogue of the campaign, its digest then, and whether today's is another one."""
    return [
        (key, str(then), key not in SPECS or catalogue.digest(key) != then)
        for key, then in _mapping(header.get("catalogue")).items()
    ]


def _specifications(cards: tuple[Card, ...]) -> list[dict[str, Any]]:
    """The whole catalogue with what came of each case here."""
    here: dict[tuple[str, str], list[Card]] = {}
    for card in cards:
        here.setdefault((card.spec, card.case), []).append(card)
    listed = []
    for key in SPECS:
        spec = catalogue.load(key)
        rows = [
            {"case": case, "cards": mine, "outcome": worst(c.outcome for c in mine) if mine else None}
            for case in spec.cases
            for mine in [here.get((key, case.id), [])]
        ]
        listed.append({"spec": spec, "rows": rows, "statuses": Counter(c.status for c in spec.cases)})
    return listed


def _card(campaign: Campaign, anchors: Anchors, results: list[Result]) -> Card:
    planned = results[0].planned
    known = entry(planned)
    anchor = anchors(planned.spec, planned.slug)
    variants = tuple(_variant(campaign, anchors, known, result) for result in results)
    outcome = worst(result.verdict.outcome for result in results)
    return Card(anchor, planned.spec, planned.case, planned.target, known, outcome, variants)


def _variant(campaign: Campaign, anchors: Anchors, case: TestCase | None, result: Result) -> Shown:
    planned, record, verdict = result.planned, result.record, result.verdict
    known = next((v for v in case.variants if v.name == planned.variant), None) if case else None
    files: tuple[File, ...] = ()
    conditions: tuple[tuple[str, str], ...] = ()
    attempts = record.attempts if record else ()
    took = None
    if record is not None:
        problems = intact(campaign, planned, record)
        files = tuple(File(n, d, href(planned, n), problems[n]) for n, d in sorted(record.evidence.items()))
        conditions = tuple((name, value(held, 500)) for name, held in record.conditions.items())
        took = finite(record.seconds)
    links = {file.name: file.href for file in files}
    drawn = sequence.draw(attempts, verdict.refs)
    refs = tuple(
        Ref(ref, links.get(ref.partition("#")[0], ""), drawn.said(ref) if drawn else "")
        for ref in verdict.refs[:50]
    )
    return Shown(
        anchor=anchors(planned.spec, planned.slug, planned.variant),
        result=result,
        entry=known,
        refs=refs,
        controls=sequence.controls(attempts),
        sequence=drawn,
        files=files,
        conditions=conditions,
        banner=banner(words(record.conditions.get("faults"))) if record else "",
        losses=tuple(a.loss for a in attempts if a.loss),
        seconds="" if took is None else f"{took:.1f}",
    )
