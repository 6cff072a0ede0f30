"""What every reader of a product's log owes: all lines, in order, harmless, bounded, and dated rightly."""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.errors import LabError
from drivers import log as module
from drivers.interfaces import LogMark, LogRecord, ProductLog
from drivers.lifecycle.reader import CommandLog
from drivers.log import MAX_LINE, Clock, FileLog, Identities, Lines, LogReader, names, spelled

MISMATCH = re.compile(r"mismatch (?P<amf_ue_ngap_id>\w+)(?: of (?P<supi>imsi-\d+))?")
BARE = re.compile("mismatch")
KNOWN: Identities = {"supi": spelled("imsi-999700000000001"), "amf_ue_ngap_id": spelled(17)}


def until(done: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + 10, threading.Event()
    while not done():
        assert time.monotonic() < deadline, "nothing came"
        pause.wait(0.02)


def texts(log: ProductLog) -> list[str]:
    return [record.text for record in log.since(0)]


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def again(path: Path, lines: Lines) -> bool:
    write(path, "awake\n")
    return lines.mark() > 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "amf.log").write_text("from before\n")
    return tmp_path / "amf.log"


@pytest.fixture(params=["file", "command"])
def lines(request: pytest.FixtureRequest, path: Path) -> Iterator[Lines]:
    reader: FileLog | CommandLog
    if request.param == "file":
        reader = FileLog(path)
    else:
        words = ["tail", "-F", "-n", "0", "{state}/amf.log"]
        reader = CommandLog(words, words={"state": str(path.parent)}, folder=path.parent)
        until(lambda: again(path, reader.lines))
    yield reader.lines
    reader.close()


# --- every reader -------------------------------------------------------------------------------------------


def test_lines_come_in_order_and_harmless(lines: Lines, path: Path) -> None:
    here = lines.mark()
    write(path, "one\ntwo \x1b[31mred\x07\nthr")
    until(lambda: lines.mark() >= here + 2)
    write(path, "ee\n")
    until(lambda: lines.mark() >= here + 3)
    until(lambda: texts(lines)[-1] == "three")
    assert texts(lines)[-3:] == ["one", "two ?[31mred?", "three"]
    assert [record.number for record in lines.since(0)] == list(range(1, lines.mark() + 1))
    assert "from before" not in texts(lines)
    assert not lines.trouble(here)


def test_a_log_that_is_rotated_is_followed(lines: Lines, path: Path) -> None:
    write(path, "old\n")
    until(lambda: "old" in texts(lines))
    path.rename(path.with_suffix(".1"))
    write(path, "new\n")
    until(lambda: "new" in texts(lines))
    path.write_text("")  # as copytruncate does
    until(lambda: path.stat().st_size == 0)
    threading.Event().wait(4 * module.POLL_S)  # nothing tells when it was noticed
    write(path, "cut\n")
    until(lambda: "cut" in texts(lines))
    assert [text for text in texts(lines) if text in ("old", "new", "cut")] == ["old", "new", "cut"]


def test_an_endless_line_is_one_line_and_does_not_hide_the_next(lines: Lines, path: Path) -> None:
    here = lines.mark()
    for _ in range(40):
        write(path, "x" * 50_000)
    until(lambda: lines.mark() > here)
    write(path, "\nafter\n")
    until(lambda: texts(lines)[-1] == "after")
    endless = [text for text in texts(lines) if text.startswith("x")]
    assert [len(text) for text in endless] == [MAX_LINE]


# --- a file -------------------------------------------------------------------------------------------------


def test_what_is_still_written_to_the_old_file_is_not_lost(path: Path) -> None:
    reader = FileLog(path)
    with path.open("a") as product:  # opens its log again later than logrotate has moved it
        path.rename(path.with_suffix(".1"))
        path.touch()
        product.write("last words\n")
        product.flush()
        until(lambda: "last words" in texts(reader.lines))
    write(path, "first words\n")
    until(lambda: "first words" in texts(reader.lines))
    reader.close()


def test_a_file_that_is_not_there_is_trouble_until_it_is(tmp_path: Path) -> None:
    reader = FileLog(tmp_path / "later.log")
    assert "cannot be read: No such file" in reader.lines.trouble(0)
    write(tmp_path / "later.log", "there\n")
    until(lambda: texts(reader.lines) == ["there"])
    assert not reader.lines.trouble(0)
    reader.close()


