"""IPv4 options and IPv6 extension headers (RFC 791, 8200, 8754) as test cases send them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address

from drivers.interfaces.host import HostBench, Packet
from testsuites.ts_33_117.packets import TCP
from testsuites.ts_33_117.ports import Point

PAD, NO_SEGMENTS = "010400000000", "0000" + "00000000"
OPTIONS = {  # type, and the whole option; {ours} is our own address, where a source route has ended
    "record route": (7, "07070400000000"),
    "timestamp": (68, "4408050000000000"),
    "loose source route": (131, "830708{ours}"),
    "strict source route": (137, "890708{ours}"),
    "router alert": (148, "94040000"),
    "security": (130, "820b000000000000000000"),
    "unknown option 94": (94, "5e040000"),
}
HEADERS: Mapping[str, tuple[tuple[int, str], ...]] = {  # number, and what follows the length
    "hop-by-hop options": ((0, PAD),),
    "destination options": ((60, PAD),),
    "routing type 0, no segments left": ((43, NO_SEGMENTS),),
    "routing type 0, a segment left": ((43, "0001" + "00000000" + "{ours}"),),
    "routing type 2, no segments left": ((43, "0200" + "00000000"),),
    "routing type 2, a segment left": ((43, "0201" + "00000000" + "{ours}"),),
    "routing type 4, no segments left": ((43, "0400" + "00000000" + "{ours}"),),
    "routing type 4, a segment left": ((43, "0401" + "00000000" + "{ours}"),),
    "atomic fragment": ((44, "0000" + "41535359"),),
}
CHAIN = "routing behind {}"


def unneeded(host: HostBench, point: Point) -> Iterator[tuple[str, Packet]]:
    """Each option or chain of headers that is not declared as needed there."""
    needed = [
        row
        for row in host.declared("network.required_ip_options")
        if row.get("interface", "all") in ("all", point.interface) and row.get("ip") in (None, point.version)
    ]
    ours = ip_address(point.ours).packed.hex()
    bare = Packet(point.address, TCP, "")
    if point.version == 4:
        exempt = {row.get("option") for row in needed}
        for name, (kind, octets) in OPTIONS.items():
            if kind not in exempt:
                yield name, replace(bare, options=octets.format(ours=ours))
        return
    exempt = {row.get("header") for row in needed}
    lead = next((n for n, chain in HEADERS.items() if chain[0][0] in exempt), "destination options")
    chains = {**HEADERS, CHAIN.format(lead): (*HEADERS[lead], (43, NO_SEGMENTS))}
    for name, chain in chains.items():
        if not {number for number, _ in chain} <= exempt:
            filled = tuple((number, octets.format(ours=ours)) for number, octets in chain)
            yield name, replace(bare, headers=filled)
