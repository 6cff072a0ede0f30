"""TC_AUTHORIZATION_POLICY: accounts and applications have the rights of their task, and no more."""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import File, Listener, Process
from drivers.interfaces.host import HostBench, User, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran
from testsuites.ts_33_117.common import Try, first, script, tries

MATRIX = "authorization.matrix"
PLANTED = "/var/lib/assay-policy"
NOT_IN_SUDOERS = re.compile(r"not in the sudoers file|not allowed to (execute|run)|may not run sudo")
REACHES = "export PATH=$PATH:/usr/sbin:/sbin\n"
EXECUTES = '"$0" </dev/null >/dev/null; r=$?; [ $r -ne 126 ] && [ $r -ne 127 ]'
JOB_S = 3.0  # longer than a job of cron takes
OPERATIONS = {
    "read": ("sh", "-c", 'if [ -d "$0" ]; then ls "$0"; else head -c 1 "$0"; fi >/dev/null'),
    "write": ("sh", "-c", 'if [ -d "$0" ]; then f=$(mktemp -p "$0") && rm "$f"; else : >> "$0"; fi'),
    "execute": ("sh", "-c", EXECUTES),
}
ADMINISTRATION = (
    ("administrate", "signal to the first process", "sh", "-c", "kill -0 1"),
    ("administrate", "change of the root folder", "chroot", "/", "true"),
    ("administrate", "the host's name", "sh", "-c", 'hostname "$(hostname)"'),
)


@dataclass(frozen=True)
class Granted(Observation):
    logins: tuple[Login, ...]
    tried: tuple[Try, ...]
    asked: int
    alive: Control


def judge_granted(seen: Granted) -> Verdict:
    if doubt := unsound([*_as_meant(seen.logins), seen.alive]):
        return doubt
    if len(seen.tried) != seen.asked or not seen.tried:
        return inconclusive(f"{len(seen.tried)} of {seen.asked} operations came to an end")
    for one in seen.tried:
        if one.denied or (not one.done and NOT_IN_SUDOERS.search(one.said)):
            return failed(f"{one.user} may {one.what} {one.target}, and is denied: {one.said}", one.ref)
        if not one.done:
            return inconclusive(f"{one.user}: {one.what} {one.target} did not work: {one.said}", one.ref)
    return passed(f"{len(seen.tried)} granted operations work")


@dataclass(frozen=True)
class Ungranted(Observation):
    prepared: Control
    logins: tuple[Login, ...]
    can_work: tuple[Try, ...]  # the same operations by those who may
    tried: tuple[Try, ...]
    asked: int
    before: str  # digests and modes of the objects
    after: str
    alive: Control


def judge_ungranted(seen: Ungranted) -> Verdict:
    if doubt := unsound([seen.prepared, *_as_meant(seen.logins)]):
        return doubt
    for one in seen.tried:
        if one.done:
            return failed(f"{one.user}: {one.what} {one.target} is not granted, and works", one.ref)
    works = {(one.what, one.target) for one in seen.can_work if one.done}
    for one in seen.tried:
        if (one.what, one.target) not in works:
            return inconclusive(f"nobody is seen to {one.what} {one.target}")
        if not one.denied and not NOT_IN_SUDOERS.search(one.said):
            return inconclusive(
                f"{one.user}: {one.what} {one.target} failed, but not for want of rights: {one.said}"
            )
    if len(seen.tried) != seen.asked or not seen.tried:
        return inconclusive(f"{len(seen.tried)} of {seen.asked} operations came to an end")
    if not seen.before or not seen.after:
        return inconclusive("the state of the objects was not read")
    if seen.after != seen.before:
        return failed("the objects are not as they were")
    return unsound([seen.alive]) or passed(f"{len(seen.tried)} operations that are not granted are denied")


def _as_meant(logins: tuple[Login, ...]) -> list[Control]:
    """Controls: each account logs in, and the session is that account's."""
    other = [f"{one.user} is {one.identity}" for one in logins if one.identity != one.user]
    return [
        got_in("each account of the matrix logs in", *logins),
        Control("each session is of the account that logged in", not other, ", ".join(other)),
    ]


def _users(host: HostBench) -> dict[str, User]:
    """The accounts of the matrix, as the harness may use them over SSH."""
    ssh, names = first(host.endpoints("ssh"), "an entry of oam.endpoints with via ssh"), host.declared(MATRIX)
    usable = {one.name: one for one in host.users(endpoint=ssh)}
    wanted = dict.fromkeys(str(row["account"]) for row in names)
    return {n: first([usable[n]] if n in usable else [], f"{n} in accounts.test_users") for n in wanted}


