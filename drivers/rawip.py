"""Packets as no well-behaved host sends them, on the harness's own link, and what the product answers."""

import fcntl
import ipaddress
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from assay.errors import LabError, UnseenError
from drivers import frames, reach
from drivers.capture import ETHERNET
from drivers.interfaces.host import Arp, Packet
from drivers.interfaces.replies import Exchange, Heard
from drivers.pcapng import interface_block, packet_block, replace_file, section

KEEP = 20_000  # frames of one exchange
HEARD = 4_000  # of them that are looked into: a millisecond each
MAX_PACKETS, MAX_PACE = 20_000, 20_000.0
FLOOD_RATE, FLOOD_S = 20_000, 120.0  # the most that a SYN flood may be
FLOOD_SAMPLE = 400  # frames of a flood that are kept
FRAMES = 16_384  # different ones in a flood: more than a backlog holds
NEIGHBOURS = 1_000
ETH_ALL = 3
SIOCGIFADDR, SIOCGIFNETMASK = 0x8915, 0x891B
SOL_PACKET, ADD_MEMBERSHIP, PROMISCUOUS = 263, 1, 1


class Link:
    """One end of a link of the harness's own: sends frames, and captures all that crosses it."""

    def __init__(self, device: str, *, keep: int | None = None) -> None:
        self.device, self._keep = device, keep
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except OSError as error:
            raise LabError(f"no raw packets: {error.strerror} (needs root)") from error
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            self._socket.bind((device, ETH_ALL))
            everything = struct.pack("=iHH8x", socket.if_nametoindex(device), PROMISCUOUS, 0)
            self._socket.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, everything)
        except OSError as error:
            self._socket.close()
            raise LabError(f"no raw packets on {device}: {error.strerror}") from error
        self._socket.settimeout(0.1)
        self.mac = ":".join(f"{octet:02x}" for octet in self._socket.getsockname()[4])
        self.frames: list[tuple[float, bytes, bool]] = []  # when, what, whether we sent it
        self.neighbours: dict[
            bytes, str
        ] = {}  # addresses and whose they are, heard even when no frame is kept
        self.cut = False
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Link":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._socket.close()

    def stop(self) -> None:
        """Listen no more; what was captured stays."""
        self.done.set()
        self._thread.join(5)

    def send(self, frame: bytes) -> None:
        """Put one Ethernet frame on the link."""
        self._keep_frame(frame, True)  # the kernel does not give a socket its own frames
        try:
            self._socket.send(frame)
        except OSError as error:
            what = f"a frame of {len(frame)} octets cannot leave {self.device}"
            raise LabError(f"{what}: {error.strerror}") from error

    def _listen(self) -> None:
        while not self.done.is_set():
            try:
                octets, address = self._socket.recvfrom(65_535)
            except TimeoutError:
                continue
            except OSError:
                return
            ours = address[2] == socket.PACKET_OUTGOING
            if not ours and (claim := _claim(octets)) and len(self.neighbours) < NEIGHBOURS:
                self.neighbours.update([claim])
            self._keep_frame(octets, ours)

    def _keep_frame(self, octets: bytes, ours: bool) -> None:
        if len(self.frames) >= (self._keep or KEEP):
            self.cut = True
        else:
            self.frames.append((time.time(), octets, ours))

    def write(self, path: Path, comment: str = "") -> None:
        """All that crossed the link as pcapng; frame numbers are those of `Heard`."""
        blocks = [section(comment), interface_block(ETHERNET, self.device, "the harness's end of the link")]
        for at, octets, ours in self.frames:
            blocks.append(packet_block(0, at, octets, [(2, struct.pack("<I", 2 if ours else 1))]))
        replace_file(path, blocks)


def exchange(
    device: str,
    packets: Sequence[Packet | Arp] = (),
    *,
    seconds: float = 5.0,
    pace: float = 20.0,
    capture: Path | None = None,
    what: str = "",
    gateway: str = "",
    wanted: Callable[[Heard], bool] = lambda heard: True,
) -> Exchange:
    """Send packets on a link, `pace` a second, and tell what the product sends then and for `seconds` more.

    Args:
        device: the harness's end of the link, in the network namespace of this process.
        packets: what to send; the destinations have to be declared, sources may be anything.
        seconds: how long to listen after the last packet.
        pace: packets a second.
        capture: where the capture goes, with our packets and everything that came.
        what: a name for the exchange.
        gateway: the product's address on this link, for packets to addresses behind it.
        wanted: what to tell of; the capture has all.

    Raises:
        LabError: no root, no such interface, no answer to ARP or neighbour solicitation.
        UndeclaredError: a destination that is not declared.
        ValueError: too many packets or too fast.
    """
    if len(packets) > MAX_PACKETS or not 0 < pace <= MAX_PACE:
        raise ValueError(f"at most {MAX_PACKETS} packets, at most {MAX_PACE:g} a second")
    for packet in packets:
        if isinstance(packet, Packet) and not _stays(packet.destination, device):
            reach.check_host(packet.destination)
    with Link(device) as link:
        ready = [build(packet, link, gateway) for packet in packets]
        began = time.time()
        for number, frame in enumerate(ready):
            while (early := began + number / pace - time.time()) > 0:
                link.done.wait(early)
            link.send(frame)
        link.done.wait(seconds)
        took = time.time() - began
        link.stop()
        heard, cut = _heard(link, began, wanted)
        if capture is not None:
            link.write(capture, what)
        return Exchange(what or f"{len(ready)} packets", len(ready), tuple(heard), took, cut)


