"""What every HTTP/2 client and server of ours promises, towards each other and towards a hostile peer."""

import ipaddress
import itertools
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import hpack
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from assay.errors import LabError
from assay.evidence import PREFACE, Trace
from drivers.interfaces import Answer, Closed, Refused, Reply, Silence
from drivers.sbi import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAGIC,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Client,
    Hold,
    Later,
    Limits,
    Outcome,
    Request,
    Response,
    Server,
    answer,
    frame,
    header_block,
    join_parts,
    printable,
    split_parts,
    tls_context,
)

HOST = ("127.0.0.1", 0)
WAIT = 10.0
SHORT = Limits(partial_s=0.3)
GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"x"), (b":path", b"/a?b=1")]
VALID = frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block(GET))


def echo(request: Request) -> Response:
    headers = {"x-path": request.path, "x-query": str(dict(request.query)), "content-type": "text/plain"}
    return Response(200, headers, request.body)


@contextmanager
def serving(
    handler: Callable[[Request], Outcome] = echo, limits: Limits | None = None, **more: object
) -> Iterator[tuple[Server, Client]]:
    server = Server(HOST, handler=handler, trace=Trace(), limits=limits, **more)  # type: ignore[arg-type]
    client = Client(server.address, Trace())
    try:
        yield server, client
    finally:
        client.close()
        server.close()
    assert not server.failure


def event(trace: Trace, name: str) -> dict[str, object]:
    found = trace.wait(lambda one: one.name == name, within=WAIT)
    assert found is not None, [one.name for one in trace.since()]
    return dict(found.facts)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def works(server: Server) -> bool:
    client = Client(server.address, Trace())
    try:
        return isinstance(client.request("GET", "/alive", timeout=WAIT), Reply)
    finally:
        client.close()


# --- exchanges --------------------------------------------------------------------------------------------


