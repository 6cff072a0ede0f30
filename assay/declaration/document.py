"""The documentation of the declaration, written from its schema and the catalogue."""

import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from assay import catalogue
from assay.declaration import Declaration, shapes

HEAD = """# The declaration

What a vendor declares of a product (its implementation conformance statement) stands under `declaration:`
in the profile. One thing has one name. A test case that needs a key which is not declared is INCONCLUSIVE
and says which; an empty list is a declaration that there is none. Facts are nouns; what ends in `_action`
is something the harness may invoke, and nothing else may change the product. `assay init ADDRESS` drafts
one by looking at a product, `assay doctor PROFILE` says which test cases lack which key. Written by `make
schema`; do not edit.
"""


def text() -> str:
    """The whole page, in Markdown."""
    needed: dict[str, list[str]] = {}
    for _, case in catalogue.everything():
        for key in case.profile_keys:
            needed.setdefault(key, []).append(case.slug)
    return "\n".join([HEAD, *_areas(needed), "## Shapes\n", *_shapes()]) + "\n"


def _areas(needed: dict[str, list[str]]) -> Iterator[str]:
    for area, field in Declaration.model_fields.items():
        model: Any = field.annotation
        yield f"## {model.__doc__.rstrip('.')} (`{area}`)\n"
        yield "| key | meaning | shape | needed by |\n|---|---|---|---|"
        for name, one in model.model_fields.items():
            key = f"{area}.{name}"
            cases = ", ".join(f"`{slug}`" for slug in needed.get(key, ()))
            yield f"| `{key}` | {_cell(one.description or '')} | {_cell(shape(one.annotation))} | {cases} |"
        yield ""


def _shapes() -> Iterator[str]:
    for model in vars(shapes).values():
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or model in (
            BaseModel,
            shapes.Shape,
        ):
            continue
        yield f"### {model.__name__}\n\n{model.__doc__}\n"
        for name, field in model.model_fields.items():
            required = " (required)" if field.is_required() else ""
            more = f": {field.description}" if field.description else ""
            yield f"- `{name}`{required}, {shape(field.annotation)}{more}"
        if model.model_config.get("extra") == "allow":
            yield "- and whatever names what is excepted"
        yield ""


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")


def shape(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return shape(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(shape(one) for one in arguments if one is not types.NoneType))
    if origin is tuple:
        return f"list of {shape(arguments[0])}"
    if origin is dict:
        return f"map to {shape(arguments[1])}"
    if origin is typing.Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    words = {str: "text", int: "integer", float: "number", bool: "true or false", Any: "anything"}
    return words.get(annotation) or str(getattr(annotation, "__name__", annotation))
