"""Prints the scores of complete folds: mean and standard deviation over the runs, and of all predictions together."""

from __future__ import annotations

from collections.abc import Sequence

from dlrun.batching.folds.record import FoldsBatch
from dlrun.cli.display.console import Console, output_width
from dlrun.cli.display.format import format_score, format_table


def show_folds(folds: Sequence[FoldsBatch], *, quiet: bool) -> None:
    """Print the scores of the folds of one spec to stdout; of several, only where their predictions are.

    Args:
        folds: The folds whose runs are all complete.
        quiet: Whether to print nothing but the scores.
    """
    console = Console(quiet=quiet)
    if len(folds) == 1:
        console.result()
        console.result(_scores(folds[0], width=output_width()))
    for each in folds:
        console.say(f"{'predicted':<10} {each.predictions}")


def _scores(folds: FoldsBatch, *, width: int | None) -> str:
    record = folds.record
    rows: list[Sequence[str]] = []
    for split, scores in (
        ("validation", record.validation),
        ("out of fold", record.out_of_fold),
        ("test", record.test),
    ):
        for name, each in scores.items():
            numbers = (each.mean, each.standard_deviation, each.pooled)
            rows.append((split, name, *("-" if value is None else format_score(value) for value in numbers)))
    return format_table(("split", "score", "mean", "std", "pooled"), rows, width=width, spare=())
