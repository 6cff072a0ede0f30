"""Emulated products for tests: profiles on ports of their own, and whole runs of the command line on them."""

import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from assay import profile as profiles
from assay import suites
from assay.lab import Lab

ROOT = Path(__file__).parent.parent
PROFILES = ROOT / "profiles"
Verdicts = dict[tuple[str, str], str]


PORTS = random.SystemRandom().sample(range(20_000, 32_000), 12_000)
"""Ports that no outgoing connection is given; each is handed out once, for who gets it binds it later."""
TAKING = threading.Lock()


@contextmanager
def opened(path: Path) -> Iterator[Lab]:
    """The lab of a profile, open for as long as the block lasts."""
    lab = Lab(path, profiles.load(path))
    lab.open()
    try:
        yield lab
    finally:
        lab.close()


def free_ports(kind: int, number: int) -> list[int]:
    """Ports of the loopback address that nobody holds now, and that nobody else in this process was given."""
    with ExitStack() as held, TAKING:
        found: list[int] = []
        while len(found) < number:
            one = held.enter_context(socket.socket(socket.AF_INET, kind))
            port = PORTS.pop()
            with suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
        return found


def emulated(
    folder: Path,
    *,
    name: str = "emulated.yaml",
    identity: Mapping[str, str] | None = None,
    start: tuple[str, ...] = (),
    timers: Mapping[str, float] | None = None,
) -> Path:
    """The path of a copy of a profile on free ports, so that several products run side by side."""
    text = (PROFILES / name).read_text()
    for pattern, kind in ((r"\b399\d\d\b", socket.SOCK_DGRAM), (r"\b397\d\d\b", socket.SOCK_STREAM)):
        old = sorted(set(re.findall(pattern, text)))
        fresh = dict(zip(old, map(str, free_ports(kind, len(old))), strict=True))
        text = re.sub(pattern, lambda found, fresh=fresh: fresh[found[0]], text)  # type: ignore[misc]
    data = yaml.safe_load(text)
    data["product"] |= identity or {}
    data["timers"] |= timers or {}
    data["lifecycle"]["start"] += start
    folder.mkdir(parents=True, exist_ok=True)
    for key in ("emulated.k", "emulated.opc"):
        (folder / key).write_bytes((PROFILES / key).read_bytes())
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def emulated_host(folder: Path, *, identity: Mapping[str, str] | None = None) -> Path:
    """The path of a copy of the profile of the emulated host; each run of it has a network of its own."""
    data = yaml.safe_load((PROFILES / "emulated-host.yaml").read_text())
    data["product"] |= identity or {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "emulated-host").symlink_to(PROFILES / "emulated-host")
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def assay(
    *arguments: str | Path, timeout: float = 600, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "assay", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )


def verdicts(campaign: Path) -> Verdicts:
    """(case, variant) -> verdict, judged now from the records."""
    done = assay("judge", campaign, "--json")
    assert done.returncode in (0, 1, 2), done.stderr
    objects: list[dict[str, Any]] = json.loads(done.stdout)
    return {(o["case"], o["variant"]): o["verdict"] for o in objects}


def backwards(spec: str, profile: Path, out: Path, *, overlap: int) -> subprocess.CompletedProcess[str]:
    """Run a whole suite with pytest, its last variant first."""
    nodes = []
    for (_, variant), bound in suites.bindings(spec).items():
        file = sys.modules[bound.probe.__module__].__file__
        nodes.append(f"{file}::{bound.probe.__name__}[{variant}]")
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", os.devnull, f"--rootdir={ROOT}"),
            *("-p", "assay.plugin", "-p", "no:cacheprovider", f"--profile={profile}", f"--campaign={out}"),
            *(f"--overlap={overlap}", *reversed(nodes)),
        ],
        capture_output=True,
        text=True,
        timeout=1200,
        cwd=ROOT,
        check=False,
    )
