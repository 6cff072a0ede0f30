"""The capture is what tshark, scapy and the wire say it is."""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import hpack
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.layers.sctp import crc32c as scapy_crc32c
from scapy.packet import Packet
from scapy.utils import RawPcapNgReader

from assay.evidence import PREFACE, Flow, Frame, Trace
from drivers import capture, sctp
from drivers import wire as wire_module
from drivers.capture import write
from drivers.codecs import nas, ngap
from drivers.wire import WireCapture, WirePacket, align, write_wire

STARTED = 1_700_000_000.25
PLMN = nas.Plmn("001", "01")
N2 = Flow("sctp", ("127.0.0.1", 40123), ("127.0.0.5", 38412))
N2_V6 = Flow("sctp", ("2001:db8::1", 40123), ("2001:db8::5", 38412))
N12 = Flow("tcp", ("127.0.0.1", 29509), ("127.0.0.5", 51234), bench_opened=False)
N12_V6 = Flow("tcp", ("2001:db8::1", 29509), ("2001:db8::5", 51234), bench_opened=False)
OLD = Flow("tcp", ("127.0.0.1", 41000), ("127.0.0.5", 7777))

REGISTRATION_REQUEST = bytes.fromhex("7e004179000d0100f110f0ff00000000000010" + "2e02f0f0")
SECURITY_MODE_COMMAND = bytes.fromhex("7e005d020002f0f0")
CIPHERED = bytes.fromhex("7e02" + "a1b2c3d4" + "05" + "9f1c33a07b")
CONFIGURATION_UPDATE = bytes.fromhex("7e0054d1")


def missing(what: str) -> None:
    """Skip a test for what this machine lacks; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must not skip this test: {what}")
    pytest.skip(what)


def run(*command: str) -> str:
    if shutil.which(command[0]) is None:
        missing(f"{command[0]} is not installed")
    # an empty configuration: a file must open without anybody's preferences
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


# tshark ignores a value it does not know: "CRC32C" would check nothing
CHECKSUMS = ("sctp.checksum:CRC 32c", "ip.check_checksum:TRUE", "tcp.check_checksum:TRUE")


def tshark(path: Path, *fields: str, options: Sequence[str] = ()) -> list[tuple[str, ...]]:
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "separator=|", "-E", "occurrence=a", *options]
    for field in fields:
        command += ["-e", field]
    return [tuple(line.split("|")) for line in run(*command).splitlines()]


def complaints(path: Path) -> list[str]:
    """What tshark finds wrong with a file: malformed, an expert's warning, a checksum that is not good."""
    options = [part for setting in CHECKSUMS for part in ("-o", setting)]
    fields = ("ip.checksum.status", "sctp.checksum.status", "tcp.checksum.status")
    number = "frame.number"
    seen = tshark(path, number, "_ws.malformed", "_ws.expert.severity", *fields, options=options)
    return [
        " ".join(row)
        for row in seen
        if row[1] or any(int(s) >= 0x600000 for s in row[2].split(",") if s) or set(row[3:]) - {"", "1"}
    ]


def http2(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def headers(stream: int, fields: Sequence[tuple[str, str]], *, end: bool = False) -> bytes:
    block = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields])
    return http2(1, 5 if end else 4, stream, block)


def post(stream: int, path: str, body: bytes) -> bytes:
    request = [(":method", "POST"), (":scheme", "http"), (":authority", "ausf"), (":path", path)]
    request.append(("content-type", "application/json"))
    return headers(stream, request) + http2(0, 1, stream, body)


def created(stream: int, body: bytes) -> bytes:
    fields = [(":status", "201"), ("location", "/x"), ("content-type", "application/json")]
    return headers(stream, fields) + http2(0, 1, stream, body)


def scenario(n2: Flow = N2, n12: Flow = N12) -> tuple[Frame, ...]:
    """What a registration leaves in a trace: 11 frames."""
    trace = Trace()
    gnb = ngap.ng_setup_request(1, "bench", PLMN, 1, [(1, None)])
    hello = ngap.initial_ue_message(7, REGISTRATION_REQUEST, PLMN, 1, 16)
    command = ngap.downlink_nas_transport(3, 7, SECURITY_MODE_COMMAND)
    hidden = ngap.downlink_nas_transport(3, 7, CIPHERED)
    trace.frame(n2, False, ngap.encode(gnb), ppid=60)
    trace.frame(n2, False, ngap.encode(hello), stream=1, ppid=60)
    trace.frame(n12, True, PREFACE)
    path = "/nausf-auth/v1/ue-authentications"
    trace.frame(n12, True, post(1, path, b'{"servingNetworkName":"5G:mnc001"}'))
    trace.frame(n12, False, created(1, b'{"authType":"5G_AKA"}'))
    trace.frame(n2, True, ngap.encode(command), stream=1, ppid=60)
    number = trace.frame(n2, True, ngap.encode(hidden), stream=1, ppid=60)
    trace.deciphered(number, True, CONFIGURATION_UPDATE)
    trace.frame(
        OLD, False, headers(9, [(":method", "GET"), (":scheme", "http"), (":path", "/nnrf")], end=True)
    )
    trace.frame(OLD, True, headers(9, [(":status", "404")], end=True))
    return trace.frames


