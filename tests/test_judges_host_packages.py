"""Judges of software packages of a host on facts made by hand, and the packages that are to be refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from test_judges_host_rights import judged
from test_judges_host_system import BAD, GOOD, fact, file, unsure

from assay.verdict import Outcome
from drivers.interfaces.host import Document, Line, LogLines
from drivers.interfaces.replies import Login, Ran, WebReply
from testsuites.ts_33_117 import forged
from testsuites.ts_33_117 import test_sw_pkg_integrity as packages
from testsuites.ts_33_117.common import Try

RECORD = LogLines("auth", "signature", (Line("signature", "r"),), 0.1, "r")
NO_RECORD = LogLines("auth", "signature", (), 10.0, "r")


def ran(status: int | None, said: str = "") -> Ran:
    return Ran(status, "", said, False, 0.1)


def tried(version: str, status: int = 1, said: str = "your role does not allow this", **more: Any) -> Any:
    one = packages.Installed("one", ran(status, said), version, "digest", (), RECORD)
    return replace(one, **more)


INSTALLED = tried("1.1", 0, "")

WHO = packages.Who(
    WebReply("answered", "", 401),
    201,
    Login("refused", user="admin1"),
    "1.0",
    (tried("1.0"), tried("1.0", said="permission denied")),
    INSTALLED,
    "1.1",
    (GOOD,),
    GOOD,
)


def test_only_an_administrator_installs() -> None:
    unsure(packages.judge_who, WHO)
    judged(
        packages.judge_who,
        WHO,
        {
            Outcome.PASS: [{"stranger": WebReply("answered", "", 303)}],
            Outcome.FAIL: [
                {"stranger": WebReply("answered", "", 201)},
                {"nobody": Login("in", user="admin1")},
                {"users": (INSTALLED,)},
                {"users": (tried("1.1"),)},
            ],
            Outcome.INCONCLUSIVE: [
                {"stranger": WebReply("silence", "")},
                {"stranger": WebReply("answered", "", 200)},
                {"stranger": WebReply("answered", "", 500)},
                {"nobody": Login("silence", user="admin1")},
                {"before": ""},
                {"users": ()},
                {"users": (tried(""),)},
                {"users": (tried("1.0", said="no such file"),)},
                {"users": (tried("1.0", ran=ran(None)),)},
                {"authorised": replace(INSTALLED, record=NO_RECORD)},
                {"authorised": tried("1.0")},
                {"restored": (GOOD, BAD)},
            ],
        },
    )


BAD_PACKAGE = tried("1.0", said="signature BAD")
ACCEPTED = packages.Accepted(
    Document("p", "0" * 64, 10),
    GOOD,
    GOOD,
    "1.0",
    "1.1",
    (INSTALLED, INSTALLED),
    "digest",
    (BAD_PACKAGE, BAD_PACKAGE),
    2,
    (GOOD,),
    GOOD,
)


def test_altered_packages_are_rejected() -> None:
    unsure(packages.judge_accepted, ACCEPTED)

    def altered(**change: Any) -> dict[str, Any]:
        return {"altered": (BAD_PACKAGE, replace(BAD_PACKAGE, **change))}

    judged(
        packages.judge_accepted,
        ACCEPTED,
        {
            Outcome.FAIL: [
                altered(ran=ran(0)),
                altered(version="2"),
                altered(markers=("/x-ran",)),
                altered(files="other"),
                altered(record=NO_RECORD),
                {"good": (INSTALLED, replace(INSTALLED, record=NO_RECORD))},
            ],
            Outcome.INCONCLUSIVE: [
                {"package": Document("p", "", 0, "it is empty")},
                altered(ran=ran(None)),
                altered(version=""),
                altered(files=""),
                altered(record=replace(NO_RECORD, problem="unreadable")),
                {"good": (INSTALLED,)},
                {"good": (INSTALLED, tried("1.0"))},
                {"good": (INSTALLED, replace(INSTALLED, version="1.0"))},
                {"good": (INSTALLED, replace(INSTALLED, record=replace(NO_RECORD, problem="unreadable")))},
                {"altered": (BAD_PACKAGE,)},
                {"altered": ()},
                {"files": ""},
                {"before": ""},
                {"restored": (BAD,)},
            ],
        },
    )


APPEND = Try("oper1", "open for writing", "/etc/signers/ca.pem", 1, "permission denied")
STORE = packages.Store(
    fact("files", file("/etc/signers", "755", kind="directory"), file("/etc/signers/ca.pem", "644")),
    {},
    GOOD,
    GOOD,
    ran(0),
    GOOD,
    (APPEND,),
    (ran(1, "your role does not allow this"),),
    1,
    GOOD,
)


def test_only_root_writes_the_list_of_signers() -> None:
    unsure(packages.judge_store, STORE)
    judged(
        packages.judge_store,
        STORE,
        {
            Outcome.PASS: [
                {"lists": {"/etc/signers": ("user::rwx", "user:oper1:r-x")}},
                {"files": fact("f", file("/tmp", "1777", kind="directory"))},
                {"configuration": Ran(0, "# AllowUnauthenticated true\n", "", False, 0.1)},
            ],
            Outcome.FAIL: [
                {"files": fact("f", file("/etc/signers/ca.pem", "664", group="users"))},
                {"files": fact("f", file("/etc/signers/ca.pem", "644", "oper1"))},
                {"files": fact("f", file("/etc/signers", "777", kind="directory"))},
                {"lists": {"/etc/signers": ("user::rwx", "user:oper1:rwx")}},
                {"appended": (replace(APPEND, status=0),)},
                {"bypassed": (ran(0),)},
                {"configuration": Ran(0, 'APT::Get::AllowUnauthenticated "true";', "", False, 0.1)},
                {"configuration": Ran(0, "deb [trusted=yes] http://x y z", "", False, 0.1)},
                {"configuration": Ran(0, "no-debsig\n", "", False, 0.1)},
            ],
            Outcome.INCONCLUSIVE: [
                {"lists": {"/etc/signers": ()}},
                {"appended": ()},
                {"appended": (), "asked": 0},
                {"appended": (replace(APPEND, said="no such tool", status=127),)},
                {"bypassed": ()},
                {"bypassed": (ran(None),)},
                {"bypassed": (ran(1, "no such option"),)},
                {"configuration": ran(None)},
            ],
        },
    )


# --- packages that are to be refused -----------------------------------------------------------------------


def signer(name: str) -> forged.Signer:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return forged.Signer(builder.sign(key, hashes.SHA256()), key)


def test_altered_packages_differ_from_a_valid_one_where_they_are_to() -> None:
    good, expired, revoked = signer("good"), signer("expired"), signer("revoked")
    bad = {one.name: one for one in forged.forged(good, expired, revoked)}
    assert forged.verifies(forged.cms(forged.archive(forged.deb("whole")), good), good)
    assert not [name for name, one in bad.items() if forged.verifies(one.octets, good)]
    assert forged.verifies(bad["expired"].octets, expired)
    assert forged.verifies(bad["revoked"].octets, revoked)
