"""What test cases of a host share: attempts of an ordinary user, access lists, declared exceptions."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from assay.errors import UnseenError
from drivers.interfaces.facts import File, Process
from drivers.interfaces.host import HostBench, User, rows
from drivers.interfaces.replies import Ran

DENIED = re.compile(
    r"(?i)permission denied|not permitted|must be (superuser|root)|only root|\bE(ACCES|PERM)\b"
)
TRY = """export LC_ALL=C
try() { # what, target, command...
    w=$1 p=$2; shift 2
    if s=$( ("$@") 2>&1 </dev/null ); then r=0; else r=$?; fi
    printf '%s\\t%s\\t%s\\t%s\\n' "$w" "$p" "$r" "$(printf %s "$s" | tr '\\n\\t' '  ' | cut -c 1-200)"
}
append() { [ ! -e "$1" ] && return 77; : >> "$1"; }
"""
ABSENT = 77
Item = TypeVar("Item")


def first(every: Iterable[Item], what: str) -> Item:
    """The first one; UnseenError that says what is not declared where there is none."""
    for one in every:
        return one
    raise UnseenError(f"not declared: {what}")


def ordinary(host: HostBench) -> tuple[User, ...]:
    """The ordinary users who log in over SSH, none that is set aside; UnseenError where there is none."""
    ssh = first(host.endpoints("ssh"), "an entry of oam.endpoints with via ssh")
    found = host.users(endpoint=ssh, privileged=False, aside=False)
    first(found, "an ordinary user of SSH in accounts.test_users")
    return found


def of_each_role(users: Iterable[User]) -> list[User]:
    """One user of each role."""
    return list({user.role: user for user in users}.values())


LOGIN_PROGRAMS = ("agetty", "getty", "mgetty", "mingetty", "login", "sulogin")


def main_processes(host: HostBench) -> dict[str, tuple[int, ...]]:
    """The processes of each declared service that init started, but for those that go with each login."""
    found = rows(host.fact("processes", fresh=True), Process)
    names = {str(one["process"]) for one in host.declared("services.list") or () if one.get("process")}
    names |= {one.name for one in found if one.parent == 1} - {*LOGIN_PROGRAMS}
    return {
        name: tuple(one.pid for one in found if one.name == name and one.parent == 1)
        for name in sorted(names)
    }


@dataclass(frozen=True)
class Try:
    """One thing that a user tried: its status, 77 where there is no such target, and what was said."""

    user: str
    what: str
    target: str
    status: int
    said: str
    ref: str = ""

    @property
    def done(self) -> bool:
        return self.status == 0

    @property
    def denied(self) -> bool:
        """Refused for want of rights: another failure, or a tool that is missing, is no refusal."""
        return self.status != 0 and bool(DENIED.search(self.said))


def script(steps: Iterable[Sequence[str]]) -> str:
    """A script that does steps (what, target, command...) in turn; `append FILE` writes nothing."""
    return TRY + "".join(f"try {' '.join(map(shlex.quote, step))}\n" for step in steps)


def tries(user: str, ran: Ran) -> tuple[Try, ...]:
    """What came of the steps of a `script`; none where it did not come to its end."""
    found = []
    for line in ran.out.splitlines():
        fields = line.split("\t", 3)
        if len(fields) == 4 and fields[2].isdecimal():
            found.append(Try(user, fields[0], fields[1], int(fields[2]), fields[3].strip(), ran.ref))
    return tuple(found) if ran.ok else ()


def acls(host: HostBench, files: Iterable[File]) -> dict[str, tuple[str, ...]]:
    """The access lists of the files that have one, with effective rights; empty where unreadable."""
    listed = sorted({one.path for one in files if one.acl})
    if not listed:
        return {}
    found: dict[str, tuple[str, ...]] = dict.fromkeys(listed, ())
    ran = host.root(f"LC_ALL=C getfacl -pe -- {' '.join(map(shlex.quote, listed))}")
    path = ""
    for line in ran.out.splitlines():
        if line.startswith("# file: "):
            path = line[8:]
        elif line and not line.startswith("#") and path in found:
            found[path] += (re.sub(r"\s+", " ", line),)
    return found


def granted(entries: Iterable[str]) -> dict[str, str]:
    """What an access list gives to named users and groups other than root: `user:oper1` -> "rw-"."""
    found = {}
    for entry in entries:
        words = re.fullmatch(r"(user|group):([^:]+):([rwx-]{3})(?: #effective:([rwx-]{3}))?", entry)
        if words and words[2] != "root":
            found[f"{words[1]}:{words[2]}"] = words[4] or words[3]
    return found


def commands(text: str) -> list[str]:
    """The commands of a rule of sudoers; a comma within a command has no blank behind it."""
    return [one.strip() for one in re.split(r"(?<!\\),\s+", text)]


def excepted(exceptions: Iterable[Mapping[str, Any]], name: str, rule: str) -> bool:
    """Whether a declared exception (with `path` or `name`, a pattern) covers this rule for this name."""
    return any(
        fnmatchcase(name, str(one.get("path") or one.get("name") or "")) and one.get("rule") in (None, rule)
        for one in exceptions
    )
