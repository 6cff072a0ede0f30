"""The SCP between an AMF and the functions of its own core: what crosses it is seen, and can be altered."""

import asyncio
import json
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from re import fullmatch
from typing import Any
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

from assay.evidence import Trace
from drivers.emulated.nrf import DISCOVERY
from drivers.emulated.peers import Change, Function, Peers
from drivers.emulated.untraced import Untraced
from drivers.interfaces import Answer, Reply, Subscriber
from drivers.sbi import (
    Address,
    Client,
    Hold,
    Later,
    Limits,
    Outcome,
    Request,
    Reset,
    Response,
    Server,
    Table,
    decode,
    keep,
    printable,
    problem,
)

TARGET, PRODUCER, FACTOR = "3gpp-sbi-target-apiroot", "3gpp-sbi-producer-id", "3gpp-sbi-discovery-"
NAME = "SCP-assay"
LIMITS = Limits(body=16 << 20, kept=64 << 20, connections=256)

# what concerns one hop only, and content codings, so that answers can be read
_ONE_HOP = {"connection", "host", "te", "expect", "transfer-encoding", "content-length", "accept-encoding"}


@dataclass(frozen=True)
class Producer:
    """Where a function of the core listens, and the host name that others may know it by."""

    address: Address
    fqdn: str = ""


@dataclass(frozen=True)
class _Target:
    """Whom a request goes to; `instance` where the SCP chose it (delegated discovery)."""

    root: str  # scheme, authority and prefix
    address: Address
    instance: str = ""


class _Refusal(Exception):  # noqa: N818 - an answer, no error
    """The SCP answers for itself (TS 29.500 clause 6.10.8)."""

    def __init__(self, status: int, cause: str, detail: str) -> None:
        self.response = problem(status, cause, detail)


