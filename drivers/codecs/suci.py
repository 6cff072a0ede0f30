"""Concealment of the SUPI in a SUCI: the null scheme and ECIES profiles A and B of TS 33.501 Annex C."""

import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NULL_SCHEME = 0
PROFILE_A = 1
PROFILE_B = 2

_P256 = ec.SECP256R1()
_POINT_LENGTH = {PROFILE_A: 32, PROFILE_B: 33}
_MAC_LENGTH = 8


def conceal(
    scheme: int, msin_bcd: bytes, home_public_key: bytes, ephemeral_private: bytes | None = None
) -> bytes:
    """The scheme output: ephemeral public key (A 32 octets, B 33 compressed), ciphertext, MAC tag (8); the
    input itself for the null scheme. The ephemeral key (32) is fresh when None; ValueError on a bad key or
    scheme; TS 33.501 clause C.3.2.
    """
    if scheme == NULL_SCHEME:
        return msin_bcd
    length = _point_length(scheme)
    private = _private(scheme, ephemeral_private)
    point = _public(private)
    cipher_key, icb, mac_key = _keys(_agree(private, home_public_key), point[:length])
    ciphertext = _ctr(cipher_key, icb, msin_bcd)
    return point + ciphertext + hmac.digest(mac_key, ciphertext, "sha256")[:_MAC_LENGTH]


def reveal(scheme: int, scheme_output: bytes, home_private_key: bytes) -> bytes:
    """The MSIN in BCD (or the user part of a NAI) from a scheme output, with the home network's private key
    (32 octets); ValueError when it is too short, its point or MAC tag wrong, or the scheme unknown; TS 33.501
    clause C.3.3.
    """
    if scheme == NULL_SCHEME:
        return scheme_output
    length = _point_length(scheme)
    if len(scheme_output) < length + _MAC_LENGTH:
        raise ValueError(f"a scheme output of {len(scheme_output)} octets is too short for profile {scheme}")
    point, rest = scheme_output[:length], scheme_output[length:]
    ciphertext, tag = rest[:-_MAC_LENGTH], rest[-_MAC_LENGTH:]
    cipher_key, icb, mac_key = _keys(_agree(_private(scheme, home_private_key), point), point)
    if not hmac.compare_digest(hmac.digest(mac_key, ciphertext, "sha256")[:_MAC_LENGTH], tag):
        raise ValueError("the MAC tag of the scheme output is wrong")
    return _ctr(cipher_key, icb, ciphertext)


_PrivateKey = X25519PrivateKey | ec.EllipticCurvePrivateKey


def _point_length(scheme: int) -> int:
    if scheme not in _POINT_LENGTH:
        raise ValueError(f"protection scheme {scheme} is not one of 0 to 2")
    return _POINT_LENGTH[scheme]


def _private(scheme: int, value: bytes | None) -> _PrivateKey:
    if value is not None and len(value) != 32:
        raise ValueError(f"a private key has 32 octets, not {len(value)}")
    if scheme == PROFILE_A:
        return X25519PrivateKey.from_private_bytes(secrets.token_bytes(32) if value is None else value)
    if value is None:
        return ec.generate_private_key(_P256)
    try:
        return ec.derive_private_key(int.from_bytes(value, "big"), _P256)
    except ValueError as error:
        raise ValueError("the private key is not a scalar of P-256") from error


def _public(private: _PrivateKey) -> bytes:
    if isinstance(private, X25519PrivateKey):
        return private.public_key().public_bytes_raw()
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def _agree(private: _PrivateKey, point: bytes) -> bytes:
    try:
        if isinstance(private, X25519PrivateKey):
            return private.exchange(X25519PublicKey.from_public_bytes(point))
        return private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_P256, point))
    except ValueError as error:
        raise ValueError("the public key is not a usable point of the curve") from error


def _keys(shared: bytes, point: bytes) -> tuple[bytes, bytes, bytes]:
    """Cipher key, initial counter block and MAC key: the ANSI X9.63 KDF with the ephemeral public key as
    SharedInfo1.
    """
    first, second = (hashlib.sha256(shared + bytes((0, 0, 0, i)) + point).digest() for i in (1, 2))
    return first[:16], first[16:], second


def _ctr(key: bytes, icb: bytes, data: bytes) -> bytes:
    # Clause C.3.4.0 counts in the low 32 bits, OpenSSL in all 128: they differ only when those 32 bits wrap
    # inside one identity, once in 2^32 identities of more than 16 octets.
    return Cipher(algorithms.AES128(key), modes.CTR(icb)).encryptor().update(data)
