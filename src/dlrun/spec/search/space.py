"""The space of a search: numbers and choices, some of which exist only below an option of another choice."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dlrun.yaml_tree.text import yaml_text

Point = Mapping[str, float | int]
"""A point of a space: the number of each active parameter, or the index of the option of a choice, by its name."""

PointKey = tuple[tuple[str, float | int], ...]

_DIGITS = 6
_LONGEST_FLOAT = 8


@dataclass(frozen=True)
class Number:
    """A parameter that is a number between two bounds.

    Args:
        name: Name in points; that of its key, with the index of each option above it: `model[0].dropout`.
        path: Key of the spec, with dots: `model.dropout`.
        low: Smallest value.
        high: Largest value.
        log: Whether its scale is logarithmic.
        step: Distance between two values; None for any number in between.
        is_integer: Whether its values are whole numbers.
    """

    name: str
    path: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    is_integer: bool = False

    @property
    def size(self) -> int | None:
        """Number of values; None if there is no limit."""
        step = self.step or (1 if self.is_integer else None)
        return None if step is None else round((self.high - self.low) / step) + 1

    def at(self, index: int) -> float | int:
        """Return one of its values in rising order, counted from 0, if it has a limited number of them."""
        if self.is_integer:
            return int(self.low) + index * int(self.step or 1)
        # In decimals, since 3 * 0.1 would be 0.30000000000000004.
        return float(_decimal(self.low) + index * _decimal(self.step or 0))

    def from_unit(self, unit: float) -> float | int:
        """Return the value at a place of its scale.

        Args:
            unit: The place, from 0 to below 1. Equal parts of this interval are equally likely values.
        """
        if self.log and self.is_integer:
            first, last = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return min(max(round(math.exp(first + unit * (last - first))), int(self.low)), int(self.high))
        if (size := self.size) is not None:
            return self.at(min(int(unit * size), size - 1))
        return self.rounded(self._at_place(unit))

    def to_unit(self, value: float) -> float:
        """Return the place of a value on its scale, from 0 to 1: the middle of its part if values have steps."""
        if self.log:
            half = 0.5 if self.is_integer else 0.0
            first, last = math.log(self.low - half), math.log(self.high + half)
            return (math.log(value) - first) / (last - first)
        if (size := self.size) is not None:
            return (round((value - self.low) / (self.step or 1)) + 0.5) / size
        return (value - self.low) / (self.high - self.low)

    def rounded(self, value: float) -> float | int:
        """Return the nearest of its values; of a continuous range, the nearest with six digits."""
        value = min(max(float(value), self.low), self.high)
        if (size := self.size) is not None:
            return self.at(min(round((value - self.low) / (self.step or 1)), size - 1))
        finest = min(self.high - self.low, value) if self.log else self.high - self.low
        short = round(value, _DIGITS - math.floor(math.log10(finest)))
        return min(max(short, self.low), self.high)

    def contains(self, value: Any) -> bool:
        """Return whether a value is one of its values."""
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        return self.size is None or math.isclose(self.rounded(value), value, rel_tol=1e-12)

    def signature(self) -> dict[str, Any]:
        """Return everything that makes it this parameter, in plain values."""
        return {
            "name": self.name,
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "step": self.step,
            "integer": self.is_integer,
        }

    def _at_place(self, unit: float) -> float:
        if self.log:
            first, last = math.log(self.low), math.log(self.high)
            return math.exp(first + unit * (last - first))
        return self.low + unit * (self.high - self.low)


@dataclass(frozen=True)
class Option:
    """One of the values of a choice.

    Args:
        value: The value in plain Python, with tuples for lists and None in the place of each parameter below it.
        text: The value for people.
        parameters: Parameters that exist only where this option is chosen.
    """

    value: Any
    text: str
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Categorical:
    """A parameter whose value is one of several options.

    Args:
        name: Name in points; that of its key, with the index of each option above it.
        path: Key of the spec, with dots.
        options: Its options. A point contains the index of one.
    """

    name: str
    path: str
    options: tuple[Option, ...]

    @property
    def size(self) -> int | None:
        """Number of its options with every value of the parameters below them; None if there is no limit."""
        sizes = [_size_of(option.parameters) for option in self.options]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    def from_unit(self, unit: float) -> int:
        """Return the index of the option at a place from 0 to below 1."""
        return min(int(unit * len(self.options)), len(self.options) - 1)

    def signature(self) -> dict[str, Any]:
        """Return everything that makes it this parameter, in plain values."""
        options = [
            {"value": option.value, "parameters": [each.signature() for each in option.parameters]}
            for option in self.options
        ]
        plain: dict[str, Any] = json.loads(json.dumps({"name": self.name, "options": options}))
        return plain


Parameter = Number | Categorical


@dataclass(frozen=True)
class Space:
    """All points that a search chooses from.

    Args:
        parameters: The parameters, in the order of the config. More of them may follow from the options of a choice.
    """

    parameters: tuple[Parameter, ...]

    @property
    def size(self) -> int | None:
        """Number of points; None if there is no limit."""
        return _size_of(self.parameters)

    @property
    def all_parameters(self) -> tuple[Parameter, ...]:
        """Every parameter, also those below the options of a choice, each before those below it."""
        return tuple(_below(self.parameters))

    def active(self, point: Point) -> tuple[Parameter, ...]:
        """Return the parameters that exist where the options of a point are chosen, each before those below it."""
        return tuple(_active(self.parameters, point))

    def choose(self, unit_of: Callable[[Parameter], float]) -> Point:
        """Return the point whose parameters have these places on their scales.

        Args:
            unit_of: Called once for each parameter that exists, in order; returns a number from 0 to below 1.
        """
        return self.fill(lambda parameter: parameter.from_unit(unit_of(parameter)))

    def fill(self, value_of_parameter: Callable[[Parameter], float | int]) -> Point:
        """Return the point whose parameters have these values; the index of its option for a choice.

        Args:
            value_of_parameter: Called once for each parameter that exists, in order.
        """
        return dict(_filled(self.parameters, value_of_parameter))

    def points(self) -> Iterator[Point]:
        """Yield every point; the last parameter changes fastest.

        Raises:
            ValueError: Their number has no limit.
        """
        if self.size is None:
            raise ValueError("the space has no limited number of points")
        return map(dict, _enumerated(self.parameters))

    def signature(self) -> list[dict[str, Any]]:
        """Return everything that makes it this space, in plain values as read from JSON."""
        return [parameter.signature() for parameter in self.parameters]


def point_key(point: Point) -> PointKey:
    """Return a point as a key of a dictionary: equal points have equal keys."""
    return tuple(sorted(point.items()))


def overrides_of(space: Space, point: Point) -> tuple[str, ...]:
    """Return the overrides that give a spec the values of a point, one for each key of the space."""
    return tuple(f"{each.path}={yaml_text(value_of(each, point))}" for each in space.parameters)


def shown_values(space: Space, point: Point) -> tuple[tuple[str, str], ...]:
    """Return the key and the value of each active parameter, as tables show them."""
    return tuple((each.path, _shown(each, point)) for each in space.active(point) if not _is_shown_below(each, point))


def value_of(parameter: Parameter, point: Point) -> Any:
    """Return the value of a parameter in plain Python, with those of the parameters below it."""
    chosen = point[parameter.name]
    if isinstance(parameter, Number):
        return chosen
    option = parameter.options[int(chosen)]
    value = option.value
    for below in option.parameters:
        keys = below.path[len(parameter.path) :].split(".")[1:]
        value = _with_value(value, keys, value_of(below, point))
    return value


def _with_value(value: Any, keys: list[str], leaf: Any) -> Any:
    """Return a plain value with another value at a path; the order of its keys stays."""
    if not keys:
        return leaf
    if isinstance(value, tuple):
        index = int(keys[0])
        return (*value[:index], _with_value(value[index], keys[1:], leaf), *value[index + 1 :])
    return {**value, keys[0]: _with_value(value[keys[0]], keys[1:], leaf)}


def _is_shown_below(parameter: Parameter, point: Point) -> bool:
    """Return whether the chosen option is itself a range or choices, whose value is shown instead."""
    chosen = parameter.options[int(point[parameter.name])].parameters if isinstance(parameter, Categorical) else ()
    return any(below.path == parameter.path for below in chosen)


def _shown(parameter: Parameter, point: Point) -> str:
    chosen = point[parameter.name]
    if isinstance(parameter, Categorical):
        return parameter.options[int(chosen)].text
    text = repr(chosen)
    return text if len(text) <= _LONGEST_FLOAT else f"{chosen:.4g}"


def _size_of(parameters: tuple[Parameter, ...]) -> int | None:
    total = 1
    for parameter in parameters:
        if (size := parameter.size) is None:
            return None
        total *= size
    return total


def _below(parameters: tuple[Parameter, ...]) -> Iterator[Parameter]:
    for parameter in parameters:
        yield parameter
        for option in parameter.options if isinstance(parameter, Categorical) else ():
            yield from _below(option.parameters)


def _active(parameters: tuple[Parameter, ...], point: Point) -> Iterator[Parameter]:
    for parameter in parameters:
        yield parameter
        if isinstance(parameter, Categorical):
            yield from _active(parameter.options[int(point[parameter.name])].parameters, point)


def _filled(
    parameters: tuple[Parameter, ...], value_of_parameter: Callable[[Parameter], float | int]
) -> Iterator[tuple[str, float | int]]:
    for parameter in parameters:
        value = value_of_parameter(parameter)
        yield parameter.name, value
        if isinstance(parameter, Categorical):
            yield from _filled(parameter.options[int(value)].parameters, value_of_parameter)


def _enumerated(parameters: tuple[Parameter, ...]) -> Iterator[list[tuple[str, float | int]]]:
    """Yield the values of every combination of parameters, one after the other: there may be millions."""
    if not parameters:
        yield []
        return
    for pairs in _values_of(parameters[0]):
        for others in _enumerated(parameters[1:]):
            yield [*pairs, *others]


def _values_of(parameter: Parameter) -> Iterator[list[tuple[str, float | int]]]:
    if isinstance(parameter, Number):
        yield from ([(parameter.name, parameter.at(index))] for index in range(parameter.size or 0))
        return
    for index, option in enumerate(parameter.options):
        for below in _enumerated(option.parameters):
            yield [(parameter.name, index), *below]


def _decimal(number: float) -> Decimal:
    return Decimal(repr(float(number)))
