"""The judges of the two Cellular IoT cases on facts made by hand."""

from dataclasses import replace
from typing import Any

import pytest

from assay.case import Control, Event, Watch
from assay.verdict import Verdict
from drivers.interfaces import Relocation
from testsuites.ts_33_512 import test_amf_redirection as redirection
from testsuites.ts_33_512 import test_reest_cp_ciot as reestablishment

GOOD = Control("a control", True, "it worked", 0.01, ("capture.pcapng#1",))
BAD = Control("a control", False, "it did not")
SLOW = replace(GOOD, slowest=30.0)


def n1(at: float, name: str, *, received: bool = True, header: int = 2, **facts: Any) -> Event:
    facts = {"header": header, "mac_ok": True if header else None, **facts}
    return Event(at, received, "n1", name, f"capture.pcapng#{int(at * 10)}", "ue1", facts)


def watch(*events: Event, seconds: float = 40.0, whole: bool = True) -> Watch:
    return Watch("a registration", seconds, events, whole)


# --- TC_AMF_REDIRECTION_5GS_EPS -----------------------------------------------------------------------------

ASKED = n1(1, "AUTHENTICATION REQUEST", header=0)
COMMAND = n1(2, "SECURITY MODE COMMAND", header=3)
COMPLETE = n1(3, "SECURITY MODE COMPLETE", received=False, header=4, mac_good=True)
ACCEPT = n1(4, "REGISTRATION ACCEPT")
ODD = n1(3.5, "UNDECODABLE NAS", header=0)


def reject(at: float = 4, cause: int = 31, **facts: Any) -> Event:
    return n1(at, "REGISTRATION REJECT", cause=cause, **facts)


def run(*events: Event, reached: str = "SECURITY MODE COMMAND", **more: Any) -> redirection.Run:
    return redirection.Run("a run", reached, watch(*events, **more))


USUAL = run(ASKED, COMMAND, COMPLETE, reject())


def redirected(
    first: redirection.Run = USUAL, second: redirection.Run = USUAL, after: Control = GOOD
) -> Verdict:
    return redirection.judge(redirection.Seen((GOOD,), (first, second), after))


@pytest.mark.parametrize("header", [1, 2])
def test_a_protected_redirection_passes(header: int) -> None:
    assert redirected(run(COMMAND, COMPLETE, reject(header=header))).outcome == "PASS"


@pytest.mark.parametrize(
    "events",
    [
        (reject(1, header=0),),
        (ASKED, COMMAND, reject(2.5)),
        (ASKED, COMMAND, COMPLETE, reject(header=0)),
        (ASKED, COMMAND, COMPLETE, reject(header=3)),
        (ASKED, COMMAND, COMPLETE, reject(mac_ok=False)),
        (ASKED, COMMAND, COMPLETE, reject(), reject(5, header=0)),
    ],
)
def test_an_unprotected_redirection_fails_in_either_run(events: tuple[Event, ...]) -> None:
    for first, second in ((run(*events), USUAL), (USUAL, run(*events))):
        assert redirected(first, second).outcome == "FAIL"
        assert redirected(first, second, after=BAD).outcome == "FAIL"


@pytest.mark.parametrize(
    "events",
    [(), (ASKED,), (COMMAND, COMPLETE), (COMMAND, COMPLETE, ACCEPT), (COMMAND, COMPLETE, reject(cause=7))],
)
def test_without_a_redirection_the_policy_was_not_active(events: tuple[Event, ...]) -> None:
    assert redirected(run(*events)).outcome == "INCONCLUSIVE"


def test_the_second_run_may_end_in_any_protected_way() -> None:
    assert redirected(USUAL, run(COMMAND, COMPLETE, ACCEPT)).outcome == "PASS"
    assert redirected(USUAL, run(COMMAND, COMPLETE, reject(header=0, cause=96))).outcome == "PASS"
    assert redirected(USUAL, run(reject(header=0, cause=96))).outcome == "INCONCLUSIVE", "no security mode"
    assert redirected(USUAL, run(COMMAND, COMPLETE, seconds=0.01)).outcome == "INCONCLUSIVE", "too short"


