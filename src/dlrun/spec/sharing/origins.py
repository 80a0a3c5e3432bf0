"""Tell where the values of a spec come from: which file and line, and what they replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlrun.errors import UsageError
from dlrun.names import nearest
from dlrun.spec.parse import SpecFile
from dlrun.yaml_tree.document import Node, Place
from dlrun.yaml_tree.override import ORIGIN
from dlrun.yaml_tree.text import document_text, yaml_text

_DEFAULT = "default"


@dataclass(frozen=True)
class Explained:
    """A value of a spec and its origin.

    Args:
        key: Its key, with dots.
        value: It, as YAML.
        origin: Where it comes from, such as `gpu.yaml:7:15, over common.yaml:3`, or `default`.
    """

    key: str
    value: str
    origin: str


def explain(file: SpecFile, key: str) -> tuple[Explained, ...]:
    """Return the origin of a value, or of every value below a key.

    Args:
        file: The spec.
        key: The key, with dots. Items of a list are numbered from 0.

    Raises:
        UsageError: The spec has no such key.
    """
    path = tuple(key.split("."))
    plain: Any = file.spec.plain()
    for depth, part in enumerate(path):
        below = _children(plain)
        if part not in below:
            above = ".".join(path[:depth])
            near = nearest(part, [*below])
            raise UsageError(
                f"there is no key {key!r} in the spec",
                expected=f"one of {', '.join(below)}" + (f" below {above}" if above else "") if below else "another",
                hint=f"did you mean {'.'.join((*path[:depth], near))}?" if near else "",
            )
        plain = below[part]
    return tuple(_explained(file.document, path, plain))


def resolved_text(file: SpecFile) -> str:
    """Return a spec as one YAML file without bases and variables, with the origin of each value as a comment."""
    root = file.document
    return document_text(root, comment=lambda node: _origin(node, root))


def _explained(root: Node, path: tuple[str, ...], plain: Any) -> Iterator[Explained]:
    if isinstance(plain, dict) and plain:
        for key, below in plain.items():
            yield from _explained(root, (*path, key), below)
        return
    node = _at(root, path)
    if node is not None and isinstance(node.value, list) and any(item.over or item.template for item in node.value):
        for index, item in enumerate(plain):
            yield from _explained(root, (*path, str(index)), item)
        return
    yield Explained(".".join(path), yaml_text(plain), _origin(node, root) if node is not None else _DEFAULT)


def _at(root: Node, path: tuple[str, ...]) -> Node | None:
    """Return the node of a value; a bare name, as in `optimizer: adam`, is that of the key `type`."""
    node: Node | None = root
    for part in path:
        if node is None:
            return None
        if part == "type" and isinstance(node.value, str):
            continue
        node = node.child(int(part) if isinstance(node.value, list) and part.isdecimal() else part)
    return node


def _children(plain: Any) -> Mapping[str, Any]:
    if isinstance(plain, dict):
        return {str(key): value for key, value in plain.items()}
    return {str(index): item for index, item in enumerate(plain)} if isinstance(plain, list | tuple) else {}


def _origin(node: Node, root: Node) -> str:
    if node.place == root.place:  # added, since the config does not have it
        return _DEFAULT
    template = f" ({node.template})" if node.template else ""
    over = ", over " + ", ".join(_short(place) for place in node.over) if node.over else ""
    return f"{_whole(node.place)}{template}{over}"


def _whole(place: Place) -> str:
    return place.origin if place.origin == ORIGIN or not place.line else f"{place.origin}:{place.line}:{place.column}"


def _short(place: Place) -> str:
    return place.origin if place.origin == ORIGIN or not place.line else f"{place.origin}:{place.line}"
