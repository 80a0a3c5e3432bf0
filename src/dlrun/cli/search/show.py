"""The command `dlrun search show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import AsJson, RunsDir
from dlrun.runs import RUNS_DIR

Search = Annotated[
    str, typer.Argument(help="A search: last, its name, a part of its name, or its path.", metavar="SEARCH")
]
_Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also write the trials to a CSV file.")]


def show(search: Search = "last", *, csv: _Csv = None, runs_dir: RunsDir = RUNS_DIR, as_json: AsJson = False) -> None:
    """Show the trials of a SEARCH, the best first."""
    from dlrun.cli.search.table import show_outcome
    from dlrun.search.folder import find_search

    folder = find_search(search, runs_dir=runs_dir)
    show_outcome(folder.read(), csv=csv, quiet=False, as_json=as_json)
