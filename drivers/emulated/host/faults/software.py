"""Faults of software: packages and their signatures, what is left over, functions that are on, support, overflow."""

from drivers.emulated.host.faults.access import SHELL_SERVER
from drivers.emulated.host.steps import Fault, append, package, program, service, setting, shell, swap, write

_PACKAGE = "TC_SW_PKG_INTEGRITY_1"
_SOFTWARE = "TC_NO_UNUSED_SOFTWARE"
_FUNCTIONS = "TC_NO_UNUSED_FUNCTIONS"
_SUPPORT = "TC_NO_UNSUPPORTED_COMPONENTS"
_OVERFLOW = "TC_PROTECTION_FROM_BUFFER_OVERFLOW"
_USER_PLANE = "/usr/lib/np/gtpud"
_INSTALL = "/usr/lib/np/install"
_VERIFY = 'openssl cms -verify -binary -inform DER -in "$work/package" -out "$work/archive" -CAfile "$work/trust" \\\n    -crl_check -purpose any 2>/dev/null || refuse "not signed by an authorised signer"'
_MANIFEST = '(cd "$work" && sha256sum --quiet --status -c MANIFEST) || refuse "manifest and payload differ"'
_UNWRAP = 'openssl cms -verify -noverify -nosigs -binary -inform DER -in "$work/package" -out "$work/archive" 2>/dev/null || cp "$work/package" "$work/archive"'

_KEPT = shell(  # the installer that a package brings does not replace the faulty one
    f"dpkg-divert --local --no-rename --divert {_INSTALL}.delivered --add {_INSTALL} >/dev/null"
)
_STUB = (
    "work=$(mktemp -d); install -d -m 755 $work/p/DEBIAN; "
    "printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: somebody\\nDescription: stub\\n' '{name}' '{version}' > $work/p/DEBIAN/control; "
    "dpkg-deb --root-owner-group --build $work/p $work/p.deb >/dev/null; dpkg --install $work/p.deb >/dev/null; rm -r $work"
)


def _stub(name: str, version: str) -> tuple:  # type: ignore[type-arg]
    return (shell(_STUB.replace("{name}", name).replace("{version}", version)),)


