"""Exports: valid by the schemas of others, and the same verdicts when read back, in the same bytes."""

import copy
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any

import gates
import pytest
from campaigns import Told
from readback import READERS, Key
from securesystemslib.signer import CryptoSigner
from test_reports import CASE, HOSTILE, SPEC, make

from assay import catalogue, rules
from assay.bundle import seal
from assay.campaign import Campaign, Planned
from assay.reports import FORMATS, Context, render
from assay.reports.common import one_line
from assay.reports.csv_ import cell
from assay.reports.export import VERDICTS, token
from assay.reports.order import Body, Order, Person
from assay.verdict import Outcome, Verdict
from assay.waivers import Waiver

CHECKED = ["csv", "cyclonedx", "json", "junit", "oscal", "oscal-catalog", "oscal-plan", "sarif"]
OSCAL = [name for name in CHECKED if name.startswith("oscal")]
WAIVED = Context(
    waivers=(
        Waiver(
            case=CASE, variant="B", reason="[see](x) {0} <b>", owner="=HYPERLINK()", until=date(2030, 1, 31)
        ),
        Waiver(case=CASE, variant=None, reason="one for all", owner="operations", until=date(2030, 2, 1)),
    )
)


def text_of(campaign: Campaign, name: str, context: Context = Context()) -> str:  # noqa: B008 - frozen
    found = render(campaign, name, context)
    assert isinstance(found, str)
    return found


