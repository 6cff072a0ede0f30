"""Network slice-specific authentication in the emulated AMF, and its revocation (TS 33.501 clause 16)."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from drivers.codecs import eap, nas
from drivers.codecs.nas import Cause, Rejected, Snssai
from drivers.emulated.amf_context import Context, Core
from drivers.emulated.amf_sbi import REVOKED, Subscription
from drivers.emulated.amf_signalling import Link, Signalling
from drivers.sbi import Request, Response, answer, problem

NOT_IN_PLMN, NSSAA_FAILED = 0, 2  # causes of rejection, TS 24.501 clause 9.11.3.46
THREE_GPP_ACCESS = b"\x01"  # de-registration type, clause 9.11.3.20
MAX_ROUNDS = 20
COMMAND = "NETWORK SLICE-SPECIFIC AUTHENTICATION COMMAND"
COMPLETE = "NETWORK SLICE-SPECIFIC AUTHENTICATION COMPLETE"
RESULT = "NETWORK SLICE-SPECIFIC AUTHENTICATION RESULT"


class Selection(NamedTuple):
    """What a registration is told of slices, and what it gets where nothing of that is left."""

    allowed: tuple[Snssai, ...]
    pending: tuple[Snssai, ...]
    rejected: tuple[Rejected, ...]
    fallback: tuple[Snssai, ...]


def select(
    asked: Sequence[Snssai], supported: Iterable[Snssai], own: Subscription, able: bool, done: set[Snssai]
) -> Selection:
    """The slices of a UE that requests these, is `able` to NSSAA, and has `done` it (clause 5.5.1.2.4)."""
    offered = [s for s in supported if not own.slices or s in own.slices]
    default = [s for s in offered if s in own.default] or offered
    wanted = [s for s in asked if s in offered] or default
    rejected = [(s, NOT_IN_PLMN) for s in asked if s not in offered]
    subject = [s for s in wanted if s in own.authenticated and s not in done]
    if not able:
        rejected += [(s, NOT_IN_PLMN) for s in subject if s in asked]
    allowed = tuple(s for s in wanted if s not in subject)
    fallback = tuple(s for s in default if s not in own.authenticated)
    return Selection(allowed, tuple(subject) if able else (), tuple(rejected), fallback)


def able(capability: bytes) -> bool:
    """Whether a UE supports NSSAA (5GMM capability, clause 9.11.3.1)."""
    return len(capability) > 1 and bool(capability[1] & 0x40)


def lists(capability: bytes, rejected: Sequence[Rejected]) -> dict[str, bytes]:
    """Rejected slices as a UE of this 5GMM capability can read them."""
    if not rejected:
        return {}
    if len(capability) > 2 and capability[2] & 0x10:
        return {"extended_rejected_nssai": nas.encode_extended_rejected_nssai(rejected[:8])}
    return {"rejected_nssai": nas.encode_rejected_nssai(rejected[:8])}


class SliceSignalling(Signalling):
    """A connection on which the slices of its UE can change."""

    def __init__(self, core: Core, link: Link) -> None:
        super().__init__(core, link)
        self._authentication: asyncio.Task[None] | None = None

    # --- NSSAA, TS 24.501 clause 5.4.7 and TS 23.502 clause 4.2.9.2 ---------------------------------------

    def _authenticate_slices(self) -> None:
        """Begin NSSAA for what is pending."""
        if self.context is not None and self.context.pending:
            self._authentication = self._spawn(self._each(self.context))

    def _stop_slices(self) -> None:
        if self._authentication is not None:
            self._authentication.cancel()

    async def _each(self, context: Context) -> None:
        failed: list[Rejected] = []
        for snssai in context.pending:
            success = await self._one(context, snssai)
            if success is None or snssai not in context.pending:
                continue  # the UE does not answer, so it stays pending; or it was revoked meanwhile
            context.pending = tuple(s for s in context.pending if s != snssai)
            if success or "eap-failure-ignored" in self.faults:
                context.authorised.add(snssai)
                context.allowed = (*context.allowed, snssai)
            else:
                failed.append((snssai, NSSAA_FAILED))
        _fall_back(context)
        await self._tell_slices(context, failed)

    async def _one(self, context: Context, snssai: Snssai) -> bool | None:
        """Carry EAP between UE and NSSAAF for a slice: how it ended, None when the UE did not answer."""
        whose = {"s_nssai": nas.encode_s_nssai(*snssai)}
        packet = eap.Packet(eap.Code.REQUEST, 0, eap.Type.IDENTITY).encode()
        uri = ""
        for _ in range(MAX_ROUNDS):
            send = partial(self._send, COMMAND, {**whose, "eap_message": packet})
            complete = await self._ask(COMPLETE, send, self.config.t3575)
            if complete is None:
                return None
            if complete.ies["s_nssai"] != whose["s_nssai"]:
                return False
            told = await self.core.sbi.authenticate_slice(
                uri, context.gpsi, snssai, complete.ies["eap_message"]
            )
            packet, uri = told.packet, told.uri
            if told.result is not None or not packet:
                if packet:
                    self._send(RESULT, {**whose, "eap_message": packet})
                return told.result == "EAP_SUCCESS"
        return False

    # --- what becomes of it, TS 24.501 clauses 5.4.4 and 5.5.2.3 ------------------------------------------

    async def _tell_slices(self, context: Context, rejected: Sequence[Rejected]) -> None:
        """Update the UE's slices; without any it is deregistered (TS 23.502 clauses 4.2.9.2 and 4.2.9.4)."""
        ies = lists(context.mm_capability, rejected)
        if context.allowed or context.pending or "revocation-no-dereg" in self.faults:
            if context.allowed:
                ies["allowed_nssai"] = nas.encode_nssai(context.allowed)
            await self._update(ies)
            return
        if "rejected-list-missing" in self.faults:
            ies = {}
        await self._expel(context, Cause.NO_NETWORK_SLICES_AVAILABLE, ies)

    async def _expel(self, context: Context, cause: Cause, ies: Mapping[str, bytes]) -> None:
        """Network-initiated deregistration for 3GPP access."""
        ask = {"deregistration_type": THREE_GPP_ACCESS, "mm_cause": bytes((cause,)), **ies}
        send = partial(self._send, "DEREGISTRATION REQUEST (UE TERMINATED)", ask)
        await self._ask("DEREGISTRATION ACCEPT (UE TERMINATED)", send, self.config.t3522)
        self.core.dismiss(context)
        if not self._left:
            self._leave(("nas", "deregister"))

    def revoke(self, context: Context, snssai: Snssai) -> None:
        """Tell the UE that it has lost a slice."""
        self._spawn(self._tell_slices(context, [(snssai, NSSAA_FAILED)]))


