"""The JSON Schema of a spec, with which editors complete and check YAML."""

from __future__ import annotations

from typing import Any

from dlrun.component import Component, Fields
from dlrun.data.division.folds import MOST_FOLDS, Folds
from dlrun.metrics.metric import metrics
from dlrun.optimizers import Optimizer
from dlrun.registry import Registry
from dlrun.spec.checks.search.schema import search_schema
from dlrun.spec.decision import DecisionRule
from dlrun.spec.measured import AUTO
from dlrun.spec.sections import OPTIONAL, SECTIONS
from dlrun.spec.sharing.schema import SHARED_KEYS, required_without_base, with_variables
from dlrun.spec.transfer.initialize import Initialize
from dlrun.spec.types import EvaluationKeys, Training
from dlrun.system.paths import FROM_WHERE

Schema = dict[str, Any]

REQUIRED = ("dataset", "model", "loss")
"""The keys that have no default. A config with a base may leave them to it."""


def json_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a spec, with type, bounds, default and meaning of every key."""
    definitions: Schema = {}
    properties: Schema = {
        **SHARED_KEYS,
        "name": {"type": "string", "description": "Name of the run; by default the name of the file."},
        "seed": {
            "type": "integer",
            "minimum": 0,
            "default": 0,
            "description": "Seed of initial weights, example order and dropout.",
        },
        "plugins": {
            "type": "array",
            "items": {"type": "string"},
            "description": f"Python files with components. {FROM_WHERE}",
        },
    }
    for key, registry in SECTIONS.items():
        properties[key] = _any_of(registry, definitions)
        if key in OPTIONAL:
            properties[key]["anyOf"].append({"type": "null"})
    properties["metrics"] = {"type": "array", "items": _any_of(metrics, definitions, is_whole=True)}
    options: dict[str, type[Fields]] = {"training": Training, "evaluation": EvaluationKeys}
    for key, fields in options.items():
        properties[key] = _without_definitions(fields.model_json_schema(), definitions)
    properties["folds"] = {
        "description": Folds.__doc__,
        "anyOf": [
            {"type": "integer", "minimum": 2, "maximum": MOST_FOLDS},
            _without_definitions(Folds.model_json_schema(), definitions),
            {"type": "null"},
        ],
    }
    properties["training"]["properties"]["batch_size"] = _or_auto(properties["training"]["properties"]["batch_size"])
    rule = _without_definitions(DecisionRule.model_json_schema(), definitions)
    properties["decision"] = {"anyOf": [rule, {"type": "null"}]}
    start = _without_definitions(Initialize.model_json_schema(), definitions)
    properties["initialize"] = {"anyOf": [{"type": "string"}, start, {"type": "null"}]}
    properties["search"] = {"anyOf": [search_schema(definitions), {"type": "null"}]}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dlrun spec",
        "type": "object",
        "properties": properties,
        **required_without_base(SECTIONS, REQUIRED),
        "additionalProperties": False,
        "$defs": definitions,
    }
    return with_variables(schema)


def _any_of(registry: Registry[Any], definitions: Schema, *, is_whole: bool = False) -> Schema:
    """Return the schema of a component: a bare name, or a group whose `type` determines its keys.

    Args:
        registry: The components.
        definitions: Schemas to refer to, which are added to.
        is_whole: Whether a group has all keys that it needs; a section may leave them to a base.
    """
    names = list(registry.names())
    chosen = [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": _component_schema(component, name, definitions, is_whole=is_whole),
        }
        for name in names
        if (component := registry.find(name)) is not None
    ]
    group = {"type": "object", "properties": {"type": {"enum": names}}, "allOf": chosen}
    if is_whole:
        group["required"] = ["type"]
    return {"anyOf": [{"enum": names}, group]}


def _component_schema(component: type[Component], name: str, definitions: Schema, *, is_whole: bool) -> Schema:
    schema = _without_definitions(component.model_json_schema(), definitions)
    schema["properties"] = {"type": {"const": name}, **schema.get("properties", {})}
    if issubclass(component, Optimizer):
        schema["properties"]["learning_rate"] = _or_auto(schema["properties"]["learning_rate"])
    if not is_whole:
        schema.pop("required", None)  # required_without_base asks for them
    return schema


def _or_auto(schema: Schema) -> Schema:
    """Return the schema of a number that can also be measured at the start of a run."""
    notes = {key: value for key, value in schema.items() if key in ("title", "description", "default")}
    return {"anyOf": [{key: value for key, value in schema.items() if key not in notes}, {"const": AUTO}], **notes}


def _without_definitions(schema: Schema, definitions: Schema) -> Schema:
    definitions.update(schema.pop("$defs", {}))
    return schema
