"""The userland SCTP stack libusrsctp through cffi: one per process, over raw IP or UDP (RFC 6951)."""

import atexit
import errno
import ipaddress
import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from assay.errors import LabError
from drivers import sctp

if TYPE_CHECKING:
    from cffi import FFI

LIBRARY = "libusrsctp.so.2"
RECEIVE_BUDGET = 1024 * 1024  # octets held per association; beyond it we stop reading and the window closes

_DECLARATIONS = """
    int capget(void *, void *);
    int capset(void *, const char *);
    void usrsctp_init(uint16_t, void *, void *);
    int usrsctp_finish(void);
    int usrsctp_sysctl_set_sctp_blackhole(uint32_t);
    int usrsctp_sysctl_set_sctp_no_csum_on_loopback(uint32_t);
    void *usrsctp_socket(int, int, int, void *, void *, uint32_t, void *);
    int usrsctp_setsockopt(void *, int, int, const char *, uint32_t);
    int usrsctp_getsockopt(void *, int, int, void *, uint32_t *);
    int usrsctp_set_non_blocking(void *, int);
    int usrsctp_set_upcall(void *, void (*)(void *, void *, int), void *);
    int usrsctp_bind(void *, const char *, uint32_t);
    int usrsctp_listen(void *, int);
    void *usrsctp_accept(void *, void *, uint32_t *);
    int usrsctp_connect(void *, const char *, uint32_t);
    int usrsctp_shutdown(void *, int);
    void usrsctp_close(void *);
    int usrsctp_getladdrs(void *, uint32_t, void **);
    void usrsctp_freeladdrs(void *);
    ssize_t usrsctp_sendv(void *, const char *, size_t, void *, int, void *, uint32_t, unsigned, int);
    ssize_t usrsctp_recvv(void *, void *, size_t, void *, void *, void *, uint32_t *, unsigned *, int *);
"""

# usrsctp.h; the numbers are FreeBSD's, not Linux's
_SCTP = 132
_RTOINFO, _ASSOCINFO, _INITMSG, _NODELAY, _PEER_ADDR_PARAMS = 1, 2, 3, 4, 10
_DELAYED_SACK, _EVENT, _RECVRCVINFO, _REMOTE_UDP_ENCAPS_PORT, _STATUS = 0x0F, 0x1E, 0x1F, 0x24, 0x100
_EVENTS = (1, 5, 7)  # ASSOC_CHANGE, SHUTDOWN_EVENT, PARTIAL_DELIVERY_EVENT
_MSG_NOTIFICATION, _MSG_EOR, _ABORT, _SENDV_SNDINFO, _SPP_HB_ENABLE = 0x2000, 0x80, 0x0200, 1, 1
_SNDINFO, _RCVINFO = struct.Struct("=HHIII"), struct.Struct("=HHHxxIIIII")
_CAP_NET_RAW = 13


def missing() -> str:
    """ "" if the library can be loaded, else the reason and what to install."""
    try:
        _load()
    except LabError as problem:
        return str(problem)
    return ""


def _load() -> "tuple[FFI, Any]":
    try:
        from cffi import FFI
    except ImportError:
        raise LabError("the Python package cffi is missing: `pip install cffi`") from None
    ffi = FFI()
    ffi.cdef(_DECLARATIONS)
    try:
        # NODELETE: the stack's threads may outlive every reference to the library
        return ffi, ffi.dlopen(LIBRARY, os.RTLD_NOW | os.RTLD_NODELETE)
    except OSError:
        raise LabError(f"{LIBRARY} is not installed: `apt-get install libusrsctp2`") from None


