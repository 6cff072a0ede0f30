"""TC_RES_STAR_VERIFICATION_FAILURE: a failed RES* or a silent AUSF never leads to key activation."""

from dataclasses import dataclass

from assay.case import Control, Event, Observation, Watch, case, genuine, named, told, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import CONFIRMATION, AmfBench, Confirmation

ACTIVATION = ("SECURITY MODE COMMAND", "INITIAL CONTEXT SETUP REQUEST", "REGISTRATION ACCEPT")
GAVE_UP = ("STREAM RESET", "CONNECTION CLOSED")
REFUSALS = ("AUTHENTICATION REJECT", "IDENTITY REQUEST", "REGISTRATION REJECT")
GUTI_VARIANTS = "BDF"
SUCI_TYPE = 1
RECOMMENDED = (
    " (TS 33.501 demands the identification, TS 24.501 clause 5.4.1.3.5 only recommends it; "
    "nobody got in unauthenticated)"
)


@dataclass(frozen=True)
class Run:
    """One registration whose authentication must not succeed, as UE and AUSF saw it."""

    what: str
    prepared: Control
    watch: Watch


@dataclass(frozen=True)
class Seen(Observation):
    """The runs of a variant with the controls around them."""

    guti: bool
    spoiled: bool  # the UE sent a wrong RES*
    silent: bool  # the AUSF never answers the confirmation
    before: Control
    runs: tuple[Run, ...]
    after: Control
    sbi_timeout: float | None  # as declared
    refusal_s: float  # how long a refusal may take
    wanted: int  # runs of this variant


def allowed_from(seen: Seen, events: tuple[Event, ...]) -> float:
    """When key activation may begin: after a later authentication that succeeded."""
    for event in events:
        body = event.facts.get("body")
        if (
            seen.guti
            and not event.received
            and event.name == f"200 to {CONFIRMATION}"
            and isinstance(body, dict)
            and body.get("authResult") == "AUTHENTICATION_SUCCESS"
        ):
            return event.at
    return float("inf")


def judge_run(seen: Seen, run: Run, doubt: Verdict | None) -> Verdict | None:
    """The verdict that one run decides, or None where it is as it must be.

    What did not come is put down to the product only when there is no `doubt` about the controls around it.
    """
    events = run.watch.events
    if unprepared := unsound([run.prepared]):
        return unprepared
    response = next((e for e in events if e.name == "AUTHENTICATION RESPONSE"), None)
    if response is None:
        return inconclusive(f"control failed: {run.what}: no challenge came")
    if seen.guti and any(e.at < response.at for e in named(events, "IDENTITY REQUEST")):
        return inconclusive("IDENTITY REQUEST came before the challenge: the SUCI was known already")
    asked = named(events, CONFIRMATION)
    if asked:
        body = asked[0].facts.get("body")
        res_star = body.get("resStar", "absent") if isinstance(body, dict) else "absent"
        if seen.spoiled and res_star is not None:
            said = f"RES* did not match, but the confirmation carries resStar {res_star}, not null"
            return failed(said, asked[0].ref)
        if not seen.spoiled and str(res_star).lower() != response.facts.get("res_star"):
            said = f"the confirmation carries resStar {res_star}, not the one the UE sent"
            return failed(said, asked[0].ref)
    for event in named(events, *ACTIVATION):
        if event.at < allowed_from(seen, events):
            return failed(f"{run.what}: {told(event)} without a successful authentication", event.ref)
    if not asked:
        told_ue = genuine(events, *REFUSALS)[:1]
        refs = (response.ref, *(e.ref for e in told_ue))
        end = told(told_ue[0]) if told_ue else "nothing"
        return doubt or failed(f"{run.what}: the AUSF was never asked to confirm, the UE got {end}", *refs)
    return judge_refusal(seen, run, response, asked[0], doubt)


def judge_refusal(
    seen: Seen, run: Run, response: Event, asked: Event, doubt: Verdict | None
) -> Verdict | None:
    """Whether the UE was told, in the way the variant demands and in its time.

    An AMF that gives a slow AUSF up may tell the UE before it asked, as the bench sees it.
    """
    events = run.watch.events
    refused = [
        e
        for e in genuine(events, *REFUSALS)
        if e.at >= response.at and (e.name != "IDENTITY REQUEST" or e.facts.get("identity_type") == SUCI_TYPE)
    ]
    if seen.silent:
        return judge_silence(seen, run, asked, refused, doubt)
    wanted = "IDENTITY REQUEST" if seen.guti else "AUTHENTICATION REJECT"
    if not refused or refused[0].name != wanted:
        if not any(not e.received and e.name == f"200 to {CONFIRMATION}" for e in events):
            return doubt or inconclusive(f"{run.what}: the confirmation had no answer yet", asked.ref)
        note = RECOMMENDED if seen.guti and refused else ""
        got = told(refused[0]) if refused else "nothing"
        verdict = failed(f"{run.what}: {got} instead of {wanted}{note}", (refused or (asked,))[0].ref)
        return verdict if refused else doubt or verdict
    return None