class Scp(Peers):
    """An SCP that forwards between functions of a whole core, and stands for those of them that it knows.

    Requests find their producer by 3gpp-Sbi-Target-apiRoot (communication model C, callbacks), by delegated
    discovery (model D), or, for Nnrf, because the core has one NRF. What the AMF asks, and what it is told,
    becomes events as from `Peers`; what the other functions say to each other, or to the AMF, does not.
    Callbacks that the bench itself asked for are answered as `Peers` answers them.

    Args:
        address: where it listens.
        core: the producers that requests may go to, under the names that `Peers` has for functions; those
            with other names are reached as well, and not seen.
        product: where the AMF offers its own services.
        timeout: seconds for an answer of a producer.
    """

    whole = True

    def __init__(
        self,
        trace: Trace,
        subscribers: Mapping[str, Subscriber],
        plmn: tuple[str, str],
        slices: Sequence[tuple[int, int | None]],
        address: Address,
        core: Mapping[str, Producer],
        *,
        product: Address | None,
        timeout: float,
        more_slices: Sequence[tuple[int, int | None]] = (),
        dnn: str = "internet",
        home_keys: Mapping[int, bytes] | None = None,
    ) -> None:
        endpoints = {name: one.address for name, one in core.items()}
        of = (trace, subscribers, plmn, slices, endpoints)
        super().__init__(*of, more_slices=more_slices, dnn=dnn, home_keys=home_keys)
        self._endpoints = {**endpoints, "scp": address}
        self._timeout, self._product, self._nrf = timeout, product, core.get("nrf")
        declared = [*core.values(), *([Producer(product)] if product else [])]
        self._declared = {(_host(one.address[0]), one.address[1]): one.address for one in declared}
        self._declared |= {(_host(one.fqdn), one.address[1]): one.address for one in declared if one.fqdn}
        self._clients: dict[Address, Client] = {}
        self._under_way: dict[Request, asyncio.Task[None]] = {}
        self._subjects: dict[str, str] = {}  # SUPI by resource

    # --- the lab's side ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen; LabError when the address cannot be listened on."""
        address = self._endpoints["scp"]
        self._servers[address] = Server(
            address,
            handler=partial(self._serve, Table(self._functions.values())),
            trace=self._trace,
            on_answer=self._answered,
            on_end=self._ended,
            limits=LIMITS,
        )

    def uri(self, nf: str) -> str:
        """Scheme and authority of a function of the core, or of the SCP itself ("scp")."""
        declared = self._endpoints.get(nf)
        return super().uri(nf) if nf == "scp" or declared is None else _root(declared)

    def close(self) -> None:
        """Stop listening, and let go of the producers."""
        super().close()
        while self._clients:
            self._clients.popitem()[1].close()

    def _trouble(self, text: str) -> None:
        for server in self._servers.values():
            server.failure = server.failure or text

    # --- the product's side ------------------------------------------------------------------------------

    def _serve(self, table: "Table[Function]", request: Request) -> Outcome:
        if _for_bench(request):
            return super()._serve(table, request)
        function, _ = table.find(request)
        change: Change = _as_it_is
        if self._asks(request):
            decode(request)  # for the facts; what it cannot read is the producer's to refuse
            outcome = self._notice(function, request)(request)
            if isinstance(outcome, Outcome):
                return outcome
            change = outcome
        self._under_way[request] = asyncio.get_running_loop().create_task(self._carry(request, change))
        return Hold()

    def _asks(self, request: Request) -> bool:
        """Whether it is the AMF who asks; who does not say what it is (User-Agent) is taken for it."""
        if self._product is not None and self._find(request.headers.get(TARGET, "")) == self._product:
            return False  # its own services are asked for
        return _requester(request) in ("", "AMF")

    def _about(self, function: Function, request: Request) -> tuple[str | None, dict[str, Any]]:
        """Also the subscriber of a resource that a producer made."""
        supi, facts = super()._about(function, request)
        root = _authority(request.headers.get(TARGET, ""))
        for name in request.params.values():
            supi = supi or self._subjects.get(f"{root} {name}") or self._subjects.get(f" {name}")
        return supi, facts

    def _answered(self, request: Request, response: Response, frame: int) -> None:
        if self._asks(request):
            super()._answered(request, response, frame)

    def _ended(self, request: Request, how: str) -> None:
        """Nobody waits for the answer any more: nor does the SCP."""
        if task := self._under_way.get(request):
            task.cancel()

    # --- forwarding --------------------------------------------------------------------------------------

    async def _carry(self, request: Request, change: Change) -> None:
        try:
            outcome = change(await self._forward(request))
            if isinstance(outcome, Later):
                await asyncio.sleep(outcome.seconds)
                outcome = outcome.response
            if isinstance(outcome, Response | Reset):
                self.release(request, outcome)
        except Exception as error:
            self._trouble(f"{request.name}: {type(error).__name__}: {error}")
            self.release(request, problem(500, "SYSTEM_FAILURE"))
        finally:
            self._under_way.pop(request, None)

    async def _forward(self, request: Request) -> Response:
        """The producer's answer, or our own where there is none."""
        try:
            target = await self._target(request)
            headers = [(n, v) for n, v in request.headers.items() if not _for_us(n) and n != "via"]
            headers.append(("via", _via(request.headers)))
            prefix = urlsplit(target.root).path.rstrip("/")
            asked = self._ask(target, request.method, prefix + request.target, headers, request.body)
            reply = _whole(await asked, 504, "TARGET_NF_NOT_REACHABLE")
        except _Refusal as refusal:
            own = refusal.response
            return Response(own.status, {**own.headers, "server": NAME}, own.body)
        answer = _returned(request, reply, target)
        self._learn(request, answer)
        return answer

    def _learn(self, request: Request, answer: Response) -> None:
        """Remember whose resource was created."""
        location = answer.headers.get("location", "")
        if answer.status == 201 and request.supi and location:
            name = unquote(location.partition("?")[0].rpartition("/")[2])
            for root in ("", _authority(location)):
                keep(self._subjects, f"{root} {name}", request.supi)

    def _ask(
        self, target: _Target, method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes = b""
    ) -> Awaitable[Answer]:
        client = self._clients.get(target.address)
        if client is None:
            client = self._clients[target.address] = Client(target.address, Untraced(), limits=LIMITS)
        return asyncio.wrap_future(
            client.start(
                method,
                path,
                headers=headers,
                body=body,
                timeout=self._timeout,
                authority=_authority(target.root),
            )
        )

    # --- routing, TS 29.500 clauses 6.10.2 and 6.10.3 ----------------------------------------------------

    async def _target(self, request: Request) -> _Target:
        kind = request.headers.get(f"{FACTOR}target-nf-type", "")
        if root := request.headers.get(TARGET):
            return self._declare(root, request)
        if kind == "NRF" or request.path.startswith(("/nnrf-", "/oauth2/")):
            return self._own_nrf()
        if kind:
            return await self._discovered(request)
        what = f"neither {TARGET} nor {FACTOR}target-nf-type says where {request.name} shall go"
        raise _Refusal(400, "MANDATORY_IE_MISSING", what)

    def _own_nrf(self) -> _Target:
        if self._nrf is None:
            self._trouble("the product wants an NRF: declare core.nrf in the profile")
            raise _Refusal(504, "NRF_NOT_REACHABLE", "no NRF is declared")
        return _Target(_root(self._nrf.address), self._nrf.address)

    def _find(self, root: str) -> Address | None:
        """The declared address of an API root, None where there is none."""
        return self._declared.get(_where(root))

    def _declare(self, root: str, request: Request) -> _Target:
        """The target at an API root, if traffic may go there."""
        address = self._find(root)
        if address is not None:
            return _Target(root, address)
        where = printable(root, 200)
        if self._asks(request):
            facts = {"request": request.name}
            self._trace.event(
                request.frame, True, request.interface, "PRODUCER NOT DECLARED", request.ue, facts
            )
        self._trouble(
            f"{request.name} is for {where}, which the profile does not declare: add it to `core` with its "
            "address (and fqdn), or to functions.amf.sbi where it is the product; only http is spoken"
        )
        raise _Refusal(504, "TARGET_NF_NOT_REACHABLE", f"{where} is not declared")

    async def _discovered(self, request: Request) -> _Target:
        """A producer that the NRF knows; of several the first that is declared, by priority."""
        factors = {
            name.removeprefix(FACTOR): unquote(value)
            for name, value in request.headers.items()
            if name.startswith(FACTOR)
        }
        factors.setdefault("requester-nf-type", _requester(request) or "AMF")
        if "target-nf-instance-id" in factors:  # from a consumer that took our whole header for the identity
            factors["target-nf-instance-id"] = factors["target-nf-instance-id"].removeprefix("nfinst=")
        service = factors.get("service-names", "").split(",")[0] or request.path.strip("/").split("/")[0]
        path = f"{DISCOVERY}?{urlencode(factors, quote_via=quote, safe=',')}"
        headers = [("accept", "application/json"), ("user-agent", NAME)]
        reply = _whole(await self._ask(self._own_nrf(), "GET", path, headers), 504, "NRF_NOT_REACHABLE")
        if reply.status != 200:
            raise _Refusal(504, "NF_DISCOVERY_ERROR", f"the NRF answered {reply.status}")
        try:
            found = list(_endpoints(json.loads(reply.body), service))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise _Refusal(504, "NF_DISCOVERY_ERROR", "the NRF's answer is no SearchResult") from None
        if not found:
            raise _Refusal(400, "NF_DISCOVERY_FAILURE", f"the NRF knows no {service}")
        for root, instance in found:
            if (address := self._find(root)) is not None:
                return _Target(root, address, instance)
        return self._declare(found[0][0], request)


