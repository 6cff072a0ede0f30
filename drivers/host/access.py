"""Ways into a host: attempts to log in, sessions, and commands as root."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from assay.case import Control
from assay.errors import UnseenError
from drivers import plaintext, snmp, ssh_legacy, tls_hello, tls_request, webload
from drivers.host.core import Core, name_of
from drivers.host.pages import WebSession
from drivers.host.sessions import ConsoleShell, SshShell, as_root, identified
from drivers.interfaces.host import Attempt, Endpoint, Secret, Shell, User
from drivers.interfaces.replies import (
    Login,
    Ran,
    Said,
    SnmpReply,
    SshAlgorithms,
    SshOffer,
    TlsAnswer,
    WebLoad,
    WebReply,
)
from drivers.ssh import Client, Server
from drivers.text import KEEP
from drivers.web import Agent


class Access(Core):
    """Logs in, and runs commands."""

    def login(
        self,
        endpoint: Endpoint,
        user: User | str,
        secret: Secret | str | None = None,
        *,
        method: str = "",
        source: str = "",
        new: Secret | None = None,
    ) -> Login:
        if endpoint.via in ("https", "http"):
            with self.web(endpoint, user, secret, source=source) as session:
                return session.login or Login("closed")
        if endpoint.via == "console":
            with self._console(endpoint, user, secret) as shell:
                return shell.login
        if endpoint.via == "snmp":
            return self._login_snmp(endpoint, user, secret, method, source)
        with self._opened(endpoint, user, secret, method, source, new) as (_, login):
            return login

    def _login_snmp(
        self, endpoint: Endpoint, user: User | str, secret: Secret | str | None, method: str, source: str
    ) -> Login:
        """Ask for one object by SNMP: with v1 and v2c the secret is the community, and there is no user."""
        version, name = method or "v3", name_of(user)
        if version == "v3":
            told = self.snmp(endpoint, user=user, secret=secret, source=source)
        else:
            told = self.snmp(endpoint, community=secret or "", version=version, source=source)
        outcome = "in" if told.outcome == "answered" else told.outcome
        login = Login(outcome, told.said, told.seconds, version, ref=told.ref, endpoint=endpoint.name)
        identity = name or version if outcome == "in" else ""
        return replace(login, user=name, source=source, at=self.trace.now, identity=identity)

    def snmp(
        self,
        endpoint: Endpoint,
        oid: str = snmp.SYSTEM,
        *,
        user: User | str | None = None,
        secret: Secret | str | None = None,
        community: Secret | str | None = None,
        version: str = "v2c",
        walk: bool = False,
        exact: bool = False,
        value: str | None = None,
        source: str = "",
        each: float = 0,
    ) -> SnmpReply:
        agent = snmp.Agent(endpoint.address, endpoint.port or 161, source, min(self.timers.answer_s, 5.0))
        if each:
            agent = replace(agent, within=each, retries=2)
        who: snmp.Community | snmp.User
        if user is not None:
            who = self._declared.snmp_user(endpoint, name_of(user), _plain(secret))
        elif version in ("v1", "v2c"):
            who = snmp.Community(_plain(community) or "", "v1" if version == "v1" else "v2c")
        else:
            raise UnseenError("SNMPv3 has users and no communities")
        self.counts["connections"] += 1
        if value is not None:
            reply = snmp.put(agent, who, oid, value)
        elif walk:
            reply = snmp.walk(agent, who, oid)
        else:
            reply = snmp.get(agent, who, oid) if exact else snmp.following(agent, who, oid)
        name = f"{'set' if value is not None else 'walk' if walk else 'get'} {oid}"
        return replace(reply, ref=self._noted("snmp", name, reply, endpoint=endpoint.name))

    @contextmanager
    def attempts(self, endpoint: Endpoint, *, source: str = "") -> Iterator[Attempt]:
        self.counts["connections"] += 1
        with Client(self._server(endpoint, source)) as client:

            def attempt(user: User | str, secret: Secret | str | None = None, *, method: str = "") -> Login:
                return self._attempt(client, endpoint, user, secret, method, source, None)

            yield attempt

    def ssh_offer(self, endpoint: Endpoint, user: User | str = "") -> SshOffer:
        self.counts["connections"] += 1
        with Client(self._server(endpoint)) as client:
            offer = client.offer(name_of(user) or "assay")
        return replace(offer, ref=self._noted("ssh", "offer", offer, endpoint=endpoint.name))

    def ssh_algorithms(self, endpoint: Endpoint) -> SshAlgorithms:
        self.counts["connections"] += 1
        found = ssh_legacy.algorithms(self._server(endpoint))
        return replace(found, ref=self._noted("ssh", "algorithms", found, endpoint=endpoint.name))

    def negotiates(self, endpoint: Endpoint, offer: Mapping[str, str]) -> Login:
        self.counts["connections"] += 1
        found = ssh_legacy.negotiates(self._server(endpoint), offer)
        found = replace(found, endpoint=endpoint.name, at=self.trace.now)
        return replace(found, ref=self._noted("ssh", "negotiation", found, offer=dict(offer)))

    def tls_offer(
        self,
        endpoint: Endpoint,
        version: str,
        suites: Sequence[str],
        *,
        groups: Sequence[str] = (),
        weak_signatures: bool = False,
    ) -> TlsAnswer:
        self.counts["connections"] += 1
        told = tls_hello.offer(
            endpoint.address,
            endpoint.port,
            version,
            suites,
            groups=groups or tuple(tls_hello.GROUPS),
            weak_signatures=weak_signatures,
            within=self.timers.answer_s,
        )
        what = {"endpoint": endpoint.name, "offer": version, "suites": list(suites), "groups": list(groups)}
        return replace(told, ref=self._noted("tls", "offer", told, **what, weak_signatures=weak_signatures))

    def tls_request(self, endpoint: Endpoint, version: str, suite: str = "", group: str = "") -> WebReply:
        self.counts["connections"] += 1
        site = self._declared.site(endpoint, within=self.timers.answer_s)
        path = str(endpoint.more.get("url") or "/")
        told = tls_request.get(site, path, version, suite, group)
        what = {"endpoint": endpoint.name, "version": version, "suite": suite, "group": group}
        return replace(told, ref=self._noted("tls", "request", told, asked=what))

    def plain(self, address: str, port: int, octets: bytes, *, within: float = 2.0) -> Said:
        self.counts["connections"] += 1
        said = plaintext.ask(address, port, octets, within=within)
        return replace(said, ref=self._noted("tcp", f"in clear to {address} port {port}", said))

    @contextmanager
    def web(
        self,
        endpoint: Endpoint,
        user: User | str | None = None,
        secret: Secret | str | None = None,
        *,
        source: str = "",
        certificate: Literal["own", "none", "foreign", "expired"] = "own",
    ) -> Iterator[WebSession]:
        def noted(name: str, reply: WebReply) -> str:
            self.counts["connections"] += 1
            return self._noted(endpoint.via, name, reply, endpoint=endpoint.name)

        site = self._declared.site(endpoint, source=source, within=self.timers.answer_s)
        with tempfile.TemporaryDirectory(prefix="assay-") as folder:
            if certificate != "own":
                site = replace(site, client=self._declared.client(certificate, Path(folder)))
            session = WebSession(Agent(site), noted)
            if user is not None:
                self._enter(session, endpoint, user, secret, source)
            yield session

    def _enter(
        self,
        session: WebSession,
        endpoint: Endpoint,
        user: User | str,
        secret: Secret | str | None,
        source: str,
    ) -> None:
        """Log in on a user agent as the endpoint declares it."""
        name, how = name_of(user), endpoint.more.get("login")
        if not how:
            raise UnseenError(f"not declared: how to log in at {endpoint.name} (login)")
        plain = _plain(secret)
        if plain is None:
            plain = self._declared.password(name) or ""
        if plain and not isinstance(secret, str):
            self.mask.learn(name, plain)
        login = session.enter(how, str(endpoint.more.get("url") or ""), name, plain)
        session.login = replace(login, endpoint=endpoint.name, source=source, at=self.trace.now)

    def load(
        self, endpoint: Endpoint, path: str, *, rate: float, seconds: float, marker: str = ""
    ) -> WebLoad:
        site = self._declared.site(endpoint, within=self.timers.answer_s)
        self.counts["connections"] += webload.CONNECTIONS
        found = webload.load(site, path, rate=rate, seconds=seconds, marker=marker)
        self.trace.imposed += seconds
        return replace(found, ref=self._noted(endpoint.via, f"load of {path}", found))

    @contextmanager
    def shell(
        self,
        user: User | str,
        secret: Secret | str | None = None,
        *,
        endpoint: Endpoint | None = None,
        terminal: bool = False,
    ) -> Iterator[Shell]:
        where = endpoint or next(iter(self.endpoints("ssh")), None)
        if where is None:
            raise UnseenError("not declared: an entry of oam.endpoints with via ssh")
        if where.via == "console":
            with self._console(where, user, secret) as console_shell:
                yield console_shell
            return
        with ExitStack() as stack:
            client, login = stack.enter_context(self._opened(where, user, secret))
            screen = client.terminal(within=self.timers.answer_s) if terminal else None
            if screen is not None:
                stack.callback(screen.close)

            def noted(name: str, reply: object) -> str:
                self.counts["commands"] += name == "command"
                return self._noted(where.via, name, reply, user=name_of(user))

            yield SshShell(client, login, screen, noted, self.timers.answer_s)

    @contextmanager
    def _console(
        self, endpoint: Endpoint, user: User | str, secret: Secret | str | None
    ) -> Iterator[ConsoleShell]:
        """The console, with one attempt to log in; who leaves it logs out."""
        name, plain = name_of(user), _plain(secret)
        if plain is None:
            plain = self._declared.password(name) or ""
        if plain:
            self.mask.learn(name, plain)

        def noted(what: str, reply: object) -> str:
            self.counts["commands"] += what == "command"
            return self._noted("console", what, reply, user=name)

        self.counts["connections"] += 1
        with self._declared.console, self._declared.terminal(endpoint) as screen:
            shell = ConsoleShell(screen, noted, self.timers.answer_s, endpoint.more.get("prompt"))
            login = shell.enter(name, plain)
            shell.login = replace(login, endpoint=endpoint.name, user=name, at=self.trace.now)
            yield shell
            shell.leave()

    @contextmanager
    def _opened(
        self,
        endpoint: Endpoint,
        user: User | str,
        secret: Secret | str | None,
        method: str = "",
        source: str = "",
        new: Secret | None = None,
    ) -> Iterator[tuple[Client, Login]]:
        """A connection with one attempt to log in on it."""
        self.counts["connections"] += 1
        with Client(self._server(endpoint, source)) as client:
            yield client, self._attempt(client, endpoint, user, secret, method, source, new)

    def _attempt(
        self,
        client: Client,
        endpoint: Endpoint,
        user: User | str,
        secret: Secret | str | None,
        method: str,
        source: str,
        new: Secret | None,
    ) -> Login:
        name, key = name_of(user), None
        plain = _plain(secret)
        if secret is None:
            plain, key = self._declared.password(name), self._declared.key(name)
        if method == "none":
            plain = key = None
        elif method == "publickey":
            plain, key = None, plain if secret is not None else key
        elif plain is not None:
            key = None
        public = isinstance(secret, str)  # a weak guess: masking a word like "admin" would spoil the record
        for text in filter(None, (None if public else plain, new.text if new else None)):
            self.mask.learn(name, text)
        login = client.login(
            name,
            plain,
            key=key,
            method="" if method == "publickey" else method,
            new_password=new.text if new else None,
        )
        login = identified(client, login, self.timers.answer_s)
        login = replace(login, endpoint=endpoint.name, user=name, source=source, at=self.trace.now)
        return replace(login, ref=self._noted(endpoint.via, "login", login))

    def _server(self, endpoint: Endpoint, source: str = "") -> Server:
        if endpoint.via != "ssh":
            raise UnseenError(f"the bench has no way to log in via {endpoint.via} ({endpoint.name})")
        return self._declared.server(endpoint, source=source, within=self.timers.answer_s)

    def leave(self) -> None:
        self.close()

    def root(self, command: str, *, input: str = "", within: float = 0) -> Ran:
        ran = replace(self._as_root(command, input, within), command=command, at=self.trace.now)
        return replace(ran, ref=self._noted("root", "command", ran))

    def _as_root(self, command: str, input: str = "", within: float = 0, keep: int = KEEP) -> Ran:
        """Run one command as root, on a connection that stays open; nothing is noted of it."""
        user, where, become, asked = self._declared.administrator()
        if self._admin is None or not self._admin.connected:
            self.close()
            self.counts["connections"] += 1
            self._admin = Client(self._server(where))
            password = self._declared.password(user.name)
            key = self._declared.key(user.name) if password is None else None
            login = self._admin.login(user.name, password, key=key)
            if login.outcome != "in":
                self.close()
                return Ran(None, "", "", False, login.seconds, f"{user.name} {login.outcome}: {login.said}")
        self.counts["commands"] += 1
        within = within or self.timers.answer_s
        return as_root(self._admin, command, become, asked + input, within=within, keep=keep)

    def alive(self, what: str = "the management interface lets the administrator in") -> Control:
        user, where, *_ = self._declared.administrator()
        login = self.login(where, user)
        saw = (
            f"{login.outcome} as {login.identity}"
            if login.identity
            else f"{login.outcome} {login.said}".strip()
        )
        return Control(what, login.identity == user.name, saw, login.seconds, (login.ref,))


def _plain(secret: Secret | str | None) -> str | None:
    return secret.text if isinstance(secret, Secret) else secret
