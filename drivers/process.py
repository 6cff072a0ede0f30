"""A program that works for a driver: bounded in time and in what is kept of its output."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from assay.errors import LabError

CHUNK = 64 << 10


@dataclass(frozen=True)
class Finished:
    """What a program left; `status` is None where it was ended because its time or its output ran out."""

    status: int | None
    out: bytes
    err: bytes
    cut: bool
    seconds: float


def run(
    words: Sequence[str],
    *,
    within: float,
    keep: int = 1 << 20,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    watch: Callable[[bytes], None] | None = None,
) -> Finished:
    """Run a program in a process group of its own; it is ended after `within` seconds or above `keep` octets.

    `watch` sees standard output as it comes. Raises LabError where the program is missing.
    """
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if env is None else {**os.environ, **env},
            start_new_session=True,
        )
    except OSError as error:
        raise LabError(
            f"cannot run {words[0]}: {error.strerror}; install it (README, Debian packages)"
        ) from error
    kept: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
    whole = False
    try:
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.write(stdin[:CHUNK])  # fits into the pipe: it never blocks
            process.stdin.close()
        whole = _read(process, kept, began + within, keep, watch)
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(began + within - time.monotonic(), 0.05) if whole else 0)
    finally:
        ended = process.poll() is not None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    status = process.returncode if ended and whole else None
    return Finished(status, bytes(kept["out"]), bytes(kept["err"]), not whole, time.monotonic() - began)


def _read(
    process: subprocess.Popen[bytes],
    kept: dict[str, bytearray],
    deadline: float,
    keep: int,
    watch: Callable[[bytes], None] | None,
) -> bool:
    """Read both pipes to their end; False where a bound came first."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "out")  # type: ignore[arg-type]
        selector.register(process.stderr, selectors.EVENT_READ, "err")  # type: ignore[arg-type]
        while selector.get_map():
            ready = selector.select(max(deadline - time.monotonic(), 0))
            if not ready:
                return False
            for key, _ in ready:
                octets = os.read(key.fd, CHUNK)
                if not octets:
                    selector.unregister(key.fileobj)
                    continue
                if key.data == "out" and watch is not None:
                    watch(octets)
                kept[key.data] += octets
                if len(kept[key.data]) > keep:
                    del kept[key.data][keep:]
                    return False
            if time.monotonic() >= deadline:
                return False
    return True
