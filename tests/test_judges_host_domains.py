"""Judges of network domains and ICMP, by facts made by hand: no PASS unproven, no fault unseen."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from assay.case import Control, from_json, to_json
from assay.verdict import Outcome
from drivers.interfaces.facts import Interface
from drivers.interfaces.host import HostBench
from drivers.interfaces.replies import Exchange, Fact, Heard, Ran
from testsuites.ts_33_117 import test_handling_of_icmp as icmp_case
from testsuites.ts_33_117 import test_traffic_separation as separation
from testsuites.ts_33_117.packets import ICMP, SCTP, TCP, UDP, Sent
from testsuites.ts_33_117.ports import Point, link_local

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


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (("192.0.2.10/24", "2001:db8::10/64", "fe80::77/64"), "fe80::77"),
        (("fe80::<b>/64",), "fe80::ff:fe00:110"),
        ((), "fe80::ff:fe00:110"),
    ],
)
def test_a_link_local_address_is_said_or_made_of_the_mac(said: tuple[str, ...], found: str) -> None:
    rows = to_json((Interface("oam0", "UP", "02:00:00:00:01:10", 1500, said),))
    host = cast(HostBench, SimpleNamespace(fact=lambda _: Fact("interfaces", "ip", rows)))
    point = Point("oam", "2001:db8::10", 6, "02:00:00:00:01:10", "2001:db8::1")
    assert link_local(host, point) == found


# --- TC_HANDLING_OF_ICMP: replies --------------------------------------------------------------------------

PING, PING_LATER = (Sent("echo", ICMP, port, 0, OAM) for port in (0x5300, 0x5301))


def message(kind: int, *, version: int = 4, ident: int = 0x5305, **facts: Any) -> Heard:
    source = OAM if version == 4 else "2001:db8::10"
    name = f"{'icmp' if version == 4 else 'icmpv6'} {kind}/0"
    return Heard(0.1, source, name, "", 1, {"source": source, "type": kind, "id": ident, **facts})


STAMP = message(14)
PROBED = icmp_case.Probed(
    "oam",
    (PING, PING_LATER),
    tuple(range(0x5300, 0x5310)),
    ((4, 8), (4, 0)),
    heard(),
    heard(answer(PING), answer(PING_LATER)),
    heard(STAMP),
)
REPLIES = icmp_case.Replies((PROBED,), GOOD)


def more(*came: Heard, **change: Any) -> tuple[icmp_case.Probed, ...]:
    return (replace(PROBED, seen=heard(*PROBED.seen.heard, *came), **change),)


ADVERT = message(134, version=6)


@pytest.mark.parametrize(
    "links",
    [
        (PROBED,),
        more(message(3), message(135, version=6), message(4, version=6)),
        more(message(14, ident=7)),  # somebody else asked
        more(ADVERT, ADVERT, quiet=heard(ADVERT)),  # a router says it anyway
        more(message(18), known=(*PROBED.known, (4, 18))),
        (replace(PROBED, known=()),),
        (replace(PROBED, reference=None),),
    ],
)
def test_icmp_that_is_not_answered_passes(links: tuple[icmp_case.Probed, ...]) -> None:
    seen = replace(REPLIES, links=links)
    got = icmp_case.judge_replies(seen)
    assert got.outcome is Outcome.PASS, got
    assert ("not documented" in got.reason) == (not links[0].known)
    assert from_json(icmp_case.Replies, to_json(seen)) == seen


@pytest.mark.parametrize(
    "links",
    [
        more(STAMP),
        more(message(18)),
        more(message(9)),
        more(message(140, version=6)),
        more(ADVERT),
        more(ADVERT, ADVERT, ADVERT, quiet=heard(ADVERT)),
        more(message(77)),
    ],
)
def test_icmp_that_is_answered_fails(links: tuple[icmp_case.Probed, ...]) -> None:
    for alive in (GOOD, BAD):
        assert icmp_case.judge_replies(replace(REPLIES, links=links, alive=alive)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "change",
    [
        {"alive": BAD},
        {"links": ()},
        {"links": (replace(PROBED, seen=heard()),)},
        {"links": (replace(PROBED, seen=heard(answer(PING))),)},
        {"links": (replace(PROBED, controls=()),)},
        {"links": (replace(PROBED, reference=heard()),)},
        {"links": more(GIBBERISH)},
        {"links": (replace(PROBED, seen=replace(PROBED.seen, cut=True)),)},
        {"links": (replace(PROBED, quiet=heard(seconds=1.0)),)},
        {"links": (replace(PROBED, quiet=heard(problem="gone")),)},
    ],
)
def test_replies_without_controls_are_inconclusive(change: dict[str, Any]) -> None:
    got = icmp_case.judge_replies(replace(REPLIES, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got


# --- changes -----------------------------------------------------------------------------------------------

ROUTES = "default via 198.51.100.1 dev sig0\n192.0.2.0/24 dev oam0\n2001:db8::/64 dev oam0 expires 30sec"
STATE, LATER = (Ran(0, text, "", False, 0.1, ref="e") for text in (ROUTES, ROUTES.replace("30sec", "28sec")))
ASKED = Heard(0.1, SIG, "arp request", "", 1, {"source": SIG, "destination": "198.51.100.2"})
NEW = message(135, version=6, quotes="20010db853010000" + "00" * 8)
LURED = icmp_case.Lured("sig", "198.51.100.2", True, heard(), heard(ASKED, NEW))
CHANGES = icmp_case.Changes((STATE, LATER), (GOOD, GOOD), (LURED,), GOOD)


def lured(**change: Any) -> dict[str, Any]:
    return {"links": (replace(LURED, **change),)}


OTHERS = heard(
    Heard(0.1, SIG, "arp request", "", 1, {"source": SIG, "destination": "198.51.100.1"}),
    message(135, version=6, quotes="20010db800000000" + "00" * 8),
)


@pytest.mark.parametrize(
    "change", [{}, {"states": ()}, lured(seen=OTHERS), lured(advertised=False, reference=heard(ASKED))]
)
def test_a_configuration_that_stays_passes(change: dict[str, Any]) -> None:
    seen = replace(CHANGES, **change)
    assert icmp_case.judge_changes(seen).outcome is Outcome.PASS
    assert from_json(icmp_case.Changes, to_json(seen)) == seen


@pytest.mark.parametrize(
    "change",
    [
        lured(seen=heard(ASKED)),
        lured(seen=heard(NEW)),
        {"states": (), **lured(seen=heard(NEW))},
        {"states": (STATE, replace(LATER, out=LATER.out + "\ndefault via fe80::5301 dev sig0"))},
        {"states": (STATE, replace(LATER, out=LATER.out.replace("default via 198.51.100.1 dev sig0\n", "")))},
    ],
)
def test_a_configuration_that_changes_fails(change: dict[str, Any]) -> None:
    for alive in (GOOD, BAD):
        got = icmp_case.judge_changes(replace(CHANGES, alive=alive, **change))
        assert got.outcome is Outcome.FAIL, got


@pytest.mark.parametrize(
    "change",
    [
        {"alive": BAD},
        {"flows": ()},
        {"flows": (GOOD, BAD)},
        {"links": ()},
        {"states": (STATE,)},
        {"states": (STATE, replace(LATER, status=None, out=""))},
        {"states": (replace(STATE, out=""), LATER)},
        lured(gateway=""),
        lured(reference=heard()),
        lured(reference=heard(ASKED)),
        lured(reference=heard(NEW)),
        lured(seen=heard(GIBBERISH)),
        lured(seen=heard(cut=True)),
    ],
)
def test_changes_without_controls_are_inconclusive(change: dict[str, Any]) -> None:
    got = icmp_case.judge_changes(replace(CHANGES, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got


# --- Time Exceeded -----------------------------------------------------------------------------------------

LATE = icmp_case.Late("oam", (PING,), (), 8.0, heard(answer(PING), seconds=9.0), heard(message(11)))
EXCEEDED = icmp_case.Exceeded((LATE,), GOOD)


def late(*came: Heard, **change: Any) -> dict[str, Any]:
    return {"links": (replace(LATE, **({"seen": heard(answer(PING), *came, seconds=9.0)} | change)),)}


@pytest.mark.parametrize(
    "change",
    [
        {},
        late(message(3), message(1, version=6)),
        late(message(11), known=((4, 11),)),
        late(whole=(), seen=heard(seconds=9.0)),
        late(reference=heard(message(3, version=6))),
    ],
)
def test_fragments_that_draw_nothing_pass(change: dict[str, Any]) -> None:
    seen = replace(EXCEEDED, **change)
    assert icmp_case.judge_exceeded(seen).outcome is Outcome.PASS
    assert from_json(icmp_case.Exceeded, to_json(seen)) == seen


@pytest.mark.parametrize(
    "change", [late(message(11)), late(message(3, version=6)), late(message(11), known=((6, 3),))]
)
def test_time_exceeded_fails(change: dict[str, Any]) -> None:
    for alive in (GOOD, BAD):
        assert icmp_case.judge_exceeded(replace(EXCEEDED, alive=alive, **change)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "change",
    [
        {"alive": BAD},
        {"links": ()},
        late(seen=heard(seconds=9.0)),
        late(seen=heard(answer(PING), seconds=7.0)),
        late(GIBBERISH),
        late(reference=heard()),
        late(seen=heard(answer(PING), seconds=9.0, problem="gone")),
    ],
)
def test_fragments_without_controls_are_inconclusive(change: dict[str, Any]) -> None:
    got = icmp_case.judge_exceeded(replace(EXCEEDED, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got
