"""Judges of protected connections of a host on facts made by hand."""

from dataclasses import replace
from typing import Any

from test_judges_host_rights import judged
from test_judges_host_system import BAD, GOOD, unsure

from assay.verdict import Outcome
from drivers.interfaces.replies import Exchange, Login, SnmpReply, SshAlgorithms, TlsAnswer
from testsuites.ts_33_117 import test_log_trans_to_centr_storage as transfer
from testsuites.ts_33_117 import test_mutual_authentication_management_interfaces as mutual
from testsuites.ts_33_117 import test_protect_data_info_transfer_1 as protected
from testsuites.ts_33_117.outbound import Link, Wrong

IN = Login("in", identity="oper1", user="oper1", ref="e#1")
NO, GONE = Login("refused", ref="e#2"), Login("closed", ref="e#2")
SILENT, STRANGE = Login("silence", "no whole answer", ref="e#2"), Login("untrusted", "self-signed", ref="e#2")

# --- TC_MUTUAL_AUTHENTICATION_MANAGEMENT_INTERFACES --------------------------------------------------------

SSH = mutual.Peer("oam-ssh", "ssh", "host-key", ("password", "key"), IN)
WEB = mutual.Peer("oam-web", "https", "certificate", ("password",), IN)
PEERS = mutual.Seen((SSH, WEB), GOOD)


def test_each_side_proves_who_it_is() -> None:
    unsure(mutual.judge, PEERS)
    judged(
        mutual.judge,
        PEERS,
        {
            Outcome.PASS: [{}],
            Outcome.FAIL: [
                {"peers": (SSH, replace(WEB, login=STRANGE))},
                {"peers": (replace(SSH, login=SILENT), replace(WEB, login=STRANGE)), "alive": BAD},
                {"peers": (SSH, replace(WEB, via="http"))},
                {"peers": (SSH, replace(WEB, server_proof="none"))},
                {"peers": (SSH, replace(WEB, client_proof=("none",)))},
            ],
            Outcome.INCONCLUSIVE: [
                {"peers": ()},
                {"peers": (SSH, replace(WEB, login=None))},
                {"peers": (SSH, replace(WEB, server_proof=""))},
                {"peers": (SSH, replace(WEB, client_proof=()))},
                {"peers": (SSH, replace(WEB, login=replace(IN, identity="")))},
                *({"peers": (SSH, replace(WEB, login=one))} for one in (NO, GONE, SILENT)),
            ],
        },
    )


KEY = mutual.Try("oam-ssh", "ssh", "an unknown key", IN, NO, IN)
OLD = mutual.Try("machines", "https", "an expired certificate", IN, NO, IN)
FREE = mutual.Try("snmp", "snmp", "a known user without authentication", IN, SILENT, IN)
TRIES = mutual.Tries(("oam-ssh", "machines", "snmp"), (KEY, OLD, FREE), GOOD)


def test_a_wrong_proof_gets_nobody_in() -> None:
    unsure(mutual.judge_tries, TRIES)
    judged(
        mutual.judge_tries,
        TRIES,
        {
            Outcome.PASS: [{}, {"tries": (KEY, replace(OLD, login=GONE), replace(FREE, login=NO))}],
            Outcome.FAIL: [
                {"tries": (KEY, OLD, replace(FREE, login=IN))},
                {"tries": (replace(KEY, login=SILENT), replace(OLD, login=replace(IN, identity="")), FREE)},
            ],
            Outcome.INCONCLUSIVE: [
                {"tries": ()},
                {"tries": (KEY, OLD)},
                {"tries": (), "services": ()},
                {"tries": (replace(KEY, before=NO), OLD, FREE)},
                {"tries": (replace(KEY, after=SILENT), OLD, FREE)},
                {"tries": (replace(KEY, after=replace(IN, identity="")), OLD, FREE)},
                {"tries": (KEY, replace(OLD, login=None), FREE)},
                *({"tries": (KEY, replace(OLD, login=one), FREE)} for one in (SILENT, STRANGE)),
                {"tries": (replace(KEY, login=SILENT), OLD, FREE)},
            ],
        },
    )


REFUSED = Wrong("a certificate of another CA", "192.0.2.10:5 TLSv1.2: it closed", "", "e#3")
LINK = Link("syslog", GOOD, (REFUSED,), GOOD)
LINKS = mutual.Links((LINK, replace(LINK, name="upload")), (), GOOD)


