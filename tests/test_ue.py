"""The NAS UE against the emulated AMF over real SCTP: it behaves, and it misbehaves on command."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from products import emulated

from assay import profile as profiles
from assay.lab import Lab
from drivers.bench import AmfBench
from drivers.emulated.peers import Change, unscripted
from drivers.interfaces import Capability
from drivers.sbi import Request, Response, answer


@contextmanager
def opened(path: Path, *faults: str) -> Iterator[AmfBench]:
    lab = Lab(path, profiles.load(path), faults)
    lab.open()
    try:
        assert lab.bench is not None
        yield lab.bench
    finally:
        lab.close()


@pytest.fixture(scope="class")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmfBench]:
    with opened(emulated(tmp_path_factory.mktemp("ue"))) as one:
        yield one


class TestOnOneProduct:
    """libusrsctp has one carrier a process, so this product is closed before the next one is opened."""

    @pytest.mark.parametrize(
        ("offer", "order", "chosen"),
        [
            pytest.param(Capability(0xC0, 0xC0), "NIA2,NIA1,NIA3", (1, 1), id="NEA1-NIA1"),
            pytest.param(Capability(0xA0, 0xA0), "NIA2,NIA1,NIA3", (2, 2), id="NEA2-NIA2"),
            pytest.param(Capability(0x90, 0xF0), "NIA3,NIA2,NIA1", (3, 3), id="NEA3-NIA3"),
            pytest.param(Capability(0x80, 0xF0), "NIA1,NIA2,NIA3", (0, 1), id="NEA0-NIA1"),
        ],
    )
    def test_every_algorithm_carries_a_whole_life(
        self, bench: AmfBench, offer: Capability, order: str, chosen: tuple[int, int]
    ) -> None:
        assert bench.configure("nas_integrity_order", order).worked
        ue = bench.ue(offer)
        assert bench.connects(ue, "registration").worked
        assert ue.context is not None
        assert (ue.context.ea, ue.context.ia) == chosen
        assert bench.establishes(ue, 5, "PDU session").worked
        assert bench.idles(ue, "release").worked
        ue.service_request()
        accept = bench.wait(ue, "SERVICE ACCEPT", within=3)
        assert accept is not None
        assert accept.facts["mac_ok"] is True
        mark = bench.mark()
        ue.deregister()
        assert bench.wait(ue, "DEREGISTRATION ACCEPT (UE ORIGINATING)", within=3, since=mark)
        downlink = [e for e in bench.since(ue, 0) if e.interface == "n1" and e.received and e.facts["header"]]
        assert len(downlink) == 4, downlink  # command, accept, service accept, deregistration accept
        assert all(e.facts["mac_ok"] for e in downlink)

    def test_a_product_that_serves_later_than_it_is_up_is_waited_for(
        self, bench: AmfBench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert bench.peers is not None
        label, asked = bench.ue().label, []
        following = str(int(bench._ues[-1].subscriber.imsi) + 1)

        def late(request: Request) -> Response | Change:
            asked.append(request)
            return answer(504) if len(asked) < 3 else unscripted(request)

        bench.peers.script(f"imsi-{following}", "POST /nausf-auth/v1/ue-authentications", late)
        monkeypatch.setattr(bench, "_settle_s", 10.0)
        bench.gnb.close()
        assert bench.begin() == ""
        assert len(asked) == 3
        assert bench.ue().label == f"ue{int(label[2:]) + 1}", "whom nobody asked for takes no number"
        assert bench.begin() == ""
        assert len(asked) == 3, "an association that stands is proof enough"

    def test_it_resynchronises_its_home_network(self, bench: AmfBench) -> None:
        ue = bench.ue()
        ue._sqn = 1 << 40  # the SIM has seen far newer challenges than the home network will make
        assert bench.connects(ue, "registration").worked
        events = bench.since(ue)
        failure = next(e for e in events if e.name == "AUTHENTICATION FAILURE")
        posts = [e for e in events if e.name == "POST /nausf-auth/v1/ue-authentications"]
        assert len(posts) == 2
        assert posts[1].facts["body"]["resynchronizationInfo"] == {
            "rand": failure.facts["rand"],
            "auts": failure.facts["auts"],
        }

    def test_it_outruns_a_home_network_that_has_been_resynchronised_before(self, bench: AmfBench) -> None:
        assert bench.peers is not None
        ue = bench.ue()
        bench.peers.arpf.sqn[ue.subscriber.supi] = 1 << 40  # by whoever had this subscriber in an earlier run
        ue.outrun()
        assert bench.connects(ue, "registration").worked
        assert [e.name for e in bench.since(ue)].count("AUTHENTICATION FAILURE") == 1
        assert [e.name for e in bench.since(ue)].count("AUTHENTICATION REQUEST") == 2
        assert bench.peers.arpf.sqn[ue.subscriber.supi] > 1 << 40

    def test_a_forged_challenge_is_refused(self, bench: AmfBench) -> None:
        ue = bench.ue()
        ue._milenage = type(ue._milenage)(bytes(16), bytes(16))  # a SIM with other keys: AUTN cannot verify
        ue.start()
        assert bench.wait(ue, "AUTHENTICATION FAILURE", within=3) is not None
        failure = next(e for e in bench.since(ue) if e.name == "AUTHENTICATION FAILURE")
        assert not any(e.name == "SECURITY MODE COMMAND" for e in bench.since(ue))
        assert "auts" not in failure.facts


@pytest.mark.parametrize("letter", ["A", "B"])
def test_the_suci_is_concealed(tmp_path: Path, letter: str) -> None:
    if letter == "A":
        key_a = x25519.X25519PrivateKey.generate()
        private, public = key_a.private_bytes_raw(), key_a.public_key().public_bytes_raw()
    else:
        key_b = ec.generate_private_key(ec.SECP256R1())
        private = key_b.private_numbers().private_value.to_bytes(32)
        public = key_b.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    path = emulated(tmp_path)
    data = yaml.safe_load(path.read_text())
    (tmp_path / "home.key").write_text(private.hex())
    data["subscribers"]["suci"] = {
        "profile": letter,
        "key_id": 7,
        "public_key": public.hex(),
        "private_key": "file:home.key",
    }
    path.write_text(yaml.safe_dump(data))
    with opened(path) as bench:
        ue = bench.ue()
        assert bench.connects(ue, "registration").worked
        (post,) = [e for e in bench.since(ue) if e.name == "POST /nausf-auth/v1/ue-authentications"]
        suci = post.facts["body"]["supiOrSuci"]
        assert suci.startswith(f"suci-0-999-70-0-{'_AB'.index(letter)}-7-")
        assert ue.subscriber.imsi[5:] not in suci
        assert ue.suci != ue.suci, "a fresh ephemeral key each time"


def test_a_command_whose_mac_is_wrong_is_rejected(tmp_path: Path) -> None:
    with opened(emulated(tmp_path), "smc-mac-zero") as bench:
        ue = bench.ue()
        ue.start()
        bench.outcome(ue)
        names = [e.name for e in bench.since(ue) if e.interface == "n1"]
        assert "SECURITY MODE REJECT" in names
        assert "SECURITY MODE COMPLETE" not in names
