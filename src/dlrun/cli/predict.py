"""The command `dlrun predict RUN INPUT...`."""

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
    Path | None, typer.Option("--output", "-o", help="A .csv, .jsonl or .parquet file. Default: stdout.")
]
_Format = Annotated[str | None, typer.Option("--format", help="csv, jsonl or parquet. Default: by file name.")]
_Top = Annotated[str | None, typer.Option(help="The number of most probable classes to list, or all.", metavar="K")]
_Arrays = Annotated[Path | None, typer.Option(help="A .npy file for the outputs of an autoencoder.")]
_Masks = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="A folder for the mask of each image, a PNG with the pixel values of the training masks. Pixels that fit: "
        "crop cuts off get the ignored value, or else the first class.",
    ),
]
_JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON lines; the same as --format jsonl.")]
_Keep = Annotated[
    str, typer.Option(metavar="COLUMN,COLUMN", help="Columns of INPUT to copy to the output, such as an id.")
]
_Intervals = Annotated[
    float | None,
    typer.Option(
        metavar="LEVEL", help="For numbers: add bounds that contain the true value with this probability: 0.9."
    ),
]
_Device = Annotated[str, typer.Option(help="auto, cpu, gpu, or gpu:1.")]
_BatchSize = Annotated[int | None, typer.Option(help="Examples per step.", metavar="N")]


def predict(
    run: Run,
    sources: _Sources,
    output: _Output = None,
    *,
    overrides: Overrides,
    kind: _Format = None,
    top: _Top = None,
    reconstructions: _Arrays = None,
    masks: _Masks = None,
    keep: _Keep = "",
    intervals: _Intervals = None,
    checkpoint: Checkpoint = "final",
    device: _Device = "auto",
    batch_size: _BatchSize = None,
    runs_dir: RunsDir = RUNS_DIR,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: _JsonLines = False,
) -> None:
    """Predict with the model of a RUN.

    Writes one row for each example of INPUT: its label and probability, its values, its reconstruction error, or the
    share of its pixels of each class.
    """
    import dlrun
    from dlrun.cli.display.display import displayed
    from dlrun.prediction.masks import check_mask_folder
    from dlrun.prediction.output import check_place, choose_format

    format_ = choose_format(output, "jsonl" if as_json and kind is None else kind)
    # Checked first: a place that cannot be written to is reported before the model is restored.
    for path in (output, reconstructions):
        if path is not None:
            check_place(path, sources=sources)
    if masks is not None:
        check_mask_folder(masks)
    with displayed(quiet=quiet) as display:
        predictions = dlrun.predict(
            run,
            sources,
            top=parse_top(top),
            keep=parse_keep(keep),
            intervals=intervals,
            reconstructs=reconstructions is not None,
            masks=masks is not None,
            checkpoint=checkpoint,
            overrides=overrides,
            device=device,
            batch_size=batch_size,
            trust_plugins=trust_plugins,
            runs_dir=runs_dir,
            listener=display,
        )
        to = output or standard_output()
        written = dlrun.write_predictions(predictions, to, kind=format_, reconstructions=reconstructions, masks=masks)
        _report(display, written, output, masks)


def parse_top(text: str | None) -> Top | None:
    """Parse the value of `--top`: a number of at least 1, or `all`.

    Raises:
        typer.BadParameter: The text is neither.
    """
    if text is None:
        return None
    if text == "all":
        return "all"
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is neither a positive whole number nor all", param_hint="--top")
    return int(text)


def parse_keep(text: str) -> tuple[str, ...]:
    """Parse the value of `--keep`: column names separated by commas; a name that contains a comma is quoted."""
    row = next(csv.reader([text], skipinitialspace=True), [])
    return tuple(dict.fromkeys(name.strip() for name in row if name.strip()))


class _Terminal(io.TextIOBase):
    """A terminal, to which file names and texts are written with control characters escaped."""

    def write(self, text: str) -> int:
        """Write text."""
        sys.stdout.write(printable(text))
        return len(text)


def standard_output() -> TextIO:
    """Return the stream for predictions without a file: exact UTF-8 for programs, escaped text on a terminal."""
    if sys.stdout.isatty():
        return _Terminal()  # type: ignore[return-value]
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Neither the locale's encoding nor a translation of line ends: a program gets the same bytes everywhere.
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    return sys.stdout


def _report(display: Display, written: WrittenPredictions, output: Path | None, masks: Path | None) -> None:
    """Print to stderr how many predictions were made, and the names of the file and of the folder."""
    from dlrun.system.duration import format_seconds

    # The rows come first where stdout and stderr are the same terminal.
    sys.stdout.flush()
    places = ", ".join(str(place) for place in (output, masks) if place is not None)
    where = f": {places}" if places else ""
    display.console.say(f"predicted  {written.rows:,} examples in {format_seconds(time.perf_counter() - BEGAN)}{where}")
    if written.formula:
        why = f"a spreadsheet would read {written.formula!r} as a formula: such texts have an apostrophe before them"
        display.console.warn(f"{why}; --format jsonl and parquet write them unchanged")
