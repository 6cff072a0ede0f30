"""The official schema of each export, and what it says against a document."""

import csv
import io
import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import jsonschema
import pytest
import xmlschema
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from assay.reports.csv_ import COLUMNS

ROOT = Path(__file__).parent.parent
SCHEMAS = Path(__file__).parent / "schemas"
SARIF = ROOT / "tests/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"
TRESTLE = ROOT / ".venv-gates/bin/python"
REFERENCES = {
    *("requirement", "parent", "assessor", "target", "claims", "counterClaims", "evidence"),
    *("counterEvidence", "mitigationStrategies"),
}
"""Keys of CycloneDX declarations whose texts name something of the same document."""
CLASSES = {r"\p{L}": r"[^\W\d_]", r"\p{N}": r"\d"}
"""What ECMAScript's patterns have and Python's do not."""


def there(path: Path) -> Path:
    """A path that `make gates` makes; where it is missing the test is skipped, and in CI it fails."""
    if not path.exists():
        reason = f"{path.relative_to(ROOT)} is missing: make gates"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return path


def complaints(name: str, text: str) -> list[str]:
    """What the official schema of a format has against a document; empty when it is valid."""
    checks: dict[str, Callable[[str], list[str]]] = {
        "csv": csv_,
        "cyclonedx": cyclonedx,
        "json": json_,
        "junit": junit,
        "sarif": lambda text: sarif(json.loads(text)),
    }
    return checks[name](text) if name in checks else oscal(json.loads(text))


# --- one format after the other ---------------------------------------------------------------------------


@cache
def _junit() -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(str(SCHEMAS / "junit-10.xsd"))


def junit(text: str) -> list[str]:
    try:
        root = Xml.fromstring(text)
    except Xml.ParseError as error:
        return [f"no XML: {error}"]
    return [str(error.reason) for error in _junit().iter_errors(root)]


def json_(text: str) -> list[str]:
    schema = json.loads((ROOT / "docs/schemas/report.schema.json").read_bytes())
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(json.loads(text))]


def csv_(text: str) -> list[str]:
    """RFC 4180 with every cell quoted, our columns, and no cell that a spreadsheet reads as a formula."""
    if not re.fullmatch(r'(?:"(?:[^"]|"")*"(?:,|\r\n))*', text):
        return ["not every cell is quoted"]
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    found = [f"{len(row)} cells in a row of {len(rows[0])}" for row in rows if len(row) != len(rows[0])]
    if rows[0] != COLUMNS:
        found.append(f"columns {rows[0]}")
    for one in (one for row in rows for one in row):
        if any(
            part.lstrip(' "')[:1] in set("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
            for part in one.split(";")
            if part
        ):
            found.append(f"a formula: {one[:100]!r}")
        if not one.isprintable():
            found.append(f"a control character in {one[:100]!r}")
    return found


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    for ours, theirs in CLASSES.items():
        pattern = pattern.replace(ours, theirs)
    if isinstance(instance, str) and not re.search(pattern.replace("$", r"\Z"), instance):
        yield jsonschema.ValidationError(f"{instance[:100]!r} does not match {pattern!r}")


@cache
def _oscal() -> Any:
    kind = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        jsonschema.Draft7Validator, {"pattern": _pattern}
    )
    schema = json.loads((SCHEMAS / "oscal_complete_schema.json").read_bytes())
    return kind(schema, format_checker=jsonschema.FormatChecker())


def oscal(document: Any) -> list[str]:
    return [error.message[:500] for error in _oscal().iter_errors(document)]


def trestle(documents: list[Any]) -> list[str]:
    """What compliance-trestle says against each of some OSCAL documents, empty where it takes it."""
    done = subprocess.run(
        [there(TRESTLE), Path(__file__).parent / "trestle_gate.py"],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


@cache
def _sarif() -> Any:
    schema = json.loads(there(SARIF).read_bytes())
    kind = jsonschema.validators.validator_for(schema)
    return kind(schema, format_checker=jsonschema.FormatChecker())


def sarif(document: Any) -> list[str]:
    """The schema, and the rules of the standard's text that it does not hold."""
    found = [error.message[:500] for error in _sarif().iter_errors(document)]
    if found:
        return found
    for run in document["runs"]:
        rules = run["tool"]["driver"].get("rules", [])
        told = [("suppressions" in result) for result in run.get("results", [])]
        if any(told) and not all(told):
            found.append("3.27.23: some results tell of suppressions, others do not")
        for result in run.get("results", []):
            if result.get("kind", "fail") != "fail" and result.get("level", "warning") != "none":
                found.append(f"3.27.10: kind {result.get('kind')} with level {result.get('level')}")
            index = result.get("ruleIndex", -1)
            if not 0 <= index < len(rules) or rules[index]["id"] != result.get("ruleId"):
                found.append(f"3.27.6: ruleIndex {index} is not {result.get('ruleId')}")
            if not _plain(result["message"]["text"]):
                found.append(f"3.11: a link or a placeholder in {result['message']['text'][:100]!r}")
    return found


def _plain(text: str) -> bool:
    bare = re.sub(r"\\[\\\[\]]|\{\{|\}\}", "", text)
    return not re.search(r"[\[\]{}]", bare)


def cyclonedx(text: str) -> list[str]:
    """Schema 1.6 as the library has it, unknown keys refused; and that each reference leads somewhere."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        return [str(error)[:500]]
    document = json.loads(text)
    if document["specVersion"] != "1.6":  # the schema takes any text here
        return [f"specVersion {document['specVersion']}"]
    declared, used = Counter[str](), set[str]()

    def walk(found: Any) -> None:
        for key, value in found.items() if isinstance(found, dict) else ():
            listed = value if isinstance(value, list) else [value]
            if key == "bom-ref":
                declared[value] += 1
            elif key in REFERENCES:
                used.update(one for one in listed if isinstance(one, str))
            for one in listed:
                walk(one)

    walk(document)
    twice = [f"bom-ref {ref} stands twice" for ref, times in declared.items() if times > 1]
    return twice + [f"{ref} leads nowhere" for ref in sorted(used - declared.keys())]
