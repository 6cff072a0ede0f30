"""Which versions and algorithms of management protocols are good enough, and which must never be taken."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from drivers.interfaces import tls_suites
from drivers.interfaces.host import Endpoint, HostBench

VERSIONS = ("SSL 3.0", "1.0", "1.1", "1.2", "1.3")
GROUPS = ("x25519", "secp256r1", "secp384r1", "secp521r1", "x448", "secp224r1")
EVERY = tuple(tls_suites.SUITES.values())
Profile = dict[str, tuple[str, ...]]
PERMITTED = {  # what a declared security profile may have; it may only be tighter
    "ssh": {
        "kex": r"(curve25519-sha256|sntrup761x25519-sha512)(@\S+)?|mlkem768x25519-sha256|curve448-sha512"
        r"|ecdh-sha2-nistp(256|384|521)|diffie-hellman-group(14-sha256|1[5678]-sha512|-exchange-sha256)",
        "host_keys": r"(sk-)?(ssh-ed(25519|448)|ecdsa-sha2-nistp(256|384|521)|rsa-sha2-(256|512))(-cert-v01)?"
        r"(@\S+)?",
        "ciphers": r"aes(128|192|256)-ctr|aes(128|256)-gcm(@\S+)?|AEAD_AES_(128|256)_GCM"
        r"|chacha20-poly1305(@\S+)?",
        "macs": r"hmac-sha2-(256|512)(-etm@\S+)?|umac-128(-etm)?@\S+|AEAD_AES_(128|256)_GCM|implicit",
    },
    "https": {
        "versions": r"1\.[23]",
        "groups": r"x25519|x448|secp(256|384|521)r1|ffdhe(2048|3072|4096|6144|8192)",
    },
    "snmp": {
        "versions": r"3",
        "levels": r"authPriv",
        "auth": r"SHA-?(224|256|384|512)?|SHA-?1",
        "priv": r"AES(-?(128|192|256))?",
    },
}
PSEUDO = r"ext-info-[cs]|kex-strict-[cs]-v00@openssh\.com"  # no algorithms, though they stand among them
SSH_NEVER = re.compile(
    r"ssh-dss|ssh-rsa(-cert\S*)?|diffie-hellman-group(1|14|-exchange)-sha1|\S*-cbc(@\S+)?|arcfour\d*|none"
    r"|hmac-md5\S*|hmac-sha1-96\S*"
)
SSH_OFFERS = (  # each alone, with what else a connection needs
    *({"KexAlgorithms": f"diffie-hellman-group{one}-sha1"} for one in ("1", "14", "-exchange")),
    *({"HostKeyAlgorithms": one} for one in ("ssh-rsa", "ssh-dss")),
    *({"Ciphers": one} for one in ("3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc")),
    *({"MACs": one, "Ciphers": "aes128-ctr,aes192-ctr,aes256-ctr"} for one in ("hmac-md5", "hmac-sha1-96")),
)


def outside(kind: str, profile: Mapping[str, Iterable[str]]) -> list[str]:
    """What a profile of a protocol has that is not good enough; suites of TLS are judged by `tls_suites`."""
    permitted = PERMITTED.get(kind, {})
    return [
        f"{key} {one}"
        for key, values in profile.items()
        for one in values
        if key in permitted and not re.fullmatch(permitted[key], str(one))
    ]


def profile_of(host: HostBench, at: Endpoint) -> Profile:
    """The security profile that is declared for a service; suites as IANA names them."""
    found = declared(host, at)
    if at.via == "https":
        found["ciphers"] = tuple(tls_suites.spelled(one) or one for one in found.get("ciphers", ()))
    return found


def declared(host: HostBench, at: Endpoint) -> Profile:
    """The security profile of a service as it is declared."""
    every: Mapping[str, Any] = host.declared("oam.security_profile") or {}
    return {
        key: tuple(map(str, ones)) for key, ones in (every.get(str(at.more.get("profile"))) or {}).items()
    }


def offered_tls(host: HostBench, at: Endpoint) -> tuple[Profile, str, str]:
    """The versions, suites and groups that a TLS service takes, each asked for; what was lost, and where."""
    versions, suites, answers = [], [], []
    for version in VERSIONS:
        left = [name for name in EVERY if name.startswith(("AES_", "CHACHA20_")) == (version == "1.3")]
        while left:
            answers.append(host.tls_offer(at, version, left))
            if answers[-1].outcome != "chosen" or answers[-1].suite not in left:
                break
            left.remove(answers[-1].suite)
            versions += [answers[-1].version] if answers[-1].version not in versions else []
            suites += [answers[-1].suite] if answers[-1].suite not in suites else []
    offered = {"versions": tuple(versions), "ciphers": tuple(suites)}
    if "1.3" in versions:  # before that the curve of the certificate has to be among them
        good = tls_suites.good("1.3")
        asked = {one: host.tls_offer(at, "1.3", good, groups=(one,)) for one in GROUPS}
        offered["groups"] = tuple(one for one, answer in asked.items() if answer.outcome == "chosen")
        answers += asked.values()
    lost = next((one.said for one in answers if one.outcome in ("silence", "nonsense")), "")
    return offered, lost, answers[0].ref
