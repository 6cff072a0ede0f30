"""What the emulated AMF says while it runs: one line a record, dated by its own clock."""

from datetime import UTC, datetime


def say(level: str, text: str) -> None:
    """Print a record: time in UTC, level, text."""
    print(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {level} {text}", flush=True)
