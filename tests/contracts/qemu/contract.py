"""What every SCTP backend must do, in plain functions: the qemu guest that runs them too has no pytest."""

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from assay.errors import LabError
from drivers import sctp

ROOT = Path(__file__).parents[3]
BOUND = 10.0  # seconds for anything that must happen
FLOOD = b"f" * 1000


@contextmanager
def raises(kind: type[Exception], text: str) -> Iterator[None]:
    try:
        yield
    except kind as problem:
        assert text in str(problem), problem  # noqa: PT017 - no pytest in the guest
    else:
        raise AssertionError(f"no {kind.__name__}")


@dataclass(frozen=True)
class Lab:
    """One way to run SCTP between this process and a peer process."""

    backend: Literal["kernel", "usrsctp"]
    host: str = "127.0.0.1"
    ours: int = 0  # UDP ports of RFC 6951; 0 for SCTP over IP
    theirs: int = 0
    via: int = 0  # where our side sends instead; the peer learns the port from the packets

    @property
    def udp(self) -> sctp.Udp | None:
        return sctp.Udp(self.ours, self.via or self.theirs) if self.ours else None

    def connect(self, peer: sctp.Address, *, streams: int = 10, timeout: float = BOUND) -> sctp.Association:
        return sctp.connect(peer, udp=self.udp, streams=streams, timeout=timeout, backend=self.backend)

    def listen(self) -> sctp.Listener:
        return sctp.listen((self.host, 0), udp=self.udp, backend=self.backend)

    @contextmanager
    def peer(self, role: str, port: int = 0) -> Iterator["Peer"]:
        """A peer process in `role`, which is dead when the block is left."""
        command = [
            sys.executable,
            __file__,
            role,
            self.backend,
            self.host,
            *map(str, (port, self.theirs, self.ours)),
        ]
        process = subprocess.Popen(
            command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        with process, Peer(process.stdout, process.kill, self.host) as peer:
            yield peer

    @contextmanager
    def pair(self, streams: int = 10) -> Iterator[tuple[sctp.Association, "Peer"]]:
        """An association with an echoing peer."""
        with self.peer("echo") as peer, self.connect(peer.address(), streams=streams) as association:
            yield association, peer


class Peer:
    """Reads what a peer process tells, line by line, each within the bound."""

    def __init__(self, output: Iterable[str], kill: Callable[[], None], host: str) -> None:
        self.kill, self._host = kill, host
        self._lines: list[str] = []
        self._told = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(output,))

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._reader.join()

    def _read(self, output: Iterable[str]) -> None:
        for line in output:
            with self._told:
                self._lines.append(line.strip())
                self._told.notify_all()

    def told(self, word: str) -> str:
        """The rest of the first line that begins with `word`."""

        def found() -> list[str]:
            return [line for line in self._lines if line.split()[0] == word]

        with self._told:
            assert self._told.wait_for(found, BOUND), f"peer did not tell {word!r}, only {self._lines}"
            return found()[0].removeprefix(word).strip()

    def address(self) -> sctp.Address:
        return self._host, int(self.told("listening"))


def received(association: sctp.Association) -> sctp.Datagram:
    got = association.receive(BOUND)
    assert isinstance(got, sctp.Datagram), got
    return got


# --- the contract ----------------------------------------------------------------------------------------


def streams_and_ppids_come_back_exactly(lab: Lab) -> None:
    with lab.pair() as (association, _):
        sent = [sctp.Datagram(f"{s} {p}".encode(), s, p) for s in range(10) for p in (60, 0, 61, 0xFFFFFFFF)]
        for one in sent:
            association.send(one.data, stream=one.stream, ppid=one.ppid)
        came = [received(association) for _ in sent]
        assert [one for one in came if one.stream == 7] == [one for one in sent if one.stream == 7]
        assert sorted(came, key=repr) == sorted(sent, key=repr)


