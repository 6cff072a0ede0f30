"""Every outcome in every format, and nothing that a product sends acts in a report."""

import base64
import hashlib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as Xml

import pytest

from assay.campaign import Attempt, Campaign, Planned, Record
from assay.case import Control, Event, Watch, to_json
from assay.errors import UsageError
from assay.files import digest
from assay.reports import FORMATS, Context, render, sequence
from assay.reports.common import NOTHING, one_line, shown
from assay.verdict import Outcome, Verdict
from drivers.interfaces import Capability
from testsuites.ts_33_512.test_ue_sec_cap_handling import Seen

TEXTS = [name for name in FORMATS if name != "pdf"]  # which has tests of its own
SPEC, CASE = "ts_33_512", "TC_UE_SEC_CAP_HANDLING_AMF"
EXPECTED = {
    "A": Outcome.PASS,
    "B": Outcome.FAIL,
    "C": Outcome.INCONCLUSIVE,
    "D": Outcome.ERROR,
    "E": Outcome.NOT_APPLICABLE,
    "NOT-RUN": Outcome.NOT_RUN,
}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "]]></system-out><testcase name='forged'/>",
    "\x1b[2J\x1b[31mPASS\x1b]0;owned\x07",
    "\u202egnp.exe\u2066",
    "a\x00b\ufffe\uffff",
    "\ud800 lone surrogate",
    "e" + "\u0301" * 500,
    "| PASS | `forged` |\n| **row** | [x](http://evil.example) ![y](http://evil.example/y) @everyone #1",
    "</style><style>*{display:none}</style>",
    "../../../etc/passwd",
    "x" * 1_000_000,
]


def write(campaign: Campaign, name: str, context: Context = NOTHING) -> str:
    """A report that is text."""
    whole = render(campaign, name, context)
    assert isinstance(whole, str)
    return whole


# --- a campaign by hand -----------------------------------------------------------------------------------


def registration(ue: str, at: float, frame: int, accepted: bool, text: str = "") -> list[Event]:
    """The messages of one registration as the bench sees them, carriers included."""
    end = "REGISTRATION ACCEPT" if accepted else "REGISTRATION REJECT"
    auth = "POST /nausf-auth/v1/ue-authentications"
    confirm = "PUT /nausf-auth/v1/ue-authentications/{authCtxId}/5g-aka-confirmation"
    uecm = "PUT /nudm-uecm/v1/{ueId}/registrations/amf-3gpp-access"
    smc = {"header": 3, "mac_ok": True, "ea": 2, "ia": 2, "count": 0, "replayed_capability": "f0f0"}
    facts: dict[str, Any] = {"header": 2, "mac_ok": True, "count": 1}
    if not accepted:
        facts = {"header": 0, "cause": 23}
    script: list[tuple[bool, str, str, dict[str, Any]]] = [
        (False, "n1", "REGISTRATION REQUEST", {"header": 0}),
        (True, "n12", auth, {"body": {"supiOrSuci": "suci-0-999-70-0-0-0-1", "note": text}}),
        (False, "n12", "201 to POST /nausf-auth/v1/ue-authentications", {"status": 201}),
        (True, "n1", "AUTHENTICATION REQUEST", {"header": 0, "rand": "00" * 16}),
        (False, "n1", "AUTHENTICATION RESPONSE", {"header": 0, "res_star": "11" * 16}),
        (True, "n12", confirm, {"body": {"resStar": "11" * 16}}),
        (True, "n1", "SECURITY MODE COMMAND", smc),
        (False, "n1", "SECURITY MODE COMPLETE", {"header": 4, "count": 0, "mac_good": True}),
        (True, "n8", uecm, {"status": 201, text or "more": text}),
        (True, "n1", end, facts),
    ]
    out = []
    for step, (received, interface, name, facts_) in enumerate(script):
        when, ref = round(at + step * 0.013, 6), f"capture.pcapng#{frame + step}"
        if interface == "n1":
            carrier = (
                "INITIAL UE MESSAGE" if step == 0 else ("DOWN" if received else "UP") + "LINK NAS TRANSPORT"
            )
            out.append(Event(when, received, "n2", carrier, ref, ue, {"ran_ue_ngap_id": 1}))
        out.append(Event(round(when + 0.0001, 6), received, interface, name, ref, ue, facts_))
    return out


