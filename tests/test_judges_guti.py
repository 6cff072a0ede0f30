"""The judges of TC_5G_GUTI_ALLOCATION_AMF on facts made by hand, and the odds of its statistics."""

import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from assay.case import Control, Event, Watch
from assay.verdict import Verdict
from testsuites.ts_33_512 import test_5g_guti_allocation as guti

GOOD = Control("a control", True, "it worked", 0.01, ("capture.pcapng#1",))
BAD = Control("a control", False, "it did not")
OLD, NEW = "f299f907010041aaaaaaaa", "f299f907010041bbbbbbbb"


def n1(at: float, name: str, value: str = "", *, header: int = 2, mac_ok: bool | None = True) -> Event:
    facts: dict[str, Any] = {"header": header, "mac_ok": mac_ok} | ({"guti": value} if value else {})
    return Event(at, True, "n1", name, f"capture.pcapng#{int(at * 10)}", "ue1", facts)


def n2(at: float, name: str) -> Event:
    return Event(at, True, "n2", name, f"capture.pcapng#{int(at * 10)}", "ue1", {})


def seen(*events: Event, **more: Any) -> guti.Seen:
    return replace(guti.Seen((GOOD,), OLD, 2, Watch("it", 5.0, events), (GOOD, GOOD)), **more)


def registered(*events: Event, **more: Any) -> Verdict:
    return guti.judge(seen(*events, **more))


def paged(*events: Event, **more: Any) -> Verdict:
    return guti.judge_paged(seen(*events, **more))


BAD_CARRIERS = [
    pytest.param({"header": 1}, "FAIL", id="not ciphered"),
    pytest.param({"header": 0, "mac_ok": None}, "FAIL", id="plain"),
    pytest.param({"mac_ok": False}, "FAIL", id="a MAC that does not verify"),
    pytest.param({"mac_ok": None}, "INCONCLUSIVE", id="a MAC nobody can verify"),
]


def test_an_accept_with_a_new_identity_passes() -> None:
    verdict = registered(n1(1, "REGISTRATION ACCEPT", NEW))
    assert verdict.outcome == "PASS"
    assert "NEA2" in verdict.reason


def test_an_accept_without_one_or_with_the_old_one_fails() -> None:
    assert registered(n1(1, "REGISTRATION ACCEPT")).outcome == "FAIL"
    assert registered(n1(1, "REGISTRATION ACCEPT", OLD)).outcome == "FAIL"
    assert registered(n1(1, "REGISTRATION ACCEPT", OLD), after=(BAD,)).outcome == "FAIL"


def test_another_guami_alone_is_told() -> None:
    verdict = registered(n1(1, "REGISTRATION ACCEPT", "f299f907020041aaaaaaaa"))
    assert verdict.outcome == "PASS"
    assert "its 5G-TMSI is the old one" in verdict.reason


@pytest.mark.parametrize(("how", "outcome"), BAD_CARRIERS)
@pytest.mark.parametrize("judge", [registered, paged])
def test_protection_is_part_of_it(judge: Callable[..., Verdict], how: dict[str, Any], outcome: str) -> None:
    assert judge(n1(1, "REGISTRATION ACCEPT", NEW, **how)).outcome == outcome


def test_without_ciphering_confidentiality_cannot_be_judged() -> None:
    assert registered(n1(1, "REGISTRATION ACCEPT", NEW), ea=0).outcome == "INCONCLUSIVE"
    assert registered(n1(1, "REGISTRATION ACCEPT", NEW, header=1), ea=0).outcome == "INCONCLUSIVE"
    assert registered(n1(1, "REGISTRATION ACCEPT", NEW), ea=None).outcome == "INCONCLUSIVE"
    assert registered(n1(1, "REGISTRATION ACCEPT", OLD), ea=0).outcome == "FAIL"
    assert registered(n1(1, "REGISTRATION ACCEPT", NEW, header=0, mac_ok=None), ea=0).outcome == "FAIL"


def test_no_accept_proves_nothing() -> None:
    assert registered().outcome == "INCONCLUSIVE"
    assert registered(n1(1, "REGISTRATION REJECT")).outcome == "INCONCLUSIVE"


def test_a_new_identity_counts_only_with_its_controls() -> None:
    for judge in (registered, paged):
        accept = n1(1, "REGISTRATION ACCEPT", NEW)
        assert judge(accept, controls=(GOOD, BAD)).outcome == "INCONCLUSIVE"
        assert judge(accept, after=(BAD,)).outcome == "INCONCLUSIVE"
        assert judge(accept, n1(2, "UNDECODABLE NAS")).outcome == "INCONCLUSIVE"