@contextmanager
def watch(
    device: str,
    *,
    capture: Path | None = None,
    what: str = "",
    wanted: Callable[[Heard], bool] = lambda heard: True,
) -> Iterator[Callable[[], Exchange]]:
    """Listen on a link while the block runs: what it gives tells what the product has sent so far.

    The arguments and errors are those of `exchange`; the capture is written when the block ends.
    """
    with Link(device) as link:
        began = time.time()

        def so_far() -> Exchange:
            heard, cut = _heard(link, began, wanted)
            return Exchange(what or f"watch of {device}", 0, tuple(heard), time.time() - began, cut)

        try:
            yield so_far
        finally:
            link.stop()
            if capture is not None:
                link.write(capture, what)


def build(packet: Packet | Arp, link: Link, gateway: str = "") -> bytes:
    """The Ethernet frame of a packet, with lengths and checksums as they should be."""
    if isinstance(packet, Arp):
        hardware = packet.hardware or link.mac
        kind, there = (2, hardware) if packet.reply else (1, "00:00:00:00:00:00")
        arp = ARP(op=kind, hwsrc=hardware, psrc=packet.sender, hwdst=there, pdst=packet.target)
        return bytes(Ether(src=hardware, dst="ff:ff:ff:ff:ff:ff") / arp)
    target = ipaddress.ip_address(packet.destination)
    source = packet.source or own_address(link.device, target.version)
    octets = frames.ip_packet(packet, source)
    there = packet.link_destination or _mac_of(packet.destination, link, gateway)
    ours = packet.link_source or link.mac
    head = bytes.fromhex((there + ours).replace(":", ""))
    if packet.vlan is not None:
        head += struct.pack(">HH", 0x8100, packet.vlan)
    return head + struct.pack(">H", 0x0800 if target.version == 4 else 0x86DD) + octets


# --- addresses of the link --------------------------------------------------------------------------------


