"""The tree of a YAML document, in which every key and value knows its line and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dlrun.component import FieldProblem, Path
from dlrun.errors import Problem

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Place:
    """A location: a file (or `--set`), line and column from 1, and the text of the line."""

    origin: str
    line: int
    column: int
    text: str

    def problem(self, what: str, *, expected: str = "", hint: str = "") -> Problem:
        """Return a problem at this location."""
        return Problem(what, expected, hint, self.origin, self.line, self.column, self.text)


@dataclass
class Node:
    """A value of a document.

    Args:
        value: A scalar, a list of nodes, or a dict from key to node.
        place: Location of the value.
        key_places: Location of each key, for a dict.
        over: Locations of the values that this one replaced, the last replaced first.
        template: The text with variables that the value was computed from; empty if it is the value as written.
    """

    value: Scalar | list[Node] | dict[str, Node]
    place: Place
    key_places: dict[str, Place] = field(default_factory=dict)
    over: tuple[Place, ...] = ()
    template: str = ""

    @property
    def entries(self) -> dict[str, Node]:
        """Keys and values of a mapping; empty for other values."""
        return self.value if isinstance(self.value, dict) else {}

    def plain(self) -> Any:
        """Return the value in plain Python, with tuples for lists because strict validation requires them."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return tuple(node.plain() for node in self.value)
        return self.value

    def copy(self) -> Node:
        """Return a copy that can be changed on its own, down to its last value."""
        value = self.value
        if isinstance(value, dict):
            value = {key: node.copy() for key, node in value.items()}
        elif isinstance(value, list):
            value = [node.copy() for node in value]
        return replace(self, value=value, key_places=dict(self.key_places))

    def replacing(self, before: Node | None) -> Node:
        """Return this node with the locations of what it replaces."""
        return self if before is None else replace(self, over=(*self.over, before.place, *before.over))

    def children(self) -> Iterator[Node]:
        """Yield the nodes directly below this one."""
        if isinstance(self.value, dict):
            yield from self.value.values()
        elif isinstance(self.value, list):
            yield from self.value

    def child(self, key: str | int) -> Node | None:
        """Return the node at a key or index, or None."""
        if isinstance(self.value, dict):
            return self.value.get(str(key))
        if isinstance(self.value, list) and isinstance(key, int) and 0 <= key < len(self.value):
            return self.value[key]
        return None

    def known_part(self, path: Path) -> Path:
        """Return the longest prefix of `path` that exists in the document."""
        node: Node | None = self
        for depth, key in enumerate(path):
            node = node.child(key) if node is not None else None
            if node is None:
                return path[:depth]
        return path

    def path_of(self, location: Path) -> Path:
        """Return the path in the document of a validation error, without the names of union branches."""
        node, path = self, []
        for key in location:
            below = node.child(key)
            if below is not None:
                node = below
                path.append(key)
        return tuple(path)

    def at(self, path: Path) -> Node:
        """Return the node at `path`, or its nearest existing ancestor."""
        node = self
        for key in self.known_part(path):
            node = node.child(key) or node
        return node

    def place_of(self, path: Path) -> Place:
        """Return the location to report for `path`: its value, its key for a group, or its nearest ancestor."""
        known = self.known_part(path)
        if not known:
            return self.place
        node = self.at(known)
        parent = self.at(known[:-1])
        # Report a wrong group at its key: its value starts on another line, often that of an unrelated key.
        is_group = isinstance(node.value, dict | list)
        return parent.key_places.get(str(known[-1]), node.place) if is_group else node.place

    def located(self, problem: FieldProblem) -> Problem:
        """Return a problem with the location that belongs to its path."""
        return self.place_of(problem.path).problem(problem.what, expected=problem.expected, hint=problem.hint)

    def rename_key(self, old: str, new: str) -> None:
        """Rename a misspelled key to the intended one, so that its value is checked too."""
        self.value = {new if key == old else key: node for key, node in self.entries.items()}
        self.key_places[new] = self.key_places.pop(old)

    def as_group(self) -> Node:
        """Expand a bare name to a group: `adam` becomes `{type: adam}`."""
        if isinstance(self.value, str):
            return Node({"type": replace(self)}, self.place, {"type": self.place})
        return self
