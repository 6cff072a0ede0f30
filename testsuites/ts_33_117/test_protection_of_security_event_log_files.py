"""TC_PROTECTION_OF_SECURITY_EVENT_LOG_FILES: only privileged accounts read or change security logs."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import File
from drivers.interfaces.host import HostBench, User, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran
from testsuites.ts_33_117.common import ABSENT, Try, acls, first, granted, ordinary, script, tries


@dataclass(frozen=True)
class Read(Observation):
    """An attempt to read a log over an interface, and whether the event of the test was seen in it."""

    user: str
    log: str
    interface: str
    marked: bool
    ref: str


@dataclass(frozen=True)
class Seen(Observation):
    rotated: Control
    logins: Control  # of both users, everywhere
    paths: tuple[str, ...]  # of the security logs
    groups: tuple[str, ...]  # that may read them
    files: Fact  # logs, rotated copies, parents
    acls: dict[str, tuple[str, ...]]
    privileged: tuple[Read, ...]
    ordinary: tuple[Read, ...]
    permitted: Control  # the ordinary user does what it may
    tried: tuple[Try, ...]
    asked: int
    alive: Control


def judge(seen: Seen) -> Verdict:
    if doubt := unsound([seen.rotated, seen.logins, seen.permitted]) or unread(seen.files):
        return doubt
    blind = next((one for one in seen.privileged if not one.marked), None)
    saw = f"{blind.user} does not see it in {blind.log} over {blind.interface}" if blind else "in each log"
    reads = Control("the privileged user reads the test's event", bool(seen.privileged) and not blind, saw)
    found = rows(seen.files, File)
    logs = [one for one in found if one.kind == "file"]
    for one in seen.ordinary:
        if one.marked:
            return failed(f"{one.user} reads {one.log} over {one.interface}", one.ref)
    for attempt in seen.tried:
        if attempt.done:
            return failed(f"{attempt.user} may {attempt.what} {attempt.target}", attempt.ref)
    for why in _open(seen, found):
        return failed(why, seen.files.ref)
    listed = Control("the logs are there", set(seen.paths) <= {one.path for one in logs}, "not all of them")
    if doubt := unsound([reads, listed]):
        return doubt
    if lacking := [path for path, entries in seen.acls.items() if not entries]:
        return inconclusive(f"there is an access list that could not be read: {', '.join(lacking)}")
    bad = next((one for one in seen.tried if not one.denied and one.status != ABSENT), None)
    if bad or len(seen.tried) != seen.asked or not seen.ordinary:
        said = (
            f"{bad.what} {bad.target}: {bad.said}"
            if bad
            else f"{len(seen.tried)} of {seen.asked} attempts ended"
        )
        return inconclusive(f"failed, but not for want of rights: {said}")
    return unsound([seen.alive]) or passed(
        f"{len(logs)} files of {len(seen.paths)} logs are for {', '.join(seen.groups)} alone, and"
        f" {len(seen.ordinary) + len(seen.tried)} attempts of an ordinary user were denied",
        seen.files.ref,
    )


def _open(seen: Seen, found: tuple[File, ...]) -> Iterator[str]:
    """What lets others read or change a log."""
    may = {"root", *seen.groups}
    for one in found:
        mode = int(one.mode, 8)
        if one.kind == "file" and mode & 0o007:
            yield f"{one.path} has mode {one.mode}"
        if one.kind == "file" and mode & 0o070 and one.group not in may:
            yield f"{one.path} can be reached by group {one.group}"
        if one.kind == "directory" and (
            mode & 0o002 or (mode & 0o020 and one.group not in may) or one.owner != "root"
        ):
            yield f"{one.path} holds logs, and others may write there ({one.owner} {one.group} {one.mode})"
    for path, entries in seen.acls.items():
        for who in granted(entries):
            if who.partition(":")[2] not in may:
                yield f"{path} has an access list for {who}"


@case("TC_PROTECTION_OF_SECURITY_EVENT_LOG_FILES", judge, "A")
def test_protection_of_security_event_log_files(host: HostBench) -> Seen:
    locations = [one for one in host.declared("logs.locations") if one.get("security") and one.get("path")]
    paths = [str(one["path"]) for one in locations]
    ssh = first(host.endpoints("ssh"), "an entry of oam.endpoints with via ssh")
    admins = host.users(privileged=True, aside=False, endpoint=ssh)
    admin, user = first(admins, "a privileged user of SSH"), ordinary(host)[0]
    folders = list(dict.fromkeys(str(PurePosixPath(path).parent) for path in paths))
    planted = [host.plant(f"{folder}/assay-planted", "kept\n", mode=0o640) for folder in folders]
    rotated = did("the logs were rotated", host.act("logs.rotate_action"), *planted)
    marker = f"assay-{secrets.token_hex(8)}"
    marks = {one["name"]: host.log_mark(one["name"]) for one in locations}
    host.root(f"logger -p authpriv.notice {marker}; logger -p user.notice {marker}")
    for name, mark in marks.items():
        host.logged(name, marker, mark)
    files = host.files(*_tree(host, paths, folders))
    logins: list[Login] = []
    privileged = [one for row in _ways(host, locations) for one in _read(host, admin, row, marker, logins)]
    host.stimulus()
    others = [one for row in _ways(host, locations) for one in _read(host, user, row, marker, logins)]
    logs = [
        one.path
        for one in rows(files, File)
        if one.kind == "file" and not one.path.endswith("/assay-planted")
    ]
    steps: list[tuple[str, ...]] = [("open for writing", path, "append", path) for path in logs]
    steps += [("read", path, "head", "-c", "1", path) for path in logs]
    for folder in folders:
        steps.append(("rename", folder, "mv", "-f", f"{folder}/assay-planted", f"{folder}/assay-moved"))
        steps.append(("delete", folder, "rm", "-f", f"{folder}/assay-planted"))
    with host.shell(user) as shell:
        may = did("an ordinary user runs a permitted command", shell.run("id"))
        tried = tries(user.name, shell.run(script(steps), within=30))
    return Seen(
        rotated,
        got_in("both users log in everywhere", *logins),
        tuple(paths),
        tuple(host.declared("logs.privileged_groups")),
        files,
        acls(host, rows(files, File)),
        tuple(privileged),
        tuple(others),
        may,
        tried,
        len(steps),
        host.alive(),
    )


def _tree(host: HostBench, paths: list[str], folders: list[str]) -> list[str]:
    """The logs, their rotated copies, and every folder above them."""
    copies = [one.path for one in rows(host.fact("log_files", fresh=True), File)]
    found = [one for one in copies if any(one == path or one.startswith(f"{path}.") for path in paths)]
    above = [str(up) for folder in folders for up in (PurePosixPath(folder), *PurePosixPath(folder).parents)]
    return list(dict.fromkeys([*paths, *found, *above]))


def _ways(
    host: HostBench, locations: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each way to read each log that it can show."""
    for row in host.declared("logs.interfaces"):
        for log in locations:
            if row.get("log") in (None, log["name"]):
                yield row, log


def _read(
    host: HostBench,
    user: User,
    way: tuple[dict[str, Any], dict[str, Any]],
    marker: str,
    logins: list[Login],
) -> Iterator[Read]:
    row, log = way
    ends = host.endpoints(str(row["via"]))
    end = next((one for one in ends if one.name == row.get("endpoint")), ends[0])
    said: str
    if end.via in ("https", "http"):
        with host.web(end, user) as web:
            if web.login is not None:
                logins.append(web.login)
            reply = web.request("GET", str(row["url"]))
            said, ref = reply.body, reply.ref
    else:
        with host.shell(user, endpoint=end) as shell:
            logins.append(shell.login)
            ran: Ran = shell.run(str(row["run"]).format(path=log["path"], log=log["name"]))
            said, ref = ran.out, ran.ref
    yield Read(user.name, log["name"], str(row.get("run") or row.get("url")), marker in said, ref)
