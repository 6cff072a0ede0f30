"""What a campaign shows beside its verdicts: features declared absent and seen, exits, growing memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from assay.campaign import Campaign, Result, vital
from assay.case import Event

# TS 24.501 clause 9.11.3.5, 5GS network feature support: octet, mask
SUPPORT: Mapping[str, tuple[int, int]] = {
    "emergency_services": (0, 0x0C),
    "up_ciot": (1, 0x80),
    "cp_ciot": (1, 0x10),
}
GROWTH = 0.05  # of its memory: less than that is no news
SHOWN_BY: Mapping[str, str] = {
    "NETWORK SLICE-SPECIFIC AUTHENTICATION COMMAND": "nssaa",
    "POST /nnssaaf-nssaa/v1/slice-authentications": "nssaa",
}


def signs(events: Iterable[Event]) -> dict[str, str]:
    """The features (keys of a profile's `features`) that a product showed, each with its first reference."""
    found: dict[str, str] = {}
    for event in events:
        if not event.received:
            continue
        if event.name in SHOWN_BY:
            found.setdefault(SHOWN_BY[event.name], event.ref)
        support = event.facts.get("network_feature_support")
        if event.facts.get("mac_ok") is True and isinstance(support, str):
            octets = bytes.fromhex(support).ljust(2, b"\0")
            for feature, (octet, mask) in SUPPORT.items():
                if octets[octet] & mask:
                    found.setdefault(feature, event.ref)
    return found


def of(campaign: Campaign, results: Sequence[Result]) -> tuple[str, ...]:
    """One sentence a finding; none of them changes a verdict."""
    profile: Any = campaign.header.get("profile")
    declared: Any = profile.get("features", {}) if isinstance(profile, dict) else {}
    seen: dict[str, str] = {}
    for result in results:
        shown = result.record.conditions.get("signs") if result.record else None
        for feature, ref in (shown if isinstance(shown, dict) else {}).items():
            seen.setdefault(str(feature), f"{result.planned.case}/{result.planned.variant} {ref}")
    found = []
    for feature, where in seen.items():
        entry = declared.get(feature) if isinstance(declared, dict) else None
        if not isinstance(entry, dict):
            found.append(f"features.{feature} is not declared, but the product showed it ({where})")
        elif not entry.get("supported"):
            found.append(f"features.{feature} is declared absent, but the product showed it ({where})")
    return (*found, *_vitals(results))


def _vitals(results: Iterable[Result]) -> Iterator[str]:
    """That the product's process ended by itself, and that it came to need more memory."""
    records = sorted((r.record for r in results if r.record is not None), key=lambda record: record.started)
    exits, first = 0, ""
    memory: dict[int, list[int]] = {}  # KiB before and after each variant, by process
    for record in records:
        for when in ("before", "after"):
            ended, pid, resident = (vital(record, when, key) for key in ("exits", "pid", "resident_kib"))
            if ended is not None and ended > exits:
                exits = ended
                first = first or f"{when} {record.case}/{record.variant}"
            if pid is not None and resident is not None:
                memory.setdefault(pid, []).append(resident)
    if exits:
        yield f"the product's process ended by itself, {exits} in all: first seen {first}"
    for sizes in memory.values():
        if (grown := sizes[-1] - sizes[0]) > GROWTH * sizes[0]:
            yield (
                f"resident memory of the product grew by {grown / 1024:.1f} MiB "
                f"to {sizes[-1] / 1024:.1f} MiB in {len(sizes) // 2} variants"
            )
