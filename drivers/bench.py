"""The lab around one AMF: a gNB, UEs, the peers it plays, and the conventions that hold for every case.

The conventions (a twin without the stimulus, serving whatever the AMF starts, the liveness exchange, quiet
before a verdict) are those of the catalogue of TS 33.512.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from assay.case import Control, Event, Watch, told
from assay.errors import LabError
from assay.evidence import Trace
from drivers.emulated.peers import Peers
from drivers.interfaces import (
    CONFIRMATION,
    SM_CONTEXTS,
    Capability,
    Concealment,
    Confirmation,
    Loss,
    Subscriber,
    Timers,
)
from drivers.n2 import LOST, Gnb
from drivers.sbi import Hold, Request, Response
from drivers.ue import Ue

ENDS = (
    "REGISTRATION ACCEPT",
    "REGISTRATION REJECT",
    "AUTHENTICATION REJECT",
    "UE CONTEXT RELEASE COMMAND",
)
LIVENESS_SESSION = 15  # a PDU session identity that no test case uses


class AmfBench:
    """What a probe of an AMF test case talks to; `drivers.interfaces.AmfBench` says what each verb means."""

    def __init__(
        self,
        trace: Trace,
        gnb: Gnb,
        peers: Peers | None,
        subscribers: Iterable[Subscriber],
        timers: Timers,
        *,
        dnn: str,
        concealment: Concealment,
        settings: Mapping[str, tuple[str, ...]],
        change: Callable[[str, str], str],
    ) -> None:
        self.trace, self.gnb, self.peers, self.timers = trace, gnb, peers, timers
        self._subscribers: Iterator[Subscriber] = iter(subscribers)
        self._dnn, self._concealment = dnn, concealment
        self._settings, self._change = settings, change
        self._labels = itertools.count(1)
        self._ues: list[Ue] = []
        self._changed: set[str] = set()
        self._stimulus: int | None = None
        self._service_lost: Loss | None = None
        self.keys: list[dict[str, Any]] = []

    # --- a variant's beginning and end, for the session --------------------------------------------------

    def begin(self) -> str:
        """Make the association stand before a probe; empty, or why it does not."""
        self._stimulus = self._service_lost = None
        self.keys = []
        return self._up()

    def end(self) -> Loss | None:
        """Deregister what is registered, put settings back; what service the stimulus took, if any."""
        lost = self._service_lost
        if self._stimulus is not None:
            event = next((e for e in self.trace.since(self._stimulus) if e.name == LOST), None)
            if event is not None:
                lost = Loss("the N2 association was lost", event.ref)
        if self.gnb.trouble:
            trouble, self.gnb.trouble = self.gnb.trouble, ""
            raise LabError(f"the bench's gNB broke: {trouble}")
        for ue in self._ues:
            self.keys += ue.keys
            if self.gnb.up and ue.context is not None and ue.amf_id is not None:
                ue.deregister()
        self._ues.clear()
        if self.gnb.up:
            self.trace.quiet(min(self.timers.quiet_s, 0.5), within=self.timers.answer_s)
        if self.peers is not None:
            self.peers.unscript()
        for name in sorted(self._changed):
            if problem := self._set(name, self._settings[name][0]):
                raise LabError(f"{name} could not be put back: {problem}")
        self._changed.clear()
        return lost

    # --- UEs, time and events ----------------------------------------------------------------------------

    def ue(self, capability: Capability = Capability(), *, own_ausf: bool = False) -> Ue:  # noqa: B008
        subscriber = next(self._subscribers, None)
        if subscriber is None:
            raise LabError("the profile's subscribers are used up: raise subscribers.count")
        label = f"ue{next(self._labels)}"
        if self.peers is not None:
            self.peers.labels[subscriber.supi] = label
        ue = Ue(self.gnb, subscriber, label, capability, dnn=self._dnn, concealment=self._concealment)
        ue.routing_indicator = "1" if own_ausf else "0"
        self._ues.append(ue)
        return ue

    def plays(self, *peers: str) -> bool:
        return self.peers is not None and all(self.peers.plays(p) for p in peers)

    def stimulus(self) -> None:
        self._stimulus = self.trace.mark()

    def mark(self) -> int:
        return self.trace.mark()

    def since(self, ue: Ue, mark: int | None = None) -> tuple[Event, ...]:
        return self.trace.since(ue.mark if mark is None else mark, ue.label)

    def wait(self, ue: Ue, *names: str, within: float, since: int | None = None) -> Event | None:
        mark = ue.mark if since is None else since
        event = self.trace.wait(
            lambda e: e.name == LOST or (e.ue == ue.label and e.name in names), mark=mark, within=within
        )
        return None if event is None or event.name == LOST else event

    def watch(self, what: str, seconds: float, *ues: Ue, since: int) -> tuple[Watch, ...]:
        began = self.trace.now
        seconds = max(seconds, min(3 * slowest(self.trace.since()), self.timers.answer_s))
        self.trace.wait(lambda e: e.name == LOST, mark=since, within=seconds if self.gnb.up else 0.0)
        lasted = round(min(self.trace.now - began, seconds), 3)
        return tuple(self._watched(what, lasted, since, ue) for ue in ues)

    def _watched(self, what: str, seconds: float, since: int, ue: Ue) -> Watch:
        """What belongs to a UE, and what could belong to any: what nobody can decode or attribute."""
        events = self.trace.since(since)
        whole = not any(e.name == LOST for e in events)
        mine = tuple(e for e in events if e.ue == ue.label or (not e.ue and e.name.startswith("UNDECODABLE")))
        return Watch(what, seconds, mine, whole and self.gnb.up)

    def outcome(self, ue: Ue) -> Event | None:
        return self.wait(ue, *ENDS, within=self.timers.outcome_s)

    def until_outcome(self, what: str, ue: Ue) -> Watch:
        began = self.trace.now
        self.wait(ue, "REGISTRATION ACCEPT", "REGISTRATION REJECT", within=self.timers.outcome_s)
        return self._watched(what, round(self.trace.now - began, 3), ue.mark, ue)

    def refusal(self, what: str, ue: Ue, refusals: tuple[str, ...], gave_up: tuple[str, ...]) -> Watch:
        self.wait(ue, "AUTHENTICATION RESPONSE", *ENDS, within=self.timers.answer_s)
        began = self.trace.now
        mark = self.trace.mark()
        if gave_up:
            self.wait(ue, *gave_up, *refusals, within=self.timers.sbi_wait_s)
            self.wait(ue, *refusals, within=self.timers.refusal_s)
        whole = self.timers.sbi_wait_s if gave_up else self.timers.refusal_s
        rest = began + whole - self.trace.now
        self.trace.wait(lambda e: e.name == LOST, mark=mark, within=rest if self.gnb.up else 0.0)
        return self._watched(what, round(self.trace.now - began, 3), ue.mark, ue)

    # --- controls ----------------------------------------------------------------------------------------

    def _control(self, what: str, ue: Ue, mark: int, worked: bool, saw: str) -> Control:
        events = self.trace.since(mark, ue.label)
        refs = tuple(dict.fromkeys(e.ref for e in events if e.received and e.ref))
        if not worked and self._stimulus is not None and self._service_lost is None:
            self._service_lost = Loss(f"service was lost ({saw})", refs[-1] if refs else "")
        return Control(what, worked, saw, round(slowest(events), 3), refs[-3:])

    def _up(self) -> str:
        return "" if self.gnb.up else self.gnb.connect(within=self.timers.answer_s)

    def connects(self, ue: Ue, what: str) -> Control:
        mark = self.trace.mark()
        if down := self._up():
            return self._control(what, ue, mark, False, down)
        ue.start()
        end = self.outcome(ue)
        if end is None or end.name != "REGISTRATION ACCEPT" or end.facts.get("mac_ok") is not True:
            return self._control(
                what, ue, mark, False, f"{ue.label}: {told(end)} instead of REGISTRATION ACCEPT"
            )
        calm = self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s + self.timers.quiet_s)
        events = self.trace.since(mark, ue.label)
        ended = next((e for e in events if e.name in ENDS[1:]), None)
        if ended is not None or not calm:
            return self._control(
                what, ue, mark, False, f"{ue.label}: {told(ended) if ended else 'no quiet on N1, N2'}"
            )
        return self._control(what, ue, mark, True, f"{ue.label} got REGISTRATION ACCEPT")

    def registers(self, ue: Ue, what: str) -> Control:
        mark = self.trace.mark()
        control = self.connects(ue, what)
        if not control.worked:
            return control
        here = self.trace.mark()
        if self._deregisters(ue) is None:
            return self._control(
                what, ue, mark, False, f"{ue.label} registered, but its deregistration got no answer"
            )
        self.wait(ue, "UE CONTEXT RELEASE COMMAND", within=self.timers.answer_s, since=here)
        ue.context = None
        return self._control(what, ue, mark, True, f"{ue.label} registered and deregistered")

    def completes(self, ue: Ue, what: str) -> Control:
        if any(e.name in ENDS for e in self.since(ue)) or not self.gnb.up:
            return self.connects(ue, f"{what} came too late; a new registration")
        mark = self.trace.mark()
        ue.complete_security_mode()
        end = self.wait(ue, *ENDS, within=self.timers.answer_s, since=mark)
        if end is None or end.name != "REGISTRATION ACCEPT":
            return self.connects(ue, f"{what} was answered by {told(end)}; a new registration")
        return self._control(what, ue, mark, True, f"{ue.label} got {told(end)}")

    def idles(self, ue: Ue, what: str) -> Control:
        mark = self.trace.mark()
        if ue.guti is None:
            return self._control(what, ue, mark, False, f"{ue.label} was given no 5G-GUTI")
        ue.release()
        end = self.wait(ue, "UE CONTEXT RELEASE COMMAND", within=self.timers.answer_s, since=mark)
        saw = f"{ue.label} was released to CM-IDLE" if end else f"{ue.label}: no UE CONTEXT RELEASE COMMAND"
        return self._control(what, ue, mark, end is not None, saw)

    def served(self, ue: Ue, session: int, *, within: float, since: int) -> Event | None:
        def match(e: Event) -> bool:
            if e.name == LOST:
                return True
            if e.ue != ue.label or not e.received:
                return False
            if self.plays("smf"):
                return e.name == SM_CONTEXTS and session_of(e) == session
            return (
                e.name == "DL NAS TRANSPORT"
                and e.facts.get("pdu_session_id") == session
                and e.facts.get("mac_ok") is True
                and "cause" not in e.facts
            )

        event = self.trace.wait(match, mark=since, within=within)
        return None if event is None or event.name == LOST else event

    def establishes(self, ue: Ue, session: int, what: str) -> Control:
        mark = self.trace.mark()
        ue.session_request(session)
        event = self.served(ue, session, within=self.timers.answer_s, since=mark)
        saw = f"the request of {ue.label} for PDU session {session} "
        saw += f"brought {event.name}" if event else f"was not served in {self.timers.answer_s:g} s"
        control = self._control(what, ue, mark, event is not None, saw)
        self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s)
        return control

    def alive(self, ue: Ue, twin: Ue | None = None) -> Control:
        control = self._serves(ue)
        if not control.worked and twin is not None and not self._serves(twin).worked:
            self._service_lost = None
            return replace(control, saw=f"{control.saw}; nor was its twin")
        return control

    def _serves(self, ue: Ue) -> Control:
        what = "the product served the same UE after the last step"
        if not (self.gnb.up and ue.context is not None and ue.amf_id is not None):
            return self.registers(self.ue(), "a fresh UE registered after the last step")
        if self.plays("smf"):
            return self.establishes(ue, LIVENESS_SESSION, what)
        mark = self.trace.mark()
        end = self._deregisters(ue)
        return self._control(what, ue, mark, end is not None, f"{ue.label}: {told(end)}")

    def _deregisters(self, ue: Ue) -> Event | None:
        mark = self.trace.mark()
        ue.deregister()
        return self.wait(
            ue, "DEREGISTRATION ACCEPT (UE ORIGINATING)", within=self.timers.answer_s, since=mark
        )

    # --- peers and settings ------------------------------------------------------------------------------

    def confirmation(self, ue: Ue, how: Confirmation) -> None:
        if self.peers is None or not self.plays("ausf"):
            raise LabError("the bench plays no AUSF in this profile")
        supi, peers = ue.subscriber.supi, self.peers
        peers.unscript(supi)
        if how == "normal":
            return

        def once(request: Request, normal: Callable[[], Response]) -> Response:
            peers.unscript(supi)
            answer = normal()
            return peers.failure(answer, with_key=how == "failure-with-key")

        def never(request: Request, normal: Callable[[], Response]) -> Hold:
            return Hold()

        peers.script(supi, CONFIRMATION, never if how == "never" else once)

    def settings(self, name: str) -> tuple[str, ...]:
        return self._settings.get(name, ())

    def configure(self, name: str, value: str) -> Control:
        what = f"{name} set to {value}"
        self._changed.add(name)
        problem = self._set(name, value) or self._up()
        return Control(what, not problem, problem or "the product's management acknowledged it")

    def _set(self, name: str, value: str) -> str:
        self.gnb.close()  # the product may have to start again for it
        return self._change(name, value)


def slowest(events: Sequence[Event]) -> float:
    """The longest time from the last thing sent for a UE to what the product sent next for it."""
    longest = 0.0
    asked: dict[str, float] = {}
    for event in events:
        if not event.received:
            asked[event.ue] = event.at
        elif event.ue in asked:
            longest = max(longest, event.at - asked.pop(event.ue))
    return longest


def session_of(event: Event) -> int | None:
    """The PDU session identity in a request to the SMF."""
    body = event.facts.get("body")
    return body.get("pduSessionId") if isinstance(body, dict) else None
