"""TC_OS_PRIVILEGE: nobody gets the rights of root without authenticating again, and helpers do little."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Account, Capability, File, Group, Job, PamRule, SudoRule, Unit
from drivers.interfaces.host import HostBench, did, got_in, rows, unread
from drivers.interfaces.replies import Fact
from testsuites.ts_33_117.common import Try, acls, commands, granted, of_each_role, ordinary, script, tries

MEANS = ("sudo", "su", "doas", "pkexec", "run0")
EQUAL_TO_ROOT = ("root", "docker", "lxd", "incus", "incus-admin", "libvirt", "disk", "kmem", "shadow")
NO_SHELL = re.compile(r".*/(nologin|false|sync)")
RELEASE = "faillock --user root --reset 2>/dev/null; :"  # our attempts would keep root from the console
SUDO_SETTINGS = "cat /etc/sudoers /etc/sudoers.d/* 2>/dev/null | grep -E '^[[:space:]]*Defaults'; :"


@dataclass(frozen=True)
class Explicit(Observation):
    list_a: tuple[dict[str, Any], ...]
    list_b: tuple[dict[str, Any], ...]
    special: Fact
    sudoers: Fact
    defaults: str  # of sudoers
    groups: Fact
    accounts: Fact
    pam: Fact
    works: Control  # the declared escalation, with the password
    logins: Control
    tried: tuple[Try, ...]
    asked: int
    alive: Control


def judge_explicit(seen: Explicit) -> Verdict:
    if doubt := unsound([seen.works, seen.logins]) or unread(
        seen.special, seen.groups, seen.accounts, seen.pam
    ):
        return doubt
    for one in seen.tried:
        if one.what != "identity" and one.done and one.said.split()[-1:] == ["0"]:
            return failed(f"{one.user} gets the rights of root without a password: {one.what}", one.ref)
    for why, ref in _free(seen):
        return failed(why, ref)
    found = {PurePosixPath(one.path).name for one in rows(seen.special, File)} & set(MEANS)
    if "sudo" in found and (doubt := unread(seen.sudoers)):
        return doubt
    listed = {str(one.get("means")) for one in seen.list_a}
    if found != listed:
        odd = ", ".join(sorted(found ^ listed))
        return failed(f"list A and the means that are there differ: {odd}", seen.special.ref)
    own = [one for one in seen.tried if one.what == "identity"]
    if len(seen.tried) != seen.asked or not own or not all(one.done and one.said != "0" for one in own):
        return inconclusive(f"{len(seen.tried)} of {seen.asked} attempts came to an end")
    return unsound([seen.alive]) or passed(
        f"{', '.join(sorted(found))} ask for a password, and {len(seen.tried) - len(own)} attempts of"
        f" {len(own)} users without one failed"
    )


def _free(seen: Explicit) -> Iterator[tuple[str, str]]:
    """What gives somebody the rights of root without authenticating again."""
    helpers = {str(one.get("path")) for one in seen.list_b}
    for rule in rows(seen.sudoers, SudoRule):
        if rule.who != "root" and any(
            re.search(r"(?i)nopasswd|authenticate=false", tag) for tag in rule.tags
        ):
            for command in commands(rule.commands):
                path = command.removesuffix('""').strip()
                if path not in helpers or re.search(r"[*?\[]", command) or not command.endswith('""'):
                    yield f"{rule.who} may run {command} without a password", seen.sudoers.ref
    if re.search(r"!authenticate|timestamp_timeout\s*=\s*-", seen.defaults):
        yield "sudo asks for no password, or remembers it for ever", seen.sudoers.ref
    people = {
        one.name: one.gid for one in rows(seen.accounts, Account) if one.uid and not NO_SHELL.match(one.shell)
    }
    for group in rows(seen.groups, Group):
        members = {*group.members, *(name for name, gid in people.items() if gid == group.gid)} & set(people)
        if group.name in EQUAL_TO_ROOT and members:
            yield f"{sorted(members)[0]} is in group {group.name}, which is as good as root", seen.groups.ref
    for one in rows(seen.pam, PamRule):
        if one.service in ("su", "su-l", "sudo", "sudo-i", "polkit-1") and one.kind == "auth":
            name = PurePosixPath(one.module).name
            if (name == "pam_permit.so" and one.control == "sufficient") or (
                name == "pam_wheel.so" and "trust" in one.arguments
            ):
                yield f"{one.service} needs no password ({one.module} {one.control})", seen.pam.ref


@case(
    "TC_OS_PRIVILEGE",
    judge_explicit,
    "A",
    asks=(
        "Is there no other way to more rights, in programs of the vendor's own or in graphical interfaces?",
    ),
)
def test_explicit_escalation(host: HostBench) -> Explicit:
    steps = [
        ("identity", "", "id", "-u"),
        ("sudo -n", "root", "sh", "-c", "sudo -k; sudo -n id -u"),
        ("sudo -n of a shell", "root", "sh", "-c", "sudo -k; sudo -n sh -c 'id -u'"),
        ("su with an empty password", "root", "sh", "-c", "echo | su root -c 'id -u'"),
        ("pkexec", "root", "pkexec", "--disable-internal-agent", "id", "-u"),
    ]
    works = did("root's rights come with the password", host.root("test $(id -u) = 0"))
    logins, tried = [], list[Try]()
    users = of_each_role(ordinary(host))
    host.stimulus()
    for user in users:
        with host.shell(user) as shell:
            logins.append(shell.login)
            tried += tries(user.name, shell.run(script(steps), within=30))
    host.root(RELEASE)
    return Explicit(
        tuple(host.declared("privilege.list_a")),
        tuple(host.declared("privilege.list_b")),
        host.fact("special_files", fresh=True),
        host.fact("sudoers", fresh=True),
        host.root(SUDO_SETTINGS).out,
        host.fact("groups", fresh=True),
        host.fact("accounts", fresh=True),
        host.fact("pam"),
        works,
        got_in("ordinary users log in", *logins),
        tuple(tried),
        len(steps) * len(users),
        host.alive(),
    )


# --- B: files that run with more rights ---------------------------------------------------------------------

CANARY = "/var/lib/assay-suid"
ESCAPES = (
    ("-p", "-c", "id -u"),  # shells
    (".", "-maxdepth", "0", "-exec", "id", "-u", ";"),  # find
    ("-c", "import os; os.setuid(0); os.system('id -u')"),  # python
    ("-e", "use POSIX; POSIX::setuid(0); exec 'id', '-u'"),  # perl
    ('BEGIN { system("id -u") }',),  # awk
)


@dataclass(frozen=True)
class Automatic(Observation):
    planted: Control
    list_b: tuple[dict[str, Any], ...]
    special: Fact
    capabilities: Fact
    parents: Fact  # of what runs with more rights
    run_by_root: Fact  # what cron and init run as root, with parents
    acls: dict[str, tuple[str, ...]]
    canary: tuple[Try, ...]
    logins: Control
    tried: tuple[Try, ...]
    alive: Control


def judge_automatic(seen: Automatic) -> Verdict:
    if doubt := unsound([seen.planted, seen.logins]) or unread(seen.special, seen.parents, seen.run_by_root):
        return doubt
    if seen.capabilities.value is None:
        return unread(seen.capabilities) or inconclusive("capabilities could not be read")
    files = [one for one in rows(seen.special, File) if one.path != CANARY]
    seen_canary = Control(
        "the search finds a planted SUID file", len(files) < len(rows(seen.special, File)), "not so"
    )
    escape = Control(
        "an escape works on it", any(_root(one) for one in seen.canary), f"{[t.said for t in seen.canary]}"
    )
    if doubt := unsound([seen_canary, escape]):
        return doubt
    for one in seen.tried:
        if _root(one):
            return failed(f"{one.user} becomes root with {one.target} {one.what}", one.ref)
    for why, ref in _loose(seen, files):
        return failed(why, ref)
    found = {one.path for one in files} | {one.path for one in rows(seen.capabilities, Capability)}
    listed = {str(one.get("path")): one for one in seen.list_b if not one.get("by")}
    if extra := sorted(found - set(listed)):
        return failed(f"{extra[0]} runs with more rights and is not on list B", seen.special.ref)
    if lacking := sorted(set(listed) - found):
        return failed(f"{lacking[0]} is on list B and does not run with more rights", seen.special.ref)
    for file in files:
        row = listed[file.path]
        if int(file.mode, 8) != int(str(row.get("mode", file.mode)), 8) or file.owner != row.get(
            "owner", file.owner
        ):
            return failed(
                f"{file.path} is {file.owner}'s with mode {file.mode}, not as on list B", seen.special.ref
            )
    return unsound([seen.alive]) or passed(
        f"{len(found)} files run with more rights, as on list B, and {len(seen.tried)} escapes failed",
        seen.special.ref,
    )


def _root(one: Try) -> bool:
    return one.done and one.said.split()[-1:] == ["0"]


def _loose(seen: Automatic, files: Iterable[File]) -> Iterator[tuple[str, str]]:
    """What runs with more rights and can be changed by others."""
    for fact, every in ((seen.special, files), (seen.parents, rows(seen.parents, File))):
        for one in every:
            if (why := _writable(one)) and one.kind != "link":
                yield f"{one.path} runs with more rights, or holds what does, and {why}", fact.ref
    for one in rows(seen.run_by_root, File):
        if one.kind != "link" and (
            why := _writable(one) or ("" if one.owner == "root" else f"is {one.owner}'s")
        ):
            yield f"{one.path} is run by root, or holds what is, and {why}", seen.run_by_root.ref
    for path, entries in seen.acls.items():
        if writers := [who for who, rights in granted(entries).items() if "w" in rights]:
            yield f"{path} may be changed by {writers[0]}", seen.special.ref


def _writable(one: File) -> str:
    mode = int(one.mode, 8)
    if mode & 0o002 and not mode & 0o1000:
        return "is writable by everybody"
    return f"is writable by group {one.group}" if mode & 0o020 and one.group != "root" else ""


def _with_parents(paths: Iterable[str]) -> list[str]:
    found = dict.fromkeys(paths)
    for path in list(found):
        found |= dict.fromkeys(str(parent) for parent in PurePosixPath(path).parents)
    return list(found)


@case("TC_OS_PRIVILEGE", judge_automatic, "B")
def test_automatic_escalation(host: HostBench) -> Automatic:
    planted = [host.plant(CANARY, mode=0o755)]
    planted.append(host.root(f'cat "$(readlink -f /bin/sh)" > {CANARY} && chmod 4755 {CANARY}'))
    special, capabilities = host.fact("special_files", fresh=True), host.fact("capabilities", fresh=True)
    paths = [one.path for one in rows(special, File) if one.path != CANARY]
    paths += [one.path for one in rows(capabilities, Capability)]
    helpers = [str(one["path"]) for one in host.declared("privilege.list_b") if one.get("by")]
    commands = [one.command for one in rows(host.fact("jobs"), Job) if one.user == "root"]
    commands += [unit.command for unit in rows(host.fact("units"), Unit) if unit.enabled != "disabled"]
    scripts = [word for text in commands for word in text.split() if re.fullmatch(r"/[\w./+-]+", word)]
    ran = host.files(*_with_parents([*helpers, *(one for one in scripts if not one.startswith("/dev"))]))
    parents = host.files(*(path for path in _with_parents(paths) if path not in paths))
    every = [one for fact in (ran, parents) for one in rows(fact, File)] + list(
        rows(host.files(*paths), File)
    )
    steps = [(" ".join(words), path, path, *words) for path in paths for words in ESCAPES]
    logins, canary, tried = [], list[Try](), list[Try]()
    host.stimulus()
    for user in of_each_role(ordinary(host))[:1]:
        with host.shell(user) as shell:
            logins.append(shell.login)
            canary += tries(user.name, shell.run(script([("", CANARY, CANARY, "-p", "-c", "id -u")])))
            tried += tries(user.name, shell.run(script(steps), within=60))
    host.root(RELEASE)
    return Automatic(
        did("a SUID shell was put there", *planted),
        tuple(host.declared("privilege.list_b")),
        special,
        capabilities,
        parents,
        ran,
        acls(host, every),
        tuple(canary),
        got_in("ordinary users log in", *logins),
        tuple(tried),
        host.alive(),
    )
