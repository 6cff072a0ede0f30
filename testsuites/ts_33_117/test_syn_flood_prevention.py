"""TC_SYN_FLOOD_PREVENTION: a SYN flood keeps nobody out, and leaves nothing behind."""

import shlex
import time
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench
from drivers.interfaces.replies import Exchange
from testsuites.ts_33_117.common import first, main_processes
from testsuites.ts_33_117.ports import Point, points, second_address

BASELINE, AFTERWARDS, SHARE, IN_TIME_S = 100, 5, 0.95, 3.0
AGAIN_S, DRAINED_S = 10.0, 120.0  # when everything has to work again, and when nothing may be half open
RATE, SECONDS, PREFIX = 10_000, 60.0, "198.18.0.0/15"  # where nothing else is declared
SAMPLE = """awk '$4 == "03"' /proc/net/tcp /proc/net/tcp6 | wc -l
grep MemAvailable /proc/meminfo; cat /proc/loadavg; grep ^TcpExt /proc/net/netstat"""


@dataclass(frozen=True)
class Try:
    """A legitimate connection with a request: when it began, and whether it was served in time."""

    at: float
    served: bool
    seconds: float
    ref: str


@dataclass(frozen=True)
class Seen(Observation):
    setting: str | None  # None where there is none that can be read
    wanted: tuple[str, ...]  # what it has to be
    baseline: tuple[Try, ...]
    during: tuple[Try, ...]
    afterwards: tuple[Try, ...]
    rate: int
    prefix: str
    backlog: int
    flood: Exchange
    reference: tuple[
        bool, bool
    ]  # whether a stack without protection takes a connection: before, in the flood
    half_open: tuple[int, ...]  # before, at the end of the flood, and when it was last looked
    drained_s: float
    processes: dict[str, tuple[int, ...]]
    survivors: dict[str, tuple[int, ...]]
    alive: Control


def judge(seen: Seen) -> Verdict:
    served = sum(one.served for one in seen.baseline)
    steady = Control(
        "legitimate connections before", served == BASELINE, f"{served} of {BASELINE} were served"
    )
    if doubt := unsound([steady]):
        return doubt
    if seen.setting is not None and seen.setting not in seen.wanted:
        return failed(f"the protection is off by default: the setting is {seen.setting or 'empty'}")
    for name, pids in seen.processes.items():
        if not set(pids) <= set(seen.survivors.get(name, ())):
            return failed(f"{name} ended in the flood", seen.flood.ref)
    if not seen.during or not seen.afterwards:
        return inconclusive("no connection was tried during or after the flood")
    through = sum(one.served and one.seconds <= IN_TIME_S for one in seen.during)
    if through < SHARE * len(seen.during):
        said = f"{through} of {len(seen.during)} legitimate connections were served in the flood"
        return failed(said, seen.flood.ref)
    if bad := next((one for one in seen.afterwards if not one.served), None):
        return failed(f"a legitimate connection is not served {AGAIN_S:.0f} s after the flood", bad.ref)
    if len(seen.half_open) == 3 and seen.half_open[2] > seen.half_open[0]:
        said = f"{seen.half_open[2]} connections are half open {seen.drained_s:.0f} s after the flood"
        return failed(said, seen.flood.ref) if seen.drained_s >= DRAINED_S else inconclusive(said)
    if doubt := unsound([*_effective(seen), seen.alive]):
        return doubt
    return passed(
        f"{through} of {len(seen.during)} legitimate connections were served while {seen.flood.sent} SYN"
        f" came in {seen.flood.seconds:.0f} s",
        seen.flood.ref,
    )


def _effective(seen: Seen) -> list[Control]:
    """That the flood was one: its rate, answers to its sources, and what it does to the reference stack."""
    network, flood = ip_network(seen.prefix), seen.flood
    answered = [
        h for h in flood.heard if h.kind == "tcp SA" and ip_address(h.facts["destination"]) in network
    ]
    full = flood.sent >= 0.8 * seen.rate * flood.seconds and flood.sent > seen.backlog
    read = not seen.half_open or len(seen.half_open) == 3
    return [
        Control("the flood has its rate, and more than the backlog", full, f"{flood.sent} SYN were sent"),
        Control("its sources are answered", bool(answered), "no SYN-ACK to them was seen"),
        Control("a stack without protection stops in it", seen.reference == (True, False), "it does not"),
        Control("half-open connections were counted", read, f"{len(seen.half_open)} of 3 times"),
        Control("the service's processes are known", any(seen.processes.values()), "none was found"),
    ]


