"""Try what a spec would be with another value at one of its keys, and find out which numbers a key takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from dlrun.component import Component, Path
from dlrun.errors import Problem, SpecError
from dlrun.spec.expectation import fields_at
from dlrun.spec.sections import SECTIONS, parse_section
from dlrun.spec.types import Training
from dlrun.spec.validate import validate
from dlrun.yaml_tree.document import Node, Place
from dlrun.yaml_tree.override import put_value


@dataclass(frozen=True)
class Varied:
    """A section of a spec with another value at one of its keys.

    Args:
        document: The document with that value.
        made: The section; None if it is not valid.
        fields: Its class, which may be known even if it is not valid.
        problems: Its problems.
    """

    document: Node
    made: Component | Training | None
    fields: type[BaseModel] | None
    problems: tuple[Problem, ...]

    def plain_at(self, path: str) -> Any:
        """Return the value at a key, complete with defaults, in plain Python values; None if there is none."""
        if self.made is None:
            return None
        plain = self.made.model_dump(mode="json") if isinstance(self.made, Training) else self.made.plain()
        return value_at({path.partition(".")[0]: plain}, path)


def vary(document: Node, path: str, leaf: Node, place: Place) -> Varied:
    """Return the section of a key with another value.

    Args:
        document: The document, which stays as it is.
        path: Key of the spec, with dots.
        leaf: The value. The problems that it causes have its location.
        place: Location of the key in the space.
    """
    section = path.partition(".")[0]
    # Only the section is copied: the rest of the document, such as a long list of choices, is not touched.
    entries = {key: node.copy() if key == section else node for key, node in document.entries.items()}
    changed = Node(entries, document.place, dict(document.key_places))
    try:
        put_value(changed, path, leaf.copy(), place=place)
    except SpecError as error:
        return Varied(changed, None, None, error.problems)
    if section in SECTIONS:
        made, kind, problems = parse_section(changed, section)
        return Varied(changed, made, kind, tuple(problems))
    training, problems = validate(changed.entries[section], Training, where=section)
    return Varied(changed, training, Training, tuple(problems))


def value_at(plain: Any, path: str) -> Any:
    """Return the value at a key of a spec in plain Python values; None if there is none."""
    for key in path.split("."):
        if isinstance(plain, list | tuple) and key.isdecimal() and int(key) < len(plain):
            plain = plain[int(key)]
        else:
            plain = plain.get(key) if isinstance(plain, dict) else None
    return plain


def takes_whole_numbers(fields: type[BaseModel] | None, path: str) -> bool | None:
    """Return whether a key takes whole numbers only; None if it takes both kinds, or this is not known.

    Args:
        fields: Class of the section.
        path: Key of the spec, with dots.
    """
    keys: Path = tuple(int(key) if key.isdecimal() else key for key in path.split(".")[1:])
    kinds = {kind for field in fields_at(fields, keys) for kind in _types_in(field.annotation)} if fields else set()
    if not kinds & {int, float} or {int, float} <= kinds:
        return None
    return int in kinds


def _types_in(annotation: Any) -> Iterator[Any]:
    """Yield the types in an annotation, also those of the items of a list."""
    if get_origin(annotation) is Literal:
        return
    arguments = get_args(annotation)
    for argument in arguments[:1] if get_origin(annotation) is Annotated else arguments:
        yield from _types_in(argument)
    if not arguments:
        yield annotation
