"""The bench around a host without one: declared actions and what they owe, facts once, and no secret kept."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from assay.errors import LabError, UnrestoredError, UnseenError
from assay.evidence import Journal
from drivers.host.actions import Actions, fill, judged
from drivers.host.declared import Declared
from drivers.host.logs import mark, since
from drivers.host.store import FactStore
from drivers.interfaces.facts import Account
from drivers.interfaces.host import Secret, did, got_in, rows, unread
from drivers.interfaces.replies import Evidence, Fact, Facts, Login, Ran
from drivers.mask import Mask

SECRET = "Tr0ub4dor&3 <x>"


def ran(out: str = "", status: int | None = 0, **more: Any) -> Ran:
    return Ran(status, out, "", False, 0.1, **more)


# --- declared actions --------------------------------------------------------------------------------------


class Product:
    """Runs actions by writing them down; those that hold a word of `broken` end with 1."""

    def __init__(self, tree: Mapping[str, Any], broken: str = "") -> None:
        self.done: list[str] = []
        self.broken = broken
        self.actions = Actions(tree.get, self.run)

    def run(self, action: Mapping[str, Any], key: str, words: Mapping[str, Any]) -> Ran:
        command = fill(action["run"], words, quoted=True)
        self.done.append(f"{action.get('user', 'root')}: {command}")
        return ran(status=1 if self.broken and self.broken in command else 0, command=command)


TREE = {
    "accounts.create_action": {
        "os": {"run": "add {name}", "user": "admin1", "undo": "accounts.delete_action"}
    },
    "accounts.delete_action": {"os": {"run": "del {name}"}},
    "network.filter_action": {
        "": {"run": "rule {rule}", "undo": "network.filter_action/clear"},
        "clear": {"run": "clear"},
    },
    "storage.fill_action": {"": {"run": "fill", "user": "oper1", "undo": "empty"}},
    "platform.snapshot_action": {
        "save": {"run": "keep {name}", "undo": "platform.snapshot_action/restore"},
        "restore": {"run": "password {name} {secret}"},
    },
}


def test_what_was_done_is_undone_the_last_first() -> None:
    product = Product(TREE)
    product.actions.act("accounts.create_action", "os", {"name": "a b"})
    product.actions.act("network.filter_action", "", {"rule": "drop"})
    product.actions.act("storage.fill_action", "", {})
    product.actions.put_back()
    done = [
        "admin1: add 'a b'",
        "root: rule drop",
        "oper1: fill",
        "oper1: empty",
        "root: clear",
        "root: del 'a b'",
    ]
    assert product.done == done
    product.actions.put_back()
    assert product.done == done


def test_what_a_case_undoes_itself_is_settled() -> None:
    product = Product(TREE)
    for name in ("a", "b"):
        product.actions.act("accounts.create_action", "os", {"name": name})
    product.actions.act("accounts.delete_action", "os", {"name": "a"})
    product.actions.put_back()
    assert product.done[-2:] == ["root: del a", "root: del b"]


def test_an_undo_gets_the_secret_that_it_asks_for() -> None:
    product = Product(TREE)
    words: dict[str, str | int | Secret] = {"name": "a", "secret": Secret("s1"), "user": "b"}
    product.actions.act("platform.snapshot_action", "save", words)
    product.actions.put_back()
    assert product.done == ["root: keep a", "root: password a s1"]


def test_what_cannot_be_put_back_stops_the_run_after_the_rest_was() -> None:
    product = Product(TREE, broken="del")
    product.actions.act("storage.fill_action", "", {})
    product.actions.act("accounts.create_action", "os", {"name": "a"})
    with pytest.raises(UnrestoredError, match=r"not as it was: accounts\.create_action: del a"):
        product.actions.put_back()
    assert product.done[-1] == "oper1: empty"


def test_the_undo_of_what_did_not_work_may_fail() -> None:
    product = Product(TREE, broken="a")
    product.actions.act("accounts.create_action", "os", {"name": "a"})
    product.actions.put_back()
    assert product.done[-1] == "root: del a"


def test_an_action_that_is_not_declared_decides_nothing() -> None:
    product = Product(TREE)
    with pytest.raises(UnseenError, match=r"not declared: platform\.reboot_action"):
        product.actions.act("platform.reboot_action", "", {})
    with pytest.raises(UnseenError, match=r"for 'web' \(there are os\)"):
        product.actions.act("accounts.create_action", "web", {"name": "a"})
    with pytest.raises(UnseenError, match=r"wants \{name\}"):
        product.actions.act("accounts.create_action", "os", {})


def test_words_reach_no_shell() -> None:
    assert fill("add {name}", {"name": "a; reboot"}, quoted=True) == "add 'a; reboot'"
    assert fill("{secret}\n", {"secret": Secret(SECRET)}, quoted=False) == f"{SECRET}\n"


def test_an_action_is_judged_by_the_text_it_expects() -> None:
    assert judged({"expect": "updated"}, ran("password updated", 3)).ok
    assert not judged({"expect": "updated"}, ran("no", 0)).ok
    assert not judged({"refused": "denied"}, ran("Permission denied", 0)).ok
    assert judged({}, ran()).ok


# --- secrets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "leak",
    [
        SECRET,
        SECRET.encode().hex(),
        "VHIwdWI0ZG9yJjMgPHg+",
        "Tr0ub4dor%263%20%3Cx%3E",
        "Tr0ub4dor&amp;3 &lt;x&gt;",
    ],
)
def test_a_secret_is_masked_in_every_spelling(leak: str) -> None:
    mask = Mask()
    mask.learn("admin1", SECRET)
    assert mask.text(f"before {leak} after") == "before [secret admin1] after"
    kept = mask.value({"a": [leak, 1, None], leak: {"b": f"x{leak}"}})
    assert leak not in json.dumps(kept)
    octets = mask.octets(b"\0" + leak.encode() + b"\xff")
    assert leak.encode() not in octets
    assert len(octets) == len(leak.encode()) + 2


def test_hashes_and_private_keys_are_masked_whosever_they_are() -> None:
    mask = Mask()
    assert "j9T$S3cr3tS4lt" not in mask.text("root:$y$j9T$S3cr3tS4lt$1234567890abcdef:1:")
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\nBBBB\n-----END OPENSSH PRIVATE KEY-----"
    assert "AAAA" not in mask.text(key)
    assert "AAAA" not in mask.text(key[:60])


def test_a_journal_keeps_no_secret_and_counts_its_lines() -> None:
    mask = Mask()
    mask.learn("admin1", SECRET)
    journal = Journal(mask.value)
    first = journal.note(True, "ssh", "command", command=f"echo {SECRET}")
    second = journal.note(True, "ssh", f"login with {SECRET}")
    assert (first.ref, second.ref) == ("events.jsonl#1", "events.jsonl#2")
    assert SECRET not in repr(journal.since())


def test_secrets_are_known_from_the_declaration_before_anything_runs(tmp_path: Path) -> None:
    mask, given = (
        Mask(),
        {"env:A": "first-secret", "file:s": "second-secret", "file:hosts": "192.0.2.1 ssh-ed25519 AAAA"},
    )
    tree: dict[str, dict[str, Any]] = {
        "accounts": {
            "test_users": [{"name": "a", "secret": "env:A"}],
            "default_secrets": [{"secret": "file:s"}],
        },
        "oam": {"endpoints": [{"name": "one", "via": "ssh", "address": "192.0.2.1", "port": 22}]},
    }
    declared = Declared(tree, tmp_path, given.__getitem__, mask.learn)
    assert mask.text("first-secret and second-secret") == "[secret a] and [secret s]"
    with pytest.raises(LabError, match="no host_key is declared"):
        declared.server(declared.endpoint("one"))
    with pytest.raises(UnseenError, match=r"platform\.host_access"):
        declared.administrator()
    assert "secret" not in repr(Secret("x-secret-x"))


# --- facts -------------------------------------------------------------------------------------------------


class Kept(dict[str, bytes]):
    """What a campaign keeps, and how often facts were collected."""

    passes = 0

    def collect(self, run: Any, names: Iterable[str]) -> Facts:
        self.passes += 1
        found = {name: Fact(name, "getent", [f"{name} {SECRET}"]) for name in names if name != "nft"}
        return Facts(found, (Evidence("getent", 0, SECRET, False, 0.1, tuple(found)),))

    def store(self) -> FactStore:
        mask = Mask()
        mask.learn("admin1", SECRET)
        return FactStore(self.collect, ["accounts", "groups", "nft"], self.get, self.__setitem__, mask.value)


def test_facts_are_got_in_one_pass_and_once_for_a_campaign() -> None:
    kept = Kept()
    store = kept.store()
    fact, octets = store.get("accounts", lambda command: ran())
    store.get("groups", lambda command: ran())
    assert kept.passes == 1
    again, same = kept.store().get("accounts", lambda command: ran())
    assert (again, same, kept.passes) == (fact, octets, 1)
    assert fact.value == ["accounts [secret admin1]"]
    assert SECRET.encode() not in b"".join(kept.values())
    assert json.loads(octets)["evidence"][0]["command"] == "getent"


@pytest.mark.parametrize("octets", [b"", b"{", b"[]", b"{}", b'{"fact": {"name": 1}}'])
def test_a_damaged_fact_is_got_anew(octets: bytes) -> None:
    kept = Kept()
    kept.store().get("accounts", lambda command: ran())
    kept["fact-accounts.json"] = octets
    fact, anew = kept.store().get("accounts", lambda command: ran())
    assert fact.value == ["accounts [secret admin1]"]
    assert kept["fact-accounts.json"] == anew
    assert kept.passes == 2


def test_a_fact_that_cannot_be_got_says_so() -> None:
    fact, _ = Kept().store().get("nft", lambda command: ran())
    verdict = unread(fact)
    assert verdict is not None
    assert verdict.reason.startswith("could not be read: nft: there is no such fact")
    assert unread(Fact("x", "ls", [])) is not None
    assert unread(Fact("x", "ls", [1])) is None


def test_a_fact_afresh_is_kept_for_nobody_else() -> None:
    kept = Kept()
    store = kept.store()
    store.fresh(["accounts"], lambda command: ran())
    assert not kept


def test_rows_have_their_type() -> None:
    value = [
        {"name": "root", "uid": 0, "gid": 0, "gecos": "", "home": "/root", "shell": "/bin/sh", "source": ""}
    ]
    assert rows(Fact("accounts", "", value), Account)[0].uid == 0
    assert rows(Fact("accounts", "", None), Account) == ()


# --- logs and controls -------------------------------------------------------------------------------------


def test_a_log_is_read_from_a_mark_on_and_whole_after_a_rotation(tmp_path: Path) -> None:
    import subprocess

    def root(command: str) -> Ran:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        return Ran(done.returncode, done.stdout, done.stderr, False, 0.0, ref="events.jsonl#7")

    log = tmp_path / "auth log"
    location = {"name": "auth", "path": str(log)}
    log.write_text("Failed for old\n")
    place = mark(root, location)
    log.write_text("Failed for old\nFailed for new\nother\n")
    found = since(root, location, r"Failed for (?P<user>\S+)", place)
    assert [(line.groups["user"], line.ref) for line in found.lines] == [("new", "events.jsonl#7:1")]
    log.write_text("Failed for x\n")
    assert [line.groups["user"] for line in since(root, location, r"for (?P<user>\S+)", place).lines] == ["x"]
    log.unlink()
    assert since(root, location, "x", place).problem


def test_controls_name_the_first_that_failed() -> None:
    good, bad = Login("in", endpoint="e", user="a"), Login("refused", "no", endpoint="e", user="b")
    assert got_in("logins", good).worked
    assert got_in("logins", good, bad).saw == "b at e: refused no"
    assert not got_in("logins").worked
    assert did("actions", ran()).worked
    assert "ended with 1" in did("actions", ran(), ran(status=1, command="x")).saw
    assert not did("actions").worked
