"""What the formats have in common: the identity of a campaign, its counts, and text made inert."""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from typing import Any
from urllib.parse import quote

from assay import catalogue
from assay.campaign import Campaign, Planned, Record, Result
from assay.catalogue import TestCase
from assay.files import Bundle
from assay.reports.order import Order
from assay.verdict import SEVERITY, Outcome
from assay.waivers import Waiver

JUDGE = version("assay")
SPECS = catalogue.keys()
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
SEAL = re.compile(r"seals/([a-z-]+)-([0-9a-f]{16})\.dsse\.json")
MARKS = 3  # combining marks on one letter that a written language may need; more of them paint over the page
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Seal:
    """A role in which a bundle says it was sealed, and the beginning of the key's identifier."""

    role: str
    key: str


@dataclass(frozen=True)
class Context:
    """What a report shows beside the campaign; none of it changes a verdict."""

    waivers: tuple[Waiver, ...] = ()
    order: Order | None = None
    seals: tuple[Seal, ...] = ()


NOTHING = Context()


def shown(text: object, limit: int = 2000) -> str:
    """Text as a reader may see it: cut, and with everything visible that steers a terminal or the eye.

    Control characters and invisible ones (bidirectional overrides, lone surrogates, zero-width ones and
    unassigned ones) become their code point.
    """
    whole = str(text)
    rest = len(whole) - limit
    out, marks = [], 0
    for char in whole[:limit]:
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        odd = category in HIDDEN or marks > MARKS
        out.append(f"\u27e8U+{ord(char):04X}\u27e9" if odd else char)
    return "".join(out) + (f"\u2026 ({rest} more characters)" if rest > 0 else "")


def one_line(text: object, limit: int = 500) -> str:
    """`shown`, with every run of blanks and line ends as one blank."""
    whole = str(text).strip()
    rest = len(whole) - limit
    return shown(" ".join(whole[:limit].split())) + (f"\u2026 ({rest} more characters)" if rest > 0 else "")


def value(facts: object, limit: int = 80) -> str:
    """A fact in few words; what lies too deep for its share of the room is left out."""
    if isinstance(facts, bool):
        return "yes" if facts else "no"
    if facts is None:
        return "none"
    if not isinstance(facts, (Mapping, list, tuple)):
        return shown(facts, limit)
    if limit < 8:
        return "\u2026"
    if isinstance(facts, Mapping):
        parts = [f"{shown(k, 40)}: {value(v, limit // 2)}" for k, v in islice(facts.items(), 20)]
    else:
        parts = [value(item, limit // 2) for item in facts[:20]]
    return shown(", ".join(parts), limit)


def at(header: Mapping[str, Any], *path: str) -> Any:
    """What a header holds at a path, or None: a header is a file, and files come from anywhere."""
    found: Any = header
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def words(found: Any) -> tuple[str, ...]:
    """A list of names from a header or from conditions; empty when it is something else."""
    return tuple(str(item) for item in found) if isinstance(found, (list, tuple)) else ()


def identity(campaign: Campaign) -> str:
    """What a report is a report of: the digest of the manifest that the campaign is sealed with."""
    return campaign.digest


def seals(campaign: Campaign) -> tuple[Seal, ...]:
    """The seals that a bundle names, none of them verified; empty for a folder."""
    if not isinstance(campaign.files, Bundle):
        return ()
    found = (SEAL.fullmatch(name) for name in sorted(campaign.files.box.names()))
    return tuple(Seal(match[1], match[2]) for match in found if match)


def counts(results: Iterable[Result]) -> dict[Outcome, int]:
    """How many variants ended with each outcome, worst first, zeros included."""
    found = dict.fromkeys(SEVERITY, 0)
    for result in results:
        found[result.verdict.outcome] += 1
    return found


def faults(campaign: Campaign, results: Iterable[Result]) -> tuple[str, ...]:
    """The seeded faults that were on in any part of the campaign."""
    found = list(words(campaign.header.get("faults")))
    for result in results:
        if result.record is not None:
            found += words(result.record.conditions.get("faults"))
    return tuple(dict.fromkeys(found))


def banner(names: Iterable[str]) -> str:
    """What every format says first when the product was made to misbehave; empty when it was not."""
    listed = ", ".join(one_line(name, 60) for name in names)
    several = "faults" if ", " in listed else "fault"
    is_ = "are" if ", " in listed else "is"
    return (
        f"seeded {several} {listed} {is_} on: this is a demonstration, not a product result" if listed else ""
    )


def product(campaign: Campaign) -> str:
    """The product's name, version and build, as its profile says."""
    found = at(campaign.header, "profile", "product") or {}
    name, release, build = (at(found, key) for key in ("name", "version", "build"))
    text = " ".join(str(part) for part in (name, release) if part) or "unnamed product"
    return text + (f" (build {build})" if build else "")


def entry(planned: Planned) -> TestCase | None:
    """The catalogue's entry of a planned variant, or None when this version does not have it."""
    if planned.spec in SPECS:
        for one in catalogue.load(planned.spec).cases:
            if one.id == planned.case:
                return one
    return None


def spec_name(key: str) -> str:
    """`TS 33.512` for `ts_33_512`."""
    return catalogue.load(key).spec if key in SPECS else key


def href(planned: Planned, name: str) -> str:
    """The link to an evidence file, relative to the campaign folder; empty where it would lead elsewhere."""
    parts = ("records", planned.spec, planned.slug, planned.variant, name)
    if not all(PLAIN.fullmatch(part) for part in parts):
        return ""
    return "/".join(quote(part) for part in parts)


def intact(campaign: Campaign, planned: Planned, record: Record) -> dict[str, str]:
    """Every evidence file with what is wrong with it, empty when it has its digest."""
    return {
        name: campaign.intact(planned, replace(record, evidence={name: expected}))
        for name, expected in record.evidence.items()
    }


def finite(number: float) -> float | None:
    """A number that every JSON reader understands, or None."""
    return number if math.isfinite(number) else None


def plain(found: Any) -> Any:
    """JSON values without NaN and infinities, which a header from elsewhere may hold."""
    return json.loads(json.dumps(found), parse_constant=lambda _: None)
