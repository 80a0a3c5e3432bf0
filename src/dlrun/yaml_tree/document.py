"""A YAML document as a tree in which every key and every value knows its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dlrun.component import FieldProblem, Path
from dlrun.errors import Problem

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Place:
    """Where something stands: a file (or `--set`), line and column from 1, and the line's text."""

    origin: str
    line: int
    column: int
    text: str

    def problem(self, what: str, *, expected: str = "", hint: str = "") -> Problem:
        """A problem at this place."""
        return Problem(what, expected, hint, self.origin, self.line, self.column, self.text)


@dataclass
class Node:
    """One value of a document.

    Args:
        value: A scalar, a list of nodes, or a dict from key to node.
        place: Where the value begins.
        key_places: For a dict: where each key stands.
    """

    value: Scalar | list[Node] | dict[str, Node]
    place: Place
    key_places: dict[str, Place] = field(default_factory=dict)

    @property
    def entries(self) -> dict[str, Node]:
        """The keys of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def plain(self) -> Any:
        """The value as plain Python: scalars, dicts, and tuples for lists (which strict validation asks for)."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return tuple(node.plain() for node in self.value)
        return self.value

    def children(self) -> Iterator[Node]:
        """The nodes directly below this one."""
        if isinstance(self.value, dict):
            yield from self.value.values()
        elif isinstance(self.value, list):
            yield from self.value

    def child(self, key: str | int) -> Node | None:
        """The node below `key` (or at an index), or None."""
        if isinstance(self.value, dict):
            return self.value.get(str(key))
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            return self.value[key]
        return None

    def known_part(self, path: Path) -> Path:
        """The longest beginning of `path` that exists in the document."""
        node: Node | None = self
        for depth, key in enumerate(path):
            node = node.child(key) if node is not None else None
            if node is None:
                return path[:depth]
        return path

    def path_of(self, location: Path) -> Path:
        """The path of a validation error in the document: without what names a branch of a union, and not the file."""
        node, path = self, []
        for key in location:
            below = node.child(key)
            if below is not None:
                node = below
                path.append(key)
        return tuple(path)

    def at(self, path: Path) -> Node:
        """The node at `path`, or the nearest one above it that exists."""
        node = self
        for key in self.known_part(path):
            node = node.child(key) or node
        return node

    def place_of(self, path: Path) -> Place:
        """Where to point for `path`: its value if it has one, else its key, else the key of what lacks it."""
        known = self.known_part(path)
        if not known:
            return self.place
        node = self.at(known)
        parent = self.at(known[:-1])
        is_group = isinstance(node.value, dict | list)
        return parent.key_places.get(str(known[-1]), node.place) if is_group else node.place

    def located(self, problem: FieldProblem) -> Problem:
        """Give a problem that knows its path its place."""
        return self.place_of(problem.path).problem(problem.what, expected=problem.expected, hint=problem.hint)

    def rename_key(self, old: str, new: str) -> None:
        """Treat a misspelt key as the one that was meant, so that its value is checked too."""
        self.value = {new if key == old else key: node for key, node in self.entries.items()}
        self.key_places[new] = self.key_places.pop(old)

    def as_group(self) -> Node:
        """A bare name as the group it is short for: `adam` is `{type: adam}`."""
        if isinstance(self.value, str):
            return Node({"type": replace(self)}, self.place, {"type": self.place})
        return self
