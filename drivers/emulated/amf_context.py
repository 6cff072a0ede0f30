"""What the emulated AMF keeps of its UEs, connected or idle, and under which names it finds them."""

import asyncio
import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from drivers.codecs import nas, ngap
from drivers.codecs.nas import Snssai
from drivers.emulated.amf_config import Config
from drivers.emulated.amf_sbi import Sbi
from drivers.emulated.amf_security import Security

if TYPE_CHECKING:
    from drivers.emulated.amf import Gnb

MAX_CONTEXTS = 20_000


@dataclass(frozen=True)
class Transfer:
    """What an SMF has for the UE (N1) and its gNB (N2) about a PDU session (TS 29.518 clause 6.1.6.2.18)."""

    session: int
    n1: bytes
    n2: bytes
    snssai: Snssai
    failure_uri: str = ""


class Connection(Protocol):
    """The N1 signalling connection of a UE that is not idle."""

    def replaced(self) -> None:
        """The UE has come back on another connection."""
        ...

    def carry(self, wanted: Transfer) -> bool:
        """Send N1 and N2 messages; False where the UE has to be paged first."""
        ...

    def revoke(self, context: "Context", snssai: Snssai) -> None:
        """Tell the UE that it has lost a slice."""
        ...


@dataclass
class Context:
    """What the AMF keeps of a UE that it has authenticated."""

    supi: str
    ausf: str
    security: Security
    capability: bytes
    guti: nas.Guti | None = None
    old_guti: nas.Guti | None = None
    registered: bool = False
    allowed: tuple[Snssai, ...] = ()
    pending: tuple[Snssai, ...] = ()  # until NSSAA ends
    fallback: tuple[Snssai, ...] = ()  # allowed where nothing else is left
    authorised: set[Snssai] = field(default_factory=set)  # by NSSAA
    gpsi: str = ""
    mm_capability: bytes = b""
    cp_ciot: bool = False  # uses the control plane CIoT 5GS optimisation
    sessions: dict[int, str] = field(default_factory=dict)  # SM context of each PDU session
    session_slices: dict[int, Snssai] = field(default_factory=dict)
    creating: dict[int, asyncio.Task[Any] | None] = field(
        default_factory=dict
    )  # sessions the SMF is asked for
    connection: Connection | None = None
    up_ciot: bool = False  # user plane CIoT 5GS optimisation is used
    waiting: Transfer | None = None  # for the UE to answer paging
    paging: asyncio.Task[None] | None = None
    origin: str = ""  # URI of the context at the AMF that the UE comes from, until that is told


class Core:
    """What all connections of one AMF share: configuration, peers, and the contexts of the UEs."""

    def __init__(self, config: Config, sbi: Sbi) -> None:
        self.config, self.sbi = config, sbi
        self.guami = ngap.Guami(config.plmn, 1, 1, 1)
        self.gnb: Callable[[int], Gnb | None] = lambda number: None  # by gNB ID
        self.completed = False
        self.broadcast: Callable[[ngap.Pdu], None] = lambda pdu: None  # to all gNBs, once there are any
        self._tmsi = secrets.randbits(32)
        self._done: set[str] = set()
        self._contexts: OrderedDict[str, Context] = OrderedDict()
        self._gutis: dict[nas.STmsi, Context] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._after = 0

    def once(self, what: str) -> bool:
        """True the first time it is asked about something."""
        first = what not in self._done
        self._done.add(what)
        return first

    def adopt(self, fresh: Context, connection: Connection) -> None:
        """Keep the context of a UE that has just proved who it is, in place of an older one."""
        old = self._contexts.pop(fresh.supi, None)
        if old is not None:
            fresh.guti, fresh.old_guti, fresh.sessions = old.guti, old.old_guti, old.sessions
            fresh.creating, fresh.session_slices = old.creating, old.session_slices
            for guti in _gutis(old):
                self._gutis[guti] = fresh
            self.resume(old, connection)
        self._contexts[fresh.supi] = fresh
        fresh.connection = connection
        while len(self._contexts) > MAX_CONTEXTS:
            for guti in _gutis(self._contexts.popitem(last=False)[1]):
                self._gutis.pop(guti, None)

    def resume(self, context: Context, connection: Connection) -> None:
        """Let a UE go on with its context on this connection."""
        if context.connection is not None and context.connection is not connection:
            context.connection.replaced()
        context.connection = connection

    def known(self, identity: nas.Identity) -> Context | None:
        """The context that a 5G-GUTI or 5G-S-TMSI of this AMF names."""
        if isinstance(identity, nas.Guti):
            return self._gutis.get(identity.s_tmsi) if self.owns(identity) else None
        return self._gutis.get(identity) if isinstance(identity, nas.STmsi) else None

    def owns(self, guti: nas.Guti) -> bool:
        """Whether a 5G-GUTI is of this AMF."""
        return self.guami.guti(guti.tmsi) == guti

    def of(self, supi: str) -> Context | None:
        """The context of a subscriber."""
        return self._contexts.get(supi)

    def who(self, gpsi: str) -> Context | None:
        """The context of the registered UE with this GPSI."""
        return next((one for one in self._contexts.values() if one.registered and one.gpsi == gpsi), None)

    def lose(self, context: Context, snssai: Snssai) -> list[str]:
        """Forget the PDU sessions on a slice; their SM contexts."""
        gone = [n for n, own in context.session_slices.items() if own == snssai and n in context.sessions]
        return [context.sessions.pop(n) for n in gone]

    def dismiss(self, context: Context) -> None:
        """End the registration of a UE, and its PDU sessions."""
        sessions, context.sessions, context.registered = list(context.sessions.values()), {}, False
        self.spawn(self.sbi.leave(context.supi, sessions))

    def assign(self, context: Context) -> nas.Guti:
        """A new, unpredictable 5G-GUTI; the last one stays valid until `settle` (clause 5.5.1.2.4)."""
        faults = self.config.faults
        if "guti-kept" in faults and context.guti is not None:
            return context.guti
        self.settle(context)
        guti: nas.Guti | None = None
        while guti is None or guti.s_tmsi in self._gutis:
            self._tmsi = (self._tmsi + 1) % (1 << 32) if "guti-sequential" in faults else secrets.randbits(32)
            guti = self.guami.guti(self._tmsi)
        context.old_guti, context.guti = context.guti, guti
        self._gutis[guti.s_tmsi] = context
        return guti

    def settle(self, context: Context) -> None:
        """Forget the 5G-GUTI before the current one."""
        if context.old_guti is not None:
            self._gutis.pop(context.old_guti.s_tmsi, None)
            context.old_guti = None

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that outlives the connection that asked for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def arrived(self) -> None:
        """Count uplink NAS messages, for the fault that dies of them."""
        if "dies-midway" in self.config.faults and self.completed:
            self._after += 1
            if self._after == 3:
                os._exit(1)


def _gutis(context: Context) -> list[nas.STmsi]:
    return [guti.s_tmsi for guti in (context.guti, context.old_guti) if guti is not None]
