"""Port scans by nmap, and protocol probes where silence of a UDP port would prove nothing."""

import ipaddress
import os
import re
import socket
import struct
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from drivers import process, reach
from drivers.interfaces.replies import Port, Scan, Transport
from drivers.text import line

KEEP = 32 << 20  # octets of nmap's XML
MAX_PORTS, MAX_PORT = 70_000, 65_535
PROBE_S = 1.0
TFTP = 69
RATE_LIMITED = 1_000  # UDP ports; in longer scans nmap says "closed|filtered" of those that keep silent
RETRIES = {
    "tcp": "6",
    "udp": "6",
    "sctp": "2",
    "ip": "6",
}  # a stack says nothing of most SCTP ports, if of any
SILENT = ("open|filtered", "closed|filtered")
MUTE = "no-response"  # nmap's reason where nothing came

_KINDS: dict[Transport, str] = {"tcp": "-sS", "udp": "-sU", "sctp": "-sY", "ip": "-sO"}
_PROGRESS = re.compile(rb'<taskprogress [^>]{0,200}percent="([0-9.]{1,6})"')


def scan(
    address: str,
    transport: Transport,
    ports: str = "1-65535",
    *,
    rate: int = 1000,
    services: bool = False,
    within: float = 1800.0,
    source: str = "",
    device: str = "",
    progress: Callable[[float], None] = lambda percent: None,
) -> Scan:
    """Scan one declared address; ports that are closed are counted, all others are named.

    Args:
        address: an IPv4 or IPv6 address of the product.
        transport: "tcp" (SYN scan, without root by connections), "udp", "sctp" (INIT), or "ip" (protocols).
        ports: as nmap writes them, "1-65535" or "22,161" (for "ip" the protocols, "0-255").
        rate: probes a second at most.
        services: also ask what is there, with light probes.
        within: seconds for all; nmap gives up a host before.
        source: the address of ours to come from; `device` the interface.
        progress: told in percent as the scan goes.

    Raises:
        LabError: nmap is missing.
        ValueError: the ports are not such a list.
    """
    reach.check_host(address)
    _numbers(ports)
    words = _words(address, transport, ports, rate, services, within, source, device)

    def watch(octets: bytes) -> None:
        for percent in _PROGRESS.findall(octets):
            progress(float(percent))

    done = process.run(words, within=within + 15, keep=KEEP, watch=watch)
    if done.cut:
        why = f"nmap did not end within {within:g} s, or said too much"
        return Scan(address, transport, 0, (), 0, done.seconds, why)
    found = read(done.out, address, transport)
    if done.status != 0 and not found.problem:
        found = replace(found, problem=f"nmap ended with {done.status}: {line(done.err, 300)}")
    if transport == "tcp" and os.geteuid() != 0:
        found = replace(found, ports=tuple(p for p in found.ports if not _self_connected(address, p.number)))
    if transport == "udp":
        found = replace(found, ports=tuple(_silent_ports(found, ports, source)))
    return replace(found, seconds=done.seconds)


def _words(
    address: str,
    transport: Transport,
    ports: str,
    rate: int,
    services: bool,
    within: float,
    source: str,
    device: str,
) -> list[str]:
    kind = _KINDS[transport]
    if transport == "tcp" and os.geteuid() != 0:
        kind = "-sT"
    words = ["nmap", "-oX", "-", "-n", "-Pn", kind, "-p", ports, "--max-rate", str(max(rate, 1))]
    words += ["--max-retries", RETRIES[transport], "--stats-every", "5s"]
    words += ["--host-timeout", f"{max(int(within), 1)}s"]
    if transport == "udp" and len(_numbers(ports)) > RATE_LIMITED:
        # a host that limits its ICMP errors would make nmap wait a second for each closed port
        words.append("--defeat-icmp-ratelimit")
    words += ["--defeat-rst-ratelimit"] if kind == "-sS" else []
    if services:
        words += ["-sV", "--version-intensity", "2"]
    if ipaddress.ip_address(address.partition("%")[0]).version == 6:
        words.append("-6")
    if source:
        words += ["-S", source]
    if device:
        words += ["-e", device]
    return [*words, address]


