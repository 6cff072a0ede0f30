"""What a vendor declares of a product: one vocabulary and one schema for all of TS 33.117."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_interface
from typing import Any

from assay.declaration import areas
from assay.declaration.shapes import Shape


class Declaration(Shape):
    """What a vendor declares of a product: the implementation conformance statement of TS 33.117."""

    access: areas.Access = areas.Access()
    accounts: areas.Accounts = areas.Accounts()
    authorization: areas.Authorization = areas.Authorization()
    bmc: areas.Bmc = areas.Bmc()
    boot: areas.Boot = areas.Boot()
    console: areas.Console = areas.Console()
    documents: areas.Documents = areas.Documents()
    filesystem: areas.Filesystem = areas.Filesystem()
    functions: areas.Functions = areas.Functions()
    hardware: areas.Hardware = areas.Hardware()
    login_policy: areas.LoginPolicy = areas.LoginPolicy()
    logs: areas.Logs = areas.Logs()
    network: areas.Network = areas.Network()
    oam: areas.Oam = areas.Oam()
    overload: areas.Overload = areas.Overload()
    password_policy: areas.PasswordPolicy = areas.PasswordPolicy()
    pki: areas.Pki = areas.Pki()
    platform: areas.Platform = areas.Platform()
    privacy: areas.Privacy = areas.Privacy()
    privilege: areas.Privilege = areas.Privilege()
    probes: areas.Probes = areas.Probes()
    product: areas.Product = areas.Product()
    rbac: areas.Rbac = areas.Rbac()
    scan: areas.Scan = areas.Scan()
    services: areas.Services = areas.Services()
    sessions: areas.Sessions = areas.Sessions()
    software: areas.Software = areas.Software()
    storage: areas.Storage = areas.Storage()
    web: areas.Web = areas.Web()

    def get(self, key: str) -> Any:
        """The value of `area.name`, None where it is not declared; KeyError where there is no such key."""
        area, _, name = key.partition(".")
        if area not in type(self).model_fields or name not in type(getattr(self, area)).model_fields:
            raise KeyError(key)
        return getattr(getattr(self, area), name)

    def plain(self, key: str) -> Any:
        """The same as plain JSON."""
        area, _, name = key.partition(".")
        self.get(key)
        found: dict[str, Any] = getattr(self, area).model_dump(mode="json", include={name}, exclude_none=True)
        return found.get(name)

    def lacks(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Those of the keys that are not declared."""
        return tuple(key for key in keys if self.get(key) is None)

    def amended(self, values: Mapping[str, Any]) -> "Declaration":
        """The declaration with other values of these keys; None takes one away."""
        tree = self.model_dump(mode="json", exclude_unset=True)
        for key, value in values.items():
            self.get(key)
            area, _, name = key.partition(".")
            tree.setdefault(area, {})[name] = value
        return Declaration.model_validate(tree)

    def contacts(self) -> tuple[set[tuple[str, int]], set[str]]:
        """Where the harness may send: sockets of declared services, and hosts that have an interface."""
        services = [*(self.oam.endpoints or ())]
        services += [
            one for one in (self.bmc.endpoint, self.console.endpoint, self.product.second_instance) if one
        ]
        sockets = {(one.address, one.port) for one in services if one.address and one.port}
        other = self.product.second_instance
        if other and other.address:  # it serves what the product serves
            sockets |= {(other.address, one.port) for one in self.oam.endpoints or () if one.port}
        links = self.network.interfaces or ()
        theirs = [ip_interface(a) for one in links for a in one.addresses]
        hosts = {str(one.ip) for one in theirs}
        hosts |= {str(one.network.broadcast_address) for one in theirs if one.version == 4}
        hosts |= {str(ip_interface(a).ip) for one in links for a in one.harness_addresses}  # our own
        return sockets, hosts | {one.address for one in services if one.address}


def keys() -> tuple[str, ...]:
    """Every key of the vocabulary."""
    areas = Declaration.model_fields.items()
    return tuple(f"{area}.{name}" for area, field in areas for name in field.annotation.model_fields)  # type: ignore[union-attr]
