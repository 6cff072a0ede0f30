"""What test cases about records share: what is wanted of one, and whether it is there in time."""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from assay.case import Control
from assay.verdict import Verdict, failed, inconclusive
from drivers.interfaces.host import HostBench, Line, LogLines

SLACK_S = 2.0  # that the time of a record may differ from that of its trigger


@dataclass(frozen=True)
class Wanted:
    """A record that there has to be, and the lines of the declared form that came; times are of our clock."""

    event: str  # of logs.events
    about: str
    fields: dict[str, str]  # that have these values, among those the declared form names
    since: float
    until: float
    lines: LogLines


@dataclass(frozen=True)
class Clock:
    """The product's clock less ours, in seconds, and how sure that is; the zone of times that carry none."""

    offset: float
    unsure: float
    zone: str
    ref: str
    hostname: str


def clock(host: HostBench) -> Clock:
    """Compare the product's clock with ours."""
    before = time.time()
    ran = host.root("date +%s.%N; uname -n")
    after = time.time()
    told = ran.out.split()
    theirs = float(told[0]) if len(told) == 2 and re.fullmatch(r"\d+\.\d+", told[0]) else float("nan")
    zone = str(host.declared("logs.timezone") or "")
    return Clock(theirs - (before + after) / 2, (after - before) / 2, zone, ran.ref, told[-1] if told else "")


def event(host: HostBench, name: str) -> Mapping[str, Any] | None:
    """A declared event."""
    found = (host.declared("logs.events") or {}).get(name)
    return found if isinstance(found, Mapping) else None


def marks(host: HostBench) -> dict[str, int]:
    """Where each log ends now."""
    return {str(one["name"]): host.log_mark(str(one["name"])) for one in host.declared("logs.locations")}


def marked(host: HostBench) -> Control:
    """Control: a line that is written now is found in every declared log by the search that cases use."""
    marker, places = f"assay-{secrets.token_hex(8)}", marks(host)
    host.root(f"logger -p authpriv.notice {marker}; logger -p user.notice {marker}")
    found = {name: host.logged(name, marker, place) for name, place in places.items()}
    lacking = [name for name, one in found.items() if one.problem or not one.lines]
    saw = f"not in {', '.join(lacking)}" if lacking else f"in {', '.join(found) or 'none'}"
    refs = tuple(one.ref for one in found.values())
    return Control("what is recorded now is found in every log", bool(found) and not lacking, saw, 0.0, refs)


def wanted(
    host: HostBench, name: str, about: str, fields: Mapping[str, str], since: float, places: Mapping[str, int]
) -> Wanted:
    """Look for a record up to the declared latency, and once more up to twice that time."""
    until, row = time.time(), event(host, name)
    if row is None:
        return Wanted(
            name, about, dict(fields), since, until, LogLines("", "", (), 0.0, "", f"{name} is not declared")
        )
    log = str(row["log"])
    deadline = time.monotonic() + 2 * float(host.declared("logs.latency_s"))
    while True:
        found = host.logged(log, str(row["regex"]), places.get(log, 0), within=0.01)
        if any(_fits(line, fields) for line in found.lines) or time.monotonic() > deadline:
            return Wanted(name, about, dict(fields), since, until, found)


def _fits(line: Line, fields: Mapping[str, str]) -> bool:
    return all(
        value in line.groups.get(name, "").split() or value == line.groups.get(name)
        for name, value in fields.items()
    )


def matching(one: Wanted) -> tuple[Line, ...]:
    """The lines that have the fields."""
    return tuple(line for line in one.lines.lines if _fits(line, one.fields))


def unrecorded(every: tuple[Wanted, ...], by: Clock) -> Verdict | None:
    """FAIL for the first record that is not there, or lacks a field, the host's name or the right time."""
    if not every:
        return inconclusive("no record was looked for")
    if by.offset != by.offset or not by.hostname:
        return inconclusive("the product's clock and name could not be read", by.ref)
    for one in every:
        if one.lines.problem:
            return inconclusive(f"{one.about}: {one.lines.problem}", one.lines.ref)
        fit = matching(one)
        if not fit:
            names = ", ".join(f"{name} {value}" for name, value in one.fields.items())
            came = f"; {len(one.lines.lines)} of the kind came" if one.lines.lines else ""
            return failed(
                f"{one.about}: no record with {names or 'the declared form'} in {one.lines.log}{came}",
                one.lines.ref,
            )
        why = [_odd(line, one, by) for line in fit]
        if all(why):
            return failed(f"{one.about}: {why[0]}", fit[0].ref)
    return None


def _odd(line: Line, one: Wanted, by: Clock) -> str:
    """What is wrong with a record; empty where nothing is."""
    if not re.match(re.escape(by.hostname.partition(".")[0]) + r"(\.|$)", line.groups.get("host", "")):
        return f"the record names {line.groups.get('host') or 'no'} host, not {by.hostname}"
    return mistimed(line, one, by)


def mistimed(line: Line, one: Wanted, by: Clock) -> str:
    """What is wrong with the time of a record; empty where nothing is."""
    at = moment(line.groups.get("time", ""), by.zone)
    if at is None:
        return f"the record has no time with a zone ({line.groups.get('time') or 'none'})"
    ours, slack = at - by.offset, SLACK_S + by.unsure
    if not one.since - slack <= ours <= one.until + slack:
        return f"the time of the record is {min(abs(ours - one.since), abs(ours - one.until)):.0f} s off"
    return ""


def moment(text: str, zone: str) -> float | None:
    """A time in seconds since 1970; None without a date, or without a zone where none is declared."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC if zone in ("UTC", "Z") else ZoneInfo(zone)) if zone else found
        return found.timestamp() if found.tzinfo else None
    except (ValueError, KeyError, OSError, OverflowError):
        return None


def took_effect(what: str, *states: tuple[str, bool]) -> Control:
    """Control: each step had the effect that it should."""
    bad = next((name for name, good in states if not good), "")
    return Control(what, bool(states) and not bad, f"not so: {bad}" if bad else f"{len(states)} effects seen")
