"""Emulated products for tests: profiles on ports of their own, and whole runs of the command line on them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
PROFILES = ROOT / "profiles"
Verdicts = dict[tuple[str, str], str]


def free_ports(kind: int, number: int) -> list[int]:
    """Ports of the loopback address that nobody holds now."""
    sockets = [socket.socket(socket.AF_INET, kind) for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def emulated(
    folder: Path,
    *,
    identity: Mapping[str, str] | None = None,
    start: tuple[str, ...] = (),
    timers: Mapping[str, float] | None = None,
) -> Path:
    """`profiles/emulated.yaml` on free ports, so that several run side by side; the path of the copy."""
    text = (PROFILES / "emulated.yaml").read_text()
    udp = free_ports(socket.SOCK_DGRAM, 2)
    tcp = free_ports(socket.SOCK_STREAM, 5)
    for old, new in zip(("39901", "39902"), udp, strict=True):
        text = text.replace(old, str(new))
    for old, new in zip(("39780", "39781", "39782", "39783", "39784"), tcp, strict=True):
        text = text.replace(old, str(new))
    data = yaml.safe_load(text)
    data["product"] |= identity or {}
    data["timers"] |= timers or {}
    data["lifecycle"]["start"] += start
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("emulated.k", "emulated.opc"):
        (folder / name).write_bytes((PROFILES / name).read_bytes())
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
