"""TC_ACCOUNT_NUMBER: each user data base has room for 50 accounts, one for each person or machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Account, PasswordRecord
from drivers.interfaces.host import HostBench, Secret, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran
from testsuites.ts_33_117.accounts import Listing, listed, own_database, predefined, served, today

WANTED, OTHERS = 50, 5


@dataclass(frozen=True)
class Database:
    """One data base: a round with one account, then as many as are wanted."""

    name: str
    round: tuple[Control, ...]
    had: tuple[str, ...]  # active accounts at the start, each of one holder
    wanted: tuple[str, ...]
    created: tuple[Ran, ...]
    full: Listing
    logins: tuple[Login, ...]
    gone: Listing
    after: tuple[Login, ...]  # of deleted accounts


@dataclass(frozen=True)
class Seen(Observation):
    seed: int  # of the accounts that were drawn
    database: str  # the operating system's
    declared: Mapping[str, Any]  # data base -> account -> its row
    start: tuple[Listing, ...]
    shadow: Fact
    accounts: Fact  # with the new ones in it
    today: int
    databases: tuple[Database, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    if doubt := unread(seen.shadow, seen.accounts):
        return doubt
    if not seen.today:
        return inconclusive("the product's date could not be read")
    if bad := _shared(seen):
        return bad
    if not seen.databases:
        return inconclusive("no data base takes new accounts")
    for one in seen.databases:
        if bad := _database(one, seen):
            return bad
    sizes = ", ".join(f"{len(one.had) + len(one.wanted)} in {one.name}" for one in seen.databases)
    return unsound([seen.alive]) or passed(
        f"{sizes}: all individual accounts with identities of their own",
        *(d.full.ran.ref for d in seen.databases),
    )


def _shared(seen: Seen) -> Verdict | None:
    """FAIL for an account that can be used at the start and has no holder of its own."""
    usable = {
        record.name
        for record in rows(seen.shadow, PasswordRecord)
        if record.state in ("set", "empty")
        and not (record.expires is not None and record.expires <= seen.today)
    }
    for listing in seen.start:
        if listing.problem or not listing.names:
            return inconclusive(
                f"the accounts of {listing.database}: {listing.problem or 'none'}", listing.ran.ref
            )
        for name in sorted(usable if listing.database == seen.database else listing.names):
            row = seen.declared.get(listing.database, {}).get(name, {})
            if row.get("shared"):
                return failed(f"{name} is enabled, and several share it", seen.shadow.ref)
            if not row.get("holder"):
                return failed(f"{name} in {listing.database} is enabled and has no holder", listing.ran.ref)
    return None


def _database(one: Database, seen: Seen) -> Verdict | None:
    if doubt := unsound(one.round):
        return doubt
    for name, ran in zip(one.wanted, one.created, strict=False):
        if ran.status is None:
            return inconclusive(f"{ran.command}: {ran.problem}", ran.ref)
        if not ran.ok:
            said = (ran.problem or ran.err or ran.out).strip()[:200]
            return failed(f"{one.name}: after {len(one.had)} accounts and up to {name}: {said}", ran.ref)
    if one.full.problem or not one.full.names:
        return inconclusive(f"the accounts of {one.name}: {one.full.problem or 'none'}", one.full.ran.ref)
    if lacking := sorted(set(one.wanted) - set(one.full.names)):
        said = f"{', '.join(lacking[:3])} and {len(lacking) - 1} more" if lacking[1:] else lacking[0]
        return failed(f"{one.name}: {said} was created and is not there", one.full.ran.ref)
    if len({*one.had, *one.wanted}) < WANTED or len(one.created) < len(one.wanted):
        return inconclusive(f"{one.name}: fewer than {WANTED} accounts were tried")
    if one.name == seen.database:
        uids: dict[int, str] = {}
        for account in rows(seen.accounts, Account):
            if account.name in one.wanted and uids.setdefault(account.uid, account.name) != account.name:
                both = f"{uids[account.uid]} and {account.name}"
                return failed(f"{both} have one UID, {account.uid}", seen.accounts.ref)
        if lacking := sorted(set(one.wanted) - set(uids.values())):
            return inconclusive(f"the UID of {lacking[0]} is not listed", seen.accounts.ref)
    return _used(one)


def _used(one: Database) -> Verdict | None:
    """Logins with the new accounts, and with the deleted ones."""
    for login in one.logins:
        if login.outcome == "refused":
            return failed(f"{login.user} was created and cannot log in at {login.endpoint}", login.ref)
        if login.outcome == "in" and login.identity and login.identity != login.user:
            return failed(f"{login.user} logs in as {login.identity}", login.ref)
    if doubt := unsound([got_in(f"accounts of {one.name} log in", *one.logins)]):
        return doubt
    if one.gone.problem or not one.gone.names:
        return inconclusive(f"the accounts of {one.name}: {one.gone.problem or 'none'}", one.gone.ran.ref)
    if left := sorted(set(one.wanted) & set(one.gone.names)):
        return failed(f"{one.name}: {left[0]} was deleted and is still there", one.gone.ran.ref)
    for login in one.after:
        if login.outcome == "in":
            return failed(f"{login.user} was deleted and logs in", login.ref)
        if login.outcome not in ("refused", "closed"):
            return inconclusive(f"{login.user} at {login.endpoint}: {login.outcome} {login.said}", login.ref)
    return None if one.after else inconclusive(f"{one.name}: no deleted account was tried")


# --- probe -------------------------------------------------------------------------------------------------


def _create(host: HostBench, database: str, name: str, secret: Secret) -> Ran:
    ran = host.act("accounts.create_action", database, name=name, secret=secret)
    if ran.ok and f"{database}-password" in host.declared("accounts.create_action"):
        return host.act("accounts.create_action", f"{database}-password", name=name, secret=secret)
    return ran


def _fill(host: HostBench, name: str, active: tuple[str, ...], draw: Random) -> tuple[Database, Fact]:
    endpoint, one = served(host, name)[0], "scas000"
    secret = host.secret()
    made = did(f"{name}: an account is created", _create(host, name, one, secret))
    there = listed(host, name)
    shown = Control(f"{name}: it is listed", one in there.names, there.problem or "as it should be")
    entered = got_in(f"{name}: it logs in", host.login(endpoint, one, secret))
    removed = did(f"{name}: it is deleted", host.act("accounts.delete_action", name, name=one))
    wanted = tuple(f"scas{number:03}" for number in range(1, max(WANTED - len(active), 1) + 1))
    secrets = {account: host.secret() for account in wanted}
    created = []
    for account in wanted:
        created.append(_create(host, name, account, secrets[account]))
        if not created[-1].ok:
            break
    full, accounts = listed(host, name), host.fact("accounts", fresh=True)
    sample = [wanted[0], wanted[len(wanted) // 2], wanted[-1]]
    others = sorted(set(wanted) - set(sample))
    sample += draw.sample(others, min(OTHERS, len(others)))
    logins = [host.login(endpoint, account, secrets[account]) for account in sample] if created[-1].ok else []
    for account in wanted[: len(created)]:
        host.act("accounts.delete_action", name, name=account)
    gone = listed(host, name)
    after = [host.login(endpoint, account, secrets[account]) for account in sample[:3]]
    controls = (made, shown, entered, removed)
    found = Database(name, controls, active, wanted, tuple(created), full, tuple(logins), gone, tuple(after))
    return found, accounts


@case("TC_ACCOUNT_NUMBER", judge, "A")
def test_account_number(host: HostBench) -> Seen:
    own, seed = own_database(host), SystemRandom().randrange(10**9)
    declared = predefined(host)
    names = [
        d["name"]
        for d in host.declared("accounts.databases")
        if d["name"] in host.declared("accounts.list_action")
    ]
    start, shadow = tuple(listed(host, name) for name in names), host.fact("shadow", fresh=True)
    day = today(host)
    host.stimulus()
    found, accounts = [], shadow
    for listing in start:
        name = listing.database
        if name in host.declared("accounts.create_action") and name in host.declared(
            "accounts.delete_action"
        ):
            rows_of = declared.get(name, {})
            active = tuple(n for n in listing.names if rows_of.get(n, {}).get("state") == "active")
            database, state = _fill(host, name, active, Random(seed))  # noqa: S311 - a draw, no secret
            found.append(database)
            accounts = state if name == own else accounts
    return Seen(seed, own, declared, start, shadow, accounts, day, tuple(found), host.alive())