def expected(campaign: Campaign) -> set[tuple[Key, str]]:
    return {
        ((p.spec, p.case, p.variant, p.target), result.verdict.outcome.value)
        for result in campaign.results()
        for p in [result.planned]
    }


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return make(tmp_path_factory.mktemp("every-outcome") / "c")


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Each variant of the whole catalogue on two targets, with one outcome after the other."""
    outcomes = cycle(Outcome)
    verdicts = {
        Planned(spec.key, case.id, case.slug, variant, target): Verdict(next(outcomes), "said by the test")
        for spec, case in catalogue.everything()
        for variant in [v.name for v in case.variants] or ["A"]
        for target in ("nf-1", "nf 2")
    }
    assert any(" " in planned.case for planned in verdicts)
    assert len(verdicts) > 400
    header = {"created": "2026-02-03T10:20:30+00:00", "rules": {"digest": "5" * 64}, "faults": ["smc-null"]}
    return Told.by(tmp_path_factory.mktemp("everything") / "c", header, verdicts)


# --- the table of verdicts --------------------------------------------------------------------------------


def test_the_table_of_verdicts_is_total_and_pass_alone_is_green() -> None:
    assert set(VERDICTS) == set(Outcome)
    for outcome, words in VERDICTS.items():
        green = outcome is Outcome.PASS
        assert (words.junit is None) is green
        assert (words.sarif == "pass") is green
        assert (words.oscal is not None and words.oscal[0] == "satisfied") is green
        assert (words.cyclonedx == "claims") is green
        assert (words.allure == "passed") is green
    failed = VERDICTS[Outcome.FAIL]
    assert [o for o, words in VERDICTS.items() if words.junit == failed.junit] == [Outcome.FAIL]
    assert [o for o, words in VERDICTS.items() if words.sarif == failed.sarif] == [Outcome.FAIL]


def test_every_format_is_checked_here() -> None:
    people = {"html", "md", "pdf"}
    assert set(FORMATS) - people == set(CHECKED)
    assert set(CHECKED) - set(READERS) == {"oscal-catalog", "oscal-plan"}


# --- schemas of others, and that they refuse --------------------------------------------------------------


@pytest.mark.parametrize("context", [Context(), WAIVED], ids=["plain", "waived"])
@pytest.mark.parametrize("name", CHECKED)
def test_exports_are_valid(campaign: Campaign, everything: Campaign, name: str, context: Context) -> None:
    for one in (campaign, everything):
        assert gates.complaints(name, text_of(one, name, context)) == []


def test_trestle_takes_every_oscal_document(campaign: Campaign, everything: Campaign) -> None:
    texts = [
        text_of(c, name, k) for c in (campaign, everything) for name in OSCAL for k in (Context(), WAIVED)
    ]
    assert gates.trestle([json.loads(text) for text in texts]) == [""] * len(texts)


Broken = Callable[[Any], Any]


def put(*path: Any) -> Broken:
    """Set what stands at a path of keys and indices to the last argument; ... takes it away."""
    *keys, last, value = path

    def broken(document: Any) -> Any:
        inner = document
        for key in keys:
            inner = inner[key]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value
        return document

    return broken


RESULT = ("assessment-results", "results", 0)
FINDING = (*RESULT, "findings", 0)
NEGATIVE_OSCAL: dict[str, tuple[str, Broken]] = {
    "no state of OSCAL": ("oscal", put(*FINDING, "target", "status", "state", "passed")),
    "no UUID": ("oscal", put(*FINDING, "uuid", "1")),
    "UUID of version 1": ("oscal", put(*FINDING, "uuid", "c232ab00-9414-11ec-b3c8-9f6bdeced846")),
    "no plan": ("oscal", put("assessment-results", "import-ap", ...)),
    "no results": ("oscal", put("assessment-results", "results", [])),
    "time without a zone": ("oscal", put(*RESULT, "start", "2026-02-03T10:20:30")),
    "line feed in a property": ("oscal", put(*FINDING, "props", 0, "value", "a\nb")),
    "empty property": ("oscal", put(*FINDING, "props", 0, "value", "")),
    "blank in a token": ("oscal", put(*FINDING, "target", "target-id", "TC A")),
    "finding about nothing": ("oscal", put(*FINDING, "target", ...)),
    "unknown member": ("oscal", put("assessment-results", "score", 100)),
    "unknown member on top": ("oscal", put("score", 100)),
    "observation never collected": ("oscal", put(*RESULT, "observations", 0, "collected", ...)),
    "plan without controls": ("oscal-plan", put("assessment-plan", "reviewed-controls", ...)),
    "plan without a system": ("oscal-plan", put("assessment-plan", "import-ssp", ...)),
    "control begins with a digit": (
        "oscal-catalog",
        put("catalog", "groups", 0, "controls", 0, "id", "33.512"),
    ),
    "control without a title": ("oscal-catalog", put("catalog", "groups", 0, "controls", 0, "title", ...)),
}
RUN = ("runs", 0)
NEGATIVE_SARIF: dict[str, Broken] = {
    "other version": put("version", "2.0.0"),
    "unknown kind": put(*RUN, "results", 0, "kind", "inconclusive"),
    "unknown level": put(*RUN, "results", 1, "level", "critical"),
    "no message": put(*RUN, "results", 0, "message", ...),
    "no tool": put(*RUN, "tool", ...),
    "unknown member": put(*RUN, "results", 0, "verdict", "PASS"),
    "no GUID": put(*RUN, "results", 0, "guid", "1"),
    "unknown suppression": put(*RUN, "results", 1, "suppressions", [{"kind": "waived"}]),
    "a pass with a level": put(*RUN, "results", 0, "level", "error"),
    "a pass without a level": put(*RUN, "results", 0, "level", ...),
    "a rule that is not there": put(*RUN, "results", 0, "ruleIndex", 99),
    "another rule": put(*RUN, "results", 0, "ruleId", "other"),
    "a placeholder": put(*RUN, "results", 0, "message", "text", "{0}"),
    "a link": put(*RUN, "results", 0, "message", "text", "[x](http://evil.example)"),
    "suppressions of one result alone": put(*RUN, "results", 0, "suppressions", []),
}
MAP = ("declarations", "attestations", 0, "map", 0)
NEGATIVE_CYCLONEDX: dict[str, Broken] = {
    "unknown member": put("score", 100),
    "unknown member deep inside": put(*MAP, "verdict", "PASS"),
    "score above one": put(*MAP, "conformance", "score", 2),
    "score in words": put(*MAP, "conformance", "score", "1"),
    "other version": put("specVersion", "9.9"),
    "serial number that is none": put("serialNumber", "1"),
    "kind of component that is none": put("metadata", "component", "type", "network product"),
    "no name": put("metadata", "component", "name", ...),
    "claim that is not there": put(*MAP, "claims", ["nowhere"]),
    "requirement that is not there": put(*MAP, "requirement", "nowhere"),
    "two of one name": put("declarations", "claims", 0, "bom-ref", "product"),
}
ONE = ("results", 0)
NEGATIVE_JSON: dict[str, Broken] = {
    "unknown verdict": put(*ONE, "verdict", "OK"),
    "unknown member": put(*ONE, "score", 1),
    "no reason": put(*ONE, "reason", ...),
    "waiver without an end": put(*ONE, "waiver", {"case": "x", "variant": None, "reason": "x", "owner": "x"}),
    "no counts": put("counts", ...),
    "negative count": put("counts", "PASS", -1),
    "no rules": put("campaign", "rules", ...),
    "other schema": put("schema", 1),
}
NEGATIVE_JUNIT: dict[str, tuple[str, str]] = {
    "properties in a test case": ("<system-out>", "<properties/><system-out>"),
    "unknown element": ("<system-out>", "<inconclusive/><system-out>"),
    "unknown attribute": ("<testcase ", '<testcase verdict="PASS" '),
    "no name": ("<testcase name=", "<testcase group="),
    "time too exact": (r'time="[0-9.]+">', 'time="1.23456">'),
    "no count": (r'(<testsuite name="[^"]*" tests="\d+") failures="\d+"', r"\1"),
    "property without a value": (r'(<property name="[^"]*") value="[^"]*"', r"\1"),
    "control character": ("verdict: PASS", "verdict: \x1b[2J"),
    "not closed": ("</testsuites>", ""),
}
NEGATIVE_CSV: dict[str, tuple[str, str]] = {
    "formula": ('"PASS"', '"=1+1"'),
    "formula after a semicolon": ('"PASS"', '"x;=1+1"'),
    "formula in full width": ('"PASS"', '"\uff1d1"'),
    "one cell less": ('"PASS",', ""),
    "bare quote": ('"PASS"', '"PA"SS"'),
    "control character": ('"PASS"', '"\x1b[2J"'),
    "unknown column": ('"verdict"', '"score"'),
}
NEGATIVE = [
    *((kind, name, broken) for name, (kind, broken) in NEGATIVE_OSCAL.items()),
    *(("sarif", name, broken) for name, broken in NEGATIVE_SARIF.items()),
    *(("cyclonedx", name, broken) for name, broken in NEGATIVE_CYCLONEDX.items()),
    *(("json", name, broken) for name, broken in NEGATIVE_JSON.items()),
]


@pytest.mark.parametrize(("kind", "name", "broken"), NEGATIVE, ids=[f"{k}: {n}" for k, n, _ in NEGATIVE])
def test_a_gate_refuses_a_broken_document(campaign: Campaign, kind: str, name: str, broken: Broken) -> None:
    whole = json.loads(text_of(campaign, kind))
    document = broken(copy.deepcopy(whole))
    assert document != whole, "the control changes nothing"
    assert gates.complaints(kind, json.dumps(document)), f"{kind} with {name} went through"


@pytest.mark.parametrize(
    ("kind", "pattern", "with_"),
    [
        *(pytest.param("junit", p, w, id=f"junit: {n}") for n, (p, w) in NEGATIVE_JUNIT.items()),
        *(pytest.param("csv", p, w, id=f"csv: {n}") for n, (p, w) in NEGATIVE_CSV.items()),
    ],
)
def test_a_gate_refuses_a_broken_text(campaign: Campaign, kind: str, pattern: str, with_: str) -> None:
    text = text_of(campaign, kind)
    broken = re.sub(
        pattern, with_.replace("\\1", "\x01").replace("\\", r"\\").replace("\x01", r"\1"), text, count=1
    )
    assert broken != text, "the control changes nothing"
    assert gates.complaints(kind, broken)


def test_trestle_refuses_every_broken_document(campaign: Campaign) -> None:
    documents = [broken(json.loads(text_of(campaign, kind))) for kind, broken in NEGATIVE_OSCAL.values()]
    taken = [name for name, told in zip(NEGATIVE_OSCAL, gates.trestle(documents), strict=True) if not told]
    assert taken == []


# --- read back --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [Context(), WAIVED], ids=["plain", "waived"])
@pytest.mark.parametrize("name", READERS)
def test_read_back_to_the_same_verdicts(
    campaign: Campaign, everything: Campaign, name: str, context: Context
) -> None:
    for one in (campaign, everything):
        found = list(READERS[name](text_of(one, name, context)))
        assert {(key, verdict) for key, verdict, _ in found} == expected(one)
        assert len(found) == len(one.plan)
        assert {verdict for _, verdict, green in found if green} == {"PASS"}
        assert {green for _, verdict, green in found if verdict == "PASS"} == {True}


def test_control_ids_are_of_the_catalogue(everything: Campaign) -> None:
    document = json.loads(text_of(everything, "oscal-catalog"))["catalog"]
    controls = [control for group in document["groups"] for control in group["controls"]]
    ids = [part["id"] for control in controls for part in [control, *control["parts"]]]
    assert len(controls) == 211
    assert len(ids) == len(set(ids))
    used = set()
    for name in ("oscal", "oscal-plan"):
        used |= set(re.findall(r'"(?:control|objective|target)-id": "([^"]+)"', text_of(everything, name)))
    assert used <= set(ids)


def test_what_oscal_refers_to_is_there(campaign: Campaign) -> None:
    for name in ("oscal", "oscal-plan"):
        text = text_of(campaign, name, WAIVED)
        declared = re.findall(r'"uuid": "([^"]+)"', text)
        assert len(declared) == len(set(declared))
        used = re.findall(r'"(?:observation-uuid|risk-uuid|subject-uuid|href)": "#?([0-9a-f-]{36})"', text)
        assert used
        assert set(used) <= set(declared)


def test_a_plan_is_bound_to_the_results(campaign: Campaign) -> None:
    (resource, *_) = json.loads(text_of(campaign, "oscal"))["assessment-results"]["back-matter"]["resources"]
    (bound,) = resource["rlinks"][0]["hashes"]
    assert bound["value"] == hashlib.sha256(text_of(campaign, "oscal-plan").encode()).hexdigest()


# --- waivers ----------------------------------------------------------------------------------------------


def test_a_waiver_is_shown_and_changes_nothing(campaign: Campaign) -> None:
    run = json.loads(text_of(campaign, "sarif", WAIVED))["runs"][0]
    (failed,) = [r for r in run["results"] if r["kind"] == "fail"]
    assert failed["level"] != "none"
    assert [s["status"] for s in failed["suppressions"]] == ["accepted"]
    assert "until 2030-01-31" in failed["suppressions"][0]["justification"]

    (result,) = json.loads(text_of(campaign, "oscal", WAIVED))["assessment-results"]["results"]
    assert {risk["status"] for risk in result["risks"]} == {"deviation-approved"}
    assert "2030-01-31T23:59:59+00:00" in {risk["deadline"] for risk in result["risks"]}
    assert [f["target"]["status"]["state"] for f in result["findings"]].count("satisfied") == 1

    rows = list(csv.DictReader(io.StringIO(text_of(campaign, "csv", WAIVED), newline="")))
    assert "accepted by =HYPERLINK() until 2030-01-31" in rows[1]["waiver"]
    assert all("operations" in row["waiver"] for row in rows if row["variant"] != "B")
    results = json.loads(text_of(campaign, "json", WAIVED))["results"]
    assert [r["waiver"]["until"] for r in results[:2]] == ["2030-02-01", "2030-01-31"]
    for name in CHECKED:
        if name != "oscal-catalog" and name != "oscal-plan":
            assert "2030-01-31" in text_of(campaign, name, WAIVED)
            assert "2030-01-31" not in text_of(campaign, name)


ORDER = Order(
    laboratory=Body(name="Example Laboratory"),
    customer=Body(name="Example Operator <b>"),
    tested=(Person(name="A. Tester"),),
    reviewed=(Person(name="B. Reviewer"),),
    authorised=(Person(name="B. Reviewer"),),
)


def test_who_answers_for_it_is_named(campaign: Campaign) -> None:
    context = Context(order=ORDER)
    document = json.loads(text_of(campaign, "oscal", context))
    held = document["assessment-results"]["metadata"]
    names = {party["uuid"]: party["name"] for party in held["parties"]}
    roles = {r["role-id"]: [names[u] for u in r["party-uuids"]] for r in held["responsible-parties"]}
    assert roles == {
        "laboratory": ["Example Laboratory"],
        "customer": ["Example Operator <b>"],
        "tested": ["A. Tester"],
        "reviewed": ["B. Reviewer"],
        "authorised": ["B. Reviewer"],
    }
    assert gates.oscal(document) == []
    assert gates.trestle([document]) == [""]
    cyclonedx = json.loads(text_of(campaign, "cyclonedx", context))
    assert cyclonedx["declarations"]["assessors"][0]["organization"]["name"] == "Example Laboratory"


# --- rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKED)
def test_the_rules_digest_is_in_every_export(everything: Campaign, name: str) -> None:
    text = text_of(everything, name)
    assert "5" * 64 in text
    assert rules.current()["digest"] in text


@pytest.mark.parametrize("name", CHECKED)
def test_a_sealed_bundle_gives_the_same_bytes(campaign: Campaign, tmp_path: Path, name: str) -> None:
    for out in (tmp_path / "folder", tmp_path / "archive.tar"):
        seal.create(campaign, out, CryptoSigner.generate_ed25519(), "tester", "")
        bundle = Campaign.open(out)
        assert bundle.path != campaign.path
        assert text_of(bundle, name) == text_of(campaign, name)


# --- hostile products -------------------------------------------------------------------------------------


def spoken(path: Path, text: str) -> Campaign:
    """The campaign of `make` in which a product says a text, be it one that no UTF-8 holds."""
    if "\ud800" not in text:
        return make(path, text)
    campaign = make(path, "SURROGATE")
    for file in campaign.path.rglob("*.json"):
        file.write_bytes(file.read_bytes().replace(b"SURROGATE", b"\\ud800 lone"))
    return Campaign.open(campaign.path)


@pytest.fixture(params=HOSTILE, ids=[repr(t[:24]) for t in HOSTILE])
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Campaign:
    return spoken(tmp_path / "c", request.param)


def test_hostile_text_leaves_every_export_valid_and_inert(hostile: Campaign) -> None:
    documents = []
    for name in CHECKED:
        text = text_of(hostile, name)
        assert gates.complaints(name, text) == [], name
        assert len(text) < 200_000 or name == "json"
        assert not re.search(
            "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text
        )
        if name in READERS:
            assert {(key, verdict) for key, verdict, _ in READERS[name](text)} == expected(hostile)
        if name in OSCAL:
            documents.append(json.loads(text))
            assert [t for t in marked_up(documents[-1]) if acting(t)] == []


MARKUP = ("title", "description", "prose", "remarks", "statement", "caption")
"""The members of OSCAL that are read as Markdown."""


def marked_up(found: Any) -> list[str]:
    if isinstance(found, list):
        return [text for one in found for text in marked_up(one)]
    if not isinstance(found, dict):
        return []
    mine = [value for key, value in found.items() if key in MARKUP and isinstance(value, str)]
    return mine + [text for value in found.values() for text in marked_up(value)]


def acting(text: str) -> bool:
    """Whether anything in a text would be markup."""
    return re.search(r"[<>`*\[\]!|~^$]", re.sub(r"\\.", "", text)) is not None


def test_the_search_for_markup_finds_it() -> None:
    assert acting("<b>")
    assert acting("see [x](y)")
    assert acting("a * b")
    assert not acting(r"see \[x\]\(y\) &#60;b&#62; 5G-EA, 1. 2")


def test_trestle_takes_what_a_hostile_product_says(tmp_path: Path) -> None:
    campaigns = [spoken(tmp_path / str(number), text) for number, text in enumerate(HOSTILE)]
    documents = [json.loads(text_of(c, name)) for c in campaigns for name in OSCAL]
    assert gates.trestle(documents) == [""] * len(documents)


@pytest.mark.parametrize("name", CHECKED)
def test_a_header_that_holds_nothing(tmp_path: Path, name: str) -> None:
    plans: tuple[dict[Planned, Verdict], ...] = (
        {},
        {Planned(SPEC, CASE, CASE, "A", "amf"): Verdict(Outcome.NOT_APPLICABLE, "declared so")},
        {Planned("ts_99_999", "TC OLD 1", "TC_OLD", "A B", "9 x"): Verdict(Outcome.FAIL, "")},
    )
    for number, verdicts in enumerate(plans):
        campaign = Told.by(tmp_path / str(number), {"created": "yesterday", "profile": []}, verdicts)
        text = text_of(campaign, name)
        assert gates.complaints(name, text) == []
        if name in READERS:
            assert {(key, verdict) for key, verdict, _ in READERS[name](text)} == expected(campaign)


def test_no_cell_acts() -> None:
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", " =1", "\uff1d1", "\u22121", '"=1'):
        assert cell(text).startswith("'"), text
    assert cell("a;=1") == "a;'=1"
    assert cell('a; "=1') == "a;' \"=1"
    assert [cell(t) for t in ("", "a=b", "5G-EA", "x @ y", "TC_A_B")] == [
        "",
        "a=b",
        "5G-EA",
        "x @ y",
        "TC_A_B",
    ]


def test_every_character_has_a_place_in_xml() -> None:
    legal = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
    for start in range(0, 0x110000, 256):
        text = "".join(map(chr, range(start, start + 256)))
        assert legal.fullmatch(one_line(text)), hex(start)


def test_tokens() -> None:
    assert token("ts_33_512", "TC_A-B") == "ts_33_512.TC_A-B"
    assert token("9 x", "\u00e4") == "_9_x._"
    assert token("", "") == "_._"
