"""NGAP messages (TS 38.413): pycrate's aligned PER behind one lock, builders for both ends, and readers."""

import gc
import ipaddress
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final, Literal

from drivers.codecs.nas import Guti, Plmn, SecurityCapability, Snssai, STmsi

PPID: Final = 60  # SCTP payload protocol identifier, TS 38.412 clause 7
MAX_LENGTH: Final = 65536
BIT_RATE: Final = 10**9  # bit/s, of a UE and of a PDU session

Kind = Literal["initiatingMessage", "successfulOutcome", "unsuccessfulOutcome"]
Cause = tuple[str, str]  # group and value in the spelling of TS 38.413 clause 9.3.1.2
Bitmaps = tuple[int, int, int, int]  # NEA, NIA, EEA, EIA: 16 bits, 0x8000 for algorithm 1, clause 9.3.1.86


class Malformed(ValueError):  # noqa: N818 - what the product sent, not an error of ours
    """Octets that are no NGAP PDU of TS 38.413."""


class IeId(IntEnum):
    """Protocol IE ids, TS 38.413 clause 9.4.7."""

    ALLOWED_NSSAI = 0
    AMF_NAME = 1
    AMF_UE_NGAP_ID = 10
    CAUSE = 15
    CRITICALITY_DIAGNOSTICS = 19
    DEFAULT_PAGING_DRX = 21
    EUTRA_CGI = 25
    FIVEG_S_TMSI = 26
    GLOBAL_RAN_NODE_ID = 27
    GUAMI = 28
    HANDOVER_TYPE = 29
    NASC = 37
    NAS_PDU = 38
    PDU_SESSION_RESOURCE_RELEASED_LIST_PS_ACK = 68
    PDU_SESSION_RESOURCE_RELEASED_LIST_PS_FAIL = 69
    PDU_SESSION_RESOURCE_ADMITTED_LIST = 53
    PDU_SESSION_RESOURCE_RELEASED_LIST_REL_RES = 70
    PDU_SESSION_RESOURCE_SETUP_LIST_CXT_REQ = 71
    PDU_SESSION_RESOURCE_SETUP_LIST_CXT_RES = 72
    PDU_SESSION_RESOURCE_SETUP_LIST_HO_REQ = 73
    PDU_SESSION_RESOURCE_SETUP_LIST_SU_REQ = 74
    PDU_SESSION_RESOURCE_SETUP_LIST_SU_RES = 75
    PDU_SESSION_RESOURCE_TO_BE_SWITCHED_DL_LIST = 76
    PDU_SESSION_RESOURCE_SWITCHED_LIST = 77
    PDU_SESSION_RESOURCE_TO_RELEASE_LIST_REL_CMD = 79
    PLMN_SUPPORT_LIST = 80
    RAN_NODE_NAME = 82
    RAN_UE_NGAP_ID = 85
    RELATIVE_AMF_CAPACITY = 86
    RRC_ESTABLISHMENT_CAUSE = 90
    SECURITY_CONTEXT = 93
    SECURITY_KEY = 94
    SERVED_GUAMI_LIST = 96
    SOURCE_AMF_UE_NGAP_ID = 100
    SOURCE_TO_TARGET_TRANSPARENT_CONTAINER = 101
    SUPPORTED_TA_LIST = 102
    TAI_LIST_FOR_PAGING = 103
    TARGET_TO_SOURCE_TRANSPARENT_CONTAINER = 106
    TIME_TO_WAIT = 107
    UE_AGGREGATE_MAXIMUM_BIT_RATE = 110
    UE_CONTEXT_REQUEST = 112
    UE_NGAP_IDS = 114
    UE_PAGING_IDENTITY = 115
    UE_SECURITY_CAPABILITIES = 119
    USER_LOCATION_INFORMATION = 121
    UL_CP_SECURITY_INFORMATION = 211
    DL_CP_SECURITY_INFORMATION = 212
    TAI = 213
    PDU_SESSION_AGGREGATE_MAXIMUM_BIT_RATE = 130
    PDU_SESSION_TYPE = 134
    QOS_FLOW_SETUP_REQUEST_LIST = 136
    UL_NGU_UP_TNL_INFORMATION = 139
    UE_UP_CIOT_SUPPORT = 234
    RRC_RESUME_CAUSE = 237


RAT_INFORMATION: Final = 179  # id of a protocol extension of a supported TA item


@dataclass(frozen=True)
class Ie:
    """A protocol IE: id, criticality ("reject", "ignore", "notify") and value in pycrate's form, untyped.

    An IE that the message does not define has the value `raw(octets)`; so may any IE that is to be encoded.
    """

    id: int
    criticality: str
    value: Any


def raw(octets: bytes) -> tuple[str, bytes]:
    """An IE value that is encoded as these octets, whatever the IE is."""
    return ("_unk_004", octets)


@dataclass(frozen=True)
class Pdu:
    """An NGAP PDU, its IEs in the order of the wire (TS 38.413 clause 9.4).

    `name` is the ASN.1 type ("InitialUEMessage"), empty for a procedure that is unknown. Such a message, and
    one without protocol IEs, has its octets in `body`; a PDU with a `body` is encoded from that.
    """

    kind: Kind
    procedure: int
    criticality: str
    name: str
    ies: tuple[Ie, ...] = ()
    body: bytes | None = None

    def get(self, ie_id: int) -> Any | None:
        """The value of the first IE with this id."""
        return next((ie.value for ie in self.ies if ie.id == ie_id), None)

    @property
    def title(self) -> str:
        """The name as TS 38.413 clause 8 writes it: "INITIAL UE MESSAGE"."""
        return _title(self.name) if self.name else f"PROCEDURE {self.procedure}"


_WORDS = re.compile(r"NRPPa|NAS|NG|PDU|CP|RAN|AMF|RRC|RAT|RIM|PWS|MT|TNLA|ID|UE|[A-Z][a-z]+|[A-Z]+(?![a-z])")


def _title(name: str) -> str:
    return " ".join(_WORDS.findall(name)).upper().replace("WRITE REPLACE", "WRITE-REPLACE")


# --- pycrate, whose objects are singletons ----------------------------------------------------------------

_LOCK = threading.Lock()
_RAW = re.compile(r"_unk_\d+")


