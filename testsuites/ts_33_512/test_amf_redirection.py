"""TC_AMF_REDIRECTION_5GS_EPS: a CIoT UE is sent to EPC under NAS security only."""

from dataclasses import dataclass

from assay.case import Control, Event, Observation, Watch, case, in_turn, named, unclear, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import CIOT, AmfBench, Capability, Ue

SETTING = "epc_redirection"
REDIRECTION = 31  # 5GMM cause: redirection to EPC required
COMMAND, COMPLETE, REJECT = "SECURITY MODE COMMAND", "SECURITY MODE COMPLETE", "REGISTRATION REJECT"


@dataclass(frozen=True)
class Run:
    """One registration of a CIoT UE under the policy; `reached` is the message the run cannot do without."""

    what: str
    reached: str
    watch: Watch


def redirections(run: Run) -> list[Event]:
    """Every REGISTRATION REJECT with cause #31, believable or not."""
    return [e for e in named(run.watch.events, REJECT) if e.facts.get("cause") == REDIRECTION]


def unreached(run: Run) -> Verdict | None:
    """INCONCLUSIVE where the run did not get as far as it must."""
    events = named(run.watch.events, run.reached)
    if run.reached == COMMAND:  # with NIA0 nothing that follows is protected
        events = tuple(e for e in events if e.facts.get("mac_ok") is True and e.facts.get("ia") != 0)
    return None if events else inconclusive(f"control failed: {run.what}: no {run.reached} to rely on came")


def unprotected(run: Run) -> Verdict | None:
    """FAIL for a redirection before SECURITY MODE COMPLETE, or one that NAS security does not protect."""
    events = run.watch.events
    for event in redirections(run):
        if not any(e.name == COMPLETE and not e.received for e in events[: events.index(event)]):
            return failed(f"{run.what}: redirected to EPC before SECURITY MODE COMPLETE", event.ref)
        if event.facts.get("header") not in (1, 2):
            said = f"redirected to EPC with security header type {event.facts.get('header')}"
            return failed(f"{run.what}: {said}", event.ref)
        if event.facts.get("mac_ok") is not True:
            return failed(f"{run.what}: the NAS-MAC of the redirection does not verify", event.ref)
    return None


@dataclass(frozen=True)
class Seen(Observation):
    """Registrations that are to be redirected: all that came up to the reject."""

    prepared: tuple[Control, ...]
    runs: tuple[Run, ...]  # the CIoT IEs in the complete request only; in the plain one as well
    after: Control


def judge(seen: Seen) -> Verdict:
    """Cause #31 comes, and only protected with the context that SECURITY MODE COMPLETE took into use."""
    if doubt := unsound(seen.prepared):
        return doubt
    for verdict in map(unprotected, seen.runs):
        if verdict is not None:
            return verdict
    if len(seen.runs) < 2:
        return inconclusive(f"only {len(seen.runs)} of 2 runs were done")
    for run in seen.runs:
        if doubt := unreached(run) or unclear(run.watch.events):
            return doubt
    first = redirections(seen.runs[0])
    if not first:
        return inconclusive("no reject with cause #31 came: the policy was not active for this UE")
    silent = [run.watch for run in seen.runs if not redirections(run)]
    return unsound([*seen.prepared, seen.after], silent) or passed(
        "the UE was redirected to EPC after SECURITY MODE COMPLETE, integrity protected", first[0].ref
    )


@dataclass(frozen=True)
class SeenUnanswered(Observation):
    """Registrations that stop before NAS security is there, watched until T3560 has run out."""

    prepared: tuple[Control, ...]
    runs: tuple[Run, ...]
    seconds: float  # how long to watch
    after: tuple[Run, ...]


