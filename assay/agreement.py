"""How far two laboratories agree: share of equal verdicts, Cohen's kappa and Gwet's AC1, never one alone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from assay.verdict import Outcome

NOT_RATED = (Outcome.NOT_RUN, Outcome.ERROR)
"""What says nothing of the product: the laboratory did not come to a verdict."""


@dataclass(frozen=True)
class Agreement:
    """Chance-corrected agreement on nominal verdicts; None where a figure is undefined, with `undefined` why.

    Kappa falls towards 0 where nearly all verdicts are alike, however many agree; AC1 does not. Read together
    they tell a disagreement from a lopsided product.
    """

    rated: int  # variants for which both came to a verdict
    equal: int
    left_out: int  # variants that one of them did not rate, or that both hold not applicable
    share: float | None = None
    kappa: float | None = None  # J. Cohen 1960
    ac1: float | None = None  # K. L. Gwet 2008
    undefined: str = ""
    table: dict[tuple[Outcome, Outcome], int] = field(default_factory=dict)


def of(pairs: Iterable[tuple[Outcome, Outcome]]) -> Agreement:
    """The agreement over the verdicts of the same variants by two laboratories.

    A variant counts when both came to a verdict. NOT_APPLICABLE by both is a declaration read twice, no
    rating. The categories are those that were used, as in irrCAC.
    """
    everything = list(pairs)
    both_apart = (Outcome.NOT_APPLICABLE, Outcome.NOT_APPLICABLE)
    rated = [p for p in everything if p != both_apart and not set(p) & set(NOT_RATED)]
    table, n = Counter(rated), len(rated)
    equal, left_out = sum(a is b for a, b in rated), len(everything) - n
    if not n:
        why = "no variant was rated by both, so that nothing can be said"
        return Agreement(0, 0, left_out, undefined=why)
    share = equal / n
    used = {outcome for pair in table for outcome in pair}
    if len(used) == 1:
        why = f"both gave {used.pop()} to all, and chance would agree as well: kappa and AC1 are 0/0"
        return Agreement(n, equal, left_out, share, undefined=why, table=dict(table))
    first, second = (Counter(pair[side] for pair in rated) for side in (0, 1))
    by_chance = sum(first[c] * second[c] for c in used) / n**2
    mean = {c: (first[c] + second[c]) / (2 * n) for c in used}
    by_chance_ac1 = sum(p * (1 - p) for p in mean.values()) / (len(used) - 1)
    return Agreement(
        n,
        equal,
        left_out,
        share,
        (share - by_chance) / (1 - by_chance),
        (share - by_chance_ac1) / (1 - by_chance_ac1),
        table=dict(table),
    )


def in_words(found: Agreement) -> str:
    """The figures in one sentence, with how many variants they rest on."""
    apart = f"; {found.left_out} were not rated by both and are left out" if found.left_out else ""
    if found.share is None:
        return f"Agreement: {found.undefined}{apart}."
    text = f"Agreement: {found.equal} of {found.rated} variants alike ({100 * found.share:.0f} %)"
    if found.kappa is None or found.ac1 is None:
        return f"{text}; {found.undefined}{apart}."
    return f"{text}, Cohen's kappa {found.kappa:.2f}, Gwet's AC1 {found.ac1:.2f}{apart}."
