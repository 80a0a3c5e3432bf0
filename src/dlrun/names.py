"""Find the known name that a misspelled one probably stands for, and list names in a message."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHORTEST_PART = 3  # letters; a shorter part matches too many names
_LONGEST_NAME = 100
_MOST_LISTED = 100
_FARTHEST = _LONGEST_NAME


def list_names(names: Iterable[str]) -> str:
    """Return names as a message lists them: the first 100, followed by the total if there are more."""
    names = list(names)
    more = f", ... ({len(names):,} in all)" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that a user most likely meant by `name`, or None if none is close.

    Spelling variants come first, then names that begin with `name`, then names within a small edit distance, and
    last the only name that contains `name`.
    """
    if len(name) > _LONGEST_NAME:
        return None
    folded = {fold_name(known): known for known in names}
    wanted = fold_name(name)
    if wanted in folded:
        return folded[wanted]
    begun = [known for known in folded if len(wanted) >= _SHORTEST_PART and known.startswith(wanted)]
    if begun:
        return folded[min(begun, key=len)]
    best, least = "", _FARTHEST
    # Allow more changes in longer names, and skip those that are too far away by their length alone.
    for known in sorted(folded):
        limit = max(1, 2 * max(len(wanted), len(known)) // 5)
        if abs(len(wanted) - len(known)) <= min(limit, least - 1):
            distance = edit_distance(wanted, known)
            if distance <= limit and distance < least:
                best, least = known, distance
                if least <= 1:
                    break
    if best:
        return folded[best]
    holding = [known for known in folded if len(wanted) >= _SHORTEST_PART and wanted in known]
    return folded[holding[0]] if len(holding) == 1 else None


def fold_name(name: str) -> str:
    """Return a name in lower case without `_`, `-` and spaces, in which spellings of one name often differ."""
    return re.sub(r"[\s_-]", "", name.casefold())


def edit_distance(first: str, second: str) -> int:
    """Return the number of insertions, deletions, substitutions and swaps that turn one word into the other.

    Reference:
        Optimal string alignment: Boytsov, 2011, "Indexing Methods for Approximate Dictionary Searching", section 2.2.
        difflib is not used because its ratio counts a swap as two changes and corrects `adma` to `adamax`.
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
