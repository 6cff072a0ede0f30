"""The verdicts as CycloneDX 1.6 declarations: attestations to put beside a product's bill of materials.

PASS is a claim, FAIL a counter-claim. What was not decided is neither, and has a conformance without a score
and no confidence, so that nobody takes it for conforming; a waiver is a mitigation strategy.
"""

import json
from typing import Any

from assay import catalogue
from assay.campaign import Campaign
from assay.reports import export
from assay.reports.common import JUDGE, SPECS, Context, one_line
from assay.reports.export import VERDICTS, Export, Row, accepted
from assay.verdict import Outcome

UNDECIDED = (Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.NOT_RUN)


def render(campaign: Campaign, context: Context) -> str:
    """A bill of materials that holds the product, the standards, and what was found of each requirement."""
    whole = export.of(campaign, context)
    targets = dict.fromkeys([*whole.functions, *(row.target for row in whole.rows)])
    laboratory = context.order.laboratory.name if context.order and context.order.laboratory else None
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{whole.uuid('bom')}",
        "version": 1,
        "metadata": {
            "timestamp": whole.ended,
            "tools": {"components": [{"type": "application", "name": "assay", "version": JUDGE}]},
            "component": {"type": "platform", "bom-ref": "product", "name": whole.product},
            "supplier": {"name": whole.vendor},
            "properties": [{"name": f"assay:{name}", "value": value} for name, value in whole.facts.items()],
        },
        "definitions": {"standards": _standards(whole)},
        "declarations": {
            "assessors": [
                {
                    "bom-ref": "assessor",
                    "organization": {"name": one_line(laboratory or "unnamed laboratory")},
                }
            ],
            "attestations": [_attestation(whole, target) for target in targets],
            "claims": [_claim(row) for row in whole.rows if VERDICTS[row.verdict].cyclonedx],
            "evidence": [entry for row in whole.rows for entry in _evidence(row)],
            "targets": {
                "components": [
                    {
                        "type": "application",
                        "bom-ref": _target(target),
                        "name": target,
                        "description": whole.functions.get(target, "network function"),
                    }
                    for target in targets
                ]
            },
        },
    }
    return json.dumps(document, indent=1) + "\n"


def _target(name: str) -> str:
    return f"target:{name}"


def _ref(kind: str, row: Row) -> str:
    return f"{kind}:{row.objective}@{row.target}"


def _standards(whole: Export) -> list[dict[str, Any]]:
    """Each specification with the test cases of the plan; a variant is a requirement below its test case."""
    found = []
    for key in dict.fromkeys(row.spec for row in whole.rows):
        known = catalogue.load(key) if key in SPECS else None
        requirements: list[dict[str, Any]] = []
        for control, rows in export.by_case(tuple(r for r in whole.rows if r.spec == key)):
            case = rows[0].entry
            requirements.append(
                {
                    "bom-ref": control,
                    "identifier": rows[0].case,
                    "title": case.title if case else rows[0].case,
                    **({"text": case.requirement} if case else {}),
                    "properties": [{"name": "assay:clause", "value": case.clause if case else "unknown"}],
                }
            )
            for objective, row in {row.objective: row for row in rows}.items():
                names = zip(("spec", "case", "variant"), row.key[:3], strict=True)
                requirements.append(
                    {
                        "bom-ref": objective,
                        "identifier": f"{row.case}/{row.variant}",
                        "parent": control,
                        "properties": [{"name": f"assay:{name}", "value": value} for name, value in names],
                    }
                )
        found.append(
            {
                "bom-ref": f"standard:{key}",
                "name": known.spec if known else key,
                "version": known.version if known else "unknown",
                "owner": "3GPP",
                "requirements": requirements,
            }
        )
    return found


def _attestation(whole: Export, target: str) -> dict[str, Any]:
    mine = [row for row in whole.rows if row.target == target]
    note = f" ({whole.demonstration})" if whole.demonstration else ""
    return {
        "summary": f"{target}: {len(mine)} variants of 3GPP test cases{note}",
        "assessor": "assessor",
        "map": [_map(row) for row in mine],
    }


def _map(row: Row) -> dict[str, Any]:
    conformance: dict[str, Any] = {"rationale": f"{row.verdict.value}: {row.reason}"}
    if row.verdict in (Outcome.PASS, Outcome.FAIL):
        conformance["score"] = int(row.verdict is Outcome.PASS)
    if row.waiver:
        conformance["mitigationStrategies"] = [_ref("waiver", row)]
    found: dict[str, Any] = {"requirement": row.objective, "conformance": conformance}
    if kind := VERDICTS[row.verdict].cyclonedx:
        found[kind] = [_ref("claim", row)]
    if row.verdict in UNDECIDED:
        found["confidence"] = {"score": 0, "rationale": f"{row.verdict.value}: nothing can be said"}
    return found


def _claim(row: Row) -> dict[str, Any]:
    kept = "meets" if row.verdict is Outcome.PASS else "does not meet"
    evidence = "evidence" if row.verdict is Outcome.PASS else "counterEvidence"
    found: dict[str, Any] = {
        "bom-ref": _ref("claim", row),
        "target": _target(row.target),
        "predicate": f"{row.target} {kept} {row.case}/{row.variant}",
        "reasoning": row.reason,
    }
    return {**found, evidence: [_ref("evidence", row)]} if row.started else found


def _evidence(row: Row) -> list[dict[str, Any]]:
    """What a variant left behind, where it was run, and the waiver of it."""
    found: list[dict[str, Any]] = []
    if row.started:
        found.append(
            {
                "bom-ref": _ref("evidence", row),
                "propertyName": "assay:record",
                "description": ", ".join(row.refs) or row.reason,
                "created": row.started,
                "data": [
                    {
                        "name": f"{file.name} sha256:{file.sha256 or 'unknown'}",
                        **({"contents": {"url": file.href}} if file.href else {}),
                    }
                    for file in row.files
                ],
            }
        )
    if row.waiver:
        found.append(
            {
                "bom-ref": _ref("waiver", row),
                "propertyName": "assay:waiver",
                "description": accepted(row.waiver),
                "expires": f"{row.waiver.until.isoformat()}T23:59:59+00:00",
            }
        )
    return found
