"""How the emulated AMF is set up: its command line, and the priority lists that O&M changes while it runs."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.codecs.nas import Plmn
from drivers.emulated import faults

Slice = tuple[int, int | None]


@dataclass(frozen=True)
class Orders:
    """The ordered algorithm lists of TS 33.501 clause 6.7.1; NIA0 has no place in them (clause 5.5.2)."""

    integrity: tuple[int, ...] = (2, 1, 3)
    ciphering: tuple[int, ...] = (2, 1, 3, 0)


class Oam:
    """The management file: read again whenever it has changed, so that a new order needs no restart."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._orders = Orders()
        self._redirection = False

    def _read(self) -> None:
        if self._path is None:
            return
        try:
            stat = self._path.stat()
            if (stat.st_mtime_ns, stat.st_size) != self._stamp:
                data = json.loads(self._path.read_text("utf-8"))
                self._orders = _orders(data)
                self._redirection = data.get("epc_redirection", False) is True
                self._stamp = (stat.st_mtime_ns, stat.st_size)
        except (OSError, ValueError):
            pass

    @property
    def orders(self) -> Orders:
        """The orders in force; a file that is absent or unreadable leaves the last ones in force."""
        self._read()
        return self._orders

    @property
    def epc_redirection(self) -> bool:
        """Whether initial registrations of CIoT UEs are steered to EPC (TS 23.501 clause 5.31.3)."""
        self._read()
        return self._redirection


def _orders(data: object) -> Orders:
    if not isinstance(data, dict):
        raise ValueError("the O&M file is a JSON object")
    default = Orders()
    integrity = _order(data.get("integrity_order", default.integrity), {1, 2, 3})
    ciphering = _order(data.get("ciphering_order", default.ciphering), {0, 1, 2, 3})
    return Orders(integrity, ciphering)


def _order(value: object, known: set[int]) -> tuple[int, ...]:
    if (
        not isinstance(value, Sequence)
        or not value
        or len(set(value)) != len(value)
        or not set(value) <= known
    ):
        raise ValueError(f"an order names each of {sorted(known)} once at most, not {value!r}")
    return tuple(value)


SETTINGS: Mapping[str, tuple[str, str]] = {
    "nas_integrity_order": ("integrity_order", "NIA"),
    "nas_ciphering_order": ("ciphering_order", "NEA"),
}
SWITCHES = ("epc_redirection",)


