"""Judges of rights, logs and overflows of a host, on facts made by hand."""

from dataclasses import replace
from typing import Any

from test_judges_host_system import BAD, GOOD, attempt, fact, file, unsure

from assay.verdict import Outcome
from drivers.interfaces.facts import Account, Capability, Group, Listener, Mount, PamRule, SudoRule
from drivers.interfaces.host import Document, Line, LogLines
from drivers.interfaces.replies import Fact
from testsuites.ts_33_117 import test_handling_of_growing_content as growing
from testsuites.ts_33_117 import test_os_privilege as privilege
from testsuites.ts_33_117 import test_protection_from_buffer_overflow as overflow
from testsuites.ts_33_117 import test_protection_of_security_event_log_files as logs
from testsuites.ts_33_117 import test_security_event_logging as events
from testsuites.ts_33_117.common import Try
from testsuites.ts_33_117.records import Clock, Wanted

Changes = dict[Outcome, list[dict[str, Any]]]


def judged(judge: Any, seen: Any, changes: Changes) -> None:
    for outcome, each in changes.items():
        for change in each:
            got = judge(replace(seen, **change))
            assert got.outcome is outcome, (change, got)


# --- TC_PROTECTION_FROM_BUFFER_OVERFLOW ------------------------------------------------------------------

PAPER = Document("paper.txt", "0" * 64, 10)
PAPERS = overflow.Papers(
    PAPER,
    dict.fromkeys(overflow.ITEMS["description"], "1"),
    PAPER,
    dict.fromkeys(overflow.ITEMS["report"], "1"),
    GOOD,
)


def test_mechanisms_are_described_and_tested() -> None:
    assert overflow.judge_papers(PAPERS).outcome is Outcome.PASS
    bad = replace(PAPER, problem="it is empty")
    judged(
        overflow.judge_papers,
        PAPERS,
        {
            Outcome.FAIL: [{"report": None}, {"reported": {}}, {"described": {"mechanisms": "1"}}],
            Outcome.INCONCLUSIVE: [{"report": bad}, {"description": bad}, {"alive": BAD}],
        },
    )


def program(path: str, pie: bool | None = True, nx: bool | None = True, canary: bool = True) -> Any:
    return overflow.Program(path, pie, nx, canary, "p")


def mapped(**changes: Any) -> Any:
    return replace(overflow.Mapped(7, "/usr/sbin/sshd", "00000000", (), ("/lib/libc.so.6",), "m"), **changes)


ON_HOST = overflow.OnHost(
    GOOD,
    tuple(program(p, kind == 3, not flags & 1, s) for p, (kind, flags, s) in overflow.CANARIES.items()),
    fact("listening", Listener("tcp", "*", 22, "", "sshd", 7)),
    Fact("kernel", "hand", {"aslr": "2"}, "", "k"),
    ("/usr/sbin/sshd",),
    ({"name": "/usr/bin/goapp", "rule": "stack-protector", "reason": "memory-safe"},),
    (mapped(),),
    (program("/usr/sbin/sshd"), program("/usr/bin/goapp", canary=False)),
    (program("/lib/libc.so.6", canary=False),),
    ("55d0 7ffc", "5601 7ffd"),
    GOOD,
)


def test_services_are_protected_against_overflows() -> None:
    unsure(overflow.judge_host, ON_HOST)
    judged(
        overflow.judge_host,
        ON_HOST,
        {
            Outcome.FAIL: [
                {"kernel": Fact("kernel", "hand", {"aslr": "1"}, "", "k")},
                {"processes": (mapped(personality="00040000"),)},
                {"processes": (mapped(executable=("[stack]",)),)},
                {"programs": (program("/usr/sbin/sshd", pie=False),)},
                {"programs": (program("/usr/sbin/sshd", nx=False),)},
                {"programs": (program("/usr/sbin/sshd", canary=False),)},
                {"libraries": (program("/lib/libc.so.6", nx=False),)},
                {"bases": ("55d0", "55d0")},
            ],
            Outcome.INCONCLUSIVE: [
                {"canaries": ()},
                {"canaries": tuple(program(path) for path in overflow.CANARIES)},
                {"processes": ()},
                {"processes": (mapped(libraries=()),)},
                {"programs": ()},
                {"programs": (program("/usr/sbin/sshd", pie=None, nx=None),)},
                {"bases": ()},
            ],
        },
    )


