"""The command `dlrun runs show RUN`."""

from __future__ import annotations

import sys

import typer

from dlrun.cli.options import AsCsv, AsJson, Run, RunsDir
from dlrun.runs import RUNS_DIR


def show(run: Run, runs_dir: RunsDir = RUNS_DIR, *, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show a RUN: its model, data, progress and scores.

    With --csv, it prints the epochs as CSV.
    """
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.curve import learning_curve
    from dlrun.cli.display.format import format_run
    from dlrun.cli.runs.output import Form, write_csv
    from dlrun.runs.query.catalog import find_run

    form = Form.of(as_json=as_json, as_csv=as_csv)
    folder = find_run(run, runs_dir=runs_dir)
    record, rows = folder.read_record(), folder.read_metrics()
    if form is Form.JSON:
        print_json({**record.model_dump(mode="json"), "status": folder.status, "epochs": rows})
        return
    if form is Form.CSV:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        write_csv(columns, [[row.get(column) for column in columns] for row in rows])
        return
    typer.echo(format_run(record, rows, status=folder.status, path=folder.path))
    if curve := learning_curve(rows, encoding=sys.stdout.encoding):
        typer.echo("\n" + "\n".join(curve))
