"""The neighbours of an AMF as the bench plays them: one registry that routes, records and can be scripted."""

import json
import math
import re
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote

from assay.errors import LabError
from assay.evidence import Trace
from drivers.emulated.ausf import Arpf, Ausf
from drivers.emulated.nrf import DISCOVERY, Nrf, Played
from drivers.emulated.nssf import Nssf
from drivers.emulated.pcf import Pcf
from drivers.emulated.smf import Smf
from drivers.emulated.udm import Udm
from drivers.interfaces import Subscriber
from drivers.sbi import (
    Address,
    Outcome,
    Request,
    Response,
    Server,
    answer,
    printable,
    problem,
    split_parts,
)

MAX_CONTENT = 64 << 10  # octets of JSON, parts included
MAX_DEPTH = 16
OWN_ROUTING = ("1", "0001")  # routing indicators of the second AUSF

_SECRET = {"kseaf", "kausf", "kamf", "kgnb", "ck", "ik", "ckprime", "ikprime", "k", "opc", "xres", "xresstar"}

# who the product is has no place in facts that are judged; the capture has it
_IDENTITY = re.compile(
    r"\w*(InstanceId|InstanceName|[uU]ri|URI|Reference)|servingNfId|guami|amfName|nfProfile"
)

Action = Callable[[Request, Callable[[], Response]], Outcome]


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
    """NRF, AUSF, UDM, PCF, NSSF and SMF around one AMF, as far as `endpoints` has an address for them.

    Every request and answer becomes an event on its reference point, named "<METHOD> <template>" and
    "<status> to <METHOD> <template>", with the label of its UE; its body is in the facts, keys left out.

    Args:
        subscribers: by SUPI.
        plmn: MCC and MNC.
        slices: SST and SD of each slice.
        endpoints: where "nrf", "ausf", "ausf2", "udm", "pcf", "nssf" and "smf" listen; several may share an
            address. "ausf2" serves the routing indicators `own_routing`.
        heartbeat_s: how often registered functions report to the NRF.
        tls: from `drivers.sbi.tls_context`; None for cleartext.
        home_keys: as for `Arpf`.
    """

    def __init__(
        self,
        trace: Trace,
        subscribers: Mapping[str, Subscriber],
        plmn: tuple[str, str],
        slices: Sequence[tuple[int, int | None]],
        endpoints: Mapping[str, Address],
        *,
        dnn: str = "internet",
        heartbeat_s: int = 60,
        own_routing: tuple[str, ...] = OWN_ROUTING,
        tls: ssl.SSLContext | None = None,
        home_keys: Mapping[int, bytes] | None = None,
    ) -> None:
        self.labels: dict[str, str] = {}
        self._trace, self._endpoints, self._tls, self._own_routing = trace, endpoints, tls, own_routing
        self._scripts: dict[tuple[str, str], Action] = {}
        self._lock = threading.Lock()
        self._servers: dict[Address, Server] = {}
        self.arpf = Arpf(subscribers, home_keys)
        shown = [{"sst": sst} | ({} if sd is None else {"sd": f"{sd:06X}"}) for sst, sd in slices]
        functions: dict[str, Function] = {
            "nrf": Nrf(
                plmn,
                shown,
                dnn,
                scheme="https" if tls else "http",
                heartbeat_s=heartbeat_s,
                played=self._played,
                routing=self.arpf.routing,
            ),
            "ausf": Ausf(self.arpf, plmn),
            "ausf2": Ausf(self.arpf, plmn),
            "udm": Udm(subscribers.keys(), shown, dnn),
            "pcf": Pcf(),
            "nssf": Nssf(shown, lambda: self.uri("nrf") + DISCOVERY),
            "smf": Smf(),
        }
        if odd := sorted(set(endpoints) - set(functions)):
            raise LabError(f"no such peer: {', '.join(odd)}; there are {', '.join(functions)}")
        self._functions = {name: functions[name] for name in functions if name in endpoints}

    # --- the lab's side ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen; LabError when an address cannot be listened on, and then on none."""
        try:
            for address in dict.fromkeys(self._endpoints.values()):
                table = _Table(f for name, f in self._functions.items() if self._endpoints[name] == address)
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
        while self._servers:
            self._servers.popitem()[1].close()

    def plays(self, nf: str) -> bool:
        """Whether this function has an address."""
        return nf in self._functions

    def uri(self, nf: str) -> str:
        """Scheme and authority of a function; LabError when it is not played or not started."""
        server = self._servers.get(self._endpoints.get(nf, ("", 0)))
        if server is None:
            raise LabError(f"the peer {nf} is not played, or not started yet")
        return server.uri

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
                name.removesuffix("2").upper(),
                self._servers[self._endpoints[name]].address,
                self._own_routing if name == "ausf2" else (),
                priority=1 if name == "ausf2" else 0,
            )
            for name in self._functions
        ]

    # --- the probe's side --------------------------------------------------------------------------------

    def script(self, supi: str, name: str, action: Action) -> None:
        """Let `action` answer the requests "<METHOD> <template>" about a subscriber until `unscript`.

        It gets the request and a function that gives the normal answer, runs in the server's thread, and must
        not block.
        """
        with self._lock:
            self._scripts[supi, name] = action

    def unscript(self, supi: str | None = None) -> None:
        """Forget the scripts of a subscriber, or all."""
        with self._lock:
            self._scripts = {key: one for key, one in self._scripts.items() if supi not in (None, key[0])}

    def release(self, request: Request, response: Response) -> None:
        """Answer a request that a script held, from any thread."""
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

    def _serve(self, table: "_Table", request: Request) -> Outcome:
        function, handler = table.find(request)
        refusal = _decode(request)
        supi, facts = function.about(request) if function else (None, {})
        request.ue = self.labels.get(supi or "", "")
        self._trace.event(
            request.frame, True, request.interface, request.name, request.ue, _facts(request, facts)
        )
        if handler is None:
            return problem(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")
        if refusal:
            return refusal
        with self._lock:
            action = self._scripts.get((supi or "", request.name))
        return action(request, lambda: handler(request)) if action else handler(request)

    def _answered(self, request: Request, response: Response, frame: int) -> None:
        facts: dict[str, Any] = {"status": response.status}
        if "json" in response.headers.get("content-type", "") and len(response.body) <= MAX_CONTENT:
            facts["body"] = plain(json.loads(response.body))
        name = f"{response.status} to {request.name}"
        self._trace.event(frame, False, request.interface, name, request.ue, facts)


_Handler = Callable[[Request], Response]


class _Table:
    """The routes of the functions behind one address."""

    def __init__(self, functions: Iterable[Function]) -> None:
        self._routes: dict[str, list[tuple[str, list[str], Function, _Handler]]] = {}
        for function in functions:
            for name, handler in function.routes.items():
                method, _, template = name.partition(" ")
                row = (method, template.split("/"), function, handler)
                self._routes.setdefault(template.split("/")[1], []).append(row)

    def find(self, request: Request) -> tuple[Function, _Handler] | tuple[None, None]:
        """The function and handler for a request, which gets its name, interface and path parameters."""
        path = request.path.split("/")
        for method, template, function, handler in self._routes.get(path[1] if len(path) > 1 else "", ()):
            if method == request.method and len(template) == len(path):
                pairs = list(zip(template, path, strict=True))
                if all(want == given for want, given in pairs if not want.startswith("{")):
                    request.params = {w[1:-1]: unquote(g) for w, g in pairs if w.startswith("{")}
                    request.name, request.interface = f"{method} {'/'.join(template)}", function.interface
                    return function, handler
        return None, None


def _decode(request: Request) -> Response | None:
    """Fill in `content` and `parts`; the refusal when that cannot be done."""
    if not request.body:
        return None
    if len(request.body) > MAX_CONTENT:
        return problem(413, "INVALID_MSG_FORMAT", f"more than {MAX_CONTENT} octets")
    kind = request.headers.get("content-type", "")
    try:
        text = request.body
        if kind.lower().startswith("multipart/"):
            request.parts = split_parts(kind, request.body)
            text = request.parts[0].body
        request.content = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return problem(400, "INVALID_MSG_FORMAT", printable(str(error), 200))
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


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
