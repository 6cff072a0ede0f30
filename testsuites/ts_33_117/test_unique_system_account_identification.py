"""TC_UNIQUE_SYSTEM_ACCOUNT_IDENTIFICATION: every system account has a UID of its own."""

from collections import defaultdict
from dataclasses import dataclass

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, passed
from drivers.interfaces.facts import Account
from drivers.interfaces.host import HostBench, did, rows, unread
from drivers.interfaces.replies import Fact

NAMES = ("scasuid1", "scasuid2", "scasuid3", "scasuid4")
GONE = NAMES[1]


@dataclass(frozen=True)
class Seen(Observation):
    round: Control  # three accounts created, the middle one deleted, another created
    listing: Fact  # with them in it
    told: dict[str, str]  # account -> UID, as the account's own `id` says
    alive: Control


def judge(seen: Seen) -> Verdict:
    if doubt := unsound([seen.round]) or unread(seen.listing):
        return doubt
    accounts, ref = rows(seen.listing, Account), seen.listing.ref
    uids, names = defaultdict(set), defaultdict(set)
    for account in accounts:
        uids[account.uid].add(account.name)
        names[account.name].add(account.uid)
    listed = Control("root and the accounts just created are listed with their UIDs", *_listed(seen, names))
    if doubt := unsound([listed]):
        return doubt
    for uid, owners in uids.items():
        if len(owners) > 1:
            return failed(f"UID {uid} belongs to {' and '.join(sorted(owners))}", ref)
    for name, numbers in names.items():
        if len(numbers) > 1:
            return failed(f"{name} has the UIDs {' and '.join(map(str, sorted(numbers)))}", ref)
    return unsound([seen.alive]) or passed(
        f"{len(accounts)} accounts have {len(uids)} UIDs, and 0 is root's alone", ref
    )


def _listed(seen: Seen, names: dict[str, set[int]]) -> tuple[bool, str]:
    wanted = {"root": "0", **seen.told}
    lacking = sorted(name for name, uid in wanted.items() if uid not in map(str, names.get(name, ())))
    return not lacking, f"not so: {', '.join(lacking)}" if lacking else "all of them"


@case("TC_UNIQUE_SYSTEM_ACCOUNT_IDENTIFICATION", judge, "A")
def test_unique_system_account_identification(host: HostBench) -> Seen:
    local = next(d["name"] for d in host.declared("accounts.databases") if d.get("local", True))
    host.stimulus()
    done = [host.act("accounts.create_action", local, name=name) for name in NAMES[:3]]
    done.append(host.act("accounts.delete_action", local, name=GONE))
    done.append(host.act("accounts.create_action", local, name=NAMES[3]))
    told = {name: host.root(f"id -u {name}").out.strip() for name in NAMES if name != GONE}
    return Seen(
        did("accounts were created and deleted", *done),
        host.fact("accounts", fresh=True),
        told,
        host.alive(),
    )
