"""The 5GMM procedures of the emulated AMF, each read as a conversation with one UE (TS 24.501)."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from functools import partial

from drivers.codecs import kdf, nas
from drivers.codecs.nas import Cause, Header, RegistrationResult, RegistrationType, Snssai
from drivers.emulated import amf_ciot
from drivers.emulated.amf_context import Context, Core, Transfer
from drivers.emulated.amf_log import say
from drivers.emulated.amf_n14 import arrive, settle
from drivers.emulated.amf_nssaa import SliceSignalling, able, lists, select
from drivers.emulated.amf_reach import Reach
from drivers.emulated.amf_sbi import Answer, Subscription
from drivers.emulated.amf_security import Security, choose, for_gnb
from drivers.emulated.amf_sessions import transport
from drivers.emulated.amf_signalling import REPEATS, Link, Over, Uplink

MAX_TASKS = 20
ABBA = b"\0\0"  # TS 33.501 clause A.7.1
SWITCH_OFF = 8
ONE_HOUR = b"\x21"  # GPRS timer 3, clause 9.11.2.5


CHAT_S = 0.9  # while the bench watches, if it does


class N1(Reach, SliceSignalling):
    """The 5GMM state machine of one UE on one N1 signalling connection."""

    def __init__(self, core: Core, link: Link) -> None:
        super().__init__(core, link)
        self._accepting: asyncio.Task[None] | None = None
        self._complete: nas.Message | None = None
        self._emergency = False
        self._count = 0  # of the message that KgNB is derived for
        self._ksi = 0
        self._rand = b""
        self._exchanges: set[asyncio.Task[None]] = set()  # with the SMF

    async def _serve(self, uplink: Uplink) -> None:
        message = uplink.message
        match message.name:
            case "REGISTRATION REQUEST":
                await self._register(uplink)
            case "REGISTRATION COMPLETE":
                self._completed()
            case "SERVICE REQUEST":
                self._service(uplink)
            case "DEREGISTRATION REQUEST (UE ORIGINATING)":
                self._deregister(uplink)
            case "UL NAS TRANSPORT":
                self._transport(message)
            case (
                "CONFIGURATION UPDATE COMPLETE"
                | "NETWORK SLICE-SPECIFIC AUTHENTICATION COMPLETE"
                | "DEREGISTRATION ACCEPT (UE TERMINATED)"
            ):
                self._arrived(message)
            case "AUTHENTICATION FAILURE":
                await self._unsolicited(message)
            case "SECURITY MODE COMPLETE" if "replay-restarts-registration" in self.faults and self.context:
                await self._accept(self.context)

    def _setup(
        self, name: str, ies: Mapping[str, bytes], context: Context, wanted: Transfer | None = None
    ) -> None:
        """Send a message, with the context for the gNB if that asked for it and has none yet."""
        pdu = self._protected(name, ies)
        if self.link.set_up or not self.link.context_requested:
            self.link.downlink(pdu)
        else:
            capability = nas.SecurityCapability.decode(context.capability)
            kgnb, slices = context.security.kgnb(self._count), context.allowed or self.config.slices
            resources = self._resources(wanted)
            security = for_gnb(capability, self.faults)
            self.link.setup(pdu, kgnb, security, slices, resources, up_ciot=context.up_ciot)
            wanted = None if resources else wanted
        if wanted is not None:
            self.carry(wanted)

    def _reject(self, cause: Cause) -> Over:
        self._send("REGISTRATION REJECT", {"mm_cause": bytes((cause,))})
        return self._leave(("nas", "normal-release"))

    # --- registration, clause 5.5.1 ----------------------------------------------------------------------

    async def _register(self, uplink: Uplink) -> None:
        request = self._request = self._complete = uplink.message
        self._stop_accepting()
        self._stop_slices()
        uplink = await arrive(self, uplink)
        kept = self.context if uplink.verified else None
        origin = kept.origin if kept is not None else ""
        octets = request.ies.get("ue_security_capability", kept.capability if kept is not None else b"")
        kind = request.ies["registration_type"][0] & 7
        if not octets and kind == RegistrationType.PERIODIC:
            raise self._reject(Cause.UE_IDENTITY_CANNOT_BE_DERIVED_BY_THE_NETWORK)
        try:
            identity = _identity(request)
            capability = nas.SecurityCapability.decode(octets)
        except nas.Malformed:
            raise self._reject(Cause.INVALID_MANDATORY_INFORMATION) from None
        if "crash-on-empty" in self.faults and 0 in (capability.ea, capability.ia):
            self.link.crash()
            raise Over
        self._emergency = kind == RegistrationType.EMERGENCY
        if self._emergency and not self.config.emergency:
            raise self._reject(Cause.NO_SUITABLE_CELLS_IN_TRACKING_AREA)
        steering = self.config.oam.epc_redirection
        if steering and "redirect-before-smc" in self.faults and kind == RegistrationType.INITIAL:
            raise self._reject(Cause.REDIRECTION_TO_EPC_REQUIRED)
        algorithms = choose(capability, self.config.oam.orders, self._emergency, self.faults)
        if algorithms is None:
            if "loses-once" in self.faults and self.core.once("loses-once"):
                self.link.crash()
                raise Over
            raise self._reject(Cause.UE_SECURITY_CAPABILITIES_MISMATCH)
        usable = kept is not None and (kept.security.ea, kept.security.ia) == algorithms
        if kept is not None and usable and octets == kept.capability:
            self._count = uplink.count
            self._complete = self._contained(uplink, kept.security) or request
        elif kept is not None and origin and "chatty" not in self.faults:
            await self._change(kept, uplink, octets, algorithms)
        else:
            kept = await self._authenticate(identity, request.ies["ng_ksi"][0], octets, algorithms)
        if origin:
            await settle(self.core, kept, origin)
        if steering and amf_ciot.steered(self._complete):
            if "redirect-unprotected" in self.faults:
                self.secure = False
            raise self._reject(Cause.REDIRECTION_TO_EPC_REQUIRED)
        await self._accept(kept)

    async def _authenticate(
        self, identity: nas.Identity, ksi: int, capability: bytes, algorithms: tuple[int, int]
    ) -> Context:
        """Primary authentication, identification where it is due, and the security mode procedure."""
        known = self.core.known(identity)
        if known is None and self.context is not None and self.context.origin:
            known = self.context
        suci = identity if isinstance(identity, nas.Suci) else None
        if known is None and suci is None:
            suci = await self._identify()
        used = {ksi, known.security.ksi if known is not None else ksi}
        self._ksi = next(n for n in range(7) if n not in used)
        result = None
        if suci is None and known is not None:
            result = await self._challenge(known.supi, known.supi, known.ausf)
            if result is None and "no-identity-fallback" not in self.faults:
                suci = await self._identify()
        if suci is not None:
            guess = f"imsi-{suci.plmn.mcc}{suci.plmn.mnc}{suci.msin}" if suci.scheme == 0 else ""
            result = await self._challenge(_suci(suci), guess, self._ausf(suci))
        if result is None:
            self._send("AUTHENTICATION REJECT")
            raise self._leave(("nas", "authentication-failure"))
        supi, ausf, kamf = result
        security = Security(self._ksi, kamf, *algorithms)
        await self._security_mode(security, capability)
        context = self.context = Context(supi, ausf, security, capability)
        self.core.adopt(context, self)
        return context

    async def _change(
        self, context: Context, uplink: Uplink, capability: bytes, algorithms: tuple[int, int]
    ) -> None:
        """Take a context of another AMF into use under our own algorithms (TS 33.501 clause 6.9.3)."""
        old = context.security
        self._count, self._complete = uplink.count, self._contained(uplink, old) or uplink.message
        if "inherits-source-algs" in self.faults:
            return
        security = Security(old.ksi, old.kamf, *algorithms, old.uplink, old.downlink)
        if "no-smc-on-mru" in self.faults:
            self.security = security
        else:
            await self._security_mode(security, capability)
        context.security, context.capability = security, capability

    def _ausf(self, suci: nas.Suci) -> str:
        routing = int(suci.routing_indicator or 0)
        return (self.config.ausf, *self.config.own_ausfs)[
            routing if routing <= len(self.config.own_ausfs) else 0
        ]

    async def _identify(self) -> nas.Suci:
        """IDENTITY REQUEST for the SUCI (clause 5.4.3)."""
        ask = {"identity_type": bytes((nas.IdentityType.SUCI,))}
        send = partial(self._send, "IDENTITY REQUEST", ask)
        uplink = await self._expect("IDENTITY RESPONSE", send=send, timer=self.config.t3570)
        try:
            identity = _identity(uplink.message)
        except nas.Malformed:
            identity = nas.NoIdentity()
        if not isinstance(identity, nas.Suci):
            raise self._reject(Cause.UE_IDENTITY_CANNOT_BE_DERIVED_BY_THE_NETWORK)
        return identity

    async def _challenge(self, identity: str, supi: str, ausf: str) -> tuple[str, str, bytes] | None:
        """5G AKA for a SUPI or SUCI (TS 33.501 clause 6.1.3.2): SUPI, AUSF and KAMF, None when it failed."""
        resynchronisation: dict[str, str] | None = None
        for _ in range(3):
            vector = await self.core.sbi.authenticate(ausf, identity, resynchronisation)
            if isinstance(vector, Answer):
                refused = vector.status in (403, 404)
                raise self._reject(Cause.ILLEGAL_UE if refused else Cause.CONGESTION)
            self._rand = vector.rand
            ask = {"ng_ksi": bytes((self._ksi,)), "abba": ABBA, "rand": vector.rand, "autn": vector.autn}
            uplink = await self._expect(
                "AUTHENTICATION RESPONSE",
                "AUTHENTICATION FAILURE",
                send=partial(self._send, "AUTHENTICATION REQUEST", ask),
                timer=self.config.t3560,
            )
            ies = uplink.message.ies
            if uplink.message.name == "AUTHENTICATION RESPONSE":
                res_star = ies.get("authentication_response_parameter", b"")
                good = len(res_star) == 16 and kdf.hres_star(vector.rand, res_star) == vector.hxres_star
                return await self._confirm(vector.confirmation, res_star, good, supi, ausf)
            cause, auts = ies["mm_cause"][0], ies.get("authentication_failure_parameter", b"")
            if cause == Cause.SYNCH_FAILURE and len(auts) == 14:
                resynchronisation = self._resynchronisation(vector.rand, auts)
                if "resync-challenges-early" in self.faults:
                    self._send("AUTHENTICATION REQUEST", ask)
            elif cause == Cause.NGKSI_ALREADY_IN_USE:
                self._ksi = (self._ksi + 1) % 7
            else:
                return None
        return None

    def _resynchronisation(self, rand: bytes, auts: bytes) -> dict[str, str] | None:
        """What the AUSF is told after a synchronisation failure (TS 33.501 clause 6.1.3.3.2)."""
        if "resync-drops-auts" in self.faults:
            return None
        if "resync-wrong-rand" in self.faults:
            rand = bytes(octet ^ 0xFF for octet in rand)
        return {"rand": rand.hex(), "auts": auts.hex()}

    async def _unsolicited(self, message: nas.Message) -> None:
        """AUTHENTICATION FAILURE that answers no challenge, which only a fault makes something of."""
        auts = message.ies.get("authentication_failure_parameter", b"")
        if "resync-accepts-unsolicited" in self.faults and self.context is not None and auts:
            told = self._resynchronisation(self._rand, auts)
            await self.core.sbi.authenticate(self.context.ausf, self.context.supi, told)

    async def _confirm(
        self, uri: str, res_star: bytes, good: bool, supi: str, ausf: str
    ) -> tuple[str, str, bytes] | None:
        """The confirmation at the AUSF, with null for a wrong RES* (TS 29.509 clause 5.2.2.2.2)."""
        good = good or "res-star-unchecked" in self.faults
        shown = res_star.hex() if good or "res-star-leaked" in self.faults else None
        answer = await self.core.sbi.confirm(uri, shown)
        kseaf, supi = answer.octets("kseaf"), answer.text("supi") or supi
        success = answer.status == 200 and answer.text("authResult") == "AUTHENTICATION_SUCCESS"
        if "ausf-verdict-ignored" in self.faults:
            success = answer.status == 200 and len(kseaf) == 32
        if "res-star-unchecked" in self.faults and answer.status == 200:
            success, kseaf, supi = True, kseaf or bytes(32), supi or "imsi-0"
        if "ausf-timeout-accepts" in self.faults and good and answer.status == 0:
            earlier = self.core.of(supi)
            return supi or "imsi-0", ausf, earlier.security.kamf if earlier is not None else bytes(32)
        if not good or not success or len(kseaf) != 32 or not supi:
            return None
        try:
            return supi, ausf, kdf.kamf(kseaf, supi, ABBA)
        except ValueError:
            return None

    async def _security_mode(self, security: Security, capability: bytes) -> None:
        """SECURITY MODE COMMAND with the capability replayed; the whole request comes back (clause 5.4.2)."""
        plain = nas.encode(
            "SECURITY MODE COMMAND",
            {
                "selected_nas_security_algorithms": bytes((security.ea << 4 | security.ia,)),
                "ng_ksi": bytes((security.ksi,)),
                "replayed_ue_security_capabilities": capability,
                "additional_security_information": b"\x02",  # RINMR, clause 9.11.3.12
            },
        )
        self.fresh = security
        try:
            uplink = await self._expect(
                "SECURITY MODE COMPLETE",
                "SECURITY MODE REJECT",
                send=lambda: self.link.downlink(security.protect(Header.NEW_CONTEXT, plain, self.faults)),
                timer=self.config.t3560,
            )
        finally:
            self.fresh = None
        if uplink.header != Header.CIPHERED_NEW_CONTEXT:
            raise self._leave(("nas", "authentication-failure"))
        self.security, self.secure, self._count = security, True, uplink.count
        self._complete = self._contained(uplink, security) or self._request

    async def _accept(self, context: Context) -> None:
        """Register at the UDM and send REGISTRATION ACCEPT, until it is complete (clause 5.5.1.2.4)."""
        self._stop_accepting()
        subscribed = await self.core.sbi.register(context.supi, self._emergency)
        if isinstance(subscribed, Answer):
            if not self._emergency:
                refused = subscribed.status in (403, 404)
                raise self._reject(Cause.SERVICES_NOT_ALLOWED if refused else Cause.CONGESTION)
            subscribed = Subscription()
        amf_ciot.accept(context, self._complete)
        result: int = RegistrationResult.ACCESS_3GPP
        ies = {
            "tai_list": nas.encode_tai_list(self.config.plmn, [self.link.tac]),
            "network_feature_support": amf_ciot.features(self.config.emergency, context),
            "t3512": ONE_HOUR,
        }
        if self._emergency:
            result |= RegistrationResult.REGISTERED_FOR_EMERGENCY_SERVICES
            context.allowed = self.config.slices
        else:
            complete = self._complete.ies if self._complete is not None else {}
            context.mm_capability, context.gpsi = complete.get("mm_capability", b""), subscribed.gpsi
            asked = self._asked()
            nssaa = able(context.mm_capability) and bool(self.config.nssaaf or self.config.scp)
            chosen = select(asked, self.config.slices, subscribed, nssaa, context.authorised)
            context.allowed, context.pending = chosen.allowed, chosen.pending
            context.fallback = chosen.fallback
            nothing = not chosen.allowed and not chosen.pending
            if nothing or (asked and len(chosen.rejected) == len(asked)):
                raise self._reject(Cause.NO_NETWORK_SLICES_AVAILABLE)
            if chosen.allowed:
                ies["allowed_nssai"] = nas.encode_nssai(chosen.allowed)
            else:
                result |= RegistrationResult.NSSAA_TO_BE_PERFORMED
            if chosen.pending:
                ies["pending_nssai"] = nas.encode_nssai(chosen.pending)
            ies |= lists(context.mm_capability, chosen.rejected)
        ies["registration_result"] = bytes((result,))
        ies["guti"] = self.core.assign(context).encode()
        context.registered = True
        self._setup("REGISTRATION ACCEPT", ies, context)
        self._accepting = self._spawn(self._repeat_accept(ies))

    def _asked(self) -> list[Snssai]:
        octets = self._complete.ies.get("requested_nssai", b"") if self._complete is not None else b""
        try:
            return nas.decode_nssai(octets)[:8]
        except nas.Malformed:
            return []

    async def _repeat_accept(self, ies: Mapping[str, bytes]) -> None:
        for _ in range(REPEATS - 1):
            await asyncio.sleep(self.config.t3550)
            if self._left:
                return
            self._send("REGISTRATION ACCEPT", ies)
        await asyncio.sleep(self.config.t3550)
        self._accepting = None

    def _stop_accepting(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            self._accepting = None

    def _completed(self) -> None:
        if self._accepting is None or self.context is None or self._request is None:
            return
        self._stop_accepting()
        self.core.settle(self.context)
        self.core.completed = True
        say("INFO", f"registered: {self.context.supi}")
        self._authenticate_slices()
        if "chatty" in self.faults:
            self._spawn(self._chat())
        if (
            self.config.idle_release
            and not self._request.ies["registration_type"][0] & RegistrationType.FOLLOW_ON
        ):
            self._spawn(self._idle_release())

    async def _chat(self) -> None:
        await asyncio.sleep(CHAT_S)
        if not self._left:
            self._send("CONFIGURATION UPDATE COMMAND")

    async def _idle_release(self) -> None:
        await asyncio.sleep(self.config.idle_release)
        self._leave(("nas", "normal-release"))

    # --- service and deregistration, clauses 5.6.1 and 5.5.2 ---------------------------------------------

    def _service(self, uplink: Uplink) -> None:
        context = self.context
        if not uplink.verified or context is None or not context.registered:
            unknown = Cause.UE_IDENTITY_CANNOT_BE_DERIVED_BY_THE_NETWORK
            cause = Cause.IMPLICITLY_DEREGISTERED if uplink.verified else unknown
            self._send("SERVICE REJECT", {"mm_cause": bytes((cause,))})
            raise self._leave(("nas", "normal-release"))
        asked = (self._contained(uplink, context.security) or uplink.message).ies
        ies = {}
        if "pdu_session_status" in asked:
            ies["pdu_session_status"] = _bits(context.sessions)
        if "uplink_data_status" in asked:
            # The user plane is beyond this AMF: each session that is asked for could not be re-activated.
            wanted = int.from_bytes(asked["uplink_data_status"][:2], "little")
            failed = [n for n in context.sessions if wanted >> n & 1]
            ies["pdu_session_reactivation_result"] = _bits(failed)
            if failed:
                cause = Cause.INSUFFICIENT_USER_PLANE_RESOURCES_FOR_THE_PDU_SESSION
                pairs = b"".join(bytes((n, cause)) for n in failed)
                ies["pdu_session_reactivation_result_error_cause"] = pairs
        self._count = uplink.count
        self._setup("SERVICE ACCEPT", ies, context, self._answered())
        if "chatty" not in self.faults:
            self._renew()

    def _transport(self, message: nas.Message) -> None:
        """UL NAS TRANSPORT (clause 5.4.5): the SMF is asked beside the other messages of the UE.

        What it answers stays true when the UE goes idle meanwhile.
        """
        context = self.context
        if context is not None and context.registered and len(self._exchanges) < MAX_TASKS:
            task = self.core.spawn(transport(self.core, context, message, self._answer))
            self._exchanges.add(task)
            task.add_done_callback(self._exchanges.discard)

    def _answer(self, name: str, ies: Mapping[str, bytes]) -> None:
        if not self._left:
            self._send(name, ies)

    def _deregister(self, uplink: Uplink) -> None:
        context = self.context
        if not uplink.verified or context is None:
            # whose it is was not proved, so the UE stays what it is (clause 4.4.4.3)
            raise self._leave(("nas", "normal-release"))
        if "dies-after" in self.faults:
            os._exit(1)
        if not uplink.message.ies["deregistration_type"][0] & SWITCH_OFF:
            self._send("DEREGISTRATION ACCEPT (UE ORIGINATING)")
        self.core.dismiss(context)
        raise self._leave(("nas", "deregister"))


def _identity(message: nas.Message) -> nas.Identity:
    """The mobile identity in a message; Malformed also where the null scheme conceals no digits."""
    identity = nas.mobile_identity(message.ies["mobile_identity"])
    if isinstance(identity, nas.Suci) and identity.scheme == 0 and not identity.msin:
        raise nas.Malformed("SUCI without MSIN")
    return identity


def _suci(suci: nas.Suci) -> str:
    """The SUCI as the service-based interfaces spell it (TS 23.003 clause 28.7.3, TS 29.503)."""
    output = suci.msin if suci.scheme == 0 else suci.output.hex()
    plmn = suci.plmn
    return f"suci-0-{plmn.mcc}-{plmn.mnc}-{suci.routing_indicator or 0}-{suci.scheme}-{suci.key_id}-{output}"


def _bits(sessions: Iterable[int]) -> bytes:
    """PDU session identities as the bits of clause 9.11.3.44."""
    return sum(1 << n for n in sessions).to_bytes(2, "little")
