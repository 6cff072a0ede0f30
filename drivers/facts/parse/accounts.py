"""Who may use a host: accounts, groups, password records, PAM, sudo, authorised keys, sessions."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from drivers.facts.parse.sections import lines, load, number, optional, sections, some, uncommented
from drivers.interfaces.facts import (
    Account,
    AuthorizedKey,
    Group,
    LoginSession,
    PamRule,
    PasswordRecord,
    SudoRule,
)

SCHEMES = {
    "1": "md5crypt",
    "2": "bcrypt",
    "2a": "bcrypt",
    "2b": "bcrypt",
    "2x": "bcrypt",
    "2y": "bcrypt",
    "3": "nthash",
    "5": "sha256crypt",
    "6": "sha512crypt",
    "7": "scrypt",
    "gy": "gost-yescrypt",
    "md5": "sunmd5",
    "sha1": "sha1crypt",
    "y": "yescrypt",
}
"""The prefixes of crypt(5)."""

MAX_DEPTH = 8


def passwd(text: str) -> list[Account]:
    """passwd(5); after a section `files` come the lines of /etc/passwd itself."""
    parts = dict(sections(text))
    resolved, files = parts.get("", ""), parts.get("files", "")
    local = {one.strip() for one in files.split("\n")}
    rows = [
        _account(one, "files" if one.strip() in local else "" if not files else "other")
        for one in lines(resolved)
    ]
    have = {one.strip() for one in resolved.split("\n")}
    rows += [_account(one, "files") for one in lines(files) if one.strip() not in have]
    return some([row for row in rows if row is not None], "account")


def _account(text: str, source: str) -> Account | None:
    if text.startswith(("#", "+", "-")):
        return None
    fields = text.split(":")
    if len(fields) != 7:
        raise ValueError(f"not a line of passwd: {text[:80]!r}")
    name, _, uid, gid, gecos, home, shell = fields
    return Account(name, number(uid), number(gid), gecos, home, shell.strip(), source)


def group(text: str) -> list[Group]:
    """group(5)."""
    rows = []
    for one in lines(text):
        fields = one.split(":")
        if one.startswith(("#", "+", "-")):
            continue
        if len(fields) != 4:
            raise ValueError(f"not a line of group: {one[:80]!r}")
        rows.append(Group(fields[0], number(fields[2]), tuple(filter(None, fields[3].strip().split(",")))))
    return some(rows, "group")


def shadow(text: str) -> list[PasswordRecord]:
    """shadow(5) in which the host has put "(hash)" for each digest; one that came is classified too."""
    rows = []
    for one in lines(text):
        fields = one.split(":")
        if len(fields) != 9:
            raise ValueError("not a line of shadow")  # it may hold a hash: it is not quoted
        state, scheme, cost, salted = classify(fields[1])
        days = [optional(field) for field in fields[2:8]]
        rows.append(PasswordRecord(fields[0], state, scheme, cost, salted, *days))
    return some(rows, "password record")


def classify(record: str) -> tuple[str, str, str, bool]:
    """State, scheme, cost and whether there is a salt, of the second field of shadow(5)."""
    bare = record.lstrip("!*")
    if not record:
        return "empty", "", "", False
    if not bare or bare in ("LK*", "NP", "NP*", "x"):
        return "locked", "", "", False
    state = "set" if bare == record else "barred"
    if not bare.startswith("$"):
        old = bare == "(des)" or (len(bare) == 13 and re.fullmatch(r"[./0-9A-Za-z]+", bare) is not None)
        scheme = "descrypt" if old else "bsdicrypt" if bare == "(bsdi)" or bare.startswith("_") else "unknown"
        return state, scheme, "", scheme != "unknown"
    parts = bare.split("$")[1:]
    scheme = SCHEMES.get(parts[0], "unknown")
    if bare.endswith("(unknown)"):
        scheme = "unknown"
    cost = ""
    if len(parts) > 2 and (
        parts[1].startswith("rounds=") or parts[0] in ("y", "gy", "7") or parts[0][:1] == "2"
    ):
        cost = parts[1][:40]
    salted = "(nosalt)" not in bare and not (len(parts) > 2 and not parts[1])
    return state, scheme, cost, salted


def pam(text: str) -> list[PamRule]:
    """The stacks of /etc/pam.d, included files in the place where they count (pam.d(5))."""
    files = {name: body for name, body in sections(text) if name}
    rows: list[PamRule] = []
    for service in files:
        rows += _stack(service, "", service, files, 0)
        if len(rows) > 20_000:
            raise ValueError("PAM stacks without end")
    return some(rows, "PAM rule")


def _stack(service: str, only: str, name: str, files: Mapping[str, str], depth: int) -> Iterator[PamRule]:
    if depth > MAX_DEPTH:
        raise ValueError(f"{name} includes itself")
    for _, one in uncommented(files.get(name, "")):
        words = one.split()
        if words[0] == "@include" and len(words) > 1:
            yield from _stack(service, only, words[1].rsplit("/", 1)[-1], files, depth + 1)
            continue
        found = re.match(r"-?(\w+)\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)", one)
        if found is None or (only and found[1] != only):
            continue
        kind, control, module, rest = found.groups()
        if control in ("include", "substack"):
            yield from _stack(service, kind, module.rsplit("/", 1)[-1], files, depth + 1)
        else:
            yield PamRule(service, kind, control, module, tuple(rest.split("#")[0].split()))


_TAG_OF: Mapping[tuple[str, Any], str] = {
    ("authenticate", False): "NOPASSWD",
    ("authenticate", True): "PASSWD",
    ("noexec", True): "NOEXEC",
    ("noexec", False): "EXEC",
    ("setenv", True): "SETENV",
    ("setenv", False): "NOSETENV",
}


def cvtsudoers(text: str) -> list[SudoRule]:
    """`cvtsudoers -e -f json`: user specifications with aliases expanded."""
    rows = []
    specifications = load(text, dict).get("User_Specs", [])
    if not isinstance(specifications, list):
        raise ValueError("no list of user specifications")
    for spec in specifications:
        if not isinstance(spec, dict):
            continue
        who, hosts = _names(spec.get("User_List")), _names(spec.get("Host_List"))
        for command in _dicts(spec.get("Cmnd_Specs")):
            tags = []
            for option in _dicts(command.get("Options")):
                tags += [_TAG_OF.get((key, value), f"{key}={value}") for key, value in option.items()]
            users, groups = _names(command.get("runasusers")), _names(command.get("runasgroups"))
            as_whom = ":".join(filter(None, (users, groups.replace("%", ""))))
            commands = _names(command.get("Commands"))
            rows.append(SudoRule("/etc/sudoers", who, hosts, as_whom, tuple(tags), commands))
    return rows


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _names(value: Any) -> str:
    """Objects such as {"username": "root"} or {"usergroup": "sudo"} as sudoers(5) writes them."""
    signs = {"usergroup": "%", "netgroup": "+", "userid": "#", "usergid": "%#", "nonunixgroup": "%:"}
    words = []
    for one in _dicts(value):
        for key, name in one.items():
            if key != "negated":
                words.append(("!" if one.get("negated") else "") + signs.get(key, "") + str(name))
    return ", ".join(words)


_SPEC = re.compile(r"(?P<who>[^=]+?)\s+(?P<hosts>\S+)\s*=\s*(?:\((?P<runas>[^)]*)\))?\s*(?P<rest>.+)")
_TAGS = re.compile(r"^\s*((?:NO)?(?:PASSWD|EXEC|SETENV|LOG_INPUT|LOG_OUTPUT|MAIL|FOLLOW|INTERCEPT)):\s*")


def sudoers(text: str) -> list[SudoRule]:
    """User specifications of sudoers(5) as they stand; aliases and Defaults are rows of their own."""
    rows = []
    for file, body in sections(text):
        for _, one in uncommented(body):
            kind = re.match(r"(Defaults\S*|\w+_Alias)\s+(.*)", one)
            if kind is not None:
                rows.append(SudoRule(file, kind[1], "", "", (), kind[2]))
                continue
            found = _SPEC.match(one[:2000])
            if found is None or one.startswith("@"):
                continue
            rest, tags = found["rest"], []
            while tag := _TAGS.match(rest):
                tags.append(tag[1])
                rest = rest[tag.end() :]
            rows.append(SudoRule(file, found["who"], found["hosts"], found["runas"] or "", tuple(tags), rest))
    return some(rows, "line of sudoers")


def doas(text: str) -> list[SudoRule]:
    """doas.conf(5)."""
    rows = []
    for file, body in sections(text):
        for _, one in uncommented(body):
            words = one.split()
            if words[0] not in ("permit", "deny"):
                continue
            options = [word for word in words[1:] if word in ("nopass", "persist", "keepenv", "nolog")]
            rest = [word for word in words[1:] if word not in options]
            who = rest[0] if rest else ""
            as_whom = rest[rest.index("as") + 1] if "as" in rest[:-1] else "root"
            command = " ".join(rest[rest.index("cmd") + 1 :]) if "cmd" in rest else "ALL"
            tags = tuple("NOPASSWD" if word == "nopass" else word for word in options)
            rows.append(
                SudoRule(file, who, "ALL", as_whom, tags, command if words[0] == "permit" else f"!{command}")
            )
    return rows


_KEY = re.compile(
    r"(?:^|\s)((?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w@.-]{1,60})\s+(AAAA[0-9A-Za-z+/=]{20,16000})(?:\s+(.*))?$"
)


def authorized_keys(text: str) -> list[AuthorizedKey]:
    """authorized_keys(5) of each user; trust by host name (.rhosts, .shosts) has no fingerprint."""
    rows = []
    for head, body in sections(text):
        user, _, file = head.partition(" ")
        for _, one in uncommented(body):
            found = _KEY.search(one)
            if found is None:
                rows.append(
                    AuthorizedKey(file, user, "host" if "hosts" in file else "unknown", "", one[:200], "")
                )
                continue
            digest = ""
            with suppress(ValueError):
                blob = base64.b64decode(found[2], validate=True)
                digest = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
            options = one[: found.start()].strip()
            rows.append(AuthorizedKey(file, user, found[1], digest, options, (found[3] or "")[:200]))
    return rows


def who(text: str) -> list[LoginSession]:
    """who(1)."""
    rows = []
    for one in lines(text):
        found = re.match(r"(\S+)\s+(\S+)\s+(.*?)\s*(?:\(([^)]*)\)|(\S+))?$", one[:500])
        if found is None:
            raise ValueError(f"not a line of who: {one[:80]!r}")
        if found[1] != "USER":
            rows.append(LoginSession(found[1], found[2], found[3], found[4] or found[5] or ""))
    return rows
