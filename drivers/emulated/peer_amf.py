"""The AMF on N14 that a UE comes from: it hands contexts over, and is told of the rest (TS 29.518)."""

import base64
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from drivers.codecs import kdf, nas, nas_crypto, ngap, ngap_handover
from drivers.interfaces import UE_CONTEXT_TRANSFER
from drivers.n2 import Cell
from drivers.sbi import Part, Request, Response, answer, keep, problem
from drivers.ue import Context

IDENTITY = (2, 2, 2)  # AMF region, set and pointer
CONTEXTS = "/namf-comm/v1/ue-contexts"
SUBSCRIPTIONS = "/namf-comm/v1/subscriptions"
NOTIFIED = "/namf-callback/v1/{supi}/n2-info-notify"
NGAP = "application/vnd.3gpp.ngap"
CAPABILITY_IEI = b"\x2e"  # of the UE security capability, which JSON carries from its first octet on
HANDOVER_DESIRABLE = {"group": 0, "value": 16}  # radioNetwork, TS 38.413 clause 9.3.1.2


@dataclass
class Kept:
    """A UE that this AMF has served: `context` has the last uplink and the next downlink NAS COUNT."""

    supi: str
    guti: nas.Guti
    context: Context
    capability: bytes
    slices: Sequence[dict[str, Any]]
    session: dict[str, Any]

    def model(self) -> dict[str, Any]:
        """The UeContext, its K_AMF the current one as it is (TS 29.518 clause 6.1.6.2.25)."""
        context = self.context
        capability = CAPABILITY_IEI + bytes((len(self.capability),)) + self.capability
        return {
            "supi": self.supi,
            "supiUnauthInd": False,
            "pei": f"imeisv-{self.supi[-14:]:0>14}01",
            "subUeAmbr": {"uplink": "1 Gbps", "downlink": "1 Gbps"},
            "seafData": {
                "ngKsi": {"tsc": "NATIVE", "ksi": context.ksi},
                "keyAmf": {"keyType": "KAMF", "keyVal": context.kamf.hex()},
                "keyAmfChangeInd": False,
                "keyAmfHDerivationInd": False,
            },
            "mmContextList": [
                {
                    "accessType": "3GPP_ACCESS",
                    "nasSecurityMode": {
                        "integrityAlgorithm": f"NIA{context.ia}",
                        "cipheringAlgorithm": f"NEA{context.ea}",
                    },
                    "nasDownlinkCount": context.downlink,
                    "nasUplinkCount": context.uplink,
                    "ueSecurityCapability": base64.b64encode(capability).decode(),
                    "allowedNssai": list(self.slices),
                }
            ],
            "sessionContextList": [self.session],
        }

    def verifies(self, pdu: bytes) -> bool:
        """Whether an initial NAS message is this UE's; its COUNT is then the last one."""
        try:
            secured = nas.unwrap(pdu)
        except nas.Malformed:
            return False
        if secured is None or secured.header != nas.Header.INTEGRITY:
            return False
        context, direction = self.context, nas_crypto.UPLINK
        count = context.uplink & ~0xFF | secured.sequence
        count += 0x100 if count <= context.uplink else 0
        body = bytes((secured.sequence,)) + secured.payload
        if nas_crypto.mac(context.ia, context.keys.int_, count, 1, direction, body) != secured.mac:
            return False
        context.uplink = count
        return True


