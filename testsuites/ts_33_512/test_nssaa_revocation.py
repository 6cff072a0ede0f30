"""TC_NSSAA_REVOCATION: a UE that loses its last slice by revocation is deregistered, and told why."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from assay.case import Control, Event, Observation, Watch, case, in_turn, named, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import REVOCATION, AmfBench, Snssai, Ue, slice_name

CASE = "TC_NSSAA_REVOCATION"
DEREGISTRATION = "DEREGISTRATION REQUEST (UE TERMINATED)"
UPDATE = "CONFIGURATION UPDATE COMMAND"
FAILED_OR_REVOKED = 2  # cause of rejection, TS 24.501 clause 9.11.3.46
THREE_GPP = 1  # access type bit of the de-registration type, clause 9.11.3.20
CIPHERED = 2
NOT_SENT = Watch("not sent", 0.0, ())


@dataclass(frozen=True)
class Seen(Observation):
    """A revocation of the only slice of a UE, and what the UE got."""

    slice: str
    before: tuple[Control, ...]
    notified: Control
    watch: Watch
    after: Control


def believed(events: Iterable[Event], *names: str) -> list[Event]:
    """The messages of these names whose MAC verifies."""
    return [e for e in named(events, *names) if e.facts.get("mac_ok") is True]


def causes(event: Event, slice_: str) -> list[int]:
    """Why a message says this slice is rejected."""
    lists = [event.facts.get(name, {}) for name in ("rejected_nssai", "extended_rejected_nssai")]
    return [one[slice_] for one in lists if slice_ in one]


def takes(event: Event, slice_: str) -> bool:
    """Whether a message deprives the UE of a slice."""
    kept = event.facts.get("allowed_nssai") or [slice_]
    return event.name == DEREGISTRATION or bool(causes(event, slice_)) or slice_ not in kept


def answered(events: Iterable[Event]) -> list[tuple[int, Event]]:
    """The status of each answer to a revocation."""
    found = [e for e in events if e.received and e.name.endswith(f" to {REVOCATION}")]
    return [(int(e.facts.get("status", 0)), e) for e in found]


def judge(seen: Seen) -> Verdict:
    """Variant A: DEREGISTRATION REQUEST, protected, for 3GPP access, with the slice and the reason."""
    if doubt := unsound([*seen.before, seen.notified]):
        return doubt
    for status, event in answered(seen.watch.events):
        if not 200 <= status < 300:
            return inconclusive(f"the product answered the revocation by {status}", event.ref)
    asked = [event.ref for _, event in answered(seen.watch.events)]
    requests = named(seen.watch.events, DEREGISTRATION)
    if not requests:
        doubt = unsound([*seen.before, seen.notified, seen.after], [seen.watch])
        return doubt or failed(f"the last slice was revoked, and no {DEREGISTRATION} came", *asked)
    first = requests[0]
    if not believed([first], DEREGISTRATION):
        return failed(
            "DEREGISTRATION REQUEST is not integrity protected, or its MAC is wrong", requests[0].ref
        )
    if first.facts.get("header") != CIPHERED:
        said = f"DEREGISTRATION REQUEST has security header type {first.facts.get('header')}, not 2"
        return failed(said, first.ref)
    if not int(first.facts.get("deregistration_type", 0)) & THREE_GPP:
        return failed("DEREGISTRATION REQUEST is not for 3GPP access", first.ref)
    why = causes(first, seen.slice)
    if not why:
        return failed(f"DEREGISTRATION REQUEST names no rejected slice {seen.slice}", first.ref)
    if FAILED_OR_REVOKED not in why:
        return failed(
            f"DEREGISTRATION REQUEST rejects slice {seen.slice} with cause {why[0]}, not 2", first.ref
        )
    return unsound([*seen.before, seen.notified, seen.after]) or passed(
        f"the UE was deregistered, slice {seen.slice} rejected with cause 2", first.ref, *asked
    )


@dataclass(frozen=True)
class Other(Observation):
    """Revocations that are not about the UE's slice, beside a twin, and at last the one that is."""

    slice: str
    before: tuple[Control, ...]
    watches: tuple[Watch, ...]
    twins: tuple[Watch, ...]
    after: tuple[Control, ...]
    real: Watch


