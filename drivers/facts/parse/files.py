"""Files of a host: modes, owners, capabilities, as find, stat and getcap tell them."""

import re
from collections.abc import Callable, Iterator

from drivers.facts.parse.sections import lines, number
from drivers.interfaces.facts import Capability, File

KINDS = {"f": "file", "d": "directory", "l": "link", "b": "block", "c": "char", "p": "pipe", "s": "socket"}
STAT_KINDS = {
    "regular file": "file",
    "regular empty file": "file",
    "directory": "directory",
    "symbolic link": "link",
    "block special file": "block",
    "character special file": "char",
    "fifo": "pipe",
    "socket": "socket",
}


def _finished(text: str) -> Iterator[str]:
    """The lines before "status TAB 0", or 1 where something went away while find looked."""
    status = ""
    for one in lines(text):
        if one.startswith("status\t"):
            status = one[7:].strip()
        else:
            yield one
    if status not in ("0", "1"):
        raise ValueError(f"find did not end well (status {status[:20] or 'unknown'})")


def found(what: str) -> Callable[[str], list[File]]:
    """The reader of our `find`: tag, mode, type, owner, group, size and path (\\x01 was a newline)."""

    def read(text: str) -> list[File]:
        rows = []
        for one in _finished(text):
            fields = one.split("\t", 6)
            if len(fields) != 7 or fields[0] not in ("unowned", "special", "writable"):
                raise ValueError(f"not a row of find: {one[:80]!r}")
            tag, mode, kind, owner, group, size, path = fields
            if tag == what:
                rows.append(File(path, KINDS.get(kind, kind), _mode(mode), owner, group, number(size)))
        return rows

    return read


def found_by_stat(what: str) -> Callable[[str], list[File]]:
    """The same of our search with `stat`, which lists what is special, writable or unowned alike."""

    def read(text: str) -> list[File]:
        rows = []
        for one in _finished(text):
            row = _stat(one.split("\t", 5))
            mode = int(row.mode, 8)
            is_it = {
                "special": row.kind == "file" and mode & 0o6000 != 0,
                "writable": (row.kind == "file" and mode & 0o2 != 0)
                or (row.kind == "directory" and mode & 0o1002 == 0o2),
                "unowned": "UNKNOWN" in (row.owner, row.group),
            }
            if is_it[what]:
                rows.append(row)
        return rows

    return read


def stat(text: str) -> list[File]:
    """The column of `ls -ld` (its "+" means an ACL) and mode, type, owner, group, size, path."""
    rows = []
    for one in lines(text):
        permissions, *fields = one.split("\t", 6)
        if not re.fullmatch(r"[-bcdlpsD?][-rwxsStT]{9}[.+@]?", permissions):
            raise ValueError(f"not a row of stat: {one[:80]!r}")
        rows.append(_stat(fields, acl=permissions.endswith("+")))
    return rows


def _stat(fields: list[str], *, acl: bool | None = None) -> File:
    if len(fields) != 6:
        raise ValueError(f"not a row of stat: {' '.join(fields)[:80]!r}")
    mode, kind, owner, group, size, path = fields
    return File(path, STAT_KINDS.get(kind, kind), _mode(mode), owner, group, number(size), acl=acl)


def _mode(text: str) -> str:
    if not re.fullmatch("[0-7]{1,5}", text):
        raise ValueError(f"{text[:20]!r} is no mode")
    return text


def getcap(text: str) -> list[Capability]:
    """`getcap -r`, in the forms before ("PATH = CAPS") and since libcap 2.41 ("PATH CAPS")."""
    return list(_capabilities(text))


def _capabilities(text: str) -> Iterator[Capability]:
    for one in lines(text):
        row = re.fullmatch(r"(/.*?)(?: =)? ((?:cap_[\w,]*|=)?[+=][eip]*(?: [\w,+=]+)*)", one[:2000])
        if row is None:
            raise ValueError(f"not a line of getcap: {one[:80]!r}")
        yield Capability(row[1], row[2])
