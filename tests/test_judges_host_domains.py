"""Judges of network domains and ICMP, by facts made by hand: no PASS unproven, no fault unseen."""

from dataclasses import replace
from typing import Any

import pytest

from assay.case import Control, from_json, to_json
from assay.verdict import Outcome
from drivers.interfaces.replies import Exchange, Heard
from testsuites.ts_33_117 import test_traffic_separation as separation
from testsuites.ts_33_117.packets import ICMP, SCTP, TCP, UDP, Sent

GOOD, BAD = Control("c", True, "ok"), Control("c", False, "no")
OAM, SIG, OURS_OAM, OURS_SIG = "192.0.2.10", "198.51.100.10", "192.0.2.1", "198.51.100.1"


def answer(sent: Sent, source: str = "", flags: str = "SA", number: int = 1) -> Heard:
    facts: dict[str, Any] = {"source": source or sent.destination}
    if sent.protocol == ICMP:
        return Heard(0.1, facts["source"], "echo-reply", "", number, facts | {"id": sent.port, "type": 0})
    facts |= {"source_port": sent.service, "port": sent.port}
    kind = {TCP: f"tcp {flags}", UDP: "udp", SCTP: "ip 132"}[sent.protocol]
    return Heard(0.1, facts["source"], kind, "", number, facts)


def heard(*came: Heard, **more: Any) -> Exchange:
    whole = {"seconds": 6.0, "ref": "oam-1.pcapng", **more}
    return Exchange("oam", 10, came, **whole)


GIBBERISH = Heard(0.1, "", "unreadable", "00", 1)

# --- TC_TRAFFIC_SEPARATION ---------------------------------------------------------------------------------

SSH, SSH_LATER = (Sent("ssh", TCP, port, 22, OAM) for port in (20_001, 20_002))
SBI, SBI_LATER = (Sent("sbi", TCP, port, 8443, SIG) for port in (20_003, 20_004))
SSH_THERE = separation.Attempt("management", "by its own address", Sent("ssh", TCP, 20_005, 22, OAM))
SSH_HERE = separation.Attempt("management", "by the address of control", Sent("ssh", TCP, 20_006, 22, SIG))
ECHO_THERE = separation.Attempt("management", "echo", Sent("the address", ICMP, 20_007, destination=OAM))
SBI_THERE = separation.Attempt("control", "in VLAN 7", Sent("sbi", SCTP, 20_008, 8443, SIG))
MARK = separation.Attempt("management", "passed on", Sent("a host", UDP, 20_009, 20_009, OURS_OAM), True)
MARK_SIG = separation.Attempt("control", "passed on", Sent("a host", TCP, 20_010, 20_010, OURS_SIG), True)
ON_OAM = separation.Link(
    "oam", "management", (SSH,), (SSH_LATER,), (SBI_THERE, MARK_SIG), heard(answer(SSH), answer(SSH_LATER))
)
ON_SIG = separation.Link(
    "sig",
    "control",
    (SBI,),
    (SBI_LATER,),
    (SSH_THERE, SSH_HERE, ECHO_THERE, MARK),
    heard(answer(SBI), answer(SBI_LATER)),
)
SEPARATE = separation.Seen(
    {"management": ("oam",), "control": ("sig",)},
    {OAM: "management", SIG: "control"},
    (ON_OAM, ON_SIG),
    GOOD,
    (),
    GOOD,
)


def on(link: separation.Link, *came: Heard, **more: Any) -> tuple[separation.Link, ...]:
    """The links, where more came on this one."""
    changed = replace(link, seen=heard(*link.seen.heard, *came, **more))
    return tuple(changed if one is link else one for one in SEPARATE.links)


def refusal(sent: Sent) -> Heard:
    return Heard(0.1, SIG, "icmp 3/13", "", 1, {"source": SIG, "quotes": "45", "id": 0})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"settings": ("net.ipv4.ip_forward",)},
        {"links": on(ON_SIG, answer(SSH_HERE.sent, SIG, "RA"), refusal(SSH_THERE.sent))},
        {"links": on(ON_SIG, Heard(0.1, OAM, "arp request", "", 1, {"source": OAM}))},
        {"links": on(ON_OAM, answer(MARK_SIG.sent, OAM, "RA"))},
        {"links": on(ON_OAM, Heard(0.1, OAM, "ip 132", "", 1, {"source": OAM, "port": 20_008, "chunk": 6}))},
    ],
)
def test_domains_that_refuse_each_other_pass(change: dict[str, Any]) -> None:
    seen = replace(SEPARATE, **change)
    got = separation.judge(seen)
    assert got.outcome is Outcome.PASS, got
    assert ("is on" in got.reason) == bool(seen.settings)
    assert from_json(separation.Seen, to_json(seen)) == seen


@pytest.mark.parametrize(
    "change",
    [
        {"domains": {"management": ("oam",), "control": ("oam",)}},
        {"links": on(ON_SIG, answer(SSH_THERE.sent))},
        {"links": on(ON_SIG, answer(SSH_HERE.sent))},
        {"links": on(ON_SIG, answer(ECHO_THERE.sent))},
        {"links": on(ON_SIG, answer(SSH_THERE.sent, flags="RA"))},  # from an address of the other domain
        {"links": on(ON_OAM, answer(SBI_THERE.sent, OAM))},
        {"links": on(ON_OAM, Heard(0.1, SIG, "icmp 3/3", "", 1, {"source": SIG}))},
        {"links": on(ON_OAM, Heard(0.1, OURS_SIG, "udp", "", 1, {"destination": OURS_OAM, "port": 20_009}))},
        {"links": on(ON_OAM, Heard(0.1, OAM, "udp", "", 1, {"destination": OURS_OAM, "port": 20_009}))},
    ],
)
def test_domains_that_leak_fail(change: dict[str, Any]) -> None:
    for alive in (GOOD, BAD):
        got = separation.judge(replace(SEPARATE, alive=alive, **change))
        assert got.outcome is Outcome.FAIL, got


@pytest.mark.parametrize(
    "change",
    [
        {"alive": BAD},
        {"forwards": BAD},
        {"links": ()},
        {"links": (ON_SIG,)},
        {"links": (ON_OAM, replace(ON_SIG, attempts=()))},
        {"links": (ON_OAM, replace(ON_SIG, own=()))},
        {"links": (ON_OAM, replace(ON_SIG, seen=heard()))},
        {"links": (ON_OAM, replace(ON_SIG, seen=heard(answer(SBI))))},
        {"links": on(ON_SIG, GIBBERISH)},
        {"links": on(ON_SIG, cut=True)},
        {"links": on(ON_SIG, problem="the link is gone")},
        {"domains": {"management": ("oam",)}, "links": (replace(ON_OAM, attempts=()),)},
        {"domains": {"management": ("oam", "sig"), "control": ("sig",)}},
        {"domains": {**SEPARATE.domains, "user": ("usr",)}},
    ],
)
def test_domains_without_controls_are_inconclusive(change: dict[str, Any]) -> None:
    got = separation.judge(replace(SEPARATE, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got
