"""TC_LOGGING_ACCESS_TO_PERSONAL_DATA: who looks at a subscriber is recorded, and the record tells no data."""

import re
import time
from dataclasses import dataclass, replace

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Endpoint, HostBench, LogLines
from drivers.interfaces.replies import Ran
from testsuites.ts_33_117.common import first, of_each_role
from testsuites.ts_33_117.records import Clock, Wanted, clock, marked, marks, matching, mistimed, wanted

READ, REFUSED = "personal-data-read", "personal-data-refused"  # of logs.events
SHORTEST = 4  # characters of a planted value that are told from chance


@dataclass(frozen=True)
class Access:
    """One user's call of a function that shows personal data, and the record of it."""

    function: str
    user: str
    ran: Ran
    shown: bool  # a planted value is in what the user got
    ref: str  # of the subscriber
    record: Wanted


@dataclass(frozen=True)
class Seen(Observation):
    before: Control
    functions: tuple[str, ...]
    accesses: tuple[Access, ...]
    clock: Clock
    after: Control
    told: tuple[LogLines, ...]  # lines of every log with a planted value
    alive: Control


def judge(seen: Seen) -> Verdict:
    if doubt := unsound([seen.before]):
        return doubt
    for log in seen.told:
        if log.lines:
            return failed(f"the log {log.log} has the subscriber's data in clear", log.lines[0].ref)
    if seen.clock.offset != seen.clock.offset:
        return inconclusive("the product's clock could not be read", seen.clock.ref)
    for one in seen.accesses:
        if not one.shown and not one.ran.status:
            said = one.ran.problem or one.ran.err or "neither the data nor a refusal came"
            return inconclusive(f"{one.function} by {one.user}: {said}", one.ran.ref)
        if one.record.lines.problem:
            return inconclusive(f"{one.record.about}: {one.record.lines.problem}", one.record.lines.ref)
        if why := _lacks(one, seen.clock):
            return failed(f"{one.record.about}: {why}", one.record.lines.ref)
    for name in seen.functions or ("no function",):
        if {one.shown for one in seen.accesses if one.function == name} != {True, False}:
            return inconclusive(f"{name}: it was not both shown to one and refused to another")
    for log in seen.told:
        if log.problem:
            return inconclusive(f"the log {log.log} could not be searched: {log.problem}", log.ref)
    if not seen.told:
        return inconclusive("no log was searched")
    return unsound([seen.after, seen.alive]) or passed(
        f"{len(seen.accesses)} accesses and refusals are recorded with user, object and time, and no data"
    )


def _lacks(one: Access, by: Clock) -> str:
    """What the record of an access lacks; empty where there is one that lacks nothing."""
    fit = matching(one.record)
    if not fit:
        return f"no record names {one.user} ({len(one.record.lines.lines)} of the kind came)"
    why = ""
    for line in fit:
        about = line.groups.get("object") == one.ref or bool(line.groups.get("action"))
        why = "the record names neither object nor action" if not about else mistimed(line, one.record, by)
        if not why:
            return ""
    return why


def planted(subscriber: dict[str, object]) -> tuple[str, ...]:
    """What must not be found: each value, a number also without its prefix; never the pseudonym itself."""
    texts = [str(value) for name, value in subscriber.items() if name != "ref"]
    texts += [text.partition("-")[2] for text in texts if re.fullmatch(r"(imsi|nai|msisdn)-.+", text)]
    return tuple(dict.fromkeys(text for text in texts if len(text) >= SHORTEST))


def _endpoint(host: HostBench, row: dict[str, object]) -> Endpoint:
    ends = [one for one in host.endpoints() if row.get("endpoint") in (None, one.name)]
    return first((one for one in ends if one.via == row["via"]), f"where {row['name']} is (oam.endpoints)")


@case(
    "TC_LOGGING_ACCESS_TO_PERSONAL_DATA",
    judge,
    "A",
    asks=("Does privacy.functions name every place where the product shows personal data in clear?",),
)
def test_logging_access_to_personal_data(host: HostBench) -> Seen:
    subscriber = dict(host.declared("privacy.test_subscriber"))
    values, ref = planted(subscriber), str(subscriber.get("ref", ""))
    search = "(?i)" + "|".join(map(re.escape, values)) if values else "$^"
    functions, accesses = host.declared("privacy.functions"), []
    start, before = marks(host), marked(host)
    host.stimulus()
    everyone = [
        (row, user)
        for row in functions
        for user in of_each_role(host.users(endpoint=_endpoint(host, row), aside=False))
    ]
    for row, user in everyone:
        places, since = marks(host), time.time()
        words = {name: str(value) for name, value in subscriber.items() if name not in ("user", "secret")}
        ran = host.do(row, **{**words, "user": user.name})
        shown = bool(re.search(search, ran.out))
        about = f"{row['name']} {'by' if shown else 'refused to'} {user.name}"
        record = wanted(host, READ if shown else REFUSED, about, {"user": user.name}, since, places)
        accesses.append(Access(str(row["name"]), user.name, replace(ran, out=""), shown, ref, record))
        if not matching(record):  # one is enough, and each takes its time to be missed
            break
    after = marked(host)
    told = tuple(host.logged(name, search, place, within=0.01) for name, place in start.items())
    names = tuple(str(row["name"]) for row in functions)
    return Seen(before, names, tuple(accesses), clock(host), after, told, host.alive())
