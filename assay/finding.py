"""One thing that was looked at before a run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was looked at, and whether it stands in the way."""

    text: str
    bad: bool = False
    note: bool = False  # worth knowing, in nobody's way
