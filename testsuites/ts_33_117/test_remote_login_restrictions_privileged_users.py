"""TC_REMOTE_LOGIN_RESTRICTIONS_PRIVILEGED_USERS: the highest privileged user logs in at the console alone."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_interface, ip_network
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Account, Group, Process
from drivers.interfaces.host import Endpoint, HostBench, Secret, User, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login
from testsuites.ts_33_117.common import first, ordinary

SSHD = "/etc/ssh/sshd_config"


@dataclass(frozen=True)
class Condition(Observation):
    """What sshd would do for a user who comes from somewhere (`sshd -T -C`)."""

    config: str
    user: str
    source: str
    settings: dict[str, str]
    ref: str


@dataclass(frozen=True)
class Remote(Observation):
    accounts: Fact
    groups: Fact
    equivalents: tuple[dict[str, Any], ...]
    prepared: Control  # the harness's key is authorised for root and an ordinary user
    right: Control  # root's password is right
    before: Control  # an ordinary user gets in everywhere, by the same methods
    attempts: tuple[Login, ...]
    conditions: tuple[Condition, ...]
    after: Control
    alive: Control


def judge_remote(seen: Remote) -> Verdict:
    if doubt := unsound([seen.before]) or unread(seen.accounts, seen.groups):
        return doubt
    for login in seen.attempts:
        if login.outcome == "in":
            source = f" from {login.source}" if login.source else ""
            return failed(
                f"{login.user} logs in at {login.endpoint}{source} by {login.method or 'password'}", login.ref
            )
    for one in seen.conditions:
        if why := _let_in(one, rows(seen.groups, Group)):
            return failed(f"{one.config} lets {one.user} in from {one.source}: {why}", one.ref)
    if doubt := unsound([seen.prepared, seen.right, seen.after]):
        return doubt
    if odd := next((one for one in seen.attempts if one.outcome not in ("refused", "closed")), None):
        return inconclusive(
            f"{odd.user} at {odd.endpoint}: {odd.outcome} {odd.said}, which is no refusal", odd.ref
        )
    top = {one.name for one in rows(seen.accounts, Account) if one.uid == 0}
    if not seen.attempts or not top:
        return inconclusive("no account with UID 0 is known, or nothing was attempted")
    return unsound([seen.alive]) or passed(
        f"{len(seen.attempts)} attempts of {', '.join(sorted(top))} with the right secrets were refused,"
        f" and sshd shuts them out in {len(seen.conditions)} conditions"
    )


def _let_in(one: Condition, groups: tuple[Group, ...]) -> str:
    """Why sshd would let a user with UID 0 in; empty where it shuts out."""
    words = {key: value.split() for key, value in one.settings.items()}
    member = {g.name for g in groups if one.user in g.members or g.gid == 0}
    permit = one.settings.get("permitrootlogin", "")
    denied = any(fnmatchcase(one.user, name.partition("@")[0]) for name in words.get("denyusers", ()))
    denied |= any(fnmatchcase(group, name) for group in member for name in words.get("denygroups", ()))
    allowed = words.get("allowusers")
    outside = bool(allowed) and not any(
        fnmatchcase(one.user, name.partition("@")[0]) for name in allowed or ()
    )
    allowed = words.get("allowgroups")
    outside |= bool(allowed) and not any(fnmatchcase(g, name) for g in member for name in allowed or ())
    return "" if permit == "no" or denied or outside else f"PermitRootLogin {permit}"


@case("TC_REMOTE_LOGIN_RESTRICTIONS_PRIVILEGED_USERS", judge_remote, "A")
def test_remote(host: HostBench) -> Remote:
    accounts, equivalents = host.fact("accounts", fresh=True), host.declared("accounts.root_equivalents")
    top = [one for one in rows(accounts, Account) if one.uid == 0]
    names = list(dict.fromkeys([*(one.name for one in top), *(one["name"] for one in equivalents)]))
    top_name = str(first(equivalents, "an entry of accounts.root_equivalents")["name"])
    root, (key, line) = host.secret(top_name), host.keypair()
    persons = [
        one
        for one in host.endpoints("ssh", "netconf", "https")
        if one.more.get("users", "person") == "person"
    ]
    ends = [one for one in persons if one.via != "https" or "challenge" not in one.more.get("login", {})]
    user = ordinary(host)[0]
    homes = {one.home: one.name for one in rows(accounts, Account) if one.name in (user.name, "root")}
    done = [ran for home, owner in homes.items() for ran in _authorised(host, home, owner, line)]
    right = got_in(
        "root's password is right at the console",
        host.login(first(host.endpoints("console"), "console.endpoint"), top_name),
    )
    before = [login for end in ends for login in _each_way(host, end, user, None, key)]
    host.stimulus()
    attempts = []
    for name in names:
        for end in ends:
            for source in _sources(host, end):
                attempts += _each_way(host, end, name, root, key, source)
    after = [login for end in ends for login in _each_way(host, end, user, None, key)]
    conditions = tuple(_conditions(host, [one.name for one in top]))
    host.root("faillock --user root --reset 2>/dev/null; :")  # our attempts would keep root from the console
    return Remote(
        accounts,
        host.fact("groups"),
        tuple(equivalents),
        did("the key is authorised for root", *done),
        right,
        got_in("an ordinary user gets in everywhere", *before),
        tuple(attempts),
        conditions,
        got_in("an ordinary user still gets in everywhere", *after),
        host.alive(),
    )


def _authorised(host: HostBench, home: str, owner: str, line: str) -> Iterator[Any]:
    """The harness's key among those that let an account in, in a file of its own where there is none yet."""
    if not host.root(f"test -d {shlex.quote(home)}/.ssh").ok:
        yield host.plant(f"{home}/.ssh/", mode=0o700, owner=owner)
    yield host.plant(f"{home}/.ssh/authorized_keys", f"{line}\n", owner=owner)