class _Asn1:
    """What this module uses of pycrate: loaded on first use (1.5 s), touched under the lock only."""

    def __init__(self) -> None:
        from pycrate_asn1dir import NGAP
        from pycrate_asn1rt.asnobj import ASN1Obj
        from pycrate_asn1rt.codecs import ASN1CodecPER
        from pycrate_core.charpy import Charpy

        self.pdu: Any = NGAP.NGAP_PDU_Descriptions.NGAP_PDU
        self.bounds: Any = ASN1Obj
        self.codec: Any = ASN1CodecPER
        self.buffer: Any = Charpy
        self.contents: Any = NGAP.NGAP_PDU_Contents
        self.elements: Any = NGAP.NGAP_IEs
        self.types: dict[str, dict[int, str]] = {}
        self.anywhere: dict[int, tuple[str, str]] = {}
        for row in NGAP.NGAP_PDU_Descriptions.NGAP_ELEMENTARY_PROCEDURES().root:
            for role in ("InitiatingMessage", "SuccessfulOutcome", "UnsuccessfulOutcome"):
                if role in row:
                    self._learn(row[role]._typeref.called[1])

    def _learn(self, name: str) -> None:
        known = self.types[name] = {}
        ies = getattr(self.contents, f"{name}IEs", None) or getattr(self.contents, f"{name}_IEs", None)
        if ies is None:  # PrivateMessage
            return
        for row in ies().root:
            reference = row["Value"]._typeref
            known[row["id"]] = reference.called[1] if reference is not None else row["Value"].TYPE
            if reference is not None:
                self.anywhere.setdefault(row["id"], reference.called)

    def form(self, message: str, ie: Ie) -> dict[str, Any]:
        """The IE as pycrate takes it: the value with the name of its type."""
        value = ie.value
        if not _is_raw(value):
            type_ = self.types.get(message, {}).get(ie.id) or self.anywhere.get(ie.id)
            if type_ is None:
                raise ValueError(f"IE {ie.id} has no type: give raw(octets)")
            value = (type_, value)
        return {"id": ie.id, "criticality": ie.criticality, "value": value}


_loaded: _Asn1 | None = None


def _asn1() -> _Asn1:
    global _loaded
    if _loaded is None:
        _loaded = _Asn1()
        # 100,000 objects that stay: walking through them took the collector 0.1 s in the middle of a variant
        gc.freeze()
    return _loaded


def warm() -> None:
    """Load the tables now, in a thread of the caller's choice, so that the first message need not wait."""
    with _LOCK:
        _asn1()


def _is_raw(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and isinstance(value[0], str)
        and _RAW.fullmatch(value[0]) is not None
    )


def encode(pdu: Pdu) -> bytes:
    """The octets of `pdu` in aligned PER (TS 38.413 clause 9.4).

    Nothing is checked against the procedure: IEs may lack, repeat, be strange or be raw octets. A value out
    of its range is written in the fields of that range, even where a length field then wraps. ValueError
    is raised for what no field takes, such as a negative number, and for a wrong form.
    """
    with _LOCK:
        asn1 = _asn1()
        depth, safe = len(asn1.codec._off), asn1.bounds._SAFE_BND
        asn1.bounds._SAFE_BND = False
        try:
            value: tuple[Any, Any]
            if pdu.body is not None:
                value = raw(pdu.body)
            else:
                value = (pdu.name, {"protocolIEs": [asn1.form(pdu.name, ie) for ie in pdu.ies]})
            head = {"procedureCode": pdu.procedure, "criticality": pdu.criticality, "value": value}
            asn1.pdu.set_val((pdu.kind, head))
            octets: bytes = asn1.pdu.to_aper()
        except (
            Exception
        ) as error:  # pycrate: its own families, and KeyError, TypeError and more for wrong forms
            raise ValueError(f"{pdu.name or 'PDU'} cannot be encoded: {error!r}") from error
        finally:
            asn1.bounds._SAFE_BND = safe
            del asn1.codec._off[depth:]  # pycrate leaves its offsets behind when it fails
        return octets


def decode(data: bytes) -> Pdu:
    """The PDU in `data`; its IEs are not checked for presence. Raises Malformed for anything else."""
    if len(data) > MAX_LENGTH:
        raise Malformed(f"PDU of {len(data)} octets, refused above {MAX_LENGTH}")
    with _LOCK:
        asn1 = _asn1()
        depth = len(asn1.codec._off)
        try:
            buffer = asn1.buffer(bytes(data))
            asn1.pdu.from_aper(buffer)
            if buffer.len_byte():
                raise Malformed(f"{buffer.len_byte()} octets after the PDU")
            kind, head = asn1.pdu.get_val()
            name, value = head["value"]
            procedure, criticality = head["procedureCode"], head["criticality"]
            if _is_raw((name, value)):
                return Pdu(kind, procedure, criticality, "", (), value)
            if "protocolIEs" not in value:
                message = getattr(asn1.contents, name)
                message.set_val(value)
                return Pdu(kind, procedure, criticality, name, (), message.to_aper())
            types = asn1.types[name]
            ies = tuple(
                Ie(ie["id"], ie["criticality"], ie["value"][1] if ie["id"] in types else ie["value"])
                for ie in value["protocolIEs"]
            )
            return Pdu(kind, procedure, criticality, name, ies)
        except Malformed:
            raise
        except (
            Exception
        ) as error:  # pycrate: its own families, and AssertionError, IndexError and more for garbage
            raise Malformed(f"no NGAP PDU in {len(data)} octets: {error!r}"[:200]) from error
        finally:
            del asn1.codec._off[depth:]


def transfer_octets(name: str, value: Any) -> bytes:
    """The octets of a transfer that gNB and SMF exchange through the AMF (TS 38.413 clause 9.3.4).

    `name` is its ASN.1 type, `value` has pycrate's form, or is octets already.
    """
    if isinstance(value, bytes):
        return value
    with _LOCK:
        element = getattr(_asn1().elements, name)
        element.set_val(value)
        octets: bytes = element.to_aper()
        return octets


