"""TC_BROADCAST_ICMP_HANDLING: kernel functions that nobody needs are off, answers to all first."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Arp, HostBench, Packet, did
from drivers.interfaces.replies import Exchange, Heard, Ran
from testsuites.ts_33_117.common import first
from testsuites.ts_33_117.icmp import allowed
from testsuites.ts_33_117.packets import (
    ICMP,
    UDP,
    Sent,
    all_answered,
    answers,
    echo,
    icmp,
    probe,
    together,
    udp,
    unheard,
)
from testsuites.ts_33_117.ports import Point, points

CASE = "TC_BROADCAST_ICMP_HANDLING"
EACH, PACE, WAIT_S = 10, 200.0, 5.0
REPLIES = {0: "an echo reply", 14: "a timestamp reply"}
SETTING = "net.ipv4.icmp_echo_ignore_broadcasts"


def _networks(host: HostBench) -> dict[str, IPv4Interface]:
    """Of each IPv4 link, the product's address with its network."""
    found = dict[str, IPv4Interface]()
    for row in host.declared("network.interfaces"):
        for text in row["addresses"]:
            if ":" not in text:
                found.setdefault(str(row["name"]), IPv4Interface(text))
    return found


def _here(host: HostBench) -> list[Point]:
    """The product's first IPv4 address on each link."""
    found = {point.interface: point for point in reversed(points(host)) if point.version == 4}
    first(found, "an IPv4 address in network.interfaces")
    return [found[name] for name in _networks(host) if name in found]


# --- A: broadcast ICMP ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One link: what answered requests to everybody, on the product and on the reference stack."""

    link: str
    unicast: tuple[Sent, ...]  # before and after
    numbers: tuple[int, ...]  # identifiers of the requests to everybody
    seen: Exchange
    reference: Exchange


@dataclass(frozen=True)
class Replies(Observation):
    links: tuple[Asked, ...]
    setting: str  # where it can be read
    alive: Control


def judge_replies(seen: Replies) -> Verdict:
    for one in seen.links:
        for heard in _replied(one.seen, one.numbers):
            what, where = REPLIES[heard.facts["type"]], f"{one.seen.ref}#{heard.frame}"
            return failed(f"a request to everybody on {one.link} draws {what}", where)
    if doubt := unsound([seen.alive]):
        return doubt
    for one in seen.links:
        if problem := unheard(one.seen) or unheard(one.reference):
            return inconclusive(f"{one.link}: {problem}", one.seen.ref)
        drawn = {heard.facts["type"] for heard in _replied(one.reference, one.numbers)}
        shown = Control(
            "the reference stack answers broadcast echo and timestamp",
            drawn == set(REPLIES),
            f"types {drawn}",
        )
        reached = all_answered(f"the product is reached on {one.link}", one.seen, one.unicast)
        if doubt := unsound([reached, shown]):
            return doubt
        if one.seen.seconds < WAIT_S or not one.numbers:
            return inconclusive(f"{one.link} was not watched long enough", one.seen.ref)
    if not seen.links:
        return inconclusive("no link was tried")
    note = "" if seen.setting in ("", "1") else f" ({SETTING} is {seen.setting}: something else drops them)"
    asked = sum(one.seen.sent - len(one.unicast) for one in seen.links)
    return passed(
        f"none of {asked} requests to everybody was answered{note}", *(x.seen.ref for x in seen.links)
    )


def _replied(exchange: Exchange, numbers: tuple[int, ...]) -> Iterator[Heard]:
    for heard in exchange.heard:
        of_icmp = heard.kind.startswith(("echo-reply", "icmp ")) and heard.facts.get("type") in REPLIES
        if of_icmp and heard.facts.get("id") in numbers:
            yield heard


