"""TC_PASSWORD_STRUCT: how short and how plain a password may be, and what an operator can demand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import HostBench, did, got_in
from drivers.interfaces.replies import Login, Ran
from testsuites.ts_33_117.logins import Change, Changer, password, said, took

FLOOR, DEFAULT, LONG = 8, 10, 64
MORE = 6
ALL = (0, 1, 2, 3)


@dataclass(frozen=True)
class Place:
    """What came where a password can be changed."""

    made: Control
    accepted: tuple[Change, ...]
    refused: tuple[Change, ...]
    whole: tuple[Login, ...] = ()  # with all characters of a long password
    parts: Mapping[str, Login] = field(default_factory=dict)  # with less than all of them


@dataclass(frozen=True)
class Seen(Observation):
    minimum: int  # as declared
    places: tuple[Place, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    if not seen.places:
        return inconclusive("no place to change a password was tried")
    verdicts = [verdict for one in seen.places if (verdict := _place(one))]
    if bad := next((v for v in verdicts if v.outcome == "FAIL"), None) or next(iter(verdicts), None):
        return bad
    if seen.minimum < DEFAULT:
        return failed(f"as declared {seen.minimum} characters are enough, {DEFAULT} is the least by default")
    more = f", which is more than {DEFAULT}" if seen.minimum > DEFAULT else ""
    count = sum(len(one.refused) for one in seen.places)
    return unsound([seen.alive]) or passed(
        f"{count} passwords below {seen.minimum} characters{more} or three classes were refused, and all of"
        f" {LONG} characters count"
    )


def _place(one: Place) -> Verdict | None:
    if doubt := unsound([one.made]):
        return doubt
    for change in one.refused:
        if change.took:
            return failed(f"{change.where}: {change.what}: accepted", change.ran.ref, change.new.ref)
    for shortened, login in one.parts.items():
        if login.outcome == "in" and all(whole.outcome == "in" for whole in one.whole):
            return failed(
                f"{login.endpoint}: {shortened} of a password of {LONG} characters are enough", login.ref
            )
    if not one.accepted or not one.refused:
        return inconclusive("no password that has to be accepted, or none that has to be refused, was tried")
    return unsound([took(change) for change in one.accepted]) or _still(one)


def _still(one: Place) -> Verdict | None:
    for change in one.refused:
        if change.took is None:
            return inconclusive(f"{change.where}: {change.what}: {took(change).saw}", change.ran.ref)
    if not one.whole and not one.parts:
        return None
    for login in one.parts.values():
        if login.outcome != "refused":
            return inconclusive(f"{login.user} at {login.endpoint}: {login.outcome} {login.said}", login.ref)
    return unsound([got_in(f"all {LONG} characters are right", *one.whole)])


@dataclass(frozen=True)
class Tightened(Observation):
    made: Control
    before: Change  # meets the shipped policy
    set: Control
    refused: tuple[Change, ...]  # meet the shipped policy, not the tightened one
    accepted: Change
    back: Control
    again: Change  # the first of the refused ones, after the shipped policy is restored
    alive: Control


def judge_tightened(seen: Tightened) -> Verdict:
    if doubt := unsound([seen.made, took(seen.before), seen.set]):
        return doubt
    for change in seen.refused:
        if change.took:
            return failed(f"with the tightened policy: {change.what}: accepted", change.ran.ref)
    if doubt := _still(Place(seen.made, (), seen.refused)):
        return doubt
    return unsound([took(seen.accepted), seen.back, took(seen.again), seen.alive]) or passed(
        f"{len(seen.refused)} passwords that were enough are refused by the tightened policy",
        *(change.ran.ref for change in seen.refused),
    )


@dataclass(frozen=True)
class Lowered:
    """A minimum below 8 is set, then 7 characters are tried."""

    ran: Ran
    change: Change


@dataclass(frozen=True)
class Floor(Observation):
    made: Control
    set: Control  # to 12 characters
    works: Change  # 11 characters
    lowered: tuple[Lowered, ...]
    eight: Ran
    change: Change  # 8 characters
    alive: Control


def judge_floor(seen: Floor) -> Verdict:
    if doubt := unsound([seen.made, seen.set]):
        return doubt
    if seen.works.took is not False:
        return inconclusive(f"control failed: 11 characters with a minimum of 12: {took(seen.works).saw}")
    for ran, change in ((one.ran, one.change) for one in seen.lowered):
        if change.took:
            return failed(f"{change.what}: accepted after {ran.command}", ran.ref, change.ran.ref)
        if change.took is None:
            return inconclusive(f"{change.what}: {took(change).saw}", change.ran.ref)
    if not seen.lowered:
        return inconclusive("nothing below the floor was set")
    if seen.eight.ok and not seen.change.took:
        if seen.change.took is None:
            return inconclusive(f"{seen.change.what}: {took(seen.change).saw}", seen.change.ran.ref)
        return failed(
            f"{FLOOR} is set, and {FLOOR} characters are refused: {said(seen.change)}", seen.change.ran.ref
        )
    note = "" if seen.eight.ok else "; the floor is above 8"
    kind = "refused" if not any(one.ran.ok for one in seen.lowered) else "without effect"
    return unsound([seen.alive]) or passed(
        f"a minimum below {FLOOR} is {kind}{note}", *(one.ran.ref for one in seen.lowered)
    )


# --- probes ------------------------------------------------------------------------------------------------


def _good(at: Changer, length: int, *classes: int, what: str = "") -> Change:
    """A password that has to be accepted, another one where a list of words may have been in the way."""
    change = None
    for _ in range(2):
        change = at.to(password(length, *classes), what or _shape(length, classes))
        if change.took:
            break
    assert change is not None
    return change


def _bad(at: Changer, length: int, *classes: int) -> Change:
    return at.to(password(length, *classes), _shape(length, classes))


def _shape(length: int, classes: tuple[int, ...]) -> str:
    names = ("upper case", "lower case", "digits", "special characters")
    return f"{length} characters of {', '.join(names[one] for one in classes)}"


def _place_of(host: HostBench, where: str, name: str, minimum: int) -> Place:
    at = Changer(host, where, name)
    accepted = [_good(at, 12, *ALL)]
    refused = [_bad(at, 7, *ALL), _bad(at, minimum - 1, *ALL)]
    refused += [_bad(at, max(12, minimum), *pair) for pair in combinations(ALL, 2)]
    accepted += [_good(at, max(12, minimum), *three) for three in combinations(ALL, 3)]
    accepted += [_good(at, minimum, *ALL[:3]), _good(at, LONG, *ALL)]
    text, whole = at.secret.text, []
    parts: dict[str, Login] = {}
    for chunk in ((LONG - 1, 32), (8, 16)):
        parts |= {
            f"the first {n} characters": host.login(at.endpoint, name, host.secret(text=text[:n]))
            for n in chunk
        }
        whole.append(host.login(at.endpoint, name, at.secret))
    other = text[:-1] + ("x" if text[-1] != "x" else "z")
    parts["all but the last, another one in its place,"] = host.login(
        at.endpoint, name, host.secret(text=other)
    )
    whole.append(host.login(at.endpoint, name, at.secret))
    return Place(at.made, tuple(accepted), tuple(refused), tuple(whole), parts)


@case("TC_PASSWORD_STRUCT", judge, "A")
def test_default_policy(host: HostBench) -> Seen:
    minimum = int(host.declared("password_policy.min_length"))
    host.stimulus()
    wheres = host.declared("accounts.change_password_action")
    places = [_place_of(host, where, f"scaspw{n}", max(minimum, DEFAULT)) for n, where in enumerate(wheres)]
    return Seen(minimum, tuple(places), host.alive())


@case("TC_PASSWORD_STRUCT", judge_tightened, "B")
def test_policy_can_be_tightened(host: HostBench) -> Tightened:
    shipped = int(host.declared("password_policy.min_length"))
    length = FLOOR + MORE
    host.stimulus()
    at = Changer(host, next(iter(host.declared("accounts.change_password_action"))), "scaspw1")
    before = _good(at, length - 1, *ALL)
    ran = did("the policy is tightened", host.act("password_policy.set_action", n=length, c=4))
    first = password(length - 1, *ALL)
    refused = (at.to(first, _shape(length - 1, ALL)), _bad(at, length, *ALL[:3]))
    accepted = _good(at, length, *ALL)
    back = did("the shipped policy is set", host.act("password_policy.set_action", n=shipped, c=3))
    again = at.to(first, _shape(length - 1, ALL))
    return Tightened(at.made, before, ran, refused, accepted, back, again, host.alive())


@case("TC_PASSWORD_STRUCT", judge_floor, "C")
def test_lower_bound_is_fixed(host: HostBench) -> Floor:
    host.stimulus()
    at = Changer(host, next(iter(host.declared("accounts.change_password_action"))), "scaspw1")
    ran = did("the minimum is set to 12", host.act("password_policy.set_action", n=12, c=3))
    works = _bad(at, 11, *ALL)
    lowered = []
    for length in (7, 0):
        ran_low = host.act("password_policy.set_action", n=length, c=3)
        lowered.append(Lowered(ran_low, _bad(at, 7, *ALL)))
    eight = host.act("password_policy.set_action", n=FLOOR, c=3)
    change = _good(at, FLOOR, *ALL)
    return Floor(at.made, ran, works, tuple(lowered), eight, change, host.alive())
