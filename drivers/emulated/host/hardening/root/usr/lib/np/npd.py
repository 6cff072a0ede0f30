#!/usr/bin/python3
"""The management daemon: who asks may do what the role allows; every change is recorded with who made it."""

import configparser
import contextlib
import crypt
import grp
import hashlib
import json
import logging
import logging.handlers
import os
import pwd
import re
import secrets
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, "/usr/lib/np")
import pam

ETC, SOCKET = Path("/etc/np"), "/run/np/np.sock"
ROLES = ("admin", "operator", "viewer")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
log = logging.getLogger("np")


class Refused(Exception):
    """The answer is no; the text is for whoever asked."""


class Caller:
    """Who asks: an account of the operating system with its role, and where from."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source = name, source

    @property
    def role(self) -> str:
        groups = {group.gr_name for group in grp.getgrall() if self.name in group.gr_mem}
        return next((role for role in ROLES if f"np-{role}" in groups), "root" if self.name == "root" else "")


class Session:
    """A login over the web: who, from where, until when."""

    def __init__(self, caller: Caller, must_change: bool) -> None:
        self.caller, self.must_change = caller, must_change
        self.began = self.used = time.monotonic()


SESSIONS: dict[str, Session] = {}
LOCK = threading.Lock()


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ETC / "np.conf")
    return parser


def allowed(role: str, operation: str) -> bool:
    """Whether /etc/np/roles.conf lets a role do this; root may do all."""
    parser = configparser.ConfigParser()
    parser.read(ETC / "roles.conf")
    return role == "root" or operation in parser.get("roles", role, fallback="").split()


def run(*words: str, told: str = "") -> str:
    done = subprocess.run(words, input=told, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Refused(
            (done.stderr or done.stdout).strip()[:300] or f"{words[0]} ended with {done.returncode}"
        )
    return done.stdout


def edit(path: str, key: str, value: str, *, between: str = " = ") -> str:
    """Set a key of a plain configuration file; the value it had."""
    file = Path(path)
    lines, had = file.read_text().splitlines(), ""
    for place, line in enumerate(lines):
        words = re.split(r"[\s=]+", line.strip(), maxsplit=1)
        if words[0] == key:
            had, lines[place] = words[1] if len(words) > 1 else "", f"{key}{between}{value}"
            break
    else:
        lines.append(f"{key}{between}{value}")
    new = file.with_name(file.name + ".new")
    new.write_text("\n".join(lines) + "\n")
    stat = file.stat()
    os.chmod(new, stat.st_mode & 0o7777)
    os.chown(new, stat.st_uid, stat.st_gid)
    new.replace(file)
    return had


def number(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise Refused(f"not a number from {least} to {most}: {text}")
    return int(text)


def name_of(args: dict[str, str]) -> str:
    name = args.get("name", "")
    if not NAME.fullmatch(name):
        raise Refused("a name has small letters, digits, - and _")
    return name


def known(args: dict[str, str]) -> str:
    name = name_of(args)
    try:
        account = pwd.getpwnam(name)
    except KeyError as error:
        raise Refused(f"no account {name}") from error
    if account.pw_uid < 1000:
        raise Refused(f"{name} is an account of the system")
    return name


def changed(who: Caller, what: str) -> str:
    log.warning("change by user=%s role=%s source=%s: %s", who.name, who.role, who.source, what)
    return what


# --- accounts -------------------------------------------------------------------------------------


def account_list(who: Caller, args: dict[str, str]) -> str:
    return "".join(
        f"{user.pw_name} {user.pw_uid} {Caller(user.pw_name, '').role or '-'}\n"
        for user in pwd.getpwall()
        if 1000 <= user.pw_uid < 60000
    )


def account_create(who: Caller, args: dict[str, str]) -> str:
    name, role = name_of(args), args.get("role", "viewer")
    if role not in ROLES:
        raise Refused(f"no role {role}")
    run("useradd", "--create-home", "--shell", "/bin/bash", "--groups", f"np-users,np-{role}", name)
    os.chmod(f"/home/{name}", 0o700)
    if args.get("password"):
        _set_password(name, args["password"])
    return changed(who, f"account {name} created with role {role}")


def account_delete(who: Caller, args: dict[str, str]) -> str:
    name = known(args)
    subprocess.run(["pkill", "-KILL", "-u", name], check=False)
    run("userdel", "--remove", name)
    Path("/run/faillock", name).unlink(missing_ok=True)
    return changed(who, f"account {name} deleted")


def account_lock(who: Caller, args: dict[str, str]) -> str:
    name = known(args)
    run("usermod", "--lock", "--expiredate", "1", name)
    return changed(who, f"account {name} disabled")


def account_unlock(who: Caller, args: dict[str, str]) -> str:
    name = known(args)
    run("usermod", "--unlock", "--expiredate", "", name)
    return changed(who, f"account {name} enabled")


def account_role(who: Caller, args: dict[str, str]) -> str:
    name, role = known(args), args.get("role", "")
    if role not in ROLES:
        raise Refused(f"no role {role}")
    for other in ROLES:
        if other != role:
            subprocess.run(["gpasswd", "--delete", name, f"np-{other}"], capture_output=True, check=False)
    run("gpasswd", "--add", name, f"np-{role}")
    return changed(who, f"account {name} has role {role}")


def account_group(who: Caller, args: dict[str, str]) -> str:
    name, group = known(args), args.get("group", "")
    if group not in {"adm", "np-users", "games", "audio"}:
        raise Refused(f"group {group} is not for persons")
    run("gpasswd", "--delete" if args.get("remove") else "--add", name, group)
    return changed(
        who, f"account {name} {'removed from' if args.get('remove') else 'added to'} group {group}"
    )


def account_release(who: Caller, args: dict[str, str]) -> str:
    name = known(args)
    run("faillock", "--user", name, "--reset")
    return changed(who, f"account {name} released from blocking")


def password_set(who: Caller, args: dict[str, str]) -> str:
    name = known(args)
    _set_password(name, args.get("password", ""))
    if args.get("expired"):
        run("chage", "--lastday", "0", name)
    return changed(who, f"password of {name} set")


def password_change(who: Caller, args: dict[str, str]) -> str:
    """The own password: the present one has to be right, the new one satisfies the same rules as anywhere."""
    ok, why = pam.authenticate("np", who.name, args.get("old", ""), who.source, expired=True)
    if not ok:
        raise Refused("the present password is wrong")
    if why := pam.change("np", who.name, args.get("old", ""), args.get("password", "")):
        raise Refused(why)
    return changed(who, f"password of {who.name} changed")


def password_expire(who: Caller, args: dict[str, str]) -> str:
    name = known(args)
    run("chage", "--maxdays", str(number(args.get("max", "90"), 1, 99999)), name)
    ago = number(args.get("age", "0"), 0, 99999)
    run("chage", "--lastday", str(int(time.time()) // 86400 - ago), name)
    return changed(who, f"password of {name} counted as {ago} days old")


def _set_password(name: str, password: str) -> None:
    if "\n" in password or not password:
        raise Refused("no password given")
    run("chpasswd", "--crypt-method", "YESCRYPT", told=f"{name}:{password}\n")


def machine_set(who: Caller, args: dict[str, str]) -> str:
    """The password of a machine account, kept as a salted hash."""
    name, file = name_of(args), ETC / "machines"
    kept = [line for line in file.read_text().splitlines() if not line.startswith(f"{name}:")]
    if args.get("password"):
        kept.append(f"{name}:{crypt.crypt(args['password'], crypt.mksalt(crypt.METHOD_SHA512))}")
    file.write_text("".join(f"{line}\n" for line in kept))
    return changed(who, f"machine account {name} {'set' if args.get('password') else 'deleted'}")


# --- policies -------------------------------------------------------------------------------------


def login_policy(who: Caller, args: dict[str, str]) -> str:
    path, said = "/etc/security/faillock.conf", []
    if "failures" in args:
        had = edit(path, "deny", str(number(args["failures"], 1, 8)))
        said.append(f"login max failures from {had} to {args['failures']}")
    if "delay" in args:
        value = "never" if args["delay"] == "never" else str(number(args["delay"], 5, 604800))
        had = edit(path, "unlock_time", value)
        if value != "never":  # administrators are never locked for good
            edit(path, "root_unlock_time", value)
        said.append(f"login block delay from {had} to {value}")
    return changed(who, ", ".join(said))


def password_policy(who: Caller, args: dict[str, str]) -> str:
    said = []
    if "length" in args:
        had = edit("/etc/security/pwquality.conf", "minlen", str(number(args["length"], 8, 64)))
        said.append(f"password length from {had} to {args['length']}")
    if "classes" in args:
        had = edit("/etc/security/pwquality.conf", "minclass", str(number(args["classes"], 3, 4)))
        said.append(f"password classes from {had} to {args['classes']}")
    if "history" in args:
        kept = number(args["history"], 3, 24)
        for file in (Path("/etc/pam.d/common-password"), Path("/etc/pam.d/np")):
            file.write_text(re.sub(r"remember=\d+", f"remember={kept}", file.read_text()))
        said.append(f"password history to {args['history']}")
    return changed(who, ", ".join(said))


def idle_timeout(who: Caller, args: dict[str, str]) -> str:
    """How long a session may be silent, on every kind of interface."""
    seconds = number(args.get("seconds", ""), 5, 3600)
    had = edit("/etc/np/np.conf", "idle_s", str(seconds))
    edit("/etc/ssh/sshd_config", "ChannelTimeout", f"session:*={seconds}s", between=" ")
    edit("/etc/profile.d/np.sh", "TMOUT", str(seconds), between="=")
    with contextlib.suppress(Refused):
        run("pkill", "-HUP", "-o", "-x", "sshd")
    time.sleep(1)  # until the SSH server has started anew, so that whoever asks next finds it
    return changed(who, f"idle time-out from {had} to {seconds} s")


def log_forwarding(who: Caller, args: dict[str, str]) -> str:
    """Send all records to a collector over TLS, kept on disk while it is away; `target=none` ends it."""
    file = Path("/etc/rsyslog.d/forward.conf")
    if args.get("target") == "none":
        file.unlink(missing_ok=True)
    else:
        host, _, port = args.get("target", "").rpartition(":")
        host = host.strip("[]")
        if not re.fullmatch(r"[0-9a-f.:]+", host) or not re.fullmatch(r"[a-z0-9.-]+", args.get("peer", "")):
            raise Refused("target=ADDRESS:PORT peer=NAME OF THE CERTIFICATE")
        text = (ETC / "forward.template").read_text()
        for word, value in (("HOST", host), ("PORT", str(number(port, 1, 65535))), ("PEER", args["peer"])):
            text = text.replace(f"@{word}@", value)
        file.write_text(text)
        file.chmod(0o640)
    run("pkill", "-TERM", "-x", "rsyslogd")  # its supervisor starts it again
    return changed(who, f"log forwarding to {args.get('target')}")


# --- configuration --------------------------------------------------------------------------------


def config_show(who: Caller, args: dict[str, str]) -> str:
    kept = json.loads((ETC / "config.json").read_text())
    return "".join(f"{key} = {shown(key, value)}\n" for key, value in sorted(kept.items()))


def shown(key: str, value: str) -> str:
    """A value as it may be seen: secrets are never."""
    return "********" if key.endswith(("secret", "token", "key")) else value


def config_set(who: Caller, args: dict[str, str]) -> str:
    file = ETC / "config.json"
    kept = json.loads(file.read_text())
    said = []
    if "api-token" in args:
        (ETC / "api.token").write_text(args["api-token"] + "\n")
    for key, value in args.items():
        if key not in kept:
            raise Refused(f"no parameter {key}")
        said.append(f"{key} from {shown(key, kept[key])!r} to {shown(key, value)!r}")
        kept[key] = value
    new = file.with_name("config.new")
    new.write_text(json.dumps(kept, indent=1))
    new.chmod(0o600)
    new.replace(file)
    return changed(who, "; ".join(said))


def subscriber_show(who: Caller, args: dict[str, str]) -> str:
    """Personal data, in clear for whoever may see it; the record names the subscriber by a pseudonym."""
    kept = json.loads((ETC / "subscribers.json").read_text())
    ref = args.get("ref", "")
    if ref not in kept:
        raise Refused("no such subscriber")
    log.warning("personal data read by user=%s source=%s: subscriber ref=%s", who.name, who.source, ref)
    return "".join(f"{key} = {value}\n" for key, value in kept[ref].items())


def status(who: Caller, args: dict[str, str]) -> str:
    uptime = Path("/proc/uptime").read_text().split()[0]
    return f"np in service\nuptime {uptime}\nuser {who.name} role {who.role}\n"


def logs(who: Caller, args: dict[str, str]) -> str:
    path = {"auth": "/var/log/auth.log", "syslog": "/var/log/syslog"}.get(args.get("name", "auth"))
    if path is None:
        raise Refused("no such log")
    return run("tail", "-n", str(number(args.get("lines", "200"), 1, 5000)), path)


def log_upload(who: Caller, args: dict[str, str]) -> str:
    """Send the security log to a server that is known by its key, over SFTP."""
    host, _, port = args.get("target", "").rpartition(":")
    host = host.strip("[]")
    if not re.fullmatch(r"[0-9a-f.:]+", host) or not re.fullmatch(
        r"ssh-ed25519 [A-Za-z0-9+/=]+", args.get("hostkey", "")
    ):
        raise Refused("target=ADDRESS:PORT user=NAME hostkey=SSH-ED25519 KEY")
    name = name_of({"name": args.get("user", "upload")})
    frozen, known = Path("/run/np/upload.log"), Path("/run/np/known_hosts")
    frozen.write_bytes(Path("/var/log/auth.log").read_bytes())
    frozen.chmod(0o600)
    known.write_text(f"[{host}]:{number(port, 1, 65535)} {args['hostkey']}\n")
    options = [
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={known}",
        "BatchMode=yes",
        "ConnectTimeout=5",
    ]
    words = ["sftp", "-q", "-b", "-", "-i", "/etc/np/upload_key", "-P", port]
    run(
        *words,
        *(word for option in options for word in ("-o", option)),
        f"{name}@[{host}]",
        told=f"put {frozen} auth.log\n",
    )
    digest = hashlib.sha256(frozen.read_bytes()).hexdigest()
    frozen.unlink()
    return changed(who, f"log uploaded to {args['target']} sha256 {digest}")


def log_rotate(who: Caller, args: dict[str, str]) -> str:
    run("logrotate", "--force", "/etc/logrotate.conf")
    return changed(who, "logs rotated")


# --- network --------------------------------------------------------------------------------------


def filter_add(who: Caller, args: dict[str, str]) -> str:
    rule = args.get("rule", "")
    if not re.fullmatch(r"[A-Za-z0-9 .:,/{}&|!=<>()\"_-]+", rule):
        raise Refused("not a rule")
    if counter := re.search(r'counter name "?([a-z0-9_]+)"?', rule):
        run("nft", "add", "counter", "inet", "np", counter[1])
    said = run("nft", "--echo", "--handle", "add rule inet np user " + rule)
    handle = re.search(r"# handle (\d+)", said)
    _keep_filter()
    changed(who, f"filter rule added: {rule}")
    return f"handle {handle[1] if handle else '?'}\n"


def filter_delete(who: Caller, args: dict[str, str]) -> str:
    if args.get("handle") == "all":
        run("nft", "flush", "chain", "inet", "np", "user")
    else:
        run(
            "nft",
            "delete",
            "rule",
            "inet",
            "np",
            "user",
            "handle",
            str(number(args.get("handle", ""), 1, 10**9)),
        )
    _keep_filter()
    return changed(who, f"filter rule {args.get('handle')} deleted")


def filter_show(who: Caller, args: dict[str, str]) -> str:
    return run("nft", "--handle", "list", "chain", "inet", "np", "user")


def filter_count(who: Caller, args: dict[str, str]) -> str:
    name = args.get("name", "")
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise Refused("no such counter")
    return run("nft", "reset" if args.get("reset") else "list", "counter", "inet", "np", name)


def _keep_filter() -> None:
    """What is in force now is in force after a restart."""
    listed = run("nft", "list", "chain", "inet", "np", "user")
    names = sorted(set(re.findall(r'counter name "([a-z0-9_]+)"', listed)))
    text = "".join(f"add counter inet np {name}\n" for name in names) + listed
    Path("/etc/nftables.d/user.nft").write_text(text)


def route(who: Caller, args: dict[str, str]) -> str:
    net, gateway = args.get("net", ""), args.get("via", "")
    if not re.fullmatch(r"[0-9a-f.:/]+", net) or not re.fullmatch(r"[0-9a-f.:]+", gateway):
        raise Refused("net=PREFIX via=ADDRESS")
    run("ip", "route", "delete" if args.get("remove") else "add", net, "via", gateway)
    return changed(who, f"route {net} via {gateway} {'removed' if args.get('remove') else 'added'}")


def interface(who: Caller, args: dict[str, str]) -> str:
    name, state = args.get("name", ""), args.get("state", "")
    if state not in {"up", "down"} or name not in {"tst0", "usr0"}:
        raise Refused("name=tst0|usr0 state=up|down")
    run("ip", "link", "set", name, state)
    if state == "up":
        run("/usr/lib/np/interfaces")
    return changed(who, f"interface {name} set {state}")


# --- the product itself ---------------------------------------------------------------------------


def package_install(who: Caller, args: dict[str, str]) -> str:
    """Install a signed package from the upload folder, after the check of its signature."""
    said = run("/usr/lib/np/install", args.get("file", ""), who.name)
    return changed(who, said.strip())


def restart(who: Caller, args: dict[str, str]) -> str:
    changed(who, "system reboot requested" if args.get("how") != "poweroff" else "system shutdown requested")
    level = "0" if args.get("how") == "poweroff" else "6"
    subprocess.Popen(["/bin/sh", "-c", f"sleep 0.3; exec /sbin/init {level}"], start_new_session=True)
    return "going down\n"


OPERATIONS: dict[str, Callable[[Caller, dict[str, str]], str]] = {
    "account-list": account_list,
    "account-create": account_create,
    "account-delete": account_delete,
    "account-lock": account_lock,
    "account-unlock": account_unlock,
    "account-role": account_role,
    "account-group": account_group,
    "account-release": account_release,
    "password-set": password_set,
    "password-change": password_change,
    "password-expire": password_expire,
    "login-policy": login_policy,
    "password-policy": password_policy,
    "idle-timeout": idle_timeout,
    "log-forwarding": log_forwarding,
    "config-show": config_show,
    "config-export": config_show,
    "config-set": config_set,
    "subscriber-show": subscriber_show,
    "status": status,
    "logs": logs,
    "log-rotate": log_rotate,
    "log-upload": log_upload,
    "machine-set": machine_set,
    "filter-add": filter_add,
    "filter-delete": filter_delete,
    "filter-show": filter_show,
    "filter-count": filter_count,
    "route": route,
    "interface": interface,
    "package-install": package_install,
    "reboot": restart,
}
SPECIAL = {"password-change", "status"}  # whoever is logged in


def ask(who: Caller, operation: str, args: dict[str, str]) -> str:
    """Do what is asked, if the role allows it; the refusal is recorded too."""
    if operation not in OPERATIONS:
        raise Refused(f"no operation {operation}")
    if not allowed(who.role, operation) and not (who.role and operation in SPECIAL):
        kind = "personal data refused" if operation == "subscriber-show" else "refused"
        log.warning(
            "%s: user=%s source=%s operation=%s ref=%s",
            kind,
            who.name,
            who.source,
            operation,
            args.get("ref", "-"),
        )
        raise Refused("your role does not allow this")
    return OPERATIONS[operation](who, args)


# --- sessions of the web --------------------------------------------------------------------------


def web_login(args: dict[str, str]) -> dict[str, Any]:
    name, source = args.get("user", ""), args.get("source", "")
    ok, why = pam.authenticate("np", name, args.get("password", ""), source, expired=True)
    if not ok or Caller(name, source).role not in ROLES:  # root logs in at the console alone
        log.warning("web login failed: user=%s source=%s", printable(name), source)
        return {"error": "login failed"}
    token = secrets.token_urlsafe(32)
    with LOCK:
        SESSIONS[token] = Session(Caller(name, source), why == "expired")
    log.warning("web login: user=%s source=%s session=%s", name, source, reference(token))
    return {"token": token, "must_change": why == "expired", "said": why}


def web_session(token: str, *, uses: bool) -> Session:
    """The session of a token, which ends when it is idle for too long; whether this counts as use is said."""
    idle, longest = settings().getint("web", "idle_s"), settings().getint("web", "longest_s")
    with LOCK:
        session = SESSIONS.get(token)
        now = time.monotonic()
        if session is None:
            raise Refused("no session")
        if now - session.used > idle or now - session.began > longest:
            _end(token, "timed out")
            raise Refused("no session")
        if uses:
            session.used = now
        return session


def _end(token: str, why: str) -> None:
    session = SESSIONS.pop(token)
    lasted = time.monotonic() - session.began
    log.warning(
        "web session %s: user=%s source=%s session=%s seconds=%.0f",
        *(why, session.caller.name, session.caller.source, reference(token), lasted),
    )


def reference(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:12]


def printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:64])


def login_name(pid: int) -> str:
    """Who logged in, whatever identity was taken since."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return pwd.getpwuid(int(Path(f"/proc/{pid}/loginuid").read_text())).pw_name
    return "root"


