"""TC_SW_PKG_INTEGRITY_1: only authorised persons install, and only what an authorised signer signed."""

import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

from assay.case import Control, Observation, case, unsound
from assay.errors import UnseenError
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import File
from drivers.interfaces.host import Document, HostBench, LogLines, User, did, got_in, rows, unread
from drivers.interfaces.replies import Fact, Login, Ran, WebReply
from testsuites.ts_33_117.common import (
    ABSENT,
    DENIED,
    Try,
    acls,
    first,
    granted,
    of_each_role,
    ordinary,
    script,
    tries,
)
from testsuites.ts_33_117.forged import FOLDER, Signer, forged, loaded, verifies

REFUSED = re.compile(r"does not allow|not authori[sz]ed|access denied")
OFF = re.compile(
    r"(?im)^[^#\n]*(AllowUnauthenticated\W+(true|yes|1)|trusted=yes|AllowInsecureRepositories\W+(true|yes|1))"
    r"|^\s*no-debsig"
)
FILE, CMS = "assay-package", "cms-tar-deb"
UNSEEN = LogLines("", "", (), 0.0, "", "it was not looked for")
INSTALL = "software.install_action"


@dataclass(frozen=True)
class Installed:
    """A try to install a package, and the product after it."""

    what: str
    ran: Ran
    version: str
    files: str  # a digest over the declared programs and the signer list, empty where it was not read
    markers: tuple[str, ...]  # what the package left
    record: LogLines

    @property
    def rejected(self) -> bool:
        return self.ran.status not in (0, None) and not self.ran.cut


class Installer:
    """What is declared of how packages come onto the product."""

    def __init__(self, host: HostBench) -> None:
        self.host = host
        action = host.declared(INSTALL)
        self.log = host.declared("software.verification_log")
        self.upload = first((action[one] for one in ("upload",) if one in action), f"{INSTALL} upload")
        self.end = first(
            (one for one in host.endpoints("https") if one.name == self.upload.get("endpoint")),
            f"the endpoint of {INSTALL} upload",
        )
        self.taken = int(self.upload.get("expect") or 200)
        package = host.declared("software.valid_package")
        if not package.get("former"):
            raise UnseenError("not declared: the former release in software.valid_package (former)")
        self.kind = str(package.get("format"))
        self.package, self.valid = host.document(package)
        self.older, self.former = host.document({"file": package["former"]})
        self.wanted = str(package.get("version"))
        paths = [*host.declared("software.network_binaries"), *host.declared("software.trust_store")]
        listed = " ".join(map(shlex.quote, paths))
        digest = f"find {listed} -type f -exec sha256sum {{}} + | sort | sha256sum"
        self.look = f"{digest}; ls -d {FOLDER}-* 2>/dev/null || :"

    def signer(self, kind: str = "") -> Signer:
        name = str(self.host.declared("software.valid_package").get("signer")) + kind
        document, octets = self.host.document({"file": f"{name}.pem"})
        if document.problem:
            raise UnseenError(f"not declared: the signer {name}: {document.problem}")
        return loaded(octets, self.host.secret(reference=f"file:{name}.key").text)

    def put(self, name: str, octets: bytes, user: User | str | None) -> WebReply:
        method, _, path = str(self.upload["request"]).partition(" ")
        headers = {"X-File-Name": name, "Content-Type": "application/octet-stream"}
        with self.host.web(self.end, user) as web:
            return web.request(method, path, headers=headers, body=octets)

    def bring(self, name: str, octets: bytes) -> Control:
        """Bring a package there as the declared user; it is removed at the end of the variant."""
        cleared = self.host.act(INSTALL, "remove", file=name)
        sent = self.put(name, octets, self.upload.get("user"))
        there = cleared.ok and sent.status == self.taken
        return Control(f"{name} is brought there", there, f"{sent.outcome} {sent.status} {sent.said}")

    def version(self) -> str:
        ran = self.host.act(INSTALL, "version")
        return ran.out.strip() if ran.ok else ""

    def install(self, what: str, name: str, octets: bytes, *, word: str = "", user: str = "") -> Installed:
        """Bring a package there as the administrator, install it as `user`, and look.

        `word` is which record of the check is awaited; none where empty.
        """
        there = self.bring(name, octets)
        if not there.worked:
            raise UnseenError(f"{there.what}: not so: {there.saw}")
        since = self.host.log_mark(self.log["log"])
        ran = self.host.act(INSTALL, file=name, **({"user": user} if user else {}))
        record = UNSEEN
        if word and ran.ok == (word == "accepted"):  # another end speaks for itself
            record = self.host.logged(self.log["log"], re.escape(str(self.log[word])), since)
        seen = self.host.root(self.look)
        digest, *markers = seen.out.splitlines() or [""]
        return Installed(what, ran, self.version(), digest if seen.ok else "", tuple(markers), record)

    def back(self) -> Control:
        """Return to the former release."""
        there = self.bring(PurePosixPath(self.older.file).name, self.former)
        if not there.worked:
            return there
        return did("the former release is back", self.host.act("software.rollback_action"))

    def clear(self, *names: str) -> Control:
        """Remove what packages of the harness have installed or left."""
        for name in names:
            self.host.act(INSTALL, "uninstall", name=f"assay-{name}")
        return did("no marker is left", self.host.root(f"rm -rf {FOLDER}-*"))


