"""Which handler serves a request: "<METHOD> <template>" against its method and path."""

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import unquote

from drivers.sbi.messages import Request

Handler_co = TypeVar("Handler_co", covariant=True)
Offer = TypeVar("Offer", bound="Offers[Any]")


class Offers(Protocol[Handler_co]):
    """Whoever has handlers for "<METHOD> <template>", on one reference point."""

    @property
    def interface(self) -> str:
        """The reference point of its events."""
        ...

    @property
    def routes(self) -> Mapping[str, Handler_co]:
        """What answers each "<METHOD> <template>"."""
        ...


class Table(Generic[Offer]):
    """The routes of what is offered behind one address."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._routes: dict[str, list[tuple[str, list[str], Offer, Any]]] = {}
        for offer in offers:
            for name, handler in offer.routes.items():
                method, _, template = name.partition(" ")
                row = (method, template.split("/"), offer, handler)
                self._routes.setdefault(template.split("/")[1], []).append(row)

    def find(self, request: Request) -> tuple[Offer, Any] | tuple[None, None]:
        """Who serves a request and with what; the request gets its name, interface and path parameters."""
        path = request.path.split("/")
        for method, template, offer, handler in self._routes.get(path[1] if len(path) > 1 else "", ()):
            if method == request.method and len(template) == len(path):
                pairs = list(zip(template, path, strict=True))
                if all(want == given for want, given in pairs if not want.startswith("{")):
                    request.params = {w[1:-1]: unquote(g) for w, g in pairs if w.startswith("{")}
                    request.name, request.interface = f"{method} {'/'.join(template)}", offer.interface
                    return offer, handler
        return None, None
