"""An independent witness: tshark decodes the captures, and what it reads is compared with the records."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from assay.bundle.verify import Findings
from assay.campaign import Campaign, Planned, Record
from assay.case import Event, from_json
from assay.errors import UsageError

CAPTURE, WIRE, FOUND, KEYS = "capture.pcapng", "wire.pcapng", "wire.json", "nas-keys.json"
SECONDS = 120  # for one capture
MAX_OUTPUT = 256 << 20

INFO = "_ws.col.Info"
NAS_PDU = "ngap.NAS_PDU"
INNER = {"cause": "nas_5gs.mm.5gmm_cause", "rand": "gsm_a.dtap.rand", "autn": "gsm_a.dtap.autn"}
SMC = {"ea": "nas_5gs.mm.nas_sec_algo_enc", "ia": "nas_5gs.mm.nas_sec_algo_ip"}
OUTER = {"header": "nas_5gs.security_header_type"}
N2 = {"amf_ue_ngap_id": "ngap.AMF_UE_NGAP_ID", "ran_ue_ngap_id": "ngap.RAN_UE_NGAP_ID"}
FIELDS = (
    *("frame.number", INFO, "frame.protocols", "frame.packet_flags_direction", "frame.comment"),
    *("sctp.srcport", "sctp.dstport", "exported_pdu.src_port", "exported_pdu.dst_port", "udp.srcport"),
    *("http2.streamid", "http2.headers.method", "http2.headers.path", "http2.headers.status"),
    *("nas_5gs.seq_no", NAS_PDU, "exported_pdu.exported_pdu"),
    *(*INNER.values(), *SMC.values(), *OUTER.values(), *N2.values()),
)
Row = Mapping[str, str]
Rows = Mapping[int, Row]


@dataclass
class Witnessed:
    """What tshark says to the references of one variant."""

    planned: Planned
    references: int = 0
    confirmed: int = 0
    on_wire: int = 0
    with_keys: int = 0
    disagreements: list[str] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)


def witness(campaign: Campaign) -> list[Witnessed]:
    """Let tshark read the captures of every record; raises UsageError where there is no tshark."""
    if shutil.which("tshark") is None:
        raise UsageError("there is no tshark: install it (Debian package tshark)")
    there = [(p, r) for p in campaign.plan if p.decided is None and (r := campaign.read(p))]
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        return list(workers.map(lambda pair: _variant(campaign, *pair), there))


def testify(campaign: Campaign, found: Findings) -> None:
    """Put what tshark says into what a verification found: a line a case, and every disagreement."""
    cases: dict[str, list[Witnessed]] = {}
    for one in witness(campaign):
        cases.setdefault(one.planned.case, []).append(one)
        where = f"{one.planned.case}/{one.planned.variant}"
        for text in one.disagreements:
            found.problem(f"{where}: record and capture tell two stories: {text}")
    for case, told in cases.items():
        total, confirmed = (sum(getattr(w, name) for w in told) for name in ("references", "confirmed"))
        unread = sum((w.unread for w in told), Counter[str]())
        why = "".join(f"; {number} not read: {text}" for text, number in unread.items())
        wire, keys = (sum(getattr(w, name) for w in told) for name in ("on_wire", "with_keys"))
        share = f"{confirmed / total:.1%}" if total else "nothing to confirm"
        found.witnessed.append(
            f"{case}: {confirmed} of {total} references ({share}), {wire} on the wire, {keys} with keys{why}"
        )


def events(value: Any) -> Iterator[Event]:
    """Every event anywhere in the facts of a record, in their order."""
    if isinstance(value, dict):
        if {"interface", "name", "ref", "facts"} <= value.keys():
            yield from_json(Event, value)
        else:
            for item in value.values():
                yield from events(item)
    elif isinstance(value, list):
        for item in value:
            yield from events(item)


def dissect(capture: bytes, *options: str) -> dict[int, Row]:
    """The frames of a capture as tshark reads them; UsageError where it gives up."""
    with tempfile.NamedTemporaryFile(suffix=".pcapng") as file:
        file.write(capture)
        file.flush()
        words = ["tshark", "-n", "-r", file.name, "-T", "fields", "-E", "separator=/t", *options]
        for name in FIELDS:
            words += ["-e", name]
        try:
            done = subprocess.run(words, capture_output=True, timeout=SECONDS, check=True)
        except (subprocess.SubprocessError, OSError) as error:
            raise UsageError(f"tshark cannot read a capture: {error}") from error
    lines = done.stdout[:MAX_OUTPUT].decode(errors="replace").splitlines()
    rows = [dict(zip(FIELDS, line.split("\t"), strict=False)) for line in lines]
    return {int(row["frame.number"]): row for row in rows if len(row) == len(FIELDS)}


def _variant(campaign: Campaign, planned: Planned, record: Record) -> Witnessed:
    found = Witnessed(planned)
    claimed = list(events([dict(attempt.seen) for attempt in record.attempts]))
    found.references = len(claimed)
    try:
        rows = dissect(campaign.evidence(planned, CAPTURE))
    except (FileNotFoundError, UsageError) as error:
        found.unread[f"no capture to read: {error}"] += len(claimed)
        return found
    ports = {str(port) for port in _ports(campaign.header)}
    keys = _read(campaign, planned, KEYS) or []
    for event in claimed:
        problems, unread = _compare(event, rows, ports)
        if not problems and not unread:
            outcome = _with_keys(event, rows, keys)
            problems += [outcome] if outcome else []
            found.with_keys += outcome == ""
        if problems:
            found.disagreements += [f"{event.ref} {event.name}: {problem}" for problem in problems]
        elif unread:
            found.unread[unread] += 1
        else:
            found.confirmed += 1
    found.disagreements += _order(claimed)
    _wire(campaign, planned, claimed, ports, found)
    return found


def _read(campaign: Campaign, planned: Planned, name: str) -> Any:
    try:
        return json.loads(campaign.evidence(planned, name))
    except FileNotFoundError:
        return None


def _ports(header: Mapping[str, Any]) -> Iterator[int]:
    """The N2 ports of the products, those of SCTP in UDP among them."""
    for function in header["profile"]["functions"].values():
        n2 = function.get("n2") if isinstance(function, Mapping) else None
        if isinstance(n2, Mapping):
            yield n2["port"]
            if isinstance(n2.get("udp"), Mapping):
                yield n2["udp"]["product"]


# --- one reference -----------------------------------------------------------------------------------------


def alike(text: str) -> str:
    """A name of a message without what spellings differ in: DOWNLINK NAS TRANSPORT, DownlinkNASTransport."""
    return "".join(char for char in text.lower() if char.isalnum())


def names(row: Row) -> set[str]:
    """The messages of a frame as tshark calls them, without the causes it adds in brackets."""
    told = row.get(INFO, "").split(", ")
    return {alike(text) for one in told for text in (one, one.rpartition(" (")[0])}


def _number(event: Event) -> int:
    return int(event.ref.partition("#")[2] or 0) if event.ref.startswith(f"{CAPTURE}#") else 0


def _compare(event: Event, rows: Rows, ports: set[str]) -> tuple[list[str], str]:
    """What tshark sees otherwise than the event claims, and why it sees nothing of it, if so."""
    row = rows.get(_number(event))
    if row is None:
        return [f"there is no such frame among {len(rows)}"], ""
    problems = _direction(event, row, ports)
    if event.interface not in ("n1", "n2"):
        problem, unread = _sbi(event, row, rows)
        return problems + ([problem] if problem else []), unread
    inner = row
    hidden = event.facts.get("deciphered")
    if isinstance(hidden, int):
        inner = rows.get(hidden, {})
        of = inner.get("frame.comment", "").removeprefix("deciphered from frame ")
        if "REPLAY" not in event.name and of != row["frame.number"]:
            problems.append(f"frame {hidden} is not deciphered from it")
    if event.name == "INTRA N1 MODE NAS TRANSPARENT CONTAINER":
        return problems, "a part of another message, for which tshark has no name"
    if alike(event.name.removeprefix("REPLAY OF ")) not in names(inner):
        problems.append(f"tshark reads {inner.get(INFO, 'nothing')!r}")
    if event.interface == "n2":
        return problems + list(_facts(event, row, N2)), ""
    problems += [*_facts(event, row, OUTER), *_facts(event, inner, INNER)]
    if event.name == "SECURITY MODE COMMAND":
        problems += _facts(event, inner, SMC)
    count, sequence = event.facts.get("count"), row["nas_5gs.seq_no"].partition(",")[0]
    if isinstance(count, int) and event.facts.get("header") and sequence and count & 255 != int(sequence):
        problems.append(f"NAS COUNT {count}, but tshark reads sequence number {sequence}")
    return problems, ""


def _facts(event: Event, row: Row, table: Mapping[str, str]) -> Iterator[str]:
    """Facts that tshark reads otherwise; what it does not show is not compared."""
    for fact, name in table.items():
        claimed, shown = event.facts.get(fact), row.get(name, "").split(",")
        if claimed is None or isinstance(claimed, list) or shown == [""]:
            continue
        read = {int(text, 0) for text in shown} if _numbers(shown) else set(shown)
        wanted = int(claimed) if _numbers(shown) else str(claimed)
        if wanted not in read:
            yield f"{fact} {claimed}, but tshark reads {', '.join(shown)}"


def _numbers(shown: Iterable[str]) -> bool:
    return all(re.fullmatch(r"0x[0-9a-f]{1,16}|[0-9]{1,20}", text) for text in shown)


def _direction(event: Event, row: Row, ports: set[str]) -> list[str]:
    said = {"0x00000001": True, "0x00000002": False}.get(row["frame.packet_flags_direction"])
    if said is not event.received:
        return [f"{'received' if event.received else 'sent'}, but the frame has the other direction"]
    if (port := row["sctp.srcport"]) and (port in ports) is not event.received:
        return [f"{'received' if event.received else 'sent'}, but it comes from port {port}"]
    return []


def _sbi(event: Event, row: Row, rows: Rows) -> tuple[str, str]:
    """A request or an answer: method, path and status stand in the last header block of the same stream."""
    if event.name == "STREAM RESET":
        return ("", "") if "RST_STREAM" in row[INFO] else (f"tshark reads {row[INFO]!r}", "")
    if " /" not in event.name and " {" not in event.name:
        return "", f"no HTTP message: {event.name}"
    flow = ("exported_pdu.src_port", "exported_pdu.dst_port", "http2.streamid")
    same = [
        one
        for number, one in rows.items()
        if number <= int(row["frame.number"])
        and all(one[key] == row[key] for key in flow)
        and (one["http2.headers.path"] or one["http2.headers.status"])
    ]
    if not same:
        return "", "the header block refers to others, which are not in the capture"
    head = same[-1]
    status, _, _ = event.name.partition(" to ")
    if status.isdigit():
        read = head["http2.headers.status"]
        return ("" if read == status else f"tshark reads status {read or 'none'}"), ""
    method, _, template = event.name.partition(" ")
    pattern = "".join(
        ".+" if part.endswith("Uri}") else "[^/?]+" if part.startswith("{") else re.escape(part)
        for part in re.split(r"(\{[^}]*\})", template)
    )
    read = f"{head['http2.headers.method']} {head['http2.headers.path']}"
    good = re.fullmatch(rf"{re.escape(method)} {pattern}(\?.*)?", read)
    return ("" if good else f"tshark reads {read!r}"), ""


def _order(claimed: Sequence[Event]) -> list[str]:
    """Where the order of the record is not that of the capture, by interface, UE and direction."""
    problems, last = [], dict[tuple[str, str, bool], tuple[float, int]]()
    for event in sorted(set(map(_key, claimed))):
        at, number, *kind = event
        key = (str(kind[0]), str(kind[1]), bool(kind[2]))
        if number < last.get(key, (0.0, 0))[1]:
            problems.append(f"{CAPTURE}#{number} stands before frame {last[key][1]}, but came after it")
        last[key] = (at, number)
    return problems


def _key(event: Event) -> tuple[float, int, str, str, bool]:
    return event.at, _number(event), event.interface, event.ue, event.received


# --- inside of NAS, and on the wire ------------------------------------------------------------------------


def _with_keys(event: Event, rows: Rows, keys: Sequence[Mapping[str, Any]]) -> str | None:
    """Empty when the published keys open the message to what the record claims; None where they do not apply.

    Only 128-NEA2 and 128-NIA2 (TS 33.501 annex D) are done here, by a library that is not ours.
    """
    count, hidden = event.facts.get("count"), event.facts.get("deciphered")
    pdu = bytes.fromhex(rows[_number(event)][NAS_PDU].partition(",")[0])
    if event.interface != "n1" or not isinstance(count, int) or not isinstance(hidden, int) or len(pdu) < 8:
        return None
    mine = [key for key in keys if key.get("ue") == event.ue and key.get("ea") == key.get("ia") == 2]
    for key in mine:
        integrity = CMAC(algorithms.AES(bytes.fromhex(key["k_nas_int"])))
        down = event.received << 2
        integrity.update(count.to_bytes(4, "big") + bytes((1 << 3 | down, 0, 0, 0)) + pdu[6:])
        if integrity.finalize()[:4] != pdu[2:6]:
            continue
        start = count.to_bytes(4, "big") + bytes((1 << 3 | down,)) + bytes(11)
        opened = Cipher(algorithms.AES(bytes.fromhex(key["k_nas_enc"])), modes.CTR(start)).decryptor()
        clear = opened.update(pdu[7:])
        shown = rows[hidden]["exported_pdu.exported_pdu"].replace(":", "")
        return (
            "" if shown.endswith(clear.hex()) else f"the keys open it to {clear.hex()[:40]}, not to {hidden}"
        )
    return None


def _wire(
    campaign: Campaign, planned: Planned, claimed: Sequence[Event], ports: set[str], found: Witnessed
) -> None:
    """Where the wire was recorded: that each NGAP message is on it, in its direction and order."""
    table = _read(campaign, planned, FOUND)
    if not isinstance(table, dict):
        return
    try:
        options = [word for port in sorted(ports) for word in ("-d", f"udp.port=={port},sctp")]
        rows = dissect(campaign.evidence(planned, WIRE), *options)
    except (FileNotFoundError, UsageError) as error:
        found.unread[f"no wire to read: {error}"] += 1
        return
    last: dict[tuple[str, str, str], int] = {}  # order is a promise of SCTP within a stream alone
    for event in sorted((e for e in claimed if e.interface == "n2"), key=_number):
        packet = table.get(str(_number(event)))
        if packet is None:
            found.disagreements.append(f"{event.ref} {event.name}: it is not on the wire")
            continue
        row = rows.get(packet, {})
        port = row.get("udp.srcport") or row.get("sctp.srcport", "")
        if alike(event.name) not in names(row):
            found.disagreements.append(
                f"{event.ref} {event.name}: on the wire tshark reads {row.get(INFO)!r}"
            )
        elif (port in ports) is not event.received:
            found.disagreements.append(f"{event.ref} {event.name}: on the wire it comes from port {port}")
        elif packet < last.get(way := (event.ue, row["sctp.srcport"], row["sctp.dstport"]), 0):
            found.disagreements.append(f"{event.ref} {event.name}: on the wire it comes before another")
        else:
            found.on_wire += 1
            last[way] = packet
