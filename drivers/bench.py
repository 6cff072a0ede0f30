"""The lab around one AMF: a gNB, UEs, the peers it plays, and the conventions that hold for every case.

The conventions (a twin without the stimulus, serving whatever the AMF starts, the liveness exchange, quiet
before a verdict) are those of the catalogue of TS 33.512.
"""

import itertools
import re
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial
from typing import Any, Literal

from assay.case import Control, Event, Watch, genuine, named, told
from assay.errors import LabError, UnrestoredError, UnseenError
from assay.evidence import Trace
from drivers import nssaa, transfer
from drivers.codecs import nas
from drivers.codecs.cp_ciot import READINGS
from drivers.emulated.consumer import Consumer
from drivers.emulated.peers import Change, Peers, unscripted
from drivers.emulated.slice_authority import SliceAuthority
from drivers.emulated.smf import FAILURES
from drivers.interfaces import (
    AUTHENTICATION,
    CIOT,
    CONFIRMATION,
    CREATE_UE_CONTEXT,
    SLICE_AUTHENTICATION,
    SLICE_CONFIRMATION,
    SM_CONTEXTS,
    TRANSFER,
    Capability,
    Concealment,
    Confirmation,
    Logged,
    LogKind,
    LogMark,
    Loss,
    Relocation,
    Reply,
    Resynchronisation,
    SliceResult,
    Slices,
    Snssai,
    Subscriber,
    Timers,
    slice_name,
)
from drivers.log import LogReader, spelled
from drivers.n2 import LOST, Gnb
from drivers.relocation import Relocation as NgEnbRelocation
from drivers.sbi import Hold, Later, Outcome, Request
from drivers.ue import Context, Ue

ENDS = (
    "REGISTRATION ACCEPT",
    "REGISTRATION REJECT",
    "AUTHENTICATION REJECT",
    "UE CONTEXT RELEASE COMMAND",
)
CROSS = (
    "cross the bench: declare the function in core, have the product ask it through peers.scp, "
    "and declare subscribers.suci.private_key where SUCIs are concealed"
)
BACK = ("SERVICE ACCEPT", "UE CONTEXT RESUME RESPONSE")
ALONE = "0"  # the lane of a variant that nothing runs beside
DEREGISTERED = "DEREGISTRATION ACCEPT (UE ORIGINATING)"
TOLD = ("allowed_nssai", "rejected_nssai", "extended_rejected_nssai")
SETTLE_S = 0.5  # between two tries whether a product serves
LIVENESS_SESSION = 15  # a PDU session identity that no test case uses
FIRST_SESSION, SECOND_SESSION = 1, 3  # of a CIoT UE
CP_CIOT = 0x10  # in the second octet of the 5GS network feature support, TS 24.501 clause 9.11.3.5


