"""The HTML report in a real browser: filters, keyboard, print, widths, colours, and inert strings."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import axe_playwright_python
import pytest
from campaigns import Told
from playwright.sync_api import Browser, Page, expect, sync_playwright
from test_reports import CASE, EXPECTED, HOSTILE, SPEC, make, write

from assay import catalogue
from assay.campaign import Planned
from assay.reports import Context
from assay.verdict import Outcome, Verdict
from assay.waivers import Waiver

pytestmark = pytest.mark.daemon

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}
ROWS = "#results tbody tr:not(.group)"
OPEN_ALL = "document.querySelectorAll('details:not([id])').forEach((d) => { d.open = true; })"
DAY = "2099-12-31"


@dataclass
class Opened:
    """A page with everything it did that a report must not do."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def rows(self) -> list[str]:
        """Verdicts of the rows that are shown."""
        return [text.split()[-1] for text in self.page.locator(f"{ROWS} .v").all_inner_texts()]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        missing = "chromium is not installed"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=[*QUIET])
        yield chromium
        chromium.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Open a report from a file; at the end, that it asked nobody for anything and nothing complained."""
    contexts, pages = [], []

    def show(
        text: str, fragment: str = "", width: str = "desktop", dark: bool = False, script: bool = True
    ) -> Opened:
        path = tmp_path / "report.html"
        path.write_text(text, "utf-8")
        size = WIDTHS[width]
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        contexts.append(context)
        opened = Opened(context.new_page())
        page = opened.page
        page.on("request", lambda request: opened.requests.append(request.url.partition("#")[0]))
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))
        page.on("popup", lambda popup: opened.complaints.append(f"popup {popup.url}"))

        def dialog(found: object) -> None:
            opened.complaints.append(f"dialog {found}")
            found.dismiss()  # type: ignore[attr-defined]

        page.on("dialog", dialog)
        page.goto(path.as_uri() + fragment)
        pages.append((opened, path.as_uri()))
        return opened

    yield show
    for opened, uri in pages:
        assert set(opened.requests) == {uri}
        assert opened.complaints == []
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One variant an outcome, and a waiver for the one that failed."""
    waiver = Waiver.model_validate(
        {"case": CASE, "variant": "B", "reason": "mended in 4.3", "owner": "Operator", "until": DAY},
        strict=False,
    )
    return write(make(tmp_path_factory.mktemp("six") / "c"), "html", Context(waivers=(waiver,)))


def many(path: Path, number: int) -> Told:
    """A campaign of any size over the variants of the whole catalogue."""
    kinds = [o for o in Outcome if o is not Outcome.NOT_RUN]
    every = ((spec, case, variant) for spec, case in catalogue.everything() for variant in case.variants)
    known = list(every)
    verdicts = {}
    for n in range(number):
        spec, case, variant = known[n % len(known)]
        planned = Planned(spec.key, case.id, case.slug, variant.name, f"nf{n // len(known)}")
        verdicts[planned] = Verdict(kinds[n % len(kinds)], f"reason {n}")
    return Told.by(path, {}, verdicts)


# --- filters ----------------------------------------------------------------------------------------------


