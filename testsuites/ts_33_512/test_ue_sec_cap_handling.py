"""TC_UE_SEC_CAP_HANDLING_AMF: invalid or unacceptable UE security capabilities are refused."""

from dataclasses import dataclass

from assay.case import Control, Observation, Watch, case, genuine, named, told, unclear, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AmfBench, Capability

SETS = {
    "A": Capability(ea=0x00, ia=0xF0),
    "B": Capability(ea=0xF0, ia=0x00),
    "C": Capability(ea=0x10, ia=0xF0),
    "D": Capability(ea=0xF0, ia=0x10),
}


@dataclass(frozen=True)
class Seen(Observation):
    """One registration with a capability that must be refused, between two that must work."""

    offered: Capability
    before: Control
    watch: Watch
    after: Control


def judge(seen: Seen) -> Verdict:
    """REGISTRATION REJECT passes; accept fails, and so does neither while the valid offer works."""
    if doubt := unsound([seen.before]):
        return doubt
    offer = f"5G-EA 0x{seen.offered.ea:02X}, 5G-IA 0x{seen.offered.ia:02X}"
    chosen = "".join(
        f" (SECURITY MODE COMMAND named NEA{e.facts.get('ea')}/NIA{e.facts.get('ia')})"
        for e in named(seen.watch.events, "SECURITY MODE COMMAND")[:1]
    )
    for accept in named(seen.watch.events, "REGISTRATION ACCEPT"):
        return failed(f"a UE that offers {offer} was accepted{chosen}", accept.ref)
    for reject in genuine(seen.watch.events, "REGISTRATION REJECT"):
        doubt = unclear(seen.watch.events) or unsound([seen.before, seen.after])
        return doubt or passed(f"{offer} was answered by {told(reject)}{chosen}", reject.ref)
    if doubt := unsound([seen.before, seen.after], [seen.watch]):
        return doubt
    got = ", ".join(dict.fromkeys(e.name for e in seen.watch.events if e.received)) or "nothing"
    return failed(f"{offer} got neither reject nor accept in {seen.watch.seconds:.0f} s, but {got}{chosen}")


@dataclass(frozen=True)
class SeenValid(Observation):
    """Two registrations that every AMF must accept."""

    all_algorithms: Control
    without_zuc: Control
    alive: Control


def judge_valid(seen: SeenValid) -> Verdict:
    """The control of the other variants: it passes, or nothing can be said."""
    for control in (seen.all_algorithms, seen.without_zuc, seen.alive):
        if not control.worked:
            return inconclusive(f"A to D prove nothing: {control.what}: {control.saw}", *control.refs)
    return passed("valid capabilities are accepted, with and without the ZUC algorithms", *seen.alive.refs)


@case("TC_UE_SEC_CAP_HANDLING_AMF", judge, "ABCD")
def test_invalid_capabilities(amf: AmfBench, variant: str) -> Seen:
    ue = amf.ue()
    before = amf.registers(ue, "the same subscriber registered with 0xF0/0xF0")
    if not before.worked:
        return Seen(SETS[variant], before, Watch("not sent", 0.0, ()), before)
    ue.capability = SETS[variant]
    amf.stimulus()
    ue.start()
    watch = amf.until_outcome("a registration with the invalid capability", ue)
    ue.capability = Capability()
    return Seen(SETS[variant], before, watch, amf.registers(ue, "the same subscriber registered again"))


@case("TC_UE_SEC_CAP_HANDLING_AMF", judge_valid, "E")
def test_valid_capabilities(amf: AmfBench) -> SeenValid:
    ue = amf.ue()
    first = amf.registers(ue, "a UE registered with 0xF0/0xF0")
    ue.capability = Capability(ea=0xE0, ia=0xE0)
    second = amf.connects(ue, "the UE registered with 0xE0/0xE0")
    return SeenValid(first, second, amf.alive(ue))
