"""The emulated UDM: Nudm_UECM for the serving AMF and Nudm_SDM with one subscription for all (TS 29.503)."""

import uuid
from collections.abc import Collection, Sequence
from typing import Any

from drivers.sbi import Request, Response, answer, problem

_UECM = "/nudm-uecm/v1/{supi}/registrations/amf-3gpp-access"
_SDM = "/nudm-sdm/v2/{supi}"


class Udm:
    """A UDM whose subscribers may all use these slices (as JSON) and this data network."""

    interface = "n8"

    def __init__(self, supis: Collection[str], slices: Sequence[dict[str, Any]], dnn: str) -> None:
        self._supis = supis
        self._registered: dict[str, dict[str, Any]] = {}
        nssai = {"defaultSingleNssais": list(slices)}
        keys = ["-".join(str(value) for value in s.values()) for s in slices]
        dnns = {"dnnInfos": [{"dnn": dnn, "defaultDnnIndicator": True}]}
        self._sets: dict[str, dict[str, Any]] = {
            "nssai": nssai,
            "smf-select-data": {"subscribedSnssaiInfos": dict.fromkeys(keys, dnns)},
            "ue-context-in-smf-data": {},
        }
        self._nssai = nssai
        self.routes = {
            f"PUT {_UECM}": self._register,
            f"PATCH {_UECM}": self._update,
            f"GET {_SDM}": self._several,
            f"GET {_SDM}/am-data": self._am_data,
            **{f"GET {_SDM}/{name}": self._data for name in self._sets},
            f"POST {_SDM}/sdm-subscriptions": self._subscribe,
            f"DELETE {_SDM}/sdm-subscriptions/{{subscriptionId}}": self._unsubscribe,
        }

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """The subscriber of a request."""
        return request.params.get("supi"), {}

    def _known(self, request: Request, response: Response) -> Response:
        return response if request.params["supi"] in self._supis else problem(404, "USER_NOT_FOUND")

    def _register(self, request: Request) -> Response:
        supi, content = request.params["supi"], request.content
        if supi not in self._supis:
            return problem(404, "USER_NOT_FOUND")
        needed = {"amfInstanceId", "deregCallbackUri", "guami", "ratType"}
        if not isinstance(content, dict) or not needed <= content.keys():
            return problem(400, "MANDATORY_IE_MISSING", f"{', '.join(sorted(needed))} are needed")
        fresh = supi not in self._registered
        self._registered[supi] = content
        return answer(201, content, location=request.base + request.path) if fresh else answer(204)

    def _update(self, request: Request) -> Response:
        registered = self._registered.get(request.params["supi"])
        if registered is None:
            return problem(404, "CONTEXT_NOT_FOUND")
        if isinstance(request.content, dict) and request.content.get("purgeFlag") is True:
            del self._registered[request.params["supi"]]
        return answer(204)

    def _subscription(self, supi: str) -> dict[str, Any]:
        ambr = {"uplink": "1 Gbps", "downlink": "1 Gbps"}
        return {"gpsis": [f"msisdn-{supi[-10:]}"], "subscribedUeAmbr": ambr, "nssai": self._nssai}

    def _am_data(self, request: Request) -> Response:
        return self._known(request, answer(200, self._subscription(request.params["supi"])))

    def _data(self, request: Request) -> Response:
        return self._known(request, answer(200, self._sets[request.path.rpartition("/")[2]]))

    def _several(self, request: Request) -> Response:
        sets = {
            "AM": ("amData", self._subscription(request.params["supi"])),
            "SMF_SEL": ("smfSelData", self._sets["smf-select-data"]),
            "UEC_SMF": ("uecSmfData", self._sets["ue-context-in-smf-data"]),
        }
        wanted = request.query.get("dataset-names", "").split(",")
        return self._known(request, answer(200, dict(sets[name] for name in wanted if name in sets)))

    def _subscribe(self, request: Request) -> Response:
        if not isinstance(request.content, dict):
            return problem(400, "INVALID_MSG_FORMAT")
        identity = uuid.uuid4().hex
        content = {**request.content, "subscriptionId": identity}
        return self._known(request, answer(201, content, location=f"{request.base}{request.path}/{identity}"))

    def _unsubscribe(self, request: Request) -> Response:
        return self._known(request, answer(204))
