"""The command `dlrun resume RUN`."""

from __future__ import annotations

from pathlib import Path

from dlrun.cli.clock import BEGAN
from dlrun.cli.options import AllowChanges, AsJson, Overrides, Quiet, Run, RunsDir, TrustPlugins
from dlrun.runs import RUNS_DIR


def resume(
    run: Run,
    overrides: Overrides,
    runs_dir: RunsDir = RUNS_DIR,
    *,
    allow_changes: AllowChanges = False,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Resume a RUN at the step after its last checkpoint.

    Use --set training.epochs=20 to train a completed run longer.
    """
    resume_run(
        run, overrides, runs_dir, allow_changes=allow_changes, trust_plugins=trust_plugins, quiet=quiet, as_json=as_json
    )


def resume_run(
    run: str,
    overrides: list[str],
    runs_dir: Path,
    *,
    allow_changes: bool,
    trust_plugins: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Resume a run, for `dlrun resume` and `dlrun train --resume`."""
    import dlrun
    from dlrun.cli.display.display import displayed
    from dlrun.cli.display.outcome import show_outcome

    with displayed(quiet=quiet or as_json) as display:
        result = dlrun.resume(
            run,
            overrides=overrides,
            allow_changes=allow_changes,
            trust_plugins=trust_plugins,
            runs_dir=runs_dir,
            listener=display,
            began=BEGAN,
        )
        show_outcome(result, display, runs_dir=runs_dir, as_json=as_json)