@case(CASE, judge_replies, "A")
def test_broadcast(host: HostBench) -> Replies:
    here, networks = _here(host), _networks(host)
    plans, numbers = dict[str, list[Packet]](), dict[str, list[int]]()
    unicast: dict[str, tuple[Sent, ...]] = {}
    for number, point in enumerate(here):
        ident, link = 0x6000 + 0x100 * number, point.interface
        controls = [one for n in (0, 1) if (one := allowed(host, point, ident + n)) is not None]
        first(controls, f"what is answered at {link} (echo or a TCP service)")
        unicast[link], numbers[link], packets = tuple(controls), [], []
        for group in ("255.255.255.255", str(networks[link].network.broadcast_address), "224.0.0.1"):
            for kind in (8, 13):
                numbers[link].append(ident + 2 + len(numbers[link]))
                rest = struct.pack(">HH", numbers[link][-1], 1) + bytes(12)
                packets += [Packet(group, ICMP, icmp(kind, 0, rest), point.ours)] * EACH
        plans[link] = [probe(controls[0]), *packets, probe(controls[-1])]
    with host.reference() as reference:
        shown = together(reference, plans, seconds=1.0, pace=PACE)
    host.stimulus()
    seen = together(host, plans, seconds=WAIT_S, pace=PACE)
    links = [
        Asked(
            link,
            unicast[link],
            tuple(numbers[link]),
            _of_icmp(seen[link]),
            _of_icmp(shown[link]),
        )
        for link in plans
    ]
    settings = host.fact("sysctl").value or {}
    return Replies(tuple(links), str(settings.get(SETTING, "")), host.alive())


def _of_icmp(exchange: Exchange) -> Exchange:
    """What a judge looks at: ICMP over IPv4, answers over TCP to the controls, and what cannot be read."""
    kinds = ("echo", "icmp ", "tcp S", "unreadable")
    return replace(exchange, heard=tuple(one for one in exchange.heard if one.kind.startswith(kinds)))


# --- B: the other functions -------------------------------------------------------------------------------

FOREIGN_MAC = "02:53:43:41:53:77"  # nobody's
GROUP, PORT = "233.252.0.1", 47_999  # MCAST-TEST-NET (RFC 6676)
FUNCTIONS = {
    "proxy_arp": "proxy-arp",
    "bc_forwarding": "directed-broadcast",
    "mc_forwarding": "multicast-forwarding",
    "arp_accept": "gratuitous-arp-accept",
    "arp_notify": "gratuitous-arp-send",
}
READ = (
    "cd /proc/sys/net/ipv4/conf && grep . "
    + " ".join(f"*/{name}" for name in (*FUNCTIONS, "drop_gratuitous_arp", "forwarding"))
    + "; ip -4 neigh show 2>/dev/null || cat /proc/net/arp"
)


@dataclass(frozen=True)
class Link:
    """One link: what was asked for, what was announced, and what came."""

    name: str
    device: str
    proxied: str  # an address of another link that was asked for
    known: (
        str  # addresses that were announced to be elsewhere: one that the product knows, one that it does not
    )
    unused: str
    told: tuple[Sent, ...]  # echo requests from these two
    controls: tuple[Sent, ...]
    seen: Exchange
    reference: Exchange
    started: Exchange | None  # what came while an interface was started


@dataclass(frozen=True)
class Functions(Observation):
    links: tuple[Link, ...]
    restarted: Control | None  # None where nothing is declared that starts an interface
    settings: Ran | None  # None without host access
    exceptions: tuple[dict[str, Any], ...]
    alive: Control


