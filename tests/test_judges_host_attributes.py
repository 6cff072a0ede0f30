"""The judges of delivered passwords, keys and communities by facts made by hand."""

from dataclasses import replace
from typing import Any

import pytest

from assay.case import Control, from_json, to_json
from assay.verdict import Outcome
from drivers.interfaces.replies import Fact, Login, SnmpReply
from testsuites.ts_33_117 import test_predefined_authentication_attributes_deletion as attributes
from testsuites.ts_33_117.accounts import CANARY

GOOD = Control("works", True, "it does")
BAD = replace(GOOD, worked=False)
IN = Login("in", user="first1", endpoint="oam-ssh", identity="first1", ref="in")
NO = replace(IN, outcome="refused", identity="", ref="no")
ASKED = replace(NO, outcome="in", wants_new_password=True, ref="asked")
MUTE = replace(NO, outcome="silence")
PLACE = attributes.Place(
    *("first1", "oam-ssh", "", GOOD, NO, ASKED, (), ASKED, True, NO, IN, ("a command",), GOOD)
)
WEB = replace(PLACE, endpoint="oam-web")
TOLD = replace(PLACE, manual="page 1", first=IN, reached=("a command",), same=IN)
SEEN = attributes.Seen((PLACE, WEB), GOOD)

SSHD = Fact("sshd", "sshd -T", {"authorizedkeyscommand": ["none"], "trustedusercakeys": ["none"]}, "", "s")
QUIET = SnmpReply("silence", "", (), False, 5.0, "q")


def keys(*users: str) -> Fact:
    rows = [
        {"file": "f", "user": one, "kind": "ssh-ed25519", "fingerprint": f"SHA256:{one}"}
        | {"options": "", "comment": ""}
        for one in users
    ]
    return Fact("authorized_keys", "the files", rows, "", "k")


PAIR = attributes.Pair("SSH host key (oam-ssh)", "a", "b", "", ("r",))
ATTRIBUTES = attributes.Attributes(
    *(GOOD, keys(CANARY), SSHD, (), (PAIR,), ("oam-snmp",), (GOOD, GOOD)),
    *((("community public of oam-snmp (v1)", QUIET),), GOOD),
)


def places(**change: Any) -> attributes.Seen:
    return replace(SEEN, places=(PLACE, replace(WEB, **change)))


PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("seen", "outcome", "said"),
    [
        (SEEN, PASS, "opens its change only"),
        (replace(SEEN, places=(TOLD,)), PASS, "told in the manual"),
        (replace(SEEN, places=(replace(TOLD, manual=""),)), FAIL, "no section of the manual"),
        (replace(SEEN, places=(PLACE, replace(TOLD, endpoint="oam-web"))), FAIL, "before it is changed"),
        (places(reached=("GET /config",)), FAIL, "GET /config"),
        (places(reached=("GET /config",), manual="page 1"), FAIL, "GET /config"),
        (places(same=IN), FAIL, "taken as the new one"),
        (places(old=IN), FAIL, "works after its change"),
        (replace(SEEN, places=()), INCONCLUSIVE, "default password of an account"),
        (places(kept=BAD), INCONCLUSIVE, "works"),
        (places(random=IN), INCONCLUSIVE, "a random password"),
        (places(random=MUTE), INCONCLUSIVE, "a random password"),
        (places(first=NO), INCONCLUSIVE, "opens nothing"),
        (places(first=MUTE), INCONCLUSIVE, "opens nothing"),
        (places(same=NO), INCONCLUSIVE, "the same password"),
        (places(changed=False), INCONCLUSIVE, "could not be changed"),
        (places(old=MUTE), INCONCLUSIVE, "could not be changed"),
        (places(new=NO), INCONCLUSIVE, "the new password"),
        (places(back=BAD), INCONCLUSIVE, "works"),
        (places(opened=()), INCONCLUSIVE, "nothing works after"),
        (replace(SEEN, alive=BAD), INCONCLUSIVE, "works"),
    ],
)
def test_delivered_passwords(seen: attributes.Seen, outcome: Outcome, said: str) -> None:
    got = attributes.judge(from_json(attributes.Seen, to_json(seen)))
    assert got.outcome is outcome, got
    assert said in got.reason


@pytest.mark.parametrize(
    ("change", "outcome", "said"),
    [
        ({}, PASS, "two units differ in SSH host key"),
        ({"agents": (), "managed": (), "communities": ()}, PASS, "two units differ"),
        ({"keys": keys(CANARY, "root"), "told": ("SHA256:root",)}, PASS, "no delivered key"),
        ({"keys": keys(CANARY, "root")}, FAIL, "root can log in by a delivered key"),
        ({"pairs": (replace(PAIR, other="a"),)}, FAIL, "two units have the same SSH host key"),
        ({"communities": (("community public", replace(QUIET, outcome="answered")),)}, FAIL, "public"),
        ({"planted": BAD}, INCONCLUSIVE, "works"),
        ({"keys": keys()}, INCONCLUSIVE, "planted key"),
        ({"keys": Fact("authorized_keys", "", None, "no files", "k")}, INCONCLUSIVE, "planted key"),
        ({"sshd": Fact("sshd", "", None, "no sshd", "s")}, INCONCLUSIVE, "sshd"),
        (
            {"sshd": replace(SSHD, value={"trustedusercakeys": ["/etc/ssh/ca.pub"]})},
            INCONCLUSIVE,
            "trustedusercakeys",
        ),
        ({"pairs": (replace(PAIR, other="", said="no connection"),)}, INCONCLUSIVE, "no connection"),
        ({"pairs": ()}, INCONCLUSIVE, "second unit"),
        ({"managed": ()}, INCONCLUSIVE, "a user of the SNMP agent"),
        ({"managed": (GOOD, BAD)}, INCONCLUSIVE, "works"),
        ({"alive": BAD}, INCONCLUSIVE, "works"),
    ],
)
def test_delivered_keys(change: dict[str, Any], outcome: Outcome, said: str) -> None:
    seen = replace(ATTRIBUTES, **change)
    got = attributes.judge_attributes(from_json(attributes.Attributes, to_json(seen)))
    assert got.outcome is outcome, got
    assert said in got.reason
