"""SCTP associations (RFC 9260), from the kernel where it has them, else from libusrsctp."""

import errno
import math
import os
import select
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal, Self

from assay.errors import LabError
from drivers import reach

Address = tuple[str, int]
Backend = Literal["kernel", "usrsctp"]

NGAP_PPID = 60  # TS 38.412 clause 7
STREAMS = 10
MAX_MESSAGE = 65_000  # octets, as capture.py can record; a peer that sends a longer message is not read on
SEND_BUFFER = 512 * 1024  # octets
PIECE = 16 * 1024  # octets read at once
CLOSE_S = 1.0  # a graceful shutdown that takes longer becomes an abort
SEND_S = 5.0  # a peer that opens no window for this long is reported

_IPPROTO_SCTP = 132


class AssociationLost(LabError):  # noqa: N818 - reads as what happened
    """The association is gone, so nothing can be sent on it any more."""


class Unreachable(LabError):  # noqa: N818 - reads as what happened
    """No association or listener could be set up; the text says where and what to do."""


@dataclass(frozen=True)
class Udp:
    """UDP encapsulation ports (RFC 6951); a listener learns the peer's port from its packets."""

    local: int
    peer: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.local < 65536 and 0 <= self.peer < 65536):
            raise ValueError(f"no UDP ports for SCTP: {self}")


@dataclass(frozen=True)
class Timers:
    """Failure detection (RFC 9260 section 16), in milliseconds and counts.

    The defaults see a dead peer after about 1 s with data outstanding and 3 s without; the RFC's own values
    take minutes. Fewer association retransmissions would make libusrsctp give up a healthy peer that keeps
    its receive window closed: there only heartbeats, not such a peer's SACKs, reset the error counter.
    """

    rto_initial: int = 100
    rto_min: int = 50
    rto_max: int = 200
    sack_delay: int = 20  # below rto_min, lest a peer with these timers retransmits in vain
    heartbeat: int = 500
    path_retransmissions: int = 1
    association_retransmissions: int = 4


FAST = Timers()


@dataclass(frozen=True)
class Datagram:
    """One whole user message with its stream and payload protocol identifier."""

    data: bytes
    stream: int
    ppid: int


class Ended(Enum):
    """How an association ended; once given, `receive` gives it again."""

    CLOSED = "the peer shut down"
    LOST = "aborted, or the peer no longer answers"


class Association(ABC):
    """One association; `send` may be called from any thread, `receive` from one at a time."""

    local: Address
    peer: Address
    streams: int  # outbound, as negotiated

    @abstractmethod
    def send(self, data: bytes, *, stream: int = 0, ppid: int = NGAP_PPID) -> None:
        """Queue one message, or raise AssociationLost if the association is gone.

        LabError if the peer is alive but opens no window for SEND_S seconds.
        """

    @abstractmethod
    def receive(self, timeout: float) -> Datagram | Ended | None:
        """The next message or the end; None if neither came within `timeout` seconds.

        A message longer than MAX_MESSAGE aborts the association and raises LabError.
        """

    @abstractmethod
    def close(self) -> None:
        """Shut down gracefully, or abort after CLOSE_S seconds; idempotent."""

    @abstractmethod
    def abort(self) -> None:
        """Send ABORT and forget the association; idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, data: bytes, stream: int) -> None:
        if not 0 < len(data) <= MAX_MESSAGE:
            raise ValueError(f"an SCTP message has 1 to {MAX_MESSAGE} octets, not {len(data)}")
        if not 0 <= stream < self.streams:
            raise ValueError(
                f"stream {stream} does not exist: {self.streams} outbound streams to {self.peer}"
            )

    def _gone(self) -> AssociationLost:
        return AssociationLost(
            f"the SCTP association {_text(self.local)} -> {_text(self.peer)} is gone: "
            "look at the peer's log and connect again"
        )

    def _stuck(self) -> LabError:
        return LabError(
            f"{_text(self.peer)} has taken no SCTP data for {SEND_S} s although it is alive: "
            "its receive window stays closed, look at what the peer is waiting for"
        )


class Listener(ABC):
    """A passive endpoint for one accepting thread; `address` holds the port that was really bound."""

    address: Address

    @abstractmethod
    def accept(self, timeout: float) -> Association | None:
        """The next association; None if none came within `timeout` seconds, or once closed."""

    @abstractmethod
    def close(self) -> None:
        """Stop listening; accepted associations live on; idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(
    peer: Address,
    *,
    local: Address | None = None,
    udp: Udp | None = None,
    streams: int = STREAMS,
    timeout: float = 5.0,
    timers: Timers = FAST,
    backend: Backend | None = None,
) -> Association:
    """Set up an association within `timeout` seconds, or raise Unreachable; UndeclaredError sends nothing.

    Without `local` the source address is the one address the kernel routes with, so that no other address
    of the machine is announced. Without `udp` SCTP runs directly over IP, for which libusrsctp needs
    CAP_NET_RAW.
    """
    reach.check(peer)
    if udp is not None and not udp.peer:
        raise ValueError(f"{udp} lacks the UDP port of {_text(peer)}")
    if (backend or _choose(udp)) == "kernel":
        return _KernelAssociation.connect(peer, local, udp, streams, timeout, timers)
    from drivers import _usrsctp

    return _usrsctp.connect(peer, local, udp, streams, timeout, timers)


