"""`dlrun predict RUN INPUT`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import Checkpoint, Overrides, Quiet, Run, RunsDir, TrustPlugins
from dlrun.runs import RUNS_DIR

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
    from dlrun.cli.display.display import displayed
    from dlrun.cli.predictions import parsed_keep, parsed_top, standard_output, told
    from dlrun.prediction import output as writing
    from dlrun.prediction.predict import Options
    from dlrun.prediction.predict import predict as predict_

    format_ = writing.settled_format(output, "jsonl" if as_json and kind is None else kind)
    for path in (output, reconstructions):
        if path is not None:
            writing.check_place(path, sources=sources)
    options = Options(
        top=parsed_top(top),
        checkpoint=checkpoint,
        device=device,
        batch_size=batch_size,
        reconstructs=reconstructions is not None,
        overrides=tuple(overrides),
        trust_plugins=trust_plugins,
        keep=parsed_keep(keep),
    )
    with displayed(quiet=quiet) as display:
        predictions = predict_(run, sources, options=options, runs_dir=runs_dir, listener=display)
        to = output or standard_output()
        written = writing.write_predictions(predictions, to, kind=format_, reconstructions=reconstructions)
        told(display, written, output)
