"""What the registries hold, in words: every component with its keys, their types, defaults and meanings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from dlrun.component import Component
from dlrun.errors import UsageError
from dlrun.metrics import metrics
from dlrun.registry import Registry, nearest
from dlrun.spec.expectation import expectation, groups_in
from dlrun.spec.sections import SECTIONS
from dlrun.spec.validate import did_you_mean, shown

REGISTRIES: dict[str, Registry[Any]] = {**SECTIONS, "metrics": metrics}


def list_components() -> dict[str, dict[str, str]]:
    """Every component's summary, by kind and name."""
    return {
        registry.kind: {name: _summary(component) for name, component in _components(registry)}
        for registry in REGISTRIES.values()
    }


def describe_component(name: str) -> list[dict[str, Any]]:
    """The components called `name`, of any kind, each with its keys.

    Raises:
        UsageError: There is none.
    """
    found = [
        {
            "kind": registry.kind,
            "name": name,
            "summary": _summary(component),
            "origin": registry.origin(name),
            "keys": list(_keys(component)),
        }
        for registry in REGISTRIES.values()
        if (component := registry.find(name)) is not None
    ]
    if not found:
        known = sorted({known for registry in REGISTRIES.values() for known in registry.names()})
        hint = did_you_mean(nearest(name, known)) or "dlrun components"
        raise UsageError(f"no component is called {name!r}", expected="a name that dlrun components lists", hint=hint)
    return found


def _components(registry: Registry[Any]) -> Iterator[tuple[str, type[Component]]]:
    for name in registry.names():
        component = registry.find(name)
        if component is not None:
            yield name, component


def _summary(component: type[Component]) -> str:
    return (inspect.getdoc(component) or "").split("\n\n")[0].replace("\n", " ")


def _keys(fields: type[BaseModel], *, above: str = "") -> Iterator[dict[str, Any]]:
    """The keys of a component, those of groups below it after the key that holds them."""
    # What has to be given first; then in the order of the class, its bases first.
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
        for group in groups_in(field.annotation):
            yield from _keys(group, above=f"{above}{name}.")
