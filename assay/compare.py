"""Two campaigns, verdict by verdict: what became of each, and what else changed between them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay import agreement
from assay.agreement import Agreement
from assay.campaign import Campaign, Result
from assay.change import Change, change
from assay.errors import UsageError
from assay.reports.common import at, one_line, product, words
from assay.verdict import Outcome, Verdict

Key = tuple[str, str, str, str]  # specification, case, variant, target
NO_RULES = "no rules digest"


@dataclass(frozen=True)
class Difference:
    """One variant in both campaigns, as both are judged now."""

    spec: str
    case: str
    variant: str
    target: str
    change: Change
    before: Verdict | None
    after: Verdict | None
    because: tuple[str, ...] = ()  # what differs between the two runs; empty where the verdict is unchanged


@dataclass(frozen=True)
class Comparison:
    """All differences in the order of the second campaign, with what else differs and the rules of both."""

    differences: tuple[Difference, ...]
    also: Mapping[str, str]  # what differs between the campaigns as wholes -> how, in words
    rules: tuple[str, str]

    @property
    def counts(self) -> dict[Change, int]:
        """How many variants there are of each change."""
        found = Counter(d.change for d in self.differences)
        return {change: found[change] for change in Change}

    @property
    def agreement(self) -> Agreement:
        """How far both agree on the variants that are in both."""
        both = [(d.before, d.after) for d in self.differences]
        return agreement.of((a.outcome, b.outcome) for a, b in both if a is not None and b is not None)

    @property
    def exit_code(self) -> int:
        """1 where something fails that did not, 2 where a PASS was lost otherwise, else 0."""
        fails = [d for d in self.differences if d.after is not None and d.after.outcome is Outcome.FAIL]
        if any(d.before is None or d.before.outcome is not Outcome.FAIL for d in fails):
            return 1
        return 2 if any(_lost(d) for d in self.differences) else 0


def _lost(found: Difference) -> bool:
    passed = found.before is not None and found.before.outcome is Outcome.PASS
    return passed and (found.after is None or found.after.outcome is not Outcome.PASS)


def compare(before: Campaign, after: Campaign, *, any_rules: bool = False) -> Comparison:
    """Compare two campaigns, each judged now from its records.

    Raises UsageError where they were run under different rules, or where one does not say under which, unless
    `any_rules`: what changed might be the yardstick.
    """
    rules = rules_of(before), rules_of(after)
    if not any_rules and (rules[0] != rules[1] or NO_RULES in rules):
        parts = ", ".join(_rules_parts(before, after)) or "unknown"
        raise UsageError(
            f"different rules: {before.path} under {rules[0][:16]}, {after.path} under {rules[1][:16]} "
            f"(differs: {parts}). What changed might be the yardstick, not the product: run both under one "
            "version, or say --allow-different-rules"
        )
    also = dict(_also(before, after))
    old, new = ({key(r): r for r in campaign.results()} for campaign in (before, after))
    gone = [k for k in old if k not in new]
    differences = tuple(difference(k, old.get(k), new.get(k), tuple(also)) for k in (*new, *gone))
    return Comparison(differences, also, rules)


def rules_of(campaign: Campaign) -> str:
    """The rules digest that a campaign was run under, or `NO_RULES`."""
    found = at(campaign.header, "rules", "digest")
    return found if isinstance(found, str) and found else NO_RULES


def key(result: Result) -> Key:
    """What makes a variant the same one in another campaign."""
    planned = result.planned
    return planned.spec, planned.case, planned.variant, planned.target


def difference(which: Key, before: Result | None, after: Result | None, also: Sequence[str]) -> Difference:
    """What became of one variant; `also` names what differs between the campaigns it is from."""
    old, new = (result.verdict if result else None for result in (before, after))
    found = change(old, new)
    if found is Change.UNCHANGED:
        return Difference(*which, found, old, new)
    because = list(also)
    if _in_force(before) != _in_force(after) and before and after and "configuration" not in because:
        because.append("configuration")
    if before and after and not because:
        because = ["result"]  # nothing that is declared differs
    return Difference(*which, found, old, new, tuple(because))


def _in_force(result: Result | None) -> Any:
    return result.record.conditions.get("in_force") if result and result.record else None


def _rules_parts(before: Campaign, after: Campaign) -> list[str]:
    parts = ("catalogue", "criteria", "suite", "harness")
    return [p for p in parts if at(before.header, "rules", p) != at(after.header, "rules", p)]


def _also(before: Campaign, after: Campaign) -> Iterator[tuple[str, str]]:
    """What differs between two campaigns besides their verdicts, each with how."""
    old, new = before.header, after.header
    for part in _rules_parts(before, after):
        yield part, f"{_short(at(old, 'rules', part))} -> {_short(at(new, 'rules', part))}"
    if at(old, "profile", "product") != at(new, "profile", "product"):
        yield "product", f"{one_line(product(before), 120)} -> {one_line(product(after), 120)}"
    if changed := sorted(_differing(_rest(old), _rest(new))):
        yield "configuration", "the profiles differ in " + ", ".join(one_line(name, 60) for name in changed)
    if (was := words(old.get("faults"))) != (is_ := words(new.get("faults"))):
        yield "seeded faults", f"{', '.join(was) or 'none'} -> {', '.join(is_) or 'none'}"


def _short(found: object) -> str:
    return str(found)[:12] if found else "unknown"


def _rest(header: Mapping[str, Any]) -> dict[str, Any]:
    profile = header.get("profile")
    return {k: v for k, v in profile.items() if k != "product"} if isinstance(profile, dict) else {}


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in {**one, **other}:
        if one.get(name) != other.get(name):
            yield str(name)
