"""Faults of the vendor's declaration: the product is as it was; what is declared instead stands in the profile."""

from drivers.emulated.host.steps import Fault

_OVERLOAD = "TC_SYSTEM_HANDLING_OF_OVERLOAD_SITUATIONS"
_SUPPORT = "TC_NO_UNSUPPORTED_COMPONENTS"
_OVERFLOW = "TC_PROTECTION_FROM_BUFFER_OVERFLOW"

FAULTS = {
    "overload-doc-missing-threshold": Fault(_OVERLOAD, "the description of overload control has no numbers"),
    "eol-date-missing": Fault(_SUPPORT, "a component has no date of support"),
    "eol-contract-expired": Fault(_SUPPORT, "the contract for longer support has ended"),
    "bof-doc-missing": Fault(_OVERFLOW, "mechanisms are claimed without test results"),
}
