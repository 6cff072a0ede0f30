"""Declared actions: what a vendor lets the harness change, and how it is put back."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay.errors import UnrestoredError, UnseenError
from drivers.interfaces.host import Secret
from drivers.interfaces.replies import Ran

PLACEHOLDER = re.compile(r"\{(\w+)\}")
KEY = re.compile(r"[a-z_]+\.[a-z_]+_action(/[\w-]+)?")

Words = Mapping[str, "str | int | Secret"]


def fill(text: str, words: Words, *, quoted: bool) -> str:
    """Text with its {placeholders} filled, for a shell where `quoted`; UnseenError for one without a word."""

    def word(found: re.Match[str]) -> str:
        if found[1] not in words:
            raise UnseenError(f"a declared action wants {{{found[1]}}}, which the test case has not: {text}")
        value = words[found[1]]
        plain = value.text if isinstance(value, Secret) else str(value)
        return shlex.quote(plain) if quoted else plain

    return PLACEHOLDER.sub(word, text)


@dataclass(frozen=True)
class Undo:
    """What is owed to the product."""

    key: str  # of the action that is undone
    which: str
    spec: str  # another action's key, or a command
    words: Words
    action: Mapping[str, Any]  # what else is declared of how a command is run
    worked: bool


class Actions:
    """Runs declared actions and remembers what has to be put back."""

    def __init__(
        self, find: Callable[[str], Any], run: Callable[[Mapping[str, Any], str, Words], Ran]
    ) -> None:
        self._find, self._run = find, run
        self._owed: list[Undo] = []

    def action(self, key: str, which: str) -> Mapping[str, Any]:
        """A declared action; UnseenError where there is none."""
        found = self._find(key)
        if not isinstance(found, Mapping):
            raise UnseenError(f"not declared: {key}")
        one = found.get(which, found.get("")) if "via" not in found else found
        if not isinstance(one, Mapping):
            raise UnseenError(f"not declared: {key} for {which!r} (there are {', '.join(found) or 'none'})")
        return one

    def act(self, key: str, which: str, words: Words) -> Ran:
        """Run an action, and owe its undo."""
        action = self.action(key, which)
        settled = f"{key}/{which}"
        ran = self.do(action, key, which, words)
        if ran.ok:
            self._owed = [u for u in self._owed if not (u.spec in (key, settled) and _same(u.words, words))]
        return ran

    def do(self, action: Mapping[str, Any], key: str, which: str, words: Words) -> Ran:
        """Run an action wherever it is declared, and owe its undo."""
        ran = judged(action, self._run(action, key, words))
        if undo := action.get("undo"):
            how = {name: action[name] for name in ("via", "user", "endpoint") if action.get(name)}
            self._owed.append(Undo(key, which, undo, dict(words), how, ran.ok))
        return ran

    def owe(self, what: str, command: str) -> None:
        """Owe a command that was not declared: what the bench itself put there is removed."""
        self._owed.append(Undo(what, "", command, {}, {}, True))

    def put_back(self) -> None:
        """Undo everything, the last first; UnrestoredError names what could not be put back."""
        owed, self._owed = self._owed[::-1], []
        failed = []
        for undo in owed:
            if KEY.fullmatch(undo.spec):
                key, _, which = undo.spec.partition("/")
                action = self.action(key, which or undo.which)
            else:
                action = {**undo.action, "run": undo.spec}
            ran = judged(action, self._run(action, f"undo of {undo.key}", _by_declared(action, undo.words)))
            if not ran.ok and undo.worked:
                failed.append(f"{undo.key}: {ran.command}: {ran.problem or ran.err or ran.out or ran.status}")
        if failed:
            raise UnrestoredError(f"the product is not as it was: {'; '.join(failed)[:1000]}")


def judged(action: Mapping[str, Any], ran: Ran) -> Ran:
    """What was run, with status 0 where the text that the action expects came, and a problem where not."""
    expected, refused = action.get("expect"), action.get("refused")
    said = f"{ran.out}\n{ran.err}"
    if refused and refused in said:
        return replace(ran, status=ran.status or 1, problem=f"the product said {refused!r}")
    if isinstance(expected, str):
        if expected in said:
            return replace(ran, status=0)
        return replace(ran, status=ran.status or 1, problem=f"{expected!r} did not come")
    return ran


def _by_declared(action: Mapping[str, Any], words: Words) -> Words:
    """Words without who ran it, where the action does not ask for that: whom a test had may have lost it."""
    text = " ".join(map(str, action.values()))
    if "{user}" in text:
        return words
    kept = {"secret"} if "{secret}" in text else set()
    return {name: word for name, word in words.items() if name not in {"user", "secret"} - kept}


def _same(ours: Words, theirs: Words) -> bool:
    return all(ours.get(name) == value for name, value in theirs.items())