def _as_it_is(normal: Response) -> Response:
    return normal


def _root(address: Address, scheme: str = "http") -> str:
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _where(root: str) -> Address:
    """Host and port of an API root; an empty host where it is none, or none that can be spoken to."""
    try:
        parts = urlsplit(root)
        here = _host(parts.hostname or ""), parts.port or 80
    except ValueError:
        return "", 0
    return here if parts.scheme == "http" else ("", 0)


def _for_bench(request: Request) -> bool:
    """Whether a request is an answer to what the bench asked of the AMF: a callback to where the SCP is."""
    host, port = request.flow.bench
    root, kind = request.headers.get(TARGET), request.headers.get(f"{FACTOR}target-nf-type")
    if root:
        return _where(root) == (_host(host), port)
    return not kind and request.path.strip("/").split("/")[0].endswith("-callback")


def _authority(uri: str) -> str:
    return uri.partition("://")[2].partition("/")[0]


def _host(name: str) -> str:
    try:
        return ip_address(name).compressed
    except ValueError:
        return name.lower().rstrip(".")


def _requester(request: Request) -> str:
    """The NF type of the consumer, "" where it does not say.

    User-Agent begins with it (TS 29.500 clause 5.2.2.2), or is the name of some program.
    """
    agent = request.headers.get("user-agent", "").partition("-")[0].strip()
    said = request.headers.get(f"{FACTOR}requester-nf-type", "") or agent
    return said if fullmatch("[A-Z0-9_]+", said) else ""


