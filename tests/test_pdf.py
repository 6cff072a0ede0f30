"""The PDF report: the same content as the HTML one, on pages that say what they belong to."""

import io
import re
from pathlib import Path

import pytest
from pypdf import PdfReader
from test_reports import CASE, EXPECTED, HOSTILE, make, write

from assay.campaign import Campaign
from assay.reports import Context, render
from assay.reports.common import identity
from assay.reports.order import Order
from assay.verdict import Outcome

MARKUP = [
    '#panic("x")',
    "#{1 + 1} = heading",
    "$ x^2 $ *bold* _soft_ `raw` <label> @ref // gone",
    '#image("/etc/passwd") #read("/etc/passwd")',
    "\u6f22\u5b57 \U0001f600 \u0645\u0631\u062d\u0628\u0627",
    "\\ #sym.checkmark ~ -- ---",
]
ORDER = Order.model_validate(
    {"number": "2026-017", "issued": "2026-12-01", "laboratory": {"name": "Example Lab"}}
)


def pages(whole: str | bytes) -> list[str]:
    """The text of each page, without the line ends that the layout made."""
    assert isinstance(whole, bytes)
    return [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(io.BytesIO(whole)).pages]


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return make(tmp_path / "c")


def test_every_page_says_what_it_belongs_to(campaign: Campaign) -> None:
    found = pages(render(campaign, "pdf", Context(order=ORDER)))
    assert len(found) > 5
    for number, text in enumerate(found, 1):
        assert f"3GPP SCAS test report 2026-017 ({identity(campaign)[:16]})" in text
        assert identity(campaign) in text.replace(" ", "")
        assert f"page {number} of {len(found)}" in text
    assert "end of report 2026-017" in found[-1]


def test_same_campaign_same_bytes(campaign: Campaign) -> None:
    first = render(campaign, "pdf", Context(order=ORDER))
    assert first == render(Campaign.open(campaign.path), "pdf", Context(order=ORDER))
    assert first != render(campaign, "pdf")


def test_it_is_for_archives_and_holds_nothing_that_acts(campaign: Campaign) -> None:
    whole = render(campaign, "pdf")
    assert isinstance(whole, bytes)
    reader = PdfReader(io.BytesIO(whole))
    (metadata,) = re.findall(rb"<x:xmpmeta.*</x:xmpmeta>", whole, re.DOTALL)
    assert b"<pdfaid:part>2</pdfaid:part>" in metadata
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in metadata
    assert not [page for page in reader.pages if "/Annots" in page]
    assert not {"/OpenAction", "/AA", "/AcroForm"} & set(reader.root_object)
    assert not {"/JavaScript", "/EmbeddedFiles"} & set(reader.root_object.get("/Names", {}))
    assert reader.metadata is not None
    assert reader.metadata.creation_date is not None
    assert reader.metadata.creation_date.isoformat().startswith("2026-02-03T10:20:30")


def test_it_says_what_the_html_report_says(campaign: Campaign) -> None:
    text = " ".join(pages(render(campaign, "pdf", Context(order=ORDER))))
    html = write(campaign, "html", Context(order=ORDER))
    for outcome in Outcome:
        assert outcome.replace("_", " ") in text
    titles = re.findall(r"<h2[^>]*>([^<]*)</h2>", html)
    assert len(titles) > 8
    renamed = {"Environment and versions": "Versions and digests"}
    for title in titles:
        assert renamed.get(title, title) in text
    assert text.count("not stated") == html.count("not stated")
    for variant in EXPECTED:
        assert f"Variant {variant} " in text
    assert CASE in text
    assert "did not work: the same subscriber registered" in text


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return pages(render(make(tmp_path_factory.mktemp("plain") / "c", "harmless"), "pdf"))


SHORT = [text for text in HOSTILE if len(text) < 200 and "\ud800" not in text]
TOGETHER = {"typst": MARKUP, "html": SHORT[:7], "terminal": SHORT[7:], "long": [HOSTILE[-1]]}


@pytest.mark.parametrize("together", TOGETHER.values(), ids=TOGETHER)
def test_no_text_is_markup(tmp_path: Path, plain: list[str], together: list[str]) -> None:
    found = pages(render(make(tmp_path / "c", " ; ".join(together)), "pdf"))
    text = "".join(found).replace(" ", "")
    for said in together:
        if len(said) < 500 and said.isascii() and said.isprintable():
            assert said.replace(" ", "") in text
    assert len(found) - len(plain) <= 20
    assert "root:x:" not in text
