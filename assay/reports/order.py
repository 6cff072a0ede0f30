"""What a laboratory adds to a report: ISO/IEC 17025:2017 clause 7.8 asks for more than a campaign knows."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from assay import yamlfile

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Body(Model):
    """A laboratory or a customer."""

    name: Text
    address: Text | None = None
    contact: Text | None = None


class Person(Model):
    """Who answers for a step of the work, and when it was done."""

    name: Text
    function: Text | None = None
    day: date | None = None


class Accreditation(Model):
    """What a laboratory is accredited for; test cases that are not named here are marked as outside of it."""

    body: Text
    number: Text
    cases: tuple[Text, ...] = ()


class Amendment(Model):
    """The report that this one replaces, and what is different (7.8.8)."""

    replaces: Text
    change: Text


class Opinion(Model):
    """An opinion or interpretation: kept apart from results, with its author (7.8.7)."""

    text: Text
    author: Text


class Order(Model):
    """What was ordered, from whom, and who tested, reviewed and authorised.

    All of it may be left out: a report says of each field that it is missing. An empty list says that there
    is none. No judge sees any of it.
    """

    number: Text | None = None  # the laboratory's own number of the report
    issued: date | None = None
    laboratory: Body | None = None
    place: Text | None = None  # where it was tested, if not at the laboratory's address
    accreditation: Accreditation | None = None
    customer: Body | None = None
    received: date | None = None  # the item
    condition: Text | None = None  # of the item: hardware, hosting, serial numbers, state
    obtained: Text | None = None  # picked by the laboratory, or delivered by the vendor
    sampling: Text | None = None  # which instances were tested, and why these
    tested: tuple[Person, ...] = ()
    reviewed: tuple[Person, ...] = ()
    authorised: tuple[Person, ...] = ()
    deviations: tuple[Text, ...] | None = None  # additions to, deviations and exclusions from the method
    external: tuple[Text, ...] | None = None  # what others did: the vendor's own tests, subcontractors
    customer_data: tuple[Text, ...] | None = None  # what the customer supplied and the results may rest on
    uncertainty: Text | None = None
    opinions: tuple[Opinion, ...] | None = None
    amendment: Amendment | None = None
    confidentiality: Text | None = None


def load(path: Path) -> Order:
    """An order from its YAML file; raises UsageError that names the line of whatever is wrong."""
    return yamlfile.read(path, Order, "laboratory's order")[0]


def schema() -> dict[str, Any]:
    """JSON Schema of an order."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Order of a test report (ISO/IEC 17025 clause 7.8)",
        **Order.model_json_schema(),
    }
