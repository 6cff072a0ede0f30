"""The campaign as a Markdown table, for comments of CI systems and job summaries."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from assay import findings, waivers
from assay.campaign import Campaign, Result
from assay.reports.common import (
    Context,
    at,
    banner,
    counts,
    entry,
    faults,
    finite,
    identity,
    one_line,
    product,
)
from assay.verdict import SEVERITY, Outcome

LIMIT = 60_000
"""Octets of UTF-8: below what GitHub takes for a comment (65,536 characters); its job page takes 1 MiB."""
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


def render(campaign: Campaign, context: Context) -> str:
    """What was tested, the counts, and one row a variant in the order of the plan.

    Longer than `LIMIT` it is never: then the worst verdicts come first, and it says how many are left out.
    """
    results = list(campaign.results())
    lines = [
        *head(campaign, results),
        "",
        *table(results, context),
        "",
        *(f"- {cell(found)}" for found in findings.of(campaign, results)),
    ]
    return page(lines)


def page(lines: Iterable[str]) -> str:
    """The lines as one text of at most `LIMIT` octets, whatever they hold; it says where it was cut."""
    kept: list[str] = []
    used, cut = 0, "\nCut here: the full report has the rest.\n"
    for line in lines:
        used += len(line.encode()) + 1
        if used > LIMIT - len(cut) - 1:
            return "\n".join(kept) + "\n" + cut
        kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"


def head(campaign: Campaign, results: Sequence[Result]) -> list[str]:
    """What was tested, under which rules, and the counts."""
    lines = [f"### SCAS results: {cell(product(campaign))}", ""]
    if demonstration := banner(faults(campaign, results)):
        lines += [f"> **{cell(demonstration)}**", ""]
    found = ", ".join(f"{number} {cell(outcome)}" for outcome, number in counts(results).items() if number)
    harness, created = (cell(campaign.header.get(key, "?"), 60) for key in ("harness", "created"))
    rules = cell(at(campaign.header, "rules", "digest") or "unknown", 16)
    return [
        *lines,
        f"{found or 'nothing was planned'}",
        "",
        f"Begun {created} with assay {harness}, campaign `{identity(campaign)[:16]}`, rules `{rules}`",
    ]


def table(results: Sequence[Result], context: Context, limit: int = LIMIT - 10_000) -> list[str]:
    """The rows that fit into `limit` octets: all in their order, else the worst."""
    head = [
        "| Verdict | Clause | Test case | Variant | Reason | Seconds |",
        "|:--|:--|:--|:--|:--|--:|",
    ]
    rows = [(_row(result, context), result.verdict.outcome) for result in results]
    if sum(len(row.encode()) + 1 for row, _ in rows) <= limit:
        return [*head, *(row for row, _ in rows)]
    rows.sort(key=lambda found: SEVERITY.index(found[1]))
    shown, used = 0, 0
    while shown < len(rows) and (used := used + len(rows[shown][0].encode()) + 1) <= limit:
        shown += 1
    rest = Counter(outcome for _, outcome in rows[shown:])
    left = ", ".join(f"{rest[o]} {cell(o)}" for o in SEVERITY if rest[o])
    return [*head, *(row for row, _ in rows[:shown]), "", f"Left out here, in the full report: {left}."]


def _row(result: Result, context: Context) -> str:
    planned, outcome, known = result.planned, result.verdict.outcome, entry(result.planned)
    took = finite(result.record.seconds) if result.record else None
    green = outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    waiver = None if green else waivers.of(context.waivers, planned.case, planned.variant)
    accepted = f" ({waiver.owner} accepts it until {waiver.until}: {waiver.reason})" if waiver else ""
    row = (
        f"{SIGNS[outcome]} {cell(outcome)}",
        cell(known.clause) if known else "",
        cell(planned.case, 100),
        cell(planned.variant, 40),
        cell(result.verdict.reason) + cell(accepted),
        "" if took is None else f"{took:.1f}",
    )
    return f"| {' | '.join(row)} |"
