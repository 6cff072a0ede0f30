"""What ISO/IEC 17025:2017 clause 7.8 asks of a report: from the campaign, from the order, or missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from assay import catalogue
from assay.campaign import Campaign
from assay.reports.common import SPECS, Context, at, product, spec_name
from assay.reports.content import DECISION_RULE, LIMITS, Content
from assay.reports.order import Amendment, Body, Order, Person
from assay.verdict import Outcome


@dataclass(frozen=True)
class Field:
    """A thing that a report has to say; `values` is None where nobody has said it."""

    clause: str
    label: str
    values: tuple[str, ...] | None
    needed: bool = False  # of every report, not only where it applies


def number(content: Content, context: Context) -> str:
    """What identifies the report: the laboratory's number where it gave one, and the campaign's digest."""
    ours = content.id[:16]
    return f"{context.order.number} ({ours})" if context.order and context.order.number else ours


def fields(campaign: Campaign, content: Content, context: Context) -> tuple[Field, ...]:
    """Every field in the order of the clauses."""
    order, header = context.order or Order(), campaign.header
    place = order.place or (order.laboratory.address if order.laboratory else None)
    opinions = None if order.opinions is None else [f"{o.text} ({o.author})" for o in order.opinions]
    return (
        Field("7.8.2.1 b", "Laboratory", _body(order.laboratory), needed=True),
        Field("7.8.2.1 c", "Place of the tests", _text(place), needed=True),
        Field("7.8.2.1 d", "Identification of this report", (number(content, context),)),
        Field("7.8.2.1 e", "Customer", _body(order.customer), needed=True),
        Field("7.8.2.1 f", "Method", tuple(_methods(header)) or None),
        Field("7.8.2.1 g", "Item tested", (product(campaign),)),
        Field("7.8.2.1 g", "Condition of the item", _text(order.condition), needed=True),
        Field("7.8.2.1 g", "How the item was obtained", _text(order.obtained), needed=True),
        Field("7.8.2.1 h", "Item received", _date(order.received), needed=True),
        Field("7.8.2.1 i", "Tests performed", _span(content)),
        Field("7.8.2.1 j", "Report issued", _date(order.issued), needed=True),
        Field("7.8.2.1 k", "Sampling", _text(order.sampling)),
        Field("7.8.2.1 l", "What the results relate to", (LIMITS,)),
        Field(
            "7.8.2.1 n",
            "Deviations from the method, additions, exclusions",
            _deviations(content, order),
            True,
        ),
        Field("7.8.2.1 o", "Authorised by", _people(order.authorised), needed=True),
        Field("7.8.1.1", "Reviewed by", _people(order.reviewed), needed=True),
        Field("7.8.1.1", "Tested by", _people(order.tested), needed=True),
        Field("7.8.2.1 p", "Results from others", _list(order.external)),
        Field("7.8.2.2", "Data supplied by the customer", _supplied(header, order)),
        Field("7.8.3.1 a", "Environment", tuple(_environment(header)) or None),
        Field("7.8.3.1 c", "Measurement uncertainty, where it matters", _text(order.uncertainty)),
        Field("7.8.6.1", "Decision rule", (DECISION_RULE,)),
        Field("7.8.7", "Opinions and interpretations", _list(opinions)),
        Field("7.8.8", "Amendment", _amendment(order.amendment)),
        Field("5.4", "Accreditation", _scope(content, order)),
        Field("4.2", "Confidentiality", _text(order.confidentiality)),
    )


def _text(found: str | None) -> tuple[str, ...] | None:
    return (found,) if found else None


def _amendment(found: Amendment | None) -> tuple[str, ...] | None:
    return (f"replaces {found.replaces}: {found.change}",) if found else None


def _date(found: date | None) -> tuple[str, ...] | None:
    return (found.isoformat(),) if found else None


def _list(found: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if found is None else tuple(found) or ("none",)


def _body(found: Body | None) -> tuple[str, ...] | None:
    return tuple(part for part in (found.name, found.address, found.contact) if part) if found else None


def _people(found: tuple[Person, ...]) -> tuple[str, ...] | None:
    said = (", ".join(str(p) for p in (one.name, one.function, one.day) if p) for one in found)
    return tuple(said) or None


def _methods(header: Mapping[str, Any]) -> Iterable[str]:
    for key in at(header, "catalogue") or ():
        edition = f", version {catalogue.load(key).version}" if key in SPECS else ""
        yield f"3GPP {spec_name(key)}{edition}; the clause stands with each test case"


def _span(content: Content) -> tuple[str, ...] | None:
    return (
        (f"from {content.began} to {content.ended} (UTC, start of each variant)",) if content.began else None
    )


def _deviations(content: Content, order: Order) -> tuple[str, ...] | None:
    known = [content.banner] if content.banner else []
    if left := content.counts[Outcome.NOT_RUN]:
        known.append(f"{left} variants of the plan were not run")
    if order.deviations is None:
        return (*known, "the laboratory has not stated any") if known else None
    return (*known, *order.deviations) or ("none",)


def _supplied(header: Mapping[str, Any], order: Order) -> tuple[str, ...] | None:
    features = at(header, "profile", "features")
    declared = (
        ["features and their justifications, as declared below: results rest on them"] if features else []
    )
    return (*declared, *(order.customer_data or ())) or _list(order.customer_data)


def _environment(header: Mapping[str, Any]) -> Iterable[str]:
    for key, label in (("python", "Python"), ("system", "System"), ("clock", "Clock")):
        if found := at(header, "environment", key):
            yield f"{label}: {found}"


def _scope(content: Content, order: Order) -> tuple[str, ...] | None:
    if order.accreditation is None:
        return None
    held = order.accreditation
    outside = sorted({c.case for c in content.cases} - set(held.cases))
    return (
        f"{held.body}, {held.number}",
        f"not in the accredited scope: {', '.join(outside)}"
        if outside
        else "every test case is in its scope",
    )
