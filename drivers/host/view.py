"""What the bench sees of a host: facts from inside, logs, and scans from outside."""

import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Literal

from assay.case import to_json
from assay.errors import UnseenError
from drivers import facts, portscan, rawip, sftp_server, syslog
from drivers.facts import parse
from drivers.host import logs
from drivers.host.access import Access
from drivers.host.certificates import self_signed
from drivers.host.core import CHECK_S
from drivers.host.reference import Reference
from drivers.host.store import file_of
from drivers.interfaces.host import Arp, LogLines, Packet
from drivers.interfaces.replies import Exchange, Fact, Ran, Scan, Transport

SCAN_RATE = 1000  # probes a second where nothing is declared


class View(Access):
    """Looks, and changes nothing."""

    def fact(self, name: str, *, fresh: bool = False) -> Fact:
        if fresh:
            got = self._store.fresh([name], self._gather).get(name)
            fact, octets = got or (Fact(name, "", None, "there is no such fact"), b"{}")
            file = file_of(name, 1 + sum(one.startswith(f"fact-{name}-") for one in self._facts))
        else:
            fact, octets = self._store.get(name, self._gather)
            file = file_of(name)
        self._facts[file] = octets
        self.trace.note(True, "facts", name, how=fact.how, problem=fact.problem, file=file)
        return replace(fact, ref=file)

    def files(self, *paths: str) -> Fact:
        ran = self.root(facts.stat_of(paths))
        try:
            rows = to_json(parse.stat(ran.out)) if ran.ok else None
            problem = "" if ran.ok else ran.problem or ran.err or f"status {ran.status}"
        except ValueError as error:
            rows, problem = None, str(error)
        return Fact("files", "stat", rows, problem[:200], ran.ref)

    def _gather(self, command: str) -> Ran:
        return self._as_root(command, within=facts.WITHIN, keep=facts.KEEP)

    def log_mark(self, log: str) -> int:
        return logs.mark(self.root, self._location(log))

    def logged(self, log: str, pattern: str, since: int, *, within: float = 0) -> LogLines:
        location = self._location(log)
        bound = within or 2 * float(self.declared("logs.latency_s") or self.timers.answer_s)
        began = time.monotonic()
        while True:
            found = logs.since(self.root, location, pattern, since)
            if found.lines or time.monotonic() - began > bound:
                break
            self.rest(CHECK_S)
        found = replace(found, seconds=time.monotonic() - began)
        return replace(found, ref=self._noted("log", log, found))

    def _location(self, log: str) -> Mapping[str, Any]:
        for one in self._declared.rows("logs.locations"):
            if one["name"] == log:
                return one  # type: ignore[no-any-return]
        raise UnseenError(f"not declared: an entry {log!r} of logs.locations")

    @contextmanager
    def collector(
        self,
        transport: Literal["udp", "tcp", "tls"] = "udp",
        *,
        address: str = "",
        port: int = 0,
        certificate: Literal["good", "foreign", "expired", "misnamed"] = "good",
    ) -> Iterator[syslog.Collector]:
        with tempfile.TemporaryDirectory(prefix="assay-") as folder:
            tls = self._collector_tls(Path(folder), certificate) if transport == "tls" else None
            with syslog.Collector(address or self._own_address(), transport, port=port, tls=tls) as collector:
                yield collector
                found = [replace(one, text=one.text[:1000]) for one in collector.received("")]
                kept = {"records": to_json(found), "callers": to_json(collector.callers)}
                self._noted(f"syslog-{transport}", f"records, {certificate} certificate", kept)

    @contextmanager
    def file_server(self, *, port: int = 0) -> Iterator[sftp_server.FileServer]:
        with sftp_server.FileServer(self._own_address(), port) as server:
            yield server
            self._noted("sftp", "uploads", {"uploads": to_json(server.uploads())})

    def _collector_tls(self, folder: Path, certificate: str) -> syslog.Tls:
        """The collector's certificate: the one that the product is told to trust, or a wrong one."""
        ours = (self.declared("pki.trust_anchors") or {}).get("collector")
        if not ours:
            raise UnseenError("not declared: pki.trust_anchors.collector, the certificate of a log collector")
        issuers, mine, key = (folder / name for name in ("ca.pem", "own.pem", "key.pem"))
        if ours.get("clients"):
            issuers.write_text(self._declared.text(ours["clients"]))
        if certificate == "foreign":
            own, private = self_signed(ours.get("name") or "collector")
        else:
            which = "certificate" if certificate == "good" else certificate
            if not ours.get(which):
                raise UnseenError(f"not declared: pki.trust_anchors.collector.{which}")
            own, private = self._declared.text(ours[which]), self._declared.secret(ours["key"]).text
        mine.write_text(own)
        key.touch(0o600)
        key.write_text(private + "\n")
        return syslog.Tls(mine, key, issuers if ours.get("clients") else None)

    def _own_address(self) -> str:
        """The harness's first address on the first link."""
        for one in self._declared.rows("network.interfaces"):
            for address in one.get("harness_addresses", ()):
                return str(ip_interface(address).ip)
        raise UnseenError("not declared: harness_addresses in network.interfaces")

    def exchange(
        self, link: str, packets: Sequence[Packet | Arp] = (), *, seconds: float = 5.0, pace: float = 20.0
    ) -> Exchange:
        device, name = self._device(link), self._capture(link)
        found = rawip.exchange(
            device, packets, seconds=seconds, pace=pace, capture=self._folder / name, what=link
        )
        self.trace.imposed += seconds
        return self._crossed(f"exchange on {link}", name, found)

    @contextmanager
    def watching(self, link: str) -> Iterator[Callable[[], Exchange]]:
        name = self._capture(link)
        device, capture = self._device(link), self._folder / name
        with rawip.watch(device, capture=capture, what=link) as so_far:
            yield lambda: replace(so_far(), ref=name)
            last = so_far()
        self._crossed(f"watch of {link}", name, last)

    def carried(self, seen: Exchange, *texts: str) -> dict[str, int]:
        octets = (self._folder / seen.ref).read_bytes()
        found = {text: octets.count(text.encode()) for text in texts}
        self.trace.note(True, "link", f"search in {seen.ref}", found=found, file=seen.ref)
        return found

    @contextmanager
    def flood(
        self, link: str, destination: str, port: int, *, sources: str, rate: int, seconds: float
    ) -> Iterator[Callable[[], Exchange]]:
        device, name = self._device(link), self._capture(link)
        capture = self._folder / name
        with rawip.syn_flood(
            device, destination, port, sources=sources, rate=rate, seconds=seconds, capture=capture, what=link
        ) as so_far:
            yield lambda: replace(so_far(), ref=name)
            last = so_far()
        self._crossed(f"SYN flood on {link}", name, last)

    @contextmanager
    def reference(self, *ports: int) -> Iterator[Reference]:
        rows = self._declared.rows("network.interfaces")
        with Reference(rows, ports, self._folder, self._capture, self._crossed) as reference:
            yield reference

    def _crossed(self, what: str, name: str, found: Exchange) -> Exchange:
        """Keep an event for what crossed a link; the exchange with its evidence."""
        kinds = Counter(heard.kind for heard in found.heard)
        facts = {"sent": found.sent, "heard": dict(kinds), "seconds": found.seconds, "problem": found.problem}
        self.trace.note(True, "link", what, **facts, file=name)
        return replace(found, ref=name)

    def _device(self, link: str) -> str:
        for one in self._declared.rows("network.interfaces"):
            if one["name"] == link:
                if not one.get("harness"):
                    raise UnseenError(f"not declared: harness, our end of {link}, in network.interfaces")
                if one["harness"] not in (name for _, name in socket.if_nameindex()):
                    raise UnseenError(f"our end of {link} is gone, and with it the product's")
                return str(one["harness"])
        raise UnseenError(f"not declared: an entry {link!r} of network.interfaces")

    def scan(
        self,
        address: str,
        transport: Transport,
        ports: str = "1-65535",
        *,
        services: bool = False,
        source: str = "",
    ) -> Scan:
        rate = int(self.declared("scan.rate_pps") or SCAN_RATE)
        scan = portscan.scan(address, transport, ports, rate=rate, services=services, source=source)
        return replace(scan, ref=self._noted("scan", f"{transport} {ports} of {address}", scan))
