"""What the web driver owes: sessions as a browser has them, certificates checked, no harm from a server."""

import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from daemons import authority, certificate, free_port, need, running
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import LabError, UndeclaredError
from drivers import reach, web, webload
from drivers.web import Agent, Site

PASSWORD = "Correct-horse-7"
NGINX = """
daemon off; error_log stderr; pid {folder}/pid; events {{}}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
 fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
 server {{ listen 127.0.0.1:{port} ssl;
  ssl_certificate {folder}/product.pem; ssl_certificate_key {folder}/product.key;
  ssl_client_certificate {folder}/ca.pem; ssl_verify_client optional; root {folder};
  location / {{ auth_basic "x"; auth_basic_user_file {folder}/users; try_files /index.html =404; }}
  location /open {{ return 200 "open to all"; }}
  location /machine {{ if ($ssl_client_verify != SUCCESS) {{ return 403; }}
   return 200 $ssl_client_s_dn; }} }} }}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    need("nginx", "openssl")
    folder = tmp_path_factory.mktemp("nginx")
    ca = authority(folder)
    certificate(folder, "product", ca)
    authority(folder, "other")
    port = free_port()
    (folder / "users").write_text(f"alice:{{PLAIN}}{PASSWORD}\n")
    (folder / "index.html").write_text("inside")
    for path in (folder / "users", folder / "index.html"):
        path.chmod(0o644)
    config = folder / "nginx.conf"
    config.write_text("user root;\n" + NGINX.format(folder=folder, port=port))
    with running(["nginx", "-e", "stderr", "-c", str(config)], folder, port):
        yield port, folder


@pytest.mark.root
@pytest.mark.daemon
class TestNginx:
    def test_basic_authentication(self, nginx: tuple[int, Path]) -> None:
        port, folder = nginx
        agent = Agent(Site("127.0.0.1", port, trust=folder / "ca.pem"))
        assert agent.request("GET", "/").status == 401
        agent.authorise("alice", "wrong-password")
        assert agent.request("GET", "/").status == 401
        agent.authorise("alice", PASSWORD)
        reply = agent.request("GET", "/")
        assert (reply.status, reply.body, reply.cut) == (200, "inside", False)
        assert reply.tls.startswith("TLSv1.")
        shown = load_pem_x509_certificate((folder / "product.pem").read_bytes()).public_key()
        form = shown.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert reply.public_key == sha256(form).hexdigest()
        assert len(reply.certificate) == 64

    def test_a_load_is_counted(self, nginx: tuple[int, Path]) -> None:
        port, folder = nginx
        site = Site("127.0.0.1", port, trust=folder / "ca.pem", within=5.0)
        served = webload.load(site, "/open", rate=100, seconds=1.0, marker="open to all")
        assert (served.told, served.served) == ({"200": served.sent, "lost": 0}, served.sent)
        assert 50 <= served.sent <= 124
        refused = webload.load(site, "/", rate=50, seconds=0.5, marker="inside")
        assert (refused.told, refused.served) == ({"401": refused.sent, "lost": 0}, 0)
        strange = Site("127.0.0.1", port, trust=folder / "other.pem", within=5.0)
        nothing = webload.load(strange, "/open", rate=50, seconds=0.5)
        assert nothing.told == {"lost": nothing.sent}

    def test_a_certificate_of_nobody_known_gets_nothing(self, nginx: tuple[int, Path]) -> None:
        port, folder = nginx
        agent = Agent(Site("127.0.0.1", port, trust=folder / "other.pem"))
        agent.authorise("alice", PASSWORD)
        reply = agent.request("GET", "/")
        assert (reply.outcome, reply.status) == ("untrusted", 0)
        wrong = Agent(Site("127.0.0.1", port, trust=folder / "ca.pem", name="elsewhere.example"))
        assert wrong.request("GET", "/open").outcome == "untrusted"
        unchecked = Agent(Site("127.0.0.1", port))
        assert unchecked.request("GET", "/open").body == "open to all"

    def test_our_certificate_opens(self, nginx: tuple[int, Path]) -> None:
        port, folder = nginx
        site = Site("127.0.0.1", port, trust=folder / "ca.pem")
        assert Agent(site).request("GET", "/machine").status == 403
        own = certificate(folder, "machine", folder / "ca.pem")
        client = Site("127.0.0.1", port, trust=folder / "ca.pem", client=own)
        assert Agent(client).request("GET", "/machine").body == "CN=machine"
        with pytest.raises(LabError, match="cannot be used"):
            Agent(Site("127.0.0.1", port, client=(folder / "none", folder / "none"))).request("GET", "/open")


class Portal(BaseHTTPRequestHandler):
    """A login form with a token, a session cookie, and a page behind it."""

    sessions: ClassVar[set[str]] = set()

    def log_message(self, *_: object) -> None:
        pass

    def _say(self, status: int, body: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self) -> None:
        if self.path == "/login":
            page = (
                '<form action="/session" method="post"><input name=user><input name="pw" type="password">'
                '<input type="hidden" name="token" value="a&amp;b tok3n"></form>'
            )
            self._say(200, page, ("Set-Cookie", "csrf=a&b; Path=/"))
        elif any(f"sid={sid}" in (self.headers["Cookie"] or "") for sid in self.sessions):
            self._say(200, f"Dashboard for {self.headers['Cookie']}")
        else:
            self._say(302, "", ("Location", "/login"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/logout":
            self.sessions.clear()
            self._say(200, "bye", ("Set-Cookie", "sid=; Max-Age=0"))
        elif "token=a%26b+tok3n" in body and f"pw={PASSWORD}" in body:
            self.sessions.add("s3ss10n-value")
            self._say(
                303, "", ("Location", "/"), ("Set-Cookie", "sid=s3ss10n-value; HttpOnly; Secure; Path=/")
            )
        else:
            self._say(403, f"no: {body}")


@pytest.fixture
def portal() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Portal)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        Portal.sessions.clear()


def test_a_form_gives_a_session_that_ends(portal: int) -> None:
    agent = Agent(Site("127.0.0.1", portal, tls=False))
    assert agent.request("GET", "/").status == 302
    wrong = agent.log_in("/login", {"user": "alice", "pw": "wr0ng-pass"}, secret_inputs=["pw"])
    assert wrong.status == 403
    assert "wr0ng-pass" not in wrong.body
    reply = agent.log_in("/login", {"user": "alice", "pw": PASSWORD}, secret_inputs=["pw"])
    assert reply.status == 303
    assert reply.cookies == (("sid", "httponly; path=/; secure"),)
    inside = agent.request("GET", "/")
    assert inside.body.startswith("Dashboard")
    assert "s3ss10n-value" not in inside.body
    kept = dict(agent.cookies)
    agent.request("POST", "/logout")
    assert "sid" not in agent.cookies
    agent.cookies = kept
    assert agent.request("GET", "/").status == 302


def test_a_form_that_leads_elsewhere_is_not_sent(portal: int) -> None:
    agent = Agent(Site("127.0.0.1", portal, tls=False))
    reply = agent.log_in("/login", {"user": "a"}, action="https://192.0.2.1/steal")
    assert reply.outcome == "refused"
    assert "another host" in reply.said


def test_nothing_goes_to_an_address_that_is_not_declared() -> None:
    with reach.only([("127.0.0.1", 1)]), pytest.raises(UndeclaredError):
        Agent(Site("127.0.0.1", 443)).request("GET", "/")


@pytest.mark.parametrize(("method", "path"), [("GET\r\nX: y", "/"), ("GET", "/\r\nHost: x"), ("GET", "/a b")])
def test_a_request_is_one_request(method: str, path: str) -> None:
    with pytest.raises(ValueError, match="not a method"):
        Agent(Site("127.0.0.1", 1, tls=False)).request(method, path)


# --- hostile servers --------------------------------------------------------------------------------------


@contextmanager
def hostile(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def serve() -> None:
            with suppress(OSError):
                sock, _ = listener.accept()
                with sock:
                    sock.settimeout(20)
                    talk(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def endless_body(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 \x1b[31mOK\r\nX: \x1b]0;x\x07\r\n\r\n")
    for _ in range(100):
        sock.sendall(b"<input name='x'>" * 65_536)


def endless_headers(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        sock.sendall(b"X-Y: z\r\n" * 10_000)


def endless_line(sock: socket.socket) -> None:
    for _ in range(100):
        sock.sendall(b"HTTP" * 250_000)


def endless_continue(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def drip(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        sock.sendall(b"x")
        time.sleep(0.05)


def silence(sock: socket.socket) -> None:
    while sock.recv(65_536):
        pass


def garbage(sock: socket.socket) -> None:
    sock.sendall(bytes(range(256)) * 10)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "talk", [endless_body, endless_headers, endless_line, endless_continue, drip, silence, garbage]
)
def test_a_hostile_server_costs_little(talk: Callable[[socket.socket], None], tls: bool) -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with hostile(talk) as port:
        reply = Agent(Site("127.0.0.1", port, tls=tls, within=1.5)).request("GET", "/")
    assert time.monotonic() - began < 8
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 40
    assert reply.said.isprintable()
    if talk is endless_body and not tls:
        assert reply.cut
        assert all(value.isprintable() for _, value in reply.headers)
    else:
        assert reply.outcome in ("silence", "closed", "refused")


@pytest.mark.parametrize("talk", [endless_headers, drip, silence, garbage])
def test_a_load_on_a_hostile_server_ends(talk: Callable[[socket.socket], None]) -> None:
    began = time.monotonic()
    with hostile(talk) as port:
        told = webload.load(Site("127.0.0.1", port, tls=False, within=1.0), "/", rate=50, seconds=0.5)
    assert time.monotonic() - began < 10
    assert told.told.get("lost") == told.sent or talk is drip


def test_slow_tls_ends_in_time(tmp_path: Path) -> None:
    def slowly(sock: socket.socket) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate(tmp_path, "product", authority(tmp_path)))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(sock.recv(65_536))
        with suppress(ssl.SSLWantReadError):
            server.do_handshake()
        for octet in outgoing.read():
            sock.sendall(bytes((octet,)))
            time.sleep(0.02)

    with hostile(slowly) as port:
        reply = Agent(Site("127.0.0.1", port, within=1.0)).request("GET", "/")
    assert reply.outcome == "silence"
    assert reply.seconds < 5


@given(page=st.text(max_size=500))
def test_any_page_has_forms_or_none(page: str) -> None:
    web.forms(page)
    web.forms("<form>" + page + "<input name=x")
    web.forms("<![" + page)