def listen(
    address: Address,
    *,
    udp: Udp | None = None,
    streams: int = STREAMS,
    timers: Timers = FAST,
    backend: Backend | None = None,
) -> Listener:
    """Listen on `address` (port 0: any free one), or raise Unreachable."""
    if (backend or _choose(udp)) == "kernel":
        return _KernelListener(address, udp, streams, timers)
    from drivers import _usrsctp

    return _usrsctp.listen(address, udp, streams, timers)


def backends() -> dict[str, str]:
    """Each backend with "" if this machine can use it, else the reason and what to do about it."""
    from drivers import _usrsctp

    return {"kernel": _kernel_missing(), "usrsctp": _usrsctp.missing()}


def _choose(udp: Udp | None) -> Backend:
    if _kernel_missing() or (udp is not None and _kernel_udp_port() != udp.local):
        return "usrsctp"
    return "kernel"


# --- what both backends share ---------------------------------------------------------------------------


@dataclass
class Messages:
    """Puts together what the socket API (RFC 6458) delivers in pieces, and reads its notifications.

    The numbers of the notifications differ: `partial` is SCTP_PARTIAL_DELIVERY_EVENT, `comm_up` SCTP_COMM_UP.
    """

    partial: int
    comm_up: int
    up: bool = False
    _pieces: bytes = b""

    def data(self, piece: bytes, whole: bool, stream: int, ppid: int) -> Datagram | None:
        """Add a piece; the message once it is whole; LabError if it grows beyond MAX_MESSAGE."""
        self._pieces += piece
        if len(self._pieces) > MAX_MESSAGE:
            raise LabError(f"an SCTP message of more than {MAX_MESSAGE} octets arrived: association aborted")
        if not whole:
            return None
        message, self._pieces = Datagram(self._pieces, stream, ppid), b""
        return message

    def notice(self, piece: bytes) -> Ended | None:
        """Read a notification (RFC 6458 section 6.1); the end if it tells one."""
        kind = struct.unpack_from("=H", piece)[0] & 0x7FFF  # Linux counts from 0x8000
        if kind == 5:  # SCTP_SHUTDOWN_EVENT
            return Ended.CLOSED
        if kind == self.partial:  # the peer abandoned the message whose beginning we hold
            self._pieces = b""
        if kind != 1:  # SCTP_ASSOC_CHANGE
            return None
        state = struct.unpack_from("=H", piece, 8)[0] - self.comm_up
        self.up = self.up or state == 0
        # 1 COMM_LOST, 2 RESTART (the peer has forgotten all we agreed on), 3 SHUTDOWN_COMP, 4 CANT_STR_ASSOC
        return {1: Ended.LOST, 2: Ended.LOST, 3: Ended.CLOSED, 4: Ended.LOST}.get(state)


