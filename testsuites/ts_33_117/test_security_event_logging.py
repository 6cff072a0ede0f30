"""TC_SECURITY_EVENT_LOGGING: each security event leaves a record with who, what, where and when."""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_interface

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, passed
from drivers.interfaces.facts import Group, Interface, PasswordRecord
from drivers.interfaces.host import Endpoint, HostBench, did, got_in, rows
from drivers.interfaces.replies import Ran
from testsuites.ts_33_117.common import first, ordinary
from testsuites.ts_33_117.records import (
    Clock,
    Wanted,
    clock,
    event,
    marks,
    matching,
    moment,
    took_effect,
    unrecorded,
    wanted,
)

STAY_S = 3.0
SPENT = re.compile(r"(\d+)m([\d.]+)s")  # what `times` says
CASE = "TC_SECURITY_EVENT_LOGGING"


@dataclass(frozen=True)
class Seen(Observation):
    controls: tuple[Control, ...]
    clock: Clock
    wanted: tuple[Wanted, ...]
    lasted: float  # of the administrator's sessions, 0 where there was none
    alive: Control


def judge(seen: Seen) -> Verdict:
    if doubt := unsound(seen.controls):
        return doubt
    if bad := unrecorded(seen.wanted, seen.clock):
        return bad
    if seen.lasted and (why := _length(seen)):
        return failed(why)
    return unsound([seen.alive]) or passed(
        f"{len(seen.wanted)} records: " + ", ".join(one.about for one in seen.wanted)
    )


def _length(seen: Seen) -> str:
    """What is wrong with how long a session is said to have lasted."""
    for one in seen.wanted:
        if one.event.startswith("admin-logout"):
            kind = one.event.removeprefix("admin-logout")
            begins = {
                line.groups.get("session", ""): line
                for begin in seen.wanted
                if begin.event == f"admin-login{kind}"
                for line in matching(begin)
            }
            told = []
            for line in matching(one):
                began = begins.get(line.groups.get("session", ""))
                if line.groups.get("seconds", "").isdecimal():
                    told.append(float(line.groups["seconds"]))
                elif began is not None:
                    times = [moment(each.groups.get("time", ""), seen.clock.zone) for each in (began, line)]
                    told += [times[1] - times[0]] if times[0] is not None and times[1] is not None else []
            if not any(abs(seconds - seen.lasted) <= 2 for seconds in told):
                return f"{one.about}: the records tell of no session of {seen.lasted:.0f} s ({told[:3]})"
    return ""


def _services(host: HostBench) -> list[Endpoint]:
    """The management services for persons, each way to log in once."""
    ends = [one for one in host.endpoints("ssh", "https", "netconf") if one.more.get("users") == "person"]
    return [one for one in ends if "challenge" not in one.more.get("login", {})]


def _names(host: HostBench, kind: str, end: Endpoint) -> str:
    """The declared event of this kind for a service."""
    every = host.declared("logs.events")
    found = [name for name, row in every.items() if name.startswith(kind) and row.get("endpoint") == end.name]
    return found[0] if found else f"{kind}-{end.name}"


def _ours(host: HostBench, end: Endpoint) -> str:
    """Our address on the link of a service."""
    for link in host.declared("network.interfaces") or ():
        if link["name"] == end.interface:
            for address in map(ip_interface, link.get("harness_addresses", ())):
                if (address.version == 6) == (":" in end.address):
                    return str(address.ip)
    return ""


def _seen(host: HostBench, controls: list[Control], found: list[Wanted], lasted: float = 0.0) -> Seen:
    return Seen(tuple(controls), clock(host), tuple(found), lasted, host.alive())