def packets_of(path: Path) -> list[Packet]:
    """The Ethernet packets of a file, taken apart by scapy."""
    with RawPcapNgReader(str(path)) as reader:
        return [Ether(data) for data, meta in reader if meta.linktype == capture.ETHERNET]


# --- the trace, as tshark sees it -------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "capture.pcapng"
    comment = "TC_NAS_REPLAY_AMF variant A\nproduct: emulated ü"
    write(path, scenario(), started=STARTED, comment=comment, transport="SCTP in UDP, port 9899")
    return path


@pytest.mark.daemon
def test_tshark_reads_every_layer(written: Path) -> None:
    seen = tshark(
        written,
        "frame.number",
        "ngap.procedureCode",
        "nas_5gs.mm.message_type",
        "http2.headers.method",
        "http2.headers.path",
        "http2.headers.status",
    )
    path = "/nausf-auth/v1/ue-authentications"
    assert seen == [
        ("1", "21", "", "", "", ""),
        ("2", "15", "0x41", "", "", ""),
        ("3", "", "", "", "", ""),
        ("4", "", "", "POST", path, ""),
        ("5", "", "", "", "", "201"),
        ("6", "4", "0x5d", "", "", ""),
        ("7", "4", "", "", "", ""),
        ("8", "", "0x54", "", "", ""),
        ("9", "", "", "", "", ""),
        ("10", "", "", "GET", "/nnrf", ""),
        ("11", "", "", "", "", "404"),
    ]
    assert complaints(written) == []


@pytest.mark.daemon
def test_tshark_shows_ends_directions_times_and_comments(written: Path) -> None:
    seen = tshark(
        written,
        "ip.src",
        "ip.dst",
        "sctp.srcport",
        "sctp.data_sid",
        "sctp.data_payload_proto_id",
        "exported_pdu.src_port",
        "exported_pdu.dst_port",
        "frame.packet_flags_direction",
        "frame.comment",
    )
    out, into = "0x00000002", "0x00000001"
    bench, product = "127.0.0.1", "127.0.0.5"
    assert seen[1] == (bench, product, "40123", "0x0001", "60", "", "", out, "")
    assert seen[5] == (product, bench, "38412", "0x0001", "60", "", "", into, "")
    assert seen[3] == (product, bench, "", "", "", "51234", "29509", into, "")
    assert seen[7] == ("", "", "", "", "", "", "", into, "deciphered from frame 7")
    note = "preface repeated: the connection is older than this capture"
    assert seen[8] == (bench, product, "", "", "", "41000", "7777", out, note)
    times = [float(row[0]) for row in tshark(written, "frame.time_epoch")]
    assert times == sorted(times)
    assert STARTED <= times[0] < STARTED + 1
    told = run("capinfos", str(written))
    for text in ("TC_NAS_REPLAY_AMF variant A", "product: emulated ü", "assay", "SCTP in UDP, port 9899"):
        assert text in told


@pytest.mark.daemon
def test_times_are_exact_to_the_microsecond(tmp_path: Path) -> None:
    path = tmp_path / "c.pcapng"
    frames = [Frame(at, False, N2, b"x", ppid=60) for at in (0.0, 0.000001, 1.5, 86400.123456)]
    write(path, frames, started=1_700_000_000.0)
    seen = [row[0][:17] for row in tshark(path, "frame.time_epoch")]
    assert seen == ["1700000000.000000", "1700000000.000001", "1700000001.500000", "1700086400.123456"]


@pytest.mark.daemon
def test_json_of_tshark_has_one_packet_per_frame(written: Path) -> None:
    packets = json.loads(run("tshark", "-r", str(written), "-T", "json"))
    assert len(packets) == len(scenario()) == 11
    assert [p["_source"]["layers"]["frame"]["frame.number"] for p in packets] == [
        str(n) for n in range(1, 12)
    ]
    assert "nas-5gs" in packets[7]["_source"]["layers"]


@pytest.mark.daemon
@pytest.mark.parametrize("way", ["pdu", "tcp"])
def test_ipv6_and_checksums(tmp_path: Path, way: str) -> None:
    path = tmp_path / "c.pcapng"
    decode = ("-d", "tcp.port==29509,http2")
    write(path, scenario(N2_V6, N12_V6), started=STARTED, http2="tcp" if way == "tcp" else "pdu")
    seen = tshark(path, "ipv6.src", "ngap.procedureCode", "http2.headers.status", options=decode)
    assert seen[0] == ("2001:db8::1", "21", "")
    assert seen[4][-1] == "201"
    assert complaints(path) == []


