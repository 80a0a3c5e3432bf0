"""The JSON Schema of the section `search`, whose space has a schema for each key that can be varied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from dlrun.spec.checks.search.searchable import SEARCHED_SECTIONS, key_problem
from dlrun.spec.search.section import ChoiceKeys, RangeKeys, SearchKeys
from dlrun.spec.sections import SECTIONS
from dlrun.spec.types import Training
from dlrun.yaml_tree.document import Place

Schema = dict[str, Any]

_RANGE, _CHOICES = ({"$ref": f"#/$defs/{kind.__name__}"} for kind in (RangeKeys, ChoiceKeys))
_NOTES = ("title", "description", "default", "examples")


def search_schema(definitions: Schema) -> Schema:
    """Return the schema of the section.

    Args:
        definitions: Schemas to refer to, which are added to.
    """
    schema = SearchKeys.model_json_schema()
    definitions.update(schema.pop("$defs"))
    varied: dict[str, dict[str, Schema]] = {}
    notes: dict[str, str] = {}
    for path, described in _keys(definitions):
        notes.setdefault(path, described.get("description", ""))
        bare = {key: value for key, value in described.items() if key not in _NOTES}
        varied.setdefault(path, {})[json.dumps(bare, sort_keys=True)] = bare
    schema["properties"]["space"] |= {
        "propertyNames": {"pattern": rf"^({'|'.join(SEARCHED_SECTIONS)})(\.|$)"},
        "properties": {path: _axis(list(kinds.values()), notes[path]) for path, kinds in varied.items()},
        "additionalProperties": {"anyOf": [_RANGE, _CHOICES]},
    }
    return schema


def _keys(definitions: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield every key that can be varied, with its schema in one of the components that have it."""
    nowhere = Place("", 0, 0, "")
    for section in SEARCHED_SECTIONS:
        for fields in _classes(section):
            schema = fields.model_json_schema()
            definitions.update(schema.pop("$defs", {}))
            for key, described in schema.get("properties", {}).items():
                if key_problem(f"{section}.{key}", nowhere) is None:
                    yield f"{section}.{key}", described


def _classes(section: str) -> Iterator[type[BaseModel]]:
    if section == "training":
        yield Training
        return
    for name in SECTIONS[section].names():
        if (component := SECTIONS[section].find(name)) is not None:
            yield component


def _axis(kinds: list[Schema], description: str) -> Schema:
    """Return the schema of a key to vary: a range, or choices of its values, which may be ranges or choices again."""
    items = {"anyOf": [*kinds, _RANGE, _CHOICES]}
    choices = {
        "type": "object",
        "properties": {"choices": {"type": "array", "minItems": 1, "items": items}},
        "required": ["choices"],
        "additionalProperties": False,
    }
    return {"description": description, "anyOf": [_RANGE, choices]}
