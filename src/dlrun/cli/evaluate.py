"""`dlrun eval RUN`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.options import RUNS_DIR, AsJson, Overrides, Quiet, Run, RunsDir


def evaluate(
    run: Run,
    overrides: Overrides,
    split: Annotated[str, typer.Option(help="train, validation, test, or all.")] = "test",
    checkpoint: Annotated[str, typer.Option(help="final, last, best, or a checkpoint's name.")] = "final",
    runs_dir: RunsDir = RUNS_DIR,
    *,
    trust_plugins: Annotated[bool, typer.Option("--trust-plugins", help="Load the run's plugins: code.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score the model of a RUN on one split of its data."""
    from dlrun import experiment
    from dlrun.cli.console import Console, print_json
    from dlrun.cli.display import Display
    from dlrun.cli.format import format_scores

    console = Console(quiet=quiet or as_json)
    with console.noise_kept_away():
        scores = experiment.evaluate(
            run,
            split=split,
            checkpoint=checkpoint,
            overrides=tuple(overrides),
            trust_plugins=trust_plugins,
            runs_dir=runs_dir,
            listener=Display(console),
        )
    if as_json:
        print_json(scores)
        return
    for name, of_split in scores.items():
        console.result(f"{name:<10} {format_scores(of_split)}")
