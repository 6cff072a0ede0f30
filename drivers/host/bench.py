"""The bench around one operating system."""

from typing import TYPE_CHECKING, Any, Literal

from assay.errors import UnseenError
from drivers.host.changes import Changes
from drivers.host.view import View
from drivers.interfaces.amf import Loss

if TYPE_CHECKING:
    from drivers.interfaces import host as interface


class HostBench(Changes, View):
    """What a probe of a host talks to; `drivers.interfaces.host.HostBench` says what each verb means."""

    kind: Literal["host"] = "host"
    log: None = None  # the product's own, which only an AMF's bench reads

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.conditions: dict[str, str] = {}
        self._stimulus = False

    def begin(self) -> str:
        """Make sure that the management interface answers; empty, or why it does not."""
        self._stimulus = False
        control = self.alive()
        return "" if control.worked else f"{control.what}: {control.saw}"

    def stimulus(self) -> None:
        self._stimulus = True

    def end(self) -> Loss | None:
        """Put back what was changed; what service the stimulus took, if any; UnseenError without one."""
        try:
            self.actions.put_back()
        finally:
            control = self.alive()
        if control.worked:
            return None
        lost = f"the product no longer answers: {control.saw}"
        if not self._stimulus:
            raise UnseenError(lost)
        return Loss(lost, control.refs[0], wide=True)


if TYPE_CHECKING:
    _whole: type[interface.HostBench] = HostBench  # every verb is there, as suites know it
