"""An SSH client that no server can hurt: offers, logins, commands, terminals and files (paramiko)."""

import base64
import hashlib
import io
import logging
import re
import socket
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from assay.errors import LabError
from drivers import reach
from drivers.interfaces.replies import HostKey, Login, Outcome, Prompt, Ran, SshOffer
from drivers.ssh_channel import ALLOWANCE, Bounded, Remote, collect
from drivers.terminal import Terminal
from drivers.text import KEEP, clean, line

ROUNDS = 8  # of a keyboard-interactive dialogue
ASKS_NEW = re.compile(r"(?i)\b(new|retype|re-enter|repeat|confirm)\b")

logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)  # it would print what the product says


class HostKeys:
    """The host keys that a product may show: `SHA256:...`, or public keys ("ssh-ed25519 AAAA...")."""

    def __init__(self, declared: Iterable[str]) -> None:
        texts = [text for text in declared if _fingerprint(text)]
        self._known = frozenset(map(_fingerprint, texts))
        words = {word for text in texts for word in text.split()}
        # a fingerprint leaves open of which kind its key is
        self._kinds = words if all("AAAA" in text for text in texts) else set()

    def __contains__(self, key: HostKey) -> bool:
        return key.fingerprint in self._known

    def among(self, kinds: Sequence[str]) -> tuple[str, ...]:
        """Those of these key types that a declared key may have: a server shows one of its keys only."""
        same = [kind for kind in kinds if (kind if kind[:4] != "rsa-" else "ssh-rsa") in self._kinds]
        return tuple(same or kinds)


def _fingerprint(text: str) -> str:
    """The fingerprint that a fingerprint, a public key or a line of known_hosts means; empty: a comment."""
    words = text.split()
    if not words or words[0].startswith("#"):
        return ""
    for word in words:
        if word.startswith("SHA256:"):
            return word.rstrip("=")
        if word.startswith("AAAA"):
            with suppress(ValueError):
                return _sha256(base64.b64decode(word, validate=True))
    raise LabError(f"not a host key: {line(text, 80)!r}; write `SHA256:...` or `ssh-ed25519 AAAA...`")


