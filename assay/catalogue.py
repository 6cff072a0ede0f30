"""The catalogue of test cases: 3GPP's facts as data, one YAML per specification."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

import testsuites
from assay.errors import UsageError

ROOT = Path(testsuites.__path__[0])

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Status = Literal["automated", "planned", "manual"]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Variant(Model):
    """One run of a test case with a verdict of its own."""

    name: Text
    title: Text | None = None
    source_label: Text | None = None
    origin: Literal["proposed"] | None = None  # the source does not have it, we do
    rule_proposed: bool = False  # the decision rule is ours, not 3GPP's
    beyond_procedure: bool = False
    disruptive: bool = False
    isolation: Literal["ue", "association", "ausf", "product"] | None = None
    applicability: Text | None = None
    feature: Text | None = None  # key of the profile's `features` that decides the applicability
    profile_keys: tuple[Text, ...] | None = None  # of the declaration, where it needs others than its case
    steps: tuple[Text, ...]
    passes: tuple[Text, ...] = Field(alias="pass")
    control: tuple[Text, ...] = ()


class TestCase(Model):
    """A test case of a specification, in our own words."""

    __test__ = False

    id: Text
    slug: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]
    clause: Text
    status: Status
    title: Text
    requirement: Text
    requirement_ref: Text | None = None
    threat_ref: Text | None = None
    applicability: Text | None = None
    feature: Text | None = None
    interfaces: tuple[Text, ...]
    method: Literal["protocol", "host", "scan", "web", "fuzz", "document", "management", "observation"]
    drivers: tuple[Text, ...]
    preconditions: tuple[Text, ...]
    variants: tuple[Variant, ...]
    faults: dict[Text, Text] = Field(alias="seeded_faults")
    evidence: tuple[Text, ...]
    automation: Literal["full", "partial", "manual"]
    automation_note: Text
    severity: Literal["low", "medium", "high", "critical"]
    severity_reason: Text
    blackbox_from: tuple[Text, ...] = ()
    profile_keys: tuple[Text, ...] = ()
    real_component: Text | None = None
    remark: Text | None = None
    id_derived: bool = False
    id_note: Text | None = None
    source_name: Text | None = None
    source_issue: Text | None = None
    source_incomplete: bool = False

    @model_validator(mode="before")
    @classmethod
    def _shape(cls, data: Any) -> Any:
        """The slug is the id where that has no blanks; the list of faults becomes one mapping."""
        if isinstance(data, dict):
            data = {"slug": data.get("id"), **data}
            faults = data.get("seeded_faults")
            if isinstance(faults, list):
                data["seeded_faults"] = {name: text for entry in faults for name, text in entry.items()}
                if len(data["seeded_faults"]) != len(faults):
                    raise ValueError(f"{data['id']}: a seeded fault stands twice")
        return data

    @model_validator(mode="after")
    def _variants_once(self) -> "TestCase":
        names = [v.name for v in self.variants]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.id}: a variant stands twice")
        return self

    def variant(self, name: str) -> Variant:
        """The variant of this name; KeyError when there is none."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise KeyError(name)


class Specification(Model):
    """One catalogue file."""

    spec: Text  # "TS 33.512"
    title: Text
    release: int
    version: Text
    network_product_class: Text
    source_doc: Text | None = None
    note: Text | None = None
    conventions: dict[Text, Text] = {}
    cases: tuple[TestCase, ...] = Field(alias="test_cases")

    @property
    def key(self) -> str:
        """The folder's name, which is also what the command line calls it: ts_33_512."""
        return "ts_" + self.spec.split()[1].replace(".", "_")


@cache
def load(key: str) -> Specification:
    """One specification by its folder's name; raises UsageError for one that is not there or not valid."""
    path = ROOT / key / "catalogue.yaml"
    if key not in keys():
        raise UsageError(f"no specification {key!r}: there are {', '.join(keys())}")
    try:
        spec = Specification.model_validate(yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValidationError) as error:
        raise UsageError(f"{path}: {error}") from error
    if spec.key != key:
        raise UsageError(f"{path}: says {spec.spec}, the folder says {key}")
    return spec


@cache
def keys() -> tuple[str, ...]:
    """The folders that hold a catalogue, in order."""
    return tuple(sorted(p.parent.name for p in ROOT.glob("ts_*/catalogue.yaml")))


def digest(key: str) -> str:
    """SHA-256 of a catalogue file, hexadecimal."""
    return hashlib.sha256((ROOT / key / "catalogue.yaml").read_bytes()).hexdigest()


def everything() -> Iterator[tuple[Specification, TestCase]]:
    """Every test case of every specification, in the catalogue's order."""
    for key in keys():
        spec = load(key)
        for one in spec.cases:
            yield spec, one


def find(case_id: str, key: str | None = None) -> tuple[Specification, TestCase]:
    """A test case by its id or slug; raises UsageError when it is unknown, naming what is close."""
    import difflib

    known: dict[str, tuple[Specification, TestCase]] = {}
    for spec_key in [key] if key else keys():
        spec = load(spec_key)
        for one in spec.cases:
            if case_id in (one.id, one.slug):
                return spec, one
            known[one.slug] = (spec, one)
    close = difflib.get_close_matches(case_id, known, 3, 0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "; `assay list` shows them all"
    raise UsageError(f"no test case {case_id!r}{hint}")


def known(case_id: str, variant: str | None = None) -> str:
    """The ID of a test case named by id or slug; raises UsageError when it or the variant is unknown."""
    _, case = find(case_id)
    names = [v.name for v in case.variants]
    if variant is not None and variant not in names:
        raise UsageError(f"{case.id} has no variant {variant!r}, but {', '.join(names)}")
    return case.id