def ngap_is_the_default(lab: Lab) -> None:
    with lab.pair() as (association, _):
        association.send(b"x")
        assert received(association) == sctp.Datagram(b"x", 0, 60)


def message_boundaries_hold(lab: Lab) -> None:
    with lab.pair() as (association, _):
        for size in (1, 3, 1452, sctp.PIECE, sctp.PIECE + 1, sctp.MAX_MESSAGE):
            data = bytes(i % 251 for i in range(size))
            association.send(data, stream=1)
            assert received(association) == sctp.Datagram(data, 1, 60)


def addresses_and_streams_are_told(lab: Lab) -> None:
    with lab.pair(streams=3) as (association, peer):
        assert association.peer == peer.address()
        assert association.local[0] == lab.host
        assert association.local[1] > 0
        assert association.streams == 3
        assert peer.told("accepted") == f"{association.local[0]} {association.local[1]} 3"
    with lab.pair(streams=64) as (association, _):
        assert association.streams == 10  # all that the peer lets in


def what_cannot_be_sent_is_refused(lab: Lab) -> None:
    with lab.pair() as (association, _):
        for data, stream in ((b"", 0), (b"x", 10), (b"x", -1), (bytes(sctp.MAX_MESSAGE + 1), 0)):
            with raises(ValueError, "octets" if stream == 0 else "stream"):
                association.send(data, stream=stream)
        association.send(b"still there")
        assert received(association).data == b"still there"


def silence_is_none_in_time(lab: Lab) -> None:
    with lab.pair() as (association, _):
        for timeout in (0.0, 0.2):
            begun = time.monotonic()
            assert association.receive(timeout) is None
            assert timeout <= time.monotonic() - begun < timeout + 1.0


def a_peer_that_closes_is_closed(lab: Lab) -> None:
    with lab.pair() as (association, _):
        association.send(b"!close")
        assert received(association).data == b"last words"
        assert association.receive(BOUND) is sctp.Ended.CLOSED
        assert association.receive(BOUND) is sctp.Ended.CLOSED
        with raises(sctp.AssociationLost, "gone"):
            association.send(b"x")


def a_peer_that_aborts_is_lost(lab: Lab) -> None:
    with lab.pair() as (association, _):
        association.send(b"!abort")
        assert association.receive(BOUND) is sctp.Ended.LOST
        assert association.receive(BOUND) is sctp.Ended.LOST
        with raises(sctp.AssociationLost, "gone"):
            association.send(b"x")


def a_killed_peer_is_noticed(lab: Lab) -> None:
    with lab.pair() as (association, peer):
        peer.kill()
        begun = time.monotonic()
        assert isinstance(association.receive(BOUND), sctp.Ended)
        assert time.monotonic() - begun < 8.0


def closing_towards_a_dead_peer_is_bounded(lab: Lab) -> None:
    with lab.pair() as (association, peer):
        peer.kill()
        begun = time.monotonic()
        association.close()
        assert time.monotonic() - begun < sctp.CLOSE_S + 1.0
        with raises(sctp.AssociationLost, "gone"):
            association.send(b"x")


def our_close_is_closed_there(lab: Lab) -> None:
    with lab.pair() as (association, peer):
        association.send(b"!mute")
        association.send(b"before the end")
        association.close()
        assert peer.told("ended") == "CLOSED"
        association.close()
        assert isinstance(association.receive(0), sctp.Ended)
        with raises(sctp.AssociationLost, "gone"):
            association.send(b"x")


def our_abort_is_lost_there(lab: Lab) -> None:
    with lab.pair() as (association, peer):
        association.abort()
        assert peer.told("ended") == "LOST"
        association.abort()
        association.close()
        with raises(sctp.AssociationLost, "gone"):
            association.send(b"x")


def closing_wakes_a_waiting_receive(lab: Lab) -> None:
    for end in ("close", "abort"):
        with lab.pair() as (association, _), ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(association.receive, 2 * BOUND)
            association.send(b"x")
            assert waiting.result(BOUND) == sctp.Datagram(b"x", 0, 60)
            waiting = pool.submit(association.receive, 2 * BOUND)
            getattr(association, end)()
            assert isinstance(waiting.result(BOUND), sctp.Ended)


