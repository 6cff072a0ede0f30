"""The played neighbours of an AMF: a whole conversation with each, what is recorded of it, and scripts."""

import json
import socket
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from h2.errors import ErrorCodes

from assay.case import Event
from assay.errors import LabError
from assay.evidence import Flow, Trace
from drivers import reach
from drivers.codecs import kdf, suci
from drivers.codecs.milenage import Milenage
from drivers.emulated.access_token import Issuer
from drivers.emulated.peers import Action, Change, Peers, plain
from drivers.emulated.scp import Producer, Scp
from drivers.emulated.untraced import Untraced
from drivers.interfaces import Refused, Reply, Silence, Subscriber
from drivers.redact import masked
from drivers.sbi import (
    Client,
    Hold,
    Later,
    Part,
    Request,
    Reset,
    Response,
    Server,
    answer,
    decode,
    join_parts,
)

SUBSCRIBER = Subscriber("999700000000001", b"\x11" * 16, b"\x22" * 16)
OTHER = Subscriber("999700000000002", b"\x33" * 16, b"\x44" * 16)
SUPI = SUBSCRIBER.supi
SUCI = "suci-0-999-70-0000-0-0-0000000001"
NETWORK = "5G:mnc070.mcc999.3gppnetwork.org"
HOME_KEY = bytes(range(32))

AUTHENTICATE = "POST /nausf-auth/v1/ue-authentications"
CONFIRM = "PUT /nausf-auth/v1/ue-authentications/{authCtxId}/5g-aka-confirmation"
DISCOVER = "/nnrf-disc/v1/nf-instances?requester-nf-type=AMF&target-nf-type="
SBI = {"nrf", "ausf", "udm", "pcf", "nssf", "smf"}
WAIT = 10.0


class Amf:
    """The product's side: a client per peer, JSON in and out."""

    def __init__(self, peers: Peers) -> None:
        self.peers, self._clients = peers, dict[str, Client]()

    def client(self, root: str) -> Client:
        root = self.peers.uri("scp") if self.peers.whole else root
        host, _, port = root.removeprefix("http://").rpartition(":")
        if root not in self._clients:
            self._clients[root] = Client((host, int(port)), Trace())
        return self._clients[root]

    def ask(
        self, method: str, uri: str, content: Any = ..., *, body: bytes = b"", kind: str = "application/json"
    ) -> tuple[int, Any, str]:
        """Status, decoded body and Location."""
        root, slash, path = uri.removeprefix("http://").partition("/")
        body = body if content is ... else json.dumps(content).encode()
        headers = [("content-type", kind)] if body else []
        headers += [("3gpp-sbi-target-apiroot", f"http://{root}")] if self.peers.whole else []
        reply = self.client(f"http://{root}").request(
            method, slash + path, headers=headers, body=body, timeout=WAIT
        )
        assert isinstance(reply, Reply), reply
        decoded = json.loads(reply.body) if reply.body else None
        return reply.status, decoded, reply.headers.get("location", "")

    def authenticate(self, **more: Any) -> tuple[int, Any, str]:
        content = {"supiOrSuci": SUCI, "servingNetworkName": NETWORK, **more}
        return self.ask("POST", self.peers.uri("ausf") + "/nausf-auth/v1/ue-authentications", content)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest.fixture
def trace() -> Trace:
    return Trace()


@pytest.fixture(params=["played", "behind the SCP"])
def peers(trace: Trace, request: pytest.FixtureRequest) -> Iterator[Peers]:
    subscribers = {s.supi: s for s in (SUBSCRIBER, OTHER)}
    addresses = dict.fromkeys(SBI, ("127.0.0.1", 0)) | {"ausf2": ("127.0.0.2", 0)}
    lab = (subscribers, ("999", "70"), [(1, None), (1, 0xABCD)])
    with ExitStack() as stack:
        whole = request.param != "played"
        peers = Peers(Untraced() if whole else trace, *lab, addresses, home_keys={7: HOME_KEY})
        peers.start()
        stack.callback(peers.close)
        if whole:
            core = {name: Producer(address_of(peers.uri(name))) for name in addresses}
            here = ("127.0.0.1", 0)
            peers = Scp(trace, *lab, here, core, product=None, timeout=WAIT, home_keys={7: HOME_KEY})
            peers.start()
            stack.callback(peers.close)
        peers.labels[SUPI] = "ue1"
        yield peers
        trouble = peers.trouble
    assert not trouble


