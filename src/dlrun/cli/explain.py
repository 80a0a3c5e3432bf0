"""`dlrun explain RUN INPUT`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dlrun.cli.options import AsJson, Checkpoint, Quiet, Run, RunsDir, TrustPlugins
from dlrun.runs import RUNS_DIR

_Sources = Annotated[
    list[str], typer.Argument(metavar="INPUT...", help="Files, folders, globs, or - for standard input.")
]
_Method = Annotated[Literal["auto", "grad_cam", "smooth_grad"], typer.Option(help="For images.")]
_About = Annotated[str, typer.Option(metavar="NAME", help="The class or value to explain; else what is predicted.")]
_Limit = Annotated[int, typer.Option(min=1, metavar="N", help="Images or texts to explain, at most.")]
_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The folder for pictures (else: explained); of a table a .csv or .jsonl file."),
]


def explain(
    run: Run,
    sources: _Sources,
    *,
    about: _About = "",
    method: _Method = "auto",
    limit: _Limit = 20,
    output: _Output = None,
    checkpoint: Checkpoint = "final",
    runs_dir: RunsDir = RUNS_DIR,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Tell which pixels, words or columns the predictions of a RUN rest on."""
    from dlrun.cli.display.display import displayed
    from dlrun.cli.explanations import show_columns, show_examples
    from dlrun.explanation.explain import Columns, Options
    from dlrun.explanation.explain import explain as explain_

    options = Options(about, method, limit, checkpoint, trust_plugins)
    with displayed(quiet=quiet or as_json) as display:
        found = explain_(run, sources, options=options, runs_dir=runs_dir, listener=display)
        if isinstance(found, Columns):
            show_columns(found, output, as_json=as_json)
        else:
            show_examples(found, output or Path("explained"), as_json=as_json)