def _is_command(row: Mapping[str, Any]) -> bool:
    return not str(row["object"]).startswith("/")


def _steps(matrix: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (operation, row["object"], *OPERATIONS[operation], row["object"])
        for row in matrix
        if not _is_command(row)
        for operation in row["operations"]
    ]


def _commands(host: HostBench, user: User, shell: Any, matrix: Iterable[Mapping[str, Any]]) -> list[Try]:
    """Commands of the matrix as a user, through sudo with the user's own password."""
    done = []
    for row in matrix:
        if _is_command(row) and "execute" in row["operations"]:
            words = str(row["object"]).removeprefix("sudo ")
            line = f"export LC_ALL=C; sudo -k; sudo -S -p '' {words}"
            ran: Ran = shell.run(line, input=f"{host.secret(user).text}\n")
            if ran.status is not None:
                said = " ".join(f"{ran.err} {ran.out}".split())[-200:]
                done.append(Try(user.name, "execute", row["object"], ran.status, said, ran.ref))
    return done


@case("TC_AUTHORIZATION_POLICY", judge_granted, "A")
def test_granted_operations(host: HostBench) -> Granted:
    matrix = [{**row, "operations": row["allow"]} for row in host.declared(MATRIX)]
    logins, tried = list[Login](), list[Try]()
    host.stimulus()
    for name, user in _users(host).items():
        mine = [row for row in matrix if row["account"] == name]
        with host.shell(user) as shell:
            logins.append(shell.login)
            tried += tries(name, shell.run(REACHES + script(_steps(mine)), within=30))
            tried += _commands(host, user, shell, mine)
    return Granted(tuple(logins), tuple(tried), sum(len(row["allow"]) for row in matrix), host.alive())


def _planted(host: HostBench, paths: Iterable[str]) -> tuple[list[Ran], list[tuple[str, ...]]]:
    """Files with the rights of the objects, in folders with the rights of theirs; and what to try on them."""
    done, steps = [host.plant(f"{PLANTED}/", mode=0o755)], list[tuple[str, ...]]()
    seen = set[tuple[str, ...]]()
    for number, path in enumerate(paths):
        there = host.files(path, path.rpartition("/")[0] or "/")
        if there.problem:
            raise UnseenError(f"could not be read: rights of {path}: {there.problem}")
        found = {one.path: one for one in rows(there, File)}
        if (its := found.pop(path, None)) is None or its.kind != "file":
            continue
        for folder in found.values():
            rights = (folder.mode, folder.owner, folder.group, its.mode, its.owner, its.group)
            if rights in seen:
                continue
            seen.add(rights)
            where = f"{PLANTED}/{number}"
            owner = f"{folder.owner}:{folder.group}"
            done.append(host.plant(f"{where}/", mode=int(folder.mode, 8), owner=owner))
            mode = int(its.mode, 8)
            done.append(host.plant(f"{where}/f", "kept\n", mode=mode, owner=f"{its.owner}:{its.group}"))
            file = f"{where}/f"
            steps.append(("change", file, "sh", "-c", 'echo kept > "$0"', file))
            steps.append(("rename", file, "sh", "-c", 'mv -f "$0" "$0.moved" && mv -f "$0.moved" "$0"', file))
            steps.append(
                ("delete", file, "sh", "-c", 'cp -p "$0" "$0.kept" && rm -f "$0" && mv "$0.kept" "$0"', file)
            )
    return done, steps


