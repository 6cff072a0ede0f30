"""Outputs of hosts and the rows they mean."""

# Taken from Debian 12 (coreutils, iproute2, sudo, libcap, OpenSSH) and busybox 1.35 as they came, shortened;
# those of systemctl, apk and net-snmp's persistent file follow their documentation.

from collections.abc import Callable
from typing import Any

import pytest

from drivers.facts import parse
from drivers.interfaces.facts import (
    Account,
    AuthorizedKey,
    Capability,
    File,
    Interface,
    Job,
    Listener,
    LoginSession,
    Mount,
    Package,
    PasswordRecord,
    Process,
    Route,
    Rule,
    Setting,
    SnmpAccess,
    SudoRule,
    Unit,
)

SS = """\
raw UNCONN 0      0        0.0.0.0:1   0.0.0.0:* users:(("python3",pid=10352,fd=6))
udp UNCONN 0      0      127.0.0.1:161 0.0.0.0:* users:(("python3",pid=10352,fd=5))
udp UNCONN 0      0          [::1]:123    [::]:* users:(("python3",pid=10352,fd=7))
tcp LISTEN 0      128      0.0.0.0:22  0.0.0.0:* users:(("python3",pid=10352,fd=3))
tcp LISTEN 0      128         [::]:80     [::]:*
"""
NETSTAT = """\
Active Internet connections (only servers)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       \n\
tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      \n\
udp        0      0 127.0.0.1:161           0.0.0.0:*                           \n"""
PROC_NET = """\n\
\x1etcp
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1380614 1
\x1etcp6
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: B80D0120000000000000000001000000:01BB B80D0120000000000000000002000000:C000 01 00000000:00000000
\x1eudp
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref
 4363: 0100007F:00A1 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1380616 2"""
CVTSUDOERS = """{"User_Specs":[{"User_List":[{"username":"alice"}],"Host_List":[{"hostname":"ALL"}],
"Cmnd_Specs":
[{"runasusers":[{"username":"ALL"}],"runasgroups":[{"usergroup":"ALL"}],"Options":[{"authenticate":false}],
"Commands":[{"command":"/usr/bin/less"},{"command":"/bin/sh","negated":true}]}]},
{"User_List":[{"username":"bob"},
{"usergroup":"ops"}],"Host_List":[{"hostname":"ALL"}],"Cmnd_Specs":[{"runasusers":[{"username":"root"}],
"Options":
[{"noexec":true}],"Commands":[{"command":"/sbin/reboot"}]}]}]}"""
BUSYBOX_IP = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host \n\
       valid_lft forever preferred_lft forever