def transfer_value(name: str, data: bytes) -> dict[str, Any]:
    """The value of such a transfer in `data`; raises Malformed for anything else."""
    if len(data) > MAX_LENGTH:
        raise Malformed(f"{name} of {len(data)} octets, refused above {MAX_LENGTH}")
    with _LOCK:
        asn1 = _asn1()
        depth = len(asn1.codec._off)
        try:
            element, buffer = getattr(asn1.elements, name), asn1.buffer(bytes(data))
            element.from_aper(buffer)
            if buffer.len_byte():
                raise Malformed(f"{buffer.len_byte()} octets after the {name}")
            value: dict[str, Any] = element.get_val()
        except Malformed:
            raise
        except Exception as error:
            raise Malformed(f"no {name} in {len(data)} octets: {error!r}"[:200]) from error
        finally:
            del asn1.codec._off[depth:]
        return value


# --- readers ----------------------------------------------------------------------------------------------


def nas_pdu(pdu: Pdu) -> bytes | None:
    """The NAS-PDU in the message (TS 38.413 clause 9.3.3.4)."""
    value = pdu.get(IeId.NAS_PDU)
    return value if isinstance(value, bytes) else None


def _pair(pdu: Pdu) -> dict[str, Any]:
    value = pdu.get(IeId.UE_NGAP_IDS)
    if isinstance(value, tuple) and len(value) == 2:
        if isinstance(value[1], dict):
            return value[1]
        if isinstance(value[1], int):
            return {"aMF-UE-NGAP-ID": value[1]}
    return {}


def amf_ue_ngap_id(pdu: Pdu) -> int | None:
    """The AMF UE NGAP ID, also from UE NGAP IDs or as the source one of a path switch (clause 9.3.3.1)."""
    for value in (
        pdu.get(IeId.AMF_UE_NGAP_ID),
        _pair(pdu).get("aMF-UE-NGAP-ID"),
        pdu.get(IeId.SOURCE_AMF_UE_NGAP_ID),
    ):
        if isinstance(value, int):
            return value
    return None


def ran_ue_ngap_id(pdu: Pdu) -> int | None:
    """The RAN UE NGAP ID, also where it is in UE NGAP IDs (TS 38.413 clause 9.3.3.2)."""
    for value in (pdu.get(IeId.RAN_UE_NGAP_ID), _pair(pdu).get("rAN-UE-NGAP-ID")):
        if isinstance(value, int):
            return value
    return None


_BITMAPS = (
    "nRencryptionAlgorithms",
    "nRintegrityProtectionAlgorithms",
    "eUTRAencryptionAlgorithms",
    "eUTRAintegrityProtectionAlgorithms",
)


def security_capabilities(pdu: Pdu) -> Bitmaps | None:
    """The UE security capabilities, the first 16 bits of each bitmap (TS 38.413 clause 9.3.1.86)."""
    value = pdu.get(IeId.UE_SECURITY_CAPABILITIES)
    if not isinstance(value, dict):
        return None
    nea, nia, eea, eia = (number << 16 >> size for number, size in (value[name] for name in _BITMAPS))
    return nea, nia, eea, eia


def cause(pdu: Pdu) -> Cause | None:
    """Group and value of the cause, ("nas", "authentication-failure") (TS 38.413 clause 9.3.1.2)."""
    value = pdu.get(IeId.CAUSE)
    if isinstance(value, tuple) and not _is_raw(value):
        return str(value[0]), str(value[1])
    return None


def session_ids(pdu: Pdu) -> tuple[int, ...]:
    """The identities of the PDU sessions that the message wants set up or released (clause 9.2.1)."""
    for ie_id in (
        IeId.PDU_SESSION_RESOURCE_SETUP_LIST_CXT_REQ,
        IeId.PDU_SESSION_RESOURCE_SETUP_LIST_SU_REQ,
        IeId.PDU_SESSION_RESOURCE_TO_RELEASE_LIST_REL_CMD,
    ):
        value = pdu.get(ie_id)
        if isinstance(value, list):
            return tuple(item["pDUSessionID"] for item in value)
    return ()


def ul_cp_security(pdu: Pdu) -> tuple[int, int] | None:
    """UL NAS MAC, 16 bits, and the five lowest bits of the COUNT (UL CP Security Information)."""
    value = pdu.get(IeId.UL_CP_SECURITY_INFORMATION)
    return (value["ul-NAS-MAC"][0], value["ul-NAS-Count"][0]) if isinstance(value, dict) else None


def dl_nas_mac(pdu: Pdu) -> int | None:
    """The DL NAS MAC, 16 bits (DL CP Security Information)."""
    value = pdu.get(IeId.DL_CP_SECURITY_INFORMATION)
    return value["dl-NAS-MAC"][0] if isinstance(value, dict) else None


def s_tmsi(pdu: Pdu) -> STmsi | None:
    """The 5G-S-TMSI (TS 38.413 clause 9.3.3.20)."""
    value = pdu.get(IeId.FIVEG_S_TMSI)
    return _read_s_tmsi(value) if isinstance(value, dict) else None


def _read_s_tmsi(value: dict[str, Any]) -> STmsi:
    return STmsi(value["aMFSetID"][0], value["aMFPointer"][0], int.from_bytes(value["fiveG-TMSI"], "big"))


def eutra_cell(pdu: Pdu) -> int | None:
    """The E-UTRA cell identity, 28 bits, of the E-UTRA CGI (TS 38.413 clause 9.3.1.9)."""
    value = pdu.get(IeId.EUTRA_CGI)
    return value["eUTRACellIdentity"][0] if isinstance(value, dict) else None


_SETUP_LISTS = (
    (IeId.PDU_SESSION_RESOURCE_SETUP_LIST_CXT_REQ, "nAS-PDU"),
    (IeId.PDU_SESSION_RESOURCE_SETUP_LIST_SU_REQ, "pDUSessionNAS-PDU"),
)
_SET_UP = "PDUSessionResourceSetupResponseTransfer"


def session_nas_pdus(pdu: Pdu) -> tuple[bytes, ...]:
    """The NAS-PDUs that come with the PDU sessions to be set up (TS 38.413 clauses 9.2.1.1 and 9.2.2.1)."""
    lists = [(pdu.get(ie_id), name) for ie_id, name in _SETUP_LISTS]
    found = [item.get(name) for value, name in lists if isinstance(value, list) for item in value]
    return tuple(octets for octets in found if isinstance(octets, bytes))


