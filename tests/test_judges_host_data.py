"""Judges of stored, shown and transferred data on facts made by hand: no PASS without controls."""

import base64
import ctypes
import ctypes.util
from dataclasses import replace
from typing import Any

import pytest
from test_judges_host_system import GOOD, fact, file, unsure

from assay.verdict import Outcome
from drivers.interfaces.facts import Process
from drivers.interfaces.host import Document, Line, LogLines, Secret
from drivers.interfaces.replies import Fact, Ran, WebLoad
from testsuites.ts_33_117 import test_confidential_system_internal_data as confidential
from testsuites.ts_33_117 import test_logging_access_to_personal_data as personal
from testsuites.ts_33_117 import test_psw_stor_support as stored
from testsuites.ts_33_117 import test_system_handling_of_overload_situations as overload
from testsuites.ts_33_117.canaries import hits
from testsuites.ts_33_117.hashes import STRONG, WEAK, take_apart, tells, truncates, verifies
from testsuites.ts_33_117.records import Clock, Wanted


def ran(status: int | None = 0, out: str = "", problem: str = "") -> Ran:
    return Ran(status, out, "", False, 0.1, problem, "r", "it")


# --- TC_LOGGING_ACCESS_TO_PERSONAL_DATA --------------------------------------------------------------------


def record(kind: str, user: str, groups: dict[str, str], problem: str = "") -> Wanted:
    line = Line("a record", "l", {"time": "2026-03-01T10:00:01+00:00", "host": "np", **groups})
    lines = LogLines("auth", "p", (line,), 0.1, "l", problem)
    at = 1772359200.0
    return Wanted(kind, f"show by {user}", {"user": user}, at, at + 3, lines)


SHOWN = personal.Access(
    "show",
    "oper1",
    ran(),
    True,
    "sub-1",
    record(personal.READ, "oper1", {"user": "oper1", "object": "sub-1"}),
)
DENIED = personal.Access(
    "show",
    "view1",
    ran(1),
    False,
    "sub-1",
    record(personal.REFUSED, "view1", {"user": "view1", "action": "subscriber-show"}),
)
QUIET = LogLines("auth", "p", (), 0.0, "l")
PERSONAL = personal.Seen(
    GOOD, ("show",), (SHOWN, DENIED), Clock(0.0, 0.1, "", "c", "np"), GOOD, (QUIET,), GOOD
)


def other(one: personal.Access, **groups: str) -> personal.Access:
    return replace(one, record=record(one.record.event, one.user, groups))