class _Stack:
    """The one stack of this process: begun at the first socket, ended at exit."""

    def __init__(self) -> None:
        self.ffi, self.lib = _load()
        self._lock = threading.Condition()
        self._process: int | None = None
        self._port = 0
        self._users: set[_User] = set()
        self._listeners: dict[int, threading.Event] = {}
        # one callback for ever and a number as its argument: a late call must find no freed object
        self._upcall = self.ffi.callback("void(void *, void *, int)", self._wake)
        atexit.register(self._exit)

    def socket(self, user: "_User", family: int, udp: sctp.Udp | None) -> Any:
        """A new socket owned by `user`; begins the stack or reports why it cannot."""
        with self._lock:
            self._begin(udp)
            so = self.lib.usrsctp_socket(
                family, socket.SOCK_STREAM, _SCTP, self.ffi.NULL, self.ffi.NULL, 0, self.ffi.NULL
            )
            if not so:
                raise LabError(f"libusrsctp gives no socket: {os.strerror(self.ffi.errno)}")
            self._users.add(user)
            return so

    def adopt(self, user: "_User") -> None:
        with self._lock:
            self._users.add(user)

    def release(self, user: "_User") -> None:
        with self._lock:
            self._users.discard(user)
            self._lock.notify_all()

    def watch(self, so: Any, event: threading.Event) -> None:
        """Set `event` whenever something happens to the listening socket `so`."""
        self._listeners[id(event)] = event
        self.lib.usrsctp_set_upcall(so, self._upcall, self.ffi.cast("void *", id(event)))

    def unwatch(self, event: threading.Event) -> None:
        self._listeners.pop(id(event), None)

    def _wake(self, _so: Any, number: Any, _flags: int) -> None:
        event = self._listeners.get(int(self.ffi.cast("uintptr_t", number)))
        if event is not None:
            event.set()

    def _begin(self, udp: sctp.Udp | None) -> None:
        port = udp.local if udp else 0
        if self._process is not None:
            if self._process != os.getpid():
                raise LabError("libusrsctp does not survive a fork: start the child with spawn or exec")
            if port == self._port:
                return
            if any(user.wanted for user in self._users) or not self._finish():
                raise sctp.Unreachable(
                    f"SCTP of this process already runs over {_carrier(self._port)}, and libusrsctp has one "
                    f"such carrier: for {_carrier(port)} close all associations or start another process"
                )
        if port:
            _check_udp(port)
            # else root's stack would also hear raw IP, and answer for another on the same address
            with _without_raw_ip(self.ffi):
                self.lib.usrsctp_init(port, self.ffi.NULL, self.ffi.NULL)
        else:
            _check_raw()
            self.lib.usrsctp_init(0, self.ffi.NULL, self.ffi.NULL)
        self._port, self._process = port, os.getpid()
        # a raw socket sees all SCTP of the machine: do not abort what belongs to others
        self.lib.usrsctp_sysctl_set_sctp_blackhole(2)
        # a capture is evidence, and a kernel peer drops packets without a checksum
        self.lib.usrsctp_sysctl_set_sctp_no_csum_on_loopback(0)

    def _finish(self) -> bool:
        """End the stack once the last socket is closed; False if one is still there after two seconds."""
        deadline = time.monotonic() + 2.0
        if not self._lock.wait_for(lambda: not self._users, 2.0):
            return False
        while self.lib.usrsctp_finish() != 0:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)  # no event tells when the last closed endpoint is gone
        self._process = None
        return True

    def _exit(self) -> None:
        if self._process != os.getpid():
            return
        for user in list(self._users):
            user.abort()
        with self._lock:
            self._finish()


_stack_lock = threading.Lock()
_the_stack: _Stack | None = None


def _stack() -> _Stack:
    global _the_stack
    with _stack_lock:
        _the_stack = _the_stack or _Stack()
        return _the_stack


def _carrier(port: int) -> str:
    return f"UDP port {port}" if port else "raw IP"


@contextmanager
def _without_raw_ip(ffi: "FFI") -> Iterator[None]:
    """Take CAP_NET_RAW from this thread for a while, so that the stack opens no raw sockets."""
    libc: Any = ffi.dlopen(None)
    header, sets = ffi.new("char[]", struct.pack("=Ii", 0x20080522, 0)), ffi.new("char[]", 24)
    if libc.capget(header, sets) < 0:
        raise LabError(f"cannot read the capabilities of this process: {os.strerror(ffi.errno)}")
    before = bytes(ffi.buffer(sets, 24))
    effective, *others = struct.unpack("=6I", before)
    libc.capset(header, struct.pack("=6I", effective & ~(1 << _CAP_NET_RAW), *others))
    try:
        yield
    finally:
        libc.capset(header, before)


