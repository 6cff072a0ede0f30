"""The product's log: read while it is written, bounded and harmless, and dated by its own clock."""

import itertools
import math
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from drivers.interfaces import LogKind, LogMark, LogMatch, LogRecord, ProductLog

MAX_LINES, MAX_OCTETS = 20_000, 8 << 20  # kept of a log
MAX_LINE = 2_000  # octets; longer ones are cut
MAX_MATCHES = 20
MATCHING_S = 5.0  # for all regular expressions of one look: the lines are the product's
POLL_S = 0.05
DATED_LINES = 500  # that the log's clock is compared with ours by


def printable(octets: bytes) -> str:
    """What a product says made harmless for logs and terminals, one line, bounded."""
    text = octets[:MAX_LINE].decode("utf-8", "replace").strip()
    return "".join(c if c.isprintable() else "?" for c in text)


class Lines:
    """The last lines of a log in memory: a `ProductLog` that any reader can fill; numbers only grow."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[LogRecord] = deque()
        self._octets = self._last = self._taken = 0
        self.ended = ""  # why its reader has stopped

    def add(self, octets: bytes) -> str:
        """Keep one line; the text that is kept."""
        text = printable(octets)
        with self._lock:
            self._last += 1
            self._records.append(LogRecord(self._last, time.time(), text))
            self._octets += len(text)
            while len(self._records) > MAX_LINES or self._octets > MAX_OCTETS:
                self._octets -= len(self._records.popleft().text)
        return text

    def trouble(self, mark: int) -> str:
        with self._lock:
            first = self._records[0].number if self._records else self._last + 1
        gone = f"more lines than {MAX_LINES}, or more octets than {MAX_OCTETS >> 20} MiB, came at once"
        return self.ended or (gone if first > mark + 1 else "")

    def mark(self) -> int:
        with self._lock:
            return self._last

    def since(self, mark: int) -> tuple[LogRecord, ...]:
        with self._lock:
            kept = self._last - len(self._records)
            return tuple(itertools.islice(self._records, max(mark - kept, 0), None))

    def take(self, most: int) -> list[str]:
        """The lines since the last call, at most the last `most`."""
        lines = [record.text for record in self.since(self._taken)]
        self._taken = self.mark()
        return lines[-most:]


# --- a file -----------------------------------------------------------------------------------------------


class FileLog:
    """Follows a file from its end on; one that is replaced or cut is read from its beginning."""

    def __init__(self, path: Path) -> None:
        self.lines, self._path = Lines(), path
        self._stop = threading.Event()
        self._line, self._skipping = b"", False
        self._handle = self._open()
        if self._handle is not None:
            self._handle.seek(0, os.SEEK_END)
        self._thread = threading.Thread(target=self._follow, name="log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join(5.0)
        if self._handle is not None:
            self._handle.close()

    def _open(self) -> BinaryIO | None:
        try:
            handle = self._path.open("rb")
        except OSError as error:
            self.lines.ended = f"{self._path} cannot be read: {error.strerror}"
            return None
        self.lines.ended = ""
        return handle

    def _follow(self) -> None:
        while not self._stop.is_set():
            if self._handle is None:
                self._handle = self._open()
            elif self._read(self._handle):
                continue
            else:
                self._handle = self._current(self._handle)
            self._stop.wait(POLL_S)  # a file has no event to wait for

    def _read(self, handle: BinaryIO) -> bool:
        """Take what there is of the next line; whether there was anything."""
        piece = handle.readline(MAX_LINE)
        whole = piece.endswith(b"\n")
        if not self._skipping:
            self._line += piece
            if whole or len(self._line) >= MAX_LINE:
                self.lines.add(self._line)
                self._line, self._skipping = b"", True
        if whole:
            self._skipping = False
        return bool(piece)

    def _current(self, handle: BinaryIO) -> BinaryIO | None:
        """The file to go on with: the same, or the new one as soon as something stands in it."""
        with suppress(OSError):
            there, here = self._path.stat(), os.fstat(handle.fileno())
            if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
                if there.st_size:
                    handle.close()
                    self._line, self._skipping = b"", False
                    return self._open()
            elif here.st_size < handle.tell():
                handle.seek(0)
                self._line, self._skipping = b"", False
        return handle


# --- what it says -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clock:
    """Where a line shows its time (the pattern's first group), and how: "iso", "epoch", or for strptime."""

    pattern: re.Pattern[str]
    format: str

    def dated(self, record: LogRecord) -> float | None:
        """The time of a line in seconds since the epoch as its own clock has it, as if it were UTC."""
        found = self.pattern.search(record.text)
        if found is None or not found[1]:
            return None
        try:
            moment = self._moment(found[1], record.read)
        except (ValueError, OverflowError):
            return None
        return moment if math.isfinite(moment) else None

    def _moment(self, text: str, read: float) -> float:
        if self.format == "epoch":
            return float(text)
        if self.format == "iso":
            return _seconds(datetime.fromisoformat(text))
        if "%y" in self.format.lower():
            return _seconds(datetime.strptime(text, self.format))
        year = datetime.fromtimestamp(read, UTC).year
        near = []
        for one in (year - 1, year, year + 1):
            with suppress(ValueError):  # 29 February
                near.append(_seconds(datetime.strptime(f"{one} {text}", f"%Y {self.format}")))
        return min(near, key=lambda moment: abs(moment - read))


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


Identities = Mapping[str, frozenset[str]]
Pause = Callable[[float], object]


def names(found: re.Match[str], known: Identities) -> bool | None:
    """Whether the identities in a record (the named groups) are those of a UE; None where there are none."""
    shown = {name: value for name, value in found.groupdict().items() if value is not None}
    if not shown:
        return None
    return all(_bare(value) in known.get(name, frozenset()) for name, value in shown.items())


def _bare(value: str) -> str:
    """An identity without its prefix; a hexadecimal number, by 0x or a letter, is told apart from decimal."""
    text = value.lower().removeprefix("imsi-")
    base = "x" if text.startswith("0x") or re.search("[a-f]", text) else ""
    return base + (text.removeprefix("0x").lstrip("0") or "0")


def spelled(*values: int | str) -> frozenset[str]:
    """The ways in which a log may spell identities: numbers in decimal or hexadecimal."""
    texts = (text for v in values for text in ([str(v)] if isinstance(v, str) else [str(v), f"0x{v:x}"]))
    return frozenset(map(_bare, texts))


@dataclass(frozen=True)
class Found:
    """What one look at the log saw."""

    records: int
    matches: tuple[LogMatch, ...]
    others: int
    earlier: int
    trouble: str
    clock_offset: float | None


class LogReader:
    """One variant's view of the log, how its lines are dated, and how records of each kind are recognised."""

    def __init__(
        self, log: ProductLog, clock: Clock | None, kinds: Mapping[LogKind, re.Pattern[str]]
    ) -> None:
        self._log, self._clock, self.kinds = log, clock, kinds
        self.begin()

    def begin(self) -> None:
        """A new variant begins."""
        self._begin, self.used = self._log.mark(), False

    def texts(self) -> list[str]:
        """The lines since the variant began, as references count them."""
        return [record.text for record in self._log.since(self._begin)]

    def mark(self) -> LogMark:
        """A place in the log, and the time."""
        return LogMark(self._log.mark(), time.time())

    def awake(self, since: LogMark, *, within: float, pause: Pause) -> int:
        """Wait for any record of the time since a mark: how many there are."""
        self.used = True

        def current() -> int:
            offset, slack = self._offset()
            records = self._log.since(since.line)
            return sum(not self._older(record, since, offset, slack) for record in records)

        _poll(lambda: current() > 0, within, pause)
        return current()

    def look(self, kind: LogKind, known: Identities, since: LogMark, *, within: float, pause: Pause) -> Found:
        """Wait for a record of a kind about a UE since a mark, and tell all there are."""
        self.used = True
        pattern, place, spent = self.kinds[kind], self._begin, 0.0
        hits: list[tuple[LogRecord, bool | None]] = []

        def seen() -> bool:
            nonlocal place, spent
            for record in self._log.since(place):
                if spent > MATCHING_S:
                    return True
                began = time.monotonic()
                found = pattern.search(record.text)
                spent += time.monotonic() - began
                place = record.number
                if found is not None:
                    hits.append((record, names(found, known)))
            return any(record.number > since.line and named is not False for record, named in hits)

        _poll(seen, within, pause)
        offset, slack = self._offset()
        late = [(record, named) for record, named in hits if record.number > since.line]
        matches = [
            LogMatch(self._ref(record), named, self._older(record, since, offset, slack))
            for record, named in late
            if named is not False
        ]
        slow = f"the pattern of {kind} took more than {MATCHING_S:g} s" if spent > MATCHING_S else ""
        return Found(
            self._log.mark() - since.line,
            tuple(matches[:MAX_MATCHES]),
            len(late) - len(matches),
            sum(record.number <= since.line and named is not False for record, named in hits),
            self._log.trouble(self._begin) or slow,
            None if offset is None else round(offset, 3),
        )

    def _ref(self, record: LogRecord) -> str:
        return f"product.log#{record.number - self._begin}"

    def _offset(self) -> tuple[float | None, float]:
        """Seconds from the log's clock to ours, and how exact a time stamp is.

        A line is read a little after it was written, seldom much later: the lower quartile of the delays is
        near the offset, and neither old lines nor a stray date move it.
        """
        if self._clock is None:
            return None, 0.0
        last = self._log.since(max(self._log.mark() - DATED_LINES, 0))
        pairs = [(record.read, self._clock.dated(record)) for record in last]
        dated = [(read, moment) for read, moment in pairs if moment is not None]
        if not dated:
            return None, 0.0
        delays = sorted(read - moment for read, moment in dated)
        whole = all(moment == int(moment) for _, moment in dated)
        return delays[len(delays) // 4], 1.0 if whole else 0.1

    def _older(self, record: LogRecord, since: LogMark, offset: float | None, slack: float) -> bool:
        """Whether a line that was read after a mark was written before it."""
        moment = self._clock.dated(record) if self._clock is not None else None
        return offset is not None and moment is not None and moment + offset < since.at - slack


def _poll(done: Callable[[], bool], within: float, pause: Pause) -> None:
    """Wait until something is so, or the time is over: a log has no event to wait for."""
    deadline = time.monotonic() + within
    while not done() and time.monotonic() < deadline:
        pause(POLL_S)
