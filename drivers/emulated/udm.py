"""The emulated UDM: Nudm_UECM for the serving AMF and Nudm_SDM with one subscription for all (TS 29.503)."""

import uuid
from collections.abc import Collection, Sequence
from typing import Any

from drivers.sbi import Request, Response, answer, content_of, problem

_UECM = "/nudm-uecm/v1/{supi}/registrations/amf-3gpp-access"
_SDM = "/nudm-sdm/v2/{supi}"

SLICE_DATA = tuple(f"GET {_SDM}{name}" for name in ("", "/am-data", "/nssai", "/smf-select-data"))
"""What tells a consumer the slices of a subscriber."""


def gpsi(supi: str) -> str:
    """The GPSI of a subscriber of the lab (TS 29.571 clause 5.3.2)."""
    return f"msisdn-{supi[-10:]}"


def snssai_key(snssai: dict[str, Any]) -> str:
    """An S-NSSAI as the key of a map (TS 29.571 clause 5.4.4.2)."""
    return "-".join(str(snssai[name]) for name in ("sst", "sd") if name in snssai)


def subscribed(
    normal: Response,
    supi: str,
    default: Sequence[dict[str, Any]],
    more: Sequence[dict[str, Any]],
    authenticated: Sequence[dict[str, Any]],
) -> Response:
    """An answer to one of `SLICE_DATA` for somebody with other slices, of which some need NSSAA
    (TS 29.503 clause 6.1.6.2.2); what is no subscription data stays as it is.
    """
    data = content_of(normal)
    if normal.status != 200 or not data:
        return normal
    keys = [snssai_key(one) for one in (*default, *more)]
    nssai: dict[str, Any] = {"defaultSingleNssais": list(default)}
    nssai |= {"singleNssais": list(more)} if more else {}
    additional = {snssai_key(one): {"requiredAuthnAuthz": True} for one in authenticated}
    nssai |= {"additionalSnssaiData": additional} if additional else {}

    def change(part: Any) -> None:
        if not isinstance(part, dict):
            return
        if "nssai" in part:
            part |= {"nssai": nssai, "gpsis": [gpsi(supi)]}
        infos = part.get("subscribedSnssaiInfos")
        if isinstance(infos, dict) and infos:
            part["subscribedSnssaiInfos"] = dict.fromkeys(keys, next(iter(infos.values())))
        for name in ("amData", "smfSelData"):
            change(part.get(name))

    change(data)
    return answer(200, nssai if "defaultSingleNssais" in data else data)


class Udm:
    """A UDM whose subscribers may all use these slices (as JSON) and this data network."""

    interface = "n8"

    def __init__(self, supis: Collection[str], slices: Sequence[dict[str, Any]], dnn: str) -> None:
        self._supis = supis
        self._registered: dict[str, dict[str, Any]] = {}
        nssai = {"defaultSingleNssais": list(slices)}
        keys = [snssai_key(one) for one in slices]
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
        return {"gpsis": [gpsi(supi)], "subscribedUeAmbr": ambr, "nssai": self._nssai}

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
