"""What of a profile works here, before anything depends on it."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assay import catalogue, doctor_host, plan
from assay import profile as profiles
from assay.errors import AssayError
from assay.finding import Finding
from assay.profile import Profile
from assay.verdict import Outcome

if TYPE_CHECKING:
    from assay.lab import Lab


def examine(path: Path) -> Iterator[Finding]:
    """Libraries, secrets, ports, the product itself, and the cases; ProfileError for a wrong profile."""
    profile = profiles.load(path)
    yield Finding(f"profile {path}: {profile.product.name} {profile.product.version}".rstrip())
    if profile.subscribers is not None:
        yield from _sctp(profile)
    lab = profile.subscribers
    for name, reference in (("k", lab.k), ("opc", lab.opc)) if lab is not None else ():
        try:
            profiles.secret(reference, path.parent)
            yield Finding(f"subscribers.{name}: {reference} can be read")
        except AssayError as error:
            yield Finding(str(error), bad=True)
    if profile.declaration is not None:
        yield from doctor_host.before(profile.declaration, path.parent)
    for name, peer in profile.peers.items():
        yield _port(f"peer {name}", peer.address, peer.port)
    tool = shutil.which("tshark")
    yield Finding(
        f"tshark {'is there' if tool else 'is not there: captures are written, but not checked here'}"
    )
    yield from _product(path, profile)
    yield from _cases(profile)


def _sctp(profile: Profile) -> Iterator[Finding]:
    from drivers import sctp

    encapsulated = next(iter(profile.functions.values())).n2.udp is not None
    backends = sctp.backends()
    for name, problem in backends.items():
        yield Finding(f"SCTP backend {name}: {problem or 'usable'}", note=bool(problem))
    if all(backends.values()):
        yield Finding("no SCTP backend is usable: install the Debian package libusrsctp2", bad=True)
    yield Finding(f"N2 runs over {'UDP encapsulation (no privilege needed)' if encapsulated else 'raw IP'}")


def _port(what: str, address: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return Finding(f"{what}: cannot listen on {address}:{port}: {error.strerror}", bad=True)
    return Finding(f"{what}: {address}:{port} is free")


def _product(path: Path, profile: Profile) -> Iterator[Finding]:
    from assay.lab import Lab

    lab = Lab(path, profile)
    try:
        lab.open()
        if lab.bench is not None:
            yield Finding("the product answers on N2 (NG Setup)")
            yield from _neighbours(profile, lab)
        if lab.host is not None:
            yield from doctor_host.inside(lab.host)
    except AssayError as error:
        yield Finding(str(error), bad=True)
    finally:
        lab.close()


def _neighbours(profile: Profile, lab: "Lab") -> Iterator[Finding]:
    """Whom the product has found; who is asked only when a UE registers is not asked here."""
    peers = lab.bench.peers if lab.bench is not None else None
    if lab.bench is None or peers is None:
        return
    seconds, entrance = profile.timers.answer_s, "scp" if peers.whole else "nrf"
    if entrance in profile.peers and not peers.asked:
        lab.bench.trace.wait(lambda e: e.received and " /" in e.name, within=seconds)
    if entrance in profile.peers and not peers.asked:
        where = f"give the product {peers.uri(entrance)} as its {entrance.upper()}"
        yield Finding(f"{entrance}: the product asked nothing in {seconds:g} s: {where}", note=True)
    what, names = ("core", profile.core) if peers.whole else ("peer", profile.peers)
    for name in filter(peers.plays, names):
        if name in peers.asked:
            yield Finding(f"{what} {name}: the product found it ({peers.asked[name]})")
        elif name in peers.sought:
            yield Finding(f"{what} {name}: the product looked for it at the NRF, and did not ask it yet")
        elif name != entrance:
            yield Finding(f"{what} {name}: not asked yet, which may take a UE that registers", note=True)
    if peers.trouble:
        yield Finding(peers.trouble, bad=True)


def _cases(profile: Profile) -> Iterator[Finding]:
    planned = plan.make(profile, allowed=[plan.DISRUPTIVE])
    ready = [p for p in planned if p.decided is None]
    yield Finding(f"{len(ready)} variants of {len({p.case for p in ready})} test cases can run")
    if count := sum(plan.disruptive(p) for p in ready):
        yield Finding(
            f"{count} of them change the product for a while: only with --allow disruptive", note=True
        )
    for p in planned:
        if p.decided is not None:
            bad = p.decided.outcome is Outcome.INCONCLUSIVE
            yield Finding(f"{p.case}/{p.variant}: {p.decided.outcome}: {p.decided.reason}", bad, not bad)
    for key in {p.spec for p in planned}:
        waiting = [c.id for c in catalogue.load(key).cases if c.status != "automated"]
        if waiting:
            yield Finding(
                f"{key}: {len(waiting)} test cases are not automated yet: {', '.join(waiting)}", note=True
            )
