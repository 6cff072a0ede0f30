"""The product's machine: its disks, and its process namespace started again after each reboot.

`python -m drivers.emulated.host.machine` runs in the product's mount, network, IPC and host name
namespaces.
"""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from drivers.emulated.host import keys, untouched
from drivers.emulated.host.faults import HOST
from drivers.emulated.host.network import PRODUCT, SECOND, WIRES
from drivers.emulated.host.steps import Site

DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LOOPS = 8
ROOT_SIZE, LOG_SIZE, UPLOAD_SIZE = "512m", "24m", "8m"
# what would reach the machine below: modules, clocks, block devices, its kernel log
TAKEN = (
    "sys_module",
    "sys_rawio",
    "sys_time",
    "syslog",
    "mknod",
    "mac_admin",
    "mac_override",
    "wake_alarm",
    "bpf",
)

BOOT = """
cd {root}
mount -t proc -o nosuid,nodev,noexec proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,rw proc/sys/net
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=755,nosuid,size=1m dev dev
{devices}
for file in sysrq-trigger kcore modules; do
    if [ -e proc/$file ]; then mount --bind dev/null proc/$file; fi
done
mknod dev/none c 0 0  # no kernel log: opening it fails, where an empty one would be read without end
mount --bind dev/none proc/kmsg
rm dev/none
mkdir dev/pts dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
: > dev/console
mount --bind {console} dev/console
pivot_root . .
umount -l .
exec < dev/console > dev/console 2>&1
cd /
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=vt220 setpriv --bounding-set {taken} /sbin/init
"""


def disks(stage: Path, layers: list[str]) -> Path:
    """Mount the root over its read-only layers, and two file systems that may fill up; all in memory."""
    _mount("-t", "tmpfs", "-o", f"size={ROOT_SIZE},mode=755", "root", stage)
    root = stage / "root"
    for name in ("upper", "work", "root"):
        (stage / name).mkdir()
    (stage / "upper").chmod(0o755)
    below = ":".join(layers)
    _mount(
        "-t",
        "overlay",
        "overlay",
        "-o",
        f"lowerdir={below},upperdir={stage}/upper,workdir={stage}/work",
        root,
    )
    for folder, size in (("var/log", LOG_SIZE), ("srv/upload", UPLOAD_SIZE)):
        if (root / folder).is_dir() and len(layers) > 1:
            kept = stage / "kept"
            subprocess.run(["cp", "-a", root / folder, kept], check=True)  # noqa: S607
            _mount(
                "-t",
                "tmpfs",
                "-o",
                f"mode=755,size={size},nosuid,nodev,noexec",
                Path(folder).name,
                root / folder,
            )
            subprocess.run(["cp", "-aT", kept, root / folder], check=True)  # noqa: S607
            subprocess.run(["rm", "-r", kept], check=True)  # noqa: S607
    return root


def renumber(root: Path) -> None:
    """The second unit on the same network has other addresses."""
    changes = [(wire.v4 + PRODUCT, wire.v4 + SECOND) for wire in WIRES]
    changes += [(wire.v6 + PRODUCT, wire.v6 + SECOND) for wire in WIRES]
    files = ("ssh/sshd_config", "snmp/snmpd.conf", "np/interfaces", "hosts")
    for file in (*(root / "etc" / name for name in files), *(root / "etc/nginx/conf.d").glob("*.conf")):
        text = file.read_text()
        for old, new in changes:
            text = text.replace(old, new)
        file.write_text(text)


def boot(root: Path, console: str) -> int:
    """Run the product's first process in a new process namespace; how it ended, negative for a signal."""
    devices = "".join(f"mknod -m 666 dev/{name} c {major} {minor}; " for name, major, minor in DEVICES)
    devices += "mknod -m 600 dev/loop-control c 10 237; "  # a medium image is mounted through a loop device
    devices += "".join(f"mknod -m 600 dev/loop{number} b 7 {number}; " for number in range(LOOPS))
    script = BOOT.format(
        root=root, devices=devices, console=console, taken=",".join(f"-{cap}" for cap in TAKEN)
    )
    words = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--pid",
        "--mount",
        "--cgroup",
        "--propagation=private",
    ]
    words += ["--fork", "--kill-child", "sh", "-euc", script]
    return subprocess.run(words, check=False).returncode


def main() -> None:
    """Set the machine up as told on standard input, say so, and run it until it is switched off."""
    told = json.loads(sys.stdin.readline())
    root = disks(Path(told["stage"]), told["layers"])
    site = Site(root, Path(told["extras"]), told["unit"])
    if told["untouched"]:
        untouched.install(root, told["untouched"])
    else:
        keys.install(root, told["unit"])
    for name in told["faults"]:
        HOST[name].make(site)
    if told["second"]:
        renumber(root)  # what a fault put there has the addresses of the first unit
    subprocess.run(["hostname", "np"], check=True)  # noqa: S607
    print(json.dumps({"up": os.getpid()}), flush=True)
    sys.stdin.readline()  # the wires are laid
    if told["untouched"]:
        untouched.connect()
    while (ended := boot(root, told["console"])) == -signal.SIGHUP or _power_was_cut():
        print(json.dumps({"started again": ended}), flush=True)
    print(json.dumps({"ended": ended}), flush=True)


def _power_was_cut() -> bool:
    """Whether whoever ended the first process said so before: then it starts again, as after a reboot."""
    return bool(select.select([0], [], [], 0)[0] and os.read(0, 4096))


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)  # noqa: S607


if __name__ == "__main__":
    main()
