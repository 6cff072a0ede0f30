"""An emulated core without an AMF: functions with subscribers of their own, for a bench that is their SCP."""

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.emulated.amf_config import _plmn, _slice, _socket
from drivers.interfaces import Subscriber

FUNCTIONS = ("nrf", "ausf", "ausf2", "ausf3", "ausf4", "udm", "pcf", "nssf", "smf", "nssaaf")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options of the emulated core."""
    add = parser.add_argument
    for name in FUNCTIONS:
        add(
            f"--{name}",
            type=_socket,
            metavar="ADDRESS:PORT",
            help="where it listens; default: it is not there",
        )
    add("--plmn", type=_plmn, required=True, metavar="MCC-MNC")
    add("--slice", type=_slice, action="append", required=True, metavar="SST[-SD]", help="may be repeated")
    add(
        "--more-slice",
        type=_slice,
        action="append",
        default=[],
        metavar="SST[-SD]",
        help="served, but in no subscription",
    )
    add("--first-imsi", required=True)
    add("--count", type=int, default=5000, help="of subscribers; default: %(default)s")
    add("--k", type=Path, required=True, metavar="FILE", help="their key, hexadecimal")
    add("--opc", type=Path, required=True, metavar="FILE")
    add("then", nargs=argparse.REMAINDER, help="another command, to run in the same process: amf ...")


@contextmanager
def running(options: argparse.Namespace) -> Iterator[None]:
    """The core, listening."""
    from drivers.emulated.peers import Peers  # heavy, and nothing for whoever only changes a setting
    from drivers.emulated.untraced import Untraced

    k, opc = (bytes.fromhex(path.read_text("ascii")) for path in (options.k, options.opc))
    first, digits = int(options.first_imsi), len(options.first_imsi)
    imsis = (str(first + n).zfill(digits) for n in range(options.count))
    subscribers = {one.supi: one for one in (Subscriber(imsi, k, opc) for imsi in imsis)}
    endpoints = {name: getattr(options, name) for name in FUNCTIONS if getattr(options, name)}
    plmn = options.plmn.mcc, options.plmn.mnc
    of = (Untraced(), subscribers, plmn, options.slice, endpoints)
    peers = Peers(*of, more_slices=options.more_slice)
    peers.start()
    try:
        yield
    finally:
        peers.close()


def wait() -> int:
    """Say that the core is ready, and wait for SIGTERM or SIGINT."""
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    print("core ready", flush=True)
    end.wait()
    return 0
