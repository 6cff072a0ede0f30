"""Judges of a host's state on facts made by hand: no PASS without controls, FAIL for each fault's facts."""

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from assay.case import Control, to_json
from assay.verdict import Outcome
from drivers.interfaces.facts import (
    Account,
    File,
    Group,
    Interface,
    Job,
    Listener,
    Mount,
    Package,
    Process,
    Setting,
    SudoRule,
    Unit,
)
from drivers.interfaces.host import Document
from drivers.interfaces.replies import Fact, Login, Ran
from drivers.interfaces.replies import Outcome as Outcome_
from testsuites.ts_33_117 import test_external_file_system_mount_restrictions as mounts
from testsuites.ts_33_117 import test_filesystem_authorization_privileges as modes
from testsuites.ts_33_117 import test_no_unsupported_components as support
from testsuites.ts_33_117 import test_no_unused_functions as functions
from testsuites.ts_33_117 import test_no_unused_software as unused
from testsuites.ts_33_117 import test_remote_login_restrictions_privileged_users as remote
from testsuites.ts_33_117.common import Try
from testsuites.ts_33_117.software import Component

GOOD, BAD = Control("c", True, "ok"), Control("c", False, "no")


def fact(name: str, *rows: Any) -> Fact:
    return Fact(name, "hand", to_json(rows), "", "f")


def unsure(judge: Callable[[Any], Any], seen: Any) -> None:
    """Each control that fails, and each fact that is missing, broken or empty, takes the PASS away."""
    assert judge(seen).outcome is Outcome.PASS, judge(seen)
    for field in fields(seen):
        value = getattr(seen, field.name)
        worse: list[Any] = []
        if isinstance(value, Control):
            worse = [BAD]
        if isinstance(value, Fact):
            worse = [
                Fact(value.name, "", None, "refused"),
                replace(value, value=[]),
                replace(value, problem="cut"),
            ]
        for one in worse:
            got = judge(replace(seen, **{field.name: one}))
            assert got.outcome is Outcome.INCONCLUSIVE, (field.name, one, got)


# --- TC_FILESYSTEM_AUTHORIZATION_PRIVILEGES ----------------------------------------------------------------


def file(path: str, mode: str, owner: str = "root", group: str = "root", kind: str = "file") -> File:
    return File(path, kind, mode, owner, group, acl=False)


AUDIT = modes.Audit(
    GOOD,
    {"/root/c/open": "writable", "/root/c/none": "unowned"},
    fact("world_writable", file("/root/c/open", "666"), file("/run/app.sock", "666")),
    fact("unowned", file("/root/c/none", "600", "54321", "54321")),
    fact("key_files", file("/etc/shadow", "640", group="shadow"), file("/etc/ssh/ssh_host_rsa_key", "600")),
    fact("path_directories", file("/usr/bin", "755", kind="directory")),
    fact("files", file("/etc/app.conf", "640", group="app")),
    ({"path": "/etc/app.conf", "mode": "0640", "owner": "root", "group": "app"},),
    ({"path": "/run/*.sock", "rule": "world-writable", "reason": "the local API"},),
    {},
    GOOD,
)


