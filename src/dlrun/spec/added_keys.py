"""The keys that earlier versions did not have, each with the value that means their behaviour.

1. Such a value is not part of the identity of a spec (`identity.py`). Otherwise every spec would have another digest
   than before, and repeated batches would train all runs again.
2. The stored spec of a run lists every key of its version. One that it lacks was added later, and gets this value, even
   where the default for new specs is another.
"""

from __future__ import annotations

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
        "weight_decay_rates": "equal",
    },
    "optimizer": {"weight_decay_schedule": "constant"},
}


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