def _check_raw() -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, _SCTP).close()
    except PermissionError:
        raise sctp.Unreachable(
            "SCTP over raw IP needs CAP_NET_RAW: run as root, or encapsulate it in UDP (udp=..., RFC 6951)"
        ) from None


def _check_udp(port: int) -> None:
    # usrsctp_init says nothing about a failed bind: every association would just time out
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(("", port))
        except OSError as problem:
            if problem.errno in (errno.EADDRINUSE, errno.EACCES):
                raise sctp.Unreachable(
                    f"UDP port {port} for encapsulated SCTP cannot be bound ({problem.strerror}): "
                    "choose another port for this process, or end its owner (`ss -ulpn`)"
                ) from problem


def _pack(family: int, address: sctp.Address) -> bytes:
    host, port = address
    if family == socket.AF_INET:
        return struct.pack("=H", family) + struct.pack("!H4s8x", port, socket.inet_aton(host))
    found = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)[0][4]  # turns %eth0 into a number
    scope = int(found[3]) if len(found) == 4 else 0
    packed = socket.inet_pton(family, host.partition("%")[0])
    return struct.pack("=H", family) + struct.pack("!HI16s", port, 0, packed) + struct.pack("=I", scope)


def _unpack(raw: bytes) -> sctp.Address:
    (family,) = struct.unpack_from("=H", raw)
    (port,) = struct.unpack_from("!H", raw, 2)
    start, size = (4, 4) if family == socket.AF_INET else (8, 16)
    return socket.inet_ntop(family, raw[start : start + size]), port


class _User:
    """Holds one usrsctp socket; `_lock` guards every call that must not meet its closing."""

    def __init__(self, stack: _Stack, so: Any = None) -> None:
        self._stack, self._lib, self._ffi = stack, stack.lib, stack.ffi
        self._so = so
        self._lock = threading.Lock()
        self.wanted = True  # False once its owner has let go, though it may still be ending

    def abort(self) -> None:
        raise NotImplementedError

    def _open(
        self,
        family: int,
        local: sctp.Address,
        udp: sctp.Udp | None,
        streams: int,
        attempts: int,
        timers: sctp.Timers,
    ) -> sctp.Address:
        """Make, configure and bind the socket; the address with the port that was bound."""
        self._so = self._stack.socket(self, family, udp)
        try:
            for number, value in _options(family, udp, streams, attempts, timers):
                if self._lib.usrsctp_setsockopt(self._so, _SCTP, number, value, len(value)) < 0:
                    raise LabError(f"libusrsctp refused option {number:#x}: {os.strerror(self._ffi.errno)}")
            size = struct.pack("=i", sctp.SEND_BUFFER)
            self._lib.usrsctp_setsockopt(self._so, socket.SOL_SOCKET, socket.SO_SNDBUF, size, len(size))
            name = _pack(family, local)
            if self._lib.usrsctp_bind(self._so, name, len(name)) < 0:
                raise sctp.not_bound(local, self._ffi.errno)
            return local[0], self._bound()[1]
        except BaseException:
            self._close()
            raise

    def _bound(self) -> sctp.Address:
        found = self._ffi.new("void **")
        if self._lib.usrsctp_getladdrs(self._so, 0, found) < 1:
            raise LabError(f"libusrsctp tells no local address: {os.strerror(self._ffi.errno)}")
        try:
            return _unpack(bytes(self._ffi.buffer(found[0], 28)))
        finally:
            self._lib.usrsctp_freeladdrs(found[0])

    def _close(self) -> None:
        with self._lock:
            so, self._so = self._so, None
            if so is not None:
                self._lib.usrsctp_close(so)
        self._stack.release(self)


