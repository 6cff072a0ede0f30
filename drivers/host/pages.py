"""Sessions of a user on a product's web management."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from drivers.host.actions import Words, fill
from drivers.interfaces.host import Secret
from drivers.interfaces.replies import Login, Ran, WebReply
from drivers.web import Agent

Noted = Callable[[str, Any], str]
OUTCOMES = {"answered": "refused", "refused": "closed"}


class WebSession:
    """A user agent; `login` says what came of the login, where there was one."""

    def __init__(self, agent: Agent, noted: Noted) -> None:
        self.login: Login | None = None
        self._agent, self._noted = agent, noted
        self._headers: dict[str, str] = {}

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str | Secret] | None = None,
        body: bytes = b"",
        within: float = 0,
    ) -> WebReply:
        plain = {name: one.text if isinstance(one, Secret) else one for name, one in (fields or {}).items()}
        reply = self._agent.request(
            method,
            path,
            headers={**self._headers, **(headers or {})},
            fields=plain if fields is not None else None,
            body=body,
            within=within,
        )
        return replace(reply, ref=self._noted(f"{method} {path}", reply))

    def copy(self) -> "WebSession":
        other = WebSession(Agent(self._agent.site), self._noted)
        other._agent.cookies |= self._agent.cookies
        other._headers |= self._headers
        return other

    def enter(self, how: Mapping[str, Any], url: str, user: str, secret: str) -> Login:
        """Log in as it is declared, and see that a page comes that only a session gets."""
        self._agent.keep_secret(secret)
        given: WebReply | None = None
        if how.get("basic"):
            self._agent.authorise(user, secret)
        elif how.get("bearer"):
            self._headers["Authorization"] = f"Bearer {secret}"
        else:
            words: dict[str, str | int | Secret] = dict.fromkeys(("challenge", "answer"), "")
            words |= {"user": user, "secret": Secret(secret)}
            if how.get("challenge"):
                found = re.search(how["challenge"], self.request("GET", url or "/").body[:100_000])
                words["challenge"] = found[1] if found else ""
            method, _, path = str(how.get("request", "POST /login")).partition(" ")
            fields = {name: fill(text, words, quoted=False) for name, text in how.get("fields", {}).items()}
            given = self.request(method, path, fields=fields)
        page = self.request("GET", how.get("page") or url or "/")
        last = given if given is not None and given.outcome != "answered" else page
        inside = page.outcome == "answered" and page.status == 200 and how.get("marker", "") in page.body
        change = str(how.get("change", "")).partition(" ")[2]
        places = [dict(reply.headers).get("location", "") for reply in (given, page) if reply is not None]
        method_name = "basic" if how.get("basic") else "bearer" if how.get("bearer") else "form"
        self.login = Login(
            "in" if inside else OUTCOMES.get(last.outcome, last.outcome),  # type: ignore[arg-type]
            f"{last.status or last.outcome} {last.said}".strip(),
            sum(reply.seconds for reply in (given, page) if reply is not None),
            method_name,
            wants_new_password=not inside and bool(change) and any(change in place for place in places),
            ref=page.ref,
            user=user,
            identity=user if inside else "",
        )
        return self.login

    def act(self, action: Mapping[str, Any], words: Words) -> Ran:
        """Run a declared action: its request, with the status that it expects (else one below 400)."""
        method, _, path = fill(action["request"], words, quoted=False).partition(" ")
        headers, body, fields = {}, b"", None
        if action.get("fields") is not None:
            fields = {name: fill(str(text), words, quoted=False) for name, text in action["fields"].items()}
        elif action.get("body") is not None:
            body = json.dumps(_filled(action["body"], words)).encode()
            headers["Content-Type"] = "application/json"
        reply = self.request(method, path, headers=headers, fields=fields, body=body)
        expected = action.get("expect")
        good = reply.status == expected if isinstance(expected, int) else 0 < reply.status < 400
        status = 0 if good and reply.outcome == "answered" else reply.status or None
        problem = "" if reply.outcome == "answered" else f"{reply.outcome}: {reply.said}"
        said = f"{reply.status} {reply.said}".strip()
        return Ran(status, reply.body, said, reply.cut, reply.seconds, problem, reply.ref, f"{method} {path}")


def _filled(value: Any, words: Words) -> Any:
    if isinstance(value, str):
        return fill(value, words, quoted=False)
    if isinstance(value, Mapping):
        return {key: _filled(item, words) for key, item in value.items()}
    return [_filled(item, words) for item in value] if isinstance(value, list) else value
