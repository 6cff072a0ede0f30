"""Where traffic may go: the addresses that a profile declares, and nothing else."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from assay.errors import UndeclaredError

Address = tuple[str, int]
_declared: frozenset[Address] | None = None


@contextmanager
def only(addresses: Iterable[Address]) -> Iterator[None]:
    """Within this block drivers send to these addresses only; without it nothing is declared nor refused."""
    global _declared
    before, _declared = _declared, frozenset(addresses)
    try:
        yield
    finally:
        _declared = before


def check(address: Address) -> None:
    """Raise UndeclaredError for an address that is not declared; client drivers ask before they connect."""
    if _declared is not None and address[:2] not in _declared:
        known = ", ".join(f"{host}:{port}" for host, port in sorted(_declared))
        raise UndeclaredError(
            f"nothing was sent to {address[0]}:{address[1]}: the profile declares {known or 'none'} only"
        )
