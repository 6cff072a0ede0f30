"""The campaign as one JSON object, for programs; docs/report.schema.json says what it holds."""

import json

from assay import findings, rules, waivers
from assay.campaign import SCHEMA, Campaign, as_object
from assay.reports.common import JUDGE, Context, counts, faults, finite, identity, intact, plain
from assay.reports.export import slim

ESSENTIALS = ("created", "harness", "environment", "profile_sha256", "catalogue", "rules", "faults")


def render(campaign: Campaign, context: Context) -> str:
    """Header, counts and results in the order of the plan; ASCII, so that no text of a product acts."""
    results = [slim(result) for result in campaign.results()]
    profile = campaign.header.get("profile")
    known = profile if isinstance(profile, dict) else {}
    whole = {
        "schema": SCHEMA,
        "campaign": {
            "id": identity(campaign),
            **{name: campaign.header.get(name) for name in ESSENTIALS},
            "faults": list(faults(campaign, results)),
            "product": known.get("product"),
            "functions": known.get("functions"),
            "features": known.get("features"),
            "judged_by": JUDGE,
            "judged_under": rules.current()["digest"],
        },
        "counts": {outcome.value: number for outcome, number in counts(results).items()},
        "findings": list(findings.of(campaign, results)),
        "results": [],
    }
    listed = []
    for result in results:
        record, one = result.record, as_object(result)
        one["seconds"] = None if record is None else finite(record.seconds)
        one["started"] = None if record is None else record.started
        one["conditions"] = {} if record is None else record.conditions
        waiver = waivers.of(context.waivers, result.planned.case, result.planned.variant)
        one["waiver"] = waiver.model_dump(mode="json") if waiver else None
        problems = {} if record is None else intact(campaign, result.planned, record)
        one["evidence"] = [
            {"file": name, "sha256": record.evidence[name] if record else "", "problem": problem}
            for name, problem in sorted(problems.items())
        ]
        listed.append(one)
    whole["results"] = listed
    return json.dumps(plain(whole), indent=1, allow_nan=False) + "\n"
