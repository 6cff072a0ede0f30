"""A baseline: the verdicts that a CI knows already, so that only what is new breaks a build."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints

from assay import catalogue, yamlfile
from assay.campaign import Campaign, Result
from assay.compare import Key, key, rules_of
from assay.errors import UsageError
from assay.files import write_atomic
from assay.reports.common import NOTHING
from assay.reports.markdown import LIMIT, cell, head, page, table
from assay.verdict import Outcome

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
MAX_STALE = 50
GREEN = (Outcome.PASS, Outcome.NOT_APPLICABLE)


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Known(Model):
    """One verdict that is known. NOT_RUN cannot be: what was not run is not known."""

    spec: Text
    case: Text
    variant: Text
    target: Text
    verdict: Literal["FAIL", "INCONCLUSIVE", "ERROR"]
    note: Text | None = None  # whose it is, where it is followed up

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.spec, self.case, self.variant, self.target


class Baseline(Model):
    """The known verdicts of one job, and the rules digest of the campaign they were taken from."""

    rules: Text
    known: tuple[Known, ...] = ()


@dataclass(frozen=True)
class Stale:
    """An entry that does not hold any more, and what is there instead."""

    known: Known
    now: Outcome | None  # None where the campaign does not hold the variant


@dataclass(frozen=True)
class Checked:
    """A campaign beside a baseline."""

    new: tuple[Result, ...]  # neither green nor known, worst for a build
    known: tuple[Result, ...]  # as the baseline says
    stale: tuple[Stale, ...]  # mended, or not in this campaign
    other_rules: bool  # the baseline was taken under other rules than the campaign's

    @property
    def exit_code(self) -> int:
        """0 as known, 1 a new FAIL, 2 anything else new, 3 nothing new but an entry is stale."""
        outcomes = {r.verdict.outcome for r in self.new}
        if outcomes:
            return 1 if Outcome.FAIL in outcomes else 2
        return 3 if self.stale else 0


def load(path: Path) -> Baseline:
    """A baseline from its file; raises UsageError that names the line of whatever is wrong."""
    found, lines = yamlfile.read(path, Baseline, "baseline")
    seen: set[Key] = set()
    for index, one in enumerate(found.known):
        where = f"{path}:{yamlfile.line(lines, ('known', index))}"
        try:
            catalogue.find(one.case, one.spec)[1].variant(one.variant)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error
        except KeyError:
            raise UsageError(f"{where}: {one.case} has no variant {one.variant!r}") from None
        if one.key in seen:
            raise UsageError(f"{where}: {one.case}/{one.variant} on {one.target} stands twice")
        seen.add(one.key)
    return found


def check(campaign: Campaign, results: Iterable[Result], baseline: Baseline) -> Checked:
    """What of a campaign is new, known and stale; an entry holds only for the very same verdict."""
    known = {entry.key: entry for entry in baseline.known}
    here = {key(result): result for result in results}
    new: list[Result] = []
    as_known: list[Result] = []
    for which, result in here.items():
        if result.verdict.outcome in GREEN:
            continue
        entry = known.get(which)
        (as_known if entry and entry.verdict == result.verdict.outcome.value else new).append(result)
    stale = [
        Stale(entry, here[which].verdict.outcome if which in here else None)
        for which, entry in known.items()
        if which not in here or here[which].verdict.outcome in GREEN
    ]
    return Checked(tuple(new), tuple(as_known), tuple(stale), baseline.rules != rules_of(campaign))


def write(path: Path, campaign: Campaign, results: Iterable[Result], notes: Mapping[Key, str]) -> int:
    """Write the verdicts of a campaign that are not green as a baseline, with these notes; how many they are.

    Raises UsageError where something was not run.
    """
    entries = []
    for result in results:
        if result.verdict.outcome is Outcome.NOT_RUN:
            case = f"{result.planned.case}/{result.planned.variant}"
            raise UsageError(f"{case} was not run: a baseline is taken from a campaign that came to its end")
        if result.verdict.outcome not in GREEN:
            names = dict(zip(("spec", "case", "variant", "target"), key(result), strict=True))
            note = {"note": notes[key(result)]} if key(result) in notes else {}
            entries.append({**names, "verdict": result.verdict.outcome.value, **note})
    whole = {"rules": rules_of(campaign), "known": entries}
    text = yaml.safe_dump(whole, sort_keys=False, allow_unicode=False, width=110)
    write_atomic(
        path, f"# verdicts that are known; assay check CAMPAIGN --baseline FILE --write\n{text}".encode()
    )
    return len(entries)


def summary(campaign: Campaign, results: Sequence[Result], checked: Checked) -> str:
    """A campaign beside its baseline as Markdown: what is new, what is stale, and what is known."""
    worst = {
        0: "nothing new",
        1: "a FAIL is new",
        2: "something new is not green",
        3: "the baseline is stale",
    }
    lines = [*head(campaign, results), "", f"**Against the baseline: {worst[checked.exit_code]}.**", ""]
    if checked.new:
        lines += ["New:", "", *table(checked.new, NOTHING, LIMIT // 2), ""]
    for stale in checked.stale[:MAX_STALE]:
        known, now = stale.known, f"is {stale.now}" if stale.now else "is not in this campaign"
        lines.append(f"- stale: {cell(f'{known.case}/{known.variant}', 150)} {cell(now)}: remove it")
    if (rest := len(checked.stale) - MAX_STALE) > 0:
        lines.append(f"- and {rest} more are stale")
    if checked.other_rules and (checked.new or checked.stale):
        lines.append("- the baseline was taken under other rules: what changed might be the yardstick")
    if checked.known:
        lines += ["", f"Known ({len(checked.known)}):", "", *table(checked.known, NOTHING, LIMIT // 4)]
    return page(lines)