def test_redirection_needs_its_controls() -> None:
    assert redirected(after=BAD).outcome == "INCONCLUSIVE"
    assert redirected(run(COMMAND, COMPLETE, ODD, reject())).outcome == "INCONCLUSIVE"
    forged = n1(2, "SECURITY MODE COMMAND", header=3, mac_ok=False)
    assert redirected(run(forged, COMPLETE, reject())).outcome == "INCONCLUSIVE"
    null = n1(2, "SECURITY MODE COMMAND", header=3, ia=0)
    assert redirected(run(null, COMPLETE, reject())).outcome == "INCONCLUSIVE"
    for seen in (
        redirection.Seen((BAD,), (USUAL, USUAL), GOOD),
        redirection.Seen((GOOD,), (USUAL,), GOOD),
        redirection.Seen((), (USUAL, USUAL), GOOD),
    ):
        assert redirection.judge(seen).outcome == "INCONCLUSIVE"


WRONG = n1(3, "SECURITY MODE COMPLETE", received=False, header=4, mac_good=False)
STOPPED = (
    run(ASKED, reached="AUTHENTICATION REQUEST"),
    run(ASKED, COMMAND),
    run(ASKED, COMMAND, WRONG),
)


def unanswered(number: int = 0, put: redirection.Run = STOPPED[0], **more: Any) -> Verdict:
    runs = (*STOPPED[:number], put, *STOPPED[number + 1 :])
    return redirection.judge_unanswered(
        replace(redirection.SeenUnanswered((GOOD,), runs, 40.0, (USUAL,)), **more)
    )


def test_no_redirection_without_security_passes() -> None:
    assert unanswered().outcome == "PASS"


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("header", [0, 2])
def test_a_redirection_without_security_fails(number: int, header: int) -> None:
    put = replace(STOPPED[number], watch=watch(*STOPPED[number].watch.events, reject(header=header)))
    assert unanswered(number, put).outcome == "FAIL"
    assert unanswered(number, put, after=()).outcome == "FAIL"
    other = replace(STOPPED[number], watch=watch(*STOPPED[number].watch.events, reject(cause=22, header=0)))
    assert unanswered(number, other).outcome == "PASS"


@pytest.mark.parametrize(
    "more",
    [
        {"after": ()},
        {"after": (run(COMMAND, COMPLETE, ACCEPT),)},
        {"after": (run(COMMAND, COMPLETE, reject(header=0)),)},
        {"prepared": (BAD,)},
        {"prepared": (SLOW,)},
        {"runs": STOPPED[:2]},
        {"runs": (run(reached="AUTHENTICATION REQUEST"), *STOPPED[1:])},
        {"runs": (STOPPED[0], run(ASKED), STOPPED[2])},
        {"runs": (*STOPPED[:2], run(ASKED, COMMAND))},
        {"runs": (*STOPPED[:2], run(ASKED, COMMAND, WRONG, seconds=39.9))},
        {"runs": (*STOPPED[:2], run(ASKED, COMMAND, WRONG, whole=False))},
        {"runs": (*STOPPED[:2], run(ASKED, COMMAND, WRONG, ODD))},
    ],
)
def test_silence_of_a_policy_that_was_not_shown_proves_nothing(more: dict[str, Any]) -> None:
    assert unanswered(**more).outcome == "INCONCLUSIVE"


# --- TC_AMF_REEST_CP_CIOT -----------------------------------------------------------------------------------

READINGS = ("first", "second", "third")


def indication(mac: str | None = None) -> Event:
    facts = {"amf_ue_ngap_id": "9", **({"dl_nas_mac": mac} if mac is not None else {})}
    return Event(1.0, True, "n2", "CONNECTION ESTABLISHMENT INDICATION", "capture.pcapng#9", "ue1", facts)


def tried(
    reading: str = "first", *events: Event, stays: bool = True, seconds: float = 10.0, spoiled: bool = False
) -> Relocation:
    asked = Event(0.5, False, "n2", "RAN CP RELOCATION INDICATION", "capture.pcapng#8", "ue1", {})
    return Relocation(reading, spoiled, "abcd", watch(asked, *events, seconds=seconds), stays)


def found(*tries: Relocation, again: Relocation | None = None, **more: Any) -> Verdict:
    seen = reestablishment.Seen((GOOD,), tries, again, len(READINGS), GOOD)
    return reestablishment.judge(replace(seen, **more))


REFUSED = tuple(tried(reading, indication()) for reading in READINGS)
TAKEN = tried("first", indication(), stays=False)