def address_of(uri: str) -> tuple[str, int]:
    host, _, port = uri.removeprefix("http://").rpartition(":")
    return host, int(port)


@pytest.fixture
def amf(peers: Peers) -> Iterator[Amf]:
    amf = Amf(peers)
    yield amf
    amf.close()


def response(rand: str) -> tuple[bytes, bytes]:
    """RES* and KSEAF of the UE, for the RAND of a challenge."""
    milenage, octets = Milenage(SUBSCRIBER.k, SUBSCRIBER.opc), bytes.fromhex(rand)
    out = milenage.f2345(octets)
    return kdf.res_star(out.ck, out.ik, NETWORK, octets, out.res), out.ck + out.ik


def sqn(challenge: dict[str, str]) -> int:
    milenage = Milenage(SUBSCRIBER.k, SUBSCRIBER.opc)
    value, amf, right = milenage.open_autn(bytes.fromhex(challenge["rand"]), bytes.fromhex(challenge["autn"]))
    assert right
    assert amf == SUBSCRIBER.amf
    return int.from_bytes(value, "big")


def named(trace: Trace, name: str) -> Event:
    found = trace.wait(lambda event: event.name == name, within=WAIT)
    assert found is not None, [event.name for event in trace.since()]
    return found


# --- AUSF -------------------------------------------------------------------------------------------------


def test_5g_aka_succeeds_and_hands_out_the_key_of_the_ue(amf: Amf, trace: Trace) -> None:
    status, context, location = amf.authenticate()
    vector, href = context["5gAuthData"], context["_links"]["5g-aka"]["href"]
    assert (status, context["authType"]) == (201, "5G_AKA")
    assert href == location + "/5g-aka-confirmation"
    res_star, ck_ik = response(vector["rand"])
    assert kdf.hres_star(bytes.fromhex(vector["rand"]), res_star).hex() == vector["hxresStar"]

    status, result, _ = amf.ask("PUT", href, {"resStar": res_star.hex()})
    kausf = kdf.kausf(ck_ik[:16], ck_ik[16:], NETWORK, bytes.fromhex(vector["autn"])[:6])
    assert (status, result["authResult"], result["supi"]) == (200, "AUTHENTICATION_SUCCESS", SUPI)
    assert result["kseaf"] == kdf.kseaf(kausf, NETWORK).hex()
    assert amf.ask("DELETE", href)[0] == 204
    assert amf.ask("DELETE", href)[0] == 404

    asked, told = named(trace, AUTHENTICATE), named(trace, f"201 to {AUTHENTICATE}")
    assert (asked.received, asked.interface, asked.ue) == (True, "n12", "ue1")
    assert asked.facts["body"]["supiOrSuci"] == SUCI
    assert (told.received, told.facts["status"]) == (False, 201)
    assert told.facts["body"]["5gAuthData"]["rand"] == vector["rand"]
    confirmed = named(trace, CONFIRM)
    assert confirmed.ue == "ue1"
    assert confirmed.facts["body"] == {"resStar": res_star.hex()}
    assert confirmed.facts["path"] == {"authCtxId": location.rpartition("/")[2]}
    assert result["kseaf"] not in repr(trace.since())


def test_a_wrong_or_null_res_star_fails(amf: Amf, trace: Trace) -> None:
    _, context, _ = amf.authenticate()
    href = context["_links"]["5g-aka"]["href"]
    res_star, _ = response(context["5gAuthData"]["rand"])
    wrong = bytes([res_star[0] ^ 1]) + res_star[1:]
    for given in (wrong.hex(), None, ""):
        mark = trace.mark()
        status, result, _ = amf.ask("PUT", href, {"resStar": given})
        assert (status, result) == (200, {"authResult": "AUTHENTICATION_FAILURE"})
        assert trace.since(mark)[0].facts["body"] == {"resStar": given}
    mark = trace.mark()
    assert amf.ask("PUT", href, {})[0] == 400
    assert "body" not in trace.since(mark)[0].facts
    assert amf.ask("PUT", href, {"resStar": 5})[0] == 400
    assert amf.ask("PUT", href.replace(href.split("/")[-2], "none"), {"resStar": None})[0] == 404


