"""The services that the emulated AMF offers to others (TS 29.518), and how the NRF learns of them."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from drivers.emulated import amf_n14, amf_nssaa, amf_reach
from drivers.emulated.amf_context import Core
from drivers.emulated.untraced import Untraced
from drivers.sbi import Hold, Outcome, Request, Response, Server, Table, decode, problem

Handler = Callable[[Core, Request], Awaitable[Response]]


@dataclass(frozen=True)
class Service:
    """Handlers by "<METHOD> <template>", each run in the AMF's event loop."""

    routes: Mapping[str, Handler]
    interface: str = "sbi"


SERVICES: tuple[Service, ...] = (
    Service(amf_reach.ROUTES, "n11"),
    Service(amf_nssaa.ROUTES, "n58"),
    Service({amf_n14.CREATE: amf_n14.create_ue_context}, "n14"),
)


class SbiServer:
    """One HTTP/2 server for everything the AMF offers; its handlers may wait, the server never does."""

    def __init__(self, core: Core, address: tuple[str, int], loop: asyncio.AbstractEventLoop) -> None:
        self._core, self._loop = core, loop
        self._table = Table(SERVICES)
        self._server = Server(address, handler=self._serve, trace=Untraced())

    def _serve(self, request: Request) -> Outcome:
        _, handler = self._table.find(request)
        if handler is None:
            return problem(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")
        if refusal := decode(request):
            return refusal
        asyncio.run_coroutine_threadsafe(handler(self._core, request), self._loop).add_done_callback(
            lambda done: self._server.release(request, _response(done))
        )
        return Hold()

    def close(self) -> None:
        """Stop listening."""
        self._server.close()


def _response(done: "Future[Response]") -> Response:
    try:
        return done.result()
    except Exception:
        traceback.print_exc()
        return problem(500, "SYSTEM_FAILURE")
