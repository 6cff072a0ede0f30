"""What the formats of others have in common: one table of verdicts, and names that are always the same."""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from assay import findings, rules, waivers
from assay.campaign import Campaign, Result
from assay.catalogue import TestCase
from assay.reports.common import (
    JUDGE,
    Context,
    at,
    banner,
    counts,
    entry,
    faults,
    finite,
    href,
    identity,
    one_line,
    product,
)
from assay.verdict import Outcome
from assay.waivers import Waiver

NAMESPACE = "tag:assay,2026:results"
"""Marks the properties that are ours in formats that let anybody add properties (RFC 4151)."""

SHA256 = re.compile(r"[0-9a-f]{64}")
EPOCH = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Words:
    """How the formats of others say an outcome; None where they have no word that would be true."""

    junit: Literal["failure", "error", "skipped"] | None
    sarif: Literal["pass", "fail", "open", "notApplicable"] | None
    oscal: tuple[Literal["satisfied", "not-satisfied"], Literal["pass", "fail", "other"]] | None
    cyclonedx: Literal["claims", "counterClaims"] | None
    allure: Literal["passed", "failed", "broken", "skipped"] | None


VERDICTS: Mapping[Outcome, Words] = {
    Outcome.PASS: Words(None, "pass", ("satisfied", "pass"), "claims", "passed"),
    Outcome.FAIL: Words("failure", "fail", ("not-satisfied", "fail"), "counterClaims", "failed"),
    Outcome.INCONCLUSIVE: Words("error", "open", ("not-satisfied", "other"), None, "broken"),
    Outcome.ERROR: Words("error", "open", ("not-satisfied", "other"), None, "broken"),
    Outcome.NOT_APPLICABLE: Words("skipped", "notApplicable", None, None, "skipped"),
    Outcome.NOT_RUN: Words("skipped", None, None, None, None),
}
"""PASS alone is green; what could not be decided is never left to be taken for it."""


@dataclass(frozen=True)
class File:
    """An evidence file as a record names it; the link is empty where it would lead out of the campaign."""

    name: str
    sha256: str
    href: str


@dataclass(frozen=True)
class Row:
    """One variant on one target, with its texts made inert."""

    spec: str
    case: str
    variant: str
    target: str
    verdict: Outcome
    reason: str
    refs: tuple[str, ...]
    started: str  # ISO 8601, empty where it was not run
    seconds: float | None
    files: tuple[File, ...]
    waiver: Waiver | None
    entry: TestCase | None
    control: str  # the test case as a token: letters, digits, point, hyphen, underscore
    objective: str  # the variant as a token

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names the row in a campaign."""
        return self.spec, self.case, self.variant, self.target

    @property
    def names(self) -> dict[str, str]:
        """The key and the verdict, by name: what every format holds of a row, to be read back."""
        return {
            **dict(zip(("spec", "case", "variant", "target"), self.key, strict=True)),
            "verdict": self.verdict.value,
        }


@dataclass(frozen=True)
class Export:
    """A campaign judged once, with what every export says about it."""

    id: str
    product: str
    vendor: str
    rules: str  # the rules digest it was run under
    judged_under: str  # the rules digest of this installation
    judged_by: str
    created: str
    ended: str
    demonstration: str  # what is said of a product made to misbehave, else empty
    counts: Mapping[Outcome, int]
    findings: tuple[str, ...]
    rows: tuple[Row, ...]
    functions: Mapping[str, str]  # target -> network product class
    header: Mapping[str, Any]

    def uuid(self, *names: str) -> str:
        """A version 5 UUID of a part of this campaign: the same in every export of it."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join((NAMESPACE, self.id, *names))))

    @property
    def facts(self) -> dict[str, str]:
        """The identity block: what was judged, under which rules, by whom; no value is empty."""
        found = {
            "campaign": self.id,
            "rules": self.rules,
            "product": self.product,
            "created": self.created,
            "harness": one_line(self.header.get("harness") or "unknown"),
            "judged_by": self.judged_by,
            "judged_under": self.judged_under,
            **{f"verdicts.{outcome.value}": str(number) for outcome, number in self.counts.items()},
            **{f"finding.{number}": text for number, text in enumerate(self.findings, 1)},
        }
        return {**found, "demonstration": self.demonstration} if self.demonstration else found


def of(campaign: Campaign, context: Context) -> Export:
    """Judge a campaign and gather what exports need; no clock and no chance takes part."""
    results = [slim(result) for result in campaign.results()]
    header = campaign.header
    created = when(header.get("created"))
    ends = [when(r.record.started) for r in results if r.record]
    functions: Any = at(header, "profile", "functions")
    return Export(
        id=identity(campaign),
        product=one_line(product(campaign)),
        vendor=one_line(at(header, "profile", "product", "vendor") or "unnamed vendor"),
        rules=one_line(at(header, "rules", "digest") or "unknown"),
        judged_under=rules.current()["digest"],
        judged_by=f"assay {JUDGE}",
        created=created,
        ended=max([created, *ends]),
        demonstration=one_line(banner(faults(campaign, results)), 2000),
        counts=counts(results),
        findings=tuple(one_line(text) for text in findings.of(campaign, results)),
        rows=tuple(_row(result, context) for result in results),
        functions={
            one_line(name): one_line(at(functions, name, "class") or "unknown")
            for name in (functions if isinstance(functions, Mapping) else {})
        },
        header=header,
    )


def slim(result: Result) -> Result:
    """A result without the facts, which are most of a record."""
    return replace(result, record=replace(result.record, attempts=())) if result.record else result


def _row(result: Result, context: Context) -> Row:
    planned, record, known = result.planned, result.record, entry(result.planned)
    control = token(planned.spec, planned.slug)
    files = sorted(record.evidence.items()) if record else []
    return Row(
        spec=one_line(planned.spec),
        case=one_line(planned.case),
        variant=one_line(planned.variant),
        target=one_line(planned.target),
        verdict=result.verdict.outcome,
        reason=one_line(result.verdict.reason, 2000) or "no reason given",
        refs=tuple(one_line(ref, 200) for ref in result.verdict.refs[:50]),
        started=when(record.started) if record else "",
        seconds=finite(record.seconds) if record else None,
        files=tuple(
            File(one_line(name, 200), sha256 if SHA256.fullmatch(sha256) else "", href(planned, name))
            for name, sha256 in files
        ),
        waiver=waivers.of(context.waivers, planned.case, planned.variant),
        entry=known,
        control=control,
        objective=token(planned.spec, planned.slug, planned.variant),
    )


def token(*parts: str) -> str:
    """Parts joined by points to a name that XML and OSCAL take for one (NCName)."""
    whole = ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", part[:200]) or "_" for part in parts)
    return whole if whole[0].isalpha() or whole[0] == "_" else f"_{whole}"


def when(stamp: object) -> str:
    """A time of the records in UTC with its zone, the epoch where it is none: records come from anywhere."""
    try:
        found = datetime.fromisoformat(str(stamp)[:60])
        return found.astimezone(UTC).isoformat(timespec="milliseconds") if found.tzinfo else EPOCH
    except (ValueError, OverflowError):
        return EPOCH


def accepted(waiver: Waiver) -> str:
    """A waiver in one sentence."""
    reason = one_line(waiver.reason, 2000)
    return f"accepted by {one_line(waiver.owner)} until {waiver.until.isoformat()}: {reason}"


def by_case(rows: tuple[Row, ...]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each test case by its token, over its variants and targets, in the order of the plan."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.control, []).append(row)
    yield from groups.items()
