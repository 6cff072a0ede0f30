"""TC_ROLE_BASED_ACCESS_CONTROL: what an account may do is what its role says, on every interface."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench, User, did, got_in
from drivers.interfaces.replies import Login, Ran
from testsuites.ts_33_117.accounts import own_database
from testsuites.ts_33_117.common import DENIED, first

NAME, CREATED = "scasrole1", "scasrole2"
SNMP_DENIALS = re.compile(r"noAccess|authorizationError|noSuch(Object|Name|Instance)|notInTime|readOnly")
HTTP_DENIALS = ("403", "404")


@dataclass(frozen=True)
class Tried:
    """A sample operation by an account: what was said, and the object of the operation around it."""

    role: str
    operation: str
    endpoint: str
    via: str
    allow: bool
    refusal: str  # the declared words of a refusal
    value: str  # what was to be written
    before: str | None  # None where the object is not declared
    ran: Ran
    after: str | None

    @property
    def worked(self) -> bool:
        """It ended well, or its object holds what was written whatever was said."""
        return self.ran.ok or (self.after is not None and self.after != self.before)

    @property
    def took_effect(self) -> bool:
        return self.ran.ok and (self.after is None or self.after == self.value)

    @property
    def denied(self) -> bool:
        said = f"{self.ran.out}\n{self.ran.err}\n{self.ran.problem}"
        if self.worked or self.ran.status is None:
            return False
        if self.refusal and self.refusal in said:
            return True
        if self.via in ("https", "http"):
            return self.ran.err.split(" ")[0] in HTTP_DENIALS
        return bool((SNMP_DENIALS if self.via == "snmp" else DENIED).search(said))

    def __str__(self) -> str:
        return f"{self.role}: {self.operation} at {self.endpoint}"


@dataclass(frozen=True)
class Seen(Observation):
    logins: tuple[Login, ...]
    cells: tuple[Tried, ...]
    elevations: tuple[
        Tried, ...
    ]  # attempts of accounts without privileges to get or to make an administrator
    put_back: Control
    changed: Control  # a role was given and taken again
    lesser: tuple[Tried, ...]  # the operation before the role was given, and after it was taken
    greater: Tried  # after it was given, in a session of its own
    alive: Control


def judge(seen: Seen) -> Verdict:
    every = (*seen.cells, *seen.elevations, *seen.lesser)
    for one in every:
        if not one.allow and one.worked:
            return failed(f"{one}: is not allowed, and worked", one.ran.ref)
    if doubt := unsound([got_in("an account of each role logs in", *seen.logins)]):
        return doubt
    for one in every:
        if not one.allow and not one.denied:
            said = one.ran.problem or one.ran.err or one.ran.out
            return inconclusive(f"{one}: neither worked nor was denied: {said[-200:]}", one.ran.ref)
    permitted = defaultdict(set)
    for one in seen.cells:
        if one.allow and not one.took_effect:
            return inconclusive(f"{one}: is allowed, and had no effect: {one.ran.err[-200:]}", one.ran.ref)
        if one.allow:
            permitted[one.role].add((one.operation, one.endpoint))
    forbidden = [one for one in seen.cells if not one.allow]
    for one in forbidden:
        others = [role for role, its in permitted.items() if (one.operation, one.endpoint) in its]
        control = Control(f"{one}: another role does the same there", bool(others), "no role does")
        if doubt := unsound([control]):
            return doubt
    if not forbidden or not seen.elevations or len({frozenset(its) for its in permitted.values()}) < 2:
        return inconclusive("the matrix has no two roles with different operations")
    given = Control(f"{seen.greater}: the role that was given is in force", seen.greater.took_effect, "no")
    return unsound([seen.changed, given, seen.put_back, seen.alive]) or passed(
        f"{len(permitted)} roles: {len(forbidden)} operations are denied to one and work for another, "
        f"{len(seen.elevations)} attempts at more rights are denied, and a role that is taken is gone"
    )


# --- probe -------------------------------------------------------------------------------------------------


def _try(host: HostBench, row: Mapping[str, Any], user: str, number: int, **words: Any) -> Tried:
    """Do a cell as a user, and read its object before and after."""
    value, before = f"scas{number}", _object(host, row)
    ran = host.do(row, user=user, value=value, before=before or "", **words)
    said = {key: str(row.get(key) or "") for key in ("role", "operation", "endpoint", "via")}
    refusal, after = str(row.get("refused") or ""), _object(host, row)
    return Tried(
        **said, allow=row["allow"], refusal=refusal, value=value, before=before, ran=ran, after=after
    )


def _object(host: HostBench, row: Mapping[str, Any]) -> str | None:
    """What the object of a cell holds, as an administrator reads it; None where that is not declared."""
    if not row.get("read"):
        return None
    if row.get("via") != "snmp":
        return host.root(row["read"]).out.strip()
    may = next((r for r in host.declared("rbac.matrix") if r["allow"] and _same(r, row)), row)
    user = _who(host, may["role"], row.get("endpoint")).name
    ran = host.do({"via": "snmp", "endpoint": row["endpoint"], "run": row["read"]}, user=user)
    return ran.out.partition(" = ")[2].strip()


def _same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether two cells are of one operation at one place."""
    return all(ours.get(key) == theirs.get(key) for key in ("operation", "endpoint"))


