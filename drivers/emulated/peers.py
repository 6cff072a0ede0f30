"""The neighbours of an AMF as the bench plays them: one registry that routes, records and can be scripted."""

import json
import math
import re
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from assay.errors import LabError
from assay.evidence import Trace
from drivers.emulated.ausf import Arpf, Ausf
from drivers.emulated.nf_status import Subscriptions
from drivers.emulated.nrf import DISCOVERY, Nrf, Played
from drivers.emulated.nssaaf import Nssaaf
from drivers.emulated.nssf import Nssf
from drivers.emulated.pcf import Pcf
from drivers.emulated.peer_amf import PeerAmf
from drivers.emulated.smf import Smf
from drivers.emulated.udm import Udm, gpsi
from drivers.interfaces import Subscriber
from drivers.sbi import (
    MAX_CONTENT,
    Address,
    Outcome,
    Request,
    Reset,
    Response,
    Server,
    Table,
    answer,
    decode,
    printable,
    problem,
)

MAX_DEPTH = 16
NOTIFIED_S = 10.0  # how long a notification of the NRF may stay unanswered
OWN_AUSFS = {"ausf2": "1", "ausf3": "2", "ausf4": "3"}  # and the routing indicator that each has for itself

_SECRET = {"kseaf", "kausf", "kamf", "kgnb", "ck", "ik", "ckprime", "ikprime", "k", "opc", "xres", "xresstar"}
_SECRET |= {"keyval", "nh", "access_token"}

# who the product is has no place in facts that are judged; the capture has it
_IDENTITY = re.compile(
    r"\w*(InstanceId|InstanceName|[uU]ri|URI|Reference)|servingNfId|guami|amfName|nfProfile"
)

Change = Callable[[Response], Outcome]
Action = Callable[[Request], Outcome | Change]
"""What a script does with a request: the answer to it, or what becomes of the normal answer."""


def unscripted(request: Request) -> Change:
    """Leave the normal answer as it is."""
    return lambda normal: normal