def test_sqn_grows_by_one_step_and_resynchronises_to_the_ue(amf: Amf) -> None:
    first = amf.authenticate()[1]["5gAuthData"]
    second = amf.authenticate()[1]["5gAuthData"]
    assert sqn(second) - sqn(first) == 32
    ahead = 1 << 30
    milenage = Milenage(SUBSCRIBER.k, SUBSCRIBER.opc)
    auts = milenage.auts(bytes.fromhex(second["rand"]), ahead.to_bytes(6, "big")).hex()

    status, _, _ = amf.authenticate(resynchronizationInfo={"rand": first["rand"], "auts": auts})
    assert status == 403  # AUTS belongs to another RAND
    assert sqn(amf.authenticate()[1]["5gAuthData"]) == sqn(second) + 32
    status, context, _ = amf.authenticate(resynchronizationInfo={"rand": second["rand"], "auts": auts})
    assert status == 201
    assert sqn(context["5gAuthData"]) == ahead + 32
    assert amf.authenticate(resynchronizationInfo={"rand": "zz", "auts": ""})[0] == 403
    assert amf.authenticate(resynchronizationInfo=[1])[0] == 400


def test_whom_the_ausf_knows(amf: Amf) -> None:
    assert amf.authenticate(supiOrSuci=SUPI)[0] == 201
    assert amf.authenticate(supiOrSuci="imsi-999709999999999")[0] == 404
    assert amf.authenticate(supiOrSuci=["x"])[0] == 404
    assert amf.authenticate(supiOrSuci="suci-0-999-70-0000-1-9-00")[0] == 404
    assert amf.authenticate(servingNetworkName="5G:mnc001.mcc001.3gppnetwork.org")[0] == 403
    public = X25519PrivateKey.from_private_bytes(HOME_KEY).public_key().public_bytes_raw()
    output = suci.conceal(suci.PROFILE_A, bytes.fromhex("0000000010"), public)
    status, context, _ = amf.authenticate(supiOrSuci=f"suci-0-999-70-0000-1-7-{output.hex()}")
    assert status == 201
    assert sqn(context["5gAuthData"])  # the key of this subscriber opens it


# --- scripts ----------------------------------------------------------------------------------------------


def confirmation(amf: Amf) -> tuple[str, dict[str, str]]:
    _, context, _ = amf.authenticate()
    return context["_links"]["5g-aka"]["href"], {"resStar": response(context["5gAuthData"]["rand"])[0].hex()}


@pytest.mark.parametrize("with_key", [False, True])
def test_a_script_turns_success_into_failure(amf: Amf, peers: Peers, with_key: bool) -> None:
    peers.script(SUPI, CONFIRM, lambda request: lambda normal: peers.failure(normal, with_key=with_key))
    href, right = confirmation(amf)
    _, result, _ = amf.ask("PUT", href, right)
    assert result["authResult"] == "AUTHENTICATION_FAILURE"
    assert ("kseaf" in result) is with_key
    peers.unscript(SUPI)
    assert amf.ask("PUT", href, right)[1]["authResult"] == "AUTHENTICATION_SUCCESS"


def test_a_script_holds_until_the_amf_gives_up(amf: Amf, peers: Peers, trace: Trace) -> None:
    held: list[Request] = []

    def never(request: Request) -> Hold:
        held.append(request)
        return Hold()

    peers.script(SUPI, CONFIRM, never)
    href, right = confirmation(amf)
    root, _, path = href.removeprefix("http://").partition("/")
    client = amf.client(f"http://{root}")
    silent = client.request("PUT", "/" + path, body=json.dumps(right).encode(), timeout=0.2)
    assert isinstance(silent, Silence)
    reset = named(trace, "STREAM RESET")
    assert (reset.ue, reset.interface, reset.received) == ("ue1", "n12", True)
    assert reset.facts["request"] == CONFIRM
    assert not [event for event in trace.since() if event.name == f"200 to {CONFIRM}"]
    peers.release(held[0], answer(200, {}))  # too late, and harmless
    peers.unscript()
    assert amf.ask("PUT", href, right)[0] == 200


def test_a_script_resets_a_request_or_its_answer(amf: Amf, peers: Peers, trace: Trace) -> None:
    href, right = confirmation(amf)
    root, _, path = href.removeprefix("http://").partition("/")
    client = amf.client(f"http://{root}")
    scripts: list[Action] = [lambda request: Reset()]
    scripts.append(lambda request: lambda normal: Reset(ErrorCodes.REFUSED_STREAM))
    for number, script in enumerate(scripts, 1):
        peers.script(SUPI, CONFIRM, script)
        reply = client.request("PUT", "/" + path, body=json.dumps(right).encode(), timeout=WAIT)
        assert isinstance(reply, Refused), reply
        resets = [event for event in trace.since() if event.name == "STREAM RESET"]
        assert [event.facts for event in resets] == number * [{"request": CONFIRM, "by": "bench"}]
    peers.unscript()
    assert amf.ask("PUT", href, right)[0] == 200


