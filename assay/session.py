"""One run of a campaign on one product: probe by probe, each with its record."""

import errno
import json
import platform
import time
import traceback
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay import catalogue, findings, kept, plan, rules
from assay.campaign import Attempt, Campaign, Planned, Record, judge
from assay.case import Case, to_json
from assay.errors import AssayError, LabError, UnrestoredError, UnseenError, UsageError
from assay.evidence import Stopped
from assay.files import canonical, digest, write_atomic
from assay.lab import Lab, Lane, Store
from assay.profile import Profile
from assay.pulse import Pulse
from assay.together import Together
from assay.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from drivers.bench import AmfBench
    from drivers.host import HostBench

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


GONE = (errno.ENODEV, errno.ENXIO, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH)
"""What the system says of a link or a network that is there no longer."""


def certain(record: Record) -> bool:
    """Whether a record decides its variant, whatever ran beside it."""
    outcome = judge(record).outcome
    if outcome is Outcome.FAIL:  # seen in messages of the UE's own: only what all UEs feel casts doubt on it
        return not any(attempt.wide for attempt in record.attempts) and not late(record)
    return outcome is Outcome.PASS and not any(attempt.loss for attempt in record.attempts)


def late(record: Record) -> bool:
    """Whether the bench itself was late by more than a tenth of what it grants the product for an answer."""
    return bool(record.conditions["late_s"] > record.conditions["timers"]["answer_s"] / 10)


