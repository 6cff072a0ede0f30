"""The campaign as a Markdown table, for comments of CI systems and job summaries."""

import re

from assay import findings
from assay.campaign import Campaign
from assay.reports.common import (
    banner,
    counts,
    entry,
    faults,
    finite,
    identity,
    one_line,
    product,
)

SIGNS = {
    "PASS": "\u2705",
    "FAIL": "\u274c",
    "INCONCLUSIVE": "\u2753",
    "ERROR": "\u26a0\ufe0f",
    "NOT_APPLICABLE": "\u2796",
    "NOT_RUN": "\u23f8\ufe0f",
}
SPECIAL = re.compile(r"[\\`*_\[\]<>!|~&$]|:(?=//)|(?<=[wW])\.|[#@](?=\S)")


def cell(text: object, limit: int = 300) -> str:
    """Text that stays text in a table: no markup, link, image, mention or reference to an issue comes of it.

    A comment after # and @ is what keeps GitHub from making links of them.
    """

    def escape(match: re.Match[str]) -> str:
        char = match[0]
        if char in "<>&:|`.":
            return f"&#{ord(char)};"
        return f"{char}<!-- -->" if char in "#@" else f"\\{char}"

    return SPECIAL.sub(escape, one_line(text, limit))


def render(campaign: Campaign) -> str:
    """What was tested, the counts, and one row a variant in the order of the plan."""
    results = list(campaign.results())
    lines = [f"### SCAS results: {cell(product(campaign))}", ""]
    if demonstration := banner(faults(campaign, results)):
        lines += [f"> **{cell(demonstration)}**", ""]
    found = ", ".join(f"{number} {cell(outcome)}" for outcome, number in counts(results).items() if number)
    harness, created = (cell(campaign.header.get(key, "?"), 60) for key in ("harness", "created"))
    lines += [
        f"{found or 'nothing was planned'}",
        "",
        f"Begun {created} with assay {harness}, campaign `{identity(campaign)[:16]}`",
        "",
        "| Verdict | Clause | Test case | Variant | Reason | Seconds |",
        "|:--|:--|:--|:--|:--|--:|",
    ]
    for result in results:
        planned, outcome, known = result.planned, result.verdict.outcome, entry(result.planned)
        took = finite(result.record.seconds) if result.record else None
        row = (
            f"{SIGNS[outcome]} {cell(outcome)}",
            cell(known.clause) if known else "",
            cell(planned.case, 100),
            cell(planned.variant, 40),
            cell(result.verdict.reason),
            "" if took is None else f"{took:.1f}",
        )
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", *(f"- {cell(found)}" for found in findings.of(campaign, results))]
    return "\n".join(lines).rstrip("\n") + "\n"
