"""What of a declaration works here: secrets, tools, the way in, and the keys that test cases lack."""

import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assay import catalogue
from assay import profile as profiles
from assay.declaration import Declaration, keys
from assay.errors import AssayError
from assay.finding import Finding

if TYPE_CHECKING:
    from drivers.host import HostBench

TOOLS = {
    "nmap": "port scans",
    "ssh": "algorithms that only OpenSSH's client still speaks",
    "ip": "products with a network of their own",
}


def before(declaration: Declaration, beside: Path) -> Iterator[Finding]:
    """What can be said before anything is sent."""
    users = declaration.accounts.test_users or ()
    for user in users:
        for reference in filter(None, (user.secret, user.key)):
            try:
                profiles.secret_text(reference, beside)
            except AssayError as error:
                yield Finding(f"accounts.test_users {user.name}: {error}", bad=True)
    yield Finding(f"{len(users)} accounts for the harness, {sum(u.aside for u in users)} of them set aside")
    if users and not any(user.aside for user in users):
        yield Finding("no account is set aside (aside: true), so nobody can be locked out", note=True)
    anchors = (declaration.pki.trust_anchors or {}).get("product", {})
    for one in declaration.oam.endpoints or ():
        if one.via == "ssh" and not one.host_key and one.name not in anchors:
            yield Finding(f"oam.endpoints {one.name}: no host_key, so nobody can log in there", bad=True)
    for tool, what in TOOLS.items():
        if shutil.which(tool) is None:
            yield Finding(f"{tool} is not there, which {what} need: install its Debian package", bad=True)
    yield from lacking(declaration)


def lacking(declaration: Declaration) -> Iterator[Finding]:
    """The keys that are not declared, and the test cases that need each."""
    needed: dict[str, list[str]] = defaultdict(list)
    for case in catalogue.load("ts_33_117").cases:
        for key in case.profile_keys:
            needed[key].append(case.slug)
    known = keys()
    missing = declaration.lacks(known)
    yield Finding(f"{len(known) - len(missing)} of {len(known)} keys are declared", note=bool(missing))
    for key in missing:
        yield Finding(f"not declared: {key}, needed by {', '.join(needed[key])}", note=True)


def inside(host: "HostBench") -> Iterator[Finding]:
    """How far the harness gets into the product, which has been reached."""
    access = host.declared("platform.host_access")
    if access is None or access["kind"] == "none":
        yield Finding("nothing is read inside the product: platform.host_access", note=True)
        return
    ran = host.root("id -u")
    if ran.ok and ran.out.strip() == "0":
        yield Finding("the administrator gets in, and is root there")
    elif access["kind"] == "root-shell":
        said = ran.problem or ran.err.strip() or ran.out.strip()
        yield Finding(f"the administrator gets in, but is not root there: {said[:200]}", bad=True)
