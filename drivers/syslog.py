"""A log collector of the harness: UDP, TCP (RFC 6587) and TLS (RFC 5425), bounded whatever comes."""

import re
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from assay.errors import LabError
from drivers.interfaces.replies import LogCaller, SyslogRecord
from drivers.text import clean

MAX_RECORD = 64 << 10  # octets; RFC 5425 clause 4.3.1 demands 2,048 and wants 8,192
MAX_RECORDS, MAX_OCTETS = 50_000, 32 << 20
MAX_PEERS, MAX_CALLERS = 64, 1_000
HANDSHAKE_S, IDLE_S = 10.0, 3600.0
SHOWN = 8 << 10  # octets of a record that are kept
_PRI = re.compile(rb"<(\d{1,3})>")


@dataclass(frozen=True)
class Tls:
    """The collector's certificate and key, and the issuers of those who may send (files in PEM)."""

    certificate: Path
    key: Path
    clients: Path | None = None  # None: no certificate is asked for


@dataclass
class _Peer:
    sock: socket.socket
    address: str
    subject: str = ""
    shaken: bool = True
    since: float = field(default_factory=time.monotonic)
    held: bytearray = field(default_factory=bytearray)
    tls: str = ""
    octets: int = 0


class Collector:
    """Takes the records of a product while its `with` block runs; `problems` tells of what it had to drop."""

    def __init__(
        self,
        address: str = "127.0.0.1",
        transport: Literal["udp", "tcp", "tls"] = "udp",
        *,
        port: int = 0,
        tls: Tls | None = None,
    ) -> None:
        self.transport: Literal["udp", "tcp", "tls"] = transport
        self.records: list[SyslogRecord] = []
        self.problems: list[str] = []
        self.callers: list[LogCaller] = []  # whose connections have ended
        self._octets = 0
        self._came = threading.Condition()
        self._done = threading.Event()
        self._context = _context(tls) if transport == "tls" else None
        self._tls = tls if transport == "tls" else None
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self._socket = socket.socket(family, kind)
        try:
            if transport == "udp":
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((address, port))
            if transport != "udp":
                self._socket.listen(MAX_PEERS)
        except OSError as error:
            self._socket.close()
            raise LabError(f"no collector at {address} port {port}: {error.strerror}") from error
        self._socket.setblocking(False)
        self.address, self.port = self._socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "Collector":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)
        self._socket.close()

    def received(self, pattern: str, *, within: float = 0.0, since: int = 0) -> tuple[SyslogRecord, ...]:
        """The records from number `since` on that match, as soon as there is one or the time is over."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + within
        seen = 0
        found: list[SyslogRecord] = []
        with self._came:
            while True:
                new = self.records[seen:]
                seen += len(new)
                found += [one for one in new if one.number >= since and expression.search(one.text)]
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return tuple(found)
                self._came.wait(left)

    def say(self, text: str) -> None:
        """Send it a record from the harness itself, as a product would."""
        octets = text.encode()
        if self.transport == "udp":
            with socket.socket(self._socket.family, socket.SOCK_DGRAM) as sender:
                sender.sendto(octets, (self.address, self.port))
            return
        with socket.create_connection((self.address, self.port), HANDSHAKE_S) as plain:
            if self._tls is None:
                plain.sendall(octets + b"\n")
                return
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.load_cert_chain(self._tls.certificate, self._tls.key)
            with context.wrap_socket(plain) as secure:
                secure.sendall(octets + b"\n")

    def refused(self, *, within: float = 0.0) -> tuple[LogCaller, ...]:
        """The connections that have ended without a record; returns at a record or the first of them."""
        with self._came:
            self._came.wait_for(lambda: self.records or any(not one.octets for one in self.callers), within)
            return tuple(one for one in self.callers if not one.octets)

    # --- the thread -----------------------------------------------------------------------------------------

    def _serve(self) -> None:
        peers: dict[int, _Peer] = {}
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            try:
                while not self._done.is_set():
                    for key, _ in selector.select(0.1):
                        if key.fileobj is not self._socket:
                            self._hear(peers, key.fd, selector)
                        elif self.transport == "udp":
                            self._datagrams()
                        else:
                            self._accept(peers, selector)
                    self._look_after(peers, selector)
            finally:
                for peer in peers.values():
                    peer.sock.close()

    def _datagrams(self) -> None:
        for _ in range(1_000):
            try:
                octets, peer = self._socket.recvfrom(MAX_RECORD)
            except (BlockingIOError, OSError):
                return
            self._keep(octets, f"{peer[0]}:{peer[1]}", "")

    def _accept(self, peers: dict[int, _Peer], selector: selectors.BaseSelector) -> None:
        try:
            sock, address = self._socket.accept()
        except OSError:
            return
        if len(peers) >= MAX_PEERS:
            sock.close()
            self._problem(f"more than {MAX_PEERS} connections at once")
            return
        sock.setblocking(False)
        peer = _Peer(sock, f"{address[0]}:{address[1]}")
        if self._context is not None:
            try:
                peer.sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            except OSError as error:
                sock.close()
                self._problem(f"{peer.address}: {error}")
                return
            peer.shaken = False
        peers[peer.sock.fileno()] = peer
        selector.register(peer.sock, selectors.EVENT_READ)

    def _hear(self, peers: dict[int, _Peer], number: int, selector: selectors.BaseSelector) -> None:
        peer = peers[number]
        try:
            if not peer.shaken and isinstance(peer.sock, ssl.SSLSocket):
                peer.sock.do_handshake()
                peer.shaken, peer.subject = True, _subject(peer.sock)
                peer.tls = peer.sock.version() or ""
            turns = 64  # the others want to be heard too
            while turns > 0 or (isinstance(peer.sock, ssl.SSLSocket) and peer.sock.pending()):
                turns -= 1
                octets = peer.sock.recv(64 << 10)
                peer.since = time.monotonic()
                if not octets:
                    self._records_of(peer, ended=True)
                    self._part(peers, number, selector, "it closed")
                    return
                peer.octets += len(octets)
                peer.held += octets
                self._records_of(peer)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except (OSError, ValueError) as error:
            said = clean(str(error), 200)
            self._problem(f"{peer.address}: {said}")
            self._part(peers, number, selector, said)

    def _look_after(self, peers: dict[int, _Peer], selector: selectors.BaseSelector) -> None:
        now = time.monotonic()
        for number, peer in list(peers.items()):
            if now - peer.since > (IDLE_S if peer.shaken else HANDSHAKE_S):
                self._problem(f"{peer.address}: nothing came in time")
                self._part(peers, number, selector, "nothing came in time")

    def _part(self, peers: dict[int, _Peer], number: int, selector: selectors.BaseSelector, why: str) -> None:
        peer = peers.pop(number)
        selector.unregister(peer.sock)
        peer.sock.close()
        with self._came:
            if len(self.callers) < MAX_CALLERS:
                self.callers.append(LogCaller(peer.address, peer.tls, peer.octets, why))
            self._came.notify_all()

    def _records_of(self, peer: _Peer, *, ended: bool = False) -> None:
        """Take whole records off what a peer sent, counted octets or lines (RFC 6587 clause 3.4)."""
        for octets in split(peer.held, ended=ended):
            self._keep(octets, peer.address, peer.subject)

    def _keep(self, octets: bytes, peer: str, subject: str) -> None:
        if len(self.records) >= MAX_RECORDS or self._octets >= MAX_OCTETS:
            self._problem(f"more than {MAX_RECORDS} records or {MAX_OCTETS >> 20} MiB: the rest was dropped")
            return
        found = _PRI.match(octets)
        priority = int(found[1]) if found is not None and int(found[1]) < 192 else None
        text = clean(octets.rstrip(b"\r\n\0"), SHOWN)
        with self._came:
            number = len(self.records) + 1
            self.records.append(
                SyslogRecord(number, time.time(), self.transport, peer, subject, priority, text)
            )
            self._octets += len(text)
            self._came.notify_all()

    def _problem(self, text: str) -> None:
        if len(self.problems) < 100 and text not in self.problems[-3:]:
            self.problems.append(text)


def split(held: bytearray, *, ended: bool = False) -> Iterator[bytes]:
    """Take whole records off the front of what was received; ValueError where one has no end.

    A record begins with its length in octets and a space, or ends with a line feed.
    """
    while held:
        counted = re.match(rb"([1-9]\d{0,9}) ", held[:12])
        if counted is not None:
            size = int(counted[1])
            if size > MAX_RECORD:
                raise ValueError(f"a record of {size} octets, at most {MAX_RECORD} are taken")
            start = counted.end()
            if len(held) < start + size:
                break
            yield bytes(held[start : start + size])
            del held[: start + size]
            continue
        end = held.find(b"\n")
        if end < 0:
            if len(held) > MAX_RECORD:
                raise ValueError(f"a record without an end, at most {MAX_RECORD} octets are taken")
            break
        if end:
            yield bytes(held[:end])
        del held[: end + 1]
    if ended and held:
        yield bytes(held)
        held.clear()


def _context(tls: Tls | None) -> ssl.SSLContext:
    if tls is None:
        raise LabError("a collector over TLS needs a certificate and its key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.clients is not None:
            context.load_verify_locations(tls.clients)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise LabError(f"the collector's certificate, key or issuers cannot be used: {error}") from error
    return context


def _subject(sock: ssl.SSLSocket) -> str:
    with suppress(ValueError):
        names = dict(pair for part in (sock.getpeercert() or {}).get("subject", ()) for pair in part)  # type: ignore[misc]
        return clean(", ".join(f"{key}={value}" for key, value in names.items()), 300)
    return ""
