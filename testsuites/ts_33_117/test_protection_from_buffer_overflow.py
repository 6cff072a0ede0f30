"""TC_PROTECTION_FROM_BUFFER_OVERFLOW: mechanisms against overflows are described, tested, and there."""

import re
import shlex
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.case import Control, Observation, case, unsound
from assay.verdict import Verdict, failed, inconclusive, passed
from drivers.interfaces.facts import Listener, Process
from drivers.interfaces.host import Document, HostBench, did, rows, unread
from drivers.interfaces.replies import Fact, Ran
from testsuites.ts_33_117.common import excepted
from testsuites.ts_33_117.software import opened

ITEMS = {
    "description": ("mechanisms", "default", "manual_steps"),
    "report": ("setup", "procedures", "results"),
}


@dataclass(frozen=True)
class Papers(Observation):
    description: Document
    described: dict[str, Any]
    report: Document | None  # None: none is declared
    reported: dict[str, Any]
    alive: Control


def judge_papers(seen: Papers) -> Verdict:
    if seen.report is None:
        return failed("the description of mechanisms comes without test results")
    if doubt := unsound([opened(seen.description, seen.report)]):
        return doubt
    for what, items in (("description", seen.described), ("report", seen.reported)):
        for item in ITEMS[what]:
            if not items.get(item):
                return failed(f"the {what} has no reference for {item}")
    return unsound([seen.alive]) or passed(f"{seen.description.file} and {seen.report.file} cover every item")


@case(
    "TC_PROTECTION_FROM_BUFFER_OVERFLOW",
    judge_papers,
    "A",
    asks=(
        "Does the description say which mechanisms there are, their default state, and what is left to do?",
        "Does the test report have procedure, set-up and results that show that the mechanisms work?",
    ),
)
def test_documentation(host: HostBench) -> Papers:
    described = host.declared("documents.buffer_overflow_description")
    reported = host.declared("documents.buffer_overflow_test_report")
    return Papers(
        host.document(described)[0],
        dict(described.get("items") or {}),
        host.document(reported)[0] if reported else None,
        dict((reported or {}).get("items") or {}),
        host.alive(),
    )


# --- B: on the host ----------------------------------------------------------------------------------------

HEAD = 1024  # octets of a program that hold its header and program headers
PT_GNU_STACK, PF_X, ET_DYN, NO_RANDOMIZE = 0x6474E551, 1, 3, 0x0040000
READ = f"""
for f in {{files}}; do
    printf 'file %s\\n' "$f"; od -An -v -tx1 -N {HEAD} "$f" | tr -d ' \\n'; echo
    if grep -qa __stack_chk_fail "$f"; then echo yes; else echo no; fi
done
"""
MAPS = """
for p in {pids}; do
    printf 'process %s %s\\n' "$p" "$(cat /proc/$p/personality)"
    sed -nE 's#^[^ ]+ (....) [^ ]+ [^ ]+ [^ ]+ *#\\1 #p' /proc/$p/maps | sort -u
done
"""
CANARIES = {"/root/assay-elf-good": (ET_DYN, 6, True), "/root/assay-elf-bad": (2, 7, False)}


@dataclass(frozen=True)
class Program(Observation):
    """How a program or library is protected, as its headers tell; None where they cannot be read."""

    path: str
    pie: bool | None
    nx: bool | None  # asks for a stack that cannot be executed
    protected: bool  # refers to the stack protector
    ref: str


@dataclass(frozen=True)
class Mapped(Observation):
    """A process that serves a network: what it maps, and whether its addresses are random."""

    pid: int
    exe: str
    personality: str
    executable: tuple[str, ...]  # what is mapped both writable and executable
    libraries: tuple[str, ...]
    ref: str


@dataclass(frozen=True)
class OnHost(Observation):
    planted: Control
    canaries: tuple[Program, ...]
    listening: Fact
    kernel: Fact
    declared: tuple[str, ...]
    exceptions: tuple[dict[str, Any], ...]
    processes: tuple[Mapped, ...]
    programs: tuple[Program, ...]
    libraries: tuple[Program, ...]
    bases: tuple[str, ...]  # where a program and its stack are, started twice
    alive: Control


def judge_host(seen: OnHost) -> Verdict:
    if doubt := unsound([seen.planted]) or unread(seen.listening, seen.kernel):
        return doubt
    told = {one.path: (one.pie, one.nx, one.protected) for one in seen.canaries}
    right = {
        path: (kind == ET_DYN, not flags & PF_X, symbol) for path, (kind, flags, symbol) in CANARIES.items()
    }
    holders = {one.pid for one in rows(seen.listening, Listener) if one.pid}
    unmapped = holders - {one.pid for one in seen.processes if one.libraries and one.personality}
    reader = Control("programs of the harness are told apart", told == right, f"{told}")
    maps = Control(
        "the maps of every listener are read", bool(holders) and not unmapped, f"not of {sorted(unmapped)}"
    )
    if doubt := unsound([reader, maps]):
        return doubt
    if str(seen.kernel.value.get("aslr", "")).strip() != "2":
        return failed(
            f"kernel.randomize_va_space is {seen.kernel.value.get('aslr') or 'not told'}", seen.kernel.ref
        )
    for why, ref in _wrong(seen):
        return failed(why, ref)
    if odd := next(
        (one for one in (*seen.programs, *seen.libraries) if one.pie is None or one.nx is None), None
    ):
        return inconclusive(f"the headers of {odd.path} could not be read", odd.ref)
    if lacking := {*seen.declared} - {one.path for one in seen.programs}:
        return inconclusive(f"declared, but not read: {', '.join(sorted(lacking))}")
    if len(seen.bases) != 2:
        return inconclusive("no program could be started twice")
    if seen.bases[0] == seen.bases[1]:
        return failed("a program is at the same addresses when it is started again")
    return unsound([seen.alive]) or passed(
        f"{len(seen.processes)} processes, {len(seen.programs)} programs and {len(seen.libraries)} libraries"
        " are protected, and addresses are random"
    )


