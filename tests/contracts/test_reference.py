"""What the reference stack owes: it does all that a product is to refuse, and nothing of it gets out."""

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from daemons import in_a_thread, need

from drivers import reach
from drivers.host.reference import Reference
from drivers.interfaces.host import Arp, Packet
from drivers.interfaces.replies import Exchange

pytestmark = [pytest.mark.root, pytest.mark.daemon]

ROWS = (
    {
        "name": "one",
        "harness": "h1",
        "device": "p1",
        "mac": "02:00:00:00:01:10",
        "addresses": ["192.0.2.10/24", "2001:db8:0:1::10/64"],
        "harness_addresses": ["192.0.2.1/24", "2001:db8:0:1::1/64"],
        "gateway": "192.0.2.1",
    },
    {
        "name": "two",
        "harness": "h2",
        "addresses": ["198.51.100.10/24", "2001:db8:0:2::10/64"],
        "harness_addresses": ["198.51.100.1/24", "2001:db8:0:2::1/64"],
    },
)
HOSTS = ("192.0.2.10", "2001:db8:0:1::10", "198.51.100.10", "192.0.2.255")
SYN = struct.pack(">HHIIBBHHH", 20_000, 80, 1, 0, 0x50, 2, 8192, 0, 0).hex()


def on_the_reference(tmp_path: Path, work: Callable[[Reference], None]) -> None:
    need("ip", root=True)

    def run() -> None:
        names = (f"{number}.pcapng" for number in range(100))
        with (
            reach.only([("192.0.2.10", 80)], hosts=HOSTS),
            Reference(ROWS, [80], tmp_path, lambda link: next(names), note) as reference,
        ):
            work(reference)

    in_a_thread(run)


def note(what: str, name: str, found: Exchange) -> Exchange:
    return found


def kinds(found: Exchange) -> list[str]:
    return [heard.kind for heard in found.heard]


def test_options_headers_and_broadcast_are_answered(tmp_path: Path) -> None:
    def work(reference: Reference) -> None:
        record_route = Packet("192.0.2.10", 6, SYN, options="0707040000000000")
        assert "tcp SA" in kinds(reference.exchange("one", [record_route], seconds=0.3))
        routed = Packet("2001:db8:0:1::10", 6, SYN, headers=((43, "00000000"),))
        assert "tcp SA" in kinds(reference.exchange("one", [routed], seconds=0.3))
        timestamp = Packet("192.0.2.255", 1, "0d000000" + "53000001" + "00" * 12)
        found = reference.exchange("one", [timestamp], seconds=0.3)
        assert [heard.facts["type"] for heard in found.heard if heard.kind.startswith("icmp ")] == [14]
        assert (tmp_path / "2.pcapng").exists()

    on_the_reference(tmp_path, work)


def test_it_routes_by_the_source_and_answers_for_others(tmp_path: Path) -> None:
    def work(reference: Reference) -> None:
        with reference.watching("two") as so_far:
            asked = reference.exchange("one", [Arp("192.0.2.1", "198.51.100.1")], seconds=1.5)
            route = "830704" + "c6336401" + "00"  # by way of the product to the other network
            reference.exchange("one", [Packet("192.0.2.10", 6, SYN, options=route)], seconds=0.5)
        assert "arp reply" in kinds(asked)
        assert [heard.source for heard in so_far().heard if heard.kind == "tcp S"] == ["192.0.2.1"]

    on_the_reference(tmp_path, work)


def test_a_gratuitous_answer_moves_an_address(tmp_path: Path) -> None:
    def work(reference: Reference) -> None:
        moved = Arp("192.0.2.77", "192.0.2.77", reply=True, hardware="02:53:43:41:53:77")
        echo = Packet("192.0.2.10", 1, "08000000" + "53000001", source="192.0.2.77")
        found = reference.exchange("one", [moved, echo], seconds=0.3)
        assert [h.facts["to_mac"] for h in found.heard if h.kind == "echo-reply"] == ["02:53:43:41:53:77"]

    on_the_reference(tmp_path, work)


def test_a_flood_stops_it_and_nothing_of_it_is_here(tmp_path: Path) -> None:
    def work(reference: Reference) -> None:
        before = socket.if_nameindex()
        assert reference.connects("192.0.2.10", 80, 1.0)
        flood = reference.flood("one", "192.0.2.10", 80, sources="198.18.0.0/15", rate=2000, seconds=10)
        with flood as so_far:
            deadline = time.monotonic() + 10
            while so_far().sent < 1000 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert not reference.connects("192.0.2.10", 80, 1.0)
        assert "tcp SA" in kinds(so_far())
        assert socket.if_nameindex() == before

    on_the_reference(tmp_path, work)
