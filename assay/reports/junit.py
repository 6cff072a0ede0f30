"""JUnit XML as Jenkins reads it (junit-10.xsd), for CI systems.

FAIL is a failure; INCONCLUSIVE and ERROR are errors; NOT_APPLICABLE and NOT_RUN are skipped, each with its
own `type`. A CI gates on the exit code of assay, which is not 0 for a campaign that was not run to its end:
viewers do not count what was skipped.
"""

from collections import Counter
from itertools import groupby
from xml.etree import ElementTree as Xml

from assay.campaign import Campaign
from assay.reports import export
from assay.reports.common import Context, spec_name
from assay.reports.export import VERDICTS, Row, accepted
from assay.verdict import Outcome


def render(campaign: Campaign, context: Context) -> str:
    """One test suite a specification, one test case a variant; details in the properties of the suite."""
    whole = export.of(campaign, context)
    root = Xml.Element("testsuites", {"name": "assay", **_totals(list(whole.rows))})
    for spec, group in groupby(sorted(whole.rows, key=lambda r: r.spec), key=lambda r: r.spec):
        mine = list(group)
        suite = Xml.SubElement(root, "testsuite", {"name": spec_name(spec), **_totals(mine)})
        suite.set("skipped", str(sum(VERDICTS[row.verdict].junit == "skipped" for row in mine)))
        if started := min((row.started for row in mine if row.started), default=""):
            suite.set("timestamp", started)
        held = Xml.SubElement(suite, "properties")
        here = Counter(row.verdict for row in mine)
        for name, value in {**whole.facts, **{f"verdicts.{o.value}": str(here[o]) for o in Outcome}}.items():
            Xml.SubElement(held, "property", name=name, value=value)
        for row in mine:
            _case(suite, row)
    Xml.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'


def _seconds(row: Row) -> float:
    return max(row.seconds or 0.0, 0.0)


def _totals(rows: list[Row]) -> dict[str, str]:
    kinds = Counter(VERDICTS[row.verdict].junit for row in rows)
    return {
        "tests": str(len(rows)),
        "failures": str(kinds["failure"]),
        "errors": str(kinds["error"]),
        "time": f"{sum(map(_seconds, rows)):.3f}",
    }


def _case(suite: Xml.Element, row: Row) -> None:
    test = Xml.SubElement(
        suite,
        "testcase",
        name=f"{row.case}/{row.variant} [{row.target}]",
        classname=row.control,
        time=f"{_seconds(row):.3f}",
    )
    element = VERDICTS[row.verdict].junit
    if element is not None:
        message = f"{row.verdict.value}: {row.reason}"
        detail = Xml.SubElement(test, element, type=row.verdict.value, message=message)
        detail.text = ", ".join(row.refs) or None
    lines = [
        *([f"clause {row.entry.clause}: {row.entry.title}"] if row.entry else []),
        f"verdict: {row.verdict.value}",
        f"reason: {row.reason}",
        *([f"waiver, which changes no verdict: {accepted(row.waiver)}"] if row.waiver else []),
        *(f"sha256 {file.sha256}  {file.name}" for file in row.files),
    ]
    Xml.SubElement(test, "system-out").text = "\n".join(lines)
