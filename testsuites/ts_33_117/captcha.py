"""How a test solves a CAPTCHA, as web.captcha_test_mode declares it, and logs in with a given answer.

Its `key` is the answer, or with `hmac` and `digits` the first hexadecimal digits of that HMAC over the
challenge.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.errors import UnseenError
from drivers.interfaces.host import Endpoint, HostBench, Secret, User
from drivers.interfaces.replies import Login, WebReply
from testsuites.ts_33_117.logins import shown

FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Puzzle:
    """A challenge and its right answer."""

    challenge: str
    answer: str


class Captcha:
    """The page with a CAPTCHA of one service, for one user."""

    def __init__(self, host: HostBench, endpoint: Endpoint, user: User) -> None:
        mode = host.declared("web.captcha_test_mode") or {}
        self.host, self.endpoint, self.user = host, endpoint, user
        self.how: Mapping[str, Any] = endpoint.more.get("login") or {}
        if "key" not in mode or ("hmac" in mode) != ("digits" in mode):
            raise UnseenError("not declared: web.captcha_test_mode with key, and hmac with digits")
        if "challenge" not in self.how or "fields" not in self.how:
            raise UnseenError(f"not declared: challenge and fields of the login of {endpoint.name}")
        self._key = host.secret(reference=mode["key"]).text
        self._hash, self._digits = str(mode.get("hmac", "")), int(mode.get("digits", 0))

    def enter(
        self,
        secret: Secret | None = None,
        *,
        puzzle: Puzzle | None = None,
        answer: str | None = None,
        missing: bool = False,
    ) -> tuple[Login, Puzzle]:
        """Log in with the right answer, another, an earlier challenge and its answer, or none."""
        with self.host.web(self.endpoint) as agent:
            page = agent.request("GET", str(self.endpoint.more.get("url") or "/"))
            found = re.search(str(self.how["challenge"]), page.body[:100_000])
            own = Puzzle(found[1], self._solved(found[1])) if found else Puzzle("", "")
            used = puzzle or own
            words: dict[str, str | Secret] = {
                "user": self.user.name,
                "secret": secret or self.host.secret(self.user),
                "challenge": used.challenge,
                "answer": used.answer if answer is None else answer,
            }
            method, _, path = str(self.how.get("request", "POST /login")).partition(" ")
            fields = {name: _filled(str(text), words) for name, text in self.how["fields"].items()}
            if missing:
                fields = {
                    name: value
                    for name, value in fields.items()
                    if str(self.how["fields"][name]) not in ("{answer}", "{challenge}")
                }
            given = agent.request(method, path, fields=fields)
            inside = agent.request("GET", str(self.how.get("page") or "/"))
            return self._login(given, inside, bool(found)), used

    def _solved(self, challenge: str) -> str:
        if not self._hash:
            return self._key
        return hmac.new(self._key.encode(), challenge.encode(), self._hash).hexdigest()[: self._digits]

    def _login(self, given: WebReply, inside: WebReply, asked: bool) -> Login:
        """As whom the page lets in: refused where it answered, and what only a session gets did not come."""
        outcome: Any = "in" if shown(inside, str(self.how.get("marker", ""))) else "refused"
        bad = next((one for one in (given, inside) if one.outcome != "answered"), None)
        if bad is not None and outcome != "in":
            outcome = bad.outcome
        elif outcome == "refused" and (not asked or given.status >= 500):
            outcome = "closed"  # it gave no challenge, or broke down: no answer to this attempt
        return Login(
            outcome,
            f"{given.status} {given.said}".strip() if asked else "the page has no challenge",
            given.seconds + inside.seconds,
            "form",
            ref=given.ref,
            endpoint=self.endpoint.name,
            user=self.user.name,
            identity=self.user.name if outcome == "in" else "",
        )


def _filled(text: str, words: Mapping[str, str | Secret]) -> str | Secret:
    found = FIELD.fullmatch(text)
    if found and found[1] in words:
        return words[found[1]]
    return text
