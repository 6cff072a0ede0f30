"""Faults of access: functions without a login, roles, rights, mutual authentication, sessions, root from afar."""

from drivers.emulated.host.steps import Fault, append, mode, service, setting, shell, swap, write

_USAGE = "TC_SYS_FUN_USAGE"
_MUTUAL = "TC_MUTUAL_AUTHENTICATION_MANAGEMENT_INTERFACES"
_POLICY = "TC_AUTHORIZATION_POLICY"
_ROLES = "TC_ROLE_BASED_ACCESS_CONTROL"
_LOGOUT = "TC_PROTECTING_SESSION_LOGOUT"
_IDLE = "TC_PROTECTING_SESSION_ INAC TIMEOUT"
_ROOT = "TC_REMOTE_LOGIN_RESTRICTIONS_PRIVILEGED_USERS"
_BOOT = "TC_BOOT_INT_MEM_1"
_NPD, _WEB, _SSHD, _ROLES_FILE = (
    "/usr/lib/np/npd.py",
    "/usr/lib/np/web.py",
    "/etc/ssh/sshd_config",
    "/etc/np/roles.conf",
)
_IF_SESSION = "        session.used = now"  # in npd.py

SHELL_SERVER = '''#!/usr/bin/python3
"""A debug port: a shell for whoever connects."""
import socket, subprocess, sys, threading
def serve(caller):
    with caller:
        subprocess.run(["/bin/sh", "-i"], stdin=caller, stdout=caller, stderr=caller)
listener = socket.create_server((sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
'''

_BEGIN = """#!/bin/sh
sed -i 's#^web:2:off#web:2:respawn#' /etc/inittab
telinit q
"""
_END = """
pgrep -f '^sshd: [a-z].*@' >/dev/null && exit 0
sed -i 's#^web:2:respawn#web:2:off#' /etc/inittab
telinit q
pkill -x nginx
exit 0
"""

