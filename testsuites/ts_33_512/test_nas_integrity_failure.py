"""TC_AMF_NAS_INTEGRITY_FAILURE: NAS messages with a faulty or missing MAC are discarded."""

from dataclasses import dataclass
from typing import Any

from assay.case import Control, Event, Observation, Watch, beyond, case, in_turn, told, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AmfBench

SESSION = 2
SKIPPED_COUNTS = 16


@dataclass(frozen=True)
class Seen(Observation):
    """What followed each bad message, and whether the good one with the same COUNT was served."""

    controls: tuple[Control, ...]
    bad: tuple[Watch, ...]
    twin: tuple[Watch, ...]
    count: int
    served: Event | None
    served_later: Event | None


def judge(seen: Seen) -> Verdict:
    """Nothing may follow a bad message, and the good one with its COUNT must still be served."""
    if doubt := unsound(seen.controls):
        return doubt
    for bad, twin in zip(seen.bad, seen.twin, strict=True):
        for event in beyond(bad.events, twin.events):
            return failed(f"{bad.what} was processed: {told(event)} followed", event.ref)
    if seen.served is None and seen.served_later is not None:
        return failed(
            f"the right message with COUNT {seen.count} was not processed, with "
            f"{seen.count + SKIPPED_COUNTS} it was: the bad messages used up the COUNT",
            seen.served_later.ref,
        )
    if seen.served is None:
        return inconclusive("control failed: the right message was not processed either")
    if doubt := unsound(seen.controls, seen.bad):
        return doubt
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
    count = ue.uplink_count
    if not controls[-1].worked:
        return Seen(controls, (), (), count, None, None)
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
    later = None
    if served is None:
        mark = amf.mark()
        ue.session_request(SESSION, count=count + SKIPPED_COUNTS)
        later = amf.served(ue, SESSION, within=amf.timers.watch_s, since=mark)
    return Seen(controls, tuple(bad), tuple(calm), count, served, later)