def set_up(pdu: Pdu) -> tuple[tuple[int, bytes], ...]:
    """Identity and transfer for the SMF of each PDU session that the gNB has set up (clause 9.2.1.2)."""
    for ie_id in (
        IeId.PDU_SESSION_RESOURCE_SETUP_LIST_CXT_RES,
        IeId.PDU_SESSION_RESOURCE_SETUP_LIST_SU_RES,
    ):
        value = pdu.get(ie_id)
        if isinstance(value, list):
            lower = [(item["pDUSessionID"], item[_SET_UP[0].lower() + _SET_UP[1:]]) for item in value]
            return tuple((n, transfer_octets(_SET_UP, t[1] if isinstance(t, tuple) else t)) for n, t in lower)
    return ()


def transfers(pdu: Pdu, ie_id: int) -> dict[int, bytes]:
    """The transfer of each PDU session in this list of the message (TS 38.413 clause 9.3.4)."""
    found = {}
    items = pdu.get(ie_id)
    for item in items if isinstance(items, list) else ():
        value = next((item[name] for name in item if name.endswith("Transfer")), None)
        if value is not None:
            named = isinstance(value, tuple) and not _is_raw(value)
            found[item["pDUSessionID"]] = transfer_octets(*value) if named else value
    return found


def gnb_id(pdu: Pdu) -> int:
    """The gNB ID in NG SETUP REQUEST, 0 of a node that is no gNB (TS 38.413 clause 9.3.1.6)."""
    value = pdu.get(IeId.GLOBAL_RAN_NODE_ID)
    if isinstance(value, tuple) and value[0] == "globalGNB-ID" and value[1]["gNB-ID"][0] == "gNB-ID":
        number: int = value[1]["gNB-ID"][1][0]
        return number
    return 0


def next_hop(pdu: Pdu) -> tuple[int, int] | None:
    """NH in the security context of a handover, a number and its bits (TS 38.413 clause 9.3.1.88)."""
    value = pdu.get(IeId.SECURITY_CONTEXT)
    return value["nextHopNH"] if isinstance(value, dict) else None


def paging_identity(pdu: Pdu) -> STmsi | None:
    """The 5G-S-TMSI that PAGING names (TS 38.413 clause 9.2.4.1)."""
    value = pdu.get(IeId.UE_PAGING_IDENTITY)
    if not isinstance(value, tuple) or value[0] != "fiveG-S-TMSI":
        return None
    return _read_s_tmsi(value[1])


# --- parts of the builders --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Guami:
    """An AMF's identity: region 8 bits, set 10 bits, pointer 6 bits (TS 23.003 clause 2.10.1)."""

    plmn: Plmn
    region: int
    set: int
    pointer: int

    def guti(self, tmsi: int) -> Guti:
        """The 5G-GUTI that this AMF makes with a 5G-TMSI of 32 bits."""
        return Guti(self.plmn, self.region, self.set, self.pointer, tmsi)


@dataclass(frozen=True)
class Session:
    """A PDU session on the user plane: identity, address and TEID of the tunnel, one QoS flow."""

    id: int
    address: str = "127.0.0.1"
    teid: int = 1
    qfi: int = 1


@dataclass(frozen=True)
class Resources:
    """What an SMF wants of the gNB for a PDU session: its `transfer`, and a NAS-PDU for the UE."""

    id: int
    snssai: Snssai
    transfer: bytes
    nas: bytes | None = None


def setup_request_transfer(session: Session) -> bytes:
    """PDU Session Resource Setup Request Transfer of an SMF: IPv4, one flow of 5QI 9 (clause 9.3.4.1)."""
    quality = {
        "qosCharacteristics": ("nonDynamic5QI", {"fiveQI": 9}),
        "allocationAndRetentionPriority": {
            "priorityLevelARP": 8,
            "pre-emptionCapability": "shall-not-trigger-pre-emption",
            "pre-emptionVulnerability": "not-pre-emptable",
        },
    }
    flow = {"qosFlowIdentifier": session.qfi, "qosFlowLevelQosParameters": quality}
    values = {
        IeId.PDU_SESSION_AGGREGATE_MAXIMUM_BIT_RATE: (
            "PDUSessionAggregateMaximumBitRate",
            {f"pDUSessionAggregateMaximumBitRate{way}": BIT_RATE for way in ("DL", "UL")},
        ),
        IeId.UL_NGU_UP_TNL_INFORMATION: ("UPTransportLayerInformation", _tunnel(session)),
        IeId.PDU_SESSION_TYPE: ("PDUSessionType", "ipv4"),
        IeId.QOS_FLOW_SETUP_REQUEST_LIST: ("QosFlowSetupRequestList", [flow]),
    }
    ies = [{"id": ie_id, "criticality": "reject", "value": value} for ie_id, value in values.items()]
    return transfer_octets("PDUSessionResourceSetupRequestTransfer", {"protocolIEs": ies})


def path_switch_acknowledge_transfer(session: Session) -> bytes:
    """Path Switch Request Acknowledge Transfer of an SMF: the uplink tunnel (TS 38.413 clause 9.3.4.9)."""
    value = {"uL-NGU-UP-TNLInformation": _tunnel(session)}
    return transfer_octets("PathSwitchRequestAcknowledgeTransfer", value)


def path_switch_unsuccessful_transfer(cause: Cause = ("radioNetwork", "unspecified")) -> bytes:
    """Path Switch Request Unsuccessful Transfer (TS 38.413 clause 9.3.4.20)."""
    return transfer_octets("PathSwitchRequestUnsuccessfulTransfer", {"cause": cause})


def bitmaps(capability: SecurityCapability) -> Bitmaps:
    """The bitmaps of this NAS capability; EPS octets that are absent give 0 (TS 38.413 clause 9.3.1.86)."""
    nea, nia, eea, eia = (
        octet << 9 & 0xFFFF
        for octet in (capability.ea, capability.ia, capability.eea or 0, capability.eia or 0)
    )
    return nea, nia, eea, eia


def _guami(guami: Guami) -> dict[str, Any]:
    return {
        "pLMNIdentity": guami.plmn.encode(),
        "aMFRegionID": (guami.region, 8),
        "aMFSetID": (guami.set, 10),
        "aMFPointer": (guami.pointer, 6),
    }


def _slice(snssai: Snssai) -> dict[str, bytes]:
    sst, sd = snssai
    return {"sST": bytes((sst,))} | ({} if sd is None else {"sD": sd.to_bytes(3, "big")})


