"""The lab that a profile describes: the product held alone, and the bench around it."""

import contextlib
import fcntl
import hashlib
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from assay.errors import LabError, UsageError
from assay.evidence import Trace
from assay.profile import N2, Command, Manual, Profile, Service, secret

if TYPE_CHECKING:
    from drivers.bench import AmfBench
    from drivers.lifecycle.product import Product
    from drivers.wire import WireCapture


@contextlib.contextmanager
def locked(profile: Profile) -> Iterator[None]:
    """Hold the product alone: a second run on the same N2 address is refused with UsageError."""
    function = next(iter(profile.functions.values()))
    name = hashlib.sha256(repr((function.n2.pair, function.n2.udp)).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"assay-{os.getuid()}-{name}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            where = f"{function.n2.address}:{function.n2.port}"
            raise UsageError(f"another run holds the product at {where}: wait for it or stop it") from None
        yield
    finally:
        os.close(handle)


def unmanaged(name: str, value: str) -> str:
    """Why a setting cannot be changed where somebody else holds the product."""
    return "the profile's lifecycle is manual"


class Lab:
    """Product and bench of a profile; `open` and `close` bracket their use."""

    def __init__(self, path: Path, profile: Profile, faults: tuple[str, ...] = ()) -> None:
        if faults and not (isinstance(profile.lifecycle, Command) and profile.lifecycle.faults):
            raise UsageError(f"--fault: the product of {path} has no seeded faults (lifecycle.faults)")
        self.path, self.profile, self.faults = path, profile, faults
        self.trace = Trace()
        self.broken = ""
        self.bench: AmfBench | None = None
        self.product: Product | None = None
        self.wire: WireCapture | None = None
        self._stack = contextlib.ExitStack()

    def open(self) -> None:
        """Lock and start the product, build the bench, and see that the product can be reached.

        UsageError or LabError says what stands in the way, before any test case has sent anything.
        """
        self._stack.enter_context(locked(self.profile))
        try:
            self._build()
            if problem := self.revive():
                raise LabError(problem)
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        from drivers import reach, sctp
        from drivers.bench import AmfBench
        from drivers.codecs import ngap
        from drivers.codecs.nas import Plmn
        from drivers.emulated.peers import Peers
        from drivers.interfaces import Concealment, Subscriber
        from drivers.n2 import Cell, Gnb

        profile, beside = self.profile, self.path.parent
        lab = profile.subscribers
        k, opc = (self._key(name, reference) for name, reference in (("k", lab.k), ("opc", lab.opc)))
        first, digits = int(lab.first_imsi), len(lab.first_imsi)
        subscribers = {
            s.supi: s for s in (Subscriber(str(first + n).zfill(digits), k, opc) for n in range(lab.count))
        }
        # the product starts while we read NGAP's tables: both take seconds
        warm = threading.Thread(target=ngap.warm, daemon=True)
        warm.start()
        plmn = profile.network.plmn
        slices = tuple((s.sst, int(s.sd, 16) if s.sd is not None else None) for s in profile.network.slices)
        concealment, home_keys = Concealment(), {}
        if lab.suci is not None:
            scheme = {"A": 1, "B": 2}[lab.suci.profile]
            concealment = Concealment(scheme, lab.suci.key_id, bytes.fromhex(lab.suci.public_key))
            if lab.suci.private_key is not None:
                home_keys[lab.suci.key_id] = secret(lab.suci.private_key, beside)
        peers = None
        if profile.peers:
            endpoints: dict[str, tuple[str, int]] = {
                name: socket.pair for name, socket in profile.peers.items()
            }
            pair = (plmn.mcc, plmn.mnc)
            dnn = profile.network.dnn
            peers = Peers(self.trace, subscribers, pair, slices, endpoints, dnn=dnn, home_keys=home_keys)
            peers.start()
            self._stack.callback(peers.close)
        settings: Mapping[str, tuple[str, ...]] = {}
        change: Callable[[str, str], str] = unmanaged
        if not isinstance(profile.lifecycle, Manual):
            self.product = self._product(profile.lifecycle, beside)
            self._stack.callback(self.product.release)
            self.product.start(*(word for fault in self.faults for word in ("--fault", fault)))
            settings, change = self.product.settings(), self.product.change
        n2 = next(iter(profile.functions.values())).n2
        self._stack.enter_context(reach.only([n2.pair]))
        udp = sctp.Udp(local=n2.udp.bench, peer=n2.udp.product) if n2.udp else None
        self.wire = self._wire(n2)
        cell = Cell(Plmn(plmn.mcc, plmn.mnc), profile.network.tac, slices)
        gnb = Gnb(self.trace, n2.pair, cell, local=n2.gnb_address, udp=udp)
        self._stack.callback(gnb.close)
        self.bench = AmfBench(
            self.trace,
            gnb,
            peers,
            subscribers.values(),
            profile.timers,
            dnn=profile.network.dnn,
            concealment=concealment,
            settings=settings,
            change=change,
        )

    def _wire(self, n2: N2) -> "WireCapture | None":
        """A recorder of the wire beside our own account, where privileges allow and keys may be shown."""
        from drivers.wire import WireCapture

        if not self.profile.subscribers.publish_keys:
            return None
        peers = [peer.pair for peer in self.profile.peers.values()]
        addresses = [n2.address, *(address for address, _ in peers)]
        local = all(ip_address(address).is_loopback for address in addresses)
        names = [name for _, name in socket.if_nameindex() if (name == "lo") == local]
        udp = [(n2.address, n2.udp.product)] if n2.udp else []
        wire = WireCapture(names, tcp=peers, sctp=[] if udp else [n2.pair], udp=udp)
        return None if wire.available() else wire

    def _key(self, name: str, reference: str) -> bytes:
        key = secret(reference, self.path.parent)
        if len(key) != 16:
            raise UsageError(f"subscribers.{name}: {reference} holds {len(key)} octets, a key has 16")
        return key

    def _product(self, lifecycle: Command | Service, beside: Path) -> "Product":
        from drivers.lifecycle.command import CommandProduct
        from drivers.lifecycle.product import Setting
        from drivers.lifecycle.service import ServiceProduct

        state = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-"))
        folder = beside.resolve()
        words = {"python": sys.executable, "state": state, "profile": str(folder)}
        settings: dict[str, Setting] = {
            name: Setting(c.run, c.values, c.restart) for name, c in lifecycle.configure.items()
        }
        if isinstance(lifecycle, Service):
            return ServiceProduct(
                start=lifecycle.start,
                stop=lifecycle.stop,
                health=lifecycle.health,
                log=lifecycle.log,
                ready_s=lifecycle.ready_s,
                words=words,
                settings=settings,
                folder=folder,
            )
        return CommandProduct(
            lifecycle.start,
            ready=lifecycle.ready,
            ready_s=lifecycle.ready_s,
            words=words,
            settings=settings,
            folder=folder,
        )

    def close(self) -> None:
        """Stop what was started, in the reverse order."""
        self.bench = self.wire = None
        self._stack.close()

    def revive(self) -> str:
        """Make the product reachable, with one restart where we hold it; empty, or why it is not."""
        bench = self.bench
        if bench is None:
            return "the lab is not open"
        if self.broken:
            return self.broken
        problem = ""
        if self.product is None or self.product.running:
            problem = bench.begin()
        if self.product is not None and (problem or not self.product.running):
            self.product.stop()
            self.product.start()
            problem = bench.begin()
        if problem:
            self.broken = f"the product could not be reached: {problem}"
        return self.broken
