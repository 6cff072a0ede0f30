"""TC_NAS_INT_SELECTION_USE_AMF: the integrity algorithm is chosen by priority and really used."""

import re
from dataclasses import dataclass

from assay.case import (
    Control,
    Event,
    Observation,
    Watch,
    case,
    genuine,
    named,
    told,
    unclear,
    unsound,
)
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import AMF_REGISTRATION, AmfBench, Capability

SETTING = "nas_integrity_order"
COMPLETE = (0xF0, 0xE0)  # with both mandatory algorithms
LACKING = (0xD0, 0xB0, 0xC0, 0xA0, 0x90)  # {1,3} {2,3} {1} {2} {3}, each with IA0
EFFECTS = ("REGISTRATION ACCEPT", "INITIAL CONTEXT SETUP REQUEST", AMF_REGISTRATION)


@dataclass(frozen=True)
class Run:
    """One registration under one order."""

    offered: int
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Order:
    """One priority order of the product, acknowledged or not, and the runs under it."""

    priority: str  # "NIA3,NIA2,NIA1"
    set_: Control
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Seen(Observation):
    """The runs under each order, and a registration under the restored one."""

    orders: tuple[Order, ...]
    restored: Control


def algorithms(offered: int) -> list[int]:
    """The integrity algorithms 1 to 3 of a 5G-IA octet (TS 24.501 clause 9.11.3.54)."""
    return [number for number in (1, 2, 3) if offered & 0x80 >> number]


def priorities(order: Order) -> list[int]:
    """The numbers of an order, as "NIA2,NIA1" or "128-NIA2, 128-NIA1" name them; none of an unknown one."""
    return [int(number) for number in re.findall(r"NIA(\d)", order.priority)]


def expected(order: Order, offered: int) -> int | None:
    """The first algorithm of an order that the UE offers."""
    return next((a for a in priorities(order) if a in algorithms(offered)), None)


def judge_run(order: Order, run: Run) -> Verdict | None:
    """The verdict that one run decides, or None."""
    commands = named(run.events, "SECURITY MODE COMMAND")
    offer = f"5G-IA 0x{run.offered:02X}"
    if not commands:
        if run.offered in COMPLETE or not genuine(run.events, "REGISTRATION REJECT"):
            return inconclusive(
                f"control failed: {offer} under {order.priority} got no SECURITY MODE COMMAND"
            )
        return None
    for command in commands:
        chosen, right = command.facts.get("ia"), expected(order, run.offered)
        if priorities(order) and chosen != right:
            wanted = f"NIA{right}" if right else "none of the list"
            said = f"{offer} under the order {order.priority}: NIA{chosen} chosen, not {wanted}"
            return failed(said, command.ref)
        replayed = bytes.fromhex(str(command.facts.get("replayed_capability", "")))
        sent = bytes([0xF0, run.offered])
        if replayed[:2] != sent or any(replayed[2:]):
            said = f"replayed UE security capability {replayed.hex()} is not the offer {sent.hex()}"
            return failed(said, command.ref)
        if command.facts.get("mac_ok") is not True:
            return failed(f"the MAC of SECURITY MODE COMMAND does not verify with NIA{chosen}", command.ref)
    if not genuine(run.events, "REGISTRATION ACCEPT"):
        said = f"control failed: {offer} was not accepted after SECURITY MODE COMPLETE"
        return inconclusive(said, commands[0].ref)
    return unclear(run.events)


def judge(seen: Seen) -> Verdict:
    """In every run the first algorithm of the active list that the UE offers, under both orders."""
    doubts = []
    for order in seen.orders:
        if not order.set_.worked:
            doubts.append(inconclusive(f"control failed: {order.set_.what}: {order.set_.saw}"))
        if order.set_.worked and [run.offered for run in order.runs] != [*COMPLETE, *LACKING]:
            doubts.append(inconclusive(f"only {len(order.runs)} runs under {order.priority}"))
        for run in order.runs:
            verdict = judge_run(order, run)
            if verdict is not None and verdict.outcome == "FAIL":
                return verdict
            doubts += [verdict] if verdict else []
    if len({expected(order, COMPLETE[0]) for order in seen.orders}) < 2:
        doubts.append(inconclusive("no two orders with different heads: a constant choice looks ordered"))
    if doubts or not seen.restored.worked:
        return doubts[0] if doubts else inconclusive(f"control failed: {seen.restored.saw}")
    runs = sum(len(order.runs) for order in seen.orders)
    orders = " and ".join(order.priority for order in seen.orders)
    return passed(f"{runs} runs under {orders}: always the first common algorithm", *seen.restored.refs)


