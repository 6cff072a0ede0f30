"""What a test case is made of: events that were seen, observations, and the binding to the catalogue."""

import dataclasses
import inspect
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, Generic, TypeVar

from assay.verdict import Verdict, inconclusive


@dataclass(frozen=True)
class Event:
    """One message that crossed the bench: a past-tense fact with its place in the raw evidence.

    `at` is in seconds since the variant began; `facts` holds decoded values (JSON only), octets as lower-case
    hexadecimal.
    """

    at: float
    received: bool  # by the bench, so from the product
    interface: str  # "n1", "n2", "n12", "n11", "n8", ...
    name: str  # "SECURITY MODE COMMAND", "POST /nsmf-pdusession/v1/sm-contexts", ...
    ref: str  # "capture.pcapng#42"
    ue: str = ""  # the bench's own label of the UE it belongs to
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Control:
    """An exchange that must work for the verdict to count, and what it was worth."""

    what: str  # "a twin registered without the stimulus"
    worked: bool
    saw: str  # what happened, in words
    slowest: float = 0.0  # seconds the product took for its slowest answer in it
    refs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Watch:
    """Everything one UE caused or received during a watch of `seconds`."""

    what: str
    seconds: float
    events: tuple[Event, ...]
    whole: bool = True  # False where the N2 association was lost before its end


class Observation:
    """Base of every `Seen`: a frozen dataclass of facts that survives a trip through JSON."""


SeenT = TypeVar("SeenT", bound=Observation)


@dataclass(frozen=True)
class Case(Generic[SeenT]):
    """A probe bound to a test case of the catalogue, with the judge of what it saw."""

    id: str
    variants: tuple[str, ...]
    seen: type[SeenT]
    judge: Callable[[SeenT], Verdict]
    probe: Callable[..., SeenT]
    asks: tuple[str, ...] = ()  # questions with yes or no that only a person can answer; all yes is good

    @property
    def bench(self) -> str:
        """The bench that the probe wants, by the name of its first parameter: "amf" or "host"."""
        return next(iter(inspect.signature(self.probe).parameters))


def case(
    case_id: str,
    judge: Callable[[SeenT], Verdict],
    variants: Iterable[str],
    asks: Iterable[str] = (),
) -> Callable[[Callable[..., SeenT]], Callable[..., SeenT]]:
    """Bind a probe to variants of a test case; the probe's name starts with `test_`.

    A probe that serves several variants takes a parameter `variant`. `asks` are precise questions that only a
    person can answer; they are phrased so that every yes is good.
    """

    def bind(probe: Callable[..., SeenT]) -> Callable[..., SeenT]:
        seen = typing.get_type_hints(probe)["return"]
        bound = Case(case_id, tuple(variants), seen, judge, probe, tuple(asks))
        probe.scas = bound  # type: ignore[attr-defined]
        return probe

    return bind


def in_turn(*steps: Callable[[], Control]) -> tuple[Control, ...]:
    """Do controls one after the other, up to the first that fails: what follows would prove nothing."""
    done: list[Control] = []
    for step in steps:
        done.append(step())
        if not done[-1].worked:
            break
    return tuple(done)


# --- what judges have in common ---------------------------------------------------------------------------


def unsound(controls: Iterable[Control], silences: Iterable[Watch] = ()) -> Verdict | None:
    """INCONCLUSIVE where a control failed, or where a silence was shorter than the product is slow.

    A watch that the loss of the association cut short proves nothing either, nor one in which something came
    that cannot be decoded or in which the bench could not send. A product that needs t seconds for an answer
    that works proves nothing by t seconds of silence: a watch counts only when it lasted at least twice as
    long as the slowest answer of the controls.
    """
    controls = tuple(controls)
    if not controls:
        return inconclusive("no control was done")
    for control in controls:
        if not control.worked:
            return inconclusive(f"control failed: {control.what}: {control.saw}", *control.refs)
    slow = max(controls, key=lambda c: c.slowest)
    for watch in silences:
        if not watch.whole:
            return inconclusive(f"the N2 association was lost: {watch.what} was not watched to its end")
        if odd := unclear(watch.events):
            return odd
        if watch.seconds < 2 * slow.slowest:
            return inconclusive(
                f"the product took {slow.slowest:.1f} s for an answer, so {watch.seconds:.1f} s of silence"
                f" prove nothing ({watch.what}): declare longer timers",
                *slow.refs,
            )
    return None


