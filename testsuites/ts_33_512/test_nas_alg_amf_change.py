"""TC_NAS_ALG_AMF_CHANGE _AMF: a UE that comes from another AMF is told the algorithms of its new one."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from assay.case import Control, Event, Observation, Watch, case, genuine, named, told, unclear, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import NASC, UE_CONTEXT_TRANSFER, AmfBench, Capability, Ue

ORDERS = ("nas_ciphering_order", "nas_integrity_order")
SUCI = 1  # type of identity, TS 24.501 clause 9.11.3.3
Pair = tuple[int, int]  # ciphering and integrity algorithm
Come = Callable[[Ue, str], Control]
Stays = Callable[[Ue], Control]


@dataclass(frozen=True)
class Move:
    """A UE that came: under which algorithms, whether it got in, and what it saw."""

    source: Pair
    done: Control
    watch: Watch


@dataclass(frozen=True)
class Seen(Observation):
    """A UE that came with the algorithms that head the lists of the product, then one with other ones."""

    doubt: str
    heads: Pair
    offered: Capability
    serves: Control
    moves: tuple[Move, ...]
    after: Control


def spelled(ea: object, ia: object) -> str:
    """Two algorithms as the interfaces spell them."""
    return f"NEA{ea}, NIA{ia}"


def offer(capability: Capability) -> tuple[int, ...]:
    """The octets of a UE security capability; absent ones count as zero."""
    return tuple(n or 0 for n in (capability.ea, capability.ia, capability.eea, capability.eia))


def doubtful(seen: Seen) -> Verdict | None:
    """INCONCLUSIVE where the profile lacks something, or where what must work did not."""
    if seen.doubt:
        return inconclusive(seen.doubt)
    if doubt := unsound([seen.serves, *(move.done for move in seen.moves[:1])]):
        return doubt
    return None if len(seen.moves) == 2 else inconclusive("no UE came with other algorithms")


def judge_named(heads: Pair, what: str, event: Event) -> Verdict | None:
    """What is to be said against a message that names algorithms, or None."""
    ea, ia = event.facts.get("ea"), event.facts.get("ia")
    if not isinstance(ea, int) or not isinstance(ia, int):
        return inconclusive(f"{what} names nothing that can be read", event.ref)
    if (ea, ia) != heads:
        said = f"{what} names {spelled(ea, ia)}, the lists begin with {spelled(*heads)}"
        return failed(said, event.ref)
    if event.facts.get("mac_ok") is not True:
        return failed(f"{what} names {spelled(ea, ia)}, but its NAS-MAC does not verify", event.ref)
    return None


def judge_request(seen: Seen, request: Event, containers: tuple[Event, ...]) -> Verdict | None:
    """What is to be said against one HANDOVER REQUEST and the NAS containers of all, or None."""
    if request.facts.get("nasc") is None:
        came, heads = spelled(*seen.moves[1].source), spelled(*seen.heads)
        said = f"HANDOVER REQUEST has no NASC: the UE came with {came}, the lists begin with {heads}"
        return failed(said, request.ref)
    for container in containers:
        if fault := judge_named(seen.heads, "the NAS container", container):
            return fault
        if container.facts.get("kamf_changed"):
            said = "the NAS container says that K_AMF has changed, which the source AMF did not"
            return failed(said, container.ref)
    return None


def judge_handover(seen: Seen) -> Verdict:
    """HANDOVER REQUEST holds a NAS container that names the heads of the lists, and that verifies."""
    if doubt := doubtful(seen):
        return doubt
    move = seen.moves[1]
    requests = named(move.watch.events, "HANDOVER REQUEST")
    containers = named(move.watch.events, NASC)
    if not requests:
        return inconclusive(f"control failed: {move.done.saw}")
    for request in requests:
        fault = judge_request(seen, request, containers)
        if fault and request.facts.get("security_capabilities") != seen.offered.bitmaps:
            said = "the product took the UE for one of other capabilities than were handed over"
            return inconclusive(said, request.ref)
        if fault:
            return fault
    if doubt := unclear(move.watch.events) or unsound([move.done, seen.after]):
        return doubt
    if not containers:
        return inconclusive("the NAS container was not read", requests[0].ref)
    what = f"HANDOVER REQUEST names {spelled(*seen.heads)} in a NAS container that verifies"
    return passed(what, requests[0].ref, containers[0].ref)


def judge_command(seen: Seen, command: Event) -> Verdict | None:
    """What is to be said against one SECURITY MODE COMMAND, or None."""
    if fault := judge_named(seen.heads, "SECURITY MODE COMMAND", command):
        return fault
    replayed = str(command.facts.get("replayed_capability"))
    offered = bytes(offer(seen.offered)).hex()
    if replayed.rstrip("0") != offered.rstrip("0"):
        said = f"SECURITY MODE COMMAND replays the capability {replayed}, the UE offered {offered}"
        return failed(said, command.ref)
    return None


def judge_unsaid(source: Pair, accept: Event) -> Verdict:
    """The FAIL of a REGISTRATION ACCEPT that no SECURITY MODE COMMAND came before."""
    tried, under = accept.facts.get("algorithms_tried"), "and no key of the UE explains its MAC"
    if accept.facts.get("mac_ok") is True:
        under = f"under {spelled(*source)} of the AMF that the UE came from"
    elif isinstance(tried, dict):
        under = f"under {spelled(tried.get('ea'), tried.get('ia'))}, of which the UE was not told"
    return failed(f"REGISTRATION ACCEPT came without SECURITY MODE COMMAND, {under}", accept.ref)


def judge_registration(seen: Seen) -> Verdict:
    """SECURITY MODE COMMAND, right in every point, before REGISTRATION ACCEPT."""
    if doubt := doubtful(seen):
        return doubt
    move = seen.moves[1]
    events = move.watch.events
    if not any(e.name == f"200 to {UE_CONTEXT_TRANSFER}" for e in events):
        came = named(events, UE_CONTEXT_TRANSFER, "IDENTITY REQUEST", "REGISTRATION REJECT")
        return inconclusive(f"the context was not taken over: {told(came[0] if came else None)} came")
    for request in named(events, "IDENTITY REQUEST"):
        if request.facts.get("identity_type") == SUCI:
            return inconclusive("the product asked for the SUCI in spite of the context", request.ref)
    commands = named(events, "SECURITY MODE COMMAND")
    for command in commands:
        if fault := judge_command(seen, command):
            return fault
    if odd := unclear(events):
        return odd
    for accept in named(events, "REGISTRATION ACCEPT")[:1]:
        if not commands or commands[0].at > accept.at:
            return judge_unsaid(move.source, accept)
    if doubt := unsound([move.done, seen.after]):
        return doubt
    accepts = genuine(events, "REGISTRATION ACCEPT")
    if not commands or not accepts:
        return inconclusive("the registration did not end in REGISTRATION ACCEPT")
    what = f"SECURITY MODE COMMAND names {spelled(*seen.heads)} before REGISTRATION ACCEPT"
    return passed(what, commands[0].ref, accepts[0].ref)


def algorithms(amf: AmfBench, name: str) -> tuple[int, ...]:
    """The algorithms of a list of the product, in its order; NIA0 is none for a UE that is authenticated."""
    found = re.findall(r"N[EI]A(\d)", amf.in_force(name) or "")
    return tuple(int(digit) for digit in found if digit != "0" or name == ORDERS[0])


def see(amf: AmfBench, peers: tuple[str, ...], come: Come, stays: Stays) -> Seen:
    """Let a UE come with the first algorithms of the product's lists, and another with second ones."""
    offered, none = Capability(), Control("nothing was done", False, "")
    orders = {name: algorithms(amf, name) for name in ORDERS}
    unknown = [name for name, order in orders.items() if len(order) < 2]
    doubt = f"declare in_force.{unknown[0]}, its first two algorithms at least" if unknown else ""
    if not amf.plays(*peers):
        doubt = f"the bench does not play {', '.join(peers)} for this product (peers)"
    if doubt:
        return Seen(doubt, (0, 0), offered, none, (), none)
    ciphering, integrity = orders.values()
    heads = ciphering[0], integrity[0]
    others = next((n for n in ciphering[1:] if n), 0), integrity[1]
    serves, after = amf.registers(amf.ue(), "a fresh UE registered"), none
    moves: list[Move] = []
    for source in (heads, others) if serves.worked else ():
        ue = amf.ue(offered)
        amf.elsewhere(ue, *source)
        if moves:
            amf.stimulus()
        mark = amf.mark()
        done = come(ue, f"a UE that had been on {spelled(*source)} came")
        (watch,) = amf.watch("a UE that came", amf.timers.quiet_s, ue, since=mark)
        moves.append(Move(source, done, watch))
        if not moves[0].done.worked:
            break
        after = stays(ue) if moves[1:] else none
    return Seen("", heads, offered, serves, tuple(moves), after)


@case("TC_NAS_ALG_AMF_CHANGE _AMF", judge_handover, "A")
def test_algorithms_after_handover(amf: AmfBench) -> Seen:
    def fresh(_: Ue) -> Control:
        return amf.registers(amf.ue(), "a fresh UE registered")

    return see(amf, ("amf2", "smf"), amf.hands_over, fresh)


@case("TC_NAS_ALG_AMF_CHANGE _AMF", judge_registration, "B")
def test_algorithms_after_mobility_registration(amf: AmfBench) -> Seen:
    return see(amf, ("nrf", "amf2", "smf"), amf.updates, amf.alive)
