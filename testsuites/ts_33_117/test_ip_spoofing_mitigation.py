"""TC_IP_SPOOFING_MITIGATION: a source address that belongs behind another interface is dropped."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench, LogLines, Packet, did
from drivers.interfaces.replies import Exchange, Ran
from testsuites.ts_33_117.common import first
from testsuites.ts_33_117.icmp import allowed
from testsuites.ts_33_117.packets import (
    PROTOCOLS,
    Sent,
    about,
    all_answered,
    answers,
    errors,
    joined,
    probe,
    together,
    unheard,
)
from testsuites.ts_33_117.ports import Point, points, services

TIMES, PACE, WAIT_S = 10, 100.0, 1.5
TESTER = {4: ("192.168.3.0/24", "192.168.3.2"), 6: ("2001:db8:c0a8:3::/64", "2001:db8:c0a8:3::2")}
READ = "cd /proc/sys/net/ipv4/conf && grep . */rp_filter"


@dataclass(frozen=True)
class Spoofed:
    """A packet that claims a source which the product reaches through another interface."""

    link: str  # where it came in
    source: str
    belongs: str  # the link behind which the source is
    sent: Sent


@dataclass(frozen=True)
class Seen(Observation):
    routes: Control
    links: tuple[str, ...]  # on which sources have to be checked
    behind: tuple[Sent, ...]  # from the tester behind the first node, before
    behind_after: tuple[Sent, ...]
    own: tuple[Sent, ...]  # from our own addresses, on the links where sources were spoofed
    spoofed: tuple[Spoofed, ...]
    before: Exchange
    during: tuple[Exchange, ...]  # on all links
    after: Exchange
    log: LogLines | None  # None where no logging is declared
    mechanism: str
    settings: Ran | None
    alive: Control


def judge(seen: Seen) -> Verdict:
    if doubt := unsound([seen.routes]):
        return doubt
    for exchange in seen.during:
        for one in seen.spoofed:
            for heard in (*answers(exchange, one.sent), *_told(exchange, one)):
                said = f"{one.source} belongs to {one.belongs} and is answered on {one.link}: {heard.kind}"
                return failed(said, f"{exchange.ref}#{heard.frame}")
    if doubt := unsound([seen.alive]):
        return doubt
    for exchange in (seen.before, *seen.during, seen.after):
        if problem := unheard(exchange):
            return inconclusive(f"{exchange.what}: {problem}", exchange.ref)
    controls = [
        all_answered("the tester behind the first node gets answers", seen.before, seen.behind),
        all_answered("it gets them afterwards", seen.after, seen.behind_after),
        all_answered("our own addresses get answers meanwhile", joined(seen.during), seen.own),
    ]
    if doubt := unsound(controls):
        return doubt
    tried = {one.link for one in seen.spoofed}
    if not tried or set(seen.links) - tried:
        return inconclusive("no spoofed source was tried on each link")
    if seen.log is not None:
        if seen.log.problem:
            return inconclusive(f"the log {seen.log.log} was not read: {seen.log.problem}", seen.log.ref)
        sources = {one.source for one in seen.spoofed}
        if not any(line.groups.get("source") in sources for line in seen.log.lines):
            return failed(f"no spoofed packet is in {seen.log.log}, as is declared", seen.log.ref)
    return passed(
        f"{len(seen.spoofed)} packets with spoofed sources on {len(tried)} links drew nothing"
        f" ({seen.mechanism or 'mechanism not named'})",
        *(one.ref for one in seen.during),
    )


def _told(exchange: Exchange, one: Spoofed) -> Iterator[Any]:
    return (heard for heard in errors(exchange, one.sent) if heard.facts.get("destination") == one.source)


@case("TC_IP_SPOOFING_MITIGATION", judge, "A")
def test_ip_spoofing_mitigation(host: HostBench) -> Seen:
    declared = host.declared("network.antispoofing")
    every = points(host)
    links = list(dict.fromkeys(point.interface for point in every))
    gateways = [str(row["name"]) for row in host.declared("network.interfaces") if row.get("gateway")]
    near = first([*gateways, *links], "network.interfaces")
    first(links[1:], "a second interface in network.interfaces")
    asymmetric = set(declared.get("asymmetric") or ())
    checked = tuple(link for link in links if link not in asymmetric)
    ours = [point for point in every if point.interface == near]
    ran = [host.act("network.route_set_action", net=TESTER[p.version][0], gw=p.ours) for p in ours]
    numbers = iter(range(23_000, 29_000))
    behind, behind_after = (_behind(host, ours, numbers) for _ in range(2))
    own, spoofed, plans = list[Sent](), list[Spoofed](), dict[str, list[Packet]]({one: [] for one in links})
    for point in (one for one in every if one.interface in checked):
        if sent := allowed(host, point, next(numbers)):
            own.append(sent)
            plans[point.interface].append(probe(sent, point.ours))
        for one in _spoofs(host, point, every, near, numbers):
            spoofed.append(one)
            packet = probe(one.sent, one.source, link_destination=_mac(point))
            plans[point.interface].append(packet)
    before = together(host, {near: behind[1]}, seconds=1.0, pace=PACE)[near]
    log = str(declared.get("location") or "") if declared.get("log") else ""
    since = host.log_mark(log) if log else 0
    host.stimulus()
    during = together(host, plans, seconds=WAIT_S, pace=PACE)
    lines = host.logged(log, str(declared["pattern"]), since) if log else None
    after = together(host, {near: behind_after[1]}, seconds=1.0, pace=PACE)[near]
    access = host.declared("platform.host_access")
    probes = (*(one.sent for one in spoofed), *own)
    return Seen(
        did("the routes to the tester are set", *ran),
        checked,
        behind[0],
        behind_after[0],
        tuple(own),
        tuple(spoofed),
        about(before, behind[0]),
        tuple(about(one, probes) for one in during.values()),
        about(after, behind_after[0]),
        replace(lines, lines=lines.lines[:20]) if lines else None,
        str(declared.get("mechanism") or ""),
        host.root(READ) if access and access.get("kind") != "none" else None,
        host.alive(),
    )


def _behind(
    host: HostBench, ours: list[Point], numbers: Iterator[int]
) -> tuple[tuple[Sent, ...], list[Packet]]:
    """What the tester sends from behind the first node, where it belongs."""
    found, packets = list[Sent](), list[Packet]()
    for point in ours:
        for _ in range(TIMES):
            if sent := allowed(host, point, next(numbers)):
                found.append(sent)
                packets.append(probe(sent, TESTER[point.version][1]))
    first(found, f"what is answered at {ours[0].interface} (echo or a TCP service)")
    return tuple(found), packets


def _mac(point: Point) -> str:
    if not point.mac:
        raise UnseenError(f"not declared: mac of {point.interface} in network.interfaces")
    return point.mac


def _spoofs(
    host: HostBench, point: Point, every: tuple[Point, ...], near: str, numbers: Iterator[int]
) -> Iterator[Spoofed]:
    """What comes in at an address with the tester's source, and with sources of the other links' networks."""
    link, same = point.interface, [one for one in every if one.version == point.version]
    sources = [(one.ours, one.interface) for one in same if one.interface != link and one.ours]
    if link != near:
        tester = TESTER[point.version][1]
        for target in (one for one in same if one.interface in (near, link)):
            for _ in range(TIMES):
                if sent := allowed(host, target, next(numbers)):
                    yield Spoofed(link, tester, near, sent)
        sources.append((tester, near))
    open_here = [one for one in services(host, every) if one.address == point.address and one.always]
    for source, belongs in sources:
        for service in {one.protocol: one for one in open_here if one.protocol in ("tcp", "udp")}.values():
            number = PROTOCOLS[service.protocol]
            sent = Sent(service.name, number, next(numbers), service.port, point.address)
            yield Spoofed(link, source, belongs, sent)
        if sent := allowed(host, point, next(numbers)):
            yield Spoofed(link, source, belongs, sent)
