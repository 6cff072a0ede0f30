"""Judges of protected connections of a host on facts made by hand."""

from dataclasses import replace

from test_judges_host_rights import judged
from test_judges_host_system import BAD, GOOD, unsure

from assay.verdict import Outcome
from drivers.interfaces.replies import Exchange, Login
from testsuites.ts_33_117 import test_log_trans_to_centr_storage as transfer
from testsuites.ts_33_117 import test_mutual_authentication_management_interfaces as mutual
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
