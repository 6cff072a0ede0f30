"""The emulated AMF over real SCTP and HTTP/2, its command line, and its table of faults."""

import argparse
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import yaml

from drivers.codecs.nas import SecurityCapability
from drivers.emulated import __main__ as command
from drivers.emulated import amf_config, amf_security, faults

CASES = {fault.case for fault in faults.AMF.values() if fault.case}
CATALOGUE = Path(__file__).parents[1] / "testsuites" / "ts_33_512" / "catalogue.yaml"
URIS = [word for peer in ("ausf", "udm", "smf") for word in (f"--{peer}", "http://127.0.0.1:1")]
AMF = ["--n2", "127.0.0.1:38412", "--plmn", "999-70", "--tac", "1", "--slice", "1", *URIS]
NONE: frozenset[str] = frozenset()


def _port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def converse() -> tuple[str, list[str], int]:
    """Play gNB, UE and peers against a fresh AMF: how NG Setup ended, what came, and the exit status.

    It runs in a process of its own, because libusrsctp has one stack a process.
    """
    from assay.evidence import Trace
    from drivers import sctp
    from drivers.codecs.nas import Plmn
    from drivers.emulated.peers import Peers
    from drivers.interfaces import Capability, Subscriber
    from drivers.n2 import Cell, Gnb
    from drivers.ue import Ue

    trace, slices = Trace(), ((1, None),)
    subscriber = Subscriber("999700000000001", bytes(16), bytes(16))
    here = ("127.0.0.1", _port(socket.SOCK_STREAM))
    names = ("ausf", "udm", "smf")
    peers = Peers(trace, {subscriber.supi: subscriber}, ("999", "70"), slices, dict.fromkeys(names, here))
    peers.start()
    n2, product, bench = (_port(socket.SOCK_DGRAM) for _ in range(3))
    words = ["--n2", f"127.0.0.1:{n2}", "--udp-port", str(product), *AMF[2:-6]]
    words += [word for name in names for word in (f"--{name}", peers.uri(name))]
    run = [sys.executable, "-m", "drivers.emulated", "amf", *words]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as amf:
        assert amf.stdout is not None
        assert amf.stdout.readline() == "AMF ready\n"
        cell = Cell(Plmn("999", "70"), 1, slices)
        gnb = Gnb(trace, ("127.0.0.1", n2), cell, udp=sctp.Udp(bench, product))
        how = gnb.connect(within=5)
        ue = Ue(gnb, subscriber, "ue1", Capability(), dnn="internet")
        peers.labels[subscriber.supi] = ue.label

        def wait(name: str, mark: int) -> None:
            assert trace.wait(lambda e: e.name == name, mark=mark, within=10), name

        for identity in ("suci", "guti"):
            mark = trace.mark()
            ue.start(identity=identity)
            wait("REGISTRATION COMPLETE", mark)
            ue.session_request(1)
            wait("201 to POST /nsmf-pdusession/v1/sm-contexts", mark)
            ue.release()
            wait("UE CONTEXT RELEASE COMPLETE", mark)
        mark = trace.mark()
        ue.service_request()
        wait("SERVICE ACCEPT", mark)
        ue.deregister()
        wait("204 to PATCH /nudm-uecm/v1/{supi}/registrations/amf-3gpp-access", mark)
        wait("UE CONTEXT RELEASE COMPLETE", mark)
        gnb.close()
        amf.send_signal(signal.SIGTERM)
        status = amf.wait(5)
    peers.close()
    came = [e.name for e in trace.since(0, ue.label) if e.received and e.interface != "n2"]
    return how, came, status


