"""A product that runs as a service: commands start, stop and ask for it, and another one reads its log."""

import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from assay.errors import LabError
from drivers.lifecycle.product import Product, Setting, Vitals, end


class ServiceProduct(Product):
    """`health` ends with 0 while the product is up; `log` prints what it says until it is stopped."""

    def __init__(
        self,
        *,
        start: Sequence[str],
        stop: Sequence[str],
        health: Sequence[str],
        log: Sequence[str] | None,
        vitals: Sequence[str] | None = None,
        ready_s: float,
        words: Mapping[str, str],
        settings: Mapping[str, Setting],
        folder: Path,
    ) -> None:
        super().__init__(words, settings, folder)
        self._start, self._stop, self._health = tuple(start), tuple(stop), tuple(health)
        self._ready_s = ready_s
        self._log = tuple(log) if log else None
        self._vitals = tuple(vitals) if vitals else None
        self._looking = threading.Lock()
        self._pid: int | None = None
        self._exits = 0
        self._ours = False
        self._follower: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the health command says so."""
        return not self._run(self._health)

    def start(self, *extra: str) -> None:
        """Start the service unless it is up, and wait for its health; LabError when it does not come."""
        if self._log is not None and self._follower is None:
            self.log.ended = ""
            self._follower = self._listen(self._fill(self._log), self._heard)
        if self.running:
            return
        if problem := self._run([*self._start, *extra]):
            raise LabError(f"the product's start command failed: {problem}")
        self._ours = True
        deadline = time.monotonic() + self._ready_s
        pause = threading.Event()
        while problem := self._run(self._health):
            if time.monotonic() > deadline:
                raise LabError(f"the product was not up after {self._ready_s:g} s: {problem}")
            pause.wait(0.2)  # a health command has no event to wait for

    def stop(self) -> None:
        """Stop the service and end the log's reader."""
        self.vitals()  # what has ended before was not our doing
        self._run(self._stop)
        self._pid = None
        self._unfollow()

    def vitals(self) -> Vitals:
        """What the vitals command prints: the main process, and its memory where it tells.

        A command that fails tells nothing; only an empty answer, "0" or another process is an end.
        """
        if self._vitals is None:
            return Vitals()
        with self._looking:
            _, text = self._output(self._vitals)
            told = re.fullmatch(r"(\d{0,10})(?:\s+(\d{1,15}))?", text, re.ASCII)
            if told is None:
                return Vitals(None, self._exits)
            pid = int(told[1] or 0) or None
            if self._pid not in (None, pid):
                self._exits += 1
            self._pid = pid
            return Vitals(pid, self._exits, int(told[2]) if pid and told[2] else None)

    def release(self) -> None:
        """Stop the service only where this run has started it."""
        if self._ours:
            self.stop()
        self._unfollow()

    def _heard(self, line: str | None) -> None:
        if line is None and self._follower is not None:
            self.log.ended = "the log command of the service has ended"

    def _unfollow(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            end(follower)
