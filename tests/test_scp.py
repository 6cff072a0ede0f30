"""The SCP over real sockets: whom a request goes to, what both sides see of it, what becomes of trouble."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any

import pytest

from assay.case import Event
from assay.errors import UndeclaredError
from assay.evidence import Trace
from drivers import reach
from drivers.emulated import scp as module
from drivers.emulated.scp import Producer, Scp
from drivers.interfaces import Answer, Reply, Silence, Subscriber
from drivers.sbi import (
    RST_STREAM,
    SETTINGS,
    Address,
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
)

HERE = ("127.0.0.1", 0)
SUPI = "imsi-999700000000001"
SUBSCRIBER = Subscriber("999700000000001", b"\x11" * 16, b"\x22" * 16)
UECM = f"/nudm-uecm/v1/{SUPI}/registrations/amf-3gpp-access"
REGISTER = "PUT /nudm-uecm/v1/{supi}/registrations/amf-3gpp-access"
UDM = {"target-nf-type": "UDM", "service-names": "nudm-uecm"}
WAIT = 10.0


class Lab:
    """Producers, the SCP before them, and a consumer."""

    def __init__(self) -> None:
        self.trace, self.stack = Trace(), ExitStack()
        self.asked: dict[str, list[Request]] = {}
        self.servers: dict[str, Server] = {}
        self.core: dict[str, Producer] = {}

    def producer(self, name: str, handler: Callable[[Request], Outcome], *, fqdn: str = "") -> str:
        """A function of the core; its API root."""
        asked = self.asked.setdefault(name, [])

        def serve(request: Request) -> Outcome:
            asked.append(request)
            return handler(request)

        server = self.servers[name] = Server(HERE, handler=serve, trace=Trace(), limits=module.LIMITS)
        self.stack.callback(server.close)
        return self.declare(name, server.address, fqdn)

    def declare(self, name: str, address: Address, fqdn: str = "") -> str:
        """Declare a function that listens, or does not; its API root."""
        self.core[name] = Producer(address, fqdn)
        return f"http://{fqdn or address[0]}:{address[1]}"

    def nrf(self, *profiles: Mapping[str, Any]) -> None:
        """An NRF that knows these functions."""
        self.producer("nrf", lambda request: answer(200, {"validityPeriod": 1, "nfInstances": profiles}))

    def start(self, *, product: Address | None = None, timeout: float = WAIT) -> None:
        """Let the SCP and its consumer begin."""
        known = {SUPI: SUBSCRIBER}
        where = (("999", "70"), [(1, None)], HERE, self.core)
        self.scp = Scp(self.trace, known, *where, product=product, timeout=timeout)
        self.scp.labels[SUPI] = "ue1"
        self.scp.start()
        self.stack.callback(self.scp.close)
        host, _, port = self.scp.uri("scp").removeprefix("http://").partition(":")
        self.consumer = Client((host, int(port)), Trace(), limits=module.LIMITS)
        self.stack.callback(self.consumer.close)

    def ask(
        self,
        method: str,
        path: str,
        *,
        root: str = "",
        factors: Mapping[str, str] | None = None,
        agent: str = "AMF",
        body: bytes = b"{}",
        timeout: float = WAIT,
        **headers: str,
    ) -> Answer:
        """What comes back through the SCP; `root` and `factors` say whom the request is for."""
        fields = [("user-agent", agent), ("content-type", "application/json"), *headers.items()]
        fields += [("3gpp-sbi-target-apiroot", root)] if root else []
        fields += [(f"3gpp-sbi-discovery-{name}", value) for name, value in (factors or {}).items()]
        return self.consumer.request(method, path, headers=fields, body=body, timeout=timeout)

    def reply(self, *arguments: Any, **more: Any) -> Reply:
        """The same where an answer must come."""
        reply = self.ask(*arguments, **more)
        assert isinstance(reply, Reply), reply
        return reply

    def events(self, name: str) -> list[Event]:
        return [event for event in self.trace.since() if event.name == name]


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    with lab.stack:
        yield lab


def echo(request: Request) -> Response:
    return answer(200, {"path": request.target, "headers": dict(request.headers)})


def created(request: Request) -> Response:
    return answer(201, {}, location=f"{request.base}{request.path}/7")


def profile(
    root: str, identity: str = "udm-1", service: str = "nudm-uecm", priority: int = 0, **more: Any
) -> dict[str, Any]:
    host, _, port = root.removeprefix("http://").partition(":")
    end = {"ipv4Address": host, "port": int(port)}
    offer = {"serviceName": service, "scheme": "http", "nfServiceStatus": "REGISTERED", "ipEndPoints": [end]}
    return {"nfInstanceId": identity, "priority": priority, "nfServices": [offer | more]}


def cause(reply: Reply) -> tuple[int, str]:
    assert reply.headers["server"] == "SCP-assay"
    return reply.status, json.loads(reply.body)["cause"]


def free() -> Address:
    with socket.create_server(HERE) as taken:
        host, port = taken.getsockname()
    return host, port


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# --- whom a request goes to -------------------------------------------------------------------------------


def test_a_request_goes_to_the_api_root_it_names_and_carries_no_more_of_that(lab: Lab) -> None:
    root = lab.producer("udm", echo, fqdn="udm.5gc.example")
    lab.start()
    path = "/nudm-sdm/v2/x/am-data?plmn-id=%7B%22mcc%22%3A%22999%22%7D&b&b=2"
    more = {"3gpp-sbi-message-priority": "5", "via": "2.0 SCP-other", "accept-encoding": "gzip"}
    seen = json.loads(lab.reply("GET", path, root=f"{root}/prefix", factors=UDM, **more).body)
    assert seen["path"] == f"/prefix{path}"
    kept = {"user-agent": "AMF", "3gpp-sbi-message-priority": "5", "via": "2.0 SCP-other, 2.0 SCP-assay"}
    assert seen["headers"] == {**kept, "content-type": "application/json", "content-length": "2"}


def test_delegated_discovery_takes_the_first_of_the_producers_that_may_be_reached(lab: Lab) -> None:
    second, first = lab.producer("udm2", created), lab.producer("udm", created)
    lab.nrf(
        profile("http://127.0.0.1:1", "undeclared", priority=0),
        profile(first, "other-service", service="nudm-sdm", priority=1),
        profile(first, "suspended", priority=1, nfServiceStatus="SUSPENDED"),
        profile(second, "second", priority=9),
        profile(first, "first", priority=2, apiPrefix="v"),
    )
    lab.start()
    slices = '[{"sst":1,"sd":"0000ab"}]'
    factors = {**UDM, "snssais": "%5B%7B%22sst%22%3A1%2C%22sd%22%3A%220000ab%22%7D%5D", "dnn": "a b"}
    reply = lab.reply("PUT", UECM, factors=factors)
    assert reply.status == 201
    assert reply.headers["location"] == f"{first}/v{UECM}/7"
    assert reply.headers["3gpp-sbi-producer-id"] == "nfinst=first"
    assert "3gpp-sbi-target-apiroot" not in reply.headers  # the Location says it
    assert reply.headers["via"] == "2.0 SCP-assay"
    (asked,) = lab.asked["nrf"]
    wanted = {**UDM, "snssais": slices, "dnn": "a b", "requester-nf-type": "AMF"}
    assert asked.query == wanted
    assert asked.headers["user-agent"] == "SCP-assay"
    assert (len(lab.asked["udm"]), len(lab.asked["udm2"])) == (1, 0)


def test_a_selected_producer_without_location_is_told_by_its_root(lab: Lab) -> None:
    root = lab.producer("udm", echo)
    lab.nrf(profile(root))
    lab.start()
    reply = lab.reply(
        "GET", "/nudm-uecm/v1/x", factors={"target-nf-type": "UDM"}
    )  # the path names the service
    assert reply.headers["3gpp-sbi-target-apiroot"] == root
    lab.ask("GET", "/nudm-uecm/v1/x", factors={**UDM, "target-nf-instance-id": "nfinst=udm-1"})
    assert lab.asked["nrf"][1].query["target-nf-instance-id"] == "udm-1"


def test_the_services_of_the_nrf_need_no_more_than_their_path(lab: Lab) -> None:
    lab.producer("nrf", echo)
    lab.start()
    assert lab.reply("PUT", "/nnrf-nfm/v1/nf-instances/1").status == 200
    assert lab.reply("POST", "/oauth2/token").status == 200
    assert lab.reply("PUT", "/other", factors={"target-nf-type": "NRF"}).status == 200
    assert [event.interface for event in lab.events("PUT /nnrf-nfm/v1/nf-instances/{nfInstanceId}")] == [
        "nnrf"
    ]


def test_who_cannot_be_found_is_answered_by_the_scp(lab: Lab) -> None:
    lab.nrf()
    lab.declare("udm", free())
    lab.start()
    assert cause(lab.reply("PUT", UECM, factors=UDM)) == (400, "NF_DISCOVERY_FAILURE")
    assert cause(lab.reply("PUT", UECM)) == (400, "MANDATORY_IE_MISSING")
    assert not lab.scp.trouble
    assert lab.events(f"400 to {REGISTER}")[0].ue == "ue1"


@pytest.mark.parametrize(
    "result",
    [b"", b"[", b"[]", b"{}", b'{"nfInstances": 7}', b'{"nfInstances": [7]}', b'{"nfInstances": [{}]}',
     b'{"nfInstances": [{"nfServices": [{"serviceName": "nudm-uecm"}]}]}', b"[" * 60_000],
)  # fmt: skip
def test_an_nrf_that_talks_nonsense_harms_nobody(lab: Lab, result: bytes) -> None:
    lab.producer("nrf", lambda request: Response(200, {"content-type": "application/json"}, result))
    lab.start()
    status, why = cause(lab.reply("PUT", UECM, factors=UDM))
    assert (status, why) in {(504, "NF_DISCOVERY_ERROR"), (400, "NF_DISCOVERY_FAILURE")}
    assert not lab.scp.trouble


def test_an_nrf_that_refuses_or_is_not_there(lab: Lab) -> None:
    lab.producer("nrf", lambda request: answer(503))
    lab.start()
    assert cause(lab.reply("PUT", UECM, factors=UDM)) == (504, "NF_DISCOVERY_ERROR")
    lab.servers["nrf"].close()
    assert cause(lab.reply("PUT", UECM, factors=UDM)) == (504, "NRF_NOT_REACHABLE")
    assert not lab.scp.trouble


def test_without_an_nrf_the_lab_is_told_to_declare_one(lab: Lab) -> None:
    lab.start()
    assert cause(lab.reply("PUT", UECM, factors=UDM)) == (504, "NRF_NOT_REACHABLE")
    assert "declare core.nrf" in lab.scp.forgive()


@pytest.mark.parametrize(
    "root",
    ["http://127.0.0.1:1", "http://udm.example", "https://127.0.0.1:1", "http://[::1", "http://a:b",
     "nonsense", "http://127.0.0.1:99999", "http://\x7f\xff/"],
)  # fmt: skip
def test_nothing_is_sent_to_who_is_not_declared(lab: Lab, root: str) -> None:
    lab.producer("udm", echo)
    lab.start()
    assert cause(lab.reply("PUT", UECM, root=root)) == (504, "TARGET_NF_NOT_REACHABLE")
    (event,) = lab.events("PRODUCER NOT DECLARED")
    assert (event.interface, event.ue, event.facts) == ("n8", "ue1", {"request": REGISTER})
    trouble = lab.scp.forgive()
    assert "does not declare: add it to `core`" in trouble
    assert trouble.isprintable()
    assert lab.asked["udm"] == []


def test_the_declaration_of_the_profile_has_the_last_word(lab: Lab) -> None:
    root = lab.producer("udm", echo)
    lab.start()
    with reach.only([]):
        assert lab.reply("PUT", UECM, root=root).status == 500
    assert UndeclaredError.__name__ in lab.scp.forgive()
    assert lab.asked["udm"] == []


# --- who is who -------------------------------------------------------------------------------------------


def test_what_the_core_says_to_itself_and_to_the_product_leaves_no_event(lab: Lab) -> None:
    udm, amf = lab.producer("udm", created), lab.producer("amf", created)
    product = lab.core.pop("amf").address
    lab.start(product=product)
    assert lab.reply("PUT", UECM, root=udm, agent="SMF-1 of the core").status == 201
    assert (
        lab.reply("POST", "/namf-comm/v1/ue-contexts/x/n1-n2-messages", root=amf, agent="curl/8").status
        == 201
    )
    assert lab.reply("PUT", UECM, root=udm, agent="x", factors={"requester-nf-type": "PCF"}).status == 201
    assert lab.trace.since() == ()
    assert lab.scp.asked == {}
    for agent in ("AMF", "AMF-7", "Go-http-client/2.0", ""):
        assert lab.reply("PUT", UECM, root=udm, agent=agent).status == 201
    assert [event.name for event in lab.trace.since()] == [REGISTER, f"201 to {REGISTER}"] * 4
    assert lab.scp.asked == {"udm": REGISTER}


def test_callbacks_that_the_bench_asked_for_end_at_the_bench(lab: Lab) -> None:
    lab.declare("smf", free())
    lab.start()
    callback = f"/nsmf-callback/v1/n1n2-failures/{SUPI}"
    for root in ("", lab.scp.uri("scp")):
        assert lab.reply("POST", callback, root=root).status == 204
    assert lab.reply("POST", "/nsmf-pdusession/v1/sm-contexts").status == 400
    name = "POST /nsmf-callback/v1/n1n2-failures/{supi}"
    assert [(event.interface, event.ue) for event in lab.events(name)] == [("n11", "ue1")] * 2
    assert not lab.scp.trouble


def test_a_resource_is_its_subscribers_at_its_producer(lab: Lab) -> None:
    one, other = lab.producer("smf", created), lab.producer("smf2", created)
    lab.start()
    lab.scp.labels["imsi-2"] = "ue2"
    contexts = "/nsmf-pdusession/v1/sm-contexts"
    for root, supi in ((one, SUPI), (other, "imsi-2")):
        body = json.dumps({"supi": supi, "pduSessionId": 5}).encode()
        assert lab.reply("POST", contexts, root=root, body=body).headers["location"] == f"{root}{contexts}/7"
    mark = lab.trace.mark()
    for root in (one, other, ""):
        lab.ask("POST", f"{contexts}/7/modify", root=root)
    asked = [event for event in lab.trace.since(mark) if event.received]
    assert [(event.interface, event.ue) for event in asked] == [
        ("n11", "ue1"),
        ("n11", "ue2"),
        ("n11", "ue2"),
    ]


def test_a_relative_location_leads_to_the_producer(lab: Lab) -> None:
    root = lab.producer("udm", lambda request: answer(201, {}, location="amf-3gpp-access/7"))
    lab.start()
    location = lab.reply("PUT", UECM, root=root).headers["location"]
    assert location == f"{root}{UECM}/7"


def test_bodies_that_the_bench_cannot_read_are_forwarded_as_they_are(lab: Lab) -> None:
    root = lab.producer("udm", lambda r: Response(200, {"content-type": "application/json"}, b"[" + r.body))
    lab.start()
    for body in (b"\x1f\x8b\x00", b"[NaN]", b"x" * 70_000):
        assert lab.reply("PUT", UECM, root=root, body=body).body == b"[" + body
    assert [event.facts for event in lab.events(f"200 to {REGISTER}")] == [{"status": 200}] * 3


# --- scripts ----------------------------------------------------------------------------------------------


def test_answers_from_afar_are_changed_delayed_or_kept_back(lab: Lab) -> None:
    root = lab.producer("udm", lambda request: answer(204))
    lab.start()
    lab.scp.script(SUPI, REGISTER, lambda request: lambda normal: Response(normal.status - 1))
    assert lab.reply("PUT", UECM, root=root).status == 203
    lab.scp.script(SUPI, REGISTER, lambda request: lambda normal: Later(0.3, normal))
    began = time.monotonic()
    assert lab.reply("PUT", UECM, root=root).status == 204
    assert 0.29 < time.monotonic() - began < 5
    lab.scp.script(SUPI, REGISTER, lambda request: lambda normal: Hold())
    assert lab.ask("PUT", UECM, root=root, timeout=0.2) == Silence(0.2)
    assert len(lab.asked["udm"]) == 3
    lab.scp.script(SUPI, REGISTER, lambda request: Hold())
    assert lab.ask("PUT", UECM, root=root, timeout=0.2) == Silence(0.2)
    lab.scp.script(SUPI, REGISTER, lambda request: answer(409))
    assert lab.reply("PUT", UECM, root=root).status == 409
    assert len(lab.asked["udm"]) == 3  # who is answered at once, or never, is not asked for
    resets = lab.events("STREAM RESET")
    assert [event.facts for event in resets] == [{"request": REGISTER, "by": "product"}] * 2
    lab.scp.unscript(SUPI)
    assert lab.reply("PUT", UECM, root=root, agent="SMF").status == 204


def test_a_change_that_raises_is_the_labs_trouble(lab: Lab) -> None:
    root = lab.producer("udm", lambda request: answer(204))
    lab.start()

    def broken(normal: Response) -> Response:
        raise RuntimeError("oops")

    lab.scp.script(SUPI, REGISTER, lambda request: broken)
    assert lab.reply("PUT", UECM, root=root).status == 500
    assert "oops" in lab.scp.forgive()


# --- trouble on the way -----------------------------------------------------------------------------------


def test_who_gives_up_a_request_gives_it_up_at_the_producer(lab: Lab) -> None:
    root = lab.producer("udm", lambda request: Hold())
    lab.start()
    assert lab.ask("PUT", UECM, root=root, timeout=0.2) == Silence(0.2)
    ended = lab.servers["udm"].trace.wait(lambda event: event.name == "STREAM RESET", within=WAIT)
    assert ended is not None
    until(lambda: not lab.scp._under_way)


def test_a_slow_producer_holds_up_nobody_and_times_out(lab: Lab) -> None:
    slow, quick = lab.producer("udm", lambda request: Hold()), lab.producer("smf", created)
    lab.start(timeout=0.5)
    late: list[Reply] = []
    waiting = threading.Thread(target=lambda: late.append(lab.reply("PUT", UECM, root=slow)))
    waiting.start()
    began = time.monotonic()
    assert lab.reply("POST", "/nsmf-pdusession/v1/sm-contexts", root=quick).status == 201
    assert time.monotonic() - began < 0.4
    waiting.join(WAIT)
    assert cause(late[0]) == (504, "TARGET_NF_NOT_REACHABLE")
    assert lab.reply("POST", "/nsmf-pdusession/v1/sm-contexts", root=quick).status == 201


@pytest.mark.parametrize(
    "octets", [None, frame(RST_STREAM, 0, 1, (11).to_bytes(4, "big")), b"\xff" * 20, frame(1, 5, 1, b"\xff")]
)
def test_a_producer_that_ends_a_request_badly(lab: Lab, octets: bytes | None) -> None:
    with closing(socket.create_server(HERE)) as listener:
        root = lab.declare("udm", listener.getsockname())
        lab.start(timeout=1.0)
        replies: list[Reply] = []
        asking = threading.Thread(target=lambda: replies.append(lab.reply("PUT", UECM, root=root)))
        asking.start()
        link, _ = listener.accept()
        with link:
            link.recv(65_536)
            if octets is not None:
                link.sendall(frame(SETTINGS, 0, 0) + octets)
                asking.join(WAIT)
        asking.join(WAIT)
    assert cause(replies[0]) == (504, "TARGET_NF_NOT_REACHABLE")
    assert not lab.scp.trouble


def test_a_producer_that_is_not_there_and_comes_back(lab: Lab) -> None:
    address = free()
    root = lab.declare("udm", address)
    lab.start()
    assert cause(lab.reply("PUT", UECM, root=root)) == (504, "TARGET_NF_NOT_REACHABLE")
    for _ in range(2):
        server = Server(address, handler=created, trace=Trace())
        assert lab.reply("PUT", UECM, root=root).status == 201
        server.close()
    assert not lab.scp.trouble


def test_big_bodies_pass_both_ways_and_bigger_ones_are_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMITS", Limits(body=3 << 20, kept=64 << 20))
    sizes = iter((2 << 20, 4 << 20))
    root = lab.producer("udm", lambda request: Response(200, {}, bytes(next(sizes))))
    lab.start()
    assert len(lab.reply("PUT", UECM, root=root, body=bytes(2 << 20)).body) == 2 << 20
    assert len(lab.asked["udm"][0].body) == 2 << 20
    assert cause(lab.reply("PUT", UECM, root=root)) == (504, "TARGET_NF_NOT_REACHABLE")
    assert lab.reply("PUT", UECM, root=root, body=bytes(4 << 20)).status == 413


def test_many_requests_share_one_connection_to_their_producer(lab: Lab) -> None:
    number = 50
    together = threading.Event()

    def handler(request: Request) -> Hold:
        if len(lab.asked["udm"]) == number:
            together.set()
        return Hold()

    root = lab.producer("udm", handler)
    lab.start()
    replies: list[Reply] = []
    asking = [
        threading.Thread(target=lambda: replies.append(lab.reply("PUT", UECM, root=root)))
        for _ in range(number)
    ]
    for thread in asking:
        thread.start()
    assert together.wait(WAIT)
    for request in lab.asked["udm"]:
        lab.servers["udm"].release(request, answer(204))
    for thread in asking:
        thread.join(WAIT)
    assert [reply.status for reply in replies] == [204] * number
    assert len({request.connection for request in lab.asked["udm"]}) == 1


def test_closing_under_a_request_is_quick(lab: Lab) -> None:
    root = lab.producer("udm", lambda request: Hold())
    lab.start()
    answers: list[Answer] = []
    asking = threading.Thread(target=lambda: answers.append(lab.ask("PUT", UECM, root=root)))
    asking.start()
    until(lambda: lab.asked["udm"])
    began = time.monotonic()
    lab.scp.close()
    assert time.monotonic() - began < 5
    asking.join(WAIT)
    assert not isinstance(answers[0], Reply)
