"""What test cases about connections that a product opens share: right and wrong servers of the harness."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any, Literal

from assay.case import Control
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive
from drivers.interfaces.host import Collector, HostBench
from drivers.interfaces.replies import Ran

Certificate = Literal["foreign", "expired", "misnamed"]
ACTION_S, TRIES, EACH_S = 30.0, 10, 3.0  # an action that connects; triggers, and the wait after each


@dataclass(frozen=True)
class Wrong:
    """A server that proves itself wrongly: how the product came to it, and what it sent there."""

    what: str
    came: str  # how far it got; empty where no connection was seen
    sent: str  # credentials or payload; empty where none was
    ref: str


@dataclass(frozen=True)
class Link:
    """A connection that the product opens: with the right server before and after, and with wrong ones."""

    name: str
    good: Control
    wrong: tuple[Wrong, ...]
    again: Control


def judge_links(links: tuple[Link, ...]) -> Verdict | None:
    """FAIL where anything was sent to a wrong server; INCONCLUSIVE where that was not really tried."""
    for link in links:
        for one in link.wrong:
            if one.sent:
                return failed(f"{link.name}: {one.sent} was sent to a server with {one.what}", one.ref)
    for link in links:
        for control in (link.good, link.again):
            if not control.worked:
                return inconclusive(f"{link.name}: {control.what}: {control.saw}", *control.refs)
        for one in link.wrong:
            if not one.came:
                return inconclusive(
                    f"{link.name}: no connection to the server with {one.what} was seen", one.ref
                )
        if not link.wrong:
            return inconclusive(f"{link.name}: no wrong server was tried")
    return None


def marker() -> str:
    """A word that nothing else has."""
    return f"assay-{secrets.token_hex(8)}"


def pointed(host: HostBench, how: Mapping[str, Any], **words: str | int) -> Ran:
    """Point a link of the product (`action`, `undo`) at the harness; it is put back with the variant."""
    action, undo = dict(how["action"]), how.get("undo")
    if undo:
        action["undo"] = undo["run"] if isinstance(undo, Mapping) else undo
    action.setdefault("within_s", ACTION_S)
    if "{user}" in str(action.get("run")) and action.get("user"):
        words["user"] = action["user"]  # the word also says who runs it
    return host.do(action, **words)


def link_of(host: HostBench, address: str) -> str:
    """The link on which the harness has an address."""
    for one in host.declared("network.interfaces") or ():
        if address in (str(ip_interface(own).ip) for own in one.get("harness_addresses") or ()):
            return str(one["name"])
    raise UnseenError(f"not declared: the entry of network.interfaces with our address {address}")


def told(host: HostBench, trigger: Mapping[str, Any], mark: str, came: Callable[[float], object]) -> Ran:
    """Trigger a record with a marker, again and again, until it came (waiting so many seconds each time)."""
    for _ in range(TRIES):
        ran = host.do(trigger, marker=mark)
        if not ran.ok or came(EACH_S):
            break
    return ran


def arrives(
    host: HostBench,
    trigger: Mapping[str, Any],
    collector: Collector,
    what: str,
    mark: str = "",
    *,
    beside: Collector | None = None,
) -> Control:
    """Control: a record that is triggered now comes to the collector; one that comes `beside` it ends it."""
    mark = mark or marker()

    def came(within: float) -> object:
        return collector.received(mark, within=within) or (beside and beside.received(mark))

    ran = told(host, trigger, mark, came)
    found = collector.received(mark)
    saw = (
        f"{len(found)} records from {found[0].peer}"
        if found
        else f"none ({ran.problem or ran.err or 'sent'})"
    )
    return Control(what, bool(found), saw, refs=(ran.ref,))


def refuses(host: HostBench, trigger: Mapping[str, Any], port: int, certificate: Certificate) -> Wrong:
    """What the product does with a collector that has a wrong certificate and is where the right one was."""
    mark = marker()
    with host.collector("tls", port=port, certificate=certificate) as collector:
        ran = told(
            host, trigger, mark, lambda within: collector.refused(within=within) or collector.received("")
        )
        callers, records = collector.refused(), collector.received("")
    came = f"{callers[0].peer} {callers[0].tls}: {callers[0].ended}" if callers else ""
    what = {"foreign": "a certificate of another CA", "expired": "an expired certificate"}
    known = any(mark in one.text for one in records)
    sent = f"{len(records)} records, {'with' if known else 'without'} the marker"
    return Wrong(
        what.get(certificate, "a certificate for another name"),
        came or (records[0].peer if records else ""),
        sent if records else "",
        ran.ref,
    )


def uploaded(host: HostBench, how: Mapping[str, Any], *, right: bool = True) -> tuple[Control, Wrong]:
    """An upload to a server with the host key that the product is told, or with another."""
    with host.file_server() as server, host.file_server() as other:
        words: dict[str, str | int] = {"address": server.address, "port": server.port}
        ran = pointed(host, how, **words, host_key=server.key if right else other.key)
        visits = server.uploads(within=EACH_S)
    files = [one for visit in visits for one in visit.files if one[1]]
    tried = sorted({one for visit in visits for one in visit.tried})
    saw = (
        f"{files[0][0]}, {files[0][1]} octets" if files else ran.problem or ran.err.strip() or "no file came"
    )
    came = next((visit.version for visit in visits if visit.version.startswith("SSH-")), "")
    sent = f"{'a file' if files else 'a credential'} ({', '.join(tried)})" if files or tried else ""
    return (
        Control("a file reaches the right server", bool(files), saw, ran.seconds, (ran.ref,)),
        Wrong("another host key", came, sent, ran.ref),
    )
