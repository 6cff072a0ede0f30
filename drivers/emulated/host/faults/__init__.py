"""The faults that the product can be started with: the name, the test case it must fail, what is changed."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.emulated.host.faults import (
    access,
    accounts,
    data,
    declared,
    files,
    generic,
    logs,
    network,
    passwords,
    services,
    software,
)
from drivers.emulated.host.steps import Fault

HOST: Mapping[str, Fault] = MappingProxyType(
    {
        name: fault
        for room in (
            *(accounts, access, data, passwords, logs, network, services, files, software, declared, generic),
        )
        for name, fault in room.FAULTS.items()
    }
)
