"""TC_HANDLING-IP-OPTIONS-AND-EXTENSIONS: options and extension headers that nobody needs are dropped."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench, Packet, did
from drivers.interfaces.replies import Exchange
from testsuites.ts_33_117.common import first
from testsuites.ts_33_117.icmp import allowed
from testsuites.ts_33_117.ip_options import unneeded
from testsuites.ts_33_117.packets import (
    TCP,
    Sent,
    about,
    all_answered,
    answers,
    errors,
    probe,
    together,
    unheard,
)
from testsuites.ts_33_117.ports import Point, Service, points, services

TRIES, PACE, WAIT_S = 3, 100.0, 1.0
PROVEN = {  # what a stack that drops nothing answers
    4: ("record route", "unknown option 94"),
    6: ("hop-by-hop options", "destination options", "routing type 0, no segments left"),
}
THROUGH = 29_999  # source port of the packet that is to be forwarded


@dataclass(frozen=True)
class Odd:
    """A packet with an option or header, by what it has."""

    name: str
    sent: Sent


@dataclass(frozen=True)
class Tried:
    """One address: plain packets between odd ones, sent to the product and to the reference stack."""

    link: str
    version: int
    plain: tuple[Sent, ...]
    odd: tuple[Odd, ...]
    seen: Exchange
    reference: Exchange


@dataclass(frozen=True)
class Forwarded:
    """What came to a second host of what was routed through the product, and through the reference stack."""

    link: str
    seen: Exchange
    reference: Exchange


@dataclass(frozen=True)
class Seen(Observation):
    configured: tuple[Control, ...]
    tried: tuple[Tried, ...]
    forwarded: tuple[Forwarded, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    for one in seen.tried:
        for odd in one.odd:
            for heard in answers(one.seen, odd.sent):
                where = f"{one.seen.ref}#{heard.frame}"
                return failed(f"a packet with {odd.name} is answered on {one.link}: {heard.kind}", where)
    for route in seen.forwarded:
        for heard in route.seen.heard:
            where = f"{route.seen.ref}#{heard.frame}"
            return failed(f"a source-routed packet is forwarded to {route.link}", where)
    if doubt := unsound([*seen.configured, seen.alive]):
        return doubt
    for one in seen.tried:
        if problem := unheard(one.seen) or unheard(one.reference):
            return inconclusive(f"{one.link}: {problem}", one.seen.ref)
        controls = [all_answered(f"plain packets on {one.link} are answered", one.seen, one.plain)]
        for name in PROVEN[one.version]:
            tries = [odd.sent for odd in one.odd if odd.name == name]
            if tries:
                what = f"the reference stack answers {name}"
                controls.append(all_answered(what, one.reference, tries[:1]))
        if doubt := unsound(controls):
            return doubt
    for route in seen.forwarded:
        came = Control(
            "the reference stack forwards by a source route", bool(route.reference.heard), "nothing"
        )
        if doubt := unsound([came]):
            return doubt
        if problem := unheard(route.seen):
            return inconclusive(f"{route.link}: {problem}", route.seen.ref)
    every = [(one, odd) for one in seen.tried for odd in one.odd]
    if not every:
        return inconclusive("no packet with an option or extension header was sent")
    told = any(errors(one.seen, odd.sent) for one, odd in every)
    kinds = len({odd.name for _, odd in every})
    return passed(
        f"{len(every)} packets with {kinds} kinds of options or headers were dropped"
        + (", some with an ICMP error" if told else ""),
        *(one.seen.ref for one in seen.tried),
    )


@case("TC_HANDLING-IP-OPTIONS-AND-EXTENSIONS", judge, "A")
def test_ipv4_options(host: HostBench) -> Seen:
    here = [point for point in points(host) if point.version == 4]
    first(here, "an IPv4 address in network.interfaces")
    return _tried(host, here)


@case("TC_HANDLING-IP-OPTIONS-AND-EXTENSIONS", judge, "B")
def test_ipv6_headers(host: HostBench) -> Seen:
    here = [point for point in points(host) if point.version == 6]
    first(here, "an IPv6 address in network.interfaces")
    return _tried(host, here)


def _tried(host: HostBench, here: list[Point]) -> Seen:
    """Everything at each address, and IPv4 packets whose route leads through the product to the next link."""
    configured: tuple[Control, ...] = ()
    if "options" in host.declared("network.filter_action"):
        ran = host.act("network.filter_action", "options")
        configured = (did("dropping of options is configured", ran),)
    tcp = [one for one in services(host, points(host)) if one.protocol == "tcp" and one.always]
    plans = [_plan(host, point, [one for one in tcp if one.address == point.address]) for point in here]
    packets: dict[str, list[Packet]] = {point.interface: [] for point in here}
    for point, (*_, these), there in zip(here, plans, [*here[1:], here[0]], strict=True):
        packets[point.interface] += these
        if point.version == 4 and there is not point:
            packets[point.interface] += [_through(point, there)] * TRIES
    with host.reference(*sorted({one.port for one in tcp})) as reference:
        proof = together(reference, packets, seconds=WAIT_S, pace=PACE)
    host.stimulus()
    seen = together(host, packets, seconds=WAIT_S, pace=PACE)
    tried, forwarded = [], []
    for point, (plain, odd, _) in zip(here, plans, strict=True):
        link, every = point.interface, (*plain, *(one.sent for one in odd))
        came, shown = seen[link], proof[link]
        tried.append(Tried(link, point.version, plain, odd, about(came, every), about(shown, every)))
        if point.version == 4 and len(here) > 1:
            forwarded.append(Forwarded(link, _passed_on(came), _passed_on(shown)))
    return Seen(configured, tuple(tried), tuple(forwarded), host.alive())


def _through(point: Point, there: Point) -> Packet:
    """A packet that is to go on to our address on another link."""
    option = f"830704{ip_address(there.ours).packed.hex()}"
    sent = Sent("source route", TCP, THROUGH, 80, point.address)
    return replace(probe(sent, point.ours), options=option)


def _passed_on(seen: Exchange) -> Exchange:
    """Of what came, the packets that we ourselves had sent on another link."""
    heard = [one for one in seen.heard if one.kind == "tcp S" and one.facts["source_port"] == THROUGH]
    return replace(seen, heard=tuple(heard))


def _plan(
    host: HostBench, point: Point, tcp: Sequence[Service]
) -> tuple[tuple[Sent, ...], tuple[Odd, ...], list[Packet]]:
    """What is sent to an address: odd packets of each kind, with plain ones before, between and after."""
    numbers = iter(range(21_000 + 1000 * (point.version == 6), 29_000))

    def fresh() -> Sent:
        if tcp:
            return Sent(tcp[0].name, TCP, next(numbers), tcp[0].port, point.address)
        echoed = allowed(host, point, next(numbers))
        return first([echoed] if echoed else [], f"a TCP service or echo at {point.address}")

    plain, odd, packets = [], [], []
    for _ in range(TRIES):
        plain.append(fresh())
        packets.append(probe(plain[-1], point.ours))
        for name, packet in unneeded(host, point):
            odd.append(Odd(name, fresh()))
            bare = probe(odd[-1].sent, point.ours)
            packets.append(replace(bare, options=packet.options, headers=packet.headers))
    plain.append(fresh())
    return tuple(plain), tuple(odd), [*packets, probe(plain[-1], point.ours)]
