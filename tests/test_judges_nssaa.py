"""The judges of the two cases of network slice-specific authentication on facts made by hand."""

from dataclasses import replace
from typing import Any

import pytest

from assay.case import Control, Event, Watch, from_json, to_json
from assay.verdict import Verdict
from drivers.interfaces import REVOCATION, SM_CONTEXTS
from testsuites.ts_33_512 import test_nssaa_revocation as revocation
from testsuites.ts_33_512 import test_snssai_validation as validation

GOOD = Control("a control", True, "it worked", 0.01, ("capture.pcapng#1",))
BAD = Control("a control", False, "it did not")
SLOW = replace(GOOD, slowest=30.0)
S1, S2 = "1", "1-0000a2"
PAYLOAD = "2e0202c1ffff91"


def n1(at: float, name: str, *, received: bool = True, header: int = 2, **facts: Any) -> Event:
    facts = {"header": header, "mac_ok": True if header else None, **facts}
    return Event(at, received, "n1", name, f"capture.pcapng#{int(at * 10)}", "ue1", facts)


def sbi(at: float, name: str, *, received: bool = True, **facts: Any) -> Event:
    return Event(at, received, "n58", name, f"capture.pcapng#{int(at * 10)}", "ue1", facts)


def watch(*events: Event, seconds: float = 12.0, whole: bool = True) -> Watch:
    return Watch("a request", seconds, events, whole)


LOST = n1(2, "NOT SENT: UPLINK NAS TRANSPORT", received=False)
ODD = n1(2, "UNDECODABLE NAS", header=0)


# --- TC_VALIDTATION_SNSSAI_IN_PDU_REQUEST -------------------------------------------------------------------

SENT = n1(1, "UL NAS TRANSPORT", received=False, pdu_session_id=2, s_nssai=S2, payload_container=PAYLOAD)


def post(at: float = 2, session: int = 2, **snssai: Any) -> Event:
    return sbi(at, SM_CONTEXTS, pduSessionId=session, sNssai=snssai or {"sst": 1, "sd": "0000A2"})


def back(at: float = 2, **facts: Any) -> Event:
    usual = {"pdu_session_id": 2, "payload_container": PAYLOAD, "cause": 90}
    return n1(at, "DL NAS TRANSPORT", **{**usual, **facts})


def seen(*events: Event, **more: Any) -> validation.Seen:
    run = validation.Run(S2, 2, watch(SENT, *events))
    return replace(validation.Seen((GOOD,), (run,), 1, (GOOD,)), **more)


def allowed(*events: Event, **more: Any) -> Verdict:
    return validation.judge_allowed(seen(*events, **more))


def refused(*events: Event, **more: Any) -> Verdict:
    return validation.judge_refused(seen(*events, **more))


def run(*events: Event, **more: Any) -> tuple[validation.Run, ...]:
    return (validation.Run(S2, 2, watch(SENT, *events, **more)),)


def test_an_allowed_slice_reaches_the_smf() -> None:
    assert allowed(post()).outcome == "PASS"
    assert allowed(post(sst=1, sd="0000a2")).outcome == "PASS"
    assert allowed(post(), back(3)).outcome == "PASS"  # what the SMF says to the UE decides nothing
    assert allowed(post(), after=(BAD,)).outcome == "INCONCLUSIVE"


def test_an_allowed_slice_that_does_not() -> None:
    assert allowed(post(sst=1)).outcome == "FAIL"
    assert allowed(post(), before=(BAD,)).outcome == "INCONCLUSIVE"
    assert allowed().outcome == "FAIL"
    assert allowed(post(session=1)).outcome == "FAIL"
    assert allowed(back()).outcome == "FAIL"
    assert allowed(back(cause=91)).outcome == "INCONCLUSIVE"  # the DNN, or the SMF, may be to blame
    assert allowed(back(cause=91, mac_ok=False)).outcome == "FAIL"