@pytest.mark.daemon
def test_checksums_are_really_checked(tmp_path: Path) -> None:
    """The oracle above is able to fail: one octet of each kind is turned."""
    path = tmp_path / "c.pcapng"
    frames = scenario()
    write(path, frames, started=STARTED, http2="tcp")
    assert complaints(path) == []
    data = path.read_bytes()
    for frame in (frames[0], frames[3]):
        place = data.index(frame.data) + len(frame.data) - 3
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert len(complaints(path)) == 1, frame
    cut = Frame(0.0, True, N2, frames[0].data[:20], ppid=60)
    write(path, [cut], started=STARTED)
    assert len(complaints(path)) == 1


@pytest.mark.daemon
def test_http2_over_tcp_needs_to_be_told_the_port(tmp_path: Path) -> None:
    """Why HTTP/2 frames are exported PDUs: when this fails, Wireshark has learnt it."""
    path = tmp_path / "c.pcapng"
    write(path, scenario(), started=STARTED, http2="tcp")
    statuses = ("frame.number", "http2.headers.status", "tcp.analysis.flags")
    assert not any(row[1] for row in tshark(path, *statuses))
    options = ("-d", "tcp.port==29509,http2", "-d", "tcp.port==7777,http2")
    seen = tshark(path, *statuses, options=options)
    assert [row[1] for row in seen if row[1]] == ["201", "404"]
    assert not any(row[2] for row in seen)


@pytest.mark.daemon
def test_header_tables_and_split_bodies_decode(tmp_path: Path) -> None:
    """Two connections with tables of their own, bodies in two frames."""
    frames = []
    for number, flow in enumerate((OLD, N12)):
        asks, answers = hpack.Encoder(), hpack.Encoder()
        frames.append(Frame(0, not flow.bench_opened, flow, PREFACE))
        for stream in (1, 3, 5):
            ask = asks.encode(
                [(":method", "PUT"), (":path", f"/of/{number}"), ("content-type", "application/json")]
            )
            answer = answers.encode([(":status", "200"), ("x-name", f"answer {number}")])
            body = json.dumps({"text": f"{number}-{stream}-" + "x" * 90}).encode()
            frames.append(
                Frame(
                    0, not flow.bench_opened, flow, http2(1, 4, stream, ask) + http2(0, 0, stream, body[:40])
                )
            )
            frames.append(Frame(0, not flow.bench_opened, flow, http2(0, 1, stream, body[40:])))
            frames.append(Frame(0, flow.bench_opened, flow, http2(1, 5, stream, answer)))
    path = tmp_path / "c.pcapng"
    write(path, frames, started=STARTED)
    seen = tshark(path, "http2.headers.path", "http2.header.value", "json.value.string")
    assert [row[0] for row in seen if row[0]] == ["/of/0"] * 3 + ["/of/1"] * 3
    assert [row[1] for row in seen if "answer" in row[1]] == ["200,answer 0"] * 3 + ["200,answer 1"] * 3
    bodies = [row[2].rstrip("x") for row in seen if row[2]]
    assert bodies == ["0-1-", "0-3-", "0-5-", "1-1-", "1-3-", "1-5-"]
    assert complaints(path) == []


# --- the trace, octet by octet ----------------------------------------------------------------------------


def test_sctp_numbers_run_per_flow_direction_and_stream(tmp_path: Path) -> None:
    other = Flow("sctp", ("127.0.0.1", 40124), ("127.0.0.5", 38412))
    sent = [(N2, False, 0), (N2, False, 1), (N2, True, 1), (N2, False, 1), (other, False, 1), (N2, True, 1)]
    frames = [
        Frame(n, received, flow, b"x" * (n + 1), stream, 60)
        for n, (flow, received, stream) in enumerate(sent)
    ]
    path = tmp_path / "c.pcapng"
    write(path, frames, started=STARTED)
    chunks = [packet[SCTPChunkData] for packet in packets_of(path)]
    assert [c.stream_seq for c in chunks] == [0, 0, 0, 1, 0, 1]
    assert [c.stream_id for c in chunks] == [0, 1, 1, 1, 1, 1]
    assert chunks[1].tsn == chunks[0].tsn + 1 == chunks[3].tsn - 1
    assert chunks[5].tsn == chunks[2].tsn + 1
    assert [bytes(c.data) for c in chunks] == [frame.data for frame in frames]
    assert all((c.beginning, c.ending, c.len) == (1, 1, 16 + n) for n, c in enumerate(chunks, 1))
    tags = [packet[SCTP].tag for packet in packets_of(path)]
    assert tags[0] == tags[1] == tags[3]
    assert tags[2] == tags[5]
    assert len({*tags}) == 3
    assert 0 not in tags


