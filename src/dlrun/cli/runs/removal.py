"""Shared by `runs rm` and `runs gc`: select the runs, ask the user, and print what was removed."""

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

_NAMED_CHILDREN = 3
_COLUMNS = (
    ListingColumn("run", lambda freed: freed.run),
    ListingColumn("removed", lambda freed: list(freed.removed), ", ".join),
    ListingColumn("bytes", lambda freed: freed.bytes, format_bytes),
)


def chosen_runs(named: Sequence[str], where: str, *, runs_dir: Path) -> list[RunFolder]:
    """Return the named runs, or the runs that match a condition.

    Removal must not trust a stale index, so the folders themselves are read. Among matching runs, those that are in use
    or damaged are reported and skipped.

    Raises:
        DlrunError: A named run does not exist, is in use, or is not a run folder.
    """
    from dlrun.runs.query.catalog import find_run
    from dlrun.runs.query.fields import RunFields
    from dlrun.runs.query.listing import scan_runs
    from dlrun.runs.query.selection import Selection
    from dlrun.runs.removal import check_removable

    if named and where:
        raise typer.BadParameter("give only one of them", param_hint="RUN, --where")
    if named:
        folders = [find_run(run, runs_dir=runs_dir, refuses_unusual_files=False) for run in named]
        for folder in folders:
            check_removable(folder, runs_dir=runs_dir)
        # A run may be named twice, such as by its id and by its path.
        return list({folder.path.resolve(): folder for folder in folders}.values())
    found = scan_runs(runs_dir, from_index=False)
    chosen = []
    for run in Selection(where).of(found, RunFields(found, from_index=False)):
        try:
            check_removable(run.folder, runs_dir=runs_dir)
            chosen.append(run.folder)
        except DlrunError as error:
            tell(f"skipped: {error.what}")
    return chosen


def tell_children(chosen: Sequence[RunFolder], *, runs_dir: Path) -> None:
    """Tell which other runs started from the weights of runs that will be removed.

    They keep what they have learned, but cannot be reproduced without the run that they started from.
    """
    from dlrun.runs.removal import find_children

    for parent, children in find_children(chosen, runs_dir=runs_dir).items():
        named = ", ".join(children[:_NAMED_CHILDREN]) + (", ..." if len(children) > _NAMED_CHILDREN else "")
        which = format_count(len(children), "run")
        tell(f"{parent}: {which} started from its weights and cannot be reproduced without it: {named}")


def each_present(folders: Iterable[RunFolder], remove: Callable[[RunFolder], Freed]) -> Iterator[Freed]:
    """Remove from one run after another; report and skip one that another process removed meanwhile."""
    for folder in folders:
        try:
            yield remove(folder)
        except DlrunError:
            if folder.path.exists():
                raise
            tell(f"skipped: {folder.id} was removed by another process")


def older(folders: Sequence[RunFolder], duration: str) -> list[RunFolder]:
    """Return the runs that started longer ago than a duration such as `30d`."""
    from dlrun.runs.query.listing import read_summary
    from dlrun.runs.query.where_operators import parse_duration

    try:
        begins = time.time() - parse_duration(duration)
    except ValueError as error:
        raise typer.BadParameter(f"{duration!r} is not {error}", param_hint="--older-than") from None
    return [folder for folder in folders if read_summary(folder.path.parent, folder.path.name).order < begins]


def ask(question: str, *, is_sure: bool) -> None:
    """Ask for confirmation on a terminal.

    Args:
        question: The question.
        is_sure: Whether the user already confirmed with `--yes`.

    Raises:
        UsageError: There is no terminal to ask on.
        typer.Exit: The user declined.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageError(question, expected="an answer, but stdin is not a terminal", hint="confirm with --yes")
    if not typer.confirm(printable(question), err=True):
        tell("nothing was removed")
        raise typer.Exit(1)


def freed_rows(freed: Iterable[Freed], form: Form) -> None:
    """Print what was removed, even if a later removal fails."""
    done: list[Freed] = []
    try:
        done.extend(freed)
    finally:
        show_rows(done, _COLUMNS, form)
    total = sum(one.bytes for one in done)
    typer.echo(f"{format_bytes(total)} of {format_count(len(done), 'run')}" if done else "nothing to remove", err=True)
