"""Network slicing as a UE sees it: what it is told of slices, and its side of NSSAA (TS 24.501 5.4.7)."""

from collections.abc import Callable, Mapping
from typing import Any

from drivers.codecs import eap, nas
from drivers.interfaces import slice_name

COMMAND = "NETWORK SLICE-SPECIFIC AUTHENTICATION COMMAND"
COMPLETE = "NETWORK SLICE-SPECIFIC AUTHENTICATION COMPLETE"
RESULT = "NETWORK SLICE-SPECIFIC AUTHENTICATION RESULT"

CAPABILITY = b"\x00\x40\x10"  # 5GMM capability: NSSAA, Extended rejected NSSAI (clause 9.11.3.1)
SECRET = b"assay"  # of EAP-MD5, well known like the keys of the lab

_LISTS: Mapping[str, Callable[[bytes], list[nas.Snssai]]] = {
    "allowed_nssai": nas.decode_nssai,
    "pending_nssai": nas.decode_nssai,
}
_REJECTED: Mapping[str, Callable[[bytes], list[nas.Rejected]]] = {
    "rejected_nssai": nas.decode_rejected_nssai,
    "extended_rejected_nssai": nas.decode_extended_rejected_nssai,
}


def describe(ies: Mapping[str, bytes]) -> dict[str, Any]:
    """The facts in a downlink message about slices; a list that cannot be decoded counts as absent.

    Allowed and pending NSSAI are lists of names, the rejected ones causes by name (`slice_name`).
    """
    facts: dict[str, Any] = {}
    try:
        for name, decode in _LISTS.items():
            if name in ies:
                facts[name] = [slice_name(one) for one in decode(ies[name])]
        for name, read in _REJECTED.items():
            if name in ies:
                facts[name] = {slice_name(one): cause for one, cause in read(ies[name])}
        if "s_nssai" in ies:
            facts["s_nssai"] = slice_name(nas.decode_s_nssai(ies["s_nssai"]))
    except nas.Malformed as error:
        facts["odd"] = str(error)[:200]
    if "eap_message" in ies:
        facts["eap"] = _told(ies["eap_message"])
    return facts


def _told(octets: bytes) -> str:
    """An EAP packet in words."""
    try:
        packet = eap.Packet.decode(octets)
    except eap.Malformed as error:
        return f"malformed: {error}"
    kind = {one.value: one.name.lower() for one in eap.Type}.get(packet.type, f"type {packet.type}")
    code = eap.Code(packet.code).name.lower()
    return f"{code} {kind}" if packet.type else code


def answer(octets: bytes, identity: str) -> bytes | None:
    """The EAP response of the UE to a request: its identity, EAP-MD5, or the wish for that.

    None for what is no request.
    """
    try:
        request = eap.Packet.decode(octets)
        if request.code != eap.Code.REQUEST:
            return None
        kind, data = eap.Type.NAK, bytes((eap.Type.MD5_CHALLENGE,))
        if request.type == eap.Type.IDENTITY:
            kind, data = eap.Type.IDENTITY, identity.encode()
        elif request.type == eap.Type.NOTIFICATION:
            kind, data = eap.Type.NOTIFICATION, b""
        elif request.type == eap.Type.MD5_CHALLENGE:
            kind = eap.Type.MD5_CHALLENGE
            data = eap.md5_data(eap.md5_value(request.identifier, SECRET, eap.md5_of(request.data)))
    except eap.Malformed:
        return None
    return eap.Packet(eap.Code.RESPONSE, request.identifier, kind, data).encode()
