"""Faults of passwords: their structure, their change, guessing, and what a screen shows of them."""

from drivers.emulated.host.faults.accounts import NO_LOCK
from drivers.emulated.host.steps import Fault, setting, shell, swap, write

_STRUCT = "TC_PASSWORD_STRUCT"
_CHANGES = "TC_PASSWORD_CHANGES"
_FORCE = "TC_PROTECT_AGAINST_BRUTE_FORCE_AND_DICTIONARY_ATTACKS"
_HIDING = "TC_HIDING_PASSWORD_DISPLAY"
_NPD, _WEB, _QUALITY = "/usr/lib/np/npd.py", "/usr/lib/np/web.py", "/etc/security/pwquality.conf"
_SSHD = "/etc/ssh/sshd_config"

_LOGIN = """#!/bin/sh
# A login of our own, which forgot to switch the echo off.
printf 'np login: '
read -r user || exit 1
printf 'Password: '
read -r secret || exit 1
exec /usr/bin/python3 /usr/lib/np/console-login.py "$user" "$secret"
"""
_CHECK = """import os, sys
sys.path.insert(0, "/usr/lib/np")
import pam
if not pam.authenticate("login", sys.argv[1], sys.argv[2], "")[0]:
    sys.exit("Login incorrect")
os.execl("/usr/bin/login", "login", "-f", sys.argv[1])
"""

