"""What a person states where a machine cannot decide, and what that makes of a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.case import from_json
from assay.verdict import Outcome, Verdict, failed, inconclusive, passed


@dataclass(frozen=True)
class Statement:
    """What somebody said of one variant, with answers by the number of the question and files beside it."""

    by: str
    at: str  # ISO 8601, UTC
    text: str
    answers: Mapping[str, str] = field(default_factory=dict)  # "1" -> "yes" or "no"
    files: tuple[str, ...] = ()


def of(conditions: Mapping[str, Any]) -> tuple[Statement, ...]:
    """The statements in a record; ValueError where they do not read."""
    found: tuple[Statement, ...] = from_json(tuple[Statement, ...], conditions.get("statements", []))
    return found


def weigh(verdict: Verdict, asks: Sequence[str], statements: Sequence[Statement]) -> Verdict:
    """A verdict that was found automatically, with the answers to what only a person can tell.

    Nobody overrules a machine: what did not pass stays as it is. A PASS needs every question answered with
    yes, and its reason says on whose statement it rests; the last answer to a question counts.
    """
    if not asks or verdict.outcome is not Outcome.PASS:
        return verdict
    answers = {number: (one.answers[number], one) for one in statements for number in one.answers}
    machine = f"decided automatically: {verdict.reason}"
    left = [ask for number, ask in enumerate(asks, 1) if str(number) not in answers]
    for number, ask in enumerate(asks, 1):
        said, one = answers.get(str(number), ("", None))
        if one is not None and said == "no":
            return failed(f'{one.by} states no to "{ask}" ({one.text}); {machine}', *one.files)
    if left:
        return inconclusive(f'a person has to answer: "{left[0]}" (assay attach); {machine}', *verdict.refs)
    people = " and ".join(dict.fromkeys(one.by for _, one in answers.values()))
    files = tuple(name for one in statements for name in one.files)
    return passed(f"rests on the statement of {people}; {machine}", *verdict.refs, *files)
