"""The command `dlrun resume RUN`."""

from __future__ import annotations

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
    import dlrun
    from dlrun.cli.display.outcome import run_and_show

    run_and_show(
        dlrun.resume,
        run,
        overrides=overrides,
        allow_changes=allow_changes,
        trust_plugins=trust_plugins,
        began=BEGAN,
        runs_dir=runs_dir,
        quiet=quiet,
        as_json=as_json,
    )
