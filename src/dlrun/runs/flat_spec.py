"""Read the values of a spec.yaml by dotted key, such as `training.batch_size` or `model.blocks.0.filters`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from dlrun.errors import RunError
from dlrun.system.disk import disk, explained
from dlrun.yaml_tree.source import MAX_BYTES, parse_scalar

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]

_SECTIONS = re.compile(rb"(?m)^(?=[A-Za-z_])")
_ONE_KEY = re.compile(rb"[A-Za-z_]\w*:[ \n]")
_LONGEST_LIST = 16
_DEEPEST = 40


def read_flat_spec(path: Path) -> dict[str, Value]:
    """Return every value of a spec file by its dotted key.

    A list of at most 16 scalars is one value. The members of any other list are numbered from 0, as in
    `model.blocks.0.filters`.

    Args:
        path: The `spec.yaml` of a run, which may come from someone else.

    Raises:
        RunError: The file cannot be read, or is not valid YAML.
    """
    with explained(f"read {path}"):
        data = disk.read_file(path, largest=MAX_BYTES)
    if (found := _by_sections(data)) is not None:
        return found
    try:
        return _flat_text(data)
    except (yaml.YAMLError, ValueError, StopIteration) as error:
        why = next(iter(str(error).splitlines()), "it is empty")
        raise RunError(f"{path} is damaged: {why}", expected="a spec as dlrun writes it") from error


def _by_sections(data: bytes) -> dict[str, Value] | None:
    """Return the values of a spec by parsing each top-level section; None if the format is not dlrun's own.

    The runs of a sweep differ in few keys, and a section that several runs share is parsed only once for all of them.
    """
    before, *sections = _SECTIONS.split(data)
    found: dict[str, Value] = {}
    heads = {section.partition(b":")[0] for section in sections}
    if before or not sections or len(heads) < len(sections):  # the full parser handles a repeated key
        return None
    for section in sections:
        values = _section(section)
        if values is None:
            return None
        found.update(values)
    return found


@lru_cache(maxsize=4096)
def _section(section: bytes) -> dict[str, Value] | None:
    if not _ONE_KEY.match(section):
        return None
    try:
        return _flat_text(section)
    except (yaml.YAMLError, ValueError, StopIteration):
        return None  # for example, part of a text that continues on the next line


def _flat_text(data: bytes) -> dict[str, Value]:
    # Read the parser's events instead of building objects: aliases that expand to billions of values cannot do harm.
    events = yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    next(events), next(events)  # the starts of stream and document
    return dict(_flat(_plain(events, next(events), depth=0), ""))


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
