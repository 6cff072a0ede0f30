"""Seeded faults of the host, by the command whose output they change inside the product."""

SHOWN_BY: dict[str, str] = {
    # what SSH does
    "mkdir -p /run/sshd; sshd -T": """
        ssh-weak-kex ssh-cbc-ciphers default-differs-from-doc ssh-none-auth empty-password new-account-open
        lock-reset-by-reconnect bf-per-connection idle-never idle-keepalive-resets root-ssh-password root-ssh-key
        bind-any v6-wildcard func-debug-on uid0-alias says-yes endless-output
    """,
    "mkdir -p /run/sshd; sshd -T -C user=root,addr=192.0.2.2,host=x,lport=22 | grep permitroot": "root-match-bypass",
    "cat /etc/ssh/sshd_netconf": "root-netconf",
    "cat /home/*/.ssh/authorized_keys": "locked-but-key",
    # the web server
    "nginx -T 2>/dev/null": """
        oam-tls10 log-token oam-plain-http machine-account-no-auth web-direct-url mgmt-client-cert-any
        svc-http-content sep-service-any overload-fail-open port-doc-stale synflood-no-cookies synflood-memory
        overload-crash overload-no-recovery
    """,
    "openssl x509 -noout -subject -in /etc/np/tls/np.pem": "mgmt-no-server-auth",
    # accounts and their passwords
    "getent passwd": "hidden-account undocumented-default guest-active internal-login uid0-second uid-duplicate",
    "getent shadow | cut -c 1-24,100-": "locked-weak-password group-login-default",
    "chage -l first1": "no-forced-change",
    "chage -l oper1": "pw-no-warning",
    "echo pass2:Aa1-bcdefghijkl | chpasswd; getent shadow pass2 | cut -d: -f2 | cut -c1-3": "psw-md5crypt psw-truncated",
    "stat -c %a /etc/shadow": "shadow-world-readable",
    "useradd scas1; id -u scas1; useradd scas2; id -u scas2": "uid-reuse-tool",
    "cat /etc/login.defs | grep UID_MAX": "account-limit-low",
    # PAM and its policies
    "cat /etc/pam.d/*": """
        lock-never lock-web-missing bf-no-limit bf-interface-gap ip-trust-login pw-expiry-ignored pw-history-0 pw-history-off-by-one
        pw-policy-web-only pw-truncate same-password-accepted logout-processes-survive
    """,
    "cat /etc/security/faillock.conf": "lock-default-20 lock-delay-1s lock-admin-permanent",
    "cat /etc/security/pwquality.conf": "pw-min6 pw-two-classes pw-default-8 blacklist-ignored",
    "stat -c %a /usr/bin/passwd": "pw-no-self-change pw-change-no-old",
    # what the management daemon, its pages and its command line do
    "cat /usr/lib/np/npd.py": """
        config-export-cleartext log-password reversible-encoding psw-cleartext psw-unsalted psw-fixed-salt
        pd-access-not-logged pd-denied-not-logged pd-log-no-user pd-in-log account-silent-drop account-shared-id
        change-bypass lock-not-configurable pw-floor-configurable authz-missing rbac-gui-only logout-client-only
        idle-not-configurable log-missing-event log-no-user log-web-silent upload-ftp log-gui-leak
        filter-reject-answers filter-no-account
    """,
    "cat /usr/lib/np/web.py": """
        error-stacktrace captcha-client-side captcha-replay pw-field-text pw-echo-error pw-in-url logout-missing
        idle-client-side disk-full-crash
    """,
    "cat /usr/bin/np": "ps-secret",
    "cat /etc/np/roles.conf": "rbac-view-can-modify rbac-self-elevate rbac-single-role pkg-user-install",
    "cat /usr/lib/np/install": "pkg-no-verify pkg-checksum-only pkg-any-key pkg-verify-after-run",
    "stat -c '%a %G' /etc/np/signers /etc/np/signers/*": "trust-store-writable",
    "cat /usr/lib/np/session-end": "logout-kills-service",
    "cat /etc/profile.d/*": "idle-console-exempt",
    # SNMP
    "grep -v '^#' /etc/snmp/snmpd.conf": """
        snmp-v2c-open default-community svc-snmp-v2c snmp-noauth rbac-interface-gap endless-table
    """,
    # rights
    "stat -c '%a %n' /etc/np/* /usr/sbin /var/log": "authz-world-writable-config fs-world-writable fs-path-writable log-deletable",
    "find / -xdev -type d -perm -0002 ! -perm -1000": "fs-no-sticky",
    "getfacl -p /etc/np/config.json": "fs-acl-hole",
    "cat /etc/sudoers": "authz-operator-root sudo-nopasswd mount-sudo-free-options",
    "find / -xdev -type f -perm /6000 -printf '%m %g %p\\n' | sort": "suid-shell suid-writable list-b-incomplete",
    "getcap -r /usr": "cap-setuid-python",
    "id oper1": "docker-group",
    "cat /etc/fstab": "mount-suid mount-nodev-missing log-on-root upload-no-quota",
    "cat /usr/lib/np/mount-medium": "mount-helper-suid",
    "ls /etc/udev/rules.d": "media-automount media-autorun",
    "ls /etc/auto.master": "media-autofs",
    # records
    "cat /etc/rsyslog.conf": "authz-log-readable log-no-source-ip log-no-hostname log-wrong-time log-lost-on-crash log-mode-644",
    "cat /etc/np/forward.template": "mgmt-outbound-noverify syslog-udp-clear syslog-tls-noverify syslog-drop",
    "cat /etc/logrotate.d/np": "log-rotated-open rotate-off",
    # what is started
    "cat /etc/inittab": """
        unauth-debug-port console-autologin pw-echo app-as-root svc-telnet svc-undocumented svc-udp-small svc-lldp
        port-undocumented-tcp port-undocumented-udp port-undocumented-sctp port-v6-only icmp-address-mask-reply
        icmp6-node-info icmp6-router-advert mcast-forward synflood-crash sep-vlan-leak func-undeclared-unit
        bof-no-aslr mute garbage slow flood dies-midway
    """,
    "cat /usr/lib/np/boot": "svc-returns-after-reboot func-unused-port-up func-back-after-reboot func-usb-storage markup",
    # the network
    "nft flush ruleset; nft -f /etc/nftables.conf; nft list ruleset": """
        weak-host peer-restriction-missing icmp-timestamp-reply icmp-time-exceeded ipopt-processed ipopt-lsrr-forward
        ip6-rh0-accepted ip6-ext-chain-bypass filter-not-applied filter-v6-open rpf-loose rpf-one-interface
        rpf-v6-missing bcast-timestamp sep-weak-host
    """,
    "grep include /etc/nftables.conf": "filter-lost-on-reboot",
    "cat /etc/sysctl.d/60-np.conf": """
        icmp-redirect-accept icmp6-ra-accept rpf-off bcast-echo proxy-arp-on garp-accept synflood-off-by-default
        sep-forwarding
    """,
    # software
    "dpkg-query -W": "sw-extra-package sw-version-differs eol-library",
    "find /usr/local/bin": "sw-unpackaged-binary",
    "ls /usr/share/nginx /var/www": "sw-example-left",
    "cat /etc/os-release": "eol-os",
    "python3 -c \"d=open('/usr/lib/np/gtpud','rb').read(); n=int.from_bytes(d[56:58],'little'); "
    "o=64; print(d[16], b'__stack_chk_fail' in d, [d[o+56*i+4] for i in range(n) if d[o+56*i:o+56*i+4]==b'Q\\xe5td'])\"": """
        bof-exec-stack bof-no-pie bof-no-canary
    """,
    "ls /boot": "grub-edit-open",
}
DECLARED = frozenset(
    [
        "boot-usb-first",
        "boot-pxe-enabled",
        "firmware-no-password",
        "overload-doc-missing-threshold",
        "eol-date-missing",
        "eol-contract-expired",
        "bof-doc-missing",
    ]
)
"""Faults of the declaration: the product is as it was."""
NEEDS_ANOTHER = frozenset({"shared-hostkey"})
"""Seen only where there is a second unit."""
