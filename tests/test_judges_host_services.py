"""Judges of a host's services on facts made by hand: no PASS without controls, FAIL for each fault."""

from dataclasses import replace
from typing import Any

import pytest

from assay.case import Control, to_json
from assay.verdict import Outcome
from drivers.interfaces.facts import Listener
from drivers.interfaces.host import Restart
from drivers.interfaces.replies import Exchange, Fact, Heard, Port, Ran, Scan, SnmpReply, SshOffer, WebReply
from testsuites.ts_33_117 import insecure
from testsuites.ts_33_117 import test_bvt_port_scanning as bvt
from testsuites.ts_33_117 import test_no_unnecessary_service as unnecessary
from testsuites.ts_33_117 import test_restricted_reachability_of_services as reach
from testsuites.ts_33_117.packets import Sent
from testsuites.ts_33_117.ports import Listing, Service

GOOD, BAD = Control("c", True, "ok"), Control("c", False, "no")
HOST = "192.0.2.10"


def listening(*rows: Listener) -> Fact:
    return Fact("listening", "ss", to_json(rows), "", "listening")


SSHD = Listener("tcp", HOST, 22, process="sshd", pid=7)
SNMPD = Listener("udp", HOST, 161, process="snmpd", pid=8)
LISTED = Listing(GOOD, listening(SSHD, SNMPD), listening(SSHD, SNMPD))
DECLARED = (
    Service("ssh", "oam", HOST, "tcp", 22, True, "management"),
    Service("snmp", "oam", HOST, "udp", 161, True, "monitoring"),
)


def port(
    transport: Any, number: int, state: str = "open", reason: str = "syn-ack", service: str = ""
) -> Port:
    return Port(transport, number, state, reason, service)


def scan(transport: Any, *ports: Port, **more: Any) -> Scan:
    whole = {"scanned": 256 if transport == "ip" else 65_536, **more}
    scanned = int(whole.pop("scanned"))
    return Scan(HOST, transport, scanned, ports, scanned - len(ports), 1.0, ref=f"scan-{transport}", **whole)


TCP, UDP = scan("tcp", port("tcp", 22)), scan("udp", port("udp", 161, reason="udp-response"))
SCTP, IP = (
    scan("sctp"),
    scan("ip", port("ip", 132, reason="port-unreach"), port("ip", 6, reason="proto-response")),
)
SCANS = (TCP, UDP, SCTP, IP)


def with_listed(**more: Any) -> Listing:
    return replace(LISTED, **more)


# --- TC_BVT_PORT_SCANNING --------------------------------------------------------------------------------

PORTS = bvt.Seen((HOST,), DECLARED, SCANS, (), (GOOD,), LISTED, GOOD)
OLD = Listener("udp", "0.0.0.0", 47002, process="old", pid=9)
SECOND = scan("udp", port("udp", 47002, "open|filtered", "no-response"), scanned=1)


def silent(one: Scan) -> Scan:
    return replace(one, silent=one.scanned - len(one.ports))


def test_documented_ports_pass() -> None:
    assert bvt.judge(PORTS).outcome is Outcome.PASS
    asleep = Service("update", "oam", HOST, "tcp", 8000, False, "updates", True)
    assert bvt.judge(replace(PORTS, declared=(*DECLARED, asleep))).outcome is Outcome.PASS
    # filters that drop: the host's own list says that nothing is there
    scans = (silent(TCP), silent(UDP), silent(SCTP), IP)
    assert bvt.judge(replace(PORTS, scans=scans)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scans": (scan("tcp", port("tcp", 22), port("tcp", 47001)), UDP, SCTP, IP)}, "tcp port 47001"),
        ({"scans": (TCP, UDP, scan("sctp", port("sctp", 36412, reason="init-ack")), IP)}, "sctp port 36412"),
        ({"scans": (TCP, UDP, SCTP, scan("ip", port("ip", 47, reason="proto-response")))}, "IP protocol 47"),
        ({"scans": (scan("tcp"), UDP, SCTP, IP)}, "ssh (tcp port 22"),
        ({"scans": (TCP, scan("udp"), SCTP, IP)}, "snmp (udp port 161"),
        (
            {
                "again": (SECOND,),
                "listed": with_listed(before=listening(SSHD, SNMPD, OLD), after=listening(SSHD, SNMPD, OLD)),
            },
            "udp port 47002",
        ),
    ],
)
def test_undocumented_or_closed_ports_fail(change: dict[str, Any], said: str) -> None:
    got = bvt.judge(replace(PORTS, **change))
    assert got.outcome is Outcome.FAIL, got
    assert said in got.reason


