"""Seals by keys of every kind, from a token, with time stamps, and the words that verifiers say."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import Lab, key_pair, laboratory, problems
from products import ROOT, assay
from test_reports import make

from assay.bundle import keys, seal
from assay.errors import UsageError

SOFTHSM = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
)


def needs(there: object, what: str) -> None:
    if not there:
        reason = f"{what} is missing: install the Debian package {what}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return laboratory(tmp_path_factory.mktemp("lab"))


# --- the commands ------------------------------------------------------------------------------------------


def test_a_bundle_from_campaign_to_auditor(tmp_path: Path) -> None:
    """Seal, review, verify by both verifiers: words and exit codes."""
    make(tmp_path / "c")
    (tester, tester_pub), (reviewer, reviewer_pub) = key_pair(tmp_path, "t"), key_pair(tmp_path, "r", "ecdsa")
    bundle = tmp_path / "c.sealed"
    assert assay("seal", tmp_path / "c", "--key", tester).returncode == 0
    comment = "read twice \x1b[31m"
    done = assay("seal", bundle, "--key", reviewer, "--role", "reviewer", "--comment", comment)
    assert done.returncode == 0, done.stderr
    given = ("--key", f"tester={tester_pub}", "--key", f"reviewer={reviewer_pub}")
    done = assay("verify", bundle, *given, "--rejudge")
    assert done.returncode == 0, done.stdout
    for words in (
        "tester at 20",
        "reviewer at 20",
        "read twice ?[31m",
        "again: 4 records",
        "as it was sealed",
    ):
        assert words in done.stdout, words
    assert assay("verify", bundle).returncode == 2
    assert "nobody" in assay("verify", "--help").stdout
    found = json.loads(assay("verify", bundle, *given, "--json").stdout)
    assert found["problems"] == []
    assert [one["role"] for one in found["seals"]] == ["reviewer", "tester"]
    second: list[str | Path] = [sys.executable, ROOT / "tools" / "verify_bundle.py", bundle]
    assert subprocess.run([*second, *given], capture_output=True, check=False).returncode == 0
    assert subprocess.run(second, capture_output=True, check=False).returncode == 2
    assert assay("judge", bundle).returncode == 1  # it holds a FAIL
    assert assay("report", bundle, "--format", "json").returncode == 0

    (bundle / "results.json").write_bytes((bundle / "results.json").read_bytes().replace(b"FAIL", b"PASS"))
    done = assay("verify", bundle, *given)
    assert done.returncode == 1
    assert "REFUSED" in done.stdout
    refused = subprocess.run([*second, *given], capture_output=True, text=True, check=False)
    assert (refused.returncode, "REFUSED" in refused.stdout) == (1, True)


def test_the_second_verifier_stands_alone() -> None:
    """It runs where nothing of ours can be imported."""
    tool = str(ROOT / "tools" / "verify_bundle.py")
    code = f"import runpy, sys; sys.modules['assay'] = None; runpy.run_path({tool!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code, "--help"], cwd="/", check=False)
    assert done.returncode == 0
    assert "import assay" not in Path(tool).read_text()
    assert "from assay" not in Path(tool).read_text()


@pytest.mark.parametrize(
    ("kind", "good"),
    [("ed25519", True), ("P-256", True), ("P-384", False), ("rsa", False), ("x25519", False)],
)
def test_keys_that_openssl_makes(lab: Lab, tmp_path: Path, kind: str, good: bool) -> None:
    needs(shutil.which("openssl"), "openssl")
    how = {
        "ed25519": ["-algorithm", "ed25519"],
        "x25519": ["-algorithm", "x25519"],
        "rsa": ["-algorithm", "RSA"],
    }.get(kind, ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{kind}"])
    private, public = tmp_path / "k.pem", tmp_path / "k.pub"
    subprocess.run(["openssl", "genpkey", *how, "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    if not good:
        with pytest.raises(UsageError, match="Ed25519 or ECDSA P-256"):
            keys.trusted(str(public))
        with pytest.raises(UsageError):
            keys.signer(str(private), lambda _: "")
        return
    seal.create(lab.campaign, tmp_path / "b", keys.signer(str(private), lambda _: ""), "tester", "")
    assert problems(tmp_path / "b", [public]) == ("", "")
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", public, "-outform", "DER"], check=True, capture_output=True
    )
    digest = subprocess.run(["openssl", "sha256", "-r"], input=der.stdout, check=True, capture_output=True)
    assert digest.stdout.split()[0].decode() == keys.trusted(str(public)).key.keyid


def test_a_locked_key_wants_its_passphrase(tmp_path: Path) -> None:
    needs(shutil.which("openssl"), "openssl")
    make(tmp_path / "c")
    private = tmp_path / "k.pem"
    words = ["openssl", "genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:correct horse"]
    subprocess.run([*words, "-out", private], check=True, capture_output=True)
    done = assay("seal", tmp_path / "c", "--key", private, ASSAY_KEY_SECRET="wrong")
    assert done.returncode == 4
    assert "no private key in PEM that opens" in done.stderr
    assert "wrong" not in done.stderr
    done = assay("seal", tmp_path / "c", "--key", private, ASSAY_KEY_SECRET="correct horse")
    assert done.returncode == 0, done.stderr


# --- a token -----------------------------------------------------------------------------------------------


@pytest.mark.daemon
def test_a_token_seals(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = next((path for path in SOFTHSM if Path(path).exists()), "")
    needs(library and shutil.which("softhsm2-util"), "softhsm2")
    pkcs11 = pytest.importorskip("pkcs11")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    monkeypatch.setenv("PYKCS11LIB", library)
    words = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "lab",
        "--so-pin",
        "12345678",
        "--pin",
        "4711",
    ]
    subprocess.run(words, check=True, capture_output=True)
    # the key is made in a process of its own: a token that was loaded stays loaded, with the slots it had
    make_key = (
        "import pkcs11; from pkcs11.util.ec import encode_named_curve_parameters as c;"
        f"s = pkcs11.lib({library!r}).get_token(token_label='lab').open(rw=True, user_pin='4711');"
        "curve = {pkcs11.Attribute.EC_PARAMS: c('secp256r1')};"
        "p = s.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True);"
        "p.generate_keypair(id=b'\\x02', store=True, label='k'); s.close()"
    )
    subprocess.run([sys.executable, "-c", make_key], check=True, capture_output=True)
    assert pkcs11 is not None
    uri = "hsm:2?label=lab"
    with pytest.raises(UsageError, match="No PKCS#11 token"):
        keys.signer("hsm:2?label=other", lambda _: "4711")
    signer = keys.signer(uri, lambda _: "4711")
    seal.create(lab.campaign, tmp_path / "b", signer, "tester", "sealed by a token")
    public = tmp_path / "token.pub"
    public.write_text(signer.public_key.keyval["public"])
    assert problems(tmp_path / "b", [public]) == ("", "")
    monkeypatch.delenv("PYKCS11LIB")
    with pytest.raises(UsageError, match="PYKCS11LIB"):
        keys.signer(uri, lambda _: "4711")


# --- time stamps -------------------------------------------------------------------------------------------

AUTHORITY = """
[ req ]
distinguished_name = name
[ name ]
[ root ]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[ stamping ]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ tsa ]
default_tsa = here
[ here ]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384
accuracy = secs:1
"""


def authority(folder: Path) -> Path:
    """A time stamping authority of our own; its root certificate."""
    folder.mkdir()
    (folder / "conf").write_text(AUTHORITY)
    (folder / "serial").write_text("01\n")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-config", "conf"]
    openssl(
        "req",
        "-x509",
        *ec,
        "-keyout",
        "root.key",
        "-out",
        "root.pem",
        "-subj",
        "/CN=Root",
        "-extensions",
        "root",
    )
    openssl("req", *ec, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=TSA")
    sign = ("-CA", "root.pem", "-CAkey", "root.key", "-extfile", "conf", "-extensions", "stamping")
    openssl("x509", "-req", "-in", "tsa.csr", *sign, "-CAcreateserial", "-out", "tsa.pem")
    return folder / "root.pem"


def stamped(folder: Path, data: Path, response: Path) -> Path:
    """The answer of that authority about a file."""
    query = response.with_suffix(".tsq")
    signer = ("-signer", "tsa.pem", "-inkey", "tsa.key")
    for words in (
        ["-query", "-data", data, "-sha256", "-cert", "-out", query],
        ["-reply", "-config", "conf", "-queryfile", query, *signer, "-out", response],
    ):
        subprocess.run(["openssl", "ts", *map(str, words)], cwd=folder, check=True, capture_output=True)
    return response


def test_time_stamps(lab: Lab, tmp_path: Path) -> None:
    needs(shutil.which("openssl"), "openssl")
    root, other = authority(tmp_path / "tsa"), authority(tmp_path / "other")
    bundle = tmp_path / "b"
    seal.create(lab.campaign, bundle, lab.signer(lab.private), "tester", "")
    (sealed,) = (p for p in (bundle / "seals").iterdir() if p.name.count(".") == 2)
    response = stamped(tmp_path / "tsa", sealed, tmp_path / "r.tsr")

    about_another = stamped(tmp_path / "tsa", bundle / "results.json", tmp_path / "wrong.tsr")
    done = assay("stamp", bundle, about_another)
    assert (done.returncode, "of no seal" in done.stderr) == (4, True)
    (tmp_path / "garbage.tsr").write_bytes(b"no stamp")
    assert assay("stamp", bundle, tmp_path / "garbage.tsr").returncode == 4

    done = assay("stamp", bundle, response)
    assert done.returncode == 0, done.stderr
    given = ("verify", bundle, "--key", lab.tester)
    done = assay(*given, "--authority", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", stamped 20" in done.stdout
    done = assay(*given)
    assert (done.returncode, "not checked, no authority" in done.stdout) == (0, True)
    assert assay(*given, "--authority", other).returncode == 1
    assert problems(bundle, [lab.tester]) == ("", "")

    whole = next(p for p in (bundle / "seals").iterdir() if p.suffix == ".tsr")
    data = whole.read_bytes()
    whole.write_bytes(data[:-5] + bytes((data[-5] ^ 1,)) + data[-4:])
    done = assay(*given, "--authority", root)
    assert (done.returncode, "no time stamp under this authority" in done.stdout) == (1, True)
    whole.rename(whole.with_name("auditor-0123456789abcdef.tsr"))
    ours, theirs = problems(bundle, [lab.tester])
    assert ours
    assert theirs
