"""TC_BIDDING_DOWN_XN_AMF: a gNB cannot make the AMF believe in smaller UE security capabilities."""

from dataclasses import dataclass

from assay.case import Control, Event, Observation, Watch, case, in_turn, named, told, unclear, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AmfBench, Capability, Logged, Ue

ACKNOWLEDGE, FAILURE = "PATH SWITCH REQUEST ACKNOWLEDGE", "PATH SWITCH REQUEST FAILURE"
SETUP = "INITIAL CONTEXT SETUP REQUEST"
SESSION = 1
OFFER = Capability(0xF0, 0xF0, 0xF0, 0xF0)  # with EPS octets, so that all four bitmaps say something
REDUCED = Capability(0x40, 0x40, 0xF0, 0xF0)  # NEA1 and NIA1 alone: 0x8000
NOTHING = Capability(0, 0, 0, 0)


@dataclass(frozen=True)
class Seen(Observation):
    """A UE that is moved with the right capabilities and with wrong ones, and what the log had of it."""

    offered: Capability
    before: tuple[Control, ...]
    right: tuple[Watch, ...]
    wrong: tuple[Watch, ...]
    awake: tuple[Control, ...]  # the log's reader
    logged: Logged | None  # of the wrong path switches in A, of the right ones in B
    setups: tuple[Event, ...]  # INITIAL CONTEXT SETUP REQUEST before the path switches
    later: tuple[Event, ...]  # and after them, in B
    after: tuple[Control, ...]


def differs(offered: Capability, event: Event) -> str:
    """How the bitmaps in a message differ from those of the UE; empty where they do not."""
    got = event.facts.get("security_capabilities")
    if not isinstance(got, dict):
        return "no UE Security Capabilities"
    wrong = {name: value for name, value in offered.bitmaps.items() if got.get(name) != value}
    return ", ".join(f"{n.upper()} 0x{got.get(n, 0):04X} instead of 0x{v:04X}" for n, v in wrong.items())


def answer(watch: Watch) -> Event | None:
    """The AMF's answer to a path switch."""
    return next(iter(named(watch.events, ACKNOWLEDGE, FAILURE)), None)


def acknowledged(watches: tuple[Watch, ...]) -> bool:
    """Whether both path switches were acknowledged."""
    return [got.name for got in map(answer, watches) if got is not None] == [ACKNOWLEDGE] * 2


def basis(seen: Seen) -> Verdict | None:
    """INCONCLUSIVE where the path switches with the right capabilities did not work."""
    if doubt := unsound(seen.before):
        return doubt
    for watch in (*seen.right, *seen.wrong):
        if odd := unclear(watch.events):
            return odd
    if not acknowledged(seen.right):
        saw = ", ".join(told(answer(watch)) for watch in seen.right) or "none was sent"
        return inconclusive(f"path switches with the right capabilities were answered by: {saw}")
    return None


def unreadable(seen: Seen) -> Verdict | None:
    """INCONCLUSIVE where the log proves nothing, or where its records cannot be told apart."""
    if doubt := unsound(seen.awake):
        return doubt
    logged = seen.logged
    if logged is None or logged.doubt:
        return inconclusive(f"the log proves nothing: {logged.doubt if logged else 'it was not read'}")
    refs = [match.ref for match in logged.matches]
    if logged.earlier:
        return inconclusive(f"{logged.earlier} records of a mismatch came before {logged.what}", *refs)
    if not logged.alone and any(match.names is None for match in logged.matches):
        return inconclusive("records that name no UE may be of a variant that ran beside", *refs)
    if logged.matches and all(match.older for match in logged.matches):
        return inconclusive(f"what the log has of a mismatch is older than {logged.what}", *refs)
    return None


def judge(seen: Seen) -> Verdict:
    """Each acknowledge carries the UE's own capabilities, and the log has a record of the mismatch."""
    if doubt := basis(seen):
        return doubt
    answers = [(watch, answer(watch)) for watch in seen.wrong]
    for watch, got in answers:
        if got is not None and got.name == ACKNOWLEDGE and (fault := differs(seen.offered, got)):
            return failed(f"{watch.what}: the acknowledge has {fault}", got.ref)
    for watch, got in answers:
        if got is None:
            right = (Control(one.what, True, "", one.seconds) for one in seen.right)
            doubt = unsound([*seen.before, *right, *seen.after], [watch])
            return doubt or failed(f"{watch.what} was not answered in {watch.seconds:.0f} s")
        if got.name == FAILURE:
            return unsound(seen.after) or failed(f"{watch.what} was answered by {told(got)}", got.ref)
    if doubt := unsound(seen.after) or unreadable(seen):
        return doubt
    refs = [got.ref for _, got in answers if got is not None]
    if seen.logged is None or len(refs) != 2:
        return inconclusive("the path switches were not done")
    if not seen.logged.matches and seen.logged.others:
        return inconclusive(
            f"{seen.logged.others} records of a mismatch name another UE, none names this one"
        )
    if not seen.logged.matches and not seen.logged.alone:
        return inconclusive("no record of the mismatch, while other variants filled the log as well")
    if not seen.logged.matches:
        had = f"{seen.logged.records} records of the time, none of the mismatch"
        return failed(f"the log had {had}, in {seen.logged.seconds:.1f} s", *refs)
    refs += [match.ref for match in seen.logged.matches[:2]]
    return passed("both acknowledges carry the UE's own capabilities, and the log has the mismatch", *refs)


