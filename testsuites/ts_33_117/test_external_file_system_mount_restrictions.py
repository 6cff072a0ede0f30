"""TC_EXTERNAL_FILE_SYSTEM_MOUNT_RESTRICTIONS: what an ordinary user mounts gives nobody more rights."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Group, Mount, Setting, SudoRule
from drivers.interfaces.host import HostBench, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran
from testsuites.ts_33_117.common import commands, ordinary

USERS_MAY = {"user", "users", "owner", "group"}
PROOF = "/var/lib/assay-medium"


@dataclass(frozen=True)
class Configuration(Observation):
    fstab: Fact
    automount: Fact
    sudoers: Fact
    groups: Fact
    ordinary: tuple[str, ...]
    alive: Control


def judge_configuration(seen: Configuration) -> Verdict:
    canary = _open(["noauto", "user", "suid"]) == ["suid"] and not _open(["user", "nosuid", "nodev"])
    if doubt := unread(seen.fstab, seen.sudoers, seen.groups):
        return doubt
    if seen.automount.value is None or not canary or not seen.ordinary:
        return unread(seen.automount) or inconclusive("nobody is an ordinary user, or the reader is wrong")
    implied = []
    for entry in rows(seen.fstab, Mount):
        if USERS_MAY & set(entry.options):
            if gives := _open(entry.options):
                return failed(f"users may mount {entry.path} with {' and '.join(gives)}", seen.fstab.ref)
            if not {"nosuid", "nodev"} <= set(entry.options):
                implied.append(entry.path)
    for one in rows(seen.automount, Setting):
        if re.match(r"/etc/auto\.(?!master)", one.file) and not _both(one.value):
            return failed(
                f"{one.file} mounts {one.key} without nosuid and nodev: {one.value}", seen.automount.ref
            )
    mine = {*seen.ordinary, "ALL"} | {
        f"%{one.name}" for one in rows(seen.groups, Group) if set(one.members) & set(seen.ordinary)
    }
    for rule in rows(seen.sudoers, SudoRule):
        if rule.who in mine:
            for command in commands(rule.commands):
                if re.match(r"(/usr)?/s?bin/mount( |$)", command) and not _both(command):
                    return failed(f"{rule.who} may run {command} as {rule.as_whom}", seen.sudoers.ref)
    note = f" (nosuid and nodev are implied for {', '.join(implied)})" if implied else ""
    return unsound([seen.alive]) or passed(
        f"no way to mount yields SUID programs or devices{note}", seen.fstab.ref
    )


def _open(options: Sequence[str]) -> list[str]:
    """What a line of fstab for users yields: "suid", "dev"; later options lift earlier ones (mount(8))."""
    flags = {"suid": True, "dev": True}
    for option in options:
        if option in USERS_MAY:
            flags = {"suid": False, "dev": False}
        elif option == "defaults":
            flags = {"suid": True, "dev": True}
        elif option.removeprefix("no") in flags:
            flags[option.removeprefix("no")] = not option.startswith("no")
    return [name for name, on in flags.items() if on]


def _both(text: str) -> bool:
    return bool(re.search(r"\bnosuid\b", text) and re.search(r"\bnodev\b", text))


@case("TC_EXTERNAL_FILE_SYSTEM_MOUNT_RESTRICTIONS", judge_configuration, "A")
def test_configuration(host: HostBench) -> Configuration:
    return Configuration(
        host.fact("fstab"),
        host.fact("automount"),
        host.fact("sudoers"),
        host.fact("groups"),
        tuple(one.name for one in ordinary(host)),
        host.alive(),
    )


# --- B: an attempt -----------------------------------------------------------------------------------------

BUILD = """
set -e
image={image} d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT
cp "$(readlink -f /bin/sh)" "$d/suid"; chown 0:0 "$d/suid"; chmod 4755 "$d/suid"
cp "$(readlink -f /bin/sh)" "$d/caps"; chmod 755 "$d/caps"; setcap cap_setuid,cap_dac_override+ep "$d/caps"
mke2fs -q -F -t ext4 -O ^has_journal -d "$d" "$image" 3m
debugfs -w -R "mknod device c 1 5" "$image" 2>/dev/null
debugfs -w -R "sif device mode 020666" "$image" 2>/dev/null
"""
EXPLOIT = r"""
grep -F " {target} " /proc/self/mountinfo | tail -n 1 | sed 's/^/flags /'
printf 'euid '; {target}/suid -p -c 'id -u' 2>&1 | head -n 1
printf 'caps '; {target}/caps -c \
    'while read -r k v; do [ "$k" != CapEff: ] || echo "$v"; done </proc/self/status' 2>&1 | head -n 1
