"""TC_NAS_REPLAY_AMF: each uplink NAS COUNT is accepted once only."""

from dataclasses import dataclass

from assay.case import (
    Control,
    Event,
    Observation,
    Watch,
    beyond,
    case,
    genuine,
    in_turn,
    named,
    told,
    unclear,
    unsound,
)
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AMF_REGISTRATION, AmfBench

ONCE = ("REGISTRATION ACCEPT", "INITIAL CONTEXT SETUP REQUEST", AMF_REGISTRATION)
STORED = ("SECURITY MODE COMPLETE", "REGISTRATION COMPLETE", "UL NAS TRANSPORT")
FURTHER = (0, 1, 10, 255)
NOT_REACHED = Control("not reached", False, "an earlier control failed")


@dataclass(frozen=True)
class Seen(Observation):
    """Replays and what followed them, beside a twin that did the same without replays."""

    controls: tuple[Control, ...]
    stimuli: int
    replays: tuple[Watch, ...]
    twin: tuple[Watch, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    """No replay may have an effect that the twin does not see as well."""
    if doubt := unsound(seen.controls):
        return doubt
    if found := beyond(seen.replays, seen.twin):
        replay, event = found
        return failed(f"{replay.what} had an effect: {told(event)}", event.ref)
    if doubt := unsound([*seen.controls, seen.alive], seen.replays):
        return doubt
    if len(seen.replays) != seen.stimuli:
        return inconclusive(f"only {len(seen.replays)} of {seen.stimuli} replays were done")
    sent = [e.ref for watch in seen.replays for e in watch.events if not e.received and "REPLAY" in e.name]
    return passed(f"{len(seen.replays)} watches after replays saw nothing that the twin did not see", *sent)


@dataclass(frozen=True)
class SeenComplete(Observation):
    """Replays after a finished registration (run 1), and SECURITY MODE COMPLETE sent twice (run 2)."""

    replays: Seen
    twice: tuple[Event, ...]
    once: tuple[Event, ...]
    twice_registered: bool


def judge_complete(seen: SeenComplete) -> Verdict:
    """Both runs must be without effect."""
    first = judge(seen.replays)
    if first.outcome == "FAIL":
        return first
    for name in ONCE:
        more, normal = named(seen.twice, name), named(seen.once, name)
        if len(more) > len(normal) or (name == "REGISTRATION ACCEPT" and len(more) > 1):
            return failed(f"SECURITY MODE COMPLETE sent twice brought {len(more)} times {name}", more[-1].ref)
    if first.outcome != "PASS":
        return first
    if odd := unclear(seen.twice):
        return odd
    if not seen.twice_registered:
        return inconclusive("control failed: the UE that sent SECURITY MODE COMPLETE twice was not accepted")
    return first


@case("TC_NAS_REPLAY_AMF", judge_complete, "A")
def test_replayed_security_mode_complete(amf: AmfBench) -> SeenComplete:
    ue, twin, again = amf.ue(), amf.ue(), amf.ue()
    controls = in_turn(
        lambda: amf.connects(ue, "SECURITY MODE COMPLETE was answered"),
        lambda: amf.connects(twin, "a twin registered"),
    )
    once = amf.since(twin)
    if all(c.worked for c in controls):
        controls += in_turn(
            lambda: amf.establishes(ue, 1, "PDU session 1 of the UE"),
            lambda: amf.establishes(twin, 1, "PDU session 1 of the twin"),
        )
    if not all(c.worked for c in controls):
        return SeenComplete(Seen(controls, 2, (), (), NOT_REACHED), (), (), False)
    stored = [ue.sent[name] for name in STORED]
    amf.stimulus()
    mark = amf.mark()
    ue.replay(stored[0])
    what = "the replay of SECURITY MODE COMPLETE"
    watched = [amf.watch(what, amf.timers.watch_s, ue, twin, since=mark)]
    mark = amf.mark()
    for sent in stored[1:]:
        ue.replay(sent)
    what = "the replay of REGISTRATION COMPLETE and UL NAS TRANSPORT"
    watched.append(amf.watch(what, amf.timers.after_replay_s, ue, twin, since=mark))
    alive = amf.alive(ue, twin)
    replays = Seen(controls, 2, tuple(w[0] for w in watched), tuple(w[1] for w in watched), alive)

    again.held.add("SECURITY MODE COMMAND")
    again.start()
    command = amf.wait(again, "SECURITY MODE COMMAND", within=amf.timers.answer_s)
    if command is not None:
        again.held.clear()
        again.replay(again.complete_security_mode())
    amf.outcome(again)
    amf.watch("SECURITY MODE COMPLETE twice", amf.timers.after_replay_s, again, since=amf.mark())
    twice = amf.since(again)
    return SeenComplete(replays, twice, once, bool(genuine(twice, "REGISTRATION ACCEPT")))


@case("TC_NAS_REPLAY_AMF", judge, "B")
def test_replayed_session_request(amf: AmfBench) -> Seen:
    ue, twin = amf.ue(), amf.ue()
    controls = in_turn(
        lambda: amf.connects(ue, "the UE registered"),
        lambda: amf.connects(twin, "a twin registered"),
        lambda: amf.establishes(twin, 2, "the twin's own request was served"),
    )
    if not all(c.worked for c in controls):
        return Seen(controls, len(FURTHER), (), (), NOT_REACHED)
    mark = amf.mark()
    original = ue.session_request(2)
    served = amf.served(ue, 2, within=amf.timers.answer_s, since=mark)
    took = served.at - original.event.at if served else 0.0
    controls += (Control("the original was served", served is not None, told(served), took),)
    if served is None:
        return Seen(controls, len(FURTHER), (), (), NOT_REACHED)
    replays, calm, sent = [], [], 0
    amf.stimulus()
    for further in FURTHER:
        mark = amf.mark()
        for _ in range(further - sent):
            for filler in (ue, twin):
                filler.send("5GMM STATUS", {"mm_cause": b"\x6f"})
        sent = further
        ue.replay(original)
        what = f"the replay after {further} further messages"
        watches = amf.watch(what, amf.timers.after_replay_s, ue, twin, since=mark)
        replays.append(watches[0])
        calm.append(watches[1])
    return Seen(controls, len(FURTHER), tuple(replays), tuple(calm), amf.alive(ue, twin))
