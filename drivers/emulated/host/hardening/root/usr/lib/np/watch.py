#!/usr/bin/python3
"""Records what the kernel's own log would: links up or down, thresholds crossed, services ended."""

import os
import subprocess
import syslog
import time

PERIOD_S = 1.0
DISK_PERCENT, CPU_PERCENT, FOR_S = 80, 90, 3


def links() -> dict[str, str]:
    said = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=False).stdout
    found = {}
    for line in said.splitlines():
        name = line.split(": ")[1].split("@")[0]
        found[name] = "up" if ("LOWER_UP" in line and ",UP" in line) or "<UP" in line else "down"
    return found


def full(path: str) -> int:
    space = os.statvfs(path)
    return 100 - 100 * space.f_bavail // max(space.f_blocks, 1)


def busy(before: list[int]) -> tuple[int, list[int]]:
    """CPU time of the product's own processes: the machine below has others."""
    used = 0
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    fields = stat.read().rsplit(") ", 1)[1].split()
                used += int(fields[11]) + int(fields[12])
            except (OSError, IndexError):
                continue
    now = [used, int(time.monotonic() * os.sysconf("SC_CLK_TCK"))]
    elapsed = now[1] - before[1]
    return (100 * max(now[0] - before[0], 0) // elapsed if elapsed > 0 else 0), now


def services() -> dict[str, str]:
    """PID of each child of the first process, with its name."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    head, rest = stat.read().rsplit(") ", 1)
                if rest.split()[1] == "1":
                    found[name] = head.split("(", 1)[1]
            except (OSError, IndexError):
                continue
    return found


def main() -> None:
    syslog.openlog("np-watch", 0, syslog.LOG_AUTHPRIV)
    was, last, running = links(), [0, 0], services()
    above: dict[str, list[float]] = {}
    _, last = busy(last)
    while True:
        time.sleep(PERIOD_S)
        now = links()
        for name in sorted(set(was) | set(now)):
            if was.get(name) != now.get(name):
                syslog.syslog(f"interface name={name} type=ethernet status={now.get(name, 'gone')}")
        was = now
        cpu, last = busy(last)
        for what, reached, threshold in (
            *((f"disk {path}", full(path), DISK_PERCENT) for path in ("/var/log", "/srv/upload")),
            ("cpu", cpu, CPU_PERCENT),
        ):
            if reached < threshold:
                above.pop(what, None)
                continue
            since = above.setdefault(what, [time.monotonic(), False])
            if not since[1] and time.monotonic() - since[0] >= FOR_S:
                since[1] = True
                syslog.syslog(f"resource={what} threshold={threshold}% reached={reached}%")
        present = services()
        for pid in running.keys() - present.keys():
            syslog.syslog(f"service name={running[pid]} pid={pid} ended")
        running = present


if __name__ == "__main__":
    main()