# --- a command ----------------------------------------------------------------------------------------------


def python(code: str, folder: Path) -> CommandLog:
    return CommandLog([sys.executable, "-uc", code], words={}, folder=folder)


def test_a_command_that_never_ends_is_ended(tmp_path: Path) -> None:
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid())\nwhile True: time.sleep(60)"
    )
    reader = python(code, tmp_path)
    until(lambda: reader.lines.mark() == 1)
    pid = int(texts(reader.lines)[0])
    began = time.monotonic()
    reader.close()
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_command_that_prints_without_end_costs_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LINES", 50)
    code = "n = 0\nwhile True: n += 1; print(n if n % 2 else 'x' * 9999)"
    reader = python(code, tmp_path)
    until(lambda: reader.lines.mark() > 5_000)
    assert len(reader.lines.since(0)) <= 50
    assert "more lines than" in reader.lines.trouble(0)
    reader.close()


def test_errors_of_the_command_are_no_records_and_its_end_is_trouble(tmp_path: Path) -> None:
    reader = python("import sys; print('record'); sys.exit('ssh: connection lost')", tmp_path)
    until(lambda: bool(reader.lines.trouble(0)))
    assert texts(reader.lines) == ["record"]
    assert reader.lines.trouble(0).endswith("has ended")
    reader.close()
    with pytest.raises(LabError, match="/no/such/program could not be started"):
        CommandLog(["/no/such/program"], words={}, folder=tmp_path)


# --- what it says -------------------------------------------------------------------------------------------


class Written:
    """A log whose lines were read at given times."""

    def __init__(self, *lines: tuple[float, str]) -> None:
        self.records = [LogRecord(number, read, text) for number, (read, text) in enumerate(lines, 1)]

    def trouble(self, mark: int) -> str:
        return ""

    def mark(self) -> int:
        return len(self.records)

    def since(self, mark: int) -> tuple[LogRecord, ...]:
        return tuple(self.records[mark:])


def reader(
    *lines: tuple[float, str], kind: re.Pattern[str] = MISMATCH, clock: Clock | None = None
) -> LogReader:
    view = LogReader(Written(), clock, {"capability_mismatch": kind})  # begins before the first line
    view._log = Written(*lines)
    return view


def look(view: LogReader, since: LogMark) -> module.Found:
    return view.look("capability_mismatch", KNOWN, since, within=0.0, pause=lambda seconds: None)


