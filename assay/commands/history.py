"""Commands about verdicts over releases: store, history."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.errors import UsageError

if TYPE_CHECKING:
    from assay.history import Cell, History, Variant

EXISTING = click.Path(path_type=Path)


@click.group()
def store() -> None:
    """Keep the verdicts of many campaigns in a database, for `assay history`."""


STORE = click.option(
    "--store",
    "url",
    help="sqlite:///FILE or postgresql://... (default: $ASSAY_STORE, else sqlite:///assay-store.db).",
)


@store.command("add")
@click.argument("campaigns", type=EXISTING, nargs=-1, required=True)
@STORE
def store_add(campaigns: tuple[Path, ...], url: str | None) -> None:
    """Add the verdicts of each of CAMPAIGNS, as they are judged now; again is the same as once.

    A campaign is known by its bundle digest, so its folder and its sealed bundle are one. After an upgrade of
    assay add them again: they are judged by the new rules. A URL with a password belongs into ASSAY_STORE.

    \b
    assay store add campaigns/* --store sqlite:///verdicts.db
    ASSAY_STORE=postgresql://ci:...@db.lab/assay assay store add bundles/*.tar
    """
    from assay.campaign import Campaign
    from assay.store import Store, from_environment

    kept = Store(from_environment(url))
    try:
        for path in campaigns:
            click.echo(f"{path}: {kept.add(Campaign.open(path))}")
    finally:
        kept.close()


@click.command()
@STORE
@click.option("--product", help="Name of the product, where the store has several.")
@click.option("--vendor", help="Its vendor, where several have a product of that name.")
@click.option("--max-age", type=click.IntRange(0), help="Days after which evidence has expired.")
@click.option(
    "--releases", type=click.IntRange(1, 200), default=20, show_default=True, help="The last so many."
)
@click.option("--html", type=EXISTING, help="Also write a page: one file, no request to anywhere.")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def history(
    url: str | None,
    product: str | None,
    vendor: str | None,
    max_age: int | None,
    releases: int,
    html: Path | None,
    as_json: bool,
) -> int:
    """Say what became of a product's verdicts over its releases.

    Runs of one release under one configuration, one set of rules and one judge are repeats. n runs that are
    all alike exclude, at 95 % confidence, a flake rate of 1 - 0.05^(1/n) and more: 63 % for 3, 5 % for 59.
    Runs that disagree have no verdict. Releases are in the order of their first campaigns.

    \b
    assay history --store sqlite:///verdicts.db --max-age 180 --html history.html
    assay history --product "Example AMF" --json

    Exit code: 0 nothing to see to, 1 something regressed in the current release, 2 runs disagree, evidence
    has expired, or a variant has no verdict any more, 4 usage or database.
    """
    from assay.reports import history as page
    from assay.store import Store, from_environment

    kept = Store(from_environment(url))
    try:
        found = kept.history(*_one_product(kept.products(), product, vendor), releases)
    finally:
        kept.close()
    today = date.today()
    expired = found.expired(today, max_age) if max_age is not None else []
    if html:
        html.write_text(page.render(found, today=today, max_age=max_age), "utf-8")
    if as_json:
        click.echo(json.dumps(_history_object(found, expired), indent=1))
    else:
        _print_history(found, expired)
        if html:
            click.echo(f"page: {html}")
    if found.regressed():
        return 1
    return 2 if found.disagreeing() or found.missing() or expired else 0


def _one_product(known: list[tuple[str, str]], product: str | None, vendor: str | None) -> tuple[str, str]:
    fitting = [(p, v) for p, v in known if product in (None, p) and vendor in (None, v)]
    if len(fitting) == 1:
        return fitting[0]
    listed = "\n".join(f"  --product {p!r} --vendor {v!r}" for p, v in (fitting or known)[:50])
    if not known:
        raise UsageError("the store is empty: assay store add CAMPAIGN")
    raise UsageError(f"{'several fit' if fitting else 'there is no such product'}; the store has\n{listed}")


def _print_history(found: "History", expired: "Sequence[tuple[Variant, Cell]]") -> None:
    from assay.history import flake_bound

    click.echo(f"{found.product}{f' ({found.vendor})' if found.vendor else ''}")
    for release in found.releases:
        many = f"{release.campaigns} campaign{'s' if release.campaigns != 1 else ''}"
        demo = f", seeded faults {release.faults}: a demonstration" if release.faults else ""
        under = f"rules {release.rules[:12]}, judged by {release.judged[:12]}"
        where = f"{under}, configuration {release.config[:12]}{demo}"
        click.echo(f"  {release.first[:10]}  {release.label}: {many}, {where}")
    click.echo()
    lists = (
        ("regressed", "red", found.regressed()),
        ("disagree", "yellow", found.disagreeing()),
        ("expired", "yellow", expired),
    )
    for word, colour, several in lists:
        for variant, cell in several:
            mark = click.style(word.ljust(10), fg=colour)
            rules = " (under other rules)" if word == "regressed" and cell.other_rules else ""
            name = f"{variant.case}/{variant.variant} on {variant.target}"
            click.echo(f"{mark} {name}: {cell.words}, last run {cell.last[:10]}{rules}: {cell.reason}")
    for variant in found.missing():
        click.echo(
            f"{click.style('missing', fg='yellow')}    {variant.case}/{variant.variant} on {variant.target}"
        )
    cells = [cell for _, cell in found.cells()]
    for runs, number in sorted(Counter(c.runs for c in cells if c.bound is not None).items()):
        bound = f"{100 * flake_bound(runs):.0f} %"
        alike = f"{number} with {runs} runs alike" if runs > 1 else f"{number} with 1 run"
        click.echo(f"{alike}: a flake rate of {bound} and more is excluded, at 95 % confidence")
    if not cells:
        click.echo("nothing here is a product's own result")


def _history_object(found: "History", expired: "Sequence[tuple[Variant, Cell]]") -> dict[str, Any]:
    gone = {variant for variant, _ in expired}
    return {
        "product": found.product,
        "vendor": found.vendor,
        "current": found.current,
        "releases": [asdict(release) for release in found.releases],
        "variants": [
            {**asdict(variant), "expired": variant in gone, "cells": [_cell_object(cell) for cell in row]}
            for variant, row in found.rows.items()
        ],
    }


def _cell_object(cell: "Cell | None") -> dict[str, Any] | None:
    if cell is None:
        return None
    return {
        "verdict": cell.outcome.value if cell.outcome else None,
        "outcomes": {outcome.value: number for outcome, number in cell.outcomes.items()},
        "runs": cell.runs,
        "flake_bound": cell.bound,
        "last": cell.last,
        "reason": cell.reason,
        "became": cell.became.value if cell.became else None,
        "other_rules": cell.other_rules,
    }


COMMANDS = (store, history)