def judge_other(seen: Other) -> Verdict:
    """Variant B: only the revocation of its own slice has an effect on the UE."""
    if doubt := unsound(seen.before):
        return doubt
    for watch, twin in zip(seen.watches, seen.twins, strict=True):
        lost = [e for e in believed(watch.events, DEREGISTRATION, UPDATE) if takes(e, seen.slice)]
        too = [e for e in believed(twin.events, DEREGISTRATION, UPDATE) if takes(e, seen.slice)]
        if lost and too:
            return inconclusive("the twin lost its slice as well", lost[0].ref, too[0].ref)
        if lost:
            said = f"{watch.what} took slice {seen.slice} from the UE ({lost[0].name})"
            return failed(said, lost[0].ref)
    if doubt := unsound([*seen.before, *seen.after], [*seen.watches, *seen.twins]):
        return doubt
    if not seen.watches:
        return inconclusive("no revocation was sent")
    if not any(takes(e, seen.slice) for e in believed(seen.real.events, DEREGISTRATION, UPDATE)):
        return inconclusive("the revocation of its own slice had no effect either")
    statuses = [(status, e) for watch in seen.watches for status, e in answered(watch.events)]
    said = " and ".join(f"{status}" for status, _ in statuses)
    return passed(
        f"revocations that are not the UE's (answered {said}) left it alone", *[e.ref for _, e in statuses]
    )


# --- the probes -------------------------------------------------------------------------------------------


def connected(amf: AmfBench, ue: Ue) -> Control:
    """Control: the UE has not been released, so that nobody has to page it."""
    released = named(amf.since(ue), "UE CONTEXT RELEASE COMMAND")
    saw = f"{ue.label} {'was released' if released else 'was not released'}"
    return Control(f"{ue.label} is connected", not released, saw, refs=tuple(e.ref for e in released))


@case(CASE, judge, "A")
def test_revocation_of_the_last_slice(amf: AmfBench) -> Seen:
    ue = amf.ue()
    before = in_turn(
        lambda: amf.authenticates_slice(ue, "NSSAA of the only slice succeeded", only=True),
        lambda: connected(amf, ue),
    )
    own = amf.slices.nssaa
    if own is None or not all(c.worked for c in before):
        return Seen("", before, before[-1], NOT_SENT, before[-1])
    amf.stimulus()
    mark = amf.mark()
    notified, watch = amf.revoke(ue, "the revocation was answered", own), NOT_SENT
    if notified.worked:
        watch = amf.until("the revocation", ue, DEREGISTRATION, within=amf.timers.answer_s, since=mark)
    after = amf.registers(amf.ue(), "a fresh UE registered")
    return Seen(slice_name(own), before, notified, watch, after)


@case(CASE, judge_other, "B")
def test_revocation_for_others(amf: AmfBench) -> Other:
    ue, twin = amf.ue(), amf.ue()
    before = in_turn(
        lambda: amf.authenticates_slice(ue, "NSSAA of the only slice succeeded", only=True),
        lambda: amf.authenticates_slice(twin, "NSSAA of the twin's only slice succeeded", only=True),
        lambda: connected(amf, ue),
    )
    own = amf.slices.nssaa
    if own is None or not all(c.worked for c in before):
        return Other("", before, (), (), (), NOT_SENT)
    watched: list[tuple[Watch, ...]] = []

    def revoke(what: str, s_nssai: Snssai, *, unknown: bool = False) -> Control:
        mark = amf.mark()
        control = amf.revoke(ue, f"{what} was answered", s_nssai, unknown=unknown)
        if control.worked:
            watched.append(amf.watch(what, amf.timers.watch_s, ue, twin, since=mark))
        return control

    amf.stimulus()
    steps = [partial(revoke, "the revocation of a slice that the UE never had", amf.slices.foreign)]
    if amf.shares_revocation(ue, twin):
        steps.append(partial(revoke, "the revocation for an unknown user", own, unknown=True))
    if amf.plays("smf"):
        steps.append(partial(amf.alive, ue, twin))
    after, real = in_turn(*steps), NOT_SENT
    if all(c.worked for c in after):
        mark = amf.mark()
        after += (amf.revoke(ue, "the revocation of its own slice was answered", own),)
        what = "the revocation of its own slice"
        real = amf.until(what, ue, DEREGISTRATION, within=amf.timers.answer_s, since=mark)
    mine, calm = tuple(w[0] for w in watched), tuple(w[1] for w in watched)
    return Other(slice_name(own), before, mine, calm, after, real)
