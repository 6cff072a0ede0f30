"""The exceptions of the harness: only the lab and the user raise, a product never does."""


class AssayError(Exception):
    """Root of everything raised on purpose; its text says what was wrong, where, and what to do."""


class UsageError(AssayError):
    """The command line, a profile or a campaign folder is wrong (exit code 4)."""


class ProfileError(UsageError):
    """A profile that cannot be used: names the file, the line, what is wrong and what would be right."""


class LabError(AssayError):
    """The harness, the machine or the network between us and the product failed: an ERROR, never a FAIL."""


class UndeclaredError(LabError):
    """Traffic to an address that the profile does not declare was refused before a byte left."""


class UnseenError(LabError):
    """The bench cannot see, or cannot alter, what a test case is about: nothing can be decided."""


class UnrestoredError(LabError):
    """The product could not be put back as it was: nothing more is run on it."""
