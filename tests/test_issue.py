"""An issue-ready folder: what decided, cut out of the capture, and the words that go with it."""

import json
import random
import struct
from pathlib import Path

import pytest
from campaigns import REPLAY, campaign, command
from products import assay, emulated
from test_capture import run as tool
from test_reports import CASE, HOSTILE, make

from assay.evidence import PREFACE, Flow, Frame
from assay.files import digest
from drivers import capture
from drivers.excerpt import excerpt
from drivers.pcapng import COMMENT, PACKET, blocks, packet

N2 = Flow("sctp", ("127.0.0.1", 40000), ("127.0.0.1", 38412))
N12 = Flow("tcp", ("127.0.0.1", 39781), ("127.0.0.1", 40001), bench_opened=False)
N8 = Flow("tcp", ("127.0.0.1", 39783), ("127.0.0.1", 40002), bench_opened=False)
SETTINGS = bytes.fromhex("000000040000000000")


def http(kind: int, stream: int, body: bytes = b"x") -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, 4)) + struct.pack(">I", stream) + body


SENT, FROM = False, True
FRAMES = [
    (SENT, N2, b"ng setup", ""),  # 1
    (FROM, N12, PREFACE, ""),
    (SENT, N12, SETTINGS, ""),
    (FROM, N8, PREFACE, ""),
    (FROM, N12, http(1, 1), ""),  # 5: POST
    (FROM, N12, http(0, 1), ""),
    (SENT, N12, http(1, 1), ""),  # 7: 201
    (SENT, N12, http(0, 1), ""),
    (FROM, N8, http(1, 1), ""),
    (SENT, N2, b"uplink", ""),  # 10
    (FROM, None, b"nas", "deciphered from frame 10"),
    (FROM, N12, http(1, 3), ""),  # 12: PUT
    (FROM, N12, http(0, 3) + http(0, 3), ""),
    (SENT, N12, http(1, 3), ""),
    (SENT, N12, http(0, 3), ""),  # 15
    (SENT, N2, b"release", ""),
]


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    frames = [
        Frame(n * 0.01, received, flow, data, ppid=60, comment=comment)
        for n, (received, flow, data, comment) in enumerate(FRAMES)
    ]
    capture.write(tmp_path / "c.pcapng", frames, started=1_700_000_000.0, comment="a test")
    return (tmp_path / "c.pcapng").read_bytes()


@pytest.mark.parametrize(
    ("deciding", "kept"),
    [
        ([16], [16]),
        ([10], [10, 11]),  # what is ciphered goes with its cleartext
        ([11], [10, 11]),
        ([13], [2, 3, 5, 12, 13]),  # the table of its direction, and its own stream
        ([15], [2, 3, 7, 12, 13, 14, 15]),
        ([9], [4, 9]),
        ([1, 16], [1, 16]),
        ([0, 17, 99], []),
        ([], []),
    ],
)
def test_what_is_kept(whole: bytes, deciding: list[int], kept: list[int]) -> None:
    cut = excerpt(whole, deciding)
    assert cut.numbers == {old: new for new, old in enumerate(kept, 1)}
    was = [block for kind, block in blocks(whole) if kind == PACKET]
    now = [block for kind, block in blocks(cut.data) if kind == PACKET]
    assert len(now) == len(kept)
    for old, new in cut.numbers.items():
        interface, data, options = packet(now[new - 1])
        assert (interface, data) == packet(was[old - 1])[:2]
        assert now[new - 1][8:20] == was[old - 1][8:20]  # interface and time
        decides = ", decides" if old in deciding else ""
        assert options == [
            (COMMENT, f"frame {old} of the whole capture{decides}".encode()),
            *packet(was[old - 1])[2],
        ]
    heads = [block for kind, block in blocks(cut.data) if kind != PACKET]
    assert heads == [block for kind, block in blocks(whole) if kind != PACKET]


