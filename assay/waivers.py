"""Waivers: who accepts which verdict, why, and until when; none of them changes a verdict."""

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Strict, StringConstraints

from assay import catalogue, yamlfile
from assay.errors import UsageError

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Waiver(Model):
    """An operator's word that a verdict other than PASS is accepted for a while.

    `case` is the test case's ID, `variant` None where every variant is meant; `until` is the last day
    on which it holds, without a time zone: the day of whoever reads it.
    """

    case: Text
    variant: Text | None = None
    reason: Text
    owner: Text
    until: Annotated[date, Strict()]

    def covers(self, case: str, variant: str) -> bool:
        """Whether it is about this variant."""
        return self.case == case and self.variant in (None, variant)


class _File(Model):
    waivers: tuple[Waiver, ...]


def load(path: Path, today: date) -> tuple[Waiver, ...]:
    """The waivers of a file in its order; raises UsageError that names the line of whatever is wrong.

    Wrong is what the catalogue does not know, what stands twice, and what has expired by `today`: an expired
    waiver is renewed with a new reason or removed, it is never passed over.
    """
    found, lines = yamlfile.read(path, _File, "file of waivers")
    wrong, checked, seen = [], [], set[tuple[str, str | None]]()
    for index, waiver in enumerate(found.waivers):
        where = f"{path}:{yamlfile.line(lines, ('waivers', index))}"
        try:
            waiver = waiver.model_copy(update={"case": catalogue.known(waiver.case, waiver.variant)})
        except UsageError as error:
            wrong.append(f"{where}: {error}")
            continue
        name = waiver.case + (f"/{waiver.variant}" if waiver.variant else "")
        if (waiver.case, waiver.variant) in seen:
            wrong.append(f"{where}: {name} is waived twice: leave one of them")
        if waiver.until < today:
            wrong.append(
                f"{where}: the waiver of {name} by {waiver.owner} expired on {waiver.until.isoformat()}: "
                "renew it with a new reason, or remove it"
            )
        seen.add((waiver.case, waiver.variant))
        checked.append(waiver)
    if wrong:
        raise UsageError("\n".join(wrong))
    return tuple(checked)


def of(waivers: tuple[Waiver, ...], case: str, variant: str) -> Waiver | None:
    """The waiver of a variant, the one that names it before one for its whole case; None without one."""
    mine = [w for w in waivers if w.covers(case, variant)]
    return max(mine, key=lambda w: w.variant is not None, default=None)
