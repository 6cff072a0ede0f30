"""Judges of packets that a host is to drop, by facts made by hand: no PASS unproven, no fault unseen."""

from dataclasses import replace
from typing import Any

import pytest

from assay.case import Control
from assay.verdict import Outcome
from drivers.interfaces.host import Line, LogLines
from drivers.interfaces.replies import Exchange, Heard, Ran
from testsuites.ts_33_117 import test_broadcast_icmp_handling as broadcast
from testsuites.ts_33_117 import test_handling_ip_options_and_extensions as options
from testsuites.ts_33_117 import test_ip_spoofing_mitigation as spoofing
from testsuites.ts_33_117 import test_packet_filtering as filtering
from testsuites.ts_33_117 import test_syn_flood_prevention as syn
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
    whole = {"seconds": 1.5, "ref": "oam-1.pcapng", **more}
    return Exchange("oam", 10, came, **whole)


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


# --- TC_BROADCAST_ICMP_HANDLING ----------------------------------------------------------------------------

BEFORE, AFTER = (Sent("echo", ICMP, port, 0, HOST) for port in (0x6000, 0x6001))
NUMBERS = (0x6002, 0x6003)


def stamp(number: int) -> Heard:
    return Heard(0.1, HOST, "icmp 14/0", "", 3, {"type": 14, "id": number, "source": HOST})


ALL = heard(*map(answer, (BEFORE, AFTER)), answer(Sent("all", ICMP, 0x6002)), stamp(0x6003))
ASKED = broadcast.Asked(
    "oam", (BEFORE, AFTER), NUMBERS, heard(*map(answer, (BEFORE, AFTER)), seconds=5.3), ALL
)
BROADCAST = broadcast.Replies((ASKED,), "1", GOOD)


def test_broadcast_that_nobody_answers_passes() -> None:
    assert broadcast.judge_replies(BROADCAST).outcome is Outcome.PASS
    assert broadcast.judge_replies(replace(BROADCAST, setting="")).outcome is Outcome.PASS
    dropped = broadcast.judge_replies(replace(BROADCAST, setting="0"))
    assert dropped.outcome is Outcome.PASS
    assert "something else drops them" in dropped.reason