def _for_us(name: str) -> bool:
    return name in _ONE_HOP or name == TARGET or name.startswith(FACTOR)


def _via(headers: Mapping[str, str]) -> str:
    return ", ".join(filter(None, (headers.get("via"), f"2.0 {NAME}")))


def _whole(answer: Answer, status: int, cause: str) -> Reply:
    if not isinstance(answer, Reply):
        raise _Refusal(status, cause, printable(str(answer), 200))
    if not 200 <= answer.status < 600 or len(answer.body) >= LIMITS.body:
        raise _Refusal(status, cause, "the answer is malformed or too large")
    return answer


def _returned(request: Request, reply: Reply, target: _Target) -> Response:
    """An answer as the consumer gets it: it can reach what the answer names (clauses 6.10.2.5, 6.10.3.4)."""
    headers = {n: v for n, v in reply.headers.items() if n not in _ONE_HOP and n != "via"}
    headers["via"] = _via(reply.headers)
    if "location" in headers and "://" not in headers["location"]:
        headers["location"] = urljoin(f"{target.root}{request.target}", headers["location"])
    if target.instance:
        headers[PRODUCER] = f"nfinst={target.instance}"
        if "location" not in headers:
            headers[TARGET] = target.root
    return Response(reply.status, headers, reply.body)


def _endpoints(result: Any, service: str) -> Iterator[tuple[str, str]]:
    """API root and instance of who offers a service, the preferred one first (TS 29.510 clause 6.2.6.2.3)."""
    for profile in sorted(result["nfInstances"], key=lambda one: one.get("priority", 0)):
        listed = profile.get("nfServices") or list(profile.get("nfServiceList", {}).values())
        for one in listed:
            if one["serviceName"] != service or one.get("nfServiceStatus", "REGISTERED") != "REGISTERED":
                continue
            scheme, prefix = one.get("scheme", "http"), one.get("apiPrefix", "").strip("/")
            for end in one.get("ipEndPoints") or [{}]:
                for host in _hosts(end, one, profile):
                    port = end.get("port") or (443 if scheme == "https" else 80)
                    root = f"{_root((host, port), scheme)}/{prefix}".rstrip("/")
                    yield root, str(profile["nfInstanceId"])


def _hosts(end: Any, service: Any, profile: Any) -> list[str]:
    own = [end.get("ipv4Address"), end.get("ipv6Address"), service.get("fqdn")]
    others = [*profile.get("ipv4Addresses", []), *profile.get("ipv6Addresses", []), profile.get("fqdn")]
    return [str(host) for host in (list(filter(None, own)) or list(filter(None, others)))]
