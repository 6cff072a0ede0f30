#!/usr/bin/env python3
"""Check a sealed bundle without assay: seals, digests, completeness (docs/evidence-format.md).

    python3 verify_bundle.py BUNDLE [--key [ROLE=]PUBLIC.pem]... [--rules DIGEST]

Needs Python >= 3.11 and the package `cryptography`, and nothing else. It does not judge anything again.
Exit code: 0 all is as it was sealed by the keys given, 1 something is not, 2 no key was given.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import stat
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

HEX = "[0-9a-f]{64}"
PART = r"/(?!\.)[A-Za-z0-9_.+-]{1,100}"
PATH = re.compile(rf"campaign\.json|records({PART}){{4}}")
SEAL = re.compile(r"seals/([a-z][a-z-]{0,30})-([0-9a-f]{16})(\.dsse\.json|\.test-result\.dsse\.json|\.tsr)")
MEMBER = re.compile(rf"manifest\.json|results\.json|blobs/sha256/{HEX}|{SEAL.pattern}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
VERDICTS = ("PASS", "FAIL", "INCONCLUSIVE", "NOT_APPLICABLE", "ERROR", "NOT_RUN")
RESULT_KEYS = {"case", "reason", "refs", "spec", "target", "variant", "verdict"}
RULES = {"catalogue", "criteria", "digest", "harness", "suite"}
STATEMENT = "https://in-toto.io/Statement/v1"
MOST_FILES, MOST_OCTETS, MOST_JSON = 1_000_000, 1 << 30, 256 << 20


class Wrong(Exception):  # noqa: N818
    """What is wrong, in words."""


class Box:
    """The members of a bundle: their sizes, and how to read one."""

    def __init__(self, sizes: dict[str, int], opened: Callable[[str], bytes]) -> None:
        self.sizes, self._opened = sizes, opened

    def read(self, name: str, most: int) -> bytes:
        """A member, when it is there and not too large."""
        if name not in self.sizes:
            raise Wrong(f"{name} is missing")
        if self.sizes[name] > most:
            raise Wrong(f"{name} is larger than {most} octets")
        return self._opened(name)


def open_box(path: Path) -> Box:
    """A bundle in a folder or in an archive, when nothing else is in it."""
    return folder(path) if path.is_dir() else archive(path)


def folder(path: Path) -> Box:
    """Plain files with names of the format alone; no link is followed."""
    sizes: dict[str, int] = {}
    for here, folders, files in os.walk(path):
        for name in folders + files:
            whole = Path(here, name)
            inside, kind = whole.relative_to(path).as_posix(), whole.lstat()
            if (
                name in folders
                and stat.S_ISDIR(kind.st_mode)
                and inside in ("blobs", "blobs/sha256", "seals")
            ):
                continue
            if not stat.S_ISREG(kind.st_mode) or not MEMBER.fullmatch(inside) or len(sizes) >= MOST_FILES:
                raise Wrong(f"{inside!r} has no place in a bundle")
            sizes[inside] = kind.st_size
    return Box(sizes, lambda name: (path / name).read_bytes())


def archive(path: Path) -> Box:
    """A ustar in its one form: each header is made anew and compared."""
    places: dict[str, tuple[int, int]] = {}
    whole, at, last = path.stat().st_size, 0, ""
    with path.open("rb") as handle:
        while (header := handle.read(512)) != bytes(512):
            try:
                said = tarfile.TarInfo.frombuf(header, "ascii", "strict")
                wanted = tarfile.TarInfo(said.name)
                wanted.size = said.size
                same = wanted.tobuf(tarfile.USTAR_FORMAT) == header
            except (tarfile.TarError, ValueError) as error:
                raise Wrong(f"no member of an archive at octet {at}: {error}") from error
            if not same or not MEMBER.fullmatch(said.name) or said.name <= last or len(places) >= MOST_FILES:
                raise Wrong(f"{said.name!r} at octet {at} has no place in a bundle")
            if said.size > whole - at - 512:
                raise Wrong(f"{said.name} is larger than the archive")
            handle.seek(said.size, os.SEEK_CUR)
            filling = handle.read(-said.size % 512)
            if filling != bytes(-said.size % 512):
                raise Wrong(f"{said.name} is not filled with zeros")
            places[said.name], last = (at + 512, said.size), said.name
            at += 512 + said.size + len(filling)
        if handle.read() != bytes(512):
            raise Wrong("the archive does not end as it should")

    def opened(name: str) -> bytes:
        with path.open("rb") as handle:
            handle.seek(places[name][0])
            return handle.read(places[name][1])

    return Box({name: size for name, (_, size) in places.items()}, opened)


def sha256(data: bytes) -> str:
    """The digest, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    """RFC 8785, for values without fractions and with keys of ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def load(data: bytes, name: str, *, exact: bool = True) -> Any:
    """JSON without a key that stands twice; with `exact`, in canonical form alone."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        value = json.loads(data, object_pairs_hook=once)
        if exact and (canonical(value) != data or not isinstance(value, dict)):
            raise ValueError("it is no object in canonical form")
    except (ValueError, RecursionError) as error:
        raise Wrong(f"{name}: {error}") from error
    return value


