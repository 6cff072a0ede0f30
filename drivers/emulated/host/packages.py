"""What the vendor delivers with the product: its software as signed packages, and the list of all of it."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from drivers.emulated.host import keys

TIME = 1_735_689_600  # of the files in an archive: the same package is the same octets


def deliver(layer: Path, to: Path) -> None:
    """Write np-app-VERSION.pkg and sbom.cdx.json, made of a hardened layer, beside the profile."""
    certificate, key = keys.signer("signer")
    for package in sorted((layer / "packages").glob("np-app-*.deb")):
        _write(to / f"{package.stem}.pkg", sign(archive(package.read_bytes()), certificate, key))
    _write(to / "sbom.cdx.json", sbom(layer / "root" / "var/lib/dpkg/status").encode())


def archive(package: bytes) -> bytes:
    """A package with its manifest, as tar."""
    manifest = f"{hashlib.sha256(package).hexdigest()}  package.deb\n".encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("MANIFEST", manifest), ("package.deb", package)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(data), TIME
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def sign(data: bytes, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Data within a CMS signature (RFC 5652), DER."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(certificate, key, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def sbom(status: Path) -> str:
    """The list of software of a dpkg status file, as CycloneDX."""
    components = []
    for entry in status.read_text(errors="replace").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in entry.splitlines() if ": " in line and line[0] != " ")
        if "Package" in fields and "installed" in fields.get("Status", "").split():
            components.append(
                {
                    "type": "library" if fields.get("Section", "") == "libs" else "application",
                    "name": fields["Package"],
                    "version": fields["Version"],
                    "supplier": {"name": fields.get("Maintainer", "").partition(" <")[0]},
                    "description": fields.get("Description", ""),
                    "purl": f"pkg:deb/debian/{fields['Package']}@{fields['Version']}",
                }
            )
    components.sort(key=lambda one: str(one["name"]))
    whole = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}
    return json.dumps(whole, indent=1) + "\n"


def _write(file: Path, data: bytes) -> None:
    """Side by side with others that write the same."""
    if not file.exists() or file.read_bytes() != data:
        new = file.with_name(f"{file.name}.{id(data)}")
        new.write_bytes(data)
        new.replace(file)
