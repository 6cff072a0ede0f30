"""The judges of TC_SYNC_FAIL_SEAF_AMF on facts made by hand."""

from dataclasses import replace
from typing import Any

from assay.case import Control, Event, Watch
from assay.verdict import Verdict
from drivers.interfaces import AUTHENTICATION
from testsuites.ts_33_512 import test_sync_fail_seaf as sync

GOOD = Control("a control", True, "it worked", 0.01, ("capture.pcapng#1",))
BAD = Control("a control", False, "it did not")
RAND, AUTN, AUTS = "1a" * 16, "aa" * 16, "b2" * 14
RAND2, AUTN2 = "2c" * 16, "cc" * 16
ACCEPT = Event(2.9, True, "n1", "REGISTRATION ACCEPT", "#", "ue1", {"header": 2, "mac_ok": True})


def n1(at: float, name: str, *, received: bool = True, **facts: Any) -> Event:
    return Event(at, received, "n1", name, f"capture.pcapng#{int(at * 10)}", "ue1", {"header": 0, **facts})


def post(at: float, info: object = None) -> Event:
    body = {"supiOrSuci": "x"} | ({} if info is None else {"resynchronizationInfo": info})
    return Event(at, True, "n12", AUTHENTICATION, f"capture.pcapng#{int(at * 10)}", "ue1", {"body": body})


def vector(at: float, rand: str, autn: str) -> Event:
    facts = {"status": 201, "body": {"5gAuthData": {"rand": rand, "autn": autn}}}
    return Event(at, False, "n12", f"201 to {AUTHENTICATION}", "capture.pcapng#9", "ue1", facts)


def challenge(at: float, rand: str = RAND, autn: str = AUTN) -> Event:
    return n1(at, "AUTHENTICATION REQUEST", rand=rand, autn=autn)


def gave_up(at: float, by: str = "product") -> Event:
    facts = {"request": AUTHENTICATION, "by": by}
    return Event(at, True, "n12", "STREAM RESET", "capture.pcapng#9", "ue1", facts)


FAILED = n1(1.1, "AUTHENTICATION FAILURE", received=False, rand=RAND, auts=AUTS)
FIRST = (post(0.9), vector(1.0, RAND, AUTN), challenge(1.05), FAILED)
TOLD = {"rand": RAND, "auts": AUTS}
FRESH = (post(1.2, TOLD), vector(1.7, RAND2, AUTN2))
WHOLE = (*FRESH, challenge(1.8, RAND2, AUTN2), ACCEPT)


def late(*events: Event, seconds: float = 15.0, **more: Any) -> Verdict:
    watch = Watch("a registration", seconds, tuple(sorted((*FIRST, *events), key=lambda e: e.at)))
    return sync.judge(replace(sync.Seen(GOOD, watch, 0.5, 15.0, None, GOOD), **more))


def never(*events: Event, **more: Any) -> Verdict:
    return late(*events, late_s=None, **more)


def test_the_right_order_passes_and_upper_case_is_the_same_octets() -> None:
    assert late(*WHOLE).outcome == "PASS"
    shout = {name: value.upper() for name, value in TOLD.items()}
    assert late(post(1.2, shout), *WHOLE[1:]).outcome == "PASS"
    assert late(post(1.2, TOLD), vector(1.7, RAND2.upper(), AUTN2.upper()), *WHOLE[2:]).outcome == "PASS"


def test_an_ausf_that_is_not_told_fails() -> None:
    short = {"rand": RAND, "auts": AUTS[2:]}
    wrong: list[object] = [{"rand": RAND2, "auts": AUTS}, short, {"auts": AUTS}, "x", []]
    for info in wrong:
        assert late(post(1.2, info), *WHOLE[1:]).outcome == "FAIL", info
    rejected = n1(1.9, "AUTHENTICATION REJECT")
    verdict = late(post(1.2), rejected, seconds=0.001)
    assert verdict.outcome == "FAIL"
    assert "1 times for another vector" in verdict.reason
    assert late().outcome == "FAIL"


def test_not_being_asked_is_no_fail_where_the_controls_or_the_time_fall_short() -> None:
    assert late(after=BAD).outcome == "INCONCLUSIVE"
    assert late(seconds=0.001).outcome == "INCONCLUSIVE"
    assert late(n1(2, "UNDECODABLE NAS")).outcome == "INCONCLUSIVE"
    watch = Watch("a registration", 15.0, FIRST, whole=False)
    assert sync.judge(sync.Seen(GOOD, watch, 0.5, 15.0, None, GOOD)).outcome == "INCONCLUSIVE"
    forged = replace(n1(1.9, "REGISTRATION REJECT"), facts={"header": 2, "mac_ok": False})
    assert late(forged, seconds=0.001).outcome == "INCONCLUSIVE"


