"""TC_5G_GUTI_ALLOCATION_AMF: a new 5G-GUTI where it is due, protected, and not to be guessed."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

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
from drivers.interfaces import UP_CIOT, AmfBench, Ue

ACCEPT = "REGISTRATION ACCEPT"
ENDS = ("UE CONTEXT RELEASE COMMAND", "UE CONTEXT SUSPEND RESPONSE")
SESSION = 1
CIPHERED = 2  # security header type
SAMPLE = 100
MOST_REPEATS, MOST_ALIKE, LEAST_UP, MOST_UP = 1, 5, 32, 67
ORDER, NULL = "nas_ciphering_order", "NEA0"
NOT_DONE = Watch("not reached", 0.0, ())


@dataclass(frozen=True)
class Seen(Observation):
    """A UE with a 5G-GUTI, and what it was sent when it was due for a new one."""

    controls: tuple[Control, ...]
    old: str  # the 5G-GUTI it had
    ea: int | None  # the ciphering algorithm in force
    watch: Watch
    after: tuple[Control, ...]


def faulty(seen: Seen, event: Event) -> Verdict | None:
    """What is wrong with the protection of a message that brings, or should bring, a 5G-GUTI."""
    header, mac_ok = event.facts.get("header"), event.facts.get("mac_ok")
    if mac_ok is False:
        return failed(f"{event.name} does not verify with the UE's context", event.ref)
    if header == 0 or (header != CIPHERED and seen.ea):
        return failed(f"{event.name} with the 5G-GUTI has security header type {header}", event.ref)
    return None if mac_ok else inconclusive(f"{event.name} could not be verified", event.ref)


def judge_new(seen: Seen, event: Event) -> Verdict:
    """The verdict on a message that brings a new 5G-GUTI as it should."""
    if doubt := unclear(seen.watch.events) or unsound([*seen.controls, *seen.after]):
        return doubt
    if not seen.ea:
        return inconclusive(
            "NEA0 is in force, so nothing is ciphered; all else is as it should be", event.ref
        )
    only = ", but its 5G-TMSI is the old one" if event.facts["guti"][-8:] == seen.old[-8:] else ""
    said = f"{event.name} brought a new 5G-GUTI, ciphered with NEA{seen.ea}{only}"
    return passed(said, event.ref, *(ref for control in seen.after for ref in control.refs[-1:]))


def judge(seen: Seen) -> Verdict:
    """Variants A and B: the accept of a registration brings it."""
    if doubt := unsound(seen.controls):
        return doubt
    accepts = named(seen.watch.events, ACCEPT)
    if not accepts:
        ends = named(seen.watch.events, "REGISTRATION REJECT", *ENDS)
        return inconclusive(f"control failed: {told(ends[0] if ends else None)} instead of {ACCEPT}")
    accept = accepts[0]
    guti = accept.facts.get("guti")
    if wrong := faulty(seen, accept):
        return wrong
    if guti is None:
        return failed(f"{ACCEPT} brought no 5G-GUTI", accept.ref)
    if guti == seen.old:
        return failed(f"{ACCEPT} brought the 5G-GUTI that the UE had", accept.ref)
    return judge_new(seen, accept)


def judge_paged(seen: Seen) -> Verdict:
    """Variants C and D: after paging it comes before the connection ends."""
    if doubt := unsound(seen.controls):
        return doubt
    events = seen.watch.events
    end = next(iter(named(events, *ENDS)), None)
    came = [e for e in events if e.received and "guti" in e.facts and (end is None or e.at <= end.at)]
    for event in came:
        if wrong := faulty(seen, event):
            return wrong
    for event in came:
        if event.facts["guti"] != seen.old:
            if event.facts["guti"][-8:] == seen.old[-8:]:
                said = "only the GUAMI of the 5G-GUTI is new, the 5G-TMSI that was paged is the same"
                return inconclusive(said, event.ref)
            return judge_new(seen, event)
    if came:
        return failed(f"{came[0].name} brought the 5G-GUTI that was paged", came[0].ref)
    if odd := unclear(events):
        return odd
    if end is None:
        return inconclusive("control failed: no new 5G-GUTI came, but the connection was not ended either")
    return failed(f"{told(end)} came after paging without a new 5G-GUTI", end.ref)


def ciphering(amf: AmfBench) -> list[Callable[[], Control]]:
    """What puts an order in force that does not begin with NEA0, where one does and another can be had."""
    others = [value for value in amf.settings(ORDER) if not value.startswith(NULL)]
    if amf.alone and others and (amf.in_force(ORDER) or "").startswith(NULL):
        return [partial(amf.configure, ORDER, others[0])]
    return []


def having(amf: AmfBench, ue: Ue) -> tuple[str, int | None]:
    """The 5G-GUTI that the UE has, and the ciphering algorithm in force."""
    events = amf.since(ue, 0)
    gutis = [e.facts["guti"] for e in events if "guti" in e.facts and e.facts.get("mac_ok") is True]
    commands = genuine(events, "SECURITY MODE COMMAND")
    return (gutis[-1] if gutis else ""), (commands[-1].facts.get("ea") if commands else None)


@case("TC_5G_GUTI_ALLOCATION_AMF", judge, "AB")
def test_registration(amf: AmfBench, variant: str) -> Seen:
    ue = amf.ue()
    controls = in_turn(
        *ciphering(amf),
        partial(amf.connects, ue, "the UE got a 5G-GUTI"),
        partial(amf.idles, ue, "the UE went to CM-IDLE"),
    )
    old, ea = having(amf, ue)
    if not controls[-1].worked:
        return Seen(controls, old, ea, NOT_DONE, ())
    if variant == "A":
        ue.start("initial", "guti")
    else:
        ue.update()
    watch = amf.until_outcome("a registration with the 5G-GUTI", ue)
    _, ea = having(amf, ue)
    after = in_turn(
        partial(amf.idles, ue, "the UE went to CM-IDLE again"),
        partial(amf.returns, ue, "SERVICE REQUEST with the new 5G-S-TMSI was accepted"),
    )
    return Seen(controls, old, ea, watch, after)


@case("TC_5G_GUTI_ALLOCATION_AMF", judge_paged, "CD")
def test_paging(amf: AmfBench, variant: str) -> Seen:
    ue = amf.ue()
    suspended = variant == "D"
    ue.also |= UP_CIOT if suspended else {}
    rests = partial(amf.suspends if suspended else amf.idles, ue)
    steps: list[Callable[[], Control]] = [
        *ciphering(amf),
        partial(amf.connects, ue, "the UE got a 5G-GUTI"),
        partial(amf.activates, ue, SESSION, "the UE has a PDU session"),
        partial(amf.idles, ue, "the UE went to CM-IDLE"),
    ]
    if suspended:
        steps += [partial(amf.returns, ue, "the UE came back"), partial(rests, "the UE was suspended")]
    controls = in_turn(*steps)
    old, _ = having(amf, ue)
    mark = amf.mark()
    if controls[-1].worked:
        controls += (amf.pages(ue, SESSION, "the UE was paged and came back"),)
    if not controls[-1].worked:
        return Seen(controls, old, None, NOT_DONE, ())
    amf.renewal(ue, within=amf.timers.answer_s, since=mark)
    after: tuple[Control, ...] = ()
    if amf.wait(ue, *ENDS, within=0.0, since=mark) is None:
        after = (rests("the gNB ended the connection"),)
    _, ea = having(amf, ue)
    watch = amf.until("the UE after paging", ue, *ENDS, within=0.0, since=mark)
    again = partial(amf.pages, ue, SESSION, "a second paging named the new 5G-S-TMSI")
    if all(c.worked for c in after):
        after += (again(),)
    return Seen(controls, old, ea, watch, after)


# --- unpredictability -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample(Observation):
    """5G-TMSIs in the order of allocation, eight hexadecimal digits each, and where each is seen."""

    controls: tuple[Control, ...]
    tmsis: tuple[str, ...]
    refs: tuple[str, ...]
    wanted: int
    figures: Mapping[str, float]  # reported, not judged: whoever judges makes their own
    after: Control


def figures(values: Sequence[int]) -> dict[str, float]:
    """What a sample shows: values that came before, the most frequent difference of neighbours, steps that go
    up, bits that never change, and the minimum entropy of the bits one by one.
    """
    steps = list(pairwise(values))
    differences = Counter((new - old) % (1 << 32) for old, new in steps)
    ones = [sum(value >> bit & 1 for value in values) for bit in range(32)]
    shares = [max(count, len(values) - count) / max(len(values), 1) for count in ones]
    return {
        "repeats": len(values) - len(set(values)),
        "alike": max(differences.values(), default=0),
        "up": sum(new > old for old, new in steps),
        "constant_bits": sum(share == 1 for share in shares),
        "entropy_bits": round(sum(-math.log2(share) for share in shares if share), 1),
    }


def judge_sample(seen: Sample) -> Verdict:
    """Variant E: the 5G-TMSIs do not repeat, do not step, and go up as often as down."""
    if doubt := unsound([*seen.controls, seen.after]):
        return doubt
    if len(seen.tmsis) != seen.wanted:
        return inconclusive(f"only {len(seen.tmsis)} of {seen.wanted} 5G-TMSIs were allocated")
    found = figures([int(tmsi, 16) for tmsi in seen.tmsis])
    repeats, alike, up = (int(found[name]) for name in ("repeats", "alike", "up"))
    refs, of = (seen.refs[0], seen.refs[-1]), f"of {seen.wanted} 5G-TMSIs"
    if repeats > MOST_REPEATS:
        return failed(f"{of} {repeats} came before, chance allows {MOST_REPEATS}", *refs)
    if alike > MOST_ALIKE:
        return failed(
            f"{of} {alike} follow the one before by the same step, chance allows {MOST_ALIKE}", *refs
        )
    if not LEAST_UP <= up <= MOST_UP:
        return failed(f"{of} {up} are above the one before, chance allows {LEAST_UP} to {MOST_UP}", *refs)
    return passed(f"{of} no more repeat, follow by the same step, or go up or down than by chance", *refs)


@case("TC_5G_GUTI_ALLOCATION_AMF", judge_sample, "E")
def test_unpredictability(amf: AmfBench) -> Sample:
    ue = amf.ue()
    control = amf.connects(ue, "the UE got a 5G-GUTI")
    controls: tuple[Control, ...] = (control,)
    tmsis, refs = list[str](), list[str]()
    while control.worked and len(tmsis) < SAMPLE:
        control = amf.idles(ue, "the UE went to CM-IDLE")
        if not control.worked:
            controls += (control,)
            break
        ue.update()
        accept = amf.outcome(ue)
        if accept is None or not genuine([accept], ACCEPT):
            break
        # without a new one the UE keeps the one it has
        tmsis.append(accept.facts.get("tmsi") or having(amf, ue)[0][-8:])
        refs.append(accept.ref)
    after = amf.alive(ue) if len(tmsis) == SAMPLE else control
    told_of = figures([int(tmsi, 16) for tmsi in tmsis])
    return Sample(controls, tuple(tmsis), tuple(refs), SAMPLE, told_of, after)