def _options(
    family: int, udp: sctp.Udp | None, streams: int, attempts: int, timers: sctp.Timers
) -> list[tuple[int, bytes]]:
    any_address = struct.pack("=H126x", family)
    options = [
        (_RTOINFO, struct.pack("=IIII", 0, timers.rto_initial, timers.rto_max, timers.rto_min)),
        (_ASSOCINFO, struct.pack("=IIIIHH", 0, 0, 0, 0, timers.association_retransmissions, 0)),
        (_INITMSG, struct.pack("=HHHH", streams, streams, attempts, timers.rto_max)),
        (_NODELAY, struct.pack("=i", 1)),
        (_DELAYED_SACK, struct.pack("=III", 0, timers.sack_delay, 2)),
        (
            _PEER_ADDR_PARAMS,
            any_address
            + struct.pack(
                "=IIIIIHBx", 0, timers.heartbeat, 0, _SPP_HB_ENABLE, 0, timers.path_retransmissions, 0
            ),
        ),
        (_RECVRCVINFO, struct.pack("=i", 1)),
        *((_EVENT, struct.pack("=IHBx", 0, event, 1)) for event in _EVENTS),
    ]
    if udp is not None and udp.peer:
        options.append(
            (_REMOTE_UDP_ENCAPS_PORT, any_address + struct.pack("=I", 0) + struct.pack("!Hxx", udp.peer))
        )
    return options


