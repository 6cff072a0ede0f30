"""What a seeded fault does to the product before it starts: edits of its files, as administrators make."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from drivers.emulated.host import HostError


class Site(NamedTuple):
    """The product before it starts: its root folder, packages that may be installed, the unit's number."""

    root: Path
    extras: Path
    unit: int

    def at(self, path: str) -> Path:
        """A file of the product."""
        return self.root / path.lstrip("/")


Step = Callable[[Site], None]


class Fault(NamedTuple):
    """A switchable defect; `case` is empty for the generic ones that no test case may pass.

    One without steps is a defect of the vendor's declaration: the profile says what is declared instead.
    """

    case: str
    effect: str
    steps: tuple[Step, ...] = ()
    awkward: bool = False

    def make(self, site: Site) -> None:
        """Change the product."""
        for step in self.steps:
            step(site)


def write(path: str, text: str, mode: int = 0o644) -> Step:
    """A new file, with its folders."""

    def step(site: Site) -> None:
        file = site.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    return step


def swap(path: str, old: str, new: str) -> Step:
    """Another text in place of one that has to be there."""

    def step(site: Site) -> None:
        text = site.at(path).read_text()
        if old not in text:
            raise HostError(f"a seeded fault does not fit: {path} has no {old!r}")
        _keep(site.at(path), text.replace(old, new))

    return step


def setting(path: str, key: str, value: str | None, between: str = " ") -> Step:
    """One line of a configuration file: `key between value`, None for no such line."""

    def step(site: Site) -> None:
        lines = site.at(path).read_text().splitlines()
        kept = [line for line in lines if re.split(r"[\s=]+", line.strip(), maxsplit=1)[0] != key]
        if value is not None:
            kept.append(f"{key}{between}{value}")
        _keep(site.at(path), "\n".join(kept) + "\n")

    return step


def append(path: str, text: str) -> Step:
    """More lines at the end of a file."""

    def step(site: Site) -> None:
        _keep(site.at(path), site.at(path).read_text() + text)

    return step


def mode(path: str, bits: int) -> Step:
    """Another mode."""

    def step(site: Site) -> None:
        site.at(path).chmod(bits)

    return step


def shell(script: str) -> Step:
    """A command of an administrator, run in the product's root."""

    def step(site: Site) -> None:
        words = ["chroot", str(site.root), "/bin/sh", "-euc", script]
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise HostError(f"a seeded fault does not fit: {(done.stderr or done.stdout).strip()[-1500:]}")

    return step


def service(ident: str, command: str) -> Step:
    """Another entry of what is started: at most four letters, and the command."""
    return append("/etc/inittab", f"{ident}:2:respawn:{command}\n")


def on_root(path: str) -> Step:
    """No file system of its own for a folder that has one."""

    def step(site: Site) -> None:
        subprocess.run(["umount", site.at(path)], check=True)  # noqa: S607
        shell(f"sed -i '\\# {path} #d' /etc/fstab")(site)

    return step


def sysctl(key: str, value: str | int) -> Step:
    """Another kernel setting."""
    return setting("/etc/sysctl.d/60-np.conf", key, str(value), between=" = ")


def rule(before: str, new: str) -> Step:
    """A rule of the packet filter, put before another one."""
    return swap("/etc/nftables.conf", before, f"{new}\n        {before}")


def program(name: str, path: str) -> Step:
    """One of the programs that were built beside the tree, in place of the one at `path`."""

    def step(site: Site) -> None:
        shutil.copy(site.extras / name, site.at(path))
        site.at(path).chmod(0o755)

    return step


def package(*names: str) -> Step:
    """Debian packages, installed without starting what they bring."""

    def step(site: Site) -> None:
        found = [file for name in names for file in sorted(site.extras.glob(f"{name}_*.deb"))]
        if len(found) != len(names):
            raise HostError(f"not all of {', '.join(names)} were kept beside the tree: build it again")
        folder = site.at("/usr/sbin")
        policy = folder / "policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        inside = []
        for file in found:
            shutil.copy(file, site.at("/tmp"))  # noqa: S108 - of the product
            inside.append(f"'/tmp/{file.name}'")
        try:
            shell(f"dpkg --force-confold --install {' '.join(inside)}; rm {' '.join(inside)}")(site)
        finally:
            policy.unlink()

    return step


def _keep(file: Path, text: str) -> None:
    """New content under the same owner and mode."""
    status = file.stat()
    file.write_text(text)
    os.chown(file, status.st_uid, status.st_gid)
    file.chmod(status.st_mode & 0o7777)
