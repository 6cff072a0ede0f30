"""The 5G key hierarchy of TS 33.501 Annex A, over the KDF of TS 33.220 clause B.2."""

import hashlib
import hmac
from dataclasses import dataclass, field

_NAS_ENC, _NAS_INT = 1, 2
_SUPI_TYPES = frozenset({"imsi", "nai", "gci", "gli"})


@dataclass(frozen=True, slots=True)
class NasKeys:
    """The NAS ciphering and integrity keys, 16 octets each; TS 33.501 clause A.8."""

    enc: bytes = field(repr=False)
    int_: bytes = field(repr=False)


def serving_network_name(mcc: str, mnc: str) -> str:
    """The serving network name of a PLMN, a 2-digit MNC padded to 3; ValueError unless digits; TS 24.501
    clause 9.12.1.
    """
    if not (_digits(mcc) and len(mcc) == 3 and _digits(mnc) and len(mnc) in (2, 3)):
        raise ValueError(f"not an MCC of 3 digits and an MNC of 2 or 3: {mcc!r}, {mnc!r}")
    return f"5G:mnc{mnc:0>3}.mcc{mcc}.3gppnetwork.org"


def kausf(ck: bytes, ik: bytes, snn: str, sqn_xor_ak: bytes) -> bytes:
    """KAUSF, 32 octets, from CK and IK (16 each) and SQN xor AK (6); ValueError on other lengths; TS 33.501
    clause A.2.
    """
    return _kdf(_ck_ik(ck, ik), 0x6A, snn.encode(), _sized("SQN xor AK", sqn_xor_ak, 6))


def res_star(ck: bytes, ik: bytes, snn: str, rand: bytes, res: bytes) -> bytes:
    """RES* or XRES*, 16 octets, from RES (4 to 16); ValueError on wrong lengths; TS 33.501 clause A.4."""
    if not 4 <= len(res) <= 16:
        raise ValueError(f"RES has {len(res)} octets instead of 4 to 16")
    return _kdf(_ck_ik(ck, ik), 0x6B, snn.encode(), _sized("RAND", rand, 16), res)[16:]


def hres_star(rand: bytes, res_star: bytes) -> bytes:
    """HRES* or HXRES*, 16 octets, from RAND and RES* (16 each, else ValueError); TS 33.501 clause A.5."""
    return hashlib.sha256(_sized("RAND", rand, 16) + _sized("RES*", res_star, 16)).digest()[16:]


def kseaf(kausf: bytes, snn: str) -> bytes:
    """KSEAF, 32 octets, from KAUSF (32, else ValueError); TS 33.501 clause A.6."""
    return _kdf(_sized("KAUSF", kausf, 32), 0x6C, snn.encode())


def kamf(kseaf: bytes, supi: str, abba: bytes) -> bytes:
    """KAMF, 32 octets, from KSEAF (32), the SUPI ("imsi-..." or bare digits, else "nai-...", "gci-...",
    "gli-...") and ABBA; ValueError on another SUPI or length; TS 33.501 clause A.7.
    """
    return _kdf(_sized("KSEAF", kseaf, 32), 0x6D, _identity(supi).encode(), abba)


def nas_keys(kamf: bytes, ea: int, ia: int) -> NasKeys:
    """The NAS keys for 5G-EA and 5G-IA number 0 to 15, from KAMF (32 octets); else ValueError; TS 33.501
    clause A.8.
    """
    return NasKeys(enc=_algorithm_key(kamf, _NAS_ENC, ea), int_=_algorithm_key(kamf, _NAS_INT, ia))


def kgnb(kamf: bytes, uplink_count: int, access: int = 1) -> bytes:
    """KgNB (access 1, 3GPP) or KN3IWF (2), 32 octets, from KAMF and the 32-bit uplink NAS COUNT; else
    ValueError; TS 33.501 clause A.9.
    """
    return _kdf(
        _sized("KAMF", kamf, 32), 0x6E, _octets("NAS COUNT", uplink_count, 4), _octets("access", access, 1)
    )


def nh(kamf: bytes, sync: bytes) -> bytes:
    """NH, 32 octets, from KAMF and the KgNB or NH before it (32 each, else ValueError); TS 33.501 clause
    A.10.
    """
    return _kdf(_sized("KAMF", kamf, 32), 0x6F, _sized("SYNC-input", sync, 32))


def kamf_prime(kamf: bytes, direction: int, count: int) -> bytes:
    """KAMF', 32 octets: direction 1 with the downlink NAS COUNT in handover, 0 with the uplink one in idle
    mode; ValueError when a value does not fit; TS 33.501 clause A.13.
    """
    return _kdf(
        _sized("KAMF", kamf, 32), 0x72, _octets("direction", direction, 1), _octets("NAS COUNT", count, 4)
    )


def _kdf(key: bytes, fc: int, *parameters: bytes) -> bytes:
    s = bytes((fc,)) + b"".join([p + len(p).to_bytes(2, "big") for p in parameters])
    return hmac.digest(key, s, "sha256")


def _algorithm_key(kamf: bytes, kind: int, identity: int) -> bytes:
    if not 0 <= identity <= 15:
        raise ValueError(f"algorithm identity {identity} is not 0 to 15")
    return _kdf(_sized("KAMF", kamf, 32), 0x69, bytes((kind,)), bytes((identity,)))[16:]


def _identity(supi: str) -> str:
    kind, dash, value = supi.partition("-")
    if not dash:
        kind, value = "imsi", supi
    if kind not in _SUPI_TYPES or not value:
        raise ValueError(f"not a SUPI: {supi!r}")
    if kind == "imsi" and not (_digits(value) and len(value) <= 15):
        raise ValueError(f"an IMSI is up to 15 digits: {supi!r}")
    return value


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _ck_ik(ck: bytes, ik: bytes) -> bytes:
    return _sized("CK", ck, 16) + _sized("IK", ik, 16)


def _octets(name: str, value: int, length: int) -> bytes:
    if not 0 <= value < 1 << 8 * length:
        raise ValueError(f"{name} {value} does not fit into {length} octets")
    return value.to_bytes(length, "big")


def _sized(name: str, value: bytes, length: int) -> bytes:
    if len(value) != length:
        raise ValueError(f"{name} has {len(value)} octets instead of {length}")
    return value
