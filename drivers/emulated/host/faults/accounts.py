"""Faults of accounts: too few, shared, hidden, open, left over, not unique; and of the lock after failed logins."""

from drivers.emulated.host import keys
from drivers.emulated.host.steps import Fault, append, setting, shell, swap

_NUMBER = "TC_ACCOUNT_NUMBER"
_PROTECTION = "TC_ACCOUNT_PROTECTION"
_LEFT = "TC_PREDEFINED_ACCOUNT_DELETION"
_ATTRIBUTES = "TC_PREDEFINED_AUTHENTICATION_ATTRIBUTES_DELETION"
_UNIQUE = "TC_UNIQUE_SYSTEM_ACCOUNT_IDENTIFICATION"
_LOCK = "TC_FAILED_LOGIN_ATTEMPTS"
_NPD, _WEB, _SSHD, _FAILLOCK = (
    "/usr/lib/np/npd.py",
    "/usr/lib/np/web.py",
    "/etc/ssh/sshd_config",
    "/etc/security/faillock.conf",
)
_USERADD = 'run("useradd", "--create-home", "--shell", "/bin/bash", "--groups", f"np-users,np-{role}", name)'
_FAULTY_PASSWORD = "Guest-Weak-99x"

_NO_LOCK = tuple(
    step
    for file in ("common-auth", "np")
    for step in (
        shell(
            f"sed -i '/pam_faillock/d; s/success=1 default=ignore/success=1 default=ignore/' /etc/pam.d/{file}"
        ),
        shell(
            f"sed -i 's/^auth.*pam_deny.so/auth requisite pam_deny.so\\nauth required pam_permit.so/' /etc/pam.d/{file}"
        ),
    )
)
NO_LOCK = _NO_LOCK
ADD = "useradd --create-home --shell /bin/bash --groups np-users,np-viewer"

