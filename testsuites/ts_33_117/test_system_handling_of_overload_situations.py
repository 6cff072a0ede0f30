"""TC_SYSTEM_HANDLING_OF_OVERLOAD_SITUATIONS: overload control is described, tested, and fails safe."""

import re
import time
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Process
from drivers.interfaces.host import Document, HostBench, User, got_in, rows, unread
from drivers.interfaces.replies import Fact, WebLoad
from testsuites.ts_33_117.common import first
from testsuites.ts_33_117.software import opened

TOPICS = ("design", "types", "thresholds", "attacks", "discard", "security", "action")
ITEMS = ("conditions", "procedure", "results", "setup")
CASE = "TC_SYSTEM_HANDLING_OF_OVERLOAD_SITUATIONS"


@dataclass(frozen=True)
class Papers(Observation):
    paper: Document
    topics: dict[str, Any]
    wanted: tuple[str, ...]
    thresholds: tuple[dict[str, Any], ...]
    named: tuple[bool, ...]  # for each threshold, whether its value stands in the text
    readable: bool  # the document is text in which a value can be looked for
    alive: Control


def judge_papers(seen: Papers) -> Verdict:
    if doubt := unsound([opened(seen.paper)]):
        return doubt
    if lacking := [topic for topic in seen.wanted if not seen.topics.get(topic)]:
        return failed(f"{seen.paper.file} is not said to cover {', '.join(lacking)}")
    if not seen.thresholds:
        return failed("no threshold is declared")
    for one in seen.thresholds:
        if not _number(one.get("value")):
            return failed(f"the threshold of {one.get('endpoint') or one.get('interface')} is no number")
        if not one.get("unit"):
            return failed(f"the threshold {one['value']} has no unit")
    if seen.readable and not all(seen.named):
        return failed(f"{seen.paper.file} does not name every declared threshold")
    return unsound([seen.alive]) or passed(f"{seen.paper.file} is as declared and covers every topic")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _papers(host: HostBench, key: str, wanted: tuple[str, ...]) -> Papers:
    declared = host.declared(key)
    paper, octets = host.document(declared)
    thresholds = tuple(dict(one) for one in host.declared("overload.thresholds"))
    text = octets.decode(errors="replace")
    readable = bool(text) and "\0" not in text and "\ufffd" not in text
    named = tuple(
        bool(re.search(rf"(?<![\d.]){re.escape(str(one.get('value')))}(?![\d])", text)) for one in thresholds
    )
    return Papers(
        paper, dict(declared.get("topics") or {}), wanted, thresholds, named, readable, host.alive()
    )


@case(
    CASE,
    judge_papers,
    "A",
    asks=tuple(
        f"Is the description adequate about {topic}?"
        for topic in (
            "the design of overload control",
            "the types of overload",
            "the thresholds",
            "attacks that cause overload, and their handling",
            "what is discarded at each level",
            "the behaviour of security functions",
            "shutdown or other corrective action",
        )
    ),
)
def test_description(host: HostBench) -> Papers:
    return _papers(host, "documents.overload_description", TOPICS)


@case(
    CASE,
    judge_papers,
    "B",
    asks=(
        "Do the conditions tested match the description, with a measured value for each threshold?",
        "Are procedure, results and set-up (simulators and scripts) described so that they can be repeated?",
    ),
)
def test_report(host: HostBench) -> Papers:
    return _papers(host, "documents.overload_test_report", ITEMS)


# --- C: under load -----------------------------------------------------------------------------------------

LOAD_S, SHARE = 5.0, 2.0  # how long, and how many times the threshold
REFUSED = ("401", "403")
STRAY = 0.01  # share of requests that may end otherwise: what one connection loses is no answer to overload


@dataclass(frozen=True)
class Loaded(Observation):
    before: Control  # with credentials served, without refused
    threshold: float
    signal: str  # "http-503"
    load: WebLoad
    processes: tuple[Fact, Fact]  # before and after
    loaded: str  # the name of the process that serves the loaded service
    serving: tuple[str, ...]  # of all that are declared to serve
    recovery_s: float
    recovered: float | None  # seconds after the load until the request with credentials was served again
    alive: Control


