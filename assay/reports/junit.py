"""JUnit XML as Jenkins reads it (junit-10.xsd), for CI systems.

FAIL is a failure; INCONCLUSIVE and ERROR are errors; NOT_APPLICABLE and NOT_RUN are skipped, each with its
own `type`. A CI gates on the exit code of assay, which is not 0 for a campaign that was not run to its end:
viewers do not count what was skipped.
"""

import re
from collections import Counter
from itertools import groupby
from xml.etree import ElementTree as Xml

from assay.campaign import Campaign, Result
from assay.reports.common import (
    JUDGE,
    banner,
    counts,
    entry,
    faults,
    finite,
    identity,
    one_line,
    product,
    shown,
    spec_name,
)
from assay.verdict import Outcome

ELEMENTS = {
    Outcome.FAIL: "failure",
    Outcome.INCONCLUSIVE: "error",
    Outcome.ERROR: "error",
    Outcome.NOT_APPLICABLE: "skipped",
    Outcome.NOT_RUN: "skipped",
}
INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legal(text: object, limit: int = 2000) -> str:
    """Text without the characters that XML 1.0 has no place for; the other odd ones made visible."""
    return one_line(INVALID.sub("", str(text)), limit)


def seconds(result: Result) -> float:
    """How long a variant took; 0 where it was not run or its record says nonsense."""
    took = finite(result.record.seconds) if result.record else None
    return max(took or 0.0, 0.0)


def render(campaign: Campaign) -> str:
    """One test suite a specification, one test case a variant; details in the properties of the suite."""
    results = list(campaign.results())
    properties = {
        "campaign": identity(campaign),
        "product": product(campaign),
        "created": campaign.header.get("created", ""),
        "harness": campaign.header.get("harness", ""),
        "judged_by": JUDGE,
    }
    if demonstration := banner(faults(campaign, results)):
        properties["demonstration"] = demonstration
    root = Xml.Element("testsuites", {"name": "assay", **_totals(results)})
    for key, group in groupby(sorted(results, key=lambda r: r.planned.spec), key=lambda r: r.planned.spec):
        mine = list(group)
        suite = Xml.SubElement(root, "testsuite", {"name": legal(spec_name(key)), **_totals(mine)})
        suite.set("skipped", str(sum(ELEMENTS.get(r.verdict.outcome) == "skipped" for r in mine)))
        if started := min((r.record.started for r in mine if r.record), default=""):
            suite.set("timestamp", legal(started, 40))
        held = Xml.SubElement(suite, "properties")
        per_outcome = {f"verdicts.{o.value}": str(n) for o, n in counts(mine).items()}
        for name, value in {**properties, **per_outcome}.items():
            Xml.SubElement(held, "property", name=name, value=legal(value))
        for result in mine:
            _case(suite, result)
    Xml.indent(root, " ")
    text = Xml.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _totals(results: list[Result]) -> dict[str, str]:
    kinds = Counter(ELEMENTS.get(r.verdict.outcome, "") for r in results)
    return {
        "tests": str(len(results)),
        "failures": str(kinds["failure"]),
        "errors": str(kinds["error"]),
        "time": f"{sum(map(seconds, results)):.3f}",
    }


def _case(suite: Xml.Element, result: Result) -> None:
    planned, verdict = result.planned, result.verdict
    test = Xml.SubElement(
        suite,
        "testcase",
        name=legal(f"{planned.case}/{planned.variant} [{planned.target}]"),
        classname=legal(f"{planned.spec}.{planned.slug}"),
        time=f"{seconds(result):.3f}",
    )
    element = ELEMENTS.get(verdict.outcome)
    if element is not None:
        message = legal(f"{verdict.outcome.value}: {verdict.reason}")
        detail = Xml.SubElement(test, element, type=verdict.outcome.value, message=message)
        detail.text = ", ".join(legal(ref, 200) for ref in verdict.refs[:50]) or None
    known = entry(planned)
    lines = [f"verdict: {verdict.outcome.value}", f"reason: {legal(verdict.reason)}"]
    if known is not None:
        lines.insert(0, f"clause {known.clause}: {shown(known.title)}")
    if result.record is not None:
        lines += [
            f"sha256 {legal(d, 64)}  {legal(n, 200)}" for n, d in sorted(result.record.evidence.items())
        ]
    Xml.SubElement(test, "system-out").text = "\n".join(lines)
