"""TC_PREDEFINED_ACCOUNT_DELETION: accounts of the delivery are gone, shut, or there for a reason."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Account, AuthorizedKey, PasswordRecord
from drivers.interfaces.host import HostBench, Secret, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran
from testsuites.ts_33_117.accounts import (
    CANARY,
    NO_SHELL,
    Listing,
    listings,
    own_database,
    predefined,
    served,
    today,
)

DISTRIBUTIONS = ("guest", "games", "ubuntu", "debian", "pi", "admin", "test", "user", "operator")
WEAK = ("admin", "password", "changeme", "default", "123456")
OPEN = "active"
LENGTH, CLASSES = 8, 3


@dataclass(frozen=True)
class Guess:
    """A weak or declared password, tried against the stored hash of a locked account on another account."""

    account: str
    length: int
    classes: int
    known: bool  # it is the declared one
    login: Login


@dataclass(frozen=True)
class Seen(Observation):
    created: Control
    database: str
    listings: tuple[Listing, ...]
    accounts: Fact
    shadow: Fact
    keys: Fact
    today: int  # days, as the product counts them
    declared: Mapping[str, Any]  # data base -> account -> its row
    before: tuple[Login, ...]  # an ordinary account by password, and the account of the test by a key
    remote: tuple[Login, ...]
    local: tuple[Ran, ...]
    copied: tuple[Control, ...]
    guesses: tuple[Guess, ...]
    after: tuple[Login, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    if doubt := unsound([seen.created, got_in("ordinary accounts log in by these methods", *seen.before)]):
        return doubt
    if doubt := unread(seen.accounts, seen.shadow):
        return doubt
    if seen.keys.value is None:
        return inconclusive(f"could not be read: {seen.keys.name}: {seen.keys.problem}", seen.keys.ref)
    if not seen.today:
        return inconclusive("the product's date could not be read")
    for one in seen.listings:
        if one.problem:
            return inconclusive(f"the accounts of {one.database}: {one.problem}", one.ran.ref)
    if bad := _listed(seen) or _tried(seen) or _locked(seen):
        return bad
    if not seen.remote:
        return inconclusive("no account was tried")
    names = {login.user for login in seen.remote}
    return unsound([got_in("so they do after it", *seen.after), seen.alive]) or passed(
        f"{len(names)} accounts of the delivery and of distributions are absent or let nobody in,"
        " and the others are needed",
        seen.accounts.ref,
    )


def _listed(seen: Seen) -> Verdict | None:
    """What the listings say of each account."""
    own = {one.name: one for one in rows(seen.accounts, Account)}
    records = {one.name: one for one in rows(seen.shadow, PasswordRecord)}
    keyed = {one.user for one in rows(seen.keys, AuthorizedKey)}
    listed = next((set(one.names) for one in seen.listings if one.database == seen.database), set())
    if lacking := {"root", CANARY} - listed:
        return inconclusive(f"control failed: {', '.join(sorted(lacking))} is not listed", seen.accounts.ref)
    for name in sorted(listed | set(own) - {CANARY}):
        record, row = records.get(name), seen.declared.get(seen.database, {}).get(name)
        expired = record is not None and record.expires is not None and record.expires <= seen.today
        usable = record is not None and record.state in ("set", "empty") and not expired
        shell = name in own and not NO_SHELL.search(own[name].shell)
        if name == CANARY:
            continue
        if row is None and (usable or name in keyed or (shell and not expired)):
            return failed(f"{name} can be used and is not declared", seen.accounts.ref)
        if row is not None and row.get("state") == OPEN and not row.get("reason"):
            return failed(f"{name} is active without a reason", seen.accounts.ref)
        if row is not None and row.get("state") != OPEN and usable:
            where = "a shell and a usable password" if shell else "a usable password"
            return failed(f"{name} is declared as {row.get('state')} and has {where}", seen.shadow.ref)
    for one in seen.listings:
        known = seen.declared.get(one.database, {})
        if one.database != seen.database and (more := sorted(set(one.names) - set(known))):
            return failed(f"{', '.join(more)} of {one.database} is not declared", one.ran.ref)
    return None


def _tried(seen: Seen) -> Verdict | None:
    for login in seen.remote:
        if login.outcome == "in":
            return failed(f"{login.user} logs in at {login.endpoint} by {login.method}", login.ref)
    for ran in seen.local:
        if ran.status == 0:
            return failed(f"an ordinary user becomes another by {ran.command}", ran.ref)
    for login in seen.remote:
        if login.outcome not in ("refused", "closed"):
            return inconclusive(f"{login.user} at {login.endpoint}: {login.outcome} {login.said}", login.ref)
    for ran in seen.local:
        if ran.status is None:
            return inconclusive(f"{ran.command}: {ran.problem}", ran.ref)
    return None


def _locked(seen: Seen) -> Verdict | None:
    """What is behind the lock: a password that meets the policy, or none at all."""
    barred = {one.name for one in rows(seen.shadow, PasswordRecord) if one.state == "barred"}
    for guess in seen.guesses:
        if guess.login.outcome == "in" and (guess.length < LENGTH or guess.classes < CLASSES):
            what = f"{guess.length} characters of {guess.classes} classes"
            return failed(f"{guess.account} is locked and keeps a password of {what}", guess.login.ref)
    if doubt := unsound(seen.copied) if barred else None:
        return doubt
    known = {guess.account for guess in seen.guesses if guess.login.outcome == "in"}
    if unknown := sorted(barred - known):
        return inconclusive(
            f"the password behind the lock of {', '.join(unknown)} is not declared", seen.shadow.ref
        )
    return None


# --- probe -------------------------------------------------------------------------------------------------


def _classes(text: str) -> int:
    kinds = (str.isupper, str.islower, str.isdigit, lambda sign: not sign.isalnum())
    return sum(any(kind(sign) for sign in text) for kind in kinds)


class _Keys:
    """A key of the harness in somebody's authorized_keys, put back when the variant ends."""

    def __init__(self, host: HostBench) -> None:
        self.host = host
        self.private, self.public = host.keypair()

    def login(self, name: str, home: str) -> tuple[Login, ...]:
        """Logins with the key, which is in the account's file for as long as they take."""
        file = shlex.quote(f"{home}/.ssh/authorized_keys")
        user, key = shlex.quote(name), shlex.quote(self.public)
        add = f"had=0; [ -e {file} ] || {{ had=1; install -d -m 700 -o {user} {shlex.quote(home)}/.ssh; }}; "
        add += f"printf '%s\\n' {key} >> {file} && chown {user} {file} && echo $had"
        added = self.host.root(add)
        found = [
            self.host.login(endpoint, name, self.private, method="publickey")
            for endpoint in served(self.host, own_database(self.host))
            if endpoint.via == "ssh"
        ]
        remove = f"rm -f {file}" if added.out.strip() == "1" else f"sed -i '/ assay$/d' {file}"
        self.host.root(remove)
        return tuple(found)


