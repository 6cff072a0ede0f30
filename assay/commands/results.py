"""Commands about the results of a campaign: compare, check, issue."""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.terminal import coloured, plain

if TYPE_CHECKING:
    from assay.compare import Comparison, Difference
    from assay.waivers import Waiver

EXISTING = click.Path(path_type=Path)
MARKS = {"regressed": "red", "fixed": "green", "new": "yellow", "absent": "yellow", "updated": "yellow"}


@click.command()
@click.argument("before", type=EXISTING)
@click.argument("after", type=EXISTING)
@click.option(
    "--allow-different-rules", "any_rules", is_flag=True, help="Compare under different rules digests."
)
@click.option("--agreement", is_flag=True, help="Two laboratories, one product: also say how far they agree.")
@click.option(
    "--waivers", type=EXISTING, help="YAML of waivers; what they cover is marked, and stays as it is."
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
def compare(
    before: Path, after: Path, any_rules: bool, agreement: bool, waivers: Path | None, as_json: bool
) -> int:
    """Say verdict by verdict what became of campaign BEFORE in campaign AFTER.

    \b
    regressed  PASS before, FAIL now        new        only in AFTER
    fixed      FAIL before, PASS now        absent     only in BEFORE
    updated    changed in another way       unchanged  the same verdict and reason

    Each change says what else differs: the product, its configuration, the catalogue, criteria, suite or
    harness; "result" where nothing that is declared does. Both are judged now, by one judge. Campaigns that
    were run under different rules are refused.

    \b
    assay compare campaigns/4.2.0 campaigns/4.2.1
    assay compare campaigns/lab-a campaigns/lab-b --agreement

    Exit code: 0 nothing got worse, 1 something fails that did not, 2 a PASS was lost otherwise, 4 usage or
    different rules.
    """
    from assay import compare as comparing
    from assay.agreement import in_words
    from assay.campaign import Campaign

    accepted = _waivers(waivers)
    found = comparing.compare(Campaign.open(before), Campaign.open(after), any_rules=any_rules)
    if as_json:
        click.echo(json.dumps(_as_object(found, agreement), indent=1))
    else:
        _print(found, accepted)
        if agreement:
            click.echo(in_words(found.agreement))
    return found.exit_code


def _waivers(path: Path | None) -> "tuple[Waiver, ...]":
    from assay.waivers import load

    return load(path, date.today()) if path else ()


def _print(found: "Comparison", accepted: "tuple[Waiver, ...]") -> None:
    from assay.waivers import of

    click.echo(f"rules: {' and '.join(dict.fromkeys(found.rules))}")
    for what, how in found.also.items():
        click.echo(f"differs: {what}: {plain(how)}")
    for d in found.differences:
        if d.change.value == "unchanged":
            continue
        name = f"{d.case}/{d.variant}"
        click.echo(f"\n{click.style(d.change.value.ljust(10), fg=MARKS[d.change.value])} {plain(name)}")
        for verdict in filter(None, (d.before, d.after)):
            word = "before" if verdict is d.before else "after"
            click.echo(f"  {word:<7} {coloured(verdict.outcome, 15)} {plain(verdict.reason)}")
        if d.because:
            click.echo(f"  because {', '.join(d.because)}" if d.because != ("result",) else NOTHING_ELSE)
        if waiver := of(accepted, d.case, d.variant):
            click.echo(f"  accepted by {plain(waiver.owner)} until {waiver.until}: {plain(waiver.reason)}")
    counts = ", ".join(f"{number} {change}" for change, number in found.counts.items() if number)
    click.echo(f"\n{counts or 'nothing to compare'}")


NOTHING_ELSE = "  nothing that is declared differs: the result itself"


def _as_object(found: "Comparison", agreement: bool) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "rules": {"before": found.rules[0], "after": found.rules[1]},
        "differs": dict(found.also),
        "counts": {change.value: number for change, number in found.counts.items()},
        "differences": [_difference(d) for d in found.differences],
    }
    if agreement:
        figures = found.agreement
        names = ("rated", "equal", "left_out", "share", "kappa", "ac1", "undefined")
        whole["agreement"] = {name: getattr(figures, name) for name in names}
    return whole


