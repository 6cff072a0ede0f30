"""Attaching documents and a person's answers to a variant of a campaign, as evidence with digests."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from assay import statements, suites
from assay.campaign import Campaign, Planned, Record, judge
from assay.case import to_json
from assay.errors import UsageError
from assay.files import Bundle, canonical, digest, write_atomic
from assay.statements import Statement

MOST = 256 << 20  # octets of one file
YES_NO = ("yes", "no")


def asks(planned: Planned) -> tuple[str, ...]:
    """The questions of a variant that only a person can answer."""
    bound = suites.bindings(planned.spec).get((planned.case, planned.variant))
    return bound.asks if bound is not None else ()


def open_questions(campaign: Campaign, case: str) -> Iterator[tuple[Planned, Record, tuple[str, ...]]]:
    """The variants of a case (ID or ID/VARIANT) with a record, and their questions; UsageError for none."""
    name, _, variant = case.partition("/")
    found = False
    for planned in campaign.plan:
        if name in (planned.case, planned.slug) and variant in ("", planned.variant):
            record = campaign.read(planned)
            if record is not None:
                found = True
                yield planned, record, asks(planned)
    if not found:
        raise UsageError(
            f"{campaign.path} has no record of {case}: run it first, what a machine decides is decided"
        )


def attach(
    campaign: Campaign,
    case: str,
    *,
    by: str,
    text: str,
    answers: Mapping[str, str],
    files: Sequence[Path] = (),
) -> list[Planned]:
    """Add a statement to the records of a case; which variants took it.

    `answers` are "yes" or "no" by the number of the question. UsageError where there is no such question, and
    for a sealed bundle, which nothing may be added to.
    """
    if isinstance(campaign.files, Bundle):
        raise UsageError(
            f"{campaign.path} is sealed: attach to the campaign it was made of, and seal that anew"
        )
    taken = []
    for planned, record, questions in open_questions(campaign, case):
        mine = {number: said for number, said in answers.items() if number in _numbers(questions)}
        if answers and not mine:
            continue
        if odd := [said for said in mine.values() if said not in YES_NO]:
            raise UsageError(f"an answer is yes or no, not {odd[0]!r}")
        folder = campaign.folder(planned)
        told = statements.of(record.conditions)
        names = [_copy(path, folder, len(told) + 1) for path in files]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        one = Statement(by, now, text, mine, tuple(names))
        record = replace(
            record,
            evidence={**record.evidence, **{name: digest(folder / name) for name in names}},
            conditions={**record.conditions, "statements": to_json((*told, one))},
        )
        campaign.write(planned, record)
        write_atomic(folder / "verdict.json", canonical(to_json(judge(record))))
        taken.append(planned)
    if not taken:
        raise UsageError(
            f"{case} has no question {', '.join(answers)}: `assay attach` without --answer lists them"
        )
    return taken


def answer_all(folder: Path, said: str, *, by: str) -> None:
    """Answer every question of a campaign alike."""
    campaign = Campaign.open(folder)
    for planned in campaign.plan:
        questions = asks(planned)
        if questions and campaign.read(planned) is not None:
            case = f"{planned.case}/{planned.variant}"
            attach(campaign, case, by=by, text=said, answers=dict.fromkeys(_numbers(questions), said))


def _numbers(questions: Iterable[str]) -> list[str]:
    return [str(number) for number, _ in enumerate(questions, 1)]


def _copy(path: Path, folder: Path, number: int) -> str:
    """Copy a file beside a record under a harmless name."""
    try:
        if path.stat().st_size > MOST:
            raise UsageError(f"{path} is larger than {MOST >> 20} MiB")
        octets = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    name = f"attached-{number}-{re.sub(r'[^A-Za-z0-9._-]', '_', path.name)[-80:]}"
    write_atomic(folder / name, octets)
    return name