@case(CASE, judge, "A")
def test_failed_login(host: HostBench) -> Seen:
    logins, found, controls = [], list[Wanted](), list[Control]()
    user = ordinary(host)[0]
    for end in _services(host):
        source, places, nobody = _ours(host, end), marks(host), f"assay{secrets.token_hex(4)}"
        since = time.time()
        logins.append(host.login(end, user, source=source))
        good = wanted(host, _names(host, "admin-login", end), "login", {"user": user.name}, since, places)
        controls.append(took_effect(f"a login at {end.name} is recorded", (end.name, bool(matching(good)))))
        host.stimulus()
        for name, what in ((user.name, "a wrong password"), (nobody, "an unknown user")):
            since = time.time()
            refused = host.login(end, name, host.secret(), source=source)
            controls.append(
                took_effect(f"{what} is refused", (f"{refused.outcome}", refused.outcome == "refused"))
            )
            fields = {"user": name, **({"source": source} if source else {})}
            kind = _names(host, "failed-login", end)
            found.append(wanted(host, kind, f"{what} at {end.name}", fields, since, places))
    web_only = [one for one in controls if not one.worked and "recorded" in one.what]
    controls = [one for one in controls if one not in web_only or len(web_only) == len(_services(host))]
    return _seen(host, [got_in("who knows the password gets in", *logins), *controls], found)


@case(CASE, judge, "B")
def test_administrator_access(host: HostBench) -> Seen:
    found, controls, places = list[Wanted](), list[Control](), marks(host)
    ends = _services(host)
    for end in ends:
        admin = first(
            host.users(privileged=True, aside=False, endpoint=end), f"an administrator of {end.name}"
        )
        who = {"user": admin.name, **({"source": _ours(host, end)} if _ours(host, end) else {})}
        host.stimulus()
        since = time.time()
        refused = host.login(end, admin, host.secret(), source=_ours(host, end))
        controls.append(
            took_effect("the wrong password is refused", (refused.said, refused.outcome == "refused"))
        )
        failed_kind = _names(host, "failed-login", end)
        found.append(wanted(host, failed_kind, f"refused administrator at {end.name}", who, since, places))
        since = time.time()
        if end.via in ("https", "http"):
            with host.web(end, admin, source=_ours(host, end)) as web:
                controls.append(
                    took_effect("a session at the pages", (end.name, bool(web.login and web.login.identity)))
                )
                host.rest(STAY_S)
                logout = str(end.more["login"].get("logout", "POST /logout")).split()
                web.request(logout[0], logout[1])
        else:
            with host.shell(admin, endpoint=end) as shell:
                controls.append(took_effect("a session", (end.name, bool(shell.login.identity))))
                controls.append(did("an administrator's read", shell.run("sudo -n true; id")))
                host.rest(STAY_S)
        found.append(
            wanted(host, _names(host, "admin-login", end), f"login at {end.name}", who, since, places)
        )
        out = {"user": admin.name}
        found.append(
            wanted(host, _names(host, "admin-logout", end), f"logout at {end.name}", out, since, places)
        )
    since = time.time()
    controls.append(did("sudo works", host.root("true")))
    access = host.declared("platform.host_access") or {}
    if "sudo" in str(access.get("become")):
        fields = {"user": str(access.get("user")), "target": "root"}
        found.append(wanted(host, "sudo", "sudo", fields, since, places))
    if event(host, "su") is not None:
        one, other = ordinary(host)[0], ordinary(host)[-1]
        since = time.time()
        with host.shell(one, endpoint=ends[0]) as shell:
            controls.append(
                did("su works", shell.run(f"su {other.name} -c id", input=f"{host.secret(other).text}\n"))
            )
        found.append(wanted(host, "su", "su", {"user": one.name, "target": other.name}, since, places))
    return _seen(host, controls, found, STAY_S)