def test_nothing_is_sent_to_a_wrong_server() -> None:
    unsure(mutual.judge_client, LINKS)
    judged(
        mutual.judge_client,
        LINKS,
        {
            Outcome.PASS: [{}],
            Outcome.FAIL: [
                {"links": (LINK, replace(LINK, wrong=(REFUSED, replace(REFUSED, sent="a credential"))))},
                {"links": (replace(LINK, good=BAD, wrong=(replace(REFUSED, sent="3 records"),)),)},
            ],
            Outcome.INCONCLUSIVE: [
                {"links": ()},
                {"others": ("ldap (ldaps)",)},
                {"links": (LINK, replace(LINK, good=BAD))},
                {"links": (LINK, replace(LINK, again=BAD))},
                {"links": (LINK, replace(LINK, wrong=()))},
                {"links": (LINK, replace(LINK, wrong=(replace(REFUSED, came=""),)))},
            ],
        },
    )


# --- TC_LOG TRANS_TO_CENTR STORAGE -------------------------------------------------------------------------

SEEN = Exchange("watch of oam", 0, (), 9.0, ref="oam-1.pcapng")
WIRE = transfer.Wire(SEEN, {"assay-1": 0, "assay-2": 0}, 3)
CLEAR = replace(WIRE, markers={"assay-1": 0, "assay-2": 1})
BLIND = (
    None,
    replace(WIRE, known=0),
    replace(WIRE, markers={}),
    replace(WIRE, exchange=replace(SEEN, cut=True)),
    replace(WIRE, exchange=replace(SEEN, problem="no link")),
)
KEPT = transfer.Buffered(GOOD, GOOD, ("assay-3", "assay-4", "assay-5"), ("assay-4", "assay-3", "assay-5"))
FORWARDED = transfer.Forwarded(
    ("syslog-tls",),
    GOOD,
    GOOD,
    5.0,
    {"assay-1": 0.1, "assay-2": 9.0},
    WIRE,
    replace(LINK, wrong=(REFUSED, REFUSED, REFUSED)),
    KEPT,
    GOOD,
)


def test_records_reach_the_right_collector_alone() -> None:
    unsure(transfer.judge, FORWARDED)
    sent = replace(REFUSED, sent="3 records, with the marker")
    judged(
        transfer.judge,
        FORWARDED,
        {
            Outcome.PASS: [
                {},
                {"buffered": None},
                {"buffered": replace(KEPT, came=("assay-4", "assay-5"))},
                {"protocols": ("udp", "syslog-tls")},
            ],
            Outcome.FAIL: [
                {"protocols": ("syslog-udp",)},
                {"wire": CLEAR},
                {"wire": CLEAR, "own": BAD, "link": replace(LINK, good=BAD, wrong=())},
                {"link": replace(LINK, wrong=(REFUSED, sent))},
                {"late": {"assay-1": 0.1, "assay-2": None}},
                {"late": {"assay-1": 0.1, "assay-2": 10.1}},
                {"buffered": replace(KEPT, came=("assay-3", "assay-5"))},
                {"buffered": replace(KEPT, came=())},
            ],
            Outcome.INCONCLUSIVE: [
                {"late": {}},
                {"link": replace(LINK, good=BAD, wrong=()), "late": {"assay-1": None}},
                {"link": replace(LINK, again=BAD)},
                {"link": replace(LINK, wrong=(replace(REFUSED, came=""),))},
                {"buffered": replace(KEPT, triggered=BAD, came=())},
                {"buffered": replace(KEPT, back=BAD, came=())},
                *({"wire": one} for one in BLIND),
            ],
        },
    )


STORED = transfer.Uploaded(
    ("sftp",), True, GOOD, GOOD, GOOD, 90, 100, ("ab", "ab"), replace(WIRE, markers={"assay-1": 0}), GOOD
)


