"""A waiver is somebody's word with an end date; a file of them is read strictly."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from assay import waivers
from assay.errors import UsageError
from assay.waivers import Waiver

TODAY = date(2026, 3, 1)
CASE = "TC_NAS_REPLAY_AMF"
GOOD = f"""\
waivers:
  - case: {CASE}
    variant: A
    reason: replaced in the next release
    owner: network security, example operator
    until: 2026-03-01
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "waivers.yaml"
    path.write_text(text)
    return path


def test_loaded(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    (waiver,) = waivers.load(path, TODAY)
    assert waiver == Waiver(
        case=CASE,
        variant="A",
        reason="replaced in the next release",
        owner="network security, example operator",
        until=date(2026, 3, 1),
    )
    assert waiver.covers(CASE, "A")
    assert not waiver.covers(CASE, "B")
    assert not waiver.covers("TC_NAS_NULL_INT_AMF", "A")


def test_expired_the_day_after(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert waivers.load(path, TODAY)
    with pytest.raises(UsageError) as error:
        waivers.load(path, TODAY + timedelta(days=1))
    assert str(error.value) == (
        f"{path}:2: the waiver of {CASE}/A by network security, example operator expired on 2026-03-01: "
        "renew it with a new reason, or remove it"
    )


def test_whole_case_and_the_variant_that_is_named(tmp_path: Path) -> None:
    whole = GOOD.replace("    variant: A\n", "").partition("\n")[2]
    found = waivers.load(written(tmp_path, GOOD + whole), TODAY)
    assert [w.variant for w in found] == ["A", None]
    assert waivers.of(found, CASE, "A") is found[0]
    assert waivers.of(found[::-1], CASE, "A") is found[0]
    assert waivers.of(found, CASE, "B") is found[1]
    assert waivers.of(found, "TC_NAS_NULL_INT_AMF", "A") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace(CASE, "TC_NAS_REPLAY_AMFF"), ":2: no test case 'TC_NAS_REPLAY_AMFF'; did you mean"),
        (GOOD.replace("variant: A", "variant: Z9"), f":2: {CASE} has no variant 'Z9', but A"),
        (GOOD + GOOD.partition("\n")[2], f":7: {CASE}/A is waived twice"),
        (GOOD.replace("    owner: network security, example operator\n", ""), ":2: waivers.0.owner: Field"),
        (GOOD.replace("owner: network security, example operator", "owner: ' '"), ":5: waivers.0.owner: Str"),
        (GOOD.replace("2026-03-01", "soon"), ":6: waivers.0.until: Input should be a valid date"),
        (GOOD.replace("2026-03-01", "1790000000"), ":6: waivers.0.until: Input should be a valid date"),
        (GOOD + "    verdict: PASS\n", ":7: waivers.0.verdict: Extra inputs are not permitted"),
        (GOOD + "    until: 2099-01-01\n", ":6: the key 'until' stands twice"),
        ("- nothing", ":1: file of waivers: Input should be a valid dictionary"),
        ("waivers: [", ":2: did not find expected node content"),
        ("", ":1: file of waivers: Input should be a valid dictionary"),
    ],
)
def test_refused(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as error:
        waivers.load(path, TODAY)
    assert str(error.value).startswith(f"{path}{said}")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        waivers.load(tmp_path / "none.yaml", TODAY)
