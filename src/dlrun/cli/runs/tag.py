"""The command `dlrun runs tag RUN TAG...`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.options import AsCsv, AsJson, Run, RunsDir
from dlrun.runs import RUNS_DIR

_Tags = Annotated[
    list[str] | None, typer.Argument(metavar="TAG...", help="The tags to add. Without any, show the tags of the run.")
]
_Remove = Annotated[bool, typer.Option("--remove", help="Remove the tags instead.")]


def tag(
    run: Run,
    tags: _Tags = None,
    runs_dir: RunsDir = RUNS_DIR,
    *,
    remove: _Remove = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Add tags to a RUN, or remove them.

    Find tagged runs with dlrun runs ls --where tag=paper.
    """
    from dlrun.cli.runs.output import Form, ListingColumn, show_rows
    from dlrun.runs.query.catalog import find_run
    from dlrun.runs.tags import change_tags

    form = Form.of(as_json=as_json, as_csv=as_csv)
    folder = find_run(run, runs_dir=runs_dir)
    found = change_tags(folder, tags, is_removal=remove) if tags else folder.read_record().tags
    columns = (ListingColumn("run", lambda _: folder.id), ListingColumn("tags", list, ", ".join))
    show_rows([found], columns, form)