@case("TC_AUTHORIZATION_POLICY", judge_ungranted, "B")
def test_ungranted_operations(host: HostBench) -> Ungranted:
    declared, users = host.declared(MATRIX), _users(host)
    used = {row["object"] for row in declared if "execute" in row["allow"]}
    matrix = []
    for row in declared:
        kinds = (
            ["execute"]
            if _is_command(row)
            else ["read", "write", *(["execute"] if row["object"] in used else [])]
        )
        matrix.append({**row, "operations": [one for one in kinds if one not in row["allow"]]})
    files = list(dict.fromkeys(row["object"] for row in declared if not _is_command(row)))
    done, planted = _planted(host, files)
    can_work, tried, logins, asked = list[Try](), list[Try](), list[Login](), 0
    homes: dict[str, str] = {}
    for name, user in users.items():
        with host.shell(user) as shell:
            ran = shell.run('umask && echo "$HOME"')
            mask, _, home = ran.out.strip().partition("\n")
            homes[name] = f"{home}/assay-own"
            done += [ran, host.plant(homes[name], "own\n", mode=0o666 & ~int(mask or "077", 8), owner=name)]
            can_work += _commands(
                host, user, shell, [{**r, "operations": r["allow"]} for r in declared if r["account"] == name]
            )
    logs = {row.get("path") for row in host.declared("logs.locations") or ()}  # these grow meanwhile
    still = " ".join(shlex.quote(one) for one in files if one not in logs)
    state = f"stat -c '%n %a %u %g' {shlex.join(files)} && sha256sum {PLANTED}/*/f"
    state += f" && find {still} -maxdepth 0 -type f -exec cat {{}} + | sha256sum"
    before = host.root(state)
    others = [("read", path, *OPERATIONS["read"], path) for path in homes.values()]
    every = [*_steps(matrix), *others, *ADMINISTRATION, *planted]
    can_work += tries("root", host.root(script(every), within=30))
    host.stimulus()
    for name, user in users.items():
        mine = [row for row in matrix if row["account"] == name]
        may_write = any("write" in row["allow"] for row in declared if row["account"] == name)
        steps = [*_steps(mine), *([] if may_write else planted)]
        steps += [] if user.privileged else [*ADMINISTRATION, *(s for s in others if s[1] != homes[name])]
        with host.shell(user) as shell:
            logins.append(shell.login)
            tried += tries(name, shell.run(REACHES + script(steps), within=30))
            tried += _commands(host, user, shell, mine)
        asked += len(steps) + sum(_is_command(row) and bool(row["operations"]) for row in mine)
    return Ungranted(
        did("files were put there", *done),
        tuple(logins),
        tuple(can_work),
        tuple(tried),
        asked,
        before.out,
        host.root(state).out,
        host.alive(),
    )


# --- C: applications ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Applications(Observation):
    earlier: Fact  # the processes some seconds before: what is there twice is no job that comes and goes
    processes: Fact
    listening: Fact
    services: tuple[tuple[str, int], ...] | None  # declared: transport, port
    justified: tuple[dict[str, Any], ...]
    operator: int  # uid of the account whose sessions are the bench's own
    alive: Control


def judge_applications(seen: Applications) -> Verdict:
    if doubt := unread(seen.earlier, seen.processes, seen.listening):
        return doubt
    stayed = {(one.exe, one.args) for one in rows(seen.earlier, Process)}
    every = {one.pid: one for one in rows(seen.processes, Process)}
    for one in every.values():
        if one.exe and (one.exe, one.args) in stayed and not _own(one, every, seen.operator):
            rights = "as root" if 0 in (one.euid, one.uid) else "with capabilities" if _capable(one) else ""
            if rights and not any(_covers(row, one) for row in seen.justified):
                return failed(
                    f"{one.exe} ({one.args[:80]}) runs {rights} without a reason", seen.processes.ref
                )
    held = {(one.transport, one.port) for one in rows(seen.listening, Listener) if one.pid in every}
    lacking = [
        f"{transport} {port}" for transport, port in seen.services or () if (transport, port) not in held
    ]
    listed = Control(
        "every declared service is held by a process of the list",
        bool(seen.services) and not lacking,
        ", ".join(lacking),
    )
    return unsound([listed, seen.alive]) or passed(
        f"{len(every)} processes: those with root's rights or capabilities are on the list",
        seen.processes.ref,
    )


def _capable(one: Process) -> bool:
    return bool(re.search("[1-9a-fA-F]", one.capabilities))


def _covers(row: Mapping[str, Any], one: Process) -> bool:
    """Whether a declared reason is for this process, with these rights."""
    same = row.get("exe") == one.exe and str(row.get("args") or "") in one.args
    caps = row.get("caps")
    return (
        same
        and row.get("uid", 0) in (one.uid, one.euid)
        and (caps == "all" or not _capable(one) or str(caps) == one.capabilities)
    )


def _own(one: Process, every: Mapping[int, Process], operator: int) -> bool:
    """Whether it belongs to a session of the account that the bench looks with."""
    for _ in every:
        if one.exe.endswith("/sshd") and operator and one.uid == operator:
            return True
        if (above := every.get(one.parent)) is None:
            break
        one = above
    return False


@case("TC_AUTHORIZATION_POLICY", judge_applications, "C")
def test_applications(host: HostBench) -> Applications:
    services, access = host.declared("services.list"), host.declared("platform.host_access") or {}
    operator = host.root(f"id -u {access.get('user', 'root')}").out.strip()
    earlier = host.fact("processes", fresh=True)
    host.rest(JOB_S)
    return Applications(
        earlier,
        host.fact("processes", fresh=True),
        host.fact("listening", fresh=True),
        services and tuple((str(row["protocol"]), int(row["port"])) for row in services),
        tuple(host.declared("authorization.root_processes")),
        int(operator) if operator.isdecimal() else 0,
        host.alive(),
    )
