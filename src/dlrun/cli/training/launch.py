"""The command `dlrun launch --workers N CONFIG`."""

from __future__ import annotations

from typing import Annotated

import typer

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
from dlrun.runs import RUNS_DIR

_Resume = Annotated[str, typer.Option("--resume", metavar="RUN", help="Resume a run, with the same number of workers.")]
_Workers = Annotated[int, typer.Option("--workers", metavar="N", help="Processes, which share every batch.")]


def launch(
    overrides: Overrides,
    workers: _Workers,
    config: ConfigOrResume = None,
    resume: _Resume = "",
    runs_dir: RunsDir = RUNS_DIR,
    *,
    allow_changes: AllowChanges = False,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train with several processes on this machine.

    They train one model together. To use several machines, start dlrun train on each, with TF_CONFIG or under srun.
    """
    check_config_or_resume(config, resume, allow_changes=allow_changes)
    from dlrun.launch import launch as launching

    # Each worker is a dlrun process of its own, which gets the options as text.
    flags = {"--allow-changes": allow_changes, "--trust-plugins": trust_plugins, "--quiet": quiet, "--json": as_json}
    options = [*(name for name, is_on in flags.items() if is_on), "--runs-dir", str(runs_dir)]
    options += [part for override in overrides for part in ("--set", override)]
    asked = launching.LaunchOptions(workers, runs_dir, tuple(overrides), tuple(options), trust_plugins=trust_plugins)
    code = launching.launch_training(config, asked) if config is not None else launching.launch_resume(resume, asked)
    if code:
        raise typer.Exit(code)
