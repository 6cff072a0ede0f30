"""The trace of a variant: every frame that crossed the bench, the events in it, and waiting for them."""

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.case import Event
from assay.errors import LabError

CAPTURE = "capture.pcapng"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")  # RFC 9113 clause 3.4

MAX_FRAMES = 10_000
MAX_OCTETS = 64 << 20
TIMER_S = 2.0  # an answer that takes longer waits for a timer of the product


@dataclass(frozen=True)
class Flow:
    """Both ends of a transport connection, as the capture's lower layers name them."""

    transport: Literal["sctp", "tcp"]
    bench: tuple[str, int]
    product: tuple[str, int]
    bench_opened: bool = True


@dataclass(frozen=True)
class Frame:
    """One packet of the capture: an SCTP message, HTTP/2 frames, or (flow None) a deciphered NAS message."""

    at: float
    received: bool
    flow: Flow | None
    data: bytes
    stream: int = 0
    ppid: int = 0
    comment: str = ""


class Stopped(LabError):  # noqa: N818 - what happened, no error
    """The run was stopped while a probe waited."""


class Trace:
    """What the bench sent and received, in one order over all interfaces; safe to use from any thread.

    Drivers add frames and events, probes wait for events. A product that floods is cut off at `MAX_FRAMES`
    or `MAX_OCTETS`: `overflow` then says so and nothing more is kept.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stopped = False
        self.begin()

    def begin(self) -> None:
        """Forget everything and start the clock of a new variant."""
        with self._changed:
            self.started = time.time()
            self._zero = time.monotonic()
            self._frames: list[Frame] = []
            self._events: list[Event] = []
            self._opened: set[Flow] = set()
            self._octets = 0
            self.overflow = ""
            self.imposed = 0.0  # seconds that had to pass in full, or in which a timer of the product ran

    def stop(self) -> None:
        """Let whoever waits, now or later, raise `Stopped`."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        if self._stopped:
            raise Stopped("the run was stopped")
        self._changed.wait(seconds)
        if self._stopped:
            raise Stopped("the run was stopped")

    @property
    def now(self) -> float:
        """Seconds since the variant began."""
        return time.monotonic() - self._zero

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames so far; frame number n of the capture is element n - 1."""
        with self._changed:
            return tuple(self._frames)

    def _add(self, frame: Frame) -> int:
        if len(self._frames) >= MAX_FRAMES or self._octets + len(frame.data) > MAX_OCTETS:
            self.overflow = f"more than {MAX_FRAMES} frames or {MAX_OCTETS >> 20} MiB crossed the bench"
        if not self.overflow:
            self._frames.append(frame)
            self._octets += len(frame.data)
        return len(self._frames)

    def frame(self, flow: Flow, received: bool, data: bytes, *, stream: int = 0, ppid: int = 0) -> int:
        """Keep one frame and return its number in the capture.

        A TCP connection older than the variant gets its HTTP/2 preface first, so that the capture decodes.
        """
        with self._changed:
            if flow.transport == "tcp" and flow not in self._opened:
                self._opened.add(flow)
                if not data.startswith(PREFACE[:24]):
                    note = "preface repeated: the connection is older than this capture"
                    self._add(Frame(self.now, not flow.bench_opened, flow, PREFACE, comment=note))
            return self._add(Frame(self.now, received, flow, data, stream, ppid))

    def deciphered(self, number: int, received: bool, nas: bytes) -> int:
        """Keep the cleartext of a ciphered NAS message beside its frame and return its own frame number."""
        with self._changed:
            return self._add(Frame(self.now, received, None, nas, comment=f"deciphered from frame {number}"))

    def event(
        self,
        frame: int,
        received: bool,
        interface: str,
        name: str,
        ue: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Event:
        """Add an event that frame number `frame` shows, and wake whoever waits for it."""
        with self._changed:
            ref = f"{CAPTURE}#{frame}"
            event = Event(round(self.now, 6), received, interface, name, ref, ue, dict(facts or {}))
            if not self.overflow:
                self._events.append(event)
            self._changed.notify_all()
            return event

    def mark(self) -> int:
        """A place in the order of events, for `since` and `wait`."""
        with self._changed:
            return len(self._events)

    def since(self, mark: int = 0, ue: str | None = None) -> tuple[Event, ...]:
        """The events after a mark, of one UE or of all."""
        with self._changed:
            return tuple(e for e in self._events[mark:] if ue is None or e.ue == ue)

    def wait(self, match: Callable[[Event], bool], *, mark: int = 0, within: float) -> Event | None:
        """The first event after `mark` that matches, or None when `within` seconds pass without one."""
        began = time.monotonic()
        deadline = began + within
        with self._changed:
            seen = mark
            while True:
                while seen < len(self._events):
                    if match(self._events[seen]):
                        waited = time.monotonic() - began
                        self.imposed += waited if waited > TIMER_S else 0.0
                        return self._events[seen]
                    seen += 1
                left = deadline - time.monotonic()
                if left <= 0 or self.overflow:
                    self.imposed += time.monotonic() - began
                    return None
                self._pause(left)

    def quiet(self, seconds: float, *, within: float) -> bool:
        """Wait until nothing was received for `seconds`; False when it never was quiet `within` that time."""
        began = time.monotonic()
        deadline = began + within
        with self._changed:
            while True:
                last = next((e.at for e in reversed(self._events) if e.received), 0.0)
                rest = seconds - (self.now - last)
                if rest <= 0:
                    self.imposed += min(seconds, time.monotonic() - began)
                    return True
                if time.monotonic() + rest > deadline:
                    return False
                self._pause(rest)


EVENTS = "events.jsonl"
MAX_EVENTS = 20_000


class Journal(Trace):
    """What a bench did on a host and what it saw, an event a line; `hide` takes the secrets out."""

    def __init__(self, hide: Callable[[Any], Any]) -> None:
        self._hide = hide
        super().__init__()

    def note(self, received: bool, interface: str, name: str, **facts: Any) -> Event:
        """Add an event; beyond `MAX_EVENTS` nothing more is kept and `overflow` says so."""
        with self._changed:
            if len(self._events) >= MAX_EVENTS:
                self.overflow = f"more than {MAX_EVENTS} events"
            ref = f"{EVENTS}#{len(self._events) + 1}"
            event = Event(
                round(self.now, 6), received, interface, self._hide(name), ref, "", self._hide(facts)
            )
            if not self.overflow:
                self._events.append(event)
            self._changed.notify_all()
            return event

    def rest(self, seconds: float) -> None:
        """Let time pass that a test case imposes; `Stopped` where the run ends meanwhile."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (left := deadline - time.monotonic()) > 0:
                self._pause(left)
            self.imposed += seconds


