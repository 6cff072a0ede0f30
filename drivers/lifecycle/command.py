"""A product that the bench starts as a process of its own, and stops by its own pid."""

import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from assay.errors import LabError
from drivers.lifecycle.product import Product, Setting, Vitals, end, resident_kib


class CommandProduct(Product):
    """One product process; what it prints is its log."""

    def __init__(
        self,
        start: Sequence[str],
        *,
        ready: str | None,
        ready_s: float,
        words: Mapping[str, str],
        settings: Mapping[str, Setting],
        folder: Path,
    ) -> None:
        super().__init__(words, settings, folder)
        self._start, self._ready, self._ready_s = tuple(start), ready, ready_s
        self._process: subprocess.Popen[bytes] | None = None
        self._extra: tuple[str, ...] = ()
        self._exits = 0

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self, *extra: str) -> None:
        """Start the process and wait for its ready line; LabError with its last words without one."""
        self._extra = extra or self._extra
        command = self._fill([*self._start, *self._extra])
        if shutil.which(command[0]) is None:
            raise LabError(f"the product's start command {command[0]} is not there, or is no program")
        if setpriv := shutil.which("setpriv"):
            # of util-linux: a bench that is killed takes its product along
            command = [setpriv, "--pdeathsig", "KILL", *command]
        said = threading.Event()
        up = threading.Event()

        def heard(line: str | None) -> None:
            if line is not None and self._ready is not None and self._ready in line:
                up.set()
            if up.is_set() or line is None:
                said.set()

        self._process = self._listen(command, heard)
        if self._ready is None:
            return
        if not said.wait(self._ready_s) or not up.is_set():
            self.stop()
            last = " | ".join([line for line in self.take_lines() if line][-3:]) or "nothing"
            raise LabError(f"the product did not say {self._ready!r} in {self._ready_s:g} s; it said: {last}")

    def stop(self) -> None:
        """End the process and the group it leads."""
        process, self._process = self._process, None
        if process is not None:
            self._exits += process.poll() is not None
            end(process)

    def vitals(self) -> Vitals:
        """The process, and its memory with that of its children."""
        process = self._process
        if process is None:
            return Vitals(None, self._exits)
        if process.poll() is not None:
            return Vitals(None, self._exits + 1)
        return Vitals(process.pid, self._exits, resident_kib(process.pid))
