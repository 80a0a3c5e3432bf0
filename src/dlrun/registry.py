"""Names to component classes, one registry for each kind: built-ins first, then plugin files, then entry points.

A registry only finds classes; it never builds anything.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

from dlrun.component import Component, refuse_unreadable
from dlrun.errors import UsageError

C = TypeVar("C", bound=Component)

_SHORTEST_PART = 3  # of a name; fewer letters tell nothing
_LONGEST_NAME = 100
_MOST_LISTED = 100
_FARTHEST = _LONGEST_NAME


@dataclass(frozen=True)
class _Entry(Generic[C]):
    origin: str
    load: Callable[[], type[C]]


class Registry(Generic[C]):
    """The components of one kind.

    Args:
        kind: What it holds, in the singular: `model`. Entry points are read from the group `dlrun.models`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.group = f"dlrun.{kind}s" if not kind.endswith("s") else f"dlrun.{kind}es"
        self._entries: dict[str, _Entry[C]] = {}

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Class decorator: makes the class known as `name`.

        Raises:
            UsageError: The name is taken by another file; both files are named.
        """

        def add(component: Any) -> Any:
            if not (isinstance(component, type) and issubclass(component, Component)):
                said = f"{component!r} is registered as {name!r}"
                raise UsageError(said, expected=f"a class that extends {self.kind.title()}")
            registered = cast("type[C]", component)
            refuse_unreadable(registered, name)
            registered.type_name = name
            self._add(name, _Entry(inspect.getfile(registered), lambda: registered))
            return registered

        return add

    def register_lazily(self, names: Iterable[str], load: Callable[[str], type[C]], *, origin: str) -> None:
        """Make `names` known at once; `load(name)` gives the class when it is first asked for."""
        for name in names:
            self._add(name, _Entry(origin, lambda name=name: self._named(load(name), name)))  # type: ignore[misc]

    def find(self, name: str) -> type[C] | None:
        """The class registered as `name`, or None."""
        if name in self._entries:
            return self._entries[name].load()
        point = _entry_points(self.group, tuple(sys.path)).get(name)
        return self._named(point.load(), name) if point is not None else None

    def names(self) -> tuple[str, ...]:
        """Every known name, sorted."""
        return tuple(sorted({*self._entries, *_entry_points(self.group, tuple(sys.path))}))

    def nearest(self, name: str) -> str | None:
        """The known name most like `name`, or None if nothing is near."""
        return nearest(name, self.names())

    def origin(self, name: str) -> str:
        """The file, or the entry point, that `name` comes from."""
        return self._entries[name].origin if name in self._entries else f"entry point {self.group}"

    def _add(self, name: str, entry: _Entry[C]) -> None:
        taken = self._entries.get(name)
        # A plugin file may be read again in one process (a notebook): its own names are not taken from it.
        if taken is not None and taken.origin != entry.origin:
            raise UsageError(
                f"two {self.kind} components are called {name!r}: {taken.origin} and {entry.origin}",
                expected="one component for each name",
                hint=f"register the one in {entry.origin} under another name",
            )
        self._entries[name] = entry

    @staticmethod
    def _named(component: type[C], name: str) -> type[C]:
        component.type_name = name
        return component


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, importlib.metadata.EntryPoint]:  # noqa: ARG001
    """Those of a group by name. To find them a file of every installed package is read: once for each search path."""
    return {point.name: point for point in reversed(tuple(importlib.metadata.entry_points(group=group)))}


def listed(names: Iterable[str]) -> str:
    """Names as a message lists them: the first 100, and how many there are."""
    names = list(names)
    more = f", ... ({len(names):,} in all)" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that was most likely meant by `name`, or None if nothing is near."""
    if len(name) > _LONGEST_NAME:
        return None
    folded = {folded_name(known): known for known in names}
    wanted = folded_name(name)
    if wanted in folded:
        return folded[wanted]
    begun = [known for known in folded if len(wanted) >= _SHORTEST_PART and known.startswith(wanted)]
    if begun:
        return folded[min(begun, key=len)]
    best, least = "", _FARTHEST
    for known in sorted(folded):
        limit = max(1, 2 * max(len(wanted), len(known)) // 5)
        if abs(len(wanted) - len(known)) <= min(limit, least - 1):  # each letter more is a change
            distance = edit_distance(wanted, known)
            if distance <= limit and distance < least:
                best, least = known, distance
                if least <= 1:
                    break
    if best:
        return folded[best]
    holding = [known for known in folded if len(wanted) >= _SHORTEST_PART and wanted in known]
    return folded[holding[0]] if len(holding) == 1 else None


def folded_name(name: str) -> str:
    """A name without what spellings differ in: capitals, `_`, `-` and spaces."""
    return re.sub(r"[\s_-]", "", name.casefold())


def edit_distance(first: str, second: str) -> int:
    """Number of insertions, deletions, substitutions and swaps of neighbours that make one word of the other.

    Reference:
        Optimal string alignment: Boytsov, 2011, "Indexing Methods for Approximate Dictionary Searching", section 2.2.
        difflib's ratio counts a swap as two changes and takes `adma` for `adamax`.
    """
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, start=1):
        after = [i]
        for j, other in enumerate(second, start=1):
            cost = min(row[j] + 1, after[j - 1] + 1, row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            after.append(cost)
        before, row = row, after
    return row[-1]
