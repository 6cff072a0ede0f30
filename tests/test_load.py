"""Many UEs at once: all of them register, what fails is counted by how, and a hostile AMF holds nobody up."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from products import emulated

from assay import profile as profiles
from assay.lab import Lab
from drivers import load, sctp
from drivers.codecs import nas, ngap
from drivers.codecs.nas import Plmn
from drivers.interfaces import Subscriber
from drivers.load import Load
from drivers.n2 import Cell

CELL = Cell(Plmn("999", "70"), 1, ((1, None),), gnb_id=500)


def subscribers(number: int, key: bytes) -> list[Subscriber]:
    return [Subscriber(str(999700000000001 + n), key, key) for n in range(number)]


class Many:
    """A product, and how many UEs at a time register with it."""

    def __init__(self, path: Path, lab: Lab) -> None:
        self.lab, self.profile = lab, profiles.load(path)
        k, opc = (profiles.secret(f"file:emulated.{name}", path.parent) for name in ("k", "opc"))
        self.subscribers = [replace(s, k=k, opc=opc) for s in subscribers(500, bytes(16))]

    def __call__(
        self, number: int, *, in_flight: int, each_s: float = 10, within: float = 60, deregister: bool = False
    ) -> Load:
        n2 = self.profile.functions["amf"].n2
        assert n2.udp is not None
        udp = sctp.Udp(local=n2.udp.bench, peer=n2.udp.product)
        mine = [self.subscribers.pop() for _ in range(number)]
        return load.register(
            n2.pair, CELL, mine, in_flight=in_flight, each_s=each_s, within=within, deregister=deregister,
            udp=udp,
        )  # fmt: skip


@contextmanager
def opened(path: Path, *faults: str) -> Iterator[Many]:
    lab = Lab(path, profiles.load(path), faults)
    lab.open()
    try:
        yield Many(path, lab)
    finally:
        lab.close()


def test_many_at_a_time_all_register_and_deregister(tmp_path: Path) -> None:
    with opened(emulated(tmp_path)) as many:
        done = many(100, in_flight=50)
        assert (done.completed, done.failed, done.ignored) == (100, {}, {})
        assert len(done.latencies) == 100
        assert 0 < done.latencies[0] <= done.percentile(0.5) <= done.latencies[-1] < done.seconds
        assert done.rate == pytest.approx(100 / done.seconds)
        assert 0 < done.cpu < done.seconds
        done = many(60, in_flight=20, deregister=True)
        assert (done.completed, done.deregistered, done.failed) == (60, 60, {})
        bench = many.lab.bench
        assert bench is not None
        assert bench.gnb.up, "the bench's own association stands beside the load's"
        for order in ("NIA3,NIA2,NIA1", "NIA1,NIA2,NIA3"):
            assert bench.configure("nas_integrity_order", order).worked
            assert many(5, in_flight=5).completed == 5, order


@pytest.mark.parametrize(
    ("fault", "each_s", "how"),
    [
        ("smc-mac-zero", 20, "SECURITY MODE COMMAND with a wrong MAC"),
        ("nia0-for-all", 20, "SECURITY MODE COMMAND with a wrong MAC"),
        ("mute", 2, "nothing came of REGISTRATION REQUEST in 2 s"),
        ("garbage", 2, "nothing came of REGISTRATION REQUEST in 2 s"),
    ],
)
def test_what_fails_is_counted_by_how(tmp_path: Path, fault: str, each_s: float, how: str) -> None:
    with opened(emulated(tmp_path), fault) as many:
        done = many(20, in_flight=10, each_s=each_s)
    assert (done.completed, done.failed) == (0, {how: 20})
    assert ("UNDECODABLE NGAP" in done.ignored) == (fault == "garbage")


def test_a_flood_or_a_death_ends_in_time_and_is_told(tmp_path: Path) -> None:
    with opened(emulated(tmp_path / "flood"), "flood") as many:
        began = time.monotonic()
        done = many(3, in_flight=3, each_s=30, within=3)
        assert time.monotonic() - began < 15
        assert done.ignored["5GMM STATUS"] > 1000
        assert done.completed + sum(done.failed.values()) == 3
    with opened(emulated(tmp_path / "dies"), "dies-midway") as many:
        done = many(20, in_flight=20, each_s=2)
        assert done.completed < 20
        assert sum(done.failed.values()) == 20 - done.completed
        assert all(how.startswith(("nothing came of", "the association")) for how in done.failed)
        done = many(2, in_flight=2, each_s=0.5)
        assert done.completed == 0
        assert any("no SCTP association" in how for how in done.failed)


# --- an AMF of our own making, without a network ------------------------------------------------------------


class Stub(sctp.Association):
    """An association with an AMF that sets up the interface, and then sends damaged messages for ever."""

    local = peer = ("127.0.0.1", 38412)
    streams = 10

    def __init__(self, seed: int) -> None:
        self.dice, self.pending = random.Random(seed), list[bytes]()
        self.good = [
            ngap.encode(ngap.downlink_nas_transport(1, 1, b"\x7e\0\x56\0\2\0\0")),
            ngap.encode(ngap.downlink_nas_transport(1, 2, b"\x7e\3\1\2\3\4\0\x7e\0\x5d\x02\0\2\xf0\xf0")),
            ngap.encode(ngap.ue_context_release_command(1, 3)),
            ngap.encode(ngap.error_indication(1, 4)),
            ngap.encode(ngap.error_indication(None, 5)),
        ]

    def send(self, data: bytes, *, stream: int = 0, ppid: int = sctp.NGAP_PPID) -> None:
        assert 0 <= stream < self.streams
        if ngap.decode(data).title == "NG SETUP REQUEST":
            guami = ngap.Guami(CELL.plmn, 1, 1, 1)
            self.pending.append(ngap.encode(ngap.ng_setup_response("x", guami, CELL.plmn, CELL.slices)))

    def receive(self, timeout: float) -> sctp.Datagram | sctp.Ended | None:
        if self.pending:
            return sctp.Datagram(self.pending.pop(), 0, sctp.NGAP_PPID)
        octets = bytearray(self.dice.choice(self.good))
        for _ in range(self.dice.randrange(4)):
            octets[self.dice.randrange(len(octets))] = self.dice.randrange(256)
        return sctp.Datagram(bytes(octets), 1, sctp.NGAP_PPID)

    def close(self) -> None:
        pass

    abort = close


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_of_damaged_messages_ends_in_time_and_is_all_counted(seed: int) -> None:
    stub = Stub(seed)
    began = time.monotonic()
    done = load._Gnb(stub, CELL, 0.5, False).run(subscribers(40, bytes(16)), 10, 1.5)
    assert time.monotonic() - began < 4
    assert done.completed == 0
    assert sum(done.failed.values()) == 40
    assert any(how.startswith("ERROR INDICATION") for how in done.failed)
    assert {"UNDECODABLE NGAP", "UNDECODABLE NAS", "NONSENSE"} <= done.ignored.keys()
    assert len(done.failed) + len(done.ignored) < 500  # names of procedures and messages, no more


def test_an_amf_that_refuses_the_interface_is_a_count() -> None:
    class Refusing(Stub):
        def send(self, data: bytes, *, stream: int = 0, ppid: int = sctp.NGAP_PPID) -> None:
            self.pending.append(ngap.encode(ngap.ng_setup_failure()))

    done = load._Gnb(Refusing(0), CELL, 1, False).run(subscribers(3, bytes(16)), 3, 5)
    assert done == Load(failed={"NG SETUP FAILURE": 3})
    assert (done.rate, done.percentile(0.99)) == (0, 0)


@pytest.mark.parametrize("sending", [True, False])
def test_a_lost_association_fails_who_is_in_flight_and_who_has_not_begun(sending: bool) -> None:
    class Lost(Stub):
        def send(self, data: bytes, *, stream: int = 0, ppid: int = sctp.NGAP_PPID) -> None:
            if sending and ngap.decode(data).title != "NG SETUP REQUEST":
                raise sctp.AssociationLost("it is gone")
            super().send(data)

        def receive(self, timeout: float) -> sctp.Datagram | sctp.Ended | None:
            return super().receive(timeout) if self.pending else sctp.Ended.CLOSED

    done = load._Gnb(Lost(0), CELL, 1, False).run(subscribers(9, bytes(16)), 4, 5)
    why = "it is gone" if sending else "the association ended: the peer shut down"
    busy = 1 if sending else 4
    assert done.failed == {why: busy, f"not begun: {why}": 9 - busy}


def test_what_is_built_ahead_is_what_the_codecs_build_for_each_subscriber() -> None:
    sent: list[bytes] = []

    class Listening(Stub):
        def send(self, data: bytes, *, stream: int = 0, ppid: int = sctp.NGAP_PPID) -> None:
            super().send(data)
            sent.append(data)

        def receive(self, timeout: float) -> sctp.Datagram | sctp.Ended | None:
            return super().receive(timeout) if self.pending else None

    dice = random.Random(23003)
    msins = ["".join(dice.choices("0123456789", k=dice.choice((9, 10)))) for _ in range(200)]
    mine = [Subscriber(f"99970{msin}", bytes(16), bytes(16)) for msin in msins]
    gnb = load._Gnb(Listening(0), CELL, 30, False)
    gnb.run(mine, len(mine), 0.5)
    for number, (msin, octets) in enumerate(zip(msins, sent[1:], strict=True), 1):
        identity = {"mobile_identity": nas.Suci.null(CELL.plmn, msin).encode()}
        request = {"registration_type": b"\x09", "ng_ksi": b"\7", "ue_security_capability": b"\xf0\xf0"}
        plain = nas.encode("REGISTRATION REQUEST", {**request, **identity})
        place = (CELL.plmn, CELL.tac, CELL.nr_cell)
        assert octets == ngap.encode(ngap.initial_ue_message(number, plain, *place))
        more = {"mm_capability": b"\0", "requested_nssai": nas.encode_nssai(CELL.slices)}
        whole = nas.encode("REGISTRATION REQUEST", {**request, **identity, **more})
        ue = gnb._ues[number]
        assert ue.suci == identity["mobile_identity"]
        assert ue.complete == nas.encode("SECURITY MODE COMPLETE", {"nas_message_container": whole})
