"""What became of a verdict, in the words of SARIF's baselineState and of HDF comparisons."""

from enum import StrEnum

from assay.verdict import Outcome, Verdict


class Change(StrEnum):
    """One word for every pair of verdicts."""

    REGRESSED = "regressed"  # PASS before, FAIL now
    FIXED = "fixed"  # FAIL before, PASS now
    UPDATED = "updated"  # another verdict in any other way, or the same for another reason
    NEW = "new"  # in the second campaign alone
    ABSENT = "absent"  # in the first campaign alone
    UNCHANGED = "unchanged"


def change(before: Verdict | None, after: Verdict | None) -> Change:
    """What became of a verdict. Only PASS and FAIL say something of the product, so only they can regress."""
    if before is None or after is None:
        return Change.NEW if before is None else Change.ABSENT
    outcomes = before.outcome, after.outcome
    if outcomes == (Outcome.PASS, Outcome.FAIL):
        return Change.REGRESSED
    if outcomes == (Outcome.FAIL, Outcome.PASS):
        return Change.FIXED
    same = outcomes[0] is outcomes[1] and before.reason == after.reason
    return Change.UNCHANGED if same else Change.UPDATED
