"""EAP packets as network slice-specific authentication carries them (RFC 3748)."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Self


class Malformed(ValueError):  # noqa: N818 - what the product sent, not an error of ours
    """Octets that are no EAP packet."""


class Code(IntEnum):
    """Codes of RFC 3748 clause 4."""

    REQUEST = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4


class Type(IntEnum):
    """Types of requests and responses, RFC 3748 clause 5; NAK is for responses only."""

    IDENTITY = 1
    NOTIFICATION = 2
    NAK = 3
    MD5_CHALLENGE = 4


@dataclass(frozen=True)
class Packet:
    """An EAP packet; `type` is 0, and `data` empty, where the code has none (success and failure)."""

    code: int
    identifier: int
    type: int = 0
    data: bytes = b""

    def encode(self) -> bytes:
        """The octets, RFC 3748 clause 4."""
        typed = bytes((self.type,)) + self.data if self.code in (Code.REQUEST, Code.RESPONSE) else b""
        return bytes((self.code, self.identifier)) + (4 + len(typed)).to_bytes(2, "big") + typed

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """From octets, of which those beyond the packet's length are padding; raises Malformed."""
        size = int.from_bytes(octets[2:4], "big")
        if not 4 <= size <= len(octets):
            raise Malformed(f"EAP packet of {len(octets)} octets with length {size}")
        code, identifier, body = octets[0], octets[1], bytes(octets[4:size])
        if code in (Code.SUCCESS, Code.FAILURE):
            if body:
                raise Malformed(f"EAP code {code} with {len(body)} octets of data")
            return cls(code, identifier)
        if code not in (Code.REQUEST, Code.RESPONSE) or not body:
            raise Malformed(f"EAP code {code} with {len(body)} octets")
        return cls(code, identifier, body[0], body[1:])


def md5_value(identifier: int, secret: bytes, challenge: bytes) -> bytes:
    """The 16 octets that answer a challenge of EAP-MD5 (RFC 3748 clause 5.4, RFC 1994 clause 4.1)."""
    return hashlib.md5(bytes((identifier,)) + secret + challenge, usedforsecurity=False).digest()


def md5_data(value: bytes) -> bytes:
    """The type data of an MD5-Challenge request or response with this value and no name."""
    return bytes((len(value),)) + value


def md5_of(data: bytes) -> bytes:
    """The value in the type data of an MD5-Challenge request or response; raises Malformed."""
    if not data or not 1 <= data[0] < len(data):
        raise Malformed(f"MD5-Challenge data of {len(data)} octets")
    return data[1 : 1 + data[0]]