class _Association(sctp.Association, _User):
    """An association with a thread of its own that reads, blocking, into a bounded queue.

    No Python runs on the stack's own threads, so a long hold of the interpreter lock (garbage collection, a
    big import) delays our answers but never SACKs or heartbeats: the peer does not take us for dead.
    """

    def __init__(self, stack: _Stack, so: Any = None) -> None:
        _User.__init__(self, stack, so)
        self._info = self._ffi.new("char[]", _SNDINFO.size)
        self._messages = sctp.Messages(partial=7, comm_up=1)
        self._inbox: deque[sctp.Datagram | LabError] = deque()
        self._held = 0
        self._ended: sctp.Ended | None = None
        self._errno = 0
        self._state = threading.Lock()
        self._ready, self._room = threading.Condition(self._state), threading.Condition(self._state)
        self._reader = threading.Thread(target=self._read, name="sctp-reader", daemon=True)
        self.streams = 0

    def connect(
        self,
        peer: sctp.Address,
        local: sctp.Address | None,
        udp: sctp.Udp | None,
        streams: int,
        timeout: float,
        timers: sctp.Timers,
    ) -> None:
        family, self.peer = sctp.resolve(peer)
        source = sctp.resolve(local)[1] if local else (sctp.source_for(family, self.peer), 0)
        self.local = self._open(family, source, udp, streams, sctp.init_attempts(timeout, timers), timers)
        name = _pack(family, self.peer)
        self._lib.usrsctp_set_non_blocking(self._so, 1)
        begun = self._lib.usrsctp_connect(self._so, name, len(name))
        if begun < 0 and self._ffi.errno != errno.EINPROGRESS:
            self._close()
            raise sctp.no_answer(self.peer, os.strerror(self._ffi.errno))
        self._reader.start()
        try:
            with self._state:
                self._ready.wait_for(lambda: self._messages.up or self._ended or not self.wanted, timeout)
            if not self._messages.up:
                raise sctp.no_answer(self.peer, self._why(timeout))
        except BaseException:
            self.abort()
            raise
        self._negotiated()

    def accepted(self, local: sctp.Address, peer: sctp.Address) -> None:
        self.local, self.peer = local, peer
        self._messages.up = True
        self._negotiated()
        self._lib.usrsctp_set_non_blocking(self._so, 0)
        self._reader.start()

    def send(self, data: bytes, *, stream: int = 0, ppid: int = sctp.NGAP_PPID) -> None:
        if self._so is None:
            raise self._gone()
        self._check(data, stream)
        deadline = time.monotonic() + sctp.SEND_S
        while not self._sent(data, _SNDINFO.pack(stream, 0, socket.htonl(ppid), 0, 0)):
            if time.monotonic() > deadline:
                raise self._stuck()
            time.sleep(0.001)  # the send buffer is full: that much is under way

    def receive(self, timeout: float) -> sctp.Datagram | sctp.Ended | None:
        with self._state:
            if not self._inbox and self._ended is None:
                self._ready.wait_for(lambda: self._inbox or self._ended, timeout)
            if not self._inbox:
                return self._ended
            item = self._inbox.popleft()
            if isinstance(item, LabError):
                raise item
            full = self._held >= RECEIVE_BUDGET
            self._held -= _cost(item)
            if full:
                self._room.notify()
            return item

    def close(self) -> None:
        self._drop()
        with self._lock:
            if self._so is not None:
                self._lib.usrsctp_shutdown(self._so, socket.SHUT_WR)
        self._reader.join(sctp.CLOSE_S)
        self.abort()

    def abort(self) -> None:
        self._drop()
        if self._messages.up:
            self._send_abort()
        if self._reader.is_alive():
            self._reader.join(sctp.CLOSE_S)

    def _send_abort(self) -> None:
        with suppress(sctp.AssociationLost):
            self._sent(b"", _SNDINFO.pack(0, _ABORT, 0, 0, 0))

    def _negotiated(self) -> None:
        raw, size = self._ffi.new("char[]", 256), self._ffi.new("uint32_t *", 256)
        with self._lock:
            if (
                self._so is not None
                and self._lib.usrsctp_getsockopt(self._so, _SCTP, _STATUS, raw, size) == 0
            ):
                (self.streams,) = struct.unpack_from("=H", self._ffi.buffer(raw, 256), 18)

    def _why(self, timeout: float) -> str:
        if self._errno == errno.ECONNREFUSED:
            return "refused (ABORT): does the peer listen on this port?"
        return f"no answer in {timeout} s: is it up, does it listen there, and does the path pass SCTP?"

    def _sent(self, data: bytes, info: bytes) -> bool:
        """Hand one message to the stack; False if its buffer is full."""
        with self._lock:
            if self._so is None:
                raise self._gone()
            self._ffi.buffer(self._info)[:] = info
            # libusrsctp knows non-blocking only for a whole socket, and the reader must block
            self._lib.usrsctp_set_non_blocking(self._so, 1)
            sent = self._lib.usrsctp_sendv(
                self._so, data, len(data), self._ffi.NULL, 0, self._info, len(info), _SENDV_SNDINFO, 0
            )
            problem = self._ffi.errno
            self._lib.usrsctp_set_non_blocking(self._so, 0)
        if sent < 0 and problem != errno.EWOULDBLOCK:
            raise self._gone()
        return bool(sent >= 0)

    def _drop(self) -> None:
        with self._state:
            self.wanted = False
            self._room.notify()
            self._ready.notify_all()

    def _read(self) -> None:
        try:
            ended = self._pump()
        except LabError as problem:
            self._put(problem)
            self._send_abort()
            ended = sctp.Ended.LOST
        self._close()
        self._end(ended)

    def _pump(self) -> sctp.Ended:
        """Read until the socket has no more; how the association ended."""
        ffi, lib = self._ffi, self._lib
        piece, info, flags = ffi.new("char[]", sctp.PIECE), ffi.new("char[]", _RCVINFO.size), ffi.new("int *")
        size, kind = ffi.new("uint32_t *"), ffi.new("unsigned *")
        while True:
            flags[0], size[0] = 0, _RCVINFO.size
            got = lib.usrsctp_recvv(self._so, piece, sctp.PIECE, ffi.NULL, ffi.NULL, info, size, kind, flags)
            if got <= 0:
                self._errno = ffi.errno if got < 0 else 0
                if self._errno == errno.EWOULDBLOCK:
                    if not self._still_wanted():
                        return sctp.Ended.LOST
                    continue
                return self._ended or (sctp.Ended.LOST if got < 0 else sctp.Ended.CLOSED)
            data = ffi.buffer(piece, got)[:]
            if flags[0] & _MSG_NOTIFICATION:
                self._notice(data)
                continue
            stream, _, _, ppid, *_ = _RCVINFO.unpack(ffi.buffer(info, _RCVINFO.size))
            message = self._messages.data(data, bool(flags[0] & _MSG_EOR), stream, socket.ntohl(ppid))
            if message is not None:
                self._put(message)

    def _still_wanted(self) -> bool:
        """Called where the socket is in non-blocking mode; False if its owner has given up connecting."""
        if self._messages.up:
            with self._lock:  # until the sender that did it is through
                return True
        time.sleep(0.001)  # a reader that blocks could not be woken before the association is up
        return self.wanted

    def _notice(self, data: bytes) -> None:
        was_up = self._messages.up
        ended = self._messages.notice(data)
        if ended is not None:
            self._end(ended)  # now: the rest of the shutdown may take a while
        elif self._messages.up and not was_up:
            with self._lock:
                self._lib.usrsctp_set_non_blocking(self._so, 0)
            with self._state:
                self._ready.notify_all()

    def _put(self, item: sctp.Datagram | LabError) -> None:
        with self._state:
            self._room.wait_for(lambda: self._held < RECEIVE_BUDGET or not self.wanted)
            if self.wanted:
                self._held += _cost(item)
                self._inbox.append(item)
                self._ready.notify()

    def _end(self, ended: sctp.Ended) -> None:
        with self._state:
            self._ended = self._ended or ended
            self._ready.notify_all()


