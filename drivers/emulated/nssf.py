"""The emulated NSSF: allows the slices of the lab and names their NRF (Nnssf_NSSelection, TS 29.531)."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from drivers.sbi import Request, Response, answer, problem

_INFORMATION = "/nnssf-nsselection/v2/network-slice-information"
_FOR_SESSION = "slice-info-request-for-pdu-session"


class Nssf:
    """An NSSF with these slices (as JSON); `nrf` gives the URI of the discovery that knows their SMF."""

    interface = "n22"

    def __init__(self, slices: Sequence[dict[str, Any]], nrf: Callable[[], str]) -> None:
        self._slices, self._nrf = slices, nrf
        self.routes = {f"GET {_INFORMATION}": self._select}

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """No subscriber: the request does not say."""
        return None, {}

    def _select(self, request: Request) -> Response:
        query = request.query
        if not {"nf-type", "nf-id"} <= query.keys():
            return problem(400, "MANDATORY_QUERY_PARAM_MISSING", "nf-type and nf-id are needed")
        network = {"nrfId": self._nrf()}
        if _FOR_SESSION in query:
            try:
                asked = json.loads(query[_FOR_SESSION])
                slice_ = {name: asked["sNssai"][name] for name in ("sst", "sd") if name in asked["sNssai"]}
            except (ValueError, TypeError, KeyError, RecursionError):
                return problem(400, "MANDATORY_QUERY_PARAM_INCORRECT", _FOR_SESSION)
            if slice_ not in self._slices:
                return problem(403, "SNSSAI_NOT_SUPPORTED")
            return answer(200, {"nsiInformation": network})
        allowed = [{"allowedSnssai": one, "nsiInformationList": [network]} for one in self._slices]
        kinds = [{"allowedSnssaiList": allowed, "accessType": "3GPP_ACCESS"}]
        return answer(200, {"allowedNssaiList": kinds})
