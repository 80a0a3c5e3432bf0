"""Parse the sections of a spec that select a component with the key `type`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

from dlrun.component import Component
from dlrun.data import datasets
from dlrun.errors import Problem
from dlrun.keras_table import short_names
from dlrun.losses import losses
from dlrun.metrics.metric import metrics
from dlrun.models import models
from dlrun.names import nearest
from dlrun.optimizers import optimizers
from dlrun.registry import Registry
from dlrun.schedules import schedules
from dlrun.spec.habits import known_as
from dlrun.spec.validate import UnknownKey, did_you_mean, shown, validate
from dlrun.tracking import trackers
from dlrun.yaml_tree.document import Node

_KEY_AND_VALUE = re.compile(r"(\w+)(?::|\s*=\s*)(\S+)")
C = TypeVar("C", bound=Component)

SECTIONS: dict[str, Registry[Any]] = {
    "dataset": datasets,
    "model": models,
    "optimizer": optimizers,
    "schedule": schedules,
    "loss": losses,
    "tracking": trackers,
}
"""Sections of a spec that contain one component each."""

OPTIONAL = ("tracking",)
"""Sections that may be null."""

METRICS = metrics
_DEFAULTS = {"optimizer": "adam", "schedule": "constant"}

Parsed = tuple[C | None, type[C] | None, list[Problem]]
"""A component, its class (which may be known even if the component is not valid), and the problems found."""


def parse_section(document: Node, key: str) -> Parsed[Any]:
    """Parse the component of a section, or its default."""
    registry, node = SECTIONS[key], document.child(key)
    if key in OPTIONAL and (node is None or node.value is None):
        return None, None, []
    if node is None and key in _DEFAULTS:
        node = Node(_DEFAULTS[key], document.place)
    if node is None:
        problem = document.place.problem(f"the key {key!r} is missing in the spec", expected=_choices(registry))
        return None, None, [problem]
    if isinstance(node.value, str):
        # In the document, too, because problems found later refer to keys such as `model.type`.
        node = document.entries[key] = node.as_group()
    if (
        key in _DEFAULTS
        and isinstance(node.value, dict | None)
        and not any(nearest(k, ("type",)) for k in node.entries)
    ):
        # Without `type`, the keys belong to the default type.
        node = Node({"type": Node(_DEFAULTS[key], node.place), **node.entries}, node.place, node.key_places)
    return parse_component(node, registry, where=key)


def parse_component(node: Node, registry: Registry[C], *, where: str, hinted: bool = True) -> Parsed[C]:
    """Parse a component.

    Args:
        node: Group of keys; a bare name must already be expanded.
        registry: Registry of its kind.
        where: Name of the section in messages.
        hinted: Whether to search for the intended name of an unknown one.
    """
    problems = _correct_type_key(node, where=where)
    kind = node.child("type")
    if kind is None or not isinstance(kind.value, str):
        found = "has no type" if kind is None else f"has the type {shown(kind.plain())}"
        place = (kind or node).place
        hint = next(filter(None, map(_unparted, node.entries)), "")
        problem = place.problem(f"{where} {found}", expected=f"type: {_choices(registry)}", hint=hint)
        return None, None, [*problems, problem]
    name = short_names(registry.kind).get(kind.value, kind.value)
    if name not in registry.names():
        near = known_as(registry.kind, kind.value, registry.names()) or registry.nearest(name) if hinted else None
        what = f"unknown {registry.kind} {shown(kind.value)}"
        hint = _unparted(kind.value) or did_you_mean(near)
        problems.append(kind.place.problem(what, expected=_choices(registry), hint=hint))
        # Check the other keys against the component that was probably meant.
        name = near or name
    component = registry.find(name)
    if component is None:
        return None, None, problems
    absent = dict(_absent_keys(component, registry))
    made, found_below = validate(node, component, where=where, extra=("type",), absent=absent)
    return made, component, problems + found_below


def _absent_keys(component: type[Component], registry: Registry[Any]) -> Iterator[tuple[str, UnknownKey]]:
    """Yield the messages on keys that only other components of the registry have."""
    for key, (reason, hint) in component.absent_keys.items():
        if key not in component.model_fields:
            known = [(name, registry.find(name)) for name in registry.names()]
            having = [name for name, other in known if other is not None and key in other.model_fields]
            why = f"which is of type {component.type_name}, {reason}"
            yield key, UnknownKey(why, "a type that has it: " + ", ".join(having), hint)


def _correct_type_key(node: Node, *, where: str) -> list[Problem]:
    """Correct a misspelled `type` first, since nothing else can be checked without it."""
    if "type" in node.entries:
        return []
    for key in node.entries:
        if nearest(key, ("type",)):
            place = node.key_places[key]
            node.rename_key(key, "type")
            what = f"unknown key {key!r} in {where}"
            return [place.problem(what, expected="type", hint=did_you_mean("type"))]
    return []


def _unparted(text: str) -> str:
    """Return a hint for a key and value with a wrong separator, `type:mlp` or `type = mlp`; empty for other text."""
    found = _KEY_AND_VALUE.match(text)
    return f"put a colon and a space between key and value: `{found[1]}: {found[2]}`" if found else ""


def _choices(registry: Registry[Any]) -> str:
    return "one of " + ", ".join(registry.names())
