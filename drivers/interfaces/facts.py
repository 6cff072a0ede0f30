"""The state of a host: what each fact is called, and what its rows are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A value of a `Fact` is JSON: a list of rows of one kind, or a mapping where NAMES says so.
# `rows(fact, Account)` in drivers.interfaces.host gives them their type.


@dataclass(frozen=True)
class Account:
    """passwd(5), as the name service resolves it; `source` is "files" where /etc/passwd has it."""

    name: str
    uid: int
    gid: int
    gecos: str
    home: str
    shell: str
    source: str = ""


@dataclass(frozen=True)
class Group:
    name: str
    gid: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class PasswordRecord:
    """shadow(5) without the hash: `state` is "set", "empty", "locked" (no password is possible) or "barred"
    (a password behind "!"); days are those of the file, None where the field is empty."""

    name: str
    state: str
    scheme: str  # "yescrypt", "sha512crypt", "descrypt", ...; empty without a hash
    cost: str
    salted: bool
    changed: int | None
    min_days: int | None
    max_days: int | None
    warn_days: int | None
    inactive_days: int | None
    expires: int | None


@dataclass(frozen=True)
class File:
    """One path: octal mode with the special bits ("4755"), owner and group as names or numbers."""

    path: str
    kind: str  # "file", "directory", "link", "block", "char", "pipe", "socket"
    mode: str
    owner: str
    group: str
    size: int = 0
    target: str = ""  # of a link
    acl: bool | None = None


@dataclass(frozen=True)
class Capability:
    path: str
    capabilities: str


@dataclass(frozen=True)
class Listener:
    """A socket that waits: `address` is "*" or an address, and who holds it where the host tells."""

    transport: str  # "tcp", "udp", "sctp", "raw"
    address: str
    port: int
    device: str = ""
    process: str = ""
    pid: int = 0


@dataclass(frozen=True)
class Process:
    """A process; secrets in its arguments are masked; kernel threads have no `exe`."""

    pid: int
    parent: int
    uid: int
    euid: int
    gid: int
    name: str
    exe: str
    args: str
    capabilities: str  # CapEff, hexadecimal
    bounding: str = ""
    no_new_privs: bool | None = None
    seccomp: int | None = None
    started: int = 0  # clock ticks after boot


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    architecture: str
    state: str  # "installed", "config-files", ...
    source: str = ""
    maintainer: str = ""
    origin: str = ""  # the repository, where the host tells
    kind: str = "deb"  # deb, rpm, apk, pip, ...


@dataclass(frozen=True)
class Mount:
    path: str
    device: str
    filesystem: str
    options: tuple[str, ...]
    size: int | None = None  # octets
    free: int | None = None


@dataclass(frozen=True)
class PamRule:
    """A line of a PAM stack in the order it counts, included files in place."""

    service: str
    kind: str  # auth, account, password, session
    control: str
    module: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """A directive of a configuration file and all that follows it on the line; secrets are masked."""

    file: str
    line: int
    key: str
    value: str


@dataclass(frozen=True)
class Unit:
    """A service, socket, timer, mount, or an entry of init, inetd, or another supervisor."""

    name: str
    kind: str  # "service", "socket", "timer", ..., "init", "inetd", "xinetd"
    state: str  # "active", "inactive", "failed", ""
    enabled: str  # "enabled", "disabled", "static", "masked", ""
    user: str = ""
    command: str = ""


@dataclass(frozen=True)
class Job:
    """An entry of cron(8) or of a timer: who runs what; `file` tells where it stands."""

    file: str
    schedule: str
    user: str
    command: str


@dataclass(frozen=True)
class Interface:
    name: str
    state: str
    mac: str
    mtu: int
    addresses: tuple[str, ...]  # with prefix length
    master: str = ""
    kind: str = ""  # "vlan", "bridge", "vrf", ...


@dataclass(frozen=True)
class Route:
    family: int  # 4 or 6
    destination: str
    gateway: str
    device: str
    table: str
    kind: str = "unicast"
    source: str = ""


@dataclass(frozen=True)
class Rule:
    """A rule of policy routing (`ip rule`)."""

    family: int
    priority: int
    text: str


@dataclass(frozen=True)
class SudoRule:
    """A user specification of sudoers(5): who may run what as whom."""

    file: str
    who: str
    hosts: str
    as_whom: str
    tags: tuple[str, ...]
    commands: str


@dataclass(frozen=True)
class SnmpAccess:
    """A way into an SNMP agent: a community or user, its level, and the views it reaches; never a secret."""

    kind: str  # "community", "user"
    name: str  # of a user; a community is "(community)"
    level: str  # "v1/v2c", "noauth", "auth", "priv"
    read: str
    write: str
    source: str
    well_known: bool = False  # "public" or "private"


@dataclass(frozen=True)
class LoginSession:
    user: str
    terminal: str
    since: str
    origin: str


@dataclass(frozen=True)
class AuthorizedKey:
    """A key that lets somebody in; `fingerprint` is OpenSSH's, the key itself is not kept."""

    file: str
    user: str
    kind: str
    fingerprint: str
    options: str
    comment: str


@dataclass(frozen=True)
class Elf:
    """How a program of a process is protected (readelf)."""

    path: str
    pie: bool
    relro: str  # "full", "partial", "none"
    stack_protected: bool
    fortified: bool
    exec_stack: bool


@dataclass(frozen=True)
class Extra:
    """What a vendor's command tells in lines of `key value`."""

    values: Mapping[str, Any] = field(default_factory=dict)


NAMES: Mapping[str, type[Any]] = {
    "accounts": Account,
    "groups": Group,
    "shadow": PasswordRecord,
    "key_files": File,  # what must be protected: passwd, shadow, sudoers, keys, boot, cron, logs, and parents
    "log_files": File,
    "path_directories": File,  # of root's PATH
    "listening": Listener,
    "processes": Process,
    "packages": Package,
    "sysctl": dict,  # name to value
    "mounts": Mount,
    "fstab": Mount,
    "pam": PamRule,
    "sshd": dict,  # `sshd -T`: name to list of values
    "sudoers": SudoRule,
    "nft": dict,  # `nft -j list ruleset`
    "snmpd": SnmpAccess,
    "units": Unit,
    "jobs": Job,
    "interfaces": Interface,
    "routes": Route,
    "rules": Rule,
    "kernel": dict,  # release, machine, cmdline, modules, cpu_flags, aslr, ...
    "os": dict,  # os-release(5)
    "login_defs": dict,  # login.defs(5)
    "umask": dict,
    "logrotate": Setting,
    "rsyslog": Setting,
    "automount": Setting,  # udev rules that run programs, autofs, udisks
    "password_quality": Setting,  # pwquality.conf, faillock.conf
    "authorized_keys": AuthorizedKey,
    "sessions": LoginSession,
    "auditd": Setting,
    "resolver": Setting,
    "special_files": File,  # SUID and SGID
    "world_writable": File,  # files, and directories without the sticky bit
    "unowned": File,
    "capabilities": Capability,
}
"""Every fact, and the kind of its rows; `dict` where the value is a mapping. What takes long comes last."""
