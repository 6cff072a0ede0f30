"""TC_RES_STAR_VERIFICATION_FAILURE: a failed RES* or a silent AUSF never leads to key activation."""

from dataclasses import dataclass

from assay.case import Control, Observation, Watch, case, named, told, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AmfBench, Confirmation

CONFIRMATION = "PUT /nausf-auth/v1/ue-authentications/{authCtxId}/5g-aka-confirmation"
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
        body = asked[0].facts["body"]
        res_star = body.get("resStar", "absent") if isinstance(body, dict) else "absent"
        if seen.spoiled and res_star is not None:
            return failed(
                f"RES* did not match, but the confirmation carries resStar {res_star}, not null", asked[0].ref
            )
        if not seen.spoiled and str(res_star).lower() != response.facts["res_star"]:
            return failed(
                f"the confirmation carries resStar {res_star}, not the one the UE sent", asked[0].ref
            )
    second = asked[1].at if len(asked) > 1 else float("inf")
    for event in named(events, *ACTIVATION):
        if event.at < second:
            return failed(f"{run.what}: {told(event)} without a successful authentication", event.ref)
    if not asked:
        told_ue = named(events, *REFUSALS)[:1]
        refs = (response.ref, *(e.ref for e in told_ue))
        end = told(told_ue[0]) if told_ue else "nothing"
        return doubt or failed(f"{run.what}: the AUSF was never asked to confirm, the UE got {end}", *refs)
    return judge_refusal(seen, run, doubt)


def judge_refusal(seen: Seen, run: Run, doubt: Verdict | None) -> Verdict | None:
    """Whether the UE was told, in the way the variant demands."""
    events = run.watch.events
    asked = named(events, CONFIRMATION)[0]
    refused = [
        e
        for e in named(events, *REFUSALS)
        if e.name != "IDENTITY REQUEST" or e.facts["identity_type"] == SUCI_TYPE
    ]
    if seen.silent:
        ended = next((e for e in events if e.name in GAVE_UP), None)
        if not refused and ended is None and seen.sbi_timeout is None:
            return inconclusive(
                "the end of the AMF's wait was neither seen nor declared, and nothing was sent"
            )
        if refused:
            return None
        return doubt or failed(f"{run.what}: the AMF gave up, but the UE was told nothing", asked.ref)
    wanted = "IDENTITY REQUEST" if seen.guti else "AUTHENTICATION REJECT"
    if not refused or refused[0].name != wanted:
        note = RECOMMENDED if seen.guti and refused else ""
        got = told(refused[0]) if refused else "nothing"
        verdict = failed(f"{run.what}: {got} instead of {wanted}{note}", (refused or (asked,))[0].ref)
        return verdict if refused else doubt or verdict
    return None


def judge(seen: Seen) -> Verdict:
    """No key activation, the AUSF told the truth, the UE refused as the specification says."""
    if doubt := unsound([seen.before]):
        return doubt
    doubt = unsound([seen.before, seen.after], [run.watch for run in seen.runs])
    decided = [v for v in (judge_run(seen, run, doubt) for run in seen.runs) if v is not None]
    for verdict in (*sorted(decided, key=lambda v: v.outcome != "FAIL"), doubt):
        if verdict is not None:
            return verdict
    if not seen.runs:
        return inconclusive("nothing was run")
    refs = [e.ref for run in seen.runs for e in named(run.watch.events, *REFUSALS)[:1]]
    words = ", ".join(dict.fromkeys(told(named(r.watch.events, *REFUSALS)[0]) for r in seen.runs))
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
        amf.confirmation(ue, answer)
        ue.spoil_res_star = spoiled
        what = "wrong RES*" if spoiled else f"AUSF answers {answer}"
        amf.stimulus()
        ue.start("initial", "guti" if guti else "suci")
        runs.append(Run(what, prepared, amf.refusal(what, ue, REFUSALS, GAVE_UP if silent else ())))
    amf.confirmation(ue, "normal")
    ue.routing_indicator = "0"
    after = amf.registers(ue, "the same subscriber registered with SUCI and the right RES*")
    return Seen(guti, spoiled, silent, before, tuple(runs), after, amf.timers.sbi_timeout_s)
