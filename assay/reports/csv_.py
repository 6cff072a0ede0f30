"""The verdicts as CSV (RFC 4180, UTF-8), one row a variant, for spreadsheets of laboratories."""

import csv
import io
import re

from assay.campaign import Campaign
from assay.reports import export
from assay.reports.common import Context
from assay.reports.export import Row, accepted

COLUMNS = [
    *("spec", "clause", "case", "title", "variant", "target", "verdict", "reason", "severity"),
    *("started", "seconds", "refs", "evidence", "waiver"),
    *("campaign", "rules", "product", "judged_by", "judged_under", "note"),
]
FORMULA = re.compile('(^|;)(?=["\\s]*[=+@\\-\u2212\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b])')
"""Where a spreadsheet may see the start of a formula; some split at semicolons whatever the file says."""


def cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe stands before what might be one."""
    return FORMULA.sub(r"\1'", text)


def render(campaign: Campaign, context: Context) -> str:
    """The identity of the campaign stands in each row, so that sorting and cutting do not lose it."""
    whole = export.of(campaign, context)
    judged = whole.judged_by, whole.judged_under
    shared = (whole.id, whole.rules, whole.product, *judged, whole.demonstration)
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in whole.rows:
        writer.writerow([cell(text) for text in (*_row(row), *shared)])
    return out.getvalue()


def _row(row: Row) -> tuple[str, ...]:
    known = row.entry
    return (
        row.spec,
        known.clause if known else "",
        row.case,
        known.title if known else "",
        row.variant,
        row.target,
        row.verdict.value,
        row.reason,
        known.severity if known else "",
        row.started,
        "" if row.seconds is None else f"{max(row.seconds, 0.0):.3f}",
        " ".join(row.refs),
        " ".join(f"{file.name}:{file.sha256}" for file in row.files),
        accepted(row.waiver) if row.waiver else "",
    )
