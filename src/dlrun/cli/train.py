"""`dlrun train CONFIG`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlrun.cli import BEGAN
from dlrun.cli.options import RUNS_DIR, AllowChanges, AsJson, Overrides, Quiet, RunsDir, TrustPlugins

_Config = Annotated[Path | None, typer.Argument(help="The YAML file.", metavar="CONFIG", show_default=False)]
_Resume = Annotated[str, typer.Option("--resume", metavar="RUN", help="Go on with a run instead: dlrun resume RUN.")]


def train(
    overrides: Overrides,
    config: _Config = None,
    resume: _Resume = "",
    runs_dir: RunsDir = RUNS_DIR,
    *,
    allow_changes: AllowChanges = False,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train the model that CONFIG describes, in a new run folder."""
    if (config is None) == (not resume):
        raise typer.BadParameter("give one of them", param_hint="CONFIG or --resume RUN")
    if config is None:
        from dlrun.cli.resume import resume_run

        resume_run(
            resume,
            overrides,
            runs_dir,
            allow_changes=allow_changes,
            trust_plugins=trust_plugins,
            quiet=quiet,
            as_json=as_json,
        )
        return
    if allow_changes or trust_plugins:
        raise typer.BadParameter("these go with --resume RUN", param_hint="--allow-changes, --trust-plugins")
    from dlrun import experiment
    from dlrun.cli.display import displayed
    from dlrun.cli.outcome import show_outcome

    with displayed(quiet=quiet or as_json) as display:
        result = experiment.train(config, overrides=tuple(overrides), runs_dir=runs_dir, listener=display, began=BEGAN)
        show_outcome(result, display, runs_dir=runs_dir, as_json=as_json)
