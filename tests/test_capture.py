"""The capture is what tshark, scapy and the wire say it is."""

import json
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import h2.config
import h2.connection
import h2.events
import hpack
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.layers.sctp import crc32c as scapy_crc32c
from scapy.utils import RawPcapNgReader

from assay.evidence import PREFACE, Flow, Frame, Trace
from drivers import capture
from drivers.capture import WireCapture, WirePacket, align, write, write_wire
from drivers.codecs import nas, ngap

STARTED = 1_700_000_000.25
PLMN = nas.Plmn("001", "01")
SUCI = nas.Suci.null(PLMN, "0000000001").encode()
N2 = Flow("sctp", ("127.0.0.1", 40123), ("127.0.0.5", 38412))
N2_V6 = Flow("sctp", ("2001:db8::1", 40123), ("2001:db8::5", 38412))
N12 = Flow("tcp", ("127.0.0.1", 29509), ("127.0.0.5", 51234), bench_opened=False)
N12_V6 = Flow("tcp", ("2001:db8::1", 29509), ("2001:db8::5", 51234), bench_opened=False)
OLD = Flow("tcp", ("127.0.0.1", 41000), ("127.0.0.5", 7777))

REGISTRATION = nas.encode("REGISTRATION REQUEST", {
    "5GS registration type": b"\x09", "ngKSI": b"\x07", "5GS mobile identity": SUCI,
    "UE security capability": b"\xf0\xf0",
}) if False else bytes.fromhex("7e004179000d01") + SUCI[1:] + bytes.fromhex("2e02f0f0")