def _wrong(seen: OnHost) -> Iterator[tuple[str, str]]:
    for process in seen.processes:
        if (
            re.fullmatch(r"[0-9a-fA-F]{1,16}", process.personality)
            and int(process.personality, 16) & NO_RANDOMIZE
        ):
            yield f"{process.exe} runs without address randomisation", process.ref
        for what in process.executable:
            yield f"{process.exe} maps {what} writable and executable", process.ref
    for one in seen.programs:
        for rule, holds in (("nx", one.nx), ("pie", one.pie), ("stack-protector", one.protected)):
            if holds is False and not excepted(seen.exceptions, one.path, rule):
                lacks = {"nx": "asks for an executable stack", "pie": "is linked at a fixed address"}
                yield f"{one.path} {lacks.get(rule, 'has no stack protector')}", one.ref
    for one in seen.libraries:
        if one.nx is False and not excepted(seen.exceptions, one.path, "nx"):
            yield f"{one.path} asks for an executable stack", one.ref


@case("TC_PROTECTION_FROM_BUFFER_OVERFLOW", judge_host, "B")
def test_verification_on_the_host(host: HostBench) -> OnHost:
    planted = []
    for path, (kind, flags, symbol) in CANARIES.items():
        planted.append(host.plant(path, mode=0o600))
        octal = "".join(f"\\0{octet:03o}" for octet in _elf(kind, flags, symbol))
        planted.append(host.root(f"printf '%b' '{octal}' > {path}"))
    listening, processes = host.fact("listening", fresh=True), host.fact("processes", fresh=True)
    exes = {one.pid: one.exe for one in rows(processes, Process)}
    pids = sorted({one.pid for one in rows(listening, Listener) if one.pid in exes})
    mapped = tuple(_mapped(host.root(MAPS.format(pids=" ".join(map(str, pids)))), exes))
    binaries = [str(one) for one in host.declared("software.network_binaries")]
    programs = dict.fromkeys([*binaries, *(exes[pid] for pid in pids if exes[pid])])
    libraries = dict.fromkeys(path for one in mapped for path in one.libraries if path not in programs)
    start = "sed -n '1p; /\\[stack\\]/p' /proc/self/maps | cut -d- -f1 | tr '\\n' ' '"
    return OnHost(
        did("programs with and without protection were put there", *planted),
        tuple(_programs(host, CANARIES)),
        listening,
        host.fact("kernel", fresh=True),
        tuple(binaries),
        tuple(host.declared("software.exceptions")),
        mapped,
        tuple(_programs(host, programs)),
        tuple(_programs(host, libraries)),
        tuple(ran.out.strip() for ran in (host.root(start), host.root(start)) if ran.ok and ran.out.strip()),
        host.alive(),
    )


def _elf(kind: int, flags: int, symbol: bool) -> bytes:
    """A program that cannot run, but has a header, a stack, and perhaps the symbol of the protector."""
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", kind, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    return (
        head
        + struct.pack("<IIQQQQQQ", PT_GNU_STACK, flags, *[0] * 6)
        + (b"\0__stack_chk_fail\0" if symbol else b"")
    )


def _programs(host: HostBench, paths: Any) -> Iterator[Program]:
    every = list(paths)
    for some in (every[place : place + 8] for place in range(0, len(every), 8)):
        ran = host.root(READ.format(files=" ".join(map(shlex.quote, some))))
        lines = ran.out.splitlines()
        for place, line in enumerate(lines):
            if line.startswith("file /") and len(lines) > place + 2:
                pie, nx = _headers(lines[place + 1])
                yield Program(line[5:], pie, nx, lines[place + 2] == "yes", ran.ref)


def _headers(text: str) -> tuple[bool | None, bool | None]:
    """Whether a program is position-independent, and asks for a stack that cannot be executed."""
    try:
        octets = bytes.fromhex(text)
        order, wide = "<" if octets[5] == 1 else ">", octets[4] == 2
        if octets[:4] != b"\x7fELF":
            return None, None
        (kind,) = struct.unpack_from(f"{order}H", octets, 16)
        (start,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", octets, 32 if wide else 28)
        size, count = struct.unpack_from(f"{order}HH", octets, 54 if wide else 42)
        for place in range(start, start + size * count, size or 1):
            if struct.unpack_from(f"{order}I", octets, place)[0] == PT_GNU_STACK:
                (flags,) = struct.unpack_from(f"{order}I", octets, place + (4 if wide else 24))
                return kind == ET_DYN, not flags & PF_X
    except (ValueError, struct.error, IndexError, OverflowError):
        return None, None
    return kind == ET_DYN, False  # without the header the stack can be executed


def _mapped(ran: Ran, exes: dict[int, str]) -> Iterator[Mapped]:
    for part in f"\n{ran.out}".split("\nprocess ")[1:]:
        head, *lines = part.splitlines()
        pid, _, personality = head.partition(" ")
        split = [line.partition(" ")[::2] for line in lines]
        both = tuple(path or "memory" for rights, path in split if "w" in rights and "x" in rights)
        libraries = tuple(
            path for rights, path in split if rights[2:3] == "x" and re.search(r"\.so(\.|$)", path)
        )
        yield Mapped(int(pid), exes.get(int(pid), ""), personality.strip(), both, libraries, ran.ref)
