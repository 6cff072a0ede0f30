"""The keys of a vendor's declaration, by area: what TS 33.117's catalogue needs to know of a product."""

from typing import Any, Literal

from pydantic import ConfigDict

from assay.declaration.shapes import (
    Action,
    Actions,
    Cell,
    Count,
    Database,
    Document,
    Domain,
    Endpoint,
    Entry,
    HostAccess,
    Interface,
    Listener,
    LogEvent,
    LogLocation,
    Measure,
    NamedAction,
    Path,
    Predefined,
    Reasoned,
    Row,
    Seconds,
    Shape,
    TestUser,
    Texts,
)


class Area(Shape):
    """Keys that belong together; a key that is left out is not declared."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Access(Area):
    """Ways in."""

    entries: tuple[Entry, ...] | None = None
    """Every way in to a function, remote or local, for persons and machines: interface, method, account kind,
    peer."""
    password_prompts: tuple[Row, ...] | None = None
    """Every place where a password is typed, with how to reach it."""
    public_exceptions: tuple[Reasoned, ...] | None = None
    """Functions meant for everybody, with reason."""


class Accounts(Area):
    """Accounts."""

    change_password_action: Actions | None = None
    """How a user changes the own password, per data base and interface."""
    create_action: Actions | None = None
    """How an account is created, per data base."""
    databases: tuple[Database, ...] | None = None
    """User data bases: name, kind, interfaces they serve, local or central, hash scheme, password store
    paths."""
    default_secrets: tuple[Row, ...] | None = None
    """Authentication attributes set by the vendor that belong to no listed account, e.g. SNMP communities,
    keys, certificates."""
    delete_action: Actions | None = None
    """How an account is deleted, per data base."""
    list_action: Actions | None = None
    """How all accounts of a data base are listed, with the parser."""
    predefined: tuple[Predefined, ...] | None = None
    """Accounts present on delivery: state, holder (one person, application or system; shared: true if
    several), reason if it stays, secret reference, login methods."""
    record_action: Actions | None = None
    """How the stored record of one account is read, and its format."""
    root_equivalents: tuple[Row, ...] | None = None
    """Highest privileged accounts per interface; disabled: true if no login at all exists."""
    set_role_action: Actions | None = None
    """How a role or group is given and taken, per data base."""
    set_state_action: Actions | None = None
    """How an account is enabled, disabled, locked, unlocked."""
    test_users: tuple[TestUser, ...] | None = None
    """Accounts for the harness per interface and role, with references to their secrets (never the secrets).
    """


class Authorization(Area):
    """Authorisation."""

    matrix: tuple[Row, ...] | None = None
    """Account or role, object, permitted operations."""
    root_processes: tuple[Reasoned, ...] | None = None
    """Processes that run as UID 0 or with extra capabilities, with reason."""


class Bmc(Area):
    """Management controller."""

    endpoint: Endpoint | None = None
    """Management controller: address, protocol, credentials reference."""


class Boot(Area):
    """Start-up."""

    devices: tuple[Row, ...] | None = None
    """Storage devices from which the product may start, in order."""
    firmware_access: tuple[Row, ...] | None = None
    """Ways to reach firmware and boot loader settings and how they are guarded."""


class Console(Area):
    """Console."""

    endpoint: Endpoint | None = None
    """System console: serial line, hypervisor console or pseudo-terminal."""


class Documents(Area):
    """Documents."""

    buffer_overflow_description: Document | None = None
    """Description of the protection against buffer overflows, per item with page."""
    buffer_overflow_test_report: Document | None = None
    """Vendor test results for it."""
    manual_sections: tuple[Document, ...] | None = None
    """Manual sections per account or attribute on changing defaults."""
    overload_description: Document | None = None
    """Overload control description, per topic with page."""
    overload_test_report: Document | None = None
    """Vendor test results for overload control."""
    support_contracts: tuple[Document, ...] | None = None
    """Extended support contracts: component, validity, document."""


class Filesystem(Area):
    """File system."""

    automount_exceptions: tuple[Reasoned, ...] | None = None
    """Automatic mounts kept for availability, with reason."""
    exceptions: tuple[Reasoned, ...] | None = None
    """Paths allowed to break a permission rule, with reason."""
    expected_modes: tuple[Row, ...] | None = None
    """Owner, group and highest mode per path."""
    user_mounts: tuple[Row, ...] | None = None
    """Users who may mount and the permitted ways."""


class Functions(Area):
    """System functions."""

    list: tuple[NamedAction, ...] | None = None
    """System functions with how to call each and its success sign."""
    secret_set_action: Actions | None = None
    """How a secret of each type and its public neighbour field are set."""
    secret_types: Texts | None = None
    """Types of secret the product stores."""


class Hardware(Area):
    """Hardware."""

    components: tuple[Row, ...] | None = None
    """Hardware with supplier and support end."""
    ports: tuple[Row, ...] | None = None
    """Physical and virtual ports: kind, accessible from outside, needed."""


class LoginPolicy(Area):
    """Login policy."""

    bruteforce_measures: tuple[Measure, ...] | None = None
    """Measures chosen per password interface: delay, lockout, captcha, forbidden-list, source-block, other;
    with rate."""
    delay_s: Seconds | tuple[Seconds, ...] | None = None
    """Shipped block delay after too many failures; a list if it rises."""
    max_failures: Count | None = None
    """Shipped number of tolerated consecutive failures."""
    permanent_lock: dict[str, Any] | None = None
    """Whether permanent locking exists and how it is switched on."""
    reset_action: Actions | None = None
    """How a blocked account or source is released."""
    set_action: Actions | None = None
    """How maximum failures and delay are set."""
    tolerance_s: Seconds | None = None
    """Tolerance on the block delay."""


class Logs(Area):
    """Logs."""

    events: dict[str, LogEvent] | None = None
    """Per security event type: enabling step, how to trigger it (login, configuration change, link down),
    log, pattern that names the fields user, source, time, host, action."""
    forwarding: dict[str, Any] | None = None
    """`protocols`, `action` (with {address}, {port} and {peer}, the name in the certificate) and its `undo`,
    the `peer`, whether records are kept while the collector is away (`buffering`), and a `trigger` of a
    record with a {marker}."""
    interfaces: tuple[Row, ...] | None = None
    """Interfaces through which logs can be read."""
    latency_s: Seconds | None = None
    """Longest time until a record is readable."""
    locations: tuple[LogLocation, ...] | None = None
    """Logs: name, path or reader, security log or not, flush time."""
    privileged_groups: Texts | None = None
    """Groups whose members may read security logs."""
    resource_thresholds: tuple[Row, ...] | None = None
    """Thresholds whose crossing is logged, with period."""
    rotate_action: Actions | None = None
    """How a rotation is forced."""
    timezone: str | None = None
    """Zone of timestamps that carry none."""
    upload: dict[str, Any] | None = None
    """`protocols`, the `action` that uploads (with {address}, {port}, {user}, {host_key}), the `log` that is
    sent, and a `trigger` of a record with a {marker} in it."""


class Network(Area):
    """Network."""

    antispoofing: dict[str, Any] | None = None
    """`mechanism`; `asymmetric`: interfaces that are left out; whether drops are logged (`log`), in which log
    (`location`), and how a record looks (`pattern`, with a group `source`)."""
    domains: tuple[Domain, ...] | None = None
    """Network domains with their interfaces, VLANs or VRFs and services."""
    filter_action: Actions | None = None
    """How rules are added at {interface} ({device} on the product): `icmp-from`, `icmpv6-from` (echo requests
    of {source} alone), `urgent` (drops segments with URG for {port}), `dscp` (drops {dscp} for {port}),
    `count-port` (drops, logs and counts as {name} what is for {port}), `options` (drops packets with options
    and extension headers, where the delivery state does not); and `clear`, which removes them."""
    filter_counter_action: Actions | None = None
    """How the counter {name} is read (`read`; `parse` finds the number) and set to 0 (`reset`)."""
    icmp_documented_types: tuple[Reasoned, ...] | None = None
    """ICMP types answered or processed beyond the permitted ones, per interface and IP version, with reason.
    """
    interfaces: tuple[Interface, ...] | None = None
    """IP interfaces: name, addresses (IPv4 and IPv6), link-layer address, reference points, how the harness
    is attached."""
    ip_versions: tuple[Literal[4, 6], ...] | dict[str, tuple[Literal[4, 6], ...]] | None = None
    """IP versions in use; per interface if they differ."""
    kernel_exceptions: tuple[Reasoned, ...] | None = None
    """Kernel network functions kept on, with reason; `function` is one of proxy-arp, directed-broadcast,
    multicast-forwarding, gratuitous-arp-accept, gratuitous-arp-send, at an `interface` or all."""
    required_ip_options: tuple[Row, ...] | None = None
    """IP options and extension headers that are needed, by number: `option` (IPv4) or `header` (IPv6), of an
    `interface` or all."""
    route_set_action: Actions | None = None
    """How a static route to {net} by way of {gw} is set and removed."""
    synflood: dict[str, Any] | None = None
    """`mechanism`, where to see it (`sysctl` and its `value`), the service (`interface`, `port`) and its
    `backlog`, and what is agreed: `rate_pps`, `duration_s`, and a `prefix` of sources that is routed back."""


class Oam(Area):
    """O&M."""

    endpoints: tuple[Endpoint, ...] | None = None
    """O&M services: name, protocol, address, port, security profile, how each side proves itself."""
    outbound_links: tuple[Row, ...] | None = None
    """Management connections the product opens: name, `via` (syslog-tls, sftp, ...), the `action` that points
    them at the harness and its `undo`, and a `trigger` of what is sent, with a {marker}."""
    security_profile: dict[str, dict[str, Texts]] | None = None
    """Versions and algorithms that are permitted and have to work, by the name of a profile; it may only be
    tighter than the harness's own. SSH: `kex`, `host_keys`, `ciphers`, `macs`. TLS: `versions`, `ciphers` (as
    OpenSSL names them), `groups`. SNMP: `versions`, `levels`, `auth`, `priv`."""


class Overload(Area):
    """Overload."""

    recovery_s: Seconds | None = None
    """Time from end of load to normal service."""
    thresholds: tuple[Row, ...] | None = None
    """Thresholds with unit, signal, interface."""


class PasswordPolicy(Area):
    """Password policy."""

    expiry_set_action: Actions | None = None
    """How expiry is switched on and the date of the last change is moved."""
    forbidden_example: dict[str, Any] | None = None
    """One password that is forbidden by list although it meets the structure, and case rule."""
    history_depth: Count | None = None
    """Shipped number of refused earlier passwords (the current one counted)."""
    history_set_action: Actions | None = None
    """How the depth is set."""
    min_age_days: Count | None = None
    """Shipped minimum age of a password; how to suspend it."""
    min_length: Count | None = None
    """Shipped minimum length."""
    set_action: Actions | None = None
    """How minimum length and classes are set through the product."""


class Pki(Area):
    """Trust."""

    trust_anchors: dict[str, Any] | None = None
    """Certificates or pinned keys that prove the product (`product`, by endpoint), and ours, of issuers that
    it trusts: `client` with `certificate`, `key` and an `expired` one for that key; `collector` of logs with
    these, a `name`, one `misnamed` for another name, and `clients`, the issuers of those who may send."""


class Platform(Area):
    """Platform."""

    host_access: HostAccess | None = None
    """What the harness can read inside: root-shell, show-commands (with their list) or none."""
    power_action: Actions | None = None
    """How power is cut and returned."""
    reboot_action: Actions | None = None
    """How a restart is ordered and seen."""
    snapshot_action: Actions | None = None
    """How a known state is saved and restored."""
    usb_hotplug_action: Actions | None = None
    """How a removable medium is attached."""


class Privacy(Area):
    """Personal data."""

    functions: tuple[NamedAction, ...] | None = None
    """Functions that show personal data in clear, with the log and event for each."""
    test_subscriber: dict[str, Any] | None = None
    """Planted subscriber values."""


class Privilege(Area):
    """Privilege escalation."""

    list_a: tuple[Row, ...] | None = None
    """Explicit means to gain rights and their configuration."""
    list_b: tuple[Reasoned, ...] | None = None
    """Files and functions that run with raised rights: path, owner, mode or capability, task, reason."""


class Probes(Area):
    """Health probes."""

    login: Actions | None = None
    """Harmless login used as health probe."""
    service: Actions | None = None
    """Harmless product request with expected answer."""


class Product(Area):
    """Product."""

    second_instance: Endpoint | None = None
    """Second unit or fresh image for key comparison."""


class Rbac(Area):
    """Roles."""

    matrix: tuple[Cell, ...] | None = None
    """Role, operation, interface, permitted or not, and a harmless sample action for the cell."""
    roles: tuple[Row, ...] | None = None
    """Roles and their management domains."""


class Scan(Area):
    """Scanning."""

    frames_s: Seconds | None = None
    """How long to listen for frames that nobody asked for; 120 s shows most announcements."""
    rate_pps: Count | None = None
    """Agreed probe rate."""


class Services(Area):
    """Services."""

    list: tuple[Listener, ...] | None = None
    """Listeners: address or interface, protocol, port, process, purpose, peers, when: always or on-demand,
    internal or not."""


class Sessions(Area):
    """Sessions."""

    idle_set_action: Actions | None = None
    """How the idle time is set, per interface type."""
    idle_timeout_s: Seconds | None = None
    """Test value of the idle time."""
    idle_tolerance_s: Seconds | None = None
    """Tolerance on its end."""
    logout_action: Actions | None = None
    """Logout per interface."""
    surviving_processes: tuple[Reasoned, ...] | None = None
    """Processes allowed to stay after logout, with reason."""


class Software(Area):
    """Software."""

    debug_switches: tuple[Row, ...] | None = None
    """Debug settings and their value in operation."""
    exceptions: tuple[Reasoned, ...] | None = None
    """Components or binaries allowed to break a rule, with reason."""
    install_action: Actions | None = None
    """How a package is installed, by whom."""
    inventory_action: tuple[Action, ...] | None = None
    """How installed software is listed."""
    needed_functions: tuple[Reasoned, ...] | None = None
    """Services, modules, features that are needed, with reason."""
    network_binaries: tuple[Path, ...] | None = None
    """Executables of network-facing processes."""
    rollback_action: Actions | None = None
    """How the former version is restored."""
    sbom: Document | None = None
    """List of software with version, supplier, licence, purpose."""
    support_dates: tuple[Row, ...] | None = None
    """Support end per component or distribution, with source."""
    trust_store: tuple[Path, ...] | None = None
    """Where the keys of authorised package signers are, and the configuration of the check."""
    valid_package: Document | None = None
    """Package the product accepts, with version and signer."""
    verification_log: dict[str, Any] | None = None
    """Record that proves the integrity check ran, and its result."""


class Storage(Area):
    """Storage."""

    countermeasures: tuple[Row, ...] | None = None
    """Measures against full file systems, per path."""
    growing_paths: tuple[Row, ...] | None = None
    """Paths that grow, with their source."""


class Web(Area):
    """Web."""

    captcha_test_mode: dict[str, Any] | None = None
    """How a test solves the CAPTCHA: `key` answers it or, with `hmac` and `digits`, makes the answer."""
