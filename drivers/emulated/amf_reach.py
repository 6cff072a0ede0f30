"""How the emulated AMF reaches a UE for others, and the new 5G-GUTI that it gives a UE that was paged."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from drivers.codecs import nas, ngap
from drivers.codecs.nas import Header
from drivers.emulated.amf_context import Context, Core, Transfer
from drivers.emulated.amf_sessions import N1_SM
from drivers.emulated.amf_signalling import Link, Signalling
from drivers.sbi import Request, Response, answer, problem

MESSAGES = "/namf-comm/v1/ue-contexts/{ueContextId}/n1-n2-messages"
PAGES = 3
SET_UP = "PDU_RES_SETUP_REQ"


# --- Namf_Communication_N1N2MessageTransfer, TS 29.518 clause 5.2.2.3.1 -----------------------------------


async def transfer(core: Core, request: Request) -> Response:
    """Bring a UE what its SMF has for it, now or after it has answered paging."""
    context = core.of(request.params["ueContextId"])
    if context is None or not context.registered:
        return problem(404, "CONTEXT_NOT_FOUND")
    try:
        wanted = _read(request)
    except (AttributeError, KeyError, TypeError, ValueError):  # JSON of another form
        return problem(400, "MANDATORY_IE_INCORRECT")
    if wanted is None:
        return problem(400, "OPTIONAL_IE_INCORRECT", "N1 SM and PDU_RES_SETUP_REQ are what this AMF carries")
    if creating := context.creating.get(wanted.session):  # the SMF may be faster than its own 201
        await asyncio.wait({creating}, timeout=core.config.sbi_timeout)
    if wanted.session not in context.sessions:
        return problem(404, "CONTEXT_NOT_FOUND")
    if context.connection is not None and context.connection.carry(wanted):
        return answer(200, {"cause": "N1_N2_TRANSFER_INITIATED"})
    if request.content.get("skipInd") is True:
        return answer(200, {"cause": "N1_MSG_NOT_TRANSFERRED"})
    if context.waiting is not None:
        return problem(409, "HIGHER_PRIORITY_REQUEST_ONGOING")
    location = f"{request.base}{request.path}/{wanted.session}"
    context.waiting, context.paging = wanted, core.spawn(_page(core, context, location))
    return answer(202, {"cause": "ATTEMPTING_TO_REACH_UE"}, location=location)


def _read(request: Request) -> Transfer | None:
    """The messages of a request, None where they are of a kind that has no consumer here."""
    content: Mapping[str, Any] = request.content
    parts = {part.id: part.body for part in request.parts[1:]}
    n1 = n2 = b""
    slice_: Mapping[str, Any] = {}
    if (message := content.get("n1MessageContainer")) is not None:
        if message["n1MessageClass"] != "SM":
            return None
        n1 = parts[message["n1MessageContent"]["contentId"]]
    if (container := content.get("n2InfoContainer")) is not None:
        info = container["smInfo"]
        inner, slice_ = info["n2InfoContent"], info.get("sNssai") or {}
        if inner["ngapIeType"] != SET_UP:
            return None
        n2 = parts[inner["ngapData"]["contentId"]]
    sd = slice_.get("sd")
    snssai = int(slice_.get("sst", 1)), int(sd, 16) if sd is not None else None
    return Transfer(int(content["pduSessionId"]), n1, n2, snssai, content.get("n1n2FailureTxfNotifURI", ""))


ROUTES = {f"POST {MESSAGES}": transfer}


async def _page(core: Core, context: Context, location: str) -> None:
    """Page a UE in its tracking area until it answers or T3513 has expired often enough (clause 5.6.2)."""
    for _ in range(PAGES):
        if context.guti is not None:
            core.broadcast(ngap.paging(context.guti.s_tmsi, core.config.plmn, [core.config.tac]))
        await asyncio.sleep(core.config.t3513)
        wanted = context.waiting
        if wanted is None or (context.connection is not None and context.connection.carry(wanted)):
            context.waiting = None  # the UE came by itself
            return
    wanted, context.waiting = context.waiting, None
    if wanted is not None and wanted.failure_uri:
        await core.sbi.unreachable(wanted.failure_uri, location)


# --- the connection ---------------------------------------------------------------------------------------


class Reach(Signalling):
    """A connection over which the UE can be reached, unless it is suspended."""

    def __init__(self, core: Core, link: Link) -> None:
        super().__init__(core, link)
        self.suspended = False
        self._due = False  # the UE needs a new 5G-GUTI before the connection ends
        self._renewal: asyncio.Task[None] | None = None
        self._up: set[int] = set()  # sessions with a user plane

    def close(self) -> None:
        """The connection is gone, and the user plane with it (TS 23.502 clause 4.2.6)."""
        super().close()
        known = self.context.sessions if self.context is not None else {}
        up, self._up = self._up & known.keys(), set()
        for number in up:
            self.core.spawn(self.core.sbi.deactivate(known[number]))

    def carry(self, wanted: Transfer) -> bool:
        """Send N1 and N2 messages of a PDU session; False where the UE has to be paged first."""
        lacking = self.link.context_requested and not self.link.set_up
        if self.suspended or self._left or not self.secure or lacking:
            return False
        resources = self._resources(wanted)
        if resources:
            self.link.resources(resources)
        elif wanted.n1:
            self._send("DL NAS TRANSPORT", _down(wanted))
        return True

    def _resources(self, wanted: Transfer | None) -> tuple[ngap.Resources, ...]:
        if wanted is None or not wanted.n2:
            return ()
        pdu = self._protected("DL NAS TRANSPORT", _down(wanted)) if wanted.n1 else None
        return (ngap.Resources(wanted.session, wanted.snssai, wanted.n2, pdu),)

    def set_up(self, transfers: Iterable[tuple[int, bytes]]) -> None:
        """The gNB has set PDU sessions up: their SMF is told (TS 23.502 clause 4.2.3.2)."""
        for number, octets in transfers:
            if self.context is not None and (reference := self.context.sessions.get(number)):
                self._up.add(number)
                self.core.spawn(self.core.sbi.set_up(reference, octets))

    # --- a new 5G-GUTI after paging, TS 24.501 clause 5.4.4 and TS 33.501 clause 6.12.3 -------------------

    def _answered(self) -> Transfer | None:
        """The UE has answered paging, if it was paged: what it was paged for."""
        context = self.context
        if context is None or context.waiting is None:
            return None
        wanted, context.waiting = context.waiting, None
        if context.paging is not None:
            context.paging.cancel()
        self._due = "guti-no-update-after-paging" not in self.faults
        return wanted

    def _renew(self) -> None:
        """Begin the generic UE configuration update, where it is due."""
        if self._due and self.context is not None and not self._left:
            self._due = False
            self._renewal = self._spawn(self._reallocate(self.context))

    async def _reallocate(self, context: Context) -> None:
        if await self._update({"guti": self.core.assign(context).encode()}):
            self.core.settle(context)

    def before_leaving(self, then: Callable[[], None]) -> None:
        """Do something that ends the connection, after the update that has to come before that."""
        self._renew()
        if self._renewal is None or self._renewal.done():
            then()
        else:
            self._renewal.add_done_callback(lambda done: None if done.cancelled() else then())

    def resumed(self) -> None:
        """The UE is back on its suspended connection (TS 23.502 clause 4.8.2)."""
        self.suspended = False
        wanted = self._answered()
        if wanted is not None:
            self.carry(wanted)
        if "chatty" not in self.faults:
            self._renew()

    def _protected(self, name: str, ies: Mapping[str, bytes]) -> bytes:
        if "guti-before-security" in self.faults and "guti" in ies and self.secure and self.security:
            return self.security.protect(Header.INTEGRITY, nas.encode(name, ies), self.faults)
        return super()._protected(name, ies)


def _down(wanted: Transfer) -> dict[str, bytes]:
    return {
        "payload_container_type": N1_SM,
        "payload_container": wanted.n1,
        "pdu_session_id": bytes((wanted.session,)),
    }