@case(CASE, judge, "C")
def test_account_administration(host: HostBench) -> Seen:
    name, secret = f"assay{secrets.token_hex(4)}", host.secret()
    admin = str((host.declared("accounts.create_action").get("os") or {}).get("user") or "root")
    places, found, states = marks(host), list[Wanted](), []
    steps: tuple[tuple[str, Callable[[], Ran]], ...] = (
        ("account-create", lambda: host.act("accounts.create_action", "os", name=name)),
        ("account-disable", lambda: host.act("accounts.set_state_action", "os", name=name, lock="lock")),
        ("account-enable", lambda: host.act("accounts.set_state_action", "os", name=name, lock="unlock")),
        ("account-delete", lambda: host.act("accounts.delete_action", "os", name=name)),
    )
    controls = []
    host.stimulus()
    for kind, step in steps:
        since = time.time()
        controls.append(did(kind, step()))
        if kind == "account-create":
            controls.append(
                did(
                    "a password is set",
                    host.act("accounts.create_action", "os-password", name=name, secret=secret),
                )
            )
        found.append(wanted(host, kind, kind, {"user": admin, "account": name}, since, places))
        records = rows(host.fact("shadow", fresh=True), PasswordRecord)
        states.append(next(((one.state, one.expires) for one in records if one.name == name), None))
    created, disabled, enabled, gone = states
    effect = took_effect(
        "each step took effect",
        ("present", created is not None),
        ("disabled", disabled not in (None, created)),
        ("enabled", enabled not in (None, disabled)),
        ("gone", gone is None),
    )
    return _seen(host, [*controls, effect], found)


@case(CASE, judge, "D")
def test_resource_usage(host: HostBench) -> Seen:
    places, found, controls = marks(host), list[Wanted](), list[Control]()
    for row in host.declared("logs.resource_thresholds"):
        limit, period = float(row["percent"]), float(row["period_s"])
        since = time.time()
        host.stimulus()
        if row.get("path"):
            path = str(row["path"])
            used = f"df -Pk {path} | awk 'NR == 2 {{ print int(100 * $3 / ($3 + $4)) }}'"
            before = host.root(used).out.strip()
            fill = host.plant(f"{path}/assay-fill")
            aim = min(limit + 8, 97) / 100
            host.root(
                f"n=$(df -Pk {path} | awk 'NR == 2 {{ print int({aim} * ($3 + $4) - $3) }}');"
                f' head -c "${{n}}k" /dev/zero > {path}/assay-fill',
                within=60,
            )
            reached = host.root(used).out.strip()
            host.rest(period)
            good = before.isdecimal() and reached.isdecimal() and int(before) < limit <= int(reached)
            controls += [
                did("a file was put there", fill),
                took_effect("the threshold is crossed", (reached, good)),
            ]
        else:
            lasts = period * 3 + 4
            # each in a session of its own: a scheduler that shares by session then gives them their part
            loop = f"nice -n -20 timeout {lasts:.0f} sh -c 'while :; do :; done'"
            burn = f"s=$(command -v setsid); for i in 1 2 3 4 5 6 7 8; do $s {loop} & done"
            ran = host.root(f"{burn}; wait; times", within=lasts + 30)
            spent = sum(60 * float(m) + float(s) for m, s in SPENT.findall(ran.out))
            percent = 100 * spent / lasts
            controls.append(took_effect("the threshold is crossed", (f"{percent:.0f} %", percent >= limit)))
        fields = {"resource": str(row["resource"]), "threshold": f"{limit:g}"}
        found.append(
            wanted(host, "resource-usage", f"{row['resource']} above {limit:g} %", fields, since, places)
        )
        if row.get("path"):
            host.root(f": > {row['path']}/assay-fill")
    return _seen(host, controls, found)


@case(CASE, judge, "E")
def test_configuration_change(host: HostBench) -> Seen:
    places, found, controls = marks(host), list[Wanted](), list[Control]()
    for name, row in host.declared("logs.events").items():
        if name.startswith("config-change") and row.get("trigger"):
            read, value = str(row.get("read") or "false"), f"assay{secrets.token_hex(4)}"
            before = host.root(read).out.strip()
            host.stimulus()
            for new in (value, before):
                since = time.time()
                controls.append(did("the parameter is set", host.do(row["trigger"], value=new)))
                there = host.root(read).out.strip()
                controls.append(
                    took_effect("the parameter has the value", (f"{there} for {new}", there == new))
                )
                if new == value:
                    fields = {"user": str(row["trigger"]["user"])}
                    one = wanted(host, name, f"{name} by {fields['user']}", fields, since, places)
                    fields["new"] = next(
                        (w for line in matching(one) if value in (w := line.groups.get("new", ""))), value
                    )
                    found.append(wanted(host, name, f"{name} by {fields['user']}", fields, since, places))
    return _seen(host, controls, found)