FAULTS = {
    "account-limit-low": Fault(
        _NUMBER,
        "there is room for 20 accounts",
        (
            setting("/etc/login.defs", "UID_MAX", "1020"),
            swap(_NPD, '"useradd", "--create-home"', '"useradd", "--key", "UID_MAX=1020", "--create-home"'),
        ),
    ),
    "account-silent-drop": Fault(
        _NUMBER,
        "above 20 accounts a creation is reported as done and is not",
        (
            swap(
                _NPD,
                f"    {_USERADD}",
                f'    if len(account_list(who, {{}}).splitlines()) > 20:\n        return changed(who, f"account {{name}} created with role {{role}}")\n    {_USERADD}',
            ),
        ),
    ),
    "account-shared-id": Fault(
        _NUMBER,
        "all new accounts get one UID",
        (
            swap(
                _NPD,
                '"useradd", "--create-home"',
                '"useradd", "--non-unique", "--uid", "1500", "--create-home"',
            ),
        ),
    ),
    "group-login-default": Fault(
        _NUMBER,
        "a login that operators share is active on delivery",
        (
            shell(
                f"usermod --expiredate '' operators; echo operators:{_FAULTY_PASSWORD} | chpasswd -c YESCRYPT"
            ),
        ),
    ),
    "hidden-account": Fault(
        _PROTECTION,
        "an account that is not documented has a password",
        (shell(f"{ADD} maint; echo maint:{_FAULTY_PASSWORD} | chpasswd -c YESCRYPT"),),
    ),
    "empty-password": Fault(
        _PROTECTION,
        "view1 logs in with an empty password",
        (
            shell("passwd --delete view1"),
            setting(_SSHD, "PermitEmptyPasswords", "yes"),
            shell("sed -i 's/pam_unix.so nodelay/pam_unix.so nodelay nullok/' /etc/pam.d/common-auth"),
        ),
    ),
    "ip-trust-login": Fault(
        _PROTECTION,
        "any password is right from one address",
        (shell("sed -i '1i auth sufficient pam_succeed_if.so quiet rhost = 192.0.2.2' /etc/pam.d/sshd"),),
    ),
    "new-account-open": Fault(
        _PROTECTION,
        "a new account can be used with an empty password before one is set",
        (
            swap(_NPD, f"    {_USERADD}", f'    {_USERADD}\n    run("passwd", "--delete", name)'),
            setting(_SSHD, "PermitEmptyPasswords", "yes"),
            shell("sed -i 's/pam_unix.so nodelay/pam_unix.so nodelay nullok/' /etc/pam.d/common-auth"),
        ),
    ),
    "guest-active": Fault(
        _LEFT,
        "the default account guest can log in",
        (shell(f"{ADD} guest; echo guest:{_FAULTY_PASSWORD} | chpasswd -c YESCRYPT"),),
    ),
    "locked-but-key": Fault(
        _LEFT,
        "an account that is declared as locked still logs in with a key",
        (
            shell(
                "usermod --expiredate '' service1; install -d -m 700 -o service1 -g service1 /home/service1/.ssh; "
                "cp /etc/np/upload_key.pub /home/service1/.ssh/authorized_keys; chown service1 /home/service1/.ssh/authorized_keys"
            ),
        ),
    ),
    "locked-weak-password": Fault(
        _LEFT,
        "a locked account keeps the hash of the password admin",
        (shell("printf 'service1:!%s\\n' \"$(openssl passwd -6 admin)\" | chpasswd -e"),),
    ),
    "undocumented-default": Fault(
        _LEFT,
        "the distribution's default user debian is left with a login",
        (shell(f"{ADD} debian; echo debian:{_FAULTY_PASSWORD} | chpasswd -c YESCRYPT"),),
    ),
    "internal-login": Fault(
        _LEFT,
        "the service account np has a shell and a password",
        (
            shell(
                f"usermod --shell /bin/bash --append --groups np-users np; echo np:{_FAULTY_PASSWORD} | chpasswd -c YESCRYPT"
            ),
        ),
    ),
    "no-forced-change": Fault(
        _ATTRIBUTES,
        "the default password of first1 need not be changed",
        (shell("chage --lastday -1 first1"),),
    ),
    "change-bypass": Fault(
        _ATTRIBUTES,
        "over the web the change of a default password can be skipped by going to another page",
        (
            swap(
                _NPD,
                "    if session.must_change and operation",
                '    if session.must_change and operation == "status" and operation',
            ),
        ),
    ),
    "same-password-accepted": Fault(
        _ATTRIBUTES,
        "over the web the old password is accepted as the new one",
        (
            shell(
                "sed -i 's/ yescrypt/ yescrypt/; /pam_pwhistory/d; s/^password.*pam_pwquality.*$/password required pam_permit.so/' /etc/pam.d/np"
            ),
            swap(
                _NPD,
                '    if why := pam.change("np", who.name, args.get("old", ""), args.get("password", "")):\n        raise Refused(why)',
                '    _set_password(who.name, args.get("password", ""))',
            ),
        ),
    ),
    "shared-hostkey": Fault(
        _ATTRIBUTES,
        "each unit has the host key of the first one",
        (lambda site: keys.install_host_key(site.root, 1),),
    ),
    "default-community": Fault(
        _ATTRIBUTES,
        "the SNMP community public answers",
        (append("/etc/snmp/snmpd.conf", "rocommunity public\nrocommunity6 public\n"),),
    ),
    "uid0-second": Fault(
        _UNIQUE,
        "a second account has UID 0",
        (shell("useradd --non-unique --uid 0 --no-create-home --home-dir /root --shell /bin/bash toor"),),
    ),
    "uid-duplicate": Fault(
        _UNIQUE, "two accounts share a UID", (shell("usermod --non-unique --uid $(id -u oper1) oper2"),)
    ),
    "uid-reuse-tool": Fault(
        _UNIQUE,
        "the tool that creates accounts gives a UID that is in use",
        (
            swap(
                _NPD,
                '"useradd", "--create-home"',
                '"useradd", "--non-unique", "--uid", "1002", "--create-home"',
            ),
            shell(
                "mv /usr/sbin/useradd /usr/sbin/useradd.real; printf '#!/bin/sh\\nexec /usr/sbin/useradd.real --non-unique --uid 1002 \"$@\"\\n' > /usr/sbin/useradd; chmod 755 /usr/sbin/useradd"
            ),
        ),
    ),
    "lock-never": Fault(_LOCK, "failed logins never lead to a block", _NO_LOCK),
    "lock-default-20": Fault(
        _LOCK, "the shipped maximum is 20 failures", (setting(_FAILLOCK, "deny", "20", " = "),)
    ),
    "lock-delay-1s": Fault(
        _LOCK,
        "the block lasts one second",
        (setting(_FAILLOCK, "unlock_time", "1", " = "), setting(_FAILLOCK, "root_unlock_time", "1", " = ")),
    ),
    "lock-reset-by-reconnect": Fault(
        _LOCK, "failures count within a connection only", (*_NO_LOCK, setting(_SSHD, "MaxAuthTries", "3"))
    ),
    "lock-web-missing": Fault(
        _LOCK,
        "over the web there is no block",
        (
            shell("sed -i '/pam_faillock/d' /etc/pam.d/np"),
            shell(
                "sed -i 's/^auth.*pam_deny.so/auth requisite pam_deny.so\\nauth required pam_permit.so/' /etc/pam.d/np"
            ),
        ),
    ),
    "lock-admin-permanent": Fault(
        _LOCK,
        "an administrator is locked for good where permanent locking is on",
        (
            setting(_FAILLOCK, "admin_group", None),
            setting(_FAILLOCK, "root_unlock_time", None),
            swap(
                _NPD,
                '        if value != "never":  # administrators are never locked for good\n            edit(path, "root_unlock_time", value)\n',
                "",
            ),
        ),
    ),
    "lock-not-configurable": Fault(
        _LOCK,
        "setting the maximum and the delay has no effect",
        (
            swap(
                _NPD,
                '    path, said = "/etc/security/faillock.conf", []',
                '    path, said = "/etc/np/faillock.copy", []',
            ),
            shell("cp /etc/security/faillock.conf /etc/np/faillock.copy"),
        ),
    ),
}
