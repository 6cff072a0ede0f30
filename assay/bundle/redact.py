"""Redaction: a bundle without what others may not see, that still verifies and gives the same verdicts."""

import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from securesystemslib.signer import Signer

from assay.bundle.pseudonyms import Pseudonyms, strings
from assay.bundle.seal import judged_now, seals, write
from assay.bundle.verify import Findings, contents
from assay.campaign import MAX_RECORD, Campaign
from assay.errors import UsageError
from assay.files import MAX_FILE, Bundle, Damaged, Entry, canonical, exact, manifest, strict
from drivers import pcapng

DISCLOSURES = "assay-disclosures-1"
KEYS, WIRE, LOG = "nas-keys.json", "wire.pcapng", "product.log"


class Policy(BaseModel):
    """What is taken out of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subscribers: bool = True
    """SUPI, SUCI and GPSI of the profile's subscribers, in every spelling; keys are withheld with them."""
    addresses: bool = True
    """The IP addresses of the profile."""
    fields: tuple[str, ...] = ("contact",)
    """Members of JSON objects whose text goes, by name: build, server, banner."""
    values: tuple[str, ...] = ()
    """Texts that go wherever they stand."""
    withhold: tuple[str, ...] = (LOG,)
    """Evidence files that go whole; the recording of the wire goes in any case."""
    captures: Literal["withhold", "rewrite"] = "withhold"
    """Whether captures go, or stay with their octets replaced."""


def policy(path: Path) -> Policy:
    """A policy from a YAML file; raises UsageError where it is none."""
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text("utf-8")) or {})
    except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
        raise UsageError(f"{path}: {error}") from error


# --- commitments -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Disclosure:
    """One text that was taken out, with the salt that proves it."""

    path: str
    pointer: str
    salt: str
    value: str

    @property
    def commitment(self) -> str:
        """What the manifest says in its place."""
        said = canonical([self.path, self.pointer, self.value])
        return hmac.new(bytes.fromhex(self.salt), said, hashlib.sha256).hexdigest()


def prove(bundle: Bundle, path: Path, found: Findings) -> None:
    """Compare a file of disclosures with what a bundle committed to; UsageError for one of another."""
    try:
        said = exact(path.read_bytes(), str(path))
        fields = [Disclosure(**{k: str(v) for k, v in one.items()}) for one in said["fields"]]
        if said["format"] != DISCLOSURES or said["bundle"] != found.digest:
            raise UsageError(f"{path} is about another bundle, {said['bundle']}")
        for one in fields:
            where = f"{one.path}#{one.pointer}"
            if bundle.commitments.get((one.path, one.pointer)) == one.commitment:
                found.disclosed[where] = one.value
            else:
                found.problem(f"{where}: what is disclosed is not what was redacted")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path} is no file of disclosures: {error}") from error


def some(path: Path, wanted: tuple[str, ...], out: Path) -> int:
    """Write a file with the disclosures of these fields alone (PATH#POINTER); how many there are."""
    said = exact(path.read_bytes(), str(path))
    fields = [one for one in said["fields"] if f"{one['path']}#{one['pointer']}" in wanted]
    if missing := set(wanted) - {f"{one['path']}#{one['pointer']}" for one in fields}:
        raise UsageError(f"{path} has no field {min(missing)}")
    _private(out, canonical({**said, "fields": fields}))
    return len(fields)


