"""Faults of services: too many, too old, reachable from the wrong side, back after a restart; and of overload."""

from drivers.emulated.host.faults.access import SHELL_SERVER
from drivers.emulated.host.faults.responders import RESPONDER
from drivers.emulated.host.steps import Fault, append, package, service, setting, shell, swap, write

_SERVICE = "TC_NO_UNNECESSARY_SERVICE"
_REACH = "TC_RESTRICTED_ REACHABILITY _OF_SERVICES"
_PORTS = "TC_BVT_PORT_SCANNING"
_OVERLOAD = "TC_SYSTEM_HANDLING_OF_OVERLOAD_SITUATIONS"
_NFT, _SSHD, _SBI = "/etc/nftables.conf", "/etc/ssh/sshd_config", "/etc/nginx/conf.d/sbi.conf"
_OAM_PORTS = "{ 22, 443, 8444 }"

_TCP_LISTENER = """#!/usr/bin/python3
import socket, sys
kind = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.create_server((sys.argv[1], int(sys.argv[2])), family=kind)
while True:
    caller, _ = listener.accept()
    caller.sendall(b"ready\\n")
    caller.close()
"""
_UDP_LISTENER = """#!/usr/bin/python3
import socket, sys
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.bind((sys.argv[1], int(sys.argv[2])))
while True:
    data, peer = wire.recvfrom(2048)
    if data == b"open sesame\\n":
        wire.sendto(b"yes\\n", peer)
"""


def _open(ports: str) -> tuple:  # type: ignore[type-arg]
    return (swap(_NFT, _OAM_PORTS, f"{{ 22, {ports}, 443, 8444 }}"),)


