"""The verdicts of a campaign as OSCAL assessment results, for auditors.

Each variant is an observation, NOT_RUN included, whose method then is UNKNOWN; what was decided is a finding
on the objective of the variant. A waiver is a risk with an approved deviation: the finding stays.
"""

import hashlib
import json
from typing import Any

from assay.campaign import Campaign
from assay.reports import export
from assay.reports.common import Context
from assay.reports.export import VERDICTS, Export, File, Row, accepted
from assay.reports.oscal import (
    JSON,
    PLAN_FILE,
    components,
    markup,
    metadata,
    named,
    people,
    plan,
    prop,
    reviewed,
)
from assay.verdict import Outcome

METHODS = {Outcome.NOT_APPLICABLE: "EXAMINE", Outcome.NOT_RUN: "UNKNOWN"}
"""TEST for all others; NOT_APPLICABLE follows from examining a declaration."""


def render(campaign: Campaign, context: Context) -> str:
    """One result with all observations and findings in the order of the plan."""
    whole = export.of(campaign, context)
    plan_digest = hashlib.sha256(plan.text(whole).encode()).hexdigest()
    planned = whole.uuid("assessment-plan file")
    files = {(row.key, file.name): file for row in whole.rows for file in row.files}
    resources = [
        {
            "uuid": planned,
            "title": "Assessment plan",
            "rlinks": [
                {
                    "href": PLAN_FILE,
                    "media-type": JSON,
                    "hashes": [{"algorithm": "SHA-256", "value": plan_digest}],
                }
            ],
        },
        *(_resource(whole, key, file) for (key, _), file in files.items()),
    ]
    document = {
        "uuid": whole.uuid("assessment-results"),
        "metadata": {
            **metadata(whole, f"Assessment results: {whole.product}"),
            **people(whole, context.order),
        },
        "import-ap": {"href": f"#{planned}"},
        "results": [_result(whole)],
        "back-matter": {"resources": resources},
    }
    return json.dumps({"assessment-results": document}, indent=1) + "\n"


def _result(whole: Export) -> dict[str, Any]:
    decided = [row for row in whole.rows if VERDICTS[row.verdict].oscal]
    unrun = [row for row in whole.rows if row.verdict is Outcome.NOT_RUN]
    found: dict[str, Any] = {
        "uuid": whole.uuid("result"),
        "title": markup(f"Verdicts on {whole.product}"),
        "description": "One finding a variant that was decided; no score is computed.",
        "start": whole.created,
        "end": whole.ended,
        "props": [prop("complete", "no" if unrun else "yes")],
        "reviewed-controls": reviewed(whole.rows, {row.objective for row in decided}),
    }
    if parts := components(whole):
        found["local-definitions"] = {"components": parts}
    if whole.rows:
        found["observations"] = [_observation(whole, row) for row in whole.rows]
    if risks := [_risk(whole, row) for row in whole.rows if row.waiver]:
        found["risks"] = risks
    if decided:
        found["findings"] = [_finding(whole, row) for row in decided]
    if unrun:
        listed = "; ".join(f"{row.case}/{row.variant} on {row.target}" for row in unrun[:1000])
        found["remarks"] = markup(f"{len(unrun)} of {len(whole.rows)} variants were not run: {listed}")
    return found


def _observation(whole: Export, row: Row) -> dict[str, Any]:
    title = f"{row.case}/{row.variant} on {row.target}"
    found: dict[str, Any] = {
        "uuid": whole.uuid("observation", *row.key),
        "title": markup(title),
        "description": markup(f"{row.verdict.value}: {row.reason}"),
        "props": named(row),
        "methods": [METHODS.get(row.verdict, "TEST")],
        "types": ["control-objective"],
        "origins": [{"actors": [{"type": "tool", "actor-uuid": whole.uuid("platform")}]}],
        "subjects": [{"subject-uuid": whole.uuid("component", row.target), "type": "component"}],
        "collected": row.started or whole.created,
    }
    if row.files:
        found["relevant-evidence"] = [
            {"href": f"#{_file_uuid(whole, row.key, file)}", "description": markup(file.name or "_")}
            for file in row.files
        ]
    if row.refs:
        found["remarks"] = markup(f"Decided by {', '.join(row.refs)}")
    return found


def _finding(whole: Export, row: Row) -> dict[str, Any]:
    state, reason = VERDICTS[row.verdict].oscal or ("not-satisfied", "other")
    found: dict[str, Any] = {
        "uuid": whole.uuid("finding", *row.key),
        "title": markup(f"{row.case}/{row.variant} on {row.target}: {row.verdict.value}"),
        "description": markup(row.reason),
        "props": named(row),
        "target": {
            "type": "objective-id",
            "target-id": row.objective,
            "status": {"state": state, "reason": reason},
        },
        "related-observations": [{"observation-uuid": whole.uuid("observation", *row.key)}],
    }
    if row.waiver:
        found["related-risks"] = [{"risk-uuid": whole.uuid("risk", *row.key)}]
    return found


def _risk(whole: Export, row: Row) -> dict[str, Any]:
    if row.waiver is None:
        raise ValueError("only a waiver makes a risk here")
    return {
        "uuid": whole.uuid("risk", *row.key),
        "title": markup(f"{row.case}/{row.variant} on {row.target} is waived; its verdict is not changed"),
        "description": markup(f"{row.verdict.value}: {row.reason}"),
        "statement": markup(accepted(row.waiver)),
        "status": "deviation-approved",
        "deadline": f"{row.waiver.until.isoformat()}T23:59:59+00:00",
        "related-observations": [{"observation-uuid": whole.uuid("observation", *row.key)}],
    }


def _file_uuid(whole: Export, key: tuple[str, ...], file: File) -> str:
    return whole.uuid("file", *key, file.name)


def _resource(whole: Export, key: tuple[str, ...], file: File) -> dict[str, Any]:
    found: dict[str, Any] = {"uuid": _file_uuid(whole, key, file), "title": markup(file.name or "_")}
    if file.href:
        link: dict[str, Any] = {"href": file.href}
        if file.sha256:
            link["hashes"] = [{"algorithm": "SHA-256", "value": file.sha256}]
        found["rlinks"] = [link]
    elif file.sha256:
        found["props"] = [prop("sha-256", file.sha256)]
    return found
