"""What the view of old algorithms owes: the server's own lists, offers one by one, nothing from garbage."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from daemons import sshd
from hypothesis import given
from hypothesis import strategies as st

from drivers import ssh_legacy
from drivers.ssh import Server

MODERN = (
    "KexAlgorithms curve25519-sha256,diffie-hellman-group14-sha1\nCiphers aes256-ctr\nMACs hmac-sha2-256\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd(tmp_path_factory.mktemp("sshd"), extra=MODERN) as port:
        yield Server("127.0.0.1", port, within=5.0)


@pytest.mark.root
@pytest.mark.daemon
def test_the_lists_are_the_servers(server: Server) -> None:
    found = ssh_legacy.algorithms(server)
    assert found.problem == ""
    assert found.version.startswith("SSH-2.0-OpenSSH")
    assert set(found.kex) >= {"curve25519-sha256", "diffie-hellman-group14-sha1"}
    assert found.ciphers == ("aes256-ctr",)
    assert found.macs == ("hmac-sha2-256",)
    assert found.host_keys == ("ssh-ed25519",)


@pytest.mark.root
@pytest.mark.daemon
@pytest.mark.parametrize(
    ("option", "algorithm", "outcome"),
    [
        ("KexAlgorithms", "curve25519-sha256", "refused"),
        ("KexAlgorithms", "diffie-hellman-group14-sha1", "refused"),
        ("KexAlgorithms", "diffie-hellman-group1-sha1", "incompatible"),
        ("Ciphers", "3des-cbc", "incompatible"),
        ("MACs", "hmac-md5", "incompatible"),
        ("HostKeyAlgorithms", "ssh-rsa", "incompatible"),
    ],
)
def test_offers_are_told_one_by_one(server: Server, option: str, algorithm: str, outcome: str) -> None:
    login = ssh_legacy.negotiates(server, {option: algorithm})
    assert (login.outcome, login.said.isprintable()) == (outcome, True)


@pytest.mark.daemon
def test_what_our_client_does_not_speak_is_said() -> None:
    for offer in ({"Ciphers": "arcfour"}, {"KexAlgorithms": "none"}, {"ProxyCommand": "touch /tmp/x"}):
        with pytest.raises(ValueError, match=r"does not speak|the options are"):
            ssh_legacy.negotiates(Server("127.0.0.1", 1), offer)


@contextmanager
def saying(octets: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                with suppress(OSError):
                    sock, _ = listener.accept()
                    with sock:
                        sock.settimeout(5)
                        for _ in range(50):
                            sock.sendall(octets)
                        sock.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        done.set()
        thread.join()


@pytest.mark.daemon
@pytest.mark.parametrize(
    "octets", [b"x" * (1 << 20), b"SSH-2.0-\x1b[31m\r\n", b"\0" * 1000, b"SSH-1.5-old\r\n"], ids=range(4)
)
def test_a_hostile_server_gives_no_lists(octets: bytes) -> None:
    with saying(octets) as port:
        server = Server("127.0.0.1", port, within=2.0)
        found = ssh_legacy.algorithms(server)
        assert found.problem
        assert found.problem.isprintable()
        assert ssh_legacy.negotiates(server, {}).outcome in ("closed", "silence", "incompatible")


@given(
    told=st.recursive(
        st.none() | st.text(max_size=20) | st.integers(),
        lambda x: (
            st.lists(x, max_size=4)
            | st.dictionaries(
                st.sampled_from(["kex", "key", "enc", "mac", "banner", "raw", "algorithm", "compression"]), x
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_lists_or_a_problem(told: object) -> None:
    if isinstance(told, dict):
        found = ssh_legacy._lists(json.loads(json.dumps(told)))
        assert found.problem or (found.kex and found.host_keys)
