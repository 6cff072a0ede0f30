"""A user agent for management over HTTP and HTTPS: forms, basic authentication, cookies, all bounded."""

import base64
import hashlib
import http.client
import io
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.errors import LabError
from drivers import reach
from drivers.interfaces.replies import WebReply
from drivers.text import KEEP, clean, line

MAX_HEADERS = 100
MAX_COOKIES, MAX_COOKIE = 50, 4096


@dataclass(frozen=True)
class Site:
    """A web service of the product. `trust` has the issuers of its certificate in PEM.

    Without `trust` nothing is verified: only for what sends no secret, or where the certificate is the
    question.
    """

    host: str
    port: int = 443
    tls: bool = True
    trust: Path | None = None
    name: str = ""  # in the certificate, where it is not the address
    client: tuple[Path, Path] | None = None  # our certificate and key
    source: str = ""
    within: float = 15.0  # seconds for a whole request


@dataclass(frozen=True)
class Field:
    """An input of a form."""

    name: str
    kind: str  # "text", "password", "hidden", ...
    value: str = ""


@dataclass(frozen=True)
class Form:
    """A form of a page."""

    method: str
    action: str
    fields: tuple[Field, ...]


class Agent:
    """One user agent with a cookie jar of its own; every request is a connection of its own."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}
        self._basic = ""
        self._secrets: set[str] = set()
        self._page = ""  # the last body as it came, with the tokens that a form has to send back

    def keep_secret(self, *texts: str) -> None:
        """What no reply may tell: it is masked in every body, header and text from now on."""
        self._secrets |= {text for text in texts if text}

    def authorise(self, user: str, password: str) -> None:
        """Send this with every request from now on (basic authentication, RFC 7617)."""
        self._basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.keep_secret(password, self._basic)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
        within: float = 0.0,
        keep: int = KEEP,
    ) -> WebReply:
        """One request and its answer; redirects are told, not followed.

        Args:
            method: as it goes on the line.
            path: with its query; "https://..." of another host is not sent.
            headers: in place of, and beside, the usual ones.
            fields: the inputs of a form, sent as one.
            body: sent as it is.
            within: seconds for everything.
            keep: octets that are kept of the body.

        Raises:
            UndeclaredError: the address is not declared.
            ValueError: a method, path or header with line ends in it.
        """
        site = self.site
        reach.check((site.host, site.port))
        own = {"Host": self._host(), "User-Agent": "assay", "Accept": "*/*", "Connection": "close"}
        if self.cookies:
            own["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self._basic:
            own["Authorization"] = f"Basic {self._basic}"
        if fields is not None:
            body = urllib.parse.urlencode(fields).encode()
            own["Content-Type"] = "application/x-www-form-urlencoded"
        if body or method in ("POST", "PUT", "PATCH"):
            own["Content-Length"] = str(len(body))
        own |= headers or {}
        for text in (method, path, *own, *own.values()):
            if any(c in text for c in "\r\n\0") or (text in (method, path) and " " in text):
                raise ValueError(f"not a method, path or header: {text[:60]!r}")
        return self._exchange(method, path, own, body, within or site.within, keep)

    def log_in(
        self,
        path: str,
        inputs: Mapping[str, str],
        *,
        action: str = "",
        secret_inputs: Iterable[str] = (),
    ) -> WebReply:
        """Fetch the page with the login form and send it filled in, hidden inputs as they came.

        Args:
            path: of the page.
            inputs: names and values of what a person would type.
            action: where to send it; by default where the form says.
            secret_inputs: the names whose values must not show.
        """
        self.keep_secret(*(inputs[name] for name in secret_inputs if name in inputs))
        page = self.request("GET", path)
        if page.outcome != "answered":
            return page
        form = next((f for f in forms(self._page) if {one.name for one in f.fields} & inputs.keys()), None)
        hidden = {one.name: one.value for one in form.fields if one.kind == "hidden"} if form else {}
        target = action or urllib.parse.urljoin(path, form.action if form else path)
        parts = urllib.parse.urlsplit(target)
        if parts.netloc and parts.netloc not in (self._host(), self.site.host):
            return WebReply("refused", f"the form goes to another host: {line(parts.netloc, 100)}")
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        return self.request("POST", target.replace(" ", "%20"), fields={**hidden, **inputs})

    # --- one exchange ---------------------------------------------------------------------------------------

    def _host(self) -> str:
        host = f"[{self.site.host}]" if ":" in self.site.host else self.site.host
        usual = 443 if self.site.tls else 80
        return host if self.site.port == usual else f"{host}:{self.site.port}"

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, within: float, keep: int
    ) -> WebReply:
        began = time.monotonic()
        deadline = began + within
        reply: dict[str, str] = {}
        sock: socket.socket | None = None
        try:
            sock = self.connect(within)
            sock.settimeout(_left(deadline))
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
                cipher = sock.cipher()
                reply["tls"] = f"{sock.version()} {cipher[0] if cipher else ''}"
                shown = sock.getpeercert(binary_form=True) or b""
                reply["certificate"] = hashlib.sha256(shown).hexdigest() if shown else ""
                reply["public_key"] = _public_key(shown)
            lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
            sock.settimeout(_left(deadline))
            sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)
            return self._read(_Timely(sock, deadline), method, keep, reply, began)
        except (TimeoutError, ssl.SSLError, OSError, http.client.HTTPException, ValueError) as error:
            return self._ending(error, within, reply, began)
        finally:
            if sock is not None:
                sock.close()

    def connect(self, within: float) -> socket.socket:
        """A connection to the site; over TLS the handshake comes with the first octet that is sent."""
        site = self.site
        source = (site.source, 0) if site.source else None
        plain = socket.create_connection((site.host, site.port), within, source)
        if not site.tls:
            return plain
        try:
            return self._context().wrap_socket(
                plain, server_hostname=site.name or site.host, do_handshake_on_connect=False
            )
        except BaseException:
            plain.close()
            raise

    def _context(self) -> ssl.SSLContext:
        site = self.site
        context = (
            ssl.create_default_context() if site.trust is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        try:
            if site.trust is None:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            else:
                context.load_verify_locations(site.trust)
            if site.client is not None:
                context.load_cert_chain(*site.client)
        except (OSError, ssl.SSLError) as error:
            raise LabError(
                f"a certificate or key for {site.host}:{site.port} cannot be used: {error}"
            ) from error
        return context

    def _read(
        self, timely: "_Timely", method: str, keep: int, told: Mapping[str, str], began: float
    ) -> WebReply:
        answer = http.client.HTTPResponse(timely, method=method)  # type: ignore[arg-type]
        try:
            answer.begin()
            octets = answer.read(keep + 1)
            headers = tuple((name.lower(), value) for name, value in answer.getheaders()[:MAX_HEADERS])
        finally:
            answer.close()
        self._page = octets[:keep].decode("utf-8", "replace")
        cookies = tuple(self._cookies(value for name, value in headers if name == "set-cookie"))
        return WebReply(
            "answered",
            line(answer.reason or "", 100, self._secrets),
            answer.status,
            tuple(
                (line(name, 100), line(value, 4000, self._secrets))
                for name, value in headers
                if name != "set-cookie"
            ),
            clean(octets, keep, self._secrets),
            len(octets) > keep,
            cookies,
            told.get("tls", ""),
            told.get("certificate", ""),
            time.monotonic() - began,
            public_key=told.get("public_key", ""),
        )

    def _cookies(self, values: Iterable[str]) -> Iterable[tuple[str, str]]:
        """Take cookies into the jar; what is told of each is its attributes."""
        for value in values:
            jar: SimpleCookie = SimpleCookie()
            with suppress(CookieError):
                jar.load(value[:MAX_COOKIE])
            for name, morsel in jar.items():
                gone = morsel["max-age"] == "0" or not morsel.value
                if gone:
                    self.cookies.pop(name, None)
                elif len(self.cookies) < MAX_COOKIES:
                    self.cookies[name] = morsel.coded_value
                    self.keep_secret(morsel.value)
                attributes = "; ".join(
                    f"{key}={morsel[key]}" if morsel[key] is not True else key
                    for key in sorted(morsel)
                    if morsel[key]
                )
                yield line(name, 100), line(attributes, 500)

    def _ending(self, error: BaseException, within: float, told: Mapping[str, str], began: float) -> WebReply:
        text = line(str(error) or type(error).__name__, 300, self._secrets)
        outcome: Literal["refused", "closed", "silence", "untrusted"] = "closed"
        if isinstance(error, TimeoutError):
            outcome, text = "silence", f"no whole answer within {within:g} s"
        elif isinstance(error, ssl.SSLCertVerificationError):
            outcome = "untrusted"
        elif isinstance(error, ssl.SSLError | ConnectionRefusedError):
            outcome = "refused"
        took = time.monotonic() - began
        return WebReply(
            outcome,
            text,
            tls=told.get("tls", ""),
            certificate=told.get("certificate", ""),
            seconds=took,
            public_key=told.get("public_key", ""),
        )


def _public_key(certificate: bytes) -> str:
    """SHA-256 of a certificate's SubjectPublicKeyInfo, hexadecimal; empty where it cannot be read."""
    with suppress(ValueError, UnsupportedAlgorithm):
        key = x509.load_der_x509_certificate(certificate).public_key()
        return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    return ""


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Timely(io.RawIOBase):
    """A socket to read from up to a deadline: a peer that drips never lets a mere time-out happen."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client reads from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(into)


@dataclass
class _Forms(HTMLParser):
    found: list[Form] = field(default_factory=list)
    _open: tuple[str, str] | None = None
    _fields: list[Field] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs[:50]}
        if tag == "form":
            self.handle_endtag("form")
            self._open = (told.get("method", "get").upper()[:10], told.get("action", "")[:1000])
        elif (
            tag in ("input", "textarea", "select", "button") and told.get("name") and len(self._fields) < 200
        ):
            kind = told.get("type", "text").lower() if tag == "input" else tag
            self._fields.append(Field(told["name"][:200], kind[:20], told.get("value", "")[:4000]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._open is not None and len(self.found) < 50:
            self.found.append(Form(*self._open, tuple(self._fields)))
            self._open, self._fields = None, []


def forms(page: str) -> tuple[Form, ...]:
    """The forms of a page; a form that is never closed ends with the page."""
    parser = _Forms()
    with suppress(AssertionError, ValueError, RecursionError):
        parser.feed(page[:KEEP])
    parser.handle_endtag("form")
    return tuple(parser.found)
