"""tshark, a decoder that is not ours, sees in captures and on the wire what the facts of a record claim."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from products import assay, emulated

from assay.bundle import witness
from assay.bundle.verify import Findings
from assay.bundle.witness import Witnessed
from assay.campaign import Attempt, Campaign, Record

pytestmark = pytest.mark.daemon
Json = dict[str, Any]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    if shutil.which("tshark") is None:
        reason = "tshark is missing: install the Debian package tshark"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("witness")
    done = assay("run", emulated(folder), "--out", folder / "c")
    assert done.returncode == 0, done.stdout
    return Campaign.open(folder / "c")


@pytest.fixture(scope="module")
def told(campaign: Campaign) -> list[Witnessed]:
    return witness.witness(campaign)


def test_every_reference_is_confirmed(campaign: Campaign, told: list[Witnessed]) -> None:
    assert [(w.planned.case, w.disagreements) for w in told if w.disagreements] == []
    assert len(told) == len(campaign.plan)
    assert sum(w.references for w in told) > 1500
    for one in told:  # a container inside of a message is all that tshark has no name for
        assert one.references - one.confirmed == sum(one.unread.values()) <= 1, one


def test_nas_opens_with_the_published_keys(told: list[Witnessed]) -> None:
    assert sum(w.with_keys for w in told) > 400


@pytest.mark.root
def test_the_wire_tells_the_same_story(told: list[Witnessed]) -> None:
    """Where the wire could be recorded, every NGAP message of a record is on it."""
    if os.geteuid() != 0:
        pytest.skip("recording the wire needs CAP_NET_RAW")
    assert sum(w.on_wire for w in told) > 700


def test_a_report_has_the_share_of_every_case(campaign: Campaign, told: list[Witnessed]) -> None:
    found, cases = Findings(), {w.planned.case for w in told}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(witness, "witness", lambda campaign: told)
        witness.testify(campaign, found)
    assert found.problems == []
    assert len(found.witnessed) == len(cases)
    assert all("(100.0%)" in line or "not read" in line for line in found.witnessed)


# --- a record that lies is named ---------------------------------------------------------------------------


def first(wanted: Callable[[Json], bool], change: Callable[[Json], Any]) -> Callable[[Any], bool]:
    """Change the first event of a record for which `wanted` holds; whether there was one."""

    def go(value: Any) -> bool:
        if isinstance(value, dict) and {"interface", "name", "ref", "facts"} <= value.keys():
            if wanted(value):
                change(value)
                return True
            return False
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return any(go(item) for item in items)

    return go


def number(event: Json) -> int:
    return int(event["ref"].partition("#")[2])


LIES: dict[str, tuple[Callable[[Json], bool], Callable[[Json], Any], str]] = {
    "another NAS message": (
        lambda e: e["name"] == "AUTHENTICATION REQUEST",
        lambda e: e.update(name="IDENTITY REQUEST"),
        "tshark reads 'DownlinkNASTransport, Authentication request'",
    ),
    "another ciphered message": (
        lambda e: e["name"] == "REGISTRATION ACCEPT",
        lambda e: e.update(name="REGISTRATION REJECT"),
        "tshark reads 'Registration accept'",
    ),
    "another NGAP message": (
        lambda e: e["name"] == "UPLINK NAS TRANSPORT",
        lambda e: e.update(name="UE CONTEXT RELEASE REQUEST"),
        "tshark reads 'UplinkNASTransport",
    ),
    "another direction": (
        lambda e: e["name"] == "AUTHENTICATION RESPONSE",
        lambda e: e.update(received=True),
        "the frame has the other direction",
    ),
    "a frame that is not there": (
        lambda e: e["interface"] == "n1",
        lambda e: e.update(ref="capture.pcapng#99999"),
        "there is no such frame",
    ),
    "another frame": (
        lambda e: e["name"] == "SECURITY MODE COMMAND",
        lambda e: e.update(ref=f"capture.pcapng#{number(e) - 1}"),
        "tshark reads",
    ),
    "another RAND": (
        lambda e: "rand" in e["facts"],
        lambda e: e["facts"].update(rand="0" * 32),
        "but tshark reads",
    ),
    "another algorithm": (
        lambda e: e["name"] == "SECURITY MODE COMMAND",
        lambda e: e["facts"].update(ea=0),
        "ea 0, but tshark reads 2",
    ),
    "another COUNT": (
        lambda e: bool(e["facts"].get("header")) and "count" in e["facts"],
        lambda e: e["facts"].update(count=e["facts"]["count"] + 1),
        "tshark reads sequence number",
    ),
    "another security header": (
        lambda e: e["facts"].get("header") == 2,
        lambda e: e["facts"].update(header=1),
        "header 1, but tshark reads 2",
    ),
    "another UE": (
        lambda e: "ran_ue_ngap_id" in e["facts"],
        lambda e: e["facts"].update(ran_ue_ngap_id=e["facts"]["ran_ue_ngap_id"] + 1),
        "but tshark reads",
    ),
    "another path": (
        lambda e: e["name"].startswith("POST /nausf-auth"),
        lambda e: e.update(name="POST /nudm-uecm/v1/registrations"),
        "tshark reads 'POST /nausf-auth/v1/ue-authentications'",
    ),
    "another status": (
        lambda e: e["name"].startswith("201 to POST"),
        lambda e: e.update(name=e["name"].replace("201", "403")),
        "tshark reads status 201",
    ),
    "another order": (
        lambda e: e["name"] == "AUTHENTICATION REQUEST",
        lambda e: e.update(at=9999.0),
        "stands before frame",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_record_that_tells_another_story_is_named(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    wanted, change, words = LIES[name]
    for planned in campaign.plan:
        record = campaign.read(planned)
        assert record is not None
        attempts: list[Attempt] = list(record.attempts)
        if first(wanted, change)([dict(attempt.seen) for attempt in attempts]):
            break
    else:
        pytest.fail("no record has such an event")

    def read(self: Campaign, one: object) -> Record:
        return replace(record, attempts=tuple(attempts))

    monkeypatch.setattr(campaign, "plan", (planned,))
    monkeypatch.setattr(Campaign, "read", read)
    (found,) = witness.witness(campaign)
    assert any(words in text for text in found.disagreements), found.disagreements
