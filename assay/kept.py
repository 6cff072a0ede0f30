"""What a bench leaves behind as evidence of one variant, by the kind of bench."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assay.evidence import CAPTURE
from assay.files import canonical, write_atomic

if TYPE_CHECKING:
    from assay.lab import Lab
    from drivers.bench import AmfBench
    from drivers.host import HostBench


def amf(lab: "Lab", bench: "AmfBench", folder: Path, title: str) -> Iterator[str]:
    """Write the capture, what was recorded on the wire, and keys where the profile publishes them."""
    from drivers import capture, redact, wire

    frames = bench.trace.frames
    yield CAPTURE
    if lab.wire is not None:
        packets = lab.wire.stop(bench.lane, frames)
        wire.write_wire(folder / "wire.pcapng", packets, comment=f"{title}, as recorded on the wire")
        # which packet on the wire carries which frame of our own account: two stories, compared
        found = wire.align(frames, packets)
        write_atomic(folder / "wire.json", canonical({str(ours): theirs for ours, theirs in found.items()}))
        yield from ("wire.pcapng", "wire.json")
    if not lab.profile.publishes_keys:
        frames = redact.masked(frames)
    capture.write(folder / CAPTURE, frames, started=bench.trace.started, comment=title)
    if lab.profile.publishes_keys and bench.keys:
        write_atomic(folder / "nas-keys.json", canonical(bench.keys))
        yield "nas-keys.json"


def host(bench: "HostBench", folder: Path) -> Iterator[str]:
    """Write the journal, the facts that were used, captures and results of scans."""
    for name, octets in bench.keep():
        write_atomic(folder / name, octets)
        yield name


def log(lab: "Lab", bench: "AmfBench | HostBench", folder: Path, alone: bool) -> Iterator[str]:
    """Write what the product said meanwhile."""
    lines = lab.product.take_lines() if alone and lab.product is not None else []
    if bench.log is not None and bench.log.used:
        lines = bench.log.texts()  # the references of what was found in it count its lines
    if lines:
        write_atomic(folder / "product.log", lab.hide("\n".join(lines)).encode())
        yield "product.log"
