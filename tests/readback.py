"""Verdicts read back from each export by a reader of its own, and what each shows as green."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree as Xml

Key = tuple[str, str, str, str]
"""(specification, test case, variant, target)."""
Verdict = tuple[Key, str, bool]
"""What it is about, the verdict, and whether a tool that knows nothing of us shows it as good."""


def junit(text: str) -> Iterator[Verdict]:
    for test in Xml.fromstring(text).iter("testcase"):
        what, _, target = (test.get("name") or "").removesuffix("]").rpartition(" [")
        case, _, variant = what.rpartition("/")
        bad = [child.get("type") or "" for child in test if child.tag in ("failure", "error", "skipped")]
        spec = (test.get("classname") or "").partition(".")[0]
        yield (spec, case, variant, target), bad[0] if bad else "PASS", not bad


def json_(text: str) -> Iterator[Verdict]:
    for one in json.loads(text)["results"]:
        yield _key(one), one["verdict"], one["verdict"] == "PASS"


def csv_(text: str) -> Iterator[Verdict]:
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield _key(row), row["verdict"], row["verdict"] == "PASS"


def sarif(text: str) -> Iterator[Verdict]:
    (run,) = json.loads(text)["runs"]
    for result in run["results"]:
        known = result["properties"]
        undecided = known["verdict"] if known["verdict"] in ("INCONCLUSIVE", "ERROR") else ""
        verdict = {"pass": "PASS", "fail": "FAIL", "open": undecided, "notApplicable": "NOT_APPLICABLE"}
        yield _key(known), verdict[result["kind"]], result["kind"] == "pass"
    for notice in run["invocations"][0]["toolExecutionNotifications"]:
        if notice["descriptor"]["id"] == "NOT_RUN":
            yield _key(notice["properties"]), "NOT_RUN", False


def oscal(text: str) -> Iterator[Verdict]:
    (result,) = json.loads(text)["assessment-results"]["results"]
    found = {o["uuid"]: {p["name"]: p["value"] for p in o["props"]} for o in result.get("observations", [])}
    states = {}
    for finding in result.get("findings", []):
        (observed,) = finding["related-observations"]
        states[observed["observation-uuid"]] = finding["target"]["status"]
    for uuid, props in found.items():
        status = states.get(uuid)
        other = props["verdict"] if props["verdict"] not in ("PASS", "FAIL") else ""
        verdict = {"pass": "PASS", "fail": "FAIL"}.get(status["reason"], other) if status else other
        yield _key(props), verdict, status is not None and status["state"] == "satisfied"


def cyclonedx(text: str) -> Iterator[Verdict]:
    document = json.loads(text)
    names = {}
    for standard in document["definitions"]["standards"]:
        for requirement in standard["requirements"]:
            names[requirement["bom-ref"]] = {
                p["name"].removeprefix("assay:"): p["value"] for p in requirement["properties"]
            }
    for attestation in document["declarations"]["attestations"]:
        target = re.split(r": \d+ variants of 3GPP", attestation["summary"])[0]
        for one in attestation["map"]:
            verdict = one["conformance"]["rationale"].partition(":")[0]
            green = bool(one.get("claims")) or one["conformance"].get("score", 0) > 0
            yield _key({**names[one["requirement"]], "target": target}), verdict, green


def _key(names: dict[str, Any]) -> Key:
    return names["spec"], names["case"], names["variant"], names["target"]


READERS: dict[str, Callable[[str], Iterator[Verdict]]] = {
    "csv": csv_,
    "cyclonedx": cyclonedx,
    "json": json_,
    "junit": junit,
    "oscal": oscal,
    "sarif": sarif,
}