FAULTS = {
    "unauth-debug-port": Fault(
        _USAGE,
        "a port that is not declared gives a shell without a login",
        (
            write("/usr/lib/np/debug.py", SHELL_SERVER, 0o755),
            service("dbg", "/usr/lib/np/debug.py 192.0.2.10 9999"),
            swap("/etc/nftables.conf", "{ 22, 443, 8444 }", "{ 22, 443, 8444, 9999 }"),
        ),
    ),
    "ssh-none-auth": Fault(
        _USAGE,
        "an account without password logs in by the method none",
        (
            shell(
                "passwd --delete view1; sed -i 's/pam_unix.so nodelay/pam_unix.so nodelay nullok/' /etc/pam.d/common-auth"
            ),
            setting(_SSHD, "PermitEmptyPasswords", "yes"),
        ),
    ),
    "web-direct-url": Fault(
        _USAGE,
        "the page with the configuration is reachable without a session",
        (
            swap(
                "/etc/nginx/conf.d/oam.conf",
                "    location / {",
                "    location = /config { default_type text/plain; alias /etc/np/config.json; }\n    location / {",
            ),
            mode("/etc/np/config.json", 0o644),
        ),
    ),
    "console-autologin": Fault(
        _USAGE,
        "the console opens a shell",
        (
            shell(
                "sed -i 's#^con:2:.*#con:2:respawn:/sbin/agetty --noclear --autologin root 115200 console vt220#' /etc/inittab"
            ),
        ),
    ),
    "authz-missing": Fault(
        _USAGE,
        "whoever is logged in may run any function",
        (swap(_NPD, '    return role == "root" or operation in', "    return bool(role) or operation in"),),
    ),
    "machine-account-no-auth": Fault(
        _USAGE,
        "machines are let in by their address alone",
        (
            swap(
                "/etc/nginx/conf.d/machine.conf",
                '        auth_basic "machines";\n        auth_basic_user_file /etc/np/machines;',
                "        allow 192.0.2.1;\n        allow 2001:db8:0:1::1;\n        deny all;",
            ),
            swap("/etc/nginx/conf.d/machine.conf", "ssl_verify_client on;", "ssl_verify_client off;"),
        ),
    ),
    "mgmt-no-server-auth": Fault(
        _MUTUAL,
        "the certificate of the management pages is not of the declared CA and has another name",
        (
            shell(
                "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=elsewhere -days 3650 "
                "-keyout /etc/np/tls/np.key -out /etc/np/tls/np.pem 2>/dev/null"
            ),
        ),
    ),
    "mgmt-client-cert-any": Fault(
        _MUTUAL,
        "certificates of any CA are taken from machines",
        (
            swap(
                "/etc/nginx/conf.d/machine.conf", "ssl_verify_client on;", "ssl_verify_client optional_no_ca;"
            ),
        ),
    ),
    "mgmt-outbound-noverify": Fault(
        _MUTUAL,
        "logs are sent to a collector that is not verified",
        (
            swap(
                "/etc/np/forward.template",
                'StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="@PEER@"',
                'StreamDriverAuthMode="anon"',  # which takes no names
            ),
        ),
    ),
    "snmp-noauth": Fault(
        _MUTUAL,
        "an SNMPv3 user may read without authentication",
        (
            shell(
                "sed -i 's/^rouser snmpview authPriv/rouser snmpview noAuthNoPriv/' /etc/snmp/snmpd.conf; sed -i 's/^rouser snmpview authPriv/rouser snmpview noauth/' /etc/snmp/snmpd.conf; sed -i 's/snmpview noAuthNoPriv/snmpview noauth/' /etc/snmp/snmpd.conf"
            ),
        ),
    ),
    "authz-world-writable-config": Fault(
        _POLICY,
        "every user may edit the configuration",
        (mode("/etc/np/np.conf", 0o666), mode("/etc/np/config.json", 0o666)),
    ),
    "authz-operator-root": Fault(
        _POLICY,
        "operators may run all commands as root",
        (append("/etc/sudoers", "%np-operator ALL=(ALL) ALL\n"),),
    ),
    "app-as-root": Fault(
        _POLICY,
        "the user plane, reachable from the network, runs as root",
        (
            shell(
                "sed -i 's#^gtpu:2:.*#gtpu:2:respawn:/usr/lib/np/gtpud#; s#^gui:2:.*#gui:2:respawn:/usr/lib/np/web.py#' /etc/inittab"
            ),
        ),
    ),
    "authz-log-readable": Fault(
        _POLICY,
        "everybody may read the security log",
        (swap("/etc/rsyslog.conf", 'fileCreateMode="0640"', 'fileCreateMode="0644"'),),
    ),
    "rbac-view-can-modify": Fault(
        _ROLES,
        "viewers may change the configuration",
        (swap(_ROLES_FILE, "viewer = status", "viewer = config-set status"),),
    ),
    "rbac-gui-only": Fault(
        _ROLES,
        "over the web the menu is short for viewers, but the address works",
        (
            swap(
                _NPD,
                "    said = ask(session.caller, operation, args)",
                "    said = OPERATIONS[operation](session.caller, args)",
            ),
        ),
    ),
    "rbac-interface-gap": Fault(
        _ROLES,
        "roles bind the command line and not SNMP: viewers write there",
        (swap("/etc/snmp/snmpd.conf", "rouser snmpview", "rwuser snmpview"),),
    ),
    "rbac-self-elevate": Fault(
        _ROLES,
        "operators may change roles, their own too",
        (swap(_ROLES_FILE, "operator = status", "operator = account-role status"),),
    ),
    "rbac-single-role": Fault(
        _ROLES,
        "every account is an administrator",
        (
            shell(
                "sed -i '/^viewer/d; /^operator/d' /etc/np/roles.conf; admin=$(sed -n '/^admin/,$p' /etc/np/roles.conf | tr -d '\\n' | sed 's/^admin = //'); printf 'viewer = %s\\noperator = %s\\n' \"$admin\" \"$admin\" >> /etc/np/roles.conf"
            ),
        ),
    ),
    "logout-client-only": Fault(
        _LOGOUT,
        "logging out over the web removes the cookie in the browser only",
        (swap(_NPD, '            _end(token, "logged out")', "            pass"),),
    ),
    "logout-processes-survive": Fault(
        _LOGOUT,
        "what a user left running goes on after logout",
        (shell("sed -i '/session-end/d' /etc/pam.d/sshd /etc/pam.d/login"),),
    ),
    "logout-missing": Fault(
        _LOGOUT,
        "the pages have no logout",
        (
            swap(_WEB, "    def _post_logout(self)", "    def _unused_logout(self)"),
            swap(_WEB, "{form('/logout')}", ""),
        ),
    ),
    "logout-kills-service": Fault(
        _LOGOUT,
        "the network function stops with the last session, until the next one begins",
        (
            write("/usr/lib/np/session-begin", _BEGIN, 0o755),
            shell(
                "sed -i 's#^session  optional pam_exec.so.*#&\\nsession  optional pam_exec.so quiet type=open_session /usr/lib/np/session-begin#' /etc/pam.d/sshd"
            ),
            swap("/usr/lib/np/session-end", "\nexit 0\n", _END),
        ),
    ),
    "idle-never": Fault(
        _IDLE,
        "an idle session stays open",
        (
            setting(_SSHD, "ChannelTimeout", None),
            shell("rm /etc/profile.d/np.sh; printf 'umask 077\\n' > /etc/profile.d/np.sh"),
            swap(_NPD, "if now - session.used > idle or", "if"),
            swap(
                _NPD,
                '    edit("/etc/ssh/sshd_config", "ChannelTimeout", f"session:*={seconds}s", between=" ")\n    edit("/etc/profile.d/np.sh", "TMOUT", str(seconds), between="=")\n',
                "",
            ),
        ),
    ),
    "idle-keepalive-resets": Fault(
        _IDLE,
        "a page that polls refreshes the session, and SSH relies on answers of the client",
        (
            swap(_NPD, 'uses=operation != "poll"', "uses=True"),
            setting(_SSHD, "ChannelTimeout", None),
            shell("printf 'umask 077\\n' > /etc/profile.d/np.sh"),
            swap(
                _NPD,
                '    edit("/etc/ssh/sshd_config", "ChannelTimeout", f"session:*={seconds}s", between=" ")\n    edit("/etc/profile.d/np.sh", "TMOUT", str(seconds), between="=")\n',
                '    edit("/etc/ssh/sshd_config", "ClientAliveInterval", str(seconds), between=" ")\n',
            ),
        ),
    ),
    "idle-client-side": Fault(
        _IDLE,
        "over the web only a timer of the browser ends the session",
        (
            swap(_NPD, "if now - session.used > idle or", "if"),
            swap(
                _WEB,
                "<title>np</title></head>",
                "<title>np</title><script>setTimeout(() => location = '/login', 300000)</script></head>",
            ),
        ),
    ),
    "idle-not-configurable": Fault(
        _IDLE,
        "setting the idle time has no effect",
        (
            swap(_NPD, '    had = edit("/etc/np/np.conf", "idle_s", str(seconds))\n', '    had = "300"\n'),
            swap(
                _NPD,
                '    edit("/etc/ssh/sshd_config", "ChannelTimeout", f"session:*={seconds}s", between=" ")\n    edit("/etc/profile.d/np.sh", "TMOUT", str(seconds), between="=")\n',
                "",
            ),
        ),
    ),
    "idle-console-exempt": Fault(
        _IDLE,
        "a session at the console never ends",
        (
            shell(
                "printf 'case $(tty) in /dev/console) ;; *) . /usr/lib/np/tmout.sh ;; esac\\n' > /etc/profile.d/np-console.sh; mv /etc/profile.d/np.sh /usr/lib/np/tmout.sh"
            ),
            swap(_NPD, '"/etc/profile.d/np.sh"', '"/usr/lib/np/tmout.sh"'),
        ),
    ),
    "root-ssh-password": Fault(
        _ROOT,
        "root logs in from afar with a password",
        (setting(_SSHD, "PermitRootLogin", "yes"), setting(_SSHD, "AllowGroups", "np-users root")),
    ),
    "root-ssh-key": Fault(
        _ROOT,
        "root logs in from afar with a key",
        (
            setting(_SSHD, "PermitRootLogin", "prohibit-password"),
            setting(_SSHD, "AllowGroups", "np-users root"),
        ),
    ),
    "root-match-bypass": Fault(
        _ROOT,
        "root logs in from one range of addresses",
        (
            setting(_SSHD, "AllowGroups", "np-users root"),
            append(_SSHD, "Match Address 192.0.2.2/32\n    PermitRootLogin yes\n"),
        ),
    ),
    "root-netconf": Fault(
        _ROOT,
        "a second SSH server on port 830 lets root in",
        (
            shell(
                "sed 's/^Port 22/Port 830/; s/^PermitRootLogin no/PermitRootLogin yes/; s/^AllowGroups.*//' /etc/ssh/sshd_config > /etc/ssh/sshd_netconf"
            ),
            service("nc", "/usr/sbin/sshd -D -f /etc/ssh/sshd_netconf"),
            swap("/etc/nftables.conf", "{ 22, 443, 8444 }", "{ 22, 443, 830, 8444 }"),
        ),
    ),
    "uid0-alias": Fault(
        _ROOT,
        "root is shut out by its name, a second account with UID 0 is not",
        (
            setting(_SSHD, "PermitRootLogin", "yes"),
            setting(_SSHD, "AllowGroups", "np-users root"),
            append(_SSHD, "DenyUsers root\n"),
            shell(
                'useradd --non-unique --uid 0 --gid 0 --no-create-home --home-dir /root --shell /bin/bash toor; echo "toor:$(getent shadow root | cut -d: -f2)" | chpasswd -e'
            ),
        ),
    ),
    # no firmware here: proven on an emulated machine, these change what can be read of the way to start
    "boot-usb-first": Fault(_BOOT, "removable media come before the internal disk"),
    "boot-pxe-enabled": Fault(_BOOT, "the network is one of the ways to start"),
    "firmware-no-password": Fault(_BOOT, "the firmware's settings are open"),
    "grub-edit-open": Fault(
        _BOOT,
        "entries of the boot loader can be edited",
        (write("/boot/grub/grub.cfg", "set timeout=5\nmenuentry np { linux /vmlinuz root=/dev/vda1 }\n"),),
    ),
}
