"""Products are started, watched, configured and stopped, and errors say what to do."""

import sys
import threading
from pathlib import Path

import pytest

from assay.errors import LabError
from drivers.lifecycle.command import CommandProduct
from drivers.lifecycle.product import Setting
from drivers.lifecycle.service import ServiceProduct

# a real little daemon: it writes its pid, says that it is up, and waits
DAEMON = """
import os, pathlib, signal, sys
pathlib.Path(sys.argv[1], "pid").write_text(str(os.getpid()))
print()  # an empty line is not the end
print("up \\x1b[31m", *sys.argv[2:], flush=True)
with open(pathlib.Path(sys.argv[1], "log"), "a") as log:
    print("daemon is up", file=log, flush=True)
signal.pause()
"""
CONTROL = """
import os, pathlib, signal, subprocess, sys
state = pathlib.Path(sys.argv[2])
pid = state / "pid"
if sys.argv[1] == "start":
    subprocess.Popen([sys.executable, str(state / "daemon.py"), str(state)], stdout=subprocess.DEVNULL,
                     start_new_session=True)
elif sys.argv[1] == "health":
    cmdline = pathlib.Path(f"/proc/{pid.read_text()}/cmdline")
    sys.exit(0 if b"daemon.py" in cmdline.read_bytes() else 1)
else:
    os.kill(int(pid.read_text()), signal.SIGKILL)
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "daemon.py").write_text(DAEMON)
    (tmp_path / "control.py").write_text(CONTROL)
    (tmp_path / "log").touch()
    return tmp_path


def command(state: Path, ready: str = "up", ready_s: float = 10.0) -> CommandProduct:
    set_order = Setting(
        (sys.executable, "-c", "import sys; sys.exit('{value}' == 'bad')"), ("good", "bad"), True
    )
    return CommandProduct(
        ["{python}", "{state}/daemon.py", "{state}"],
        ready=ready,
        ready_s=ready_s,
        words={"python": sys.executable, "state": str(state)},
        settings={"order": set_order},
        folder=state,
    )


def service(state: Path) -> ServiceProduct:
    words = [sys.executable, str(state / "control.py")]
    return ServiceProduct(
        start=[*words, "start", str(state)],
        stop=[*words, "stop", str(state)],
        health=[*words, "health", str(state)],
        log=["tail", "-F", "-n", "0", str(state / "log")],
        ready_s=10.0,
        words={},
        settings={},
        folder=state,
    )


def test_a_process_is_started_configured_and_stopped(state: Path) -> None:
    product = command(state)
    product.start("--fault", "mute")
    first = (state / "pid").read_text()
    assert product.running
    assert product.take_lines() == ["", "up ?[31m --fault mute"]
    assert product.change("order", "good") == ""
    assert (state / "pid").read_text() != first, "a restart is a new process"
    assert product.take_lines() == ["", "up ?[31m --fault mute"], "with the same faults"
    assert "ended with 1" in product.change("order", "bad")
    product.stop()
    assert not product.running


def test_a_process_that_does_not_come_up_is_explained(state: Path) -> None:
    product = command(state, ready="never said", ready_s=0.5)
    with pytest.raises(LabError, match=r"did not say 'never said' in 0\.5 s; it said: up"):
        product.start()
    assert not product.running
    (state / "daemon.py").write_text("raise SystemExit('no licence')")
    with pytest.raises(LabError, match="it said: no licence"):
        command(state).start()
    broken = CommandProduct(["/no/such/program"], ready=None, ready_s=1, words={}, settings={}, folder=state)
    with pytest.raises(LabError, match="/no/such/program is not there"):
        broken.start()


def test_a_service_is_started_watched_and_stopped(state: Path) -> None:
    product = service(state)
    assert not product.running
    product.start()
    assert service(state).running
    said: list[str] = []
    waited = threading.Event()
    while not said:
        said = product.take_lines()
        waited.wait(0.05)
    assert said == ["daemon is up"]
    product.release()
    assert not product.running


def test_a_service_that_was_there_before_is_left_alone(state: Path) -> None:
    owner, guest = service(state), service(state)
    owner.start()
    guest.start()
    guest.release()
    assert owner.running
    owner.release()
    assert not guest.running
