"""The files of a campaign, in a folder or in a sealed bundle, read within bounds."""

import hashlib
import json
import os
import re
import stat
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol

from assay.errors import UsageError

FORMAT = "assay-bundle-1"
MANIFEST = "manifest.json"
MAX_MANIFEST = 256 << 20
MAX_FILE = 1 << 30
MAX_FILES = 1_000_000
MEMBER = re.compile(
    r"manifest\.json|results\.json|blobs/sha256/[0-9a-f]{64}|"
    r"seals/[a-z][a-z-]{0,30}-[0-9a-f]{16}(\.dsse\.json|\.test-result\.dsse\.json|\.tsr)"
)
"""Every name that a bundle may have in it."""
NAME = re.compile(r"campaign\.json|records(/(?!\.)[A-Za-z0-9_.+-]{1,100}){4}")
"""Every name that a manifest may list."""


class Damaged(UsageError):  # noqa: N818 - what is wrong, in words
    """A file that is not what it says, or that no bundle can hold: its text names the file."""


# --- bytes and JSON -------------------------------------------------------------------------------------


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no blanks, for files that are compared and digested.

    For what holds no fractions and has keys of ASCII alone, as manifests and statements do, this is RFC 8785.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def strict(data: bytes, name: str) -> Any:
    """JSON in which no key stands twice and no number is NaN; `Damaged` for anything else."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        whole = dict(found)
        if len(whole) != len(found):
            raise ValueError("a key stands twice")
        return whole

    def refuse(what: str) -> NoReturn:
        raise ValueError(f"{what} is no number")

    try:
        return json.loads(data, object_pairs_hook=pairs, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name} is no valid JSON: {error}") from error


def exact(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object in canonical form; `Damaged` for anything else."""
    found = strict(data, name)
    if not isinstance(found, dict) or canonical(found) != data:
        raise Damaged(f"{name} is no object in canonical form")
    return found


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file or none: a kill at any moment leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with temporary.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


# --- where the files of a campaign are --------------------------------------------------------------------


class Files(Protocol):
    """The files of a campaign by name: "campaign.json", "records/ts_33_512/<slug>/<variant>/record.json"."""

    path: Path

    def read(self, name: str, limit: int = MAX_FILE) -> bytes:
        """The octets of a file; FileNotFoundError where there is none, UsageError for more than `limit`."""
        ...

    def size(self, name: str) -> int | None:
        """How many octets a file has, None where there is none."""
        ...

    def digest(self, name: str) -> str:
        """SHA-256 of the octets that are there now; FileNotFoundError where there is none."""
        ...

    def place(self, name: str) -> str:
        """Where a file lies, relative to the folder; empty inside of an archive."""
        ...

    def before(self, name: str) -> str:
        """The commitment that a record has instead of the digest of a file that is withheld, else nothing."""
        ...


class Folder:
    """The files of a campaign as the run left them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str, limit: int = MAX_FILE) -> bytes:
        with (self.path / name).open("rb") as handle:
            data = handle.read(limit + 1)
        if len(data) > limit:
            raise UsageError(f"{self.path / name} is larger than {limit >> 20} MiB")
        return data

    def size(self, name: str) -> int | None:
        path = self.path / name
        return path.stat().st_size if path.is_file() else None

    def digest(self, name: str) -> str:
        return digest(self.path / name)

    def place(self, name: str) -> str:
        return name

    def before(self, name: str) -> str:
        return ""


# --- bundles -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """What a manifest says of one file."""

    sha256: str
    size: int


class Box(Protocol):
    """What holds the members of a bundle, by names that `MEMBER` knows."""

    def names(self) -> Mapping[str, int]:
        """Every member with its size; `Damaged` for anything that no bundle has in it."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A member to read; FileNotFoundError where there is none."""
        ...