def test_a_challenge_before_the_answer_fails_whatever_its_rand() -> None:
    for rand, autn in ((RAND, AUTN), (RAND2, AUTN2)):
        assert late(*WHOLE, challenge(1.4, rand, autn)).outcome == "FAIL"


def test_an_answer_to_another_request_does_not_open_the_way() -> None:
    other = "3d" * 16
    assert (
        late(*WHOLE, post(1.21), vector(1.22, other, AUTN2), challenge(1.3, other, AUTN2)).outcome == "FAIL"
    )
    assert (
        late(*FRESH, post(1.21), vector(1.22, other, AUTN2), challenge(1.8, other, AUTN2)).outcome == "FAIL"
    )


def test_after_the_answer_only_the_fresh_vector_will_do() -> None:
    assert late(*FRESH, challenge(1.8), ACCEPT).outcome == "FAIL"
    assert late(*FRESH, challenge(1.8, RAND2, AUTN), ACCEPT).outcome == "FAIL"
    again = (post(2.0), vector(2.1, "4e" * 16, AUTN), challenge(2.2, "4e" * 16, AUTN))
    assert late(*WHOLE, *again).outcome == "PASS", "another authentication is the AMF's to decide"


def test_a_repeat_that_crossed_the_answer_decides_nothing() -> None:
    def crossing(repeat: float, asked: float) -> str:
        events = (post(0.1), vector(0.2, RAND, AUTN), challenge(0.5), replace(FAILED, at=0.6))
        watch = Watch("a registration", 15.0, (*events, challenge(repeat), post(asked, TOLD)))
        return sync.judge(sync.Seen(GOOD, watch, 0.5, 15.0, None, GOOD)).outcome

    assert crossing(2.2, 2.3) == "INCONCLUSIVE", "a slow AMF repeats before it reads the failure"
    assert crossing(2.35, 2.3) == "INCONCLUSIVE"
    assert crossing(2.5, 2.3) == "FAIL", "it had read the failure, which stops T3560"
    assert crossing(0.7, 2.3) == "FAIL", "T3560 cannot have expired"


def test_what_did_not_come_after_the_answer_is_no_pass() -> None:
    assert late(*FRESH).outcome == "INCONCLUSIVE"
    assert late(*WHOLE[:3]).outcome == "INCONCLUSIVE"
    forged = replace(ACCEPT, facts={"header": 2, "mac_ok": False})
    assert late(*WHOLE[:3], forged).outcome == "INCONCLUSIVE"
    assert late(*WHOLE, after=BAD).outcome == "INCONCLUSIVE"
    assert late(*WHOLE, before=BAD).outcome == "INCONCLUSIVE"
    watch = Watch("a registration", 15.0, FIRST[:3])
    assert sync.judge(sync.Seen(GOOD, watch, 0.5, 15.0, None, GOOD)).outcome == "INCONCLUSIVE"


def test_an_amf_that_waits_less_than_the_answer_takes_is_not_judged() -> None:
    assert late(post(1.2, TOLD), gave_up(1.4), challenge(1.5)).outcome == "INCONCLUSIVE"
    assert late(*WHOLE, gave_up(1.4, "bench"), challenge(1.5)).outcome == "FAIL"


def test_silence_of_the_ausf_is_waited_out() -> None:
    asked = post(1.2, TOLD)
    assert never(asked, gave_up(6.0), challenge(6.5)).outcome == "PASS"
    assert never(asked).outcome == "PASS"
    assert never(asked, post(4.0, TOLD), gave_up(6.0)).outcome == "PASS", "a retry"
    assert never(asked, post(4.0, {**TOLD, "rand": RAND2}), gave_up(6.0)).outcome == "FAIL"
    assert never(asked, challenge(3.0), gave_up(6.0)).outcome == "FAIL"
    assert never(asked, challenge(5.95), gave_up(6.0)).outcome == "INCONCLUSIVE"
    assert never(asked, challenge(2.0), seconds=15.0).outcome == "FAIL"
    assert never(asked, challenge(4.0)).outcome == "INCONCLUSIVE", "it may have given up unseen"
    assert never(asked, challenge(4.0), sbi_timeout=10.0).outcome == "FAIL"
    assert never(asked, challenge(12.0), sbi_timeout=10.0).outcome == "PASS"
    assert never(gave_up(6.0)).outcome == "FAIL"
    assert never(asked, gave_up(6.0), after=BAD).outcome == "INCONCLUSIVE"
    slow = replace(GOOD, slowest=10.0)
    assert never(asked, gave_up(6.0), before=slow).outcome == "INCONCLUSIVE"