def test_headers_of_programs_are_read() -> None:
    for _, (kind, flags, symbol) in overflow.CANARIES.items():
        octets = overflow._elf(kind, flags, symbol)[: overflow.HEAD]
        assert overflow._headers(octets.hex()) == (kind == 3, not flags & 1)
        for cut in range(0, len(octets), 7):
            overflow._headers(octets[:cut].hex())
    for text in ("", "zz", "7f454c46", "00" * 100, "7f454c460201" + "ff" * 100):
        assert overflow._headers(text)[1] is not True


# --- TC_OS_PRIVILEGE -------------------------------------------------------------------------------------


def sudo(who: str, commands: str, *tags: str) -> SudoRule:
    return SudoRule("/etc/sudoers", who, "ALL", "root", tags, commands)


OWN, REFUSED = attempt("identity", 0, "1001"), attempt("sudo -n", 1, "sudo: a password is required")
EXPLICIT = privilege.Explicit(
    ({"means": "sudo"}, {"means": "su"}),
    ({"path": "/usr/lib/helper"},),
    fact("special_files", file("/usr/bin/sudo", "4755"), file("/usr/bin/su", "4755")),
    fact("sudoers", sudo("root", "ALL"), sudo("%users", '/usr/lib/helper ""', "NOPASSWD")),
    "Defaults timestamp_timeout=5",
    fact("groups", Group("users", 100, ("oper1",)), Group("docker", 900, ())),
    fact(
        "accounts",
        Account("root", 0, 0, "", "/root", "/bin/sh"),
        Account("oper1", 1001, 100, "", "/", "/bin/sh"),
    ),
    fact("pam", PamRule("su", "auth", "required", "pam_unix.so", ())),
    GOOD,
    GOOD,
    (OWN, REFUSED),
    2,
    GOOD,
)


def test_more_rights_want_a_password() -> None:
    unsure(privilege.judge_explicit, EXPLICIT)
    judged(
        privilege.judge_explicit,
        EXPLICIT,
        {
            Outcome.FAIL: [
                {"tried": (OWN, attempt("sudo -n", 0, "0"))},
                {"sudoers": fact("s", sudo("%users", "ALL", "authenticate=False"))},
                {"sudoers": fact("s", sudo("%users", "/usr/lib/helper", "NOPASSWD"))},  # with any argument
                {"sudoers": fact("s", sudo("%users", '/usr/lib/* ""', "NOPASSWD"))},
                {"defaults": "Defaults !authenticate"},
                {"defaults": "Defaults timestamp_timeout = -1"},
                {"groups": fact("g", Group("docker", 900, ("oper1",)))},
                {"groups": fact("g", Group("disk", 100, ()))},  # the account's own group
                {"pam": fact("p", PamRule("su", "auth", "sufficient", "pam_permit.so", ()))},
                {"pam": fact("p", PamRule("su", "auth", "sufficient", "pam_wheel.so", ("trust",)))},
                {"special": fact("f", file("/usr/bin/sudo", "4755"))},
                {"list_a": ({"means": "sudo"},)},
            ],
            Outcome.INCONCLUSIVE: [{"tried": ()}, {"tried": (OWN,)}, {"tried": (REFUSED, REFUSED)}],
        },
    )


AUTOMATIC = privilege.Automatic(
    GOOD,
    ({"path": "/usr/bin/passwd", "mode": "4755", "owner": "root"}, {"path": "/usr/bin/ping"}),
    fact("special_files", file(privilege.CANARY, "4755"), file("/usr/bin/passwd", "4755")),
    fact("capabilities", Capability("/usr/bin/ping", "cap_net_raw=ep")),
    fact("files", file("/usr/bin", "755", kind="directory")),
    fact("files", file("/usr/lib/boot", "755"), file("/tmp", "1777", kind="directory")),
    {},
    (attempt("", 0, "0"),),
    GOOD,
    (attempt("-p -c id -u", 1, "bad option"),),
    GOOD,
)


