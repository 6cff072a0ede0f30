"""A person's statement decides only what a machine cannot, and the verdict says whose it is."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from assay import attach, statements, suites
from assay.bundle import seal
from assay.campaign import Attempt, Campaign, Planned, Record
from assay.case import Case, Observation
from assay.errors import UsageError
from assay.statements import Statement
from assay.verdict import Outcome, Verdict, failed, passed

ASKS = ("Is the list of functions complete?", "Is every reason convincing?")


def said(by: str, text: str = "I read it", **answers: str) -> Statement:
    return Statement(by, "2026-01-01T00:00:00+00:00", text, {k.lstrip("q"): v for k, v in answers.items()})


def weighed(verdict: Verdict, *told: Statement) -> tuple[Outcome, str]:
    found = statements.weigh(verdict, ASKS, told)
    return found.outcome, found.reason


def test_what_a_machine_refused_no_person_passes() -> None:
    yes = said("Ann", q1="yes", q2="yes")
    assert weighed(failed("root has no password"), yes) == (Outcome.FAIL, "root has no password")


def test_a_question_without_an_answer_is_inconclusive() -> None:
    for told in ((), (said("Ann", q2="yes"),)):
        outcome, reason = weighed(passed("nothing found"), *told)
        assert outcome is Outcome.INCONCLUSIVE
        assert ASKS[0] in reason
        assert "decided automatically: nothing found" in reason


def test_every_yes_together_passes_and_says_on_whose_statement() -> None:
    outcome, reason = weighed(passed("nothing found"), said("Ann", q1="yes"), said("Bob", q2="yes"))
    assert outcome is Outcome.PASS
    assert "rests on the statement of Ann and Bob; decided automatically: nothing found" in reason


def test_a_no_fails_and_the_last_word_counts() -> None:
    no = said("Ann", "two are missing", q1="no", q2="yes")
    outcome, reason = weighed(passed("nothing found"), no)
    assert outcome is Outcome.FAIL
    assert "Ann states no" in reason
    assert "two are missing" in reason
    assert weighed(passed("nothing found"), no, said("Bob", q1="yes"))[0] is Outcome.PASS


@dataclass(frozen=True)
class Seen(Observation):
    found: int


def judged(seen: Seen) -> Verdict:
    return passed("nothing found") if not seen.found else failed("something found")


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Campaign:
    bound = Case("TC_X", ("A",), Seen, judged, lambda host: Seen(0), ASKS)
    monkeypatch.setattr(suites, "bindings", lambda key: {("TC_X", "A"): bound})
    planned = Planned("ts_33_117", "TC_X", "TC_X", "A", "host")
    made = Campaign.create(tmp_path / "campaign", {"profile": {}}, (planned,))
    started = "2026-01-01T00:00:00.000+00:00"
    record = Record("ts_33_117", "TC_X", "A", "host", started, 1.0, "0", (Attempt({"found": 0}),))
    made.write(planned, record)
    return made


def test_it_is_kept_with_its_files_and_their_digests(campaign: Campaign, tmp_path: Path) -> None:
    photograph = tmp_path / "../rear <b>.jpg"
    photograph.write_bytes(b"a picture")
    (planned,) = attach.attach(
        campaign, "TC_X", by="Ann", text="I looked", answers={"1": "yes", "2": "yes"}, files=[photograph]
    )
    (result,) = Campaign.open(campaign.path).results()
    assert result.verdict.outcome is Outcome.PASS
    assert result.record is not None
    (name,) = result.record.evidence
    assert name == "attached-1-rear__b_.jpg"
    assert campaign.intact(planned, result.record) == ""
    at_the_time = json.loads((campaign.folder(planned) / "verdict.json").read_bytes())
    assert at_the_time["reason"] == result.verdict.reason
    (campaign.folder(planned) / name).write_bytes(b"another")
    assert "was changed" in campaign.intact(planned, result.record)


def test_questions_are_listed_and_others_refused(campaign: Campaign) -> None:
    ((_, _, questions),) = attach.open_questions(campaign, "TC_X/A")
    assert questions == ASKS
    with pytest.raises(UsageError, match="no question 3"):
        attach.attach(campaign, "TC_X", by="Ann", text="I looked", answers={"3": "yes"})
    with pytest.raises(UsageError, match="yes or no"):
        attach.attach(campaign, "TC_X", by="Ann", text="I looked", answers={"1": "perhaps"})
    with pytest.raises(UsageError, match="no record of TC_Y"):
        attach.attach(campaign, "TC_Y", by="Ann", text="I looked", answers={})


def test_nothing_is_attached_to_a_sealed_bundle(campaign: Campaign, tmp_path: Path) -> None:
    seal.create(campaign, tmp_path / "bundle", CryptoSigner.generate_ed25519(), "tester", "")
    with pytest.raises(UsageError, match="is sealed"):
        attach.attach(Campaign.open(tmp_path / "bundle"), "TC_X", by="Ann", text="late", answers={"1": "yes"})


def test_statements_that_do_not_read_are_an_error(campaign: Campaign) -> None:
    (planned,) = campaign.plan
    record = campaign.read(planned)
    assert record is not None
    campaign.write(planned, replace(record, conditions={"statements": [{"by": 1}]}))
    (result,) = campaign.results()
    assert result.verdict.outcome is Outcome.ERROR