# --- A: who may install ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Who(Observation):
    stranger: WebReply
    taken: int  # the status by which a package is taken
    nobody: Login
    before: str
    users: tuple[Installed, ...]
    authorised: Installed
    wanted: str
    restored: tuple[Control, ...]
    alive: Control


def judge_who(seen: Who) -> Verdict:
    if seen.stranger.outcome == "answered" and seen.stranger.status == seen.taken:
        return failed("a package is taken without login", seen.stranger.ref)
    if seen.nobody.outcome == "in":
        return failed(f"{seen.nobody.user} gets in without a password", seen.nobody.ref)
    for one in seen.users:
        if one.ran.ok or (seen.before and one.version and one.version != seen.before):
            return failed(f"{one.what} may install", one.ran.ref)
    if not seen.before or not all(one.version for one in seen.users) or not seen.users:
        return inconclusive("the installed version was not read")
    if seen.stranger.status not in (401, 403, 302, 303) or seen.nobody.outcome != "refused":
        return inconclusive(
            f"without login: {seen.stranger.outcome} {seen.stranger.status}, {seen.nobody.outcome}"
        )
    for one in seen.users:
        said = f"{one.ran.out} {one.ran.err}"
        if not one.rejected or not (DENIED.search(said) or REFUSED.search(said)):
            return inconclusive(f"{one.what}: neither installed nor denied: {said[-200:]}", one.ran.ref)
    reached = Control(
        "the administrator's installation is verified", bool(seen.authorised.record.lines), "no record"
    )
    return unsound([reached, did("it installs", seen.authorised.ran), *seen.restored, seen.alive]) or passed(
        f"without login and for {len(seen.users)} roles it is refused, and {seen.before} stays"
    )


@case("TC_SW_PKG_INTEGRITY_1", judge_who, "A")
def test_who_may_install(host: HostBench) -> Who:
    way = Installer(host)
    ssh = first(host.endpoints("ssh"), "an entry of oam.endpoints with via ssh")
    restored = [way.back()]
    before = way.version()
    host.stimulus()
    stranger = way.put(f"{FILE}.pkg", way.valid, None)
    nobody = host.login(ssh, way.upload["user"], "")
    users = list[Installed]()
    for user in of_each_role(ordinary(host)):
        users.append(way.install(user.role, f"{FILE}.pkg", way.valid, user=user.name))
        if users[-1].version != before:
            restored.append(way.back())
    good = way.install("administrator", f"{FILE}.pkg", way.valid, word="accepted")
    restored.append(way.back())
    return Who(
        stranger, way.taken, nobody, before, tuple(users), good, way.wanted, tuple(restored), host.alive()
    )


