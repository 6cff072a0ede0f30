"""The contract of drivers.sctp on every backend that this machine can run, and what is on the wire."""

import ctypes
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from qemu.contract import BOUND, CONTRACT, ROOT, Lab, listening_works_here_too, received
from qemu.contract import streams_and_ppids_come_back_exactly as streams_and_ppids

from drivers import _usrsctp, sctp


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


OURS, THEIRS = free_udp_port(), free_udp_port()
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
@pytest.mark.parametrize("contract", [streams_and_ppids, listening_works_here_too], ids=["connect", "listen"])
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
            yield Relayed("usrsctp", ours=OURS, theirs=THEIRS, relay=relay.getsockname()[1]), packets
        finally:
            over.set()
            thread.join()


class Relayed(Lab):
    """Our side sends to the relay; the peer needs no word of it: it learns the port from the packets."""

    def __init__(self, backend: str, *, ours: int, theirs: int, relay: int) -> None:
        super().__init__("usrsctp", ours=ours, theirs=theirs)
        object.__setattr__(self, "relay", relay)

    @property
    def udp(self) -> sctp.Udp:
        return sctp.Udp(self.ours, self.relay)  # type: ignore[attr-defined]


@contextmanager
def sniffed() -> Iterator[tuple[Lab, list[bytes]]]:
    """The lab over IP, and all SCTP packets on the loopback interface."""
    packets: list[bytes] = []
    over = threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as tap:
        tap.bind(("lo", 0x0800))
        tap.settimeout(0.1)

        def watch() -> None:
            while not over.is_set():
                try:
                    packet, source = tap.recvfrom(65536)
                except TimeoutError:
                    continue
                if packet[9] == 132 and source[2] != socket.PACKET_OUTGOING:
                    packets.append(packet[(packet[0] & 15) * 4 :])

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield OVER_IP, packets
        finally:
            over.set()
            thread.join()


def data_chunks(packet: bytes) -> Iterator[bytes]:
    """The DATA chunks of an SCTP packet (RFC 9260 section 3.3.1)."""
    at = 12
    while at < len(packet):
        kind, _, length = struct.unpack_from("!BBH", packet, at)
        if kind == 0:
            yield packet[at : at + length]
        at += (length + 3) & ~3


def crc32c(data: bytes) -> int:
    """RFC 9260 appendix A, bit by bit."""
    crc = 0xFFFFFFFF
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    "wire",
    [pytest.param(relayed, marks=daemon), pytest.param(sniffed, marks=[daemon, root])],
    ids=["udp", "ip"],
)
def test_ppid_stream_and_checksum_on_the_wire(wire: Callable[[], Iterator[tuple[Lab, list[bytes]]]]) -> None:
    with wire() as (lab, packets):  # type: ignore[attr-defined]
        with lab.pair() as (association, _):
            association.send(b"an NGAP message", stream=5)
            assert received(association) == sctp.Datagram(b"an NGAP message", 5, 60)
            ours, theirs = association.local[1], association.peer[1]
        deadline = time.monotonic() + BOUND
        while len(chunks := list(flights(packets, ours, theirs))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert {source for source, _ in chunks} == {ours, theirs}
    for _, chunk in chunks:
        assert chunk[8:10] == b"\x00\x05"
        assert chunk[12:16] == b"\x00\x00\x00\x3c"
        assert chunk[16:] == b"an NGAP message"
    for packet in packets:
        if {*struct.unpack_from("!HH", packet)} == {ours, theirs}:
            assert crc32c(packet[:8] + bytes(4) + packet[12:]) == struct.unpack_from("<I", packet, 8)[0]


def flights(packets: list[bytes], *ports: int) -> Iterator[tuple[int, bytes]]:
    """Every DATA chunk between two ports with the port it came from."""
    for packet in packets:
        source, target = struct.unpack_from("!HH", packet)
        if {source, target} == set(ports):
            yield from ((source, chunk) for chunk in data_chunks(packet))


# --- libusrsctp's own traps ---------------------------------------------------------------------------


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
        pytest.raises(sctp.Unreachable, match=f"already runs over UDP port {OURS}"),
    ):
        sctp.listen(("127.0.0.1", 0), udp=sctp.Udp(THEIRS), backend="usrsctp")
    sctp.listen(("127.0.0.1", 0), udp=sctp.Udp(THEIRS), backend="usrsctp").close()


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
    "open listener": "sctp.listen(('127.0.0.1', 0), udp=association_udp, backend='usrsctp')",
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
        association_udp = sctp.Udp({OURS}, {THEIRS})
        def nobody():
            try: sctp.connect(("127.0.0.1", 9), udp=association_udp, backend="usrsctp", timeout=60)
            except sctp.Unreachable: pass
        if __name__ == "__main__":
            association = sctp.connect(("127.0.0.1", int(sys.argv[1])), udp=association_udp, backend="usrsctp")
            {ENDS[end]}
            association.send(b"!mute")
    """
    sctp.listen(("127.0.0.1", 0), udp=sctp.Udp(free_udp_port()), backend="usrsctp").close()  # leave OURS
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
    sctp.listen(("127.0.0.1", 0), udp=sctp.Udp(THEIRS), backend="usrsctp").close()  # leave OURS
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=BOUND
    )
    assert run.returncode == 0
    assert "start the child with spawn or exec" in run.stderr


# --- which backend ------------------------------------------------------------------------------------


def test_importing_the_module_loads_no_library() -> None:
    code = "import sys; from drivers import sctp; sys.exit('cffi' in sys.modules or 'drivers._usrsctp' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=BOUND)


def test_a_missing_library_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_usrsctp, "LIBRARY", "libno.so.2")
    assert sctp.backends()["usrsctp"] == "libno.so.2 is not installed: `apt-get install libusrsctp2`"


def test_a_kernel_without_sctp_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sctp, "_IPPROTO_SCTP", 253)  # for experiments (RFC 3692): no kernel has it
    assert "`modprobe sctp`" in sctp.backends()["kernel"]
    with pytest.raises(sctp.Unreachable, match="modprobe sctp"):
        sctp.connect(("127.0.0.1", 9), backend="kernel")
