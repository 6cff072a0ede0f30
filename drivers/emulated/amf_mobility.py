"""Xn handover at the emulated AMF: the path switch, and the chain of keys that goes with it."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivers.codecs import kdf, nas, ngap
from drivers.codecs.ngap import IeId
from drivers.emulated.amf_context import Context
from drivers.emulated.amf_log import say

if TYPE_CHECKING:
    from drivers.emulated.amf import Gnb, Link

REFUSED: ngap.Cause = ("radioNetwork", "ho-failure-in-target-5GC-ngran-node-or-target-system")


@dataclass
class Chain:
    """NH and its count NCC after an initial context setup (TS 33.501 clause 6.9.2.1.1)."""

    nh: bytes = field(repr=False)  # K_gNB at first, which goes with count 0
    count: int = 0

    def step(self, kamf: bytes) -> None:
        """The next NH (TS 33.501 clause A.10); the count goes round in three bits (TS 38.413 9.3.1.88)."""
        self.nh, self.count = kdf.nh(kamf, self.nh), (self.count + 1) % 8


async def path_switch(gnb: "Gnb", pdu: ngap.Pdu) -> None:
    """Serve PATH SWITCH REQUEST of the gNB that a UE has come to (TS 38.413 clause 8.4.4)."""
    amf_id, ran_id = ngap.amf_ue_ngap_id(pdu), ngap.ran_ue_ngap_id(pdu)
    link = gnb.amf.link(amf_id)
    context = link.n1.context if link is not None else None
    if link is None or amf_id is None or context is None or link.chain is None:
        gnb.send(ngap.error_indication(amf_id, ran_id, ("radioNetwork", "unknown-local-UE-NGAP-ID")))
        return
    asked = ngap.transfers(pdu, IeId.PDU_SESSION_RESOURCE_TO_BE_SWITCHED_DL_LIST)
    if ran_id is None or not asked:
        gnb.send(ngap.error_indication(amf_id, ran_id, ("protocol", "abstract-syntax-error-reject")))
        return
    switched, released = await _sessions(gnb, context, asked)
    if gnb.amf.link(amf_id) is not link:
        return  # it has been released meanwhile
    if not switched:
        gnb.send(ngap.path_switch_request_failure(amf_id, ran_id, released))
        return
    gnb.adopt(link, ran_id)
    say("INFO", f"path switched to RAN UE NGAP ID {ran_id}: AMF UE NGAP ID {amf_id}, {context.supi}")
    shown = _compared(link, context, ngap.security_capabilities(pdu))
    link.chain.step(context.security.kamf)
    link.path_switched(shown, context.allowed or gnb.amf.config.slices, link.chain, switched, released)


async def _sessions(
    gnb: "Gnb", context: Context, asked: dict[int, bytes]
) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Ask the SMF of each PDU session: what was switched, and what was not."""
    known = {number: context.sessions[number] for number in asked if number in context.sessions}
    calls = (gnb.amf.core.sbi.switch(reference, asked[number]) for number, reference in known.items())
    answers = dict(zip(known, await asyncio.gather(*calls), strict=True))
    switched = {
        number: answer.n2
        for number, answer in answers.items()
        if answer.status == 200 and answer.text("n2SmInfoType") == "PATH_SWITCH_REQ_ACK" and answer.n2
    }
    unsuccessful = ngap.path_switch_unsuccessful_transfer(REFUSED)
    released = {
        number: (answers[number].n2 if number in answers else b"") or unsuccessful
        for number in asked
        if number not in switched
    }
    return switched, released


def _compared(link: "Link", context: Context, reported: ngap.Bitmaps | None) -> ngap.Bitmaps | None:
    """What the gNB is told of the UE's capabilities: the stored ones on a mismatch (TS 33.501 6.7.3.1)."""
    faults, stored = link.gnb.faults, nas.SecurityCapability.decode(context.capability)
    if reported is None or reported == ngap.bitmaps(stored) or "path-switch-no-compare" in faults:
        return None
    if "path-switch-adopts" in faults:
        kept = context.capability
        context.capability = bytes(
            kept[at] & 0x80 | bits >> 9 for at, bits in enumerate(reported) if at < len(kept)
        )
        return reported
    if "mismatch-not-logged" not in faults:
        say(
            "WARNING",
            "UE security capabilities of PATH SWITCH REQUEST differ from the stored ones:"
            f" AMF UE NGAP ID {link.amf_id}, {context.supi}",
        )
    return ngap.bitmaps(stored)
