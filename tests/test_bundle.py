"""Sealed bundles: what was sealed verifies, in every form, and says by whom."""

import json
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import rfc8785
from bundles import Lab, laboratory, problems, second
from hypothesis import given, settings
from hypothesis import strategies as st
from products import ROOT
from test_reports import make

from assay.bundle import seal, statement
from assay.campaign import Campaign
from assay.errors import UsageError
from assay.files import canonical
from assay.reports import FORMATS, render


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return laboratory(tmp_path_factory.mktemp("lab"))


# --- what is sealed ----------------------------------------------------------------------------------------


def test_a_bundle_verifies_in_every_form_and_by_every_key(lab: Lab) -> None:
    for where in (lab.folder / "b", lab.members):
        for by in ([lab.tester], [lab.tester, lab.reviewer], [f"reviewer={lab.reviewer}"], []):
            assert problems(where, by, rejudge=True) == ("", ""), by
    assert problems(lab.folder / "b.tar", [lab.tester], rejudge=True) == ("", "")


def test_folder_bundle_and_archive_are_the_same_campaign(lab: Lab) -> None:
    opened = [Campaign.open(lab.folder / name) for name in ("c", "b", "b.tar")]
    assert len({campaign.digest for campaign in opened}) == 1
    assert [list(c.results()) for c in opened[1:]] == [list(opened[0].results())] * 2
    for planned in opened[0].plan:
        for campaign in opened:
            record = campaign.read(planned)
            assert record is None or campaign.intact(planned, record) == ""
            assert record is None or campaign.evidence(planned, "capture.pcapng").startswith(b"evidence of")
    place = opened[1].place(opened[0].plan[0], "capture.pcapng")
    assert (lab.folder / "b" / place).read_bytes() == opened[0].evidence(opened[0].plan[0], "capture.pcapng")


@pytest.mark.parametrize("name", FORMATS)
def test_reports_of_a_bundle_are_made_without_its_folder(lab: Lab, name: str) -> None:
    assert render(Campaign.open(lab.folder / "b"), name)


def test_the_same_campaign_is_the_same_archive(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "now", lambda: "2026-01-01T00:00:00Z")
    for name in ("one.tar", "two.tar"):
        seal.create(lab.campaign, lab.folder / name, lab.signer(lab.private), "tester", "")
    assert (lab.folder / "one.tar").read_bytes() == (lab.folder / "two.tar").read_bytes()
    with tarfile.open(lab.folder / "one.tar") as archive:  # and any tar reads it
        assert archive.getnames() == sorted(name for name in lab.members if "reviewer" not in name)


def test_a_seal_is_added_to_an_archive(lab: Lab) -> None:
    path = lab.folder / "added.tar"
    path.write_bytes((lab.folder / "b.tar").read_bytes())
    seal.add(path, lab.signer(lab.reviewer_private), "reviewer", "")
    assert problems(path, [lab.tester, f"reviewer={lab.reviewer}"]) == ("", "")
    with pytest.raises(UsageError, match="has that seal already"):
        seal.add(path, lab.signer(lab.reviewer_private), "reviewer", "")


def test_a_changed_campaign_is_not_sealed_nor_a_changed_bundle_sealed_again(lab: Lab, tmp_path: Path) -> None:
    campaign = make(tmp_path / "c")
    (campaign.folder(campaign.plan[0]) / "capture.pcapng").write_bytes(b"other")
    with pytest.raises(UsageError, match=r"capture\.pcapng was changed"):
        seal.create(campaign, tmp_path / "b", lab.signer(lab.private), "tester", "")
    assert not (tmp_path / "b").exists()
    changed = make(tmp_path / "d")
    seal.create(changed, tmp_path / "e", lab.signer(lab.private), "tester", "")
    path = tmp_path / "e" / Campaign.open(tmp_path / "e").place(changed.plan[0], "capture.pcapng")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(UsageError, match="is not sealed again"):
        seal.add(tmp_path / "e", lab.signer(lab.reviewer_private), "reviewer", "")


def test_what_is_written_fits_the_schemas_and_what_is_broken_does_not(lab: Lab) -> None:
    def schema(name: str) -> Any:
        return json.loads((ROOT / "docs" / "schemas" / f"{name}.schema.json").read_bytes())

    def refused(name: str, value: Any) -> bool:
        return not jsonschema.Draft202012Validator(schema(name)).is_valid(value)

    sealed = statement.envelope(lab.members[lab.seal], "seal")
    whole = {"manifest": lab.manifest, "results": lab.results, "seal": json.loads(sealed.payload)}
    for name, value in whole.items():
        jsonschema.validate(value, schema(name))
        for key in value:
            assert refused(name, {k: v for k, v in value.items() if k != key}), (name, key)
            assert refused(name, {**value, key: 1}), (name, key)
        assert refused(name, {**value, "more": 1})
    good = lab.manifest["files"][0]
    for bad in ({"path": "records/a/b/c/../d"}, {"size": -1}, {"size": 1.5}, {"sha256": "A" * 64}):
        assert refused("manifest", {**lab.manifest, "files": [{**good, **bad}]}), bad
    assert refused("results", {**lab.results, "results": [{**lab.results["results"][0], "verdict": "MAYBE"}]})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
)


@settings(deadline=None)
@given(json_values)
def test_canonical_is_rfc_8785_where_we_use_it(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)
    assert second.canonical(value) == rfc8785.dumps(value)
