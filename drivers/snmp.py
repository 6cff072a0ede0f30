"""SNMP v1, v2c and v3 as a manager that no agent can hurt: each call has an engine of its own (pysnmp)."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    ObjectIdentity,
    ObjectType,
    OctetString,
    SnmpEngine,
    Udp6TransportTarget,
    UdpTransportTarget,
    UsmUserData,
    bulk_cmd,
    get_cmd,
    next_cmd,
    set_cmd,
    usmAesCfb128Protocol,
    usmAesCfb192Protocol,
    usmAesCfb256Protocol,
    usmDESPrivProtocol,
    usmHMAC128SHA224AuthProtocol,
    usmHMAC192SHA256AuthProtocol,
    usmHMAC256SHA384AuthProtocol,
    usmHMAC384SHA512AuthProtocol,
    usmHMACMD5AuthProtocol,
    usmHMACSHAAuthProtocol,
    usmNoAuthProtocol,
    usmNoPrivProtocol,
)

from drivers import reach
from drivers.interfaces.replies import SnmpReply
from drivers.text import clean, hide, line

SYSTEM = "1.3.6.1.2.1.1"
MAX_ROWS, MAX_OCTETS = 20_000, 4 << 20  # of one walk
TOGETHER = 16  # requests at once: more lose answers in the receive buffer
REPEATS = 20

AUTH = {
    "": usmNoAuthProtocol,
    "MD5": usmHMACMD5AuthProtocol,
    "SHA": usmHMACSHAAuthProtocol,
    "SHA-224": usmHMAC128SHA224AuthProtocol,
    "SHA-256": usmHMAC192SHA256AuthProtocol,
    "SHA-384": usmHMAC256SHA384AuthProtocol,
    "SHA-512": usmHMAC384SHA512AuthProtocol,
}
PRIV = {
    "": usmNoPrivProtocol,
    "DES": usmDESPrivProtocol,
    "AES": usmAesCfb128Protocol,
    "AES-192": usmAesCfb192Protocol,
    "AES-256": usmAesCfb256Protocol,
}

logging.getLogger("pysnmp").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class Community:
    """Who asks by v1 or v2c (RFC 3584)."""

    name: str = field(repr=False)
    version: Literal["v1", "v2c"] = "v2c"


@dataclass(frozen=True)
class User:
    """Who asks by v3 (RFC 3414); without an authentication protocol the level is noAuthNoPriv, and so on."""

    name: str
    auth: str = ""  # a name of `AUTH`
    auth_key: str = field(default="", repr=False)
    priv: str = ""  # a name of `PRIV`
    priv_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class Agent:
    """An SNMP agent of the product."""

    host: str
    port: int = 161
    source: str = ""
    within: float = 2.0  # seconds for an answer
    retries: int = 1


def get(agent: Agent, who: Community | User, *oids: str) -> SnmpReply:
    """The values of objects."""
    return _run(agent, who, _request(get_cmd, _objects(oids)))


def following(agent: Agent, who: Community | User, oid: str = SYSTEM) -> SnmpReply:
    """The object after this one (GETNEXT)."""
    return _run(agent, who, _request(next_cmd, _objects([oid])))


def put(agent: Agent, who: Community | User, oid: str, value: str) -> SnmpReply:
    """Set an object to an octet string."""
    return _run(agent, who, _request(set_cmd, [ObjectType(ObjectIdentity(oid), OctetString(value.encode()))]))


def walk(
    agent: Agent, who: Community | User, oid: str = SYSTEM, *, within: float = 30.0, rows: int = MAX_ROWS
) -> SnmpReply:
    """All objects below this one, up to bounds of rows, octets and time; `whole` where the end was seen."""

    async def work(engine: Any, target: Any, credentials: Any) -> SnmpReply:
        began = time.monotonic()
        base = tuple(map(int, oid.strip(".").split(".")))
        values: list[tuple[str, str]] = []
        last, size = base, 0
        v1 = isinstance(who, Community) and who.version == "v1"
        said, outcome, whole = "", "answered", False
        while not whole and not said:
            objects = _objects([".".join(map(str, last))])
            if v1:
                answer = await next_cmd(engine, credentials, target, ContextData(), *objects, lookupMib=False)
            else:
                answer = await bulk_cmd(
                    engine, credentials, target, ContextData(), 0, REPEATS, *objects, lookupMib=False
                )
            reply = _reply(answer, began)
            if reply.outcome != "answered":
                whole = v1 and "noSuchName" in reply.said  # how v1 says that there is no more
                said, outcome = ("", "answered") if whole else (reply.said, reply.outcome)
                break
            for name, value in reply.values:
                at = tuple(map(int, name.split(".")))
                if at[: len(base)] != base or value == "endOfMibView":
                    whole = True
                    break
                size += len(name) + len(value)
                if at <= last:
                    said = f"the agent goes back: {name} does not come after {'.'.join(map(str, last))}"
                elif len(values) >= rows or size > MAX_OCTETS:
                    said = f"more than {rows} rows or {MAX_OCTETS >> 20} MiB"
                elif time.monotonic() - began > within:
                    said = f"it did not end within {within:g} s"
                if said:
                    break
                values.append((name, value))
                last = at
            if not reply.values:
                said = "an answer without a row"
        if values and outcome == "silence":
            outcome = "answered"
        return SnmpReply(outcome, said, tuple(values), whole, time.monotonic() - began)  # type: ignore[arg-type]

    return _run(agent, who, work)


def tries(agent: Agent, who: Sequence[Community], oid: str = SYSTEM) -> tuple[SnmpReply, ...]:
    """GETNEXT with each of these communities, a bounded number at once."""

    async def work(engine: Any, target: Any, _: Any) -> tuple[SnmpReply, ...]:
        gate = asyncio.Semaphore(TOGETHER)
        ask = _request(next_cmd, _objects([oid]))

        async def one(community: Community) -> SnmpReply:
            async with gate:
                reply: SnmpReply = await ask(engine, target, _credentials(community))
                return reply

        return tuple(await asyncio.gather(*map(one, who)))

    reach.check((agent.host, agent.port))
    return asyncio.run(_with_engine(agent, None, work))


# --- one call -----------------------------------------------------------------------------------------------


def _run(agent: Agent, who: Community | User, work: Any) -> SnmpReply:
    reach.check((agent.host, agent.port))
    return asyncio.run(_call(agent, who, work))


async def _call(agent: Agent, who: Community | User, work: Any) -> SnmpReply:
    began = time.monotonic()
    try:
        reply: SnmpReply = await _with_engine(agent, who, work)
        return reply
    except Exception as error:
        # pysnmp raises what it likes, some of it for what the agent sent
        said = line(hide(f"{type(error).__name__}: {error}", _secrets(who)), 300)
        return SnmpReply("refused", said, (), False, time.monotonic() - began)


async def _with_engine(agent: Agent, who: Community | User | None, work: Any) -> Any:
    """Do the work with an engine of its own: an engine keeps users, keys and what it learnt of agents."""
    engine = SnmpEngine()
    try:
        kind = Udp6TransportTarget if ":" in agent.host else UdpTransportTarget
        target = await kind.create((agent.host, agent.port), timeout=agent.within, retries=agent.retries)
        if agent.source:
            target.set_local_address((agent.source, 0))
        return await work(engine, target, None if who is None else _credentials(who))
    finally:
        engine.close_dispatcher()


def _request(command: Any, objects: list[Any]) -> Any:
    async def work(engine: Any, target: Any, credentials: Any) -> SnmpReply:
        began = time.monotonic()
        return _reply(
            await command(engine, credentials, target, ContextData(), *objects, lookupMib=False),
            began,
        )

    return work


def _objects(oids: Sequence[str]) -> list[Any]:
    return [ObjectType(ObjectIdentity(oid.strip("."))) for oid in oids]


def _credentials(who: Community | User) -> Any:
    if isinstance(who, Community):
        return CommunityData(who.name, mpModel=0 if who.version == "v1" else 1)
    return UsmUserData(
        who.name,
        authKey=who.auth_key or None,
        privKey=who.priv_key or None,
        authProtocol=AUTH[who.auth],
        privProtocol=PRIV[who.priv],
    )


def _secrets(who: Community | User) -> tuple[str, ...]:
    return (who.name,) if isinstance(who, Community) else (who.auth_key, who.priv_key)


def _reply(answer: Any, began: float) -> SnmpReply:
    indication, status, _, bindings = answer
    took = time.monotonic() - began
    if indication:
        said = line(str(indication), 300)
        silent = "timeout" in type(indication).__name__.lower() or "No SNMP response" in said
        return SnmpReply("silence" if silent else "refused", said, (), False, took)
    if status:
        return SnmpReply("refused", line(status.prettyPrint(), 100), (), False, took)
    values = []
    for name, value in bindings[:1000]:
        kind = type(value).__name__
        gone = kind in ("NoSuchObject", "NoSuchInstance", "EndOfMibView")
        text = kind[0].lower() + kind[1:] if gone else clean(value.prettyPrint(), 4000)
        values.append((str(name), text))
    return SnmpReply("answered", "", tuple(values), True, took)
