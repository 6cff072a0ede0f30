"""A test case in words, for a reader who does not program."""

import textwrap

from assay.catalogue import Specification, TestCase

WIDTH = 96


def explain(spec: Specification, case: TestCase) -> str:
    """Requirement, preparation, steps, criteria, controls and seeded faults of one test case."""
    out = [
        f"{case.id}  ({spec.spec} version {spec.version}, clause {case.clause})",
        case.title,
        "",
        f"Status: {case.status}. Severity: {case.severity} - {case.severity_reason}.",
        "",
    ]
    out += _paragraph("What it asks", case.requirement)
    if case.requirement_ref:
        out += _paragraph("Where that is written", case.requirement_ref)
    if case.applicability:
        out += _paragraph("When it applies", case.applicability)
    out += _list("What must be ready", case.preconditions)
    for variant in case.variants:
        title = f"Variant {variant.name}" + (f": {variant.title}" if variant.title else "")
        marks = []
        if variant.origin == "proposed":
            marks.append("this variant is ours, the specification does not have it")
        if variant.rule_proposed:
            marks.append("the decision rule is ours, the specification leaves it open")
        out += [title, "=" * len(title)]
        out += [f"({'; '.join(marks)})", ""] if marks else [""]
        if variant.applicability:
            out += _paragraph("When it applies", variant.applicability)
        out += _list("What is done", variant.steps, numbered=True)
        out += _list("It passes when", variant.passes)
        out += _list("It counts only when", variant.control)
    out += _list("Proven able to fail on a product that", [f"{n}: {t}" for n, t in case.faults.items()])
    out += _list("What is kept as evidence", case.evidence)
    if case.remark:
        out += _paragraph("Remark", case.remark)
    return "\n".join(out).rstrip()


def _paragraph(title: str, text: str) -> list[str]:
    body = textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return [f"{title}:", *body, ""]


def _list(title: str, items: "tuple[str, ...] | list[str]", *, numbered: bool = False) -> list[str]:
    out = [f"{title}:"] if items else []
    for number, item in enumerate(items, 1):
        mark = f"  {number}. " if numbered else "  - "
        out += textwrap.wrap(item, WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark))
    return [*out, ""] if items else []