UPDATE, RELEASE = "CONFIGURATION UPDATE COMMAND", n2(3, "UE CONTEXT RELEASE COMMAND")
SUSPENDED = n2(3, "UE CONTEXT SUSPEND RESPONSE")


@pytest.mark.parametrize("end", [RELEASE, SUSPENDED], ids=lambda e: e.name)
def test_after_paging_it_must_come_before_the_end(end: Event) -> None:
    assert paged(n1(2, UPDATE, NEW), end).outcome == "PASS"
    assert paged(end).outcome == "FAIL"
    assert paged(end, n1(4, UPDATE, NEW)).outcome == "FAIL"
    assert paged(n1(2, UPDATE), end).outcome == "FAIL", "an update of something else"
    assert paged(n1(2, UPDATE, OLD), end).outcome == "FAIL"


def test_an_old_identity_before_the_new_one_is_no_fail() -> None:
    assert paged(n1(1, UPDATE, OLD), n1(2, UPDATE, NEW), RELEASE).outcome == "PASS"


def test_after_paging_nothing_is_decided_without_an_end_or_with_what_nobody_can_read() -> None:
    assert paged().outcome == "INCONCLUSIVE"
    assert paged(n1(2, "UNDECODABLE NAS"), RELEASE).outcome == "INCONCLUSIVE"
    assert paged(RELEASE, controls=(GOOD, BAD)).outcome == "INCONCLUSIVE"


# --- unpredictability ---------------------------------------------------------------------------------------


def sample(values: list[int], **more: Any) -> Verdict:
    tmsis = tuple(f"{value:08x}" for value in values)
    refs = tuple(f"capture.pcapng#{n}" for n in range(len(values)))
    seen = guti.Sample((GOOD,), tmsis, refs, 100, guti.figures(values), GOOD)
    return guti.judge_sample(replace(seen, **more))


def drawn(seed: int, bits: int = 32) -> list[int]:
    source = random.Random(seed)
    return [source.getrandbits(bits) for _ in range(100)]


def test_random_values_pass_and_the_figures_are_told() -> None:
    verdicts = [sample(drawn(seed)) for seed in range(200)]
    assert {verdict.outcome for verdict in verdicts} == {"PASS"}
    reserved = [value | 0xC0000000 for value in drawn(1)]
    assert sample(reserved).outcome == "PASS"
    told = guti.figures(reserved)
    assert told["constant_bits"] == 2
    assert 20 < told["entropy_bits"] < 30
    assert set(guti.figures([]).values()) == {0}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([7] * 100, id="always the same"),
        pytest.param(
            [n % (1 << 32) for n in range((1 << 32) - 50, (1 << 32) + 50)], id="one by one, and over"
        ),
        pytest.param([n * 0x01000193 % (1 << 32) for n in range(100)], id="a constant step"),
        pytest.param([n // 8 * 1000 + n % 8 * 3 for n in range(100)], id="steps from a short list"),
        pytest.param(sorted(drawn(2)), id="ever higher"),
        pytest.param(sorted(drawn(3), reverse=True), id="ever lower"),
        pytest.param(drawn(4, 8), id="few values"),
        pytest.param([*drawn(5)[:98], *drawn(5)[:2]], id="two that came before"),
    ],
)
def test_what_can_be_guessed_fails(values: list[int]) -> None:
    assert sample(values).outcome == "FAIL"


def test_one_repeat_is_chance() -> None:
    assert sample([*drawn(6)[:99], drawn(6)[3]]).outcome == "PASS"


def test_a_sample_counts_only_in_full_and_with_its_controls() -> None:
    assert sample([7] * 99).outcome == "INCONCLUSIVE"
    assert sample(drawn(7), controls=(GOOD, BAD)).outcome == "INCONCLUSIVE"
    assert sample(drawn(7), after=BAD).outcome == "INCONCLUSIVE"


def test_a_random_allocator_fails_less_than_once_in_a_million() -> None:
    size, space = guti.SAMPLE, 1 << 32
    # rises of a random permutation: the Eulerian numbers
    rises = [Fraction(1)]
    for n in range(2, size + 1):
        padded = [Fraction(0), *rises, Fraction(0)]
        rises = [(padded[k + 1] * (k + 1) + padded[k] * (n - k)) / n for k in range(n)]
    assert sum(rises) == 1
    odds = 1 - sum(rises[guti.LEAST_UP : guti.MOST_UP + 1])
    # bounds: so many pairs collide; so many steps are equal to one of them
    pairs = Fraction(size * (size - 1) // 2, space)
    odds += pairs ** (guti.MOST_REPEATS + 1)
    odds += size * Fraction(size**guti.MOST_ALIKE, space**guti.MOST_ALIKE)
    assert odds < Fraction(1, 10**6)
