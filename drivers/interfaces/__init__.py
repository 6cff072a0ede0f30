"""What suites and drivers agree on: the benches, what a probe can do with them, and typed replies."""

from drivers.interfaces.amf import *  # noqa: F403 - all that there was before there was a second bench
