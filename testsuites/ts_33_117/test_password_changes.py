"""TC_PASSWORD_CHANGES: who changes a password, what happens as it expires, and which may come again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import PasswordRecord
from drivers.interfaces.host import Endpoint, HostBench, Secret, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran
from testsuites.ts_33_117.logins import Change, Changer, forced, said, took

DEPTH = 3
DAYS = 90
NOTICE = re.compile(r"(?i)expir")


@dataclass(frozen=True)
class Own(Observation):
    made: tuple[Control, ...]
    before: tuple[Login, ...]
    wrong: tuple[Change, ...]  # with a wrong present password
    right: tuple[Change, ...]
    alive: Control


def judge_own(seen: Own) -> Verdict:
    if doubt := unsound([*seen.made, got_in("the old password works before", *seen.before)]):
        return doubt
    for change in seen.wrong:
        if change.took:
            return failed(f"{change.where}: a wrong present password is taken for a change", change.ran.ref)
    for change in seen.right:
        if change.took is False:
            return failed(
                f"{change.where}: users cannot change their password: {said(change)}", change.ran.ref
            )
    for change in (*seen.wrong, *seen.right):
        if change.took is None:
            return inconclusive(f"{change.where}: {change.what}: {took(change).saw}", change.ran.ref)
    places = ", ".join(change.where for change in seen.right)
    return unsound([seen.alive]) or passed(
        f"users change their password ({places}), and only with the present one",
        *(change.ran.ref for change in seen.right),
    )


@dataclass(frozen=True)
class Expiry:
    """One service: what a login shows as the password comes to its end, and what it allows after that."""

    endpoint: str
    made: Control
    young: Login
    young_notice: bool
    near: Login
    near_notice: bool
    expired: Login
    reached: tuple[str, ...]  # what worked before the change: "a command", "SFTP", "a page"
    changed: bool  # by the dialogue, or where a session without one is refused, by nothing
    after: Login


@dataclass(frozen=True)
class Expiring(Observation):
    set: Control
    record: Fact
    name: str
    services: tuple[Expiry, ...]
    alive: Control


def judge_expiry(seen: Expiring) -> Verdict:
    if doubt := unsound([seen.set]) or unread(seen.record):
        return doubt
    record = next((one for one in rows(seen.record, PasswordRecord) if one.name == seen.name), None)
    if record is None:
        return inconclusive(f"{seen.name} has no record to read the warning period from", seen.record.ref)
    if not record.warn_days or record.warn_days < 0:
        return failed("as shipped nobody is warned that a password expires (0 days)", seen.record.ref)
    if not seen.services:
        return inconclusive("no service with passwords was tried")
    for one in seen.services:
        if doubt := unsound([one.made, got_in(f"{one.endpoint}: a young password works", one.young)]):
            return doubt
        if one.expired.identity or one.reached:
            what = ", ".join(one.reached) or f"a session as {one.expired.identity}"
            return failed(f"{one.endpoint}: an expired password still opens {what}", one.expired.ref)
        if doubt := unsound([got_in(f"{one.endpoint}: a password near its end works", one.near)]):
            return doubt
        if one.young_notice:
            return inconclusive(
                f"{one.endpoint}: control failed: a young password is said to expire", one.young.ref
            )
        if not one.near_notice:
            return failed(f"{one.endpoint}: nothing says that the password expires soon", one.near.ref)
        if not one.changed:
            return inconclusive(
                f"{one.endpoint}: the expired password could not be changed: {one.expired.said}"
            )
        if doubt := unsound([got_in(f"{one.endpoint}: the login after the change is normal", one.after)]):
            return doubt
    places = ", ".join(one.endpoint for one in seen.services)
    return unsound([seen.alive]) or passed(
        f"{places}: expiry is announced {record.warn_days} days before, and then only a change is possible",
        *(one.expired.ref for one in seen.services),
    )


@dataclass(frozen=True)
class History(Observation):
    depth: int
    made: Control
    set: Control
    changes: tuple[Change, ...]  # all fresh, so accepted
    refused: tuple[Change, ...]  # each of the last `depth`, the current one first
    again: tuple[Change, ...]  # an old one beyond the depth
    deeper: tuple[Control, ...]
    late: tuple[Change, ...]  # as old as that, with a deeper history
    none: tuple[Ran, ...]  # depth 0 is set
    last: tuple[Change, ...]  # the one before the current, then
    alive: Control


def judge_accepted(seen: History) -> Verdict:
    if seen.depth < DEPTH:
        return failed(f"as shipped {seen.depth} passwords are remembered, {DEPTH} is the least")
    note = f" (as shipped {seen.depth} are remembered)" if seen.depth > DEPTH else ""
    return unsound([seen.made, seen.set, *map(took, seen.changes), seen.alive]) or passed(
        f"with a history of {seen.depth} a new password is accepted{note}",
        *(c.ran.ref for c in seen.changes[-1:]),
    )


def judge_refused(seen: History) -> Verdict:
    if doubt := unsound([seen.made, *map(took, seen.changes)]):
        return doubt
    for place, change in enumerate(seen.refused):
        if bad := _kept(
            change, f"the password {place} changes ago", f"with a history of {seen.depth}", same=not place
        ):
            return bad
    if len(seen.refused) < seen.depth:
        return inconclusive("not all of the remembered passwords were tried")
    if doubt := unsound([*map(took, seen.again), *seen.deeper]):
        return doubt
    for change in seen.late:
        if bad := _kept(
            change, f"the password {seen.depth + 1} changes ago", f"with a history of {seen.depth + 2}"
        ):
            return bad
    for change in seen.last:
        if bad := _kept(change, "the password before", "after a history of 0 was set"):
            return bad
    if not (seen.again and seen.deeper and seen.late and seen.none and seen.last):
        return inconclusive("the deeper history, or none, was not tried")
    return unsound([seen.alive]) or passed(
        f"each of the last {seen.depth} passwords is refused, with a deeper history more of them, and depth 0"
        f" is {'without effect' if seen.none[0].ok else 'refused'}",
        *(change.ran.ref for change in seen.refused),
    )


def _kept(change: Change, which: str, when: str, *, same: bool = False) -> Verdict | None:
    """FAIL where an old password came into force again; `same`: it is the current one."""
    if (change.ran.ok and change.new.outcome == "in") if same else change.took:
        return failed(f"{which} is accepted {when}", change.ran.ref, change.new.ref)
    if change.old.outcome != "in" or (change.took is None and not same):
        return inconclusive(f"{which} {when}: {took(change).saw}", change.ran.ref)
    return None


# --- probes ------------------------------------------------------------------------------------------------


@case("TC_PASSWORD_CHANGES", judge_own, "A")
def test_change_at_any_time(host: HostBench) -> Own:
    host.stimulus()
    made, before, wrong, right = [], [], [], []
    for number, where in enumerate(host.declared("accounts.change_password_action")):
        at = Changer(host, where, f"scaschg{number}")
        made.append(at.made)
        before.append(host.login(at.endpoint, at.name, at.secret))
        wrong.append(at.to(host.secret(), "with a wrong present password", old=host.secret()))
        right.append(at.to(host.secret(), "a change by the user"))
    return Own(tuple(made), tuple(before), tuple(wrong), tuple(right), host.alive())


def _age(host: HostBench, name: str, age: int) -> Ran:
    return host.act("password_policy.expiry_set_action", name=name, days=DAYS, age=age)


def _notice(host: HostBench, endpoint: Endpoint, name: str, secret: Secret) -> bool:
    """Whether a login with a terminal, or the answer to the login form, says that something expires."""
    if endpoint.via == "ssh":
        with host.shell(name, secret, endpoint=endpoint, terminal=True) as shell:
            heard = shell.read(r"[$#>] ?$")
            return bool(NOTICE.search(f"{shell.login.banner} {shell.login.said} {heard.text}"))
    how: Mapping[str, Any] = endpoint.more["login"]
    words: dict[str, str | Secret] = {"{user}": name, "{secret}": secret}
    with host.web(endpoint) as agent:
        method, _, path = how["request"].partition(" ")
        given = agent.request(method, path, fields={k: words.get(v, v) for k, v in how["fields"].items()})
        place = dict(given.headers).get("location", how.get("page", "/"))
        return bool(NOTICE.search(given.body) or NOTICE.search(agent.request("GET", place).body))


def _expiry(host: HostBench, where: str, name: str, warn: int) -> Expiry:
    at = Changer(host, where, name)
    endpoint, seen = at.endpoint, {}
    for what, age in (("young", 0), ("near", DAYS - warn + 2)):
        _age(host, name, age)
        seen[what] = host.login(endpoint, name, at.secret), _notice(host, endpoint, name, at.secret)
    _age(host, name, DAYS + 2)
    expired, reached, new = host.login(endpoint, name, at.secret), [], host.secret()
    if endpoint.via == "ssh":
        with host.shell(name, at.secret, endpoint=endpoint) as shell:
            if shell.run("id -un").ok:
                reached.append("a command")
            if shell.sftp("/etc/passwd").ok:
                reached.append("SFTP")
        changed = forced(host, where, endpoint, name, at.secret, new)
    else:
        change = at.to(new, "a change of the expired password")
        changed = change.ran.ok
    return Expiry(endpoint.name, at.made, *seen["young"], *seen["near"], expired, tuple(reached), changed,
                  host.login(endpoint, name, new))  # fmt: skip


@case("TC_PASSWORD_CHANGES", judge_expiry, "B")
def test_expiry(host: HostBench) -> Expiring:
    host.stimulus()
    at = Changer(host, next(iter(host.declared("accounts.change_password_action"))), "scasexp")
    ran = did("expiry is switched on", _age(host, at.name, 0))
    record = host.fact("shadow", fresh=True)
    warn = next((r.warn_days for r in rows(record, PasswordRecord) if r.name == at.name), None) or 7
    places = [
        _expiry(host, where, f"scasexp{number}", warn)
        for number, where in enumerate(host.declared("accounts.change_password_action"))
    ]
    return Expiring(ran, record, at.name, tuple(places), host.alive())


def _changer(host: HostBench) -> Changer:
    return Changer(host, next(iter(host.declared("accounts.change_password_action"))), "scashist")


@case("TC_PASSWORD_CHANGES", judge_accepted, "C")
def test_history_accepts(host: HostBench) -> History:
    depth = int(host.declared("password_policy.history_depth"))
    host.stimulus()
    at = _changer(host)
    ran = did("the depth is set", host.act("password_policy.history_set_action", n=depth))
    changes = tuple(at.to(host.secret(), f"new password {n}") for n in range(depth + 1))
    return History(depth, at.made, ran, changes, (), (), (), (), (), (), host.alive())


@case("TC_PASSWORD_CHANGES", judge_refused, "D")
def test_history_refuses(host: HostBench) -> History:
    depth = int(host.declared("password_policy.history_depth"))
    host.stimulus()
    at, used, changes = _changer(host), [], []

    def fresh(count: int) -> None:
        for _ in range(count):
            used.append(host.secret())
            changes.append(at.to(used[-1], f"new password {len(used)}"))

    def back(ago: int) -> Change:
        change = at.to(used[-1 - ago], f"the password {ago} changes ago")
        if change.took:
            used.append(used[-1 - ago])
        return change

    fresh(depth + 3)
    refused = tuple(back(ago) for ago in range(depth))
    fresh(1)
    again = back(depth + 1)
    fresh(1)
    deeper = did("a deeper history is set", host.act("password_policy.history_set_action", n=depth + 2))
    fresh(depth + 2)
    late = back(depth + 1)
    none = host.act("password_policy.history_set_action", n=0)
    last = back(1)
    return History(
        *(depth, at.made, deeper, tuple(changes), refused, (again,), (deeper,), (late,), (none,), (last,)),
        host.alive(),
    )