MAX_WAITING = 4096


class Switchboard(Trace):
    """Sorts what crosses connections that several variants share into the traces of those variants.

    Whose a frame is comes out with the first event of its HTTP/2 stream: until then it waits here. The `ue`
    of such an event is "<lane>:<label>"; what belongs to no UE goes to every lane. Numbers of frames are the
    switchboard's own: each lane has its own place for a frame, and its events refer to that.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lanes: dict[str, Trace] = {}
        self._numbers = itertools.count(1)
        self._waiting: OrderedDict[tuple[Flow, int], list[tuple[int, bool, bytes]]] = OrderedDict()
        self._owners: OrderedDict[tuple[Flow, int], tuple[str, ...]] = OrderedDict()
        self._streams: OrderedDict[int, tuple[Flow, int]] = OrderedDict()  # of a frame
        self._placed: OrderedDict[int, dict[str, int]] = OrderedDict()
        self._sorting = threading.RLock()

    def join(self, lane: str, trace: Trace) -> None:
        """Let a lane take part."""
        with self._sorting:
            self._lanes[lane] = trace

    def leave(self, lane: str) -> None:
        """Let a lane go."""
        with self._sorting:
            self._lanes.pop(lane, None)

    def frame(self, flow: Flow, received: bool, data: bytes, *, stream: int = 0, ppid: int = 0) -> int:
        """Keep one frame of HTTP/2 until its stream belongs to somebody; its number here."""
        with self._sorting:
            number = next(self._numbers)
            http = 0 if data.startswith(PREFACE[:3]) else int.from_bytes(data[5:9], "big") & 0x7FFFFFFF
            key = (flow, http)
            _keep(self._streams, number, key)
            if not http:
                self._place(tuple(self._lanes), flow, (number, received, data))
            elif (owners := self._owners.get(key)) is not None:
                self._place(owners, flow, (number, received, data))
            else:
                _keep(self._waiting, key, [*self._waiting.pop(key, ()), (number, received, data)])
            return number

    def _place(self, lanes: tuple[str, ...], flow: Flow, frame: tuple[int, bool, bytes]) -> None:
        number, received, data = frame
        traces = {lane: self._lanes[lane] for lane in lanes if lane in self._lanes}
        places = {lane: trace.frame(flow, received, data) for lane, trace in traces.items()}
        _keep(self._placed, number, places)

    def event(
        self,
        frame: int,
        received: bool,
        interface: str,
        name: str,
        ue: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Event:
        """Add an event to the trace of the lane that `ue` names, or to all."""
        with self._sorting:
            lane, _, label = ue.rpartition(":")
            lanes = (lane,) if lane else tuple(self._lanes)
            key = self._streams.get(frame)
            if key is not None and key[1]:
                for waiting in self._waiting.pop(key, ()):
                    self._place(lanes, key[0], waiting)
                _keep(self._owners, key, lanes)
            places = self._placed.get(frame, {})
            found = Event(0.0, received, interface, name, "", label, dict(facts or {}))
            for one in lanes:
                if one in self._lanes:
                    place = places.get(one, 0)
                    found = self._lanes[one].event(place, received, interface, name, label, facts)
            return found


def _keep(store: "OrderedDict[Any, Any]", key: Any, value: Any) -> None:
    store[key] = value
    while len(store) > MAX_WAITING:
        store.popitem(last=False)
