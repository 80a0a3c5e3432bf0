"""The command `dlrun report RUN...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import RunsDir
from dlrun.runs import RUNS_DIR

_Runs = Annotated[
    list[str], typer.Argument(help="Runs: ids, parts of ids, paths, last, or best:val_accuracy.", metavar="RUN...")
]
_Output = Annotated[Path, typer.Option("--output", "-o", help="The file for the comparison of several runs.")]


def report(runs: _Runs, output: _Output = Path("report.html"), runs_dir: RunsDir = RUNS_DIR) -> None:
    """Rewrite the report of a RUN, or compare several in one page."""
    from dlrun.report.comparison import write_comparison
    from dlrun.report.writing import write_report
    from dlrun.runs.query.catalog import find_run

    folders = [find_run(run, runs_dir=runs_dir) for run in runs]
    if len(folders) == 1:
        write_report(folders[0])
        typer.echo(str(folders[0].report_html))
        return
    write_comparison(folders, output)
    typer.echo(str(output))
