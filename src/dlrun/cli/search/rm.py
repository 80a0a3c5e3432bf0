"""The command `dlrun search rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.display.terminal import tell
from dlrun.cli.options import RunsDir, Yes
from dlrun.runs import RUNS_DIR

_Name = Annotated[str, typer.Argument(help="The name of the search.", metavar="SEARCH", show_default=False)]
_Runs = Annotated[bool, typer.Option("--runs", help="Remove its runs, too.")]


def remove(search: _Name, *, runs_dir: RunsDir = RUNS_DIR, runs: _Runs = False, yes: Yes = False) -> None:
    """Remove the record of a SEARCH; its runs stay unless --runs is given."""
    from dlrun.cli.display.format import format_count
    from dlrun.cli.runs.removal import ask
    from dlrun.search.folder import find_search
    from dlrun.search.removal import own_runs, remove_search

    folder = find_search(search, runs_dir=runs_dir)
    found = own_runs(folder) if runs else ()
    with_runs = f" and {format_count(len(found), 'run')}" if runs else ""
    ask(f"remove the search {folder.name}{with_runs}?", is_sure=yes)
    remove_search(folder, found)
    tell(f"removed    the search {folder.name}{with_runs}")
