"""TC_VALIDTATION_SNSSAI_IN_PDU_REQUEST: a session request for a slice that is not allowed goes back."""

from dataclasses import dataclass

from assay.case import Control, Event, Observation, Watch, case, in_turn, named, told, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import SM_CONTEXTS, AmfBench, Snssai, Ue, slice_name

CASE = "TC_VALIDTATION_SNSSAI_IN_PDU_REQUEST"
BACK = "DL NAS TRANSPORT"
PAYLOAD_WAS_NOT_FORWARDED = 90


@dataclass(frozen=True)
class Run:
    """A PDU session request for a slice, and everything of its UE from then on."""

    slice: str
    session: int
    watch: Watch


@dataclass(frozen=True)
class Seen(Observation):
    """Requests for slices that are allowed (A) or not (B, C), and the controls around them."""

    before: tuple[Control, ...]
    runs: tuple[Run, ...]
    wanted: int
    after: tuple[Control, ...]


def forwarded(run: Run) -> list[Event]:
    """The requests to the SMF that are not plainly for another session than that of a run."""

    def other(post: Event) -> bool:
        session = post.facts.get("pduSessionId")
        return type(session) is int and session != run.session

    return [e for e in named(run.watch.events, SM_CONTEXTS) if not other(e)]


def of(post: Event) -> str:
    """The slice in a request to the SMF, "" where it says none."""
    named_ = post.facts.get("sNssai")
    return slice_name(named_) if isinstance(named_, dict) else ""


def returned(run: Run) -> list[Event]:
    """What came to the UE for the session of a run, and is believed."""
    return [
        e
        for e in named(run.watch.events, BACK)
        if e.facts.get("pdu_session_id") == run.session and e.facts.get("mac_ok") is True
    ]


def payloads(run: Run) -> set[str]:
    """The 5GSM messages that the UE sent for the session of a run."""
    mine = [e for e in run.watch.events if not e.received and e.facts.get("pdu_session_id") == run.session]
    return {str(e.facts.get("payload_container")) for e in mine}


def judge_allowed(seen: Seen) -> Verdict:
    """Variant A: the request reaches the SMF with the slice that the UE named."""
    if doubt := unsound(seen.before):
        return doubt
    if len(seen.runs) != seen.wanted:
        return inconclusive("the request was not sent")
    run = seen.runs[0]
    for post in forwarded(run):
        if (other := of(post)) != run.slice:
            return failed(f"a request for slice {run.slice} went to the SMF with slice {other}", post.ref)
    if posts := forwarded(run):
        return unsound([*seen.before, *seen.after]) or passed(
            f"a request for slice {run.slice}, allowed after NSSAA, reached the SMF", posts[0].ref
        )
    if doubt := unsound([*seen.before, *seen.after], [run.watch]):
        return doubt
    for event in returned(run):
        if event.facts.get("cause") not in (None, PAYLOAD_WAS_NOT_FORWARDED):
            return inconclusive(f"the product has a reason beside the slice: {told(event)}", event.ref)
    end = told(next(iter(returned(run)), None))
    refs = [e.ref for e in run.watch.events if not e.received]
    return failed(f"a request for slice {run.slice}, which is allowed, brought {end}", *refs[:1])


def judge_refused(seen: Seen) -> Verdict:
    """Variants B and C: nothing reaches the SMF, and the UE gets its message back with a cause."""
    if doubt := unsound(seen.before):
        return doubt
    for run in seen.runs:
        for post in forwarded(run):
            said = f"{run.watch.what}: the request went to the SMF with slice {of(post)}"
            return failed(said, post.ref)
    if doubt := unsound([*seen.before, *seen.after], [run.watch for run in seen.runs]):
        return doubt
    if len(seen.runs) != seen.wanted:
        return inconclusive(f"only {len(seen.runs)} of {seen.wanted} requests were sent")
    refs, causes = [], []
    for run in seen.runs:
        back = returned(run)
        whole = [e for e in back if "cause" in e.facts and e.facts.get("payload_container") in payloads(run)]
        if not whole:
            how = f"came back altered or without a cause ({told(back[0])})" if back else "was not returned"
            sent = [e.ref for e in run.watch.events if not e.received and "s_nssai" in e.facts]
            return failed(f"{run.watch.what}: the 5GSM message {how}", *[e.ref for e in back[:1]], *sent[:1])
        refs.append(whole[0].ref)
        causes.append(f"#{whole[0].facts['cause']}")
    return passed(f"not forwarded, and returned to the UE with cause {' and '.join(causes)}", *refs)


# --- the probes -------------------------------------------------------------------------------------------