def test_modes_that_are_declared_or_stricter_pass() -> None:
    unsure(modes.judge_audit, AUDIT)
    stricter = replace(AUDIT, declared=fact("files", file("/etc/app.conf", "400")))
    assert modes.judge_audit(stricter).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "change",
    [
        {"writable": fact("w", file("/root/c/open", "666"), file("/etc/app.conf", "666"))},
        {"writable": fact("w", file("/root/c/open", "666"), file("/srv/all", "777", kind="directory"))},
        {"unowned": fact("u", file("/root/c/none", "600", "9", "9"), file("/opt/x", "600", "77", "root"))},
        {"path_directories": fact("p", file("/usr/sbin", "775", group="users", kind="directory"))},
        {"path_directories": fact("p", file("/usr/sbin", "755", "app", kind="directory"))},
        {"key_files": fact("k", file("/etc/shadow", "644", group="shadow"))},
        {"key_files": fact("k", file("/etc/ssh/ssh_host_rsa_key", "644"))},
        {"key_files": fact("k", file("/etc/cron.d/x", "664", group="ops"))},
        {"declared": fact("d", file("/etc/app.conf", "660", group="app"))},
        {"declared": fact("d", file("/etc/app.conf", "640", group="ops"))},
        {"declared": fact("d", file("/etc/app.conf", "640", "ops", "app"))},
        {"acls": {"/etc/app.conf": ("user::rw-", "user:oper1:rw- #effective:rw-", "mask::rw-")}},
    ],
)
def test_a_looser_mode_fails(change: dict[str, Any]) -> None:
    assert modes.judge_audit(replace(AUDIT, **change)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "change",
    [
        {"canaries": {}},
        {"canaries": {"/root/c/open": "unowned"}},
        {"writable": fact("w", file("/etc/app.conf", "666"))},  # what was put there is not found: no search
        {"acls": {"/etc/app.conf": ()}},
    ],
)
def test_a_search_that_finds_nothing_proves_nothing(change: dict[str, Any]) -> None:
    assert modes.judge_audit(replace(AUDIT, **change)).outcome is Outcome.INCONCLUSIVE


def attempt(what: str, status: int, said: str = "") -> Try:
    return Try("oper1", what, "/etc/x", status, said)


DENIED = attempt("write", 2, "cannot create /etc/x: Permission denied")
ATTEMPTS = modes.Attempts(GOOD, GOOD, (attempt("write", 0),), (DENIED,), 1, "a", "a", GOOD)


