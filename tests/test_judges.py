"""Judges on facts made by hand: no PASS from what proves nothing, no FAIL for what is ours."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assay import suites
from assay.campaign import Attempt, Record, judge
from assay.case import Control, Event, Watch, to_json
from assay.verdict import Outcome, Verdict
from drivers.emulated.ausf import Arpf, Ausf
from drivers.emulated.smf import Smf
from drivers.emulated.udm import Udm
from drivers.interfaces import AMF_REGISTRATION, CONFIRMATION, SM_CONTEXTS, Capability, Subscriber
from testsuites.ts_33_512 import (
    test_nas_int_selection_use as selection,
)
from testsuites.ts_33_512 import (
    test_nas_integrity_failure as integrity,
)
from testsuites.ts_33_512 import (
    test_nas_null_int as null_int,
)
from testsuites.ts_33_512 import (
    test_nas_replay as replay,
)
from testsuites.ts_33_512 import (
    test_res_star_verification_failure as res_star,
)
from testsuites.ts_33_512 import (
    test_ue_sec_cap_handling as sec_cap,
)

GOOD = Control("a control", True, "it worked", 0.01, ("capture.pcapng#1",))
BAD = Control("a control", False, "it did not")


def n1(
    at: float, name: str, *, received: bool = True, header: int = 2, mac_ok: bool | None = True, **facts: Any
) -> Event:
    return Event(
        at,
        received,
        "n1",
        name,
        f"capture.pcapng#{int(at * 10)}",
        "ue1",
        {"header": header, "mac_ok": mac_ok, **facts},
    )


def sbi(at: float, name: str, *, received: bool = True, **facts: Any) -> Event:
    return Event(at, received, "n12", name, f"capture.pcapng#{int(at * 10)}", "ue1", facts)


def watch(*events: Event, seconds: float = 15.0, whole: bool = True) -> Watch:
    return Watch("the stimulus", seconds, events, whole)


def test_the_names_that_suites_look_for_are_served_by_the_peers() -> None:
    nobody: dict[str, Subscriber] = {}
    functions = (Ausf(Arpf(nobody), ("999", "70")), Smf(), Udm([], [], "internet"))
    routes = {name for function in functions for name in function.routes}
    assert {AMF_REGISTRATION, CONFIRMATION, SM_CONTEXTS} <= routes


# --- TC_UE_SEC_CAP_HANDLING_AMF -----------------------------------------------------------------------------


def cap(*events: Event, **more: Any) -> Verdict:
    seen = sec_cap.Seen(Capability(0, 0xF0), GOOD, watch(*events), GOOD)
    return sec_cap.judge(replace(seen, **more))


def test_a_reject_that_a_ue_would_not_believe_is_no_reject() -> None:
    assert cap(n1(1, "REGISTRATION REJECT", header=0, mac_ok=None, cause=23)).outcome == "PASS"
    assert cap(n1(1, "REGISTRATION REJECT", mac_ok=False, cause=23)).outcome == "FAIL"


def test_a_watch_cut_short_is_no_silence() -> None:
    assert cap().outcome == "FAIL"
    assert cap(watch=watch(whole=False)).outcome == "INCONCLUSIVE"


def test_what_cannot_be_decoded_is_not_overlooked() -> None:
    odd = n1(0.5, "UNDECODABLE NAS", mac_ok=None)
    reject = n1(1, "REGISTRATION REJECT", header=0, mac_ok=None, cause=23)
    assert cap(odd, reject).outcome == "INCONCLUSIVE"


def test_controls_decide_whether_a_silence_counts() -> None:
    assert cap(before=BAD).outcome == "INCONCLUSIVE"
    assert cap(after=BAD).outcome == "INCONCLUSIVE"
    slow = replace(GOOD, slowest=10.0)
    assert cap(before=slow).outcome == "INCONCLUSIVE"
    assert cap(n1(1, "REGISTRATION ACCEPT"), after=BAD).outcome == "FAIL"


# --- TC_RES_STAR_VERIFICATION_FAILURE -----------------------------------------------------------------

RES = "ab" * 16
ANSWERED = n1(1.0, "AUTHENTICATION RESPONSE", received=False, header=0, mac_ok=None, res_star=RES)
SUCCESS = {"status": 200, "body": {"authResult": "AUTHENTICATION_SUCCESS"}}
FAILURE = {"status": 200, "body": {"authResult": "AUTHENTICATION_FAILURE"}}


def put(at: float, res: str | None = RES) -> Event:
    return sbi(at, CONFIRMATION, body={"resStar": res})


def answer(at: float, facts: dict[str, Any]) -> Event:
    return sbi(at, f"200 to {CONFIRMATION}", received=False, **facts)


def told(at: float, name: str, **facts: Any) -> Event:
    return n1(at, name, header=0, mac_ok=None, **facts)


def res(
    *events: Event,
    guti: bool = False,
    silent: bool = False,
    timeout: float | None = None,
    seconds: float = 60,
) -> Verdict:
    run = res_star.Run("a run", GOOD, watch(ANSWERED, *events, seconds=seconds))
    return res_star.judge(res_star.Seen(guti, False, silent, GOOD, (run,), GOOD, timeout, 15.0, 1))


def test_a_second_confirmation_excuses_nothing_unless_it_succeeds() -> None:
    begun = (put(1.1), answer(1.2, FAILURE), told(1.3, "IDENTITY REQUEST", identity_type=1), put(2.0))
    on = (n1(3.0, "SECURITY MODE COMMAND", header=3), n1(4.0, "REGISTRATION ACCEPT"))
    assert res(*begun, answer(2.1, FAILURE), *on, guti=True).outcome == "FAIL"
    assert res(*begun, *on, guti=True, silent=True).outcome == "FAIL"
    assert res(*begun, answer(2.1, SUCCESS), *on, guti=True).outcome == "PASS"
    rejected = (put(1.1), answer(1.2, FAILURE), told(1.3, "AUTHENTICATION REJECT"), put(2.0))
    assert res(*rejected, answer(2.1, SUCCESS), *on).outcome == "FAIL"


def test_a_refusal_counts_in_its_time_only() -> None:
    early = told(0.5, "AUTHENTICATION REJECT")
    assert res(early, put(1.1), answer(1.2, FAILURE)).outcome == "FAIL"
    crossed = told(1.05, "AUTHENTICATION REJECT")  # the AMF gave up an AUSF that was slow to see its request
    assert res(crossed, put(1.1), answer(1.2, FAILURE)).outcome == "PASS"
    asked_before = told(0.5, "IDENTITY REQUEST", identity_type=1)
    assert res(asked_before, put(1.1), silent=True, timeout=10).outcome == "FAIL"
    ended = sbi(11.1, "STREAM RESET", request=CONFIRMATION, by="product")
    assert res(put(1.1), ended, told(12.0, "REGISTRATION REJECT", cause=90), silent=True).outcome == "PASS"
    assert res(put(1.1), ended, told(50.0, "REGISTRATION REJECT", cause=90), silent=True).outcome == "FAIL"


def test_a_wait_that_may_still_go_on_is_no_fail() -> None:
    assert res(put(1.1), silent=True, timeout=10).outcome == "FAIL"
    assert res(put(1.1), silent=True, timeout=90).outcome == "INCONCLUSIVE"
    assert res(put(1.1), silent=True).outcome == "INCONCLUSIVE"
    ours = sbi(5.0, "STREAM RESET", request=CONFIRMATION, by="bench")
    assert res(put(1.1), ours, silent=True).outcome == "INCONCLUSIVE"


def test_who_has_no_answer_from_the_ausf_owes_the_ue_none() -> None:
    assert res(put(1.1)).outcome == "INCONCLUSIVE"
    assert res(put(1.1), told(9.0, "REGISTRATION REJECT", cause=22)).outcome == "INCONCLUSIVE"
    assert res(put(1.1), answer(1.2, FAILURE)).outcome == "FAIL"
    assert res(put(1.1), answer(1.2, FAILURE), told(9.0, "REGISTRATION REJECT", cause=22)).outcome == "FAIL"


def test_a_confirmation_without_a_body_is_a_fail_and_no_error() -> None:
    assert res(sbi(1.1, CONFIRMATION), told(1.3, "AUTHENTICATION REJECT")).outcome == "FAIL"


# --- the others ---------------------------------------------------------------------------------------------


def chosen(ia: int, offered: int, *, accept: bool = True) -> selection.Run:
    command = n1(1, "SECURITY MODE COMMAND", header=3, ia=ia, ea=2, replayed_capability=f"f0{offered:02x}")
    events = (command, n1(2, "REGISTRATION ACCEPT", mac_ok=accept))
    return selection.Run(offered, events)


def rejected(offered: int) -> selection.Run:
    return selection.Run(offered, (told(1, "REGISTRATION REJECT", cause=23),))


def orders(*priority: str, ia: Callable[[str], int], accept: bool = True) -> Verdict:
    def runs(p: str) -> tuple[selection.Run, ...]:
        return (
            *(chosen(ia(p), offered, accept=accept) for offered in selection.COMPLETE),
            *(rejected(offered) for offered in selection.LACKING),
        )

    return selection.judge(selection.Seen(tuple(selection.Order(p, GOOD, runs(p)) for p in priority), GOOD))


def test_a_constant_choice_is_not_an_ordered_one() -> None:
    def first(order: str) -> int:
        return int(order[3])

    assert orders("NIA2,NIA1,NIA3", "NIA1,NIA2,NIA3", ia=first).outcome == "PASS"
    assert orders("NIA2,NIA1,NIA3", "NIA1,NIA2,NIA3", ia=lambda p: 2).outcome == "FAIL"
    assert orders("NIA2,NIA1,NIA3", "NIA2,NIA3,NIA1", ia=lambda p: 2).outcome == "INCONCLUSIVE"
    assert orders("NIA2,NIA1,NIA3", "NIA1,NIA2,NIA3", ia=first, accept=False).outcome == "INCONCLUSIVE"


def test_a_product_that_takes_no_right_answer_after_a_wrong_one_is_not_said_to() -> None:
    wrong = watch(n1(1, "SECURITY MODE COMPLETE", received=False, mac_good=False), seconds=5.0)
    anew = Control("the right one was answered by nothing; a new registration", True, "ue1 registered")
    for after in (GOOD, anew):
        seen = selection.SeenWrongMac(GOOD, n1(0, "SECURITY MODE COMMAND"), wrong, after)
        verdict = selection.judge_wrong_mac(seen)
        assert verdict.outcome == "PASS"
        assert verdict.reason.endswith(f"had no effect; {after.what}: {after.saw}")
    assert selection.judge_wrong_mac(replace(seen, after=BAD)).outcome == "INCONCLUSIVE"


def test_evidence_that_is_not_there_proves_nothing() -> None:
    empty = selection.Seen(tuple(selection.Order(p, GOOD, ()) for p in ("NIA2,NIA1", "NIA1,NIA2")), GOOD)
    assert selection.judge(empty).outcome == "INCONCLUSIVE"
    served = sbi(9, SM_CONTEXTS)
    assert integrity.judge(integrity.Seen((), 2, (), (), 3, served, None, None)).outcome == "INCONCLUSIVE"
    one = (watch(),)
    assert (
        integrity.judge(integrity.Seen((GOOD,), 2, one, one, 3, served, None, None)).outcome == "INCONCLUSIVE"
    )
    two = (watch(), watch())
    assert integrity.judge(integrity.Seen((GOOD,), 2, two, two, 3, served, None, None)).outcome == "PASS"
    assert replay.judge(replay.Seen((), 2, two, two, GOOD)).outcome == "INCONCLUSIVE"
    assert replay.judge(replay.Seen((GOOD,), 4, two, two, GOOD)).outcome == "INCONCLUSIVE"
    assert replay.judge(replay.Seen((GOOD,), 2, two, two, GOOD)).outcome == "PASS"


def test_a_request_served_late_is_not_a_count_used_up() -> None:
    two, served = (watch(), watch()), sbi(9, SM_CONTEXTS)
    used_up = integrity.Seen((GOOD,), 2, two, two, 3, None, None, served)
    assert integrity.judge(used_up).outcome == "FAIL"
    assert integrity.judge(replace(used_up, served_late=served)).outcome == "INCONCLUSIVE"


def test_what_the_twin_saw_in_another_window_is_spared() -> None:
    event = n1(1, "CONFIGURATION UPDATE COMMAND")
    mine, others = (watch(event), watch()), (watch(), watch(event))
    assert replay.judge(replay.Seen((GOOD,), 2, mine, others, GOOD)).outcome == "PASS"
    assert replay.judge(replay.Seen((GOOD,), 2, mine, (watch(), watch()), GOOD)).outcome == "FAIL"


def test_a_replay_that_could_not_be_sent_proves_nothing() -> None:
    unsent = Event(1, False, "n2", "NOT SENT: UPLINK NAS TRANSPORT", "", "ue1")
    seen = replay.Seen((GOOD,), 2, (watch(unsent), watch()), (watch(), watch()), GOOD)
    assert replay.judge(seen).outcome == "INCONCLUSIVE"


def test_every_command_is_judged_and_not_the_first_alone() -> None:
    good = n1(1, "SECURITY MODE COMMAND", header=3, ia=2)
    null = n1(2, "SECURITY MODE COMMAND", header=3, ia=0)
    accept = n1(3, "REGISTRATION ACCEPT")
    runs = [
        null_int.Run(ia, (told(0.5, "AUTHENTICATION REQUEST"), *commands, accept), accept)
        for ia, commands in ((0xF0, (good,)), (0xE0, (good, null)))
    ]
    assert null_int.judge(null_int.Seen("initial", GOOD, tuple(runs))).outcome == "FAIL"
    assert null_int.judge(null_int.Seen("initial", GOOD, (runs[0], runs[0]))).outcome == "PASS"
    unanswered = replace(runs[0], answer=None)
    assert null_int.judge(null_int.Seen("initial", GOOD, (unanswered, runs[0]))).outcome == "INCONCLUSIVE"


# --- attempts -----------------------------------------------------------------------------------------------


def record(*attempts: tuple[sec_cap.Seen, str]) -> Record:
    return Record(
        spec="ts_33_512",
        case="TC_UE_SEC_CAP_HANDLING_AMF",
        variant="A",
        target="amf",
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        harness="0",
        attempts=tuple(Attempt(to_json(seen), loss) for seen, loss in attempts),
    )


def test_a_loss_counts_when_it_comes_again() -> None:
    fine = sec_cap.Seen(Capability(0, 0xF0), GOOD, watch(told(1, "REGISTRATION REJECT", cause=23)), GOOD)
    cut = replace(fine, watch=watch(whole=False))
    assert judge(record((fine, ""))).outcome == Outcome.PASS
    assert judge(record((cut, "lost"), (fine, ""))).outcome == Outcome.INCONCLUSIVE
    assert judge(record((cut, "lost"), (cut, "lost"))).outcome == Outcome.FAIL
    alone = judge(record((cut, "lost")))
    assert alone.outcome == Outcome.INCONCLUSIVE
    assert "could not be repeated" in judge(record((fine, "lost"))).reason


@pytest.mark.parametrize("pair", list(suites.bindings("ts_33_512")), ids="/".join)
def test_facts_that_do_not_fit_are_an_error_and_no_verdict(pair: tuple[str, str]) -> None:
    broken = Record("ts_33_512", *pair, "amf", "", 0.0, "0", (Attempt({"nothing": 1}),))
    assert judge(broken).outcome == Outcome.ERROR
