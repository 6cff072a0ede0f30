"""What `assay doctor` says of the neighbours of a product."""

import re
import socket
from pathlib import Path

import pytest
import yaml
from products import assay, emulated, free_ports


@pytest.mark.parametrize(("name", "what"), [("emulated.yaml", "peer"), ("emulated-core.yaml", "core")])
def test_doctor_says_whom_the_product_has_found(tmp_path: Path, name: str, what: str) -> None:
    done = assay("doctor", emulated(tmp_path, name=name))
    assert done.returncode == 0, done.stdout + done.stderr
    found = f"ok       {what} nrf: the product found it (PUT /nnrf-nfm/v1/nf-instances/{{nfInstanceId}})"
    assert found in done.stdout
    assert f"note     {what} smf: not asked yet, which may take a UE that registers" in done.stdout


@pytest.mark.parametrize(("name", "entrance"), [("emulated.yaml", "nrf"), ("emulated-core.yaml", "scp")])
def test_doctor_says_what_to_do_where_nothing_came(tmp_path: Path, name: str, entrance: str) -> None:
    path = emulated(tmp_path, name=name, timers={"answer_s": 0.5})
    profile = yaml.safe_load(path.read_text())
    start = profile["lifecycle"]["start"]
    taken = {"nrf": "--nrf=http", "scp": "--scp="}[entrance]
    start[:] = [word for word in start if not word.startswith(taken)]
    if entrance == "scp":
        start += [
            f"--{one}=http://127.0.0.1:{profile['core'][one]['port']}" for one in ("ausf", "udm", "smf")
        ]
    path.write_text(yaml.safe_dump(profile))
    done = assay("doctor", path)
    assert done.returncode == 0, done.stdout + done.stderr
    where = f"http://127.0.0.1:{profile['peers'][entrance]['port']}"
    said = f"note     {entrance}: the product asked nothing in 0.5 s: give the product {where} as its"
    assert f"{said} {entrance.upper()}" in done.stdout


def test_doctor_names_a_function_that_has_to_be_declared(tmp_path: Path) -> None:
    path = emulated(tmp_path, name="emulated-core.yaml")
    profile = yaml.safe_load(path.read_text())
    del profile["core"]["nrf"]
    path.write_text(yaml.safe_dump(profile))
    done = assay("doctor", path)
    assert done.returncode == 2
    assert "problem  the product wants an NRF: declare core.nrf in the profile" in done.stdout


def host(tmp_path: Path, **more: object) -> Path:
    """A profile of a host that nobody plays, on a port where nobody listens."""
    (port,) = free_ports(socket.SOCK_STREAM, 1)
    ssh = {"name": "oam-ssh", "via": "ssh", "address": "127.0.0.1", "port": port, "host_key": "SHA256:abc"}
    profile = {
        "product": {"name": "A host"},
        "timers": {"answer_s": 1.0},
        "declaration": {
            "oam": {"endpoints": [ssh | more]},
            "accounts": {
                "test_users": [{"name": "admin1", "privileged": True, "secret": "env:DOCTOR_ADMIN1"}]
            },
            "platform": {"host_access": {"kind": "root-shell"}},
        },
    }
    path = tmp_path / "host.yaml"
    path.write_text(yaml.safe_dump(profile))
    return path


def test_doctor_says_that_a_host_cannot_be_reached_and_what_is_not_declared(tmp_path: Path) -> None:
    done = assay("doctor", host(tmp_path), DOCTOR_ADMIN1="a secret of a test")
    assert done.returncode == 2
    assert "problem  the product could not be reached" in done.stdout
    assert "Connection refused" in done.stdout
    told = re.search(r"note     3 of (\d+) keys are declared", done.stdout)
    assert told is not None
    assert int(told[1]) > 100
    (line,) = (one for one in done.stdout.splitlines() if "not declared: services.list, needed by" in one)
    assert "TC_NO_UNNECESSARY_SERVICE" in line
    assert "a secret of a test" not in done.stdout


def test_doctor_names_secrets_and_host_keys_that_are_missing(tmp_path: Path) -> None:
    done = assay("doctor", host(tmp_path, host_key=None))
    assert done.returncode == 2
    assert "accounts.test_users admin1: the environment variable DOCTOR_ADMIN1 is not set" in done.stdout
    assert "oam.endpoints oam-ssh: no host_key, so nobody can log in there" in done.stdout
