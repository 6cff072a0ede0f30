"""Product and catalogue together: what runs, what does not apply and why."""

from collections.abc import Collection, Iterable, Sequence

from assay import catalogue, suites
from assay.campaign import Planned
from assay.catalogue import TestCase, Variant
from assay.errors import UsageError
from assay.profile import Profile
from assay.verdict import Outcome, Verdict, inconclusive

CLASSES = {"AMF": ("ts_33_512",)}
"""The specifications that are written for a class of network function."""
HOST = "host"
"""The target that a declaration describes: the product's operating system and management."""
DISRUPTIVE = "disruptive"


def applicability(
    case: TestCase, variant: Variant, profile: Profile, target: str, allowed: Collection[str]
) -> Verdict | None:
    """NOT_APPLICABLE by a declaration, INCONCLUSIVE where one is missing, None where the variant applies."""
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
    if target == HOST and profile.declaration is not None:
        if lacking := profile.declaration.lacks(needed(case, variant)):
            return inconclusive(f"not declared: {', '.join(lacking)}")
        if variant.disruptive and DISRUPTIVE not in allowed:
            return inconclusive("disruptive: run with --allow disruptive, it changes the product for a while")
    return None


def needed(case: TestCase, variant: Variant) -> tuple[str, ...]:
    """The keys of the declaration that a variant needs."""
    return case.profile_keys if variant.profile_keys is None else variant.profile_keys


def disruptive(planned: Planned) -> bool:
    """Whether a variant changes a host for a while: it runs after the others, and alone."""
    _, case = catalogue.find(planned.case, planned.spec)
    return planned.target == HOST and case.variant(planned.variant).disruptive


def turn(planned: Planned) -> str:
    """What of the product a variant has for itself; such variants take turns (catalogue, `isolation`)."""
    _, case = catalogue.find(planned.case, planned.spec)
    isolation = next(v.isolation for v in case.variants if v.name == planned.variant)
    return isolation if isolation in ("ausf", "product") else ""


def alone(planned: Planned, profile: Profile) -> bool:
    """Whether a variant must not run beside others on this product."""
    kind = turn(planned)
    return kind == "product" or (kind == "ausf" and not room(profile)["ausf"]) or disruptive(planned)


def room(profile: Profile) -> dict[str, int]:
    """How many variants find what they need for themselves at a time, by `turn`."""
    return {"ausf": len({"ausf2", "ausf3", "ausf4"} & profile.peers.keys())}


def targets(profile: Profile) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What can be tested, by the bench that it takes: the target's name and its specifications."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, function in profile.functions.items():
        found[function.kind.lower()] = name, CLASSES[function.kind]
    if profile.declaration is not None:
        found[HOST] = (HOST, ("ts_33_117",))
    return found


def make(
    profile: Profile,
    specs: Iterable[str] = (),
    selected: Sequence[str] = (),
    allowed: Collection[str] = (),
) -> tuple[Planned, ...]:
    """The variants to run, in the catalogue's order, and after them those that are disruptive.

    `selected` holds `ID` or `ID/VARIANT`; raises UsageError for one that is unknown, not automated, or not
    for this product.
    """
    known = targets(profile)
    keys = tuple(specs) or tuple(key for _, its in known.values() for key in its)
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
    plan, missing = [], set()
    for key in keys:
        bound = suites.bindings(key)
        for case in catalogue.load(key).cases:
            for variant in case.variants:
                here = (case.id, variant.name)
                if here not in bound or (selected and here not in wanted):
                    continue
                bench = bound[here].bench
                if bench not in known:
                    missing.add(bench)
                    continue
                target, _ = known[bench]
                decided = applicability(case, variant, profile, target, allowed)
                plan.append(Planned(key, case.id, case.slug, variant.name, target, decided))
    if not plan and missing:
        lacking = " or ".join(
            "a declaration" if one == HOST else f"the {one.upper()}" for one in sorted(missing)
        )
        raise UsageError(f"nothing to run: the profile has not {lacking} that these test cases are about")
    if not plan:
        raise UsageError(f"nothing to run: {', '.join(keys)} has no automated test case yet (`assay list`)")
    return tuple(sorted(plan, key=disruptive))
