"""What a removal gave back, run by run, as it happens."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from dlrun.cli.display.format import format_bytes, format_count
from dlrun.cli.runs.output import Column, Form, show_rows
from dlrun.runs.removal import Freed

_COLUMNS = (
    Column("run", lambda freed: freed.run),
    Column("removed", lambda freed: list(freed.removed), ", ".join),
    Column("bytes", lambda freed: freed.bytes, format_bytes),
)


def freed_rows(freed: Iterable[Freed], form: Form) -> None:
    """Print what was removed; what was removed before one removal failed, too."""
    done: list[Freed] = []
    try:
        done.extend(freed)
    finally:
        show_rows(done, _COLUMNS, form)
    total = sum(one.bytes for one in done)
    typer.echo(f"{format_bytes(total)} of {format_count(len(done), 'run')}" if done else "nothing to remove", err=True)
