"""A product that the bench starts as a process, watches, configures by command, and stops by its own pid."""

import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from assay.errors import LabError

MAX_LINES = 2000
MAX_LINE = 2000


@dataclass(frozen=True)
class Setting:
    """A command that changes one setting, with {value} in its words."""

    run: tuple[str, ...]
    values: tuple[str, ...]
    restart: bool


class CommandProduct:
    """One product process; `words` stands for {python}, {state} and {profile} in its commands."""

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
        self._start, self._ready, self._ready_s = tuple(start), ready, ready_s
        self._words, self._settings, self._folder = dict(words), dict(settings), folder
        self._process: subprocess.Popen[bytes] | None = None
        self._extra: tuple[str, ...] = ()
        self.lines: deque[str] = deque(maxlen=MAX_LINES)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def _fill(self, words: Sequence[str], **more: str) -> list[str]:
        known = self._words | more
        filled = []
        for word in words:
            for name, value in known.items():
                word = word.replace("{" + name + "}", value)
            filled.append(word)
        return filled

    def start(self, *extra: str) -> None:
        """Start the process and wait for its ready line; LabError with its last words without one."""
        self._extra = extra or self._extra
        command = self._fill([*self._start, *self._extra])
        if setpriv := shutil.which("setpriv"):
            # of util-linux: a bench that is killed takes its product along
            command = [setpriv, "--pdeathsig", "KILL", *command]
        up = threading.Event()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
            )
        except OSError as error:
            raise LabError(f"the product's start command failed: {command[0]}: {error.strerror}") from error
        self._reader = threading.Thread(target=self._read, args=(self._process, up), daemon=True)
        self._reader.start()
        if self._ready is None:
            return
        if not up.wait(self._ready_s) or not self.running:
            self.stop()
            last = " | ".join(list(self.lines)[-3:]) or "nothing"
            raise LabError(f"the product did not say {self._ready!r} in {self._ready_s:g} s; it said: {last}")

    def _read(self, process: subprocess.Popen[bytes], up: threading.Event) -> None:
        stdout = process.stdout
        if stdout is None:
            return
        while line := stdout.readline(MAX_LINE):
            text = line.decode("utf-8", "replace").rstrip()
            self.lines.append("".join(c if c.isprintable() else "?" for c in text))
            if self._ready is not None and self._ready in text:
                up.set()
        up.set()

    def stop(self) -> None:
        """End the process and the group it leads: politely, then for certain."""
        process, self._process = self._process, None
        if process is None:
            return
        for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                break
        self._reader.join(5.0)
        if process.stdout is not None:
            process.stdout.close()

    def take_lines(self) -> list[str]:
        """What the product printed since the last call, at most the last `MAX_LINES` lines."""
        taken = []
        while self.lines:
            taken.append(self.lines.popleft())
        return taken

    def settings(self) -> dict[str, tuple[str, ...]]:
        """The settings that can be changed, with the values they may take."""
        return {name: setting.values for name, setting in self._settings.items()}

    def change(self, name: str, value: str) -> str:
        """Change a setting; empty when its command succeeded (and the product is up again), else why not."""
        setting = self._settings[name]
        command = self._fill(setting.run, value=value)
        try:
            done = subprocess.run(command, capture_output=True, timeout=60, cwd=self._folder, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{command[0]}: {error}"
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[-200:]
            return f"{command[0]} ended with {done.returncode}: {said}"
        if setting.restart:
            self.stop()
            try:
                self.start()
            except LabError as error:
                return str(error)
        return ""
