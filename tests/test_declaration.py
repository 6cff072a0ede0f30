"""A vendor's declaration is read strictly, is documented from its schema, and decides what can be judged."""

from pathlib import Path

import pytest
import yaml

from assay import catalogue, declaration, plan, profile
from assay.declaration import document
from assay.errors import ProfileError, UsageError
from assay.verdict import Outcome

ROOT = Path(__file__).parent.parent
CASE = "TC_UNIQUE_SYSTEM_ACCOUNT_IDENTIFICATION"
WHOLE = """
product: {name: A host}
features:
  unix_like: {supported: true, why: it runs a Unix}
declaration:
  oam:
    endpoints:
      - {name: oam-ssh, via: ssh, address: 192.0.2.10, port: 22, host_key: "SHA256:abc"}
  accounts:
    test_users:
      - {name: admin1, privileged: true, secret: env:ADMIN1}
    databases: [{name: os}]
    create_action: {os: {run: "useradd {name}", undo: accounts.delete_action}}
    delete_action: "userdel {name}"
    list_action: {os: {run: getent passwd}}
"""


def loaded(tmp_path: Path, text: str = WHOLE) -> profile.Profile:
    path = tmp_path / "host.yaml"
    path.write_text(text)
    return profile.load(path)


def test_its_documentation_is_current() -> None:
    assert (ROOT / "docs" / "declaration.md").read_text() == document.text(), "run: make schema"


def test_every_key_of_the_catalogue_of_hosts_is_in_it() -> None:
    clauses = ("4.2.3.", "4.2.4.", "4.2.6.2.1", "4.3.2.", "4.3.3.", "4.3.5.1", "4.4.2")
    cases = [one for one in catalogue.load("ts_33_117").cases if one.clause.startswith(clauses)]
    assert len(cases) == 46
    assert {key for one in cases for key in one.profile_keys} == set(declaration.keys())


def test_a_profile_needs_no_function_beside_it(tmp_path: Path) -> None:
    read = loaded(tmp_path)
    assert read.declaration is not None
    assert read.declaration.plain("accounts.databases")[0]["name"] == "os"
    assert read.declaration.get("accounts.predefined") is None
    assert read.declaration.contacts() == ({("192.0.2.10", 22)}, {"192.0.2.10"})
    link = {"name": "oam", "addresses": ["192.0.2.10/24"], "harness_addresses": ["192.0.2.1/24"]}
    linked = read.declaration.amended({"network.interfaces": [link]})
    assert linked.contacts()[1] == {"192.0.2.10", "192.0.2.255", "192.0.2.1"}
    with pytest.raises(KeyError):
        read.declaration.get("accounts.predefind")


def test_a_profile_with_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="there is nothing to test"):
        loaded(tmp_path, "product: {name: nothing}\n")


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("  accounts:", "  acounts:", ["unknown key 'acounts'", "did you mean 'accounts'?"]),
        ("databases:", "data_bases:", ["unknown key 'data_bases'", "did you mean 'databases'?"]),
        ("secret: env:ADMIN1", "secret: hunter2", ["a secret never stands in a profile"]),
        (", secret: env:ADMIN1", "", ["admin1: give a secret or a key"]),
        ("address: 192.0.2.10", "address: host", ["no host name"]),
        ("undo: accounts", "undone: accounts", ["unknown key 'undone'", "did you mean 'undo'?"]),
    ],
)
def test_a_wrong_declaration_is_explained(tmp_path: Path, right: str, wrong: str, words: list[str]) -> None:
    text = WHOLE.replace(right, wrong, 1)
    line = WHOLE[: WHOLE.index(right)].count("\n") + 1
    with pytest.raises(ProfileError) as caught:
        loaded(tmp_path, text)
    assert f"host.yaml:{line}: declaration." in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def decided(read: profile.Profile, *allowed: str) -> tuple[Outcome, str]:
    (only,) = plan.make(read, selected=[CASE], allowed=allowed)
    assert only.target == "host"
    return (only.decided.outcome, only.decided.reason) if only.decided else (Outcome.NOT_RUN, "")


def test_a_case_whose_keys_are_missing_is_not_run_and_says_which(tmp_path: Path) -> None:
    text = WHOLE.replace("    databases: [{name: os}]\n", "")
    assert decided(loaded(tmp_path, text), "disruptive") == (
        Outcome.INCONCLUSIVE,
        "not declared: accounts.databases",
    )


def test_what_changes_the_product_is_run_only_where_it_is_allowed(tmp_path: Path) -> None:
    outcome, reason = decided(loaded(tmp_path))
    assert outcome is Outcome.INCONCLUSIVE
    assert "--allow disruptive" in reason
    assert decided(loaded(tmp_path), "disruptive") == (Outcome.NOT_RUN, "")


def test_a_case_of_a_host_is_not_for_a_profile_without_a_declaration() -> None:
    amf = profile.load(ROOT / "profiles" / "emulated.yaml")
    with pytest.raises(UsageError, match="a declaration"):
        plan.make(amf, selected=[CASE])
    assert {p.spec for p in plan.make(amf)} == {"ts_33_512"}


def test_a_seeded_fault_may_be_in_what_is_declared(tmp_path: Path) -> None:
    held = """
lifecycle:
  via: command
  start: ["true"]
  faults: true
  declares:
    lists-nothing: {accounts.list_action: null}
    another-base: {accounts.databases: [{name: central, local: false}]}
"""
    read = loaded(tmp_path, WHOLE + held)
    assert (
        decided(read.with_faults(["lists-nothing"]), "disruptive")[1] == "not declared: accounts.list_action"
    )
    changed = read.with_faults(["another-base", "unknown"]).declaration
    assert changed is not None
    assert changed.plain("accounts.databases")[0]["name"] == "central"
    assert changed.get("oam.endpoints") is not None


def test_a_profile_can_have_both(tmp_path: Path) -> None:
    both = yaml.safe_load((ROOT / "profiles" / "emulated.yaml").read_text())
    host = yaml.safe_load(WHOLE)
    both["declaration"], both["features"] = host["declaration"], both["features"] | host["features"]
    path = tmp_path / "both.yaml"
    path.write_text(yaml.safe_dump(both))
    planned = plan.make(profile.load(path), allowed=["disruptive"])
    assert {(p.spec, p.target) for p in planned} == {("ts_33_512", "amf"), ("ts_33_117", "host")}
    disruptive = tuple(p for p in planned if plan.disruptive(p))
    assert disruptive == planned[-len(disruptive) :]
    assert CASE in {p.case for p in disruptive}
