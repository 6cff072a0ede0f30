"""TC_RESTRICTED_ REACHABILITY _OF_SERVICES: a service answers on its own interface, and its own peers."""

from collections.abc import Iterable
from dataclasses import dataclass

from assay.case import Control, Observation, case, unsound
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench
from drivers.interfaces.replies import Exchange, Scan
from testsuites.ts_33_117.packets import (
    PROTOCOLS,
    Sent,
    all_answered,
    answers,
    numbered,
    probe,
    serves,
    unheard,
)
from testsuites.ts_33_117.ports import TRANSPORTS, Point, Service, open_at, points, services

ID = "TC_RESTRICTED_ REACHABILITY _OF_SERVICES"
WAIT_S = 2.0


@dataclass(frozen=True)
class Seen(Observation):
    declared: tuple[Service, ...]
    addresses: tuple[str, ...]
    scans: tuple[Scan, ...]  # every address for the ports of all services
    after: tuple[Scan, ...]  # the services where they belong, once more
    alive: Control


def judge(seen: Seen) -> Verdict:
    mapped = {(one.address, one.protocol, one.port): one for one in seen.declared}
    opened, later = open_at(seen.scans), open_at(seen.after)
    for (address, transport, number), (_, ref) in sorted(opened.items()):
        if (address, transport, number) not in mapped:
            owner = next(
                (s.name for s in seen.declared if (s.protocol, s.port) == (transport, number)), "a service"
            )
            return failed(f"{owner} ({transport} port {number}) is reachable at {address}", ref)
    if doubt := unsound([seen.alive]):
        return doubt
    if bad := next((one for one in (*seen.scans, *seen.after) if one.problem), None):
        return inconclusive(f"{bad.transport} scan of {bad.address}: {bad.problem}", bad.ref)
    if not mapped or not {one.address for one in seen.declared} <= {one.address for one in seen.scans}:
        return inconclusive("not every address with a service was scanned")
    for key, one in mapped.items():
        if one.always and one.protocol != "ip" and not (key in opened and key in later):
            return inconclusive(f"control failed: {one.name} does not answer at {one.address}")
    for address in seen.addresses:
        here = [one for one in seen.scans if one.address == address]
        if not any(one.silent < one.scanned for one in here):
            return inconclusive(f"control failed: nothing shows that {address} is reached")
    refs = [one.ref for one in seen.scans]
    return passed(
        f"{len(mapped)} services answer at their own of {len(seen.addresses)} addresses only", *refs
    )


@case(ID, judge, "A")
def test_own_interface(host: HostBench) -> Seen:
    at = points(host)
    declared = services(host, at)
    every = {(one.protocol, one.port) for one in declared}
    scans = [scan for point in at for scan in _scan(host, point.address, every)]
    after = []
    for point in at:
        mine = {(one.protocol, one.port) for one in declared if one.address == point.address}
        after += _scan(host, point.address, mine)
    addresses = tuple(point.address for point in at)
    return Seen(declared, addresses, tuple(scans), tuple(after), host.alive())


def _scan(host: HostBench, address: str, ports: Iterable[tuple[str, int]]) -> list[Scan]:
    wanted: dict[str, set[int]] = {}
    for transport, number in ports:
        wanted.setdefault(transport, set()).add(number)
    return [
        host.scan(address, transport, ",".join(map(str, sorted(wanted[transport]))))
        for transport in TRANSPORTS
        if transport in wanted
    ]


# --- B: foreign addresses, foreign peers ----------------------------------------------------------


@dataclass(frozen=True)
class Attempted:
    """One link: what its own services were asked before and after, and what else was tried there."""

    link: str
    own: tuple[Sent, ...]
    foreign: tuple[Sent, ...]  # services of other interfaces, by the address they have there
    strangers: tuple[Sent, ...]  # its own services, from an address that is no peer
    after: tuple[Sent, ...]
    seen: Exchange


@dataclass(frozen=True)
class Foreign(Observation):
    links: tuple[Attempted, ...]
    alive: Control


def judge_foreign(seen: Foreign) -> Verdict:
    tried = 0
    for one in seen.links:
        for probes, why in ((one.foreign, "over the link"), (one.strangers, "a non-peer on the link")):
            for sent in probes:
                tried += 1
                for heard in filter(serves, answers(one.seen, sent)):
                    return failed(f"{sent.what} answers {why} {one.link}", f"{one.seen.ref}#{heard.frame}")
    if doubt := unsound([seen.alive]):
        return doubt
    for one in seen.links:
        if problem := unheard(one.seen):
            return inconclusive(f"{one.link}: {problem}", one.seen.ref)
        if one.own:
            controls = [all_answered(f"services of {one.link}", one.seen, s) for s in (one.own, one.after)]
            if doubt := unsound(controls):
                return doubt
    if not tried or not any(one.own for one in seen.links):
        return inconclusive("there was nothing to try: one interface, and no service with peers")
    return passed(
        f"{tried} attempts by a foreign interface or a foreign peer got no service",
        *(one.seen.ref for one in seen.links),
    )


@case(ID, judge_foreign, "B")
def test_foreign(host: HostBench) -> Foreign:
    at = points(host)
    declared = services(host, at)
    found = []
    for link in dict.fromkeys(point.interface for point in at):
        here = [point for point in at if point.interface == link]
        found.append(_attempt(host, link, here, at, declared))
    return Foreign(tuple(found), host.alive())


def _attempt(
    host: HostBench, link: str, here: list[Point], at: Iterable[Point], declared: Iterable[Service]
) -> Attempted:
    """One exchange: a link's own services, foreign ones, strangers, its own again."""
    if not all(point.mac and point.ours for point in here):
        raise UnseenError(f"not declared: mac and harness_addresses of {link} in network.interfaces")
    by_address = {point.address: point for point in at}
    by_version = {point.version: point for point in here}
    usable = [one for one in declared if one.protocol in PROTOCOLS and one.always]
    mine = [one for one in usable if one.interface == link]
    others = [
        one for one in usable if one.interface != link and by_address[one.address].version in by_version
    ]
    guarded = [one for one in mine if one.peers and by_address[one.address].stranger]
    own, foreign, strangers, after = numbered(mine, others, guarded, mine)
    packets = [probe(sent, by_address[sent.destination].ours) for sent in own]
    for sent in foreign:
        via = by_version[by_address[sent.destination].version]
        packets.append(probe(sent, via.ours, link_destination=via.mac))
    packets += [probe(sent, by_address[sent.destination].stranger) for sent in strangers]
    packets += [probe(sent, by_address[sent.destination].ours) for sent in after]
    seen = host.exchange(link, packets, seconds=WAIT_S, pace=50)
    return Attempted(link, own, foreign, strangers, after, seen)
