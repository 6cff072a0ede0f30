"""What test cases about insecure services share: announcements, clear text, old versions, known names."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product

from drivers.interfaces.facts import SnmpAccess
from drivers.interfaces.host import Endpoint, HostBench, rows
from drivers.interfaces.replies import Fact, Heard, Scan, SnmpReply, SshOffer, WebReply
from testsuites.ts_33_117.packets import Sent, probe, protocol_of
from testsuites.ts_33_117.ports import Point, Service, open_at

NAMED = {
    *("ftp", "ftp-data", "tftp", "telnet", "exec", "login", "shell", "echo", "discard", "daytime", "chargen"),
    *("finger", "bootps", "auth", "ident", "x25-svc-port"),
}
ANNOUNCES = {"ethertype 0x88cc": "LLDP", "ethertype 0x6001": "MOP", "ethertype 0x6002": "MOP"}
CDP = "01:00:0c:cc:cc:cc"
WELL_KNOWN = ("public", "private")
AT_ONCE = 4


@dataclass(frozen=True)
class Frames:
    """What came on a link that nobody had asked for: `odd` is what no IP host needs to send."""

    link: str
    mac: str
    seconds: float
    came: int
    odd: tuple[Heard, ...]
    ref: str
    problem: str = ""


def announces(heard: Heard) -> str:
    """Which protocol of announcements a frame is of, or empty."""
    return ANNOUNCES.get(heard.kind, "CDP" if heard.facts.get("to_mac") == CDP else "")


def insecure(
    declared: Sequence[Service],
    identified: Iterable[Scan],
    pages: Iterable[tuple[Service, WebReply]],
    communities: Iterable[tuple[str, SnmpReply]],
    snmpd: Fact,
    ssh: Iterable[SshOffer],
) -> tuple[str, str] | None:
    """A declared service without protection that the operator did not switch on, with the evidence."""
    allowed = {(one.address, one.port) for one in declared if one.enabled and one.purpose}
    for scan in identified:
        for port in scan.ports:
            if port.state == "open" and port.service in NAMED and (scan.address, port.number) not in allowed:
                return f"{port.service} answers at port {port.number} of {scan.address}", scan.ref
    for service, reply in pages:
        where = f"port {service.port} of {service.address}"
        target = dict(reply.headers).get("location", "")
        redirects = reply.status in (301, 302, 303, 307, 308) and target.startswith("https://")
        if reply.outcome == "answered" and not redirects and (service.address, service.port) not in allowed:
            return (
                f"HTTP at {where} answers with status {reply.status} instead of a redirect to HTTPS",
                reply.ref,
            )
    if not any(one.enabled and one.port == 161 and one.purpose for one in declared):
        for version, answer in communities:
            if answer.outcome == "answered":
                return f"the SNMP agent answers {version} with a well-known community", answer.ref
        for access in rows(snmpd, SnmpAccess) if isinstance(snmpd.value, list) else ():
            if access.kind == "community":
                return f"the SNMP agent takes a community ({access.level})", snmpd.ref
    for offer in ssh:
        if offer.version.startswith("SSH-1."):
            return f"the SSH server speaks {offer.version[:20]}", offer.ref
    return None


def listen(host: HostBench, at: Iterable[Point]) -> tuple[Frames, ...]:
    """Listen on every link at once; an echo request makes the product show itself."""
    seconds = float(host.declared("scan.frames_s"))
    links = {point.interface: point for point in at if point.version == 4 or point.ours}
    found = []
    with ExitStack() as stack:
        heard = {name: stack.enter_context(host.watching(name)) for name in links}
        host.rest(seconds)
        for name, point in links.items():
            ask = Sent("echo", protocol_of(point.address), 0x5301, destination=point.address)
            host.exchange(name, [probe(ask)], seconds=0.5)
        for name, point in links.items():
            got = heard[name]()
            odd = [one for one in got.heard if announces(one)][:20]
            problem = got.problem or ("more came than is kept" if got.cut else "")
            found.append(Frames(name, point.mac, got.seconds, len(got.heard), tuple(odd), got.ref, problem))
    return tuple(found)


def identify(host: HostBench, declared: Iterable[Service], scans: Iterable[Scan]) -> tuple[Scan, ...]:
    """What answers at the declared TCP ports; each service is asked at one address."""
    opened, asked = open_at(scans), set[str]()
    by_address: dict[str, set[int]] = {}
    for one in declared:
        if (
            one.name not in asked
            and (one.address, one.protocol, one.port) in opened
            and one.protocol == "tcp"
        ):
            asked.add(one.name)
            by_address.setdefault(one.address, set()).add(one.port)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return tuple(
            pool.map(
                lambda one: host.scan(one[0], "tcp", ",".join(map(str, sorted(one[1]))), services=True),
                by_address.items(),
            )
        )


def plain_pages(
    host: HostBench, declared: Iterable[Service], identified: Iterable[Scan]
) -> tuple[tuple[Service, WebReply], ...]:
    """What declared services that speak plain HTTP answer."""
    plain = {(s.address, p.number) for s in identified for p in s.ports if p.service == "http"}
    found = []
    for one in declared:
        if (one.address, one.port) in plain:
            with host.web(Endpoint(one.name, "http", one.address, one.port)) as agent:
                found.append((one, agent.request("GET", "/")))
    return tuple(found)


def well_known(host: HostBench, declared: Iterable[Service]) -> tuple[tuple[str, SnmpReply], ...]:
    """What agents answer to the old versions with the well-known communities."""
    agents = {one.name: one for one in reversed(tuple(declared)) if (one.protocol, one.port) == ("udp", 161)}

    def ask(one: tuple[Service, str, str]) -> tuple[str, SnmpReply]:
        agent, version, community = one
        where = Endpoint(agent.name, "snmp", agent.address, agent.port)
        return f"{agent.name} {version}", host.snmp(where, community=community, version=version)

    with ThreadPoolExecutor(AT_ONCE) as pool:  # who does not know a community keeps silent
        return tuple(pool.map(ask, product(agents.values(), ("v1", "v2c"), WELL_KNOWN)))
