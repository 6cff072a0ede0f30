"""The network of a host: sockets, interfaces, routes, packet filters, and the SNMP agent."""

import ipaddress
import itertools
import re
from collections.abc import Iterator
from typing import Any

from drivers.facts.parse.sections import lines, load, number, sections, some, uncommented
from drivers.interfaces.facts import Interface, Listener, Route, Rule, SnmpAccess

_SS_HOLDER = re.compile(r'\(\("([^"]{0,200})",pid=(\d{1,9})')


def ss(text: str) -> list[Listener]:
    """`ss -H -lntupSw`."""
    rows = []
    for one in lines(text):
        fields = one.split(None, 6)
        if len(fields) < 6:
            raise ValueError(f"not a line of ss: {one[:80]!r}")
        transport, state, _, _, local, _ = fields[:6]
        if transport == "v_str" or state in ("ESTAB", "TIME-WAIT"):
            continue
        address, device, port = _endpoint(local)
        holder = _SS_HOLDER.search(fields[6] if len(fields) > 6 else "")
        names = (holder[1], number(holder[2])) if holder is not None else ("", 0)
        rows.append(Listener(transport.rstrip("6"), address, port, device, *names))
    return rows


def _endpoint(text: str) -> tuple[str, str, int]:
    """Address, device and port of "0.0.0.0%eth0:22", "[::]:22", "*:80", ":::22"; a raw socket has no port."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f"{text[:60]!r} is no socket address")
    host, _, device = host.strip("[]").partition("%")
    device = device.rstrip("]")
    host = host.rstrip("]")
    if port == "*" or not port.isdecimal():
        port = _RAW.get(port, "0")
    if host in ("*", "0.0.0.0", "::", ""):  # noqa: S104 - what a product listens on, not we
        return "*" if host != "0.0.0.0" else host, device, number(port)  # noqa: S104
    return str(ipaddress.ip_address(host)), device, number(port)


_RAW = {"icmp": "1", "ipv6-icmp": "58", "ospf": "89", "vrrp": "112", "sctp": "132"}


def netstat(text: str) -> list[Listener]:
    """`netstat -lntup`, net-tools' and busybox's."""
    if not text.lstrip().startswith("Active Internet"):
        raise ValueError("not what netstat says")
    rows = []
    for one in lines(text):
        fields = one.split()
        if not re.fullmatch(r"(tcp|udp|raw|sctp)6?", fields[0]):
            if fields[0] in ("Active", "Proto", "netstat:"):
                continue
            raise ValueError(f"not a line of netstat: {one[:80]!r}")
        if len(fields) < 5:
            raise ValueError(f"not a line of netstat: {one[:80]!r}")
        address, device, port = _endpoint(fields[3])
        holder = re.match(r"(\d{1,9})/(.*)", fields[-1])
        names = (holder[2], number(holder[1])) if holder is not None else ("", 0)
        rows.append(Listener(fields[0].rstrip("6"), address, port, device, *names))
    return rows


def proc_net(text: str) -> list[Listener]:
    """/proc/net/{tcp,udp,raw,sctp/eps}, which do not tell who holds a socket."""
    rows: list[Listener] = []
    for name, body in sections(text):
        transport = name.rstrip("6")
        if transport == "sctp/eps":
            rows += _sctp_endpoints(body)
        elif transport in ("tcp", "udp", "raw"):
            for one in list(lines(body))[1:]:
                fields = one.split()
                if len(fields) < 4 or ":" not in fields[1]:
                    raise ValueError(f"not a line of /proc/net: {one[:80]!r}")
                if (transport, fields[3]) in (("tcp", "0A"), ("udp", "07"), ("raw", "07")):
                    host, _, port = fields[1].partition(":")
                    rows.append(Listener(transport, _hex_address(host), number(port, 16)))
    return rows


def _hex_address(text: str) -> str:
    """An address as the kernel prints it: words of the host's byte order, here the little-endian one."""
    if len(text) not in (8, 32):
        raise ValueError(f"{text[:40]!r} is no address")
    octets = bytes.fromhex(text)
    address = ipaddress.ip_address(b"".join(octets[at : at + 4][::-1] for at in range(0, len(octets), 4)))
    return "*" if address == ipaddress.ip_address("::") else str(address)