def reaches_smf(amf: AmfBench, ue: Ue, session: int, s_nssai: Snssai, what: str) -> Control:
    """Control: a PDU session request for this slice is seen at the SMF."""
    mark, name = amf.mark(), slice_name(s_nssai)
    sent = ue.session_request(session, s_nssai=s_nssai).event
    amf.wait(ue, SM_CONTEXTS, within=amf.timers.answer_s, since=mark)
    posts = [e for e in named(amf.since(ue, mark), SM_CONTEXTS) if of(e) == name]
    took = round(posts[0].at - sent.at, 3) if posts else 0.0
    saw = f"{'a' if posts else 'no'} request with slice {name} was seen at the SMF"
    return Control(what, bool(posts), saw, took, tuple(e.ref for e in posts))


def needing(amf: AmfBench) -> Snssai:
    """The slice that needs NSSAA; where the lab has none, the controls say so."""
    return amf.slices.nssaa or amf.slices.foreign


def plays_smf(amf: AmfBench) -> Control:
    """Control: requests to the SMF come to the bench."""
    played = amf.plays("smf")
    return Control("the SMF is the bench's", played, "it is" if played else "the bench plays no SMF")


def request(amf: AmfBench, ue: Ue, session: int, s_nssai: Snssai, what: str, *until: str) -> Run:
    """Send a request for a slice, wait for the first of these events, and watch."""
    mark = amf.mark()
    ue.session_request(session, s_nssai=s_nssai)
    amf.wait(ue, *until, within=amf.timers.answer_s, since=mark)
    (watch,) = amf.watch(what, amf.timers.watch_s, ue, since=mark)
    return Run(slice_name(s_nssai), session, watch)


@case(CASE, judge_allowed, "A")
def test_slice_allowed_after_nssaa(amf: AmfBench) -> Seen:
    ue, s1, s2 = amf.ue(), amf.slices.usual[0], needing(amf)
    before = in_turn(
        lambda: plays_smf(amf),
        lambda: amf.authenticates_slice(ue, "NSSAA ended in success"),
        lambda: reaches_smf(amf, ue, 1, s1, "a session on the slice without NSSAA"),
    )
    if not all(c.worked for c in before):
        return Seen(before, (), 1, ())
    amf.stimulus()
    run = request(amf, ue, 2, s2, "a request for the slice that NSSAA allowed", SM_CONTEXTS, BACK)
    return Seen(before, (run,), 1, (amf.alive(ue),))


@case(CASE, judge_refused, "B")
def test_slice_refused_by_nssaa(amf: AmfBench) -> Seen:
    twin, ue, s2 = amf.ue(), amf.ue(), needing(amf)
    before = in_turn(
        lambda: plays_smf(amf),
        lambda: amf.authenticates_slice(twin, "NSSAA of a twin ended in success"),
        lambda: reaches_smf(amf, twin, 2, s2, "the same request of the twin"),
        lambda: amf.authenticates_slice(ue, "NSSAA ended in failure", "failure"),
    )
    if not all(c.worked for c in before):
        return Seen(before, (), 1, ())
    amf.stimulus()
    run = request(amf, ue, 2, s2, "a request for a slice whose NSSAA failed", BACK, SM_CONTEXTS)
    return Seen(before, (run,), 1, (amf.alive(ue, twin),))


@case(CASE, judge_refused, "C")
def test_slice_foreign_or_pending(amf: AmfBench) -> Seen:
    ue, held, s1, s2 = amf.ue(), amf.ue(), amf.slices.usual[0], needing(amf)
    before = in_turn(
        lambda: plays_smf(amf),
        lambda: amf.authenticates_slice(ue, "NSSAA ended in success"),
        lambda: reaches_smf(amf, ue, 1, s1, "a session on the slice without NSSAA"),
        lambda: amf.authenticates_slice(held, "NSSAA was begun and is held by the UE", "held"),
        lambda: reaches_smf(amf, held, 1, s1, "a session of that UE on the slice without NSSAA"),
    )
    if not all(c.worked for c in before):
        return Seen(before, (), 2, ())
    amf.stimulus()
    pending = request(amf, held, 2, s2, "a request for a slice whose NSSAA is pending", BACK, SM_CONTEXTS)
    mark = amf.mark()
    held.held.clear()
    held.complete_slice_authentication()
    after = in_turn(
        lambda: amf.allows(held, "NSSAA went on to success", since=mark),
        lambda: reaches_smf(amf, held, 3, s2, "a session on that slice then"),
    )
    if not all(c.worked for c in after):
        return Seen(before, (pending,), 2, after)
    foreign = request(amf, ue, 2, amf.slices.foreign, "a request for a slice nobody has", BACK, SM_CONTEXTS)
    return Seen(before, (foreign, pending), 2, (*after, amf.alive(ue, held)))
