"""The judges of TC_NAS_ALG_AMF_CHANGE _AMF on facts made by hand."""

from dataclasses import replace
from typing import Any

import pytest

from assay.case import Control, Event, Watch, from_json, to_json
from assay.verdict import Verdict
from drivers.interfaces import NASC, UE_CONTEXT_TRANSFER, Capability
from testsuites.ts_33_512 import test_nas_alg_amf_change as change

GOOD = Control("a control", True, "it worked", 0.01, ("capture.pcapng#1",))
BAD = Control("a control", False, "it did not")
HEADS, OTHERS = (2, 2), (1, 1)
OFFERED = Capability()


def event(at: float, interface: str, name: str, *, received: bool = True, **facts: Any) -> Event:
    return Event(at, received, interface, name, f"capture.pcapng#{int(at * 10)}", "ue3", facts)


def n1(at: float, name: str, *, header: int = 2, mac_ok: bool | None = True, **facts: Any) -> Event:
    return event(at, "n1", name, header=header, mac_ok=mac_ok, **facts)


def request(at: float = 1, *, nasc: str | None = "a1b2c3d422020c", nia: int = 0xE000) -> Event:
    bits = {**OFFERED.bitmaps, "nia": nia}
    return event(at, "n2", "HANDOVER REQUEST", nasc=nasc, security_capabilities=bits)


def container(
    at: float = 1.1, *, ea: int = 2, ia: int = 2, mac_ok: bool = True, changed: bool = False
) -> Event:
    return event(at, "n1", NASC, ea=ea, ia=ia, mac_ok=mac_ok, kamf_changed=changed)


def seen(*events: Event, done: Control = GOOD, **more: Any) -> change.Seen:
    moves = (
        change.Move(HEADS, GOOD, Watch("the first", 1.0, ())),
        change.Move(OTHERS, done, Watch("the second", 1.0, events)),
    )
    return replace(change.Seen("", HEADS, OFFERED, GOOD, moves, GOOD), **more)


def handover(*events: Event, **more: Any) -> Verdict:
    return change.judge_handover(seen(*events, **more))


def test_facts_survive_a_record() -> None:
    facts = seen(request(), container())
    assert from_json(change.Seen, to_json(facts)) == facts


# --- A: N2 handover -----------------------------------------------------------------------------------------


def test_the_heads_in_a_container_that_verifies_pass() -> None:
    verdict = handover(request(), container())
    assert verdict.outcome == "PASS"
    assert "NEA2, NIA2" in verdict.reason


def test_a_request_without_container_fails() -> None:
    assert handover(request(nasc=None)).outcome == "FAIL"
    assert handover(request(nasc=None), done=BAD).outcome == "FAIL"
    assert handover(request(nasc=None), after=BAD).outcome == "FAIL"


@pytest.mark.parametrize("what", [{"ea": 1}, {"ia": 1}, {"mac_ok": False}, {"changed": True}])
def test_a_wrong_container_fails(what: dict[str, Any]) -> None:
    assert handover(request(), container(**what)).outcome == "FAIL"
    assert handover(request(), container(), container(1.2, **what)).outcome == "FAIL"


@pytest.mark.parametrize("events", [(request(nasc=None, nia=0x8000),), (request(nia=0), container(ia=1))])
def test_a_product_that_read_other_capabilities_is_not_judged(events: tuple[Event, ...]) -> None:
    assert handover(*events).outcome == "INCONCLUSIVE"


def test_capabilities_for_the_gnb_are_another_case_s() -> None:
    assert handover(request(nia=0), container()).outcome == "PASS"


def test_what_decides_nothing_about_a_handover() -> None:
    assert handover().outcome == "INCONCLUSIVE"  # the PUT was refused
    assert handover(request()).outcome == "INCONCLUSIVE"  # nobody looked into the container
    assert handover(request(), event(1.1, "n1", f"UNDECODABLE {NASC}")).outcome == "INCONCLUSIVE"
    assert handover(request(), event(1.1, "n1", NASC, mac_ok=True)).outcome == "INCONCLUSIVE"
    assert handover(request(), container(), after=BAD).outcome == "INCONCLUSIVE"
    assert handover(request(), container(), done=BAD).outcome == "INCONCLUSIVE"


# --- B: mobility registration -------------------------------------------------------------------------------

HANDED = event(0.5, "n14", f"200 to {UE_CONTEXT_TRANSFER}", received=False, status=200)
ACCEPT = n1(3, "REGISTRATION ACCEPT")


def command(at: float = 2, *, ea: int = 2, ia: int = 2, mac_ok: bool = True, caps: str = "f0f0") -> Event:
    facts = {"ea": ea, "ia": ia, "replayed_capability": caps}
    return n1(at, "SECURITY MODE COMMAND", header=3, mac_ok=mac_ok, **facts)


def registration(*events: Event, **more: Any) -> Verdict:
    return change.judge_registration(seen(*events, **more))


