"""Turn a spec that is a Python dict into the same tree as a YAML file, with key paths as locations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dlrun.errors import Problem, SpecError
from dlrun.yaml_tree.document import Node, Place

_MAX_DEPTH = 40


def document_of(given: Mapping[str, Any]) -> tuple[Node, str]:
    """Return the tree of a spec, and the YAML text to store in a run.

    Raises:
        SpecError: A key is not text, or a value has a type that YAML lacks; the message names its key path.
    """
    root = _node(given, "the spec")
    return root, yaml.safe_dump(_as_lists(root.plain()), sort_keys=False, allow_unicode=True, width=100)


def _node(value: Any, path: str, *, depth: int = 0) -> Node:
    place = Place(path, 0, 0, "")
    if depth > _MAX_DEPTH:
        raise SpecError([Problem(f"nested deeper than {_MAX_DEPTH} levels", origin=path)])
    if isinstance(value, Mapping):
        node = Node(entries := {}, place)
        for key, below in value.items():
            if not isinstance(key, str | int):
                raise SpecError([Problem(f"the key {key!r} is not text", "a text key", origin=path)])
            inner = f"{path}.{key}" if depth else str(key)
            entries[str(key)] = _node(below, inner, depth=depth + 1)
            node.key_places[str(key)] = Place(inner, 0, 0, "")
        return node
    if isinstance(value, list | tuple):
        return Node([_node(item, f"{path}[{index}]", depth=depth + 1) for index, item in enumerate(value)], place)
    if isinstance(value, Path):
        return Node(str(value), place)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a NumPy scalar
        value = value.item()
    if value is None or type(value) in (bool, int, float, str):
        return Node(value, place)
    what = f"a value of type {type(value).__name__} is not supported"
    raise SpecError([Problem(what, "text, a number, true or false, None, a list or a dict", origin=path)])


def _as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_lists(below) for key, below in value.items()}
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value
