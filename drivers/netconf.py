"""NETCONF over SSH (RFC 6242): ncclient on a connection that is bounded and whose host key is checked."""

import logging
import time
from typing import Any

import paramiko
from lxml import etree
from ncclient.manager import Manager, make_device_handler
from ncclient.operations import RaiseMode
from ncclient.operations.errors import OperationError
from ncclient.transport import SSHSession
from ncclient.transport.errors import TransportError
from ncclient.xml_ import to_ele

from drivers.interfaces.replies import Login, Ran
from drivers.ssh import Client, Server
from drivers.ssh_channel import ALLOWANCE
from drivers.text import KEEP, clean, line

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
CHUNK = 32 << 10
MAX_REPLY = 4 << 20  # octets of one reply

logging.getLogger("ncclient").setLevel(logging.CRITICAL + 1)


class Netconf:
    """One NETCONF session; every reply is a `Ran`: status 0, or 1 with the errors of the reply."""

    def __init__(self, server: Server) -> None:
        self._client = Client(server)
        self._within = server.within
        self._session: _Session | None = None
        self._manager: Any = None

    def __enter__(self) -> "Netconf":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
        self._client.close()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the server announced in its hello."""
        if self._manager is None:
            return ()
        return tuple(line(str(one), 300) for one in list(self._manager.server_capabilities)[:2000])

    def login(self, user: str, password: str | None = None, *, key: str | None = None) -> Login:
        """Log in as `ssh.Client.login` does, and exchange hellos: "in" where both worked."""
        login = self._client.login(user, password, key=key)
        if login.outcome != "in":
            return login
        channel = self._client.subsystem("netconf")
        if channel is None:
            return Login("refused", "the server has no subsystem netconf for this user", login.seconds)
        handler = make_device_handler(None, None)
        session = _Session(handler, self._client, channel)
        try:
            session.greet(self._within)
            if not any("netconf:base:1." in str(one) for one in session.server_capabilities):
                raise TransportError("it announces no version of NETCONF")
        except Exception as error:
            session.close()
            return Login("closed", line(f"no hello: {error}", 300), login.seconds, host_key=login.host_key)
        self._session = session
        self._manager = Manager(session, handler, timeout=self._within, raise_mode=RaiseMode.NONE)
        return login

    def get(self, filter_xml: str = "") -> Ran:
        """<get>, with the content of a subtree filter or without."""
        inner = f'<filter type="subtree">{filter_xml}</filter>' if filter_xml else ""
        return self.call(f'<get xmlns="{BASE}">{inner}</get>')

    def get_config(self, source: str = "running", filter_xml: str = "") -> Ran:
        """<get-config> of a datastore."""
        inner = f'<filter type="subtree">{filter_xml}</filter>' if filter_xml else ""
        return self.call(f'<get-config xmlns="{BASE}"><source><{source}/></source>{inner}</get-config>')

    def edit(self, config_xml: str, target: str = "running") -> Ran:
        """<edit-config> with the content of <config>."""
        inner = f"<target><{target}/></target><config>{config_xml}</config>"
        return self.call(f'<edit-config xmlns="{BASE}">{inner}</edit-config>')

    def call(self, rpc_xml: str) -> Ran:
        """Any operation, as the element within <rpc>; ValueError where it is no XML."""
        try:
            element = to_ele(rpc_xml)
        except etree.XMLSyntaxError as error:
            raise ValueError(f"not XML: {line(str(error), 200)}") from error
        began = time.monotonic()
        if self._manager is None or self._session is None:
            return Ran(None, "", "", False, 0.0, "no session: not logged in")
        self._session.left = MAX_REPLY
        try:
            reply = self._manager.dispatch(element)
        except (OperationError, TransportError, paramiko.SSHException, etree.LxmlError, OSError) as error:
            problem = line(f"{type(error).__name__}: {error}", 300)
            return Ran(None, "", "", self._session.left < 0, time.monotonic() - began, problem)
        errors = [line(f"{e.tag}: {e.message}", 500) for e in (reply.errors or ())[:20]]
        out = clean(str(reply), KEEP)
        cut = len(str(reply)) > KEEP
        return Ran(1 if errors else 0, out, "\n".join(errors), cut, time.monotonic() - began)


class _Session(SSHSession):  # type: ignore[misc]
    """ncclient's session on a channel that is there already, with an end to what is read."""

    def __init__(self, handler: Any, client: Client, channel: paramiko.Channel) -> None:
        super().__init__(handler)
        self._client, self._transport, self._channel = client, channel.get_transport(), channel
        self._channel_id, self._channel_name = channel.get_id(), "netconf"
        self._handler = handler
        self.left = MAX_REPLY

    def greet(self, within: float) -> None:
        """Exchange hellos."""
        self._connected = True
        self._closing.clear()
        self._post_connect(within)
        self.parser = self._handler.get_xml_parser(self)

    def _transport_read(self) -> bytes:
        self._client.allow(ALLOWANCE)
        octets: bytes = self._channel.recv(CHUNK)
        self.left -= len(octets)
        if self.left < 0:
            raise TransportError(f"a reply of more than {MAX_REPLY >> 20} MiB")
        return octets
