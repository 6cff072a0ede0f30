"""The emulated SMF: accepts every SM context and says no more (Nsmf_PDUSession, TS 29.502)."""

import uuid
from typing import Any

from drivers.sbi import Request, Response, answer, keep, problem

SM_CONTEXTS = "/nsmf-pdusession/v1/sm-contexts"
_CONTEXT = SM_CONTEXTS + "/{smContextRef}"


class Smf:
    """An SMF without a user plane: it keeps SM contexts and leaves N1 and N2 unanswered."""

    interface = "n11"

    def __init__(self) -> None:
        self._contexts: dict[str, str] = {}
        self.routes = {
            f"POST {SM_CONTEXTS}": self._create,
            f"POST {_CONTEXT}/modify": self._modify,
            f"POST {_CONTEXT}/release": self._release,
        }

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """The subscriber of a request, and what the AMF chose for a new session."""
        if "smContextRef" in request.params:
            return self._contexts.get(request.params["smContextRef"]), {}
        if not isinstance(content := request.content, dict):
            return None, {}
        supi, names = content.get("supi"), ("pduSessionId", "sNssai", "requestType")
        return supi if isinstance(supi, str) else None, {n: content[n] for n in names if n in content}

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
        if content.get("upCnxState") == "ACTIVATING":
            refusal = {"status": 500, "cause": "INSUFFICIENT_RESOURCES_SLICE_DNN"}
            return answer(500, {"error": refusal, "upCnxState": "DEACTIVATED"})
        state = content.get("upCnxState")
        return answer(200, {"upCnxState": state}) if state == "DEACTIVATED" else answer(204)

    def _release(self, request: Request) -> Response:
        known = self._contexts.pop(request.params["smContextRef"], None)
        return answer(204) if known is not None else problem(404, "CONTEXT_NOT_FOUND")
