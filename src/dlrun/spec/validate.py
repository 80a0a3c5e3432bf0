"""Validate a group of YAML keys against a class of fields, and report every problem with its location."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from dlrun.component import Path, read_fields, unstable
from dlrun.errors import MOST_SHOWN, Problem
from dlrun.names import edit_distance, fold_name, nearest
from dlrun.schedules import schedules
from dlrun.spec.expectation import expectation, fields_at, groups_in, holds_names
from dlrun.spec.habits import KEYS, elsewhere
from dlrun.yaml_tree.document import Node

M = TypeVar("M", bound=BaseModel)

_PYDANTIC_ERRORS = frozenset(get_args(ErrorType)) - {"value_error"}
_LONGEST_SHOWN = 60
MOST_LOCATED = 1000
"""Maximum number of wrong values to report for a component, for example in a long list."""
_PERCENT = re.compile(r"(\d+(?:\.\d*)?)\s*%")
_NUMERAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SHOULD_BE = "Input should be "
_ABOUT_KEYS = ("unknown_argument", "unknown_name")
_SET_BY_DLRUN = {
    "from_logits": "dlrun sets it from the last layer of the model, which may apply softmax or sigmoid",
    "num_classes": "dlrun gets the number of classes from the data",
    "input_shape": "dlrun gets the shape from the data",
}


class UnknownKey(NamedTuple):
    """The message on a key that only other components have: why it is unknown, what was expected, and what to try."""

    why: str
    expected: str
    hint: str


def validate(
    node: Node,
    fields: type[M],
    *,
    where: str,
    extra: Iterable[str] = (),
    absent: Mapping[str, UnknownKey] | None = None,
) -> tuple[M | None, list[Problem]]:
    """Create an instance of `fields` from a group of keys.

    Args:
        node: Group of keys. Misspelled keys are renamed to the intended ones, so that their values are checked too.
        fields: Class of fields.
        where: Name of the group in messages, such as `training` or `model.blocks`.
        extra: Allowed keys that are not fields, such as `type`.
        absent: Messages on keys that only other components have.

    Returns:
        The instance, or None if it is not valid, and the problems.
    """
    if not isinstance(node.value, dict):
        found = "nothing" if node.value is None else shown(node.plain())
        expected = "a group of keys: " + ", ".join(fields.model_fields)
        return None, [node.place.problem(f"{where} is {found}", expected=expected)]
    # Keys are corrected first, at every depth, so that the value of a misspelled key is checked in the same pass.
    problems = correct_keys(node, (*fields.model_fields, *extra), where=where, absent=absent)
    _correct_nested(node, fields, problems, where=where)
    plain = {key: value for key, value in node.plain().items() if key in fields.model_fields}
    try:
        made = read_fields(fields, plain)
    except ValidationError as error:
        errors = list(islice(error.errors(include_url=False), MOST_LOCATED))
        problems += _locate(errors, node, fields, where=where)
        # If no error has a place of its own, the group must still be reported as wrong.
        return None, problems or [node.place.problem(f"{where}: {errors[0]['msg']}")]
    problems += [
        node.place.problem(f"{where}.{each.name} {each.what}", expected=each.expected) for each in unstable(made)
    ]
    return made, problems


def correct_keys(
    node: Node,
    names: Iterable[str],
    *,
    where: str,
    hinted: bool = True,
    absent: Mapping[str, UnknownKey] | None = None,
) -> list[Problem]:
    """Report keys that are not in `names`, and rename misspellings of missing keys.

    Args:
        node: Group of keys.
        names: Allowed keys.
        where: Name of the group in messages.
        hinted: Whether to search for the intended key.
        absent: Messages on keys that only other components have.
    """
    names = tuple(names)
    problems: list[Problem] = []
    for key in [key for key in node.entries if key not in names]:
        what = f"unknown key {cut(key)!r} in {where}"
        if (
            len(problems) >= MOST_SHOWN or not hinted
        ):  # it will be counted, not shown: spare the search for what it means
            problems.append(node.key_places[key].problem(what))
            continue
        if absent and key in absent:
            why, expected, hint = absent[key]
            problems.append(node.key_places[key].problem(f"{what}, {why}", expected=expected, hint=hint))
            continue
        free = [name for name in names if name not in node.entries]
        # Another spelling of a name is certain. Otherwise a missing key is the more likely meaning; one that exists as
        # well is only a hint.
        meant = nearest(key, free) or nearest(key, names)
        meant = next((name for name in names if fold_name(name) == fold_name(key)), meant)
        # A name from another tool is known for sure, while a similar spelling is a guess.
        if KEYS.get(key) in names:
            meant = KEYS[key]
        elif hint := _elsewhere_hint(node, key, meant, where=where):
            problems.append(node.key_places[key].problem(what, expected=_one_of(names), hint=hint))
            continue
        hint = _SET_BY_DLRUN.get(key) or did_you_mean(meant)
        problems.append(node.key_places[key].problem(what, expected=_one_of(names), hint=hint))
        if meant in free and key not in _SET_BY_DLRUN:
            node.rename_key(key, meant)
    return problems


def _one_of(names: tuple[str, ...]) -> str:
    return "one of " + ", ".join(names) if names else "no keys"


def _elsewhere_hint(node: Node, key: str, meant: str | None, *, where: str) -> str:
    """Return a hint that a key belongs to another section; empty if it does not, or is a misspelling in this one."""
    if key in _SET_BY_DLRUN or (meant is not None and fold_name(meant) == fold_name(key)):
        return ""
    paths = [path for path in elsewhere(key) if path.rpartition(".")[0] != where]
    place = node.key_places[key]
    # One letter away from a key of this section: a typing error is more likely than the wrong section.
    if not paths or (meant is not None and edit_distance(meant, key) <= 1):
        return ""
    if place.origin == "--set" and key == place.text.partition("=")[0].strip():
        return " or ".join(f"--set {path}={place.text.partition('=')[2]}" for path in paths)
    if paths == [key]:
        return f"{key} is a section of its own; start its line in the first column, like {where}"
    return f"did you mean {' or '.join(paths)}?"


def did_you_mean(name: str | None) -> str:
    """Return a hint with the nearest known name; empty if there is none."""
    return f"did you mean {name!r}?" if name else ""


def shown(value: Any) -> str:
    """Return a value for a message: in YAML form and shortened."""
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, tuple | list):
        text = "[" + ", ".join(map(shown, value[:_LONGEST_SHOWN])) + "]"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = "null" if value is None else repr(value)
    return cut(text)


def cut(text: str) -> str:
    """Return a text for a message, shortened."""
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _correct_nested(node: Node, fields: type[BaseModel], problems: list[Problem], *, where: str) -> None:
    """Correct the keys of nested groups, such as a list of blocks, and add to `problems`."""
    for name, groups in _groups_below(fields).items():
        below = node.child(name)
        if below is None:
            continue
        # Which of the groups is meant is known only after the keys are correct, so the keys of all are allowed.
        names = tuple(dict.fromkeys(key for group in groups for key in group.model_fields))
        is_many = isinstance(below.value, list) or holds_names(fields.model_fields[name].annotation)
        nodes = list(below.children()) if is_many else [below]
        for group_node in nodes:
            if isinstance(group_node.value, dict):
                hinted = len(problems) < MOST_SHOWN
                problems += correct_keys(group_node, names, where=f"{where}.{name}", hinted=hinted)
                for group in groups:
                    _correct_nested(group_node, group, problems, where=f"{where}.{name}")


@cache
def _groups_below(fields: type[BaseModel]) -> dict[str, tuple[type[BaseModel], ...]]:
    """Return the groups that each key may contain, without keys that contain none."""
    found = {name: tuple(groups_in(field.annotation)) for name, field in fields.model_fields.items()}
    return {name: groups for name, groups in found.items() if groups}


def _locate(errors: list[ErrorDetails], node: Node, fields: type[BaseModel], *, where: str) -> list[Problem]:
    problems: dict[Path, Problem] = {}
    for error in errors:
        path = node.path_of(error["loc"])
        if error["type"] == "extra_forbidden":
            # Reported, with the nearest name, by correct_keys; except a key that another form of the same group has.
            if problem := _key_of_another_form(path, node, fields, where=where):
                problems.setdefault(path, problem)
            continue
        if error["type"] == "missing" and len(path) == len(error["loc"]) - 1:
            key = error["loc"][-1]
            field = next(fields_at(fields, (*path, key)), None)
            what = f"{_name(where, path)} has no key {key!r}"
            problem = node.place_of(path).problem(what, expected=expectation(field) if field else "")
            problems.setdefault((*path, key), problem)
            continue
        # A union reports an error for each of its types at the same place: the first is enough.
        problems.setdefault(path, _problem(error, path, node, fields, where=where))
    return list(problems.values())


def _key_of_another_form(path: Path, node: Node, fields: type[BaseModel], *, where: str) -> Problem | None:
    """Return the problem of a key that a group of another type has, such as `bins` in {type: periodic, bins: 3}."""
    parent = next(fields_at(fields, path[:-1]), None)
    if parent is None or next(fields_at(fields, path), None) is None:
        return None
    key, group = path[-1], node.at(path[:-1])
    names = [tuple(form.model_fields) for form in groups_in(parent.annotation) if key not in form.model_fields]
    kind = group.child("type")
    what = f"unknown key {key!r} in {_name(where, path[:-1])}" + (f" of type {kind.value}" if kind else "")
    return group.key_places[str(key)].problem(what, expected=_one_of(names[0]) if names else "")


def _problem(error: ErrorDetails, path: Path, node: Node, fields: type[BaseModel], *, where: str) -> Problem:
    place = node.place_of(path)
    field = next(fields_at(fields, path), None)
    value, name = node.at(path).plain(), _name(where, path)
    context = error.get("ctx", {})
    if "what" in context:  # from a Keras component, which has already searched for the nearest name
        if error["type"] in _ABOUT_KEYS:
            place = node.at(path[:-1]).key_places.get(str(path[-1]), place) if path else place
        return place.problem(context["what"], hint=did_you_mean(context["nearest"]))
    if error["type"] not in _PYDANTIC_ERRORS or field is None:  # written by a component
        if error["msg"].startswith(_SHOULD_BE):
            return place.problem(f"{name} is {shown(value)}", expected=error["msg"].removeprefix(_SHOULD_BE))
        return place.problem(error["msg"])
    return place.problem(f"{name} is {shown(value)}", expected=expectation(field), hint=_hint(value, field))


def _hint(value: Any, field: FieldInfo) -> str:
    """Return a hint for a wrong value: the nearest choice, or a list with the value."""
    if get_origin(field.annotation) is tuple and not isinstance(value, tuple | dict) and value is not None:
        return f"[{value}]"
    if isinstance(value, dict) and "type" in value:
        return "put the learning-rate schedule under the key schedule" if value["type"] in schedules.names() else ""
    if not isinstance(value, str):
        return ""
    if (percent := _PERCENT.fullmatch(value)) and "number" in expectation(field):
        return f"write {value} as the fraction {float(percent[1]) / 100:g}"
    if _NUMERAL.fullmatch(value) and "number" in expectation(field):
        return f"write {value} without quotes"
    choices = expectation(field)
    meant = nearest(value, choices.removeprefix("one of ").split(", ")) if "one of " in choices else None
    return did_you_mean(meant)


def _name(where: str, path: Path) -> str:
    name = where
    for key in path:
        name += f"[{key}]" if isinstance(key, int) else f".{key}"
    return name
