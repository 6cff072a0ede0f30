"""What every held product has in common: words filled in, commands run bounded, settings changed."""

import os
import signal
import subprocess
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from assay.errors import LabError
from drivers.log import MAX_LINE, Lines, printable

COMMAND_S = 60.0
PREPARE_S = 1800.0
MAX_TAKEN = 2000


@dataclass(frozen=True)
class Setting:
    """A command that changes one setting, with {value} in its words."""

    run: tuple[str, ...]
    values: tuple[str, ...]
    restart: bool
    read: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Vitals:
    """What is seen of the product's process: None for what is not, or when it is not there.

    `exits` counts how often it ended, or gave way to another process, although nobody had told it to.
    """

    pid: int | None = None
    exits: int = 0
    resident_kib: int | None = None


class Product(ABC):
    """A product that the bench may start, watch, configure and stop.

    `words` stands for {python}, {state} and {profile} in its commands; nothing goes through a shell.
    """

    def __init__(self, words: Mapping[str, str], settings: Mapping[str, Setting], folder: Path) -> None:
        self._words, self._settings, self._folder = dict(words), dict(settings), folder
        self.log = Lines()

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

    def vitals(self) -> Vitals:
        """How its process is doing, as far as that can be seen from here; safe to ask from any thread."""
        return Vitals()

    def prepare(self, words: Sequence[str]) -> None:
        """Make what the product is made of, before it is started; LabError with its last words."""
        code, text = self._output(words, within=PREPARE_S)
        if code:
            raise LabError(f"the product could not be prepared: {' '.join(words)} ended with {code}: {text}")

    def take_lines(self) -> list[str]:
        """What the product has said since the last call, at most the last `MAX_TAKEN` lines."""
        return self.log.take(MAX_TAKEN)

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
        return listen(command, self._folder, self.log, on_line, stderr=subprocess.STDOUT)

    def _fill(self, words: Sequence[str], **more: str) -> list[str]:
        return fill(words, self._words | more)

    def read(self, name: str) -> str:
        """A setting as the product tells it, "" where it cannot be asked; LabError without an answer."""
        words = self._settings[name].read
        if words is None:
            return ""
        code, text = self._output(words)
        if code:
            raise LabError(f"{name} could not be read: {text}")
        return text

    def _run(self, words: Sequence[str], **more: str) -> str:
        """Run one command; empty when it ended with 0, else what it said."""
        code, text = self._output(words, more)
        return f"{self._fill(words[:1])[0]} ended with {code}: {text}" if code else ""

    def _output(
        self, words: Sequence[str], more: Mapping[str, str] | None = None, *, within: float = COMMAND_S
    ) -> tuple[int, str]:
        """Run one command; its exit code and the last of what it said."""
        command = self._fill(words, **(more or {}))
        # a file and no pipe: a daemon that inherits the output would keep a pipe open for ever
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=within,
                    cwd=self._folder,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                return -1, str(error)
            output.seek(max(output.tell() - 200, 0))
            return done.returncode, printable(output.read(200))


def fill(words: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Words with {name} replaced by what it stands for."""
    filled = []
    for word in words:
        for name, value in known.items():
            word = word.replace("{" + name + "}", value)
        filled.append(word)
    return filled


def listen(
    command: Sequence[str], folder: Path, log: Lines, on_line: Callable[[str | None], None], *, stderr: int
) -> subprocess.Popen[bytes]:
    """Start a process whose lines a thread keeps in `log` and tells, and None at its end."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        raise LabError(f"the command {command[0]} could not be started: {error.strerror}") from error

    def read(stream: IO[bytes]) -> None:
        skipping = False
        with stream:
            while line := stream.readline(MAX_LINE):
                if not skipping:
                    on_line(log.add(line))
                skipping = not line.endswith(b"\n")  # the rest of a line that is too long
        on_line(None)

    if process.stdout is not None:
        threading.Thread(target=read, args=(process.stdout,), daemon=True).start()
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and the group it leads: politely, then for certain."""
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


def resident_kib(pid: int) -> int | None:
    """Resident memory in KiB of a local process and all below it, shared pages each time; None if gone."""
    total: int | None = None
    left = [pid]
    while left:
        process = Path("/proc", str(left.pop()))
        with suppress(OSError, ValueError, IndexError):  # it may end while it is looked at
            pages = int((process / "statm").read_text().split()[1])
            total = (total or 0) + pages * os.sysconf("SC_PAGE_SIZE") // 1024
            for task in (process / "task").iterdir():
                left += [int(child) for child in (task / "children").read_text().split()]
    return total
