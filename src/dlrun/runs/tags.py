"""Add and remove tags, the words that a user gives a run to find it again, such as `paper` or `baseline`."""

from __future__ import annotations

from collections.abc import Sequence

from dlrun.errors import UsageError
from dlrun.runs.folder import RunFolder

_LONGEST, _MOST = 60, 50


def change_tags(folder: RunFolder, tags: Sequence[str], *, is_removal: bool = False) -> tuple[str, ...]:
    """Add tags to a run, or remove them.

    Args:
        folder: The run.
        tags: The tags. Adding one that exists, or removing one that does not, changes nothing.
        is_removal: Whether to remove the tags.

    Returns:
        The run's tags, in the order in which they were added.

    Raises:
        UsageError: A tag is not valid, or there are too many.
        RunError: A process holds the run, or its record cannot be written.
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
            f"{tag!r} is not a valid tag",
            expected=f"1 to {_LONGEST} printable characters, without commas and without spaces at the ends",
        )