def judge_lasting(seen: Seen) -> Verdict:
    """Right capabilities leave no record of a mismatch, and wrong ones do not last."""
    if doubt := basis(seen):
        return doubt
    for got in filter(None, map(answer, seen.right)):
        if "security_capabilities" in got.facts and (fault := differs(seen.offered, got)):
            return failed(f"capabilities that were reported rightly were answered by {fault}", got.ref)
    already = {differs(seen.offered, setup) for setup in seen.setups}
    for setup in seen.later:
        if fault := differs(seen.offered, setup):
            if fault in already:
                return inconclusive(f"{SETUP} had {fault} before the path switches already", setup.ref)
            return failed(f"{SETUP} after the path switches has {fault}", setup.ref)
    if doubt := unreadable(seen):
        return doubt
    if seen.logged is not None and seen.logged.matches:
        records = [match.ref for match in seen.logged.matches]
        return failed("the log has a mismatch where the right capabilities were reported", *records)
    if doubt := unsound(seen.after):
        return doubt
    if not (acknowledged(seen.wrong) and seen.later):
        return inconclusive(f"no {SETUP} after path switches with wrong capabilities")
    refs = [setup.ref for setup in seen.later]
    return passed("right capabilities left no record of a mismatch, and wrong ones did not last", *refs)


def moves(amf: AmfBench, ue: Ue, *reports: tuple[str, Capability]) -> tuple[Watch, ...]:
    """Path switches one after the other, from gNB to gNB."""
    return tuple(
        amf.path_switch(ue, SESSION, f"a path switch {what}", reported) for what, reported in reports
    )


def prepared(amf: AmfBench, ue: Ue) -> tuple[Control, ...]:
    """A UE with a PDU session that can be moved."""
    return in_turn(
        lambda: amf.connects(ue, "a registration"),
        lambda: amf.activates(ue, SESSION, "a PDU session with an active user plane"),
    )


RIGHT = (("with the right capabilities, out", OFFER), ("with the right capabilities, back", OFFER))
WRONG = (("with NEA1 and NIA1 alone", REDUCED), ("with no algorithm at all", NOTHING))


@case("TC_BIDDING_DOWN_XN_AMF", judge, "A")
def test_capabilities_in_path_switch(amf: AmfBench) -> Seen:
    ue = amf.ue(OFFER)
    before = prepared(amf, ue)
    right = moves(amf, ue, *RIGHT) if before[-1].worked else ()
    if not acknowledged(right):
        return Seen(OFFER, before, right, (), (), None, (), (), ())
    mark = amf.mark_log()
    amf.stimulus()
    wrong = moves(amf, ue, *WRONG)
    after = amf.alive(ue)
    awake = amf.logs("a registration that the log shows")
    logged = amf.logged("capability_mismatch", ue, "the path switches with wrong capabilities", mark)
    return Seen(OFFER, before, right, wrong, (awake,), logged, (), (), (after,))


@case("TC_BIDDING_DOWN_XN_AMF", judge_lasting, "B")
def test_capabilities_after_path_switch(amf: AmfBench) -> Seen:
    ue = amf.ue(OFFER)
    before = prepared(amf, ue)
    setups, mark = named(amf.since(ue), SETUP), amf.mark_log()
    right = moves(amf, ue, *RIGHT) if before[-1].worked else ()
    if not acknowledged(right):
        return Seen(OFFER, before, right, (), (), None, setups, (), ())
    awake = amf.logs("a registration that the log shows")
    logged = amf.logged("capability_mismatch", ue, "the path switches with the right capabilities", mark)
    amf.stimulus()
    wrong = moves(amf, ue, *WRONG)
    here = amf.mark()
    idle = amf.idles(ue, "the release after the path switches")
    if idle.worked:
        ue.service_request()
        amf.wait(ue, SETUP, "SERVICE REJECT", within=amf.timers.answer_s)
    later = named(amf.since(ue, here), SETUP)
    return Seen(OFFER, before, right, wrong, (awake,), logged, setups, later, (idle, amf.alive(ue)))