def test_filters_by_verdict_severity_interface_and_text(show: Callable[..., Opened], tmp_path: Path) -> None:
    campaign = many(tmp_path / "c", 400)
    opened = show(write(campaign, "html"))
    page = opened.page
    entry = {(spec.key, case.id): case for spec, case in catalogue.everything()}
    planned = [(p, entry[p.spec, p.case]) for p in campaign.plan]

    page.get_by_role("checkbox", name="FAIL").check()
    page.get_by_role("checkbox", name="INCONCLUSIVE").check()
    assert set(opened.rows()) == {"FAIL", "INCONCLUSIVE"}
    assert len(opened.rows()) == 160
    assert page.locator("#shown").inner_text() == (
        "Filtered: 160 of 400 variants are shown: 80 FAIL, 80 INCONCLUSIVE."
    )
    page.get_by_role("checkbox", name="critical").check()
    page.locator("#filter [name=interface]").select_option("n2")
    wanted = [
        p
        for p, case in planned
        if campaign.verdicts[p].outcome in ("FAIL", "INCONCLUSIVE")
        and case.severity == "critical"
        and "n2" in case.interfaces
    ]
    assert len(opened.rows()) == len(wanted) > 0
    page.locator("#filter [name=spec]").select_option(SPEC)
    assert len(opened.rows()) == len([p for p in wanted if p.spec == SPEC])
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#shown")).to_have_text(re.compile("^All 400"))
    assert len(opened.rows()) == 400
    page.locator("#filter [name=text]").fill("REASON 39")
    assert len(opened.rows()) == 11  # 39, 390 to 399
    assert page.locator("section.variant").count() == 400
    assert page.locator("section.variant:not([hidden])").count() == 11


def test_the_address_keeps_the_filters(show: Callable[..., Opened], report: str) -> None:
    opened = show(report)
    page = opened.page
    page.get_by_role("checkbox", name="FAIL").check()
    page.locator("#filter [name=text]").fill("accept")
    assert page.evaluate("location.hash") == "#?verdict=FAIL&text=accept"
    again = show(report, "#?verdict=FAIL&text=accept")
    assert again.page.get_by_role("checkbox", name="FAIL").is_checked()
    assert again.page.locator("#filter [name=text]").input_value() == "accept"
    assert again.rows() == opened.rows() == ["FAIL"]
    again.page.goto(again.page.url.partition("#")[0] + f"#{SPEC}-{CASE}-A")  # what the filter hides
    expect(again.page.locator("section.variant[hidden]")).to_have_count(0)
    assert len(again.rows()) == len(EXPECTED)


@pytest.mark.parametrize(
    "fragment", ["#?verdict=%3Cimg%20src=x%20onerror=alert(1)%3E", "#?spec=x&text=<b>", "#?", "#x"]
)
def test_an_address_made_by_others_is_harmless(
    show: Callable[..., Opened], report: str, fragment: str
) -> None:
    page = show(report, fragment).page
    assert page.locator("img").count() == 0
    assert page.locator("#shown").is_visible()


def test_ten_thousand_rows(show: Callable[..., Opened], tmp_path: Path) -> None:
    opened = show(write(many(tmp_path / "c", 10_000), "html"))
    page = opened.page
    assert len(opened.rows()) == 500
    page.get_by_role("button", name="Show 500 more of 10000").press("Enter")
    assert len(opened.rows()) == 1000
    assert (
        page.evaluate(
            "[...document.querySelectorAll('#results tbody tr:not(.group)')].indexOf(document.activeElement)"
        )
        == 500
    )
    page.get_by_role("checkbox", name="ERROR").check()
    assert set(opened.rows()) == {"ERROR"}
    assert page.locator("#shown").inner_text() == "Filtered: 2000 of 10000 variants are shown: 2000 ERROR."
    page.locator("#filter [name=text]").fill("reason 9999")
    page.get_by_role("checkbox", name="ERROR").uncheck()
    assert len(opened.rows()) == 1


# --- keyboard, print, widths, colours ---------------------------------------------------------------------


