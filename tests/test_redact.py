"""A redacted bundle shows nothing of what was taken out, verifies, and gives the same verdicts."""

import base64
import json
import re
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

import pytest
from bundles import key_pair, problems
from hypothesis import given, settings
from hypothesis import strategies as st
from products import PROFILES, assay, emulated

from assay.bundle import witness
from assay.bundle.pseudonyms import Pseudonyms, bcd
from assay.bundle.redact import Disclosure
from assay.campaign import Campaign
from assay.errors import UsageError
from assay.files import Bundle

FIRST, PLMN = "4217350001", "99970"
POLICY = """
captures: rewrite
fields: [contact, build, system]
values: [Emulated AMF, lab seven]
"""
CASES = (
    "TC_UE_SEC_CAP_HANDLING_AMF",
    "TC_NSSAA_REVOCATION",
    "TC_5G_GUTI_ALLOCATION_AMF",
    "TC_SYNC_FAIL_SEAF_AMF",
)


class Redacted:
    """A bundle of a real run, and what became of it."""

    def __init__(self, folder: Path) -> None:
        path = emulated(folder, identity={"contact": "Dr Example, lab seven", "build": "77aa01"})
        path.write_text(path.read_text().replace(f"{PLMN}0000000001", PLMN + FIRST))
        cases = [word for case in CASES for word in ("--case", case)]
        assert assay("run", path, *cases, "--out", folder / "c").returncode == 0
        self.private, self.public = key_pair(folder, "k")
        self.before, self.after, self.apart = folder / "b", folder / "r", folder / "disclosures.json"
        assert assay("seal", folder / "c", "--key", self.private, "--out", self.before).returncode == 0
        (folder / "policy.yaml").write_text(POLICY)
        self.words = ("redact", self.before, "--policy", folder / "policy.yaml", "--key", self.private)
        done = assay(*self.words, "--out", self.after, "--disclosures", self.apart)
        assert done.returncode == 0, done.stderr
        self.folder = folder


@pytest.fixture(scope="module")
def redacted(tmp_path_factory: pytest.TempPathFactory) -> Redacted:
    return Redacted(tmp_path_factory.mktemp("redacted"))


def spellings(value: bytes) -> Iterable[bytes]:
    """A value as it may stand in a file: itself, hexadecimal, and base64 at every alignment."""
    yield from (value, value.hex().encode(), value.hex().upper().encode())
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + value)
        yield whole[(0, 2, 3)[shift] : len(whole) - 4]


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def subscribers(folder: Path) -> set[str]:
    """The MSINs that were really used, found in what was sealed."""
    found = re.findall(FIRST[:6].encode() + rb"\d{4}", b"".join(files(folder).values()))
    return {msin.decode() for msin in found if 0 <= int(msin) - int(FIRST) < 5000}


# --- what is seen ------------------------------------------------------------------------------------------


def test_no_secret_is_in_any_file_of_a_sealed_or_redacted_bundle(redacted: Redacted) -> None:
    secrets = [bytes.fromhex((PROFILES / name).read_text()) for name in ("emulated.k", "emulated.opc")]
    secrets.append(redacted.private.read_bytes().splitlines()[1])
    for folder in (redacted.before, redacted.after):
        for name, data in files(folder).items():
            for secret in secrets:
                assert not any(spelling in data for spelling in spellings(secret)), name


def test_nothing_that_was_taken_out_is_in_any_file(redacted: Redacted) -> None:
    used = subscribers(redacted.before)
    assert len(used) > 5
    gone = [*(msin.encode() for msin in used), b"127.0.0.1", b"Emulated AMF", b"lab seven", b"77aa01"]
    octets = [bcd(msin) for msin in used]
    before, after = files(redacted.before), files(redacted.after)
    for value in gone:
        assert any(value in data for data in before.values()), value
        for name, data in after.items():
            assert not any(spelling in data for spelling in spellings(value)), (name, value)
    assert any(one in data for data in before.values() for one in octets)
    for name, data in after.items():
        for one in octets:
            assert one not in data, name
            assert one.hex().encode() not in data.lower(), name
    assert not [name for name in Bundle(redacted.after).entries if name.endswith("nas-keys.json")]


