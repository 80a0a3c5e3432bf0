"""The command `dlrun ensemble RUN... | --folds BATCH`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.options import AnyRuns, AsJson, Overrides, Quiet, RunsDir, TrustPlugins
from dlrun.runs import RUNS_DIR

_Folds = Annotated[
    list[str],
    typer.Option(
        "--folds",
        metavar="BATCH",
        help="Join the runs of all folds: last, or (a part of) a name in runs/folds. Repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
_Weights = Annotated[
    str, typer.Option(metavar="HOW", help="mean: equal weights. greedy: weights chosen on validation data.")
]
_Name = Annotated[str, typer.Option(help="Name of the new run.")]


def ensemble(
    overrides: Overrides,
    folds: _Folds,
    runs: AnyRuns = None,
    weights: _Weights = "mean",
    name: _Name = "ensemble",
    runs_dir: RunsDir = RUNS_DIR,
    *,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Join trained RUNs into one run that predicts their mean.

    eval, predict, explain and export take it like any other run, even after its members are removed.
    """
    import dlrun
    from dlrun.cli.display.outcome import run_and_show

    run_and_show(
        dlrun.ensemble,
        runs or (),
        folds=folds,
        weights=weights,
        name=name,
        overrides=overrides,
        trust_plugins=trust_plugins,
        runs_dir=runs_dir,
        quiet=quiet,
        as_json=as_json,
    )
