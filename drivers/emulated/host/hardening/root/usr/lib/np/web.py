#!/usr/bin/python3
"""The management pages: forms in front of the management daemon, which alone decides who may do what."""

import hashlib
import hmac
import html
import http.cookies
import http.server
import json
import os
import re
import secrets
import socket
import socketserver
import urllib.parse
from pathlib import Path
from typing import Any

SOCKET, UPLOADS = "/run/np-web/web.sock", Path("/srv/upload")
CAPTCHA_KEY = Path("/etc/np/captcha.key")
PAGE = "<!doctype html><html><head><title>np</title></head><body><h1>{title}</h1>{body}</body></html>"
FIELD = '<label>{label} <input name="{name}" type="{kind}" autocomplete="off"></label><br>'
USED_CAPTCHAS: set[str] = set()


class Answer(Exception):
    """Ends a request: a status, a body, further header fields."""

    def __init__(self, status: int, body: str = "", **fields: str) -> None:
        super().__init__(status)
        self.status, self.body, self.fields = status, body, fields


def daemon(operation: str, args: dict[str, str] | None = None, token: str = "") -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(30)
        wire.connect("/run/np/np.sock")
        wire.sendall(json.dumps({"op": operation, "args": args or {}, "token": token}).encode() + b"\n")
        reply: dict[str, Any] = json.loads(wire.makefile().readline())
    return reply


def page(title: str, body: str) -> str:
    return PAGE.format(title=html.escape(title), body=body)


def form(action: str, *fields: tuple[str, str, str], more: str = "") -> str:
    inputs = "".join(FIELD.format(label=label, name=name, kind=kind) for label, name, kind in fields)
    return f'<form method="post" action="{action}">{inputs}{more}<button>Send</button></form>'


def captcha_answer(challenge: str) -> str:
    """What a person would read from the picture; a test has the key."""
    return hmac.new(CAPTCHA_KEY.read_bytes().strip(), challenge.encode(), hashlib.sha256).hexdigest()[:6]