def test_accesses_that_are_recorded_pass() -> None:
    unsure(personal.judge, PERSONAL)
    unrecorded = replace(SHOWN.record, lines=replace(SHOWN.record.lines, lines=()))
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.FAIL: [
            {"accesses": (replace(SHOWN, record=unrecorded), DENIED)},
            {"accesses": (SHOWN, other(DENIED, user="other", object="sub-1"))},
            {"accesses": (other(SHOWN, user="service", object="sub-1"), DENIED)},
            {"accesses": (other(SHOWN, user="oper1", object="sub-2"), DENIED)},
            {"accesses": (other(SHOWN, user="oper1"), DENIED)},
            {"accesses": (other(SHOWN, user="oper1", object="sub-1", time="2026-03-01T11:00:01Z"), DENIED)},
            {"accesses": (other(SHOWN, user="oper1", object="sub-1", time="10:00"), DENIED)},
            {"told": (replace(QUIET, lines=(Line("imsi-001", "l"),)),)},
        ],
        Outcome.INCONCLUSIVE: [
            {"functions": ()},
            {"functions": ("show", "page")},
            {"accesses": ()},
            {"accesses": (SHOWN,)},
            {"accesses": (DENIED,)},
            {"accesses": (SHOWN, replace(DENIED, ran=ran(None, problem="silence")))},
            {"accesses": (SHOWN, replace(DENIED, ran=ran(0, "nothing")))},
            {"accesses": (replace(SHOWN, record=record(personal.READ, "oper1", {}, "cut")), DENIED)},
            {"clock": Clock(float("nan"), 0.1, "", "c", "")},
            {"told": ()},
            {"told": (replace(QUIET, problem="it could not be read"),)},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            assert personal.judge(replace(PERSONAL, **change)).outcome is outcome, change


@pytest.mark.parametrize(
    ("subscriber", "values"),
    [
        ({"ref": "s", "supi": "imsi-0010112345"}, ("imsi-0010112345", "0010112345")),
        ({"ref": "subscriber-1", "name": "Al"}, ()),
        ({"msisdn": 491700012345}, ("491700012345",)),
    ],
)
def test_what_is_planted_is_searched_with_and_without_its_prefix(
    subscriber: dict[str, object], values: tuple[str, ...]
) -> None:
    assert personal.planted(subscriber) == values


# --- TC_PSW_STOR_SUPPORT -----------------------------------------------------------------------------------


def kept(number: int, what: str) -> stored.Stored:
    return stored.Stored("os", what, "y", "j9T", f"s{number}", f"d{number}", 43, True, False, False, "r")


KEPT = tuple(kept(number, what) for number, what in enumerate((*stored.SERIES, "set by the user")))
STORE = stored.Seen(
    ("os",),
    (),
    GOOD,
    GOOD,
    KEPT,
    GOOD,
    ("/etc/shadow",),
    fact("files", file("/etc/shadow", "640", group="shadow")),
    {},
    GOOD,
)


def worse(**change: Any) -> dict[str, Any]:
    return {"stored": (replace(KEPT[0], **change), *KEPT[1:])}


def test_passwords_that_are_salted_and_hashed_pass() -> None:
    unsure(stored.judge, STORE)
    acl = {"/etc/shadow": ("user::rw-", "user:oper1:r--")}
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.PASS: [
            {"stored": (*KEPT[:6], replace(KEPT[6], size=31, scheme="2b", cost="12"))},
            {"acls": {"/etc/shadow": ("user:oper1:---", "group::r--")}},
        ],
        Outcome.FAIL: [
            worse(scheme="1"),
            worse(scheme="SHA", salt="", verifies=None),
            worse(scheme="PLAIN", verifies=None),
            worse(scheme="descrypt"),
            worse(tells=True),
            worse(tells=True, verifies=None, scheme=""),
            worse(truncates=True),
            worse(salt="s1"),
            worse(salt=""),
            worse(digest="d2"),
            worse(size=42),
            worse(cost="j8T"),
            {"files": fact("files", file("/etc/shadow", "644"))},
            {"files": fact("f", file("/etc/shadow", "640"), file("/etc/shadow-", "604"))},
            {"acls": acl},
        ],
        Outcome.INCONCLUSIVE: [
            worse(verifies=False),
            worse(verifies=None),
            worse(scheme=""),
            {"stored": ()},
            {"stored": KEPT[1:]},
            {"databases": ()},
            {"databases": ("os", "web")},
            {"unread": ("web",)},
            {"stores": ("/etc/shadow", "/etc/other")},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            got = stored.judge(replace(STORE, **change))
            assert got.outcome is outcome, (change, got)


PASSWORD = "Bdg2%kmx+Jq7"
RECORDS = {
    "$y$j9T$abcdefghijklmnop$": ("y", "j9T"),
    "$6$rounds=6000$saltsalt$": ("6", "rounds=6000"),
    "$5$saltsalt$": ("5", ""),
    "$1$saltsalt$": ("1", ""),
    "$2b$05$abcdefghijklmnopqrstuu": ("2b", "05"),
    "ab": ("descrypt", ""),
}


@pytest.mark.parametrize("setting", RECORDS)
def test_a_record_is_taken_apart_and_recomputed(setting: str) -> None:
    made = crypt(PASSWORD, setting)
    parts = take_apart(made)
    assert (parts.scheme, parts.cost) == RECORDS[setting]
    assert parts.salt
    assert made.endswith(parts.digest)
    assert verifies(PASSWORD, made) is True
    assert verifies(PASSWORD + "x", made) is (parts.scheme == "descrypt")  # eight characters count
    assert truncates(PASSWORD, made) is (parts.scheme == "descrypt")
    assert not tells(PASSWORD, made)
    assert bool(STRONG.fullmatch(parts.scheme)) is not bool(WEAK.fullmatch(parts.scheme))


def crypt(password: str, setting: str) -> str:
    function = ctypes.CDLL(ctypes.util.find_library("crypt")).crypt
    function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_char_p, ctypes.c_char_p]
    made: bytes = function(password.encode(), setting.encode())
    return made.decode()


@pytest.mark.parametrize(
    ("record", "scheme", "verified", "told"),
    [
        ("{PLAIN}" + PASSWORD, "PLAIN", True, True),
        ("{SHA}A+NIPNKe8aZGHP8bLxBlwExLNe8=", "SHA", False, False),
        ("{SSHA}c29tZXNhbHRlZGRpZ2VzdA==", "SSHA", None, False),
        ("{CRYPT}$1$saltsalt$aaaaaaaaaaaaaaaaaaaaaa", "1", None, False),
        (PASSWORD, "", None, True),
        ("QmRnMiVrbXgrSnE3", "", None, True),  # base64
        ("x" + PASSWORD[3:9] + "y", "", None, True),
        ("", "", None, False),
        ("*", "", None, False),
        ("!$6$", "", None, False),
        ("$", "", None, False),
        ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "argon2id", None, False),
    ],
)
def test_other_records(record: str, scheme: str, verified: bool | None, told: bool) -> None:
    assert take_apart(record).scheme == scheme
    assert verifies(PASSWORD, record) in (verified, False if record.startswith("{CRYPT}") else verified)
    assert tells(PASSWORD, record) is told


