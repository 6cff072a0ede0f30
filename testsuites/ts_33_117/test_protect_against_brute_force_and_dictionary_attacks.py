"""TC_PROTECT_AGAINST_BRUTE_FORCE_AND_DICTIONARY_ATTACKS: passwords cannot be found by guessing."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Endpoint, HostBench, Secret, User, did, got_in
from drivers.interfaces.replies import Login
from testsuites.ts_33_117.accounts import sources
from testsuites.ts_33_117.captcha import Captcha
from testsuites.ts_33_117.logins import (
    Change,
    Changer,
    alike,
    changes_at,
    guesses,
    password_endpoints,
    said,
    tolerated,
    took,
)

CASE = "TC_PROTECT_AGAINST_BRUTE_FORCE_AND_DICTIONARY_ATTACKS"
GUESSES, AT_ONCE, ROUNDS = 50, 5, 3
CEILING = 20.0  # guesses a minute for an account where none is declared
BLOCKS = {"delay", "lockout", "source-block"}


# --- A, D: guessing ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Guessed:
    """Guesses at one service over several connections at once, and the right password right after them.

    A block may have ended by itself while a slow service answered them. So where the right password works, as
    many guesses as have to block follow at once: `spurt`, and `then` the right password once more.
    """

    endpoint: str
    ceiling: float  # guesses a minute
    block: float  # seconds that a block is declared to last; 0 where none is
    before: Login
    wrong: tuple[Login, ...]
    seconds: float
    after: Login
    spurt: tuple[Login, ...]
    then: Login | None
    took: float  # seconds from `after` to `then`
    elsewhere: Login | None  # after them, from another address, where blocks of addresses are declared
    released: Control
    again: Login


@dataclass(frozen=True)
class Seen(Observation):
    bare: tuple[str, ...]  # services with passwords for which no measure is declared
    untried: tuple[str, ...]  # where several connections at once cannot be, as at a console
    places: tuple[Guessed, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    if not seen.places:
        return inconclusive("no service with passwords was tried")
    odd = [verdict for one in seen.places if (verdict := _guessed(one))]
    if bad := next((v for v in odd if v.outcome == "FAIL"), None) or next(iter(odd), None):
        return bad
    untried = f"; not tried: {', '.join(seen.untried)}" if seen.untried else ""
    return unsound([seen.alive]) or passed(
        f"{GUESSES} guesses at each of {', '.join(one.endpoint for one in seen.places)} are blocked or slow;"
        f" TC_FAILED_LOGIN_ATTEMPTS tells whether the block is as it should be{untried}",
        *(one.after.ref for one in seen.places),
    )


def _guessed(one: Guessed) -> Verdict | None:
    for guess in (*one.wrong, *one.spurt):
        if guess.outcome == "in":
            return failed(f"{guess.user} got in at {one.endpoint} with a wrong password", guess.ref)
    if doubt := unsound([got_in(f"the right password works before, at {one.endpoint}", one.before)]):
        return doubt
    answered = sum(guess.outcome == "refused" for guess in one.wrong)
    if answered < GUESSES:
        return inconclusive(f"{one.endpoint} answered {answered} of {GUESSES} guesses", one.after.ref)
    if one.after.outcome == "in" and (doubt := _unblocked(one, answered)):
        return doubt
    if one.after.outcome not in ("in", "refused"):
        return inconclusive(f"{one.endpoint} after the guesses: {one.after.outcome}", one.after.ref)
    return unsound([one.released, got_in("the right password works after the release", one.again)])


def _unblocked(one: Guessed, answered: int) -> Verdict | None:
    """The verdict where the right password works after the guesses, unless a block is seen after all."""
    spurt = bool(one.spurt) and all(guess.outcome == "refused" for guess in one.spurt)
    if spurt and one.then and one.then.outcome == "refused":
        return None
    pace = 60 * answered / one.seconds if one.seconds > 0 else float("inf")
    if pace <= one.ceiling:
        slow = _delay(one) >= 0.5 * one.seconds * AT_ONCE / answered
        said = f"{answered} guesses at {one.endpoint} took {one.seconds:.0f} s, not for its delays"
        return None if slow else inconclusive(said, one.after.ref)
    said = (
        f"after {answered} guesses in {one.seconds:.0f} s at {one.endpoint} ({pace:.0f} a minute, at most"
        f" {one.ceiling:g}) the right password works at once"
    )
    if not one.block:
        return failed(said, one.after.ref)
    if one.then is None or not spurt:
        return inconclusive(f"{said}; what was to block then was not answered", one.after.ref)
    again = f"{len(one.spurt)} guesses and {one.took:.1f} s later: {one.then.outcome}"
    if one.then.outcome != "in" or one.took >= one.block:
        return inconclusive(
            f"{said}; {again}; a block of {one.block:g} s may have ended meanwhile", one.then.ref
        )
    return failed(f"{said}; {again}", one.then.ref)


def _delay(one: Guessed) -> float:
    """By how much the answer to a guess comes later than that to the right password, in the mean."""
    return sum(guess.seconds for guess in one.wrong) / len(one.wrong) - one.before.seconds


def judge_alternative(seen: Seen) -> Verdict:
    if seen.bare:
        return failed(f"no measure against guessing is declared for {', '.join(seen.bare)}")
    return judge(seen)


# --- B: CAPTCHA --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Solved:
    """Logins with the right password at one page, and whether each could answer a challenge of its own."""

    before: Login
    tries: dict[str, Login]  # "a wrong answer", ...
    after: Login


@dataclass(frozen=True)
class Solvings(Observation):
    pages: tuple[Solved, ...]


def judge_captcha(seen: Solvings) -> Verdict:
    if not seen.pages or not all(page.tries for page in seen.pages):
        return inconclusive("no CAPTCHA was tried")
    for page in seen.pages:
        for how, login in page.tries.items():
            if login.outcome == "in" and page.before.outcome == "in":
                return failed(f"at {login.endpoint} {how} to the CAPTCHA lets {login.user} in", login.ref)
    for page in seen.pages:
        if doubt := unsound([got_in("the right answer to the CAPTCHA lets in", page.before, page.after)]):
            return doubt
        for how, login in page.tries.items():
            if login.outcome != "refused":
                return inconclusive(
                    f"at {login.endpoint} with {how}: {login.outcome} {login.said}", login.ref
                )
    tried = seen.pages[0].tries
    return passed(f"refused with {', '.join(tried)} to the CAPTCHA", *(one.ref for one in tried.values()))


# --- C: forbidden passwords --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forbidden:
    """What came of changes to listed passwords at one place, and of one of the same shape."""

    made: Control
    listed: tuple[Change, ...]
    unlisted: Change


@dataclass(frozen=True)
class Listed(Observation):
    places: tuple[Forbidden, ...]
    alive: Control


def judge_listed(seen: Listed) -> Verdict:
    if not seen.places or not all(place.listed for place in seen.places):
        return inconclusive("no forbidden password was tried")
    for place in seen.places:
        if doubt := unsound([place.made, took(place.unlisted)]):
            return doubt
    tried = [change for place in seen.places for change in place.listed]
    for change in tried:
        if change.took:
            return failed(f"{change.where}: {change.what} is accepted", change.new.ref)
    for change in tried:
        if change.took is None:
            return inconclusive(f"{change.where}: {change.what}: {said(change)}", change.new.ref)
    return unsound([seen.alive]) or passed(
        f"{len(tried)} changes to a forbidden password were refused, those to others of its shape were not",
        *(change.ran.ref for change in tried),
    )


# --- probes ------------------------------------------------------------------------------------------------


def _measures(host: HostBench) -> dict[str, Mapping[str, Any]]:
    return {str(row["interface"]): row for row in host.declared("login_policy.bruteforce_measures")}


def _with(host: HostBench, *measures: str) -> list[Endpoint]:
    """The services over the network for which one of these measures is declared."""
    found = [name for name, row in _measures(host).items() if {*row["measures"]} & {*measures}]
    return [one for one in host.endpoints("ssh", "https", "http") if one.name in found]


def _user(host: HostBench, endpoint: Endpoint, number: int) -> User:
    users = host.users(endpoint=endpoint, privileged=False, aside=True)
    if not users:
        raise UnseenError(f"accounts.test_users: an ordinary account with aside at {endpoint.name}")
    return users[number % len(users)]


def _guess(host: HostBench, endpoint: Endpoint, user: User) -> Guessed:
    """Guess over several connections at once, then give the right password, and release the account."""
    row = _measures(host).get(endpoint.name, {})
    page = Captcha(host, endpoint, user) if "challenge" in (endpoint.more.get("login") or {}) else None

    def enter(secret: Secret | None = None, source: str = "") -> Login:
        return page.enter(secret)[0] if page else host.login(endpoint, user, secret, source=source)

    def some(count: int) -> tuple[Login, ...]:
        if page:
            return tuple(enter(host.secret()) for _ in range(count))
        return guesses(host, endpoint, user, count, together=True)

    def at_once(count: int) -> tuple[Login, ...]:
        shares = [(count + place) // AT_ONCE for place in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(one for part in pool.map(some, filter(None, shares)) for one in part)

    before, began = enter(), monotonic()
    wrong: list[Login] = []
    for _ in range(ROUNDS if before.outcome == "in" else 0):
        wrong += at_once(GUESSES - sum(one.outcome == "refused" for one in wrong))
    seconds, after, elsewhere = monotonic() - began, enter(), None
    most, block = tolerated(host) if {"lockout", "source-block"} & {*row.get("measures", ())} else (0, 0.0)
    spurt: tuple[Login, ...] = ()
    then: Login | None = None
    took, rounds = block, ROUNDS if block else 0
    while rounds and took >= block and (then or after).outcome == "in":
        began, rounds = monotonic(), rounds - 1
        spurt, then = at_once(most + 1), enter()
        took = monotonic() - began
    if "source-block" in row.get("measures", ()) and len(others := sources(host, endpoint)) > 1:
        elsewhere = enter(source=others[1])
    released = did("the account is released", host.act("login_policy.reset_action", name=user.name))
    ceiling = float(row.get("max_guesses_per_min") or CEILING)
    return Guessed(
        *(endpoint.name, ceiling, block, before, tuple(wrong), seconds, after, spurt, then, took, elsewhere),
        *(released, enter()),
    )


def _seen(host: HostBench, endpoints: list[Endpoint]) -> Seen:
    declared = _measures(host)
    bare = [one for one in password_endpoints(host) if not declared.get(one.name, {}).get("measures")]
    host.stimulus()
    every = [*endpoints, *(one for one in bare if one not in endpoints)]
    places = tuple(_guess(host, one, _user(host, one, number)) for number, one in enumerate(every))
    reached = {one.name for one in host.endpoints("ssh", "https", "http")}
    untried = tuple(
        name for name, row in declared.items() if name not in reached and BLOCKS & {*row["measures"]}
    )
    return Seen(tuple(one.name for one in bare), untried, places, host.alive())


@case(CASE, judge, "A")
def test_guesses_are_blocked_or_slow(host: HostBench) -> Seen:
    return _seen(host, _with(host, *BLOCKS))


@case(CASE, judge_captcha, "B")
def test_captcha(host: HostBench) -> Solvings:
    found = []
    for endpoint in _with(host, "captcha"):
        page = Captcha(host, endpoint, _user(host, endpoint, 0))
        before, puzzle = page.enter()
        host.stimulus()
        tries = {
            "a wrong answer": page.enter(answer="0" * len(puzzle.answer) + "x")[0],
            "no answer": page.enter(answer="")[0],
            "neither challenge nor answer": page.enter(missing=True)[0],
            "an answer that was used before": page.enter(puzzle=puzzle)[0],
        }
        found.append(Solved(before, tries, page.enter()[0]))
    return Solvings(tuple(found))


@case(CASE, judge_listed, "C")
def test_forbidden_passwords(host: HostBench) -> Listed:
    example = host.declared("password_policy.forbidden_example")
    value = host.secret(reference=example["value"]).text
    lists, found = {one.name for one in _with(host, "forbidden-list")}, []
    for number, where in enumerate(host.declared("accounts.change_password_action")):
        if changes_at(host, where).name not in lists:
            continue
        changer = Changer(host, where, f"scasforb{number}")
        listed = [changer.to(value, "a forbidden password")]
        if example.get("case_insensitive"):
            listed.append(changer.to(value.swapcase(), "a forbidden password in other case"))
        found.append(Forbidden(changer.made, tuple(listed), changer.to(alike(value), "an unlisted password")))
    return Listed(tuple(found), host.alive())


@case(
    CASE,
    judge_alternative,
    "D",
    asks=("Is each measure that is declared as another one, as it was tried, meaningful against guessing?",),
)
def test_alternative_measure(host: HostBench) -> Seen:
    return _seen(host, _with(host, "other"))
