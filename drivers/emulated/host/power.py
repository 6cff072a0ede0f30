"""The power switch of the product: Redfish's reset action on the bench's loopback (DSP0266)."""

import http.server
import json
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

ADDRESS = ("127.0.0.1", 2000)
SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
RESETS = ("ForceRestart", "PowerCycle")


class PowerSwitch:
    """Resets the product by `cut`, which tells whether there was one that ran."""

    def __init__(self, running: Callable[[], bool], cut: Callable[[], bool]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                state = "On" if running() else "Off"
                self._say(200, {"Id": "1", "PowerState": state}) if self.path == SYSTEM else self._say(
                    404, {}
                )

            def do_POST(self) -> None:
                asked = json.loads(
                    self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 4096)) or b"{}"
                )
                if self.path != RESET or asked.get("ResetType") not in RESETS or not cut():
                    self._say(400, {"error": {"message": f"POST {RESET} with a ResetType of {RESETS}"}})
                    return
                self._say(200, {})

            def _say(self, status: int, what: dict[str, Any]) -> None:
                body = json.dumps(what).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        self._server = http.server.ThreadingHTTPServer(ADDRESS, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
