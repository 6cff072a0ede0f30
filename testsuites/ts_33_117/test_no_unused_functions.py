"""TC_NO_UNUSED_FUNCTIONS: what is not needed is off and stays off, and nothing is there to debug with."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Interface, Job, Listener, Process, Unit
from drivers.interfaces.host import HostBench, rows, unread
from drivers.interfaces.replies import Fact

DEBUGGER = re.compile(
    r"\bgdbserver\b|-agentlib:jdwp|-Xrunjdwp|--inspect(-brk)?\b|\bdlv\b.*(exec|attach|debug)|\bdebugpy\b|\blldb-server\b"
)
LOADS = "/etc/modules /etc/modules-load.d/*.conf /run/modules-load.d/*.conf /usr/lib/modules-load.d/*.conf"
OFF = ("disabled", "masked", "off", "")
NAMES = ("units", "jobs", "interfaces", "kernel", "processes", "listening", "sshd", "sysctl")


@dataclass(frozen=True)
class State(Observation):
    """What is on at one time."""

    units: Fact
    jobs: Fact
    interfaces: Fact
    kernel: Fact
    processes: Fact
    listening: Fact
    loads: tuple[str, ...]  # modules that are loaded at each start
    switches: dict[str, str | None]  # debug settings as they are, None where nothing tells


@dataclass(frozen=True)
class Seen(Observation):
    needed: tuple[dict[str, Any], ...]
    ports: tuple[dict[str, Any], ...]
    switches: tuple[dict[str, Any], ...]
    before: State
    restarted: Control
    after: State
    alive: Control


def judge(seen: Seen) -> Verdict:
    for state in (seen.before, seen.after):
        if doubt := unread(state.units, state.interfaces, state.kernel, state.processes, state.listening):
            return doubt
        if state.jobs.value is None:
            return unread(state.jobs) or inconclusive("the jobs could not be read")
        if doubt := unsound([_own(seen, state)]):
            return doubt
    for state, when in ((seen.before, ""), (seen.after, " after the restart")):
        for why, ref in _wrong(seen, state):
            return failed(why + when, ref)
    if doubt := unsound([seen.restarted]):
        return doubt
    before, after = set(_on(seen.before)), set(_on(seen.after))
    if before != after:
        kind, name = sorted(before ^ after)[0]
        return failed(f"{kind} {name} is {'off' if (kind, name) in before else 'on'} after the restart")
    unknown = [name for name, value in seen.after.switches.items() if value is None]
    if unknown:
        return inconclusive(f"debug settings that nothing tells: {', '.join(unknown)}")
    return unsound([seen.alive]) or passed(
        f"{len(after)} functions are on, before and after a restart, each declared as needed",
        seen.after.units.ref,
    )


def _own(seen: Seen, state: State) -> Control:
    """Control: the listings are the product's own."""
    there = {name for kind, name in _on(state)} | {one.name for one in rows(state.interfaces, Interface)}
    wanted = [str(one.get("name")) for one in seen.needed] + [
        str(one.get("name")) for one in seen.ports if one.get("needed") and one.get("kind") == "network"
    ]
    lacking = [name for name in wanted if not any(fnmatchcase(one, name) for one in there)]
    anonymous = [one for one in rows(state.listening, Listener) if not one.process]
    saw = (
        f"not listed: {', '.join(lacking)}"
        if lacking
        else "a listener belongs to nobody"
        if anonymous
        else "so"
    )
    return Control(
        "what is declared as needed is listed, and listeners with their services", saw == "so", saw
    )


def _on(state: State) -> Iterator[tuple[str, str]]:
    """Each function that is on: its kind and name."""
    for unit in rows(state.units, Unit):
        if unit.state == "active" or (unit.enabled not in (*OFF, "static", "indirect", "generated")):
            yield unit.kind, unit.name
    for job in rows(state.jobs, Job):
        yield "cron", job.file
    for link in rows(state.interfaces, Interface):
        if link.name != "lo" and link.state != "DOWN":
            yield "interface", link.name
    for module in {*state.loads, *map(str, state.kernel.value.get("modules") or ())}:
        yield "module", module


def _wrong(seen: Seen, state: State) -> Iterator[tuple[str, str]]:
    needed = [(str(one.get("kind")), str(one.get("name"))) for one in seen.needed]
    needed += [("interface", str(one.get("name"))) for one in seen.ports if one.get("needed")]
    refs = {"cron": state.jobs.ref, "interface": state.interfaces.ref, "module": state.kernel.ref}
    for kind, name in _on(state):
        if not any(declared in (kind, "unit") and fnmatchcase(name, pattern) for declared, pattern in needed):
            yield f"{kind} {name} is on and not declared as needed", refs.get(kind, state.units.ref)
    for process in rows(state.processes, Process):
        if found := DEBUGGER.search(process.args):
            yield f"a remote debugger runs: {found[0]}", state.processes.ref
    for switch in seen.switches:
        name, wanted = str(switch.get("name")), str(switch.get("value"))
        value = state.switches.get(name)
        if value is not None and value.lower().startswith("debug"):
            yield f"{name} is {value}, a level for debugging", ""
        if value is not None and value != wanted:
            yield f"{name} is {value}, declared is {wanted}", ""


def _state(host: HostBench) -> State:
    facts = {name: host.fact(name, fresh=True) for name in NAMES}
    values = {f"sshd.{key}".lower(): " ".join(map(str, v)) for key, v in (facts["sshd"].value or {}).items()}
    values |= {key.lower(): str(value) for key, value in (facts["sysctl"].value or {}).items()}
    switches: dict[str, str | None] = {}
    for one in host.declared("software.debug_switches"):
        ran = host.root(str(one["run"])) if one.get("run") else None
        value = ran.out.strip() if ran and ran.ok else values.get(str(one["name"]).lower())
        switches[str(one["name"])] = value or None
    loads = host.root(f"grep -hsEv '^[[:space:]]*(#|;|$)' {LOADS}; :").out.split()
    kept = {name: facts[name] for name in NAMES[:6]}
    return State(**kept, loads=tuple(loads), switches=switches)


@case(
    "TC_NO_UNUSED_FUNCTIONS",
    judge,
    "A",
    asks=(
        "Is every function that is declared as needed really needed?",
        "Are hardware functions behind the firmware that nobody needs switched off?",
    ),
)
def test_no_unused_functions(host: HostBench) -> Seen:
    before = _state(host)
    host.stimulus()
    restart = host.reboot()
    return Seen(
        tuple(host.declared("software.needed_functions")),
        tuple(host.declared("hardware.ports")),
        tuple(host.declared("software.debug_switches")),
        before,
        Control("the product restarted", restart.happened and restart.back, restart.saw, refs=(restart.ref,)),
        _state(host),
        host.alive(),
    )
