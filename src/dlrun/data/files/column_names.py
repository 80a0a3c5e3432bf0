"""Names for the columns of a table, out of those that a file gives them, and those that a deployed model can take."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Sequence

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""What TensorFlow's graphs and every format of export take for a name, but for those below."""

_OF_PYTHON = {*keyword.kwlist, "self"}
"""A signature of a SavedModel or of TensorFlow Lite takes its inputs as keyword arguments of a method."""


def distinct_names(given: Sequence[str], notes: list[str]) -> tuple[str, ...]:
    """Names for every column: a missing one is numbered, one that occurs again gets the number of its turn."""
    names: dict[str, None] = {}
    taken = {name.strip() for name in given}
    for number, raw in enumerate(given, start=1):
        name = base = raw.strip() or f"column_{number}"
        turn = 1
        while name in names or (turn > 1 and name in taken):
            turn += 1
            name = f"{base}_{turn}"
        if name != raw.strip():
            said = f"a second {raw.strip()!r}" if raw.strip() else "without a name"
            notes.append(f"names: column {number} is {said}, and is called {name!r}")
        names[name] = None
    return tuple(names)


def repeated_names(given: Sequence[str]) -> tuple[str, ...]:
    """The names that more than one column has."""
    counts = Counter(name.strip() for name in given if name.strip())
    return tuple(name for name, number in counts.items() if number > 1)


def inner_names(names: Sequence[str]) -> dict[str, str]:
    """Names of columns inside a model, which nothing that Keras names there can have: it puts no dot into a name."""
    return {name: f"column.{number}" for number, name in enumerate(names)}


def safe_names(names: Sequence[str], *, otherwise: str = "column", reserved: Iterable[str] = ()) -> dict[str, str]:
    """Names that a deployed model can take, as near as may be: `native_country` for `native country`.

    A name that is safe already stays what it is, and others make way for it.

    Args:
        names: Each once.
        otherwise: What a name is called of which no letter can be kept.
        reserved: Names that none may have.

    Returns:
        By name, in the same order: letters of ASCII, digits and `_`, no two alike but for their case.
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
    """The name, or with the first number that nothing else has; `turns` knows which were tried."""
    while True:
        turns[base.lower()] += 1
        turn = turns[base.lower()]
        name = base if turn == 1 else f"{base}_{turn}"
        if name.lower() not in taken:
            return name
