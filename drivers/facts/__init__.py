"""The state of a host in one bounded, read-only pass: few connections, many commands, every answer kept."""

import secrets
import shlex
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay.case import to_json
from assay.errors import UsageError
from drivers.facts import parse
from drivers.facts.ways import WAYS, Way, script
from drivers.interfaces.facts import NAMES
from drivers.interfaces.replies import Evidence, Fact, Facts, Ran
from drivers.text import line, without_secrets

KEEP = 12 << 20  # octets that `run` has to keep of one batch
WITHIN = 300.0  # seconds that `run` has to wait for one batch
EACH = 1 << 20  # octets of one command's output; a fact that is longer is not had
EACH_S = 60  # seconds of one command, where the product has coreutils: busybox's timeout(1) costs a second
SCRIPT = 24 << 10  # octets of one batch: it travels in one SSH packet

SECTION, OURS = "\x1e", "\x1f"
"""What stands for our marks in an output, in which no other control characters are left."""

_BATCH = """N={nonce}; export N LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; exec 5>&1
M='m() {{ printf "\\n@@%s in %s\\n" "$N" "$1"; }}
'
if timeout --version 2>/dev/null | grep -q coreutils; then T="timeout {seconds}"; else T=; fi
r() {{
    printf '\\n@@%s run %s\\n' "$N" "$1"
    printf '\\n@@%s run %s\\n' "$N" "$1" >&2
    s=$({{ {{ $T sh -c "$M$2" </dev/null; echo $? >&3; }} | head -c {octets} >&5; }} 3>&1)
    printf '\\n@@%s end %s\\n' "$N" "$s"
}}
"""

Run = Callable[[str], Ran]


@dataclass(frozen=True)
class _Answer:
    """What one command of a batch said, our marks translated."""

    status: int | None
    out: str
    err: str
    cut: bool
    problem: str


def collect(run: Run, names: Iterable[str] = NAMES, commands: Mapping[str, tuple[str, str]] = {}) -> Facts:
    """Get these facts of a host, each by the first way that works there.

    Args:
        run: runs a command as the most privileged account there is; it has to keep `KEEP` octets of each
            output and wait `WITHIN` seconds.
        names: the facts, of `drivers.interfaces.facts.NAMES`.
        commands: the vendor's own ways, tried first: a command and how it is read, a name of
            `drivers.facts.parse.FORMATS` or a regular expression with the fields of a row as named groups.

    Raises:
        UsageError: an unknown fact, or a parse rule that cannot be used.
    """
    began = time.monotonic()
    ways = {name: _ways(name, commands.get(name)) for name in names}
    problems: dict[str, list[str]] = defaultdict(list)
    facts: dict[str, Fact] = {}
    evidence: list[Evidence] = []
    runs = 0
    for turn in range(max(map(len, ways.values()), default=0)):
        due = {name: found[turn] for name, found in ways.items() if name not in facts and turn < len(found)}
        texts = list(dict.fromkeys(way.command for way in due.values()))
        for some in _batches(texts):
            runs += 1
            answers, seconds = _run(run, some)
            for text in some:
                users = tuple(name for name, way in due.items() if way.command == text)
                answer = answers[text]
                evidence.append(_evidence(text, answer, seconds, users))
                for name in users:
                    value, problem = _value(due[name], answer)
                    if problem:
                        problems[name].append(f"{due[name].how}: {problem}")
                    else:
                        facts[name] = Fact(name, due[name].how, value, "; ".join(problems[name]))
    for name in ways.keys() - facts.keys():
        facts[name] = Fact(name, "", None, "; ".join(problems[name]) or "no way to get it is known")
    # a way that failed before another one worked is told by the evidence; `problem` means there is no value
    facts = {n: f if f.value is None else replace(f, problem="") for n, f in facts.items()}
    return Facts(facts, tuple(evidence), runs, time.monotonic() - began)


def stat_of(paths: Iterable[str]) -> str:
    """The command that tells modes and owners of the paths that exist; read by `parse.stat`."""
    return f"export LC_ALL=C\n{script('stat')}s {' '.join(map(shlex.quote, paths))}\n:"


def _ways(name: str, command: tuple[str, str] | None) -> tuple[Way, ...]:
    if name not in NAMES:
        raise UsageError(f"{name} is no fact: the facts are {', '.join(NAMES)}")
    own = () if command is None else (Way("the declared command", command[0], parse.rule(name, command[1])),)
    return (*own, *WAYS.get(name, ()))


def _batches(texts: list[str]) -> list[list[str]]:
    batches: list[list[str]] = []
    size = SCRIPT
    for text in texts:
        size += len(text) + 200
        if size > SCRIPT:
            batches.append([])
            size = len(text) + 200
        batches[-1].append(text)
    return batches


def _run(run: Run, texts: list[str]) -> tuple[dict[str, _Answer], float]:
    nonce = secrets.token_hex(12)
    script = _BATCH.format(nonce=nonce, seconds=EACH_S, octets=EACH)
    script += "".join(f"r {number} {shlex.quote(text)}\n" for number, text in enumerate(texts))
    ran = run(script)
    out, err = (_parts(text, nonce) for text in (ran.out, ran.err))
    answers = {}
    for number, text in enumerate(texts):
        said, end = out.get(number, ("", None))
        problem = ""
        if end is None:
            problem = ran.problem or ("the output was cut" if ran.cut else "no answer from the host's shell")
        answers[text] = _Answer(end, said, err.get(number, ("", None))[0], len(said) >= EACH, line(problem))
    return answers, ran.seconds


def _parts(text: str, nonce: str) -> dict[int, tuple[str, int | None]]:
    """What lies between our marks: for each command its output, and its status where its end came."""
    found: dict[int, tuple[str, int | None]] = {}
    for part in f"\n{text}".split(f"\n@@{nonce} run ")[1:]:
        head, _, rest = part.partition("\n")
        said, ended, tail = rest.partition(f"\n@@{nonce} end ")
        if not head.isdecimal() or len(head) > 4:
            continue
        status = tail.partition("\n")[0].strip() if ended else ""
        said = said.replace(f"\n@@{nonce} in ", f"\n{SECTION}").replace(nonce, OURS)
        found[int(head)] = (said, int(status) if status.isdecimal() and len(status) < 4 else None)
    return found


def _value(way: Way, answer: _Answer) -> tuple[Any, str]:
    """The value of a fact and no problem, or the problem."""
    if answer.problem:
        return None, answer.problem
    if answer.cut or answer.status == 141:
        return None, f"it says more than {EACH >> 10} KiB"
    if answer.status == 124:
        return None, f"it did not end within {EACH_S} s"
    complaint = line(answer.err, 200)
    if answer.status not in way.statuses:
        return None, f"status {answer.status}{': ' if complaint else ''}{complaint}"
    if "ermission denied" in answer.err or "not permitted" in answer.err:
        return None, complaint
    try:
        return to_json(way.parse(answer.out)), ""
    except ValueError as error:
        return None, line(str(error), 200)


def _evidence(text: str, answer: _Answer, seconds: float, facts: tuple[str, ...]) -> Evidence:
    said = without_secrets(answer.out.replace(SECTION, "== ").strip("\n"))
    if answer.err.strip():
        said += "\n== standard error\n" + without_secrets(answer.err.strip())
    said = said.replace(OURS, "(the harness)")
    return Evidence(text, answer.status, said or answer.problem, answer.cut, seconds, facts)
