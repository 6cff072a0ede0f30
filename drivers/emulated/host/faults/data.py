"""Faults of stored and displayed data: secrets in clear, weak hashes, weak transport, personal data."""

from drivers.emulated.host.steps import Fault, append, mode, setting, shell, swap

_SECRETS = "TC_CONFIDENTIAL_SYSTEM_INTERNAL_DATA"
_STORE = "TC_PSW_STOR_SUPPORT"
_TRANSFER = "TC_PROTECT_DATA_INFO_TRANSFER_1"
_PERSONAL = "TC_LOGGING_ACCESS_TO_PERSONAL_DATA"
_NPD, _WEB, _SSHD = "/usr/lib/np/npd.py", "/usr/lib/np/web.py", "/etc/ssh/sshd_config"
_MACHINE = "{crypt.crypt(args['password'], crypt.mksalt(crypt.METHOD_SHA512))}"
_MASK = """return "********" if key.endswith(("secret", "token", "key")) else value"""

FAULTS = {
    "config-export-cleartext": Fault(
        _SECRETS,
        "the exported configuration has the RADIUS secret in clear",
        (
            swap(
                _NPD,
                '    "config-export": config_show,',
                '    "config-export": lambda who, args: (ETC / "config.json").read_text(),',
            ),
        ),
    ),
    "log-password": Fault(
        _SECRETS,
        "a failed login over the web records the password that was typed",
        (
            swap(
                _NPD,
                'log.warning("web login failed: user=%s source=%s", printable(name), source)',
                'log.warning("web login failed: user=%s source=%s password=%s", printable(name), source, args.get("password"))',
            ),
        ),
    ),
    "log-token": Fault(
        _SECRETS,
        "the web server's access log has the cookie and the Authorization header",
        (
            swap(
                "/etc/nginx/nginx.conf",
                "$status $body_bytes_sent'",
                "$status $body_bytes_sent $http_cookie $http_authorization'",
            ),
        ),
    ),
    "error-stacktrace": Fault(
        _SECRETS,
        "a malformed request over the web is answered with a stack trace",
        (
            swap(
                _WEB,
                'self._send(Answer(500, page("Error", "<p>It did not work.</p>")))',
                'import traceback\n            self._send(Answer(500, page("Error", f"<pre>{traceback.format_exc()}</pre>")))',
            ),
            swap(
                _WEB,
                "def _fields(self) -> dict[str, str]:",
                'def _fields(self) -> dict[str, str]:\n        self.headers["Content-Type"].index("form")',
            ),
        ),
    ),
    "reversible-encoding": Fault(
        _SECRETS,
        "secrets are shown in base64",
        (
            swap(
                _NPD,
                _MASK,
                'import base64\n    return base64.b64encode(value.encode()).decode() if key.endswith(("secret", "token", "key")) else value',
            ),
        ),
    ),
    "ps-secret": Fault(
        _SECRETS,
        "the command line hands secrets on as arguments that everybody may list",
        (
            swap(
                "/usr/bin/np",
                "    with socket.socket(socket.AF_UNIX) as wire:",
                "    import subprocess\n\n    away = {name: subprocess.DEVNULL for name in ('stdin', 'stdout', 'stderr')}\n"
                '    subprocess.Popen(["sh", "-c", "sleep 5", *args.values()], **away)\n'
                "    with socket.socket(socket.AF_UNIX) as wire:",
            ),
        ),
    ),
    "psw-cleartext": Fault(
        _STORE,
        "the store of the machine accounts keeps passwords as they are",
        (
            swap(_NPD, _MACHINE, "{{PLAIN}}{args['password']}"),
            shell("sed -i 's/:.*/:{PLAIN}plain-pass-1/' /etc/np/machines"),
        ),
    ),
    "psw-md5crypt": Fault(
        _STORE,
        "passwords are stored as MD5-crypt",
        (
            swap(_NPD, '"--crypt-method", "YESCRYPT"', '"--crypt-method", "MD5"'),
            setting("/etc/login.defs", "ENCRYPT_METHOD", "MD5"),
            swap("/etc/pam.d/common-password", "yescrypt", "md5"),
            swap("/etc/pam.d/np", "use_authtok yescrypt", "use_authtok md5"),
        ),
    ),
    "psw-unsalted": Fault(
        _STORE,
        "the store of the machine accounts keeps unsalted digests",
        (
            swap(
                _NPD,
                _MACHINE,
                "{{SHA}}{__import__('base64').b64encode(hashlib.sha1(args['password'].encode()).digest()).decode()}",
            ),
        ),
    ),
    "psw-fixed-salt": Fault(
        _STORE,
        "the tool that sets passwords hashes with one salt for everybody",
        (
            swap(
                _NPD,
                'run("chpasswd", "--crypt-method", "YESCRYPT", told=f"{name}:{password}\\n")',
                'run("chpasswd", "--encrypted", told=f"{name}:{crypt.crypt(password, \'$6$oneforall\')}\\n")',
            ),
        ),
    ),
    "psw-truncated": Fault(
        _STORE,
        "passwords are stored as DES crypt: eight characters count",
        (
            swap(_NPD, '"--crypt-method", "YESCRYPT"', '"--crypt-method", "DES"'),
            setting("/etc/login.defs", "ENCRYPT_METHOD", "DES"),
            swap("/etc/pam.d/common-password", " yescrypt", ""),
        ),
    ),
    "shadow-world-readable": Fault(
        _STORE, "everybody may read the password store", (mode("/etc/shadow", 0o644),)
    ),
    "ssh-weak-kex": Fault(
        _TRANSFER,
        "SSH offers diffie-hellman-group1-sha1",
        (setting(_SSHD, "KexAlgorithms", "+diffie-hellman-group1-sha1"),),
        # the first value counts in sshd_config: `setting` takes the line away before it adds one
    ),
    "ssh-cbc-ciphers": Fault(
        _TRANSFER, "SSH offers 3des-cbc and aes128-cbc", (setting(_SSHD, "Ciphers", "+3des-cbc,aes128-cbc"),)
    ),
    "oam-tls10": Fault(
        _TRANSFER,
        "the management pages are served over TLS 1.0 too",
        (
            swap(
                "/etc/nginx/nginx.conf",
                "ssl_protocols TLSv1.2 TLSv1.3;",
                "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;",
            ),
            swap(
                "/etc/nginx/nginx.conf",
                "ECDHE-ECDSA-AES128-GCM-SHA256;",
                "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0;",
            ),
        ),
    ),
    "snmp-v2c-open": Fault(
        _TRANSFER,
        "SNMP v2c is answered with the community public",
        (append("/etc/snmp/snmpd.conf", "rocommunity public\nrocommunity6 public\n"),),
    ),
    "oam-plain-http": Fault(
        _TRANSFER,
        "the management pages are served over port 80",
        (
            shell(  # on whatever address the unit has
                r"sed -i 's/^    listen \([0-9.]*\):443 ssl;/&\n    listen \1:80;/' /etc/nginx/conf.d/oam.conf"
            ),
            swap("/etc/nftables.conf", "{ 22, 443, 8444 }", "{ 22, 80, 443, 8444 }"),
        ),
    ),
    "default-differs-from-doc": Fault(
        _TRANSFER,
        "SSH as delivered allows a cipher that is not documented",
        (
            swap(
                _SSHD,
                "Ciphers aes256-gcm@openssh.com",
                "Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com",
            ),
        ),
    ),
    "pd-access-not-logged": Fault(
        _PERSONAL,
        "whoever reads a subscriber leaves no record",
        (
            swap(
                _NPD,
                '    log.warning("personal data read by user',
                '    log.debug("personal data read by user',
            ),
        ),
    ),
    "pd-denied-not-logged": Fault(
        _PERSONAL,
        "a refused attempt to read a subscriber leaves no record",
        (
            swap(
                _NPD,
                '        log.warning(\n            "%s: user',
                '        log.debug(\n            "%s: user',
            ),
        ),
    ),
    "pd-log-no-user": Fault(
        _PERSONAL,
        "the record of an access names a shared account",
        (
            swap(
                _NPD,
                'subscriber ref=%s", who.name, who.source, ref)',
                'subscriber ref=%s", "service", who.source, ref)',
            ),
        ),
    ),
    "pd-in-log": Fault(
        _PERSONAL,
        "the record of an access repeats the SUPI and the MSISDN",
        (
            swap(
                _NPD,
                'subscriber ref=%s", who.name, who.source, ref)',
                "subscriber ref=%s\", who.name, who.source, f\"{ref} {kept[ref]['supi']} {kept[ref]['msisdn']}\")",
            ),
        ),
    ),
}
