"""Outcomes, and the sentence that goes with each."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a variant, a case or a campaign ends with; INCONCLUSIVE is never green anywhere."""

    PASS = "PASS"  # noqa: S105 - not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    ERROR = "ERROR"
    NOT_RUN = "NOT_RUN"


SEVERITY = (
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.INCONCLUSIVE,
    Outcome.NOT_RUN,
    Outcome.PASS,
    Outcome.NOT_APPLICABLE,
)
"""Worst first: a case over several variants or targets is as good as the worst of them."""


@dataclass(frozen=True)
class Verdict:
    """An outcome, why in one sentence, and the frames that decided it (`capture.pcapng#42`)."""

    outcome: Outcome
    reason: str
    refs: tuple[str, ...] = ()


def passed(reason: str, *refs: str) -> Verdict:
    """Every criterion is met on complete evidence."""
    return Verdict(Outcome.PASS, reason, refs)


def failed(reason: str, *refs: str) -> Verdict:
    """One criterion is violated on sound evidence."""
    return Verdict(Outcome.FAIL, reason, refs)


def inconclusive(reason: str, *refs: str) -> Verdict:
    """Evidence, a precondition or a control is missing: neither good nor bad can be said."""
    return Verdict(Outcome.INCONCLUSIVE, reason, refs)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of several outcomes by `SEVERITY`; NOT_RUN when there is none."""
    return min(outcomes, key=SEVERITY.index, default=Outcome.NOT_RUN)