# --- digests and completeness ----------------------------------------------------------------------------


def check_files(box: Box, manifest: dict[str, Any]) -> dict[str, str]:
    """Every file by its digest, and no blob too many; the digest of each path."""
    if manifest.keys() - {"redacted"} != {"files", "format"} or manifest["format"] != "assay-bundle-1":
        raise Wrong("manifest.json is none of assay-bundle-1")
    found: dict[str, str] = {}
    for one in manifest["files"]:
        if one.keys() != {"path", "sha256", "size"} or not PATH.fullmatch(one["path"]):
            raise Wrong(f"manifest.json lists what is no file of a campaign: {one}")
        if not re.fullmatch(HEX, one["sha256"]) or type(one["size"]) is not int or one["path"] in found:
            raise Wrong(f"manifest.json: {one['path']} is twice there, or without digest or size")
        found[one["path"]] = one["sha256"]
        blob = f"blobs/sha256/{one['sha256']}"
        if box.sizes.get(blob) != one["size"] or one["size"] > MOST_OCTETS:
            raise Wrong(f"{one['path']} is missing, or not of {one['size']} octets ({blob})")
        if sha256(box.read(blob, MOST_OCTETS)) != one["sha256"]:
            raise Wrong(f"{one['path']} was changed ({blob})")
    if list(found) != sorted(found):
        raise Wrong("manifest.json is not sorted")
    for name in box.sizes:
        if name.startswith("blobs/") and name.rpartition("/")[2] not in found.values():
            raise Wrong(f"{name} belongs to no file of the manifest")
    return found


def check_plan(box: Box, files: dict[str, str], redacted: dict[str, Any]) -> list[dict[str, Any]]:
    """Every file belongs to a record of the plan, and every record to its place; the plan."""

    def content(path: str) -> Any:
        return load(box.read(f"blobs/sha256/{files[path]}", MOST_OCTETS), path, exact=False)

    plan: list[dict[str, Any]] = content("campaign.json")["plan"]
    left, places = dict(files), set[str]()
    left.pop("campaign.json")
    for one in plan:
        place = f"records/{one['spec']}/{one['slug']}/{one['variant']}"
        if place in places:
            raise Wrong(f"{place} is the place of several variants of the plan")
        places.add(place)
        if one["decided"] is not None and one["decided"]["outcome"] not in ("NOT_APPLICABLE", "INCONCLUSIVE"):
            raise Wrong(f"{place}: the plan decides {one['decided']['outcome']}, only a record may say that")
        if left.pop(f"{place}/record.json", None) is None:
            continue
        record = content(f"{place}/record.json")
        if one["decided"] is not None:
            raise Wrong(f"{place}: the plan had decided this variant without a record")
        if any(record[key] != one[key] for key in ("spec", "case", "variant", "target")):
            raise Wrong(f"{place} has the record of {record['case']}/{record['variant']}")
        for name, digest in record["evidence"].items():
            path = f"{place}/{name}"
            if left.pop(path, redacted["withheld"].get(path)) != digest:
                raise Wrong(f"{path} is not the evidence that its record names")
    if left:
        raise Wrong(f"{min(left)} belongs to no record of the plan")
    return plan


