"""What the facts of a host owe: rows from coreutils and busybox, no secret, no harm from garbage."""

import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from daemons import crypted, need
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.case import to_json
from assay.errors import UsageError
from drivers import facts
from drivers.facts import parse
from drivers.facts.ways import SCRIPTS, WAYS
from drivers.interfaces.facts import NAMES
from drivers.interfaces.host import rows
from drivers.interfaces.replies import Facts, Ran
from drivers.text import clean, without_secrets


def runner(*words: str) -> Callable[[str], Ran]:
    """Runs commands on this machine, behind these words."""

    def run(command: str) -> Ran:
        began = time.monotonic()
        done = subprocess.run([*words, "sh", "-c", command], capture_output=True, timeout=200, check=False)
        out, err = (clean(said, facts.KEEP) for said in (done.stdout, done.stderr))
        return Ran(done.returncode, out, err, False, time.monotonic() - began)

    return run


def named(found: Facts, fact: str) -> dict[str, Any]:
    value = found.facts[fact].value
    assert value is not None, found.facts[fact]
    return {row.get("path") or row["name"]: row for row in value}


# --- a host that has nothing but busybox --------------------------------------------------------------------


@pytest.fixture(scope="module")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Ran]:
    """A tree with busybox as its only program, and findings planted in it."""
    need("busybox", "unshare", "openssl", root=True)
    root = tmp_path_factory.mktemp("host")
    for folder in (
        "bin",
        "sbin",
        "etc/pam.d",
        "proc",
        "tmp",
        "root/.ssh",
        "var/log",
        "etc/cron.d",
        "etc/snmp",
        "dev",
    ):
        (root / folder).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    subprocess.run(["chroot", str(root), "/bin/busybox", "--install", "-s", "/bin"], check=True)
    (root / "bin/su").unlink()
    texts = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n"
        "old:abJnggxhB/yWI:7:7::/:/bin/sh\n",
        "etc/group": "root:x:0:\nwheel:x:10:root,toor\n",
        "etc/shadow": f"root:{crypted('Secret-17')}:19000:0:99999:7:::\ntoor::19000:0:99999:7:::\n"
        "sync:*:1::::::\nweak:$1$$abcdefghijklmnopqrstuv:1::::::\noff:!$y$j9T$abcdefgh$ijklmnopqrstuvwx:1::::::\n",
        "etc/cron.d/job": "PATH=/bin\n*/5 * * * * root /bin/backup --password hunter22\n",
        "etc/snmp/snmpd.conf": "rocommunity public\nrwcommunity s3cretc0mm 10.0.0.0/8\nrouser mon priv .1.3\n"
        'createUser mon SHA "authauth1" AES "privpriv1"\n',
        "etc/pam.d/login": "auth required pam_unix.so nullok\n@include common\n",
        "etc/pam.d/common": "account required pam_permit.so\n",
        "etc/os-release": 'NAME="Tiny"\nVERSION_ID=1\n',
        "tmp/shared": "x",
        "bin/su": "x",
        "tmp/nobody": "x",
    }
    for name, text in texts.items():
        (root / name).write_text(text)
    os.mknod(root / "dev/null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    (root / "dev/null").chmod(0o666)
    (root / "tmp").chmod(0o1777)
    (root / "tmp/shared").chmod(0o666)
    (root / "bin/su").chmod(0o4755)
    (root / "tmp/open").mkdir()
    (root / "tmp/open").chmod(0o777)
    shutil.chown(root / "tmp/nobody", 4711, 4711)
    (root / "tmp/loop").symlink_to(".")
    script = (
        f'mount --bind {root} {root} && mount -t proc proc {root}/proc && exec chroot {root} /bin/sh -c "$0"'
    )

    def run(command: str) -> Ran:
        words = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            command,
        ]
        began = time.monotonic()
        done = subprocess.run(
            words, capture_output=True, timeout=100, check=False, env={"PATH": "/bin:/sbin:/usr/bin"}
        )
        out, err = (clean(said, facts.KEEP) for said in (done.stdout, done.stderr))
        return Ran(done.returncode, out, err, False, time.monotonic() - began)

    return run


