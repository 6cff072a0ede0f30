"""The test cases that are code: which module serves which variant of which specification."""

import importlib
import pkgutil
from functools import cache
from typing import Any

import testsuites
from assay.case import Case


@cache
def bindings(key: str) -> dict[tuple[str, str], Case[Any]]:
    """Every (case id, variant) of one specification that has code, found by importing its light modules."""
    if key not in {info.name for info in pkgutil.iter_modules(testsuites.__path__)}:
        return {}
    folder = importlib.import_module(f"{testsuites.__name__}.{key}")
    found: dict[tuple[str, str], Case[Any]] = {}
    for info in pkgutil.iter_modules(folder.__path__):
        if not info.name.startswith("test_"):
            continue
        module = importlib.import_module(f"{folder.__name__}.{info.name}")
        for value in vars(module).values():
            bound = getattr(value, "scas", None)
            if isinstance(bound, Case) and bound.probe.__module__ == module.__name__:
                for variant in bound.variants:
                    if (bound.id, variant) in found:
                        raise TypeError(
                            f"{bound.id}/{variant} is bound twice, the second time in {info.name}"
                        )
                    found[bound.id, variant] = bound
    return found
