"""A Linux of the bench's own with the product's addresses, which defends itself against nothing.

What is to be refused is tried on it first: the same frames draw answers there, so they are well formed.
"""

import ctypes
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.errors import LabError
from drivers import rawip
from drivers.interfaces.host import Arp, Packet
from drivers.interfaces.replies import Exchange
from drivers.lifecycle.network import CLONE_NEWNET, OURS
from drivers.process import run

SETTINGS = Path("/proc/sys/net")
OF_ALL = {
    "ipv4/icmp_echo_ignore_broadcasts": 0,
    "ipv4/icmp_ratelimit": 0,
    "ipv4/ip_forward": 1,
    "ipv4/ipfrag_time": 1,
    "ipv6/ip6frag_time": 1,
    "ipv4/tcp_syncookies": 0,
    "ipv4/tcp_max_syn_backlog": 64,
    "ipv6/icmp/ratelimit": 0,
}
OF_EACH = {
    "ipv4": {
        "rp_filter": 0,
        "accept_source_route": 1,
        "accept_redirects": 1,
        "secure_redirects": 0,
        "shared_media": 1,
        "proxy_arp": 1,
        "arp_accept": 1,
        "drop_gratuitous_arp": 0,
        "forwarding": 1,
    },
    "ipv6": {"accept_source_route": 1, "accept_redirects": 1, "accept_ra": 2, "autoconf": 1},
}
BACKLOG = 16  # connections that wait for the listener, which never takes one


class Reference:
    """The stack: its links have the names, and both their ends the addresses, of those to the product.

    Both ends are in network namespaces of their own, so nothing that is sent to it leaves this process.

    Args:
        rows: `network.interfaces` of the declaration.
        ports: at which it listens, TCP.
        folder: where captures go.
        named: gives a capture its name.
        note: keeps an exchange as evidence, under the name of its capture.
    """

    def __init__(
        self,
        rows: Iterable[Mapping[str, Any]],
        ports: Sequence[int],
        folder: Path,
        named: Callable[[str], str],
        note: Callable[[str, str, Exchange], Exchange],
    ) -> None:
        self._rows = [row for row in rows if row.get("harness")]
        self._ports, self._folder, self._named, self._note = ports, folder, named, note
        self._held = ExitStack()
        self._ours = self._theirs = -1

    def __enter__(self) -> "Reference":
        try:
            self._ours, self._theirs = (self._namespace() for _ in range(2))
            self._lay()
            with _inside(self._theirs):
                for port in self._ports:
                    self._held.enter_context(_listener(port))
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def exchange(
        self, link: str, packets: Sequence[Packet | Arp] = (), *, seconds: float = 1.0, pace: float = 20.0
    ) -> Exchange:
        """As `HostBench.exchange`, with the reference in the product's place."""
        device, name = self._device(link), self._named(f"reference-{link}")
        with _inside(self._ours):
            found = rawip.exchange(
                device, packets, seconds=seconds, pace=pace, capture=self._folder / name, what=link
            )
        return self._note(f"exchange with the reference on {link}", name, found)

    @contextmanager
    def watching(self, link: str) -> Iterator[Callable[[], Exchange]]:
        """As `HostBench.watching`."""
        device, name = self._device(link), self._named(f"reference-{link}")
        with ExitStack() as stack:
            with _inside(self._ours):
                so_far = stack.enter_context(rawip.watch(device, capture=self._folder / name, what=link))
            yield lambda: replace(so_far(), ref=name)
            self._note(f"watch of the reference on {link}", name, so_far())

    @contextmanager
    def flood(
        self, link: str, destination: str, port: int, *, sources: str, rate: int, seconds: float
    ) -> Iterator[Callable[[], Exchange]]:
        """As `HostBench.flood`."""
        device, name = self._device(link), self._named(f"reference-{link}")
        flood = rawip.syn_flood(
            device,
            destination,
            port,
            sources=sources,
            rate=rate,
            seconds=seconds,
            capture=self._folder / name,
            what=link,
        )
        with ExitStack() as stack:
            with _inside(self._ours):
                so_far = stack.enter_context(flood)
            yield lambda: replace(so_far(), ref=name)
            self._note(f"SYN flood of the reference on {link}", name, so_far())

    def connects(self, address: str, port: int, within: float) -> bool:
        """Whether it takes a TCP connection from the harness's own address."""
        with _inside(self._ours):
            try:
                socket.create_connection((address, port), timeout=within).close()
            except OSError:
                return False
        return True

    def _device(self, link: str) -> str:
        return next(str(row["harness"]) for row in self._rows if row["name"] == link)

    def _namespace(self) -> int:
        """A network namespace that lives as long as its descriptor."""
        made: list[int | OSError] = []

        def make() -> None:
            try:
                _call("unshare", CLONE_NEWNET)
                made.append(os.open(OURS, os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                made.append(error)

        maker = threading.Thread(target=make)
        maker.start()
        maker.join()
        if isinstance(made[0], OSError):
            raise LabError(f"no reference stack: {made[0].strerror} (needs root)") from made[0]
        self._held.callback(os.close, made[0])
        return made[0]

    def _lay(self) -> None:
        """Links, addresses, settings, and a way back to whatever lies behind the first gateway."""
        ours, theirs = [], []
        with _inside(self._theirs):
            for key, value in OF_ALL.items():
                _set(SETTINGS / key, value)
            _each("all")
        for number, row in enumerate(self._rows):
            end, device = row["harness"], str(row.get("device") or f"ref{number}")
            there = f"/proc/{os.getpid()}/fd/{self._theirs}"
            ours.append(f"link add {end} type veth peer name {device} netns {there}")
            if row.get("mac"):
                theirs.append(f"link set {device} address {row['mac']}")
            for address in (*row.get("harness_addresses", ()), *row.get("other_addresses", ())):
                ours.append(f"address add {address} dev {end}{_quick(address)}")
            theirs += [f"address add {one} dev {device}{_quick(one)}" for one in row["addresses"]]
            ours.append(f"link set {end} up")
            theirs.append(f"link set {device} up")
        gateway = next((row["gateway"] for row in self._rows if row.get("gateway")), None)
        if gateway:
            theirs.append(f"route add default via {gateway}")
        for namespace, lines in ((self._ours, ours), (self._theirs, ["link set lo up", *theirs])):
            with _inside(namespace):
                done = run(["ip", "-batch", "-"], within=10, stdin="\n".join(lines).encode())
            if done.status != 0:
                raise LabError(f"no reference stack: {done.err.decode(errors='replace').strip()[:300]}")
        with _inside(self._theirs):
            for number, row in enumerate(self._rows):
                _each(str(row.get("device") or f"ref{number}"))


def _quick(address: str) -> str:
    """IPv6 addresses are in use at once: nobody else can have them there."""
    return " nodad" if ":" in address else ""


def _each(name: str) -> None:
    for version, settings in OF_EACH.items():
        for key, value in settings.items():
            _set(SETTINGS / version / "conf" / name / key, value)


def _set(path: Path, value: int) -> None:
    if path.exists():  # a kernel without it does not need it
        path.write_text(str(value))


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    listener.listen(BACKLOG)
    return listener


def _call(name: str, *words: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*words):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def _inside(namespace: int) -> Iterator[None]:
    """Within this block this thread, and what it starts, is in that network namespace."""
    before = os.open(OURS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("setns", namespace, CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", before, CLONE_NEWNET)
    finally:
        os.close(before)
