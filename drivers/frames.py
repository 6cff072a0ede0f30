"""Ethernet frames: from a packet as a suite describes it, and to words and facts of what came."""

import ipaddress
import struct
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

from drivers.interfaces.host import Packet
from drivers.interfaces.replies import Heard
from drivers.text import line

FRAGMENT = 44  # the fragment header of IPv6
SCTP = 132
_CHECKSUM_AT = {1: 2, 2: 2, 6: 16, 17: 6, 58: 2}  # where the checksum stands in ICMP, IGMP, TCP, UDP, ICMPv6


def ip_packet(packet: Packet, source: str) -> bytes:
    """The octets of a packet from this source, with lengths and checksums as they should be."""
    payload = bytes.fromhex(packet.payload)
    four = ipaddress.ip_address(packet.destination).version == 4
    return (_ipv4 if four else _ipv6)(packet, source, payload)


def _ipv4(packet: Packet, source: str, payload: bytes) -> bytes:
    options = bytes.fromhex(packet.options)
    options += bytes(-len(options) % 4)
    if len(options) > 40:
        raise ValueError(f"{len(options)} octets of IPv4 options, at most 40 fit")
    offset, more = packet.fragment or (0, False)
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(packet.destination).packed
    payload = _with_checksum(packet, payload, addresses, packet.protocol)
    identification = packet.identification if packet.identification is not None else 0x4153
    head = struct.pack(
        ">BBHHHBBH",
        0x45 + len(options) // 4,
        packet.dscp << 2,
        20 + len(options) + len(payload),
        identification,
        (0x2000 if more else 0) | offset // 8,
        packet.hop_limit,
        packet.protocol,
        0,
    )
    head += addresses + options
    return head[:10] + struct.pack(">H", _sum(head)) + head[12:] + payload


def _ipv6(packet: Packet, source: str, payload: bytes) -> bytes:
    addresses = ipaddress.IPv6Address(source).packed + ipaddress.IPv6Address(packet.destination).packed
    payload = _with_checksum(packet, payload, addresses, packet.protocol)
    headers = list(packet.headers)
    if packet.fragment is not None:
        offset, more = packet.fragment
        headers.append(
            (FRAGMENT, struct.pack(">HI", offset | more, packet.identification or 0x41535359).hex())
        )
    following = packet.protocol
    body = payload
    for number, octets in reversed(headers):
        data = bytes.fromhex(octets)
        if number == FRAGMENT:
            body = bytes((following, 0)) + data[:6].ljust(6, b"\0") + body
        else:
            data = data.ljust(6, b"\0")
            data += bytes(-(len(data) - 6) % 8)
            body = bytes((following, (len(data) - 6) // 8)) + data + body
        following = number
    head = struct.pack(">IHBB", 0x60000000 | packet.dscp << 22, len(body), following, packet.hop_limit)
    return head + addresses + body


def _with_checksum(packet: Packet, payload: bytes, addresses: bytes, protocol: int) -> bytes:
    at = _CHECKSUM_AT.get(protocol)
    if at is None or len(payload) < at + 2 or (packet.fragment is not None and packet.fragment[0] > 0):
        return payload
    bare = payload[:at] + b"\0\0" + payload[at + 2 :]
    pseudo = b"" if protocol in (1, 2) else addresses + struct.pack(">II", len(payload), protocol)
    value = _sum(pseudo + bare)
    if packet.bad_checksum:
        value ^= 0x0101
    return payload[:at] + struct.pack(">H", value or (0xFFFF if protocol == 17 else 0)) + payload[at + 2 :]


def _sum(octets: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    octets += bytes(len(octets) % 2)
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# --- what came ---------------------------------------------------------------------------------------------

_ECHO = {0: "echo-reply", 8: "echo-request"}
_ECHO6 = {129: "echo-reply", 128: "echo-request"}


def tell(octets: bytes, at: float = 0.0, number: int = 0) -> Heard:
    """A frame in words and facts; a frame that cannot be read is told as that."""
    facts: dict[str, Any] = {"mac": octets[6:12].hex(":"), "to_mac": octets[:6].hex(":")}
    try:
        frame = Ether(octets)
        kind, more = _kind(frame)
        facts |= more
        summary = line(frame.summary(), 200)
    except Exception:  # a dissector may raise anything on what a product makes up
        return Heard(at, "", "unreadable", octets[:64].hex(), number, facts)
    return Heard(at, str(facts.get("source", "")), kind, summary, number, facts)


def _kind(frame: Any) -> tuple[str, dict[str, Any]]:
    facts: dict[str, Any] = {"ethertype": int(frame.type) if hasattr(frame, "type") else 0}
    if frame.haslayer(Dot1Q):
        facts["vlan"] = int(frame[Dot1Q].vlan)
    if frame.haslayer(ARP):
        arp = frame[ARP]
        facts |= {"source": arp.psrc, "destination": arp.pdst, "hardware": arp.hwsrc}
        return ("arp reply" if arp.op == 2 else "arp request"), facts
    ip = frame.getlayer(IP) or frame.getlayer(IPv6)
    if ip is None:
        return f"ethertype {facts['ethertype']:#06x}", facts
    facts |= {
        "source": ip.src,
        "destination": ip.dst,
        "hop_limit": int(ip.ttl if ip.version == 4 else ip.hlim),
    }
    kind, more = _transport(ip)
    return kind, facts | more


def _transport(ip: Any) -> tuple[str, dict[str, Any]]:
    if ip.haslayer(ICMP):
        icmp = ip[ICMP]
        facts: dict[str, Any] = {"type": int(icmp.type), "code": int(icmp.code)}
        facts |= {
            "id": int(icmp.id or 0),
            "seq": int(icmp.seq or 0),
            "quotes": bytes(icmp.payload)[:64].hex(),
        }
        return _ECHO.get(icmp.type, f"icmp {icmp.type}/{icmp.code}"), facts
    if ip.version == 6:
        octets = _icmpv6(bytes(ip))
        if octets:
            facts = {"type": octets[0], "code": octets[1], "quotes": octets[8:72].hex()}
            facts |= {"id": int.from_bytes(octets[4:6]), "seq": int.from_bytes(octets[6:8])}
            return _ECHO6.get(octets[0], f"icmpv6 {octets[0]}/{octets[1]}"), facts
    for layer, name in ((TCP, "tcp"), (UDP, "udp")):
        if ip.haslayer(layer):
            facts = {"source_port": int(ip[layer].sport), "port": int(ip[layer].dport)}
            if layer is TCP:
                facts |= {"seq": int(ip[TCP].seq), "ack": int(ip[TCP].ack)}
                return f"tcp {ip[TCP].flags}", facts
            return name, facts
    number, octets = int(ip.proto if ip.version == 4 else ip.nh), bytes(ip.payload)
    if number == SCTP and len(octets) > 12:  # the type of the first chunk (RFC 9260 clause 3.2)
        source_port, port = struct.unpack(">HH", octets[:4])
        return "ip 132", {"source_port": source_port, "port": port, "chunk": octets[12]}
    return f"ip {number}", {}


def _icmpv6(octets: bytes) -> bytes:
    """The ICMPv6 message of an IPv6 packet behind whatever extension headers, or empty."""
    following, at = octets[6], 40
    while following in (0, 43, 60) and at + 2 <= len(octets):
        following, at = octets[at], at + 8 + 8 * octets[at + 1]
    return octets[at:] if following == 58 and len(octets) >= at + 8 else b""
