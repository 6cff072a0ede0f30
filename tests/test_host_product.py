"""The emulated host: it starts, answers, is what its faults say, and leaves nothing behind."""

import ctypes
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import paramiko
import pytest
from daemons import need
from host_faults import DECLARED, NEEDS_ANOTHER, SHOWN_BY

from drivers.emulated.host import tree
from drivers.emulated.host.faults import HOST

pytestmark = [pytest.mark.root, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[1]
SECRETS = ROOT / "profiles" / "emulated-host"
CLONE_NEWNET = 0x40000000
UP_S, DOWN_S = 60.0, 10.0
T = TypeVar("T")


def secret(name: str) -> str:
    return (SECRETS / f"{name}.secret").read_text()


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    need("unshare", "setpriv", "ip", "mmdebstrap", "gcc", root=True)
    tree.build(SECRETS)


class Instance:
    """One running product, seen from its bench."""

    def __init__(self, *options: str) -> None:
        words = [
            "unshare",
            "--net",
            sys.executable,
            "-m",
            "drivers.emulated",
            "host",
            f"--secrets={SECRETS}",
            *options,
        ]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        assert self.process.stdout
        said = self.process.stdout.readline() if select.select([self.process.stdout], [], [], UP_S)[0] else ""
        found = re.search(r"host ready .*--target (\d+)", said)
        if not found:
            self.end()
            with self.process.stdout:
                pytest.fail(said + self.process.stdout.read())
        self.first = int(found[1])

    def inside(self, command: str) -> str:
        """What a command says that runs in the product's own namespaces."""
        words = ["nsenter", "--all", "--target", str(self.first), "sh", "-c", command]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout

    def bench(self, work: Callable[[], T]) -> T:
        """What is done by sockets that belong to the bench's network namespace."""
        results: list[T] = []
        errors: list[BaseException] = []

        def enter() -> None:
            try:
                with open(f"/proc/{self.process.pid}/ns/net") as namespace:
                    assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0
                results.append(work())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(DOWN_S)


@contextmanager
def product(*options: str) -> Iterator[Instance]:
    instance = Instance(*options)
    try:
        yield instance
    finally:
        if instance.process.poll() is None:
            instance.end()
        if instance.process.stdout:
            instance.process.stdout.close()


@pytest.fixture(scope="module")
def host() -> Iterator[Instance]:
    with product() as instance:
        yield instance


def by_ssh(command: str, user: str = "admin1", address: str = "192.0.2.10") -> str:
    client = paramiko.SSHClient()
    client.load_host_keys(str(SECRETS / "known_hosts"))
    client.load_host_keys(str(SECRETS / "known_hosts-2"))
    with client:
        client.connect(
            address, username=user, password=secret(user), look_for_keys=False, allow_agent=False, timeout=10
        )
        _, out, err = client.exec_command(command, timeout=20)
        return str(out.read().decode() + err.read().decode())


@pytest.mark.parametrize("address", ["192.0.2.10", "2001:db8:0:1::10"])
def test_ssh_lets_in_whom_it_should(host: Instance, address: str) -> None:
    assert host.bench(lambda: by_ssh("id -un", "oper1", address)).strip() == "oper1"
    with pytest.raises(paramiko.AuthenticationException):
        host.bench(lambda: by_ssh("id", "root", address))


def test_the_pages_answer_over_tls_to_the_declared_name(host: Instance) -> None:
    def ask() -> bytes:
        trust = ssl.create_default_context(cafile=SECRETS / "ca.pem")
        with trust.wrap_socket(
            socket.create_connection(("192.0.2.10", 443), 10), server_hostname="np"
        ) as wire:
            wire.sendall(b"GET /login HTTP/1.1\r\nHost: np\r\nConnection: close\r\n\r\n")
            return b"".join(iter(lambda: wire.recv(4096), b""))

    answered = host.bench(ask)
    assert answered.startswith(b"HTTP/1.1 200")
    assert b'type="password"' in answered


def test_the_user_plane_answers_an_echo_request(host: Instance) -> None:
    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(5)
            wire.sendto(bytes.fromhex("3201000400000000002a0000"), ("203.0.113.10", 2152))
            return wire.recv(100)

    assert host.bench(ask).hex() == "3202000600000000002a00000e00"


def test_snmp_answers_with_authentication_and_privacy_only(host: Instance) -> None:
    def ask(*how: str) -> str:
        words = [
            "nsenter",
            "--net",
            "--target",
            str(host.process.pid),
            "snmpget",
            "-t1",
            "-r1",
            *how,
            "192.0.2.10",
        ]
        done = subprocess.run(
            [*words, "1.3.6.1.2.1.1.5.0"], capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout

    need("snmpget")
    auth, priv = secret("snmpview-auth"), secret("snmpview-priv")
    whole = ("-v3", "-lauthPriv", "-usnmpview", "-aSHA-256", f"-A{auth}", "-xAES", f"-X{priv}")
    assert '"np"' in ask(*whole)
    assert ask("-v2c", "-cpublic") == ""
    assert ask("-v3", "-lauthNoPriv", "-usnmpview", "-aSHA-256", f"-A{auth}") == ""


def test_records_reach_a_collector_over_tls(host: Instance) -> None:
    def collect() -> str:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(SECRETS / "collector.pem", SECRETS / "collector.key")
        with socket.create_server(("192.0.2.1", 6514)) as listener:
            listener.settimeout(20)
            by_ssh("np log-forwarding target=192.0.2.1:6514 peer=collector.np.example")
            wire = listener.accept()[0]
            wire.settimeout(20)
            with server.wrap_socket(wire, server_side=True) as secure:
                by_ssh("logger marker-4711")
                said = b""
                while b"marker-4711" not in said and (data := secure.recv(65536)):
                    said += data
            return said.decode()

    try:
        assert "marker-4711" in host.bench(collect)
    finally:
        host.bench(lambda: by_ssh("np log-forwarding target=none"))


def test_root_logs_in_at_the_console(host: Instance) -> None:
    def talk() -> bytes:
        with socket.create_connection(("127.0.0.1", 2001), 5) as wire:
            said = b""
            for wait, word in (
                (b"login:", b"root"),
                (b"Password:", secret("root").encode()),
                (b"# ", b"id -u; exit"),
            ):
                wire.settimeout(20)
                wire.sendall(b"\r" if wait == b"login:" else b"")
                while wait not in said:
                    said += wire.recv(4096)
                said = b""
                wire.sendall(word + b"\r")
            while b"\r0\r" not in said:
                said += wire.recv(4096)
            return said

    assert b"\r0\r" in host.bench(talk)


def test_what_a_user_leaves_running_ends_with_the_session(host: Instance) -> None:
    host.bench(lambda: by_ssh("setsid sleep 4711 >/dev/null 2>&1 &", "view1"))
    for _ in range(100):
        if "sleep 4711" not in (left := host.inside("ps axo args")):
            break
        time.sleep(0.1)
    assert "sleep 4711" not in left


def after_restart(instance: Instance, command: str, address: str = "192.0.2.10") -> str:
    """What a command says as soon as the product lets somebody in."""
    until = time.monotonic() + UP_S
    while True:
        try:
            return instance.bench(lambda: by_ssh(command, address=address))
        except (paramiko.BadHostKeyException, paramiko.AuthenticationException):
            raise
        except (OSError, EOFError, paramiko.SSHException):
            assert time.monotonic() < until, "nobody is let in"
            time.sleep(0.1)


def test_a_restart_is_one(host: Instance) -> None:
    with product() as instance:
        before = instance.inside("stat -c %Y%Z /proc/1; cat /var/log/auth.log")
        instance.bench(lambda: by_ssh("np filter-add 'rule=tcp dport 9 drop'; np reboot"))
        assert instance.process.stdout
        assert "started again" in instance.process.stdout.readline()
        after = after_restart(instance, "np logs; np filter-show")
        assert "change by user=admin1 role=admin source=local: system reboot requested" in after
        assert "tcp dport 9 drop" in after
        assert before.splitlines()[0] not in after


def test_power_can_be_cut() -> None:
    with product() as instance:
        before = instance.inside("stat -c %Y%Z /proc/1")
        instance.bench(lambda: by_ssh("logger -p auth.notice just-before"))
        reset = "http://127.0.0.1:2000/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
        asked = urllib.request.Request(reset, b'{"ResetType": "ForceRestart"}', method="POST")
        assert instance.bench(lambda: urllib.request.urlopen(asked, timeout=10).read()) == b"{}"
        after = after_restart(instance, "np logs; stat -c %Y%Z /proc/1")
        assert "just-before" in after
        assert before.strip() not in after


def test_a_second_unit_has_keys_of_its_own() -> None:
    with product("--second") as instance:
        said = after_restart(instance, "cat /etc/np/interfaces", "192.0.2.20")
        assert "192.0.2.20/24" in said
    with product("--second", "--fault=shared-hostkey") as faulty, pytest.raises(paramiko.BadHostKeyException):
        after_restart(faulty, "id", "192.0.2.20")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays(number: int) -> None:
    mounts, links = Path("/proc/self/mountinfo").read_text(), set(os.listdir("/sys/class/net"))
    instance = Instance()
    own = [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and _namespace(entry) == _namespace(Path(f"/proc/{instance.first}"))
    ]
    assert str(instance.first) in own
    instance.end(number)
    if instance.process.stdout:
        instance.process.stdout.close()
    until = time.monotonic() + DOWN_S
    while any(Path("/proc", pid).exists() for pid in own):
        assert time.monotonic() < until, own
        time.sleep(0.02)
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert set(os.listdir("/sys/class/net")) == links


def _namespace(process: Path) -> str:
    try:
        return os.readlink(process / "ns" / "mnt")
    except OSError:
        return ""


def test_two_run_side_by_side(host: Instance) -> None:
    with product("--unit=2") as other:
        host.bench(lambda: by_ssh("np config-set description=first"))
        with pytest.raises(paramiko.BadHostKeyException):
            other.bench(lambda: by_ssh("id"))
        assert "first" in host.bench(lambda: by_ssh("np config-show"))
        assert "first" not in other.inside("cat /etc/np/config.json")


def test_an_untouched_system_is_as_debian_made_it() -> None:
    with product("--untouched") as instance:
        assert instance.bench(lambda: by_ssh("id -nG")).split() == ["admin1", "adm", "sudo"]
        assert "0.0.0.0:22" in instance.inside("ss -Hlnt")
        assert instance.inside("cat /proc/sys/net/ipv4/icmp_echo_ignore_broadcasts") == "1\n"
        assert instance.inside("nft list ruleset") == ""


def test_the_machines_own_network_is_refused() -> None:
    words = [sys.executable, "-m", "drivers.emulated", "host", f"--secrets={SECRETS}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert "unshare --net" in done.stderr


# --- the faults -----------------------------------------------------------------------------------

STATE = """
import json, subprocess, sys
from pathlib import Path
from drivers.emulated.host import keys, machine
from drivers.emulated.host.faults import HOST
from drivers.emulated.host.steps import Site
told = json.loads(sys.argv[1])
for version in "46":  # nginx says what it is set to only where it could bind
    Path(f"/proc/sys/net/ipv{version}/ip_nonlocal_bind").write_text("1")
root = machine.disks(Path(told["stage"]), told["layers"])
keys.install(root, 1)
if told["fault"]:
    HOST[told["fault"]].make(Site(root, Path(told["extras"]), 1))
said = {}
for command in told["commands"]:
    words = ["chroot", root, "sh", "-c", command]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    said[command] = done.stdout + done.stderr
print(json.dumps(said))
"""


def state(fault: str, commands: list[str]) -> dict[str, str]:
    """What commands say in a product that is set up, and not started."""
    layers = tree.layers(SECRETS)
    told = {
        "stage": str(tree.stage()),
        "layers": [str(layer) for layer in layers],
        "extras": str(tree.extras(layers[-1])),
        "fault": fault,
        "commands": commands,
    }
    words = [
        "unshare",
        "--mount",
        "--net",
        "--propagation=private",
        sys.executable,
        "-c",
        STATE,
        json.dumps(told),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def conforming() -> dict[str, str]:
    return state("", list(SHOWN_BY))


@pytest.mark.parametrize("fault", sorted(set(HOST) - DECLARED - NEEDS_ANOTHER))
def test_a_fault_is_what_it_says(conforming: dict[str, str], fault: str) -> None:
    [command] = [command for command, faults in SHOWN_BY.items() if fault in faults.split()]
    said = state(fault, [command])[command]
    assert said != conforming[command]


def test_faults_of_the_declaration_change_nothing() -> None:
    assert all(not HOST[name].steps for name in DECLARED)


def test_no_product_reaches_the_machines_devices() -> None:
    """A getty whose console were the machine's own /dev/null would take it from everybody else there."""
    names = ("null", "zero", "full", "random", "urandom", "tty", "console")
    devices = [Path("/dev") / name for name in names]

    def owned() -> list[tuple[int, int, int]]:
        return [(found.st_mode, found.st_uid, found.st_gid) for found in map(Path.stat, devices)]

    def ask_for_a_login() -> bytes:
        with socket.create_connection(("127.0.0.1", 2002), 5) as wire:
            wire.settimeout(20)
            wire.sendall(b"\r")
            said = b""
            while b"login:" not in said:
                said += wire.recv(4096)
            return said

    before = owned()
    with product("--second") as units:
        seen = units.inside("stat -c %d /dev/null /dev/zero /dev/console").split()
        assert len(seen) == 3
        assert str(Path("/dev").stat().st_dev) not in seen
        assert b"login:" in units.bench(ask_for_a_login)
        assert owned() == before
