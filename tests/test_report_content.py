"""What a report says beside verdicts: order, waivers, seals, evidence, bounds, colours that can be read."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from products import assay
from test_reports import CASE, EXPECTED, SPEC, Page, make, write

from assay import mapping
from assay.campaign import Campaign
from assay.errors import UsageError
from assay.reports import Context, content
from assay.reports.common import NOTHING, Seal
from assay.reports.fields import fields
from assay.reports.order import Order, load, schema
from assay.verdict import Outcome
from assay.waivers import Waiver

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "report.md").read_text("utf-8")
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return make(tmp_path / "c")


# --- the order --------------------------------------------------------------------------------------------


@pytest.fixture
def order(tmp_path: Path) -> Order:
    path = tmp_path / "order.yaml"
    path.write_text(EXAMPLE, "utf-8")
    return load(path)


def test_the_schema_is_the_one_that_is_shipped_and_holds_for_the_example(order: Order) -> None:
    shipped = json.loads((ROOT / "docs" / "order.schema.json").read_bytes())
    assert shipped == schema()
    jsonschema.validate(json.loads(order.model_dump_json(exclude_none=True)), shipped)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"laboratory": {"nam": "x"}}, shipped)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("customer:\n  nam: x\n", ":2: customer.nam: Extra inputs"),
        ("tested:\n- {name: A, day: soon}\n", ":2: tested.0.day:"),
        ("number: a\nnumber: b\n", ":1: the key 'number' stands twice"),
        ("number: ''\n", ":1: number: String should have at least 1"),
        ("- a\n", ":1: laboratory's order:"),
        ("number: [\n", "is a YAML mapping"),
    ],
)
def test_an_order_that_is_wrong_is_refused_by_line(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "order.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        load(path)
    assert f"{path}" in str(error.value)
    assert wrong in str(error.value)


def test_what_is_not_stated_is_said_to_be_missing(campaign: Campaign, order: Order) -> None:
    bare = fields(campaign, content.of(campaign, NOTHING), NOTHING)
    needed = [f.label for f in bare if f.needed and f.values is None]
    assert {"Laboratory", "Customer", "Tested by", "Reviewed by", "Authorised by"} <= {*needed}
    page = Page(write(campaign, "html"))
    assert page.values("class").count("missing") == len(needed) + 2  # and on page 1
    full = Context(order=order)
    stated = fields(campaign, content.of(campaign, full), full)
    assert [f.label for f in stated if f.needed and f.values is None] == []
    text = Page(write(campaign, "html", full)).text
    for part in ("Example Laboratory", "A. Tester, test engineer, 2026-11-24", "C. Head", "2026-017 ("):
        assert part in text
    assert f"not in the accredited scope: {CASE}" not in text


def test_an_empty_list_says_that_there_is_none(campaign: Campaign) -> None:
    def external(order: Order) -> tuple[str, ...] | None:
        context = Context(order=order)
        found = fields(campaign, content.of(campaign, context), context)
        return next(f.values for f in found if f.label == "Results from others")

    assert external(Order()) is None
    assert external(Order(external=())) == ("none",)


def test_the_order_never_reaches_a_verdict(campaign: Campaign, order: Order) -> None:
    def verdicts(context: Context) -> list[tuple[str, str]]:
        found = content.of(campaign, context)
        return [(line.verdict.outcome, line.verdict.reason) for case in found.cases for line in case.lines]

    waiver = Waiver.model_validate(
        {"case": CASE, "reason": "r", "owner": "o", "until": yaml.safe_load("2099-01-01")}
    )
    assert verdicts(NOTHING) == verdicts(Context(waivers=(waiver,), order=order))


# --- waivers, seals, evidence, coverage -------------------------------------------------------------------


def test_a_waiver_is_shown_beside_the_verdict(campaign: Campaign) -> None:
    waiver = Waiver.model_validate(
        {"case": CASE, "variant": "B", "reason": "<b>", "owner": "Op", "until": yaml.safe_load("2099-01-01")}
    )
    text = Page(write(campaign, "html", Context(waivers=(waiver,)))).text
    assert text.count("accepted by Op until 2099-01-01: <b>") == 2  # in the list and in its section
    assert "1 FAIL" not in text.partition("Result")[0]


def test_a_seal_is_named_and_said_to_be_unverified(campaign: Campaign) -> None:
    sealed = Page(write(campaign, "html", Context(seals=(Seal("tester", "0123456789abcdef"),)))).text
    assert "Sealed as tester" in sealed
    assert "a report verifies no signature" in sealed
    assert "no key vouches for it" in Page(write(campaign, "html")).text


def test_evidence_is_never_more_than_evidence(campaign: Campaign) -> None:
    found = content.of(campaign, NOTHING)
    text = Page(write(campaign, "html")).text
    assert "gives evidence for" in text
    assert not re.search(r"(?i)\b(fulfils|complies|compliant|certified|is secure)\b(?! one)", text)
    assert "it never fulfils one" in text
    assert [one.row.spec for one in found.evidence] == ["TS 33.512"]
    for scheme in found.schemes:
        for measure in scheme.measures:
            assert sum(measure.outcomes.values()) == (1 if measure.rows else 0)
            assert not measure.rows or set(measure.outcomes) == {Outcome.FAIL}  # of one case, its worst
    assert {m.id for s in found.schemes for m in s.measures} >= {"TM02", "I.2d", "21.2h", "CWE-294"}
    assert "SM03" not in {m.id for s in found.schemes for m in s.measures}
    assert mapping.digest() in text


def test_the_whole_catalogue_is_there(campaign: Campaign) -> None:
    found = content.of(campaign, NOTHING)
    assert sum(len(part.rows) for part in found.parts) == sum(found.statuses.values()) == 211
    here = [row.case.id for part in found.parts for row in part.rows if row.outcome]
    assert here == [CASE]
    text = Page(write(campaign, "html")).text
    for part in found.parts:
        assert all(row.case.id in text for row in part.rows)
    assert text.count("not tested") >= 210


# --- bounds -----------------------------------------------------------------------------------------------


def test_the_worst_have_sections_and_drawings(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "DETAILED", 3)
    monkeypatch.setattr(content, "DRAWN", 1)
    whole = write(campaign, "html")
    shown = re.findall(r'class="variant edge-(\w+)" id="([^"]+)"', whole)
    assert [outcome for outcome, _ in shown] == ["FAIL", "INCONCLUSIVE", "ERROR"]
    assert whole.count("<svg") == 1
    assert "The 3 worst of 6 variants" in whole
    assert "only the 1 worst variants have one" in whole
    rows = json.loads(re.findall(r'id="data">(.*?)</script>', whole)[0])["rows"]
    assert [row[1] for row in rows] == [*EXPECTED]  # the list is whole
    assert [bool(row[5]) for row in rows] == [False, True, True, True, False, False]


# --- colours ----------------------------------------------------------------------------------------------


def palettes() -> dict[str, dict[str, str]]:
    style = (ROOT / "assay" / "reports" / "report.css.jinja").read_text("utf-8")
    light, dark = re.findall(r":root\{(.*?)\}", style, re.DOTALL)
    read = re.compile(r"--(\w+):(#[0-9a-f]{3,6})\b")
    return {"light": dict(read.findall(light)), "dark": dict(read.findall(light)) | dict(read.findall(dark))}


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str) -> None:
    """WCAG 2.2 criterion 1.4.3: 4.5 to 1, for every pair of text and ground that the style uses."""
    colours = palettes()[scheme]
    pairs = [(text, ground) for text in ("fg", "soft", "link") for ground in ("bg", "pane")]
    pairs += [("fg", "mark"), ("soft", "mark"), ("fg", "sut")]
    pairs += [(outcome, f"{outcome}b") for outcome in Outcome] + [(outcome, "bg") for outcome in Outcome]
    for text, ground in pairs:
        high, low = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


def test_specification_keys_are_what_the_filter_offers(campaign: Campaign) -> None:
    assert f'<option value="{SPEC}">TS 33.512</option>' in write(campaign, "html")


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_takes_order_and_waivers(campaign: Campaign, tmp_path: Path) -> None:
    order, waivers, page = (tmp_path / name for name in ("order.yaml", "waivers.yaml", "report.html"))
    order.write_text(EXAMPLE, "utf-8")
    waivers.write_text(f"waivers:\n- {{case: {CASE}, reason: known, owner: Op, until: 2099-01-01}}\n")
    told = ("--format", "html", "--order", order, "--waivers", waivers, "--out", page)
    assert assay("report", campaign.path, *told).returncode == 0
    text = page.read_text("utf-8")
    assert "Example Laboratory" in text
    assert "accepted by Op until 2099-01-01: known" in text
    order.write_text("number: 1.5\nlab: x\n")
    refused = assay("report", campaign.path, *told)
    assert refused.returncode == 4
    assert f"{order}:2: lab: Extra inputs" in refused.stderr
    waivers.write_text(waivers.read_text().replace("2099", "2019"))
    assert (
        "expired on 2019-01-01"
        in assay("report", campaign.path, "--format", "html", "--waivers", waivers).stderr
    )
    assert "there are html, json" in assay("report", campaign.path, "--format", "docx").stderr