@pytest.mark.root
@pytest.mark.daemon
def test_a_host_with_busybox_alone_is_read(busybox: Callable[[str], Ran]) -> None:
    found = facts.collect(busybox)
    assert found.connections <= 5
    accounts = named(found, "accounts")
    assert accounts["toor"]["uid"] == 0
    records = named(found, "shadow")
    assert {name: (r["state"], r["scheme"], r["salted"]) for name, r in records.items()} == {
        "root": ("set", "sha512crypt", True),
        "toor": ("empty", "", False),
        "sync": ("locked", "", False),
        "weak": ("set", "md5crypt", False),
        "off": ("barred", "yescrypt", True),
    }
    assert records["off"]["cost"] == "j9T"
    assert set(named(found, "special_files")) == {"/bin/su"}
    assert set(named(found, "world_writable")) == {"/tmp/shared", "/tmp/open"}
    assert set(named(found, "unowned")) == {"/tmp/nobody"}
    assert named(found, "key_files")["/etc/shadow"]["mode"] == "644"
    assert named(found, "groups")["wheel"]["members"] == ["root", "toor"]
    assert [r["module"] for r in found.facts["pam"].value if r["service"] == "login"] == [
        "pam_unix.so",
        "pam_permit.so",
    ]
    snmp = {
        (r["kind"], r["name"], r["level"], r["well_known"], r["write"]) for r in found.facts["snmpd"].value
    }
    assert ("community", "(community)", "v1/v2c", True, "") in snmp
    assert ("community", "(community)", "v1/v2c", False, ".1") in snmp
    assert ("user", "mon", "priv", False, "") in snmp
    assert found.facts["jobs"].value[0]["schedule"] == "*/5 * * * *"
    assert found.facts["kernel"].value["release"]
    assert "/" in named(found, "mounts")
    assert found.facts["listening"].how in ("netstat", "/proc/net")
    assert any(r["name"] == "lo" for r in found.facts["interfaces"].value)


@pytest.mark.root
@pytest.mark.daemon
def test_what_cannot_be_had_has_a_problem_and_no_value(busybox: Callable[[str], Ran]) -> None:
    found = facts.collect(busybox, ["nft", "packages", "sudoers", "sshd", "capabilities"])
    for fact in found.facts.values():
        assert fact.value is None
        assert fact.problem
    assert "getcap" in found.facts["capabilities"].problem


@pytest.mark.root
@pytest.mark.daemon
def test_no_secret_is_in_facts_or_evidence(busybox: Callable[[str], Ran]) -> None:
    found = facts.collect(busybox)
    shadow = busybox("cat /etc/shadow").out.splitlines()[0].split(":")[1].split("$")
    said = json.dumps(to_json(found.facts)) + json.dumps([to_json(one) for one in found.evidence])
    for secret in (
        shadow[2],
        shadow[3],
        "abJnggxhB/yWI",
        "abcdefghijklmnop",
        "ijklmnopqrstuvwx",
        "s3cretc0mm",
    ):
        assert secret not in said
    for secret in ("authauth1", "privpriv1", "hunter22"):
        assert secret not in said


@pytest.mark.root
@pytest.mark.daemon
def test_this_debian_is_read_by_its_own_tools() -> None:
    need("ss", "ip", "dpkg-query", root=True)
    names = [
        "accounts",
        "listening",
        "packages",
        "interfaces",
        "routes",
        "rules",
        "sysctl",
        "processes",
        "mounts",
    ]
    found = facts.collect(runner(), names)
    assert {f.name: f.how for f in found.facts.values() if not f.problem} == {
        "accounts": "getent",
        "listening": "ss",
        "packages": "dpkg-query",
        "interfaces": "ip -j",
        "routes": "ip -j",
        "rules": "ip",
        "sysctl": "sysctl",
        "processes": "/proc",
        "mounts": "/proc/self/mounts",
    }
    assert found.connections == 1
    assert named(found, "packages")["coreutils"]["state"] == "installed"
    assert found.facts["sysctl"].value["kernel.ostype"] == "Linux"
    for name, fact in found.facts.items():
        if NAMES[name] is not dict:
            assert rows(fact, NAMES[name])
    lines = [row["args"] for row in found.facts["processes"].value]
    assert not any("@@" in args for args in lines)  # the collection does not see itself


