"""What test cases about passwords and logins have in common: where persons log in, and wrong attempts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import SystemRandom
from secrets import choice
from time import monotonic
from typing import Any

from assay.case import Control
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive
from drivers.interfaces.host import Endpoint, HostBench, Secret, User, did
from drivers.interfaces.replies import Login, Ran, WebReply

ANSWERED = ("refused", "in")
LOGIN_PAGE = re.compile(r"(?i)type=[\"']?password")


def password_endpoints(host: HostBench) -> tuple[Endpoint, ...]:
    """The services where persons log in with a name and a password alone."""
    return tuple(
        one
        for one in host.endpoints("ssh", "https", "http")
        if one.more.get("users", "person") == "person"
        and "password" in one.more.get("client_proof", ["password"])
        and "challenge" not in (one.more.get("login") or {})
    )


def guesses(
    host: HostBench, endpoint: Endpoint, user: User | str, count: int, *, together: bool = False
) -> tuple[Login, ...]:
    """Answers to wrong passwords, each on its own connection or `together` on as few as it takes."""
    if not together or endpoint.via != "ssh":
        return tuple(host.login(endpoint, user, host.secret()) for _ in range(count))
    done: list[Login] = []
    while len(done) < count:
        begun = len(done)
        with host.attempts(endpoint) as attempt:
            while len(done) < count and (last := attempt(user, host.secret())).outcome in ANSWERED:
                done.append(last)
        if len(done) == begun:  # a new connection, and not one answer on it
            return (*done, last)
    return tuple(done)


def tolerated(host: HostBench) -> tuple[int, float]:
    """How many failures a login is declared to tolerate, and for how many seconds one more blocks it."""
    seconds: Any = host.declared("login_policy.delay_s")
    first = seconds[0] if isinstance(seconds, (list, tuple)) else seconds
    return int(host.declared("login_policy.max_failures")), float(first)


def unanswered(logins: Iterable[Login]) -> Verdict | None:
    """FAIL for an attempt with a wrong password that got in, INCONCLUSIVE for one that was not answered."""
    logins = tuple(logins)
    for one in logins:
        if one.outcome == "in":
            return failed(f"{one.user} got in at {one.endpoint} with a wrong password", one.ref)
    for one in logins:
        if one.outcome not in ANSWERED:
            return inconclusive(
                f"an attempt of {one.user} at {one.endpoint}: {one.outcome} {one.said}", one.ref
            )
    return None


def shown(reply: WebReply, marker: str) -> bool:
    """Whether an answer has the content that only a session gets."""
    return reply.outcome == "answered" and reply.status == 200 and marker in reply.body


def reached(reply: WebReply, marker: str) -> str:
    """What came of a request without the right to it: a page that asks for a password is a refusal."""
    if reply.outcome != "answered":
        return {"refused": "closed"}.get(reply.outcome, reply.outcome)
    if marker and shown(reply, marker):
        return "in"
    if reply.status in (401, 403, 404) or 300 <= reply.status < 400:
        return "refused"
    if 200 <= reply.status < 300:
        return "refused" if LOGIN_PAGE.search(reply.body[:100_000]) else "in"
    return f"status {reply.status}"


def web_paths(host: HostBench, endpoint: Endpoint) -> tuple[str, ...]:
    """What only a session may read at a web service: the page after the login, and declared functions."""
    how = endpoint.more.get("login") or {}
    paths = [str(how.get("page") or endpoint.more.get("url") or "/")]
    for row in host.declared("functions.list") or ():
        method, _, path = str(row.get("request") or "").partition(" ")
        if method == "GET" and row.get("endpoint") == endpoint.name and "{" not in path:
            paths.append(path)
    return tuple(dict.fromkeys(paths))


def wait_until(host: HostBench, moment: float) -> None:
    """Let time pass until a moment of `time.monotonic`."""
    if (left := moment - monotonic()) > 0:
        host.rest(left)


# --- changes of a password ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A user's try to change the own password, and which of the two works after it."""

    what: str  # "7 characters of 4 classes"
    where: str  # which of accounts.change_password_action
    ran: Ran
    new: Login
    old: Login

    @property
    def took(self) -> bool | None:
        """Whether the new password is in force; None where neither or both work, or nothing answered."""
        outcomes = (self.new.outcome, self.old.outcome)
        return {("in", "refused"): True, ("refused", "in"): False}.get(outcomes)


