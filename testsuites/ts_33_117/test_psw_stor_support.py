"""TC_PSW_STOR_SUPPORT: what is stored of a password is a strong, salted, one-way hash."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import File
from drivers.interfaces.host import Endpoint, HostBench, Secret, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran
from testsuites.ts_33_117.common import acls, first, granted
from testsuites.ts_33_117.hashes import STRONG, WEAK, fingerprint, take_apart, tells, truncates, verifies
from testsuites.ts_33_117.logins import password

NAME, LONGEST = "scaspsw", 64
COMPUTED_WITH = (
    "usm",
)  # the protocol computes with the key itself (RFC 3414), so no hash can take its place
ACTION = "accounts.create_action"


@dataclass(frozen=True)
class Stored:
    """What is stored for a password; salt and digest as fingerprints."""

    database: str
    what: str
    scheme: str
    cost: str
    salt: str
    digest: str
    size: int  # characters of the digest
    verifies: bool | None  # recomputed from the password; None where nobody can
    truncates: bool
    tells: bool  # the password or a piece of it is in the record
    ref: str


@dataclass(frozen=True)
class Seen(Observation):
    databases: tuple[str, ...]  # those whose passwords are compared
    unread: tuple[str, ...]  # of these, those without a declared reader of records
    done: Control
    before: Control  # the first password logs in
    stored: tuple[Stored, ...]
    after: Control  # the last one does
    stores: tuple[str, ...]
    files: Fact
    acls: dict[str, tuple[str, ...]]
    alive: Control


SERIES = ("first", "one bit changed", "the first again", "12 characters", "20 characters", "64 characters")


def judge(seen: Seen) -> Verdict:
    if doubt := unread(seen.files) or unsound([seen.done]):
        return doubt
    for why, ref in _open(seen):
        return failed(why, ref)
    if missing := next((path for path in seen.stores if path not in _paths(seen)), None):
        return inconclusive(f"the declared store {missing} is not there", seen.files.ref)
    for one in seen.stored:
        if one.tells:
            return failed(f"{one.database}: the record has the password ({one.what})", one.ref)
    if doubt := unsound([seen.before, seen.after]):
        return doubt
    for one in seen.stored:
        if one.verifies is False:
            return inconclusive(f"{one.database}: the record read is not that of the password set", one.ref)
        if WEAK.fullmatch(one.scheme):
            return failed(f"{one.database}: passwords are stored by the scheme {one.scheme}", one.ref)
        if not STRONG.fullmatch(one.scheme):
            return inconclusive(
                f"{one.database}: the scheme {one.scheme or 'of the record'} is unknown", one.ref
            )
        if one.truncates:
            return failed(f"{one.database}: only the beginning of the password counts ({one.what})", one.ref)
        if one.verifies is None:
            return inconclusive(f"{one.database}: {one.scheme} cannot be recomputed here", one.ref)
    for why, ref in _alike(seen):
        return failed(why, ref)
    if lacking := [f"{d}: {w}" for d in seen.databases for w in SERIES if (d, w) not in _done(seen)]:
        return inconclusive(f"not stored or not read: {lacking[0]}")
    if seen.unread or not seen.databases:
        return inconclusive(f"not declared: accounts.record_action for {', '.join(seen.unread) or 'any'}")
    schemes = sorted({f"{one.database} by {one.scheme} {one.cost}".strip() for one in seen.stored})
    return unsound([seen.alive]) or passed(f"passwords are salted and hashed: {', '.join(schemes)}")


def _paths(seen: Seen) -> set[str]:
    return {one.path for one in rows(seen.files, File)}


def _done(seen: Seen) -> set[tuple[str, str]]:
    return {(one.database, one.what) for one in seen.stored}


def _open(seen: Seen) -> Iterator[tuple[str, str]]:
    for one in rows(seen.files, File):
        if int(one.mode, 8) & 0o007:
            yield f"everybody has a right on {one.path} (mode {one.mode})", seen.files.ref
        for who, rights in granted(seen.acls.get(one.path, ())).items():
            if rights != "---":
                yield f"{who} has {rights} on {one.path} by an access list", seen.files.ref


def _alike(seen: Seen) -> Iterator[tuple[str, str]]:
    """What is the same in two records and should not be, or the other way round."""
    for name in seen.databases:
        ours = [one for one in seen.stored if one.database == name]
        for number, one in enumerate(ours):
            if not one.salt:
                yield f"{name}: the record has no salt ({one.what})", one.ref
            for other in ours[:number]:
                if one.salt == other.salt:
                    yield f"{name}: the salt is the same for two passwords", one.ref
                if one.digest == other.digest:
                    yield f"{name}: two records have the same digest", one.ref
        series = [one for one in ours if one.what in SERIES]
        if len({(one.scheme, one.cost, one.size) for one in series}) > 1:
            yield f"{name}: scheme, cost or length of the digest change with the password", ours[0].ref


# --- probe -------------------------------------------------------------------------------------------------


def _passwords() -> Iterator[tuple[str, str]]:
    base = password(12, 0, 1, 2, 3)
    place = next(n for n, sign in enumerate(base) if chr(ord(sign) ^ 1).isalnum())
    near = base[:place] + chr(ord(base[place]) ^ 1) + base[place + 1 :]
    fresh = (password(length, 0, 1, 2, 3) for length in (12, 20, LONGEST))
    yield from zip(SERIES, (base, near, base, *fresh), strict=True)


def _stored(host: HostBench, database: str, name: str, what: str, secret: Secret) -> Stored | None:
    ran = host.act("accounts.record_action", database, name=name)
    line = next((one for one in ran.out.splitlines() if one.startswith(f"{name}:")), ran.out.strip())
    record = line.split(":")[1] if line.startswith(f"{name}:") else line
    if not ran.ok or not record:
        return None
    parts, text = take_apart(record), secret.text
    return Stored(
        database,
        what,
        parts.scheme[:40],
        parts.cost[:40],
        fingerprint(parts.salt),
        fingerprint(parts.digest),
        len(parts.digest),
        verifies(text, record),
        truncates(text, record),
        tells(text, record),
        ran.ref,
    )


@case("TC_PSW_STOR_SUPPORT", judge, "A")
def test_psw_stor_support(host: HostBench) -> Seen:
    every: list[dict[str, Any]] = host.declared("accounts.databases")
    compared = [one for one in every if one.get("kind") not in COMPUTED_WITH]
    readers, setters = host.declared("accounts.record_action"), host.declared(ACTION)
    readable = [one for one in compared if one["name"] in readers]
    done, stored = list[Ran](), list[Stored]()
    before, after = list[Login](), list[Login]()
    host.stimulus()
    for one in readable:
        name = str(one["name"])
        where: Endpoint = first(
            (end for end in host.endpoints() if end.name in one.get("serves", ())), f"where {name} serves"
        )
        setter = f"{name}-password" if f"{name}-password" in setters else name
        if setter != name:
            done.append(host.act(ACTION, name, name=NAME))
        for what, text in _passwords():
            secret = host.secret(text=text)
            done.append(host.act(ACTION, setter, name=NAME, secret=secret))
            if found := _stored(host, name, NAME, what, secret):
                stored.append(found)
            if what in (SERIES[0], SERIES[-1]):
                (before if what == SERIES[0] else after).append(host.login(where, NAME, secret))
        if name in host.declared("accounts.change_password_action"):
            own = host.secret(text=password(16, 0, 1, 2, 3))
            changed = host.act(
                "accounts.change_password_action", name, user=NAME, secret=secret, old=secret, new=own
            )
            done.append(changed)
            if found := _stored(host, name, NAME, "set by the user", own):
                stored.append(found)
    stores = tuple(dict.fromkeys(str(path) for one in every for path in one.get("store", ())))
    files = host.files(*stores)
    return Seen(
        tuple(str(one["name"]) for one in compared),
        tuple(str(one["name"]) for one in compared if one not in readable),
        did("accounts were made, passwords set and records read", *done),
        got_in("the first password logs in", *before),
        tuple(stored),
        got_in("the last password logs in", *after),
        stores,
        files,
        acls(host, rows(files, File)),
        host.alive(),
    )