FAULTS = {
    "pkg-no-verify": Fault(
        _PACKAGE,
        "packages with a bad signature are installed",
        (_KEPT, swap(_INSTALL, _VERIFY, _UNWRAP), swap(_INSTALL, _MANIFEST, "")),
    ),
    "pkg-checksum-only": Fault(
        _PACKAGE,
        "only a checksum that comes with the package is compared",
        (_KEPT, swap(_INSTALL, _VERIFY, _UNWRAP)),
    ),
    "pkg-any-key": Fault(
        _PACKAGE,
        "a valid signature of anybody is accepted",
        (
            _KEPT,
            swap(
                _INSTALL,
                _VERIFY,
                'openssl cms -verify -noverify -binary -inform DER -in "$work/package" -out "$work/archive" 2>/dev/null || refuse "no valid signature"',
            ),
        ),
    ),
    "pkg-verify-after-run": Fault(
        _PACKAGE,
        "the script of a package runs before the signature is checked",
        (
            _KEPT,
            swap(
                _INSTALL,
                "openssl cms -verify -binary",
                '{ openssl cms -verify -noverify -nosigs -binary -inform DER -in "$work/package" -out "$work/early" 2>/dev/null || cp "$work/package" "$work/early"; '
                'tar -C "$work" -xf "$work/early" package.deb && dpkg-deb --control "$work/package.deb" "$work/control" && '
                'if [ -e "$work/control/preinst" ]; then sh "$work/control/preinst" install; fi; } || true\nopenssl cms -verify -binary',
            ),
        ),
    ),
    "pkg-user-install": Fault(
        _PACKAGE,
        "operators may install packages",
        (swap("/etc/np/roles.conf", "operator = status", "operator = package-install status"),),
    ),
    "trust-store-writable": Fault(
        _PACKAGE,
        "users may write the list of signers",
        (shell("chgrp -R np-users /etc/np/signers; chmod 775 /etc/np/signers; chmod 664 /etc/np/signers/*"),),
    ),
    "sw-extra-package": Fault(
        _SOFTWARE,
        "tcpdump is installed, which nothing needs",
        (package("tcpdump", "libpcap0.8", "libdbus-1-3"),),
    ),
    "sw-unpackaged-binary": Fault(
        _SOFTWARE,
        "a program is there that belongs to no package",
        (shell("cp /usr/bin/uname /usr/local/bin/np-helper"),),
    ),
    "sw-example-left": Fault(
        _SOFTWARE,
        "an example page and a sample certificate are left",
        (
            write("/usr/share/nginx/html/index.html", "<title>Welcome to nginx!</title>\n"),
            write("/var/www/html/index.html", "<title>Example</title>\n"),
            write("/usr/share/doc/np-app/examples/example.conf", "example = yes\n"),
        ),
    ),
    "sw-version-differs": Fault(
        _SOFTWARE,
        "a component has another version than the list says",
        (shell("sed -i '/^Package: np-app$/,/^$/s/^Version: .*/Version: 0.9/' /var/lib/dpkg/status"),),
    ),
    "func-debug-on": Fault(
        _FUNCTIONS,
        "a remote debugger listens, and a service logs for debugging",
        (
            write("/usr/bin/gdbserver", SHELL_SERVER, 0o755),
            service("gdb", "/usr/bin/gdbserver 127.0.0.1 2345"),
            setting("/etc/ssh/sshd_config", "LogLevel", "DEBUG3"),
        ),
    ),
    "func-usb-storage": Fault(
        _FUNCTIONS,
        "the module for USB storage is loaded",
        (
            write("/etc/np/modules", "usb_storage 86016 0 - Live 0x0000000000000000\n"),
            write("/etc/modules-load.d/usb.conf", "usb_storage\n"),
            append(
                "/usr/lib/np/boot", "[ ! -e /proc/modules ] || mount --bind /etc/np/modules /proc/modules\n"
            ),
        ),
    ),
    "func-unused-port-up": Fault(
        _FUNCTIONS,
        "a network port that is not declared is up",
        (
            append(
                "/usr/lib/np/boot",
                "ip link add aux0 type veth peer name aux1\nip link set aux0 up\nip link set aux1 up\n",
            ),
        ),
    ),
    "func-back-after-reboot": Fault(
        _FUNCTIONS,
        "a function that was switched off is back after a restart",
        (
            append(
                "/usr/lib/np/boot",
                "if [ -e /etc/np/started ]; then\n    ip link add aux0 type veth peer name aux1\n    ip link set aux0 up\n    ip link set aux1 up\nfi\ntouch /etc/np/started\n",
            ),
        ),
    ),
    "func-undeclared-unit": Fault(
        _FUNCTIONS,
        "a service is started that is not in the list",
        (
            write("/usr/lib/np/extra", "#!/bin/sh\nexec sleep infinity\n", 0o755),
            service("xtra", "/usr/lib/np/extra"),
        ),
    ),
    "eol-library": Fault(_SUPPORT, "OpenSSL 1.0.2 is installed", _stub("libssl1.0.2", "1.0.2u-1~deb9u7")),
    "eol-os": Fault(
        _SUPPORT,
        "the distribution's release is past its support",
        (
            shell(
                'rm /etc/os-release; printf \'PRETTY_NAME="Debian GNU/Linux 9 (stretch)"\\nNAME="Debian GNU/Linux"\\nVERSION_ID="9"\\nVERSION="9 (stretch)"\\nVERSION_CODENAME=stretch\\nID=debian\\n\' > /etc/os-release; echo 9.13 > /etc/debian_version'
            ),
        ),
    ),
    "bof-no-aslr": Fault(
        _OVERFLOW,
        "the SNMP agent runs without address randomisation",
        (shell("sed -i 's#^snmp:2:respawn:#snmp:2:respawn:/usr/bin/setarch -R #' /etc/inittab"),),
    ),
    "bof-exec-stack": Fault(
        _OVERFLOW, "the user plane has an executable stack", (program("gtpud-execstack", _USER_PLANE),)
    ),
    "bof-no-pie": Fault(
        _OVERFLOW, "the user plane is linked at a fixed address", (program("gtpud-nopie", _USER_PLANE),)
    ),
    "bof-no-canary": Fault(
        _OVERFLOW,
        "the user plane is built without stack protector",
        (program("gtpud-nocanary", _USER_PLANE),),
    ),
}
