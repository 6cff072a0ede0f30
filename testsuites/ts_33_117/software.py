"""What test cases about a product's software share: the vendor's list, and the inventory of the host."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assay.case import Control
from drivers.interfaces.facts import Package
from drivers.interfaces.host import Document, HostBench, rows
from drivers.interfaces.replies import Fact

BASE = re.compile(r"libc6|libc-bin|glibc|musl")
MOST = 20_000


@dataclass(frozen=True)
class Component:
    """An entry of the vendor's list of software."""

    name: str
    version: str
    purpose: str


def listed(host: HostBench) -> tuple[Document, tuple[Component, ...]]:
    """The declared list of software (CycloneDX or SPDX, JSON); no components where it cannot be read."""
    document, octets = host.document(host.declared("software.sbom"))
    try:
        return document, tuple(_components(json.loads(octets)))[:MOST]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return document, ()


def _components(bom: dict[str, list[dict[str, object]]]) -> Iterator[Component]:
    for one in bom.get("components", ()):  # CycloneDX
        yield Component(*(str(one.get(key) or "") for key in ("name", "version", "description")))
    for one in bom.get("packages", ()):  # SPDX
        purpose = one.get("primaryPackagePurpose") or one.get("summary") or one.get("description")
        yield Component(str(one.get("name") or ""), str(one.get("versionInfo") or ""), str(purpose or ""))


def installed(packages: Fact) -> tuple[Package, ...]:
    """The packages whose files are there."""
    return tuple(one for one in rows(packages, Package) if one.state == "installed")


def known(packages: Fact) -> Control:
    """Control: what must be in an inventory is in it."""
    found = next((one.name for one in installed(packages) if BASE.fullmatch(one.name)), "")
    return Control(
        "the inventory holds the base library", bool(found), found or "it is not listed", refs=(packages.ref,)
    )


def opened(*documents: Document) -> Control:
    """Control: these documents could be opened and are the declared ones."""
    bad: Iterable[str] = (f"{one.file}: {one.problem}" for one in documents if one.problem)
    saw = next(iter(bad), "")
    return Control(
        "the vendor's documents open", bool(documents) and not saw, saw or f"{len(documents)} documents"
    )
