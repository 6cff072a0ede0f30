"""The wires between bench and product: a veth pair per network domain, with documentation addresses."""

import socket
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from drivers.emulated.host import HostError


class Wire(NamedTuple):
    """One veth pair: `bench` and `product` name its ends, `number` goes into all its addresses."""

    bench: str
    product: str
    number: int
    v4: str

    @property
    def v6(self) -> str:
        return f"2001:db8:0:{self.number}::"

    def mac(self, host: str) -> str:
        return f"02:00:00:00:{self.number:02x}:{host:0>2}"


PRODUCT = "10"  # how each of its addresses ends
SECOND = "20"  # how those of a second unit end
HOSTS = (1, 2, 200)  # of the bench: two peers of the management, and one that is no peer
WIRES = (
    Wire("oam", "oam0", 1, "192.0.2."),
    Wire("sig", "sig0", 2, "198.51.100."),
    Wire("usr", "usr0", 3, "203.0.113."),
)


def own_namespace() -> None:
    """Refuse a network namespace that leads anywhere else: nothing may be routed out of the bench."""
    others = {name for _, name in socket.if_nameindex()} - {"lo"}
    if others:
        raise HostError(
            "the wires are laid into the network namespace this is started in, which has to be a fresh "
            f"one, but it has {', '.join(sorted(others))}: put `unshare --net` before the command"
        )


def join(pid: int) -> None:
    """Lay the wires from the namespace of this process to that of `pid`, with `HOSTS` on our side of each."""
    lines = ["link set lo up"]
    for wire in WIRES:
        lines += [
            f"link add {wire.bench} address {wire.mac('1')} type veth "
            f"peer name {wire.product} address {wire.mac(PRODUCT)} netns {pid}",
            *(f"address add {wire.v4}{host}/24 dev {wire.bench}" for host in HOSTS),
            *(
                f"address add {wire.v6}{host}/64 dev {wire.bench} nodad{' preferred_lft 0' * (host != 1)}"
                for host in HOSTS
            ),
            f"link set {wire.bench} up",
        ]
    _batch(lines)


def join_second(pid: int) -> None:
    """Lay wires to a second unit, of which the bench reaches the management address alone."""
    lines = []
    for wire in WIRES:
        lines += [
            f"link add {wire.bench}2 type veth "
            f"peer name {wire.product} address {wire.mac(SECOND)} netns {pid}",
            f"link set {wire.bench}2 up",
        ]
    oam = WIRES[0]
    lines.append(f"route add {oam.v4}{SECOND}/32 dev {oam.bench}2 src {oam.v4}1")
    lines.append(f"route add {oam.v6}{SECOND}/128 dev {oam.bench}2")
    _batch(lines)


def part() -> None:
    """Take the wires away; those that are gone already are no error."""
    names = [f"{wire.bench}{suffix}" for wire in WIRES for suffix in ("", "2")]
    there = {name for _, name in socket.if_nameindex()}
    _batch([f"link delete {name}" for name in names if name in there], "-force")


def _batch(lines: Sequence[str], *options: str) -> None:
    done = subprocess.run(
        ["ip", *options, "-batch", "-"],  # noqa: S607
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not options:
        raise HostError(f"the wires to the product could not be laid: {done.stderr.strip()[:300]}")
