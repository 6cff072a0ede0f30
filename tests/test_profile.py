"""A profile is read strictly, and a wrong one is answered with file, line and what would be right."""

import json
from pathlib import Path

import pytest

from assay import profile
from assay.errors import ProfileError

PROFILES = Path(__file__).parent.parent / "profiles"
GOOD = (PROFILES / "emulated.yaml").read_text()


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError) as caught:
        profile.load(path)
    return str(caught.value)


@pytest.mark.parametrize("name", ["emulated.yaml", "emulated-core.yaml", "open5gs.yaml", "open5gs-core.yaml"])
def test_shipped_profiles_are_valid(name: str) -> None:
    assert profile.load(PROFILES / name).functions["amf"].kind == "AMF"


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("timers:", "timer:", ["unknown key 'timer'", "did you mean 'timers'?"]),
        ("  answer_s: 3", "  answer_s: soon", ["timers.answer_s", "'soon'", "number"]),
        ("  tac: 1", "  tac: 99999999", ["network.tac", "less than or equal to 16777215"]),
        ('mcc: "999"', "mcc: 999", ["network.plmn.mcc", "three digits in quotes"]),
        ("k: file:emulated.k", "k: 465b5ce8b199b49faa5f0a2ee238a6bc", ["a secret never stands in a profile"]),
        ("address: 127.0.0.1\n", "address: localhost\n", ["functions.amf.n2.address", "no host name"]),
        ("via: command", "via: magic", ["lifecycle", "'magic'", "'manual', 'command'"]),
        ('sd: "0000A2"}', "sd: FFF}", ["network.nssaa_slice.sd", "should match pattern"]),
        ('nssaa_slice: {sst: 1, sd: "0000A2"}', "nssaa_slice: {sst: 1}", ["nssaa_slice is one of slices"]),
        ("class: AMF", "class: UPF", ["functions.amf.class", "'AMF'"]),
        ("product:", "nothing: 1\nproduct:", ["unknown key 'nothing'", "known here are product"]),
    ],
)
def test_a_wrong_profile_is_explained(tmp_path: Path, right: str, wrong: str, words: list[str]) -> None:
    assert right in GOOD
    text = GOOD.replace(right, wrong, 1)
    said = refused(tmp_path, text)
    line = text[: text.index(wrong)].count("\n") + 1
    assert f"wrong.yaml:{line}:" in said or f"wrong.yaml:{line + wrong.count(chr(10)) - 1}:" in said
    for word in words:
        assert word in said


def test_an_scp_and_a_core_belong_together(tmp_path: Path) -> None:
    whole = (PROFILES / "emulated-core.yaml").read_text()
    core = whole[whole.index("core:") : whole.index("features:")]
    scp = "  scp: {address: 127.0.0.1, port: 39719}\n"
    nrf = "  nrf: {address: 127.0.0.1, port: 39718}\n"
    for wrong in (whole.replace(core, ""), whole.replace(scp, nrf), whole.replace(scp, scp + nrf)):
        assert wrong != whole
        assert "peers.scp, and no other peer" in refused(tmp_path, wrong)
    assert "fqdn" in refused(tmp_path, whole.replace("port: 39713}", "port: 39713, fqdn: 'a b'}"))


def test_a_missing_key_and_a_double_key_are_named(tmp_path: Path) -> None:
    assert "the key 'product' is missing" in refused(tmp_path, GOOD[GOOD.index("functions:") :])
    assert "the key 'timers' stands twice" in refused(tmp_path, GOOD + "\ntimers: {answer_s: 1}\n")


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "a: [1\n", "x: &a [*a]\n", "\x00", "!!python/object:os.system x"]
)
def test_nonsense_is_no_profile(tmp_path: Path, text: str) -> None:
    assert "wrong.yaml" in refused(tmp_path, text)


def test_secrets_are_read_by_reference_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "k").write_text("00ff\n")
    monkeypatch.setenv("ASSAY_TEST_K", "0a0b")
    assert profile.secret("file:k", tmp_path) == b"\x00\xff"
    assert profile.secret("env:ASSAY_TEST_K", tmp_path) == b"\x0a\x0b"
    monkeypatch.setenv("ASSAY_TEST_K", "not-hex-secret")
    with pytest.raises(ProfileError) as caught:
        profile.secret("env:ASSAY_TEST_K", tmp_path)
    assert "not-hex-secret" not in str(caught.value)
    with pytest.raises(ProfileError, match="is not set"):
        profile.secret("env:ASSAY_NO_SUCH", tmp_path)


def test_the_shipped_schema_is_the_model() -> None:
    shipped = json.loads((PROFILES / "profile.schema.json").read_text())
    assert shipped == profile.schema(), "run: make schema"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("{file: a.log, command: [cat]}", ["from a file or by a command, not both"]),
        ("{records: {capability_mismatch: '(unclosed'}}", ["log.records.capability_mismatch", "no regular"]),
        ("{records: {capability_mismatch: '(?P<imsi>.)'}}", ["unknown group imsi; known are supi"]),
        ("{records: {mismatch: x}}", ["log.records.mismatch", "'capability_mismatch'"]),
        ("{time: {pattern: ^now}}", ["log.time.pattern", "put it in parentheses"]),
    ],
)
def test_a_wrong_log_is_explained(tmp_path: Path, log: str, words: list[str]) -> None:
    said = refused(tmp_path, f"{GOOD[: GOOD.index('log:')]}log: {log}")
    for word in words:
        assert word in said


def test_a_log_needs_somebody_who_reads_it(tmp_path: Path) -> None:
    manual = GOOD[: GOOD.index("lifecycle:")] + "log: {records: {}}\n"
    assert "give a file or a command" in refused(tmp_path, manual)
