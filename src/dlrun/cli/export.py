"""`dlrun export RUN --to FORMAT`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import AsJson, Checkpoint, Quiet, Run, RunsDir, TrustPlugins
from dlrun.runs import RUNS_DIR

_To = Annotated[str, typer.Option("--to", help="keras, savedmodel, onnx or tflite.", metavar="FORMAT")]
_Quantize = Annotated[str | None, typer.Option(help="For tflite: float16 or int8.", metavar="TYPE")]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file, or folder, to write. Named after the run if none.")
]
_Data = Annotated[
    str | None, typer.Option(help="Raw input to check it with. The run's own data if none.", metavar="SOURCE")
]
_Force = Annotated[bool, typer.Option("--force", help="Replace what is there already.")]


def export(
    run: Run,
    to: _To,
    *,
    quantize: _Quantize = None,
    output: _Output = None,
    checkpoint: Checkpoint = "final",
    data: _Data = None,
    force: _Force = False,
    runs_dir: RunsDir = RUNS_DIR,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write the model of a RUN so that it takes raw input and runs without dlrun, and check that it does."""
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.display import displayed
    from dlrun.cli.exported import exported_lines
    from dlrun.export.exporting import Options
    from dlrun.export.exporting import export as export_

    options = Options(quantize, output, checkpoint, data, replaces=force, trust_plugins=trust_plugins)
    with displayed(quiet=quiet or as_json) as display:
        exported = export_(run, to, options=options, runs_dir=runs_dir, listener=display)
        display.close()
        if as_json:
            print_json(exported.plain())
            return
        for line in exported_lines(exported):
            display.console.result(line)