def test_every_disclosed_value_is_gone(redacted: Redacted) -> None:
    """No text that was taken out stands anywhere as it was, digests of files among them."""
    taken = json.loads(redacted.apart.read_bytes())["fields"]
    assert len(taken) > 50
    whole = b"\n".join(files(redacted.after).values())
    for one in taken:
        text = json.dumps(one["value"], ensure_ascii=False)
        assert f'"{one["path"]}"'.encode() in whole or one["path"] == "manifest.json"
        assert text.encode() not in whole, one["pointer"]


@pytest.mark.daemon
def test_tshark_reads_the_rewritten_captures_and_finds_nobody(redacted: Redacted) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is missing: install the Debian package tshark")
    used = subscribers(redacted.before)
    told = witness.witness(Campaign.open(redacted.after))
    assert sum(w.confirmed for w in told) > 100
    assert [w.disagreements for w in told if w.disagreements] == []
    bundle = Bundle(redacted.after)
    (name, *_) = (name for name in bundle.entries if name.endswith("capture.pcapng"))
    for row in witness.dissect(bundle.read(name)).values():
        assert not [msin for msin in used for text in row.values() if msin in text]


# --- what still holds --------------------------------------------------------------------------------------


def test_it_verifies_and_gives_the_same_verdicts(redacted: Redacted) -> None:
    assert problems(redacted.after, [redacted.public], rejudge=True) == ("", "")
    both = [list(Campaign.open(path).results()) for path in (redacted.before, redacted.after)]
    assert [r.verdict.outcome for r in both[0]] == [r.verdict.outcome for r in both[1]]
    assert [r.verdict.refs for r in both[0]] == [r.verdict.refs for r in both[1]]
    assert Campaign.open(redacted.before).digest != Campaign.open(redacted.after).digest
    for result in both[1]:
        assert result.record is not None
        assert Campaign.open(redacted.after).intact(result.planned, result.record) == ""
    assert assay("report", redacted.after, "--format", "html").returncode == 0


def test_every_changed_member_of_a_redacted_bundle_is_found(redacted: Redacted) -> None:
    box = files(redacted.after)
    for name, data in box.items():
        ours, theirs = problems({**box, name: data[:-1] + bytes((data[-1] ^ 1,))}, [redacted.public])
        assert ours, name
        assert theirs, name


def test_one_field_is_disclosed_later(redacted: Redacted, tmp_path: Path) -> None:
    field, out = "campaign.json#/profile/product/contact", tmp_path / "one.json"
    assert assay("disclose", redacted.apart, "--field", field, "--out", out).returncode == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    done = assay("verify", redacted.after, "--key", redacted.public, "--disclosure", out)
    assert done.returncode == 0, done.stdout
    assert f"proven  {field}: Dr Example, lab seven" in done.stdout
    assert done.stdout.count("proven") == 1

    said = json.loads(out.read_bytes())
    for change in ({"value": "Dr Other"}, {"pointer": "/profile/product/build"}, {"salt": "0" * 64}):
        said["fields"][0].update(change)
        lie = tmp_path / "lie.json"
        lie.write_text(json.dumps(said, sort_keys=True, separators=(",", ":")))
        done = assay("verify", redacted.after, "--key", redacted.public, "--disclosure", lie)
        assert (done.returncode, "is not what was redacted" in done.stdout) == (1, True)
    done = assay("verify", redacted.before, "--key", redacted.public, "--disclosure", out)
    assert (done.returncode, "about another bundle" in done.stderr) == (4, True)
    done = assay("disclose", redacted.apart, "--field", "campaign.json#/no", "--out", tmp_path / "no.json")
    assert done.returncode == 4


