"""The command `dlrun runs ls`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsCsv, AsJson, RunsDir, Where
from dlrun.runs import RUNS_DIR

_Status = Annotated[str, typer.Option(help="Only runs with this status, or one of a list: completed,failed.")]
_Sort = Annotated[str, typer.Option(metavar="KEY", help="Smallest first; -KEY: largest first. Default: newest first.")]
_Columns = Annotated[str, typer.Option(metavar="KEY,KEY,...", help="The columns to show: any keys of --where.")]
_Limit = Annotated[int | None, typer.Option("--limit", "-n", min=0, metavar="N", help="Show at most N runs.")]


def list_(
    where: Where = "",
    status: _Status = "",
    sort: _Sort = "",
    columns: _Columns = "",
    limit: _Limit = None,
    runs_dir: RunsDir = RUNS_DIR,
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List runs, newest first.

    A KEY is a fact of the run (status, name, id, tag, started, seconds, age, model, dataset, ...), a score
    (val_accuracy, test_loss, ...), or a key of its spec by its dotted path (training.batch_size).
    """
    import dlrun
    from dlrun.cli.runs.columns import default_columns, key_columns, spreadsheet_columns
    from dlrun.cli.runs.output import Form, show_rows
    from dlrun.runs.query.fields import RunFields
    from dlrun.runs.query.listing import scan_runs

    form = Form.of(as_json=as_json, as_csv=as_csv)
    chosen = dlrun.list_runs(where, status=status, sort=sort, limit=limit, runs_dir=runs_dir)
    # The listing reads only the index, in milliseconds. A scan of all runs is needed only for other columns, or to tell
    # an empty folder from a filter that matches nothing.
    found = scan_runs(runs_dir) if columns or not chosen else chosen
    if columns and found:
        shown = key_columns(columns, RunFields(found))
    elif as_json:
        shown = None
    else:
        shown = spreadsheet_columns(chosen) if as_csv else default_columns(chosen)
    if not chosen and form is Form.TABLE:
        none = f"no runs in {runs_dir}; create one with dlrun train CONFIG"
        tell(f"none of the {len(found):,} runs matches" if found else none)
        return
    show_rows(chosen, shown, form)
