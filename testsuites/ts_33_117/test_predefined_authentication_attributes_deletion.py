"""TC_PREDEFINED_AUTHENTICATION_ATTRIBUTES_DELETION: what the factory set opens nothing but its own change."""

import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import AuthorizedKey
from drivers.interfaces.host import Endpoint, HostBench, Secret, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, SnmpReply
from testsuites.ts_33_117.accounts import CANARY, own_database, predefined
from testsuites.ts_33_117.insecure import WELL_KNOWN
from testsuites.ts_33_117.logins import changes_at, forced, password_endpoints, shown

CASE = "TC_PREDEFINED_AUTHENTICATION_ATTRIBUTES_DELETION"
TIMES = 3  # how often a community is tried: a datagram may be lost
UNSEEN = ("authorizedkeyscommand", "trustedusercakeys")  # who gets in by these stands in no file of a user


# --- A: passwords ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """An account of the delivery at one service, from its first login to the one after the change."""

    account: str
    endpoint: str
    manual: str  # the section of the manual that tells how to change the password
    kept: Control
    random: Login
    first: Login
    reached: tuple[str, ...]  # before the change: "a command", "SFTP", "port forwarding", "GET /config"
    same: Login  # with the default password after it was given as the new one
    changed: bool
    old: Login
    new: Login
    opened: tuple[str, ...]  # what works after the change
    back: Control


