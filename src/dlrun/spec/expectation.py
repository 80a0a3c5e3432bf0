"""Describe the type of a field in words (`a whole number of at least 1`), for errors and `dlrun components`."""

from __future__ import annotations

import datetime as dt
import enum
import pathlib
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dlrun.component import Path

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    dt.datetime: "a date and a time: 2026-01-31T12:00:00",
    dt.date: "a date: 2026-01-31",
    dt.time: "a time: 12:00:00",
    dt.timedelta: "a duration: PT1H30M",
    pathlib.Path: "a path",
    list: "a list",
    tuple: "a list",
    set: "a list",
    dict: "a group of names",
}
_BOUNDS = (
    (annotated_types.Gt, "gt", "more than"),
    (annotated_types.Ge, "ge", "at least"),
    (annotated_types.Lt, "lt", "less than"),
    (annotated_types.Le, "le", "at most"),
)


def expectation(field: FieldInfo) -> str:
    """Describe the values that a field accepts."""
    if field.examples:
        return "one of " + ", ".join(map(str, field.examples))
    return describe_type(field.annotation, field.metadata)


def describe_type(annotation: Any, bounds: list[Any] | None = None) -> str:
    """Describe the values that a type annotation accepts.

    Args:
        annotation: Type annotation.
        bounds: Bounds on the numbers in it.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe_type(arguments[0], [*(bounds or ()), *_marks(arguments[1:])])
    if origin in (Union, types.UnionType):
        names = [describe_type(argument, bounds) for argument in arguments]
        # `a whole number or a number` is redundant.
        kept = [name for name in names if not (name.startswith("a whole number") and float in arguments)]
        return " or ".join(dict.fromkeys(kept))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments)) if len(arguments) > 1 else str(arguments[0])
    if origin in (tuple, list, set, frozenset):
        return _describe_list(arguments if origin is tuple else (arguments[0], ...))
    if origin is dict:
        return f"a group of names, each with {describe_type(arguments[1])}"
    return _describe_plain(annotation, bounds or [])


def fields_at(model: type[BaseModel], path: Path) -> Iterator[FieldInfo]:
    """Yield the fields at `path`; a union may have several."""
    field = model.model_fields.get(str(path[0])) if path else None
    if field is None:
        return
    if all(isinstance(key, int) for key in path[1:]):
        yield field
        return
    for group in groups_in(field.annotation):
        yield from fields_at(group, path[2:] if isinstance(path[1], int) else path[1:])


def groups_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the groups of keys (pydantic models) in an annotation, also inside lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from groups_in(argument)


def holds_names(annotation: Any) -> bool:
    """Return whether an annotation is a mapping with arbitrary keys."""
    if get_origin(annotation) in (Annotated, Union, types.UnionType):
        return any(holds_names(argument) for argument in get_args(annotation))
    return annotation is dict or get_origin(annotation) is dict


def _describe_plain(annotation: Any, bounds: list[Any]) -> str:
    """Describe the values of a type without arguments."""
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return "one of " + ", ".join(str(member.value) for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a group of keys: " + ", ".join(annotation.model_fields)
    words = _WORDS.get(annotation, "a value")
    return words + _describe_bounds(bounds) if annotation in (int, float) else words


def _describe_list(arguments: tuple[Any, ...]) -> str:
    if arguments[1:] == (Ellipsis,):
        return f"a list, each item {describe_type(arguments[0])}"
    return "a list of " + ", ".join(map(describe_type, arguments))


def _describe_bounds(marks: list[Any]) -> str:
    limits = [
        f"{words} {getattr(mark, key)}" for mark in marks for kind, key, words in _BOUNDS if isinstance(mark, kind)
    ]
    return " of " + " and ".join(limits) if limits else ""


def _marks(metadata: tuple[Any, ...]) -> Iterator[Any]:
    for mark in metadata:
        if isinstance(mark, FieldInfo):
            yield from mark.metadata
        else:
            yield mark
