"""TC_HANDLING_OF_GROWING_CONTENT: logs and uploads that grow do not disturb the system."""

import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Mount
from drivers.interfaces.host import HostBench, did, rows, unread
from drivers.interfaces.replies import Fact
from testsuites.ts_33_117.common import first, main_processes

BEFORE, DURING, EVERY_S, ROTATION_S = 20, 6, 2.0, 100.0
PIECE = 900_000  # octets of a file that is uploaded
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
FREE = "df -Pk / | awk 'NR == 2 { print int(100 * $4 / ($3 + $4)) }'"


@dataclass(frozen=True)
class Probe(Observation):
    """One look: whether the login and the service worked, and how much of the root file system is free."""

    login: bool
    service: bool
    free: int  # percent, -1 where it could not be read
    ref: str


@dataclass(frozen=True)
class Seen(Observation):
    path: str
    measures: tuple[dict[str, Any], ...]  # declared for it
    mounts: Fact
    before: tuple[Probe, ...]
    grown: Control
    rotated: bool | None  # None: no rotation is declared
    refused: bool | None  # None: nothing was uploaded
    during: tuple[Probe, ...]
    after: tuple[Probe, ...]
    services: dict[str, tuple[int, ...]]  # of each declared process: its main PIDs before
    survivors: dict[str, tuple[int, ...]]  # and after
    restored: Control  # what was put there is gone, and a small upload works
    alive: Control


def judge(seen: Seen) -> Verdict:
    healthy = bool(seen.before) and all(one.login and one.service for one in seen.before)
    steady = Control("login and service worked before", healthy, f"not in each of {len(seen.before)} probes")
    if doubt := unsound([steady]) or unread(seen.mounts):
        return doubt
    kinds = {str(one.get("kind")) for one in seen.measures}
    if not kinds:
        return failed(f"no measure is declared for {seen.path}")
    own = any(one.path == seen.path for one in rows(seen.mounts, Mount))
    if "own-filesystem" in kinds and not own:
        return failed(f"{seen.path} is no file system of its own, as is declared", seen.mounts.ref)
    if "rotation" in kinds and seen.rotated is False:
        return failed(f"the logs in {seen.path} grew beyond their limit and were not rotated")
    if "refusal" in kinds and seen.refused is False:
        return failed(f"uploads to {seen.path} beyond the limit are not refused")
    if not seen.services or any(not pids for pids in seen.services.values()):
        return inconclusive("the processes of the services are not known")
    for name, pids in seen.services.items():
        if not set(pids) <= set(seen.survivors.get(name, ())):
            return failed(f"{name} ended while {seen.path} was full")
    if doubt := unsound([seen.grown]):
        return doubt
    if not seen.during or not seen.after:
        return inconclusive("nothing was probed")
    served = sum(one.service for one in seen.during)
    if served < 0.99 * len(seen.during):
        return failed(f"the service answered {served} of {len(seen.during)} times while {seen.path} was full")
    least = min(one.free for one in seen.during)
    if least < 0:
        return inconclusive("the free space of the system could not be read")
    if least < 5:
        return failed(f"the system's file system had {least} % left while {seen.path} was full")
    if bad := next((one for one in seen.after if not (one.login and one.service)), None):
        return failed(f"login or service does not work after {seen.path} was full", bad.ref)
    return unsound([seen.restored, seen.alive]) or passed(
        f"{seen.path} was full, {', '.join(sorted(kinds))} hold; login and service went on"
    )


def _probe(host: HostBench) -> Probe:
    login, service = host.act("probes.login"), host.act("probes.service")
    free = host.root(FREE)
    return Probe(login.ok, service.ok, int(free.out) if free.out.strip().isdecimal() else -1, service.ref)


def _measured(
    host: HostBench, source: str, grow: Callable[[str, tuple[dict[str, Any], ...]], dict[str, Any]]
) -> Seen:
    paths = host.declared("storage.growing_paths")
    row = first((one for one in paths if one.get("source") == source), f"storage.growing_paths of {source}")
    path = str(row["path"])
    measures = tuple(one for one in host.declared("storage.countermeasures") if one["path"] == path)
    before = tuple(_probe(host) for _ in range(BEFORE))
    services = main_processes(host)
    host.stimulus()
    told = grow(path, measures)
    return Seen(
        path,
        measures,
        host.fact("mounts"),
        before,
        after=tuple(_probe(host) for _ in range(3)),
        services=services,
        survivors=main_processes(host),
        alive=host.alive(),
        **told,
    )