def judge_load(seen: Loaded) -> Verdict:
    if doubt := unsound([seen.before]) or unread(*seen.processes):
        return doubt
    load = seen.load
    if load.served:
        return failed(f"{load.served} of {load.sent} requests without credentials were served", load.ref)
    was, now = (_serving(fact, seen) for fact in seen.processes)
    if not was:
        return inconclusive("no process of services.list is among those that run", seen.processes[0].ref)
    if gone := sorted({name for name, _ in was - now}):
        return failed(f"{', '.join(gone)} ended under load", seen.processes[1].ref)
    if seen.recovered is None or seen.recovered > seen.recovery_s:
        return failed(f"{seen.recovery_s:g} s after the load a valid request was not served", load.ref)
    code = seen.signal.removeprefix("http-")
    signalled = load.told.get(code, 0)
    if load.rate < SHARE * seen.threshold or not signalled:
        return inconclusive(
            f"the load was {load.rate:.0f} requests/s for a threshold of {seen.threshold:g}, {signalled}"
            f" answers were {seen.signal}: no overload was seen",
            load.ref,
        )
    for what, count in load.told.items():
        if what not in (code, *REFUSED) and count > STRAY * load.sent:
            return failed(f"{count} of {load.sent} requests came to {what}, not to {seen.signal}", load.ref)
    return unsound([seen.alive]) or passed(
        f"at {load.rate:.0f} requests/s {signalled} of {load.sent} were answered {seen.signal}, none without"
        f" credentials was served, and after {seen.recovered:.1f} s a valid one was"
    )


def _serving(fact: Fact, seen: Loaded) -> set[tuple[str, int]]:
    """The processes that have to stay: the services, and of the loaded one their children too."""
    every = {one.pid: one for one in rows(fact, Process)}
    parents = {pid: every[one.parent].name if one.parent in every else "" for pid, one in every.items()}
    return {
        (one.name, pid)
        for pid, one in every.items()
        if one.name == seen.loaded or (one.name in seen.serving and parents[pid] != one.name)
    }


@case(CASE, judge_load, "C")
def test_spot_check_under_load(host: HostBench) -> Loaded:
    every = host.declared("overload.thresholds")
    usable = (one for one in every if _number(one.get("value")) and "http-" in str(one.get("signal")))
    row = first(usable, "a threshold that is a number, with an http signal (overload.thresholds)")
    at = first(
        (one for one in host.endpoints("https", "http") if one.name == row["endpoint"]), "its endpoint"
    )
    page, marker = str(at.more["login"]["page"]), str(at.more["login"]["marker"])
    user: User | str = next((one for one in host.users(endpoint=at) if at.name in one.interfaces), at.name)
    own = host.secret(reference=str(at.more["secret"])) if at.more.get("secret") else None
    with host.web(at) as web:
        refused = web.request("GET", page)
    good = got_in("a request with credentials is served", host.login(at, user, own))
    kept = refused.outcome == "answered" and refused.status in (401, 403) and marker not in refused.body
    before = Control(
        "with credentials a request is served, without it is refused",
        good.worked and kept,
        f"{good.saw}; without: {refused.status} {refused.said}",
        good.slowest,
        (*good.refs, refused.ref),
    )
    processes = host.fact("processes", fresh=True)
    host.stimulus()
    rate = SHARE * 1.1 * float(row["value"])
    load = host.load(at, page, rate=rate, seconds=LOAD_S, marker=marker)
    ended, within = time.monotonic(), float(host.declared("overload.recovery_s"))
    recovered = None
    while recovered is None and time.monotonic() - ended <= within:
        if host.login(at, user, own).outcome == "in":
            recovered = time.monotonic() - ended
        else:
            host.rest(0.3)
    services = {str(one.get("name")): str(one.get("process")) for one in host.declared("services.list") or ()}
    serving = services.get(at.name, ""), tuple(sorted(set(services.values())))
    after = host.fact("processes", fresh=True)
    told = float(row["value"]), str(row["signal"])
    return Loaded(before, *told, load, (processes, after), *serving, within, recovered, host.alive())
