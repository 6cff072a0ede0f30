"""What test cases about services share: what is declared, what a host says it listens at, and scans of it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_interface
from typing import Any

from assay.case import Control
from assay.errors import UnseenError
from assay.verdict import Verdict, inconclusive
from drivers.interfaces.facts import Interface, Listener
from drivers.interfaces.host import HostBench, rows, unread
from drivers.interfaces.replies import Fact, Port, Scan, Transport
from testsuites.ts_33_117.common import first

EVERY_PORT = "0-65535"
PORTS = 65_536
TRANSPORTS: tuple[Transport, ...] = ("tcp", "udp", "sctp")
USUAL = {1, 2, 6, 17, 58}  # IP protocols of every node: ICMP, IGMP, TCP, UDP, ICMPv6
IN_PROTOCOL = "proto-response"  # nmap's reason where an IP protocol itself answered


@dataclass(frozen=True)
class Point:
    """An address of the product on one of its interfaces, and the harness's own and foreign ones there."""

    interface: str
    address: str
    version: int
    mac: str
    ours: str
    stranger: str = ""  # an address of ours that no service names as its peer


@dataclass(frozen=True)
class Service:
    """A declared listener at one address."""

    name: str
    interface: str
    address: str
    protocol: str
    port: int
    always: bool
    purpose: str = ""
    enabled: bool = False  # not always there: the operator switches it on
    peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """What the host says it listens at, twice, so that sockets of clients, which come and go, are told."""

    own_session: Control
    before: Fact
    after: Fact


def points(host: HostBench) -> tuple[Point, ...]:
    """The product's addresses of the IP versions in use; UnseenError where there is none."""
    found = []
    for one in host.declared("network.interfaces"):
        for text in one["addresses"]:
            address = ip_interface(text).ip
            if address.version not in versions(host, one["name"]):
                continue
            ours, stranger = (
                next((str(a) for a in map(_bare, one.get(key) or ()) if a.version == address.version), "")
                for key in ("harness_addresses", "other_addresses")
            )
            mac = str(one.get("mac") or "")
            found.append(Point(one["name"], str(address), address.version, mac, ours, stranger))
    first(found, "an address in network.interfaces")
    return tuple(found)


def _bare(text: str) -> Any:
    return ip_interface(text).ip


def link_local(host: HostBench, point: Point) -> str:
    """The product's own there: as it says, else as its MAC address makes it (RFC 4291 appendix A)."""
    for row in rows(host.fact("interfaces"), Interface):
        for text in row.addresses if row.mac.lower() == point.mac.lower() else ():
            with suppress(ValueError):  # these are the product's words
                if (address := IPv6Address(text.partition("/")[0])).is_link_local:
                    return str(address)
    mac = bytes.fromhex(point.mac.replace(":", ""))
    octets = bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + octets))


def versions(host: HostBench, interface: str) -> set[int]:
    """The IP versions in use at an interface."""
    declared = host.declared("network.ip_versions")
    if isinstance(declared, Mapping):
        declared = declared.get(interface, ())
    return set(declared if declared is not None else (4, 6))


def services(host: HostBench, at: Iterable[Point]) -> tuple[Service, ...]:
    """The declared listeners, one a line for each address; those that are internal are left out."""
    found = []
    every = tuple(at)
    for one in host.declared("services.list"):
        if one.get("internal"):
            continue
        where = [
            point
            for point in every
            if one.get("address") in (None, point.address) and one.get("interface") in (None, point.interface)
        ]
        if not where or not (one.get("address") or one.get("interface")):
            raise UnseenError(f"not declared: at which interface or address {one['name']} listens")
        demand = one.get("when") == "on-demand"
        for point in where:
            found.append(
                Service(
                    str(one["name"]),
                    point.interface,
                    point.address,
                    str(one["protocol"]),
                    int(one["port"]),
                    not demand,
                    str(one.get("purpose") or ""),
                    demand,
                    tuple(one.get("peers") or ()),
                )
            )
    return tuple(found)


def second_address(host: HostBench, point: Point) -> str:
    """Another address of ours on the link."""
    for row in host.declared("network.interfaces"):
        if row["name"] == point.interface:
            for text in (*row.get("harness_addresses", ()), *row.get("other_addresses", ())):
                address = text.partition("/")[0]
                if address != point.ours and (":" in address) == (point.version == 6):
                    return str(address)
    raise UnseenError(f"not declared: a second address of the harness on {point.interface}")


# --- what the host says ----------------------------------------------------------------------


def listing(host: HostBench, before: Fact) -> Listing:
    """What the host says now, with `before`; root sees the harness's own session among the connections."""
    port = first(host.endpoints("ssh"), "an entry of oam.endpoints with via ssh").port or 22
    ran = host.root("id -u; ss -Htn state established || netstat -tn")
    uid, *connections = ran.out.splitlines() or [""]
    there = uid == "0" and any(f":{port} " in f"{line} " for line in connections)
    saw = f"uid {uid or 'unknown'}, {len(connections)} connections" + (
        "" if there else ", ours not among them"
    )
    own = Control("root's list of connections has the harness's own session", there, saw, refs=(ran.ref,))
    return Listing(own, before, host.fact("listening", fresh=True))


def unlisted(listing: Listing) -> Verdict | None:
    """INCONCLUSIVE where what the host says of itself does not count."""
    if not listing.own_session.worked:
        return inconclusive(
            f"control failed: {listing.own_session.what}: {listing.own_session.saw}",
            *listing.own_session.refs,
        )
    return unread(listing.before, listing.after)


def _reaches(row: Listener, address: str) -> bool:
    """Whether a socket takes what is sent to an address."""
    if row.address == "*":
        return True
    return row.address == address or (row.address == "0.0.0.0" and ":" not in address)  # noqa: S104


