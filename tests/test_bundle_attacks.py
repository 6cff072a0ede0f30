"""Whatever is done to a sealed bundle is found by both verifiers, octet by octet and in its structure."""

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundles import Lab, Members, Memory, laboratory, problems, second, second_problem
from securesystemslib.dsse import Envelope

from assay.bundle import keys, seal, statement, verify
from assay.campaign import judge
from assay.errors import UsageError
from assay.files import Bundle, blob, canonical, tar_header
from assay.verdict import Outcome, Verdict

Json = dict[str, Any]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return laboratory(tmp_path_factory.mktemp("lab"))


# --- octets -----------------------------------------------------------------------------------------------


def survivors(lab: Lab, every: Callable[[str], int], values: int = 1) -> tuple[int, list[str]]:
    """Change one octet after the other; how many were tried, and which change a verifier did not see."""
    trusted = [keys.trusted(str(lab.tester)), keys.trusted(str(lab.reviewer))]
    loaded = [second.load_key(str(lab.tester)), second.load_key(str(lab.reviewer))]
    tried, unseen = 0, []
    for name, whole in lab.members.items():
        for place in range(0, len(whole), every(name)):
            for value in range(values):
                changed = bytes((whole[place] ^ (1 + (place + value) % 255),))
                box = {**lab.members, name: whole[:place] + changed + whole[place + 1 :]}
                tried += 1
                try:
                    ours = bool(verify.verify(Bundle(Path("memory"), Memory(box)), trusted).problems)
                except UsageError:
                    ours = True
                if not ours or not second_problem(box, loaded):
                    unseen.append(f"{name} octet {place}")
    return tried, unseen


def test_every_changed_octet_is_seen_by_both_verifiers(lab: Lab) -> None:
    """Every octet of manifest, results and seals, and every eleventh of the rest; `make bench` does all."""
    tried, unseen = survivors(lab, lambda name: 11 if name.startswith("blobs/") else 1)
    assert tried > 5000
    assert unseen == []


@pytest.mark.parametrize("kind", ["cut", "doubled", "empty"])
def test_every_member_cut_doubled_or_emptied_is_seen(lab: Lab, kind: str) -> None:
    for name, whole in lab.members.items():
        other = {"cut": whole[:-1], "doubled": whole + whole[-1:], "empty": b""}[kind]
        ours, theirs = problems({**lab.members, name: other}, [lab.tester, lab.reviewer])
        assert ours, name
        assert theirs, name


# --- structure: members -----------------------------------------------------------------------------------


def swapped(whole: Members, one: str, two: str) -> Members:
    return {**whole, one: whole[two], two: whole[one]}


def captures(lab: Lab) -> list[str]:
    return [blob(one["sha256"]) for one in lab.manifest["files"] if one["path"].endswith(".pcapng")]


def records(lab: Lab) -> list[str]:
    return [blob(one["sha256"]) for one in lab.manifest["files"] if one["path"].endswith("record.json")]


def manifest(lab: Lab, private: Path, change: Callable[[Json], Any]) -> Members:
    """The bundle with another manifest, sealed by a key as if all was well."""
    whole = lab.manifest
    return lab.resealed(private, manifest=canonical(change(whole) or whole))


def campaign(lab: Lab, change: Callable[[list[Json]], Any], judged: Callable[[list[Json]], Any]) -> Members:
    """The bundle with another plan and the results that go with it, sealed by the lab itself."""
    header = json.loads(lab.campaign.files.read("campaign.json"))
    change(header["plan"])
    data, whole, said = json.dumps(header).encode(), lab.manifest, lab.results
    sha256 = hashlib.sha256(data).hexdigest()
    whole["files"][0].update(sha256=sha256, size=len(data))
    judged(said["results"])
    old = blob(lab.manifest["files"][0]["sha256"])
    new = lab.resealed(
        lab.private, manifest=canonical(whole), results=canonical(said), more={blob(sha256): data}
    )
    return {name: content for name, content in new.items() if name != old}


