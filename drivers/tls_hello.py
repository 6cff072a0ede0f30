"""One ClientHello of any version, and what a server chooses: what our own TLS library no longer speaks."""

import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import x25519

from drivers import reach
from drivers.interfaces.replies import TlsAnswer
from drivers.interfaces.tls_suites import SUITES, numbers
from drivers.text import line

VERSIONS = {"SSL 3.0": 0x0300, "1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304}
GROUPS = {
    "secp224r1": 21,
    "secp256r1": 23,
    "secp384r1": 24,
    "secp521r1": 25,
    "x25519": 29,
    "x448": 30,
    "ffdhe2048": 256,
}
USUAL = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0807)
WEAK = (0x0203, 0x0201, 0x0202, 0x0101, 0x0103)  # SHA-1 and MD5 with ECDSA, RSA, DSA
HASHES = {1: "md5", 2: "sha1", 3: "sha224", 4: "sha256", 5: "sha384", 6: "sha512", 8: "intrinsic"}
ALERTS = {
    40: "handshake_failure",
    47: "illegal_parameter",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
}
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
MOST = 128 << 10  # octets that are read
RECORD = 16_384 + 2_048


class NonsenseError(ValueError):
    """What came is no TLS."""


def hello(version: str, suites: Sequence[int], groups: Sequence[int], signatures: Sequence[int]) -> bytes:
    """A record with a ClientHello (RFC 6101, 2246, 4346, 5246, 8446)."""
    number = VERSIONS[version]
    legacy = min(number, 0x0303)
    body = (
        struct.pack(">H", legacy) + os.urandom(32) + (b"\x20" + os.urandom(32) if number == 0x0304 else b"\0")
    )
    body += _vector(b"".join(struct.pack(">H", one) for one in suites), 2) + b"\x01\x00"
    if number > 0x0300:
        extensions = _extension(10, _vector(b"".join(struct.pack(">H", one) for one in groups), 2))
        extensions += _extension(11, b"\x01\x00")
        if number >= 0x0303:
            extensions += _extension(13, _vector(b"".join(struct.pack(">H", one) for one in signatures), 2))
        if number == 0x0304:
            extensions += _extension(43, b"\x02\x03\x04")
            public = x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()
            share = struct.pack(">H", 29) + _vector(public, 2) if 29 in groups else b""
            extensions += _extension(51, _vector(share, 2))
        body += _vector(extensions, 2)
    handshake = b"\x01" + _vector(body, 3)
    return b"\x16" + struct.pack(">H", min(legacy, 0x0301)) + _vector(handshake, 2)


def _vector(octets: bytes, size: int) -> bytes:
    return len(octets).to_bytes(size, "big") + octets


def _extension(number: int, octets: bytes) -> bytes:
    return struct.pack(">H", number) + _vector(octets, 2)


def offer(
    address: str,
    port: int,
    version: str,
    suites: Sequence[str],
    *,
    groups: Sequence[str] = tuple(GROUPS),
    weak_signatures: bool = False,
    source: str = "",
    within: float = 5.0,
) -> TlsAnswer:
    """Offer a server one version and these suites alone, and tell what it chooses; nothing else is sent.

    Raises:
        UndeclaredError: the address is not declared.
        ValueError: a version, suite or group that is not in the tables.
    """
    reach.check((address, port))
    octets = hello(
        version, numbers(suites), [GROUPS[one] for one in groups], WEAK if weak_signatures else USUAL
    )
    began, chosen = time.monotonic(), _Chosen()
    try:
        own = (source, 0) if source else None
        with socket.create_connection((address, port), within, own) as sock:
            sock.sendall(octets)
            for kind, message in _messages(sock, began + within):
                if chosen.take(kind, message):
                    break
    except NonsenseError as error:
        chosen.problem = ("nonsense", line(str(error), 200))
    except TimeoutError:
        chosen.problem = ("silence", f"nothing more within {within:g} s")
    except OSError as error:
        chosen.problem = ("closed", line(error.strerror or str(error), 200))
    return chosen.answer(time.monotonic() - began)