printf 'device '; head -c 1 {target}/device 2>&1 | od -An -tx1 | head -n 1
"""


@dataclass(frozen=True)
class Mounted(Observation):
    """What a user reached on a medium mounted in one way."""

    user: str
    way: str
    mounted: bool
    flags: tuple[str, ...]
    euid: str
    caps: str
    device: str
    ref: str

    @property
    def gained(self) -> str:
        """What was gained; empty where nothing was."""
        if self.euid.strip() == "0":
            return "effective UID 0"
        if re.fullmatch(r"[0-9a-f]{16}", self.caps.strip()) and int(self.caps, 16):
            return f"capabilities {self.caps.strip()}"
        return "the open device node" if self.device.split() == ["00"] else ""


@dataclass(frozen=True)
class Attempt(Observation):
    built: Control
    logins: Control
    proof: tuple[Mounted, ...]  # of the same medium mounted by root with suid and dev
    tried: tuple[Mounted, ...]
    alive: Control


def judge_attempt(seen: Attempt) -> Verdict:
    gains = [one for one in seen.proof if one.euid.strip() == "0" and one.device.split() == ["00"]]
    works = Control(
        "the medium gives root's rights where root mounts it with suid and dev",
        bool(gains) and len(gains) == len(seen.proof),
        "; ".join(f"euid {one.euid.strip()}, device {one.device.strip()}" for one in seen.proof),
    )
    if doubt := unsound([seen.built, seen.logins, works]):
        return doubt
    for one in seen.tried:
        if one.gained:
            return failed(f"{one.user} gains {one.gained} from a medium mounted by way of {one.way}", one.ref)
        if one.mounted and not {"nosuid", "nodev"} <= set(one.flags):
            return failed(f"{one.way} mounts with {','.join(one.flags)}, without nosuid and nodev", one.ref)
    if not seen.tried or (bad := next((one for one in seen.tried if not one.mounted), None)):
        return inconclusive(
            f"{bad.user} could not mount by way of {bad.way}" if seen.tried and bad else "nobody mounted"
        )
    users, ways = {one.user for one in seen.tried}, {one.way for one in seen.tried}
    return unsound([seen.alive]) or passed(
        f"{len(users)} users gained nothing by way of {', '.join(sorted(ways))}"
    )


@case("TC_EXTERNAL_FILE_SYSTEM_MOUNT_RESTRICTIONS", judge_attempt, "B")
def test_attempt(host: HostBench) -> Attempt:
    ways, users = host.declared("filesystem.user_mounts"), ordinary(host)[:2]
    done, logins = [host.plant(f"{PROOF}/", mode=0o755)], list[Login]()
    proof, tried = list[Mounted](), list[Mounted]()
    for image in dict.fromkeys(str(way["source"]) for way in ways):
        done += [host.plant(image), host.root(BUILD.format(image=shlex.quote(image)), within=60)]
    for way in ways:
        target, image = str(way["target"]), str(way["source"])
        for user in users:
            if way.get("user") not in ("all", user.name):
                continue
            with host.shell(user) as shell:
                logins.append(shell.login)
                if not proof:
                    host.root(f"mount -o loop,suid,dev,exec {image} {PROOF}")
                    proof = [_mounted(user.name, "root", PROOF, shell.run(EXPLOIT.format(target=PROOF)))]
                    host.root(f"umount {PROOF}")
                host.stimulus()
                ran = shell.run(str(way["run"]))
                tried.append(
                    _mounted(user.name, str(way["way"]), target, shell.run(EXPLOIT.format(target=target)))
                )
                if ran.ok and way.get("undo") and way.get("undo_as") != "root":
                    shell.run(str(way["undo"]))
                host.root(f"! mountpoint -q {target} || umount {target}")
    return Attempt(
        did("the medium was made", *done),
        got_in("ordinary users log in", *logins),
        tuple(proof),
        tuple(tried),
        host.alive(),
    )


def _mounted(user: str, way: str, target: str, ran: Ran) -> Mounted:
    told = dict(line.partition(" ")[::2] for line in _lines(ran.out))
    fields = told.get("flags", "").split()
    flags = tuple(fields[5].split(",")) if len(fields) > 5 and fields[4] == target else ()
    return Mounted(
        user,
        way,
        bool(flags),
        flags,
        told.get("euid", ""),
        told.get("caps", ""),
        told.get("device", ""),
        ran.ref,
    )


def _lines(text: str) -> Iterator[str]:
    yield from (
        line for line in text.splitlines() if line.partition(" ")[0] in ("flags", "euid", "caps", "device")
    )
