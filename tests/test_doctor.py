"""What `assay doctor` says of the neighbours of a product."""

from pathlib import Path

import pytest
import yaml
from products import assay, emulated


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
