"""TC_SYNC_FAIL_SEAF_AMF: after AUTS the AUSF is asked, and no challenge leaves before it has answered."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from math import inf

from assay.case import (
    Control,
    Event,
    Observation,
    Watch,
    case,
    genuine,
    in_turn,
    named,
    told,
    unclear,
    unsound,
)
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AUTHENTICATION, AmfBench, Ue

CHALLENGE, FAILURE, VECTOR = "AUTHENTICATION REQUEST", "AUTHENTICATION FAILURE", f"201 to {AUTHENTICATION}"
GAVE_UP = ("STREAM RESET", "CONNECTION CLOSED")
ENDED = ("REGISTRATION REJECT", "AUTHENTICATION REJECT", "UE CONTEXT RELEASE COMMAND")
DISTURBING = (CHALLENGE, "IDENTITY REQUEST", "DEREGISTRATION REQUEST (UE TERMINATED)", ENDED[-1])
T3560_S = 1.0  # every T3560 is longer, so a younger challenge is not repeated for its expiry
CROSSING_S = 0.1  # what two interfaces show in this time may have happened in either order
UNSEEN_S = 2.0  # no AMF gives up so soon, unseen


@dataclass(frozen=True)
class Seen(Observation):
    """A registration whose first challenge is answered with AUTS, and how the AUSF took that."""

    before: Control
    watch: Watch
    late_s: float | None  # by so much its answer came late; None: it never came
    wait_s: float  # how long to look for the end of the AMF's wait
    sbi_timeout: float | None  # as declared
    after: Control


def resynchronisations(events: Iterable[Event]) -> list[tuple[Event, dict[str, str]]]:
    """The requests to the AUSF that carry resynchronizationInfo, with its members in lower case."""
    found = []
    for event in named(events, AUTHENTICATION):
        body = event.facts.get("body")
        info = body.get("resynchronizationInfo") if isinstance(body, dict) else None
        if info is not None:
            pairs = info.items() if isinstance(info, dict) else ()
            found.append((event, {name: str(value).lower() for name, value in pairs}))
    return found


def judge(seen: Seen) -> Verdict:
    """The AUSF was told RAND and AUTS, and challenges waited for it."""
    events = seen.watch.events
    if doubt := unsound([seen.before]):
        return doubt
    failures = [e for e in events if not e.received and e.name == FAILURE and "auts" in e.facts]
    if not failures:
        return inconclusive("control failed: no challenge came that could be answered with AUTS")
    asked = resynchronisations(events)
    if not asked:
        return judge_unasked(seen, failures[0])
    later = [e for e in named(events, CHALLENGE) if e.at > failures[0].at]
    if wrong := judge_challenges(seen, asked[0][0], failures[0], later):
        return wrong
    sent = [(e.facts["rand"], e.facts["auts"]) for e in failures]
    for event, info in asked:
        if (info.get("rand"), info.get("auts")) not in sent:
            return failed("resynchronizationInfo does not hold RAND and AUTS of the UE", event.ref)
    first = asked[0][0]
    if seen.late_s is None:
        end = end_of_wait(seen, first, inf)
        if end - first.at < CROSSING_S:
            return inconclusive("the AMF did not wait for the AUSF at all", first.ref)
        if min(end, first.at + seen.wait_s) > first.at + seen.watch.seconds + CROSSING_S:
            return inconclusive("the watch ended before the AMF's wait", first.ref)
        said = "RAND and AUTS reached the AUSF, and no challenge came while the AMF waited for its answer"
        return unsound([seen.before, seen.after], [seen.watch]) or passed(said, first.ref)
    if doubt := unclear(events) or unsound([seen.before, seen.after]):
        return doubt
    if not later or not genuine(events, "REGISTRATION ACCEPT"):
        missing = "REGISTRATION ACCEPT" if later else "challenge with the fresh vector"
        return inconclusive(f"control failed: no {missing} came after the AUSF's answer", first.ref)
    said = "RAND and AUTS reached the AUSF, and the next challenge came with its answer, not before"
    return passed(said, first.ref, later[0].ref)


def judge_unasked(seen: Seen, failure: Event) -> Verdict:
    """What it means that resynchronizationInfo never came."""
    after = [e for e in seen.watch.events if e.at > failure.at]
    repeated, ends = len(named(after, AUTHENTICATION)), genuine(after, *ENDED)
    more = f" (but {repeated} times for another vector)" if repeated else ""
    end = told(ends[0] if ends else None)
    # where the AMF was done with it, this is no matter of patience
    doubt = unclear(after) or unsound([seen.before, seen.after], [] if ends else [seen.watch])
    said = f"the AUSF was not asked with resynchronizationInfo{more}, the UE got {end}"
    return doubt or failed(said, failure.ref)


def judge_challenges(seen: Seen, asked: Event, failure: Event, later: list[Event]) -> Verdict | None:
    """What is wrong with the challenges that followed, if anything."""
    events, old, late_s = seen.watch.events, failure.facts["rand"], seen.late_s
    before = max((e.at for e in events if e.name == VECTOR and e.at < failure.at), default=failure.at)
    transit = max(CROSSING_S, seen.before.slowest)
    # an answer that came sooner was to a request without AUTS
    answers = [e for e in events if late_s and e.name == VECTOR and e.at > asked.at + 0.9 * late_s]
    answered = answers[0].at if answers else inf
    fresh = [vector_of(e) for e in answers]
    for challenge in later:
        gave_up = end_of_wait(seen, asked, challenge.at + CROSSING_S)
        rand, autn, waited = challenge.facts.get("rand"), challenge.facts.get("autn"), challenge.at - asked.at
        if rand == old and challenge.at > before + T3560_S and waited < transit:
            return inconclusive("a repeat of the challenge may have crossed the UE's answer", challenge.ref)
        if challenge.at >= answered:
            if (rand, autn) not in fresh:
                which = "the old" if rand == old else "another"
                return failed(f"after the AUSF's answer came a challenge with {which} RAND", challenge.ref)
        elif challenge.at >= gave_up - CROSSING_S:
            if challenge.at < gave_up or late_s:
                return inconclusive(
                    f"a challenge came as the AMF's wait ended, {waited:.1f} s", challenge.ref
                )
        elif gave_up == inf and waited > UNSEEN_S:
            return inconclusive(
                f"a challenge came after {waited:.1f} s: the AMF may have given up", asked.ref
            )
        else:
            return failed("a challenge came before the AUSF had answered", challenge.ref, asked.ref)
    return None


def vector_of(answer: Event) -> tuple[str, str]:
    """RAND and AUTN in an answer of the AUSF, in lower case."""
    body = answer.facts.get("body")
    data = body.get("5gAuthData", {}) if isinstance(body, dict) else {}
    return str(data.get("rand")).lower(), str(data.get("autn")).lower()


def end_of_wait(seen: Seen, asked: Event, until: float) -> float:
    """When the AMF stopped waiting for the AUSF, seen up to a time or declared; infinite where neither.

    It waits as long as one of its requests is open, retries among them.
    """
    end, waiting = inf, 0
    requests = [event for event, _ in resynchronisations(seen.watch.events)]
    for event in seen.watch.events:
        if event.at > until:
            break
        if event in requests:
            end, waiting = inf, waiting + 1
        elif event.name in GAVE_UP and event.facts.get("request") == AUTHENTICATION:
            waiting -= event.facts.get("by") == "product"
            end = event.at if waiting <= 0 and event.facts.get("by") == "product" else end
    return min(end, inf if seen.sbi_timeout is None else asked.at + seen.sbi_timeout)


@dataclass(frozen=True)
class Unsolicited(Observation):
    """AUTS that nobody asked for, protected and plain, each beside a twin."""

    controls: tuple[Control, ...]
    watches: tuple[Watch, ...]
    twins: tuple[Watch, ...]
    wanted: int


def judge_unsolicited(seen: Unsolicited) -> Verdict:
    """Variant C: such an AUTS has no effect."""
    for watch, twin in zip(seen.watches, seen.twins, strict=True):
        for event, _ in resynchronisations(watch.events):
            return failed(f"{watch.what}: its AUTS was passed on to the AUSF", event.ref)
        for name in DISTURBING:
            mine, normal = genuine(watch.events, name), named(twin.events, name)
            if len(mine) == 0 and (odd := named(watch.events, name)):
                return inconclusive(f"{watch.what}: {told(odd[0])} came that no UE believes", odd[0].ref)
            if len(mine) > len(normal) and twin.whole:
                return failed(f"{watch.what}: {told(mine[-1])} followed, the twin saw none", mine[-1].ref)
    if doubt := unsound(seen.controls, [*seen.watches, *seen.twins]):
        return doubt
    if len(seen.watches) != seen.wanted:
        return inconclusive(f"only {len(seen.watches)} of {seen.wanted} were sent")
    status = [e for watch in seen.watches for e in named(watch.events, "5GMM STATUS")]
    also = f"; {told(status[0])} came" if status else ""
    refs = [e.ref for watch in seen.watches for e in watch.events if e.name == FAILURE]
    return passed(f"an AUTS that nobody asked for, protected or plain, was not passed on{also}", *refs)


def resynchronises(amf: AmfBench, ue: Ue) -> Control:
    """Control: a UE that answers a challenge with AUTS makes the AMF ask the AUSF, and is accepted."""
    ue.outrun()
    control = amf.connects(ue, "a UE registered with a resynchronisation")
    if control.worked and not resynchronisations(amf.since(ue)):
        return replace(control, worked=False, saw="the AUSF was not asked with resynchronizationInfo")
    return control


@case("TC_SYNC_FAIL_SEAF_AMF", judge, "AB")
def test_synchronisation_failure(amf: AmfBench, variant: str) -> Seen:
    never = variant == "B"
    twin, ue = amf.ue(own_ausf=never), amf.ue(own_ausf=never)
    before = (
        resynchronises(amf, twin) if never else amf.registers(twin, "a twin registered without a failure")
    )
    late_s = None if never else amf.timers.hold_s
    if not before.worked:
        nothing = Watch("not sent", 0.0, ())
        return Seen(before, nothing, late_s, amf.timers.answer_s, amf.timers.sbi_timeout_s, before)
    amf.resynchronisation(ue, "never" if never else "late")
    ue.outrun()
    if not never:  # an AMF may shun an AUSF that was silent
        amf.stimulus()
    ue.start()
    what = "a registration with a synchronisation failure"
    if never:
        watch = amf.until(what, ue, *GAVE_UP, within=amf.timers.answer_s)
        amf.resynchronisation(ue, "normal")
        after = amf.registers(amf.ue(), "a fresh UE registered through the other AUSF")
    else:
        watch = amf.until_outcome(what, ue)
        after = amf.alive(ue)
    return Seen(before, watch, late_s, amf.timers.answer_s, amf.timers.sbi_timeout_s, after)


RUNS = {"a protected AUTHENTICATION FAILURE": None, "a plain AUTHENTICATION FAILURE": 0}


@case("TC_SYNC_FAIL_SEAF_AMF", judge_unsolicited, "C")
def test_unsolicited_failure(amf: AmfBench) -> Unsolicited:
    controls: tuple[Control, ...] = (resynchronises(amf, amf.ue()),)
    watches: list[Watch] = []
    twins: list[Watch] = []
    for what, header in RUNS.items():
        twin, ue = amf.ue(), amf.ue()
        if controls[-1].worked:
            connects = partial(amf.connects, twin, "a twin registered")
            controls += in_turn(connects, partial(amf.connects, ue, "the UE registered"))
        if not controls[-1].worked:
            break
        if not watches:
            amf.stimulus()
        mark = amf.mark()
        ue.synchronise(header=header)
        mine, calm = amf.watch(what, amf.timers.watch_s, ue, twin, since=mark)
        watches.append(mine)
        twins.append(calm)
        controls += (amf.alive(ue, twin),)
    return Unsolicited(controls, tuple(watches), tuple(twins), len(RUNS))
