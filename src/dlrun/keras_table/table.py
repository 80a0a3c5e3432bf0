"""Read `table.json`, the generated description of the classes of Keras."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

Group = Literal[
    "optimizers", "schedules", "losses", "metrics", "layers", "merges", "initializers", "regularizers", "constraints",
    "nodes",
]  # fmt: skip
"""`merges` are layers with several inputs; `nodes` are all layers, of one input or of several."""

GROUPS: tuple[Group, ...] = tuple(group for group in get_args(Group) if group != "nodes")
"""The groups that the table has; the others are made of them."""

_OTHER_MODULES: Mapping[Group, str] = {
    "schedules": "keras.optimizers.schedules",
    "merges": "keras.layers",
    "nodes": "keras.layers",
}
MODULES: Mapping[Group, str] = {group: _OTHER_MODULES.get(group, f"keras.{group}") for group in get_args(Group)}
"""Module that contains the classes of each group."""

TABLE_PATH = Path(__file__).with_name("table.json")


@dataclass(frozen=True)
class Argument:
    """An argument of a Keras class.

    Args:
        name: Name in Keras.
        description: Its meaning, from the documentation of Keras unless `descriptions` overrides it.
        types: Accepted types: `bool int number text choice activation initializer regularizer constraint layer null`;
            `ints numbers texts` for lists of them, `shape` for integers and nulls, `pairs` for pairs of integers.
        required: Whether it has no default.
        default: Default value.
        choices: Words that `choice` accepts.
        ge: Inclusive lower bound of numbers, also in lists.
        gt: Exclusive lower bound of numbers, also in lists.
        le: Inclusive upper bound of numbers, also in lists.
        lt: Exclusive upper bound of numbers, also in lists.
        length: Number of items of a list; None for any number.
    """

    name: str
    description: str
    types: tuple[str, ...]
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    length: int | None = None


@dataclass(frozen=True)
class Entry:
    """A class of Keras.

    Args:
        group: Kind of class.
        name: Name in a spec: snake_case, or the class name for layers.
        class_name: Name in Keras.
        summary: First sentence of its docstring.
        arguments: Its arguments in the order of Keras.
    """

    group: Group
    name: str
    class_name: str
    summary: str
    arguments: tuple[Argument, ...]


def entry_names(group: Group) -> tuple[str, ...]:
    """Return the names of a group, sorted."""
    if group == "nodes":
        return tuple(sorted((*entry_names("layers"), *entry_names("merges"))))
    return tuple(_table()["groups"][group])


@functools.cache
def find_entry(group: Group, name: str) -> Entry:
    """Return the entry with this name.

    Raises:
        KeyError: There is no such entry.
    """
    if group == "nodes":
        return replace(find_entry("merges" if name in entry_names("merges") else "layers", name), group=group)
    plain = _table()["groups"][group][name]
    arguments = (_parse_argument(name, row) for name, row in plain["arguments"].items())
    return Entry(group, name, plain["class_name"], plain["summary"], tuple(arguments))


def short_names(kind: str) -> dict[str, str]:
    """Return the alternative names of Keras for the entries of a group: `{"mse": "mean_squared_error", ...}`.

    Args:
        kind: A group, or the kind of a registry (singular).

    Returns:
        Names of entries by alternative name; empty for a kind that Keras does not have.
    """
    groups: dict[str, str] = {
        "optimizer": "optimizers",
        "schedule": "schedules",
        "loss": "losses",
        "metric": "metrics",
        "nodes": "layers",
    }
    return dict(_table()["short_names"].get(groups.get(kind, kind), {}))


def activation_names() -> tuple[str, ...]:
    """Return the names of the activation functions of Keras, sorted."""
    return tuple(_table()["activations"])


def plain_argument(argument: Argument) -> dict[str, Any]:
    """Return an argument as JSON: the fields that differ from the defaults of `Argument`, and its default if any."""
    unset = {field.name: field.default for field in fields(Argument)}
    plain = {key: value for key, value in asdict(argument).items() if key != "name" and value != unset[key]}
    plain.pop("default", None)
    return plain if argument.required else plain | {"default": argument.default}


def _parse_argument(name: str, plain: Mapping[str, Any]) -> Argument:
    return Argument(name=name, **{key: _with_tuples(value) for key, value in plain.items()})


def _with_tuples(value: Any) -> Any:
    return tuple(_with_tuples(item) for item in value) if isinstance(value, list) else value


@functools.cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE_PATH.read_text(encoding="utf-8"))
    return table