class Changer:
    """An account made for the test, whose user changes the password at one place.

    Args:
        where: which of accounts.change_password_action.
        name: of the account; removed at the end of the variant.
    """

    def __init__(self, host: HostBench, where: str, name: str) -> None:
        self.host, self.where, self.name = host, where, name
        self.endpoint = changes_at(host, where)
        self.secret = host.secret()
        local = next(d["name"] for d in host.declared("accounts.databases") if d.get("local", True))
        made = host.act("accounts.create_action", local, name=name)
        given = host.act("accounts.create_action", f"{local}-password", name=name, secret=self.secret)
        self.made = did(f"{name} was created with a password", made, given)

    def to(self, text: str | Secret, what: str, *, old: Secret | None = None) -> Change:
        """Try to change to a password, with the present one or with another."""
        new = text if isinstance(text, Secret) else self.host.secret(text=text)
        ran = self.host.act(
            "accounts.change_password_action",
            self.where,
            user=self.name,
            secret=self.secret,
            old=old or self.secret,
            new=new,
        )
        tried = self.host.login(self.endpoint, self.name, new)
        kept = self.host.login(self.endpoint, self.name, self.secret)
        if tried.outcome == "in":
            if kept.outcome != "in":  # a right password ends the count of wrong ones
                self.host.login(self.endpoint, self.name, new)
            self.secret = new
        return Change(what, self.where, ran, tried, kept)


def forced(host: HostBench, where: str, at: Endpoint, name: str, old: Secret, new: Secret) -> bool:
    """Answer the change that a login with a terminal forces, by the declared dialogue; whether it went."""
    words = {"{old}": old, "{new}": new}
    with host.shell(name, old, endpoint=at, terminal=True) as shell:
        for step in host.declared("accounts.change_password_action")[where]["dialogue"]:
            if shell.read(step["expect"]).which is None:
                return False
            shell.type(words.get(step["send"], step["send"]))
        shell.read(r"[$#>] ?$")
    return True


def changes_at(host: HostBench, where: str) -> Endpoint:
    """Where a declared change of the password is made."""
    declared = (host.declared("accounts.change_password_action") or {}).get(where) or {}
    ways = password_endpoints(host)
    named = [one for one in ways if one.name == declared.get("endpoint")]
    for one in named or [one for one in ways if one.via == declared.get("via", "ssh")]:
        return one
    raise UnseenError(f"not declared: where accounts.change_password_action {where} is done (oam.endpoints)")


def took(change: Change) -> Control:
    """Control: a password that has to be accepted is in force, and the one before it is not."""
    saw = f"the new one: {change.new.outcome}, the old one: {change.old.outcome} ({said(change)})"
    return Control(f"{change.where}: {change.what} is accepted", change.took is True, saw, change.new.seconds)


def said(change: Change) -> str:
    """What the product said to a change, in one line."""
    return " ".join((change.ran.problem or change.ran.err or change.ran.out).split())[-200:]


CLASSES = ("BDGJKQVWXZ", "bdgjkqvwxz", "2345679", "!%+=?_@")


def password(length: int, *classes: int) -> str:
    """Random text of exactly these classes of characters, without vowels so that it is near no word."""
    signs = [choice(CLASSES[classes[place % len(classes)]]) for place in range(length)]
    SystemRandom().shuffle(signs)
    return "".join(signs)


def alike(text: str) -> str:
    """Other text of the same shape: each letter and digit is another one of its kind, the rest stays."""
    kinds = [
        CLASSES[0]
        if sign.isupper()
        else CLASSES[1]
        if sign.islower()
        else CLASSES[2]
        if sign.isdigit()
        else ""
        for sign in text
    ]
    return "".join(choice(kind.replace(sign, "") or sign) for kind, sign in zip(kinds, text, strict=True))
