"""ICMP messages as test cases send them, and what a product's messages mean (RFC 792, 4443, 4861, 8106)."""

import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from drivers.interfaces.host import HostBench, Packet
from drivers.interfaces.replies import Exchange, Heard
from testsuites.ts_33_117.packets import ICMP, ICMPV6, TCP, Sent, echo, icmp, protocol_of, version_of
from testsuites.ts_33_117.ports import Point, services

ROUTER = "fe80::5301"  # nobody's: a router that we play
ROUTER_MAC = "02:53:43:41:53:01"
ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"
PREFIX = IPv6Network("2001:db8:5301::/64")
SECONDS = 30  # how long what a router advertises lives
ECHO = {4: 8, 6: 128}
REPLY = {  # of each IP version, by what a request is answered
    4: {8: 0, 13: 14, 15: 16, 17: 18, 10: 9},
    6: {128: 129, 133: 134, 139: 140, 144: 145, 146: 147},
}
FIVE = {4: (13, 15, 17, 10), 6: (133, 139, 144, 146)}  # sent five times
SPARED = {  # echo, neighbour discovery, multicast listeners; and what would change a product
    4: {5, 8, 9},
    6: {128, 130, 131, 132, 134, 135, 136, 137, 143},
}
IDENTIFIED = {(4, 14), (4, 16), (4, 18)}  # an answer has the identifier of what it answers
NO_REPLY = {  # echo replies (a note), errors, neighbour discovery and listeners, what a host asks itself
    *((4, kind) for kind in (0, 3, 8, 10, 11, 12)),
    *((6, kind) for kind in (1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 135, 136, 143)),
}
STATE = """ip -4 route show table all; ip -6 route show table all; ip -o address
for f in /proc/sys/net/ipv6/conf/*/hop_limit /proc/sys/net/ipv6/conf/*/mtu; do echo "$f $(cat $f)"; done
for f in /proc/sys/net/ipv*/conf/*/accept_r[ea]*; do echo "$f $(cat $f)"; done
sed 's/^/resolv.conf /' /etc/resolv.conf 2>/dev/null || true
"""
_VOLATILE = re.compile(r"(expires|valid_lft|preferred_lft|users|used|age) \S*|\\|\b\d+sec\b")


def documented(host: HostBench, interface: str, version: int) -> set[int]:
    """The ICMP types that the vendor declares as answered or processed at an interface."""
    return {
        int(row["type"])
        for row in host.declared("network.icmp_documented_types") or ()
        if row.get("interface", "all") in ("all", interface) and row.get("ip") in (None, version)
    }


def allowed(host: HostBench, point: Point, number: int) -> Sent | None:
    """A probe that the product answers at this address: echo where it is documented, else a TCP service."""
    if ECHO[point.version] in documented(host, point.interface, point.version):
        return Sent("echo", protocol_of(point.address), number, destination=point.address)
    for one in services(host, [point]) if host.declared("services.list") else ():
        if one.protocol == "tcp" and one.always:
            return Sent(one.name, TCP, number, one.port, point.address)
    return None


def request(version: int, kind: int, number: int, address: str) -> str:
    """A well-formed message of a type, with an identifier of its own where the type has one."""
    ident = struct.pack(">HH", number, 1)
    rest = ident + bytes(8)
    if version == 4 and kind in (13, 14):
        rest = ident + bytes(12)
    elif version == 4 and kind in (10, 17, 18):
        rest = (bytes(4) if kind == 10 else ident) + bytes(4 * (kind != 10))
    elif version == 6 and kind == 133:
        rest = bytes(4) + b"\1\1" + bytes.fromhex(ROUTER_MAC.replace(":", ""))
    elif version == 6 and kind == 139:  # the name of the node that has this address (RFC 4620)
        rest = struct.pack(">HH", 2, 0) + ident + bytes(4) + IPv6Address(address).packed
    elif version == 6 and kind in (144, 146):
        rest = struct.pack(">HH", number, 0)
    return icmp(kind, 0, rest)


def solicitation(destination: str, mac: str) -> Packet:
    """A router solicitation from a link-local address of nobody's."""
    return Packet(
        destination,
        ICMPV6,
        request(6, 133, 0, destination),
        ROUTER,
        hop_limit=255,
        link_destination="" if destination == ALL_ROUTERS else mac,
        link_source=ROUTER_MAC,
    )


