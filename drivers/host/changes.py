"""What the bench changes on a host: declared actions, files of a test, restarts; and that it is put back."""

import shlex
import time
from collections.abc import Mapping
from typing import Any

from assay.errors import UnseenError
from drivers.host.access import Access
from drivers.host.actions import Actions, Words, fill
from drivers.host.core import CHECK_S
from drivers.interfaces.host import Endpoint, Restart, Secret, Shell
from drivers.interfaces.replies import Ran

STARTED = "cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat"
PROMPT = r"[$#>] ?$"
BACK_S = 120.0  # how long a restart may take


class Changes(Access):
    """Changes the product as it is declared, and owes what has to be put back."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.actions = Actions(self._declared.get, self._perform)

    def act(self, key: str, which: str = "", **words: str | int | Secret) -> Ran:
        return self.actions.act(key, which, words)

    def do(self, row: Mapping[str, Any], **words: str | int | Secret) -> Ran:
        return self.actions.do(row, str(row.get("name") or row.get("operation") or "it"), "", words)

    def _perform(self, action: Mapping[str, Any], key: str, words: Words) -> Ran:
        """Run an action the way it is declared."""
        via, run = action.get("via", "ssh"), action.get("run")
        for name, word in words.items():
            if isinstance(word, Secret):
                self.mask.learn(name, word.text)
        if via in ("https", "http") and action.get("request"):
            return self._request(action, key, words)
        if via == "snmp" and run is not None:
            return self._over_snmp(action, fill(run, words, quoted=False), words)
        if via != "ssh" or run is None:
            raise UnseenError(f"the bench has no way to run {key} via {via}")
        command = fill(run, words, quoted=True)
        text = fill(action.get("input") or "", words, quoted=False)
        within = float(action.get("within_s") or 0)
        who, secret = self._runs(action, words)
        if who is None and not action.get("dialogue"):
            return self.root(command, input=text, within=within)
        if who is None:
            raise UnseenError(f"not declared: which user runs {key}")
        where, dialogue = self._where(action), action.get("dialogue")
        with self.shell(who, secret, endpoint=where, terminal=bool(dialogue)) as shell:
            if dialogue:
                return self._dialogue(shell, command, dialogue, words, within)
            return shell.run(command, input=text, within=within)

    def _request(self, action: Mapping[str, Any], key: str, words: Words) -> Ran:
        """Run an action over the web, as the user that the test case or the declaration names."""
        where = self._where(action)
        if where is None:
            raise UnseenError(f"not declared: the endpoint of {key}")
        with self.web(where, *self._runs(action, words)) as session:
            entered = session.login
            if entered is not None and entered.outcome != "in" and not entered.wants_new_password:
                said = f"{entered.outcome} {entered.said}"
                return Ran(None, "", "", False, entered.seconds, said, entered.ref)
            return session.act(action, words)

    @staticmethod
    def _runs(action: Mapping[str, Any], words: Words) -> tuple[str | None, Secret | None]:
        """Who runs an action: the user that the test case names, with that one's secret, or the declared."""
        if "user" in words:
            secret = words.get("secret", words.get("old"))
            return str(words["user"]), secret if isinstance(secret, Secret) else None
        return action.get("user"), None

    def _over_snmp(self, action: Mapping[str, Any], command: str, words: Words) -> Ran:
        """Run "get OID", "walk OID" or "set OID s VALUE"."""
        where = self._where(action) or next(iter(self.endpoints("snmp")), None)
        who, _ = self._runs(action, words)
        verb, _, rest = command.partition(" ")
        oid, *value = rest.split(" ", 2)
        if where is None or who is None or verb not in ("get", "walk", "set"):
            raise UnseenError(f"not declared: where, as whom, and what of get, walk, set: {command}")
        told = self.snmp(
            where,
            oid,
            user=who,
            walk=verb == "walk",
            exact=verb == "get",
            value=value[1] if value[1:] else None,
        )
        out = "\n".join(f"{name} = {text}" for name, text in told.values)
        status = {"answered": 0, "refused": 1}.get(told.outcome)
        return Ran(
            status, out, told.said, not told.whole and verb == "walk", told.seconds, "", told.ref, command
        )

    def _where(self, action: Mapping[str, Any]) -> Endpoint | None:
        return self._declared.endpoint(action["endpoint"]) if action.get("endpoint") else None

    def _dialogue(
        self, shell: Shell, command: str, steps: list[Mapping[str, str]], words: Words, within: float
    ) -> Ran:
        """Type a command on a terminal and answer its questions; status 0 where all of them came."""
        began, said = time.monotonic(), []
        shell.type(command)
        for number, step in enumerate(steps):
            # a prompt instead of a further question: the command has ended, so nothing more is waited for
            heard = shell.read(step["expect"], *([PROMPT] if number else []), within=within)
            said.append(heard.text)
            if heard.which != 0:
                problem = f"{step['expect']!r} was not asked"
                return Ran(1, "".join(said), "", False, time.monotonic() - began, problem, heard.ref, command)
            shell.type(Secret(fill(step["send"], words, quoted=False)))
        heard = shell.read(PROMPT, within=within)
        said.append(heard.text)
        return Ran(
            0, "".join(said), "", False, time.monotonic() - began, "", heard.ref, command, self.trace.now
        )

    def plant(self, path: str, text: str = "", *, mode: int = 0o600, owner: str = "root:root") -> Ran:
        where = shlex.quote(path.rstrip("/"))
        make = f"mkdir {where}" if path.endswith("/") else f"cat > {where}"
        command = f"test ! -e {where} && {make} && chown {shlex.quote(owner)} {where}"
        command += f" && chmod {mode:o} {where}"  # after chown, which takes SUID away
        ran = self.root(command, input=text)
        if ran.ok:
            self.actions.owe(f"file {path}", f"rm -rf {where}")
        return ran

    def reboot(self, key: str = "platform.reboot_action") -> Restart:
        before = self.root(STARTED)
        began = time.monotonic()
        ran = self.act(key)
        self.close()
        back, after = False, before
        while not back and time.monotonic() - began < BACK_S:
            self.rest(CHECK_S)
            after = self.root(STARTED)
            back = after.ok and after.out != before.out
        saw = "it started anew" if back else f"no other start was seen ({after.problem or 'it runs on'})"
        return Restart(ran, back, after.ok, saw, time.monotonic() - began, after.ref)
