"""Start an emulated network function, or change its settings: `python -m drivers.emulated amf --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from drivers.emulated import amf_config, core
from drivers.emulated.host import launcher


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; 0 when it did what it should, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m drivers.emulated", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    amf = commands.add_parser("amf", help="run the emulated AMF until SIGTERM")
    amf_config.arguments(amf)
    core.arguments(commands.add_parser("core", help="run the other functions of a core until SIGTERM"))
    launcher.arguments(commands.add_parser("host", help="run a hardened Debian userland until SIGTERM"))
    configure = commands.add_parser("configure", help="change settings of a running AMF, or print them")
    configure.add_argument("--oam", type=Path, required=True, metavar="FILE")
    configure.add_argument("settings", nargs="*", metavar="nas_integrity_order=NIA3,NIA2,NIA1")
    options = parser.parse_args(arguments)
    if options.command == "amf":
        from drivers.emulated.amf import Amf  # heavy: the codecs

        Amf(amf_config.config(options)).run()
        return 0
    if options.command == "host":
        return launcher.run(options)
    if options.command == "core":
        with core.running(options):
            return main(options.then) if options.then else core.wait()
    try:
        print(amf_config.configure(options.oam, options.settings))
    except (OSError, ValueError) as error:
        print(f"configure: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
