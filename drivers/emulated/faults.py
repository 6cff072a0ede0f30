"""The faults an emulated product can be started with: the name, the test case it must fail, the effect."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Fault(NamedTuple):
    """A switchable defect; `case` is empty for the generic ones that no test case may pass.

    An `awkward` one is no defect of security: the product is odd, and no test case may fail it for that.
    """

    case: str
    effect: str
    awkward: bool = False


_RES_STAR = "TC_RES_STAR_VERIFICATION_FAILURE"
_INTEGRITY = "TC_AMF_NAS_INTEGRITY_FAILURE"
_REPLAY = "TC_NAS_REPLAY_AMF"
_NULL = "TC_NAS_NULL_INT_AMF"
_SELECTION = "TC_NAS_INT_SELECTION_USE_AMF"
_CAPABILITY = "TC_UE_SEC_CAP_HANDLING_AMF"
_SETUP = "TC_UE_SEC_CAPS_AS_CONTEXT_SETUP"

AMF: Mapping[str, Fault] = MappingProxyType(
    {
        "res-star-unchecked": Fault(_RES_STAR, "passes a wrong RES* on and goes on after any 200"),
        "ausf-verdict-ignored": Fault(_RES_STAR, "takes every 200 with a kseaf for a success"),
        "ausf-timeout-accepts": Fault(_RES_STAR, "goes on when the confirmation is never answered"),
        "res-star-leaked": Fault(_RES_STAR, "rejects a wrong RES*, but sends it to the AUSF instead of null"),
        "no-identity-fallback": Fault(_RES_STAR, "rejects a 5G-GUTI registration outright"),
        "mac-not-verified": Fault(_INTEGRITY, "handles uplink NAS without comparing the MAC"),
        "plain-accepted": Fault(_INTEGRITY, "handles plain messages after NAS security was activated"),
        "count-consumed": Fault(_INTEGRITY, "advances the uplink COUNT for a message it discards"),
        "nas-count-not-checked": Fault(_REPLAY, "never compares the COUNT with the last accepted one"),
        "replay-restarts-registration": Fault(
            _REPLAY, "header type 4 resets the uplink COUNT, and accepts again"
        ),
        "nia0-for-all": Fault(_NULL, "has NIA0 first in its integrity list"),
        "nia0-emergency-authenticated": Fault(_NULL, "falls to NIA0 for emergency registrations"),
        "smc-mac-zero": Fault(_NULL, "sends SECURITY MODE COMMAND with a zero MAC"),
        "ue-order-wins": Fault(_SELECTION, "takes the highest bit number of the UE instead of its own order"),
        "list-ignored": Fault(_SELECTION, "always picks 128-NIA2"),
        "unsupported-picked": Fault(_SELECTION, "picks an integrity algorithm the UE did not offer"),
        "smcomplete-mac-unchecked": Fault(_SELECTION, "accepts SECURITY MODE COMPLETE with a wrong MAC"),
        "empty-caps-to-null": Fault(_CAPABILITY, "maps an all-zero capability to NEA0 or NIA0"),
        "mandatory-not-required": Fault(_CAPABILITY, "accepts a UE with the optional algorithms only"),
        "caps-ignored": Fault(_CAPABILITY, "selects its own first algorithms, offered or not"),
        "crash-on-empty": Fault(_CAPABILITY, "closes the N2 association on an all-zero octet"),
        "caps-unshifted": Fault(_SETUP, "copies the NAS octets into the NGAP bitmaps without the shift"),
        "caps-static": Fault(_SETUP, "always sends a configured constant to the gNB"),
        "caps-eutra-dropped": Fault(_SETUP, "sends zero EUTRA bitmaps although the UE sent EPS octets"),
        "caps-no-ia3": Fault(_SETUP, "masks 128-NIA3 away towards the gNB"),
        "mute": Fault("", "sends nothing on N2 after NG SETUP RESPONSE"),
        "dies-midway": Fault("", "exits at the 3rd uplink NAS message after a completed registration"),
        "garbage": Fault("", "replaces each downlink message after NG Setup by random octets"),
        "slow": Fault("", "delays each downlink message after NG Setup by --slow-s seconds"),
        "flood": Fault("", "answers each uplink message of a UE with 2,000 DOWNLINK NAS TRANSPORT"),
        "loses-once": Fault(
            "", "loses the association once, at the first capability it refuses", awkward=True
        ),
        "late-session": Fault("", "serves PDU session 2 late, once", awkward=True),
        "chatty": Fault(
            "", "sends CONFIGURATION UPDATE COMMAND some time after each registration", awkward=True
        ),
    }
)