def _guesses(host: HostBench, name: str, declared: Secret | None) -> tuple[Control, list[Guess]]:
    """Passwords against the hash behind a lock, which another account has for that time."""
    command = (
        f"h=$(getent shadow {shlex.quote(name)} | cut -d: -f2 | sed 's/^!*//') && printf '%s:%s\\n' {CANARY}"
    )
    copied = did("the hash is copied", host.root(f'{command} "$h" | chpasswd --encrypted'))
    endpoint, found = served(host, own_database(host))[0], []
    texts = ([declared.text] if declared else []) + [name, *WEAK]
    for number, text in enumerate(texts):
        if number % 3 == 0:
            host.act("login_policy.reset_action", name=CANARY)
        login = host.login(endpoint, CANARY, text if text in (name, *WEAK) else Secret(text))
        found.append(Guess(name, len(text), _classes(text), declared is not None and not number, login))
    return copied, found


@case("TC_PREDEFINED_ACCOUNT_DELETION", judge, "A")
def test_predefined_account_deletion(host: HostBench) -> Seen:
    own, secret, keys = own_database(host), host.secret(), _Keys(host)
    made = host.act("accounts.create_action", own, name=CANARY)
    given = host.act("accounts.create_action", f"{own}-password", name=CANARY, secret=secret)
    declared = predefined(host)
    accounts, shadow = host.fact("accounts", fresh=True), host.fact("shadow", fresh=True)
    authorized, listed = host.fact("authorized_keys", fresh=True), listings(host)
    homes = {one.name: one.home for one in rows(accounts, Account)}
    keyed = {one.user for one in rows(authorized, AuthorizedKey)}

    def ordinary() -> tuple[Login, ...]:
        by_password = [host.login(endpoint, CANARY, secret) for endpoint in served(host, own)]
        return (*by_password, *keys.login(CANARY, homes.get(CANARY, "")))

    before = ordinary()
    host.stimulus()
    remote: list[Login] = []
    local: list[Ran] = []
    shut = {name: row for name, row in declared.get(own, {}).items() if row.get("state") != OPEN}
    for name in sorted(
        {*shut, *DISTRIBUTIONS} - {n for n, r in declared.get(own, {}).items() if n not in shut}
    ):
        reference = shut.get(name, {}).get("secret")
        guess = host.secret(reference=reference).text if reference else name
        remote += [host.login(endpoint, name, guess) for endpoint in served(host, own)]
        if name in keyed or (name in homes and homes[name].startswith("/home/")):
            remote += keys.login(name, homes[name])
        if name in homes:
            with host.shell(CANARY, secret) as shell:
                local.append(shell.run(f"su {shlex.quote(name)} -c id", input=f"{guess}\n"))
    copied, guesses = [], []
    for record in rows(shadow, PasswordRecord):
        if record.state == "barred":
            reference = shut.get(record.name, {}).get("secret")
            control, some = _guesses(
                host, record.name, host.secret(reference=reference) if reference else None
            )
            copied.append(control)
            guesses += some
    host.act("accounts.create_action", f"{own}-password", name=CANARY, secret=secret)
    host.act("login_policy.reset_action", name=CANARY)
    created = did("an account is created", made, given)
    after = ordinary()
    return Seen(
        created, own, listed, accounts, shadow, authorized, today(host), declared, before, tuple(remote),
        tuple(local), tuple(copied), tuple(guesses), after, host.alive(),
    )  # fmt: skip
