"""Names for the columns of a table, out of those that a file gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


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
