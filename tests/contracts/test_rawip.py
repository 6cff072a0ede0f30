"""What raw packets owe: they reach a real kernel as described, its answers are told, and the bounds hold."""

import subprocess
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import pytest
from daemons import BENCH, in_a_thread, linked, need
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import LabError, UndeclaredError, UnseenError
from drivers import frames, rawip, reach
from drivers.interfaces.host import Packet

HOST, HOST6 = "192.0.2.2", "2001:db8::2"
ECHO = "0800" + "0000" + "1234" + "0001" + "61" * 8
ECHO6 = "8000" + "0000" + "1234" + "0001" + "61" * 8


def on_a_link(test: Callable[[int, Path], None]) -> Callable[[Path], None]:
    """The test runs on one end of a link; it gets a process at the other end."""

    @pytest.mark.root
    @pytest.mark.daemon
    @wraps(test)
    def run(tmp_path: Path) -> None:
        need("ip", "unshare", "nsenter", root=True)

        def work() -> None:
            with linked() as other:
                test(other.pid, tmp_path)

        in_a_thread(work)

    del run.__wrapped__
    return run


def there(pid: int, command: str) -> str:
    words = ["nsenter", "--net", "--target", str(pid), *command.split()]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@on_a_link
def test_echo_is_answered_over_ipv4_and_ipv6(pid: int, folder: Path) -> None:
    packets = (Packet(HOST, 1, ECHO), Packet(HOST6, 58, ECHO6))
    capture = folder / "c.pcapng"
    seen = rawip.exchange(BENCH, packets, seconds=0.5, capture=capture)
    answers = [heard for heard in seen.heard if heard.kind == "echo-reply"]
    assert [heard.source for heard in answers] == [HOST, HOST6]
    assert all(heard.facts["id"] == 0x1234 for heard in answers)
    assert (seen.sent, seen.cut) == (2, False)
    said = subprocess.run(
        [
            "tshark",
            "-r",
            str(capture),
            "-Y",
            f"frame.number == {answers[0].frame}",
            "-T",
            "fields",
            "-e",
            "icmp.type",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == "0"


@on_a_link
def test_what_a_kernel_checks_is_right_unless_it_shall_be_wrong(pid: int, folder: Path) -> None:
    syn = "1234" + "0016" + "00000001" + "00000000" + "5002" + "2000" + "0000" + "0000"
    packets = (
        Packet(HOST, 6, syn),  # nobody listens: RST
        Packet(HOST6, 6, syn),
        Packet(HOST, 17, "1234" + "0016" + "0009" + "0000" + "61"),  # port unreachable
        Packet(HOST6, 17, "1234" + "0016" + "0009" + "0000" + "61"),
        Packet(HOST, 1, ECHO.replace("1234", "2222"), bad_checksum=True),
        Packet(HOST, 1, ECHO.replace("1234", "3333"), options="07070400000000"),
        Packet(HOST6, 58, ECHO6.replace("1234", "4444"), headers=((60, ""),)),
    )
    seen = rawip.exchange(BENCH, packets, seconds=0.5, pace=100)
    kinds = [heard.kind for heard in seen.heard if not heard.kind.startswith(("arp", "icmpv6 13"))]
    assert kinds.count("tcp RA") == 2
    assert "icmp 3/3" in kinds
    assert "icmpv6 1/4" in kinds
    ids = {heard.facts["id"] for heard in seen.heard if heard.kind == "echo-reply"}
    assert ids == {0x3333, 0x4444}


@on_a_link
def test_fragments_are_put_together_by_the_other_end(pid: int, folder: Path) -> None:
    body = "0800" + "0000" + "5555" + "0001" + "61" * 24
    whole = frames.ip_packet(Packet(HOST, 1, body), "192.0.2.1")[20:].hex()
    parts = (
        Packet(HOST, 1, whole[:32], fragment=(0, True), identification=7),
        Packet(HOST, 1, whole[32:], fragment=(16, False), identification=7),
    )
    # the first part has the checksum of the whole, which `build` would put right for the part
    with rawip.Link(BENCH) as link:
        link.send(
            rawip.build(parts[0], link)[:36] + bytes.fromhex(whole[4:8]) + rawip.build(parts[0], link)[38:]
        )
        link.send(rawip.build(parts[1], link))
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not any(
            frames.tell(f[1]).facts.get("id") == 0x5555 and not f[2] for f in link.frames
        ):
            time.sleep(0.01)
        assert any(frames.tell(octets).kind == "echo-reply" for _, octets, ours in link.frames if not ours)


@on_a_link
def test_a_capture_has_what_was_sent_once(pid: int, folder: Path) -> None:
    capture = folder / "c.pcapng"
    rawip.exchange(BENCH, (Packet(HOST, 1, ECHO),), seconds=0.3, capture=capture)
    words = ["tshark", "-r", str(capture), "-Y", "icmp", "-T", "fields", "-e", "icmp.type"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.split() == ["8", "0"]


@on_a_link
def test_a_spoofed_source_is_answered_to_whom_it_names(pid: int, folder: Path) -> None:
    seen = rawip.exchange(BENCH, (Packet(HOST, 1, ECHO, source="192.0.2.77"),), seconds=0.5)
    asked = [h for h in seen.heard if h.kind == "arp request"]
    assert any(h.facts["destination"] == "192.0.2.77" for h in asked)


@on_a_link
def test_broadcast_reaches_the_other_end(pid: int, folder: Path) -> None:
    there(pid, "sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0")
    for group in ("192.0.2.255", "224.0.0.1"):
        with reach.only([], hosts=[HOST]):
            seen = rawip.exchange(BENCH, (Packet(group, 1, ECHO),), seconds=0.5)
        assert [h.source for h in seen.heard if h.kind == "echo-reply"] == [HOST]


@on_a_link
def test_a_flood_has_its_rate_and_its_end(pid: int, folder: Path) -> None:
    listen = ["nsenter", "--net", "--target", str(pid), "python3", "-c"]
    script = (
        "import socket,time; s=socket.create_server(('192.0.2.2',80)); print('up',flush=True); time.sleep(60)"
    )
    server = subprocess.Popen([*listen, script], stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        server.stdout.readline()
        with rawip.syn_flood(BENCH, HOST, 80, rate=5_000, seconds=1.0, capture=folder / "f.pcapng") as so_far:
            deadline = time.monotonic() + 10
            while so_far().sent < 4_900 and time.monotonic() < deadline:
                time.sleep(0.05)
        seen = so_far()
        assert 4_900 <= seen.sent <= 5_000
        assert 0.9 < seen.seconds < 3
        assert any(h.kind == "tcp SA" and h.facts["destination"].startswith("198.1") for h in seen.heard)
        assert len(seen.heard) <= rawip.FLOOD_SAMPLE
        assert (
            int(there(pid, "cat /proc/net/netstat").split("TcpExt:")[2].split()[0]) > 0
        )  # SYN cookies went out
        with rawip.syn_flood(BENCH, HOST, 80, rate=5_000, seconds=10) as so_far:
            pass
        assert so_far().sent < 2_500
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@on_a_link
def test_a_watch_tells_what_came_so_far(pid: int, folder: Path) -> None:
    with rawip.watch(BENCH, capture=folder / "c.pcapng", wanted=lambda h: h.kind == "udp") as so_far:
        assert so_far().heard == ()
        script = "import socket; socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 9))"
        subprocess.run(["nsenter", "--net", "--target", str(pid), "python3", "-c", script], check=True)
        deadline = time.monotonic() + 5
        while not so_far().heard and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [h.source for h in so_far().heard] == [HOST]
    assert (folder / "c.pcapng").stat().st_size > 200


@on_a_link
def test_nobody_there_and_nobody_declared_are_told(pid: int, folder: Path) -> None:
    with pytest.raises(LabError, match="does not answer"):
        rawip.exchange(BENCH, (Packet("192.0.2.99", 1, ECHO),), seconds=0)
    with reach.only([], hosts=["192.0.2.3"]):
        for destination in (HOST, "192.0.3.255", HOST6):
            with pytest.raises(UndeclaredError):
                rawip.exchange(BENCH, (Packet(destination, 1, ECHO),), seconds=0)
        with pytest.raises(UndeclaredError), rawip.syn_flood(BENCH, HOST, 80, seconds=1):
            pass
        to_itself = Packet("fe80::1", 58, ECHO, HOST6, link_destination="02:00:00:00:00:01")
        assert rawip.exchange(BENCH, (to_itself,), seconds=0).sent == 1  # it cannot leave the link
    with pytest.raises(LabError, match="no raw packets"):
        rawip.exchange("nothere0")


@on_a_link
def test_a_product_that_pours_out_frames_is_kept_within_bounds(pid: int, folder: Path) -> None:
    script = (
        "import socket\nprint('up',flush=True)\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
        "import time\nend=time.time()+15\nwhile time.time()<end:\n"
        " try: s.sendto(b'x'*900,('192.0.2.1',9))\n except OSError: pass"
    )
    loud = subprocess.Popen(
        ["nsenter", "--net", "--target", str(pid), "python3", "-c", script], stdout=subprocess.PIPE
    )
    assert loud.stdout is not None
    try:
        loud.stdout.readline()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rawip, "KEEP", 60)
            patch.setattr(rawip, "HEARD", 50)
            seen = rawip.exchange(BENCH, (Packet(HOST, 1, ECHO),), seconds=2.0, capture=folder / "c.pcapng")
    finally:
        loud.kill()
        loud.wait()
        loud.stdout.close()
    assert len(seen.heard) <= 50
    assert seen.cut
    assert (folder / "c.pcapng").stat().st_size < 200_000


def test_bounds_are_checked_before_anything_is_sent() -> None:
    for pace in (0, -1, 1e9):
        with pytest.raises(ValueError, match="at most"):
            rawip.exchange("lo", pace=pace)
    for rate, seconds in ((0, 1), (1_000_000, 1), (1, 1e9)):
        with (
            pytest.raises(ValueError, match="at most"),
            rawip.syn_flood("lo", "127.0.0.1", 80, rate=rate, seconds=seconds),
        ):
            pass


@settings(max_examples=300, deadline=None, database=None)
@given(
    octets=st.binary(max_size=200),
    kind=st.sampled_from([b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00", b""]),
)
def test_garbage_is_told_as_what_it_is(octets: bytes, kind: bytes) -> None:
    heard = frames.tell(bytes(12) + kind + octets)
    assert heard.summary.isprintable()
    assert heard.kind.isprintable()


@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8::10"])
def test_an_sctp_answer_is_told_with_its_first_chunk(address: str) -> None:
    abort = "8ca44e20" + "00000000" * 2 + "06000004"
    octets = frames.ip_packet(Packet(address, 132, abort), address)
    heard = frames.tell(bytes(12) + (b"\x86\xdd" if ":" in address else b"\x08\x00") + octets)
    assert heard.kind == "ip 132"
    assert {"source_port": 36004, "port": 20000, "chunk": 6}.items() <= heard.facts.items()


def test_nothing_is_sent_where_there_is_no_link() -> None:
    with pytest.raises(UnseenError, match="gone-0"):
        rawip._Sender("gone-0", [b""], 1, 0.1)
