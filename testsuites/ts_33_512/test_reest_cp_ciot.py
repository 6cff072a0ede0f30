"""TC_AMF_REEST_CP_CIOT: a second ng-eNB gets a CP CIoT UE only for a UL NAS MAC that verifies."""

from dataclasses import dataclass, replace
from math import inf

from assay.case import Control, Event, Observation, Watch, case, named, unclear, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AmfBench, Relocation

INDICATION = "CONNECTION ESTABLISHMENT INDICATION"
NO_VECTOR = "no test data of 3GPP says how the NAS-MAC is computed"


def unanswered(relocation: Relocation) -> Watch:
    """What came, as a silence to be long enough where no indication came."""
    long = inf if named(relocation.watch.events, INDICATION) else relocation.watch.seconds
    return replace(relocation.watch, seconds=long)


def security(relocation: Relocation) -> Event | None:
    """The indication that carries DL CP Security Information."""
    found = named(relocation.watch.events, INDICATION)
    return next((e for e in found if "dl_nas_mac" in e.facts), None)


def agreed(relocation: Relocation) -> Event | None:
    """That indication where its DL NAS MAC is the expected one: both sides compute the same NAS-MAC."""
    event = security(relocation)
    return event if event is not None and event.facts["dl_nas_mac"] == relocation.expected else None


@dataclass(frozen=True)
class Seen(Observation):
    """Re-establishments with the right UL NAS MAC: one a reading of the specification, until one fits."""

    camped: tuple[Control, ...]
    tries: tuple[Relocation, ...]
    again: Relocation | None  # the reading repeated for which the UE was taken away without an answer
    readings: int  # how many there are
    after: Control


def taken(seen: Seen) -> Relocation | None:
    """The one try, and its repetition, for which the UE left the first ng-eNB: so its MAC did verify."""
    left = [one for one in seen.tries if not one.stays]
    if len(left) != 1 or len(seen.tries) != seen.readings or seen.again is None or seen.again.stays:
        return None
    return seen.again if seen.again.reading == left[0].reading else None


def judge(seen: Seen) -> Verdict:
    """DL CP Security Information comes, with the DL NAS MAC that belongs to the UL NAS MAC.

    What does not come fails the product only where it shows that the MAC did verify: as no test data exist, a
    refusal may be due to our reading of the specification.
    """
    if doubt := unsound(seen.camped):
        return doubt
    for relocation in seen.tries:
        if event := agreed(relocation):
            said = f"the DL NAS MAC is the expected one ({relocation.reading})"
            doubt = unclear(relocation.watch.events) or unsound([*seen.camped, seen.after])
            return doubt or passed(said, event.ref)
    tries = [*seen.tries, *([seen.again] if seen.again else [])]
    for relocation in tries:
        if event := security(relocation):
            return inconclusive(f"the DL NAS MAC is none that we expect, and {NO_VECTOR}", event.ref)
    if doubt := unsound([*seen.camped, seen.after], map(unanswered, tries)):
        return doubt
    if found := taken(seen):
        refs = [e.ref for e in named(found.watch.events, INDICATION)]
        said = "for this UL NAS MAC alone the AMF took the UE over, but gave no DL CP Security Information"
        return failed(f"{said} ({found.reading}; twice)", *refs)
    return inconclusive(f"no DL CP Security Information under {len(seen.tries)} readings, and {NO_VECTOR}")


@dataclass(frozen=True)
class SeenWrong(Observation):
    """A re-establishment with a right UL NAS MAC, and then one with a wrong one."""

    camped: tuple[Control, ...]
    right: tuple[Relocation, ...]
    wrong: Relocation | None


def judge_wrong(seen: SeenWrong) -> Verdict:
    """The ng-eNB is answered without DL CP Security Information."""
    if doubt := unsound(seen.camped):
        return doubt
    if not seen.right or security(seen.right[-1]) is None or seen.wrong is None:
        return inconclusive(f"control failed: no UL NAS MAC of ours was accepted, and {NO_VECTOR}")
    if event := security(seen.wrong):
        return failed("DL CP Security Information was given for a UL NAS MAC with an inverted bit", event.ref)
    if doubt := unsound(seen.camped, [unanswered(seen.wrong)]):
        return doubt
    answers = named(seen.wrong.watch.events, INDICATION)
    if not answers:
        return inconclusive(f"no access was given, but not by {INDICATION} as in TS 38.413 clause 8.3.8.2")
    if not seen.wrong.stays:
        said = "a wrong UL NAS MAC gave no access, but cut the UE off from its ng-eNB: anybody could do that"
        return inconclusive(said, answers[0].ref)
    return passed(f"{INDICATION} came without DL CP Security Information", answers[0].ref)


@case("TC_AMF_REEST_CP_CIOT", judge, "A")
def test_right_mac(amf: AmfBench) -> Seen:
    camped: list[Control] = []
    tries: list[Relocation] = []
    again, fits = None, False
    ue = amf.ciot_ue()
    for reading in amf.readings:
        ue = amf.ciot_ue()
        camped.append(amf.camps(ue, "the UE was served through the first ng-eNB"))
        if not camped[-1].worked:
            break
        if not tries:
            amf.stimulus()
        tries.append(amf.relocate(ue, reading))
        if fits := agreed(tries[-1]) is not None:
            break
    left = [one.reading for one in tries if not one.stays]
    if camped[-1].worked and not fits and len(left) == 1:
        ue = amf.ciot_ue()
        camped.append(amf.camps(ue, "the UE was served through the first ng-eNB"))
        again = amf.relocate(ue, left[0]) if camped[-1].worked else None
    after = camped[-1]
    if after.worked and fits:
        after = amf.establishes(ue, 2, "the UE was served through the second ng-eNB")
        after = amf.alive(ue) if after.worked else after
    elif after.worked:
        after = amf.camps(amf.ciot_ue(), "a fresh UE was served through the first ng-eNB")
    return Seen(tuple(camped), tuple(tries), again, len(amf.readings), after)


@case("TC_AMF_REEST_CP_CIOT", judge_wrong, "B")
def test_wrong_mac(amf: AmfBench) -> SeenWrong:
    camped: list[Control] = []
    right: list[Relocation] = []
    wrong = None
    for reading in amf.readings:
        ue = amf.ciot_ue()
        camped.append(amf.camps(ue, "the UE was served through the first ng-eNB"))
        if not camped[-1].worked:
            break
        right.append(amf.relocate(ue, reading))
        if security(right[-1]) is None:
            continue
        ue = amf.ciot_ue()
        camped.append(amf.camps(ue, "a fresh UE was served through the first ng-eNB"))
        if camped[-1].worked:
            amf.stimulus()
            wrong = amf.relocate(ue, reading, spoiled=True)
        break
    return SeenWrong(tuple(camped), tuple(right), wrong)
