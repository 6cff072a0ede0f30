"""The NAS-MAC for which a control-plane CIoT UE has its connection re-established (TS 33.501 clause 6.16)."""

from dataclasses import dataclass
from typing import Final, Literal

from drivers.codecs import nas_crypto
from drivers.codecs.nas import Plmn

CELL_BITS: Final = 28  # E-UTRA cell identity, TS 38.413 clause 9.3.1.9
COUNT_BITS: Final = 5  # UL NAS Count

Coding = Literal["28 bits", "28 bits, then 4 zeros", "4 zeros, then 28 bits", "PLMN and cell, 7 octets"]
CODINGS: Final[tuple[Coding, ...]] = (
    "28 bits",
    "28 bits, then 4 zeros",
    "4 zeros, then 28 bits",
    "PLMN and cell, 7 octets",
)


@dataclass(frozen=True)
class Reading:
    """One way to read the clause: what is protected, BEARER, and which half goes up."""

    coding: Coding
    bearer: int  # 1 is that of 3GPP access in 5GS, 0 that of EPS
    first_half_up: bool

    def __str__(self) -> str:
        half = "first" if self.first_half_up else "last"
        return f"cell identity as {self.coding}; BEARER {self.bearer}; {half} half up"


READINGS: Final = tuple(
    Reading(coding, bearer, first) for first in (True, False) for bearer in (1, 0) for coding in CODINGS
)
"""How the clause can be read, as no test data of 3GPP exists.

In EPS (TS 33.401 clause 7.4.4) it is a NAS-MAC with the NAS integrity key over the target Cell-ID, with the
next uplink NAS COUNT and DIRECTION 0; the first 16 bits are the UL NAS MAC, the last 16 the DL NAS MAC. The
coding of the Cell-ID is left open. The first reading is that to the letter, and that of the emulated AMF.
"""


def macs(reading: Reading, ia: int, key: bytes, count: int, plmn: Plmn, cell: int) -> tuple[int, int]:
    """UL and DL NAS MAC, 16 bits each, for the uplink NAS COUNT and the E-UTRA cell identity of 28 bits."""
    bits = None
    match reading.coding:
        case "28 bits":
            octets, bits = (cell << 4).to_bytes(4), CELL_BITS
        case "28 bits, then 4 zeros":
            octets = (cell << 4).to_bytes(4)
        case "4 zeros, then 28 bits":
            octets = cell.to_bytes(4)
        case "PLMN and cell, 7 octets":
            octets = plmn.encode() + (cell << 4).to_bytes(4)
    mac = nas_crypto.mac(ia, key, count, reading.bearer, nas_crypto.UPLINK, octets, bits)
    halves = int.from_bytes(mac[:2]), int.from_bytes(mac[2:])
    return halves if reading.first_half_up else halves[::-1]


def estimate(expected: int, low: int) -> int:
    """The NAS COUNT with these five lowest bits, the first from the expected one on."""
    count = expected & ~0x1F | low
    return count if count >= expected else count + 0x20