def test_keyboard_alone(show: Callable[..., Opened], report: str) -> None:
    opened = show(report)
    page = opened.page

    def focused() -> str:
        return str(page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))

    page.keyboard.press("Tab")
    assert "Skip to the results" in focused()
    assert page.get_by_role("link", name="Skip to the results").is_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # the link to the coverage
    for _ in range(2):
        page.keyboard.press("Tab")
    assert 'value="ERROR"' in focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Space")
    assert opened.rows() == ["ERROR"]
    reached = ""
    for _ in range(60):
        page.keyboard.press("Tab")
        reached += focused()
    for expected in (
        'name="severity"',
        'name="spec"',
        'name="interface"',
        'name="text"',
        "reset",
        "<summary",
    ):
        assert expected in reached
    summary = page.locator("section.variant:not([hidden]) summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert summary.evaluate("e => e.parentElement.open")


def test_print_shows_what_the_screen_folds(show: Callable[..., Opened], report: str, tmp_path: Path) -> None:
    page = show(report).page
    page.emulate_media(media="print")
    assert not page.locator("#filter").is_visible()
    folded = page.locator("details:not([open]) svg.seq").first
    assert folded.count() == 1
    box = folded.bounding_box()
    assert box is not None
    assert box["height"] > 100
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_accessible(show: Callable[..., Opened], report: str, width: str, dark: bool) -> None:
    page = show(report, width=width, dark=dark).page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # nothing runs out of the page
    luminance = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 128")
    assert luminance is dark
    page.evaluate(OPEN_ALL)
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document)")
    assert len(found["passes"]) > 20
    bad = [
        (v["id"], v["impact"], v["nodes"][0]["html"], v["nodes"][0]["failureSummary"])
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]
    assert bad == []


def test_axe_would_say_so(show: Callable[..., Opened], report: str) -> None:
    page = show(report.replace('<html lang="en">', "<html>")).page
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {runOnly: ['wcag2a']})")
    assert [(v["id"], v["impact"]) for v in found["violations"]] == [("html-has-lang", "serious")]


def test_without_script(show: Callable[..., Opened], report: str) -> None:
    opened = show(report, script=False)
    assert [r.replace("RUN", "NOT_RUN").replace("APPLICABLE", "NOT_APPLICABLE") for r in opened.rows()] == [
        *EXPECTED.values()
    ]
    assert not opened.page.locator("#filter").is_visible()
    assert opened.page.get_by_text("accepted by Operator until 2099-12-31: mended in 4.3").first.is_visible()


# --- drawings ---------------------------------------------------------------------------------------------


def test_drawings_hold_what_they_show(show: Callable[..., Opened], report: str) -> None:
    page = show(report).page
    page.evaluate(OPEN_ALL)
    drawings = page.locator("svg.seq")
    assert drawings.count() >= 3
    for drawing in islice(drawings.all(), 4):
        drawing.scroll_into_view_if_needed()
        outside = drawing.evaluate(
            """svg => [...svg.querySelectorAll("text, line, polygon, rect")].filter((e) => {
                const [a, b] = [svg.getBoundingClientRect(), e.getBoundingClientRect()];
                return b.left < a.left - 1 || b.right > a.right + 1
                    || b.top < a.top - 1 || b.bottom > a.bottom + 1;
            }).map((e) => e.outerHTML)"""
        )
        assert outside == []
    marks = page.locator("g.decides rect.mark")
    assert marks.count() == 2
    assert marks.first.evaluate("e => getComputedStyle(e).fill") != page.evaluate(
        "getComputedStyle(document.body).backgroundColor"
    )


# --- text from the product --------------------------------------------------------------------------------


def shape(opened: Opened) -> list[object]:
    """Every element with the names of its attributes, as written and as the script made it, and globals."""
    page = opened.page
    asked = "[...document.querySelectorAll('*')].map((e) => [e.tagName, ...e.getAttributeNames()]).join()"
    found = [page.evaluate(asked)]
    page.get_by_role("checkbox", name="FAIL").check()  # now the script has made the rows
    page.evaluate(OPEN_ALL)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#shown")).to_have_text(re.compile("^All"))
    return [*found, page.evaluate(asked), page.evaluate("Object.keys(window).length")]


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(make(tmp_path_factory.mktemp("harmless") / "c", "harmless"), "html")


@pytest.mark.parametrize("text", [t for t in HOSTILE if "\ud800" not in t], ids=lambda t: repr(t[:20]))
def test_strings_of_a_product_stay_inert(
    show: Callable[..., Opened], harmless: str, tmp_path: Path, text: str
) -> None:
    expected = shape(show(harmless))
    assert shape(show(write(make(tmp_path / "c", text), "html"))) == expected
