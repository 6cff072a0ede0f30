"""TC_LOG TRANS_TO_CENTR STORAGE: records and log files leave the product over protected connections alone."""

import hashlib
import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Collector, HostBench, did
from drivers.interfaces.replies import Exchange, Ran
from testsuites.ts_33_117.common import first
from testsuites.ts_33_117.outbound import (
    EACH_S,
    Certificate,
    Link,
    Wrong,
    arrives,
    judge_links,
    link_of,
    marker,
    pointed,
    refuses,
    told,
)
from testsuites.ts_33_117.records import marks

CASE = "TC_LOG TRANS_TO_CENTR STORAGE"
PROTECTED = ("tls", "dtls", "ssh", "sftp", "scp", "https", "ipsec", "snmpv3", "netconf")
WRONG: tuple[Certificate, ...] = ("foreign", "expired", "misnamed")
EVENTS, KEPT, AWAY_S = 20, 5, (3.0, 7.0)  # the collector is away before and after the events
IN_CLEAR = "SSH-2.0-"  # what every capture of a management link has in clear


@dataclass(frozen=True)
class Wire:
    """What crossed the link: how often each marker was in clear, and what certainly is."""

    exchange: Exchange
    markers: dict[str, int]
    known: int


def _protected(protocols: Iterable[str]) -> bool:
    return any(str(one).lower().rpartition("-")[2] in PROTECTED for one in protocols)


def _exposed(wire: Wire | None) -> Verdict | None:
    """FAIL where a marker crossed the link in clear."""
    for name, count in wire.markers.items() if wire else ():
        if count and wire:
            return failed(f"the record with {name} crossed the link in clear", wire.exchange.ref)
    return None


def _blind(wire: Wire | None) -> Verdict | None:
    """INCONCLUSIVE where a marker in clear might have been missed."""
    if wire is None or wire.exchange.cut or wire.exchange.problem or not wire.markers:
        return inconclusive("the link was not captured as a whole", wire.exchange.ref if wire else "")
    if not wire.known:
        return inconclusive("what crosses the link in clear is not in the capture", wire.exchange.ref)
    return None


def _wire(host: HostBench, seen: Exchange, markers: tuple[str, ...]) -> Wire:
    """What the capture has of these, without the packets themselves: they are in the evidence."""
    found = host.carried(seen, *markers, IN_CLEAR)
    return Wire(replace(seen, heard=()), {name: found[name] for name in markers}, found[IN_CLEAR])


# --- A: forwarding -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Buffered:
    """Records that were triggered while the collector was away, and those that came when it was back."""

    triggered: Control
    back: Control  # a record that was triggered when it was back
    markers: tuple[str, ...]
    came: tuple[str, ...]


@dataclass(frozen=True)
class Forwarded(Observation):
    protocols: tuple[str, ...]
    own: Control  # a record of the harness itself
    local: Control  # every triggered record is in a log of the product
    latency_s: float
    late: dict[str, float | None]  # seconds from trigger to arrival of each marker; None: it did not come
    wire: Wire | None
    link: Link  # the first record, wrong certificates, and a record after them
    buffered: Buffered | None  # None: not declared
    alive: Control


def judge(seen: Forwarded) -> Verdict:
    if seen.protocols and not _protected(seen.protocols):
        return failed(f"records are declared to be forwarded by {', '.join(seen.protocols)}, unprotected")
    if doubt := _exposed(seen.wire) or unsound([seen.own]) or judge_links((seen.link,)):
        return doubt
    if doubt := unsound([seen.local]) or _blind(seen.wire):
        return doubt
    for name, seconds in seen.late.items():
        if seconds is None or seconds > 2 * seen.latency_s:
            came = "did not reach the collector" if seconds is None else f"came after {seconds:.0f} s"
            return failed(f"the record with {name} {came}; declared are {seen.latency_s:g} s")
    if not seen.late:
        return inconclusive("no record was triggered")
    note = ""
    if seen.buffered is not None:
        kept = seen.buffered
        if doubt := unsound([kept.triggered, kept.back]):
            return doubt
        lost = [name for name in kept.markers if name not in kept.came]
        if lost and lost != [kept.markers[0]]:
            return failed(
                f"{len(lost)} of {len(kept.markers)} records of the time without collector were lost",
                *kept.triggered.refs,
            )
        note = ", and those of the time without collector too" + (" but the first" if lost else "")
    return unsound([seen.alive]) or passed(
        f"{len(seen.late)} records came over TLS, none to a collector with a wrong certificate{note}"
    )