class Directory:
    """A bundle as a folder: plain files alone, and no link is followed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        waiting = [""]
        while waiting:
            here = waiting.pop()
            with os.scandir(self.path / here) as listed:
                for one in listed:
                    name = here + one.name
                    if one.is_dir(follow_symlinks=False) and name in ("blobs", "blobs/sha256", "seals"):
                        waiting.append(f"{name}/")
                    elif not one.is_file(follow_symlinks=False) or not MEMBER.fullmatch(name):
                        raise Damaged(f"{name!r} has no place in a bundle")
                    elif len(found) == MAX_FILES:
                        raise Damaged(f"{self.path} holds more than {MAX_FILES} files")
                    else:
                        found[name] = one.stat(follow_symlinks=False).st_size
        return found

    def open(self, name: str) -> BinaryIO:
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Damaged(f"{name} cannot be read: {error.strerror}") from error
        handle = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            handle.close()
            raise Damaged(f"{name} is no plain file")
        return handle


class _Part:
    """A stretch of an archive as a file to read."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._handle, self._left = path.open("rb"), size
        self._handle.seek(start)

    def read(self, size: int = -1) -> bytes:
        data = self._handle.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def __enter__(self) -> "_Part":
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()


def tar_header(name: str, size: int) -> bytes:
    """The one header (POSIX.1-1988 ustar) that an archive has for a member of this name and size."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


class Archive:
    """A bundle as an uncompressed tar in its one form: other headers, orders or fillings are refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}
        whole, at, last = path.stat().st_size, 0, ""
        with path.open("rb") as handle:
            while (header := handle.read(512)).strip(b"\0"):
                try:
                    info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
                    right = tar_header(info.name, info.size) == header
                except (tarfile.TarError, ValueError) as error:
                    raise Damaged(f"{path}: no member of an archive at octet {at}: {error}") from error
                if not right or not MEMBER.fullmatch(info.name) or info.name <= last:
                    raise Damaged(f"{path}: {info.name!r} at octet {at} has no place in a bundle")
                filling = -info.size % 512
                if info.size > whole - at or len(self._places) == MAX_FILES:
                    raise Damaged(f"{path}: {info.name} is larger than the archive, or one member too many")
                self._places[info.name] = at + 512, info.size
                handle.seek(info.size, os.SEEK_CUR)
                if handle.read(filling) != bytes(filling):
                    raise Damaged(f"{path}: {info.name} is not filled with zeros")
                at, last = at + 512 + info.size + filling, info.name
            if whole != at + 1024 or handle.read(512) != bytes(512):
                raise Damaged(f"{path}: the archive does not end as it should at octet {at}")

    def names(self) -> Mapping[str, int]:
        return {name: size for name, (_, size) in self._places.items()}

    def open(self, name: str) -> BinaryIO:
        if name not in self._places:
            raise FileNotFoundError(name)
        return _Part(self.path, *self._places[name])  # type: ignore[return-value]


def blob(sha256: str) -> str:
    """Where a bundle keeps a file with this digest."""
    return f"blobs/sha256/{sha256}"


def manifest(entries: Mapping[str, Entry], **more: Any) -> bytes:
    """The manifest of these files: canonical, so that the same files give the same octets."""
    files = [{"path": n, "sha256": e.sha256, "size": e.size} for n, e in sorted(entries.items())]
    return canonical({"files": files, "format": FORMAT, **more})