def test_a_withheld_file_is_proven_by_its_digest(redacted: Redacted) -> None:
    taken = {(d["path"], d["pointer"]): d for d in json.loads(redacted.apart.read_bytes())["fields"]}
    bundle, original = Bundle(redacted.after), Bundle(redacted.before)
    assert bundle.withheld
    for name, commitment in bundle.withheld.items():
        folder, _, file = name.rpartition("/")
        found = Disclosure(**taken[f"{folder}/record.json", f"/evidence/{file}"])
        assert found.commitment == commitment
        assert found.value == original.digest(name)


def test_every_salt_is_its_own(redacted: Redacted) -> None:
    salts = [one["salt"] for one in json.loads(redacted.apart.read_bytes())["fields"]]
    assert len(set(salts)) == len(salts)
    assert all(len(salt) == 64 for salt in salts)


def test_what_cannot_be_redacted_is_said(redacted: Redacted, tmp_path: Path) -> None:
    """Identities that are mostly zeros cannot be told from other octets: captures are withheld then."""
    profile = emulated(tmp_path)
    out, bundle = tmp_path / "c", tmp_path / "b"
    assert assay("run", profile, "--case", f"{CASES[0]}/E", "--out", out).returncode == 0
    assert assay("seal", out, "--key", redacted.private, "--out", bundle).returncode == 0
    policy = tmp_path / "policy.yaml"
    words = ("redact", bundle, "--policy", policy, "--key", redacted.private, "--out", tmp_path / "r")
    policy.write_text("captures: rewrite")
    done = assay(*words, "--disclosures", tmp_path / "d")
    assert (done.returncode, "captures: withhold" in done.stderr) == (4, True)
    policy.write_text("capture: withhold")
    assert assay(*words, "--disclosures", tmp_path / "d").returncode == 4
    policy.write_text("captures: withhold")
    assert assay(*words, "--disclosures", tmp_path / "d").returncode == 0
    assert problems(tmp_path / "r", [redacted.public], rejudge=True) == ("", "")
    assert not any(name.endswith(".pcapng") for name in Bundle(tmp_path / "r").entries)


# --- pseudonyms --------------------------------------------------------------------------------------------


def hidden(**more: object) -> Pseudonyms:
    given_: dict[str, object] = {
        "plmn": PLMN,
        "first": FIRST,
        "count": 100,
        "addresses": ["192.0.2.17"],
        **more,
    }
    return Pseudonyms(b"secret", **given_)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.integers(0, 99), st.binary(max_size=20), st.binary(max_size=20))
def test_a_subscriber_is_replaced_in_every_spelling(number: int, before: bytes, after: bytes) -> None:
    names, msin = hidden(), str(int(FIRST) + number)
    for old in (f" {PLMN}{msin} ".encode(), f"-{msin}\x00".encode(), bcd(msin), b"\xc0\x00\x02\x11"):
        data = before + b"\xff" + old + b"\xff" + after
        new = names.octets(data)
        assert len(new) == len(data)
        assert old not in new or old in before + after
    text = names.text(f"imsi-{PLMN}{msin}")
    assert text.startswith(f"imsi-{PLMN}")
    assert len(text) == len(f"imsi-{PLMN}{msin}")
    assert msin not in text
    assert names.text(text) == text
    assert names.text(f"suci-0-999-70-0-0-0-{msin}").endswith(text.removeprefix(f"imsi-{PLMN}"))
    assert names.text((b"\x01" + bcd(msin)).hex()) == "01" + bcd(text.removeprefix(f"imsi-{PLMN}")).hex()


def test_pseudonyms_are_alike_in_form_and_never_in_value() -> None:
    names = hidden(texts=["Example-AMF 4"])
    assert {type(c.isdigit()) for c in names.of("a1")} == {bool}
    found = names.text("Example-AMF 4 at 192.0.2.17")
    assert "Example" not in found
    assert "192.0.2.17" not in found
    assert len(found) == len("Example-AMF 4 at 192.0.2.17")
    many = {names.text(f"imsi-{PLMN}{int(FIRST) + n}") for n in range(100)}
    assert len(many) == 100
    with pytest.raises(UsageError, match="too short"):
        hidden(texts=["abc"])
