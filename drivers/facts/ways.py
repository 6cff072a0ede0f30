"""Ways to get each fact of a host, the best first: coreutils and iproute2, then busybox, then /proc."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from drivers.facts import parse

SCRIPTS = files("drivers.facts") / "scripts"


@dataclass(frozen=True)
class Way:
    """A command that only reads, and how its output becomes the value of a fact.

    Several facts may share a command: it runs once. In it `m NAME` begins a section of the output, and
    standard error that tells of a denied permission means that the fact was not had.
    """

    how: str
    command: str
    parse: Callable[[str], Any]
    statuses: tuple[int, ...] = (0,)


def script(*names: str) -> str:
    """Our shell scripts, one after the other."""
    return "".join((SCRIPTS / f"{name}.sh").read_text() for name in names)


_SETTINGS: Mapping[str, str] = {
    "logrotate": "/etc/logrotate.conf /etc/logrotate.d/*",
    "rsyslog": "/etc/rsyslog.conf /etc/rsyslog.d/*.conf /etc/syslog.conf /etc/syslog-ng/syslog-ng.conf"
    " /etc/systemd/journald.conf /etc/systemd/journald.conf.d/*.conf",
    "automount": "/etc/udev/rules.d/*.rules /run/udev/rules.d/*.rules /etc/auto.* /etc/auto.master.d/*"
    " /etc/udisks2/*.conf /etc/usbmount/usbmount.conf /etc/fuse.conf",
    "password_quality": "/etc/security/pwquality.conf /etc/security/pwquality.conf.d/*.conf"
    " /etc/security/faillock.conf /etc/security/pwhistory.conf /etc/security/limits.conf",
    "auditd": "/etc/audit/auditd.conf /etc/audit/audit.rules /etc/audit/rules.d/*.rules",
    "resolver": "/etc/resolv.conf /etc/nsswitch.conf /etc/hosts.allow /etc/hosts.deny /etc/hosts.equiv",
}


def _settings(name: str) -> tuple[Way, ...]:
    return (Way("the files", f"{script('files')}f {_SETTINGS[name]}", parse.settings),)


WAYS: Mapping[str, tuple[Way, ...]] = {
    "accounts": (
        Way(
            "getent",
            script("passwd") + 'g=$(getent passwd) && echo "$g" | p && m files && p </etc/passwd',
            parse.passwd,
        ),
        Way("/etc/passwd", script("passwd") + "m files; p </etc/passwd", parse.passwd),
    ),
    "groups": (
        Way("getent", "getent group", parse.group),
        Way("/etc/group", "cat /etc/group", parse.group),
    ),
    "shadow": (Way("/etc/shadow", script("shadow"), parse.shadow),),
    "special_files": (
        Way("find", script("find"), parse.found("special"), (0, 1)),
        Way("busybox find", script("find_busybox"), parse.found_by_stat("special"), (0, 1)),
    ),
    "world_writable": (
        Way("find", script("find"), parse.found("writable"), (0, 1)),
        Way("busybox find", script("find_busybox"), parse.found_by_stat("writable"), (0, 1)),
    ),
    "unowned": (
        Way("find", script("find"), parse.found("unowned"), (0, 1)),
        Way("busybox find", script("find_busybox"), parse.found_by_stat("unowned"), (0, 1)),
    ),
    "capabilities": (Way("getcap", script("getcap"), parse.getcap),),
    "key_files": (Way("stat", script("stat", "key_files"), parse.stat),),
    "log_files": (Way("stat", script("stat", "log_files"), parse.stat),),
    "path_directories": (Way("stat", script("stat", "path_directories"), parse.stat),),
    "listening": (
        Way("ss", "ss -H -lntupSw", parse.ss),
        Way("netstat", "netstat -lntupw", parse.netstat),
        Way(
            "/proc/net",
            "for f in tcp tcp6 udp udp6 raw raw6 sctp/eps; do"
            " [ -r /proc/net/$f ] && m $f && cat /proc/net/$f; done; :",
            parse.proc_net,
        ),
    ),
    "processes": (Way("/proc", script("processes"), parse.processes),),
    "packages": (
        Way(
            "dpkg-query",
            r"dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t"
            r"${source:Package}\t${Maintainer}\t${Origin}\n'",
            parse.dpkg,
        ),
        Way(
            "rpm",
            r"rpm -qa --qf 'ii\t%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t"
            r"%{VENDOR}\t\n'",
            parse.rpm,
        ),
        Way("apk", "apk list -I", parse.apk),
        Way("opkg", "opkg list-installed", parse.opkg),
    ),
    "sysctl": (
        Way("sysctl", "sysctl -a 2>/dev/null", parse.sysctl, (0, 1, 255)),
        Way(
            "/proc/sys", "cd /proc/sys && find . -type f -exec grep -H '' {} + 2>/dev/null; :", parse.proc_sys
        ),
    ),
    "mounts": (
        Way("/proc/self/mounts", "cat /proc/self/mounts && m df && df -Pk 2>/dev/null; :", parse.mounts),
    ),
    "fstab": (Way("/etc/fstab", "cat /etc/fstab", parse.fstab),),
    "pam": (Way("/etc/pam.d", 'cd /etc/pam.d && for p in *; do m "$p"; cat "$p"; done', parse.pam),),
    "sshd": (
        Way("sshd -T", '"$(command -v sshd)" -T', parse.sshd),
        Way(
            "sshd_config",
            script("files")
            + "[ -f /etc/ssh/sshd_config ] && f /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config",
            parse.sshd_config,
        ),
    ),
    "sudoers": (
        Way("cvtsudoers", "cvtsudoers -e -f json /etc/sudoers", parse.cvtsudoers),
        Way(
            "sudoers",
            script("files") + "[ -f /etc/sudoers ] && f /etc/sudoers /etc/sudoers.d/*",
            parse.sudoers,
        ),
        Way("doas.conf", script("files") + "[ -f /etc/doas.conf ] && f /etc/doas.conf", parse.doas),
    ),
    "nft": (
        Way("nft", "nft -j list ruleset", parse.mapping),
        Way("iptables-save", "iptables-save && m ip6 && ip6tables-save", parse.iptables),
    ),
    "snmpd": (Way("snmpd.conf", script("snmpd"), parse.snmpd),),
    "units": (
        Way(
            "systemctl",
            "systemctl list-units --all --plain --no-legend --no-pager"
            " --type=service,socket,timer,mount,automount,path && m files"
            " && systemctl list-unit-files --plain --no-legend --no-pager",
            parse.systemctl,
        ),
        Way(
            "init",
            script("files", "init"),
            parse.init,
        ),
    ),
    "jobs": (
        Way(
            "cron",
            script("files", "cron"),
            parse.cron,
        ),
    ),
    "interfaces": (
        Way("ip -j", "ip -j -d addr show", parse.ip_addr_json),
        Way("ip", "ip addr show", parse.ip_addr),
    ),
    "routes": (
        Way(
            "ip -j",
            "ip -j -4 route show table all && m 6 && ip -j -6 route show table all",
            parse.ip_route_json,
        ),
        Way("ip", "ip -4 route show table all && m 6 && ip -6 route show table all", parse.ip_route),
    ),
    "rules": (Way("ip", "ip -4 rule show && m 6 && ip -6 rule show", parse.ip_rule),),
    "kernel": (
        Way(
            "/proc",
            script("kernel"),
            parse.kernel,
        ),
    ),
    "os": (Way("os-release", "cat /etc/os-release || cat /usr/lib/os-release", parse.assignments),),
    "login_defs": (Way("login.defs", "cat /etc/login.defs", parse.words),),
    "umask": (
        Way(
            "umask",
            script("umask"),
            parse.umask,
        ),
    ),
    "authorized_keys": (
        Way(
            "the files",
            script("authorized_keys"),
            parse.authorized_keys,
        ),
    ),
    "sessions": (
        Way("who", "who", parse.who),
        Way("busybox who", "busybox who", parse.who),
    ),
    **{name: _settings(name) for name in _SETTINGS},
}
