"""Words that a user gives a run, to find it again: `paper`, `baseline`."""

from __future__ import annotations

from collections.abc import Sequence

from dlrun.errors import UsageError
from dlrun.runs.folder import RunFolder

_LONGEST, _MOST = 60, 50


def change_tags(folder: RunFolder, tags: Sequence[str], *, is_removal: bool = False) -> tuple[str, ...]:
    """Add tags to a run, or take them away.

    Args:
        folder: The run.
        tags: The words; one that is there already, or is not there to be removed, changes nothing.
        is_removal: Whether to take them away.

    Returns:
        The run's tags, in the order in which they were given.

    Raises:
        UsageError: One is no tag, or they are too many.
        RunError: A process holds the run, or it cannot be written.
    """
    for tag in tags:
        _check(tag)
    with folder.lock():
        before = folder.read_record().tags
        after = (
            tuple(tag for tag in before if tag not in tags) if is_removal else tuple(dict.fromkeys((*before, *tags)))
        )
        if len(after) > _MOST:
            raise UsageError(f"{folder.id} would have {len(after)} tags", expected=f"at most {_MOST}")
        if after != before:
            folder.update_record(tags=after)
    return after


def _check(tag: str) -> None:
    if not tag.strip() or len(tag) > _LONGEST or not tag.isprintable() or "," in tag or tag != tag.strip():
        raise UsageError(
            f"{tag!r} is no tag", expected=f"1 to {_LONGEST} printable characters without a comma, no space at the ends"
        )
