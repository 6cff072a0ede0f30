"""An N1 signalling connection of the emulated AMF: what may come in, and how what goes out is protected."""

import asyncio
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from drivers.codecs import nas, ngap
from drivers.codecs.nas import Header, Snssai
from drivers.emulated.amf_context import Context, Core, Transfer
from drivers.emulated.amf_security import Security

REPEATS = 5  # a timer of TS 24.501 table 10.2.2 expires five times, the fifth ends the procedure
MAX_INBOX = 1024
ACKNOWLEDGE = b"\x01"  # configuration update indication, TS 24.501 clause 9.11.3.18
UNSPECIFIED: ngap.Cause = ("nas", "unspecified")

# May be processed before secure exchange (TS 24.501 clause 4.4.4.3), SERVICE REQUEST only to be refused
UNPROTECTED = frozenset(
    {
        "REGISTRATION REQUEST",
        "IDENTITY RESPONSE",
        "AUTHENTICATION RESPONSE",
        "AUTHENTICATION FAILURE",
        "SECURITY MODE REJECT",
        "DEREGISTRATION REQUEST (UE ORIGINATING)",
        "DEREGISTRATION ACCEPT (UE TERMINATED)",
        "SERVICE REQUEST",
    }
)
INITIAL = frozenset({"REGISTRATION REQUEST", "SERVICE REQUEST", "DEREGISTRATION REQUEST (UE ORIGINATING)"})


class Link(Protocol):
    """The UE-associated N2 connection under an N1 signalling connection (TS 38.413 clause 8.3)."""

    set_up: bool
    context_requested: bool

    @property
    def tac(self) -> int:
        """The tracking area of the UE."""
        ...

    def downlink(self, pdu: bytes) -> None:
        """Send a NAS PDU to the UE."""
        ...

    def setup(
        self,
        pdu: bytes,
        kgnb: bytes,
        security: ngap.Bitmaps,
        allowed: Iterable[Snssai],
        resources: Iterable[ngap.Resources] = (),
        *,
        up_ciot: bool = False,
    ) -> None:
        """Send a NAS PDU together with the UE context for the gNB, and PDU sessions to be set up."""
        ...

    def resources(self, resources: Iterable[ngap.Resources]) -> None:
        """Have PDU sessions set up in the gNB."""
        ...

    def release(self, cause: ngap.Cause) -> None:
        """Release the UE context in the gNB."""
        ...

    def crash(self) -> None:
        """Close the whole association, as only a fault does."""
        ...


@dataclass(frozen=True)
class Uplink:
    """An uplink message that may be processed, and what its protection proved."""

    message: nas.Message
    header: int = Header.PLAIN
    verified: bool = False
    count: int = 0
    secured: nas.Secured | None = None  # as it came, where its protection proved nothing


class Superseded(Exception):  # noqa: N818 - a turn of the conversation, no error
    """Another procedure of the UE ends the one that is running."""

    def __init__(self, uplink: Uplink) -> None:
        super().__init__(uplink.message.name)
        self.uplink = uplink


class Over(Exception):  # noqa: N818
    """The procedure that is running ended, and the UE was told."""