def test_tcp_numbers_follow_both_directions(tmp_path: Path) -> None:
    sizes = [(False, 33), (False, 100), (True, 9), (False, 1), (True, 65_000), (True, 0), (False, 7)]
    frames = [Frame(n, received, OLD, b"d" * size) for n, (received, size) in enumerate(sizes)]
    path = tmp_path / "c.pcapng"
    write(path, frames, started=STARTED, http2="tcp")
    segments = [packet[TCP] for packet in packets_of(path)]
    out, into = segments[0].seq, segments[2].seq
    assert [s.seq - (into if f.received else out) for s, f in zip(segments, frames, strict=True)] == [
        0, 33, 0, 133, 9, 65_009, 134,
    ]  # fmt: skip
    assert [s.ack - (out if f.received else into) for s, f in zip(segments, frames, strict=True)] == [
        0, 0, 133, 9, 134, 134, 65_009,
    ]  # fmt: skip


@pytest.mark.parametrize("flows", [(N2, OLD), (N2_V6, N12_V6)], ids=["ipv4", "ipv6"])
def test_lengths_and_checksums_are_those_of_scapy(tmp_path: Path, flows: tuple[Flow, Flow]) -> None:
    frames = [
        Frame(0, bool(size % 2), flow, os.urandom(size), ppid=60)
        for flow in flows
        for size in (1, 2, 3, 4, 5, 255, 1499, 64_999, 65_000)
    ]
    path = tmp_path / "c.pcapng"
    write(path, frames, started=STARTED, http2="tcp")
    with RawPcapNgReader(str(path)) as reader:
        written = [data for data, _ in reader]
    for data in written:
        packet = Ether(data)
        for layer, names in (
            (IP, ("chksum", "len")),
            (IPv6, ("plen",)),
            (TCP, ("chksum",)),
            (SCTP, ("chksum",)),
        ):
            for name in names if layer in packet else ():
                delattr(packet[layer], name)
        assert bytes(packet) == data


def test_crc32c_of_the_standard() -> None:
    assert capture.crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    data = os.urandom(300)
    assert struct.pack("<I", capture.crc32c(data)) == struct.pack(">I", scapy_crc32c(data))


def test_same_frames_give_the_same_octets(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    frames = scenario()
    write(one, frames, started=STARTED)
    write(two, frames, started=STARTED)
    assert one.read_bytes() == two.read_bytes()


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write(path, scenario(), started=STARTED)
        assert reader.read() == b"old"


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (Frame(0, True, OLD, bytes(65_001)), "65001 octets do not fit"),
        (Frame(0, True, N2, bytes(65_001), ppid=60), "65001 octets do not fit"),
        (Frame(0, True, None, bytes(65_001)), "65001 octets do not fit"),
        (Frame(0, True, N2, b"", ppid=60), "at least one octet"),
        (Frame(0, True, N2, b"x", stream=65_536), "frame 2"),
        (Frame(0, True, N2, b"x", ppid=1 << 32), "frame 2"),
        (Frame(0, True, Flow("sctp", ("amf.lab", 1), ("::1", 2)), b"x"), "amf.lab"),
        (Frame(0, True, Flow("sctp", ("127.0.0.1", 1), ("::1", 2)), b"x"), "different IP versions"),
        (Frame(0, True, Flow("tcp", ("127.0.0.1", 70_000), ("127.0.0.2", 2)), b"x"), "frame 2"),
        (Frame(0, True, N2, b"x", comment="c" * 65_536), "option of pcapng"),
    ],
)
def test_what_no_packet_holds_leaves_the_old_file_alone(tmp_path: Path, frame: Frame, why: str) -> None:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=why) as caught:
        write(path, [Frame(0, True, N2, b"x"), frame], started=STARTED)
    assert str(caught.value).startswith("frame 2: ")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["capture.pcapng"]


def test_a_failing_disk_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, scenario(), started=STARTED)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["capture.pcapng"]


def test_mapped_and_scoped_addresses_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "c.pcapng"
    mapped = Flow("sctp", ("::ffff:127.0.0.1", 1), ("127.0.0.5", 2))
    scoped = Flow("sctp", ("fe80::1%lo", 1), ("fe80::2%lo", 2))
    write(path, [Frame(0, False, flow, b"x") for flow in (mapped, scoped)], started=STARTED)
    one, two = packets_of(path)
    assert (one[IP].src, one[IP].dst) == ("127.0.0.1", "127.0.0.5")
    assert (two[IPv6].src, two[IPv6].dst) == ("fe80::1", "fe80::2")


# --- alignment --------------------------------------------------------------------------------------------


def ethernet(layers: Packet) -> bytes:
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / layers)


