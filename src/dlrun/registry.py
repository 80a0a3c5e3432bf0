"""Registries, which map the names in a spec to component classes, one for each kind of component.

Components come from dlrun itself, then from plugin files, then from entry points of installed packages. A registry
only finds classes; it never builds anything.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

from dlrun.component import Component, refuse_unreadable
from dlrun.errors import UsageError
from dlrun.names import nearest

C = TypeVar("C", bound=Component)


@dataclass(frozen=True)
class _Entry(Generic[C]):
    origin: str
    load: Callable[[], type[C]]


class Registry(Generic[C]):
    """The components of one kind.

    Args:
        kind: Kind of component in the singular, such as `model`. Entry points come from the group `dlrun.models`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.group = f"dlrun.{kind}s" if not kind.endswith("s") else f"dlrun.{kind}es"
        self._entries: dict[str, _Entry[C]] = {}

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Return a class decorator that registers the class as `name`.

        Raises:
            UsageError: Another file has registered this name; the message names both files.
        """

        def add(component: Any) -> Any:
            if not (isinstance(component, type) and issubclass(component, Component)):
                what = f"{component!r} is registered as {name!r}"
                raise UsageError(what, expected=f"a class that extends {self.kind.title()}")
            registered = cast("type[C]", component)
            refuse_unreadable(registered, name)
            registered.type_name = name
            self._add(name, _Entry(inspect.getfile(registered), lambda: registered))
            return registered

        return add

    def register_lazily(self, names: Iterable[str], load: Callable[[str], type[C]], *, origin: str) -> None:
        """Register `names` now, and call `load(name)` for the class when it is first needed."""
        for name in names:
            self._add(name, _Entry(origin, lambda name=name: self._named(load(name), name)))  # type: ignore[misc]

    def find(self, name: str) -> type[C] | None:
        """Return the class registered as `name`, or None."""
        if name in self._entries:
            return self._entries[name].load()
        point = _entry_points(self.group, tuple(sys.path)).get(name)
        return self._named(point.load(), name) if point is not None else None

    def names(self) -> tuple[str, ...]:
        """Return every registered name, sorted."""
        return tuple(sorted({*self._entries, *_entry_points(self.group, tuple(sys.path))}))

    def nearest(self, name: str) -> str | None:
        """Return the registered name closest to `name`, or None if none is close."""
        return nearest(name, self.names())

    def origin(self, name: str) -> str:
        """Return the file or entry point that `name` comes from."""
        return self._entries[name].origin if name in self._entries else f"entry point {self.group}"

    def _add(self, name: str, entry: _Entry[C]) -> None:
        taken = self._entries.get(name)
        # A notebook may load the same plugin file again after an edit; that replaces its earlier components.
        if taken is not None and taken.origin != entry.origin:
            raise UsageError(
                f"two {self.kind} components have the name {name!r}, in {taken.origin} and in {entry.origin}",
                expected="a different name for each component",
                hint=f"register the one in {entry.origin} under another name",
            )
        self._entries[name] = entry

    @staticmethod
    def _named(component: type[C], name: str) -> type[C]:
        component.type_name = name
        return component


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, importlib.metadata.EntryPoint]:  # noqa: ARG001
    """Return the entry points of a group by name.

    Finding them reads a file of every installed package, so the result is cached for each search path.
    """
    return {point.name: point for point in reversed(tuple(importlib.metadata.entry_points(group=group)))}
