"""A first look at a product nobody has declared yet, from outside and, with an account, from inside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from assay import draft
from assay.errors import LabError, UsageError
from assay.profile import secret_text
from drivers import facts, portscan, reach
from drivers.interfaces.replies import Fact, SshOffer
from drivers.ssh import Client, HostKeys, Server

UDP = "53,67,69,123,137,161,162,500,514,623,1812,2123,2152,4500,8805"


@dataclass(frozen=True)
class Inside:
    """An account to look inside with, and the host key that the server has to show before it is used."""

    user: str
    secret: str
    host_key: str
    become: str


def look(
    addresses: Sequence[str], out: Path, *, name: str, ports: str, rate: int, inside: Inside | None
) -> Iterator[str]:
    """Look, write the draft, and say what was found; LabError where a tool or the account does not do."""
    for address in addresses:
        try:
            ip_address(address)
        except ValueError:
            raise UsageError(f"{address!r} is no IPv4 or IPv6 address") from None
    with reach.only((), hosts=addresses):
        scans, offers = [], dict[tuple[str, int], SshOffer]()
        for address in addresses:
            tcp = portscan.scan(address, "tcp", ports, rate=rate, services=True)
            udp = portscan.scan(address, "udp", UDP, rate=rate)
            for scan in (tcp, udp):
                if scan.problem:
                    raise LabError(f"{scan.transport} scan of {address}: {scan.problem}")
                found = sorted(port.number for port in scan.ports if port.state == "open")
                yield f"{address}: open {scan.transport} ports: {', '.join(map(str, found)) or 'none'}"
            for port in tcp.ports:
                if port.state == "open" and port.service == "ssh":
                    with Client(Server(address, port.number)) as client:
                        offer = client.offer()
                    offers[address, port.number] = offer
                    key = offer.host_key.fingerprint if offer.host_key else offer.said
                    yield f"{address}:{port.number}: SSH, host key {key}: compare it with the console's"
            scans += [tcp, udp]
        tree = draft.outside(scans, offers)
        if inside is not None:
            where = next((place for place, one in offers.items() if _shows(one, inside.host_key)), None)
            if where is None:
                raise LabError(f"no SSH server there shows the host key {inside.host_key}")
            tree = draft.merged(tree, draft.inside(_facts(where, inside)))
            yield f"looked inside as {inside.user}"
    out.write_text(draft.profile(name, tree), "utf-8")
    yield f"draft: {out}; fill in every empty reason, purpose and holder, then: assay doctor {out}"


def _shows(offer: SshOffer, key: str) -> bool:
    return offer.host_key is not None and offer.host_key in HostKeys([key])


def _facts(where: tuple[str, int], inside: Inside) -> dict[str, Fact]:
    from drivers.host.sessions import root_runner

    password = secret_text(inside.secret, Path.cwd())
    with Client(Server(*where, HostKeys([inside.host_key]))) as client:
        login = client.login(inside.user, password)
        if login.outcome != "in":
            raise LabError(f"{inside.user} does not get in: {login.outcome} {login.said}")
        run = root_runner(client, inside.become, password, within=facts.WITHIN, keep=facts.KEEP)
        names = ("accounts", "shadow", "processes", "sudoers", "special_files", "interfaces", "listening")
        found = facts.collect(run, names).facts
    for one in found.values():
        if one.value is None:
            raise LabError(
                f"{one.name} could not be read: {one.problem}; does --become make {inside.user} root?"
            )
    return dict(found)
