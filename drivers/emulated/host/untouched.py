"""The same Debian without the hardening: what an installer asks for, and nothing more."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from drivers.emulated.host import HostError, keys
from drivers.emulated.host.network import PRODUCT, WIRES

ADMINISTRATOR, OTHERS = "admin1", ("oper1", "view1")
INITTAB = """id:2:initdefault:
si::sysinit:/etc/np-first
log:2:respawn:/usr/sbin/rsyslogd -n -iNONE
l2:2:wait:/etc/init.d/rc 2
con:2:respawn:/sbin/agetty --noclear 115200 console vt220
l0:0:wait:/sbin/poweroff -d -f
l6:6:wait:/sbin/reboot -d -f
"""
FIRST = """#!/bin/sh
mount -t tmpfs -o mode=755,nosuid run /run
mkdir -p /run/lock /run/sshd
touch /run/utmp
"""


def install(root: Path, passwords: Mapping[str, str]) -> None:
    """What an installer is told: accounts with passwords, a name; and a start that needs no disks."""
    (root / "etc/inittab").write_text(INITTAB)
    first = root / "etc/np-first"
    first.write_text(FIRST)
    first.chmod(0o755)
    for file in (root / "etc/ssh").glob("ssh_host_*"):  # a new system has keys of its own
        file.unlink()
    keys.install_host_key(root, 1)
    (root / "etc/hostname").write_text("np\n")
    script = f"useradd --create-home --shell /bin/bash --groups sudo,adm {ADMINISTRATOR}; "
    script += "".join(f"useradd --create-home --shell /bin/bash {name}; " for name in OTHERS)
    told = "".join(f"{name}:{passwords[name]}\n" for name in ("root", ADMINISTRATOR, *OTHERS))
    done = subprocess.run(
        ["/usr/sbin/chroot", root, "/bin/sh", "-euc", script + "chpasswd"],
        input=told,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HostError(f"the untouched system cannot be set up: {done.stderr.strip()[-300:]}")


def connect() -> None:
    """Give the interfaces of this network namespace their addresses."""
    lines = ["link set lo up"]
    for wire in WIRES:
        lines += [
            f"address add {wire.v4}{PRODUCT}/24 dev {wire.product}",
            f"address add {wire.v6}{PRODUCT}/64 dev {wire.product} nodad",
            f"link set {wire.product} up",
        ]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)  # noqa: S607
