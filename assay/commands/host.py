"""Commands for products whose declaration and whose documents a person brings: attach and init."""

from pathlib import Path

import click

EXISTING = click.Path(path_type=Path)


@click.command()
@click.argument("campaign", type=EXISTING)
@click.argument("case")
@click.option("--by", help="Who states it.")
@click.option("--statement", "text", help="What is stated, in a sentence.")
@click.option(
    "--answer", "answers", multiple=True, metavar="N=yes|no", help="To question N. May be repeated."
)
@click.option(
    "--file", "files", type=EXISTING, multiple=True, help="A document or photograph. May be repeated."
)
def attach(
    campaign: Path,
    case: str,
    by: str | None,
    text: str | None,
    answers: tuple[str, ...],
    files: tuple[Path, ...],
) -> None:
    """Attach a person's statement to CASE (ID or ID/VARIANT) of CAMPAIGN; without options list its questions.

    The verdict then says on whose statement it rests; what a machine decided stays as it was.
    """
    from assay.attach import attach as add
    from assay.attach import open_questions
    from assay.campaign import Campaign, judge
    from assay.errors import UsageError
    from assay.terminal import plain

    opened = Campaign.open(campaign)
    if not (by or text or answers or files):
        for planned, record, questions in open_questions(opened, case):
            click.echo(f"{planned.case}/{planned.variant}: {plain(judge(record).reason)}")
            for number, question in enumerate(questions, 1):
                click.echo(f"  {number}  {question}")
        return
    if not by or not text:
        raise UsageError("--by NAME and --statement TEXT: a statement says what is stated, and who states it")
    said = {number: answer for number, _, answer in (one.partition("=") for one in answers)}
    for planned in add(opened, case, by=by, text=text, answers=said, files=files):
        verdict = next(r.verdict for r in opened.results() if r.planned == planned)
        click.echo(f"{planned.case}/{planned.variant}: {verdict.outcome}: {plain(verdict.reason)}")


@click.command()
@click.argument("addresses", nargs=-1, required=True)
@click.option("--out", type=EXISTING, required=True, help="The profile to write; an existing one is kept.")
@click.option("--name", default="unnamed product", show_default=True, help="What the product is called.")
@click.option(
    "--ports", default="1-65535", show_default=True, help="TCP ports to look at, as nmap writes them."
)
@click.option("--rate", default=1000, show_default=True, help="Probes a second at most.")
@click.option("--user", help="An account that may become root, to look inside as well.")
@click.option("--secret", help="Its password: env:NAME or file:PATH.")
@click.option("--host-key", help="The host key to expect, SHA256:...; without it no secret is sent.")
@click.option("--become", default="", help="How that account runs a command as root: sudo -n.")
def init(
    addresses: tuple[str, ...],
    out: Path,
    name: str,
    ports: str,
    rate: int,
    user: str | None,
    secret: str | None,
    host_key: str | None,
    become: str,
) -> None:
    """Draft a declaration by looking at the product at ADDRESSES, from outside and, with --user, from inside.

    Only what is asked for is contacted; nothing is changed.
    """
    from assay.errors import UsageError
    from assay.look import Inside, look

    if out.exists():
        raise UsageError(f"{out} exists: give another --out")
    if user and not (secret and host_key):
        raise UsageError("--user wants --secret REF and --host-key SHA256:..., which a first look shows")
    way = Inside(user, secret, host_key, become) if user and secret and host_key else None
    for line in look(addresses, out, name=name, ports=ports, rate=rate, inside=way):
        click.echo(line)
