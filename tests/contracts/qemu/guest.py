"""Process 1 of the qemu guest: runs the SCTP contract on the kernel's own stack and powers off.

On the host, `python3 guest.py files` lists every file that this needs, for the initramfs.
"""

import codecs
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[3]), str(HERE.parent)]

import contract  # noqa: E402

UDP_PORT = 9899  # IANA's for SCTP in UDP (RFC 6951)
MODULES = Path("/modules")
_libc = ctypes.CDLL(None, use_errno=True)


class Lab(contract.Lab):
    """Forks its peers: here the start of an interpreter takes most of a second."""

    @contextmanager
    def peer(self, role: str, port: int = 0) -> Iterator[contract.Peer]:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.dup2(writing, 1)
            try:
                contract.main(role, self.backend, self.host, str(port), str(self.theirs), str(self.ours))
            finally:
                os._exit(0)
        os.close(writing)

        def kill() -> None:
            os.kill(child, signal.SIGKILL)

        with os.fdopen(reading) as output, contract.Peer(output, kill, self.host) as peer:
            yield peer
        os.waitpid(child, 0)


def the_wire(lab: contract.Lab) -> None:
    with contract.sniffed() as packets:
        contract.assert_the_wire(lab, packets)


LABS = (
    ("ip", Lab("kernel"), contract.CONTRACT),
    ("wire", Lab("kernel"), (the_wire,)),
    ("udp", Lab("kernel", ours=UDP_PORT, theirs=UDP_PORT), contract.CONTRACT),
    ("ipv6", Lab("kernel", "::1"), contract.BRIEF),
)


def tell(*words: object) -> None:
    """One line for the host; it reads those that begin with @."""
    print("@", *words, flush=True)


def check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def prepare() -> None:
    """Mounts, kernel modules in their order, loopback, and SCTP's UDP port."""
    for kind, where in ((b"proc", b"/proc"), (b"devtmpfs", b"/dev")):
        check(_libc.mount(kind, where, kind, 0, None), f"mount {where!r}")
    for module in sorted(MODULES.iterdir()):
        with module.open("rb") as image:
            check(_libc.syscall(313, image.fileno(), b"", 0), f"finit_module {module.name}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        # SIOCSIFFLAGS with IFF_UP | IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
    deadline = time.monotonic() + contract.BOUND
    while "00000000000000000000000000000001" not in Path("/proc/net/if_inet6").read_text("ascii"):
        assert time.monotonic() < deadline, "::1 did not come"
        time.sleep(0.01)
    Path("/proc/sys/net/sctp/udp_port").write_text(str(UDP_PORT), "ascii")


def run() -> None:
    for name, lab, contracts in LABS:
        for one in contracts:
            begun, problem = time.monotonic(), ""
            try:
                one(lab)
            except Exception:  # whatever it is, the next one runs
                problem = traceback.format_exc().replace("\n", "|")
            tell(name, one.__name__, f"{time.monotonic() - begun:.2f}", problem or "ok")


def files() -> None:
    """Print what the interpreter has loaded once everything has been used at least once."""
    import concurrent.futures.thread  # noqa: F401 - loaded at first use

    for encoding in ("ascii", "idna", "latin-1"):
        codecs.lookup(encoding)

    for module in list(sys.modules.values()):
        for path in (getattr(module, "__file__", None), getattr(module, "__cached__", None)):
            if path and Path(path).exists():
                print(path)


if __name__ == "__main__":
    if sys.argv[1:] == ["files"]:
        files()
    else:
        try:
            prepare()
            run()
            tell("done")
        except BaseException:
            tell("broken", traceback.format_exc().replace("\n", "|"))
        finally:
            time.sleep(0.1)  # the last line is on its way through the serial port
            _libc.reboot(0x4321FEDC)  # RB_POWER_OFF