def resolve(address: Address) -> tuple[int, Address]:
    """Address family and numeric form of an address, or Unreachable."""
    try:
        family, _, _, _, found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    except OSError as problem:
        raise Unreachable(f"no such address: {_text(address)} ({problem})") from problem
    return family, (str(found[0]), int(found[1]))


def source_for(family: int, peer: Address) -> str:
    """The address this machine would use towards `peer`."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer[0], peer[1] or 9))
        except OSError as problem:
            raise Unreachable(f"no route to {_text(peer)} ({problem.strerror}): see `ip route`") from problem
        return str(probe.getsockname()[0])


def init_attempts(timeout: float, timers: Timers) -> int:
    """How often INIT is repeated so that the stack tries as long as the caller waits."""
    return min(max(math.ceil(timeout * 1000 / timers.rto_max), 1), 0xFFFF)


def not_bound(address: Address, problem: int) -> Unreachable:
    """Why an SCTP endpoint could not be bound, from its errno."""
    todo = {
        errno.EADDRINUSE: "another socket has it: choose another port or end its owner",
        errno.EADDRNOTAVAIL: f"it is on no interface: `ip addr add {address[0]}/32 dev lo` before the start",
        errno.EACCES: "ports below 1024 need root",
    }
    return Unreachable(f"cannot bind SCTP to {_text(address)}: {todo.get(problem, os.strerror(problem))}")


def no_answer(peer: Address, why: str) -> Unreachable:
    """An association that did not come up."""
    return Unreachable(f"no SCTP association with {_text(peer)}: {why}")


def _text(address: Address) -> str:
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


# --- the kernel's SCTP ----------------------------------------------------------------------------------

# linux/sctp.h
_RTOINFO, _ASSOCINFO, _INITMSG, _NODELAY, _PEER_ADDR_PARAMS, _STATUS, _DELAYED_SACK = 0, 1, 2, 3, 9, 14, 16
_RECVRCVINFO, _EVENT, _REMOTE_UDP_ENCAPS_PORT = 32, 127, 132
_CMSG_SNDINFO, _CMSG_RCVINFO = 2, 3
_SNDINFO, _RCVINFO = struct.Struct("=HHIIi"), struct.Struct("=HHHxxIIIIi")
_EVENTS = (0x8001, 0x8005, 0x8006)  # ASSOC_CHANGE, SHUTDOWN_EVENT, PARTIAL_DELIVERY_EVENT
_MSG_NOTIFICATION, _MSG_EOR = 0x8000, 0x80
_SPP_HB_ENABLE = 1


def _kernel_missing() -> str:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, _IPPROTO_SCTP).close()
    except OSError as problem:
        return f"this kernel has no SCTP ({problem.strerror}): `modprobe sctp`, or use libusrsctp"
    return ""


def _kernel_udp_port() -> int:
    try:
        return int(Path("/proc/sys/net/sctp/udp_port").read_text("ascii"))
    except OSError:  # before Linux 5.11
        return 0


def _kernel_socket(
    family: int, udp: Udp | None, streams: int, attempts: int, timers: Timers
) -> socket.socket:
    if udp is not None and _kernel_udp_port() != udp.local:
        raise Unreachable(
            f"the kernel's SCTP does not use UDP port {udp.local} (RFC 6951): "
            f"`sysctl -w net.sctp.udp_port={udp.local}`, or choose the backend usrsctp"
        )
    try:
        sock = socket.socket(family, socket.SOCK_STREAM, _IPPROTO_SCTP)
    except OSError:
        raise Unreachable(_kernel_missing()) from None
    any_address = struct.pack("=H126x", family)
    options = [
        (_RTOINFO, struct.pack("=iIII", 0, timers.rto_initial, timers.rto_max, timers.rto_min)),
        (_ASSOCINFO, struct.pack("=iHHIII", 0, timers.association_retransmissions, 0, 0, 0, 0)),
        (_INITMSG, struct.pack("=HHHH", streams, streams, attempts, timers.rto_max)),
        (_NODELAY, struct.pack("=i", 1)),
        (_DELAYED_SACK, struct.pack("=iII", 0, timers.sack_delay, 2)),
        (
            _PEER_ADDR_PARAMS,
            struct.pack("=i128sIHIIIIBx", 0, any_address, timers.heartbeat, timers.path_retransmissions,
                        0, 0, _SPP_HB_ENABLE, 0, 0),
        ),
        (_RECVRCVINFO, struct.pack("=i", 1)),
        *((_EVENT, struct.pack("=iHBx", 0, event, 1)) for event in _EVENTS),
    ]  # fmt: skip
    if udp is not None and udp.peer:
        options.append(
            (_REMOTE_UDP_ENCAPS_PORT, struct.pack("=i4x128s", 0, any_address) + struct.pack("!H6x", udp.peer))
        )
    try:
        for number, value in options:
            sock.setsockopt(_IPPROTO_SCTP, number, value)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        sock.setblocking(False)
    except OSError as problem:
        sock.close()
        raise LabError(f"the kernel's SCTP refused option {number}: {problem.strerror}") from problem
    return sock


def _wait(sock: socket.socket, events: int, timeout: float, waker: int = -1) -> bool:
    """True once `sock` is ready, or `waker` readable, within `timeout` seconds."""
    poll = select.poll()
    poll.register(sock, events)
    if waker >= 0:
        poll.register(waker, select.POLLIN)
    return bool(poll.poll(max(timeout, 0) * 1000))


class _KernelAssociation(Association):
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._messages = Messages(partial=6, comm_up=0)
        self._sending, self._reading = threading.Lock(), threading.Lock()
        self._waker = os.eventfd(0)  # readable once we give up: whoever waits leaves
        self._ended: Ended | None = None
        self.local = sock.getsockname()[:2]
        try:
            self.peer = sock.getpeername()[:2]
            status = sock.getsockopt(_IPPROTO_SCTP, _STATUS, 176)
        except OSError:  # accepted, and already gone: receive will say so
            self.peer, self.streams = ("", 0), 0
        else:
            self.streams = struct.unpack_from("=H", status, 18)[0]

    @classmethod
    def connect(
        cls,
        peer: Address,
        local: Address | None,
        udp: Udp | None,
        streams: int,
        timeout: float,
        timers: Timers,
    ) -> Self:
        family, peer = resolve(peer)
        local = resolve(local)[1] if local else (source_for(family, peer), 0)
        sock = _kernel_socket(family, udp, streams, init_attempts(timeout, timers), timers)
        try:
            _bind(sock, local)
            problem = sock.connect_ex(peer)
            if problem == errno.EINPROGRESS:
                up = _wait(sock, select.POLLOUT, timeout)
                problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if up else errno.ETIMEDOUT
            if problem == errno.ECONNREFUSED:
                raise no_answer(peer, "refused (ABORT): does the peer listen on this port?")
            if problem:
                raise no_answer(
                    peer, f"{os.strerror(problem)} ({timeout} s): is it up, and does the path pass SCTP?"
                )
        except BaseException:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
            sock.close()
            raise
        return cls(sock)

    def send(self, data: bytes, *, stream: int = 0, ppid: int = NGAP_PPID) -> None:
        if self._ended:
            raise self._gone()
        self._check(data, stream)
        info = [(_IPPROTO_SCTP, _CMSG_SNDINFO, _SNDINFO.pack(stream, 0, socket.htonl(ppid), 0, 0))]
        deadline = time.monotonic() + SEND_S
        with self._sending:
            while self._ended is None:
                try:
                    self._sock.sendmsg([data], info, socket.MSG_NOSIGNAL)
                except BlockingIOError:
                    if not self._wait(select.POLLOUT, deadline):
                        raise self._stuck() from None
                except OSError as problem:
                    raise self._gone() from problem
                else:
                    return
        raise self._gone()

    def receive(self, timeout: float) -> Datagram | Ended | None:
        deadline = time.monotonic() + timeout
        with self._reading:
            while self._ended is None:
                try:
                    data, ancillary, flags, _ = self._sock.recvmsg(PIECE, 128)
                except BlockingIOError:
                    if not self._wait(select.POLLIN, deadline):
                        return None
                    continue
                except OSError:
                    self._ended = self._ended or Ended.LOST
                    break
                if not data:
                    self._ended = Ended.CLOSED
                elif flags & _MSG_NOTIFICATION:
                    self._ended = self._ended or self._messages.notice(data)
                elif message := self._message(data, ancillary, bool(flags & _MSG_EOR)):
                    return message
            return self._ended

    def _message(self, data: bytes, ancillary: list[tuple[int, int, bytes]], whole: bool) -> Datagram | None:
        (info,) = (
            value for level, kind, value in ancillary if (level, kind) == (_IPPROTO_SCTP, _CMSG_RCVINFO)
        )
        stream, _, _, ppid, *_ = _RCVINFO.unpack(info)
        try:
            return self._messages.data(data, whole, stream, socket.ntohl(ppid))
        except LabError:
            self._ended = Ended.LOST
            self._let_go()
            raise

    def close(self) -> None:
        deadline = time.monotonic() + CLOSE_S
        with suppress(OSError, LabError):  # it may be gone
            self._sock.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0 and not isinstance(self.receive(left), Ended):
                pass
        self.abort()

    def abort(self) -> None:
        self._ended = self._ended or Ended.LOST
        if self._waker >= 0:
            os.eventfd_write(self._waker, 1)
        with self._sending, self._reading:
            self._let_go()
            waker, self._waker = self._waker, -1
        if waker >= 0:
            os.close(waker)

    def _let_go(self) -> None:
        if self._sock.fileno() >= 0 and self._ended is not Ended.CLOSED:
            # for a one-to-one socket Linux sends ABORT only thus: SCTP_ABORT is refused
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        self._sock.close()

    def _wait(self, events: int, deadline: float) -> bool:
        return _wait(self._sock, events, deadline - time.monotonic(), self._waker)


def _bind(sock: socket.socket, address: Address) -> None:
    try:
        sock.bind(address)
    except OSError as problem:
        raise not_bound(address, problem.errno or 0) from problem


class _KernelListener(Listener):
    def __init__(self, address: Address, udp: Udp | None, streams: int, timers: Timers) -> None:
        family, address = resolve(address)
        self._sock = _kernel_socket(family, udp, streams, 0, timers)
        try:
            _bind(self._sock, address)
            self._sock.listen(128)
        except BaseException:
            self._sock.close()
            raise
        self.address = self._sock.getsockname()[:2]
        self._accepting, self._waker = threading.Lock(), os.eventfd(0)

    def accept(self, timeout: float) -> Association | None:
        with self._accepting:
            if self._waker < 0 or not _wait(self._sock, select.POLLIN, timeout, self._waker):
                return None
            try:
                sock, _ = self._sock.accept()
            except BlockingIOError:  # closed, or the association is gone again
                return None
            sock.setblocking(False)
            return _KernelAssociation(sock)

    def close(self) -> None:
        if self._waker >= 0:
            os.eventfd_write(self._waker, 1)
        with self._accepting:
            self._sock.close()
            waker, self._waker = self._waker, -1
        if waker >= 0:
            os.close(waker)