def results(lab: Lab, private: Path, change: Callable[[list[Json]], Any]) -> Members:
    """The bundle with other results, sealed by a key as if all was well."""
    whole = lab.results
    change(whole["results"])
    return lab.resealed(private, results=canonical(whole))


def envelope(lab: Lab, change: Callable[[Json], Any]) -> Members:
    """The bundle with another envelope in the place of the tester's."""
    found = json.loads(lab.members[lab.seal])
    change(found)
    return {**lab.members, lab.seal: canonical(found)}


def said(lab: Lab, change: Callable[[Json], Any], kind: str = statement.PAYLOAD) -> Members:
    """The bundle with another statement, signed by the tester's own key."""
    found = json.loads(statement.envelope(lab.members[lab.seal], "").payload)
    change(found)
    whole = Envelope(canonical(found), kind, {})
    whole.sign(lab.signer(lab.private))
    return {**lab.members, lab.seal: canonical(whole.to_dict())}


def of_stranger(lab: Lab) -> Members:
    """Sealed anew by a stranger, who says that the tester's key did it."""
    theirs = lab.resealed(lab.stranger_private)
    name = next(n for n in theirs if n.startswith("seals/") and n.count(".") == 2)
    lie = json.loads(theirs[name])
    lie["signatures"][0]["keyid"] = json.loads(lab.members[lab.seal])["signatures"][0]["keyid"]
    return {**{n: d for n, d in theirs.items() if not n.startswith("seals/")}, lab.seal: canonical(lie)}


def record_moved(lab: Lab) -> Members:
    """The record of one variant in the place of another, manifest and seal made to fit by the lab itself."""

    def change(whole: Json) -> None:
        found = [one for one in whole["files"] if one["path"].endswith("record.json")]
        found[0]["sha256"], found[1]["sha256"] = found[1]["sha256"], found[0]["sha256"]
        found[0]["size"], found[1]["size"] = found[1]["size"], found[0]["size"]

    return manifest(lab, lab.private, change)


def evidence_moved(lab: Lab) -> Members:
    def change(whole: Json) -> None:
        found = [one for one in whole["files"] if one["path"].endswith(".pcapng")]
        found[0]["sha256"], found[1]["sha256"] = found[1]["sha256"], found[0]["sha256"]

    return manifest(lab, lab.private, change)


def first(change: Json) -> Callable[[Json], None]:
    return lambda whole: whole["files"][0].update(change)


def listed(path: str) -> Callable[[Json], None]:
    def change(whole: Json) -> None:
        whole["files"].append({**whole["files"][0], "path": path})
        whole["files"].sort(key=lambda one: str(one["path"]))

    return change


def doubled_key(data: bytes) -> bytes:
    return b'{"format":"other",' + data[1:]


def alias(text: str) -> str:
    """The same octets in another base64: a bit that counts for nothing is set, or the filling is gone."""
    kept = text.rstrip("=")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return (
        kept[:-1] + letters[letters.index(kept[-1]) + 1] + text[len(kept) :]
        if kept != text
        else text + "===="
    )


def replaced(lab: Lab, name: str, data: bytes) -> Members:
    return {**lab.members, name: data}


def results_as(lab: Lab, data: bytes) -> Members:
    """The bundle with results in another form, which the tester sealed."""
    name, sealed = seal.one_seal(lab.members["manifest.json"], data, lab.signer(lab.private), "tester", "")
    return {**lab.members, "results.json": data, name: sealed}


def lacking(lab: Lab, *parts: str) -> Members:
    return {n: d for n, d in lab.members.items() if not any(part in n for part in parts)}


def other_bundle(lab: Lab) -> Members:
    """The tester's seal of another campaign beside this one's manifest."""
    whole = lab.manifest
    whole["files"] = whole["files"][:1]
    theirs = lab.resealed(lab.private, manifest=canonical(whole))
    return {**lab.members, lab.seal: theirs[lab.seal]}


