"""Verifying a bundle: everything that is not as it was sealed is found and named."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from assay import rules
from assay.bundle import statement
from assay.bundle.keys import Trusted
from assay.bundle.statement import RESULTS
from assay.campaign import Campaign, as_object
from assay.errors import AssayError
from assay.files import MAX_MANIFEST, Box, Bundle, Damaged, blob, exact, strict
from assay.verdict import Outcome

SEALS = "seals/"


@dataclass(frozen=True)
class Seal:
    """One seal of a bundle: what it says, and whether a key that the verifier trusts made it."""

    name: str
    keyid: str
    trusted: bool
    role: str = ""
    time: str = ""
    comment: str = ""
    key: str = ""  # where the verifier had the key from
    stamped: str = ""  # when it was there, as a time stamping authority says


@dataclass
class Findings:
    """What a verification found; the bundle is as it was sealed when `problems` is empty."""

    digest: str = ""
    rules: str = ""
    files: int = 0
    octets: int = 0
    problems: list[str] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    rejudged: int = 0
    unchecked: list[str] = field(default_factory=list)  # time stamps
    witnessed: list[str] = field(default_factory=list)
    disclosed: dict[str, str] = field(default_factory=dict)

    def problem(self, text: str) -> None:
        """Name something that is wrong."""
        self.problems.append(text)


def verify(
    bundle: Bundle,
    keys: Sequence[Trusted],
    *,
    rejudge: bool = False,
    expected: str = "",
) -> Findings:
    """Check a bundle whole.

    Args:
        keys: what the verifier trusts; each of them must have sealed, in its role where it has one.
        rejudge: judge every record again and compare.
        expected: the rules digest that the verdicts must come from; that of this installation where empty.
    """
    found = contents(bundle)
    _keys(found, keys)
    judged = _judged(bundle, found)
    _seals(bundle, judged, keys, found)
    if judged is not None:
        _rules(judged, expected or rules.current()["digest"], found)
        if rejudge:
            _rejudge(bundle, judged, found)
    return found


# --- what is in the box -----------------------------------------------------------------------------------


def contents(bundle: Bundle) -> Findings:
    """Compare every member of a bundle with its manifest, its records, and its plan."""
    found = Findings(digest=hashlib.sha256(bundle.manifest).hexdigest(), files=len(bundle.entries))
    try:
        names = bundle.box.names()
    except Damaged as error:
        found.problem(str(error))
        return found
    blobs = {blob(entry.sha256): name for name, entry in bundle.entries.items()}
    for member in names:
        if member.startswith("blobs/") and member not in blobs:
            found.problem(f"{member} belongs to no file of the manifest")
    hashes: dict[str, str] = {}
    for name, entry in bundle.entries.items():
        member = blob(entry.sha256)
        if member not in names:
            found.problem(f"{name} is missing ({member})")
        elif names[member] != entry.size:
            found.problem(f"{name} has {names[member]} octets, not {entry.size} ({member})")
        else:
            if member not in hashes:
                hashes[member] = bundle.digest(name)
            if hashes[member] != entry.sha256:
                found.problem(f"{name} was changed ({member})")
            found.octets += entry.size
    if not found.problems:
        _belonging(bundle, found)
    return found


def _belonging(bundle: Bundle, found: Findings) -> None:
    """Every record is of its place, and every file is named by a record that says what it is."""
    try:
        campaign = Campaign.of(bundle)
    except AssayError as error:
        return found.problem(str(error))
    left = {name: entry.sha256 for name, entry in bundle.entries.items() if name != "campaign.json"}
    folders = Counter(campaign.name(planned, "record.json") for planned in campaign.plan)
    for planned in campaign.plan:
        path = campaign.name(planned, "record.json")
        if folders[path] > 1:
            found.problem(f"{path} is the place of several variants of the plan")
        if path not in left:
            continue
        try:
            record = campaign.read(planned)
        except AssayError as error:
            found.problem(str(error))
            continue
        del left[path]
        if planned.decided is not None:
            found.problem(f"{path}: the plan had decided this variant without a record")
        for file, sha256 in (record.evidence if record else {}).items():
            name = campaign.name(planned, file)
            now = left.pop(name, bundle.withheld.get(name))
            if PurePosixPath(file).name != file or sha256 != now:
                found.problem(f"{name} is not the evidence that its record names")
    for name in left:
        found.problem(f"{name} belongs to no record of the plan")
    return None


# --- results ----------------------------------------------------------------------------------------------


def _judged(bundle: Bundle, found: Findings) -> bytes | None:
    """The octets of `results.json`, when they are in their one form and fit the plan."""
    try:
        judged = _member(bundle.box, RESULTS)
        said = exact(judged, RESULTS)
        if said.get("format") != statement.RESULTS_FORMAT or len(said) != 4:
            raise Damaged(f"{RESULTS} does not have the form of {statement.RESULTS_FORMAT}")
        found.rules = said["rules"]["digest"]
        found.counts = dict(Counter(one["verdict"] for one in said["results"]))
        for wrong in _complete(bundle, said["results"]):
            found.problem(wrong)
    except FileNotFoundError:
        found.problem(f"{RESULTS} is missing")
        return None
    except AssayError as error:
        found.problem(str(error))
        return None
    except (KeyError, TypeError, AttributeError):
        found.problem(f"{RESULTS} does not have the form of {statement.RESULTS_FORMAT}")
        return None
    return judged


def _complete(bundle: Bundle, listed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What keeps the results from being one for each variant of the plan, in its order."""
    try:
        plan = Campaign.of(bundle).plan
    except AssayError:
        return
    wanted = [(p.spec, p.case, p.variant, p.target) for p in plan]
    if wanted != [(one["spec"], one["case"], one["variant"], one["target"]) for one in listed]:
        yield f"{RESULTS} does not have one result for each variant of the plan, in its order"
        return
    for planned, one in zip(plan, listed, strict=True):
        where = f"{RESULTS}: {planned.case}/{planned.variant}"
        outcome = Outcome(one["verdict"]) if one["verdict"] in list(Outcome) else None
        there = Campaign.name(planned, "record.json") in bundle.entries
        if outcome is None:
            yield f"{where}: {str(one['verdict'])[:50]!r} is no verdict"
        elif planned.decided is not None and outcome is not planned.decided.outcome:
            yield f"{where} is {outcome}, the plan decided {planned.decided.outcome}"
        elif planned.decided is None and there is (outcome is Outcome.NOT_RUN):
            yield f"{where} is {outcome}, and its record is {'there' if there else 'missing'}"


