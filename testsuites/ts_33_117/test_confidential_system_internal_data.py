"""TC_CONFIDENTIAL_SYSTEM_INTERNAL_DATA: no output, record or error shows a secret in clear."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Endpoint, HostBench, Secret, Shell, did
from drivers.interfaces.replies import Ran, WebReply
from testsuites.ts_33_117.canaries import HASH, hits, there
from testsuites.ts_33_117.common import first, of_each_role, ordinary
from testsuites.ts_33_117.logins import password_endpoints
from testsuites.ts_33_117.records import marked, marks

SET, WRONG = "functions.secret_set_action", "a wrong password or token"
MOST_LINES = 2000  # that the bench reads of a log at once
LIST = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | sort -u"
WATCH = (
    "f=$(mktemp) && (timeout 60 sh -c"
    " 'while sleep 0.2; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; done'"
    " >$f 2>/dev/null </dev/null & echo $! $f)"
)
WATCHED = "sh -c 'sleep 0.5; :' {marker}; kill {pid}; tr '\\0' '\\n' <{file} | sort -u; rm -f {file}"


@dataclass(frozen=True)
class Capture:
    """Something the product showed to somebody, and what was found in it."""

    kind: str  # "function", "error", "processes", "log"
    name: str
    user: str
    privileged: bool
    good: bool  # it is whole, and what had to come in it came
    hits: tuple[str, ...]
    markers: tuple[str, ...]
    hash: bool  # a salted hash is in it
    ref: str


@dataclass(frozen=True)
class Seen(Observation):
    before: Control
    planted: Control
    types: tuple[str, ...]
    markers: tuple[str, ...]  # one next to each secret
    functions: tuple[str, ...]
    captures: tuple[Capture, ...]
    after: Control
    alive: Control


def judge(seen: Seen) -> Verdict:
    if doubt := unsound([seen.before, seen.planted]):
        return doubt
    for one in seen.captures:
        if one.hits:
            return failed(f"{one.name} shows {one.user or 'everybody'} {one.hits[0]}", one.ref)
        if one.hash and not one.privileged:
            return failed(f"{one.name} shows {one.user} the hash of a password", one.ref)
    done = {one.name for one in seen.captures if one.kind == "function" and one.good}
    if lacking := [name for name in seen.functions if name not in done]:
        return inconclusive(f"the function {lacking[0]} did not show its sign of success to anybody")
    for kind in ("processes", "log", "error"):
        ours = [one for one in seen.captures if one.kind == kind]
        if bad := next((one for one in ours if not one.good), None):
            return inconclusive(f"{bad.name} could not be searched", bad.ref)
        if not ours:
            return inconclusive(f"nothing was searched of the kind {kind}")
    shown = {marker for one in seen.captures if one.kind == "function" for marker in one.markers}
    if not seen.types or not seen.functions or set(seen.markers) - shown:
        return inconclusive("a public marker next to a secret is in no output of a function")
    note = " (hashes are shown to administrators)" if any(one.hash for one in seen.captures) else ""
    return unsound([seen.after, seen.alive]) or passed(
        f"{len(seen.captures)} outputs of {len(seen.functions)} functions, errors, processes and logs show"
        f" none of {len(seen.types)} planted secrets{note}"
    )


@dataclass
class _Search:
    """What is looked for, and what was found so far."""

    canaries: Mapping[str, Secret]
    markers: list[str]
    found: list[Capture]

    @property
    def hit(self) -> bool:
        return any(one.hits for one in self.found)

    def __call__(
        self, kind: str, name: str, user: str, privileged: bool, good: bool, said: str, ref: str
    ) -> None:
        marked, given = there(said, self.markers), hits(said, self.canaries)
        hashed = bool(HASH.search(said))
        self.found.append(Capture(kind, name, user, privileged, good, given, marked, hashed, ref))


def _functions(host: HostBench, search: _Search, watching: Mapping[str, Shell]) -> None:
    """Every declared function as a user of each role; after each, ordinary users list processes."""
    for row in host.declared("functions.list"):
        if search.hit:  # one is enough
            return
        ends = (one for one in host.endpoints(str(row["via"])) if row.get("endpoint") in (None, one.name))
        where: Endpoint = first(ends, f"where the function {row['name']} is (oam.endpoints)")
        for user in of_each_role(host.users(endpoint=where, aside=False)):
            ran = host.do(row, user=user.name)
            said = f"{ran.out}\n{ran.err}"
            search("function", str(row["name"]), user.name, user.privileged, ran.ok, said, ran.ref)
        for name, shell in watching.items():
            ran = shell.run(LIST)
            search("processes", f"the list of processes for {name}", name, False, ran.ok, ran.out, ran.ref)


def _errors(host: HostBench, search: _Search) -> None:
    """Wrong passwords and tokens, and requests that no form sends."""
    wrong, nobody = search.canaries[WRONG], f"assay{secrets.token_hex(4)}"
    if search.hit:
        return
    for at in password_endpoints(host):
        if at.via == "ssh":
            login = host.login(at, ordinary(host)[0], wrong)
            good = login.outcome == "refused"
            search("error", f"a failed login at {at.name}", "", False, good, login.said, login.ref)
    for at in host.endpoints("https", "http"):
        for name, reply in _odd(host, at, wrong, nobody):
            said = "\n".join([reply.said, *(f"{name}: {value}" for name, value in reply.headers), reply.body])
            good = reply.outcome == "answered" and not reply.cut
            search("error", f"{name} at {at.name}", "", False, good, said, reply.ref)


def _odd(host: HostBench, at: Endpoint, wrong: Secret, nobody: str) -> Iterator[tuple[str, WebReply]]:
    how = at.more.get("login") or {}
    method, _, path = str(how.get("request") or f"POST {at.more.get('url') or '/'}").partition(" ")
    page = str(how.get("page") or at.more.get("url") or "/")
    basic = base64.b64encode(f"{nobody}:{wrong.text}".encode()).decode()
    with host.web(at) as web:
        if how.get("fields"):
            words = {"{user}": nobody, "{secret}": wrong.text}
            fields = {key: words.get(value, "") for key, value in how["fields"].items()}
            yield "a failed login", web.request(method, path, fields=fields)
        for kind, value in (("Bearer", wrong.text), ("Basic", basic)):
            yield (
                f"a wrong {kind} token",
                web.request("GET", page, headers={"Authorization": f"{kind} {value}"}),
            )
        cookie = {"Cookie": f"{how.get('cookie') or 'session'}={wrong.text}"}
        yield "a wrong cookie", web.request("GET", page, headers=cookie)
        odd = {"Content-Type": "application/json"}
        yield "a malformed body", web.request(method, path, headers=odd, body=b'{"\xff": [')
        yield "a body of no type", web.request(method, path, body=b"\xff\xfe=%zz")
        yield "a malformed query", web.request("GET", f"{page}?%ff%00=%27%22%3C&&=")


def _watched(shell: Shell, began: Ran, marker: str, user: str, search: _Search) -> None:
    """The arguments and environments that an ordinary user saw, with a process of our own among them."""
    pid, _, file = began.out.strip().partition(" ")
    ran = shell.run(WATCHED.format(marker=marker, pid=pid, file=file))
    good = ran.ok and marker in ran.out
    search("processes", f"the list of processes for {user}", user, False, good, ran.out, ran.ref)


@case(
    "TC_CONFIDENTIAL_SYSTEM_INTERNAL_DATA",
    judge,
    "A",
    asks=(
        "Does functions.list name every function that shows data, and secret_types each kind of secret?",
        "Do the outputs that were captured show nothing else that only helps an attacker?",
    ),
)
def test_confidential_system_internal_data(host: HostBench) -> Seen:
    types, ours = tuple(map(str, host.declared("functions.secret_types"))), f"assay{secrets.token_hex(6)}"
    canaries = {name: host.secret() for name in (*types, WRONG)}
    markers = {name: f"assay{secrets.token_hex(6)}" for name in types}
    search = _Search(canaries, list(markers.values()), [])
    places, before = marks(host), marked(host)
    host.stimulus()
    with ExitStack() as stack:
        users = of_each_role(ordinary(host))
        watching = {user.name: stack.enter_context(host.shell(user)) for user in users}
        began = {name: shell.run(WATCH) for name, shell in watching.items()}
        done = []
        for name in types:
            done.append(host.act(SET, name, secret=canaries[name], marker=markers[name]))
            for shell in watching.values():
                shell.run(":")  # a connection that is not used may be ended
        for name, shell in watching.items():
            _watched(shell, began[name], ours, name, search)
        _functions(host, search, watching)
    _errors(host, search)
    after = marked(host)
    for log, place in places.items():
        read = host.logged(log, ".", place, within=0.01)
        said, good = "\n".join(line.text for line in read.lines), not read.problem and bool(read.lines)
        search("log", f"the log {log}", "", True, good and len(read.lines) < MOST_LINES, said, read.ref)
    return Seen(
        before,
        did("a secret of each type and its marker were set", *done),
        types,
        tuple(markers.values()),
        tuple(str(row["name"]) for row in host.declared("functions.list")),
        tuple(search.found),
        after,
        host.alive(),
    )
