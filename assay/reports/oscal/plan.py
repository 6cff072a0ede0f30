"""What a campaign set out to test as an OSCAL assessment plan; the results are bound to it by its digest."""

import json
from typing import Any

from assay.campaign import Campaign
from assay.reports import export
from assay.reports.common import Context
from assay.reports.export import Export
from assay.reports.oscal import CATALOGUE_FILE, JSON, components, markup, metadata, reviewed
from assay.verdict import Outcome


def render(campaign: Campaign, context: Context) -> str:
    """All that was planned; what a declaration made inapplicable is excluded."""
    return text(export.of(campaign, context))


def text(whole: Export) -> str:
    """The plan of a campaign that was judged already."""
    included = {row.objective for row in whole.rows if row.verdict is not Outcome.NOT_APPLICABLE}
    declared, catalogued = whole.uuid("declarations"), whole.uuid("catalog file")
    document: dict[str, Any] = {
        "uuid": whole.uuid("assessment-plan"),
        "metadata": metadata(whole, f"Assessment plan: {whole.product}"),
        "import-ssp": {
            "href": f"#{declared}",
            "remarks": "No system security plan is known: the product's declarations stand for it.",
        },
        "reviewed-controls": reviewed(whole.rows, included),
        "assessment-assets": {"assessment-platforms": [platform(whole)]},
        "back-matter": {
            "resources": [
                {
                    "uuid": declared,
                    "title": "Declarations of the product",
                    "description": "The profile of the product in the header of the campaign.",
                    "rlinks": [{"href": "campaign.json", "media-type": JSON}],
                },
                {
                    "uuid": catalogued,
                    "title": "Test cases",
                    "rlinks": [{"href": CATALOGUE_FILE, "media-type": JSON}],
                },
            ]
        },
    }
    if excluded := [row for row in whole.rows if row.objective not in included]:
        document["reviewed-controls"]["remarks"] = markup(
            "; ".join(f"{row.case}/{row.variant} on {row.target}: {row.reason}" for row in excluded[:1000])
        )
    if parts := components(whole):
        document["local-definitions"] = {"components": parts}
        document["assessment-subjects"] = [{"type": "component", "include-all": {}}]
    return json.dumps({"assessment-plan": document}, indent=1) + "\n"


def platform(whole: Export) -> dict[str, Any]:
    """The harness that the campaign was run with."""
    return {
        "uuid": whole.uuid("platform"),
        "title": markup(f"assay {whole.facts['harness']}, rules {whole.rules[:16]}"),
    }
