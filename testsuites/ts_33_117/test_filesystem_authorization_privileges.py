"""TC_FILESYSTEM_AUTHORIZATION_PRIVILEGES: only those authorised change files, folders and file systems."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import File
from drivers.interfaces.host import HostBench, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran
from testsuites.ts_33_117.common import (
    ABSENT,
    Try,
    acls,
    excepted,
    granted,
    of_each_role,
    ordinary,
    script,
    tries,
)

SCRATCH = ("/root/assay-canary", "/tmp/assay-canary")  # noqa: S108 - on the product: two of its file systems
SHARED, KEPT = "/tmp/assay-foreign", "/var/lib/assay-foreign"  # noqa: S108
ROOTS_ALONE = re.compile(
    r"/etc/(passwd|group|shadow|gshadow)-?|/etc/(sudoers|sudoers\.d|pam\.d|crontab|cron\.[a-z]+|inittab|init\.d|systemd)(/.*)?"
    r"|/boot(/.*)?"
)
SECRET = re.compile(
    r"/etc/g?shadow-?|/etc/ssh/ssh_host_\w+_key|/etc/ssl/private/.+|.*\.key|.*/id_(rsa|dsa|ecdsa|ed25519)"
)


@dataclass(frozen=True)
class Audit(Observation):
    planted: Control
    canaries: dict[str, str]  # path -> which search has to find it
    writable: Fact
    unowned: Fact
    key_files: Fact
    path_directories: Fact
    declared: Fact
    expected: tuple[dict[str, Any], ...]
    exceptions: tuple[dict[str, Any], ...]
    acls: dict[str, tuple[str, ...]]
    alive: Control


def judge_audit(seen: Audit) -> Verdict:
    facts = (seen.writable, seen.unowned, seen.key_files, seen.path_directories, seen.declared)
    if doubt := unsound([seen.planted]) or unread(*facts):
        return doubt
    writable, unowned = rows(seen.writable, File), rows(seen.unowned, File)
    found = {"writable": {one.path for one in writable}, "unowned": {one.path for one in unowned}}
    missed = [path for path, search in seen.canaries.items() if path not in found.get(search, ())]
    if missed or not seen.canaries:
        return inconclusive(f"the search does not find what was put there for it: {', '.join(missed)}")
    if lacking := sorted(path for path, entries in seen.acls.items() if not entries):
        return inconclusive(f"there is an access list that could not be read: {', '.join(lacking)}")
    for path, why, ref in _wrong(seen):
        return failed(f"{path} {why}", ref)
    checked = f"{len(seen.expected)} declared and {len(rows(seen.key_files, File))} system paths"
    return unsound([seen.alive]) or passed(
        f"nothing is writable by all or owned by nobody; {checked} and root's PATH have their modes",
        seen.writable.ref,
    )


def _wrong(seen: Audit) -> Iterator[tuple[str, str, str]]:
    """Each path that breaks a rule."""
    for one in rows(seen.writable, File):
        rule = "sticky-bit" if one.kind == "directory" else "world-writable"
        if one.path not in seen.canaries and not excepted(seen.exceptions, one.path, rule):
            lacks = " without the sticky bit" if one.kind == "directory" else ""
            yield one.path, f"is writable by everybody{lacks} (mode {one.mode})", seen.writable.ref
    for one in rows(seen.unowned, File):
        if one.path not in seen.canaries and not excepted(seen.exceptions, one.path, "unowned"):
            yield one.path, f"belongs to {one.owner} and {one.group}, which nobody is", seen.unowned.ref
    wanted = {str(row.get("path")): row for row in seen.expected}
    for one in rows(seen.declared, File):
        if (row := wanted.get(one.path)) and (why := _looser(one, row)):
            yield one.path, why, seen.declared.ref
    for one in rows(seen.path_directories, File):
        if why := _others_write(one):
            yield one.path, f"is in root's PATH and {why}", seen.path_directories.ref
    for one in rows(seen.key_files, File):
        if one.path in wanted or one.kind == "link" or excepted(seen.exceptions, one.path, "mode"):
            continue
        if SECRET.fullmatch(one.path) and one.kind == "file" and int(one.mode, 8) & 0o7137:
            yield one.path, f"is secret and has mode {one.mode}", seen.key_files.ref
        if ROOTS_ALONE.fullmatch(one.path) and (why := _others_write(one)):
            yield one.path, why, seen.key_files.ref
    for path, entries in seen.acls.items():
        allowed = map(str, wanted.get(path, {}).get("acl") or ())
        for who, rights in granted(entries).items():
            bad = "w" in rights or SECRET.fullmatch(path) or path in wanted
            if bad and not any(one.startswith(who) for one in allowed):
                yield path, f"has an access list that gives {rights} to {who}", seen.key_files.ref


def _looser(one: File, row: dict[str, Any]) -> str:
    mode, most = int(one.mode, 8), int(str(row.get("mode", "7777")), 8)
    if mode & ~most:
        return f"has mode {one.mode}, declared is {row['mode']}"
    if one.owner not in (row.get("owner"), "root") and row.get("owner"):
        return f"belongs to {one.owner}, declared is {row['owner']}"
    if row.get("group") and one.group not in (row["group"], "root") and mode & 0o070:
        return f"belongs to group {one.group}, declared is {row['group']}"
    return ""


def _others_write(one: File) -> str:
    mode = int(one.mode, 8)
    if one.kind == "link":
        return ""
    if one.owner != "root":
        return f"belongs to {one.owner}"
    if mode & 0o020 and one.group != "root":
        return f"is writable by group {one.group} (mode {one.mode})"
    return f"is writable by everybody (mode {one.mode})" if mode & 0o1002 == 0o002 else ""


@case("TC_FILESYSTEM_AUTHORIZATION_PRIVILEGES", judge_audit, "A")
def test_permission_audit(host: HostBench) -> Audit:
    done: list[Ran] = []
    canaries: dict[str, str] = {}
    for folder in SCRATCH:
        done.append(host.plant(f"{folder}/", mode=0o755))
        done.append(host.plant(f"{folder}/open", mode=0o666))
        done.append(host.plant(f"{folder}/folder/", mode=0o777))
        done.append(host.plant(f"{folder}/nobodys", mode=0o600, owner="54321:54321"))
        canaries |= {
            f"{folder}/open": "writable",
            f"{folder}/folder": "writable",
            f"{folder}/nobodys": "unowned",
        }
    writable, unowned = host.fact("world_writable", fresh=True), host.fact("unowned", fresh=True)
    expected = host.declared("filesystem.expected_modes")
    declared = host.files(*(row["path"] for row in expected))
    keys, path = host.fact("key_files"), host.fact("path_directories")
    every = [one for fact in (declared, keys, path) for one in rows(fact, File)]
    return Audit(
        did("what the searches have to find was put there", *done),
        canaries,
        writable,
        unowned,
        keys,
        path,
        declared,
        tuple(expected),
        tuple(host.declared("filesystem.exceptions")),
        acls(host, every),
        host.alive(),
    )


# --- B: what an ordinary user can do ------------------------------------------------------------------------


@dataclass(frozen=True)
class Attempts(Observation):
    prepared: Control
    logins: Control
    own: tuple[Try, ...]  # what the user may do
    foreign: tuple[Try, ...]  # what nobody but the owner may
    asked: int  # how many attempts there were to be
    before: str  # content and state of the files that must stay
    after: str
    alive: Control


def judge_attempts(seen: Attempts) -> Verdict:
    worked = Control("users change their own files", _all_done(seen.own), _told(seen.own))
    if doubt := unsound([seen.prepared, seen.logins, worked]):
        return doubt
    for one in seen.foreign:
        if one.done:
            return failed(f"{one.user} may {one.what} {one.target}", one.ref)
    if not seen.before:
        return inconclusive("the state of the files was not read")
    if seen.after and seen.after != seen.before:
        return failed("files that belong to others are not as they were")
    if len(seen.foreign) != seen.asked or not seen.after:
        return inconclusive(f"{len(seen.foreign)} of {seen.asked} attempts came to an end")
    for one in seen.foreign:
        if not one.denied and one.status != ABSENT:
            return inconclusive(
                f"{one.user}: {one.what} {one.target} failed, but not for want of rights: {one.said}"
            )
    count = sum(one.denied for one in seen.foreign)
    return unsound([seen.alive]) or passed(
        f"{count} changes by {len({t.user for t in seen.foreign})} users were denied"
    )


def _all_done(own: tuple[Try, ...]) -> bool:
    return bool(own) and all(one.done for one in own)


def _told(own: tuple[Try, ...]) -> str:
    bad = next((one for one in own if not one.done), None)
    return f"{bad.user}: {bad.what} {bad.target}: {bad.said}" if bad else f"{len(own)} changes"


@case("TC_FILESYSTEM_AUTHORIZATION_PRIVILEGES", judge_attempts, "B")
def test_behavioural_check(host: HostBench) -> Attempts:
    users = of_each_role(ordinary(host))
    done = [host.plant(f"{KEPT}/", mode=0o755)]
    places = [f"{folder}/file" if folder == KEPT else f"{folder}-file" for folder in (KEPT, SHARED)]
    done += [host.plant(path, "kept\n", mode=0o644) for path in places]
    done += [host.plant(f"{KEPT}/of-{user.name}", "kept\n", mode=0o600, owner=user.name) for user in users]
    paths = [row["path"] for row in host.declared("filesystem.expected_modes")]
    paths += [one.path for one in rows(host.fact("key_files"), File) if one.kind == "file"]
    devices = host.root("find /dev -xdev -type b").out.split()
    state = f"sha256sum {' '.join(places)} && stat -c '%n %s %Y %i' {' '.join(places)}"
    before, logins, asked = host.root(state), list[Login](), 0
    own, foreign = list[Try](), list[Try]()
    for user in users:
        steps: list[tuple[str, ...]] = [
            ("open for writing", path, "append", path) for path in [*dict.fromkeys(paths), *places, *devices]
        ]
        for path in places:
            steps.append(("write", path, "sh", "-c", f"echo changed > {path}"))
            steps.append(("rename", path, "mv", "-f", path, f"{path}.moved"))
            steps.append(("delete", path, "rm", "-f", path))
        steps.append(("remount", "/", "mount", "-o", "remount,rw", "/"))
        steps.append(("unmount", "/tmp", "umount", "/tmp"))  # noqa: S108
        mine = f"{KEPT}/of-{user.name}"
        allowed = [
            ("write", "an own file", "sh", "-c", 'echo 1 > "$HOME/assay-own" && rm -f "$HOME/assay-own"'),
            ("open for writing", mine, "append", mine),
            ("write", mine, "sh", "-c", f"echo changed > {mine}"),
        ]
        with host.shell(user) as shell:
            logins.append(shell.login)
            own += tries(user.name, shell.run(script(allowed)))
            host.stimulus()
            foreign += tries(user.name, shell.run(script(steps), within=60))
            asked += len(steps)
    return Attempts(
        did("files were put there", *done, before),
        got_in("ordinary users log in", *logins),
        tuple(own),
        tuple(foreign),
        asked,
        before.out,
        host.root(state).out,
        host.alive(),
    )
