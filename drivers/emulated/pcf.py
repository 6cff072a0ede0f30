"""The emulated PCF: an access and mobility policy that asks for nothing (Npcf_AMPolicyControl, TS 29.507)."""

import uuid
from typing import Any

from drivers.sbi import Request, Response, answer, keep, problem

_POLICIES = "/npcf-am-policy-control/v1/policies"
_POLICY = _POLICIES + "/{polAssoId}"


class Pcf:
    """A PCF whose policy associations have no triggers and no optional features."""

    interface = "n15"

    def __init__(self) -> None:
        self._associations: dict[str, dict[str, Any]] = {}
        self.routes = {
            f"POST {_POLICIES}": self._create,
            f"GET {_POLICY}": self._read,
            f"POST {_POLICY}/update": self._update,
            f"DELETE {_POLICY}": self._delete,
        }

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """The subscriber of a request."""
        content = self._associations.get(request.params.get("polAssoId", ""), request.content)
        supi = content.get("supi") if isinstance(content, dict) else None
        return supi if isinstance(supi, str) else None, {}

    def _create(self, request: Request) -> Response:
        content = request.content
        if not isinstance(content, dict) or not {"supi", "notificationUri", "suppFeat"} <= content.keys():
            return problem(400, "MANDATORY_IE_MISSING", "supi, notificationUri and suppFeat are needed")
        identity = uuid.uuid4().hex
        keep(self._associations, identity, {"supi": content["supi"]})
        return answer(201, {"suppFeat": "0"}, location=f"{request.base}{_POLICIES}/{identity}")

    def _read(self, request: Request) -> Response:
        known = request.params["polAssoId"] in self._associations
        return answer(200, {"suppFeat": "0"}) if known else problem(404, "CONTEXT_NOT_FOUND")

    def _update(self, request: Request) -> Response:
        identity = request.params["polAssoId"]
        if identity not in self._associations:
            return problem(404, "CONTEXT_NOT_FOUND")
        return answer(200, {"resourceUri": f"{request.base}{_POLICIES}/{identity}"})

    def _delete(self, request: Request) -> Response:
        known = self._associations.pop(request.params["polAssoId"], None)
        return answer(204) if known else problem(404, "CONTEXT_NOT_FOUND")