def unclear(events: Iterable[Event]) -> Verdict | None:
    """INCONCLUSIVE where something came that cannot be decoded, or where the bench could not send."""
    for event in events:
        if event.received and event.name.startswith("UNDECODABLE"):
            return inconclusive(f"the product sent what cannot be decoded ({event.name})", event.ref)
        if event.received and event.name.startswith("UNKNOWN SUBSCRIBER"):
            return inconclusive(f"the product asked for whom nobody can tell ({event.name})", event.ref)
        if event.name.startswith("NOT SENT"):
            return inconclusive("the connection was gone before the bench could send")
    return None


NEVER_PLAIN = ("REGISTRATION ACCEPT", "SECURITY MODE COMMAND", "SERVICE ACCEPT")


def genuine(events: Iterable[Event], *names: str) -> tuple[Event, ...]:
    """The events of these names that a UE would believe: the MAC verifies, or plain NAS may say this."""
    return tuple(
        e
        for e in named(events, *names)
        if e.interface != "n1"
        or e.facts.get("mac_ok") is True
        or (e.facts.get("header") == 0 and e.name not in NEVER_PLAIN)
    )


def named(events: Iterable[Event], *names: str) -> tuple[Event, ...]:
    """The events the product caused that have one of these names."""
    return tuple(e for e in events if e.received and e.name in names)


SETUPS = ("INITIAL CONTEXT SETUP REQUEST", "PDU SESSION RESOURCE SETUP REQUEST")


def effect(event: Event) -> bool:
    """Whether an event shows that the product processed something: downlink NAS, a set-up, an SBI request.

    5GMM STATUS alone shows no processing, and what cannot be decoded shows nothing.
    """
    if not event.received or event.name == "5GMM STATUS" or event.name.startswith("UNDECODABLE"):
        return False
    if event.interface == "n1":
        return True
    return event.name in SETUPS if event.interface == "n2" else " /" in event.name


def beyond(seen: Iterable[Watch], twin: Iterable[Watch]) -> tuple[Watch, Event] | None:
    """The first effect that a UE saw and its twin, over the same whole time, did not see as often."""
    spared = Counter(e.name for watch in twin for e in watch.events if effect(e))
    for watch in seen:
        for event in filter(effect, watch.events):
            if spared[event.name] == 0:
                return watch, event
            spared[event.name] -= 1
    return None


def told(event: Event | None) -> str:
    """An event in words, with its cause where it has one: a 5GMM number, or NGAP's group and value."""
    if event is None:
        return "nothing"
    cause = event.facts.get("cause")
    if isinstance(cause, int):
        return f"{event.name} with cause #{cause}"
    return f"{event.name} ({', '.join(map(str, cause))})" if isinstance(cause, list) else event.name


# --- records ------------------------------------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """Facts as plain JSON values; raises TypeError for what has no place in a record."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a record: use text, numbers, lists and mappings")


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    """The declared type of each field of a dataclass."""
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


def from_json(kind: Any, value: Any) -> Any:
    """The inverse of `to_json` for a declared type; raises ValueError where the JSON does not fit it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise ValueError(f"{kind.__name__} wants a mapping, not {type(value).__name__}")
        hints = _hints(kind)
        if value.keys() != hints.keys():
            odd = sorted(value.keys() ^ hints.keys())
            raise ValueError(f"{kind.__name__}: unknown or missing {', '.join(odd)}")
        return kind(**{name: from_json(hint, value[name]) for name, hint in hints.items()})
    if origin is typing.Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        if arguments[1:] == (...,):
            return tuple(from_json(arguments[0], item) for item in value)
        return tuple(from_json(one, item) for one, item in zip(arguments, value, strict=True))
    if origin is not None and isinstance(value, dict) and issubclass(origin, Mapping):
        return {key: from_json(arguments[1], item) for key, item in value.items()}
    if origin in (typing.Union, types.UnionType):
        for one in arguments:
            try:
                return from_json(one, value)
            except ValueError:
                continue
    if origin is typing.Literal and value in arguments:
        return value
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind in (str, bool, int, types.NoneType) and type(value) is kind:
        return value
    raise ValueError(f"{value!r} is not {kind}")