def closing_wakes_a_waiting_accept(lab: Lab) -> None:
    with lab.listen() as listener, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(listener.accept, 2 * BOUND)
        with lab.peer("dial", listener.address[1]) as peer:
            association = waiting.result(BOUND)
            assert association is not None
            assert received(association).data == b"hello"
            waiting = pool.submit(listener.accept, 2 * BOUND)
            association.close()
            peer.told("answer")
            listener.close()
            assert waiting.result(BOUND) is None


def nobody_there_is_unreachable(lab: Lab) -> None:
    begun = time.monotonic()
    with raises(sctp.Unreachable, ":9: "):
        lab.connect((lab.host, 9), timeout=1.0)
    assert time.monotonic() - begun < 2.0


def foreign_addresses_are_not_bound(lab: Lab) -> None:
    foreign = "2001:db8::1" if ":" in lab.host else "192.0.2.254"
    with raises(sctp.Unreachable, "ip addr add"):
        sctp.listen((foreign, 0), udp=lab.udp, backend=lab.backend)


def a_flood_is_held_back(lab: Lab) -> None:
    with lab.pair() as (association, peer):
        association.send(b"!flood")
        count = int(peer.told("stuck"))
        assert count * len(FLOOD) < 4 * 1024 * 1024
        for number in range(count):
            assert received(association).data == FLOOD + str(number).encode()
        association.send(b"!close")
        assert received(association).data == b"last words"


def a_message_without_end_is_not_kept(lab: Lab) -> None:
    with lab.pair() as (association, peer):
        association.send(b"x" * 2000)
        longest, sctp.MAX_MESSAGE = sctp.MAX_MESSAGE, 1000
        try:
            with raises(LabError, "1000 octets"):
                association.receive(BOUND)
        finally:
            sctp.MAX_MESSAGE = longest
        assert association.receive(BOUND) is sctp.Ended.LOST
        assert peer.told("ended") == "LOST"


def threads_may_send_at_once(lab: Lab) -> None:
    with lab.pair() as (association, _), ThreadPoolExecutor(8) as pool:

        def work(stream: int) -> None:
            for number in range(200):
                association.send(f"{stream} {number}".encode(), stream=stream)

        jobs = [pool.submit(work, stream) for stream in range(8)]
        came = [received(association) for _ in range(8 * 200)]
        for job in jobs:
            job.result()
        for stream in range(8):
            got = [one.data.decode() for one in came if one.stream == stream]
            assert got == [f"{stream} {number}" for number in range(200)]


def fifty_at_once(lab: Lab) -> None:
    with lab.peer("echo") as peer:
        address = peer.address()
        many = [lab.connect(address) for _ in range(50)]
        for number, association in enumerate(many):
            association.send(str(number).encode())
        for number, association in enumerate(many):
            assert received(association).data == str(number).encode()
        for association in many:
            association.close()


def listening_works_here_too(lab: Lab) -> None:
    with lab.listen() as listener:
        assert listener.accept(0.1) is None
        with lab.peer("dial", listener.address[1]) as peer:
            association = listener.accept(BOUND)
            assert association is not None
            with association:
                assert association.local == listener.address
                assert association.peer == (lab.host, int(peer.told("dialled")))
                assert received(association) == sctp.Datagram(b"hello", 3, 60)
                association.send(b"welcome", stream=4)
                assert peer.told("answer") == "welcome 4 60"
                listener.close()
                association.send(b"outlives the listener")
        assert listener.accept(BOUND) is None


