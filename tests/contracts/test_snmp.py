"""What the SNMP driver owes: each version and level told apart, engines apart, and an end to every table."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from daemons import free_port, need, running
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import api

from assay.errors import UndeclaredError
from drivers import reach, snmp
from drivers.snmp import Agent, Community, User

NAME = "1.3.6.1.2.1.1.5.0"
CONFIG = """
createUser reader SHA-256 "authauth1" AES "privpriv1"
createUser plain SHA "authauth2"
rouser reader priv
rouser plain auth
rocommunity s3cretcommunity 127.0.0.1 .1.3.6.1.2.1.1
rwcommunity s3cretwriter 127.0.0.1 .1.3.6.1.2.1.1
sysName the-product
"""
READER = User("reader", "SHA-256", "authauth1", "AES", "privpriv1")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    need("snmpd")
    folder = tmp_path_factory.mktemp("snmpd")
    (folder / "snmpd.conf").write_text(CONFIG)
    port = free_port(socket.SOCK_DGRAM)
    words = [
        "env",
        f"SNMP_PERSISTENT_DIR={folder}",
        "snmpd",
        "-f",
        "-Le",
        "-C",
        "-c",
        str(folder / "snmpd.conf"),
    ]
    found = Agent("127.0.0.1", port, within=1.0)
    with running([*words, "-I", "-smux", f"udp:127.0.0.1:{port}"], folder):
        deadline = time.monotonic() + 20
        while snmp.get(found, Community("s3cretcommunity"), NAME).outcome != "answered":
            assert time.monotonic() < deadline, (folder / "daemon.log").read_text()
        yield found


@pytest.mark.daemon
@pytest.mark.parametrize(
    ("who", "outcome", "said"),
    [
        (Community("s3cretcommunity", "v1"), "answered", ""),
        (Community("s3cretcommunity"), "answered", ""),
        (READER, "answered", ""),
        (User("plain", "SHA", "authauth2"), "answered", ""),
        (Community("public"), "silence", "timeout"),
        (Community("public", "v1"), "silence", "timeout"),
        (User("reader", "SHA-256", "wrongwrong", "AES", "privpriv1"), "refused", "digest"),
        (User("nobody", "SHA", "authauth2"), "refused", "nknown"),
        (User("reader"), "refused", "uthorization"),
        (User("reader", "SHA-256", "authauth1"), "refused", "uthorization"),
        (User("reader", "SHA-256", "authauth1", "AES", "wrongwrong"), "silence", "timeout"),
    ],
)
def test_who_may_ask_is_told_apart(agent: Agent, who: Community | User, outcome: str, said: str) -> None:
    reply = snmp.get(agent, who, NAME)
    assert (reply.outcome, reply.values[:1]) == (
        outcome,
        ((NAME, "the-product"),) if outcome == "answered" else (),
    )
    assert said in reply.said
    for secret in ("authauth", "wrongwrong", "privpriv", "s3cret"):
        assert secret not in repr(who)
        assert secret not in reply.said


@pytest.mark.daemon
def test_a_walk_has_all_rows_and_its_end(agent: Agent) -> None:
    by_bulk, by_next = (snmp.walk(agent, Community("s3cretcommunity", v)) for v in ("v2c", "v1"))
    assert by_bulk.whole
    assert by_next.whole
    assert dict(by_bulk.values)[NAME] == "the-product"
    assert [name for name, _ in by_bulk.values] == [name for name, _ in by_next.values]
    some = snmp.walk(agent, READER, "1.3.6.1.2.1", rows=30)
    assert not some.whole
    assert len(some.values) == 30
    assert "more than 30 rows" in some.said


@pytest.mark.daemon
def test_many_communities_are_tried_at_once(agent: Agent) -> None:
    names = [*(f"guess{n}" for n in range(40)), "s3cretcommunity"]
    replies = snmp.tries(Agent("127.0.0.1", agent.port, within=0.5, retries=0), [Community(n) for n in names])
    assert [r.outcome for r in replies] == ["silence"] * 40 + ["answered"]


@pytest.mark.daemon
def test_a_reader_may_not_write(agent: Agent) -> None:
    assert snmp.put(agent, Community("s3cretcommunity"), NAME, "mine").outcome == "refused"
    assert snmp.following(agent, READER, "1.3.6.1.2.1.1.4").outcome == "answered"


def test_nothing_goes_to_an_address_that_is_not_declared() -> None:
    with reach.only([("127.0.0.1", 1)]), pytest.raises(UndeclaredError):
        snmp.get(Agent("127.0.0.1", 161), Community("public"), NAME)


# --- hostile agents ----------------------------------------------------------------------------------------

V2C = api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]


@contextmanager
def playing(answer: Callable[[bytes, int], bytes]) -> Iterator[Agent]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            number = 0
            while not done.is_set():
                try:
                    octets, peer = sock.recvfrom(65_535)
                except TimeoutError:
                    continue
                number += 1
                sock.sendto(answer(octets, number), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Agent("127.0.0.1", sock.getsockname()[1], within=1.0, retries=0)
        finally:
            done.set()
            thread.join()


def table(row: Callable[[int], tuple[str, str]]) -> Callable[[bytes, int], bytes]:
    """An agent whose every answer has ten rows."""

    def answer(octets: bytes, number: int) -> bytes:
        message, _ = decoder.decode(octets, asn1Spec=V2C.Message())
        response = V2C.apiMessage.get_response(message)
        pairs = [row(number * 10 + n) for n in range(10)]
        bindings = [(V2C.ObjectIdentifier(name), V2C.OctetString(value)) for name, value in pairs]
        V2C.apiPDU.set_varbinds(V2C.apiMessage.get_pdu(response), bindings)
        octets = encoder.encode(response)
        assert isinstance(octets, bytes)
        return octets

    return answer


def test_a_table_without_end_has_one() -> None:
    with playing(table(lambda n: (f"1.3.6.1.2.1.1.9.{n}", "\x1b[31m" * 50))) as agent:
        reply = snmp.walk(agent, Community("public"), rows=500)
        late = snmp.walk(agent, Community("public"), within=0.3)
    assert len(reply.values) == 500
    assert not reply.whole
    assert all(value.isprintable() for _, value in reply.values)
    assert not late.whole
    assert late.seconds < 5


def test_an_agent_that_goes_in_circles_is_left() -> None:
    with playing(table(lambda n: (f"1.3.6.1.2.1.1.9.{n % 10}", "x"))) as agent:
        reply = snmp.walk(agent, Community("public"))
    assert "goes back" in reply.said
    assert not reply.whole


@pytest.mark.parametrize(
    "octets", [b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x80" * 500, bytes(60_000), b"\xff" * 40]
)
def test_garbage_is_silence_or_refusal(octets: bytes) -> None:
    with playing(lambda request, number: octets) as agent:
        for who in (Community("public"), User("x", "SHA", "authauth1")):
            reply = snmp.get(agent, who, NAME)
            assert reply.outcome in ("silence", "refused")
            assert reply.said.isprintable()
            assert reply.seconds < 5