class Function(Protocol):
    """A network function: what it serves, on which reference point, and which UE a request is about."""

    @property
    def interface(self) -> str:
        """The reference point of its events."""
        ...

    @property
    def routes(self) -> Mapping[str, Callable[[Request], Response]]:
        """What answers each "<METHOD> <template>"."""
        ...

    def about(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """The SUPI a request is about, and facts worth a place of their own."""
        ...


class Peers:
    """NRF, AUSF, UDM, PCF, NSSF, SMF and NSSAAF around one AMF, as far as `endpoints` has addresses of them.

    Every request and answer becomes an event on its reference point, named "<METHOD> <template>" and
    "<status> to <METHOD> <template>", with the label of its UE; its body is in the facts, keys left out.

    Args:
        subscribers: by SUPI.
        plmn: MCC and MNC.
        slices: SST and SD of each slice that everybody is subscribed to.
        endpoints: where "nrf", "ausf", "udm", "pcf", "nssf", "smf", "nssaaf", the AUSFs of `OWN_AUSFS`
            and "amf2", an AMF to come from, listen; several may share an address.
        more_slices: what is served beside `slices` to whoever asks for it.
        heartbeat_s: how often registered functions report to the NRF.
        tls: from `drivers.sbi.tls_context`; None for cleartext.
        home_keys: as for `Arpf`.
    """

    whole = False
    """Whether the product brings these functions itself, and the bench only sees what goes to them."""

    def __init__(
        self,
        trace: Trace,
        subscribers: Mapping[str, Subscriber],
        plmn: tuple[str, str],
        slices: Sequence[tuple[int, int | None]],
        endpoints: Mapping[str, Address],
        *,
        more_slices: Sequence[tuple[int, int | None]] = (),
        dnn: str = "internet",
        heartbeat_s: int = 60,
        tls: ssl.SSLContext | None = None,
        home_keys: Mapping[int, bytes] | None = None,
    ) -> None:
        self.labels: dict[str, str] = {}  # by SUPI, as the trace wants them
        self._trace, self._endpoints, self._tls = trace, endpoints, tls
        self._scripts: dict[tuple[str, str], Action] = {}
        self._lock = threading.Lock()
        self._servers: dict[Address, Server] = {}
        self.arpf = Arpf(subscribers, home_keys)
        shown, more = ([snssai_json(one) for one in some] for some in (slices, more_slices))
        self._subscriptions = Subscriptions(trace, timeout=NOTIFIED_S)
        self._registry = Nrf(
            plmn,
            [*shown, *more],
            dnn,
            scheme="https" if tls else "http",
            heartbeat_s=heartbeat_s,
            played=self._played,
            routing=self.arpf.routing,
            subscriptions=self._subscriptions,
        )
        self.smf, self.amf2 = Smf(), PeerAmf(plmn, shown)
        functions: dict[str, Function] = {
            "nrf": self._registry,
            "ausf": Ausf(self.arpf, plmn),
            **{name: Ausf(self.arpf, plmn) for name in OWN_AUSFS},
            "udm": Udm(subscribers.keys(), shown, dnn),
            "pcf": Pcf(),
            "nssf": Nssf(shown, lambda: self.uri("nrf") + DISCOVERY, more),
            "smf": self.smf,
            "nssaaf": Nssaaf({gpsi(supi): supi for supi in subscribers}),
            **({} if self.whole else {"amf2": self.amf2}),
        }
        if not self.whole and (odd := sorted(set(endpoints) - set(functions))):
            raise LabError(f"no such peer: {', '.join(odd)}; there are {', '.join(functions)}")
        self._functions = {name: functions[name] for name in functions if name in endpoints}
        self._own = [OWN_AUSFS[name] for name in self._functions if name in OWN_AUSFS]
        self.asked: dict[str, str] = {}  # what the product asked a function first
        self.sought: set[str] = set()  # functions that it looked for at the NRF

    # --- the lab's side ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen; LabError when an address cannot be listened on, and then on none."""
        try:
            for address in dict.fromkeys(self._endpoints.values()):
                table = Table(f for name, f in self._functions.items() if self._endpoints[name] == address)
                self._servers[address] = Server(
                    address,
                    handler=partial(self._serve, table),
                    trace=self._trace,
                    tls=self._tls,
                    on_answer=self._answered,
                )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop listening."""
        self._subscriptions.close()
        while self._servers:
            self._servers.popitem()[1].close()

    def lend(self) -> str:
        """The routing indicator of an AUSF, nobody else's until `give_back`; "0" where none is left."""
        with self._lock:
            return self._own.pop(0) if self._own else "0"

    def give_back(self, routing: str) -> None:
        """Let others use an AUSF again."""
        with self._lock:
            self._own += [routing] if routing != "0" else []

    def plays(self, nf: str) -> bool:
        """Whether requests to this function come to the bench, and can be scripted."""
        return nf in self._functions

    def uri(self, nf: str) -> str:
        """Scheme and authority of a function; LabError when it is not played or not started."""
        server = self._servers.get(self._endpoints.get(nf, ("", 0)))
        if server is None:
            raise LabError(f"the peer {nf} is not played, or not started yet")
        return server.uri

    def notification(self, kind: str, instance: str | None) -> str:
        """The URI for notifications of a kind in the profile that the product registered, "" for none."""
        return self._registry.notification(kind, instance)

    @property
    def trouble(self) -> str:
        """The first thing that went wrong in a peer or a script, "" when nothing did."""
        return next((s.failure for s in self._servers.values() if s.failure), "")

    def forgive(self) -> str:
        """The trouble so far, forgotten by being told."""
        trouble = self.trouble
        for server in self._servers.values():
            server.failure = ""
        return trouble

    def _played(self) -> list[Played]:
        return [
            Played(
                name.rstrip("234").upper(),
                self._servers[self._endpoints[name]].address,
                (OWN_AUSFS[name],) if name in OWN_AUSFS else (),
                priority=1 if name in OWN_AUSFS else 0,
                guami=self.amf2.guami if name == "amf2" else {},
            )
            for name in self._functions
        ]

    # --- the probe's side --------------------------------------------------------------------------------

    def script(self, supi: str, name: str, action: Action) -> None:
        """Let `action` answer the requests "<METHOD> <template>" about a subscriber until `unscript`.

        It runs in the server's thread and must not block. It answers (or holds) the request, which then
        reaches nobody else, or gives a function that makes an answer of the normal one.
        """
        with self._lock:
            self._scripts[supi, name] = action

    def unscript(self, supi: str | None = None) -> None:
        """Forget the scripts of a subscriber, or all."""
        with self._lock:
            self._scripts = {key: one for key, one in self._scripts.items() if supi not in (None, key[0])}

    def release(self, request: Request, response: Response | Reset) -> None:
        """Answer or reset a request that a script held, from any thread."""
        for server in list(self._servers.values()):
            if server.address == request.flow.bench or server.uri == request.base:
                server.release(request, response)
                return

    @staticmethod
    def failure(normal: Response, *, with_key: bool) -> Response:
        """A confirmation turned into AUTHENTICATION_FAILURE, alone or in an otherwise complete success."""
        whole = json.loads(normal.body) if with_key and normal.body else {}
        return answer(200, {**whole, "authResult": "AUTHENTICATION_FAILURE"})

    # --- the product's side ------------------------------------------------------------------------------

    def _serve(self, table: "Table[Function]", request: Request) -> Outcome:
        function, handler = table.find(request)
        refusal = decode(request)
        action = self._notice(function, request)
        if handler is None:
            return problem(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")
        if refusal:
            return refusal
        outcome = action(request)
        return outcome if isinstance(outcome, Outcome) else outcome(handler(request))

    def _notice(self, function: Function | None, request: Request) -> Action:
        """Make an event of a request; what the script of its subscriber does with it."""
        supi, facts = self._about(function, request) if function else (None, {})
        request.supi = supi or ""
        request.ue = self.labels.get(request.supi, "")
        self._trace.event(
            request.frame, True, request.interface, request.name, request.ue, _facts(request, facts)
        )
        name = next((name for name, one in self._functions.items() if one is function), "")
        self.asked.setdefault(name, request.name)
        if (sought := request.query.get("target-nf-type", "").lower()) in self._functions:
            self.sought.add(sought)
        with self._lock:
            return self._scripts.get((request.supi, request.name), unscripted)

    def _about(self, function: Function, request: Request) -> tuple[str | None, dict[str, Any]]:
        return function.about(request)

    def _answered(self, request: Request, response: Response, frame: int) -> None:
        facts: dict[str, Any] = {"status": response.status}
        if "json" in response.headers.get("content-type", "") and len(response.body) <= MAX_CONTENT:
            with suppress(ValueError, RecursionError):
                facts["body"] = plain(json.loads(response.body))
        name = f"{response.status} to {request.name}"
        self._trace.event(frame, False, request.interface, name, request.ue, facts)


def snssai_json(snssai: tuple[int, int | None]) -> dict[str, Any]:
    """An S-NSSAI as JSON (TS 29.571 clause 5.4.4.2)."""
    sst, sd = snssai
    return {"sst": sst} | ({} if sd is None else {"sd": f"{sd:06X}"})


def _facts(request: Request, more: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = plain(more)
    for name, value in (("path", request.params), ("query", request.query), ("body", request.content)):
        if value:
            facts[name] = plain(value)
    if request.parts[1:]:
        facts["parts"] = {
            printable(part.id, 100) or str(number): part.body[:1_000].hex()
            for number, part in enumerate(request.parts[1:], 1)
        }
    return facts


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """JSON values fit for a record: printable, strings and depth bounded, keys (in both senses) left out."""
    if depth == 0:
        return "..."
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        kept = ((printable(str(name), 100), item) for name, item in value.items())
        return {
            name: plain(item, depth - 1)
            for name, item in kept
            if name.lower() not in _SECRET and not _IDENTITY.fullmatch(name)
        }
    if isinstance(value, list):
        return [plain(item, depth - 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
