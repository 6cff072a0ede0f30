"""What the bench reads in a declaration: endpoints, accounts, access, and the secrets behind references."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.errors import LabError, UnseenError
from drivers import console
from drivers.host.certificates import self_signed
from drivers.interfaces.host import Document, Endpoint, Secret, User
from drivers.snmp import User as SnmpUser
from drivers.ssh import HostKeys, Server
from drivers.terminal import Terminal
from drivers.web import Site

MOST = 64 << 20  # octets of a document


class Declared:
    """A declaration as plain JSON.

    Args:
        tree: areas, each with its keys.
        folder: of the profile, which files are named from.
        secret: the text behind env:NAME or file:PATH.
        learn: told the name and text of every secret that comes into use.
    """

    def __init__(
        self,
        tree: Mapping[str, Mapping[str, Any]],
        folder: Path,
        secret: Callable[[str], str],
        learn: Callable[[str, str], None],
    ) -> None:
        self._tree, self._folder, self._secret, self._learn = tree, folder, secret, learn
        self.console = threading.Lock()  # which has room for one
        self._users = {one["name"]: one for one in self.rows("accounts.test_users")}
        for name, one in self._users.items():
            if one.get("secret"):
                learn(name, secret(one["secret"]))
        for reference in sorted(set(_references(tree))):
            learn(reference.partition(":")[2], secret(reference))

    def get(self, key: str) -> Any:
        """The value of `area.name`, None where it is not declared."""
        area, _, name = key.partition(".")
        return self._tree.get(area, {}).get(name)

    def rows(self, key: str) -> tuple[Any, ...]:
        """The entries of a list, none where it is not declared."""
        return tuple(self.get(key) or ())

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The management services, and the console."""
        found = [endpoint(row) for row in self.rows("oam.endpoints")]
        if (console := self.get("console.endpoint")) is not None:
            found.append(endpoint({"name": "console", **console, "via": "console"}))
        return tuple(found)

    def endpoint(self, name: str) -> Endpoint:
        """The management service of this name; UnseenError where it is not declared."""
        for one in self.endpoints():
            if one.name == name:
                return one
        raise UnseenError(f"not declared: an entry {name!r} of oam.endpoints")

    def users(self) -> tuple[User, ...]:
        """The harness's accounts."""
        return tuple(
            User(
                one["name"],
                one.get("role", ""),
                one.get("database", ""),
                tuple(one.get("interfaces", ())),
                bool(one.get("privileged")),
                bool(one.get("aside")),
            )
            for one in self._users.values()
        )

    def text(self, name: str) -> str:
        """The text of a file beside the profile."""
        return self._secret(f"file:{name}")

    def document(self, row: Mapping[str, Any]) -> tuple[Document, bytes]:
        """A document beside the profile, with what keeps it from being evidence."""
        name, wanted = str(row.get("file", "")), row.get("sha256")
        try:
            with (self._folder / name).open("rb") as file:
                octets = file.read(MOST + 1)
        except OSError as error:
            return Document(name, "", 0, error.strerror or "it cannot be read"), b""
        digest = hashlib.sha256(octets).hexdigest()
        problem = "it is empty" if not octets else "it is too large" if len(octets) > MOST else ""
        if wanted and wanted != digest:
            problem = f"its SHA-256 is {digest}, not the declared one"
        return Document(name, digest, len(octets), problem), octets

    def secret(self, reference: str) -> Secret:
        """What a reference names."""
        text = self._secret(reference)
        self._learn(reference.partition(":")[2], text)
        return Secret(text)

    def password(self, user: str) -> str | None:
        """The password of one of the harness's accounts, None where it has none."""
        reference = self._users.get(user, {}).get("secret")
        return self._secret(reference) if reference else None

    def key(self, user: str) -> str | None:
        """The private key of one of the harness's accounts, None where it has none."""
        reference = self._users.get(user, {}).get("key")
        return self._secret(reference) if reference else None

    def administrator(self) -> tuple[User, Endpoint, str, str]:
        """Who reads the product as root, where, the words before each command, and what these read first."""
        access = self.get("platform.host_access")
        if access is None or access["kind"] == "none":
            raise UnseenError("not declared: platform.host_access, so nothing can be read inside the product")
        users = {user.name: user for user in self.users()}
        named = access.get("user")
        user = users.get(named) if named else next((u for u in users.values() if u.privileged), None)
        if user is None:
            raise UnseenError("not declared: an entry of accounts.test_users that is privileged")
        name = access.get("endpoint") or next((e.name for e in self.endpoints() if e.via == "ssh"), "")
        asked = f"{self.password(user.name)}\n" if access.get("become_password") else ""
        return user, self.endpoint(name), access.get("become") or "", asked

    def server(self, where: Endpoint, *, source: str = "", within: float = 15.0) -> Server:
        """An SSH server with its declared host key; LabError where none is declared."""
        anchors = (self.get("pki.trust_anchors") or {}).get("product", {})
        given = where.more.get("host_key") or anchors.get(where.name)
        if not given:
            raise LabError(f"oam.endpoints {where.name}: no host_key is declared, so no secret is sent there")
        lines = [given] if given.startswith(("SHA256:", "ssh-", "ecdsa-")) else self.text(given).splitlines()
        return Server(where.address, where.port or 22, HostKeys(lines), source, within)

    def terminal(self, where: Endpoint) -> Terminal:
        """The console as a terminal: a port of a terminal server, a device, or a command."""
        if where.address:
            return console.port(where.address, where.port)
        if where.more.get("path"):
            return console.device(where.more["path"], int(where.more.get("baud") or 115_200))
        raise UnseenError("not declared: address and port, or path, of console.endpoint")

    def snmp_user(self, where: Endpoint, name: str, secret: str | None) -> SnmpUser:
        """A user of SNMPv3: `secret` is the authentication key, `key` in test_users the privacy key."""
        how = where.more.get("login") or {}
        auth, priv = secret if secret is not None else self.password(name), self.key(name)
        for text in filter(None, (auth, priv)):
            self._learn(name, text)
        return SnmpUser(
            name,
            how.get("auth", "SHA-256") if auth else "",
            auth or "",
            how.get("priv", "AES") if auth and priv else "",
            priv if auth and priv else "",
        )

    def site(self, where: Endpoint, *, source: str = "", within: float = 15.0) -> Site:
        """A web server with its declared issuer, and our certificate where it wants one."""
        anchors = self.get("pki.trust_anchors") or {}
        given = where.more.get("ca") or anchors.get("product", {}).get(where.name)
        if where.via == "https" and not given:
            raise LabError(f"{where.name}: no ca is declared, so no secret is sent there")
        tls, client, ours = where.via == "https", None, anchors.get("client")
        if ours and "certificate" in where.more.get("client_proof", ()):
            client = self._own(ours, "certificate")
        return Site(
            where.address,
            where.port or (443 if tls else 80),
            tls,
            self._folder / given if tls else None,
            client=client,
            source=source,
            within=within,
        )

    def client(self, which: str, folder: Path) -> tuple[Path, Path] | None:
        """A wrong certificate of a client and its key, None for none: "expired", or "foreign" (put there)."""
        ours = (self.get("pki.trust_anchors") or {}).get("client") or {}
        if which == "none":
            return None
        if which == "foreign":
            made = folder / "own.pem", folder / "key.pem"
            for path, text in zip(made, self_signed("assay"), strict=True):
                path.touch(0o600)
                path.write_text(text)
            return made
        if not ours.get(which):
            raise UnseenError(f"not declared: pki.trust_anchors.client.{which}")
        return self._own(ours, which)

    def _own(self, ours: Mapping[str, Any], which: str) -> tuple[Path, Path]:
        self.secret(ours["key"])
        return self._folder / ours[which], self._folder / ours["key"].removeprefix("file:")


def endpoint(row: Mapping[str, Any]) -> Endpoint:
    """One entry of a list of endpoints."""
    names = ("name", "via", "address", "port", "interface")
    more = {key: value for key, value in row.items() if key not in names}
    return Endpoint(**{name: row[name] for name in names if row.get(name) is not None}, more=more)


def _references(value: Any) -> Iterator[str]:
    """Every reference to a secret below a value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("secret", "key") and isinstance(item, str) and item.startswith(("env:", "file:")):
                yield item
            else:
                yield from _references(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _references(item)