class Signalling(ABC):
    """One N1 signalling connection and its task; `deliver` gives it what the gNB brought."""

    def __init__(self, core: Core, link: Link) -> None:
        self.core, self.link = core, link
        self.config, self.faults = core.config, core.config.faults
        self.context: Context | None = None
        self.security: Security | None = None  # protects this connection
        self.fresh: Security | None = None  # until SECURITY MODE COMPLETE
        self.secure = False  # secure exchange is established, TS 24.501 clause 4.4.2.5
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue(MAX_INBOX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._awaited: dict[str, asyncio.Future[nas.Message]] = {}
        self._updating = asyncio.Lock()
        self._request: nas.Message | None = None
        self._left = False

    @abstractmethod
    async def _serve(self, uplink: "Uplink") -> None:
        """Act on a message that no procedure was waiting for."""

    @abstractmethod
    def carry(self, wanted: Transfer) -> bool:
        """Send N1 and N2 messages of a PDU session; False where the UE has to be paged first."""

    @abstractmethod
    def revoke(self, context: Context, snssai: Snssai) -> None:
        """Tell the UE that it has lost a slice."""

    # --- life --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to serve."""
        self._spawn(self._live())

    def close(self) -> None:
        """The connection is gone: the UE is idle (TS 23.501 clause 5.3.3.2)."""
        if self.context is not None and self.context.connection is self:
            self.context.connection = None
        self._left = True
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()

    def replaced(self) -> None:
        """The UE has come back on another connection: this one is let go."""
        self.link.release(("nas", "normal-release"))
        self.close()

    def deliver(self, pdu: bytes) -> None:
        """Take an uplink NAS PDU; a UE that sends faster than it is served loses messages."""
        self.core.arrived()
        if not self._left and not self._inbox.full():
            self._inbox.put_nowait(pdu)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _live(self) -> None:
        try:
            await self._run()
        except Exception:
            traceback.print_exc()  # a defect of ours costs one UE its connection, not the AMF its life
            self._left = True
            self.link.release(UNSPECIFIED)

    async def _run(self) -> None:
        uplink: Uplink | None = None
        while not self._left:
            if uplink is None:
                uplink = self._admit(await self._inbox.get())
                if uplink is None and self.context is None:
                    self._leave(UNSPECIFIED)  # nothing to begin with
            if uplink is not None:
                try:
                    await self._serve(uplink)
                    uplink = None
                except Superseded as superseded:
                    uplink = superseded.uplink
                except Over:
                    uplink = None

    # --- uplink ------------------------------------------------------------------------------------------

    def _admit(self, pdu: bytes) -> Uplink | None:
        """The message in an uplink PDU if it may be processed (TS 24.501 clause 4.4.4.3), else None."""
        try:
            secured = nas.unwrap(pdu)
            if secured is not None:
                return self._open(secured)
            message = nas.decode(pdu)
        except nas.Malformed:
            return None
        if self.secure and "plain-accepted" not in self.faults:
            return None
        if not self.secure and message.name not in UNPROTECTED:
            return None
        return Uplink(message)

    def _open(self, secured: nas.Secured) -> Uplink | None:
        security = self.security
        if secured.header == Header.CIPHERED_NEW_CONTEXT:
            security = self.fresh
            if security is None and "replay-restarts-registration" in self.faults:
                security = self.security
        elif security is None:
            return self._resume(secured)
        opened = security.open(secured, self.faults) if security is not None else None
        if opened is None:
            return None
        plain, count = opened
        return Uplink(nas.decode(plain), secured.header, True, count)

    def _resume(self, secured: nas.Secured) -> Uplink | None:
        """An initial NAS message under a context that the AMF keeps, or claims to keep."""
        if secured.header != Header.INTEGRITY:
            return None
        message = nas.decode(secured.payload)
        if message.name not in INITIAL:
            return None
        context = self.core.known(nas.mobile_identity(message.ies["mobile_identity"]))
        if context is not None and message.ies["ng_ksi"][0] == context.security.ksi:
            opened = context.security.open(secured, self.faults)
            if opened is not None:
                self.core.resume(context, self)
                self.context, self.security, self.secure = context, context.security, True
                return Uplink(message, secured.header, True, opened[1])
        return Uplink(message, secured.header, secured=secured)

    async def _expect(self, *names: str, send: Callable[[], None], timer: float) -> Uplink:
        """Send, and send again at each expiry of the timer, until one of these messages comes."""
        clock = asyncio.get_running_loop().time
        for _ in range(REPEATS):
            send()
            deadline = clock() + timer
            while (left := deadline - clock()) > 0:
                try:
                    async with asyncio.timeout(left):
                        pdu = await self._inbox.get()
                except TimeoutError:
                    break
                uplink = self._admit(pdu)
                if uplink is None:
                    continue
                message = uplink.message
                if message.name in names:
                    return uplink
                again = message.name == "REGISTRATION REQUEST" and message != self._request
                if again or message.name == "DEREGISTRATION REQUEST (UE ORIGINATING)":
                    raise Superseded(uplink)
        raise self._leave(UNSPECIFIED)

    # --- procedures that run beside others ---------------------------------------------------------------

    def _arrived(self, message: nas.Message) -> None:
        """Hand a message to the procedure that waits for it."""
        awaited = self._awaited.get(message.name)
        if awaited is not None and not awaited.done():
            awaited.set_result(message)

    async def _ask(self, name: str, send: Callable[[], None], timer: float) -> nas.Message | None:
        """Send, and again at each expiry of the timer, until this message comes; None when it never does."""
        awaited: asyncio.Future[nas.Message] = asyncio.get_running_loop().create_future()
        self._awaited[name] = awaited
        for _ in range(REPEATS):
            if self._left:
                return None
            send()
            done, _ = await asyncio.wait({awaited}, timeout=timer)
            if done:
                return awaited.result()
        return None

    async def _update(self, ies: Mapping[str, bytes]) -> bool:
        """Generic UE configuration update, one at a time; whether the UE acknowledged (clause 5.4.4)."""
        ies = {"configuration_update_indication": ACKNOWLEDGE, **ies}

        def send() -> None:
            self._send("CONFIGURATION UPDATE COMMAND", ies)

        async with self._updating:
            return await self._ask("CONFIGURATION UPDATE COMPLETE", send, self.config.t3555) is not None

    # --- reading -----------------------------------------------------------------------------------------

    def _contained(self, uplink: Uplink, security: Security) -> nas.Message | None:
        """The whole initial message in the NAS message container, which is ciphered by itself in a message
        that is not (TS 24.501 clause 4.4.6).
        """
        octets = uplink.message.ies.get("nas_message_container")
        if octets is None:
            return None
        if uplink.header == Header.INTEGRITY:
            octets = security.container(octets, uplink.count)
        try:
            inner = nas.decode(octets)
        except nas.Malformed:
            return None
        return inner if inner.name in INITIAL else None

    # --- downlink ----------------------------------------------------------------------------------------

    def _send(self, name: str, ies: Mapping[str, bytes] | None = None) -> None:
        self.link.downlink(self._protected(name, ies or {}))

    def _protected(self, name: str, ies: Mapping[str, bytes]) -> bytes:
        plain = nas.encode(name, ies)
        if self.secure and self.security is not None:
            return self.security.protect(Header.CIPHERED, plain, self.faults)
        return plain

    def _leave(self, cause: ngap.Cause) -> Over:
        """End the connection; the caller raises what it gets."""
        self._left = True
        self.link.release(cause)
        return Over()