@pytest.mark.parametrize("judge", [validation.judge_allowed, validation.judge_refused])
@pytest.mark.parametrize(
    "more",
    [
        {"after": (BAD,)},
        {"after": (SLOW,)},
        {"runs": ()},
        {"runs": run(whole=False)},
        {"runs": run(LOST)},
        {"runs": run(ODD)},
    ],
)
def test_a_silence_without_proof_decides_nothing(judge: Any, more: dict[str, Any]) -> None:
    assert judge(seen(**more)).outcome == "INCONCLUSIVE"


def test_a_request_that_goes_back_whole_passes() -> None:
    verdict = refused(back())
    assert (verdict.outcome, verdict.reason) == (
        "PASS",
        "not forwarded, and returned to the UE with cause #90",
    )
    assert refused(back(cause=91)).outcome == "PASS"  # the cause is recorded, not judged
    assert refused(n1(1.5, "CONFIGURATION UPDATE COMMAND"), back(), back(3)).outcome == "PASS"
    assert refused(post(session=1), back()).outcome == "PASS"


@pytest.mark.parametrize("snssai", [{"sst": 1, "sd": "0000A2"}, {"sst": 1}, {"sst": "x"}])
def test_a_request_that_is_forwarded_fails_with_any_slice(snssai: dict[str, Any]) -> None:
    assert refused(post(**snssai), back(3)).outcome == "FAIL"
    assert refused(post(**snssai), after=(BAD,)).outcome == "FAIL"
    assert refused(post(**snssai), before=(BAD,)).outcome == "INCONCLUSIVE"


@pytest.mark.parametrize(
    "events",
    [
        (),
        (back(mac_ok=False),),
        (back(header=0),),
        (back(pdu_session_id=1),),
        (back(payload_container=PAYLOAD[:-2]),),
        (back(payload_container="2e0202c37f"),),
        (back(cause=None),),
        (n1(2, "5GMM STATUS", cause=90),),
    ],
)
def test_a_request_that_does_not_go_back_fails(events: tuple[Event, ...]) -> None:
    events = tuple(
        replace(e, facts={k: v for k, v in e.facts.items() if v is not None or k == "mac_ok"}) for e in events
    )
    assert refused(*events).outcome == "FAIL"
    assert refused(*events, after=(BAD,)).outcome == "INCONCLUSIVE"


def test_both_runs_of_variant_c_count() -> None:
    good, forwarded = run(back())[0], run(post(), back(3))[0]
    assert refused(runs=(good, good), wanted=2).outcome == "PASS"
    assert refused(runs=(good,), wanted=2).outcome == "INCONCLUSIVE"
    assert refused(runs=(good, forwarded), wanted=2).outcome == "FAIL"
    assert refused(runs=(good, run()[0]), wanted=2).outcome == "FAIL"
    record = to_json(seen(back()))
    assert from_json(validation.Seen, record) == seen(back())


# --- TC_NSSAA_REVOCATION ------------------------------------------------------------------------------------

TOLD = sbi(1, REVOCATION, received=False)


def answer(status: int = 204, at: float = 2) -> Event:
    return sbi(at, f"{status} to {REVOCATION}", status=status)


def deregistration(at: float = 3, **facts: Any) -> Event:
    usual = {"deregistration_type": 1, "rejected_nssai": {S2: 2}, "cause": 62}
    return n1(at, revocation.DEREGISTRATION, **{**usual, **facts})


def update(at: float = 3, **facts: Any) -> Event:
    return n1(at, revocation.UPDATE, **facts)


def revoked(*events: Event, status: int = 204, **more: Any) -> Verdict:
    facts = revocation.Seen(S2, (GOOD,), GOOD, watch(TOLD, answer(status), *events), GOOD)
    return revocation.judge(replace(facts, **more))


def test_a_deregistration_with_the_reason_passes() -> None:
    assert revoked(deregistration()).outcome == "PASS"
    extended = deregistration(rejected_nssai={}, extended_rejected_nssai={S1: 0, S2: 2})
    assert revoked(extended).outcome == "PASS"
    assert revoked(update(2.5, allowed_nssai=[S1]), deregistration()).outcome == "PASS"
    assert revoked(deregistration(deregistration_type=0x0F)).outcome == "PASS"  # for both accesses
    assert revoked(deregistration(1.5)).outcome == "PASS"  # before the answer to the POST
    assert revoked(deregistration(), deregistration(9, rejected_nssai={})).outcome == "PASS"


