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


_SYNCH = "TC_SYNC_FAIL_SEAF_AMF"
_RES_STAR = "TC_RES_STAR_VERIFICATION_FAILURE"
_INTEGRITY = "TC_AMF_NAS_INTEGRITY_FAILURE"
_REPLAY = "TC_NAS_REPLAY_AMF"
_NULL = "TC_NAS_NULL_INT_AMF"
_SELECTION = "TC_NAS_INT_SELECTION_USE_AMF"
_CAPABILITY = "TC_UE_SEC_CAP_HANDLING_AMF"
_SLICE = "TC_VALIDTATION_SNSSAI_IN_PDU_REQUEST"
_REVOCATION = "TC_NSSAA_REVOCATION"
_SETUP = "TC_UE_SEC_CAPS_AS_CONTEXT_SETUP"
_REDIRECTION = "TC_AMF_REDIRECTION_5GS_EPS"
_REESTABLISHMENT = "TC_AMF_REEST_CP_CIOT"
_GUTI = "TC_5G_GUTI_ALLOCATION_AMF"
_XN = "TC_BIDDING_DOWN_XN_AMF"
_MOVE = "TC_NAS_ALG_AMF_CHANGE _AMF"

AMF: Mapping[str, Fault] = MappingProxyType(
    {
        "resync-drops-auts": Fault(_SYNCH, "asks for a new vector, but leaves resynchronizationInfo out"),
        "resync-wrong-rand": Fault(_SYNCH, "pairs AUTS with a RAND that is not the one of the challenge"),
        "resync-challenges-early": Fault(
            _SYNCH, "sends the old challenge again before the AUSF has answered"
        ),
        "resync-accepts-unsolicited": Fault(_SYNCH, "passes an AUTS on that answers no challenge"),
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
        "redirect-before-smc": Fault(_REDIRECTION, "redirects to EPC at once, with a plain reject"),
        "redirect-unprotected": Fault(_REDIRECTION, "redirects to EPC in time, but with a plain reject"),
        "ul-mac-unchecked": Fault(_REESTABLISHMENT, "gives DL CP Security Information for any UL NAS MAC"),
        "no-dl-mac": Fault(_REESTABLISHMENT, "takes the UE over, but never gives DL CP Security Information"),
        "guti-kept": Fault(_GUTI, "gives a UE that has a 5G-GUTI the same one again"),
        "guti-no-update-after-paging": Fault(_GUTI, "renews the 5G-GUTI at registration only"),
        "guti-sequential": Fault(_GUTI, "raises the 5G-TMSI by one"),
        "guti-before-security": Fault(_GUTI, "sends the 5G-GUTI integrity protected, but not ciphered"),
        "path-switch-no-compare": Fault(_XN, "acknowledges a path switch without the UE's capabilities"),
        "path-switch-adopts": Fault(_XN, "takes over the capabilities that a path switch reports"),
        "mismatch-not-logged": Fault(_XN, "answers a mismatch rightly, and keeps no record of it"),
        "snssai-unchecked": Fault(_SLICE, "forwards a session request whatever the Allowed NSSAI is"),
        "eap-failure-ignored": Fault(_SLICE, "allows a slice whose authentication failed"),
        "silent-drop": Fault(_SLICE, "drops a session request that it does not forward"),
        "revocation-no-dereg": Fault(_REVOCATION, "takes the last slice away and keeps the UE registered"),
        "revocation-ignored": Fault(_REVOCATION, "answers a revocation with 204 and does nothing"),
        "rejected-list-missing": Fault(_REVOCATION, "deregisters without the rejected S-NSSAI"),
        "inherits-source-algs": Fault(_MOVE, "goes on with the algorithms of the AMF that a UE comes from"),
        "nasc-missing": Fault(_MOVE, "changes algorithms in handover without the NAS container"),
        "no-smc-on-mru": Fault(_MOVE, "accepts a UE of another AMF under its own algorithms unsaid"),
        "mute": Fault("", "sends nothing on N2 after NG SETUP RESPONSE"),
        "dies-midway": Fault("", "exits at the 3rd uplink NAS message after a completed registration"),
        "dies-after": Fault("", "exits when a UE asks to deregister: after all that most test cases look at"),
        "garbage": Fault("", "replaces each downlink message after NG Setup by random octets"),
        "slow": Fault("", "delays each downlink message after NG Setup by --slow-s seconds"),
        "flood": Fault("", "answers each uplink message of a UE with 2,000 DOWNLINK NAS TRANSPORT"),
        "loses-once": Fault(
            "", "loses the association once, at the first capability it refuses", awkward=True
        ),
        "late-session": Fault("", "serves PDU session 2 late, once", awkward=True),
        "late-release": Fault(
            "", "takes a UE for connected a moment longer than its gNB does, and sends to it", awkward=True
        ),
        "chatty": Fault(
            "",
            "sends CONFIGURATION UPDATE COMMAND some time after each registration, and after paging the one "
            "with a new 5G-GUTI only before it lets go; authenticates UEs of another AMF first",
            awkward=True,
        ),
    }
)
