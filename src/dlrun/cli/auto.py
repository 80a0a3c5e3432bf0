"""The command `dlrun auto --data FILE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlrun.cli.clock import BEGAN
from dlrun.cli.display.terminal import tell
from dlrun.cli.options import AsJson, CpusPerRun, GpusPerRun, Jobs, On, Quiet, RunsDir, Slurm
from dlrun.runs import RUNS_DIR

if TYPE_CHECKING:
    from dlrun.search.auto.auto import AutoOutcome

_Data = Annotated[
    str,
    typer.Option("--data", metavar="FILE", help="A table, texts, a folder of images or sound, ...", show_default=False),
]
_Target = Annotated[str, typer.Option("--target", metavar="COLUMN", help="The column to predict.", show_default=False)]
_Minutes = Annotated[float, typer.Option("--minutes", metavar="M", min=0.5, help="Minutes that everything may take.")]
_METRIC = "Validation score to improve, such as auc. Default: the loss."
_Metric = Annotated[str, typer.Option("--metric", metavar="NAME", help=_METRIC, show_default=False)]
_Type = Annotated[
    str, typer.Option("--type", help="table, series, text, images, audio, or arrays.", show_default=False)
]
_TEST = "Fraction to hold out for a test. Default: by the number of examples."
_Test = Annotated[float | None, typer.Option("--test", min=0, max=0.9, metavar="FRACTION", help=_TEST)]
_Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The config to write.")]


def auto(
    data: _Data,
    slurm: Slurm,
    *,
    target: _Target = "",
    minutes: _Minutes = 10.0,
    metric: _Metric = "",
    kind: _Type = "",
    test: _Test = None,
    output: _Output = Path("auto.yaml"),
    jobs: Jobs = None,
    on: On = None,
    gpus_per_run: GpusPerRun = None,
    cpus_per_run: CpusPerRun = None,
    runs_dir: RunsDir = RUNS_DIR,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the config.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Go from a file to the best model that the minutes allow.

    It does what init, search and train --final do, and leaves their files. Repeat the same command to continue it after
    a stop.
    """
    from dlrun.batching.backends.defaults import choose_placement
    from dlrun.cli.batch.display import batch_displayed
    from dlrun.cli.display.display import displayed
    from dlrun.init_config.draft import Wishes
    from dlrun.search.auto.auto import AutoOptions, run_auto
    from dlrun.search.auto.config import AutoWishes

    wishes = AutoWishes(data, output, minutes, metric, Wishes(kind, target, test=test), force=force)
    placement = choose_placement(on, gpus_per_run=gpus_per_run, cpus_per_run=cpus_per_run, slurm=slurm)
    options = AutoOptions(runs_dir, jobs, command=("dlrun", *sys.argv[1:]), began=BEGAN, placement=placement)
    hidden = quiet or as_json
    with batch_displayed(quiet=hidden) as trials, displayed(quiet=True) as final:
        outcome = run_auto(wishes, options, tell=trials.console.say, search_listener=trials, listener=final)
    _show(outcome, quiet=quiet, as_json=as_json)


def _show(outcome: AutoOutcome, *, quiet: bool, as_json: bool) -> None:
    from dlrun.cli.display.console import print_json
    from dlrun.cli.search.table import show_outcome
    from dlrun.system.duration import format_seconds

    final = outcome.final
    if as_json:
        about = {"config": str(outcome.config), "seconds": round(outcome.seconds, 1), "notes": list(outcome.notes)}
        print_json({**about, "final": final.record if final else None, "search": outcome.search.plain()})
        return
    show_outcome(outcome.search, csv=None, quiet=quiet, as_json=False)
    if final is not None:
        typer.echo(f"{'final':<10} run {final.folder.id}: the winner, trained on all rows")
        tell(f"report     {final.folder.report_html}")
    for note in outcome.notes:
        tell(f"note       {note}")
    tell(f"config     {outcome.config}: dlrun search {outcome.config} goes on with more minutes or trials")
    tell(f"time       {format_seconds(outcome.seconds)}")