# --- TC_CONFIDENTIAL_SYSTEM_INTERNAL_DATA ------------------------------------------------------------------


def capture(kind: str, name: str, *markers: str, **change: Any) -> confidential.Capture:
    return replace(confidential.Capture(kind, name, "view1", False, True, (), markers, False, "r"), **change)


SHOWS = capture("function", "show", "mark1")
REST = (capture("processes", "ps"), capture("error", "e"), capture("log", "auth", privileged=True))
CONFIDENTIAL = confidential.Seen(GOOD, GOOD, ("token",), ("mark1",), ("show",), (SHOWS, *REST), GOOD, GOOD)


def test_outputs_without_secrets_pass() -> None:
    unsure(confidential.judge, CONFIDENTIAL)
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.PASS: [
            {"captures": (SHOWS, replace(SHOWS, good=False, markers=()), *REST)},  # refused to one role
            {"captures": (replace(SHOWS, hash=True, privileged=True), *REST)},
        ],
        Outcome.FAIL: [
            {"captures": (replace(SHOWS, hits=("token in base64",)), *REST)},
            {"captures": (SHOWS, *REST[:2], replace(REST[2], hits=("token in clear",)))},
            {"captures": (SHOWS, *REST[:2], replace(REST[2], good=False, hits=("a stack trace",)))},
            {"captures": (replace(SHOWS, hash=True), *REST)},
        ],
        Outcome.INCONCLUSIVE: [
            {"captures": (replace(SHOWS, markers=()), *REST)},
            {"captures": (replace(SHOWS, good=False), *REST)},
            *({"captures": (SHOWS, *(replace(o, good=o is not one) for o in REST))} for one in REST),
            *({"captures": (SHOWS, *(o for o in REST if o is not one))} for one in REST),
            {"captures": ()},
            {"functions": ("show", "export")},
            {"functions": ()},
            {"types": ()},
            {"markers": ("mark1", "mark2")},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            got = confidential.judge(replace(CONFIDENTIAL, **change))
            assert got.outcome is outcome, (change, got)


CANARY = Secret("Aa1-Q2w3E4r5T6y7")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (f"token = {CANARY.text}", "token in clear"),
        (f"x{CANARY.text[::-1]}x", "token reversed"),
        (CANARY.text.encode().hex(), "token in hexadecimal"),
        *(
            (base64.b64encode(b"user:"[:n] + CANARY.text.encode() + b"."), "token in base64")
            for n in range(5)
        ),
        ("?t=" + "".join(f"%{ord(sign):02X}" for sign in CANARY.text), "token URL-encoded"),
        ("password 7 0227050A46375D361F6B5D0B502344125B", "token in type 7"),
        ("-----BEGIN EC PRIVATE KEY-----", "a private key"),
        ('  File "/usr/lib/x.py", line 7, in f', "a stack trace"),
        ("Traceback (most recent call last):", "a stack trace"),
        ("goroutine 1 [running]:", "a stack trace"),
        ("   at com.example.Main.run(Main.java:12)", "a stack trace"),
        ("#0  0x00007f12 in main () at x.c:3", "a stack trace"),
        ("token = ********", ""),
        ("meet me at noon(ish): 12", ""),
        ("0227 020A 12345678901234567890", ""),
    ],
)
def test_a_planted_secret_is_found_in_every_form(said: str | bytes, found: str) -> None:
    text = said.decode() if isinstance(said, bytes) else said
    assert hits(f"before {text} after\n{text}\n", {"token": CANARY}) == ((found,) if found else ())


