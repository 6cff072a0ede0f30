"""TC_MUTUAL_AUTHENTICATION_MANAGEMENT_INTERFACES: both ends of a management connection prove who they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Endpoint, HostBench, Secret, User
from drivers.interfaces.replies import Login
from testsuites.ts_33_117.outbound import (
    Link,
    Wrong,
    arrives,
    judge_links,
    pointed,
    refuses,
    uploaded,
)
from testsuites.ts_33_117.services import listeners, peer

CASE = "TC_MUTUAL_AUTHENTICATION_MANAGEMENT_INTERFACES"
UNPROVEN = ("http", "telnet", "ftp", "tftp")  # where no server proves who it is
REFUSED = ("refused", "closed")
Certificate = Literal["own", "none", "foreign", "expired"]


def _enter(
    host: HostBench,
    at: Endpoint,
    user: User | str,
    secret: Secret | str | None,
    method: str = "",
    certificate: Certificate = "own",
) -> Login:
    if at.via == "https" and certificate != "own":
        with host.web(at, user, secret, certificate=certificate) as web:
            return web.login or Login("closed")
    return host.login(at, user, secret, method=method)


# --- A: the legitimate peer --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """A service, how each side is declared to prove itself, and a login of who may use it."""

    name: str
    via: str
    server_proof: str
    client_proof: tuple[str, ...]
    login: Login | None  # None: nobody is declared who may use it


@dataclass(frozen=True)
class Seen(Observation):
    peers: tuple[Peer, ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    for one in seen.peers:
        ref = one.login.ref if one.login else ""
        if one.via in UNPROVEN or one.server_proof == "none":
            return failed(f"{one.name} ({one.via}) does not prove who it is", ref)
        if "none" in one.client_proof:
            return failed(f"{one.name} is declared to want no proof of its peer", ref)
        if one.login and one.login.outcome == "untrusted":
            return failed(f"{one.name} is not who it is declared to be: {one.login.said}", ref)
    for one in seen.peers:
        if one.login is None:
            return inconclusive(f"not declared: who may use {one.name} (accounts.test_users)")
        if not (one.server_proof and one.client_proof):
            return inconclusive(f"not declared: server_proof and client_proof of {one.name}")
        if one.login.outcome != "in" or not one.login.identity:
            return inconclusive(
                f"{one.login.user} at {one.name}: {one.login.outcome} {one.login.said}", one.login.ref
            )
    if not seen.peers:
        return inconclusive("not declared: a service of oam.endpoints that is reached over a network")
    return unsound([seen.alive]) or passed(
        f"at {', '.join(one.name for one in seen.peers)} the product proved who it is, and its peer got in"
    )


@case(CASE, judge, "A")
def test_legitimate_peer(host: HostBench) -> Seen:
    for name in ("sshd", "snmpd"):
        host.fact(name)  # for the evidence: what is configured
    peers = []
    for at in listeners(host):
        user, secret = peer(host, at)
        login = _enter(host, at, user, secret) if user else None
        proof = str(at.more.get("server_proof") or ""), tuple(at.more.get("client_proof") or ())
        peers.append(Peer(at.name, at.via, *proof, login))
    return Seen(tuple(peers), host.alive())


# --- B: an illegitimate peer -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Try:
    """A wrong proof, with a login with the right one before and after it."""

    at: str
    via: str
    what: str
    before: Login
    login: Login | None  # None: what it takes is not declared
    after: Login


@dataclass(frozen=True)
class Tries(Observation):
    services: tuple[str, ...]
    tries: tuple[Try, ...]
    alive: Control


def judge_tries(seen: Tries) -> Verdict:
    for one in seen.tries:
        if one.login and one.login.outcome == "in":
            return failed(f"{one.at}: {one.what} was let in", one.login.ref)
    for one in seen.tries:
        for right in (one.before, one.after):
            if right.outcome != "in" or not right.identity:
                said = f"{right.outcome} {right.said}".strip()
                return inconclusive(f"{one.at}: around {one.what} the right peer: {said}", right.ref)
        if one.login is None:
            return inconclusive(f"not declared: {one.what} of ours for {one.at} (pki.trust_anchors)")
        if one.login.outcome not in REFUSED and not (one.via == "snmp" and one.login.outcome == "silence"):
            said = f"{one.login.outcome} {one.login.said}".strip()
            return inconclusive(f"{one.at}: {one.what}: {said}", one.login.ref)
    if lacking := [name for name in seen.services if name not in {one.at for one in seen.tries}]:
        return inconclusive(f"nothing wrong could be tried at {', '.join(lacking)}")
    if not seen.tries:
        return inconclusive("not declared: a service of oam.endpoints that is reached over a network")
    return unsound([seen.alive]) or passed(f"each of {len(seen.tries)} wrong proofs was refused")


def _wrong(
    host: HostBench, at: Endpoint, own: Secret | None
) -> Iterator[tuple[str, Secret | str | None, str, Certificate]]:
    """Wrong proofs for a service: what, the secret, the method of login, and the certificate."""
    proofs = at.more.get("client_proof") or ()
    if at.via == "ssh":
        yield "an unknown key", host.keypair()[0], "publickey", "own"
    if at.via == "snmp":
        yield "a wrong authentication key", host.secret(), "", "own"
        yield "a known user without authentication", "", "", "own"
    elif "password" in proofs or "token" in proofs:
        yield f"a wrong {'password' if 'password' in proofs else 'token'}", host.secret(), "", "own"
    if at.via == "https" and "certificate" in proofs:
        yield "no certificate", own, "", "none"
        yield "a certificate of another CA", own, "", "foreign"
        yield "an expired certificate", own, "", "expired"


@case(CASE, judge_tries, "B")
def test_illegitimate_peer(host: HostBench) -> Tries:
    tries = []
    client = (host.declared("pki.trust_anchors") or {}).get("client") or {}
    services = listeners(host)
    for at in services:
        user, own = peer(host, at)
        if not user:
            continue
        before = _enter(host, at, user, own)
        for what, secret, method, certificate in _wrong(host, at, own):
            lacking = certificate == "expired" and not client.get("expired")
            login = None if lacking else _enter(host, at, user, secret, method, certificate)
            after = _enter(host, at, user, own)
            tries.append(Try(at.name, at.via, what, before, login, after))
            before = after
    return Tries(tuple(one.name for one in services), tuple(tries), host.alive())


# --- C: the product as a client ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Links(Observation):
    links: tuple[Link, ...]
    others: tuple[str, ...]  # links for which the harness has no server, or lacks how to use them
    alive: Control


def judge_client(seen: Links) -> Verdict:
    if doubt := judge_links(seen.links):
        return doubt
    if seen.others or not seen.links:
        return inconclusive(
            f"not tried: {', '.join(seen.others) or 'there is no link in oam.outbound_links'}"
        )
    return unsound([seen.alive]) or passed(
        f"{', '.join(one.name for one in seen.links)}: nothing was sent to a server that is not the right one"
    )


@case(CASE, judge_client, "C")
def test_product_as_client(host: HostBench) -> Links:
    links, others = [], []
    wrong: tuple[Wrong, ...]
    host.stimulus()
    peer = str(((host.declared("pki.trust_anchors") or {}).get("collector") or {}).get("name") or "")
    for row in host.declared("oam.outbound_links"):
        name = str(row.get("name"))
        if row.get("via") == "syslog-tls" and row.get("trigger"):
            with host.collector("tls") as collector:
                port = collector.port
                pointed(host, row, address=collector.address, port=port, peer=peer)
                good = arrives(host, row["trigger"], collector, "a record reaches the right collector")
            wrong, again = (), good
            if good.worked:
                wrong = (refuses(host, row["trigger"], port, "foreign"),)
                with host.collector("tls", port=port) as collector:
                    again = arrives(host, row["trigger"], collector, "a record reaches it again")
            links.append(Link(name, good, wrong, again))
        elif row.get("via") == "sftp":
            good, _ = uploaded(host, row)
            _, other = uploaded(host, row, right=False)
            again, _ = uploaded(host, row)
            links.append(Link(name, good, (other,), again))
        else:
            others.append(f"{name} ({row.get('via')})")
    return Links(tuple(links), tuple(others), host.alive())
