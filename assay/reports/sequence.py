"""The messages of a variant as a sequence: which ones are shown, and where they stand in the drawing."""

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay.campaign import Attempt
from assay.case import Control, Event, from_json
from assay.reports.common import one_line, shown, value

MOST = 60  # messages a drawing holds, apart from those that decide and their neighbours
DECIDING = 40
COLUMN, ROW, LEFT, TOP = 148, 27, 112, 52
PANEL = 34  # rows of a drawing at most, which then fits a printed page
CHARACTER, SPILL = 6.6, 130  # width of a character; what a text may take beyond the last lifeline
UE, GNB, AMF = "UE", "gNB (bench)", "AMF under test"
PEERS = {
    "n12": "AUSF (bench)",
    "n8": "UDM (bench)",
    "n11": "SMF (bench)",
    "n15": "PCF (bench)",
    "n22": "NSSF (bench)",
    "nnrf": "NRF (bench)",
}
OTHER = "other (bench)"
CARRIERS = ("INITIAL UE MESSAGE", "UPLINK NAS TRANSPORT", "DOWNLINK NAS TRANSPORT")
KEY_FACTS = {
    "cause": "cause",
    "ea": "5G-EA",
    "ia": "5G-IA",
    "replayed_capability": "replayed capability",
    "header": "security header",
    "count": "COUNT",
    "mac_ok": "MAC verifies",
    "mac_good": "MAC right",
    "identity_type": "identity type",
    "res_star": "RES*",
    "status": "status",
    "pdu_session_id": "PDU session",
    "security_capabilities": "capabilities",
}
MINOR = ("amf_ue_ngap_id", "ran_ue_ngap_id", "deciphered")
MAX_FACTS = 10


@dataclass(frozen=True)
class Row:
    """One line of drawing and table: a message, or (event None) how many were left out here."""

    event: Event | None
    omitted: int = 0
    decides: bool = False
    y: int = 0
    x1: int = 0
    x2: int = 0
    label: str = ""
    anchor: str = "middle"
    facts: str = ""
    sender: str = ""
    receiver: str = ""

    @property
    def head(self) -> str:
        """The corners of the arrow's head at `x2`."""
        back = self.x2 + (-7 if self.x2 > self.x1 else 7)
        return f"{self.x2},{self.y} {back},{self.y - 4} {back},{self.y + 4}"

    @property
    def text_x(self) -> int:
        """Where the text of the arrow is anchored."""
        if self.anchor == "middle":
            return (self.x1 + self.x2) // 2
        return min(self.x1, self.x2) + 9 if self.anchor == "start" else max(self.x1, self.x2) - 9