def test_a_held_answer_is_released_and_another_delayed(amf: Amf, peers: Peers, trace: Trace) -> None:
    def hold(request: Request) -> Change:
        def release(normal: Response) -> Hold:
            peers.release(request, normal)
            return Hold()

        return release

    peers.script(SUPI, AUTHENTICATE, hold)
    assert amf.authenticate()[0] == 201
    peers.script(SUPI, AUTHENTICATE, lambda request: lambda normal: Later(0.3, normal))
    mark = trace.mark()
    assert amf.authenticate()[0] == 201
    asked, told = trace.since(mark)[:2]
    assert told.name == f"201 to {AUTHENTICATE}"
    assert 0.29 < told.at - asked.at < 5


def test_a_script_of_one_subscriber_does_not_touch_another(amf: Amf, peers: Peers) -> None:
    peers.script(OTHER.supi, AUTHENTICATE, lambda request: answer(503))
    assert amf.authenticate()[0] == 201
    assert amf.authenticate(supiOrSuci=OTHER.supi)[0] == 503


def test_a_script_that_raises_is_the_labs_trouble(trace: Trace) -> None:
    peers = Peers(trace, {SUPI: SUBSCRIBER}, ("999", "70"), [(1, None)], {"ausf": ("127.0.0.1", 0)})
    peers.start()
    amf = Amf(peers)

    def broken(request: Request) -> Response:
        raise RuntimeError("oops")

    peers.script(SUPI, AUTHENTICATE, broken)
    assert amf.authenticate()[0] == 500
    assert "oops" in peers.trouble
    amf.close()
    peers.close()


# --- NRF and NSSF -----------------------------------------------------------------------------------------


def test_registration_heartbeat_and_subscription(amf: Amf, peers: Peers) -> None:
    nfm = peers.uri("nrf") + "/nnrf-nfm/v1"
    one = f"{nfm}/nf-instances/0b0b0b0b-0000-4000-8000-000000000000"
    profile = {"nfInstanceId": one.rpartition("/")[2], "nfType": "AMF", "nfStatus": "REGISTERED"}
    patch = [{"op": "replace", "path": "/nfStatus", "value": "REGISTERED"}]
    assert amf.ask("PATCH", one, patch)[0] == 404
    status, echoed, location = amf.ask("PUT", one, profile)
    assert (status, echoed["heartBeatTimer"], location) == (201, 60, one)
    assert amf.ask("PUT", one, profile)[0] == 200
    assert amf.ask("PATCH", one, patch)[0] == 204
    assert amf.ask("PUT", one, {"nfType": "AMF"})[0] == 400
    links = amf.ask("GET", f"{nfm}/nf-instances")[1]["_links"]["item"]
    assert {"href": one} in links
    assert {amf.ask("GET", link["href"])[1]["nfType"] for link in links} == {
        "AMF", "AUSF", "UDM", "PCF", "NSSF", "SMF",
    }  # fmt: skip
    assert amf.ask("DELETE", one)[0] == 204
    assert amf.ask("GET", one)[0] == 404
    wanted = {"nfStatusNotificationUri": "http://127.0.0.5/n", "subscrCond": {"nfType": "SMF"}}
    status, echoed, location = amf.ask("POST", f"{nfm}/subscriptions", wanted)
    assert status == 201
    assert echoed.items() >= wanted.items()
    assert amf.ask("PATCH", location, [])[0] == 204
    assert amf.ask("DELETE", location)[0] == 204
    assert amf.ask("PATCH", location, [])[0] == amf.ask("DELETE", location)[0] == 404


