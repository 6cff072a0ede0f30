"""N14 as the bench plays it: the AMF that a UE comes from, the UE, and the product between them."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from products import emulated
from test_ue import opened

from assay.evidence import Trace
from drivers.bench import AmfBench
from drivers.codecs import nas, nas_crypto, ngap, ngap_handover
from drivers.emulated.peers import Peers
from drivers.interfaces import CREATE_UE_CONTEXT, NASC, UE_CONTEXT_TRANSFER, Capability, Reply, Subscriber
from drivers.n2 import Cell
from drivers.sbi import Client, Part, join_parts, split_parts
from drivers.ue import Context, Ue

PLMN = nas.Plmn("999", "70")
SUBSCRIBER = Subscriber("999700000000001", b"\x11" * 16, b"\x22" * 16)
SUPI = SUBSCRIBER.supi
CAPABILITY = b"\xf0\xf0"
CELL = Cell(PLMN, 1, ((1, None),))
SM_CONTEXT = "http://127.0.0.1:1/nsmf-pdusession/v1/sm-contexts/"
IDS = {"amf_id": 7, "ran_id": 1}


def source() -> Context:
    return Context(bytes(range(32)), 3, 1, 1, uplink=20, downlink=12)


# --- the AMF that a UE comes from ---------------------------------------------------------------------------


@pytest.fixture
def trace() -> Trace:
    return Trace()


@pytest.fixture
def peers(trace: Trace) -> Iterator[Peers]:
    here = dict.fromkeys(("nrf", "smf", "amf2"), ("127.0.0.1", 0))
    peers = Peers(trace, {SUPI: SUBSCRIBER}, ("999", "70"), [(1, 0xABCD)], here)
    peers.start()
    peers.labels[SUPI] = "ue1"
    yield peers
    peers.close()
    assert not peers.trouble


@pytest.fixture
def client(peers: Peers) -> Iterator[Client]:
    client = Client(("127.0.0.1", int(peers.uri("amf2").rpartition(":")[2])), Trace())
    yield client
    client.close()


def ask(client: Client, path: str, content: Any = None, pdu: bytes = b"") -> tuple[int, dict[str, Any]]:
    kind, body = "application/json", json.dumps(content).encode() if content is not None else b""
    if pdu:
        head = {"content-type": "application/vnd.3gpp.5gnas", "content-id": "n1"}
        kind, body = join_parts([Part({"content-type": kind}, body), Part(head, pdu)])
    method, headers = ("POST", [("content-type", kind)]) if content is not None else ("GET", [])
    reply = client.request(method, path, headers=headers, body=body, timeout=10)
    assert isinstance(reply, Reply), reply
    data, whole = reply.body, reply.headers.get("content-type", "")
    if whole.startswith("multipart/"):
        data = split_parts(whole, data)[0].body
    return reply.status, json.loads(data) if data else {}


def contexts(guti: nas.Guti, operation: str) -> str:
    return f"/namf-comm/v1/ue-contexts/5g-guti-99970020082{guti.tmsi:08x}/{operation}"


TRANSFER = {"reason": "MOBI_REG", "accessType": "3GPP_ACCESS"}
WITH_REQUEST = TRANSFER | {"regRequest": {"n1MessageClass": "5GMM", "n1MessageContent": {"contentId": "n1"}}}


def registration(context: Context, guti: nas.Guti) -> bytes:
    """An integrity protected REGISTRATION REQUEST with the next uplink NAS COUNT."""
    ies = {"registration_type": b"\x02", "ng_ksi": b"\x03", "mobile_identity": guti.encode()}
    return context.seal(nas.Header.INTEGRITY, context.uplink, nas.encode("REGISTRATION REQUEST", ies))


def test_a_context_is_handed_over_for_the_ue_s_own_request(
    peers: Peers, client: Client, trace: Trace
) -> None:
    context = source()
    guti = peers.amf2.serve(SUPI, context, CAPABILITY, SM_CONTEXT + "1", "internet")
    assert guti.encode()[4:7].hex() == peers.amf2.guami["amfId"] == "020082"
    status, data = ask(client, contexts(guti, "transfer"), WITH_REQUEST, registration(context, guti))
    assert status == 200
    model = data["ueContext"]
    assert model["supi"] == SUPI
    assert model["seafData"]["ngKsi"] == {"tsc": "NATIVE", "ksi": 3}
    assert model["seafData"]["keyAmf"] == {"keyType": "KAMF", "keyVal": context.kamf.hex()}
    assert model["seafData"]["keyAmfHDerivationInd"] is model["seafData"]["keyAmfChangeInd"] is False
    (mm,) = model["mmContextList"]
    assert mm["nasSecurityMode"] == {"integrityAlgorithm": "NIA1", "cipheringAlgorithm": "NEA1"}
    assert (mm["nasUplinkCount"], mm["nasDownlinkCount"]) == (20, 12)
    assert base64.b64decode(mm["ueSecurityCapability"]).hex() == "2e02f0f0"
    assert mm["allowedNssai"] == [{"sst": 1, "sd": "00ABCD"}]
    assert model["sessionContextList"][0]["smContextRef"] == SM_CONTEXT + "1"
    assert ask(client, contexts(guti, "transfer-update"), {"transferStatus": "TRANSFERRED"}) == (
        200,
        {"regStatusTransferComplete": True},
    )
    told = [e for e in trace.since() if e.interface == "n14"]
    assert {e.ue for e in told} == {"ue1"}
    assert UE_CONTEXT_TRANSFER in {e.name for e in told}
    assert context.kamf.hex() not in json.dumps([dict(e.facts) for e in told])


def test_a_context_is_handed_over_to_nobody_else(peers: Peers, client: Client) -> None:
    context = source()
    guti = peers.amf2.serve(SUPI, context, CAPABILITY, SM_CONTEXT + "1", "internet")
    right = registration(context, guti)
    transfer = contexts(guti, "transfer")
    old = registration(Context(context.kamf, 3, 1, 1, uplink=19), guti)
    for wrong in (right[:-1] + b"\0", old, nas.unwrap(right).payload, b"\0"):  # type: ignore[union-attr]
        assert ask(client, transfer, WITH_REQUEST, wrong) == (
            403,
            {"status": 403, "cause": "INTEGRITY_CHECK_FAIL"},
        )
    assert ask(client, transfer, WITH_REQUEST)[0] == 403
    assert ask(client, transfer, {"reason": "MOBI_REG"})[0] == 400
    other = nas.Guti(PLMN, 2, 2, 2, guti.tmsi ^ 1)
    assert ask(client, contexts(other, "transfer"), TRANSFER)[0] == 404
    assert ask(client, contexts(other, "transfer-update"), {"transferStatus": "TRANSFERRED"})[0] == 404
    assert ask(client, transfer, WITH_REQUEST, right)[0] == 200
    assert ask(client, transfer, TRANSFER)[0] == 200, "an AMF may have verified the UE itself"


def test_it_is_subscribed_to_and_notified(peers: Peers, client: Client) -> None:
    assert ask(client, "/namf-comm/v1/subscriptions", {"amfStatusUri": "http://127.0.0.1:1/"})[0] == 201
    assert ask(client, "/namf-comm/v1/subscriptions", {})[0] == 400
    assert ask(client, f"/namf-callback/v1/{SUPI}/n2-info-notify", {"n2NotifySubscriptionId": "1"})[0] == 204


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 1),
        ('&guami={"plmnId":{"mcc":"999","mnc":"70"},"amfId":"020082"}', 1),
        ('&guami={"amfId":"020082","plmnId":{"mnc":"70","mcc":"999"}}', 1),
        ('&guami={"plmnId":{"mcc":"999","mnc":"70"},"amfId":"010041"}', 0),
        ("&amf-set-id=002&amf-region-id=02", 1),
        ("&amf-set-id=001&amf-region-id=02", 0),
        ("&amf-set-id=002&amf-region-id=01", 0),
    ],
)
def test_the_nrf_finds_it(peers: Peers, query: str, found: int) -> None:
    client = Client(("127.0.0.1", int(peers.uri("nrf").rpartition(":")[2])), Trace())
    path = "/nnrf-disc/v1/nf-instances?requester-nf-type=AMF&target-nf-type=AMF" + query
    status, data = ask(client, path.replace('"', "%22"))
    client.close()
    assert status == 200
    assert len(data["nfInstances"]) == found
    for one in data["nfInstances"]:
        assert one["amfInfo"]["guamiList"] == [peers.amf2.guami]
        assert one["nfServices"][0]["serviceName"] == "namf-comm"


def test_the_smf_takes_part_in_a_handover(peers: Peers) -> None:
    client = Client(("127.0.0.1", int(peers.uri("smf").rpartition(":")[2])), Trace())
    path = f"/nsmf-pdusession/v1/sm-contexts/{peers.smf.anchor(SUPI)}/modify"
    kinds = [ask(client, path, {"hoState": state})[1] for state in ("PREPARING", "PREPARED", "COMPLETED")]
    client.close()
    assert [one["hoState"] for one in kinds] == ["PREPARING", "PREPARED", "COMPLETED"]
    assert [one.get("n2SmInfoType") for one in kinds] == ["PDU_RES_SETUP_REQ", "HANDOVER_CMD", None]


# --- the UE that comes --------------------------------------------------------------------------------------


class Gnb:
    """What a UE needs of a gNB: it keeps what is sent."""

    def __init__(self) -> None:
        self.trace, self.cell = Trace(), CELL
        self.sent: list[ngap.Pdu] = []
        self.up = True

    def attach(self, ue: object) -> int:
        return 1

    def initial(self, ue: object, pdu: bytes, **how: Any) -> int:
        return self.uplink(ue, pdu)

    def uplink(self, ue: object, pdu: bytes) -> int:
        self.sent.append(ngap.downlink_nas_transport(7, 1, pdu))
        return 0

    def send(self, pdu: ngap.Pdu, ue: object = None) -> int:
        self.sent.append(pdu)
        return 0


@pytest.fixture
def ue() -> Ue:
    gnb: Any = Gnb()
    gnb.expect = lambda ue, container: 1
    ue = Ue(gnb, SUBSCRIBER, "ue1", Capability(), dnn="internet")
    ue.context, ue.guti, ue.ran_id = source(), nas.Guti(PLMN, 2, 2, 2, 1), 1
    return ue


def downlink(ue: Ue, context: Context, header: int, plain: bytes) -> dict[str, Any]:
    """Give the UE a message of the AMF, and take the facts of the event; the name is among them."""
    payload = plain
    if header == nas.Header.CIPHERED:
        payload = context.cipher(context.downlink, nas_crypto.DOWNLINK, plain)
    sequence = context.downlink & 0xFF
    body = bytes((sequence,)) + payload
    mac = nas_crypto.mac(context.ia, context.keys.int_, context.downlink, 1, nas_crypto.DOWNLINK, body)
    pdu = plain if header == nas.Header.PLAIN else nas.wrap(header, mac, sequence, payload)
    mark = ue.trace.mark()
    ue.downlink(ngap.downlink_nas_transport(7, 1, pdu), 0)
    event = next(e for e in ue.trace.since(mark) if e.received)
    return {"name": event.name, **event.facts}


ACCEPT = nas.encode("REGISTRATION ACCEPT", {"registration_result": b"\x01"})


@pytest.mark.parametrize("count", [12, 13, 0])
@pytest.mark.parametrize("algorithms", [(2, 2), (2, 1), (1, 3), (0, 2)])
def test_a_message_under_other_algorithms_is_read_and_not_believed(
    ue: Ue, algorithms: tuple[int, int], count: int
) -> None:
    ue.tries_algorithms = True
    context = source().under(*algorithms)
    context.downlink = count
    facts = downlink(ue, context, nas.Header.CIPHERED, ACCEPT)
    assert facts["name"] == "REGISTRATION ACCEPT"
    assert facts["algorithms_tried"] == dict(zip(("ea", "ia"), algorithms, strict=True))
    assert facts["mac_ok"] is False
    assert "REGISTRATION COMPLETE" not in ue.sent
    assert ue.context is not None
    assert (ue.context.ea, ue.context.ia) == (1, 1)


def test_no_other_ue_guesses(ue: Ue) -> None:
    facts = downlink(ue, source().under(2, 2), nas.Header.CIPHERED, ACCEPT)
    assert facts["name"] == "UNDECODABLE NAS"
    assert "algorithms_tried" not in facts


def test_the_algorithms_that_it_knows_are_no_guess(ue: Ue) -> None:
    ue.tries_algorithms = True
    facts = downlink(ue, source(), nas.Header.CIPHERED, ACCEPT)
    assert facts["mac_ok"] is True
    assert "algorithms_tried" not in facts
    garbage = downlink(ue, Context(bytes(32), 3, 1, 1), nas.Header.CIPHERED, ACCEPT)
    assert garbage["name"] == "UNDECODABLE NAS"


def test_a_command_under_the_same_key_goes_on_counting(ue: Ue) -> None:
    context = source().under(2, 2)
    command = {"selected_nas_security_algorithms": b"\x22", "ng_ksi": b"\x03"}
    command["replayed_ue_security_capabilities"] = CAPABILITY
    facts = downlink(ue, context, nas.Header.NEW_CONTEXT, nas.encode("SECURITY MODE COMMAND", command))
    assert (facts["mac_ok"], facts["count"], facts["ea"], facts["ia"]) == (True, 12, 2, 2)
    complete = ue.sent["SECURITY MODE COMPLETE"]
    assert complete.event.facts["count"] == 20
    assert complete.pdu[6] == 20
    assert ue.context is not None
    assert (ue.context.uplink, ue.context.downlink) == (21, 13)


@pytest.mark.parametrize("header", [nas.Header.PLAIN, nas.Header.CIPHERED])
def test_an_identity_is_told_as_it_was_asked_for(ue: Ue, header: nas.Header) -> None:
    ue.update()
    question = nas.encode("IDENTITY REQUEST", {"identity_type": b"\x01"})
    downlink(ue, source(), header, question)
    assert ue.sent["IDENTITY RESPONSE"].event.facts["header"] == header


def request(nasc: bytes | None) -> ngap.Pdu:
    sessions = {1: ((1, None), ngap.setup_request_transfer(ngap.Session(1)))}
    return ngap_handover.handover_request(
        7, ngap.Guami(PLMN, 1, 1, 1), (0xE000, 0xE000, 0, 0), bytes(32), 2, sessions, [(1, None)], b"c", nasc
    )


@pytest.mark.parametrize(
    ("octets", "event", "after"),
    [
        (None, None, (1, 1, 12)),
        ("", f"UNDECODABLE {NASC}", (1, 1, 12)),
        ("0000000022030c", NASC, (1, 1, 12)),
    ],
)
def test_a_handover_whose_container_says_nothing_changes_no_algorithms(
    ue: Ue, octets: str | None, event: str | None, after: tuple[int, int, int]
) -> None:
    ue.downlink(request(None if octets is None else bytes.fromhex(octets)), 0)
    told = [e for e in ue.trace.since() if e.interface == "n1"]
    assert [e.name for e in told] == ([event] if event else [])
    assert all(e.facts.get("mac_ok") is not True for e in told)
    assert ue.context is not None
    assert (ue.context.ea, ue.context.ia, ue.context.downlink) == after
    gnb: Any = ue.gnb
    assert [pdu.title for pdu in gnb.sent] == ["HANDOVER REQUEST ACKNOWLEDGE"]


# --- the product between them -------------------------------------------------------------------------------


@pytest.fixture(scope="class")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmfBench]:
    with opened(emulated(tmp_path_factory.mktemp("n14"))) as one:
        yield one


def here(bench: AmfBench) -> Ue:
    ue = bench.ue()
    bench.elsewhere(ue, 1, 1)
    return ue


class TestOnOneProduct:
    def test_a_ue_goes_on_after_handover(self, bench: AmfBench) -> None:
        ue = here(bench)
        assert bench.hands_over(ue, "handover").worked
        assert ue.context is not None
        assert (ue.context.ea, ue.context.ia) == (2, 2)
        names = [e.name for e in bench.since(ue, 0)]
        assert names.index("HANDOVER NOTIFY") > names.index(f"201 to {CREATE_UE_CONTEXT}")
        assert bench.establishes(ue, 5, "served under the new algorithms").worked
        assert bench.path_switch(ue, 1, "and handed on", ue.capability).events

    def test_a_handover_that_the_target_refuses_is_refused(self, bench: AmfBench) -> None:
        ue = here(bench)
        assert bench.peers is not None
        assert bench.consumer is not None
        assert bench.connects(bench.ue(), "the association stands").worked
        supi, base, mark = ue.subscriber.supi, bench.peers.uri("amf2"), bench.mark()
        path = CREATE_UE_CONTEXT.split()[1].replace("{ueContextId}", supi)
        content, parts = bench.peers.amf2.hand_over(supi, bench.gnb.cell, b"of another UE", base)
        reply = bench.consumer.ask("n14", CREATE_UE_CONTEXT, path, content, ue=ue.label, parts=parts)
        assert isinstance(reply, Reply)
        assert reply.status == 403
        assert json.loads(reply.body)["error"]["cause"] == "HANDOVER_FAILURE"
        states = [
            e.facts["body"]["hoState"] for e in bench.since(ue, mark) if e.name.startswith("POST /nsmf")
        ]
        assert states == ["PREPARING", "CANCELLED"]

    def test_a_handover_to_nowhere_is_refused(self, bench: AmfBench) -> None:
        ue = here(bench)
        assert bench.peers is not None
        assert bench.consumer is not None
        supi, base = ue.subscriber.supi, bench.peers.uri("amf2")
        path = CREATE_UE_CONTEXT.split()[1].replace("{ueContextId}", supi)
        content, parts = bench.peers.amf2.hand_over(supi, bench.target.cell, ue.announce(), base)
        answers = []
        wrongs: list[dict[str, Any]] = [content, content | {"ueContext": {"supi": supi}}, {"ueContext": {}}]
        for wrong in wrongs:
            reply = bench.consumer.ask("n14", CREATE_UE_CONTEXT, path, wrong, ue=ue.label, parts=parts)
            assert isinstance(reply, Reply)
            answers.append(reply.status)
        assert answers == [403, 400, 400]

    def test_a_context_that_is_not_handed_over_costs_an_authentication(self, bench: AmfBench) -> None:
        ue = here(bench)
        assert ue.context is not None
        ue.context = Context(bytes(32), ue.context.ksi, 1, 1, ue.context.uplink)  # not what the AMFs have
        assert bench.updates(ue, "registration").worked
        events = bench.since(ue)
        asked = [e.name for e in events if e.received and e.interface == "n1"]
        assert asked == [
            "IDENTITY REQUEST",
            "AUTHENTICATION REQUEST",
            "SECURITY MODE COMMAND",
            "REGISTRATION ACCEPT",
        ]
        assert any(e.name == f"403 to {UE_CONTEXT_TRANSFER}" for e in events)

    def test_a_ue_that_registers_takes_its_pdu_session_along(self, bench: AmfBench) -> None:
        ue = here(bench)
        assert bench.updates(ue, "registration").worked
        modified = [e for e in bench.since(ue) if e.name.startswith("POST /nsmf-pdusession")]
        assert len(modified) == 1
        assert bench.idles(ue, "release").worked
        mark = bench.mark()
        ue.update()
        accept = bench.wait(ue, "REGISTRATION ACCEPT", within=3, since=mark)
        assert accept is not None
        assert accept.facts["mac_ok"] is True
        assert not any("SECURITY MODE" in e.name for e in bench.since(ue, mark))


def test_what_the_bench_does_not_play_is_told(tmp_path: Path) -> None:
    path = emulated(tmp_path, name="emulated-core.yaml")
    with opened(path) as bench:
        assert not bench.plays("amf2")
