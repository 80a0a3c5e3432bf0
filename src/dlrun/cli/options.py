"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli.display.printable import printable
from dlrun.cli.display.terminal import tell

Config = Annotated[Path, typer.Argument(help="The YAML file.", metavar="CONFIG", show_default=False)]
ConfigOrResume = Annotated[Path | None, typer.Argument(help="The YAML file.", metavar="CONFIG", show_default=False)]
"""For commands that take `--resume RUN` in place of a config."""
Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the config: --set training.epochs=3. Repeatable.",
        default_factory=list,
        show_default=False,
    ),
]


def _warn_of_choice_by_test(runs: str | list[str] | None) -> str | list[str] | None:
    """Warn about `best:test_...`, because a test score that selected the run is too optimistic."""
    for run in [runs] if isinstance(runs, str) else runs or []:
        if re.match(r"best:[-+]?test_", run):
            consequence = "selects by the test split: the test score of this run is no longer a fair estimate"
            tell(f"warning    {printable(run)} {consequence}")
    return runs


_EACH = "Runs: ids, parts of ids, paths, last, or best:val_accuracy."
_ONE = "A run: its id, a part of its id, its path, last, or best:val_accuracy."
Run = Annotated[str, typer.Argument(help=_ONE, metavar="RUN", show_default=False, callback=_warn_of_choice_by_test)]
RunList = Annotated[
    list[str], typer.Argument(help=_EACH, metavar="RUN...", show_default=False, callback=_warn_of_choice_by_test)
]
AnyRuns = Annotated[
    list[str] | None,
    typer.Argument(help=_EACH, metavar="RUN...", show_default=False, callback=_warn_of_choice_by_test),
]
Where = Annotated[
    str, typer.Option(metavar="CONDITION", help="Only runs that match: 'val_accuracy>0.98 and model.type=cnn'.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="The folder of the runs.", envvar="DLRUN_RUNS")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only scores, and warnings on stderr.")]
Checkpoint = Annotated[str, typer.Option(help="final, last, best, or the name of a checkpoint.")]
_JOBS = (
    "Runs at a time. Default: one per GPU; on a CPU 2, or a quarter of its cores; on a cluster what it has room for."
)
Jobs = Annotated[int | None, typer.Option("--jobs", metavar="N", help=_JOBS, show_default=False)]
_ON = "Where: local, ray, ray://HOST:PORT, or slurm. Default: engine in ~/.config/dlrun/defaults.yaml, else local."
On = Annotated[str | None, typer.Option("--on", metavar="ENGINE", help=_ON, show_default=False)]
_GPUS = "GPUs of a cluster for each run, such as 0.5. Default: 1 if the run may use one."
GpusPerRun = Annotated[float | None, typer.Option(metavar="N", min=0, help=_GPUS, show_default=False)]
_CPUS = "CPU cores of a cluster for each run."
CpusPerRun = Annotated[float | None, typer.Option(metavar="N", min=0, help=_CPUS, show_default=False)]
_SLURM = "Options of sbatch for --on slurm: partition=gpu,gres=gpu:1,time=4:00:00. Repeatable."
Slurm = Annotated[
    list[str], typer.Option("--slurm", metavar="KEY=VALUE,...", help=_SLURM, default_factory=list, show_default=False)
]
TrustPlugins = Annotated[
    bool, typer.Option("--trust-plugins", help="Run the plugins, which are code, of a run that was made elsewhere.")
]
AllowChanges = Annotated[
    bool, typer.Option("--allow-changes", help="Resume in a changed environment; the run is then no longer exact.")
]


def check_config_or_resume(config: Path | None, resume: str, *, allow_changes: bool) -> None:
    """Check that either CONFIG or `--resume RUN` is given, and no option of the other.

    Raises:
        typer.BadParameter: The arguments do not fit together.
    """
    if (config is None) == (not resume):
        raise typer.BadParameter("give exactly one of them", param_hint="CONFIG or --resume RUN")
    if config is not None and allow_changes:
        raise typer.BadParameter("it needs --resume RUN", param_hint="--allow-changes")