@pytest.mark.parametrize("peers", ["played"], indirect=True)
def test_the_nrf_tells_of_functions_that_come_change_and_go(amf: Amf, peers: Peers, trace: Trace) -> None:
    heard = Trace()

    def served(request: Request) -> Response:
        decode(request)
        heard.event(0, True, "nnrf", str(request.content["event"]), facts=request.content)
        return answer(204)

    nfm = peers.uri("nrf") + "/nnrf-nfm/v1"
    identity = "0b0b0b0b-0000-4000-8000-000000000001"
    profile = {"nfInstanceId": identity, "nfType": "SMF", "nfStatus": "REGISTERED"}
    with closing(Server(("127.0.0.1", 0), handler=served, trace=Untraced())) as consumer:
        for more in (
            {"subscrCond": {"nfType": "SMF"}},
            {"subscrCond": {"nfType": "UDM"}},
            {"subscrCond": {"serviceName": "nsmf-pdusession"}},
            {"reqNfInstanceId": identity},
            {"reqNotifEvents": ["NF_DEREGISTERED"]},
        ):
            wanted = {"nfStatusNotificationUri": f"{consumer.uri}/told", **more}
            assert amf.ask("POST", f"{nfm}/subscriptions", wanted)[0] == 201
        assert amf.ask("PUT", f"{nfm}/nf-instances/{identity}", profile)[0] == 201
        services = [{"serviceName": "nsmf-pdusession"}]
        assert amf.ask("PUT", f"{nfm}/nf-instances/{identity}", profile | {"nfServices": services})[0] == 200
        assert amf.ask("DELETE", f"{nfm}/nf-instances/{identity}")[0] == 204
        heard.wait(lambda e: len(heard.since()) == 6, mark=0, within=WAIT)
        told = sorted(event.name for event in heard.since())
    assert told == 3 * ["NF_DEREGISTERED"] + 2 * ["NF_PROFILE_CHANGED"] + ["NF_REGISTERED"]
    (first,) = [event.facts for event in heard.since() if event.name == "NF_REGISTERED"]
    assert first["nfInstanceUri"] == f"{nfm}/nf-instances/{identity}"
    assert first["nfProfile"]["nfType"] == "SMF"
    assert len([e for e in trace.since() if e.name == "POST {nfStatusNotificationUri}"]) == 6


@pytest.mark.parametrize("peers", ["played"], indirect=True)
def test_the_nrf_tells_nobody_whom_the_profile_does_not_declare(amf: Amf, peers: Peers) -> None:
    nfm, heard = peers.uri("nrf") + "/nnrf-nfm/v1", Trace()
    profile = {"nfInstanceId": "1", "nfType": "SMF", "nfStatus": "REGISTERED"}
    server = Server(("127.0.0.1", 0), handler=lambda request: answer(204), trace=heard)
    with closing(server), reach.only([address_of(peers.uri("nrf"))]):
        for uri in (f"{server.uri}/told", "http://nowhere.invalid/", "ftp://127.0.0.1/", "http://[/"):
            assert amf.ask("POST", f"{nfm}/subscriptions", {"nfStatusNotificationUri": uri})[0] == 201
        assert amf.ask("PUT", f"{nfm}/nf-instances/1", profile)[0] == 201
    assert not heard.frames
    assert not peers.trouble


TOKEN = {
    "grant_type": "client_credentials",
    "nfInstanceId": "one",
    "targetNfType": "UDM",
    "scope": "nudm-sdm nudm-uecm",
}


@pytest.mark.parametrize("peers", ["played"], indirect=True)
def test_the_nrf_issues_access_tokens_that_stay_out_of_the_evidence(
    amf: Amf, peers: Peers, trace: Trace
) -> None:
    uri, kind = f"{peers.uri('nrf')}/oauth2/token", "application/x-www-form-urlencoded"
    status, token, _ = amf.ask("POST", uri, body=urlencode(TOKEN).encode(), kind=kind)
    assert (status, token["token_type"], token["scope"]) == (200, "Bearer", TOKEN["scope"])
    assert token["access_token"] not in repr(trace.since())
    hidden = b"".join(frame.data for frame in masked(trace.frames))
    assert b"Bearer" in hidden
    assert token["access_token"].encode() not in hidden
    for body in (b"", b"a=%ff", b"&" * 200, b"{}"):
        assert amf.ask("POST", uri, body=body, kind=kind)[0] == 400


