"""TC_HIDING_PASSWORD_DISPLAY: a password that is typed is not seen, on a terminal or in a form."""

from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.host import Endpoint, HostBench, Secret, Shell, got_in
from drivers.interfaces.replies import Login, Typed, WebReply
from testsuites.ts_33_117.logins import password_endpoints

SHORTEST = 8  # characters that a typed password must have for its echo to be told from chance
FAILED = r"(?i)incorrect|fail|sorry|denied|error"
PROMPT = r"[$#>] ?$"


@dataclass(frozen=True)
class Prompted:
    """A prompt at which a password was typed one character at a time."""

    name: str
    echo: Control  # what was typed before it came back
    typed: Typed | None
    entered: Control


@dataclass(frozen=True)
class Terminals(Observation):
    prompts: tuple[Prompted, ...]
    interactive: tuple[Login, ...]  # with their keyboard-interactive prompts


def judge_terminals(seen: Terminals) -> Verdict:
    for one in seen.prompts:
        if doubt := unsound([one.echo]):
            return doubt
        if one.typed is None or one.typed.length < SHORTEST:
            return inconclusive(f"{one.name}: no password of {SHORTEST} characters was typed")
        if one.typed.shown > 1:
            return failed(
                f"{one.name}: {one.typed.shown} of {one.typed.length} characters are shown", one.typed.ref
            )
        if doubt := unsound([one.entered]):
            return doubt
    for login in seen.interactive:
        for prompt in login.prompts:
            if prompt.echo and "pass" in prompt.text.lower():
                return failed(f"{login.endpoint}: {prompt.text.strip()!r} is asked with echo on", login.ref)
    if not seen.prompts:
        return inconclusive("no prompt was tried")
    works = got_in("the login by keyboard-interactive works", *seen.interactive)
    return (unsound([works]) if seen.interactive else None) or passed(
        f"{', '.join(one.name for one in seen.prompts)}: nothing of the password is shown"
    )


@dataclass(frozen=True)
class Field:
    """An input of a page as it opens, and the method of its form."""

    name: str
    kind: str
    method: str


@dataclass(frozen=True)
class Form:
    name: str
    page: WebReply
    field: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Refusal:
    """A wrong password that was sent, and whether the answer tells it."""

    endpoint: str
    reply: WebReply
    told: bool


@dataclass(frozen=True)
class Pages(Observation):
    forms: tuple[Form, ...]
    refusals: tuple[Refusal, ...]
    right: tuple[Login, ...]


def judge_pages(seen: Pages) -> Verdict:
    for form in seen.forms:
        if form.page.outcome != "answered" or form.page.status != 200:
            return inconclusive(f"{form.name}: the page: {form.page.status} {form.page.said}", form.page.ref)
        found = [one for one in form.fields if one.name == form.field]
        if not found:
            return inconclusive(f"{form.name}: the page has no field {form.field}", form.page.ref)
        if plain := [one for one in found if one.kind != "password"]:
            return failed(f"{form.name}: the password field has the type {plain[0].kind}", form.page.ref)
        if any(one.method == "get" for one in found):
            return failed(f"{form.name}: the form sends the password in the URL", form.page.ref)
    for one in seen.refusals:
        if one.told:
            return failed(f"{one.endpoint}: the answer to a wrong password repeats it", one.reply.ref)
        if one.reply.outcome != "answered":
            return inconclusive(f"{one.endpoint}: {one.reply.outcome} {one.reply.said}", one.reply.ref)
    if not seen.forms or not seen.refusals:
        return inconclusive("no form was tried")
    shown = any(one.kind not in ("password", "hidden") for form in seen.forms for one in form.fields)
    control = Control("a field for the user's name is found by the same means", shown, "none")
    strange = [one.identity for one in seen.right if one.identity and one.identity != one.user]
    theirs = Control("who logs in is who the session says", not strange, ", ".join(strange))
    return unsound([control, got_in("the right password works", *seen.right), theirs]) or passed(
        f"{', '.join(form.name for form in seen.forms)}: fields are masked, and no answer tells a password"
    )


# --- probes ------------------------------------------------------------------------------------------------


