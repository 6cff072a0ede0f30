"""Products are started, watched, configured and stopped, and errors say what to do."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from assay.errors import LabError
from drivers.lifecycle.command import CommandProduct
from drivers.lifecycle.product import Setting, Vitals, resident_kib
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
elif sys.argv[1] == "vitals":
    told = state / "told"
    print(told.read_text() if told.exists() else f"{pid.read_text()} 4321")
else:
    os.kill(int(pid.read_text()), signal.SIGKILL)
"""
PARENT = """
import subprocess, sys
child = "import signal; x = bytearray(range(256)) * (1 << 18); print('up', flush=True); signal.pause()"
subprocess.run([sys.executable, "-c", child])
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
        vitals=[*words, "vitals", str(state)],
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


def ended(product: CommandProduct) -> CommandProduct:
    """Kill the product behind its holder's back."""
    pid = product.vitals().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while product.running:
        threading.Event().wait(0.01)  # the kernel tells nobody but its parent, who only asks
    return product


def test_a_process_is_seen_to_end_by_itself_and_not_when_it_is_told_to(state: Path) -> None:
    product = command(state)
    assert product.vitals() == Vitals()
    product.start()
    alive = product.vitals()
    assert (alive.pid, alive.exits) == (int((state / "pid").read_text()), 0)
    assert alive.resident_kib is not None
    assert 1_000 < alive.resident_kib < 1_000_000
    assert product.change("order", "good") == ""
    again = product.vitals()
    assert again.pid not in (None, alive.pid)
    assert again.exits == 0, "a restart that was asked for"
    assert ended(product).vitals() == Vitals(None, 1)
    product.stop()
    product.start()
    assert product.vitals().exits == 1
    ended(product)
    assert product.change("order", "good") == ""
    assert product.vitals().exits == 2, "the death before a restart that was asked for"
    product.stop()
    assert product.vitals() == Vitals(None, 2)


def test_memory_of_children_counts_and_a_process_that_is_gone_has_none(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    words = ["{python}", str(tmp_path / "parent.py")]
    product = CommandProduct(words, ready="up", ready_s=10, words={"python": sys.executable}, settings={},
                             folder=tmp_path)  # fmt: skip
    product.start()
    vitals = product.vitals()
    assert vitals.pid is not None
    assert vitals.resident_kib is not None
    own = int(Path(f"/proc/{vitals.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    assert vitals.resident_kib > own + (64 << 10), "the child's 64 MiB"
    product.stop()
    assert resident_kib(vitals.pid) is None


def test_a_service_tells_its_process_and_only_another_one_or_none_is_an_end(state: Path) -> None:
    product, told = service(state), state / "told"
    product.start()
    pid = int((state / "pid").read_text())
    assert product.vitals() == Vitals(pid, 0, 4321)
    for nonsense in ("ssh: connect to host lab port 22: Connection refused", "12 34 56", f"{pid}\n{pid + 1}"):
        told.write_text(nonsense)
        assert product.vitals() == Vitals(None, 0), "nothing is known of it then"
    for text, seen in (
        (f"  {pid}", Vitals(pid, 0)),
        (f"{pid + 1} 99", Vitals(pid + 1, 1, 99)),
        ("0", Vitals(None, 2)),
        ("", Vitals(None, 2)),
        (f"{pid} 5", Vitals(pid, 2, 5)),
    ):
        told.write_text(text)
        assert product.vitals() == seen, text
    product.stop()
    told.write_text(f"{pid + 5}")
    assert product.vitals() == Vitals(pid + 5, 2), "stopped and started by us"


def test_a_service_that_does_not_tell_has_no_vitals(state: Path) -> None:
    silent = ServiceProduct(start=["true"], stop=["true"], health=["true"], log=None, ready_s=1, words={},
                            settings={}, folder=state)  # fmt: skip
    assert silent.vitals() == Vitals()
