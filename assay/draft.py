"""The draft of a declaration: what a look at a product shows, for its vendor to confirm and explain."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from drivers.interfaces.facts import Account, File, Interface, Listener, PasswordRecord, Process, SudoRule
from drivers.interfaces.host import rows
from drivers.interfaces.replies import Fact, Scan, SshOffer

HEAD = """# A draft, made by looking at the product. What was found is not declared before somebody says why
# it is there: every empty `reason`, `purpose` and `holder` has to be filled in. What should not be there is
# removed from the product, not added here. The keys are explained in docs/declaration.md.
"""
STATES = {"set": "active", "empty": "active", "locked": "no-credential", "barred": "locked"}
NO_SHELL = ("nologin", "false")
Tree = dict[str, dict[str, Any]]


def outside(scans: Iterable[Scan], offers: Mapping[tuple[str, int], SshOffer]) -> Tree:
    """What is seen without an account: open ports, and the host keys of SSH servers."""
    listeners, endpoints = [], []
    for scan in scans:
        for port in scan.ports:
            if port.state != "open":
                continue
            name = f"{port.service or scan.transport}-{port.number}"
            here = {"address": scan.address, "protocol": scan.transport, "port": port.number}
            listeners.append({"name": name, **here, "process": port.product, "purpose": ""})
            offer = offers.get((scan.address, port.number))
            if offer is not None and offer.host_key is not None:
                key = offer.host_key.fingerprint
                ssh = {"name": name, "via": "ssh", "address": scan.address, "port": port.number}
                endpoints.append({**ssh, "host_key": key, "client_proof": list(offer.methods)})
            elif port.service.startswith(("http", "ssl/http")):
                via = "https" if "ssl" in port.service or port.service == "https" else "http"
                endpoints.append({"name": name, "via": via, "address": scan.address, "port": port.number})
    addresses = sorted({scan.address for scan in scans})
    versions = sorted({6 if ":" in address else 4 for address in addresses})
    return {
        "oam": {"endpoints": endpoints},
        "services": {"list": listeners},
        "network": {"ip_versions": versions},
    }


def inside(facts: Mapping[str, Fact]) -> Tree:
    """What root sees: accounts, sockets, raised rights, processes of root, interfaces."""
    return {
        "accounts": {
            "databases": [{"name": "os", "kind": "shadow", "store": ["/etc/shadow", "/etc/shadow-"]}],
            "predefined": [*_accounts(facts)],
        },
        "authorization": {"root_processes": [*_of_root(rows(facts["processes"], Process))]},
        "privilege": {
            "list_a": [
                {"means": "sudo", "who": one.who, "as": one.as_whom, "commands": one.commands, "auth": ""}
                for one in rows(facts["sudoers"], SudoRule)
            ],
            "list_b": [
                {"path": one.path, "mode": one.mode, "owner": one.owner, "task": "", "reason": ""}
                for one in rows(facts["special_files"], File)
            ],
        },
        "network": {
            "interfaces": [
                {"name": one.name, "device": one.name, "mac": one.mac, "addresses": list(one.addresses)}
                for one in rows(facts["interfaces"], Interface)
                if one.name != "lo" and one.addresses
            ]
        },
        "services": {
            "list": [
                {
                    "name": f"{one.process or one.transport}-{one.port}",
                    "address": one.address,
                    "protocol": one.transport,
                    "port": one.port,
                    "process": one.process,
                    "purpose": "",
                }
                for one in rows(facts["listening"], Listener)
                if one.transport in ("tcp", "udp", "sctp") and not one.address.startswith(("127.", "::1"))
            ]
        },
    }


def _accounts(facts: Mapping[str, Fact]) -> Iterable[dict[str, Any]]:
    states = {one.name: one.state for one in rows(facts["shadow"], PasswordRecord)}
    for one in rows(facts["accounts"], Account):
        state = STATES.get(states.get(one.name, ""), "no-credential")
        if state == "active" and one.shell.endswith(NO_SHELL):
            state = "disabled"
        yield {"name": one.name, "state": state, "holder": "", "reason": ""}


def _of_root(processes: Sequence[Process]) -> Iterable[dict[str, Any]]:
    for exe in sorted({one.exe for one in processes if one.euid == 0 and one.exe}):
        yield {"exe": exe, "uid": 0, "caps": "all", "reason": ""}


def merged(outer: Tree, inner: Tree) -> Tree:
    """Both looks together; what is seen from inside is nearer to the truth."""
    areas = dict.fromkeys([*outer, *inner])
    return {area: {**outer.get(area, {}), **inner.get(area, {})} for area in areas}


def profile(name: str, tree: Tree) -> str:
    """A profile with the draft, as YAML."""
    data = {"product": {"name": name}, "declaration": tree}
    return HEAD + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=118)
