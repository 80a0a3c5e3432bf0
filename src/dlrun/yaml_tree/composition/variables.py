"""Replace `${...}` in the values of a config by what it stands for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from dlrun.errors import Problem
from dlrun.yaml_tree.composition.expression import VARIABLE, ExpressionError, Reference, split, unknown_variable
from dlrun.yaml_tree.document import Node, Place, Scalar
from dlrun.yaml_tree.source import parse_text

KEY = "variables"
Environment = Callable[[str], str | None]


@dataclass
class Resolution:
    """What the variables of a config were.

    Args:
        problems: What is wrong with them.
        variables: The value of each variable.
        environment: The value of each variable of the environment that was read; None for one that is not set.
        unresolved: The locations of values that are wrong; they still have their `${...}`, which nobody can check.
    """

    problems: list[Problem] = field(default_factory=list)
    variables: dict[str, Scalar] = field(default_factory=dict)
    environment: dict[str, str | None] = field(default_factory=dict)
    unresolved: set[Place] = field(default_factory=set)

    def explains(self, problem: Problem) -> bool:
        """Return whether a problem is only that a value still has its `${...}`, which is a problem of its own."""
        return any((at.origin, at.line, at.column) == _place_of(problem) for at in self.unresolved)


def names_used(root: Node) -> Iterator[str]:
    """Yield the variables that the values of a tree refer to."""
    for node in _texts(root):
        try:
            for part in split(str(node.value)):
                yield from part.names() if isinstance(part, Reference) else ()
        except ExpressionError:  # reported where it is resolved
            continue


def resolve_variables(
    root: Node, *, used: frozenset[str] = frozenset(), environment: Environment | None = os.environ.get
) -> Resolution:
    """Remove the section `variables` from a tree, and put values in the place of every `${...}`.

    Args:
        root: The tree, which is changed.
        used: Variables that count as used although no value of this tree refers to them, because files that it was
            merged from do.
        environment: Returns the value of a variable of the environment; None if the config may not read any.
    """
    resolver = _Resolver(root, environment)
    used = used.union(names_used(root))
    resolver.resolve_all(root)
    resolver.report_unused(used)
    return resolver.found


class _Resolver:
    """Resolves the values of a tree, and each variable once."""

    def __init__(self, root: Node, environment: Environment | None) -> None:
        self.found = Resolution()
        self._environment = environment
        section = root.entries.get(KEY)
        self._section = section if section is not None else Node({}, root.place)
        self._resolving: list[str] = []
        self._failed: set[str] = set()
        self._nodes = dict(self._checked(self._section))

    def resolve_all(self, root: Node) -> None:
        for name in self._nodes:
            self._resolve_variable(name)
        if isinstance(root.value, dict):
            root.value.pop(KEY, None)
        for node in list(_texts(root)):
            self._resolve(node)

    def report_unused(self, used: frozenset[str]) -> None:
        for name in self._nodes:
            if name not in used:
                place = self._section.key_places.get(name, self._section.place)
                self._report(place, f"the variable {name!r} is not used", expected=f"${{{name}}} in a value")

    def _checked(self, section: Node) -> Iterator[tuple[str, Node]]:
        """Yield the variables that have a valid name and a value."""
        if section.value is None:
            return
        if not isinstance(section.value, dict):
            self._report(section.place, "variables is not a group of keys", expected="name: value")
            return
        for name, node in section.value.items():
            place = section.key_places.get(name, node.place)
            if not VARIABLE.fullmatch(name) or name == "env":
                self._report(place, f"{name!r} is not the name of a variable", expected="letters, digits and _")
            elif isinstance(node.value, dict | list):
                self._report(place, f"the variable {name!r} is not a single value", expected="a number or a text")
                self._failed.add(name)
            else:
                yield name, node

    def _resolve_variable(self, name: str) -> None:
        node = self._nodes[name]
        self._resolving.append(name)
        if isinstance(node.value, str) and not self._resolve(node):
            self._failed.add(name)
        self._resolving.pop()
        if name not in self._failed:
            self.found.variables[name] = node.value  # type: ignore[assignment]  # no group and no list: see _checked

    def _resolve(self, node: Node) -> bool:
        """Replace the text of a node by its value; return whether there is one."""
        text = str(node.value)
        try:
            parts = list(split(text))
            if parts == [text]:
                return True
            values = [part if isinstance(part, str) else part.value(self._variable, self._read) for part in parts]
        except ExpressionError as error:
            if error.what:
                self._report(_column_of(node.place, error.part), error.what, error.expected, error.hint)
            self.found.unresolved.add(node.place)
            return False
        node.template = text
        only = parts[0] if len(parts) == 1 else None
        if isinstance(only, Reference):
            value = values[0]
            # As in `--set`, a whole value from the environment is YAML: a number if it looks like one.
            is_read = only.text.startswith("env:") and isinstance(value, str)
            node.value = parse_text(str(value)) if is_read else value
        else:
            node.value = "".join(map(_as_text, values))
        return True

    def _variable(self, name: str) -> Scalar:
        if name not in self._nodes and name not in self._failed:
            raise unknown_variable(name, self._nodes, part=name)
        if name in self._resolving:
            circle = " -> ".join([*self._resolving[self._resolving.index(name) :], name])
            self._failed.update(self._resolving)
            raise ExpressionError(f"variables refer to each other: {circle}", part=name, expected="no circle")
        if name not in self.found.variables and name not in self._failed:
            self._resolve_variable(name)
        if name in self._failed:
            raise ExpressionError("", part=name)  # what is wrong with it is reported already
        return self.found.variables[name]

    def _read(self, name: str) -> str | None:
        if self._environment is None:
            what = f"this config was made elsewhere, so the environment variable {name} is not read"
            raise ExpressionError(what, part=f"${{env:{name}", expected="a value", hint="set the key with --set")
        self.found.environment[name] = self._environment(name)
        return self.found.environment[name]

    def _report(self, place: Place, what: str, expected: str = "", hint: str = "") -> None:
        problem = place.problem(what, expected=expected, hint=hint)
        if problem not in self.found.problems:
            self.found.problems.append(problem)


def _place_of(problem: Problem) -> tuple[str, int, int]:
    return problem.origin, problem.line, problem.column


def _texts(root: Node) -> Iterator[Node]:
    """Yield every text with a `${` in it."""
    if isinstance(root.value, str) and "${" in root.value:
        yield root
    for node in root.children():
        yield from _texts(node)


def _column_of(place: Place, part: str) -> Place:
    """Return the location of a part of a text, if the line shows it."""
    at = place.text.find(part, max(0, place.column - 1)) if part else -1
    return Place(place.origin, place.line, at + 1, place.text) if at >= 0 else place


def _as_text(value: Scalar) -> str:
    words: Mapping[Scalar, str] = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