class Pages(http.server.BaseHTTPRequestHandler):
    """One request; the address of the caller comes from the web server in front."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "np", ""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, format: str, *args: Any) -> None:
        """The web server in front keeps the record."""

    def address_string(self) -> str:
        return self.headers.get("X-Real-IP", "local")

    def _serve(self, method: str) -> None:
        try:
            path = urllib.parse.urlsplit(self.path).path
            raise self._answer(method, path)
        except Answer as answer:
            self._send(answer)
        except Exception:
            self._send(Answer(500, page("Error", "<p>It did not work.</p>")))

    def _send(self, answer: Answer) -> None:
        body = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in answer.fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 2 << 20))

    def _fields(self) -> dict[str, str]:
        text = self._body().decode("utf-8", "replace")
        return {key: values[0] for key, values in urllib.parse.parse_qs(text, keep_blank_values=True).items()}

    def _token(self) -> str:
        cookie = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        return cookie["sid"].value if "sid" in cookie else ""

    def _asked(self, operation: str, args: dict[str, str] | None = None) -> dict[str, Any]:
        """What the daemon says to this session; without one to the login page, without the right 403."""
        reply = daemon(operation, args, self._token())
        if reply.get("error") == "no session":
            raise Answer(303, "", Location="/login")
        if reply.get("error") == "change your password first":
            raise Answer(303, "", Location="/password")
        if reply.get("error") == "your role does not allow this":
            raise Answer(403, page("Forbidden", "<p>Your role does not allow this.</p>"))
        return reply

    def _answer(self, method: str, path: str) -> Answer:
        name = "_" + method.lower() + path.rstrip("/").replace("/", "_").replace("-", "_")
        if path.startswith("/subscribers/") and method == "GET":
            return self._plain("subscriber-show", {"ref": path.rsplit("/", 1)[1]})
        if not re.fullmatch(r"/[a-z/-]*", path) or not hasattr(self, name):
            return Answer(404, page("Not found", "<p>There is no such page.</p>"))
        return getattr(self, name)()  # type: ignore[no-any-return]

    def _plain(self, operation: str, args: dict[str, str] | None = None) -> Answer:
        reply = self._asked(operation, args)
        if "error" in reply:
            return Answer(404, page("No", f"<p>{html.escape(reply['error'])}</p>"))
        return Answer(200, page(operation, f"<pre>{html.escape(reply['said'])}</pre>"))

    def _get_(self) -> Answer:
        return self._get()

    def _get(self) -> Answer:
        reply = self._asked("status")
        links = "".join(f'<a href="/{name}">{name}</a> ' for name in ("config", "users", "logs", "password"))
        body = f"<pre>{html.escape(reply['said'])}</pre>{links}{form('/logout')}"
        return Answer(200, page("Dashboard", body))

    def _get_login(self) -> Answer:
        return Answer(
            200, page("Login", form("/login", ("User", "user", "text"), ("Password", "password", "password")))
        )

    def _post_login(self) -> Answer:
        return self._login(self._fields())

    def _login(self, fields: dict[str, str]) -> Answer:
        given = {"user": fields.get("user", ""), "password": fields.get("password", "")}
        reply = daemon("web-login", given | {"source": self.address_string()})
        if "token" not in reply:
            return Answer(401, page("Login", "<p>Login failed.</p>"))
        target = "/password" if reply["must_change"] else "/"
        body = page("Welcome", f"<p>{html.escape(reply['said'])}</p>")
        cookie = f"sid={reply['token']}; Path=/; Secure; HttpOnly; SameSite=Strict"
        return Answer(303, body, Location=target, Set_Cookie=cookie)

    def _get_captcha_login(self) -> Answer:
        challenge = secrets.token_hex(8)
        shown = f"<p>Type what challenge {challenge} shows.</p>"
        hidden = f'<input type="hidden" name="challenge" value="{challenge}">{shown}'
        fields = (
            ("User", "user", "text"),
            ("Password", "password", "password"),
            ("Answer", "answer", "text"),
        )
        return Answer(200, page("Login", form("/captcha/login", *fields, more=hidden)))

    def _post_captcha_login(self) -> Answer:
        fields = self._fields()
        challenge, answer = fields.get("challenge", ""), fields.get("answer", "")
        fresh = challenge not in USED_CAPTCHAS
        USED_CAPTCHAS.add(challenge)
        if not challenge or not fresh or not hmac.compare_digest(answer, captcha_answer(challenge)):
            return Answer(401, page("Login", "<p>Login failed.</p>"))
        return self._login(fields)

    def _post_logout(self) -> Answer:
        self._asked("web-logout")
        return Answer(303, "", Location="/login", Set_Cookie="sid=; Path=/; Max-Age=0; Secure; HttpOnly")

    def _get_token(self) -> Answer:
        """For the web server in front: whether a request of the signalling interface carries the token."""
        known = Path("/etc/np/api.token").read_text().strip()
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return Answer(204 if known and hmac.compare_digest(given, known) else 401)

    def _get_poll(self) -> Answer:
        return self._plain("poll")

    def _get_config(self) -> Answer:
        return self._plain("config-show")

    def _post_config(self) -> Answer:
        reply = self._asked("config-set", self._fields())
        return Answer(
            400 if "error" in reply else 200, page("config", html.escape(reply.get("error") or reply["said"]))
        )

    def _get_users(self) -> Answer:
        return self._plain("account-list")

    def _post_users(self) -> Answer:
        fields = self._fields()
        reply = self._asked(fields.pop("op", "account-create"), fields)
        return Answer(
            400 if "error" in reply else 200, page("users", html.escape(reply.get("error") or reply["said"]))
        )

    def _get_logs(self) -> Answer:
        return self._plain("logs", {"name": "auth"})

    def _get_password(self) -> Answer:
        fields = (("Present", "old", "password"), ("New", "password", "password"))
        return Answer(200, page("Change password", form("/password", *fields)))

    def _post_password(self) -> Answer:
        reply = self._asked("password-change", self._fields())
        status = 400 if "error" in reply else 200
        return Answer(status, page("Change password", html.escape(reply.get("error") or "password changed")))

    def _post_upload(self) -> Answer:
        name = os.path.basename(urllib.parse.unquote(self.headers.get("X-File-Name", "")))
        data = self._body()
        who = self._asked("status")
        if who["role"] not in ("admin", "operator"):
            return Answer(403, page("Forbidden", "<p>Your role does not allow this.</p>"))
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name) or name.startswith("."):
            return Answer(400, page("Upload", "<p>Not a file name.</p>"))
        try:
            (UPLOADS / name).write_bytes(data)
        except OSError:
            (UPLOADS / name).unlink(missing_ok=True)
            return Answer(507, page("Upload", "<p>There is no room.</p>"))
        return Answer(201, page("Upload", f"<p>{len(data)} octets kept.</p>"))


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        return self.socket.accept()[0], ("local", 0)


def main() -> None:
    if os.path.exists(SOCKET):
        os.unlink(SOCKET)
    os.umask(0o007)
    with Server(SOCKET, Pages) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
