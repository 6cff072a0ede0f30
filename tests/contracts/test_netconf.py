"""What NETCONF owes: hello, replies and errors as values, the host key checked, and an end to every reply."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import paramiko
import pytest

from drivers import netconf
from drivers.netconf import BASE, Netconf
from drivers.ssh import HostKeys, Server

HELLO = (
    f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability>'
    "</capabilities><session-id>1</session-id></hello>]]>]]>"
)
KEY = paramiko.ECDSAKey.generate()


class Product(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        good = (username, password) == ("alice", "right-password")
        return paramiko.common.AUTH_SUCCESSFUL if good else paramiko.common.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        return name == "netconf"


Answer = Callable[[str, str], bytes]


def usual(number: str, rpc: str) -> bytes:
    if "get-config" in rpc:
        body = "<data><users><user><name>alice\u202e</name></user></users></data>"
    elif "edit-config" in rpc:
        body = (
            "<rpc-error><error-type>protocol</error-type><error-tag>access-denied</error-tag>"
            "<error-severity>error</error-severity><error-message>not you</error-message></rpc-error>"
        )
    else:
        body = "<ok/>"
    return f'<rpc-reply xmlns="{BASE}" message-id="{number}">{body}</rpc-reply>]]>]]>'.encode()


@contextmanager
def product(answer: Answer = usual, hello: bytes = HELLO.encode()) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            transport = paramiko.Transport(sock)
            transport.add_server_key(KEY)
            with suppress(paramiko.SSHException, OSError, EOFError):
                transport.start_server(server=Product())
                channel = transport.accept(10)
                if channel is not None:
                    talk(channel)
            transport.close()

        def talk(channel: paramiko.Channel) -> None:
            channel.settimeout(20)
            channel.sendall(hello)
            held = b""
            while octets := channel.recv(65_536):
                held += octets
                while b"]]>]]>" in held:
                    message, _, held = held.partition(b"]]>]]>")
                    found = re.search(rb'message-id="([^"]+)"', message)
                    if found:
                        channel.sendall(answer(found[1].decode(), message.decode()))

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(25)


def session(port: int, within: float = 5.0) -> Netconf:
    keys = HostKeys([f"{KEY.get_name()} {KEY.get_base64()}"])
    return Netconf(Server("127.0.0.1", port, keys, within=within))


def test_replies_and_errors_are_values() -> None:
    with product() as port, session(port) as one:
        assert one.login("alice", "right-password").outcome == "in"
        assert one.capabilities == ("urn:ietf:params:netconf:base:1.0",)
        read = one.get_config()
        assert (read.status, "<name>alice\\u202e</name>" in read.out) == (0, True)
        refused = one.edit("<x/>")
        assert (refused.status, refused.err) == (1, "access-denied: not you")
        assert one.call(f'<kill-session xmlns="{BASE}"/>').status == 0
        with pytest.raises(ValueError, match="not XML"):
            one.call("<a")


def test_who_may_not_is_refused() -> None:
    with product() as port, session(port) as one:
        assert one.login("alice", "wrong-password").outcome == "refused"
        assert one.get().problem == "no session: not logged in"
    with product() as port, Netconf(Server("127.0.0.1", port, HostKeys(["SHA256:" + "A" * 43]))) as one:
        assert one.login("alice", "right-password").outcome == "untrusted"


@pytest.mark.parametrize("hello", [b"", b"garbage]]>]]>", b"<hello/>]]>]]>", b"x" * 100_000], ids=range(4))
def test_without_a_hello_there_is_no_session(hello: bytes) -> None:
    began = time.monotonic()
    with product(hello=hello) as port, session(port, within=2.0) as one:
        login = one.login("alice", "right-password")
        assert login.outcome == "closed"
        assert login.said.isprintable()
    assert time.monotonic() - began < 30


def endless(number: str, rpc: str) -> bytes:
    return f'<rpc-reply xmlns="{BASE}" message-id="{number}">'.encode() + b"<a>x</a>" * 4_000_000


def deep(number: str, rpc: str) -> bytes:
    return f'<rpc-reply xmlns="{BASE}" message-id="{number}">'.encode() + b"<a>" * 100_000 + b"]]>]]>"


def laughs(number: str, rpc: str) -> bytes:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 20))
    head = f'<!DOCTYPE x [<!ENTITY a0 "ha">{entities}]>'
    return f'{head}<rpc-reply xmlns="{BASE}" message-id="{number}">&a19;</rpc-reply>]]>]]>'.encode()


def other(number: str, rpc: str) -> bytes:
    return f'<rpc-reply xmlns="{BASE}" message-id="not-{number}"><ok/></rpc-reply>]]>]]>'.encode()


@pytest.mark.parametrize("answer", [endless, deep, laughs, other])
def test_a_hostile_reply_costs_little(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netconf, "MAX_REPLY", 1 << 20)
    began = time.monotonic()
    with product(answer) as port, session(port, within=3.0) as one:
        assert one.login("alice", "right-password").outcome == "in"
        ran = one.get()
        assert ran.status is None or len(ran.out) < 300_000
    assert time.monotonic() - began < 40