def _sctp_endpoints(body: str) -> Iterator[Listener]:
    for one in list(lines(body))[1:]:
        fields = one.split()
        if len(fields) < 9:
            raise ValueError(f"not a line of /proc/net/sctp/eps: {one[:80]!r}")
        for host in fields[8:]:
            yield Listener("sctp", str(ipaddress.ip_address(host)), number(fields[5]))


# --- interfaces and routes --------------------------------------------------------------------------------


def ip_addr_json(text: str) -> list[Interface]:
    """`ip -j -d addr show`."""
    rows = []
    for one in load(text, list):
        if not isinstance(one, dict) or "ifname" not in one:
            continue
        addresses = tuple(
            f"{entry.get('local')}/{entry.get('prefixlen')}"
            for entry in _dicts(one.get("addr_info"))
            if entry.get("local")
        )
        kind = one.get("linkinfo")
        rows.append(
            Interface(
                str(one["ifname"]),
                str(one.get("operstate", "")),
                str(one.get("address", "")),
                one["mtu"] if isinstance(one.get("mtu"), int) else 0,
                addresses,
                str(one.get("master", "")),
                str(kind.get("info_kind", "")) if isinstance(kind, dict) else "",
            )
        )
    return some(rows, "interface")


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def ip_addr(text: str) -> list[Interface]:
    """`ip addr show`, iproute2's and busybox's."""
    found: list[dict[str, Any]] = []
    for one in lines(text):
        head = re.match(r"\d+: ([^:@\s]+)(?:@\S+)?: <([^>]*)>.*?mtu (\d{1,6})(?:.* master (\S+))?", one[:500])
        if head is not None:
            state = re.search(r" state (\S+)", one[:500])
            up = "UP" if "UP" in head[2].split(",") else "DOWN"
            found.append({"name": head[1], "state": state[1] if state else up, "mtu": number(head[3])})
            found[-1] |= {"master": head[4] or "", "addresses": [], "mac": ""}
        elif not found:
            raise ValueError(f"not a line of ip addr: {one[:80]!r}")
        elif link := re.match(r"\s+link/\S+ ([0-9a-f:.]+)", one[:300]):
            found[-1]["mac"] = link[1]
        elif address := re.match(r"\s+inet6? (\S+)", one[:300]):
            found[-1]["addresses"].append(address[1])
    rows = [Interface(**{**one, "addresses": tuple(one["addresses"])}) for one in found]
    return some(rows, "interface")


def ip_route_json(text: str) -> list[Route]:
    """`ip -j route show table all` for IPv4 and, in a section, for IPv6."""
    rows = []
    for name, body in sections(text):
        for one in load(body or "[]", list):
            if isinstance(one, dict):
                told = {k: str(one.get(k, "")) for k in ("dst", "gateway", "dev", "table", "type", "prefsrc")}
                dst, gateway, dev, table, kind, source = told.values()
                rows.append(
                    Route(6 if name else 4, dst, gateway, dev, table or "main", kind or "unicast", source)
                )
    return rows


def ip_route(text: str) -> list[Route]:
    """The same as text, iproute2's and busybox's."""
    rows = []
    kinds = (
        "unicast",
        "local",
        "broadcast",
        "multicast",
        "blackhole",
        "unreachable",
        "prohibit",
        "throw",
        "anycast",
    )
    for name, body in sections(text):
        for one in lines(body):
            words = one.split()
            kind = words.pop(0) if words[0] in kinds else "unicast"
            if not words or not re.fullmatch(r"default|[0-9a-fA-F:.]+(/\d{1,3})?", words[0]):
                raise ValueError(f"not a line of ip route: {one[:80]!r}")
            told = dict(itertools.pairwise(words[1:]))
            rows.append(
                Route(
                    6 if name else 4,
                    words[0],
                    told.get("via", ""),
                    told.get("dev", ""),
                    told.get("table", "main"),
                    kind,
                    told.get("src", ""),
                )
            )
    return rows


