"""Reads `table.json`, what `generate` wrote about Keras' own classes, into entries and arguments."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

Group = Literal["optimizers", "schedules", "losses", "metrics", "layers", "initializers", "regularizers", "constraints"]
GROUPS: tuple[Group, ...] = get_args(Group)

MODULES: Mapping[Group, str] = {
    group: "keras.optimizers.schedules" if group == "schedules" else f"keras.{group}" for group in GROUPS
}
"""The module in which each group's classes are found."""

TABLE_PATH = Path(__file__).with_name("table.json")


@dataclass(frozen=True)
class Argument:
    """One argument of a Keras class.

    Args:
        name: As Keras calls it.
        description: What it means, in Keras' words.
        types: What it may be: `bool int number text choice activation initializer regularizer constraint layer null`;
            `ints numbers texts` for lists of them, `shape` for integers and nulls, `pairs` for pairs of integers.
        required: Whether it has no default.
        default: Its value when it is not given; a tuple where Keras has one.
        choices: The words allowed by `choice`.
        ge: Smallest number allowed, in lists too.
        gt: Largest number that is too small.
        le: Largest number allowed, in lists too.
        lt: Smallest number that is too large.
        length: How many items a list has.
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
    """One Keras class.

    Args:
        group: What it is.
        name: The name in a spec: snake_case, for layers the class name.
        class_name: Its name in Keras.
        summary: The first sentence of its docstring.
        arguments: In Keras' order.
    """

    group: Group
    name: str
    class_name: str
    summary: str
    arguments: tuple[Argument, ...]


def entry_names(group: Group) -> tuple[str, ...]:
    """The names of one group, sorted."""
    return tuple(_table()["groups"][group])


@functools.cache
def find_entry(group: Group, name: str) -> Entry:
    """The entry called `name`.

    Raises:
        KeyError: There is none.
    """
    plain = _table()["groups"][group][name]
    arguments = (_parse_argument(name, row) for name, row in plain["arguments"].items())
    return Entry(group, name, plain["class_name"], plain["summary"], tuple(arguments))


def short_names(kind: str) -> dict[str, str]:
    """Keras' other names for the entries of a group: `{"mse": "mean_squared_error", ...}`.

    Args:
        kind: A group, or what a registry calls it, in the singular; empty for a kind that Keras has no classes of.
    """
    groups: dict[str, str] = {"optimizer": "optimizers", "schedule": "schedules", "loss": "losses", "metric": "metrics"}
    return dict(_table()["short_names"].get(groups.get(kind, kind), {}))


def activation_names() -> tuple[str, ...]:
    """The names of Keras' activation functions, sorted."""
    return tuple(_table()["activations"])


def plain_argument(argument: Argument) -> dict[str, Any]:
    """The JSON form of an argument: what differs from an `Argument`'s own defaults, and the default if it has one."""
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
