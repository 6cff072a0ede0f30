"""What test cases about the accounts of a product have in common: data bases, listings, what is declared."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any

from drivers.interfaces.host import Endpoint, HostBench
from drivers.interfaces.replies import Login, Ran

CANARY = "scascanary"
NO_SHELL = re.compile(r"(^|/)(nologin|false|sync|halt|shutdown|true)$|^$")


def own_database(host: HostBench) -> str:
    """The local data base in which persons have their accounts."""
    return str(next(one["name"] for one in host.declared("accounts.databases") if one.get("local", True)))


def _usm(text: str) -> str:
    """The name of an SNMPv3 user in a line of Net-SNMP's store: quoted, or in hexadecimal."""
    word = text.split()[4]
    return (
        bytes.fromhex(word[2:]).decode("utf-8", "replace").rstrip("\0")
        if word.startswith("0x")
        else word.strip('"')
    )


PARSERS: Mapping[str, Callable[[str], str]] = {
    "passwd": lambda line: line.partition(":")[0],
    "lines": str.strip,
    "usm": _usm,
}


@dataclass(frozen=True)
class Listing:
    """The accounts of one data base, as its declared listing tells."""

    database: str
    ran: Ran
    names: tuple[str, ...]
    problem: str = ""


def listings(host: HostBench) -> tuple[Listing, ...]:
    """Every data base whose listing is declared."""
    actions = host.declared("accounts.list_action") or {}
    return tuple(
        listed(host, name, actions.get(name, {}))
        for name in (one["name"] for one in host.declared("accounts.databases"))
        if name in actions
    )


def listed(host: HostBench, database: str, action: Mapping[str, Any] | None = None) -> Listing:
    """One data base, by its declared listing."""
    action = action or (host.declared("accounts.list_action") or {}).get(database, {})
    ran = host.act("accounts.list_action", database)
    parse = PARSERS.get(str(action.get("parse", "lines")))
    try:
        if parse is None:
            raise ValueError(f"nobody knows how to read {action.get('parse')!r}")
        names = tuple(parse(line) for line in ran.out.splitlines() if line.strip())
    except (ValueError, IndexError) as error:
        return Listing(database, ran, (), f"the listing cannot be read: {error}")
    return Listing(database, ran, names, "" if ran.ok else ran.problem or ran.err or "it did not end well")


def predefined(host: HostBench) -> dict[str, dict[str, Any]]:
    """The declared accounts of the delivery: data base, name, row."""
    own, found = own_database(host), dict[str, dict[str, Any]]()
    for row in host.declared("accounts.predefined"):
        found.setdefault(row.get("database") or own, {})[row["name"]] = row
    return found


def today(host: HostBench) -> int:
    """The day as the product counts it, as in shadow(5); 0 where it does not tell."""
    ran = host.root("echo $(( $(date +%s) / 86400 ))")
    return int(ran.out) if ran.ok and ran.out.strip().isdecimal() else 0


def served(host: HostBench, database: str) -> tuple[Endpoint, ...]:
    """The services where accounts of a data base log in with a secret that the bench can give."""
    row: Mapping[str, Any] = next(
        (d for d in host.declared("accounts.databases") if d["name"] == database), {}
    )
    return tuple(
        one
        for one in host.endpoints("ssh", "https", "http", "snmp")
        if one.name in row.get("serves", ()) and "challenge" not in (one.more.get("login") or {})
    )


def sources(host: HostBench, endpoint: Endpoint) -> tuple[str, ...]:
    """The harness's addresses from which an endpoint can be reached, of the endpoint's own IP version."""
    version = 6 if ":" in endpoint.address else 4
    found = [
        ip_interface(address)
        for row in host.declared("network.interfaces") or ()
        if row["name"] == endpoint.interface
        for address in row.get("harness_addresses", ())
    ]
    return tuple(str(one.ip) for one in found if one.version == version) or ("",)


@dataclass(frozen=True)
class Without:
    """An attempt to log in without the right attribute: "no attribute", "an empty password", ..."""

    how: str
    login: Login


def without(host: HostBench, endpoint: Endpoint, name: str, source: str = "") -> tuple[Without, ...]:
    """Attempts without an attribute, with an empty password and with a random wrong one."""
    wrong = host.secret()
    found = []
    if endpoint.via == "ssh":
        found.append(Without("no attribute", host.login(endpoint, name, method="none", source=source)))
    found.append(Without("an empty password", host.login(endpoint, name, "", source=source)))
    found.append(Without("a random password", host.login(endpoint, name, wrong, source=source)))
    return tuple(found)


def got_in_without(tries: Iterable[Without]) -> Without | None:
    """The first attempt that got in."""
    return next((one for one in tries if one.login.outcome == "in"), None)


def undecided(tries: Iterable[Without]) -> Without | None:
    """The first attempt that neither got in nor was refused."""
    return next((one for one in tries if one.login.outcome not in ("in", "refused", "closed")), None)