@pytest.mark.parametrize("caps", ["f0f0", "f0f00000"])
def test_the_heads_in_a_command_that_verifies_pass(caps: str) -> None:
    assert registration(HANDED, command(caps=caps), ACCEPT).outcome == "PASS"


def test_an_authentication_and_a_repeat_change_nothing() -> None:
    challenge = n1(1, "AUTHENTICATION REQUEST", header=0, mac_ok=None)
    assert registration(HANDED, challenge, command(), command(2.5), ACCEPT).outcome == "PASS"


@pytest.mark.parametrize(
    "what", [{"ea": 1}, {"ia": 1}, {"mac_ok": False}, {"caps": "e0f0"}, {"caps": "f0f0f0"}, {"caps": ""}]
)
def test_a_wrong_command_fails(what: dict[str, Any]) -> None:
    assert registration(HANDED, command(**what), ACCEPT).outcome == "FAIL"
    assert registration(HANDED, command(), command(2.5, **what), ACCEPT).outcome == "FAIL"


@pytest.mark.parametrize(
    ("accept", "said"),
    [
        (n1(3, "REGISTRATION ACCEPT"), "NEA1, NIA1 of the AMF that the UE came from"),
        (
            n1(3, "REGISTRATION ACCEPT", mac_ok=False, algorithms_tried={"ea": 2, "ia": 2}),
            "NEA2, NIA2, of which the UE was not told",
        ),
        (n1(3, "REGISTRATION ACCEPT", header=0, mac_ok=None), "no key of the UE explains"),
    ],
)
def test_an_accept_without_command_fails(accept: Event, said: str) -> None:
    verdict = registration(HANDED, accept, done=BAD, after=BAD)
    assert verdict.outcome == "FAIL"
    assert said in verdict.reason
    assert registration(HANDED, accept, command(4)).outcome == "FAIL"


def test_what_decides_nothing_about_a_registration() -> None:
    identity = n1(1, "IDENTITY REQUEST", header=0, mac_ok=None, identity_type=1)
    reject = n1(1, "REGISTRATION REJECT", header=0, mac_ok=None, cause=9)
    refused = event(0.5, "n14", f"403 to {UE_CONTEXT_TRANSFER}", received=False, status=403)
    asked = event(0.4, "n14", UE_CONTEXT_TRANSFER)
    odd = n1(1, "UNDECODABLE NAS", mac_ok=False)
    for events in (
        (),
        (identity, command(), ACCEPT),  # the context was never asked for
        (asked, refused, command(), ACCEPT),
        (HANDED, identity, command(), ACCEPT),
        (HANDED, reject),
        (HANDED, odd, ACCEPT),  # the command may be what could not be decoded
        (HANDED, odd, command(), ACCEPT),
        (HANDED, command()),
    ):
        assert registration(*events).outcome == "INCONCLUSIVE", events
    assert registration(HANDED, command(), ACCEPT, after=BAD).outcome == "INCONCLUSIVE"
    assert registration(HANDED, command(), ACCEPT, done=BAD).outcome == "INCONCLUSIVE"


def test_an_identity_request_for_the_equipment_is_no_doubt() -> None:
    imeisv = n1(1, "IDENTITY REQUEST", identity_type=5)
    assert registration(HANDED, imeisv, command(), ACCEPT).outcome == "PASS"


# --- both ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("judge", [change.judge_handover, change.judge_registration])
@pytest.mark.parametrize("wrong", [True, False])
def test_without_its_controls_nothing_is_judged(judge: Any, wrong: bool) -> None:
    events = (
        (request(nasc=None), HANDED, ACCEPT) if wrong else (request(), container(), HANDED, command(), ACCEPT)
    )
    facts = seen(*events)
    first, second = facts.moves
    for lacking in (
        replace(facts, doubt="declare in_force.nas_ciphering_order"),
        replace(facts, serves=BAD),
        replace(facts, moves=(replace(first, done=BAD),)),
        replace(facts, moves=(replace(first, done=BAD), second)),
        replace(facts, moves=(first,)),
        replace(facts, moves=()),
    ):
        assert judge(lacking).outcome == "INCONCLUSIVE"
    assert judge(facts).outcome == ("FAIL" if wrong else "PASS")


class Declared:
    """A bench that knows these settings."""

    def __init__(self, **settings: str) -> None:
        self.in_force = settings.get


@pytest.mark.parametrize(
    ("order", "name", "found"),
    [
        ("NEA2,NEA1,NEA3,NEA0", "nas_ciphering_order", (2, 1, 3, 0)),
        ("NEA0, NEA1", "nas_ciphering_order", (0, 1)),
        ("128-NIA2, 128-NIA1, NIA0", "nas_integrity_order", (2, 1)),
        ("", "nas_integrity_order", ()),
    ],
)
def test_a_list_as_it_is_declared(order: str, name: str, found: tuple[int, ...]) -> None:
    bench: Any = Declared(**{name: order})
    assert change.algorithms(bench, name) == found
    nothing: Any = Declared()
    assert change.algorithms(nothing, name) == ()
