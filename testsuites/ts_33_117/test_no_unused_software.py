"""TC_NO_UNUSED_SOFTWARE: nothing is installed but what the vendor's list of software names and needs."""

import re
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Document, HostBench, did, unread
from drivers.interfaces.replies import Fact, Ran
from testsuites.ts_33_117.common import excepted
from testsuites.ts_33_117.software import Component, installed, known, listed, opened

CANARIES = ("/root/assay-unpackaged", "/tmp/assay-unpackaged")  # noqa: S108 - on the product
TOOLS = "gcc cc c++ g++ clang tcc ld as make gdb gdbserver lldb strace ltrace tcpdump"

# Files that no package owns: packages tell /bin/ls where /usr/bin/ls is, diversions move files.
SEARCH = r"""
owned() {
    if [ -d /var/lib/dpkg/info ]; then cat /var/lib/dpkg/info/*.list; cat /var/lib/dpkg/diversions 2>/dev/null
    elif command -v rpm >/dev/null; then rpm -qal
    else apk info -q 2>/dev/null | while read -r p; do apk info -qL "$p" | sed 's#^#/#'; done; fi
}
IFS='
'
set -f
set -- $(while IFS=' ' read -r device path type rest; do
    case $type in ext*|xfs|btrfs|overlay|tmpfs|f2fs|zfs|ubifs|jffs2|squashfs) printf '%b\n' "$path" ;; esac
done </proc/self/mounts | sort -u)
set +f
{ owned; echo @@; find "$@" -xdev -type f \( -perm -0100 -o -perm -0010 -o -perm -0001 -o -name '*.so' \
    -o -name '*.so.*' ! -name ld.so.cache \
    -o -path '*.dist-info/METADATA' -o -path '*/node_modules/*/package.json' -o -name '*.gemspec' \) \
    ! -path '/var/lib/dpkg/info/*' -print; } |
    awk '$0 == "@@" { s = 1; next } { k = $0; sub("^/usr/", "/", k) } !s { own[k]; n++; next }
        !(k in own) { print } END { print "owned " n }'
"""
EXAMPLES = rf"""
for d in /usr/share/doc/*/examples /usr/share/nginx/html /var/www /usr/share/examples \
    /etc/ssl/certs/ssl-cert-snakeoil.pem; do
    [ ! -e "$d" ] || find "$d" -type f | head -n 20
done
for t in {TOOLS}; do
    for d in /usr/bin /usr/local/bin /usr/sbin /usr/local/sbin; do [ ! -e "$d/$t" ] || echo "$d/$t"; done
done
:
"""


@dataclass(frozen=True)
class Seen(Observation):
    planted: Control
    document: Document
    declared: tuple[Component, ...]
    packages: Fact
    canaries: tuple[str, ...]
    unpackaged: Ran
    examples: Ran
    exceptions: tuple[dict[str, Any], ...]
    alive: Control


def judge(seen: Seen) -> Verdict:
    searched = did("files that no package owns and examples were searched", seen.unpackaged, seen.examples)
    if doubt := unsound([seen.planted, opened(seen.document)]) or unread(seen.packages):
        return doubt
    if doubt := unsound([searched, known(seen.packages)]):
        return doubt
    lines = seen.unpackaged.out.splitlines()
    if missed := [path for path in seen.canaries if path not in lines]:
        return inconclusive(f"the search does not find what was put there: {', '.join(missed)}")
    if not seen.canaries or not re.fullmatch(r"owned [1-9]\d*", lines[-1]):
        return inconclusive("the search does not know which files belong to packages", seen.unpackaged.ref)
    if not seen.declared:
        return inconclusive("the list of software could not be read, or names nothing")
    for one in seen.declared:
        if not (one.name and one.version and one.purpose):
            return failed(
                f"the list of software has no name, version or purpose of {one.name or 'a component'}"
            )
    versions = {(one.name, one.version) for one in seen.declared}
    for package in installed(seen.packages):
        if (package.name, package.version) not in versions and not excepted(
            seen.exceptions, package.name, "undeclared"
        ):
            others = [one.version for one in seen.declared if one.name == package.name]
            why = f"declared is {', '.join(others)}" if others else "which is not declared"
            return failed(f"{package.name} {package.version} is installed, {why}", seen.packages.ref)
    for path in lines[:-1]:
        if path not in seen.canaries and not excepted(seen.exceptions, path, "unpackaged"):
            return failed(f"{path} belongs to no package", seen.unpackaged.ref)
    for path in seen.examples.out.splitlines():
        if not excepted(seen.exceptions, path, "example"):
            return failed(f"an example or a tool of developers is there: {path}", seen.examples.ref)
    absent = {one.name for one in seen.declared} - {one.name for one in installed(seen.packages)}
    note = f"; declared but not there: {', '.join(sorted(absent)[:5])}" if absent else ""
    return unsound([seen.alive]) or passed(
        f"{len(installed(seen.packages))} packages are installed, each in its declared version{note}",
        seen.packages.ref,
    )


@case("TC_NO_UNUSED_SOFTWARE", judge, "A", asks=("Is every component of the list needed for operation?",))
def test_no_unused_software(host: HostBench) -> Seen:
    planted = [host.plant(path, "#!/bin/sh\n", mode=0o755) for path in CANARIES]
    document, components = listed(host)
    return Seen(
        did("programs that no package owns were put there", *planted),
        document,
        components,
        host.fact("packages"),
        CANARIES,
        host.root(SEARCH, within=120),
        host.root(EXAMPLES, within=60),
        tuple(host.declared("software.exceptions")),
        host.alive(),
    )
