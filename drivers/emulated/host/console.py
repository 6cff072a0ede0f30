"""A terminal server: a unit's serial console as a TCP port on the bench's loopback."""

import os
import pty
import select
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

ADDRESS, SECOND = ("127.0.0.1", 2001), ("127.0.0.1", 2002)
CHUNK = 4096


class TerminalServer:
    """Carries octets between one caller at a time and a pseudo-terminal whose `path` the product gets."""

    def __init__(self, address: tuple[str, int] = ADDRESS) -> None:
        self._master, self._slave = pty.openpty()
        self.path = os.ttyname(self._slave)
        self._listener = socket.create_server(address)
        self._wake, self._end = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._end, b".")
        self._thread.join(5)
        self._listener.close()
        for number in (self._master, self._slave, self._wake, self._end):
            os.close(number)

    def _serve(self) -> None:
        caller: socket.socket | None = None
        while True:
            heard = caller or self._listener
            readable = select.select([self._wake, self._master, heard.fileno()], [], [])[0]
            if self._wake in readable:
                break
            if self._master in readable:  # without a caller it is lost, as on a serial line
                data = os.read(self._master, CHUNK)
                if caller is not None:
                    with suppress(OSError):
                        caller.sendall(data)
            if heard.fileno() not in readable:
                continue
            if caller is None:
                caller = self._listener.accept()[0]
                continue
            data = b""
            with suppress(OSError):
                data = caller.recv(CHUNK)
            if data:
                os.write(self._master, data)
            else:
                caller.close()
                caller = None
        if caller is not None:
            caller.close()
