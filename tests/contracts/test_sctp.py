"""The contract of drivers.sctp on every backend that this machine can run, and what is on the wire."""

import ctypes
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from qemu.contract import BOUND, BRIEF, CONTRACT, ROOT, Lab, assert_the_wire, received, sniffed

from drivers import _usrsctp, sctp


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


OURS, THEIRS, OTHER = (free_udp_port() for _ in range(3))
IN_UDP = Lab("usrsctp", ours=OURS, theirs=THEIRS)
OVER_IP = Lab("usrsctp")
root, daemon = pytest.mark.root, pytest.mark.daemon
LABS = [
    pytest.param(IN_UDP, id="usrsctp-udp", marks=daemon),
    pytest.param(OVER_IP, id="usrsctp-ip", marks=[daemon, root]),
    pytest.param(Lab("kernel"), id="kernel-ip"),  # else in test_sctp_kernel_qemu.py
]
LABS6 = [
    pytest.param(Lab("usrsctp", "::1", OURS, THEIRS), id="usrsctp-udp", marks=daemon),
    pytest.param(Lab("usrsctp", "::1"), id="usrsctp-ip", marks=[daemon, root]),
    pytest.param(Lab("kernel", "::1"), id="kernel-ip"),
]


@pytest.fixture(autouse=True)
def _usable(request: pytest.FixtureRequest) -> None:
    """Skip, or in CI fail, what the machine lacks; only the kernel's SCTP may be missing there."""
    missing = ""
    if request.node.get_closest_marker("daemon"):
        missing = sctp.backends()["usrsctp"]
    if not missing and request.node.get_closest_marker("root") and os.geteuid() != 0:
        missing = "needs root"
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if not missing and "kernel" in request.node.name:
        missing = sctp.backends()["kernel"]
    if missing:
        pytest.skip(missing)


@pytest.mark.parametrize("lab", LABS)
@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_contract(contract: Callable[[Lab], None], lab: Lab) -> None:
    contract(lab)


@pytest.mark.parametrize("lab", LABS6)
@pytest.mark.parametrize("contract", BRIEF, ids=lambda contract: contract.__name__)
def test_ipv6(contract: Callable[[Lab], None], lab: Lab) -> None:
    contract(lab)


# --- on the wire --------------------------------------------------------------------------------------


@contextmanager
def relayed() -> Iterator[tuple[Lab, list[bytes]]]:
    """A lab whose UDP datagrams pass through us, and all SCTP packets that did."""
    packets: list[bytes] = []
    over = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
        relay.bind(("127.0.0.1", 0))
        relay.settimeout(0.1)

        def pass_on() -> None:
            while not over.is_set():
                try:
                    packet, (host, port) = relay.recvfrom(65536)
                except TimeoutError:
                    continue
                packets.append(packet)
                relay.sendto(packet, (host, THEIRS if port == OURS else OURS))

        thread = threading.Thread(target=pass_on)
        thread.start()
        try:
            yield replace(IN_UDP, via=relay.getsockname()[1]), packets
        finally:
            over.set()
            thread.join()


@daemon
def test_the_wire_in_udp() -> None:
    with relayed() as (lab, packets):
        assert_the_wire(lab, packets)


@daemon
@root
def test_the_wire_over_ip() -> None:
    with sniffed() as packets:
        assert_the_wire(OVER_IP, packets)


# --- libusrsctp's own traps ---------------------------------------------------------------------------


def move_to(port: int) -> None:
    """Let the one stack of this process use, and so free, another UDP port."""
    sctp.listen(("127.0.0.1", 0), udp=sctp.Udp(port), backend="usrsctp").close()


@daemon
def test_a_taken_udp_port_is_told_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as owner:
        owner.bind(("127.0.0.1", 0))
        port = owner.getsockname()[1]
        with pytest.raises(sctp.Unreachable, match=f"UDP port {port} .*ss -ulpn"):
            sctp.connect(("127.0.0.1", 38412), udp=sctp.Udp(port, 9), backend="usrsctp")


@daemon
def test_a_second_udp_port_needs_the_first_to_be_free() -> None:
    with (
        sctp.listen(("127.0.0.1", 0), udp=sctp.Udp(OURS), backend="usrsctp"),
        pytest.raises(sctp.Unreachable, match=f"already runs over UDP port {OURS},"),
    ):
        move_to(OTHER)
    move_to(OTHER)


