"""A campaign on disk: records that are written once and judged as often as anyone likes."""

import hashlib
import json
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from assay import rules, statements, suites
from assay.case import Case, from_json, to_json
from assay.errors import UsageError
from assay.files import MANIFEST, Bundle, Entry, Files, Folder, manifest, strict, write_atomic
from assay.verdict import SEVERITY, Outcome, Verdict, failed, inconclusive

SCHEMA = 2
MAX_RECORD = 64 << 20


@dataclass(frozen=True)
class Planned:
    """One variant on one target as the plan has it; `decided` is set where nothing need be run."""

    spec: str
    case: str
    slug: str
    variant: str
    target: str
    decided: Verdict | None = None


@dataclass(frozen=True)
class Attempt:
    """What one probe saw, and what service of the product the stimulus took away, if any."""

    seen: Mapping[str, Any]
    loss: str = ""
    loss_ref: str = ""
    wide: bool = False  # the loss was one that other UEs feel too


@dataclass(frozen=True)
class Record:
    """What one run of a variant left behind: the facts, or the problem that kept them away.

    A second attempt is there where the product's service was lost after the stimulus of the first.
    """

    spec: str
    case: str
    variant: str
    target: str
    started: str  # ISO 8601, UTC
    seconds: float
    harness: str
    attempts: tuple[Attempt, ...]
    problem: Verdict | None = None  # ERROR or INCONCLUSIVE
    evidence: Mapping[str, str] = field(default_factory=dict)  # file name -> SHA-256
    conditions: Mapping[str, Any] = field(default_factory=dict)  # timers and settings in force
    schema: int = SCHEMA


@dataclass(frozen=True)
class Result:
    """One planned variant with its verdict, and its record where there is one."""

    planned: Planned
    verdict: Verdict
    record: Record | None = None


def judge(record: Record) -> Verdict:
    """The verdict of a record: a pure function of what was written, whoever asks and whenever.

    A record that does not fit its observation, or a judge that breaks, is an ERROR.
    """
    if record.problem is not None:
        if record.problem.outcome not in (Outcome.ERROR, Outcome.INCONCLUSIVE):
            return Verdict(Outcome.ERROR, f"the record gives {record.problem.outcome} as a problem")
        return record.problem
    bound = suites.bindings(record.spec).get((record.case, record.variant))
    if bound is None:
        return Verdict(Outcome.ERROR, f"no judge for {record.case}/{record.variant} in this version")
    if not record.attempts:
        return Verdict(Outcome.ERROR, "the record holds neither facts nor a problem")
    verdicts = [_judge_one(bound, attempt.seen) for attempt in record.attempts]
    worst_first = min(verdicts, key=lambda v: SEVERITY.index(v.outcome))
    if worst_first.outcome in (Outcome.FAIL, Outcome.ERROR):
        return worst_first
    lost = [a for a in record.attempts if a.loss]
    refs = tuple(a.loss_ref for a in lost if a.loss_ref)
    if len(lost) > 1:
        return failed(f"{lost[0].loss} after the stimulus, and again when it was repeated", *refs)
    if lost:
        again = "the repetition went well" if len(record.attempts) > 1 else "it could not be repeated"
        return inconclusive(f"{lost[0].loss} after the stimulus, once; {again}", *refs)
    exits = vital(record, "before", "exits"), vital(record, "after", "exits")
    if verdicts[-1].outcome is Outcome.PASS and (exits[1] or 0) > (exits[0] or 0):
        return inconclusive("all went well, but meanwhile the product's process ended by itself")
    try:
        return statements.weigh(verdicts[-1], bound.asks, statements.of(record.conditions))
    except ValueError as error:
        return Verdict(Outcome.ERROR, f"the statements in the record cannot be read: {error}")


def vital(record: Record, when: str, what: str) -> int | None:
    """A number that a record has of the product's process "before" or "after" it, None where it has none."""
    found: Any = record.conditions
    for key in ("vitals", when, what):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, int) else None


def _judge_one(bound: Case[Any], facts: Mapping[str, Any]) -> Verdict:
    try:
        seen = from_json(bound.seen, facts)
    except ValueError as error:
        return Verdict(Outcome.ERROR, f"the record does not fit the observation of this version: {error}")
    try:
        return bound.judge(seen)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        return Verdict(Outcome.ERROR, f"the judge broke at {where}: {type(error).__name__}: {error}")


UNRUN = (Outcome.NOT_APPLICABLE, Outcome.INCONCLUSIVE)
"""What a plan may decide without a record: does not apply; not declared, or not allowed to run."""


def fresh_folder() -> Path:
    """Where a campaign goes that is told no folder: campaigns/<time>."""
    return Path("campaigns") / datetime.now().strftime("%Y%m%d-%H%M%S")


