"""TC_BVT_PORT_SCANNING: what answers from outside is documented, and what is documented answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench
from drivers.interfaces.replies import Scan
from testsuites.ts_33_117.packets import FIRST, TCP, Sent, answers, probe
from testsuites.ts_33_117.ports import (
    PORTS,
    Listing,
    Point,
    Service,
    holders,
    listing,
    open_at,
    points,
    scan_all,
    second_look,
    services,
    silent_at,
    undeclared,
    unlisted,
    unscanned,
)

TRIES = 100
REFUSING = 1  # a port that nobody listens at: it is refused


@dataclass(frozen=True)
class Seen(Observation):
    addresses: tuple[str, ...]
    declared: tuple[Service, ...]
    scans: tuple[Scan, ...]
    again: tuple[Scan, ...]  # single ports
    loss: tuple[Control, ...]
    listed: Listing
    alive: Control


def judge(seen: Seen) -> Verdict:
    every = (*seen.scans, *seen.again)
    if found := undeclared(every, seen.declared, seen.listed):
        return failed(*found)
    if doubt := unsound([*seen.loss, seen.alive]) or unscanned(seen.scans, seen.declared, seen.listed):
        return doubt
    whole = {(one.address, one.transport) for one in seen.scans if one.scanned >= PORTS}
    for address in seen.addresses:
        for transport in ("tcp", "udp", "sctp"):
            if (address, transport) not in whole:
                return inconclusive(f"not every {transport} port of {address} was scanned")
    opened, silent = open_at(every), silent_at(every)
    undecided = None
    for one in seen.declared:
        key = (one.address, one.protocol, one.port)
        if one.protocol == "ip" or not one.always or key in opened:
            continue
        where = f"{one.name} ({one.protocol} port {one.port} of {one.address})"
        if one.protocol == "udp" and key in silent:
            if unlisted(seen.listed) or not holders(seen.listed, *key):
                undecided = inconclusive(f"{where} says nothing and is not in the host's list", silent[key])
            continue
        return failed(f"{where} is declared as always open and is not", _evidence(seen, key))
    if undecided:
        return undecided
    if vague := next((one for one in seen.declared if not one.purpose), None):
        return inconclusive(f"not declared: the purpose of {vague.name} in services.list")
    ports = sum(transport != "ip" for _, transport, _ in opened)
    return passed(
        f"{ports} ports of {len(seen.addresses)} addresses are open, and each is declared",
        *(one.ref for one in seen.scans),
    )


def _evidence(seen: Seen, key: tuple[str, str, int]) -> str:
    looks = [one.ref for one in (*seen.scans, *seen.again) if (one.address, one.transport) == key[:2]]
    return looks[-1] if looks else ""


@case("TC_BVT_PORT_SCANNING", judge, "A")
def test_bvt_port_scanning(host: HostBench) -> Seen:
    at = points(host)
    declared = services(host, at)
    before = host.fact("listening", fresh=True)
    scans = scan_all(host, at)
    listed = listing(host, before)
    links = dict.fromkeys(point.interface for point in at)
    return Seen(
        tuple(point.address for point in at),
        declared,
        scans,
        second_look(host, scans, declared, listed),
        tuple(_loss(host, link, at, declared, scans) for link in links),
        listed,
        host.alive(),
    )


def _loss(
    host: HostBench, link: str, at: Sequence[Point], declared: Sequence[Service], scans: Sequence[Scan]
) -> Control:
    """Whether as many probes as the scan sends in that time are all answered."""
    sent = list[Sent]()
    for point in (one for one in at if one.interface == link):
        tcp = (s.port for s in declared if (s.address, s.protocol) == (point.address, "tcp") and s.always)
        port = next(tcp, REFUSING)
        scan = next(one for one in scans if (one.address, one.transport) == (point.address, "tcp"))
        if port != REFUSING or not scan.silent:  # nothing is open there, and what is closed is not refused
            sent += [Sent("syn", TCP, FIRST + len(sent) + n, port, point.address) for n in range(TRIES)]
    what = f"{TRIES} probes of a port of each address on {link}, at the scan's rate, are answered"
    if not sent:
        return Control(what, True, "not done: nothing is open there, and what is closed is not refused")
    pace = min(float(host.declared("scan.rate_pps")), 20_000.0)
    heard = host.exchange(link, [probe(one) for one in sent], seconds=0.5, pace=pace)
    got = sum(bool(answers(heard, one)) for one in sent)
    return Control(what, got > len(sent) * 0.99, heard.problem or f"{got} were", refs=(heard.ref,))
