"""What was told of files from their bytes, and the notes that say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """What was told of a file from its bytes.

    Args:
        key: The key that could have said it: encoding, delimiter.
        name: What it is, as the key would say it.
        why: What told it, where it is not what everyone expects.
    """

    key: str
    name: str
    why: str = ""


def notes_of(told: Iterable[tuple[str, Told]]) -> Iterator[str]:
    """A note on what is not what everyone expects, one for all files that are alike in it.

    Args:
        told: Paths of files, with what was told of them.
    """
    whys: dict[tuple[str, str], dict[str, str]] = {}
    for path, found in told:
        if found.why:
            whys.setdefault((found.key, found.name), {})[path] = found.why
    for (key, name), of_path in whys.items():
        path, why = next(iter(of_path.items()))
        more = f" and {len(of_path) - 1:,} more" if len(of_path) > 1 else ""
        yield f"{key}: {name} for {path}{more}, {why} (key `{key}`)"