def test_an_access_token_is_signed_and_limited() -> None:
    issuer = Issuer("nrf", {"UDM": ["nudm-sdm", "nudm-uecm"], "AUSF": ["nausf-auth"]})

    def issued(**change: str | None) -> tuple[int, Any]:
        content = {name: value for name, value in (TOKEN | change).items() if value is not None}
        flow = Flow("tcp", ("127.0.0.1", 1), ("127.0.0.1", 2))
        asked = partial(Request, "POST", "/oauth2/token", {}, {}, b"", 1, 1, flow, "", 0, "nnrf", "")
        answered = issuer.issue(asked(content=content))
        assert answered.headers["cache-control"] == "no-store"
        return answered.status, json.loads(answered.body)

    status, token = issued()
    signed, _, signature = token["access_token"].rpartition(".")
    header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in signed.split("."))
    octets = urlsafe_b64decode(signature + "==")
    der = encode_dss_signature(*(int.from_bytes(half) for half in (octets[:32], octets[32:])))
    issuer.public_key.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    assert (status, header) == (200, {"alg": "ES256", "typ": "JWT"})
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("nrf", "one", "UDM")
    assert claims["scope"] == TOKEN["scope"]
    assert claims["exp"] > time.time()
    assert issued(scope="nudm-sdm:am-data:read")[0] == 200
    assert issued(targetNfType=None, targetNfInstanceId="that one")[0] == 200
    for error, change in (
        ("invalid_request", {"nfInstanceId": None}),
        ("invalid_request", {"targetNfType": None}),
        ("unsupported_grant_type", {"grant_type": "password"}),
        ("invalid_scope", {"scope": "nudm-sdm nausf-auth"}),
        ("invalid_scope", {"scope": ""}),
    ):
        assert issued(**change) == (400, {"error": error})


def found(amf: Amf, query: str) -> list[Any]:
    status, result, _ = amf.ask("GET", amf.peers.uri("nrf") + DISCOVER + query)
    assert (status, result["validityPeriod"] > 0) == (200, True)
    assert isinstance(result["nfInstances"], list)
    return result["nfInstances"]


@pytest.mark.parametrize(
    ("kind", "service", "version"),
    [
        ("UDM", "nudm-uecm", "v1"),
        ("UDM", "nudm-sdm", "v2"),
        ("PCF", "npcf-am-policy-control", "v1"),
        ("NSSF", "nnssf-nsselection", "v2"),
        ("SMF", "nsmf-pdusession", "v1"),
    ],
)
def test_discovery_gives_an_endpoint_that_answers(amf: Amf, kind: str, service: str, version: str) -> None:
    (profile,) = found(amf, f"{kind}&service-names={service}&requester-features=1")
    (offered,) = [one for one in profile["nfServices"] if one["serviceName"] == service]
    assert offered["versions"][0]["apiVersionInUri"] == version
    point = offered["ipEndPoints"][0]
    with socket.create_connection((point["ipv4Address"], point["port"]), WAIT):
        pass
    assert not found(amf, f"{kind}&service-names=nother-service")


def test_discovery_steers_by_routing_indicator_slice_and_name(amf: Amf, peers: Peers) -> None:
    first, second = ([one["ipv4Addresses"][0] for one in found(amf, "AUSF")] for _ in range(2))
    assert first == second == ["127.0.0.1", "127.0.0.2"]
    for indicator, address in (("0000", "127.0.0.1"), ("0", "127.0.0.1"), ("0001", "127.0.0.2")):
        (one,) = found(amf, f"AUSF&routing-indicator={indicator}")
        assert one["ipv4Addresses"] == [address]
    amf.authenticate(supiOrSuci=SUCI.replace("-0000-", "-1-"))
    (one,) = found(amf, f"AUSF&supi={SUPI}")  # as for the GUTI of a UE that once came with this SUCI
    assert one["ipv4Addresses"] == ["127.0.0.2"]
    assert "1" in one["ausfInfo"]["routingIndicators"]
    assert found(amf, 'SMF&snssais=[{"sst":1}]&dnn=internet')
    assert not found(amf, 'SMF&snssais=[{"sst":9}]')
    assert not found(amf, "SMF&dnn=elsewhere")
    (one,) = found(amf, "SMF&requester-features=20")
    assert "nfServices" not in one
    assert one["nfServiceList"]["nsmf-pdusession"]["scheme"] == "http"
    nrf = peers.uri("nrf")
    assert amf.ask("GET", nrf + "/nnrf-disc/v1/nf-instances")[0] == 400
    assert amf.ask("GET", nrf + DISCOVER + "SMF&snssais=[[[")[0] == 400