def _each_way(
    host: HostBench, end: Endpoint, user: User | str, secret: Secret | None, key: Secret, source: str = ""
) -> list[Login]:
    """An attempt with the right password, and over SSH with a key and keyboard-interactive too."""
    if end.via != "ssh":
        return [host.login(end, user, secret, source=source)]
    ways = [host.login(end, user, key, method="publickey", source=source)]
    return ways + [
        host.login(end, user, secret, method=method, source=source)
        for method in ("password", "keyboard-interactive")
    ]


def _sources(host: HostBench, end: Endpoint) -> list[str]:
    """Our own addresses on the link of an endpoint, of its IP version."""
    links = [one for one in host.declared("network.interfaces") or () if one["name"] == end.interface]
    found = [str(ip_interface(a).ip) for one in links for a in one.get("harness_addresses", ())]
    return [one for one in found if (":" in one) == (":" in end.address)] or [""]


def _conditions(host: HostBench, users: list[str]) -> Iterator[Condition]:
    """Each configuration of a running sshd, for each user and each address that it makes a difference for."""
    running = [
        one.args for one in rows(host.fact("processes", fresh=True), Process) if one.exe.endswith("/sshd")
    ]
    files = {found[1] for args in running if (found := re.search(r"\s-f\s*(\S+)", args))}
    files |= {SSHD} if any("-f" not in args for args in running) else set()
    for file in sorted(files):
        text = host.root(f"cat {shlex.quote(file)} {SSHD}.d/*.conf 2>/dev/null; :").out
        addresses = {"192.0.2.250", "2001:db8::250"}
        for link in host.declared("network.interfaces") or ():
            addresses |= {str(ip_interface(a).ip) for a in link.get("harness_addresses", ())}
        for words in re.findall(r"(?im)^\s*Match\s.*?\b(?:Local)?Address\s+(\S+)", text):
            addresses |= {a for pattern in words.split(",") if (a := _inside(pattern))}
        ports = re.findall(r"(?im)\bLocalPort\s+(\d+)", text) or ["22"]
        for user in users:
            for source in sorted(addresses):
                for port in ports:
                    where = f"user={user},host={source},addr={source},laddr={source},lport={port}"
                    ran = host.root(f'"$(command -v sshd)" -T -f {shlex.quote(file)} -C {where}')
                    pairs = [one.split(" ", 1) for one in ran.out.splitlines() if " " in one]
                    settings: dict[str, str] = {}
                    for name, value in pairs:
                        if name in (
                            "permitrootlogin",
                            "denyusers",
                            "denygroups",
                            "allowusers",
                            "allowgroups",
                        ):
                            settings[name] = f"{settings.get(name, '')} {value}".strip()
                    yield Condition(file, user, source, settings, ran.ref)


def _inside(pattern: str) -> str:
    """An address that a pattern of sshd's Match means."""
    try:
        return str(ip_network(pattern, strict=False)[0])
    except ValueError:
        return ""


# --- B: the console ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Console(Observation):
    wrong: Login
    right: Login
    alive: Control


def judge_console(seen: Console) -> Verdict:
    refused = Control("a wrong password is refused", seen.wrong.outcome == "refused", seen.wrong.outcome)
    if doubt := unsound([refused]):
        return doubt
    if seen.right.outcome == "in" and seen.right.identity:
        said = f"{seen.right.user} logs in at the console as {seen.right.identity}"
        return unsound([seen.alive]) or passed(said, seen.right.ref)
    if seen.right.outcome == "refused":
        return failed(
            f"{seen.right.user} cannot log in at the console with the right password", seen.right.ref
        )
    return inconclusive(f"the console: {seen.right.outcome} {seen.right.said}", seen.right.ref)


@case("TC_REMOTE_LOGIN_RESTRICTIONS_PRIVILEGED_USERS", judge_console, "B")
def test_console(host: HostBench) -> Console:
    console = first(host.endpoints("console"), "console.endpoint")
    top = first(host.declared("accounts.root_equivalents"), "an entry of accounts.root_equivalents")["name"]
    return Console(host.login(console, top, host.secret()), host.login(console, top), host.alive())
