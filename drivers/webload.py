"""Load on a web service: requests at a steady rate over a few connections, and what came of each."""

import http.client
import socket
import threading
import time
from collections import Counter
from contextlib import suppress

from drivers import reach
from drivers.interfaces.replies import WebLoad
from drivers.web import Agent, Site

MOST_RATE, MOST_SECONDS, CONNECTIONS = 2000.0, 60.0, 24
MOST_BODY = 64 << 10


class _Tally:
    """What all connections together sent and got, and the sockets they have open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sent, self.served, self.told = 0, 0, Counter[str]()
        self.open: set[socket.socket] = set()


def load(site: Site, path: str, *, rate: float, seconds: float, marker: str = "") -> WebLoad:
    """Ask for one page `rate` times a second for `seconds`, and count answers by status.

    Args:
        site: its certificate is checked where it has `trust`.
        path: with its query.
        rate: requests a second over all connections, at most 2000.
        seconds: at most 60.
        marker: text of a page that counts as served.

    Raises:
        UndeclaredError: the address is not declared.
    """
    reach.check((site.host, site.port))
    rate, seconds, tally = min(rate, MOST_RATE), min(seconds, MOST_SECONDS), _Tally()
    began = time.monotonic()
    words = site, path, marker.encode(), rate / CONNECTIONS, began + seconds, tally
    threads = [threading.Thread(target=_ask, args=(n, *words), daemon=True) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, began + seconds + site.within - time.monotonic()))
    with tally.lock:
        for sock in tally.open:  # a peer that answers drop by drop keeps nobody
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        told = {**tally.told, "lost": tally.sent - tally.told.total()}
        return WebLoad(tally.sent, told, tally.served, seconds, tally.sent / seconds)


def _ask(number: int, site: Site, path: str, marker: bytes, rate: float, until: float, tally: _Tally) -> None:
    """Requests one after the other on a connection that is opened again where it ends."""
    wire: http.client.HTTPConnection | None = None
    due = time.monotonic() + number / (rate * CONNECTIONS)
    while due < until and time.monotonic() < until:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(
            due + 1 / rate, time.monotonic() - 1.0
        )  # at most a second of what was missed is made up for
        with tally.lock:
            tally.sent += 1
        try:
            wire = wire or _opened(site, tally)
            wire.request("GET", path)
            reply = wire.getresponse()
            body = reply.read(MOST_BODY)
            with tally.lock:
                tally.told[str(reply.status)] += 1
                tally.served += bool(marker) and marker in body
            ends = reply.will_close or len(body) == MOST_BODY
        except (OSError, http.client.HTTPException, ValueError):
            ends = True
        if ends and wire is not None:
            _closed(wire, tally)
            wire = None
    if wire is not None:
        _closed(wire, tally)


def _opened(site: Site, tally: _Tally) -> http.client.HTTPConnection:
    wire = http.client.HTTPConnection(site.host, site.port)
    wire.sock = Agent(site).connect(site.within)
    with tally.lock:
        tally.open.add(wire.sock)
    return wire


def _closed(wire: http.client.HTTPConnection, tally: _Tally) -> None:
    with tally.lock:
        tally.open -= {wire.sock}
    wire.close()
