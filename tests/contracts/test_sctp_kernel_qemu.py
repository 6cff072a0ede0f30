"""The contract of drivers.sctp on a real kernel's SCTP: Debian's cloud kernel in an emulated machine."""

import io
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from qemu.contract import BRIEF, CONTRACT, ROOT

pytestmark = pytest.mark.daemon

PYTHON = Path("/usr/bin/python3")  # the system's own: its libraries lie where the loader looks
GUEST = ROOT / "tests" / "contracts" / "qemu" / "guest.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / "qemu"
PACKAGE = "linux-image-cloud-amd64"
BOOT_S = 120.0  # about 20 s are used
TOOLS = {"qemu-system-x86_64": "qemu-system-x86", "apt-get": "apt", "dpkg-deb": "dpkg", "ldd": "libc-bin"}


def lacking(reason: str) -> None:
    """Skip; in CI a missing prerequisite is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def output(*command: str | Path, cwd: Path = Path("/")) -> str:
    run = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=BOOT_S)
    return run.stdout


def kernel() -> Path:
    """The unpacked kernel package, from the cache or downloaded."""
    try:
        depends = re.search(r"Depends: (linux-image-\S+)", output("apt-cache", "depends", PACKAGE))
        assert depends, f"apt knows no {PACKAGE}"
        unpacked = CACHE / depends[1]
        if not unpacked.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=CACHE) as name:
                there = Path(name)
                output("apt-get", "download", depends[1], cwd=there)
                (package,) = there.glob("*.deb")
                output("dpkg-deb", "-x", package, there / "unpacked")
                (there / "unpacked").rename(unpacked)
    except (subprocess.CalledProcessError, AssertionError) as problem:
        lacking(f"no kernel package ({problem}): it needs Debian, `apt-get update` and a mirror")
        raise
    return unpacked


def modules(unpacked: Path, name: str = "sctp") -> list[Path]:
    """A kernel module after all that it depends on."""
    found = next(unpacked.glob(f"lib/modules/**/{name}.ko"), None)
    if found is None:
        return []  # built in
    depends = re.search(rb"\0depends=([^\0]*)\0", found.read_bytes())
    names = depends[1].decode().split(",") if depends and depends[1] else []
    return [*dict.fromkeys(path for each in names for path in modules(unpacked, each)), found]


def initramfs(unpacked: Path) -> bytes:
    """A cpio archive (format newc): kernel modules, Python with what the guest imports, and the guest."""
    loaded = [Path(line) for line in output(PYTHON, GUEST, "files").splitlines()]
    binaries = [PYTHON.resolve(), *(path for path in loaded if path.suffix == ".so")]
    libraries = set(re.findall(r"(/\S+) \(0x", output("ldd", *binaries)))
    landmark = Path(output(PYTHON, "-c", "import os; print(os.__file__)").strip())
    wanted = {path: path for path in [GUEST, landmark, *loaded, *binaries, *map(Path, libraries)]}
    for number, module in enumerate(modules(unpacked)):
        wanted[Path(f"/modules/{number}")] = module

    archive = io.BytesIO()

    def entry(
        path: Path, mode: int, data: bytes = b"", mtime: int = 0, device: tuple[int, int] = (0, 0)
    ) -> None:
        name = str(path).lstrip("/").encode() + b"\0"
        fields = (0, mode, 0, 0, 1, mtime, len(data), 0, 0, *device, len(name), 0)
        archive.write(b"070701" + b"".join(b"%08x" % field for field in fields) + name)
        archive.write(bytes(-archive.tell() % 4) + data)
        archive.write(bytes(-archive.tell() % 4))

    directories = {parent for path in wanted for parent in path.parents} | {Path("/proc"), Path("/dev")}
    for directory in sorted(directories - {Path("/")}):
        entry(directory, 0o040755)
    entry(Path("/dev/console"), 0o020600, device=(5, 1))
    for path, source in wanted.items():
        # with its time, or Python would not take the compiled files for those of the sources
        entry(path, 0o100755, source.read_bytes(), int(source.stat().st_mtime))
    entry(Path("TRAILER!!!"), 0)
    return archive.getvalue()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the guest told of each contract: "ok" or a traceback."""
    for tool, package in TOOLS.items():
        if not shutil.which(tool):
            lacking(f"{tool} is not installed: `apt-get install {package}`")
    if not PYTHON.exists():
        lacking(f"{PYTHON} is not installed: `apt-get install python3`")
    unpacked = kernel()
    image = tmp_path_factory.mktemp("qemu") / "initramfs"
    image.write_bytes(initramfs(unpacked))
    (vmlinuz,) = unpacked.glob("boot/vmlinuz-*")
    command = [
        "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "512", "-nic", "none",
        "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
        "-kernel", str(vmlinuz), "-initrd", str(image),
        "-append", f"console=ttyS0 quiet panic=-1 rdinit={PYTHON.resolve()} -- {GUEST}",
    ]  # fmt: skip
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BOOT_S)
    lines = [line[2:] for line in run.stdout.splitlines() if line.startswith("@ ")]
    assert lines[-1:] == ["done"], f"the guest did not finish:\n{run.stdout[-3000:]}\n{run.stderr[-500:]}"
    results = (line.split(" ", 3) for line in lines[:-1])
    return {f"{lab}-{name}": result.replace("|", "\n") for lab, name, _, result in results}


@pytest.mark.parametrize("lab", ["ip", "udp"])
@pytest.mark.parametrize("contract", [one.__name__ for one in CONTRACT])
def test_contract(told: dict[str, str], lab: str, contract: str) -> None:
    assert told[f"{lab}-{contract}"] == "ok"


@pytest.mark.parametrize("contract", [one.__name__ for one in BRIEF])
def test_ipv6(told: dict[str, str], contract: str) -> None:
    assert told[f"ipv6-{contract}"] == "ok"


def test_the_wire(told: dict[str, str]) -> None:
    assert told["wire-the_wire"] == "ok"
