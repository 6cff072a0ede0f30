"""No byte leaves for an address that the profile does not declare."""

import socket
from pathlib import Path

import pytest
from products import emulated

from assay import profile as profiles
from assay.errors import UndeclaredError
from assay.evidence import Trace
from assay.lab import Lab
from drivers import reach, sbi, sctp


def test_only_declared_addresses_are_contacted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        address = elsewhere.getsockname()
        elsewhere.settimeout(0.2)
        with reach.only([("127.0.0.1", 1)]):
            with pytest.raises(UndeclaredError, match=r"the profile declares 127\.0\.0\.1:1 only"):
                sbi.Client(address, Trace())
            with pytest.raises(UndeclaredError):
                sctp.connect(address, udp=sctp.Udp(local=1, peer=2))
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_a_lab_declares_its_product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = emulated(tmp_path)
    lab = Lab(path, profiles.load(path))
    monkeypatch.setattr(lab, "revive", lambda: "")  # the lab is built, the product is not contacted
    lab.open()
    try:
        with pytest.raises(UndeclaredError, match=r"declares .*127\.0\.0\.1:38412"):
            reach.check(("127.0.0.1", 22))
        reach.check(("127.0.0.1", 38412))
    finally:
        lab.close()
    reach.check(("127.0.0.1", 22))


def test_a_whole_core_is_declared_with_the_product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = emulated(tmp_path, name="emulated-core.yaml")
    profile = profiles.load(path)
    lab = Lab(path, profile)
    monkeypatch.setattr(lab, "revive", lambda: "")
    lab.open()
    try:
        for producer in profile.core.values():
            reach.check(producer.pair)
        with pytest.raises(UndeclaredError):
            reach.check(profile.peers["scp"].pair)
    finally:
        lab.close()