@pytest.mark.root
@pytest.mark.daemon
def test_an_ordinary_user_gets_a_problem_where_root_sees_more() -> None:
    need("setpriv", root=True)
    run = runner("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    found = facts.collect(run, ["shadow", "accounts"])
    assert found.facts["shadow"].value is None
    assert "denied" in found.facts["shadow"].problem or "status" in found.facts["shadow"].problem
    assert found.facts["accounts"].value


# --- a host that lies, and one that is in the way ----------------------------------------------------------


@pytest.mark.parametrize("said", ["", "yes\n" * 1000, "\\x1b[2J", "@@ run 0\n", "@@0 end 0\n"])
def test_a_shell_that_says_yes_to_everything_gives_no_fact(said: str) -> None:
    found = facts.collect(lambda command: Ran(0, said, said, False, 0.1))
    assert {fact.value is None and bool(fact.problem) for fact in found.facts.values()} == {True}


def test_an_answer_that_was_cut_gives_no_fact() -> None:
    def run(command: str) -> Ran:
        nonce = command[2:26]
        return Ran(
            None, f"\n@@{nonce} run 0\nroot:x:0:0::/:/bin/sh\n", "", True, 1.0, "it did not end in time"
        )

    fact = facts.collect(run, ["accounts"]).facts["accounts"]
    assert fact.value is None
    assert "it did not end in time" in fact.problem


def test_too_much_gives_no_fact() -> None:
    def run(command: str) -> Ran:
        nonce = command[2:26]
        out = f"\n@@{nonce} run 0\n{'x' * facts.EACH}\n@@{nonce} end 0\n"
        return Ran(0, out, "", False, 1.0)

    assert "more than" in facts.collect(run, ["accounts"]).facts["accounts"].problem


def test_a_declared_command_comes_first() -> None:
    def run(command: str) -> Ran:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        return Ran(0, done.stdout, done.stderr, False, 0.0)

    command = "printf 'user: admin (0)\\nuser: oper (12)\\n'"
    found = facts.collect(run, ["accounts"], {"accounts": (command, r"user: (?P<name>\w+) \((?P<uid>\d+)\)")})
    assert found.facts["accounts"].how == "the declared command"
    assert [(r["name"], r["uid"]) for r in found.facts["accounts"].value] == [("admin", 0), ("oper", 12)]


@pytest.mark.parametrize(
    ("name", "how"),
    [("accounts", "("), ("accounts", "(?P<colour>x)"), ("accounts", "x"), ("sysctl", "(?P<key>x)")],
)
def test_a_parse_rule_that_cannot_work_is_said_before_anything_runs(name: str, how: str) -> None:
    with pytest.raises(UsageError, match=name):
        facts.collect(lambda command: pytest.fail("it ran"), [name], {name: ("true", how)})


def test_an_unknown_fact_is_said() -> None:
    with pytest.raises(UsageError, match="the facts are"):
        facts.collect(lambda command: pytest.fail("it ran"), ["colour"])


def test_every_fact_has_a_way_and_every_script_a_user() -> None:
    assert WAYS.keys() == NAMES.keys()
    used = "".join(way.command for ways in WAYS.values() for way in ways)
    for script in SCRIPTS.iterdir():
        assert script.read_text() in used, script


PARSERS = {
    f"{name}/{way.how}": way.parse
    for name, ways in WAYS.items()
    for way in ways
    if way.parse not in parse.FORMATS.values()
} | parse.FORMATS
PIECES = [
    "\n",
    "\x1e",
    "\x1f",
    "\t",
    " ",
    ":",
    "=",
    "(",
    ")",
    "{",
    "}",
    '"',
    "[",
    "]",
    "%",
    "/",
    "0",
    "root",
    "$6$",
    "\\",
]


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=80).map("".join)))
def test_garbage_is_refused_or_read_never_worse(name: str, text: str) -> None:
    try:
        value = PARSERS[name](text)
    except ValueError:
        return
    json.dumps(to_json(value))


LONG = [
    "a" * 200_000,
    "a " * 100_000,
    "[" * 100_000,
    ":" * 200_000,
    "\t" * 200_000,
    "\n\x1e" * 60_000,
    "\n" * 200_000,
    "x\\\n" * 60_000,
    "$6$" * 60_000,
    "(" * 200_000,
    "1 " * 100_000,
    "@1\t\t" + "--password " * 20_000,
]


@pytest.mark.parametrize("name", PARSERS)
def test_long_lines_take_no_long_time(name: str) -> None:
    for text in LONG:
        began = time.process_time()
        with suppress(ValueError):
            PARSERS[name](text)
        assert time.process_time() - began < 5


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_secrets_are_looked_for_in_no_long_time(text: str) -> None:
    began = time.process_time()
    without_secrets(text)
    assert time.process_time() - began < 5
