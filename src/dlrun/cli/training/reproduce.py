"""The command `dlrun reproduce RUN`."""

from __future__ import annotations

import typer

from dlrun.cli.options import AsJson, Overrides, Quiet, Run, RunsDir, TrustPlugins
from dlrun.runs import RUNS_DIR


def reproduce(
    run: Run,
    overrides: Overrides,
    runs_dir: RunsDir = RUNS_DIR,
    *,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a RUN again and compare both.

    Reports that they are bit-identical, or the first difference. The exit code is 1 if they differ.
    """
    import dlrun
    from dlrun.cli.display.console import print_json
    from dlrun.cli.display.display import displayed

    with displayed(quiet=quiet or as_json) as display:
        found = dlrun.reproduce(
            run, overrides=overrides, trust_plugins=trust_plugins, runs_dir=runs_dir, listener=display
        )
        display.close()
        if as_json:
            print_json(found.plain())
        else:
            for line in found.lines():
                display.console.result(line)
    if not found.identical:
        raise typer.Exit(1)
