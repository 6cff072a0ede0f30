"""The same rules for all: what tests and judges knows no vendor, and reports differ in the identity alone."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from products import PROFILES, ROOT
from readback import READERS
from test_exports import WAIVED, text_of
from test_reports import make

from assay import catalogue
from assay.campaign import Campaign
from assay.reports import FORMATS, Context
from assay.reports.common import identity

OURS = "assay"  # the vendor of the emulated products is this project
VENDORS = (
    *("airspan", "alcatel", "altiostar", "amarisoft", "athonet", "casa systems", "cisco", "comba", "datang"),
    *("ericsson", "fiberhome", "fujitsu", "hewlett", "hpe", "huawei", "juniper", "lucent", "mavenir"),
    *("metaswitch", "motorola", "nec corporation", "nokia", "parallel wireless", "qualcomm", "radisys"),
    *("rakuten", "samsung", "siemens", "ulak", "zte"),
)
PRODUCTS = (
    *("aether", "free5gc", "magma", "oai", "open5gs", "openairinterface", "packetrusher", "sd-core"),
    *("srsran", "ueransim"),
)
TEXTS = [n for n in FORMATS if n != "pdf"]


def names() -> list[str]:
    """Vendors and products that we know, and the ones of the profiles."""
    known = {*VENDORS, *PRODUCTS}
    for path in PROFILES.glob("*.yaml"):
        product = yaml.safe_load(path.read_text())["product"]
        if product["vendor"] != OURS:
            known |= {product["vendor"].lower(), product["name"].lower()}
    return sorted(known, key=lambda name: (-len(name), name))


NAMED = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, names()))})(?![a-z0-9])", re.IGNORECASE)


def test_the_search_finds_a_name() -> None:
    assert set(names()) > {*VENDORS, *PRODUCTS}
    assert NAMED.findall("if product == 'Ericsson': like Open5GS AMF, open5gs.yaml") == [
        "Ericsson", "Open5GS AMF", "open5gs",
    ]  # fmt: skip
    assert not NAMED.search("aztec, join, koaic, hper")


@pytest.mark.parametrize("room", ["testsuites", "drivers", "assay"])
def test_no_code_names_a_vendor_or_a_product(room: str) -> None:
    files = [
        path for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".jinja", ".typ", ".css", ".js")
    ]
    assert len(files) > 20
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        for match in NAMED.finditer(path.read_text("utf-8"))
    }
    assert found == set()


def test_no_catalogue_names_a_vendor_or_a_product() -> None:
    """But in `real_component`: what could be tried where no product is at hand, which no code reads."""

    def texts(found: Any) -> list[str]:
        if isinstance(found, dict):
            return [t for key, value in found.items() if key != "real_component" for t in texts(value)]
        return [t for one in found for t in texts(one)] if isinstance(found, list) else [str(found)]

    for key in catalogue.keys():
        whole = texts(yaml.load((catalogue.ROOT / key / "catalogue.yaml").read_bytes(), yaml.CSafeLoader))
        assert len(whole) >= 7
        assert [text for text in whole if NAMED.search(text)] == []
    readers = [
        p for p in ROOT.glob("assay/**/*.py") if "real_component" in p.read_text() and p.stem != "catalogue"
    ]
    assert readers == []


# --- the same campaign under two names ----------------------------------------------------------------------


def renamed(path: Path, who: str) -> Campaign:
    """The campaign of `make` on the same product, but of another vendor."""
    campaign = make(path)
    file = campaign.path / "campaign.json"
    header = json.loads(file.read_bytes())
    header["profile"]["product"] = {
        "name": f"{who} AMF", "vendor": f"{who} Ltd", "version": f"{who}.1", "build": f"{who}-b",
    }  # fmt: skip
    file.write_text(json.dumps(header))
    return Campaign.open(campaign.path)


def masked(campaign: Campaign, name: str, context: Context, who: str) -> str:
    """A report without who the product is: its names, digests of what names it, and UUIDs made of those."""
    text = text_of(campaign, name, context)
    assert (who in text) == (name != "oscal-catalog")
    text = text.replace(who, "<who>")
    plan = hashlib.sha256(text_of(campaign, "oscal-plan", context).encode()).hexdigest()
    for digest in (identity(campaign), identity(campaign)[:16], plan):
        text = text.replace(digest, "<digest>")
    text = re.sub(r"'sha256-[A-Za-z0-9+/=]{44}'", "<digest>", text)  # of a style, which is compared too
    order: dict[str, str] = {}
    return re.sub(
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        lambda m: order.setdefault(m[0], f"<uuid {len(order)}>"),
        text,
    )


@pytest.mark.parametrize("context", [Context(), WAIVED], ids=["plain", "waived"])
@pytest.mark.parametrize("name", TEXTS)
def test_another_vendors_name_changes_the_identity_block_alone(
    tmp_path: Path, name: str, context: Context
) -> None:
    ours = masked(renamed(tmp_path / "1", "Zephyr"), name, context, "Zephyr")
    theirs = masked(renamed(tmp_path / "2", "Ozalpin"), name, context, "Ozalpin")
    assert ours == theirs
    assert "Zephyr" not in theirs


@pytest.mark.parametrize("name", READERS)
def test_the_names_stand_in_the_identity_block_alone(tmp_path: Path, name: str) -> None:
    """No verdict that a reader takes out of an export holds a word of who the product is."""
    read = list(READERS[name](text_of(renamed(tmp_path / "1", "Zephyr"), name)))
    assert read
    assert "Zephyr" not in repr(read)
