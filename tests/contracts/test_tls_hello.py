"""Offers of TLS to OpenSSL's server, to one of every old sort by hand, and to those that talk nonsense."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from daemons import authority, certificate, free_port, need, running

from drivers import plaintext, tls_hello, tls_request
from drivers.interfaces.tls_suites import SUITES, WEAK, good, numbers, of_class, spelled, weak
from drivers.tls_hello import offer
from drivers.web import Site

EVERY = tuple(SUITES.values())


@contextmanager
def server(folder: Path, *words: str) -> Iterator[int]:
    need("openssl")
    port = free_port()
    ca = authority(folder)
    own, key = certificate(folder, "server", ca)
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(own), "-key", str(key)]
    with running([*command, "-quiet", *words], folder, port):
        yield port


@pytest.mark.daemon
def test_what_a_server_allows_is_chosen_and_nothing_else(tmp_path: Path) -> None:
    with server(tmp_path, "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") as port:
        told = offer("127.0.0.1", port, "1.3", good("1.3"))
        assert (told.outcome, told.version) == ("chosen", "1.3")
        told = offer("127.0.0.1", port, "1.2", good("1.2"))
        assert (told.outcome, told.version, told.signature) == ("chosen", "1.2", "sha256")
        assert "WITH_AES_128_GCM_SHA256" in told.suite
        told = offer("127.0.0.1", port, "1.3", good("1.3"), groups=("secp384r1",))
        assert (told.outcome, told.said) == ("chosen", "another key share was asked for")
        assert offer("127.0.0.1", port, "1.2", good("1.2"), weak_signatures=True).outcome == "alert"
        for version in ("SSL 3.0", "1.0", "1.1"):
            assert offer("127.0.0.1", port, version, EVERY).outcome in ("alert", "closed")
        for kind in WEAK:
            assert offer("127.0.0.1", port, "1.2", of_class(kind)).outcome == "alert"


@pytest.mark.daemon
@pytest.mark.parametrize(("version", "option"), [("1.0", "-tls1"), ("1.1", "-tls1_1"), ("1.2", "-tls1_2")])
def test_an_old_server_shows_what_it_takes(tmp_path: Path, version: str, option: str) -> None:
    with server(tmp_path, option, "-cipher", "ALL:@SECLEVEL=0") as port:
        told = offer("127.0.0.1", port, version, of_class("CBC"))
        assert (told.outcome, told.version) == ("chosen", version)
        assert "CBC" in weak(told.suite)
        told = offer("127.0.0.1", port, version, of_class("anonymous"))
        assert (told.outcome, told.suite.partition("_WITH")[0]) in (
            ("chosen", "ECDH_anon"),
            ("chosen", "DH_anon"),
        )
        if version == "1.2":
            told = offer("127.0.0.1", port, version, good("1.2"), weak_signatures=True)
            assert (told.outcome, told.signature) == ("chosen", "sha1")


@contextmanager
def canned(answer: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock = listener.accept()[0]
            with sock:
                sock.recv(65_536)
                sock.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def server_hello(version: int, suite: int) -> bytes:
    body = struct.pack(">H", version) + bytes(32) + b"\0" + struct.pack(">HB", suite, 0)
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16" + struct.pack(">HH", version, len(message)) + message


def test_what_no_library_speaks_is_told() -> None:
    for version, suite, name in (
        (0x0300, 0x000A, "RSA_WITH_3DES_EDE_CBC_SHA"),
        (0x0303, 5, "RSA_WITH_RC4_128_SHA"),
    ):
        with canned(server_hello(version, suite)) as port:
            told = offer("127.0.0.1", port, "1.2", EVERY)
            spelled_version = {0x0300: "SSL 3.0", 0x0303: "1.2"}[version]
            assert (told.outcome, told.version, told.suite) == ("chosen", spelled_version, name)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "nonsense"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "alert"),
        (b"\x15\x03\x01\x00\x01\x02", "nonsense"),
        (b"\x16\x03\x03\x00\x06\x02\x00\x00\x02\x03\x03", "nonsense"),
        (b"\x16\x03\x03\xff\xff", "nonsense"),
        (b"\x16\x03\x03\x00\x04\x0b\x00\x00\x00" * 20_000, "nonsense"),
    ],
    ids=("nothing", "http", "alert", "cut-alert", "cut-hello", "huge", "endless"),
)
def test_nonsense_chooses_nothing(answer: bytes, outcome: str) -> None:
    with canned(answer) as port:
        told = offer("127.0.0.1", port, "1.2", EVERY)
        assert (told.outcome, told.version, told.suite) == (outcome, "", "")


def test_a_silent_server_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert (
            offer("127.0.0.1", listener.getsockname()[1], "1.3", good("1.3"), within=0.2).outcome == "silence"
        )
    assert offer("127.0.0.1", free_port(), "1.3", good("1.3")).outcome == "closed"
    with pytest.raises(ValueError, match="no such cipher suite: X"):
        offer("127.0.0.1", 1, "1.2", ("X",))
    assert tls_hello.VERSIONS.keys() > {"1.2", "1.3"}


def test_suites_have_their_names_and_weaknesses() -> None:
    assert numbers(["AES_128_GCM_SHA256", "RSA_WITH_RC4_128_SHA"]) == (0x1301, 5)
    assert spelled("ECDHE-ECDSA-AES256-GCM-SHA384") == "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
    assert spelled("TLS_AES_256_GCM_SHA384") == "AES_256_GCM_SHA384"
    assert spelled("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256") == "ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    assert spelled("NOTHING") == ""
    assert weak("RSA_WITH_RC4_128_SHA") == ("RC4", "static RSA")
    assert weak("ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256") == ()
    assert weak("DHE_RSA_WITH_3DES_EDE_CBC_SHA") == ("DES", "CBC")


@pytest.mark.daemon
def test_a_request_is_narrowed_to_one_suite_and_group(tmp_path: Path) -> None:
    with server(tmp_path, "-www", "-cipher", "ECDHE+AESGCM", "-groups", "P-256:P-384") as port:
        site = Site("127.0.0.1", port, trust=tmp_path / "ca.pem", within=10)
        told = tls_request.get(site, "/", "1.3", "TLS_AES_128_GCM_SHA256", "secp384r1")
        assert (told.outcome, told.status, told.tls) == ("answered", 200, "TLSv1.3 TLS_AES_128_GCM_SHA256")
        told = tls_request.get(site, "/", "1.2", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
        assert (told.outcome, told.tls[:8]) == ("answered", "TLSv1.2 ")
        assert tls_request.get(site, "/", "1.3", group="x25519").outcome == "closed"
        assert tls_request.get(site, "/", "1.2", "ECDHE-ECDSA-CHACHA20-POLY1305").outcome == "closed"
        other = authority(tmp_path, "other")
        told = tls_request.get(Site("127.0.0.1", port, trust=other, within=10), "/", "1.3")
        assert told.outcome == "untrusted"
    with pytest.raises(ValueError, match="TLS"):
        tls_request.get(site, "/", "1.1")


def test_what_comes_in_clear_is_told() -> None:
    with canned(b"login: \x1b[2J") as port:
        told = plaintext.ask("127.0.0.1", port, b"x", within=5)
        assert (told.which, told.text, told.ended) == (0, "login: \\x1b[2J", True)
    assert plaintext.ask("127.0.0.1", free_port(), b"x", within=5).which is None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told = plaintext.ask("127.0.0.1", listener.getsockname()[1], b"x", within=0.2)
        assert (told.which, told.ended) == (None, False)