# --- B: what is accepted -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accepted(Observation):
    package: Document
    forged: Control  # the harness's own verifier tells them apart
    clean: Control
    before: str
    wanted: str
    good: tuple[Installed, ...]  # the valid package, before and after
    files: str
    altered: tuple[Installed, ...]
    asked: int
    restored: tuple[Control, ...]
    alive: Control


def judge_accepted(seen: Accepted) -> Verdict:
    if seen.package.problem:
        return inconclusive(f"the valid package: {seen.package.problem}")
    if doubt := unsound([seen.forged, seen.clean]):
        return doubt
    for one in seen.altered:
        if one.markers:
            return failed(f"{one.what}, and it left {', '.join(one.markers)[:200]}", one.ran.ref)
        if one.ran.ok:
            return failed(f"{one.what}, and it was installed", one.ran.ref)
        if seen.before and one.version and one.version != seen.before:
            return failed(f"{one.what}, and the version is {one.version}", one.ran.ref)
    if doubt := unsound([did("the valid package installs", *(one.ran for one in seen.good))]):
        return doubt
    if len(seen.good) < 2 or not seen.before or any(one.version != seen.wanted for one in seen.good):
        return inconclusive("the version did not advance with the valid package")
    if len(seen.altered) != seen.asked or not seen.files:
        return inconclusive(f"{len(seen.altered)} of {seen.asked} altered packages were tried")
    for one in seen.altered:
        if not one.rejected or not one.version or not one.files or one.record.problem:
            return inconclusive(f"{one.what}: what came of it was not read", one.ran.ref)
        if one.files != seen.files:
            return failed(f"{one.what}, and files of the product changed", one.ran.ref)
        if not one.record.lines:
            return failed(f"{one.what}: no record of the check says so", one.record.ref)
    for one in seen.good:
        if one.record.problem:
            return inconclusive(f"the record was not read: {one.record.problem}")
        if not one.record.lines:
            return failed("the check of the valid package is not in the records", one.record.ref)
    return unsound([*seen.restored, seen.alive]) or passed(
        f"{seen.wanted} installs and its check is recorded; {len(seen.altered)} altered packages are rejected"
    )


@case("TC_SW_PKG_INTEGRITY_1", judge_accepted, "B")
def test_what_is_accepted(host: HostBench) -> Accepted:
    way = Installer(host)
    good, expired, revoked = way.signer(), way.signer("-expired"), way.signer("-revoked")
    if way.kind != CMS:
        raise UnseenError(f"nobody knows how to alter a package of the format {way.kind}")
    bad = forged(good, expired, revoked)
    owners = {"expired": expired, "revoked": revoked}
    told = [one.name for one in bad if verifies(one.octets, good)]
    told += [
        n for n, s in owners.items() if not verifies(next(one.octets for one in bad if one.name == n), s)
    ]
    sound = not told and verifies(way.valid, good)
    apart = Control(
        "the harness's own verifier takes the valid package alone", sound, ", ".join(told) or "no"
    )
    restored = [way.back()]
    before = way.version()
    clean = did("nothing of an earlier test is there", host.root(f"! ls -d {FOLDER}-* 2>/dev/null"))
    goods = [way.install("valid", f"{FILE}.pkg", way.valid, word="accepted")]
    restored.append(way.back())
    files = host.root(way.look).out.partition("\n")[0]
    host.stimulus()
    altered = list[Installed]()
    for one in bad:
        altered.append(way.install(one.what, f"{FILE}-{one.name}.pkg", one.octets, word="rejected"))
        if altered[-1].markers or altered[-1].ran.ok:
            restored.append(way.clear(one.name))
    goods.append(way.install("valid", f"{FILE}.pkg", way.valid, word="accepted"))
    restored.append(way.back())
    return Accepted(
        way.package,
        apart,
        clean,
        before,
        way.wanted,
        tuple(goods),
        files,
        tuple(altered),
        len(bad),
        tuple(restored),
        host.alive(),
    )


# --- C: protection of the signer list ----------------------------------------------------------------------