def read(xml: bytes, address: str, transport: Transport) -> Scan:
    """nmap's XML; `problem` where it is not whole, or where it skipped the host."""
    try:
        root = ET.fromstring(xml)  # noqa: S314 - our own nmap wrote it, and expat bounds what entities do
    except ET.ParseError as error:
        return Scan(address, transport, 0, (), 0, 0.0, f"nmap's XML cannot be read: {line(str(error), 100)}")
    problem = ""
    finished = root.find("runstats/finished")
    if finished is None or finished.get("exit") != "success":
        problem = "nmap did not finish"
    host = root.find("host")
    if host is None:
        return Scan(address, transport, 0, (), 0, 0.0, problem or "nmap says nothing about the host")
    if host.get("timedout") == "true":
        problem = "nmap gave the host up: it answered too slowly"
    ports = [_port(one, transport) for one in host.iterfind("ports/port")][:MAX_PORTS]
    others = {e.get("state", ""): _int(e.get("count")) for e in host.iterfind("ports/extraports")}
    kept = tuple(port for port in ports if port.state != "closed")
    closed = others.get("closed", 0) + len(ports) - len(kept)
    scanned = len(ports) + sum(others.values())
    others.pop("closed", None)
    mute = [_int(e.get("count")) for e in host.iterfind(f"ports/extraports/extrareasons[@reason='{MUTE}']")]
    silent = sum(mute) + sum(port.reason == MUTE for port in ports)
    return Scan(address, transport, scanned, kept, closed, 0.0, problem, others, silent)


def _port(one: ET.Element, transport: Transport) -> Port:
    state, service = one.find("state"), one.find("service")
    told = service.attrib if service is not None and service.get("method") == "probed" else {}
    name = service.get("name", "") if service is not None else ""
    if service is not None and service.get("tunnel") == "ssl":
        name = f"ssl/{name}"
    product = " ".join(filter(None, (told.get("product"), told.get("version"), told.get("extrainfo"))))
    return Port(
        transport,
        _int(one.get("portid")),
        state.get("state", "") if state is not None else "",
        state.get("reason", "") if state is not None else "",
        line(name, 60),
        line(product, 200),
    )