@daemon
@root
def test_a_stack_in_udp_does_not_hear_raw_ip() -> None:
    # root's would otherwise: a second product on the same address and port would answer for the first
    with IN_UDP.peer("echo") as peer, pytest.raises(sctp.Unreachable, match="no answer"):
        OVER_IP.connect(peer.address(), timeout=1.0)


@daemon
def test_holding_the_interpreter_lock_does_not_lose_the_association() -> None:
    # PyDLL does not release the lock: what a long garbage collection does to every Python thread
    with IN_UDP.pair() as (association, _):
        for _ in range(20):
            association.send(b"x" * 1000)
        ctypes.PyDLL(None).usleep(2_500_000)
        for _ in range(20):
            assert received(association).data == b"x" * 1000


@daemon
@root
def test_raw_ip_without_the_capability_is_told() -> None:
    code = "from drivers import sctp; sctp.connect(('127.0.0.1', 9), backend='usrsctp')"
    run = subprocess.run(
        ["setpriv", "--bounding-set=-net_raw", sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, timeout=BOUND,
    )  # fmt: skip
    assert "Unreachable: SCTP over raw IP needs CAP_NET_RAW" in run.stderr


ENDS = {
    "open association": "",
    "reading thread": "threading.Thread(target=association.receive, args=(60,), daemon=True).start()",
    "open listener": "sctp.listen(('127.0.0.1', 0), udp=udp, backend='usrsctp')",
    "connecting": "threading.Thread(target=nobody, daemon=True).start()",
    "full inbox": "association.send(b'!flood'); time.sleep(1)",
    "exec": "subprocess.run(['true'], check=True)",
    "spawn": "multiprocessing.get_context('spawn').Process(target=print).start()",
    "fork": "os.waitpid(os.fork() or sys.exit(0), 0)",
}


@daemon
@pytest.mark.parametrize("end", ENDS)
def test_the_process_ends_cleanly(end: str) -> None:
    code = f"""if True:
        import multiprocessing, os, subprocess, sys, threading, time
        from drivers import sctp
        udp = sctp.Udp({OURS}, {THEIRS})
        def nobody():
            try: sctp.connect(("127.0.0.1", 9), udp=udp, backend="usrsctp", timeout=60)
            except sctp.Unreachable: pass
        if __name__ == "__main__":
            peer = "127.0.0.1", int(sys.argv[1])
            association = sctp.connect(peer, udp=udp, backend="usrsctp")
            {ENDS[end]}
            association.send(b"!mute")
    """
    move_to(OTHER)
    with IN_UDP.peer("echo") as peer:
        command = [sys.executable, "-X", "dev", "-c", code, str(peer.address()[1])]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BOUND)
        assert (run.returncode, run.stderr) == (0, "")
        assert peer.told("ended") == "LOST"


@daemon
def test_a_forked_child_is_told_to_spawn() -> None:
    code = f"""if True:
        import os, sys
        from drivers import sctp
        listener = sctp.listen(("127.0.0.1", 0), udp=sctp.Udp({OURS}), backend="usrsctp")
        if not os.fork():
            sctp.listen(("127.0.0.1", 0), udp=sctp.Udp({OURS}), backend="usrsctp")
        os.wait()
    """
    move_to(OTHER)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=BOUND
    )
    assert run.returncode == 0
    assert "start the child with spawn or exec" in run.stderr


# --- which backend ------------------------------------------------------------------------------------


def test_importing_the_module_loads_no_library() -> None:
    code = (
        "import sys, drivers.sctp; sys.exit(not sys.modules.keys().isdisjoint({'cffi', 'drivers._usrsctp'}))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=BOUND)


def test_a_missing_library_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_usrsctp, "LIBRARY", "libno.so.2")
    assert sctp.backends()["usrsctp"] == "libno.so.2 is not installed: `apt-get install libusrsctp2`"


def test_a_kernel_without_sctp_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sctp, "_IPPROTO_SCTP", 253)  # for experiments (RFC 3692): no kernel has it
    assert "`modprobe sctp`" in sctp.backends()["kernel"]
    with pytest.raises(sctp.Unreachable, match="modprobe sctp"):
        sctp.connect(("127.0.0.1", 9), backend="kernel")
