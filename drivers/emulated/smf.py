"""The emulated SMF: accepts every SM context and path switch, and says no more (TS 29.502)."""

import json
import uuid
from typing import Any

from drivers.codecs import ngap, ngap_handover
from drivers.sbi import Part, Request, Response, answer, join_parts, keep, problem

SM_CONTEXTS = "/nsmf-pdusession/v1/sm-contexts"
FAILURES = "/nsmf-callback/v1/n1n2-failures/{supi}"
_CONTEXT = SM_CONTEXTS + "/{smContextRef}"


class Smf:
    """An SMF without a user plane: it keeps SM contexts and answers path switches, no other N1 or N2."""

    interface = "n11"

    def __init__(self) -> None:
        self._contexts: dict[str, str] = {}
        self.routes = {
            f"POST {SM_CONTEXTS}": self._create,
            f"POST {_CONTEXT}/modify": self._modify,
            f"POST {_CONTEXT}/release": self._release,
            f"POST {FAILURES}": lambda request: answer(204),
        }

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """The subscriber of a request, and what the AMF chose for a new session."""
        if "smContextRef" in request.params:
            return self._contexts.get(request.params["smContextRef"]), {}
        if "supi" in request.params:
            return request.params["supi"], {}
        if not isinstance(content := request.content, dict):
            return None, {}
        supi, names = content.get("supi"), ("pduSessionId", "sNssai", "requestType")
        return supi if isinstance(supi, str) else None, {n: content[n] for n in names if n in content}

    def anchor(self, supi: str) -> str:
        """Have an SM context of a subscriber that comes from another AMF; the smContextRef."""
        reference = uuid.uuid4().hex
        keep(self._contexts, reference, supi)
        return reference

    def _create(self, request: Request) -> Response:
        supi, facts = self.about(request)
        if not facts and supi is None:
            return problem(400, "MANDATORY_IE_MISSING")
        reference = uuid.uuid4().hex
        keep(self._contexts, reference, supi or "")
        return answer(201, {}, location=f"{request.base}{SM_CONTEXTS}/{reference}")

    def _modify(self, request: Request) -> Response:
        if request.params["smContextRef"] not in self._contexts:
            return problem(404, "CONTEXT_NOT_FOUND")
        content = request.content if isinstance(request.content, dict) else {}
        if content.get("release") is True:
            del self._contexts[request.params["smContextRef"]]
        if isinstance(state := content.get("hoState"), str):
            return _handed_over(state)
        if content.get("upCnxState") == "ACTIVATING":
            refusal = {"status": 500, "cause": "INSUFFICIENT_RESOURCES_SLICE_DNN"}
            return answer(500, {"error": refusal, "upCnxState": "DEACTIVATED"})
        if content.get("n2SmInfoType") == "PATH_SWITCH_REQ":
            return _switched(request)
        state = content.get("upCnxState")
        return answer(200, {"upCnxState": state}) if state == "DEACTIVATED" else answer(204)

    def _release(self, request: Request) -> Response:
        known = self._contexts.pop(request.params["smContextRef"], None)
        return answer(204) if known is not None else problem(404, "CONTEXT_NOT_FOUND")


def _switched(request: Request) -> Response:
    """The answer to a path switch: the uplink tunnel for the new gNB (clause 5.2.2.3.3)."""
    try:
        ngap.transfer_value("PathSwitchRequestTransfer", request.parts[1].body)
    except (IndexError, ngap.Malformed):
        return problem(400, "N2_SM_ERROR")
    transfer = ngap.path_switch_acknowledge_transfer(ngap.Session(1))
    return _with_n2({"upCnxState": "ACTIVATED"}, "PATH_SWITCH_REQ_ACK", transfer)


def _handed_over(state: str) -> Response:
    """The answer in each state of an N2 handover, which goes as asked (TS 29.502 clause 5.2.2.3.4)."""
    answers = {
        "PREPARING": ("PDU_RES_SETUP_REQ", ngap.setup_request_transfer(ngap.Session(1))),
        "PREPARED": ("HANDOVER_CMD", ngap_handover.command_transfer()),
    }
    if state not in answers:
        return answer(200, {"hoState": state})
    return _with_n2({"hoState": state}, *answers[state])


def _with_n2(content: dict[str, Any], what: str, transfer: bytes) -> Response:
    """An answer with N2 SM information (clause 6.1.2.4)."""
    info = {"n2SmInfo": {"contentId": "n2SmInfo"}, "n2SmInfoType": what}
    first = Part({"content-type": "application/json"}, json.dumps(content | info).encode())
    carried = {"content-type": "application/vnd.3gpp.ngap", "content-id": "n2SmInfo"}
    kind, body = join_parts([first, Part(carried, transfer)])
    return Response(200, {"content-type": kind}, body)
