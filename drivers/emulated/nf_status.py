"""What the emulated NRF tells of functions that come, change and go (TS 29.510 clauses 5.2.2.5, 5.2.2.6)."""

import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from assay.errors import LabError
from assay.evidence import Trace
from drivers.interfaces import Answer
from drivers.sbi import Address, Client, keep

_VALIDITY = timedelta(days=1)
_NOTIFY = "POST {nfStatusNotificationUri}"
_MOST = 100  # subscriptions, and addresses that are told


class Subscriptions:
    """Who wants to know of which functions; notifications go out by themselves, and nobody waits for them."""

    def __init__(self, trace: Trace, *, timeout: float) -> None:
        self._trace, self._timeout = trace, timeout
        self._wanted: dict[str, dict[str, Any]] = {}
        self._clients: dict[Address, Client] = {}

    def add(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a SubscriptionData; what is answered to it."""
        identity, until = uuid.uuid4().hex, (datetime.now(UTC) + _VALIDITY).isoformat(timespec="seconds")
        kept = {**wanted, "subscriptionId": identity, "validityTime": until}
        keep(self._wanted, identity, kept, _MOST)
        return kept

    def remove(self, identity: str) -> bool:
        """End a subscription; whether there was one."""
        return self._wanted.pop(identity, None) is not None

    def known(self, identity: str) -> bool:
        """Whether there is such a subscription."""
        return identity in self._wanted

    def tell(self, event: str, uri: str, profile: Mapping[str, Any]) -> None:
        """Notify who wants to know that a function was registered, changed or deregistered."""
        data: dict[str, Any] = {"event": event, "nfInstanceUri": uri}
        if event != "NF_DEREGISTERED":
            data["nfProfile"] = dict(profile)
        for wanted in list(self._wanted.values()):
            if _concerns(wanted, event, profile):
                self._send(str(wanted["nfStatusNotificationUri"]), data)

    def _send(self, uri: str, data: Mapping[str, Any]) -> None:
        def told(frame: int, answer: Answer | None) -> None:
            if answer is None:
                facts = {"event": data["event"]}
                self._trace.event(frame, False, "nnrf", _NOTIFY, facts=facts)

        with suppress(ValueError, LabError):  # an address that is none, or that the profile does not declare
            parts = urlsplit(uri)
            address = ip_address(parts.hostname or "").compressed, parts.port or 80
            if parts.scheme != "http":
                return
            if address not in self._clients:
                if len(self._clients) >= _MOST:
                    return
                self._clients[address] = Client(address, self._trace)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            self._clients[address].start(
                "POST",
                path,
                headers=[("content-type", "application/json")],
                body=json.dumps(data).encode(),
                timeout=self._timeout,
                tell=told,
            )

    def close(self) -> None:
        """Close the connections."""
        while self._clients:
            self._clients.popitem()[1].close()


def _concerns(wanted: Mapping[str, Any], event: str, profile: Mapping[str, Any]) -> bool:
    """Whether a subscription is for such an event of such a function, and not by that function itself."""
    identity = profile.get("nfInstanceId")
    events, condition = wanted.get("reqNotifEvents"), wanted.get("subscrCond")
    if wanted.get("reqNfInstanceId") == identity or (isinstance(events, list) and event not in events):
        return False
    if not isinstance(condition, dict):
        return True
    if "nfInstanceId" in condition or "nfType" in condition:
        pairs = (("nfInstanceId", identity), ("nfType", profile.get("nfType")))
        return all(condition.get(name, value) == value for name, value in pairs)
    return condition.get("serviceName") in _services(profile) if "serviceName" in condition else True


def _services(profile: Mapping[str, Any]) -> set[str]:
    listed, mapped = profile.get("nfServices"), profile.get("nfServiceList")
    services = [*(listed if isinstance(listed, list) else ())]
    services += mapped.values() if isinstance(mapped, dict) else ()
    return {str(one.get("serviceName")) for one in services if isinstance(one, dict)}
