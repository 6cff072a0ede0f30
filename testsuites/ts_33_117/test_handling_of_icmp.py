"""TC_HANDLING_OF_ICMP: ICMP that is not needed is not answered, changes nothing, and Time Exceeded is off."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Interface
from drivers.interfaces.host import HostBench, Packet, rows
from drivers.interfaces.replies import Exchange, Ran
from testsuites.ts_33_117 import icmp
from testsuites.ts_33_117.common import first
from testsuites.ts_33_117.packets import (
    ICMP,
    Sent,
    all_answered,
    joined,
    probe,
    protocol_of,
    together,
    unheard,
    version_of,
)
from testsuites.ts_33_117.ports import Point, points

CASE = "TC_HANDLING_OF_ICMP"
PACE, WAIT_S = 100.0, 5.0  # of both IP versions on a link


def _by_link(host: HostBench) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points(host):
        found.setdefault(point.interface, []).append(point)
    return found


def _known(host: HostBench, link: str) -> tuple[tuple[int, int], ...]:
    """IP version and type of all that may be sent: what is documented, and the replies to it."""
    kinds = ((v, kind) for v in (4, 6) for kind in icmp.documented(host, link, v))
    return tuple({found for v, kind in kinds for found in ((v, kind), (v, icmp.REPLY[v].get(kind, kind)))})


def _kept(exchange: Exchange) -> Exchange:
    """What a judge looks at: ICMP, ARP, answers over TCP to the controls, and what cannot be read."""
    kinds = ("echo", "icmp", "arp", "tcp S", "unreadable")
    return replace(exchange, heard=tuple(one for one in exchange.heard if one.kind.startswith(kinds)))


# --- A: no forbidden replies --------------------------------------------------------------------------


@dataclass(frozen=True)
class Probed:
    """One link: what the product sent when nobody asked, and what when every type came."""

    link: str
    controls: tuple[Sent, ...]  # before and after
    numbers: tuple[int, ...]  # identifiers of the messages
    known: tuple[tuple[int, int], ...]  # IP version and type that may be sent
    quiet: Exchange
    seen: Exchange
    reference: Exchange | None  # that answers timestamps; None without IPv4


@dataclass(frozen=True)
class Replies(Observation):
    links: tuple[Probed, ...]
    alive: Control


def judge_replies(seen: Replies) -> Verdict:
    echoes = False
    for one in seen.links:
        unasked, told = Counter(map(icmp.kind_of, one.quiet.heard)), Counter[tuple[int, int]]()
        for heard in one.seen.heard:
            kind = icmp.kind_of(heard)
            if kind is None or kind in one.known:
                continue
            echoes |= kind in ((4, 0), (6, 129))
            others = kind in icmp.IDENTIFIED and heard.facts.get("id") not in one.numbers
            if kind in icmp.NO_REPLY or others:
                continue
            told[kind] += 1
            if told[kind] > unasked[kind] + bool(unasked[kind]):  # who sends them anyway may be one early
                where = f"{one.seen.ref}#{heard.frame}"
                return failed(f"ICMP of IPv{kind[0]} is answered with type {kind[1]} on {one.link}", where)
    if doubt := unsound([seen.alive]):
        return doubt
    for one in seen.links:
        if problem := unheard(one.seen) or unheard(one.quiet):
            return inconclusive(f"{one.link}: {problem}", one.seen.ref)
        controls = [all_answered(f"what is allowed on {one.link}", one.seen, one.controls)]
        if one.reference is not None:
            drawn = any(icmp.kind_of(heard) == (4, 14) for heard in one.reference.heard)
            controls.append(Control("the reference stack answers timestamps", drawn, "no type 14"))
        if doubt := unsound(controls):
            return doubt
        if one.quiet.seconds < one.seen.seconds / 2:
            return inconclusive(f"{one.link} was not watched long enough without probes", one.quiet.ref)
    if not seen.links:
        return inconclusive("no link was tried")
    note = " (echo is answered, which is not documented)" if echoes else ""
    sent = sum(one.seen.sent - len(one.controls) for one in seen.links)
    refs = (one.seen.ref for one in seen.links)
    return passed(f"none of {sent} ICMP messages drew a forbidden reply{note}", *refs)


@case(CASE, judge_replies, "A")
def test_replies(host: HostBench) -> Replies:
    by_link = _by_link(host)
    plans = {link: _plan(host, here) for link, here in by_link.items()}
    longest = max(len(packets) for _, packets, _ in plans.values()) / PACE + WAIT_S
    stamps = {
        p.interface: [Packet(p.address, ICMP, icmp.request(4, 13, 1, p.address), p.ours)] * 2
        for p in points(host)
        if p.version == 4
    }
    with host.reference() as reference:
        shown = together(reference, stamps, seconds=1.0, pace=PACE) if stamps else {}
    with ExitStack() as stack:
        so_far = {link: stack.enter_context(host.watching(link)) for link in plans}
        host.rest(longest)
        quiet = {link: _kept(so_far[link]()) for link in plans}
    host.stimulus()
    with ThreadPoolExecutor() as pool:  # each link at its pace
        running = {
            link: pool.submit(host.exchange, link, packets, seconds=WAIT_S, pace=PACE)
            for link, (_, packets, _) in plans.items()
        }
    links = [
        Probed(
            link,
            controls,
            numbers,
            _known(host, link),
            quiet[link],
            _kept(running[link].result()),
            _kept(shown[link]) if link in shown else None,
        )
        for link, (controls, _, numbers) in plans.items()
    ]
    return Replies(tuple(links), host.alive())


def _plan(host: HostBench, here: list[Point]) -> tuple[tuple[Sent, ...], list[Packet], tuple[int, ...]]:
    """The packets for one link, both IP versions in turn, with what is answered first and last."""
    numbers = iter(range(0x5300, 0x7000))
    before, after = (
        [one for point in here if (one := icmp.allowed(host, point, next(numbers)))] for _ in range(2)
    )
    first(before, f"what is answered at {here[0].interface} (echo or a TCP service)")
    series = [list(icmp.series(host, point, numbers)) for point in here]
    turns = range(max(map(len, series)))
    packets = [one[n] for n in turns for one in series if n < len(one)]
    ours = {point.address: point.ours for point in here}
    first_, last = ([probe(one, ours[one.destination]) for one in group] for group in (before, after))
    return (*before, *after), [*first_, *packets, *last], tuple(range(0x5300, next(numbers)))


# --- B: no configuration change -----------------------------------------------------------------------


@dataclass(frozen=True)
class Lured:
    """One link: who was named as another gateway, and what the product and the reference stack did."""

    link: str
    gateway: str  # empty: there is no flow to redirect
    advertised: bool
    seen: Exchange
    reference: Exchange


@dataclass(frozen=True)
class Changes(Observation):
    states: tuple[Ran, ...]  # before and after; none without host access
    flows: tuple[Control, ...]  # to hosts behind a gateway, before and after
    links: tuple[Lured, ...]
    alive: Control


def judge_changes(seen: Changes) -> Verdict:
    for one in seen.links:
        if icmp.redirected(one.seen, one.gateway):
            return failed(f"a redirect is believed: {one.gateway} is asked for on {one.link}", one.seen.ref)
        if icmp.configured(one.seen):
            return failed(f"a router advertisement makes an address on {one.link}", one.seen.ref)
    if len(seen.states) == 1 or not all(ran.ok and ran.out.strip() for ran in seen.states):
        return inconclusive("the configuration was not read", *(ran.ref for ran in seen.states))
    was, now = map(icmp.state, (ran.out for ran in seen.states)) if seen.states else (set[str](), set[str]())
    for line in (*sorted(now - was), *sorted(was - now)):
        return failed(
            f"redirects or router advertisements changed the configuration: {line}", seen.states[1].ref
        )
    if not seen.flows or not any(one.gateway for one in seen.links):
        return inconclusive("there was no flow to redirect")
    believed = any(icmp.redirected(one.reference, one.gateway) for one in seen.links)
    controls = [
        *seen.flows,
        seen.alive,
        Control("the reference stack believes redirects", believed, "it did not"),
    ]
    if any(one.advertised for one in seen.links):
        believed = any(icmp.configured(one.reference) for one in seen.links)
        controls.append(Control("it believes router advertisements", believed, "it did not"))
    if doubt := unsound(controls):
        return doubt
    for one in seen.links:
        if problem := unheard(one.seen):
            return inconclusive(f"{one.link}: {problem}", one.seen.ref)
    refs = (*(ran.ref for ran in seen.states), *(one.seen.ref for one in seen.links))
    what = f"redirects of IPv4 and router advertisements on {len(seen.links)} links"
    return passed(f"{what} changed none of {len(was)} settings, addresses and routes", *refs)


@case(CASE, judge_changes, "B")
def test_changes(host: HostBench) -> Changes:
    declared = {str(row["name"]): row for row in host.declared("network.interfaces")}
    mtus = {row.mac.lower(): row.mtu for row in rows(host.fact("interfaces"), Interface)}
    by_link, plans, back = _by_link(host), dict[str, list[Packet]](), dict[str, list[Packet]]()
    gateways, flows = dict[str, str](), list[tuple[Point, str]]()
    for link, here in by_link.items():
        row, plans[link], back[link], gateways[link] = declared[link], [], [], ""
        for point in here:
            if point.version == 6:
                mtu = mtus.get(point.mac.lower(), 1500)
                lure = icmp.advertisement(max(1280, mtu - 100))
                plans[link] += [icmp.solicitation(point.address, point.mac), lure, lure]
                back[link].append(icmp.advertisement(mtu, 0))
            elif row.get("beyond") and row.get("gateway"):
                gateways[link] = _another(row)
                flows.append((point, str(row["beyond"])))
                turn = icmp.redirects(point.address, str(row["beyond"]), str(row["gateway"]), gateways[link])
                plans[link] += turn * 3
                undo = icmp.redirect(
                    1, point.address, str(row["beyond"]), gateways[link], str(row["gateway"])
                )
                back[link].append(undo)
    access = host.declared("platform.host_access")
    script = icmp.STATE + "".join(f"ip route get {to} | head -n 1\n" for _, to in flows)
    states = [script] * 2 if access and access.get("kind") != "none" else []
    pace = 5.0  # the turns are a second apart
    with host.reference() as reference:
        controls = [_flow(host, point, beyond, 0x5401) for point, beyond in flows]
        before = [host.root(one) for one in states[:1]]
        together(reference, {link: [] for link in plans}, seconds=3.0, pace=pace)  # until it is there
        shown = together(reference, plans, seconds=3.0, pace=pace)
    host.stimulus()
    seen = together(host, plans, seconds=3.0, pace=pace)
    after = [host.root(one) for one in states[1:]]
    controls += [_flow(host, point, beyond, 0x5402) for point, beyond in flows]
    together(host, back, seconds=0.5, pace=PACE)  # what was believed is taken back
    links = [
        Lured(link, gateways[link], any(p.version == 6 for p in here), _kept(seen[link]), _kept(shown[link]))
        for link, here in by_link.items()
    ]
    return Changes((*before, *after), tuple(controls), tuple(links), host.alive())


def _flow(host: HostBench, point: Point, beyond: str, number: int) -> Control:
    """Control: what an address behind the gateway asks is answered."""
    sent = Sent("echo", ICMP, number, destination=point.address)
    seen = host.exchange(point.interface, [probe(sent, beyond)], seconds=1.0)
    return all_answered(f"{beyond}, behind the gateway, gets answers", seen, [sent])


def _another(row: dict[str, Any]) -> str:
    """Another address of ours on the link, which answers ARP: the gateway that redirects name."""
    bare = (str(text).partition("/")[0] for text in row.get("harness_addresses") or ())
    others = (one for one in bare if version_of(one) == 4 and one != row["gateway"])
    return first(others, "a second IPv4 address in harness_addresses, for the gateway of redirects")


# --- C: no Time Exceeded by default -------------------------------------------------------------------

LATE_S = {4: 35.0, 6: 65.0}  # where nothing shorter is declared
EXCEEDED = {4: (4, 11), 6: (6, 3)}


@dataclass(frozen=True)
class Late:
    """One link: what came after lone fragments and packets that die on their way."""

    link: str
    whole: tuple[Sent, ...]  # requests in fragments that are all there
    known: tuple[tuple[int, int], ...]
    lasts: float  # how long the product waits for the rest, and 5 s
    seen: Exchange
    reference: Exchange


@dataclass(frozen=True)
class Exceeded(Observation):
    links: tuple[Late, ...]
    alive: Control


def judge_exceeded(seen: Exceeded) -> Verdict:
    for one in seen.links:
        for heard in one.seen.heard:
            kind = icmp.kind_of(heard)
            if kind in EXCEEDED.values() and kind not in one.known:
                return failed(f"Time Exceeded is sent on {one.link}", f"{one.seen.ref}#{heard.frame}")
    if doubt := unsound([seen.alive]):
        return doubt
    for one in seen.links:
        if problem := unheard(one.seen):
            return inconclusive(f"{one.link}: {problem}", one.seen.ref)
        if one.whole and (doubt := unsound([all_answered("requests in fragments", one.seen, one.whole)])):
            return doubt
        if one.seen.seconds < one.lasts:
            return inconclusive(f"{one.link} was not watched long enough", one.seen.ref)
    shown = {icmp.kind_of(heard) for heard in joined(one.reference for one in seen.links).heard}
    if not shown & set(EXCEEDED.values()):
        return inconclusive("control failed: the reference stack sends Time Exceeded after the same packets")
    least = min(one.lasts for one in seen.links)
    return passed(
        f"no Time Exceeded in {least:g} s after lone fragments", *(one.seen.ref for one in seen.links)
    )


@case(CASE, judge_exceeded, "C")
def test_exceeded(host: HostBench) -> Exceeded:
    declared = {str(row["name"]): row for row in host.declared("network.interfaces")}
    by_link, every, links = _by_link(host), points(host), dict[str, tuple[tuple[Sent, ...], float]]()
    plans = dict[str, list[Packet]]()
    for link, here in by_link.items():
        whole, plans[link] = list[Sent](), []
        for number, point in enumerate(here, 0x5501):
            sent = Sent("echo in fragments", protocol_of(point.address), number, destination=point.address)
            if icmp.takes_fragments(host, link, point.version):
                whole.append(sent)
            one, two = icmp.fragments(probe(sent, point.ours), number)
            plans[link] += [one, two, replace(one, identification=0x5600 + number)]
            beyond = next((p for p in every if p.version == point.version and p.interface != link), None)
            if beyond is not None:
                dying = Sent(
                    "a packet that dies", protocol_of(point.address), number, destination=beyond.ours
                )
                plans[link].append(replace(probe(dying, point.ours, link_destination=point.mac), hop_limit=1))
        wait = declared[link].get("reassembly_s") or max(LATE_S[point.version] - 5 for point in here)
        links[link] = tuple(whole), wait + 5
    with host.reference() as reference:
        shown = together(reference, plans, seconds=2.0, pace=PACE)
    host.stimulus()
    longest = max(lasts for _, lasts in links.values())
    seen = together(host, plans, seconds=longest + 0.5, pace=PACE)
    late = [
        Late(link, whole, _known(host, link), lasts, _kept(seen[link]), _kept(shown[link]))
        for link, (whole, lasts) in links.items()
    ]
    return Exceeded(tuple(late), host.alive())