def _int(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0


def _self_connected(address: str, port: int) -> bool:
    """Whether a connection to a port is one to itself: both ends have the same address and port."""
    for _ in range(3):
        with suppress(OSError), socket.create_connection((address, port), 2) as sock:
            if sock.getsockname()[:2] != sock.getpeername()[:2]:
                return False
    return True


# --- protocol probes --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """A request that a server of a protocol answers, and how its answer is known."""

    name: str
    ports: tuple[int, ...]
    request: bytes
    known: Callable[[bytes], bool]


def _ber(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((tag, len(body))) + body


_SNMP_GET = _ber(
    0x30,
    _ber(0x02, b"\x01"),
    _ber(0x04, b"public"),
    _ber(
        0xA1,
        _ber(0x02, b"\x11\x22\x33\x44"),
        _ber(0x02, b"\x00"),
        _ber(0x02, b"\x00"),
        _ber(0x30, _ber(0x30, _ber(0x06, bytes.fromhex("2b06010201")), _ber(0x05))),
    ),
)
# SNMPv3 without a user: an engine has to report its identity (RFC 3414 clause 4)
_SNMP3 = bytes.fromhex(
    "303a020103300f02024a69020300ffe30401040201030410300e0400020100020100040004000400301204000400"
    "a00c020237f00201000201003000"
)
_DNS = bytes.fromhex("414200000001000000000000") + b"\x07version\x04bind\x00" + bytes.fromhex("00100003")
_PFCP_HEARTBEAT = bytes.fromhex("2001000c00002a00") + bytes.fromhex("00600004") + b"\xe8\x00\x00\x00"
_GTPU_ECHO = bytes.fromhex("320100040000000000010000")
_GTPC_ECHO = bytes.fromhex("4001000900000100") + bytes.fromhex("0300010000")
_TFTP = b"\x00\x01assay\x00octet\x00"
_RPC_NULL = struct.pack(">4s9I", b"ABCD", 0, 2, 100_000, 2, 0, 0, 0, 0, 0)
_IKE = bytes.fromhex("0102030405060708" + "00" * 8 + "29202208" + "00000000" + "0000001c")
_SIP = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\n\r\n"
)

PROBES: tuple[Probe, ...] = (
    Probe("snmp v3", (161,), _SNMP3, lambda a: a[:1] == b"\x30" and b"\x02\x01\x03" in a[:8]),
    Probe("snmp v2c", (161,), _SNMP_GET, lambda a: a[:1] == b"\x30" and b"\x02\x01\x01" in a[:8]),
    Probe("dns", (53, 5353), _DNS, lambda a: a[:2] == b"AB" and len(a) > 11 and a[2] & 0x80 != 0),
    Probe("ntp", (123,), b"\x23" + bytes(47), lambda a: len(a) >= 48 and a[0] & 7 == 4),
    Probe("gtp-u echo", (2152,), _GTPU_ECHO, lambda a: len(a) >= 8 and a[0] >> 5 == 1 and a[1] == 2),
    Probe("gtp-c echo", (2123,), _GTPC_ECHO, lambda a: len(a) >= 8 and a[0] >> 5 == 2 and a[1] in (2, 3)),
    Probe("pfcp heartbeat", (8805,), _PFCP_HEARTBEAT, lambda a: len(a) >= 8 and a[0] >> 5 == 1 and a[1] == 2),
    Probe("tftp", (69,), _TFTP, lambda a: a[:2] in (b"\x00\x03", b"\x00\x05")),
    Probe("rpcbind", (111,), _RPC_NULL, lambda a: a[:4] == b"ABCD"),
    Probe("ike", (500,), _IKE, lambda a: a[:8] == _IKE[:8] and len(a) >= 28),
    Probe("sip", (5060,), _SIP, lambda a: a[:8] == b"SIP/2.0 "),
    Probe("echo", (7,), b"assay", lambda a: a == b"assay"),
    Probe("daytime", (13,), b"\n", lambda a: bool(a)),
    Probe("chargen", (19,), b"\n", lambda a: bool(a)),
)


def probe(address: str, port: int, *, source: str = "", probes: Iterable[Probe] = PROBES) -> tuple[str, str]:
    """Ask a UDP port in the protocols that are usual there; the probe's name and "answered", or a problem.

    The state is "answered", "closed" (an ICMP error came) or "silence". TFTP answers from another port.
    """
    reach.check_host(address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for one in probes:
        if port not in one.ports:
            continue
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            if source:
                sock.bind((source, 0))
            try:
                if port == TFTP:
                    sock.sendto(one.request, (address, port))
                else:
                    sock.connect((address, port))  # so that an ICMP error is told
                    sock.send(one.request)
                deadline = time.monotonic() + PROBE_S
                while (left := deadline - time.monotonic()) > 0:
                    sock.settimeout(left)
                    answer, peer = sock.recvfrom(65_535)
                    if peer[0] == address and one.known(answer):
                        return one.name, "answered"
            except TimeoutError:
                continue
            except OSError:
                return one.name, "closed"
    return "", "silence"


def _silent_ports(found: Scan, ports: str, source: str) -> Iterator[Port]:
    """The ports of a UDP scan, those that kept silent asked in their own protocol."""
    listed = {port.number for port in found.ports}
    usual = {number for one in PROBES for number in one.ports}
    unlisted = usual - listed if any(found.others.get(state) for state in SILENT) else set()
    yield from (port for port in found.ports if port.state not in SILENT)
    for port in found.ports:
        if port.state in SILENT:
            name, state = probe(found.address, port.number, source=source)
            yield replace(port, state="open", reason="probe", probe=name) if state == "answered" else port
    for number in sorted(unlisted & _numbers(ports)):
        name, state = probe(found.address, number, source=source)
        if state == "answered":
            yield Port("udp", number, "open", "probe", probe=name)


def _numbers(ports: str) -> set[int]:
    """The ports that a list as nmap writes it means."""
    found: set[int] = set()
    for part in ports.split(","):
        first, dash, last = part.strip().partition("-")
        found.update(range(int(first or 1), (int(last or MAX_PORT) if dash else int(first)) + 1))
    return found
