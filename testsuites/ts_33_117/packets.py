"""What test cases about raw packets share: payloads, and which of what came answers them."""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

from assay.case import Control
from drivers.interfaces.host import Arp, Packet
from drivers.interfaces.replies import Exchange, Heard
from testsuites.ts_33_117.ports import Service

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
ABORT = 6  # the SCTP chunk that refuses
ERRORS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}  # ICMP types that report an error
_REQUESTS = {  # what a UDP service answers: SNMPv3 without a user, GTP-U echo
    161: "303a020103300f02024a69020300ffe30401040201030410300e0400020100020100040004000400301204000400"
    "a00c020237f00201000201003000",
    2152: "320100040000000000010000",
}


def version_of(address: str) -> int:
    return 6 if ":" in address else 4


def protocol_of(address: str) -> int:
    """ICMP's number there."""
    return ICMPV6 if ":" in address else ICMP


def echo(address: str, ident: int, seq: int = 1) -> str:
    """An echo request, for this destination's IP version."""
    return struct.pack(">BBHHH", 128 if ":" in address else 8, 0, 0, ident, seq).hex() + b"assay".hex()


def icmp(kind: int, code: int, rest: bytes) -> str:
    """An ICMP or ICMPv6 message; its checksum is the bench's."""
    return (struct.pack(">BBH", kind, code, 0) + rest).hex()


def syn(source_port: int, port: int, sequence: int = 0x41530000) -> str:
    """A TCP SYN."""
    return struct.pack(">HHIIBBHHH", source_port, port, sequence, 0, 0x50, 2, 8192, 0, 0).hex()


def udp(source_port: int, port: int, data: str | None = None) -> str:
    """A UDP datagram, by default with a request that the service which is usual there answers."""
    body = bytes.fromhex(_REQUESTS.get(port, "") if data is None else data)
    return (struct.pack(">HHHH", source_port, port, 8 + len(body), 0) + body).hex()


def init(source_port: int, port: int) -> str:
    """An SCTP INIT (RFC 9260 clause 3.3.2), with its CRC32c."""
    chunk = struct.pack(">BBHIIHHI", 1, 0, 20, 0x41535341, 65_535, 10, 10, 1)
    packet = bytearray(struct.pack(">HHII", source_port, port, 0, 0) + chunk)
    crc = 0xFFFFFFFF
    for octet in packet:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    packet[8:12] = struct.pack("<I", crc ^ 0xFFFFFFFF)
    return bytes(packet).hex()


def _first(protocol: int, source_port: int, port: int) -> str:
    if protocol == TCP:
        return syn(source_port, port)
    return udp(source_port, port) if protocol == UDP else init(source_port, port)


# --- what came ----------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A probe: what it is, and how its answers are known. A port or identifier of 0 is not looked at."""

    what: str
    protocol: int
    port: int = 0  # of ours; or an ICMP identifier
    service: int = 0
    destination: str = ""


def answers(exchange: Exchange, sent: Sent) -> tuple[Heard, ...]:
    """What the product sent in answer, errors left out."""
    return tuple(heard for heard in exchange.heard if _answers(heard, sent))


def _answers(heard: Heard, sent: Sent) -> bool:
    facts = heard.facts
    if sent.protocol in (ICMP, ICMPV6):
        return heard.kind == "echo-reply" and facts.get("id") == sent.port
    if sent.protocol in (TCP, UDP):
        kind = heard.kind.startswith("tcp ") if sent.protocol == TCP else heard.kind == "udp"
        return kind and facts.get("port") == sent.port and facts.get("source_port") in (sent.service, None)
    return heard.kind == f"ip {sent.protocol}" and facts.get("port") in (sent.port, None)


def serves(heard: Heard) -> bool:
    """Whether an answer is one of a service, not a refusal."""
    if heard.kind.startswith("tcp "):
        return "S" in heard.kind.removeprefix("tcp ")
    return heard.facts.get("chunk") != ABORT


