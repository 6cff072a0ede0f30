"""TC_PROTECTING_SESSION_ INAC TIMEOUT: a session that is left alone ends, after the time that was set."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic, sleep

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Endpoint, HostBench, Shell, User, Web, did, got_in
from drivers.interfaces.replies import Login, WebReply
from testsuites.ts_33_117.logins import password_endpoints, shown, wait_until

EARLY_S = 2.0
APPLIES_S = 2.0  # until a setting is in force


@dataclass(frozen=True)
class Idle:
    """A session that is left alone: when it ended, None where it stood at the end of the watch."""

    login: Login
    seconds: float | None  # since it showed its prompt
    age: float  # the same, since it was asked for
    watched: float


@dataclass(frozen=True)
class Terminal:
    """What came at one place with sessions on terminals, with one idle time."""

    endpoint: str
    limit: float
    set: Control
    idle: Idle
    busy: Login | None  # a session with input, and whether it stood at twice the time
    stood: bool


@dataclass(frozen=True)
class Pages:
    """Web sessions: one asked after the idle time, one that polls until then, and a busy one."""

    endpoint: str
    limit: float
    set: Control
    login: Login
    marker: str
    busy: WebReply  # at half of the time, in a session of its own
    late: WebReply
    waited: float
    polled: WebReply | None  # as late, where a page polls by itself meanwhile


@dataclass(frozen=True)
class Seen(Observation):
    tolerance: float
    terminals: tuple[Terminal, ...]
    pages: tuple[Pages, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    if not seen.terminals and not seen.pages:
        return inconclusive("no interface was tried")
    verdicts = [v for one in seen.terminals if (v := _terminal(one, seen.tolerance))]
    verdicts += [v for page in seen.pages if (v := _pages(page, seen.tolerance))]
    if bad := next((v for v in verdicts if v.outcome == "FAIL"), None) or next(iter(verdicts), None):
        return bad
    limits = sorted({one.limit for one in seen.terminals} | {page.limit for page in seen.pages})
    if len(limits) < 2:
        return inconclusive("a second idle time was not tried")
    names = sorted({one.endpoint for one in seen.terminals} | {page.endpoint for page in seen.pages})
    return unsound([seen.alive]) or passed(
        f"{', '.join(names)}: idle sessions end after {' and '.join(map('{:g}'.format, limits))} s as set"
    )


def _terminal(one: Terminal, tolerance: float) -> Verdict | None:
    if doubt := unsound([one.set, got_in(f"{one.endpoint}: the user logs in", one.idle.login)]):
        return doubt
    ended, limit = one.idle.seconds, f"the idle time is {one.limit:g} s"
    if ended is None:
        if one.idle.watched < one.limit + tolerance:
            return inconclusive(
                f"{one.endpoint}: the idle session was watched for {one.idle.watched:.0f} s only"
            )
        return failed(
            f"{one.endpoint}: an idle session stands after {one.idle.watched:.0f} s, {limit}",
            one.idle.login.ref,
        )
    if one.busy is not None:
        if doubt := unsound([got_in(f"{one.endpoint}: the busy user logs in", one.busy)]):
            return doubt
        if not one.stood:
            return inconclusive(
                f"control failed: {one.endpoint}: a session with input ended too", one.busy.ref
            )
    if one.idle.age < one.limit - EARLY_S or ended > one.limit + tolerance:
        return failed(
            f"{one.endpoint}: an idle session ends after {ended:.0f} s, {limit}", one.idle.login.ref
        )
    return None


def _pages(one: Pages, tolerance: float) -> Verdict | None:
    if doubt := unsound([one.set, got_in(f"{one.endpoint}: the user logs in", one.login)]):
        return doubt
    if not shown(one.busy, one.marker):
        return inconclusive(f"control failed: {one.endpoint}: a session in use ended", one.busy.ref)
    for reply, how in ((one.late, "an idle session"), (one.polled, "a session that only polls")):
        if reply is None:
            continue
        if reply.outcome != "answered":
            return inconclusive(f"{one.endpoint}: {reply.outcome} {reply.said}", reply.ref)
        if one.waited < one.limit + tolerance:
            return inconclusive(f"{one.endpoint}: asked after {one.waited:.0f} s only", reply.ref)
        if shown(reply, one.marker):
            limit = f"the idle time is {one.limit:g} s"
            return failed(f"{one.endpoint}: {how} is valid after {one.waited:.0f} s, {limit}", reply.ref)
    return None


# --- probe -------------------------------------------------------------------------------------------------


def _watch(shell: Shell, opened: float, within: float) -> Idle:
    """Send nothing, and wait for the session to end or, at a console, for the next login prompt."""
    shell.read(r"[$#>] ?$")
    began = monotonic()
    heard = shell.read(r"(?i)login: ?$", within=within)
    seconds, age = monotonic() - began, monotonic() - opened
    return Idle(shell.login, seconds if heard.ended or heard.which == 0 else None, age, seconds)


def _use(shell: Shell, every: float, times: int) -> bool:
    """Type something again and again: whether the session stands at the end."""
    shell.read(r"[$#>] ?$")
    for turn in range(times):
        began = monotonic()
        if not shell.type(f"echo turn{turn}") or shell.read(rf"turn{turn}\s").which is None:
            return False
        sleep(max(every - (monotonic() - began), 0.1))
    shell.type("echo scas-stands")
    return shell.read(r"\n\S*scas-stands", within=every).which == 0


def _round(
    host: HostBench,
    limit: float,
    tolerance: float,
    places: Sequence[tuple[Endpoint, User]],
    sites: Sequence[tuple[Endpoint, User]],
) -> tuple[list[Terminal], list[Pages]]:
    """One idle time at every place at once: what is left alone is watched while the others are used."""
    ran = did(f"the idle time is set to {limit:g} s", host.act("sessions.idle_set_action", s=int(limit)))
    host.rest(APPLIES_S)
    within = limit + tolerance + 1
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())
        watched = []
        for at, user in places:
            opened = monotonic()
            idle = stack.enter_context(host.shell(user, endpoint=at, terminal=True))
            watch = pool.submit(_watch, idle, opened, within)
            busy = (
                stack.enter_context(host.shell(user, endpoint=at, terminal=True)) if at.via == "ssh" else None
            )
            watched.append((at, watch, busy, pool.submit(_use, busy, limit / 3, 7) if busy else None))
        agents = [[stack.enter_context(host.web(at, user)) for _ in range(3)] for at, user in sites]
        began = monotonic()
        pages = _on_pages(host, limit, tolerance, ran, began, list(zip(sites, agents, strict=True)))
        terminals = [
            Terminal(
                at.name,
                limit,
                ran,
                idle.result(),
                busy.login if busy else None,
                stands is None or stands.result(),
            )
            for at, idle, busy, stands in watched
        ]
    return terminals, pages


def _on_pages(
    host: HostBench, limit: float, tolerance: float, ran: Control, began: float,
    sites: Sequence[tuple[tuple[Endpoint, User], Sequence[Web]]],
) -> list[Pages]:  # fmt: skip
    found, busy = [], {}
    polls = int((limit + tolerance) / (limit / 3))
    for turn in range(polls):
        wait_until(host, began + (turn + 1) * limit / 3)
        for (at, _), (_, other, polling) in sites:
            method, _, path = str(at.more["login"].get("keepalive", "")).partition(" ")
            if path:
                polling.request(method, path)
            if not turn:
                busy[at.name] = other.request("GET", at.more["login"].get("page", "/"))
    wait_until(host, began + limit + tolerance + 1)
    for (at, _), (idle, _, polling) in sites:
        how, waited = at.more["login"], monotonic() - began
        late = idle.request("GET", how.get("page", "/"))
        polled = polling.request("GET", how.get("page", "/")) if how.get("keepalive") else None
        login = idle.login or Login("closed")
        found.append(
            Pages(at.name, limit, ran, login, how.get("marker", ""), busy[at.name], late, waited, polled)
        )
    return found


@case("TC_PROTECTING_SESSION_ INAC TIMEOUT", judge, "A")
def test_inactivity_timeout(host: HostBench) -> Seen:
    limit = float(host.declared("sessions.idle_timeout_s"))
    tolerance = max(0.1 * limit, float(host.declared("sessions.idle_tolerance_s") or 0), 10.0)
    ways = (*password_endpoints(host), *host.endpoints("console"))
    places: list[tuple[Endpoint, User]] = []
    sites: list[tuple[Endpoint, User]] = []
    for endpoint in ways:
        free = host.users(endpoint=endpoint, privileged=False, aside=False) or host.users(endpoint=endpoint)
        if free:
            (sites if endpoint.via in ("https", "http") else places).append((endpoint, free[0]))
    host.stimulus()
    terminals: list[Terminal] = []
    pages: list[Pages] = []
    for one in (limit, 2 * limit):
        some, more = _round(host, one, tolerance, places, sites)
        terminals += some
        pages += more
    return Seen(tolerance, tuple(terminals), tuple(pages), host.alive())
