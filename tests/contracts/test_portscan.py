"""What a port scan owes: every open port, silence told from service, and nothing to who is not declared."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from daemons import need, running

from assay.errors import UndeclaredError
from drivers import portscan, reach

HOST = "127.7.7.7"


@contextmanager
def answering(port: int, reply: Callable[[bytes], bytes]) -> Iterator[None]:
    """A UDP service that answers what `reply` makes of a datagram, or keeps silent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, port))
        sock.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    octets, peer = sock.recvfrom(65_535)
                except TimeoutError:
                    continue
                if said := reply(octets):
                    sock.sendto(said, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def gtpu(octets: bytes) -> bytes:
    return b"\x32\x02\x00\x06\x00\x00\x00\x00\x00\x01\x00\x00\x0e\x00" if octets[1:2] == b"\x01" else b""


def pfcp(octets: bytes) -> bytes:
    return b"\x20\x02\x00\x0c" + octets[4:16] if octets[:2] == b"\x20\x01" else b""


def ntp(octets: bytes) -> bytes:
    return b"\x24" + bytes(47) if len(octets) == 48 else b""


@pytest.mark.root
@pytest.mark.daemon
def test_all_tcp_ports_are_seen() -> None:
    need("nmap", root=True)
    seen: list[float] = []
    with ExitStack() as held:
        for port in (22, 8805, 65_535):
            held.enter_context(socket.create_server((HOST, port)))
        found = portscan.scan(HOST, "tcp", rate=50_000, progress=seen.append, within=120)
    assert found.problem == ""
    assert {p.number for p in found.ports if p.state == "open"} >= {22, 8805, 65_535}
    assert found.scanned == 65_535 == found.closed + len(found.ports)  # others of this machine may listen


@pytest.mark.root
@pytest.mark.daemon
def test_a_silent_udp_port_is_asked_in_its_own_protocol(tmp_path: Path) -> None:
    need("nmap", "snmpd", root=True)
    config = tmp_path / "snmpd.conf"
    config.write_text("rouser nobody priv\n")
    words = ["snmpd", "-f", "-Lo", "-C", "-c", str(config), "-I", "-smux", "-p", str(tmp_path / "pid")]
    with ExitStack() as held:
        held.enter_context(answering(2152, gtpu))
        held.enter_context(answering(8805, pfcp))
        held.enter_context(answering(123, ntp))
        held.enter_context(answering(9999, lambda octets: b""))
        held.enter_context(running([*words, f"udp:{HOST}:161"], tmp_path))
        until(lambda: portscan.probe(HOST, 161)[1] == "answered")
        found = portscan.scan(HOST, "udp", "123,161,162,2152,8805,9999", rate=10_000, within=120)
    assert found.problem == ""
    states = {p.number: p.state for p in found.ports}
    assert states == {123: "open", 161: "open", 2152: "open", 8805: "open", 9999: "open|filtered"}
    assert found.closed == 1


def until(done: Callable[[], bool]) -> None:
    for _ in range(50):
        if done():
            return
        threading.Event().wait(0.1)
    pytest.fail("it did not come up")


def test_a_probe_tells_silence_answer_and_refusal() -> None:
    with answering(2152, gtpu), answering(8805, lambda octets: b"\xff" * 2000):
        assert portscan.probe(HOST, 2152) == ("gtp-u echo", "answered")
        assert portscan.probe(HOST, 8805) == ("", "silence")  # garbage is no answer of the protocol
    assert portscan.probe(HOST, 2152) == ("gtp-u echo", "closed")


def test_only_declared_hosts_are_scanned() -> None:
    with reach.only([(HOST, 22)], hosts=["127.0.0.1"]):
        reach.check_host("127.0.0.1")
        for scan in (lambda: portscan.scan(HOST, "tcp", "1"), lambda: portscan.probe(HOST, 161)):
            with pytest.raises(UndeclaredError):
                scan()


@pytest.mark.parametrize(
    ("xml", "problem"),
    [
        (b"", "cannot be read"),
        (b"<nmaprun>", "cannot be read"),
        (b"<nmaprun></nmaprun>", "did not finish"),
        (b'<nmaprun><runstats><finished exit="success"/></runstats></nmaprun>', "nothing about the host"),
        (
            b'<nmaprun><host timedout="true"/><runstats><finished exit="success"/></runstats></nmaprun>',
            "gave the host up",
        ),
        (b'<nmaprun><host/><runstats><finished exit="error"/></runstats></nmaprun>', "did not finish"),
    ],
)
def test_a_scan_that_is_not_whole_says_so(xml: bytes, problem: str) -> None:
    assert problem in portscan.read(xml, HOST, "tcp").problem


def test_what_a_service_says_is_made_harmless() -> None:
    xml = (
        b'<nmaprun><host><ports><extraports state="closed" count="9"/><port portid="22"><state state="open" '
        b'reason="syn-ack"/><service name="ssh&#x9;" product="&#x202e;evil&#10;x" method="probed"/></port>'
        b'</ports></host><runstats><finished exit="success"/></runstats></nmaprun>'
    )
    (port,) = portscan.read(xml, HOST, "tcp").ports
    assert port.product.isprintable()
    assert port.service.isprintable()


def test_ports_from_which_nothing_came_are_counted() -> None:
    xml = (
        b'<nmaprun><host><ports><extraports state="filtered" count="65000">'
        b'<extrareasons reason="no-response" count="64000"/>'
        b'<extrareasons reason="admin-prohibited" count="1000"/></extraports>'
        b'<extraports state="closed" count="9"><extrareasons reason="reset" count="9"/></extraports>'
        b'<port portid="22"><state state="open" reason="syn-ack"/></port>'
        b'<port portid="161"><state state="filtered" reason="no-response"/></port>'
        b'</ports></host><runstats><finished exit="success"/></runstats></nmaprun>'
    )
    found = portscan.read(xml, HOST, "tcp")
    assert (found.silent, found.closed, found.scanned) == (64_001, 9, 65_011)


@pytest.mark.parametrize("ports", ["1-", "x", "22,,23", "-5x"])
def test_a_list_of_ports_is_checked_before_anything_is_sent(ports: str) -> None:
    if ports == "1-":
        assert len(portscan._numbers(ports)) == 65_535
    else:
        with pytest.raises(ValueError, match="invalid literal"):
            portscan.scan(HOST, "tcp", ports)