def _slices(slices: Iterable[Snssai]) -> list[dict[str, Any]]:
    return [{"s-NSSAI": _slice(one)} for one in slices]


def _s_tmsi(s_tmsi: STmsi) -> dict[str, Any]:
    return {
        "aMFSetID": (s_tmsi.set, 10),
        "aMFPointer": (s_tmsi.pointer, 6),
        "fiveG-TMSI": s_tmsi.tmsi.to_bytes(4, "big"),
    }


def _to_set_up(resources: Iterable[Resources], nas_name: str) -> list[dict[str, Any]]:
    items = []
    for one in resources:
        item: dict[str, Any] = {"pDUSessionID": one.id, "s-NSSAI": _slice(one.snssai)}
        if one.nas is not None:
            item[nas_name] = one.nas
        items.append({**item, "pDUSessionResourceSetupRequestTransfer": one.transfer})
    return items


def _bit_rates(criticality: str) -> Ie:
    rates = {f"uEAggregateMaximumBitRate{way}": BIT_RATE for way in ("DL", "UL")}
    return Ie(IeId.UE_AGGREGATE_MAXIMUM_BIT_RATE, criticality, rates)


def _security(values: Bitmaps) -> dict[str, Any]:
    return {name: (value, 16) for name, value in zip(_BITMAPS, values, strict=True)}


def _tunnel(session: Session) -> tuple[str, Any]:
    address = ipaddress.ip_address(session.address)
    bits = (int(address), address.max_prefixlen)
    return ("gTPTunnel", {"transportLayerAddress": bits, "gTP-TEID": session.teid.to_bytes(4, "big")})


def _tai(plmn: Plmn, tac: int) -> dict[str, Any]:
    return {"pLMNIdentity": plmn.encode(), "tAC": tac.to_bytes(3, "big")}


def _eutra_cgi(plmn: Plmn, cell: int) -> dict[str, Any]:
    return {"pLMNIdentity": plmn.encode(), "eUTRACellIdentity": (cell, 28)}


def _location(plmn: Plmn, tac: int, nr_cell: int, criticality: str, *, eutra: bool = False) -> Ie:
    if eutra:
        where: Any = {"eUTRA-CGI": _eutra_cgi(plmn, nr_cell), "tAI": _tai(plmn, tac)}
        return Ie(IeId.USER_LOCATION_INFORMATION, criticality, ("userLocationInformationEUTRA", where))
    cgi = {"pLMNIdentity": plmn.encode(), "nRCellIdentity": (nr_cell, 36)}
    value = {"nR-CGI": cgi, "tAI": _tai(plmn, tac)}
    return Ie(IeId.USER_LOCATION_INFORMATION, criticality, ("userLocationInformationNR", value))


def _ids(amf_id: int, ran_id: int, criticality: str) -> list[Ie]:
    return [
        Ie(IeId.AMF_UE_NGAP_ID, criticality, amf_id),
        Ie(IeId.RAN_UE_NGAP_ID, criticality, ran_id),
    ]


def _initiating(procedure: int, criticality: str, name: str, ies: Iterable[Ie]) -> Pdu:
    return Pdu("initiatingMessage", procedure, criticality, name, tuple(ies))


def _outcome(kind: Kind, procedure: int, name: str, ies: Iterable[Ie]) -> Pdu:
    return Pdu(kind, procedure, "reject", name, tuple(ies))


# --- what a gNB sends -------------------------------------------------------------------------------------


def ng_setup_request(
    gnb_id: int, name: str, plmn: Plmn, tac: int, slices: Iterable[Snssai], *, gnb_id_bits: int = 32
) -> Pdu:
    """NG SETUP REQUEST of a gNB with one tracking area; `gnb_id_bits` 22..32 (TS 38.413 clause 9.2.6.1)."""
    identity = plmn.encode()
    gnb = {"pLMNIdentity": identity, "gNB-ID": ("gNB-ID", (gnb_id, gnb_id_bits))}
    broadcast = [{"pLMNIdentity": identity, "tAISliceSupportList": _slices(slices)}]
    areas = [{"tAC": tac.to_bytes(3, "big"), "broadcastPLMNList": broadcast}]
    ies = (
        Ie(IeId.GLOBAL_RAN_NODE_ID, "reject", ("globalGNB-ID", gnb)),
        Ie(IeId.RAN_NODE_NAME, "ignore", name),
        Ie(IeId.SUPPORTED_TA_LIST, "reject", areas),
        Ie(IeId.DEFAULT_PAGING_DRX, "ignore", "v128"),
    )
    return _initiating(21, "reject", "NGSetupRequest", ies)


def ng_enb_setup_request(enb_id: int, name: str, plmn: Plmn, tac: int, slices: Iterable[Snssai]) -> Pdu:
    """NG SETUP REQUEST of an ng-eNB, `enb_id` 20 bits, whose one tracking area is NB-IoT (clause 9.2.6.1)."""
    gnb = ng_setup_request(enb_id, name, plmn, tac, slices)
    enb = {"pLMNIdentity": plmn.encode(), "ngENB-ID": ("macroNgENB-ID", (enb_id, 20))}
    (area,) = gnb.ies[2].value
    rat = {"id": RAT_INFORMATION, "criticality": "reject", "extensionValue": ("RAT-Information", "nb-IoT")}
    ies = (
        Ie(IeId.GLOBAL_RAN_NODE_ID, "reject", ("globalNgENB-ID", enb)),
        gnb.ies[1],
        Ie(IeId.SUPPORTED_TA_LIST, "reject", [area | {"iE-Extensions": [rat]}]),
        gnb.ies[3],
    )
    return replace(gnb, ies=ies)


