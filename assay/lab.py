"""The lab that a profile describes: the product held alone, and the bench around it."""

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.errors import LabError, UsageError
from assay.evidence import Frame, Switchboard, Trace
from assay.profile import N2, Command, Manual, Profile, Service, secret, secret_text

if TYPE_CHECKING:
    from drivers.bench import AmfBench
    from drivers.emulated.peers import Peers
    from drivers.host import HostBench
    from drivers.interfaces import Concealment, Slices, Subscriber
    from drivers.lifecycle.product import Product
    from drivers.log import LogReader
    from drivers.wire import WireCapture, WirePacket


BENCHES = ("amf", "host")


@dataclass(frozen=True)
class Store:
    """Where facts of a product are kept for a whole campaign: octets by file name."""

    load: Callable[[str], bytes | None]
    save: Callable[[str, bytes], None]


def _contacts(profile: Profile) -> tuple[set[tuple[str, int]], set[str]]:
    """The sockets and the hosts that traffic may go to."""
    sockets, hosts = profile.declaration.contacts() if profile.declaration else (set(), set())
    for function in profile.functions.values():
        sockets |= {function.n2.pair, *([function.sbi.pair] if function.sbi else [])}
    return sockets | {one.pair for one in profile.core.values()}, hosts


@contextlib.contextmanager
def locked(profile: Profile) -> Iterator[None]:
    """Hold the product alone: a second run on the same addresses is refused with UsageError."""
    if isinstance(profile.lifecycle, Command) and profile.lifecycle.network == "own":
        yield  # nobody else can reach it
        return
    function = next(iter(profile.functions.values()), None)
    sockets, _ = _contacts(profile)
    address, port = function.n2.pair if function is not None else min(sockets, default=("a console", 0))
    udp = function.n2.udp if function is not None else None
    name = hashlib.sha256(repr(((address, port), udp)).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"assay-{os.getuid()}-{name}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            where = f"{address}:{port}"
            raise UsageError(f"another run holds the product at {where}: wait for it or stop it") from None
        yield
    finally:
        os.close(handle)


class Wire:
    """One recording of the wire for all lanes: it begins with the first of them and ends with the last."""

    def __init__(self, capture: "WireCapture") -> None:
        self._capture, self._marks, self._lock = capture, dict[str, int](), threading.Lock()

    def start(self, lane: str) -> None:
        """Record for a lane from now on."""
        with self._lock:
            if not self._marks:
                self._capture.start()
            self._marks[lane] = self._capture.mark()

    def stop(self, lane: str, frames: Sequence[Frame]) -> "list[WirePacket]":
        """What was recorded for a lane: its associations, and every connection to the peers."""
        ports = {f.flow.bench[1] for f in frames if f.flow is not None and f.flow.transport == "sctp"}
        found = self._capture.since(self._marks[lane], frames, sctp=ports)
        with self._lock:
            del self._marks[lane]
            if not self._marks:
                self._capture.stop()
        return found


def unmanaged(name: str, value: str) -> str:
    """Why a setting cannot be changed where somebody else holds the product."""
    return "the profile's lifecycle is manual"


class Lane:
    """A place to run variants beside others, with benches of its own."""

    def __init__(self, lab: "Lab", number: int) -> None:
        self._amf = lab.lane(number) if lab.bench is not None else None
        self._host = lab.host_lane(number) if lab.host is not None else None

    def bench(self, kind: str) -> "AmfBench | HostBench":
        """The bench of a kind."""
        bench = self._host if kind == "host" else self._amf
        if bench is None:
            raise LabError(f"there is no bench of kind {kind}")
        return bench

    def stop(self) -> None:
        """Let what waits there end."""
        for bench in (self._amf, self._host):
            if bench is not None:
                bench.trace.stop()


class Lab:
    """Product and bench of a profile; `open` and `close` bracket their use."""

    def __init__(
        self,
        path: Path,
        profile: Profile,
        faults: tuple[str, ...] = (),
        *,
        benches: Collection[str] = BENCHES,
        store: Store | None = None,
    ) -> None:
        if faults and not (isinstance(profile.lifecycle, Command) and profile.lifecycle.faults):
            raise UsageError(f"--fault: the product of {path} has no seeded faults (lifecycle.faults)")
        self.path, self.profile, self.faults = path, profile, faults
        self.switchboard = Switchboard()
        self.broken = ""
        self.bench: AmfBench | None = None
        self.host: HostBench | None = None
        self.product: Product | None = None
        self.wire: Wire | None = None
        self._wanted = {"amf"} if profile.functions else set[str]()
        self._wanted |= {"host"} if profile.declaration is not None else set()
        self._wanted &= set(benches)
        self._store = store or Store(lambda name: None, lambda name, octets: None)
        self._lane: Callable[[str], AmfBench] | None = None
        self._host_lane: Callable[[str], HostBench] | None = None
        self.hide: Callable[[Any], Any] = lambda value: value
        """Takes secrets out of a JSON value before it is kept."""
        self._words: dict[str, str] = {}
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
        from drivers import reach
        from drivers.lifecycle import network

        lifecycle, beside = self.profile.lifecycle, self.path.parent
        state = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-"))
        self._words = {"python": sys.executable, "state": state, "profile": str(beside.resolve())}
        self._stack.enter_context(reach.only(*_contacts(self.profile)))
        surroundings = self._surround() if "amf" in self._wanted else None
        if not isinstance(lifecycle, Manual):
            self.product = self._product(lifecycle, beside)
            self._stack.callback(self.product.release)
            if isinstance(lifecycle, Command) and lifecycle.prepare is not None:
                self.product.prepare(lifecycle.prepare)
            if isinstance(lifecycle, Command) and lifecycle.network == "own":
                self._stack.enter_context(network.own())
            self.product.start(*(word for fault in self.faults for word in ("--fault", fault)))
        if surroundings is not None:
            self._build_amf(*surroundings)
            self.bench = self.lane(0)
        if "host" in self._wanted:
            self._build_host(Path(state))
            self.host = self.host_lane(0)

    def _surround(self) -> "tuple[Iterator[Subscriber], Slices, Concealment, Peers | None]":
        """Subscribers, and the peers started before the product that looks for them."""
        from drivers.codecs import ngap
        from drivers.interfaces import Concealment, Slices, Subscriber

        profile, beside = self.profile, self.path.parent
        network, lab = profile.surroundings
        k, opc = (self._key(name, reference) for name, reference in (("k", lab.k), ("opc", lab.opc)))
        first, digits = int(lab.first_imsi), len(lab.first_imsi)
        subscribers = {
            s.supi: s for s in (Subscriber(str(first + n).zfill(digits), k, opc) for n in range(lab.count))
        }
        # the product starts while we read NGAP's tables: both take seconds
        warm = threading.Thread(target=ngap.warm, daemon=True)
        warm.start()
        slices = Slices(
            tuple(one.pair for one in network.slices),
            network.nssaa_slice.pair if network.nssaa_slice else None,
        )
        concealment, home_keys = Concealment(), {}
        if lab.suci is not None:
            scheme = {"A": 1, "B": 2}[lab.suci.profile]
            concealment = Concealment(scheme, lab.suci.key_id, bytes.fromhex(lab.suci.public_key))
            if lab.suci.private_key is not None:
                home_keys[lab.suci.key_id] = secret(lab.suci.private_key, beside)
        peers = self._peers(subscribers, slices, home_keys)
        if peers is not None:
            peers.start()
            self._stack.callback(peers.close)
        return iter(subscribers.values()), slices, concealment, peers

    def _build_amf(
        self,
        heap: "Iterator[Subscriber]",
        slices: "Slices",
        concealment: "Concealment",
        peers: "Peers | None",
    ) -> None:
        from drivers import sctp
        from drivers.bench import AmfBench
        from drivers.codecs.nas import Plmn
        from drivers.emulated.consumer import Consumer
        from drivers.n2 import Cell, Gnb

        profile, beside = self.profile, self.path.parent
        network, _ = profile.surroundings
        function = next(iter(profile.functions.values()))
        n2, sbi = function.n2, function.sbi
        settings: Mapping[str, tuple[str, ...]] = {}
        change: Callable[[str, str], str] = unmanaged
        if self.product is not None:
            settings, change = self.product.settings(), self.product.change
        udp = sctp.Udp(local=n2.udp.bench, peer=n2.udp.product) if n2.udp else None
        self.wire = self._wire(n2)
        cell = Cell(Plmn(network.plmn.mcc, network.plmn.mnc), network.tac, slices.all)
        nb_iot_tac = cell.tac if network.nb_iot_tac is None else network.nb_iot_tac
        log = self._log(beside.resolve())
        settle_s = profile.lifecycle.ready_s if isinstance(profile.lifecycle, Service) else 0.0

        def lane(name: str) -> AmfBench:
            trace, number = Trace(), 2 * int(name)
            gnb, target = (
                Gnb(trace, n2.pair, replace(cell, gnb_id=one), local=n2.gnb_address, udp=udp)
                for one in (number + 1, number + 2)
            )
            bench = AmfBench(
                name,
                trace,
                gnb,
                target,
                peers,
                Consumer(trace, sbi.pair, timeout=profile.timers.answer_s) if sbi is not None else None,
                heap,
                profile.timers,
                slices=slices,
                dnn=network.dnn,
                concealment=concealment,
                nb_iot_tac=nb_iot_tac,
                settings=settings,
                in_force=profile.in_force,
                change=change,
                read=self.product.read if self.product is not None else lambda name: "",
                exits=lambda: self.product.vitals().exits if self.product is not None else 0,
                log=log(),
                # the functions of a core that is told to start find each other later than it says
                settle_s=settle_s if name == "0" else 0.0,
            )
            self.switchboard.join(name, trace)
            return bench

        self._lane = lane

    def _build_host(self, state: Path) -> None:
        from drivers import facts
        from drivers.host import HostBench
        from drivers.host.declared import Declared
        from drivers.host.store import FactStore
        from drivers.interfaces.facts import NAMES
        from drivers.mask import Mask

        declaration, beside = self.profile.declaration, self.path.parent
        if declaration is None:
            raise UsageError(f"{self.path}: the key 'declaration' is missing")
        mask = Mask()
        self.hide = mask.value
        declared = Declared(
            declaration.model_dump(mode="json", exclude_none=True),
            beside.resolve(),
            lambda reference: secret_text(reference, beside),
            mask.learn,
        )
        ways = declared.get("platform.host_access") or {}
        commands = {n: (a["run"], a.get("parse", "")) for n, a in ways.get("commands", {}).items()}

        collect = functools.partial(facts.collect, commands=commands)
        store = FactStore(collect, NAMES, self._store.load, self._store.save, mask.value)

        def lane(name: str) -> HostBench:
            return HostBench(name, declared, store, mask, self.profile.timers, state / f"lane-{name}")

        self._host_lane = lane

    def _peers(
        self,
        subscribers: "Mapping[str, Subscriber]",
        slices: "Slices",
        home_keys: Mapping[int, bytes],
    ) -> "Peers | None":
        """The neighbours that the bench plays, or the SCP between those that the product has."""
        from drivers.emulated.peers import Peers
        from drivers.emulated.scp import Producer, Scp

        profile = self.profile
        network, _ = profile.surroundings
        plmn = network.plmn.mcc, network.plmn.mnc
        endpoints: dict[str, tuple[str, int]] = {name: one.pair for name, one in profile.peers.items()}
        of = (self.switchboard, subscribers, plmn, slices.usual)
        more = [one for one in (*slices.all, slices.foreign) if one not in slices.usual]
        if "scp" in endpoints:
            sbi = next(iter(profile.functions.values())).sbi
            return Scp(
                *of,
                endpoints["scp"],
                {name: Producer(one.pair, one.fqdn or "") for name, one in profile.core.items()},
                product=sbi.pair if sbi else None,
                timeout=2 * profile.timers.sbi_wait_s,
                more_slices=more,
                dnn=network.dnn,
                home_keys=home_keys,
            )
        if not endpoints:
            return None
        return Peers(*of, endpoints, more_slices=more, dnn=network.dnn, home_keys=home_keys)

    def _log(self, folder: Path) -> "Callable[[], LogReader | None]":
        """What gives each lane its view of the product's log, which is read from now on."""
        from drivers.lifecycle.product import fill
        from drivers.lifecycle.reader import CommandLog
        from drivers.log import Clock, FileLog, LogReader

        declared = self.profile.log
        if declared is None:
            return lambda: None
        source: FileLog | CommandLog | None = None
        if declared.file is not None:
            source = FileLog(folder / fill([declared.file], self._words)[0])
        elif declared.command is not None:
            source = CommandLog(declared.command, words=self._words, folder=folder)
        if source is not None:
            self._stack.callback(source.close)
        lines = source.lines if source is not None else self.product.log if self.product is not None else None
        if lines is None:
            raise UsageError("log: there is nothing to read it from")
        clock = None
        if declared.time is not None:
            clock = Clock(re.compile(declared.time.pattern), declared.time.format)
        kinds = {kind: re.compile(pattern) for kind, pattern in declared.records.items()}
        return lambda: LogReader(lines, clock, kinds)

    def lane(self, number: int) -> "AmfBench":
        """A bench of its own around the product: gNBs, UEs and a trace that no other lane sees."""
        if self._lane is None:
            raise LabError("the lab is not open")
        bench = self._lane(str(number))
        self._stack.callback(bench.close)
        return bench

    def host_lane(self, number: int) -> "HostBench":
        """A bench of its own around the host, with connections and a journal that no other lane has."""
        if self._host_lane is None:
            raise LabError("the lab is not open")
        bench = self._host_lane(str(number))
        self._stack.callback(bench.close)
        return bench

    def leave(self, bench: "AmfBench") -> None:
        """Let go of a lane."""
        self.switchboard.leave(bench.lane)
        bench.close()

    def _wire(self, n2: N2) -> "Wire | None":
        """A recorder of the wire beside our own account, where privileges allow and keys may be shown."""
        from drivers.wire import WireCapture

        if not self.profile.publishes_keys:
            return None
        peers = [peer.pair for peer in self.profile.peers.values()]
        peers += [one.sbi.pair for one in self.profile.functions.values() if one.sbi]
        addresses = [n2.address, *(address for address, _ in peers)]
        local = all(ip_address(address).is_loopback for address in addresses)
        names = [name for _, name in socket.if_nameindex() if (name == "lo") == local]
        udp = [(n2.address, n2.udp.product)] if n2.udp else []
        wire = WireCapture(names, tcp=peers, sctp=[] if udp else [n2.pair], udp=udp)
        return None if wire.available() else Wire(wire)

    def _key(self, name: str, reference: str) -> bytes:
        key = secret(reference, self.path.parent)
        if len(key) != 16:
            raise UsageError(f"subscribers.{name}: {reference} holds {len(key)} octets, a key has 16")
        return key

    def _product(self, lifecycle: Command | Service, beside: Path) -> "Product":
        from drivers.lifecycle.command import CommandProduct
        from drivers.lifecycle.product import Setting
        from drivers.lifecycle.service import ServiceProduct

        folder = beside.resolve()
        settings: dict[str, Setting] = {
            name: Setting(c.run, c.values, c.restart, c.read) for name, c in lifecycle.configure.items()
        }
        if isinstance(lifecycle, Service):
            return ServiceProduct(
                start=lifecycle.start,
                stop=lifecycle.stop,
                health=lifecycle.health,
                log=lifecycle.log,
                vitals=lifecycle.vitals,
                ready_s=lifecycle.ready_s,
                words=self._words,
                settings=settings,
                folder=folder,
            )
        return CommandProduct(
            lifecycle.start,
            ready=lifecycle.ready,
            ready_s=lifecycle.ready_s,
            words=self._words,
            settings=settings,
            folder=folder,
        )

    def close(self) -> None:
        """Stop what was started, in the reverse order."""
        self.bench = self.host = self.wire = None
        self._stack.close()

    def revive(self, bench: "AmfBench | HostBench | None" = None) -> str:
        """Make the product reachable for a bench (left out: for all), with one restart where we hold it.

        Empty, or why it is not.
        """
        if self.broken:
            return self.broken
        benches = [one for one in ([bench] if bench else [self.bench, self.host]) if one is not None]
        if not benches:
            return "the lab is not open"
        problem = ""
        if self.product is None or self.product.running:
            problem = self._begin(benches)
        if self.product is not None and (problem or not self.product.running):
            self.product.stop()
            self.product.start()
            problem = self._begin(benches)
        if problem:
            self.broken = f"the product could not be reached: {problem}"
        return self.broken

    @staticmethod
    def _begin(benches: "Iterable[AmfBench | HostBench]") -> str:
        return next(filter(None, (bench.begin() for bench in benches)), "")