CONTRACT: tuple[Callable[[Lab], None], ...] = (
    streams_and_ppids_come_back_exactly,
    ngap_is_the_default,
    message_boundaries_hold,
    addresses_and_streams_are_told,
    what_cannot_be_sent_is_refused,
    silence_is_none_in_time,
    a_peer_that_closes_is_closed,
    a_peer_that_aborts_is_lost,
    a_killed_peer_is_noticed,
    closing_towards_a_dead_peer_is_bounded,
    our_close_is_closed_there,
    our_abort_is_lost_there,
    closing_wakes_a_waiting_receive,
    closing_wakes_a_waiting_accept,
    nobody_there_is_unreachable,
    foreign_addresses_are_not_bound,
    a_flood_is_held_back,
    a_message_without_end_is_not_kept,
    threads_may_send_at_once,
    fifty_at_once,
    listening_works_here_too,
)

BRIEF = (streams_and_ppids_come_back_exactly, listening_works_here_too)


# --- on the wire --------------------------------------------------------------------------------------


@contextmanager
def sniffed() -> Iterator[list[bytes]]:
    """All SCTP packets over IPv4 on the loopback interface; needs root."""
    packets: list[bytes] = []
    over = threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as tap:
        tap.bind(("lo", 0x0800))
        tap.settimeout(0.1)

        def watch() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    packet, source = tap.recvfrom(65536)
                    if packet[9] == 132 and source[2] != socket.PACKET_OUTGOING:
                        packets.append(packet[(packet[0] & 15) * 4 :])

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield packets
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


def flights(packets: list[bytes], *ports: int) -> Iterator[tuple[int, bytes]]:
    """Every DATA chunk between two ports with the port it came from."""
    for packet in packets:
        source, target = struct.unpack_from("!HH", packet)
        if {source, target} == set(ports):
            yield from ((source, chunk) for chunk in data_chunks(packet))


def assert_the_wire(lab: Lab, packets: list[bytes]) -> None:
    """Stream and PPID in both directions as NGAP needs them, and a checksum on which evidence can rest."""
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
        if {*struct.unpack_from("!HH", packet)} == {ours, theirs} and lab.backend == "usrsctp":
            # Linux leaves the checksum to the loopback device, which computes none
            assert crc32c(packet[:8] + bytes(4) + packet[12:]) == struct.unpack_from("<I", packet, 8)[0]


# --- the peer process ------------------------------------------------------------------------------------


def tell(*words: object) -> None:
    print(*words, flush=True)


def serve(association: sctp.Association) -> None:
    """Echo; `!word` orders something else."""
    mute = False
    while not isinstance(got := association.receive(60), sctp.Ended | None):
        if got.data == b"!mute":
            mute = True
        elif got.data == b"!close":
            association.send(b"last words")
            association.close()
            return
        elif got.data == b"!abort":
            association.abort()
            return
        elif got.data == b"!flood":
            sctp.SEND_S, number = 0.5, 0
            try:
                for number in range(100_000):
                    association.send(FLOOD + str(number).encode())
            except LabError:
                tell("stuck", number)
        elif not mute:
            association.send(got.data, stream=got.stream, ppid=got.ppid)
    tell("ended", got.name if got else "silent")
    association.close()


def main(
    role: str, backend: Literal["kernel", "usrsctp"], host: str, port: str, ours: str, theirs: str
) -> None:
    udp = sctp.Udp(int(ours), int(theirs)) if int(ours) else None
    if role == "dial":
        association = sctp.connect((host, int(port)), udp=udp, backend=backend)
        tell("dialled", association.local[1])
        association.send(b"hello", stream=3)
        got = association.receive(BOUND)
        if isinstance(got, sctp.Datagram):
            tell("answer", got.data.decode(), got.stream, got.ppid)
        else:
            tell("answer", "none")
        association.receive(BOUND)
        return
    with sctp.listen((host, int(port)), udp=udp, backend=backend) as listener:
        tell("listening", listener.address[1])
        while (association_or_none := listener.accept(60)) is not None:
            tell("accepted", *association_or_none.peer, association_or_none.streams)
            threading.Thread(target=serve, args=(association_or_none,), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
