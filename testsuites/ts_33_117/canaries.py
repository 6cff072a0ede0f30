"""The search for planted secrets in what a product shows, in every form that gives them away."""

import base64
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from drivers.interfaces.host import Secret

PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
HASH = re.compile(r"\$(?:y|gy|7|2[abxy]|5|6|1|apr1)\$[./0-9A-Za-z$=,]{20,}")
TRACE = re.compile(
    r"Traceback \(most recent call last\)|\.py\", line \d+|(?m:^\s+at [\w.$<>]+\([^)]*:\d+\))"
    r"|goroutine \d+ \[|\bpanic: |Exception in thread|(?m:^#\d+ +0x[0-9a-f]{6,} in )|System\.\w+Exception"
)
TYPE_7 = re.compile(r"(?<![0-9A-Za-z])(\d\d)((?:[0-9A-Fa-f]{2}){4,64})(?![0-9A-Za-z])")
_KEY = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87"


def forms(text: str) -> dict[str, str]:
    """How a secret may be written: the name of each form by its text."""
    octets = text.encode()
    percent = "".join(f"%{octet:02X}" for octet in octets)
    found = {quote(text, safe=""): "URL-encoded", percent: "URL-encoded", text: "in clear"}
    found |= {text[::-1]: "reversed", octets.hex(): "in hexadecimal", octets.hex().upper(): "in hexadecimal"}
    for before in range(3):  # wherever it begins within the words of base64, without the signs at its edges
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            code = alphabet(bytes(before) + octets).decode().rstrip("=")
            found[code[(before * 8 + 5) // 6 : (before + len(octets)) * 8 // 6]] = "in base64"
    return found


def hits(said: str, canaries: Mapping[str, Secret]) -> tuple[str, ...]:
    """What a text gives away: secrets by their names, private keys, stack traces."""
    found = []
    decoded = [_type_7(int(one[1]), one[2]) for one in TYPE_7.finditer(said)]
    for name, secret in canaries.items():
        found += [f"{name} {how}" for form, how in forms(secret.text).items() if form in said]
        found += [f"{name} in type 7" for one in decoded if secret.text in one]
    found += ["a private key"] * bool(PEM.search(said)) + ["a stack trace"] * bool(TRACE.search(said))
    return tuple(dict.fromkeys(found))


def there(said: str, markers: Iterable[str]) -> tuple[str, ...]:
    """The public markers that the same text shows."""
    return tuple(marker for marker in markers if marker in said)


def _type_7(seed: int, digits: str) -> str:
    octets = bytes.fromhex(digits)
    return bytes(octet ^ _KEY[(seed + n) % len(_KEY)] for n, octet in enumerate(octets)).decode(
        errors="replace"
    )
