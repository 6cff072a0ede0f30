"""What a product says made fit for records: bounded, printable, without the secrets that were in use."""

import re
from collections.abc import Iterable

KEEP = 256 << 10  # octets that are kept of one answer where nothing else is said
MASK = "******"

_KEYS = (
    # crypt(5): the scheme and its cost stay, salt and digest go
    (re.compile(r"(\$[0-9a-zA-Z-]{1,12}\$(?:rounds=\d{1,12}\$)?)[./0-9A-Za-z$=,+-]{8,400}"), r"\1" + MASK),
    (re.compile(r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)[^-]{0,20000}(-----END|\Z)"), rf"\1 {MASK} \2"),
)
_ARGUMENT = re.compile(
    r"(?i)(--?(?:password|passwd|passphrase|pass|pw|secret|token|psk|key|community)(?:[ =]))(?!-)\S{1,400}"
)
_SECRETS = (
    *_KEYS,
    (_ARGUMENT, r"\1" + MASK),
    (re.compile(r"(?im)^([ \t]*(?:ro|rw)community6?[ \t]+)\S+"), r"\1" + MASK),
    (re.compile(r"(?im)^([ \t]*com2sec6?[ \t]+\S{1,200}[ \t]+\S{1,200}[ \t]+)\S+"), r"\1" + MASK),
    (re.compile(r"(?im)^([ \t]*(?:createUser|usmUser)[ \t]+).*$"), r"\1" + MASK),
    (
        re.compile(
            r"(?i)\b((?:pass(?:word|wd|phrase)?|secret|token|psk|api[-_]?key)[ \t]{0,20}[=:][ \t]{0,20})"
            r"[^\s,;]{1,400}"
        ),
        r"\1" + MASK,
    ),
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:)[^\s:/@]{1,200}@"), rf"\1{MASK}@"),
)


def clean(said: bytes | str, keep: int = KEEP, secrets: Iterable[str] = ()) -> str:
    """Text of at most `keep` octets in which only line ends and tabs are left of what is not printable.

    Everything else that is not printable is spelled as an escape, so that no terminal obeys it.
    """
    octets = said[:keep] if isinstance(said, bytes) else said[:keep].encode("utf-8", "surrogateescape")[:keep]
    text = octets.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
    return hide(text, secrets)


def line(said: bytes | str, keep: int = 1000, secrets: Iterable[str] = ()) -> str:
    """The same on one line."""
    return " ".join(clean(said, keep, secrets).split())


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets; those below four characters would hide half of any text, and stay."""
    for secret in sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def without_keys(text: str) -> str:
    """The text without the password hashes and private keys in it, which nobody takes for anything else."""
    for pattern, instead in _KEYS:
        text = pattern.sub(instead, text)
    return text


def arguments(text: str) -> str:
    """A command line without what follows an option that takes a secret."""
    return _ARGUMENT.sub(rf"\1{MASK}", text)


def without_secrets(text: str) -> str:
    """The text without what looks like a secret: password hashes, private keys, communities, passwords."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text
