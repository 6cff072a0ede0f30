"""Where traffic may go: the addresses that a profile declares, and nothing else."""

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from assay.errors import UndeclaredError

Address = tuple[str, int]
_declared: frozenset[Address] | None = None
_hosts: frozenset[str] = frozenset()


@contextmanager
def only(addresses: Iterable[Address], hosts: Iterable[str] = ()) -> Iterator[None]:
    """Within this block drivers send to these addresses, and to any port of these hosts, only.

    Without it nothing is declared nor refused.
    """
    global _declared, _hosts
    before = _declared, _hosts
    _declared, _hosts = frozenset(addresses), frozenset(_spelled(host) for host in hosts)
    try:
        yield
    finally:
        _declared, _hosts = before


def check(address: Address) -> None:
    """Raise UndeclaredError for an address that is not declared; client drivers ask before they connect."""
    if _declared is not None and address[:2] not in _declared and _spelled(address[0]) not in _hosts:
        known = ", ".join([*(f"{host}:{port}" for host, port in sorted(_declared)), *sorted(_hosts)])
        raise UndeclaredError(
            f"nothing was sent to {address[0]}:{address[1]}: the profile declares {known or 'none'} only"
        )


def check_host(host: str) -> None:
    """Raise UndeclaredError for a host whose every port may not be tried: scans and raw packets ask this."""
    if _declared is not None and _spelled(host) not in _hosts:
        known = ", ".join(sorted(_hosts))
        raise UndeclaredError(
            f"nothing was sent to any port of {host}: the profile declares {known or 'no host'} only"
        )


def _spelled(host: str) -> str:
    """An address as everybody spells it; a name as it stands."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host
