"""TC_UE_SEC_CAPS_AS_CONTEXT_SETUP: the UE's security capabilities reach the gNB unchanged."""

from dataclasses import dataclass

from assay.case import Control, Event, Observation, case, named, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AmfBench, Capability

PAIRS = ((0xF0, 0xF0), (0xE0, 0xE0), (0xF0, 0xE0), (0xE0, 0xF0))
UNLIKE = {0xF0: 0xE0, 0xE0: 0xF0}
OFFERS = tuple(
    Capability(ea, ia, eps and UNLIKE[ea], eps and UNLIKE[ia]) for ea, ia in PAIRS for eps in (None, True)
)


@dataclass(frozen=True)
class Run:
    """One registration, and the INITIAL CONTEXT SETUP REQUEST that it or a service request brought."""

    offered: Capability
    registered: Control
    setups: tuple[Event, ...]


@dataclass(frozen=True)
class Seen(Observation):
    """One run an offer, and the liveness exchange of the last UE."""

    runs: tuple[Run, ...]
    alive: Control


def judge_setup(offer: Capability, setup: Event) -> Verdict | None:
    """The FAIL of one INITIAL CONTEXT SETUP REQUEST, or None."""
    got = setup.facts.get("security_capabilities")
    if not isinstance(got, dict):
        return failed("INITIAL CONTEXT SETUP REQUEST has no UE Security Capabilities", setup.ref)
    for name, value in offer.bitmaps.items():
        if got.get(name) != value:
            ours = " (our reading: the source names the 5G bitmaps only)" if name in ("eea", "eia") else ""
            said = (
                f"{name.upper()} bitmap is 0x{got.get(name, 0):04X}, the UE's octets give 0x{value:04X}{ours}"
            )
            return failed(said, setup.ref)
    return None


def judge(seen: Seen) -> Verdict:
    """Every bitmap equals the UE's own octets, shifted by one."""
    refs = []
    for run in seen.runs:
        for setup in run.setups:
            if fault := judge_setup(run.offered, setup):
                return fault
            refs.append(setup.ref)
    if doubt := unsound([*(run.registered for run in seen.runs), seen.alive]):
        return doubt
    missing = sum(not run.setups for run in seen.runs)
    if missing or len(seen.runs) != len(OFFERS):
        return inconclusive(
            f"{missing or 'some'} of {len(OFFERS)} runs brought no INITIAL CONTEXT SETUP REQUEST"
        )
    return passed(f"the bitmaps equal the UE's octets in all {len(seen.runs)} runs", *refs)


@case("TC_UE_SEC_CAPS_AS_CONTEXT_SETUP", judge, "A")
def test_capabilities_in_context_setup(amf: AmfBench) -> Seen:
    runs = []
    for offer in OFFERS:
        ue = amf.ue(offer)
        registered = amf.connects(ue, "a registration")
        setups = named(amf.since(ue), "INITIAL CONTEXT SETUP REQUEST")
        if registered.worked and not setups:
            amf.establishes(ue, 1, "a PDU session")
            if amf.idles(ue, "release").worked:
                ue.service_request(1)
                amf.wait(ue, "INITIAL CONTEXT SETUP REQUEST", within=amf.timers.answer_s)
                setups = named(amf.since(ue), "INITIAL CONTEXT SETUP REQUEST")
        runs.append(Run(offer, registered, setups))
        if not registered.worked:
            break
    return Seen(tuple(runs), amf.alive(ue))