def test_a_request_and_its_answer() -> None:
    with serving() as (server, client):
        reply = client.request(
            "POST", "/n/v1?a=1&b=x%2Cy&a=2", headers=[("X-Id", "7")], body=b"hi", timeout=WAIT
        )
        assert isinstance(reply, Reply)
        assert (reply.status, reply.body, reply.headers["x-path"]) == (200, b"hi", "/n/v1")
        assert reply.headers["x-query"] == "{'a': '1,2', 'b': 'x,y'}"
        assert server.uri == f"http://127.0.0.1:{server.address[1]}"


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 65_535, 65_536, 1 << 20])
def test_bodies_pass_flow_control_both_ways(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with serving() as (_, client):
        reply = client.request("POST", "/", body=body, timeout=WAIT)
        assert isinstance(reply, Reply)
        assert reply.body == body


def test_fifty_streams_are_open_at_a_time() -> None:
    held: list[Request] = []

    def hold(request: Request) -> Hold:
        held.append(request)
        return Hold()

    with serving(hold) as (server, client), ThreadPoolExecutor(50) as pool:
        answers = [pool.submit(client.request, "GET", f"/{i}", timeout=WAIT) for i in range(50)]
        until(lambda: len(held) == 50)
        assert len({request.connection for request in held}) == 1
        for request in reversed(held):
            server.release(request, Response(200, {}, request.path.encode()))
        replies = [one.result() for one in answers]
        assert [r.body for r in replies if isinstance(r, Reply)] == [b"/%d" % i for i in range(50)]


def test_more_requests_than_the_server_allows_wait_their_turn() -> None:
    limits = Limits(streams=3)
    with serving(lambda r: Later(0.01, Response(204)), limits) as (_, client), ThreadPoolExecutor(20) as pool:
        client.request("GET", "/", timeout=WAIT)  # what the server allows is known from here on
        replies = list(pool.map(lambda i: client.request("GET", "/", timeout=WAIT), range(20)))
        assert replies == [Reply(204)] * 20


def test_a_late_answer_holds_up_nobody() -> None:
    def handler(request: Request) -> Outcome:
        return Later(0.5, Response(200)) if request.path == "/late" else Response(200)

    with serving(handler) as (_, client), ThreadPoolExecutor(1) as pool:
        begun = time.monotonic()
        late = pool.submit(client.request, "GET", "/late", timeout=WAIT)
        while not late.done():
            assert client.request("GET", "/now", timeout=WAIT) == Reply(200)
            now = now_done = time.monotonic() - begun
            assert now == now_done
        assert late.result() == Reply(200)
        assert time.monotonic() - begun >= 0.49


def test_giving_up_a_held_request_is_seen() -> None:
    ends: list[tuple[str, str]] = []
    with serving(lambda r: Hold(), on_end=lambda r, how: ends.append((r.path, how))) as (server, client):
        assert client.request("GET", "/held", timeout=0.1) == Silence(0.1)
        assert event(server.trace, "STREAM RESET") == {"request": "GET /held", "by": "product"}
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(client.request, "GET", "/cut", timeout=WAIT)
            until(lambda: any(c.streams for c in server.connections))
            client.close()
            assert pending.result() == Closed()
        assert event(server.trace, "CONNECTION CLOSED") == {"request": "GET /cut", "by": "product"}
        until(lambda: len(ends) == 2)
        assert ends == [("/held", "STREAM RESET"), ("/cut", "CONNECTION CLOSED")]


def test_closing_the_server_blames_nobody_and_is_quick() -> None:
    with serving(lambda r: Hold()) as (server, client), ThreadPoolExecutor(1) as pool:
        pending = pool.submit(client.request, "GET", "/", timeout=WAIT)
        idle = socket.create_connection(server.address)
        until(lambda: any(c.streams for c in server.connections) and len(server.connections) == 2)
        begun = time.monotonic()
        server.close()
        server.close()
        assert time.monotonic() - begun < 2
        assert pending.result() == Closed()
        assert not server.trace.since()
        assert client.request("GET", "/", timeout=WAIT) == Refused("connection refused")
        idle.close()
        client.close()
        with pytest.raises(LabError, match="closed"):
            client.request("GET", "/", timeout=WAIT)


def test_what_a_handler_raises_is_kept_and_survived() -> None:
    server = Server(HOST, handler=lambda r: answer(200, {1, 2}), trace=Trace())
    client = Client(server.address, Trace())
    reply = client.request("GET", "/boom", timeout=WAIT)
    assert isinstance(reply, Reply)
    assert reply.status == 500
    assert "GET /boom: TypeError" in server.failure
    server.handler = lambda request: Response(200, {"x": "\u20ac"})
    assert client.request("GET", "/", timeout=WAIT) == Refused("GOAWAY INTERNAL_ERROR")
    client.close()
    server.close()


def test_an_address_in_use_is_a_lab_error() -> None:
    with serving() as (server, _), pytest.raises(LabError, match=r"cannot listen on .*no other program"):
        Server(server.address, handler=echo, trace=Trace())
    for wrong in (("192.0.2.1", 0), ("127.0.0.1", 70_000), ("not-an-address.invalid", 0)):
        with pytest.raises(LabError, match="cannot listen on"):
            Server(wrong, handler=echo, trace=Trace())


# --- evidence ---------------------------------------------------------------------------------------------


def blocks(trace: Trace) -> list[list[tuple[str, str]]]:
    """Every header block, each decoded by a decoder that knows nothing."""
    found = []
    for one in trace.frames:
        data = one.data.removeprefix(MAGIC)
        while data:
            end = 9 + int.from_bytes(data[:3], "big")
            assert len(data) >= end
            if data[3] == HEADERS:
                assert data[4] & END_HEADERS
                found.append([(str(n), str(v)) for n, v in hpack.Decoder().decode(data[9:end])])
            data = data[end:]
    return found


def test_every_block_in_the_trace_decodes_without_the_past() -> None:
    """This peer indexes what it sends and sends it twice: on the wire the second block needs the first."""
    with serving() as (server, _), socket.create_connection(server.address, WAIT) as link:
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        peer.initiate_connection()
        fields = [(n.decode(), v.decode()) for n, v in GET] + [("x-custom", "value" * 20)]
        sizes = []
        for stream in (1, 3):
            link.sendall(peer.data_to_send())
            peer.send_headers(stream, fields, end_stream=True)
            data = peer.data_to_send()
            sizes.append(len(data))
            link.sendall(data)
            done = False
            while not done:
                events = peer.receive_data(link.recv(65_536))
                done = any(isinstance(one, h2.events.StreamEnded) for one in events)
        assert sizes[1] < sizes[0] / 3
        asked, told, again, repeated = blocks(server.trace)
        assert asked == again == fields
        assert told == repeated
        assert told[0] == (":status", "200")
        first = server.trace.frames[0]
        assert first.received
        assert first.data.startswith(MAGIC)
        assert first.flow is not None
        assert not first.flow.bench_opened


def test_both_ends_trace_the_same_conversation_after_a_new_beginning() -> None:
    with serving() as (server, client):
        client.request("GET", "/first", timeout=WAIT)
        server.trace.begin()
        client.trace.begin()
        client.request("POST", "/second", body=b"x" * 40_000, timeout=WAIT)
        assert blocks(server.trace) == blocks(client.trace)
        assert len(blocks(server.trace)) == 2
        for trace, received in ((server.trace, True), (client.trace, False)):
            assert trace.frames[0].data == PREFACE
            sent = [f.data for f in trace.frames[1:] if f.received is received and f.data[3] == DATA]
            assert sum(len(data) - 9 for data in sent) == 40_000


def test_an_answer_is_in_the_trace_before_the_peer_can_react() -> None:
    told: list[int] = []
    with serving(on_answer=lambda r, response, number: told.append(number)) as (server, client):
        client.request("GET", "/", timeout=WAIT)
        assert server.trace.frames[told[0] - 1].data[3] == HEADERS
        assert not server.trace.frames[told[0] - 1].received


def test_names_from_the_wire_are_printable() -> None:
    assert printable("a\x1b[2J\r\n\u202e\ud800") == "a\\x1b[2J\\r\\n\\u202e\\ud800"
    names: list[str] = []

    def note(request: Request) -> Response:
        names.append(request.name)
        return Response(200)

    with serving(note) as (_, client):
        client.request("GET", "/\x1b[2J" + "x" * 5_000, timeout=WAIT)
    assert all(name.isprintable() and len(name) < 300 for name in names)


# --- a hostile client -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        PREFACE + frame(DATA, 0, 0, b"x"),
        PREFACE + frame(DATA, 0, 1, b"x"),
        PREFACE + frame(HEADERS, END_HEADERS, 2, header_block(GET)),
        PREFACE + frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff"),
        PREFACE + frame(HEADERS, END_HEADERS, 1, b"\xbe"),
        PREFACE + frame(HEADERS, END_HEADERS, 1, header_block([*GET, (b":path", b"/")])),
        PREFACE + frame(HEADERS, END_HEADERS, 1, header_block([*GET, (b"X", b"1")])),
        PREFACE + frame(HEADERS, END_HEADERS, 1, header_block([*GET, (b"x", b"1" * 16_000)] * 3)[:16_000]),
        PREFACE + frame(HEADERS, 0, 1, header_block(GET)) + frame(PING, 0, 0, bytes(8)),
        PREFACE + frame(CONTINUATION, 0, 1, b""),
        PREFACE + frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1, b"") * 1_000,
        PREFACE + frame(WINDOW_UPDATE, 0, 0, bytes(4)),
        PREFACE + frame(SETTINGS, 0, 0, b"\0\5\0\0\0\1"),
        PREFACE + frame(SETTINGS, 0, 0, b"\0"),
        PREFACE + frame(5, END_HEADERS, 1, bytes(4)),
        PREFACE + b"\xff\xff\xff" + bytes(60_000),
        PREFACE + VALID * 2,
    ],
)
def test_malformed_octets_end_the_connection_and_nothing_else(data: bytes) -> None:
    with serving() as (server, client):
        reaction = client.raw(data, timeout=WAIT, preface=False)
        assert isinstance(reaction, (Refused, Closed, Reply))
        facts = event(server.trace, "HTTP/2 PROTOCOL ERROR")
        assert str(facts["error"]).isprintable()
        until(lambda: not server.connections)
        assert works(server)


