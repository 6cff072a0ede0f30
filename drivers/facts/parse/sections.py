"""What all parsers of a host's outputs share: lines, sections, numbers, and bounds."""

import json
from collections.abc import Iterator
from typing import Any, TypeVar

MARK = "\x1e"  # begins the line that names a section; other control characters do not survive the way here
MAX_ROWS = 50_000
MAX_LINE = 8_000

Kind = TypeVar("Kind")


def lines(text: str) -> Iterator[str]:
    """The lines that say something, bounded; ValueError above 50,000."""
    for number, one in enumerate(text.split("\n")):
        if number > MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS} lines")
        if one.strip():
            yield one[:MAX_LINE]


def sections(text: str) -> Iterator[tuple[str, str]]:
    """The named sections of an output, and what comes before the first under an empty name."""
    first, *rest = f"\n{text}".split(f"\n{MARK}")
    yield "", first.strip("\n")
    for part in rest[:MAX_ROWS]:
        name, _, said = part.partition("\n")
        yield name.strip(), said.strip("\n")


def uncommented(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines without comments and indentation, with continuation lines joined."""
    held, start = "", 0
    for number, one in enumerate(text.split("\n"), 1):
        if number > MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS} lines")
        one = one.strip()
        if not held:
            start = number
        if one.startswith("#") and not held:
            continue
        if one.endswith("\\") and len(held) < MAX_LINE:
            held += one[:-1] + " "
            continue
        whole, held = (held + one).strip(), ""
        if whole:
            yield start, whole[:MAX_LINE]


def number(text: str, base: int = 10) -> int:
    """A number of the host, ValueError where it is none or absurdly long."""
    if len(text) > 25 or not text.isascii() or "_" in text:
        raise ValueError(f"{text[:30]!r} is no number")
    return int(text, base)


def optional(text: str) -> int | None:
    return number(text) if text.strip() else None


def load(text: str, kind: type[Kind]) -> Kind:
    """JSON of this kind; ValueError for anything else, for deep nesting too."""
    try:
        value: Any = json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON without end") from error
    if not isinstance(value, kind):
        raise ValueError(f"JSON, but no {kind.__name__}")
    return value


def some(rows: list[Kind], what: str) -> list[Kind]:
    """The rows; ValueError where there is none though there must be."""
    if not rows:
        raise ValueError(f"no {what} in the output")
    return rows
