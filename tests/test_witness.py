"""tshark, a decoder that is not ours, sees in the capture what the facts of a record claim."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from products import assay, emulated

from drivers.codecs import nas

pytestmark = pytest.mark.daemon

FIELDS = (
    "frame.number",
    "nas_5gs.mm.message_type",
    "ngap.procedureCode",
    "http2.headers.path",
    "frame.comment",
)
PROCEDURES = {
    "AMF STATUS INDICATION": 1,
    "DOWNLINK NAS TRANSPORT": 4,
    "ERROR INDICATION": 9,
    "HANDOVER CANCEL": 10,
    "HANDOVER CANCEL ACKNOWLEDGE": 10,
    "HANDOVER NOTIFY": 11,
    "HANDOVER COMMAND": 12,
    "HANDOVER PREPARATION FAILURE": 12,
    "HANDOVER REQUIRED": 12,
    "HANDOVER FAILURE": 13,
    "HANDOVER REQUEST": 13,
    "HANDOVER REQUEST ACKNOWLEDGE": 13,
    "INITIAL CONTEXT SETUP FAILURE": 14,
    "INITIAL CONTEXT SETUP REQUEST": 14,
    "INITIAL CONTEXT SETUP RESPONSE": 14,
    "INITIAL UE MESSAGE": 15,
    "PAGING": 24,
    "PATH SWITCH REQUEST": 25,
    "PATH SWITCH REQUEST ACKNOWLEDGE": 25,
    "PATH SWITCH REQUEST FAILURE": 25,
    "PDU SESSION RESOURCE SETUP REQUEST": 29,
    "PDU SESSION RESOURCE SETUP RESPONSE": 29,
    "REROUTE NAS REQUEST": 36,
    "UE CONTEXT MODIFICATION REQUEST": 40,
    "UE CONTEXT MODIFICATION RESPONSE": 40,
    "UE CONTEXT RELEASE COMMAND": 41,
    "UE CONTEXT RELEASE COMPLETE": 41,
    "UE CONTEXT RELEASE REQUEST": 42,
    "UPLINK NAS TRANSPORT": 46,
    "RAN CP RELOCATION INDICATION": 57,
    "UE CONTEXT RESUME REQUEST": 58,
    "UE CONTEXT RESUME RESPONSE": 58,
    "UE CONTEXT SUSPEND REQUEST": 59,
    "UE CONTEXT SUSPEND RESPONSE": 59,
    "CONNECTION ESTABLISHMENT INDICATION": 65,
}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("tshark") is None:
        reason = "tshark is missing: install the Debian package tshark"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("witness")
    done = assay("run", emulated(folder), "--out", folder / "c")
    assert done.returncode == 0, done.stdout
    return folder / "c"


def dissect(capture: Path, *options: str) -> dict[int, dict[str, str]]:
    command = [
        "tshark",
        "-r",
        str(capture),
        "-T",
        "fields",
        "-E",
        "separator=|",
        "-E",
        "occurrence=a",
        *options,
    ]
    for field in FIELDS:
        command += ["-e", field]
    lines = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    rows = [dict(zip(FIELDS, line.split("|"), strict=True)) for line in lines]
    return {int(row["frame.number"]): row for row in rows}


def events(value: Any) -> Iterator[dict[str, Any]]:
    """Every event anywhere in the facts of a record."""
    if isinstance(value, dict):
        if {"interface", "name", "ref", "facts"} <= set(value):
            yield value
        else:
            for item in value.values():
                yield from events(item)
    elif isinstance(value, list):
        for item in value:
            yield from events(item)


def message_types(row: dict[str, str]) -> set[int]:
    return {int(text, 16) for text in row["nas_5gs.mm.message_type"].split(",") if text}


def test_tshark_sees_what_the_records_claim(campaign: Path) -> None:
    checked = {"n1": 0, "n2": 0, "sbi": 0}
    for record in sorted(campaign.glob("records/**/record.json")):
        rows = dissect(record.parent / "capture.pcapng")
        for event in events(json.loads(record.read_bytes())["attempts"]):
            row = rows[int(event["ref"].removeprefix("capture.pcapng#"))]
            name = event["name"].removeprefix("REPLAY OF ")
            where = f"{record.parent}: {event['name']} in {event['ref']}: {row}"
            if event["name"] == "INTRA N1 MODE NAS TRANSPARENT CONTAINER":  # part of the request, no message
                assert int(row["ngap.procedureCode"]) == PROCEDURES["HANDOVER REQUEST"], where
            elif event["interface"] == "n1":
                deciphered = event["facts"].get("deciphered")
                assert event["facts"]["header"] in (0, 1, 3) or deciphered, where
                if deciphered:
                    row = rows[deciphered]
                    frame = event["ref"].removeprefix("capture.pcapng#")
                    assert (
                        frame == row["frame.comment"].removeprefix("deciphered from frame ")
                        or "REPLAY" in where
                    )
                assert nas.MESSAGES[name].type in message_types(row), where
                checked["n1"] += 1
            elif event["interface"] == "n2":
                assert int(row["ngap.procedureCode"]) == PROCEDURES[name], where
                checked["n2"] += 1
            elif event["received"] and " /" in name:
                checked["sbi"] += 1
    assert min(checked.values()) > 100, checked


@pytest.mark.root
def test_the_wire_tells_the_same_story(campaign: Path) -> None:
    """Where the wire could be recorded, every NGAP message of our account is on it, as tshark reads it."""
    if os.geteuid() != 0:
        pytest.skip("recording the wire needs CAP_NET_RAW")
    profile = json.loads((campaign / "campaign.json").read_bytes())["profile"]
    port = profile["functions"]["amf"]["n2"]["udp"]["product"]
    compared = 0
    for table in sorted(campaign.glob("records/**/wire.json")):
        ours = dissect(table.parent / "capture.pcapng")
        theirs = dissect(table.parent / "wire.pcapng", "-d", f"udp.port=={port},sctp")
        found = json.loads(table.read_bytes())
        for number, row in ours.items():
            if row["ngap.procedureCode"]:
                assert str(number) in found, f"{table}: frame {number} is not on the wire: {row}"
                seen = theirs[found[str(number)]]["ngap.procedureCode"].split(",")
                assert row["ngap.procedureCode"] in seen
                compared += 1
    assert compared > 500
