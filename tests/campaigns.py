"""Campaigns by hand, for tests of what is done with verdicts over time."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click.testing

from assay.campaign import Attempt, Campaign, Planned, Record, Result
from assay.cli import main
from assay.verdict import Outcome, Verdict

SPEC = "ts_33_512"
REPLAY, NULL, SYNC = "TC_NAS_REPLAY_AMF", "TC_NAS_NULL_INT_AMF", "TC_SYNC_FAIL_SEAF"
RULES = {name: name[:2] * 32 for name in ("catalogue", "criteria", "suite", "harness", "digest")}
PRODUCT = {"name": "Example AMF", "vendor": "Example Ltd", "version": "4.2.0", "build": ""}


def campaign(
    path: Path,
    verdicts: Mapping[str, str],
    *,
    product: Mapping[str, str] | None = None,
    created: str = "2026-02-03T10:20:30+00:00",
    rules: Mapping[str, str] = RULES,
    profile: Mapping[str, Any] | None = None,
    faults: tuple[str, ...] = (),
    in_force: Mapping[str, str] | None = None,
) -> Campaign:
    """A campaign in which `CASE/VARIANT` came to `OUTCOME` or `OUTCOME: reason`."""
    plan, records = [], []
    for name, text in verdicts.items():
        case, _, variant = name.partition("/")
        outcome, _, reason = text.partition(": ")
        verdict = Verdict(Outcome(outcome), reason or f"because it is {outcome}")
        decided = verdict if verdict.outcome is Outcome.NOT_APPLICABLE else None
        plan.append(Planned(SPEC, case, case, variant, "amf", decided))
        if decided is None and verdict.outcome is not Outcome.NOT_RUN:
            conditions = {"in_force": dict(in_force or {}), "faults": list(faults)}
            # judged by conftest.told_records
            records.append((plan[-1], verdict, conditions))
    header = {
        "created": created,
        "harness": "0.1.0",
        "rules": dict(rules),
        "profile": {"product": {**PRODUCT, **(product or {})}, **(profile or {})},
        "faults": list(faults),
    }
    made = Campaign.create(path, header, tuple(plan))
    for planned, verdict, conditions in records:
        names = (planned.spec, planned.case, planned.variant, planned.target)
        attempt = Attempt({"told": verdict.outcome.value, "reason": verdict.reason})
        record = Record(*names, created, 1.5, "0.1.0", (attempt,), None, {}, conditions)
        made.write(planned, record)
    return Campaign.open(path)


class Told(Campaign):
    """A campaign of any size whose verdicts a test tells: it has no records."""

    verdicts: Mapping[Planned, Verdict]

    @classmethod
    def by(cls, path: Path, header: Mapping[str, Any], verdicts: Mapping[Planned, Verdict]) -> "Told":
        """Start one in an empty folder."""
        made = cls.create(path, header, tuple(verdicts))
        assert isinstance(made, Told)
        made.verdicts = verdicts
        return made

    def results(self) -> Iterator[Result]:
        return (Result(planned, self.verdicts[planned]) for planned in self.plan)


def command(*arguments: str | Path, **environment: str) -> click.testing.Result:
    """The command line inside this process: what it says and its exit code, without the start of Python."""
    return click.testing.CliRunner(env=environment).invoke(main, [str(a) for a in arguments])
