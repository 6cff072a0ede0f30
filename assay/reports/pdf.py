"""The campaign as PDF/A: the content of the HTML report on numbered pages, for signing and for archives."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay import mapping, rules
from assay.campaign import Campaign
from assay.errors import UsageError
from assay.reports import content
from assay.reports.common import JUDGE, Context, at, one_line, product, spec_name
from assay.reports.content import Case, Content, Shown
from assay.reports.fields import fields, number
from assay.reports.html import environment
from assay.reports.order import Order
from assay.verdict import Outcome

FONTS = range(0x20, 0x250)  # what the fonts that come with typst hold, besides SYMBOLS
SYMBOLS = "\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2022\u2190\u2192\u2264\u2265\u27e8\u27e9\u20ac"
COLOURS = {
    "fg": "#1c2530",
    "bg": "#ffffff",
    "soft": "#5a6675",
    "line": "#d9dfe6",
    "pane": "#f6f8fa",
    "link": "#0b57a4",
    "sut": "#dfe9f5",
    "mark": "#fff3bf",
    "INCONCLUSIVE": "#7d4b00",
}


def render(campaign: Campaign, context: Context) -> bytes:
    """The report as PDF/A-2b; the same campaign and context give the same bytes.

    Raises UsageError where typst is not installed (the extra `pdf`).
    """
    try:
        import typst
    except ImportError as error:
        raise UsageError("a PDF needs typst: pip install 'assay[pdf]'") from error
    found = content.of(campaign, context)
    data = json.dumps(_printable(_data(campaign, context, found)), ensure_ascii=False)
    whole: bytes = typst.compile(
        Path(__file__).with_name("report.typ").read_bytes(),
        format="pdf",
        sys_inputs={"data": data},
        pdf_standards="a-2b",
        ignore_system_fonts=True,
        timestamp=_issued(campaign, context),
    )
    return whole


def _issued(campaign: Campaign, context: Context) -> datetime:
    """What the file says about its making: the day of issue, else the beginning of the campaign."""
    if context.order and context.order.issued:
        day = context.order.issued
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    try:
        return datetime.fromisoformat(str(campaign.header.get("created"))).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(0, UTC)


def _printable(found: Any) -> Any:
    """The same data with every character that the fonts do not hold as its code point."""
    if isinstance(found, str):
        return "".join(c if ord(c) in FONTS or c in SYMBOLS else f"\u27e8U+{ord(c):04X}\u27e9" for c in found)
    if isinstance(found, Mapping):
        return {str(key): _printable(value) for key, value in found.items()}
    if isinstance(found, (list, tuple)):
        return [_printable(value) for value in found]
    return found


def _data(campaign: Campaign, context: Context, found: Content) -> dict[str, Any]:
    known, header, order = mapping.load(), campaign.header, context.order or Order()
    declared = content.mapping_of(at(header, "profile", "features"))
    return {
        "id": found.id,
        "number": one_line(number(found, context), 120),
        "product": one_line(product(campaign), 160),
        "banner": found.banner,
        "vendor": one_line(at(header, "profile", "product", "vendor") or "", 300),
        "laboratory": order.laboratory.name if order.laboratory else None,
        "customer": order.customer.name if order.customer else None,
        "judge": JUDGE,
        "harness": one_line(header.get("harness") or "of unknown version", 40),
        "functions": [one_line(f, 200) for f in content.functions(header)],
        "rules": {k: one_line(v, 64) for k, v in content.mapping_of(header.get("rules")).items()},
        "now": rules.current()["digest"],
        "digests": [
            (spec_name(key), one_line(then, 64), changed) for key, then, changed in content.digests(header)
        ],
        "counts": [(o, n, content.MEANS[o]) for o, n in found.counts.items()],
        "total": found.total,
        "detailed": found.detailed,
        "drawn": found.drawn,
        "share": content.share(found),
        "statuses": dict(found.statuses),
        "findings": [one_line(f, 400) for f in found.findings],
        "cases": [_case(case) for case in found.cases if case.anchor],
        "inapplicable": [
            [f"{line.planned.case} / {line.planned.variant}", one_line(line.verdict.reason)]
            for line in found.inapplicable[:1000]
        ],
        "declared": [
            [one_line(name, 40), at(feature, "supported") is True, one_line(at(feature, "why"))]
            for name, feature in declared.items()
        ],
        "waivers": [
            [
                w.case + (f" / {w.variant}" if w.variant else ""),
                w.owner,
                str(w.until),
                one_line(w.reason, 1000),
            ]
            for w in context.waivers
        ],
        "fields": [
            [f.clause, f.label, None if f.values is None else [one_line(v, 4000) for v in f.values], f.needed]
            for f in fields(campaign, found, context)
        ],
        "mapping": {
            "version": known.version,
            "date": known.date,
            "digest": mapping.digest(),
            "limits": known.limits,
            "unmapped": known.unmapped,
            "documents": [d.model_dump() for d in known.as_a_document],
            "not_covered": known.not_covered,
        },
        "schemes": [
            {
                "name": scheme.name,
                "measures": [
                    [m.id, m.title, _tally(found, m.outcomes), m.untested, m.confidence, m.rows]
                    for m in scheme.measures
                    if m.rows
                ],
                "silent": [m.id for m in scheme.measures if not m.rows],
            }
            for scheme in found.schemes
        ],
        "evidence": [
            [
                e.row.id,
                f"{e.row.topic} ({e.row.spec})",
                e.row.evidence,
                e.row.confidence,
                e.tested,
                e.untested,
            ]
            for e in found.evidence
        ],
        "parts": [
            {
                "spec": part.spec.spec,
                "title": part.spec.title,
                "version": part.spec.version,
                "statuses": dict(part.statuses),
                "outcomes": _tally(found, part.outcomes),
                "rows": [
                    [row.case.clause, row.case.id, row.case.title, row.case.status, row.outcome]
                    for row in part.rows
                ],
            }
            for part in found.parts
        ],
        "sections": list(_sections(campaign, found)),
        "checks": content.CHECKS,
        "seals": [[seal.role, seal.key] for seal in context.seals],
        "limits": content.LIMITS,
    }


def _tally(found: Content, outcomes: Mapping[Outcome, int]) -> list[tuple[Outcome, int]]:
    return [(outcome, outcomes[outcome]) for outcome in found.counts if outcomes.get(outcome)]


def _case(case: Case) -> dict[str, Any]:
    known = case.entry
    return {
        "about": _about(case),
        "id": one_line(case.case, 100),
        "outcome": case.outcome,
        "severity": known.severity if known else "",
        "lines": [
            [
                one_line(line.planned.variant, 40),
                line.verdict.outcome,
                one_line(line.verdict.reason),
                one_line(line.waiver),
                line.seconds,
            ]
            for line in case.lines
            if line.anchor
        ],
    }


def _about(case: Case) -> str:
    known = case.entry
    about = f" clause {known.clause} \u2022 {known.title}" if known else ""
    return f"{one_line(spec_name(case.spec), 40)}{about} \u2022 target {one_line(case.target, 40)}"


def _sections(campaign: Campaign, found: Content) -> Iterator[dict[str, Any]]:
    for case, variants in content.sections(campaign, found):
        yield {
            "id": one_line(case.case, 100),
            "about": _about(case),
            "outcome": case.outcome,
            "requirement": case.entry.requirement if case.entry else "",
            "variants": [_variant(case, shown) for shown in variants],
        }


def _variant(case: Case, shown: Shown) -> dict[str, Any]:
    line, known = shown.line, shown.entry
    tags = {
        "variant proposed by us, not in 3GPP's text": known is not None and known.origin == "proposed",
        "rule proposed by us, not 3GPP's": known is not None and known.rule_proposed,
        "goes beyond 3GPP's procedure": known is not None and known.beyond_procedure,
    }
    return {
        "name": one_line(line.planned.variant, 40),
        "title": known.title if known and known.title else "",
        "tags": [tag for tag, here in tags.items() if here],
        "outcome": line.verdict.outcome,
        "reason": one_line(line.verdict.reason, 1000),
        "waiver": one_line(line.waiver, 1000),
        "seconds": line.seconds,
        "banner": shown.banner,
        "losses": [one_line(loss, 300) for loss in shown.losses],
        "refs": [one_line(f"{r.text}: {r.said}" if r.said else r.text, 300) for r in shown.refs[:20]],
        "passes": known.passes if known else (),
        "steps": known.steps if known else (),
        "control": known.control if known else (),
        "controls": [
            [c.worked, one_line(c.what, 200) + (f" ({one_line(c.saw, 200)})" if c.saw else "")]
            for c in shown.controls[:30]
        ],
        "files": [
            [one_line(f.name, 80), one_line(f.sha256, 64), one_line(f.problem, 120)] for f in shown.files
        ],
        "conditions": "; ".join(f"{one_line(n, 40)} ({one_line(held)})" for n, held in shown.conditions),
        "drawings": _drawings(shown, f"{case.case} variant {line.planned.variant}"),
    }


def _drawings(shown: Shown, name: str) -> list[tuple[str, int]]:
    """The drawings of the HTML report with the colours of paper, each with its width in points."""
    if shown.sequence is None:
        return []
    templates = environment()
    made = str(templates.get_template("sequence.svg.jinja").module.drawing(shown.sequence, name))  # type: ignore[attr-defined]
    style = templates.get_template("report.css.jinja").render(id="")
    rules = [
        re.sub(r"var\(--(\w+)\)", lambda m: COLOURS[m[1]], rule)
        for rule in style.splitlines()
        if rule[:4] == ".seq"
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg"><style>{"".join(rules)}</style>'
    return [
        (head.replace("><style", f" {attributes}><style") + inner, min(498, shown.sequence.width * 5 // 9))
        for attributes, inner in re.findall(r"<svg ([^>]*)>(.*?</svg>)", made, re.DOTALL)
    ]
