"""Judges of the authorisation policy on facts made by hand: no PASS without controls, FAIL for each fault."""

from dataclasses import replace
from typing import Any

from test_judges_host_system import BAD, GOOD, fact, unsure

from assay.verdict import Outcome
from drivers.interfaces.facts import Listener, Process
from drivers.interfaces.replies import Login
from testsuites.ts_33_117 import test_authorization_policy as policy
from testsuites.ts_33_117.common import Try


def login(outcome: Any = "in", identity: str = "oper1") -> Login:
    return replace(Login(outcome, ref="l"), user="oper1", endpoint="oam-ssh", identity=identity)


def tried(what: str, target: str, status: int, said: str = "Permission denied", user: str = "oper1") -> Try:
    return Try(user, what, target, status, said, "t")


def judged(judge: Any, seen: Any, outcome: Outcome, *changes: dict[str, Any]) -> None:
    for change in changes:
        got = judge(replace(seen, **change))
        assert got.outcome is outcome, (change, got)


GRANTED = policy.Granted((login(),), (tried("read", "/etc/np/np.conf", 0, ""),), 1, GOOD)


def test_what_is_granted_works() -> None:
    unsure(policy.judge_granted, GRANTED)
    judged(policy.judge_granted, GRANTED, Outcome.FAIL, {"tried": (tried("read", "/etc/np/np.conf", 1),)})
    judged(
        policy.judge_granted,
        GRANTED,
        Outcome.INCONCLUSIVE,
        {"logins": ()},
        {"logins": (login("refused", ""),)},
        {"logins": (login("silence", ""),)},
        {"logins": (login(identity="view1"),)},
        {"tried": ()},
        {"tried": (), "asked": 0},
        {"asked": 2},
    )


LOG, SUDO = "/var/log/auth.log", "sudo id"
UNGRANTED = policy.Ungranted(
    GOOD,
    (login(),),
    (tried("read", LOG, 0, "", "root"), tried("execute", SUDO, 0, "uid=0", "admin1")),
    (tried("read", LOG, 1), tried("execute", SUDO, 1, "oper1 is not in the sudoers file.")),
    2,
    "a",
    "a",
    GOOD,
)


def test_what_is_not_granted_is_denied() -> None:
    unsure(policy.judge_ungranted, UNGRANTED)
    denied = UNGRANTED.tried
    judged(
        policy.judge_ungranted,
        UNGRANTED,
        Outcome.FAIL,
        {"tried": (tried("read", LOG, 0, ""), denied[1])},  # authz-log-readable
        {"tried": (denied[0], tried("execute", SUDO, 0, "uid=0(root)"))},  # authz-operator-root
        {"tried": (tried("write", "/etc/np/np.conf", 0, ""),)},  # authz-world-writable-config
        {"after": "b"},
    )
    judged(
        policy.judge_ungranted,
        UNGRANTED,
        Outcome.INCONCLUSIVE,
        {"tried": ()},
        {"tried": (), "asked": 0},
        {"asked": 3},
        {"can_work": ()},
        {"can_work": (tried("write", LOG, 0, "", "root"), UNGRANTED.can_work[1])},
        {"tried": (tried("read", LOG, 127, "head: not found"), denied[1])},
        {"tried": (tried("read", LOG, 1, "No such file or directory"), denied[1])},
        {"tried": (denied[0], tried("execute", SUDO, 1, "Sorry, try again."))},
        {"logins": ()},
        {"logins": (login("closed", ""),)},
        {"logins": (login(identity="root"),)},
        {"before": ""},
        {"after": ""},
        {"alive": BAD},
    )


def process(pid: int, exe: str, args: str, uid: int = 0, parent: int = 1, capabilities: str = "0") -> Process:
    return Process(pid, parent, uid, uid, uid, exe, exe, args, capabilities)


ALL, SSHD, GTPU = "000001ffffffffff", "/usr/sbin/sshd", "/usr/lib/np/gtpud"
PROCESSES = [
    process(10, SSHD, "sshd: listener", capabilities=ALL),
    process(11, GTPU, GTPU, uid=990),
    process(12, SSHD, "sshd: admin1@notty", uid=1000, parent=10),
    process(13, "/usr/bin/sudo", "sudo -S sh", parent=12, capabilities=ALL),
    process(14, "/usr/bin/dash", "sh", parent=13, capabilities=ALL),
    process(15, "", "[kthreadd]", parent=0, capabilities=ALL),
]
LISTENING = [Listener("tcp", "*", 22, "", "sshd", 10), Listener("udp", "*", 2152, "", "gtpud", 11)]
APPLICATIONS = policy.Applications(
    fact("processes", *PROCESSES),
    fact("processes", *PROCESSES),
    fact("listening", *LISTENING),
    (("tcp", 22), ("udp", 2152)),
    ({"exe": SSHD, "args": "sshd", "uid": 0, "caps": "all"},),
    1000,
    GOOD,
)


def test_applications_have_few_rights() -> None:
    unsure(policy.judge_applications, APPLICATIONS)

    def with_(*more: Process) -> dict[str, Any]:
        now = fact("processes", *PROCESSES, *more)
        return {"earlier": now, "processes": now}

    judged(
        policy.judge_applications,
        APPLICATIONS,
        Outcome.FAIL,
        with_(process(20, GTPU, GTPU, capabilities=ALL)),  # app-as-root
        with_(process(20, GTPU, GTPU, uid=990, capabilities="0000000000002000")),
        with_(process(20, "/usr/bin/dash", "sh", capabilities=ALL)),  # in no session of the bench
        with_(process(20, "/opt/sshd", "sshd", capabilities=ALL)),
        {"justified": ()},
        {"operator": 0},
    )
    judged(
        policy.judge_applications,
        APPLICATIONS,
        Outcome.INCONCLUSIVE,
        {"services": None},
        {"services": ()},
        {"services": (("tcp", 443),)},
        {"listening": fact("listening", replace(LISTENING[0], pid=0), LISTENING[1])},
    )
    job = {
        "processes": fact("processes", *PROCESSES, process(20, "/usr/sbin/cron", "CRON", capabilities=ALL))
    }
    judged(policy.judge_applications, APPLICATIONS, Outcome.PASS, job)  # it was not there before
    assert (
        policy.judge_applications(replace(APPLICATIONS, **with_(process(20, GTPU, GTPU, uid=990)))).outcome
        is Outcome.PASS
    )
