"""`dlrun runs tail RUN`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsCsv, AsJson, Run, RunsDir
from dlrun.runs import RUNS_DIR

_Lines = Annotated[int, typer.Option("--lines", "-n", min=0, metavar="N", help="How many to begin with.")]
_Follow = Annotated[bool, typer.Option(help="Go on until the training ends; a run that has ended is at its end.")]
_Log = Annotated[bool, typer.Option("--log", help="The lines of log.txt instead of the epochs.")]


def tail(
    run: Run,
    lines: _Lines = 10,
    runs_dir: RunsDir = RUNS_DIR,
    *,
    follow: _Follow = True,
    log: _Log = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the last epochs of a RUN, and those to come while it trains."""
    from dlrun.cli.display.printable import printable
    from dlrun.cli.runs.epoch_lines import EpochLines
    from dlrun.cli.runs.output import Form
    from dlrun.runs.following import follow_lines
    from dlrun.runs.query.catalog import find_run

    form = Form.of(as_json=as_json, as_csv=as_csv)
    if log and form is not Form.TABLE:
        raise typer.BadParameter("its lines are plain text", param_hint="--log")
    folder = find_run(run, runs_dir=runs_dir)
    epochs = EpochLines(form)
    path = folder.log_txt if log else folder.metrics_jsonl
    for line in follow_lines(path, last=lines, is_growing=lambda: follow and folder.held_by() is not None):
        text = printable(line.decode(errors="replace")) if log else epochs.text(line)
        if text is not None:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
    record = folder.read_record()
    reason = f": {record.reason}" if record.reason else ""
    tell(f"{folder.status_of(record)}{reason}")
