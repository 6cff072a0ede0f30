"""What every held product has in common: words filled in, commands run bounded, settings changed."""

import os
import signal
import subprocess
import tempfile
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from assay.errors import LabError

MAX_LINES = 2000
MAX_LINE = 2000
COMMAND_S = 60.0


@dataclass(frozen=True)
class Setting:
    """A command that changes one setting, with {value} in its words."""

    run: tuple[str, ...]
    values: tuple[str, ...]
    restart: bool


class Product(ABC):
    """A product that the bench may start, watch, configure and stop.

    `words` stands for {python}, {state} and {profile} in its commands; nothing goes through a shell.
    """

    def __init__(self, words: Mapping[str, str], settings: Mapping[str, Setting], folder: Path) -> None:
        self._words, self._settings, self._folder = dict(words), dict(settings), folder
        self._lines: deque[str] = deque(maxlen=MAX_LINES)

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether the product is there."""

    @abstractmethod
    def start(self, *extra: str) -> None:
        """Start it and wait until it is up; LabError with its last words when it does not come."""

    @abstractmethod
    def stop(self) -> None:
        """End it, bounded."""

    def release(self) -> None:
        """Let go of it at the end of a run; what we did not start is left as it was found."""
        self.stop()

    def take_lines(self) -> list[str]:
        """What the product has said since the last call, at most the last `MAX_LINES` lines."""
        taken = []
        while self._lines:
            taken.append(self._lines.popleft())
        return taken

    def settings(self) -> dict[str, tuple[str, ...]]:
        """The settings that can be changed, with the values they may take."""
        return {name: setting.values for name, setting in self._settings.items()}

    def change(self, name: str, value: str) -> str:
        """Change a setting; empty when its command succeeded (and the product is up again), else why not."""
        setting = self._settings[name]
        if problem := self._run(setting.run, value=value):
            return problem
        if setting.restart:
            self.stop()
            try:
                self.start()
            except LabError as error:
                return str(error)
        return ""

    def _listen(
        self, command: Sequence[str], on_line: Callable[[str | None], None]
    ) -> subprocess.Popen[bytes]:
        """Start a process whose lines a thread keeps and tells, and None at its end."""
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
            )
        except OSError as error:
            raise LabError(f"the command {command[0]} could not be started: {error.strerror}") from error

        def read(stream: IO[bytes]) -> None:
            with stream:
                while line := stream.readline(MAX_LINE):
                    text = printable(line)
                    self._lines.append(text)
                    on_line(text)
            on_line(None)

        if process.stdout is not None:
            threading.Thread(target=read, args=(process.stdout,), daemon=True).start()
        return process

    def _fill(self, words: Sequence[str], **more: str) -> list[str]:
        known = self._words | more
        filled = []
        for word in words:
            for name, value in known.items():
                word = word.replace("{" + name + "}", value)
            filled.append(word)
        return filled

    def _run(self, words: Sequence[str], **more: str) -> str:
        """Run one command; empty when it ended with 0, else what it said."""
        command = self._fill(words, **more)
        # a file and no pipe: a daemon that inherits the output would keep a pipe open for ever
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=COMMAND_S,
                    cwd=self._folder,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                return f"{command[0]}: {error}"
            if done.returncode == 0:
                return ""
            output.seek(max(output.tell() - 200, 0))
            return f"{command[0]} ended with {done.returncode}: {printable(output.read(200))}"


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and the group it leads: politely, then for certain."""
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


def printable(octets: bytes) -> str:
    """Output of a product made harmless for logs and terminals, one line, bounded."""
    text = octets[:MAX_LINE].decode("utf-8", "replace").strip()
    return "".join(c if c.isprintable() else "?" for c in text)