def sctp_packet(*chunks: Packet, tag: int = 7, udp: bool = False, back: bool = False) -> bytes:
    one, other = (N2.product, N2.bench) if back else (N2.bench, N2.product)
    inner = SCTP(sport=one[1], dport=other[1], tag=tag)
    for chunk in chunks:
        inner = inner / chunk
    below = IP(src=one[0], dst=other[0])
    return ethernet(below / UDP(sport=9899, dport=9899) / inner if udp else below / inner)


def data_chunk(tsn: int, data: bytes, flags: str = "be", stream: int = 0) -> Packet:
    begins, ends = "b" in flags, "e" in flags
    return SCTPChunkData(tsn=tsn, stream_id=stream, proto_id=60, beginning=begins, ending=ends, data=data)


def tcp_segment(flow: Flow, back: bool, seq: int, data: bytes, flags: str = "PA") -> bytes:
    one, other = (flow.product, flow.bench) if back else (flow.bench, flow.product)
    below = IP(src=one[0], dst=other[0]) / TCP(
        sport=one[1], dport=other[1], seq=seq & 0xFFFFFFFF, flags=flags
    )
    return ethernet(below / data if data else below)


def wire(*packets: bytes) -> list[WirePacket]:
    return [WirePacket(n, data) for n, data in enumerate(packets)]


def user(data: bytes, received: bool = False, stream: int = 0) -> Frame:
    return Frame(0, received, N2, data, stream, 60)


@pytest.mark.parametrize("udp", [False, True])
def test_align_takes_messages_in_order_and_each_once(udp: bool) -> None:
    last = 0xFFFFFFFF  # TSNs start again at 0
    packets = wire(
        sctp_packet(data_chunk(last - 1, b"same"), data_chunk(last, b"bundled"), udp=udp),
        sctp_packet(data_chunk(last, b"bundled"), udp=udp),  # sent again
        sctp_packet(data_chunk(9, b"same"), udp=udp, back=True),
        sctp_packet(data_chunk(1, b"long " * 40, "e"), udp=udp),  # overtook its beginning
        sctp_packet(data_chunk(0, b"very ", "b"), udp=udp),
        sctp_packet(data_chunk(2, b"same"), udp=udp),
        sctp_packet(data_chunk(3, b"same", stream=1), udp=udp),
    )
    frames = [
        user(b"same"),
        user(b"bundled"),
        user(b"same", received=True),
        user(b"very " + b"long " * 40),
        user(b"same", stream=1),
        user(b"same"),
        user(b"bundled"),  # was on the wire once
        user(b"same", received=True),  # likewise
        user(b"never sent"),
        Frame(0, True, None, b"same"),
    ]
    assert align(frames, packets) == {1: 1, 2: 1, 3: 3, 4: 5, 5: 7, 6: 6}


def test_align_sees_a_changed_octet_a_wrong_ppid_and_a_lost_fragment() -> None:
    packets = wire(
        sctp_packet(data_chunk(1, b"x" * 500 + b"a")),
        sctp_packet(data_chunk(2, b"y", "b")),
        sctp_packet(data_chunk(4, b"y", "e")),
        sctp_packet(data_chunk(5, b"yy")),
    )
    frames = [user(b"x" * 500 + b"b"), user(b"yy"), user(b"y"), Frame(0, False, N2, b"x" * 500 + b"a", 0, 61)]
    assert align(frames, packets) == {2: 4}
    assert align([user(b"x" * 500 + b"a")], packets) == {1: 1}


def test_align_survives_garbage() -> None:
    whole = (
        sctp_packet(data_chunk(1, b"hello, world")),
        tcp_segment(OLD, False, 5, PREFACE + post(1, "/", b"{}")),
    )
    cut = [data[:size] for data in whole for size in range(len(data))]
    noise = [os.urandom(size) for size in range(120)]
    assert align([user(b"hello, world")], wire(*cut, *noise)) == {}
    assert align([user(b"hello,")], wire(whole[0][: whole[0].index(b"hello,") + 6])) == {}
    zero_length = whole[0][:46] + bytes(4) + whole[0][50:]
    assert align([user(b"hello, world")], wire(zero_length, whole[0])) == {1: 2}


