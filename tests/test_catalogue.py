"""Catalogue and code are equal, and the catalogue is whole."""

import importlib

import pytest
from pydantic import ValidationError

from assay import catalogue, declaration, plan, suites
from assay.catalogue import Specification
from assay.errors import UsageError
from drivers.emulated import faults
from drivers.emulated.host.faults import HOST

CASES = list(catalogue.everything())


def test_the_whole_catalogue_is_there() -> None:
    assert len(catalogue.keys()) == 22
    assert len(CASES) == 211
    assert sum(len(case.variants) for _, case in CASES) == 422


def test_slugs_name_one_case_in_a_specification() -> None:
    for key in catalogue.keys():
        slugs = [case.slug for case in catalogue.load(key).cases]
        assert len(set(slugs)) == len(slugs)


def test_an_id_with_a_blank_keeps_its_spelling() -> None:
    _, case = catalogue.find("TC_NAS_ALG_AMF_CHANGE_AMF")
    assert case.id == "TC_NAS_ALG_AMF_CHANGE _AMF"


@pytest.mark.parametrize(("spec", "case"), CASES, ids=[f"{s.key}-{c.slug}" for s, c in CASES])
def test_status_and_code_are_equal(spec: Specification, case: catalogue.TestCase) -> None:
    bound = {variant for (case_id, variant) in suites.bindings(spec.key) if case_id == case.id}
    wanted = {variant.name for variant in case.variants} if case.status == "automated" else set()
    assert bound == wanted


@pytest.mark.parametrize("key", catalogue.keys())
def test_code_is_bound_to_a_case_that_exists(key: str) -> None:
    known = {(case.id, variant.name) for case in catalogue.load(key).cases for variant in case.variants}
    assert set(suites.bindings(key)) <= known


def test_every_fault_of_an_automated_case_is_built() -> None:
    automated = [case for _, case in CASES if case.status == "automated"]
    wanted = {(case.id, fault) for case in automated for fault in case.faults}
    known = {(case.id, fault) for _, case in CASES for fault in case.faults}
    built = [(fault.case, name) for name, fault in faults.AMF.items() if fault.case]
    built += [(fault.case, name) for name, fault in HOST.items() if fault.case]
    assert wanted <= set(built) <= known
    assert len(set(built)) == len(built)


def test_every_key_that_a_host_case_needs_can_be_declared() -> None:
    for key in catalogue.keys():
        for (case_id, variant), bound in suites.bindings(key).items():
            if bound.bench == plan.HOST:
                case = catalogue.find(case_id, key)[1]
                assert set(plan.needed(case, case.variant(variant))) <= set(declaration.keys()), case_id


def test_a_probe_says_what_it_returns() -> None:
    for key in catalogue.keys():
        for (case_id, _), bound in suites.bindings(key).items():
            module = importlib.import_module(bound.probe.__module__)
            assert module.__doc__, bound.probe.__module__
            assert case_id in module.__doc__


def test_a_wrong_catalogue_is_refused() -> None:
    good = catalogue.load("ts_33_518").model_dump(by_alias=True)
    good["test_cases"][0]["colour"] = "red"
    with pytest.raises(ValidationError, match="colour"):
        Specification.model_validate(good)


def test_an_unknown_case_is_answered_with_what_is_close() -> None:
    with pytest.raises(UsageError, match="TC_NAS_REPLAY_AMF"):
        catalogue.find("TC_NAS_REPLY_AMF")