def advertisement(mtu: int, lifetime: int = SECONDS) -> Packet:
    """A router advertisement with a prefix, a default route, an MTU and a resolver; 0 s takes it all back."""
    prefix = struct.pack(">BBBBIII", 3, 4, PREFIX.prefixlen, 0xC0, lifetime, lifetime, 0)
    options = b"\1\1" + bytes.fromhex(ROUTER_MAC.replace(":", ""))
    options += prefix + PREFIX.network_address.packed
    options += struct.pack(">BBHI", 5, 1, 0, mtu)
    options += struct.pack(">BBHI", 25, 3, 0, lifetime) + PREFIX[0x53].packed
    rest = struct.pack(">BBHII", 0, 0, lifetime, 0, 0) + options
    return Packet(ALL_NODES, ICMPV6, icmp(134, 0, rest), ROUTER, hop_limit=255, link_source=ROUTER_MAC)


def redirect(code: int, product: str, beyond: str, old: str, new: str) -> Packet:
    """A redirect by the old gateway to the new one, for the flow of echo replies to an address beyond."""
    inner = struct.pack(">BBHHHBBH", 0x45, 0, 33, 0, 0, 64, ICMP, 0)
    inner += (
        IPv4Address(product).packed + IPv4Address(beyond).packed + struct.pack(">BBHHH", 0, 0, 0, 0x5301, 1)
    )
    return Packet(product, ICMP, icmp(5, code, IPv4Address(new).packed + inner), old)


def kind_of(heard: Heard) -> tuple[int, int] | None:
    """IP version and type of an ICMP message of the product, None for anything else."""
    kind = heard.facts.get("type")
    if not isinstance(kind, int) or not heard.kind.startswith(("icmp", "echo")):
        return None
    return (6 if ":" in str(heard.facts.get("source", "")) else 4), kind


def series(host: HostBench, point: Point, numbers: Iterator[int]) -> Iterator[Packet]:
    """A message of every type that is not documented there, five of those that some answer."""
    known = documented(host, point.interface, point.version)
    others = sorted(set(range(256)) - SPARED[point.version] - set(FIVE[point.version]))
    for kind in [*(kind for kind in FIVE[point.version] for _ in range(5)), *others]:
        if kind in known:
            continue
        if (point.version, kind) == (6, 133):
            yield from (solicitation(to, point.mac) for to in (point.address, ALL_ROUTERS))
            continue
        payload = request(point.version, kind, next(numbers), point.address)
        yield Packet(point.address, protocol_of(point.address), payload, point.ours)


def redirects(product: str, beyond: str, old: str, new: str) -> list[Packet]:
    """A packet that keeps a flow from behind the old gateway going, and a redirect of each code."""
    asked = Packet(product, ICMP, echo(product, 0x5410), beyond)
    return [asked, *(redirect(code, product, beyond, old, new) for code in range(4))]


def state(text: str) -> set[str]:
    """The lines of a configuration, without what passes by itself."""
    return {" ".join(_VOLATILE.sub("", line).split()) for line in text.splitlines() if line.strip()}


def redirected(seen: Exchange, gateway: str) -> bool:
    """Whether a redirect was believed: the gateway that it names is asked for."""
    return bool(gateway) and any(
        one.kind == "arp request" and one.facts.get("destination") == gateway for one in seen.heard
    )


def configured(seen: Exchange) -> bool:
    """Whether an advertisement was believed: an address of its prefix is looked for before it is used."""
    prefix = PREFIX.network_address.packed[:8].hex()
    return any(
        kind_of(one) == (6, 135) and str(one.facts.get("quotes", "")).startswith(prefix) for one in seen.heard
    )


def fragments(packet: Packet, number: int) -> tuple[Packet, Packet]:
    """A request in two fragments of eight octets each.

    The bench makes the checksum of the first one alone, so the second one has to add nothing to it: with IPv6
    its first word takes away what it adds to the length.
    """
    rest = "0000" if version_of(packet.destination) == 4 else "fff7"
    first = replace(packet, payload=packet.payload[:16], fragment=(0, True), identification=number)
    return first, replace(first, payload=rest.ljust(16, "0"), fragment=(8, False))


def takes_fragments(host: HostBench, link: str, version: int) -> bool:
    """Whether fragments have to be taken: IPv4 always; IPv6 unless they are no needed header."""
    needed = host.declared("network.required_ip_options")
    if version == 4 or needed is None:
        return True
    return any(row.get("header") == 44 and row.get("interface", "all") in ("all", link) for row in needed)
