"""OSCAL documents read by compliance-trestle; run with the interpreter of .venv-gates, which alone has it.

Standard input is a JSON list of documents, standard output a list of complaints, empty where there is none.
"""

import json
import sys
from typing import Any

from trestle.oscal.assessment_plan import AssessmentPlan
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.catalog import Catalog

MODELS: dict[str, Any] = {
    "assessment-plan": AssessmentPlan,
    "assessment-results": AssessmentResults,
    "catalog": Catalog,
}


def complaint(document: dict[str, Any]) -> str:
    """What trestle says against a document, in one line."""
    if len(document) != 1:
        return "not one top-level key"
    ((name, body),) = document.items()
    try:
        MODELS[name].model_validate(body)
    except (ValueError, KeyError) as error:
        return " ".join(str(error).split())[:500] or type(error).__name__
    return ""


if __name__ == "__main__":
    json.dump([complaint(document) for document in json.load(sys.stdin)], sys.stdout)
