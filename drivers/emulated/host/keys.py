"""Keys and certificates of the product: made from its unit's number, well-known like all test keys here."""

import datetime
import hashlib
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from drivers.emulated.host.network import PRODUCT, SECOND, WIRES

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SINCE = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
EARLY = datetime.datetime(2025, 2, 1, tzinfo=datetime.UTC)
UNTIL = datetime.datetime(2049, 1, 1, tzinfo=datetime.UTC)
SIGNERS = {
    "signer": UNTIL,
    "signer-expired": EARLY,
    "signer-revoked": UNTIL,
}  # of software packages, until when


def host_key(unit: int) -> ed25519.Ed25519PrivateKey:
    """The SSH host key of a unit."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(_seed(f"ssh {unit}"))


def curve_key(name: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key that belongs to a name."""
    return ec.derive_private_key(1 + int.from_bytes(_seed(name)) % (P256_ORDER - 1), ec.SECP256R1())


def known_hosts(unit: int) -> str:
    """The lines of a known_hosts file for a unit."""
    key = host_key(unit).public_key()
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    wire, host = WIRES[0], PRODUCT if unit == 1 else SECOND
    return f"{wire.v4}{host},{wire.v6}{host} {line}\n"


def authority(name: str = "peers") -> x509.Certificate:
    """The certificate of the CA of the product and its peers, or of the signers of its software."""
    key = curve_key(f"ca {name}")
    return _certificate(_ca_name(name), key, name, authority_of=True, names=(), until=UNTIL)


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *more: str,
    by: str = "peers",
    until: datetime.datetime = UNTIL,
) -> x509.Certificate:
    """A certificate of a CA for a name, and for further names or addresses."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return _certificate(subject, key, by, authority_of=False, names=(name, *more), until=until)


def signer(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """One of `SIGNERS`."""
    key = curve_key(name)
    return certificate(name, key, by="signers", until=SIGNERS[name]), key


def revoked() -> x509.CertificateRevocationList:
    """What the CA of the signers has revoked."""
    entry = x509.RevokedCertificateBuilder().serial_number(signer("signer-revoked")[0].serial_number)
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_ca_name("signers"))
        .last_update(SINCE)
        .next_update(UNTIL)
        .add_revoked_certificate(entry.revocation_date(SINCE).build())
        .sign(curve_key("ca signers"), hashes.SHA256())
    )


def install(root: Path, unit: int) -> None:
    """Give the unit its keys and its certificate."""
    install_host_key(root, unit)
    _pair(root / "etc/np/upload_key", ed25519.Ed25519PrivateKey.from_private_bytes(_seed(f"upload {unit}")))
    tls = curve_key(f"tls {unit}")
    last = PRODUCT if unit == 1 else SECOND
    addresses = [address for wire in WIRES for address in (f"{wire.v4}{last}", f"{wire.v6}{last}")]
    pem = serialization.Encoding.PEM
    _write(root / "etc/np/tls/np.pem", certificate("np", tls, *addresses).public_bytes(pem), 0o644)
    _write(root / "etc/np/tls/np.key", private_pem(tls), 0o600)
    _write(root / "etc/np/tls/ca.pem", authority().public_bytes(pem), 0o644)
    _write(root / "etc/np/signers/ca.pem", authority("signers").public_bytes(pem), 0o644)
    _write(root / "etc/np/signers/revoked.pem", revoked().public_bytes(pem), 0o644)


def install_host_key(root: Path, unit: int) -> None:
    """Give the unit its SSH host key."""
    _pair(root / "etc/ssh/ssh_host_ed25519_key", host_key(unit))


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key in PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _ca_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Emulated host test CA of {name}")])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: str,
    *,
    authority_of: bool,
    names: tuple[str, ...],
    until: datetime.datetime,
) -> x509.Certificate:
    issuer = curve_key(f"ca {by}")
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_ca_name(by))
        .public_key(key.public_key())
        .serial_number(int.from_bytes(_seed(f"serial {subject.rfc4514_string()} {names}")[:16]) >> 1)
        .not_valid_before(SINCE)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=authority_of, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority_of,
                key_cert_sign=authority_of,
                crl_sign=authority_of,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
        )
    return builder.sign(issuer, hashes.SHA256(), ecdsa_deterministic=True)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pair(path: Path, key: ed25519.Ed25519PrivateKey) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    _write(path, private, 0o600)
    _write(path.with_name(f"{path.name}.pub"), public + b"\n", 0o644)


def _seed(name: str) -> bytes:
    return hashlib.sha256(f"assay emulated host {name}".encode()).digest()


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
