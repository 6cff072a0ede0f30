"""Outputs of a host as rows of facts: pure functions that refuse with ValueError what they cannot read."""

import re
import typing
from collections.abc import Callable, Iterator
from typing import Any

from assay.errors import UsageError
from drivers.facts.parse.accounts import (
    authorized_keys,
    cvtsudoers,
    doas,
    group,
    pam,
    passwd,
    shadow,
    sudoers,
    who,
)
from drivers.facts.parse.files import found, found_by_stat, getcap, stat
from drivers.facts.parse.network import (
    ip_addr,
    ip_addr_json,
    ip_route,
    ip_route_json,
    ip_rule,
    iptables,
    netstat,
    proc_net,
    snmpd,
    ss,
)
from drivers.facts.parse.sections import MAX_ROWS, lines, load
from drivers.facts.parse.software import apk, cron, dpkg, init, opkg, processes, rpm, systemctl
from drivers.facts.parse.system import (
    assignments,
    fstab,
    kernel,
    mapping,
    mounts,
    proc_sys,
    settings,
    sshd,
    sshd_config,
    sysctl,
    umask,
    words,
)
from drivers.interfaces.facts import NAMES

FORMATS: dict[str, Callable[[str], Any]] = {
    "passwd": passwd,
    "group": group,
    "shadow": shadow,
    "stat": stat,
    "getcap": getcap,
    "ss": ss,
    "netstat": netstat,
    "proc_net": proc_net,
    "dpkg": dpkg,
    "rpm": rpm,
    "apk": apk,
    "opkg": opkg,
    "sysctl": sysctl,
    "mounts": mounts,
    "fstab": fstab,
    "sshd": sshd,
    "sudoers": sudoers,
    "systemctl": systemctl,
    "cron": cron,
    "ip_addr": ip_addr,
    "ip_route": ip_route,
    "who": who,
    "words": words,
    "assignments": assignments,
    "json": lambda text: load(text, object),
}
"""What a declared command may say about its output, besides a regular expression."""


def rule(name: str, how: str) -> Callable[[str], Any]:
    """The reader of a declared command for a fact: a format, or an expression with the row's named groups.

    UsageError where it is neither, or where the expression leaves out what has no default or names what the
    row has not.
    """
    if how in FORMATS:
        return FORMATS[how]
    kind = NAMES[name]
    try:
        pattern = re.compile(how)
    except re.error as error:
        known = ", ".join(sorted(FORMATS))
        raise UsageError(f"{name}: {how!r} is no expression ({error}) and no format ({known})") from error
    if kind is dict:
        if not {"key", "value"} <= pattern.groupindex.keys():
            raise UsageError(f"{name}: the expression needs the groups key and value: {how!r}")
        return lambda text: {found["key"]: found["value"] for found in _matches(pattern, text)}
    hints = typing.get_type_hints(kind)
    odd = pattern.groupindex.keys() - hints.keys()
    if odd or not pattern.groupindex:
        fields = ", ".join(hints)
        raise UsageError(f"{name}: the named groups of the expression are among {fields}: {how!r}")

    def rows(text: str) -> list[Any]:
        return [_row(kind, hints, found.groupdict()) for found in _matches(pattern, text)]

    return rows


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    some = False
    for number, one in enumerate(lines(text)):
        found = pattern.search(one[:1000])
        if found is not None:
            some = True
            yield found
        if number > MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS} lines")
    if not some:
        raise ValueError("no line is of the declared form")


def _row(kind: type[Any], hints: dict[str, Any], found: dict[str, str | None]) -> Any:
    """A row; what the expression does not tell is empty, and numbers are numbers."""
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        text = found.get(name) or ""
        if hint is int or hint == int | None:
            values[name] = int(text) if text.isdecimal() and len(text) < 19 else (0 if hint is int else None)
        elif hint is str:
            values[name] = text
        elif hint == tuple[str, ...]:
            values[name] = tuple(filter(None, re.split(r"[\s,]+", text)))
        elif hint is bool:
            values[name] = bool(text)
    return kind(**values)


__all__ = [
    "FORMATS",
    "apk",
    "assignments",
    "authorized_keys",
    "cron",
    "cvtsudoers",
    "doas",
    "dpkg",
    "found",
    "found_by_stat",
    "fstab",
    "getcap",
    "group",
    "init",
    "ip_addr",
    "ip_addr_json",
    "ip_route",
    "ip_route_json",
    "ip_rule",
    "iptables",
    "kernel",
    "mapping",
    "mounts",
    "netstat",
    "opkg",
    "pam",
    "passwd",
    "proc_net",
    "proc_sys",
    "processes",
    "rpm",
    "rule",
    "settings",
    "shadow",
    "snmpd",
    "ss",
    "sshd",
    "sshd_config",
    "stat",
    "sudoers",
    "sysctl",
    "systemctl",
    "umask",
    "who",
    "words",
]
