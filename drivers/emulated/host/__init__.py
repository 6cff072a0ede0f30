"""A hardened Debian userland in namespaces of its own, on which the general test cases are proven."""


class HostError(Exception):
    """It cannot be built or started on this machine; the text says what is missing and what to do."""
