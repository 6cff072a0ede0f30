"""TC_SYS_FUN_USAGE: no function of the system without a login, and none without the right to it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Process
from drivers.interfaces.host import Endpoint, HostBench, Secret, User, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Scan
from testsuites.ts_33_117.accounts import own_database, sources, without
from testsuites.ts_33_117.captcha import Captcha
from testsuites.ts_33_117.cells import Tried, account_of, put_back, same_operation, try_cell
from testsuites.ts_33_117.common import LOGIN_PROGRAMS, Try, first, of_each_role, ordinary, script, tries
from testsuites.ts_33_117.logins import reached, web_paths
from testsuites.ts_33_117.ports import (
    EVERY_PORT,
    Listing,
    Service,
    listing,
    points,
    services,
    steady,
    undeclared,
    unlisted,
    unscanned,
)

ID, NOBODY = "TC_SYS_FUN_USAGE", "scasnobody"
OPEN_CONSOLE = re.compile(r"(^|\s)(--autologin|-a)(\s|=)|^(\S*/)?login\s(.*\s)?-f\b")
TERMINAL = re.compile(r"\b(console|tty[A-Za-z]*\d+|hvc\d+|pts/\d+)\b")


# --- A: the list of ways in is adequate --------------------------------------------------------------------


@dataclass(frozen=True)
class Listed(Observation):
    entries: tuple[str, ...]  # by kind: ssh, https, console, ...
    covered: tuple[Service, ...]  # declared services that an entry leads to, or that are public
    declared: tuple[Service, ...]
    listing: Listing
    scans: tuple[Scan, ...]
    processes: Fact
    alive: Control


def judge_listed(seen: Listed) -> Verdict:
    if bad := undeclared(seen.scans, seen.covered, seen.listing):
        return failed(f"{bad[0]} in access.entries", bad[1])
    if doubt := unread(seen.processes):
        return doubt
    terminals = {terminal for terminal, _ in consoles(seen.processes)}
    if len(terminals) > seen.entries.count("console"):
        ways = ", ".join(sorted(terminals))
        return failed(f"logins at {ways}, which are not all in access.entries", seen.processes.ref)
    doubt = unlisted(seen.listing) or unscanned(seen.scans, seen.declared, seen.listing)
    if doubt or not seen.covered:
        return doubt or inconclusive("no entry of access.entries leads to a service")
    return unsound([seen.alive]) or passed(
        f"each way in over the network and {len(terminals)} consoles are in the list of"
        f" {len(seen.entries)} entries",
        seen.processes.ref,
    )


def consoles(processes: Fact) -> Iterator[tuple[str, Process]]:
    """The terminals where a process waits for a login or holds one, and that process."""
    for one in rows(processes, Process):
        if PurePosixPath(one.exe or one.name).name in LOGIN_PROGRAMS and one.args:
            found = TERMINAL.search(one.args)
            if found or one.parent == 1:
                yield (found[0] if found else "console"), one


def _covered(host: HostBench, declared: Iterable[Service]) -> tuple[Service, ...]:
    """The declared services that an entry leads to, or that are declared as public."""
    where = {one.name: one for one in host.endpoints()}
    kinds = {
        (end.interface, "udp" if end.via == "snmp" else "tcp", end.port)
        for row in host.declared("access.entries")
        if (end := where.get(str(row.get("endpoint"))))
    }
    public = {str(row.get("entry")) for row in host.declared("access.public_exceptions") or ()}
    return tuple(
        one for one in declared if (one.interface, one.protocol, one.port) in kinds or one.name in public
    )


@case(ID, judge_listed, "A", asks=("Does the list name each function of the system and each way to it?",))
def test_list_of_entries(host: HostBench) -> Listed:
    at = points(host)
    declared, before = services(host, at), host.fact("listening", fresh=True)
    host.stimulus()
    scans = [host.scan(point.address, "tcp", EVERY_PORT) for point in at]
    listed = listing(host, before)
    known = {one.port for one in declared if one.protocol == "udp"}
    known |= {row.port for row in steady(listed) if row.transport == "udp"}
    if known:
        text = ",".join(map(str, sorted(known)[:200]))
        scans += [host.scan(point.address, "udp", text) for point in at]
    kinds = tuple(str(row.get("via")) for row in host.declared("access.entries"))
    processes = host.fact("processes", fresh=True)
    return Listed(kinds, _covered(host, declared), declared, listed, tuple(scans), processes, host.alive())


# --- B: every entry demands authentication -----------------------------------------------------------------


@dataclass(frozen=True)
class Attempt:
    """A try to get in without what an entry demands: what came of it."""

    entry: str
    how: str
    outcome: str  # in, refused, closed, silence, ...
    said: str
    ref: str

    def __str__(self) -> str:
        return f"{self.entry}: {self.how}"


@dataclass(frozen=True)
class Closed(Observation):
    entries: tuple[str, ...]
    quiet: tuple[str, ...]  # where silence is a refusal between two logins that work
    before: tuple[Login, ...]
    attempts: tuple[Attempt, ...]
    processes: Fact
    after: tuple[Login, ...]
    alive: Control


def judge_closed(seen: Closed) -> Verdict:
    for one in seen.attempts:
        if one.outcome == "in":
            return failed(f"{one}: it got in", one.ref)
    if doubt := unsound([got_in("the right pair works at each entry", *seen.before)]) or unread(
        seen.processes
    ):
        return doubt
    for _, process in consoles(seen.processes):
        if OPEN_CONSOLE.search(process.args):
            return failed(f"the console needs no login: {process.args[:200]}", seen.processes.ref)
    lacking = set(seen.entries) - {one.entry for one in seen.attempts}
    if lacking or not seen.entries:
        return inconclusive(f"nothing was tried at {', '.join(sorted(lacking)) or 'any entry'}")
    for one in seen.attempts:
        if one.outcome not in ("refused", "closed") and not (
            one.outcome == "silence" and one.entry in seen.quiet
        ):
            return inconclusive(f"{one}: {one.outcome} {one.said}", one.ref)
    return unsound([got_in("so it does after it", *seen.after), seen.alive]) or passed(
        f"{len(seen.attempts)} attempts at {len(seen.entries)} entries without what they demand got nothing"
    )


class Entry:
    """One declared way in: who gets in there, and tries without that."""

    def __init__(self, host: HostBench, row: dict[str, Any]) -> None:
        where = {one.name: one for one in host.endpoints()}
        self.host, self.name = host, str(row["name"])
        self.end: Endpoint = first(
            (e for n, e in where.items() if n == row.get("endpoint")), f"the endpoint of entry {self.name}"
        )
        users = host.users(endpoint=self.end)
        apart = [one for one in users if not one.aside] or list(users[:1])
        self.users = of_each_role(apart)
        self.token = str(self.end.more.get("secret") or "")
        self.challenge = "challenge" in (self.end.more.get("login") or {})
        if not self.users and not self.token:
            raise UnseenError(f"not declared: an entry of accounts.test_users for {self.end.name}")
        peer = str(row.get("peer") or "")
        self.sources = tuple(dict.fromkeys([*([peer] if peer else []), *sources(host, self.end)[:2]]))

    def right(self) -> tuple[Login, ...]:
        """Logins with what is demanded."""
        if self.token:
            return (self.host.login(self.end, "token", self.host.secret(reference=self.token)),)
        if self.challenge:
            return (Captcha(self.host, self.end, self.users[0]).enter()[0],)
        users = self.users if self.end.via in ("ssh", "netconf", "snmp") else self.users[:1]
        return tuple(self.host.login(self.end, user) for user in users)

    def attempts(self) -> Iterator[Attempt]:
        if self.end.via == "console":
            yield from self._console()
        elif self.end.via == "snmp":
            yield from self._snmp()
        elif self.end.via in ("https", "http"):
            yield from self._web()
        else:
            yield from self._shell()

    def _told(self, how: str, login: Login) -> Attempt:
        return Attempt(self.name, how, login.outcome, login.said, login.ref)

    def _shell(self) -> Iterator[Attempt]:
        """SSH and NETCONF, with the method none, an empty and a wrong password, and a wrong user."""
        for user in self.users:
            for source in self.sources if user is self.users[0] else self.sources[:1]:
                for one in without(self.host, self.end, user.name, source):
                    yield self._told(f"{user.name} with {one.how}", one.login)
                self.host.login(self.end, user)  # which ends the count of failures
            yield self._told(
                "a wrong user with a right secret", self.host.login(self.end, NOBODY, self.host.secret(user))
            )

    def _snmp(self) -> Iterator[Attempt]:
        for user in self.users:
            right = self.host.secret(user)
            for source in self.sources:
                for how, name, secret in (
                    ("a wrong user with a right key", NOBODY, right),
                    ("a wrong key", user.name, self.host.secret()),
                    ("no key", user.name, ""),
                ):
                    yield self._told(
                        f"{user.name}: {how}", self.host.login(self.end, name, secret, source=source)
                    )

    def _console(self) -> Iterator[Attempt]:
        wrong = self.host.secret()
        with self.host.shell(NOBODY, wrong, endpoint=self.end) as shell:
            yield self._told("a wrong user", shell.login)
            ran = shell.run("id -un")
            outcome = "in" if ran.status is not None else "refused"
            yield Attempt(self.name, "a command instead of a user", outcome, ran.out[-200:], ran.ref)

    def _web(self) -> Iterator[Attempt]:
        how = self.end.more.get("login") or {}
        marker = str(how.get("marker") or "")
        for source in self.sources:
            for path in web_paths(self.host, self.end):
                for kind, headers in self._headers(how):
                    with self.host.web(self.end, source=source) as web:
                        reply = web.request("GET", path, headers=headers)
                    yield Attempt(
                        self.name,
                        f"{path} with {kind}",
                        reached(reply, marker),
                        str(reply.status),
                        reply.ref,
                    )
            name = self.users[0].name if self.users else "token"
            for secret in ("", self.host.secret()):
                yield self._told(
                    f"{name} with a wrong secret", self.host.login(self.end, name, secret, source=source)
                )
            self.right()  # which ends the count of failures
        if self.users and not self.challenge:
            right: Secret = self.host.secret(self.users[0])
            yield self._told("a wrong user with a right secret", self.host.login(self.end, NOBODY, right))

    def _headers(self, how: Any) -> Iterator[tuple[str, dict[str, str]]]:
        yield "no session", {}
        if how.get("cookie"):
            yield "an invalid session", {"Cookie": f"{how['cookie']}={self.host.secret().text}"}
        elif how.get("bearer"):
            yield "an invalid token", {"Authorization": f"Bearer {self.host.secret().text}"}


@case(ID, judge_closed, "B")
def test_entries_demand_authentication(host: HostBench) -> Closed:
    entries = [Entry(host, row) for row in host.declared("access.entries")]
    before = tuple(login for entry in entries for login in entry.right())
    host.stimulus()
    attempts = tuple(one for entry in entries for one in entry.attempts())
    open_ = any(one.outcome == "in" for one in attempts)  # which decides, whatever works after it
    return Closed(
        tuple(entry.name for entry in entries),
        tuple(entry.name for entry in entries if entry.end.via == "snmp"),
        before,
        attempts,
        host.fact("processes", fresh=True),
        () if open_ else tuple(login for entry in entries for login in entry.right()),
        host.alive(),
    )


# --- C: every entry applies authorisation ------------------------------------------------------------------


@dataclass(frozen=True)
class Authorised(Observation):
    logins: tuple[Login, ...]
    permitted: tuple[Tried, ...]  # the same account at the same entry does something it may
    denied: tuple[Tried, ...]
    effective: tuple[Tried, ...]  # the same operations by who may
    root: tuple[Try, ...]
    privileged: tuple[Try, ...]
    asked: int
    put_back: Control
    alive: Control


def judge_authorised(seen: Authorised) -> Verdict:
    for cell in seen.denied:
        if cell.worked:
            return failed(f"{cell}: is not allowed, and worked", cell.ran.ref)
    for one in seen.privileged:
        if one.done:
            return failed(f"{one.user}: {one.what} {one.target} works", one.ref)
    if doubt := unsound([got_in("each account logs in", *seen.logins)]):
        return doubt
    for cell in seen.denied:
        if not cell.denied:
            said = cell.ran.problem or cell.ran.err or cell.ran.out
            return inconclusive(f"{cell}: neither worked nor was denied: {said[-200:]}", cell.ran.ref)
        own = [p for p in seen.permitted if (p.role, p.endpoint) == (cell.role, cell.endpoint)]
        other = [p for p in seen.effective if same_operation(vars(p), vars(cell))]
        controls = [
            Control(f"{cell.role} does what it may at {cell.endpoint}", _works(own), "no"),
            Control(f"{cell.operation} at {cell.endpoint} has effect for who may", _works(other), "no"),
        ]
        if doubt := unsound(controls):
            return doubt
    can = {(one.what, one.target) for one in seen.root if one.done}
    for one in seen.privileged:
        if (one.what, one.target) not in can or not one.denied:
            return inconclusive(f"{one.user}: {one.what} {one.target}: {one.said}", one.ref)
    if not seen.denied or not seen.privileged or len(seen.privileged) != seen.asked:
        return inconclusive(f"{len(seen.denied)} operations and {len(seen.privileged)} attempts were tried")
    return unsound([seen.put_back, seen.alive]) or passed(
        f"{len(seen.denied)} operations are denied to who lacks the right,"
        f" and {len(seen.privileged)} privileged attempts"
    )


def _works(cells: Iterable[Tried]) -> bool:
    every = tuple(cells)
    return bool(every) and all(one.took_effect for one in every)


def _privileged(host: HostBench) -> list[tuple[str, ...]]:
    """What only root may: read stored secrets, signal the first process, change the root folder."""
    own = own_database(host)
    stores = next((d.get("store") or () for d in host.declared("accounts.databases") if d["name"] == own), ())
    return [
        *(("read", str(path), "head", "-c", "1", str(path)) for path in stores[:1]),
        ("administrate", "signal to the first process", "sh", "-c", "kill -0 1"),
        ("administrate", "change of the root folder", "sh", "-c", "PATH=$PATH:/usr/sbin:/sbin chroot / true"),
    ]


@case(ID, judge_authorised, "C")
def test_entries_apply_authorisation(host: HostBench) -> Authorised:
    matrix = host.declared("rbac.matrix")
    refused = [row for row in matrix if not row["allow"]]
    cells, where = dict[int, Tried](), {one.name: one for one in host.endpoints()}
    host.stimulus()
    accounts: dict[tuple[Any, Any], User] = {}
    needed = []
    for number, row in enumerate(matrix, 1):
        place = (row["role"], row.get("endpoint"))
        may = row["allow"] and (
            any(same_operation(row, other) for other in refused)
            or (place in {(o["role"], o.get("endpoint")) for o in refused})
        )
        if may or not row["allow"]:
            needed.append((number, row))
            accounts.setdefault(place, account_of(host, *place))
    logins = tuple(host.login(where[str(at)], user) for (_, at), user in accounts.items())
    for number, row in needed:
        user = accounts[row["role"], row.get("endpoint")]
        cells[number] = try_cell(host, row, user.name, number)
    steps, privileged = _privileged(host), list[Try]()
    users = of_each_role(ordinary(host))
    for user in users:
        with host.shell(user) as shell:
            privileged += tries(user.name, shell.run(script(steps)))
    allowed = tuple(one for one in cells.values() if one.allow)
    return Authorised(
        logins,
        allowed,
        tuple(one for one in cells.values() if not one.allow),
        allowed,
        tries("root", host.root(script(steps))),
        tuple(privileged),
        len(steps) * len(users),
        put_back(host, cells.values()),
        host.alive(),
    )