def _difference(d: "Difference") -> dict[str, Any]:
    verdicts = {
        when: {"verdict": v.outcome.value, "reason": v.reason} if v else None
        for when, v in (("before", d.before), ("after", d.after))
    }
    names = {name: getattr(d, name) for name in ("spec", "case", "variant", "target")}
    return {**names, "change": d.change.value, **verdicts, "because": list(d.because)}


@click.command()
@click.argument("campaign", type=EXISTING)
@click.option("--baseline", type=EXISTING, required=True, help="YAML of the verdicts that are known.")
@click.option("--write", is_flag=True, help="Write the baseline from this campaign; notes in it are kept.")
@click.option("--summary", type=EXISTING, help="Append a Markdown summary to this file, for the job page.")
def check(campaign: Path, baseline: Path, write: bool, summary: Path | None) -> int:
    """Hold a CAMPAIGN against a baseline: only what is new breaks a build, and so does what is stale.

    An entry is known only with the very same verdict. It is stale when the variant passes, or is not in the
    campaign: remove it, so that the next failure is seen.

    \b
    assay check campaigns/nightly --baseline known.yaml --write          # take what is there as known
    assay check campaigns/nightly --baseline known.yaml --summary "$GITHUB_STEP_SUMMARY"

    Exit code: 0 all green or known, 1 a FAIL that is new, 2 something else that is new, 3 an entry is stale,
    4 usage or baseline.
    """
    from assay import baseline as known
    from assay.campaign import Campaign

    opened = Campaign.open(campaign)
    if write:
        notes = {e.key: e.note for e in known.load(baseline).known if e.note} if baseline.exists() else {}
        number = known.write(baseline, opened, opened.results(), notes)
        click.echo(f"{baseline}: {number} verdicts are known now")
        return 0
    return against(opened, known.load(baseline), summary)


def against(campaign: Any, baseline: Any, summary: Path | None = None) -> int:
    """Print what of a campaign is new, known and stale beside a baseline; the exit code."""
    from assay import baseline as known

    results = list(campaign.results())
    found = known.check(campaign, results, baseline)
    for title, several in (("new", found.new), ("known", found.known)):
        for r in several:
            name = f"{r.planned.case}/{r.planned.variant}"
            colour = "red" if title == "new" else None
            line = f"{click.style(title.ljust(6), fg=colour)} {coloured(r.verdict.outcome, 15)} {name}: "
            click.echo(line + plain(r.verdict.reason))
    for stale in found.stale:
        now = f"is {stale.now}" if stale.now else "is not in this campaign"
        entry = f"{stale.known.case}/{stale.known.variant} on {stale.known.target}"
        click.echo(f"{click.style('stale ', fg='yellow')} {entry} {now}: remove it from the baseline")
    if found.other_rules and (found.new or found.stale):
        click.echo("the baseline was taken under other rules: what changed might be the yardstick")
    click.echo(f"{len(found.new)} new, {len(found.known)} known, {len(found.stale)} stale")
    if summary:
        with summary.open("a", encoding="utf-8") as page:
            page.write(known.summary(campaign, results, found))
    return found.exit_code


@click.command()
@click.argument("campaign", type=EXISTING)
@click.argument("case")
@click.option("--out", type=EXISTING, default=Path("issues"), help="Where the folder goes (issues).")
def issue(campaign: Path, case: str, out: Path) -> None:
    """Write what a developer needs to work on CASE (ID or ID/VARIANT) of a CAMPAIGN, a folder a variant.

    issue.md: the requirement in our words, the steps, what decided, how to run it again, the rules digest.
    deciding.pcapng: the frames that decided, and those without which they cannot be read; no more.

    \b
    assay issue campaigns/nightly TC_NAS_REPLAY_AMF/A --out issues
    """
    from assay import issue as issues
    from assay.campaign import Campaign

    for folder in issues.write(Campaign.open(campaign), case, out):
        click.echo(folder)


COMMANDS = (compare, check, issue)
