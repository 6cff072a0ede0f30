"""TC_ROLE_BASED_ACCESS_CONTROL: what an account may do is what its role says, on every interface."""

from collections import defaultdict
from dataclasses import dataclass

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench, did, got_in
from drivers.interfaces.replies import Login
from testsuites.ts_33_117.accounts import own_database
from testsuites.ts_33_117.cells import Tried, account_of, put_back, same_operation, try_cell
from testsuites.ts_33_117.common import first

NAME, CREATED = "scasrole1", "scasrole2"


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
    users = {(r["role"], r.get("endpoint")): account_of(host, r["role"], r.get("endpoint")) for r in matrix}
    where = {one.name: one for one in host.endpoints()}
    logins = tuple(host.login(where[str(at)], user) for (_, at), user in users.items())
    cells = tuple(try_cell(host, r, users[r["role"], r["endpoint"]].name, n) for n, r in enumerate(matrix, 1))
    refused, allowed = first(
        (
            (no, yes)
            for no in matrix
            for yes in matrix
            if no["via"] == "ssh" and no.get("read") and not no["allow"] and yes["allow"]
            and same_operation(no, yes)
        ),
        "an operation over SSH with `read` that one role may do and another not, in rbac.matrix",
    )  # fmt: skip
    secret = host.secret()
    done = [
        host.act("accounts.create_action", f"{own}-role", name=NAME, role=refused["role"]),
        host.act("accounts.create_action", f"{own}-password", name=NAME, secret=secret),
    ]
    lesser = [try_cell(host, refused, NAME, 101, secret=secret)]
    done.append(host.act("accounts.set_role_action", own, name=NAME, role=allowed["role"]))
    greater = try_cell(host, allowed, NAME, 102, secret=secret)
    done.append(host.act("accounts.set_role_action", own, name=NAME, role=refused["role"]))
    lesser.append(try_cell(host, refused, NAME, 103, secret=secret))
    return Seen(
        logins,
        cells,
        _elevations(host, own),
        put_back(host, cells),
        did("a role was given and taken again", *done),
        tuple(lesser),
        greater,
        host.alive(),
    )
