"""What a console owes: login dialogues told apart, echo observed, and nothing endless."""

import os
import pty
import re
import resource
import socket
import sys
import threading
import time
import tty
from pathlib import Path

import pytest
from daemons import need

from assay.errors import LabError, UndeclaredError
from drivers import console, reach
from drivers.terminal import KEPT, PASSWORD

LOGIN = """
import getpass, sys
for _ in range(3):
    user = input("host login: ")
    if {echo}:
        word = input("Password: ")
    else:
        word = getpass.getpass("Password: ")
    if word == "old-password":
        getpass.getpass("You are required to change your password.\\nNew password: ")
    if (user, word) == ("alice", "right-password"):
        print("Welcome\\x1b[2J"); input("$ "); sys.exit()
    print("Login incorrect")
"""


def product(folder: Path, *, echo: bool = False) -> list[str]:
    path = folder / "login.py"
    path.write_text(LOGIN.format(echo=echo))
    return [sys.executable, str(path)]


def test_logins_are_told_apart(tmp_path: Path) -> None:
    with console.command(product(tmp_path)) as terminal:
        assert terminal.login("alice", "wrong-password").outcome == "refused"
        login = terminal.login("alice", "right-password")
        assert login.outcome == "in"
        assert login.said.isprintable()
        terminal.send("")
        assert terminal.watch(10).ended
        assert terminal.login("alice", "right-password", within=1).outcome == "closed"


def test_a_new_password_is_asked_for(tmp_path: Path) -> None:
    with console.command(product(tmp_path)) as terminal:
        login = terminal.login("alice", "old-password")
    assert (login.outcome, login.wants_new_password) == ("refused", True)


@pytest.mark.parametrize("echo", [True, False])
def test_what_a_typed_password_shows_is_seen(tmp_path: Path, echo: bool) -> None:
    with console.command(product(tmp_path, echo=echo)) as terminal:
        terminal.expect(re.compile(rb"login: $"), within=10)
        terminal.send("alice")
        assert terminal.expect(PASSWORD, within=10).which == 0
        typed = terminal.type_secret("s3cret-w0rd", pause=0.05)
        assert typed.length == 11
        assert typed.shown == (11 if echo else 0)
        assert typed.echo is echo
        assert "s3cret" not in terminal.expect(re.compile(rb"incorrect"), within=10).text


def test_stars_are_told() -> None:
    script = "import sys,tty; tty.setraw(0); sys.stdout.write('Password: '); sys.stdout.flush()\n"
    script += "while sys.stdin.read(1) != '\\r': sys.stdout.write('*'); sys.stdout.flush()"
    with console.command([sys.executable, "-c", script]) as terminal:
        terminal.expect(PASSWORD, within=10)
        typed = terminal.type_secret("abcdef", pause=0.05)
    assert (typed.shown, typed.other) == (0, "******")


@pytest.mark.root
@pytest.mark.daemon
def test_a_real_login_program() -> None:
    need("login", root=True)
    with console.command(["login", "-h", "localhost"]) as terminal:
        login = terminal.login("nobody-at-all", "wrong-password", within=20)
        assert login.outcome == "refused"


def test_a_device_is_a_console() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    try:
        with console.device(os.ttyname(theirs)) as terminal:
            os.write(ours, b"\r\nhost login: ")
            assert terminal.expect(re.compile(rb"login: $"), within=5).which == 0
            terminal.send("alice")
            assert os.read(ours, 100) == b"alice\r"
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_port_is_a_console() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with console.port(*server.getsockname()) as terminal:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"login: ")
                assert terminal.expect(re.compile(rb"login: $"), within=5).which == 0
            assert terminal.watch(5).ended
        with reach.only([("127.0.0.1", 1)]), pytest.raises(UndeclaredError):
            console.port(*server.getsockname())


@pytest.mark.parametrize(
    "made",
    [
        lambda: console.command(["/no/program"]),
        lambda: console.device("/no/device"),
        lambda: console.device("/dev/null"),
    ],
)
def test_no_console_is_said(made: object) -> None:
    with pytest.raises(LabError, match=r"no console|no terminal"):
        made()  # type: ignore[operator]


def test_endless_output_is_bounded_in_memory_and_time() -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with console.command(["yes", "\x1b[31mlogin failure: "]) as terminal:
        said = terminal.expect(re.compile(rb"never comes"), within=1.5)
        assert said.which is None
        assert len(said.text) <= 10 * KEPT
        assert "\x1b" not in said.text
        assert terminal.cut
        assert terminal.login("a", "b", within=1.0).outcome != "in"
    assert time.monotonic() - began < 10
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 60


def test_a_product_that_reads_nothing_holds_nobody_up() -> None:
    with console.command(
        [sys.executable, "-c", "import tty,time; tty.setraw(0); print('up'); time.sleep(60)"]
    ) as terminal:
        terminal.expect(re.compile(rb"up"), within=10)
        timer = threading.Timer(20, terminal.close)
        timer.start()
        assert terminal.send("x" * 1_000_000) is False
        timer.cancel()