def test_a_log_file_is_uploaded_as_it_is() -> None:
    unsure(transfer.judge_upload, STORED)
    judged(
        transfer.judge_upload,
        STORED,
        {
            Outcome.PASS: [{}, {"stored": 90}],
            Outcome.FAIL: [
                {"protocols": ("ftp",), "served": False, "own": BAD},
                {"protocols": ("ftp", "tftp")},
                {"wire": CLEAR},
                {"digests": ("ab", "cd")},
                {"stored": 89},
            ],
            Outcome.INCONCLUSIVE: [
                {"protocols": (), "served": False},
                {"protocols": ("https",), "served": False},
                {"digests": ("", "ab")},
                {"size": 0},
                *({"wire": one} for one in BLIND),
            ],
        },
    )


# --- TC_PROTECT_DATA_INFO_TRANSFER_1 -----------------------------------------------------------------------

SSH_LISTS = {"kex": ("curve25519-sha256",), "ciphers": ("aes256-ctr", "aes128-ctr")}
TLS_LISTS = {"versions": ("1.2", "1.3"), "ciphers": ("AES_256_GCM_SHA384",), "groups": ("x25519",)}
SSHD = protected.Service(
    "oam-ssh", "ssh", SSH_LISTS, {**SSH_LISTS, "ciphers": ("aes128-ctr", "aes256-ctr")}, "", "e"
)
HTTPS = protected.Service("oam-web", "https", TLS_LISTS, TLS_LISTS, "", "e")
SNMPD = protected.Service(
    "snmp", "snmp", {"versions": ("3",), "levels": ("authPriv",)}, {"versions": ("3",)}, "", "e"
)
OFFERED = protected.Offered((SSHD, HTTPS, SNMPD), GOOD)


def test_what_is_offered_is_what_is_declared() -> None:
    unsure(protected.judge, OFFERED)
    more = {**SSH_LISTS, "ciphers": (*SSH_LISTS["ciphers"], "chacha20-poly1305@openssh.com")}
    cbc = {**TLS_LISTS, "ciphers": ("AES_256_GCM_SHA384", "ECDHE_RSA_WITH_AES_128_CBC_SHA")}
    judged(
        protected.judge,
        OFFERED,
        {
            Outcome.PASS: [{}],
            Outcome.FAIL: [
                {"services": (replace(SSHD, offered=more),)},
                {"services": (replace(SSHD, declared=more),)},
                {"services": (replace(HTTPS, declared=cbc, offered=cbc),)},
                {"services": (replace(HTTPS, declared={**TLS_LISTS, "versions": ("1.1", "1.2", "1.3")}),)},
                {"services": (replace(SSHD, declared={"kex": ("diffie-hellman-group1-sha1",)}, offered={}),)},
                {"services": (replace(SNMPD, offered={"versions": ("3", "v2c")}),)},
                {"services": (replace(SNMPD, declared={"versions": ("3",), "levels": ("authNoPriv",)}),)},
            ],
            Outcome.INCONCLUSIVE: [
                {"services": ()},
                {"services": (replace(SSHD, via="netconf", offered={}),)},
                {"services": (replace(SSHD, offered={}),)},
                {"services": (replace(SSHD, offered=more, problem="no KEXINIT"),)},
                {"services": (replace(SSHD, declared={}),)},
                {"services": (SSHD, replace(HTTPS, offered={"versions": ()}, declared={"versions": ()}))},
            ],
        },
    )


DONE = protected.Combination("oam-ssh", "aes256-ctr", True, "refused", "e")
WORKS = protected.Works((IN,), (DONE, DONE), ("oam-ssh",), GOOD)


def test_what_is_declared_works() -> None:
    unsure(protected.judge_works, WORKS)
    judged(
        protected.judge_works,
        WORKS,
        {
            Outcome.PASS: [{}],
            Outcome.FAIL: [{"tried": (DONE, replace(DONE, took=False, said="incompatible"))}],
            Outcome.INCONCLUSIVE: [
                {"tried": ()},
                {"entered": ()},
                {"entered": (NO,), "tried": (replace(DONE, took=False),)},
                {"tried": (DONE, replace(DONE, took=False, said=""))},
                {"services": ("oam-ssh", "oam-web")},
                {"services": (), "tried": ()},
            ],
        },
    )


