"""A field's type in words (`a whole number, at least 1`): for error messages and for `dlrun components`."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dlrun.component import Path

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
_BOUNDS = (
    (annotated_types.Gt, "gt", "more than"),
    (annotated_types.Ge, "ge", "at least"),
    (annotated_types.Lt, "lt", "less than"),
    (annotated_types.Le, "le", "at most"),
)


def expectation(field: FieldInfo) -> str:
    """What a field takes, in words."""
    return _with_bounds(describe_type(field.annotation), field.metadata)


def describe_type(annotation: Any) -> str:
    """What a type annotation admits, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _with_bounds(describe_type(arguments[0]), list(arguments[1:]))
    if origin in (Union, types.UnionType):
        names = [describe_type(argument) for argument in arguments]
        # A bare float beside an int says no more than the float does.
        return " or ".join(dict.fromkeys(n for n in names if not (n == "a whole number" and "a number" in names)))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments)) if len(arguments) > 1 else str(arguments[0])
    if origin is tuple:
        return _describe_tuple(arguments)
    if origin is dict:
        return f"a group of names, each with {describe_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a group of keys: " + ", ".join(annotation.model_fields)
    return _WORDS.get(annotation, "a value")


def fields_at(model: type[BaseModel], path: Path) -> Iterator[FieldInfo]:
    """The fields that `path` may mean, the last key's; several where a union leaves it open."""
    if not path:
        return
    field = model.model_fields.get(str(path[0]))
    if field is None:
        return
    if len(path) == 1 or all(isinstance(key, int) for key in path[1:]):
        yield field
        return
    for group in groups_in(field.annotation):
        yield from fields_at(group, path[2:] if isinstance(path[1], int) else path[1:])


def groups_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The groups of keys (pydantic models) that an annotation may hold, through lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from groups_in(argument)


def _describe_tuple(arguments: tuple[Any, ...]) -> str:
    if len(arguments) == 2 and arguments[1] is Ellipsis:  # noqa: PLR2004
        return f"a list of {describe_type(arguments[0]).removeprefix('a ')}s".replace("keyss", "keys")
    return "a list of " + ", ".join(map(describe_type, arguments))


def _with_bounds(words: str, metadata: list[Any]) -> str:
    bounds = [
        f"{said} {getattr(mark, key)}" for mark in metadata for kind, key, said in _BOUNDS if isinstance(mark, kind)
    ]
    nested = [m for m in metadata if isinstance(m, FieldInfo)]
    for field in nested:
        words = _with_bounds(words, field.metadata)
    return ", ".join([words, *bounds])