def test_nssf_names_a_discovery_that_knows_the_smf(amf: Amf, peers: Peers) -> None:
    base = peers.uri("nssf") + "/nnssf-nsselection/v2/network-slice-information?nf-type=AMF&nf-id=x"
    slices = '&slice-info-request-for-pdu-session={"sNssai":%s,"roamingIndication":"NON_ROAMING"}'
    status, result, _ = amf.ask("GET", base + slices % '{"sst":1,"sd":"00ABCD"}')
    assert status == 200
    query = "?requester-nf-type=AMF&target-nf-type=SMF"
    for tail in ("", "/nf-instances"):  # nrfId taken as the resource, or as the root of the API
        (smf,) = amf.ask("GET", result["nsiInformation"]["nrfId"] + tail + query)[1]["nfInstances"]
        assert smf["nfType"] == "SMF"
    assert amf.ask("GET", base + slices % '{"sst":77}')[0] == 403
    assert amf.ask("GET", base + slices % "7")[0] == 400
    registration = amf.ask("GET", base + "&slice-info-request-for-registration={}")[1]
    assert len(registration["allowedNssaiList"][0]["allowedSnssaiList"]) == 2


# --- UDM, PCF, SMF ----------------------------------------------------------------------------------------


def test_udm_serves_a_registration(amf: Amf, peers: Peers, trace: Trace) -> None:
    uecm = f"{peers.uri('udm')}/nudm-uecm/v1/{SUPI}/registrations/amf-3gpp-access"
    sdm = f"{peers.uri('udm')}/nudm-sdm/v2/{SUPI}"
    context = {"amfInstanceId": "a", "deregCallbackUri": "http://x/", "guami": {}, "ratType": "NR"}
    assert amf.ask("PATCH", uecm, {"guami": {}, "purgeFlag": True})[0] == 404
    assert amf.ask("PUT", uecm, {"guami": {}})[0] == 400
    assert amf.ask("PUT", uecm, context)[:2] == (201, context)
    assert amf.ask("PUT", uecm, context)[0] == 204
    assert named(trace, "PUT /nudm-uecm/v1/{supi}/registrations/amf-3gpp-access").ue == "ue1"
    subscription = amf.ask("GET", f"{sdm}/am-data?plmn-id={{}}")[1]
    assert subscription["nssai"]["defaultSingleNssais"] == [{"sst": 1}, {"sst": 1, "sd": "00ABCD"}]
    assert set(amf.ask("GET", f"{sdm}/smf-select-data")[1]["subscribedSnssaiInfos"]) == {"1", "1-00ABCD"}
    assert amf.ask("GET", f"{sdm}/ue-context-in-smf-data")[:2] == (200, {})
    assert amf.ask("GET", f"{sdm}/nssai")[1] == subscription["nssai"]
    both = amf.ask("GET", f"{sdm}?dataset-names=AM,SMF_SEL")[1]
    assert both["amData"] == subscription
    assert "smfSelData" in both
    status, echoed, location = amf.ask("POST", f"{sdm}/sdm-subscriptions", {"nfInstanceId": "a"})
    assert (status, echoed["nfInstanceId"]) == (201, "a")
    assert amf.ask("DELETE", location)[0] == 204
    assert amf.ask("PATCH", uecm, {"guami": {}, "purgeFlag": True})[0] == 204
    assert amf.ask("GET", f"{peers.uri('udm')}/nudm-sdm/v2/imsi-1/am-data")[0] == 404


def test_pcf_serves_a_policy_association(amf: Amf, peers: Peers, trace: Trace) -> None:
    policies = peers.uri("pcf") + "/npcf-am-policy-control/v1/policies"
    content = {"supi": SUPI, "notificationUri": "http://x/", "suppFeat": "0"}
    assert amf.ask("POST", policies, {"supi": SUPI})[0] == 400
    status, result, location = amf.ask("POST", policies, content)
    assert (status, result) == (201, {"suppFeat": "0"})
    assert amf.ask("POST", f"{location}/update", {})[1]["resourceUri"] == location
    assert amf.ask("DELETE", location)[0] == 204
    assert named(trace, "DELETE /npcf-am-policy-control/v1/policies/{polAssoId}").ue == "ue1"
    assert amf.ask("DELETE", location)[0] == 404