def _cost(item: sctp.Datagram | LabError) -> int:
    # 256: what the objects themselves take, or small messages would slip through the budget
    return 256 + len(item.data) if isinstance(item, sctp.Datagram) else 0


class _Listener(sctp.Listener, _User):
    def __init__(
        self, stack: _Stack, address: sctp.Address, udp: sctp.Udp | None, streams: int, timers: sctp.Timers
    ) -> None:
        _User.__init__(self, stack)
        family, address = sctp.resolve(address)
        self._family = family
        self._happened = threading.Event()
        self.address = self._open(family, address, udp, streams, 0, timers)
        self._stack.watch(self._so, self._happened)
        self._lib.usrsctp_set_non_blocking(self._so, 1)
        if self._lib.usrsctp_listen(self._so, 128) < 0:
            problem = self._ffi.errno
            self.close()
            raise sctp.not_bound(self.address, problem)

    def accept(self, timeout: float) -> sctp.Association | None:
        deadline = time.monotonic() + timeout
        name, size = self._ffi.new("char[]", 128), self._ffi.new("uint32_t *")
        while True:
            self._happened.clear()
            size[0] = 128
            with self._lock:
                if self._so is None:
                    return None
                so = self._lib.usrsctp_accept(self._so, name, size)
            if so:
                return self._accepted(so, _unpack(bytes(self._ffi.buffer(name, 28))))
            if not self._happened.wait(max(deadline - time.monotonic(), 0)):
                return None

    def _accepted(self, so: Any, peer: sctp.Address) -> sctp.Association:
        association = _Association(self._stack, so)
        self._stack.adopt(association)
        host, port = self.address
        everywhere = ipaddress.ip_address(host).is_unspecified
        association.accepted((sctp.source_for(self._family, peer) if everywhere else host, port), peer)
        return association

    def close(self) -> None:
        self._stack.unwatch(self._happened)
        self._close()
        self._happened.set()  # whoever waits in accept leaves

    def abort(self) -> None:
        self.close()


def connect(
    peer: sctp.Address,
    local: sctp.Address | None,
    udp: sctp.Udp | None,
    streams: int,
    timeout: float,
    timers: sctp.Timers,
) -> sctp.Association:
    """See `drivers.sctp.connect`."""
    association = _Association(_stack())
    association.connect(peer, local, udp, streams, timeout, timers)
    return association


def listen(address: sctp.Address, udp: sctp.Udp | None, streams: int, timers: sctp.Timers) -> sctp.Listener:
    """See `drivers.sctp.listen`."""
    return _Listener(_stack(), address, udp, streams, timers)
