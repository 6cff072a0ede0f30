"""The neighbours of an AMF where they ask it for something: each exchange an event of the trace."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from assay.evidence import Trace
from drivers.emulated.peers import plain
from drivers.interfaces import Answer, Reply
from drivers.sbi import MAX_CONTENT, Address, Client, Part, join_parts, split_parts

JSON = "application/json"


class Consumer:
    """A client of the AMF's own services (Namf_Communication and callbacks, TS 29.518)."""

    def __init__(self, trace: Trace, address: Address, *, timeout: float) -> None:
        self.address = address
        self._trace, self._client, self._timeout = trace, Client(address, trace), timeout

    def ask(
        self,
        interface: str,
        name: str,
        path: str,
        content: Any,
        *,
        ue: str = "",
        parts: Sequence[Part] = (),
    ) -> Answer:
        """Send a request with a JSON body, and with parts beside it as multipart/related.

        The events are named `name`, "<METHOD> <template>", and "<status> to <METHOD> <template>".
        """
        kind, body = JSON, json.dumps(content).encode()
        if parts:
            kind, body = join_parts([Part({"content-type": JSON}, body), *parts])

        def tell(frame: int, answer: Answer | None) -> None:
            if answer is None:
                facts = {"body": plain(content)}
                self._trace.event(frame, False, interface, name, ue, facts)
            elif isinstance(answer, Reply):
                facts = {"status": answer.status, **_body(answer)}
                self._trace.event(frame, True, interface, f"{answer.status} to {name}", ue, facts)

        return self._client.request(
            name.partition(" ")[0],
            path,
            headers=[
                ("accept", f"{JSON}, application/problem+json, multipart/related"),
                ("content-type", kind),
            ],
            body=body,
            timeout=self._timeout,
            tell=tell,
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def content(reply: Reply) -> tuple[dict[str, Any], Mapping[str, bytes]]:
    """The JSON object of an answer and the other parts by content id; empty where there are none."""
    kind, body, parts = reply.headers.get("content-type", ""), reply.body, {}
    try:
        if kind.lower().startswith("multipart/"):
            first, *others = split_parts(kind, body)
            body, parts = first.body, {part.id: part.body for part in others}
        data = json.loads(body) if len(body) <= MAX_CONTENT else None
    except (ValueError, RecursionError):
        data = None
    return (data if isinstance(data, dict) else {}), parts


def _body(reply: Reply) -> dict[str, Any]:
    data, parts = content(reply)
    facts: dict[str, Any] = {"body": plain(data)} if data else {}
    if parts:
        facts["parts"] = {str(number): part[:1_000].hex() for number, part in enumerate(parts.values(), 1)}
    return facts
