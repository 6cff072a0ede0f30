"""Faults of records: events without one, fields left out, sent in clear, readable or deletable, growing without end."""

from drivers.emulated.host.steps import Fault, on_root, shell, swap, write

_EVENTS = "TC_SECURITY_EVENT_LOGGING"
_TRANSFER = "TC_LOG TRANS_TO_CENTR STORAGE"
_FILES = "TC_PROTECTION_OF_SECURITY_EVENT_LOG_FILES"
_GROWING = "TC_HANDLING_OF_GROWING_CONTENT"
_NPD, _WEB, _RSYSLOG, _FORWARD = (
    "/usr/lib/np/npd.py",
    "/usr/lib/np/web.py",
    "/etc/rsyslog.conf",
    "/etc/np/forward.template",
)

FAULTS = {
    "log-missing-event": Fault(
        _EVENTS,
        "the deletion of an account is not recorded",
        (
            swap(
                _NPD,
                '    return changed(who, f"account {name} deleted")',
                '    return f"account {name} deleted"',
            ),
        ),
    ),
    "log-no-source-ip": Fault(
        _EVENTS,
        "the record of a failed login from afar has no address",
        (
            swap(
                _RSYSLOG,
                "auth,authpriv.*                 action(",
                'if $programname == "sshd" and $msg contains "Failed" then { action(type="omfile" file="/var/log/auth.log" template="short" sync="on") stop }\nauth,authpriv.*                 action(',
            ),
            swap(
                _RSYSLOG,
                'module(load="imuxsock")',
                'module(load="imuxsock")\ntemplate(name="short" type="string" string="%timegenerated:::date-rfc3339% %hostname% %syslogtag%%msg:R,ERE,1,BLANK:(.*) from--end%\\n")',
            ),
            swap(
                _NPD,
                'log.warning("web login failed: user=%s source=%s", printable(name), source)',
                'log.warning("web login failed: user=%s", printable(name))',
            ),
        ),
    ),
    "log-no-user": Fault(
        _EVENTS,
        "the record of a change of the configuration has no user",
        (
            swap(
                _NPD,
                'log.warning("change by user=%s role=%s source=%s: %s", who.name, who.role, who.source, what)',
                'log.warning("change by role=%s: %s", who.role, what)',
            ),
        ),
    ),
    "log-no-hostname": Fault(
        _EVENTS,
        "records have no host name",
        (
            swap(
                _RSYSLOG,
                'module(load="imuxsock")',
                'module(load="imuxsock")\ntemplate(name="bare" type="string" string="%timegenerated:::date-rfc3339% %syslogtag%%msg:::sp-if-no-1st-sp%%msg:::drop-last-lf%\\n")',
            ),
            shell("sed -i 's/RSYSLOG_FileFormat/bare/' /etc/rsyslog.conf"),
        ),
    ),
    "log-wrong-time": Fault(
        _EVENTS,
        "the times of records are hours off, and have no zone",
        (
            swap(
                _RSYSLOG,
                'module(load="imuxsock")',
                'module(load="imuxsock")\ntemplate(name="local" type="string" string="%timegenerated:::date-mysql% %hostname% %syslogtag%%msg:::sp-if-no-1st-sp%%msg:::drop-last-lf%\\n")',
            ),
            shell(
                "sed -i 's/RSYSLOG_FileFormat/local/; ' /etc/rsyslog.conf; sed -i 's#^log:2:respawn:.*#log:2:respawn:/usr/bin/env TZ=Asia/Tokyo /usr/sbin/rsyslogd -n -iNONE#' /etc/inittab"
            ),
        ),
    ),
    "log-web-silent": Fault(
        _EVENTS,
        "logins and changes over the web are not recorded",
        (
            swap(_NPD, '        log.warning("web login failed:', '        log.debug("web login failed:'),
            swap(_NPD, '    log.warning("web login: user', '    log.debug("web login: user'),
            swap(
                _NPD, '    log.warning(\n        "web session %s:', '    log.debug(\n        "web session %s:'
            ),
            shell(
                "sed -i 's/np:auth/np:auth/; ' /etc/pam.d/np; sed -i 's/pam_unix.so nodelay/pam_unix.so nodelay quiet/' /etc/pam.d/np; sed -i '/^audit/d' /etc/security/faillock.conf"
            ),
            swap(
                _RSYSLOG,
                "auth,authpriv.*                 action(",
                'if $msg contains "(np:auth)" then stop\nauth,authpriv.*                 action(',
            ),
        ),
    ),
    "log-lost-on-crash": Fault(
        _EVENTS,
        "records are kept in memory for a minute before they are written",
        (
            shell(
                'sed -i \'s/sync="on"/asyncWriting="on" flushOnTXEnd="off" flushInterval="60" ioBufferSize="64k"/\' /etc/rsyslog.conf'
            ),
        ),
    ),
    "syslog-udp-clear": Fault(
        _TRANSFER,
        "records are forwarded over UDP in clear",
        (
            write(
                _FORWARD,
                '*.* action(type="omfwd" target="@HOST@" port="@PORT@" protocol="udp" template="RSYSLOG_SyslogProtocol23Format")\n# @PEER@\n',
            ),
        ),
    ),
    "syslog-tls-noverify": Fault(
        _TRANSFER,
        "any certificate of a collector is taken",
        (
            swap(
                _FORWARD,
                'StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="@PEER@"',
                'StreamDriverAuthMode="anon"',  # which takes no names
            ),
        ),
    ),
    "syslog-drop": Fault(
        _TRANSFER,
        "records are lost while the collector is away",
        (
            shell(
                'sed -i \'/queue.type/d; /action.resume/s/.*/    action.resumeRetryCount="0" action.resumeInterval="12")/\' /etc/np/forward.template'
            ),
        ),
    ),
    "upload-ftp": Fault(
        _TRANSFER,
        "log files are uploaded with FTP",
        (
            swap(
                _NPD,
                "    run(\n        *words,\n",
                '    import ftplib\n\n    with ftplib.FTP() as ftp, frozen.open("rb") as data:\n        ftp.connect(host, int(port), 10)\n'
                '        ftp.login(name, "log-upload")\n        ftp.storbinary("STOR auth.log", data)\n'
                "        return changed(who, f\"log uploaded to {args['target']}\")\n    run(\n        *words,\n",
            ),
        ),
    ),
    "log-mode-644": Fault(
        _FILES,
        "everybody may read the security log",
        (
            swap(_RSYSLOG, 'fileCreateMode="0640"', 'fileCreateMode="0644"'),
            shell("sed -i 's/create 0640/create 0644/' /etc/logrotate.d/np"),
        ),
    ),
    "log-rotated-open": Fault(
        _FILES,
        "rotation makes files that everybody may read",
        (
            swap(
                "/etc/logrotate.d/np",
                "    compress\n    create 0640 root adm\n",
                "    copytruncate\n    postrotate\n        chmod 644 /var/log/auth.log.* /var/log/syslog.*\n    endscript\n    sharedscripts\n}\n/nonexistent {\n    missingok\n",
            ),
        ),
    ),
    "log-gui-leak": Fault(
        _FILES,
        "over the web every role may read the log",
        (
            swap(
                _NPD,
                "    said = ask(session.caller, operation, args)",
                '    said = logs(session.caller, args) if operation == "logs" else ask(session.caller, operation, args)',
            ),
        ),
    ),
    "log-deletable": Fault(
        _FILES,
        "the application's account may write to the folder of the logs",
        (shell("chgrp np /var/log; chmod 775 /var/log"),),
    ),
    "log-on-root": Fault(
        _GROWING,
        "logs are on the root file system and have no limit",
        (shell("rm /etc/logrotate.d/np"), on_root("/var/log")),
    ),
    "rotate-off": Fault(
        _GROWING, "logs are not rotated", (shell("rm /etc/cron.d/np; rm /etc/logrotate.d/np"),)
    ),
    "upload-no-quota": Fault(
        _GROWING,
        "uploads fill the system's disk",
        (on_root("/srv/upload"),),
    ),
    "disk-full-crash": Fault(
        _GROWING,
        "the pages end when there is no room",
        (
            swap(
                _WEB,
                "        except OSError:\n            (UPLOADS / name).unlink(missing_ok=True)\n",
                "        except OSError:\n            os._exit(1)\n",
            ),
            shell("sed -i 's/^gui:2:respawn/gui:2:once/' /etc/inittab"),
        ),
    ),
}