@case("TC_SYN_FLOOD_PREVENTION", judge, "A")
def test_syn_flood_prevention(host: HostBench) -> Seen:
    row = host.declared("network.synflood")
    here = [one for one in points(host) if one.version == 4 and row.get("interface") in (None, one.interface)]
    point = first(here, "the interface of network.synflood, with an IPv4 address")
    rate, seconds = int(row.get("rate_pps") or RATE), float(row.get("duration_s") or SECONDS)
    port, prefix = (
        int(first([row.get("port")], "the port of network.synflood")),
        str(row.get("prefix") or PREFIX),
    )
    readable = (host.declared("platform.host_access") or {}).get("kind", "none") != "none"
    setting, wanted = None, tuple[str, ...](("1", "2"))
    if readable and row.get("sysctl"):
        setting = host.root(f"sysctl -n {shlex.quote(str(row['sysctl']))}").out.strip()
        if not str(row["sysctl"]).endswith("tcp_syncookies"):
            wanted = (str(row.get("value")),)
    began = time.monotonic()
    baseline = tuple(_try(host, began) for _ in range(BASELINE))
    counts = [_half_open(host)] if readable else []
    processes = _serving(host)
    host.stimulus()
    newcomer = second_address(host, point)  # a stack may favour those whom it served before the flood
    during: list[Try] = []
    with host.flood(
        point.interface, point.address, port, sources=prefix, rate=rate, seconds=seconds
    ) as so_far:
        start = time.monotonic()
        while (now := time.monotonic() - start) < seconds:
            during.append(_try(host, began, newcomer))
            host.rest(max(0.0, min(seconds, now + 1.0) - (time.monotonic() - start)))
        counts += [_half_open(host)] if readable else []
        flood = so_far()
    ended = time.monotonic()
    reference = _reference(host, point, port, prefix, rate)
    host.rest(max(0.0, AGAIN_S - (time.monotonic() - ended)))
    afterwards = []
    for _ in range(AFTERWARDS):
        afterwards.append(_try(host, began, newcomer))
        host.rest(1.0)
    if readable:
        counts.append(_half_open(host))
        off = setting is not None and setting not in wanted  # it has failed: nobody needs to wait
        while counts[-1] > counts[0] and time.monotonic() - ended < DRAINED_S and not off:
            host.rest(2.0)
            counts[-1] = _half_open(host)
    return Seen(
        setting,
        wanted,
        baseline,
        tuple(during),
        tuple(afterwards),
        rate,
        prefix,
        int(row.get("backlog") or 0),
        replace(flood, heard=flood.heard[:20]),
        reference,
        tuple(counts) if -1 not in counts else tuple(counts[:1]),
        time.monotonic() - ended,
        processes,
        _serving(host),
        host.alive(),
    )


def _try(host: HostBench, began: float, source: str = "") -> Try:
    """The declared harmless request, from this address of ours where it is one over the web."""
    at, action = time.monotonic() - began, host.declared("probes.service")
    row = action if "via" in action else action.get("", {})
    ends = [one for one in host.endpoints("https", "http") if one.name == row.get("endpoint")]
    if not source or not ends or not row.get("request"):
        ran = host.act("probes.service")
        return Try(at, ran.ok, ran.seconds, ran.ref)
    method, _, path = str(row["request"]).partition(" ")
    with host.web(ends[0], source=source) as web:
        reply = web.request(method, path)
    took = time.monotonic() - began - at
    return Try(
        at, reply.outcome == "answered" and reply.status == int(row.get("expect") or 200), took, reply.ref
    )


def _serving(host: HostBench) -> dict[str, tuple[int, ...]]:
    """The main processes of the declared services."""
    names = {str(one.get("process")) for one in host.declared("services.list")}
    return {name: pids for name, pids in main_processes(host).items() if name in names}


def _half_open(host: HostBench) -> int:
    """Sockets in SYN-RECEIVED, -1 where it was not read."""
    ran = host.root(SAMPLE)
    count = (ran.out.splitlines() or [""])[0].strip()
    return int(count) if count.isdecimal() else -1


def _reference(host: HostBench, point: Point, port: int, prefix: str, rate: int) -> tuple[bool, bool]:
    """Whether a stack without protection takes a connection, before the same flood and in it."""
    with host.reference(port) as stack:
        before = stack.connects(point.address, port, IN_TIME_S)
        flood = stack.flood(point.interface, point.address, port, sources=prefix, rate=rate, seconds=AGAIN_S)
        with flood as so_far:
            until = time.monotonic() + IN_TIME_S
            while so_far().sent < 1000 and time.monotonic() < until:
                host.rest(0.2)
            return before, stack.connects(point.address, port, 1.0)
