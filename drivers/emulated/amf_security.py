"""NAS security of the emulated AMF: contexts, the choice of algorithms, the capability for the gNB."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers.codecs import kdf, nas_crypto, ngap
from drivers.codecs.nas import Header, Secured, SecurityCapability, wrap
from drivers.emulated.amf_config import Orders

Faults = frozenset[str]

ACCESS = nas_crypto.THREE_GPP_ACCESS
COUNTS = 1 << 24  # overflow counter 16 bits, sequence number 8 (TS 24.501 clause 4.4.3.1)
CIPHERED = (Header.CIPHERED, Header.CIPHERED_NEW_CONTEXT)
MANDATORY_EA, KNOWN_EA = 0xE0, 0xF0  # 5G-EA0, 128-5G-EA1, 128-5G-EA2 (TS 33.501 clause 5.2)
MANDATORY_IA, KNOWN_IA = 0x60, 0x70  # 5G-IA0 protects nothing, so it does not count here
STATIC = (0xE000, 0xE000, 0xE000, 0xE000)


@dataclass
class Security:
    """A 5G NAS security context (TS 33.501 clause 6.3.2.2); both counts are the next ones to be used."""

    ksi: int
    kamf: bytes = field(repr=False)
    ea: int
    ia: int
    uplink: int = 0
    downlink: int = 0

    def __post_init__(self) -> None:
        self.keys = kdf.nas_keys(self.kamf, self.ea, self.ia)

    def protect(self, header: Header, plain: bytes, faults: Faults) -> bytes:
        """A protected downlink message with the next COUNT (TS 24.501 clauses 4.4.3.1, 4.4.4 and 4.4.5)."""
        count, self.downlink = self.downlink, self.downlink + 1
        payload = self._cipher(count, nas_crypto.DOWNLINK, plain) if header in CIPHERED else plain
        sequence = count & 0xFF
        mac = self._mac(count, nas_crypto.DOWNLINK, sequence, payload)
        if "smc-mac-zero" in faults and header == Header.NEW_CONTEXT:
            mac = bytes(4)
        return wrap(header, mac, sequence, payload)

    def open(self, secured: Secured, faults: Faults) -> tuple[bytes, int] | None:
        """Cleartext and COUNT of an uplink message, None when it is to be discarded.

        The COUNT is estimated upwards from the last accepted one, so an old one never verifies; a failure
        changes nothing (TS 24.501 clauses 4.4.3.2 and 4.4.3.3).
        """
        new_context = secured.header == Header.CIPHERED_NEW_CONTEXT
        if "replay-restarts-registration" in faults and new_context:
            self.uplink = 0
        expected, sequence = self.uplink, secured.sequence
        ahead = expected & ~0xFF | sequence
        if ahead < expected:
            ahead += 0x100
        counts = [ahead]
        if "nas-count-not-checked" in faults:
            counts.insert(0, max(expected - 1, 0) & ~0xFF | sequence)
        for count in counts:
            if count >= COUNTS:
                return None
            good = self._mac(count, nas_crypto.UPLINK, sequence, secured.payload) == secured.mac
            if "mac-not-verified" in faults or ("smcomplete-mac-unchecked" in faults and new_context):
                good = True
            if good:
                self.uplink = count + 1
                return self.decipher(secured, count), count
        if "count-consumed" in faults:
            self.uplink = max(expected, (expected & ~0xFF | sequence) + 1)
        return None

    def decipher(self, secured: Secured, count: int) -> bytes:
        """The NAS message in a protected one whose COUNT is known."""
        if secured.header in CIPHERED:
            return self.container(secured.payload, count)
        return secured.payload

    def container(self, octets: bytes, count: int) -> bytes:
        """The cleartext of an uplink NAS message container or payload (TS 24.501 clause 4.4.6)."""
        return self._cipher(count, nas_crypto.UPLINK, octets)

    def kgnb(self, count: int) -> bytes:
        """KgNB for the uplink NAS COUNT of the message that caused the set-up (TS 33.501 clause A.9)."""
        return kdf.kgnb(self.kamf, count)

    def _cipher(self, count: int, direction: int, data: bytes) -> bytes:
        return nas_crypto.encrypt(self.ea, self.keys.enc, count, ACCESS, direction, data)

    def _mac(self, count: int, direction: int, sequence: int, payload: bytes) -> bytes:
        body = bytes((sequence,)) + payload
        return nas_crypto.mac(self.ia, self.keys.int_, count, ACCESS, direction, body)


def choose(
    capability: SecurityCapability, orders: Orders, emergency: bool, faults: Faults
) -> tuple[int, int] | None:
    """Ciphering and integrity algorithm, each the first of the own order that the UE supports.

    None for a capability that is not acceptable: nothing of a kind, or none of the mandatory algorithms of
    a kind (TS 33.501 clauses 5.5.2 and 6.7.1, TS 24.501 clause 5.5.1.2.8).
    """
    if "caps-ignored" in faults:
        return orders.ciphering[0], orders.integrity[0]
    integrity, mandatory_ia = orders.integrity, MANDATORY_IA
    if "nia0-for-all" in faults:
        integrity, mandatory_ia = (0, *integrity), MANDATORY_IA | 0x80
    ea = _first(capability.ea, orders.ciphering, MANDATORY_EA, KNOWN_EA, faults)
    ia = _first(capability.ia, integrity, mandatory_ia, KNOWN_IA, faults)
    if ea is None or ia is None:
        return None
    offered = [n for n in (1, 2, 3) if capability.ia & 0x80 >> n]
    if "nia0-emergency-authenticated" in faults and emergency:
        ia = 0
    if "ue-order-wins" in faults and offered:
        ia = offered[-1]
    if "list-ignored" in faults:
        ia = 2
    if "unsupported-picked" in faults:
        ia = next((n for n in (3, 2, 1) if n not in offered), ia)
    return ea, ia


def _first(octet: int, order: Sequence[int], mandatory: int, known: int, faults: Faults) -> int | None:
    if "empty-caps-to-null" in faults and octet == 0:
        return 0
    if "mandatory-not-required" in faults:
        mandatory = known
    if not octet & mandatory:
        return None
    return next((n for n in order if octet & 0x80 >> n), None)


def for_gnb(capability: SecurityCapability, faults: Faults) -> ngap.Bitmaps:
    """The capability as the UE announced it, in the coding of NGAP (TS 38.413 clause 9.3.1.86)."""
    nea, nia, eea, eia = ngap.bitmaps(capability)
    if "caps-unshifted" in faults:
        octets = (capability.ea, capability.ia, capability.eea or 0, capability.eia or 0)
        nea, nia, eea, eia = (octet << 8 for octet in octets)
    if "caps-static" in faults:
        nea, nia, eea, eia = STATIC
    if "caps-eutra-dropped" in faults:
        eea = eia = 0
    if "caps-no-ia3" in faults:
        nia &= ~0x2000
    return nea, nia, eea, eia
