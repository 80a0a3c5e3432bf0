"""One group of YAML keys checked against one class of fields: an instance, or every problem in it with its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from dlrun.component import Path
from dlrun.errors import Problem
from dlrun.registry import nearest
from dlrun.spec.document import Node
from dlrun.spec.expectation import expectation, fields_at, groups_in

M = TypeVar("M", bound=BaseModel)

_PYDANTIC_ERRORS = frozenset(get_args(ErrorType)) - {"value_error"}
_LONGEST_SHOWN = 60


def validate(node: Node, fields: type[M], *, where: str, extra: Iterable[str] = ()) -> tuple[M | None, list[Problem]]:
    """Make an instance of `fields` from a group of keys.

    Args:
        node: The group. Misspelt keys in it are renamed to what they mean, so that their values are checked as well.
        fields: A class of fields.
        where: The group's name in messages: `training`, `model.blocks`.
        extra: Keys that may stand there and are not fields (`type`).

    Returns:
        The instance, or None, and the problems.
    """
    if not isinstance(node.value, dict):
        found = "nothing" if node.value is None else shown(node.plain())
        expected = "a group of keys: " + ", ".join(fields.model_fields)
        return None, [node.place.problem(f"{where} is {found}", expected=expected)]
    problems = correct_keys(node, (*fields.model_fields, *extra), where=where)
    problems += _correct_nested(node, fields, where=where)
    unknown = {key for key in node.entries if key not in fields.model_fields}
    plain = {key: value for key, value in node.plain().items() if key not in unknown}
    try:
        made = fields.model_validate(plain)
    except ValidationError as error:
        return None, problems + _located(error.errors(include_url=False), node, fields, where=where)
    return made, problems


def correct_keys(node: Node, names: Iterable[str], *, where: str) -> list[Problem]:
    """Report keys that are not in `names`; those that are a misspelling of a missing one are renamed to it."""
    names = tuple(names)
    problems = []
    for key in [key for key in node.entries if key not in names]:
        absent = [name for name in names if name not in node.entries]
        meant = nearest(key, absent) or nearest(key, names)
        said = f"unknown key {key!r} in {where}"
        expected = "one of " + ", ".join(names) if names else "no keys"
        problems.append(node.key_places[key].problem(said, expected=expected, hint=did_you_mean(meant)))
        if meant in absent:
            node.rename_key(key, meant)
    return problems


def did_you_mean(name: str | None) -> str:
    """The hint that names the nearest known name; empty if nothing is near."""
    return f"did you mean {name!r}?" if name else ""


def shown(value: Any) -> str:
    """A value as a message shows it: as YAML writes it, and not at length."""
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, tuple | list):
        text = "[" + ", ".join(map(shown, value)) + "]"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = "null" if value is None else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _correct_nested(node: Node, fields: type[BaseModel], *, where: str) -> list[Problem]:
    """The same for groups below: a list of blocks, a group of early stopping keys."""
    problems = []
    for name, field in fields.model_fields.items():
        below = node.child(name)
        groups = tuple(groups_in(field.annotation))
        if below is None or not groups:
            continue
        nodes = [below, *below.children()] if isinstance(below.value, list) else [below]
        for group_node in nodes:
            if isinstance(group_node.value, dict):
                names = dict.fromkeys(key for group in groups for key in group.model_fields)
                problems += correct_keys(group_node, names, where=f"{where}.{name}")
                for group in groups:
                    problems += _correct_nested(group_node, group, where=f"{where}.{name}")
    return problems


def _located(errors: list[ErrorDetails], node: Node, fields: type[BaseModel], *, where: str) -> list[Problem]:
    problems: dict[Path, Problem] = {}
    for error in errors:
        path = node.known_part(error["loc"])
        if error["type"] == "extra_forbidden":
            continue  # reported, with the nearest name, by correct_keys
        if error["type"] == "missing" and len(path) == len(error["loc"]) - 1:
            key = error["loc"][-1]
            field = next(fields_at(fields, (*path, key)), None)
            what = f"{_name(where, path)} lacks the key {key!r}"
            problem = node.place_of(path).problem(what, expected=expectation(field) if field else "")
            problems.setdefault((*path, key), problem)
            continue
        problems.setdefault(path, _problem(error, path, node, fields, where=where))
    return list(problems.values())


def _problem(error: ErrorDetails, path: Path, node: Node, fields: type[BaseModel], *, where: str) -> Problem:
    place = node.place_of(path)
    field = next(fields_at(fields, path), None)
    if error["type"] not in _PYDANTIC_ERRORS or field is None:  # written by a component: it says all
        return place.problem(error["msg"])
    value = node.at(path).plain()
    return place.problem(
        f"{_name(where, path)} is {shown(value)}", expected=expectation(field), hint=_near(value, field)
    )


def _near(value: Any, field: FieldInfo) -> str:
    if not isinstance(value, str):
        return ""
    choices = expectation(field)
    meant = nearest(value, choices.removeprefix("one of ").split(", ")) if "one of " in choices else None
    return did_you_mean(meant)


def _name(where: str, path: Path) -> str:
    name = where
    for key in path:
        name += f"[{key}]" if isinstance(key, int) else f".{key}"
    return name
