"""The emulated NSSF: allows the slices of the lab and names their NRF (Nnssf_NSSelection, TS 29.531)."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from drivers.interfaces import slice_name
from drivers.sbi import Request, Response, answer, problem

_INFORMATION = "/nnssf-nsselection/v2/network-slice-information"
_FOR_SESSION = "slice-info-request-for-pdu-session"
_FOR_REGISTRATION = "slice-info-request-for-registration"


class Nssf:
    """An NSSF with these slices (as JSON), and `more` for those who are subscribed to them; `nrf` gives the
    URI of the discovery that knows their SMF.
    """

    interface = "n22"

    def __init__(
        self, slices: Sequence[dict[str, Any]], nrf: Callable[[], str], more: Sequence[dict[str, Any]] = ()
    ) -> None:
        self._slices, self._nrf, self._more = slices, nrf, more
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
                slice_ = slice_name(asked["sNssai"])
            except (ValueError, TypeError, KeyError, RecursionError):
                return problem(400, "MANDATORY_QUERY_PARAM_INCORRECT", _FOR_SESSION)
            if slice_ not in {slice_name(one) for one in (*self._slices, *self._more)}:
                return problem(403, "SNSSAI_NOT_SUPPORTED")
            return answer(200, {"nsiInformation": network})
        try:
            slices = self._for(json.loads(query.get(_FOR_REGISTRATION, "{}")))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return problem(400, "OPTIONAL_QUERY_PARAM_INCORRECT", _FOR_REGISTRATION)
        if not slices:
            return problem(403, "SNSSAI_NOT_SUPPORTED")
        allowed = [{"allowedSnssai": one, "nsiInformationList": [network]} for one in slices]
        kinds = [{"allowedSnssaiList": allowed, "accessType": "3GPP_ACCESS"}]
        return answer(200, {"allowedNssaiList": kinds})

    def _for(self, registration: dict[str, Any]) -> list[dict[str, Any]]:
        """What somebody with this subscription may use, as far as the request tells it."""
        known = registration.get("subscribedNssai")
        if not known:
            return list(self._slices)
        names = {slice_name(one["subscribedSnssai"]) for one in known}
        return [one for one in (*self._slices, *self._more) if slice_name(one) in names]