def test_header_lists_beyond_the_limit_are_refused_however_small_on_the_wire() -> None:
    """Each indexed octet stands for 4,000: a decoder without a limit would build 64 MB."""
    entry = b"\x40" + b"\x01x" + b"\x7f" + (4_000 - 127 & 0x7F | 0x80).to_bytes() + (3_873 >> 7).to_bytes()
    bomb = header_block(GET) + entry + b"y" * 4_000 + b"\xbe" * 12_000
    with serving() as (server, client):
        assert client.raw(frame(HEADERS, 5, 1, bomb), timeout=WAIT) == Refused("GOAWAY ENHANCE_YOUR_CALM")
        event(server.trace, "HTTP/2 PROTOCOL ERROR")
        assert works(server)


@pytest.mark.parametrize(("size", "taken"), [(20_000, True), (36_000, False)])
def test_the_limit_of_header_lists_holds_over_continuations(size: int, taken: bool) -> None:
    block = header_block([*GET, *((b"x-%d" % i, b"y" * 1_000) for i in range(size // 1_000))])
    frames = [frame(HEADERS, END_STREAM, 1, block[:16_000])]
    rest = [block[at : at + 16_000] for at in range(16_000, len(block), 16_000)]
    frames += [frame(CONTINUATION, END_HEADERS if one is rest[-1] else 0, 1, one) for one in rest]
    with serving() as (_, client):
        assert isinstance(client.raw(b"".join(frames), timeout=WAIT), Reply) is taken


def test_random_octets_and_damaged_conversations_harm_nobody() -> None:
    dice = random.Random(33512)
    whole = (
        PREFACE
        + frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff")
        + frame(HEADERS, END_HEADERS, 1, header_block(GET))
        + frame(DATA, END_STREAM, 1, b"{}" * 50)
        + frame(PING, 0, 0, bytes(8))
        + frame(RST_STREAM, 0, 1, bytes(4))
        + frame(HEADERS, END_HEADERS | END_STREAM, 3, header_block(GET))
    )
    with serving() as (server, client):
        for _ in range(300):
            data = bytearray(whole)
            for _ in range(dice.randint(1, 4)):
                data[dice.randrange(24, len(data))] = dice.randrange(256)
            with socket.create_connection(server.address, WAIT) as link:
                link.sendall(data if dice.random() < 0.8 else MAGIC + dice.randbytes(200))
        until(lambda: works(server))
        assert isinstance(client.request("GET", "/", timeout=WAIT), (Reply, Closed))


def works_like(server: Server) -> Reply:
    client = Client(server.address, Trace())
    reply = client.request("GET", "/", timeout=WAIT)
    client.close()
    assert isinstance(reply, Reply)
    return reply


def test_a_body_beyond_the_limit_is_refused_before_it_is_whole() -> None:
    limits = Limits(body=100_000)
    with serving(limits=limits) as (server, client):
        reply = client.request("POST", "/big", body=bytes(10 << 20), timeout=WAIT)
        assert isinstance(reply, Reply)
        assert reply.status == 413
        assert event(server.trace, "REQUEST REFUSED")["request"] == "POST /big"
        received = sum(len(f.data) for f in server.trace.frames if f.received)
        assert received < 400_000
        assert client.request("GET", "/", timeout=WAIT) == works_like(server)


def test_bodies_of_unanswered_requests_are_bounded_together() -> None:
    limits = Limits(kept=1_000_000)
    with serving(lambda r: Hold(), limits) as (server, client), ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(client.request, "POST", "/", body=bytes(300_000), timeout=1) for _ in range(8)]
        statuses = [a.result().status for a in answers if isinstance(a.result(), Reply)]  # type: ignore[union-attr]
        assert statuses
        assert set(statuses) == {503}
        assert event(server.trace, "REQUEST REFUSED")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        MAGIC[:10],
        MAGIC,
        PREFACE + b"\0\0",
        PREFACE + VALID[:-1],
        PREFACE + frame(HEADERS, 0, 1, header_block(GET)),
    ],
    ids=["nothing", "half-magic", "magic", "half-head", "half-frame", "no-continuation"],
)
def test_a_dawdler_is_cut_off(data: bytes) -> None:
    with serving(limits=SHORT) as (server, _), socket.create_connection(server.address, WAIT) as link:
        link.sendall(data)
        begun = time.monotonic()
        while link.recv(65_536):
            pass
        assert 0.2 < time.monotonic() - begun < 3
        assert works(server)
        if not data:
            assert not server.trace.since()
            return
        assert "did not come within" in str(event(server.trace, "HTTP/2 PROTOCOL ERROR")["error"])


def test_an_octet_at_a_time_gains_no_time() -> None:
    with serving(limits=SHORT) as (server, _), socket.create_connection(server.address, WAIT) as link:
        link.sendall(PREFACE)
        begun = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - begun < 5:
                link.sendall(b"\0")
                time.sleep(0.02)
        assert time.monotonic() - begun < 5
        assert works(server)


def test_a_request_that_never_ends_is_refused() -> None:
    with serving(limits=SHORT) as (server, client):
        head = frame(HEADERS, END_HEADERS, 1, header_block(GET))
        reaction = client.raw(head, timeout=WAIT)
        assert isinstance(reaction, Reply)
        assert reaction.status == 408
        assert event(server.trace, "REQUEST REFUSED")["request"] == "GET /a"


def test_a_held_request_outlives_the_time_for_partial_ones() -> None:
    with serving(lambda r: Hold(), Limits(partial_s=0.5, idle_s=0.5)) as (server, client):
        assert client.request("GET", "/", timeout=1.5) == Silence(1.5)
        event(server.trace, "STREAM RESET")
        assert len(server.trace.since()) == 1


def test_a_peer_that_does_not_read_makes_nothing_grow() -> None:
    limits = Limits(partial_s=0.5, backlog=65_536)
    answered: list[int] = []

    def handler(request: Request) -> Response:
        answered.append(request.stream)
        return Response(200, {f"x-{i}": "y" * 1_000 for i in range(20)})

    with serving(handler, limits) as (server, _), socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        link.settimeout(WAIT)
        link.connect(server.address)
        link.sendall(PREFACE)
        block, stream = header_block(GET), itertools.count(1, 2)
        with suppress(OSError):
            for _ in range(2_000):
                assert all(len(one._buffer) < 1_000_000 for one in list(server.connections))
                link.sendall(b"".join(frame(HEADERS, 5, next(stream), block) for _ in range(1_000)))
        assert event(server.trace, "HTTP/2 PROTOCOL ERROR") == {"error": "the peer does not read"}
        assert len(answered) * 20_000 < 20_000_000  # what the sockets' buffers hold, and little more
        until(lambda: not server.connections)
        assert works(server)


def test_an_answer_that_flow_control_never_lets_out_is_given_up() -> None:
    none = frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0")  # an initial window of 0
    with serving(lambda r: Response(200, {}, b"x"), SHORT) as (server, client):
        assert client.raw(none + VALID, timeout=WAIT) == Refused("RST_STREAM CANCEL")
        assert works(server)


def test_connections_are_counted() -> None:
    with serving(limits=Limits(connections=3)) as (server, client):
        links = [socket.create_connection(server.address, WAIT) for _ in range(3)]
        until(lambda: len(server.connections) == 3)
        assert isinstance(client.request("GET", "/", timeout=WAIT), (Closed, Refused))
        for link in links:
            link.close()
        until(lambda: not server.connections)
        assert isinstance(client.request("GET", "/", timeout=WAIT), Reply)


# --- a hostile or busy server -----------------------------------------------------------------------------


@contextmanager
def scripted(*connections: Sequence[bytes | None]) -> Iterator[Client]:
    """A server that sends fixed octets on each new connection, after each read; None closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    links: list[socket.socket] = []

    def serve() -> None:
        for steps in connections:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            links.append(link)
            for step in steps:
                if step is None:
                    link.close()
                    break
                with suppress(OSError):
                    if link.recv(65_536):
                        link.sendall(step)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    client = Client(listener.getsockname()[:2], Trace())
    try:
        yield client
    finally:
        client.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for link in links:
            link.close()
        thread.join(WAIT)
        assert not thread.is_alive()


OK = frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block([(b":status", b"200")]))
HELLO = frame(SETTINGS, 0, 0)


def test_what_became_of_a_request() -> None:
    with scripted([HELLO + OK]) as client:
        assert client.request("GET", "/", timeout=WAIT) == Reply(200)
    with scripted([None]) as client:
        assert isinstance(client.request("GET", "/", timeout=WAIT), Closed)
    with scripted([HELLO]) as client:
        assert client.request("GET", "/", timeout=0.2) == Silence(0.2)
    with scripted([HELLO + frame(RST_STREAM, 0, 1, (11).to_bytes(4, "big"))]) as client:
        assert client.request("GET", "/", timeout=WAIT) == Refused("RST_STREAM ENHANCE_YOUR_CALM")
    with scripted([HELLO + frame(GOAWAY, 0, 0, bytes(4) + (1).to_bytes(4, "big"))]) as client:
        assert client.request("GET", "/", timeout=WAIT) == Refused("GOAWAY PROTOCOL_ERROR")
    with scripted([HELLO + frame(HEADERS, 0, 1, b"\xff")]) as client:
        assert client.request("GET", "/", timeout=0.3) == Silence(0.3)
    with scripted([HELLO + b"\xff" * 20]) as client:
        assert client.request("GET", "/", timeout=WAIT) == Closed()
        assert event(client.trace, "HTTP/2 PROTOCOL ERROR")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[:2]
    client = Client(free, Trace())
    assert client.request("GET", "/", timeout=WAIT) == Refused("connection refused")
    assert client.raw(VALID, timeout=WAIT) == Refused("connection refused")
    client.close()


def test_goaway_moves_the_next_request_to_a_new_connection() -> None:
    last_1, last_0 = (frame(GOAWAY, 0, 0, bytes((0, 0, 0, last)) + bytes(4)) for last in (1, 0))
    with scripted([HELLO + last_1 + OK], [HELLO + last_0], [HELLO + OK]) as client:
        assert client.request("GET", "/1", timeout=WAIT) == Reply(200)  # at or below the last stream: served
        assert client.request("GET", "/2", timeout=WAIT) == Reply(200)  # above it: asked again elsewhere
    with scripted(*[[HELLO + last_0]] * 5) as client:
        assert client.request("GET", "/", timeout=WAIT) == Closed()  # not for ever


def test_a_body_without_end_is_cut() -> None:
    head = frame(HEADERS, END_HEADERS, 1, header_block([(b":status", b"200")]))
    with serving(lambda r: Response(200, {}, bytes(3 << 20))) as (server, _):
        small = Client(server.address, Trace(), limits=Limits(body=1_000))
        reply = small.request("GET", "/", timeout=WAIT)
        assert isinstance(reply, Reply)
        assert len(reply.body) == 1_000
        small.close()
    with scripted(
        [HELLO + head + frame(DATA, 0, 1, b"x" * 16_000)] + [frame(DATA, 0, 1, b"x" * 16_000)] * 9
    ) as client:
        assert client.request("GET", "/", timeout=0.3) == Silence(0.3)


def test_random_answers_never_raise() -> None:
    dice = random.Random(29500)
    whole = HELLO + frame(HEADERS, END_HEADERS, 1, header_block([(b":status", b"200"), (b"x", b"y")]))
    whole += frame(DATA, END_STREAM, 1, b"{}")
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with scripted([bytes(data)], [bytes(data)]) as client:
            kinds = (Reply, Refused, Closed, Silence)
            assert isinstance(client.request("GET", "/", timeout=0.05), kinds)
            assert isinstance(client.raw(VALID, timeout=0.05), kinds)


def test_raw_octets_and_what_they_cause() -> None:
    with serving() as (_, client):
        body = frame(HEADERS, END_HEADERS, 1, header_block([*GET[:3], (b":path", b"/r")]))
        reply = client.raw(body + frame(DATA, END_STREAM, 1, b"abc"), timeout=WAIT)
        assert isinstance(reply, Reply)
        assert (reply.status, reply.body, reply.headers["x-path"]) == (200, b"abc", "/r")
        assert client.raw(frame(DATA, 0, 0, b"x"), timeout=WAIT) == Refused("GOAWAY PROTOCOL_ERROR")
        assert client.raw(b"", timeout=0.1) == Silence(0.1)


# --- TLS --------------------------------------------------------------------------------------------------


def issue(folder: Path, name: str, signer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None) -> Path:
    """A certificate and its key as PEM files; without a signer, an authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    builder = builder.issuer_name(signer[0] if signer else subject).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    certificate = builder.sign(signer[1] if signer else key, hashes.SHA256())
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.with_suffix(".key").write_bytes(pem)
    if signer is None:
        for leaf in ("server", "client"):
            issue(folder, f"{name}-{leaf}", (subject, key))
    return path


def context(folder: Path, authority: str, role: str, *, trust: str = "lab") -> ssl.SSLContext:
    mine = folder / f"{authority}-{role}.pem"
    names = (str(mine), str(mine.with_suffix(".key")), str(folder / f"{trust}.pem"))
    return tls_context(*names, server=role == "server")


def test_tls_demands_a_certificate_of_the_right_authority(tmp_path: Path) -> None:
    for authority in ("lab", "rogue"):
        issue(tmp_path, authority, None)
    none = ssl.create_default_context(cafile=str(tmp_path / "lab.pem"))
    none.set_alpn_protocols(["h2"])
    no_alpn = context(tmp_path, "lab", "client")
    no_alpn.set_alpn_protocols(["http/1.1"])
    with serving(tls=context(tmp_path, "lab", "server")) as (server, plain):
        assert server.uri.startswith("https://127.0.0.1:")

        def ask(tls: ssl.SSLContext) -> tuple[Answer, Answer]:
            client = Client(server.address, Trace(), tls)
            try:
                return client.request("GET", "/", timeout=WAIT), client.raw(VALID, timeout=WAIT)
            finally:
                client.close()

        for reply in ask(context(tmp_path, "lab", "client")):
            assert isinstance(reply, Reply)
            assert reply.status == 200
        for reply in ask(none):
            assert reply == Refused("TLS TLSV13_ALERT_CERTIFICATE_REQUIRED")
        assert event(server.trace, "TLS FAILED") == {"error": "PEER_DID_NOT_RETURN_A_CERTIFICATE"}
        for reply in ask(context(tmp_path, "rogue", "client")):
            assert reply == Refused("TLS TLSV1_ALERT_UNKNOWN_CA")
        for reply in ask(context(tmp_path, "lab", "client", trust="rogue")):
            assert reply == Refused("TLS CERTIFICATE_VERIFY_FAILED")
        assert isinstance(plain.request("GET", "/", timeout=WAIT), (Closed, Refused))
        assert isinstance(ask(no_alpn)[0], (Closed, Refused))
        reply = ask(context(tmp_path, "lab", "client"))[0]
        assert isinstance(reply, Reply)


def test_unusable_tls_files_are_a_lab_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="TLS cannot use"):
        tls_context(str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "c"), server=True)


