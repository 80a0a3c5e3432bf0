"""The command `dlrun batch CONFIG...`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.options import (
    AsJson,
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

if TYPE_CHECKING:
    from dlrun.batching.batch import BatchOptions

_Configs = Annotated[list[Path], typer.Argument(help="YAML files.", metavar="CONFIG...", show_default=False)]
_GRID = "Train once for each value: --grid training.batch_size=32,64. Repeat it to train every combination."
_Grids = Annotated[
    list[str], typer.Option("--grid", metavar="KEY=V1,V2", help=_GRID, default_factory=list, show_default=False)
]
_Seeds = Annotated[str, typer.Option("--seeds", metavar="N", help="Train with seeds 0 to N - 1, or with a list: 3,7.")]
_Retries = Annotated[int, typer.Option("--retry", metavar="N", min=0, help="Retry a failed run up to N times.")]
_Again = Annotated[bool, typer.Option("--again", help="Train completed runs again.")]
_METRIC = "Score to sort by, largest first; -KEY: smallest first. Default: the validation score that the runs monitor."
_Metric = Annotated[str, typer.Option("--metric", metavar="KEY", help=_METRIC, show_default=False)]
_Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Also write the final table to a CSV file.")]

_DRY_RUN = "With --on slurm: write and print the scripts, and submit nothing."
_DryRun = Annotated[bool, typer.Option("--dry-run", help=_DRY_RUN)]


def batch(
    configs: _Configs,
    overrides: Overrides,
    grids: _Grids,
    slurm: Slurm,
    *,
    seeds: _Seeds = "",
    jobs: Jobs = None,
    on: On = None,
    gpus_per_run: GpusPerRun = None,
    cpus_per_run: CpusPerRun = None,
    retry: _Retries = 0,
    metric: _Metric = "",
    csv: _Csv = None,
    runs_dir: RunsDir = RUNS_DIR,
    dry_run: _DryRun = False,
    again: _Again = False,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train all combinations of configs, grids, seeds and folds.

    Each run has its own process. Repeat the same command to continue a batch: completed runs are skipped, and
    interrupted runs are resumed.
    """
    if csv is not None and not csv.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {csv.parent}", param_hint="--csv")
    from dlrun.batching.backends.defaults import choose_placement
    from dlrun.batching.batch import BatchOptions
    from dlrun.batching.grid import combine

    runs = combine(configs, overrides, grids, seeds)
    wanted = BatchOptions(
        runs,
        runs_dir,
        jobs=jobs,
        retries=retry,
        again=again,
        metric=metric,
        trust_plugins=trust_plugins,
        command=("dlrun", *sys.argv[1:]),
        placement=choose_placement(on, gpus_per_run=gpus_per_run, cpus_per_run=cpus_per_run, slurm=slurm),
    )
    if dry_run or wanted.placement.on == "job-yaml":
        from dlrun.cli.batch.dry_run import show_scripts

        show_scripts(wanted, quiet=quiet)
        return
    train_batch(wanted, csv=csv, quiet=quiet, as_json=as_json)


def train_batch(wanted: BatchOptions, *, csv: Path | None = None, quiet: bool, as_json: bool) -> None:
    """Train the runs of a batch and print their table.

    Args:
        wanted: The batch.
        csv: The CSV file to write the table to; None: none.
        quiet: Whether to print nothing but the table.
        as_json: Whether to print JSON instead of the table.

    Raises:
        typer.Exit: A run has failed.
    """
    from dlrun.batching.batch import run_batch
    from dlrun.cli.batch.display import batch_displayed
    from dlrun.cli.batch.folds import show_folds
    from dlrun.cli.batch.table import show_table

    with batch_displayed(quiet=quiet or as_json) as display:
        table = run_batch(wanted, listener=display)
    show_table(table, csv=csv, as_json=as_json)
    if table.folds and not as_json:
        show_folds(table.folds, runs_dir=wanted.runs_dir, quiet=quiet)
    if table.failed:
        raise typer.Exit(1)
