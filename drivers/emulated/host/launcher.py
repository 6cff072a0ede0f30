"""Start the product and keep it until SIGTERM: layers, machine, wires, console; nothing stays behind."""

import argparse
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from drivers.emulated.host import HostError, network, tree
from drivers.emulated.host.console import SECOND, TerminalServer
from drivers.emulated.host.faults import HOST
from drivers.emulated.host.power import PowerSwitch

UP_S = 20.0
OAM = network.WIRES[0].v4 + network.PRODUCT
SERVICES = ((OAM, 22), (OAM, 443))  # what has to answer before the product counts as up
SOCKETS = ("/run/np/np.sock", "/run/np-web/web.sock")
NEEDED = ("unshare", "setpriv", "ip", "mount", "pivot_root")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m drivers.emulated host`."""
    parser.add_argument("--secrets", type=Path, required=True, help="folder with NAME.secret per account")
    parser.add_argument("--fault", action="append", default=[], choices=sorted(HOST), metavar="NAME")
    parser.add_argument("--unit", type=int, default=1, help="which unit: another has keys of its own")
    parser.add_argument("--second", action="store_true", help="a second unit, with addresses that end in 20")
    parser.add_argument(
        "--build", action="store_true", help="only build the file system, which needs a network"
    )
    parser.add_argument("--untouched", action="store_true", help="the same packages without the hardening")


def run(options: argparse.Namespace) -> int:
    """Run the product until SIGTERM, SIGINT or its own end; 0, or 2 with what stood in the way."""
    stop, wake = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(wake, b"."))
    try:
        _check()
        if options.build:
            tree.build(options.secrets)
            return 0
        network.own_namespace()
        _hold(options, stop)
    except HostError as error:
        print(f"host: {error}", file=sys.stderr)
        return 2
    return 0


def _check() -> None:
    if os.geteuid():
        raise HostError("namespaces with accounts of their own need root")
    for program in NEEDED:
        if shutil.which(program) is None:
            raise HostError(f"{program} is missing: install the Debian packages named in .ci/run")


def _hold(options: argparse.Namespace, stop: int) -> None:
    layers = tree.layers(options.secrets, hardened=not options.untouched)
    told = {
        "stage": str(tree.stage()),
        "layers": [str(layer) for layer in layers],
        "extras": str(tree.extras(layers[-1])),
        "faults": options.fault,
        "unit": options.unit,
        "second": False,
        "untouched": _passwords(options.secrets) if options.untouched else {},
    }
    machines: list[subprocess.Popen[bytes]] = []
    switch = PowerSwitch(lambda: _runs(machines), lambda: _cut(machines))
    with TerminalServer() as console, TerminalServer(SECOND) as other, switch:
        try:
            out = _set_up(told | {"console": console.path}, machines, network.join)
            services, sockets = (SERVICES[:1], ()) if options.untouched else (SERVICES, SOCKETS)
            first = _wait(machines[0], stop, services, sockets)
            if options.second:
                differs = {"console": other.path, "unit": 2, "second": True}
                _set_up(told | differs, machines, network.join_second)
            print(f"host ready (look inside: nsenter --all --target {first})", flush=True)
            _until(out, stop)
        finally:
            for machine in machines:
                machine.kill()
                machine.wait()
            network.part()


def _set_up(
    told: dict[str, object], machines: list[subprocess.Popen[bytes]], join: Callable[[int], None]
) -> IO[bytes]:
    """Another machine with its wires, which starts now; what it says."""
    machine = _machine()
    machines.append(machine)
    if machine.stdin is None or machine.stdout is None:
        raise HostError("the machine has no pipes")
    _say(machine.stdin, told)
    if not machine.stdout.readline():
        raise HostError("the machine did not come up")
    join(machine.pid)
    _say(machine.stdin, {})
    return machine.stdout


def _passwords(secrets: Path) -> dict[str, str]:
    return {file.stem: file.read_text() for file in sorted(secrets.glob("*.secret"))}


def _machine() -> subprocess.Popen[bytes]:
    """A process in namespaces of its own, which dies with this one."""
    words = ["setpriv", "--pdeathsig", "KILL"]
    words += ["unshare", "--net", "--mount", "--uts", "--ipc", "--propagation=private"]
    words += [sys.executable, "-m", "drivers.emulated.host.machine"]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def _say(to: IO[bytes], what: dict[str, object]) -> None:
    to.write(json.dumps(what).encode() + b"\n")
    to.flush()


def _runs(machines: Sequence[subprocess.Popen[bytes]]) -> bool:
    return bool(machines) and first_process(machines[0].pid) is not None


def _cut(machines: Sequence[subprocess.Popen[bytes]]) -> bool:
    """End the product's first process without a word to it; whether there was one."""
    first = first_process(machines[0].pid) if machines else None
    if first is None or (told := machines[0].stdin) is None:
        return False
    _say(told, {"power": "cut"})
    os.kill(first, signal.SIGKILL)
    return True


def first_process(machine: int) -> int | None:
    """The product's first process, by its number here; None while there is none."""
    found: int | None = machine
    for _ in range(2):  # the machine's child makes the process namespace, whose first process is its child
        try:
            children = Path(f"/proc/{found}/task/{found}/children").read_text().split()
        except OSError:
            return None
        if not children:
            return None
        found = int(children[0])
    return found


def _wait(
    machine: subprocess.Popen[bytes],
    stop: int,
    services: Sequence[tuple[str, int]],
    sockets: Sequence[str],
) -> int:
    """Until the services take connections and the product's own sockets are there; its first process."""
    until = time.monotonic() + UP_S
    while True:
        first = first_process(machine.pid)
        if (
            first is not None
            and _answer(services)
            and all(Path(f"/proc/{first}/root{path}").exists() for path in sockets)
        ):
            return first
        if machine.poll() is not None or select.select([stop], [], [], 0.02)[0]:
            raise HostError("the product ended while it started")
        if time.monotonic() > until:
            raise HostError(f"the product's services do not all answer after {UP_S:g} s")


def _answer(services: Sequence[tuple[str, int]]) -> bool:
    try:
        for address in services:
            socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def _until(machine: IO[bytes], stop: int) -> None:
    """Until we are told to end, or the product switched itself off; what it says in between is passed on."""
    while True:
        ready, _, _ = select.select([stop, machine.fileno()], [], [])
        if stop in ready:
            return
        line = machine.readline()
        if not line:
            return
        print(f"host: {line.decode().strip()}", flush=True)