# --- TC_SYSTEM_HANDLING_OF_OVERLOAD_SITUATIONS -------------------------------------------------------------

PAPERS = overload.Papers(
    Document("olc.pdf", "aa", 10),
    dict.fromkeys(overload.TOPICS, "p1"),
    overload.TOPICS,
    ({"endpoint": "sbi", "value": 200, "unit": "requests/s", "signal": "http-503"},),
    (True,),
    True,
    GOOD,
)


def test_papers_that_cover_every_topic_pass() -> None:
    unsure(overload.judge_papers, PAPERS)
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.PASS: [{"readable": False, "named": (False,)}],
        Outcome.FAIL: [
            {"topics": {"design": "p1"}},
            {"topics": {**PAPERS.topics, "discard": ""}},
            {"thresholds": ()},
            {"thresholds": ({"value": "high", "unit": "requests/s"},)},
            {"thresholds": ({"value": True, "unit": "requests/s"},)},
            {"thresholds": ({"value": 200},)},
            {"named": (False,)},
        ],
        Outcome.INCONCLUSIVE: [
            {"paper": Document("olc.pdf", "", 0, "no such file")},
            {"paper": Document("olc.pdf", "bb", 10, "its SHA-256 is bb, not the declared one")},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            got = overload.judge_papers(replace(PAPERS, **change))
            assert got.outcome is outcome, (change, got)


def run(pid: int, parent: int, name: str) -> Process:
    return Process(pid, parent, 0, 0, 0, name, f"/usr/sbin/{name}", name, "")


ALL = (run(1, 0, "init"), run(10, 1, "nginx"), run(11, 10, "nginx"), run(20, 1, "sshd"))
LOADED = overload.Loaded(
    GOOD,
    200.0,
    "http-503",
    WebLoad(2200, {"401": 1200, "503": 1000, "lost": 0}, 0, 5.0, 440.0, "l"),
    (fact("processes", *ALL, run(21, 20, "sshd")), fact("processes", *ALL, run(22, 20, "sshd"))),
    "nginx",
    ("nginx", "sshd"),
    5.0,
    0.1,
    GOOD,
)


def test_an_overload_that_fails_safe_passes() -> None:
    unsure(overload.judge_load, LOADED)
    load, before = LOADED.load, LOADED.processes[0]
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.FAIL: [
            {"load": replace(load, served=1)},
            {"load": replace(load, served=1, rate=20.0, told={"500": 100})},
            {"processes": (before, fact("p", *ALL[:1], run(30, 1, "nginx"), run(31, 30, "nginx"), ALL[3]))},
            {"processes": (before, fact("p", *ALL[:2], run(12, 10, "nginx"), ALL[3]))},
            {"processes": (before, fact("p", *ALL[:3]))},
            {"recovered": None},
            {"recovered": 6.0},
            {"load": replace(load, told={"503": 1000, "lost": 300})},
            {"load": replace(load, told={"503": 1000, "500": 300})},
        ],
        Outcome.INCONCLUSIVE: [
            {"load": replace(load, rate=300.0)},
            {"load": replace(load, told={"401": 2200})},
            {"load": replace(load, sent=0, rate=0.0, told={})},
            {"processes": (Fact("processes", "", None, "refused"), before)},
            {"processes": (before, Fact("processes", "", None, "refused"))},
            {"serving": (), "loaded": ""},
        ],
        Outcome.PASS: [{"load": replace(load, told={"503": 1000, "403": 1190, "lost": 3})}],
    }
    for outcome, changes in judged.items():
        for change in changes:
            got = overload.judge_load(replace(LOADED, **change))
            assert got.outcome is outcome, (change, got)
