"""No trace, for whoever speaks HTTP/2 and is no witness."""

from collections.abc import Mapping
from typing import Any

from assay.case import Event
from assay.evidence import Flow, Trace


class Untraced(Trace):
    """No trace: nothing is kept as evidence."""

    def frame(self, flow: Flow, received: bool, data: bytes, *, stream: int = 0, ppid: int = 0) -> int:
        return 0

    def event(
        self,
        frame: int,
        received: bool,
        interface: str,
        name: str,
        ue: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> Event:
        return Event(0.0, received, interface, name, "")
