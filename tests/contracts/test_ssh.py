"""What the SSH driver owes: logins told apart, host keys checked, and no harm from a hostile server."""

import re
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
import pytest
from daemons import free_port, sshd

from assay.errors import LabError, UndeclaredError
from drivers import reach, ssh
from drivers.terminal import PROMPT

PASSWORD = "Correct-horse-7"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    banner = "Banner /etc/issue.net\nMaxAuthTries 3\nPasswordAuthentication yes\n"
    with sshd(tmp_path_factory.mktemp("sshd"), {"alice": PASSWORD}, banner) as number:
        yield number


def keys(port: int) -> ssh.HostKeys:
    with ssh.Client(ssh.Server("127.0.0.1", port)) as client:
        shown = client.offer().host_key
    assert shown is not None
    return ssh.HostKeys([shown.fingerprint])


@contextmanager
def inside(port: int) -> Iterator[ssh.Client]:
    with ssh.Client(ssh.Server("127.0.0.1", port, keys(port))) as client:
        assert client.login("alice", PASSWORD).outcome == "in"
        yield client


@pytest.mark.root
@pytest.mark.daemon
class TestOpenSsh:
    def test_shows_itself(self, port: int) -> None:
        with ssh.Client(ssh.Server("127.0.0.1", port)) as client:
            offer = client.offer("alice")
        assert offer.outcome == "refused"
        assert offer.version.startswith("SSH-2.0-OpenSSH")
        assert offer.host_key is not None
        assert offer.host_key.kind == "ssh-ed25519"
        assert "password" in offer.methods
        assert "Debian" in offer.banner

    def test_tells_right_from_wrong_and_when_the_server_has_enough(self, port: int) -> None:
        with ssh.Client(ssh.Server("127.0.0.1", port, keys(port))) as client:
            seen = [client.login("alice", f"wrong-{n}", method="password") for n in range(4)]
            assert [login.outcome for login in seen] == ["refused", "refused", "closed", "closed"]
            assert all("wrong-" not in login.said for login in seen)
        with inside(port) as client:
            ran = client.run("id -un; echo oops >&2; exit 3")
        assert (ran.status, ran.out, ran.err, ran.problem) == (3, "alice\n", "oops\n", "")

    def test_an_unknown_host_key_gets_no_password(self, port: int) -> None:
        other = ssh.HostKeys(["SHA256:" + "A" * 43])
        with ssh.Client(ssh.Server("127.0.0.1", port, other)) as client:
            login = client.login("alice", PASSWORD)
            assert login.outcome == "untrusted"
            assert login.host_key is not None
            assert login.host_key.fingerprint in login.said
            assert client.run("true").status is None

    def test_commands_are_bounded_in_output_and_time(self, port: int) -> None:
        with inside(port) as client:
            loud = client.run("yes", keep=100_000, within=20)
            assert loud.cut
            assert loud.status is None
            assert len(loud.out) == 100_000
            late = client.run("sleep 60", within=0.5)
            assert (late.status, late.cut, late.problem) == (None, False, "it did not end in time")
            assert late.seconds < 5
            fed = client.run("wc -c", stdin=b"x" * 300_000)
            assert fed.out.strip() == "300000"
            assert client.run("kill -9 $$").problem

    def test_what_is_told_is_printable_and_has_no_password(self, port: int) -> None:
        with inside(port) as client:
            ran = client.run(f"printf 'a\\033[2Jb\\342\\200\\256 {PASSWORD}'")
        assert ran.out == "a\\x1b[2Jb\\u202e ******"

    def test_a_terminal_talks_and_shows_no_secret(self, port: int) -> None:
        with inside(port) as client:
            terminal = client.terminal()
            assert terminal is not None
            with terminal:
                assert terminal.expect(PROMPT, within=10).which == 0
                terminal.send("stty -echo; printf 'Pass''word: '; read x; stty echo; echo got ${#x}")
                assert terminal.expect(re.compile(rb"\nPassword: $"), within=10).which == 0
                typed = terminal.type_secret("s3cret-word", pause=0.05)
                assert (typed.shown, typed.other) == (0, "")
                assert terminal.expect(re.compile(rb"got 11"), within=10).which == 0
                terminal.send("printf 'Name: '; read x")
                assert terminal.expect(re.compile(rb"\nName: $"), within=10).which == 0
                assert terminal.type_secret("s3cret-word", pause=0.05).shown == 11
                terminal.send("exit")
                said = terminal.watch(10)
                assert said.ended

    def test_a_server_connects_for_us_where_it_may(self, port: int) -> None:
        with inside(port) as client:
            octets, problem = client.forward("127.0.0.1", port)
            assert octets is not None, problem
            assert octets.startswith(b"SSH-2.0-OpenSSH")
            assert client.forward("127.0.0.1", free_port())[0] is None
        with ssh.Client(ssh.Server("127.0.0.1", port, keys(port))) as client:
            assert client.forward("127.0.0.1", port) == (None, "not logged in")

    def test_files_go_up_and_come_back(self, port: int, tmp_path: Path) -> None:
        with inside(port) as client:
            assert client.put("upload", b"content") == ""
            assert client.get("upload") == (b"content", "")
            assert client.get("/dev/zero")[0] is None
            assert client.put("/root/upload", b"")

    def test_a_key_lets_in(self, port: int, tmp_path: Path) -> None:
        private = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(private)], check=True)
        with inside(port) as client:
            client.run(
                "mkdir -p .ssh && cat > .ssh/authorized_keys", stdin=Path(f"{private}.pub").read_bytes()
            )
        with ssh.Client(ssh.Server("127.0.0.1", port, keys(port))) as client:
            assert client.login("alice", key=private.read_text()).outcome == "in"
        with ssh.Client(ssh.Server("127.0.0.1", port, keys(port))) as client:
            assert client.login("root", key=private.read_text()).outcome == "refused"
        with pytest.raises(LabError, match="cannot be read"):
            ssh.Client(ssh.Server("127.0.0.1", port)).login("alice", key="garbage")

    def test_nothing_goes_to_an_address_that_is_not_declared(self, port: int) -> None:
        with reach.only([("127.0.0.1", 1)]), pytest.raises(UndeclaredError):
            ssh.Client(ssh.Server("127.0.0.1", port)).offer()

    def test_an_expired_password_is_a_dialogue(self, tmp_path: Path) -> None:
        extra = "PasswordAuthentication no\nKbdInteractiveAuthentication yes\n"
        with sshd(tmp_path, {"bob": PASSWORD}, extra, changed="0") as number:
            with ssh.Client(ssh.Server("127.0.0.1", number, keys(number))) as client:
                login = client.login("bob", PASSWORD)
            assert login.outcome != "in"
            assert login.method == "keyboard-interactive"
            assert login.wants_new_password
            assert login.prompts[0].text.startswith("Password")
            assert not login.prompts[0].echo


