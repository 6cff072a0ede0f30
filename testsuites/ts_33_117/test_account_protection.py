"""TC_ACCOUNT_PROTECTION: no account is open to who has no password, key or token of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Account, AuthorizedKey, PasswordRecord
from drivers.interfaces.host import HostBench, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login
from testsuites.ts_33_117.accounts import (
    CANARY,
    NO_SHELL,
    Listing,
    Without,
    got_in_without,
    listings,
    own_database,
    predefined,
    served,
    sources,
    undecided,
    without,
)


@dataclass(frozen=True)
class Listed(Observation):
    created: Control
    database: str  # of the canary
    listings: tuple[Listing, ...]
    accounts: Fact
    shadow: Fact
    keys: Fact
    declared: Mapping[str, tuple[str, ...]]  # data base -> accounts


def judge_listed(seen: Listed) -> Verdict:
    if doubt := unsound([seen.created]) or unread(seen.accounts, seen.shadow):
        return doubt
    if seen.keys.value is None:
        return inconclusive(f"could not be read: {seen.keys.name}: {seen.keys.problem}", seen.keys.ref)
    names = {one.database: set(one.names) for one in seen.listings}
    for one in seen.listings:
        if one.problem:
            return inconclusive(f"the accounts of {one.database}: {one.problem}", one.ran.ref)
    if lacking := {"root", CANARY} - names.get(seen.database, set()):
        return inconclusive(f"control failed: {', '.join(sorted(lacking))} is not listed", seen.accounts.ref)
    accounts = {one.name: one for one in rows(seen.accounts, Account)}
    passwords = {one.name for one in rows(seen.shadow, PasswordRecord) if one.state in ("set", "empty")}
    keys = {one.user for one in rows(seen.keys, AuthorizedKey)}
    for database, found in sorted(names.items()):
        everyone = found | set(accounts) if database == seen.database else found
        for name in sorted(everyone - set(seen.declared.get(database, ())) - {CANARY}):
            way = _way_in(name, accounts, passwords, keys) if database == seen.database else "an account"
            if way:
                return failed(f"{name} in {database} is not declared and has {way}", seen.accounts.ref)
    count = sum(map(len, names.values()))
    return passed(
        f"all {count} accounts of {len(names)} data bases with a way in are declared", seen.accounts.ref
    )


def _way_in(name: str, accounts: Mapping[str, Account], passwords: set[str], keys: set[str]) -> str:
    account = accounts.get(name)
    ways = [
        "a login shell" if account is not None and not NO_SHELL.search(account.shell) else "",
        "a usable password" if name in passwords else "",
        "an authorised key" if name in keys else "",
    ]
    return " and ".join(filter(None, ways))


@dataclass(frozen=True)
class Tried(Observation):
    before: tuple[Login, ...]
    tries: tuple[Without, ...]
    shadow: Fact
    sshd: Fact
    right: tuple[Login, ...]  # of each account whose attribute is known
    after: tuple[Login, ...]
    alive: Control


def judge_tried(seen: Tried) -> Verdict:
    if doubt := unsound([got_in("the right attribute works on each interface", *seen.before)]):
        return doubt
    if bad := got_in_without(seen.tries):
        return failed(_told(bad), bad.login.ref)
    if doubt := unread(seen.shadow):
        return doubt
    for record in rows(seen.shadow, PasswordRecord):
        if record.state == "empty":
            return failed(f"{record.name} has an empty password field", seen.shadow.ref)
    settings: Any = seen.sshd.value if isinstance(seen.sshd.value, dict) else {}
    for key in ("permitemptypasswords", "hostbasedauthentication"):
        if "yes" in settings.get(key, ()):
            return failed(f"the SSH server has {key} yes", seen.sshd.ref)
    if not seen.tries:
        return inconclusive("no account was tried")
    if odd := undecided(seen.tries):
        return inconclusive(f"{_told(odd)}: {odd.login.outcome} {odd.login.said}", odd.login.ref)
    controls = [
        got_in("accounts log in with their attribute", *seen.right),
        got_in("so they do after it", *seen.after),
    ]
    users = {one.login.user for one in seen.tries}
    return unsound([*controls, seen.alive]) or passed(
        f"{len(seen.tries)} attempts as {len(users)} accounts without the right attribute were refused"
    )


def _told(one: Without) -> str:
    source = f" from {one.login.source}" if one.login.source else ""
    return f"{one.login.user} at {one.login.endpoint}{source} with {one.how}"


@dataclass(frozen=True)
class Fresh(Observation):
    created: Control
    bare: tuple[Without, ...]  # before an attribute is set
    set: Control
    wrong: tuple[Without, ...]
    right: tuple[Login, ...]
    alive: Control


def judge_fresh(seen: Fresh) -> Verdict:
    if doubt := unsound([seen.created]):
        return doubt
    for when, tries in (("before an attribute is set", seen.bare), ("after that", seen.wrong)):
        if bad := got_in_without(tries):
            return failed(f"a new account can be used {when}: {_told(bad)}", bad.login.ref)
        if odd := undecided(tries):
            return inconclusive(f"{_told(odd)}: {odd.login.outcome} {odd.login.said}", odd.login.ref)
        if not tries:
            return inconclusive(f"nothing was tried {when}")
    return unsound(
        [seen.set, got_in("the account logs in with its attribute", *seen.right), seen.alive]
    ) or passed(f"a new account is closed until it has an attribute, {len(seen.right)} services")


# --- probes ------------------------------------------------------------------------------------------------


@case("TC_ACCOUNT_PROTECTION", judge_listed, "A")
def test_undocumented_accounts(host: HostBench) -> Listed:
    own = own_database(host)
    created = did("an account is created", host.act("accounts.create_action", own, name=CANARY))
    return Listed(
        *(created, own, listings(host)),
        host.fact("accounts", fresh=True),
        host.fact("shadow", fresh=True),
        host.fact("authorized_keys", fresh=True),
        {database: tuple(rows_of) for database, rows_of in predefined(host).items()},
    )


@case("TC_ACCOUNT_PROTECTION", judge_tried, "B")
def test_predefined_accounts(host: HostBench) -> Tried:
    users = {(user.database or own_database(host), user.name): user for user in host.users()}
    tries: list[Without] = []
    right: list[Login] = []

    def login_all() -> tuple[Login, ...]:
        places = [(e, u) for (d, _), u in users.items() for e in served(host, d) if e.name in u.interfaces]
        firsts = {e.name: (e, u) for e, u in reversed(places)}
        return tuple(host.login(e, u) for e, u in firsts.values())

    before = login_all()
    host.stimulus()
    found = {one.database: one.names for one in listings(host)}
    for database, names in predefined(host).items():
        everyone = {*names, *found.get(database, ())}
        for name in sorted(everyone):
            for endpoint in served(host, database):
                for source in sources(host, endpoint)[:2]:
                    tries += without(host, endpoint, name, source)
                user = users.get((database, name))
                if user is not None and endpoint.name in user.interfaces:  # which ends the count of failures
                    right.append(host.login(endpoint, user))
    shadow, sshd = host.fact("shadow", fresh=True), host.fact("sshd", fresh=True)
    return Tried(before, tuple(tries), shadow, sshd, tuple(right), login_all(), host.alive())


@case("TC_ACCOUNT_PROTECTION", judge_fresh, "C")
def test_new_account(host: HostBench) -> Fresh:
    own, secret = own_database(host), host.secret()
    host.stimulus()
    created = did("an account is created", host.act("accounts.create_action", own, name=CANARY))
    bare = [one for endpoint in served(host, own) for one in without(host, endpoint, CANARY)]
    given = did(
        "it gets a password",
        host.act("accounts.create_action", f"{own}-password", name=CANARY, secret=secret),
    )
    wrong: list[Without] = []
    right: list[Login] = []
    for endpoint in served(host, own):
        right.append(host.login(endpoint, CANARY, secret))
        wrong += without(host, endpoint, CANARY)
    return Fresh(created, tuple(bare), given, tuple(wrong), tuple(right), host.alive())