class Campaign:
    """A folder with `campaign.json` and one folder a variant below `records/`, or a sealed bundle of it."""

    def __init__(self, path: Path, header: Mapping[str, Any], files: Files | None = None) -> None:
        self.path = path
        self.header = header
        self.files: Files = files or Folder(path)
        self.plan = tuple(from_json(Planned, entry) for entry in header["plan"])
        for planned in self.plan:
            if planned.decided is not None and planned.decided.outcome not in UNRUN:
                what = f"{planned.case}/{planned.variant}: {planned.decided.outcome}"
                raise UsageError(f"{path}: the plan decides {what}, and only a record may say that")

    @classmethod
    def create(cls, path: Path, header: Mapping[str, Any], plan: tuple[Planned, ...]) -> "Campaign":
        """Start a campaign in a new or empty folder; raises UsageError when something is there already."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} is not empty: choose another --out, or continue it with --resume")
        whole = {"schema": SCHEMA, "rules": rules.current(), **header, "plan": to_json(plan)}
        write_atomic(path / "campaign.json", json.dumps(whole, indent=1, ensure_ascii=False).encode())
        return cls(path, whole)

    @classmethod
    def open(cls, path: Path) -> "Campaign":
        """Read a campaign from its folder or from a sealed bundle (a folder or an archive).

        Raises UsageError when there is none that this version reads. What a bundle holds is checked against
        its manifest when it is read; who sealed the manifest is a question to `assay verify`.
        """
        return cls.of(Bundle(path) if path.is_file() or (path / MANIFEST).exists() else Folder(path))

    @classmethod
    def of(cls, files: Files) -> "Campaign":
        """The campaign that these files are; raises UsageError as `open` does."""
        where = f"{files.path}: campaign.json"
        try:
            header = strict(files.read("campaign.json", MAX_RECORD), where)
            if header["schema"] != SCHEMA:
                raise UsageError(f"{files.path}: written by another version (schema {header['schema']})")
            return cls(files.path, header, files)
        except FileNotFoundError:
            raise UsageError(f"{files.path} holds no campaign.json: give the folder of a campaign") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(f"{where} cannot be read: {error}") from error

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest that this campaign has or would be sealed with: what it is known by."""
        whole = self.files.manifest if isinstance(self.files, Bundle) else manifest(self.entries())
        return hashlib.sha256(whole).hexdigest()

    def entries(self) -> dict[str, Entry]:
        """Every file that belongs to the campaign: its header, its records, and the evidence they name."""
        if isinstance(self.files, Bundle):
            return dict(self.files.entries)
        found = {"campaign.json": self._entry("campaign.json")}
        for planned in self.plan:
            name = self.name(planned, "record.json")
            if planned.decided is not None or self.files.size(name) is None:
                continue
            found[name] = self._entry(name)
            record = strict(self.files.read(name, MAX_RECORD), name)
            named = record.get("evidence") if isinstance(record, dict) else None
            for file, sha256 in named.items() if isinstance(named, dict) else ():
                path = self.name(planned, Path(file).name)
                if (size := self.files.size(path)) is not None:
                    found[path] = Entry(str(sha256), size)
        return found

    def _entry(self, name: str) -> Entry:
        return Entry(self.files.digest(name), self.files.size(name) or 0)

    @staticmethod
    def name(planned: Planned, file: str) -> str:
        """The name of a file of a variant inside the campaign."""
        return f"records/{planned.spec}/{planned.slug}/{planned.variant}/{file}"

    def folder(self, planned: Planned) -> Path:
        """Where a variant's record and evidence are."""
        return self.path / "records" / planned.spec / planned.slug / planned.variant

    def clear(self, planned: Planned) -> None:
        """Remove what an earlier probe of a variant left, so that nothing lies there that no record names."""
        for path in self.folder(planned).glob("*"):
            if path.is_file():
                path.unlink()

    def write(self, planned: Planned, record: Record) -> None:
        """Write a record, last of all its files, so that a record that is there is complete."""
        write_atomic(
            self.folder(planned) / "record.json",
            json.dumps(to_json(record), indent=1, ensure_ascii=False, allow_nan=False).encode(),
        )

    def read(self, planned: Planned) -> Record | None:
        """The record of a variant, or None when it was not run; raises UsageError when it is damaged."""
        path = f"{self.path}: {self.name(planned, 'record.json')}"
        try:
            found = strict(self.files.read(self.name(planned, "record.json"), MAX_RECORD), path)
            record: Record = from_json(Record, found)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(f"{path} is damaged: {error}") from error
        names = (planned.spec, planned.case, planned.variant, planned.target)
        if (record.spec, record.case, record.variant, record.target) != names:
            raise UsageError(f"{path} is the record of {record.case}/{record.variant}, not of this folder")
        return record

    def intact(self, planned: Planned, record: Record) -> str:
        """Empty when every evidence file is there with its digest, or was redacted; else what is wrong."""
        for name, expected in record.evidence.items():
            file = Path(name).name
            if self.files.before(self.name(planned, file)) == expected:
                continue  # redacted
            try:
                if self.files.digest(self.name(planned, file)) != expected:
                    return f"{file} was changed"
            except (FileNotFoundError, IsADirectoryError):
                return f"{file} is missing"
        return ""

    def evidence(self, planned: Planned, name: str) -> bytes:
        """An evidence file of a variant; raises FileNotFoundError where there is none."""
        return self.files.read(self.name(planned, Path(name).name))

    def place(self, planned: Planned, name: str) -> str:
        """Where an evidence file lies relative to the folder of campaign or bundle; empty in an archive."""
        return self.files.place(self.name(planned, Path(name).name))

    def results(self) -> Iterator[Result]:
        """Every planned variant with its verdict, judged now from its record."""
        for planned in self.plan:
            if planned.decided is not None:
                yield Result(planned, planned.decided)
                continue
            record = self.read(planned)
            if record is None:
                yield Result(planned, Verdict(Outcome.NOT_RUN, "the campaign ended before it was run"))
            else:
                yield Result(planned, judge(record), record)


def exit_code(outcomes: list[Outcome]) -> int:
    """0 all passed or not applicable, 1 a FAIL, 2 anything else that is not green."""
    if Outcome.FAIL in outcomes:
        return 1
    return 0 if outcomes and all(o in (Outcome.PASS, Outcome.NOT_APPLICABLE) for o in outcomes) else 2


def as_object(result: Result) -> dict[str, Any]:
    """The flat form of a result for JSON output: spec, case, variant, target, verdict, reason."""
    planned = asdict(result.planned)
    return {k: planned[k] for k in ("spec", "case", "variant", "target")} | {
        "verdict": result.verdict.outcome.value,
        "reason": result.verdict.reason,
        "refs": list(result.verdict.refs),
    }