def _member(box: Box, name: str) -> bytes:
    with box.open(name) as handle:
        data = handle.read(MAX_MANIFEST + 1)
    if len(data) > MAX_MANIFEST:
        raise Damaged(f"{name} is larger than {MAX_MANIFEST >> 20} MiB")
    return data


def _rules(judged: bytes, expected: str, found: Findings) -> None:
    said = strict(judged, RESULTS)["rules"]["digest"]
    if said != expected:
        found.problem(f"judged under the rules {str(said)[:64]}, not under {expected}")


def _rejudge(bundle: Bundle, judged: bytes, found: Findings) -> None:
    """Judge every record again; a verdict, a reason or a reference that differs is a problem."""
    sealed = strict(judged, RESULTS)["results"]
    try:
        again = list(Campaign.of(bundle).results())
    except AssayError as error:
        return found.problem(f"cannot be judged again: {error}")
    for one, result in zip(sealed, again, strict=False):
        where = f"{result.planned.case}/{result.planned.variant}"
        if result.record is None:
            continue
        found.rejudged += 1
        if one != as_object(result):
            found.problem(f"{where} was sealed as {one['verdict']} and is judged {result.verdict.outcome}")
    return None


# --- seals ------------------------------------------------------------------------------------------------


def _keys(found: Findings, keys: Sequence[Trusted]) -> None:
    for number, one in enumerate(keys):
        if any(one.key.keyid == other.key.keyid for other in keys[:number]):
            found.problem(f"{one.source} is a key that was given twice: it counts once")


def _seals(bundle: Bundle, judged: bytes | None, keys: Sequence[Trusted], found: Findings) -> None:
    try:
        names = sorted(name for name in bundle.box.names() if name.startswith(SEALS))
    except Damaged:
        return
    for name in names:
        if name.endswith(".tsr"):
            if name.replace(".tsr", ".dsse.json") not in names:
                found.problem(f"{name} stamps a seal that is not there")
            found.unchecked.append(name)
            continue
        try:
            signed = statement.envelope(_member(bundle.box, name), name)
            if name.endswith(".test-result.dsse.json"):
                _standard(bundle, judged, signed, names, keys)
            else:
                found.seals.append(_seal(bundle, judged, signed, keys))
        except Damaged as error:
            found.problem(str(error))
    for one in keys:
        if not any(seal.trusted and seal.keyid == one.key.keyid for seal in found.seals):
            found.problem(f"{one.source} has not sealed this{f' as {one.role}' if one.role else ''}")
    if not names:
        found.problem("there is no seal")


def _seal(bundle: Bundle, judged: bytes | None, signed: statement.Signed, keys: Sequence[Trusted]) -> Seal:
    by = signed.by(keys)
    if by is None:
        return Seal(signed.name, signed.keyid, trusted=False)
    said = statement.claim(signed, bundle.manifest)
    if signed.name != f"{SEALS}{said.role}-{signed.keyid[:16]}.dsse.json":
        raise Damaged(f"{signed.name} is a seal of {said.role}-{signed.keyid[:16]}")
    if by.role and said.role != by.role:
        raise Damaged(f"{signed.name}: {by.source} sealed as {said.role}, not as {by.role}")
    if judged is not None and said.results != hashlib.sha256(judged).hexdigest():
        raise Damaged(f"{signed.name} sealed other results than {RESULTS} holds")
    return Seal(signed.name, signed.keyid, True, said.role, said.time, said.comment, by.source)


def _standard(
    bundle: Bundle,
    judged: bytes | None,
    signed: statement.Signed,
    names: Sequence[str],
    keys: Sequence[Trusted],
) -> None:
    seal = signed.name.replace(".test-result", "")
    if seal not in names or statement.envelope(_member(bundle.box, seal), seal).keyid != signed.keyid:
        raise Damaged(f"{signed.name} stands beside no seal of its key")
    if signed.by(keys) is None or judged is None:
        return
    if exact(signed.payload, signed.name) != statement.test_result(bundle.manifest, judged):
        raise Damaged(f"{signed.name} does not say what {RESULTS} says")
