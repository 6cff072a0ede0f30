"""How a stored password is taken apart and recomputed: crypt(5), and the schemes of RFC 2307."""

import base64
import ctypes
import ctypes.util
import hashlib
import re
import threading
from dataclasses import dataclass

STRONG = re.compile(r"y|gy|7|scrypt|2[abxy]|5|6|pbkdf2-sha(256|512)|argon2(id|i|d)")
WEAK = re.compile(r"1|apr1|3|md5|sha1|descrypt|PLAIN|CLEARTEXT|SHA|SSHA|MD5|SMD5|NT|LM|LANMAN|SHA256|SHA512")
PIECE = 6  # consecutive characters of a password that a record must not have
_LOCK = threading.Lock()  # crypt(3) has one buffer


@dataclass(frozen=True)
class Parts:
    """The fields of a record; `scheme` is empty where the format is not known."""

    scheme: str
    cost: str = ""
    salt: str = ""
    digest: str = ""


def take_apart(record: str) -> Parts:
    """Split what is stored for an account."""
    text = record.removeprefix("{CRYPT}").removeprefix("{crypt}")
    if named := re.match(r"\{([A-Za-z0-9-]+)\}(.*)", text):
        scheme, rest = named[1].upper(), named[2]
        salted = scheme.startswith("SS") or scheme == "SMD5"
        return Parts(scheme, salt=rest[-8:] if salted else "", digest=rest)
    if found := re.fullmatch(r"\$(2[abxy])\$(\d\d)\$(.{22})(.{31})", text):
        return Parts(*found.groups())
    if text.startswith("$"):
        scheme, *fields = text[1:].split("$")
        cost = "$".join(fields[:-2])
        if scheme == "7" and fields:
            return Parts(scheme, fields[0][:11], fields[0][11:], fields[-1])
        return Parts(scheme, cost, fields[-2], fields[-1]) if len(fields) > 1 else Parts("")
    return (
        Parts("descrypt", "", text[:2], text[2:]) if re.fullmatch(r"[./0-9A-Za-z]{13}", text) else Parts("")
    )


def verifies(password: str, record: str) -> bool | None:
    """Whether a password belongs to a record; None where this cannot be recomputed."""
    parts, text = take_apart(record), record.removeprefix("{CRYPT}").removeprefix("{crypt}")
    if parts.scheme in ("PLAIN", "CLEARTEXT"):
        return parts.digest == password
    if parts.scheme == "SHA":
        return parts.digest == base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()  # noqa: S324 - what it is
    name = ctypes.util.find_library("crypt")
    if not parts.scheme or not name or text.startswith("{"):
        return None
    with _LOCK:
        crypt = ctypes.CDLL(name).crypt
        crypt.argtypes, crypt.restype = [ctypes.c_char_p, ctypes.c_char_p], ctypes.c_char_p
        made = crypt(password.encode(), text.encode())
    return None if made is None or made.startswith(b"*") else bool(made == text.encode())


def truncates(password: str, record: str) -> bool:
    """Whether a password that ends differently, or differs from the ninth character on, belongs to it too."""
    other = {"a": "b"}
    wrong = [password[:-1] + other.get(password[-1], "a")]
    wrong.append(password[:8] + "".join(other.get(sign, "a") for sign in password[8:]))
    return any(verifies(one, record) for one in wrong)


def tells(password: str, record: str) -> bool:
    """Whether a record has the password, or a piece of it, as it is, in base64 or in hexadecimal."""
    octets = password.encode()
    forms = (octets.hex(), octets.hex().upper(), base64.b64encode(octets).decode().rstrip("="))
    pieces = (password[place : place + PIECE] for place in range(len(password) - PIECE + 1))
    return any(form in record for form in (*forms, *pieces))


def fingerprint(text: str) -> str:
    """What tells two texts apart without telling either."""
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""
