"""The command `dlrun eval RUN`."""

from __future__ import annotations

from typing import Annotated

import typer

from dlrun.cli.options import AsJson, Checkpoint, Overrides, Quiet, Run, RunsDir, TrustPlugins
from dlrun.runs import RUNS_DIR

_Split = Annotated[
    str | None, typer.Option(help="train, validation, test, or all.", show_default="test, or else validation")
]
_Data = Annotated[
    str | None, typer.Option(metavar="FILE", help="Labeled raw input to evaluate on, instead of a split.")
]
_By = Annotated[
    list[str],
    typer.Option(
        metavar="COLUMN,...",
        help="Columns whose groups to score; they need not be features. Default: evaluation.by of the run.",
        default_factory=list,
        show_default=False,
    ),
]
_Intervals = Annotated[
    float | None,
    typer.Option(
        metavar="LEVEL", help="Probability of the prediction intervals to score. Default: 0.9, for a run that has them."
    ),
]
_AllowChanges = Annotated[
    bool, typer.Option("--allow-changes", help="Evaluate even if the data changed since the run was trained.")
]


def evaluate(
    run: Run,
    overrides: Overrides,
    split: _Split = None,
    data: _Data = None,
    checkpoint: Checkpoint = "final",
    runs_dir: RunsDir = RUNS_DIR,
    *,
    by: _By,
    intervals: _Intervals = None,
    allow_changes: _AllowChanges = False,
    trust_plugins: TrustPlugins = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate the model of a RUN on a split or on another file.

    Prints loss and metrics, the scores of each class, label or value, and the confusion matrix. With --by, it prints
    the scores of each group of examples with intervals, and the largest gaps between groups.
    """
    import dlrun
    from dlrun.cli.display.console import output_width, print_json
    from dlrun.cli.display.display import displayed
    from dlrun.cli.display.format import format_scores
    from dlrun.cli.display.scores import plain_evaluation, score_tables
    from dlrun.cli.display.slices import slice_tables

    with displayed(quiet=quiet or as_json) as display:
        evaluations = dlrun.evaluate(
            run,
            split=split,
            data=data,
            by=[name.strip() for names in by for name in names.split(",") if name.strip()],
            intervals=intervals,
            checkpoint=checkpoint,
            overrides=overrides,
            allow_changes=allow_changes,
            trust_plugins=trust_plugins,
            runs_dir=runs_dir,
            listener=display,
        )
    if as_json:
        print_json({name: plain_evaluation(evaluation) for name, evaluation in evaluations.items()})
        return
    for name, evaluation in evaluations.items():
        display.console.result(f"{name:<10} {format_scores(evaluation.scores)}")
        if evaluation.breakdown.naive and not quiet:
            display.console.result(f"{'naive':<10} {format_scores(evaluation.breakdown.naive)}")
        if quiet:
            continue
        # Groups come first: whom the model serves worse is what to know before it is used.
        for text in slice_tables(evaluation.breakdown.slices, width=output_width()):
            display.console.result("\n" + text)
        for table in score_tables(evaluation, width=output_width()):
            display.console.result("\n" + table)
        if evaluation.table is not None:
            display.console.say(f"\nrecorded   {evaluation.table}")