def _typed(shell: Shell, row: Mapping[str, Any], echoed: str, secret: Secret) -> Prompted:
    """Type a password at the prompt that was asked for by `echoed`."""
    asked = shell.read(row["prompt"])
    saw = "it did" if echoed in asked.text else f"what came is {asked.text[-100:]!r}"
    echo = Control(f"{row['name']}: what was typed before came back", echoed in asked.text, saw)
    if asked.which is None:
        return Prompted(row["name"], echo, None, Control("a password is asked for", False, "no prompt"))
    typed = shell.type_secret(secret)
    heard = shell.read(FAILED, r"(?i)new password", PROMPT)
    entered = Control(f"{row['name']}: the password is taken", heard.which in (1, 2), heard.text[-100:])
    return Prompted(row["name"], echo, typed, entered)


@case("TC_HIDING_PASSWORD_DISPLAY", judge_terminals, "A")
def test_terminals(host: HostBench) -> Terminals:
    found = []
    for row in host.declared("access.password_prompts"):
        if row["via"] == "console":
            endpoint = host.endpoints("console")[0]
            user = (host.users(endpoint=endpoint, privileged=False) or host.users(endpoint=endpoint))[0]
            with host.shell(user, endpoint=endpoint) as shell:
                shell.type("exit")
                shell.read(r"(?i)login: ?$")
                shell.type(user.name)
                found.append(_typed(shell, row, user.name, host.secret(user)))
        elif row["via"] == "ssh":
            with host.shell(row["user"], terminal=True) as shell:
                shell.read(PROMPT)
                shell.type(row["open"])
                found.append(_typed(shell, row, row["open"], host.secret(row["secret_of"])))
    interactive = [
        host.login(at, host.users(endpoint=at)[0], method="keyboard-interactive")
        for at in password_endpoints(host)
        if at.via == "ssh" and "keyboard-interactive" in host.ssh_offer(at).methods
    ]
    return Terminals(tuple(found), tuple(interactive))


class _Inputs(HTMLParser):
    """The inputs of a page, each with the method of its form."""

    def __init__(self) -> None:
        super().__init__()
        self.method, self.found = "get", list[Field]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.method = has.get("method", "get").lower()
        elif tag == "input" and len(self.found) < 100:
            self.found.append(
                Field(has.get("name", "")[:100], has.get("type", "text").lower()[:20], self.method)
            )


def _form(host: HostBench, row: Mapping[str, Any], endpoint: Endpoint) -> Form:
    with host.web(endpoint) as agent:
        page = agent.request("GET", row["url"])
    if page.status != 200:
        with host.web(endpoint, host.users(endpoint=endpoint)[0]) as agent:
            page = agent.request("GET", row["url"])
    inputs = _Inputs()
    inputs.feed(page.body[:100_000])
    return Form(row["name"], page, row["field"], tuple(inputs.found))


@case("TC_HIDING_PASSWORD_DISPLAY", judge_pages, "B")
def test_pages(host: HostBench) -> Pages:
    sites = {one.name: one for one in password_endpoints(host) if one.via in ("https", "http")}
    first = next(iter(sites.values()), None)
    rows = [row for row in host.declared("access.password_prompts") if row["via"] in ("https", "http")]
    forms = [_form(host, row, sites.get(row.get("endpoint", ""), first)) for row in rows if first]
    refusals: list[Refusal] = []
    right: list[Login] = []
    for at in sites.values():
        how, user, wrong = at.more["login"], host.users(endpoint=at)[0], "Scas-no-secret-4711"
        words = {"{user}": user.name, "{secret}": wrong}
        method, _, path = str(how["request"]).partition(" ")
        with host.web(at) as agent:
            reply = agent.request(method, path, fields={k: words.get(v, v) for k, v in how["fields"].items()})
        places = "".join(value for name, value in reply.headers if name == "location")
        refusals.append(Refusal(at.name, reply, wrong in reply.body or wrong in places))
    for at in password_endpoints(host):
        right += [host.login(at, user) for user in host.users(endpoint=at)]
    return Pages(tuple(forms), tuple(refusals), tuple(right))
