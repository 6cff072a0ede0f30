"""The product's logs, read as root from a place on."""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from drivers.interfaces.host import Line, LogLines
from drivers.interfaces.replies import Ran

Root = Callable[[str], Ran]
MOST = 2000  # lines that match


def mark(root: Root, location: Mapping[str, Any]) -> int:
    """Where a log ends: octets of a file, or lines of what its reader prints."""
    ran = root(f"wc -c < {shlex.quote(location['path'])}" if location.get("path") else _reader(location))
    if location.get("path"):
        return int(ran.out) if ran.ok and ran.out.strip().isdigit() else 0
    return len(ran.out.splitlines())


def since(root: Root, location: Mapping[str, Any], pattern: str, place: int) -> LogLines:
    """The lines after a place that match; a file that has become shorter was rotated and is read whole."""
    if location.get("path"):
        path = shlex.quote(location["path"])
        size = f"$(wc -c < {path})"
        ran = root(f"if [ {size} -lt {place} ]; then cat {path}; else tail -c +{place + 1} {path}; fi")
        lines = ran.out.splitlines()
    else:
        ran = root(_reader(location))
        lines = ran.out.splitlines()[place:]
    problem = "" if ran.ok else ran.problem or ran.err or "it could not be read whole"
    found: list[Line] = []
    for number, text in enumerate(lines, 1):
        if (match := re.search(pattern, text[:4000])) is not None and len(found) < MOST:
            groups = {name: value for name, value in match.groupdict().items() if value is not None}
            found.append(Line(text[:1000], f"{ran.ref}:{number}", groups))
    return LogLines(location["name"], pattern, tuple(found), 0.0, ran.ref, problem)


def _reader(location: Mapping[str, Any]) -> str:
    return str((location.get("read") or {}).get("run", "false"))
