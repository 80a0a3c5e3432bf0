"""The command `dlrun cache ls`, and the columns that both cache commands show."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsCsv, AsJson

if TYPE_CHECKING:
    from dlrun.cli.runs.output import ListingColumn
    from dlrun.system.cache_entries import CacheEntry

Kinds = Annotated[list[str] | None, typer.Argument(help="Only these kinds.", metavar="KIND...", show_default=False)]


def list_(kinds: Kinds = None, *, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List cache entries, most recently used first, and the size.

    The cache holds data that takes long to prepare and can be prepared again: decoded images, rows of large tables,
    decoded tensorflow-datasets, fingerprints, and measured step times. Its folder is ~/.cache/dlrun, or the one in
    DLRUN_CACHE. It takes at most 10 GiB (on a small disk, a quarter of the disk), or the size in DLRUN_CACHE_SIZE
    (50GiB).
    """
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.format import format_bytes
    from dlrun.cli.runs.output import Form, show_rows
    from dlrun.system.cache_entries import limit_bytes, list_entries
    from dlrun.system.user_folders import cache_folder

    form = Form.of(as_json=as_json, as_csv=as_csv)
    entries, limit = list_entries(), limit_bytes()
    shown = list(reversed(entries_of(entries, kinds)))
    total = sum(entry.bytes for entry in entries)
    if form is Form.JSON:
        print_json(
            {
                "folder": str(cache_folder()),
                "bytes": total,
                "limit_bytes": limit,
                "entries": [plain_entry(entry) for entry in shown],
            }
        )
        return
    if shown or form is Form.CSV:
        show_rows(shown, entry_columns(), form)
    size = f"{format_bytes(total)} of at most {format_bytes(limit)}"
    tell(f"{cache_folder()}: {count_entries(len(entries))}, {size}")


def entries_of(entries: Sequence[CacheEntry], kinds: Sequence[str] | None) -> list[CacheEntry]:
    """Return the entries of the given kinds, or all entries if no kind is given."""
    from dlrun.system.cache_entries import KINDS

    for kind in kinds or ():
        if kind not in KINDS:
            raise typer.BadParameter(f"{kind!r} is not one of {', '.join(KINDS)}", param_hint="KIND")
    return [entry for entry in entries if not kinds or entry.kind in kinds]


def count_entries(count: int) -> str:
    """Return `1 entry`, `2 entries`."""
    return "1 entry" if count == 1 else f"{count:,} entries"


def plain_entry(entry: CacheEntry) -> dict[str, Any]:
    """Return an entry as a JSON object."""
    return {
        "kind": entry.kind,
        "what": entry.what,
        "bytes": entry.bytes,
        "used": dt.datetime.fromtimestamp(entry.used, dt.UTC).isoformat(timespec="seconds"),
        "path": str(entry.path),
    }


def entry_columns() -> tuple[ListingColumn, ...]:
    """Return the columns of the entry listing."""
    from dlrun.cli.display.format import format_age, format_bytes
    from dlrun.cli.runs.output import ListingColumn

    now = time.time()

    def age(used: str) -> str:
        return format_age(max(0.0, now - dt.datetime.fromisoformat(used).timestamp()))

    return (
        ListingColumn("kind", lambda entry: entry.kind),
        ListingColumn("size", lambda entry: entry.bytes, format_bytes),
        ListingColumn("used", lambda entry: plain_entry(entry)["used"], age),
        ListingColumn("what", lambda entry: entry.what),
    )