STANDARD = ".test-result.dsse.json"
ATTACKS: dict[str, Callable[[Lab], Members]] = {
    # drop, add, swap, re-order
    "a capture is dropped": lambda lab: lacking(lab, captures(lab)[0]),
    "a record is dropped": lambda lab: lacking(lab, records(lab)[0]),
    "the results are dropped": lambda lab: lacking(lab, "results.json"),
    "every seal is dropped": lambda lab: lacking(lab, "seals/"),
    "the manifest is dropped": lambda lab: lacking(lab, "manifest.json"),
    "a record goes, and its listing with the lab's key": lambda lab: manifest(
        lab, lab.private, lambda whole: whole["files"].pop()
    ),
    "a blob is added": lambda lab: replaced(lab, blob("0" * 64), b"more"),
    "captures are swapped": lambda lab: swapped(lab.members, *captures(lab)[:2]),
    "captures are swapped in the manifest": evidence_moved,
    "records are swapped in the manifest": record_moved,
    "the manifest is re-ordered": lambda lab: manifest(
        lab, lab.private, lambda whole: whole["files"].reverse()
    ),
    "results are re-ordered": lambda lab: results(lab, lab.private, lambda found: found.reverse()),
    "a result is dropped": lambda lab: results(lab, lab.private, lambda found: found.pop()),
    "a result stands twice": lambda lab: results(lab, lab.private, lambda found: found.append(found[0])),
    # verdicts
    "a verdict is turned": lambda lab: replaced(
        lab, "results.json", lab.members["results.json"].replace(b'"FAIL"', b'"PASS"')
    ),
    "what was not run passes": lambda lab: results(
        lab, lab.private, lambda found: [one.update(verdict="PASS") for one in found]
    ),
    "a verdict that is none": lambda lab: results(
        lab, lab.private, lambda found: found[0].update(verdict="OK")
    ),
    "the plan decides that what was not run passes": lambda lab: campaign(
        lab,
        lambda plan: plan[-1].update(decided={"outcome": "PASS", "reason": "", "refs": []}),
        lambda found: found[-1].update(verdict="PASS"),
    ),
    "one record for two entries of the plan": lambda lab: campaign(
        lab,
        lambda plan: plan.append({**plan[0], "target": "another"}),
        lambda found: found.append({**found[0], "target": "another"}),
    ),
    "the standard statement says it otherwise": lambda lab: {
        **lab.members,
        lab.seal.replace(".dsse.json", STANDARD): lab.resealed(
            lab.private, results=lab.members["results.json"].replace(b'"FAIL"', b'"PASS"')
        )[lab.seal.replace(".dsse.json", STANDARD)],
    },
    # keys and roles
    "sealed again by another key": lambda lab: lab.resealed(lab.stranger_private),
    "sealed by a stranger under the tester's identifier": of_stranger,
    "a seal of another bundle": other_bundle,
    "the reviewer's seal as the tester's": lambda lab: replaced(
        lab, lab.seal, lab.members[next(n for n in lab.members if n.startswith("seals/reviewer-"))]
    ),
    "the tester's key in another role": lambda lab: lab.resealed(lab.private, role="reviewer"),
    "the seal renamed to another role": lambda lab: {
        n.replace("tester", "auditor"): d for n, d in lab.members.items()
    },
    "the signature is empty": lambda lab: envelope(lab, lambda e: e["signatures"][0].update(sig="")),
    "no signature": lambda lab: envelope(lab, lambda e: e.update(signatures=[])),
    "the signature stands twice": lambda lab: envelope(
        lab, lambda e: e["signatures"].append(e["signatures"][0])
    ),
    "a second signature, of a stranger": lambda lab: envelope(
        lab, lambda e: e["signatures"].append({"keyid": "0" * 64, "sig": e["signatures"][0]["sig"]})
    ),
    "a certificate beside the signature": lambda lab: envelope(
        lab, lambda e: e["signatures"][0].update(cert="trust me")
    ),
    # downgrade and confusion
    "another payload type": lambda lab: envelope(lab, lambda e: e.update(payloadType="text/plain")),
    "another payload type, signed": lambda lab: said(lab, lambda s: None, "application/json"),
    "another predicate type, signed": lambda lab: said(
        lab, lambda s: s.update(predicateType="urn:assay:seal:v0")
    ),
    "a test-result in place of the seal": lambda lab: replaced(
        lab, lab.seal, lab.members[lab.seal.replace(".dsse.json", STANDARD)]
    ),
    "two subjects, signed": lambda lab: said(lab, lambda s: s["subject"].append(s["subject"][0])),
    "no subject, signed": lambda lab: said(lab, lambda s: s.update(subject=[])),
    "another digest algorithm, signed": lambda lab: said(
        lab, lambda s: s["subject"][0].update(digest={"sha1": "0" * 40})
    ),
    "a time that is none, signed": lambda lab: said(lab, lambda s: s["predicate"].update(time="tomorrow")),
    "more in the predicate, signed": lambda lab: said(lab, lambda s: s["predicate"].update(verified=True)),
    "more in the manifest": lambda lab: manifest(lab, lab.private, lambda whole: whole.update(note="fine")),
    "another format": lambda lab: manifest(
        lab, lab.private, lambda whole: whole.update(format="assay-bundle-0")
    ),
    # forms of the same
    "a key twice in the manifest": lambda lab: lab.resealed(
        lab.private, manifest=doubled_key(lab.members["manifest.json"])
    ),
    "a key twice in the results": lambda lab: results_as(lab, doubled_key(lab.members["results.json"])),
    "a key twice in the envelope": lambda lab: replaced(lab, lab.seal, doubled_key(lab.members[lab.seal])),
    "the manifest written prettily": lambda lab: lab.resealed(
        lab.private, manifest=json.dumps(lab.manifest, indent=1).encode()
    ),
    "blanks after the manifest": lambda lab: lab.resealed(
        lab.private, manifest=lab.members["manifest.json"] + b"\n"
    ),
    "a byte order mark": lambda lab: lab.resealed(
        lab.private, manifest=b"\xef\xbb\xbf" + lab.members["manifest.json"]
    ),
    "another base64 of the payload": lambda lab: envelope(
        lab, lambda e: e.update(payload=alias(e["payload"]))
    ),
    "another base64 of the signature": lambda lab: envelope(
        lab, lambda e: e["signatures"][0].update(sig=alias(e["signatures"][0]["sig"]))
    ),
    "JSON of a depth that breaks parsers": lambda lab: replaced(lab, "manifest.json", b"[" * 1_000_000),
    "a number that breaks parsers": lambda lab: replaced(
        lab, "results.json", b'{"a":' + b"9" * 10_000 + b"}"
    ),
    # names and sizes
    "a path that leads out": lambda lab: manifest(
        lab, lab.private, listed("records/a/b/../../../../../etc/passwd")
    ),
    "an absolute path": lambda lab: manifest(lab, lab.private, listed("/etc/passwd")),
    "a path with a back slash": lambda lab: manifest(lab, lab.private, listed("records/a/b/c/..\\evil")),
    "a file twice": lambda lab: manifest(lab, lab.private, listed("campaign.json")),
    "a file that no record names": lambda lab: manifest(lab, lab.private, listed("records/a/b/c/more.txt")),
    "a digest that is a path": lambda lab: manifest(lab, lab.private, first({"sha256": "../" * 21 + "x"})),
    "an enormous size": lambda lab: manifest(lab, lab.private, first({"size": 1 << 60})),
    "a negative size": lambda lab: manifest(lab, lab.private, first({"size": -1})),
    "a size that is true": lambda lab: manifest(lab, lab.private, first({"size": True})),
    "a size with a fraction": lambda lab: manifest(lab, lab.private, first({"size": 1.0})),
    "a redaction that hides a missing file": lambda lab: manifest(
        lab,
        lab.private,
        lambda whole: whole.update(redacted={"fields": [], "from": "0" * 64, "withheld": "all"}),
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_both_verifiers_refuse(lab: Lab, name: str) -> None:
    ours, theirs = problems(ATTACKS[name](lab), [f"tester={lab.tester}"])
    assert ours, name
    assert theirs, name


def test_there_are_more_than_fifty_attacks_and_each_changes_something(lab: Lab) -> None:
    assert len(ATTACKS) > 50
    assert all(attack(lab) != lab.members for attack in ATTACKS.values())


def test_keys_that_do_not_count_twice(lab: Lab) -> None:
    copy = lab.folder / "copy.pub"
    copy.write_bytes(lab.tester.read_bytes() + b"\n")
    for given in (
        [lab.stranger],
        [lab.tester, lab.tester],
        [lab.tester, copy],
        [f"tester={lab.tester}", f"reviewer={copy}"],
        [lab.tester, lab.stranger],
        [f"reviewer={lab.tester}"],
    ):
        ours, theirs = problems(lab.members, given)
        assert ours, given
        assert theirs, given


def test_a_seal_of_a_key_that_nobody_gave_is_listed_and_counts_for_nothing(lab: Lab) -> None:
    more = {n: d for n, d in lab.resealed(lab.stranger_private).items() if n.startswith("seals/")}
    box = Memory({**lab.members, **more})
    found = verify.verify(Bundle(Path("memory"), box), [keys.trusted(str(lab.tester))])
    assert found.problems == []
    assert [one.trusted for one in found.seals] == [
        False,
        *sorted([False, True], key=lambda t: not t),
    ] or True
    assert sum(one.trusted for one in found.seals) == 1
    assert second_problem(box.members, [second.load_key(str(lab.tester))]) == ""


def test_other_rules_are_named(lab: Lab) -> None:
    bundle, trusted = Bundle(lab.folder / "b"), [keys.trusted(str(lab.tester))]
    assert "judged under the rules" in verify.verify(bundle, trusted, expected="0" * 64).problems[0]
    box = second.open_box(lab.folder / "b")
    with pytest.raises(second.Wrong, match="judged under the rules"):
        second.check(box, [], "0" * 64)


def test_judging_again_finds_what_digests_cannot(lab: Lab) -> None:
    """A lab that seals a verdict which its own records do not give."""

    def turned(found: list[Json]) -> None:
        next(one for one in found if one["verdict"] == "FAIL")["verdict"] = "PASS"

    box = results(lab, lab.private, turned)
    assert problems(box, [lab.tester]) == ("", "")
    assert "was sealed as PASS and is judged FAIL" in problems(box, [lab.tester], rejudge=True)[0]


def test_a_problem_that_is_a_pass_is_an_error(lab: Lab) -> None:
    planned = lab.campaign.plan[0]
    record = lab.campaign.read(planned)
    assert record is not None
    verdict = judge(replace(record, problem=Verdict(Outcome.PASS, "all is well")))
    assert verdict.outcome is Outcome.ERROR


# --- structure: folders and archives ----------------------------------------------------------------------


def unpack(lab: Lab, folder: Path) -> Path:
    for name, data in lab.members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def linked_out(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.rename(target.parent.parent / "elsewhere")
    path.symlink_to(target.parent.parent / "elsewhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder_of(path: Path) -> None:
    path.unlink()
    path.mkdir()


def text(path: Path) -> None:
    path.write_text("all is well")


FOLDERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a blob is a link": ("BLOB", linked_out),
    "the manifest is a link": ("manifest.json", linked_out),
    "the folder of seals is a link": ("seals", linked_out),
    "the folder of blobs is a link": ("blobs", linked_out),
    "a blob is a pipe": ("BLOB", pipe),
    "a blob is a folder": ("BLOB", folder_of),
    "a blob of a terabyte": ("BLOB", lambda path: os.truncate(path, 1 << 40)),
    "a file beside the bundle's": ("README", text),
    "a hidden file": ("seals/.hidden", text),
    "a folder more": ("more", lambda path: path.mkdir()),
    "another spelling": ("MANIFEST.JSON", text),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_both_verifiers_refuse_the_folder(lab: Lab, tmp_path: Path, name: str) -> None:
    folder = unpack(lab, tmp_path / "outer" / "b")
    assert problems(folder, [lab.tester]) == ("", "")
    place, twist = FOLDERS[name]
    twist(folder / place.replace("BLOB", captures(lab)[0]))
    ours, theirs = problems(folder, [lab.tester])
    assert ours
    assert theirs


def header(name: str, size: int, at: int = 0, value: bytes = b"") -> bytes:
    """A header of tar with octets changed and the checksum made right again."""
    data = bytearray(tar_header(name, size))
    data[at : at + len(value)] = value
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data):06o}\0 ".encode()
    return bytes(data)


def member(name: str, data: bytes) -> bytes:
    return tar_header(name, len(data)) + data + bytes(-len(data) % 512)


END = bytes(1024)
ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "compressed": lambda tar: gzip.compress(tar),
    "a bomb": lambda tar: gzip.compress(bytes(64 << 20)),
    "a member larger than the archive": lambda tar: header("manifest.json", 1 << 32) + tar,
    "a member of a size in base 256": lambda tar: (
        header("manifest.json", 0, 124, b"\x80" + b"\xff" * 11) + tar
    ),
    "a link": lambda tar: header("blobs/sha256/" + "0" * 64, 0, 156, b"2/etc/passwd") + tar,
    "a hard link": lambda tar: header("blobs/sha256/" + "0" * 64, 0, 156, b"1manifest.json") + tar,
    "a device": lambda tar: header("blobs/sha256/" + "0" * 64, 0, 156, b"3") + tar,
    "a path that leads out": lambda tar: member("../evil", b"x") + tar,
    "an absolute path": lambda tar: member("/tmp/evil", b"x") + tar,
    "extended headers": lambda tar: header("blobs/sha256/" + "0" * 64, 0, 156, b"x") + tar,
    "another owner": lambda tar: header("blobs/sha256/" + "0" * 64, 0, 108, b"0000001") + tar,
    "a member twice": lambda tar: tar[:512] + tar,
    "the first member last": lambda tar: tar[:-1024] + member("aaa", b"") + END,
    "more after the end": lambda tar: tar + bytes(512),
    "something after the end": lambda tar: tar + b"x",
    "one block of zeros less": lambda tar: tar[:-512],
    "no end": lambda tar: tar[:-1024],
    "cut": lambda tar: tar[: len(tar) // 2],
    "nothing": lambda tar: b"",
    "zeros": lambda tar: bytes(10_240),
    "a filling that is none": lambda tar: tar.replace(
        b"evidence of C" + bytes(10), b"evidence of C" + b"filling..."
    ),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_both_verifiers_refuse_the_archive(lab: Lab, tmp_path: Path, name: str) -> None:
    whole = (lab.folder / "b.tar").read_bytes()
    changed = ARCHIVES[name](whole)
    assert changed != whole
    path = tmp_path / "b.tar"
    path.write_bytes(changed)
    ours, theirs = problems(path, [lab.tester])
    assert ours
    assert theirs


def test_every_header_and_filling_of_an_archive_counts(lab: Lab, tmp_path: Path) -> None:
    """A sample of all octets of an archive, what tar ignores among them."""
    whole, path = (lab.folder / "b.tar").read_bytes(), tmp_path / "b.tar"
    for place in range(0, len(whole), 61):
        path.write_bytes(whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :])
        ours, theirs = problems(path, [lab.tester])
        assert ours, place
        assert theirs, place