@dataclass(frozen=True)
class Store(Observation):
    files: Fact
    lists: dict[str, tuple[str, ...]]
    keys: Control
    opened: Control
    configuration: Ran
    logins: Control
    appended: tuple[Try, ...]
    bypassed: tuple[Ran, ...]
    asked: int
    alive: Control


def judge_store(seen: Store) -> Verdict:
    if doubt := unsound([seen.keys, seen.opened, seen.logins]) or unread(seen.files):
        return doubt
    for file in rows(seen.files, File):
        mode = int(file.mode, 8)
        if file.kind == "link":
            continue
        if file.owner != "root" or (mode & 0o020 and file.group != "root") or mode & 0o1002 == 0o002:
            return failed(
                f"{file.path} belongs to {file.owner} and {file.group} with mode {file.mode}", seen.files.ref
            )
    for path, entries in seen.lists.items():
        if any("w" in rights for rights in granted(entries).values()):
            return failed(f"{path} has an access list that lets others write", seen.files.ref)
        if not entries:
            return inconclusive(f"the access list of {path} could not be read")
    for one in seen.appended:
        if one.done:
            return failed(f"{one.user} may write {one.target}", one.ref)
    for ran in seen.bypassed:
        if ran.ok:
            return failed("the check can be switched off by an option", ran.ref)
    if not seen.configuration.ok:
        return inconclusive("the configuration of the check was not read", seen.configuration.ref)
    if found := OFF.search(seen.configuration.out):
        return failed(f"the check is switched off: {found[0].strip()[:100]}", seen.configuration.ref)
    if len(seen.appended) != seen.asked or not seen.asked or not seen.bypassed:
        return inconclusive(f"{len(seen.appended)} of {seen.asked} attempts came to an end")
    for one in seen.appended:
        if not one.denied and one.status != ABSENT:
            return inconclusive(
                f"{one.user}: {one.target}: failed, but not for want of rights: {one.said}", one.ref
            )
    for ran in seen.bypassed:
        if not (DENIED.search(ran.err + ran.out) or REFUSED.search(ran.err + ran.out)):
            return inconclusive(f"the bypass option was not denied: {ran.err[-200:]}", ran.ref)
    return unsound([seen.alive]) or passed(
        f"only root writes the signer list; {len(seen.appended)} attempts denied"
    )


@case("TC_SW_PKG_INTEGRITY_1", judge_store, "C")
def test_protection_of_the_signer_list(host: HostBench) -> Store:
    store = host.declared("software.trust_store")
    listed = " ".join(map(shlex.quote, store))
    settings = "/etc/apt /etc/dpkg" if "debsig" in listed else "/etc/apt"
    inside = host.root(f"find {listed} \\( -type f -o -type d \\) | head -n 500").out.splitlines()
    parents = {str(parent) for path in inside for parent in PurePosixPath(path).parents}
    files = host.files(*sorted({*inside, *parents}))
    keys = host.root(f"grep -rlE 'BEGIN (CERTIFICATE|PUBLIC KEY|PGP)' {listed}")
    opened = host.root(f'for f in $(find {listed} -type f); do : >> "$f" || exit 1; done')
    found = host.root(f"find {listed} {settings} -type f -exec cat {{}} + 2>/dev/null || :")
    logins, appended, bypassed, asked = list[Login](), list[Try](), list[Ran](), 0
    host.stimulus()
    for user in of_each_role(ordinary(host)):
        with host.shell(user) as shell:
            logins.append(shell.login)
            steps = [("open for writing", path, "append", path) for path in inside if path]
            steps = [
                step
                for step in steps
                if any(f.path == step[1] and f.kind == "file" for f in rows(files, File))
            ]
            appended += tries(user.name, shell.run(script(steps)))
            asked += len(steps)
        bypassed.append(host.act(INSTALL, user=user.name, file="--no-verify"))
    return Store(
        files,
        acls(host, rows(files, File)),
        did("there is a key in the signer list", keys),
        did("root opens it for writing", opened),
        found,
        got_in("ordinary users log in", *logins),
        tuple(appended),
        tuple(bypassed),
        asked,
        host.alive(),
    )