def test_what_users_may_not_is_denied() -> None:
    unsure(modes.judge_attempts, ATTEMPTS)
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.FAIL: [{"foreign": (attempt("write", 0),)}, {"after": "b"}],
        Outcome.INCONCLUSIVE: [
            {"own": ()},
            {"own": (attempt("write", 1),)},
            {"foreign": ()},
            {"before": "", "after": ""},
            {"after": ""},
            {"foreign": (attempt("remount", 127, "mount: not found"),)},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            assert modes.judge_attempts(replace(ATTEMPTS, **change)).outcome is outcome, change


# --- TC_NO_UNUSED_SOFTWARE, TC_NO_UNSUPPORTED_COMPONENTS ---------------------------------------------------

PAPER = Document("list.json", "0" * 64, 10)


def package(name: str, version: str = "1", maintainer: str = "Debian") -> Package:
    return Package(name, version, "amd64", "installed", maintainer=maintainer)


def ran(out: str = "", status: int | None = 0) -> Ran:
    return Ran(status, out, "", False, 0.1, ref="r", command="c")


LIST = tuple(Component(name, "1", "needed") for name in ("libc6", "np-app"))
SOFTWARE = unused.Seen(
    GOOD,
    PAPER,
    LIST,
    fact("packages", package("libc6"), package("np-app")),
    ("/root/canary",),
    ran("/root/canary\n/opt/ours\nowned 100\n"),
    ran(),
    ({"name": "/opt/*", "rule": "unpackaged", "reason": "our own"},),
    GOOD,
)


def test_software_that_is_listed_passes() -> None:
    unsure(unused.judge, SOFTWARE)
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.FAIL: [
            {"packages": fact("p", package("libc6"), package("tcpdump"))},
            {"packages": fact("p", package("libc6"), package("np-app", "2"))},
            {"unpackaged": ran("/root/canary\n/usr/local/bin/x\nowned 100")},
            {"examples": ran("/var/www/html/index.html")},
            {"declared": (*LIST, Component("other", "1", ""))},
        ],
        Outcome.INCONCLUSIVE: [
            {"declared": ()},
            {"document": replace(PAPER, problem="it is empty")},
            {"packages": fact("p", package("np-app"))},  # without a base library: not the inventory
            {"unpackaged": ran("owned 100")},
            {"unpackaged": ran("/root/canary\nowned ")},
            {"unpackaged": ran("", None)},
            {"examples": ran("", 1)},
            {"canaries": ()},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            assert unused.judge(replace(SOFTWARE, **change)).outcome is outcome, change


SUPPORT = support.Seen(
    "2026-03-01",
    PAPER,
    LIST,
    SOFTWARE.packages,
    Fact("os", "hand", {"ID": "debian", "VERSION_ID": "12"}, "", "o"),
    Fact("kernel", "hand", {"release": "6.1"}, "", "k"),
    (
        {"component": "debian:12", "until": "2028-06-30", "kind": "LTS", "source": "debian"},
        {"component": "np-app", "until": "2030-01-01"},
        {"component": "kernel", "until": "2030-01-01"},
    ),
    ({"name": "board", "support_until": "2030-01-01"},),
    (),
    (),
    GOOD,
)


def test_components_with_support_pass() -> None:
    unsure(support.judge, SUPPORT)
    first = SUPPORT.dates[0]
    release = Fact("os", "hand", {"ID": "debian", "VERSION_ID": "9"}, "", "o")
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.FAIL: [
            {"packages": fact("p", package("libc6"), package("libssl1.0.2", "1.0.2u-1~deb9u7"))},
            {"packages": fact("p", package("libc6"), package("libfoo", "1-2+deb10u3"))},
            {"packages": fact("p", package("libc6"), replace(package("app"), kind="pip"))},
            {"os": release},
            {"dates": ({k: v for k, v in first.items() if k != "until"}, *SUPPORT.dates[1:])},
            {"dates": (first | {"until": "2026-02-28"}, *SUPPORT.dates[1:])},
            {"dates": (first | {"kind": "contract"}, *SUPPORT.dates[1:])},
            {"dates": (first | {"until": "2035-01-01", "source": ""}, *SUPPORT.dates[1:])},
            {"dates": SUPPORT.dates[:2]},  # nothing about the kernel
            {"hardware": ({"name": "board"},)},
            {"declared": (*LIST, Component("ghost", "1", "x"))},
        ],
        Outcome.INCONCLUSIVE: [{"day": "2040-01-01"}, {"day": "today"}, {"declared": ()}],
    }
    for outcome, changes in judged.items():
        for change in changes:
            assert support.judge(replace(SUPPORT, **change)).outcome is outcome, change
    last = replace(SUPPORT, day="2028-06-30")
    assert support.judge(last).outcome is Outcome.PASS, support.judge(last)  # the last day counts


# --- TC_NO_UNUSED_FUNCTIONS --------------------------------------------------------------------------------

STATE = functions.State(
    fact("units", Unit("ssh", "init", "", "respawn"), Unit("old", "init", "", "disabled")),
    fact("jobs", Job("/etc/cron.d/np", "* * * * *", "root", "x")),
    fact("interfaces", Interface("lo", "UNKNOWN", "", 1, ()), Interface("oam0", "UP", "", 1, ())),
    Fact("kernel", "hand", {"modules": []}, "", "k"),
    fact("processes", Process(1, 0, 0, 0, 0, "sshd", "/usr/sbin/sshd", "sshd -D", "")),
    fact("listening", Listener("tcp", "*", 22, "", "sshd", 1)),
    (),
    {"sshd.LogLevel": "VERBOSE"},
)
NEEDED = ({"kind": "init", "name": "ssh"}, {"kind": "cron", "name": "/etc/cron.d/np"})
FUNCTIONS = functions.Seen(
    NEEDED,
    ({"name": "oam0", "kind": "network", "needed": True},),
    ({"name": "sshd.LogLevel", "value": "VERBOSE"},),
    STATE,
    GOOD,
    STATE,
    GOOD,
)


def test_functions_that_are_needed_pass() -> None:
    unsure(functions.judge, FUNCTIONS)
    every = STATE.units.value
    more: list[dict[str, Any]] = [
        {"units": replace(STATE.units, value=[*every, asdict(Unit("xtra", "init", "", "respawn"))])},
        {"jobs": fact("jobs", Job("/etc/cron.d/np", "", "root", "x"), Job("/etc/cron.d/y", "", "root", "x"))},
        {"interfaces": fact("i", Interface("oam0", "UP", "", 1, ()), Interface("aux0", "UP", "", 1, ()))},
        {"kernel": Fact("kernel", "hand", {"modules": ["usb_storage"]}, "", "k")},
        {"loads": ("usb_storage",)},
        {"processes": fact("p", Process(9, 1, 0, 0, 0, "x", "/x", "gdbserver 127.0.0.1:1 x", ""))},
        {"switches": {"sshd.LogLevel": "DEBUG3"}},
    ]
    for change in more:
        bad = replace(STATE, **change)
        for worse in (replace(FUNCTIONS, before=bad), replace(FUNCTIONS, after=bad)):
            assert functions.judge(worse).outcome is Outcome.FAIL, change
    nothing: list[dict[str, Any]] = [
        {"units": replace(STATE.units, value=None)},
        {"interfaces": fact("i", Interface("lo", "UNKNOWN", "", 1, ()))},
        {"listening": fact("l", Listener("tcp", "*", 22))},
        {"switches": {"sshd.LogLevel": None}},
    ]
    for change in nothing:
        seen = replace(FUNCTIONS, before=replace(STATE, **change), after=replace(STATE, **change))
        assert functions.judge(seen).outcome is Outcome.INCONCLUSIVE, change


# --- TC_REMOTE_LOGIN_RESTRICTIONS_PRIVILEGED_USERS ---------------------------------------------------------


def login(outcome: Outcome_, user: str = "root", identity: str = "") -> Login:
    return Login(outcome, endpoint="oam", user=user, method="password", identity=identity, ref="l")


def condition(**settings: str) -> remote.Condition:
    return remote.Condition("/etc/ssh/sshd_config", "root", "192.0.2.1", settings, "c")


REMOTE = remote.Remote(
    fact("accounts", Account("root", 0, 0, "", "/root", "/bin/sh")),
    fact("groups", Group("root", 0, ()), Group("ops", 9, ("oper1",))),
    (),
    GOOD,
    GOOD,
    GOOD,
    (login("refused"), login("closed")),
    (condition(permitrootlogin="no"), condition(permitrootlogin="yes", allowgroups="ops")),
    GOOD,
    GOOD,
)


def test_root_stays_at_the_console() -> None:
    unsure(remote.judge_remote, REMOTE)
    let_in = [
        condition(permitrootlogin="yes"),
        condition(permitrootlogin="without-password"),
        condition(permitrootlogin="forced-commands-only"),
        condition(permitrootlogin="yes", allowgroups="ops root"),
        condition(permitrootlogin="yes", denyusers="toor"),
        condition(),
    ]
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.FAIL: [{"attempts": (login("in"),)}, *({"conditions": (one,)} for one in let_in)],
        Outcome.INCONCLUSIVE: [
            {"attempts": ()},
            {"attempts": (login("silence"),)},
            {"accounts": fact("a", Account("x", 1, 1, "", "/", "/bin/sh"))},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            assert remote.judge_remote(replace(REMOTE, **change)).outcome is outcome, change


@pytest.mark.parametrize(
    ("wrong", "right", "outcome"),
    [
        (login("refused"), login("in", identity="root"), Outcome.PASS),
        (login("refused"), login("refused"), Outcome.FAIL),
        (login("refused"), login("silence"), Outcome.INCONCLUSIVE),
        (login("refused"), login("in"), Outcome.INCONCLUSIVE),
        (login("in", identity="root"), login("in", identity="root"), Outcome.INCONCLUSIVE),
        (login("silence"), login("in", identity="root"), Outcome.INCONCLUSIVE),
    ],
)
def test_root_gets_in_at_the_console(wrong: Login, right: Login, outcome: Outcome) -> None:
    assert remote.judge_console(remote.Console(wrong, right, GOOD)).outcome is outcome
    assert remote.judge_console(remote.Console(wrong, right, BAD)).outcome is not Outcome.PASS


# --- TC_EXTERNAL_FILE_SYSTEM_MOUNT_RESTRICTIONS ------------------------------------------------------------


def entry(*options: str) -> Mount:
    return Mount("/media/usb", "/dev/sda1", "ext4", options)


CONFIGURATION = mounts.Configuration(
    fact("fstab", entry("noauto", "user"), Mount("/", "root", "ext4", ("defaults",))),
    fact("automount", Setting("/etc/auto.media", 1, "usb", "-fstype=auto,nosuid,nodev :/dev/sda1")),
    fact("sudoers", SudoRule("/etc/sudoers", "%ops", "ALL", "root", (), "/bin/mount -o nosuid,nodev /a /b")),
    fact("groups", Group("ops", 9, ("oper1",))),
    ("oper1",),
    GOOD,
)


def test_mounts_of_users_yield_no_rights() -> None:
    assert mounts.judge_configuration(CONFIGURATION).outcome is Outcome.PASS
    suid = Setting("/etc/auto.media", 1, "usb", "-fstype=auto,suid,dev :/dev/sda1")
    rule = SudoRule("/etc/sudoers", "%ops", "ALL", "root", (), "/usr/bin/mount, /usr/bin/umount")
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.FAIL: [
            {"fstab": fact("f", entry("user", "suid"))},
            {"fstab": fact("f", entry("noauto", "users", "dev", "nosuid"))},
            {"fstab": fact("f", entry("owner", "defaults"))},
            {"automount": fact("a", suid)},
            {"sudoers": fact("s", rule)},
            {"sudoers": fact("s", replace(rule, who="oper1"))},
        ],
        Outcome.PASS: [{"sudoers": fact("s", replace(rule, who="%admins"))}, {"automount": fact("a")}],
        Outcome.INCONCLUSIVE: [
            {"fstab": fact("f")},
            {"sudoers": Fact("sudoers", "", None, "no")},
            {"automount": Fact("automount", "", None, "no")},
            {"ordinary": ()},
            {"alive": BAD},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            assert mounts.judge_configuration(replace(CONFIGURATION, **change)).outcome is outcome, change


def mounted(
    flags: str = "rw,nosuid,nodev", euid: str = "1001", caps: str = "0" * 16, device: str = ""
) -> Any:
    return mounts.Mounted("oper1", "fstab", bool(flags), tuple(flags.split(",")), euid, caps, device, "m")


MOUNTS = mounts.Attempt(GOOD, GOOD, (mounted("rw", "0", "f" * 16, " 00"),), (mounted(),), GOOD)


def test_a_medium_gives_nothing_to_users() -> None:
    unsure(mounts.judge_attempt, MOUNTS)
    judged: dict[Outcome, list[dict[str, Any]]] = {
        Outcome.FAIL: [
            {"tried": (mounted("rw,nodev"),)},
            {"tried": (mounted("rw,nosuid"),)},
            {"tried": (mounted(euid="0"),)},
            {"tried": (mounted(caps="0000000000000080"),)},
            {"tried": (mounted(device=" 00"),)},
        ],
        Outcome.INCONCLUSIVE: [
            {"tried": ()},
            {"tried": (mounted(""),)},
            {"proof": ()},
            {"proof": (mounted("rw"),)},
        ],
    }
    for outcome, changes in judged.items():
        for change in changes:
            assert mounts.judge_attempt(replace(MOUNTS, **change)).outcome is outcome, change
