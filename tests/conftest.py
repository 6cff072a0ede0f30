"""What all tests share: the judge of records in which a test says what they came to."""

from collections.abc import Iterator

import pytest

from assay import campaign
from assay.campaign import Record
from assay.verdict import Outcome, Verdict


@pytest.fixture(scope="session", autouse=True)
def told_records() -> Iterator[None]:
    """Judge what `campaigns.campaign` writes: no test case sees "told", so no other record is touched."""
    judge = campaign.judge

    def judged(record: Record) -> Verdict:
        told = [attempt.seen["told"] for attempt in record.attempts if "told" in attempt.seen]
        return Verdict(Outcome(told[0]), str(record.attempts[0].seen["reason"])) if told else judge(record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(campaign, "judge", judged)
        yield