2: ifb0: <BROADCAST,NOARP> mtu 1500 qdisc noop qlen 32
    link/ether fe:93:6e:af:a2:f1 brd ff:ff:ff:ff:ff:ff"""
PROCESS = """\
@1\t/usr/lib/systemd/systemd\t/sbin/init splash \n\
Name:\tsystemd
PPid:\t0
Uid:\t0\t0\t0\t0
Gid:\t0\t0\t0\t0
CapEff:\t000001ffffffffff
CapBnd:\t000001ffffffffff
NoNewPrivs:\t0
Seccomp:\t0
1 (systemd) S 0 1 1 0 -1 4194560 25 0 0 0 1 2 3 4 20 0 1 0 26 0 0
@7\t/bin/sh\tsh -c N=\x1f; r 0
Name:\tsh
PPid:\t1
Uid:\t0\t0\t0\t0
Gid:\t0\t0\t0\t0
@8\t/usr/bin/head\thead -c 2000
Name:\thead
PPid:\t7
Uid:\t0\t0\t0\t0
Gid:\t0\t0\t0\t0
@9\t/usr/bin/agent\tagent --password hunter22 -x
Name:\tagent
PPid:\t1
Uid:\t33\t33\t33\t33
Gid:\t33\t33\t33\t33"""
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIEmQq6NlsRIqveXLjeZ4jM1Qi3HqFFIx4yoVlkym4ddA"

GOLDEN: list[tuple[Callable[[str], Any], str, Any]] = [
    (
        parse.ss,
        SS,
        [
            Listener("raw", "0.0.0.0", 1, "", "python3", 10352),
            Listener("udp", "127.0.0.1", 161, "", "python3", 10352),
            Listener("udp", "::1", 123, "", "python3", 10352),
            Listener("tcp", "0.0.0.0", 22, "", "python3", 10352),
            Listener("tcp", "*", 80),
        ],
    ),
    (
        parse.ss,
        'udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=5,fd=1))',
        [Listener("udp", "127.0.0.53", 53, "lo", "systemd-resolve", 5)],
    ),
    (parse.netstat, NETSTAT, [Listener("tcp", "0.0.0.0", 22), Listener("udp", "127.0.0.1", 161)]),
    (
        parse.proc_net,
        PROC_NET,
        [Listener("tcp", "0.0.0.0", 22), Listener("tcp", "*", 80), Listener("udp", "127.0.0.1", 161)],
    ),
    (
        parse.cvtsudoers,
        CVTSUDOERS,
        [
            SudoRule("/etc/sudoers", "alice", "ALL", "ALL:ALL", ("NOPASSWD",), "/usr/bin/less, !/bin/sh"),
            SudoRule("/etc/sudoers", "bob, %ops", "ALL", "root", ("NOEXEC",), "/sbin/reboot"),
        ],
    ),
    (
        parse.sudoers,
        "\x1e/etc/sudoers\nDefaults env_reset\n%sudo ALL=(ALL:ALL) ALL\n"
        "bob ALL = NOPASSWD: /bin/x, \\\n /bin/y\n@includedir /x",
        [
            SudoRule("/etc/sudoers", "Defaults", "", "", (), "env_reset"),
            SudoRule("/etc/sudoers", "%sudo", "ALL", "ALL:ALL", (), "ALL"),
            SudoRule("/etc/sudoers", "bob", "ALL", "", ("NOPASSWD",), "/bin/x,  /bin/y"),
        ],
    ),
    (
        parse.ip_addr,
        BUSYBOX_IP,
        [
            Interface("lo", "UP", "00:00:00:00:00:00", 65536, ("127.0.0.1/8", "::1/128")),
            Interface("ifb0", "DOWN", "fe:93:6e:af:a2:f1", 1500, ()),
        ],
    ),
    (
        parse.ip_addr_json,
        '[{"ifname":"eth0","mtu":1400,"operstate":"UP","address":"02:fc:00:00:00:01","master":"br0","linkinfo":'
        '{"info_kind":"vlan"},"addr_info":[{"local":"192.0.2.2","prefixlen":24}]}]',
        [Interface("eth0", "UP", "02:fc:00:00:00:01", 1400, ("192.0.2.2/24",), "br0", "vlan")],
    ),
    (
        parse.ip_route,
        "default via 192.0.2.1 dev eth0 \n192.0.2.0/24 dev eth0 scope link  src 192.0.2.2 \n"
        "local 127.0.0.1 dev lo table local scope host  src 127.0.0.1 \n\x1e6\n"
        "unreachable ::/0 dev lo metric 4294967295",
        [
            Route(4, "default", "192.0.2.1", "eth0", "main"),
            Route(4, "192.0.2.0/24", "", "eth0", "main", source="192.0.2.2"),
            Route(4, "127.0.0.1", "", "lo", "local", "local", "127.0.0.1"),
            Route(6, "::/0", "", "lo", "main", "unreachable"),
        ],
    ),
    (
        parse.ip_route_json,
        '[{"dst":"default","gateway":"192.0.2.1","dev":"eth0","flags":[]}]\n\x1e6\n[]',
        [Route(4, "default", "192.0.2.1", "eth0", "main")],
    ),
    (
        parse.ip_rule,
        "0:\tfrom all lookup local\n\x1e6\n32766:\tfrom all lookup main",
        [
            Rule(4, 0, "from all lookup local"),
            Rule(6, 32766, "from all lookup main"),
        ],
    ),
    (
        parse.processes,
        PROCESS,
        [
            Process(
                1,
                0,
                0,
                0,
                0,
                "systemd",
                "/usr/lib/systemd/systemd",
                "/sbin/init splash",
                "000001ffffffffff",
                "000001ffffffffff",
                False,
                0,
                26,
            ),
            Process(9, 1, 33, 33, 33, "agent", "/usr/bin/agent", "agent --password ****** -x", ""),
        ],
    ),
    (
        parse.passwd,
        "root:x:0:0:root:/root:/bin/bash\ncentral:x:2000:2000::/home/c:/bin/sh\n\x1efiles\n"
        "root:x:0:0:root:/root:/bin/bash\ntoor:(hash):0:0::/root:/bin/sh",
        [
            Account("root", 0, 0, "root", "/root", "/bin/bash", "files"),
            Account("central", 2000, 2000, "", "/home/c", "/bin/sh", "other"),
            Account("toor", 0, 0, "", "/root", "/bin/sh", "files"),
        ],
    ),
    (
        parse.shadow,
        "root:*:20228:0:99999:7:::\nalice:$y$j9T$(hash):20000:1:90:7:30:21000:\n"
        "old:(des):1::::::\nnone::1::::::\n"
        "off:!$6$rounds=5000$(hash):1::::::\nbare:$1$(nosalt):1::::::",
        [
            PasswordRecord("root", "locked", "", "", False, 20228, 0, 99999, 7, None, None),
            PasswordRecord("alice", "set", "yescrypt", "j9T", True, 20000, 1, 90, 7, 30, 21000),
            PasswordRecord("old", "set", "descrypt", "", True, 1, None, None, None, None, None),
            PasswordRecord("none", "empty", "", "", False, 1, None, None, None, None, None),
            PasswordRecord(
                "off", "barred", "sha512crypt", "rounds=5000", True, 1, None, None, None, None, None
            ),
            PasswordRecord("bare", "set", "md5crypt", "", False, 1, None, None, None, None, None),
        ],
    ),
    (
        parse.found("special"),
        "special\t4755\tf\troot\troot\t72000\t/usr/bin/su\n"
        "writable\t666\tf\troot\troot\t1\t/tmp/a\\x01special\n"
        "status\t1",
        [File("/usr/bin/su", "file", "4755", "root", "root", 72000)],
    ),
    (
        parse.stat,
        "-rw-r-----+\t640\tregular file\troot\tshadow\t1000\t/etc/shadow\n"
        "lrwxrwxrwx\t777\tsymbolic link\troot\troot\t8\t/sbin",
        [
            File("/etc/shadow", "file", "640", "root", "shadow", 1000, acl=True),
            File("/sbin", "link", "777", "root", "root", 8, acl=False),
        ],
    ),
    (
        parse.getcap,
        "/usr/lib/gst-ptp-helper cap_net_bind_service,cap_net_admin=ep\n/usr/bin/ping = cap_net_raw+ep",
        [
            Capability("/usr/lib/gst-ptp-helper", "cap_net_bind_service,cap_net_admin=ep"),
            Capability("/usr/bin/ping", "cap_net_raw+ep"),
        ],
    ),
    (
        parse.dpkg,
        "ii \tcoreutils\t9.1-1\tamd64\tcoreutils\tA B <a@b>\t\nrc \told\t1\tall\told\tA\tDebian",
        [
            Package("coreutils", "9.1-1", "amd64", "installed", "coreutils", "A B <a@b>"),
            Package("old", "1", "all", "config-files", "old", "A", "Debian"),
        ],
    ),
    (
        parse.apk,
        "busybox-1.36.1-r5 x86_64 {busybox} (GPL-2.0-only) [installed]",
        [Package("busybox", "1.36.1-r5", "x86_64", "installed", "busybox", kind="apk")],
    ),
    (
        parse.mounts,
        "/dev/sda1 / ext4 rw,relatime 0 0\n//nas/a\\040b /mnt cifs rw,password=x 0 0\n\x1edf\n"
        "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 100 60 40 60% /",
        [
            Mount("/", "/dev/sda1", "ext4", ("rw", "relatime"), 102400, 40960),
            Mount("/mnt", "//nas/a b", "cifs", ("rw", "password=******")),
        ],
    ),
    (
        parse.fstab,
        "# a\nUUID=1 / ext4 errors=remount-ro 0 1",
        [Mount("/", "UUID=1", "ext4", ("errors=remount-ro",))],
    ),
    (
        parse.cron,
        "\x1e/etc/crontab\nSHELL=/bin/sh\n17 * * * * root cd / && run\n"
        "\x1e/var/spool/cron/crontabs/bob\n@daily x\n"
        "\x1e/etc/cron.daily\n/etc/cron.daily/dpkg",
        [
            Job("/etc/crontab", "17 * * * *", "root", "cd / && run"),
            Job("/var/spool/cron/crontabs/bob", "@daily", "bob", "x"),
            Job("/etc/cron.daily", "daily", "root", "/etc/cron.daily/dpkg"),
        ],
    ),
    (
        parse.snmpd,
        "\x1e/etc/snmp/snmpd.conf\nrocommunity (well-known) default -V systemonly\nrouser mon priv -V all\n"
        'com2sec ops 10.0.0.0/8 (community)\ngroup g v2c ops\naccess g "" any noauth exact all none none\n'
        "\x1e/var/lib/snmp/snmpd.conf\nusmUser 1 3 0x80001f88 0x6d6f6e00 (keys)",
        [
            SnmpAccess("community", "(community)", "v1/v2c", "systemonly", "", "default", True),
            SnmpAccess("user", "mon", "priv", "all", "", ""),
            SnmpAccess("community", "(community)", "v1/v2c", "all", "none", "10.0.0.0/8"),
            SnmpAccess("user", "mon", "", "", "", ""),
        ],
    ),
    (
        parse.systemctl,
        "ssh.service loaded active running OpenBSD Secure Shell server\n"
        "● bad.service not-found failed failed bad\n"
        "\x1efiles\nssh.service enabled enabled\nold.timer disabled enabled",
        [
            Unit("ssh.service", "service", "active", "enabled"),
            Unit("bad.service", "service", "failed", ""),
            Unit("old.timer", "timer", "", "disabled"),
        ],
    ),
    (
        parse.init,
        "\x1e/etc/inetd.conf\ntelnet stream tcp nowait root /usr/sbin/telnetd telnetd\n"
        "\x1einit.d\nssh\nskeleton\n"
        "\x1erc\n/etc/rc2.d:\nS01ssh\nK01skeleton",
        [
            Unit("telnet", "inetd", "", "enabled", "root", "/usr/sbin/telnetd telnetd"),
            Unit("ssh", "init", "", "enabled"),
            Unit("skeleton", "init", "", "disabled"),
        ],
    ),
    (
        parse.who,
        "root     pts/0        2026-11-25 04:00 (192.0.2.9)\nbob      ttyS0        2026-11-25 03:00",
        [
            LoginSession("root", "pts/0", "2026-11-25 04:00", "192.0.2.9"),
            LoginSession("bob", "ttyS0", "2026-11-25", "03:00"),
        ],
    ),
    (
        parse.authorized_keys,
        f'\x1eroot /root/.ssh/authorized_keys\nfrom="10.0.0.1" ssh-ed25519 {KEY} me@here\n'
        f"\x1ebob /home/bob/.rhosts\n+ +",
        [
            AuthorizedKey(
                "/root/.ssh/authorized_keys",
                "root",
                "ssh-ed25519",
                "SHA256:5U3JnqTJ5/fCPg8IR48qfmnRpvDYv+EXFiQh7Hkj/XM",
                'from="10.0.0.1"',
                "me@here",
            ),
            AuthorizedKey("/home/bob/.rhosts", "bob", "host", "", "+ +", ""),
        ],
    ),
    (
        parse.settings,
        "\x1e/etc/security/faillock.conf\n# deny\ndeny = 5\nsilent\nbind_password = x",
        [
            Setting("/etc/security/faillock.conf", 2, "deny", "5"),
            Setting("/etc/security/faillock.conf", 3, "silent", ""),
            Setting("/etc/security/faillock.conf", 4, "bind_password", "******"),
        ],
    ),
    (
        parse.sysctl,
        "net.ipv4.ip_forward = 0\nkernel.random.uuid = x\nnet.ipv6.conf.all.stable_secret = ab",
        {
            "net.ipv4.ip_forward": "0",
            "net.ipv6.conf.all.stable_secret": "******",
        },
    ),
    (parse.proc_sys, "./net/ipv4/conf/eth0.5/rp_filter:1", {"net.ipv4.conf.eth0/5.rp_filter": "1"}),
    (
        parse.sshd,
        "port 22\npermitrootlogin no\nport 2222\nsubsystem sftp internal-sftp",
        {
            "port": ["22", "2222"],
            "permitrootlogin": ["no"],
            "subsystem": ["sftp internal-sftp"],
        },
    ),
    (
        parse.sshd_config,
        "\x1ea\nPermitRootLogin no\n\x1eb\nPermitRootLogin yes\nPort 22\nMatch User x\nPort 1",
        {
            "permitrootlogin": ["no"],
            "port": ["22"],
            "match": ["Match User x"],
        },
    ),
    (
        parse.assignments,
        'NAME="Debian GNU/Linux"\nVERSION_ID="12"',
        {"NAME": "Debian GNU/Linux", "VERSION_ID": "12"},
    ),
    (parse.words, "# x\nUMASK\t022\nPASS_MAX_DAYS 90", {"UMASK": "022", "PASS_MAX_DAYS": "90"}),
    (
        parse.umask,
        "\x1eshell\n0022\n\x1efiles\n/etc/login.defs:151:UMASK\t\t022",
        {"shell": "0022", "/etc/login.defs:151": "022"},
    ),
]


@pytest.mark.parametrize(("reader", "said", "meant"), GOLDEN)
def test_an_output_means_these_rows(reader: Callable[[str], Any], said: str, meant: Any) -> None:
    assert reader(said) == meant