@dataclass(frozen=True)
class SeenWrongMac(Observation):
    """A SECURITY MODE COMPLETE made with another algorithm, then the right one."""

    before: Control
    command: Event | None
    wrong: Watch
    after: Control


def judge_wrong_mac(seen: SeenWrongMac) -> Verdict:
    """The wrong one has no effect; the right one, or a new registration, has."""
    if doubt := unsound([seen.before]):
        return doubt
    if seen.command is None:
        return inconclusive("control failed: no SECURITY MODE COMMAND to answer")
    for effect in named(seen.wrong.events, *EFFECTS):
        return failed(
            f"SECURITY MODE COMPLETE with the MAC of another algorithm was accepted: {told(effect)} followed",
            effect.ref,
        )
    if not any(e.facts.get("mac_good") is False for e in seen.wrong.events):
        return inconclusive("the SECURITY MODE COMPLETE with a wrong MAC was not sent")
    said = "SECURITY MODE COMPLETE with the MAC of another algorithm had no effect"
    return unsound([seen.before, seen.after], [seen.wrong]) or passed(
        f"{said}; {seen.after.what}: {seen.after.saw}", seen.command.ref
    )


@case("TC_NAS_INT_SELECTION_USE_AMF", judge, "A")
def test_selection_by_priority(amf: AmfBench) -> Seen:
    orders = []
    values, declared = amf.settings(SETTING), amf.in_force(SETTING)
    for value in values[:2] or (declared or "unknown",):
        set_ = (
            amf.configure(SETTING, value)
            if len(values) > 1
            else Control("the order is known", bool(declared), declared or "not declared")
        )
        runs = []
        for offered in (*COMPLETE, *LACKING) if set_.worked or len(values) < 2 else ():
            ue = amf.ue(Capability(ia=offered))
            ue.start()
            amf.outcome(ue)
            runs.append(Run(offered, amf.since(ue)))
            if offered in COMPLETE and not named(runs[-1].events, "SECURITY MODE COMMAND"):
                break  # the control within failed: the rest would prove nothing
        orders.append(Order(value, set_, tuple(runs)))
    restored = (
        amf.configure(SETTING, values[0])
        if len(values) > 1
        else Control("restored", True, "nothing was changed")
    )
    again = (
        amf.registers(amf.ue(), "a UE registered under the original order") if restored.worked else restored
    )
    return Seen(tuple(orders), again)


@case("TC_NAS_INT_SELECTION_USE_AMF", judge_wrong_mac, "B")
def test_security_mode_complete_is_verified(amf: AmfBench) -> SeenWrongMac:
    ue = amf.ue()
    before = amf.registers(ue, "a correct SECURITY MODE COMPLETE is answered")
    nothing = Watch("not sent", 0.0, ())
    if not before.worked:
        return SeenWrongMac(before, None, nothing, before)
    ue.held.add("SECURITY MODE COMMAND")
    ue.start()
    command = amf.wait(ue, "SECURITY MODE COMMAND", within=amf.timers.answer_s)
    if command is None:
        return SeenWrongMac(before, None, nothing, before)
    amf.stimulus()
    mark = amf.mark()
    ue.complete_security_mode(ia=2 if command.facts.get("ia") == 1 else 1)
    wrong = amf.watch("SECURITY MODE COMPLETE with a wrong MAC", amf.timers.after_replay_s, ue, since=mark)[0]
    ue.held.clear()
    return SeenWrongMac(before, command, wrong, amf.completes(ue, "the correct SECURITY MODE COMPLETE"))
