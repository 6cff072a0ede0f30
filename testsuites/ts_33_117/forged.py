"""Packages that a product has to refuse: made of the harness's own payload, each wrong in one place."""

import datetime
import hashlib
import io
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import UnseenError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

FOLDER = "/var/lib/assay-package"
# cryptography is imported where packages are made: whoever judges has the standard library alone


@dataclass(frozen=True)
class Signer:
    certificate: "x509.Certificate"
    key: "ec.EllipticCurvePrivateKey"


@dataclass(frozen=True)
class Forged:
    """A package with a marker file of this name, and a script that leaves another before it."""

    what: str
    name: str  # of what it would install
    octets: bytes


def loaded(certificate: bytes, key: str) -> Signer:
    """A signer from PEM; UnseenError where that is no elliptic-curve key with its certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        private = serialization.load_pem_private_key(key.encode(), None)
        shown = x509.load_pem_x509_certificate(certificate)
    except (ValueError, TypeError) as error:
        raise UnseenError(f"a signer of software.valid_package cannot be read: {error}") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise UnseenError("the harness signs with elliptic-curve keys only, and this signer's is another")
    return Signer(shown, private)


def stranger(like: Signer) -> Signer:
    """A signer with the names of another, of whom nobody knows."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(like.certificate.subject).public_key(key.public_key())
    builder = builder.issuer_name(like.certificate.subject).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    return Signer(builder.not_valid_after(now + datetime.timedelta(days=30)).sign(key, hashes.SHA256()), key)


def cms(data: bytes, signer: Signer) -> bytes:
    """Data within a CMS signature (RFC 5652), DER."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    builder = pkcs7.PKCS7SignatureBuilder().set_data(data)
    builder = builder.add_signer(signer.certificate, signer.key, hashes.SHA256())
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def forged(good: Signer, expired: Signer, revoked: Signer) -> tuple[Forged, ...]:
    """One of each kind that has to be refused."""

    def made(what: str, name: str, signer: Signer) -> Forged:
        return Forged(what, name, cms(archive(deb(name)), signer))

    first, second = deb("changed"), deb("changed", b"assay1")
    other = archive(deb("mixed"), manifest_of=deb("mixed", b"assay1"))
    return (
        Forged("a byte of the payload is changed", "changed",
               cms(archive(first), good).replace(archive(first), archive(second))),
        Forged("it has no signature", "unsigned", archive(deb("unsigned"))),
        made("an unknown key signed it", "unknown", stranger(good)),
        made("its signer's certificate is past its end", "expired", expired),
        made("its signer is revoked", "revoked", revoked),
        Forged("its manifest is of another release", "mixed", cms(other, good)),
    )  # fmt: skip


def archive(package: bytes, manifest_of: bytes = b"") -> bytes:
    digest = hashlib.sha256(manifest_of or package).hexdigest()
    return _tar({"MANIFEST": f"{digest}  package.deb\n".encode(), "package.deb": package})


def deb(name: str, content: bytes = b"assay0") -> bytes:
    """A Debian package that installs a marker, and whose script leaves another before."""
    control = (
        f"Package: assay-{name}\nVersion: 1\nArchitecture: all\nMaintainer: assay\nDescription: marker\n"
    )
    script = f"#!/bin/sh\n: > {FOLDER}-{name}-ran\n"
    inner = _tar({"./control": control.encode(), "./preinst": script.encode()})
    out = b"!<arch>\n"
    for member, data in (
        ("debian-binary", b"2.0\n"),
        ("control.tar", inner),
        ("data.tar", _tar({f".{FOLDER}-{name}": content})),
    ):
        out += f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def verifies(octets: bytes, signer: Signer) -> bool:
    """Whether the harness's own verifier takes a package as signed by this very signer, and whole."""
    from cryptography.hazmat.primitives.serialization import Encoding

    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        package, certificate, out = (Path(folder, name) for name in ("package", "signer", "out"))
        package.write_bytes(octets)
        certificate.write_bytes(signer.certificate.public_bytes(Encoding.PEM))
        words = [
            "openssl",
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "DER",
            "-in",
            str(package),
            "-out",
            str(out),
        ]
        words += ["-nointern", "-noverify", "-certfile", str(certificate)]
        if subprocess.run(words, capture_output=True, timeout=30, check=False).returncode:
            return False
        with tarfile.open(out) as tar:
            manifest, payload = (tar.extractfile(name) for name in ("MANIFEST", "package.deb"))
            if manifest is None or payload is None:
                return False
            digest = hashlib.sha256(payload.read()).hexdigest()
            return manifest.read().decode().split() == [digest, "package.deb"]
