"""Sealing: a campaign becomes a bundle, and a bundle gets one more seal."""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import Signer

from assay import rules
from assay.bundle import statement
from assay.bundle.keys import ROLE
from assay.bundle.statement import RESULTS
from assay.bundle.verify import contents
from assay.campaign import Campaign
from assay.errors import UsageError
from assay.files import MANIFEST, NAME, Box, Bundle, Damaged, Files, blob, manifest, tar_header, write_atomic

Members = Mapping[str, Callable[[], BinaryIO]]
"""What a bundle shall hold, each opened when it is written."""


def now() -> str:
    """This moment as seals and disclosures write it: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def create(campaign: Campaign, out: Path, signer: Signer, role: str, comment: str) -> str:
    """Judge a campaign, write its bundle and seal it; the digest of the manifest.

    Args:
        out: a folder, or an archive where the name ends in `.tar`; nothing may be there yet.

    Raises:
        UsageError: something is at `out`, or a file of the campaign is not what its record says.
    """
    if isinstance(campaign.files, Bundle):
        raise UsageError(f"{campaign.path} is a bundle already")
    for result in campaign.results():
        if result.record and (wrong := campaign.intact(result.planned, result.record)):
            planned = result.planned
            raise UsageError(f"{planned.case}/{planned.variant}: {wrong}: this campaign cannot be sealed")
    listing = manifest(campaign.entries())
    write(out, campaign.files, listing, seals(listing, judged_now(campaign), signer, role, comment))
    return hashlib.sha256(listing).hexdigest()


def judged_now(campaign: Campaign) -> bytes:
    """`results.json` of a campaign under the rules of this installation."""
    return statement.results(campaign, rules.current(), version("assay"))


def seals(listing: bytes, judged: bytes, signer: Signer, role: str, comment: str) -> dict[str, bytes]:
    """The members beside manifest and blobs: the results, a seal of them, and their test-result statement."""
    name, sealed = one_seal(listing, judged, signer, role, comment)
    standard = _sign(statement.test_result(listing, judged), signer)
    return {RESULTS: judged, name: sealed, name.replace(".dsse.json", ".test-result.dsse.json"): standard}


def one_seal(listing: bytes, judged: bytes, signer: Signer, role: str, comment: str) -> tuple[str, bytes]:
    """The name and the octets of a seal."""
    if not ROLE.fullmatch(role):
        raise UsageError(f"role {role!r}: a role is a word in lower-case letters")
    if len(comment) > statement.MAX_COMMENT:
        raise UsageError(f"a comment has at most {statement.MAX_COMMENT} characters")
    said = statement.seal(listing, judged, role, now(), comment)
    return f"seals/{role}-{signer.public_key.keyid[:16]}.dsse.json", _sign(said, signer)


def _sign(said: Mapping[str, object], signer: Signer) -> bytes:
    try:
        return statement.sign(said, signer)
    except (ValueError, UnsupportedLibraryError) as error:
        raise UsageError(f"the key does not sign: {error}") from error


def add(path: Path, signer: Signer, role: str, comment: str) -> str:
    """Seal a bundle once more, when all that it holds is what its manifest says; the name of the seal."""
    bundle = Bundle(path)
    if problems := contents(bundle).problems:
        raise UsageError(f"{path} is not sealed again: {problems[0]}")
    with bundle.box.open(RESULTS) as handle:
        name, sealed = one_seal(bundle.manifest, handle.read(), signer, role, comment)
    if name in bundle.box.names():
        raise UsageError(f"{path} has that seal already: {name}")
    put(bundle, name, sealed)
    return name


def put(bundle: Bundle, name: str, data: bytes) -> None:
    """Add one member to a bundle, in its folder or by writing its archive anew."""
    if bundle.path.is_dir():
        write_atomic(bundle.path / name, data)
        return
    members: dict[str, Callable[[], BinaryIO]] = {
        old: _opening(bundle.box, old) for old in bundle.box.names()
    }
    _write_archive(bundle.path, {**members, name: lambda: io.BytesIO(data)}, replace=True)


def _opening(box: Box, name: str) -> Callable[[], BinaryIO]:
    return lambda: box.open(name)


def write(out: Path, files: Files, listing: bytes, small: Mapping[str, bytes]) -> None:
    """Write a bundle whole or not at all: the files that a manifest lists and the members beside them."""

    if out.exists():
        raise UsageError(f"{out} is there already: choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    members: dict[str, Callable[[], BinaryIO]] = {MANIFEST: lambda: io.BytesIO(listing)}
    for one in json.loads(listing)["files"]:
        if not NAME.fullmatch(one["path"]):
            raise UsageError(f"{one['path']!r} is no name that a bundle can hold")
        members[blob(one["sha256"])] = _reading(files, one["path"], one["sha256"])
    for name, data in small.items():
        members[name] = _constant(data)
    _write_archive(out, members) if out.suffix == ".tar" else _write_folder(out, members)


def _reading(files: Files, path: str, sha256: str) -> Callable[[], BinaryIO]:
    def read() -> BinaryIO:
        data = files.read(path)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Damaged(f"{path} was changed while it was sealed")
        return io.BytesIO(data)

    return read


def _constant(data: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(data)


def _octets(members: Members) -> Iterator[tuple[str, bytes]]:
    for name in sorted(members):
        with members[name]() as handle:
            yield name, handle.read()


def _write_folder(out: Path, members: Members) -> None:
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        for folder in ("blobs/sha256", "seals"):
            (part / folder).mkdir(parents=True)
        for name, data in _octets(members):
            (part / name).write_bytes(data)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_archive(out: Path, members: Members, *, replace: bool = False) -> None:
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as handle:
            for name, data in _octets(members):
                handle.write(tar_header(name, len(data)) + data + bytes(-len(data) % 512))
            handle.write(bytes(1024))
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(out) if replace else part.rename(out)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