def test_align_of_http2_by_stream_although_header_blocks_differ() -> None:
    encoder = hpack.Encoder()  # with a table, unlike the trace

    def block(fields: dict[str, str], stream: int, flags: int = 4) -> bytes:
        return http2(1, flags, stream, encoder.encode(list(fields.items())))

    body = b'{"text":"' + b"x" * 3000 + b'"}'
    asked = PREFACE + block({":method": "POST", ":path": "/a"}, 1) + http2(0, 0, 1, body[:1000])
    asked += block({":method": "POST", ":path": "/b"}, 3) + http2(0, 8, 1, b"\x03" + body[1000:] + bytes(3))
    asked += http2(0, 1, 3, b"{}") + block({"trailer": "x"}, 1, flags=5)
    seq = 0xFFFFFFFF - 1200  # starts again at 0
    pieces = [asked[at : at + 700] for at in range(0, len(asked), 700)]
    segments = [tcp_segment(OLD, False, seq + 1 + 700 * n, piece) for n, piece in enumerate(pieces)]
    packets = wire(
        tcp_segment(OLD, False, seq, b"", "S"),
        segments[0],
        segments[2],  # overtook
        segments[1],
        segments[1],  # came twice
        *segments[3:],
        tcp_segment(OLD, True, 77, http2(1, 4, 3, b"\x8a")),
    )
    frames = [
        Frame(0, False, OLD, PREFACE),
        Frame(0, False, OLD, post(1, "/a", body)),
        Frame(0, False, OLD, post(3, "/b", b"{}")),
        Frame(0, False, OLD, headers(1, [("trailer", "x")], end=True)),
        Frame(0, True, OLD, headers(3, [(":status", "201")], end=True)),
        Frame(0, True, OLD, headers(1, [(":status", "201")], end=True)),  # never came
        Frame(0, False, OLD, post(3, "/b", b"{}")),  # sent once
        Frame(0, False, N12, post(1, "/a", body)),  # another connection
    ]
    found = align(frames, packets)
    assert found.keys() == {1, 2, 3, 4, 5}
    assert (found[1], found[2], found[5]) == (2, 2, len(packets))
    assert found[3] == 4
    assert found[4] >= 7
    changed = [*frames[:1], Frame(0, False, OLD, post(1, "/a", body.replace(b"x", b"y")))]
    assert align(changed, packets) == {1: 2}
    assert align(frames[2:3], packets) == {1: found[3]}
    gap = packets[:-2]
    assert align(frames, [*gap[:3], *gap[5:], packets[-1]]) == {1: 2, 5: len(packets) - 3}


def test_align_of_equal_pieces_of_a_body() -> None:
    pieces = [tcp_segment(OLD, False, 1 + 109 * n, http2(0, 0, 1, b"a" * 100)) for n in range(3)]
    frames = [Frame(0, False, OLD, http2(0, 0, 1, b"a" * 100)) for _ in range(4)]
    assert align(frames, wire(*pieces)) == {1: 1, 2: 2, 3: 3}
    assert align(frames, wire(pieces[0], pieces[2])) == {1: 1}  # nobody knows what the lost one held


def test_align_of_a_connection_that_is_older_or_opened_anew() -> None:
    ask = post(1, "/a", b"{}")
    older = wire(tcp_segment(OLD, False, 50, post(9, "/a", b"{}")))
    trace = Trace()
    trace.frame(OLD, False, post(9, "/a", b"{}"))
    assert trace.frames[0].data == PREFACE
    assert align(trace.frames, older) == {2: 1}
    anew = wire(
        tcp_segment(OLD, False, 9, b"", "S"),
        tcp_segment(OLD, False, 10, PREFACE + ask),
        tcp_segment(OLD, False, 5000, b"", "S"),
        tcp_segment(OLD, False, 5001, PREFACE + ask),
    )
    frames = [Frame(0, False, OLD, data) for data in (PREFACE, ask, PREFACE, ask)]
    assert align(frames, anew) == {1: 2, 2: 2, 3: 4, 4: 4}


# --- the wire ---------------------------------------------------------------------------------------------


@pytest.fixture
def net() -> Iterator[ExitStack]:
    """Sockets for a test that needs the wire; skips where it cannot be recorded."""
    if why := WireCapture(["lo"]).available():
        missing(why)
    with ExitStack() as stack:
        yield stack


def udp_socket(stack: ExitStack) -> tuple[socket.socket, tuple[str, int]]:
    sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(5)
    return sock, sock.getsockname()


def test_an_interface_that_is_not_there_is_named() -> None:
    wire = WireCapture(["assay9"])
    assert "assay9" in wire.available()
    with pytest.raises(OSError, match="assay9"):
        wire.start()
    assert wire.stop() == []


@pytest.mark.root
def test_wire_keeps_each_declared_packet_once(net: ExitStack) -> None:
    (one, here), (two, there), (stranger, elsewhere) = (udp_socket(net) for _ in range(3))
    recorder = WireCapture(["lo"], udp=[there], tcp=[elsewhere])
    recorder.start()
    begun = time.time()
    for n in range(500):
        one.sendto(b"packet %d" % n, there)
        stranger.sendto(b"stranger", elsewhere)  # declared for TCP, not for UDP
        two.recv(100)
    two.sendto(b"back", here)
    packets = recorder.stop()
    assert recorder.overflow == ""
    payloads = [packet.data[42:] for packet in packets]
    assert payloads == [b"packet %d" % n for n in range(500)] + [b"back"]
    assert all(begun - 1 < packet.at < begun + 30 and packet.interface == "lo" for packet in packets)
    assert [p.at for p in packets] == sorted(p.at for p in packets)


