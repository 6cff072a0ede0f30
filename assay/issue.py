"""A verdict as an issue that a developer can work on: a text, and the frames that decided."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from assay import catalogue
from assay.campaign import Campaign, Result
from assay.catalogue import Specification, TestCase
from assay.compare import rules_of
from assay.errors import UsageError
from assay.evidence import CAPTURE
from assay.files import write_atomic
from assay.reports import sequence
from assay.reports.common import at, banner, faults, one_line, product
from assay.reports.markdown import cell
from assay.verdict import Outcome

TEXT, EXCERPT = "issue.md", "deciding.pcapng"
TOLD = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR)
MAX_LINES = 50


def write(campaign: Campaign, wanted: str, out: Path) -> list[Path]:
    """Write a folder below `out` for each variant of `wanted`, CASE or CASE/VARIANT, that did not go well.

    Returns the folders. Raises UsageError for a case that is not in the campaign, where there is nothing to
    report, where evidence is not intact, or where a folder exists.
    """
    name, _, variant = wanted.partition("/")
    spec, case = catalogue.find(name)
    mine = [
        r
        for r in campaign.results()
        if r.planned.case == case.id and variant in ("", r.planned.variant) and r.planned.spec == spec.key
    ]
    if not mine:
        held = ", ".join(dict.fromkeys(one_line(p.case, 80) for p in campaign.plan))
        raise UsageError(f"{wanted} is not in this campaign, which holds {held}")
    told = [r for r in mine if r.verdict.outcome in TOLD]
    if not told:
        found = ", ".join(f"{r.planned.variant} {r.verdict.outcome}" for r in mine)
        raise UsageError(f"nothing to report of {case.id}: {found}")
    folders = [out / f"{case.slug}-{r.planned.variant}" for r in told]
    for folder, result in zip(folders, told, strict=True):
        if folder.exists():
            raise UsageError(f"{folder} exists: give another --out, or remove it")
        if result.record and (problem := campaign.intact(result.planned, result.record)):
            raise UsageError(f"{case.id}/{result.planned.variant}: {problem}: evidence is not what it was")
    for folder, result in zip(folders, told, strict=True):
        numbers = _excerpt(campaign, result, folder)
        text = "\n".join(_text(campaign, spec, case, result, numbers)) + "\n"
        write_atomic(folder / TEXT, text.encode("utf-8", "backslashreplace"))
    return folders


def _numbers(result: Result, file: str) -> list[int]:
    """What the verdict refers to in one file of evidence: frames, or lines."""
    named = (ref.rpartition("#") for ref in result.verdict.refs)
    return [int(n) for name, _, n in named if name == file and n.isascii() and n.isdigit() and len(n) < 10]


def _excerpt(campaign: Campaign, result: Result, folder: Path) -> dict[int, int]:
    """Write the deciding frames; where each frame of the whole capture is in them."""
    from drivers.excerpt import excerpt

    deciding = _numbers(result, CAPTURE)
    if not deciding or result.record is None or CAPTURE not in result.record.evidence:
        return {}
    try:
        cut = excerpt(campaign.evidence(result.planned, CAPTURE), deciding)
    except ValueError as error:
        raise UsageError(f"{result.planned.case}/{result.planned.variant}: {CAPTURE}: {error}") from error
    if cut.numbers:
        write_atomic(folder / EXCERPT, cut.data)
    return cut.numbers


def _text(
    campaign: Campaign, spec: Specification, case: TestCase, result: Result, numbers: dict[int, int]
) -> Iterator[str]:
    planned, verdict = result.planned, result.verdict
    variant = next((v for v in case.variants if v.name == planned.variant), None)
    if variant is None:
        raise UsageError(f"{case.id} has no variant {one_line(planned.variant, 60)} in this version")
    yield f"# {cell(case.id)}/{cell(variant.name)} {verdict.outcome}: {cell(case.title)}"
    if demonstration := banner(faults(campaign, [result])):
        yield f"\n> **{cell(demonstration)}**"
    yield f"\n{cell(verdict.reason, 1000)}\n"
    yield f"- Product: {cell(product(campaign))}"
    yield f"- Test case: {cell(spec.spec)} version {spec.version}, clause {cell(case.clause)}"
    yield f"- Severity: {case.severity} ({cell(case.severity_reason)})"
    yield f"- Rules digest: `{cell(rules_of(campaign), 64)}`; campaign `{campaign.digest}`"
    if result.record:
        yield f"- Run: {cell(result.record.started, 40)}, assay {cell(result.record.harness, 40)}"
    yield from _part("What is required", [case.requirement, *filter(None, [case.requirement_ref])])
    yield from _part("What must be ready", case.preconditions, "- ")
    yield from _part("What is done", variant.steps, "1. ")
    yield from _part("It passes when", variant.passes, "- ")
    attempts = result.record.attempts if result.record else ()
    broken = [c for c in sequence.controls(attempts) if not c.worked]
    yield from _part("Controls that did not work", [f"{c.what}: {c.saw}" for c in broken], "- ")
    yield from _deciding(campaign, result, numbers)
    yield from _again(campaign, case, result)


def _part(title: str, texts: Sequence[str], mark: str = "") -> Iterator[str]:
    if texts:
        yield f"\n## {title}\n"
        yield ("\n" if mark else "\n\n").join(f"{mark}{cell(text, 4000)}" for text in texts)


def _deciding(campaign: Campaign, result: Result, numbers: dict[int, int]) -> Iterator[str]:
    yield "\n## What decided\n"
    refs = result.verdict.refs
    if not refs:
        yield "No single message: the reason above says what was missing."
        return
    drawn = sequence.draw(result.record.attempts, refs) if result.record else None
    yield f"| Evidence | In {EXCERPT} | Seconds | From | To | Message | Facts |"
    yield "|:--|--:|--:|:--|:--|:--|:--|"
    listed: set[str] = set()
    for row in drawn.rows if drawn else ():
        if row.event is not None and row.decides and len(listed) < MAX_LINES:
            listed.add(row.event.ref)
            place = numbers.get(_frame(row.event.ref), "")
            sides = f"{cell(row.sender)} | {cell(row.receiver)}"
            said = f"{cell(row.event.name)} | {cell(row.facts, 600)}"
            yield f"| {cell(row.event.ref, 80)} | {place} | {row.event.at:.3f} | {sides} | {said} |"
    for ref in [ref for ref in refs if ref not in listed][:MAX_LINES]:
        yield f"| {cell(ref, 80)} | {numbers.get(_frame(ref), '')} | | | | | |"
    if numbers:
        yield (
            f"\n{EXCERPT} holds the frames that decided and those without which they cannot be read; the "
            "comment of each says which frame it was. It shows addresses and subscriber identities: look "
            "before you publish (`assay redact`)."
        )
    lines = _numbers(result, "product.log")
    if lines and result.record and "product.log" in result.record.evidence:
        whole = campaign.evidence(result.planned, "product.log").decode(errors="replace").split("\n")
        yield "\nLines of the product's log:\n"
        for number in [n for n in lines if 1 <= n <= len(whole)][:MAX_LINES]:
            yield f"- {number}: {cell(whole[number - 1], 1000)}"


def _frame(ref: str) -> int:
    file, _, number = ref.rpartition("#")
    return int(number) if file == CAPTURE and number.isascii() and number.isdigit() else 0


def _again(campaign: Campaign, case: TestCase, result: Result) -> Iterator[str]:
    on = [shlex.quote(one_line(name, 60)) for name in faults(campaign, [result])]
    command = f"assay run PROFILE --case {shlex.quote(f'{case.slug}/{result.planned.variant}')}"
    yield "\n## Run it again\n"
    yield f"    {' '.join([command, *(f'--fault {name}' for name in on)])}"
    sha256 = cell(at(campaign.header, "profile_sha256") or "unknown", 64)
    yield (
        f"\nPROFILE is that of the product (here SHA-256 {sha256}); the campaign itself is judged again, "
        "without the product, with `assay judge CAMPAIGN`."
    )