def judge_functions(seen: Functions) -> Verdict:
    def exempt(function: str, *links: str) -> bool:
        rows = [row for row in seen.exceptions if row.get("function") == function]
        return any(row.get("interface", "all") in ("all", *links) for row in rows)

    names = {one.device: one.name for one in seen.links}
    values = _values(seen.settings)
    for (device, setting), value in values.items():
        if device not in ("default", "lo") and setting in FUNCTIONS and value != "0":
            function = FUNCTIONS[setting]
            if not exempt(function, names.get(device, device)):
                ref = seen.settings.ref if seen.settings else ""
                return failed(f"{function} is on: {device}.{setting} is {value}", ref)
    for one in seen.links:
        for function, what, heard in _did(one):
            if not exempt(function, one.name):
                return failed(f"{function} on {one.name}: {what}", f"{one.seen.ref}#{heard.frame}")
    if seen.settings and FOREIGN_MAC in seen.settings.out and not exempt("gratuitous-arp-accept"):
        return failed("the neighbour table has what a gratuitous ARP said", seen.settings.ref)
    if doubt := unsound([seen.alive, *([seen.restarted] if seen.restarted else [])]):
        return doubt
    if seen.settings and (seen.settings.problem or not values):
        return inconclusive(f"the settings were not read: {seen.settings.problem or seen.settings.err}")
    for one in seen.links:
        if problem := unheard(one.seen) or unheard(one.reference):
            return inconclusive(f"{one.name}: {problem}", one.seen.ref)
        if doubt := unsound(_proofs(one)):
            return doubt
    if len(seen.links) < 2:
        return inconclusive("functions between interfaces need two IPv4 links")
    return passed(
        f"{len(FUNCTIONS)} kernel functions are off on {len(seen.links)} links"
        + ("" if seen.restarted else " (no interface was started)"),
        *(one.seen.ref for one in seen.links),
    )


def _values(settings: Ran | None) -> dict[tuple[str, str], str]:
    """The settings that were read: device and name."""
    found = {}
    for line in settings.out.splitlines() if settings else ():
        path, between, value = line.rpartition(":")
        device, _, name = path.partition("/")
        if between and name and value.strip().isdecimal():
            found[device, name] = value.strip()
    return found


def _did(one: Link) -> Iterator[tuple[str, str, Heard]]:
    """What the product did on a link that belongs to a function."""
    for heard in one.seen.heard:
        source, target = heard.facts.get("source"), heard.facts.get("destination")
        if heard.kind == "arp reply" and source == one.proxied:
            yield "proxy-arp", f"ARP for {source} is answered", heard
        if heard.kind == "echo-reply" and heard.facts.get("to_mac") == FOREIGN_MAC:
            yield "gratuitous-arp-accept", f"what is for {target} goes where a gratuitous ARP said", heard
        if heard.kind == "udp" and heard.facts.get("port") == PORT:
            function = "multicast-forwarding" if target == GROUP else "directed-broadcast"
            yield function, f"a packet for {target} came from another network", heard
    for heard in (*one.seen.heard, *(one.started.heard if one.started else ())):
        asked_for = heard.facts.get("destination")
        if heard.kind.startswith("arp") and heard.facts.get("source") == asked_for:
            yield "gratuitous-arp-send", f"it announces {asked_for} unasked", heard


def _proofs(one: Link) -> list[Control]:
    """That probes reach the product, and that they work on a stack that does all this."""
    kept, moved = answers(one.seen, one.told[0]), answers(one.reference, one.told[1])
    asks = [h for h in one.seen.heard if h.kind == "arp request" and h.facts["destination"] == one.unused]
    poisoned = [h for h in moved if h.facts["to_mac"] == FOREIGN_MAC]
    proxied = [h for h in one.reference.heard if h.kind == "arp reply" and h.facts["source"] == one.proxied]
    there = [h for h in kept if h.facts["to_mac"] != FOREIGN_MAC]
    return [
        all_answered(f"the product is reached on {one.name}", one.seen, one.controls),
        Control(f"it sends to {one.known} on {one.name}", bool(there), f"{len(kept)} replies"),
        Control(f"it asks where {one.unused} is on {one.name}", bool(asks), "no ARP request"),
        Control("gratuitous ARP moves an address on the reference stack", bool(poisoned), "it does not"),
        Control("the reference stack answers ARP for others", bool(proxied), "it does not"),
    ]