@pytest.mark.parametrize(
    ("format_", "text", "moment"),
    [
        ("iso", "2026-03-01T10:00:00.250Z", datetime(2026, 3, 1, 10, 0, 0, 250_000, UTC)),
        ("iso", "2026-03-01 12:00:00,250+02:00", datetime(2026, 3, 1, 10, 0, 0, 250_000, UTC)),
        ("iso", "2026-03-01T10:00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("epoch", "1772359200.25", datetime(2026, 3, 1, 10, 0, 0, 250_000, UTC)),
        ("%m/%d %H:%M:%S.%f", "03/01 10:00:00.250", datetime(2026, 3, 1, 10, 0, 0, 250_000, UTC)),
        ("%b %d %H:%M:%S", "Dec 31 23:59:59", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("%d.%m.%Y %H:%M", "01.03.2026 10:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_line_shows_its_time(format_: str, text: str, moment: datetime) -> None:
    read = datetime(2026, 1, 2, tzinfo=UTC).timestamp() if "Dec" in text else moment.timestamp() + 3
    dated = Clock(re.compile(r"^(.+?) \|"), format_).dated(LogRecord(1, read, f"{text} | a record"))
    assert dated == pytest.approx(moment.timestamp(), abs=1e-4)


@pytest.mark.parametrize("format_", ["iso", "epoch", "%m/%d %H:%M:%S", "%Y-%m-%d"])
@pytest.mark.parametrize(
    "text", ["", "yesterday", "nan", "1e999", "99/99 99:99:99", "0000-00-00", "02/30 1:1:1"]
)
def test_a_line_that_shows_no_time_is_not_dated(format_: str, text: str) -> None:
    clock = Clock(re.compile(r"^(.*) \|"), format_)
    assert clock.dated(LogRecord(1, 1.8e9, f"{text} | a record")) is None
    assert clock.dated(LogRecord(1, 1.8e9, "a record")) is None


CLOCK = Clock(re.compile(r"^(\S+)"), "epoch")
NOW = 1.8e9
EAST = 7200.0  # a log clock that is two hours ahead of ours


def line(read: float, said: str, *, written: float | None = None) -> tuple[float, str]:
    return NOW + read, f"{NOW + EAST + (read - 0.01 if written is None else written):.3f} {said}"


def test_the_log_s_clock_is_compared_with_ours_and_old_lines_are_told() -> None:
    backlog = [line(0, "from yesterday", written=-86_400), line(0, "far ahead", written=9e6)]
    live = [line(n, "live") for n in range(1, 9)]
    late = line(11.0, "mismatch 17", written=2.0)  # it came late: it was written before the mark
    view = reader(*backlog, *live, line(10.5, "mismatch 17"), late, clock=CLOCK)
    found = look(view, LogMark(10, NOW + 10))
    assert found.clock_offset == pytest.approx(-EAST, abs=0.1)
    assert [(m.ref, m.names, m.older) for m in found.matches] == [
        ("product.log#11", True, False),
        ("product.log#12", True, True),
    ]
    assert view.awake(LogMark(10, NOW + 10), within=0.0, pause=lambda seconds: None) == 1


def test_whole_seconds_are_not_taken_for_more_than_they_are() -> None:
    lines = [(NOW + n, f"{NOW + n - 1:.0f} live") for n in range(8)]  # cut, and so up to a second early
    view = reader(*lines, (NOW + 8.1, f"{NOW + 7:.0f} mismatch 17"), clock=CLOCK)
    (match,) = look(view, LogMark(8, NOW + 8)).matches
    assert not match.older
    view = reader(*lines, (NOW + 8.1, f"{NOW + 4:.0f} mismatch 17"), clock=CLOCK)
    assert look(view, LogMark(8, NOW + 8)).matches[0].older


def test_without_a_clock_the_time_of_reading_counts() -> None:
    found = look(reader((NOW, "mismatch 17"), (NOW + 2, "mismatch 17")), LogMark(1, NOW + 1))
    assert (found.earlier, len(found.matches), found.clock_offset) == (1, 1, None)
    assert not found.matches[0].older


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("mismatch 17 of imsi-999700000000001", True),
        ("mismatch 0x11 of imsi-999700000000001", True),
        ("mismatch 00017", True),
        ("mismatch 00011", False),
        ("mismatch 18", False),
        ("mismatch 17 of imsi-999700000000002", False),
    ],
)
def test_records_name_their_ue(said: str, named: bool) -> None:
    found = MISMATCH.search(said)
    assert found is not None
    assert names(found, KNOWN) is named
    seen = look(reader((NOW, "before"), (NOW, said)), LogMark(1, NOW))
    assert (len(seen.matches), seen.others) == ((1, 0) if named else (0, 1))


def test_records_that_name_nobody_are_told_as_such() -> None:
    (match,) = look(reader((NOW, "mismatch 99"), kind=BARE), LogMark(0, NOW)).matches
    assert match.names is None


def test_a_pattern_that_takes_too_long_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MATCHING_S", 0.0)
    view = reader(*[(NOW, "a" * 18 + "!")] * 5, kind=re.compile("(a+)+$"))
    began = time.monotonic()
    assert "took more than" in look(view, LogMark(0, NOW)).trouble
    assert time.monotonic() - began < 5


def test_what_was_lost_before_a_mark_does_not_matter_after_it() -> None:
    lines = Lines()
    for number in range(module.MAX_LINES + 10):
        lines.add(b"%d" % number)
    assert lines.trouble(0)
    assert not lines.trouble(10)
    assert lines.since(lines.mark() - 1)[0].text == str(module.MAX_LINES + 9)
    assert lines.take(3) == [str(module.MAX_LINES + n) for n in (7, 8, 9)]
    assert lines.take(3) == []