@pytest.mark.parametrize(
    "events",
    [
        (),
        (update(rejected_nssai={S2: 2}),),
        (n1(3, "UE CONTEXT RELEASE COMMAND"),),
        (deregistration(header=0),),
        (deregistration(header=1),),
        (deregistration(mac_ok=False),),
        (deregistration(deregistration_type=2),),
        (deregistration(rejected_nssai={}),),
        (deregistration(rejected_nssai={S1: 2}),),
        (deregistration(rejected_nssai={S2: 0}),),
        (deregistration(rejected_nssai={}), deregistration(9)),
    ],
)
def test_anything_less_fails(events: tuple[Event, ...]) -> None:
    assert revoked(*events).outcome == "FAIL"


def test_no_deregistration_counts_only_with_all_controls() -> None:
    assert revoked(after=BAD).outcome == "INCONCLUSIVE"
    assert revoked(notified=BAD).outcome == "INCONCLUSIVE"
    assert revoked(before=(GOOD, BAD)).outcome == "INCONCLUSIVE"
    assert revoked(before=(SLOW,)).outcome == "INCONCLUSIVE"
    assert revoked(ODD).outcome == "INCONCLUSIVE"
    assert revoked(watch=watch(answer(), whole=False)).outcome == "INCONCLUSIVE"
    assert revoked(deregistration(), after=BAD).outcome == "INCONCLUSIVE"


@pytest.mark.parametrize("status", [307, 400, 404, 500])
def test_a_revocation_that_is_refused_decides_nothing(status: int) -> None:
    assert revoked(status=status).outcome == "INCONCLUSIVE"
    assert revoked(deregistration(), status=status).outcome == "INCONCLUSIVE"


def other(*events: Event, **more: Any) -> Verdict:
    mine = (watch(TOLD, answer(404), *events),)
    real = watch(TOLD, answer(), deregistration())
    return revocation.judge_other(
        replace(revocation.Other(S2, (GOOD,), mine, (watch(),), (GOOD,), real), **more)
    )


def test_revocations_of_others_leave_the_ue_alone() -> None:
    assert other().outcome == "PASS"
    assert "404" in other().reason
    assert other(update()).outcome == "PASS"
    assert other(update(allowed_nssai=[S2, S1])).outcome == "PASS"
    assert other(update(rejected_nssai={S1: 2})).outcome == "PASS"
    assert other(deregistration(mac_ok=False)).outcome == "PASS"  # no UE believes it


@pytest.mark.parametrize(
    "event",
    [
        deregistration(rejected_nssai={}),
        update(rejected_nssai={S2: 2}),
        update(extended_rejected_nssai={S2: 2}),
        update(allowed_nssai=[S1]),
    ],
)
def test_a_ue_that_loses_its_slice_to_another_s_revocation_fails(event: Event) -> None:
    assert other(event).outcome == "FAIL"
    assert other(event, after=(BAD,)).outcome == "FAIL"
    assert other(event, before=(BAD,)).outcome == "INCONCLUSIVE"
    assert other(event, twins=(watch(event),)).outcome == "INCONCLUSIVE"


@pytest.mark.parametrize(
    "more",
    [
        {"after": (BAD,)},
        {"after": (SLOW,)},
        {"watches": (), "twins": ()},
        {"watches": (watch(whole=False),)},
        {"twins": (watch(whole=False),)},
        {"watches": (watch(ODD),)},
        {"real": watch(TOLD, answer())},
        {"real": watch(TOLD, answer(), update(allowed_nssai=[S2]))},
        {"real": watch(TOLD, answer(), deregistration(mac_ok=False))},
    ],
)
def test_calm_that_is_not_proved_decides_nothing(more: dict[str, Any]) -> None:
    assert other(**more).outcome == "INCONCLUSIVE"


def test_a_revocation_that_takes_the_slice_is_proof_enough_of_ears() -> None:
    assert other(real=watch(TOLD, answer(), update(rejected_nssai={S2: 2}))).outcome == "PASS"
