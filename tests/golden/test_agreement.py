"""Agreement of two laboratories against irrCAC 0.4.4 (conger, gwet), and against published tables."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.agreement import in_words, of
from assay.verdict import Outcome

TABLES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("agreement.json").read_bytes())
RATED = st.sampled_from([Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE])


def pairs(table: list[tuple[str, str, int]]) -> list[tuple[Outcome, Outcome]]:
    return [(Outcome(a), Outcome(b)) for a, b, number in table for _ in range(number)]


@pytest.mark.parametrize("golden", TABLES, ids=[f"{n}-{t['of']}" for n, t in enumerate(TABLES)])
def test_as_irrcac(golden: dict[str, Any]) -> None:
    found = of(pairs(golden["table"]))
    assert found.share == pytest.approx(golden["agreement"], abs=1e-9)
    assert found.kappa == pytest.approx(golden["kappa"], abs=1e-9)
    assert found.ac1 == pytest.approx(golden["ac1"], abs=1e-9)
    assert found.left_out == 0


def test_many_passes_make_kappa_collapse() -> None:
    """The paradox of Feinstein and Cicchetti, 1990: 0.85 agreement is kappa 0.70 or 0.32, as published."""
    even, lopsided = (of(pairs(golden["table"])) for golden in TABLES[:2])
    assert even.kappa is not None
    assert lopsided.kappa is not None
    assert (even.share, lopsided.share) == (0.85, 0.85)
    assert (round(even.kappa, 2), round(lopsided.kappa, 2)) == (0.70, 0.32)
    assert in_words(lopsided) == (
        "Agreement: 85 of 100 variants alike (85 %), Cohen's kappa 0.32, Gwet's AC1 0.81."
    )


def test_undefined_is_said() -> None:
    alike = of([(Outcome.PASS, Outcome.PASS)] * 3)
    assert (alike.share, alike.kappa, alike.ac1) == (1.0, None, None)
    assert in_words(alike) == (
        "Agreement: 3 of 3 variants alike (100 %); both gave PASS to all, and chance would agree as well:"
        " kappa and AC1 are 0/0."
    )
    nothing = of([(Outcome.PASS, Outcome.ERROR), (Outcome.NOT_RUN, Outcome.FAIL)])
    assert (nothing.share, nothing.kappa, nothing.ac1, nothing.left_out) == (None, None, None, 2)
    assert in_words(nothing) == (
        "Agreement: no variant was rated by both, so that nothing can be said; 2 were not rated by both and"
        " are left out."
    )


def test_declarations_read_twice_are_no_rating() -> None:
    apart = Outcome.NOT_APPLICABLE
    found = of([(apart, apart)] * 50 + [(Outcome.PASS, Outcome.FAIL), (apart, Outcome.PASS)])
    assert (found.rated, found.equal, found.left_out) == (2, 0, 50)


@given(st.lists(st.tuples(RATED, RATED), min_size=1))
def test_bounds_and_symmetry(given_: list[tuple[Outcome, Outcome]]) -> None:
    found, mirrored = of(given_), of([(b, a) for a, b in given_])
    assert found.share == mirrored.share
    assert (found.kappa is None) == (len(set(itertools.chain(*given_))) == 1)
    for one, other in ((found.kappa, mirrored.kappa), (found.ac1, mirrored.ac1)):
        assert (one is None) == (other is None)
        if one is not None:
            assert one == pytest.approx(other)
            assert -1 - 1e-9 <= one <= 1 + 1e-9
            assert (one == pytest.approx(1)) == (found.share == 1)
