"""Products that no test case may pass, and a hostile one whose words must stay words."""

from drivers.emulated.host.steps import Fault, Step, append, setting, shell, write

_ODD = '''#!/usr/bin/python3
"""A service that takes connections and then behaves oddly: odd.py KIND ADDRESS PORT..."""

import os
import socket
import sys
import threading
import time

LINE = b"x" * 998 + b"\\r\\n"


def mute(wire: socket.socket) -> None:
    while wire.recv(4096):
        pass


def garbage(wire: socket.socket) -> None:
    for _ in range(64):
        wire.sendall(os.urandom(4096))


def slow(wire: socket.socket) -> None:
    for octet in b"SSH-2.0-OpenSSH_9.2\\r\\n" * 1000:
        wire.sendall(bytes([octet]))
        time.sleep(2)


def flood(wire: socket.socket) -> None:
    for _ in range(100_000):  # a banner of 100 MB
        wire.sendall(LINE)


def serve(wire: socket.socket, act) -> None:
    try:
        with wire:
            act(wire)
    except OSError:
        pass


def listen(address: str, port: int, act) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=64)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], act), daemon=True).start()


def datagrams(address: str, port: int, kind: str) -> None:
    wire = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind((address, port))
    while True:
        peer = wire.recvfrom(4096)[1]
        for _ in range({"mute": 0, "flood": 2000}.get(kind, 1)):
            wire.sendto(os.urandom(500), peer)


kind = sys.argv[1]
for network, ports in (("192.0.2.10 2001:db8:0:1::10", (22, 443, 8444)), ("198.51.100.10 2001:db8:0:2::10", (8443,))):
    for address in network.split():
        for port in ports:
            threading.Thread(target=listen, args=(address, port, globals()[kind]), daemon=True).start()
        if 22 in ports:
            threading.Thread(target=datagrams, args=(address, 161, kind), daemon=True).start()
threading.Event().wait()
'''

_ENDLESS = '''#!/usr/bin/python3
"""A table without end for the SNMP agent (pass_persist)."""

import sys

ROOT = ".1.3.6.1.2.1.1.99"
for line in sys.stdin:
    word = line.strip()
    if word == "PING":
        print("PONG", flush=True)
        continue
    oid = sys.stdin.readline().strip()
    last = oid[len(ROOT) + 1:].split(".")[0] if oid.startswith(ROOT) else ""
    number = int(last or 0) + (word == "getnext")
    print(f"{ROOT}.{number}\\nstring\\n{'y' * 200}", flush=True)
'''

_DIES = '''#!/usr/bin/python3
"""Switches the product off when it has done some work."""

import os
import time

while True:
    time.sleep(0.1)
    try:
        with open("/var/log/auth.log") as log:
            if sum(" Starting session: " in line or " web login" in line for line in log) >= 2:
                os.system("/sbin/poweroff -d -f")
    except OSError:
        continue
'''

_NAMES = """
cd /srv && mkdir odd && cd odd
touch -- '<script>alert(1)<' '"><img src=x onerror=alert(1)>' '=cmd|calc!A1' '-rf' "$(printf 'esc\\033]0;title\\007')" "$(printf 'two\\nlines')" "$(printf '\\377\\376')"
ln -s loop1 loop2; ln -s loop2 loop1; ln -s . here; ln -s / /srv/odd/root
i=0; path=deep; while [ $i -lt 60 ]; do path=$path/deep; i=$((i+1)); done; mkdir -p "$path"
usermod --comment '<b onmouseover=alert(1)>=HYPERLINK(1)' view1
printf '\\033]0;owned\\007\\033[2J<script>alert(1)</script>\\r\\n' > /etc/motd
"""


def _odd(kind: str) -> tuple[Step, ...]:
    return (
        write("/usr/lib/np/odd.py", _ODD, 0o755),
        shell("sed -i '/^ssh:/d; /^web:/d; /^snmp:/d' /etc/inittab"),
        append("/etc/inittab", f"odd:2:respawn:/usr/lib/np/odd.py {kind}\n"),
    )


FAULTS = {
    "mute": Fault("", "each service takes a connection and says nothing", _odd("mute")),
    "garbage": Fault("", "each service says random octets", _odd("garbage")),
    "slow": Fault("", "each service says an octet every two seconds", _odd("slow")),
    "flood": Fault("", "each service says 100 MB at once", _odd("flood")),
    "dies-midway": Fault(
        "",
        "the product switches itself off after two commands or logins",
        (
            write("/usr/lib/np/dies.py", _DIES, 0o755),
            append("/etc/inittab", "dies:2:respawn:/usr/lib/np/dies.py\n"),
        ),
    ),
    "says-yes": Fault(
        "",
        "the shell answers whatever it is asked with yes",
        (
            write("/usr/lib/np/yes", "#!/bin/sh\necho yes\nexit 0\n", 0o755),
            setting("/etc/ssh/sshd_config", "ForceCommand", "/usr/lib/np/yes"),
        ),
    ),
    "endless-output": Fault(
        "",
        "each command prints without end",
        (setting("/etc/ssh/sshd_config", "ForceCommand", "/usr/bin/yes endless"),),
    ),
    "endless-table": Fault(
        "",
        "a table of the SNMP agent has no end",
        (
            write("/etc/snmp/endless.py", _ENDLESS),
            append(
                "/etc/snmp/snmpd.conf",
                "pass_persist .1.3.6.1.2.1.1.99 /usr/bin/python3 /etc/snmp/endless.py\n",
            ),
        ),
        awkward=True,
    ),
    "markup": Fault(
        "",
        "file names, accounts and log lines hold markup, formulas and control characters; links lead in circles",
        (
            shell(_NAMES),
            append(
                "/usr/lib/np/boot",
                "(sleep 1; logger -p auth.notice -t '<script>' '<img src=x onerror=alert(1)> =cmd() \\033[31m') &\n",
            ),
        ),
        awkward=True,
    ),
}