# --- hostile servers --------------------------------------------------------------------------------------


@contextmanager
def hostile(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does what it likes with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def one(sock: socket.socket) -> None:
        with sock, suppress(OSError, EOFError, paramiko.SSHException):
            talk(sock)

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.settimeout(20)
            threads.append(threading.Thread(target=one, args=(sock,), daemon=True))
            threads[-1].start()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join(5)
        for thread in threads:
            thread.join(25)


def grown(before: int) -> float:
    """By how many MiB the process has grown at most."""
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def banner_without_end(sock: socket.socket) -> None:
    for _ in range(100):
        sock.sendall(b"x" * (1 << 20))


def lines_without_end(sock: socket.socket) -> None:
    for _ in range(100):
        sock.sendall(b"hello\r\n" * 100_000)


def giant_packet(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-x\r\n" + b"\x7f\xff\xff\xf4" + bytes(4))
    banner_without_end(sock)


def nothing_at_all(sock: socket.socket) -> None:
    sock.recv(1 << 16)
    while sock.recv(1 << 16):
        pass


def drip(sock: socket.socket) -> None:
    for _ in range(200):
        sock.sendall(b"S")
        if sock.fileno() < 0:
            return
        time.sleep(0.05)


def garbage(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-\x1b[31m\xff\xfe\r\n" + bytes(range(256)) * 40)


@pytest.mark.parametrize(
    "talk", [banner_without_end, lines_without_end, giant_packet, nothing_at_all, drip, garbage]
)
def test_a_hostile_greeting_costs_little(talk: Callable[[socket.socket], None]) -> None:
    before, began = peak(), time.monotonic()
    with hostile(talk) as port, ssh.Client(ssh.Server("127.0.0.1", port, within=2.0)) as client:
        offer = client.offer()
    assert offer.outcome in ("closed", "silence")
    assert offer.said.isprintable()
    assert offer.version.isprintable()
    assert grown(before) < 40
    assert time.monotonic() - began < 12


class Yes(paramiko.ServerInterface):
    """Lets everybody in and says yes to everything."""

    def check_auth_none(self, username: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        return True


def says_yes_beyond_the_window(sock: socket.socket) -> None:
    """Accepts all, and pours out data without regard for the window."""
    transport = paramiko.Transport(sock)
    transport.add_server_key(paramiko.ECDSAKey.generate())
    transport.start_server(server=Yes())
    channel = transport.accept(10)
    try:
        while channel is not None and transport.is_active():
            message = paramiko.Message()
            message.add_byte(paramiko.common.cMSG_CHANNEL_DATA)
            message.add_int(channel.remote_chanid)
            message.add_string(b"yes\n" * 8000)
            transport._send_message(message)  # type: ignore[attr-defined]
    finally:
        transport.close()


def test_a_server_without_regard_for_the_window_is_left() -> None:
    before, began = peak(), time.monotonic()
    with (
        hostile(says_yes_beyond_the_window) as port,
        ssh.Client(ssh.Server("127.0.0.1", port, within=5.0)) as client,
    ):
        assert client.login("root", "anything", method="password").outcome == "in"
        ran = client.run("id", within=3.0, keep=1 << 20)
        assert ran.status is None
        assert ran.problem
        assert len(ran.out) <= 1 << 20
    assert grown(before) < 60
    assert time.monotonic() - began < 30


def test_a_server_with_several_keys_is_asked_for_the_declared_one() -> None:
    keys = [paramiko.ECDSAKey.generate(bits=bits) for bits in (256, 384)]

    def two_keys(sock: socket.socket) -> None:
        transport = paramiko.Transport(sock)
        for key in keys:
            transport.add_server_key(key)
        transport.start_server(server=Yes())
        transport.join(20)

    for key in keys:
        declared = ssh.HostKeys([f"{key.get_name()} {key.get_base64()} comment", "# a comment"])
        with hostile(two_keys) as port, ssh.Client(ssh.Server("127.0.0.1", port, declared)) as client:
            assert client.login("root", "anything", method="password").outcome == "in"
            assert client.host_key is not None
            assert client.host_key.kind == key.get_name()


class Asks(paramiko.ServerInterface):
    """Asks one question after the other."""

    def get_allowed_auths(self, username: str) -> str:
        return "keyboard-interactive"

    def check_auth_interactive(self, username: str, submethods: str) -> paramiko.server.InteractiveQuery:
        return paramiko.server.InteractiveQuery("\x1b[2J", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> paramiko.server.InteractiveQuery:
        return paramiko.server.InteractiveQuery("", "", ("Again\x07, password: ", False))


def asks_without_end(sock: socket.socket) -> None:
    transport = paramiko.Transport(sock)
    transport.add_server_key(paramiko.ECDSAKey.generate())
    transport.start_server(server=Asks())
    try:
        while transport.is_active():
            time.sleep(0.05)
    finally:
        transport.close()


def test_a_dialogue_has_an_end() -> None:
    with hostile(asks_without_end) as port, ssh.Client(ssh.Server("127.0.0.1", port, within=5.0)) as client:
        login = client.login("root", "the-password")
    assert login.outcome == "closed"
    assert len(login.prompts) == ssh.ROUNDS
    assert all(prompt.text.isprintable() for prompt in login.prompts)


@pytest.mark.parametrize("text", ["", "# comment", "SHA256:" + "A" * 43])
def test_host_keys_are_read(text: str) -> None:
    ssh.HostKeys([text])


def test_what_is_no_host_key_is_said() -> None:
    with pytest.raises(LabError, match="not a host key"):
        ssh.HostKeys(["ssh-rsa"])
