"""The command `dlrun cache clear`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.cache.ls import Kinds, count_entries, entries_of, entry_columns, plain_entry
from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsJson, Yes

if TYPE_CHECKING:
    from dlrun.system.cache_entries import CacheEntry

_OlderThan = Annotated[
    str, typer.Option("--older-than", metavar="30d", help="Only entries that were not used for that long.")
]
_Trial = Annotated[bool, typer.Option("--dry-run", help="Show what would be removed without removing it.")]


def clear(
    kinds: Kinds = None,
    older_than: _OlderThan = "",
    *,
    dry_run: _Trial = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove cache entries: all, or those of a KIND or age.

    Later runs prepare again what they need. Active runs are not disturbed: entries that they are writing or reading
    stay, and files that they have already opened stay valid until the run ends.
    """
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.format import format_bytes
    from dlrun.cli.runs.output import Form, show_rows
    from dlrun.cli.runs.removal import ask
    from dlrun.system.cache_entries import list_entries
    from dlrun.system.user_folders import cache_folder

    chosen = _older(entries_of(list_entries(), kinds), older_than)
    if chosen and not dry_run:
        size = format_bytes(sum(entry.bytes for entry in chosen))
        ask(f"remove {count_entries(len(chosen))} ({size}) from {cache_folder()}?", is_sure=yes)
    in_use = [] if dry_run else _remove(chosen)
    removed = [entry for entry in chosen if entry not in in_use]
    total = sum(entry.bytes for entry in removed)
    if as_json:
        plain, left = (list(map(plain_entry, entries)) for entries in (removed, in_use))
        print_json({"folder": str(cache_folder()), "bytes": total, "removed": plain, "in_use": left})
    else:
        show_rows(removed, entry_columns(), Form.TABLE)
    for entry in in_use:
        tell(f"kept: {entry.what} ({entry.kind}) is in use by another process")
    verb = "would be removed" if dry_run else "removed"
    tell(f"{verb}: {count_entries(len(removed))}, {format_bytes(total)}" if removed else "nothing to remove")


def _older(entries: list[CacheEntry], duration: str) -> list[CacheEntry]:
    from dlrun.runs.query.where_operators import parse_duration

    if not duration:
        return entries
    try:
        before = time.time() - parse_duration(duration)
    except ValueError as error:
        raise typer.BadParameter(f"{duration!r} is not {error}", param_hint="--older-than") from None
    return [entry for entry in entries if entry.used < before]


def _remove(entries: list[CacheEntry]) -> list[CacheEntry]:
    """Remove entries; return those that another process is using."""
    from dlrun.system.cache_entries import remove_entry
    from dlrun.system.disk import explained

    in_use = []
    for entry in entries:
        with explained(f"remove {entry.path}"):
            if not remove_entry(entry.path):
                in_use.append(entry)
    return in_use
