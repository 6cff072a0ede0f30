"""Values that must not be seen, in every spelling they have in evidence, and what stands in their place."""

import base64
import hmac
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assay.errors import UsageError

ENOUGH = 4  # different octets, below which a pattern is found by chance in a capture
BASE64 = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{12,}={0,2}")
DIGITS, LOWER, UPPER = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def bcd(digits: str) -> bytes:
    """Digits as NAS writes them: two an octet, the first in the low half (TS 24.501 clause 9.11.3.4)."""
    filled = digits + "f" * (len(digits) % 2)
    return bytes.fromhex("".join(filled[n + 1] + filled[n] for n in range(0, len(filled), 2)))


def strings(value: Any) -> Iterator[str]:
    """Every text in JSON values."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


class Pseudonyms:
    """The same value has the same pseudonym everywhere, of the same form and length, and no two are alike.

    Args:
        secret: whoever has it can tell whose a pseudonym is; it is thrown away.
        texts: values that go wherever they stand.
        addresses: IP addresses, which go as text and as octets.
        plmn: MCC and MNC; IMSIs keep them.
        first: the first MSIN of a range of `count`.
    """

    def __init__(
        self,
        secret: bytes,
        texts: Iterable[str] = (),
        addresses: Iterable[str] = (),
        plmn: str = "",
        first: str = "",
        count: int = 0,
    ) -> None:
        self._secret = secret
        self._known: dict[str, str] = {}
        self._plmn, self._first, self._count = plmn, first, count
        self._used: set[str] = set()
        for text in texts:
            if len(text) < 4:
                raise UsageError(f"{text!r} is too short to be taken out wherever it stands: four characters")
            self._known[text] = self.of(text)
        for text in addresses:
            self._known[text] = self._address(text)
        longest = sorted(self._known, key=len, reverse=True)
        self._texts = re.compile("|".join(map(re.escape, longest)) or r"(?!)")
        self._octets = {
            packed: ipaddress.ip_address(self._known[text]).packed
            for text in addresses
            for packed in (ipaddress.ip_address(text).packed,)
        } | {text.encode(): other.encode() for text, other in self._known.items()}
        msin = rf"\d{{{len(first)}}}" if first else r"(?!)"
        self._digits = re.compile(rf"(?<!\d)({re.escape(plmn)})?({msin})(?!\d)")
        last = str(int(first or 0) + max(count - 1, 0)).zfill(len(first))
        same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
        self._common = bcd(first[: same - same % 2])
        self._rare = bool(first) and len(set(bcd(first))) >= ENOUGH

    @property
    def found_in_octets(self) -> str:
        """Why octets cannot be searched for subscribers; empty when they can."""
        if self._rare or not self._first:
            return ""
        return f"the octets of MSIN {self._first} are too much alike to be told from others"

    # --- one value ----------------------------------------------------------------------------------------

    def of(self, text: str) -> str:
        """The pseudonym of a text: letters for letters, digits for digits, and the rest as it is."""
        if text in self._known or text in self._used:  # a pseudonym stands for itself
            return self._known.get(text, text)
        for attempt in range(1000):
            stream = hmac.digest(self._secret, f"{attempt}:{text}".encode(errors="surrogatepass"), "sha512")
            while len(stream) < len(text):
                stream += hmac.digest(self._secret, stream, "sha512")
            found = "".join(_alike(char, octet) for char, octet in zip(text, stream, strict=False))
            if found != text and found not in self._used and not self._in_range(found):
                break
        else:
            raise UsageError(f"{text!r} has no letter and no digit to take out")
        self._used.add(found)
        self._known[text] = found
        return found

    def _in_range(self, msin: str) -> bool:
        fits = len(msin) == len(self._first) and msin.isascii() and msin.isdigit()
        return fits and 0 <= int(msin) - int(self._first) < self._count

    def _address(self, text: str) -> str:
        """Another address of the same length in text; its octets are as different as its text."""
        for attempt in range(1000):
            stream = hmac.digest(self._secret, f"{attempt}:{text}".encode(), "sha512")
            if ":" in text:
                groups = [
                    "".join(f"{stream[(7 * n + m) % 64]:x}"[-1].replace("0", "a") for m in range(len(group)))
                    for n, group in enumerate(text.split(":"))
                ]
                found = ":".join(groups)
            else:
                spans = {1: (1, 9), 2: (10, 90), 3: (100, 124)}  # the least, and how many there are
                parts = [
                    (spans[len(part)], octet) for part, octet in zip(text.split("."), stream, strict=False)
                ]
                found = ".".join(str(least + octet % many) for (least, many), octet in parts)
            if found != text and found not in self._used:
                self._used.add(found)
                return found
        raise UsageError(f"{text}: no other address has its length")

    # --- in text, in octets -------------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """A text with every value in it replaced, and octets in hexadecimal within it."""
        text = self._texts.sub(lambda m: self._known[m[0]], text)
        text = self._digits.sub(self._subscriber, text)
        if len(text) >= 8 and len(text) % 2 == 0 and re.fullmatch("[0-9a-f]+|[0-9A-F]+", text):
            octets = bytes.fromhex(text)
            if (other := self.octets(octets)) != octets:
                return other.hex().upper() if text.isupper() else other.hex()
        found = text.encode(errors="surrogatepass")
        return BASE64.sub(self._in_base64, found).decode(errors="surrogatepass")

    def _subscriber(self, match: "re.Match[str]") -> str:
        plmn, msin = match[1] or "", match[2]
        return plmn + self.of(msin) if plmn or self._in_range(msin) else match[0]

    def _in_base64(self, match: "re.Match[bytes]") -> bytes:
        """What base64 hides, an EAP identity in JSON for one."""
        if len(match[0]) % 4:
            return match[0]
        inside = base64.b64decode(match[0])
        other = self._plain(inside)
        return base64.b64encode(other) if other != inside else match[0]

    def octets(self, data: bytes) -> bytes:
        """Octets with every value in them replaced, as text, in base64 and in BCD; their number stays."""
        return BASE64.sub(self._in_base64, self._plain(data))

    def _plain(self, data: bytes) -> bytes:
        for old, new in self._octets.items():
            data = data.replace(old, new)
        if not self._first:
            return data
        found = re.compile(self._digits.pattern.encode())
        data = found.sub(self._subscriber_octets, data)
        return self._in_bcd(data)

    def _subscriber_octets(self, match: "re.Match[bytes]") -> bytes:
        plmn, msin = (match[1] or b"").decode(), match[2].decode()
        return (plmn + self.of(msin)).encode() if plmn or self._in_range(msin) else match[0]

    def _in_bcd(self, data: bytes) -> bytes:
        size, at, changed = len(bcd(self._first)), 0, bytearray(data)
        while (at := data.find(self._common, at)) >= 0 and at + size <= len(data):
            digits = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in data[at : at + size]).rstrip("f")
            if self._in_range(digits):
                changed[at : at + size] = bcd(self.of(digits))
                at += size
            else:
                at += 1
        return bytes(changed)

    def left(self, data: bytes, *, octets: bool) -> str:
        """A value that is still in a file, as itself, in hexadecimal or base64, and with `octets` in BCD."""
        for text in [text for text in self._known if len(text) >= 4]:
            value = text.encode()
            spellings = [value.hex().encode(), value.hex().upper().encode(), *_base64(value)]
            if not self._in_range(text):  # such digits count only where they stand alone
                spellings.append(value)
            if any(spelling in data for spelling in spellings):
                return text
        if self._first:
            for match in re.finditer(self._digits.pattern.encode(), data):
                if self._subscriber_octets(match) != match[0]:
                    return match[0].decode()
            if octets and self._in_bcd(data) != data:
                return "an MSIN in BCD"
        return ""


def _base64(value: bytes) -> Iterator[bytes]:
    """The part of a value's base64 that does not depend on what stands around it, at each alignment."""
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + value).rstrip(b"=")
        skip = (0, 2, 3)[shift]
        inner = whole[skip : -1 if (shift + len(value)) % 3 else None]
        if len(inner) >= 8:  # less is found by chance
            yield inner


def _alike(char: str, octet: int) -> str:
    """Another letter for a letter, another digit for a digit."""
    alphabet = next((one for one in (DIGITS, LOWER, UPPER) if char in one), char)
    return alphabet[octet % len(alphabet)]
