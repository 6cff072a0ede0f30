"""Keys that seal, from a PEM file or a PKCS#11 token, and keys that a verifier trusts."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import CryptoSigner, HSMSigner, Signer, SSlibKey

from assay.errors import UsageError

MAX_PEM = 16 << 10
ROLE = re.compile(r"[a-z][a-z-]{0,30}")
Secret = Callable[[str], str]
"""Asks for a passphrase or a PIN, by what it is for."""


@dataclass(frozen=True)
class Trusted:
    """A public key that a verifier got outside of the bundle, and the role it may seal in ("": any)."""

    key: SSlibKey
    role: str
    source: str


def _public(key: Any, source: str) -> SSlibKey:
    """A public key under the identifier that it has in seals: SHA-256 of its SubjectPublicKeyInfo in DER."""
    good = isinstance(key, ed25519.Ed25519PublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    )
    if not good:
        raise UsageError(f"{source}: seals are made with Ed25519 or ECDSA P-256, not with this kind of key")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SSlibKey.from_crypto(key, keyid=hashlib.sha256(der).hexdigest())


def trusted(text: str) -> Trusted:
    """A public key in a PEM file, written FILE or ROLE=FILE; raises UsageError where there is none."""
    role, path = text.split("=", 1) if "=" in text and ROLE.fullmatch(text.split("=")[0]) else ("", text)
    try:
        with Path(path).open("rb") as handle:
            key = load_pem_public_key(handle.read(MAX_PEM))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path}: no public key in PEM (openssl pkey -in KEY -pubout): {error}") from error
    return Trusted(_public(key, path), role, path)


def signer(text: str, secret: Secret) -> Signer:
    """Whoever signs: a PEM file of PKCS#8, or `hsm:ID?label=TOKEN` with the module in PYKCS11LIB.

    Raises UsageError where there is no such key or `secret` does not open it.
    """
    return _token(text, secret) if text.startswith("hsm:") else _file(Path(text), secret)


def _file(path: Path, secret: Secret) -> Signer:
    try:
        with path.open("rb") as handle:
            pem = handle.read(MAX_PEM)
        locked = b"ENCRYPTED" in pem
        private = load_pem_private_key(pem, secret(f"passphrase of {path}").encode() if locked else None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path}: no private key in PEM that opens: {error}") from error
    return CryptoSigner(private, _public(private.public_key(), str(path)))


def _token(uri: str, secret: Secret) -> Signer:
    from urllib.parse import parse_qsl, urlsplit

    if not os.environ.get("PYKCS11LIB"):
        raise UsageError(f"{uri}: set PYKCS11LIB to the PKCS#11 module of the token (a .so file)")
    given = urlsplit(uri)
    pin = secret(f"PIN of {uri}")
    try:
        number = int(given.path) if given.path else None
        label = dict(parse_qsl(given.query)).get("label")
        found, key = HSMSigner.import_(number, label, lambda _: pin)
        crypto = load_pem_public_key(key.keyval["public"].encode())
        return Signer.from_priv_key_uri(found, _public(crypto, uri), lambda _: pin)
    except UnsupportedLibraryError as error:
        raise UsageError(f"{uri}: install what tokens need: pip install 'assay[hsm]'") from error
    except ValueError as error:
        raise UsageError(f"{uri}: {error}") from error
