"""ICMP messages as test cases send them, and what a product's messages mean (RFC 792, 4443, 4861, 8106)."""

import struct
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from drivers.interfaces.host import HostBench, Packet
from drivers.interfaces.replies import Heard
from testsuites.ts_33_117.packets import ICMP, ICMPV6, TCP, Sent, icmp, protocol_of
from testsuites.ts_33_117.ports import Point, services

ROUTER = "fe80::5301"  # nobody's: a router that we play
ROUTER_MAC = "02:53:43:41:53:01"
ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"
PREFIX = IPv6Network("2001:db8:5301::/64")
SECONDS = 30  # how long what a router advertises lives
ECHO = {4: 8, 6: 128}


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
