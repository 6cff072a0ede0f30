"""The system of a host: kernel, mounts, sysctl, and the directives of configuration files."""

import re
from collections.abc import Iterator
from typing import Any

from drivers.facts.parse.sections import lines, load, number, sections, some, uncommented
from drivers.interfaces.facts import Mount, Setting
from drivers.text import MASK

_SECRET_KEYS = re.compile(r"(?i)pass|secret|token|psk|stable_secret|fastopen_key|bindpw|auth_key")
_VOLATILE = re.compile(
    r"^(kernel\.random\.(uuid|boot_id|entropy_avail)|fs\.(dentry|inode|file-n).*|kernel\.ns_last_pid)$"
)


def sysctl(text: str) -> dict[str, str]:
    """`sysctl -a`: "name = value"; a name that comes again adds a line; no secrets, no random values."""
    found: dict[str, str] = {}
    for one in lines(text):
        key, equals, value = one.partition("=")
        key = key.strip()
        if not equals or not re.fullmatch(r"[\w./@:%+-]{1,300}", key):
            continue  # some values have several lines
        if _VOLATILE.match(key):
            continue
        value = MASK if _SECRET_KEYS.search(key) else value.strip()
        found[key] = f"{found[key]}\n{value}" if key in found else value
    if not found:
        raise ValueError("no sysctl in the output")
    return found


def proc_sys(text: str) -> dict[str, str]:
    """The files of /proc/sys as grep prints them: "./net/ipv4/ip_forward:0"."""
    said = []
    for one in lines(text):
        path, colon, value = one.partition(":")
        if colon and path.startswith("./"):
            said.append(f"{path[2:].replace('.', '%').replace('/', '.').replace('%', '/')} = {value}")
    return sysctl("\n".join(said))


_OCTAL = re.compile(r"\\([0-7]{3})")


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)


def mounts(text: str) -> list[Mount]:
    """/proc/self/mounts and, in a section, `df -Pk`."""
    parts = dict(sections(text))
    room: dict[str, tuple[int, int]] = {}
    for one in lines(parts.get("df", "")):
        found = re.match(r".*?\s(\d{1,18})\s+\d+\s+(-?\d{1,18})\s+\S+\s+(/.*)$", one[:1000])
        if found is not None:
            room[found[3]] = number(found[1]) * 1024, number(found[2]) * 1024
    rows = []
    for one in lines(parts.get("", "")):
        fields = one.split()
        if len(fields) < 4:
            raise ValueError(f"not a line of mounts: {one[:80]!r}")
        device, path = _unescaped(fields[0]), _unescaped(fields[1])
        size, free = room.get(path, (None, None))
        rows.append(Mount(path, device, fields[2], tuple(_options(fields[3])), size, free))
    return some(rows, "mount")


def fstab(text: str) -> list[Mount]:
    """fstab(5)."""
    rows = []
    for _, one in uncommented(text):
        fields = one.split()
        if len(fields) < 3:
            raise ValueError(f"not a line of fstab: {one[:80]!r}")
        options = fields[3] if len(fields) > 3 else "defaults"
        rows.append(Mount(_unescaped(fields[1]), _unescaped(fields[0]), fields[2], tuple(_options(options))))
    return rows


def _options(text: str) -> Iterator[str]:
    for option in text.split(","):
        key, equals, _ = option.partition("=")
        yield f"{key}={MASK}" if equals and _SECRET_KEYS.search(key) else option


def sshd(text: str) -> dict[str, list[str]]:
    """`sshd -T`: for each directive its values, in lower case as sshd prints the names."""
    found: dict[str, list[str]] = {}
    for one in lines(text):
        key, _, value = one.strip().partition(" ")
        if not re.fullmatch(r"[a-z0-9]{2,60}", key):
            raise ValueError(f"not a line of sshd -T: {one[:80]!r}")
        found.setdefault(key, []).append(value.strip())
    if "permitrootlogin" not in found:
        raise ValueError("not the settings of sshd")
    return found


def sshd_config(text: str) -> dict[str, list[str]]:
    """sshd_config(5) without what its Match blocks say: the first value counts, and defaults are not told."""
    found: dict[str, list[str]] = {}
    several = ("hostkey", "listenaddress", "port", "acceptenv", "subsystem", "match")
    for _, body in sections(text):
        for _, one in uncommented(body):
            words = re.split(r"[\s=]+", one, maxsplit=1)
            key = words[0].lower()
            if key == "match":
                found.setdefault("match", []).append(one)
                break
            if key != "include" and (key not in found or key in several):
                found.setdefault(key, []).append(words[1] if len(words) > 1 else "")
    if not found:
        raise ValueError("no directive of sshd")
    return found


def settings(text: str) -> list[Setting]:
    """Directives of configuration files, a row a line; values of what is named a secret are masked."""
    rows = []
    for file, body in sections(text):
        for line, one in uncommented(body):
            if not file or one.startswith(";"):
                continue
            found = re.match(r"([^\s=]+)\s*=?\s*(.*)", one)
            key, value = (found[1], found[2]) if found is not None else (one, "")
            rows.append(Setting(file, line, key, MASK if value and _SECRET_KEYS.search(key) else value))
    return rows


def assignments(text: str) -> dict[str, str]:
    """Lines of KEY=value as the shell writes them: os-release(5)."""
    found = {}
    for _, one in uncommented(text):
        key, equals, value = one.partition("=")
        if equals and re.fullmatch(r"\w{1,80}", key.strip()):
            found[key.strip()] = value.strip().strip("\"'")
    if not found:
        raise ValueError("no assignment in the output")
    return found


def words(text: str) -> dict[str, str]:
    """Lines of a name and a value: login.defs(5)."""
    found = {}
    for _, one in uncommented(text):
        key, *rest = one.split(None, 1)
        found[key] = rest[0] if rest else ""
    if not found:
        raise ValueError("no setting in the output")
    return found


def umask(text: str) -> dict[str, str]:
    """The umask in force and, in a section, the lines of files that set it ("file:line")."""
    parts = dict(sections(text))
    now = parts.get("shell", "").strip()
    if not re.fullmatch("[0-7]{3,4}", now):
        raise ValueError("no umask in the output")
    found = {"shell": now}
    for one in lines(parts.get("files", "")):
        row = re.match(r"(/[^:]+:\d+):\s*(?:umask|UMASK)\s+(\S+)", one[:500])
        if row is not None:
            found[row[1]] = row[2]
    return found


def kernel(text: str) -> dict[str, Any]:
    """Release, machine, command line, modules, processor flags, ASLR and where core dumps go."""
    parts = dict(sections(text))
    if not parts.get("release"):
        raise ValueError("no release of a kernel in the output")
    return {
        "release": parts["release"],
        "machine": parts.get("machine", ""),
        "version": parts.get("version", ""),
        "cmdline": parts.get("cmdline", "").split(),
        "modules": sorted(parts.get("modules", "").split()),
        "flags": parts.get("flags", "").partition(":")[2].split(),
        "aslr": parts.get("aslr", ""),
        "core_pattern": parts.get("core_pattern", ""),
    }


def mapping(text: str) -> dict[str, Any]:
    """A JSON object."""
    return load(text, dict)