class AmfBench:
    """What a probe of an AMF test case talks to; `drivers.interfaces.AmfBench` says what each verb means."""

    kind: Literal["amf"] = "amf"

    def __init__(
        self,
        lane: str,
        trace: Trace,
        gnb: Gnb,
        target: Gnb,
        peers: Peers | None,
        consumer: Consumer | None,
        subscribers: Iterator[Subscriber],
        timers: Timers,
        *,
        slices: Slices,
        dnn: str,
        concealment: Concealment,
        nb_iot_tac: int,
        settings: Mapping[str, tuple[str, ...]],
        in_force: Mapping[str, str],
        change: Callable[[str, str], str],
        read: Callable[[str], str],
        exits: Callable[[], int],
        log: LogReader | None = None,
        settle_s: float = 0.0,
    ) -> None:
        self._settle_s = settle_s  # how long a product that has just come up may take until it serves
        self.lane, self.trace, self.gnb, self.peers, self.timers = lane, trace, gnb, peers, timers
        self.target, self.consumer, self.log, self.slices = target, consumer, log, slices
        self.ng_enbs = (gnb.ng_enb(nb_iot_tac), target.ng_enb(nb_iot_tac))
        self._subscribers = subscribers  # the lanes take theirs from one heap
        self._dnn, self._concealment = dnn, concealment
        self._settings, self._change, self._read = settings, change, read
        self._exits, self._exits_before = exits, 0  # how often the product has ended by itself
        # a setting that can be changed is in force with its first value
        self._in_force = {**in_force, **{name: values[0] for name, values in settings.items()}}
        self._labels = itertools.count(1)
        self._ues: list[Ue] = []
        self._authority = SliceAuthority(peers, consumer, slices) if peers is not None else None
        self._changed: dict[str, str] = {}  # settings, as the product told them before
        self._stimulus: int | None = None
        self._service_lost: Loss | None = None
        self._interfaces: Collection[str] = ()
        self._lent = ""  # routing indicator of an AUSF that this lane has for itself
        self.keys: list[dict[str, Any]] = []

    # --- a variant's beginning and end, for the session --------------------------------------------------

    def fresh(self, interfaces: Collection[str] = ()) -> None:
        """Forget what was before: a new variant begins, which looks at these reference points."""
        self.trace.begin()
        if self.log is not None:
            self.log.begin()
        self._interfaces = interfaces
        self._labels = itertools.count(1)

    def begin(self) -> str:
        """Make the association stand before a probe; empty, or why it does not."""
        self._stimulus = self._service_lost = None
        self.keys = []
        return self._ready()

    def end(self) -> Loss | None:
        """Deregister what is registered, put settings back; what service the stimulus took, if any."""
        lost = self._service_lost
        if self._stimulus is not None:
            event = next((e for e in self.trace.since(self._stimulus) if e.name == LOST), None)
            if event is not None:
                lost = Loss("the N2 association was lost", event.ref, wide=True)
        for gnb in (self.gnb, self.target, *self.ng_enbs):
            if gnb.trouble:
                trouble, gnb.trouble = gnb.trouble, ""
                raise LabError(f"the bench's gNB broke: {trouble}")
        mark, leaving = self.trace.mark(), []
        for ue in self._ues:
            self.keys += ue.keys
            if ue.gnb.up and ue.context is not None and ue.amf_id is not None:
                ue.deregister()
                leaving.append(ue)
            if self.peers is not None:
                self.peers.unscript(ue.subscriber.supi)
        if self._lent and self.peers is not None:
            self.peers.give_back(self._lent)
        self._lent = ""
        until = self.trace.now + self.timers.answer_s
        for ue in leaving:  # an answer that came later would be another variant's
            left = max(until - self.trace.now, 0.0)
            self.wait(ue, DEREGISTERED, "UE CONTEXT RELEASE COMMAND", within=left, since=mark)
        for ue in self._ues:  # what comes for them from now on is nothing of the next variant's
            ue.label = f"{ue.label}, earlier"
            if self.peers is not None:
                self.peers.labels[ue.subscriber.supi] = f"{self.lane}:{ue.label}"
        self._ues.clear()
        if self.gnb.up:
            self.trace.quiet(min(self.timers.quiet_s, 0.5), within=self.timers.answer_s)
        if lost is None and self._stimulus is not None and self._exits() > self._exits_before:
            lost = Loss("the product's process ended", "", wide=True)
        self.target.close()  # what dies of that did not die of the stimulus
        for node in self.ng_enbs:
            node.close()
        for name in sorted(self._changed):
            problem = self._set(name, self._settings[name][0])
            if not problem and (now := self._read(name)) != self._changed[name]:
                problem = f"it was {self._changed[name]!r} before and is {now!r} now"
            if problem:
                self._changed.clear()
                raise UnrestoredError(
                    f"the product is not as it was, {name} could not be put back: {problem}"
                )
        self._changed.clear()
        return lost

    # --- UEs, time and events ----------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the product."""
        for gnb in (self.gnb, self.target, *self.ng_enbs):
            gnb.close()
        if self.consumer is not None:
            self.consumer.close()

    def ue(self, capability: Capability = Capability(), *, own_ausf: bool = False) -> Ue:  # noqa: B008
        return self._ue(self.gnb, capability, own_ausf=own_ausf)

    def _ue(self, gnb: Gnb, capability: Capability, *, own_ausf: bool = False, label: str = "") -> Ue:
        subscriber = next(self._subscribers, None)
        if subscriber is None:
            raise LabError("the profile's subscribers are used up: raise subscribers.count")
        label = label or f"ue{next(self._labels)}"
        if self.peers is not None:
            self.peers.labels[subscriber.supi] = f"{self.lane}:{label}"
        ue = Ue(gnb, subscriber, label, capability, dnn=self._dnn, concealment=self._concealment)
        ue.slices = self.slices.usual
        if own_ausf and self.peers is not None:
            self._lent = self._lent or self.peers.lend()
            ue.routing_indicator = self._lent
        self._ues.append(ue)
        return ue

    def plays(self, *peers: str) -> bool:
        return self.peers is not None and all(self.peers.plays(p) for p in peers)

    @property
    def _whole(self) -> bool:
        """Whether the product brings its own core, which it may reach without the bench."""
        return self.peers is not None and self.peers.whole

    def _passed_by(self, events: Sequence[Event]) -> str:
        """The reference point that the test case looks at, and that a registration did not show the bench."""
        if self.peers is None or not self._whole:
            return ""
        if "n12" in self._interfaces and not named(events, CONFIRMATION):
            return "N12"
        return "N8" if "n8" in self._interfaces and "udm" not in self.peers.asked else ""

    def stimulus(self) -> None:
        self._exits_before = self._exits()
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
        mine = tuple(
            replace(e, name=f"UNKNOWN SUBSCRIBER: {e.name}") if stray(e) else e
            for e in events
            if e.ue == ue.label or stray(e) or (not e.ue and e.name.startswith("UNDECODABLE"))
        )
        return Watch(what, seconds, mine, whole and self.gnb.up)

    def outcome(self, ue: Ue) -> Event | None:
        return self.wait(ue, *ENDS, within=self.timers.outcome_s)

    def until_outcome(self, what: str, ue: Ue) -> Watch:
        return self.until(
            what, ue, "REGISTRATION ACCEPT", "REGISTRATION REJECT", within=self.timers.outcome_s
        )

    def until(self, what: str, ue: Ue, *names: str, within: float, since: int | None = None) -> Watch:
        began, mark = self.trace.now, ue.mark if since is None else since
        self.wait(ue, *names, within=within, since=mark)
        return self._watched(what, round(self.trace.now - began, 3), mark, ue)

    def refusal(self, what: str, ue: Ue, refusals: tuple[str, ...], gave_up: tuple[str, ...]) -> Watch:
        self.wait(ue, "AUTHENTICATION RESPONSE", *ENDS, within=self.timers.answer_s)
        if self._whole and not gave_up:  # another's AUSF takes its time
            self.wait(ue, f"200 to {CONFIRMATION}", *refusals, within=self.timers.answer_s)
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
        control = self._seen(what, ue, mark, worked, saw)
        if not worked and self._stimulus is not None and self._service_lost is None:
            self._service_lost = Loss(f"service was lost ({saw})", control.refs[-1] if control.refs else "")
        return control

    def _seen(self, what: str, ue: Ue, mark: int, worked: bool, saw: str) -> Control:
        """A control that is not about service, which a stimulus could have taken."""
        events = self.trace.since(mark, ue.label)
        refs = tuple(dict.fromkeys(e.ref for e in events if e.received and e.ref))
        return Control(what, worked, saw, round(slowest(events), 3), refs[-3:])

    def _up(self) -> str:
        return "" if self.gnb.up else self.gnb.connect(within=self.timers.answer_s)

    def _ready(self) -> str:
        """Make the association stand, and where it is new wait until the product serves, or long enough."""
        anew = not self.gnb.up
        if (problem := self._up()) or not (anew and self._settle_s):
            return problem
        ue, until = self._ue(self.gnb, Capability(), label="before"), self.trace.now + self._settle_s
        while self.gnb.up and (left := until - self.trace.now) > 0:
            ue.start()
            end = self.wait(ue, *ENDS, within=min(left, self.timers.outcome_s))
            if end is not None and end.name == ENDS[0]:
                self._deregisters(ue)
                break
            self._pause(min(left, SETTLE_S))
        self._ues.remove(ue)
        return ""

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
        if passed := self._passed_by(events):
            # no service was lost, so this is nothing to put down to a stimulus
            return Control(what, False, f"{ue.label} got REGISTRATION ACCEPT, but {passed} did not {CROSS}")
        return self._control(what, ue, mark, True, f"{ue.label} got REGISTRATION ACCEPT")

    def commanded(self, ue: Ue, what: str) -> Control:
        mark = self.trace.mark()
        if down := self._up():
            return self._control(what, ue, mark, False, down)
        ue.start()
        event = self.wait(ue, "SECURITY MODE COMMAND", *ENDS, within=self.timers.outcome_s)
        worked = event is not None and event.facts.get("mac_ok") is True and event.name not in ENDS
        self.outcome(ue)
        return self._control(what, ue, mark, worked, f"{ue.label}: {told(event)}")

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
        if end is not None:  # until the UE is idle on this side, too
            self.wait(ue, "UE CONTEXT RELEASE COMPLETE", within=self.timers.answer_s, since=mark)
        saw = f"{ue.label} was released to CM-IDLE" if end else f"{ue.label}: no UE CONTEXT RELEASE COMMAND"
        return self._control(what, ue, mark, end is not None, saw)

    def returns(self, ue: Ue, what: str) -> Control:
        mark = self.trace.mark()
        ue.service_request()
        return self._accepted(ue, what, mark)

    def _accepted(self, ue: Ue, what: str, mark: int) -> Control:
        """Whether a UE that was idle is connected again."""
        ends = (*BACK, "SERVICE REJECT", "UE CONTEXT RESUME FAILURE")
        end = self.wait(ue, *ends, within=self.timers.answer_s, since=mark)
        good = end is not None and (end.name == BACK[1] or bool(genuine([end], BACK[0])))
        self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s)
        return self._control(what, ue, mark, good, f"{ue.label} got {told(end)}")

    def activates(self, ue: Ue, session: int, what: str) -> Control:
        mark = self.trace.mark()
        ue.session_request(session)
        made = self.wait(ue, f"201 to {SM_CONTEXTS}", within=self.timers.answer_s, since=mark)
        if made is None:
            return self._control(what, ue, mark, False, f"{ue.label}: no SM context was asked for")

        def up() -> Event | None:
            return self.trace.wait(
                lambda e: e.ue == ue.label and session in e.facts.get("sessions", ()),
                mark=mark,
                within=self.timers.answer_s,
            )

        said, event = "", up() if self._whole else None  # the SMF of a core may do it by itself
        if event is None:
            n1 = transfer.establishment_accept(session, self.gnb.cell.slices[0], self._dnn)
            said = self._transfer(ue, session, n1)
            event = None if said else up()
        self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s)
        return self._control(what, ue, mark, event is not None, said or f"{ue.label} got {told(event)}")

    def pages(self, ue: Ue, session: int, what: str) -> Control:
        # for the product the UE may be connected a moment longer than for its gNB, and then is not paged
        self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s)
        mark = self.trace.mark()
        said = self._transfer(ue, session)
        paged = None if said else self.wait(ue, "PAGING", within=self.timers.answer_s, since=mark)
        if paged is None:
            return self._control(what, ue, mark, False, said or f"no PAGING named {ue.label}")
        return self._accepted(ue, what, mark)

    def _transfer(self, ue: Ue, session: int, n1: bytes = b"") -> str:
        """As SMF want the user plane of a PDU session; empty, or why the AMF does not see to it."""
        if self.consumer is None or self.peers is None or not self.plays("smf"):
            return "the bench cannot be the SMF: the profile declares no sbi of the product, or no peer smf"
        supi = ue.subscriber.supi
        here = self.peers.uri("scp" if self.peers.whole else "smf")
        failure_uri = here + FAILURES.replace("{supi}", supi)
        content, parts = transfer.set_up(session, self.gnb.cell.slices[0], failure_uri, n1)
        path = TRANSFER.partition(" ")[2].replace("{ueContextId}", supi)
        reply = self.consumer.ask("n11", TRANSFER, path, content, ue=ue.label, parts=parts)
        if isinstance(reply, Reply) and reply.status in (200, 202):
            return ""
        how = f"status {reply.status}" if isinstance(reply, Reply) else type(reply).__name__.lower()
        return f"N1N2MessageTransfer for {ue.label} was answered with {how}"

    def suspends(self, ue: Ue, what: str) -> Control:
        mark = self.trace.mark()
        ue.suspend()
        names = ("UE CONTEXT SUSPEND RESPONSE", "UE CONTEXT SUSPEND FAILURE", "UE CONTEXT RELEASE COMMAND")
        end = self.wait(ue, *names, within=self.timers.answer_s, since=mark)
        worked = end is not None and end.name == names[0]
        return self._control(what, ue, mark, worked, f"{ue.label} got {told(end)}")

    def renewal(self, ue: Ue, *, within: float, since: int) -> Event | None:
        event = self.trace.wait(
            lambda e: e.name == LOST or (e.ue == ue.label and e.received and "guti" in e.facts),
            mark=since,
            within=within,
        )
        return None if event is None or event.name == LOST else event

    def served(self, ue: Ue, session: int, *, within: float, since: int) -> Event | None:
        def match(e: Event) -> bool:
            if e.name == LOST:
                return True
            if e.ue != ue.label or not e.received:
                return False
            if e.name == SM_CONTEXTS:
                return session_of(e) == session
            if self.plays("smf") and not self._whole:
                return False
            return (
                e.name == "DL NAS TRANSPORT"
                and e.facts.get("pdu_session_id") == session
                and e.facts.get("mac_ok") is True
                and "cause" not in e.facts
            )

        event = self.trace.wait(match, mark=since, within=within)
        return None if event is None or event.name == LOST else event

    def establishes(self, ue: Ue, session: int, what: str, *, s_nssai: Snssai | None = None) -> Control:
        mark = self.trace.mark()
        ue.session_request(session, s_nssai=s_nssai)
        event = self.served(ue, session, within=self.timers.answer_s, since=mark)
        if event is not None and self._whole and "n11" in self._interfaces and event.name != SM_CONTEXTS:
            return Control(what, False, f"{ue.label} was served session {session}, but N11 did not {CROSS}")
        saw = f"the request of {ue.label} for PDU session {session} "
        saw += f"brought {event.name}" if event else f"was not served in {self.timers.answer_s:g} s"
        control = self._control(what, ue, mark, event is not None, saw)
        self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s)
        return control

    # --- coming from another AMF -------------------------------------------------------------------------

    def elsewhere(self, ue: Ue, ea: int, ia: int) -> None:
        if self.peers is None or not self.plays("amf2", "smf"):
            raise LabError("the bench plays no AMF on N14, or no SMF, in this profile")
        supi, number = ue.subscriber.supi, secrets.randbelow
        context = Context(secrets.token_bytes(32), number(7), ea, ia, 2 + number(50), 1 + number(50))
        capability = nas.SecurityCapability(*astuple(ue.capability)).encode()
        reference = f"{self.peers.uri('smf')}{SM_CONTEXTS.split()[1]}/{self.peers.smf.anchor(supi)}"
        ue.guti = self.peers.amf2.serve(supi, context, capability, reference, self._dnn)
        ue.context, ue.tries_algorithms = ue.known(context), True

    def hands_over(self, ue: Ue, what: str) -> Control:
        mark = self.trace.mark()
        if self.consumer is None or self.peers is None:
            return Control(
                what, False, "where the AMF offers its services is not declared (functions.amf.sbi)"
            )
        if down := self._up():
            return self._seen(what, ue, mark, False, down)
        supi, base = ue.subscriber.supi, self.peers.uri("amf2")
        content, parts = self.peers.amf2.hand_over(supi, self.gnb.cell, ue.announce(), base)
        path = CREATE_UE_CONTEXT.partition(" ")[2].replace("{ueContextId}", supi)
        reply = self.consumer.ask("n14", CREATE_UE_CONTEXT, path, content, ue=ue.label, parts=parts)
        saw = f"{CREATE_UE_CONTEXT} for {ue.label} was answered by "
        saw += str(reply.status) if isinstance(reply, Reply) else type(reply).__name__.lower()
        created = isinstance(reply, Reply) and reply.status == 201
        came = named(self.trace.since(mark, ue.label), "HANDOVER REQUEST")
        if created and came:
            ue.arrive()
        self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s)
        saw += "" if came else ", no HANDOVER REQUEST came"
        return self._seen(what, ue, mark, created and bool(came), saw)

    def updates(self, ue: Ue, what: str) -> Control:
        mark = self.trace.mark()
        if down := self._up():
            return self._seen(what, ue, mark, False, down)
        ue.update()
        end = self.outcome(ue)
        worked = end is not None and bool(genuine([end], "REGISTRATION ACCEPT"))
        self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s)
        return self._seen(what, ue, mark, worked, f"{ue.label} got {told(end)}")

    def alive(self, ue: Ue, twin: Ue | None = None) -> Control:
        control = self._serves(ue)
        if not control.worked and twin is not None and not self._serves(twin).worked:
            self._service_lost = None
            return replace(control, saw=f"{control.saw}; nor was its twin")
        return control

    def _serves(self, ue: Ue) -> Control:
        what = "the product served the same UE after the last step"
        if not (ue.gnb.up and ue.context is not None and ue.amf_id is not None):
            return self.registers(self.ue(), "a fresh UE registered after the last step")
        if self.plays("smf"):
            return self.establishes(ue, LIVENESS_SESSION, what)
        mark = self.trace.mark()
        end = self._deregisters(ue)
        return self._control(what, ue, mark, end is not None, f"{ue.label}: {told(end)}")

    def _deregisters(self, ue: Ue) -> Event | None:
        mark = self.trace.mark()
        ue.deregister()
        return self.wait(ue, DEREGISTERED, within=self.timers.answer_s, since=mark)

    # --- Xn handover, and the product's log ---------------------------------------------------------------

    def path_switch(self, ue: Ue, session: int, what: str, capability: Capability) -> Watch:
        mark, source, ran_id, amf_id = self.trace.mark(), ue.gnb, ue.ran_id, ue.amf_id
        target = self.target if source is self.gnb else self.gnb
        if not target.up and (problem := target.connect(within=self.timers.answer_s)):
            self.trace.event(0, False, "n2", f"NOT SENT: PATH SWITCH REQUEST ({problem})", ue.label)
            return Watch(what, 0.0, self.trace.since(mark, ue.label), False)
        ue.path_switch(target, capability, session)
        answers = ("PATH SWITCH REQUEST ACKNOWLEDGE", "PATH SWITCH REQUEST FAILURE")
        watch = self.until(what, ue, *answers, within=self.timers.answer_s, since=mark)
        if not named(watch.events, answers[0]) and amf_id is not None and ue.amf_id is not None:
            ue.move(source, ran_id, amf_id)
        return watch

    def mark_log(self) -> LogMark:
        return self.log.mark() if self.log is not None else LogMark(0, 0.0)

    def logs(self, what: str) -> Control:
        if self.log is None:
            return Control(what, False, "the profile declares no log of the product")
        mark = self.log.mark()
        control = self.registers(self.ue(), what)
        if not control.worked:
            return control
        records = self.log.awake(mark, within=self.timers.answer_s, pause=self._pause)
        saw = f"{control.saw}; the log had {records or 'no'} records of the time"
        return replace(control, worked=records > 0, saw=saw)

    def logged(self, kind: LogKind, ue: Ue, what: str, since: LogMark) -> Logged:
        if self.log is None or kind not in self.log.kinds:
            doubt = f"the profile does not say how a record of {kind} is recognised (log.records)"
            return Logged(what, self.alone, doubt, 0.0, 0, (), 0, 0, None)
        began, facts = self.trace.now, [e.facts for e in self.trace.since(0, ue.label)]
        known = {
            "supi": spelled(ue.subscriber.supi),
            "tmsi": spelled(*([ue.guti.tmsi] if ue.guti is not None else [])),
            "amf_ue_ngap_id": spelled(*(int(f["amf_ue_ngap_id"]) for f in facts if "amf_ue_ngap_id" in f)),
            "ran_ue_ngap_id": spelled(*(f["ran_ue_ngap_id"] for f in facts if "ran_ue_ngap_id" in f)),
        }
        found = self.log.look(kind, known, since, within=self.timers.watch_s, pause=self._pause)
        return Logged(
            what,
            self.alone,
            found.trouble,
            round(self.trace.now - began, 3),
            found.records,
            found.matches,
            found.others,
            found.earlier,
            found.clock_offset,
        )

    def _pause(self, seconds: float) -> None:
        self.trace.wait(lambda e: False, mark=self.trace.mark(), within=seconds)

    # --- control-plane CIoT ------------------------------------------------------------------------------

    @property
    def readings(self) -> tuple[str, ...]:
        return tuple(map(str, READINGS))

    def ciot_ue(self) -> Ue:
        ue = self._ue(self.ng_enbs[0], Capability(eea=0xF0, eia=0xF0))
        ue.also |= CIOT
        return ue

    def camps(self, ue: Ue, what: str) -> Control:
        mark = self.trace.mark()
        for node in self.ng_enbs:
            if not node.up and (down := node.connect(within=self.timers.answer_s)):
                return self._control(what, ue, mark, False, f"NG Setup of an NB-IoT ng-eNB: {down}")
        control = self.connects(ue, what)
        if not control.worked:
            return control
        (accept, *_) = genuine(self.since(ue), "REGISTRATION ACCEPT")
        support = bytes.fromhex(str(accept.facts.get("network_feature_support", "")))
        if not support[1:2] or not support[1] & CP_CIOT:
            return self._control(what, ue, mark, False, f"{ue.label} had no CP CIoT accepted")
        if ue.context is None or ue.context.ia == 0:
            return self._control(what, ue, mark, False, f"{ue.label} has no integrity protection")
        served = self.establishes(ue, FIRST_SESSION, what)
        return self._control(what, ue, mark, served.worked, f"{control.saw}; {served.saw}")

    def relocate(self, ue: Ue, reading: str, *, spoiled: bool = False) -> Relocation:
        began, mark = self.trace.now, self.trace.mark()
        chosen = next(one for one in READINGS if str(one) == reading)
        asked = NgEnbRelocation(ue, self.ng_enbs[1], chosen, spoiled=spoiled)
        answers = ("CONNECTION ESTABLISHMENT INDICATION", "ERROR INDICATION")
        if self.wait(ue, *answers, within=self.timers.answer_s, since=mark) is not None:
            asked.answered.wait(self.timers.quiet_s)  # until the ng-eNB has acted on it
        self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s)
        seconds = round(self.trace.now - began, 3)
        watch = self._watched("RAN CP RELOCATION INDICATION", seconds, mark, ue)
        stays = False
        if not asked.moved and ue.amf_id is not None:
            here = self.trace.mark()
            ue.session_request(SECOND_SESSION)
            stays = self.served(ue, SECOND_SESSION, within=self.timers.answer_s, since=here) is not None
        return Relocation(reading, spoiled, f"{asked.expected:04x}", watch, stays)

    # --- peers and settings ------------------------------------------------------------------------------

    def confirmation(self, ue: Ue, how: Confirmation) -> None:
        if self.peers is None or not self.plays("ausf"):
            raise UnseenError("N12 does not cross the bench: the profile declares no AUSF (peers or core)")
        supi, peers = ue.subscriber.supi, self.peers
        peers.unscript(supi)
        if how == "normal":
            return

        def once(request: Request) -> Change:
            peers.unscript(supi)
            return lambda normal: peers.failure(normal, with_key=how == "failure-with-key")

        def never(request: Request) -> Hold:
            return Hold()

        peers.script(supi, CONFIRMATION, never if how == "never" else once)

    # --- network slice-specific authentication -----------------------------------------------------------

    def authenticates_slice(
        self, ue: Ue, what: str, result: SliceResult = "success", *, only: bool = False
    ) -> Control:
        needed = self.slices.nssaa
        if needed is None:
            return Control(what, False, "the profile names no slice for it (network.nssaa_slice)")
        if self._authority is None or not self.plays("udm", "nssaaf"):
            return Control(what, False, "the bench plays no UDM or no NSSAAF in this profile")
        mark, supi = self.trace.mark(), ue.subscriber.supi
        self._authority.subscribe(supi, only=only, fails=result == "failure")
        ue.slices = (needed,) if only else (*self.slices.usual, needed)
        ue.also["mm_capability"] = nssaa.CAPABILITY
        if result == "held":
            ue.held.add(nssaa.COMMAND)
        registered = self.connects(ue, what)
        if not registered.worked:
            return registered
        if result == "held":
            return self._pending(ue, what, mark)
        if self.wait(ue, SLICE_AUTHENTICATION, within=self.timers.answer_s, since=mark) is None:
            return Control(what, False, f"{ue.label}: no NSSAA was started, the NSSAAF was not asked")
        wanted, name = f"EAP_{result.upper()}", f"200 to {SLICE_CONFIRMATION}"

        def told(e: Event) -> bool:
            body = e.facts.get("body") if e.ue == ue.label and e.name == name else None
            return e.name == LOST or (isinstance(body, dict) and body.get("authResult") == wanted)

        end = self.trace.wait(told, mark=mark, within=self.timers.answer_s)
        if end is None or end.name == LOST:
            return Control(what, False, f"{ue.label}: NSSAA did not come to {wanted}")
        if result == "success":
            return self.allows(ue, what, since=mark)
        self._until_told(ue, mark, *TOLD)
        return self._seen(what, ue, mark, True, f"{ue.label}: the product was told {wanted}")

    def _pending(self, ue: Ue, what: str, mark: int) -> Control:
        command = self.wait(ue, nssaa.COMMAND, within=self.timers.answer_s, since=mark)
        if command is None:
            return Control(what, False, f"{ue.label}: no NSSAA was started, no command came")
        told = [e for e in self.since(ue, mark) if self._own_slice(e, "pending_nssai")]
        saw = f"{ue.label}: the slice was {'' if told else 'not '}signalled as pending"
        return self._seen(what, ue, mark, bool(told), saw)

    def allows(self, ue: Ue, what: str, *, since: int) -> Control:
        event = self._until_told(ue, since, TOLD[0])
        allowed = event is not None and event.name != LOST
        saw = f"{ue.label}: the slice was {'' if allowed else 'not '}signalled as allowed"
        return self._seen(what, ue, since, allowed, saw)

    def _own_slice(self, event: Event, *lists: str) -> bool:
        """Whether a message that the UE believes has the slice that needs NSSAA in one of these lists."""
        name = slice_name(self.slices.nssaa) if self.slices.nssaa else ""
        return event.facts.get("mac_ok") is True and any(name in event.facts.get(one, ()) for one in lists)

    def _until_told(self, ue: Ue, mark: int, *lists: str) -> Event | None:
        """The message that tells the UE what became of the slice that needs NSSAA."""
        event = self.trace.wait(
            lambda e: e.name == LOST or (e.ue == ue.label and self._own_slice(e, *lists)),
            mark=mark,
            within=self.timers.answer_s,
        )
        self.trace.quiet(self.timers.quiet_s, within=self.timers.answer_s)
        return event

    def revoke(self, ue: Ue, what: str, s_nssai: Snssai, *, unknown: bool = False) -> Control:
        if self._authority is None:
            return Control(what, False, "the bench plays no NSSAAF in this profile")
        mark, supi = self.trace.mark(), ue.subscriber.supi
        answer = self._authority.revoke(supi, ue.label, s_nssai, unknown=unknown)
        if isinstance(answer, str):
            return Control(what, False, answer)
        how = f"answered {answer.status}" if isinstance(answer, Reply) else f"not answered ({answer})"
        return self._seen(what, ue, mark, isinstance(answer, Reply), f"the revocation was {how}")

    def shares_revocation(self, ue: Ue, other: Ue) -> bool:
        if self._authority is None:
            return False
        return self._authority.uri(ue.subscriber.supi) == self._authority.uri(other.subscriber.supi)

    # --- settings ----------------------------------------------------------------------------------------

    @property
    def conditions(self) -> dict[str, str]:
        """The settings of the product as declared or as last set."""
        return dict(self._in_force)

    def resynchronisation(self, ue: Ue, how: Resynchronisation) -> None:
        if self.peers is None or not self.plays("ausf"):
            raise UnseenError("N12 does not cross the bench: the profile declares no AUSF (peers or core)")
        supi, asked = ue.subscriber.supi, False
        self.peers.unscript(supi)
        if how == "normal":
            return

        def action(request: Request) -> Outcome | Change:
            nonlocal asked
            content = request.content
            asked = asked or (isinstance(content, dict) and "resynchronizationInfo" in content)
            if asked and how == "never":
                return Hold()
            return partial(Later, self.timers.hold_s) if asked else unscripted(request)

        self.peers.script(supi, AUTHENTICATION, action)

    @property
    def alone(self) -> bool:
        return self.lane == ALONE

    def in_force(self, name: str) -> str | None:
        return self._in_force.get(name)

    def settings(self, name: str) -> tuple[str, ...]:
        return self._settings.get(name, ())

    def ensures(self, name: str, value: str) -> Control:
        if self.in_force(name) == value:
            return Control(f"{name} is {value}", True, "as the profile declares or as it was set")
        if value in self.settings(name):
            return self.configure(name, value)
        said = f"declare in_force.{name}: {value}, or how to change it in lifecycle.configure"
        return Control(f"{name} is {value}", False, said)

    def configure(self, name: str, value: str) -> Control:
        what = f"{name} set to {value}"
        self._changed.setdefault(name, self._read(name))
        problem = self._set(name, value) or self._ready()
        return Control(what, not problem, problem or "the product's management acknowledged it")

    def _set(self, name: str, value: str) -> str:
        for gnb in (self.gnb, self.target, *self.ng_enbs):  # the product may have to start again for it
            gnb.close()
        problem = self._change(name, value)
        self._in_force[name] = "" if problem else value
        return problem


def stray(event: Event) -> bool:
    """Whether a request is about a subscriber whom it does not name as TS 29.571 spells identities."""
    if event.ue or not event.received or event.name not in (AUTHENTICATION, SM_CONTEXTS):
        return False
    body = event.facts.get("body")
    identity = (body.get("supiOrSuci") or body.get("supi")) if isinstance(body, dict) else None
    return not (
        isinstance(identity, str) and re.fullmatch(r"imsi-\d{5,15}|suci-\d(-[0-9A-Za-z.]+)+", identity)
    )


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
