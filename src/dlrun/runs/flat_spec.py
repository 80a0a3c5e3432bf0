"""spec.yaml in, its values by dotted key out: `training.batch_size`, `model.blocks.0.filters`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from dlrun.errors import RunError
from dlrun.files.disk import disk, explained
from dlrun.spec.yaml_source import MAX_BYTES, parse_scalar

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]

_LONGEST_LIST = 16
_DEEPEST = 40


def read_flat_spec(path: Path) -> dict[str, Value]:
    """Every value of a spec file by its dotted key.

    A list of at most 16 scalars is one value. The members of any other are numbered from 0: `model.blocks.0.filters`.
    Only events of the parser are used, of which no number of brackets, anchors or aliases makes more than was written.

    Args:
        path: A run's `spec.yaml`; it may be a stranger's.

    Raises:
        RunError: It cannot be read, or is no YAML.
    """
    with explained(f"read {path}"):
        data = disk.read_file(path, largest=MAX_BYTES)
    try:
        events = yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        next(events), next(events)  # the starts of stream and document
        return dict(_flat(_plain(events, next(events), depth=0), ""))
    except (yaml.YAMLError, ValueError, StopIteration) as error:
        why = next(iter(str(error).splitlines()), "it is empty")
        raise RunError(f"{path} is damaged: {why}", expected="a spec as dlrun wrote it") from error


def _plain(events: Iterator[Any], event: Any, *, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"nested deeper than {_DEEPEST} levels")
    if type(event) is ScalarEvent:
        return parse_scalar(event)
    if type(event) is MappingStartEvent:
        found: dict[str, Any] = {}
        while type(key := next(events)) is not MappingEndEvent:
            if type(key) is not ScalarEvent:
                raise ValueError("a key must be a word")
            found[key.value] = _plain(events, next(events), depth=depth + 1)
        return found
    if type(event) is SequenceStartEvent:
        members = []
        while type(member := next(events)) is not SequenceEndEvent:
            members.append(_plain(events, member, depth=depth + 1))
        return members
    raise ValueError("an alias, or no value at all")


def _flat(value: Any, key: str) -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _flat(below, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and (
        len(value) > _LONGEST_LIST or any(isinstance(member, dict | list) for member in value)
    ):
        for number, member in enumerate(value):
            yield from _flat(member, f"{key}.{number}")
    else:
        yield key, value
