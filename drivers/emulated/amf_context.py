"""What the emulated AMF keeps of its UEs, connected or idle, and under which names it finds them."""

import asyncio
import os
import secrets
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from drivers.codecs import nas, ngap
from drivers.codecs.nas import Snssai
from drivers.emulated.amf_config import Config
from drivers.emulated.amf_sbi import Sbi
from drivers.emulated.amf_security import Security

MAX_CONTEXTS = 20_000


class Connection(Protocol):
    """The N1 signalling connection of a UE that is not idle."""

    def replaced(self) -> None:
        """The UE has come back on another connection."""
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
    sessions: dict[int, str] = field(default_factory=dict)  # SM context of each PDU session
    connection: Connection | None = None


class Core:
    """What all connections of one AMF share: configuration, peers, and the contexts of the UEs."""

    def __init__(self, config: Config, sbi: Sbi) -> None:
        self.config, self.sbi = config, sbi
        self.guami = ngap.Guami(config.plmn, 1, 1, 1)
        self.completed = False
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
            own = self.guami.guti(identity.tmsi) == identity
            return self._gutis.get(identity.s_tmsi) if own else None
        return self._gutis.get(identity) if isinstance(identity, nas.STmsi) else None

    def of(self, supi: str) -> Context | None:
        """The context of a subscriber."""
        return self._contexts.get(supi)

    def assign(self, context: Context) -> nas.Guti:
        """A new, unpredictable 5G-GUTI; the last one stays valid until `settle` (clause 5.5.1.2.4)."""
        self.settle(context)
        guti = self.guami.guti(secrets.randbits(32))
        while guti.s_tmsi in self._gutis:
            guti = self.guami.guti(secrets.randbits(32))
        context.old_guti, context.guti = context.guti, guti
        self._gutis[guti.s_tmsi] = context
        return guti

    def settle(self, context: Context) -> None:
        """Forget the 5G-GUTI before the current one."""
        if context.old_guti is not None:
            self._gutis.pop(context.old_guti.s_tmsi, None)
            context.old_guti = None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that outlives the connection that asked for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def arrived(self) -> None:
        """Count uplink NAS messages, for the fault that dies of them."""
        if "dies-midway" in self.config.faults and self.completed:
            self._after += 1
            if self._after == 3:
                os._exit(1)


def _gutis(context: Context) -> list[nas.STmsi]:
    return [guti.s_tmsi for guti in (context.guti, context.old_guti) if guti is not None]