# --- multipart --------------------------------------------------------------------------------------------


def test_multipart_comes_back_octet_for_octet() -> None:
    from drivers.sbi import Part

    octets = bytes(range(256)) + b"\r\n--assay\r\n\r\n"
    kind, body = join_parts(
        [Part({"Content-Type": "application/json"}, b"{}"), Part({"Content-ID": "<n1>"}, octets)]
    )
    first, second = split_parts(kind, body)
    assert (first.body, first.headers) == (b"{}", {"content-type": "application/json"})
    assert (second.id, second.body) == ("n1", octets)
    (bare,) = split_parts('multipart/mixed; boundary="a b"', b"preamble\r\n--a b\r\n\r\nx\r\n--a b--\r\nend")
    assert (bare.headers, bare.body) == ({}, b"x")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/related", b"--b\r\n\r\nx\r\n--b--"),
        ("multipart/related; boundary=b", b""),
        ("multipart/related; boundary=b", b"--b\r\n\r\nx\r\n"),
        ("multipart/related; boundary=b", b"--b--"),
        ("multipart/related; boundary=b", b"--b\r\nno end of header\r\n--b--"),
        ("multipart/related; boundary=b", b"--b\r\n\r\n\r\n" * 100 + b"--b--"),
    ],
)
def test_what_is_no_multipart_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"multipart|part without"):
        split_parts(kind, body)