def test_helpers_are_listed_and_do_little() -> None:
    assert privilege.judge_automatic(AUTOMATIC).outcome is Outcome.PASS
    special = AUTOMATIC.special.value
    extra = fact(
        "f", file(privilege.CANARY, "4755"), file("/usr/bin/passwd", "4755"), file("/bin/rsh", "4755")
    )
    loose = fact("f", file(privilege.CANARY, "4755"), file("/usr/bin/passwd", "4775", group="ops"))
    judged(
        privilege.judge_automatic,
        AUTOMATIC,
        {
            Outcome.FAIL: [
                {"special": extra},
                {"special": loose},
                {"special": fact("f", file(privilege.CANARY, "4755"))},
                {"special": fact("f", file(privilege.CANARY, "4755"), file("/usr/bin/passwd", "6755"))},
                {"capabilities": fact("c", Capability("/usr/bin/py", "cap_setuid=ep"))},
                {"tried": (attempt("-p", 0, "0"),)},
                {"parents": fact("f", file("/usr/bin", "775", group="ops", kind="directory"))},
                {"run_by_root": fact("f", file("/usr/lib/boot", "755", "oper1"))},
                {"acls": {"/usr/bin/passwd": ("user:oper1:rw-",)}},
            ],
            Outcome.INCONCLUSIVE: [
                {"special": replace(AUTOMATIC.special, value=special[1:])},
                {"special": Fact("special_files", "", None, "no")},
                {"capabilities": Fact("capabilities", "", None, "no getcap")},
                {"run_by_root": fact("f")},
                {"canary": (attempt("", 1, ""),)},
                {"canary": ()},
                *({name: BAD} for name in ("planted", "logins", "alive")),
            ],
        },
    )


# --- TC_PROTECTION_OF_SECURITY_EVENT_LOG_FILES -----------------------------------------------------------

READ, BLIND = logs.Read("admin1", "auth", "cat", True, "r"), logs.Read("oper1", "auth", "cat", False, "r")
NO = Try("oper1", "open for writing", "/var/log/auth.log", 2, "Permission denied")
LOGS = logs.Seen(
    GOOD,
    GOOD,
    ("/var/log/auth.log",),
    ("adm",),
    fact(
        "files",
        file("/var/log/auth.log", "640", group="adm"),
        file("/var/log/auth.log.1", "600"),
        file("/var/log", "775", group="adm", kind="directory"),
    ),
    {},
    (READ,),
    (BLIND,),
    GOOD,
    (NO,),
    1,
    GOOD,
)


def test_logs_are_for_the_privileged() -> None:
    unsure(logs.judge, LOGS)
    log = file("/var/log/auth.log", "640", group="adm")
    judged(
        logs.judge,
        LOGS,
        {
            Outcome.FAIL: [
                {"files": fact("f", replace(log, mode="644"))},
                {"files": fact("f", log, file("/var/log/auth.log.1", "604"))},
                {"files": fact("f", replace(log, group="users"))},
                {"files": fact("f", log, file("/var/log", "775", group="np", kind="directory"))},
                {"files": fact("f", log, file("/var/log", "755", "np", kind="directory"))},
                {"ordinary": (replace(BLIND, marked=True),)},
                {"tried": (replace(NO, status=0),)},
                {"acls": {"/var/log/auth.log": ("user:oper1:r--",)}},
            ],
            Outcome.INCONCLUSIVE: [
                {"privileged": (replace(READ, marked=False),)},
                {"privileged": ()},
                {"ordinary": ()},
                {"tried": ()},
                {"tried": (replace(NO, status=127, said="not found"),)},
                {"files": fact("f", file("/var/log/other", "640", group="adm"))},
                {"acls": {"/var/log/auth.log": ()}},
            ],
        },
    )


# --- TC_SECURITY_EVENT_LOGGING ---------------------------------------------------------------------------

AT = 1_772_359_200.0  # 2026-03-01T10:00:00Z


def line(at: str = "2026-03-01T10:00:01+00:00", **groups: str) -> Line:
    return Line("text", "l", {"time": at, "host": "np", "user": "oper1", **groups})


def record(*lines: Line, event: str = "failed-login", problem: str = "") -> Wanted:
    fields = {"user": "oper1"}
    return Wanted(event, event, fields, AT, AT + 1, LogLines("auth", "x", lines, 1.0, "g", problem))


EVENTS = events.Seen((GOOD,), Clock(0.5, 0.1, "UTC", "c", "np"), (record(line()),), 0.0, GOOD)