@pytest.mark.root
def test_wire_starts_anew_and_leaves_nothing_open(net: ExitStack) -> None:
    (one, _), (_, there) = udp_socket(net), udp_socket(net)
    recorder = WireCapture(["lo"], udp=[there])
    before = len(os.listdir("/proc/self/fd"))
    for n in range(3):
        recorder.start()
        one.sendto(b"round %d" % n, there)
        assert [p.data[42:] for p in recorder.stop()] == [b"round %d" % n]
        one.sendto(b"in between", there)
    assert recorder.stop() == []
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.root
def test_wire_loses_nothing_of_a_burst(net: ExitStack) -> None:
    (one, _), (_, there) = udp_socket(net), udp_socket(net)
    recorder = WireCapture(["lo"], udp=[there])
    recorder.start()
    for n in range(20_000):
        one.sendto(b"%d" % n, there)  # nobody reads: the wire shows them all the same
    packets = recorder.stop()
    assert recorder.overflow == ""
    assert [int(p.data[42:]) for p in packets] == list(range(20_000))


@pytest.mark.root
def test_wire_is_bounded_and_says_so(net: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "MAX_PACKETS", 10)
    (one, _), (_, there) = udp_socket(net), udp_socket(net)
    recorder = WireCapture(["lo"], udp=[there])
    recorder.start()
    for n in range(10):
        one.sendto(b"%d" % n, there)
    later = threading.Timer(0.3, one.sendto, (b"10", there))
    later.start()
    begun = time.monotonic()
    packets = recorder.stop([user(b"never sent")], within=20)  # has nothing more to wait for
    later.join()
    assert [int(p.data[42:]) for p in packets] == list(range(10))
    assert "10 packets" in recorder.overflow
    assert time.monotonic() - begun < 10
    monkeypatch.setattr(wire_module, "MAX_OCTETS", 110)
    recorder.start()
    assert recorder.overflow == ""
    for size in (20, 20, 1):  # the last would fit, but after a gap
        one.sendto(b"x" * size, there)
    assert [len(p.data) for p in recorder.stop()] == [62]
    assert recorder.overflow


