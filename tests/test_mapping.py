"""The mapping names what exists, and nothing of the catalogue is left out in silence."""

import pytest
from pydantic import ValidationError

from assay import catalogue, mapping
from assay.mapping import Mapping

KNOWN = {(spec.spec, case.id) for spec, case in catalogue.everything()}


@pytest.mark.parametrize("row", mapping.load().rows, ids=lambda row: row.id)
def test_a_row_names_test_cases_that_exist(row: mapping.Row) -> None:
    assert row.cases
    assert {(row.spec, case) for case in row.cases} <= KNOWN


def test_what_no_row_names_is_said_to_be_unmapped() -> None:
    found = mapping.load()
    named = {(row.spec, case) for row in found.rows for case in row.cases}
    assert {spec for spec, _ in KNOWN - named} == set(found.unmapped)
    assert not {row.spec for row in found.rows} & set(found.unmapped)


def test_supplier_risk_is_never_judged_by_a_result() -> None:
    found = mapping.load()
    assert not [row.id for row in found.rows if any(measure.startswith("SM") for measure in row.toolbox)]
    assert all(entry.evidence == "contextual" for entry in found.as_a_document)


@pytest.mark.parametrize("scheme", ["toolbox", "risks", "cra", "nis2", "cwe"])
def test_an_unknown_name_is_refused(scheme: str) -> None:
    whole = mapping.load().model_dump()
    whole["rows"][0][scheme] = ("X99",)
    with pytest.raises(ValidationError, match=f"{scheme} has no X99"):
        Mapping.model_validate(whole)
