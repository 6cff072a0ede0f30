"""Secrets in use taken out of every text and value before it is kept."""

import base64
import html
import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from drivers.text import without_keys

SHORTEST = 4


class Mask:
    """Takes out of everything that is kept the secrets in use, crypt(5) hashes and private keys.

    Secrets are looked for as they are, and in hexadecimal, base64 and URL encoding. One shorter than four
    characters cannot be told from other text.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, name: str, text: str) -> None:
        """Mask this text from now on."""
        if len(text) < SHORTEST:
            return
        octets = text.encode()
        forms = [text, octets.hex(), base64.b64encode(octets).decode().rstrip("="), quote(text, safe="")]
        forms += [repr(text)[1:-1], html.escape(text), shlex.quote(text)]
        for form in forms:
            self._texts.setdefault(form, name)
        longest = sorted(self._texts, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest)))

    def text(self, text: str) -> str:
        """Text with every secret replaced by what it is the secret of."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: f"[secret {self._texts[found[0]]}]", text)
        return without_keys(text)

    def value(self, value: Any) -> Any:
        """The same for all texts of a JSON value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def octets(self, octets: bytes) -> bytes:
        """Octets of a capture with the secrets overwritten by zeros of the same length."""
        for form in sorted(self._texts, key=len, reverse=True):
            octets = octets.replace(form.encode(), b"0" * len(form.encode()))
        return octets