def test_smf_takes_a_multipart_sm_context(amf: Amf, peers: Peers, trace: Trace) -> None:
    contexts = peers.uri("smf") + "/nsmf-pdusession/v1/sm-contexts"
    content = {"supi": SUPI, "pduSessionId": 5, "sNssai": {"sst": 1}, "requestType": "INITIAL_REQUEST"}
    kind, body = join_parts(
        [
            Part({"Content-Type": "application/json"}, json.dumps(content).encode()),
            Part({"Content-Type": "application/vnd.3gpp.5gnas", "Content-Id": "n1"}, b"\x2e\x05\r\n\x01"),
        ]
    )
    status, _, location = amf.ask("POST", contexts, body=body, kind=kind)
    assert (status, location.startswith(contexts + "/")) == (201, True)
    event = named(trace, "POST /nsmf-pdusession/v1/sm-contexts")
    assert (event.interface, event.ue) == ("n11", "ue1")
    assert (event.facts["pduSessionId"], event.facts["sNssai"]) == (5, {"sst": 1})
    assert event.facts["body"]["requestType"] == event.facts["requestType"] == "INITIAL_REQUEST"
    assert event.facts["parts"] == {"n1": "2e050d0a01"}
    assert amf.ask("POST", contexts, content)[0] == 201  # JSON alone is as good
    idle = amf.ask("POST", f"{location}/modify", {"upCnxState": "DEACTIVATED"})
    assert idle[:2] == (200, {"upCnxState": "DEACTIVATED"})
    assert amf.ask("POST", f"{location}/release", {"cause": "REL_DUE_TO_HO"})[0] == 204
    assert amf.ask("POST", f"{location}/modify", {"cause": "X"})[0] == 404
    assert amf.ask("POST", contexts, body=body[:-20], kind=kind)[0] == 400
    assert amf.ask("POST", contexts, body=b"{" * 10, kind="application/json")[0] == 400


# --- what a hostile product cannot do ---------------------------------------------------------------------


def test_hostile_content_stays_bounded_and_printable(amf: Amf, peers: Peers, trace: Trace) -> None:
    uri = peers.uri("ausf") + "/nausf-auth/v1/ue-authentications"
    assert amf.ask("POST", uri, body=b"[" * 60_000)[0] == 400
    assert amf.ask("POST", uri, body=b"[NaN]")[0] == 400
    assert amf.ask("POST", uri, body=b'"' + b"a" * 70_000 + b'"')[0] == 413
    nasty = {"supiOrSuci": "\x1b[31m\ud800" + "x" * 5_000, "servingNetworkName": 1e308 * 10, "kseaf": "00"}
    mark = trace.mark()
    assert amf.ask("POST", uri, body=json.dumps(nasty).replace("Infinity", "1e999").encode())[0] == 404
    body = trace.since(mark)[0].facts["body"]
    assert body["servingNetworkName"] == "inf"
    assert "kseaf" not in body
    assert body["supiOrSuci"].startswith("\\x1b[31m\\ud800xxx")
    assert len(body["supiOrSuci"]) < 2_100
    mark = trace.mark()
    assert amf.ask("GET", peers.uri("ausf") + "/%0d%0a\x1b[2J/x")[0] in (400, 404)
    assert all(event.name.isprintable() for event in trace.since(mark))


def test_plain_keeps_null_apart_from_absent_and_cuts_depth() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = [deep]
    assert plain({"resStar": None, "KSEAF": "1", "ck": "2"}) == {"resStar": None}
    assert "end" not in repr(plain(deep))


def test_an_unknown_resource_is_seen_and_refused(amf: Amf, peers: Peers, trace: Trace) -> None:
    assert amf.ask("POST", peers.uri("udm") + "/nudm-ueau/v1/x", {"a": 1})[0] == 404
    event = named(trace, "POST /nudm-ueau/v1/x")
    assert event.facts["body"] == {"a": 1}


# --- the lab's own mistakes -------------------------------------------------------------------------------


def test_lab_errors_say_what_is_wrong(trace: Trace) -> None:
    with pytest.raises(LabError, match="no such peer: amf"):
        Peers(trace, {}, ("999", "70"), [], {"amf": ("127.0.0.1", 0)})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        both = {"nrf": ("127.0.0.1", 0), "ausf": ("127.0.0.1", port)}
        peers = Peers(trace, {}, ("999", "70"), [(1, None)], both)
        with pytest.raises(LabError, match=f"cannot listen on 127.0.0.1:{port}"):
            peers.start()
        with pytest.raises(LabError, match="not started"):
            peers.uri("nrf")
    assert peers.plays("nrf")
    assert not peers.plays("smf")
