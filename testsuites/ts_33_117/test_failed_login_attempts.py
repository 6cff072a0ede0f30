"""TC_FAILED_LOGIN_ATTEMPTS: wrong passwords block an account for a while, an administrator never for good."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Endpoint, HostBench, User, did, got_in
from drivers.interfaces.replies import Login
from testsuites.ts_33_117.logins import guesses, password_endpoints, tolerated, unanswered, wait_until

MOST, LEAST_S = 8, 5.0
TEST_N, TEST_S = 3, 30.0


@dataclass(frozen=True)
class Block:
    """One account at one service: wrong passwords, and the right one during the block and after it."""

    before: Login
    wrong: tuple[Login, ...]
    during: Login
    after: Login


@dataclass(frozen=True)
class Round:
    """What came at one service: `apart` has a connection for each attempt, `contrast` one failure less."""

    apart: Block
    together: Block
    contrast: tuple[Login, ...]  # N-1 wrong, then right
    edge: Login  # right after N wrong


@dataclass(frozen=True)
class Seen(Observation):
    most: int  # tolerated failures and seconds of the block in force
    delay: float
    tolerance: float
    shipped: bool
    ready: Control
    rounds: tuple[Round, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    if seen.shipped and seen.most > MOST:
        return failed(f"as shipped {seen.most} failures are tolerated, {MOST} is the most")
    if seen.shipped and seen.delay < LEAST_S:
        return failed(f"as shipped a block lasts {seen.delay:g} s, {LEAST_S:g} is the least")
    if doubt := unsound([seen.ready]):
        return doubt
    if not seen.rounds:
        return inconclusive("no service with passwords was tried")
    odd = [verdict for one in seen.rounds if (verdict := _round(one, seen))]
    if bad := next((v for v in odd if v.outcome == "FAIL"), None) or next(iter(odd), None):
        return bad
    early = {one.edge.outcome for one in seen.rounds}
    count = " or ".join(sorted({"in": f"{seen.most + 1}", "refused": f"{seen.most}"}[e] for e in early))
    return unsound([seen.alive]) or passed(
        f"at {', '.join(one.edge.endpoint for one in seen.rounds)} {count} wrong passwords block an account"
        f" for {seen.delay:g} s, and {seen.most - 1} do not",
        *(one.apart.during.ref for one in seen.rounds),
    )


def _round(one: Round, seen: Seen) -> Verdict | None:
    wrong = (*one.apart.wrong, *one.together.wrong, *one.contrast[:-1])
    if doubt := unsound([got_in("the right password works before", one.apart.before, one.together.before)]):
        return doubt
    if doubt := unanswered(wrong) or unanswered_blocks(one.apart, one.together):
        return doubt
    for block, how in (
        (one.apart, "on connections of their own"),
        (one.together, "on as few connections as possible"),
    ):
        if bad := blocked(block, len(block.wrong), how, seen.delay - seen.tolerance):
            return bad
    if doubt := unsound([got_in("an account with one failure less logs in", *one.contrast[-1:])]):
        return doubt
    if one.edge.outcome not in ("in", "refused"):
        return inconclusive(f"after {seen.most} failures: {one.edge.outcome} {one.edge.said}", one.edge.ref)
    for block in (one.apart, one.together):
        if block.after.outcome == "refused":
            return failed(
                f"{block.after.user} is still blocked at {block.after.endpoint}"
                f" {_since(block.during, block.after):.0f} s after the last attempt",
                block.after.ref,
            )
    return unsound([got_in("the right password works after the block", one.apart.after, one.together.after)])


def blocked(block: Block, count: int, how: str, within: float) -> Verdict | None:
    """FAIL where the right password works during a block; INCONCLUSIVE where that was tried too late."""
    if not block.wrong:
        return inconclusive("no wrong password was tried")
    late = _since(block.wrong[-1], block.during)
    if block.during.outcome == "in" and late < within:
        said = f"after {count} wrong passwords {how} the right one works {late:.1f} s later"
        return failed(f"{block.during.user} at {block.during.endpoint}: {said}", block.during.ref)
    if late >= within:
        return inconclusive(
            f"the block was looked at too late ({late:.1f} s): let it last longer", block.during.ref
        )
    return None


def unanswered_blocks(*blocks: Block) -> Verdict | None:
    """INCONCLUSIVE where an attempt with the right password was not answered."""
    for login in (one for block in blocks for one in (block.during, block.after)):
        if login.outcome not in ("in", "refused"):
            return inconclusive(f"{login.user} at {login.endpoint}: {login.outcome} {login.said}", login.ref)
    return None


def _since(first: Login, then: Login) -> float:
    return then.at - first.at


@dataclass(frozen=True)
class Locked(Observation):
    delay: float
    tolerance: float
    ready: Control
    user: Block  # right after the delay
    late: Login  # right after three times the delay
    released: Control
    last: Login
    administrator: Block | None
    alive: Control


def judge_user(seen: Locked) -> Verdict:
    if doubt := _permanent(seen):
        return doubt
    return unsound(
        [seen.released, got_in("the account works after its release", seen.last), seen.alive]
    ) or passed(
        f"{seen.user.before.user} was refused for {_since(seen.user.wrong[-1], seen.late):.0f} s until it was"
        " released",
        seen.late.ref,
    )


def _permanent(seen: Locked) -> Verdict | None:
    block = seen.user
    if doubt := unsound([seen.ready, got_in("the right password works before", block.before)]):
        return doubt
    if doubt := unanswered(block.wrong) or unanswered_blocks(block):
        return doubt
    if not block.wrong:
        return inconclusive("no wrong password was tried")
    for login in (block.during, block.after, seen.late):
        if login.outcome == "in":
            seconds = _since(block.wrong[-1], login)
            return failed(f"{login.user}, locked for good, logs in {seconds:.0f} s later", login.ref)
    if seen.late.outcome != "refused" or _since(block.wrong[-1], seen.late) < 3 * seen.delay:
        return inconclusive(f"at three times the delay: {seen.late.outcome} {seen.late.said}", seen.late.ref)
    return None


def judge_administrator(seen: Locked) -> Verdict:
    if doubt := _permanent(seen):
        return (
            doubt if doubt.outcome != "FAIL" else inconclusive(f"control failed: {doubt.reason}", *doubt.refs)
        )
    block = seen.administrator
    if block is None:
        return inconclusive("no administrator was tried")
    if doubt := unsound([got_in("the administrator's password works before", block.before)]):
        return doubt
    if doubt := unanswered(block.wrong) or unanswered_blocks(block):
        return doubt
    if bad := blocked(block, len(block.wrong), "", seen.delay - seen.tolerance):
        return bad
    if block.after.outcome == "refused":
        seconds = _since(block.during, block.after)
        return failed(
            f"the administrator is still refused {seconds:.0f} s after the last attempt", block.after.ref
        )
    return unsound([got_in("the administrator gets in again", block.after), seen.alive]) or passed(
        f"{block.before.user} was refused during the block and let in after {seen.delay:g} s, unreleased",
        block.during.ref,
        block.after.ref,
    )


# --- probes ------------------------------------------------------------------------------------------------


class Policy:
    """The declared login policy, and blocks under it."""

    def __init__(self, host: HostBench, most: int = 0, delay: float = 0.0) -> None:
        self.host = host
        declared = tolerated(host)
        self.most, self.delay = most or declared[0], delay or declared[1]
        self.tolerance = max(0.1 * self.delay, float(host.declared("login_policy.tolerance_s") or 0), 2.0)

    def release(self, *users: User) -> Control:
        done = [self.host.act("login_policy.reset_action", name=user.name) for user in users]
        return did("accounts are released", *done)

    def block(self, endpoint: Endpoint, user: User, *, together: bool = False) -> Iterator[Any]:
        """The steps of a block, so that others can be done meanwhile: what is yielded last is the block."""
        before = self.host.login(endpoint, user)
        wrong = guesses(self.host, endpoint, user, self.most + 1, together=together)
        began = monotonic()
        if together:
            yield None
            wait_until(self.host, began + self.delay / 2)
        during, began = self.host.login(endpoint, user), monotonic()
        yield None
        wait_until(self.host, began + self.delay + self.tolerance)
        yield Block(before, wrong, during, self.host.login(endpoint, user))

    def around(self, endpoint: Endpoint, users: tuple[User, ...]) -> Round:
        first, second, third = users[:3]
        apart = self.block(endpoint, first)
        next(apart)
        contrast = (*guesses(self.host, endpoint, third, self.most - 1), self.host.login(endpoint, third))
        together = self.block(endpoint, second, together=True)
        next(together)
        guesses(self.host, endpoint, third, self.most)
        edge = self.host.login(endpoint, third)
        next(together)
        found = Round(next(apart), next(together), contrast, edge)
        self.release(*users[:3])
        return found


def _aside(host: HostBench, endpoint: Endpoint, count: int) -> tuple[User, ...]:
    users = host.users(endpoint=endpoint, privileged=False, aside=True)
    if len(users) < count:
        raise UnseenError(
            f"accounts.test_users: {count} ordinary accounts with aside are needed at {endpoint.name}"
        )
    return users


def _seen(host: HostBench, policy: Policy, ready: Control, *, shipped: bool) -> Seen:
    host.stimulus()
    rounds = tuple(policy.around(one, _aside(host, one, 3)) for one in password_endpoints(host))
    return Seen(policy.most, policy.delay, policy.tolerance, shipped, ready, rounds, host.alive())


@case("TC_FAILED_LOGIN_ATTEMPTS", judge, "A")
def test_shipped_values(host: HostBench) -> Seen:
    policy = Policy(host)
    administrators = [
        host.login(e, u)
        for e in password_endpoints(host)
        for u in host.users(endpoint=e, privileged=True, aside=True)
    ]
    return _seen(host, policy, got_in("the administrator logs in", *administrators), shipped=True)


@case("TC_FAILED_LOGIN_ATTEMPTS", judge, "B")
def test_values_are_configurable(host: HostBench) -> Seen:
    ran = host.act("login_policy.set_action", n=TEST_N, s=int(TEST_S))
    return _seen(host, Policy(host, TEST_N, TEST_S), did("the values are set", ran), shipped=False)


def _locked(host: HostBench, *, administrator: bool) -> Locked:
    policy, endpoint = Policy(host), password_endpoints(host)[0]
    user = _aside(host, endpoint, 1)[0]
    ready = did("permanent locking is on", host.act("login_policy.permanent_lock", "action"))
    host.stimulus()
    steps, found = policy.block(endpoint, user), None
    next(steps)
    began = monotonic()
    if administrator:
        admin = host.users(endpoint=endpoint, privileged=True, aside=True)[0]
        meanwhile = policy.block(endpoint, admin)
        next(meanwhile)
        found = next(meanwhile)
    block = next(steps)
    wait_until(host, began + 3 * policy.delay + policy.tolerance)
    late = host.login(endpoint, user)
    released = policy.release(user, *([admin] if administrator else []))
    return Locked(
        *(policy.delay, policy.tolerance, ready, block, late, released, host.login(endpoint, user), found),
        host.alive(),
    )


@case("TC_FAILED_LOGIN_ATTEMPTS", judge_user, "C")
def test_permanent_lock_of_a_user(host: HostBench) -> Locked:
    return _locked(host, administrator=False)


@case("TC_FAILED_LOGIN_ATTEMPTS", judge_administrator, "D")
def test_permanent_lock_of_an_administrator(host: HostBench) -> Locked:
    return _locked(host, administrator=True)
