"""Network slice-specific authentication: the played NSSAAF and UDM, and the emulated AMF over real SCTP."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from products import emulated
from test_peers import DISCOVER, NETWORK, OTHER, SUBSCRIBER, SUPI, Amf, named
from test_ue import opened

from assay.case import Event
from assay.case import named as of_product
from assay.evidence import Trace
from drivers import nssaa
from drivers.bench import AmfBench
from drivers.codecs import eap, nas
from drivers.emulated.consumer import Consumer
from drivers.emulated.peers import Peers
from drivers.emulated.slice_authority import NOBODY, SliceAuthority
from drivers.interfaces import (
    REVOCATION,
    SLICE_AUTHENTICATION,
    SLICE_CONFIRMATION,
    Answer,
    Reply,
    Silence,
    Slices,
    slice_name,
)
from drivers.ue import Ue

S1, S2 = (1, None), (1, 0xA2)
SLICES = Slices((S1,), S2)
NAME = "1-0000a2"
GPSI = "msisdn-0000000001"
WHOSE = {"gpsi": GPSI, "snssai": {"sst": 1, "sd": "0000A2"}}
DEREGISTRATION = "DEREGISTRATION REQUEST (UE TERMINATED)"
UPDATE = "CONFIGURATION UPDATE COMMAND"


# --- names of slices --------------------------------------------------------------------------------------


def test_names_of_slices() -> None:
    assert [slice_name(one) for one in (S1, S2, (1, 0xFFFFFF))] == ["1", NAME, "1"]
    assert slice_name({"sst": 1, "sd": "0000A2"}) == NAME
    assert slice_name({"sst": 1, "sd": "FFFFFF"}) == slice_name({"sst": 1}) == "1"
    for odd in ({}, {"sst": "1"}, {"sst": 256}, {"sst": 1, "sd": "A2"}, {"sst": 1, "sd": 2}):
        assert slice_name(odd) == ""
    assert SLICES.all == (S1, S2)
    assert SLICES.foreign not in SLICES.all
    assert Slices((S1,)).all == (S1,)


# --- the played functions ---------------------------------------------------------------------------------


@pytest.fixture
def trace() -> Trace:
    return Trace()


@pytest.fixture
def peers(trace: Trace) -> Iterator[Peers]:
    subscribers = {s.supi: s for s in (SUBSCRIBER, OTHER)}
    here = dict.fromkeys(("nrf", "ausf", "udm", "nssf", "smf", "nssaaf"), ("127.0.0.1", 0))
    peers = Peers(trace, subscribers, ("999", "70"), [S1], here, more_slices=[S2])
    peers.labels[SUPI] = "ue1"
    peers.start()
    yield peers
    trouble = peers.trouble
    peers.close()
    assert not trouble


@pytest.fixture
def amf(peers: Peers) -> Iterator[Amf]:
    amf = Amf(peers)
    yield amf
    amf.close()


def text(packet: eap.Packet) -> str:
    return base64.b64encode(packet.encode()).decode()


IDENTITY = text(eap.Packet(eap.Code.RESPONSE, 3, eap.Type.IDENTITY, b"user"))


def authenticate(amf: Amf, **more: Any) -> tuple[int, Any, str]:
    uri = amf.peers.uri("nssaaf") + SLICE_AUTHENTICATION.partition(" ")[2]
    return amf.ask("POST", uri, {**WHOSE, "eapIdRsp": IDENTITY, **more})


def answered(context: dict[str, Any]) -> str:
    response = nssaa.answer(base64.b64decode(context["eapMessage"]), "user")
    assert response is not None
    return base64.b64encode(response).decode()


def test_the_nssaaf_challenges_a_user_and_says_how_it_ended(amf: Amf, trace: Trace) -> None:
    status, context, location = authenticate(amf, revocNotifUri="http://127.0.0.1:1/x", amfInstanceId="me")
    challenge = eap.Packet.decode(base64.b64decode(context["eapMessage"]))
    assert (status, context["gpsi"], context["snssai"]) == (201, GPSI, WHOSE["snssai"])
    assert (challenge.code, challenge.identifier, challenge.type) == (1, 4, eap.Type.MD5_CHALLENGE)
    assert location.rpartition("/")[2] == context["authCtxId"]

    assert amf.ask("PUT", location, {**WHOSE, "gpsi": "msisdn-1", "eapMessage": answered(context)})[0] == 400
    status, end, _ = amf.ask("PUT", location, {**WHOSE, "eapMessage": answered(context)})
    assert (status, end["authResult"]) == (200, "EAP_SUCCESS")
    assert base64.b64decode(end["eapMessage"]) == bytes.fromhex("03040004")
    assert amf.ask("PUT", location, {**WHOSE, "eapMessage": answered(context)})[0] == 404

    asked, confirmed = named(trace, SLICE_AUTHENTICATION), named(trace, SLICE_CONFIRMATION)
    assert (asked.interface, asked.ue, confirmed.ue) == ("n58", "ue1", "ue1")
    assert asked.facts["body"] == {**WHOSE, "eapIdRsp": IDENTITY}  # who the product is has no place in facts


def test_a_wrong_answer_fails_and_so_does_a_script(amf: Amf, peers: Peers) -> None:
    _, context, location = authenticate(amf)
    wrong = text(eap.Packet(eap.Code.RESPONSE, 4, eap.Type.MD5_CHALLENGE, eap.md5_data(bytes(16))))
    assert amf.ask("PUT", location, {**WHOSE, "eapMessage": wrong})[1]["authResult"] == "EAP_FAILURE"

    SliceAuthority(peers, None, SLICES).subscribe(SUPI, only=False, fails=True)
    _, context, location = authenticate(amf)
    _, end, _ = amf.ask("PUT", location, {**WHOSE, "eapMessage": answered(context)})
    assert end == {**WHOSE, "authResult": "EAP_FAILURE", "eapMessage": text(eap.Packet(4, 4))}
    assert (
        amf.ask("PUT", location, {**WHOSE, "eapMessage": answered(context)})[0] == 404
    )  # not made a failure


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"gpsi": "msisdn-12345"}, 404),
        ({"gpsi": 5}, 404),
        ({"eapIdRsp": "!"}, 400),
        ({"eapIdRsp": None}, 400),
        ({"eapIdRsp": text(eap.Packet(eap.Code.REQUEST, 0, eap.Type.IDENTITY))}, 400),
    ],
)
def test_whom_the_nssaaf_refuses(amf: Amf, more: dict[str, Any], status: int) -> None:
    assert authenticate(amf, **more)[0] == status


def test_a_subscription_of_ones_own(amf: Amf, peers: Peers) -> None:
    sdm = f"{peers.uri('udm')}/nudm-sdm/v2/"
    usual = amf.ask("GET", f"{sdm}{SUPI}/am-data")[1]
    authority = SliceAuthority(peers, None, SLICES)
    authority.subscribe(SUPI, only=False, fails=False)
    am_data = amf.ask("GET", f"{sdm}{SUPI}/am-data")[1]
    assert am_data == usual | {
        "gpsis": [GPSI],
        "nssai": {
            "defaultSingleNssais": [{"sst": 1}],
            "singleNssais": [{"sst": 1, "sd": "0000A2"}],
            "additionalSnssaiData": {"1-0000A2": {"requiredAuthnAuthz": True}},
        },
    }
    assert amf.ask("GET", f"{sdm}{SUPI}/nssai")[1] == am_data["nssai"]
    assert set(amf.ask("GET", f"{sdm}{SUPI}/smf-select-data")[1]["subscribedSnssaiInfos"]) == {
        "1",
        "1-0000A2",
    }
    both = amf.ask("GET", f"{sdm}{SUPI}?dataset-names=AM,SMF_SEL")[1]
    assert both["amData"] == am_data
    assert set(both["smfSelData"]["subscribedSnssaiInfos"]) == {"1", "1-0000A2"}

    authority.subscribe(SUPI, only=True, fails=False)
    nssai = amf.ask("GET", f"{sdm}{SUPI}/nssai")[1]
    assert nssai["defaultSingleNssais"] == [{"sst": 1, "sd": "0000A2"}]
    assert "singleNssais" not in nssai
    assert amf.ask("GET", f"{sdm}{OTHER.supi}/nssai")[1] == usual["nssai"]
    peers.unscript(SUPI)
    assert amf.ask("GET", f"{sdm}{SUPI}/am-data")[1] == usual


def test_who_may_use_the_slice_finds_it_everywhere(amf: Amf, peers: Peers) -> None:
    nssf = peers.uri("nssf") + "/nnssf-nsselection/v2/network-slice-information?nf-type=AMF&nf-id=x"
    nssf += "&slice-info-request-for-registration="

    def allowed(registration: str) -> list[str]:
        (kind,) = amf.ask("GET", nssf + registration)[1]["allowedNssaiList"]
        return [slice_name(one["allowedSnssai"]) for one in kind["allowedSnssaiList"]]

    subscribed = '{"subscribedNssai":[{"subscribedSnssai":{"sst":1,"sd":"0000a2"}}]}'
    assert allowed("{}") == ["1"]
    assert allowed(subscribed) == [NAME]
    assert amf.ask("GET", nssf + subscribed.replace('"sst":1', '"sst":7'))[0] == 403
    assert amf.ask("GET", nssf + '{"subscribedNssai":[1]}')[0] == 400
    for sd, number in (("0000a2", 1), ("0000A2", 1), ("0000a3", 0)):
        query = f'SMF&snssais=[{{"sst":1,"sd":"{sd}"}}]'
        found = amf.ask("GET", peers.uri("nrf") + DISCOVER + query)[1]["nfInstances"]
        assert len(found) == number
    assert amf.authenticate(servingNetworkName=NETWORK)[0] == 201


# --- where revocations go ---------------------------------------------------------------------------------


class Told(Consumer):
    """A consumer that keeps what it would send."""

    def __init__(self) -> None:
        self.address = ("127.0.0.1", 80)
        self.asked: list[tuple[str, Any]] = []

    def ask(self, interface: str, name: str, path: str, content: Any, **more: Any) -> Answer:
        self.asked.append((path, content))
        return Reply(204)


def registered(amf: Amf, instance: str, *uris: str, service: bool = False) -> None:
    wants = [{"notificationType": "NSSAA_REVOC_NOTIFICATION", "callbackUri": uri} for uri in uris]
    profile: dict[str, Any] = {"nfInstanceId": instance, "nfType": "AMF", "nfStatus": "REGISTERED"}
    part = {"defaultNotificationSubscriptions": wants}
    profile |= {"nfServices": [part, 7]} if service else part
    assert amf.ask("PUT", f"{amf.peers.uri('nrf')}/nnrf-nfm/v1/nf-instances/{instance}", profile)[0] == 201


def test_a_revocation_goes_where_the_product_wants_it(amf: Amf, peers: Peers) -> None:
    told = Told()
    authority = SliceAuthority(peers, told, SLICES)
    authority.subscribe(SUPI, only=True, fails=False)
    authenticate(amf, revocNotifUri="http://127.0.0.1/here?a=b")
    assert authority.revoke(SUPI, "ue1", S2, unknown=False) == Reply(204)
    assert authority.revoke(SUPI, "ue1", (2, None), unknown=True) == Reply(204)
    path = "/here?a=b"
    assert told.asked == [
        (path, {"notifType": "SLICE_REVOCATION", "supi": SUPI, **WHOSE}),
        (path, {"notifType": "SLICE_REVOCATION", "gpsi": NOBODY, "snssai": {"sst": 2}}),
    ]


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:81/",
        "http://127.0.0.2/",
        "https://127.0.0.1:80/",
        "http://amf.example/",
        "http://127.0.0.1:x/",
        "http://[::1/",
        "\x1b[31m",
    ],
)
def test_nothing_goes_to_an_address_that_is_not_declared(amf: Amf, peers: Peers, uri: str) -> None:
    told = Told()
    authority = SliceAuthority(peers, told, SLICES)
    authority.subscribe(SUPI, only=True, fails=False)
    authenticate(amf, revocNotifUri=uri)
    said = authority.revoke(SUPI, "ue1", S2, unknown=False)
    assert isinstance(said, str)
    assert "nothing sent" in said
    assert said.isprintable()
    assert told.asked == []


def test_the_nf_profile_is_the_second_place_to_look(amf: Amf, peers: Peers) -> None:
    told = Told()
    authority = SliceAuthority(peers, told, SLICES)
    assert "neither in revocNotifUri nor in" in str(authority.revoke(SUPI, "ue1", S2, unknown=False))
    assert "functions.amf.sbi" in str(SliceAuthority(peers, None, SLICES).revoke(SUPI, "", S2, unknown=False))
    registered(amf, "one", "http://127.0.0.1/one")
    assert authority.uri(SUPI) == "http://127.0.0.1/one"
    registered(amf, "two", "http://127.0.0.1/two", service=True)
    assert authority.uri(SUPI) == ""  # whose it would be nobody knows
    authority.subscribe(SUPI, only=True, fails=False)
    authenticate(amf, amfInstanceId="two")
    assert authority.uri(SUPI) == "http://127.0.0.1/two"


# --- the emulated AMF -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmfBench]:
    with opened(emulated(tmp_path_factory.mktemp("nssaa"))) as one:
        yield one
        assert one.end() is None


def begun(bench: AmfBench, ue: Ue, capability: bytes, *, only: bool = False, fails: bool = False) -> None:
    """Let a UE of another 5GMM capability register for the slice that needs NSSAA."""
    assert bench._authority is not None
    bench._authority.subscribe(ue.subscriber.supi, only=only, fails=fails)
    ue.slices = (S2,) if only else (S1, S2)
    ue.also["mm_capability"] = capability


def message(bench: AmfBench, event: Event) -> nas.Message:
    return nas.decode(bench.trace.frames[event.facts["deciphered"] - 1].data)


def one(bench: AmfBench, ue: Ue, name: str, *, since: int | None = None) -> Event:
    event = bench.wait(ue, name, within=5, since=since)
    assert event is not None, [e.name for e in bench.since(ue, since)]
    assert event.facts.get("mac_ok") is True
    return event


def test_a_slice_is_pending_then_allowed(bench: AmfBench) -> None:
    ue = bench.ue()
    control = bench.authenticates_slice(ue, "NSSAA")
    assert control.worked, control.saw
    accept, update = one(bench, ue, "REGISTRATION ACCEPT"), one(bench, ue, UPDATE)
    assert (accept.facts["allowed_nssai"], accept.facts["pending_nssai"]) == (["1"], [NAME])
    assert message(bench, accept).ies["registration_result"] == b"\x01"
    assert update.facts["allowed_nssai"] == ["1", NAME]
    told = [(e.facts["s_nssai"], e.facts["eap"]) for e in bench.since(ue) if "eap" in e.facts]
    assert told == [
        (NAME, "request identity"),
        (NAME, "response identity"),
        (NAME, "request md5_challenge"),
        (NAME, "response md5_challenge"),
        (NAME, "success"),
    ]
    assert bench.establishes(ue, 1, "a session there", s_nssai=S2).worked


def test_the_only_slice_is_awaited_and_its_failure_deregisters(bench: AmfBench) -> None:
    ue = bench.ue()
    begun(bench, ue, nssaa.CAPABILITY, only=True, fails=True)
    ue.start()
    accept, end = one(bench, ue, "REGISTRATION ACCEPT"), one(bench, ue, DEREGISTRATION)
    assert "allowed_nssai" not in accept.facts
    assert message(bench, accept).ies["registration_result"] == b"\x11"  # NSSAA is to be performed
    assert (end.facts["cause"], end.facts["deregistration_type"], end.facts["header"]) == (62, 1, 2)
    assert end.facts["extended_rejected_nssai"] == {NAME: 2}
    assert bench.wait(ue, "UE CONTEXT RELEASE COMMAND", within=5)
    assert len(of_product(bench.since(ue), DEREGISTRATION)) == 1


def test_a_default_slice_is_left_to_whoever_did_not_ask_for_it(bench: AmfBench) -> None:
    ue = bench.ue()
    begun(bench, ue, nssaa.CAPABILITY, fails=True)
    ue.slices = (S2,)
    assert bench.connects(ue, "registration").worked
    update = one(bench, ue, UPDATE)
    assert "allowed_nssai" not in one(bench, ue, "REGISTRATION ACCEPT").facts
    assert update.facts["allowed_nssai"] == ["1"]
    assert update.facts["extended_rejected_nssai"] == {NAME: 2}


def test_a_failure_leaves_the_other_slices(bench: AmfBench) -> None:
    ue = bench.ue()
    begun(bench, ue, b"\x00\x40", fails=True)  # no Extended rejected NSSAI
    assert bench.connects(ue, "registration").worked
    update = one(bench, ue, UPDATE)
    assert (update.facts["allowed_nssai"], update.facts["rejected_nssai"]) == (["1"], {NAME: 2})
    mark = bench.mark()
    sent = ue.session_request(2, s_nssai=S2)
    back = one(bench, ue, "DL NAS TRANSPORT", since=mark)
    assert (back.facts["cause"], back.facts["pdu_session_id"]) == (90, 2)
    assert back.facts["payload_container"] == sent.event.facts["payload_container"]
    assert bench.establishes(ue, 3, "a session elsewhere").worked


def test_a_ue_that_cannot_is_refused_the_slice(bench: AmfBench) -> None:
    ue = bench.ue()
    begun(bench, ue, b"\x00")
    assert bench.connects(ue, "registration").worked
    accept = one(bench, ue, "REGISTRATION ACCEPT")
    assert (accept.facts["allowed_nssai"], accept.facts["rejected_nssai"]) == (["1"], {NAME: 0})
    assert not of_product(bench.since(ue), nssaa.COMMAND)
    alone = bench.ue()
    begun(bench, alone, b"\x00", only=True)
    alone.start()
    reject = bench.outcome(alone)
    assert reject is not None
    assert (reject.name, reject.facts["cause"]) == ("REGISTRATION REJECT", 62)


def test_the_command_is_repeated_until_the_ue_answers(bench: AmfBench) -> None:
    ue = bench.ue()
    control = bench.authenticates_slice(ue, "NSSAA", "held")
    assert control.worked, control.saw
    first = one(bench, ue, nssaa.COMMAND)
    again = bench.trace.wait(
        lambda e: e.ue == ue.label and e.name == nssaa.COMMAND and e.at > first.at, within=5
    )
    assert again is not None
    assert 1.8 < again.at - first.at < 4  # T3575 of the profile is 2 s
    mark = bench.mark()
    ue.held.clear()
    ue.complete_slice_authentication()
    assert bench.allows(ue, "allowed", since=mark).worked


def test_a_revocation_that_leaves_a_slice_is_an_update(bench: AmfBench) -> None:
    ue = bench.ue()
    assert bench.authenticates_slice(ue, "NSSAA").worked
    assert bench.establishes(ue, 1, "a session on the slice", s_nssai=S2).worked
    assert bench.establishes(ue, 2, "a session elsewhere").worked
    mark = bench.mark()
    control = bench.revoke(ue, "revocation", S2)
    assert (control.worked, control.saw) == (True, "the revocation was answered 204")
    update = one(bench, ue, UPDATE, since=mark)
    assert (update.facts["allowed_nssai"], update.facts["extended_rejected_nssai"]) == (["1"], {NAME: 2})
    assert bench.wait(ue, "CONFIGURATION UPDATE COMPLETE", within=5, since=mark)
    released = "POST /nsmf-pdusession/v1/sm-contexts/{smContextRef}/release"
    assert bench.wait(ue, released, within=5, since=mark)
    assert len(of_product(bench.since(ue, mark), released)) == 1
    assert bench.establishes(ue, 3, "a session elsewhere").worked


def test_a_revocation_ends_the_registration_of_an_idle_ue(bench: AmfBench) -> None:
    ue = bench.ue()
    assert bench.authenticates_slice(ue, "NSSAA", only=True).worked
    assert bench.idles(ue, "idle").worked
    mark = bench.mark()
    assert bench.revoke(ue, "revocation", S2).worked
    purge = "PATCH /nudm-uecm/v1/{supi}/registrations/amf-3gpp-access"
    assert bench.wait(ue, purge, within=5, since=mark)
    ue.service_request()
    reject = bench.wait(ue, "SERVICE REJECT", within=5)
    assert reject is not None
    assert reject.facts["cause"] == nas.Cause.IMPLICITLY_DEREGISTERED


def test_what_is_no_revocation_of_ours(bench: AmfBench) -> None:
    ue, twin = bench.ue(), bench.ue()
    assert bench.authenticates_slice(ue, "NSSAA", only=True).worked
    assert bench.authenticates_slice(twin, "NSSAA", only=True).worked
    assert bench.shares_revocation(ue, twin)
    mark = bench.mark()
    assert bench.revoke(ue, "another slice", SLICES.foreign).saw.endswith("204")
    assert bench.revoke(ue, "nobody", S2, unknown=True).saw.endswith("404")
    assert bench.consumer is not None
    assert bench._authority is not None
    path = "/" + bench._authority.uri(ue.subscriber.supi).split("/", 3)[3]
    odd: list[Any] = [[], {"notifType": "SLICE_REVOCATION"}, {**WHOSE, "notifType": "SLICE_REVOCATION"}]
    odd[2]["snssai"] = 1
    for content in odd:
        answer = bench.consumer.ask("n58", REVOCATION, path, content, ue=ue.label)
        assert isinstance(answer, Reply)
        assert answer.status == 400
    reauthentication = {**WHOSE, "notifType": "SLICE_RE_AUTH"}
    answer = bench.consumer.ask("n58", REVOCATION, path, reauthentication, ue=ue.label)
    assert isinstance(answer, Reply)
    assert answer.status == 404
    assert not of_product(bench.since(ue, mark), DEREGISTRATION, UPDATE)
    mark = bench.mark()
    assert bench.revoke(ue, "the right one", S2).worked
    assert one(bench, ue, DEREGISTRATION, since=mark).facts["extended_rejected_nssai"] == {NAME: 2}
    assert not of_product(bench.since(twin, mark), DEREGISTRATION, UPDATE)


def test_controls_say_what_the_lab_lacks(bench: AmfBench, monkeypatch: pytest.MonkeyPatch) -> None:
    ue = bench.ue()
    with monkeypatch.context() as patch:
        patch.setattr(bench, "slices", Slices((S1,)))
        assert "network.nssaa_slice" in bench.authenticates_slice(ue, "NSSAA").saw
    with monkeypatch.context() as patch:
        patch.setattr(bench, "plays", lambda *peers: "nssaaf" not in peers)
        assert "plays no UDM or no NSSAAF" in bench.authenticates_slice(ue, "NSSAA").saw
    with monkeypatch.context() as patch:
        patch.setattr(SliceAuthority, "revoke", lambda *which, **more: Silence(3))
        control = bench.revoke(ue, "revocation", S2)
        assert not control.worked
        assert "not answered" in control.saw
