"""The command `dlrun runs tail RUN`, which prints the last epochs and follows the new ones."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from dlrun.cli.display.format import format_row
from dlrun.cli.display.printable import printable, printable_text
from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsCsv, AsJson, Run, RunsDir
from dlrun.cli.runs.output import Form
from dlrun.runs import RUNS_DIR
from dlrun.runs.history import parse_row
from dlrun.system.spreadsheet import csv_text

_Lines = Annotated[int, typer.Option("--lines", "-n", min=0, metavar="N", help="The number of lines to start with.")]
_Follow = Annotated[bool, typer.Option(help="Wait for new epochs until the training ends.")]
_Log = Annotated[bool, typer.Option("--log", help="Show log.txt instead of the epochs.")]


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
    """Show the last epochs of a RUN and follow its training."""
    from dlrun.runs.following import follow_lines
    from dlrun.runs.query.catalog import find_run

    form = Form.of(as_json=as_json, as_csv=as_csv)
    if log and form is not Form.TABLE:
        raise typer.BadParameter("a log is plain text; leave out --json and --csv", param_hint="--log")
    folder = find_run(run, runs_dir=runs_dir)
    epochs = EpochLines(form)
    path = folder.log_txt if log else folder.metrics_jsonl
    # The holder tells whether the run still trains: after a kill, the status on record stays `running`.
    for line in follow_lines(path, last=lines, is_growing=lambda: follow and folder.held_by() is not None):
        text = printable(line.decode(errors="replace")) if log else epochs.text(line)
        if text is not None:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
    record = folder.read_record()
    reason = f": {record.reason}" if record.reason else ""
    tell(f"{folder.status_of(record)}{reason}")


class EpochLines:
    """Formats rows of metrics.jsonl, one after another.

    Args:
        form: The output format. TABLE prints one plain line for each epoch.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._columns: list[str] = []

    def text(self, line: bytes) -> str | None:
        """Return the text for a line of metrics.jsonl; None if the line is damaged."""
        row = parse_row(line + b"\n")
        if row is None:
            return None
        if self._form is Form.JSON:
            return json.dumps(row)
        if self._form is Form.TABLE:
            return format_row(row)
        rows: list[list[object]] = [[row.get(column) for column in self._columns]]
        if not set(row) <= set(self._columns):  # the first row, or a row with a new metric
            self._columns = list(row)
            rows = [[printable_text(name) for name in row], list(row.values())]
        return csv_text(rows).removesuffix("\n")