def judge_unanswered(seen: SeenUnanswered) -> Verdict:
    """No redirection without NAS security; the policy was active."""
    if doubt := unsound(seen.prepared):
        return doubt
    for run in seen.runs:
        for event in redirections(run):
            return failed(f"{run.what}: the UE was redirected to EPC", event.ref)
    if len(seen.runs) < 3:
        return inconclusive(f"only {len(seen.runs)} of 3 runs were done")
    for run in seen.runs:
        if doubt := unreached(run):
            return doubt
        if run.watch.seconds < seen.seconds:
            return inconclusive(f"{run.what}: watched for {run.watch.seconds:g} of {seen.seconds:g} s only")
    wrong = seen.runs[2].watch.events
    if not any(e.name == COMPLETE and e.facts.get("mac_good") is False for e in wrong):
        return inconclusive("the SECURITY MODE COMPLETE with a wrong NAS-MAC was not sent")
    if doubt := unsound(seen.prepared, [run.watch for run in seen.runs]):
        return doubt
    refs = [e.ref for run in seen.after for e in redirections(run)]
    if not refs or any(unprotected(run) for run in seen.after):
        how = "with protection (variant A)" if refs else "at all: the policy was not active"
        return inconclusive(f"control failed: afterwards the UE was not redirected {how}", *refs)
    return passed("without NAS security no UE was redirected to EPC, with it one was", *refs)


def ciot_ue(amf: AmfBench) -> Ue:
    """A UE that announces S1 mode and CIoT."""
    ue = amf.ue(Capability(eea=0xF0, eia=0xF0))
    ue.also |= CIOT
    return ue


def policy(amf: AmfBench) -> tuple[Control, ...]:
    """Put the policy in force; where it can be switched, such a UE registers without it first."""
    switch = lambda: amf.ensures(SETTING, "on")  # noqa: E731
    if amf.in_force(SETTING) == "on":
        return in_turn(switch)
    return in_turn(lambda: amf.registers(ciot_ue(amf), "such a UE registered without the policy"), switch)


def redirected(amf: AmfBench, what: str, *, exposed: bool) -> Run:
    """A whole registration, answered as a UE does."""
    ue = ciot_ue(amf)
    ue.exposed = exposed
    ue.start()
    return Run(what, COMMAND, amf.until_outcome(what, ue))


@case("TC_AMF_REDIRECTION_5GS_EPS", judge, "A")
def test_redirection_is_protected(amf: AmfBench) -> Seen:
    prepared = policy(amf)
    if not prepared[-1].worked:
        return Seen(prepared, (), prepared[-1])
    amf.stimulus()
    runs = (
        redirected(amf, "CIoT IEs after security mode only", exposed=False),
        redirected(amf, "CIoT IEs in the plain request too", exposed=True),
    )
    return Seen(prepared, runs, amf.commanded(amf.ue(), "a fresh UE got as far as SECURITY MODE COMMAND"))


@case("TC_AMF_REDIRECTION_5GS_EPS", judge_unanswered, "B")
def test_no_redirection_without_security(amf: AmfBench) -> SeenUnanswered:
    prepared, seconds = policy(amf), amf.timers.repeats_s
    if not prepared[-1].worked:
        return SeenUnanswered(prepared, (), seconds, ())
    whats = {
        "AUTHENTICATION REQUEST not answered": "AUTHENTICATION REQUEST",
        "SECURITY MODE COMMAND not answered": COMMAND,
        "SECURITY MODE COMPLETE with a wrong NAS-MAC": COMMAND,
    }
    ues = [ciot_ue(amf) for _ in whats]
    amf.stimulus()
    mark = amf.mark()
    for ue, held in zip(ues, whats.values(), strict=True):
        ue.held.add(held)
        ue.start()
    for ue, held in zip(ues, whats.values(), strict=True):
        amf.wait(ue, held, REJECT, within=amf.timers.answer_s)
    command = amf.wait(ues[2], COMMAND, within=0)
    if command is not None and command.facts.get("mac_ok") is True:
        ues[2].complete_security_mode(ia=2 if command.facts.get("ia") == 1 else 1)
    watches = amf.watch("T3560 until its fifth expiry", seconds, *ues, since=mark)
    runs = [Run(what, held, watch) for (what, held), watch in zip(whats.items(), watches, strict=True)]
    after = redirected(amf, "a UE that answers everything", exposed=False)
    return SeenUnanswered(prepared, tuple(runs), seconds, (after,))