@case(CASE, judge, "F")
def test_reboot_and_crash(host: HostBench) -> Seen:
    places, found, controls = marks(host), list[Wanted](), list[Control]()
    service = next(
        s for s in reversed(host.declared("services.list") or []) if s.get("process") not in (None, "sshd")
    )
    process = str(service["process"])
    host.stimulus()
    since = time.time()
    old = host.root(f"pgrep -o -x {process}").out.strip()
    controls.append(did("a service is made to crash", host.root(f"kill -SEGV {old}")))
    found.append(wanted(host, "crash", f"crash of {process}", {"action": process}, since, places))
    controls.append(took_effect("it ended", (old, host.root(f"pgrep -o -x {process}").out.strip() != old)))
    since, who = time.time(), (host.declared("platform.reboot_action").get("") or {}).get("user")
    restart = host.reboot()
    controls.append(took_effect("the product restarted", (restart.saw, restart.happened and restart.back)))
    found.append(wanted(host, "reboot", f"reboot by {who}", {"user": str(who)} if who else {}, since, places))
    end = first(host.endpoints("ssh"), "an entry of oam.endpoints with via ssh")
    nobody, since = f"assay{secrets.token_hex(4)}", time.time()
    host.login(end, nobody, host.secret())
    flush = max(float(one.get("flush_s") or 0) for one in host.declared("logs.locations"))
    host.rest(flush)
    stopped = host.reboot("platform.power_action")
    controls.append(
        took_effect("the product was stopped hard", (stopped.saw, stopped.happened and stopped.back))
    )
    about = "a refused login before the hard stop"
    found.append(wanted(host, _names(host, "failed-login", end), about, {"user": nobody}, since, places))
    return _seen(host, controls, found)


@case(CASE, judge, "G")
def test_interface_status(host: HostBench) -> Seen:
    places, found, controls = marks(host), list[Wanted](), list[Control]()
    row = event(host, "interface-status") or {}
    trigger = first(filter(None, [row.get("trigger")]), "the trigger of interface-status")
    was = {one.name: one.state for one in rows(host.fact("interfaces", fresh=True), Interface)}
    host.stimulus()
    for state in ("down", "up"):
        since = time.time()
        controls.append(did(f"an interface is set {state}", host.do(trigger, state=state)))
        now = {one.name: one.state for one in rows(host.fact("interfaces", fresh=True), Interface)}
        changed = [
            name for name in was if (now.get(name) == "DOWN") == (state == "down") and was[name] != "DOWN"
        ]
        if state == "down":
            name = changed[0] if len(changed) == 1 else ""
        controls.append(took_effect(f"it is {state}", (name or "which?", name in changed)))
        fields = {"interface": name, "status": state}
        found.append(wanted(host, "interface-status", f"{name} {state}", fields, since, places))
    return _seen(host, controls, found)


@case(CASE, judge, "H")
def test_group_membership(host: HostBench) -> Seen:
    name, group = f"assay{secrets.token_hex(4)}", "audio"
    places, found = marks(host), list[Wanted]()
    controls = [did("an account is created", host.act("accounts.create_action", "os", name=name))]
    admin = str((host.declared("accounts.set_role_action").get("group") or {}).get("user") or "root")
    host.stimulus()
    for which, words in (("group", "added to"), ("ungroup", "removed from")):
        since = time.time()
        controls.append(did(which, host.act("accounts.set_role_action", which, name=name, group=group)))
        members = [one.members for one in rows(host.fact("groups", fresh=True), Group) if one.name == group]
        controls.append(
            took_effect(f"{words} {group}", (name, any(name in m for m in members) == (which == "group")))
        )
        fields = {"user": admin, "account": name, "action": f"{words} group {group}"}
        found.append(wanted(host, "group-membership", f"{words} a group", fields, since, places))
    return _seen(host, controls, found)