def test_events_leave_records() -> None:
    unsure(events.judge, EVENTS)
    judged(
        events.judge,
        EVENTS,
        {
            Outcome.PASS: [
                {"wanted": (record(line("2026-03-01T10:00:01")),)},  # the declared zone
                {"wanted": (record(line("2026-03-01T11:00:01+01:00")),)},
                {"wanted": (record(line(user="x"), line()),)},
                {"wanted": (record(line(host="np.example")),)},
            ],
            Outcome.FAIL: [
                {"wanted": (record(),)},
                {"wanted": (record(line(user="oper2")),)},
                {"wanted": (record(line("2026-03-01T19:00:01+00:00")),)},
                {"wanted": (record(line("2026-03-01T10:00:06+00:00")),)},
                {"wanted": (record(line("Mar  1 10:00:01")),)},
                {"wanted": (record(line(host="")),)},
                {"wanted": (record(line(host="other")),)},
                {"wanted": (record(line()), record(event="reboot"))},
                {"wanted": (record(line("2026-03-01T10:00:01")),), "clock": replace(EVENTS.clock, zone="")},
            ],
            Outcome.INCONCLUSIVE: [
                {"controls": ()},
                {"controls": (BAD,)},
                {"wanted": ()},
                {"wanted": (record(problem="it could not be read whole"),)},
                {"clock": replace(EVENTS.clock, offset=float("nan"))},
                {"clock": replace(EVENTS.clock, hostname="")},
            ],
        },
    )


def test_a_session_has_its_length() -> None:
    begin = record(line(session="7"), event="admin-login-ssh")
    end = record(line("2026-03-01T10:00:04+00:00", session="7"), event="admin-logout-ssh")
    end = replace(end, until=AT + 4)
    assert events.judge(replace(EVENTS, wanted=(begin, end), lasted=3.0)).outcome is Outcome.PASS
    assert events.judge(replace(EVENTS, wanted=(begin, end), lasted=9.0)).outcome is Outcome.FAIL
    other = replace(end, lines=replace(end.lines, lines=(line("2026-03-01T10:00:04+00:00", session="8"),)))
    assert events.judge(replace(EVENTS, wanted=(begin, other), lasted=3.0)).outcome is Outcome.FAIL
    told = replace(end, lines=replace(end.lines, lines=(line("2026-03-01T10:00:04+00:00", seconds="3"),)))
    assert events.judge(replace(EVENTS, wanted=(told,), lasted=3.0)).outcome is Outcome.PASS


# --- TC_HANDLING_OF_GROWING_CONTENT -------------------------------------------------------------------------

WELL = growing.Probe(True, True, 40, "p")
GROWTH = growing.Seen(
    "/var/log",
    ({"path": "/var/log", "kind": "own-filesystem"}, {"path": "/var/log", "kind": "rotation"}),
    fact("mounts", Mount("/", "root", "ext4", ()), Mount("/var/log", "log", "tmpfs", ())),
    (WELL,) * 3,
    GOOD,
    True,
    None,
    (WELL,) * 3,
    (WELL,),
    {"sshd": (7,)},
    {"sshd": (7, 9)},
    GOOD,
    GOOD,
)


def test_growth_disturbs_nothing() -> None:
    unsure(growing.judge, GROWTH)
    down, ill, full = replace(WELL, service=False), replace(WELL, login=False), replace(WELL, free=4)
    refusal = ({"path": "/srv", "kind": "refusal"},)
    judged(
        growing.judge,
        GROWTH,
        {
            Outcome.PASS: [{"measures": refusal, "rotated": None, "refused": True}],
            Outcome.FAIL: [
                {"measures": ()},
                {"mounts": fact("m", Mount("/", "root", "ext4", ()))},
                {"rotated": False},
                {"measures": refusal, "refused": False},
                {"survivors": {"sshd": (9,)}},
                {"survivors": {}},
                {"during": (WELL, down)},
                {"during": (WELL, full)},
                {"after": (down,)},
                {"after": (ill,)},
            ],
            Outcome.INCONCLUSIVE: [
                {"before": ()},
                {"before": (down,)},
                {"during": ()},
                {"after": ()},
                {"during": (replace(WELL, free=-1),)},
                {"services": {}},
                {"services": {"sshd": ()}},
            ],
        },
    )
