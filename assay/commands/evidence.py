"""Commands about evidence: seal and verify bundles, redact them, disclose what was redacted."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.errors import UsageError
from assay.terminal import plain

if TYPE_CHECKING:
    from assay.bundle.verify import Findings

EXISTING = click.Path(path_type=Path)


def _secret(what: str) -> str:
    """A passphrase or PIN, from ASSAY_KEY_SECRET or from whoever sits there."""
    given = os.environ.get("ASSAY_KEY_SECRET")
    return given if given is not None else str(click.prompt(what, hide_input=True, err=True))


@click.command()
@click.argument("path", type=EXISTING)
@click.option("--key", required=True, help="Private key: a PEM file, or hsm:ID?label=TOKEN.")
@click.option("--role", default="tester", show_default=True, help="In which role: tester, reviewer, vendor.")
@click.option("--comment", default="", help="What whoever seals has to say; it is signed with the rest.")
@click.option("--out", type=EXISTING, help="The bundle: a folder, or an archive NAME.tar.")
def seal(path: Path, key: str, role: str, comment: str, out: Path | None) -> None:
    """Seal a campaign, or add a seal to a bundle.

    PATH is the folder of a campaign, which is judged and sealed as a bundle of its own, or a bundle.
    """
    from assay.bundle import keys
    from assay.bundle import seal as sealing
    from assay.campaign import Campaign
    from assay.files import Bundle

    campaign = Campaign.open(path)
    signer = keys.signer(key, _secret)
    if isinstance(campaign.files, Bundle):
        if out is not None:
            raise UsageError("--out is for campaigns: a seal is added to the bundle itself")
        click.echo(f"sealed: {path / sealing.add(path, signer, role, comment)}")
        return
    out = out or path.with_name(f"{path.name}.sealed")
    digest = sealing.create(campaign, out, signer, role, comment)
    click.echo(f"bundle: {out}\ndigest: {digest}\nkey: {signer.public_key.keyid}")


@click.command()
@click.argument("bundle", type=EXISTING)
@click.option("--key", "given", multiple=True, metavar="[ROLE=]PUB", help="Public key that must have sealed.")
@click.option("--rejudge", is_flag=True, help="Judge every record again and compare.")
@click.option("--witness", is_flag=True, help="Let tshark read the captures, and compare.")
@click.option("--rules", default="", help="Rules digest to expect (default: this installation's).")
@click.option("--authority", type=EXISTING, help="Root certificate (PEM) of a time stamping authority.")
@click.option("--disclosure", type=EXISTING, help="File of disclosures: prove what stood in redacted fields.")
@click.option("--json", "as_json", is_flag=True, help="What was found, as one object.")
def verify(
    bundle: Path,
    given: tuple[str, ...],
    rejudge: bool,
    witness: bool,
    rules: str,
    authority: Path | None,
    disclosure: Path | None,
    as_json: bool,
) -> int:
    """Check a sealed BUNDLE whole, and say by whom it was sealed.

    Exit code: 0 all is as it was sealed, by the keys given; 1 something is not; 2 no key was given, so that
    nobody can say who sealed it.
    """
    from assay.bundle import keys
    from assay.bundle import verify as verifying
    from assay.campaign import Campaign
    from assay.files import Bundle, Damaged

    trusted = [keys.trusted(text) for text in given]
    try:
        opened = Bundle(bundle)
        found = verifying.verify(opened, trusted, rejudge=rejudge, expected=rules)
        if authority is not None:
            from assay.bundle.stamp import check_all

            check_all(opened, authority, found)
        if witness and not found.problems:
            from assay.bundle.witness import testify

            testify(Campaign.of(opened), found)
        if disclosure is not None:
            from assay.bundle.redact import prove

            prove(opened, disclosure, found)
    except Damaged as error:
        found = verifying.Findings(problems=[str(error)])
    if as_json:
        import dataclasses
        import json

        click.echo(json.dumps(dataclasses.asdict(found), indent=1))
    else:
        _tell(found, rejudge)
    return 1 if found.problems else 0 if trusted else 2


@click.command()
@click.argument("bundle", type=EXISTING)
@click.argument("response", type=EXISTING)
def stamp(bundle: Path, response: Path) -> None:
    """Add the RESPONSE of a time stamping authority (RFC 3161) to the seal of a BUNDLE that it is about.

    Ask for one with `openssl ts -query -data BUNDLE/seals/NAME.dsse.json -sha256 -cert`.
    """
    from assay.bundle.stamp import add

    click.echo(f"stamped: {bundle / add(bundle, response)}")


@click.command()
@click.argument("bundle", type=EXISTING)
@click.option("--policy", "file", type=EXISTING, required=True, help="What to take out (YAML).")
@click.option("--key", required=True, help="Private key that seals the redacted bundle.")
@click.option("--role", default="tester", show_default=True, help="In which role it seals.")
@click.option("--out", type=EXISTING, required=True, help="The redacted bundle: a folder or NAME.tar.")
@click.option(
    "--disclosures", type=EXISTING, required=True, help="File with what was taken out: keep it safe."
)
def redact(bundle: Path, file: Path, key: str, role: str, out: Path, disclosures: Path) -> None:
    """Write a BUNDLE without what others may not see; it verifies, and gives the same verdicts."""
    from assay.bundle import keys
    from assay.bundle import redact as redacting
    from assay.files import Bundle

    wanted = redacting.policy(file)
    done = redacting.redact(Bundle(bundle), wanted, out, disclosures, keys.signer(key, _secret), role)
    click.echo(
        f"redacted: {out}, {len(done.disclosures)} texts and digests, {len(done.withheld)} files withheld"
    )
    click.echo(f"disclosures: {disclosures} (nobody else may read it)")


@click.command()
@click.argument("disclosures", type=EXISTING)
@click.option(
    "--field", "fields", multiple=True, required=True, metavar="PATH#POINTER", help="A redacted field."
)
@click.option("--out", type=EXISTING, required=True, help="File for whoever may see these fields.")
def disclose(disclosures: Path, fields: tuple[str, ...], out: Path) -> None:
    """Cut a file of DISCLOSURES down to what somebody may see; `verify --disclosure` proves it."""
    from assay.bundle.redact import some

    click.echo(f"{some(disclosures, fields, out)} fields: {out}")


def _tell(found: "Findings", rejudge: bool) -> None:
    click.echo(f"bundle  {found.digest or 'unreadable'}: {found.files} files, {found.octets} octets")
    click.echo(f"rules   {plain(found.rules[:64]) or 'unknown'}")
    for one in found.seals:
        if one.trusted:
            stamp = f", stamped {one.stamped}" if one.stamped else ""
            click.echo(f"seal    {one.role} at {plain(one.time)}{stamp}, by {one.key} ({one.keyid[:16]})")
            if one.comment:
                click.echo(f"        {plain(one.comment)}")
        else:
            click.echo(f"seal    {one.name}: not checked, no such key was given ({one.keyid[:16]})")
    click.echo(
        "results " + ", ".join(f"{number} {plain(str(name))}" for name, number in found.counts.items())
    )
    click.echo(f"judged  again: {found.rejudged} records" if rejudge else "judged  not again (--rejudge)")
    for name in found.unchecked:
        click.echo(f"stamp   {name}: not checked, no authority was given (--authority)")
    for line in found.witnessed:
        click.echo(f"tshark  {plain(line)}")
    for where, value in found.disclosed.items():
        click.echo(f"proven  {plain(where)}: {plain(value)}")
    for text in found.problems:
        click.echo(f"{click.style('problem', fg='red')} {plain(text)}")
    if not found.problems and not any(one.trusted for one in found.seals):
        click.echo("nothing is changed, but no key was given: anybody may have sealed this (--key PUB)")
    else:
        click.echo("REFUSED" if found.problems else "as it was sealed")
