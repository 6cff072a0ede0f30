"""Keys taken out of frames before a capture is written, where the profile does not publish them."""

import re
from collections.abc import Iterable
from dataclasses import replace

from assay.evidence import Frame
from drivers.codecs import ngap

_JSON_KEY = re.compile(rb'("(?:kseaf|kausf|keyVal|nh)"\s*:\s*")([0-9A-Fa-f]{32,64})(")')


def masked(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    """The frames with every key in them overwritten by zeros of the same length.

    Keys cross the bench as K_SEAF in JSON (TS 29.509) and as Security Key, K_gNB, in NGAP (TS 38.413 clause
    9.3.1.87). Lengths stay, so the capture still dissects; checksums are made when it is written.
    """
    return tuple(replace(frame, data=_masked(frame)) for frame in frames)


def _masked(frame: Frame) -> bytes:
    if frame.flow is None:
        return frame.data
    if frame.flow.transport == "tcp":
        return _JSON_KEY.sub(lambda m: m[1] + b"0" * len(m[2]) + m[3], frame.data)
    try:
        key = ngap.decode(frame.data).get(ngap.IeId.SECURITY_KEY)
    except ngap.Malformed:
        return frame.data
    if key is None:
        return frame.data
    value, bits = key
    octets = value.to_bytes(bits // 8)
    return frame.data.replace(octets, bytes(len(octets)))