def check_results(box: Box, files: dict[str, str], plan: list[dict[str, Any]], rules: str) -> bytes:
    """One verdict for each variant of the plan, in its order; the octets of results.json."""
    data = box.read("results.json", MOST_JSON)
    said = load(data, "results.json")
    if said.keys() != {"format", "harness", "results", "rules"} or said["format"] != "assay-results-1":
        raise Wrong("results.json is none of assay-results-1")
    if said["rules"].keys() != RULES or len(said["results"]) != len(plan):
        raise Wrong("results.json does not have one result for each variant of the plan")
    if rules and said["rules"]["digest"] != rules:
        raise Wrong(f"judged under the rules {said['rules']['digest']}, not under {rules}")
    for one, planned in zip(said["results"], plan, strict=True):
        name = f"{one['case']}/{one['variant']}"
        if one.keys() != RESULT_KEYS or one["verdict"] not in VERDICTS:
            raise Wrong(f"results.json: {name} has no verdict in its one form")
        if any(one[key] != planned[key] for key in ("spec", "case", "variant", "target")):
            raise Wrong(f"results.json: {name} is not what stands there in the plan")
        path = f"records/{planned['spec']}/{planned['slug']}/{planned['variant']}/record.json"
        if planned["decided"] is not None:
            fits = one["verdict"] == planned["decided"]["outcome"]
        else:
            fits = (one["verdict"] == "NOT_RUN") == (path not in files)
        if not fits:
            raise Wrong(f"results.json: {name} cannot be {one['verdict']}")
    return data


# --- seals -----------------------------------------------------------------------------------------------


def load_key(text: str) -> tuple[str, Any, str]:
    """Identifier, key and role of what was given as FILE or ROLE=FILE."""
    role, _, path = text.rpartition("=")
    key: Any = serialization.load_pem_public_key(Path(path).read_bytes())
    p256 = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if not p256 and not isinstance(key, ed25519.Ed25519PublicKey):
        raise Wrong(f"{path} is neither Ed25519 nor ECDSA P-256")
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return sha256(der), key, role


def check_seals(box: Box, manifest: bytes, results: bytes, keys: list[tuple[str, Any, str]]) -> list[str]:
    """Every seal by a key given holds, and every key given has sealed; what to tell of each seal."""
    if len({keyid for keyid, _, _ in keys}) != len(keys):
        raise Wrong("a key was given twice: it counts once")
    told, sealed = [], set()
    for name in sorted(box.sizes):
        if not (parts := SEAL.fullmatch(name)):
            continue
        role, short, kind = parts[1], parts[2], parts[3]
        if kind != ".dsse.json" and f"seals/{role}-{short}.dsse.json" not in box.sizes:
            raise Wrong(f"{name} stands beside no seal")
        if kind == ".tsr":
            told.append(f"{name}: a time stamp, not checked here")
            continue
        keyid, payload, signature = open_envelope(box.read(name, MOST_JSON), name)
        beside = f"seals/{role}-{short}.dsse.json"
        if not keyid.startswith(short) or open_envelope(box.read(beside, MOST_JSON), beside)[0] != keyid:
            raise Wrong(f"{name} is an envelope of another key, {keyid}")
        key, wanted = next(((key, want) for one, key, want in keys if one == keyid), (None, ""))
        if key is None:
            told.append(f"{name}: not checked, no such key was given")
            continue
        check_signature(key, payload, signature, name)
        statement = load(payload, name)
        if kind == ".dsse.json":
            predicate = check_seal(statement, role, name)
            if predicate["results"] != {"sha256": sha256(results)}:
                raise Wrong(f"{name} sealed other results")
            if wanted and wanted != role:
                raise Wrong(f"{name}: this key seals as {wanted}, not as {role}")
            sealed.add(keyid)
            told.append(f"{role} at {predicate['time']}, key {keyid[:16]} {predicate['comment']!r}")
        elif statement["predicate"] != test_result(results):
            raise Wrong(f"{name} does not say what results.json says")
        elif statement["predicateType"] != "https://in-toto.io/attestation/test-result/v0.1":
            raise Wrong(f"{name} is a statement of another type")
        subject = [{"digest": {"sha256": sha256(manifest)}, "name": "manifest.json"}]
        if statement["_type"] != STATEMENT or statement["subject"] != subject or len(statement) != 4:
            raise Wrong(f"{name} sealed another manifest")
    for keyid, _, role in keys:
        if keyid not in sealed:
            raise Wrong(f"key {keyid[:16]} has not sealed this {role}")
    if not told:
        raise Wrong("there is no seal")
    return told