def judge_silence(
    seen: Seen, run: Run, asked: Event, refused: list[Event], doubt: Verdict | None
) -> Verdict | None:
    """Whether the UE was told in time after the AMF's wait for a silent AUSF ended, seen or declared."""
    ends = [
        e.at
        for e in run.watch.events
        if e.name in GAVE_UP and e.facts.get("request") == CONFIRMATION and e.facts.get("by") == "product"
    ]
    if seen.sbi_timeout is not None:
        ends.append(asked.at + seen.sbi_timeout)
    if refused and (not ends or refused[0].at <= min(ends) + seen.refusal_s):
        return None
    if not ends:
        return inconclusive("the end of the AMF's wait was neither seen nor declared, and nothing was sent")
    if refused:
        late = refused[0].at - min(ends)
        return failed(
            f"{run.what}: {told(refused[0])} came {late:.0f} s after the AMF gave up", refused[0].ref
        )
    if asked.at + run.watch.seconds < min(ends) + seen.refusal_s:
        return inconclusive("the watch ended before the time for a refusal was over")
    return doubt or failed(f"{run.what}: the AMF gave up, but the UE was told nothing", asked.ref)


def judge(seen: Seen) -> Verdict:
    """No key activation, the AUSF told the truth, the UE refused as the specification says."""
    if doubt := unsound([seen.before]):
        return doubt
    doubt = unsound([seen.before, seen.after], [run.watch for run in seen.runs])
    decided = [v for v in (judge_run(seen, run, doubt) for run in seen.runs) if v is not None]
    for verdict in (*sorted(decided, key=lambda v: v.outcome != "FAIL"), doubt):
        if verdict is not None:
            return verdict
    if len(seen.runs) != seen.wanted:
        return inconclusive(f"only {len(seen.runs)} of {seen.wanted} runs were done")
    told_ue = [genuine(run.watch.events, *REFUSALS)[0] for run in seen.runs]
    refs = [e.ref for e in told_ue]
    words = ", ".join(dict.fromkeys(told(e) for e in told_ue))
    return passed(f"no key was activated and the UE was refused by {words}", *refs)


@case("TC_RES_STAR_VERIFICATION_FAILURE", judge, "ABCDEF")
def test_res_star_failure(amf: AmfBench, variant: str) -> Seen:
    guti, spoiled, silent = variant in GUTI_VARIANTS, variant in "AB", variant in "EF"
    before = amf.registers(amf.ue(), "a subscriber of this kind registered with the right RES*")
    answers: tuple[Confirmation, ...] = ("failure", "failure-with-key")
    if spoiled or silent:
        answers = ("failure",) if spoiled else ("never",)
    runs = []
    ue = amf.ue(own_ausf=silent)
    for answer in answers if before.worked else ():
        ue = amf.ue(own_ausf=silent)
        prepared = Control("a SUCI needs no preparation", True, "")
        if guti:
            prepared = amf.connects(ue, "the UE got its 5G-GUTI")
            if prepared.worked:
                prepared = amf.idles(ue, "the UE went to CM-IDLE")
        what = "wrong RES*" if spoiled else f"AUSF answers {answer}"
        if not prepared.worked:
            runs.append(Run(what, prepared, Watch(what, 0.0, ())))
            break
        amf.confirmation(ue, answer)
        ue.spoil_res_star = spoiled
        if not runs:
            amf.stimulus()
        ue.start("initial", "guti" if guti else "suci")
        runs.append(Run(what, prepared, amf.refusal(what, ue, REFUSALS, GAVE_UP if silent else ())))
    amf.confirmation(ue, "normal")
    ue.routing_indicator = "0"
    after = amf.registers(ue, "the same subscriber registered with SUCI and the right RES*")
    return Seen(
        guti,
        spoiled,
        silent,
        before,
        tuple(runs),
        after,
        amf.timers.sbi_timeout_s,
        amf.timers.refusal_s,
        len(answers),
    )
