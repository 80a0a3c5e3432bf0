"""Prints the scores of complete folds: mean and standard deviation over the runs, and of all predictions together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dlrun.batching.folds.record import FoldsBatch
from dlrun.cli.display.console import Console, output_width
from dlrun.cli.display.format import format_score, format_table
from dlrun.runs import RUNS_DIR


def show_folds(folds: Sequence[FoldsBatch], *, runs_dir: Path, quiet: bool) -> None:
    """Print the scores of the folds of one spec to stdout; of several, only where their predictions are.

    The command that joins the runs of the folds into one model follows.

    Args:
        folds: The folds whose runs are all complete.
        runs_dir: The folder of the runs, which the suggested commands name unless it is the default.
        quiet: Whether to print nothing but the scores.
    """
    console = Console(quiet=quiet)
    if len(folds) == 1:
        console.result()
        console.result(_scores(folds[0], width=output_width()))
    for each in folds:
        console.say(f"{'predicted':<10} {each.predictions}")
    option = "" if runs_dir == RUNS_DIR else f" --runs-dir {runs_dir}"
    for each in filter(lambda each: each.is_joinable, folds):
        console.say(f"{'join':<10} dlrun ensemble --folds {each.folder.name}{option}", is_command=True)


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
