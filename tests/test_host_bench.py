"""Every verb of the bench around a host, on the emulated host."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemons import need
from products import emulated_host, opened

from assay.lab import Lab
from drivers.interfaces.host import Packet, got_in

if TYPE_CHECKING:
    from drivers.host import HostBench

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need("unshare", "ip", "nmap", "mmdebstrap", root=True)
    with opened(emulated_host(tmp_path_factory.mktemp("host"))) as found:
        yield found


@pytest.fixture
def host(lab: Lab) -> "Iterator[HostBench]":
    assert lab.host is not None
    lab.host.fresh()
    assert lab.host.begin() == ""
    yield lab.host
    assert lab.host.end() is None


@pytest.mark.parametrize("name", ["oam-ssh", "oam-web"])
def test_who_knows_the_secret_gets_in_and_who_does_not_is_refused(host: "HostBench", name: str) -> None:
    (endpoint,) = (one for one in host.endpoints("ssh", "https") if one.name == name)
    user = host.users("operator", endpoint=endpoint)[0]
    good, bad = host.login(endpoint, user), host.login(endpoint, user, host.secret())
    assert got_in("login", good).worked, good
    assert good.identity == user.name
    assert (bad.outcome, bad.identity) == ("refused", ""), bad
    assert host.login(endpoint, user, "").outcome == "refused"


def test_several_logins_share_a_connection(host: "HostBench") -> None:
    (ssh,) = host.endpoints("ssh")
    before = host.counts["connections"]
    with host.attempts(ssh) as attempt:
        assert attempt("oper1", host.secret()).outcome == "refused"
        assert attempt("oper1").identity == "oper1"
    assert host.counts["connections"] == before + 1


def test_a_terminal_is_typed_on_and_hides_what_is_secret(host: "HostBench") -> None:
    with host.shell("oper1", terminal=True) as shell:
        shell.type("id -un; echo $((40+2))")
        assert shell.read(r"\b42\b").which == 0
        assert shell.run("id -un").out.strip() == "oper1"
    assert host.root("id -u").out.strip() == "0"


def test_an_account_comes_and_goes(host: "HostBench") -> None:
    secret = host.secret()
    assert host.act("accounts.create_action", "os", name="scasbench").ok
    assert host.act("accounts.create_action", "os-password", name="scasbench", secret=secret).ok
    (ssh,) = host.endpoints("ssh")
    assert host.login(ssh, "scasbench", secret).identity == "scasbench"
    assert host.end() is None
    assert host.login(ssh, "scasbench", secret).outcome == "refused"
    assert secret.text not in repr(host.trace.since())


def test_an_action_over_the_web_is_the_users(host: "HostBench") -> None:
    (web,) = (one for one in host.endpoints("https") if one.name == "oam-web")
    with host.web(web, "admin1") as session:
        assert session.login is not None
        assert session.login.identity == "admin1"
        assert session.request("GET", "/config").status == 200
    with host.web(web) as stranger:
        assert stranger.login is None
        assert stranger.request("GET", "/config").status != 200


def test_the_console_lets_root_in_and_is_left_again(host: "HostBench") -> None:
    (console,) = host.endpoints("console")
    assert host.login(console, "root", host.secret()).outcome == "refused"
    for _ in range(2):
        with host.shell("root", endpoint=console) as shell:
            assert shell.login.identity == "root", shell.login
            assert shell.run("echo one; false").status == 1
            assert shell.run("echo one").out.strip() == "one"
    assert host.login(console, "root").identity == "root"


def test_snmp_answers_its_users_and_nobody_else(host: "HostBench") -> None:
    (agent,) = host.endpoints("snmp")
    assert host.login(agent, "snmpview").identity == "snmpview"
    assert host.login(agent, "snmpview", host.secret()).outcome == "refused"
    assert host.login(agent, "", "public", method="v2c").outcome == "silence"
    assert host.snmp(agent, user="snmpview", walk=True).whole


def test_rows_of_the_declaration_are_done_as_whoever_is_named(host: "HostBench") -> None:
    cells = [one for one in host.declared("rbac.matrix") if one["operation"] in ("set-config", "set-contact")]
    assert {one["via"] for one in cells} == {"ssh", "https", "snmp"}
    for cell in cells:
        role = {"admin": "admin1", "operator": "oper1", "viewer": "view1"}[cell["role"]]
        user = {"admin": "snmpadmin", "viewer": "snmpview"}[cell["role"]] if cell["via"] == "snmp" else role
        assert host.do(cell, user=user, value="scas", before="").ok is cell["allow"], cell


def test_a_planted_file_is_gone_afterwards(host: "HostBench") -> None:
    assert host.plant("/tmp/scas canary", "hello", mode=0o4755).ok
    assert host.root("stat -c %a '/tmp/scas canary'").out.strip() == "4755"
    assert not host.plant("/etc/passwd", "no").ok
    assert host.end() is None
    assert host.root("test ! -e '/tmp/scas canary' && test -s /etc/passwd").ok


def test_what_happens_is_found_in_the_log(host: "HostBench") -> None:
    (ssh,) = host.endpoints("ssh")
    mark = host.log_mark("auth")
    host.login(ssh, "scas-unique-1", host.secret())
    found = host.logged("auth", r"Failed \S+ for (?:invalid user )?(?P<user>\S+) from (?P<source>\S+)", mark)
    assert [line.groups["user"] for line in found.lines] == ["scas-unique-1"]
    assert found.lines[0].groups["source"] == "192.0.2.1"


def test_facts_are_there(host: "HostBench") -> None:
    for name in ("accounts", "shadow", "listening", "processes", "sshd", "mounts"):
        fact = host.fact(name)
        assert fact.value, (name, fact.problem)
        assert not fact.problem


def test_ports_are_what_is_declared(host: "HostBench") -> None:
    scan = host.scan("192.0.2.10", "tcp", "1-1024")
    assert scan.problem == ""
    assert sorted(port.number for port in scan.ports if port.state == "open") == [22, 443]


def test_packets_go_out_and_come_back_on_a_link(host: "HostBench") -> None:
    echo = Packet("192.0.2.10", 1, "080000000001000161626364")
    stamp = Packet("192.0.2.10", 1, "0d00000000010001" + 24 * "0")
    found = host.exchange("oam", [echo, stamp], seconds=1.0)
    assert found.sent == 2
    types = {heard.facts.get("type") for heard in found.heard if heard.source == "192.0.2.10"}
    assert 0 in types
    assert 14 not in types
    assert found.ref == "oam-1.pcapng"
    assert "oam-1.pcapng" in dict(host.keep())


def test_a_link_is_watched_while_packets_go_out_on_another(host: "HostBench") -> None:
    with host.watching("sig") as so_far:
        host.exchange("oam", [Packet("192.0.2.10", 1, "080000000001000161626364")], seconds=0.5)
        seen = so_far()
    assert not [heard for heard in seen.heard if heard.source == "192.0.2.10"]


def test_what_an_ssh_server_negotiates(host: "HostBench") -> None:
    (ssh,) = host.endpoints("ssh")
    assert host.ssh_algorithms(ssh).ciphers == (
        "aes256-gcm@openssh.com",
        "aes128-gcm@openssh.com",
        "aes256-ctr",
    )
    assert host.negotiates(ssh, {"Ciphers": "aes256-ctr"}).outcome == "refused"
    assert host.negotiates(ssh, {"Ciphers": "3des-cbc"}).outcome == "incompatible"


def test_records_reach_a_collector(host: "HostBench") -> None:
    with host.collector("udp") as collector:
        host.root(f"logger -n {collector.address} -P {collector.port} -d scas-marker-7")
        assert [one.transport for one in collector.received("scas-marker-7", within=5.0)] == ["udp"]


def test_nothing_secret_is_kept(host: "HostBench", lab: Lab) -> None:
    secret = host.secret("admin1").text
    host.root(f"echo {secret}")
    kept = b"".join(octets for _, octets in host.keep())
    assert secret.encode() not in kept
    assert b"[secret admin1]" in kept
    assert Path(lab.path.parent / "emulated-host" / "admin1.secret").read_text().strip() == secret