def _messages(sock: socket.socket, deadline: float) -> Iterator[tuple[int, bytes]]:
    """Alerts (kind -1) and handshake messages as they come; ends with the connection, bounded."""
    held, total = b"", 0
    while total < MOST:
        head = _exactly(sock, 5, deadline)
        if not head:
            return
        kind, _, size = struct.unpack(">BHH", head)
        if kind not in (20, 21, 22, 23) or head[1] != 3 or size > RECORD:
            raise NonsenseError(f"no record of TLS: {head.hex()}")
        body = _exactly(sock, size, deadline)
        total += size + 5
        if kind == 21:
            yield -1, body
            return
        if kind != 22 or not body:
            return  # what follows is encrypted, or is cut
        held += body
        while len(held) >= 4 and len(held) >= 4 + int.from_bytes(held[1:4], "big"):
            end = 4 + int.from_bytes(held[1:4], "big")
            yield held[0], held[4:end]
            held = held[end:]
    raise NonsenseError("more came than a handshake has")


def _exactly(sock: socket.socket, size: int, deadline: float) -> bytes:
    """So many octets; fewer, or none, where the connection ends before."""
    held = b""
    while len(held) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        octets = sock.recv(size - len(held))
        if not octets:
            return b""
        held += octets
    return held


@dataclass
class _Chosen:
    """What a server has chosen so far."""

    version: int = 0
    suite: int = -1
    retry: bool = False
    signature: str = ""
    dh_bits: int = 0
    problem: tuple[str, str] = ("closed", "the connection was closed")

    def take(self, kind: int, message: bytes) -> bool:
        """Look at a message; whether no other is of interest."""
        try:
            if kind == -1:
                number = message[1]
                self.problem = ("alert", f"alert {number} {ALERTS.get(number, '')}".strip())
                return True
            if kind == 2:
                self._server_hello(message)
                return self.version == 0x0304
            if kind == 12:
                self._server_key_exchange(message)
            return kind in (12, 14)
        except (IndexError, struct.error) as error:
            raise NonsenseError(f"a message that is cut: {error}") from error

    def _server_hello(self, message: bytes) -> None:
        (self.version,) = struct.unpack(">H", message[:2])
        self.retry = message[2:34] == RETRY
        place = 35 + message[34]
        (self.suite,) = struct.unpack(">H", message[place : place + 2])
        place += 5
        while place + 4 <= len(message):
            number, size = struct.unpack(">HH", message[place : place + 4])
            if number == 43:
                (self.version,) = struct.unpack(">H", message[place + 4 : place + 6])
            place += 4 + size

    def _server_key_exchange(self, message: bytes) -> None:
        """The group of DHE, or the curve of ECDHE, and the hash of the signature (TLS 1.2)."""
        name = SUITES.get(self.suite, "")
        if name.startswith("DHE"):
            place = 0
            for number in range(3):
                (size,) = struct.unpack(">H", message[place : place + 2])
                if number == 0:
                    self.dh_bits = int.from_bytes(message[2 : 2 + size], "big").bit_length()
                place += 2 + size
        else:
            place = 4 + message[3]
        if self.version == 0x0303 and "anon" not in name:
            self.signature = HASHES.get(message[place], "")

    def answer(self, seconds: float) -> TlsAnswer:
        if self.suite < 0:
            return TlsAnswer(self.problem[0], self.problem[1], seconds=seconds)  # type: ignore[arg-type]
        spelled = {number: name for name, number in VERSIONS.items()}
        return TlsAnswer(
            "chosen",
            "another key share was asked for" if self.retry else self.problem[1],
            spelled.get(self.version, f"{self.version:04x}"),
            SUITES.get(self.suite, f"{self.suite:04x}"),
            self.signature,
            self.dh_bits,
            seconds,
        )