# --- variant C ----------------------------------------------------------------------------------------------


def unsolicited(*events: Event, twin: tuple[Event, ...] = (), **more: Any) -> Verdict:
    calm = Watch("the twin", 10.0, ())
    watches = (Watch("protected", 10.0, (FAILED,)), Watch("plain", 10.0, (FAILED, *events)))
    seen = sync.Unsolicited((GOOD,), watches, (calm, replace(calm, events=twin)), 2)
    return sync.judge_unsolicited(replace(seen, **more))


def test_an_auts_nobody_asked_for_must_lead_to_nothing() -> None:
    assert unsolicited().outcome == "PASS"
    assert unsolicited(post(2.0, TOLD)).outcome == "FAIL"
    assert unsolicited(post(2.0, TOLD), controls=(GOOD, BAD)).outcome == "FAIL"
    for name in sync.DISTURBING:
        assert unsolicited(n1(2.0, name)).outcome == "FAIL", name
        assert unsolicited(n1(2.0, name), twin=(n1(2.1, name),)).outcome == "PASS", name


def test_what_may_follow_is_told_and_no_fail() -> None:
    verdict = unsolicited(
        n1(2.0, "5GMM STATUS", cause=98), n1(3.0, "CONFIGURATION UPDATE COMMAND"), post(4.0)
    )
    assert verdict.outcome == "PASS"
    assert "5GMM STATUS with cause #98" in verdict.reason


def test_silence_after_it_counts_only_with_good_controls_and_in_full() -> None:
    assert unsolicited(controls=(GOOD, BAD)).outcome == "INCONCLUSIVE"
    assert unsolicited(controls=(replace(GOOD, slowest=6.0),)).outcome == "INCONCLUSIVE"
    assert unsolicited(n1(2.0, "UNDECODABLE NAS")).outcome == "INCONCLUSIVE"
    assert unsolicited(wanted=3).outcome == "INCONCLUSIVE"
    cut = Watch("plain", 1.0, (FAILED,), whole=False)
    assert unsolicited(watches=(cut, cut)).outcome == "INCONCLUSIVE"
    lost = Watch("the twin", 1.0, (), whole=False)
    assert unsolicited(n1(2.0, sync.CHALLENGE), twins=(lost, lost)).outcome == "INCONCLUSIVE"


def test_the_wait_goes_on_while_any_request_is_open() -> None:
    asked, retry = post(1.2, TOLD), post(2.0, TOLD)
    assert never(asked, gave_up(9.0), challenge(9.5, RAND2, AUTN2), seconds=15.0).outcome == "PASS"
    assert never(asked, retry, gave_up(2.5), challenge(2.6)).outcome == "FAIL"
    assert never(asked, retry, gave_up(2.5), seconds=1.5).outcome == "INCONCLUSIVE"
    assert never(asked, gave_up(1.4, "bench"), seconds=0.3).outcome == "INCONCLUSIVE"
    assert never(asked, gave_up(1.21), challenge(1.3), seconds=0.3).outcome == "INCONCLUSIVE"


def test_a_deregistration_that_no_ue_believes_decides_nothing() -> None:
    forged = n1(1.0, "DEREGISTRATION REQUEST (UE TERMINATED)", header=2, mac_ok=False)
    calm = Watch("the twin", 10.0, ())
    seen = sync.Unsolicited((GOOD,), (Watch("an AUTS", 10.0, (forged,)),), (calm,), 1)
    assert sync.judge_unsolicited(seen).outcome == "INCONCLUSIVE"
    stranger = replace(post(1.0, TOLD), name="UNKNOWN SUBSCRIBER: POST /nausf-auth/v1/ue-authentications")
    seen = sync.Unsolicited((GOOD,), (Watch("an AUTS", 10.0, (stranger,)),), (calm,), 1)
    assert sync.judge_unsolicited(seen).outcome == "INCONCLUSIVE"