def initial_ue_message(
    ran_id: int,
    nas: bytes,
    plmn: Plmn,
    tac: int,
    nr_cell: int,
    cause: str = "mo-Signalling",
    s_tmsi: STmsi | None = None,
    context_request: bool = True,
    *,
    eutra: bool = False,
) -> Pdu:
    """INITIAL UE MESSAGE; `cause` of RRC establishment, `nr_cell` 36 bits (TS 38.413 clause 9.2.5.1).

    With `eutra` the cell is one of E-UTRA, its identity 28 bits.
    """
    ies = [
        Ie(IeId.RAN_UE_NGAP_ID, "reject", ran_id),
        Ie(IeId.NAS_PDU, "reject", nas),
        _location(plmn, tac, nr_cell, "reject", eutra=eutra),
        Ie(IeId.RRC_ESTABLISHMENT_CAUSE, "ignore", cause),
    ]
    if s_tmsi is not None:
        ies.append(Ie(IeId.FIVEG_S_TMSI, "reject", _s_tmsi(s_tmsi)))
    if context_request:
        ies.append(Ie(IeId.UE_CONTEXT_REQUEST, "ignore", "requested"))
    return _initiating(15, "ignore", "InitialUEMessage", ies)


def uplink_nas_transport(
    amf_id: int, ran_id: int, nas: bytes, plmn: Plmn, tac: int, nr_cell: int, *, eutra: bool = False
) -> Pdu:
    """UPLINK NAS TRANSPORT (TS 38.413 clause 9.2.5.3); cell as in `initial_ue_message`."""
    ies = [
        *_ids(amf_id, ran_id, "reject"),
        Ie(IeId.NAS_PDU, "reject", nas),
        _location(plmn, tac, nr_cell, "ignore", eutra=eutra),
    ]
    return _initiating(46, "ignore", "UplinkNASTransport", ies)


def _set_up(sessions: Iterable[Session | int]) -> list[dict[str, Any]]:
    items = []
    for session in (Session(entry) if isinstance(entry, int) else entry for entry in sessions):
        tunnel = {
            "uPTransportLayerInformation": _tunnel(session),
            "associatedQosFlowList": [{"qosFlowIdentifier": session.qfi}],
        }
        transfer = ("PDUSessionResourceSetupResponseTransfer", {"dLQosFlowPerTNLInformation": tunnel})
        items.append({"pDUSessionID": session.id, "pDUSessionResourceSetupResponseTransfer": transfer})
    return items


def initial_context_setup_response(amf_id: int, ran_id: int, sessions: Iterable[Session | int] = ()) -> Pdu:
    """INITIAL CONTEXT SETUP RESPONSE; an int is the identity of a session (TS 38.413 clause 9.2.2.2)."""
    ies = _ids(amf_id, ran_id, "ignore")
    if items := _set_up(sessions):
        ies.append(Ie(IeId.PDU_SESSION_RESOURCE_SETUP_LIST_CXT_RES, "ignore", items))
    return _outcome("successfulOutcome", 14, "InitialContextSetupResponse", ies)


def initial_context_setup_failure(
    amf_id: int, ran_id: int, cause: Cause = ("radioNetwork", "unspecified")
) -> Pdu:
    """INITIAL CONTEXT SETUP FAILURE (TS 38.413 clause 9.2.2.3)."""
    ies = [*_ids(amf_id, ran_id, "ignore"), Ie(IeId.CAUSE, "ignore", cause)]
    return _outcome("unsuccessfulOutcome", 14, "InitialContextSetupFailure", ies)


def ue_context_release_request(
    amf_id: int, ran_id: int, cause: Cause = ("radioNetwork", "user-inactivity")
) -> Pdu:
    """UE CONTEXT RELEASE REQUEST (TS 38.413 clause 9.2.2.4)."""
    ies = [*_ids(amf_id, ran_id, "reject"), Ie(IeId.CAUSE, "ignore", cause)]
    return _initiating(42, "ignore", "UEContextReleaseRequest", ies)


def ue_context_release_complete(amf_id: int, ran_id: int) -> Pdu:
    """UE CONTEXT RELEASE COMPLETE (TS 38.413 clause 9.2.2.6)."""
    return _outcome("successfulOutcome", 41, "UEContextReleaseComplete", _ids(amf_id, ran_id, "ignore"))


def ue_context_suspend_request(amf_id: int, ran_id: int) -> Pdu:
    """UE CONTEXT SUSPEND REQUEST of a UE without a user plane (TS 38.413 clause 9.2.2)."""
    return _initiating(59, "reject", "UEContextSuspendRequest", _ids(amf_id, ran_id, "reject"))


def ue_context_resume_request(amf_id: int, ran_id: int, cause: str = "mo-Signalling") -> Pdu:
    """UE CONTEXT RESUME REQUEST with an RRC resume cause (TS 38.413 clause 9.2.2)."""
    ies = [*_ids(amf_id, ran_id, "reject"), Ie(IeId.RRC_RESUME_CAUSE, "ignore", cause)]
    return _initiating(58, "reject", "UEContextResumeRequest", ies)


def pdu_session_resource_setup_response(amf_id: int, ran_id: int, sessions: Iterable[Session | int]) -> Pdu:
    """PDU SESSION RESOURCE SETUP RESPONSE; an int is the identity of a session (TS 38.413 clause 9.2.1.2)."""
    ies = _ids(amf_id, ran_id, "ignore")
    if items := _set_up(sessions):
        ies.append(Ie(IeId.PDU_SESSION_RESOURCE_SETUP_LIST_SU_RES, "ignore", items))
    return _outcome("successfulOutcome", 29, "PDUSessionResourceSetupResponse", ies)


def pdu_session_resource_release_response(amf_id: int, ran_id: int, sessions: Iterable[int]) -> Pdu:
    """PDU SESSION RESOURCE RELEASE RESPONSE for these PDU session identities (TS 38.413 clause 9.2.1.4)."""
    transfer = ("PDUSessionResourceReleaseResponseTransfer", dict[str, Any]())
    items = [
        {"pDUSessionID": number, "pDUSessionResourceReleaseResponseTransfer": transfer} for number in sessions
    ]
    listed = Ie(IeId.PDU_SESSION_RESOURCE_RELEASED_LIST_REL_RES, "ignore", items)
    ies = [*_ids(amf_id, ran_id, "ignore"), listed]
    return _outcome("successfulOutcome", 28, "PDUSessionResourceReleaseResponse", ies)