@pytest.mark.parametrize(
    "change",
    [
        {"scans": ()},
        {"scans": (TCP, UDP, IP)},
        {"scans": (replace(TCP, scanned=100), UDP, SCTP, IP)},
        {"scans": (replace(TCP, problem="gave up"), UDP, SCTP, IP)},
        {"scans": tuple(replace(one, ports=(), silent=one.scanned) for one in SCANS)},
        {"scans": (TCP, UDP, silent(SCTP), IP), "listed": with_listed(own_session=BAD)},
        {
            "scans": (TCP, UDP, silent(SCTP), IP),
            "listed": with_listed(after=Fact("listening", "", None, "no")),
        },
        {
            "scans": (TCP, scan("udp"), SCTP, IP),
            "again": (scan("udp", port("udp", 161, "open|filtered", "no-response"), scanned=1),),
            "listed": with_listed(own_session=BAD),
        },
        {
            "scans": (replace(TCP, silent=1, others={"filtered": 1}), UDP, SCTP, IP),
            "listed": with_listed(own_session=BAD),
        },
        {
            "scans": (TCP, replace(UDP, silent=1, others={"open|filtered": 1}), SCTP, IP),
            "listed": with_listed(own_session=BAD),
        },
        {"declared": tuple(replace(one, purpose="") for one in DECLARED)},
        {"loss": (), "alive": BAD},
        {"loss": (GOOD, BAD)},
        {"alive": BAD},
    ],
)
def test_a_scan_that_proves_nothing_is_inconclusive(change: dict[str, Any]) -> None:
    got = bvt.judge(replace(PORTS, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got


def test_sockets_of_clients_are_no_listeners() -> None:
    once = with_listed(after=listening(SSHD, SNMPD, OLD))
    assert bvt.judge(replace(PORTS, again=(SECOND,), listed=once)).outcome is Outcome.PASS
    assert bvt.judge(replace(PORTS, scans=(replace(TCP, silent=9), UDP, SCTP, IP))).outcome is Outcome.PASS
    local = replace(OLD, address="127.0.0.1")
    both = with_listed(before=listening(SSHD, SNMPD, local), after=listening(SSHD, SNMPD, local))
    assert bvt.judge(replace(PORTS, again=(SECOND,), listed=both)).outcome is Outcome.PASS


# --- TC_RESTRICTED_REACHABILITY_OF_SERVICES --------------------------------------------------------------

OTHER = "198.51.100.10"
SBI = Service("sbi", "sig", OTHER, "tcp", 8443, True, "services", peers=())
MAPPED = (DECLARED[0], SBI)


def at(address: str, *open_ports: int, **more: Any) -> Scan:
    return replace(scan("tcp", *(port("tcp", one) for one in open_ports), scanned=2, **more), address=address)


OWN = reach.Seen(
    MAPPED, (HOST, OTHER), (at(HOST, 22), at(OTHER, 8443)), (at(HOST, 22), at(OTHER, 8443)), GOOD
)


def test_services_at_their_own_interface_pass() -> None:
    assert reach.judge(OWN).outcome is Outcome.PASS


def test_a_service_at_another_interface_fails() -> None:
    got = reach.judge(replace(OWN, scans=(at(HOST, 22), at(OTHER, 22, 8443))))
    assert got.outcome is Outcome.FAIL
    assert f"ssh (tcp port 22) is reachable at {OTHER}" in got.reason


@pytest.mark.parametrize(
    "change",
    [
        {"scans": ()},
        {"scans": (at(HOST, 22),)},
        {"scans": (at(HOST), at(OTHER, 8443))},
        {"after": (at(HOST, 22), at(OTHER))},
        {"after": ()},
        {"scans": (at(HOST, 22), at(OTHER, 8443, problem="gave up"))},
        {"addresses": (HOST, OTHER, "203.0.113.10")},
        {
            "addresses": (HOST, OTHER, "203.0.113.10"),
            "scans": (at(HOST, 22), at(OTHER, 8443), at("203.0.113.10", silent=2)),
        },
        {"alive": BAD},
    ],
)
def test_reachability_that_was_not_seen_is_inconclusive(change: dict[str, Any]) -> None:
    got = reach.judge(replace(OWN, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got


def asked(ident: int, service: int = 22, address: str = HOST) -> Sent:
    return Sent(f"probe {ident}", 6, ident, service, address)


def said(sent: Sent, kind: str = "tcp SA") -> Heard:
    return Heard(1.0, sent.destination, kind, "", 4, {"port": sent.port, "source_port": sent.service})


BEFORE, WRONG, STRANGE, AFTER = (asked(20_001 + n) for n in range(4))
ANSWERED = Exchange("oam", 4, (said(BEFORE), said(STRANGE, "tcp RA"), said(AFTER)), 1.0, False, "", "oam-1")
LINK = reach.Attempted("oam", (BEFORE,), (WRONG,), (STRANGE,), (AFTER,), ANSWERED)
FOREIGN = reach.Foreign((LINK,), GOOD)


def with_heard(*heard: Heard, **more: Any) -> reach.Foreign:
    return reach.Foreign((replace(LINK, seen=replace(ANSWERED, heard=heard, **more)),), GOOD)


def test_refused_strangers_pass() -> None:
    assert reach.judge_foreign(FOREIGN).outcome is Outcome.PASS


@pytest.mark.parametrize(("sent", "why"), [(WRONG, "over the link"), (STRANGE, "a non-peer on the link")])
def test_an_answer_to_a_stranger_fails(sent: Sent, why: str) -> None:
    got = reach.judge_foreign(with_heard(*ANSWERED.heard, said(sent)))
    assert got.outcome is Outcome.FAIL
    assert why in got.reason


@pytest.mark.parametrize(
    "seen",
    [
        reach.Foreign((), GOOD),
        replace(FOREIGN, alive=BAD),
        with_heard(),
        with_heard(said(BEFORE)),
        with_heard(said(AFTER)),
        with_heard(*ANSWERED.heard, cut=True),
        with_heard(*ANSWERED.heard, problem="the link went down"),
        with_heard(*ANSWERED.heard, Heard(1.0, "", "unreadable", "", 9, {})),
        reach.Foreign((replace(LINK, foreign=(), strangers=()),), GOOD),
        reach.Foreign((replace(LINK, own=(), after=()),), GOOD),
    ],
)
def test_strangers_that_were_not_heard_are_inconclusive(seen: reach.Foreign) -> None:
    got = reach.judge_foreign(seen)
    assert got.outcome is Outcome.INCONCLUSIVE, got


# --- TC_NO_UNNECESSARY_SERVICE ---------------------------------------------------------------------------

QUIET = insecure.Frames("oam", "02:00:00:00:01:10", 120.0, 12, (), "oam-1")
NONE = Fact("snmpd", "", None, "there is no snmpd")
NEEDED = unnecessary.Seen(
    DECLARED,
    SCANS,
    (),
    (scan("tcp", port("tcp", 22, service="ssh"), scanned=1),),
    (),
    (("snmp v2c", SnmpReply("silence", "", (), False, 5.0, "s")),),
    NONE,
    (SshOffer("refused", "", "SSH-2.0-x", None, ("password",), "", 0.1, "o"),),
    (QUIET,),
    LISTED,
    GOOD,
)
WEB = Service("web", "oam", HOST, "tcp", 80, True, "redirect")


def frame(kind: str, to_mac: str = "01:80:c2:00:00:0e", mac: str = "02:00:00:00:01:10") -> Heard:
    return Heard(1.0, "", kind, "", 3, {"mac": mac, "to_mac": to_mac})


def page(status: int, location: str = "") -> tuple[tuple[Service, WebReply], ...]:
    headers = (("location", location),) if location else ()
    return ((WEB, WebReply("answered", "", status, headers, ref="w")),)


def test_needed_services_pass() -> None:
    assert unnecessary.judge(NEEDED).outcome is Outcome.PASS
    assert unnecessary.judge(replace(NEEDED, pages=page(301, "https://h/"))).outcome is Outcome.PASS
    stranger = replace(QUIET, odd=(frame("ethertype 0x88cc", mac="02:00:00:00:09:99"),))
    assert unnecessary.judge(replace(NEEDED, frames=(stranger,))).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scans": (scan("tcp", port("tcp", 22), port("tcp", 23)), UDP, SCTP, IP)}, "port 23"),
        ({"scans": (TCP, scan("udp", port("udp", 7, reason="probe")), SCTP, IP)}, "port 7"),
        ({"identified": (scan("tcp", port("tcp", 22, service="telnet"), scanned=1),)}, "telnet"),
        ({"communities": (("snmp v2c", SnmpReply("answered", "", (), True, 0.1, "s")),)}, "v2c"),
        (
            {
                "snmpd": Fact(
                    "snmpd",
                    "conf",
                    [
                        {
                            "kind": "community",
                            "name": "(community)",
                            "level": "v1/v2c",
                            "read": "",
                            "write": "",
                            "source": "",
                            "well_known": False,
                        }
                    ],
                )
            },
            "community",
        ),
        ({"ssh": (SshOffer("refused", "", "SSH-1.99-x", None, (), "", 0.1, "o"),)}, "SSH-1.99"),
        ({"pages": page(200)}, "status 200"),
        ({"pages": page(302, "http://h/")}, "status 302"),
        ({"frames": (replace(QUIET, odd=(frame("ethertype 0x88cc"),)),)}, "LLDP"),
        ({"frames": (replace(QUIET, odd=(frame("ethertype 0x6002"),)),)}, "MOP"),
        ({"frames": (replace(QUIET, odd=(frame("ethertype 0x0000", "01:00:0c:cc:cc:cc"),)),)}, "CDP"),
    ],
)
def test_unnecessary_services_fail(change: dict[str, Any], said: str) -> None:
    got = unnecessary.judge(replace(NEEDED, **change))
    assert got.outcome is Outcome.FAIL, got
    assert said in got.reason


@pytest.mark.parametrize(
    "change",
    [
        {"frames": ()},
        {"frames": (replace(QUIET, came=0),)},
        {"frames": (replace(QUIET, problem="more came"),)},
        {"scans": ()},
        {"ssh": ()},
        {"identified": (replace(TCP, problem="gave up"),)},
        {"listed": with_listed(own_session=BAD)},
        {"listed": with_listed(before=listening())},
        {"alive": BAD},
    ],
)
def test_services_that_were_not_seen_are_inconclusive(change: dict[str, Any]) -> None:
    got = unnecessary.judge(replace(NEEDED, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got


LOOK = unnecessary.Look((TCP, UDP, SCTP), LISTED)
AGAIN = Restart(Ran(0, "", "", False, 0.1), True, True, "it started anew", 9.0, "r")
RESTARTED = unnecessary.Restarted(DECLARED, LOOK, AGAIN, GOOD, LOOK, GOOD)


def test_a_restart_that_changes_nothing_passes() -> None:
    assert unnecessary.judge_restarted(RESTARTED).outcome is Outcome.PASS


def test_what_comes_back_with_a_restart_fails() -> None:
    more = replace(LOOK, scans=(scan("tcp", port("tcp", 22), port("tcp", 8081)), UDP, SCTP))
    got = unnecessary.judge_restarted(replace(RESTARTED, after=more))
    assert got.outcome is Outcome.FAIL
    assert "tcp port 8081" in got.reason
    local = replace(LISTED, before=listening(SSHD, SNMPD, OLD), after=listening(SSHD, SNMPD, OLD))
    got = unnecessary.judge_restarted(replace(RESTARTED, after=replace(LOOK, listed=local)))
    assert got.outcome is Outcome.FAIL
    less = replace(LOOK, scans=(TCP, scan("udp"), SCTP), listed=LISTED)
    got = unnecessary.judge_restarted(replace(RESTARTED, after=less))
    assert got.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "change",
    [
        {"restart": replace(AGAIN, happened=False)},
        {"restart": replace(AGAIN, back=False)},
        {"up": BAD},
        {"alive": BAD},
        {"before": replace(LOOK, scans=())},
        {"after": replace(LOOK, scans=())},
        {"after": replace(LOOK, listed=with_listed(own_session=BAD))},
        {"before": replace(LOOK, listed=with_listed(own_session=BAD))},
    ],
)
def test_a_restart_that_was_not_seen_is_inconclusive(change: dict[str, Any]) -> None:
    got = unnecessary.judge_restarted(replace(RESTARTED, **change))
    assert got.outcome is Outcome.INCONCLUSIVE, got