def steady(listing: Listing) -> tuple[Listener, ...]:
    """The sockets that were there before and after, at addresses that others can reach."""
    before, after = ({_key(row): row for row in _outside(fact)} for fact in (listing.before, listing.after))
    return tuple(row for key, row in after.items() if key in before)


def _outside(fact: Fact) -> Iterator[Listener]:
    for row in rows(fact, Listener) if isinstance(fact.value, list) else ():
        bare = row.address if row.address != "*" else "::"
        local = row.device == "lo" or ip_address(bare).is_loopback
        if row.transport in ("tcp", "udp", "sctp") and not local:
            yield row


def _key(row: Listener) -> tuple[str, str, int, int]:
    return row.transport, row.address, row.port, row.pid


def holders(listing: Listing, transport: str, address: str, port: int) -> list[Listener]:
    """Who listens at a port of an address, as the host says."""
    return [
        row
        for row in steady(listing)
        if (row.transport, row.port) == (transport, port) and _reaches(row, address)
    ]


# --- scans ----------------------------------------------------------------------


def scan_all(host: HostBench, at: Iterable[Point], *, protocols: bool = True) -> tuple[Scan, ...]:
    """Every port of TCP, UDP and SCTP, and the IP protocols, of each address."""
    found = []
    for point in at:
        for transport in TRANSPORTS:
            found.append(host.scan(point.address, transport, EVERY_PORT))
        if protocols:
            found.append(host.scan(point.address, "ip", "0-255"))
    return tuple(found)


def second_look(
    host: HostBench, scans: Iterable[Scan], declared: Iterable[Service], listed: Listing
) -> tuple[Scan, ...]:
    """Scans of single ports: those that are declared or listed and were not open."""
    wanted = tuple(declared)
    found = []
    for one in scans:
        if one.transport == "ip":
            continue
        known = {s.port for s in wanted if (s.address, s.protocol) == (one.address, one.transport)}
        open_ports = {port.number for port in one.ports if port.state == "open"}
        rest = known - open_ports
        rest |= {
            row.port
            for row in steady(listed)
            if row.transport == one.transport and _reaches(row, one.address)
        } - open_ports  # a probe may have been lost
        if rest:
            text = ",".join(map(str, sorted(rest)[:200]))
            found.append(host.scan(one.address, one.transport, text))
    return tuple(found)


def open_at(scans: Iterable[Scan]) -> dict[tuple[str, str, int], tuple[Port, str]]:
    """What is open: address, transport and port, with what answers and the evidence; the last look counts."""
    found = {}
    for one in scans:
        for port in one.ports:
            if port.state == "open" and (one.transport != "ip" or port.reason == IN_PROTOCOL):
                found[one.address, str(one.transport), port.number] = (port, one.ref)
    return found


def silent_at(scans: Iterable[Scan]) -> dict[tuple[str, str, int], str]:
    """Ports that were looked at one by one and said nothing, with the evidence."""
    return {
        (one.address, str(one.transport), port.number): one.ref
        for one in scans
        for port in one.ports
        if port.state != "open" and port.reason == "no-response"
    }


def undeclared(scans: Iterable[Scan], declared: Iterable[Service], listed: Listing) -> tuple[str, str] | None:
    """The first port that is open, or silent and listened at, and is not declared; and its evidence."""
    every, known = tuple(scans), {(s.address, s.protocol, s.port) for s in declared}
    protocols = {s.protocol for s in declared}
    for (address, transport, number), (port, ref) in sorted(open_at(every).items()):
        if (address, transport, number) in known:
            continue
        if transport == "ip":
            if number not in USUAL and not (number == 132 and "sctp" in protocols):
                return f"{address} answers IP protocol {number}, which is not declared", ref
            continue
        what = port.product or port.probe or port.reason
        return f"{transport} port {number} of {address} is open and not declared ({what})", ref
    if unlisted(listed):
        return None
    for (address, transport, number), ref in sorted(silent_at(every).items()):
        who = holders(listed, transport, address, number)
        # a TCP service answers a SYN, so one that does not is filtered
        if transport != "tcp" and who and (address, transport, number) not in known:
            name = who[0].process or "a process"
            where = f"{transport} port {number} of {address}"
            return f"{where} is not refused, is not declared, and {name} listens there", ref
    return None


def unscanned(scans: Iterable[Scan], declared: Iterable[Service], listed: Listing) -> Verdict | None:
    """INCONCLUSIVE where a scan does not count: it failed, or nothing shows that it got there.

    It got there where a declared port is open or where ports were refused. Where ports say nothing, the
    host's own list has to count; where a whole transport does, another has to have got there as well.
    """
    every, known = tuple(scans), {(s.address, s.protocol, s.port) for s in declared}
    if not every:
        return inconclusive("nothing was scanned")
    opened = open_at(every)
    reached = {
        (one.address, one.transport)
        for one in every
        if one.transport != "ip"
        and (
            one.silent < one.scanned
            or any(key in known for key in opened if key[:2] == (one.address, one.transport))
        )
    }
    for one in every:
        if one.problem or not one.scanned:
            return inconclusive(f"{one.transport} scan of {one.address}: {one.problem or 'no port'}", one.ref)
        if one.transport == "ip":
            continue
        if (one.address, one.transport) in reached:
            if one.silent and (doubt := unlisted(listed)):
                return doubt
            continue
        if not any(address == one.address for address, _ in reached):
            return inconclusive(f"{one.address} is silent: nothing shows that the scan got there", one.ref)
        if unlisted(listed):
            return inconclusive(
                f"{one.address} is silent over {one.transport}, and the host's own list does not help",
                one.ref,
            )
    return None
