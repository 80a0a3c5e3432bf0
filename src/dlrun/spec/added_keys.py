"""The keys that earlier versions did not have, each with the value that means their behaviour.

1. Such a value is not part of the identity of a spec (`identity.py`). Otherwise every spec would have another digest
   than before, and repeated batches would train all runs again.
2. The same holds for keys of groups inside a section, such as each of `model.blocks`. Their defaults are these values,
   so a stored spec without them needs no completion.
3. The stored spec of a run lists every key of its version. One that it lacks was added later, and gets this value, even
   where the default for new specs is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlrun.spec.sections import SECTIONS
from dlrun.yaml_tree.document import Node

ADDED_KEYS: dict[str, dict[str, Any]] = {
    "dataset": {
        "group": None,
        "scaling": "standard",
        "season": None,
        "split": None,
        "target_transform": "none",
        "weight": None,
    },
    "model": {
        "bias": True,
        "dropout_schedule": "constant",
        "initialization": "random",
        "linear_blend": False,
        "linear_shortcut": False,
        "numeric_embedding": "none",
        "shift_invariant": False,
        "solver": "gradient",
        "stochastic_depth": 0.0,
        "weight_decay_rates": "equal",
    },
    "optimizer": {"weight_decay_schedule": "constant"},
}


ADDED_TO_GROUPS: dict[str, dict[str, dict[str, Any]]] = {
    "dataset": {"augmentation": {"cutmix": 0.0}},
    "model": {"blocks": {"residual": False, "stochastic_depth": None}},
}


def without_added(section: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a section without those that were added and mean the behaviour of before.

    Args:
        section: Name of the section.
        keys: Its keys with their values in plain Python values.
    """
    groups = ADDED_TO_GROUPS.get(section, {})
    return {
        key: _without(groups[key], value) if key in groups else value
        for key, value in keys.items()
        if key not in ADDED_KEYS[section] or value != ADDED_KEYS[section][key]
    }


def _without(added: Mapping[str, Any], value: Any) -> Any:
    """Return a group, or each group of a list, without added keys."""
    if isinstance(value, list):
        return [_without(added, each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: each for key, each in value.items() if key not in added or each != added[key]}


def complete_stored(document: Node) -> None:
    """Add the keys that the stored spec of an earlier version lacks, with the values that mean its behaviour.

    Args:
        document: The spec. Its sections are groups of keys if dlrun wrote it; others are left alone.
    """
    for section, added in ADDED_KEYS.items():
        node = document.child(section)
        kind = node.child("type") if node is not None else None
        if node is None or kind is None or not isinstance(kind.value, str):
            continue
        component = SECTIONS[section].find(kind.value) if kind.value in SECTIONS[section].names() else None
        for key in added.keys() & component.model_fields.keys() if component is not None else ():
            if key not in node.entries:
                node.entries[key] = Node(added[key], node.place)
                node.key_places[key] = node.place
