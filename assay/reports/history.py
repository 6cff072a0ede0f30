"""A product's verdicts over its releases as one HTML file, which asks nobody for anything."""

from datetime import date

from assay.history import CONFIDENCE, Cell, History, flake_bound
from assay.reports.common import one_line
from assay.reports.html import SIGNS, environment


def render(found: History, *, today: date, max_age: int | None = None) -> str:
    """The page: what changed, a matrix of variants and releases, and what is not green now.

    `max_age` is in days before `today`; the same store and the same day give the same text.
    """
    page = environment().get_template("history.html.jinja")
    return page.render(
        history=found,
        id="",
        signs=SIGNS,
        today=today,
        max_age=max_age,
        expired=found.expired(today, max_age) if max_age is not None else [],
        confidence=round(100 * CONFIDENCE),
        three=round(100 * flake_bound(3)),
        title=_title,
    )


def _title(cell: Cell) -> str:
    """What a cell says to whoever points at it."""
    said = f"{cell.words} in {cell.runs} run{'s' if cell.runs != 1 else ''}, last {cell.last[:10]}"
    if cell.bound is not None:
        said += f"; a flake rate of {100 * cell.bound:.0f} % and more is excluded"
    return f"{said}: {one_line(cell.reason, 300)}"