def seen(variant: str, accepted: bool, worked: bool, runs: int, text: str) -> Attempt:
    """Facts that the real judge of the case turns into PASS, FAIL or INCONCLUSIVE."""
    events = [
        e
        for run in range(runs)
        for e in registration("ue1", 1 + run, 20 + 20 * run, accepted and run == runs - 1, text)
        if run == runs - 1 or not e.name.startswith("REGISTRATION RE")
    ]
    control = Control("the same subscriber registered with 0xF0/0xF0", worked, text or "ue1 registered", 0.2)
    watch = Watch("a registration with the invalid capability", 30.0, tuple(events))
    return Attempt(to_json(Seen(Capability(0x00, 0xF0), control, watch, control)))


def make(path: Path, text: str = "", faults: tuple[str, ...] = (), runs: int = 1) -> Campaign:
    """A campaign with one variant an outcome; `text` stands wherever a product's or vendor's text may."""
    why = f"declared not supported (emergency): {text or 'the product is for a network without voice'}"
    decided = {"E": Verdict(Outcome.NOT_APPLICABLE, why)}
    plan = tuple(Planned(SPEC, CASE, CASE, v, "amf", decided.get(v)) for v in EXPECTED)
    feature = {"supported": False, "why": text or "the product is for a network without voice"}
    identity = {
        "name": text or "Example AMF",
        "vendor": text or "Example Ltd",
        "version": text or "4.2.1",
        "build": "",
    }
    header = {
        "created": "2026-02-03T10:20:30+00:00",
        "harness": "0.1.0",
        "environment": {"python": "3.11.2", "system": "Linux", "packages": {"h2": "4.3.0"}, "clock": text},
        "profile": {
            "product": identity,
            "functions": {"amf": {"class": "AMF", "n2": {"address": "192.0.2.1", "port": 38412}}},
            "network": {"plmn": {"mcc": "999", "mnc": "70"}, "tac": 1, "slices": [{"sst": 1, "sd": None}]},
            "features": {"emergency": feature},
        },
        "profile_sha256": "0" * 64,
        "catalogue": {SPEC: "1" * 64},
        "faults": list(faults),
    }
    campaign = Campaign.create(path, header, plan)
    problem = Verdict(
        Outcome.ERROR, f"the harness broke: OSError: {text or 'no route to host'}", ("capture.pcapng#1",)
    )
    for variant, outcome in EXPECTED.items():
        if outcome in (Outcome.NOT_APPLICABLE, Outcome.NOT_RUN):
            continue
        planned = plan[list(EXPECTED).index(variant)]
        folder = campaign.folder(planned)
        folder.mkdir(parents=True)
        (folder / "capture.pcapng").write_bytes(b"evidence of " + variant.encode())
        accepted, worked = outcome is Outcome.FAIL, outcome is not Outcome.INCONCLUSIVE
        attempts = () if outcome is Outcome.ERROR else (seen(variant, accepted, worked, runs, text),)
        campaign.write(
            planned,
            Record(
                spec=SPEC,
                case=CASE,
                variant=variant,
                target="amf",
                started=f"2026-02-03T10:2{len(attempts)}:00.000+00:00",
                seconds=12.3456,
                harness="0.1.0",
                attempts=attempts,
                problem=problem if outcome is Outcome.ERROR else None,
                evidence={"capture.pcapng": digest(folder / "capture.pcapng")},
                conditions={"timers": {"answer_s": 15.0, "watch_s": 10.0}, "faults": list(faults)},
            ),
        )
    return Campaign.open(path)


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return make(tmp_path / "c")


