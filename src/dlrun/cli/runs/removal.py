"""What `runs rm` and `runs gc` share: which runs are chosen, whether the user is sure, and what was freed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dlrun.cli.display.format import format_bytes, format_count
from dlrun.cli.display.printable import printable
from dlrun.cli.display.terminal import tell
from dlrun.cli.runs.output import Form, ListingColumn, show_rows
from dlrun.errors import DlrunError, UsageError
from dlrun.runs.removal import Freed

if TYPE_CHECKING:
    from dlrun.runs.folder import RunFolder
    from dlrun.runs.removal import Freed

_COLUMNS = (
    ListingColumn("run", lambda freed: freed.run),
    ListingColumn("removed", lambda freed: list(freed.removed), ", ".join),
    ListingColumn("bytes", lambda freed: freed.bytes, format_bytes),
)


def chosen_runs(named: Sequence[str], where: str, *, runs_dir: Path) -> list[RunFolder]:
    """The runs that are named, or those that a condition chooses; read from the folders, whatever an index says.

    Those that are in use, or are no runs, are an error if they are named, and are told and left out if they are not.
    """
    from dlrun.runs.query.catalog import find_run
    from dlrun.runs.query.fields import RunFields
    from dlrun.runs.query.listing import scan_runs
    from dlrun.runs.query.selection import Selection
    from dlrun.runs.removal import check_removable

    if named and where:
        raise typer.BadParameter("give one of them", param_hint="RUN, --where")
    if named:
        folders = [find_run(run, runs_dir=runs_dir, refuses_unusual_files=False) for run in named]
        for folder in folders:
            check_removable(folder, runs_dir=runs_dir)
        return list({folder.path.resolve(): folder for folder in folders}.values())
    found = scan_runs(runs_dir, from_index=False)
    chosen = []
    for run in Selection(where).of(found, RunFields(found, from_index=False)):
        try:
            check_removable(run.folder, runs_dir=runs_dir)
            chosen.append(run.folder)
        except DlrunError as error:
            tell(f"left out: {error.what}")
    return chosen


def each_present(folders: Iterable[RunFolder], remove: Callable[[RunFolder], Freed]) -> Iterator[Freed]:
    """Remove from one run after another; report and skip one that another process removed meanwhile."""
    for folder in folders:
        try:
            yield remove(folder)
        except DlrunError:
            if folder.path.exists():
                raise
            tell(f"left out: {folder.id} was removed by another process")


def older(folders: Sequence[RunFolder], duration: str) -> list[RunFolder]:
    """Those of the runs that started longer ago than a duration such as `30d`."""
    from dlrun.runs.query.listing import read_summary
    from dlrun.runs.query.where_operators import parse_duration

    try:
        begins = time.time() - parse_duration(duration)
    except ValueError as error:
        raise typer.BadParameter(f"{duration!r} is not {error}", param_hint="--older-than") from None
    return [folder for folder in folders if read_summary(folder.path.parent, folder.path.name).order < begins]


def ask(question: str, *, is_sure: bool) -> None:
    """Ask on a terminal, unless the user has said so; without a terminal that is an error."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageError(question, expected="an answer, and there is nobody to ask", hint="--yes")
    if not typer.confirm(printable(question), err=True):
        tell("nothing is removed")
        raise typer.Exit(1)


def freed_rows(freed: Iterable[Freed], form: Form) -> None:
    """Print what was removed; what was removed before one removal failed, too."""
    done: list[Freed] = []
    try:
        done.extend(freed)
    finally:
        show_rows(done, _COLUMNS, form)
    total = sum(one.bytes for one in done)
    typer.echo(f"{format_bytes(total)} of {format_count(len(done), 'run')}" if done else "nothing to remove", err=True)