@case(CASE, judge, "A")
def test_forwarding(host: HostBench) -> Forwarded:
    how = host.declared("logs.forwarding")
    protocols = tuple(map(str, how.get("protocols") or ()))
    trigger = first([how["trigger"]] if how.get("trigger") else [], "trigger of logs.forwarding")
    ours = (host.declared("pki.trust_anchors") or {}).get("collector") or {}
    latency, mark = float(host.declared("logs.latency_s")), marker()
    host.stimulus()
    with host.collector("tls") as collector, host.collector("udp", port=collector.port) as clear:
        port, own, link = collector.port, _own(collector), link_of(host, collector.address)
        places = marks(host)
        with host.watching(link) as so_far:
            peer = str(how.get("peer") or ours.get("name") or "")
            pointed(host, how, address=collector.address, port=port, peer=peer)
            what = "a record reaches the right collector"
            good = arrives(host, trigger, collector, what, mark, beside=clear)
            since, runs = _triggered(host, trigger, EVENTS if good.worked else 0)
            came = _come(host, collector, tuple(since), 2 * latency)
            for at in host.endpoints("ssh")[:1]:
                host.ssh_offer(at)
            seen = so_far()
    wire = _wire(host, seen, (mark, *since))
    late = {name: came[name] - at if name in came else None for name, at in since.items()}
    local = _local(host, places, tuple(since), runs, 2 * latency)
    wrong: list[Wrong] = []
    again, kept = good, None
    if good.worked:
        for one in WRONG:
            wrong.append(refuses(host, trigger, port, one))
            if wrong[-1].sent:
                break
        with host.collector("tls", port=port) as collector:
            again = arrives(host, trigger, collector, "a record reaches it after that", marker())
        kept = _buffered(host, trigger, port, 2 * latency) if how.get("buffering") else None
    return Forwarded(
        protocols,
        own,
        local,
        latency,
        late,
        wire,
        Link("forwarding", good, tuple(wrong), again),
        kept,
        host.alive(),
    )


def _own(collector: Collector) -> Control:
    """Control: a record that the harness itself sends is found."""
    mark = marker()
    collector.say(f"<13>1 - harness assay - - - {mark}")
    return Control("a record of the harness is received", bool(collector.received(mark, within=5.0)), mark)


def _triggered(host: HostBench, trigger: Any, count: int) -> tuple[dict[str, float], list[Ran]]:
    """Trigger records: the marker of each and when that was done, and what came of the triggers."""
    since, runs = {}, []
    for name in (marker() for _ in range(count)):
        runs.append(host.do(trigger, marker=name))
        since[name] = time.time()
    return since, runs


def _come(host: HostBench, collector: Collector, names: tuple[str, ...], within: float) -> dict[str, float]:
    """When each marker first came, as soon as all are there or the time is over."""
    deadline = time.monotonic() + within
    while True:
        came: dict[str, float] = {}
        for one in collector.received("assay-"):
            for name in names:
                if name in one.text:
                    came.setdefault(name, one.at)
        if len(came) == len(names) or time.monotonic() > deadline:
            return came
        host.rest(0.2)


def _local(
    host: HostBench, places: dict[str, int], names: tuple[str, ...], runs: list[Ran], within: float
) -> Control:
    """Control: the triggers worked, and each marker is in a log of the product."""
    what, deadline = "what was triggered is in the product's own log", time.monotonic() + within
    if not (worked := did(what, *runs)).worked:
        return worked
    while True:
        found = {
            log: host.logged(log, "assay-[0-9a-f]{16}", place, within=0.01) for log, place in places.items()
        }
        text = "\n".join(line.text for one in found.values() for line in one.lines)
        lacking = [name for name in names if name not in text]
        if not lacking or time.monotonic() > deadline:
            refs = tuple(one.ref for one in found.values())
            return Control(what, not lacking, f"{len(names) - len(lacking)} of {len(names)}", refs=refs)
        host.rest(0.5)


