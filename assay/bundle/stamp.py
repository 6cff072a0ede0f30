"""Time stamps of seals (RFC 3161): proof by a third party that a seal was there at a time."""

import hashlib
from dataclasses import replace
from pathlib import Path

from assay.bundle.seal import put
from assay.bundle.verify import SEALS, Findings
from assay.errors import UsageError
from assay.files import Bundle, Damaged

MAX_STAMP = 1 << 20
MISSING = "time stamps need the library rfc3161-client: pip install 'assay[timestamp]'"


def add(path: Path, response: Path) -> str:
    """Put the answer of a time stamping authority beside the seal that it is about; the name it has there.

    Raises UsageError where it is no answer, or about no seal of this bundle. Whether its signature counts is
    for a verifier to say, who has the certificate of the authority.
    """
    bundle = Bundle(path)
    with response.open("rb") as handle:
        data = handle.read(MAX_STAMP)
    for name in sorted(bundle.box.names()):
        seal = name.startswith(SEALS) and name.endswith(".dsse.json") and ".test-result" not in name
        if seal and _covers(data, _read(bundle, name)):
            put(bundle, stamped := name.replace(".dsse.json", ".tsr"), data)
            return stamped
    raise UsageError(f"{response} is the time stamp of no seal in {path}")


def check_all(bundle: Bundle, authority: Path, found: Findings) -> None:
    """Check every time stamp of a bundle, and tell its time with the seal it is about."""
    try:
        root = authority.read_bytes()
    except OSError as error:
        raise UsageError(f"{authority}: {error}") from error
    names, found.unchecked = found.unchecked, []
    for name in names:
        try:
            when = check(bundle, name, root)
        except Damaged as error:
            found.problem(str(error))
            continue
        seal = name.replace(".tsr", ".dsse.json")
        found.seals = [replace(s, stamped=when) if s.name == seal else s for s in found.seals]
    if not names:
        found.problem("there is no time stamp")


def check(bundle: Bundle, name: str, root: bytes) -> str:
    """When the seal was there, as an authority under this root certificate says; Damaged where none does."""
    try:
        from cryptography.x509 import load_pem_x509_certificates
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response
    except ImportError:
        raise UsageError(MISSING) from None
    try:
        response = decode_timestamp_response(_read(bundle, name))
        builder = VerifierBuilder()
        for certificate in load_pem_x509_certificates(root):
            builder = builder.add_root_certificate(certificate)
        builder.build().verify_message(response, _read(bundle, name.replace(".tsr", ".dsse.json")))
    except (ValueError, VerificationError) as error:
        raise Damaged(f"{name} is no time stamp under this authority: {error}") from error
    return response.tst_info.gen_time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(bundle: Bundle, name: str) -> bytes:
    with bundle.box.open(name) as handle:
        return handle.read(MAX_STAMP)


def _covers(data: bytes, seal: bytes) -> bool:
    try:
        from rfc3161_client import decode_timestamp_response
    except ImportError:
        raise UsageError(MISSING) from None
    try:
        found = decode_timestamp_response(data).tst_info.message_imprint.message
    except ValueError as error:
        raise UsageError(f"that is no time stamp: {error}") from error
    return found in (hashlib.new(kind, seal).digest() for kind in ("sha256", "sha384", "sha512"))
