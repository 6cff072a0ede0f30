"""A console of the product: a command on a pseudo-terminal, a serial device, or a terminal server's port."""

import os
import pty
import select
import signal
import socket
import subprocess
import termios
import time
import tty
from collections.abc import Sequence
from contextlib import suppress

from assay.errors import LabError
from drivers import reach
from drivers.terminal import Terminal

CHUNK = 32 << 10
WRITE_S = 5.0


def command(words: Sequence[str]) -> Terminal:
    """The console that a command gives (a serial program, a hypervisor's), on a terminal of its own."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            words,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "dumb"},
        )
    except OSError as error:
        os.close(ours)
        raise LabError(f"no console: cannot run {words[0]}: {error.strerror}") from error
    finally:
        os.close(theirs)
    return Terminal(_Device(ours, process))


def device(path: str, speed: int = 115_200) -> Terminal:
    """A serial device or the pseudo-terminal that somebody else opened, as raw octets."""
    try:
        number = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        raise LabError(f"no console at {path}: {error.strerror}") from error
    try:
        tty.setraw(number)
        settings = termios.tcgetattr(number)
        settings[4] = settings[5] = getattr(termios, f"B{speed}")
        termios.tcsetattr(number, termios.TCSANOW, settings)
    except (termios.error, AttributeError) as error:
        os.close(number)
        raise LabError(f"{path} is no terminal of {speed} baud: {error}") from error
    return Terminal(_Device(number, None))


def port(address: str, number: int, *, within: float = 10.0) -> Terminal:
    """A port of a terminal server that passes octets on as they are."""
    reach.check((address, number))
    try:
        sock = socket.create_connection((address, number), within)
    except OSError as error:
        raise LabError(f"no console at {address}:{number}: {error}") from error
    return Terminal(_Device(sock.detach(), None))


class _Device:
    """A file of the kernel's as the stream of a terminal."""

    def __init__(self, number: int, process: subprocess.Popen[bytes] | None) -> None:
        self._number, self._process = number, process
        os.set_blocking(number, False)

    def read(self, within: float) -> bytes | None:
        if self._number < 0:
            return b""
        ready, _, _ = select.select([self._number], [], [], within)
        if not ready:
            return None
        try:
            return os.read(self._number, CHUNK)
        except BlockingIOError:
            return None
        except OSError:  # how a terminal says that nobody has its other end
            return b""

    def write(self, octets: bytes) -> bool:
        deadline = time.monotonic() + WRITE_S
        while octets and self._number >= 0:
            _, ready, _ = select.select([], [self._number], [], max(deadline - time.monotonic(), 0))
            if not ready:
                return False
            try:
                octets = octets[os.write(self._number, octets[:1024]) :]
            except BlockingIOError:
                continue
            except OSError:
                return False
        return self._number >= 0

    def echo(self) -> bool | None:
        if self._process is None:
            return None  # the product's own terminal is behind the line
        try:
            return bool(termios.tcgetattr(self._number)[3] & termios.ECHO)
        except termios.error:
            return None

    def close(self) -> None:
        if self._number >= 0:
            os.close(self._number)
            self._number = -1
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