def ip_rule(text: str) -> list[Rule]:
    """`ip rule show` for IPv4 and, in a section, for IPv6."""
    rows = []
    for name, body in sections(text):
        for one in lines(body):
            priority, colon, rest = one.partition(":")
            if not colon:
                raise ValueError(f"not a line of ip rule: {one[:80]!r}")
            rows.append(Rule(6 if name else 4, number(priority.strip()), " ".join(rest.split())))
    return some(rows, "rule")


def iptables(text: str) -> dict[str, list[str]]:
    """`iptables-save` and, in a section, `ip6tables-save`: the lines of each."""
    return {"ip6tables" if name else "iptables": list(lines(body)) for name, body in sections(text)}


# --- snmpd ------------------------------------------------------------------------------------------------


def snmpd(text: str) -> list[SnmpAccess]:
    """snmpd.conf(5): who gets at what; communities and keys were taken out on the host."""
    rows: list[SnmpAccess] = []
    sources: dict[str, tuple[str, bool]] = {}
    groups: list[tuple[str, str, str]] = []
    for _, body in sections(text):
        for _, one in uncommented(body):
            key, *rest = one.split()
            if re.fullmatch("r[ow]community6?", key):
                rows.append(_community(key, rest))
            elif key in ("rouser", "rwuser") and rest:
                rows.append(_user(key, rest))
            elif re.fullmatch("com2sec6?", key) and len(rest) >= 3:
                sources[rest[-3]] = rest[-2], rest[-1] == "(well-known)"
            elif key == "group" and len(rest) >= 3:
                groups.append((rest[0], rest[1], rest[2]))
            elif key == "access" and len(rest) >= 7:
                rows += _accesses(rest, groups, sources)
            elif key in ("createUser", "usmUser"):
                words = [word for word in rest if word != "(keys)"]
                name = _user_name(words[-1] if key == "usmUser" and words else words[0] if words else "")
                rows.append(SnmpAccess("user", name, "", "", "", ""))
    return rows


def _community(key: str, rest: list[str]) -> SnmpAccess:
    view = rest[rest.index("-V") + 1] if "-V" in rest[:-1] else rest[2] if len(rest) > 2 else ".1"
    source = rest[1] if len(rest) > 1 and not rest[1].startswith("-") else "default"
    known = bool(rest) and rest[0] == "(well-known)"
    return SnmpAccess(
        "community", "(community)", "v1/v2c", view, view if key[1] == "w" else "", source, known
    )


def _user(key: str, rest: list[str]) -> SnmpAccess:
    if rest[0] == "-s":
        rest = rest[2:] or [""]
    level = next((word for word in rest[1:] if word in ("noauth", "auth", "priv")), "auth")
    places = [word for word in rest[1:] if word not in ("noauth", "auth", "priv", "-V")]
    view = places[0] if places else ".1"
    return SnmpAccess("user", rest[0], level, view, view if key == "rwuser" else "", "")


def _accesses(
    rest: list[str], groups: list[tuple[str, str, str]], sources: dict[str, tuple[str, bool]]
) -> Iterator[SnmpAccess]:
    name, _, model, level, _, read, write = rest[:7]
    for group, group_model, who in groups:
        if group != name or model not in ("any", group_model):
            continue
        if group_model in ("v1", "v2c"):
            source, known = sources.get(who, ("", False))
            yield SnmpAccess("community", "(community)", "v1/v2c", read, write, source, known)
        else:
            yield SnmpAccess("user", who, level, read, write, "")


def _user_name(text: str) -> str:
    """A name as net-snmp keeps it, quoted or as 0x and hexadecimal octets."""
    if re.fullmatch(r"0x(?:[0-9a-fA-F]{2}){1,64}", text):
        return bytes.fromhex(text[2:]).decode(errors="replace").rstrip("\0")
    return text.strip('"')