@case(CASE, judge_functions, "B")
def test_functions(host: HostBench) -> Functions:
    here, networks = _here(host), _networks(host)
    rows = {str(row["name"]): row for row in host.declared("network.interfaces")}
    plans = dict[str, list[Packet | Arp]]()
    made: dict[str, dict[str, Any]] = {}
    for number, (point, there) in enumerate(zip(here, [*here[1:], here[0]], strict=True)):
        made[point.interface], plans[point.interface] = _plan(host, number, point, there, networks)
    with host.reference() as reference:
        shown = together(reference, plans, seconds=1.5, pace=50.0)
    host.stimulus()
    seen = together(host, plans, seconds=1.5, pace=50.0)
    restarted, started = _started(host, plans)
    access = host.declared("platform.host_access")
    settings = host.root(READ) if access and access.get("kind") != "none" else None
    links = [
        Link(
            device=str(rows[link].get("device") or ""),
            seen=_kept(seen[link]),
            reference=_kept(shown[link]),
            started=started.get(link),
            **told,
        )
        for link, told in made.items()
    ]
    exceptions = tuple(host.declared("network.kernel_exceptions"))
    return Functions(tuple(links), restarted, settings, exceptions, host.alive())


def _plan(
    host: HostBench, number: int, point: Point, there: Point, networks: Mapping[str, IPv4Interface]
) -> tuple[dict[str, Any], list[Packet | Arp]]:
    """What is sent on a link, and what the judge has to know of it."""
    network = networks[point.interface].network
    taken = {point.address, point.ours, point.stranger}
    free = (str(one) for one in (network[n] for n in range(-2, -network.num_addresses, -1)))
    known, unused = [next(one for one in free if one not in taken) for _ in range(2)]
    ident = 0x6800 + 0x100 * number
    told = tuple(Sent("echo", ICMP, ident + n, destination=point.address) for n in range(2))
    controls = tuple(one for n in (2, 3) if (one := allowed(host, point, ident + n)) is not None)
    first(controls, f"what is answered at {point.interface} (echo or a TCP service)")
    packets: list[Packet | Arp] = [probe(controls[0]), Arp(known, point.address)]
    packets += [Arp(point.ours, there.ours)] * 3
    for address in (known, unused):
        packets += [Arp(address, address, reply=reply, hardware=FOREIGN_MAC) for reply in (False, True)]
    for sent, source in zip(told, (known, unused), strict=True):
        packets.append(Packet(point.address, ICMP, echo(point.address, sent.port), source))
    group = Packet(GROUP, UDP, udp(PORT, PORT, "6173736179"), point.ours)
    all_there = str(networks[there.interface].network.broadcast_address)
    packets += [group] * 3
    if there is not point and point.mac:
        packets += [replace(group, destination=all_there, link_destination=point.mac)] * 3
    packets.append(probe(controls[-1]))
    row = {"name": point.interface, "proxied": there.ours, "known": known, "unused": unused}
    return {**row, "told": told, "controls": controls}, packets


def _started(host: HostBench, links: Iterable[str]) -> tuple[Control | None, dict[str, Exchange]]:
    """What comes on each link while an interface goes down and up again, where the product can do that."""
    trigger = ((host.declared("logs.events") or {}).get("interface-status") or {}).get("trigger")
    if not trigger:
        return None, {}
    with ExitStack() as stack:
        so_far = {link: stack.enter_context(host.watching(link)) for link in links}
        ran = [host.do(trigger, state=state) for state in ("down", "up")]
        host.rest(1.0)
        return did("an interface is set down and up", *ran), {link: _kept(so_far[link]()) for link in so_far}


def _kept(exchange: Exchange) -> Exchange:
    """What a judge looks at: ARP, echo, what cannot be read, answers over TCP, and what was forwarded."""
    kinds = ("arp", "echo-reply", "udp", "unreadable", "tcp S")
    return replace(exchange, heard=tuple(h for h in exchange.heard if h.kind.startswith(kinds)))
