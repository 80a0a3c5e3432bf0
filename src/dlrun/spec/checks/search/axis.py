"""Parse one key of the space, a range or choices, and try its values in the spec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dlrun.errors import Problem
from dlrun.names import nearest
from dlrun.spec.checks.search.varied import Varied, takes_whole_numbers, vary
from dlrun.spec.search.section import ChoiceKeys, RangeKeys, is_choices, is_range
from dlrun.spec.search.space import Categorical, Number, Option, Parameter
from dlrun.spec.validate import shown, validate
from dlrun.yaml_tree.document import Node, Place
from dlrun.yaml_tree.text import yaml_text

MOST_CHOICES = 1000
_FORMS = "low and high, or choices"


@dataclass(frozen=True)
class Axis:
    """One key to vary, before it is parsed.

    Args:
        label: Name in messages: `search.space.model.choices[0].units`.
        name: Name in points: `model[0].units`.
        path: Key of the spec, with dots: `model.units`.
        node: Its range or choices.
        place: Location of the key in the space.
        document: The spec, in which the options above the key are chosen.
        is_alone: Whether no other key of its section is varied.
    """

    label: str
    name: str
    path: str
    node: Node
    place: Place
    document: Node
    is_alone: bool = False


def parse_axis(axis: Axis, problems: list[Problem]) -> Parameter | None:
    """Parse a key of the space, and add to `problems` what is wrong with it."""
    if not isinstance(axis.node.value, dict):
        problems.append(_no_group(axis))
        return None
    if is_choices(axis.node.entries) or _means_choices(axis.node):
        choices, found = validate(axis.node, ChoiceKeys, where=axis.label)
        problems += found
        return None if choices is None else _parse_choice(axis, problems)
    keys, found = validate(axis.node, RangeKeys, where=axis.label)
    problems += found
    return None if keys is None else _parse_number(keys, axis, problems)


def _no_group(axis: Axis) -> Problem:
    what = f"{axis.label} is {shown(axis.node.plain())}"
    if isinstance(axis.node.value, list):
        hint = f"{{choices: {yaml_text(axis.node.plain())}}}"
    else:
        hint = "a value that stays the same belongs into the section itself"
    return axis.node.place.problem(what, expected=f"a group of keys: {_FORMS}", hint=hint)


def _means_choices(node: Node) -> bool:
    return any(nearest(key, ("choices",)) or key in ("values", "options") for key in node.entries)


def _parse_number(keys: RangeKeys, axis: Axis, problems: list[Problem]) -> Number | None:
    varied = [_try_bound(axis, bound, problems) for bound in ("low", "high")]
    is_integer = takes_whole_numbers(varied[0].fields, axis.path)
    if is_integer is None:
        is_integer = all(type(node.value) is int for node in axis.node.children() if type(node.value) is not bool)
    mistakes = list(_range_problems(keys, axis, is_integer=is_integer))
    # A bound that the key itself refuses need not be refused a second time.
    known = {_where(each) for each in problems}
    problems += [each for each in mistakes if _where(each) not in known]
    if mistakes or any(not float(each).is_integer() for each in (keys.low, keys.high) if is_integer):
        return None
    low, high, step = keys.low, keys.high, keys.step
    if is_integer:
        low, high, step = int(low), int(high), None if step is None else int(step)
    return Number(axis.name, axis.path, low, high, log=keys.log, step=step, is_integer=is_integer)


def _try_bound(axis: Axis, bound: str, problems: list[Problem]) -> Varied:
    node = axis.node.entries[bound]
    varied = vary(axis.document, axis.path, node, axis.place)
    problems += _located(varied.problems, {axis.place, node.place})
    return varied


def _range_problems(keys: RangeKeys, axis: Axis, *, is_integer: bool) -> Iterator[Problem]:
    def at(key: str, what: str, expected: str, hint: str = "") -> Problem:
        return axis.node.place_of((key,)).problem(f"{axis.label}.{what}", expected=expected, hint=hint)

    low, high, step = (None if each is None else yaml_text(_short(each)) for each in (keys.low, keys.high, keys.step))
    if keys.low >= keys.high:
        yield at("high", f"high is {high}, but low is {low}", f"more than {low}")
        return
    if keys.log and keys.low <= 0:
        yield at("low", f"low is {low}, which a logarithmic scale does not reach", "a number above 0", "1e-5")
    if keys.step is None:
        return
    if keys.log:
        yield at("step", "step and log are both set", "only one of them")
    elif is_integer and not keys.step.is_integer():
        yield at("step", f"step is {step}, but {axis.path} takes whole numbers", "a whole number")
    elif keys.step > keys.high - keys.low:
        yield at("step", f"step is {step}, more than the range from {low} to {high}", "a smaller step")
    elif last := _last_below(keys):
        what = f"step is {step}, which does not divide the range from {low} to {high}"
        yield at("step", what, "a step that leads from low to high", f"high: {yaml_text(_short(last))}")


def _last_below(keys: RangeKeys) -> float | None:
    """Return the largest value that the steps reach; None if they reach the upper bound."""
    low, high, step = (Decimal(repr(float(each or 0))) for each in (keys.low, keys.high, keys.step))
    rest = (high - low) % step
    return float(high - rest) if rest else None


def _short(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 10**6 else value


def _parse_choice(axis: Axis, problems: list[Problem]) -> Categorical:
    options, seen, nodes = [], set[str](), list(axis.node.entries["choices"].children())
    if len(nodes) > MOST_CHOICES:
        what = f"{axis.label} has {len(nodes):,} choices"
        problems.append(nodes[MOST_CHOICES].place.problem(what, expected=f"at most {MOST_CHOICES:,}"))
        return Categorical(axis.name, axis.path, ())
    for index, node in enumerate(nodes):
        # As text, since 1, 1.0 and true are equal to Python.
        if (text := repr(node.plain())) in seen:
            what = f"{axis.label}.choices has {shown(node.plain())} twice"
            problems.append(node.place.problem(what, expected="each value once"))
        seen.add(text)
        options.append(_parse_option(axis, index, node, problems))
    return Categorical(axis.name, axis.path, tuple(options))


def _parse_option(axis: Axis, index: int, node: Node, problems: list[Problem]) -> Option:
    varied = vary(axis.document, axis.path, _stand_in(node), axis.place)
    own = _located(varied.problems, {axis.place, *_places(node)})
    problems += own
    nested = list(_nested(node, place=node.place))
    if axis.is_alone and not nested and not own and (misfit := _misfit(axis, node, varied)):
        problems.append(misfit)
    parameters = []
    for keys, below, place in nested:
        below_key = "".join(f".{key}" for key in keys)
        under = Axis(
            label=f"{axis.label}.choices[{index}]{below_key}",
            name=f"{axis.name}[{index}]{below_key}",
            path=f"{axis.path}{below_key}",
            node=below,
            place=place,
            document=varied.document,
        )
        parameters.append(parse_axis(under, problems))
    return Option(_bare(node), _text(node), tuple(each for each in parameters if each is not None))


def _misfit(axis: Axis, node: Node, varied: Varied) -> Problem | None:
    """Return the problem of a value that the other keys of its section contradict, if none of them is varied."""
    section = axis.path.partition(".")[0]
    before = axis.document.child(section)
    known = () if before is None else vary(axis.document, section, before, before.place).problems
    others = [problem for problem in varied.problems if problem not in known]
    if not others:
        return None
    what = f"{axis.path} cannot be {shown(node.plain())}: {others[0].what}"
    hint = f"vary the whole section: {section}: {{choices: [{{type: ..., ...}}, ...]}}"
    return node.place.problem(what, expected="a value that fits the other keys of the section", hint=hint)


def _located(problems: tuple[Problem, ...], places: set[Place]) -> list[Problem]:
    """Return the problems with one of these locations: the others are not about the value that was tried."""
    known = {_where(place) for place in places}
    return [each for each in problems if _where(each) in known]


def _where(each: Problem | Place) -> tuple[str, int, int, str]:
    return each.origin, each.line, each.column, each.text


def _is_axis(node: Node) -> bool:
    """Return whether a value inside a choice is a range or choices."""
    entries = node.entries
    return is_range(entries) or is_choices(entries) or (len(entries) == 1 and _means_choices(node))


def _nested(node: Node, *, place: Place, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node, Place]]:
    """Yield the ranges and choices inside the value of a choice, with their keys and the locations of these."""
    if _is_axis(node):
        yield keys, node, place
    elif isinstance(node.value, dict):
        for key, below in node.value.items():
            yield from _nested(below, place=node.key_places[key], keys=(*keys, key))
    elif isinstance(node.value, list):
        for index, below in enumerate(node.value):
            yield from _nested(below, place=below.place, keys=(*keys, str(index)))


def _stand_in(node: Node) -> Node:
    """Return the value of a choice with the first value of each range and each choice inside it."""
    if _is_axis(node):
        choices = next((each for key, each in node.entries.items() if key == "choices"), None)
        first = node.child("low") if choices is None else choices.child(0)
        return Node(None, node.place) if first is None else _stand_in(first)
    if isinstance(node.value, dict):
        below = {key: _stand_in(each) for key, each in node.value.items()}
        return Node(below, node.place, dict(node.key_places))
    return Node([_stand_in(each) for each in node.value] if isinstance(node.value, list) else node.value, node.place)


def _places(node: Node) -> Iterator[Place]:
    """Yield the locations of a value and everything in it but ranges and choices."""
    if not _is_axis(node):
        yield node.place
        yield from (place for key, place in node.key_places.items() if not _is_axis(node.entries[key]))
        for below in node.children():
            yield from _places(below)


def _bare(node: Node) -> Any:
    """Return the value of a choice in plain Python, with None in the place of each range and choice inside it."""
    if _is_axis(node):
        return None
    if isinstance(node.value, dict):
        return {key: _bare(below) for key, below in node.value.items()}
    return tuple(map(_bare, node.value)) if isinstance(node.value, list) else node.value


def _text(node: Node) -> str:
    """Return the value of a choice for people: without the keys that are shown on their own."""
    shortened = _without_axes(node)
    if isinstance(shortened, dict) and [*shortened] == ["type"]:
        shortened = shortened["type"]
    return yaml_text(shortened)


def _without_axes(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _without_axes(below) for key, below in node.value.items() if not _is_axis(below)}
    if isinstance(node.value, list):
        return tuple("_" if _is_axis(below) else _without_axes(below) for below in node.value)
    return node.value
