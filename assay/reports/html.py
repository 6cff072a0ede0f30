"""The campaign as one HTML file that asks nobody for anything: no script, font or image from elsewhere."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assay import mapping, rules
from assay.campaign import Campaign
from assay.reports import content
from assay.reports.common import (
    JUDGE,
    Context,
    at,
    one_line,
    product,
    shown,
    spec_name,
    value,
)
from assay.reports.content import Content
from assay.reports.fields import fields, number
from assay.reports.order import Order
from assay.verdict import Outcome

HERE = Path(__file__).parent
SIGNS = {
    Outcome.PASS: "\u2713",
    Outcome.FAIL: "\u2715",
    Outcome.INCONCLUSIVE: "?",
    Outcome.ERROR: "!",
    Outcome.NOT_APPLICABLE: "\u2013",
    Outcome.NOT_RUN: "\u25cb",
}
SEVERITIES = ("critical", "high", "medium", "low")


def environment() -> Environment:
    """Templates in which every text is made visible and then escaped."""
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    made.filters |= {"line": one_line, "value": value, "spec": spec_name, "when": _when}
    return made


def render(campaign: Campaign, context: Context) -> str:
    """The report; its links to evidence are relative to the campaign folder."""
    found = content.of(campaign, context)
    header = campaign.header
    templates = environment()
    style = templates.get_template("report.css.jinja").render(id=found.id)
    script = (HERE / "report.js").read_text("utf-8")
    known = [case.entry for case in found.cases if case.entry]
    return templates.get_template("report.html.jinja").render(
        id=found.id,
        number=number(found, context),
        judge=JUDGE,
        header=header,
        at=at,
        product=product(campaign),
        functions=content.functions(header),
        order=context.order or Order(),
        fields=fields(campaign, found, context),
        waivers=context.waivers,
        c=found,
        share=content.share(found),
        signs=SIGNS,
        means=content.MEANS,
        sections=content.sections(campaign, found),
        declared=content.mapping_of(at(header, "profile", "features")),
        digests=content.digests(header),
        rules=content.mapping_of(header.get("rules")),
        now=rules.current()["digest"],
        packages=content.mapping_of(at(header, "environment", "packages")),
        specs=list(dict.fromkeys(case.spec for case in found.cases)),
        severities=[s for s in SEVERITIES if any(entry.severity == s for entry in known)],
        interfaces=sorted({name for entry in known for name in entry.interfaces}),
        mapping=mapping.load(),
        mapping_digest=mapping.digest(),
        limits=content.LIMITS,
        checks=content.CHECKS,
        seals=context.seals,
        style=style,
        style_digest=_source(style),
        script=script,
        script_digest=_source(script),
        data=_data(found),
    )


def _source(inline: str) -> str:
    """A source expression of a content security policy for this very style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()


def _data(found: Content) -> str:
    """Every row for the script, as JSON in which nothing can end the element that holds it."""
    outcomes = list(found.counts)
    cases, rows = [], []
    for place, case in enumerate(found.cases):
        known = case.entry
        about = f"clause {known.clause} \u00b7 {known.title}" if known else ""
        faces = list(known.interfaces) if known else []
        cases.append(
            [
                one_line(case.spec, 40).lower(),
                one_line(spec_name(case.spec), 40),
                one_line(case.case, 100),
                about,
                known.severity if known else "",
                faces,
                case.anchor,
                outcomes.index(case.outcome),
            ]
        )
        for line in case.lines:
            rows.append(
                [
                    place,
                    one_line(line.planned.variant, 40),
                    outcomes.index(line.verdict.outcome),
                    one_line(line.verdict.reason, 500),
                    line.seconds,
                    line.anchor,
                    one_line(line.waiver, 500),
                ]
            )
    whole = {
        "outcomes": [[outcome, SIGNS[outcome]] for outcome in outcomes],
        "cases": cases,
        "rows": rows,
        "written": found.detailed,
    }
    text = json.dumps(whole, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _visible(found: Any) -> Any:
    """Applied to whatever the template puts out, before it is escaped."""
    return found if isinstance(found, (Markup, int, float)) else shown(found)


def _when(stamp: object) -> str:
    """An ISO 8601 time of the records as people read it."""
    return re.sub(r"(?<=\d)T(?=\d\d:\d\d:\d\d)", " ", str(stamp)[:60]).replace("+00:00", " UTC")
