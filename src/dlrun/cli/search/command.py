"""The command `dlrun search CONFIG`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.options import (
    AsJson,
    Config,
    CpusPerRun,
    GpusPerRun,
    Jobs,
    On,
    Overrides,
    Quiet,
    RunsDir,
    Slurm,
    TrustPlugins,
)
from dlrun.runs import RUNS_DIR

_Name = Annotated[str, typer.Option(metavar="NAME", help="Name of the search. Default: that of the config.")]
_TRIALS = "Number of trials in all, instead of search.trials."
_Trials = Annotated[int | None, typer.Option(metavar="N", min=1, help=_TRIALS, show_default=False)]
_MINUTES = "Minutes after which the search ends, instead of search.minutes."
_Minutes = Annotated[float | None, typer.Option(metavar="M", min=0, help=_MINUTES, show_default=False)]
_Retries = Annotated[int, typer.Option("--retry", metavar="N", min=0, help="Retry a failed trial up to N times.")]
_Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also write the trials to a CSV file.")]


def search_config(
    config: Config,
    overrides: Overrides,
    slurm: Slurm,
    *,
    name: _Name = "",
    trials: _Trials = None,
    minutes: _Minutes = None,
    jobs: Jobs = None,
    on: On = None,
    gpus_per_run: GpusPerRun = None,
    cpus_per_run: CpusPerRun = None,
    retry: _Retries = 0,
    csv: _Csv = None,
    runs_dir: RunsDir = RUNS_DIR,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the trials of the section search of CONFIG, and name the best.

    Each trial is a run. Repeat the same command to continue a search that was stopped; with more trials, it goes on.
    """
    if csv is not None and not csv.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {csv.parent}", param_hint="--csv")
    from dlrun.batching.backends.defaults import choose_placement
    from dlrun.cli.batch.display import batch_displayed
    from dlrun.cli.search.table import show_outcome
    from dlrun.search.plan import SearchOptions
    from dlrun.search.search import run_search

    own = {"search.trials": trials, "search.minutes": minutes}
    limits = tuple(f"{key}={value}" for key, value in own.items() if value is not None)
    wanted = SearchOptions(
        config,
        (*overrides, *limits),
        name,
        runs_dir,
        jobs=jobs,
        retries=retry,
        trust_plugins=trust_plugins,
        command=("dlrun", *sys.argv[1:]),
        placement=choose_placement(on, gpus_per_run=gpus_per_run, cpus_per_run=cpus_per_run, slurm=slurm),
    )
    with batch_displayed(quiet=quiet or as_json) as display:
        outcome = run_search(wanted, listener=display)
    show_outcome(outcome, csv=csv, quiet=quiet, as_json=as_json)
    if not any(trial.stage in ("completed", "paused") for trial in outcome.trials):
        raise typer.Exit(1)
