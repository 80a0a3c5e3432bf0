"""The JSON Schema of what configs share: bases, which may leave every key to them, and variables in place of values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dlrun.component import Component
from dlrun.registry import Registry

Schema = dict[str, Any]

_VARIABLE = "Variable"
_REFERENCE = {"$ref": f"#/$defs/{_VARIABLE}"}
_NOTES = ("title", "description", "default", "examples", "deprecated")
_OF_SCHEMAS = ("properties", "$defs", "patternProperties")
_OF_A_SCHEMA = ("items", "additionalProperties", "then", "else")
_LISTS = ("oneOf", "allOf", "prefixItems")
SHARED_KEYS: Mapping[str, Schema] = {
    "base": {
        "description": "Files to start from, relative to this one. Later ones win, and this file wins over all. "
        "Groups of keys merge, lists replace.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    },
    "variables": {
        "description": "Values to use as ${name} or ${name // 2} in others.",
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    },
}


def with_variables(schema: Schema) -> Schema:
    """Return a schema in which a `${...}` may stand for every number, word and truth value.

    Args:
        schema: The schema of a whole spec.
    """
    found = _with_variables_below(schema)
    found["$defs"][_VARIABLE] = {
        "description": "A variable, arithmetic with variables, or a variable of the environment: ${env:NAME:-default}.",
        "type": "string",
        "pattern": r"\$\{",
    }
    return found


def required_without_base(sections: Mapping[str, Registry[Any]], required: Iterable[str]) -> Schema:
    """Return what a config must have unless it has a base, which may have it instead.

    Args:
        sections: The components of each section.
        required: The sections that every spec has.
    """
    groups = {key: _needed(registry) for key, registry in sections.items()}
    return {"if": {"not": {"required": ["base"]}}, "then": {"required": [*required], "properties": groups}}


def _needed(registry: Registry[Any]) -> Schema:
    """Return the keys that a group of a section must have: its type, and what this type requires."""
    rules: list[Schema] = []
    for name in registry.names():
        component: type[Component] | None = registry.find(name)
        if component is not None and (keys := component.model_json_schema().get("required")):
            condition = {"properties": {"type": {"const": name}}, "required": ["type"]}
            rules.append({"if": condition, "then": {"required": keys}})
    group = {"if": {"type": "object"}, "then": {"required": ["type"]}}
    return {"allOf": [group, *rules]}


def _with_variables(schema: Any) -> Any:
    """Return a schema in which a variable may stand for its value and for each value below."""
    if not isinstance(schema, dict):
        return schema
    found = _with_variables_below(schema)
    if not _is_narrow(found):
        return found
    notes = {key: value for key, value in found.items() if key in _NOTES}
    core = {key: value for key, value in found.items() if key not in _NOTES}
    return {"anyOf": [core, _REFERENCE], **notes}


def _with_variables_below(schema: Schema) -> Schema:
    found: Schema = {}
    for key, value in schema.items():
        if key in _OF_SCHEMAS:
            found[key] = {name: _with_variables(below) for name, below in value.items()}
        elif key == "anyOf":
            # The variable is one more alternative, instead of one inside each of them.
            options = [_with_variables_below(option) for option in value]
            found[key] = [*options, _REFERENCE] if any(map(_is_narrow, options)) else options
        elif key in _LISTS:
            found[key] = [_with_variables(below) for below in value]
        else:
            found[key] = _with_variables(value) if key in _OF_A_SCHEMA else value
    return found


def _is_narrow(schema: Schema) -> bool:
    """Return whether a schema is that of a value which no text with a variable satisfies."""
    kind = schema.get("type")
    if "enum" in schema or kind in ("integer", "number", "boolean"):
        return True
    return kind == "string" and bool({"const", "pattern", "maxLength", "format"} & schema.keys())
