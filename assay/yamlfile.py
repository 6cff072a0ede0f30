"""YAML that people write and we read strictly: no key twice, bounded, errors that name file and line."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from assay.errors import UsageError

MAX_FILE = 4 << 20
Where = tuple[Any, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)


class _Loader(yaml.CSafeLoader):
    """YAML without duplicate keys."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value]
    for key, _ in node.value:
        if keys.count(key.value) > 1:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key.value!r} stands twice", key.start_mark
            )
    return dict(loader.construct_pairs(node, deep=True))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _lines(node: yaml.Node | None, path: Where = ()) -> dict[Where, int]:
    """Line number of every key and item of a composed YAML document."""
    found = {path: node.start_mark.line + 1} if node else {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found |= _lines(value, (*path, key.value))
            found[(*path, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found |= _lines(value, (*path, index))
    return found


def parse(path: Path, what: str, error: type[UsageError] = UsageError) -> tuple[Any, dict[Where, int]]:
    """The data of a YAML file and the line of each key and item; raises `error` where it cannot be read.

    `what` says what the file is meant to be: "profile".
    """
    try:
        if path.stat().st_size > MAX_FILE:
            raise error(f"{path} is larger than {MAX_FILE >> 20} MiB: is it a {what}?")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise error(f"{path}: cannot be read: {problem}") from problem
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, stricter than its base
        return data, _lines(yaml.compose(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as problem:
        mark = getattr(problem, "problem_mark", None)
        said = getattr(problem, "problem", None) or str(problem).splitlines()[0]
        where = f"{path}:{mark.line + 1 if mark else 1}"
        raise error(f"{where}: {said}; a {what} is a YAML mapping") from problem


def line(lines: dict[Where, int], where: Where) -> int:
    """The line of a place in a document, or of the nearest place around it."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def read(path: Path, model: type[ModelT], what: str) -> tuple[ModelT, dict[Where, int]]:
    """A YAML file as a model, and its lines; raises UsageError that names file, line and what is wrong."""
    data, lines = parse(path, what)
    try:
        return model.model_validate(data), lines
    except ValidationError as problem:
        wrong = [
            f"{path}:{line(lines, e['loc'])}: {'.'.join(map(str, e['loc'])) or what}: "
            + e["msg"].removeprefix("Value error, ")
            for e in problem.errors()[:20]
        ]
        raise UsageError("\n".join(wrong)) from problem