def _fall_back(context: Context) -> None:
    """Allow the default slices to a UE that has nothing else left (TS 23.502 clause 4.2.9.4)."""
    if not context.allowed and not context.pending:
        context.allowed = context.fallback


async def _revoked(core: Core, request: Request) -> Response:
    """SliceAuthRevocNotification of the NSSAAF (TS 29.526 clause 5.2.2.4)."""
    content = request.content
    try:
        kind, gpsi, supi = content["notifType"], content["gpsi"], content.get("supi")
        sd = content["snssai"].get("sd")
        snssai = int(content["snssai"]["sst"]), int(sd, 16) if sd is not None else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return problem(400, "MANDATORY_IE_INCORRECT")
    context, faults = core.who(gpsi), core.config.faults
    if kind != "SLICE_REVOCATION" or context is None or supi not in (None, context.supi):
        return problem(404, "CONTEXT_NOT_FOUND")
    if snssai in (*context.allowed, *context.pending) and "revocation-ignored" not in faults:
        context.allowed = tuple(s for s in context.allowed if s != snssai)
        context.pending = tuple(s for s in context.pending if s != snssai)
        context.authorised.discard(snssai)
        _fall_back(context)
        core.spawn(core.sbi.release_sessions(core.lose(context, snssai)))
        if context.connection is not None:
            context.connection.revoke(context, snssai)
        elif not context.allowed:
            core.dismiss(context)  # idle, and not paged for this
    return answer(204)


ROUTES = {f"POST {REVOKED}": _revoked}