def test_broken_captures_are_refused_or_read(whole: bytes) -> None:
    """Whatever the octets are, nothing but ValueError comes of them."""
    chance, refused = random.Random(9), 0
    for n in range(3000):
        data = bytearray(whole[: chance.randrange(len(whole))] if n % 2 else whole)
        for _ in range(chance.randrange(1, 8)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            cut = excerpt(bytes(data), range(1, 20))
        except ValueError:
            refused += 1
        else:
            assert len(cut.data) <= len(data) + 60 * len(FRAMES)
    assert 0 < refused < 3000


def test_text(tmp_path: Path) -> None:
    one = make(tmp_path / "c")
    folder = one.folder(one.plan[1])
    frames = [Frame(0.0, True, N2, b"x", ppid=60)] * 40
    capture.write(folder / "capture.pcapng", frames, started=0.0)
    record = json.loads((folder / "record.json").read_bytes())
    record["evidence"]["capture.pcapng"] = digest(folder / "capture.pcapng")
    (folder / "record.json").write_text(json.dumps(record))
    done = command("issue", one.path, f"{CASE}/B", "--out", tmp_path / "issues")
    assert done.exit_code == 0, done.output
    (made,) = (tmp_path / "issues").iterdir()
    assert done.output == f"{made}\n"
    assert sorted(p.name for p in made.iterdir()) == ["deciding.pcapng", "issue.md"]
    text = (made / "issue.md").read_text().replace("\\", "")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "What is required",
        "What must be ready",
        "What is done",
        "It passes when",
        "What decided",
        "Run it again",
    ]
    assert f"campaign `{one.digest}`" in text
    assert "- Product: Example AMF 4.2.1" in text
    assert f"    assay run PROFILE --case {CASE}/B\n" in text
    assert "| capture.pcapng#<!-- -->29 | 1 | 1.117 | AMF under test | UE | REGISTRATION ACCEPT |" in text
    assert excerpt((made / "deciding.pcapng").read_bytes(), [1]).numbers == {1: 1}
    again = command("issue", one.path, f"{CASE}/B", "--out", tmp_path / "issues")
    assert (again.exit_code, "exists" in again.output) == (4, True)


def test_all_that_did_not_go_well(tmp_path: Path) -> None:
    one = make(tmp_path / "c")
    (one.folder(one.plan[1]) / "capture.pcapng").unlink()
    done = command("issue", one.path, CASE, "--out", tmp_path / "issues")
    assert (done.exit_code, "B: capture.pcapng is missing" in done.output) == (4, True)
    assert not (tmp_path / "issues").exists()
    done = command("issue", one.path, f"{CASE}/C", "--out", tmp_path / "issues")
    assert done.exit_code == 0
    text = (tmp_path / "issues" / f"{CASE}-C" / "issue.md").read_text()
    assert "## Controls that did not work" in text
    for wanted, said in (
        (f"{CASE}/A", "nothing to report of TC_UE_SEC_CAP_HANDLING_AMF: A PASS"),
        (f"{CASE}/NOT-RUN", "NOT-RUN NOT_RUN"),
        (REPLAY, f"{REPLAY} is not in this campaign, which holds {CASE}"),
        (f"{CASE}/Q", "is not in this campaign"),
        ("TC_NONE", "no test case 'TC_NONE'"),
    ):
        done = command("issue", one.path, wanted, "--out", tmp_path / "other")
        assert (done.exit_code, said in done.output) == (4, True), done.output


@pytest.mark.parametrize("text", HOSTILE[:-1], ids=[repr(t[:24]) for t in HOSTILE[:-1]])
def test_hostile_text_is_inert(tmp_path: Path, text: str) -> None:
    name = "lone surrogate" if "\ud800" in text else text
    campaign(
        tmp_path / "c", {f"{REPLAY}/A": f"FAIL: {name}"}, product={"name": name}, faults=(f"{name}\n```\n",)
    )
    done = command("issue", tmp_path / "c", REPLAY, "--out", tmp_path / "issues")
    assert done.exit_code == 0, done.output
    (made,) = (tmp_path / "issues").iterdir()
    said = (made / "issue.md").read_text()
    assert said.count("\n## ") == 6
    assert "\n```" not in said
    assert not any(c != "\n" and not c.isprintable() for c in said)


@pytest.mark.daemon
def test_tshark_reads_the_excerpt_as_it_reads_the_whole(tmp_path: Path) -> None:
    """A real run with a seeded fault: another decoder sees in the frames cut out what it sees in all."""
    profile = emulated(tmp_path / "p")
    case = "TC_RES_STAR_VERIFICATION_FAILURE/A"
    done = assay("run", profile, "--case", case, "--fault", "res-star-leaked", "--out", tmp_path / "c")
    assert done.returncode == 1, done.stdout
    assert command("issue", tmp_path / "c", case, "--out", tmp_path / "issues").exit_code == 0

    def read(path: Path) -> list[list[str]]:
        fields = ("frame.comment", "_ws.col.Protocol", "_ws.col.Info", "http2.headers.path")
        out = tool("tshark", "-r", str(path), "-T", "fields", *(f"-e{f}" for f in fields))
        return [line.split("\t") for line in out.splitlines()]

    whole = read(next((tmp_path / "c").rglob("capture.pcapng")))
    cut = read(next((tmp_path / "issues").rglob("deciding.pcapng")))
    assert 0 < len(cut) < len(whole) / 3
    for comment, *seen in cut:
        assert seen == whole[int(comment.split()[1]) - 1][1:]
    (deciding,) = [row for row in cut if row[0].endswith("decides")]
    assert "JSON" in deciding[1]
