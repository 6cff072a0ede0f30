"""What paramiko no longer speaks: the algorithms of an SSH server by ssh-audit, single offers by OpenSSH."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers import process, reach
from drivers.interfaces.replies import Login, Outcome, SshAlgorithms
from drivers.ssh import Server
from drivers.text import line

KEEP = 1 << 20
MAX_NAMES = 200
OPTIONS = ("KexAlgorithms", "HostKeyAlgorithms", "Ciphers", "MACs", "PubkeyAcceptedAlgorithms")

_NEGOTIATION = re.compile(r"no matching|Unable to negotiate|Protocol major versions differ")
_UNSPOKEN = re.compile(r"Bad SSH2|Unsupported KEX|Bad key types|unsupported|Bad configuration option")
_ANSWER = re.compile(
    r"Permission denied \(([^)]{0,300})\)|No supported authentication methods|Too many authentication"
)


def algorithms(server: Server) -> SshAlgorithms:
    """The lists of a server's KEXINIT, as ssh-audit reads them; its own opinions are left out."""
    reach.check((server.host, server.port))
    words = [str(Path(sys.executable).with_name("ssh-audit")), "--json", "--timeout", f"{int(server.within)}"]
    words += ["--skip-rate-test", "--port", str(server.port), server.host]
    done = process.run(words, within=server.within + 20, keep=KEEP)
    try:
        told = json.loads(done.out)
        return _lists(told if isinstance(told, dict) else {})
    except (ValueError, RecursionError):
        said = line(done.err + done.out, 300) or "nothing"
        why = "it did not end in time, or said too much" if done.cut else f"ssh-audit says: {said}"
        return SshAlgorithms("", (), (), (), (), (), why)


def _lists(told: dict[str, Any]) -> SshAlgorithms:
    banner = told.get("banner")
    version = line(str(banner.get("raw") or ""), 255) if isinstance(banner, dict) else ""
    kex, keys, ciphers, macs = (_names(told.get(name)) for name in ("kex", "key", "enc", "mac"))
    problem = "" if kex and keys and ciphers else "the server showed no complete KEXINIT"
    return SshAlgorithms(version, kex, keys, ciphers, macs, _names(told.get("compression")), problem)


def _names(value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list) else []
    names = [one.get("algorithm", "") if isinstance(one, dict) else one for one in found[:MAX_NAMES]]
    return tuple(dict.fromkeys(line(str(name), 100) for name in names if name))


def negotiates(server: Server, offer: Mapping[str, str]) -> Login:
    """Offer these algorithms alone and see whether the server takes them; no secret is sent.

    Args:
        server: its key is not checked.
        offer: options of ssh_config(5), each with one algorithm or a list: KexAlgorithms,
            HostKeyAlgorithms, Ciphers, MACs.

    Returns:
        "refused" where the negotiation worked and the login without a secret was refused, "in" where even
        that worked, "incompatible" where the server took none; "closed" or "silence"; `said` tells more.

    Raises:
        ValueError: another option, or an algorithm that our own client does not speak.
        LabError: there is no OpenSSH client.
    """
    reach.check((server.host, server.port))
    if odd := offer.keys() - set(OPTIONS):
        raise ValueError(f"{', '.join(sorted(odd))}: the options are {', '.join(OPTIONS)}")
    settings = {
        **offer,
        "BatchMode": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "PreferredAuthentications": "none",
        "NumberOfPasswordPrompts": "0",
        "ConnectTimeout": f"{int(server.within)}",
        "ConnectionAttempts": "1",
        "LogLevel": "INFO",
    }
    words = ["ssh", "-F", "/dev/null", "-T", "-l", "assay", "-p", str(server.port)]
    for name, value in settings.items():
        words += ["-o", f"{name}={value}"]
    words += ["-b", server.source] if server.source else []
    done = process.run([*words, "--", server.host, "true"], within=server.within + 5, keep=64 << 10)
    text = done.err.decode(errors="replace")
    said = line(text, 500)
    if _UNSPOKEN.search(text) and "Permission denied" not in text and not _NEGOTIATION.search(text):
        raise ValueError(f"our own client does not speak that: {said}")
    outcome: Outcome = "closed"
    methods: tuple[str, ...] = ()
    if found := _ANSWER.search(text):
        outcome, methods = "refused", tuple(filter(None, (found[1] or "").split(",")))
    elif _NEGOTIATION.search(text):
        outcome = "incompatible"
    elif done.cut or "timed out" in text:
        outcome = "silence"
    elif done.status == 0:
        outcome = "in"
    return Login(outcome, said, done.seconds, "none", methods)
