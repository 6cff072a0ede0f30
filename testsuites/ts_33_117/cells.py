"""Cells of the declared matrix of roles: what an account may do, done, and its object read around it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.case import Control
from drivers.interfaces.host import HostBench, User
from drivers.interfaces.replies import Ran
from testsuites.ts_33_117.common import DENIED, first

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


def try_cell(host: HostBench, row: Mapping[str, Any], user: str, number: int, **words: Any) -> Tried:
    """Do a cell as a user, and read its object before and after."""
    value, before = f"scas{number}", object_of(host, row)
    ran = host.do(row, user=user, value=value, before=before or "", **words)
    said = {key: str(row.get(key) or "") for key in ("role", "operation", "endpoint", "via")}
    refusal, after = str(row.get("refused") or ""), object_of(host, row)
    return Tried(
        **said, allow=row["allow"], refusal=refusal, value=value, before=before, ran=ran, after=after
    )


def object_of(host: HostBench, row: Mapping[str, Any]) -> str | None:
    """What the object of a cell holds, as an administrator reads it; None where that is not declared."""
    if not row.get("read"):
        return None
    if row.get("via") != "snmp":
        return host.root(row["read"]).out.strip()
    may = next((r for r in host.declared("rbac.matrix") if r["allow"] and same_operation(r, row)), row)
    user = account_of(host, may["role"], row.get("endpoint")).name
    ran = host.do({"via": "snmp", "endpoint": row["endpoint"], "run": row["read"]}, user=user)
    return ran.out.partition(" = ")[2].strip()


def same_operation(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether two cells are of one operation at one place."""
    return all(ours.get(key) == theirs.get(key) for key in ("operation", "endpoint"))


def put_back(host: HostBench, cells: Iterable[Tried]) -> Control:
    """Write what was there before, by those who may, where no undo is declared."""
    done, matrix = [], host.declared("rbac.matrix")
    for row in (r for r in matrix if r["allow"] and r.get("read") and not r.get("undo")):
        held = next(one.before for one in cells if same_operation(vars(one), row))
        done.append(host.do(row, user=account_of(host, row["role"], row["endpoint"]).name, value=held or ""))
    bad = next((one for one in done if not one.ok), None)
    return Control("what was written is put back", bad is None, bad.err if bad else f"{len(done)} objects")


def account_of(host: HostBench, role: str, at: str | None) -> User:
    """The account of a role that may be used at an endpoint."""
    where = first((one for one in host.endpoints() if one.name == at), f"the endpoint {at}")
    return first(host.users(role, endpoint=where, aside=False), f"a user with the role {role} at {at}")
