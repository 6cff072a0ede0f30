"""Real daemons for contract tests: started on loopback with configuration of the test's own, and ended."""

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


def need(*programs: str, root: bool = False) -> None:
    """Skip with a reason where a program or root is missing; fail instead where CI is set."""
    missing = [
        f"no {name}"
        for name in programs
        if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None
    ]
    if root and os.geteuid() != 0:
        missing.append("not root")
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(", ".join(missing))


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until_connects(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process is None or process.poll() is None, "the daemon ended"
            assert time.monotonic() < deadline, "the daemon does not listen"
            threading.Event().wait(0.02)


@contextmanager
def running(words: Sequence[str], folder: Path, port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon in the foreground; its log is `daemon.log`."""
    log = (folder / "daemon.log").open("ab")
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        if port:
            try:
                until_connects(port, process)
            except AssertionError as error:
                raise AssertionError(f"{error}: {(folder / 'daemon.log').read_text()[-2000:]}") from error
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def crypted(password: str) -> str:
    words = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(words, input=password, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def sshd(
    folder: Path, users: Mapping[str, str] = {}, extra: str = "", *, changed: str = "20000"
) -> Iterator[int]:
    """OpenSSH's server in a mount namespace of its own, in which these users have these passwords."""
    need("sshd", "openssl", "ssh-keygen", "unshare", root=True)
    port = free_port()
    key = folder / "host_key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    passwd, shadow = Path("/etc/passwd").read_text(), Path("/etc/shadow").read_text()
    homes = Path(tempfile.mkdtemp(prefix="homes-"))  # pytest keeps its own folders from everybody else
    homes.chmod(0o711)
    for number, (name, password) in enumerate(users.items(), 6001):
        home = homes / name
        home.mkdir(exist_ok=True)
        os.chown(home, number, number)
        passwd += f"{name}:x:{number}:{number}::{home}:/bin/sh\n"
        shadow += f"{name}:{crypted(password)}:{changed}:0:99999:7:::\n"
    (folder / "passwd").write_text(passwd)
    (folder / "shadow").write_text(shadow)
    (folder / "shadow").chmod(0o600)
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile none\nUsePAM yes\nStrictModes no\n"
        f"Subsystem sftp internal-sftp\n{extra}\n"
    )
    script = (
        "mkdir -p /run/sshd && mount --bind $0/passwd /etc/passwd && mount --bind $0/shadow /etc/shadow"
        " && exec /usr/sbin/sshd -D -e -f $0/sshd_config"
    )
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(folder)]
    try:
        with running(words, folder, port):
            yield port
    finally:
        shutil.rmtree(homes)


# --- network namespaces -----------------------------------------------------------------------------------

CLONE_NEWNET = 0x40000000
BENCH, PRODUCT = "bench0", "product0"


@contextmanager
def linked() -> Iterator[subprocess.Popen[bytes]]:
    """This thread in a network namespace of its own, linked to a second one: 192.0.2.1 to 192.0.2.2 and IPv6.

    What is yielded is a process of the second namespace. Only threads started by this one are in it too: use
    it in `in_a_thread`.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    process = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    try:
        there = ["nsenter", "--net", "--target", str(process.pid)]
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{process.pid}/ns/net") == os.readlink("/proc/thread-self/ns/net"):
            assert time.monotonic() < deadline, "no namespace"
            time.sleep(0.01)
        commands = [
            "ip link set lo up",
            f"ip link add {BENCH} type veth peer name {PRODUCT} netns {process.pid}",
            f"ip address add 192.0.2.1/24 broadcast 192.0.2.255 dev {BENCH}",
            f"ip address add 2001:db8::1/64 dev {BENCH} nodad",
            f"ip link set {BENCH} up",
        ]
        inside = [
            "ip link set lo up",
            f"ip address add 192.0.2.2/24 broadcast 192.0.2.255 dev {PRODUCT}",
            f"ip address add 2001:db8::2/64 dev {PRODUCT} nodad",
            f"ip link set {PRODUCT} up",
            f"ip route add 198.18.0.0/15 via 192.0.2.1 dev {PRODUCT}",
        ]
        for command in commands:
            subprocess.run(command.split(), check=True)
        for command in inside:
            subprocess.run([*there, *command.split()], check=True)
        yield process
    finally:
        process.kill()
        process.wait()


def in_a_thread(work: Callable[[], None]) -> None:
    """Do it in a thread of its own, whose namespaces end with it; what it raises is raised here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


# --- certificates -------------------------------------------------------------------------------------------


CERTIFY = ["openssl", "req", "-x509", "-nodes", "-days", "9"]
CERTIFY += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]


def authority(folder: Path, name: str = "ca") -> Path:
    """A certification authority: `name.pem` and `name.key`."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    words = [*CERTIFY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    return certificate


def certificate(folder: Path, name: str, ca: Path, host: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate for an address, issued by an authority, and its key."""
    key, made = folder / f"{name}.key", folder / f"{name}.pem"
    words = [*CERTIFY, "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{host},DNS:{name}"]
    words += [
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-CA",
        str(ca),
        "-CAkey",
        str(ca.with_suffix(".key")),
    ]
    subprocess.run([*words, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key
