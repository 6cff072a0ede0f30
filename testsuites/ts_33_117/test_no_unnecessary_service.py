"""TC_NO_UNNECESSARY_SERVICE: only what is declared listens, and none of it is insecure."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench, Restart
from drivers.interfaces.replies import Fact, Scan, SnmpReply, SshOffer, WebReply
from testsuites.ts_33_117.insecure import (
    Frames,
    announces,
    identify,
    insecure,
    listen,
    plain_pages,
    well_known,
)
from testsuites.ts_33_117.ports import (
    Listing,
    Point,
    Service,
    listing,
    open_at,
    points,
    scan_all,
    second_look,
    services,
    steady,
    undeclared,
    unlisted,
    unscanned,
)

UP_S = 60.0


@dataclass(frozen=True)
class Seen(Observation):
    declared: tuple[Service, ...]
    scans: tuple[Scan, ...]
    again: tuple[Scan, ...]
    identified: tuple[Scan, ...]  # declared TCP ports, with what answers there
    pages: tuple[tuple[Service, WebReply], ...]
    communities: tuple[tuple[str, SnmpReply], ...]
    snmpd: Fact
    ssh: tuple[SshOffer, ...]
    frames: tuple[Frames, ...]
    listed: Listing
    alive: Control


def judge(seen: Seen) -> Verdict:
    if found := undeclared((*seen.scans, *seen.again), seen.declared, seen.listed):
        return failed(*found)
    told = (seen.identified, seen.pages, seen.communities, seen.snmpd, seen.ssh)
    if found := insecure(seen.declared, *told):
        return failed(*found)
    meant = {one.name.upper() for one in seen.declared if one.purpose}
    for frames in seen.frames:
        for heard in frames.odd:
            name, its_own = announces(heard), frames.mac in ("", heard.facts.get("mac"))
            if name and its_own and name not in meant:
                return failed(f"{name} frames are sent on {frames.link}", f"{frames.ref}#{heard.frame}")
    if doubt := unsound([seen.alive]) or unlisted(seen.listed):
        return doubt
    if doubt := unscanned(seen.scans, seen.declared, seen.listed):
        return doubt
    for frames in seen.frames:
        if frames.problem or not frames.came:
            why = frames.problem or "no frame of the product came in all that time"
            return inconclusive(f"{frames.link} was not heard: {why}", frames.ref)
    if not seen.frames or not seen.ssh:
        return inconclusive("nothing was listened to, or no SSH service was asked")
    if bad := next((one for one in (*seen.identified, *seen.again) if one.problem), None):
        return inconclusive(f"{bad.address} was not asked what is there: {bad.problem}", bad.ref)
    if vague := next((one for one in seen.declared if not one.purpose), None):
        return inconclusive(f"not declared: the purpose of {vague.name} in services.list")
    return passed(
        f"{len(seen.declared)} declared listeners and no other, none of them insecure; no announcements in"
        f" {min(frames.seconds for frames in seen.frames):.0f} s",
        *(one.ref for one in seen.scans),
    )


@case("TC_NO_UNNECESSARY_SERVICE", judge, "A")
def test_no_unnecessary_service(host: HostBench) -> Seen:
    at = points(host)
    declared = services(host, at)
    before = host.fact("listening", fresh=True)
    frames = listen(host, at)
    scans = scan_all(host, at)
    listed = listing(host, before)
    identified = identify(host, declared, scans)
    return Seen(
        declared,
        scans,
        second_look(host, scans, declared, listed),
        identified,
        plain_pages(host, declared, identified),
        well_known(host, declared),
        host.fact("snmpd"),
        tuple(host.ssh_offer(one) for one in host.endpoints("ssh")),
        frames,
        listed,
        host.alive(),
    )


# --- B: after a restart ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """What answered, and what the host said it listens at."""

    scans: tuple[Scan, ...]
    listed: Listing


@dataclass(frozen=True)
class Restarted(Observation):
    declared: tuple[Service, ...]
    before: Look
    restart: Restart
    up: Control
    after: Look
    alive: Control


def judge_restarted(seen: Restarted) -> Verdict:
    if doubt := unlisted(seen.before.listed) or unscanned(
        seen.before.scans, seen.declared, seen.before.listed
    ):
        return doubt
    if not (seen.restart.happened and seen.restart.back):
        return inconclusive(f"the product was not restarted: {seen.restart.saw}", seen.restart.ref)
    first, second = _set(seen.before), _set(seen.after)
    for key in sorted(second - first):
        return failed(f"{_told(key)} listens since the restart, and did not before", _ref(seen.after, key))
    if doubt := unsound([seen.up, seen.alive]) or unlisted(seen.after.listed):
        return doubt
    if doubt := unscanned(seen.after.scans, seen.declared, seen.after.listed):
        return doubt
    for key in sorted(first - second):
        return failed(f"{_told(key)} listens no more since the restart", _ref(seen.before, key))
    return passed(f"the same {len(second)} listeners before and after a restart", seen.restart.ref)


def _set(look: Look) -> set[tuple[str, str, int]]:
    opened = {key for key in open_at(look.scans) if key[1] != "ip"}
    return opened | {(row.transport, row.address, row.port) for row in steady(look.listed)}


def _told(key: tuple[str, str, int]) -> str:
    words = key if key[0] in ("tcp", "udp", "sctp") else (key[1], key[0], key[2])
    return f"{words[0]} port {words[2]} of {words[1]}"


def _ref(look: Look, key: tuple[str, str, int]) -> str:
    opened = open_at(look.scans)
    return opened[key][1] if key in opened else look.listed.after.ref


@case("TC_NO_UNNECESSARY_SERVICE", judge_restarted, "B")
def test_after_a_restart(host: HostBench) -> Restarted:
    at = points(host)
    declared = services(host, at)
    before = _look(host, at)
    host.stimulus()
    restart = host.reboot()
    return Restarted(declared, before, restart, _up(host, declared), _look(host, at), host.alive())


def _look(host: HostBench, at: Iterable[Point]) -> Look:
    before = host.fact("listening", fresh=True)
    return Look(scan_all(host, at, protocols=False), listing(host, before))


def _up(host: HostBench, declared: Iterable[Service]) -> Control:
    """Wait until the declared TCP services are there again."""
    wanted: dict[str, set[int]] = {}
    for one in declared:
        if one.protocol == "tcp" and one.always:
            wanted.setdefault(one.address, set()).add(one.port)
    began, missing, refs = time.monotonic(), dict(wanted), list[str]()
    while missing and time.monotonic() - began < UP_S:
        for address, ports in tuple(missing.items()):
            scan = host.scan(address, "tcp", ",".join(map(str, sorted(ports))))
            refs = [*refs[-4:], scan.ref]
            if ports <= {port.number for port in scan.ports if port.state == "open"}:
                del missing[address]
    saw = f"not at {', '.join(sorted(missing))}" if missing else "all of them"
    return Control(
        "the declared services are there again after the restart", not missing, saw, refs=tuple(refs)
    )
