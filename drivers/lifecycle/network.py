"""A network namespace of our own, for a bench and the product that it starts."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.errors import LabError
from drivers.process import run

CLONE_NEWNET = 0x40000000
OURS = Path("/proc/thread-self/ns/net")


@contextmanager
def own() -> Iterator[None]:
    """Within this block this thread, and every thread and process it starts, is in a new network namespace.

    Nobody else reaches what is in it. LabError where the machine does not allow it (it takes root).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open(OURS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET):
            why = os.strerror(ctypes.get_errno())
            raise LabError(f"no network namespace for this product: {why}; run as root")
        try:
            done = run(["ip", "link", "set", "lo", "up"], within=10)
            if done.status != 0:
                raise LabError(
                    f"loopback in a new network namespace: {done.err.decode(errors='replace').strip()}"
                )
            yield
        finally:
            libc.setns(before, CLONE_NEWNET)
    finally:
        os.close(before)
