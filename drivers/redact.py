"""Keys taken out of frames before a capture is written, where the profile does not publish them."""

import re
from collections.abc import Iterable
from dataclasses import replace

from assay.evidence import Frame
from drivers.codecs import ngap

_JSON_KEY = re.compile(rb'("(?:kseaf|kausf|keyVal|nh)"\s*:\s*")([0-9A-Fa-f]{32,64})(")')
_TOKEN = re.compile(rb'("access_token"\s*:\s*")([^"]{1,65536})(")')


def masked(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    """The frames with every key in them overwritten by zeros of the same length.

    Keys cross the bench as K_SEAF, K_AMF and NH in JSON (TS 29.509, TS 29.518) and as K_gNB and NH in NGAP
    (TS 38.413 clauses 9.3.1.87 and 9.3.1.88). Lengths stay, so the capture still dissects; checksums are
    made when it is written.
    """
    return tuple(replace(frame, data=_masked(frame)) for frame in frames)


def _masked(frame: Frame) -> bytes:
    if frame.flow is None:
        return frame.data
    if frame.flow.transport == "tcp":
        data = frame.data
        for pattern in (_JSON_KEY, _TOKEN):
            data = pattern.sub(lambda m: m[1] + b"0" * len(m[2]) + m[3], data)
        return data
    try:
        pdu = ngap.decode(frame.data)
    except ngap.Malformed:
        return frame.data
    data = frame.data
    for number, bits in filter(None, (pdu.get(ngap.IeId.SECURITY_KEY), ngap.next_hop(pdu))):
        octets = number.to_bytes(bits // 8)
        data = data.replace(octets, bytes(len(octets)))
    return data