class Page(HTMLParser):
    """Start tags with their attributes, identifiers, and all text outside of style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._in: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._in.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if not self._in or self._in[-1] not in ("style", "script"):
            self.text += data

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def table_rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")][2:]


# --- what each format says --------------------------------------------------------------------------------


def test_fixture_has_every_outcome(campaign: Campaign) -> None:
    assert {r.planned.variant: r.verdict.outcome for r in campaign.results()} == EXPECTED
    assert set(EXPECTED.values()) == set(Outcome)


@pytest.mark.parametrize("name", TEXTS)
def test_same_folder_same_bytes(campaign: Campaign, name: str) -> None:
    assert write(campaign, name) == write(Campaign.open(campaign.path), name)


def test_unknown_format(campaign: Campaign) -> None:
    with pytest.raises(UsageError, match="html, json, junit, md"):
        write(campaign, "docx")


def test_json(campaign: Campaign) -> None:
    whole = json.loads(write(campaign, "json"))
    assert {r["variant"]: r["verdict"] for r in whole["results"]} == EXPECTED
    assert whole["counts"] == dict.fromkeys(Outcome, 1)
    folder = campaign.folder(campaign.plan[0])
    sha256 = digest(folder / "capture.pcapng")
    assert whole["results"][0]["evidence"] == [{"file": "capture.pcapng", "sha256": sha256, "problem": ""}]
    assert whole["results"][0]["seconds"] == 12.3456
    assert whole["results"][5]["evidence"] == []
    assert list(whole) == ["schema", "campaign", "counts", "findings", "results"]


def test_junit(campaign: Campaign) -> None:
    root = Xml.fromstring(write(campaign, "junit"))
    (suite,) = root
    for element in (root, suite):
        assert (element.get("tests"), element.get("failures"), element.get("errors")) == ("6", "1", "2")
    assert suite.get("skipped") == "2"
    assert re.fullmatch(r"\d+\.\d{1,3}", suite.get("time") or "")
    found = {}
    for test in suite.findall("testcase"):
        assert not test.findall("properties")
        kinds = [(c.tag, c.get("type")) for c in test if c.tag in ("failure", "error", "skipped")]
        found[(test.get("name") or "").partition("/")[2].partition(" ")[0]] = kinds
    assert found == {
        "A": [],
        "B": [("failure", "FAIL")],
        "C": [("error", "INCONCLUSIVE")],
        "D": [("error", "ERROR")],
        "E": [("skipped", "NOT_APPLICABLE")],
        "NOT-RUN": [("skipped", "NOT_RUN")],
    }
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert [properties[f"verdicts.{o}"] for o in Outcome] == ["1"] * 6


def test_markdown(campaign: Campaign) -> None:
    rows = table_rows(write(campaign, "md"))
    assert len(rows) == len(EXPECTED)
    for row, outcome in zip(rows, EXPECTED.values(), strict=True):
        cells = re.split(r"(?<!\\)\|", row)
        assert len(cells) == 8
        assert cells[1].replace("\\", "").split()[-1] == outcome


def test_html(campaign: Campaign) -> None:
    text = write(campaign, "html")
    page = Page(text)
    badges = Counter(c.split()[1] for c in page.values("class") if c.startswith("v v-"))
    for outcome in Outcome:
        assert badges[f"v-{outcome}"] >= 3  # count, table, card
        assert outcome.replace("_", " ") in page.text
    assert "Example AMF 4.2.1" in page.text
    assert "rule proposed by us" not in page.text.partition("Variant E")[0]
    assert "variant proposed by us, not in 3GPP's text" in page.text.partition("Variant E")[2]
    assert "did not work" in page.text
    assert re.search(r"211 test cases in 22 specifications: \d+ automated, \d+ planned", page.text)
    assert re.findall(r"[^ ]+ %", page.text) == ["(16.7 %", "(16.7 %"]  # what does not apply; no score


def test_only_the_script_that_the_policy_names_may_run(campaign: Campaign) -> None:
    whole = write(campaign, "html")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', whole)
    named = dict(re.findall(r"(script|style)-src &#39;sha256-([^&]*)&#39;", policy.replace("'", "&#39;")))
    for tag in ("style", "script"):
        inline = whole.rpartition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        assert base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode() == named[tag]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_deciding_message_is_marked(campaign: Campaign) -> None:
    page = Page(write(campaign, "html"))
    groups = [a["class"] for tag, a in page.tags if tag == "g"]
    assert (
        Counter(groups)["m decides"] == 2
    )  # the reject of A and the accept of B; C was decided by a control
    assert "REGISTRATION ACCEPT (decides)" in page.text
    assert page.values("href").count(f"records/{SPEC}/{CASE}/B/capture.pcapng") == 2  # as frame and as file


def test_links_lead_to_what_is_there(campaign: Campaign) -> None:
    page = Page(write(campaign, "html"))
    identifiers = page.values("id")
    assert len(identifiers) == len(set(identifiers))
    for href in page.values("href"):
        if href.startswith("#"):
            assert href[1:] in identifiers
        else:
            assert (campaign.path / unquote(href)).is_file()


@pytest.mark.parametrize("where", ["header", "records"])
@pytest.mark.parametrize("name", TEXTS)
def test_seeded_faults_are_said(tmp_path: Path, name: str, where: str) -> None:
    sentence = "seeded fault smc-null is on: this is a demonstration, not a product result"
    campaign = make(tmp_path / "faulty", faults=("smc-null",))
    paths = campaign.path.rglob("record.json") if where == "header" else [campaign.path / "campaign.json"]
    for path in paths:
        path.write_bytes(re.sub(rb'"faults": \[[^]]*\]', b'"faults": []', path.read_bytes()))
    faulty = write(Campaign.open(campaign.path), name)
    clean = write(make(tmp_path / "clean"), name)
    assert (
        (json.loads(faulty)["campaign"]["faults"] == ["smc-null"]) if name == "json" else sentence in faulty
    )
    assert "smc-null" not in clean
    assert sentence not in clean


def test_changed_evidence_is_said(campaign: Campaign) -> None:
    assert "not intact" not in write(campaign, "html")
    (campaign.folder(campaign.plan[1]) / "capture.pcapng").write_bytes(b"other")
    assert write(campaign, "html").count("not intact: capture.pcapng was changed") == 1
    problems = [r["evidence"][0]["problem"] for r in json.loads(write(campaign, "json"))["results"][:3]]
    assert problems == ["", "capture.pcapng was changed", ""]


def test_identity_follows_the_records(campaign: Campaign) -> None:
    before = json.loads(write(campaign, "json"))["campaign"]["id"]
    assert before in write(campaign, "html")
    path = campaign.folder(campaign.plan[0]) / "record.json"
    path.write_bytes(path.read_bytes().replace(b"12.3456", b"12.3457"))
    assert json.loads(write(campaign, "json"))["campaign"]["id"] != before


@pytest.mark.parametrize("name", TEXTS)
def test_bare_header(tmp_path: Path, name: str) -> None:
    plan = (
        Planned("ts_99_999", "TC_OLD", "TC_OLD", "A", "amf", Verdict(Outcome.NOT_APPLICABLE, "no such part")),
    )
    assert name == "oscal-catalog" or "no such part" in write(Campaign.create(tmp_path / "c", {}, plan), name)


# --- text from the product --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(t[:24]) for t in HOSTILE])
def test_hostile_text_is_inert(tmp_path: Path, text: str) -> None:
    if "\ud800" in text:  # a record is UTF-8: a lone surrogate comes as an escape in JSON
        campaign = make(tmp_path / "c", "SURROGATE")
        for path in campaign.path.rglob("*.json"):
            path.write_bytes(path.read_bytes().replace(b"SURROGATE", b"\\ud800 lone"))
        campaign = Campaign.open(campaign.path)
    else:
        campaign = make(tmp_path / "c", text)
    plain = Page(write(make(tmp_path / "plain", "harmless"), "html"))

    whole = write(campaign, "html")
    page = Page(whole)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert not {"img", "iframe", "object", "embed", "link", "base"} & {t for t, _ in page.tags}
    assert [a.get("type", "") for t, a in page.tags if t == "script"] == ["application/json", ""]
    assert not [n for _, a in page.tags for n in a if n.startswith("on") or n in ("src", "srcset", "style")]
    assert page.values("href") == plain.values("href")
    for href in page.values("href"):
        parts = urlsplit(href)
        assert not parts.scheme
        assert not parts.netloc
        assert ".." not in href
    style = whole.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in style
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", whole)
    assert len(whole) < 400_000

    root = Xml.fromstring(write(campaign, "junit"))
    assert len(root.findall(".//testcase")) == len(EXPECTED)
    assert [s.get("tests") for s in root] == ["6"]

    markdown = write(campaign, "md")
    rows = table_rows(markdown)
    assert len(rows) == len(EXPECTED)
    assert {len(re.split(r"(?<!\\)\|", row)) for row in rows} == {8}
    bare = re.sub(r"\\.", "", markdown.replace("<!-- -->", ""))
    assert "<" not in bare
    assert "://" not in bare
    assert not re.search(r"[@#]\w", re.sub(r"\\.|&#\d+;", "", markdown))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", markdown)

    whole_json = write(campaign, "json")
    assert json.loads(whole_json)["counts"] == dict.fromkeys(Outcome, 1)
    assert whole_json.isascii()
    for name in TEXTS:
        write(campaign, name).encode("utf-8")


def test_hostile_names_get_no_link(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c")
    path = campaign.folder(campaign.plan[1]) / "record.json"
    record = json.loads(path.read_bytes())
    record["evidence"] = {
        "../../x": "0" * 64,
        "javascript:alert(1)": "0" * 64,
        "a b": "0" * 64,
        "..": "0" * 64,
    }
    path.write_text(json.dumps(record))
    page = Page(write(campaign, "html"))
    assert "javascript:alert(1)" in page.text
    assert not [h for h in page.values("href") if "javascript" in h or "/B/" in h]


def test_shown() -> None:
    assert (
        shown("a\x1b[0m\x7f\u202eb\u200b\ud800\ue000")
        == "a⟨U+001B⟩[0m⟨U+007F⟩⟨U+202E⟩b⟨U+200B⟩⟨U+D800⟩⟨U+E000⟩"
    )
    assert shown("é ü 漢字 ✓") == "é ü 漢字 ✓"
    assert shown("e" + "\u0301" * 5) == "e" + "\u0301" * 3 + "⟨U+0301⟩" * 2
    assert shown("x" * 12, 10) == "x" * 10 + "… (2 more characters)"
    assert one_line(" a\n\n b ") == "a b"
    assert one_line("y" * 1_000_000, 10) == "y" * 10 + "… (999990 more characters)"


# --- the drawing ------------------------------------------------------------------------------------------


def test_carriers_are_not_drawn_apart() -> None:
    drawn = sequence.draw([Attempt({"events": to_json(registration("ue1", 0, 1, True))})], ())
    assert drawn is not None
    assert (drawn.messages, drawn.carriers, drawn.omitted) == (10, 6, 0)
    names = [row.event.name for row in drawn.rows if row.event]
    assert "DOWNLINK NAS TRANSPORT" not in names
    assert drawn.rows[0].facts == "security header 0; in INITIAL UE MESSAGE"
    assert [name for name, _ in drawn.lifelines] == [
        "UE",
        "gNB (bench)",
        "AMF under test",
        "AUSF (bench)",
        "UDM (bench)",
    ]
    assert (drawn.rows[0].sender, drawn.rows[0].receiver) == ("UE", "AMF under test")
    assert (drawn.rows[1].sender, drawn.rows[1].receiver) == ("AMF under test", "AUSF (bench)")


def test_an_event_is_drawn_once() -> None:
    events = to_json(registration("ue1", 0, 1, True))
    drawn = sequence.draw(
        [Attempt({"watches": [{"events": events}, {"events": events}], "one": events[-1]})], ()
    )
    assert drawn is not None
    assert drawn.messages == 10
    times = [row.event.at for row in drawn.rows if row.event]
    assert times == sorted(times)


@pytest.mark.parametrize("place", [0, 1, 250, 498, 499])
def test_a_long_sequence_keeps_what_decides(place: int) -> None:
    events = [Event(float(n), True, "n2", f"M{n}", f"capture.pcapng#{n}") for n in range(500)]
    drawn = sequence.draw([Attempt({"events": to_json(events)})], (f"capture.pcapng#{place}",))
    assert drawn is not None
    names = {row.event.name for row in drawn.rows if row.event}
    assert {f"M{n}" for n in (place - 1, place, place + 1) if 0 <= n < 500} <= names
    assert {"M0", "M499"} <= names
    assert len(names) <= sequence.MOST + 3
    assert len(names) + drawn.omitted == 500
    assert [row.event.name for row in drawn.rows if row.event and row.decides] == [f"M{place}"]


def test_a_flood_stays_bounded() -> None:
    events = [Event(float(n), True, f"x{n}", f"M{n}", f"capture.pcapng#{n}") for n in range(2000)]
    drawn = sequence.draw([Attempt({"events": to_json(events)})], [e.ref for e in events])
    assert drawn is not None
    assert len(drawn.rows) < 200
    assert len(drawn.lifelines) == 4
    assert len([r for r in drawn.rows if r.event]) + drawn.omitted == 2000


def test_facts_of_any_depth() -> None:
    deep: Any = to_json(Event(0.0, True, "n1", "DEEP", "capture.pcapng#1", "ue1", {}))
    for _ in range(5000):
        deep = [{"x": deep}]
    drawn = sequence.draw([Attempt({"seen": deep})], ())
    assert drawn is not None
    assert drawn.messages == 1
