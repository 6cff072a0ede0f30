"""Judges about accounts, passwords and logins on facts made by hand."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from assay import suites
from assay.case import Control, Observation, from_json, to_json
from assay.verdict import Outcome, Verdict
from drivers.interfaces.replies import Fact, Login, Prompt, Ran, Typed, WebReply
from testsuites.ts_33_117 import test_account_number as number
from testsuites.ts_33_117 import test_account_protection as protection
from testsuites.ts_33_117 import test_failed_login_attempts as lock
from testsuites.ts_33_117 import test_hiding_password_display as hiding
from testsuites.ts_33_117 import test_password_changes as changes
from testsuites.ts_33_117 import test_password_struct as struct
from testsuites.ts_33_117 import test_predefined_account_deletion as left
from testsuites.ts_33_117 import test_protect_against_brute_force_and_dictionary_attacks as force
from testsuites.ts_33_117 import test_protecting_session_inac_timeout as idle
from testsuites.ts_33_117 import test_protecting_session_logout as logout
from testsuites.ts_33_117.accounts import CANARY, Listing, Without
from testsuites.ts_33_117.logins import Change, alike

GOOD = Control("a control", True, "it worked", 0.1, ("events.jsonl#1",))
IN = Login("in", endpoint="oam-ssh", user="u1", identity="u1", ref="events.jsonl#2", at=1.0)
NO = replace(IN, outcome="refused", identity="")
MUTE = replace(NO, outcome="silence")
RAN = Ran(0, "done", "", False, 0.1, ref="events.jsonl#3", command="change")
REFUSED = replace(RAN, status=1, problem="too short")


def fact(name: str, value: Any, problem: str = "") -> Fact:
    return Fact(name, "by hand", value, problem, f"fact-{name}.json")


def taken(what: str = "a password") -> Change:
    return Change(what, "os", RAN, IN, NO)


def kept(what: str = "a weak password") -> Change:
    return Change(what, "os", REFUSED, NO, IN)


def at(login: Login, moment: float) -> Login:
    return replace(login, at=moment)


# --- sound facts of each judge, which passes on them -------------------------------------------------------

BLOCK = lock.Block(IN, tuple(at(NO, 2.0 + n) for n in range(6)), at(NO, 8.0), at(IN, 21.0))
ROUND = lock.Round(BLOCK, BLOCK, (*(NO,) * 4, IN), NO)
LOCK = lock.Seen(5, 10.0, 2.0, True, GOOD, (ROUND,), GOOD)
FOREVER = lock.Block(IN, BLOCK.wrong, at(NO, 8.0), at(NO, 21.0))
LOCKED = lock.Locked(10.0, 2.0, GOOD, FOREVER, at(NO, 40.0), GOOD, IN, BLOCK, GOOD)
PLACE = struct.Place(GOOD, (taken(),) * 3, (kept(),) * 3, (IN, IN), {"the first 8 characters": NO})
STRUCT = struct.Seen(10, (PLACE,), GOOD)
TIGHT = struct.Tightened(GOOD, taken(), GOOD, (kept(),), taken(), GOOD, taken(), GOOD)
FLOOR = struct.Floor(GOOD, GOOD, kept(), (struct.Lowered(REFUSED, kept()),) * 2, RAN, taken(), GOOD)
OWN = changes.Own((GOOD,), (IN,), (kept(),), (taken(),), GOOD)
EXPIRED = replace(IN, identity="", wants_new_password=True)
SERVICE = changes.Expiry("oam-ssh", GOOD, IN, False, IN, True, EXPIRED, (), True, IN)
RECORD = {
    "name": "u1", "state": "set", "scheme": "yescrypt", "cost": "", "salted": True, "changed": 1,
    "min_days": 0,
    "max_days": 90, "warn_days": 7, "inactive_days": None, "expires": None,
}  # fmt: skip
EXPIRING = changes.Expiring(GOOD, fact("shadow", [RECORD]), "u1", (SERVICE,), GOOD)
SAME = Change("the current one", "os", REFUSED, IN, IN)
HISTORY = changes.History(
    3,
    GOOD,
    GOOD,
    (taken(),) * 5,
    (SAME, kept(), kept()),
    (taken(),),
    (GOOD,),
    (kept(),),
    (REFUSED,),
    (kept(),),
    GOOD,
)
ROOT = {
    "name": "root",
    "uid": 0,
    "gid": 0,
    "gecos": "",
    "home": "/root",
    "shell": "/bin/sh",
    "source": "files",
}
MAINT = {**ROOT, "name": "maint", "uid": 1001}
LISTED = protection.Listed(
    GOOD,
    "os",
    (Listing("os", RAN, ("root", CANARY)),),
    fact("accounts", [ROOT]),
    fact("shadow", [RECORD | {"name": "root"}]),
    fact("authorized_keys", []),
    {"os": ("root",)},
)
TRY = Without("an empty password", NO)
SSHD = {"permitemptypasswords": ["no"], "hostbasedauthentication": ["no"]}
TRIED = protection.Tried((IN,), (TRY,), fact("shadow", [RECORD]), fact("sshd", SSHD), (IN,), (IN,), GOOD)
FRESH = protection.Fresh(GOOD, (TRY,), GOOD, (TRY,), (IN,), GOOD)
LEFT = left.Seen(
    *(GOOD, "os", LISTED.listings, LISTED.accounts, LISTED.shadow, fact("authorized_keys", []), 20000),
    {"os": {"root": {"state": "active", "reason": "the console"}}},
    *((IN,), (NO,), (REFUSED,), (), (), (IN,), GOOD),
)
BARRED = replace(
    LEFT,
    shadow=fact("shadow", [*LEFT.shadow.value, {**RECORD, "name": "service1", "state": "barred"}]),
    copied=(GOOD,),
    guesses=(left.Guess("service1", 16, 4, True, IN),),
)
WANTED = tuple(f"scas{n:03}" for n in range(1, 50))
UIDS = fact("accounts", [ROOT, *({**ROOT, "name": name, "uid": 2000 + n} for n, name in enumerate(WANTED))])
ROWS = {"os": {"root": {"state": "active", "holder": "the administrator"}}}
BASE = number.Database(
    *("os", (GOOD,), ("root",), WANTED, (RAN,) * 49, Listing("os", RAN, ("root", *WANTED))),
    *((replace(IN, user=WANTED[0], identity=WANTED[0]),), Listing("os", RAN, ("root",)), (NO,)),
)
NUMBER = number.Seen(
    *(1, "os", ROWS, (Listing("os", RAN, ("root",)),), LISTED.shadow, UIDS, 20000, (BASE,), GOOD)
)
PAGE = WebReply("answered", "", 200, body="Dashboard", ref="events.jsonl#4")
GONE = replace(PAGE, status=303, body="")
SLEEP = {
    "pid": 7, "parent": 1, "uid": 1001, "euid": 1001, "gid": 1001, "name": "sleep", "exe": "/bin/sleep",
    "args": logout.LEFT, "capabilities": "", "bounding": "", "no_new_privs": None,
    "seccomp": None, "started": 0,
}  # fmt: skip
INIT = {**SLEEP, "uid": 0, "args": "init", "pid": 1}
TERMINAL = logout.Terminal(
    "oam-ssh", IN, 1001, fact("processes", [INIT] + [SLEEP] * 3), True, fact("processes", [INIT]), 31.0
)
PAGES = logout.Pages("oam-web", IN, PAGE, "Dashboard", RAN, GONE)
LOGOUT = logout.Seen(RAN, (TERMINAL,), (PAGES,), (), (), (RAN,), GOOD)
QUIET = idle.Terminal("oam-ssh", 10.0, GOOD, idle.Idle(IN, 10.5, 10.9, 10.5), IN, True)
TIMED = idle.Pages("oam-web", 20.0, GOOD, IN, "Dashboard", PAGE, GONE, 31.0, GONE)
IDLE = idle.Seen(10.0, (QUIET,), (TIMED,), GOOD)
PROMPTED = hiding.Prompted("su", GOOD, Typed(20, 0, "*" * 20), GOOD)
ASKED = replace(IN, prompts=(Prompt("Password: ", False),))
SCREENS = hiding.Terminals((PROMPTED,), (ASKED,))
INPUTS = (hiding.Field("user", "text", "post"), hiding.Field("password", "password", "post"))
FORM = hiding.Form("login", PAGE, "password", INPUTS)
REFUSAL = hiding.Refusal("oam-web", replace(PAGE, status=401, body="Login failed"), False)
FORMS = hiding.Pages((FORM,), (REFUSAL,), (IN,))
GUESSED = force.Guessed("oam-ssh", 20.0, 10.0, IN, (NO,) * 50, 30.0, NO, (), None, 0.0, None, GOOD, IN)
ENDED = replace(GUESSED, seconds=45.0, after=IN, spurt=(NO,) * 6, then=NO, took=2.0)
OPEN = replace(ENDED, then=IN)
LATE = replace(GUESSED, wrong=(replace(NO, seconds=20.0),) * 50, seconds=200.0, after=IN)
FORCE = force.Seen((), ("console",), (GUESSED, LATE, ENDED), GOOD)
CAPTCHA = force.Solvings((force.Solved(IN, {"no answer": NO, "an old answer": NO}, IN),))
LISTS = force.Listed((force.Forbidden(GOOD, (kept(),), taken("an unlisted password")),), GOOD)

SOUND: dict[str, tuple[Any, Observation]] = {
    "lock": (lock.judge, LOCK),
    "lock user": (lock.judge_user, LOCKED),
    "lock administrator": (lock.judge_administrator, LOCKED),
    "structure": (struct.judge, STRUCT),
    "tightened": (struct.judge_tightened, TIGHT),
    "floor": (struct.judge_floor, FLOOR),
    "own": (changes.judge_own, OWN),
    "expiry": (changes.judge_expiry, EXPIRING),
    "history accepts": (changes.judge_accepted, HISTORY),
    "history refuses": (changes.judge_refused, HISTORY),
    "listed": (protection.judge_listed, LISTED),
    "tried": (protection.judge_tried, TRIED),
    "fresh": (protection.judge_fresh, FRESH),
    "predefined": (left.judge, LEFT),
    "behind a lock": (left.judge, BARRED),
    "number": (number.judge, NUMBER),
    "logout": (logout.judge, LOGOUT),
    "screens": (hiding.judge_terminals, SCREENS),
    "forms": (hiding.judge_pages, FORMS),
    "idle": (idle.judge, IDLE),
    "guesses": (force.judge, FORCE),
    "another measure": (force.judge_alternative, FORCE),
    "CAPTCHA": (force.judge_captcha, CAPTCHA),
    "forbidden passwords": (force.judge_listed, LISTS),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_facts_pass(name: str) -> None:
    judge, seen = SOUND[name]
    assert judge(seen).outcome == Outcome.PASS, judge(seen).reason


def _each(value: Any, change: Any) -> Iterator[Any]:
    """The value with one thing in it changed, each in turn."""
    if (new := change(value)) is not None:
        yield new
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            for one in _each(getattr(value, field.name), change):
                yield replace(value, **{field.name: one})
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            for one in _each(item, change):
                yield (*value[:place], one, *value[place + 1 :])


def _mute(value: Any) -> Any:
    if isinstance(value, Login) and value.outcome in ("in", "refused"):
        return replace(value, outcome="silence", identity="", wants_new_password=False)
    return None


def _broken(value: Any) -> Any:
    return replace(value, worked=False) if isinstance(value, Control) and value.worked else None


def _unread(value: Any) -> Any:
    return (
        replace(value, value=None, problem="gone")
        if isinstance(value, Fact) and value.value is not None
        else None
    )


def _empty(value: Any) -> Any:
    return () if isinstance(value, tuple) and value and not isinstance(value[0], str) else None


@pytest.mark.parametrize(
    "change", [_mute, _broken, _unread, _empty], ids=["mute", "control", "unread", "empty"]
)
@pytest.mark.parametrize("name", SOUND)
def test_nothing_bad_is_concluded_from_what_is_missing(name: str, change: Any) -> None:
    judge, seen = SOUND[name]
    for odd in _each(seen, change):
        verdict: Verdict = judge(odd)
        assert verdict.outcome != Outcome.FAIL, (verdict.reason, odd)


@pytest.mark.parametrize("name", SOUND)
def test_a_mute_product_never_passes(name: str) -> None:
    judge, seen = SOUND[name]

    def silent(value: Any) -> Any:
        if isinstance(value, Login):
            return MUTE
        if isinstance(value, Control):
            return replace(value, worked=False)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: silent(getattr(value, f.name)) for f in fields(value)})
        return tuple(map(silent, value)) if isinstance(value, tuple) else value

    assert judge(silent(seen)).outcome == Outcome.INCONCLUSIVE


@pytest.mark.parametrize("name", SOUND)
def test_facts_survive_the_record(name: str) -> None:
    _, seen = SOUND[name]
    assert to_json(from_json(type(seen), to_json(seen))) == to_json(seen)


FAULTY: dict[str, tuple[Any, Observation]] = {
    "guesses": (force.judge, replace(FORCE, places=(OPEN,))),
    "guesses at one of two": (force.judge, replace(FORCE, places=(GUESSED, OPEN))),
    "guesses where no block is declared": (
        force.judge,
        replace(FORCE, places=(replace(OPEN, block=0.0, spurt=(), then=None),)),
    ),
    "a guess got in": (force.judge, replace(FORCE, places=(replace(GUESSED, wrong=(*GUESSED.wrong, IN)),))),
    "no measure": (force.judge_alternative, replace(FORCE, bare=("oam-web",))),
    "no CAPTCHA": (force.judge_captcha, force.Solvings((force.Solved(IN, {"no answer": IN}, IN),))),
    "listed": (
        force.judge_listed,
        replace(LISTS, places=(force.Forbidden(GOOD, (kept(), taken()), taken()),)),
    ),
    "no block": (
        lock.judge,
        replace(LOCK, rounds=(replace(ROUND, apart=replace(BLOCK, during=at(IN, 8.0))),)),
    ),
    "a short block": (
        lock.judge,
        replace(LOCK, rounds=(replace(ROUND, together=replace(BLOCK, during=at(IN, 12.0))),)),
    ),
    "9 failures": (lock.judge, replace(LOCK, most=9)),
    "4 seconds": (lock.judge, replace(LOCK, delay=4.0)),
    "never released": (
        lock.judge,
        replace(LOCK, rounds=(replace(ROUND, apart=replace(BLOCK, after=at(NO, 21.0))),)),
    ),
    "a wrong password": (lock.judge, replace(LOCK, rounds=(replace(ROUND, contrast=(IN, IN)),))),
    "not for good": (lock.judge_user, replace(LOCKED, late=at(IN, 40.0))),
    "administrator": (
        lock.judge_administrator,
        replace(LOCKED, administrator=replace(BLOCK, after=at(NO, 21.0))),
    ),
    "weak": (struct.judge, replace(STRUCT, places=(PLACE, replace(PLACE, refused=(kept(), taken()))))),
    "cut short": (struct.judge, replace(STRUCT, places=(replace(PLACE, parts={"the first 8": IN}),))),
    "declared 8": (struct.judge, replace(STRUCT, minimum=8)),
    "not tightened": (struct.judge_tightened, replace(TIGHT, refused=(taken(),))),
    "below the floor": (struct.judge_floor, replace(FLOOR, lowered=(struct.Lowered(RAN, taken()),))),
    "no 8": (struct.judge_floor, replace(FLOOR, change=kept())),
    "without the old": (changes.judge_own, replace(OWN, wrong=(taken(),))),
    "no change": (changes.judge_own, replace(OWN, right=(kept(),))),
    "expired": (changes.judge_expiry, replace(EXPIRING, services=(replace(SERVICE, expired=IN),))),
    "SFTP": (changes.judge_expiry, replace(EXPIRING, services=(replace(SERVICE, reached=("SFTP",)),))),
    "no notice": (changes.judge_expiry, replace(EXPIRING, services=(replace(SERVICE, near_notice=False),))),
    "no warning": (
        changes.judge_expiry,
        replace(EXPIRING, record=fact("shadow", [{**RECORD, "warn_days": 0}])),
    ),
    "depth 2": (changes.judge_accepted, replace(HISTORY, depth=2)),
    "used again": (changes.judge_refused, replace(HISTORY, refused=(SAME, kept(), taken()))),
    "the same": (changes.judge_refused, replace(HISTORY, refused=(replace(SAME, ran=RAN), kept(), kept()))),
    "not deeper": (changes.judge_refused, replace(HISTORY, late=(taken(),))),
    "no history": (changes.judge_refused, replace(HISTORY, last=(taken(),))),
    "hidden": (protection.judge_listed, replace(LISTED, accounts=fact("accounts", [ROOT, MAINT]))),
    "open": (protection.judge_tried, replace(TRIED, tries=(Without("an empty password", IN),))),
    "empty field": (
        protection.judge_tried,
        replace(TRIED, shadow=fact("shadow", [{**RECORD, "state": "empty"}])),
    ),
    "permitted": (
        protection.judge_tried,
        replace(TRIED, sshd=fact("sshd", {**SSHD, "permitemptypasswords": ["yes"]})),
    ),
    "echo": (
        hiding.judge_terminals,
        replace(SCREENS, prompts=(replace(PROMPTED, typed=Typed(20, 20, "")),)),
    ),
    "asked with echo": (
        hiding.judge_terminals,
        replace(SCREENS, interactive=(replace(IN, prompts=(Prompt("Password: ", True),)),)),
    ),
    "type text": (
        hiding.judge_pages,
        replace(FORMS, forms=(replace(FORM, fields=(hiding.Field("password", "text", "post"),)),)),
    ),
    "in the URL": (
        hiding.judge_pages,
        replace(FORMS, forms=(replace(FORM, fields=(hiding.Field("password", "password", "get"),)),)),
    ),
    "repeated": (hiding.judge_pages, replace(FORMS, refusals=(replace(REFUSAL, told=True),))),
    "undeclared": (left.judge, replace(LEFT, accounts=fact("accounts", [ROOT, MAINT]))),
    "locked and used": (left.judge, replace(LEFT, remote=(IN,))),
    "su": (left.judge, replace(LEFT, local=(RAN,))),
    "weak behind a lock": (left.judge, replace(BARRED, guesses=(left.Guess("service1", 5, 1, False, IN),))),
    "no reason": (left.judge, replace(LEFT, declared={"os": {"root": {"state": "active"}}})),
    "still usable": (left.judge, replace(LEFT, declared={"os": {"root": {"state": "locked"}}})),
    "20 accounts": (number.judge, replace(NUMBER, databases=(replace(BASE, created=(RAN, REFUSED)),))),
    "dropped": (
        number.judge,
        replace(NUMBER, databases=(replace(BASE, full=Listing("os", RAN, ("root", *WANTED[1:]))),)),
    ),
    "one UID": (
        number.judge,
        replace(NUMBER, accounts=fact("accounts", [{**ROOT, "name": name, "uid": 1500} for name in WANTED])),
    ),
    "shared": (number.judge, replace(NUMBER, declared={"os": {"root": {"shared": True, "holder": "all"}}})),
    "another identity": (
        number.judge,
        replace(NUMBER, databases=(replace(BASE, logins=(replace(IN, user="a", identity="b"),)),)),
    ),
    "not deleted": (number.judge, replace(NUMBER, databases=(replace(BASE, gone=BASE.full),))),
    "processes stay": (
        logout.judge,
        replace(LOGOUT, terminals=(replace(TERMINAL, after=fact("processes", [INIT, SLEEP])),)),
    ),
    "the cookie lives": (logout.judge, replace(LOGOUT, pages=(replace(PAGES, replay=PAGE),))),
    "no logout": (logout.judge, replace(LOGOUT, pages=(replace(PAGES, out=replace(REFUSED, problem="")),))),
    "service gone": (logout.judge, replace(LOGOUT, after=(RAN, REFUSED))),
    "none declared": (logout.judge, replace(LOGOUT, undeclared=("oam-web",))),
    "idle for ever": (
        idle.judge,
        replace(IDLE, terminals=(replace(QUIET, idle=idle.Idle(IN, None, 21.4, 21.0)),)),
    ),
    "too late": (
        idle.judge,
        replace(IDLE, terminals=(replace(QUIET, idle=idle.Idle(IN, 20.5, 20.9, 20.5)),)),
    ),
    "too early": (idle.judge, replace(IDLE, terminals=(replace(QUIET, idle=idle.Idle(IN, 7.0, 7.5, 7.0)),))),
    "valid": (idle.judge, replace(IDLE, pages=(replace(TIMED, late=PAGE),))),
    "polls": (idle.judge, replace(IDLE, pages=(replace(TIMED, polled=PAGE),))),
    "new and open": (protection.judge_fresh, replace(FRESH, bare=(Without("an empty password", IN),))),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_fails(name: str) -> None:
    judge, seen = FAULTY[name]
    assert judge(seen).outcome == Outcome.FAIL, judge(seen).reason


NEAR: dict[str, tuple[Any, Observation, Outcome]] = {
    "looked at too late": (
        lock.judge,
        replace(LOCK, rounds=(replace(ROUND, apart=replace(BLOCK, during=at(IN, 16.0))),)),
        Outcome.INCONCLUSIVE,
    ),
    "blocked after N+1 only": (lock.judge, replace(LOCK, rounds=(replace(ROUND, edge=IN),)), Outcome.PASS),
    "a set value below the shipped": (lock.judge, replace(LOCK, most=9, shipped=False), Outcome.PASS),
    "a floor above 8": (struct.judge_floor, replace(FLOOR, eight=REFUSED, change=kept()), Outcome.PASS),
    "both passwords work": (
        struct.judge,
        replace(STRUCT, places=(replace(PLACE, refused=(replace(kept(), new=IN),)),)),
        Outcome.INCONCLUSIVE,
    ),
    "depth 0 is taken and has no effect": (
        changes.judge_refused,
        replace(HISTORY, none=(RAN,)),
        Outcome.PASS,
    ),
    "a system account": (
        protection.judge_listed,
        replace(LISTED, accounts=fact("accounts", [ROOT, {**MAINT, "shell": "/usr/sbin/nologin"}])),
        Outcome.PASS,
    ),
    "an unknown password behind a lock": (
        left.judge,
        replace(BARRED, guesses=(left.Guess("service1", 5, 1, False, NO),)),
        Outcome.INCONCLUSIVE,
    ),
    "processes are still there, and it is early": (
        logout.judge,
        replace(LOGOUT, terminals=(replace(TERMINAL, after=fact("processes", [INIT, SLEEP]), seconds=3.0),)),
        Outcome.INCONCLUSIVE,
    ),
    "busy sessions end too": (
        idle.judge,
        replace(IDLE, terminals=(replace(QUIET, stood=False),)),
        Outcome.INCONCLUSIVE,
    ),
    "the canary is not listed": (
        protection.judge_listed,
        replace(LISTED, listings=(Listing("os", RAN, ("root",)),)),
        Outcome.INCONCLUSIVE,
    ),
}


@pytest.mark.parametrize("name", NEAR)
def test_near_misses(name: str) -> None:
    judge, seen, outcome = NEAR[name]
    assert judge(seen).outcome == outcome, judge(seen).reason


def test_each_judge_is_tried() -> None:
    here = {judge for judge, _ in SOUND.values()}
    bound = suites.bindings("ts_33_117").values()
    modules = {judge.__module__ for judge in here}
    assert {one.judge for one in bound if one.judge.__module__ in modules} == here


GUESSING: dict[str, Any] = {
    "a slow harness": (force.judge, replace(FORCE, places=(replace(GUESSED, seconds=200.0, after=IN),))),
    "the block may have ended": (
        force.judge,
        replace(FORCE, places=(replace(ENDED, then=IN, took=10.0),)),
    ),
    "more was not answered": (
        force.judge,
        replace(FORCE, places=(replace(ENDED, spurt=(*(NO,) * 5, MUTE), then=IN),)),
    ),
    "dropped": (
        force.judge,
        replace(FORCE, places=(replace(GUESSED, wrong=(*(NO,) * 49, replace(NO, outcome="closed"))),)),
    ),
    "never in": (force.judge, replace(FORCE, places=(replace(GUESSED, before=NO),))),
    "not released": (force.judge, replace(FORCE, places=(replace(GUESSED, again=NO),))),
    "nowhere": (force.judge, replace(FORCE, places=())),
    "right answer refused": (force.judge_captcha, force.Solvings((force.Solved(NO, {"no answer": NO}, IN),))),
    "no answer to it": (force.judge_captcha, force.Solvings((force.Solved(IN, {"no answer": MUTE}, IN),))),
    "unlisted refused": (
        force.judge_listed,
        replace(LISTS, places=(force.Forbidden(GOOD, (kept(),), kept()),)),
    ),
    "neither": (
        force.judge_listed,
        replace(LISTS, places=(force.Forbidden(GOOD, (Change("x", "os", RAN, NO, NO),), taken()),)),
    ),
}


@pytest.mark.parametrize("name", GUESSING)
def test_guessing_that_proves_nothing(name: str) -> None:
    judge, seen = GUESSING[name]
    assert judge(seen).outcome == Outcome.INCONCLUSIVE, judge(seen).reason


def test_a_password_of_the_same_shape_is_another_one() -> None:
    other = alike("Np-Bench.2026")
    assert other != "Np-Bench.2026"
    assert [c.isupper() for c in other] == [c.isupper() for c in "Np-Bench.2026"]
    assert (other[2], other[8]) == ("-", ".")
    assert other[-4:].isdigit()
