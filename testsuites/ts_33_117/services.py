"""The management services of a product: each listener once, and who may use it."""

from drivers.interfaces.host import Endpoint, HostBench, Secret, User


def listeners(host: HostBench) -> tuple[Endpoint, ...]:
    """The services reached over a network, each listener once."""
    every = (one for one in host.endpoints() if one.via != "console")
    return tuple({(one.via, one.address, one.port): one for one in reversed(list(every))}.values())[::-1]


def peer(host: HostBench, at: Endpoint) -> tuple[User | str, Secret | None]:
    """Who may use a service, with the secret where it is not an account's; "" where nobody is declared."""
    named = [one for one in host.users(endpoint=at) if at.name in one.interfaces or not one.interfaces]
    for user in sorted(named, key=lambda one: (one.aside, one.privileged)):
        return user, None
    if at.more.get("secret"):
        return at.name, host.secret(reference=str(at.more["secret"]))
    return "", None
