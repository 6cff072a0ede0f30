"""TC_NAS_NULL_INT_AMF: an authenticated UE never gets NULL integrity."""

from dataclasses import dataclass
from typing import Literal

from assay.case import (
    Control,
    Event,
    Observation,
    Watch,
    case,
    genuine,
    named,
    told,
    unclear,
    unsound,
)
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AmfBench, Capability

OFFERS = (Capability(ia=0xF0), Capability(ia=0xE0))
ONLY_NULL = Capability(ia=0x80)
Kind = Literal["initial", "emergency"]
ANSWERS = {
    "emergency": ("REGISTRATION ACCEPT", "INITIAL CONTEXT SETUP REQUEST", "REGISTRATION REJECT"),
    "initial": ("REGISTRATION ACCEPT", "REGISTRATION REJECT"),
}


@dataclass(frozen=True)
class Run:
    """One registration: what was offered, and what came until the answer to SECURITY MODE COMPLETE."""

    offered_ia: int
    events: tuple[Event, ...]
    answer: Event | None


@dataclass(frozen=True)
class Seen(Observation):
    """Two registrations of a kind, and the control before them."""

    kind: str
    before: Control
    runs: tuple[Run, ...]


def judge_command(kind: str, offered_ia: int, command: Event) -> Verdict | None:
    """The FAIL of one SECURITY MODE COMMAND, or None."""
    chosen, header = command.facts.get("ia"), command.facts.get("header")
    if chosen == 0:
        offer = f"5G-IA 0x{offered_ia:02X}"
        return failed(f"an authenticated UE that offers {offer} got 5G-IA0 ({kind})", command.ref)
    if header != 3:
        return failed(f"SECURITY MODE COMMAND has security header type {header}, not 3", command.ref)
    if command.facts.get("mac_ok") is not True:
        said = f"SECURITY MODE COMMAND names 128-5G-IA{chosen}, but its MAC does not verify with it"
        return failed(said, command.ref)
    return None


def judge(seen: Seen) -> Verdict:
    """Authentication, then SECURITY MODE COMMAND with a real algorithm and a MAC that verifies."""
    if doubt := unsound([seen.before]):
        return doubt
    refs = []
    for run in seen.runs:
        commands = named(run.events, "SECURITY MODE COMMAND")
        challenged = named(run.events, "AUTHENTICATION REQUEST")
        if not commands or not challenged or challenged[0].at > commands[0].at:
            end = told(run.answer) if run.answer else "no SECURITY MODE COMMAND after an authentication"
            return inconclusive(f"the {seen.kind} registration was not authenticated: {end}")
        refs.append(commands[0].ref)
        for command in commands:
            if verdict := judge_command(seen.kind, run.offered_ia, command):
                return verdict
        if run.answer is None or run.answer.name == "REGISTRATION REJECT":
            return inconclusive(f"control failed: SECURITY MODE COMPLETE was answered by {told(run.answer)}")
        if odd := unclear(run.events):
            return odd
    if len(seen.runs) != len(OFFERS):
        return inconclusive("not every offer was run")
    return passed(f"{seen.kind} registration: real integrity with a valid MAC for both offers", *refs)


@dataclass(frozen=True)
class SeenOnlyNull(Observation):
    """One registration that offers 5G-IA0 alone."""

    before: Control
    watch: Watch
    after: Control


def judge_only_null(seen: SeenOnlyNull) -> Verdict:
    """REGISTRATION REJECT passes, anything that goes on fails, silence decides nothing here."""
    if doubt := unsound([seen.before]):
        return doubt
    for command in named(seen.watch.events, "SECURITY MODE COMMAND"):
        chosen = command.facts.get("ia")
        what = "5G-IA0" if chosen == 0 else f"5G-IA{chosen}, which was not offered,"
        return failed(f"SECURITY MODE COMMAND with {what} for a UE that offers 5G-IA0 only", command.ref)
    for accept in named(seen.watch.events, "REGISTRATION ACCEPT"):
        return failed("a UE that offers 5G-IA0 only was accepted", accept.ref)
    if doubt := unclear(seen.watch.events) or unsound([seen.after]):
        return doubt
    for reject in genuine(seen.watch.events, "REGISTRATION REJECT"):
        return passed(f"a UE that offers 5G-IA0 only got {told(reject)}", reject.ref)
    return inconclusive("no reject and no accept; TC_UE_SEC_CAP_HANDLING_AMF judges the missing reject")


@case("TC_NAS_NULL_INT_AMF", judge, "AB")
def test_null_integrity(amf: AmfBench, variant: str) -> Seen:
    ue = amf.ue()
    kind: Kind = "emergency" if variant == "A" else "initial"
    before = Control("none: the authentication within each run is the control", True, "")
    if variant == "A":
        ue.start()
        amf.outcome(ue)
        passed_ = named(amf.since(ue), "SECURITY MODE COMMAND")
        what = "the same subscriber passed an authentication (initial registration)"
        before = Control(what, bool(passed_), told(passed_[0] if passed_ else None))
    runs = []
    for offer in OFFERS if before.worked else ():
        ue.capability = offer
        ue.start(kind)
        amf.outcome(ue)
        events = amf.since(ue)
        answer = next(iter(genuine(events, *ANSWERS[kind])), None)
        runs.append(Run(offer.ia, events, answer))
    return Seen(kind, before, tuple(runs))


@case("TC_NAS_NULL_INT_AMF", judge_only_null, "C")
def test_only_null_integrity(amf: AmfBench) -> SeenOnlyNull:
    ue = amf.ue()
    before = amf.registers(ue, "the same subscriber registered with 5G-IA 0xF0")
    if not before.worked:
        return SeenOnlyNull(before, Watch("not sent", 0.0, ()), before)
    ue.capability = ONLY_NULL
    amf.stimulus()
    ue.start()
    watch = amf.until_outcome("a registration that offers 5G-IA0 only", ue)
    return SeenOnlyNull(before, watch, amf.registers(amf.ue(), "a fresh UE registered"))
