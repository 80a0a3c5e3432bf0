"""Find a folder that has a name of its own and is not a run: complete folds, or a search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dlrun.errors import UsageError
from dlrun.names import nearest

_SHOWN = 8


def find_named(name: str, known: Sequence[Path], *, where: Path, what: tuple[str, str], start: str) -> Path:
    """Return the folder that the user means.

    Args:
        name: `last`, a name, or a part of exactly one name.
        known: The folders, the newest at the end.
        where: The folder that they are in.
        what: What they are, for one and for several: `search`, `searches`.
        start: The command that makes one.

    Raises:
        UsageError: There is no such folder, or several match.
    """
    one, several = what
    if not known:
        raise UsageError(f"there are no {several} in {where}", hint=start)
    if name == "last":
        return known[-1]
    matches = [path for path in known if path.name == name] or [path for path in known if name and name in path.name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(path.name for path in matches[:_SHOWN]) + (", ..." if len(matches) > _SHOWN else "")
        message = f"{name!r} matches {len(matches)} {several}: {shown}"
        hint = f"{matches[-1].name} is the newest of them"
        raise UsageError(message, expected="a part of exactly one name", hint=hint)
    near = nearest(name, [path.name for path in known])
    hint = f"did you mean {near!r}?" if near else f"the newest is {known[-1].name}"
    raise UsageError(f"there is no {one} {name!r} in {where}", expected="last, a name, or a path", hint=hint)
