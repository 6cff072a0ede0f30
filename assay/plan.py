"""Product and catalogue together: what runs, what does not apply and why."""

from collections.abc import Iterable, Sequence

from assay import catalogue, suites
from assay.campaign import Planned
from assay.catalogue import TestCase, Variant
from assay.errors import UsageError
from assay.profile import Profile
from assay.verdict import Outcome, Verdict, inconclusive

CLASSES = {"AMF": ("ts_33_512",)}
"""The specifications that are written for a class of network function."""


def applicability(case: TestCase, variant: Variant, profile: Profile) -> Verdict | None:
    """NOT_APPLICABLE by a declaration, INCONCLUSIVE without one, None where the variant applies."""
    for feature in (case.feature, variant.feature):
        if feature is None:
            continue
        declared = profile.features.get(feature)
        condition = variant.applicability or case.applicability
        if declared is None:
            return inconclusive(
                f"not declared: features.{feature} decides whether this applies ({condition})"
            )
        if not declared.supported:
            return Verdict(Outcome.NOT_APPLICABLE, f"declared not supported ({feature}): {declared.why}")
    return None


def turn(planned: Planned) -> str:
    """What of the product a variant has for itself; such variants take turns (catalogue, `isolation`)."""
    _, case = catalogue.find(planned.case, planned.spec)
    isolation = next(v.isolation for v in case.variants if v.name == planned.variant)
    return isolation if isolation in ("ausf", "product") else ""


def alone(planned: Planned, profile: Profile) -> bool:
    """Whether a variant must not run beside others on this product."""
    kind = turn(planned)
    return kind == "product" or (kind == "ausf" and not room(profile)["ausf"])


def room(profile: Profile) -> dict[str, int]:
    """How many variants find what they need for themselves at a time, by `turn`."""
    return {"ausf": len({"ausf2", "ausf3", "ausf4"} & profile.peers.keys())}


def make(profile: Profile, specs: Iterable[str] = (), selected: Sequence[str] = ()) -> tuple[Planned, ...]:
    """The variants to run, in the catalogue's order.

    `selected` holds `ID` or `ID/VARIANT`; raises UsageError for one that is unknown or not automated.
    """
    target, function = next(iter(profile.functions.items()))
    keys = tuple(specs) or CLASSES[function.kind]
    for key in keys:
        catalogue.load(key)
    wanted: set[tuple[str, str]] = set()
    for text in selected:
        case_id, _, variant_name = text.partition("/")
        spec, case = catalogue.find(case_id)
        if case.status != "automated":
            raise UsageError(f"{case.id} is {case.status}: it has no automated steps yet")
        names = [v.name for v in case.variants]
        if variant_name and variant_name not in names:
            raise UsageError(f"{case.id} has no variant {variant_name!r}, but {', '.join(names)}")
        wanted |= {(case.id, name) for name in names if variant_name in ("", name)}
        keys = keys if spec.key in keys else (*keys, spec.key)
    plan = []
    for key in keys:
        bound = suites.bindings(key)
        for case in catalogue.load(key).cases:
            for variant in case.variants:
                here = (case.id, variant.name)
                if here in bound and (not selected or here in wanted):
                    decided = applicability(case, variant, profile)
                    plan.append(Planned(key, case.id, case.slug, variant.name, target, decided))
    if not plan:
        raise UsageError(f"nothing to run: {', '.join(keys)} has no automated test case yet (`assay list`)")
    return tuple(plan)