@pytest.mark.parametrize("reply", [answer(Sent("all", ICMP, 0x6002)), stamp(0x6003)])
def test_broadcast_that_is_answered_fails(reply: Heard) -> None:
    asked = replace(ASKED, seen=heard(reply))
    assert broadcast.judge_replies(replace(BROADCAST, links=(asked,))).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "change",
    [
        {"links": ()},
        {"links": (replace(ASKED, numbers=()),)},
        {"links": (replace(ASKED, unicast=()),)},
        {"links": (replace(ASKED, seen=heard(answer(BEFORE), seconds=5.3)),)},
        {"links": (replace(ASKED, seen=replace(ASKED.seen, seconds=1.0)),)},
        {"links": (replace(ASKED, seen=replace(ASKED.seen, cut=True)),)},
        {"links": (replace(ASKED, seen=replace(ASKED.seen, heard=(*ASKED.seen.heard, GIBBERISH))),)},
        {"links": (replace(ASKED, reference=heard(stamp(0x6003))),)},
        {"links": (replace(ASKED, reference=heard()),)},
        {"alive": BAD},
    ],
)
def test_broadcast_without_controls_is_inconclusive(change: dict[str, Any]) -> None:
    got = broadcast.judge_replies(replace(BROADCAST, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got


TOLD = tuple(Sent("echo", ICMP, port, 0, HOST) for port in (0x6800, 0x6801))
LINK_CONTROLS = (BEFORE, AFTER)


def to(sent: Sent, mac: str) -> Heard:
    one = answer(sent)
    return replace(one, facts={**one.facts, "to_mac": mac})


def arp(kind: str, source: str, target: str) -> Heard:
    return Heard(0.1, source, f"arp {kind}", "", 4, {"source": source, "destination": target})


def datagram(target: str) -> Heard:
    return Heard(0.1, OURS, "udp", "", 5, {"port": broadcast.PORT, "destination": target})


QUIET = (
    *map(answer, LINK_CONTROLS),
    to(TOLD[0], "02:00:00:00:00:01"),
    arp("request", HOST, "192.0.2.253"),
)
BELIEVES = (to(TOLD[1], broadcast.FOREIGN_MAC), arp("reply", "198.51.100.1", OURS))
LINK = broadcast.Link(
    "oam",
    "oam0",
    "198.51.100.1",
    "192.0.2.254",
    "192.0.2.253",
    TOLD,
    LINK_CONTROLS,
    heard(*QUIET),
    heard(*BELIEVES),
    None,
)
OFF = "\n".join(f"{device}/{name}:0" for device in ("all", "oam0") for name in broadcast.FUNCTIONS)
SETTINGS = Ran(0, f"{OFF}\ndefault/proxy_arp:1\n192.0.2.1 dev oam0 lladdr 02:00:00:00:00:01", "", False, 0.1)
FUNCTIONS = broadcast.Functions((LINK, replace(LINK, name="sig", device="sig0")), GOOD, SETTINGS, (), GOOD)


def with_link(**change: Any) -> dict[str, Any]:
    return {"links": (replace(LINK, **change), FUNCTIONS.links[1])}


def test_functions_that_are_off_pass() -> None:
    assert broadcast.judge_functions(FUNCTIONS).outcome is Outcome.PASS
    assert broadcast.judge_functions(replace(FUNCTIONS, settings=None)).outcome is Outcome.PASS
    assert "no interface" in broadcast.judge_functions(replace(FUNCTIONS, restarted=None)).reason
    needed = ({"function": "gratuitous-arp-send", "interface": "oam"},)
    announced = with_link(started=heard(arp("request", HOST, HOST)))
    assert (
        broadcast.judge_functions(replace(FUNCTIONS, exceptions=needed, **announced)).outcome is Outcome.PASS
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": replace(SETTINGS, out="all/proxy_arp:1")}, "proxy-arp"),
        ({"settings": replace(SETTINGS, out="oam0/mc_forwarding:1")}, "multicast-forwarding"),
        ({"settings": replace(SETTINGS, out=f"{OFF}\n192.0.2.9 lladdr {broadcast.FOREIGN_MAC}")}, "table"),
        (with_link(seen=heard(*QUIET, arp("reply", "198.51.100.1", OURS))), "proxy-arp"),
        (with_link(seen=heard(to(TOLD[0], broadcast.FOREIGN_MAC))), "gratuitous-arp-accept"),
        (with_link(seen=heard(*QUIET, to(TOLD[1], broadcast.FOREIGN_MAC))), "gratuitous-arp-accept"),
        (with_link(seen=heard(datagram(broadcast.GROUP))), "multicast-forwarding"),
        (with_link(seen=heard(datagram("192.0.2.255"))), "directed-broadcast"),
        (with_link(started=heard(arp("request", HOST, HOST))), "gratuitous-arp-send"),
        (
            {
                "exceptions": ({"function": "proxy-arp"},),
                "settings": replace(SETTINGS, out="all/arp_accept:1"),
            },
            "gratuitous-arp-accept",
        ),
    ],
)
def test_a_function_that_is_on_fails(change: dict[str, Any], said: str) -> None:
    got = broadcast.judge_functions(replace(FUNCTIONS, **change))
    assert got.outcome is Outcome.FAIL, got
    assert said in got.reason


@pytest.mark.parametrize(
    "change",
    [
        {"links": ()},
        {"links": (LINK,)},
        with_link(controls=()),
        with_link(seen=heard(*QUIET[1:])),
        with_link(seen=heard(*QUIET[:3])),
        with_link(seen=heard(*QUIET, cut=True)),
        with_link(seen=heard(*map(answer, LINK_CONTROLS), QUIET[3])),
        with_link(reference=heard(BELIEVES[0])),
        with_link(reference=heard(BELIEVES[1])),
        {"settings": Ran(None, "", "", False, 1.0, "no answer")},
        {"settings": Ran(1, "", "not found", False, 1.0)},
        {"restarted": BAD},
        {"alive": BAD},
    ],
)
def test_functions_without_controls_are_inconclusive(change: dict[str, Any]) -> None:
    got = broadcast.judge_functions(replace(FUNCTIONS, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got


# --- TC_IP_SPOOFING_MITIGATION -----------------------------------------------------------------------------

BEHIND, LATER, OWN = (Sent("echo", ICMP, port, 0, HOST) for port in (0x5000, 0x5001, 0x5002))
FALSE = spoofing.Spoofed("oam", "192.168.3.2", "sig", Sent("ssh", TCP, 23_001, 22, HOST))
FALSE6 = spoofing.Spoofed("sig", "2001:db8::2", "oam", Sent("echo", 58, 0x5003, 0, "2001:db8::10"))
LOGGED = LogLines(
    "syslog", "spoofed", (Line("spoofed SRC=192.168.3.2", "e", {"source": "192.168.3.2"}),), 1.0, "e"
)
SPOOFING = spoofing.Seen(
    GOOD,
    ("oam", "sig"),
    (BEHIND,),
    (LATER,),
    (OWN,),
    (FALSE, FALSE6),
    heard(answer(BEHIND)),
    (heard(answer(OWN)), heard()),
    heard(answer(LATER)),
    LOGGED,
    "rp_filter",
    None,
    GOOD,
)


def test_spoofed_sources_that_are_dropped_pass() -> None:
    assert spoofing.judge(SPOOFING).outcome is Outcome.PASS
    assert spoofing.judge(replace(SPOOFING, log=None)).outcome is Outcome.PASS


REFUSED = {"type": 3, "quotes": "59d90016", "destination": "192.168.3.2"}


@pytest.mark.parametrize(
    "change",
    [
        {"during": (heard(answer(OWN), answer(FALSE.sent)), heard())},
        {"during": (heard(answer(OWN)), heard(answer(FALSE.sent, "R")))},
        {"during": (heard(answer(FALSE6.sent)), heard())},
        {"during": (heard(answer(OWN), Heard(0.1, HOST, "icmp 3/13", "", 1, REFUSED)), heard())},
        {"log": replace(LOGGED, lines=())},
        {"log": replace(LOGGED, lines=(Line("spoofed", "e", {"source": "192.0.2.1"}),))},
    ],
)
def test_spoofed_sources_that_are_answered_or_not_logged_fail(change: dict[str, Any]) -> None:
    got = spoofing.judge(replace(SPOOFING, **change))
    assert got.outcome is Outcome.FAIL, got


@pytest.mark.parametrize(
    "change",
    [
        {"routes": BAD},
        {"behind": ()},
        {"before": heard()},
        {"after": heard()},
        {"own": ()},
        {"during": ()},
        {"during": (heard(), heard())},
        {"during": (heard(answer(OWN), cut=True), heard())},
        {"during": (heard(answer(OWN), GIBBERISH), heard())},
        {"spoofed": ()},
        {"spoofed": (FALSE,)},
        {"log": replace(LOGGED, problem="gone")},
        {"alive": BAD},
    ],
)
def test_spoofing_without_controls_is_inconclusive(change: dict[str, Any]) -> None:
    got = spoofing.judge(replace(SPOOFING, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got


# --- TC_PACKET_FILTERING -----------------------------------------------------------------------------------

FIRST, MORE, LAST = (Sent("echo from 1", ICMP, port, 0, HOST) for port in (0x7000, 0x7004, 0x7002))
SECOND, STILL, LAST2 = (Sent("echo from 2", ICMP, port, 0, HOST) for port in (0x7001, 0x7005, 0x7003))
FREE = filtering.Round("before", (FIRST, SECOND), (), heard(answer(FIRST), answer(SECOND)))
HELD = filtering.Round("with", (MORE,), (STILL,), heard(answer(MORE)))
GONE = filtering.Round("after", (LAST, LAST2), (), heard(answer(LAST), answer(LAST2)))
FILTERING = filtering.Seen((GOOD,), (FREE, HELD, GONE), GOOD)
RECORDS = tuple(Line("filter", "e", {"port": "8443"}) for _ in range(10))
COUNTED = filtering.Counted(10, 0, 10, 8443, LogLines("syslog", "filter", RECORDS, 1.0, "e"))
CAPABLE = filtering.Capabilities((GOOD,), (FREE, HELD, GONE), COUNTED, GOOD, GOOD)
REFUSAL = Heard(0.1, HOST, "icmp 3/13", "", 2, {"type": 3, "quotes": "45000800aaaa7005"})


def test_rules_that_hold_pass() -> None:
    assert filtering.judge(FILTERING).outcome is Outcome.PASS
    assert filtering.judge_capabilities(CAPABLE).outcome is Outcome.PASS


@pytest.mark.parametrize("came", [answer(STILL), REFUSAL])
def test_what_is_barred_and_answered_fails(came: Heard) -> None:
    rounds = (FREE, replace(HELD, seen=heard(answer(MORE), came)), GONE)
    assert filtering.judge(replace(FILTERING, rounds=rounds)).outcome is Outcome.FAIL
    assert filtering.judge_capabilities(replace(CAPABLE, rounds=rounds)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "change",
    [
        {"after": 0},
        {"after": 9},
        {"after": 11},
        {"reset": 10},
        {"log": replace(COUNTED.log, lines=())},
        {"log": replace(COUNTED.log, lines=RECORDS[:9])},
        {"port": 22},
    ],
)
def test_packets_that_are_not_counted_or_logged_fail(change: dict[str, Any]) -> None:
    got = filtering.judge_capabilities(replace(CAPABLE, counted=replace(COUNTED, **change)))
    assert got.outcome is Outcome.FAIL, got


@pytest.mark.parametrize(
    "change",
    [
        {"configured": (BAD,)},
        {"alive": BAD},
        {"rounds": ()},
        {"rounds": (FREE, GONE)},
        {"rounds": (HELD,)},
        {"rounds": (replace(FREE, seen=heard(answer(FIRST))), HELD, GONE)},
        {"rounds": (FREE, replace(HELD, seen=heard()), GONE)},
        {"rounds": (FREE, replace(HELD, through=()), GONE)},
        {"rounds": (FREE, replace(HELD, seen=heard(answer(MORE), GIBBERISH)), GONE)},
        {"rounds": (FREE, HELD, replace(GONE, seen=heard(answer(LAST))))},
    ],
)
def test_filtering_without_controls_is_inconclusive(change: dict[str, Any]) -> None:
    assert filtering.judge_capabilities(replace(CAPABLE, **change)).outcome is Outcome.INCONCLUSIVE
    got = filtering.judge(replace(FILTERING, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got


@pytest.mark.parametrize(
    "change",
    [
        {"restart": BAD},
        {"counted": replace(COUNTED, after=None)},
        {"counted": replace(COUNTED, reset=None)},
        {"counted": replace(COUNTED, log=replace(COUNTED.log, problem="gone"))},
    ],
)
def test_capabilities_that_were_not_read_are_inconclusive(change: dict[str, Any]) -> None:
    assert filtering.judge_capabilities(replace(CAPABLE, **change)).outcome is Outcome.INCONCLUSIVE


# --- TC_SYN_FLOOD_PREVENTION -------------------------------------------------------------------------------

SERVED, REFUSED_TRY = syn.Try(1.0, True, 0.1, "e"), syn.Try(1.0, False, 5.0, "e")
SYN_ACK = Heard(0.1, HOST, "tcp SA", "", 1, {"destination": "198.18.3.4"})
FLOOD = Exchange("sig", 30_000, (SYN_ACK,), 6.0, ref="sig-1.pcapng")
STANDS = syn.Seen(
    "1",
    ("1", "2"),
    (SERVED,) * syn.BASELINE,
    (SERVED,) * 20,
    (SERVED,) * 5,
    5_000,
    "198.18.0.0/15",
    4_096,
    FLOOD,
    (True, False),
    (0, 4_096, 0),
    20.0,
    {"nginx": (7,)},
    {"nginx": (7,)},
    GOOD,
)


def test_a_service_that_stands_a_flood_passes() -> None:
    assert syn.judge(STANDS).outcome is Outcome.PASS
    outside = replace(STANDS, setting=None, half_open=())
    assert syn.judge(outside).outcome is Outcome.PASS
    one_late = replace(STANDS, during=(REFUSED_TRY, *STANDS.during[1:]))
    assert syn.judge(one_late).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "change",
    [
        {"setting": "0"},
        {"setting": ""},
        {"during": (REFUSED_TRY, REFUSED_TRY, *STANDS.during[2:])},
        {"during": (replace(SERVED, seconds=3.5),) * 20},
        {"afterwards": (SERVED, SERVED, REFUSED_TRY)},
        {"survivors": {"nginx": (8,)}},
        {"survivors": {}},
        {"half_open": (0, 4_096, 4_000), "drained_s": 121.0},
    ],
)
def test_a_service_that_a_flood_harms_fails(change: dict[str, Any]) -> None:
    got = syn.judge(replace(STANDS, **change))
    assert got.outcome is Outcome.FAIL, got


@pytest.mark.parametrize(
    "change",
    [
        {"baseline": ()},
        {"baseline": (REFUSED_TRY, *STANDS.baseline[1:])},
        {"during": ()},
        {"afterwards": ()},
        {"flood": replace(FLOOD, sent=4_000)},
        {"flood": replace(FLOOD, sent=10_000)},
        {"flood": replace(FLOOD, heard=())},
        {"flood": replace(FLOOD, heard=(replace(SYN_ACK, facts={"destination": OURS}),))},
        {"reference": (True, True)},
        {"reference": (False, False)},
        {"half_open": (0,)},
        {"half_open": (0, 4_096, 4_000)},
        {"processes": {}},
        {"processes": {"nginx": ()}},
        {"alive": BAD},
    ],
)
def test_a_flood_without_controls_is_inconclusive(change: dict[str, Any]) -> None:
    got = syn.judge(replace(STANDS, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got
