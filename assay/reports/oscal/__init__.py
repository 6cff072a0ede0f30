"""OSCAL 1.2.1: the catalogue, the assessment plan and the assessment results, a document each.

Identifiers are version 5 UUIDs of the campaign's digest, properties of our own carry `NAMESPACE`, and what
a product or vendor said is escaped: most texts of OSCAL are Markdown.
"""

import re
from typing import Any

from assay.reports.common import one_line
from assay.reports.export import NAMESPACE, Export, Row, accepted
from assay.reports.order import Order

VERSION = "1.2.1"
CATALOGUE_FILE, PLAN_FILE = "catalog.json", "assessment-plan.json"
SPECIAL = re.compile(r"[\\`*_{}\[\]<>()#!|~^$&\"']")
JSON = "application/json"


def markup(text: str) -> str:
    """Text that stays text where OSCAL reads Markdown or HTML."""
    return SPECIAL.sub(lambda m: f"&#{ord(m[0])};" if m[0] in "<>&" else f"\\{m[0]}", text)


def prop(name: str, value: str, **more: str) -> dict[str, str]:
    """A property in our own namespace."""
    return {"name": name, "ns": NAMESPACE, "value": value, **more}


ROLES = {
    "laboratory": "Testing laboratory",
    "customer": "Customer",
    "tested": "Tested by",
    "reviewed": "Reviewed by",
    "authorised": "Authorised by",
}
"""What ISO/IEC 17025 wants named in a report."""


def people(export: Export, order: Order | None) -> dict[str, Any]:
    """Laboratory, customer and the persons who answer for the report, as far as the order names them."""
    named: dict[str, list[tuple[str, str]]] = {}
    for role in ROLES:
        found = getattr(order, role, None) or ()
        listed = found if isinstance(found, tuple) else (found,)
        kind = "person" if isinstance(found, tuple) else "organization"
        if listed:
            named[role] = [(kind, one_line(one.name)) for one in listed]
    if not named:
        return {}
    parties = dict.fromkeys(party for mine in named.values() for party in mine)
    return {
        "roles": [{"id": role, "title": ROLES[role]} for role in named],
        "parties": [
            {"uuid": export.uuid("party", *party), "type": party[0], "name": party[1]} for party in parties
        ],
        "responsible-parties": [
            {"role-id": role, "party-uuids": [export.uuid("party", *party) for party in mine]}
            for role, mine in named.items()
        ],
    }


def metadata(export: Export, title: str) -> dict[str, Any]:
    """Under which rules it was judged and what it is about; a demonstration says so here."""
    found = {
        "title": markup(title),
        "last-modified": export.ended,
        "version": export.id[:16],
        "oscal-version": VERSION,
        "props": [prop(name, value) for name, value in export.facts.items()],
    }
    return {**found, "remarks": markup(export.demonstration)} if export.demonstration else found


def named(row: Row) -> list[dict[str, str]]:
    """The properties that name a variant and say its verdict."""
    found = [prop(name, value or "_") for name, value in row.names.items()]
    return [*found, prop("waiver", accepted(row.waiver))] if row.waiver else found


def components(export: Export) -> list[dict[str, Any]]:
    """The functions of the product as OSCAL components, in the order of their names."""
    targets = sorted({row.target for row in export.rows} | set(export.functions))
    return [
        {
            "uuid": export.uuid("component", target),
            "type": "software",
            "title": markup(f"{export.product}: {target}"),
            "description": markup(f"{export.functions.get(target, 'network function')} of {export.vendor}"),
            "props": [prop("target", target or "_")],
            "status": {"state": "other", "remarks": "under test"},
        }
        for target in targets
    ]


def reviewed(rows: tuple[Row, ...], included: set[str]) -> dict[str, Any]:
    """Controls and objectives, apart by whether they are among the `included` objectives."""
    of_control: dict[str, bool] = {}
    objectives: dict[str, bool] = {}
    for row in rows:
        inside = row.objective in included
        objectives[row.objective] = inside
        of_control[row.control] = of_control.get(row.control, False) or inside

    def split(found: dict[str, bool], key: str, what: str) -> dict[str, Any]:
        lists = {
            f"include-{what}": [{key: name} for name, inside in found.items() if inside],
            f"exclude-{what}": [{key: name} for name, inside in found.items() if not inside],
        }
        held = {name: listed for name, listed in lists.items() if listed}
        return held if any(found.values()) else {"include-all": {}, **held}  # it wants something included

    return {
        "control-selections": [split(of_control, "control-id", "controls")],
        "control-objective-selections": [split(objectives, "objective-id", "objectives")],
    }
