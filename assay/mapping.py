"""What results give evidence for, beyond 3GPP: `testsuites/mapping.yaml`, as validated data."""

import hashlib
from functools import cache
from typing import Literal

import yaml
from pydantic import ValidationError, model_validator

from assay.catalogue import ROOT, Model, Text
from assay.errors import UsageError

PATH = ROOT / "mapping.yaml"

Kind = Literal["direct", "partial", "contextual"]
Confidence = Literal["high", "medium", "low"]


class Row(Model):
    """Results of these test cases give evidence for these measures, requirements and weaknesses."""

    id: Text
    spec: Text
    cases: tuple[Text, ...]
    topic: Text
    toolbox: tuple[Text, ...]
    risks: tuple[Text, ...]
    cra: tuple[Text, ...]
    nis2: tuple[Text, ...]
    cwe: tuple[Text, ...]
    evidence: Kind
    confidence: Confidence
    note: Text | None = None


class Document(Model):
    """A measure that no single result speaks for, but a report as a whole may."""

    measure: Text
    how: Text
    evidence: Kind
    confidence: Confidence


class Scales(Model):
    """What the words of `evidence` and `confidence` mean."""

    evidence: dict[Kind, Text]
    confidence: dict[Confidence, Text]


class Mapping(Model):
    """The whole file."""

    version: Text
    date: Text
    sources: tuple[Text, ...]
    limits: tuple[Text, ...]
    scales: Scales
    toolbox: dict[Text, Text]
    risks: dict[Text, Text]
    cra: dict[Text, Text]
    nis2: dict[Text, Text]
    cwe: dict[Text, Text]
    rows: tuple[Row, ...]
    as_a_document: tuple[Document, ...]
    not_covered: dict[Text, Text]
    unmapped: tuple[Text, ...]

    @model_validator(mode="after")
    def _names(self) -> "Mapping":
        for row in self.rows:
            for scheme in ("toolbox", "risks", "cra", "nis2", "cwe"):
                if unknown := set(getattr(row, scheme)) - set(getattr(self, scheme)):
                    raise ValueError(f"{row.id}: {scheme} has no {', '.join(sorted(unknown))}")
        if len({row.id for row in self.rows}) != len(self.rows):
            raise ValueError("a row's id stands twice")
        return self


@cache
def load() -> Mapping:
    """The mapping; raises UsageError when the file is not valid."""
    try:
        return Mapping.model_validate(yaml.load(PATH.read_bytes(), Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValidationError) as error:
        raise UsageError(f"{PATH}: {error}") from error


@cache
def digest() -> str:
    """SHA-256 of the file, hexadecimal."""
    return hashlib.sha256(PATH.read_bytes()).hexdigest()