class Session:
    """A campaign that is being run; `open` and `close` bracket it, `run` does one variant."""

    def __init__(
        self,
        path: Path,
        profile: Profile,
        out: Path,
        *,
        selected: tuple[str, ...] = (),
        allowed: Collection[str] = (),
        faults: tuple[str, ...] = (),
        resume: bool = False,
        overlap: int | None = None,
    ) -> None:
        self.path, self.profile, self.faults = path, profile, faults
        self.overlap = profile.overlap if overlap is None else overlap
        self._together: Together[Planned, Lane, Record] | None = None
        self._lanes: list[Lane] = []
        self._pulse: Pulse | None = None
        if resume:
            self.campaign = Campaign.open(out)
            if self.campaign.header["profile_sha256"] != digest(path):
                raise UsageError(f"--resume: {path} is not the profile that {out} was started with")
            if self.campaign.header["rules"] != rules.current():
                raise UsageError(f"--resume: {out} was started under other rules: run it anew, in one piece")
            self.faults = tuple(self.campaign.header["faults"])
            self.profile = profile.with_faults(self.faults)
        else:
            self.profile = profile.with_faults(self.faults)
            wanted = plan.make(self.profile, selected=selected, allowed=allowed)
            self.campaign = Campaign.create(out, self._header(wanted, allowed), wanted)
        self.lab = Lab(path, self.profile, self.faults)

    def _header(self, wanted: tuple[Planned, ...], allowed: Collection[str]) -> dict[str, Any]:
        keys = sorted({p.spec for p in wanted})
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "harness": HARNESS,
            "environment": environment(),
            "profile": json.loads(self.profile.model_dump_json(by_alias=True)),
            "profile_sha256": digest(self.path),
            "catalogue": {key: catalogue.digest(key) for key in keys},
            "faults": list(self.faults),
            "allowed": sorted(allowed),
        }

    def open(self, probes: Mapping[Planned, Case[Any]]) -> None:
        """Open the lab when something is left to run, and begin what may run side by side.

        UsageError or LabError before anything is sent.
        """
        left = {p: bound for p, bound in probes.items() if p.decided is None and self.kept(p) is None}
        if not left:
            return
        facts = self.campaign.path / "facts"
        store = Store(
            lambda name: (facts / name).read_bytes() if (facts / name).is_file() else None,
            lambda name, octets: write_atomic(facts / name, octets),
        )
        benches = {bound.bench for bound in left.values()}
        self.lab = Lab(self.path, self.profile, self.faults, benches=benches, store=store)
        self.lab.open()
        self._pulse = Pulse()
        shared = [p for p in left if not plan.alone(p, self.profile)]
        lanes = min(self.overlap, len(shared))
        if lanes > 1:
            self._lanes = [Lane(self.lab, number) for number in range(1, lanes + 1)]
            turns = {p: turn for p in shared if (turn := plan.turn(p))}
            room = plan.room(self.profile)
            self._together = Together(
                self._lanes, shared, lambda p, lane: self._beside(p, left[p], lane), turns, room
            )

    def close(self) -> None:
        """Stop what was started."""
        if self._together is not None:
            for lane in self._lanes:
                lane.stop()
            self._together.stop(within=5.0)
        if self._pulse is not None:
            self._pulse.stop()
        self.lab.close()

    # --- one variant -------------------------------------------------------------------------------------

    def kept(self, planned: Planned) -> Record | None:
        """The record of this variant that is there already, whole and intact (after --resume)."""
        try:
            record = self.campaign.read(planned)
        except UsageError:
            return None
        return None if record is None or self.campaign.intact(planned, record) else record

    def verdict(self, planned: Planned, bound: Case[Any]) -> Verdict:
        """The verdict of one variant: decided by the plan, there already, or found by running it now."""
        if planned.decided is not None:
            return planned.decided
        record = self.kept(planned)
        if record is not None:
            return judge(record)
        shared = self._side_by_side(planned)
        if shared is not None:
            return self._keep(planned, shared)
        bench = self.lab.host if bound.bench == plan.HOST else self.lab.bench
        if bench is None:
            raise LabError("the lab is not open")
        record = self._probe(planned, bound, bench)
        if late(record) and judge(record).outcome is Outcome.FAIL:
            record = self._probe(planned, bound, bench)
        return self._keep(planned, record)

    def _beside(self, planned: Planned, bound: Case[Any], lane: Lane) -> Record:
        """Probe one variant beside others, and write its record where that is the last word."""
        record = self._probe(planned, bound, lane.bench(bound.bench))
        if certain(record):
            self._keep(planned, record)
        return record

    def _side_by_side(self, planned: Planned) -> Record | None:
        """What the variant left behind beside others, or None where it has to run alone (again).

        Alone is repeated what was lost, what the harness broke, what failed while the bench was late, and
        what could not be decided although others could: that may be the others' doing.
        """
        if self._together is None:
            return None
        if planned not in self._together:
            self._together.results()
            return None
        record = self._together.result(planned)
        if certain(record):
            return record
        decided = any(certain(one) for one in self._together.results())
        lost = record.problem is not None or any(a.loss for a in record.attempts)
        return None if decided or lost or judge(record).outcome is Outcome.FAIL else record

    def _keep(self, planned: Planned, record: Record) -> Verdict:
        """Write a record and judge what was written."""
        self.campaign.write(planned, record)
        verdict = judge(self.campaign.read(planned) or record)
        write_atomic(self.campaign.folder(planned) / "verdict.json", canonical(to_json(verdict)))
        return verdict

    def _probe(self, planned: Planned, bound: Case[Any], bench: "AmfBench | HostBench") -> Record:
        """Probe one variant in a lane; the record is whole but for being written."""
        began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
        problem: Verdict | None = None
        attempts: list[Attempt] = []
        alone = bench in (self.lab.bench, self.lab.host)
        self.campaign.clear(planned)
        vitals = [self._vitals()]
        bench.fresh(catalogue.find(planned.case, planned.spec)[1].interfaces)
        if self.lab.wire is not None and bench.kind == "amf":
            self.lab.wire.start(bench.lane)
        try:
            attempts = self._attempts(planned, bound, bench, alone)
        except Stopped:
            raise
        except UnrestoredError as error:
            self.lab.broken = self.lab.hide(str(error))
            problem = Verdict(Outcome.ERROR, self.lab.broken)
        except UnseenError as error:
            problem = Verdict(Outcome.INCONCLUSIVE, str(error))
        except LabError as error:
            problem = Verdict(Outcome.ERROR, str(error))
        except AssayError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and (error.errno in GONE or isinstance(error, ConnectionError)):
                problem = Verdict(
                    Outcome.INCONCLUSIVE, f"the product or its link went away: {error.strerror}"
                )
            else:
                problem = Verdict(Outcome.ERROR, f"the harness broke: {type(error).__name__}: {error}")
            self._note(planned, self.lab.hide(traceback.format_exc()))
        if problem is None and not attempts:
            problem = Verdict(Outcome.INCONCLUSIVE, self.lab.broken or "the product could not be reached")
        if problem is None and bench.trace.overflow:
            problem = Verdict(Outcome.INCONCLUSIVE, f"the product flooded the bench: {bench.trace.overflow}")
        vitals.append(self._vitals())
        return Record(
            spec=planned.spec,
            case=planned.case,
            variant=planned.variant,
            target=planned.target,
            started=started,
            seconds=round(time.monotonic() - began, 3),
            harness=HARNESS,
            attempts=tuple(attempts),
            problem=problem,
            evidence=self._evidence(planned, bench, alone),
            conditions={
                "timers": self.profile.timers.model_dump(),
                "faults": list(self.faults),
                "alone": alone,
                "imposed_s": round(bench.trace.imposed, 3),
                "late_s": round(self._pulse.worst(began), 3) if self._pulse is not None else 0.0,
                "in_force": bench.conditions,
                "signs": findings.signs(bench.trace.since()),
                "vitals": dict(zip(("before", "after"), vitals, strict=True)),
                **({"contacts": bench.counts} if bench.kind == "host" else {}),
            },
        )

    def _vitals(self) -> Any:
        """How the product's process is doing, None where nobody here can see it."""
        return to_json(self.lab.product.vitals()) if self.lab.product is not None else None

    def _attempts(
        self, planned: Planned, bound: Case[Any], bench: "AmfBench | HostBench", alone: bool
    ) -> list[Attempt]:
        """One probe, and alone a second one where the first lost the product's service after the stimulus."""
        attempts: list[Attempt] = []
        while len(attempts) < (2 if alone else 1):
            if self.lab.revive(bench) if alone else bench.begin():
                break
            arguments: dict[str, Any] = {bound.bench: bench}
            if "variant" in bound.probe.__annotations__:
                arguments["variant"] = planned.variant
            try:
                seen = bound.probe(**arguments)
            finally:
                loss = bench.end()
            peers = bench.peers if bench.kind == "amf" else None
            if peers is not None and (trouble := peers.forgive()):
                raise LabError(f"a peer of the bench broke: {trouble}")
            told = (loss.what, loss.ref, loss.wide) if loss else ()
            attempts.append(Attempt(self.lab.hide(to_json(seen)), *told))
            if loss is None or bound.judge(seen).outcome is Outcome.FAIL:
                break
        return attempts

    # --- evidence ----------------------------------------------------------------------------------------

    def _evidence(self, planned: Planned, bench: "AmfBench | HostBench", alone: bool) -> dict[str, str]:
        """Write what the bench and the product leave behind; the digests."""
        folder = self.campaign.folder(planned)
        folder.mkdir(parents=True, exist_ok=True)
        if bench.kind == "host":
            names = [*kept.host(bench, folder)]
        else:
            title = f"{planned.case}/{planned.variant} on {planned.target}"
            names = [*kept.amf(self.lab, bench, folder, title)]
        names += kept.log(self.lab, bench, folder, alone)
        return {name: digest(folder / name) for name in names}

    def _note(self, planned: Planned, text: str) -> None:
        write_atomic(self.campaign.folder(planned) / "harness.log", text.encode())