@pytest.mark.root
def test_stop_ends_although_packets_go_on_coming(net: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    take_apart = wire_module._segment
    read: list[bytes] = []

    def slowly(packet: bytes) -> object:
        read.append(packet)
        time.sleep(0.001)
        return take_apart(packet)

    monkeypatch.setattr(wire_module, "_segment", slowly)  # slower than they come
    monkeypatch.setattr(wire_module, "_BACKLOG", 4096)
    monkeypatch.setattr(wire_module, "MAX_PACKETS", 100)
    _, there = udp_socket(net)
    flood = "import socket as s, time; t = s.socket(s.AF_INET, s.SOCK_DGRAM); e = time.time() + 15\n"
    flood += f"while time.time() < e: t.sendto(b'x', {there})"
    recorder = WireCapture(["lo"], udp=[there])
    recorder.start()
    with subprocess.Popen([sys.executable, "-c", flood]) as process:
        try:
            while not recorder.overflow:
                time.sleep(0.01)
            before = len(read)
            assert len(recorder.stop()) == 100
            assert len(read) - before < 200  # the backlog, which holds a dozen
        finally:
            process.kill()


@pytest.mark.root
def test_a_loss_in_the_kernel_is_said(net: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "_BACKLOG", 4096)
    (one, _), (_, there) = udp_socket(net), udp_socket(net)
    recorder = WireCapture(["lo"], udp=[there])
    recorder.start()
    with recorder._changed:  # the reader stands still
        for _ in range(2000):
            one.sendto(b"x", there)
    recorder.stop()
    assert "the kernel dropped" in recorder.overflow


@pytest.mark.root
def test_stop_waits_for_the_last_message_and_not_for_ever(net: ExitStack) -> None:
    (one, _), (_, there) = udp_socket(net), udp_socket(net)
    recorder = WireCapture(["lo"], udp=[there])
    late = sctp_packet(data_chunk(1, b"late"))[34:]
    frames = [
        Frame(
            0, False, Flow("sctp", ("127.0.0.1", N2.bench[1]), ("127.0.0.1", N2.product[1])), b"late", 0, 60
        )
    ]
    recorder.start()
    timer = threading.Timer(0.3, one.sendto, (late, there))
    timer.start()
    begun = time.monotonic()
    packets = recorder.stop(frames, within=20)
    assert time.monotonic() - begun < 5
    assert align(frames, packets) == {1: 1}
    timer.join()
    recorder.start()
    begun = time.monotonic()
    assert recorder.stop(frames, within=0.2) == []
    assert 0.15 < time.monotonic() - begun < 3


@pytest.mark.root
def test_raw_sctp_on_the_wire(net: ExitStack, tmp_path: Path) -> None:
    raw = net.enter_context(socket.socket(socket.AF_INET, socket.SOCK_RAW, 132))
    recorder = WireCapture(["lo"], sctp=[("127.0.0.5", 38412)])
    recorder.start()
    raw.bind(("127.0.0.1", 0))
    raw.sendto(sctp_packet(data_chunk(1, b"one"), data_chunk(2, b"two"))[34:], ("127.0.0.5", 0))
    frames = [user(b"one"), user(b"two")]
    packets = recorder.stop(frames)
    found = align(frames, packets)
    assert found.keys() == {1, 2}
    assert b"one" in packets[found[1] - 1].data


@pytest.mark.root
@pytest.mark.daemon
def test_an_association_on_the_wire(net: ExitStack, tmp_path: Path) -> None:
    """The trace of a real association in UDP is found on the wire, message by message."""
    tunnel = udp_socket(net)[1]
    net.close()
    frames: list[Frame] = []
    recorder = WireCapture(["lo"], udp=[tunnel])
    recorder.start()
    with ExitStack() as stack:
        udp = sctp.Udp(tunnel[1], tunnel[1])  # libusrsctp has one port for both ends of a process
        try:
            listener = stack.enter_context(sctp.listen(("127.0.0.1", 0), udp=udp, backend="usrsctp"))
        except sctp.Unreachable as error:
            missing(str(error))
        bench = stack.enter_context(sctp.connect(listener.address, udp=udp, backend="usrsctp"))
        product = listener.accept(5)
        assert product is not None
        stack.enter_context(product)
        flow = Flow("sctp", bench.local, bench.peer)
        for n, frame in enumerate(f for f in scenario() if f.ppid == 60):
            for data in (frame.data, frame.data, frame.data + bytes([n]) * 5000):  # replayed; in fragments
                sender, receiver = (product, bench) if frame.received else (bench, product)
                if not frame.received:
                    frames.append(Frame(0, False, flow, data, 1, 60))
                sender.send(data, stream=1, ppid=60)
                got = receiver.receive(5)
                assert isinstance(got, sctp.Datagram)
                assert got.data == data
                if frame.received:
                    frames.append(Frame(0, True, flow, got.data, got.stream, got.ppid))
        packets = recorder.stop(frames)
    found = align(frames, packets)
    assert found.keys() == set(range(1, len(frames) + 1))
    assert all(frames[n - 1].data[:200] in packets[at - 1].data for n, at in found.items())
    assert len(set(found.values())) == len(frames)
    path = tmp_path / "wire.pcapng"
    write_wire(path, packets, comment="the wire of TC_X")
    options = ("-d", f"udp.port=={tunnel[1]},sctp")
    seen = tshark(path, "frame.number", "ngap.procedureCode", options=options)
    assert len(seen) == len(packets)
    assert {code for _, code in seen} >= {"21", "15", "4"}
    assert seen[found[1] - 1][1] == "21"
    assert "the wire of TC_X" in run("capinfos", str(path))


@pytest.mark.root
def test_http2_on_the_wire(net: ExitStack) -> None:
    """An exchange of h2 over TCP is found on the wire although the trace encodes header blocks anew."""
    server = net.enter_context(socket.create_server(("127.0.0.1", 0)))
    recorder = WireCapture(["lo"], tcp=[server.getsockname()])
    recorder.start()
    client = net.enter_context(socket.create_connection(server.getsockname()))
    peer = net.enter_context(server.accept()[0])
    flow = Flow("tcp", client.getsockname(), server.getsockname())
    asking = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    answering = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    asking.initiate_connection()
    answering.initiate_connection()
    peer.sendall(answering.data_to_send())
    asking.receive_data(client.recv(65_536))
    frames = []
    for stream in (1, 3, 5):
        body = json.dumps({"stream": stream, "pad": "x" * 5000}).encode()
        fields = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/same")]
        asking.send_headers(stream, fields)
        asking.send_data(stream, body, end_stream=True)
        frames.append(Frame(0, False, flow, post(stream, "/same", body)))
        client.sendall(asking.data_to_send())
        ended = False
        while not ended:
            events = answering.receive_data(peer.recv(65_536))
            ended = any(isinstance(event, h2.events.StreamEnded) for event in events)
        answering.send_headers(stream, [(":status", "201")])
        answering.send_data(stream, b"{}", end_stream=True)
        peer.sendall(answering.data_to_send())
        client.recv(65_536)
        frames.append(Frame(0, True, flow, created(stream, b"{}")))
    never = Frame(0, True, flow, created(5, b"{}"))
    packets = recorder.stop(frames)
    found = align([*frames, never], packets)
    assert found.keys() == {1, 2, 3, 4, 5, 6}
    assert list(found.values()) == sorted(found.values())
    for number, stream in ((1, 1), (3, 3), (5, 5)):
        assert b'{"stream": %d' % stream in packets[found[number] - 1].data
