"""Judges of packets that a host is to drop, by facts made by hand: no PASS unproven, no fault unseen."""

from dataclasses import replace
from typing import Any

import pytest

from assay.case import Control
from assay.verdict import Outcome
from drivers.interfaces.replies import Exchange, Heard
from testsuites.ts_33_117 import test_handling_ip_options_and_extensions as options
from testsuites.ts_33_117.packets import ICMP, TCP, Sent

GOOD, BAD = Control("c", True, "ok"), Control("c", False, "no")
HOST, OURS = "192.0.2.10", "192.0.2.1"


def answer(sent: Sent, flags: str = "SA", number: int = 1) -> Heard:
    facts: dict[str, Any] = {"source": HOST, "destination": OURS}
    if sent.protocol == TCP:
        facts |= {"source_port": sent.service, "port": sent.port}
        return Heard(0.1, HOST, f"tcp {flags}", "", number, facts)
    return Heard(0.1, HOST, "echo-reply", "", number, facts | {"id": sent.port, "type": 0})


def heard(*came: Heard, **more: Any) -> Exchange:
    return Exchange("oam", 10, came, 1.5, **{"ref": "oam-1.pcapng", **more})


GIBBERISH = Heard(0.1, "", "unreadable", "00", 1)

# --- TC_HANDLING-IP-OPTIONS-AND-EXTENSIONS -----------------------------------------------------------------

PLAIN = tuple(Sent("ssh", TCP, port, 22, HOST) for port in (21_000, 21_010, 21_020))
ROUTE, UNKNOWN = (
    options.Odd("record route", Sent("ssh", TCP, 21_001, 22, HOST)),
    options.Odd("unknown option 94", Sent("ssh", TCP, 21_002, 22, HOST)),
)
ALL_ANSWERED = heard(*map(answer, (*PLAIN, ROUTE.sent, UNKNOWN.sent)))
TRIED = options.Tried("oam", 4, PLAIN, (ROUTE, UNKNOWN), heard(*map(answer, PLAIN)), ALL_ANSWERED)
PASSED_ON = Heard(0.1, OURS, "tcp S", "", 1, {"source_port": options.THROUGH})
OPTIONS = options.Seen((), (TRIED,), (options.Forwarded("sig", heard(), heard(PASSED_ON)),), GOOD)


def test_options_that_are_dropped_pass() -> None:
    assert options.judge(OPTIONS).outcome is Outcome.PASS
    quoted = Heard(0.1, HOST, "icmp 12/0", "", 9, {"type": 12, "quotes": "45" + "52090016"})
    told = replace(TRIED, seen=heard(*map(answer, PLAIN), quoted))
    got = options.judge(replace(OPTIONS, tried=(told,)))
    assert got.outcome is Outcome.PASS
    assert "ICMP error" in got.reason


@pytest.mark.parametrize("flags", ["SA", "RA", "R"])
def test_an_option_that_is_answered_fails(flags: str) -> None:
    seen = heard(*map(answer, PLAIN), answer(ROUTE.sent, flags))
    got = options.judge(replace(OPTIONS, tried=(replace(TRIED, seen=seen),), alive=BAD))
    assert got.outcome is Outcome.FAIL
    assert "record route" in got.reason


def test_an_echo_with_an_option_that_is_answered_fails() -> None:
    odd = options.Odd("timestamp", Sent("echo", ICMP, 21_003, 0, HOST))
    tried = replace(TRIED, odd=(odd,), seen=heard(*map(answer, PLAIN), answer(odd.sent)))
    assert options.judge(replace(OPTIONS, tried=(tried,))).outcome is Outcome.FAIL


def test_a_source_route_that_is_followed_fails() -> None:
    forwarded = options.Forwarded("sig", heard(PASSED_ON), heard(PASSED_ON))
    got = options.judge(replace(OPTIONS, forwarded=(forwarded,)))
    assert (got.outcome, got.reason) == (Outcome.FAIL, "a source-routed packet is forwarded to sig")


@pytest.mark.parametrize(
    "change",
    [
        {"tried": ()},
        {"tried": (replace(TRIED, odd=()),)},
        {"tried": (replace(TRIED, plain=()),)},
        {"tried": (replace(TRIED, seen=heard()),)},
        {"tried": (replace(TRIED, seen=heard(*map(answer, PLAIN[:2]))),)},
        {"tried": (replace(TRIED, seen=heard(*(answer(one, "RA") for one in PLAIN))),)},
        {"tried": (replace(TRIED, seen=heard(*map(answer, PLAIN), cut=True)),)},
        {"tried": (replace(TRIED, seen=heard(*map(answer, PLAIN), GIBBERISH)),)},
        {"tried": (replace(TRIED, reference=heard()),)},
        {"tried": (replace(TRIED, reference=heard(*map(answer, (*PLAIN, ROUTE.sent)))),)},
        {"forwarded": (options.Forwarded("sig", heard(), heard()),)},
        {"forwarded": (options.Forwarded("sig", heard(cut=True), heard(PASSED_ON)),)},
        {"configured": (BAD,)},
        {"alive": BAD},
    ],
)
def test_options_without_controls_are_inconclusive(change: dict[str, Any]) -> None:
    got = options.judge(replace(OPTIONS, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got