LISTS = SshAlgorithms(
    "SSH-2.0-x",
    ("curve25519-sha256",),
    ("ssh-ed25519",),
    ("aes256-ctr",),
    ("hmac-sha2-256",),
    ("none",),
    ref="e",
)
CHOSE = TlsAnswer("chosen", "", "1.2", "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "sha256")
ALERT = TlsAnswer("alert", "alert 70 protocol_version")
OLD_TLS = protected.Tls("oam-web", "1.0", ALERT)
SHORT = protected.Tls("oam-web", "short DH", ALERT)
SIGNED = protected.Tls("oam-web", "MD5 or SHA-1 signatures", ALERT)
V2C = protected.Old(
    "snmp", "v2c", "the community public", SnmpReply("silence", "", (), whole=False, seconds=2.0)
)
WORD = protected.Clear("port 443", "HTTP", "HTTP/1.1 400 Bad Request\nServer: nginx", "e")
CLOSED = protected.Clear("port 80", "HTTP", "", "e")
BANNER = protected.Clear("port 22", "Telnet", "SSH-2.0-OpenSSH_9.2", "e")
WEAK = protected.Weak(
    (IN,),
    (("oam-ssh", LISTS),),
    (("3des-cbc", Login("incompatible", endpoint="oam-ssh")),),
    (OLD_TLS, SHORT, SIGNED),
    (protected.Tls("oam-web", "what is permitted", CHOSE),),
    (V2C,),
    (WORD, CLOSED, BANNER),
    SEEN,
    {"Dashboard": 0},
    2,
    (IN,),
    GOOD,
)


def test_what_is_weak_is_refused() -> None:
    unsure(protected.judge_weak, WEAK)

    def tls(one: protected.Tls, **more: Any) -> dict[str, tuple[protected.Tls, ...]]:
        return {"tls": (OLD_TLS, replace(one, answer=replace(CHOSE, **more)))}

    def clear(said: str) -> dict[str, tuple[protected.Clear, ...]]:
        return {"clear": (WORD, replace(CLOSED, said=said))}

    def lists(**more: Any) -> dict[str, tuple[tuple[str, SshAlgorithms], ...]]:
        return {"lists": (("oam-ssh", replace(LISTS, **more)),)}

    judged(
        protected.judge_weak,
        WEAK,
        {
            Outcome.PASS: [
                {},
                tls(SHORT, suite="DHE_RSA_WITH_AES_128_GCM_SHA256", dh_bits=2048),
                tls(SIGNED),
                {"ssh": (("hmac-md5", Login("closed")),)},
                clear("HTTP/1.1 301 Moved\nServer: x\nLocation: https://192.0.2.10/\n"),
            ],
            Outcome.FAIL: [
                lists(version="SSH-1.99-old"),
                lists(kex=("curve25519-sha256", "diffie-hellman-group1-sha1")),
                lists(ciphers=("aes256-ctr", "3des-cbc")),
                lists(macs=("hmac-md5-etm@openssh.com",)),
                lists(host_keys=("ssh-rsa",)),
                {"ssh": (("3des-cbc", Login("refused", endpoint="oam-ssh")),)},
                tls(OLD_TLS, version="1.0", suite="ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
                tls(replace(OLD_TLS, what="RC4"), suite="RSA_WITH_RC4_128_SHA"),
                tls(SHORT, suite="DHE_RSA_WITH_AES_128_GCM_SHA256", dh_bits=1024),
                tls(SIGNED, signature="sha1"),
                {"snmp": (replace(V2C, reply=replace(V2C.reply, outcome="answered")),), "probes": 0},
                clear("HTTP/1.1 200 OK\n"),
                clear("HTTP/1.1 303 See Other\nLocation: /login\n"),
                clear("HTTP/1.0 401 Unauthorized\n"),
                clear("np login: "),
                {"exposed": {"Dashboard": 1}},
            ],
            Outcome.INCONCLUSIVE: [
                {"before": ()},
                {"before": (), "after": ()},
                {"after": (NO,)},
                {"before": (SILENT,)},
                lists(problem="no KEXINIT"),
                lists(version=""),
                lists(kex=()),
                {"good": ()},
                {"good": (replace(WEAK.good[0], answer=ALERT),)},
                {"tls": ()},
                tls(SHORT, suite="DHE_RSA_WITH_AES_128_GCM_SHA256"),
                {"probes": 0},
                {"exposed": {}},
                {"exchange": replace(SEEN, cut=True)},
                {"exchange": replace(SEEN, problem="gone")},
            ],
        },
    )
