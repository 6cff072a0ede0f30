"""TC_NO_UNSUPPORTED_COMPONENTS: for each component somebody mends vulnerabilities as long as it is used."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, passed
from drivers.interfaces.facts import Package
from drivers.interfaces.host import Document, HostBench, unread
from drivers.interfaces.replies import Fact
from testsuites.ts_33_117 import end_of_life
from testsuites.ts_33_117.software import Component, installed, known, listed, opened

EXPIRED = Package("libssl1.0.2", "1.0.2u-1~deb9u7", "amd64", "installed")
OLDEST = timedelta(days=1000)  # of the harness's own table
BUILT_FOR = re.compile(r"[~+]deb(\d{1,2})u\d+")


@dataclass(frozen=True)
class Seen(Observation):
    day: str  # of the test, UTC
    document: Document
    declared: tuple[Component, ...]
    packages: Fact
    os: Fact
    kernel: Fact
    dates: tuple[dict[str, Any], ...]
    hardware: tuple[dict[str, Any], ...]
    contracts: tuple[dict[str, Any], ...]
    contract_files: tuple[Document, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    facts = (seen.packages, seen.os, seen.kernel)
    if doubt := unsound([opened(seen.document, *seen.contract_files)]) or unread(*facts):
        return doubt
    table = _day(end_of_life.DATED)
    fresh = table is not None and _day(seen.day) is not None and date.fromisoformat(seen.day) - table < OLDEST
    join = Control("a component known to be expired is flagged", bool(_wrong(seen, EXPIRED)), "it is not")
    listing = Control(
        "the list of software can be read", bool(seen.declared), f"{len(seen.declared)} components"
    )
    age = Control("the harness's table is not too old", fresh, f"it is of {end_of_life.DATED}")
    if doubt := unsound([known(seen.packages), listing, age, join]):
        return doubt
    release, ref = _release(seen), seen.packages.ref
    if why := _ended(seen, release, "the operating system"):
        return failed(why, seen.os.ref)
    if why := _ended(seen, "kernel", f"the kernel {seen.kernel.value.get('release', '')}".strip()):
        return failed(why, seen.kernel.ref)
    for package in installed(seen.packages):
        if why := _wrong(seen, package):
            return failed(why, ref)
    for part in seen.hardware:
        until = _day(part.get("support_until"))
        if until is None or until < date.fromisoformat(seen.day):
            return failed(
                f"{part.get('name')} (hardware) has no support: {part.get('support_until') or 'no date'}"
            )
    names = {one.name for one in installed(seen.packages)}
    for one in seen.declared:
        if one.name not in names and one.name not in _rows(seen):
            return failed(f"{one.name} of the list has no date of support, and belongs to no distribution")
    checked = f"{len(names)} packages, kernel and {len(seen.hardware)} pieces of hardware"
    return unsound([seen.alive]) or passed(f"{checked} have support on {seen.day}, most by {release}", ref)


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10])
    except ValueError:
        return None


def _rows(seen: Seen) -> dict[str, dict[str, Any]]:
    return {str(row.get("component")): row for row in seen.dates}


def _release(seen: Seen) -> str:
    """The distribution and its release: `debian:12`."""
    told = seen.os.value
    return f"{told.get('ID', '')}:{str(told.get('VERSION_ID', '')).partition('.')[0]}"


def _ended(seen: Seen, component: str, what: str) -> str:
    """Why a component counts as unsupported, empty where it does not."""
    row, today = _rows(seen).get(component), date.fromisoformat(seen.day)
    made = _day(end_of_life.RELEASES.get(component))
    if row is None:
        if made is None or made < today:
            return f"{what} ({component}) has no declared support" + (f", and ended {made}" if made else "")
        return ""
    until = _day(row.get("until"))
    if until is None:
        return f"{what} ({component}) has no date of support"
    if until < today:
        return f"the support of {what} ({component}) ended {until}"
    if row.get("kind") == "contract" and component not in {one.get("component") for one in seen.contracts}:
        return f"the support of {what} ({component}) rests on a contract that is not there"
    if made is not None and until > made and not (row.get("source") or row.get("reason")):
        return (
            f"{what} ({component}) is declared until {until}, its maker says {made}, and no reason is given"
        )
    return ""


def _wrong(seen: Seen, package: Package) -> str:
    """Why a package counts as unsupported: by its own date, its maker's, or that of its release."""
    what = f"{package.name} {package.version}"
    if package.name in _rows(seen):
        return _ended(seen, package.name, what)
    for names, end in end_of_life.PACKAGES.items():
        if re.fullmatch(names, package.name) and end < seen.day:
            return f"the support of {what} ended {end}"
    if package.kind not in ("deb", "rpm", "apk") or not package.maintainer:
        return f"{what} has no date of support, and belongs to no distribution"
    release = _release(seen)
    if (built := BUILT_FOR.search(package.version)) and release.startswith("debian:"):
        release = f"debian:{built[1]}"
    return _ended(seen, release, what)


@case(
    "TC_NO_UNSUPPORTED_COMPONENTS",
    judge,
    "A",
    asks=(
        "Are the declared dates of support what the suppliers say?",
        "Is all hardware of the product among the declared components?",
    ),
)
def test_no_unsupported_components(host: HostBench) -> Seen:
    document, components = listed(host)
    contracts = tuple(host.declared("documents.support_contracts"))
    return Seen(
        datetime.now(UTC).date().isoformat(),
        document,
        components,
        host.fact("packages"),
        host.fact("os"),
        host.fact("kernel"),
        tuple(host.declared("software.support_dates")),
        tuple(host.declared("hardware.components")),
        contracts,
        tuple(host.document(one)[0] for one in contracts),
        host.alive(),
    )
