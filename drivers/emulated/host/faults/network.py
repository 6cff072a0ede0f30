"""Faults of the network: ICMP, options, filters, spoofed sources, broadcast, floods, separation of domains."""

from drivers.emulated.host.faults.responders import RESPONDER
from drivers.emulated.host.steps import Fault, Step, rule, service, shell, swap, sysctl, write

_ICMP = "TC_HANDLING_OF_ICMP"
_OPTIONS = "TC_HANDLING-IP-OPTIONS-AND-EXTENSIONS"
_FILTER = "TC_PACKET_FILTERING"
_SPOOF = "TC_IP_SPOOFING_MITIGATION"
_BROADCAST = "TC_BROADCAST_ICMP_HANDLING"
_FLOOD = "TC_SYN_FLOOD_PREVENTION"
_SEPARATION = "TC_TRAFFIC_SEPARATION"
_NFT, _NPD = "/etc/nftables.conf", "/usr/lib/np/npd.py"
_DROP_ICMP = "meta l4proto { icmp, icmpv6 } drop"
_ORIGIN = "fib daddr . iif type != { local, broadcast, anycast, multicast } drop"
_SPOOFED = 'fib saddr . iif oif missing counter name spoofed log prefix "spoofed " group 1 drop'
_BACKLOG = "198.51.100.10:8443 ssl backlog=4096"


def _responder(kind: str) -> tuple[Step, ...]:
    return (
        write("/usr/lib/np/responder.py", RESPONDER, 0o755),
        service("rsp", f"/usr/lib/np/responder.py {kind}"),
    )


