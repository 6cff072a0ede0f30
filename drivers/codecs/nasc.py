"""The Intra N1 mode NAS transparent container, which tells a UE in handover what its new AMF chose."""

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.codecs import kdf, nas_crypto
from drivers.codecs.nas import Malformed

COUNT = 2**32 - 1  # no NAS COUNT ever gets there (TS 33.501 clause 6.9.2.3.3)


@dataclass(frozen=True)
class Nasc:
    """What the container says (TS 24.501 clause 9.11.2.6): `mapped` is TSC, `kamf_changed` KACF, `sequence`
    the lower octet of the downlink NAS COUNT.
    """

    ea: int
    ia: int
    ksi: int
    sequence: int
    mapped: bool = False
    kamf_changed: bool = False

    def encode(self, kamf: bytes) -> bytes:
        """The value part, 7 octets, with the NAS-MAC that K_NASint from this KAMF makes."""
        ksi = self.kamf_changed << 4 | self.mapped << 3 | self.ksi
        content = bytes((self.ea << 4 | self.ia, ksi, self.sequence))
        return self._mac(kamf, content) + content

    def _mac(self, kamf: bytes, message: bytes) -> bytes:
        key, access = kdf.nas_keys(kamf, self.ea, self.ia).int_, nas_crypto.THREE_GPP_ACCESS
        return nas_crypto.mac(self.ia, key, COUNT, access, nas_crypto.DOWNLINK, message)

    def verifies(self, octets: bytes, kamf: bytes) -> bool:
        """Whether the NAS-MAC in the value part is one that K_NASint from this KAMF makes.

        What exactly is the content that the MAC covers is not spelled out, so every sensible reading counts.
        """
        try:
            return any(self._mac(kamf, message) == octets[:4] for message in _messages(octets[4:]))
        except ValueError:  # an algorithm that nobody has
            return False


def _messages(content: bytes) -> Iterator[bytes]:
    yield content  # what follows the MAC
    yield bytes(4) + content  # the value part, its MAC still to be filled in
    yield bytes((4 + len(content),)) + bytes(4) + content  # the same with its length
    yield content[-1:] + content[:-1]  # the sequence number first, as in a NAS message


def decode(octets: bytes) -> Nasc:
    """From the value part; Malformed for another length than 7."""
    if len(octets) != 7:
        raise Malformed(f"Intra N1 mode NAS transparent container of {len(octets)} octets, not 7")
    algorithms, ksi, sequence = octets[4:]
    return Nasc(algorithms >> 4, algorithms & 15, ksi & 7, sequence, bool(ksi & 8), bool(ksi & 16))
