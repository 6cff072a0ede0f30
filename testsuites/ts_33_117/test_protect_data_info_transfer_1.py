"""TC_PROTECT_DATA_INFO_TRANSFER_1: management traffic is protected, by nothing that is known to be weak."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces import tls_suites
from drivers.interfaces.host import Endpoint, HostBench, Secret, User
from drivers.interfaces.replies import Exchange, Login, SnmpReply, SshAlgorithms, TlsAnswer
from testsuites.ts_33_117.common import first
from testsuites.ts_33_117.protocols import (
    EVERY,
    PSEUDO,
    SSH_NEVER,
    SSH_OFFERS,
    VERSIONS,
    Profile,
    declared,
    offered_tls,
    outside,
    profile_of,
)
from testsuites.ts_33_117.services import listeners, peer

CASE = "TC_PROTECT_DATA_INFO_TRANSFER_1"
VIAS = ("ssh", "https", "snmp")
COMMUNITIES = ("public", "private")
EACH_S = 0.7  # between the three times that an SNMP request is sent


def _enter(host: HostBench, at: Endpoint) -> Login:
    user, secret = peer(host, at)
    return host.login(at, user, secret) if user else Login("closed", "nobody is declared who may use it")


# --- A: declared and offered -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Service:
    """What a service is declared to offer, and what it offered when each was asked for."""

    name: str
    via: str
    declared: Profile
    offered: Profile
    problem: str
    ref: str


@dataclass(frozen=True)
class Offered(Observation):
    services: tuple[Service, ...]
    alive: Control


def judge(seen: Offered) -> Verdict:
    for one in seen.services:
        if odd := _outside(one):
            return failed(f"{one.name} is declared to take what is weak: {', '.join(odd[:5])}", one.ref)
        for key in sorted(one.declared.keys() & one.offered.keys()):
            if not one.problem and (more := sorted(set(one.offered[key]) - set(one.declared[key]))):
                return failed(f"{one.name} takes {key} that are not declared: {', '.join(more)}", one.ref)
            if not one.problem and (less := sorted(set(one.declared[key]) - set(one.offered[key]))):
                return failed(f"{one.name} does not take the declared {key} {', '.join(less)}", one.ref)
    for one in seen.services:
        if one.via not in VIAS:
            return inconclusive(f"the harness has no way to ask {one.name} ({one.via}) what it offers")
        if one.problem or not one.offered or not all(one.offered.values()):
            return inconclusive(f"what {one.name} offers was not seen: {one.problem or 'nothing'}", one.ref)
        if lacking := sorted(one.offered.keys() - one.declared.keys()):
            return inconclusive(f"not declared: {', '.join(lacking)} in the security profile of {one.name}")
    if not seen.services:
        return inconclusive("not declared: a service of oam.endpoints that is reached over a network")
    return unsound([seen.alive]) or passed(
        f"{', '.join(one.name for one in seen.services)} offer what is declared, and that is not weak"
    )


def _outside(one: Service) -> list[str]:
    suites = one.declared.get("ciphers", ()) if one.via == "https" else ()
    return outside(one.via, one.declared) + [name for name in suites if tls_suites.weak(name)]


@case(CASE, judge, "A")
def test_declared_and_offered(host: HostBench) -> Offered:
    for name in ("sshd", "snmpd"):
        host.fact(name)  # for the evidence: what is configured
    services = []
    for at in listeners(host):
        offered, problem, ref = _offered(host, at)
        services.append(Service(at.name, at.via, profile_of(host, at), offered, problem, ref))
    return Offered(tuple(services), host.alive())


def _offered(host: HostBench, at: Endpoint) -> tuple[Profile, str, str]:
    """What a service takes, each asked for alone or by enumeration."""
    if at.via == "ssh":
        lists = host.ssh_algorithms(at)
        named = {"kex": lists.kex, "host_keys": lists.host_keys, "ciphers": lists.ciphers, "macs": lists.macs}
        real = {key: tuple(x for x in every if not re.fullmatch(PSEUDO, x)) for key, every in named.items()}
        return real, lists.problem, lists.ref
    if at.via == "snmp":
        login = _enter(host, at)
        found = ("3",) if login.outcome == "in" else ()
        took = [one.version for one in _communities(host, at) if one.reply.outcome == "answered"]
        return {"versions": (*found, *dict.fromkeys(took))}, "" if found else login.said, login.ref
    if at.via == "https":
        return offered_tls(host, at)
    return {}, "", ""


# --- B: what has to work -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Combination:
    """One declared combination that was offered alone; `said` is empty where the product did not decide."""

    at: str
    what: str
    took: bool
    said: str
    ref: str


@dataclass(frozen=True)
class Works(Observation):
    entered: tuple[Login, ...]  # with the usual offer, at each service
    tried: tuple[Combination, ...]
    services: tuple[str, ...]
    alive: Control


def judge_works(seen: Works) -> Verdict:
    for login in seen.entered:
        if login.outcome != "in":
            return inconclusive(f"{login.endpoint}: {login.outcome} {login.said}".strip(), login.ref)
    for one in seen.tried:
        if not one.took and not one.said:
            return inconclusive(f"{one.at}: {one.what} alone: nothing came", one.ref)
        if not one.took:
            return failed(f"{one.at} does not take the declared {one.what}: {one.said}", one.ref)
    tried = {one.at for one in seen.tried}
    if lacking := [name for name in seen.services if name not in tried]:
        return inconclusive(f"no declared combination could be tried at {', '.join(lacking)}")
    if len(seen.entered) < len(seen.services) or not seen.tried:
        return inconclusive("nobody is declared who may use a service, or there is none")
    return unsound([seen.alive]) or passed(f"each of {len(seen.tried)} declared combinations works alone")


@case(CASE, judge_works, "B")
def test_declared_works(host: HostBench) -> Works:
    entered, tried = [], []
    every = listeners(host)
    for at in every:
        if at.via in VIAS:
            entered.append(replace(_enter(host, at), endpoint=at.name))
            tried += list(_combinations(host, at, profile_of(host, at)))
    return Works(tuple(entered), tuple(tried), tuple(one.name for one in every), host.alive())


def _combinations(host: HostBench, at: Endpoint, profile: Profile) -> Iterator[Combination]:
    names = {"kex": "KexAlgorithms", "host_keys": "HostKeyAlgorithms", "ciphers": "Ciphers", "macs": "MACs"}
    if at.via == "ssh":
        plain = ",".join(
            one for one in profile.get("ciphers", ()) if "gcm" not in one and "poly1305" not in one
        )
        for key, option in names.items():
            for one in profile.get(key, ()):
                offer = {option: one} | ({"Ciphers": plain} if key == "macs" and plain else {})
                login = host.negotiates(at, offer)
                said = login.said if login.outcome == "incompatible" else ""
                yield Combination(at.name, one, login.outcome in ("refused", "in"), said, login.ref)
    elif at.via == "https":
        suites = declared(host, at).get("ciphers", ())
        offers = [("1.3" if one.startswith("TLS_") else "1.2", one, "") for one in suites]
        offers += [
            ("1.3", "", group) for group in profile.get("groups", ()) if "1.3" in profile.get("versions", ())
        ]
        for version, suite, group in offers:
            told = host.tls_request(at, version, suite, group)
            took = told.outcome == "answered" and told.tls.startswith(f"TLSv{version} {suite}")
            clear = told.outcome == "answered" or "alert" in told.said  # a lost connection says nothing of it
            said = f"{told.outcome} {told.tls} {told.said}".strip() if clear else ""
            yield Combination(at.name, f"{version} {suite or group}", took, said, told.ref)
    elif at.via == "snmp":
        login = _enter(host, at)
        said = login.said if login.outcome == "refused" else ""
        yield Combination(at.name, "SNMPv3 authPriv", login.outcome == "in", said, login.ref)


# --- C: what is weak is refused ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Tls:
    """A weak offer of TLS and the answer."""

    at: str
    what: str
    answer: TlsAnswer


@dataclass(frozen=True)
class Old:
    """A request of SNMPv1 or v2c, or of v3 without authentication, and the answer."""

    at: str
    version: str
    what: str
    reply: SnmpReply


@dataclass(frozen=True)
class Clear:
    """Octets in clear to a port, and what came back."""

    where: str
    sent: str
    said: str
    ref: str


@dataclass(frozen=True)
class Weak(Observation):
    before: tuple[Login, ...]
    lists: tuple[tuple[str, SshAlgorithms], ...]
    ssh: tuple[tuple[str, Login], ...]  # a weak offer, and what came of it
    tls: tuple[Tls, ...]
    good: tuple[Tls, ...]  # permitted offers by the same hand-built hello
    snmp: tuple[Old, ...]
    clear: tuple[Clear, ...]
    exchange: Exchange
    exposed: dict[str, int]  # text of management pages in the capture
    probes: int  # how often our own probe is there
    after: tuple[Login, ...]
    alive: Control


def judge_weak(seen: Weak) -> Verdict:
    if verdict := _taken(seen) or _unseen(seen) or unsound([seen.alive]):
        return verdict
    asked = f"{len(seen.ssh)} weak offers of SSH, {len(seen.tls)} of TLS, {len(seen.snmp)} requests of SNMP"
    return passed(f"{asked} and {len(seen.clear)} in clear got nothing")


def _taken(seen: Weak) -> Verdict | None:
    """FAIL for the first weak thing that the product took."""
    for name, lists in seen.lists:
        if lists.version and not lists.version.startswith("SSH-2.0"):
            return failed(f"{name} identifies itself as {lists.version}", lists.ref)
        every = (*lists.kex, *lists.host_keys, *lists.ciphers, *lists.macs)
        if never := [one for one in every if SSH_NEVER.fullmatch(one)]:
            return failed(f"{name} offers {', '.join(never[:5])}", lists.ref)
    for what, login in seen.ssh:
        if login.outcome in ("in", "refused"):
            return failed(f"{login.endpoint} takes {what}", login.ref)
    for one in seen.tls:
        if _weak(one):
            told = f"{one.answer.version} {one.answer.suite}"
            return failed(f"{one.at} takes {one.what}: {told}", one.answer.ref)
    for old in seen.snmp:
        if old.reply.outcome == "answered":
            return failed(f"{old.at} answers {old.version} with {old.what}", old.reply.ref)
    for clear in seen.clear:
        if re.match(r"HTTP/1\.[01] (2|3(?![\s\S]{0,4000}\n(?i:location): *https://)|401)", clear.said):
            return failed(f"{clear.where} serves in clear: {clear.said.splitlines()[0]}", clear.ref)
        if re.search(r"(?i)\b(login|username|password) ?: *$|^\\xff[\\]x(fb|fd)", clear.said):
            return failed(f"{clear.where} asks who is there, in clear", clear.ref)
    for text, count in seen.exposed.items():
        if count:
            return failed(f"{text!r} of a management page crossed the link in clear", seen.exchange.ref)
    return None


def _weak(one: Tls) -> bool:
    answer = one.answer
    if answer.outcome != "chosen":
        return False
    if one.what == "short DH":
        return 0 < answer.dh_bits < 2048
    if one.what == "MD5 or SHA-1 signatures":
        return answer.signature in ("md5", "sha1")
    return answer.version in VERSIONS[:3] or bool(tls_suites.weak(answer.suite))


def _unseen(seen: Weak) -> Verdict | None:
    """INCONCLUSIVE where a refusal proves nothing."""
    for login in (*seen.before, *seen.after):
        if login.outcome != "in":
            return inconclusive(f"{login.endpoint}: {login.outcome} {login.said}".strip(), login.ref)
    if not seen.before or len(seen.before) != len(seen.after):
        return inconclusive("nobody is declared who may use a service, or there is none")
    for name, lists in seen.lists:
        if lists.problem or not (lists.version and lists.kex):
            return inconclusive(f"what {name} offers was not seen: {lists.problem}", lists.ref)
    for one in seen.good:
        if one.answer.outcome != "chosen":
            return inconclusive(
                f"{one.at}: {one.what}: {one.answer.outcome} {one.answer.said}", one.answer.ref
            )
    if {one.at for one in seen.tls} != {one.at for one in seen.good}:
        return inconclusive("no permitted offer of TLS was tried beside the weak ones")
    for one in seen.tls:
        if one.what == "short DH" and one.answer.outcome == "chosen" and not one.answer.dh_bits:
            return inconclusive(f"{one.at}: the size of the group was not seen", one.answer.ref)
    if seen.exchange.cut or seen.exchange.problem or not seen.exposed:
        return inconclusive("the link was not captured as a whole", seen.exchange.ref)
    if not seen.probes:
        return inconclusive("our own octets in clear are not in the capture", seen.exchange.ref)
    return None


PROBE = "/assay-in-clear"


@case(CASE, judge_weak, "C")
def test_weak_is_refused(host: HostBench) -> Weak:
    every = [one for one in listeners(host) if one.via in VIAS]
    https = [one for one in every if one.via == "https"]
    link = first(
        (one.interface for one in every if one.interface), "the interface of an entry of oam.endpoints"
    )
    with host.watching(link) as so_far:
        before = tuple(replace(_enter(host, at), endpoint=at.name) for at in every)
        lists = tuple((at.name, host.ssh_algorithms(at)) for at in every if at.via == "ssh")
        ssh = tuple(found for at in every if at.via == "ssh" for found in _ssh(host, at))
        tls = tuple(found for at in https for found in _tls(host, at))
        good = tuple(Tls(at.name, "what is permitted", _first(host, at)) for at in https)
        snmp = tuple(
            old for at in every if at.via == "snmp" for old in (*_communities(host, at), *_open(host, at))
        )
        clear = tuple(_clear(host))
        after = tuple(replace(_enter(host, at), endpoint=at.name) for at in every)
        seen = so_far()
    markers = sorted({str((one.more.get("login") or {}).get("marker") or "") for one in https} - {""})
    found = host.carried(seen, *markers, PROBE)
    exposed = {one: found[one] for one in markers} or {PROBE: 0}
    kept = replace(seen, heard=())
    return Weak(before, lists, ssh, tls, good, snmp, clear, kept, exposed, found[PROBE], after, host.alive())


def _first(host: HostBench, at: Endpoint) -> TlsAnswer:
    """The first permitted version that is taken."""
    answer = host.tls_offer(at, "1.3", tls_suites.good("1.3"))
    return answer if answer.outcome == "chosen" else host.tls_offer(at, "1.2", tls_suites.good("1.2"))


def _ssh(host: HostBench, at: Endpoint) -> Iterator[tuple[str, Login]]:
    for offer in SSH_OFFERS:
        what = next(iter(offer.values()))
        try:
            yield what, host.negotiates(at, offer)
        except ValueError:
            continue  # our own client no longer speaks it: the list of the server decides


def _tls(host: HostBench, at: Endpoint) -> Iterator[Tls]:
    for version in VERSIONS[:3]:
        yield Tls(at.name, version, host.tls_offer(at, version, EVERY))
    for kind in tls_suites.WEAK:
        yield Tls(at.name, kind, host.tls_offer(at, "1.2", tls_suites.of_class(kind)))
    good = tls_suites.good("1.2")
    short = [one for one in good if one.startswith("DHE_")]
    yield Tls(at.name, "short DH", host.tls_offer(at, "1.2", short))
    signed = host.tls_offer(at, "1.2", good, weak_signatures=True)
    yield Tls(at.name, "MD5 or SHA-1 signatures", signed)


def _communities(host: HostBench, at: Endpoint) -> Iterator[Old]:
    declared: list[str | Secret] = [host.secret(reference=str(one)) for one in at.more.get("communities", ())]
    for number, one in enumerate([*COMMUNITIES, *declared]):
        for version in ("v1", "v2c"):
            reply = host.snmp(at, community=one, version=version, each=EACH_S)
            what = f"the community {one}" if isinstance(one, str) else f"declared community {number - 1}"
            yield Old(at.name, version, what, reply)


def _open(host: HostBench, at: Endpoint) -> Iterator[Old]:
    user, _ = peer(host, at)
    names: tuple[tuple[str, User | str], ...] = (("an unknown user", "assay"), ("a known user", user))
    for what, name in names:
        if name:
            reply = host.snmp(at, user=name, secret="", each=EACH_S)
            yield Old(at.name, "v3 without authentication", what, reply)


def _clear(host: HostBench) -> Iterator[Clear]:
    """An HTTP request and a negotiation of Telnet in clear, to each service and to ports 80 and 23."""
    tcp = {(one.address, one.port) for one in listeners(host) if one.via != "snmp"}
    tcp |= {(one.address, port) for one in listeners(host) for port in (80, 23)}
    for address, port in sorted(tcp):
        http = f"GET / HTTP/1.0\r\nX-Assay: {PROBE}\r\n\r\n".encode()
        for what, octets in (("HTTP", http), ("Telnet", b"\xff\xfd\x18\xff\xfd\x20\xff\xfb\x01")):
            said = host.plain(address, port, octets, within=2.0)
            yield Clear(f"port {port} of {address}", what, said.text if said.which == 0 else "", said.ref)
