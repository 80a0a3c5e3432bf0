"""`dlrun eval RUN`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.options import RUNS_DIR, AsJson, Overrides, Quiet, Run, RunsDir, TrustPlugins


def evaluate(
    run: Run,
    overrides: Overrides,
    split: Annotated[str, typer.Option(help="train, validation, test, or all.")] = "test",
    checkpoint: Annotated[str, typer.Option(help="final, last, best, or a checkpoint's name.")] = "final",
    runs_dir: RunsDir = RUNS_DIR,
    *,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score the model of a RUN on one split of its data."""
    from dlrun import experiment
    from dlrun.cli.console import print_json
    from dlrun.cli.display import displayed
    from dlrun.cli.format import format_scores

    with displayed(quiet=quiet or as_json) as display:
        scores = experiment.evaluate(
            run,
            split=split,
            checkpoint=checkpoint,
            overrides=tuple(overrides),
            trust_plugins=trust_plugins,
            runs_dir=runs_dir,
            listener=display,
        )
    if as_json:
        print_json(scores)
        return
    for name, of_split in scores.items():
        display.console.result(f"{name:<10} {format_scores(of_split)}")
