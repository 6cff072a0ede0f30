"""The command line; everything heavy is imported where it is used."""

import json
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.commands import evidence, host
from assay.commands import history as over_time
from assay.commands import results as results_
from assay.errors import AssayError, LabError, UsageError
from assay.terminal import coloured, plain
from assay.verdict import Outcome, worst

if TYPE_CHECKING:
    from assay.campaign import Campaign

EXISTING = click.Path(path_type=Path)


class Main(click.Group):
    """Errors for people: one text on stderr and the exit code that goes with it, no traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.Abort:
            click.echo("stopped", err=True)
            code = 2
        except click.ClickException as error:
            error.show()
            code = 4
        except LabError as error:
            click.echo(f"lab: {error}", err=True)
            code = 2
        except AssayError as error:
            click.echo(str(error), err=True)
            code = 4
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="assay")
def main() -> None:
    """Tell, with proof, whether a piece of 5G network equipment is secure (3GPP SCAS test cases)."""


for command in (evidence.seal, evidence.stamp, evidence.verify, evidence.redact, evidence.disclose):
    main.add_command(command)
for command in (host.attach, host.init):
    main.add_command(command)


@main.command()
@click.argument("profile", type=EXISTING)
@click.option("--spec", "specs", multiple=True, help="Specification, as its folder is called: ts_33_512.")
@click.option("--case", "cases", multiple=True, help="Test case: ID or ID/VARIANT. May be repeated.")
@click.option("--out", type=EXISTING, help="Folder of the campaign (default: campaigns/<time>).")
@click.option("--fault", "faults", multiple=True, help="Switch a seeded fault of an emulated product on.")
@click.option("--resume", is_flag=True, help="Continue the campaign in --out.")
@click.option(
    "--overlap",
    type=click.IntRange(1, 256),
    help="How many variants may run side by side (default: the profile's; 1: one after the other).",
)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    type=click.Choice(["disruptive"]),
    help="disruptive: run what changes the product for a while, last, one at a time.",
)
@click.option(
    "--baseline", type=EXISTING, help="YAML of known verdicts: only what is new breaks (assay check)."
)
def run(
    profile: Path,
    specs: tuple[str, ...],
    cases: tuple[str, ...],
    out: Path | None,
    faults: tuple[str, ...],
    resume: bool,
    overlap: int | None,
    allowed: tuple[str, ...],
    baseline: Path | None,
) -> int:
    """Run test cases against the product of PROFILE and judge what was recorded.

    Exit code: 0 all passed or not applicable, 1 a FAIL, 2 nothing failed but something is inconclusive, in
    error or not run, 4 usage or profile; with --baseline those of `assay check`.
    """
    from assay import baseline as known
    from assay import catalogue, plan, suites
    from assay import profile as profiles
    from assay.campaign import Campaign, fresh_folder
    from assay.progress import run_pytest

    if resume and out is None:
        raise UsageError("--resume needs --out FOLDER: the campaign to continue")
    expected = known.load(baseline) if baseline else None
    out = out or fresh_folder()
    if resume:
        planned = Campaign.open(out).plan
    else:
        planned = plan.make(profiles.load(profile).with_faults(faults), specs, cases, allowed)
    nodes = []
    for one in planned:
        probe = suites.bindings(one.spec)[one.case, one.variant].probe
        file = sys.modules[probe.__module__].__file__
        nodes.append(f"{file}::{probe.__name__}[{one.variant}]")
    click.echo(f"{len(planned)} variants of {len({p.case for p in planned})} test cases, records in {out}")
    for one in filter(plan.disruptive, planned):
        if one.decided is None:
            title = catalogue.find(one.case, one.spec)[1].title
            click.echo(f"changes the product for a while, at the end: {one.case}/{one.variant} ({title})")
    stopped = run_pytest(nodes, profile, out, faults, resume, overlap, allowed)
    if not (out / "campaign.json").exists():
        return stopped or 2
    code = table(Campaign.open(out))
    from assay import reports

    page = out / "report.html"
    page.write_bytes(reports.encoded(Campaign.open(out), "html"))
    click.echo(f"report: {page}")
    if stopped:
        click.echo(f"stopped early; continue with: assay run {profile} --out {out} --resume")
    if stopped == 4:
        return stopped
    if expected is None:
        return code
    return results_.against(Campaign.open(out), expected)


def table(campaign: "Campaign") -> int:
    """Print one line a variant and the worst of each case; the exit code of the campaign."""
    from assay import findings, rules
    from assay.campaign import exit_code

    results = list(campaign.results())
    outcomes = [r.verdict.outcome for r in results]
    width = max(len(r.planned.case) for r in results)
    click.echo()
    for case in dict.fromkeys(r.planned.case for r in results):
        mine = [r for r in results if r.planned.case == case]
        click.echo(f"{case.ljust(width + 4)}{coloured(worst(r.verdict.outcome for r in mine))}")
        for r in mine:
            seconds = f"{r.record.seconds:6.1f} s" if r.record else " " * 8
            line = f"  {r.planned.variant.ljust(width + 2)}{coloured(r.verdict.outcome, 15)}{seconds}  "
            click.echo(line + plain(r.verdict.reason))
    for found in findings.of(campaign, results):
        click.echo(f"{click.style('note', fg='yellow')}  {plain(found)}")
    counts = Counter(outcomes)
    click.echo("\n" + ", ".join(f"{counts[o]} {o}" for o in Outcome if counts[o]))
    now, then = rules.current()["digest"], campaign.header.get("rules", {}).get("digest", "unknown rules")
    click.echo(f"rules: {now}" + (f"; run under {plain(str(then))}" if then != now else ""))
    return exit_code(outcomes)


@main.command()
@click.argument("campaign", type=EXISTING)
@click.option("--json", "as_json", is_flag=True, help="One object a variant.")
def judge(campaign: Path, as_json: bool) -> int:
    """Judge a CAMPAIGN again, from its records alone."""
    from assay.campaign import Campaign, as_object, exit_code

    opened = Campaign.open(campaign)
    results = list(opened.results())
    damaged = [
        f"{r.planned.case}/{r.planned.variant}: {problem}"
        for r in results
        if r.record and (problem := opened.intact(r.planned, r.record))
    ]
    for line in damaged:
        click.echo(f"evidence: {line}", err=True)
    if as_json:
        click.echo(json.dumps([as_object(r) for r in results], indent=1))
        code = exit_code([r.verdict.outcome for r in results])
    else:
        code = table(opened)
    return code if not damaged or code == 1 else 2


@main.command()
@click.argument("campaign", type=EXISTING)
@click.option(
    "--format", "kind", required=True, help="html, pdf, json, junit, md, ...; another word names all."
)
@click.option("--out", type=EXISTING, help="File to write (default: standard output).")
@click.option("--order", type=EXISTING, help="YAML: laboratory, customer, roles, ... (ISO/IEC 17025).")
@click.option("--waivers", type=EXISTING, help="YAML: what an operator accepts until when; only shown.")
def report(campaign: Path, kind: str, out: Path | None, order: Path | None, waivers: Path | None) -> None:
    """Write a report of a CAMPAIGN."""
    from assay import reports
    from assay import waivers as accepted
    from assay.campaign import Campaign
    from assay.reports import order as orders

    opened = Campaign.open(campaign)
    context = reports.Context(
        waivers=accepted.load(waivers, date.today()) if waivers else (),
        order=orders.load(order) if order else None,
        seals=reports.seals(opened),
    )
    whole = reports.encoded(opened, kind, context)
    if out is None:
        sys.stdout.buffer.write(whole)
    else:
        out.write_bytes(whole)


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="One object a case.")
def list_(as_json: bool) -> None:
    """List every test case of the catalogue with its status."""
    from assay import catalogue

    rows = list(catalogue.everything())
    if as_json:
        objects = [
            {
                "spec": spec.key,
                "id": case.id,
                "slug": case.slug,
                "clause": case.clause,
                "title": case.title,
                "status": case.status,
                "variants": [v.name for v in case.variants],
                "faults": list(case.faults),
            }
            for spec, case in rows
        ]
        click.echo(json.dumps(objects, indent=1, ensure_ascii=False))
        return
    for spec, case in rows:
        click.echo(f"{spec.key}  {case.clause:<14} {case.status:<10} {case.id}: {case.title}")
    counts = Counter(case.status for _, case in rows)
    click.echo(f"{len(rows)} test cases: " + ", ".join(f"{n} {status}" for status, n in counts.items()))


@main.command()
@click.argument("case")
def show(case: str) -> None:
    """Say what a test CASE asks, what it does and how it decides."""
    from assay import catalogue
    from assay.show import explain

    click.echo(explain(*catalogue.find(case)))


@main.command()
@click.argument("profile", type=EXISTING)
def doctor(profile: Path) -> int:
    """Say what of PROFILE is reachable, what is missing here, and which test cases can run."""
    from assay.doctor import examine

    bad = 0
    for finding in examine(profile):
        bad += finding.bad
        word, colour = (
            ("problem", "red") if finding.bad else ("note", "yellow") if finding.note else ("ok", "green")
        )
        mark = click.style(word.ljust(7), fg=colour)
        click.echo(f"{mark}  {plain(finding.text)}")
    return 2 if bad else 0


for command in (*results_.COMMANDS, *over_time.COMMANDS):
    main.add_command(command)
