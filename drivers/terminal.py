"""A conversation on a terminal, whatever carries it: send, wait for a text, see what a typed secret shows."""

import re
import time
from typing import Protocol

from drivers.interfaces.replies import Login, Said, Typed
from drivers.text import clean, line

KEPT = 256 << 10  # octets of a transcript
WINDOW = 4 << 10  # octets in which a pattern is looked for: the text is the product's

LOGIN = re.compile(rb"(?i)(?:login|user ?name|user)\s*: ?$")
PASSWORD = re.compile(rb"(?i)pass(?:word|phrase|code)[^:\r\n]{0,80}: ?$")
NEW_PASSWORD = re.compile(rb"(?i)(?:new|retype|change your) [^:\r\n]{0,40}password[^\r\n]{0,80}$")
PROMPT = re.compile(rb"[$#>%] ?$")
REFUSED = re.compile(rb"(?i)(?:incorrect|denied|invalid|failed|failure|locked|not allowed|refused)")


class Stream(Protocol):
    """Octets to and from a terminal."""

    def read(self, within: float) -> bytes | None:
        """What has come: b"" after the end, None where nothing came within so many seconds."""
        ...

    def write(self, octets: bytes) -> bool:
        """Send; False where nobody takes it."""
        ...

    def echo(self) -> bool | None:
        """Whether the terminal shows what is typed; None where that cannot be seen."""
        ...

    def close(self) -> None:
        """Give the terminal up."""
        ...


class Terminal:
    """One terminal of a product; what comes is kept up to a bound, and never believed."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._text = bytearray()  # since the last pattern that came
        self._secrets: set[str] = set()
        self.ended = False
        self.cut = False

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self.ended = True

    def send(self, text: str, *, secret: bool = False, enter: str = "\r") -> bool:
        """Type a line; a secret never shows in what is told later. False where the terminal is gone."""
        if secret:
            self._secrets.add(text)
        return self._stream.write((text + enter).encode())

    def expect(self, *patterns: re.Pattern[bytes], within: float) -> Said:
        """Wait for the first of these patterns, and take all text up to its end."""
        began = time.monotonic()
        deadline = began + within
        seen = 0
        while True:
            start = max(seen - WINDOW, 0)
            tail = bytes(self._text[start:])
            for number, pattern in enumerate(patterns):
                if found := pattern.search(tail):
                    return self._said(number, began, start + found.end())
            seen = len(self._text)
            if self.ended or time.monotonic() >= deadline:
                return self._said(None, began)
            self._take(deadline)
            seen = min(seen, len(self._text))

    def watch(self, within: float) -> Said:
        """Everything that comes in this time, or until the product closes the terminal."""
        return self.expect(within=within)

    def type_secret(self, secret: str, *, pause: float = 0.2) -> Typed:
        """Type a secret one character at a time and see what comes back before Enter is sent."""
        self._secrets.add(secret)
        self._text.clear()
        echo = self._stream.echo()
        for character in secret:
            if not self._stream.write(character.encode()):
                break
            self._take(time.monotonic() + pause)
        self._take(time.monotonic() + pause)
        back = bytes(self._text).decode("utf-8", "replace")
        self._text.clear()
        self._stream.write(b"\r")
        shown, rest = 0, []
        for character in back:
            if shown < len(secret) and character == secret[shown]:
                shown += 1
            else:
                rest.append(character)
        other = "".join("?" if c in secret else c for c in rest)  # echoed out of order it would still tell
        return Typed(len(secret), shown, clean(other, 1000), echo)

    def login(
        self, user: str, password: str, *, within: float = 20.0, prompt: re.Pattern[bytes] = PROMPT
    ) -> Login:
        """Log in as at a console: user name, password, and whatever the product says then."""
        said = self.expect(LOGIN, PASSWORD, within=within)
        if said.which is None:
            return self._login(said)
        if said.which == 0:
            self.send(user)
            said = self.expect(PASSWORD, REFUSED, prompt, within=within)
            if said.which == 2:
                return Login("in", line(said.text), said.seconds, method="none")
            if said.which != 0:
                return self._login(said)
        self.send(password, secret=True)
        said = self.expect(NEW_PASSWORD, REFUSED, LOGIN, PASSWORD, prompt, within=within)
        if said.which == 4:
            return Login("in", line(said.text), said.seconds, method="console")
        if said.which == 0:
            text = line(said.text)
            return Login("refused", text, said.seconds, method="console", wants_new_password=True)
        return self._login(said)

    def _login(self, said: Said) -> Login:
        outcome = "refused" if said.which is not None else "closed" if said.ended else "silence"
        return Login(outcome, line(said.text), said.seconds, method="console")  # type: ignore[arg-type]

    def _take(self, deadline: float) -> None:
        octets = self._stream.read(max(deadline - time.monotonic(), 0))
        if octets == b"":
            self.ended = True
        elif octets:
            self._text += octets
            if len(self._text) > KEPT:
                self.cut = True
                del self._text[:-KEPT]

    def _said(self, which: int | None, began: float, end: int | None = None) -> Said:
        """What came up to there; what follows is for whoever waits next."""
        text = clean(bytes(self._text[:end]), KEPT, self._secrets)
        del self._text[:end]
        return Said(which, text, self.ended, time.monotonic() - began)
