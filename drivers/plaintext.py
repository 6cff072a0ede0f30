"""Octets in clear to a TCP port, and what comes back."""

import socket
import time

from drivers import reach
from drivers.interfaces.replies import Said
from drivers.text import clean

KEEP = 16 << 10


def ask(address: str, port: int, octets: bytes, *, within: float) -> Said:
    """Send octets, read until the port closes, enough came or time is over; `which` is 0 where it took them.

    Raises UndeclaredError for an address whose every port may not be tried.
    """
    reach.check_host(address)
    began = time.monotonic()
    held, ended = b"", False
    try:
        with socket.create_connection((address, port), within) as sock:
            sock.sendall(octets)
            while len(held) < KEEP and (left := began + within - time.monotonic()) > 0:
                sock.settimeout(left)
                if not (more := sock.recv(4096)):
                    ended = True
                    break
                held += more
    except TimeoutError:
        pass
    except ConnectionRefusedError:
        return Said(None, "refused", True, time.monotonic() - began)
    except OSError as error:
        if not held:
            return Said(None, clean(error.strerror or str(error), 200), True, time.monotonic() - began)
        ended = True
    if not held and not ended:
        return Said(None, "", False, time.monotonic() - began)
    return Said(0, clean(held, KEEP), ended, time.monotonic() - began)