def errors(exchange: Exchange, sent: Sent) -> tuple[Heard, ...]:
    """ICMP errors that quote the probe."""
    ports = struct.pack(">HH", sent.port, sent.service).hex()
    ident = struct.pack(">H", sent.port).hex()
    mark = ident if sent.protocol in (ICMP, ICMPV6) else ports
    return tuple(
        heard
        for heard in exchange.heard
        if heard.kind.startswith("icmp") and mark in str(heard.facts.get("quotes", ""))
    )


def unheard(exchange: Exchange) -> str:
    """Why an exchange proves nothing by what did not come, or empty."""
    if exchange.problem:
        return exchange.problem
    if exchange.cut:
        return "more came than is kept"
    if any(heard.kind == "unreadable" for heard in exchange.heard):
        return "something came that cannot be read"
    return ""


def all_answered(what: str, exchange: Exchange, sent: Iterable[Sent], share: float = 1.0) -> Control:
    """Control: at least this share of the probes is answered by a service."""
    every = tuple(sent)
    got = sum(any(map(serves, answers(exchange, one))) for one in every)
    worked = bool(every) and got >= share * len(every) and not exchange.problem
    return Control(what, worked, exchange.problem or f"{got} of {len(every)} answered", refs=(exchange.ref,))


def probe(sent: Sent, source: str = "", *, link_destination: str = "", vlan: int | None = None) -> Packet:
    """The packet of a probe to a port, or of an echo request."""
    if sent.protocol in (ICMP, ICMPV6):
        payload = echo(sent.destination, sent.port)
    else:
        payload = _first(sent.protocol, sent.port, sent.service)
    return Packet(
        sent.destination, sent.protocol, payload, source, link_destination=link_destination, vlan=vlan
    )


# --- probes of services ----------------------------------------------------------

PROTOCOLS: Mapping[str, int] = {"tcp": TCP, "udp": UDP, "sctp": SCTP}
FIRST = 20_000  # source ports below those that systems take for themselves


def numbered(*groups: Iterable[Service]) -> tuple[tuple[Sent, ...], ...]:
    """A probe to each service of each group, each from a port of its own."""
    number, found = FIRST, []
    for group in groups:
        probes = []
        for one in group:
            number += 1
            what = f"{one.name} ({one.protocol} port {one.port} of {one.address})"
            probes.append(Sent(what, PROTOCOLS[one.protocol], number, one.port, one.address))
        found.append(tuple(probes))
    return tuple(found)


def about(exchange: Exchange, sent: Iterable[Sent]) -> Exchange:
    """What of an exchange is about these probes: answers, errors, and what cannot be read."""
    every = tuple(sent)
    heard = tuple(
        one
        for one in exchange.heard
        if one.kind.startswith(("icmp", "unreadable")) or any(_answers(one, probe) for probe in every)
    )
    return replace(exchange, heard=heard)


class Links(Protocol):
    """What sends packets and listens: the bench, or its reference stack."""

    def exchange(
        self, link: str, packets: Sequence[Packet | Arp] = (), *, seconds: float = ..., pace: float = ...
    ) -> Exchange: ...

    def watching(self, link: str) -> AbstractContextManager[Callable[[], Exchange]]: ...


def together(
    links: Links, plans: Mapping[str, Sequence[Packet | Arp]], *, seconds: float, pace: float
) -> dict[str, Exchange]:
    """Send on one link after the other and listen on all of them, to the end; what came on each."""
    with ExitStack() as stack:
        so_far = {link: stack.enter_context(links.watching(link)) for link in plans}
        for number, (link, packets) in enumerate(plans.items(), 1):
            links.exchange(link, packets, seconds=seconds if number == len(plans) else 0, pace=pace)
        return {link: replace(so_far[link](), sent=len(packets)) for link, packets in plans.items()}


def joined(exchanges: Iterable[Exchange]) -> Exchange:
    """What came on several links, as one; its problem is that of any of them."""
    every = tuple(exchanges)
    if not every:
        return Exchange("no link", 0, (), 0.0, problem="no link was tried")
    problem = next((why for one in every if (why := unheard(one))), "")
    heard = tuple(heard for one in every for heard in one.heard)
    sent, seconds = sum(one.sent for one in every), min(one.seconds for one in every)
    return replace(every[0], sent=sent, heard=heard, seconds=seconds, problem=problem)