def _buffered(host: HostBench, trigger: Any, port: int, within: float) -> Buffered:
    """Trigger records while there is no collector, and see what comes when there is one again."""
    host.rest(AWAY_S[0])
    since, runs = _triggered(host, trigger, KEPT)
    host.rest(AWAY_S[1])  # for the product to try, and to give them up if it does
    with host.collector("tls", port=port) as collector:
        back = arrives(host, trigger, collector, "a record reaches it when it is back", marker())
        came = _come(host, collector, tuple(since), within if back.worked else 0)
    away = did("records were triggered while the collector was away", *runs)
    return Buffered(away, back, tuple(since), tuple(came))


# --- B: upload of files ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uploaded(Observation):
    protocols: tuple[str, ...]
    served: bool  # whether the harness has a server for one of them
    own: Control  # a file of the harness itself
    ran: Control
    whole: Control  # the file that came has the marker that was triggered before
    size: int  # of the log before, and what was stored, in octets
    stored: int
    digests: tuple[str, str]  # SHA-256 of as many octets: of the product's log, and of what was stored
    wire: Wire | None
    alive: Control


def judge_upload(seen: Uploaded) -> Verdict:
    if seen.protocols and not _protected(seen.protocols):
        return failed(f"log files are declared to be uploaded by {', '.join(seen.protocols)}, unprotected")
    if doubt := _exposed(seen.wire):
        return doubt
    if not seen.served:
        return inconclusive(f"the harness has no server for {', '.join(seen.protocols) or 'it'}")
    if doubt := unsound([seen.own, seen.ran, seen.whole]) or _blind(seen.wire):
        return doubt
    ours, theirs = seen.digests
    if not (ours and theirs and seen.size):
        return inconclusive("the log could not be read for comparison", *seen.ran.refs)
    if seen.stored < seen.size or ours != theirs:
        return failed(
            f"{seen.stored} octets were stored, which are not what the log had ({seen.size} octets)",
            *seen.ran.refs,
        )
    return unsound([seen.alive]) or passed(f"{seen.stored} octets of the log came unchanged over SFTP")


@case(CASE, judge_upload, "B")
def test_upload(host: HostBench) -> Uploaded:
    how = host.declared("logs.upload")
    protocols = tuple(map(str, how.get("protocols") or ()))
    no = Control("not tried", False, "no server for it")
    if "sftp" not in protocols:
        return Uploaded(protocols, False, no, no, no, 0, 0, ("", ""), None, host.alive())
    trigger = first([how["trigger"]] if how.get("trigger") else [], "trigger of logs.upload")
    rows = [
        one for one in host.declared("logs.locations") if one["name"] == how.get("log") and one.get("path")
    ]
    path, mark = shlex.quote(str(first(rows, "path of the log of logs.upload")["path"])), marker()
    host.stimulus()
    with host.file_server() as server:
        server.leave("assay", mark.encode())
        own = Control("a file of the harness is received", server.content("assay") == mark.encode(), "assay")
        place = host.log_mark(str(how["log"]))
        with host.watching(link_of(host, server.address)) as so_far:
            told(host, trigger, mark, lambda within: _written(host, how, mark, place, within))
            written = _written(host, how, mark, place, 0.01)
            size = host.root(f"wc -c < {path}").out.strip()
            ran = pointed(host, how, address=server.address, port=server.port, host_key=server.key)
            visits = server.uploads(within=EACH_S)
            for at in host.endpoints("ssh")[:1]:
                host.ssh_offer(at)
            seen = so_far()
        files = [file for visit in visits for file in visit.files if file[0] != "assay"]
        stored = max((server.content(name) for name, _, _ in files), key=len, default=b"")
    local = host.root(f"head -c {len(stored)} {path} | sha256sum").out.split()
    return Uploaded(
        protocols,
        True,
        own,
        did("the upload ended well", ran),
        Control("the file has the marker", written and mark.encode() in stored, str(files)[:200]),
        int(size) if size.isdecimal() else 0,
        len(stored),
        (local[0] if local else "", hashlib.sha256(stored).hexdigest()),
        _wire(host, seen, (mark,)),
        host.alive(),
    )


def _written(host: HostBench, how: Any, mark: str, place: int, within: float) -> bool:
    """Whether the log that is uploaded has a marker."""
    return bool(host.logged(str(how["log"]), mark, place, within=within).lines)