def _sha256(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Server:
    """An SSH server of the product; `keys` None leaves its key unchecked, for what sends no secret."""

    host: str
    port: int = 22
    keys: HostKeys | None = None
    source: str = ""  # the address of ours to come from
    within: float = 15.0  # seconds for each step


class Client:
    """One connection to an SSH server, opened at the first use; attempts to log in share it, as they come.

    What the server does is a value; only a missing declaration and an unusable key of ours raise LabError.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: paramiko.Transport | None = None
        self._secrets: set[str] = set()
        self._failure: tuple[Outcome, str] | None = None
        self.host_key: HostKey | None = None
        self.version = ""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; sessions in it end."""
        if self._transport is not None:
            self._transport.close()

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as we have heard."""
        return self._transport is not None and self._transport.is_active()

    # --- before and during a login --------------------------------------------------------------------------

    def offer(self, user: str = "assay") -> SshOffer:
        """What the server shows of itself, and the methods it offers to this user name (method `none`)."""
        began = time.monotonic()
        login = self._attempt("none", began, lambda t: t.auth_none(user))
        return SshOffer(
            login.outcome,
            login.said,
            self.version,
            self.host_key,
            login.methods,
            login.banner,
            login.seconds,
        )

    def login(
        self,
        user: str,
        password: str | None = None,
        *,
        key: str | None = None,
        method: str = "",
        new_password: str | None = None,
        answers: Callable[[str], str] | None = None,
    ) -> Login:
        """Try once to log in, by a password or by a private key (its text, PEM or OpenSSH's).

        Args:
            user: the account.
            password: what to try; the empty password is one.
            key: a private key instead.
            method: "password" or "keyboard-interactive"; by default the first that the server offers.
            new_password: what to answer where the server asks for a new one during the login.
            answers: what to answer to further questions of a dialogue (a second factor).
        """
        self._secrets |= {s for s in (password, new_password) if s}
        began = time.monotonic()
        if key is not None:
            private = _private_key(key)
            return self._attempt("publickey", began, lambda t: t.auth_publickey(user, private))
        if password is None:
            return self._attempt("none", began, lambda t: t.auth_none(user))
        if not method:
            offer = self.offer(user)
            if offer.outcome != "refused":
                return Login(offer.outcome, offer.said, offer.seconds, "none", host_key=self.host_key)
            both = [m for m in offer.methods if m in ("password", "keyboard-interactive")]
            if not both:
                said = f"no password login: the server offers {', '.join(offer.methods) or 'nothing'}"
                return Login("refused", said, offer.seconds, "none", offer.methods, host_key=self.host_key)
            method = both[0] if "password" not in both else "password"
        dialogue = _Dialogue(password, new_password, answers)
        began = time.monotonic()
        if method == "password":
            login = self._attempt(
                method, began, lambda t: t.auth_password(user, password, fallback=False), dialogue
            )
        else:
            login = self._attempt(
                method, began, lambda t: t.auth_interactive(user, dialogue.answer), dialogue
            )
        return login

    def _attempt(
        self,
        method: str,
        began: float,
        attempt: Callable[[paramiko.Transport], list[str]],
        dialogue: "_Dialogue | None" = None,
    ) -> Login:
        outcome: Outcome
        said = ""
        methods: tuple[str, ...] = ()
        transport = self._open()
        if transport is None:
            outcome, said = self._failure or ("closed", "the connection is closed")
        else:
            self.allow(0)
            try:
                further = tuple(line(m, 60) for m in attempt(transport)[:16])
                outcome, methods = ("refused", further) if further else ("in", ())
                said = f"accepted in part: {', '.join(further)} must follow" if further else ""
            except paramiko.BadAuthenticationType as error:
                outcome, said = "refused", "the method is not offered"
                methods = tuple(line(str(m), 60) for m in error.allowed_types[:16])
            except (paramiko.SSHException, OSError, EOFError, ValueError, UnicodeError) as error:
                outcome, said = self._ending(error, transport)
        banner = transport.get_banner() if transport is not None else None
        asked = dialogue or _Dialogue("", None, None)
        return Login(
            outcome,
            line(said, secrets=self._secrets),
            time.monotonic() - began,
            method,
            methods,
            tuple(Prompt(line(text, 300, self._secrets), echo) for text, echo in asked.prompts),
            asked.wants_new or "info request" in said,  # RFC 4252 clause 8: message 60 answers a password
            clean(banner or b"", 8 << 10, self._secrets),
            self.host_key,
        )

    def _ending(self, error: Exception, transport: paramiko.Transport) -> tuple[Outcome, str]:
        text = str(error) or type(error).__name__
        if "timeout" in text.lower() or isinstance(error, TimeoutError):
            return "silence", text
        if isinstance(error, paramiko.AuthenticationException) and transport.is_active():
            return "refused", text
        return "closed", text

    # --- in a session ---------------------------------------------------------------------------------------

    def run(self, command: str, *, stdin: bytes = b"", within: float = 30.0, keep: int = KEEP) -> Ran:
        """Run one command without a terminal; at most `keep` octets of each of its two outputs are kept."""
        began = time.monotonic()
        kept = {"out": bytearray(), "err": bytearray()}
        status: int | None = None
        cut, problem = False, ""
        channel = self._channel(2 * keep)
        if channel is None:
            return Ran(None, "", "", False, 0.0, "no session: not logged in, or refused by the server")
        try:
            channel.exec_command(command)
            problem, cut = collect(channel, kept, stdin, began + within, keep)
            if not problem:
                channel.status_event.wait(max(began + within - time.monotonic(), 0.1))
                status = channel.exit_status if channel.exit_status >= 0 else None
                problem = "" if status is not None else "the command ended without an exit status"
        except (paramiko.SSHException, OSError, EOFError) as error:
            problem = line(str(error) or type(error).__name__)
        finally:
            channel.close()
        out, err = (clean(bytes(kept[name]), keep, self._secrets) for name in ("out", "err"))
        return Ran(status, out, err, cut, time.monotonic() - began, problem)

    def terminal(self, command: str = "", *, term: str = "dumb", within: float = 15.0) -> Terminal | None:
        """A login shell, or a command, on a pseudo-terminal; None where the server gives none."""
        channel = self._channel(KEEP)
        if channel is None:
            return None
        try:
            channel.settimeout(within)
            channel.get_pty(term, 200, 50)
            if command:
                channel.exec_command(command)
            else:
                channel.invoke_shell()
        except (paramiko.SSHException, OSError, EOFError):
            channel.close()
            return None
        return Terminal(Remote(channel, self.allow))

    def subsystem(self, name: str) -> paramiko.Channel | None:
        """A channel to a subsystem, None where it is refused; its reader calls `allow` as it reads."""
        channel = self._channel(KEEP)
        try:
            if channel is not None:
                channel.settimeout(self._server.within)
                channel.invoke_subsystem(name)
        except (paramiko.SSHException, OSError, EOFError):
            return None
        return channel

    def put(self, path: str, octets: bytes, *, mode: int = 0o600) -> str:
        """Upload a file by SFTP; what went wrong, or empty."""
        try:
            with self._sftp() as sftp:
                with sftp.open(path, "wb") as file:
                    file.write(octets)
                sftp.chmod(path, mode)
        except (paramiko.SSHException, OSError, EOFError) as error:
            return line(str(error) or type(error).__name__)
        return ""

    def get(self, path: str, *, keep: int = KEEP) -> tuple[bytes | None, str]:
        """Read a regular file by SFTP up to a bound; the octets or None, and what went wrong or empty."""
        try:
            self.allow(2 * keep)
            with self._sftp() as sftp:
                if not stat.S_ISREG(sftp.stat(path).st_mode or 0):
                    return None, "not a regular file"
                with sftp.open(path, "rb") as file:
                    return file.read(keep), ""
        except (paramiko.SSHException, OSError, EOFError) as error:
            return None, line(str(error) or type(error).__name__)

    def forward(self, address: str, port: int, *, keep: int = 256) -> tuple[bytes | None, str]:
        """What comes first from an address that the server connects to for us (RFC 4254 clause 7.2).

        The octets, or None and what went wrong.
        """
        if self._transport is None or not self._transport.is_authenticated():
            return None, "not logged in"
        self.allow(keep)
        try:
            channel = self._transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=self._server.within
            )
            with channel:
                channel.settimeout(self._server.within)
                return channel.recv(keep), ""
        except (paramiko.SSHException, OSError, EOFError) as error:
            return None, line(str(error) or type(error).__name__)

    def _sftp(self) -> paramiko.SFTPClient:
        channel = self.subsystem("sftp")
        if channel is None:
            raise paramiko.SSHException("no SFTP: not logged in, or refused by the server")
        return paramiko.SFTPClient(channel)

    # --- the connection -------------------------------------------------------------------------------------

    def _open(self) -> paramiko.Transport | None:
        """The transport after key exchange, with the host key checked; None where there is none."""
        if self._transport is not None or self._failure is not None:
            return self._transport if self.connected else None
        server = self._server
        reach.check((server.host, server.port))
        try:
            sock = socket.create_connection(
                (server.host, server.port), server.within, (server.source, 0) if server.source else None
            )
        except TimeoutError:
            self._failure = ("silence", f"no connection within {server.within:g} s")
            return None
        except OSError as error:
            self._failure = ("closed", f"no connection: {error.strerror or error}")
            return None
        transport = paramiko.Transport(sock, packetizer_class=Bounded)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = server.within
        transport.channel_timeout = server.within
        failure: tuple[Outcome, str] | None = None
        if server.keys is not None:
            options = transport.get_security_options()
            options.key_types = server.keys.among(options.key_types)
        try:
            transport.start_client(timeout=server.within)
            key = transport.get_remote_server_key()
        except IncompatiblePeer as error:
            failure = ("incompatible", line(str(error)))
        except (paramiko.SSHException, OSError, EOFError, ValueError, UnicodeError) as error:
            text = line(str(error) or type(error).__name__)
            silent = transport.is_active() or "timeout" in text.lower() or "timed out" in text.lower()
            failure = ("silence" if silent else "closed", text)
        else:
            self.host_key = HostKey(line(key.get_name(), 60), _sha256(key.asbytes()))
            if server.keys is not None and self.host_key not in server.keys:
                shown = f"{self.host_key.kind} {self.host_key.fingerprint}"
                failure = ("untrusted", f"the host key {shown} is not declared")
        self.version = line(transport.remote_version, 255)
        self._failure = failure
        if failure is not None:
            transport.close()
            return None
        self._transport = transport
        return transport

    def allow(self, octets: int) -> None:
        """Let the server send so many octets more than it may anyhow."""
        if self._transport is not None and isinstance(self._transport.packetizer, Bounded):
            self._transport.packetizer.left = octets + ALLOWANCE

    def _channel(self, allowed: int) -> paramiko.Channel | None:
        if self._transport is None or not self._transport.is_authenticated():
            return None
        self.allow(allowed)
        try:
            return self._transport.open_session(timeout=self._server.within)
        except (paramiko.SSHException, OSError, EOFError):
            return None


class _Dialogue:
    """Answers the questions of a keyboard-interactive login (RFC 4256), a bounded number of them."""

    def __init__(self, password: str, new: str | None, answers: Callable[[str], str] | None) -> None:
        self._password, self._new, self._answers = password, new, answers
        self._rounds = 0
        self.prompts: list[tuple[str, bool]] = []
        self.wants_new = False

    def answer(self, title: str, instructions: str, prompts: Sequence[tuple[str, bool]]) -> list[str]:
        self._rounds += 1
        if self._rounds > ROUNDS or len(prompts) > ROUNDS:
            raise paramiko.SSHException("the server asks without an end")
        self.prompts += prompts
        return [self._one(text, echo) for text, echo in prompts]

    def _one(self, text: str, echo: bool) -> str:
        if ASKS_NEW.search(text[:300]):
            self.wants_new = True
            if self._new is None:
                raise paramiko.SSHException("the server asks for a new password")
            return self._new
        if "password" in text[:300].lower() or (not echo and self._answers is None):
            return self._password
        return self._answers(text) if self._answers is not None else ""


def _private_key(text: str) -> paramiko.PKey:
    """A private key of ours; LabError says which kinds can be read."""
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with suppress(paramiko.SSHException, ValueError, IndexError, UnicodeError):
            return kind.from_private_key(io.StringIO(text))
    raise LabError("this private key cannot be read: use ed25519, ECDSA or RSA without a passphrase")