def path_switch_request(
    ran_id: int,
    source_amf_id: int,
    plmn: Plmn,
    tac: int,
    nr_cell: int,
    security: Bitmaps,
    sessions: Iterable[Session] = (Session(1),),
) -> Pdu:
    """PATH SWITCH REQUEST; its mandatory session list is left out if `sessions` is empty (clause 9.2.3.8)."""
    items = []
    for session in sessions:
        value = {
            "dL-NGU-UP-TNLInformation": _tunnel(session),
            "qosFlowAcceptedList": [{"qosFlowIdentifier": session.qfi}],
        }
        transfer = ("PathSwitchRequestTransfer", value)
        items.append({"pDUSessionID": session.id, "pathSwitchRequestTransfer": transfer})
    ies = [
        Ie(IeId.RAN_UE_NGAP_ID, "reject", ran_id),
        Ie(IeId.SOURCE_AMF_UE_NGAP_ID, "reject", source_amf_id),
        _location(plmn, tac, nr_cell, "ignore"),
        Ie(IeId.UE_SECURITY_CAPABILITIES, "ignore", _security(security)),
    ]
    if items:
        ies.append(Ie(IeId.PDU_SESSION_RESOURCE_TO_BE_SWITCHED_DL_LIST, "reject", items))
    return _initiating(25, "reject", "PathSwitchRequest", ies)


def ran_cp_relocation_indication(
    ran_id: int, s_tmsi: STmsi, plmn: Plmn, tac: int, cell: int, nas_mac: int, count: int
) -> Pdu:
    """RAN CP RELOCATION INDICATION; cell 28 bits, MAC 16, `count` the COUNT's lowest 5 (clause 8.3.8)."""
    security = {"ul-NAS-MAC": (nas_mac, 16), "ul-NAS-Count": (count, 5)}
    ies = [
        Ie(IeId.RAN_UE_NGAP_ID, "reject", ran_id),
        Ie(IeId.FIVEG_S_TMSI, "reject", _s_tmsi(s_tmsi)),
        Ie(IeId.EUTRA_CGI, "ignore", _eutra_cgi(plmn, cell)),
        Ie(IeId.TAI, "ignore", _tai(plmn, tac)),
        Ie(IeId.UL_CP_SECURITY_INFORMATION, "reject", security),
    ]
    return _initiating(57, "reject", "RANCPRelocationIndication", ies)


# --- what both ends send ----------------------------------------------------------------------------------


def error_indication(
    amf_id: int | None = None,
    ran_id: int | None = None,
    cause: Cause | None = ("protocol", "unspecified"),
) -> Pdu:
    """ERROR INDICATION; what is None is left out (TS 38.413 clause 9.2.7.1)."""
    parts = ((IeId.AMF_UE_NGAP_ID, amf_id), (IeId.RAN_UE_NGAP_ID, ran_id), (IeId.CAUSE, cause))
    ies = [Ie(ie_id, "ignore", value) for ie_id, value in parts if value is not None]
    return _initiating(9, "ignore", "ErrorIndication", ies)


# --- what an AMF sends ------------------------------------------------------------------------------------


def ng_setup_response(
    name: str, guami: Guami, plmn: Plmn, slices: Iterable[Snssai], capacity: int = 255
) -> Pdu:
    """NG SETUP RESPONSE; `capacity` is the relative AMF capacity 0..255 (TS 38.413 clause 9.2.6.2)."""
    support = [{"pLMNIdentity": plmn.encode(), "sliceSupportList": _slices(slices)}]
    ies = (
        Ie(IeId.AMF_NAME, "reject", name),
        Ie(IeId.SERVED_GUAMI_LIST, "reject", [{"gUAMI": _guami(guami)}]),
        Ie(IeId.RELATIVE_AMF_CAPACITY, "ignore", capacity),
        Ie(IeId.PLMN_SUPPORT_LIST, "reject", support),
    )
    return _outcome("successfulOutcome", 21, "NGSetupResponse", ies)


def ng_setup_failure(cause: Cause = ("misc", "unknown-PLMN-or-SNPN"), time_to_wait: str | None = None) -> Pdu:
    """NG SETUP FAILURE; `time_to_wait` is "v1s" to "v60s" (TS 38.413 clauses 9.2.6.3 and 9.3.1.56)."""
    ies = [Ie(IeId.CAUSE, "ignore", cause)]
    if time_to_wait is not None:
        ies.append(Ie(IeId.TIME_TO_WAIT, "ignore", time_to_wait))
    return _outcome("unsuccessfulOutcome", 21, "NGSetupFailure", ies)


def downlink_nas_transport(amf_id: int, ran_id: int, nas: bytes) -> Pdu:
    """DOWNLINK NAS TRANSPORT (TS 38.413 clause 9.2.5.2)."""
    ies = [*_ids(amf_id, ran_id, "reject"), Ie(IeId.NAS_PDU, "reject", nas)]
    return _initiating(4, "ignore", "DownlinkNASTransport", ies)


def initial_context_setup_request(
    amf_id: int,
    ran_id: int,
    guami: Guami,
    allowed_nssai: Iterable[Snssai],
    security: Bitmaps,
    kgnb: bytes,
    nas: bytes | None = None,
    resources: Iterable[Resources] = (),
    up_ciot: bool = False,
) -> Pdu:
    """INITIAL CONTEXT SETUP REQUEST; `kgnb` is 32 octets (TS 38.413 clause 9.2.2.1)."""
    items = _to_set_up(resources, "nAS-PDU")
    ies = [
        *_ids(amf_id, ran_id, "reject"),
        *([_bit_rates("reject")] if items else []),
        Ie(IeId.GUAMI, "reject", _guami(guami)),
        *([Ie(IeId.PDU_SESSION_RESOURCE_SETUP_LIST_CXT_REQ, "reject", items)] if items else []),
        Ie(IeId.ALLOWED_NSSAI, "reject", _slices(allowed_nssai)),
        Ie(IeId.UE_SECURITY_CAPABILITIES, "reject", _security(security)),
        Ie(IeId.SECURITY_KEY, "reject", (int.from_bytes(kgnb, "big"), 8 * len(kgnb))),
    ]
    if nas is not None:
        ies.append(Ie(IeId.NAS_PDU, "ignore", nas))
    if up_ciot:
        ies.append(Ie(IeId.UE_UP_CIOT_SUPPORT, "ignore", "supported"))
    return _initiating(14, "reject", "InitialContextSetupRequest", ies)


