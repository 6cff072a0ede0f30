"""Sessions on a product over SSH: attempts to get in, commands, and terminals."""

import re
import shlex
import time
from collections.abc import Callable
from dataclasses import replace

from drivers.interfaces.host import Secret
from drivers.interfaces.replies import Login, Ran, Said, Typed
from drivers.ssh import Client
from drivers.terminal import Terminal
from drivers.text import clean

IDENTITY = "id -un"
EXPIRED = re.compile(r"(?i)password (change|has) (required|expired)|must change your password")

Noted = Callable[[str, object], str]
"""Keeps an event with the facts of a reply; its reference."""


def identified(client: Client, login: Login, within: float) -> Login:
    """A login that got in, with what a session says of itself: that it is one, and as whom."""
    if login.outcome != "in":
        return login
    ran = client.run(IDENTITY, within=within)
    if ran.status == 0 and (words := ran.out.split()):
        return replace(login, identity=words[0])
    said = " ".join((ran.err or ran.out or ran.problem).split())
    wants = login.wants_new_password or bool(EXPIRED.search(said))
    return replace(login, said=f"{login.said} {said}".strip()[:1000], wants_new_password=wants)


def root_runner(
    client: Client, become: str, password: str | None, *, within: float, keep: int
) -> Callable[[str], Ran]:
    """Runs commands as root on a connection that is logged in; `become` reads the password, where given."""

    def run(command: str) -> Ran:
        return as_root(client, command, become, f"{password}\n" if password else "", within=within, keep=keep)

    return run


def as_root(client: Client, command: str, become: str, stdin: str, *, within: float, keep: int) -> Ran:
    """Run one command with the words before it that make an account root."""
    whole = f"{become} sh -c {shlex.quote(command)}" if become else command
    return client.run(whole, stdin=stdin.encode(), within=within, keep=keep)


class SshShell:
    """A session of one user, with or without a terminal."""

    def __init__(
        self, client: Client, login: Login, terminal: Terminal | None, noted: Noted, within: float
    ) -> None:
        self.login = login
        self._client, self._terminal, self._noted, self._within = client, terminal, noted, within

    def run(self, command: str, *, input: str = "", within: float = 0) -> Ran:
        ran = self._client.run(command, stdin=input.encode(), within=within or self._within)
        ran = replace(ran, command=command)
        return replace(ran, ref=self._noted("command", ran))

    def type(self, text: str | Secret, *, enter: bool = True) -> bool:
        if self._terminal is None:
            return False
        plain = text.text if isinstance(text, Secret) else text
        return self._terminal.send(plain, secret=isinstance(text, Secret), enter="\r" if enter else "")

    def type_secret(self, secret: Secret) -> Typed | None:
        return self._terminal.type_secret(secret.text) if self._terminal is not None else None

    def read(self, *patterns: str, within: float = 0) -> Said:
        if self._terminal is None:
            return Said(None, "there is no terminal", True, 0.0)
        compiled = [re.compile(pattern.encode()) for pattern in patterns]
        said = self._terminal.expect(*compiled, within=within or self._within)
        return replace(said, ref=self._noted("terminal", said))

    def sftp(self, path: str) -> Ran:
        began = time.monotonic()
        octets, problem = self._client.get(path)
        status = 0 if octets is not None else 1
        ran = Ran(
            status, clean(octets or b""), problem, False, time.monotonic() - began, command=f"sftp {path}"
        )
        return replace(ran, ref=self._noted("command", ran))

    def forward(self, address: str, port: int) -> Ran:
        began = time.monotonic()
        octets, problem = self._client.forward(address, port)
        ran = Ran(
            0 if octets else 1,
            clean(octets or b""),
            problem,
            False,
            time.monotonic() - began,
            command=f"forward to {address} port {port}",
        )
        return replace(ran, ref=self._noted("command", ran))

    def ends(self, within: float) -> Said:
        return self.read(within=within)


SETTLE_S = 0.3
CONTROL = re.compile(r"\\x1b\[[0-9;?]{0,20}[A-Za-z]|\\r")  # as a terminal's text spells them
STATUS = re.compile(r"@@(\d+)@@")


class ConsoleShell:
    """A session at the console: everything is typed, and read from the screen."""

    def __init__(self, terminal: Terminal, noted: Noted, within: float, prompt: str | None) -> None:
        self.login = Login("closed")
        self._terminal, self._noted, self._within = terminal, noted, within
        self._prompt = re.compile((prompt or r"[$#>] ?$").encode())

    def enter(self, user: str, secret: str) -> Login:
        """Wake the console and log in; whoever is in is asked who it is."""
        self._terminal.watch(SETTLE_S)
        self._terminal.send(
            "\x04", enter=""
        )  # ends what is left of an earlier attempt; Enter would begin one
        login = self._terminal.login(user, secret, within=2 * self._within, prompt=self._prompt)
        if login.outcome == "silence":
            self._terminal.send("")
            login = self._terminal.login(user, secret, within=2 * self._within, prompt=self._prompt)
        if login.outcome == "in":
            self.login = login
            words = self.run(IDENTITY).out.split()
            login = replace(login, identity=words[-1] if words else "")
        return replace(login, ref=self._noted("login", login))

    def leave(self) -> None:
        """Log out, so that the next one finds a console that asks who is there."""
        if self.login.identity and not self._terminal.ended:
            self._terminal.send("exit")
            self._terminal.watch(0.5)

    def run(self, command: str, *, input: str = "", within: float = 0) -> Ran:
        began = time.monotonic()
        self._terminal.watch(0.05)
        self._terminal.send(f"{command}; printf '\\n@@%s@@\\n' $?")
        said = self._terminal.expect(re.compile(rb"@@\d+@@"), within=within or self._within)
        told = CONTROL.sub("", said.text)
        found = STATUS.search(told)
        text = told[: found.start()] if found else told
        out = "\n".join(text.split("\n")[1:])  # without what was typed
        problem = "" if found else "no end of the command was seen"
        status = int(found[1]) if found else None
        ran = Ran(status, out, "", False, time.monotonic() - began, problem, command=command)
        return replace(ran, ref=self._noted("command", ran))

    def type(self, text: str | Secret, *, enter: bool = True) -> bool:
        plain = text.text if isinstance(text, Secret) else text
        return self._terminal.send(plain, secret=isinstance(text, Secret), enter="\r" if enter else "")

    def type_secret(self, secret: Secret) -> Typed | None:
        return self._terminal.type_secret(secret.text)

    def read(self, *patterns: str, within: float = 0) -> Said:
        compiled = [re.compile(pattern.encode()) for pattern in patterns]
        said = self._terminal.expect(*compiled, within=within or self._within)
        return replace(said, ref=self._noted("terminal", said))

    def sftp(self, path: str) -> Ran:
        return Ran(None, "", "", False, 0.0, "a console passes no files", command=f"sftp {path}")

    def forward(self, address: str, port: int) -> Ran:
        return Ran(None, "", "", False, 0.0, "a console forwards nothing", command=f"forward {address}")

    def ends(self, within: float) -> Said:
        return self.read(r"(?m)login: ?$", within=within)
