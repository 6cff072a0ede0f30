"""The emulated NRF: registers whoever comes and lets the played functions be discovered (TS 29.510)."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers.emulated.access_token import Issuer
from drivers.emulated.nf_status import Subscriptions
from drivers.interfaces import slice_name
from drivers.sbi import Address, Request, Response, answer, keep, problem

DISCOVERY = "/nnrf-disc/v1/nf-instances"
_INSTANCES = "/nnrf-nfm/v1/nf-instances"
_SUBSCRIPTIONS = "/nnrf-nfm/v1/subscriptions"
_TOKENS = "/oauth2/token"
_HAL = "application/3gppHal+json"
_SERVICE_MAP = 0x20  # feature 6 of Nnrf_NFDiscovery

SERVICES: Mapping[str, Sequence[tuple[str, str]]] = {
    "NRF": (("nnrf-nfm", "v1"), ("nnrf-disc", "v1")),
    "AMF": (("namf-comm", "v1"),),
    "AUSF": (("nausf-auth", "v1"),),
    "UDM": (("nudm-uecm", "v1"), ("nudm-sdm", "v2")),
    "PCF": (("npcf-am-policy-control", "v1"),),
    "NSSF": (("nnssf-nsselection", "v2"),),
    "SMF": (("nsmf-pdusession", "v1"),),
    "NSSAAF": (("nnssaaf-nssaa", "v1"),),
}


@dataclass(frozen=True)
class Played:
    """A function that the bench plays, with its own routing indicators, or the GUAMI of an AMF."""

    kind: str  # NFType
    address: Address
    routing: tuple[str, ...] = ()
    priority: int = 0
    guami: Mapping[str, Any] = field(default_factory=dict)

    @property
    def amf_info(self) -> dict[str, Any]:
        """Region and set of an AMF (TS 29.510 clause 6.1.6.2.11)."""
        number = int(self.guami["amfId"], 16)
        return {
            "amfRegionId": f"{number >> 16:02x}",
            "amfSetId": f"{number >> 6 & 0x3FF:03x}",
            "guamiList": [dict(self.guami)],
        }


class Nrf:
    """An NRF; `played` says which functions listen where, `routing` the routing indicator of a SUPI."""

    interface = "nnrf"

    def __init__(
        self,
        plmn: tuple[str, str],
        slices: Sequence[dict[str, Any]],
        dnn: str,
        *,
        scheme: str,
        heartbeat_s: int,
        played: Callable[[], Sequence[Played]],
        routing: Mapping[str, str],
        subscriptions: Subscriptions,
    ) -> None:
        self._subscriptions = subscriptions
        services = {kind: [name for name, _ in some] for kind, some in SERVICES.items()}
        issuer = Issuer(str(uuid.uuid5(uuid.NAMESPACE_URL, "NRF")), services)
        self._plmn, self._slices, self._dnn = plmn, list(slices), dnn
        self._scheme, self._heartbeat_s, self._played, self._routing = scheme, heartbeat_s, played, routing
        self._registered: dict[str, dict[str, Any]] = {}
        one, subscription = _INSTANCES + "/{nfInstanceId}", _SUBSCRIPTIONS + "/{subscriptionId}"
        self.routes = {
            f"GET {_INSTANCES}": self._list,
            f"GET {one}": self._read,
            f"PUT {one}": self._register,
            f"PATCH {one}": self._update,
            f"DELETE {one}": self._deregister,
            f"POST {_SUBSCRIPTIONS}": self._subscribe,
            f"PATCH {subscription}": self._prolong,
            f"DELETE {subscription}": self._unsubscribe,
            f"POST {_TOKENS}": issuer.issue,
            f"GET {DISCOVERY}": self._discover,
            f"GET {DISCOVERY}/nf-instances": self._discover,  # for whoever takes nrfId for the API's root
        }

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """The subscriber of a discovery that names one."""
        return request.query.get("supi"), {}

    def _profile(self, played: Played, *, service_map: bool = False) -> dict[str, Any]:
        host, port = played.address
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{played.kind}://{host}:{port}"))
        family = "ipv6" if ":" in host else "ipv4"
        services = [
            {
                "serviceInstanceId": name,
                "serviceName": name,
                "versions": [{"apiVersionInUri": version, "apiFullVersion": f"{version[1:]}.0.0"}],
                "scheme": self._scheme,
                "nfServiceStatus": "REGISTERED",
                "ipEndPoints": [{f"{family}Address": host, "transport": "TCP", "port": port}],
            }
            for name, version in SERVICES[played.kind]
        ]
        profile: dict[str, Any] = {
            "nfInstanceId": identity,
            "nfType": played.kind,
            "nfStatus": "REGISTERED",
            "plmnList": [{"mcc": self._plmn[0], "mnc": self._plmn[1]}],
            "sNssais": self._slices,
            f"{family}Addresses": [host],
            "priority": played.priority,
            "capacity": 100,
            "load": 0,
        }
        if service_map:
            profile["nfServiceList"] = {one["serviceInstanceId"]: one for one in services}
        else:
            profile["nfServices"] = services
        if played.routing:
            profile["ausfInfo"] = {"routingIndicators": list(played.routing)}
        if played.guami:
            profile["amfInfo"] = played.amf_info
        if played.kind == "SMF":
            dnns = [{"dnn": self._dnn}]
            info = [{"sNssai": one, "dnnSmfInfoList": dnns} for one in self._slices]
            profile["smfInfo"] = {"sNssaiSmfInfoList": info}
        return profile

    # --- Nnrf_NFManagement -------------------------------------------------------------------------------

    def _all(self) -> dict[str, dict[str, Any]]:
        profiles = [self._profile(one) for one in self._played() if one.kind != "NRF"]
        return {one["nfInstanceId"]: one for one in profiles} | self._registered

    def notification(self, kind: str, instance: str | None) -> str:
        """Where a registered function (the only one that wants them, or this instance) gets notifications
        of a kind by default (TS 29.510 clause 6.1.6.2.4); "" where none does.
        """
        found = []
        for identity, profile in list(self._registered.items()):
            services = profile.get("nfServices")
            for part in (profile, *(services if isinstance(services, list) else ())):
                wanted = part.get("defaultNotificationSubscriptions") if isinstance(part, dict) else None
                for one in wanted if isinstance(wanted, list) else ():
                    if isinstance(one, dict) and one.get("notificationType") == kind:
                        found.append((identity, str(one.get("callbackUri", ""))))
        own = {uri for identity, uri in found if identity == instance} or {uri for _, uri in found}
        return own.pop() if len(own) == 1 else ""

    def _list(self, request: Request) -> Response:
        wanted = request.query.get("nf-type")
        found = [i for i, one in self._all().items() if wanted in (None, one.get("nfType"))]
        root = f"{request.base}{_INSTANCES}"
        links = {"self": {"href": root}, "item": [{"href": f"{root}/{identity}"} for identity in found]}
        return answer(200, {"_links": links}, kind=_HAL)

    def _read(self, request: Request) -> Response:
        profile = self._all().get(request.params["nfInstanceId"])
        return answer(200, profile) if profile else problem(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")

    def _register(self, request: Request) -> Response:
        identity, content = request.params["nfInstanceId"], request.content
        if not isinstance(content, dict) or not {"nfInstanceId", "nfType", "nfStatus"} <= content.keys():
            return problem(400, "MANDATORY_IE_MISSING", "nfInstanceId, nfType and nfStatus are needed")
        fresh = identity not in self._registered
        profile = {**content, "heartBeatTimer": self._heartbeat_s}
        keep(self._registered, identity, profile, 100)
        location = f"{request.base}{_INSTANCES}/{identity}"
        self._subscriptions.tell("NF_REGISTERED" if fresh else "NF_PROFILE_CHANGED", location, profile)
        return answer(201, profile, location=location) if fresh else answer(200, profile)

    def _update(self, request: Request) -> Response:
        known = request.params["nfInstanceId"] in self._registered
        return answer(204) if known else problem(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")

    def _deregister(self, request: Request) -> Response:
        identity = request.params["nfInstanceId"]
        known = self._registered.pop(identity, None)
        if known is None:
            return problem(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")
        self._subscriptions.tell("NF_DEREGISTERED", f"{request.base}{_INSTANCES}/{identity}", known)
        return answer(204)

    def _subscribe(self, request: Request) -> Response:
        if not isinstance(request.content, dict) or "nfStatusNotificationUri" not in request.content:
            return problem(400, "MANDATORY_IE_MISSING", "nfStatusNotificationUri is needed")
        kept = self._subscriptions.add(request.content)
        location = f"{request.base}{_SUBSCRIPTIONS}/{kept['subscriptionId']}"
        return answer(201, kept, location=location)

    def _prolong(self, request: Request) -> Response:
        known = self._subscriptions.known(request.params["subscriptionId"])
        return answer(204) if known else problem(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")

    def _unsubscribe(self, request: Request) -> Response:
        known = self._subscriptions.remove(request.params["subscriptionId"])
        return answer(204) if known else problem(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")

    # --- Nnrf_NFDiscovery --------------------------------------------------------------------------------

    def _discover(self, request: Request) -> Response:
        query = request.query
        if not {"target-nf-type", "requester-nf-type"} <= query.keys():
            return problem(400, "MANDATORY_QUERY_PARAM_MISSING", "target- and requester-nf-type are needed")
        try:
            slices = json.loads(query.get("snssais", "null"))
            guami = json.loads(query.get("guami", "null"))
            service_map = bool(int(query.get("requester-features", "0"), 16) & _SERVICE_MAP)
        except (ValueError, RecursionError):
            return problem(400, "OPTIONAL_QUERY_PARAM_INCORRECT")
        kind, services = query["target-nf-type"], query.get("service-names")
        found = [self._profile(one, service_map=service_map) for one in self._steered(kind, query)]
        if slices is not None and not self._serves(slices):
            found = []
        if query.get("dnn", self._dnn) != self._dnn and kind == "SMF":
            found = []
        if services and not {name for name, _ in SERVICES.get(kind, ())} & set(services.split(",")):
            found = []
        if (identity := query.get("target-nf-instance-id")) is not None:
            found = [one for one in found if one["nfInstanceId"] == identity]
        if kind == "AMF":
            found = [one for one in found if _is_amf(one["amfInfo"], guami, query)]
        result = {"validityPeriod": 3600, "nfInstances": found}
        return answer(200, result | ({"nrfSupportedFeatures": "20"} if service_map else {}))

    def _serves(self, slices: Any) -> bool:
        """Whether one of these slices, as a query has them, is one of ours."""
        own = {slice_name(one) for one in self._slices}
        asked = slices if isinstance(slices, list) else []
        return any(slice_name(one) in own for one in asked if isinstance(one, dict))

    def _steered(self, kind: str, query: Mapping[str, str]) -> list[Played]:
        of_kind = [one for one in self._played() if one.kind == kind]
        asked = query.get("routing-indicator") or self._routing.get(query.get("supi", ""))
        if asked is None:
            return of_kind
        # "0", "0000" and "1", "0001" are one each: the indicator is padded with zeros on some interfaces.
        own = [one for one in of_kind if asked.lstrip("0") in {r.lstrip("0") for r in one.routing}]
        return own or [one for one in of_kind if not one.routing]


def _is_amf(info: Mapping[str, Any], guami: object, query: Mapping[str, str]) -> bool:
    """Whether an AMF is the one that is looked for by GUAMI, or of the set and the region."""
    names = {"amf-region-id": "amfRegionId", "amf-set-id": "amfSetId"}
    if guami is not None and json.dumps(guami, sort_keys=True).lower() not in [
        json.dumps(one, sort_keys=True).lower() for one in info["guamiList"]
    ]:
        return False
    return all(query.get(name, info[key]).lower() == info[key] for name, key in names.items())
