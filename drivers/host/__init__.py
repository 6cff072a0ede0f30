"""The bench around an operating system."""

from drivers.host.bench import HostBench as HostBench