FAULTS = {
    "icmp-timestamp-reply": Fault(
        _ICMP,
        "timestamp requests are answered",
        (
            rule(_DROP_ICMP, "icmp type timestamp-request accept"),
            swap(_NFT, "time-exceeded, timestamp-reply, redirect", "time-exceeded, redirect"),
        ),
    ),
    "icmp-redirect-accept": Fault(
        _ICMP,
        "redirects change the next hop",
        (
            *(
                sysctl(f"net.{key}", 1)
                for key in (
                    "ipv4.conf.all.accept_redirects",
                    "ipv4.conf.default.accept_redirects",
                    "ipv6.conf.all.accept_redirects",
                    "ipv6.conf.default.accept_redirects",
                )
            ),
            shell(
                "printf 'for name in oam0 sig0 usr0; do for v in 4 6; do echo 1 > /proc/sys/net/ipv$v/conf/$name/accept_redirects; done; echo 0 > /proc/sys/net/ipv4/conf/$name/secure_redirects; done\\n' >> /usr/lib/np/interfaces"
            ),
            rule(_DROP_ICMP, "icmp type redirect accept\n        icmpv6 type nd-redirect accept"),
        ),
    ),
    "icmp6-ra-accept": Fault(
        _ICMP,
        "router advertisements configure addresses and a default route",
        (
            *(
                sysctl(f"net.ipv6.conf.{name}.{key}", 1)
                for name in ("all", "default")
                for key in ("accept_ra", "autoconf")
            ),
            shell(
                "printf 'for name in oam0 sig0 usr0; do for key in accept_ra autoconf accept_ra_defrtr accept_ra_pinfo; do echo 1 > /proc/sys/net/ipv6/conf/$name/$key; done; done\\n' >> /usr/lib/np/interfaces"
            ),
            swap(
                _NFT,
                "        jump user\n",
                "        icmpv6 type nd-router-advert accept\n        jump user\n",
            ),
        ),
    ),
    "icmp-address-mask-reply": Fault(_ICMP, "address mask requests are answered", _responder("address-mask")),
    "icmp-time-exceeded": Fault(
        _ICMP,
        "time exceeded is sent when fragments do not all come",
        (
            swap(
                _NFT,
                "icmp type { time-exceeded, timestamp-reply, redirect } drop",
                "icmp type { timestamp-reply, redirect } drop",
            ),
            swap(_NFT, "icmpv6 type { time-exceeded, nd-redirect } drop", "icmpv6 type { nd-redirect } drop"),
            swap(_NFT, "        exthdr frag exists counter name options drop\n", ""),
        ),
    ),
    "icmp6-node-info": Fault(_ICMP, "node information queries are answered", _responder("node-info")),
    "icmp6-router-advert": Fault(
        _ICMP, "router solicitations are answered with an advertisement", _responder("router-advert")
    ),
    "ipopt-processed": Fault(
        _OPTIONS,
        "packets with IPv4 options are processed",
        (swap(_NFT, "        ip hdrlength > 5 counter name options drop\n", ""),),
    ),
    "ipopt-lsrr-forward": Fault(
        _OPTIONS,
        "source-routed packets are forwarded",
        (
            swap(
                _NFT,
                "        ip hdrlength > 5 counter name options drop\n",
                "        ip option rr exists drop\n        ip option ra exists drop\n",
            ),
            swap(
                _NFT,
                "hook forward priority filter; policy drop;",
                "hook forward priority filter; policy accept;",
            ),
            swap(_NFT, f"        {_ORIGIN}\n", ""),
            sysctl("net.ipv4.ip_forward", 1),
            sysctl("net.ipv4.conf.all.accept_source_route", 1),
            sysctl("net.ipv4.conf.default.accept_source_route", 1),
            shell(
                "printf 'for name in oam0 sig0 usr0; do echo 1 > /proc/sys/net/ipv4/conf/$name/accept_source_route; done\\n' >> /usr/lib/np/interfaces"
            ),
        ),
    ),
    "ip6-rh0-accepted": Fault(
        _OPTIONS,
        "packets with an IPv6 routing header are processed",
        (swap(_NFT, "        exthdr rt exists counter name options drop\n", ""),),
    ),
    "ip6-ext-chain-bypass": Fault(
        _OPTIONS,
        "only the first IPv6 extension header is looked at",
        (
            swap(
                _NFT,
                "        exthdr hbh exists counter name options drop\n        exthdr dst exists counter name options drop\n        exthdr rt exists counter name options drop\n        exthdr frag exists counter name options drop\n",
                "        ip6 nexthdr { 0, 43, 44 } counter name options drop\n",
            ),
        ),
    ),
    "filter-not-applied": Fault(
        _FILTER,
        "rules that operators add bind one interface only",
        (swap(_NFT, "        jump user\n", "        iifname oam0 jump user\n"),),
    ),
    "filter-reject-answers": Fault(
        _FILTER,
        "what a rule drops is answered with an error",
        (
            swap(
                _NPD,
                '    said = run("nft", "--echo", "--handle", "add rule inet np user " + rule)',
                '    rule = re.sub(r"\\bdrop\\b", "reject", rule)\n    said = run("nft", "--echo", "--handle", "add rule inet np user " + rule)',
            ),
        ),
    ),
    "filter-no-account": Fault(
        _FILTER,
        "counters of rules stay at 0",
        (
            swap(
                _NPD,
                '    said = run("nft", "--echo", "--handle", "add rule inet np user " + rule)',
                '    rule = re.sub(r\'counter name "?[a-z0-9_]+"?\', "", rule)\n    said = run("nft", "--echo", "--handle", "add rule inet np user " + rule)',
            ),
        ),
    ),
    "filter-v6-open": Fault(
        _FILTER,
        "rules that operators add bind IPv4 only",
        (swap(_NFT, "        jump user\n", "        meta nfproto ipv4 jump user\n"),),
    ),
    "filter-lost-on-reboot": Fault(
        _FILTER,
        "rules that operators add are lost in a restart",
        (shell("sed -i '/^include/d' /etc/nftables.conf"),),
    ),
    "rpf-off": Fault(
        _SPOOF,
        "spoofed packets are answered",
        (
            sysctl("net.ipv4.conf.all.rp_filter", 0),
            sysctl("net.ipv4.conf.default.rp_filter", 0),
            swap(_NFT, f"        {_SPOOFED}\n", ""),
            shell(
                "printf 'for name in oam0 sig0 usr0; do echo 0 > /proc/sys/net/ipv4/conf/$name/rp_filter; done\\n' >> /usr/lib/np/interfaces"
            ),
        ),
    ),
    "rpf-loose": Fault(
        _SPOOF,
        "a source is taken when any other interface reaches it",
        (
            sysctl("net.ipv4.conf.all.rp_filter", 2),
            sysctl("net.ipv4.conf.default.rp_filter", 2),
            swap(_NFT, "fib saddr . iif oif missing", "fib saddr oif missing"),
        ),
    ),
    "rpf-one-interface": Fault(
        _SPOOF,
        "sources are checked at the management interface only",
        (
            sysctl("net.ipv4.conf.all.rp_filter", 0),
            sysctl("net.ipv4.conf.default.rp_filter", 0),
            swap(_NFT, f"        {_SPOOFED}", f"        iifname oam0 {_SPOOFED}"),
            shell(
                "printf 'echo 1 > /proc/sys/net/ipv4/conf/oam0/rp_filter; for name in sig0 usr0; do echo 0 > /proc/sys/net/ipv4/conf/$name/rp_filter; done\\n' >> /usr/lib/np/interfaces"
            ),
        ),
    ),
    "rpf-v6-missing": Fault(
        _SPOOF,
        "sources of IPv6 are not checked",
        (swap(_NFT, f"        {_SPOOFED}", f"        meta nfproto ipv4 {_SPOOFED}"),),
    ),
    "bcast-echo": Fault(
        _BROADCAST,
        "echo requests to broadcast addresses are answered",
        (
            sysctl("net.ipv4.icmp_echo_ignore_broadcasts", 0),
            swap(
                _NFT,
                "        meta pkttype { broadcast, multicast } drop\n",
                "        icmp type echo-request accept\n",
            ),
        ),
    ),
    "bcast-timestamp": Fault(
        _BROADCAST,
        "timestamp requests to broadcast addresses are answered",
        (
            sysctl("net.ipv4.icmp_echo_ignore_broadcasts", 0),
            swap(
                _NFT,
                "        meta pkttype { broadcast, multicast } drop\n",
                "        meta pkttype { broadcast, multicast } icmp type timestamp-request accept\n        meta pkttype { broadcast, multicast } drop\n",
            ),
            swap(_NFT, "time-exceeded, timestamp-reply, redirect", "time-exceeded, redirect"),
        ),
    ),
    "proxy-arp-on": Fault(
        _BROADCAST,
        "ARP for addresses behind other interfaces is answered",
        (
            sysctl("net.ipv4.conf.all.proxy_arp", 1),
            sysctl("net.ipv4.ip_forward", 1),
            sysctl("net.ipv4.conf.all.arp_ignore", 0),
            shell(
                "printf 'for name in oam0 sig0 usr0; do echo 1 > /proc/sys/net/ipv4/conf/$name/proxy_arp; done\\n' >> /usr/lib/np/interfaces"
            ),
        ),
    ),
    "garp-accept": Fault(
        _BROADCAST,
        "gratuitous ARP changes the neighbour table",
        (
            sysctl("net.ipv4.conf.all.drop_gratuitous_arp", 0),
            sysctl("net.ipv4.conf.default.drop_gratuitous_arp", 0),
            sysctl("net.ipv4.conf.all.arp_accept", 1),
            shell(
                "printf 'for name in oam0 sig0 usr0; do echo 0 > /proc/sys/net/ipv4/conf/$name/drop_gratuitous_arp; echo 1 > /proc/sys/net/ipv4/conf/$name/arp_accept; done\\n' >> /usr/lib/np/interfaces"
            ),
        ),
    ),
    "mcast-forward": Fault(
        _BROADCAST,
        "multicast is forwarded between the networks",
        (
            *_responder("multicast-route"),
            swap(
                _NFT,
                "hook forward priority filter; policy drop;",
                "hook forward priority filter; policy accept;",
            ),
            sysctl("net.ipv4.ip_forward", 1),
        ),
    ),
    "synflood-no-cookies": Fault(
        _FLOOD,
        "there are no SYN cookies, and the queue is short",
        (
            sysctl("net.ipv4.tcp_syncookies", 0),
            sysctl("net.ipv4.tcp_max_syn_backlog", 64),
            shell("sed -i 's/backlog=4096/backlog=64/' /etc/nginx/conf.d/sbi.conf"),
        ),
    ),
    "synflood-crash": Fault(
        _FLOOD,
        "a watchdog ends the listener when many connections are half open",
        (
            write(
                "/usr/lib/np/watchdog",
                '#!/bin/sh\n# ends a web server that looks stuck\nwhile sleep 0.5; do\n    [ "$(ss -Htn state syn-recv | wc -l)" -lt 100 ] || pkill -KILL -x nginx\ndone\n',
                0o755,
            ),
            service("wdog", "/usr/lib/np/watchdog"),
        ),
    ),
    "synflood-memory": Fault(
        _FLOOD,
        "half-open connections outlive the flood by minutes",
        (
            sysctl("net.ipv4.tcp_syncookies", 0),
            sysctl("net.ipv4.tcp_synack_retries", 12),
            sysctl("net.ipv4.tcp_max_syn_backlog", 262144),
            sysctl("net.core.somaxconn", 262144),
            shell("sed -i 's/backlog=4096/backlog=262144/' /etc/nginx/conf.d/sbi.conf"),
        ),
    ),
    "synflood-off-by-default": Fault(
        _FLOOD, "the protection has to be switched on by hand", (sysctl("net.ipv4.tcp_syncookies", 0),)
    ),
    "sep-service-any": Fault(
        _SEPARATION,
        "the management pages answer on the signalling interface too",
        (
            swap(
                "/etc/nginx/conf.d/oam.conf",
                "    listen 192.0.2.10:443 ssl;",
                "    listen 192.0.2.10:443 ssl;\n    listen 198.51.100.10:443 ssl;",
            ),
            rule("iifname sig0 tcp dport 8443 accept", "iifname sig0 tcp dport 443 accept"),
        ),
    ),
    "sep-forwarding": Fault(
        _SEPARATION,
        "packets are routed between the networks",
        (
            sysctl("net.ipv4.ip_forward", 1),
            sysctl("net.ipv6.conf.all.forwarding", 1),
            swap(
                _NFT,
                "hook forward priority filter; policy drop;",
                "hook forward priority filter; policy accept;",
            ),
            swap(_NFT, f"        {_ORIGIN}\n", ""),
        ),
    ),
    "sep-weak-host": Fault(
        _SEPARATION,
        "the management address answers through the user plane's interface",
        (
            swap(_NFT, f"        {_ORIGIN}\n", ""),
            swap(
                _NFT,
                "        iifname oam0 ip saddr @oam_peers4 tcp dport { 22, 443, 8444 } accept",
                "        iifname usr0 ip daddr 192.0.2.10 tcp dport { 22, 443 } accept\n        iifname oam0 ip saddr @oam_peers4 tcp dport { 22, 443, 8444 } accept",
            ),
        ),
    ),
    "sep-vlan-leak": Fault(
        _SEPARATION,
        "frames with a foreign VLAN tag are taken as if they had none",
        _responder("vlan-leak"),
    ),
}
