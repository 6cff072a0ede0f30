"""Who decides over a slice: subscriptions that need NSSAA, how it ends, its revocation (TS 23.502 4.2.9)."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from drivers.emulated.consumer import Consumer
from drivers.emulated.nssaaf import failure
from drivers.emulated.peers import Change, Peers, snssai_json, unscripted
from drivers.emulated.udm import SLICE_DATA, gpsi, subscribed
from drivers.interfaces import REVOCATION, SLICE_AUTHENTICATION, SLICE_CONFIRMATION, Answer, Slices, Snssai
from drivers.sbi import Request, printable

NOBODY = "extid-nobody@assay.invalid"
BY_DEFAULT = "NSSAA_REVOC_NOTIFICATION"


class SliceAuthority:
    """UDM and NSSAAF where they treat single subscribers in another way than all others."""

    def __init__(self, peers: Peers, consumer: Consumer | None, slices: Slices) -> None:
        self._peers, self._consumer, self._slices = peers, consumer, slices
        self._asked: dict[str, Mapping[str, Any]] = {}  # the last SliceAuthInfo, by SUPI

    def subscribe(self, supi: str, *, only: bool, fails: bool) -> None:
        """Let a subscriber have the slice that needs NSSAA, beside the usual ones or `only` that one."""
        usual = [snssai_json(one) for one in self._slices.usual]
        needing = [snssai_json(self._slices.nssaa)] if self._slices.nssaa else []
        default, more = (needing, []) if only else (usual, needing)

        def data(request: Request) -> Change:
            return lambda normal: subscribed(normal, supi, default, more, needing)

        def asked(request: Request) -> Change:
            if isinstance(request.content, dict):
                self._asked[supi] = request.content
            return unscripted(request)

        for name in SLICE_DATA:
            self._peers.script(supi, name, data)
        self._peers.script(supi, SLICE_AUTHENTICATION, asked)
        if fails:
            self._peers.script(supi, SLICE_CONFIRMATION, lambda request: failure)

    def uri(self, supi: str) -> str:
        """Where the product wants revocations for a subscriber, "" where it did not say."""
        asked = self._asked.get(supi, {})
        uri, instance = asked.get("revocNotifUri"), asked.get("amfInstanceId")
        if isinstance(uri, str) and uri:
            return uri
        return self._peers.notification(BY_DEFAULT, instance if isinstance(instance, str) else None)

    def revoke(self, supi: str, label: str, snssai: Snssai, *, unknown: bool) -> Answer | str:
        """Tell the product that a slice is revoked (TS 29.526 clause 5.2.2.4); why not, where it cannot be.

        An `unknown` user has a GPSI that nobody has, and no SUPI.
        """
        if self._consumer is None:
            return "the profile does not say where the product offers services (functions.amf.sbi)"
        uri = self.uri(supi)
        if not uri:
            return (
                "the product said neither in revocNotifUri nor in its NF profile where it wants revocations"
            )
        try:
            parts = urlsplit(uri)
            where = ip_address(parts.hostname or "").compressed, parts.port or 80
        except ValueError:
            parts, where = urlsplit(""), ("", 0)
        host, port = self._consumer.address
        if parts.scheme != "http" or where != (ip_address(host).compressed, port):
            where_to = printable(uri, 200)
            return (
                f"the product wants revocations at {where_to}, which functions.amf.sbi is not: nothing sent"
            )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        whose = {"gpsi": NOBODY} if unknown else {"gpsi": self._gpsi(supi), "supi": supi}
        content = {"notifType": "SLICE_REVOCATION", **whose, "snssai": snssai_json(snssai)}
        return self._consumer.ask("n58", REVOCATION, path, content, ue=label)

    def _gpsi(self, supi: str) -> str:
        return str(self._asked.get(supi, {}).get("gpsi") or gpsi(supi))
