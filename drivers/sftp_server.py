"""A file server of the harness (SFTP): it lets everybody in and keeps what is left there, bounded."""

import hashlib
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from paramiko.common import AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_FAILURE, SFTP_NO_SUCH_FILE, SFTP_OK

from assay.errors import LabError
from drivers.interfaces.replies import Upload
from drivers.text import line

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_PEERS, MAX_UPLOADS = 8, 100  # at once, and that are kept
MAX_FILES, MAX_FILE = 20, 32 << 20
GREETING_S, WHOLE_S = 15.0, 300.0


@dataclass
class _Visit:
    """A connection of the product."""

    peer: str
    version: str = ""
    tried: list[str] = field(default_factory=list)
    files: dict[str, "_File"] = field(default_factory=dict)

    def told(self, ended: str) -> Upload:
        files = tuple(
            (line(name, 200), len(one.octets), hashlib.sha256(one.octets).hexdigest())
            for name, one in self.files.items()
        )
        return Upload(self.peer, self.version, tuple(self.tried), files, ended)


class _File(paramiko.SFTPHandle):
    """A file that is being left; its octets are never on a disk."""

    def __init__(self) -> None:
        super().__init__()
        self.octets = bytearray()

    def write(self, offset: int, data: "Buffer") -> int:
        data = bytes(data)
        if offset > len(self.octets) or offset + len(data) > MAX_FILE:
            return SFTP_FAILURE
        self.octets[offset : offset + len(data)] = data
        return SFTP_OK

    def stat(self) -> Any:
        found = paramiko.SFTPAttributes()
        found.st_size, found.st_mode = len(self.octets), 0o100600
        return found

    def chattr(self, attr: Any) -> int:
        return SFTP_OK


class _Files(paramiko.SFTPServerInterface):
    """One flat folder for one connection."""

    def __init__(self, server: "_Doors", *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        self._files = server.visit.files

    def open(self, path: str, flags: int, attr: Any) -> Any:
        name = path.rsplit("/", 1)[-1]
        if name not in self._files and len(self._files) >= MAX_FILES:
            return SFTP_FAILURE
        return self._files.setdefault(name, _File())

    def stat(self, path: str) -> Any:
        kept = self._files.get(path.rsplit("/", 1)[-1])
        if kept is not None:
            return kept.stat()
        if path.strip("/.") == "":
            found = paramiko.SFTPAttributes()
            found.st_mode = 0o040700
            return found
        return SFTP_NO_SUCH_FILE

    lstat = stat

    def chattr(self, path: str, attr: Any) -> int:
        return SFTP_OK

    def rename(self, oldpath: str, newpath: str) -> int:
        kept = self._files.pop(oldpath.rsplit("/", 1)[-1], None)
        if kept is None:
            return SFTP_NO_SUCH_FILE
        self._files[newpath.rsplit("/", 1)[-1]] = kept
        return SFTP_OK

    posix_rename = rename


class _Doors(paramiko.ServerInterface):
    """Lets everybody in, and remembers how they proved who they are."""

    def __init__(self, visit: _Visit) -> None:
        self.visit = visit

    def _came(self, how: str) -> int:
        if len(self.visit.tried) < 20:
            self.visit.tried.append(how)
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self._came("publickey")

    def check_auth_password(self, username: str, password: str) -> int:
        return self._came("password")

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class FileServer:
    """Takes files of a product while its `with` block runs; every one has a host key of its own."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        made = ed25519.Ed25519PrivateKey.generate()
        form = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        text = made.private_bytes(serialization.Encoding.PEM, *form).decode()
        self._key = paramiko.Ed25519Key.from_private_key(StringIO(text))
        self.key = f"{self._key.get_name()} {self._key.get_base64()}"
        self._uploads: list[Upload] = []
        self._content: dict[str, bytes] = {}
        self._own: set[str] = set()  # connections of the harness itself
        self._came = threading.Condition()
        self._done = threading.Event()
        self._threads: list[threading.Thread] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((address, port))
            self._socket.listen(MAX_PEERS)
        except OSError as error:
            self._socket.close()
            raise LabError(f"no file server at {address} port {port}: {error.strerror}") from error
        self._socket.settimeout(0.1)
        self.address, self.port = self._socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "FileServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in (self._thread, *self._threads):
            thread.join(10)
        self._socket.close()

    def uploads(self, *, within: float = 0.0) -> tuple[Upload, ...]:
        """The connections of others that have ended, as soon as there is one or the time is over."""
        with self._came:
            self._came.wait_for(lambda: self._uploads, within)
            return tuple(self._uploads)

    def leave(self, name: str, octets: bytes) -> None:
        """Leave a file there from the harness itself, as a product would."""
        with socket.create_connection((self.address, self.port), GREETING_S) as sock:
            own = sock.getsockname()
            self._own.add(f"{own[0]}:{own[1]}")
            transport = paramiko.Transport(sock)
            try:
                transport.start_client(timeout=GREETING_S)
                transport.auth_password("assay", "")
                client = paramiko.SFTPClient.from_transport(transport)
                if client is not None:
                    client.putfo(BytesIO(octets), name)
            except (paramiko.SSHException, EOFError) as error:
                raise LabError(f"the harness cannot use its own file server: {error}") from error
            finally:
                transport.close()
        with self._came:
            self._came.wait_for(lambda: name in self._content, GREETING_S)

    def content(self, name: str) -> bytes:
        """What was left there last under a name; empty where nothing was."""
        with self._came:
            return self._content.get(name, b"")

    # --- the threads ----------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while not self._done.is_set():
            with suppress(OSError):
                sock, address = self._socket.accept()
                self._threads = [one for one in self._threads if one.is_alive()]
                if len(self._threads) >= MAX_PEERS:
                    sock.close()
                    continue
                visit = _Visit(f"{address[0]}:{address[1]}")
                self._threads.append(threading.Thread(target=self._receive, args=(sock, visit), daemon=True))
                self._threads[-1].start()

    def _receive(self, sock: socket.socket, visit: _Visit) -> None:
        ended, until = "", time.monotonic() + WHOLE_S
        transport: paramiko.Transport | None = None
        try:
            transport = paramiko.Transport(sock)
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = GREETING_S
            transport.add_server_key(self._key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
            transport.start_server(server=_Doors(visit))
            while transport.is_active() and time.monotonic() < until and not self._done.is_set():
                transport.join(0.1)
        except (OSError, EOFError, paramiko.SSHException) as error:
            ended = line(str(error) or type(error).__name__, 200)
        finally:
            if transport is not None:
                visit.version = line(transport.remote_version or "", 255)
                transport.close()
                transport.join(5)
            sock.close()
        with self._came:
            if len(self._uploads) < MAX_UPLOADS:
                if visit.peer not in self._own:
                    self._uploads.append(visit.told(ended))
                self._content |= {name: bytes(one.octets) for name, one in visit.files.items()}
            self._came.notify_all()
