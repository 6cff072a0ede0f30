"""The product's file system: Debian's packages unpacked once per machine, and the hardening over them."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drivers.emulated.host import HostError, packages

HARDENING = Path(__file__).with_name("hardening")
SUITE = "bookworm"
PACKAGES = (  # what the product is made of
    *(
        "sysvinit-core",
        "openssh-server",
        "snmpd",
        "nginx-light",
        "rsyslog",
        "rsyslog-gnutls",
        "ulogd2",
        "cron",
    ),
    *(
        "libpam-pwquality",
        "cracklib-runtime",
        "sudo",
        "logrotate",
        "nftables",
        "iproute2",
        "procps",
        "python3",
    ),
    *("acl", "libcap2-bin", "openssl", "gpgv"),
)
EXTRAS = (  # what seeded faults install: kept beside the tree, no part of it
    *("inetutils-telnetd", "openbsd-inetd", "tcpdump"),
)
LEFT_OUT = ("/usr/share/locale/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/lintian/*")
SOUND = ("-O2", "-fPIE", "-pie", "-fstack-protector-all", "-D_FORTIFY_SOURCE=2", "-Wl,-z,relro,-z,now")
USER_PLANE = {  # how the product's own program is built, and how seeded faults build it
    "gtpud": SOUND,
    "gtpud-execstack": (*SOUND, "-Wl,-z,execstack"),
    "gtpud-nopie": ("-O2", "-fno-PIE", "-no-pie", "-fstack-protector-all", "-Wl,-z,relro,-z,now"),
    "gtpud-nocanary": ("-O2", "-fPIE", "-pie", "-fno-stack-protector", "-Wl,-z,relro,-z,now"),
}
BUILD_S = 1800.0


def build(secrets: Path) -> None:
    """Build what is not there yet; needs the network where Debian offers other versions than the tree has."""
    versions = _digest(*_versions())
    _once(f"tree-{_tree_key()}-{versions}", _unpack)
    base = _newest()
    layer = _once(_hardened_name(base, secrets), lambda to: _harden(base, to, secrets))
    packages.deliver(layer, secrets)


def layers(secrets: Path, *, hardened: bool = True) -> list[Path]:
    """The layers of the product's root, uppermost first; HostError where they are not built.

    `secrets` holds NAME.secret for each account that has a password; without hardening it is not read.
    """
    base = _newest()
    if not hardened:
        return [base]
    layer = _once(_hardened_name(base, secrets), lambda to: _harden(base, to, secrets))
    return [layer / "root", base]


def extras(base: Path) -> Path:
    """The folder with the packages that seeded faults install, beside the tree `base`."""
    return base.parent / "extras"


def stage() -> Path:
    """An empty folder on which each machine mounts its own disks, in a mount namespace of its own."""
    folder = _cache() / "stage"
    folder.mkdir(exist_ok=True)
    return folder


def _unpack(to: Path) -> None:
    words = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    words += ["--skip=download/empty", *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT)]
    words += [
        "--customize-hook=chroot $1 apt-get clean",
        f"--customize-hook=chroot $1 apt-get -y --download-only install {' '.join(EXTRAS)}",
    ]
    words += [f"--customize-hook=mkdir {to}/extras; mv $1/var/cache/apt/archives/*.deb {to}/extras"]
    _run([*words, SUITE, str(to / "root")])
    for name, flags in USER_PLANE.items():
        _run(["gcc", *flags, "-Wall", "-Werror", "-o", str(to / "extras" / name), str(HARDENING / "gtpud.c")])


def _harden(base: Path, to: Path, secrets: Path) -> None:
    for name in ("root", "work", "merged"):
        (to / name).mkdir()
    os.chmod(to / "root", 0o755)  # noqa: S103 - the root folder of a system
    script = (
        f"mount -t overlay overlay -o lowerdir={base},upperdir={to}/root,workdir={to}/work {to}/merged && "
        f"cp -R {HARDENING}/root/. {to}/merged/ && mkdir {to}/merged/run/build && "
        f"cp {HARDENING}/harden.sh {HARDENING}/control {extras(base)}/gtpud {to}/merged/run/build/ && "
        f"cp {secrets}/*.secret {to}/merged/run/build/ && "
        f"mount -t proc proc {to}/merged/proc && chroot {to}/merged /bin/sh -eu /run/build/harden.sh && "
        f"mv {to}/merged/run/build/packages {to}/ && rm -r {to}/merged/run/build"
    )
    _run(["unshare", "--mount", "--propagation=private", "sh", "-euc", script])
    shutil.rmtree(to / "work")


def _versions() -> Iterator[str]:
    """The versions that Debian offers now, so that an update makes a new tree; none without apt."""
    if shutil.which("apt-cache") is None:
        return
    said = subprocess.run(["apt-cache", "policy", *PACKAGES], capture_output=True, text=True, check=False)  # noqa: S607
    yield from (line.strip() for line in said.stdout.splitlines() if "Candidate" in line)


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / "host"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _tree_key() -> str:
    flags = (word for words in USER_PLANE.values() for word in words)
    return _digest(SUITE, *PACKAGES, *EXTRAS, *LEFT_OUT, *flags, (HARDENING / "gtpud.c").read_text())


def _newest() -> Path:
    """The root of the last tree that was built of what is asked for here."""
    found = sorted(_cache().glob(f"tree-{_tree_key()}-*"), key=lambda folder: folder.stat().st_mtime)
    if not found:
        raise HostError(
            "the file system is not built: run `python -m drivers.emulated host --build --secrets DIR`"
        )
    return found[-1] / "root"


def _hardened_name(base: Path, secrets: Path) -> str:
    files = [file for file in sorted(HARDENING.rglob("*")) if file.is_file()]
    files += sorted(secrets.glob("*.secret"))
    known = (f"{file.name} {file.stat().st_mode:o} {file.read_bytes().hex()}" for file in files)
    return "hardened-" + _digest(base.parent.name, *known)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _once(name: str, build: Callable[[Path], None]) -> Path:
    """A folder of the cache, made once: it takes its name only when it is whole."""
    folder = _cache() / name
    if folder.is_dir():
        return folder
    with _locked(name.partition("-")[0]):
        if folder.is_dir():
            return folder
        making = Path(tempfile.mkdtemp(prefix="making-", dir=_cache()))
        making.chmod(0o755)
        try:
            build(making)
            making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return folder


@contextmanager
def _locked(kind: str) -> Iterator[None]:
    with (_cache() / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(words: Sequence[str]) -> None:
    if shutil.which(words[0]) is None:
        raise HostError(f"{words[0]} is missing: install the Debian packages named in .ci/run")
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUILD_S, check=False
    )
    if done.returncode:
        last = " | ".join((done.stderr or done.stdout).splitlines()[-4:])
        raise HostError(f"{words[0]} ended with {done.returncode} while the tree was built: {last}")
