"""Describe every registered component with its keys, their types, defaults and meanings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from dlrun.data.division.folds import Folds
from dlrun.errors import UsageError
from dlrun.keras_table import entry_names, short_names
from dlrun.keras_table.component import part_class
from dlrun.metrics.metric import metrics
from dlrun.names import nearest
from dlrun.registry import Registry
from dlrun.spec.expectation import expectation, groups_in, holds_names
from dlrun.spec.search.section import SearchKeys
from dlrun.spec.sections import SECTIONS
from dlrun.spec.types import EvaluationKeys, Training
from dlrun.spec.validate import did_you_mean, shown

REGISTRIES: dict[str, Registry[Any]] = {**SECTIONS, "metrics": metrics}
SECTION_FIELDS: dict[str, type[BaseModel]] = {
    "training": Training,
    "evaluation": EvaluationKeys,
    "folds": Folds,
    "search": SearchKeys,
}
"""The sections of a spec that have keys of their own instead of a component."""

_LAYER = "layer"


def list_components() -> dict[str, dict[str, str]]:
    """Return the summary of every component by kind and name, with the layers of a `sequential` model last."""
    listed: dict[str, dict[str, str]] = {}
    for kind, name, component, _ in _components():
        listed.setdefault(kind, {})[name] = _summary(component)
    return listed


def describe_component(name: str) -> list[dict[str, Any]]:
    """Return the components of any kind with this name, each with its keys.

    Raises:
        UsageError: There is no such component.
    """
    full_names = {short: full for kind in REGISTRIES.values() for short, full in short_names(kind.kind).items()}
    name = full_names.get(name, name)
    found = [
        {
            "kind": kind,
            "name": name,
            "summary": _summary(component),
            "origin": origin,
            "keys": list(describe_keys(component)),
        }
        for kind, known, component, origin in _components()
        if known == name
    ]
    if not found:
        known = sorted({known for _, known, _, _ in _components()})
        hint = did_you_mean(nearest(name, known)) or "dlrun components"
        raise UsageError(f"there is no component {name!r}", expected="a name listed by dlrun components", hint=hint)
    return found


def _components() -> Iterator[tuple[str, str, type[BaseModel], str]]:
    """Yield kind, name, class and origin of every component that a spec can select."""
    for registry in REGISTRIES.values():
        for name in registry.names():
            component = registry.find(name)
            if component is not None:
                yield registry.kind, name, component, registry.origin(name)
    for name, section in SECTION_FIELDS.items():
        yield "section", name, section, f"{section.__module__}"
    for name in entry_names("layers"):
        yield _LAYER, name, part_class("layers", name), f"keras.layers.{name}"


def _summary(component: type[BaseModel]) -> str:
    return (inspect.getdoc(component) or "").split("\n\n")[0].replace("\n", " ")


def describe_keys(fields: type[BaseModel], *, above: str = "") -> Iterator[dict[str, Any]]:
    """Describe the keys of a component or a section; those of a group follow the key that holds the group."""
    # Required keys first, then the order of the class, which starts with its bases.
    for name, field in sorted(fields.model_fields.items(), key=lambda item: not item[1].is_required()):
        default = field.get_default(call_default_factory=True, validated_data={}) if not field.is_required() else None
        plain = default.model_dump(mode="json") if isinstance(default, BaseModel) else default
        yield {
            "name": above + name,
            "type": expectation(field),
            "required": field.is_required(),
            "default": shown(plain),
            "description": field.description or "",
        }
        below = f"{above}{name}.KEY." if holds_names(field.annotation) else f"{above}{name}."
        for group in groups_in(field.annotation):
            yield from describe_keys(group, above=below)
