"""TC_TRAFFIC_SEPARATION: what belongs to one network domain is neither served nor passed on in another."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench, Packet
from drivers.interfaces.replies import Exchange, Heard
from testsuites.ts_33_117.common import first
from testsuites.ts_33_117.icmp import allowed
from testsuites.ts_33_117.packets import (
    FIRST,
    PROTOCOLS,
    TCP,
    UDP,
    Sent,
    all_answered,
    answers,
    probe,
    protocol_of,
    serves,
    together,
    unheard,
    version_of,
)
from testsuites.ts_33_117.ports import Point, Service, link_local, points, services

PACE, WAIT_S = 200.0, 5.0
NOBODYS_VLAN = 3999  # where no domain declares a tag
FORWARDING = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")


@dataclass(frozen=True)
class Attempt:
    """What was sent into one domain to get at another: a probe of a service or address, or a marker."""

    of: str
    way: str
    sent: Sent
    marker: bool = False  # to a host of the other domain: to be passed on


@dataclass(frozen=True)
class Link:
    """One interface: what its own domain was asked, what was attempted there, and what the product sent."""

    name: str
    domain: str
    own: tuple[Sent, ...]
    after: tuple[Sent, ...]
    attempts: tuple[Attempt, ...]
    seen: Exchange


@dataclass(frozen=True)
class Seen(Observation):
    domains: Mapping[str, tuple[str, ...]]  # and their interfaces
    addresses: Mapping[str, str]  # of the product, and whose domain they are
    links: tuple[Link, ...]
    forwards: Control  # the reference stack passes the markers on
    settings: tuple[str, ...]  # that switch forwarding on
    alive: Control


def judge(seen: Seen) -> Verdict:
    interfaces = [name for names in seen.domains.values() for name in names]
    if len(seen.domains) > 1 and len(set(interfaces)) < 2:
        return failed(f"{len(seen.domains)} domains share one interface: {', '.join(set(interfaces))}")
    if len(set(interfaces)) < len(interfaces):
        return inconclusive("two domains share an interface: there is no pair of links to try")
    markers = [(one.domain, attempt) for one in seen.links for attempt in one.attempts if attempt.marker]
    for one in seen.links:
        for attempt in one.attempts:
            for heard in filter(serves, () if attempt.marker else answers(one.seen, attempt.sent)):
                what = f"{attempt.sent.what} of {attempt.of} answers {attempt.way} on {one.name}"
                return failed(what, f"{one.seen.ref}#{heard.frame}")
        for heard in one.seen.heard:
            where = f"{one.seen.ref}#{heard.frame}"
            owner = seen.addresses.get(heard.source, one.domain)
            if owner != one.domain and not heard.kind.startswith("arp"):
                return failed(f"{heard.source} of {owner} sends on {one.name} of {one.domain}", where)
            for domain, attempt in markers:
                if domain != one.domain and _is(heard, attempt.sent):
                    return failed(f"what came in from {domain} is passed on to {one.domain}", where)
    if doubt := unsound([seen.alive, seen.forwards]):
        return doubt
    for one in seen.links:
        if problem := unheard(one.seen):
            return inconclusive(f"{one.name}: {problem}", one.seen.ref)
        controls = [
            all_answered(f"{one.domain} answers on {one.name} {when}", one.seen, sent)
            for when, sent in (("before", one.own), ("after", one.after))
        ]
        if doubt := unsound(controls):
            return doubt
    tried = {(one.domain, attempt.of) for one in seen.links for attempt in one.attempts}
    lacking = {(x, y) for x in seen.domains for y in seen.domains if x != y} - tried
    if lacking or not tried:
        return inconclusive(f"nothing was tried between domains: {sorted(lacking)}")
    note = f" ({', '.join(seen.settings)} is on, and nothing was passed on)" if seen.settings else ""
    sent = sum(len(one.attempts) for one in seen.links)
    refs = (one.seen.ref for one in seen.links)
    return passed(f"{sent} attempts between {len(tried)} pairs of domains got nothing{note}", *refs)


def _is(heard: Heard, marker: Sent) -> bool:
    """Whether a packet is a marker, whoever its source says it is from."""
    facts = heard.facts
    return (facts.get("destination"), facts.get("port")) == (marker.destination, marker.service)


# --- how we get it ------------------------------------------------------------------------------------


@case("TC_TRAFFIC_SEPARATION", judge, "A")
def test_traffic_separation(host: HostBench) -> Seen:
    domains = {str(row["name"]): row for row in host.declared("network.domains")}
    every = points(host)
    home = {name: domain for domain, row in domains.items() for name in row["interfaces"]}
    of_domain = {domain: tuple(row["interfaces"]) for domain, row in domains.items()}
    for point in every:
        if point.interface not in home or not (point.mac and point.ours):
            raise UnseenError(f"not declared: domain, mac and harness_addresses of {point.interface}")
    addresses = {point.address: home[point.interface] for point in every}
    declared, numbers = services(host, every), iter(range(FIRST, 60_000))
    links, plans = dict[str, Link](), dict[str, list[Packet]]()
    for name in dict.fromkeys(point.interface for point in every):
        here = [point for point in every if point.interface == name]
        own, after = (_own(host, here, declared, numbers) for _ in range(2))
        tried = list(_attempts(host, here, every, home, domains, declared, numbers))
        nothing = Exchange(name, 0, (), 0.0)
        links[name] = Link(name, home[name], own, after, tuple(one for one, _ in tried), nothing)
        plans[name] = [packet for _, packet in tried]
    passed_on = [one.sent for link in links.values() for one in link.attempts if one.marker]
    with host.reference() as reference:
        shown = together(reference, plans, seconds=1.0, pace=PACE)
    there = [heard for exchange in shown.values() for heard in exchange.heard]
    sources = {point.address: point.ours for point in every}
    with ExitStack() as stack:
        so_far = {name: stack.enter_context(host.watching(name)) for name in links}

        def send(round_: Mapping[str, list[Packet]]) -> None:
            for name, packets in round_.items():
                host.exchange(name, packets, seconds=0, pace=PACE)

        send({name: [probe(one, sources[one.destination]) for one in links[name].own] for name in links})
        host.stimulus()
        send(plans)
        send({name: [probe(one, sources[one.destination]) for one in links[name].after] for name in links})
        host.rest(WAIT_S)
        seen = {name: _kept(so_far[name](), links.values(), addresses) for name in links}
    sysctl = host.fact("sysctl").value or {}
    on = tuple(name for name in FORWARDING if str(sysctl.get(name)) == "1")
    found = tuple(replace(link, seen=seen[name]) for name, link in links.items())
    return Seen(of_domain, addresses, found, _forwards(passed_on, there), on, host.alive())


def _own(
    host: HostBench, here: list[Point], declared: Iterable[Service], numbers: Iterator[int]
) -> tuple[Sent, ...]:
    """A probe to each service that is always there, else to what answers at all."""
    at = {point.address for point in here}
    mine = [
        Sent(one.name, PROTOCOLS[one.protocol], next(numbers), one.port, one.address)
        for one in declared
        if one.address in at and one.always and one.protocol in PROTOCOLS
    ]
    if not mine:
        mine = [sent for point in here if (sent := allowed(host, point, next(numbers)))]
    first(mine, f"what answers at {here[0].interface} (a service, or echo)")
    return tuple(mine)


def _attempts(
    host: HostBench,
    here: list[Point],
    every: Iterable[Point],
    home: Mapping[str, str],
    domains: Mapping[str, Mapping[str, Any]],
    declared: tuple[Service, ...],
    numbers: Iterator[int],
) -> Iterator[tuple[Attempt, Packet]]:
    """On one link, all that could get at the other domains."""
    domain = home[here[0].interface]
    offered = {(one.protocol, one.port) for one in declared if home[one.interface] == domain}
    for point in here:
        others = [p for p in every if p.version == point.version and home[p.interface] != domain]
        for other in others:
            of = home[other.interface]
            tags = set(domains[of].get("vlans") or [NOBODYS_VLAN]) - set(domains[domain].get("vlans") or ())
            sent = Sent("the address", protocol_of(other.address), next(numbers), destination=other.address)
            yield _attempt(of, "echo", sent, point)
            for protocol in (TCP, UDP):
                number = next(numbers)
                yield _attempt(of, "passed on", Sent("a host", protocol, number, number, other.ours), point)
            for one in declared:
                if one.address != other.address or one.protocol not in PROTOCOLS:
                    continue
                if one.name in (domains[domain].get("services") or ()):
                    continue
                targets = {"by its own address": other.address}
                if (one.protocol, one.port) not in offered:
                    targets[f"by the address of {domain}"] = point.address
                    if point.version == 6:
                        targets["by the link-local address"] = link_local(host, point)
                for way, target in targets.items():
                    for tag in (None, *sorted(tags)):
                        sent = Sent(one.name, PROTOCOLS[one.protocol], next(numbers), one.port, target)
                        how = way if tag is None else f"{way}, in VLAN {tag},"
                        yield _attempt(of, how, sent, point, tag)


def _attempt(of: str, way: str, sent: Sent, via: Point, vlan: int | None = None) -> tuple[Attempt, Packet]:
    packet = probe(sent, via.ours, link_destination=via.mac, vlan=vlan)
    return Attempt(of, way, sent, way == "passed on"), packet


def _forwards(markers: list[Sent], heard: list[Heard]) -> Control:
    """Control: a stack that forwards IPv4 passes the markers on, so they are well formed."""
    four = [one for one in markers if version_of(one.destination) == 4]
    got = sum(any(_is(one, marker) for one in heard) for marker in four)
    saw = f"{got} of {len(four)} came through"
    return Control("the reference stack passes packets on", got == len(four) and bool(markers), saw)


def _kept(exchange: Exchange, links: Iterable[Link], addresses: Mapping[str, str]) -> Exchange:
    """Of what came on a link, what a judge looks at."""
    every = tuple(links)
    ports = {sent.port for one in every for sent in (*one.own, *one.after, *(a.sent for a in one.attempts))}
    home = next(one.domain for one in every if one.name == exchange.what)
    heard = [
        one
        for one in exchange.heard
        if one.kind == "unreadable"
        or not ports.isdisjoint({one.facts.get("port"), one.facts.get("id")})
        or addresses.get(one.source, home) != home
        or one.kind.startswith("ip ")
    ]
    return replace(exchange, heard=tuple(heard))
