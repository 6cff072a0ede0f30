"""The test cases of a campaign's specifications as an OSCAL catalog, so that its control ids resolve."""

import json
from typing import Any

from assay import catalogue
from assay.campaign import Campaign
from assay.catalogue import Specification, TestCase
from assay.reports import export
from assay.reports.common import SPECS, Context
from assay.reports.export import token
from assay.reports.oscal import markup, metadata, prop


def render(campaign: Campaign, context: Context) -> str:
    """A group a specification, a control a test case, an objective a variant."""
    whole = export.of(campaign, context)
    keys = sorted({row.spec for row in whole.rows})
    groups = [_group(catalogue.load(key)) for key in keys if key in SPECS]
    known = {control["id"] for group in groups for control in group["controls"]}
    strange = [
        {"id": control, "title": markup(rows[0].case or control)}
        for control, rows in export.by_case(whole.rows)
        if control not in known
    ]
    if strange:  # of a specification or a version that this one does not have
        groups.append({"id": "unknown", "title": "Unknown to this version", "controls": strange})
    document: dict[str, Any] = {
        "uuid": whole.uuid("catalog"),
        "metadata": {
            **metadata(whole, "3GPP security assurance test cases, as tested"),
            "version": whole.judged_under[:16],
            "props": [prop(name, whole.facts[name]) for name in ("rules", "judged_by", "judged_under")],
        },
    }
    if groups:
        document["groups"] = groups
    return json.dumps({"catalog": document}, indent=1) + "\n"


def _group(spec: Specification) -> dict[str, Any]:
    return {
        "id": token(spec.key),
        "title": markup(f"{spec.spec}: {spec.title}"),
        "props": [prop("release", str(spec.release)), prop("version", spec.version)],
        "controls": [_control(spec, case) for case in spec.cases],
    }


def _control(spec: Specification, case: TestCase) -> dict[str, Any]:
    control = token(spec.key, case.slug)
    objectives = [
        {
            "id": token(spec.key, case.slug, variant.name),
            "name": "assessment-objective",
            "title": markup(f"Variant {variant.name}"),
            "prose": "\n".join(
                [
                    *(f"{number}. {markup(text)}" for number, text in enumerate(variant.steps, 1)),
                    "",
                    *(f"- {markup(text)}" for text in variant.passes),
                ]
            ),
        }
        for variant in case.variants
    ]
    facts = {
        "test-case": case.id,
        "clause": case.clause,
        "status": case.status,
        "severity": case.severity,
        **({"threat": case.threat_ref} if case.threat_ref else {}),
        **({"requirement": case.requirement_ref} if case.requirement_ref else {}),
    }
    return {
        "id": control,
        "title": markup(case.title),
        "props": [prop(name, " ".join(value.split())) for name, value in facts.items()],
        "parts": [
            {"id": f"{control}_smt", "name": "statement", "prose": markup(case.requirement)},
            *objectives,
        ],
    }
