"""What an SSH connection carries, with the bounds that paramiko lacks."""

import time
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.packet import Packetizer

from drivers.text import KEEP

GREETING = 64 << 10  # octets before the version line (RFC 4253 clause 4.2 gives no bound)
PACKET = 256 << 10  # octets of one packet; RFC 4253 clause 6.1 demands 35,000
ALLOWANCE = 4 << 20  # octets of a connection beyond what a caller keeps


class Bounded(Packetizer):
    """paramiko's reader with the bounds it lacks: greeting, packet size, and octets in all."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.left = ALLOWANCE
        self._greeted = 0

    def _read_timeout(self, timeout: float) -> bytes:
        octets: bytes = super()._read_timeout(timeout)  # type: ignore[misc]
        self._greeted += len(octets)
        if self._greeted > GREETING:
            raise paramiko.SSHException(f"more than {GREETING >> 10} KiB came before the version")
        return octets

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        self.left -= n
        if n > PACKET or self.left < 0:
            raise paramiko.SSHException("the server sends more than an SSH server should")
        return super().read_all(n, check_rekey)


class Remote:
    """A channel as the stream of a terminal."""

    def __init__(self, channel: paramiko.Channel, allow: Callable[[int], None]) -> None:
        self._channel, self._allow = channel, allow

    def read(self, within: float) -> bytes | None:
        self._allow(KEEP)  # so much beyond what has been read
        self._channel.settimeout(max(within, 0.001))
        try:
            return self._channel.recv(32 << 10)
        except TimeoutError:
            return None
        except (OSError, EOFError, paramiko.SSHException):
            return b""

    def write(self, octets: bytes) -> bool:
        try:
            self._channel.settimeout(5)
            self._channel.sendall(octets)
        except (OSError, EOFError, paramiko.SSHException):
            return False
        return True

    def echo(self) -> bool | None:
        return None  # RFC 4254 has no way for a server to tell

    def close(self) -> None:
        self._channel.close()


def collect(
    channel: paramiko.Channel, kept: dict[str, bytearray], stdin: bytes, deadline: float, keep: int
) -> tuple[str, bool]:
    """Feed a command, take its outputs until both end: the problem or empty, and whether there was more."""
    view = memoryview(stdin)
    channel.settimeout(0.0)
    if not view:
        channel.shutdown_write()
    while True:
        busy = False
        if view and channel.send_ready():
            view = view[channel.send(bytes(view[: 32 << 10])) :]
            busy = True
            if not view:
                channel.shutdown_write()
        for name, ready, receive in (
            ("out", channel.recv_ready, channel.recv),
            ("err", channel.recv_stderr_ready, channel.recv_stderr),
        ):
            if ready():
                kept[name] += receive(32 << 10)
                busy = True
                if len(kept[name]) > keep:
                    del kept[name][keep:]
                    return f"more than {keep >> 10} KiB of output", True
        if time.monotonic() >= deadline:
            return "it did not end in time", False
        if busy:
            continue
        ended = channel.eof_received or channel.closed
        if ended and not (channel.recv_ready() or channel.recv_stderr_ready()):
            return "", False
        time.sleep(0.005)
