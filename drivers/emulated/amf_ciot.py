"""Cellular IoT in the emulated AMF: who is redirected to EPC, and who is who he says on a second ng-eNB."""

from drivers.codecs import cp_ciot, nas, ngap
from drivers.codecs.nas import RegistrationType
from drivers.emulated.amf_context import Context

Faults = frozenset[str]

S1_MODE, CP_CIOT = 0x01, 0x10  # 5GMM capability, TS 24.501 clause 9.11.3.1
PREFERRED = 0x3C  # 5GS update type: the preferred CIoT network behaviour of EPS and 5GS, clause 9.11.3.9A
PREFERRED_5GS, PREFERRED_5GS_CP = 0x0C, 0x04
UP_CIOT = 0x02  # octet 2 of 5GMM capability
# 5GS network feature support, octets 3 and 4, clause 9.11.3.5
EMERGENCY, FEATURE_CP_CIOT, FEATURE_UP_CIOT = 0x04, 0x10, 0x80


def steered(request: nas.Message | None) -> bool:
    """Whether a policy for EPC concerns a request: initial, of a CIoT UE with S1 mode (TS 23.501 5.31.3)."""
    if request is None or request.ies["registration_type"][0] & 7 != RegistrationType.INITIAL:
        return False
    capability, preferred = _announced(request)
    return bool(capability & S1_MODE and capability & CP_CIOT and preferred & PREFERRED)


def accept(context: Context, request: nas.Message | None) -> None:
    """Settle which CIoT 5GS optimisations the UE uses: control plane by preference, user plane if it can."""
    context.cp_ciot = context.up_ciot = False
    if request is None:
        return
    capability, preferred = _announced(request)
    context.cp_ciot = bool(capability & CP_CIOT and preferred & PREFERRED_5GS == PREFERRED_5GS_CP)
    second = request.ies.get("mm_capability", b"")[1:2] or b"\0"
    context.up_ciot = bool(second[0] & UP_CIOT)


def features(emergency: bool, context: Context) -> bytes:
    """5GS network feature support: emergency services, and the CIoT 5GS optimisations in use."""
    ciot = FEATURE_CP_CIOT * context.cp_ciot | FEATURE_UP_CIOT * context.up_ciot
    return bytes((EMERGENCY * emergency, ciot))


def _announced(request: nas.Message) -> tuple[int, int]:
    """The first octets of 5GMM capability and 5GS update type."""
    capability, update = (request.ies.get(name) or b"\0" for name in ("mm_capability", "update_type"))
    return capability[0], update[0]


def authenticate(context: Context, indication: ngap.Pdu, faults: Faults) -> int | None:
    """The DL NAS MAC for a UE whose UL NAS MAC verifies (TS 33.501 clause 6.16), else None.

    It uses up the COUNT; what fails changes nothing, like any message that fails the integrity check.
    """
    proof, cell = ngap.ul_cp_security(indication), ngap.eutra_cell(indication)
    if proof is None or cell is None or not context.cp_ciot or context.guti is None:
        return None
    security, (mac, low) = context.security, proof
    count = cp_ciot.estimate(security.uplink, low)
    reading, key = cp_ciot.READINGS[0], security.keys.int_
    up, down = cp_ciot.macs(reading, security.ia, key, count, context.guti.plmn, cell)
    if mac != up and "ul-mac-unchecked" not in faults:
        return None
    security.uplink = count + 1
    return down
