"""One run of a campaign on one product: probe by probe, each with its record."""

import json
import platform
import time
import traceback
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from assay import catalogue, plan
from assay.campaign import Attempt, Campaign, Planned, Record, canonical, digest, judge, write_atomic
from assay.case import Case, to_json
from assay.errors import AssayError, LabError, UsageError
from assay.evidence import CAPTURE
from assay.lab import Lab
from assay.profile import Profile
from assay.verdict import Outcome, Verdict

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


class Session:
    """A campaign that is being run; `open` and `close` bracket it, `run` does one variant."""

    def __init__(
        self,
        path: Path,
        profile: Profile,
        out: Path,
        *,
        selected: tuple[str, ...] = (),
        faults: tuple[str, ...] = (),
        resume: bool = False,
    ) -> None:
        self.path, self.profile, self.faults = path, profile, faults
        if resume:
            self.campaign = Campaign.open(out)
            if self.campaign.header["profile_sha256"] != digest(path):
                raise UsageError(f"--resume: {path} is not the profile that {out} was started with")
            self.faults = tuple(self.campaign.header["faults"])
        else:
            wanted = plan.make(profile, selected=selected)
            self.campaign = Campaign.create(out, self._header(wanted), wanted)
        self.lab = Lab(path, profile, self.faults)

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

    def open(self) -> None:
        """Open the lab when something is left to run; UsageError or LabError before anything is sent."""
        if any(p.decided is None and self.kept(p) is None for p in self.campaign.plan):
            self.lab.open()

    def close(self) -> None:
        """Stop what was started."""
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
        return judge(record) if record is not None else self.run(planned, bound)

    def run(self, planned: Planned, bound: Case[Any]) -> Verdict:
        """Probe one variant, write its record, and judge what was written."""
        began, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="milliseconds")
        problem: Verdict | None = None
        attempts: list[Attempt] = []
        try:
            attempts = self._attempts(planned, bound)
        except LabError as error:
            problem = Verdict(Outcome.ERROR, str(error))
        except AssayError:
            raise
        except Exception as error:
            problem = Verdict(Outcome.ERROR, f"the harness broke: {type(error).__name__}: {error}")
            self._note(planned, traceback.format_exc())
        if problem is None and not attempts:
            problem = Verdict(Outcome.INCONCLUSIVE, self.lab.broken)
        if problem is None and self.lab.trace.overflow:
            problem = Verdict(
                Outcome.INCONCLUSIVE, f"the product flooded the bench: {self.lab.trace.overflow}"
            )
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
        verdict = judge(self.campaign.read(planned) or record)
        write_atomic(self.campaign.folder(planned) / "verdict.json", canonical(to_json(verdict)))
        return verdict

    def _attempts(self, planned: Planned, bound: Case[Any]) -> list[Attempt]:
        """One probe, and a second one where the first lost the product's service after the stimulus."""
        bench = self.lab.bench
        if bench is None:
            raise LabError("the lab is not open")
        self.lab.trace.begin()
        if self.lab.wire is not None:
            self.lab.wire.start()
        attempts: list[Attempt] = []
        while len(attempts) < 2:
            if self.lab.revive():
                break
            arguments: dict[str, Any] = {"amf": bench}
            if "variant" in bound.probe.__annotations__:
                arguments["variant"] = planned.variant
            try:
                seen = bound.probe(**arguments)
            finally:
                loss = bench.end()
            if bench.peers is not None and (trouble := bench.peers.forgive()):
                raise LabError(f"a peer of the bench broke: {trouble}")
            attempts.append(Attempt(to_json(seen), loss.what if loss else "", loss.ref if loss else ""))
            if loss is None:
                break
        return attempts

    # --- evidence ----------------------------------------------------------------------------------------

    def _evidence(self, planned: Planned) -> dict[str, str]:
        """Write capture, keys (where the profile publishes them) and the product's output; their digests."""
        bench, folder = self.lab.bench, self.campaign.folder(planned)
        if bench is None:
            return {}
        from drivers import capture, redact, wire

        folder.mkdir(parents=True, exist_ok=True)
        title = f"{planned.case}/{planned.variant} on {planned.target}"
        frames = self.lab.trace.frames
        names = [CAPTURE]
        if self.lab.wire is not None:
            packets = self.lab.wire.stop(frames)
            wire.write_wire(folder / "wire.pcapng", packets, comment=f"{title}, as recorded on the wire")
            # which packet on the wire carries which frame of our own account: two stories, compared
            found = wire.align(frames, packets)
            write_atomic(
                folder / "wire.json", canonical({str(ours): theirs for ours, theirs in found.items()})
            )
            names += ["wire.pcapng", "wire.json"]
        if not self.profile.subscribers.publish_keys:
            frames = redact.masked(frames)
        capture.write(folder / CAPTURE, frames, started=self.lab.trace.started, comment=title)
        if self.profile.subscribers.publish_keys and bench.keys:
            write_atomic(folder / "nas-keys.json", canonical(bench.keys))
            names.append("nas-keys.json")
        if self.lab.product is not None and (lines := self.lab.product.take_lines()):
            write_atomic(folder / "product.log", "\n".join(lines).encode())
            names.append("product.log")
        return {name: digest(folder / name) for name in names}

    def _note(self, planned: Planned, text: str) -> None:
        write_atomic(self.campaign.folder(planned) / "harness.log", text.encode())
