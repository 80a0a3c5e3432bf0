"""Values that are `auto` in a config: they are measured at the start of a run, and in `spec.yaml` they are numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dlrun.component import Path
from dlrun.spec.types import Spec
from dlrun.yaml_tree.document import Node

AUTO = "auto"
BATCH_SIZE, LEARNING_RATE = ("training", "batch_size"), ("optimizer", "learning_rate")
MEASURED: tuple[Path, ...] = (BATCH_SIZE, LEARNING_RATE)


def dotted(key: Path) -> str:
    """Return a key with dots."""
    return ".".join(map(str, key))


def take_measured(document: Node) -> Iterator[Path]:
    """Remove each value that is to be measured from a document, so that its default stands for it until then.

    Yields:
        The keys.
    """
    for section, key in MEASURED:
        group = document.entries.get(str(section))
        if group is not None and (node := group.entries.get(str(key))) is not None and node.value == AUTO:
            del group.entries[str(key)]
            yield (section, key)


def with_values(spec: Spec, values: Mapping[Path, Any]) -> Spec:
    """Return a spec with the values that were measured."""
    for (section, key), value in values.items():
        group = getattr(spec, str(section)).model_copy(update={str(key): value})
        spec = replace(spec, **{str(section): group})
    return spec


def as_asked(plain: dict[str, Any], measured: tuple[Path, ...]) -> dict[str, Any]:
    """Return a plain spec with `auto` in the place of what is, or was, measured: the same for every outcome."""
    for section, key in measured:
        plain[str(section)] = {**plain[str(section)], str(key): AUTO}
    return plain