def answer(uid: int, pid: int, request: dict[str, Any]) -> dict[str, Any]:
    """One request: of the command line, by whoever runs it, or of the web, whose session tells who asks."""
    name = pwd.getpwuid(uid).pw_name
    operation, args = str(request.get("op", "")), {str(k): str(v) for k, v in request.get("args", {}).items()}
    if name == "root":
        name = login_name(pid)
    if name != "np":
        return {"said": ask(Caller(name, "local"), operation, args)}
    if operation == "web-login":
        return web_login(args)
    token = str(request.get("token", ""))
    session = web_session(token, uses=operation != "poll")
    if operation == "poll":
        return {"said": "alive\n"}
    if operation == "web-logout":
        with LOCK:
            _end(token, "logged out")
        return {"said": "logged out\n"}
    if session.must_change and operation != "password-change":
        raise Refused("change your password first")
    said = ask(session.caller, operation, args)
    if operation == "password-change":
        session.must_change = False
    return {"said": said, "user": session.caller.name, "role": session.caller.role}


class Handler(socketserver.StreamRequestHandler):
    """One line in, one line out."""

    def handle(self) -> None:
        pid, uid, _ = struct.unpack("3i", self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        try:
            reply = answer(uid, pid, json.loads(self.rfile.readline(1 << 20)))
        except Refused as error:
            reply = {"error": str(error)}
        except Exception:
            log.exception("request failed")
            reply = {"error": "it did not work"}
        self.wfile.write(json.dumps(reply).encode() + b"\n")


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    handler = logging.handlers.SysLogHandler("/dev/log", facility=logging.handlers.SysLogHandler.LOG_AUTHPRIV)
    handler.ident = "np: "
    log.addHandler(handler)
    os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SOCKET)
    with Server(SOCKET, Handler) as server:
        os.chmod(SOCKET, 0o660)
        os.chown(SOCKET, 0, grp.getgrnam("np-users").gr_gid)
        server.serve_forever()


if __name__ == "__main__":
    main()
