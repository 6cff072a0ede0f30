"""The harness's file server against OpenSSH's client, and against those that talk nonsense."""

import hashlib
import socket
import subprocess
from pathlib import Path

import pytest

from drivers.sftp_server import FileServer

pytestmark = pytest.mark.daemon


def put(server: FileServer, folder: Path, known: str, file: Path) -> int:
    key = folder / "key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (folder / "known").write_text(f"[{server.address}]:{server.port} {known}\n")
    words = ["sftp", "-F", "/dev/null", "-q", "-b", "-", "-i", str(key), "-P", str(server.port)]
    for option in (f"UserKnownHostsFile={folder}/known", "StrictHostKeyChecking=yes", "BatchMode=yes"):
        words += ["-o", option]
    batch = f"put {file} auth.log\n".encode()
    return subprocess.run([*words, f"np@{server.address}"], input=batch, timeout=60, check=False).returncode


def test_a_file_arrives_whole(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"0123456789abcdef" * 20_000)
    with FileServer() as server:
        assert put(server, tmp_path, server.key, file) == 0
        (upload,) = server.uploads(within=10)
        assert upload.files == (("auth.log", 320_000, hashlib.sha256(file.read_bytes()).hexdigest()),)
        assert upload.version.startswith("SSH-2.0-OpenSSH")
        assert set(upload.tried) == {"publickey"}
        assert server.content("auth.log") == file.read_bytes()
        assert server.content("other") == b""


def test_who_knows_another_host_key_shows_no_credential(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x")
    with FileServer() as server, FileServer() as other:
        assert put(server, tmp_path, other.key, tmp_path / "log") != 0
        (upload,) = server.uploads(within=10)
        assert upload.version.startswith("SSH-2.0-")
        assert (upload.tried, upload.files) == ((), ())


@pytest.mark.parametrize("octets", [b"", b"USER np\r\n", b"\0" * 100_000, b"SSH-2.0-x\r\n" + b"\xff" * 5_000])
def test_nonsense_is_an_upload_of_nothing(octets: bytes) -> None:
    with FileServer() as server:
        with socket.create_connection((server.address, server.port), 5) as sock:
            sock.sendall(octets)
            sock.shutdown(socket.SHUT_WR)
            (upload,) = server.uploads(within=20)
        assert (upload.tried, upload.files) == ((), ())


def test_what_the_harness_leaves_is_no_upload() -> None:
    with FileServer() as server:
        server.leave("own", b"0123")
        assert server.content("own") == b"0123"
        assert server.uploads() == ()
