"""TC_AMF_NAS_INTEGRITY_FAILURE: NAS messages with a faulty or missing MAC are discarded."""

from dataclasses import dataclass
from typing import Any

from assay.case import Control, Event, Observation, Watch, beyond, case, in_turn, told, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AmfBench

SESSION, LATER_SESSION = 2, 3
SKIPPED_COUNTS = 16


@dataclass(frozen=True)
class Seen(Observation):
    """What followed each bad message, and whether the good one with the same COUNT was served."""

    controls: tuple[Control, ...]
    stimuli: int
    bad: tuple[Watch, ...]
    twin: tuple[Watch, ...]
    count: int
    served: Event | None
    served_late: Event | None
    served_later: Event | None


def judge(seen: Seen) -> Verdict:
    """Nothing may follow a bad message, and the good one with its COUNT must still be served."""
    if doubt := unsound(seen.controls):
        return doubt
    if found := beyond(seen.bad, seen.twin):
        bad, event = found
        return failed(f"{bad.what} was processed: {told(event)} followed", event.ref)
    if len(seen.bad) != seen.stimuli:
        return inconclusive(f"only {len(seen.bad)} of {seen.stimuli} bad messages were sent")
    if doubt := unsound(seen.controls, seen.bad):
        return doubt
    if seen.served is None and seen.served_late is not None:
        return inconclusive("the right message was served, but only after its time", seen.served_late.ref)
    if seen.served is None and seen.served_later is not None:
        return failed(
            f"the right message with COUNT {seen.count} was not processed, with "
            f"{seen.count + SKIPPED_COUNTS} it was: the bad messages used up the COUNT",
            seen.served_later.ref,
        )
    if seen.served is None:
        return inconclusive("control failed: the right message was not processed either")
    what = " and ".join(bad.what for bad in seen.bad)
    return passed(f"{what}: discarded; the right message with the same COUNT was served", seen.served.ref)


STIMULI: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "A": (
        ("a message with an inverted MAC bit", {"flip_mac": True}),
        ("a message with MAC 00000000", {"mac": bytes(4)}),
    ),
    "B": (("a plain message", {"header": 0}),),
}


@case("TC_AMF_NAS_INTEGRITY_FAILURE", judge, "AB")
def test_faulty_or_missing_mac(amf: AmfBench, variant: str) -> Seen:
    ue, twin = amf.ue(), amf.ue()
    controls = in_turn(
        lambda: amf.connects(ue, "the UE registered"),
        lambda: amf.connects(twin, "a twin registered"),
        lambda: amf.establishes(ue, 1, "the same UE established PDU session 1"),
        lambda: amf.establishes(twin, 1, "the twin established PDU session 1"),
    )
    count, stimuli = ue.uplink_count, len(STIMULI[variant])
    if not controls[-1].worked:
        return Seen(controls, stimuli, (), (), count, None, None, None)
    bad, calm = [], []
    amf.stimulus()
    for what, how in STIMULI[variant]:
        mark = amf.mark()
        ue.session_request(SESSION, **({"count": count} | how))
        watches = amf.watch(what, amf.timers.watch_s, ue, twin, since=mark)
        bad.append(watches[0])
        calm.append(watches[1])
    mark = amf.mark()
    ue.session_request(SESSION, count=count)
    served = amf.served(ue, SESSION, within=amf.timers.watch_s, since=mark)
    late = later = None
    if served is None:
        again = amf.mark()
        ue.session_request(LATER_SESSION, count=count + SKIPPED_COUNTS)
        later = amf.served(ue, LATER_SESSION, within=amf.timers.answer_s, since=again)
        if later is not None:  # the first one may only have been slow
            late = amf.served(ue, SESSION, within=amf.timers.answer_s, since=mark)
    return Seen(controls, stimuli, tuple(bad), tuple(calm), count, served, late, later)