@dataclass(frozen=True)
class Sequence:
    """The rows of a variant, and the lifelines with their places."""

    lifelines: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]
    messages: int  # in the record, without carriers
    carriers: int
    width: int
    panel: int  # rows of each drawing

    @property
    def panels(self) -> list[tuple[tuple[Row, ...], int]]:
        """The rows of each drawing, and how high it is."""
        cut = [self.rows[n : n + self.panel] for n in range(0, len(self.rows), self.panel)]
        return [(rows, rows[-1].y + ROW // 2) for rows in cut]

    def said(self, ref: str) -> str:
        """What the messages of a frame were, in words; empty when none of them is shown."""
        found = (row for row in self.rows if row.event and row.event.ref == ref)
        return "; ".join(f"{one_line(row.event.name, 80)}: {row.facts}" for row in found if row.event)

    @property
    def omitted(self) -> int:
        """How many messages are neither drawn nor listed."""
        return sum(row.omitted for row in self.rows)


def mappings(facts: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in JSON values, outermost first, in their order; no depth is too deep."""
    stack = [facts]
    while stack:
        top = stack.pop()
        if isinstance(top, Mapping):
            yield top
            stack += reversed(list(top.values()))
        elif isinstance(top, list):
            stack += reversed(top)


def collect(kind: type[Any], attempts: Iterable[Attempt]) -> Iterator[Any]:
    """Every `Event` or `Control` in the facts of the attempts."""
    for attempt in attempts:
        for found in mappings(attempt.seen):
            if "what" in found or "interface" in found:
                try:
                    yield from_json(kind, found)
                except ValueError:
                    continue


def controls(attempts: Iterable[Attempt]) -> tuple[Control, ...]:
    """The controls that a record holds, each once."""
    found = {json.dumps([c.what, c.worked, c.saw, c.refs]): c for c in collect(Control, attempts)}
    return tuple(found.values())


def events(attempts: Iterable[Attempt]) -> tuple[Event, ...]:
    """The events that a record holds, each once, in the order of time."""
    found = {(e.ref, e.name, e.at): e for e in collect(Event, attempts)}
    return tuple(sorted(found.values(), key=lambda e: e.at))


def without_carriers(found: tuple[Event, ...]) -> tuple[list[Event], dict[str, str]]:
    """Leave out NGAP messages that only carry a NAS message shown itself; what each frame's carrier was."""
    carried = {e.ref for e in found if e.interface == "n1"}
    carriers = {
        e.ref: e.name for e in found if e.interface == "n2" and e.name in CARRIERS and e.ref in carried
    }
    return [e for e in found if not (e.interface == "n2" and carriers.get(e.ref) == e.name)], carriers


def chosen(length: int, deciding: list[int]) -> list[int]:
    """The places that are shown of a long sequence: around what decides, then beginning and end."""
    if length <= MOST:
        return list(range(length))
    kept = {p for d in deciding[:DECIDING] for p in (d - 1, d, d + 1) if 0 <= p < length}
    ends = (p for i in range(length) for p in (i, length - 1 - i) if p not in kept)
    room = MOST - len(kept)
    while room > 0 and (place := next(ends, None)) is not None:
        kept.add(place)
        room -= 1
    # one message costs no more room than the line that says one is missing
    kept |= {p for p in range(1, length - 1) if p - 1 in kept and p + 1 in kept}
    return sorted(kept)


def ends(event: Event) -> tuple[str, str]:
    """Sender and receiver of an event: the bench plays everything but the product."""
    bench = {"n1": UE, "n2": GNB}.get(event.interface)
    if bench is None:
        bench = PEERS.get(event.interface, OTHER)
    return (AMF, bench) if event.received else (bench, AMF)


def label(name: str, room: int) -> str:
    """A message name that fits its arrow: a path keeps its method and its end."""
    text = one_line(name, 200)
    if len(text) <= room:
        return text
    method, _, path = text.partition(" /")
    if path and (tail := path.rpartition("/")[2]) and len(f"{method} \u2026/{tail}") <= room:
        return f"{method} \u2026/{tail}"
    return text[: room - 1] + "\u2026"


def key_facts(event: Event, carrier: str) -> str:
    """The facts of an event in words: the ones judges look at first."""
    known = [k for k in KEY_FACTS if k in event.facts]
    others = heapq.nsmallest(
        MAX_FACTS,
        (k for k in event.facts if k not in KEY_FACTS and k not in MINOR),
        key=lambda k: (k == "body", k),
    )
    parts = [
        f"{KEY_FACTS.get(k, shown(k, 40))} {value(event.facts[k])}" for k in (known + others)[:MAX_FACTS]
    ]
    if carrier:
        parts.append(f"in {shown(carrier, 40)}")
    return "; ".join(parts)


def draw(attempts: Iterable[Attempt], refs: Iterable[str]) -> Sequence | None:
    """The sequence of a variant's messages, with the ones that decided marked; None when there are none."""
    found = events(attempts)
    if not found:
        return None
    listed, carriers = without_carriers(found)
    deciding = set(refs)
    places = chosen(len(listed), [i for i, e in enumerate(listed) if e.ref in deciding])
    occur = {line for e in (listed[p] for p in places) for line in ends(e)}
    names = [UE, GNB, AMF, *(peer for peer in (*PEERS.values(), OTHER) if peer in occur)]
    x = {name: LEFT + COLUMN * i + COLUMN // 2 for i, name in enumerate(names)}
    width = LEFT + COLUMN * len(names) + (SPILL if len(names) > 3 else 0)
    rows: list[Row] = []
    last = -1
    for place in (*places, len(listed)):
        if place > last + 1:
            rows.append(Row(None, place - last - 1))
        last = place
        if place < len(listed):
            rows.append(_message(listed[place], deciding, carriers, x, width))
    panel = -(-len(rows) // -(-len(rows) // PANEL))  # drawings of one length
    placed = tuple(replace(row, y=TOP + ROW * (1 + n % panel)) for n, row in enumerate(rows))
    return Sequence(tuple(x.items()), placed, len(listed), len(found) - len(listed), width, panel)


def _message(
    event: Event, deciding: set[str], carriers: dict[str, str], x: dict[str, int], width: int
) -> Row:
    sender, receiver = ends(event)
    carrier = carriers.get(event.ref, "") if event.interface == "n1" else ""
    left, right = sorted((x[sender], x[receiver]))
    room, anchor = int((right - left - 12) / CHARACTER), "middle"
    if len(event.name) > room:  # a text too long for its arrow runs on, away from the product
        anchor = "end" if right == x[AMF] else "start"
        room = int(((right - LEFT if anchor == "end" else width - left) - 12) / CHARACTER)
    return Row(
        event,
        decides=event.ref in deciding,
        x1=x[sender],
        x2=x[receiver],
        label=label(event.name, min(room, 48)),
        anchor=anchor,
        facts=key_facts(event, carrier),
        sender=sender,
        receiver=receiver,
    )