class PeerAmf:
    """An AMF without a radio: UEs are put into it, and leave it in handover or by registering elsewhere."""

    interface = "n14"

    def __init__(self, plmn: tuple[str, str], slices: Sequence[dict[str, Any]]) -> None:
        self._guami = ngap.Guami(nas.Plmn(*plmn), *IDENTITY)
        self._slices = slices
        self._kept: dict[str, Kept] = {}
        self.routes = {
            UE_CONTEXT_TRANSFER: self._transfer,
            f"POST {CONTEXTS}/{{ueContextId}}/transfer-update": self._updated,
            f"POST {NOTIFIED}": lambda request: answer(204),
            f"POST {SUBSCRIPTIONS}": self._subscribe,
            f"DELETE {SUBSCRIPTIONS}/{{subscriptionId}}": lambda request: answer(204),
        }

    @property
    def guami(self) -> dict[str, Any]:
        """The GUAMI as the service-based interfaces spell it (TS 29.571 clause 5.3.4.1)."""
        plmn = self._guami.plmn
        return {
            "plmnId": {"mcc": plmn.mcc, "mnc": plmn.mnc},
            "amfId": self._guami.guti(0).encode()[4:7].hex(),
        }

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """The subscriber whose context, or whose handover, a request is about."""
        if "supi" in request.params:
            return request.params["supi"], {}
        kept = self._kept.get(request.params.get("ueContextId", "").lower())
        return (kept.supi if kept is not None else None), {}

    # --- the lab's side ----------------------------------------------------------------------------------

    def serve(self, supi: str, context: Context, capability: bytes, sm_context: str, dnn: str) -> nas.Guti:
        """Have served a UE with this context, which the UE has as well; the 5G-GUTI it was given.

        It has one PDU session, whose SM context is at the URI `sm_context`.
        """
        guti, plmn = self._guami.guti(secrets.randbits(32)), self._guami.plmn
        own = replace(context, uplink=context.uplink - 1)
        session = {
            "pduSessionId": 1,
            "smContextRef": sm_context,
            "sNssai": self._slices[0],
            "dnn": dnn,
            "accessType": "3GPP_ACCESS",
        }
        kept = Kept(supi, guti, own, capability, self._slices, session)
        name = f"5g-guti-{plmn.mcc}{plmn.mnc}{self.guami['amfId']}{guti.tmsi:08x}"
        for one in (name, supi):
            keep(self._kept, one, kept)
        return guti

    def hand_over(
        self, supi: str, cell: Cell, container: bytes, base: str
    ) -> tuple[dict[str, Any], list[Part]]:
        """CreateUEContext for a target gNB's cell: its JSON and its parts (TS 29.518 clause 6.1.6.2.23)."""
        kept = self._kept[supi]
        plmn = {"mcc": cell.plmn.mcc, "mnc": cell.plmn.mnc}
        model = kept.model()
        kamf = kept.context.kamf
        first = kdf.nh(kamf, kdf.kgnb(kamf, kept.context.uplink))
        model["seafData"] |= {"nh": kdf.nh(kamf, first).hex(), "ncc": 2}
        asked = {
            "pduSessionId": kept.session["pduSessionId"],
            "n2InfoContent": {"ngapIeType": "HANDOVER_REQUIRED", "ngapData": {"contentId": "required"}},
            "sNssai": kept.session["sNssai"],
        }
        content = {
            "ueContext": model,
            "targetId": {
                "ranNodeId": {"plmnId": plmn, "gNbId": {"bitLength": 32, "gNBValue": f"{cell.gnb_id:08x}"}},
                "tai": {"plmnId": plmn, "tac": f"{cell.tac:06x}"},
            },
            "sourceToTargetData": {
                "ngapIeType": "SRC_TO_TAR_CONTAINER",
                "ngapData": {"contentId": "container"},
            },
            "pduSessionList": [asked],
            "n2NotifyUri": base + NOTIFIED.replace("{supi}", supi),
            "ngapCause": HANDOVER_DESIRABLE,
            "servingNetwork": plmn,
        }
        binary = {"container": container, "required": ngap_handover.required_transfer()}
        return content, [Part({"content-type": NGAP, "content-id": name}, it) for name, it in binary.items()]

    # --- the product's side ------------------------------------------------------------------------------

    def _transfer(self, request: Request) -> Response:
        """UEContextTransfer (TS 29.518 clause 5.2.2.2.1)."""
        kept = self._kept.get(request.params["ueContextId"].lower())
        if kept is None:
            return problem(404, "CONTEXT_NOT_FOUND")
        content = request.content
        if not isinstance(content, dict) or not {"reason", "accessType"} <= content.keys():
            return problem(400, "MANDATORY_IE_MISSING", "reason and accessType are needed")
        asked = [part.body for part in request.parts[1:]]
        if "regRequest" in content and not any(map(kept.verifies, asked)):
            return problem(403, "INTEGRITY_CHECK_FAIL")
        return answer(200, {"ueContext": kept.model()})

    def _updated(self, request: Request) -> Response:
        """RegistrationStatusUpdate (TS 29.518 clause 5.2.2.2.2)."""
        known = request.params["ueContextId"].lower() in self._kept
        return (
            answer(200, {"regStatusTransferComplete": True}) if known else problem(404, "CONTEXT_NOT_FOUND")
        )

    def _subscribe(self, request: Request) -> Response:
        """AMFStatusChangeSubscribe (TS 29.518 clause 5.2.2.5.1): nothing ever changes."""
        if not isinstance(request.content, dict) or "amfStatusUri" not in request.content:
            return problem(400, "MANDATORY_IE_MISSING", "amfStatusUri is needed")
        location = f"{request.base}{SUBSCRIPTIONS}/{uuid.uuid4().hex}"
        return answer(201, request.content, location=location)