def configure(path: Path, settings: Sequence[str]) -> str:
    """Write `nas_integrity_order=NIA3,NIA2,NIA1` and the like to the O&M file; the orders in force, as text.

    Raises ValueError that says what is wrong; the file is then as it was.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        data = {}
    if not isinstance(data, dict):
        raise ValueError(f"{path} holds no JSON object")
    for setting in settings:
        name, _, value = setting.partition("=")
        if name in SWITCHES and value in ("on", "off"):
            data[name] = value == "on"
            continue
        if name not in SETTINGS:
            raise ValueError(f"unknown setting {setting!r}; known are {', '.join((*SETTINGS, *SWITCHES))}")
        key, prefix = SETTINGS[name]
        words = [word.strip().removeprefix("128-").removeprefix(prefix) for word in value.split(",")]
        if not all(word in ("0", "1", "2", "3") for word in words):
            raise ValueError(f"{name} is a list like {prefix}2,{prefix}1, not {value!r}")
        data[key] = [int(word) for word in words]
    orders = _orders(data)
    if settings:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file)
        Path(name).replace(path)
    lists = {"nas_integrity_order": orders.integrity, "nas_ciphering_order": orders.ciphering}
    lines = [f"{k}={','.join(f'{SETTINGS[k][1]}{n}' for n in v)}" for k, v in lists.items()]
    return "\n".join([*lines, *(f"{k}={'on' if data.get(k) is True else 'off'}" for k in SWITCHES)])


@dataclass(frozen=True)
class Config:
    """What one run of the emulated AMF needs to know."""

    n2: tuple[str, int]
    udp_port: int | None
    plmn: Plmn
    tac: int
    nb_iot_tac: int | None
    slices: tuple[Slice, ...]
    ausf: str
    own_ausfs: tuple[str, ...]
    udm: str
    smf: str
    nssaaf: str
    nrf: str
    scp: str
    sbi: tuple[str, int] | None
    oam: Oam
    t3513: float
    t3522: float
    t3550: float
    t3555: float
    t3560: float
    t3570: float
    t3575: float
    sbi_timeout: float
    idle_release: float
    emergency: bool
    faults: frozenset[str]
    slow_s: float
    seed: int


def _socket(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDRESS:PORT")
    return host.strip("[]"), int(port)


def _plmn(text: str) -> Plmn:
    mcc, _, mnc = text.partition("-")
    try:
        return Plmn(mcc, mnc)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not MCC-MNC, as in 999-70") from None


def _slice(text: str) -> Slice:
    sst, dash, sd = text.partition("-")
    try:
        return int(sst), int(sd, 16) if dash else None
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not SST or SST-SD, as in 1-0000ab") from None


def _fault(text: str) -> str:
    if text not in faults.AMF:
        raise argparse.ArgumentTypeError(f"no fault {text!r}; there are {', '.join(sorted(faults.AMF))}")
    return text


def arguments(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the options of the emulated AMF."""
    add = parser.add_argument
    add("--n2", type=_socket, required=True, metavar="ADDRESS:PORT", help="where NGAP listens")
    add("--udp-port", type=int, help="own UDP port of SCTP in UDP (RFC 6951); default: SCTP on IP")
    add("--plmn", type=_plmn, required=True, metavar="MCC-MNC")
    add("--tac", type=int, required=True)
    add("--nb-iot-tac", type=int, metavar="TAC", help="of NB-IoT cells; default: none but --tac")
    add("--slice", type=_slice, action="append", required=True, metavar="SST[-SD]", help="may be repeated")
    add("--ausf", default="", metavar="URI", help="http://ADDRESS:PORT; needed where there is no --scp")
    add(
        "--own-ausf",
        action="append",
        default=[],
        metavar="URI",
        help="AUSF of routing indicator 1, then 2, ...; default: --ausf",
    )
    add("--udm", default="", metavar="URI")
    add("--smf", default="", metavar="URI")
    add("--nssaaf", default="", metavar="URI", help="default: there is no NSSAA, unless through --scp")
    add("--nrf", default="", metavar="URI", help="where to register and to discover; default: nowhere")
    add("--scp", default="", metavar="URI", help="through which to ask, and to find whom no option names")
    add("--sbi", type=_socket, metavar="ADDRESS:PORT", help="where to offer services; default: nowhere")
    add("--oam", type=Path, metavar="FILE", help="JSON file with integrity_order, epc_redirection, ...")
    for timer in ("t3513", "t3522", "t3550", "t3555", "t3560", "t3570"):
        add(f"--{timer}", type=float, default=6.0, metavar="S", help="default: %(default)g s")
    add("--t3575", type=float, default=15.0, metavar="S", help="default: %(default)g s")
    add("--sbi-timeout", type=float, default=10.0, metavar="S", help="default: %(default)g s")
    add("--idle-release", type=float, default=0.0, metavar="S", help="0, the default: never by itself")
    add("--no-emergency", action="store_true", help="refuse emergency registrations")
    add("--fault", type=_fault, action="append", default=[], metavar="NAME", help="may be repeated")
    add(
        "--slow-s",
        type=float,
        default=3.0,
        metavar="S",
        help="delay of the fault slow; default: %(default)g s",
    )
    add("--seed", type=int, default=0, help="of the fault garbage")


def config(options: argparse.Namespace) -> Config:
    """The configuration that parsed options ask for."""
    if not options.scp and not all((options.ausf, options.udm, options.smf)):
        sys.exit("without --scp the options --ausf, --udm and --smf are needed")
    return Config(
        n2=options.n2,
        udp_port=options.udp_port,
        plmn=options.plmn,
        tac=options.tac,
        nb_iot_tac=options.nb_iot_tac,
        slices=tuple(options.slice),
        ausf=options.ausf,
        own_ausfs=tuple(options.own_ausf),
        udm=options.udm,
        smf=options.smf,
        nssaaf=options.nssaaf,
        nrf=options.nrf,
        scp=options.scp,
        sbi=options.sbi,
        oam=Oam(options.oam),
        t3513=options.t3513,
        t3522=options.t3522,
        t3550=options.t3550,
        t3555=options.t3555,
        t3560=options.t3560,
        t3570=options.t3570,
        t3575=options.t3575,
        sbi_timeout=options.sbi_timeout,
        idle_release=options.idle_release,
        emergency=not options.no_emergency,
        faults=frozenset(options.fault),
        slow_s=options.slow_s,
        seed=options.seed,
    )
