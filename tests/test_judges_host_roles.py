"""The judge of roles, on facts made by hand."""

from dataclasses import replace

import pytest
from test_judges_host_rights import judged
from test_judges_host_system import BAD, GOOD, unsure

from assay.verdict import Outcome
from drivers.interfaces.replies import Login, Ran
from testsuites.ts_33_117 import test_role_based_access_control as roles
from testsuites.ts_33_117.cells import Tried

DONE = Ran(0, "scas7", "", False, 0.1)
REFUSED = Ran(1, "", "np: your role does not allow this", False, 0.1, "the product said 'does not allow'")
NOTHING = Ran(None, "", "", False, 5.0, "no session")


def tried(role: str, allow: bool, ran: Ran, after: str = "old", **more: str) -> Tried:
    said = {"operation": "set", "endpoint": "ssh", "via": "ssh", "refusal": "does not allow", **more}
    return Tried(role, allow=allow, value="scas7", before="old", ran=ran, after=after, **said)


NO = tried("viewer", False, REFUSED)
YES = tried("operator", True, DONE, "scas7")
SEEN = roles.Seen(
    (Login("in", identity="view1"),),
    (NO, YES, tried("viewer", True, DONE, "scas7", operation="show")),
    (NO,),
    GOOD,
    GOOD,
    (NO, NO),
    YES,
    GOOD,
)


def test_what_a_role_may_not_do_is_denied() -> None:
    unsure(roles.judge, SEEN)
    got = tried("viewer", False, DONE, "scas7")
    silent = tried("viewer", False, REFUSED, "scas7")  # it says no and does it
    for_nobody = tried("viewer", False, REFUSED, operation="other")
    judged(
        roles.judge,
        SEEN,
        {
            Outcome.PASS: [{}],
            Outcome.FAIL: [
                {"cells": (got, YES)},
                {"cells": (silent, YES)},
                {"elevations": (got,)},
                {"lesser": (NO, got)},
                {"cells": (got, YES), "logins": (Login("refused"),)},
            ],
            Outcome.INCONCLUSIVE: [
                {"cells": ()},
                {"cells": (NO, YES, for_nobody)},
                {"cells": (NO, replace(YES, after="old"))},
                {"cells": (NO, tried("operator", True, REFUSED))},
                {"cells": (tried("viewer", False, NOTHING), YES)},
                {"cells": (tried("viewer", False, Ran(127, "", "np: command not found", False, 0.1)), YES)},
                {"elevations": ()},
                {"logins": (Login("refused"),)},
                {"changed": BAD},
                {"put_back": BAD},
                {"alive": BAD},
                {"greater": replace(YES, after="old")},
            ],
        },
    )


@pytest.mark.parametrize(
    ("via", "said", "denied"),
    [
        ("https", "403", True),
        ("https", "404 Not Found", True),
        ("https", "500", False),
        ("snmp", "noAccess", True),
        ("snmp", "genErr", False),
        ("ssh", "Permission denied", True),
        ("ssh", "usage: np", False),
    ],
)
def test_a_denial_has_its_words_on_each_interface(via: str, said: str, denied: bool) -> None:
    ran = Ran(1, "", said, False, 0.1)
    assert tried("viewer", False, ran, via=via, refusal="").denied is denied