def _private(path: Path, data: bytes) -> None:
    """Write a file that nobody else may read, and none that is there."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} is there already: choose another name") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)


# --- redaction ---------------------------------------------------------------------------------------------


@dataclass
class Redacted:
    """The files of a redacted bundle, in memory."""

    path: Path
    files: dict[str, bytes] = field(default_factory=dict)
    disclosures: list[Disclosure] = field(default_factory=list)
    withheld: dict[str, str] = field(default_factory=dict)

    def commit(self, path: str, pointer: str, value: str) -> str:
        """Remember a text that goes; the commitment to it."""
        self.disclosures.append(Disclosure(path, pointer, secrets.token_hex(32), value))
        return self.disclosures[-1].commitment

    def read(self, name: str, limit: int = MAX_FILE) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]

    def size(self, name: str) -> int | None:
        return len(self.files[name]) if name in self.files else None

    def digest(self, name: str) -> str:
        return hashlib.sha256(self.read(name)).hexdigest()

    def place(self, name: str) -> str:
        return ""

    def before(self, name: str) -> str:
        return self.withheld.get(name, "")


def redact(bundle: Bundle, wanted: Policy, out: Path, apart: Path, signer: Signer, role: str) -> Redacted:
    """Write a redacted bundle, sealed by `signer`, and beside it the file of disclosures.

    Raises:
        UsageError: the bundle was changed, a verdict would change, or a value would still be seen.
    """
    if problems := contents(bundle).problems:
        raise UsageError(f"{bundle.path} is not redacted: {problems[0]}")
    if bundle.commitments:
        raise UsageError(f"{bundle.path} is redacted already: redact the bundle it was made from")
    if apart.exists():
        raise UsageError(f"{apart} is there already: choose another --disclosures")
    campaign = Campaign.of(bundle)
    hidden = _hidden(campaign.header, wanted)
    if wanted.captures == "rewrite" and hidden.found_in_octets:
        raise UsageError(
            f"captures cannot be rewritten: {hidden.found_in_octets}; write `captures: withhold`"
        )
    new = Redacted(out)
    for name in bundle.entries:
        if name.endswith("/record.json"):
            _record(bundle, name, wanted, hidden, new)
    _json(new, "campaign.json", strict(bundle.read("campaign.json"), "campaign.json"), wanted, hidden)
    origin = new.commit("manifest.json", "", hashlib.sha256(bundle.manifest).hexdigest())
    again = Campaign.of(new)
    for before, after in zip(campaign.results(), again.results(), strict=True):
        if before.verdict.outcome is not after.verdict.outcome:
            where = f"{before.planned.case}/{before.planned.variant}"
            raise UsageError(
                f"{where} would change from {before.verdict.outcome} to {after.verdict.outcome}: redact less"
            )
    judged = judged_now(again)
    for name, data in (*new.files.items(), ("results.json", judged)):
        packets = b"".join(_packets(data)) if name.endswith(".pcapng") else b""
        if left := hidden.left(data, octets=False) or hidden.left(packets, octets=True):
            raise UsageError(
                f"{name} would still show {left!r}: withhold it, or name its field in the policy"
            )
    listing = _manifest(new, origin)
    write(out, new, listing, seals(listing, judged, signer, role, ""))
    fields = [vars(one) for one in sorted(new.disclosures, key=lambda d: (d.path, d.pointer))]
    said = {"bundle": hashlib.sha256(listing).hexdigest(), "fields": fields, "format": DISCLOSURES}
    _private(apart, canonical(said))
    return new


def _manifest(new: Redacted, origin: str) -> bytes:
    entries = {name: Entry(new.digest(name), len(data)) for name, data in new.files.items()}
    fields = [
        {"commitment": one.commitment, "path": one.path, "pointer": one.pointer}
        for one in sorted(new.disclosures, key=lambda one: (one.path, one.pointer))
        if one.pointer
    ]
    return manifest(entries, redacted={"fields": fields, "from": origin, "withheld": new.withheld})


def _hidden(header: Mapping[str, Any], wanted: Policy) -> Pseudonyms:
    """What a policy hides in this campaign, taken from its profile."""
    profile: Any = header.get("profile", {})
    addresses: set[str] = set()
    for text in strings([profile.get("functions"), profile.get("peers")]) if wanted.addresses else ():
        try:
            addresses.add(str(ipaddress.ip_address(text)))
        except ValueError:
            continue
    plmn, first, count = "", "", 0
    if wanted.subscribers:
        plmn = "".join(profile["network"]["plmn"][key] for key in ("mcc", "mnc"))
        first = profile["subscribers"]["first_imsi"].removeprefix(plmn)
        count = profile["subscribers"]["count"]
    return Pseudonyms(secrets.token_bytes(32), wanted.values, sorted(addresses), plmn, first, count)


def _record(bundle: Bundle, name: str, wanted: Policy, hidden: Pseudonyms, new: Redacted) -> None:
    """A record and its evidence: what goes, what stays, and what is rewritten."""
    record = strict(bundle.read(name, MAX_RECORD), name)
    for file, sha256 in record["evidence"].items():
        path = f"{name.removesuffix('record.json')}{file}"
        pointer = f"/evidence/{file}"
        capture = file.endswith(".pcapng")
        # on the wire header blocks are in Huffman code, and keys open what is enciphered
        never = file == WIRE or (wanted.subscribers and file == KEYS)
        if never or file in wanted.withhold or (capture and wanted.captures == "withhold"):
            record["evidence"][file] = new.withheld[path] = new.commit(name, pointer, sha256)
            continue
        data = bundle.read(path)
        if capture:
            new.files[path] = b"".join(_rewritten(data, hidden))
        elif file.endswith(".json"):
            taken = len(new.disclosures)
            _json(new, path, strict(data, path), wanted, hidden)
            if len(new.disclosures) == taken:
                new.files[path] = data
        else:
            new.files[path] = hidden.octets(data)
        if (now := new.digest(path)) != sha256:
            new.commit(name, pointer, sha256)
            record["evidence"][file] = now
    _json(new, name, record, wanted, hidden)


def _json(new: Redacted, name: str, value: Any, wanted: Policy, hidden: Pseudonyms) -> None:
    """A JSON file with every text in it as it may be seen, and a commitment to each that is another now."""

    def seen(found: Any, pointer: str, member: str) -> Any:
        if isinstance(found, dict):
            if odd := [key for key in found if hidden.text(key) != key]:
                raise UsageError(
                    f"{name}{pointer}: the name {odd[0]!r} shows what must go: withhold the file"
                )
            return {k: seen(v, f"{pointer}/{_escaped(k)}", k) for k, v in found.items()}
        if isinstance(found, list):
            return [seen(one, f"{pointer}/{n}", member) for n, one in enumerate(found)]
        if not isinstance(found, str):
            return found
        whole = found and (member in wanted.fields or member == "profile_sha256")
        text = hidden.of(found) if whole else hidden.text(found)
        if hidden.text(text) != text:
            raise UsageError(f"{name}{pointer} cannot be redacted: name its member under `fields`")
        if text != found:
            new.commit(name, pointer, found)
        return text

    new.files[name] = json.dumps(seen(value, "", ""), indent=1, ensure_ascii=False).encode()


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


# --- captures ----------------------------------------------------------------------------------------------


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    try:
        yield from pcapng.blocks(data)
    except ValueError as error:
        raise Damaged(str(error)) from error


def _packets(data: bytes) -> Iterator[bytes]:
    for kind, whole in _blocks(data):
        if kind == 6:
            yield whole[28 : 28 + struct.unpack_from("<I", whole, 20)[0]] + b"\0" * 8


def _rewritten(data: bytes, hidden: Pseudonyms) -> Iterator[bytes]:
    """A capture with its packets and comments as they may be seen; every block keeps its size."""
    for kind, whole in _blocks(data):
        if kind == 6:
            size = struct.unpack_from("<I", whole, 20)[0]
            yield whole[:28] + hidden.octets(whole[28 : 28 + size]) + whole[28 + size :]
        else:
            yield whole
