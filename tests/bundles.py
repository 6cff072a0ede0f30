"""Bundles for tests: a small one with every outcome, in memory, checked by both verifiers."""

import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from products import ROOT
from securesystemslib.signer import Signer
from test_reports import make

from assay.bundle import keys, seal, verify
from assay.campaign import Campaign
from assay.errors import AssayError
from assay.files import Bundle

specification = importlib.util.spec_from_file_location("verify_bundle", ROOT / "tools" / "verify_bundle.py")
assert specification is not None
assert specification.loader is not None
second = importlib.util.module_from_spec(specification)
specification.loader.exec_module(second)

Members = dict[str, bytes]


class Memory:
    """The members of a bundle in memory, where they are changed without a disk."""

    def __init__(self, members: Mapping[str, bytes]) -> None:
        self.members = members

    def names(self) -> Mapping[str, int]:
        return {name: len(data) for name, data in self.members.items()}

    def open(self, name: str) -> BinaryIO:
        if name not in self.members:
            raise FileNotFoundError(name)
        return io.BytesIO(self.members[name])


def key_pair(folder: Path, name: str, kind: str = "ed25519") -> tuple[Path, Path]:
    """A private and a public key in PEM."""
    private: Any = (
        ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.pub"
    paths[0].write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = private.public_key()
    paths[1].write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return paths


def members(path: Path) -> Members:
    """Everything in a bundle's folder."""
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


Keys = Sequence[str | Path]


def problems(where: Path | Mapping[str, bytes], given: Keys, *, rejudge: bool = False) -> tuple[str, str]:
    """What each verifier has against a bundle, ours and the second; empty when it is as it was sealed."""
    texts = [str(one) for one in given]
    try:
        bundle = Bundle(where) if isinstance(where, Path) else Bundle(Path("memory"), Memory(where))
        trusted = [keys.trusted(text) for text in texts]
        ours = "; ".join(verify.verify(bundle, trusted, rejudge=rejudge).problems)
    except AssayError as error:
        ours = str(error)
    return ours, second_problem(where, [second.load_key(text) for text in texts])


def second_problem(where: Path | Mapping[str, bytes], loaded: Any) -> str:
    """What the second verifier has against a bundle."""
    try:
        if isinstance(where, Path):
            box = second.open_box(where)
        else:
            box = second.Box({name: len(data) for name, data in where.items()}, where.__getitem__)
        second.check(box, loaded)
    except second.Wrong as error:
        return str(error) or "refused"
    return ""


@dataclass(frozen=True)
class Lab:
    """A sealed campaign with the keys of who sealed it, and of somebody who did not."""

    folder: Path
    campaign: Campaign
    members: Members
    tester: Path
    reviewer: Path
    private: Path
    reviewer_private: Path
    stranger_private: Path
    stranger: Path

    @property
    def seal(self) -> str:
        """The name of the tester's seal."""
        return next(n for n in self.members if n.startswith("seals/tester-") and n.count(".") == 2)

    def signer(self, path: Path) -> Signer:
        return keys.signer(str(path), lambda _: "")

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.members["manifest.json"])
        return found

    @property
    def results(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.members["results.json"])
        return found

    def resealed(
        self,
        private: Path,
        *,
        manifest: bytes | None = None,
        results: bytes | None = None,
        more: Members | None = None,
        role: str = "tester",
    ) -> Members:
        """The bundle with other content, sealed by a key as if all was well."""
        listing = self.members["manifest.json"] if manifest is None else manifest
        judged = self.members["results.json"] if results is None else results
        blobs = {name: data for name, data in self.members.items() if name.startswith("blobs/")}
        whole = {**blobs, "manifest.json": listing, **(more or {})}
        return {**whole, **seal.seals(listing, judged, self.signer(private), role, "")}


def laboratory(folder: Path) -> Lab:
    """Seal a small campaign with every outcome: as `b` with a second seal, and as the archive `b.tar`."""
    private, tester = key_pair(folder, "tester")
    reviewer_private, reviewer = key_pair(folder, "reviewer", "ecdsa")
    stranger_private, stranger = key_pair(folder, "stranger")
    campaign = make(folder / "c")
    signer = keys.signer(str(private), lambda _: "")
    seal.create(campaign, folder / "b", signer, "tester", "")
    seal.add(folder / "b", keys.signer(str(reviewer_private), lambda _: ""), "reviewer", "read twice")
    seal.create(campaign, folder / "b.tar", signer, "tester", "")
    return Lab(
        folder,
        campaign,
        members(folder / "b"),
        tester,
        reviewer,
        private,
        reviewer_private,
        stranger_private,
        stranger,
    )