def open_envelope(data: bytes, name: str) -> tuple[str, bytes, bytes]:
    """Key identifier, payload and signature of an envelope in its one form."""
    said = load(data, name)
    try:
        (one,) = said["signatures"]
        payload, signature = (base64.b64decode(t, validate=True) for t in (said["payload"], one["sig"]))
        again = {"keyid": one["keyid"], "sig": base64.b64encode(signature).decode()}
        kind = "application/vnd.in-toto+json"
        form = {"payload": base64.b64encode(payload).decode(), "payloadType": kind, "signatures": [again]}
    except (KeyError, TypeError, ValueError) as error:
        raise Wrong(f"{name} is no envelope with one signature: {error}") from error
    if said != form or not re.fullmatch(HEX, str(one["keyid"])):
        raise Wrong(f"{name} is no envelope of {kind} in its one form")
    return one["keyid"], payload, signature


def check_signature(key: Any, payload: bytes, signature: bytes, name: str) -> None:
    """The signature over the pre-authentication encoding of DSSE."""
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    how = () if isinstance(key, ed25519.Ed25519PublicKey) else (ec.ECDSA(hashes.SHA256()),)
    try:
        key.verify(signature, signed, *how)
    except InvalidSignature as error:
        raise Wrong(f"{name}: the signature is not one of the key given") from error


def check_seal(statement: dict[str, Any], role: str, name: str) -> dict[str, Any]:
    """The predicate of a seal in this role."""
    predicate: dict[str, Any] = statement["predicate"]
    if statement["predicateType"] != "urn:assay:seal:v1":
        raise Wrong(f"{name} is a statement of another type")
    wanted = {"comment", "results", "role", "time"}
    if predicate.keys() != wanted or predicate["role"] != role or not TIME.fullmatch(predicate["time"]):
        raise Wrong(f"{name} is no seal as {role}")
    return predicate


def test_result(results: bytes) -> dict[str, Any]:
    """The predicate test-result/v0.1 that these results amount to."""
    listed = load(results, "results.json")["results"]
    names: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
    for one in listed:
        names[one["verdict"]].append(f"{one['spec']}/{one['case']}/{one['variant']}@{one['target']}")
    good = listed and all(one["verdict"] in ("PASS", "NOT_APPLICABLE") for one in listed)
    return {
        "configuration": [{"digest": {"sha256": sha256(results)}, "name": "results.json"}],
        "failedTests": names["FAIL"],
        "passedTests": names["PASS"],
        "result": "PASSED" if good else "FAILED",
        "warnedTests": [],
    }


def check(box: Box, keys: list[tuple[str, Any, str]], rules: str = "") -> list[str]:
    """Check a bundle whole; what to tell of it. Raises Wrong for the first thing that does not hold."""
    try:
        data = box.read("manifest.json", MOST_JSON)
        manifest = load(data, "manifest.json")
        files = check_files(box, manifest)
        redacted = manifest.get("redacted", {"withheld": {}})
        plan = check_plan(box, files, redacted)
        results = check_results(box, files, plan, rules)
        told = check_seals(box, data, results, keys)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Wrong(f"something does not have the form it should have: {error!r}") from error
    return [f"bundle {sha256(data)}: {len(files)} files, {len(plan)} results", *told]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", action="append", default=[], help="a public key in PEM, ROLE=FILE or FILE")
    parser.add_argument("--rules", default="", help="the rules digest to expect")
    given = parser.parse_args()
    try:
        keys = [load_key(text) for text in given.key]
        told = check(open_box(given.bundle), keys, given.rules)
    except (Wrong, OSError, ValueError) as error:
        print(f"REFUSED: {str(error)!a}")
        return 1
    print("\n".join(ascii(line) for line in told))
    print(
        "as it was sealed"
        if keys
        else "nothing is changed, but no key was given: anybody may have sealed this"
    )
    return 0 if keys else 2


if __name__ == "__main__":
    sys.exit(main())