FAULTS = {
    "svc-telnet": Fault(
        _SERVICE,
        "Telnet listens on port 23",
        (
            package(
                "inetutils-telnetd", "netbase", "openbsd-inetd", "tcpd", "update-inetd", "libevent-2.1-7"
            ),
            write("/etc/inetd.conf", "telnet stream tcp nowait root /usr/sbin/telnetd telnetd\n"),
            service("inet", "/usr/sbin/inetd -i"),
            *_open("23"),
        ),
    ),
    "svc-snmp-v2c": Fault(
        _SERVICE,
        "the SNMP agent answers v2c",
        (
            append(
                "/etc/snmp/snmpd.conf",
                "rocommunity private\nrocommunity6 private\nrocommunity public\nrocommunity6 public\n",
            ),
        ),
    ),
    "svc-undocumented": Fault(
        _SERVICE,
        "a debug port listens that is not declared",
        (
            write("/usr/lib/np/debug.py", SHELL_SERVER, 0o755),
            service("dbg", "/usr/lib/np/debug.py 192.0.2.10 34567"),
            *_open("34567"),
        ),
    ),
    "svc-udp-small": Fault(
        _SERVICE,
        "echo and chargen are active",
        (
            package("netbase", "openbsd-inetd", "tcpd", "update-inetd", "libevent-2.1-7"),
            write(
                "/etc/inetd.conf",
                "echo dgram udp wait root internal\nchargen dgram udp wait root internal\necho stream tcp nowait root internal\nchargen stream tcp nowait root internal\n",
            ),
            service("inet", "/usr/sbin/inetd -i"),
            *_open("7, 19"),
            shell("sed -i 's/udp dport 161 accept/udp dport { 7, 19, 161 } accept/' /etc/nftables.conf"),
        ),
    ),
    "svc-lldp": Fault(
        _SERVICE,
        "LLDP frames are sent",
        (
            write("/usr/lib/np/responder.py", RESPONDER, 0o755),
            service("lldp", "/usr/lib/np/responder.py lldp"),
        ),
    ),
    "svc-http-content": Fault(
        _SERVICE,
        "port 80 delivers pages",
        (
            swap(
                "/etc/nginx/conf.d/oam.conf",
                "    listen 192.0.2.10:443 ssl;",
                "    listen 192.0.2.10:443 ssl;\n    listen 192.0.2.10:80;",
            ),
            *_open("80"),
        ),
    ),
    "svc-returns-after-reboot": Fault(
        _SERVICE,
        "a service that was switched off starts again after a restart",
        (
            write("/usr/lib/np/old.py", _TCP_LISTENER, 0o755),
            append(
                "/usr/lib/np/boot",
                "# switched off since 1.0, but only for the first start\nif [ -e /etc/np/started ]; then\n    setsid /usr/lib/np/old.py 192.0.2.10 8081 >/dev/null 2>&1 &\nfi\ntouch /etc/np/started\n",
            ),
            *_open("8081"),
        ),
    ),
    "bind-any": Fault(
        _REACH,
        "SSH listens on all interfaces",
        (
            setting(_SSHD, "ListenAddress", None),
            shell(
                "sed -i 's/iifname oam0 ip saddr @oam_peers4 tcp dport/tcp dport 22 accept\\n        iifname oam0 ip saddr @oam_peers4 tcp dport/' /etc/nftables.conf"
            ),
        ),
    ),
    "weak-host": Fault(
        _REACH,
        "the management address is reachable through the user plane's interface",
        (
            swap(_NFT, "        fib daddr . iif type != { local, broadcast, anycast, multicast } drop\n", ""),
            shell(
                "sed -i 's/iifname oam0 ip saddr @oam_peers4 tcp dport/ip daddr 192.0.2.10 tcp dport { 22, 443 } accept\\n        iifname oam0 ip saddr @oam_peers4 tcp dport/' /etc/nftables.conf"
            ),
        ),
    ),
    "peer-restriction-missing": Fault(
        _REACH,
        "any source reaches the management services",
        (
            shell(
                "sed -i 's/iifname oam0 ip saddr @oam_peers4/iifname oam0/; s/iifname oam0 ip6 saddr @oam_peers6/iifname oam0/' /etc/nftables.conf"
            ),
        ),
    ),
    "v6-wildcard": Fault(
        _REACH,
        "the IPv6 listener of SSH is not restricted",
        (
            shell("sed -i 's/^ListenAddress 2001.*/ListenAddress ::/' /etc/ssh/sshd_config"),
            shell(
                "sed -i 's/iifname oam0 ip6 saddr @oam_peers6 tcp dport/meta nfproto ipv6 tcp dport 22 accept\\n        iifname oam0 ip6 saddr @oam_peers6 tcp dport/' /etc/nftables.conf"
            ),
        ),
    ),
    "port-undocumented-tcp": Fault(
        _PORTS,
        "a TCP port is open that is not declared",
        (
            write("/usr/lib/np/old.py", _TCP_LISTENER, 0o755),
            service("old", "/usr/lib/np/old.py 192.0.2.10 47001"),
            *_open("47001"),
        ),
    ),
    "port-undocumented-udp": Fault(
        _PORTS,
        "a UDP port is open that is not declared, and answers only to what it knows",
        (
            write("/usr/lib/np/old.py", _UDP_LISTENER, 0o755),
            service("old", "/usr/lib/np/old.py 192.0.2.10 47002"),
            shell("sed -i 's/udp dport 161 accept/udp dport { 161, 47002 } accept/' /etc/nftables.conf"),
        ),
    ),
    "port-undocumented-sctp": Fault(
        _PORTS,
        "an SCTP port is open that is not declared",
        (
            write("/usr/lib/np/responder.py", RESPONDER, 0o755),
            service("sctp", "/usr/lib/np/responder.py sctp"),
            swap(
                _NFT,
                "        meta l4proto tcp reject with tcp reset\n",
                "        sctp dport 36412 drop\n        meta l4proto tcp reject with tcp reset\n",
            ),
        ),
    ),
    "port-v6-only": Fault(
        _PORTS,
        "a port that is not declared is open over IPv6 only",
        (
            write("/usr/lib/np/old.py", _TCP_LISTENER, 0o755),
            service("old", "/usr/lib/np/old.py 2001:db8:0:1::10 47003"),
            *_open("47003"),
        ),
    ),
    "port-doc-stale": Fault(
        _PORTS,
        "a port that is declared as always open is closed",
        (shell("rm /etc/nginx/conf.d/machine.conf"),),
    ),
    "overload-fail-open": Fault(
        _OVERLOAD,
        "when the check of the token takes too long the data is served without",
        (
            swap(
                _SBI,
                "        auth_request /check;\n",
                "        auth_request /check;\n        error_page 500 = @open;\n",
            ),
            swap(
                _SBI,
                "    location = /check {",
                "    location @open {\n        root /srv/www;\n        try_files /nf-data.json =404;\n    }\n    location = /check {",
            ),
            swap(_SBI, "limit_req zone=sbi burst=100 nodelay;", ""),
            swap(
                "/usr/lib/np/web.py",
                '        known = Path("/etc/np/api.token")',
                '        with CHECKS:\n            __import__("time").sleep(0.05)\n        known = Path("/etc/np/api.token")',
            ),
            swap(
                "/usr/lib/np/web.py",
                "class Answer(Exception):",
                'CHECKS = __import__("threading").Lock()\n\n\nclass Answer(Exception):',
            ),
            swap(_SBI, "proxy_read_timeout 2s;", "proxy_read_timeout 500ms;"),
        ),
    ),
    "overload-crash": Fault(
        _OVERLOAD,
        "the web server ends under load, and is started again",
        (
            swap(
                _SBI,
                "limit_req zone=sbi burst=100 nodelay;",
                "limit_req zone=sbi burst=100 nodelay;\n    access_log /run/np/load.log combined;",
            ),
            write(
                "/usr/lib/np/load",
                "#!/bin/sh\n# gives up when there is too much to do\nwas=0\nwhile sleep 1; do\n    now=$(grep -c . /run/np/load.log)\n"
                "    [ $((now - was)) -lt 250 ] || pkill -KILL -x nginx\n    was=$now\ndone\n",
                0o755,
            ),
            service("load", "/usr/lib/np/load"),
        ),
    ),
    "overload-no-recovery": Fault(
        _OVERLOAD,
        "after the load nothing is answered any more",
        (
            swap(
                _SBI,
                "limit_req zone=sbi burst=100 nodelay;",
                "limit_req zone=sbi burst=100 nodelay;\n    access_log /run/np/load.log combined;",
            ),
            write(
                "/usr/lib/np/load",
                "#!/bin/sh\n# stops when there is too much to do\nwas=0\nwhile sleep 1; do\n    now=$(grep -c . /run/np/load.log)\n"
                "    [ $((now - was)) -lt 250 ] || pkill -STOP -x nginx\n    was=$now\ndone\n",
                0o755,
            ),
            service("load", "/usr/lib/np/load"),
        ),
    ),
}