def _during(host: HostBench) -> tuple[Probe, ...]:
    found = []
    for _ in range(DURING):
        found.append(_probe(host))
        host.rest(EVERY_S)
    return tuple(found)


@case("TC_HANDLING_OF_GROWING_CONTENT", judge, "A")
def test_log_growth(host: HostBench) -> Seen:
    def grow(path: str, measures: tuple[dict[str, Any], ...]) -> dict[str, Any]:
        where, rotated = shlex.quote(path), None
        limit = next((_octets(one.get("limit")) for one in measures if one.get("kind") == "rotation"), 0)
        if limit:
            names = [
                str(one["path"])
                for one in host.declared("logs.locations")
                if str(one.get("path")).startswith(path)
            ]
            sizes = f"stat -c %s {' '.join(map(shlex.quote, names))}"
            lines = limit * 3 // 2 // 200
            host.root(f"yes {'x' * 200} | head -n {lines} | logger -p user.info -t assay", within=60)
            high, until, rotated = _numbers(host.root(sizes).out), time.monotonic() + ROTATION_S, False
            while not rotated and time.monotonic() < until:
                host.rest(EVERY_S)
                now = _numbers(host.root(sizes).out)
                rotated = any(b < a for a, b in zip(high, now, strict=False))
                high = tuple(map(max, high, now))
        planted = host.plant(f"{path}/assay-fill")
        # bounded: a log that shares the system's disk must not be filled without end
        host.root(f"head -c 64M /dev/zero > {where}/assay-fill", within=60)
        used = host.root(f"df -Pk {where} | awk 'NR == 2 {{ print $4 }}'").out.strip()
        full = Control(
            "the file system of the logs is full", used.isdecimal() and int(used) < 64, f"{used} KiB left"
        )
        during = _during(host)
        emptied = host.root(f": > {where}/assay-fill")
        return {
            "grown": full,
            "rotated": rotated,
            "refused": None,
            "during": during,
            "restored": did("what filled it is gone", planted, emptied),
        }

    return _measured(host, "logs", grow)


@case("TC_HANDLING_OF_GROWING_CONTENT", judge, "B")
def test_upload_growth(host: HostBench) -> Seen:
    paths = host.declared("storage.growing_paths")
    row = first((one for one in paths if one.get("source") == "upload"), "storage.growing_paths of uploads")
    method, _, page = str(row["request"]).partition(" ")
    pages = (
        one for one in host.endpoints("https") if "login" in one.more and one.more.get("users") == "person"
    )
    end = first(pages, "pages to log in at, in oam.endpoints")
    user = first(host.users("operator", endpoint=end), f"an operator of {end.name} in accounts.test_users")

    def upload(name: str, size: int) -> bool:
        with host.web(end, user) as web:
            headers = {"X-File-Name": name, "Content-Type": "application/octet-stream"}
            reply = web.request(method, page, headers=headers, body=b"x" * size)
            return reply.outcome == "answered" and 200 <= reply.status < 300

    def grow(path: str, measures: tuple[dict[str, Any], ...]) -> dict[str, Any]:
        limit = next((size for one in measures if (size := _octets(one.get("limit")))), 16 << 20)
        small = upload("assay-small", 10)
        most = 2 * limit // PIECE + 2
        taken = 0
        while taken < most and upload(f"assay-{taken}", PIECE):
            taken += 1
        during = _during(host)
        removed = host.root(f"rm -f {shlex.quote(path)}/assay-*")
        again = upload("assay-small", 10)
        host.root(f"rm -f {shlex.quote(path)}/assay-small")
        return {
            "grown": Control(
                "a small file is taken, and the limit reached", small and taken > 0, f"{taken} files"
            ),
            "rotated": None,
            "refused": taken < most,
            "during": during,
            "restored": Control("a small file is taken afterwards", removed.ok and again, "it is refused"),
        }

    return _measured(host, "upload", grow)


def _octets(text: object) -> int:
    """A declared size (24M) in octets, 0 where it is none."""
    found = re.fullmatch(r"(\d+)([KMG]?)i?B?", str(text))
    return int(found[1]) * UNITS[found[2]] if found else 0


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split() if one.isdecimal())