@dataclass(frozen=True)
class Seen(Observation):
    places: tuple[Place, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    asked = {one.account for one in seen.places if one.first.wants_new_password}
    odd = [verdict for one in seen.places if (verdict := _place(one, forced=one.account in asked))]
    if bad := next((v for v in odd if v.outcome == "FAIL"), None) or next(iter(odd), None):
        return bad
    if not seen.places:
        return inconclusive("not declared: the default password of an account in accounts.predefined")
    told = [f"{one.account}: {one.manual}" for one in seen.places if not one.first.wants_new_password]
    note = f"; not forced, but told in the manual: {', '.join(sorted(set(told)))}" if told else ""
    return unsound([seen.alive]) or passed(
        f"{', '.join(sorted(f'{one.account} at {one.endpoint}' for one in seen.places))}:"
        f" the default password opens its change only, and does not come again{note}",
        *(one.first.ref for one in seen.places),
    )


def _place(one: Place, *, forced: bool) -> Verdict | None:
    who = f"{one.account} at {one.endpoint}"
    open_at_first = one.reached or ((f"a session as {one.first.identity}",) if one.first.identity else ())
    if open_at_first and (one.first.wants_new_password or forced or not one.manual):
        what = "before it is changed" if forced else "and no section of the manual tells how to change it"
        return failed(f"{who}: the default password opens {', '.join(open_at_first)} {what}", one.first.ref)
    if one.first.wants_new_password and one.same.identity:
        return failed(f"{who}: the default password is taken as the new one", one.same.ref)
    if one.changed and one.old.outcome == "in":
        return failed(f"{who}: the default password works after its change", one.old.ref)
    if doubt := unsound([one.kept]):
        return doubt
    if one.random.outcome != "refused":
        return inconclusive(
            f"{who}: a random password: {one.random.outcome} {one.random.said}", one.random.ref
        )
    if not (one.first.wants_new_password or one.first.identity):
        return inconclusive(
            f"{who}: the default password opens nothing: {one.first.outcome} {one.first.said}", one.first.ref
        )
    if one.first.wants_new_password and not one.same.wants_new_password:
        return inconclusive(
            f"{who}: after the same password was tried: {one.same.outcome} {one.same.said}", one.same.ref
        )
    if not one.changed or one.old.outcome != "refused":
        return inconclusive(f"{who}: the password could not be changed: {one.old.said}", one.old.ref)
    if doubt := unsound([got_in(f"{who}: the new password works", one.new), one.back]):
        return doubt
    return None if one.opened else inconclusive(f"{who}: nothing works after the change either", one.new.ref)


def _pages(host: HostBench, endpoint: Endpoint, role: str) -> Iterator[tuple[str, str, int]]:
    """Pages that a session of this role gets: path, text that they have, status."""
    login: Mapping[str, Any] = endpoint.more.get("login") or {}
    if login.get("page"):
        yield str(login["page"]), str(login.get("marker") or ""), 200
    for row in host.declared("rbac.matrix") or ():
        method, _, path = str(row.get("request") or "").partition(" ")
        here = row.get("endpoint") == endpoint.name and row.get("role") == role and row.get("allow")
        if here and method == "GET" and "{" not in path:
            yield path, "", int(row.get("expect") or 200)


def _works(host: HostBench, endpoint: Endpoint, row: Mapping[str, Any], secret: Secret) -> tuple[str, ...]:
    """What a login with a password opens, beside its change."""
    name, found = str(row["name"]), []
    if endpoint.via == "ssh":
        with host.shell(name, secret, endpoint=endpoint) as shell:
            if shell.run("id -un").ok:
                found.append("a command")
            if shell.sftp("/etc/passwd").ok:
                found.append("SFTP")
            if shell.forward(endpoint.address, endpoint.port or 22).ok:
                found.append("port forwarding")
        return tuple(found)
    with host.web(endpoint, name, secret) as web:
        for path, marker, status in _pages(host, endpoint, str(row.get("role") or "")):
            reply = web.request("GET", path)
            inside = shown(reply, marker) if marker else reply.status == status
            if inside and reply.outcome == "answered":
                found.append(f"GET {path}")
    return tuple(found)


def _change(host: HostBench, where: str, endpoint: Endpoint, name: str, old: Secret, new: Secret) -> bool:
    if endpoint.via == "ssh":
        return forced(host, where, endpoint, name, old, new)
    key = "accounts.change_password_action"
    return host.act(key, where, user=name, secret=old, old=old, new=new).ok


def _delivered(host: HostBench, row: Mapping[str, Any], endpoint: Endpoint, where: str) -> Place:
    name, new = str(row["name"]), host.secret()
    default = host.secret(reference=str(row["secret"]))
    if host.declared("login_policy.reset_action"):
        host.act("login_policy.reset_action", name=name)  # an earlier test may have had it blocked
    kept = did(
        "the delivery state is kept", host.act("platform.snapshot_action", "save", name=name, secret=default)
    )
    random, first = host.login(endpoint, name, host.secret()), host.login(endpoint, name, default)
    reached = _works(host, endpoint, row, default)
    _change(host, where, endpoint, name, default, default)
    same = host.login(endpoint, name, default)
    changed = _change(host, where, endpoint, name, default, new)
    old, after = host.login(endpoint, name, default), host.login(endpoint, name, new)
    opened = _works(host, endpoint, row, new)
    back = did(
        "the delivery state is restored",
        host.act("platform.snapshot_action", "restore", name=name, secret=default),
    )
    manual = next(
        (
            f"page {one.get('page')} of {one.get('file')}"
            for one in host.declared("documents.manual_sections")
            if one.get("account") == name
        ),
        "",
    )
    return Place(
        *(name, endpoint.name, manual, kept, random, first, reached, same, changed, old, after, opened, back)
    )


@case(CASE, judge, "A")
def test_default_passwords(host: HostBench) -> Seen:
    host.stimulus()
    places = []
    changes = {
        changes_at(host, where).name: where for where in host.declared("accounts.change_password_action")
    }
    for row in (row for rows_ in predefined(host).values() for row in rows_.values()):
        for endpoint in password_endpoints(host):
            open_there = row.get("secret") and endpoint.name in row.get("interfaces", ())
            if open_there and row.get("state") == "active" and endpoint.name in changes:
                places.append(_delivered(host, row, endpoint, changes[endpoint.name]))
    return Seen(tuple(places), host.alive())


# --- B: keys and other attributes --------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """The public key of a service as two units of the product show it: a digest, empty where none came."""

    what: str
    own: str
    other: str
    said: str
    refs: tuple[str, ...]


@dataclass(frozen=True)
class Attributes(Observation):
    planted: Control
    keys: Fact
    sshd: Fact
    told: tuple[str, ...]  # fingerprints and kinds for which the manual tells how they are replaced
    pairs: tuple[Pair, ...]
    agents: tuple[str, ...]
    managed: tuple[Control, ...]  # a declared user gets a value, before and after
    communities: tuple[tuple[str, SnmpReply], ...]
    alive: Control


def judge_attributes(seen: Attributes) -> Verdict:
    keys = rows(seen.keys, AuthorizedKey) if isinstance(seen.keys.value, list) else ()
    for key in keys:
        if key.user != CANARY and key.fingerprint not in seen.told:
            who = f"{key.kind} {key.fingerprint}".strip()
            return failed(f"{key.user} can log in by a delivered key: {who} in {key.file}", seen.keys.ref)
    for pair in seen.pairs:
        if pair.own and pair.own == pair.other:
            return failed(f"two units have the same {pair.what}: {pair.own}", *pair.refs)
    for what, reply in seen.communities:
        if reply.outcome == "answered":
            return failed(f"{what} is answered", reply.ref)
    if doubt := unsound([seen.planted]) or unread(seen.sshd):
        return doubt
    if not any(key.user == CANARY for key in keys):
        return inconclusive("control failed: the planted key is not in the list of keys", seen.keys.ref)
    config = seen.sshd.value if isinstance(seen.sshd.value, dict) else {}
    for name in UNSEEN:
        if (config.get(name) or ["none"]) != ["none"] and name not in seen.told:
            return inconclusive(f"{name} is set, and default_secrets tells nothing of it", seen.sshd.ref)
    for pair in seen.pairs:
        if not (pair.own and pair.other):
            return inconclusive(f"the {pair.what} of two units was not seen: {pair.said}", *pair.refs)
    if not seen.pairs:
        return inconclusive("no service with a key was compared with that of a second unit")
    if len(seen.managed) < 2 * len(seen.agents):
        return inconclusive("not declared: a user of the SNMP agent in accounts.test_users")
    compared = ", ".join(pair.what for pair in seen.pairs)
    tried = (
        f", {len(seen.communities)} requests with default communities had no answer" if seen.agents else ""
    )
    return unsound([*seen.managed, seen.alive]) or passed(
        f"no delivered key lets in, two units differ in {compared}{tried}", seen.keys.ref
    )


def _planted(host: HostBench) -> Control:
    """Put a key into the file of an account that goes with the variant."""
    made = host.act("accounts.create_action", own_database(host), name=CANARY)
    home = f'"$(getent passwd {shlex.quote(CANARY)} | cut -d: -f6)"/.ssh'
    put = host.root(
        f"install -d -m 700 -o {CANARY} {home} && cat > {home}/authorized_keys", input=host.keypair()[1]
    )
    return did("a key was put into a user's file", made, put)


def _pairs(host: HostBench) -> Iterator[Pair]:
    second: Mapping[str, Any] = host.declared("product.second_instance")
    ports = set()
    for one in host.endpoints("ssh", "https"):
        if one.interface != second.get("interface") or one.port in ports:
            continue
        ports.add(one.port)
        other = replace(one, name="second", address=str(second["address"]), more={**one.more, **second})
        if one.via == "ssh":
            offers = [host.ssh_offer(at) for at in (one, other)]
            own, its = (offer.host_key.fingerprint if offer.host_key else "" for offer in offers)
            said = "; ".join(offer.said for offer in offers)
            yield Pair(f"SSH host key ({one.name})", own, its, said, tuple(offer.ref for offer in offers))
        else:
            replies = []
            for at in (one, other):
                with host.web(at) as web:
                    replies.append(web.request("GET", str(one.more.get("url") or "/")))
            own, its = (reply.public_key for reply in replies)
            said = "; ".join(reply.said for reply in replies)
            yield Pair(f"TLS key ({one.name})", own, its, said, tuple(reply.ref for reply in replies))


def _communities(host: HostBench, agents: tuple[Endpoint, ...]) -> tuple[tuple[str, SnmpReply], ...]:
    """What agents answer to the old versions with communities of the factory; who knows none keeps silent."""
    known = [
        str(row["value"])
        for row in host.declared("accounts.default_secrets")
        if row.get("kind") == "snmp-community"
    ]
    words = [(f"community {name}", name) for name in WELL_KNOWN]
    words += [
        (f"the declared community {n}", host.secret(reference=one).text) for n, one in enumerate(known, 1)
    ]

    def ask(one: tuple[Endpoint, str, tuple[str, str], int]) -> tuple[str, SnmpReply]:
        agent, version, (what, text), _ = one
        return f"{what} of {agent.name} ({version})", host.snmp(agent, community=text, version=version)

    every = [*product(agents, ("v1", "v2c"), words, range(TIMES))]
    with ThreadPoolExecutor(len(every) or 1) as pool:
        return tuple(pool.map(ask, every[:100]))


@case(CASE, judge_attributes, "B")
def test_keys_and_communities(host: HostBench) -> Attributes:
    planted = _planted(host)
    host.stimulus()
    agents = tuple(host.endpoints("snmp"))
    declared = host.declared("accounts.default_secrets")
    told = [str(row.get("fingerprint") or row.get("kind")) for row in declared if row.get("manual")]

    def managed() -> tuple[Control, ...]:
        users = [(agent, user) for agent in agents for user in host.users(endpoint=agent)[:1]]
        return tuple(
            got_in(f"{user.name} gets a value at {agent.name}", host.login(agent, user))
            for agent, user in users
        )

    before = managed()
    keys, sshd = host.fact("authorized_keys", fresh=True), host.fact("sshd")
    pairs, communities = tuple(_pairs(host)), _communities(host, agents)
    return Attributes(
        *(planted, keys, sshd, tuple(told), pairs, tuple(one.name for one in agents)),
        *((*before, *managed()), communities, host.alive()),
    )
