"""`dlrun predict RUN INPUT...`: its options, where the predictions go, and the line at its end."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from dlrun.cli.clock import BEGAN
from dlrun.cli.display.printable import printable
from dlrun.cli.options import Checkpoint, Overrides, Quiet, Run, RunsDir, TrustPlugins
from dlrun.runs import RUNS_DIR

if TYPE_CHECKING:
    from dlrun.cli.display.display import Display
    from dlrun.prediction.columns import Top
    from dlrun.prediction.output import WrittenPredictions


_Sources = Annotated[
    list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs, or - for standard input.")
]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="A .csv, .jsonl or .parquet file; stdout if none.")
]
_Format = Annotated[str | None, typer.Option("--format", help="csv, jsonl or parquet, whatever the file is called.")]
_Top = Annotated[str | None, typer.Option(help="How many of the most probable classes to name, or all.", metavar="K")]
_Arrays = Annotated[Path | None, typer.Option(help="A .npy file for what an autoencoder makes of its input.")]
_JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON lines, as --format jsonl.")]
_Keep = Annotated[
    str, typer.Option(metavar="COLUMN,COLUMN", help="Columns of INPUT to repeat beside the predictions: an id.")
]
_Device = Annotated[str, typer.Option(help="auto, cpu, gpu, or gpu:1.")]
_BatchSize = Annotated[int | None, typer.Option(help="Examples in one step.", metavar="N")]


def predict(
    run: Run,
    sources: _Sources,
    output: _Output = None,
    *,
    overrides: Overrides,
    kind: _Format = None,
    top: _Top = None,
    reconstructions: _Arrays = None,
    keep: _Keep = "",
    checkpoint: Checkpoint = "final",
    device: _Device = "auto",
    batch_size: _BatchSize = None,
    runs_dir: RunsDir = RUNS_DIR,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: _JsonLines = False,
) -> None:
    """Predict with the model of a RUN: label, probability, values or reconstruction error of each example of INPUT."""
    import dlrun
    from dlrun.cli.display.display import displayed
    from dlrun.prediction.output import check_place, choose_format

    format_ = choose_format(output, "jsonl" if as_json and kind is None else kind)
    for path in (output, reconstructions):
        if path is not None:
            check_place(path, sources=sources)
    with displayed(quiet=quiet) as display:
        predictions = dlrun.predict(
            run,
            sources,
            top=parse_top(top),
            keep=parse_keep(keep),
            reconstructs=reconstructions is not None,
            checkpoint=checkpoint,
            overrides=overrides,
            device=device,
            batch_size=batch_size,
            trust_plugins=trust_plugins,
            runs_dir=runs_dir,
            listener=display,
        )
        to = output or standard_output()
        written = dlrun.write_predictions(predictions, to, kind=format_, reconstructions=reconstructions)
        _report(display, written, output)


def parse_top(text: str | None) -> Top | None:
    """What `--top` says: a number of at least 1, or `all`.

    Raises:
        typer.BadParameter: It is neither.
    """
    if text is None:
        return None
    if text == "all":
        return "all"
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is neither a number of classes nor all", param_hint="--top")
    return int(text)


def parse_keep(text: str) -> tuple[str, ...]:
    """The columns that `--keep` names, each once; one whose name holds a comma stands in quotation marks."""
    row = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(dict.fromkeys(name.strip() for name in row if name.strip()))


class _Terminal(io.TextIOBase):
    """A person's terminal, which is given no control characters of a file's name or a text."""

    def write(self, text: str) -> int:
        """Write text."""
        sys.stdout.write(printable(text))
        return len(text)


def standard_output() -> TextIO:
    """Where predictions go that go to no file: UTF-8 as it is for a program, printable for a person."""
    if sys.stdout.isatty():
        return _Terminal()  # type: ignore[return-value]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    return sys.stdout


def _report(display: Display, written: WrittenPredictions, output: Path | None) -> None:
    """Say how many predictions there are and where, on stderr."""
    from dlrun.cli.display.format import format_seconds

    sys.stdout.flush()
    where = f": {output}" if output is not None else ""
    display.console.say(f"predicted  {written.rows:,} examples in {format_seconds(time.perf_counter() - BEGAN)}{where}")
    if written.formula:
        said = f"{written.formula!r} and the like are formulas to a spreadsheet: each has an apostrophe before it"
        display.console.warn(f"{said}; --format jsonl and parquet have them as they are")
