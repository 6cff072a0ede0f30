"""The laws of test_laws.py over the test cases of a host, on a real Debian userland that each fault changes.

A whole run waits for lock-outs and time-outs, so the conforming product is run in parts side by side, and a
fault is proven on its own test case. What else it fails is checked where ASSAY_WHOLE is set, which takes
hours: then each fault is run on all variants.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import need
from laws import Pair, Run, Runs, all_of, judged_again, reasons, text
from products import PROFILES, assay, emulated_host, verdicts

from assay import suites
from assay.attach import answer_all
from drivers.emulated.host.faults import HOST

pytestmark = [pytest.mark.root, pytest.mark.timeout(5400)]

SPEC = "ts_33_117"
BOUND = {pair: bound for pair, bound in suites.bindings(SPEC).items() if bound.bench == "host"}
VARIANTS = list(BOUND)
CASES = list(dict.fromkeys(case for case, _ in VARIANTS))
WHOLE = bool(os.environ.get("ASSAY_WHOLE"))
AT_A_TIME = 10  # they wait for most of their time

SEEDED = {name: fault.case for name, fault in HOST.items() if fault.case in CASES}
GENERIC = [name for name, fault in HOST.items() if not fault.case and not fault.awkward]
AWKWARD = "awkward"  # all that is odd and no defect, at once
ODD = [name for name, fault in HOST.items() if fault.awkward]
CONFORMING = "conforming"
IN_A_ROW = "in-a-row"  # whole, and under another vendor's name
PARTS = 4

SHOWN_IN = {
    "TC_ACCOUNT_PROTECTION": {
        "A": "hidden-account",
        "B": "empty-password ip-trust-login",
        "C": "new-account-open",
    },
    "TC_FAILED_LOGIN_ATTEMPTS": {
        "A": "lock-never lock-default-20 lock-delay-1s lock-reset-by-reconnect lock-web-missing",
        "B": "lock-not-configurable",
        "D": "lock-admin-permanent",
    },
    "TC_HANDLING_OF_ICMP": {
        "A": "icmp-timestamp-reply icmp-address-mask-reply icmp6-node-info icmp6-router-advert",
        "B": "icmp-redirect-accept icmp6-ra-accept",
        "C": "icmp-time-exceeded",
    },
    "TC_HANDLING_OF_GROWING_CONTENT": {"A": "log-on-root rotate-off", "B": "upload-no-quota"},
    "TC_HIDING_PASSWORD_DISPLAY": {"A": "pw-echo", "B": "pw-field-text pw-echo-error pw-in-url"},
    "TC_LOG TRANS_TO_CENTR STORAGE": {
        "A": "syslog-udp-clear syslog-tls-noverify syslog-drop",
        "B": "upload-ftp",
    },
    "TC_MUTUAL_AUTHENTICATION_MANAGEMENT_INTERFACES": {
        "A": "mgmt-no-server-auth",
        "B": "mgmt-client-cert-any snmp-noauth",
        "C": "mgmt-outbound-noverify",
    },
    "TC_NO_UNNECESSARY_SERVICE": {
        "A": "svc-telnet svc-snmp-v2c svc-undocumented svc-udp-small svc-lldp svc-http-content",
        "B": "svc-returns-after-reboot",
    },
    "TC_OS_PRIVILEGE": {
        "A": "sudo-nopasswd",
        "B": "suid-shell cap-setuid-python suid-writable list-b-incomplete",
    },
    "TC_PASSWORD_CHANGES": {"A": "pw-no-self-change", "D": "pw-history-0 pw-history-off-by-one"},
    "TC_PASSWORD_STRUCT": {"A": "pw-min6 pw-two-classes pw-default-8 pw-policy-web-only"},
    "TC_PREDEFINED_AUTHENTICATION_ATTRIBUTES_DELETION": {
        "A": "no-forced-change change-bypass same-password-accepted",
        "B": "shared-hostkey default-community",
    },
    "TC_PROTECT_AGAINST_BRUTE_FORCE_AND_DICTIONARY_ATTACKS": {
        "A": "bf-no-limit bf-per-connection bf-interface-gap",
        "B": "captcha-client-side captcha-replay",
        "C": "blacklist-ignored",
    },
    "TC_PROTECT_DATA_INFO_TRANSFER_1": {
        "A": "default-differs-from-doc",
        "C": "ssh-weak-kex ssh-cbc-ciphers oam-tls10 snmp-v2c-open oam-plain-http",
    },
    "TC_SECURITY_EVENT_LOGGING": {
        "A": "log-no-source-ip log-wrong-time log-web-silent",
        "B": "log-no-hostname",
        "C": "log-missing-event",
        "E": "log-no-user",
        "F": "log-lost-on-crash",
    },
    "TC_SW_PKG_INTEGRITY_1": {
        "A": "pkg-user-install",
        "B": "pkg-no-verify pkg-checksum-only pkg-any-key pkg-verify-after-run",
        "C": "trust-store-writable",
    },
    "TC_SYS_FUN_USAGE": {
        "A": "unauth-debug-port",
        "B": "ssh-none-auth web-direct-url console-autologin machine-account-no-auth",
        "C": "authz-missing",
    },
}
"""Test case, variant, and the faults that fail it: on the others of the case they are not run here."""
FIRST = {
    fault: variant
    for variants in SHOWN_IN.values()
    for variant, names in variants.items()
    for fault in names.split()
}

NOT_LISTED = {"TC_NO_UNUSED_SOFTWARE/A"}  # what a fault puts there is in no package, or in no list
LOOSE = {"TC_FILESYSTEM_AUTHORIZATION_PRIVILEGES/A"}  # a file has another mode than the declared one
CROSS_KILLS: dict[str, set[str]] = {
    "suid-shell": NOT_LISTED,
    "cap-setuid-python": NOT_LISTED,
    "docker-group": NOT_LISTED,
    "func-debug-on": NOT_LISTED,
    "func-undeclared-unit": NOT_LISTED,
    "eol-library": NOT_LISTED,
    "uid-reuse-tool": NOT_LISTED,
    "logout-kills-service": NOT_LISTED,
    "pw-echo": NOT_LISTED,
    "pw-change-no-old": NOT_LISTED,
    "shadow-world-readable": LOOSE,
    "authz-log-readable": LOOSE,
    "authz-world-writable-config": LOOSE,
}
"""Fault -> variants of other test cases that it fails as well, and why that is right; known so far."""


def shown(fault: str) -> list[Pair]:
    """The variant of its own test case that a fault has to fail, or all of which it has to fail one."""
    own = [pair for pair in VARIANTS if pair[0] == SEEDED[fault]]
    return [pair for pair in own if FIRST.get(fault, pair[1]) == pair[1]]


def selected(name: str) -> list[Pair]:
    """What is run on a product, in the order of the catalogue."""
    kind, _, part = name.partition(":")
    if part:
        return [pair for pair in VARIANTS if pair[0] in CASES[int(part) :: PARTS]]
    if kind in SEEDED and not WHOLE:
        return [pair for pair in VARIANTS if pair in shown(kind)]
    return VARIANTS


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    need("unshare", "ip", "nmap", "mmdebstrap", root=True)
    folder = tmp_path_factory.mktemp("laws-host")

    def one(name: str) -> Run:
        kind, where = name.partition(":")[0], folder / name.replace(":", "-")
        identity = {"name": "Another host", "vendor": "Someone Else"} if kind == IN_A_ROW else None
        path, out = emulated_host(where, identity=identity), where / "campaign"
        words = [word for pair in selected(name) for word in ("--case", text(pair))]
        faults = ODD if kind == AWKWARD else [kind] if kind in HOST else []
        extra = [word for fault in faults for word in ("--fault", fault)]
        extra += ["--overlap", "1"] if kind == IN_A_ROW else []
        done = assay("run", path, *words, "--allow", "disruptive", "--out", out, *extra, timeout=4500)
        assert (out / "campaign.json").exists(), done.stdout + done.stderr
        answer_all(out, "yes", by="the laws")
        return Run(out, verdicts(out), done.returncode, done.stdout + done.stderr)

    ours = [item for item in request.session.items if item.path == Path(__file__)]
    calls = [item.callspec.params if hasattr(item, "callspec") else {} for item in ours]
    asked = {call["fault"] for call in calls if "fault" in call}
    long = [name for fault in GENERIC if fault in asked for name in parts(fault)]
    general = any("fault" not in call for call in calls)
    whole = [IN_A_ROW, *parts(CONFORMING), *parts(AWKWARD)] if general else []
    seeded = [fault for fault in SEEDED if fault in asked]
    with all_of([*whole, *long, *seeded], one, at_a_time=AT_A_TIME) as found:
        yield found


def parts(name: str) -> list[str]:
    """The runs that share the whole of the test cases."""
    return [f"{name}:{number}" for number in range(PARTS)]


def part_of(name: str, case: str) -> str:
    return parts(name)[CASES.index(case) % PARTS]


def told(run: Run, *outcomes: str) -> str:
    """The lines of a run that name these outcomes, and how it ended."""
    lines = run.output.splitlines()
    return "\n".join([line for line in lines if any(f" {one} " in line for one in outcomes)] + lines[-5:])


@pytest.mark.parametrize("pair", VARIANTS, ids=text)
def test_the_conforming_product_passes(runs: Runs, pair: Pair) -> None:
    run = runs(part_of(CONFORMING, pair[0]))
    assert run.verdicts[pair] in ("PASS", "NOT_APPLICABLE"), told(run, run.verdicts[pair])


@pytest.mark.parametrize("fault", SEEDED)
def test_a_seeded_fault_fails_its_case(runs: Runs, fault: str) -> None:
    run = runs(fault)
    failed = {text(pair) for pair, verdict in run.verdicts.items() if verdict == "FAIL"}
    own = {name for name in failed if name.partition("/")[0] == SEEDED[fault]}
    assert own & set(map(text, shown(fault))), told(run, "PASS", "FAIL", "INCONCLUSIVE")
    assert failed - own == CROSS_KILLS.get(fault, set()) & set(map(text, selected(fault))), told(run, "FAIL")


@pytest.mark.parametrize("fault", GENERIC)
@pytest.mark.parametrize("pair", VARIANTS, ids=text)
def test_a_broken_product_never_passes(runs: Runs, fault: str, pair: tuple[str, str]) -> None:
    run = runs(part_of(fault, pair[0]))
    # NOT_RUN where nobody gets in at all, ERROR where the product died before it could be put back
    assert run.verdicts[pair] != "PASS", told(run, "PASS")
    assert run.exit_code in (1, 2), told(run)
    assert "the harness broke" not in run.output


def test_an_awkward_product_never_fails(runs: Runs) -> None:
    for run in map(runs, parts(AWKWARD)):
        bad = told(run, "FAIL", "ERROR")
        assert set(run.verdicts.values()) <= {"PASS", "INCONCLUSIVE", "NOT_APPLICABLE"}, bad
        assert "PASS" in run.verdicts.values(), run.output


def test_the_words_of_a_hostile_product_stay_words(runs: Runs) -> None:
    for run in map(runs, parts(AWKWARD)):
        page = (run.campaign / "report.html").read_text()
        assert not re.search(r"<(img|iframe)[\s>]|<[^>]*\son\w+=", page)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", page + run.output)


def test_a_record_judged_again_gives_the_same_verdict(runs: Runs) -> None:
    names = [*parts(CONFORMING), *SEEDED, *(part for fault in GENERIC for part in parts(fault))]
    assert judged_again(map(runs, names)) >= len(VARIANTS) + len(SEEDED)


def test_neither_name_nor_company_nor_order_changes_a_verdict(runs: Runs) -> None:
    alone = runs(IN_A_ROW)
    shared = [reasons(runs(name)) for name in parts(CONFORMING)]
    outcomes = {path: outcome for one in shared for path, (outcome, _) in one.items()}
    assert {path: outcome for path, (outcome, _) in reasons(alone).items()} == outcomes
    records = [path.read_text() for path in alone.campaign.glob("records/**/record.json")]
    assert records
    assert not any("Someone Else" in record or "Another host" in record for record in records)


def test_no_secret_is_in_any_file_of_a_campaign(runs: Runs) -> None:
    # the forbidden password is nobody's: it stands in the product's own list of what is refused
    files = [path for path in (PROFILES / "emulated-host").glob("*.secret") if path.stem != "forbidden"]
    secrets = [path.read_bytes().strip() for path in files]
    assert len(secrets) > 10
    generic = [part for fault in GENERIC for part in parts(fault)]
    for name in (IN_A_ROW, *parts(CONFORMING), *SEEDED, *generic):
        for path in filter(lambda one: one.is_file(), runs(name).campaign.rglob("*")):
            octets = path.read_bytes()
            assert not [secret for secret in secrets if secret in octets], path
            assert b"PRIVATE KEY-----\n" not in octets, path