def _put_back(host: HostBench, cells: Iterable[Tried]) -> Control:
    """Write what was there before, by those who may, where no undo is declared."""
    done, matrix = [], host.declared("rbac.matrix")
    for row in (r for r in matrix if r["allow"] and r.get("read") and not r.get("undo")):
        held = next(one.before for one in cells if _same(vars(one), row))
        done.append(host.do(row, user=_who(host, row["role"], row["endpoint"]).name, value=held or ""))
    bad = next((one for one in done if not one.ok), None)
    return Control("what was written is put back", bad is None, bad.err if bad else f"{len(done)} objects")


def _who(host: HostBench, role: str, at: str | None) -> User:
    """The account of a role that may be used at an endpoint."""
    where = first((one for one in host.endpoints() if one.name == at), f"the endpoint {at}")
    return first(host.users(role, endpoint=where, aside=False), f"a user with the role {role} at {at}")


def _elevations(host: HostBench, own: str) -> tuple[Tried, ...]:
    """Every ordinary account tries to change its own role and to create an administrator."""
    ssh = first(host.endpoints("ssh"), "an entry of oam.endpoints with via ssh")
    admin = first(host.users(endpoint=ssh, privileged=True), "an administrator of SSH").role
    refusal = next((str(row["refused"]) for row in host.declared("rbac.matrix") if row.get("refused")), "")
    found = []
    for user in {one.role: one for one in host.users(endpoint=ssh, privileged=False, aside=False)}.values():
        own_role = host.act("accounts.set_role_action", own, user=user.name, name=user.name, role=admin)
        if own_role.ok:
            host.act("accounts.set_role_action", own, name=user.name, role=user.role)
        made = host.act("accounts.create_action", f"{own}-role", user=user.name, name=CREATED, role=admin)
        if made.ok:
            host.act("accounts.delete_action", own, name=CREATED)
        for what, ran in (("change of the own role", own_role), ("creation of an administrator", made)):
            found.append(Tried(user.role, what, ssh.name, "ssh", False, refusal, "", None, ran, None))
    return tuple(found)


@case("TC_ROLE_BASED_ACCESS_CONTROL", judge, "A")
def test_role_based_access_control(host: HostBench) -> Seen:
    matrix, own = host.declared("rbac.matrix"), own_database(host)
    host.stimulus()
    users = {(r["role"], r.get("endpoint")): _who(host, r["role"], r.get("endpoint")) for r in matrix}
    where = {one.name: one for one in host.endpoints()}
    logins = tuple(host.login(where[str(at)], user) for (_, at), user in users.items())
    cells = tuple(_try(host, r, users[r["role"], r["endpoint"]].name, n) for n, r in enumerate(matrix, 1))
    refused, allowed = first(
        (
            (no, yes)
            for no in matrix
            for yes in matrix
            if no["via"] == "ssh" and no.get("read") and not no["allow"] and yes["allow"]
            and _same(no, yes)
        ),
        "an operation over SSH with `read` that one role may do and another not, in rbac.matrix",
    )  # fmt: skip
    secret = host.secret()
    done = [
        host.act("accounts.create_action", f"{own}-role", name=NAME, role=refused["role"]),
        host.act("accounts.create_action", f"{own}-password", name=NAME, secret=secret),
    ]
    lesser = [_try(host, refused, NAME, 101, secret=secret)]
    done.append(host.act("accounts.set_role_action", own, name=NAME, role=allowed["role"]))
    greater = _try(host, allowed, NAME, 102, secret=secret)
    done.append(host.act("accounts.set_role_action", own, name=NAME, role=refused["role"]))
    lesser.append(_try(host, refused, NAME, 103, secret=secret))
    return Seen(
        logins,
        cells,
        _elevations(host, own),
        _put_back(host, cells),
        did("a role was given and taken again", *done),
        tuple(lesser),
        greater,
        host.alive(),
    )
