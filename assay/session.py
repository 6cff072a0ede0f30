"""One run of a campaign on one product: lock, start, probe by probe, records, stop."""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay import catalogue, plan
from assay.campaign import Attempt, Campaign, Planned, Record, canonical, digest, judge, write_atomic
from assay.case import Case, to_json
from assay.errors import AssayError, LabError, UsageError
from assay.evidence import CAPTURE, Trace
from assay.profile import Command, Profile, secret
from assay.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from drivers.bench import AmfBench
    from drivers.lifecycle.command import CommandProduct

HARNESS = version("assay")


def environment() -> dict[str, Any]:
    """Versions and clock of the machine the bench runs on, for the report."""
    packages = ("pytest", "pycrate", "cryptography", "h2", "scapy", "pydantic")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": {name: version(name) for name in packages},
        "clock": f"monotonic resolution {time.get_clock_info('monotonic').resolution:g} s, "
        f"wall clock {datetime.now(UTC).isoformat(timespec='milliseconds')}",
    }


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


class Session:
    """A campaign that is being run; `open` and `close` bracket it, `run` does one variant."""

    def __init__(
        self,
        path: Path,
        profile: Profile,
        out: Path,
        *,
        specs: tuple[str, ...] = (),
        selected: tuple[str, ...] = (),
        faults: tuple[str, ...] = (),
        resume: bool = False,
    ) -> None:
        self.path, self.profile, self.faults = path, profile, faults
        if faults and not (isinstance(profile.lifecycle, Command) and profile.lifecycle.faults):
            raise UsageError(f"--fault: the product of {path} has no seeded faults (lifecycle.faults)")
        if resume:
            self.campaign = Campaign.open(out)
            if self.campaign.header["profile_sha256"] != digest(path):
                raise UsageError(f"--resume: {path} is not the profile that {out} was started with")
            self.faults = tuple(self.campaign.header["faults"])
        else:
            wanted = plan.make(profile, specs, selected)
            self.campaign = Campaign.create(out, self._header(wanted), wanted)
        self._broken = ""
        self._stack = contextlib.ExitStack()
        self._bench: AmfBench | None = None
        self._product: CommandProduct | None = None

    def _header(self, wanted: tuple[Planned, ...]) -> dict[str, Any]:
        keys = sorted({p.spec for p in wanted})
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "harness": HARNESS,
            "environment": environment(),
            "profile": json.loads(self.profile.model_dump_json(by_alias=True)),
            "profile_sha256": digest(self.path),
            "catalogue": {key: catalogue.digest(key) for key in keys},
            "faults": list(self.faults),
        }

    # --- the lab -----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Lock and start the product and build the bench; UsageError or LabError before anything is sent."""
        self._stack.enter_context(locked(self.profile))
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        from drivers.emulated.peers import Peers

        from drivers import sctp
        from drivers.bench import AmfBench
        from drivers.codecs.nas import Plmn
        from drivers.interfaces import Subscriber
        from drivers.n2 import Cell, Gnb

        profile, beside = self.profile, self.path.parent
        lab = profile.subscribers
        k, opc = (self._key(name, reference) for name, reference in (("k", lab.k), ("opc", lab.opc)))
        first, digits = int(lab.first_imsi), len(lab.first_imsi)
        subscribers = {
            s.supi: s for s in (Subscriber(str(first + n).zfill(digits), k, opc) for n in range(lab.count))
        }
        plmn = profile.network.plmn
        slices = tuple((s.sst, int(s.sd, 16) if s.sd is not None else None) for s in profile.network.slices)
        self.trace = Trace()
        peers = None
        if profile.peers:
            endpoints = {name: socket.pair for name, socket in profile.peers.items()}
            peers = Peers(self.trace, subscribers, (plmn.mcc, plmn.mnc), slices, endpoints)
            peers.start()
            self._stack.callback(peers.close)
        settings: Mapping[str, tuple[str, ...]] = {}
        change: Callable[[str, str], str] = lambda name, value: "the profile's lifecycle is manual"  # noqa: E731
        if isinstance(profile.lifecycle, Command):
            self._product = self._command(profile.lifecycle, beside)
            self._stack.callback(self._product.stop)
            extra = [word for fault in self.faults for word in ("--fault", fault)]
            self._product.start(*extra)
            settings, change = self._product.settings(), self._product.change
        n2 = next(iter(profile.functions.values())).n2
        udp = sctp.Udp(local=n2.udp.bench, peer=n2.udp.product) if n2.udp else None
        cell = Cell(Plmn(plmn.mcc, plmn.mnc), profile.network.tac, slices)
        gnb = Gnb(self.trace, n2.pair, cell, local=n2.gnb_address, udp=udp)
        self._stack.callback(gnb.close)
        self._bench = AmfBench(
            self.trace,
            gnb,
            peers,
            subscribers.values(),
            profile.timers,
            dnn=profile.network.dnn,
            settings=settings,
            change=change,
        )

    def _key(self, name: str, reference: str) -> bytes:
        key = secret(reference, self.path.parent)
        if len(key) != 16:
            raise UsageError(f"subscribers.{name}: {reference} holds {len(key)} octets, a key has 16")
        return key

    def _command(self, lifecycle: Command, beside: Path) -> "CommandProduct":
        from drivers.lifecycle.command import CommandProduct, Setting

        state = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-"))
        words = {"python": sys.executable, "state": state, "profile": str(beside.resolve())}
        return CommandProduct(
            lifecycle.start,
            ready=lifecycle.ready,
            ready_s=lifecycle.ready_s,
            words=words,
            settings={name: Setting(c.run, c.values, c.restart) for name, c in lifecycle.configure.items()},
            folder=beside.resolve(),
        )

    def close(self) -> None:
        """Stop what was started, in the reverse order."""
        self._bench = None
        self._stack.close()

    # --- one variant -------------------------------------------------------------------------------------

    def done(self, planned: Planned) -> bool:
        """Whether a whole, intact record of this variant is there already (after --resume)."""
        try:
            record = self.campaign.read(planned)
        except UsageError:
            return False
        return record is not None and not self.campaign.intact(planned, record)

    def verdict(self, planned: Planned, bound: Case[Any]) -> Verdict:
        """The verdict of one variant: decided by the plan, there already, or found by running it now."""
        if planned.decided is not None:
            return planned.decided
        if self.done(planned):
            record = self.campaign.read(planned)
            if record is not None:
                return judge(record)
        return self.run(planned, bound)

    def run(self, planned: Planned, bound: Case[Any]) -> Verdict:
        """Probe one variant, write its record, and judge what was written."""
        began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
        problem: Verdict | None = None
        attempts: list[Attempt] = []
        try:
            if self._bench is None:
                self.open()
            attempts = self._attempts(planned, bound)
        except LabError as error:
            problem = Verdict(Outcome.ERROR, str(error))
        except AssayError:
            raise
        except Exception as error:
            problem = Verdict(Outcome.ERROR, f"the harness broke: {type(error).__name__}: {error}")
            self._note(planned, traceback.format_exc())
        if problem is None and not attempts:
            problem = Verdict(Outcome.INCONCLUSIVE, self._broken)
        if problem is None and self.trace.overflow:
            problem = Verdict(Outcome.INCONCLUSIVE, f"the product flooded the bench: {self.trace.overflow}")
        record = Record(
            spec=planned.spec,
            case=planned.case,
            variant=planned.variant,
            target=planned.target,
            started=started,
            seconds=round(time.monotonic() - began, 3),
            harness=HARNESS,
            attempts=tuple(attempts),
            problem=problem,
            evidence=self._evidence(planned),
            conditions={"timers": self.profile.timers.model_dump(), "faults": list(self.faults)},
        )
        self.campaign.write(planned, record)
        return judge(self.campaign.read(planned) or record)

    def _attempts(self, planned: Planned, bound: Case[Any]) -> list[Attempt]:
        """One probe, and a second one where the first lost the product's service after the stimulus."""
        bench = self._bench
        if bench is None:
            raise LabError("the bench is not there")
        self.trace.begin()
        attempts: list[Attempt] = []
        while len(attempts) < 2:
            problem = self._revive(bench)
            if problem:
                break
            arguments: dict[str, Any] = {"amf": bench}
            if "variant" in bound.probe.__annotations__:
                arguments["variant"] = planned.variant
            try:
                seen = bound.probe(**arguments)
            finally:
                loss = bench.end()
            attempts.append(Attempt(to_json(seen), loss.what if loss else "", loss.ref if loss else ""))
            if loss is None:
                break
        return attempts

    def _revive(self, bench: "AmfBench") -> str:
        """Make the product reachable, with one restart where we hold it; empty, or why it is not."""
        if self._broken:
            return self._broken
        problem = ""
        if self._product is None or self._product.running:
            problem = bench.begin()
        if self._product is not None and (problem or not self._product.running):
            self._product.stop()
            self._product.start()
            problem = bench.begin()
        if problem:
            self._broken = f"the product could not be reached: {problem}"
        return problem

    # --- evidence ----------------------------------------------------------------------------------------

    def _evidence(self, planned: Planned) -> dict[str, str]:
        """Write capture, keys (where the profile publishes them) and the product's output; their digests."""
        bench, folder = self._bench, self.campaign.folder(planned)
        if bench is None:
            return {}
        from drivers import capture

        folder.mkdir(parents=True, exist_ok=True)
        title = f"{planned.case}/{planned.variant} on {planned.target}"
        capture.write(folder / CAPTURE, self.trace.frames, started=self.trace.started, comment=title)
        names = [CAPTURE]
        if self.profile.subscribers.publish_keys and bench.keys:
            write_atomic(folder / "nas-keys.json", canonical(bench.keys))
            names.append("nas-keys.json")
        if self._product is not None and self._product.lines:
            write_atomic(folder / "product.log", "\n".join(self._product.take_lines()).encode())
            names.append("product.log")
        return {name: digest(folder / name) for name in names}

    def _note(self, planned: Planned, text: str) -> None:
        write_atomic(self.campaign.folder(planned) / "harness.log", text.encode())