class Bundle:
    """The files of a campaign in a sealed bundle; each is checked against the manifest when it is read."""

    def __init__(self, path: Path, box: Box | None = None) -> None:
        """Read the manifest alone, from a folder, an archive, or another box.

        Raises:
            Damaged: there is no manifest, or not a whole one in its one form.
        """
        self.path = path
        if box is None and not path.exists():
            raise UsageError(f"{path} does not exist")
        self.box: Box = box or (Directory(path) if path.is_dir() else Archive(path))
        try:
            with self.box.open(MANIFEST) as handle:
                self.manifest = handle.read(MAX_MANIFEST + 1)
        except FileNotFoundError:
            raise Damaged(f"{path} is no bundle: {MANIFEST} is missing") from None
        if len(self.manifest) > MAX_MANIFEST:
            raise Damaged(f"{MANIFEST} is larger than {MAX_MANIFEST >> 20} MiB")
        self.content = exact(self.manifest, MANIFEST)
        self.entries = _entries(self.content)
        self.withheld, self.commitments = _redacted(self.content)

    def _entry(self, name: str) -> Entry:
        if name not in self.entries:
            raise FileNotFoundError(name)
        return self.entries[name]

    def read(self, name: str, limit: int = MAX_FILE) -> bytes:
        entry = self._entry(name)
        if entry.size > limit:
            raise UsageError(f"{name} is larger than {limit >> 20} MiB")
        with self.box.open(blob(entry.sha256)) as handle:
            data = handle.read(entry.size + 1)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise Damaged(f"{name} was changed")
        return data

    def size(self, name: str) -> int | None:
        return self.entries[name].size if name in self.entries else None

    def digest(self, name: str) -> str:
        whole, left = hashlib.sha256(), self._entry(name).size + 1
        with self.box.open(blob(self._entry(name).sha256)) as handle:
            while left and (data := handle.read(min(left, 1 << 20))):
                whole.update(data)
                left -= len(data)
        return whole.hexdigest()

    def place(self, name: str) -> str:
        inside = isinstance(self.box, Archive) or name not in self.entries
        return "" if inside else blob(self.entries[name].sha256)

    def before(self, name: str) -> str:
        return self.withheld.get(name, "")


Commitments = dict[tuple[str, str], str]
"""What stands for the text at a JSON Pointer of a file."""


def _redacted(content: dict[str, Any]) -> tuple[dict[str, str], Commitments]:
    """Commitments to what was withheld and taken out; `Damaged` where they have another form."""
    if content.keys() == {"files", "format"}:
        return {}, {}
    told: Any = content.get("redacted")
    match told:
        case {"fields": list(fields), "from": str(origin), "withheld": dict(withheld)} if len(told) == 3:
            texts = [one for one in fields if isinstance(one, dict) and len(one) == 3]
            keys = [(str(one.get("path")), str(one.get("pointer"))) for one in texts]
            made = [str(one.get("commitment")) for one in texts]
            if (
                len(texts) == len(fields)
                and all(re.fullmatch("[0-9a-f]{64}", str(one)) for one in (origin, *withheld.values(), *made))
                and all(NAME.fullmatch(name) for name in (*withheld, *(path for path, _ in keys)))
                and keys == sorted(set(keys))
                and content.keys() <= {"files", "format", "redacted"}
            ):
                return withheld, {(MANIFEST, ""): origin, **dict(zip(keys, made, strict=True))}
    raise Damaged(f"{MANIFEST} does not say properly what was redacted")


def _entries(content: dict[str, Any]) -> dict[str, Entry]:
    """The files of a manifest by name; `Damaged` where it is none."""
    listed = content.get("files")
    if not isinstance(listed, list) or content.get("format") != FORMAT:
        raise Damaged(f"{MANIFEST} is none of the format {FORMAT}")
    found: dict[str, Entry] = {}
    last = ""
    for one in listed:
        match one:
            case {"path": str(name), "sha256": str(sha256), "size": int(size)} if (
                len(one) == 3 and NAME.fullmatch(name) and re.fullmatch("[0-9a-f]{64}", sha256)
            ):
                if name <= last or not 0 <= size <= MAX_FILE or isinstance(size, bool):
                    raise Damaged(f"{MANIFEST}: {name} is out of order, twice, or of an impossible size")
                found[name] = Entry(sha256, size)
                last = name
            case _:
                raise Damaged(f"{MANIFEST} lists what is no file of a campaign: {str(one)[:200]}")
    if "campaign.json" not in found:
        raise Damaged(f"{MANIFEST} lists no campaign.json")
    return found
