"""The command `dlrun runs compare RUN RUN ...`, which prints a table with a column for each run."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlrun.cli.display.format import format_score, format_table
from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsCsv, AsJson, RunList, RunsDir
from dlrun.runs import RUNS_DIR
from dlrun.system.duration import format_seconds

if TYPE_CHECKING:
    from dlrun.runs.compare.compare import ComparisonLine, RunComparison

_Plot = Annotated[
    str, typer.Option("--plot", metavar="FILE", help="Draw curves to a .png, .svg or .pdf file, or here (-).")
]
_Metric = Annotated[str, typer.Option(metavar="NAME", help="The score to draw. Default: val_loss, or else loss.")]


def compare(
    runs: RunList,
    runs_dir: RunsDir = RUNS_DIR,
    plot: _Plot = "",
    metric: _Metric = "",
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare runs: the keys that differ, and the scores."""
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.curve import draw_curves, takes_braille
    from dlrun.cli.display.printable import printable
    from dlrun.cli.runs.output import Form, write_csv
    from dlrun.runs.compare.compare import compare_runs
    from dlrun.runs.compare.curves import check_picture, draw_picture, read_curves
    from dlrun.runs.query.catalog import find_run

    form = Form.of(as_json=as_json, as_csv=as_csv)
    if plot and plot != "-":
        check_picture(Path(plot))
    folders = [find_run(run, runs_dir=runs_dir) for run in runs]
    found = compare_runs(folders)
    drawn = read_curves(folders, metric) if plot or metric else ("", {})
    if form is Form.JSON:
        print_json(found.plain())
    elif form is Form.CSV:
        write_csv(("section", "key", *found.ids), comparison_rows(found))
    else:
        typer.echo(comparison_table(found))
    for warning in found.warnings:
        tell(f"note: {warning}")
    if plot == "-" or (metric and not plot):
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        lines = draw_curves(drawn[1], braille=takes_braille(sys.stdout.encoding), columns=columns)
        # If stdout has JSON or CSV for a program, the curves go to stderr.
        typer.echo(printable("\n".join(("", drawn[0], *lines))), err=form is not Form.TABLE)
    elif plot:
        draw_picture(Path(plot), drawn[1], metric=drawn[0])
        tell(f"wrote {plot}: {drawn[0]} of {len(drawn[1])} runs")


def comparison_table(found: RunComparison) -> str:
    """Return a table with a line for each key, a column for each run, and an empty line between sections."""
    rows: list[tuple[str, ...]] = []
    section = ""
    for line in found.lines:
        if section not in ("", line.section):
            rows.append(("",) * (len(found.ids) + 1))
        section = line.section
        rows.append((line.key, *(_text(line, value) for value in line.values)))
    if not any(line.section == "spec" for line in found.lines):
        rows.insert(0, ("all keys of the specs are the same", *("" for _ in found.ids)))
    return format_table(("", *found.ids), rows)


def comparison_rows(found: RunComparison) -> Iterator[tuple[Any, ...]]:
    """Yield the comparison as rows of section, key, and one value for each run."""
    from dlrun.runs.query.fields import as_text

    for line in found.lines:
        values = (as_text(value) if isinstance(value, bool | list) else value for value in line.values)
        yield (line.section, line.key, *values)


def _text(line: ComparisonLine, value: Any) -> str:
    from dlrun.runs.query.fields import as_text

    if value is None and line.section != "spec":
        return "-"
    if line.section == "score" and isinstance(value, float):
        return format_score(value)
    if line.section == "outcome" and not isinstance(value, str):
        return format_seconds(value) if line.key == "seconds" else f"{value:,.0f}"
    return as_text(value)