def test_a_ue_registers_twice_is_served_and_deregisters() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
        how, came, status = child.submit(converse).result(60)
    registration = [
        "POST /nausf-auth/v1/ue-authentications",
        "AUTHENTICATION REQUEST",
        "PUT /nausf-auth/v1/ue-authentications/{authCtxId}/5g-aka-confirmation",
        "SECURITY MODE COMMAND",
        "PUT /nudm-uecm/v1/{supi}/registrations/amf-3gpp-access",
        "GET /nudm-sdm/v2/{supi}/am-data",
        "REGISTRATION ACCEPT",
        "POST /nsmf-pdusession/v1/sm-contexts",
    ]
    assert how == ""
    assert came[:17] == [*registration, *registration, "SERVICE ACCEPT"]
    assert sorted(came[17:]) == [
        "DEREGISTRATION ACCEPT (UE ORIGINATING)",
        "PATCH /nudm-uecm/v1/{supi}/registrations/amf-3gpp-access",
        "POST /nsmf-pdusession/v1/sm-contexts/{smContextRef}/release",
    ]
    assert status == 0


def test_the_table_is_the_catalogue_s() -> None:
    catalogue = yaml.safe_load(CATALOGUE.read_text("utf-8"))
    seeded = {
        name: case["id"]
        for case in catalogue["test_cases"]
        if case["id"] in CASES
        for fault in case["seeded_faults"]
        for name in fault
    }
    assert {name: fault.case for name, fault in faults.AMF.items() if fault.case} == seeded


def test_every_fault_is_accepted_and_stands_in_the_code() -> None:
    parser = argparse.ArgumentParser()
    amf_config.arguments(parser)
    words = [word for name in faults.AMF for word in ("--fault", name)]
    assert amf_config.config(parser.parse_args([*AMF, *words])).faults == set(faults.AMF)
    folder = Path(amf_config.__file__).parent
    code = "".join(path.read_text("utf-8") for path in folder.glob("amf*.py"))
    assert set(re.findall(r'"([a-z0-9-]+)" (?:not )?in (?:\w+\.)*faults', code)) == set(faults.AMF)


def test_an_unknown_fault_is_refused_with_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["amf", *AMF, "--fault", "mac-unverified"])
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert "no fault 'mac-unverified'" in said
    assert all(name in said for name in faults.AMF)


def test_an_order_is_configured_while_the_product_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "oam.json"
    oam = amf_config.Oam(file)
    assert oam.orders.integrity == (2, 1, 3)
    assert command.main(["configure", "--oam", str(file), "nas_integrity_order=NIA3,NIA2,NIA1"]) == 0
    assert capsys.readouterr().out == (
        "nas_integrity_order=NIA3,NIA2,NIA1\nnas_ciphering_order=NEA2,NEA1,NEA3,NEA0\nepc_redirection=off\n"
    )
    assert oam.orders.integrity == (3, 2, 1)
    for wrong in ("nas_integrity_order=NIA0,NIA2", "nas_integrity_order=2,2", "nas_order=NIA1"):
        assert command.main(["configure", "--oam", str(file), wrong]) == 2
    assert oam.orders.integrity == (3, 2, 1)


def test_the_redirection_is_switched_while_the_product_runs(tmp_path: Path) -> None:
    file = tmp_path / "oam.json"
    oam = amf_config.Oam(file)
    assert not oam.epc_redirection
    for value in ("on", "off", "on"):
        assert f"epc_redirection={value}" in amf_config.configure(file, [f"epc_redirection={value}"])
        assert oam.epc_redirection == (value == "on")
    assert oam.orders == amf_config.Orders()
    assert command.main(["configure", "--oam", str(file), "epc_redirection=maybe"]) == 2
    assert oam.epc_redirection


@pytest.mark.parametrize(
    ("ea", "ia", "chosen"),
    [
        (0xF0, 0xF0, (2, 2)),
        (0xE0, 0xC0, (2, 1)),
        (0xF0, 0xD0, (2, 1)),
        (0x90, 0xF0, (3, 2)),
        (0x00, 0xF0, None),
        (0xF0, 0x00, None),
        (0x10, 0xF0, None),
        (0xF0, 0x10, None),
        (0xF0, 0x80, None),
        (0xF0, 0x90, None),
    ],
)
def test_algorithms_follow_the_own_order_or_the_ue_is_refused(
    ea: int, ia: int, chosen: tuple[int, int] | None
) -> None:
    orders = amf_config.Orders()
    assert amf_security.choose(SecurityCapability(ea, ia), orders, False, NONE) == chosen
    assert amf_security.choose(SecurityCapability(ea, ia), orders, True, NONE) == chosen
