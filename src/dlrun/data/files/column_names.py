"""Names of table columns: distinct names for the columns of a file, and names that deployed models accept."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Sequence

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""Names that TensorFlow graphs and every export format accept, apart from the reserved words below."""

_OF_PYTHON = {*keyword.kwlist, "self"}
"""Reserved words: signatures of a SavedModel and of TensorFlow Lite take inputs as keyword arguments of a method."""


def distinct_names(given: Sequence[str], notes: list[str]) -> tuple[str, ...]:
    """Return distinct column names: a missing name becomes `column_N`, a repeated one gets a number at its end.

    Args:
        given: Names in the file, in column order.
        notes: List to which a note on each changed name is appended.
    """
    names: dict[str, None] = {}
    taken = {name.strip() for name in given}
    for number, raw in enumerate(given, start=1):
        name = base = raw.strip() or f"column_{number}"
        turn = 1
        while name in names or (turn > 1 and name in taken):
            turn += 1
            name = f"{base}_{turn}"
        if name != raw.strip():
            reason = f"repeats the name {raw.strip()!r}" if raw.strip() else "has no name"
            notes.append(f"names: column {number} {reason} and is called {name!r}")
        names[name] = None
    return tuple(names)


def repeated_names(given: Sequence[str]) -> tuple[str, ...]:
    """Return the names that more than one column has."""
    counts = Counter(name.strip() for name in given if name.strip())
    return tuple(name for name, number in counts.items() if number > 1)


def inner_names(names: Sequence[str]) -> dict[str, str]:
    """Return names for columns inside a model that cannot collide with Keras' own: those never contain a dot."""
    return {name: f"column.{number}" for number, name in enumerate(names)}


def safe_names(names: Sequence[str], *, otherwise: str = "column", reserved: Iterable[str] = ()) -> dict[str, str]:
    """Return similar names that a deployed model accepts: `native_country` for `native country`.

    A name that is already safe is kept, even if another name would become the same.

    Args:
        names: Distinct names.
        otherwise: Replacement for a name without a usable character.
        reserved: Names that must not be used.

    Returns:
        The safe name of each name, in the same order: ASCII letters, digits and `_`, distinct regardless of case.
    """
    found: dict[str, str] = {}
    taken: set[str] = {name.lower() for name in reserved}
    for name in names:
        if _SAFE.fullmatch(name) and name not in _OF_PYTHON and name.lower() not in taken:
            found[name] = name
            taken.add(name.lower())
    turns: Counter[str] = Counter()
    for name in (name for name in names if name not in found):
        base = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or otherwise
        base = f"c{base}" if base[0].isdigit() else base
        base = f"{base}_" if base in _OF_PYTHON else base
        found[name] = _free_name(base, taken, turns)
        taken.add(found[name].lower())
    return {name: found[name] for name in names}


def _free_name(base: str, taken: set[str], turns: Counter[str]) -> str:
    """Return the name, with the first free number if it is taken; `turns` counts the numbers tried so far."""
    while True:
        turns[base.lower()] += 1
        turn = turns[base.lower()]
        name = base if turn == 1 else f"{base}_{turn}"
        if name.lower() not in taken:
            return name
