"""The verdicts of a product over its releases: what regressed, what repeats exclude, what grew old."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from assay.change import Change, change
from assay.errors import UsageError
from assay.verdict import SEVERITY, Outcome, Verdict

CONFIDENCE = 0.95
LAB = (Outcome.NOT_RUN, Outcome.ERROR)
"""What says nothing of the product, and so is no repeat beside what does."""


def flake_bound(runs: int, confidence: float = CONFIDENCE) -> float:
    """The flake rate that is excluded, at this confidence, by so many runs that all came out alike.

    A product whose runs differ at the rate p shows n runs alike with the probability (1 - p)^n; the bound is
    the p for which that is 1 - confidence (Clopper and Pearson 1934, no differing run seen).
    """
    return float(1 - (1 - confidence) ** (1 / runs))


@dataclass(frozen=True)
class Release:
    """A release as it was tested: its runs were made, and are judged, under the very same conditions."""

    id: int
    version: str
    build: str
    faults: str  # seeded ones: a demonstration, never compared with the product
    config: str  # digest of the profile without the product's identity
    rules: str  # digest of the rules it was run under
    judged: str  # digest of the rules it is judged under
    first: str  # when its first and last campaign began, ISO 8601
    last: str
    campaigns: int

    @property
    def label(self) -> str:
        """Version and build, as people say it."""
        build = f"(build {self.build})" if self.build else ""
        return " ".join(filter(None, (self.version, build))) or "unnamed"


@dataclass(frozen=True, order=True)
class Variant:
    """One variant of a test case on one target."""

    spec: str
    case: str
    variant: str
    target: str


@dataclass(frozen=True)
class Cell:
    """What the runs of one variant on one release came to."""

    outcomes: Mapping[Outcome, int]  # how many runs ended with which, the lab's own troubles included
    last: str  # when the last of them began, ISO 8601
    reason: str
    became: Change | None = None  # since the release before it that has a verdict
    other_rules: bool = (
        False  # that one was run or judged under other rules: perhaps only the yardstick changed
    )

    @property
    def of_product(self) -> dict[Outcome, int]:
        """The runs that say something of the product; where there is none, all of them."""
        told = {o: n for o, n in self.outcomes.items() if o not in LAB}
        return told or dict(self.outcomes)

    @property
    def runs(self) -> int:
        """How many runs that is."""
        return sum(self.of_product.values())

    @property
    def outcome(self) -> Outcome | None:
        """What all runs came to; None where they disagree: the best or the last of them is never taken."""
        found = list(self.of_product)
        return found[0] if len(found) == 1 else None

    @property
    def bound(self) -> float | None:
        """The flake rate that these runs exclude; None where they disagree or say nothing of the product."""
        alike = self.outcome not in (None, Outcome.NOT_APPLICABLE, *LAB)
        return flake_bound(self.runs) if alike else None

    @property
    def words(self) -> str:
        """The outcome, or the outcomes with their numbers, worst first."""
        if self.outcome is not None:
            return self.outcome.value
        return ", ".join(f"{self.of_product[o]} {o.value}" for o in SEVERITY if o in self.of_product)


@dataclass(frozen=True)
class History:
    """A product's releases, oldest first, and its variants with a cell for each release."""

    product: str
    vendor: str
    releases: tuple[Release, ...]
    rows: Mapping[Variant, tuple[Cell | None, ...]]

    @property
    def current(self) -> int | None:
        """Which release is the last one that is no demonstration."""
        real = [n for n, release in enumerate(self.releases) if not release.faults]
        return real[-1] if real else None

    def cells(self) -> Iterator[tuple[Variant, Cell]]:
        """The cells of the current release."""
        if self.current is not None:
            for variant, row in self.rows.items():
                if (cell := row[self.current]) is not None:
                    yield variant, cell

    def regressed(self) -> list[tuple[Variant, Cell]]:
        """What passed in an earlier release and fails in the current one."""
        return [(v, c) for v, c in self.cells() if c.became is Change.REGRESSED]

    def disagreeing(self) -> list[tuple[Variant, Cell]]:
        """What came out one way in one run of the current release, and another way in another."""
        return [(v, c) for v, c in self.cells() if c.outcome is None]

    def expired(self, today: date, max_age: int) -> list[tuple[Variant, Cell]]:
        """What was last run on the current release more than `max_age` days before `today`."""
        told = [(v, c) for v, c in self.cells() if c.outcome not in LAB]
        return [(v, c) for v, c in told if (today - _day(c.last)).days > max_age]

    def missing(self) -> list[Variant]:
        """What has a verdict in an earlier release and none in the current one."""
        if self.current is None:
            return []
        real = [n for n, release in enumerate(self.releases) if not release.faults]
        told = {v: [_told(row[n]) for n in real] for v, row in self.rows.items()}
        return [v for v, row in told.items() if any(row) and not row[-1]]


def _told(cell: Cell | None) -> bool:
    return cell is not None and cell.outcome not in LAB


def _day(stamp: str) -> date:
    try:
        return date.fromisoformat(stamp[:10])
    except ValueError:
        raise UsageError(f"the store holds evidence without a date ({stamp[:40]!r})") from None


def build(
    product: str,
    vendor: str,
    releases: Sequence[Release],
    cells: Mapping[tuple[Variant, int], Cell],
) -> History:
    """A history from cells by variant and release; adds what became of each since the release before it."""
    rows = {}
    for variant in sorted({v for v, _ in cells}):
        row: list[Cell | None] = []
        before: tuple[Release, Cell] | None = None
        for release in releases:
            cell = cells.get((variant, release.id))
            if cell is not None and not release.faults:
                if before is not None:
                    cell = _since(before, release, cell)
                if _told(cell):
                    before = release, cell
            row.append(cell)
        rows[variant] = tuple(row)
    return History(product, vendor, tuple(releases), rows)


def _since(before: tuple[Release, Cell], release: Release, cell: Cell) -> Cell:
    was, old = before
    verdicts = [Verdict(c.outcome, "") if c.outcome else None for c in (old, cell)]
    if None in verdicts:
        became = Change.UNCHANGED if old.words == cell.words else Change.UPDATED
    else:
        became = change(*verdicts)
    other = (was.rules, was.judged) != (release.rules, release.judged)
    return Cell(cell.outcomes, cell.last, cell.reason, became, other)