def _ask_kernel(device: str, request: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            answer = fcntl.ioctl(sock, request, struct.pack("256s", device.encode()[:15]))
        except OSError as error:
            raise LabError(f"{device} has no IPv4 address") from error
    return socket.inet_ntoa(answer[20:24])


def _group(destination: str, device: str) -> bool:
    """Whether this means everybody on the link: a multicast group or its broadcast address."""
    target = ipaddress.ip_address(destination)
    if target.version == 6:
        return target.packed[0] == 0xFF
    if 224 <= target.packed[0] < 240 or destination == "255.255.255.255":
        return True
    ours = f"{_ask_kernel(device, SIOCGIFADDR)}/{_ask_kernel(device, SIOCGIFNETMASK)}"
    return target == ipaddress.IPv4Interface(ours).network.broadcast_address


def own_address(device: str, version: int, *, link_local: bool = False) -> str:
    """The first address of an interface; LabError where it has none of this version."""
    if version == 4:
        return _ask_kernel(device, SIOCGIFADDR)
    for row in Path("/proc/thread-self/net/if_inet6").read_text().splitlines():
        octets, *_, name = row.split()
        address = ipaddress.IPv6Address(bytes.fromhex(octets))
        if name == device and address.is_link_local == link_local:
            return str(address)
    raise LabError(f"{device} has no {'link-local' if link_local else 'global'} IPv6 address")


def _stays(destination: str, device: str) -> bool:
    """Whether no router passes this on: it cannot leave the harness's own link."""
    return ipaddress.ip_address(destination).is_link_local or _group(destination, device)


def _mac_of(destination: str, link: Link, gateway: str) -> str:
    """Where a packet goes on the link: the group's or broadcast address, or whose address it is."""
    target = ipaddress.ip_address(destination)
    octets = target.packed
    if not _group(destination, link.device):
        return neighbour(link, gateway or destination)
    if target.version == 6 or 224 <= octets[0] < 240:
        four = bytes((1, 0, 0x5E, octets[1] & 0x7F)) + octets[2:]  # RFC 1112 clause 6.4
        return (four if target.version == 4 else b"\x33\x33" + octets[-4:]).hex(":")
    return "ff:ff:ff:ff:ff:ff"


def neighbour(link: Link, address: str, *, within: float = 3.0) -> str:
    """The MAC address of a neighbour, asked once on this link by ARP or neighbour solicitation."""
    target = ipaddress.ip_address(address)
    if mac := link.neighbours.get(target.packed):
        return mac
    if target.version == 4:
        ours = own_address(link.device, 4)
        ask = Ether(src=link.mac, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=link.mac, psrc=ours, pdst=address)
    else:
        ours = own_address(link.device, 6, link_local=target.is_link_local)
        group = ipaddress.IPv6Address(b"\xff\x02" + bytes(9) + b"\x01\xff" + target.packed[-3:])
        ask = Ether(src=link.mac, dst=(b"\x33\x33" + group.packed[-4:]).hex(":"))
        ask /= IPv6(src=ours, dst=str(group), hlim=255) / ICMPv6ND_NS(tgt=address)
        ask /= ICMPv6NDOptSrcLLAddr(lladdr=link.mac)
    frame, deadline = bytes(ask), time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        link.send(frame)
        until = min(time.monotonic() + 0.25, deadline)
        while time.monotonic() < until:
            if mac := link.neighbours.get(target.packed):
                return mac
            link.done.wait(min(0.01, left))
    raise LabError(
        f"{address} does not answer on {link.device}: is it the address of the product on this link?"
    )


def _claim(octets: bytes) -> tuple[bytes, str] | None:
    """The address that a frame says to be the sender's, and the MAC address it has: ARP, neighbour advert."""
    if octets[12:14] == b"\x08\x06" and octets[20:22] == b"\0\2" and len(octets) >= 42:
        return octets[28:32], octets[22:28].hex(":")
    if octets[12:14] == b"\x86\xdd" and octets[20:21] == b"\x3a" and octets[54:55] == b"\x88":
        option = octets[78:80] == b"\2\1" and len(octets) >= 86
        return octets[62:78], (octets[80:86] if option else octets[6:12]).hex(":")
    return None


def _heard(link: Link, began: float, wanted: Callable[[Heard], bool]) -> tuple[list[Heard], bool]:
    """What is wanted of the frames that came since then, and whether there was more than can be told."""
    came = [
        (n, at, octets)
        for n, (at, octets, ours) in enumerate(tuple(link.frames), 1)
        if not ours and at >= began
    ]
    found = [frames.tell(octets, at - began, number) for number, at, octets in came[:HEARD]]
    return list(filter(wanted, found)), link.cut or len(came) > HEARD


# --- a flood ------------------------------------------------------------------------------------------------


@contextmanager
def syn_flood(
    device: str,
    destination: str,
    port: int,
    *,
    sources: str = "198.18.0.0/15",
    rate: int = 10_000,
    seconds: float = 60.0,
    capture: Path | None = None,
    what: str = "",
    seed: int = 1,
    gateway: str = "",
) -> Iterator[Callable[[], Exchange]]:
    """While the block runs, send SYN segments to one declared port, at a bounded rate and for a bounded time.

    The sources are drawn, the same for the same seed, from a prefix that the product routes back to the
    harness and that nobody answers from. What it gives tells how many were sent so far, and the first frames
    of the product; the capture has those and the first that were sent.

    Raises:
        ValueError: more than 20,000 a second or 120 s.
        LabError, UndeclaredError: as `exchange`.
    """
    if not 0 < rate <= FLOOD_RATE or not 0 < seconds <= FLOOD_S:
        raise ValueError(f"a flood has at most {FLOOD_RATE} packets a second and {FLOOD_S:g} s")
    reach.check((destination, port))
    network = ipaddress.ip_network(sources)
    draw = random.Random(seed)  # noqa: S311 - to be repeatable, not to be secret
    with Link(device, keep=FLOOD_SAMPLE) as link:
        mac = _mac_of(destination, link, gateway)
        ready = []
        for _ in range(FRAMES):
            source = str(network[draw.randrange(1, network.num_addresses - 1)])
            ports, number = (draw.randrange(1024, 65_536), port), draw.getrandbits(32)
            segment = struct.pack(">HHIIBBHHH", *ports, number, 0, 0x50, 2, 8192, 0, 0)
            ready.append(build(Packet(destination, 6, segment.hex(), source, link_destination=mac), link))
        began, sender = time.time(), _Sender(device, ready, rate, seconds)

        def so_far() -> Exchange:
            heard, cut = _heard(link, began, lambda heard: True)
            name = what or f"SYN flood of {destination}:{port}"
            return Exchange(name, sender.sent, tuple(heard), sender.took, cut)

        sender.start()
        try:
            yield so_far
        finally:
            sender.done.set()
            sender.join(5)
            link.stop()
            if capture is not None:
                link.write(capture, what)


class _Sender(threading.Thread):
    """Sends frames in turn, `rate` a second; its socket is its own, for that of a link would be drowned."""

    def __init__(self, device: str, ready: Sequence[bytes], rate: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self._socket.bind((device, 0))
        except OSError as error:
            self._socket.close()
            raise UnseenError(f"nothing can be sent on {device}: {error.strerror}") from error
        self._ready, self._rate, self._seconds = ready, rate, seconds
        self.done = threading.Event()
        self.sent, self.took = 0, 0.0

    def run(self) -> None:
        began, whole = time.monotonic(), int(self._seconds * self._rate)
        with self._socket as sock:
            while not self.done.is_set() and self.sent < whole:
                now = time.monotonic() - began
                due = min(int(now * self._rate) + 1, whole)
                for number in range(self.sent, due):
                    with suppress(BlockingIOError, OSError):
                        sock.send(self._ready[number % len(self._ready)])
                self.sent, self.took = max(self.sent, due), now
                self.done.wait(0.001)