def connection_establishment_indication(amf_id: int, ran_id: int, dl_nas_mac: int | None = None) -> Pdu:
    """CONNECTION ESTABLISHMENT INDICATION, with a DL NAS MAC of 16 bits or without (clause 8.3.6)."""
    ies = _ids(amf_id, ran_id, "reject")
    if dl_nas_mac is not None:
        ies.append(Ie(IeId.DL_CP_SECURITY_INFORMATION, "ignore", {"dl-NAS-MAC": (dl_nas_mac, 16)}))
    return _initiating(65, "reject", "ConnectionEstablishmentIndication", ies)


def pdu_session_resource_setup_request(amf_id: int, ran_id: int, resources: Iterable[Resources]) -> Pdu:
    """PDU SESSION RESOURCE SETUP REQUEST (TS 38.413 clause 9.2.1.1)."""
    items = _to_set_up(resources, "pDUSessionNAS-PDU")
    ies = [
        *_ids(amf_id, ran_id, "reject"),
        Ie(IeId.PDU_SESSION_RESOURCE_SETUP_LIST_SU_REQ, "reject", items),
        _bit_rates("ignore"),
    ]
    return _initiating(29, "reject", "PDUSessionResourceSetupRequest", ies)


def paging(s_tmsi: STmsi, plmn: Plmn, tacs: Iterable[int]) -> Pdu:
    """PAGING of an idle UE in these tracking areas (TS 38.413 clause 9.2.4.1)."""
    identity = plmn.encode()
    areas = [{"tAI": {"pLMNIdentity": identity, "tAC": tac.to_bytes(3, "big")}} for tac in tacs]
    ies = (
        Ie(IeId.UE_PAGING_IDENTITY, "ignore", ("fiveG-S-TMSI", _s_tmsi(s_tmsi))),
        Ie(IeId.TAI_LIST_FOR_PAGING, "ignore", areas),
    )
    return _initiating(24, "ignore", "Paging", ies)


def ue_context_suspend_response(amf_id: int, ran_id: int) -> Pdu:
    """UE CONTEXT SUSPEND RESPONSE (TS 38.413 clause 9.2.2)."""
    return _outcome("successfulOutcome", 59, "UEContextSuspendResponse", _ids(amf_id, ran_id, "ignore"))


def ue_context_suspend_failure(amf_id: int, ran_id: int, cause: Cause) -> Pdu:
    """UE CONTEXT SUSPEND FAILURE (TS 38.413 clause 9.2.2)."""
    ies = [*_ids(amf_id, ran_id, "ignore"), Ie(IeId.CAUSE, "ignore", cause)]
    return _outcome("unsuccessfulOutcome", 59, "UEContextSuspendFailure", ies)


def ue_context_resume_response(amf_id: int, ran_id: int) -> Pdu:
    """UE CONTEXT RESUME RESPONSE for a UE without a user plane (TS 38.413 clause 9.2.2)."""
    return _outcome("successfulOutcome", 58, "UEContextResumeResponse", _ids(amf_id, ran_id, "ignore"))


def ue_context_resume_failure(amf_id: int, ran_id: int, cause: Cause) -> Pdu:
    """UE CONTEXT RESUME FAILURE (TS 38.413 clause 9.2.2)."""
    ies = [*_ids(amf_id, ran_id, "ignore"), Ie(IeId.CAUSE, "ignore", cause)]
    return _outcome("unsuccessfulOutcome", 58, "UEContextResumeFailure", ies)


def ue_context_release_command(amf_id: int, ran_id: int, cause: Cause = ("nas", "normal-release")) -> Pdu:
    """UE CONTEXT RELEASE COMMAND for the pair of UE NGAP IDs (TS 38.413 clause 9.2.2.5)."""
    pair = ("uE-NGAP-ID-pair", {"aMF-UE-NGAP-ID": amf_id, "rAN-UE-NGAP-ID": ran_id})
    ies = (Ie(IeId.UE_NGAP_IDS, "reject", pair), Ie(IeId.CAUSE, "ignore", cause))
    return _initiating(41, "reject", "UEContextReleaseCommand", ies)


def path_switch_request_acknowledge(
    amf_id: int,
    ran_id: int,
    security: Bitmaps | None,
    allowed_nssai: Iterable[Snssai],
    next_hop: bytes,
    chaining_count: int,
    switched: Mapping[int, bytes],
    released: Mapping[int, bytes] = MappingProxyType({}),
) -> Pdu:
    """PATH SWITCH REQUEST ACKNOWLEDGE; `next_hop` 32 octets, count 0..7 (TS 38.413 clause 9.2.3.9).

    `switched` and `released` hold the SMF's transfer of each PDU session.
    """
    ies = _ids(amf_id, ran_id, "ignore")
    if security is not None:
        ies.append(Ie(IeId.UE_SECURITY_CAPABILITIES, "reject", _security(security)))
    key = (int.from_bytes(next_hop, "big"), 8 * len(next_hop))
    items = _carried("pathSwitchRequestAcknowledgeTransfer", switched)
    ies += [
        Ie(IeId.SECURITY_CONTEXT, "reject", {"nextHopChainingCount": chaining_count, "nextHopNH": key}),
        Ie(IeId.PDU_SESSION_RESOURCE_SWITCHED_LIST, "ignore", items),
    ]
    if released:
        items = _carried("pathSwitchRequestUnsuccessfulTransfer", released)
        ies.append(Ie(IeId.PDU_SESSION_RESOURCE_RELEASED_LIST_PS_ACK, "ignore", items))
    ies.append(Ie(IeId.ALLOWED_NSSAI, "reject", _slices(allowed_nssai)))
    return _outcome("successfulOutcome", 25, "PathSwitchRequestAcknowledge", ies)


def path_switch_request_failure(amf_id: int, ran_id: int, released: Mapping[int, bytes]) -> Pdu:
    """PATH SWITCH REQUEST FAILURE with the transfer of each PDU session (TS 38.413 clause 9.2.3.10)."""
    items = _carried("pathSwitchRequestUnsuccessfulTransfer", released)
    listed = Ie(IeId.PDU_SESSION_RESOURCE_RELEASED_LIST_PS_FAIL, "ignore", items)
    ies = [*_ids(amf_id, ran_id, "ignore"), listed]
    return _outcome("unsuccessfulOutcome", 25, "PathSwitchRequestFailure", ies)


def _carried(name: str, transfers: Mapping[int, bytes]) -> list[dict[str, Any]]:
    return [{"pDUSessionID": session, name: octets} for session, octets in transfers.items()]
