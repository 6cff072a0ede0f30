"""What runs and is installed on a host: processes, packages, services, jobs."""

import re
from collections.abc import Iterator
from typing import Any

from drivers.facts.parse.sections import lines, number, sections, some, uncommented
from drivers.interfaces.facts import Job, Package, Process, Unit
from drivers.text import arguments

OURS = "\x1f"  # in the arguments of the processes of the collection itself


def processes(text: str) -> list[Process]:
    """Our listing of /proc: "@pid TAB exe TAB arguments", lines of status, and the line of stat."""
    found: dict[int, dict[str, Any]] = {}
    current: dict[str, Any] | None = None
    for one in lines(text):
        head = re.fullmatch(r"@(\d{1,9})\t([^\t]*)\t(.*)", one)
        if head is not None:
            current = found.setdefault(number(head[1]), {"exe": head[2], "args": head[3].strip()})
            continue
        if current is None:
            raise ValueError(f"not a line of our listing: {one[:80]!r}")
        key, colon, value = one.partition(":")
        if colon and key in ("Name", "PPid", "Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
            current[key] = value.strip()
        elif ") " in one:
            fields = one.rpartition(") ")[2].split()
            if len(fields) > 19 and fields[19].isdecimal():
                current["started"] = number(fields[19])
    ours = {pid for pid, one in found.items() if OURS in one["args"]}
    rows = [_process(pid, one) for pid, one in found.items() if "Uid" in one and "Name" in one]
    while more := {row.pid for row in rows if row.parent in ours} - ours:
        ours |= more
    return some([row for row in rows if row.pid not in ours], "process")


def _process(pid: int, one: dict[str, Any]) -> Process:
    uids, gids = one["Uid"].split(), one.get("Gid", "0").split()
    if len(uids) < 2 or not gids:
        raise ValueError("a process without user")
    return Process(
        pid,
        number(one.get("PPid", "0")),
        number(uids[0]),
        number(uids[1]),
        number(gids[0]),
        one["Name"],
        one["exe"],
        arguments(one["args"]),
        one.get("CapEff", ""),
        one.get("CapBnd", ""),
        None if "NoNewPrivs" not in one else one["NoNewPrivs"] == "1",
        number(one["Seccomp"]) if "Seccomp" in one else None,
        one.get("started", 0),
    )


# --- packages -----------------------------------------------------------------------------------------------

_STATES = {
    "i": "installed",
    "c": "config-files",
    "n": "not-installed",
    "H": "half-installed",
    "U": "unpacked",
}


def _table(text: str, kind: str) -> Iterator[Package]:
    for one in lines(text):
        fields = one.split("\t")
        if len(fields) < 6 or len(fields[0].strip()) < 2:
            raise ValueError(f"not a row of the package list: {one[:80]!r}")
        status, name, version, architecture, source, maintainer = fields[:6]
        origin = fields[6] if len(fields) > 6 else ""
        state = _STATES.get(status.strip()[1], status.strip())
        yield Package(name, version, architecture, state, source, maintainer, origin.strip(), kind)


def dpkg(text: str) -> list[Package]:
    """Our `dpkg-query`: status, name, version, architecture, source, maintainer, origin."""
    return some(list(_table(text, "deb")), "package")


def rpm(text: str) -> list[Package]:
    """Our `rpm -qa`, in the same columns."""
    return some(list(_table(text, "rpm")), "package")


def apk(text: str) -> list[Package]:
    """`apk list -I`: "name-version arch {origin} (licence) [installed]"."""
    rows = []
    for one in lines(text):
        found = re.match(r"(\S+)-(\d\S*-r\d+) (\S+) \{([^}]*)\}", one[:1000])
        if found is None:
            raise ValueError(f"not a line of apk: {one[:80]!r}")
        rows.append(Package(found[1], found[2], found[3], "installed", found[4], kind="apk"))
    return some(rows, "package")


def opkg(text: str) -> list[Package]:
    """`opkg list-installed`: "name - version"."""
    rows = []
    for one in lines(text):
        found = re.match(r"(\S+) - (\S+)", one[:1000])
        if found is None:
            raise ValueError(f"not a line of opkg: {one[:80]!r}")
        rows.append(Package(found[1], found[2], "", "installed", kind="opkg"))
    return some(rows, "package")


# --- services and jobs -----------------------------------------------------------------------------------


def systemctl(text: str) -> list[Unit]:
    """`systemctl list-units --plain --no-legend` and, in a section, `list-unit-files`."""
    states: dict[str, tuple[str, str]] = {}
    for section, body in sections(text):
        for one in lines(body):
            fields = one.replace("●", " ").split()
            if not fields or "." not in fields[0] or len(fields) < 2:
                raise ValueError(f"not a line of systemctl: {one[:80]!r}")
            name = fields[0]
            active, enabled = states.get(name, ("", ""))
            if section:
                states[name] = active, fields[1]
            elif len(fields) > 2:
                states[name] = fields[2], enabled
    rows = [Unit(name, name.rpartition(".")[2], *state) for name, state in states.items()]
    return some(rows, "unit")


def init(text: str) -> list[Unit]:
    """Entries of inittab, inetd, xinetd, rc.local, and the scripts of init.d with their run levels."""
    rows, scripts, linked = [], [], set()
    for name, body in sections(text):
        if name == "/etc/inittab":
            for _, one in uncommented(body):
                fields = one.split(":", 3)
                if len(fields) == 4 and fields[2] not in ("off", "initdefault"):
                    rows.append(
                        Unit(
                            fields[0] or fields[3].split(" ")[0],
                            "init",
                            "",
                            fields[2],
                            "root",
                            arguments(fields[3]),
                        )
                    )
        elif name == "/etc/inetd.conf":
            for _, one in uncommented(body):
                fields = one.split(None, 6)
                if len(fields) >= 6:
                    rows.append(
                        Unit(fields[0], "inetd", "", "enabled", fields[4], arguments(" ".join(fields[5:])))
                    )
        elif name.startswith("/etc/xinetd.d/"):
            told = dict(re.findall(r"(?m)^[ \t]{0,20}(\w{1,40})[ \t]{0,20}=[ \t]{0,20}(.{0,500})$", body))
            enabled = "disabled" if told.get("disable") == "yes" else "enabled"
            rows.append(
                Unit(
                    name.rpartition("/")[2],
                    "xinetd",
                    "",
                    enabled,
                    told.get("user", ""),
                    told.get("server", ""),
                )
            )
        elif name == "/etc/rc.local":
            rows += [
                Unit("rc.local", "init", "", "enabled", "root", arguments(one))
                for _, one in uncommented(body)
            ]
        elif name == "init.d":
            scripts = [one.strip() for one in lines(body)]
        elif name == "rc":
            linked = {found[1] for one in lines(body) if (found := re.fullmatch(r"S\d\d(\S+)", one.strip()))}
    rows += [Unit(one, "init", "", "enabled" if one in linked else "disabled") for one in scripts]
    return some(rows, "service")


_SCHEDULE = re.compile(r"(@\w+|(?:\S+\s+){4}\S+)\s+(.*)")


def cron(text: str) -> list[Job]:
    """crontab(5) of the system and of users, and the scripts that run every hour, day, week or month."""
    rows = []
    for file, body in sections(text):
        personal = file.startswith("/var/spool/cron/")
        for _, one in uncommented(body):
            if re.fullmatch(r"/etc/cron\.(hourly|daily|weekly|monthly)", file):
                rows.append(Job(file, file.rpartition(".")[2], "root", one))
                continue
            if re.match(r"\w+\s*=", one):
                continue
            found = _SCHEDULE.match(one)
            if found is None:
                rows.append(Job(file, "", "", arguments(one)))
                continue
            user, _, command = ("", "", found[2]) if personal else found[2].partition(" ")
            rows.append(Job(file, found[1], user or file.rpartition("/")[2], arguments(command.strip())))
    return rows