def test_the_expected_mac_proves_the_reading() -> None:
    assert found(tried("first", indication("abcd"), stays=False)).outcome == "PASS"
    assert found(*REFUSED[:2], tried("third", indication("abcd"), stays=False)).outcome == "PASS"
    short = tried("first", indication("abcd"), stays=False, seconds=0.01)
    assert found(short).outcome == "PASS", "an answer is no silence"
    assert found(tried("first", indication("abcd")), after=BAD).outcome == "INCONCLUSIVE"
    assert found(tried("first", ODD, indication("abcd"))).outcome == "INCONCLUSIVE"
    assert found(tried("first", indication("abcd")), camped=(BAD,)).outcome == "INCONCLUSIVE"


def test_a_mac_that_nobody_expects_is_no_verdict() -> None:
    verdict = found(tried("first", indication("1234"), stays=False), *REFUSED[1:])
    assert verdict.outcome == "INCONCLUSIVE"
    assert "none that we expect" in verdict.reason


@pytest.mark.parametrize(
    "tries", [REFUSED, tuple(tried(reading) for reading in READINGS), (tried("first"),), ()]
)
def test_a_refusal_may_be_due_to_our_reading(tries: tuple[Relocation, ...]) -> None:
    assert found(*tries).outcome == "INCONCLUSIVE"


def test_a_ue_that_is_taken_over_for_one_mac_alone_and_not_told_fails() -> None:
    assert found(TAKEN, *REFUSED[1:], again=TAKEN).outcome == "FAIL"
    assert found(replace(TAKEN, watch=watch()), *REFUSED[1:], again=TAKEN).outcome == "FAIL"


@pytest.mark.parametrize(
    ("tries", "again"),
    [
        ((TAKEN, *REFUSED[1:]), None),
        ((TAKEN, *REFUSED[1:]), REFUSED[0]),
        ((TAKEN, *REFUSED[1:]), replace(TAKEN, reading="second")),
        ((TAKEN, *REFUSED[1:2]), TAKEN),
        ((TAKEN, replace(TAKEN, reading="second"), REFUSED[2]), TAKEN),
        ((TAKEN, *REFUSED[1:]), tried("first", indication("1234"), stays=False)),
        ((TAKEN, *REFUSED[1:2], tried("third", ODD)), TAKEN),
    ],
)
def test_what_could_be_chance_does_not_fail(tries: tuple[Relocation, ...], again: Relocation | None) -> None:
    assert found(*tries, again=again).outcome == "INCONCLUSIVE"


def test_a_silence_counts_only_when_it_was_long_and_whole() -> None:
    silent = replace(TAKEN, watch=watch(seconds=0.1))
    assert found(silent, *REFUSED[1:], again=TAKEN, camped=(replace(GOOD, slowest=1.0),)).outcome == (
        "INCONCLUSIVE"
    )
    assert found(TAKEN, *REFUSED[1:], again=TAKEN, after=BAD).outcome == "INCONCLUSIVE"
    cut = replace(TAKEN, watch=watch(whole=False))
    assert found(cut, *REFUSED[1:], again=TAKEN).outcome == "INCONCLUSIVE"


RIGHT = tried("first", indication("abcd"), stays=False)


def wrong(answer: Relocation | None, right: tuple[Relocation, ...] = (RIGHT,), **more: Any) -> Verdict:
    return reestablishment.judge_wrong(
        replace(reestablishment.SeenWrong((GOOD, GOOD), right, answer), **more)
    )


def test_a_wrong_mac_is_refused_in_so_many_words() -> None:
    assert wrong(tried("first", indication(), spoiled=True)).outcome == "PASS"
    other = tried("second", indication("1234"), stays=False)
    assert wrong(tried("second", indication()), (REFUSED[0], other)).outcome == "PASS", "MAC verified, so"


@pytest.mark.parametrize("mac", ["abcd", "1234"])
def test_security_information_for_a_wrong_mac_fails(mac: str) -> None:
    assert wrong(tried("first", indication(mac), stays=False)).outcome == "FAIL"
    assert wrong(tried("first", indication(), indication(mac), stays=False)).outcome == "FAIL"


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (None, {}),
        (tried("first"), {}),
        (tried("first", indication(), stays=False), {}),
        (tried("first", ODD, indication()), {}),
        (tried("first", indication()), {"camped": (GOOD, BAD)}),
        (tried("first", indication()), {"right": ()}),
        (tried("first", indication()), {"right": REFUSED}),
    ],
)
def test_a_wrong_mac_proves_nothing_without_a_right_one(
    answer: Relocation | None, more: dict[str, Any]
) -> None:
    assert wrong(answer, **more).outcome == "INCONCLUSIVE"
