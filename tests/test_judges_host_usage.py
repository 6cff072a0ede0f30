"""Judges of who may use functions of a host at all, on facts made by hand."""

from dataclasses import replace
from typing import Any

import pytest
from test_judges_host_rights import judged
from test_judges_host_roles import NO, YES
from test_judges_host_system import BAD, GOOD, fact, unsure

from assay.verdict import Outcome
from drivers.interfaces.facts import Listener, Process
from drivers.interfaces.replies import Fact, Login, Port, Ran, Scan, WebReply
from testsuites.ts_33_117 import test_sys_fun_usage as usage
from testsuites.ts_33_117.common import Try
from testsuites.ts_33_117.logins import reached
from testsuites.ts_33_117.ports import Listing, Service

ADDRESS = "192.0.2.10"
SSH = Service("ssh", "oam", ADDRESS, "tcp", 22, True)
WEB = Service("web", "oam", ADDRESS, "tcp", 443, True)


def scan(*ports: int) -> Scan:
    found = tuple(Port("tcp", number, "open", "syn-ack") for number in ports)
    return Scan(ADDRESS, "tcp", 65_536, found, 65_536 - len(ports), 1.0, ref="s")


def process(args: str, name: str = "agetty", parent: int = 1) -> Process:
    return Process(9, parent, 0, 0, 0, name, f"/sbin/{name}", args, "0")


GETTY = process("agetty 115200 console vt220")
LISTENING = fact("listening", Listener("tcp", ADDRESS, 22, process="sshd", pid=7))
LISTED = usage.Listed(
    ("ssh", "console"),
    (SSH,),
    (SSH,),
    Listing(GOOD, LISTENING, LISTENING),
    (scan(22),),
    fact("processes", GETTY),
    GOOD,
)


def test_each_way_in_is_in_the_list() -> None:
    unsure(usage.judge_listed, LISTED)
    judged(
        usage.judge_listed,
        LISTED,
        {
            Outcome.PASS: [
                {"processes": fact("p", process("nginx: master process", "nginx"))},
                {"processes": fact("p", GETTY, process("login -- root", "login", parent=9))},
            ],
            Outcome.FAIL: [
                {"scans": (scan(22, 9999),)},
                {"scans": (scan(22, 443),), "declared": (SSH, WEB)},
                {"processes": fact("p", GETTY, process("agetty 115200 ttyS1"))},
                {"entries": ("ssh",)},
            ],
            Outcome.INCONCLUSIVE: [
                {"scans": ()},
                {"scans": (replace(scan(22), problem="cut"),)},
                {"scans": (Scan(ADDRESS, "tcp", 65_536, (), 0, 1.0, silent=65_536),)},
                {"covered": (), "scans": (replace(scan(), ports=()),)},
                {"listing": Listing(BAD, LISTENING, LISTENING), "scans": (replace(scan(22), silent=1),)},
            ],
        },
    )


TRIED = usage.Attempt("ssh", "oper1 with a random password", "refused", "", "r")
SNMP = usage.Attempt("snmp", "a wrong key", "silence", "", "r")
IN = Login("in", identity="oper1")
CLOSED = usage.Closed(("ssh", "snmp"), ("snmp",), (IN,), (TRIED, SNMP), fact("processes", GETTY), (IN,), GOOD)


def test_nothing_works_without_what_an_entry_demands() -> None:
    unsure(usage.judge_closed, CLOSED)
    judged(
        usage.judge_closed,
        CLOSED,
        {
            Outcome.PASS: [
                {"attempts": (replace(TRIED, outcome="closed"), SNMP)},
                {
                    "processes": fact(
                        "p", process("agetty -f /etc/issue console"), process("login -- a", "login")
                    )
                },
            ],
            Outcome.FAIL: [
                {"attempts": (replace(TRIED, outcome="in"), SNMP)},
                {"attempts": (TRIED, replace(SNMP, outcome="in"))},
                {"processes": fact("p", process("agetty --noclear --autologin root 115200 console"))},
                {"processes": fact("p", process("agetty -a root console"))},
                {"processes": fact("p", process("login -f root", "login"))},
            ],
            Outcome.INCONCLUSIVE: [
                {"attempts": (replace(TRIED, outcome="silence"), SNMP)},
                {"attempts": (replace(TRIED, outcome="status 500"), SNMP)},
                {"attempts": (TRIED,)},
                {"attempts": (), "entries": ()},
                {"before": ()},
                {"before": (Login("refused"),)},
                {"after": (Login("silence"),)},
            ],
        },
    )


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        (WebReply("answered", "", 200, body="Dashboard"), "in"),
        (WebReply("answered", "", 200, body="{}"), "in"),
        (WebReply("answered", "", 200, body='<input type="password">'), "refused"),
        (WebReply("answered", "", 200, body='Dashboard <input type="password">'), "in"),
        (WebReply("answered", "", 303), "refused"),
        (WebReply("answered", "", 401), "refused"),
        (WebReply("answered", "", 503), "status 503"),
        (WebReply("silence", ""), "silence"),
        (WebReply("refused", ""), "closed"),
    ],
)
def test_a_page_that_asks_for_a_password_is_a_refusal(reply: WebReply, what: str) -> None:
    assert reached(reply, "Dashboard") == what


DENIED = Try("oper1", "read", "/etc/shadow", 1, "permission denied")
SHOWS = replace(YES, role="viewer", operation="show")
AUTHORISED = usage.Authorised(
    (IN,),
    (SHOWS, YES),
    (NO,),
    (SHOWS, YES),
    (replace(DENIED, user="root", status=0),),
    (DENIED,),
    1,
    GOOD,
    GOOD,
)


def test_who_lacks_the_right_is_denied() -> None:
    unsure(usage.judge_authorised, AUTHORISED)
    done = Ran(0, "scas7", "", False, 0.1)
    nothing: Any = Ran(None, "", "", False, 5.0, "no session")
    judged(
        usage.judge_authorised,
        AUTHORISED,
        {
            Outcome.FAIL: [
                {"denied": (replace(NO, ran=done, after="scas7"),)},
                {"denied": (replace(NO, after="scas7"),)},
                {"privileged": (replace(DENIED, status=0),)},
            ],
            Outcome.INCONCLUSIVE: [
                {"logins": (Login("refused"),)},
                {"denied": ()},
                {"denied": (replace(NO, ran=nothing),)},
                {"permitted": (YES,)},
                {"effective": (SHOWS,)},
                {"effective": (SHOWS, replace(YES, after="old"))},
                {"privileged": ()},
                {"privileged": (replace(DENIED, said="no such tool", status=127),)},
                {"root": ()},
                {"root": (replace(DENIED, user="root"),)},
                {"asked": 2},
            ],
        },
    )


def test_a_fact_without_rows_has_no_console() -> None:
    assert not list(usage.consoles(Fact("processes", "hand", None, "refused")))
