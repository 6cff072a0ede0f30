"""The verdicts as SARIF 2.1.0, for security tooling.

A kind is `fail` for FAIL alone, `open` for what could not be decided; NOT_RUN is no result but a notification
of the invocation. Waivers are suppressions, which change neither kind nor level.
"""

import hashlib
import json
import re
from typing import Any

from assay.campaign import Campaign
from assay.reports import export
from assay.reports.common import JUDGE, Context, spec_name
from assay.reports.export import VERDICTS, Export, Row, accepted
from assay.verdict import Outcome

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"low": "note", "medium": "warning", "high": "error", "critical": "error"}
"""Level of a failure by the severity of its test case in the catalogue."""


def plain(text: str) -> str:
    """Text in which SARIF sees neither a link (3.11.6) nor a placeholder (3.11.5)."""
    return re.sub(r"([\\\[\]])", r"\\\1", text).replace("{", "{{").replace("}", "}}")


def render(campaign: Campaign, context: Context) -> str:
    """One run; rules are the test cases, results the variants in the order of the plan."""
    whole = export.of(campaign, context)
    rules = {control: (n, rows[0]) for n, (control, rows) in enumerate(export.by_case(whole.rows))}
    named = [(row.key, file.name) for row in whole.rows for file in row.files]
    files = {name: number for number, name in enumerate(named)}
    unrun = [row for row in whole.rows if VERDICTS[row.verdict].sarif is None]
    broken = [row for row in whole.rows if row.verdict is Outcome.ERROR]
    run = {
        "tool": {
            "driver": {
                "name": "assay",
                "version": JUDGE,
                "rules": [_rule(row) for _, row in rules.values()],
            }
        },
        "automationDetails": {"id": f"assay/{whole.id}", "guid": whole.uuid("sarif run")},
        "invocations": [
            {
                "executionSuccessful": not unrun and not broken,
                "startTimeUtc": _utc(whole.created),
                "endTimeUtc": _utc(whole.ended),
                "toolExecutionNotifications": [_notice(row, rules) for row in (*broken, *unrun)],
            }
        ],
        "originalUriBaseIds": {"CAMPAIGN": {"description": {"text": "The folder of the campaign."}}},
        "artifacts": [_artifact(file) for row in whole.rows for file in row.files],
        "results": [
            _result(whole, row, rules, files, context) for row in whole.rows if VERDICTS[row.verdict].sarif
        ],
        "columnKind": "unicodeCodePoints",
        "properties": whole.facts,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _utc(stamp: str) -> str:
    return stamp.replace("+00:00", "Z")


def _rule(row: Row) -> dict[str, Any]:
    known = row.entry
    found: dict[str, Any] = {
        "id": row.control,
        "name": row.case,
        "defaultConfiguration": {"level": _level(row)},
        "properties": {"spec": row.spec, "case": row.case},
    }
    if known is not None:
        found["shortDescription"] = {"text": plain(known.title)}
        found["fullDescription"] = {"text": plain(known.requirement)}
        found["properties"] |= {
            "clause": known.clause,
            "severity": known.severity,
            "tags": ["3GPP SCAS", spec_name(row.spec), *known.interfaces],
        }
    return found


def _level(row: Row) -> str:
    return LEVELS[row.entry.severity] if row.entry else "error"


def _result(
    whole: Export,
    row: Row,
    rules: dict[str, tuple[int, Row]],
    files: dict[tuple[tuple[str, str, str, str], str], int],
    context: Context,
) -> dict[str, Any]:
    failed = row.verdict is Outcome.FAIL
    found: dict[str, Any] = {
        "ruleId": row.control,
        "ruleIndex": rules[row.control][0],
        "guid": whole.uuid("sarif result", *row.key),
        "kind": VERDICTS[row.verdict].sarif,
        "level": _level(row) if failed else "none",
        "message": {"text": plain(f"{row.verdict.value}: {row.reason}")},
        "locations": [
            {
                "logicalLocations": [
                    {
                        "name": row.target,
                        "fullyQualifiedName": f"{row.target}/{row.objective}",
                    }
                ]
            }
        ],
        "partialFingerprints": {"variant/v1": hashlib.sha256("\n".join(row.key).encode()).hexdigest()},
        "attachments": [
            {
                "artifactLocation": {"index": files[row.key, file.name]},
                "description": {"text": plain(file.name)},
            }
            for file in row.files
        ],
        "properties": {**row.names, "refs": list(row.refs), "seconds": row.seconds},
    }
    if context.waivers:  # 3.27.23: either every result of a run tells of suppressions, or none
        found["suppressions"] = _suppressions(whole, row)
    return found


def _suppressions(whole: Export, row: Row) -> list[dict[str, Any]]:
    if row.waiver is None:
        return []
    return [
        {
            "guid": whole.uuid("sarif suppression", *row.key),
            "kind": "external",
            "status": "accepted",
            "justification": accepted(row.waiver),
            "properties": {"until": row.waiver.until.isoformat()},
        }
    ]


def _notice(row: Row, rules: dict[str, tuple[int, Row]]) -> dict[str, Any]:
    return {
        "descriptor": {"id": row.verdict.value},
        "associatedRule": {"id": row.control, "index": rules[row.control][0]},
        "level": "error" if row.verdict is Outcome.ERROR else "warning",
        "message": {
            "text": plain(f"{row.case}/{row.variant} on {row.target}: {row.verdict.value}: {row.reason}")
        },
        "properties": row.names,
    }


def _artifact(file: export.File) -> dict[str, Any]:
    found: dict[str, Any] = {"description": {"text": plain(file.name)}}
    if file.href:
        found["location"] = {"uri": file.href, "uriBaseId": "CAMPAIGN"}
    if file.sha256:
        found["hashes"] = {"sha-256": file.sha256}
    return found
