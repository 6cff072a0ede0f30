"""Figures around a host: `make bench` as root starts the emulated one."""

import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from daemons import need
from products import emulated_host, opened
from pytest_benchmark.fixture import BenchmarkFixture

from assay.lab import Lab
from drivers.interfaces.replies import Transport

if TYPE_CHECKING:
    from drivers.host import HostBench

pytestmark = [pytest.mark.root, pytest.mark.timeout(1800)]

ADDRESS = "192.0.2.10"
FLAGS: dict[Transport, str] = {"tcp": "-sS", "udp": "-sU", "sctp": "-sY"}
"""How nmap as it is asks what our scans of the same ports ask."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need("unshare", "ip", "nmap", "mmdebstrap", root=True)
    with opened(emulated_host(tmp_path_factory.mktemp("bench-host"))) as found:
        yield found


@pytest.fixture
def host(lab: Lab) -> "HostBench":
    assert lab.host is not None
    lab.host.fresh()
    assert lab.host.begin() == ""
    return lab.host


def test_every_fact_in_one_pass(benchmark: BenchmarkFixture, host: "HostBench") -> None:
    """The whole state of the host, its commands counted in `extra_info`."""
    before = host.counts["commands"]
    fact = benchmark.pedantic(lambda: host.fact("accounts"), rounds=1)  # who asks first has all of them got
    assert fact.value
    benchmark.extra_info["commands"] = host.counts["commands"] - before


def test_a_login_by_ssh(benchmark: BenchmarkFixture, host: "HostBench") -> None:
    """One login with the right password, on a connection of its own."""
    (ssh,) = host.endpoints("ssh")
    user = host.users(endpoint=ssh)[0]
    login = benchmark.pedantic(lambda: host.login(ssh, user), rounds=20, warmup_rounds=1)
    assert login.outcome == "in"


@pytest.mark.parametrize("transport", FLAGS)
def test_our_scan(benchmark: BenchmarkFixture, host: "HostBench", transport: Transport) -> None:
    """Every port of one address as test cases scan it."""
    scan = benchmark.pedantic(lambda: host.scan(ADDRESS, transport, "0-65535"), rounds=3)
    assert not scan.problem


@pytest.mark.parametrize("transport", FLAGS)
def test_plain_nmap(benchmark: BenchmarkFixture, host: "HostBench", transport: Transport) -> None:
    """The same ports by nmap with nothing but its defaults, from the same namespace."""
    words = ["nmap", "-n", "-Pn", FLAGS[transport], "-p", "0-65535", ADDRESS]
    done = benchmark.pedantic(
        lambda: subprocess.run(words, capture_output=True, timeout=600, check=False), rounds=3
    )
    assert done.returncode == 0, done.stderr
