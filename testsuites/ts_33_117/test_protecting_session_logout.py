"""TC_PROTECTING_SESSION_LOGOUT: who is logged in can leave, and nothing of the session stays behind."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from time import monotonic

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Process
from drivers.interfaces.host import Endpoint, HostBench, Shell, User, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran, WebReply
from testsuites.ts_33_117.logins import password_endpoints, shown

STAY_S, EMPTY_S, LOOK_S = 60.0, 30.0, 2.0
TRIES = 3
LEFT = "sleep 4711"


@dataclass(frozen=True)
class Terminal:
    """A session with processes of its own, before and after its logout."""

    endpoint: str
    login: Login
    uid: int
    before: Fact  # processes
    out: bool  # the session ended after the declared logout
    after: Fact
    seconds: float  # from the logout to that look


@dataclass(frozen=True)
class Pages:
    """A web session: a page that needs it, the logout, and the page with a copy of the cookie."""

    endpoint: str
    login: Login
    before: WebReply
    marker: str
    out: Ran
    replay: WebReply


@dataclass(frozen=True)
class Seen(Observation):
    service: Ran  # a function of the product, before
    terminals: tuple[Terminal, ...]
    pages: tuple[Pages, ...]
    undeclared: tuple[str, ...]  # interfaces without a declared logout
    surviving: tuple[str, ...]
    after: tuple[Ran, ...]  # the function, after the last session
    alive: Control


def judge(seen: Seen) -> Verdict:
    if doubt := unsound([did("the product's function answers before", seen.service)]):
        return doubt
    if seen.undeclared:
        return failed(f"{', '.join(seen.undeclared)}: no logout is declared")
    for terminal in seen.terminals:
        if bad := _terminal(terminal, seen.surviving):
            return bad
    for pages in seen.pages:
        if bad := _pages(pages):
            return bad
    if not seen.terminals and not seen.pages:
        return inconclusive("no interface was tried")
    for ran in seen.after:
        if not ran.ok:
            return failed(f"the product's function no longer answers: {ran.problem or ran.err}", ran.ref)
    if not seen.after:
        return inconclusive("the product's function was not asked after the last session")
    names = [one.endpoint for one in seen.terminals] + [one.endpoint for one in seen.pages]
    return unsound([seen.alive]) or passed(
        f"{', '.join(names)}: a logout ends the session and all it started"
    )


def _terminal(one: Terminal, surviving: Iterable[str]) -> Verdict | None:
    if doubt := unsound([got_in(f"{one.endpoint}: the user logs in", one.login)]) or unread(
        one.before, one.after
    ):
        return doubt
    running = _of(one.before, one.uid)
    if sum(LEFT in process.args for process in running) < 3:
        return inconclusive(
            f"control failed: {one.endpoint}: the three processes are not listed", one.before.ref
        )
    if not one.out:
        return failed(f"{one.endpoint}: the declared logout does not end the session", one.login.ref)
    if left := [p for p in _of(one.after, one.uid) if not any(fnmatchcase(p.exe, exe) for exe in surviving)]:
        names = ", ".join(sorted({process.args or process.name for process in left}))
        if one.seconds < EMPTY_S:
            return inconclusive(f"{names} was looked for too early", one.after.ref)
        return failed(
            f"{one.endpoint}: {one.seconds:.0f} s after the logout there is {names[:200]}", one.after.ref
        )
    return None


def _of(fact: Fact, uid: int) -> list[Process]:
    return [process for process in rows(fact, Process) if process.uid == uid]


def _pages(one: Pages) -> Verdict | None:
    if doubt := unsound([got_in(f"{one.endpoint}: the user logs in", one.login)]):
        return doubt
    if not shown(one.before, one.marker):
        return inconclusive(f"control failed: {one.endpoint}: the page of the session: {one.before.status}")
    if one.replay.outcome != "answered":
        return inconclusive(
            f"{one.endpoint}: after the logout: {one.replay.outcome} {one.replay.said}", one.replay.ref
        )
    if one.out.status is None:
        return inconclusive(f"{one.endpoint}: the logout: {one.out.problem}", one.out.ref)
    if not one.out.ok:
        return failed(f"{one.endpoint}: the declared logout is answered with {one.out.err}", one.out.ref)
    if shown(one.replay, one.marker):
        return failed(f"{one.endpoint}: a copy of the cookie still opens the page", one.replay.ref)
    return None


# --- probe -------------------------------------------------------------------------------------------------


def _start(shell: Shell, prompt: str) -> None:
    """Processes of the session in the background: plain, with nohup, and in a session of its own."""
    shell.read(prompt)
    for start in (f"{LEFT} &", f"nohup {LEFT} >/dev/null 2>&1 &", f"setsid {LEFT} >/dev/null 2>&1 &"):
        shell.type(start)
        shell.read(prompt)


def _uid(host: HostBench, user: User) -> int:
    """The number of an account, -1 where the product does not tell."""
    said = host.root(f"id -u {user.name}").out.strip()
    return int(said) if said.isdecimal() else -1


def _on_terminals(host: HostBench, places: Sequence[tuple[Endpoint, User]]) -> tuple[Terminal, ...]:
    """A session at each place at the same time, each of another user, then one logout after the other."""
    uids = [_uid(host, user) for _, user in places]
    found, actions = [], host.declared("sessions.logout_action")
    with ExitStack() as stack:
        shells = [stack.enter_context(host.shell(user, endpoint=at, terminal=True)) for at, user in places]
        for (at, _), shell in zip(places, shells, strict=True):
            _start(shell, str(at.more.get("prompt") or r"[$#>] ?$"))
        before = host.fact("processes", fresh=True)
        host.rest(STAY_S)
        for (at, _), shell, uid in zip(places, shells, uids, strict=True):
            shell.type(actions[at.name]["run"])
            heard, began = shell.read(r"(?i)login: ?$", within=EMPTY_S), monotonic()
            after = host.fact("processes", fresh=True)
            while _of(after, uid) and monotonic() - began < EMPTY_S:
                host.rest(LOOK_S)
                after = host.fact("processes", fresh=True)
            out, seconds = heard.ended or heard.which == 0, monotonic() - began
            found.append(Terminal(at.name, shell.login, uid, before, out, after, seconds))
            for process in _of(after, uid):  # so that what follows finds the product as it was
                host.root(f"kill -KILL {process.pid}")
    return tuple(found)


def _on_pages(host: HostBench, endpoint: Endpoint, user: User) -> Pages:
    how = endpoint.more["login"]
    page, marker = how.get("page", "/"), str(how.get("marker", ""))
    action = host.declared("sessions.logout_action")[endpoint.name]
    with host.web(endpoint, user) as agent:
        before, login = agent.request("GET", page), agent.login
        kept = agent.copy()
        method, _, path = action["request"].partition(" ")
        given = agent.request(method, path, fields={})
        wanted = action.get("expect")
        good = given.status == wanted if isinstance(wanted, int) else 0 < given.status < 400
        status = None if given.outcome != "answered" else 0 if good else 1
        answer, problem = f"{given.status} {given.said}", "" if status is not None else given.said
        request = action["request"]
        ran = Ran(status, "", answer, False, given.seconds, problem, given.ref, request)
        return Pages(endpoint.name, login or Login("closed"), before, marker, ran, kept.request("GET", page))


@case("TC_PROTECTING_SESSION_LOGOUT", judge, "A")
def test_logout(host: HostBench) -> Seen:
    actions = host.declared("sessions.logout_action")
    host.root("true")  # somebody is logged in, as in the operation of the product
    service = host.act("probes.service")
    for _ in range(TRIES):
        if service.ok:
            break
        host.rest(LOOK_S)
        service = host.act("probes.service")
    ways = (*password_endpoints(host), *host.endpoints("console"))
    places: list[tuple[Endpoint, User]] = []
    host.stimulus()
    for endpoint in (one for one in ways if one.via in ("ssh", "console") and one.name in actions):
        taken = {user.name for _, user in places}
        free = [u for u in host.users(endpoint=endpoint, privileged=False) if u.name not in taken]
        places += [(endpoint, free[0])] if free else []
    web = [one for one in ways if one.via in ("https", "http") and one.name in actions]
    pages = [_on_pages(host, one, host.users(endpoint=one, privileged=False)[0]) for one in web]
    terminals = _on_terminals(host, places)
    surviving = [
        str(row.get("exe") or row.get("name")) for row in host.declared("sessions.surviving_processes") or ()
    ]
    host.leave()
    host.rest(LOOK_S)
    after = [host.act("probes.service") for _ in range(2)]
    undeclared = tuple(one.name for one in ways if one.name not in actions)
    return Seen(service, terminals, tuple(pages), undeclared, tuple(surviving), tuple(after), host.alive())
