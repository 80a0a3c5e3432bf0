"""The command `dlrun train CONFIG`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from dlrun.cli.clock import BEGAN
from dlrun.cli.options import (
    AllowChanges,
    AsJson,
    ConfigOrResume,
    Overrides,
    Quiet,
    RunsDir,
    TrustPlugins,
    check_config_or_resume,
)
from dlrun.errors import UsageError
from dlrun.runs import RUNS_DIR

_Resume = Annotated[
    str, typer.Option("--resume", metavar="RUN", help="Resume a run instead, as dlrun resume RUN does.")
]
_Final = Annotated[
    str,
    typer.Option("--final", metavar="RUN", help="Train the config of a run again on all rows, up to its best epoch."),
]


_From = Annotated[
    str,
    typer.Option(
        "--from", metavar="RUN", help="Start from the weights of a run: every variable with an equal name and shape."
    ),
]


def train(
    overrides: Overrides,
    config: ConfigOrResume = None,
    parent: _From = "",
    resume: _Resume = "",
    final: _Final = "",
    runs_dir: RunsDir = RUNS_DIR,
    *,
    allow_changes: AllowChanges = False,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the model of CONFIG in a new run folder.

    A config with the key folds gives one run for each fold, and their mean scores.
    """
    if final and (config is not None or resume or allow_changes):
        raise typer.BadParameter("it takes neither CONFIG nor --resume nor --allow-changes", param_hint="--final RUN")
    if not final:
        check_config_or_resume(config, resume, allow_changes=allow_changes)
    if config is not None:
        _refuse_run(config, runs_dir)
        overrides = [*_starting_from(parent, runs_dir), *overrides]
    elif parent:
        raise typer.BadParameter("it needs CONFIG", param_hint="--from RUN")
    from dlrun.spec.folds import asks_for_folds

    if config is not None and asks_for_folds(config, overrides):
        _train_folds(config, overrides, runs_dir, trust_plugins=trust_plugins, quiet=quiet, as_json=as_json)
        return
    import dlrun
    from dlrun.cli.display.outcome import run_and_show

    options: dict[str, Any] = {"overrides": overrides, "trust_plugins": trust_plugins, "began": BEGAN}
    options |= {"runs_dir": runs_dir, "quiet": quiet, "as_json": as_json}
    if final:
        run_and_show(dlrun.train_final, final, **options)
    elif config is None:
        run_and_show(dlrun.resume, resume, allow_changes=allow_changes, **options)
    else:
        run_and_show(dlrun.train, config, **options)


def _train_folds(
    config: Path, overrides: list[str], runs_dir: Path, *, trust_plugins: bool, quiet: bool, as_json: bool
) -> None:
    """Train the folds of a config as a batch of runs; those that are complete already are skipped."""
    from dlrun.batching.batch import BatchOptions
    from dlrun.batching.grid import combine
    from dlrun.cli.batch.command import train_batch

    command = ("dlrun", *sys.argv[1:])
    wanted = BatchOptions(combine([config], overrides, []), runs_dir, trust_plugins=trust_plugins, command=command)
    train_batch(wanted, quiet=quiet, as_json=as_json)


def _starting_from(parent: str, runs_dir: Path) -> list[str]:
    """Return the override for the option `--from`."""
    if not parent:
        return []
    from dlrun.runs.query.catalog import find_run

    folder = find_run(parent, runs_dir=runs_dir)
    is_among = folder.path.parent.resolve() == runs_dir.resolve()
    return [f"initialize.run={json.dumps(folder.id if is_among else str(folder.path.resolve()))}"]


def _refuse_run(config: Path, runs_dir: Path) -> None:
    """Raise an error that names the right command if the config is a run, or the right file if a suffix is missing."""
    # A file that exists is a config, even if it is called `last`.
    if config.suffix or os.path.lexists(config):
        return
    if str(config) == "last" or str(config).startswith("best:") or os.path.isfile(runs_dir / config / "run.json"):  # noqa: PTH113
        raise UsageError(
            f"{config} is a run, and train takes a config",
            expected="a YAML file",
            hint=f"continue the run with dlrun resume {config}, or train it again with dlrun reproduce {config}",
        )
    if os.path.isfile(f"{config}.yaml"):  # noqa: PTH113
        raise UsageError(f"there is no file {config}", expected="a YAML file", hint=f"did you mean {config}.yaml?")