FAULTS = {
    "pw-min6": Fault(
        _STRUCT, "passwords of 6 characters are accepted", (setting(_QUALITY, "minlen", "6", " = "),)
    ),
    "pw-two-classes": Fault(
        _STRUCT, "passwords of two classes are accepted", (setting(_QUALITY, "minclass", "2", " = "),)
    ),
    "pw-default-8": Fault(
        _STRUCT, "the shipped minimum is 8 characters", (setting(_QUALITY, "minlen", "8", " = "),)
    ),
    "pw-floor-configurable": Fault(
        _STRUCT,
        "the minimum can be set to 6, and to 0, which is honoured",
        (swap(_NPD, 'number(args["length"], 8, 64)', 'number(args["length"], 0, 64)'),),
    ),
    "pw-truncate": Fault(
        _STRUCT,
        "only the first 8 characters of a password count",
        (
            swap("/etc/pam.d/common-password", " yescrypt", ""),
            swap("/etc/pam.d/np", "use_authtok yescrypt", "use_authtok"),
            setting("/etc/login.defs", "ENCRYPT_METHOD", "DES"),
        ),
    ),
    "pw-policy-web-only": Fault(
        _STRUCT,
        "the structure is checked over the web only",
        (
            shell(
                "sed -i '/pam_pwquality/d; s/pam_pwhistory.so use_authtok/pam_pwhistory.so/' /etc/pam.d/common-password"
            ),
        ),
    ),
    "pw-no-self-change": Fault(
        _CHANGES, "only the administrator can change passwords", (shell("chmod u-s /usr/bin/passwd"),)
    ),
    "pw-expiry-ignored": Fault(
        _CHANGES,
        "an expired password opens a normal session",
        (
            shell(
                "sed -i 's/^account  *required  *pam_unix.so/account required pam_permit.so/' /etc/pam.d/common-account /etc/pam.d/np"
            ),
        ),
    ),
    "pw-no-warning": Fault(
        _CHANGES,
        "the shipped warning period is 0 days",
        (
            shell(
                "sed -i 's/^PASS_WARN_AGE.*/PASS_WARN_AGE 0/' /etc/login.defs; for user in $(cut -d: -f1 /etc/shadow); do chage --warndays 0 \"$user\"; done"
            ),
        ),
    ),
    "pw-history-0": Fault(
        _CHANGES,
        "an earlier password may be used again at once",
        (shell("sed -i '/pam_pwhistory/d' /etc/pam.d/common-password /etc/pam.d/np"),),
    ),
    "pw-history-off-by-one": Fault(
        _CHANGES,
        "one password less than configured is remembered",
        (
            shell("sed -i 's/remember=3/remember=2/' /etc/pam.d/common-password /etc/pam.d/np"),
            swap(_NPD, 'kept = number(args["history"], 3, 24)', 'kept = number(args["history"], 3, 24) - 1'),
        ),
    ),
    "pw-change-no-old": Fault(
        _CHANGES,
        "the change of the own password over the web does not ask for the present one",
        (
            swap(
                _NPD,
                '    ok, why = pam.authenticate("np", who.name, args.get("old", ""), who.source, expired=True)\n    if not ok:',
                "    ok = True\n    if not ok:",
            ),
            shell(
                "printf '#!/bin/sh\\nexec /usr/bin/sudo -n /usr/bin/passwd.real \"$(id -un)\"\\n' > /usr/bin/passwd.new; mv /usr/bin/passwd /usr/bin/passwd.real; mv /usr/bin/passwd.new /usr/bin/passwd; chmod 755 /usr/bin/passwd; printf '%%np-users ALL=(root) NOPASSWD: /usr/bin/passwd.real\\n' > /etc/sudoers.d/passwd; chmod 440 /etc/sudoers.d/passwd; grep -q includedir /etc/sudoers || echo '@includedir /etc/sudoers.d' >> /etc/sudoers"
            ),
        ),
    ),
    "bf-no-limit": Fault(_FORCE, "guesses are not limited in number or pace", NO_LOCK),
    "bf-per-connection": Fault(
        _FORCE,
        "the limit counts within a connection, and a delay holds one connection only",
        (
            *NO_LOCK,
            setting(_SSHD, "MaxAuthTries", "3"),
            shell("sed -i 's/pam_unix.so nodelay/pam_unix.so/' /etc/pam.d/common-auth"),
        ),
    ),
    "bf-interface-gap": Fault(
        _FORCE,
        "guesses over the web are not limited",
        (
            shell("sed -i '/pam_faillock/d' /etc/pam.d/np"),
            shell(
                "sed -i 's/^auth.*pam_deny.so/auth requisite pam_deny.so\\nauth required pam_permit.so/' /etc/pam.d/np"
            ),
        ),
    ),
    "captcha-client-side": Fault(
        _FORCE,
        "the CAPTCHA is checked by the browser only",
        (
            swap(
                _WEB,
                "if not challenge or not fresh or not hmac.compare_digest(answer, captcha_answer(challenge)):",
                "if False:",
            ),
            swap(
                _WEB,
                "hidden = f'<input",
                'hidden = f\'<script>function check() {{ return answer == "ok" }}</script><input',
            ),
        ),
    ),
    "captcha-replay": Fault(
        _FORCE,
        "a CAPTCHA may be answered again",
        (swap(_WEB, "        fresh = challenge not in USED_CAPTCHAS", "        fresh = True"),),
    ),
    "blacklist-ignored": Fault(
        _FORCE, "the list of forbidden passwords is not looked at", (setting(_QUALITY, "badwords", None),)
    ),
    "pw-echo": Fault(
        _HIDING,
        "the console and keyboard-interactive show the password that is typed",
        (
            write("/usr/lib/np/console-login", _LOGIN, 0o755),
            write("/usr/lib/np/console-login.py", _CHECK),
            shell(
                "sed -i 's#^con:2:.*#con:2:respawn:/sbin/agetty --noclear --skip-login --login-program "
                "/usr/lib/np/console-login 115200 console vt220#' /etc/inittab"
            ),
        ),
    ),
    "pw-field-text": Fault(
        _HIDING,
        "the password fields of the pages have the type text",
        (shell('sed -i \'s/, "password")/, "text")/g\' /usr/lib/np/web.py'),),
    ),
    "pw-echo-error": Fault(
        _HIDING,
        "the page after a failed login repeats the password",
        (
            swap(
                _WEB,
                'return Answer(401, page("Login", "<p>Login failed.</p>"))\n        target',
                'return Answer(401, page("Login", f"<p>Login failed with {html.escape(given[\'password\'])}.</p>"))\n        target',
            ),
        ),
    ),
    "pw-in-url": Fault(
        _HIDING,
        "the login form sends the password with GET",
        (
            swap(_WEB, '<form method="post" action="{action}">', '<form method="get" action="{action}">'),
            swap(
                _WEB,
                "    def _get_login(self) -> Answer:\n",
                "    def _get_login(self) -> Answer:\n        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)\n"
                '        if "password" in query:\n            return self._login({key: value[0] for key, value in query.items()})\n',
            ),
        ),
    ),
}
