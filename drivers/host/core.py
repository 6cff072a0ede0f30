"""What every part of the bench around a host shares: declaration, journal, mask, and the evidence."""

import itertools
import json
import secrets
import string
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from assay.case import to_json
from assay.errors import UnseenError
from assay.evidence import EVENTS, Journal
from drivers.host.declared import Declared
from drivers.host.store import FactStore
from drivers.interfaces.amf import Timers
from drivers.interfaces.host import Document, Endpoint, Secret, User
from drivers.mask import Mask
from drivers.ssh import Client

ALPHABET = string.ascii_letters + string.digits
CHECK_S = 0.5  # between looks at what is waited for


class Core:
    """A lane: its own connections, journal and evidence; declaration, facts and mask are shared with others.

    Args:
        lane: its name; "0" runs alone.
        declared: what the vendor declares.
        store: the facts of the product.
        mask: takes secrets out of what is kept.
        timers: how long an answer may take.
        folder: where drivers of this lane leave captures and results until they are kept.
    """

    def __init__(
        self, lane: str, declared: Declared, store: FactStore, mask: Mask, timers: Timers, folder: Path
    ) -> None:
        self.lane, self.mask, self.timers = lane, mask, timers
        self.trace = Journal(mask.value)
        self.counts = {"connections": 0, "commands": 0}
        self._declared, self._store, self._folder = declared, store, folder
        self._admin: Client | None = None
        self._facts: dict[str, bytes] = {}
        self._captures = itertools.count(1)
        folder.mkdir(parents=True, exist_ok=True)

    def fresh(self, interfaces: Collection[str] = ()) -> None:
        """Forget what was before: a new variant begins."""
        self.trace.begin()
        self.counts = dict.fromkeys(self.counts, 0)
        self._facts = {}
        self._captures = itertools.count(1)
        for path in self._folder.iterdir():
            path.unlink()

    def close(self) -> None:
        """Let go of the product."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def keep(self) -> Iterator[tuple[str, bytes]]:
        """The evidence of the variant: file names and octets, without secrets."""
        events = [json.dumps(to_json(e), sort_keys=True, ensure_ascii=False) for e in self.trace.since()]
        yield EVENTS, ("\n".join(events) + "\n").encode()
        yield from self._facts.items()
        for path in sorted(self._folder.iterdir()):
            yield path.name, self.mask.octets(path.read_bytes())

    def _capture(self, link: str) -> str:
        """A name for a capture that nothing else has."""
        return f"{link}-{next(self._captures)}.pcapng"

    def _noted(self, interface: str, name: str, reply: Any, **facts: Any) -> str:
        """Keep an event for a reply of a driver; its reference."""
        told = {key: value for key, value in to_json(reply).items() if key not in ("ref", "at")}
        return self.trace.note(True, interface, name, **{**told, **facts}).ref

    def rest(self, seconds: float) -> None:
        self.trace.rest(seconds)

    # --- declared ----------------------------------------------------------------------------------------

    def declared(self, key: str) -> Any:
        return self._declared.get(key)

    def document(self, row: Mapping[str, Any]) -> tuple[Document, bytes]:
        document, octets = self._declared.document(row)
        self.trace.note(True, "declaration", "document", **to_json(document))
        return document, octets

    def endpoints(self, *via: str) -> tuple[Endpoint, ...]:
        return tuple(one for one in self._declared.endpoints() if not via or one.via in via)

    def users(
        self,
        role: str = "",
        *,
        endpoint: Endpoint | None = None,
        privileged: bool | None = None,
        aside: bool | None = None,
    ) -> tuple[User, ...]:
        return tuple(
            user
            for user in self._declared.users()
            if (not role or user.role == role)
            and (endpoint is None or not user.interfaces or endpoint.name in user.interfaces)
            and privileged in (None, user.privileged)
            and aside in (None, user.aside)
        )

    def secret(self, of: User | str = "", *, reference: str = "", text: str = "") -> Secret:
        if of:
            text = self._declared.password(name_of(of)) or ""
            if not text:
                raise UnseenError(f"not declared: a password of {name_of(of)} in accounts.test_users")
        if reference:
            return self._declared.secret(reference)
        if not text:  # long, of all classes, and without a word in it
            text = f"Aa1-{''.join(secrets.choice(ALPHABET) for _ in range(16))}"
        self.mask.learn(name_of(of) or "of the test", text)
        return Secret(text)

    def keypair(self) -> tuple[Secret, str]:
        key = ed25519.Ed25519PrivateKey.generate()
        openssh = serialization.PrivateFormat.OpenSSH
        text = key.private_bytes(serialization.Encoding.PEM, openssh, serialization.NoEncryption()).decode()
        kind = serialization.PublicFormat.OpenSSH
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, kind).decode()
        self.mask.learn("key of the test", text)
        return Secret(text), f"{public} assay"


def name_of(user: User | str) -> str:
    """The name of an account."""
    return user if isinstance(user, str) else user.name
