"""What the log collector owes: every record with its peer, proof of the sender over TLS, and its bounds."""

import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from daemons import authority, certificate, need, running
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import LabError
from drivers import syslog
from drivers.syslog import Collector, Tls

RSYSLOG = """
global(workDirectory="{folder}")
$DefaultNetstreamDriverCAFile {folder}/ca.pem
$DefaultNetstreamDriverCertFile {folder}/product.pem
$DefaultNetstreamDriverKeyFile {folder}/product.key
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="{local}")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="{protocol}" {more}
  action.resumeRetryCount="-1" action.resumeInterval="1" template="RSYSLOG_SyslogProtocol23Format")
"""
TLS = 'StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid"'


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.daemon
@pytest.mark.parametrize(
    ("transport", "more"),
    [("udp", ""), ("tcp", ""), ("tcp", 'TCP_Framing="octet-counted"'), ("tls", TLS)],
)
def test_rsyslog_is_heard(tmp_path: Path, transport: str, more: str) -> None:
    need("rsyslogd", "openssl")
    ca = authority(tmp_path)
    tls = Tls(*certificate(tmp_path, "collector", ca), clients=ca)
    certificate(tmp_path, "product", ca)
    with Collector("127.0.0.1", transport, tls=tls) as collector:  # type: ignore[arg-type]
        local = free_port()
        config = tmp_path / "rsyslog.conf"
        protocol = "udp" if transport == "udp" else "tcp"
        words = {
            "folder": tmp_path,
            "local": local,
            "port": collector.port,
            "protocol": protocol,
            "more": more,
        }
        config.write_text(RSYSLOG.format(**words))
        with (
            running(["rsyslogd", "-n", "-i", str(tmp_path / "pid"), "-f", str(config)], tmp_path),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        ):
            deadline = time.monotonic() + 20
            while not collector.received("marker-1"):
                assert time.monotonic() < deadline, (tmp_path / "daemon.log").read_text()
                sock.sendto(b"<86>Nov 25 04:00:00 host sshd[7]: marker-1", ("127.0.0.1", local))
                collector.received("marker-1", within=0.5)
            sock.sendto(b"<86>Nov 25 04:00:00 host sshd[7]: marker-2 \x1b[31m", ("127.0.0.1", local))
            (record,) = collector.received("marker-2", within=10)
    assert record.priority == 86
    assert record.transport == transport
    assert record.text.isprintable()
    assert record.peer.startswith("127.0.0.1:")
    assert record.subject == ("commonName=product" if transport == "tls" else "")
    assert collector.problems == []


def knock(port: int, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
    ):
        sock.sendall(b"<1>let me in\n")
        if not sock.recv(1):
            raise ConnectionResetError("EOF")


@pytest.mark.daemon
def test_a_sender_without_the_right_certificate_is_not_heard(tmp_path: Path) -> None:
    need("openssl")
    ca = authority(tmp_path)
    authority(tmp_path, "other")
    foreign = certificate(tmp_path, "foreign", tmp_path / "other.pem")
    tls = Tls(*certificate(tmp_path, "collector", ca), clients=ca)
    with Collector("127.0.0.1", "tls", tls=tls) as collector:
        for own in (None, foreign):
            context = ssl.create_default_context(cafile=str(ca))
            if own is not None:
                context.load_cert_chain(*own)
            with pytest.raises(OSError, match=r"(?i)alert|reset|pipe|eof"):
                knock(collector.port, context)
        assert collector.received("let me in", within=0.3) == ()
    assert len(collector.problems) >= 1


def test_framings_and_ends_are_told_apart() -> None:
    with Collector("127.0.0.1", "tcp") as collector:
        with socket.create_connection(("127.0.0.1", collector.port)) as sock:
            sock.sendall(b"<1>one\n11 <2>two\nmore<3>three")
        assert collector.received("three", within=5)
    assert [r.text for r in collector.records] == ["<1>one", "<2>two\nmore", "<3>three"]


@pytest.mark.parametrize("octets", [b"x" * (1 << 20), b"999999 x", b"65537 ", b"9999999999 x"])
def test_a_record_without_an_end_costs_the_connection(octets: bytes) -> None:
    with (
        Collector("127.0.0.1", "tcp") as collector,
        socket.create_connection(("127.0.0.1", collector.port)) as sock,
    ):
        sock.settimeout(10)
        with suppress(ConnectionError):
            sock.sendall(octets)
            assert sock.recv(1) == b""
    assert collector.records == []
    assert any("at most" in problem for problem in collector.problems)


def test_more_than_is_kept_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "MAX_RECORDS", 50)
    with Collector("127.0.0.1", "tcp") as collector:
        with socket.create_connection(("127.0.0.1", collector.port)) as sock:
            sock.sendall(b"<1>x\n" * 10_000)
        deadline = time.monotonic() + 10
        while not collector.problems:
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
    assert len(collector.records) == 50
    assert "dropped" in collector.problems[0]


def test_one_who_is_slow_does_not_hold_up_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "HANDSHAKE_S", 0.5)
    ca = authority(tmp_path)
    tls = Tls(*certificate(tmp_path, "collector", ca))
    with (
        Collector("127.0.0.1", "tls", tls=tls) as collector,
        socket.create_connection(("127.0.0.1", collector.port)) as slow,  # no handshake, ever
    ):
        context = ssl.create_default_context(cafile=str(ca))
        plain = socket.create_connection(("127.0.0.1", collector.port))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
            sock.sendall(b"<1>quick\n")
            assert collector.received("quick", within=5)
        slow.settimeout(10)
        assert slow.recv(1) == b""
    assert any("in time" in problem for problem in collector.problems)


def test_more_connections_than_are_served_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "MAX_PEERS", 3)
    with Collector("127.0.0.1", "tcp") as collector:
        socks = [socket.create_connection(("127.0.0.1", collector.port)) for _ in range(4)]
        socks[3].settimeout(10)
        assert socks[3].recv(1) == b""
        socks[0].sendall(b"<1>still heard\n")
        assert collector.received("still heard", within=5)
        for sock in socks:
            sock.close()


def test_a_port_that_is_taken_is_said() -> None:
    with Collector("127.0.0.1", "tcp") as collector, pytest.raises(LabError, match="no collector at"):
        Collector("127.0.0.1", "tcp", port=collector.port)


@given(octets=st.binary(max_size=300), cut=st.integers(0, 300))
def test_garbage_is_split_without_loss_of_bounds(octets: bytes, cut: int) -> None:
    held = bytearray(octets[:cut])
    try:
        first = list(syslog.split(held))
        held += octets[cut:]
        rest = list(syslog.split(held, ended=True))
    except ValueError:
        return
    assert sum(map(len, first + rest)) <= len(octets)
    assert not held
