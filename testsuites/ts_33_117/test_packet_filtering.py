"""TC_PACKET_FILTERING: rules for incoming packets hold on each interface, are counted, logged and kept."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench, LogLines, Packet, did
from drivers.interfaces.replies import Exchange, Ran
from testsuites.ts_33_117.common import first
from testsuites.ts_33_117.packets import (
    TCP,
    Sent,
    about,
    all_answered,
    answers,
    errors,
    joined,
    probe,
    protocol_of,
    together,
    unheard,
)
from testsuites.ts_33_117.ports import Point, points, second_address, services

CASE = "TC_PACKET_FILTERING"
TIMES, PACE, WAIT_S = 10, 200.0, 1.0
RULE = {4: "icmp-from", 6: "icmpv6-from"}
COUNTER, DSCP, URGENT = "scas", 46, 0x22  # expedited forwarding; SYN and URG


@dataclass(frozen=True)
class Round:
    """Probes at one time: those that have to be answered, those that must not be, and what came."""

    when: str
    through: tuple[Sent, ...]
    barred: tuple[Sent, ...]
    seen: Exchange


@dataclass(frozen=True)
class Seen(Observation):
    configured: tuple[Control, ...]
    rounds: tuple[Round, ...]
    alive: Control


@dataclass(frozen=True)
class Counted:
    """A counter as it was read, and the records of the packets that it counted."""

    after: int | None
    reset: int | None
    sent: int
    port: int
    log: LogLines


@dataclass(frozen=True)
class Capabilities(Observation):
    configured: tuple[Control, ...]
    rounds: tuple[Round, ...]
    counted: Counted
    restart: Control
    alive: Control


def _barred(rounds: Iterable[Round]) -> Verdict | None:
    """FAIL where a packet that a rule bars was answered, with an error too."""
    for one in rounds:
        for sent in one.barred:
            for heard in (*answers(one.seen, sent), *errors(one.seen, sent)):
                where = f"{one.seen.ref}#{heard.frame}"
                return failed(f"{one.when}: {sent.what} is answered although barred: {heard.kind}", where)
    return None


def _unproven(rounds: Iterable[Round]) -> Verdict | None:
    """INCONCLUSIVE where packets that no rule bars were not answered, or nothing was barred."""
    every = tuple(rounds)
    for one in every:
        if problem := unheard(one.seen):
            return inconclusive(f"{one.when}: {problem}", one.seen.ref)
        if doubt := unsound([all_answered(f"{one.when}: what is not barred", one.seen, one.through)]):
            return doubt
    tried = {sent.what for one in every if not one.barred for sent in one.through}
    barred = {sent.what for one in every for sent in one.barred}
    if not barred or not barred <= tried:
        return inconclusive("what is barred was not seen to be answered without the rule")
    return None


def judge(seen: Seen) -> Verdict:
    if doubt := _barred(seen.rounds) or unsound([*seen.configured, seen.alive]) or _unproven(seen.rounds):
        return doubt
    barred = [sent for one in seen.rounds for sent in one.barred]
    return passed(f"{len(barred)} requests of the second host were dropped, those of the first answered")


def judge_capabilities(seen: Capabilities) -> Verdict:
    if doubt := _barred(seen.rounds) or unsound([*seen.configured, seen.restart, seen.alive]):
        return doubt
    one = seen.counted
    if one.after is None or one.reset is None:
        return inconclusive("the counter was not read")
    if doubt := _unproven(seen.rounds):
        return doubt
    if one.after != one.sent:
        return failed(f"the counter says {one.after} after {one.sent} packets")
    if one.reset != 0:
        return failed(f"the counter says {one.reset} after its reset")
    if one.log.problem:
        return inconclusive(f"the log {one.log.log} was not read: {one.log.problem}", one.log.ref)
    told = sum(line.groups.get("port") == str(one.port) for line in one.log.lines)
    if told != one.sent:
        return failed(f"{told} of {one.sent} packets are in {one.log.log}", one.log.ref)
    return passed(f"rules hold on every interface, are counted and logged ({told}), and outlast a restart")


# --- probes -----------------------------------------------------------------------------------------------


class Plan:
    """Probes that are sent together, in groups by what they are."""

    def __init__(self, host: HostBench, numbers: Iterator[int]) -> None:
        self._host, self._numbers = host, numbers

    def round(self, when: str, *groups: tuple[Point, str, str, bool]) -> Round:
        """Send ten echo requests, or a SYN, for each (address, source, kind, whether it is barred)."""
        plans = dict[str, list[Packet]]()
        through, barred = list[Sent](), list[Sent]()
        for point, source, kind, bar in groups:
            for _ in range(TIMES if kind in ("echo", "counted") else 1):
                sent = self._sent(point, source, kind)
                (barred if bar else through).append(sent)
                packet = probe(sent, source)
                if kind == "urgent":
                    packet = replace(
                        packet, payload=f"{packet.payload[:26]}{URGENT:02x}{packet.payload[28:]}"
                    )
                plans.setdefault(point.interface, []).append(
                    replace(packet, dscp=DSCP if kind == "dscp" else 0)
                )
        every = together(self._host, plans, seconds=WAIT_S, pace=PACE).values()
        return Round(when, tuple(through), tuple(barred), about(joined(every), (*through, *barred)))

    def _sent(self, point: Point, source: str, kind: str) -> Sent:
        number, what = next(self._numbers), f"{kind} from {source} on {point.interface}"
        if kind == "echo":
            return Sent(what, protocol_of(point.address), number, destination=point.address)
        return Sent(what, TCP, number, _service(self._host, point), point.address)


def _service(host: HostBench, point: Point) -> int:
    tcp = [one for one in services(host, points(host)) if one.protocol == "tcp" and one.always]
    return first(
        (one.port for one in tcp if one.address == point.address), f"a TCP service at {point.address}"
    )


def _rule(host: HostBench, rule: str, point: Point, **words: Any) -> Ran:
    """Add a rule at an interface."""
    device = next(
        r.get("device") for r in host.declared("network.interfaces") if r["name"] == point.interface
    )
    return host.act("network.filter_action", rule, interface=point.interface, device=str(device), **words)


@case(CASE, judge, "A")
def test_procedure(host: HostBench) -> Seen:
    first((point for point in points(host) if point.version == 4), "two IPv4 interfaces")
    four = {point.interface: point for point in reversed(points(host)) if point.version == 4}
    ends = [*reversed(four.values())]
    one, two = ends[0], first(ends[1:], "two IPv4 interfaces in network.interfaces")
    plan = Plan(host, iter(range(0x7000, 0x7800)))
    both = [(one, one.ours, "echo", False), (two, two.ours, "echo", False)]
    rounds = [plan.round("without the rule", *both)]
    host.stimulus()
    added = [_rule(host, RULE[4], point, source=one.ours) for point in (one, two)]
    rounds.append(plan.round("with the rule", both[0], (two, two.ours, "echo", True)))
    removed = host.act("network.filter_action", "clear")
    rounds.append(plan.round("after the rule", *both))
    return Seen((did("rules are added and removed", *added, removed),), tuple(rounds), host.alive())


@case(CASE, judge_capabilities, "B")
def test_capabilities(host: HostBench) -> Capabilities:
    every = points(host)
    plan = Plan(host, iter(range(0x7800, 0x9000)))
    tcp = [one for one in services(host, every) if one.protocol == "tcp" and one.always and not one.peers]
    target = first(
        (p for p in every for s in tcp if s.address == p.address and p.version == 4), "a TCP service"
    )
    event = (host.declared("logs.events") or {}).get("packet-filter") or {}
    first(event, "packet-filter in logs.events: how a rule's record looks")
    pings = [
        (point, source, "echo") for point in every for source in (point.ours, second_address(host, point))
    ]
    fields = [(target, target.ours, kind) for kind in ("plain", "urgent", "dscp")]
    free = [(*one, False) for one in (*pings, *fields)]
    held = [(*one, one[1] != one[0].ours or one[2] in ("urgent", "dscp")) for one in (*pings, *fields)]
    rounds = [plan.round("without rules", *free, *[(target, target.ours, "counted", False)])]
    host.stimulus()
    port = _service(host, target)
    ran = [_rule(host, RULE[point.version], point, source=point.ours) for point in every]
    ran += [_rule(host, "urgent", target, port=port), _rule(host, "dscp", target, port=port, dscp=DSCP)]
    rounds.append(plan.round("with rules", *held))
    restart = host.reboot()
    rounds.append(plan.round("after a restart", *held))
    ran.append(host.act("network.filter_action", "clear"))
    ran.append(_rule(host, "count-port", target, port=port, name=COUNTER))
    mark = host.log_mark(str(event["log"]))
    counting = [(target, target.ours, "counted", True), (target, target.ours, "echo", False)]
    rounds.append(plan.round("with a rule that counts", *counting))
    after = _count(host)
    lines = _lines(host, event, mark)
    ran.append(host.act("network.filter_counter_action", "reset", name=COUNTER))
    counted = Counted(after, _count(host), TIMES, port, lines)
    ran.append(host.act("network.filter_action", "clear"))
    rounds.append(plan.round("after rules", *free))
    control = Control("the product restarts", restart.happened and restart.back, restart.saw)
    did_all = did("rules are added, removed and reset", *ran)
    return Capabilities((did_all,), tuple(rounds), counted, control, host.alive())


def _count(host: HostBench) -> int | None:
    """The packets that the counter has, None where it was not read."""
    actions = host.declared("network.filter_counter_action") or {}
    ran = host.act("network.filter_counter_action", "read", name=COUNTER)
    found = re.search(str((actions.get("read") or {}).get("parse") or r"(\d+)"), ran.out) if ran.ok else None
    return int(found[1]) if found else None


def _lines(host: HostBench, event: dict[str, Any], mark: int) -> LogLines:
    """The rule's records, when all came or none comes any more."""
    while True:
        before = host.logged(str(event["log"]), str(event["regex"]), mark)
        host.rest(0.5)
        found = host.logged(str(event["log"]), str(event["regex"]), mark)
        if len(found.lines) >= TIMES or len(found.lines) == len(before.lines):
            return replace(found, lines=found.lines[: 2 * TIMES])
